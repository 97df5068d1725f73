"""Plans and sizes that are only shown know what the journal has of earlier attempts."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.rigs.embedded import serve_on_loopback
from tests.rigs.played_workflow import played_workflow
from torc_watch.app import inspection
from torc_watch.app.composition import open_client
from torc_watch.app.sizes import read_sizes
from torc_watch.config.settings import Settings, load_settings
from torc_watch.core import policy
from torc_watch.core.kind_history import AttemptEnd, SizedAttempt
from torc_watch.core.recovery_round import Plan, RecoverySettings
from torc_watch.core.situation import Situation
from torc_watch.core.sized_attempts import AttemptNews
from torc_watch.core.units import GIB
from torc_watch.core.workflow_key import WorkflowIdentity
from torc_watch.engine.journal import Journal
from torc_watch.sandbox.server import ServerSettings

CODES = {"train_1": 137, "train_2": 0, "plot": 0}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORC_WATCHD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "etc"))
    return load_settings()


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Situation]:
    found: list[Situation] = []
    make = policy.plan

    def plan(situation: Situation, chosen: RecoverySettings) -> Any:
        found.append(situation)
        return make(situation, chosen)

    monkeypatch.setattr(policy, "plan", plan)
    return found


async def test_plan_and_sizes_know_the_journal_and_change_nothing(
    settings: Settings, seen: list[Situation], tmp_path: Path
) -> None:
    path = settings.home / "journal.db"
    async with serve_on_loopback(ServerSettings(directory=tmp_path / "server")) as server:
        connection = settings.connection(server)
        async with open_client(connection) as client:
            workflow_id = await played_workflow(client, CODES)
            workflow = await client.get_workflow(workflow_id)

        shown = await inspection.plan(workflow_id, settings, connection)
        assert isinstance(shown.answer, Plan)
        assert not path.exists()
        (failed, completed) = seen[-1].attempts
        assert failed.end is AttemptEnd.OUT_OF_MEMORY
        assert completed.end is AttemptEnd.COMPLETED
        first = (await read_sizes(workflow_id, settings.home, connection)).kinds

        # As before a retry in place.
        earlier = replace(failed, attempt=0, peak=3 * GIB, ran=3600.0)
        _record(path, WorkflowIdentity.of(workflow, connection.url), earlier, failed)
        before = path.read_bytes()
        again = await inspection.plan(workflow_id, settings, connection)
        assert isinstance(again.answer, Plan)
        assert set(seen[-1].attempts) == {earlier, failed, completed}
        second = (await read_sizes(workflow_id, settings.home, connection)).kinds
        assert path.read_bytes() == before
        others, kinds = first[0], (first[1], second[1])
        assert others == second[0]
        assert [(kind.attempts, kind.failed) for kind in kinds] == [(2, 1), (3, 2)]
        assert kinds[1].failed_node_hours - kinds[0].failed_node_hours == pytest.approx(1)

        path.write_bytes(b"no database" * 1000)
        damaged = await inspection.plan(workflow_id, settings, connection)
        assert isinstance(damaged.answer, Plan)
        assert set(seen[-1].attempts) == {failed, completed}
        assert (await read_sizes(workflow_id, settings.home, connection)).kinds == first


def _record(path: Path, identity: WorkflowIdentity, *attempts: SizedAttempt) -> None:
    path.parent.mkdir(exist_ok=True)
    with closing(Journal(path)) as journal:
        journal.attempts.record(identity, AttemptNews(recorded=attempts))
