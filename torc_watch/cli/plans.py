"""plans: what waits for the user's approval."""

from torc_watch.cli import options
from torc_watch.cli.json_output import print_json
from torc_watch.config.sources import state_folder
from torc_watch.daemon.open_proposals import open_proposals
from torc_watch.render.proposal_text import open_proposal_values, proposal_table


def plans(*, as_json: options.Json = False) -> None:
    """List the plans that wait for your approval.

    Of watches with --approve, or whose next round exceeds one of the --approve-above limits. See
    one with `torc-watchd plan 42 --show`; then `torc-watchd approve 42`, or `reject 42`.

    \b
    Examples:
      torc-watchd plans
      torc-watchd plans --json
    """
    waiting = open_proposals(state_folder())
    if as_json:
        print_json({"plans": list(map(open_proposal_values, waiting))})
        return
    for line in proposal_table(waiting):
        print(line, flush=True)
