"""The output folder that a command is given: usable, or refused before anything is changed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torc_watch.core.errors import InvalidInput
from torc_watch.host import output_folder


@contextmanager
def unusable_folder_refused(output_dir: Path) -> Iterator[None]:
    """Raises InvalidInput for OSError."""
    try:
        yield
    except OSError as error:
        raise InvalidInput(
            f"The output folder {output_dir} cannot be used: {error.strerror}. "
            "Give another with --output-dir."
        ) from error


def prepare_output_folder(path: Path, *, creates: bool) -> None:
    """Raises InvalidInput for an unusable folder, also without creating it."""
    with unusable_folder_refused(path):
        output_folder.prepare_output_folder(path, creates=creates)
