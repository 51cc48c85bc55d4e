"""A frame of any transfer syntax becomes the samples that pydicom makes of it, or a clear error."""

import logging
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pydicom
import pydicom.data
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.processing import convert_color_space

from dicomweb_server.dicom.decode import native_frame, samples, unpack_bits
from dicomweb_server.dicom.describe import Description, describe
from dicomweb_server.dicom.errors import Damaged, DicomError, TooLarge, UnsupportedEncoding
from dicomweb_server.dicom.source import FileSource
from dicomweb_server.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from storage.model import PixelFormat

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSY = (JPEG_BASELINE, JPEG_EXTENDED)
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_2000 = "1.2.840.10008.1.2.4.90"
JPEG_XL = "1.2.840.10008.1.2.4.110"
HTJ2K = "1.2.840.10008.1.2.4.201"
RLE = "1.2.840.10008.1.2.5"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
EXPLICIT = "1.2.840.10008.1.2.1"

GREY = PixelFormat(
    encapsulated=True,
    rows=40,
    columns=56,
    samples=1,
    bits_allocated=16,
    bits_stored=12,
    signed=False,
    planar=False,
    big_endian=False,
    floating=False,
    photometric="MONOCHROME2",
)
COLOUR = replace(GREY, samples=3, bits_allocated=8, bits_stored=8, photometric="RGB")
encode_jpeg: Callable[..., bytes] = imagecodecs.jpeg8_encode  # type: ignore[assignment]
encode_jpeg_ls: Callable[..., bytes] = imagecodecs.jpegls_encode  # type: ignore[assignment]
encode_jpeg_2000: Callable[..., bytes] = imagecodecs.jpeg2k_encode  # type: ignore[assignment]
encode_jpeg_xl: Callable[..., bytes] = imagecodecs.jpegxl_encode  # type: ignore[assignment]
encode_htj2k: Callable[..., bytes] = imagecodecs.htj2k_encode  # type: ignore[assignment]
Y, X = np.mgrid[0:40, 0:56]
SLOPE = (Y * 60 + X * 20).astype(np.uint16)
RGB = np.stack([Y * 6, X * 4, Y + X], axis=-1).astype(np.uint8)


def decoded(content: bytes, pixels: PixelFormat, uid: str) -> npt.NDArray[Any]:
    return samples(*native_frame(content, pixels=pixels, transfer_syntax_uid=uid))


# ---------------------------------------------------------------------- against pydicom


def frames_of(path: Path, description: Description) -> Iterator[bytes]:
    with FileSource(path) as source:
        for index in range(description.frames.count):
            content = b""
            for number in description.frames.blobs_of(index):
                cut = description.contents[number]
                held = description.inflated if cut.inflated else source
                assert held is not None
                content += held.read_at(cut.extent.offset, cut.extent.length)
            if bits := description.frames.packed_bits:
                content = unpack_bits(content, index % 8, bits)
            yield content


def reference(path: Path, description: Description) -> Iterator[npt.NDArray[Any]] | None:
    """pydicom's frames, None where it has none. Of lossy 8-bit JPEG those of its Pillow plugin."""
    pixels = description.pixels
    assert pixels is not None
    lossy8 = description.transfer_syntax_uid in JPEG_LOSSY and pixels.bits_stored == 8
    try:
        frames = get_decoder(description.transfer_syntax_uid).iter_array(
            pydicom.dcmread(path),
            raw=not pixels.encapsulated,
            decoding_plugin="pillow" if lossy8 else "",
        )
        first = next(frames)[0]
    except Exception:
        return None
    return (frame for frame in (first, *(frame for frame, _ in frames)))


def compare(path: Path) -> str:
    """How the frames of a file compare with pydicom's; at most 5 of them."""
    with FileSource(path) as source:
        try:
            description = describe(source)
        except DicomError:
            return "not described"
        if description.pixels is None or not description.frames.count:
            return "no frames"
        expected = reference(path, description)
        if expected is None:
            return "pydicom cannot"
        for number, content in enumerate(frames_of(path, description), 1):
            if number > 5:
                break
            found = decoded(content, description.pixels, description.transfer_syntax_uid)
            frame = next(expected)
            assert found.shape == frame.shape, path.name
            if description.transfer_syntax_uid in JPEG_LOSSY and found.itemsize > 1:
                # libjpeg-turbo and pylibjpeg-libjpeg round their inverse transforms differently.
                assert np.abs(found.astype(int) - frame.astype(int)).max() <= 1, path.name
            else:
                assert np.array_equal(found, frame, equal_nan=found.dtype.kind == "f"), path.name
    return "equal"


