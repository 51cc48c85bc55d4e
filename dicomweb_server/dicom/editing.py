"""A received file with other attributes at its top level: all other bytes stay where they are.

Only what changes is written, in the transfer syntax and character set of the file; the rest are
parts of the file, pixel data foremost, so that an edit of an instance costs its header. What was
there before goes into Original Attributes Sequence (original.py).

When the character set does not have a text that is wanted, the whole data set goes over to UTF-8:
elements with texts beyond ASCII are written anew, those are few. A deflated data set becomes
Explicit VR Little Endian, since nothing in it can be changed in place. Group lengths (retired) of
groups that change are left out.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any

from pydicom.charset import encode_string

from dicomweb_server.dicom import json_model, original
from dicomweb_server.dicom.attributes import vr_of
from dicomweb_server.dicom.charset import DEFAULT, Charset, decode
from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dicom.json_model import BULK_DATA, Json
from dicomweb_server.dicom.part10 import (
    Limits,
    Opened,
    charset_in,
    charset_inside,
    extents_of,
    find,
    open_data_set,
    tag_text,
)
from dicomweb_server.dicom.source import Part, Piece, PiecedSource, Source
from dicomweb_server.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from dicomweb_server.dicom.written import UTF_8, Bulk, Encoding, data_set, part10

_CHARACTER_SET = "00080005"
_IN_CHARACTER_SET = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs that are in the character set (PS3.5 §6.1.2.2)."""
_DELIMITERS = re.compile(r"([\\^=\r\n\t\f])")


def edited(
    source: Source,
    changes: Mapping[str, Any],
    *,
    reason: str,
    at: datetime,
    limits: Limits,
) -> PiecedSource | None:
    """The file with these elements (DICOM JSON, by tag) instead of its own; None when it says all
    of that already.

    Raises Malformed for a value that cannot be written, and what reading raises.
    """
    opened = open_data_set(source, limits=limits)
    document = json_model.document(opened.structure)
    before = json_model.listed(
        {key: document[key] for key in (*changes, original.SEQUENCE) if key in document}
    )
    wanted = {
        key: element
        for key, element in changes.items()
        if _plain(before.get(key)) != _plain(element)
    }
    if not wanted:
        return None
    kept = list(before.get(original.SEQUENCE, {}).get("Value", ()))
    kept.append(original.item(before, wanted, reason=reason, at=at))
    written: Json = {**wanted, original.SEQUENCE: {"vr": "SQ", "Value": kept}}
    # Not the one that is assumed: whoever reads what is written has to be told.
    charset = charset_in(opened.structure.data_set, otherwise=DEFAULT)
    try:
        return _spliced(opened, source, written, _encoding(opened, _encoder(charset)))
    except UnicodeError:
        written = {
            **_texts(opened, document),
            **{key: _read(opened, element) for key, element in written.items()},
            _CHARACTER_SET: {"vr": "CS", "Value": [UTF_8]},
        }
        return _spliced(opened, source, written, _encoding(opened, str.encode))


def _texts(opened: Opened, document: Json) -> Json:
    """The elements with texts beyond ASCII, or with texts so long that the document only refers to
    them; all as they are to be written in another character set."""
    found: Json = {}
    for key, element in document.items():
        encoded = json_model.encode(element)
        if encoded.isascii() and b'"BulkDataURI"' not in encoded:
            continue
        listed = json_model.listed(element)
        read = _read(opened, listed)
        if read != listed or not encoded.isascii():
            found[key] = read
    return found


def _read(opened: Opened, element: Json) -> Json:
    """An element with the texts that it only refers to, and its items without character sets of
    their own."""
    if element.get("vr") == "SQ":
        items = [
            {key: _read(opened, each) for key, each in item.items() if key != _CHARACTER_SET}
            for item in element.get("Value", ())
        ]
        return {"vr": "SQ", "Value": items} if items else element
    if "BulkDataURI" not in element:
        return element
    tag, found, inside = find(opened.structure, element["BulkDataURI"].removeprefix(BULK_DATA))
    # UN is what a text too long for its VR was written as (PS3.5 §6.2.2).
    vr = element["vr"] if element["vr"] != "UN" else vr_of(json_model.key_of(tag))
    if vr not in _IN_CHARACTER_SET:
        return element
    value = opened.source.read_at(found.offset, found.length)
    text = decode(value, charset_inside(opened.structure, inside)).rstrip(" \0")
    return {"vr": vr, "Value": [{"Alphabetic": text} if vr == "PN" else text]}


