"""What every command says about the environment in which it was started."""

import os
import sys

from torc_watch.config.sources import unknown_variables


def warn_of_unknown_variables() -> None:
    """A typo would else leave a setting at its default, without a word."""
    for name, meant in unknown_variables(os.environ).items():
        hint = f" Did you mean {meant}?" if meant else ""
        print(f"Warning: {name} is no setting of torc-watchd.{hint}", file=sys.stderr)
