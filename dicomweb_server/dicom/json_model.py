"""DICOM JSON (PS3.18 §F.2) from the elements as they were read.

The same values as pydicom's `Dataset.to_json_dict`, several times faster, except where PS3.18 says
otherwise or pydicom raises:
- group lengths are left out and attributes ascend (§F.2.2);
- an empty sequence has no Value, an empty value among others is null (§F.2.5);
- empty component groups of a name are left out (§F.2.2);
- Pixel Data and every value that is cut out of the skeleton are BulkDataURI;
- binary values of big endian files are given little endian (§F.2.7);
- a DS or IS that is no number is the string it was (§F.2.3, note), a whole IS that JSON numbers
  cannot hold too; a number that is not finite (FL, FD) is null, JSON has none;
- a value whose length does not fit its VR is UN, so that its bytes are still there.

A BulkDataURI is relative: `bulkdata/` and the path of the element, tags and item numbers in turn,
which `bulk.bulk_value` takes.
"""

from base64 import b64encode
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import isfinite
from struct import unpack
from typing import Any

import numpy as np
import orjson

from dicomweb_server.dicom.charset import LATIN_1, Charset, decode
from dicomweb_server.dicom.part10 import (
    DataSet,
    Element,
    Fragments,
    Items,
    ItemTable,
    Structure,
    charset_in,
)

Json = dict[str, Any]
"""One DICOM JSON object: tag of 8 hex digits -> {"vr": ..., "Value": [...]}. The Value of a long
sequence is an orjson.Fragment until `listed`. What `document` gives has objects in it that other
documents share: they are never changed."""

INLINE_BYTES = 1024 // 4 * 3
"""Binary values above this length are BulkDataURI: 1024 bytes of base64, pydicom's threshold."""

BULK_DATA = "bulkdata/"

_HELD_ITEMS = 64
"""Items of longer sequences become bytes in between: as dicts they take ten times the memory."""

_LUT_DESCRIPTORS = frozenset({0x00281101, 0x00281102, 0x00281103, 0x00283002})
WORD_BYTES = {
    "AT": 2,
    "FD": 8,
    "FL": 4,
    "OD": 8,
    "OF": 4,
    "OL": 4,
    "OV": 8,
    "OW": 2,
    "SL": 4,
    "SS": 2,
    "SV": 8,
    "UL": 4,
    "US": 2,
    "UV": 8,
}
"""How many bytes of a value are turned round when the byte order changes (PS3.5 §7.3)."""


def document(structure: Structure) -> Json:
    """The data set as DICOM JSON. Values that were not read are BulkDataURI."""
    return _object(
        structure.data_set,
        big_endian=structure.big_endian,
        charset=structure.charset,
        above=(),
        path=BULK_DATA,
    )


def encode(document: Json) -> bytes:
    """DICOM JSON as UTF-8 bytes, without blanks."""
    return orjson.dumps(document)


def listed(document: Json) -> Json:
    """The same with every sequence a list, however long, for who looks into sequences: objects of
    its own that take ten times the memory of their bytes."""
    found: Json = orjson.loads(orjson.dumps(document))
    return found


def key_text(key: str) -> str:
    """`(7FE0,0010)`, as errors name an attribute."""
    return f"({key[:4]},{key[4:]})"


@lru_cache(maxsize=16384)
def key_of(tag: int) -> str:
    """The 8 hex digits under which an element stands."""
    return f"{tag:08X}"


class _Unreadable(Exception):
    """The value's bytes do not fit its VR."""


def _object(
    data_set: DataSet,
    *,
    big_endian: bool,
    charset: Charset,
    above: tuple[DataSet, ...],
    path: str,
) -> Json:
    """One data set or item; `above` are the data sets it lies in, nearest first."""
    elements = data_set.elements
    charset = charset_in(data_set, otherwise=charset)
    result: Json = {}
    previous = -1
    ascending = True
    for tag, element in elements.items():
        if not tag & 0xFFFF:
            continue
        if tag < previous:
            ascending = False
        previous = tag
        key = key_of(tag)
        vr, _, length, value = element
        if not length:
            result[key] = {"vr": settled_vr(tag, element, data_set, above)}
        elif isinstance(value, bytes):
            if len(vr) > 2:
                vr = settled_vr(tag, element, data_set, above)
            if len(value) <= _REMEMBERED_BYTES:
                result[key] = _said_lately(vr, value, charset, big_endian)
            else:
                result[key] = _said(vr, value, charset, big_endian, uri=path + key)
        elif isinstance(value, (list, ItemTable)):
            result[key] = _sequence(
                value,
                big_endian=big_endian,
                charset=charset,
                above=(data_set, *above),
                path=f"{path}{key}/",
            )
        else:
            vr = settled_vr(tag, element, data_set, above)
            result[key] = {"vr": vr, "BulkDataURI": path + key}
    for tag in elements.keys() & _LUT_DESCRIPTORS:
        result[key_of(tag)] = _unsigned_entries(result[key_of(tag)])
    return result if ascending else dict(sorted(result.items()))


