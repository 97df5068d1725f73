"""Latency of commands: `list` and `status`, and the time from `add` to the first poll.

Each command is a new process. The files that it reads are in the page cache.
"""

import statistics
import subprocess
import time
from collections.abc import Mapping

import anyio
from anyio import to_thread
from daemon_place import PROGRAM, Place
from daemon_status import follow

_COMMANDS = 15  # repetitions of each command
_ADDITIONS = 3


async def measure(place: Place, workflows: int) -> dict[str, float]:
    """Medians in seconds, while the daemon watches the first ``workflows`` of the place."""
    number = str(place.workflows[workflows - 1])
    listing = await _median_of_commands(place, "list")
    status = await _median_of_commands(place, "status", number)
    return {
        "list: start to end, s": listing[1],
        "status: start to first line, s": status[0],
        "status: start to end, s": status[1],
        "add to first observation, s": await _additions(place, workflows, place.environment),
        "add to first observation, by the spool alone, s": await _additions(
            place, workflows, place.environment | {"XDG_RUNTIME_DIR": str(place.directory)}
        ),
    }


async def _median_of_commands(place: Place, *arguments: str) -> tuple[float, float]:
    """Seconds from the start to the first line of output, and to the end."""
    times = [
        await to_thread.run_sync(_timed, (*PROGRAM, *arguments), place.environment)
        for _ in range(_COMMANDS)
    ]
    firsts, ends = zip(*times, strict=True)
    return statistics.median(firsts), statistics.median(ends)


def _timed(command: tuple[str, ...], environment: Mapping[str, str]) -> tuple[float, float]:
    began = time.perf_counter()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - it is piped
        process.stdout.readline()
        first = time.perf_counter() - began
        process.stdout.read()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return first, time.perf_counter() - began


async def _additions(place: Place, workflows: int, environment: Mapping[str, str]) -> float:
    """The median for one additional workflow, which is removed each time."""
    return statistics.median(
        [await _addition(place, workflows, environment) for _ in range(_ADDITIONS)]
    )


async def _addition(place: Place, workflows: int, environment: Mapping[str, str]) -> float:
    added = place.workflows[workflows]
    async with follow(place.socket) as board:
        await board.until_polled(workflows)
        began = time.perf_counter()
        async with anyio.create_task_group() as group:
            group.start_soon(_send_command, "add", added, environment)
            await board.until_counted(added)
            took = time.perf_counter() - began
        await _send_command("remove", added, place.environment)
        await board.until_removed(added)
    return took


async def _send_command(verb: str, workflow_id: int, environment: Mapping[str, str]) -> None:
    command = [*PROGRAM, verb, str(workflow_id)]
    await anyio.run_process(command, env=environment, stdin=subprocess.DEVNULL)
