"""Instances streamed as Explicit VR Little Endian (PS3.5 §A.2)."""

import io
from collections.abc import Sequence
from dataclasses import replace

import pydicom
import pytest

from dicomweb_server.dicom.describe import describe
from dicomweb_server.dicom.errors import Damaged, TooLarge, UnsupportedEncoding
from dicomweb_server.dicom.explicit import NativeFrames, explicit_little_endian
from dicomweb_server.dicom.source import BytesSource
from storage.model import PixelFormat
from tests.dicom.build import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    JPEG_BASELINE,
    UNDEFINED,
    counting_pixels,
    element,
    encapsulated,
    item,
    part10,
)


def native(file: bytes, frames: Sequence[bytes], **changes: object) -> NativeFrames:
    pixels = describe(BytesSource(file)).pixels
    assert isinstance(pixels, PixelFormat)
    decoded = replace(pixels, encapsulated=False, big_endian=False)
    return NativeFrames(
        replace(decoded, **changes),  # type: ignore[arg-type]
        len(frames),
        len(frames[0]),
        iter(frames),
    )


def written(file: bytes, frames: NativeFrames | None = None) -> pydicom.Dataset:
    explicit = explicit_little_endian(BytesSource(file), frames=frames)
    sent = b"".join(explicit.chunks)
    assert len(sent) == explicit.length
    read = pydicom.dcmread(io.BytesIO(sent))
    assert read.file_meta.TransferSyntaxUID == EXPLICIT_VR_LITTLE_ENDIAN
    return read


@pytest.mark.parametrize(
    "uid",
    [
        IMPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_LITTLE_ENDIAN,
        EXPLICIT_VR_BIG_ENDIAN,
        DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    ],
)
def test_every_encoding_becomes_the_same_data_set(uid: str) -> None:
    file = part10(
        rows=2,
        columns=2,
        frames=2,
        transfer_syntax_uid=uid,
        PatientName="Wang^XiaoDong=王^小东",
        RequestAttributesSequence=[{"ScheduledProcedureStepID": "A"}, {}],
        ImagePositionPatient=[1, 2, 3],
    )
    pixels = counting_pixels(rows=2, columns=2, frames=2, samples=1, bits_allocated=16, order="<")
    read = written(file, native(file, [pixels[:8], pixels[8:]]))
    original = pydicom.dcmread(io.BytesIO(file))
    assert read.PixelData == pixels
    assert read.pixel_array.tolist() == original.pixel_array.tolist()
    for each in (read, original):
        del each.PixelData
    assert read.to_json_dict() == original.to_json_dict()


def test_decoded_frames_change_the_image_pixel_module_and_drop_the_offset_tables() -> None:
    file = part10(
        rows=1,
        columns=2,
        frames=2,
        samples=3,
        bits_allocated=8,
        photometric="YBR_FULL_422",
        fragments=[b"ab", b"cd"],
        transfer_syntax_uid=JPEG_BASELINE,
        extra={0x7FE00001: element(0x7FE00001, "OV", bytes(16))},
    )
    read = written(file, native(file, [b"123456", b"789012"], photometric="RGB"))
    assert (read.PhotometricInterpretation, read.PlanarConfiguration) == ("RGB", 0)
    assert read.PixelData == b"123456789012"
    assert 0x7FE00001 not in read


def test_frames_of_bits_are_packed_without_padding() -> None:
    file = part10(rows=3, columns=3, frames=3, bits_allocated=1)
    read = written(file, native(file, [b"\xff\x01", b"\x00\x00", b"\xff\x01"]))
    assert read.PixelData == bytes([0xFF, 0x01, 0b11111100, 0b111])


def test_native_pixels_without_frames_are_copied() -> None:
    read = written(part10(rows=1, columns=1, pixel_data=b""))
    assert read.PixelData == b"" or read.PixelData is None


def test_a_large_value_is_streamed_and_turned_round() -> None:
    value = b"\1\2" * 50_000
    uid = EXPLICIT_VR_BIG_ENDIAN
    large = element(0x00091001, "OW", value, transfer_syntax_uid=uid)
    read = written(part10(transfer_syntax_uid=uid, extra={0x00091001: large}))
    assert read[0x00091001].value == b"\2\1" * 50_000


def test_ps3_5_6_2_2_a_value_too_long_for_its_vr_is_un() -> None:
    uid = IMPLICIT_VR_LITTLE_ENDIAN
    long = element(0x00081030, "LO", b"x" * 70_000, transfer_syntax_uid=uid)
    read = written(part10(transfer_syntax_uid=uid, extra={0x00081030: long}))
    assert (read[0x00081030].VR, read[0x00081030].value) == ("UN", b"x" * 70_000)


def test_an_odd_value_is_padded() -> None:
    odd = element(0x00100020, "LO", b"abc")
    assert written(part10(extra={0x00100020: odd})).PatientID == "abc"


def test_an_encapsulated_icon_stays_encapsulated() -> None:
    icon = item(element(0x7FE00010, "OB", encapsulated([b"abcd"]), length=UNDEFINED))
    read = written(part10(extra={0x00880200: element(0x00880200, "SQ", icon)}))
    assert read.IconImageSequence[0].PixelData == encapsulated([b"abcd"])[:-8]


def test_a_video_cannot_be_written_native() -> None:
    uid = "1.2.840.10008.1.2.4.102"
    file = part10(rows=1, columns=1, fragments=[b"ab"], transfer_syntax_uid=uid)
    with pytest.raises(UnsupportedEncoding, match=uid):
        explicit_little_endian(BytesSource(file), frames=None)


@pytest.mark.parametrize("frames", [[b"1234"], [b"1234", b"123"], [b"1234"] * 3])
def test_frames_that_are_not_as_announced_stop_the_stream(frames: list[bytes]) -> None:
    file = part10(rows=1, columns=2, frames=2)
    announced = replace(native(file, frames), count=2)
    with pytest.raises(Damaged):
        list(explicit_little_endian(BytesSource(file), frames=announced).chunks)


def test_more_than_a_length_field_can_say_is_too_large() -> None:
    file = part10(rows=1, columns=2, frames=2)
    huge = replace(native(file, [b"1234"]), count=2**31, frame_bytes=4)
    with pytest.raises(TooLarge, match=r"\(7FE0,0010\)"):
        explicit_little_endian(BytesSource(file), frames=huge)
