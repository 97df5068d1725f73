"""approve: the plan that waits is carried out."""

from typing import Annotated

import typer

from torc_watch.app.plan_answers import answer_plan
from torc_watch.cli import options, round_options
from torc_watch.cli.answer_output import print_answer
from torc_watch.config.settings import load_settings


def approve(
    workflow_id: options.WorkflowId,
    *,
    plan_id: round_options.PlanId = None,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="For the history.", show_default=False)
    ] = "",
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Approve the plan that waits for you.

    Its watch then carries it out. It is made again before that: if the workflow has changed,
    nothing is done, and the new plan waits for approval instead.

    \b
    Examples:
      torc-watchd approve 42
      torc-watchd approve 42 --plan 7f3a2c1b
    """
    given = answer_plan(
        workflow_id,
        approves=True,
        settings=load_settings(),
        url=url,
        plan_id=plan_id,
        reason=reason,
    )
    print_answer(given, as_json=as_json)
