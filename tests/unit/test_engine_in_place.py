"""Failed jobs that run again while others of their workflow run."""

from typing import TYPE_CHECKING

import anyio
import pytest

from torc_watch.core import events
from torc_watch.core.events import Verdict
from torc_watch.core.model import JobStatus
from torc_watch.core.units import MIB

if TYPE_CHECKING:
    from tests.conftest import Ending, OpenSite, Site

pytestmark = pytest.mark.looptime

OUT_OF_MEMORY: "Ending" = (137, 80 * MIB, 10.0)
LONG: "Ending" = (0, None, 600.0)


async def test_job_runs_again_while_another_runs(open_site: "OpenSite") -> None:
    async with open_site(scheduler_type="slurm") as site:
        site.scheduler.endings = {"a": [OUT_OF_MEMORY], "other": [LONG]}
        workflow_id = await site.submit(["other", "a"], allocations=2)
        ended = await site.watch(workflow_id)
        assert ended.verdict is Verdict.SUCCEEDED
        for e in site.events: print(e)
        print(site.scheduler.requests)
        print(await site.results(workflow_id))
        assert 0
