"""What the screen of `top` shows and does, put together."""

import sys
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from torc_watch.cli.exit_status import CRASHED
from torc_watch.config.settings import load_settings
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.commands import Action
from torc_watch.live_view.glyphs import glyphs_for
from torc_watch.live_view.live_app import INTERRUPTED, LiveApp, LiveSource
from torc_watch.live_view.live_state import live_states


def show(folder: Path) -> int:
    """Until the user quits; the exit status."""
    app = LiveApp(live_source(folder), glyphs_for(sys.stderr.encoding))
    app.run(mouse=False)  # so that the terminal's own selection works
    return app.return_code if app.return_code in (0, INTERRUPTED) else CRASHED


def live_source(folder: Path) -> LiveSource:
    return LiveSource(
        states=partial(live_states, folder),
        status=partial(_asked, "status_lines"),
        why=partial(_asked, "why_lines"),
        log=partial(_read, folder, "log_lines"),
        history=partial(_read, folder, "history_lines"),
        send=partial(_send, folder),
        approve=partial(_answer, approves=True),
        reject=partial(_answer, approves=False),
    )


def _details(name: str) -> Any:
    """Imported when it is needed: that takes a moment."""
    return getattr(import_module("torc_watch.app.workflow_details"), name)


async def _asked(name: str, key: WorkflowKey) -> Sequence[str]:
    lines: Sequence[str] = await _details(name)(key, load_settings())
    return lines


async def _read(folder: Path, name: str, key: WorkflowKey) -> Sequence[str]:
    lines: Sequence[str] = _details(name)(key, folder)
    return lines


async def _send(folder: Path, action: Action, key: WorkflowKey) -> str:
    delivery = import_module("torc_watch.app.command_delivery")
    sent = await delivery.send(folder, action, [key.workflow_id], key.server)
    return " ".join(import_module("torc_watch.cli.command_output").sent_lines(sent))


async def _answer(key: WorkflowKey, plan_id: str, *, approves: bool) -> str:
    given = import_module("torc_watch.app.plan_answers").answer_plan(
        key.workflow_id,
        approves=approves,
        settings=load_settings(),
        url=key.server,
        plan_id=plan_id,
    )
    return " ".join(import_module("torc_watch.cli.answer_output").answer_lines(given))
