"""Frames encoded anew: what comes out is what went in, in every syntax that says it carries it."""

from dataclasses import replace

import numpy as np
import pytest

from dicomweb_server.dicom.decode import NativeFrame, native_frame, samples
from dicomweb_server.dicom.encode import encodable, encoded_frame
from dicomweb_server.dicom.errors import UnsupportedEncoding
from dicomweb_server.dicom.transfer_syntaxes import (
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
)
from storage.model import PixelFormat

ROWS, COLUMNS = 13, 21


def frame(
    *, bits: int, stored: int, signed: bool = False, samples: int = 1, planar: bool = False
) -> NativeFrame:
    kind = f"{'i' if signed else 'u'}{bits // 8}"
    low = -(1 << stored - 1) if signed else 0
    values = np.random.default_rng(bits + stored).integers(
        low, low + (1 << stored), (ROWS, COLUMNS, samples)
    )
    shaped = np.moveaxis(values, -1, 0) if planar else values
    pixels = PixelFormat(
        encapsulated=False,
        rows=ROWS,
        columns=COLUMNS,
        samples=samples,
        bits_allocated=bits,
        bits_stored=stored,
        signed=signed,
        planar=planar,
        big_endian=False,
        floating=False,
        photometric="RGB" if samples == 3 else "MONOCHROME2",
    )
    return NativeFrame(np.ascontiguousarray(shaped.astype(kind)).tobytes(), pixels)


FRAMES = {
    "8 bit": frame(bits=8, stored=8),
    "8 bit signed": frame(bits=8, stored=8, signed=True),
    "10 bit": frame(bits=16, stored=10),
    "12 bit": frame(bits=16, stored=12),
    "12 bit signed": frame(bits=16, stored=12, signed=True),
    "16 bit": frame(bits=16, stored=16),
    "16 bit signed": frame(bits=16, stored=16, signed=True),
    "32 bit": frame(bits=32, stored=32),
    "RGB": frame(bits=8, stored=8, samples=3),
    "RGB by plane": frame(bits=8, stored=8, samples=3, planar=True),
}
LOSSLESS = [
    HTJ2K_LOSSLESS,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS_LOSSLESS,
    RLE_LOSSLESS,
]


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("uid", LOSSLESS)
def test_ps3_5_8_2_a_lossless_codestream_holds_the_samples(name: str, uid: str) -> None:
    native = FRAMES[name]
    if uid not in encodable(native.pixels):
        with pytest.raises(UnsupportedEncoding):
            encoded_frame(native, uid)
        return
    encoded = encoded_frame(native, uid)
    assert encoded.pixels.encapsulated and not encoded.pixels.planar
    again = native_frame(encoded.content, pixels=encoded.pixels, transfer_syntax_uid=uid)
    assert (samples(*again) == samples(*native)).all()


def test_only_what_a_syntax_carries_is_offered_in_it() -> None:
    assert encodable(FRAMES["32 bit"].pixels) == (RLE_LOSSLESS,)
    assert HTJ2K_LOSSLESS not in encodable(FRAMES["8 bit signed"].pixels)
    assert JPEG_BASELINE in encodable(FRAMES["RGB"].pixels)
    assert JPEG_BASELINE not in encodable(FRAMES["12 bit"].pixels)
    assert encodable(None) == ()


def test_ps3_5_8_2_1_jpeg_baseline_is_near_and_is_called_ybr_full_422() -> None:
    ramp = np.repeat(np.arange(0, 240, dtype=np.uint8)[None, :, None], 16, 0).repeat(3, 2)
    pixels = replace(FRAMES["RGB"].pixels, rows=16, columns=240)
    encoded = encoded_frame(NativeFrame(ramp.tobytes(), pixels), JPEG_BASELINE)
    assert encoded.pixels.photometric == "YBR_FULL_422"
    again = native_frame(encoded.content, pixels=encoded.pixels, transfer_syntax_uid=JPEG_BASELINE)
    apart = samples(*again).astype(int) - ramp
    assert abs(apart).max() <= 6
