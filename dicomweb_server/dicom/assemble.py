"""A data set and the bulk data sent beside it, put together as a Part 10 file (PS3.18 §10.5.2).

Compressed pixel data becomes an encapsulated Pixel Data of the transfer syntax its media type
means. "If the request message contains compressed Bulkdata with a Content Type that is one of the
media types specified in Table 10.5.2-1, the request may omit the Image Pixel Description Macro
Attributes and the origin server will derive them from the compressed octet stream": derived they
are; what the data set says otherwise is put right, the original kept (PS3.3 §C.12.1.1.9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dicomweb_server.dicom import original
from dicomweb_server.dicom.codestreams import (
    Colour,
    Header,
    jpeg2000_header,
    jpeg_header,
)
from dicomweb_server.dicom.errors import Damaged, Malformed, UnsupportedEncoding
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.part10 import tag_text
from dicomweb_server.dicom.source import Part, PiecedSource
from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    OCTET_STREAM,
    transfer_syntax,
)
from dicomweb_server.dicom.written import Bulk, first, part10

_JPEG = "1.2.840.10008.1.2.4"
_PIXEL_DATA = "7FE00010"
_HEADER_BYTES = 64 * 1024

DEFAULT_VIDEO = {
    "video/mp4": f"{_JPEG}.102",
    "video/mpeg": f"{_JPEG}.100",
    "video/mpeg2": f"{_JPEG}.100",
    "video/h265": f"{_JPEG}.107",
}
IMAGES = frozenset(
    {"image/jpeg", "image/jls", "image/jp2", "image/jpx", "image/jphc", "image/dicom-rle"}
)


@dataclass(frozen=True, slots=True)
class BulkPart:
    """One part of the request that is no metadata.

    media_type       lower case, without parameters
    transfer_syntax  the parameter of that name, "" when there is none
    """

    media_type: str
    transfer_syntax: str
    content: Part


@dataclass(frozen=True, slots=True)
class Assembled:
    """The file; `coerced` are the keywords of what was put right in it."""

    source: PiecedSource
    coerced: tuple[str, ...]


def assemble(document: Json, bulk: Mapping[str, Sequence[BulkPart]]) -> Assembled:
    """The instance of a data set whose BulkDataURIs are keys of `bulk`.

    Raises Malformed, Damaged and UnsupportedEncoding.
    """
    pixels = document.get(_PIXEL_DATA, {})
    parts: Sequence[BulkPart] = ()
    if isinstance(pixels, dict) and "BulkDataURI" in pixels:
        parts = bulk.get(str(pixels["BulkDataURI"]), ())
    syntax = _syntax_of(document, parts)
    encapsulated = transfer_syntax(syntax).encapsulated
    coerced: tuple[str, ...] = ()
    if parts and encapsulated:
        document, coerced = _described(document, parts, syntax)

    def bulk_of(path: str, uri: str) -> Bulk:
        found = bulk.get(uri)
        if not found:
            raise Malformed(
                tag_text(int(path.split("/")[-1], 16)),
                f"is {uri[:200]!r}, and no part has that Content-Location",
            )
        if path == _PIXEL_DATA and encapsulated:
            return Bulk([_codestream(part, syntax) for part in found], encapsulated=True)
        return Bulk([part.content for part in found])

    pieces = part10(document, transfer_syntax_uid=syntax, bulk_of=bulk_of)
    return Assembled(PiecedSource(pieces), coerced)


def _syntax_of(document: Json, parts: Sequence[BulkPart]) -> str:
    """The transfer syntax: what the parts of the pixel data are in."""
    said = first(document, "00020010")
    if not parts:
        return EXPLICIT_VR_LITTLE_ENDIAN
    part = parts[0]
    kinds = {(each.media_type, each.transfer_syntax) for each in parts}
    if len(kinds) > 1:
        raise Malformed("(7FE0,0010)", "has frames of different media types")
    if part.transfer_syntax:
        uid = part.transfer_syntax
    elif part.media_type == OCTET_STREAM:
        uid = str(said) if said and transfer_syntax(str(said)).encapsulated else ""
        uid = uid or EXPLICIT_VR_LITTLE_ENDIAN
    elif part.media_type in IMAGES:
        uid = _syntax_of_image(part)
    elif part.media_type in DEFAULT_VIDEO:
        said_video = bool(said) and transfer_syntax(str(said)).video
        uid = str(said) if said_video else DEFAULT_VIDEO[part.media_type]
    else:
        raise UnsupportedEncoding("", f"pixel data of {part.media_type} is not taken")
    syntax = transfer_syntax(uid)
    if syntax.implicit or syntax.big_endian:
        # PS3.18 §8.7.3: these "shall not be used with Web Services".
        raise UnsupportedEncoding(uid, "bulk data is little endian")
    if syntax.deflated:
        return EXPLICIT_VR_LITTLE_ENDIAN
    return uid


def _syntax_of_image(part: BulkPart) -> str:
    """What the codestream itself says it is."""
    head = _head(part)
    match part.media_type:
        case "image/jpeg":
            marker = _frame_marker(head)
            return {
                0xC0: f"{_JPEG}.50",
                0xC1: f"{_JPEG}.51",
                0xC3: f"{_JPEG}.70" if _predictor(head) == 1 else f"{_JPEG}.57",
            }.get(marker, f"{_JPEG}.50")
        case "image/jls":
            return f"{_JPEG}.81" if _near(head) else f"{_JPEG}.80"
        case "image/jp2" | "image/jpx":
            return f"{_JPEG}.90" if _coding(head).reversible else f"{_JPEG}.91"
        case "image/jphc":
            return f"{_JPEG}.201" if _coding(head).reversible else f"{_JPEG}.203"
        case _:
            return "1.2.840.10008.1.2.5"


def _head(part: BulkPart) -> bytes:
    return part.content.source.read_at(part.content.offset, min(part.content.length, _HEADER_BYTES))


def _segment(head: bytes, markers: frozenset[int]) -> tuple[int, bytes]:
    """The first segment of a JPEG or JPEG-LS header with one of the markers: which, and its
    content; (0, b"") when there is none."""
    at = 2
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        length = int.from_bytes(head[at + 2 : at + 4], "big")
        if marker in markers:
            return marker, head[at + 4 : at + 2 + length]
        if length < 2:
            break
        at += 2 + length
    return 0, b""


_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def _frame_marker(head: bytes) -> int:
    return _segment(head, _FRAMES)[0]


def _predictor(head: bytes) -> int:
    """Ss of the scan header of lossless JPEG: the predictor (ISO/IEC 10918-1 §B.2.3)."""
    _, scan = _segment(head, frozenset({0xDA}))
    at = 1 + 2 * scan[0] if scan else 0
    return scan[at] if at < len(scan) else 1


def _near(head: bytes) -> int:
    """NEAR of a JPEG-LS scan header: 0 is lossless (ISO/IEC 14495-1 §C.2.3)."""
    return _predictor(head) if _segment(head, frozenset({0xDA}))[1] else 0


@dataclass(frozen=True, slots=True)
class _Coding:
    """COD of JPEG 2000 (ISO/IEC 15444-1 §A.6.1)."""

    reversible: bool
    transformed: bool


def _coding(head: bytes) -> _Coding:
    start = head.find(b"\xff\x4f\xff\x51")
    at = head.find(b"\xff\x52", max(0, start))
    if start < 0 or at < 0 or len(head) < at + 14:
        raise Damaged("JPEG 2000 codestream", "has no COD")
    return _Coding(reversible=head[at + 13] == 1, transformed=head[at + 8] == 1)


def _codestream(part: BulkPart, syntax: str) -> Part:
    """The codestream alone: the boxes of a JP2 file have no place in DICOM (PS3.5 §A.4.4)."""
    content = part.content
    if part.media_type in ("image/jp2", "image/jpx", "image/jphc"):
        start = max(0, _head(part).find(b"\xff\x4f\xff\x51"))
        return Part(content.source, content.offset + start, content.length - start)
    return content


# Image Pixel Description Macro


def _described(
    document: Json, parts: Sequence[BulkPart], syntax: str
) -> tuple[Json, tuple[str, ...]]:
    """The data set with what its frames say of themselves."""
    derived: dict[str, dict[str, Any]] = {}
    if not transfer_syntax(syntax).video and parts[0].media_type in IMAGES:
        derived = _pixel_attributes(parts[0], syntax)
        if len(parts) > 1:
            derived["00280008"] = {"vr": "IS", "Value": [len(parts)]}
    if not transfer_syntax(syntax).lossless and "00282110" not in document:
        derived["00282110"] = {"vr": "CS", "Value": ["01"]}
    wrong = {
        key: element
        for key, element in derived.items()
        if first(document, key) is not None and first(document, key) != element["Value"][0]
    }
    # Samples may be wider than what they hold, and there are several names for one photometric
    # interpretation: what the sender says of these is not contradicted by the codestream.
    for key in ("00280004", "00280100", "00280101", "00280102", "00280103", "00280006"):
        wrong.pop(key, None)
    missing = {key: element for key, element in derived.items() if first(document, key) is None}
    completed = dict(sorted({**document, **missing}.items()))
    if not wrong:
        return completed, ()
    corrected = original.corrected(completed, wrong, reason=original.COERCE)
    return corrected, tuple(sorted(tag_text(int(key, 16)) for key in wrong))


def _pixel_attributes(part: BulkPart, syntax: str) -> dict[str, dict[str, Any]]:
    head = _head(part)
    if part.media_type == "image/dicom-rle":
        return {}
    if part.media_type in ("image/jpeg", "image/jls"):
        content = part.content
        header = jpeg_header(content.source.read_at(content.offset, content.length))
    else:
        header = jpeg2000_header(head)
    allocated = 8 if header.precision <= 8 else 16 if header.precision <= 16 else 32
    derived: dict[str, Any] = {
        "00280002": header.samples,
        "00280004": _photometric(header, part, syntax, head),
        "00280010": header.rows,
        "00280011": header.columns,
        "00280100": allocated,
        "00280101": header.precision,
        "00280102": header.precision - 1,
        "00280103": int(bool(header.signed)),
    }
    if header.samples > 1:
        derived["00280006"] = 0
    return {
        key: {"vr": "CS" if key == "00280004" else "US", "Value": [value]}
        for key, value in derived.items()
    }


def _photometric(header: Header, part: BulkPart, syntax: str, head: bytes) -> str:
    """PS3.5 §8.2: what the colour transform of the codestream makes of it."""
    if header.samples == 1:
        return "MONOCHROME2"
    if part.media_type in ("image/jp2", "image/jpx", "image/jphc"):
        coding = _coding(head)
        if not coding.transformed:
            return "RGB"
        return "YBR_RCT" if coding.reversible else "YBR_ICT"
    lossy = not transfer_syntax(syntax).lossless
    if part.media_type == "image/jpeg" and lossy and header.colour is not Colour.RGB:
        return "YBR_FULL_422"
    return "RGB"
