"""The search for clues in what a job has written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import re2

from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.failures.output_lines import fingerprint, printable_text
from torc_watch.failures.rule import Rule

_LAST_LINES = 40  # among which an error that programs may survive can be what ended this one
_CLOSING_LINES = 200  # before which even the line by which programs end was survived, or is vague
_RAISED = (Cause.OOM, Cause.TIMEOUT)  # for which a survived error is no reason
_MAX_LINE = 500  # characters of a line that is quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputText:
    """What was read of one file: its ``text``, the beginning and the end of a long one."""

    file: str
    text: str


class OutputSearch:
    """Finds all rules in one pass over a text, in time that grows with its length alone."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._patterns: dict[str, Any] = {}
        self._set = _set_of(self._rules)

    def clues(self, outputs: Iterable[OutputText]) -> tuple[Clue, ...]:
        """Each rule's first match in each output, in the order of the outputs and of the lines."""
        if not self._rules:
            return ()
        return tuple(clue for output in outputs for clue in self._clues_in(output))

    def _clues_in(self, output: OutputText) -> list[Clue]:
        text = printable_text(output.text)
        last, closing = _start_of_last(_LAST_LINES, text), _start_of_last(_CLOSING_LINES, text)
        starts = {Weight.HINT: last, Weight.FATAL: closing}
        found = []
        for rule in self._matching(text):
            position = self._position(rule, text, starts.get(rule.weight, 0))
            if position is not None:
                found.append(_clue(rule, text, position, output.file))
            elif rule.weight is Weight.FATAL and rule.cause not in _RAISED:
                early = replace(rule, weight=Weight.HINT)
                found.append(_clue(early, text, self._position(rule, text, 0) or 0, output.file))
        return sorted(found, key=lambda clue: clue.position)

    def _matching(self, text: str) -> list[Rule]:
        """One by one, and slower, where all together take more memory than RE2 is given."""
        found = self._set.Match(text) if self._set else None
        if found is None or len(self._rules) not in found:
            return [rule for rule in self._rules if self._position(rule, text, 0) is not None]
        return [self._rules[index] for index in found if index < len(self._rules)]

    def _position(self, rule: Rule, text: str, start: int) -> int | None:
        if rule.name not in self._patterns:
            self._patterns[rule.name] = re2.compile(_at_line_start(rule.pattern), _quietly())
        match = self._patterns[rule.name].search(text, start)
        return match.start() if match else None


def _set_of(rules: Sequence[Rule]) -> Any:
    """Its last pattern matches every text: RE2 says of a search that failed that nothing matches.

    None where the patterns are too large to be one set.
    """
    together = re2.Set.SearchSet(_quietly())
    for rule in rules:
        together.Add(_at_line_start(rule.pattern))
    together.Add("")
    try:
        together.Compile()
    except re2.error:
        return None
    return together


def _quietly() -> Any:
    options = re2.Options()
    options.log_errors = False  # onto standard error
    return options


def _at_line_start(pattern: str) -> str:
    return f"(?m)^(?:{pattern})"


def _start_of_last(lines: int, text: str) -> int:
    start = len(text)
    for _ in range(lines + 1):
        start = text.rfind("\n", 0, start)
        if start < 0:
            return 0
    return start + 1


def _clue(rule: Rule, text: str, position: int, file: str) -> Clue:
    line = text[position:].partition("\n")[0][:_MAX_LINE].strip()
    return Clue(
        rule=rule.name,
        cause=rule.cause,
        weight=rule.weight,
        says=rule.says,
        line=line,
        file=file,
        position=position,
        fingerprint=fingerprint(rule.name, line, keeps_quoted=rule.cause is Cause.CODE),
        remedy=rule.remedy,
    )
