"""reject: the plan that waits is not carried out, and the workflow is handed over."""

from typing import Annotated

import typer

from torc_watch.app.plan_answers import answer_plan
from torc_watch.cli import options, round_options
from torc_watch.cli.answer_output import print_answer
from torc_watch.config.settings import load_settings


def reject(
    workflow_id: options.WorkflowId,
    *,
    reason: Annotated[
        str, typer.Option(metavar="TEXT", help="Why, for others and for later.", show_default=False)
    ] = "",
    plan_id: round_options.PlanId = None,
    url: options.KnownUrl = None,
    as_json: options.Json = False,
) -> None:
    """Reject the plan that waits: the workflow is handed over.

    Nothing of the plan is done. `torc-watchd resume 42` starts a new watch.

    \b
    Examples:
      torc-watchd reject 42 --reason "too large for this project"
    """
    given = answer_plan(
        workflow_id,
        approves=False,
        settings=load_settings(),
        url=url,
        plan_id=plan_id,
        reason=reason,
    )
    print_answer(given, as_json=as_json)
