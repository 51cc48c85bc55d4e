"""A prefix of a codestream is the picture at a lower resolution, bit for bit."""

from dataclasses import replace

import imagecodecs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.dicom.codecs import reduced
from dicomweb_server.dicom.decode import NativeFrame
from dicomweb_server.dicom.encode import encoded_frame
from dicomweb_server.dicom.resolutions import HEAD_BYTES, prefix_bytes
from dicomweb_server.dicom.transfer_syntaxes import HTJ2K_LOSSLESS_RPCL
from tests.dicom.test_codecs import CT, RGB, smooth


def codestream(rows: int, columns: int) -> bytes:
    pixels = replace(CT, rows=rows, columns=columns)
    content = smooth(rows, columns, -1000, 3000).astype("<i2").tobytes()
    return encoded_frame(NativeFrame(content, pixels), HTJ2K_LOSSLESS_RPCL).content


@pytest.mark.parametrize(("rows", "columns"), [(512, 512), (300, 201), (64, 48), (7, 1)])
@pytest.mark.parametrize("halvings", range(6))
def test_a_prefix_decodes_to_what_the_whole_gives_at_that_resolution(
    rows: int, columns: int, halvings: int
) -> None:
    whole = codestream(rows, columns)
    length = prefix_bytes(whole[:HEAD_BYTES], halvings=halvings)
    assert length is not None and length <= len(whole)
    small = reduced(whole[:length], halvings=halvings)
    assert small.shape == (-(-rows >> halvings), -(-columns >> halvings))
    assert (small == reduced(whole, halvings=halvings)).all()


def test_an_eighth_is_a_small_part_of_the_bytes() -> None:
    noise = np.random.default_rng(1).normal(0, 12, (512, 512))
    values = (smooth(512, 512, -1000, 3000) + noise).astype("<i2")
    pixels = replace(CT, rows=512, columns=512)
    whole = encoded_frame(NativeFrame(values.tobytes(), pixels), HTJ2K_LOSSLESS_RPCL).content
    length = prefix_bytes(whole[:HEAD_BYTES], halvings=3)
    assert length is not None and length < len(whole) * 0.05


def test_of_colour_too() -> None:
    values = np.stack([smooth(90, 120, 0, 255)] * 3, axis=-1).astype(np.uint8)
    pixels = replace(RGB, rows=90, columns=120)
    whole = encoded_frame(NativeFrame(values.tobytes(), pixels), HTJ2K_LOSSLESS_RPCL).content
    length = prefix_bytes(whole, halvings=2)
    assert length is not None
    assert reduced(whole[:length], halvings=2).shape == (23, 30, 3)


def test_a_codestream_in_one_tile_part_has_no_prefix() -> None:
    values = smooth(64, 64, 0, 4000).astype(np.uint16)
    assert prefix_bytes(bytes(imagecodecs.htj2k_encode(values)), halvings=3) is None
    assert prefix_bytes(bytes(imagecodecs.jpeg2k_encode(values, level=0)), halvings=3) is None


@given(at=st.integers(0, 250), with_byte=st.integers(0, 255), cut=st.integers(0, 300))
def test_any_bytes_give_a_length_or_none(at: int, with_byte: int, cut: int) -> None:
    damaged = bytearray(_SMALL)
    damaged[at] = with_byte
    for head in (bytes(damaged), bytes(damaged[:cut])):
        length = prefix_bytes(head, halvings=2)
        assert length is None or length >= 0


_SMALL = codestream(64, 48)
