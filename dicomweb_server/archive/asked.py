"""A query as people write it, for the audit: `PatientName=ZHANG* StudyDate=20240101-20240131`."""

import re
from functools import lru_cache

from pydicom.datadict import keyword_for_tag

from storage.model import AnyOf, Between, Condition, Empty, Like, OneOf, Query, SameItem


def asked_for(query: Query) -> tuple[str, str]:
    """Level and question."""
    within = [uid for uid in (query.study_uid, query.series_uid) if uid]
    return query.level.name.lower(), " ".join([*within, *map(_said, query.conditions)])


def _said(condition: Condition) -> str:
    match condition:
        case OneOf(tag=tag, values=values):
            return f"{_keyword(tag)}={','.join(values)}"
        case Like(tag=tag, pattern=pattern):
            return f"{_keyword(tag)}={pattern}"
        case Between(tag=tag, low=low, high=high):
            return f"{_keyword(tag)}={low or ''}-{high or ''}"
        case Empty(tag=tag):
            return f'{_keyword(tag)}=""'
        case SameItem(tag=tag, conditions=conditions):
            return f"{_keyword(tag)}=({' '.join(map(_said, conditions))})"
        case AnyOf(alternatives=alternatives):
            return f"({' or '.join(' '.join(map(_said, each)) for each in alternatives)})"


@lru_cache(maxsize=1000)
def _keyword(tag: str) -> str:
    """The keyword of PS3.6, or what the index calls an attribute that has none, as a private one;
    `PatientName~` is how a name sounds."""
    digits, more = tag[:8], tag[8:]
    known = keyword_for_tag(int(digits, 16)) if _DIGITS.fullmatch(digits) else ""
    return (known or digits) + more


_DIGITS = re.compile("[0-9A-F]{8}")
