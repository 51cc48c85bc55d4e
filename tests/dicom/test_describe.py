"""An instance described: what is cut, what is kept, what is said of it."""

import random
import resource
import struct
import time
from collections.abc import Iterator

import orjson
import pytest

from dicomweb_server.dicom.describe import Description, describe
from dicomweb_server.dicom.errors import Malformed
from dicomweb_server.dicom.part10 import Limits
from dicomweb_server.dicom.source import BytesSource, Source
from storage.model import NO_FRAMES, NO_NUMBER
from tests.dicom.build import (
    CT_IMAGE_STORAGE,
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    INSTANCE_UID,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    SERIES_UID,
    STUDY_UID,
    UNDEFINED,
    counting_pixels,
    element,
    encapsulated,
    item,
    part10,
)

MPEG4 = "1.2.840.10008.1.2.4.102"


def described(file: bytes) -> Description:
    return describe(BytesSource(file))


def content(source: Source, description: Description, number: int) -> bytes:
    found = description.contents[number]
    if found.inflated:
        assert description.inflated is not None
        source = description.inflated
    return source.read_at(found.extent.offset, found.extent.length)


def rebuilt(source: Source, description: Description) -> Iterator[bytes]:
    """The contents put back into the skeleton."""
    position = 0
    for number, hole in enumerate(description.holes):
        yield description.skeleton[position:hole]
        yield content(source, description, number)
        position = hole
    yield description.skeleton[position:]


def check_nothing_is_lost(file: bytes) -> Description:
    source = BytesSource(file)
    description = describe(source)
    assert b"".join(rebuilt(source, description)) == file
    holes = description.holes
    assert list(holes) == sorted(holes)
    assert all(each.inflated for each in description.contents[len(holes) :])
    return description


def frames(file: bytes) -> list[bytes]:
    source = BytesSource(file)
    found = describe(source)
    return [
        b"".join(content(source, found, n) for n in found.frames.blobs_of(frame))
        for frame in range(found.frames.count)
    ]


class TestNothingIsLost:
    @pytest.mark.parametrize(
        "uid",
        [
            IMPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_LITTLE_ENDIAN,
            EXPLICIT_VR_BIG_ENDIAN,
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        ],
    )
    def test_skeleton_and_contents_are_the_file(self, uid: str) -> None:
        file = part10(rows=2, columns=3, frames=3, transfer_syntax_uid=uid, PatientName="A^B")
        check_nothing_is_lost(file)
        order = ">" if uid == EXPLICIT_VR_BIG_ENDIAN else "<"
        pixels = counting_pixels(
            rows=2, columns=3, frames=3, samples=1, bits_allocated=16, order=order
        )
        assert b"".join(frames(file)) == pixels

    def test_every_fragment_is_a_content_and_headers_stay(self) -> None:
        file = part10(
            rows=1, columns=1, fragments=[b"ab" * 50, b"cd"], transfer_syntax_uid=JPEG_BASELINE
        )
        found = check_nothing_is_lost(file)
        assert [each.extent.length for each in found.contents] == [100, 2]
        assert found.holes[1] - found.holes[0] == 8
        assert found.frames.starts == (0, 2)

    def test_large_values_are_cut_wherever_they_are_nested(self) -> None:
        inner = element(0x00420011, "OB", b"x" * 70_000)
        more = {
            0x00091001: element(0x00091001, "OB", b"y" * 20_000_000),
            0x00091002: element(0x00091002, "OB", b"z" * 70_000_000),
            0x00400275: element(0x00400275, "SQ", item(inner)),
        }
        found = check_nothing_is_lost(part10(rows=2, columns=2, extra=more))
        assert [each.extent.length for each in found.contents] == [
            20_000_000,
            *[16 * 1024 * 1024] * 4,
            70_000_000 - 64 * 1024 * 1024,
            70_000,
            8,
        ]
        assert len(found.skeleton) < 2000
        assert found.frames.first == 7

    def test_an_offset_table_above_64_kib_is_cut(self) -> None:
        fragments = [b"\xff\xd8\xff\xe0"] * 20_000
        table = [12 * n for n in range(20_000)]
        value = encapsulated(fragments, offset_table=table)
        file = part10(
            Rows=1,
            Columns=1,
            BitsAllocated=8,
            NumberOfFrames=20_000,
            transfer_syntax_uid=JPEG_BASELINE,
            extra={0x7FE00010: element(0x7FE00010, "OB", value, length=UNDEFINED)},
        )
        found = check_nothing_is_lost(file)
        assert (found.frames.first, found.frames.count) == (1, 20_000)

    def test_a_missing_last_delimiter_is_forgiven(self) -> None:
        file = part10(rows=1, columns=1, fragments=[b"abcd"], transfer_syntax_uid=JPEG_BASELINE)
        check_nothing_is_lost(file[:-8])
        assert frames(file[:-8]) == [b"abcd"]

    def test_a_deflated_file_is_kept_deflated_and_its_frames_beside_it(self) -> None:
        noise = random.Random(1).randbytes(2 * 200 * 300)
        file = part10(
            rows=200,
            columns=300,
            pixel_data=noise,
            transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        )
        found = check_nothing_is_lost(file)
        assert [each.inflated for each in found.contents] == [False, True]
        assert found.frames.first == 1
        assert frames(file) == [noise]

    def test_a_file_without_preamble_comes_back_without(self) -> None:
        check_nothing_is_lost(part10(preamble=False))
        check_nothing_is_lost(part10(meta=False, preamble=False))


