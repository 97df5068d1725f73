import subprocess
import sys


def test_watching_does_not_load_the_embedded_server() -> None:
    """It is installed for everybody, and must cost only those who run it."""
    program = (
        "import sys, torc_watch.app.composition, torc_watch.cli.watch_output\n"
        "print(*sorted({'starlette', 'uvicorn', 'torc_watch.sandbox.server'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == []
