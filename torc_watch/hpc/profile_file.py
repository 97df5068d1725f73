"""Reads a profile from the text of its file. docs/hpc-profiles.md describes the format."""

import re
import tomllib
from collections import Counter

from torc_watch.core.errors import InvalidInput
from torc_watch.hpc.profile import Detection, HpcProfile, ProfilePartition
from torc_watch.hpc.value_reader import ValueReader
from torc_watch.planner.cluster_description import UNKNOWN_COUNT, Access, NodeKind, Partition

LIVE_CLUSTER = "slurm"  # the name that stands for the cluster as Slurm describes it now
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_OF_NODES = ("cpus", "memory", "gpus", "features", "nodes")
_MAX_PROBLEMS = 20


def check_name(name: str) -> str:
    """``name``, if a profile can have it. Raises InvalidInput."""
    if name == LIVE_CLUSTER:
        raise InvalidInput(
            f"{name!r} stands for the cluster as Slurm describes it: use another name."
        )
    if not _NAME.fullmatch(name):
        raise InvalidInput(f"{name!r} is not a profile's name: use letters, digits, -, _ and dots.")
    return name


def parse_profile(text: str, name: str) -> HpcProfile:
    """The profile that is called ``name``, after its file.

    Raises InvalidInput. Its message continues a sentence that begins with the file, and has a line
    for each thing that is wrong, with the keys that lead to it.
    """
    problems: list[str] = []
    try:
        reader = ValueReader(tomllib.loads(text), "", problems)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"is not valid TOML: {error}.") from error
    try:
        profile = _profile(reader, check_name(name))
    except InvalidInput as error:
        raise InvalidInput(f"cannot be a profile: {error}") from error
    if (more := len(problems) - _MAX_PROBLEMS) > 0:
        problems[_MAX_PROBLEMS:] = [f"and {more} more."]
    if problems:
        raise InvalidInput("\n  ".join(("is not a valid profile:", *problems)))
    return profile


def _profile(reader: ValueReader, name: str) -> HpcProfile:
    written = reader.text("name")
    if written and written != name:
        reader.refuse("name", f"{written!r} is not the name of the file: call it {written}.toml.")
    partitions = tuple(map(_partition, reader.tables("partitions")))
    profile = HpcProfile(
        name=name,
        display_name=reader.text("display_name"),
        description=reader.text("description"),
        documentation=reader.text("documentation"),
        support=reader.text("support"),
        default_account=reader.text("default_account"),
        detection=_detection(reader.table("detection")),
        partitions=partitions,
    )
    if not reader.has("partitions"):
        reader.refuse("partitions", "is missing: write [[partitions]] above the keys of each.")
    _refuse_repeated(reader, partitions)
    reader.finish()
    return profile


def _refuse_repeated(reader: ValueReader, partitions: tuple[ProfilePartition, ...]) -> None:
    names = Counter(each.partition.name for each in partitions)
    for name in (name for name, number in names.items() if number > 1 and name):
        reader.refuse("partitions", f"there are {names[name]} with the name {name!r}.")
    defaults = [each.partition.name for each in partitions if each.partition.is_default]
    if len(defaults) > 1:
        reader.refuse("partitions", f"only one can be the default, not {', '.join(defaults)}.")


def _detection(reader: ValueReader) -> Detection:
    detection = Detection(
        environment=reader.pairs("environment"), hostnames=reader.texts("hostnames") or ()
    )
    reader.finish()
    return detection


def _partition(reader: ValueReader) -> ProfilePartition:
    reader.required("name")
    partition = Partition(
        name=reader.text("name"),
        is_default=reader.flag("default"),
        kinds=_kinds(reader),
        max_runtime=reader.walltime("max_walltime"),
        default_runtime=reader.walltime("default_walltime"),
        min_nodes=_or(reader.number("min_nodes"), 1),
        max_nodes=reader.number("max_nodes"),
        max_nodes_per_user=reader.number("max_nodes_per_user"),
        max_cpus_per_node=reader.number("max_cpus_per_node"),
        max_memory_per_node=reader.memory("max_memory_per_node"),
        max_memory_per_cpu=reader.memory("max_memory_per_cpu"),
        default_memory_per_cpu=reader.memory("default_memory_per_cpu"),
        is_exclusive=not reader.flag("shared"),
        is_on_request=reader.flag("requires_explicit_request"),
        qos=reader.text("qos"),
        accounts=_access(reader, "accounts"),
        groups=_access(reader, "groups"),
        allowed_qos=_access(reader, "qos"),
        charge=reader.factor("charge", 1.0),
    )
    described = ProfilePartition(
        partition=partition,
        description=reader.text("description"),
        local_disk=reader.memory("local_disk"),
    )
    _refuse_contradictions(reader, partition)
    reader.finish()
    return described


def _kinds(reader: ValueReader) -> tuple[NodeKind, ...]:
    """Of the nodes: those of the partition's own keys, or of ``node_types`` where they differ."""
    types = reader.tables("node_types")
    if not reader.has("node_types"):
        return (_kind(reader),)
    for key in filter(reader.has, _OF_NODES):
        reader.refuse(key, "belongs into each of node_types, where there are any.")
    kinds = tuple(map(_kind, types))
    for each in types:
        each.finish()
    return kinds


def _kind(reader: ValueReader) -> NodeKind:
    reader.required("cpus", "memory")
    return NodeKind(
        num_cpus=_or(reader.number("cpus"), 0),
        memory=_or(reader.memory("memory"), 0),
        gpus=reader.gpus("gpus"),
        features=frozenset(reader.texts("features") or ()),
        count=_or(reader.number("nodes"), UNKNOWN_COUNT),
    )


def _access(reader: ValueReader, what: str) -> Access:
    allowed = reader.texts(f"allow_{what}")
    return Access(
        allowed=None if allowed is None else frozenset(allowed),
        denied=frozenset(reader.texts(f"deny_{what}") or ()),
    )


def _refuse_contradictions(reader: ValueReader, partition: Partition) -> None:
    if not partition.name and reader.has("name"):
        reader.refuse("name", "is empty.")
    _refuse_above(reader, "min_nodes", partition.min_nodes, ("max_nodes", partition.max_nodes))
    longest = ("max_walltime", partition.max_runtime)
    _refuse_above(reader, "default_walltime", partition.default_runtime, longest)


def _refuse_above(
    reader: ValueReader, key: str, value: int | None, limit: tuple[str, int | None]
) -> None:
    name, number = limit
    if value is not None and number is not None and value > number:
        reader.refuse(key, f"is above {name}.")


def _or(number: int | None, default: int) -> int:
    return default if number is None else number
