"""Detecting the API version from the answer to GET /version."""

from typing import Any

import pytest

from torc_watch.core.errors import RequestRejected, ServerFault
from torc_watch.torc.api_version import ApiVersion, detect_api_version, version_warning


@pytest.mark.parametrize(
    ("answer", "api_version", "version"),
    [
        ("0.12.0 (4f1c2d3)", ApiVersion.V0_12, "0.12.0 (4f1c2d3)"),
        ("v0.12.3-beta", ApiVersion.V0_12, "v0.12.3-beta"),
        ("0.14.0", ApiVersion.V0_12, "0.14.0"),
        ({"version": "0.35.0", "api_version": "0.35.0"}, ApiVersion.V1_0, "0.35.0"),
        ({"version": "0.20.1", "git_hash": None}, ApiVersion.V1_0, "0.20.1"),
        ({"version": "2.0.0", "new": {"field": 1}}, ApiVersion.V1_0, "2.0.0"),
    ],
)
def test_version_of_a_known_server_is_detected(
    answer: Any, api_version: ApiVersion, version: str
) -> None:
    assert detect_api_version(answer) == (api_version, version)


@pytest.mark.parametrize("answer", ["0.11.9", "0.8.0 (abc)", {"version": "0.11.0"}])
def test_old_servers_are_refused(answer: Any) -> None:
    with pytest.raises(RequestRejected, match=r"Torc 0\.\d+.* too old"):
        detect_api_version(answer)


@pytest.mark.parametrize(
    "answer",
    [None, "", "nginx", 12, 0.35, [], ["0.12.0"], {}, {"version": None}, {"version": 0.35}, "0"],
)
def test_answer_without_a_version_is_a_fault(answer: Any) -> None:
    with pytest.raises(ServerFault, match="URL"):
        detect_api_version(answer)


@pytest.mark.parametrize("version", ["0.12.0 (4f1c2d3)", "0.35.0", "1.0.0 (unknown)", "1.0.7"])
def test_no_warning_for_known_versions(version: str) -> None:
    assert version_warning(version) is None


@pytest.mark.parametrize(
    ("version", "release"), [("1.1.0", "1.1"), ("v9.9.0 (\x1b[2J)", "9.9"), ("10.0", "10.0")]
)
def test_warning_for_newer_versions(version: str, release: str) -> None:
    warning = str(version_warning(version))
    assert warning.startswith(f"The server runs Torc {release}; 1.0 is the newest")
    assert warning.isprintable()
