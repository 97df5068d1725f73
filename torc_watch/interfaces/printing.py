"""Text of others on a terminal: names of jobs, paths, what a server said."""

_LONGEST = 100


def printable(text: str) -> str:
    """``text`` on one line, with nothing that a terminal would obey, and not too long."""
    safe = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
    return safe if len(safe) <= _LONGEST else f"{safe[: _LONGEST - 1]}…"
