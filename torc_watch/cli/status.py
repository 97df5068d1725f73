"""status: workflows in detail."""

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torc_watch.app.inspection import (
    Inspection,
    StoredWatch,
    budgets_seen,
    find_workflow,
    inspect_stored,
    read_error_output,
    read_stored_watch,
)
from torc_watch.app.waiting_commands import waiting_commands
from torc_watch.app.workflow_details import live_lines
from torc_watch.cli import options
from torc_watch.cli.event_loop import run
from torc_watch.cli.exit_status import print_error
from torc_watch.cli.json_output import print_json
from torc_watch.cli.plan import quoted_plan
from torc_watch.cli.waiting_notice import announced
from torc_watch.config.settings import load_settings
from torc_watch.config.sources import state_folder
from torc_watch.core.errors import ServerUnreachable, TorcWatchError
from torc_watch.core.node_incident import NodeScore
from torc_watch.core.workflow_key import WorkflowKey
from torc_watch.daemon.node_history import bad_nodes
from torc_watch.daemon.status_file import find_view, read_status, utc_now
from torc_watch.ipc.socket_paths import daemon_trouble, socket_paths
from torc_watch.render.budget_text import budget_text, budget_values
from torc_watch.render.colors import has_colors
from torc_watch.render.daemon_notices import daemon_notice, notices
from torc_watch.render.history_text import round_values, rounds_text
from torc_watch.render.node_list import excluded_text, excluded_values
from torc_watch.render.plan_text import plan_values
from torc_watch.render.status_table import Waiting, unwatched_text, workflow_text
from torc_watch.render.workflow_report import live_values, options_text


def status(
    workflow_ids: options.WorkflowIds,
    *,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Show the status of workflows in detail.

    First comes what the daemon knows and has done. Then the server is asked for the state of the
    jobs, and the command says why some failed, with the last line of the error output of each, and
    what the next round of its watch would do now; without a watch that recovers, what
    `torc-watchd recover` would do. If the server does not answer, the first part is shown
    and the exit status is 5.

    \b
    Examples:
      torc-watchd status 42
      torc-watchd status 1-3,7 --json
    """
    report = _Report(state_folder(), url)
    targets = [report.find(workflow_id) for workflow_id in workflow_ids]
    if as_json:
        values = [report.values(target) for target in targets]
        excluded = excluded_values(report.excluded_nodes())
        print_json({"trouble": report.trouble(), "excluded_nodes": excluded, "workflows": values})
    else:
        report.print_text(targets)
    report.raise_first_error()


@dataclass(frozen=True, slots=True)
class _Target:
    key: WorkflowKey
    is_watched: bool


class _Report:
    """Errors are kept, so that one workflow, or its server, does not hide the others."""

    def __init__(self, folder: Path, url: str | None) -> None:
        self._folder = folder
        self._url = url
        self._daemon = read_status(folder)
        self._trouble = daemon_trouble(socket_paths(folder, os.environ))
        self._waiting: Waiting = waiting_commands(folder)
        self._errors: list[TorcWatchError] = []
        self._silent: dict[str, ServerUnreachable] = {}

    def find(self, workflow_id: int) -> _Target:
        """Where the daemon has no such workflow, the one on the server of the configuration."""
        key = find_workflow(self._folder, self._daemon, workflow_id, self._url)
        if key is None:
            server = load_settings().connection(self._url).url
            return _Target(WorkflowKey(server, workflow_id), is_watched=False)
        return _Target(key, is_watched=True)

    def trouble(self) -> str:
        return daemon_notice(self._daemon, utc_now(), self._trouble)

    def excluded_nodes(self) -> tuple[NodeScore, ...]:
        return bad_nodes(self._folder) if load_settings().exclude_nodes else ()

    def print_text(self, targets: Sequence[_Target]) -> None:
        for note in notices(self._folder, self._daemon, utc_now(), self._trouble):
            print(note, file=sys.stderr)
        for number, target in enumerate(targets):
            if number:
                print()
            try:
                self._print(target)
            except TorcWatchError as error:
                self._errors.append(error)
        _print(excluded_text(self.excluded_nodes()))

    def values(self, target: _Target) -> dict[str, Any]:
        """What is known, also when the journal or the server fails."""
        key = target.key
        view = find_view(self._daemon, key)
        values: dict[str, Any] = {
            "server": key.server,
            "workflow_id": key.workflow_id,
            "watched": target.is_watched,
            "view": asdict(view) if view else None,
            "waiting": list(self._waiting.get(key, ())),
            "options": None,
            "rounds": [],
            "live": None,
        }
        try:
            record = read_stored_watch(self._folder, key)
            values |= {"options": asdict(record.options), "rounds": round_values(record.rounds)}
            values["live"] = self._live_values(target, record)
        except TorcWatchError as error:
            self._errors.append(error)
        return values

    def raise_first_error(self) -> None:
        """Says the others before, each once."""
        if not self._errors:
            return
        first, *others = self._errors
        for text in dict.fromkeys(map(str, others)):
            if text != str(first):
                print_error(text)
        raise first

    def _print(self, target: _Target) -> None:
        """What the daemon published, then what is in its journal, then what the server says."""
        key = target.key
        if target.is_watched:
            view, waiting = find_view(self._daemon, key), self._waiting.get(key, ())
            colored = has_colors(sys.stdout)
            _print(workflow_text(key, view, utc_now(), waiting, colored=colored))
            record = read_stored_watch(self._folder, key)
            _print([options_text(record.options)])
            _print(rounds_text(record.rounds))
            seen = self._inspect(target, record)
            _print(budget_text(budgets_seen(seen, record, load_settings())))
        else:
            record = read_stored_watch(self._folder, key)
            seen = self._inspect(target, record)
            _print(unwatched_text(key, seen.observation.workflow.name, self._url))
            _print(rounds_text(record.rounds))
        _print(live_lines(seen, record, load_settings(), find_view(self._daemon, key)))

    def _live_values(self, target: _Target, record: StoredWatch) -> dict[str, Any]:
        seen = self._inspect(target, record)
        written = read_error_output(seen, record, load_settings())
        allocations = seen.observation.allocations
        live = live_values(seen.counts, allocations, seen.findings, written.jobs)
        live["budgets"] = budget_values(budgets_seen(seen, record, load_settings()))
        return live | plan_values(
            target.key.workflow_id, seen.answer, seen.all_notes, quoted_plan(seen)
        )

    def _inspect(self, target: _Target, record: StoredWatch) -> Inspection:
        """Asks a server that did not answer for another workflow only once."""
        key, is_watched = target.key, target.is_watched
        if key.server in self._silent:
            raise self._silent[key.server]
        try:
            settings = load_settings()
            connection = settings.connection(key.server)
            return run(
                announced(
                    connection,
                    lambda: inspect_stored(key, record, settings, is_watched=is_watched),
                )
            )
        except ServerUnreachable as error:
            self._silent[key.server] = error
            raise


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        print(line, flush=True)
