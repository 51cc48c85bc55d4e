"""An instance in Explicit VR Little Endian, its pixels native or in codestreams of another syntax,
streamed frame by frame (PS3.5 §A.2, §A.4, PS3.18 §8.7.3.3).

What was received implicit, big endian, deflated or encapsulated goes out as a new Part 10 file:
renewed File Meta Information, every element with its VR, the Image Pixel Module as the decoded
frames are, the frames as they are decoded. Texts keep their bytes and character set. Group lengths
(retired) and offset tables are left out; an encapsulated icon inside a sequence stays encapsulated.
Only what is left of the file when large values are cut out is ever in memory.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydicom.valuerep import EXPLICIT_VR_LENGTH_16, STR_VR

from dicomweb_server.dicom.bulk import swapped_chunks
from dicomweb_server.dicom.errors import Damaged, Malformed, TooLarge, UnsupportedEncoding
from dicomweb_server.dicom.frames import Extent
from dicomweb_server.dicom.json_model import WORD_BYTES, settled_vr, swap
from dicomweb_server.dicom.part10 import (
    PIXEL_DATA_TAGS,
    DataSet,
    Element,
    Fragments,
    Items,
    ItemTable,
    Limits,
    Opened,
    open_data_set,
    tag_text,
)
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.transfer_syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from storage.model import Buffer, PixelFormat

IMPLEMENTATION_CLASS_UID = "2.25.263143397917406421346938226342316905327"
"""Ours, in every file we write (PS3.10 §7.1, PS3.5 §B.2)."""

_SHORT_VRS = frozenset(str(vr) for vr in EXPLICIT_VR_LENGTH_16)
_TEXT_VRS = frozenset(str(vr) for vr in STR_VR) - {"UI"}
_OFFSET_TABLES = (0x7FE00001, 0x7FE00002)
_UNDEFINED = 0xFFFFFFFF
_LONGEST = 0xFFFFFFFE
_SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """The frames that replace the pixel data.

    pixels       how the samples of each lie, little endian
    count        frames; where they were decoded, Number of Frames says this
    frame_bytes  of one frame as `frames` gives it; a frame of 1-bit samples begins at a byte there
                 and is packed to the bit in the file (PS3.5 §8.1.1)
    """

    pixels: PixelFormat
    count: int
    frame_bytes: int
    frames: Iterable[Buffer]


@dataclass(frozen=True, slots=True)
class EncodedFrames:
    """The codestreams that replace the pixel data, a fragment each.

    transfer_syntax_uid  of the codestreams, and of the new file
    pixels               as the data set shall describe them
    lengths              of each codestream in bytes, where they are known beforehand
    lossy_ratio          how much smaller lossy compression made them, None when it was lossless
    """

    transfer_syntax_uid: str
    pixels: PixelFormat
    count: int
    frames: Iterable[Buffer]
    lengths: Sequence[int] | None = None
    lossy_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class ExplicitFile:
    """A Part 10 file about to be sent; `length` in bytes, known before the first of `chunks`; None
    when frames are encoded on the way."""

    length: int | None
    chunks: Iterator[Buffer]


class _Large(NamedTuple):
    """A value that is copied from the source while it is sent."""

    extent: Extent
    word_bytes: int


_Part = bytearray | _Large | NativeFrames | EncodedFrames


def explicit_little_endian(
    source: Source, *, frames: NativeFrames | EncodedFrames | None, limits: Limits | None = None
) -> ExplicitFile:
    """The instance as an Explicit VR Little Endian Part 10 file, or as one of the encapsulated
    transfer syntax of `frames`, whose data sets are written the same way.

    source  the received file
    frames  its frames, decoded or encoded anew; None when it has none, and for native pixel data
            that is not served by frames, which is copied

    Raises UnsupportedEncoding for encapsulated pixel data without `frames` (video), TooLarge when
    the pixels are more than a length field can say, and what reading raises. While chunks are
    taken: Damaged when a frame is not as long as announced, and what `frames` raises.
    """
    opened = open_data_set(source, limits=limits or Limits())
    writer = _Writer(opened)
    body = writer.instance(frames)
    syntax = EXPLICIT_VR_LITTLE_ENDIAN
    known = True
    if isinstance(frames, EncodedFrames):
        syntax, known = frames.transfer_syntax_uid, frames.lengths is not None
    head = bytearray(128) + b"DICM" + _file_meta(opened, syntax)
    length = len(head) + writer.length if known else None
    return ExplicitFile(length, _chunks(opened.source, [head, *body]))


def around_frames(
    source: Source, *, frames: EncodedFrames, limits: Limits | None = None
) -> tuple[bytes, bytes] | None:
    """The bytes before the first fragment and after the last of the file that
    `explicit_little_endian` makes; None when large values are among them. Raises what it does."""
    opened = open_data_set(source, limits=limits or Limits())
    body = _Writer(opened).instance(frames)
    meta = bytearray(128) + b"DICM" + _file_meta(opened, frames.transfer_syntax_uid)
    before: list[bytearray] = [meta]
    after: list[bytearray] = []
    side = before
    for part in body:
        if part is frames:
            side = after
        elif isinstance(part, bytearray):
            side.append(part)
        else:
            return None
    return b"".join(before), b"".join(after)


def fragment(frame: Buffer) -> tuple[Buffer, ...]:
    """A frame as an item of encapsulated pixel data (PS3.5 §A.4), padded to an even length."""
    head, pad = around_fragment(len(frame))
    return (head, frame, pad) if pad else (head, frame)


def around_fragment(length: int) -> tuple[bytes, bytes]:
    """What stands before and after a codestream of that many bytes."""
    odd = length % 2
    return struct.pack("<HHI", 0xFFFE, 0xE000, length + odd), b"\0" * odd


class _Writer:
    """Turns a data set into parts; `length` is what they have together."""

    def __init__(self, opened: Opened) -> None:
        self.opened = opened
        self.big_endian = opened.structure.big_endian
        self.length = 0

    def instance(self, frames: NativeFrames | EncodedFrames | None) -> list[_Part]:
        root = self.opened.structure.data_set
        encapsulated = any(
            isinstance(root.elements[tag].value, Fragments)
            for tag in PIXEL_DATA_TAGS
            if tag in root.elements
        )
        # Decoding changes more than the byte order only where there was something to decode.
        anew = encapsulated or isinstance(frames, EncodedFrames)
        replaced = _image_pixel(frames) if frames is not None and anew else {}
        parts: list[_Part] = []
        for tag in sorted({*root.elements, *replaced}):
            if not tag & 0xFFFF or tag in _OFFSET_TABLES:
                continue
            if tag in replaced:
                self.add(parts, replaced[tag])
            elif tag in PIXEL_DATA_TAGS and root.elements[tag].length:
                self.pixel_data(parts, tag, root.elements[tag], frames)
            else:
                self.element(parts, tag, root.elements[tag], root, ())
        return parts

    def add(self, parts: list[_Part], part: bytes | _Large) -> None:
        if isinstance(part, _Large):
            parts.append(part)
            self.length += part.extent.length
        else:
            self.reserve(parts, part)

    def reserve(self, parts: list[_Part], part: bytes) -> tuple[bytearray, int]:
        """Adds bytes; returns where they are, to be written over when their value is known."""
        last = parts[-1] if parts else None
        if not isinstance(last, bytearray):
            last = bytearray()
            parts.append(last)
        at = len(last)
        last += part
        self.length += len(part)
        return last, at

    def pixel_data(
        self,
        parts: list[_Part],
        tag: int,
        element: Element,
        frames: NativeFrames | EncodedFrames | None,
    ) -> None:
        if frames is None:
            if isinstance(element.value, Fragments):
                uid = self.opened.syntax.uid
                raise UnsupportedEncoding(uid, "its pixel data cannot be written as native frames")
            self.element(parts, tag, element, self.opened.structure.data_set, ())
            return
        if isinstance(frames, EncodedFrames):
            # PS3.5 §A.4: an empty Basic Offset Table; each frame is one fragment, so it says
            # nothing that they do not.
            self.add(parts, _header(tag, "OB", _UNDEFINED) + b"".join(fragment(b"")))
            parts.append(frames)
            self.length += sum(8 + length + length % 2 for length in frames.lengths or ())
            self.add(parts, _SEQUENCE_END)
            return
        pixels = frames.pixels
        length = frames.count * frames.frame_bytes
        if pixels.bits_allocated == 1:
            length = (frames.count * _frame_bits(pixels) + 7) // 8
        vr = element.vr if pixels.floating else "OW" if pixels.bits_allocated > 8 else "OB"
        self.add(parts, _header(tag, vr, length + length % 2))
        parts.append(frames)
        self.length += length
        if length % 2:
            self.add(parts, b"\0")

    def element(
        self,
        parts: list[_Part],
        tag: int,
        element: Element,
        data_set: DataSet,
        above: tuple[DataSet, ...],
    ) -> None:
        value = element.value
        vr = settled_vr(tag, element, data_set, above)
        if isinstance(value, (list, ItemTable)):
            self.sequence(parts, tag, value, (data_set, *above))
            return
        if isinstance(value, Fragments):
            self.add(parts, _header(tag, vr, _UNDEFINED))
            self.add(parts, _Large(element.extent, 0))
            self.add(parts, _SEQUENCE_END)
            return
        word_bytes = WORD_BYTES.get(vr, 0) if self.big_endian else 0
        odd = element.length % 2
        self.add(parts, _header(tag, vr, element.length + odd))
        if value is None:
            self.add(parts, _Large(element.extent, word_bytes))
        else:
            self.add(parts, swap(value, word_bytes) if word_bytes > 1 else value)
        if odd:
            self.add(parts, b" " if vr in _TEXT_VRS else b"\0")

    def sequence(
        self, parts: list[_Part], tag: int, items: Items, above: tuple[DataSet, ...]
    ) -> None:
        """A sequence and its items with defined lengths, filled in when they are known."""
        sequence, sequence_at = self.reserve(parts, bytes(12))
        before = self.length
        for item in items:
            head, head_at = self.reserve(parts, bytes(8))
            item_before = self.length
            for inner in sorted(item.elements):
                if inner & 0xFFFF:
                    self.element(parts, inner, item.elements[inner], item, above)
            length = _checked(tag, self.length - item_before)
            struct.pack_into("<HHI", head, head_at, 0xFFFE, 0xE000, length)
        sequence[sequence_at : sequence_at + 12] = _header(tag, "SQ", self.length - before)


def _header(tag: int, vr: str, length: int) -> bytes:
    """An element up to its value. A value too long for its VR's 16 bits is UN (PS3.5 §6.2.2)."""
    group, number = tag >> 16, tag & 0xFFFF
    if vr in _SHORT_VRS:
        if length < 0x10000:
            return struct.pack("<HH2sH", group, number, vr.encode(), length)
        vr = "UN"
    if length != _UNDEFINED:
        _checked(tag, length)
    return struct.pack("<HH2sHI", group, number, vr.encode(), 0, length)


