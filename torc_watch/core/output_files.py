"""Whether the output files that completed jobs declared look as those of jobs like them."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median, quantiles

from torc_watch.core import units

# Folders that each node has for itself: what a job wrote there cannot be seen elsewhere.
_OF_A_NODE = ("/tmp", "/var/tmp", "/dev/shm", "/run", "/local", "/lscratch")  # noqa: S108
_DIGITS = re.compile(r"\d+")

_FEWEST_FILLED = 2  # that tell of an empty file that it should not be
_MOST_EMPTY = 0.2  # of files that are alike: where more are empty, that is how they are
_FEWEST_SIZES = 5  # from which it is known how large such files are
_MOST_SHORT = 0.1
_SHORT = 0.01  # of the median
_SPREAD = 2.0  # between the quartiles, above which sizes say nothing
_SMALLEST_MEDIAN = 4 * units.KIB  # bytes: below it, one per cent is no line


class Oddity(StrEnum):
    MISSING = "missing"
    EMPTY = "empty"
    TRUNCATED = "truncated"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file that a completed job declared as its output.

    ``size`` is in bytes, None where the file is not there. ``likeness`` is the same for jobs that
    are alike. ``was_used`` says that a job that reads it has completed, ``failed_reader`` which
    one, for people, failed for what may be its input; empty if none.
    """

    job_id: int
    path: str
    size: int | None
    likeness: str
    was_used: bool = False
    failed_reader: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OddOutput:
    """``reason`` is a phrase for people."""

    job_id: int
    oddity: Oddity
    reason: str


def stem(name: str) -> str:
    """A name without its numbers: jobs of one kind share it, and so do their files."""
    return _DIGITS.sub("#", name)


def absolute_path(path: str, submission_directory: str | None) -> str | None:
    """Where a job finds its file; None for a relative path whose folder is not known."""
    if not path or "\0" in path:
        return None
    if path.startswith("/"):
        return path
    if submission_directory is None or not submission_directory.startswith("/"):
        return None
    return f"{submission_directory.rstrip('/')}/{path}"


def is_of_a_node(path: str) -> bool:
    """Whether it is in a folder that only the node has on which the job ran."""
    return any(path.startswith(f"{folder}/") for folder in _OF_A_NODE)


def odd_outputs(files: Iterable[OutputFile]) -> dict[int, OddOutput]:
    """By job ID; of several odd files of a job the worst one counts.

    A file that is not there is not odd if a job that reads it has completed: it may have been
    deleted since. An empty one is odd if few others like it are, or if the job that reads it
    failed; a short one if at least five others like it are of similar size, and it has less than a
    hundredth of that.
    """
    alike: dict[tuple[str, str], list[OutputFile]] = defaultdict(list)
    for file in files:
        alike[file.likeness, _kind(file.path)].append(file)
    found: dict[int, OddOutput] = {}
    for group in alike.values():
        for odd in (*_missing(group), *_empty(group), *_truncated(group)):
            known = found.get(odd.job_id)
            if known is None or _rank(odd) < _rank(known):
                found[odd.job_id] = odd
    return found


def may_be_odd(files: Iterable[tuple[str, int | None]], *, with_failed_readers: bool) -> bool:
    """Whether `odd_outputs` may find one among files with these paths and sizes."""
    alike: dict[str, list[int | None]] = defaultdict(list)
    for path, size in files:
        alike[_kind(path)].append(size)
    return any(_may_have_odd(sizes, with_failed_readers) for sizes in alike.values())


def _may_have_odd(sizes: Sequence[int | None], with_failed_readers: bool) -> bool:
    filled = [size for size in sizes if size]
    if len(filled) == len(sizes):
        return min(filled) < _SHORT * max(filled)
    return bool(filled) or None in sizes or with_failed_readers


def _kind(path: str) -> str:
    return stem(path.rpartition("/")[2])


def _rank(odd: OddOutput) -> int:
    return list(Oddity).index(odd.oddity)


def _missing(group: Sequence[OutputFile]) -> Iterator[OddOutput]:
    for file in group:
        if file.size is None and not file.was_used:
            yield _odd(file, Oddity.MISSING, "is not there any more", "")


def _empty(group: Sequence[OutputFile]) -> Iterator[OddOutput]:
    empty = [file for file in group if file.size == 0]
    filled = sum(file.size is not None and file.size > 0 for file in group)
    is_exception = filled >= _FEWEST_FILLED and _are_few(empty, len(empty) + filled, _MOST_EMPTY)
    for file in empty:
        if is_exception:
            yield _odd(file, Oddity.EMPTY, "is empty", f"those of {filled} jobs like it are not")
        elif file.failed_reader:
            yield _odd(file, Oddity.EMPTY, "is empty", "")


def _truncated(group: Sequence[OutputFile]) -> Iterator[OddOutput]:
    sizes = [file.size for file in group if file.size]
    if len(sizes) <= _FEWEST_SIZES:
        return
    usual = median(sizes)
    short = [file for file in group if file.size and file.size < _SHORT * usual]
    others = sorted(size for size in sizes if size >= _SHORT * usual)
    if not short or len(others) < _FEWEST_SIZES or not _are_few(short, len(sizes), _MOST_SHORT):
        return
    lower, _, upper = quantiles(others, n=4)
    if usual < _SMALLEST_MEDIAN or upper > _SPREAD * lower:
        return
    about = units.rounded_memory(round(median(others)))
    for file in short:
        has = f"has {file.size} bytes"
        yield _odd(
            file, Oddity.TRUNCATED, has, f"those of {len(others)} jobs like it about {about}"
        )


def _are_few(files: Collection[OutputFile], total: int, most: float) -> bool:
    return len(files) <= max(1, most * total)


def _odd(file: OutputFile, oddity: Oddity, what: str, others: str) -> OddOutput:
    reason = f"its output {file.path} {what}"
    if others:
        reason += f", {others}"
    if file.failed_reader:
        reason += f", and {file.failed_reader}, which reads it, failed"
    return OddOutput(job_id=file.job_id, oddity=oddity, reason=reason)
