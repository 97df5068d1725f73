"""What secrets look like: patterns that run in linear time, whatever the text is.

Those of `re` are matched at one place only, and cannot go back. Of `re2` are those that search:
one that is given a place to begin at would count characters up to there, each time.
"""

import re
from typing import Any

import re2

_HINTS = "pass|pwd|secret|token|credential|key|jwt|webhook"
_SCHEME = r"(?:(?:basic|bearer|token|digest|negotiate|apikey|key)[ \t]{1,8})?"
_QUOTE = r"\\{0,3}[\"'`]?"

# What ends where the value of a secret begins, if the first group is the name of one: `NAMED` has
# NAME=, NAME: and "NAME":, and `OPTION` what has its value in the next word, or item of a list.
NAMED = re2.compile(
    rf"(?i)([a-z0-9_.-]*(?:{_HINTS})[a-z0-9_.-]*)"
    rf"(?:{_QUOTE}\]?[ \t]{{0,8}}(?:=>|:=|==?|:)[ \t]{{0,8}})"
)
OPTION = re2.compile(rf"(?i)(--?[a-z0-9_.-]*(?:{_HINTS})[a-z0-9_.-]*)(?:{_QUOTE},?[ \t]{{1,8}})")

# Where values of the environment begin, and a single one of them.
EXPORTS = re2.compile(
    r"(?m)(?:^|[\s;&|({\"'])(?:export|declare -x|typeset -x|setenv|env|--env|-e|"
    r"--export=ALL,|--export)(?:[ \t]{1,8}|=|\b)"
)
VARIABLE = re.compile(r"[ \t,]{0,8}([A-Za-z_][A-Za-z0-9_]{0,99})(?:=|[ \t]{1,8})")


def _compiled(*pairs: tuple[str, str]) -> tuple[tuple[str, Any], ...]:
    return tuple((kind, re2.compile(pattern)) for kind, pattern in pairs)


# What ends where a secret begins, with the kind of that.
PREFIXES = _compiled(
    (
        "token",
        rf"(?i)authorization{_QUOTE}[ \t]{{0,8}}[:=,][ \t]{{0,8}}{_QUOTE}{_SCHEME}",
    ),
    ("token", r"(?i)\bbearer[ \t]{1,8}"),
    ("password", r"(?i)\bidentified by[ \t]{1,8}"),
    ("password", r"\blogin[ \t]{1,8}[^ \t\n]{1,99}[ \t]{1,8}password[ \t]{1,8}"),
    ("password", r"\bsshpass[ \t]{1,8}-p[ \t]{0,8}"),
    ("password", r"\bmysql[a-z]{0,10}(?:[ \t]{1,8}[^ \t\n;|&]{1,60}){0,6}?[ \t]{1,8}-p"),
)
# The rest of the line is the secret.
LINES = _compiled(("cookie", r"(?i)\b(?:set-)?cookie:[ \t]{0,8}([^\n\"']+)"))
# The first group is the secret.
SHAPES = _compiled(
    ("password", r"(?i)[a-z][a-z0-9+.-]{0,30}://[^\s/@:\"'<>]*:([^\s/\"'<>]+)@"),
    ("token", r"(?i)https?://([a-z0-9_-]{20,})@"),
    (
        "password",
        r"\bcurl\b[^\n;|&]{0,200}?[ \t](?:-u|--user)[ =]{0,4}[\"']?[^\s:\"']{1,99}:([^\s\"']+)",
    ),
    ("key", r"\b((?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{16})\b"),
    ("token", r"\b(gh[pousr]_[A-Za-z0-9]{20,})"),
    ("token", r"\b(github_pat_[A-Za-z0-9_]{20,})"),
    ("token", r"\b(gl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_.-]{18,})"),
    ("token", r"\b(xox[abeoprs]-[A-Za-z0-9-]{10,})"),
    ("secret", r"(?i)hooks\.slack\.com/services/([a-z0-9/_-]{10,})"),
    ("key", r"\b(AIza[0-9A-Za-z_-]{35})"),
    ("token", r"\b(ya29\.[0-9A-Za-z_-]{20,})"),
    ("token", r"\b(hf_[A-Za-z0-9]{30,})"),
    ("token", r"\b(npm_[A-Za-z0-9]{36})"),
    ("token", r"\b(pypi-[A-Za-z0-9_-]{40,})"),
    ("token", r"\b(dckr_pat_[A-Za-z0-9_-]{20,})"),
    ("token", r"\b(dapi[0-9a-f]{32})\b"),
    ("token", r"\b(dop_v1_[0-9a-f]{64})"),
    ("key", r"\b([rs]k_(?:live|test)_[A-Za-z0-9]{16,})"),
    ("key", r"\b(SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,})"),
    ("token", r"\b([0-9]{8,10}:AA[A-Za-z0-9_-]{33})"),
    ("key", r"\b(AGE-SECRET-KEY-1[0-9A-Z]{40,})"),
    ("token", r"\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]+)*)"),
    ("key", r"\b(sk-[a-z]{2,8}-[a-z]{0,8}[0-9]{0,4}-?[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]{20,})"),
    ("key", r"\b(sk-[A-Za-z_-]{0,19}[0-9][A-Za-z0-9_-]{16,})"),
)

KEY_BEGIN = re2.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
KEY_END = re2.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
# Lines of a key whose end, or whose beginning, is not in the text.
_LINE_END = r"(?:\\[nr]|[\s\"',>|])*"
KEY_LINES_AFTER = re2.compile(
    rf"(?:{_LINE_END}[A-Za-z0-9+/=]{{16,}})*(?:{_LINE_END}[A-Za-z0-9+/]{{1,15}}={{1,2}})?"
)
# One of those above is in a text that this finds something in; most short texts have none.
ANY = re2.compile(
    "|".join(
        f"(?:{each.pattern})"
        for each in (
            *(NAMED, OPTION, EXPORTS, KEY_BEGIN, KEY_END),
            *(pattern for _, pattern in (*PREFIXES, *LINES, *SHAPES)),
        )
    )
)
KEY_LINE = re2.compile(r"[A-Za-z0-9+/]{1,76}={0,2}")

MARK = re.compile(r"\[redacted: [a-z ]{1,30}\]")
