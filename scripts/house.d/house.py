"""Prints the numbers of this code base, for the product, its tests and its scripts.

With --check, prints only what exceeds a limit of the product, and exits with status 1 if anything
does. The limits: no module name that ends in -ing or is too general (utils), no public class or
type alias that is defined twice, no import cycle, no function of more than 60 lines.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from import_graph import When, cycles, import_graph, imports_of
from modules import Module, length, read_modules
from repeated_names import repeated_stems, repeated_types

_ROOT = Path(__file__).parents[2]
_PRODUCT = "torc_watch"
_FOLDERS = (_PRODUCT, "tests", "scripts")
_LONG_MODULE = 300
_LONG_FUNCTION = 60
_GENERAL_NAMES = {"common", "helpers", "misc", "utils"}
_ROUND = "files on the way from a poll to the end of a round"
_EXAMPLE = """\
example:
  scripts/house                   all numbers, as tables
  scripts/house --json >now.json  the same as JSON, to compare versions
  scripts/house --check           the limits only
"""


def main() -> None:
    arguments = _arguments()
    product = read_modules(_ROOT, _PRODUCT)
    if arguments.check:
        found = list(exceeded_limits(product))
        print("".join(f"{line}\n" for line in found), end="")
        sys.exit(bool(found))
    numbers = {folder: numbers_of(read_modules(_ROOT, folder)) for folder in _FOLDERS}
    measured = _routes(product)
    lists = names_of(product) | {_ROUND: _files_of_a_round()}
    if arguments.json:
        print(json.dumps({"numbers": numbers, "routes": measured, "lists": lists}, indent=1))
    else:
        _print_numbers(numbers)
        print("".join(f"\n{label:48}{number:>6}" for label, number in measured.items()))
        _print_lists(lists)


def numbers_of(modules: Sequence[Module]) -> dict[str, float]:
    """Counts, and sizes in lines."""
    modules_lines = sorted(module.lines for module in modules)
    lengths = sorted(length(function) for module in modules for function in module.functions())
    return {
        "modules": len(modules),
        "lines": sum(modules_lines),
        "lines of a module: median": median(modules_lines),
        "lines of a module: max": modules_lines[-1],
        f"modules of more than {_LONG_MODULE} lines": sum(n > _LONG_MODULE for n in modules_lines),
        "functions": len(lengths),
        "lines of a function: median": median(lengths),
        "lines of a function: p90": lengths[len(lengths) * 9 // 10],
        "lines of a function: max": lengths[-1],
        "modules ending in -ing": len(_gerunds(modules)),
        "module names used twice": len(repeated_stems(modules)),
        "imports in functions": sum(
            when is When.CALLING for module in modules for _, when in imports_of(module.tree)
        ),
        "import cycles, when modules load": len(cycles(import_graph(modules, {When.LOADING}))),
        "import cycles, with TYPE_CHECKING": len(_cycles_of_types(modules)),
        "import cycles, with functions": len(cycles(import_graph(modules, set(When)))),
    }


def names_of(modules: Sequence[Module]) -> dict[str, Any]:
    """The names behind some of the numbers."""
    return {
        f"modules of more than {_LONG_MODULE} lines": [
            module.name for module in modules if module.lines > _LONG_MODULE
        ],
        "modules ending in -ing": _gerunds(modules),
        "module names used twice": repeated_stems(modules),
        "public classes and type aliases defined twice": repeated_types(modules),
    }


def exceeded_limits(modules: Sequence[Module]) -> Iterator[str]:
    """One line for each place that exceeds a limit."""
    for name in _gerunds(modules):
        yield f"{name} ends in -ing: name the module after the thing in it."
    for module in modules:
        if module.path.stem in _GENERAL_NAMES:
            yield f"{module.name} is too general: name the module after the thing in it."
    for name, places in repeated_types(modules).items():
        yield f"{name} has several meanings: {', '.join(places)}. Rename all but one."
    for cycle in _cycles_of_types(modules):
        yield f"Modules import each other: {', '.join(cycle)}. Move what they share out of them."
    for module in modules:
        for function in module.functions():
            if length(function) > _LONG_FUNCTION:
                place = f"{module.path}:{function.lineno}"
                yield f"{place}: {function.name} has {length(function)} lines: split it."


def _gerunds(modules: Sequence[Module]) -> list[str]:
    return [module.name for module in modules if module.path.stem.endswith("ing")]


def _cycles_of_types(modules: Sequence[Module]) -> list[list[str]]:
    return cycles(import_graph(modules, {When.LOADING, When.TYPE_CHECKING}))


def _files_of_a_round() -> list[str]:
    from recovery_trace import files_of_a_round  # noqa: PLC0415 - keeps --check fast

    return files_of_a_round()


def _routes(modules: Sequence[Module]) -> dict[str, int]:
    import server_routes  # noqa: PLC0415 - keeps --check fast

    served, used = server_routes.served(), server_routes.used(modules)
    every = set().union(*served.values())
    return {
        **{f"routes served in {version}": len(found) for version, found in served.items()},
        "routes served in any version": len(every),
        "of these called by product, runner or demo": len(every & used),
        "routes called and not served": len(used - every),
    }


def _print_numbers(numbers: Mapping[str, Mapping[str, float]]) -> None:
    print(f"{'':36}" + "".join(f"{folder:>12}" for folder in numbers))
    for label in numbers[_PRODUCT]:
        print(f"{label:36}" + "".join(f"{of[label]:12,g}" for of in numbers.values()))


def _print_lists(lists: Mapping[str, Any]) -> None:
    for title, found in lists.items():
        print(f"\n{title}: {len(found)}")
        for item in found:
            print(f"  {item}" + (f": {', '.join(found[item])}" if isinstance(found, dict) else ""))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/house",
        description=__doc__,
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--check", action="store_true", help="print what exceeds a limit")
    return parser.parse_args()


if __name__ == "__main__":
    main()
