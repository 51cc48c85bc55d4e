"""Part 10 files by the line, for every test of the project (PS3.10 §7.1, PS3.5 §7).

    part10(rows=2, columns=3, frames=2)                       a small CT with pixels 0, 1, 2 ...
    part10(PatientName="Doe^Jane", StudyDate="20240131")      keywords of PS3.6
    part10(extra={0x00091001: element(0x00091001, "LO", b"x")})   what no keyword can say

Nothing is checked: a test that wants a broken file gets one.
"""

import struct
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"

STUDY_UID = "1.2.826.0.1.3680043.8.1"
SERIES_UID = "1.2.826.0.1.3680043.8.1.1"
INSTANCE_UID = "1.2.826.0.1.3680043.8.1.1.1"

UNDEFINED = 0xFFFFFFFF
LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})
NUMBERS = {
    "FD": "d",
    "FL": "f",
    "SL": "i",
    "SS": "h",
    "SV": "q",
    "UL": "I",
    "US": "H",
    "UV": "Q",
}

Value = Any
"""str, int, float, bytes, None, a sequence of those, or for SQ a sequence of mappings."""


def element(
    tag: int,
    vr: str,
    value: bytes,
    *,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    length: int | None = None,
) -> bytes:
    """One encoded element; `length` overrides what the length field says."""
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    claimed = len(value) if length is None else length
    head = struct.pack(order + "HH", tag >> 16, tag & 0xFFFF)
    if transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN:
        return head + struct.pack(order + "I", claimed) + value
    if vr in LONG_VRS:
        return head + vr.encode() + b"\0\0" + struct.pack(order + "I", claimed) + value
    return head + vr.encode() + struct.pack(order + "H", claimed) + value


def item(content: bytes, *, length: int | None = None, transfer_syntax_uid: str = "") -> bytes:
    """An item (FFFE,E000) around `content`: a sequence's item or a fragment."""
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    claimed = len(content) if length is None else length
    return struct.pack(order + "HHI", 0xFFFE, 0xE000, claimed) + content


ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def encapsulated(fragments: Iterable[bytes], *, offset_table: Sequence[int] = ()) -> bytes:
    """The value of encapsulated Pixel Data: offset table, fragments, delimiter (PS3.5 §A.4)."""
    table = struct.pack(f"<{len(offset_table)}I", *offset_table)
    return item(table) + b"".join(item(fragment) for fragment in fragments) + SEQUENCE_END


def encode(vr: str, value: Value, *, transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN) -> bytes:
    """The bytes of a value; texts are UTF-8, padded to even length."""
    order = ">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<"
    if value is None:
        return b""
    if isinstance(value, bytes):
        return value
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if vr == "SQ":
        return b"".join(
            item(
                data_set(each, transfer_syntax_uid=transfer_syntax_uid),
                transfer_syntax_uid=transfer_syntax_uid,
            )
            for each in values
        )
    if vr == "AT":
        return b"".join(struct.pack(order + "HH", each >> 16, each & 0xFFFF) for each in values)
    if vr in NUMBERS:
        return struct.pack(f"{order}{len(values)}{NUMBERS[vr]}", *values)
    text = "\\".join(str(each) for each in values).encode()
    return text + (b"\0" if vr == "UI" else b" ") * (len(text) % 2)


def data_set(
    attributes: Mapping[str, Value],
    *,
    extra: Mapping[int, bytes] | None = None,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
) -> bytes:
    """Elements by keyword in tag order, `extra` encoded ones put in at their tags."""
    elements = dict(extra or {})
    for keyword, value in attributes.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, keyword
        vr = dictionary_VR(tag).split(" or ")[0]
        encoded = encode(vr, value, transfer_syntax_uid=transfer_syntax_uid)
        elements[int(tag)] = element(int(tag), vr, encoded, transfer_syntax_uid=transfer_syntax_uid)
    return b"".join(encoded for _, encoded in sorted(elements.items()))


def file_meta(
    *,
    sop_class_uid: str = CT_IMAGE_STORAGE,
    instance_uid: str = INSTANCE_UID,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
) -> bytes:
    """The File Meta Information, group length first (PS3.10 §7.1)."""
    elements = data_set(
        {
            "FileMetaInformationVersion": b"\0\1",
            "MediaStorageSOPClassUID": sop_class_uid,
            "MediaStorageSOPInstanceUID": instance_uid,
            "TransferSyntaxUID": transfer_syntax_uid,
            "ImplementationClassUID": "1.2.826.0.1.3680043.8.9",
        }
    )
    return element(0x00020000, "UL", struct.pack("<I", len(elements))) + elements


