"""Lines of output as people would read them."""

import pytest

from torc_watch.failures.output_lines import LOGGED, is_retried, printable_text, start_of_last


@pytest.mark.parametrize(
    ("text", "printable"),
    [
        pytest.param("KeyError: 'x'", "KeyError: 'x'", id="nothing before it"),
        pytest.param("[rank3]: KeyError", "KeyError", id="a rank"),
        pytest.param("[1,0]<stderr>:KeyError", "KeyError", id="a tag of Open MPI"),
        pytest.param("3: KeyError", "KeyError", id="a label of srun"),
        pytest.param("    | KeyError", "KeyError", id="a group of exceptions"),
        pytest.param("  Error: x", "  Error: x", id="a line further in"),
        pytest.param("2026-01-30 16:10:57,123 x", "x", id="a time"),
        pytest.param("2026/01/30 16:10:57 x", "x", id="a time of Go"),
        pytest.param("[Mon Mar  2 10:00:00 2026] x", "x", id="a time of the kernel"),
        pytest.param("2026-01-30T16:10:57Z ERROR x", f"{LOGGED}x", id="a level"),
        pytest.param("2026-01-30 16:10:57 - a.b - ERROR - x", f"{LOGGED}x", id="name and level"),
        pytest.param("2026-01-30 16:10:57 ERROR    [a.b] x", f"{LOGGED}x", id="name in brackets"),
        pytest.param("2026-01-30 16:10:57 | ERROR | a:b:7 - x", f"{LOGGED}x", id="loguru"),
        pytest.param("2026-01-30 16:10:57 ERROR a.b: x", f"{LOGGED}x", id="name and colon"),
        pytest.param("2026-01-30 16:10:57 ERROR KeyError: x", f"{LOGGED}KeyError: x", id="class"),
        pytest.param("ERROR:root:x", f"{LOGGED}x", id="Python's own format"),
        pytest.param("ERROR: x", "ERROR: x", id="no logger"),
        pytest.param("2026-01-30 16:10:57 WARNING x", "WARNING x", id="a warning"),
        pytest.param(f"{LOGGED}x", "x", id="the mark itself"),
        pytest.param("A=KeyError\nexport B=x\nc", "\n\nc", id="variables"),
        pytest.param("50%\r100%\r\nx", "50%\n100%\nx", id="carriage returns"),
        pytest.param("\x1b[31mx\x1b[0m\0", "x", id="colors"),
        pytest.param('{"level": "info", "a": "x"}', '{"level": "info", "a": "x"}', id="JSON"),
        pytest.param(
            '{"level": "error", "a": "x", "b": 7}', f"{LOGGED}error\n{LOGGED}x", id="JSON error"
        ),
        pytest.param('{"error"}', '{"error"}', id="nearly JSON"),
        pytest.param('{"error": ' + "[" * 9999 + "}", '{"error": ' + "[" * 9999 + "}", id="deep"),
    ],
)
def test_printable_text(text: str, printable: str) -> None:
    assert printable_text(text) == printable


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-30 16:10:57" + " " * 90_000,
        "2026-01-30 16:10:57" + ":" * 90_000,
        "[1,0]<stderr>:" + " " * 90_000,
        "1: " * 30_000,
        "1:" + " " * 90_000,
        " " * 90_000,
        "  | " * 25_000,
        "2026-01-30 16:10:57 ERROR " + "a." * 45_000,
        '{"' + '"error' * 15_000,
        "\x1b[" * 45_000,
        "/a" * 45_000,
    ],
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
def test_time_grows_with_the_length_alone(text: str) -> None:
    """Else this would take minutes."""
    printable_text(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x: refused, retrying\ny", True),
        ("x\n\nTrying again in 5 s\ny", True),
        ("x\na\nb\nc\nretrying", False),
        ("x, giving up after 3 attempts\nTry again later\n", False),
    ],
)
def test_program_says_that_it_goes_on(text: str, expected: bool) -> None:
    assert is_retried(0, text) is expected


def test_header_of_a_traceback_counts() -> None:
    trace = 'Traceback (most recent call last):\n  File "a.py"\nMemoryError\nnext\nlast\n'
    for header, expected in (("chunk too large, retrying\n", True), ("chunk too large\n", False)):
        text = header + trace
        assert is_retried(text.index("MemoryError"), text) is expected


@pytest.mark.parametrize(
    ("lines", "start"), [(1, "d\n"), (2, "c\nd\n"), (4, "a\nb\nc\nd\n"), (9, "a\nb\nc\nd\n")]
)
def test_start_of_last_lines(lines: int, start: str) -> None:
    text = "a\nb\nc\nd\n"
    assert text[start_of_last(lines, text) :] == start
