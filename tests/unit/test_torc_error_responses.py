"""Failed requests become errors of core.errors with a message."""

import socket
import ssl
from typing import Any

import httpx
import pytest

from torc_watch.core.errors import (
    AccessDenied,
    Conflict,
    NotFound,
    RequestRejected,
    ServerError,
    ServerFault,
    ServerUnreachable,
)
from torc_watch.torc import error_responses
from torc_watch.torc.transport import Connection, Transport

UNSAYABLE = "hunter2"
CONNECTION = Connection(url="node1:8080", username="ada", password=UNSAYABLE)


async def failure_of(http: httpx.AsyncBaseTransport) -> ServerError:
    async with Transport(CONNECTION, http=http) as transport:
        with pytest.raises(ServerError) as caught:
            await transport.post("/jobs/7")
    return caught.value


async def failure_after(**answer: Any) -> ServerError:
    return await failure_of(httpx.MockTransport(lambda _: httpx.Response(**answer)))


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        ({"status_code": 401, "text": "Unauthorized"}, AccessDenied, "Unauthorized"),
        ({"status_code": 403, "json": {"error": "not yours"}}, AccessDenied, "not yours"),
        ({"status_code": 404, "json": {"error": {"message": "no job 7"}}}, NotFound, "no job 7"),
        ({"status_code": 404}, RequestRejected, "URL"),
        ({"status_code": 404, "html": "<html>404</html>"}, ServerUnreachable, "HTML page"),
        ({"status_code": 409, "json": {"error": {"message": "taken"}}}, Conflict, "taken"),
        ({"status_code": 422, "json": {"error": "complete"}}, Conflict, "complete"),
        ({"status_code": 422, "json": {"errorMessage": "archived"}}, Conflict, "archived"),
        ({"status_code": 422, "json": {"message": "archived"}}, Conflict, "archived"),
        ({"status_code": 422, "json": {"error": {"why": 5}}}, Conflict, '"why": 5'),
        ({"status_code": 409, "json": "archived"}, Conflict, ": archived"),
        ({"status_code": 422, "text": "Failed to deserialize"}, RequestRejected, "Failed to des"),
        ({"status_code": 400, "text": "bad query"}, RequestRejected, "bad query"),
        ({"status_code": 405}, RequestRejected, "405"),
        ({"status_code": 429, "text": "slow down"}, ServerUnreachable, "(429): slow down"),
        (
            {"status_code": 500, "json": {"error": "DbError", "message": "database is locked"}},
            ServerFault,
            "DbError: database is locked",
        ),
        ({"status_code": 302, "headers": {"location": "https://b/"}}, ServerFault, "https://b/"),
        ({"status_code": 500, "text": "An internal error"}, ServerFault, "An internal error"),
        ({"status_code": 500}, ServerFault, "500"),
        ({"status_code": 502, "html": "<!DOCTYPE html><p>x"}, ServerFault, "HTML page"),
        ({"status_code": 200, "html": "\n<html><p>x"}, ServerFault, "HTML page instead of JSON"),
        ({"status_code": 200, "text": '{"id": 7, "na'}, ServerFault, "instead of JSON"),
        ({"status_code": 200, "text": "[" * 100_000}, ServerFault, "instead of JSON"),
        ({"status_code": 200, "content": b"\xff\xfe\x00"}, ServerFault, "instead of JSON"),
        (
            {"status_code": 200, "headers": {"content-encoding": "gzip"}, "stream": "no gzip"},
            ServerFault,
            "in the encoding 'gzip', which was not asked for",
        ),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_error_response_is_translated(
    answer: dict[str, Any], kind: type[ServerError], words: str
) -> None:
    if "stream" in answer:
        answer = answer | {"stream": httpx.ByteStream(answer["stream"].encode())}
    error = await failure_after(**answer)
    assert type(error) is kind
    assert words in str(error)
    assert "http://node1:8080/torc-service/v1/jobs/7" in str(error)
    assert UNSAYABLE not in str(error)


def caused_by(cause: BaseException) -> httpx.ConnectError:
    error = httpx.ConnectError("All connection attempts failed")
    error.__cause__ = OSError("wrapped")
    error.__cause__.__cause__ = cause
    return error


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (caused_by(ConnectionRefusedError(111, "refused")), "connection refused"),
        (caused_by(ExceptionGroup("", [ConnectionRefusedError()])), "connection refused"),
        (caused_by(socket.gaierror(-2, "Name or service not known")), "Name or service not known"),
        (caused_by(untrusted()), "self-signed certificate. Set ca_file"),
        (caused_by(ssl.SSLError(1, "handshake failure")), "handshake failure"),
        (httpx.ConnectTimeout("slow"), "within 30 s"),
        (httpx.ReadTimeout("slow"), "within 30 s"),
        (TimeoutError(), "within 30 s"),
        (httpx.ReadError(""), "ReadError"),
        (httpx.RemoteProtocolError("Server disconnected"), "Server disconnected"),
        (httpx.ProxyError("407 Proxy Authentication"), "407 Proxy"),
    ],
    ids=repr,
)
@pytest.mark.looptime
async def test_request_without_an_answer_is_an_error(error: Exception, words: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    failure = await failure_of(httpx.MockTransport(fail))
    assert type(failure) is ServerUnreachable
    assert words in str(failure)
    assert "http://node1:8080/torc-service/v1/jobs/7" in str(failure)


async def test_tls_error_is_not_retried() -> None:
    calls = []

    def fail(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        raise caused_by(untrusted())

    await failure_of(httpx.MockTransport(fail))
    assert len(calls) == 1


async def test_control_characters_of_the_server_are_replaced() -> None:
    error = await failure_after(status_code=422, text="\x1b[2Jgone\rx\u202e" + "y" * 5000)
    assert str(error).isprintable()
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("\n \n  first \nsecond", "first"),
        ("a\tb", "a?b"),
        ("x" * 200, "x" * 200),
        ("x" * 201, "x" * 200 + "…"),
    ],
)
def test_long_answer_is_shortened(text: str, expected: str) -> None:
    assert error_responses.excerpt(text) == expected


async def test_empty_answer_is_none() -> None:
    http = httpx.MockTransport(lambda _: httpx.Response(204))
    async with Transport(CONNECTION, http=http) as transport:
        assert await transport.delete("/jobs/7") is None


async def test_query_parameters_are_encoded() -> None:
    urls: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        urls.append(str(request.url))
        return httpx.Response(200)

    async with Transport(CONNECTION, http=httpx.MockTransport(answer)) as transport:
        await transport.get("/jobs", workflow_id=1, include=True, status=None)
    assert urls == ["http://node1:8080/torc-service/v1/jobs?workflow_id=1&include=true"]
