import errno
import itertools
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.cli.sizes import sizes
from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.edited_file import edit_file, write_file
from torc_watch.spec.requirements_edit import edited

SPEC = """\
# who wrote this
name: größe   # 😀 a name
resource_requirements:
  - name: small   # for tests
    memory: '8g'  # too little?
    runtime: PT1H
  - {name: large, num_cpus: 4, memory: 64g}

jobs:
  - {name: a, command: "echo 8g", resource_requirements: small}
"""


def test_only_the_values_are_replaced() -> None:
    changes = {
        "small": {"memory": "12g", "runtime": "PT2H"},
        "large": {"memory": "32g", "runtime": "PT5M"},
    }

    after = edited(SPEC, changes)

    assert after == (
        SPEC.replace("'8g'  #", "'12g'  #")
        .replace("PT1H", "PT2H")
        .replace(
            "{name: large, num_cpus: 4, memory: 64g}",
            "{name: large, runtime: PT5M, num_cpus: 4, memory: 32g}",
        )
    )


def test_missing_key_gets_a_line_of_its_own() -> None:
    spec = SPEC.replace("    runtime: PT1H\n", "")

    after = edited(spec, {"small": {"runtime": "PT2H"}})

    assert after == spec.replace("# for tests\n", "# for tests\n    runtime: PT2H\n")


def test_value_that_says_the_same_in_other_words_stays() -> None:
    assert edited(SPEC, {"small": {"memory": "8192m", "runtime": "PT60M"}}) == SPEC


def test_value_that_is_merged_counts() -> None:
    spec = "b: &b {memory: 8g}\nresource_requirements:\n  - {name: small, <<: *b}\n"

    assert edited(spec, {"small": {"memory": "8192m"}}) == spec
    assert edited(spec, {"small": {"memory": "12g"}}) == spec.replace(
        "name: small", "name: small, memory: 12g"
    )


def test_nothing_to_change_needs_no_requirements() -> None:
    assert edited("name: w\njobs: []\n", {}) == "name: w\njobs: []\n"


def test_windows_line_ends_stay() -> None:
    spec = SPEC.replace("\n", "\r\n")

    assert edited(spec, {"small": {"memory": "12g"}}) == spec.replace("'8g'  #", "'12g'  #")
    row = "resource_requirements:\r\n  - name: small"
    assert edited(row, {"small": {"memory": "12g"}}) == f"{row}\r\n    memory: 12g"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("name: small ", "name: other ", "it has no resource_requirements of the name 'small'"),
        ("'8g'", "&m 8g", "line 5: memory is no plain value"),
        ("'8g'", "'{size}'", "line 5: memory is no plain value"),
        ("'8g'", "[8g]", "line 5: memory is no plain value"),
        ("'8g'", "|\n      8g\n   ", "line 5: memory is no plain value"),
        ("name: größe", "name: [", "line"),
        ("name: large", "name: small", "line 7: another of the .* is named 'small'"),
    ],
)
def test_what_cannot_be_edited_is_refused(old: str, new: str, problem: str) -> None:
    with pytest.raises(InvalidSpec, match=problem):
        edited(SPEC.replace(old, new, 1), {"small": {"memory": "12g"}})


def test_row_that_is_used_twice_by_an_alias_is_refused() -> None:
    spec = "name: w\nx: &r {name: small, memory: 8g}\nresource_requirements: [*r]\njobs: []\n"

    with pytest.raises(InvalidSpec, match="edit it by hand"):
        edited(spec, {"small": {"memory": "12g"}})


@given(st.text(st.characters(exclude_categories=("C", "Z")), max_size=20), st.integers(1, 10**6))
def test_whatever_the_comments_are_they_stay(comment: str, size: int) -> None:
    spec = SPEC.replace("who wrote this", comment)

    assert edited(spec, {"small": {"memory": f"{size}m"}}).count("\n") == SPEC.count("\n")


def test_file_is_replaced_and_the_old_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    content = b"\xef\xbb\xbf" + SPEC.encode()
    path.write_bytes(content)
    path.chmod(0o640)

    first = write_file(edit_file(path, {"small": {"memory": "12g"}}))
    second = write_file(edit_file(path, {"small": {"memory": "16g"}}))

    assert path.read_bytes() == content.replace(b"'8g'", b"'16g'")
    assert [each.stat().st_mode & 0o777 for each in (path, first, second)] == [0o640] * 3
    assert first.read_bytes() == content
    assert second.read_bytes() == content.replace(b"'8g'", b"'12g'")
    assert {file.name for file in tmp_path.iterdir()} == {"w.yaml", "w.yaml.bak", "w.yaml.bak1"}


def test_changed_file_is_new_and_the_kept_one_old(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(SPEC, encoding="utf-8")
    os.utime(path, (10**9, 10**9))

    backup = write_file(edit_file(path, {"small": {"memory": "12g"}}))

    assert backup.stat().st_mtime == 10**9
    assert path.stat().st_mtime > 10**9


def test_link_stays_and_its_file_is_changed(tmp_path: Path) -> None:
    target, link = tmp_path / "specs" / "w.yaml", tmp_path / "w.yaml"
    target.parent.mkdir()
    target.write_text(SPEC, encoding="utf-8")
    link.symlink_to(target)

    backup = write_file(edit_file(link, {"small": {"memory": "12g"}}))

    assert link.is_symlink()
    assert "'12g'" in target.read_text(encoding="utf-8")
    assert backup == tmp_path / "specs" / "w.yaml.bak"


def test_read_only_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(SPEC, encoding="utf-8")
    path.chmod(0o444)

    with pytest.raises(InvalidSpec, match="is read-only: make it writable"):
        write_file(edit_file(path, {"small": {"memory": "12g"}}))

    assert path.read_text(encoding="utf-8") == SPEC
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("written_before", [0, 1])
def test_full_disk_leaves_the_old_file_alone(
    written_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(SPEC, encoding="utf-8")
    file = edit_file(path, {"small": {"memory": "12g"}})
    written = itertools.count()

    def fsync(_: int) -> None:
        if next(written) >= written_before:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(InvalidSpec, match=r"No space left on device\. Free some space there"):
        write_file(file)

    assert path.read_text(encoding="utf-8") == SPEC
    assert list(tmp_path.iterdir()) == [path]


def test_file_that_changed_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "w.yaml"
    path.write_text(SPEC, encoding="utf-8")
    file = edit_file(path, {"small": {"memory": "12g"}})
    path.write_text("name: other\n", encoding="utf-8")

    with pytest.raises(InvalidSpec, match="has changed meanwhile"):
        write_file(file)

    assert path.read_text(encoding="utf-8") == "name: other\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["w.kdl", "w.json5", "w.json", "w"])
def test_other_formats_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidSpec, match="only YAML files"):
        edit_file(tmp_path / name, {})


def test_other_formats_are_refused_before_the_server_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("torc_watch.cli.sizes.run", lambda _: pytest.fail("asked a server"))
    with pytest.raises(InvalidSpec, match="only YAML files"):
        sizes(1, spec=Path("w.json"))


def test_diff_shows_the_change(tmp_path: Path) -> None:
    path = tmp_path / "w.yml"
    path.write_text(SPEC, encoding="utf-8")

    lines = list(edit_file(path, {"small": {"memory": "12g"}}).diff)

    assert "-    memory: '8g'  # too little?" in lines
    assert "+    memory: '12g'  # too little?" in lines
