"""How a content is kept: encoded as it settles, decoded as it is read back.

A native frame becomes an HTJ2K codestream that is also what a client asks for: lossless, RPCL,
with TLM and a tile-part for each resolution, as transfer syntax 1.2.840.10008.1.2.4.202 wants it
(PS3.5 §8.2.14 and §10.18; ISO/IEC 15444-15). It is decoded and compared before it is believed.
What HTJ2K cannot or should not carry becomes zstd. Codestreams received are kept as received.

Everything here may be called from many threads at once; the codecs release the GIL. Decoding
what was received in other syntaxes is decode.py's.
"""

import struct
from dataclasses import dataclass

import imagecodecs
import numpy as np
import numpy.typing as npt
import zstandard

from dicomweb_server.dicom.errors import Damaged
from storage.model import Buffer, Form, PixelFormat

Samples = npt.NDArray[np.integer]
"""The samples of a frame, (rows, columns) or (rows, columns, 3)."""

# Level 3 looks back at most 2 MiB (window_log 21); Chromium decodes up to window_log 23, so a zstd
# payload can go out as it is under Content-Encoding: zstd.
_ZSTD_LEVEL = 3
_ZSTD_WINDOW_LOG = 23

_PAYLOAD = "HTJ2K payload"
_SIZ = b"\xff\x4f\xff\x51"
"""SOC and SIZ, with which every codestream begins."""
_SOT = b"\xff\x90\x00\x0a"
"""The marker and the length of the segment that begins a tile-part."""
_EOC = b"\xff\xd9"
_MAIN_HEADER_LIMIT = 4096
"""What encode_content writes before the first tile-part is some 200 bytes."""
_SIZ_COMPONENTS = 40
"""Where Csiz lies, counted from the first byte of the codestream; Ssiz, XRsiz and YRsiz of each
component follow (ISO/IEC 15444-1 §A.5.1)."""


# OpenJPH looks up what the processor can do at its first use and keeps no second thread out
# meanwhile, whose codestream then comes out wrong. An import is one thread's: this is the first.
imagecodecs.htj2k_encode(np.zeros((8, 8), np.uint8), reversible=True)


def encode_content(pixels: PixelFormat | None, content: Buffer) -> tuple[Form, bytes]:
    """The smallest form that gives `content` back, and its payload in that form.

    pixels  how the samples lie when the content is a frame, None when it is something else

    A content that is not exactly one frame (a piece of one, several, a truncated one) is kept as
    bytes. Never raises because of what the content holds.
    """
    if pixels is not None and pixels.encapsulated:
        return Form.RAW, bytes(content)
    if pixels is not None:
        codestream = htj2k_codestream(pixels, content)
        if codestream is not None and len(codestream) < len(content):
            return Form.HTJ2K, codestream
    compressed = zstandard.ZstdCompressor(level=_ZSTD_LEVEL).compress(content)
    if len(compressed) < len(content):
        return Form.ZSTD, compressed
    return Form.RAW, bytes(content)


def decode_payload(form: Form, payload: Buffer, content_length: int) -> bytes:
    """The content that `payload` stands for, `content_length` bytes.

    Raises Damaged when the payload does not decode, or not to that many bytes.
    """
    return bytes(decoded(form, payload, content_length))


def decoded(form: Form, payload: Buffer, content_length: int) -> Buffer:
    """The same, where the decoder has put it: a frame is not copied."""
    content: Buffer
    match form:
        case Form.RAW:
            content = bytes(payload)
        case Form.ZSTD:
            content = _inflate(payload, content_length)
        case Form.HTJ2K:
            content = little_endian(_decode(payload, content_length=content_length))
    if len(content) != content_length:
        raise Damaged(f"{form.name} payload", f"holds {len(content)} bytes, not {content_length}")
    return content


def reduced(payload: Buffer, *, halvings: int) -> Samples:
    """The frame of an HTJ2K payload at 1 / 2**`halvings` of its size, rounded up on each side.

    halvings  at most the number of decompositions, 5 for what encode_content makes

    A prefix of the codestream that ends with the tile-part of that resolution is enough. Raises
    Damaged.
    """
    _size(payload)
    try:
        small: Samples = imagecodecs.htj2k_decode(bytes(payload), skipres=halvings)
    except (imagecodecs.Htj2kError, ValueError, MemoryError) as error:
        raise Damaged(_PAYLOAD, str(error)) from error
    return small


