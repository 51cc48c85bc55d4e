"""Texts out of bytes: Specific Character Set (0008,0005), PS3.3 §C.12.1.1.2 and PS3.5 §6.1.

Nothing here fails: what a character set does not know becomes U+FFFD, a character set nobody knows
is read as Latin-1 (so that every byte is seen), and the file itself is kept as received anyway.

The tables are pydicom's; the decoding is ours, because pydicom's leaves the escape sequence of
ISO 2022 IR 58 in the text and warns through a global that threads share.
"""

import re
from functools import lru_cache

from pydicom.charset import CODES_TO_ENCODINGS, STAND_ALONE_ENCODINGS, python_encoding

Charset = tuple[str, ...]
"""Python codecs: the first is in force at the beginning of a value, the others by escape."""

LATIN_1 = "iso8859"
DEFAULT: Charset = (LATIN_1,)
"""No Specific Character Set: ISO IR 6, read as Latin-1."""

_ESCAPE = b"\x1b"
_PARTS = re.compile(b"(^[^\x1b]+|\x1b[^\x1b]*)")
_RESETS = re.compile(rb"[\t\n\f\r]")
_KEEPS_ESCAPES = ("iso2022_jp", "iso2022_jp_2")
"""Python codecs that want to see the escape sequence."""

_ALIASES = {"UTF8": "UTF8", "UTF-8": "UTF8", "ISO_IR_192": "UTF8", "GB2312": "GB18030"}
"""What some writers put in (0008,0005) instead of a defined term."""

_LATIN_9 = "iso8859_15"
_CODECS = {"ISO_IR 203": _LATIN_9, "ISO 2022 IR 203": _LATIN_9} | python_encoding
_CODEC_BY_ESCAPE = {b"\x1b-b": _LATIN_9} | CODES_TO_ENCODINGS
"""PS3.3 Tables C.12-2 and C.12-3: pydicom 3.0.2 lacks Latin alphabet no. 9, Latin-1 with a euro."""


def charset_named(term: str) -> Charset:
    """The character set with that defined term. Raises ValueError when there is none."""
    if term not in _CODECS or not term:
        raise ValueError(f"{term!r} is no defined term of (0008,0005), such as GB18030")
    return charset_of(term.encode("latin-1"))


@lru_cache(maxsize=256)
def charset_of(value: bytes) -> Charset:
    """The character set that a value of (0008,0005) names; DEFAULT when it is empty."""
    terms = [term.strip("\0 ") for term in value.decode("latin-1").split("\\")]
    codecs = [_codec(term) for term in terms]
    if terms[0] in STAND_ALONE_ENCODINGS:
        return (codecs[0],)
    # PS3.5 §6.1.2.5.4: those without code extensions cannot be switched to.
    return (
        codecs[0],
        *(
            codec
            for term, codec in zip(terms[1:], codecs[1:], strict=True)
            if term not in STAND_ALONE_ENCODINGS
        ),
    )


def _codec(term: str) -> str:
    known = _CODECS.get(term) or _ALIASES.get(term.upper())
    if known:
        return known
    # ISO IR 100, ISO-IR 100 and ISO 2022-IR-100 are common misspellings.
    words = re.split(r"[ _-]+", term.upper())
    if words[:2] == ["ISO", "IR"]:
        return _CODECS.get(f"ISO_IR {' '.join(words[2:])}", LATIN_1)
    if words[:3] == ["ISO", "2022", "IR"]:
        return _CODECS.get(f"ISO 2022 IR {' '.join(words[3:])}", LATIN_1)
    return LATIN_1


def decode(value: bytes, charset: Charset) -> str:
    """The text of a value, its padding included."""
    if _ESCAPE in value:
        return "".join(_decode_part(part, charset) for part in _PARTS.findall(value))
    try:
        return value.decode(charset[0])
    except UnicodeDecodeError:
        return value.decode(charset[0], errors="replace")


def _decode_part(part: bytes, charset: Charset) -> str:
    """One part of a text with code extensions: up to the first escape, or from one to the next.

    PS3.5 §6.1.2.5.3: TAB, LF, FF and CR switch back to what is in force at the beginning. An
    escape sequence that (0008,0005) does not announce is believed all the same: it says what it is.
    """
    if not part.startswith(_ESCAPE):
        return part.decode(charset[0], errors="replace")
    length = 4 if part.startswith((b"\x1b$(", b"\x1b$)")) else 3
    codec = _CODEC_BY_ESCAPE.get(part[:length])
    if codec is None:
        return part.decode(charset[0], errors="replace")
    if codec in _KEEPS_ESCAPES:
        return part.decode(codec, errors="replace")
    text = part[length:]
    reset = _RESETS.search(text)
    if reset is None:
        return text.decode(codec, errors="replace")
    end = reset.start()
    return text[:end].decode(codec, errors="replace") + text[end:].decode(
        charset[0], errors="replace"
    )
