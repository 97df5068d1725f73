"""Which canceled jobs wait again for the jobs behind which they were canceled."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from torc_watch.core.model import Dependent


def restorable(
    retried: Collection[int],
    canceled: Collection[int],
    failed: Collection[int],
    dependents: Iterable[Dependent],
) -> set[int]:
    """Those of the ``canceled`` that may run when the ``retried`` jobs have succeeded.

    They are behind one of these, directly or through others, and behind no job that has ``failed``
    or was canceled and stays so. All are IDs.
    """
    behind: dict[int, set[int]] = defaultdict(set)
    parents: dict[int, set[int]] = defaultdict(set)
    for each in dependents:
        if each.job_id in canceled:
            behind[each.depends_on].add(each.job_id)
            parents[each.job_id].add(each.depends_on)
    found = _reachable(retried, behind)
    lost = (set(failed) - set(retried)) | (set(canceled) - found)
    return found - _reachable(lost, behind)


def _reachable(jobs: Iterable[int], behind: dict[int, set[int]]) -> set[int]:
    found: set[int] = set()
    left = list(jobs)
    while left:
        new = behind.get(left.pop(), set()) - found
        found |= new
        left += new
    return found
