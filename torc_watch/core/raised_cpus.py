"""More CPUs for jobs that ran out of time, where the user asks for that."""

import math
from dataclasses import replace

from torc_watch.core.findings import Finding
from torc_watch.core.model import Requirements
from torc_watch.core.node_classes import fitting_classes, lack_reason
from torc_watch.core.recovery_round import Retry, Skip
from torc_watch.core.scheduler_rows import SchedulerRows


def with_more_cpus(
    decision: Retry | Skip, finding: Finding, rows: SchedulerRows, multiplier: float | None
) -> Retry | Skip:
    """Of a retry with more run time: never fewer CPUs than before, nor more than its nodes have."""
    asked = finding.requirements
    if multiplier is None or asked is None or isinstance(decision, Skip) or not decision.runtime:
        return decision
    most = _most_cpus(replace(asked, runtime=decision.runtime[1]), finding, rows)
    after = max(asked.num_cpus, min(math.ceil(asked.num_cpus * multiplier), most))
    return decision if after == asked.num_cpus else replace(decision, cpus=(asked.num_cpus, after))


def _most_cpus(request: Requirements, finding: Finding, rows: SchedulerRows) -> int:
    row = rows.row_of(finding.job)
    nodes = rows.nodes_for(row)
    if lack_reason(request, nodes):
        nodes = (*nodes, *rows.others_for(row))
    fitting = fitting_classes(
        nodes,
        num_cpus=request.num_cpus,
        num_gpus=request.num_gpus,
        memory=request.memory or 0,
        runtime=request.runtime or 0,
    )
    return max(node.num_cpus for node in fitting)
