"""Options that several commands share."""

import pytest
import typer

from torc_watch.cli.options import api_version


@pytest.mark.parametrize(("given", "expected"), [("0.12", "0.12"), ("1.0", "1.0"), ("0.35", "1.0")])
def test_api_version_takes_the_former_name_of_1_0(given: str, expected: str) -> None:
    assert api_version(given) == expected


@pytest.mark.parametrize("given", ["", "1", "0.35.0", "2.0"])
def test_unknown_api_version_is_refused_with_the_known_ones(given: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"give 0\.12 or 1\.0"):
        api_version(given)
