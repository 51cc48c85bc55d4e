"""What the JSON object of a request says, member by member; what is wrong is named."""

from datetime import UTC, date, datetime
from typing import Any

from dicomweb_server.web.problems import Problem

Wish = dict[str, Any]


def only(wish: Wish, *names: str) -> None:
    """Raises Problem (400) for a member that is none of these."""
    for name in wish:
        if name not in names:
            known = ", ".join(names)
            raise Problem(400, f"there is no {name[:80]!r} here, only {known}", field=name[:80])


def text(wish: Wish, name: str, default: str | None = None) -> str:
    """A text; `default` when it is missing, and a Problem without one."""
    value = wish.get(name, default)
    if not isinstance(value, str) or len(value) > 10_000:
        raise Problem(400, f"{name} must be a text", field=name)
    return value


def texts(wish: Wish, name: str) -> list[str]:
    """A list of texts, empty when it is missing."""
    value = wish.get(name, [])
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Problem(400, f"{name} must be a list of texts", field=name)
    return value


def flag(wish: Wish, name: str) -> bool:
    """true or false, false when it is missing."""
    value = wish.get(name, False)
    if not isinstance(value, bool):
        raise Problem(400, f"{name} must be true or false", field=name)
    return value


def day(wish: Wish, name: str) -> date | None:
    """A date (RFC 3339 full-date); None for null or when it is missing."""
    value = wish.get(name)
    if value is None or value == "":
        return None
    try:
        return date.fromisoformat(text(wish, name))
    except ValueError:
        raise Problem(400, f"{name} must be a date like 2026-11-25", field=name) from None


def moment(wish: Wish, name: str) -> datetime | None:
    """A moment (RFC 3339 date-time) in UTC; None for null or when it is missing."""
    value = wish.get(name)
    if value is None or value == "":
        return None
    try:
        found = datetime.fromisoformat(text(wish, name))
    except ValueError:
        found = datetime.min
    if found.tzinfo is None:
        raise Problem(400, f"{name} must be a moment like 2026-11-25T10:30:00Z", field=name)
    return found.astimezone(UTC)
