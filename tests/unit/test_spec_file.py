import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec import bounded_text
from torc_watch.spec.spec_file import read_spec

BOMB = "".join(f"  a{n + 1}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]\n" for n in range(12))
JOBS = "name: w\njobs:\n- {name: a, command: b}\n"


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.yaml", "name: größe\njobs:\n  - {name: a, command: 'echo \"$(x)\"'}\n"),
        ("s.YML", '\ufeffname: größe\njobs: [{name: a, command: echo "$(x)"}]\n'),
        ("s.json", '{"name": "größe", "jobs": [{"name": "a", "command": "echo \\"$(x)\\""}]}'),
        ("s.json5", "{name: 'größe', jobs: [{name: 'a', command: 'echo \"$(x)\"',},],} // end"),
    ],
)
def test_file_extension_selects_the_parser(tmp_path: Path, name: str, text: str) -> None:
    spec = read_spec(written(tmp_path, name, text))
    assert spec.name == "größe"
    assert [job.command for job in spec.jobs] == ['echo "$(x)"']


@pytest.mark.parametrize(
    ("written_as", "values"),
    [
        ("1:3", ["a1", "a2", "a3"]),  # 63 in YAML 1.1, which counts minutes
        ("[no, on]", ["ano", "aon"]),  # false and true in YAML 1.1
        ("[010, 0X1]", ["a010", "a0X1"]),  # 8 and 1
        ("[0x1F, -0o17, 0b101]", ["a31", "a-15", "a5"]),  # as Torc's parser of YAML 1.2
        ("[2024-01-01]", ["a2024-01-01"]),  # a date
        ("[1_000]", ["a1_000"]),  # 1000
        ("[1, -2, 0.5, 1e3]", ["a1", "a-2", "a0.5", "a1000"]),
        ("[ü]", ["aü"]),
    ],
)
def test_plain_yaml_values_stay_text(tmp_path: Path, written_as: str, values: list[str]) -> None:
    text = f"name: w\njobs:\n- {{name: 'a{{i}}', command: b, parameters: {{i: {written_as}}}}}\n"
    assert [job.name for job in read_spec(written(tmp_path, "s.yaml", text)).jobs] == values


def test_yaml_anchors_and_merges_are_resolved(tmp_path: Path) -> None:
    text = (
        "name: w\njobs:\n- &first {name: a, command: sleep 1}\n"
        "- &second {<<: *first, name: b, depends_on: [a]}\n- {<<: *second, name: c}\n"
    )
    spec = read_spec(written(tmp_path, "s.yaml", text))
    assert [(job.name, job.command) for job in spec.jobs] == [
        ("a", "sleep 1"),
        ("b", "sleep 1"),
        ("c", "sleep 1"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("s.yaml", JOBS + "  x: [1,\ny: 2\n", "line 4: "),
        ("s.yaml", "name: w\njobs: [a\n", "line 3: "),
        ("s.yaml", "name: w\nname: v\n", "line 2: the key 'name' is repeated"),
        ("s.yaml", "name: w\njobs:\n- {a: 1,\n  'a': 2}\n", "line 4: the key 'a' is repeated"),
        ("s.yaml", JOBS + "description: \x07\n", "line 4: a character that is not allowed in YAML"),
        ("s.yaml", "name: !!python/object:os.system x", "line 1: could not determine"),
        ("s.yaml", JOBS + "metadata: &a {b: *a}", "metadata: must be a mapping, .* not a mapping"),
        ("s.yaml", "name: *a", "line 1: found undefined alias"),
        ("s.yaml", f"{JOBS}metadata:\n  a0: &a0 x\n{BOMB}", "aliases repeat too much"),
        ("s.yaml", JOBS + "---\n" + JOBS, "line 4: but found another document"),
        ("s.yaml", "name: " + "1" * 5000, "digits"),
        ("s.yaml", "", "must be a mapping, not null"),
        ("s.json", '{"name":\n "w",}', "line 2: "),
        ("s.json", '{"name": "w", "name": "v"}', "the key 'name' is repeated"),
        ("s.json", "[" * 100_000, "nested too deeply"),
        ("s.yaml", "[" * 200_000, "line 1: lists and mappings are nested too deeply"),
        ("s.yaml", "- " * 200_000, "line 1: lists and mappings are nested too deeply"),
        ("s.json5", "{name: 'w',\n jobs: }", "line 2 "),
        ("s.json5", "{name: 'w', name: 'v'}", "the key 'name' is repeated"),
        ("s.json5", "[" * 10_000, "nested too deeply"),
        ("s.json5", "", "Empty"),
        ("s.txt", "name w", r"read from \.yaml, \.yml, \.json, \.json5, \.kdl files"),
        ("s.kdl", 'name "w', "is not valid KDL 2"),
        ("s.kdl", "a {" * 1000 + "}" * 1000, "nested too deeply"),
        ("s.kdl", 'name "w"\nname "v"', "the node 'name' of a workflow is repeated"),
        ("s.kdl", 'name "w"\nnaem "v"', "Torc reads no node 'naem' of a workflow in KDL"),
        ("s.kdl", 'name "w"\njob "a" { priority 3; }', "Torc reads no node 'priority' of a job"),
        ("s.kdl", 'name "w"\njob "a" b=3', "Torc reads no property 'b' of a job in KDL"),
        ("s.kdl", 'name "w"\nuser_data "u" { data "{"; }', "must be a text in JSON"),
        ("s.kdl", 'name "w"\njob "a" { command 7; }', r"jobs\[0\] \(a\)\.command: must be text"),
        ("s.kdl", 'name "w"', "jobs: is empty"),
    ],
)
def test_invalid_file_is_refused_with_its_reason(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    with pytest.raises(InvalidSpec, match=rf"^{tmp_path / name}: .*(?s:.*){reason}"):
        read_spec(written(tmp_path, name, text))


@pytest.fixture
def send(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], Path]:
    """Makes a text standard input; returns the path that stands for it."""

    def send_bytes(content: bytes) -> Path:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content)))
        return Path("-")

    return send_bytes


