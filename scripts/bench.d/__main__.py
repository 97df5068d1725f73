"""Runs the measurements that are named, or all quick ones, and prints them side by side."""

import argparse
import json
import platform
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

import anyio
import daemon
import demo
import recovery
import server
import torc
import watch
from real_torc import find_real_torc

_OF_OURS: dict[str, Callable[[], Awaitable[dict[str, float]]]] = {
    "demo": demo.measure,
    "recovery": recovery.measure,
    "server": server.measure,
    "watch": watch.measure,
}


def main() -> None:
    arguments = _arguments()
    measurements = _OF_OURS | {
        "daemon": partial(daemon.measure, sizes=arguments.sizes, seconds=arguments.seconds),
        "torc": partial(torc.measure, repetitions=arguments.repetitions, seconds=arguments.seconds),
    }
    values: dict[str, float] = {}
    for name in arguments.names or _OF_OURS:
        measured = anyio.run(measurements[name])
        for label, value in measured.items():
            print(f"{label:64} {value:12,.3f}", flush=True)
        values |= measured
    if arguments.json:
        machine = {"python": platform.python_version(), "machine": platform.platform()}
        if "torc" in arguments.names:
            machine["torc"] = find_real_torc().profile
        arguments.json.write_text(json.dumps({"on": machine, "values": values}, indent=2))


def _arguments() -> argparse.Namespace:
    names = [*_OF_OURS, "daemon", "torc"]
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="|".join(names), help="what to measure")
    parser.add_argument("--json", type=Path, help="file to write the values to")
    parser.add_argument(
        "--seconds",
        type=float,
        default=300,
        help="daemon, torc: of idle watching (default: %(default)s)",
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        default=(1, 100, 1_000, 10_000),
        help="daemon: how many workflows, rising (default: 1,100,1000,10000)",
    )
    of_torc = parser.add_argument_group(
        "torc", "Needs the real Torc (scripts/setup-torc), and about half an hour."
    )
    of_torc.add_argument(
        "--repetitions", type=int, default=5, help="recoveries by each side (default: %(default)s)"
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names):
        parser.error(f"there is no measurement called {', '.join(sorted(unknown))}")
    return arguments


def _sizes(text: str) -> list[int]:
    return sorted(map(int, text.split(",")))


if __name__ == "__main__":
    main()
