"""Lets jobs come to every end there is under the real Torc, and writes down what its server holds.

Each file has one workflow. Timings and peaks are as measured and differ from one capture to the
next; statuses and return codes do not.
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
_SIDE_BY_SIDE = 6  # they mostly sleep


def _capture(scenario: Scenario, version: str, into: Path) -> Path:
    """Raises TimeoutError when something does not come about."""
    # A job may write something while the folder goes.
    folder = TemporaryDirectory(ignore_cleanup_errors=True)
    with folder as path, open_site(version, Path(path)) as site:
        site.start_runner(scenario.spec(), *scenario.runner)
        scenario.meddle(site)
        rows = {"about": scenario.about} | rows_of(site)
    file = into / f"torc-{version}" / f"{scenario.name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(rows, indent=1) + "\n")
    return file


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/capture-ends", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios; all without any")
    parser.add_argument("--torc", action="append", choices=VERSIONS, help="version; default: all")
    parser.add_argument("--into", type=Path, default=_FIXTURES, help="folder; default: %(default)s")
    parser.add_argument("--quick", action="store_true", help="leave out those that take a minute")
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
            parser.error(f"Torc {version} is not there: run scripts/setup-torc")
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        captures = [pool.submit(_capture, *pair, arguments.into) for pair in chosen]
        for capture in captures:
            print(capture.result())


if __name__ == "__main__":
    main()
