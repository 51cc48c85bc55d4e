"""Small data sets of messages: bytes <-> DICOM JSON (PS3.18 §F.2), in the peer's character set.

Identifiers, worklist items, attribute lists. What comes in is read by the same bounded reader as
files are. What goes out is written here; a text that the peer's character set does not have turns
the whole data set to ISO_IR 192, which it then says: never a `?` in a patient's name.
"""

import re
from base64 import b64decode
from codecs import charmap_build, charmap_encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from struct import Struct, pack
from typing import Any, Final

from dicomweb_server.dicom.attributes import vr_of
from dicomweb_server.dicom.charset import charset_of
from dicomweb_server.dicom.json_model import Json, document, listed
from dicomweb_server.dicom.part10 import Limits, read_structure
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_BIG_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)

SPECIFIC_CHARACTER_SET: Final = "00080005"
DEFAULT_CHARSET: Final = "ISO_IR 192"

IDENTIFIER_BYTES: Final = 8 * 2**20
"""Identifiers are some kilobytes; a list of UIDs or of referenced instances may be long."""

_ELEMENTS: Final = 500_000

CHARSETS: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("ascii",),
    "ISO_IR 6": ("ascii",),
    "ISO_IR 100": ("latin_1",),
    "ISO_IR 101": ("iso8859_2",),
    "ISO_IR 109": ("iso8859_3",),
    "ISO_IR 110": ("iso8859_4",),
    "ISO_IR 144": ("iso8859_5",),
    "ISO_IR 127": ("iso8859_6",),
    "ISO_IR 126": ("iso8859_7",),
    "ISO_IR 138": ("iso8859_8",),
    "ISO_IR 148": ("iso8859_9",),
    "ISO_IR 166": ("tis_620",),
    "ISO_IR 203": ("iso8859_15",),
    "ISO_IR 13": ("jis_x0201",),
    "ISO_IR 192": ("utf_8",),
    "GB18030": ("gb18030",),
    "GBK": ("gbk",),
    "\\ISO 2022 IR 58": ("ascii", "gb2312"),
    "\\ISO 2022 IR 87": ("ascii", "iso2022_jp"),
    "\\ISO 2022 IR 149": ("ascii", "euc_kr"),
    "ISO 2022 IR 100\\ISO 2022 IR 58": ("latin_1", "gb2312"),
}
"""Values of Specific Character Set (0008,0005) that a peer may be answered in (PS3.3 §C.12.1.1.2),
and the codecs: the first holds at the beginning of a component, the others by escape."""

_JIS_X0201 = "jis_x0201"
_OF_JIS_X0201: Final = charmap_build(
    "".join(map(chr, range(0x80)))
    + "\ufffe" * 0x21
    + "".join(map(chr, range(0xFF61, 0xFFA0)))
    + "\ufffe" * 0x20
)
"""Romaji and half-width katakana, a byte each. Python has no codec of it; its shift_jis, which
everybody reads it with, writes kanji too. The bytes 5C and 7E are a yen sign and an overline here
but are read as ASCII's, and 5C separates values: both signs are left to ISO_IR 192."""

_ESCAPES = {"gb2312": b"\x1b$)A", "euc_kr": b"\x1b$)C", "iso2022_jp": b""}
"""Python's iso2022_jp writes its escape sequences itself, and the one back to ASCII."""

_TO_JIS_X0201 = b"\x1b(J"
"""What iso2022_jp writes a yen sign or an overline with, which ISO 2022 IR 87 does not announce."""

_LONG_VRS = frozenset(
    ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]
)
_IN_CHARSET = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])
_COMPONENTS = re.compile(r"([\^=\\\r\n\f\t])")
_NUMBERS = {
    vr: Struct("<" + letter)
    for vr, letter in zip(["US", "SS", "UL", "SL", "FL", "FD", "UV", "SV"], "HhIifdQq", strict=True)
}

_BINARY = frozenset(["AT", *_NUMBERS])


@lru_cache(maxsize=32)
def _limits(charset: str) -> Limits:
    """Every item counts as held: all of them become objects."""
    return Limits(
        skeleton_bytes=IDENTIFIER_BYTES,
        elements=_ELEMENTS,
        held_items=_ELEMENTS,
        depth=16,
        charset=charset_of(charset.encode("ascii")),
    )


def read(raw: bytes, *, transfer_syntax_uid: str, charset: str = DEFAULT_CHARSET) -> Json:
    """A data set as DICOM JSON. Raises Malformed and TooLarge.

    charset  what texts are read in when the data set does not say, which it does not either by a
             Specific Character Set without any value
    """
    structure = read_structure(
        BytesSource(raw),
        offset=0,
        implicit=transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN,
        big_endian=transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN,
        limits=_limits(charset),
    )
    found = listed(document(structure))
    if not any(found.get(SPECIFIC_CHARACTER_SET, {}).get("Value", ())):
        found.pop(SPECIFIC_CHARACTER_SET, None)
    return found


def write(item: Json, *, transfer_syntax_uid: str, charset: str = DEFAULT_CHARSET) -> bytes:
    """A data set with the attributes of `item`, and Specific Character Set when it needs one."""
    implicit = transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN
    try:
        return _write(item, implicit=implicit, charset=charset)
    except UnicodeEncodeError:
        return _write(item, implicit=implicit, charset=DEFAULT_CHARSET)


