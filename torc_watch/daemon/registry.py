"""The workflows that the daemon looks after, and what was asked for each."""

from pathlib import Path

from pydantic import TypeAdapter

from torc_watch.core.errors import JournalError
from torc_watch.core.orders import Choices, Condition, Entry
from torc_watch.engine.state import State, now

_CHOICES = TypeAdapter(Choices)


class Registry:
    """Every method raises JournalError when the file cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self._state = State(path)

    def check(self) -> None:
        """Raises JournalCorrupt when any part of the file, also one of the journal, is damaged."""
        self._state.check()

    def close(self) -> None:
        self._state.close()

    def entries(self) -> list[Entry]:
        """In the order in which they were added."""
        return [
            Entry(
                server=row["server"],
                workflow_id=row["workflow_id"],
                choices=self._choices(row["choices"]),
                condition=Condition(row["condition"]),
                verdict=row["verdict"] or "",
                reason=row["reason"] or "",
            )
            for row in self._state.all("SELECT * FROM entry ORDER BY added, workflow_id")
        ]

    def keep(self, entry: Entry) -> None:
        self._state.write(
            "INSERT INTO entry (server, workflow_id, choices, condition, verdict, reason, added)"
            " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET choices = excluded.choices,"
            " condition = excluded.condition, verdict = excluded.verdict, reason = excluded.reason",
            entry.server,
            entry.workflow_id,
            _CHOICES.dump_json(entry.choices, exclude_none=True).decode(),
            entry.condition,
            entry.verdict,
            entry.reason,
            now(),
        )

    def forget(self, server: str, workflow_id: int) -> None:
        self._state.write(
            "DELETE FROM entry WHERE server = ? AND workflow_id = ?", server, workflow_id
        )

    def _choices(self, text: str) -> Choices:
        try:
            return _CHOICES.validate_json(text)
        except ValueError as error:
            raise JournalError(
                f"The journal {self._state.path} holds choices that this torc-watch cannot read. "
                "Upgrade torc-watch, or set TORC_WATCHD_HOME to another folder."
            ) from error
