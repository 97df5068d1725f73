"""handover: the evidence of a workflow in one archive, and no secret in it."""

import json
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.rigs.json_shapes import assert_documented

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

# Planted in a command, the environment of jobs, both streams, and a name that an excerpt cuts.
SECRETS = ("hunter2-Zq9", "AKIAIOSFODNN7EXAMPLE", "0123456789abcdef", "plain-value-77", "s3rver-pw")
LEAKY = """
name: leaky
env: { SITE_OPTION: plain-value-77 }
jobs:
  - name: login
    command: >
      export DB_PASSWORD=hunter2-Zq9; echo "postgres://me:$DB_PASSWORD@db/x at node cn042";
      echo "it was hunter2-Zq9, $SITE_OPTION, s3rver-pw" >&2;
      echo "MemoryError: 12884901888 bytes" >&2; exit 1
  - { name: binary, command: "head -c 9000 /dev/zero; echo AKIAIOSFODNN7EXAMPLE; exit 3" }
  - name: huge
    command: >
      echo "Authorization: Bearer 0123456789abcdef"; truncate -s 20G /proc/self/fd/1; exit 4
  - { name: piped, command: "exit 5" }
  - { name: good, command: "true" }
"""


def test_evidence_is_packed_without_secrets_and_without_the_server(site: "Site") -> None:
    site.serve()
    site.submit(LEAKY)
    site.run("watch", "1", "-p", "1", "--auto-recover", "--max-retries", "1")
    fifo = site.output / "job_stdio/job_wf1_j4_r2_a1.e"
    fifo.unlink()
    os.mkfifo(fifo)
    (fifo.with_suffix(".o")).unlink()
    (fifo.with_suffix(".o")).symlink_to("/etc/passwd")

    ended = site.run("handover", "1", "--json", TORC_PASSWORD="s3rver-pw")  # noqa: S106
    assert ended.returncode == 0, ended.stderr
    values = json.loads(ended.stdout)
    assert_documented("handover", values)
    assert values["path"] == str(site.folder / "handover-1.tar.gz")
    with tarfile.open(values["path"]) as archive:
        archive.extractall(site.folder, filter="data")
    pack = site.folder / "handover-1"
    texts = {
        str(path.relative_to(pack)): path.read_text() for path in pack.rglob("*") if path.is_file()
    }
    assert {file["name"]: file["size"] for file in values["files"]} == {
        name: len(text.encode()) for name, text in texts.items()
    }
    for secret in SECRETS:
        assert [name for name, text in texts.items() if secret in text] == []
    assert values["redacted"]["password"] >= 3

    assert "4 failed" in texts["README.txt"]
    assert "Python ran out of memory" in texts["why.txt"]
    assert "at node cn042" in texts["logs/job_wf1_j1_r2_a1.o"]
    assert "MemoryError: 12884901888 bytes" in texts["logs/job_wf1_j1_r2_a1.e"]
    notes = {file["name"]: file["note"] for file in values["files"]}
    assert notes["logs/job_wf1_j2_r2_a1.o"].startswith("it is not text")
    assert "of 21474836480 bytes" in notes["logs/job_wf1_j3_r2_a1.o"]
    left_out = {each["what"]: each["why"] for each in values["left_out"]}
    assert "no regular file" in left_out[str(fifo)]
    assert "symbolic link" in left_out[str(fifo.with_suffix(".o"))]
    assert str(fifo) in texts["MANIFEST.txt"]
    assert len(json.loads(texts["rows/jobs.json"])) == 5
    assert json.loads(texts["why.json"])["failures"]

    again = site.run("handover", "1")
    assert again.returncode == 2
    assert "is there: give another name, or --force" in again.stderr

    site.request("DELETE", "/workflows/1")
    told = site.run("handover", "1", "-o", "pack")
    assert told.returncode == 0, told.stderr
    assert "is not on http://127.0.0.1:" in told.stderr
    pack = site.folder / "pack"
    assert "is not on http://127.0.0.1:" in (pack / "README.txt").read_text()
    assert "Round 1" in (pack / "history.txt").read_text()
    assert "why.txt, why.json, plan.txt, plan.json: " in (pack / "MANIFEST.txt").read_text()
    assert (pack / "logs/job_wf1_j1_r1_a1.e").exists()
    assert (pack / "logs/job_wf1_j1_r2_a1.e").exists()
    written = [path.read_text() for path in pack.rglob("*.*")]
    assert not any(secret in text for text in written for secret in SECRETS[:3])  # in logs by name
    unknown = site.run("handover", "2", "-o", "other")
    assert (unknown.returncode, (site.folder / "other").exists()) == (2, False)