def _checked(tag: int, length: int) -> int:
    if length > _LONGEST:
        raise TooLarge(tag_text(tag), "bytes", found=length, limit=_LONGEST)
    return length


def _frame_bits(pixels: PixelFormat) -> int:
    return pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated


def _image_pixel(frames: NativeFrames | EncodedFrames) -> dict[int, bytes]:
    """The elements of the Image Pixel Module that decoding may have changed (PS3.3 §C.7.6.3)."""
    pixels = frames.pixels
    numbers = {
        0x00280002: pixels.samples,
        0x00280100: pixels.bits_allocated,
    }
    if pixels.samples > 1:
        numbers[0x00280006] = int(pixels.planar)
    if not pixels.floating:
        numbers |= {
            0x00280101: pixels.bits_stored,
            0x00280102: pixels.bits_stored - 1,
            0x00280103: int(pixels.signed),
        }
    elements = {
        tag: _header(tag, "US", 2) + struct.pack("<H", number) for tag, number in numbers.items()
    }
    if pixels.photometric:
        elements[0x00280004] = _text(0x00280004, "CS", pixels.photometric)
    if frames.count > 1:
        elements[0x00280008] = _text(0x00280008, "IS", str(frames.count))
    if isinstance(frames, EncodedFrames) and frames.lossy_ratio is not None:
        # PS3.3 §C.7.6.1.1.5
        elements[0x00282110] = _text(0x00282110, "CS", "01")
        elements[0x00282112] = _text(0x00282112, "DS", f"{frames.lossy_ratio:.2f}")
        elements[0x00282114] = _text(0x00282114, "CS", "ISO_10918_1")
    return elements