# 27 bytes in 16-bit big endian words: the last sample is in the pad byte, which is no frame's.
ODD_WORDS = "SC_rgb_small_odd_big_endian.dcm"


@pytest.fixture
def quiet_pydicom() -> Iterator[None]:
    """pydicom logs a stack trace for every decoder that it tries in vain."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.usefixtures("quiet_pydicom")
@pytest.mark.filterwarnings("ignore")
def test_every_file_of_pydicom_decodes_as_pydicom_decodes_it() -> None:
    root = Path(pydicom.data.__file__).parent / "test_files"
    paths = [path for path in sorted(root.glob("*.dcm")) if path.name != ODD_WORDS]

    outcomes = [compare(path) for path in paths]

    assert outcomes.count("equal") >= 40


@pytest.mark.usefixtures("quiet_pydicom")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("folder", ["mixed", "enhanced-mr"])
def test_every_real_file_decodes_as_pydicom_decodes_it(shared_data: Path, folder: str) -> None:
    paths = [path for path in sorted((shared_data / folder).rglob("*")) if path.is_file()]

    outcomes = [compare(path) for path in paths]

    assert outcomes.count("equal") >= {"mixed": 180, "enhanced-mr": 5}[folder]


# ---------------------------------------------------------------------- by transfer syntax


@pytest.mark.parametrize(
    ("uid", "codestream"),
    [
        (JPEG_LOSSLESS, encode_jpeg(SLOPE, lossless=True, bitspersample=12)),
        (JPEG_LS, encode_jpeg_ls(SLOPE)),
        (JPEG_2000, encode_jpeg_2000(SLOPE, reversible=True, codecformat="j2k")),
        (JPEG_XL, encode_jpeg_xl(SLOPE, lossless=True)),
        (HTJ2K, encode_htj2k(SLOPE, reversible=True)),
        (DEFLATED_FRAME, zlib.compress(SLOPE.tobytes(), wbits=-15)),
        ("1.2.840.10008.1.2.1.98", SLOPE.tobytes()),
    ],
)
def test_a_lossless_codestream_gives_what_was_encoded(uid: str, codestream: bytes) -> None:
    assert np.array_equal(decoded(codestream, GREY, uid), SLOPE)
    assert np.array_equal(decoded(codestream + b"\0", GREY, uid), SLOPE), "padded to even length"


@pytest.mark.parametrize(
    ("uid", "codestream"),
    [
        (JPEG_LOSSLESS, encode_jpeg(RGB, lossless=True, colorspace="RGB")),
        (JPEG_LS, encode_jpeg_ls(RGB)),
        (JPEG_2000, encode_jpeg_2000(RGB, reversible=True, codecformat="j2k")),
        (JPEG_XL, encode_jpeg_xl(RGB, lossless=True)),
        (HTJ2K, encode_htj2k(RGB, reversible=True, rgb=True)),
    ],
)
def test_a_lossless_colour_codestream_gives_what_was_encoded(uid: str, codestream: bytes) -> None:
    frame = native_frame(codestream, pixels=COLOUR, transfer_syntax_uid=uid)

    assert np.array_equal(samples(*frame), RGB)
    assert frame.pixels == replace(COLOUR, encapsulated=False)


def test_ps3_5_8_2_4_ybr_rct_is_undone_by_the_codestream_and_called_rgb() -> None:
    codestream = encode_jpeg_2000(RGB, reversible=True, codecformat="j2k", mct=True)

    frame = native_frame(
        codestream, pixels=replace(COLOUR, photometric="YBR_RCT"), transfer_syntax_uid=JPEG_2000
    )

    assert frame.pixels.photometric == "RGB"
    assert np.array_equal(samples(*frame), RGB)


def test_ybr_full_becomes_rgb_whatever_carried_it() -> None:
    ybr = convert_color_space(RGB, "RGB", "YBR_FULL")
    expected = convert_color_space(ybr, "YBR_FULL", "RGB")
    pixels = replace(COLOUR, photometric="YBR_FULL")

    for uid, codestream in (
        (JPEG_LS, encode_jpeg_ls(ybr)),
        (DEFLATED_FRAME, zlib.compress(ybr.tobytes(), wbits=-15)),
        (RLE, rle(np.moveaxis(ybr, -1, 0))),
    ):
        frame = native_frame(codestream, pixels=pixels, transfer_syntax_uid=uid)
        assert frame.pixels.photometric == "RGB"
        assert np.array_equal(samples(*frame), expected)


def test_a_jpeg_that_says_what_its_colours_are_is_believed_before_the_data_set() -> None:
    jfif = encode_jpeg(RGB, level=95, colorspace="RGB", outcolorspace="YCBCR")
    plain = encode_jpeg(RGB, level=95, colorspace="RGB", outcolorspace="RGB")

    for codestream in (jfif, plain):
        for photometric in ("RGB", "YBR_FULL_422"):
            pixels = replace(COLOUR, photometric=photometric)
            frame = native_frame(codestream, pixels=pixels, transfer_syntax_uid=JPEG_BASELINE)
            if codestream is plain and b"Adobe" in plain and photometric != "RGB":
                continue  # Adobe's transform 0 leaves it to the data set
            assert frame.pixels.photometric == "RGB"
            assert np.abs(samples(*frame).astype(int) - RGB).max() < 40


def test_signed_samples_come_back_negative_from_codestreams_without_signs() -> None:
    twelve = SLOPE.astype(np.int16) - 1500
    sixteen = SLOPE.astype(np.int16) * 9 - 20000
    jpeg = encode_jpeg((twelve & 0x0FFF).astype(np.uint16), lossless=True, bitspersample=12)
    jpeg_ls = encode_jpeg_ls(sixteen.view(np.uint16))

    for uid, codestream, values, bits in (
        (JPEG_LOSSLESS, jpeg, twelve, 12),
        (JPEG_LS, jpeg_ls, sixteen, 16),
    ):
        pixels = replace(GREY, signed=True, bits_stored=bits)
        frame = native_frame(codestream, pixels=pixels, transfer_syntax_uid=uid)
        assert np.array_equal(np.frombuffer(frame.content, "<i2").reshape(40, 56), values)


def test_a_codestream_of_the_other_signedness_is_the_same_bits() -> None:
    values = SLOPE.astype(np.int16) - 1500
    codestream = encode_jpeg_2000(values.view(np.uint16), reversible=True, codecformat="j2k")

    found = decoded(codestream, replace(GREY, signed=True, bits_stored=16), JPEG_2000)

    assert np.array_equal(found, values)


def test_a_codestream_with_more_bits_than_the_data_set_says_keeps_them() -> None:
    codestream = encode_jpeg_2000(SLOPE + 30000, reversible=True, codecformat="j2k")

    frame = native_frame(codestream, pixels=GREY, transfer_syntax_uid=JPEG_2000)

    assert frame.pixels.bits_stored == 16
    assert np.array_equal(samples(*frame), SLOPE + 30000)


def test_a_codestream_with_fewer_bits_is_widened_to_those_allocated() -> None:
    small = (SLOPE // 16).astype(np.uint8)
    codestream = encode_jpeg_2000(small, reversible=True, codecformat="j2k")

    frame = native_frame(codestream, pixels=GREY, transfer_syntax_uid=JPEG_2000)

    assert frame.pixels.bits_allocated == 16
    assert np.array_equal(samples(*frame), small)


def rle(planes: npt.NDArray[Any]) -> bytes:
    """RLE Lossless of (samples, rows, columns), literal runs only (PS3.5 §G)."""
    segments = []
    for plane in planes:
        for byte in range(plane.dtype.itemsize)[::-1]:
            raw = (plane >> 8 * byte).astype(np.uint8).tobytes()
            runs = [raw[at : at + 128] for at in range(0, len(raw), 128)]
            segments.append(b"".join(bytes([len(run) - 1]) + run for run in runs))
    offsets = [64 + sum(map(len, segments[:n])) for n in range(len(segments))]
    return struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets))) + b"".join(
        segments
    )


@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4"])
@pytest.mark.parametrize("count", [1, 3])
def test_ps3_5_g_rle_of_any_depth_and_colour_becomes_colour_by_pixel(kind: str, count: int) -> None:
    planes = np.arange(count * 40 * 56).reshape(count, 40, 56).astype(f"<{kind}")
    pixels = replace(
        COLOUR if count == 3 else GREY,
        bits_allocated=planes.itemsize * 8,
        bits_stored=planes.itemsize * 8,
        signed=kind == "i2",
        planar=count == 3,
    )

    frame = native_frame(rle(planes), pixels=pixels, transfer_syntax_uid=RLE)

    assert not frame.pixels.planar
    assert np.array_equal(np.moveaxis(np.atleast_3d(samples(*frame)), -1, 0), planes)


def test_ps3_5_8_2_16_a_deflated_frame_of_1_bit_samples_stays_packed() -> None:
    bits = (SLOPE > 1500).astype(np.uint8)
    packed = np.packbits(bits, bitorder="little").tobytes()
    pixels = replace(GREY, bits_allocated=1, bits_stored=1)

    frame = native_frame(
        zlib.compress(packed, wbits=-15), pixels=pixels, transfer_syntax_uid=DEFLATED_FRAME
    )

    assert frame.content == packed
    assert np.array_equal(samples(*frame), bits)


# ---------------------------------------------------------------------- native


def test_a_native_frame_is_not_touched() -> None:
    pixels = replace(COLOUR, encapsulated=False, planar=True, photometric="YBR_FULL")
    content = np.ascontiguousarray(np.moveaxis(RGB, -1, 0)).tobytes()

    frame = native_frame(content, pixels=pixels, transfer_syntax_uid=EXPLICIT)

    assert frame == (content, pixels)
    assert np.array_equal(samples(*frame), RGB)


@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_big_endian_words_are_turned(bits: int) -> None:
    values = (Y * 56 + X).astype(f"u{bits // 8}")
    word = max(2, bits // 8)
    content = np.frombuffer(values.tobytes(), f"u{word}").byteswap().tobytes()
    pixels = replace(
        GREY, encapsulated=False, big_endian=True, bits_allocated=bits, bits_stored=bits
    )

    frame = native_frame(content, pixels=pixels, transfer_syntax_uid=EXPLICIT)

    assert not frame.pixels.big_endian
    assert np.array_equal(samples(*frame), values)


@pytest.mark.parametrize("bits", [32, 64])
def test_float_samples_are_floats(bits: int) -> None:
    values = (SLOPE / 7).astype(f"<f{bits // 8}")
    pixels = replace(GREY, encapsulated=False, floating=True, bits_allocated=bits, bits_stored=bits)

    assert np.array_equal(samples(values.tobytes(), pixels), values)


def test_ps3_5_8_1_1_bits_above_those_stored_are_no_part_of_a_sample() -> None:
    pixels = replace(GREY, encapsulated=False)
    content = (SLOPE | 0xF000).tobytes()

    assert native_frame(content, pixels=pixels, transfer_syntax_uid=EXPLICIT).content == content
    assert np.array_equal(samples(content, pixels), SLOPE & 0x0FFF)
    signed = samples((SLOPE & 0x0FFF).tobytes(), replace(pixels, signed=True))
    assert np.array_equal(signed, (SLOPE.astype(np.int16) << 4) >> 4)


def test_samples_may_lie_high_in_their_words() -> None:
    pixels = replace(GREY, encapsulated=False)
    content = (SLOPE << 4 | 0x3).astype(np.uint16).tobytes()

    assert np.array_equal(samples(content, pixels, high_bit=15), SLOPE & 0x0FFF)


def test_ps3_3_c_7_6_3_1_2_ybr_full_422_is_filled_up() -> None:
    pixels = replace(COLOUR, encapsulated=False, rows=1, columns=4, photometric="YBR_FULL_422")

    found = samples(bytes([1, 2, 101, 201, 3, 4, 102, 202]), pixels)

    assert found.tolist() == [[[1, 101, 201], [2, 101, 201], [3, 102, 202], [4, 102, 202]]]


@given(rows=st.integers(1, 9), columns=st.integers(1, 9), frames=st.integers(1, 8))
def test_1_bit_frames_that_begin_inside_a_byte_are_taken_out(
    *, rows: int, columns: int, frames: int
) -> None:
    bits = np.random.default_rng(rows * 100 + columns).integers(
        0, 2, (frames, rows, columns), dtype=np.uint8
    )
    content = np.packbits(bits, bitorder="little").tobytes()
    pixels = replace(
        GREY, encapsulated=False, rows=rows, columns=columns, bits_allocated=1, bits_stored=1
    )

    for index in range(frames):
        frame = unpack_bits(content, index, rows * columns)
        assert len(frame) == (rows * columns + 7) // 8
        assert np.array_equal(samples(frame, pixels), bits[index])


def test_a_1_bit_frame_after_the_end_is_damaged() -> None:
    with pytest.raises(Damaged, match="hold 16 bits, frame 1 needs 24"):
        unpack_bits(bytes(2), 1, 12)


# ---------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    "row",
    [row for row in TRANSFER_SYNTAXES.values() if row.encapsulated],
    ids=lambda row: row.keyword,
)
def test_the_table_says_what_is_decoded(row: Any) -> None:
    with pytest.raises(DicomError) as caught:
        native_frame(b"not a codestream", pixels=GREY, transfer_syntax_uid=row.uid)

    assert isinstance(caught.value, Damaged if row.decodable else UnsupportedEncoding)


def test_a_private_transfer_syntax_is_named() -> None:
    with pytest.raises(UnsupportedEncoding, match=r"1\.2\.3\.4"):
        native_frame(bytes(10), pixels=GREY, transfer_syntax_uid="1.2.3.4")


CODESTREAMS = {
    JPEG_BASELINE: encode_jpeg(SLOPE.astype(np.uint8), level=90),
    JPEG_EXTENDED: encode_jpeg(SLOPE, level=90, bitspersample=12),
    JPEG_LOSSLESS: encode_jpeg(SLOPE, lossless=True, bitspersample=12),
    JPEG_LS: encode_jpeg_ls(SLOPE),
    JPEG_2000: encode_jpeg_2000(SLOPE, reversible=True, codecformat="j2k"),
    JPEG_XL: encode_jpeg_xl(SLOPE, lossless=True),
    HTJ2K: encode_htj2k(SLOPE, reversible=True),
    RLE: rle(SLOPE[None]),
    DEFLATED_FRAME: zlib.compress(SLOPE.tobytes(), wbits=-15),
}


@pytest.mark.parametrize("uid", list(CODESTREAMS))
def test_a_truncated_codestream_is_damaged_and_the_frame_is_named(uid: str) -> None:
    codestream = CODESTREAMS[uid]

    for length in (0, 1, 20, len(codestream) // 2, len(codestream) - 3):
        with pytest.raises(Damaged, match="frame 7"):
            native_frame(codestream[:length], pixels=GREY, transfer_syntax_uid=uid, frame_number=7)


@pytest.mark.parametrize("uid", list(CODESTREAMS))
def test_a_codestream_of_another_size_is_damaged(uid: str) -> None:
    for pixels in (
        replace(GREY, rows=41),
        replace(GREY, columns=112),
        replace(GREY, samples=3, photometric="RGB"),
    ):
        with pytest.raises(Damaged):
            native_frame(CODESTREAMS[uid], pixels=pixels, transfer_syntax_uid=uid)


@pytest.mark.parametrize("uid", list(CODESTREAMS))
def test_a_frame_larger_than_the_limit_is_refused_before_it_is_decoded(uid: str) -> None:
    with pytest.raises(TooLarge, match="frame 1 holds"):
        native_frame(
            CODESTREAMS[uid],
            pixels=replace(GREY, rows=65535, columns=65535),
            transfer_syntax_uid=uid,
        )


@pytest.mark.parametrize("uid", list(CODESTREAMS))
@given(
    places=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1, max_size=4)
)
@settings(max_examples=25, deadline=None)
def test_any_codestream_gives_a_whole_frame_or_a_dicom_error(
    uid: str, places: list[tuple[int, int]]
) -> None:
    codestream = bytearray(CODESTREAMS[uid])
    for place, value in places:
        codestream[place % len(codestream)] = value

    with suppress(DicomError), warnings.catch_warnings():
        frame = native_frame(bytes(codestream), pixels=GREY, transfer_syntax_uid=uid)
        assert samples(*frame).shape == (40, 56)


@pytest.mark.parametrize("bits", [0, 2, 4, 12, 24])
def test_packed_samples_of_old_are_refused_by_number(bits: int) -> None:
    pixels = replace(GREY, encapsulated=False, bits_allocated=bits)

    with pytest.raises(UnsupportedEncoding, match=f"{bits} bits allocated"):
        native_frame(bytes(10000), pixels=pixels, transfer_syntax_uid=EXPLICIT)


def test_a_native_frame_that_is_too_short_is_damaged() -> None:
    pixels = replace(GREY, encapsulated=False)

    with pytest.raises(Damaged, match="holds 100 bytes, its pixels need 4480"):
        native_frame(bytes(100), pixels=pixels, transfer_syntax_uid=EXPLICIT)
