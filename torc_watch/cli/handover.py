"""handover: the evidence pack of a workflow, for a colleague or a helpdesk."""

import os
from dataclasses import asdict
from pathlib import Path

from torc_watch.app.handover import (
    HandedOver,
    HandoverRequest,
    known_password,
    server_of,
    write_pack,
)
from torc_watch.app.handover_target import checked_target, default_name, draft_of, publish
from torc_watch.cli import handover_options, options
from torc_watch.cli.event_loop import run
from torc_watch.cli.exit_status import UNREACHABLE, print_error
from torc_watch.cli.json_output import json_text, print_json
from torc_watch.cli.progress_line import ProgressLine
from torc_watch.cli.waiting_notice import WaitingNotice
from torc_watch.config.settings import load_settings
from torc_watch.core.handover import DEFAULT_SIZE
from torc_watch.core.redaction import known_secrets
from torc_watch.render.terminal_text import printable

_MAX_PATH = 4096


def handover(
    workflow_id: options.WorkflowId,
    *,
    output: handover_options.Target = None,
    force: handover_options.Force = False,
    max_size: handover_options.MaxSize = DEFAULT_SIZE,
    output_dir: handover_options.RunnerFolder = None,
    url: options.Url = None,
    as_json: options.Json = False,
) -> int:
    """Pack the evidence to send it on, without passwords.

    The report, why jobs failed, the plan or why there is none, the history, what failed jobs and
    their allocations have written (beginning and end), the rows of the server, versions and the
    configuration. README.txt in it tells the story, MANIFEST.txt what was left out. Passwords,
    tokens, keys and values of the environment are replaced: they are known by their names and by
    what they look like, so look at it before you publish it. Only you can read what is written.
    Of a workflow that its server does not have any more it has what the journal knows.

    \b
    Examples:
      torc-watchd handover 42
      torc-watchd handover 42 -o for-helpdesk.tar.gz
      torc-watchd handover 42 -o evidence/ --max-size 200m --force
    """
    target = checked_target(output or Path(default_name(workflow_id)), force=force)
    settings = load_settings()
    request = HandoverRequest(
        workflow_id=workflow_id, url=url, most=max_size, output_dir=output_dir
    )
    secrets = [*known_secrets(os.environ), *known_password(settings)]
    connection = settings.connection(server_of(request, settings))

    async def write(draft: Path) -> HandedOver:
        with WaitingNotice(connection) as notice, ProgressLine() as line:

            def progress(what: str) -> None:
                notice.end()
                line.show(f"Packing: {what}")

            return await write_pack(request, settings, secrets, draft, json_text, progress)

    with draft_of(target) as draft:
        made = run(lambda: write(draft))
        publish(draft, target)
    _tell(target, made, as_json=as_json)
    return UNREACHABLE if made.is_unreachable else 0


def _tell(target: Path, made: HandedOver, *, as_json: bool) -> None:
    contents = made.contents
    if as_json:
        print_json(
            {
                "path": str(target),
                "troubles": list(made.troubles),
                "bytes": contents.size,
                **asdict(contents),
            }
        )
    else:
        number, left_out = len(contents.files), len(contents.left_out)
        redacted = sum(contents.redacted.values())
        print(f"Wrote {printable(str(target), _MAX_PATH)}: {number} files, {contents.size:,} bytes")
        print(f"Redacted: {redacted}. Left out: {left_out}. MANIFEST.txt in it says what.")
    for trouble in made.troubles:
        print_error(printable(trouble, _MAX_PATH))
