"""Tables of parameters (``parameters_file``), as Torc reads them."""

from pathlib import Path
from typing import Any

import pytest

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec import expand
from torc_watch.spec.parameter_table import read_table


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the command, in which tables are found."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_of(document: dict[str, Any]) -> list[str]:
    return [job.name for job in expand({"name": "w", **document}).jobs]


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        (
            "t.csv",
            "lr,set\n0.1,a\n 10 , b c \n",
            [{"lr": 0.1, "set": "a"}, {"lr": 10, "set": "b c"}],
        ),
        ("t.CSV", '\ufeff"a b",c\r\n"x,y","7"\r\n\r\n', [{"a b": "x,y", "c": 7}]),
        ("t.csv", "a\n007\n1e2\n", [{"a": 7}, {"a": 100.0}]),
        (
            "t.json",
            '[{"a": 1, "b": "1"}, {"a": 1.5, "b": null}, {"c": [1, {"z": "ü", "y": true}]}]',
            [{"a": 1, "b": "1"}, {"a": 1.5, "b": "null"}, {"c": '[1,{"y":true,"z":"ü"}]'}],
        ),
        ("t.jsonl", '{"a": 1}\n\n {"a": 2}\n', [{"a": 1}, {"a": 2}]),
        ("t.ndjson", '{"a": 9223372036854775808}', [{"a": float(2**63)}]),
    ],
)
def test_rows_are_read(folder: Path, name: str, text: str, rows: list[dict[str, Any]]) -> None:
    (folder / name).write_text(text, encoding="utf-8", newline="")
    assert read_table(name) == rows


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("t.txt", "a\n1\n", r"read from \.csv, \.json, \.jsonl, \.ndjson files"),
        ("t.csv", "", "has no rows"),
        ("t.csv", "a,b\n", "has no rows"),
        ("t.csv", "a,,b\n1,2,3\n", "a column has no name"),
        ("t.csv", "a,a\n1,2\n", "two columns have the same name"),
        ("t.csv", "a,b\n1,2\n1\n", "row 2 has 1 fields, but there are 2"),
        ("t.json", "{}", "must be a list"),
        ("t.json", "[1]", "each row must be an object"),
        ("t.json", "[", "cannot be read"),
        ("t.json", "[]", "has no rows"),
        ("t.json", '[{"a": NaN}]', "NaN is not a number"),
        ("t.json", '[{"a": 1e400}]', "1e400 is not a number"),
        ("t.jsonl", "{}\n[]\n", "each row must be an object"),
        ("no.csv", None, "cannot be read: No such file"),
    ],
)
def test_other_tables_are_refused(folder: Path, name: str, text: str | None, reason: str) -> None:
    if text is not None:
        (folder / name).write_text(text)
    with pytest.raises(InvalidSpec, match=rf"^{name}.*{reason}"):
        read_table(name)


def test_each_row_is_one_job(folder: Path) -> None:
    (folder / "t.csv").write_text("lr,set\n0.1,a\n0.2,b\n")
    own = {"name": "{set}_{lr:.2f}", "command": "x", "parameters_file": "t.csv"}
    assert names_of({"jobs": [own]}) == ["a_0.10", "b_0.20"]


def test_table_of_the_workflow_is_used_where_it_is_asked_for(folder: Path) -> None:
    (folder / "t.csv").write_text("i\n1\n2\n")
    jobs = [
        {"name": "a{i}", "command": "x", "use_parameters_file": True},
        {"name": "b{i}", "command": "x"},
        {"name": "c{i}", "command": "x", "use_parameters_file": False},
    ]
    files = [{"name": "f{i}", "path": "p{i}", "use_parameters_file": True}]
    spec = expand({"name": "w", "parameters_file": "t.csv", "jobs": jobs, "files": files})
    assert [job.name for job in spec.jobs] == ["a1", "a2", "b{i}", "c{i}"]
    assert [file.path for file in spec.files] == ["p1", "p2"]


def test_name_that_a_row_does_not_have_stays(folder: Path) -> None:
    (folder / "t.json").write_text('[{"a": 1}, {"b": 2}]')
    job = {"name": "j{a}{b}", "command": "x", "parameters_file": "t.json"}
    assert names_of({"jobs": [job]}) == ["j1{b}", "j{a}2"]


@pytest.mark.parametrize(
    ("job", "top", "problem"),
    [
        ({"parameters_file": "t.csv", "parameters": {"i": "1"}}, {}, "combined with parameters"),
        ({"parameters_file": "t.csv", "parameter_mode": "zip"}, {}, "combined with parameter_mode"),
        (
            {"use_parameters_file": True, "use_parameters": ["i"]},
            {"parameters": {"i": "1"}},
            "combined with use_parameters",
        ),
        ({"use_parameters_file": True}, {}, "needs a parameters_file of the workflow"),
        (
            {"use_parameters_file": True, "parameters_file": "t.csv"},
            {"parameters_file": "t.csv"},
            "not both",
        ),
        ({}, {"parameters": {"i": "1"}, "parameters_file": "t.csv"}, "not both"),
        ({"parameters_file": "no.csv"}, {}, "no.csv cannot be read"),
        (
            {"parameters": {"i": "1"}, "use_parameters": ["j"]},
            {"parameters": {"j": "1"}},
            "Torc does not use j",
        ),
        ({"parameters": {"i": ["a,b"]}}, {}, "Torc would split or change the text 'a,b'"),
    ],
)
def test_sources_that_torc_does_not_combine_are_refused(
    folder: Path, job: dict[str, Any], top: dict[str, Any], problem: str
) -> None:
    (folder / "t.csv").write_text("i\n1\n")
    with pytest.raises(InvalidSpec, match=problem):
        names_of({"jobs": [{"name": "a{i}", "command": "x", **job}], **top})


def test_table_is_read_once_for_all_entries(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "t.csv").write_text("i\n1\n")
    read: list[str] = []

    def count(name: str) -> object:
        read.append(name)
        return read_table(name)

    monkeypatch.setattr("torc_watch.spec.parameter_sources.read_table", count)
    names_of(
        {
            "variables": {"table": "t.csv"},
            "jobs": [
                {"name": f"{name}{{i}}", "command": "x", "parameters_file": "{table}"}
                for name in "abc"
            ],
        }
    )
    assert read == ["t.csv"]
