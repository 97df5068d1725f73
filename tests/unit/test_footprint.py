import subprocess
import sys


def test_watching_does_not_load_the_embedded_server() -> None:
    """The embedded server is always installed; a watch must not pay for it."""
    program = (
        "import sys, torc_watch.app.composition, torc_watch.cli.watch_output\n"
        "print(*sorted({'starlette', 'uvicorn', 'torc_watch.sandbox.server'} & set(sys.modules)))"
    )
    assert printed(program) == ""


def test_worker_does_not_load_modules_that_it_never_uses() -> None:
    program = (
        "import sys, torc_watch.sandbox.runner.__main__\n"
        "print(*[name for name in ('click', 'httpx._main', 'rich') if sys.modules.get(name)])"
    )
    assert printed(program) == ""


def printed(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    return done.stdout.strip()
