"""Reads answers piece by piece, so that none takes more memory than its limit.

Answers are asked for uncompressed: a small piece of a compressed one may be large.
"""

from collections.abc import AsyncIterator

import httpx

from torc_watch.torc import error_responses
from torc_watch.torc.answer_limits import ERROR_BYTES, EVENT_BYTES

_OF_THE_TRANSFER = ("content-encoding", "content-length", "transfer-encoding")


async def read_answer(response: httpx.Response, most: int) -> httpx.Response:
    """The complete answer, of at most ``most`` bytes; of an error the beginning. Closes it.

    Raises ServerFault for a compressed answer, AnswerTooLarge, and what httpx raises.
    """
    try:
        if response.is_success:
            content = await _whole_content(response, most)
        else:
            content = await _beginning(response)
    finally:
        await response.aclose()
    headers = [
        (name, value)
        for name, value in response.headers.multi_items()
        if name.lower() not in _OF_THE_TRANSFER
    ]
    return httpx.Response(
        response.status_code, headers=headers, content=content, request=response.request
    )


async def read_lines(response: httpx.Response) -> AsyncIterator[str]:
    """The lines of an event stream. Raises AnswerTooLarge when one event exceeds its limit."""
    _refuse_compressed(response)
    event = 0  # bytes of its complete lines
    rest = bytearray()
    async for piece in response.aiter_bytes():
        rest += piece
        if b"\n" in piece:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                text = line.removesuffix(b"\r")
                event = event + len(line) if text else 0
                yield text.decode(errors="replace")
        if event + len(rest) > EVENT_BYTES:
            raise error_responses.too_large(response, EVENT_BYTES)


async def _whole_content(response: httpx.Response, most: int) -> bytes:
    _refuse_compressed(response)
    if int(response.headers.get("content-length", 0)) > most:
        raise error_responses.too_large(response, most)
    content = bytearray()  # a list of pieces takes a multiple of their size if they are small
    async for piece in response.aiter_bytes():
        content += piece
        if len(content) > most:
            content.clear()  # the error holds on to this call
            raise error_responses.too_large(response, most)
    return bytes(content)


def _refuse_compressed(response: httpx.Response) -> None:
    if not _is_plain(response):
        raise error_responses.compressed(response)


async def _beginning(response: httpx.Response) -> bytes:
    content = bytearray()
    if _is_plain(response):
        async for piece in response.aiter_bytes():
            content += piece
            if len(content) > ERROR_BYTES:
                break
    return bytes(content[:ERROR_BYTES])


def _is_plain(response: httpx.Response) -> bool:
    encoding: str = response.headers.get("content-encoding", "identity")
    return encoding.strip().lower() == "identity"
