"""A profile as the text of its file, which `profile_file` reads."""

import json
import re
from collections.abc import Iterator, Mapping

from torc_watch.core.units import format_memory
from torc_watch.core.walltime import format_walltime
from torc_watch.hpc.profile import Detection, HpcProfile, ProfilePartition
from torc_watch.planner.cluster_description import UNKNOWN_COUNT, NodeKind, Partition

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_DIGITS = re.compile(r"[0-9]+$")


def profile_text(profile: HpcProfile) -> str:
    """What is the same tomorrow: neither the state of partitions nor how many nodes are idle."""
    lines = [f"name = {_quoted(profile.name)}"]
    for key in ("display_name", "description", "documentation", "support", "default_account"):
        lines.extend(_text(key, getattr(profile, key)))
    lines.extend(_detection_lines(profile.detection))
    for each in profile.partitions:
        lines.extend(("", "[[partitions]]", *_partition_lines(each)))
    if not profile.partitions:
        lines.insert(1, "partitions = []")
    return "\n".join(lines) + "\n"


def host_pattern(hostname: str) -> str:
    """Matches hosts that differ in a number only: ``login*.site.org`` for login2.site.org."""
    first, dot, domain = hostname.partition(".")
    return _DIGITS.sub("*", first) + dot + domain


def _detection_lines(detection: Detection) -> Iterator[str]:
    yield from ("", "[detection]  # any of these shows that a login node belongs to the cluster")
    if detection.environment:
        yield f"environment = {_inline(dict(detection.environment))}"
    else:
        yield '# environment = { CLUSTER = "name" }'
    if detection.hostnames:
        yield f"hostnames = {_list(detection.hostnames)}"


def _partition_lines(described: ProfilePartition) -> Iterator[str]:
    partition = described.partition
    yield f"name = {_quoted(partition.name)}"
    yield from _text("description", described.description)
    yield from _flag("default", is_set=partition.is_default)
    if len(partition.kinds) == 1:
        yield from _kind_lines(partition.kinds[0])
    yield from _memory("local_disk", described.local_disk)
    yield f"max_walltime = {_quoted(format_walltime(partition.max_runtime))}"
    if partition.default_runtime is not None:
        yield f"default_walltime = {_quoted(format_walltime(partition.default_runtime))}"
    yield from _limit_lines(partition)
    yield f"shared = {_boolean(value=not partition.is_exclusive)}"
    yield from _flag("requires_explicit_request", is_set=partition.is_on_request)
    yield from _access_lines(partition)
    if partition.charge != 1:
        yield f"charge = {partition.charge!r}"
    if not partition.kinds:
        yield "node_types = []"
    if len(partition.kinds) > 1:
        for kind in partition.kinds:
            yield from ("", "[[partitions.node_types]]", *_kind_lines(kind))


def _kind_lines(kind: NodeKind) -> Iterator[str]:
    yield f"cpus = {kind.num_cpus}"
    yield from _memory("memory", kind.memory)
    if kind.gpus.keys() == {""}:
        yield f"gpus = {kind.gpus['']}"
    elif kind.gpus:
        yield f"gpus = {_inline(kind.gpus)}"
    if kind.features:
        yield f"features = {_list(kind.features)}"
    if kind.count != UNKNOWN_COUNT:
        yield f"nodes = {kind.count}"


def _limit_lines(partition: Partition) -> Iterator[str]:
    if partition.min_nodes != 1:
        yield f"min_nodes = {partition.min_nodes}"
    for key in ("max_nodes", "max_nodes_per_user", "max_cpus_per_node"):
        if (number := getattr(partition, key)) is not None:
            yield f"{key} = {number}"
    for key in ("max_memory_per_node", "max_memory_per_cpu", "default_memory_per_cpu"):
        yield from _memory(key, getattr(partition, key))


def _access_lines(partition: Partition) -> Iterator[str]:
    yield from _text("qos", partition.qos)
    for what, access in (
        ("accounts", partition.accounts),
        ("groups", partition.groups),
        ("qos", partition.allowed_qos),
    ):
        if access.allowed is not None:
            yield f"allow_{what} = {_list(access.allowed)}"
        if access.denied:
            yield f"deny_{what} = {_list(access.denied)}"


def _text(key: str, text: str) -> Iterator[str]:
    if text:
        yield f"{key} = {_quoted(text)}"


def _flag(key: str, *, is_set: bool) -> Iterator[str]:
    if is_set:
        yield f"{key} = true"


def _memory(key: str, size: int | None) -> Iterator[str]:
    if size is not None:
        yield f"{key} = {_quoted(format_memory(size).upper() if size else '0M')}"


def _list(texts: frozenset[str] | tuple[str, ...]) -> str:
    ordered = sorted(texts) if isinstance(texts, frozenset) else texts
    return f"[{', '.join(map(_quoted, ordered))}]"


def _inline(values: Mapping[str, str] | Mapping[str, int]) -> str:
    pairs = (
        f"{_key(key)} = {_quoted(value) if isinstance(value, str) else value}"
        for key, value in values.items()
    )
    return f"{{ {', '.join(pairs)} }}"


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _quoted(key)


def _quoted(text: str) -> str:
    """TOML's strings are JSON's, but for the one control character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _boolean(*, value: bool) -> str:
    return "true" if value else "false"
