"""Makes the evidence pack of a workflow: what happened, why, and what proves it. Only looks."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from anyio.lowlevel import checkpoint

from torc_watch.app.composition import open_client
from torc_watch.app.handover_logs import add_logs, add_logs_of_journal
from torc_watch.app.handover_rows import add_rows
from torc_watch.app.pack import Dump, Pack, redacted
from torc_watch.app.report import report_key, workflow_report
from torc_watch.app.versions import read_versions
from torc_watch.config.settings import Settings
from torc_watch.config.shown_settings import shown_settings
from torc_watch.core.errors import InvalidInput, JournalError, ServerError
from torc_watch.core.handover import Contents, lines_that_fit
from torc_watch.core.redaction import Redactor
from torc_watch.core.report import WorkflowReport
from torc_watch.core.units import MIB
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.logs.log_reader import all_lines, is_of, sentences
from torc_watch.render.handover_text import manifest_text, readme_text
from torc_watch.render.history_text import history_text, history_values
from torc_watch.render.plan_text import plan_text, plan_values
from torc_watch.render.report_page.page import report_page
from torc_watch.render.suspect_text import suspect_values
from torc_watch.render.why_text import why_text, why_values

_MOST_OF_DAEMON_LOG = 4 * MIB
_SHARE_OF_DAEMON_LOG = 8  # one in so many bytes
_NOT_THERE = "the server does not have the workflow, or did not answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverRequest:
    """``most`` is the bytes of all files. ``output_dir`` is where the output of jobs is."""

    workflow_id: int
    url: str | None
    most: int
    output_dir: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedOver:
    """``troubles`` say why something that belongs into it is missing."""

    contents: Contents
    troubles: tuple[str, ...]
    is_unreachable: bool


async def write_pack(
    request: HandoverRequest,
    settings: Settings,
    secrets: list[str],
    folder: Path,
    dump: Dump,
    progress: Callable[[str], None],
) -> HandedOver:
    """Writes the files into ``folder``; ``secrets`` are known to be some.

    Raises OSError, and what `workflow_report` raises: InvalidInput and ServerError where neither
    the server nor the journal knows the workflow.
    """
    found = await workflow_report(request.workflow_id, request.url, settings)
    redactor = Redactor(secrets)
    pack = Pack(folder, request.most, redactor, dump)
    report = redacted(found, redactor)
    progress("what happened")
    _add_story(pack, report)
    _add_report(pack, report)
    await _add_versions(pack, found.key, settings)
    _add_configuration(pack, settings)
    await checkpoint()
    _add_daemon_log(pack, found.key, settings)
    await _add_evidence(pack, found, request, settings, progress)
    progress("a last look for secrets")
    pack.redact_again()
    return _finish(pack, report)


def _add_story(pack: Pack, report: WorkflowReport) -> None:
    number, known = report.key.workflow_id, report.known
    if known is None:
        pack.leave_out("why.txt, why.json, plan.txt, plan.json", _NOT_THERE)
    else:
        _add_text(
            pack,
            "why.txt",
            why_text(number, known.failures, errors=known.errors, of_watch=known.of_watch),
            "why jobs failed, with the evidence, and what the next round would do",
        )
        suspects = {"suspects": suspect_values(known.suspects)}
        pack.add_values(
            "why.json",
            why_values(number, known.failures, errors=known.errors) | suspects,
            "the same for scripts: torc-watchd why --json",
        )
        notes = known.notes
        _add_text(
            pack,
            "plan.txt",
            plan_text(number, known.answer, notes, of_watch=known.of_watch),
            "the plan of the next round of recovery, or why there is none",
        )
        pack.add_values(
            "plan.json",
            plan_values(number, known.answer, notes),
            "the same for scripts: torc-watchd plan --json",
        )
    if report.watches:
        _add_text(
            pack,
            "history.txt",
            history_text(report.watches),
            "what torc-watchd did for the workflow, when and why",
        )
        pack.add_values(
            "history.json",
            {"watches": history_values(report.watches)},
            "the same for scripts: torc-watchd history --json",
        )
    else:
        pack.leave_out("history.txt, history.json", "the journal has no watch of the workflow")


def _add_text(pack: Pack, name: str, lines: Iterator[str], about: str) -> None:
    pack.add(name, "\n".join(lines) + "\n", about)


def _add_report(pack: Pack, report: WorkflowReport) -> None:
    pack.add(
        "report.html",
        report_page(report),
        "the report, to read in a browser: timeline, memory and time used, rounds, failures",
    )


async def _add_versions(pack: Pack, key: WorkflowKey, settings: Settings) -> None:
    versions = await read_versions(settings.connection(key.server))
    pack.add_values(
        "versions.json",
        pack.redactor.values(versions),
        "versions of torc-watchd, Python, Torc's server, Slurm, the system",
    )


def _add_configuration(pack: Pack, settings: Settings) -> None:
    pack.add_values(
        "configuration.json",
        pack.redactor.values({"settings": shown_settings(settings)}),
        "the configuration of torc-watchd here, with the origin of each value",
    )


def _add_daemon_log(pack: Pack, key: WorkflowKey, settings: Settings) -> None:
    try:
        lines = [each for each in all_lines(settings.home / "daemon.log") if is_of(each, key)]
    except JournalError as error:
        pack.leave_out("daemon.log", str(error))
        return
    if not lines:
        pack.leave_out("daemon.log", "the daemon has logged nothing about the workflow here")
        return
    room = min(_MOST_OF_DAEMON_LOG, pack.room // _SHARE_OF_DAEMON_LOG)
    kept = list(lines_that_fit(lines, room))
    note = "" if len(kept) == len(lines) else f"the last {len(kept)} of {len(lines)} lines"
    text = "\n".join(sentence for line in kept for sentence in sentences(line))
    pack.add(
        "daemon-log.txt",
        pack.redactor.text(text) + "\n",
        "what the daemon logged about the workflow",
        note,
    )


async def _add_evidence(
    pack: Pack,
    report: WorkflowReport,
    request: HandoverRequest,
    settings: Settings,
    progress: Callable[[str], None],
) -> None:
    """The rows, and the logs of failed jobs."""
    if report.known is None:
        pack.leave_out("rows", _NOT_THERE)
        await add_logs_of_journal(pack, report, request.output_dir, settings)
        return
    try:
        async with open_client(settings.connection(report.key.server)) as client:
            progress("rows of the server")
            await add_rows(pack, client, report.key.workflow_id)
            await add_logs(pack, client, report, request.output_dir, settings, progress)
    except ServerError as error:
        pack.leave_out("rows and logs", str(error))


def _finish(pack: Pack, report: WorkflowReport) -> HandedOver:
    before = pack.contents()
    manifest = pack.redactor.again(manifest_text(report, before))
    pack.finish("MANIFEST.txt", manifest, "each file with its size, and what was left out")
    readme = pack.redactor.again(readme_text(report, before))
    pack.finish("README.txt", readme, "the story in ten lines, and what is in each file")
    return HandedOver(
        contents=pack.contents(),
        troubles=report.troubles,
        is_unreachable=report.is_unreachable,
    )


def server_of(request: HandoverRequest, settings: Settings) -> str:
    """For whom the user waits. Raises InvalidInput."""
    return report_key(request.workflow_id, request.url, settings).server


def known_password(settings: Settings) -> list[str]:
    """The password of the server, however it is configured."""
    with suppress(InvalidInput):
        return [password] if (password := settings.connection().password) else []
    return []
