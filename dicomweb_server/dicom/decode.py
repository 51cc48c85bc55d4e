"""A frame's content, in whatever transfer syntax it was received, as native samples.

Native samples are what Explicit VR Little Endian carries (PS3.5 §8.1.1). Where a codestream is in
luminance and chrominance they become RGB, as pydicom's `decompress` and most servers do: what a
client is told of the pixels is `NativeFrame.pixels`, and a data set that goes out with decoded
frames takes its Image Pixel Module from there.

imagecodecs decodes, without the GIL. Lossless codestreams decode to what was encoded; lossy JPEG
as libjpeg-turbo does it (as Pillow, pydicom's other decoder, does), which the standard lets differ
from other decoders by 1.
"""

import zlib
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from struct import unpack
from typing import Any, Final, NamedTuple

import imagecodecs
import numpy as np
import numpy.typing as npt
from pydicom.pixels.processing import convert_color_space

from dicomweb_server.dicom.codecs import of_bits
from dicomweb_server.dicom.codestreams import Colour, Header, jpeg2000_header, jpeg_header
from dicomweb_server.dicom.errors import Damaged, DicomError, TooLarge, UnsupportedEncoding
from dicomweb_server.dicom.transfer_syntaxes import TRANSFER_SYNTAXES, transfer_syntax
from storage.model import Buffer, PixelFormat

Array = npt.NDArray[Any]
"""Samples, (rows, columns) or (rows, columns, samples)."""

FRAME_LIMIT_BYTES: Final = 512 * 1024 * 1024
"""Of native samples. A codestream of a few bytes can declare any size."""


class NativeFrame(NamedTuple):
    """content  samples, little endian; a last byte of 1-bit samples is filled with 0
    pixels   how they lie: `encapsulated` is False, `big_endian` is False
    """

    content: Buffer
    pixels: PixelFormat


def native_frame(
    content: Buffer, *, pixels: PixelFormat, transfer_syntax_uid: str, frame_number: int = 1
) -> NativeFrame:
    """The frame as native samples.

    content       one frame: native samples, or all its fragments joined
    frame_number  from 1, for the text of an error

    Of a native frame only the byte order changes. A decoded frame is colour-by-pixel, and RGB where
    `pixels.photometric` or the codestream say YBR; bits_allocated and bits_stored grow when the
    codestream has more.

    Raises UnsupportedEncoding, Damaged (also when the codestream's size is not that of the data
    set) or TooLarge.
    """
    if not pixels.encapsulated:
        return _native(content, pixels, f"frame {frame_number}")
    syntax = transfer_syntax(transfer_syntax_uid)
    decoder = _DECODERS.get(syntax.uid)
    if decoder is None:
        raise UnsupportedEncoding(syntax.uid, f"frames of {syntax.name} are not decoded")
    length = _frame_length(replace(pixels, bits_allocated=max(pixels.bits_allocated, 8)))
    if length > FRAME_LIMIT_BYTES:
        raise TooLarge(f"frame {frame_number}", "bytes", found=length, limit=FRAME_LIMIT_BYTES)
    try:
        return decoder(bytes(content), pixels)
    except Damaged as error:
        raise Damaged(f"frame {frame_number}: {error.what}", error.reason) from error
    except DicomError:
        raise
    except (RuntimeError, ValueError, IndexError, MemoryError, zlib.error) as error:
        raise Damaged(f"frame {frame_number}: {syntax.keyword} codestream", str(error)) from error