@pytest.mark.parametrize(
    "text",
    [
        JOBS,
        "\ufeff" + JOBS,
        "---\n" + JOBS,
        '{"name": "w", "jobs": [{"name": "a", "command": "b"}]}',
        "// first\n{name: 'w', jobs: [{name: 'a', command: 'b',},],}",
        "/* first */ {name: 'w', jobs: [{name: 'a', command: 'b'}]}",
        "{name: w, jobs: [{name: a, command: b}]}",  # only YAML
        'name "w"\njob "a" {\n  command "b"\n}\n',
        '// first\nname "w"\njob "a" {\n  command "b"\n}\n',
    ],
)
def test_format_of_standard_input_is_found(send: Callable[[bytes], Path], text: str) -> None:
    spec = read_spec(send(text.encode()))
    assert (spec.name, [job.command for job in spec.jobs]) == ("w", ["b"])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xff\xfe\x00", "is not UTF-8 text"),
        (b'name "w"\njob "a" {\n}\n', r"jobs\[0\] \(a\)\.command: is missing"),  # KDL
        (b"once upon a time", "Standard input: is no mapping in YAML, JSON or JSON5"),
        (b"name: w\njobs: [a\n", "Standard input: line 3: "),
        (b"{name: 'w',\n jobs: }", "Standard input: "),
        (b"name: w", r"Standard input: .*(?s:.*)jobs: is missing"),
    ],
)
def test_invalid_standard_input_is_refused(
    send: Callable[[bytes], Path], content: bytes, reason: str
) -> None:
    with pytest.raises(InvalidSpec, match=reason):
        read_spec(send(content))


def test_terminal_is_no_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = os.openpty()
    with os.fdopen(leader), os.fdopen(follower) as terminal:
        monkeypatch.setattr("sys.stdin", terminal)
        with pytest.raises(InvalidSpec, match="is a terminal"):
            read_spec(Path("-"))


def test_large_specification_is_refused(
    tmp_path: Path, send: Callable[[bytes], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded_text, "MAX_SIZE", 1024)
    fits = JOBS + "#" * (1024 - len(JOBS))
    assert read_spec(written(tmp_path, "s.yaml", fits)).name == "w"
    for path in (written(tmp_path, "s.yaml", fits + "#"), send(fits.encode() + b"#")):
        with pytest.raises(InvalidSpec, match=r"(s\.yaml|Standard input) is larger than 1k"):
            read_spec(path)


@pytest.mark.timeout(10)
def test_endless_file_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bounded_text, "MAX_SIZE", 1024)
    endless = tmp_path / "s.yaml"
    endless.symlink_to("/dev/zero")
    with pytest.raises(InvalidSpec, match="is larger than 1k"):
        read_spec(endless)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match=r"There is no file .*none\.yaml"):
        read_spec(tmp_path / "none.yaml")


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidSpec, match=r"s\.yaml is not UTF-8 text"):
        read_spec(path)


def test_file_with_many_jobs_is_read(tmp_path: Path) -> None:
    jobs = [{"name": f"j{number}", "command": "true"} for number in range(2000)]
    path = written(tmp_path, "s.yaml", json.dumps({"name": "w", "jobs": jobs}))
    assert len(read_spec(path).jobs) == 2000