def counting_pixels(
    *, rows: int, columns: int, frames: int, samples: int, bits_allocated: int, order: str
) -> bytes:
    """Samples 0, 1, 2 ... modulo what fits; every frame differs from its neighbours."""
    count = rows * columns * frames * samples
    if bits_allocated == 1:
        packed = bytearray((count + 7) // 8)
        for n in range(0, count, 3):
            packed[n // 8] |= 1 << (n % 8)
        return bytes(packed)
    if bits_allocated == 8:
        return bytes(n % 251 for n in range(count))
    letter = {16: "H", 32: "I", 64: "Q"}[bits_allocated]
    return struct.pack(f"{order}{count}{letter}", *(n % 4093 for n in range(count)))


def part10(
    *,
    study_uid: str = STUDY_UID,
    series_uid: str = SERIES_UID,
    instance_uid: str = INSTANCE_UID,
    sop_class_uid: str = CT_IMAGE_STORAGE,
    transfer_syntax_uid: str = EXPLICIT_VR_LITTLE_ENDIAN,
    rows: int = 0,
    columns: int = 0,
    frames: int | None = None,
    samples: int = 1,
    bits_allocated: int = 16,
    bits_stored: int | None = None,
    signed: bool = False,
    photometric: str | None = None,
    planar: int = 0,
    pixel_data: bytes | None = None,
    fragments: Sequence[bytes] | None = None,
    offset_table: Sequence[int] = (),
    preamble: bool = True,
    meta: bool = True,
    without: Collection[str] = (),
    extra: Mapping[int, bytes] | None = None,
    **attributes: Value,
) -> bytes:
    """A Part 10 file.

    rows, columns  0 for an instance without pixels
    frames         Number of Frames; absent when None
    pixel_data     the native Pixel Data value; counting samples when None
    fragments      makes it encapsulated instead
    preamble       False leaves out preamble and prefix; meta False the File Meta Information too
    without        keywords left out, whatever the other arguments say
    extra          tag -> encoded element, see `element`
    attributes     keyword -> value, in the data set
    """
    elements: dict[str, Value] = {
        "SOPClassUID": sop_class_uid,
        "SOPInstanceUID": instance_uid,
        "StudyInstanceUID": study_uid,
        "SeriesInstanceUID": series_uid,
        "SpecificCharacterSet": "ISO_IR 192",
        "Modality": "CT",
    }
    more = dict(extra or {})
    if rows and columns:
        stored = bits_stored or (12 if bits_allocated == 16 else bits_allocated)
        elements |= {
            "SamplesPerPixel": samples,
            "PhotometricInterpretation": photometric or ("RGB" if samples == 3 else "MONOCHROME2"),
            "Rows": rows,
            "Columns": columns,
            "BitsAllocated": bits_allocated,
            "BitsStored": stored,
            "HighBit": stored - 1,
            "PixelRepresentation": int(signed),
        }
        if samples > 1:
            elements["PlanarConfiguration"] = planar
        if frames is not None:
            elements["NumberOfFrames"] = frames
        if fragments is not None:
            joined = encapsulated(fragments, offset_table=offset_table)
            more[0x7FE00010] = element(0x7FE00010, "OB", joined, length=UNDEFINED)
        else:
            value = pixel_data
            if value is None:
                value = counting_pixels(
                    rows=rows,
                    columns=columns,
                    frames=frames or 1,
                    samples=samples,
                    bits_allocated=bits_allocated,
                    order=">" if transfer_syntax_uid == EXPLICIT_VR_BIG_ENDIAN else "<",
                )
                value += b"\0" * (len(value) % 2)
            more[0x7FE00010] = element(
                0x7FE00010,
                "OW" if bits_allocated > 8 else "OB",
                value,
                transfer_syntax_uid=transfer_syntax_uid,
            )
    elements |= attributes
    for keyword in without:
        elements.pop(keyword, None)
        tag = tag_for_keyword(keyword)
        more.pop(int(tag) if tag is not None else 0, None)
    body = data_set(elements, extra=more, transfer_syntax_uid=transfer_syntax_uid)
    if transfer_syntax_uid == DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN:
        deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        body = deflater.compress(body) + deflater.flush()
    if not meta:
        return body
    head = file_meta(
        sop_class_uid=sop_class_uid,
        instance_uid=instance_uid,
        transfer_syntax_uid=transfer_syntax_uid,
    )
    return (b"\0" * 128 + b"DICM" if preamble else b"") + head + body
