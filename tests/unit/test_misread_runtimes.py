from typing import Any

import pytest

from torc_watch.core.assessment import WorkflowState
from torc_watch.core.misread_runtimes import notes_on_run_times
from torc_watch.core.model import Requirements
from torc_watch.render.plan_text import plan_text, plan_values
from torc_watch.torc.requests import NewRequirements
from torc_watch.torc.wire import RequirementsRow


def row(runtime: str | None) -> Requirements:
    return RequirementsRow(id=1, name="small", memory="1g", runtime=runtime).to_model()


@pytest.mark.parametrize("runtime", ["PT1H30M", "P1D", "PT90S", "P1M", None, "soon"])
def test_run_time_that_all_read_alike_has_no_note(runtime: str | None) -> None:
    assert list(notes_on_run_times([row(runtime)])) == []


@pytest.mark.parametrize(
    ("runtime", "counted", "meant"),
    [("PT1.5H", 0, "PT1H30M"), ("P1DT0.5H", 86400, "P1DT30M"), ("PT0.5M", 0, "PT30S")],
)
def test_run_time_with_a_fraction_is_noted(runtime: str, counted: int, meant: str) -> None:
    (note,) = notes_on_run_times([row(runtime)])
    assert note.startswith(f"Torc's server counts {counted} s as the run time of 'small'")
    assert f"{meant} is meant" in note


def test_notes_are_shown_and_given_to_scripts() -> None:
    notes = tuple(notes_on_run_times([row("PT1.5H")]))
    *_, last = plan_text(42, WorkflowState.FINISHED, notes)
    assert last == f"Note: {notes[0]}"
    assert plan_values(42, WorkflowState.FINISHED, notes)["notes"] == list(notes)


def test_new_row_has_a_text_that_all_read_alike() -> None:
    """Also one that is made for a raise of the memory alone."""
    read = row("PT1.5H")
    assert read.runtime is not None
    written: dict[str, Any] = NewRequirements(name="n", memory=1, runtime=read.runtime).body(1)
    assert written["runtime"] == "PT1H30M"
