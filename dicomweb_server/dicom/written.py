"""DICOM JSON (PS3.18 §F.2) as a data set: Explicit VR Little Endian, texts in UTF-8, unless an
`Encoding` says otherwise.

The other way round is json_model.py. Large values are not copied: they are pieces of what they
came in. What is written is what was said: nothing is added but the character set, when a text needs
it, nothing is put right, and what cannot be written in its VR is refused by name.
"""

import struct
from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, EXPLICIT_VR_LENGTH_32

from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dicom.explicit import IMPLEMENTATION_CLASS_UID
from dicomweb_server.dicom.json_model import WORD_BYTES, Json, swap
from dicomweb_server.dicom.part10 import tag_text
from dicomweb_server.dicom.source import Piece, piece_length

UTF_8 = "ISO_IR 192"
LONGEST_FRAGMENT = 0xFFFFFFFE
_LONGEST_SHORT = 0xFFFE
_SHORT = frozenset(str(vr) for vr in EXPLICIT_VR_LENGTH_16)
_LONG = frozenset(str(vr) for vr in EXPLICIT_VR_LENGTH_32)
_UNDEFINED = 0xFFFFFFFF
_SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
_DEPTH = 64

_NUMBERS = {
    "FD": "d",
    "FL": "f",
    "SL": "i",
    "SS": "h",
    "SV": "q",
    "UL": "I",
    "US": "H",
    "UV": "Q",
}
_BINARY = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value that was sent beside the data set; when it is `encapsulated`, each piece a frame or a
    stream that becomes one fragment."""

    pieces: Sequence[Piece]
    encapsulated: bool = False


def utf_8(text: str) -> bytes:
    return text.encode()


@dataclass(frozen=True, slots=True)
class Encoding:
    """How elements are written (PS3.5 §7.1, §7.3); `encode` turns texts to bytes and raises
    UnicodeError for one that its character set does not have."""

    implicit: bool = False
    big_endian: bool = False
    encode: Callable[[str], bytes] = utf_8

    def pack(self, form: str, *values: int | float) -> bytes:
        return struct.pack((">" if self.big_endian else "<") + form, *values)

    def header(self, tag: int, vr: str, length: int) -> bytes:
        head = self.pack("HH", tag >> 16, tag & 0xFFFF)
        if self.implicit:
            return head + self.pack("I", length)
        return head + vr.encode() + self.pack("H" if vr in _SHORT else "xxI", length)


EXPLICIT = Encoding()

BulkOf = Callable[[str, str], Bulk]
"""(path of the element, its BulkDataURI) -> the value. Raises Malformed."""


def part10(document: Json, *, transfer_syntax_uid: str, bulk_of: BulkOf) -> list[Piece]:
    """A Part 10 file of the data set, in pieces. Raises Malformed.

    transfer_syntax_uid  one with explicit VRs, little endian, not deflated
    """
    body = data_set(_with_charset(document), bulk_of=bulk_of)
    meta = _short(0x00020001, "OB", b"\0\1")
    for tag, key in ((0x00020002, "00080016"), (0x00020003, "00080018")):
        uid = first(document, key)
        if not isinstance(uid, str):
            raise Malformed(tag_text(int(key, 16)), "is missing")
        meta += _short(tag, "UI", _padded(uid.encode(), b"\0"))
    meta += _short(0x00020010, "UI", _padded(transfer_syntax_uid.encode(), b"\0"))
    meta += _short(0x00020012, "UI", _padded(IMPLEMENTATION_CLASS_UID.encode(), b"\0"))
    length = _short(0x00020000, "UL", struct.pack("<I", len(meta)))
    return [bytes(128) + b"DICM" + length + meta, *body]


def first(document: Mapping[str, Any], key: str) -> Any:
    """The first value of an attribute; None when there is none."""
    element = document.get(key)
    values = element.get("Value") if isinstance(element, dict) else None
    return values[0] if isinstance(values, list) and values else None


def data_set(
    document: Json,
    *,
    bulk_of: BulkOf,
    encoding: Encoding = EXPLICIT,
    path: str = "",
    depth: int = 0,
    where: str = "",
) -> list[Piece]:
    """The elements in order of tag, group 0002 and group lengths left out."""
    if depth > _DEPTH:
        raise Malformed(where, f"is nested in more than {_DEPTH} sequences")
    pieces: list[Piece] = []
    for key in sorted(document):
        tag = _tag_of(key, where)
        if tag >> 16 == 2 or not tag & 0xFFFF:
            continue
        element = document[key]
        name = f"{where}>{tag_text(tag)}" if where else tag_text(tag)
        vr = element.get("vr") if isinstance(element, dict) else None
        if vr not in _SHORT and vr not in _LONG:
            raise Malformed(name, f"has vr {str(vr)[:20]!r}, which is none of PS3.5 §6.2")
        if "BulkDataURI" in element:
            bulk = bulk_of(path + key, str(element["BulkDataURI"]))
            pieces += _bulk_element(tag, vr, bulk, name, encoding)
        elif vr == "SQ":
            items = _items(element, bulk_of, f"{path}{key}/", depth, name, encoding)
            pieces += _element(tag, vr, items, name, encoding)
        else:
            pieces += _element(tag, vr, [_value(vr, element, name, encoding)], name, encoding)
    return pieces


def _tag_of(key: object, where: str) -> int:
    try:
        if isinstance(key, str) and len(key) == 8:
            return int(key, 16)
    except ValueError:
        pass
    raise Malformed(where or "data set", f"has the key {str(key)[:20]!r}, which is no tag")


def _items(
    element: Json, bulk_of: BulkOf, path: str, depth: int, name: str, encoding: Encoding
) -> list[Piece]:
    items: list[Piece] = []
    values = element.get("Value", [])
    if not isinstance(values, list):
        raise Malformed(name, "has a Value that is no array")
    for number, item in enumerate(values):
        if not isinstance(item, dict | None):
            raise Malformed(name, f"has an item {number + 1} that is no data set")
        inner = data_set(
            item or {},
            bulk_of=bulk_of,
            encoding=encoding,
            path=f"{path}{number}/",
            depth=depth + 1,
            where=name,
        )
        items.append(_header_of_item(sum(map(piece_length, inner)), name, encoding))
        items += inner
    return items


def _header_of_item(length: int, name: str, encoding: Encoding) -> bytes:
    if length > LONGEST_FRAGMENT:
        raise Malformed(name, f"holds {length} bytes, a length field says {LONGEST_FRAGMENT}")
    return encoding.pack("HHI", 0xFFFE, 0xE000, length)


def _bulk_element(tag: int, vr: str, bulk: Bulk, name: str, encoding: Encoding) -> list[Piece]:
    if not bulk.encapsulated:
        return _element(tag, vr, bulk.pieces, name, encoding)
    # PS3.5 §A.4: the offset table is left empty when its offsets would not fit.
    lengths = [piece_length(piece) + piece_length(piece) % 2 for piece in bulk.pieces]
    offsets = [sum(lengths[:n]) + 8 * n for n in range(len(lengths))] if len(lengths) < 4096 else []
    table = b""
    if len(offsets) > 1 and offsets[-1] <= _UNDEFINED:
        table = struct.pack(f"<{len(offsets)}I", *offsets)
    pieces: list[Piece] = [
        encoding.header(tag, "OB", _UNDEFINED),
        _header_of_item(len(table), name, encoding),
        table,
    ]
    for piece, length in zip(bulk.pieces, lengths, strict=True):
        pieces += [_header_of_item(length, name, encoding), piece]
        if piece_length(piece) % 2:
            pieces.append(b"\0")
    return [*pieces, _SEQUENCE_END]


def _element(
    tag: int, vr: str, value: Sequence[Piece], name: str, encoding: Encoding
) -> list[Piece]:
    length = sum(map(piece_length, value))
    pad = length % 2
    blank = b"\0" if vr in _BINARY or vr == "UI" else b" "
    if length + pad > LONGEST_FRAGMENT:
        raise Malformed(name, f"holds {length} bytes, a value holds {LONGEST_FRAGMENT} at most")
    if length + pad > _LONGEST_SHORT and vr in _SHORT and not encoding.implicit:
        # PS3.5 §6.2.2: of a length that 16 bits cannot say the explicit VR is UN.
        vr = "UN"
    head = encoding.header(tag, vr, length + pad)
    return [head, *value, blank] if pad else [head, *value]


def _short(tag: int, vr: str, value: bytes) -> bytes:
    return EXPLICIT.header(tag, vr, len(value)) + value


def _padded(value: bytes, pad: bytes) -> bytes:
    return value + pad if len(value) % 2 else value


# Values


def _value(vr: str, element: Json, name: str, encoding: Encoding) -> bytes:
    if "InlineBinary" in element:
        try:
            content = b64decode(element["InlineBinary"], validate=True)
        except (NotBase64, TypeError, ValueError):
            raise Malformed(name, "has an InlineBinary that is no base64") from None
        if encoding.big_endian and vr in WORD_BYTES:
            return swap(content, WORD_BYTES[vr])
        return content
    values = element.get("Value", [])
    if not isinstance(values, list):
        raise Malformed(name, "has a Value that is no array")
    if vr in _BINARY and values:
        raise Malformed(name, f"is {vr} and has a Value, not InlineBinary or BulkDataURI")
    try:
        if vr == "AT":
            tags = [int(each, 16) for each in values]
            return b"".join(encoding.pack("HH", each >> 16, each & 0xFFFF) for each in tags)
        if vr in _NUMBERS:
            kind = float if vr in ("FD", "FL") else int
            numbers = [kind(0 if each is None else each) for each in values]
            return encoding.pack(f"{len(numbers)}{_NUMBERS[vr]}", *numbers)
        write = _name if vr == "PN" else _number if vr in ("DS", "IS") else _text
        return encoding.encode("\\".join("" if each is None else write(each) for each in values))
    except UnicodeError:
        raise
    except (TypeError, ValueError, struct.error, AttributeError, OverflowError):
        raise Malformed(name, f"has a Value that cannot be written as {vr}") from None


def _text(value: object) -> str:
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise TypeError
    return str(value)


def _number(value: object) -> str:
    """A DS has at most 16 characters (PS3.5 §6.2); the closest number that fits is taken."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    text = str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(value)
    digits = 16
    while len(text) > 16 and digits:
        digits -= 1
        text = f"{value:.{digits}g}"
    return text


def _name(value: Any) -> str:
    groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
    if not all(isinstance(group, str) for group in groups):
        raise TypeError
    return "=".join(groups).rstrip("=")


def _with_charset(document: Json) -> Json:
    """JSON and XML are Unicode, whatever character set the data set says; so it is written in
    UTF-8 unless ASCII is enough (PS3.18 §F.2)."""
    if is_ascii({key: value for key, value in document.items() if key != "00080005"}):
        return document
    return {**document, "00080005": {"vr": "CS", "Value": [UTF_8]}}


def is_ascii(value: object) -> bool:
    """Whether all texts in DICOM JSON are."""
    if isinstance(value, str):
        return value.isascii()
    if isinstance(value, dict):
        return all(map(is_ascii, value.values()))
    if isinstance(value, list):
        return all(map(is_ascii, value))
    return True
