from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.output_files import (
    Oddity,
    OutputFile,
    absolute_path,
    is_of_a_node,
    may_be_odd,
    odd_outputs,
)

LARGE = 1_000_000
EQUAL = [LARGE] * 5
PLOT = "job 9 (plot)"
MISSING, EMPTY, TRUNCATED = Oddity.MISSING, Oddity.EMPTY, Oddity.TRUNCATED


def output(
    job_id: int,
    size: int | None,
    *,
    path: str | None = None,
    likeness: str = "small train_#",
    was_used: bool = False,
    failed_reader: str = "",
) -> OutputFile:
    return OutputFile(
        job_id=job_id,
        path=path or f"/data/out_{job_id}.csv",
        size=size,
        likeness=likeness,
        was_used=was_used,
        failed_reader=failed_reader,
    )


def outputs(sizes: Sequence[int | None]) -> list[OutputFile]:
    return [output(number, size) for number, size in enumerate(sizes, 1)]


def oddities(files: Sequence[OutputFile]) -> dict[int, Oddity]:
    return {job_id: odd.oddity for job_id, odd in odd_outputs(files).items()}


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        pytest.param([], {}, id="none"),
        pytest.param([0], {}, id="empty, alone"),
        pytest.param([0, 0, 0, 0], {}, id="all are empty: they only say that a job is done"),
        pytest.param([LARGE, 0], {}, id="one filled one tells nothing"),
        pytest.param([LARGE, LARGE, 0], {3: EMPTY}, id="one empty of three"),
        pytest.param([1, 2, 0], {3: EMPTY}, id="even small ones are not empty"),
        pytest.param([LARGE] * 3 + [0, 0], {}, id="two of five: some have nothing to say"),
        pytest.param([LARGE] * 8 + [0, 0], {9: EMPTY, 10: EMPTY}, id="a fifth"),
        pytest.param([LARGE] * 8 + [0, 0, 0], {}, id="more than a fifth"),
        pytest.param([*EQUAL, 12], {6: TRUNCATED}, id="short"),
        pytest.param([*EQUAL, LARGE // 100 + 1], {}, id="a hundredth"),
        pytest.param([LARGE] * 4 + [12], {}, id="four tell too little"),
        pytest.param([*EQUAL, 12, 13], {}, id="two short ones of seven"),
        pytest.param([LARGE] * 18 + [12, 13], {19: TRUNCATED, 20: TRUNCATED}, id="a tenth is"),
        pytest.param([10**4, 10**5, 10**6, 10**7, 10**8, 12], {}, id="sizes that differ"),
        pytest.param([LARGE, 2 * LARGE, LARGE, 2 * LARGE, LARGE, 12], {6: TRUNCATED}, id="twofold"),
        pytest.param([900] * 5 + [8], {}, id="small ones have a line or none"),
        pytest.param([LARGE, LARGE, None], {3: MISSING}, id="gone"),
        pytest.param([None], {1: MISSING}, id="gone, alone"),
        pytest.param([None] * 3, {1: MISSING, 2: MISSING, 3: MISSING}, id="all are gone"),
    ],
)
def test_output_is_odd_against_those_of_jobs_like_it(
    sizes: list[int | None], expected: dict[int, Oddity]
) -> None:
    assert oddities(outputs(sizes)) == expected


def test_file_that_was_used_may_have_been_deleted() -> None:
    assert oddities([output(1, None, was_used=True), output(2, None)]) == {2: MISSING}


def test_empty_file_is_odd_if_the_job_that_reads_it_failed() -> None:
    (odd,) = odd_outputs([output(1, 0, failed_reader=PLOT)]).values()
    assert odd.oddity is EMPTY
    assert odd.reason == (
        "its output /data/out_1.csv is empty, and job 9 (plot), which reads it, failed"
    )


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"likeness": "small test_#"}, id="another kind of job"),
        pytest.param({"path": "/data/log_1.txt"}, id="another kind of file"),
    ],
)
def test_what_is_not_alike_is_not_compared(other: dict[str, str]) -> None:
    assert oddities([*outputs([LARGE, LARGE]), output(3, 0, **other)]) == {}  # type: ignore[arg-type]


def test_worst_file_of_a_job_counts() -> None:
    files = [*outputs([LARGE, LARGE, 0]), output(3, None, path="/data/log_3.txt")]
    (odd,) = odd_outputs(files).values()
    assert odd.reason == "its output /data/log_3.txt is not there any more"


def test_reasons_have_the_sizes() -> None:
    (short,) = odd_outputs(outputs([*EQUAL, 12])).values()
    assert short.reason == (
        "its output /data/out_6.csv has 12 bytes, those of 5 jobs like it about 976.6k"
    )
    (empty,) = odd_outputs(outputs([1, 1, 0])).values()
    assert empty.reason == "its output /data/out_3.csv is empty, those of 2 jobs like it are not"


@given(
    st.lists(
        st.builds(
            OutputFile,
            job_id=st.integers(1, 9),
            path=st.sampled_from(["/d/a1", "/d/a2", "/d/b1"]),
            size=st.none() | st.just(0) | st.integers(1, 10**7),
            likeness=st.sampled_from(["x", "y"]),
            was_used=st.booleans(),
            failed_reader=st.sampled_from(["", PLOT]),
        ),
        max_size=30,
    )
)
def test_odd_files_are_always_worth_the_question_whose_they_are(files: list[OutputFile]) -> None:
    sizes = [(file.path, file.size) for file in files]
    has_failed_readers = any(file.failed_reader for file in files)
    if odd_outputs(files):
        assert may_be_odd(sizes, with_failed_readers=has_failed_readers)


@pytest.mark.parametrize("sizes", [[], [5, 6, 7], [0, 0, 0], [100, 9_999]])
def test_files_as_they_should_be_cost_no_question(sizes: list[int]) -> None:
    files = [(f"/d/{number}", size) for number, size in enumerate(sizes)]
    assert not may_be_odd(files, with_failed_readers=False)


@pytest.mark.parametrize(
    ("path", "submitted_in", "expected"),
    [
        ("/data/x", None, "/data/x"),
        ("out/x", "/home/ada/run/", "/home/ada/run/out/x"),
        ("out/x", None, None),
        ("out/x", "run", None),
        ("", "/home/ada", None),
        ("/data/\0", None, None),
    ],
)
def test_relative_paths_are_from_where_the_workflow_was_submitted(
    path: str, submitted_in: str | None, expected: str | None
) -> None:
    assert absolute_path(path, submitted_in) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/tmp/x", True), ("/dev/shm/x", True), ("/tmporary/x", False), ("/scratch/tmp/x", False)],
)
def test_folders_of_a_node(path: str, *, expected: bool) -> None:
    assert is_of_a_node(path) is expected
