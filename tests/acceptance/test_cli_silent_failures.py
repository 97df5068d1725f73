"""Jobs that fail without a word."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.acceptance.conftest import Site

pytestmark = pytest.mark.slow

# The program says that all is well.
FORGETFUL = """
name: forgetful
files:
  - { name: table, path: FOLDER/table.csv }
jobs:
  - { name: make, command: "echo 3 rows", output_files: [table] }
"""


def test_job_without_its_output_is_named_with_the_file(site: "Site") -> None:
    site.serve()
    site.submit(FORGETFUL.replace("FOLDER", str(site.folder)))
    watched = site.run("watch", "1", "-r", "-p", "1")
    assert watched.returncode != 0, watched.stdout
    assert watched.stdout.count("retrying without changes") == 1
    said = site.run("why", "1").stdout
    assert f"it ended without its output {site.folder}/table.csv" in said
