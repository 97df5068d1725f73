"""How long rules of a user take for what a job has written."""

import random
import string
import time
from collections.abc import Iterable
from dataclasses import dataclass

from torc_watch.failures.output_search import OutputSearch, OutputText
from torc_watch.failures.rule import Rule

_LINES, _LINE = 250, 400  # characters: with 100 KB as much as is read of a file
_SLOW = 0.1  # seconds; all rules of ours together take a hundredth


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowRule:
    """``seconds`` is how long it takes for 100 KB."""

    name: str
    seconds: float


def slow_rules(rules: Iterable[Rule]) -> tuple[SlowRule, ...]:
    """Measured on long lines of letters of the pattern, which make its search work hardest."""
    measured = (SlowRule(name=rule.name, seconds=_seconds(rule)) for rule in rules)
    return tuple(each for each in measured if each.seconds >= _SLOW)


def _seconds(rule: Rule) -> float:
    search, output = OutputSearch([rule]), OutputText(file="", text=_text(rule))
    before = time.process_time()
    search.clues([output])
    return time.process_time() - before


def _text(rule: Rule) -> str:
    """The same each time."""
    chance = random.Random(0)  # noqa: S311 - no secret
    letters = sorted({*rule.pattern, *rule.example} & {*string.ascii_letters}) + list("abxyz 01")
    return "\n".join("".join(chance.choices(letters, k=_LINE)) for _ in range(_LINES))
