"""What commands print of a plan of allocations."""

import pytest

from torc_watch.cli.plan_output import print_notes


def test_notes_cannot_control_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """They have names of jobs in them, which are the server's."""
    print_notes(["Jobs like 1 (\x1b[2Jtrain) get 1 allocation.", "x" * 500])

    assert capsys.readouterr().err.splitlines() == [
        r"Note: Jobs like 1 (\x1b[2Jtrain) get 1 allocation.",
        f"Note: {'x' * 500}",
    ]
