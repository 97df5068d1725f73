import pytest

from torc_watch.core.readable_text import is_text, readable


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", True),
        (b"one\r\n\ttwo\x1b[31m\n", True),
        ("größer: 4 €\n".encode(), True),
        ("Größe überschritten, zurück".encode("latin-1"), True),
        (b"\0" * 100, False),
        ("two bytes each".encode("utf-16"), False),
        (bytes(range(128, 256)), False),
        (b"\x7fELF\2\1\1" + bytes(9), False),
    ],
)
def test_what_is_text(content: bytes, expected: bool) -> None:
    assert is_text(content.decode(errors="replace")) is expected


def test_what_can_be_read_of_no_text() -> None:
    assert readable("\0abc\0words here\1\n\ufffdlast") == "words here\nlast"
    assert readable("\0words here", 3) == "rds here"
    assert readable("") == ""
