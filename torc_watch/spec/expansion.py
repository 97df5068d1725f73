"""Expands a parsed specification to the workflow that it describes."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torc_watch.core.errors import InvalidQuantity, InvalidSpec
from torc_watch.core.job_request import DEFAULT_REQUIREMENTS
from torc_watch.core.units import parse_duration, parse_memory
from torc_watch.spec import keys
from torc_watch.spec.entries import Section, SpecEntry, check_mapping, join_location, read_section
from torc_watch.spec.parameter_sources import SharedParameters, Tables, read_values
from torc_watch.spec.parameters import ParameterValue, make_substitute
from torc_watch.spec.problems import Problems, quoted
from torc_watch.spec.references import NameIndex, VariableSubstitution
from torc_watch.spec.specification import FileSpec, JobSpec, RequirementsSpec, Spec, UserDataSpec
from torc_watch.spec.topology import sort_by_dependencies
from torc_watch.spec.variables import fill_variables

_SECTION_ITEMS = {
    "jobs": "job",
    "files": "file",
    "user_data": "user data",
    "resource_requirements": "set of resource requirements",
}
_CREATE_WITH_TORC = "Create the workflow with `torc create`, run it with Torc, and watch it here."
_AFTER_ALL_JOBS = ("on_workflow_complete", "on_worker_complete")
_DEFAULT_RUNTIME = 3600  # seconds
_MAX_QUANTITY = 2**63 - 1  # the largest integer that a server stores


def expand(document: object) -> Spec:
    """The workflow that a parsed specification describes.

    Raises InvalidSpec with all problems and their locations.
    """
    problems = Problems()
    tables = Tables()
    document = fill_variables(document, tables, problems)
    top = check_mapping(document, keys.WORKFLOW, "", problems, required=("name", "jobs"))
    shared = _shared_parameters(top, tables, problems)
    sections = {section: read_section(top, section, shared, problems) for section in _SECTION_ITEMS}
    for section in sections.values():
        _refuse_duplicates(section, problems)
    names = {
        section: NameIndex(sections[section], item_type, problems)
        for section, item_type in _SECTION_ITEMS.items()
    }
    jobs = [_job(entry, names, problems) for _, entry in sections["jobs"].named()]
    requirements = [
        _requirements(name, entry, problems)
        for name, entry in sections["resource_requirements"].named()
    ]
    environment = _environment(top, shared, problems)
    for option in top.get("slurm_defaults", {}):
        if str(option).lower() in keys.PLANNED_OPTIONS:
            problems.add("slurm_defaults", f"{option} is planned for each allocation: leave it out")
    _refuse_other_workers(top, sections["jobs"], problems)
    in_order = sort_by_dependencies(jobs, problems)
    problems.raise_if_any()
    return Spec(
        name=top["name"],
        settings=_settings(top),
        files=tuple(_file(entry) for entry in sections["files"].entries),
        user_data=tuple(_user_data(entry) for entry in sections["user_data"].entries),
        requirements=tuple(requirements),
        jobs=tuple(in_order),
        warnings=tuple(_warnings(top, sections)),
        ignored=frozenset(key for key in keys.UNSUPPORTED_IN_WORKFLOW if top.get(key)),
        env=environment,
    )


def _shared_parameters(
    top: Mapping[str, Any], tables: Tables, problems: Problems
) -> SharedParameters:
    if "parameters" in top and "parameters_file" in top:
        problems.add("parameters_file", "give either parameters or a table of them, not both")
    return SharedParameters(top.get("parameters", {}), top.get("parameters_file"), tables)


def _environment(
    top: Mapping[str, Any], shared: SharedParameters, problems: Problems
) -> Mapping[str, str]:
    """The workflow's variables, which may name its parameters that have one value."""
    env: Mapping[str, str] = top.get("env", {})
    used = [name for name in shared.values if any(f"{{{name}" in text for text in env.values())]
    values: dict[str, ParameterValue] = {}
    for name in used:
        try:
            values[name], *more = read_values(shared.values[name])
        except InvalidSpec as error:
            problems.add(join_location("parameters", name), str(error))
            return env
        if more:
            problems.add("env", f"parameter {name} has several values, so it has no place here")
    substitute = make_substitute(used)
    return {key: substitute(text, values) if used else text for key, text in env.items()}


def _refuse_other_workers(top: Mapping[str, Any], jobs: Section, problems: Problems) -> None:
    """What only Torc's own workers do, and jobs may need: without it they would not start."""
    actions = top.get("actions")
    for place, action in enumerate(actions if isinstance(actions, list) else ()):
        if (
            isinstance(action, Mapping)
            and action.get("action_type") == "run_commands"
            and action.get("trigger_type") not in _AFTER_ALL_JOBS
        ):
            problems.add(f"actions[{place}]", f"its commands would not be run. {_CREATE_WITH_TORC}")
    for job in jobs.entries:
        if job.values.get("labels"):
            problems.add(
                join_location(job.where, "labels"),
                f"workers that are started here have no labels. {_CREATE_WITH_TORC}",
            )


