"""What a compressed frame says of itself in its header, read before anything is decoded.

JPEG (ISO/IEC 10918-1 §B), JPEG-LS (ISO/IEC 14495-1 §C), JPEG 2000 and HTJ2K (ISO/IEC 15444-1 §A).
The data set may say otherwise; which of them is believed is decode.py's matter.
"""

from dataclasses import dataclass
from enum import Enum
from struct import unpack_from

from dicomweb_server.dicom.errors import Damaged


class Colour(Enum):
    """What the codestream says of its three components."""

    UNSAID = "unsaid"
    RGB = "RGB"
    YCC = "YCC"


@dataclass(frozen=True, slots=True)
class Header:
    """rows, columns  of the picture; `samples` components of `precision` bits each
    signed         None where a codestream cannot say (JPEG, JPEG-LS)
    """

    rows: int
    columns: int
    samples: int
    precision: int
    signed: bool | None = None
    colour: Colour = Colour.UNSAID


_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
# SOF0 to SOF15 but for DHT (C4), JPG (C8) and DAC (CC), and SOF55 of JPEG-LS
_FRAMES = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_SOS = 0xDA
_APP0, _APP14 = 0xE0, 0xEE
_RGB_NAMES = ([82, 71, 66], [114, 103, 98])


def jpeg_header(codestream: bytes) -> Header:
    """Of a JPEG or JPEG-LS codestream.

    Colour is what Adobe's APP14 says, else components named R, G, B, else JFIF, which is YCC.
    Raises Damaged when there is no frame header, or no end: a decoder fills what is missing with
    grey, which is not a picture to diagnose from.
    """
    if codestream[:2] != _SOI:
        raise Damaged("JPEG codestream", "does not begin with SOI")
    adobe: int | None = None
    jfif = False
    at = 2
    while at + 4 <= len(codestream):
        if codestream[at] != 0xFF:
            break
        marker = codestream[at + 1]
        if marker == 0xFF or marker in _STANDALONE:
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(codestream[at + 2 : at + 4], "big")
        segment = codestream[at + 4 : at + 2 + length]
        if marker in _FRAMES and len(segment) >= 6:
            precision, rows, columns, samples = unpack_from(">BHHB", segment)
            names = list(segment[6 : 6 + 3 * samples : 3])
            # EOI cannot stand within entropy-coded data, where FF is followed by 00 or a restart.
            if codestream.rfind(_EOI, at) < 0:
                raise Damaged("JPEG codestream", f"ends without EOI after {len(codestream)} bytes")
            return Header(rows, columns, samples, precision, None, _jpeg_colour(adobe, names, jfif))
        if marker == _APP14 and segment[:5] == b"Adobe" and len(segment) >= 12:
            adobe = segment[11]
        if marker == _APP0 and segment[:4] == b"JFIF":
            jfif = True
        if marker == _SOS or length < 2:
            break
        at += 2 + length
    raise Damaged("JPEG codestream", "has no frame header")


def _jpeg_colour(adobe: int | None, names: list[int], jfif: bool) -> Colour:
    if adobe == 1:
        return Colour.YCC
    if names in _RGB_NAMES:
        return Colour.RGB
    # Adobe's 0 only means that it is not said: dcmtk writes it on YBR codestreams too.
    return Colour.YCC if jfif and adobe is None else Colour.UNSAID


_SOC_SIZ = b"\xff\x4f\xff\x51"
_JP2_BOXES_LIMIT = 65536


def jpeg2000_header(codestream: bytes) -> Header:
    """Of a JPEG 2000 or HTJ2K codestream, also within the boxes of a JP2 file, which PS3.5 §A.4.4
    forbids and some writers leave. Raises Damaged."""
    at = codestream.find(_SOC_SIZ, 0, _JP2_BOXES_LIMIT)
    if at < 0 or len(codestream) < at + 43:
        raise Damaged("JPEG 2000 codestream", "has no SOC and SIZ")
    right, bottom, left, top = unpack_from(">4I", codestream, at + 8)
    samples, depth = unpack_from(">HB", codestream, at + 40)
    if right <= left or bottom <= top:
        raise Damaged("JPEG 2000 codestream", "declares no samples")
    return Header(bottom - top, right - left, samples, (depth & 0x7F) + 1, depth >= 0x80)
