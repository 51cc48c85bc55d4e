"""Where frames lie (PS3.5 §8 and §A.4)."""

import struct

import pytest

from dicomweb_server.dicom.errors import TooLarge
from dicomweb_server.dicom.frames import (
    MAX_WHOLE,
    PIECE,
    Extent,
    Frames,
    encapsulated_frames,
    native_frames,
    pieces,
)
from dicomweb_server.dicom.source import BytesSource

JPEG = b"\xff\xd8\xff\xe0"
J2K = b"\xff\x4f\xff\x51"


def native(length: int, *, frame_bits: int, frames: int, words: bool = False) -> Frames:
    value = Extent(1000, length)
    return native_frames(value, frame_bits=frame_bits, frames=frames, limit=100, words=words)


def encapsulated(
    *fragments: bytes,
    frames: int,
    basic: list[int] | None = None,
    extended: list[int] | None = None,
    video: bool = False,
) -> tuple[list[bytes], Frames]:
    """The frames' bytes, and the layout."""
    stream = b""
    extents = []
    for fragment in fragments:
        extents.append(Extent(len(stream) + 8, len(fragment)))
        stream += struct.pack("<HHI", 0xFFFE, 0xE000, len(fragment)) + fragment
    source = BytesSource(stream)
    found = encapsulated_frames(
        source,
        extents,
        frames=frames,
        basic=struct.pack(f"<{len(basic or [])}I", *(basic or [])),
        extended=struct.pack(f"<{len(extended or [])}Q", *(extended or [])),
        video=video,
        limit=100,
    )
    contents = [source.read_at(e.offset, e.length) for e in found.contents]
    joined = [
        b"".join(contents[n] for n in found.table.blobs_of(frame))
        for frame in range(found.table.count)
    ]
    return joined, found


class TestNative:
    def test_frames_follow_each_other(self) -> None:
        found = native(48, frame_bits=128, frames=3)
        assert found.contents == [Extent(1000, 16), Extent(1016, 16), Extent(1032, 16)]
        assert (found.table.count, found.table.starts) == (3, None)

    def test_a_pad_byte_after_the_last_frame_is_allowed(self) -> None:
        assert native(10, frame_bits=24, frames=3).contents[-1] == Extent(1006, 3)

    def test_trailing_bytes_belong_to_no_frame(self) -> None:
        assert len(native(8320, frame_bits=8192 * 8, frames=1).contents) == 1

    def test_of_a_value_too_short_the_whole_frames_are_served(self) -> None:
        assert native(47, frame_bits=128, frames=3).table.count == 2
        assert native(15, frame_bits=128, frames=1).table.count == 0

    def test_ps3_5_8_1_1_frames_of_bits_share_a_content_until_they_end_at_a_byte(self) -> None:
        found = native(12, frame_bits=9, frames=10)
        assert found.contents == [Extent(1000, 9), Extent(1009, 3)]
        assert (found.table.count, found.table.packed_bits) == (10, 9)
        assert found.table.blobs_of(7) == range(1) and found.table.blobs_of(8) == range(1, 2)

    def test_one_frame_of_bits_is_its_bytes(self) -> None:
        found = native(2, frame_bits=9, frames=1)
        assert (found.contents, found.table.packed_bits) == ([Extent(1000, 2)], 0)

    def test_an_odd_frame_in_big_endian_words_ends_one_byte_later(self) -> None:
        assert native(28, frame_bits=27 * 8, frames=1, words=True).contents == [Extent(1000, 28)]
        assert native(54, frame_bits=27 * 8, frames=2, words=True).table.count == 0

    def test_no_pixels_are_no_frames(self) -> None:
        assert native(100, frame_bits=0, frames=1).table.count == 0

    def test_a_frame_above_64_mib_spans_contents_of_16_mib(self) -> None:
        found = native(2 * (MAX_WHOLE + 5), frame_bits=(MAX_WHOLE + 5) * 8, frames=2)
        assert [extent.length for extent in found.contents[:5]] == [PIECE] * 4 + [5]
        assert found.table.starts == (0, 5, 10)

    def test_more_frames_than_the_limit_are_too_large(self) -> None:
        with pytest.raises(TooLarge, match="101 frames, the limit is 100"):
            native(101, frame_bits=8, frames=101)


class TestEncapsulated:
    def test_one_frame_is_all_fragments(self) -> None:
        assert encapsulated(b"ab", b"cd", frames=1)[0] == [b"abcd"]

    def test_as_many_fragments_as_frames_are_one_each_whatever_the_table_says(self) -> None:
        assert encapsulated(b"ab", b"cd", frames=2, basic=[0, 77])[0] == [b"ab", b"cd"]

    def test_the_basic_offset_table_gathers_fragments(self) -> None:
        joined, found = encapsulated(b"ab", b"cd", b"ef", frames=2, basic=[0, 20])
        assert joined == [b"abcd", b"ef"]
        assert found.table.starts == (0, 2, 3)

    def test_the_extended_offset_table_comes_first(self) -> None:
        joined, _ = encapsulated(b"ab", b"cd", b"ef", frames=2, basic=[0, 20], extended=[0, 10])
        assert joined == [b"ab", b"cdef"]

    @pytest.mark.parametrize("basic", [None, [0, 0], [0, 14], [5, 10], [20, 0], [0], [0, 10, 20]])
    def test_without_a_table_that_makes_sense_codestreams_begin_frames(
        self, basic: list[int] | None
    ) -> None:
        fragments = (JPEG + b"1", b"11", JPEG + b"2")
        assert encapsulated(*fragments, frames=2, basic=basic)[0] == [JPEG + b"111", JPEG + b"2"]

    def test_jpeg_2000_codestreams_are_known_too(self) -> None:
        joined, _ = encapsulated(J2K + b"1", b"1", J2K, b"2", frames=2)
        assert joined == [J2K + b"11", J2K + b"2"]

    def test_fewer_codestreams_than_frames_are_served_as_found(self) -> None:
        assert len(encapsulated(JPEG, b"1", JPEG, b"2", frames=3)[0]) == 2

    def test_what_follows_the_last_frame_is_cut_but_no_frame(self) -> None:
        joined, found = encapsulated(JPEG, b"1", JPEG, b"2", JPEG, frames=2)
        assert joined == [JPEG + b"1", JPEG + b"2"]
        assert len(found.contents) == 5

    def test_fewer_fragments_than_frames_are_a_frame_each(self) -> None:
        assert encapsulated(b"ab", b"cd", frames=3)[0] == [b"ab", b"cd"]

    def test_fragments_that_nothing_gathers_are_cut_but_no_frames(self) -> None:
        joined, found = encapsulated(b"ab", b"cd", b"ef", frames=2)
        assert (joined, len(found.contents)) == ([], 3)

    def test_an_empty_fragment_is_no_content(self) -> None:
        joined, found = encapsulated(b"ab", b"", frames=1)
        assert (joined, len(found.contents)) == ([b"ab"], 1)
        assert encapsulated(b"", frames=1)[1].table.count == 0

    def test_a_video_is_one_stream_without_frames(self) -> None:
        joined, found = encapsulated(b"ab", b"cd", frames=50, video=True)
        assert (joined, len(found.contents)) == ([], 2)


def test_pieces_of_nothing_are_none() -> None:
    assert list(pieces(Extent(3, 0))) == []
