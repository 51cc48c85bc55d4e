"""Where the frames of an instance lie in its bytes (PS3.5 §8 and §A.4, PS3.3 §C.7.6.3).

Native pixel data is arithmetic; encapsulated pixel data is a list of fragments that the Extended
or the Basic Offset Table, or else the codestreams' own markers, gather into frames. Nothing here
decodes a sample, and nothing reads one but the first bytes of a fragment.

What cannot be served frame by frame is never lost: its bytes are cut all the same, and the table
then counts no frames.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from struct import unpack

from dicomweb_server.dicom.errors import TooLarge
from dicomweb_server.dicom.source import Source
from storage.model import NO_FRAMES, FrameTable

MAX_WHOLE = 64 * 1024 * 1024
"""A frame or fragment of at most this many bytes is one content."""

PIECE = 16 * 1024 * 1024
"""Longer ones, and other large values, are cut in contents of this many bytes."""

LARGE = 64 * 1024
"""Any value above this many bytes is cut out of the skeleton."""


@dataclass(frozen=True, slots=True)
class Extent:
    """`length` bytes from `offset` on."""

    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Frames:
    """contents  what is cut out of the pixel data value, in order of offset
    table     which of those contents make which frame; `first` is 0
    """

    contents: list[Extent]
    table: FrameTable


def pieces(extent: Extent) -> Iterator[Extent]:
    """An extent cut into contents, none empty."""
    if 0 < extent.length <= MAX_WHOLE:
        yield extent
        return
    for offset in range(extent.offset, extent.offset + extent.length, PIECE):
        yield Extent(offset, min(PIECE, extent.offset + extent.length - offset))


def native_frames(
    value: Extent, *, frame_bits: int, frames: int, limit: int, words: bool = False
) -> Frames:
    """The frames of a native Pixel Data value.

    frame_bits  rows * columns * samples * Bits Allocated
    frames      Number of Frames as claimed; the whole frames that the value holds are served, and
                bytes after the last are left where they are. PS3.5 §8.1.1: frames follow each
                other without padding, to the bit
    limit       of frames in one instance; raises TooLarge above it
    words       samples of fewer than 16 bits lie in big endian words of two bytes (PS3.5 §7.3): the
                last byte of an odd frame is the one after it, and several odd frames cannot be cut
    """
    if frame_bits <= 0:
        return Frames([], NO_FRAMES)
    count = min(frames, value.length * 8 // frame_bits)
    if count > limit:
        raise TooLarge("(7FE0,0010)", "frames", found=count, limit=limit)
    if count == 0:
        return Frames([], NO_FRAMES)
    length = (frame_bits + 7) // 8
    if words and length % 2:
        if count > 1 or length == value.length:
            return Frames([], NO_FRAMES)
        length += 1
    if frame_bits % 8 == 0 or count == 1:
        whole = [Extent(value.offset + n * length, length) for n in range(count)]
        return _one_after_another([[extent] for extent in whole])
    # Eight frames of any number of bits end at a byte: they share one content.
    if frame_bits > MAX_WHOLE:
        return Frames([], NO_FRAMES)
    contents = [
        Extent(value.offset + n // 8 * frame_bits, (min(8, count - n) * frame_bits + 7) // 8)
        for n in range(0, count, 8)
    ]
    return Frames(contents, FrameTable(count=count, packed_bits=frame_bits))


def encapsulated_frames(
    source: Source,
    fragments: Sequence[Extent],
    *,
    frames: int,
    basic: bytes,
    extended: bytes,
    video: bool,
    limit: int,
) -> Frames:
    """The frames of encapsulated Pixel Data (PS3.5 §A.4).

    fragments  values of the items after the Basic Offset Table, in order
    frames     Number of Frames as claimed
    basic      value of the Basic Offset Table item, may be empty
    extended   value of the Extended Offset Table (7FE0,0001), empty when there is none
    video      the fragments are one stream (PS3.5 §8.2.5 on): no frame can be had by itself, and
               PS3.18 serves it as bulk data; the table counts 0 frames

    One frame takes all fragments. As many fragments as frames are one each, whatever a table says.
    More fragments are gathered by the Extended, else the Basic Offset Table when every entry is
    the beginning of a fragment and they ascend, else by the fragments that begin a codestream.
    When fewer frames are found than claimed, those found are served.
    """
    if frames > limit:
        frames = min(frames, len(fragments))
    if len(fragments) > limit:
        raise TooLarge("(7FE0,0010)", "fragments", found=len(fragments), limit=limit)
    if video or not fragments:
        contents = [piece for fragment in fragments for piece in pieces(fragment)]
        return Frames(contents, NO_FRAMES)
    starts = _starts(source, fragments, frames=frames, basic=basic, extended=extended)
    if not starts:
        contents = [piece for fragment in fragments for piece in pieces(fragment)]
        return Frames(contents, NO_FRAMES)
    ends = [*starts[1:], len(fragments)]
    gathered = [list(fragments[a:b]) for a, b in zip(starts, ends, strict=True)]
    served = gathered[:frames]
    rest = [fragment for group in gathered[frames:] for fragment in group]
    return _one_after_another(served, rest)


def _one_after_another(frames: Sequence[Sequence[Extent]], rest: Sequence[Extent] = ()) -> Frames:
    """Contents of the frames in order, then of `rest`, which belongs to no frame."""
    contents: list[Extent] = []
    starts = [0]
    for extents in frames:
        for extent in extents:
            contents.extend(pieces(extent))
        starts.append(len(contents))
    count = len(frames)
    contents.extend(piece for extent in rest for piece in pieces(extent))
    if not contents:
        return Frames([], NO_FRAMES)
    if starts == list(range(count + 1)):
        return Frames(contents, FrameTable(count=count))
    return Frames(contents, FrameTable(count=count, starts=tuple(starts)))


def _starts(
    source: Source, fragments: Sequence[Extent], *, frames: int, basic: bytes, extended: bytes
) -> list[int]:
    """Number of the fragment that begins each frame, ascending; empty when that cannot be told."""
    if frames <= 1:
        return [0]
    if len(fragments) <= frames:
        return list(range(len(fragments)))
    origin = fragments[0].offset - 8
    number_at = {fragment.offset - 8 - origin: n for n, fragment in enumerate(fragments)}
    for size, letter, table in ((8, "Q", extended), (4, "I", basic)):
        if len(table) != frames * size:
            continue
        offsets = unpack(f"<{frames}{letter}", table)
        # A table filled with zeros, or counted from elsewhere, names no fragments: it is ignored.
        starts = [number_at.get(offset, -1) for offset in offsets]
        if starts[0] == 0 and all(a < b for a, b in pairwise(starts)):
            return starts
    starts = [
        n
        for n, fragment in enumerate(fragments)
        if source.read_at(fragment.offset, min(12, fragment.length)).startswith(_BEGINNINGS)
    ]
    return starts if starts and starts[0] == 0 else []


_BEGINNINGS = (
    b"\xff\xd8\xff",  # JPEG and JPEG-LS: SOI and the next marker (ISO/IEC 10918-1, 14495-1)
    b"\xff\x4f\xff\x51",  # JPEG 2000 and HTJ2K: SOC, SIZ (ISO/IEC 15444-1)
    b"\0\0\0\x0cjP  \r\n\x87\n",  # JP2 signature box, which some writers leave around it
    b"\xff\x0a",  # JPEG XL codestream (ISO/IEC 18181-1)
    b"\0\0\0\x0cJXL \r\n\x87\n",  # JPEG XL container (ISO/IEC 18181-2)
)
