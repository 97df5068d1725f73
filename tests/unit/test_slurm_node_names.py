"""The names of nodes behind Slurm's abbreviations, and which of the nodes answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import SchedulerUnreachable
from torc_watch.schedulers.slurm.node_names import node_names
from torc_watch.schedulers.slurm.node_table import parse_answering_nodes

_HEADING = "NODELIST|STATECOMPLETE|\n"


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", []),
        ("n1", ["n1"]),
        ("n1,gpu3", ["n1", "gpu3"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[1,3-4],m7", ["n1", "n3", "n4", "m7"]),
        ("n[008-010]", ["n008", "n009", "n010"]),
        ("r[1-2]n[1,3]-ib", ["r1n1-ib", "r1n3-ib", "r2n1-ib", "r2n3-ib"]),
        ("n[a-b]", ["na-b"]),  # not Slurm's
    ],
)
def test_abbreviated_list(text: str, names: list[str]) -> None:
    assert node_names(text) == names


@given(st.integers(0, 2000), st.integers(0, 50), st.integers(1, 5))
def test_range_has_all_names_of_one_width(first: int, more: int, width: int) -> None:
    names = [f"n{number:0{width}}" for number in range(first, first + more + 1)]

    assert node_names(f"n[{first:0{width}}-{first + more:0{width}}]") == names


@pytest.mark.parametrize(
    ("state", "answers"),
    [
        ("idle", True),
        ("MIXED+DRAIN", True),
        ("down", True),  # by an administrator: its slurmd ends the jobs
        ("down+not_responding", False),
        ("DOWN+MAINTENANCE+NOT_RESPONDING", False),
        ("idle+cloud+powered_down+not_responding", True),  # switched off: nothing runs there
        ("down+powering_down+not_responding", False),
    ],
)
def test_node_answers(state: str, answers: bool) -> None:
    rows = f"n1|{state}|\nn1|{state}|\n"  # a row for each partition

    assert parse_answering_nodes(f"a banner\n{_HEADING}{rows}") == ({"n1"} if answers else set())


def test_answer_without_heading_is_none() -> None:
    with pytest.raises(SchedulerUnreachable, match="heading"):
        parse_answering_nodes("")
