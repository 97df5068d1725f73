"""Verdicts on recorded failures, ours and those of `torc recover`: `scripts/bench diagnosis`.

The failures were recorded from the real Torc on a real Slurm cluster by scripts/capture-failures.
Torc knows the causes oom, timeout and unknown; its verdict is right where it is the right one of
these. Jobs that request nothing get a row with 1 MiB from it, which it raises: those with a request
of their own are counted apart. It remembers no earlier round: a failure that it takes for one of
the first two runs again in every round.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.rigs.recorded_failures import SUCCESS, TRAP, Case, recordings
from tests.rigs.replayed_failures import Replay, Replayer, recorded_slurm, write_output

_REPEATS = 20
_RAISED_FOR = {"memory": "oom", "runtime": "timeout"}
_ONCE = ("code", "environment")
_OF_TORC = ("oom", "timeout", "unknown")
_HEADING = """\
| | cases | right: ours | Torc's | ratio | raised in vain: ours | Torc's | rerun beyond one: ours \
| Torc's |
|---|--:|--:|--:|--:|--:|--:|--:|--:|"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one program makes of a case. ``reruns`` of a program that never ends are two."""

    cause: str | None
    raises: frozenset[str]
    reruns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    case: Case
    ours: Verdict
    theirs: Verdict


async def measure() -> dict[str, float]:
    judged: list[Judged] = []
    milliseconds: dict[str, float] = {}
    for recording in recordings():
        with TemporaryDirectory() as name, recorded_slurm(recording):
            write_output(recording, Path(name))
            replayer = Replayer(recording, Path(name))
            replay = await replayer.replay()
            if failed := len(replay.causes):
                milliseconds[recording.name] = 1000 * await _seconds(replayer) / failed
        judged += [
            Judged(case=case, ours=_ours(case, replay), theirs=_theirs(case))
            for case in recording.cases()
        ]
    print(f"\n{_table(judged)}\n\n{_wrong(judged)}\n", flush=True)
    return _values(judged) | _cpu(milliseconds)


async def _seconds(replayer: Replayer) -> float:
    """Of CPU for one diagnosis, after a first one that has compiled the rules."""
    began = time.process_time()
    for _ in range(_REPEATS):
        await replayer.diagnose()
    return (time.process_time() - began) / _REPEATS


def _ours(case: Case, replay: Replay) -> Verdict:
    raises = (kind for kind in _RAISED_FOR if case.job_name in replay.raises(kind))
    return Verdict(
        cause=replay.causes.get(case.job_name),
        raises=frozenset(raises),
        reruns=replay.retries[case.job_name],
    )


def _theirs(case: Case) -> Verdict:
    torc, name = case.recording.torc, case.job_name
    cause = torc["causes"].get(name)
    return Verdict(
        cause=cause,
        raises=frozenset(torc["raises"].get(name, ())),
        reruns=2 if cause in _RAISED_FOR.values() else 0,
    )


def _is_right(case: Case, verdict: Verdict) -> bool:
    return verdict.cause == case.expected


def _raised_in_vain(case: Case, verdict: Verdict) -> int:
    return sum(_RAISED_FOR[kind] != case.expected for kind in verdict.raises)


def _reruns_too_often(case: Case, verdict: Verdict) -> bool:
    return case.expected in _ONCE and verdict.reruns > 1


def _table(judged: Sequence[Judged]) -> str:
    classes = sorted({each.case.expected or SUCCESS for each in judged})
    groups = {name: [each for each in judged if _class_of(each) == name] for name in classes}
    groups["**traps**"] = [each for each in judged if TRAP in each.case.job_name]
    groups["**blind**"] = [each for each in judged if each.case.recording.is_blind]
    groups["**all but blind**"] = [each for each in judged if not each.case.recording.is_blind]
    groups["**Torc's three causes**"] = [each for each in judged if each.case.expected in _OF_TORC]
    groups["**own requests**"] = [each for each in judged if each.case.has_request]
    groups["**all**"] = list(judged)
    return "\n".join([_HEADING, *(_row(name, group) for name, group in groups.items())])


def _class_of(judged: Judged) -> str:
    return judged.case.expected or SUCCESS


def _row(name: str, group: Sequence[Judged]) -> str:
    ours, theirs = _both(group, _is_right)
    ratio = f"{ours / theirs:.1f}" if theirs else "-"
    cells = [str(len(group)), _share(ours, group), _share(theirs, group), ratio]
    for count in (_raised_in_vain, _reruns_too_often):
        cells += map(str, _both(group, count))
    return f"| {name} | {' | '.join(cells)} |"


def _both(group: Iterable[Judged], count: Callable[[Case, Verdict], int]) -> tuple[int, int]:
    chosen = list(group)
    ours = sum(count(each.case, each.ours) for each in chosen)
    return ours, sum(count(each.case, each.theirs) for each in chosen)


def _share(number: int, group: Sequence[Judged]) -> str:
    return f"{number} ({number / len(group):.0%})" if group else "-"


def _wrong(judged: Iterable[Judged]) -> str:
    lines = [
        f"{each.case.id}: {each.ours.cause}, not {each.case.expected} (Torc: {each.theirs.cause})"
        for each in judged
        if not _is_right(each.case, each.ours)
    ]
    return "\n".join(["Our wrong verdicts:", *(lines or ["none"])])


def _values(judged: Sequence[Judged]) -> dict[str, float]:
    groups = {
        "": judged,
        ", blind": [each for each in judged if each.case.recording.is_blind],
        ", traps": [each for each in judged if TRAP in each.case.job_name],
    }
    values: dict[str, float] = {}
    for name, group in groups.items():
        values[f"diagnosis{name}: cases"] = len(group)
        for what, count in (
            ("right", _is_right),
            ("raised in vain", _raised_in_vain),
            ("reruns beyond one", _reruns_too_often),
        ):
            ours, theirs = _both(group, count)
            values[f"diagnosis{name}: {what}, torc-watchd"] = ours
            values[f"diagnosis{name}: {what}, torc recover"] = theirs
    return values


def _cpu(milliseconds: Mapping[str, float]) -> dict[str, float]:
    """Of a failed job: of all recordings alike, and of that where it takes longest."""
    worst = max(milliseconds, key=milliseconds.__getitem__)
    mean = sum(milliseconds.values()) / len(milliseconds)
    return {
        "diagnosis: CPU per failed job, ms, mean": mean,
        f"diagnosis: CPU per failed job, ms, most ({worst})": milliseconds[worst],
    }
