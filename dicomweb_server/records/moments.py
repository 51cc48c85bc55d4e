"""Moments of the records: aware, UTC, to the microsecond, the same out of both databases.

SQLite keeps no time zone with a time: a plain DateTime(timezone=True) would give back there what
cannot be compared with what it was given.
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


class Instant(TypeDecorator[datetime]):
    """Column type of a moment. Takes aware datetimes of any zone, gives back UTC."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        assert value.tzinfo is not None, f"{value} has no time zone"
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """The server's time, which is the only one that counts (REP-17)."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """`2026-11-25T15:44:38.123456Z`: always so long, so texts sort as the moments do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