def _write(item: Json, *, implicit: bool, charset: str) -> bytes:
    codecs = CHARSETS[charset]
    parts: list[bytes] = []
    needed = False
    for key in sorted(item):
        if key == SPECIFIC_CHARACTER_SET:
            continue
        part, plain = _element(key, item[key], implicit=implicit, codecs=codecs)
        needed |= not plain
        parts.append(part)
    if needed and charset:
        named = {"vr": "CS", "Value": charset.split("\\")}
        part, _ = _element(SPECIFIC_CHARACTER_SET, named, implicit=implicit, codecs=("ascii",))
        # (0008,0005) goes before everything but group lengths, which are not written.
        position = sum(key < SPECIFIC_CHARACTER_SET for key in item)
        parts.insert(position, part)
    return b"".join(parts)


def _element(
    key: str, element: Mapping[str, Any], *, implicit: bool, codecs: tuple[str, ...]
) -> tuple[bytes, bool]:
    """An encoded element, and whether it is ASCII only."""
    vr: str = element.get("vr") or vr_of(key)
    values = element.get("Value")
    plain = True
    if vr not in _BINARY and (text := _plain_text(values)):
        value = text.encode("ascii")
    elif vr == "SQ":
        value, plain = _items(values or (), implicit=implicit, codecs=codecs)
    elif values:
        value, plain = _value(vr, values, codecs)
    else:
        value = b64decode(element["InlineBinary"]) if "InlineBinary" in element else b""
    if len(value) % 2:
        value += b"\0" if vr in ("UI", "OB", "UN") else b" "
    if len(value) > _LONGEST_SHORT and vr not in _LONG_VRS:
        # PS3.5 §6.2.2: of a length that 16 bits cannot say the explicit VR is UN.
        vr = "UN"
    head, length = _head(key, vr, implicit=implicit)
    return head + length.pack(len(value)) + value, plain


def _plain_text(values: Sequence[Any] | None) -> str | None:
    """The one value there is, when it is a text in ASCII: most are, and a query has thousands."""
    if values and len(values) == 1 and isinstance(values[0], str) and values[0].isascii():
        return values[0]
    return None


_SHORT, _LONG = Struct("<H"), Struct("<I")
_LONGEST_SHORT = 0xFFFE


@lru_cache(maxsize=4096)
def _head(key: str, vr: str, *, implicit: bool) -> tuple[bytes, Struct]:
    """What goes before the length of an element, and how that is written (PS3.5 §7.1)."""
    tag = pack("<HH", int(key[:4], 16), int(key[4:], 16))
    if implicit:
        return tag, _LONG
    if vr in _LONG_VRS:
        return tag + vr.encode() + b"\0\0", _LONG
    return tag + vr.encode(), _SHORT


def _items(items: Iterable[Json], *, implicit: bool, codecs: tuple[str, ...]) -> tuple[bytes, bool]:
    written: list[bytes] = []
    all_plain = True
    for item in items:
        parts = []
        for key in sorted(item):
            part, plain = _element(key, item[key], implicit=implicit, codecs=codecs)
            all_plain &= plain
            parts.append(part)
        body = b"".join(parts)
        written.append(pack("<HHI", 0xFFFE, 0xE000, len(body)) + body)
    return b"".join(written), all_plain


def _value(vr: str, values: Iterable[Any], codecs: tuple[str, ...]) -> tuple[bytes, bool]:
    if vr == "PN":
        text = "\\".join(map(_name, values))
    elif vr in _NUMBERS:
        packing = _NUMBERS[vr]
        return b"".join(packing.pack(value) for value in values if value is not None), True
    elif vr == "AT":
        return b"".join(pack("<HH", int(v[:4], 16), int(v[4:], 16)) for v in values), True
    else:
        text = "\\".join(map(_text, values))
    if text.isascii():
        return text.encode("ascii"), True
    if vr not in _IN_CHARSET:
        # Only these VRs are in the character set at all (PS3.5 §6.1.2.2); what somebody stored in
        # another was read as Latin-1 and goes out with its bytes. What is not from a file goes out
        # in the character set: no letter is dropped, which would make another value of it.
        with suppress(UnicodeEncodeError):
            return text.encode("latin-1"), True
    return encode_text(text, codecs), False


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, float):
        short = repr(value)
        return short if len(short) <= 16 else f"{value:.10g}"
    return str(value)


def _name(value: Mapping[str, str] | str | None) -> str:
    """The three component groups of a name (PS3.5 §6.2.1)."""
    if value is None or isinstance(value, str):
        return value or ""
    groups = [value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")]
    return "=".join(groups).rstrip("=")


def encode_text(text: str, codecs: tuple[str, ...]) -> bytes:
    """A text in a character set. Raises UnicodeEncodeError when it does not have a character.

    With code extensions every component begins anew: PS3.5 §6.1.2.5.3 switches back at `^`, `=`,
    `\\` and control characters.
    """
    if len(codecs) == 1:
        return _encoded(text, codecs[0])
    return b"".join(_component(part, codecs) for part in _COMPONENTS.split(text))


def _component(text: str, codecs: tuple[str, ...]) -> bytes:
    failure: UnicodeEncodeError | None = None
    for codec in codecs:
        try:
            encoded = _encoded(text, codec)
        except UnicodeEncodeError as error:
            failure = failure or error
            continue
        return encoded if codec == codecs[0] else _ESCAPES[codec] + encoded
    assert failure is not None
    raise failure


def _encoded(text: str, codec: str) -> bytes:
    if codec == _JIS_X0201:
        return charmap_encode(text, "strict", _OF_JIS_X0201)[0]
    encoded = text.encode(codec)
    if codec == "iso2022_jp" and _TO_JIS_X0201 in encoded:
        raise UnicodeEncodeError(codec, text, 0, len(text), "a character of ISO 2022 IR 13")
    return encoded