def samples(content: Buffer, pixels: PixelFormat, *, high_bit: int | None = None) -> Array:
    """The values of a native frame: (rows, columns), or (rows, columns, samples) by pixel.

    high_bit  High Bit (0028,0102), where it is not bits_stored - 1 (PS3.5 §8.1.1)

    Bits above the stored ones, overlays of old among them, are gone: values keep to bits_stored,
    negative ones are negative. YBR_FULL_422 is filled up to YBR_FULL; colours are not converted.
    Raises Damaged when the content is too short, UnsupportedEncoding for other bits_allocated than
    PixelFormat names.
    """
    frame = _native(content, pixels, "frame")
    pixels = frame.pixels
    count = pixels.rows * pixels.columns * pixels.samples
    if pixels.bits_allocated == 1:
        bits = np.frombuffer(frame.content, np.uint8)
        return _shaped(np.unpackbits(bits, count=count, bitorder="little"), pixels)
    values: Array = np.frombuffer(frame.content, _dtype(pixels))
    if len(values) != count:
        return _shaped(_filled_up(values), pixels)
    high_bit = pixels.bits_stored - 1 if high_bit is None else high_bit
    unused_above = pixels.bits_allocated - 1 - high_bit
    unused = pixels.bits_allocated - pixels.bits_stored
    if unused > 0 and 0 <= unused_above <= unused and not pixels.floating:
        if unused_above == unused and count and of_bits(values, pixels.bits_stored):
            return _shaped(values, pixels)  # as they nearly always are: looking is sooner done
        values = values << unused_above
        values >>= unused
    return _shaped(values, pixels)


def unpack_bits(content: bytes, frame_index_in_group: int, packed_bits: int) -> bytes:
    """One frame of 1-bit samples, taken out of a content that frames share (FrameTable).

    frame_index_in_group  from 0, of the at most 8 frames in the content
    packed_bits           bits of one frame

    Again packed, first sample in the lowest bit of the first byte, the last byte filled with 0.
    PS3.5 §8.1.1. Raises Damaged when the content ends before the frame.
    """
    first = frame_index_in_group * packed_bits
    bits = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")
    frame = bits[first : first + packed_bits]
    if len(frame) < packed_bits:
        raise Damaged(
            "frames of 1-bit samples",
            f"hold {len(bits)} bits, frame {frame_index_in_group} needs {first + packed_bits}",
        )
    return np.packbits(frame, bitorder="little").tobytes()


