"""What systemd hears, on a socket like its own."""

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


def test_each_word_is_one_datagram(manager: tuple[socket.socket, SystemdNotifier]) -> None:
    listener, service = manager
    service.say("3 workflows\nwatched")
    service.ready()
    service.alive()
    service.stopping()

    heard = [listener.recv(999) for _ in range(4)]

    assert heard == [b"STATUS=3 workflows watched", b"READY=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_reload_says_when_it_began(manager: tuple[socket.socket, SystemdNotifier]) -> None:
    listener, service = manager
    service.reloading()

    word, moment = listener.recv(999).decode().splitlines()

    assert word == "RELOADING=1"
    assert int(moment.removeprefix("MONOTONIC_USEC=")) > 0


@pytest.mark.parametrize(
    ("environment", "watchdog"),
    [({}, None), ({"WATCHDOG_USEC": "1500000"}, 1.5), ({"WATCHDOG_USEC": "soon"}, None)],
)
def test_the_watchdog_s_patience(environment: dict[str, str], watchdog: float | None) -> None:
    with closing(SystemdNotifier.from_environment(environment)) as service:
        assert service.watchdog == watchdog


@pytest.mark.parametrize("address", [None, "", "/nonexistent/socket", "x" * 200])
def test_nobody_has_to_listen(address: str | None) -> None:
    with closing(SystemdNotifier(address)) as service:
        service.ready()


def test_it_is_heard_when_no_more_files_can_be_opened(
    manager: tuple[socket.socket, SystemdNotifier],
) -> None:
    listener, service = manager
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        service.alive()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)

    assert listener.recv(999) == b"WATCHDOG=1"
