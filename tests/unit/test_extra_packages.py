"""Commands that need a package which is not installed."""

from pathlib import Path

import pytest

from torc_watch.cli.extra_packages import module_with_extra
from torc_watch.core.errors import InvalidInput


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """One that imports a package that is nowhere."""
    (tmp_path / "module_with_needs.py").write_text("import package_nowhere.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "module_with_needs"


def test_missing_package_is_named_with_the_command_that_installs_it(module: str) -> None:
    with pytest.raises(InvalidInput, match=r"extra all\. .*: pip install 'torc-watch\[all\]'"):
        module_with_extra(module, "all", "package_nowhere")


def test_another_missing_package_is_an_internal_error(module: str) -> None:
    with pytest.raises(ModuleNotFoundError):
        module_with_extra(module, "all", "package")
