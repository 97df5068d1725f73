"""The causes of failures that the real Torc and Slurm left behind, and what is done about them."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.rigs.recorded_failures import Case, Recording, cases, recordings
from tests.rigs.replayed_failures import Replay, Replayer, recorded_slurm, write_output
from torc_watch.core.cause import Cause

# Cases whose verdict is known to be wrong, and why; a name may end with *.
WRONG_CAUSES: dict[str, str] = {}
WRONG_RAISES: dict[str, str] = {}

_LACKING = {"memory": Cause.OOM, "runtime": Cause.TIMEOUT}
_NEVER_TWICE = (Cause.CODE, Cause.ENVIRONMENT)
_OF_THE_MACHINE = ("/root/.", "torc-watch-slurm-", "torc-watch-torc", "/work/")
_SEEN: dict[str, Replay] = {}


async def replay_of(recording: Recording, folder: Path) -> Replay:
    """Each is replayed once for all of its cases."""
    if recording.name not in _SEEN:
        write_output(recording, folder)
        with recorded_slurm(recording):
            _SEEN[recording.name] = await Replayer(recording, folder).replay()
    return _SEEN[recording.name]


def _params(known: dict[str, str]) -> list[object]:
    return [pytest.param(case, id=case.id, marks=_marks(case.id, known)) for case in cases()]


def _marks(name: str, known: dict[str, str]) -> list[pytest.MarkDecorator]:
    reasons = [reason for pattern, reason in known.items() if fnmatchcase(name, pattern)]
    return [pytest.mark.xfail(strict=True, reason=reason) for reason in reasons[:1]]


@pytest.mark.parametrize("case", _params(WRONG_CAUSES))
async def test_cause(case: Case, tmp_path: Path) -> None:
    replay = await replay_of(case.recording, tmp_path)
    found = replay.causes.get(case.job_name)
    assert found == case.expected, replay.reasons.get(case.job_name)


@pytest.mark.parametrize("case", _params(WRONG_RAISES))
async def test_nothing_is_raised_that_was_not_lacking(case: Case, tmp_path: Path) -> None:
    replay = await replay_of(case.recording, tmp_path)
    for kind, cause in _LACKING.items():
        assert case.expected == cause or case.job_name not in replay.raises(kind)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.id) for case in cases() if case.expected in _NEVER_TWICE],
)
async def test_errors_of_code_run_again_once_at_most(case: Case, tmp_path: Path) -> None:
    replay = await replay_of(case.recording, tmp_path)
    assert replay.retries[case.job_name] <= 1


def test_size_of_the_corpus() -> None:
    known = list(cases())
    assert len(known) >= 150
    assert sum(case.recording.is_blind for case in known) >= 15
    assert {case.expected for case in known} <= {None, *(cause.value for cause in Cause)}


def test_patterns_of_known_cases_match() -> None:
    names = [case.id for case in cases()]
    for pattern in (*WRONG_CAUSES, *WRONG_RAISES):
        assert any(fnmatchcase(name, pattern) for name in names), pattern


@pytest.mark.parametrize("recording", [pytest.param(each, id=each.name) for each in recordings()])
def test_no_personal_details_are_recorded(recording: Recording) -> None:
    text = repr(recording)
    for mark in _OF_THE_MACHINE:
        assert mark not in text