class TestPixels:
    def test_the_pixel_format_is_what_the_data_set_says(self) -> None:
        found = described(
            part10(rows=2, columns=3, samples=3, bits_allocated=8, photometric="RGB", planar=1)
        ).pixels
        assert found is not None
        assert (found.rows, found.columns, found.samples) == (2, 3, 3)
        assert (found.planar, found.encapsulated, found.photometric) == (True, False, "RGB")

    @pytest.mark.parametrize(
        ("uid", "bits", "big_endian"),
        [
            (EXPLICIT_VR_LITTLE_ENDIAN, 16, False),
            (EXPLICIT_VR_BIG_ENDIAN, 16, True),
            (EXPLICIT_VR_BIG_ENDIAN, 8, False),
            ("1.2.840.113619.5.2", 16, True),
        ],
    )
    def test_ps3_5_7_3_words_are_turned_round_and_bytes_are_not(
        self, uid: str, bits: int, big_endian: bool
    ) -> None:
        found = described(part10(rows=2, columns=2, bits_allocated=bits, transfer_syntax_uid=uid))
        assert found.pixels is not None
        assert found.pixels.big_endian is big_endian

    def test_an_instance_without_pixels_has_no_frames(self) -> None:
        found = described(part10())
        assert (found.pixels, found.frames, found.contents) == (None, NO_FRAMES, ())

    def test_empty_pixel_data_is_none(self) -> None:
        assert described(part10(rows=2, columns=2, pixel_data=b"")).pixels is None

    @pytest.mark.parametrize(
        ("tag", "vr", "bits"), [(0x7FE00008, "OF", 32), (0x7FE00009, "OD", 64)]
    )
    def test_float_pixel_data_is_frames_too(self, tag: int, vr: str, bits: int) -> None:
        value = struct.pack("<4f", 1, 2, 3, 4) if bits == 32 else struct.pack("<4d", 1, 2, 3, 4)
        file = part10(Rows=1, Columns=2, NumberOfFrames=2, extra={tag: element(tag, vr, value)})
        found = check_nothing_is_lost(file)
        assert found.pixels is not None
        assert (found.pixels.floating, found.pixels.bits_allocated) == (True, bits)
        assert frames(file) == [value[: len(value) // 2], value[len(value) // 2 :]]

    def test_frames_of_bits_share_contents(self) -> None:
        file = part10(rows=3, columns=3, frames=10, bits_allocated=1)
        found = check_nothing_is_lost(file)
        assert [each.extent.length for each in found.contents] == [9, 3]
        assert found.frames.packed_bits == 9

    def test_without_rows_the_pixels_are_a_value_like_others(self) -> None:
        value = element(0x7FE00010, "OW", b"x" * 70_000)
        found = check_nothing_is_lost(part10(extra={0x7FE00010: value}))
        assert (found.pixels, found.frames.count, len(found.contents)) == (None, 0, 1)

    def test_a_video_is_one_stream(self) -> None:
        file = part10(
            rows=2, columns=2, frames=50, fragments=[b"ab", b"cd"], transfer_syntax_uid=MPEG4
        )
        found = check_nothing_is_lost(file)
        assert (found.frames.count, len(found.contents)) == (0, 2)

    def test_native_pixels_under_a_compressed_transfer_syntax_are_no_frames(self) -> None:
        found = check_nothing_is_lost(
            part10(rows=2, columns=2, transfer_syntax_uid=JPEG_2000_LOSSLESS)
        )
        assert (found.pixels, found.frames.count) == (None, 0)

    @pytest.mark.parametrize("length", [24, 16])
    def test_ybr_full_422_is_halved_unless_it_is_not(self, length: int) -> None:
        file = part10(
            rows=2,
            columns=4,
            samples=3,
            bits_allocated=8,
            photometric="YBR_FULL_422",
            pixel_data=b"x" * length,
        )
        assert [len(frame) for frame in frames(file)] == [length]

    def test_number_of_frames_that_is_no_number_counts_as_one(self) -> None:
        file = part10(rows=1, columns=1, NumberOfFrames="many", pixel_data=b"abcd")
        assert frames(file) == [b"ab"]


class TestIdentity:
    def test_uids_and_number_are_given(self) -> None:
        found = described(part10(InstanceNumber=" 7"))
        assert (found.study_uid, found.series_uid) == (STUDY_UID, SERIES_UID)
        assert (found.instance_uid, found.sop_class_uid) == (INSTANCE_UID, CT_IMAGE_STORAGE)
        assert (found.number, described(part10()).number) == (7, NO_NUMBER)

    @pytest.mark.parametrize("number", ["-1", "1e99", "x", "1.5\\2"])
    def test_an_instance_number_out_of_range_never_loses_the_instance(self, number: str) -> None:
        assert 0 <= described(part10(InstanceNumber=number)).number <= NO_NUMBER

    @pytest.mark.parametrize(
        ("keyword", "where"),
        [
            ("StudyInstanceUID", r"\(0020,000D\)"),
            ("SeriesInstanceUID", r"\(0020,000E\)"),
            ("SOPInstanceUID", r"\(0008,0018\)"),
            ("SOPClassUID", r"\(0008,0016\)"),
        ],
    )
    def test_a_missing_uid_is_named(self, keyword: str, where: str) -> None:
        with pytest.raises(Malformed, match=f"{where} is missing or empty"):
            described(part10(without=[keyword]))

    @pytest.mark.parametrize("uid", ["../../etc/passwd", "1.2 3", "1..2", "1.2.", "abc", "1/2"])
    def test_a_malformed_uid_is_named(self, uid: str) -> None:
        with pytest.raises(Malformed, match=r"\(0020,000D\) is .* a UID is digits and dots"):
            described(part10(study_uid=uid))

    def test_a_uid_of_65_characters_is_too_long(self) -> None:
        with pytest.raises(Malformed, match=r"\(0008,0018\) has 65 characters"):
            described(part10(instance_uid="1." + "2" * 63))

    def test_a_dicomdir_is_no_instance(self) -> None:
        with pytest.raises(Malformed, match="DICOMDIR"):
            described(part10(sop_class_uid="1.2.840.10008.1.3.10"))


class TestLevels:
    def test_each_level_has_its_attributes(self) -> None:
        found = described(
            part10(
                rows=2,
                columns=2,
                PatientName="Müller^Jörg=米勒",
                StudyDate="2024.01.31",
                SeriesNumber="003",
                RequestAttributesSequence=[
                    {"ScheduledProcedureStepID": "A"},
                    {"ScheduledProcedureStepID": "B"},
                ],
            )
        )
        assert found.study_level.terms["00100010"] == ("muller^jorg", "米勒")
        assert found.study_level.terms["00080020"] == ("20240131",)
        assert found.series_level.terms["00200011"] == ("3",)
        items = found.series_level.terms["00400275"]
        assert items == ('{"00400009":["A"]}', '{"00400009":["B"]}')
        assert found.instance_level.terms["00280010"] == ("2",)
        assert orjson.loads(found.study_level.document)["00100010"]["Value"] == [
            {"Alphabetic": "Müller^Jörg", "Ideographic": "米勒"}
        ]
        assert found.rollup == {"00080061": ("CT",), "00080062": (CT_IMAGE_STORAGE,)}

    def test_what_a_level_lacks_is_not_there(self) -> None:
        found = described(part10(without=["Modality"], PatientName=None))
        assert "00100010" not in found.study_level.terms
        assert orjson.loads(found.study_level.document)["00100010"] == {"vr": "PN"}
        assert "00080061" not in found.rollup


class MultiFrame:
    """A file of `frames` native frames of 512 KiB that is nowhere: its header and zeros."""

    def __init__(self, frames: int) -> None:
        file = part10(rows=512, columns=512, frames=frames, pixel_data=b"")
        self.header = file[:-4] + struct.pack("<I", frames * 512 * 1024)
        self.length = len(self.header) + frames * 512 * 1024
        self.taken = 0

    def read_at(self, offset: int, length: int) -> bytes:
        length = max(0, min(length, self.length - offset))
        self.taken += length
        return self.header[offset : offset + length].ljust(length, b"\0")


def test_two_gigabytes_of_frames_are_described_without_reading_them() -> None:
    source = MultiFrame(4096)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.process_time()
    found = describe(source)
    assert found.frames.count == 4096
    assert source.taken < 1024 * 1024
    assert time.process_time() - began < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_the_limits_are_the_callers() -> None:
    with pytest.raises(Exception, match="frames, the limit is 3"):
        describe(BytesSource(part10(rows=1, columns=1, frames=4)), limits=Limits(frames=3))


@pytest.mark.parametrize(
    ("vr", "value"),
    [
        ("FL", struct.pack("<f", float("nan"))),
        ("FD", struct.pack("<d", float("inf"))),
        ("AT", b"\x10\0\x20\0"),
        ("SQ", item(b"")),
        ("SQ", item(b"") * 100),
    ],
)
@pytest.mark.parametrize("tag", [0x00080060, 0x00200013, 0x00280010, 0x00281101])
def test_a_value_that_makes_no_sense_never_refuses_an_instance(
    tag: int, vr: str, value: bytes
) -> None:
    modality = element(0x00080060, "CS", b"CT")
    found = check_nothing_is_lost(part10().replace(modality, element(tag, vr, value)))
    assert orjson.loads(found.metadata)[f"{tag:08X}"]["vr"] == vr
