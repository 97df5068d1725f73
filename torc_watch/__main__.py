"""The entry point of torc-watchd: ready for signals before the modules are loaded."""

import signal
import sys
from importlib import import_module


def main() -> None:
    # The daemon obeys SIGHUP, which ends other programs: one that comes before there is a handler
    # waits for it (app.daemon_process).
    if sys.argv[1:2] == ["run"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:  # not where a script started it in the background
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # no traceback of a module that is half loaded
    program = import_module("torc_watch.cli.program")
    signal.signal(signal.SIGINT, handler)
    program.main()


if __name__ == "__main__":
    main()
