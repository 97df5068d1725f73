"""Arguments that several tools have, with their limits."""

from typing import Annotated, Literal

from pydantic import Field

WorkflowNumber = Annotated[int, Field(gt=0, lt=2**63)]
JobNumber = Annotated[int, Field(gt=0, lt=2**63)]
MostEntries = Annotated[int, Field(gt=0, le=1000)]
FirstEntry = Annotated[int, Field(ge=0)]
StatusName = Literal[
    "uninitialized", "blocked", "ready", "pending", "running", "completed", "failed", "canceled",
    "terminated", "disabled", "pending_failed",
]  # fmt: skip
StreamName = Literal["all", "stdout", "stderr", "combined", "allocation", "runner"]
ChosenJobs = Annotated[
    list[str] | None,
    Field(
        min_length=1, max_length=1000, description="IDs or names: only these failed jobs run again"
    ),
]
LeastMemory = Annotated[
    str | None, Field(description="What each of these jobs requests at least, such as 16g")
]
LeastMinutes = Annotated[int | None, Field(gt=0, le=525_600, description="The same for run time")]
