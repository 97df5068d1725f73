"""The runs of a workflow in numbers."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from torc_watch.core.timeline import AttemptSpan, AttemptState


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Attempts that ended in one run, from the first start to the last end."""

    run_id: int
    succeeded: int
    failed: int
    began: datetime
    ended: datetime


def run_summaries(attempts: Iterable[AttemptSpan]) -> Iterator[RunSummary]:
    """By run; those that have not ended are in none."""
    runs: dict[int, list[AttemptSpan]] = defaultdict(list)
    for attempt in attempts:
        if attempt.state is not AttemptState.RUNNING:
            runs[attempt.run_id].append(attempt)
    for run_id, ended in sorted(runs.items()):
        succeeded = sum(each.state is AttemptState.SUCCEEDED for each in ended)
        yield RunSummary(
            run_id=run_id,
            succeeded=succeeded,
            failed=len(ended) - succeeded,
            began=min(each.began for each in ended),
            ended=max(each.ended for each in ended),
        )
