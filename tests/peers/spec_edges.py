"""Small specifications by kind, and what becomes of each with Torc and here.

``reason`` is what torc-watchd says where it refuses a file, or None where it creates the same
workflow as Torc, but for the place ``differs``.
"""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Edge:
    """``torc`` says whether Torc creates it; ``extension`` is that of the file."""

    name: str
    text: str
    reason: str | None = None
    torc: bool = True
    extension: str = "yaml"
    differs: str = ""


def _edge(
    name: str,
    *jobs: Any,
    reason: str | None = None,
    torc: bool = True,
    differs: str = "",
    **top: Any,
) -> Edge:
    """JSON is YAML."""
    document = {"name": "w", "jobs": [{"command": "true"} | job for job in jobs], **top}
    text = json.dumps(document, ensure_ascii=False)
    return Edge(name, text, reason, torc, differs=differs)


def _pattern(pattern: str, reason: str | None = None, *, torc: bool = True) -> Edge:
    return _edge(
        f"pattern {pattern}",
        *({"name": name} for name in ("train_1", "train_12", "a.b", "a-b", "a]b", "TRAIN")),
        {"name": "99", "depends_on_regexes": [pattern]},
        reason=reason,
        torc=torc,
    )


def _values(value: Any, reason: str | None = None, *, torc: bool = True, form: str = "") -> Edge:
    name = f"j_{{x{form}}}"
    return _edge(
        f"values {value!r}{form}",
        {"name": name, "command": f"echo {name}", "parameters": {"x": value}},
        reason=reason,
        torc=torc,
    )


A = {"name": "a"}
SMALL = {"name": "small", "num_cpus": 1, "memory": "1g", "runtime": "PT1H"}
FILES = [{"name": "f", "path": "in.csv"}, {"name": "g", "path": "g"}]