def htj2k_codestream(pixels: PixelFormat, content: Buffer) -> bytes | None:
    """A native frame as a .202 codestream; None when HTJ2K shall not or does not carry it."""
    samples = _samples_for_htj2k(pixels, content)
    if samples is None:
        return None
    codestream = _encode(samples, precision=_precision(pixels, samples))
    if codestream is None:
        return None
    try:
        again = _decode(codestream, content_length=len(content))
    except Damaged:
        return None
    # Bytes are compared a hundred times as fast as views are.
    return codestream if bytes(little_endian(again)) == content else None


def _samples_for_htj2k(pixels: PixelFormat, content: Buffer) -> Samples | None:
    """The frame as an array, or None when it is of a kind that is kept as bytes.

    Signed 8-bit samples are clamped by the browsers' decoder, colour-by-plane cannot be told from
    colour-by-pixel in the codestream, and a YBR frame would be taken for the encoder's own colour
    transform: those decode to something else than was received. Big endian samples are rare and
    retired.
    """
    if pixels.floating or pixels.big_endian or not content:
        return None
    if len(content) != pixels.rows * pixels.columns * pixels.samples * pixels.bits_allocated // 8:
        return None
    match pixels.samples, pixels.bits_allocated, pixels.signed:
        case 1, 8, False:
            return np.frombuffer(content, np.uint8).reshape(pixels.rows, pixels.columns)
        case 1, 16, signed:
            kind = "<i2" if signed else "<u2"
            return np.frombuffer(content, kind).reshape(pixels.rows, pixels.columns)
        case 3, 8, False if pixels.photometric == "RGB" and not pixels.planar:
            return np.frombuffer(content, np.uint8).reshape(pixels.rows, pixels.columns, 3)
        case _:
            return None


def _precision(pixels: PixelFormat, samples: Samples) -> int:
    """The bits a sample of the codestream has: BitsStored when all samples keep to it, else 16.

    Precision of 8 or less means 1 byte a sample to every decoder, so 16 bits allocated stay above.
    """
    if pixels.bits_allocated == 8:
        return 8
    bits = pixels.bits_stored
    if not 8 < bits < 16:
        return 16
    return bits if of_bits(samples, bits) else 16


def of_bits(samples: Samples, bits: int) -> bool:
    """Whether no sample needs more bits than that, two's complement where they are signed."""
    if samples.dtype.kind == "u":
        return int(samples.max()) < 1 << bits
    half = 1 << bits - 1
    return -half <= int(samples.min()) and int(samples.max()) < half


def _encode(samples: Samples, *, precision: int) -> bytes | None:
    """A codestream of that precision, or None when the encoder refuses.

    The encoder writes 8 or 16 bits only. Unsigned samples of less are therefore shifted to signed
    ones by half their range, which is what the DC level shift of an unsigned component does, and
    the precision is then put into the SIZ marker.
    """
    narrow = precision not in (8, 16)
    unsigned = samples.dtype.kind == "u"
    if narrow and unsigned:
        samples = samples.astype(np.int16) - np.int16(1 << precision - 1)
    try:
        codestream = bytearray(
            imagecodecs.htj2k_encode(
                samples, reversible=True, rgb=samples.ndim == 3, tlm=True, tilepart=1
            )
        )
    except imagecodecs.Htj2kError:
        return None
    if narrow:
        if codestream[:4] != _SIZ:
            return None
        codestream[_SIZ_COMPONENTS + 2] = precision - 1 | (0 if unsigned else 0x80)
    return bytes(codestream)


