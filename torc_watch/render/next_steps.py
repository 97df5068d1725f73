"""What a user can do after a watch in the foreground that ended without success."""

import shlex
from collections.abc import Iterator
from pathlib import Path

from torc_watch.core.events import Verdict, WatchEnded
from torc_watch.render.terminal_text import printable

_WITHOUT_SUCCESS = (Verdict.FAILED, Verdict.HANDED_OVER, Verdict.EXHAUSTED, Verdict.STUCK)
_COMMANDS = (
    ("why", "why jobs failed, with the evidence"),
    ("status", "the jobs, and the last error line of each"),
    ("plan", "what one more round of recovery would do"),
    ("recover", "carries out that round"),
    ("history", "what was done, when and why"),
    ("report", "all of it as one page, to read or to send on"),
    ("handover", "packs the evidence for a colleague or a helpdesk"),
)
_ASSISTANT = ("torc-watchd mcp", "tools for an AI assistant: docs/assistants.md")


def next_steps(ended: WatchEnded, url: str | None, log: Path) -> Iterator[str]:
    """Commands, with the ``--url`` that the watch was given; ``log`` is that of the watch."""
    if ended.verdict not in _WITHOUT_SUCCESS:
        return
    target = f"{ended.workflow_id} --url {shlex.quote(url)}" if url else str(ended.workflow_id)
    steps = [(f"torc-watchd {name} {target}", meaning) for name, meaning in _COMMANDS]
    for job in ended.evidence[:1]:
        command = f"torc-watchd jobs logs {job.job_id}{target.removeprefix(str(ended.workflow_id))}"
        steps.insert(1, (command, f"what {printable(job.job_name)} has written"))
    steps.append(_ASSISTANT)
    width = max(len(command) for command, _ in steps)
    yield ""
    yield "Commands for the next steps:"
    for command, meaning in steps:
        yield f"  {command:{width}}  # {meaning}"
    yield f"The log of this watch: {log}"
