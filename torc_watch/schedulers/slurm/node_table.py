"""Which nodes answer Slurm's controller, as sinfo prints them. Pure."""

from collections.abc import Collection

from torc_watch.schedulers.slurm.slurm_table import rows_after

# All flags of a state: the usual one word, such as ``maint``, may hide this one.
NODE_OPTIONS = ("--Node", "--Format=NodeList:|,StateComplete:|")
_HEADING = ("NODELIST", "STATECOMPLETE", "")
_SILENT = "not_responding"
_OFF = "powered_down"  # by Slurm itself: nothing runs there


def parse_answering_nodes(text: str) -> frozenset[str]:
    """Nodes that answer the controller, or that it has switched off.

    Raises SchedulerUnreachable if the answer is not complete.
    """
    rows = rows_after(text, _HEADING)
    return frozenset(name for name, state, _ in rows if not _is_silent(state.lower().split("+")))


def _is_silent(flags: Collection[str]) -> bool:
    return _SILENT in flags and _OFF not in flags
