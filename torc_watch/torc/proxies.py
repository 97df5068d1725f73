"""Which proxy of the environment requests to a server go through, and which variable names it.

The variables are ``http_proxy``, ``https_proxy``, ``all_proxy`` and ``no_proxy``, as for curl, each
also in capitals. Servers on this machine are reached directly.
"""

import os
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@dataclass(frozen=True, slots=True)
class Proxy:
    """``variable`` has its URL; ``url`` may hold a password."""

    variable: str
    url: str = field(repr=False)

    @property
    def address(self) -> str:
        """The URL without user and password, fit to be shown."""
        scheme, separator, rest = self.url.rpartition("://")
        host = rest.rpartition("@")[2].split("/")[0]
        return f"{scheme}{separator}{host}" if host.isprintable() else "its address"

    def __str__(self) -> str:
        return f"the proxy {self.address} (variable {self.variable})"


def proxy_for(url: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """The proxy for requests to ``url``; None where they go to the server directly.

    Which variable wins, and what ``no_proxy`` excludes, is as in Python's own ``urllib``.
    """
    target = urlsplit(url)
    if target.hostname in _LOOPBACK_HOSTS or _is_excluded(target, environment):
        return None
    for variable in (f"{target.scheme}_proxy", "all_proxy"):
        name = _name_that_is_set(variable, environment)
        if name is not None:
            value = environment[name]
            return Proxy(name, value if "://" in value else f"http://{value}")
    return None


def proxy_variables(environment: Mapping[str, str] = os.environ) -> list[str]:
    """The names of the variables that are set and in use; their values may hold a password."""
    names = [_name_that_is_set(variable, environment) for variable in _VARIABLES]
    return [name for name in names if name is not None]


def _name_that_is_set(variable: str, environment: Mapping[str, str]) -> str | None:
    """In small letters first; an empty one switches off the one in capitals."""
    name = variable if variable in environment else variable.upper()
    # A web server may have set HTTP_PROXY from the header "Proxy" of a request.
    if name == "HTTP_PROXY" and "REQUEST_METHOD" in environment:
        return None
    return name if environment.get(name) else None


def _is_excluded(target: SplitResult, environment: Mapping[str, str]) -> bool:
    name = _name_that_is_set("no_proxy", environment)
    if name is None:
        return False
    excluded = {"no": environment[name]}
    bypass = urllib.request.proxy_bypass_environment  # type: ignore[attr-defined] # undocumented
    return bool(bypass(target.netloc, excluded))