EDGES = [
    _edge("one job", A),
    _edge(
        "all of a job",
        A,
        {
            "name": "b",
            "command": "x",
            "invocation_script": "y",
            "resource_requirements": "small",
            "depends_on": ["a"],
            "input_files": ["f"],
            "output_files": ["g"],
            "input_user_data": ["u"],
            "output_user_data": ["v"],
            "cancel_on_blocking_job_failure": False,
            "supports_termination": True,
            "priority": 7,
            "env": {"X": "1"},
        },
        description="of it",
        project="p",
        metadata={"k": [1, None]},
        env={"X": "0", "Y": ""},
        use_pending_failed=True,
        compute_node_wait_for_new_jobs_seconds=30,
        compute_node_ignore_workflow_completion=True,
        compute_node_wait_for_healthy_database_minutes=3,
        slurm_defaults={"qos": "high"},
        resource_requirements=[SMALL],
        files=FILES,
        user_data=[
            {"name": "u", "data": {"x": 1.5}, "is_ephemeral": True},
            {"name": "v", "data": [1]},
        ],
        differs="/jobs/b/supports_termination",
    ),
    _edge("dynamic jobs", A, dynamic_jobs={"max_iterations": 3}),
    _edge("execution config", A, execution_config={"mode": "direct", "oom_exit_code": 99}),
    _edge(
        "planned option",
        A,
        slurm_defaults={"partition": "short"},
        reason="partition is planned",
        torc=False,
    ),
    _edge("resource monitor", A, resource_monitor={"enabled": False}),
    _edge("no defaults", A, resource_requirements=[{"name": "r", "num_cpus": 2, "memory": "512"}]),
    _edge("name twice", A, A, reason="is also the name of", torc=False),
    _edge("unknown dependency", {**A, "depends_on": ["b"]}, reason="there is no job", torc=False),
    _edge(
        "cycle",
        {**A, "depends_on": ["b"]},
        {"name": "b", "depends_on": ["a"]},
        reason="in a cycle",
        torc=False,
    ),
    _edge("unknown key", {**A, "comand": "x"}, reason="there is no key", torc=False),
    _edge("odd names", {"name": "größe 🙂"}, {"name": 'it\'s "q"\n$(x)'}),
    # Variables of commands
    _edge(
        "file of a command",
        {**A, "command": "cat ${files.input.f} >${files.output.g}; echo ${HOME}"},
        files=FILES,
    ),
    _edge(
        "user data of a command",
        {**A, "command": "x '${user_data.input.u}'"},
        user_data=[{"name": "u", "data": {"z": [1, "ü"], "a": {"y": None, "x": 0.5}}}],
    ),
    _edge("unknown file", {**A, "command": "${files.input.f}"}, reason="there is no file 'f'"),
    _edge("time of a file", A, files=[{"name": "f", "path": "p", "st_mtime": 12.5}]),
    _edge("time of an input", {**A, "input_file_regexes": ["^f"]}, files=FILES),
    # Parameters
    *(_values(value) for value in ("1:3", "{1:3}", "1:10:4", "3:1:-1", "7", "x y", 5, 0.5)),
    *(_values(value) for value in ("[1,2]", "['a', \"b\"]", "[ 007, 1.0, 1e3, -0.0, +5 ]")),
    *(_values(value) for value in ([1, "a", 0.5], ["1"], ["inf", "NaN"], "[inf,-Infinity,nan]")),
    *(_values(value) for value in ("9223372036854775807", "9223372036854775808", "1e300", "1e400")),
    *(_values(value) for value in (True, [True, False], "a b", " 7 ", ["a b"], [" a "], ["ü", ""])),
    *(_values("1:3", form=form) for form in (":03d", ":.2f", ":x", ":0d", ":")),
    *(_values("[0.5,1]", form=form) for form in (":.2f", ":03d", ":.0%")),
    _values("0.0:1.0:0.5"),
    _values("5:1", "has no values"),
    _values("[]", "has no values"),
    _values([], "values are a range"),
    _values(["a,b"], "Torc would split or change"),
    _values("1:5:0", "has a step of zero", torc=False),
    _values("a:b", "is not a range", torc=False),
    _edge(
        "zip",
        {
            "name": "{a}{b}",
            "parameters": {"a": "1:2", "b": "['x','y']"},
            "parameter_mode": "zip",
        },
    ),
    _edge("product", {"name": "{a}_{b}", "parameters": {"a": "1:2", "b": "1:3"}}),
    _edge(
        "parameters of the workflow",
        {"name": "a{i}", "use_parameters": ["i"]},
        {"name": "b{i}"},
        {"name": "c{k}", "use_parameters": ["k"], "parameters": {"k": "9"}},
        parameters={"i": "1:2", "k": "1:3"},
    ),
    _edge(
        "own and used parameters",
        {"name": "a{i}{k}", "use_parameters": ["i"], "parameters": {"k": "9"}},
        parameters={"i": "1:2"},
        reason="Torc does not use i",
    ),
    _edge(
        "unknown parameter",
        {"name": "a{i}", "use_parameters": ["i"]},
        reason="there is no workflow parameter",
    ),
    _edge(
        "table",
        {"name": "a_{lr}_{set}", "parameters_file": "table.csv", "env": {"LR": "{lr:.3f}"}},
        {"name": "b{lr}", "use_parameters_file": True},
        parameters_file="table.jsonl",
    ),
    _edge(
        "table and parameters",
        {"name": "a{lr}", "parameters_file": "table.csv", "parameters": {"i": "1"}},
        reason="cannot be combined",
        torc=False,
    ),
    _edge(
        "variables",
        {
            "name": "a_{tag}_{i}",
            "command": "{tag} ${tag} {{tag}} '{ print }'",
            "parameters": {"i": "{range}"},
        },
        variables={"tag": "t", "range": "1:2"},
        description="{tag}",
        env={"T": "{tag}"},
    ),
    _edge(
        "undefined variable",
        {**A, "command": "{x}"},
        variables={"y": "1"},
        reason="no variable or parameter 'x'",
        torc=False,
    ),
    _edge("environment with a parameter", A, parameters={"p": "7"}, env={"P": "{p:03d}"}),
    _edge(
        "environment with a range",
        A,
        parameters={"p": "1:3"},
        env={"P": "{p}"},
        reason="has several values",
    ),
    _edge("bad variable", {**A, "env": {"1A": "x"}}, reason="must be a mapping", torc=False),
    # Left out or refused
    _edge("labels", {**A, "labels": ["gpu"]}, reason="have no labels"),
    _edge(
        "commands first",
        A,
        actions=[
            {
                "trigger_type": "on_workflow_start",
                "action_type": "run_commands",
                "commands": ["true"],
            }
        ],
        reason="its commands would not be run",
    ),
    _edge(
        "commands last",
        A,
        actions=[
            {
                "trigger_type": "on_workflow_complete",
                "action_type": "run_commands",
                "commands": ["true"],
            }
        ],
    ),
    _edge(
        "failure handler",
        {**A, "failure_handler": "h"},
        failure_handlers=[{"name": "h", "rules": [{"exit_codes": [7], "max_retries": 2}]}],
    ),
    _edge("stdio", {**A, "stdio": {"mode": "combined"}}),
    _edge(
        "scheduler",
        {**A, "scheduler": "s"},
        slurm_schedulers=[{"name": "s", "account": "x", "nodes": 1, "walltime": "01:00:00"}],
    ),
    _edge("provenance", A, enable_ro_crate=True),
    _edge(
        "default requirements",
        A,
        resource_requirements=[{**SMALL, "name": "default"}],
        reason="reserves",
        torc=False,
    ),
    *(
        _edge(
            f"no {key}",
            {**A, "resource_requirements": "small"},
            resource_requirements=[SMALL | {key: value}],
            reason="must be at least 1",
            torc=not key.startswith("num_"),
        )
        for key, value in (("num_cpus", 0), ("num_nodes", 0), ("memory", "0"), ("runtime", "PT0S"))
    ),
    _edge(
        "pattern beside the name",
        A,
        {"name": "b", "depends_on": ["a"], "depends_on_regexes": ["^a$"]},
        torc=False,
    ),
    _edge("old settings", A, compute_node_expiration_buffer_seconds=60),
    _edge("nameless user data", A, user_data=[{"data": 1}], reason="name: is missing"),
    # Quantities
    *(
        _edge(f"memory {text}", A, resource_requirements=[{**SMALL, "memory": text}])
        for text in ("1G", "1024m", "1k", "1T", "123")
    ),
    *(
        _edge(f"run time {text}", A, resource_requirements=[{**SMALL, "runtime": text}])
        for text in ("PT90S", "P1D", "PT1H30M", "P1DT12H", "P1W", "P1M")
    ),
    _edge(
        "memory 1.5g",
        A,
        resource_requirements=[{**SMALL, "memory": "1.5g"}],
        reason="is not a memory size",
        torc=False,
    ),
    _edge(
        "run time 1h",
        A,
        resource_requirements=[{**SMALL, "runtime": "1h"}],
        reason="is not a duration",
        torc=False,
    ),
    # Patterns
    *(
        _pattern(pattern)
        for pattern in (
            "^train_",
            r"_\d$",
            r"\Aa\.b\z",
            "(?i)^train$",
            "[[:upper:]]",
            r"\p{Lu}",
            "[]]",
            "[.-]",
            r"^\w+_(?P<n>[0-9]+)$",
            r"\btrain",
            "a{0,1}-",
        )
    ),
    *(
        _pattern(pattern, "is not a regular expression of Torc", torc=False)
        for pattern in ("(?=a)", r"(a)\1", r"a\Z", "a{", "a{,2}", r"\Qa\E", "[z-a]", r"\p{^Lu}")
    ),
    *(
        _pattern(pattern, "is not a regular expression of Torc")
        for pattern in (
            "[a-z&&[^b]]",
            "[a-z--b]",
            r"\<a",
            r"\b{start}a",
            "(?x) a",
            r"\p{Letter}",
            "tr**ain_1$",
        )
    ),
    _pattern("nothing", "no job matches", torc=False),
    # Formats
    Edge("JSON5", "// x\n{name: 'w', jobs: [{name: 'a', command: 'b',},],}", extension="json5"),
    Edge("JSON", '{"name": "w", "jobs": [{"name": "a", "command": "b"}]}', extension="json"),
    *(
        Edge(
            f"YAML {value}",
            f"name: w\njobs: [{{name: 'j{{x}}', command: c, parameters: {{x: [{value}]}}}}]",
        )
        for value in ("010", "0x1F", "0o17", "1_000", "1e3", "+5", ".5", "5.", "-0", "yes", "1:30")
    ),
    *(
        Edge(f"YAML {key}", f"name: w\n{key}: null\njobs: [{{name: a, command: c, {key}: ~}}]")
        for key in ("env", "parameters")
    ),
    _edge("dependency twice", A, {"name": "b", "depends_on": ["a", "a"]}, torc=False),
    _edge("itself", {**A, "depends_on": ["a"]}, reason="in a cycle", torc=False),
    _edge("empty lists", {**A, "depends_on": [], "env": {}}, files=[], user_data=[]),
    _edge("path twice", A, files=[{"name": "f", "path": "p"}, {"name": "g", "path": "p"}]),
    _edge("a user", A, user="somebody"),
    _edge(
        "list beside a variable",
        {**A, "command": "${files.input.f}", "input_files": ["g"]},
        files=FILES,
        differs="/jobs/a/input_files",
    ),
    Edge(
        "YAML texts", "name: no\njobs: [{name: 1:30, command: on}, {name: 2024-01-01, command: ~x}]"
    ),
    Edge(
        "YAML anchors",
        "name: w\njobs:\n- {name: a, command: b, env: &e {X: '1'}}\n"
        "- {name: b, command: c, env: *e}",
    ),
    Edge(
        "KDL",
        'name "w"\nvariables { r "1:2"; }\nfile "f" path="p"\n'
        'job "a{i}" {\n command "x"\n env { X "{i}"; }\n parameters { i "{r}"; }\n}\n'
        'job "b" { command "y"; depends_on "a1"; depends_on_regexes "2$"; input_file "f"; }\n',
        extension="kdl",
    ),
    Edge(
        "KDL that Torc ignores",
        'name "w"\njob "a" { command "x"; }\njob "b" { command "y"; depends_on_job "a"; }\n',
        "did you mean 'depends_on'?",
        extension="kdl",
    ),
]
