"""Rules from TOML: those of this program, of a site, and of a user."""

import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

import re2

from torc_watch.core.cause import Cause, Remedy
from torc_watch.core.clue import Weight
from torc_watch.core.errors import InvalidInput
from torc_watch.failures.rule import Rule

_TABLE = "rule"
_MAX_PROGRAM = 2000  # of RE2's instructions: a larger one may take seconds for one file
_REQUIRED = ("name", "cause", "pattern", "says")
_OPTIONAL = ("weight", "example", "remedy")
_WEIGHTS = {weight.name.lower(): weight for weight in Weight}
_CAUSES = {cause.value: cause for cause in Cause if cause is not Cause.SUSPECT}  # no failure
_REMEDIES = {
    remedy.value: remedy
    for remedy in Remedy
    if remedy not in (Remedy.RAISE_MEMORY, Remedy.RAISE_RUNTIME)  # belong to their causes
}


def own_rules() -> tuple[Rule, ...]:
    """Those that come with this program."""
    text = files("torc_watch.failures").joinpath("rules.toml").read_text(encoding="utf-8")
    return parse_rules(text)


def parse_rules(text: str) -> tuple[Rule, ...]:
    """Raises InvalidInput, which names all problems, each with its rule on a line."""
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(f"This is no TOML: {error}.") from None
    except ValueError:
        raise InvalidInput("This is no TOML: a number has too many digits.") from None
    problems = [f"{key} is no key here; rules are [[rule]]." for key in tables if key != _TABLE]
    entries = tables.get(_TABLE, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InvalidInput("rule is no list of tables; begin each with [[rule]].")
    for number, entry in enumerate(entries, start=1):
        problems += [f"{_title(number, entry)}: {problem}" for problem in _problems(entry)]
    problems += [f"rule {name} is there twice." for name in _repeated(entries)]
    if problems:
        raise InvalidInput("\n".join(problems))
    return tuple(_rule(entry) for entry in entries)


def _title(number: int, entry: Mapping[str, Any]) -> str:
    name = entry.get("name")
    return f"rule {name}" if isinstance(name, str) and name else f"rule number {number}"


def _problems(entry: Mapping[str, Any]) -> list[str]:
    problems = [f"{key} is missing." for key in _REQUIRED if key not in entry]
    for key, value in entry.items():
        if key not in (*_REQUIRED, *_OPTIONAL):
            problems.append(f"{key} is no key of a rule: {', '.join((*_REQUIRED, *_OPTIONAL))}.")
        elif not isinstance(value, str):
            problems.append(f"{key} is no text.")
        elif not value.strip():
            problems.append(f"{key} is empty.")
    if problems:
        return problems
    for key, values in (("cause", _CAUSES), ("weight", _WEIGHTS), ("remedy", _REMEDIES)):
        if key in entry and entry[key] not in values:
            problems.append(f"{entry[key]} is no {key}: {', '.join(values)}.")
    return problems + _pattern_problems(entry)


def _pattern_problems(entry: Mapping[str, Any]) -> list[str]:
    try:
        pattern = re2.compile(entry["pattern"], _quietly())
    except re2.error as error:
        return [f"its pattern cannot be read: {_text_of(error)}."]
    if pattern.programsize > _MAX_PROGRAM:
        return ["its pattern is too large: use fewer or shorter repetitions, such as {1,20}."]
    if pattern.match(""):
        return ["its pattern matches every line."]
    example = entry.get("example")
    if example is not None and not pattern.match(example):
        return ["its pattern does not match its example."]
    return []


def _text_of(error: re2.error) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _quietly() -> Any:
    options = re2.Options()
    options.log_errors = False
    return options


def _repeated(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    names = [entry.get("name") for entry in entries]
    return sorted({name for name in names if isinstance(name, str) and names.count(name) > 1})


def _rule(entry: Mapping[str, Any]) -> Rule:
    return Rule(
        name=entry["name"],
        cause=_CAUSES[entry["cause"]],
        pattern=entry["pattern"],
        says=entry["says"],
        weight=_WEIGHTS[entry.get("weight", "fatal")],
        example=entry.get("example", ""),
        remedy=_REMEDIES.get(entry.get("remedy", "")),
    )