def _plain(element: Any) -> Any:
    """An element's values, absent and empty being the same."""
    if element is None:
        return None
    return element.get("Value") or element.get("InlineBinary") or element.get("BulkDataURI") or None


def _encoding(opened: Opened, encode: Any) -> Encoding:
    if opened.syntax.deflated:
        return Encoding(encode=encode)
    return Encoding(
        implicit=opened.syntax.implicit, big_endian=opened.syntax.big_endian, encode=encode
    )


def _encoder(charset: Charset) -> Any:
    """Turns texts to bytes of a character set. PS3.5 §6.1.2.5.3: code extensions end at each
    delimiter, so what is between two of them is encoded by itself."""

    def encode(text: str) -> bytes:
        if text.isascii():
            return text.encode()
        if charset == DEFAULT:
            raise UnicodeEncodeError("ascii", text, 0, 1, "no Specific Character Set")
        encoded = b"".join(_encoded(part, charset) for part in _DELIMITERS.split(text))
        if decode(encoded, charset) != text:
            raise UnicodeEncodeError(charset[0], text, 0, 1, "does not come back as it was")
        return encoded

    return encode


def _encoded(part: str, charset: Charset) -> bytes:
    if part.isascii():
        return part.encode()
    for codec in charset:
        try:
            part.encode(codec)
        except UnicodeError:
            continue
        return encode_string(part, list(charset))
    raise UnicodeEncodeError(charset[0], part, 0, 1, "is in none of the character sets")


def _spliced(opened: Opened, source: Source, written: Json, encoding: Encoding) -> PiecedSource:
    """The file with the written elements at their places, the others as they are."""
    body = opened.source
    spans = _spans(opened)
    groups = {int(key[:4], 16) for key in written}
    new = {
        int(key, 16): data_set(
            {key: element}, bulk_of=lambda path, uri: _again(opened, uri), encoding=encoding
        )
        for key, element in written.items()
    }
    pieces: list[Piece] = []
    waiting = sorted(new)
    for tag, start, end in spans:
        while waiting and waiting[0] <= tag:
            pieces += new[waiting.pop(0)]
        outdated = not tag & 0xFFFF and tag >> 16 in groups
        if tag not in new and not outdated:
            pieces.append(Part(body, start, end - start))
    for tag in waiting:
        pieces += new[tag]
    if opened.syntax.deflated:
        return PiecedSource([*_head(opened), *pieces])
    return PiecedSource([Part(source, 0, opened.structure.data_set.offset), *pieces])


def _head(opened: Opened) -> list[Piece]:
    """Preamble and File Meta Information of a data set that is no longer deflated."""
    document = json_model.document(opened.structure)
    uids = {key: document[key] for key in ("00080016", "00080018")}
    whole = part10(
        uids,
        transfer_syntax_uid=EXPLICIT_VR_LITTLE_ENDIAN,
        bulk_of=lambda path, uri: Bulk(()),
    )
    return whole[:1]


def _again(opened: Opened, uri: str) -> Bulk:
    """A large value within an element that is written anew: where it lies already."""
    _, element, _ = find(opened.structure, uri.removeprefix(BULK_DATA))
    extents = extents_of(element)
    return Bulk([Part(opened.source, extent.offset, extent.length) for extent in extents])


def _spans(opened: Opened) -> list[tuple[int, int, int]]:
    """Tag, first and last byte of each element at the top level, header and delimiters included, in
    the order of the file: they follow one another without gaps."""
    elements = opened.structure.data_set.elements
    starts = sorted((_start(opened, tag, element.offset), tag) for tag, element in elements.items())
    ends = [*(start for start, _ in starts[1:]), opened.source.length]
    if not all(first <= second for first, second in pairwise([start for start, _ in starts])):
        raise Malformed("data set", "has elements that overlap")
    return [(tag, start, end) for (start, tag), end in zip(starts, ends, strict=True)]


def _start(opened: Opened, tag: int, offset: int) -> int:
    """Where the header of an element begins, whose value is at `offset`: 8 or 12 bytes before."""
    order: Any = "big" if opened.syntax.big_endian else "little"
    name = (tag >> 16).to_bytes(2, order) + (tag & 0xFFFF).to_bytes(2, order)
    for length in (8, 12):
        if opened.source.read_at(offset - length, 4) == name:
            return offset - length
    raise Malformed(tag_text(tag), "has no header before its value")