def _native(content: Buffer, pixels: PixelFormat, what: str) -> NativeFrame:
    if pixels.bits_allocated not in (1, 8, 16, 32, 64):
        raise UnsupportedEncoding("native", f"{pixels.bits_allocated} bits allocated")
    length = _frame_length(pixels)
    if length > len(content) and _is_subsampled(pixels):
        length = length // 3 * 2
    if length > len(content):
        raise Damaged(what, f"holds {len(content)} bytes, its pixels need {length}")
    if pixels.big_endian:
        word = max(2, pixels.bits_allocated // 8)
        words = -(-length // word)
        if words * word > len(content):
            # The last sample is in a byte after the frame.
            raise UnsupportedEncoding("native", f"{length} bytes in big endian words of {word}")
        content = np.frombuffer(content, f"u{word}", count=words).byteswap().tobytes()
        pixels = replace(pixels, big_endian=False)
    return NativeFrame(content[:length], pixels)


def _frame_length(pixels: PixelFormat) -> int:
    bits = pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated
    return (bits + 7) // 8


def _is_subsampled(pixels: PixelFormat) -> bool:
    """Whether two pixels may share their chrominance (PS3.3 §C.7.6.3.1.2)."""
    return pixels.photometric == "YBR_FULL_422" and pixels.samples == 3


def _filled_up(values: Array) -> Array:
    """Y1 Y2 B R as Y1 B R Y2 B R."""
    pairs = values[: len(values) // 4 * 4].reshape(-1, 4)
    return np.ascontiguousarray(pairs[:, [0, 2, 3, 1, 2, 3]]).reshape(-1)


def _shaped(values: Array, pixels: PixelFormat) -> Array:
    if pixels.samples == 1:
        return values.reshape(pixels.rows, pixels.columns)
    if pixels.planar:
        planes = values.reshape(pixels.samples, pixels.rows, pixels.columns)
        return np.moveaxis(planes, 0, -1)
    return values.reshape(pixels.rows, pixels.columns, pixels.samples)


def _dtype(pixels: PixelFormat) -> np.dtype[Any]:
    kind = "f" if pixels.floating else "i" if pixels.signed else "u"
    return np.dtype(f"<{kind}{pixels.bits_allocated // 8}")


# ------------------------------------------------------------------------- decoders


def _checked(header: Header, pixels: PixelFormat) -> None:
    """Raises Damaged when the picture is not the one that the data set describes."""
    if (header.rows, header.columns) != (pixels.rows, pixels.columns):
        raise Damaged(
            "codestream",
            f"declares {header.rows} rows of {header.columns} pixels, the data set "
            f"{pixels.rows} of {pixels.columns}",
        )
    if header.samples != pixels.samples:
        raise Damaged(
            "codestream",
            f"declares {header.samples} components, the data set {pixels.samples} samples a pixel",
        )


def _jpeg(content: bytes, pixels: PixelFormat) -> NativeFrame:
    header = jpeg_header(content)
    _checked(header, pixels)
    as_coded = None if header.samples == 1 else "YCBCR"
    array = imagecodecs.jpeg8_decode(content, colorspace=as_coded, outcolorspace=as_coded)
    said = {Colour.YCC: "YBR_FULL", Colour.RGB: "RGB", Colour.UNSAID: pixels.photometric}
    photometric = pixels.photometric if header.samples == 1 else said[header.colour]
    return _finished(array, replace(pixels, photometric=photometric), sign_bits=pixels.bits_stored)


def _jpeg_lossless(content: bytes, pixels: PixelFormat) -> NativeFrame:
    _checked(jpeg_header(content), pixels)
    return _finished(imagecodecs.jpeg8_decode(content), pixels, sign_bits=pixels.bits_stored)


def _jpeg_ls(content: bytes, pixels: PixelFormat) -> NativeFrame:
    header = jpeg_header(content)
    _checked(header, pixels)
    array = imagecodecs.jpegls_decode(content)
    stored = max(pixels.bits_stored, header.precision)
    return _finished(array, replace(pixels, bits_stored=stored), sign_bits=header.precision)


def _jpeg_2000(content: bytes, pixels: PixelFormat) -> NativeFrame:
    header = jpeg2000_header(content)
    _checked(header, pixels)
    # HTJ2K too: OpenJPH, the faster decoder of it, divides by zero, hangs or returns memory as it
    # was on damaged codestreams, and clips lossy ones wrongly. OpenJPEG refuses them.
    array = imagecodecs.jpeg2k_decode(content)
    photometric = "RGB" if pixels.photometric in ("YBR_RCT", "YBR_ICT") else pixels.photometric
    stored = max(pixels.bits_stored, header.precision)
    return _finished(
        array,
        replace(pixels, bits_stored=stored, photometric=photometric),
        # Samples of the other signedness are the same bits read otherwise.
        sign_bits=header.precision if header.signed != pixels.signed else None,
    )


def _jpeg_xl(content: bytes, pixels: PixelFormat) -> NativeFrame:
    # libjxl reads the size before anything else, and `out` has it refuse another than this one.
    shape = (pixels.rows, pixels.columns, pixels.samples)[: 3 if pixels.samples > 1 else 2]
    array = np.empty(shape, np.uint8 if pixels.bits_allocated == 8 else np.uint16)
    imagecodecs.jpegxl_decode(content, out=array)
    photometric = "RGB" if pixels.samples == 3 else pixels.photometric
    return _finished(array, replace(pixels, photometric=photometric), sign_bits=pixels.bits_stored)


def _rle(content: bytes, pixels: PixelFormat) -> NativeFrame:
    """PS3.5 §G: for each sample of a pixel, and from its highest byte to its lowest, a segment."""
    if len(content) < 64:
        raise Damaged("RLE", f"{len(content)} bytes are less than its header")
    count, *offsets = unpack("<16I", content[:64])
    word = max(1, pixels.bits_allocated // 8)
    if count != pixels.samples * word:
        raise Damaged("RLE", f"has {count} segments, its pixels need {pixels.samples * word}")
    plane = _frame_length(replace(pixels, samples=1)) // word
    # (samples, bytes of a sample from the lowest, pixels)
    planes = np.empty((pixels.samples, word, plane), np.uint8)
    for n, (start, end) in enumerate(pairwise([*offsets[:count], len(content)])):
        # Some writers end a segment with the filling of its last row; it is not of the picture.
        segment = imagecodecs.packbits_decode(content[start:end], out=plane + 256)
        if len(segment) < plane:
            raise Damaged("RLE", f"segment {n + 1} holds {len(segment)} bytes, not {plane}")
        planes[n // word, word - 1 - n % word] = np.frombuffer(segment, np.uint8, count=plane)
    if pixels.bits_allocated == 1:
        return _uncompressed(planes.tobytes(), pixels)
    values = np.ascontiguousarray(planes.transpose(2, 0, 1)).view(_dtype(pixels))
    return _finished(values, pixels, sign_bits=None)


def _deflated(content: bytes, pixels: PixelFormat) -> NativeFrame:
    """PS3.5 §8.2.16: each frame by itself deflated (RFC 1951), its samples as native ones."""
    inflated = zlib.decompressobj(-15).decompress(content, _frame_length(pixels) + 1)
    return _uncompressed(inflated, pixels)


def _uncompressed(content: bytes, pixels: PixelFormat) -> NativeFrame:
    native = replace(pixels, encapsulated=False, big_endian=False)
    frame = _native(content, native, "codestream")
    if pixels.photometric in _YBR and pixels.bits_allocated == 8:
        return _finished(samples(*frame), native, sign_bits=None)
    return frame


_YBR = ("YBR_FULL", "YBR_FULL_422")


def _finished(array: Array, pixels: PixelFormat, *, sign_bits: int | None) -> NativeFrame:
    """Decoded samples as the native frame that `pixels` describes, RGB instead of YBR.

    sign_bits  the bits of `array` that are a sample, of which the highest is the sign if samples
               are signed; None when `array` holds the values themselves
    """
    if array.size != pixels.rows * pixels.columns * pixels.samples:
        raise Damaged("codestream", f"decodes to {array.shape} samples")
    allocated = max(pixels.bits_allocated, array.dtype.itemsize * 8)
    pixels = replace(
        pixels,
        encapsulated=False,
        planar=False,
        big_endian=False,
        bits_allocated=allocated,
        bits_stored=min(pixels.bits_stored, allocated),
    )
    values = _shaped(array.reshape(-1), pixels).astype(_dtype(pixels), copy=False)
    if sign_bits is not None and (unused := allocated - sign_bits) > 0:
        values = values << unused >> unused
    if pixels.photometric in _YBR and values.ndim == 3 and values.dtype == np.uint8:
        values = convert_color_space(np.ascontiguousarray(values), "YBR_FULL", "RGB")
        pixels = replace(pixels, photometric="RGB")
    return NativeFrame(values.tobytes(), pixels)


_Decoder = Callable[[bytes, PixelFormat], NativeFrame]

_DECODERS_BY_KEYWORD: Final[dict[str, _Decoder]] = {
    "EncapsulatedUncompressedExplicitVRLittleEndian": _uncompressed,
    "JPEGBaseline8Bit": _jpeg,
    "JPEGExtended12Bit": _jpeg,
    "JPEGSpectralSelectionNonHierarchical68": _jpeg,
    "JPEGFullProgressionNonHierarchical1012": _jpeg,
    "JPEGLossless": _jpeg_lossless,
    "JPEGLosslessSV1": _jpeg_lossless,
    "JPEGLSLossless": _jpeg_ls,
    "JPEGLSNearLossless": _jpeg_ls,
    "JPEG2000Lossless": _jpeg_2000,
    "JPEG2000": _jpeg_2000,
    "JPEG2000MCLossless": _jpeg_2000,
    "JPEG2000MC": _jpeg_2000,
    "JPEGXLLossless": _jpeg_xl,
    "JPEGXLJPEGRecompression": _jpeg_xl,
    "JPEGXL": _jpeg_xl,
    "HTJ2KLossless": _jpeg_2000,
    "HTJ2KLosslessRPCL": _jpeg_2000,
    "HTJ2K": _jpeg_2000,
    "RLELossless": _rle,
    "DeflatedImageFrameCompression": _deflated,
}

_DECODERS: Final[dict[str, _Decoder]] = {
    row.uid: _DECODERS_BY_KEYWORD[row.keyword]
    for row in TRANSFER_SYNTAXES.values()
    if row.keyword in _DECODERS_BY_KEYWORD
}
