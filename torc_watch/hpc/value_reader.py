"""Reads the values of one table of a profile, and collects everything that is wrong with them."""

import math
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from typing import Any

from torc_watch.core.errors import InvalidQuantity
from torc_watch.core.units import parse_memory
from torc_watch.core.walltime import parse_walltime

_MAX_NUMBER = 2**31 - 1
_KEYS_OF_TORC = {  # in Torc's own profiles; and the key that has the value here
    "cpus_per_node": "cpus",
    "memory_mb": "memory",
    "gpus_per_node": "gpus",
    "gpu_type": "gpus",
    "max_walltime_secs": "max_walltime",
    "local_disk_gb": "local_disk",
    "detect_env_var": "detection",
    "detect_hostname": "detection",
}


class ValueReader:
    """Each method returns its default where the key is missing, or its value is refused.

    Keys that nothing has read when `finish` is called are refused. ``place`` is where the table is:
    "" or "partitions[2] (debug)."
    """

    def __init__(self, values: Mapping[str, Any], place: str, problems: list[str]) -> None:
        self._values = values
        self._place = place
        self._problems = problems
        self._known: list[str] = []

    def has(self, key: str) -> bool:
        return key in self._values

    def refuse(self, key: str, what: str) -> None:
        self._problems.append(f"{self._place}{key}: {what}")

    def required(self, *keys: str) -> None:
        for key in keys:
            if key not in self._values:
                self.refuse(key, "is missing.")

    def text(self, key: str) -> str:
        value = self._value(key, "")
        if isinstance(value, str):
            return value
        self.refuse(key, f"{_shown(value)} is not a text: put it in quotes.")
        return ""

    def flag(self, key: str) -> bool:
        value = self._value(key, False)
        if isinstance(value, bool):
            return value
        self.refuse(key, f"{_shown(value)} is neither true nor false.")
        return False

    def number(self, key: str) -> int | None:
        value = self._value(key, None)
        return None if value is None or not self._is_count(key, value) else value

    def factor(self, key: str, default: float) -> float:
        value = self._value(key, default)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and math.isfinite(value) and value >= 0:
            return float(value)
        self.refuse(key, f"{_shown(value)} is not a number of at least 0.")
        return default

    def memory(self, key: str) -> int | None:
        """A unit is required: a number alone is MiB to Slurm, and bytes to Torc."""
        value = self._value(key, None)
        if value is None:
            return None
        text = value.upper().removesuffix("B") if isinstance(value, str) else ""
        with suppress(InvalidQuantity):
            if not text[-1:].isdigit():
                return parse_memory(text)
        advice = 'write a whole number and K, M, G or T in quotes, such as "246064M"'
        self.refuse(key, f"{_shown(value)} is not a size: {advice}.")
        return None

    def walltime(self, key: str) -> int | None:
        value = self._value(key, None)
        if value is None:
            return None
        if not isinstance(value, str):
            self.refuse(key, f'{_shown(value)} is not a walltime: write such as "2-00:00:00".')
            return None
        try:
            return parse_walltime(value)
        except InvalidQuantity as error:
            self.refuse(key, f"{error}.")
            return None

    def texts(self, key: str) -> tuple[str, ...] | None:
        value = self._value(key, None)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.refuse(key, f'{_shown(value)} is not a list of texts: write such as ["a", "b"].')
        return None

    def pairs(self, key: str) -> tuple[tuple[str, str], ...]:
        value = self._value(key, {})
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return tuple(value.items())
        self.refuse(key, f'{_shown(value)} is not such as {{ CLUSTER = "name" }}.')
        return ()

    def gpus(self, key: str) -> dict[str, int]:
        """A number, or numbers by type. Types without any are left out."""
        value = self._value(key, {})
        numbers = value if isinstance(value, dict) else {"": value}
        if not all(self._is_count(key, number) for number in numbers.values()):
            return {}
        return {kind: number for kind, number in numbers.items() if number}

    def table(self, key: str) -> "ValueReader":
        value = self._value(key, {})
        if not isinstance(value, dict):
            self.refuse(key, f"{_shown(value)} is not a table: write [{key}] above its keys.")
            value = {}
        return ValueReader(value, f"{self._place}{key}.", self._problems)

    def tables(self, key: str) -> list["ValueReader"]:
        """Those of an array of tables; each is named in messages by its ``name``, if it has one."""
        value = self._value(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.refuse(
                key, f"{_shown(value)} is not a list of tables: write [[{key}]] above each."
            )
            return []
        return [
            ValueReader(item, f"{self._place}{key}[{index}]{_label(item)}.", self._problems)
            for index, item in enumerate(value)
        ]

    def finish(self) -> None:
        for key in self._values:
            if key not in self._known:
                self.refuse(key, f"there is no such key. {self._meant(key)}")

    def _meant(self, key: str) -> str:
        if (ours := _KEYS_OF_TORC.get(key)) in self._known:
            return f"Here it is {ours!r}."
        near = get_close_matches(key.lower(), self._known, n=1)
        return f"Did you mean {near[0]!r}?" if near else f"Keys: {', '.join(self._known)}."

    def _value(self, key: str, default: Any) -> Any:
        self._known.append(key)
        return self._values.get(key, default)

    def _is_count(self, key: str, value: object) -> bool:
        is_number = isinstance(value, int) and not isinstance(value, bool)
        if isinstance(value, int) and is_number and 0 <= value <= _MAX_NUMBER:
            return True
        self.refuse(key, f"{_shown(value)} is not a whole number from 0 to {_MAX_NUMBER}.")
        return False


def _label(table: Mapping[str, Any]) -> str:
    name = table.get("name")
    return f" ({_short(name)})" if isinstance(name, str) else ""


def _shown(value: object) -> str:
    """As it is written in TOML, more or less."""
    if isinstance(value, bool):
        return str(value).lower()
    return _short(repr(value))


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
