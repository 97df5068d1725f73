from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.parameters import (
    ParameterValue,
    combine,
    make_substitute,
    parse_lines,
    parse_values,
)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1:4", [1, 2, 3, 4]),
        (" 1 : 4 ", [1, 2, 3, 4]),
        ("0:10:5", [0, 5, 10]),
        ("0:11:5", [0, 5, 10]),
        ("3:1:-1", [3, 2, 1]),
        ("-1:1", [-1, 0, 1]),
        ("7:7", [7]),
        ("{1:3}", [1, 2, 3]),
        ("0:1:0.25", [0.0, 0.25, 0.5, 0.75, 1.0]),
        ("0.0:0.5:0.1", [0.0, 0.1, 0.2, 0.3, 0.4, 0.5]),
        ("1.5:3", [1.5, 2.5]),
        ("1e-3:3e-3:1e-3", [0.001, 0.002, 0.003]),
        ("[1, 5,10]", [1, 5, 10]),
        ("[0.1,1]", [0.1, 1]),
        ("['adam', \"sgd\"]", ["adam", "sgd"]),
        ("['1','2']", ["1", "2"]),
        ("[train]", ["train"]),
        ("5", [5]),
        ("5.5", [5.5]),
        ("north", ["north"]),
    ],
)
def test_parameter_values_are_parsed(text: str, values: list[ParameterValue]) -> None:
    assert list(parse_values(text)) == values


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("5:1", "no values"),
        ("1:5:-1", "no values"),
        ("1:5:0", "zero"),
        ("0.1:0.5:0.0", "zero"),
        ("a:b", "not a range"),
        ("1:2:3:4", "not a range"),
        ("1:", "not a range"),
        ("1:1_000", "not a range"),
        ("1:inf", "not a range"),
        ("[]", "no values"),
        ("1:1000000000", "too many"),
        ("0:1:1e-12", "too many"),
        ("0:1e99:1e-99", "too many"),
        ("-999999999999999999:999999999999999999", "too many"),
    ],
)
def test_invalid_ranges_are_refused(text: str, reason: str) -> None:
    with pytest.raises(InvalidSpec, match=reason):
        parse_values(text)


@given(
    start=st.integers(-(10**6), 10**6),
    step=st.integers(-1000, 1000).filter(bool),
    count=st.integers(0, 50),
)
def test_range_includes_its_end(start: int, step: int, count: int) -> None:
    end = start + count * step
    assert list(parse_values(f"{start}:{end}:{step}")) == [
        start + number * step for number in range(count + 1)
    ]


def test_last_parameter_changes_fastest_in_combinations() -> None:
    rows = [tuple(row.values()) for row in combine({"a": [1, 2], "b": ["x", "y"]})]
    assert rows == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]


def test_zip_mode_combines_values_pairwise() -> None:
    rows = [dict(row) for row in combine({"a": [1, 2], "b": ["x", "y"]}, pairwise=True)]
    assert rows == [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]


def test_zip_mode_with_different_lengths_is_refused() -> None:
    with pytest.raises(InvalidSpec, match="a has 2, b has 1"):
        combine({"a": [1, 2], "b": ["x"]}, pairwise=True)


def test_too_many_combinations_are_refused_in_advance() -> None:
    with pytest.raises(InvalidSpec, match="1,000,000,000,000"):
        combine({name: range(10_000) for name in "abc"})


@pytest.mark.parametrize(
    ("template", "value", "text"),
    [
        ("job_{x}", 7, "job_7"),
        ("{x}{x}", 7, "77"),
        ("job_{x:03d}", 7, "job_007"),
        ("job_{x:03d}", -7, "job_-07"),
        ("job_{x:03d}", 1234, "job_1234"),
        ("{x:.3f}", 0.5, "0.500"),
        ("{x:.0f}", 2.7, "3"),
        # A format for the other kind of number is ignored, as in Torc.
        ("{x:.3f}", 5, "5"),
        ("{x:03d}", 0.5, "0.5"),
        ("{x:03d}", "sgd", "sgd"),
        ("{x}", 1.0, "1"),
        ("{x}", 1e-7, "0.0000001"),
        ("{x}", 1e22, "10000000000000000000000"),
        ("{x}", 0.1, "0.1"),
        # Other braces belong to the shell or to regular expressions.
        ("awk '{print $1}' ${HOME} a{2,3} {y} {}", 7, "awk '{print $1}' ${HOME} a{2,3} {y} {}"),
        ("{x}", "{x}", "{x}"),
        ("{x}", "\\1 \\g<0>", "\\1 \\g<0>"),
    ],
)
def test_parameter_is_substituted(template: str, value: ParameterValue, text: str) -> None:
    assert make_substitute(["x"])(template, {"x": value}) == text


@pytest.mark.parametrize("format_spec", ["x", "3d", "0:2", ".2e", "0999d", "", ".0%"])
@pytest.mark.parametrize("value", [1, 0.5, "sgd"])
def test_unknown_format_changes_nothing(format_spec: str, value: ParameterValue) -> None:
    assert make_substitute(["i"])(f"{{i:{format_spec}}}", {"i": value}) == str(value)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1\n2\n", [1, 2]),
        ("# sizes\n\n  0.5  \r\nsgd\n1e3", [0.5, "sgd", 1000.0]),
        ("a b\n1:3\n[1,2]", ["a b", "1:3", "[1,2]"]),
    ],
)
def test_file_has_a_value_in_each_line(text: str, values: list[ParameterValue]) -> None:
    assert parse_lines(text) == values


@pytest.mark.parametrize("text", ["", "\n \n", "# nothing\n"])
def test_file_without_values_is_refused(text: str) -> None:
    with pytest.raises(InvalidSpec, match="the file has no values"):
        parse_lines(text)


@given(st.text(st.characters(exclude_characters="{}")), st.lists(st.text(), min_size=1))
def test_texts_without_placeholders_are_unchanged(text: str, values: Sequence[str]) -> None:
    combination = {f"p{number}": value for number, value in enumerate(values)}
    assert make_substitute(list(combination))(text, combination) == text


@pytest.mark.parametrize(
    ("values", "template", "texts"),
    [
        ("[\"'a'\", 'b\"', c', 'it''s']", "{x}", ["'a'", "b", "c", "it''s"]),
        ("['1', 1, \"1.0\", 1.0]", "{x}", ["1", "1", "1.0", "1"]),
        ("9223372036854775807", "{x}", ["9223372036854775807"]),
        ("9223372036854775808", "{x}", ["9223372036854776000"]),
        ("1e-7", "{x}", ["0.0000001"]),
        ("1e400", "{x:.2f}", ["inf"]),
        ("[Infinity, -inf, NAN]", "{x}", ["inf", "-inf", "NaN"]),
        ("7", "{x:{y}} {{x}} { x } {x:}", ["7} {7} { x } 7"]),
        ("-3", "{x:03d}", ["-03"]),
    ],
)
def test_values_are_written_as_by_torc(values: str, template: str, texts: list[str]) -> None:
    """As measured with the code of Torc 1.0."""
    substitute = make_substitute(["x"])
    assert [substitute(template, {"x": value}) for value in parse_values(values)] == texts
