# Other scripts source this file: it installs the Python SDK of the Model Context Protocol, pinned, in a
# temporary folder, and `check` runs a program on standard input with it. The program prints what it saw;
# `check` fails if that is not what is expected.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    mcp==2.3.0 pydantic==2.14.3 anyio==4.16.0 jsonschema==4.26.0

check() { # expected output; the program is on standard input
    seen=$("$work/venv/bin/python" - 2>"$work/errors") || {
        cat "$work/errors" >&2
        exit 1
    }
    echo "$seen"
    [ "$seen" = "$1" ] || {
        printf 'The behavior has changed. Expected:\n%s\n' "$1" >&2
        exit 1
    }
}