def _said(vr: str, value: bytes, charset: Charset, big_endian: bool, *, uri: str = "") -> Json:
    """A value that is neither empty nor a sequence; `uri` is that of one too long to be inline."""
    convert = _TEXTS.get(vr)
    try:
        if convert is not None:
            values = convert(value, charset)
            said = {"vr": vr, "Value": values} if values else {"vr": vr}
        elif vr in _NUMBERS:
            said = {"vr": vr, "Value": _numbers(vr, value, big_endian)}
        elif len(value) > INLINE_BYTES:
            return {"vr": vr, "BulkDataURI": uri}
        else:
            if big_endian and vr in WORD_BYTES:
                value = swap(value, WORD_BYTES[vr])
            said = {"vr": vr, "InlineBinary": b64encode(value).decode()}
    except _Unreadable:
        said = {"vr": "UN", "InlineBinary": b64encode(value).decode()}
    return said


_REMEMBERED_BYTES = 128
_said_lately = lru_cache(maxsize=4096)(_said)
"""Of values no longer than that: the slices of a series share nine tenths of theirs, and looking
one up costs a fifth of reading it."""


def _unsigned_entries(descriptor: Json) -> Json:
    """PS3.3 §C.11.1.1: the number of entries of a lookup table is unsigned, whatever its VR."""
    vr, values = descriptor["vr"], descriptor.get("Value")
    if vr in _NUMBERS and vr != "AT" and values and values[0] < 0:
        return {"vr": vr, "Value": [values[0] + 65536, *values[1:]]}
    return descriptor


def _sequence(
    items: Items,
    *,
    big_endian: bool,
    charset: Charset,
    above: tuple[DataSet, ...],
    path: str,
) -> Json:
    values: list[Any] = []
    written: list[bytes] = []
    for n, item in enumerate(items):
        values.append(
            _object(item, big_endian=big_endian, charset=charset, above=above, path=f"{path}{n}/")
        )
        if len(values) > _HELD_ITEMS:
            written.append(orjson.dumps(values)[1:-1])
            values.clear()
    if not written:
        return {"vr": "SQ", "Value": values} if values else {"vr": "SQ"}
    if values:
        written.append(orjson.dumps(values)[1:-1])
    return {"vr": "SQ", "Value": orjson.Fragment(b"[" + b",".join(written) + b"]")}


