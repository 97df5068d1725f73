"""Runs jobs with every possible outcome under the real Torc, and saves its server's records.

Each file has one workflow. Times and peaks are measured and differ between captures; statuses and
return codes do not.
"""

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

from ends import SCENARIOS, Scenario
from rows import rows_of
from site_of_torc import open_site

from tests.rigs.real_torc import VERSIONS, home_of

_FIXTURES = Path(__file__).parents[2] / "tests" / "fixtures"
_PARALLEL = 6  # scenarios; they mostly sleep


def _capture(scenario: Scenario, version: str, into: Path) -> Path:
    """Returns the file. Raises TimeoutError if an expected state is not reached."""
    # A job may still write a file while the folder is deleted.
    folder = TemporaryDirectory(ignore_cleanup_errors=True)
    with folder as path, open_site(version, Path(path)) as site:
        site.start_runner(scenario.spec(), *scenario.runner)
        scenario.intervene(site)
        rows = {"about": scenario.about} | rows_of(site)
    file = into / f"torc-{version}" / f"{scenario.name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=1) + "\n")
    return file


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/capture-ends", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios; default: all")
    parser.add_argument("--torc", action="append", choices=VERSIONS, help="version; default: all")
    parser.add_argument("--into", type=Path, default=_FIXTURES, help="folder; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="skip scenarios that take a minute")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {scenario.name for scenario in SCENARIOS}:
        parser.error(f"there is no scenario called {', '.join(sorted(unknown))}")
    chosen = [
        (scenario, version)
        for scenario, version in product(SCENARIOS, arguments.torc or VERSIONS)
        if version in scenario.versions
        and (not arguments.names or scenario.name in arguments.names)
        and (scenario.is_quick or not arguments.quick)
    ]
    for _, version in chosen:
        if not home_of(version).exists():
            parser.error(f"Torc {version} is not installed: run scripts/setup-torc")
    with ThreadPoolExecutor(_PARALLEL) as pool:
        captures = [pool.submit(_capture, *pair, arguments.into) for pair in chosen]
        for capture in captures:
            print(capture.result())


if __name__ == "__main__":
    main()
