"""Moments: a date and a time as one value, in the zone they were said in and as UTC.

PS3.4 §C.2.2.2.5: a range of dates and a range of times are one range from moment to moment; when
Timezone Offset From UTC (0008,0201) is in the query, its dates and times are of that zone. A moment
is text, YYYYMMDDHHMMSS.FFFFFF, so that comparing text is comparing moments.
"""

import re
from datetime import datetime, timedelta

_MOMENT = re.compile(r"[0-9]{8}([01][0-9]|2[0-3])[0-9]{4}\.[0-9]{6}")


def moment_key(date: str) -> str:
    """The key under which the moment of a date and its time is kept; `utc_key` as UTC."""
    return f"{date}+"


def utc_key(key: str) -> str:
    return f"{key}Z"


def moment_of(date: str, time: str) -> str | None:
    """The moment of a date and a time as they are matched; None when either is missing or none."""
    moment = date + time
    return moment if _MOMENT.fullmatch(moment) and _read(moment) else None


def offset_minutes(text: str | None) -> int | None:
    """Minutes east of Greenwich of `+0800` (PS3.3 §C.12.1.1.8); None when it is none."""
    found = re.fullmatch(r"([+-])([01][0-9])([0-5][0-9])", (text or "").strip())
    if found is None:
        return None
    return int(f"{found[1]}{int(found[2]) * 60 + int(found[3])}")


def shifted(moment: str, minutes: int) -> str:
    """The moment so many minutes later; itself where the calendar ends."""
    read = _read(moment)
    assert read is not None, moment
    try:
        there = read + timedelta(minutes=minutes)
    except OverflowError:
        return moment
    return f"{there.year:04}{there:%m%d%H%M%S.%f}"


def _read(moment: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{moment[:8]}T{moment[8:]}")
    except ValueError:  # a 31st of February, a leap second
        return None