def swap(value: bytes, word_bytes: int) -> bytes:
    """Words turned round; bytes that fill no word stay."""
    whole = len(value) // word_bytes * word_bytes
    words = np.frombuffer(value, f"u{word_bytes}", count=whole // word_bytes)
    return words.byteswap().tobytes() + value[whole:]


# Which of the dictionary's choices an element without a written VR has


def settled_vr(tag: int, element: Element, data_set: DataSet, above: tuple[DataSet, ...]) -> str:
    """The VR, where the dictionary leaves a choice: PS3.5 §A.1 and §A.2, PS3.3 as cited there."""
    vr = element.vr
    if len(vr) == 2:
        return vr
    if vr == "US or SS":
        return "SS" if _pixel_representation(data_set, above) else "US"
    if tag == 0x00283006:  # LUT Data: US when the descriptor says one entry (PS3.3 §C.11.1.1.1)
        descriptor = data_set.elements.get(0x00283002)
        value = descriptor.value if descriptor else None
        return "US" if isinstance(value, bytes) and value[:2] == b"\1\0" else "OW"
    if isinstance(element.value, Fragments):
        return "OB"
    if vr == "OB or OW" and not data_set.implicit:
        allocated = data_set.elements.get(0x54001004 if tag >> 16 == 0x5400 else 0x00280100)
        value = allocated.value if allocated else None
        if isinstance(value, bytes) and 0 < int.from_bytes(value[:2], "little") <= 8:
            return "OB"
    return "OW"


def _pixel_representation(data_set: DataSet, above: tuple[DataSet, ...]) -> bool:
    """Whether samples are signed, as the nearest data set that says so says."""
    for each in (data_set, *above):
        element = each.elements.get(0x00280103)
        if element is not None and isinstance(element.value, bytes) and element.length:
            return any(element.value)
    return False


# Values of each VR, as the list that goes under "Value"; empty when there is none


def _texts(value: bytes, charset: Charset) -> list[str | None]:
    """AS CS DA DT TM UI: the default repertoire, several values."""
    text = value.decode(LATIN_1).rstrip(" \0")
    if "\\" in text:
        return [each or None for each in text.split("\\")]
    return [text] if text else []


def _titles(value: bytes, charset: Charset) -> list[str | None]:
    """AE: blanks around a value do not count."""
    values = [each.strip(" \0") or None for each in value.decode(LATIN_1).split("\\")]
    return values if len(values) > 1 or values[0] else []


def _locator(value: bytes, charset: Charset) -> list[str | None]:
    """UR: one value."""
    text = value.decode(LATIN_1).rstrip(" \0")
    return [text] if text else []


def _strings(value: bytes, charset: Charset) -> list[str | None]:
    """LO SH UC: several values in the data set's character set."""
    text = decode(value, charset)
    if "\\" in text:
        return [each.rstrip(" \0") or None for each in text.split("\\")]
    text = text.rstrip(" \0")
    return [text] if text else []


def _long_text(value: bytes, charset: Charset) -> list[str | None]:
    """LT ST UT: one value, backslashes are text."""
    text = decode(value, charset).rstrip(" \0")
    return [text] if text else []


def _names(value: bytes, charset: Charset) -> list[Json | None]:
    text = decode(value.rstrip(b" \0"), charset)
    if not text:
        return []
    names: list[Json | None] = []
    for name in text.split("\\"):
        groups = zip(("Alphabetic", "Ideographic", "Phonetic"), name.split("="), strict=False)
        names.append({group: part for group, part in groups if part} or None)
    return names if len(names) > 1 or names[0] else []


def _decimals(value: bytes, charset: Charset) -> list[float | str | None]:
    text = value.decode(LATIN_1).strip(" \0")
    parts = text.split("\\")
    try:
        numbers = [float(part) for part in parts]
    except ValueError:
        return [_decimal(part) for part in parts] if text else []
    if "_" not in text and all(map(isfinite, numbers)):
        return list(numbers)
    return [_decimal(part) for part in parts]


def _decimal(text: str) -> float | str | None:
    text = text.strip(" \0")
    try:
        number = float(text)
    except ValueError:
        return text or None
    return number if isfinite(number) and "_" not in text else text


def _integers(value: bytes, charset: Charset) -> list[int | str | None]:
    text = value.decode(LATIN_1).strip(" \0")
    parts = text.split("\\")
    try:
        numbers = [int(part) for part in parts]
    except ValueError:
        return [_integer(part) for part in parts] if text else []
    if "_" not in text and all(-(2**63) <= number < 2**64 for number in numbers):
        return list(numbers)
    return [_integer(part) for part in parts]


def _integer(text: str) -> int | str | None:
    text = text.strip(" \0")
    try:
        number = float(text)
    except ValueError:
        return text or None
    if "_" in text or not number.is_integer() or not -(2**63) <= number < 2**63:
        return text
    return int(number)


_TEXTS: dict[str, Callable[[bytes, Charset], Sequence[Any]]] = {
    **dict.fromkeys(("AS", "CS", "DA", "DT", "TM", "UI"), _texts),
    **dict.fromkeys(("LO", "SH", "UC"), _strings),
    **dict.fromkeys(("LT", "ST", "UT"), _long_text),
    "AE": _titles,
    "DS": _decimals,
    "IS": _integers,
    "PN": _names,
    "UR": _locator,
}

_NUMBERS = {
    "AT": ("H", 2),
    "FD": ("d", 8),
    "FL": ("f", 4),
    "SL": ("i", 4),
    "SS": ("h", 2),
    "SV": ("q", 8),
    "UL": ("I", 4),
    "US": ("H", 2),
    "UV": ("Q", 8),
}


def _numbers(vr: str, value: bytes, big_endian: bool) -> list[Any]:
    """Binary numbers, and tags as 8 hex digits."""
    letter, size = _NUMBERS[vr]
    count, rest = divmod(len(value), size)
    if rest or (vr == "AT" and count % 2):
        raise _Unreadable
    numbers = list(unpack(f"{'>' if big_endian else '<'}{count}{letter}", value))
    if vr == "AT":
        return [
            f"{group:04X}{number:04X}"
            for group, number in zip(numbers[::2], numbers[1::2], strict=True)
        ]
    return numbers