def _decode(codestream: Buffer, *, content_length: int) -> Samples:
    """All samples. Raises Damaged, also when they would be more than `content_length` bytes."""
    size = _size(codestream)
    if size.samples > content_length:
        raise Damaged(
            _PAYLOAD, f"declares {size.samples} samples, more than {content_length} bytes hold"
        )
    _check_tile_parts(codestream)
    # OpenJPH meets some damage only while it hands out rows, where the error is printed and lost,
    # and the rows that remain are whatever memory held. So the last row is marked beforehand; a
    # frame whose last row happens to be the mark does not keep it when the mark changes.
    samples = np.empty(size.shape, size.dtype)
    for mark in (0x5A, 0xA5):
        samples[-1].view(np.uint8)[...] = mark
        try:
            imagecodecs.htj2k_decode(bytes(codestream), out=samples)
        except (imagecodecs.Htj2kError, ValueError, MemoryError) as error:
            raise Damaged(_PAYLOAD, str(error)) from error
        if not (samples[-1].view(np.uint8) == mark).all():
            return samples
    raise Damaged(_PAYLOAD, "ends before its last row")


@dataclass(frozen=True, slots=True)
class _Size:
    """What the SIZ marker says (ISO/IEC 15444-1 §A.5.1)."""

    rows: int
    columns: int
    components: int
    precision: int
    signed: bool

    @property
    def samples(self) -> int:
        return self.rows * self.columns * self.components

    @property
    def shape(self) -> tuple[int, ...]:
        plane = (self.rows, self.columns)
        return plane if self.components == 1 else (*plane, self.components)

    @property
    def dtype(self) -> np.dtype[np.integer]:
        return np.dtype(f"{'i' if self.signed else 'u'}{1 if self.precision <= 8 else 2}")


def _size(codestream: Buffer) -> _Size:
    """Read before memory is asked for. Raises Damaged when it is not as `_encode` writes it: one
    tile from the origin, components alike and not subsampled. OpenJPH divides by the size of a
    tile without looking, and a subsampling of 0 keeps it busy for ever."""
    head = bytes(codestream[: _SIZ_COMPONENTS + 2 + 3 * 3])
    if len(head) < _SIZ_COMPONENTS + 5 or head[:4] != _SIZ:
        raise Damaged(_PAYLOAD, "does not begin with SOC and SIZ")
    columns, rows, *origins_and_tile, components = struct.unpack_from(">8IH", head, 8)
    size = _Size(
        rows=rows,
        columns=columns,
        components=components,
        precision=(head[_SIZ_COMPONENTS + 2] & 0x7F) + 1,
        signed=head[_SIZ_COMPONENTS + 2] >= 0x80,
    )
    if (
        components not in (1, 3)
        or size.precision > 16
        or not rows * columns
        or origins_and_tile != [0, 0, columns, rows, 0, 0]
        or head[_SIZ_COMPONENTS + 2 :][: 3 * components]
        != bytes([head[_SIZ_COMPONENTS + 2], 1, 1]) * components
    ):
        raise Damaged(_PAYLOAD, f"declares {size}, or tiles, which encode_content never writes")
    return size


def _check_tile_parts(codestream: Buffer) -> None:
    """That tile-part follows tile-part up to EOC at the very end: nothing is missing. PS3.5
    §8.2.14 has it so that a prefix can be cut; ISO/IEC 15444-1 §A.4.2 (SOT)."""
    at = bytes(codestream[:_MAIN_HEADER_LIMIT]).find(_SOT)
    while at >= 0 and bytes(codestream[at : at + 4]) == _SOT:
        length = int.from_bytes(codestream[at + 6 : at + 10], "big")
        at = at + length if length >= 14 else -1
    if at != len(codestream) - 2 or bytes(codestream[at:]) != _EOC:
        raise Damaged(_PAYLOAD, f"its tile-parts do not fill its {len(codestream)} bytes")


def little_endian(samples: Samples) -> memoryview:
    """The bytes of samples, for reading: who shows a frame may share it with others."""
    little = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
    little.setflags(write=False)
    return little.data.cast("B")


def _inflate(payload: Buffer, content_length: int) -> bytes:
    try:
        declared = zstandard.frame_content_size(payload)
        if declared != content_length:
            raise Damaged("ZSTD payload", f"declares {declared} bytes, not {content_length}")
        return zstandard.ZstdDecompressor(max_window_size=1 << _ZSTD_WINDOW_LOG).decompress(payload)
    except zstandard.ZstdError as error:
        raise Damaged("ZSTD payload", str(error)) from error
