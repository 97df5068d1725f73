"""One local allocation as a folder: what it is for, which worker serves it, how that ended.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Self

from torc_watch.core.allocation import AllocationSpec
from torc_watch.core.errors import SchedulerError
from torc_watch.host.file_lock import try_lock
from torc_watch.host.processes import Process, find_process
from torc_watch.schedulers.base import WorkerAssignment
from torc_watch.schedulers.local.worker_settings import WorkerSettings
from torc_watch.torc.transport import Connection

_RECORD = "order.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationRecord:
    """What an allocation is for, and on which host it was asked for. Never holds a password.

    Its JSON is that of all versions of this program: workers and daemons of several meet in one
    folder during an upgrade.
    """

    hostname: str
    spec: AllocationSpec
    work: WorkerAssignment
    poll_interval: float
    torc_program: Path | None = None

    def to_json(self) -> str:
        connection = asdict(self.work.connection)
        del connection["password"]
        ca_file = self.work.connection.ca_file
        connection["ca_file"] = None if ca_file is None else str(ca_file.absolute())
        record = {
            "hostname": self.hostname,
            "request": {
                "token": self.spec.token,
                "workflow_id": self.work.workflow_id,
                "scheduler_config_id": self.work.scheduler_config_id,
                "num_cpus": self.spec.num_cpus,
                "memory": self.spec.memory,
                "output_dir": str(self.work.output_dir),
            },
            "connection": connection,
            "poll_interval": self.poll_interval,
            "torc_program": None if self.torc_program is None else str(self.torc_program),
        }
        return json.dumps(record, indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Raises ValueError, KeyError or TypeError for anything that ``to_json`` did not write."""
        record: dict[str, Any] = json.loads(text)
        request = record["request"]
        torc_program = record.get("torc_program")  # not in those of the first version
        return cls(
            hostname=record["hostname"],
            spec=AllocationSpec(
                token=request["token"], num_cpus=request["num_cpus"], memory=request["memory"]
            ),
            work=WorkerAssignment(
                connection=_connection(record["connection"]),
                workflow_id=request["workflow_id"],
                scheduler_config_id=request["scheduler_config_id"],
                output_dir=Path(request["output_dir"]),
            ),
            poll_interval=record["poll_interval"],
            torc_program=Path(torc_program) if torc_program else None,
        )

    def worker_settings(self, *, scheduler_id: int, password: str | None) -> WorkerSettings:
        known = self.work.connection
        return WorkerSettings(
            connection=replace(known, password=password if known.username else None),
            workflow_id=self.work.workflow_id,
            output_dir=self.work.output_dir,
            num_cpus=self.spec.num_cpus,
            memory=self.spec.memory,
            poll_interval=self.poll_interval,
            scheduler_id=scheduler_id,
            torc_program=self.torc_program,
        )


def _connection(record: dict[str, Any]) -> Connection:
    ca_file = record["ca_file"]
    return Connection(**record | {"ca_file": Path(ca_file) if ca_file else None})


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

    def write_record(self, record: AllocationRecord) -> None:
        self._write(_RECORD, record.to_json())

    def read_record(self) -> AllocationRecord:
        """Raises SchedulerError if there is none that can be read."""
        with self._reading():
            return AllocationRecord.from_json((self.path / _RECORD).read_text())

    def hostname(self) -> str:
        """Of its record, which is not read in full: a query of statuses does this for each.

        Raises SchedulerError if there is none that can be read.
        """
        with self._reading():
            hostname: str = json.loads((self.path / _RECORD).read_text())["hostname"]
            return hostname

    @contextmanager
    def _reading(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SchedulerError(f"{self.path} holds no readable {_RECORD}: {error!r}") from error

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