def _settings(top: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = {key: top[key] for key in keys.SETTINGS if key in top}
    if isinstance(metadata := settings.get("metadata"), str):
        settings["metadata"] = json.loads(metadata)
    return settings


def _refuse_duplicates(section: Section, problems: Problems) -> None:
    first: dict[str, SpecEntry] = {}
    for name, entry in section.named():
        other = first.setdefault(name, entry)
        if other.where != entry.where:
            problems.add(
                join_location(entry.where, "name"),
                f"{quoted(name)} is also the name of {other.where}",
            )
        elif other is not entry:
            problems.add(
                join_location(entry.where, "name"),
                f"several entries would have the name {quoted(name)}; "
                "use every parameter in the name",
            )


def _file(entry: SpecEntry) -> FileSpec:
    return FileSpec(
        name=entry.values["name"],
        path=entry.values["path"],
        modified=entry.values.get("st_mtime"),
    )


def _user_data(entry: SpecEntry) -> UserDataSpec:
    return UserDataSpec(
        name=entry.values["name"],
        data=entry.values.get("data"),
        is_ephemeral=entry.values.get("is_ephemeral", False),
    )


def _requirements(name: str, entry: SpecEntry, problems: Problems) -> RequirementsSpec:
    if name == DEFAULT_REQUIREMENTS:
        problems.add(
            join_location(entry.where, "name"),
            f"Torc reserves {quoted(name)} for jobs without requirements; choose another name",
        )
    values = entry.values
    numbers = {
        "num_cpus": values.get("num_cpus", 1),
        "num_gpus": values.get("num_gpus", 0),
        "num_nodes": values.get("num_nodes", 1),
        "memory": _quantity(parse_memory, entry, "memory", problems),
        "runtime": _quantity(parse_duration, entry, "runtime", problems),
    }
    for key in ("num_cpus", "num_nodes", "memory", "runtime"):
        if not 1 <= numbers[key] <= _MAX_QUANTITY:
            problems.add(join_location(entry.where, key), "must be at least 1 and fit into 64 bits")
    return RequirementsSpec(name=name, **numbers)


def _job(entry: SpecEntry, names: Mapping[str, NameIndex], problems: Problems) -> JobSpec:
    values = entry.values
    variables = VariableSubstitution(entry, names, problems)
    command = variables.fill("command")
    script = variables.fill("invocation_script")
    requirements: str | None = values.get("resource_requirements")
    if requirements is not None:
        names["resource_requirements"].find(entry, "resource_requirements", requirements)

    def linked(section: str, direction: str, key: str) -> tuple[str, ...]:
        written = names[section].resolve(entry, key, f"{key.removesuffix('s')}_regexes")
        used = variables.used.get((section, direction), ())
        return tuple(dict.fromkeys((*written, *used))) if used else written

    return JobSpec(
        name=values["name"],
        command=command or "",
        invocation_script=script,
        requirements=requirements,
        depends_on=names["jobs"].resolve(entry, "depends_on", "depends_on_regexes"),
        input_files=linked("files", "input", "input_files"),
        output_files=linked("files", "output", "output_files"),
        input_user_data=linked("user_data", "input", "input_user_data"),
        output_user_data=linked("user_data", "output", "output_user_data"),
        cancel_on_blocking_job_failure=values.get("cancel_on_blocking_job_failure", True),
        supports_termination=values.get("supports_termination", False),
        priority=values.get("priority", 0),
        env=values.get("env", {}),
    )


def _quantity(parse: Callable[[str], int], entry: SpecEntry, key: str, problems: Problems) -> int:
    text: str | None = entry.values.get(key)
    if text is None:  # absent, or already reported as a problem
        return _DEFAULT_RUNTIME if key == "runtime" else 1
    try:
        return parse(text)
    except InvalidQuantity as error:
        problems.add(join_location(entry.where, key), str(error))
        return 1


def _warnings(top: Mapping[str, Any], sections: Mapping[str, Section]) -> Iterator[str]:
    for key, reason in keys.UNSUPPORTED_IN_WORKFLOW.items():
        if top.get(key):
            yield f"{key} is ignored: {reason}"
    for section, unsupported in (
        ("jobs", keys.UNSUPPORTED_IN_JOB),
        ("files", keys.UNSUPPORTED_IN_FILE),
    ):
        entries = sections[section].entries
        for key, reason in unsupported.items():
            count = sum(1 for entry in entries if entry.values.get(key))
            if count:
                yield f"{key} of {count:,} of {len(entries):,} {section} is ignored: {reason}"
