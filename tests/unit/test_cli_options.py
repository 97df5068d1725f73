"""Options that several commands share."""

import pytest
import typer

from torc_watch.cli.options import (
    all_workflow_ids,
    api_version,
    at_least,
    port_number,
    workflow_ids,
)


@pytest.mark.parametrize(("given", "expected"), [("0.12", "0.12"), ("1.0", "1.0"), ("0.35", "1.0")])
def test_api_version_takes_the_former_name_of_1_0(given: str, expected: str) -> None:
    assert api_version(given) == expected


@pytest.mark.parametrize("given", ["", "1", "0.35.0", "2.0"])
def test_unknown_api_version_is_refused_with_the_known_ones(given: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"give 0\.12 or 1\.0"):
        api_version(given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["7"], [7]),
        (["1-3"], [1, 2, 3]),
        (["1-3,7"], [1, 2, 3, 7]),
        (["1-3", "2-4", "3"], [1, 2, 3, 4]),
        (["5-5"], [5]),
        (["1, 3"], [1, 3]),
        ([f"{2**63 - 1}"], [2**63 - 1]),
        (["1-1000"], list(range(1, 1001))),
    ],
)
def test_ids_and_ranges_of_ids(given: list[str], expected: list[int]) -> None:
    assert all_workflow_ids([workflow_ids(text) for text in given]) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("3-1", "3-1 is an empty range: write 1-3."),
        ("1-", "'1-' is not a list of workflow IDs: write 7, 1-3, or 1-3,7"),
        ("1-2-3", "is not a list of workflow IDs"),
        ("1,,3", "is not a list of workflow IDs"),
        ("1-3,", "is not a list of workflow IDs"),
        ("0-3", "is not a list of workflow IDs"),
        ("1-x", "is not a list of workflow IDs"),
        ("٣-٤", "is not a list of workflow IDs"),
        ("-3", "'-3' is not the ID of a workflow"),
        ("", "'' is not the ID of a workflow"),
        ("train", "'train' is not the ID of a workflow"),
        ("my-flow.yaml", "my-flow.yaml is a specification"),
        ("1-1001", "1-1001 has 1001 workflows, and one command takes 1000."),
        ("1-99999999999", "1-99999999999 has 99999999999 workflows"),
        (f"1-{2**63}", "must be between 1 and 2^63 - 1 (got 9223372036854775808)"),
        ("9" * 5000, f"must be between 1 and 2^63 - 1 (got {'9' * 40})"),
    ],
)
def test_what_is_no_id_and_no_range(given: str, message: str) -> None:
    with pytest.raises(typer.BadParameter) as refused:
        workflow_ids(given)
    assert message in refused.value.message


def test_too_many_ids_for_one_command() -> None:
    with pytest.raises(typer.BadParameter, match="1001 workflows are too many"):
        all_workflow_ids([range(1, 1001), [5000]])


def test_least_value_of_an_option() -> None:
    check = at_least(1)
    assert (check(None), check(1)) == (None, 1)
    with pytest.raises(typer.BadParameter, match="0 is too few: give at least 1"):
        check(0)


def test_port_number() -> None:
    assert [port_number(port) for port in (0, 65_535)] == [0, 65_535]
    for port in (-1, 65_536):
        with pytest.raises(typer.BadParameter, match=f"{port} is no port"):
            port_number(port)