def _text(tag: int, vr: str, text: str, *, pad: bytes = b" ") -> bytes:
    value = text.encode() + pad * (len(text) % 2)
    return _header(tag, vr, len(value)) + value


def _file_meta(opened: Opened, transfer_syntax_uid: str) -> bytes:
    """The File Meta Information of the new file (PS3.10 §7.1)."""
    root = opened.structure.data_set
    meta = _header(0x00020001, "OB", 2) + b"\0\1"
    for tag, source in ((0x00020002, 0x00080016), (0x00020003, 0x00080018)):
        element = root.elements.get(source)
        if element is None or not isinstance(element.value, bytes):
            raise Malformed(tag_text(source), "is missing")
        uid = element.value.decode("latin-1").strip("\0 ")
        meta += _text(tag, "UI", uid, pad=b"\0")
    meta += _text(0x00020010, "UI", transfer_syntax_uid, pad=b"\0")
    meta += _text(0x00020012, "UI", IMPLEMENTATION_CLASS_UID, pad=b"\0")
    return _header(0x00020000, "UL", 4) + struct.pack("<I", len(meta)) + meta


def _chunks(source: Source, parts: Iterable[_Part]) -> Iterator[Buffer]:
    """The bytes of the parts."""
    for part in parts:
        if isinstance(part, bytearray):
            yield bytes(part)
        elif isinstance(part, _Large):
            yield from swapped_chunks(source, part.extent, word_bytes=part.word_bytes)
        elif isinstance(part, EncodedFrames):
            yield from _fragments(part)
        elif part.pixels.bits_allocated == 1:
            yield from _packed(part)
        else:
            yield from _announced(part)


