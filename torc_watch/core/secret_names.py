"""Whether a name, such as DB_PASSWORD or apiKey, is that of a secret."""

import re

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LONGEST_NAME = 200

_KINDS = {
    "password": "password",
    "passwd": "password",
    "passphrase": "password",
    "passcode": "password",
    "pwd": "password",
    "pass": "password",
    "secret": "secret",
    "secrets": "secret",
    "credential": "secret",
    "credentials": "secret",
    "webhook": "secret",
    "token": "token",
    "jwt": "token",
    "authtoken": "token",
    "accesstoken": "token",
    "apikey": "key",
    "secretkey": "key",
    "accesskey": "key",
    "privatekey": "key",
    "key": "key",
}
# What makes a key a secret one: not sort_key or PRIMARY_KEY.
_KEYS = frozenset(
    [
        "access",
        "account",
        "api",
        "app",
        "auth",
        "client",
        "deploy",
        "encryption",
        "license",
        "master",
        "private",
        "secret",
        "service",
        "shared",
        "signing",
        "ssh",
        "storage",
        "subscription",
    ]
)
_NO_KEYS = frozenset(
    ["foreign", "group", "hot", "join", "partition", "primary", "public", "sort", "unique"]
)
# What makes a pass a password: not first_pass or "pass: 12".
_ACCOUNTS = frozenset(
    [
        "admin",
        "db",
        "ftp",
        "http",
        "ldap",
        "mail",
        "mysql",
        "pg",
        "postgres",
        "proxy",
        "redis",
        "root",
        "smtp",
        "ssh",
        "user",
        "vault",
    ]
)
# What language models call tokens.
_NO_TOKENS = frozenset(
    [
        "bos",
        "bytes",
        "cls",
        "current",
        "end",
        "eos",
        "expected",
        "first",
        "image",
        "last",
        "mask",
        "max",
        "min",
        "n",
        "next",
        "num",
        "pad",
        "per",
        "prev",
        "ms",
        "sep",
        "special",
        "start",
        "stop",
        "target",
        "unexpected",
        "unk",
    ]
)
# About a secret, not the secret: password_file, token_count.
_ABOUT = frozenset(
    [
        "age",
        "algorithm",
        "count",
        "counts",
        "dim",
        "dir",
        "directory",
        "disabled",
        "embedding",
        "enabled",
        "endpoint",
        "error",
        "errors",
        "exists",
        "expired",
        "expires",
        "expiration",
        "expiry",
        "failed",
        "file",
        "files",
        "folder",
        "id",
        "ids",
        "idx",
        "index",
        "invalid",
        "len",
        "length",
        "limit",
        "limits",
        "loss",
        "max",
        "method",
        "min",
        "missing",
        "mode",
        "name",
        "names",
        "ok",
        "path",
        "policy",
        "prompt",
        "rate",
        "ratio",
        "required",
        "retries",
        "set",
        "size",
        "status",
        "strength",
        "ttl",
        "type",
        "types",
        "uri",
        "url",
        "usage",
        "valid",
    ]
)


def kind_of_name(name: str) -> str | None:
    """The kind of secret that ``name`` stands for: password, token, key or secret; else None."""
    given = _WORD.findall(name[-_LONGEST_NAME:])
    words = [word.lower() for word in given]
    if not words or words[-1] in _ABOUT:
        return None
    is_loud = name.isupper() and len(words) > 1
    for before, word in zip(["", *words], words, strict=False):
        kind = _KINDS.get(word)
        if kind and _counts(word, before, words, is_loud=is_loud):
            return kind
    return None


def _counts(word: str, before: str, words: list[str], *, is_loud: bool) -> bool:
    match word:
        case "pwd":  # alone it is the working directory
            return bool(before) and before not in ("old", "cur", "current")
        case "pass":
            return before in _ACCOUNTS or (is_loud and word == words[-1])
        case "key":
            return before in _KEYS or (is_loud and word == words[-1] and before not in _NO_KEYS)
        case "token":
            return before not in _NO_TOKENS
        case _:
            return True
