"""Native frames as codestreams of another transfer syntax, made when a client asks for one.

What each syntax can carry is a row of a table; what HTJ2K carries is codecs.py's, whose codestreams
(.202) are of the syntaxes .201 and .203 too. A lossless codestream is decoded and compared before
it is believed. imagecodecs encodes, without the GIL; pylibjpeg-openjpeg's encoder crashes when two
threads use it and is never called.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import imagecodecs
import numpy as np

from dicomweb_server.dicom.codecs import htj2k_codestream, of_bits
from dicomweb_server.dicom.decode import Array, NativeFrame, native_frame, samples
from dicomweb_server.dicom.errors import DicomError, UnsupportedEncoding
from dicomweb_server.dicom.transfer_syntaxes import (
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
    transfer_syntax,
)
from storage.model import PixelFormat

HTJ2K_SYNTAXES: Final = frozenset({HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K})
"""Syntaxes of which one codestream is all three: lossless, RPCL, with TLM."""

JPEG_QUALITY: Final = 90
"""Of JPEG Baseline, by the scale of libjpeg."""


@dataclass(frozen=True, slots=True)
class EncodedFrame:
    """pixels  how the data set describes the codestream: `encapsulated` is True"""

    content: bytes
    pixels: PixelFormat


@dataclass(frozen=True, slots=True)
class _Row:
    """carries      whether frames of that (native) format can be encoded
    encode       samples to a codestream
    photometric  of a codestream of RGB samples
    all_bits     the codestream has as many bits a sample as are allocated
    """

    carries: Callable[[PixelFormat], bool]
    encode: Callable[[Array, PixelFormat], bytes]
    photometric: str = "RGB"
    all_bits: bool = False


@lru_cache(maxsize=1024)
def encodable(pixels: PixelFormat | None) -> tuple[str, ...]:
    """The transfer syntaxes in which frames of that format, native or not, can be had encoded."""
    if pixels is None:
        return ()
    decoded = _as_decoded(pixels)
    return tuple(uid for uid, row in _ROWS.items() if row.carries(decoded))


def encoded_frame(native: NativeFrame, transfer_syntax_uid: str) -> EncodedFrame:
    """The frame as a codestream of that syntax. Raises UnsupportedEncoding when it carries no such
    frames, or would not give this one back."""
    row = _ROWS.get(transfer_syntax_uid)
    name = transfer_syntax(transfer_syntax_uid).name
    if row is None or not row.carries(native.pixels):
        raise UnsupportedEncoding(transfer_syntax_uid, f"{name} is not made of these frames")
    pixels = _described(native.pixels, row)
    plain = native if not native.pixels.planar else _by_pixel(native)
    try:
        content = row.encode(samples(plain.content, _all_bits(plain.pixels)), plain.pixels)
        if transfer_syntax(transfer_syntax_uid).lossless:
            again = native_frame(content, pixels=pixels, transfer_syntax_uid=transfer_syntax_uid)
            # Bytes are compared a hundred times as fast as views are.
            if bytes(again.content) != bytes(plain.content):
                raise UnsupportedEncoding(transfer_syntax_uid, f"{name} would change this frame")
    except UnsupportedEncoding:
        raise
    except (DicomError, RuntimeError, ValueError) as error:
        raise UnsupportedEncoding(transfer_syntax_uid, f"{name} failed: {error}") from error
    return EncodedFrame(content, pixels)


def described(pixels: PixelFormat, transfer_syntax_uid: str) -> PixelFormat:
    """How a data set describes codestreams of native frames of that format."""
    return _described(pixels, _ROWS[transfer_syntax_uid])


def _described(pixels: PixelFormat, row: _Row) -> PixelFormat:
    return replace(
        pixels,
        encapsulated=True,
        planar=False,
        big_endian=False,
        bits_stored=pixels.bits_allocated if row.all_bits else pixels.bits_stored,
        photometric=row.photometric if pixels.samples == 3 else pixels.photometric,
    )


def _as_decoded(pixels: PixelFormat) -> PixelFormat:
    """As decode.py describes frames of that format once they are decoded."""
    if pixels.encapsulated and pixels.samples == 3 and pixels.photometric.startswith("YBR"):
        pixels = replace(pixels, photometric="RGB", planar=False)
    return replace(pixels, encapsulated=False, big_endian=False)


def _all_bits(pixels: PixelFormat) -> PixelFormat:
    """So that bits above the stored ones stay as they are."""
    return replace(pixels, bits_stored=pixels.bits_allocated)


def _by_pixel(native: NativeFrame) -> NativeFrame:
    values = np.ascontiguousarray(samples(native.content, _all_bits(native.pixels)))
    return NativeFrame(values.tobytes(), replace(native.pixels, planar=False))


# ----------------------------------------------------------------------------- encoders


def _integers(*bits: int, colour: bool = True) -> Callable[[PixelFormat], bool]:
    """Samples of that many bits allocated: one a pixel, or RGB of 8 bits."""

    def carries(pixels: PixelFormat) -> bool:
        if pixels.floating or pixels.bits_allocated not in bits:
            return False
        if pixels.samples == 1:
            return True
        return colour and pixels.samples == 3 and pixels.photometric == "RGB" and _bytes(pixels)

    return carries


def _bytes(pixels: PixelFormat) -> bool:
    return pixels.bits_allocated == 8 and not pixels.signed


def _htj2k_carries(pixels: PixelFormat) -> bool:
    return _integers(8, 16)(pixels) and not (pixels.bits_allocated == 8 and pixels.signed)


def _jpeg_carries(pixels: PixelFormat) -> bool:
    return _integers(8)(pixels) and _bytes(pixels) and pixels.photometric != "PALETTE COLOR"


def _htj2k(values: Array, pixels: PixelFormat) -> bytes:
    codestream = htj2k_codestream(pixels, np.ascontiguousarray(values).tobytes())
    if codestream is None:
        raise ValueError("these samples are not carried")
    return codestream


def _jpeg_2000(values: Array, pixels: PixelFormat) -> bytes:
    fewer = of_bits(values, pixels.bits_stored)
    return bytes(
        imagecodecs.jpeg2k_encode(
            values,
            level=0,
            codecformat="j2k",
            bitspersample=pixels.bits_stored if fewer else pixels.bits_allocated,
            reversible=True,
            mct=values.ndim == 3,
            numthreads=1,
        )
    )


def _jpeg_ls(values: Array, pixels: PixelFormat) -> bytes:
    # The standard has unsigned samples only; two's complement of all bits is the same again.
    return bytes(imagecodecs.jpegls_encode(values.view(f"u{values.itemsize}"), level=0))


def _jpeg_lossless(values: Array, pixels: PixelFormat) -> bytes:
    # Samples are unsigned here too. Selection value 1 is what makes it .70 (PS3.5 §10.3).
    plain = values.view(f"u{values.itemsize}")
    return bytes(imagecodecs.jpeg8_encode(plain, lossless=True, predictor=1))


def _jpeg(values: Array, pixels: PixelFormat) -> bytes:
    sampling = "422" if values.ndim == 3 else None
    return bytes(imagecodecs.jpeg8_encode(values, level=JPEG_QUALITY, subsampling=sampling))


def _rle(values: Array, pixels: PixelFormat) -> bytes:
    """PS3.5 §G.2 to §G.5: for each sample, from its highest byte, a segment of PackBits rows."""
    planes = np.ascontiguousarray(values.reshape(pixels.rows, pixels.columns, pixels.samples))
    word = values.itemsize
    octets = planes.astype(planes.dtype.newbyteorder(">")).view(np.uint8)
    octets = octets.reshape(pixels.rows, pixels.columns, pixels.samples * word)
    segments: list[bytes] = []
    for n in range(pixels.samples * word):
        plane = np.ascontiguousarray(octets[:, :, n])
        # §G.3.1: "Each row of the image shall be encoded separately and not cross a row boundary".
        segment = bytes(imagecodecs.packbits_encode(plane, axis=-1))
        segments.append(segment + b"\0" * (len(segment) % 2))
    offsets = [64]
    for segment in segments[:-1]:
        offsets.append(offsets[-1] + len(segment))
    head = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(offsets)))
    return head + b"".join(segments)


_HTJ2K = _Row(_htj2k_carries, _htj2k, photometric="YBR_RCT")

_ROWS: Final[dict[str, _Row]] = {
    HTJ2K_LOSSLESS: _HTJ2K,
    HTJ2K_LOSSLESS_RPCL: _HTJ2K,
    HTJ2K: _HTJ2K,
    JPEG_2000_LOSSLESS: _Row(_integers(8, 16), _jpeg_2000, photometric="YBR_RCT"),
    # imagecodecs' CharLS, and libjpeg-turbo for 16-bit types, have no way to say fewer bits
    # than the type of a sample has.
    JPEG_LS_LOSSLESS: _Row(_integers(8, 16), _jpeg_ls, all_bits=True),
    JPEG_LOSSLESS_SV1: _Row(_integers(8, 16), _jpeg_lossless, all_bits=True),
    RLE_LOSSLESS: _Row(_integers(8, 16, 32), _rle),
    JPEG_BASELINE: _Row(_jpeg_carries, _jpeg, photometric="YBR_FULL_422"),
}

SYNTAXES: Final = tuple(_ROWS)
"""The transfer syntaxes that frames can be encoded in."""
