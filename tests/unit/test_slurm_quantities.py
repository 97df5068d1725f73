"""Parsing memory, time and GPUs of Slurm schedulers."""

import pytest

from torc_watch.core.units import GIB, KIB, MIB, TIB
from torc_watch.torc import slurm_quantities

DAY = 24 * 3600


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2000M", 2000 * MIB),
        ("7g", 7 * GIB),
        ("1T", TIB),
        ("512K", 512 * KIB),
        ("180GB", 180 * GIB),
        ("4000", 4000 * MIB),
        ("0", None),
        ("", None),
        ("1.5G", None),
        ("-1G", None),
        ("much", None),
    ],
)
def test_memory_is_parsed(text: str, expected: int | None) -> None:
    assert slurm_quantities.read_memory(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90 * 60),
        ("5:30", 330),
        ("00:04:30", 270),
        ("48:00:00", 2 * DAY),
        ("1-0", DAY),
        ("1-02", DAY + 2 * 3600),
        ("1-02:30", DAY + 2 * 3600 + 30 * 60),
        ("1-02:30:15", DAY + 2 * 3600 + 30 * 60 + 15),
        ("0", None),
        ("UNLIMITED", None),
        ("", None),
        ("1:2:3:4", None),
        ("PT1H", None),
    ],
)
def test_time_is_parsed(text: str, expected: int | None) -> None:
    assert slurm_quantities.read_time(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpu:2", 2),
        ("gpu", 1),
        ("gpu:h100:4", 4),
        ("gpu:h100", 1),
        ("gpu:a100:2,gpu:v100:1", 3),
        ("tmpdisk:100,gpu:h100:4(S:0-1)", 4),
        ("tmpdisk:100", None),
        ("", None),
    ],
)
def test_gpus_are_parsed(text: str, expected: int | None) -> None:
    assert slurm_quantities.read_gpus(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--cpus-per-task=8", 8),
        ("--exclusive --cpus-per-task 16 --constraint=lbs", 16),
        ("-c4", 4),
        ("-c 4", 4),
        ("--exclusive", None),
        ("--comment=a-c 4", None),
        ("", None),
    ],
)
def test_cpus_per_task_are_parsed(text: str, expected: int | None) -> None:
    assert slurm_quantities.read_cpus_per_task(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("--partition=short", ("short",)),
        ("--partition=short,gpu-h100 --qos=high", ("short", "gpu-h100")),
        ("--partition=short --exclusive -p bigmem", ("bigmem",)),
        ("-pbigmem", ("bigmem",)),
        ("--comment=fast-p short", ()),
        ("--exclusive", ()),
        ("", ()),
    ],
)
def test_partitions_are_parsed(text: str, expected: tuple[str, ...]) -> None:
    assert slurm_quantities.read_partitions(text) == expected
