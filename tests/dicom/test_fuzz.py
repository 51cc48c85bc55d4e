"""Any bytes give a Description or a DicomError, nothing else, in linear time and memory.

And a Description always gives the bytes back, its metadata is JSON, its XML is XML, and what it
says can be taken at its word: every content lies in its source, every frame in the contents.
"""

import random
import struct
import time
from collections.abc import Callable
from xml.etree import ElementTree

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.dicom.describe import describe
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.explicit import explicit_little_endian
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.xml_model import to_xml
from tests.dicom.build import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    ITEM_END,
    JPEG_BASELINE,
    SEQUENCE_END,
    UNDEFINED,
    element,
    item,
    part10,
)
from tests.dicom.test_describe import rebuilt

SEQUENCE = 0x00400275


def sample(uid: str, **more: object) -> bytes:
    """A file with something of everything, for mutations to hit."""
    undefined = item(element(0x00100020, "LO", b"1 "), length=UNDEFINED) + ITEM_END + SEQUENCE_END
    return part10(
        transfer_syntax_uid=uid,
        rows=2,
        columns=3,
        frames=2,
        SpecificCharacterSet=["ISO 2022 IR 100", "ISO 2022 IR 87"],
        PatientName=b"M\xfcller=\x1b$B;3ED\x1b(B",
        SeriesNumber="3",
        SliceThickness=["1.5", "2"],
        WaveformSequence=[{"WaveformData": b"0123"}, {"RequestAttributesSequence": [{}]}],
        extra={
            0x00090010: element(0x00090010, "LO", b"ACME", transfer_syntax_uid=uid),
            SEQUENCE: element(SEQUENCE, "SQ", undefined, length=UNDEFINED),
        }
        if uid in (EXPLICIT_VR_LITTLE_ENDIAN, JPEG_BASELINE)
        else {},
        **more,  # type: ignore[arg-type]
    )


SAMPLES = [
    sample(IMPLICIT_VR_LITTLE_ENDIAN),
    sample(EXPLICIT_VR_LITTLE_ENDIAN),
    sample(EXPLICIT_VR_LITTLE_ENDIAN, bits_allocated=1),
    sample(EXPLICIT_VR_BIG_ENDIAN),
    sample(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN),
    sample(
        JPEG_BASELINE, fragments=[b"\xff\xd8\xff", b"ab", b"\xff\xd8\xff"], offset_table=[0, 20]
    ),
]


def check(file: bytes) -> None:
    source = BytesSource(file)
    try:
        found = describe(source)
    except DicomError as refused:
        assert str(refused)
        return
    assert b"".join(rebuilt(source, found)) == file
    for frame in range(found.frames.count):
        assert all(0 <= n < len(found.contents) for n in found.frames.blobs_of(frame))
    assert (found.frames.count == 0) or found.pixels is not None
    document = orjson.loads(found.metadata)
    assert list(document) == sorted(document)
    ElementTree.fromstring(to_xml(document))
    try:
        explicit = explicit_little_endian(source, frames=None)
        assert sum(map(len, explicit.chunks)) == explicit.length
    except DicomError:
        pass


@given(st.binary(max_size=600))
def test_any_bytes(file: bytes) -> None:
    check(file)


@given(st.binary(max_size=400))
def test_any_bytes_after_a_head(body: bytes) -> None:
    check(b"\0" * 128 + b"DICM" + element(0x00020010, "UI", b"1.2.840.10008.1.2.1\0") + body)


@given(
    st.sampled_from(SAMPLES),
    st.lists(
        st.tuples(
            st.integers(132, 2000),
            st.binary(min_size=1, max_size=4) | st.sampled_from([b"\xff" * 4, ITEM_END, b"SQ"]),
            st.sampled_from(["overwrite", "insert", "cut"]),
        ),
        max_size=4,
    ),
    st.none() | st.integers(0, 1500),
)
def test_any_mutation_of_a_file(
    file: bytes, mutations: list[tuple[int, bytes, str]], length: int | None
) -> None:
    for position, change, how in mutations:
        position %= len(file) + 1
        rest = position + {"overwrite": len(change), "insert": 0, "cut": 8}[how]
        file = file[:position] + (b"" if how == "cut" else change) + file[rest:]
    check(file[:length])


HEADS = st.tuples(
    st.sampled_from([0x00080005, 0x00100010, 0x00280010, 0x7FE00010, SEQUENCE, 0xFFFEE000]),
    st.sampled_from(["LO", "SQ", "OB", "UN", "US", "QQ"]),
    st.sampled_from([None, 0, 1, 8, 70_000, UNDEFINED - 1, UNDEFINED]),
)


@given(st.lists(HEADS, max_size=12), st.binary(max_size=30))
def test_any_nesting_of_elements(heads: list[tuple[int, str, int | None]], inner: bytes) -> None:
    for tag, vr, length in heads:
        if vr not in ("SQ", "OB", "UN") and length is not None:
            length &= 0xFFFF
        inner = element(tag, vr, item(inner), length=length)
    check(part10(extra={0x00700000: inner}))


def broken_sequences(size: int) -> bytes:
    """Sequences within sequences of which each breaks only at its end."""
    inner = b"12345678"
    for _ in range(60):
        inner = element(SEQUENCE, "SQ", item(inner) + b"broken!!")
    return inner * (size // len(inner))


def broken_fragments(size: int) -> bytes:
    return element(0x00091001, "OB", item(b"") * (size // 8) + b"broken!!", length=UNDEFINED)


def many_escapes(size: int) -> bytes:
    return element(0x00104000, "LT", b"\x1b$B;3" * 12_000) * (size // 60_000)


def long_numbers(size: int) -> bytes:
    return element(0x00181160, "IS", b"9" * 60_000) * (size // 60_000)


def many_values(size: int) -> bytes:
    return element(0x00181160, "DS", b"1.5\\" * 15_000) * (size // 60_000)


def many_items(size: int) -> bytes:
    return element(SEQUENCE, "SQ", item(element(0x00100020, "LO", b"")) * (size // 16))


@pytest.mark.parametrize(
    "build",
    [broken_sequences, broken_fragments, many_escapes, long_numbers, many_values, many_items],
)
def test_time_is_linear_whatever_the_bytes_try(build: Callable[[int], bytes]) -> None:
    def seconds(size: int) -> float:
        file = part10(extra={0x00700000: build(size)})
        # Of this thread: servers of other tests may be at work in theirs.
        began = time.thread_time()
        check(file)
        return time.thread_time() - began

    # The least of three: what else the machine does only adds.
    small, large = (min(seconds(size) for _ in range(3)) for size in (100_000, 800_000))
    assert large < 8 * max(small, 0.005) * 4


def test_random_bytes_in_the_middle_of_large_files() -> None:
    """Large enough for windows, cuts and pieces, which small examples never meet."""
    chance = random.Random(7)
    body = b"".join(
        element(0x00091000 + n, "OB", chance.randbytes(chance.choice([10, 60_000, 70_000])))
        for n in range(40)
    )
    file = bytearray(part10(rows=2, columns=2, extra={0x00091000: body}))
    for _ in range(60):
        position = chance.randrange(300, len(file) - 8)
        kept = bytes(file[position : position + 8])
        file[position : position + 8] = struct.pack("<Q", chance.getrandbits(64))
        check(bytes(file))
        file[position : position + 8] = kept
