"""Patterns mean what they mean to Rust's regular expressions, as measured with regex 1.13."""

import warnings

import pytest

from torc_watch.core.errors import InvalidSpec
from torc_watch.spec.patterns import compile_pattern

NAMES = ("train_1", "train_12", "TRAIN", "a.b", "a-b", "a b", "a]b", "7", "")


def matches(pattern: str, names: tuple[str, ...] = NAMES) -> list[str]:
    return [name for name in names if compile_pattern(pattern, names)(name)]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("^train_", ["train_1", "train_12"]),
        (r"_\d\z", ["train_1"]),
        (r"\Atrain_[0-9]{2}$", ["train_12"]),
        ("(?i)^train$", ["TRAIN"]),
        ("[[:upper:]]", ["TRAIN"]),
        ("^[[:^alpha:]]", ["7"]),
        (r"\p{Lu}", ["TRAIN"]),
        (r"\pN$", ["train_1", "train_12", "7"]),
        (r"^\P{L}+$", ["7"]),
        (r"[]]", ["a]b"]),
        ("[b-]", ["a.b", "a-b", "a b", "a]b"]),
        (r"a\.b|a\-b|a\ b", ["a.b", "a-b", "a b"]),
        ("^(?P<stage>train)_(?<number>1)$", ["train_1"]),
        (r"\x61", ["train_1", "train_12", "a.b", "a-b", "a b", "a]b"]),
        ("^$", [""]),
        ("^(?:a{0,1}|7)$", ["7", ""]),
    ],
)
def test_pattern_matches_as_in_rust(pattern: str, found: list[str]) -> None:
    assert matches(pattern) == found


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        # What Rust refuses
        (r"a\Z", "invalid escape"),
        (r"(a)\1", "references to groups"),
        ("(?=a)", "invalid perl operator"),
        ("(?<!a)", "invalid perl operator"),
        (r"\Qa.b\E", "not known to Torc"),
        (r"\C", "not known to Torc"),
        ("a{", "no repetition"),
        ("a{,2}", "no repetition"),
        ("{a}", "no repetition"),
        ("(?P<n>a)(?P<n>b)", "the name of two"),
        ("(?)", "not the name of a group"),
        ("[z-a]", "range"),
        (r"[\d-a]", "cannot begin a range"),
        (r"\p{^Lu}", r"write \\P\{Lu\}"),
        ("a\\", "trailing"),
        ("*", "repetition"),
        # What only Rust knows
        ("[a-z&&[^b]]", "&& in a class"),
        ("[a-z--b]", "-- in a class"),
        ("[a~~b]", "~~ in a class"),
        ("[a[b]]", "in a class"),
        ("[[=a=]]", "in a class"),
        (r"\<a", "start of a word"),
        (r"\b{start}a", r"\\b\{ is not known here"),
        ("(?x) a", "invalid perl operator"),
        ("(?-u)a", "invalid perl operator"),
        (r"\p{Letter}", "invalid character class"),
        ("a**", "bad repetition"),
        ("a{1001}", "repetition size"),
    ],
)
def test_what_rust_reads_in_another_way_is_refused(pattern: str, reason: str) -> None:
    with pytest.raises(InvalidSpec, match=reason):
        compile_pattern(pattern, NAMES)


@pytest.mark.parametrize("pattern", [r"\d", r"[\w]", r"\s", r"\bx", r"\D", r"[^\S]"])
@pytest.mark.parametrize("name", ["größe", "٣", "a\vb"])
def test_classes_that_differ_beyond_ascii_are_refused_for_such_names(
    pattern: str, name: str
) -> None:
    compile_pattern(pattern, ("plain",))
    with pytest.raises(InvalidSpec, match=r"write \[0-9\]"):
        compile_pattern(pattern, ("plain", name))


@pytest.mark.parametrize("pattern", ["^gr..e$", r"^\p{L}+$", "(?i)GRÖSSE|GRÖẞE|größe"])
def test_other_patterns_match_names_beyond_ascii(pattern: str) -> None:
    assert matches(pattern, ("größe",)) == ["größe"]


@pytest.mark.timeout(20)
@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", "(a*)*b", "(.*)*(.*)*(.*)*x"])
def test_no_pattern_takes_exponential_time(pattern: str) -> None:
    assert matches(pattern, ("a" * 5000 + "!",)) == []


@pytest.mark.timeout(20)
@pytest.mark.parametrize("part", ["[", "[[:a:]", "(?P<", "{", "(", r"\p{", "[^]", "(?"])
def test_no_pattern_takes_long_to_check(part: str) -> None:
    with pytest.raises(InvalidSpec):
        compile_pattern(part * 2000, NAMES)


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for pattern in ("[[a]", "[a&&b]", "(", "a{1001}", "(a{100}){100}"):
            with pytest.raises(InvalidSpec):
                compile_pattern(pattern, NAMES)
    assert capfd.readouterr() == ("", "")
