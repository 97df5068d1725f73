"""The search for clues in what a job has written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import re2

from torc_watch.core.cause import Cause
from torc_watch.core.clue import Clue, Weight
from torc_watch.failures.output_lines import (
    LOGGED,
    fingerprint,
    is_retried,
    line_at,
    printable_text,
    start_of_last,
)
from torc_watch.failures.rule import LINE, Rule

_LAST_LINES = 40  # among which an error that programs may survive can be what ended this one
_CLOSING_LINES = 200  # before which even the line by which programs end was survived, or is vague
_RAISED = (Cause.OOM, Cause.TIMEOUT)  # for which a survived error is no reason
_OWN = (Cause.CODE, Cause.INPUT, Cause.ENVIRONMENT)  # which follow from no other process
_MAX_LINE = 500  # characters of a line that is quoted
_MAX_MATCHES = _CLOSING_LINES  # of a rule that are looked at
_SET_MEMORY = 64 << 20  # bytes at most, beyond which RE2 gives up


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputText:
    """What was read of one file: its ``text``, the beginning and the end of a long one."""

    file: str
    text: str


@dataclass(frozen=True, slots=True)
class _Match:
    rule: Rule
    position: int
    weight: Weight


class _Output:
    """A text as people would read it, with the beginnings of what is near its end."""

    def __init__(self, text: str) -> None:
        self.text = printable_text(text)
        self.last = start_of_last(_LAST_LINES, self.text)
        self.closing = start_of_last(_CLOSING_LINES, self.text)

    def is_logged(self, position: int) -> bool:
        return self.text.startswith(LOGGED, position)

    def is_retried(self, position: int) -> bool:
        return is_retried(position, self.text)


class OutputSearch:
    """Finds all rules in one pass over a text, in time that grows with its length alone.

    Of several rules that match a line the first has it.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = tuple(rules)
        self._patterns: dict[str, Any] = {}
        self._set = _set_of(self._rules)

    def clues(self, outputs: Iterable[OutputText]) -> tuple[Clue, ...]:
        """A match of each rule in each output, in the order of the outputs and of the lines."""
        if not self._rules:
            return ()
        return tuple(clue for output in outputs for clue in self._clues_in(output))

    def _clues_in(self, output: OutputText) -> list[Clue]:
        read = _Output(output.text)
        matches, taken = list[_Match](), set[int]()
        for rule in self._matching(read.text):
            if (match := self._match(rule, read, taken)) is not None:
                matches.append(match)
        standing = sorted(_standing(matches, read), key=lambda match: match.position)
        return [_clue(match, read.text, output.file) for match in standing]

    def _matching(self, text: str) -> list[Rule]:
        """One by one, and slower, where all together take more memory than RE2 is given."""
        found = self._set.Match(text) if self._set else None
        if found is None or len(self._rules) not in found:
            return [rule for rule in self._rules if self._pattern_of(rule).search(text)]
        return [self._rules[index] for index in sorted(found) if index < len(self._rules)]

    def _match(self, rule: Rule, read: _Output, taken: set[int]) -> _Match | None:
        """The match that says most; the lines of all of them are taken."""
        may_be_survived = rule.weight in (Weight.HINT, Weight.FATAL)
        own = self._positions(rule, read.text, read.closing if may_be_survived else 0, taken)
        if not own and rule.weight is Weight.FATAL and rule.cause not in _RAISED:
            own = self._positions(rule, read.text, 0, taken)
        if may_be_survived:
            return _weighed(rule, read, own)
        return _Match(rule, own[0], rule.weight) if own else None

    def _positions(self, rule: Rule, text: str, start: int, taken: set[int]) -> list[int]:
        """Where the lines begin that the rule matches, and no rule before it."""
        pattern = self._pattern_of(rule)
        group = pattern.groupindex.get(LINE, 0)
        found, used = list[int](), set[int]()
        for match in islice(pattern.finditer(text[start:]), _MAX_MATCHES):
            begin = start + match.start()
            position = max(begin, start + match.start(group))
            if position not in taken:
                found.append(position)
                used.update((begin, position))
        taken.update(used)
        return found

    def _pattern_of(self, rule: Rule) -> Any:
        if rule.name not in self._patterns:
            self._patterns[rule.name] = re2.compile(_at_line_start(rule.pattern), _quietly())
        return self._patterns[rule.name]


def _weighed(rule: Rule, read: _Output, positions: list[int]) -> _Match | None:
    """The first that ended the program, else the first that may have."""
    if rule.weight is Weight.FATAL:
        for position in positions:
            is_end = position >= read.closing and not read.is_logged(position)
            if is_end and not read.is_retried(position):
                return _Match(rule, position, Weight.FATAL)
    if rule.cause in _RAISED:
        positions = [each for each in positions if not read.is_retried(each)]
    is_vague = rule.weight is Weight.FATAL and rule.cause not in _RAISED
    hints = [each for each in positions if is_vague or each >= read.last]
    return _Match(rule, hints[0], Weight.HINT) if hints else None


def _standing(matches: list[_Match], read: _Output) -> list[_Match]:
    """Without lack of memory that the program survived, to end by an error of its own."""
    fatal = [match for match in matches if match.weight is Weight.FATAL]
    if not any(match.rule.cause in _OWN and match.position >= read.last for match in fatal):
        return matches
    return [
        match
        for match in matches
        if match not in fatal or match.rule.cause not in _RAISED or match.position >= read.last
    ]


def _set_of(rules: Sequence[Rule]) -> Any:
    """Its last pattern matches every text: RE2 says of a search that failed that nothing matches.

    None where the patterns are too large to be one set.
    """
    options = _quietly()
    options.max_mem = _SET_MEMORY
    together = re2.Set.SearchSet(options)
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
    return f"(?m)^{LOGGED}?(?:{pattern})"


def _clue(match: _Match, text: str, file: str) -> Clue:
    rule, line = match.rule, line_at(match.position, text)[:_MAX_LINE].strip()
    return Clue(
        rule=rule.name,
        cause=rule.cause,
        weight=match.weight,
        says=rule.says,
        line=line,
        file=file,
        position=match.position,
        fingerprint=fingerprint(rule.name, line, keeps_quoted=rule.cause is Cause.CODE),
        remedy=rule.remedy,
    )
