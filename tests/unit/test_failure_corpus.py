"""The causes of failures that the real Torc and Slurm left behind, and what is done about them."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.rigs.recorded_failures import Case, Recording, cases, recordings
from tests.rigs.replayed_failures import Replay, Replayer, recorded_slurm, write_output
from torc_watch.core.cause import Cause

# Cases whose verdict is known to be wrong, and why. A name may have a * in it.
_ALLOCATION = "its allocation was canceled, which hands over the workflow, not the job"
_FOREIGN = "it prints Slurm's lines about another allocation, which are ignored"
_NO_RULE = "written without a look at the rules: no rule shall be made for it"
WRONG_CAUSES = {
    "cancellation-*:canceled.*": _ALLOCATION,
    "hang-slurm:unknown.trap-hang": "a hang looks like a job that needs more time",
    "memory-with-code-direct:oom.*": "only its shell says that a child was killed",
    "blind-*:oom.snakemake-killed-aligner": _NO_RULE,
    "blind-*:gpu_oom.lammps-kokkos": _NO_RULE,
    "blind-*:timeout.gromacs-in-srun": _FOREIGN,
    "blind-*:input.espresso-pseudopotential": _NO_RULE,
    "blind2-*:oom.spades-return-value-minus-nine": _NO_RULE,
    "blind2-*:gpu.namd-ecc": _NO_RULE,
    "blind2-*:limit.star-bam-sort": _NO_RULE,
    "blind2-*:environment.xrootd-proxy": _NO_RULE,
    "blind2-*:input.gatk-contigs": _NO_RULE,
    "blind2-*:input.tensorflow-damaged-records": _NO_RULE,
    "blind2-*:input.cdo-open-failed": _NO_RULE,
    "blind2-*:code.optuna-survived-gpu-oom": _NO_RULE,
    "blind2-*:code.make-names-that-mislead": _NO_RULE,
    "blind2-*:canceled.snakemake-user-request": _NO_RULE,
}
# Those of them that get more of something that they did not lack, or run again too often.
RAISED_IN_VAIN: tuple[str, ...] = ("hang-slurm:unknown.trap-hang",)
RERUN_TOO_OFTEN: tuple[str, ...] = (
    "blind2-*:environment.xrootd-proxy",
    "blind2-*:code.make-names-that-mislead",
)

_LACKING = {"memory": Cause.OOM, "runtime": Cause.TIMEOUT}
_ONCE = (Cause.CODE, Cause.ENVIRONMENT)
_OF_THE_MACHINE = ("/root/.", "torc-watch-slurm-", "torc-watch-torc", "/work/wt-", "/work/main")
_SEEN: dict[str, Replay] = {}


async def replay_of(recording: Recording, folder: Path) -> Replay:
    """Each is replayed once for all of its cases."""
    if recording.name not in _SEEN:
        write_output(recording, folder)
        with recorded_slurm(recording):
            _SEEN[recording.name] = await Replayer(recording, folder).replay()
    return _SEEN[recording.name]


def _of_case(case: Case) -> object:
    reasons = [why for pattern, why in WRONG_CAUSES.items() if fnmatchcase(case.id, pattern)]
    marks = [pytest.mark.xfail(strict=True, reason=reason) for reason in reasons[:1]]
    return pytest.param(case, id=case.id, marks=marks)


EACH = pytest.mark.parametrize(
    "recording", [pytest.param(each, id=each.name) for each in recordings()]
)


@pytest.mark.parametrize("case", [_of_case(case) for case in cases()])
async def test_cause(case: Case, tmp_path: Path) -> None:
    replay = await replay_of(case.recording, tmp_path)
    found = replay.causes.get(case.job_name)
    assert found == case.expected, replay.reasons.get(case.job_name)


@EACH
async def test_nothing_is_raised_that_was_not_lacking(recording: Recording, tmp_path: Path) -> None:
    replay = await replay_of(recording, tmp_path)
    found = {
        case.id
        for case in recording.cases()
        for kind, cause in _LACKING.items()
        if case.expected != cause and case.job_name in replay.raises(kind)
    }
    assert found == _known(recording, RAISED_IN_VAIN)


@EACH
async def test_errors_of_code_run_again_once_at_most(recording: Recording, tmp_path: Path) -> None:
    replay = await replay_of(recording, tmp_path)
    found = {
        case.id
        for case in recording.cases()
        if case.expected in _ONCE and replay.retries[case.job_name] > 1
    }
    assert found == _known(recording, RERUN_TOO_OFTEN)


@EACH
def test_no_personal_details_are_recorded(recording: Recording) -> None:
    text = repr(recording)
    for mark in _OF_THE_MACHINE:
        assert mark not in text


def test_size_of_the_corpus() -> None:
    known = list(cases())
    assert len(known) >= 150
    assert sum(case.recording.is_blind for case in known) >= 15
    assert {case.expected for case in known} <= {None, *(cause.value for cause in Cause)}


def test_names_of_known_cases() -> None:
    names = [case.id for case in cases()]
    for pattern in (*WRONG_CAUSES, *RAISED_IN_VAIN, *RERUN_TOO_OFTEN):
        assert any(fnmatchcase(name, pattern) for name in names), pattern


def _known(recording: Recording, patterns: tuple[str, ...]) -> set[str]:
    ids = (case.id for case in recording.cases())
    return {each for each in ids if any(fnmatchcase(each, pattern) for pattern in patterns)}
