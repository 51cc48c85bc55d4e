"""Bulk values as they are sent (PS3.18 §F.2.2 and §F.2.6)."""

import pytest

from dicomweb_server.dicom.bulk import bulk_value
from dicomweb_server.dicom.errors import NotInDataSet
from dicomweb_server.dicom.source import BytesSource
from tests.dicom.build import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    element,
    item,
    part10,
)


def sent(file: bytes, path: str) -> bytes:
    value = bulk_value(BytesSource(file), path)
    chunks = b"".join(value.chunks())
    assert len(chunks) == value.length
    return chunks


def test_a_value_is_its_bytes() -> None:
    value = bytes(range(256)) * 10_000
    file = part10(extra={0x00420011: element(0x00420011, "OB", value)})
    assert sent(file, "00420011") == value


def test_fragments_are_joined() -> None:
    assert sent(part10(rows=1, columns=1, fragments=[b"ab", b"cd"]), "7FE00010") == b"abcd"


def test_big_endian_words_are_turned_round() -> None:
    uid = EXPLICIT_VR_BIG_ENDIAN
    file = part10(rows=1, columns=2, transfer_syntax_uid=uid, pixel_data=b"\1\2\3\4")
    assert sent(file, "7FE00010") == b"\2\1\4\3"


def test_a_value_of_a_deflated_file_is_inflated() -> None:
    uid = DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    assert (
        sent(part10(rows=1, columns=1, transfer_syntax_uid=uid, pixel_data=b"ab"), "7FE00010")
        == b"ab"
    )


def test_a_text_is_sent_in_utf_8() -> None:
    text = "王" * 40_000
    file = part10(
        SpecificCharacterSet="GB18030",
        extra={0x0040A160: element(0x0040A160, "UT", text.encode("gb18030"))},
    )
    assert sent(file, "0040A160") == text.encode()


def test_an_item_has_its_own_character_set() -> None:
    inner = element(0x00080005, "CS", b"GB18030 ") + element(0x0040A160, "UT", "王".encode("gbk"))
    file = part10(extra={0x0040A730: element(0x0040A730, "SQ", item(inner))})
    assert sent(file, "0040A730/0/0040A160") == "王".encode()


def test_a_sequence_is_no_bulk_value() -> None:
    with pytest.raises(NotInDataSet):
        sent(part10(RequestAttributesSequence=[{}]), "00400275")
