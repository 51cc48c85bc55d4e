"""A received instance, described: everything the archive keeps and serves, worked out in one pass.

A file is its skeleton and the contents cut out of it; put back at the holes they are the file
again, bit for bit. Beside them stand what search needs, what metadata answers, and which contents
make which frame. Reading is part10.py, frames are frames.py, values json_model.py.

Accepted is what can be kept and found again: a data set that can be walked from end to end with
valid Study, Series and SOP Instance UID and SOP Class UID in it (PS3.3 §C.12.1, §C.7.2.1,
§C.7.3.1). A value that makes no sense never refuses an instance. A DICOMDIR is no instance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite

from dicomweb_server.dicom import json_model
from dicomweb_server.dicom.alike import read_alike, remember
from dicomweb_server.dicom.attributes import STANDARD, Attributes, level_of, rollup_of
from dicomweb_server.dicom.errors import Malformed, UnsupportedClass
from dicomweb_server.dicom.frames import (
    LARGE,
    Extent,
    Frames,
    encapsulated_frames,
    native_frames,
    pieces,
)
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.part10 import (
    PIXEL_DATA_TAGS,
    Element,
    Fragments,
    Limits,
    Structure,
    open_data_set,
    read_head,
    tag_text,
)
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.transfer_syntaxes import TransferSyntax
from dicomweb_server.dicom.uids import NON_PATIENT_OBJECTS, checked_uid
from storage.model import NO_FRAMES, NO_NUMBER, FrameTable, Level, PixelFormat, QueryLevel

_UIDS = tuple(
    (tag_text(tag), f"{tag:08X}") for tag in (0x0020000D, 0x0020000E, 0x00080018, 0x00080016)
)
"""Study, Series and SOP Instance UID and SOP Class UID, as errors and DICOM JSON name them."""

_MEDIA_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True, slots=True)
class Content:
    """One thing cut out of the file.

    inflated  True: the extent counts in Description.inflated, not in the file
    """

    extent: Extent
    inflated: bool


@dataclass(frozen=True, slots=True)
class Description:
    """What `describe` says of an instance.

    number          Instance Number, or NO_NUMBER
    dataset_offset  first byte after the File Meta Information
    skeleton        the file without its contents
    holes           positions in the skeleton, one for each of the first len(holes) contents
    contents        first those cut from the file, in file order, then the frames of an inflated
                    data set
    inflated        the data set of a deflated transfer syntax; None for the others
    rollup          attribute of the study -> values the series adds to it
    metadata        the whole instance as DICOM JSON, UTF-8; each BulkDataURI is relative, exactly
                    `bulkdata/` and the element's path
    """

    study_uid: str
    series_uid: str
    instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    number: int
    dataset_offset: int
    skeleton: bytes
    holes: tuple[int, ...]
    contents: tuple[Content, ...]
    inflated: Source | None
    frames: FrameTable
    pixels: PixelFormat | None
    study_level: Level
    series_level: Level
    instance_level: Level
    rollup: Mapping[str, tuple[str, ...]]
    metadata: bytes


def describe(
    source: Source, *, limits: Limits | None = None, attributes: Attributes = STANDARD
) -> Description:
    """Describes a Part 10 file.

    attributes  what search finds and returns

    Raises NotDicom, Malformed, TooLarge, UnsupportedClass, and nothing else but OSError of the
    disk. Time and memory are linear in what is left of the file when its large values are cut out,
    never in those.
    """
    limits = limits or Limits()
    head = read_head(source)
    alike = read_alike(source, head, limits=limits)
    if alike is not None:
        syntax, structure, document = alike.syntax, alike.structure, alike.document
        level, data_set = alike.level_of, source
    else:
        opened = open_data_set(source, limits=limits, head=head)
        syntax, structure, data_set = opened.syntax, opened.structure, opened.source
        document, level = json_model.document(structure), level_of
        remember(source, opened, document, limits=limits)
    inflated = data_set if syntax.deflated else None
    if head.sop_class_uid == _MEDIA_DIRECTORY:
        raise Malformed("(0002,0002)", "says this is a DICOMDIR, which is no instance")
    if _text(document, "00080016") in NON_PATIENT_OBJECTS and not _text(document, "0020000D"):
        raise UnsupportedClass(_text(document, "00080016"), _text(document, "00080018"))
    study_uid, series_uid, instance_uid, sop_class_uid = (
        checked_uid(where, _text(document, key)) for where, key in _UIDS
    )
    pixels, found, rest = _frames(data_set, structure, document, syntax, limits)
    if inflated is None:
        cut = sorted([*structure.large, *found.contents, *rest], key=_offset)
        first = cut.index(found.contents[0]) if found.contents else 0
        contents = tuple(Content(extent, inflated=False) for extent in cut)
    else:
        deflated = Extent(head.dataset_offset, source.length - head.dataset_offset)
        cut = list(pieces(deflated)) if deflated.length > LARGE else []
        first = len(cut)
        contents = (
            *(Content(extent, inflated=False) for extent in cut),
            *(Content(extent, inflated=True) for extent in found.contents),
        )
    skeleton, holes = _skeleton(source, cut)
    return Description(
        study_uid=study_uid,
        series_uid=series_uid,
        instance_uid=instance_uid,
        sop_class_uid=sop_class_uid,
        transfer_syntax_uid=syntax.uid,
        number=_instance_number(document),
        dataset_offset=head.dataset_offset,
        skeleton=skeleton,
        holes=holes,
        contents=contents,
        inflated=inflated,
        frames=_beginning_at(first, found.table),
        pixels=pixels,
        study_level=level(document, QueryLevel.STUDY, attributes),
        series_level=level(document, QueryLevel.SERIES, attributes),
        instance_level=level(document, QueryLevel.INSTANCE, attributes),
        rollup=rollup_of(document),
        metadata=json_model.encode(document),
    )


def _offset(extent: Extent) -> int:
    return extent.offset


def _beginning_at(first: int, table: FrameTable) -> FrameTable:
    """The table of frames whose first content is number `first` of the instance."""
    if not table.count:
        return NO_FRAMES
    starts = table.starts and tuple(first + start for start in table.starts)
    return FrameTable(count=table.count, first=first, starts=starts, packed_bits=table.packed_bits)


def _skeleton(source: Source, cut: list[Extent]) -> tuple[bytes, tuple[int, ...]]:
    """The bytes between the extents, which ascend and do not overlap, and where these were."""
    kept: list[bytes] = []
    holes: list[int] = []
    position = length = 0
    for extent in cut:
        if extent.offset > position:
            kept.append(source.read_at(position, extent.offset - position))
            length += extent.offset - position
        holes.append(length)
        position = extent.offset + extent.length
    kept.append(source.read_at(position, source.length - position))
    return b"".join(kept), tuple(holes)


def _frames(
    source: Source,
    structure: Structure,
    document: Json,
    syntax: TransferSyntax,
    limits: Limits,
) -> tuple[PixelFormat | None, Frames, list[Extent]]:
    """How the pixels are laid out, the frames, and what else of the value is cut."""
    elements = structure.data_set.elements
    tag, element = next(
        ((tag, elements[tag]) for tag in PIXEL_DATA_TAGS if tag in elements), (0, None)
    )
    if element is None or not element.length:
        return None, Frames([], NO_FRAMES), []
    rest = [
        piece
        for other in PIXEL_DATA_TAGS
        if other != tag and other in elements
        for piece in _whole(elements[other])
    ]
    pixels = _pixel_format(
        tag,
        document,
        encapsulated=isinstance(element.value, Fragments),
        big_endian=syntax.big_endian_pixels,
        words=element.vr != "OB",
    )
    frames = max(1, _number(document, "00280008", 1))
    if isinstance(element.value, Fragments):
        found = encapsulated_frames(
            source,
            element.value.fragments,
            frames=frames,
            basic=_read(source, element.value.table, 4 * limits.frames),
            extended=_extended_offset_table(source, elements, limits),
            video=syntax.video,
            limit=limits.frames,
        )
        if pixels is None:
            found = Frames(found.contents, NO_FRAMES)
        return pixels, found, rest
    if syntax.encapsulated or pixels is None:
        return None, Frames([], NO_FRAMES), [*rest, *_whole(element)]
    value = element.extent
    found = native_frames(
        value,
        frame_bits=_frame_bits(pixels, value.length, frames),
        frames=frames,
        limit=limits.frames,
        words=pixels.big_endian and pixels.bits_allocated < 16,
    )
    end = found.contents[-1].offset + found.contents[-1].length if found.contents else value.offset
    tail = Extent(end, value.offset + value.length - end)
    if tail.length > LARGE:
        rest.extend(pieces(tail))
    return pixels, found, rest


def _whole(element: Element) -> list[Extent]:
    """A pixel data value that is not served by frames: its large parts."""
    extents = element.value.fragments if isinstance(element.value, Fragments) else [element.extent]
    return [piece for extent in extents if extent.length > LARGE for piece in pieces(extent)]


def _read(source: Source, extent: Extent, limit: int) -> bytes:
    return source.read_at(extent.offset, extent.length) if extent.length <= limit else b""


def _extended_offset_table(
    source: Source, elements: Mapping[int, Element], limits: Limits
) -> bytes:
    """Value of (7FE0,0001), 8 bytes a frame; empty when there is none (PS3.3 §C.7.6.3)."""
    element = elements.get(0x7FE00001)
    return _read(source, element.extent, 8 * limits.frames) if element else b""


def _pixel_format(
    tag: int, document: Json, *, encapsulated: bool, big_endian: bool, words: bool
) -> PixelFormat | None:
    """None when the data set does not say how large its pixels are.

    words  the value is written in 16-bit words, so that big endian swaps 8-bit samples too
    """
    rows, columns = _number(document, "00280010", 0), _number(document, "00280011", 0)
    floats = {0x7FE00008: 32, 0x7FE00009: 64}
    allocated = _number(document, "00280100", floats.get(tag, 0))
    samples = max(1, _number(document, "00280002", 1))
    stored = max(1, _number(document, "00280101", allocated))
    if min(rows, columns, allocated) <= 0 or max(rows, columns, allocated, samples, stored) > 65535:
        return None
    return PixelFormat(
        encapsulated=encapsulated,
        rows=rows,
        columns=columns,
        samples=samples,
        bits_allocated=allocated,
        bits_stored=stored,
        signed=_number(document, "00280103", 0) == 1,
        planar=_number(document, "00280006", 0) == 1,
        big_endian=big_endian and (allocated > 8 or words),
        floating=tag in floats,
        photometric=_text(document, "00280004"),
    )


def _frame_bits(pixels: PixelFormat, length: int, frames: int) -> int:
    """Bits of one native frame, of a value of `length` bytes."""
    bits = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated
    if pixels.photometric == "YBR_FULL_422" and pixels.samples == 3:
        # Two pixels share their chrominance (PS3.3 §C.7.6.3.1.2), unless, as often, they do not:
        # then the value is long enough for all samples.
        halved = bits // 3 * 2
        return bits if length * 8 >= bits * frames else halved
    return bits


def _instance_number(document: Json) -> int:
    number = _number(document, "00200013", NO_NUMBER)
    return number if 0 <= number < 2**31 else NO_NUMBER


def _number(document: Json, key: str, default: int) -> int:
    element = document.get(key)
    values = element.get("Value") if element else None
    # The Value of a long sequence, which has no place here, is no list.
    if isinstance(values, list) and isinstance(values[0], (int, float)) and isfinite(values[0]):
        return int(values[0])
    return default


def _text(document: Json, key: str) -> str:
    element = document.get(key)
    values = element.get("Value") if element else None
    return values[0] if isinstance(values, list) and isinstance(values[0], str) else ""
