import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core import units
from torc_watch.core.errors import InvalidQuantity


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("8g", 8 * 2**30),
        ("512m", 512 * 2**20),
        ("1K", 1024),
        ("2T", 2 * 2**40),
        ("1024", 1024),
        ("0", 0),
    ],
)
def test_memory_is_parsed(text: str, size: int) -> None:
    assert units.parse_memory(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8gb",
        "1.5g",
        "512b",
        "-1g",
        " 8g",
        "8 g",
        "g",
        "8g\n",
        "8p",
        "٣g",
        "9" * 40,
        "9999999t",
        "8388608t",
    ],
)
def test_invalid_memory_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuantity, match="512m"):
        units.parse_memory(text)


@given(st.integers(min_value=0, max_value=2**60))
def test_formatted_memory_is_parsed_to_the_same_value(size: int) -> None:
    assert units.parse_memory(units.format_memory(size)) == size


@pytest.mark.parametrize(
    ("size", "text"), [(8 * 2**30, "8g"), (1536 * 2**20, "1536m"), (3, "3"), (0, "0")]
)
def test_memory_is_formatted_in_the_largest_exact_unit(size: int, text: str) -> None:
    assert units.format_memory(size) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(8 * 2**30, "8g"), (24684084 * 2**10, "23.5g"), (1536 * 2**20, "1.5g"), (70 * 2**20, "70m")],
)
def test_memory_is_rounded_for_display(size: int, text: str) -> None:
    assert units.rounded_memory(size) == text


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("PT1H30M", 5400),
        ("P0DT1M", 60),
        ("PT30M", 1800),
        ("P1DT2H", 93600),
        ("P2W", 1209600),
        ("P1Y", 31557600),
        ("P1M", 2629800),
        ("PT0.5S", 1),
        ("PT0S", 0),
        ("PT90S", 90),
    ],
)
def test_duration_is_parsed(text: str, seconds: int) -> None:
    assert units.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "P1DT", "1h", "01:00:00", "-PT1H", "PT1H ", "pt1h", "P1H", "PT1M1H"]
)
def test_invalid_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuantity, match="PT1H30M"):
        units.parse_duration(text)


@given(st.integers(min_value=0, max_value=10**9))
def test_formatted_duration_is_parsed_to_the_same_value(seconds: int) -> None:
    assert units.parse_duration(units.format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(5400, "PT1H30M"), (60, "PT1M"), (0, "PT0S"), (86400, "P1D"), (90061, "P1DT1H1M1S")],
)
def test_duration_is_formatted_as_iso_8601(seconds: int, text: str) -> None:
    assert units.format_duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        ("PT1H30M", 5400),
        ("P1DT12H", 129600),
        ("P1M", 2629800),
        ("P2W", 1209600),
        ("PT1.5H", 0),
        ("PT0.5M", 0),
        ("PT1H1.5M", 3600),
        ("PT1.5H30M", 0),
        ("P1DT0,5H", 86400),
        ("PT90.5S", 90),
        ("P1W2D", 604800),
    ],
)
def test_torc_counts_nothing_from_a_fraction_on(text: str, counted: int) -> None:
    assert units.counted_duration(text) == counted
