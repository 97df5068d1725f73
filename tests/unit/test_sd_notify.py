"""Notifications to systemd, received on a socket."""

import resource
import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest

from torc_watch.host.sd_notify import SystemdNotifier


@pytest.fixture(params=["path", "abstract"])
def manager(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[socket.socket, SystemdNotifier]]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@torc-watch-{uuid4().hex}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address[1:] if address[0] == "@" else address)
        listener.setblocking(False)
        with closing(SystemdNotifier.from_environment({"NOTIFY_SOCKET": address})) as service:
            yield listener, service


def test_each_message_is_one_datagram(manager: tuple[socket.socket, SystemdNotifier]) -> None:
    listener, service = manager
    service.set_status("3 workflows\nwatched")
    service.ready()
    service.ping_watchdog()
    service.stopping()

    messages = [listener.recv(999) for _ in range(4)]

    assert messages == [b"STATUS=3 workflows watched", b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_reload_has_its_start_time(manager: tuple[socket.socket, SystemdNotifier]) -> None:
    listener, service = manager
    service.reloading()

    state, moment = listener.recv(999).decode().splitlines()

    assert state == "RELOADING=1"
    assert int(moment.removeprefix("MONOTONIC_USEC=")) > 0


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [({}, None), ({"WATCHDOG_USEC": "1500000"}, 1.5), ({"WATCHDOG_USEC": "soon"}, None)],
)
def test_watchdog_timeout_is_read_from_the_environment(
    environment: dict[str, str], watchdog: float | None
) -> None:
    with closing(SystemdNotifier.from_environment(environment)) as service:
        assert service.watchdog == watchdog


@pytest.mark.parametrize("address", [None, "", "/nonexistent/socket", "x" * 200])
def test_undeliverable_messages_are_dropped(address: str | None) -> None:
    with closing(SystemdNotifier(address)) as service:
        service.ready()


def test_notifications_work_without_free_file_descriptors(
    manager: tuple[socket.socket, SystemdNotifier],
) -> None:
    listener, service = manager
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        service.ping_watchdog()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert listener.recv(999) == b"WATCHDOG=1"
