"""One local allocation as a folder: what was ordered, which worker serves it, how that ended.

- `order.json`: written before anything is started; the folder's name is the allocation's number
- `lock`: held (flock) by the worker from before its first instruction to its last
- `worker.json`: process number and start of the worker, its first own act
- `end.json`: the worker's exit code, its last act; also written for one that was killed
- `log`: what the worker says before it has a run to log for

Every file but `lock` and `log` appears whole or not at all.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from torc_watch.core.allocation import AllocationRequest
from torc_watch.core.errors import SchedulerError
from torc_watch.host.file_lock import try_lock
from torc_watch.host.processes import Process, find_process
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.transport import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOrder:
    """What a worker is to do, and on which host it was ordered. Never holds a password."""

    hostname: str
    request: AllocationRequest
    connection: Connection
    poll_interval: float
    torc_program: Path | None = None

    def to_json(self) -> str:
        connection = asdict(self.connection)
        del connection["password"]
        ca_file = self.connection.ca_file
        connection["ca_file"] = None if ca_file is None else str(ca_file.absolute())
        torc_program = None if self.torc_program is None else str(self.torc_program)
        order = asdict(self) | {"connection": connection, "torc_program": torc_program}
        return json.dumps(order, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError, KeyError or TypeError for anything that ``to_json`` did not write."""
        order: dict[str, Any] = json.loads(text)
        connection = dict(order["connection"])
        ca_file = connection.pop("ca_file")
        torc_program = order.get("torc_program")  # not in those of the first version
        return cls(
            hostname=order["hostname"],
            request=AllocationRequest(**order["request"]),
            connection=Connection(**connection, ca_file=Path(ca_file) if ca_file else None),
            poll_interval=order["poll_interval"],
            torc_program=Path(torc_program) if torc_program else None,
        )

    def worker_settings(self, *, scheduler_id: int, password: str | None) -> WorkerSettings:
        known = self.connection
        return WorkerSettings(
            connection=Connection(
                url=known.url,
                username=known.username,
                password=password if known.username else None,
                ca_file=known.ca_file,
                verify_tls=known.verify_tls,
                timeout=known.timeout,
            ),
            workflow_id=self.request.workflow_id,
            output_dir=Path(self.request.output_dir),
            num_cpus=self.request.num_cpus,
            memory=self.request.memory,
            poll_interval=self.poll_interval,
            scheduler_id=scheduler_id,
            torc_program=self.torc_program,
        )


@dataclass(frozen=True, slots=True)
class AllocationFolder:
    path: Path

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def marker(self) -> str:
        """The environment entry that the worker and all its jobs carry."""
        return f"TORC_WATCH_ALLOCATION={self.path}"

    def write_order(self, order: WorkerOrder) -> None:
        self._write("order.json", order.to_json())

    def read_order(self) -> WorkerOrder:
        """Raises SchedulerError if there is none that can be read."""
        try:
            return WorkerOrder.from_json((self.path / "order.json").read_text())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SchedulerError(f"{self.path} holds no readable order: {error!r}") from error

    def record_worker(self) -> None:
        """Records the calling process as the allocation's worker."""
        process = find_process(os.getpid())
        started = process.started if process else None
        self._write("worker.json", json.dumps({"pid": os.getpid(), "started": started}))

    def worker(self) -> Process | None:
        """The worker, if it has recorded itself and still runs."""
        try:
            record = json.loads((self.path / "worker.json").read_text())
        except (OSError, ValueError):
            return None
        process = find_process(record["pid"])
        return process if process and process.started == record["started"] else None

    def record_end(self, exit_code: int | None) -> None:
        """``exit_code`` is None for a worker that was killed."""
        self._write("end.json", json.dumps({"exit_code": exit_code}))

    def exit_code(self) -> int | None:
        """The worker's, None where it was killed or has not ended."""
        try:
            code: int | None = json.loads((self.path / "end.json").read_text())["exit_code"]
        except (OSError, ValueError):
            return None
        return code

    def has_recorded_end(self) -> bool:
        return (self.path / "end.json").exists()

    def was_started(self) -> bool:
        """Whether a worker is or was there. The caller holds the lock of all allocations."""
        return (self.path / "worker.json").exists() or self.is_locked()

    def is_locked(self) -> bool:
        """Whether a worker lives. The caller holds the lock of all allocations."""
        try:
            descriptor = os.open(self.lock, os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            return not try_lock(descriptor)
        finally:
            os.close(descriptor)

    def _write(self, name: str, text: str) -> None:
        draft = self.path / f".{name}.{os.getpid()}"
        draft.write_text(text)
        draft.replace(self.path / name)


def this_host() -> str:
    return socket.gethostname()
