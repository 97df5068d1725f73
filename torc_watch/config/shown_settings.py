"""Every setting as users may see it: its value without secrets, and where that comes from."""

from typing import Any

from torc_watch.config.settings import Settings, origins

_HIDDEN = "**********"


def shown_settings(settings: Settings) -> dict[str, dict[str, Any]]:
    """By name, with ``value`` and ``from``. Raises ConfigurationAway and InvalidInput."""
    values = settings.model_dump(mode="json")
    if "@" in settings.api_url:  # it may contain a password; no command accepts it
        values["api_url"] = _HIDDEN
    sources = dict.fromkeys(values, "default") | origins()
    return {key: {"value": value, "from": sources[key]} for key, value in values.items()}
