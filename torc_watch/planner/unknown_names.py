"""Names in the options that the cluster does not have."""

from collections.abc import Collection
from difflib import get_close_matches

from torc_watch.planner.cluster_description import ClusterDescription
from torc_watch.planner.cluster_plan import PlanOptions


def unknown_name(cluster: ClusterDescription, options: PlanOptions) -> str:
    """The first of them, with what may be meant. Empty if all are known, or cannot be checked."""
    partitions = [each.name for each in cluster.partitions]
    if options.partition and options.partition not in partitions:
        return _text("There is no partition", options.partition, partitions)
    if options.account and cluster.associations is not None:
        accounts = list(dict.fromkeys(each.account for each in cluster.associations))
        if options.account not in accounts:
            return _text("You may not use account", options.account, accounts)
    if options.qos and cluster.qos is not None and options.qos not in cluster.qos:
        return _text("There is no QOS", options.qos, cluster.qos)
    return ""


def _text(clause: str, name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    if close:
        return f"{clause} {name} (did you mean {close[0]}?)"
    return f"{clause} {name}, only {', '.join(known)}" if known else f"{clause} {name}, or any"