def _fragments(encoded: EncodedFrames) -> Iterator[Buffer]:
    number = 0
    for number, frame in enumerate(encoded.frames, 1):
        if encoded.lengths is not None and len(frame) != encoded.lengths[number - 1]:
            announced = encoded.lengths[number - 1]
            raise Damaged(f"frame {number}", f"holds {len(frame)} bytes, {announced} are announced")
        yield from fragment(frame)
    if number != encoded.count:
        raise Damaged(f"frame {number + 1}", f"is missing, {encoded.count} frames are announced")


def _announced(native: NativeFrames) -> Iterator[Buffer]:
    """The frames, each as long and all as many as the header has said."""
    number = 0
    for number, frame in enumerate(native.frames, 1):
        if len(frame) != native.frame_bytes or number > native.count:
            raise Damaged(
                f"frame {number}", f"holds {len(frame)} bytes, {native.frame_bytes} are announced"
            )
        yield frame
    if number != native.count:
        raise Damaged(f"frame {number + 1}", f"is missing, {native.count} frames are announced")


def _packed(native: NativeFrames) -> Iterator[bytes]:
    """Frames of 1-bit samples one after another without padding, lowest bit first."""
    bits = _frame_bits(native.pixels)
    rest = np.zeros(0, np.uint8)
    for frame in _announced(native):
        samples = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")[:bits]
        samples = np.concatenate((rest, samples))
        whole = len(samples) // 8 * 8
        rest = samples[whole:]
        if whole:
            yield np.packbits(samples[:whole], bitorder="little").tobytes()
    if len(rest):
        yield np.packbits(rest, bitorder="little").tobytes()
