"""plans: what waits for the user's approval."""

from torc_watch.cli import options
from torc_watch.cli.json_output import print_json
from torc_watch.config.sources import state_folder
from torc_watch.daemon.open_proposals import waiting_proposals
from torc_watch.render.proposal_text import plans_values, proposal_table


def plans(*, as_json: options.Json = False) -> None:
    """List the plans that wait for your approval.

    Of watches with --approve, or whose next round exceeds one of the --approve-above limits. See
    one with `torc-watchd plan 42 --show`; then `torc-watchd approve 42`, or `reject 42`.

    \b
    Examples:
      torc-watchd plans
      torc-watchd plans --json
    """
    waiting = waiting_proposals(state_folder())
    if as_json:
        print_json(plans_values(waiting))
        return
    for line in proposal_table(waiting):
        print(line, flush=True)
