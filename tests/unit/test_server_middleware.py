"""User and password from an Authorization header."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torc_watch.sandbox.server.middleware import parse_credentials


@pytest.mark.parametrize(
    "header",
    [None, "", "Basic", "Basic ???", "Bearer YTpi", "Basic /w==", "Basic YTp", "Basic \xff"],
)
def test_header_without_credentials(header: str | None) -> None:
    assert parse_credentials(header) == ("", "")


@given(user=st.text().filter(lambda text: ":" not in text), password=st.text())
def test_user_and_password_are_decoded(user: str, password: str) -> None:
    encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
    assert parse_credentials(f"basic {encoded}") == (user, password)
