"""Runs the measurements that are named, or all, and prints them side by side."""

import argparse
import json
import platform
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import demo
import recovery
import server
import watch

_MEASUREMENTS: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {
    "demo": demo.measure,
    "recovery": recovery.measure,
    "server": server.measure,
    "watch": watch.measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(_MEASUREMENTS), help="what to measure")
    parser.add_argument("--json", type=Path, help="file to write the values to")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(_MEASUREMENTS):
        parser.error(f"there is no measurement called {', '.join(sorted(unknown))}")
    values: dict[str, float] = {}
    for name in arguments.names or _MEASUREMENTS:
        measured = anyio.run(_MEASUREMENTS[name])
        for label, value in measured.items():
            print(f"{label:64} {value:12,.3f}", flush=True)
        values |= measured
    if arguments.json:
        machine = {"python": platform.python_version(), "machine": platform.platform()}
        arguments.json.write_text(json.dumps({"on": machine, "values": values}, indent=2))


if __name__ == "__main__":
    main()
