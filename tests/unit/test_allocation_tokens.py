import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.allocation_tokens import MAX_ALLOCATIONS, allocation_token, token_stem

HEX = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("workflow_id", "place", "token"),
    [
        (7, 1, "tw7-0123456789a-1"),
        (42, 12, "tw42-0123456789-12"),
        (999_999, 999, "tw999999-012345-999"),
        (1_000_000, 999, "tw-0123456789ab-999"),
        (2**63 - 1, 1, "tw-0123456789ab-1"),
    ],
)
def test_token_has_the_id_of_its_workflow_where_there_is_room(
    workflow_id: int, place: int, token: str
) -> None:
    assert allocation_token(token_stem(workflow_id, HEX), place) == token


@given(
    workflow_id=st.integers(min_value=1, max_value=2**63 - 1),
    random=st.uuids(),
    place=st.integers(min_value=1, max_value=MAX_ALLOCATIONS),
)
def test_torcs_tools_can_read_every_token_as_the_name_of_a_job(
    workflow_id: int, random: UUID, place: int
) -> None:
    token = allocation_token(token_stem(workflow_id, random.hex), place)
    assert re.fullmatch(r"[a-z0-9-]{1,19}", token)


@given(st.integers(min_value=1, max_value=2**63 - 1))
def test_rounds_of_a_workflow_differ_in_at_least_24_bits(workflow_id: int) -> None:
    zeros, ones = token_stem(workflow_id, "0" * 32), token_stem(workflow_id, "1" * 32)
    assert sum(a != b for a, b in zip(zeros, ones, strict=True)) >= 6
