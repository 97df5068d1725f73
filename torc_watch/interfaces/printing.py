"""Text of others on a terminal: names of jobs, paths, what a server said."""


def printable(text: str, longest: int = 100) -> str:
    """``text`` on one line, with nothing that a terminal would obey, and not too long."""
    safe = "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
    return safe if len(safe) <= longest else f"{safe[: longest - 1]}…"
