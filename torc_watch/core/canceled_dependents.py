"""Which canceled jobs wait again for the jobs behind which they were canceled."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from torc_watch.core.model import Dependent


def restorable(
    retried: Collection[int],
    canceled: Collection[int],
    failed: Collection[int],
    dependents: Iterable[Dependent],
    blocked: Collection[int] = (),
) -> set[int]:
    """Those of the ``canceled`` that may run when the ``retried`` jobs have succeeded.

    They are behind one of these, directly or through others, and behind no job that has ``failed``
    or was canceled and stays so. Those that an earlier, interrupted call found are among the
    ``blocked``. All are IDs.
    """
    between = {*canceled, *blocked}
    behind: dict[int, set[int]] = defaultdict(set)
    for each in dependents:
        if each.job_id in between:
            behind[each.depends_on].add(each.job_id)
    found = _reachable(retried, behind)
    lost = (set(failed) - set(retried)) | (set(canceled) - found)
    return (found - _reachable(lost, behind)) & set(canceled)


def from_the_top(jobs: Collection[int], dependents: Iterable[Dependent]) -> list[list[int]]:
    """The IDs of jobs, each in a later list than those of them that it depends on."""
    among = set(jobs)
    behind: dict[int, set[int]] = defaultdict(set)
    for each in dependents:
        if each.job_id in among and each.depends_on in among:
            behind[each.depends_on].add(each.job_id)
    number = Counter(job for others in behind.values() for job in others)
    levels = []
    level = sorted(job for job in jobs if not number[job])
    while level:
        levels.append(level)
        number.subtract(job for done in level for job in behind[done])
        following = {job for done in level for job in behind[done]}
        level = sorted(job for job in following if not number[job])
    return levels


def _reachable(jobs: Iterable[int], behind: dict[int, set[int]]) -> set[int]:
    found: set[int] = set()
    left = list(jobs)
    while left:
        new = behind.get(left.pop(), set()) - found
        found |= new
        left += new
    return found
