"""What the bytes of a study's search record say for certain, before they are taken apart.

A record is the JSON of [terms, roll-up], each attribute with the list of its values
(`lmdb_records.search_record`). A quote within a value stands behind a backslash, so `"00100010":[`
is where the values of an attribute begin and nothing else; where an attribute is there once, the
roll-up and the terms do not say different things of it. Up to the first bracket that closes, and
without a backslash, there are its values, letter for letter, and `","` between them. To find that a
name begins with five letters takes a tenth of what taking the record apart for it takes. Not by
regular expressions: to make one for each name that is asked for takes longer than all of this.
"""

from collections.abc import Callable, Sequence

import orjson

from storage.model import Between, Condition, Like, OneOf, QueryLevel
from storage.searching import DAY_LENGTH, STUDY_DATE

Certain = Callable[[bytes, bytes], bool]
"""Rank and record of a study -> whether it matches; False when these bytes do not say it."""


def certain(conditions: Sequence[Condition], first: bytes, last: bytes) -> Certain | None:
    """For the conditions on studies among these; None when there is one of which bytes say nothing:
    ranges of others than Study Date, wildcards within a text, items of sequences.

    first, last  the ranks that those on Study Date allow
    """
    wanted: list[tuple[bytes, list[bytes]]] = []
    dated = False
    for condition in conditions:
        if condition.level is not QueryLevel.STUDY:
            continue
        match condition:
            case Between(tag=tag) if tag == STUDY_DATE:
                dated = True
            case OneOf(tag=tag, values=values) if values:
                texts = [text for text in map(_written, values) if text is not None]
                if len(texts) < len(values):
                    return None
                wanted.append((_name(tag), [b'"%b"' % text for text in texts]))
            case Like(tag=tag, pattern=pattern):
                text = _written(pattern.strip("*"))
                if not text or b"*" in text or b"?" in text:
                    return None
                before = b"" if pattern.startswith("*") else b'"'
                after = b"" if pattern.endswith("*") else b'"'
                wanted.append((_name(tag), [before + text + after]))
            case _:
                return None
    low_day, high_day = first[:DAY_LENGTH], last[:DAY_LENGTH]

    def says(rank: bytes, record: bytes) -> bool:
        # A date that is odd shares its place in the order with the ends of a range alone.
        if dated and not low_day < rank[:DAY_LENGTH] < high_day:
            return False
        for name, texts in wanted:
            if record.count(name) != 1:
                return False
            begin = record.index(name) + len(name)
            values = record[begin : record.index(b"]", begin)]
            if b"\\" in values:
                return False
            for text in texts:
                if text in values:
                    break
            else:
                return False
        return True

    return says


def _name(tag: str) -> bytes:
    """What stands in a record before the values of an attribute."""
    return b'"%b":[' % tag.encode()


def _written(text: str) -> bytes | None:
    """As it stands in a record; None when that is not letter for letter, or may be mistaken for
    what stands between values."""
    try:
        written = orjson.dumps(text)[1:-1]
    except orjson.JSONEncodeError:
        return None
    return None if b"\\" in written or b"," in written else written
