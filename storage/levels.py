"""What a study or series says of itself when several instances speak for it.

The first instance speaks; a later one adds what is still absent or empty and changes nothing
(`InstanceFacts`). Terms and documents are filled by the same rule, each attribute by itself.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache

import orjson

from storage.model import QueryLevel
from storage.searching import UID_TAGS, Terms


def terms_of(level: QueryLevel, uid: str, said: Terms) -> dict[str, tuple[str, ...]]:
    """Terms as they are kept: without empty values, and with the UID of what they belong to."""
    kept = {tag: found for tag, values in said.items() if (found := tuple(filter(None, values)))}
    kept[UID_TAGS[level]] = (uid,)
    return kept


def fill_terms(present: Terms, later: Terms) -> dict[str, tuple[str, ...]]:
    """`present` with the attributes of `later` that it lacks."""
    return {**later, **present}


def fill_document(present: bytes, later: bytes) -> bytes:
    """A DICOM JSON object with the elements of `later` that are absent or empty in `present`,
    in order of tag. `present` itself when there are none."""
    if present == later:
        return present
    short = len(present) + len(later) <= _REMEMBERED_BYTES
    fill = _filled_lately if short else _filled
    return fill(present, later) or present


def _filled(present: bytes, later: bytes) -> bytes | None:
    """None when nothing is added."""
    elements = orjson.loads(present)
    added = {
        tag: element
        for tag, element in orjson.loads(later).items()
        if has_value(element) and not has_value(elements.get(tag, {}))
    }
    return orjson.dumps({**elements, **added}, option=orjson.OPT_SORT_KEYS) if added else None


_REMEMBERED_BYTES = 16 * 1024
_filled_lately = lru_cache(maxsize=256)(_filled)
"""Of documents no longer than that together: in a series whose instances say different things of it
the same two meet again and again."""


def has_value(element: Mapping[str, object]) -> bool:
    """Whether a DICOM JSON element (PS3.18 §F.2.2) holds anything."""
    values = element.get("Value")
    if isinstance(values, list):
        return any(value not in (None, {}, "") for value in values)
    return bool(element.get("InlineBinary") or element.get("BulkDataURI"))


def union(rollups: Iterable[Terms]) -> dict[str, tuple[str, ...]]:
    """For each attribute every value that occurs, sorted."""
    values: dict[str, set[str]] = {}
    for rollup in rollups:
        for tag, some in rollup.items():
            values.setdefault(tag, set()).update(some)
    return {tag: tuple(sorted(some - {""})) for tag, some in sorted(values.items()) if some - {""}}
