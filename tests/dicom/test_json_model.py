"""DICOM JSON of every kind of value (PS3.18 §F.2)."""

import base64
import struct
from typing import Any

import orjson
import pytest

from dicomweb_server.dicom import json_model
from dicomweb_server.dicom.part10 import Limits, open_data_set
from dicomweb_server.dicom.source import BytesSource
from tests.dicom.build import (
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    element,
    item,
    part10,
)

PRIVATE = 0x00091001


def metadata(file: bytes) -> dict[str, Any]:
    structure = open_data_set(BytesSource(file), limits=Limits()).structure
    parsed: dict[str, Any] = orjson.loads(json_model.encode(json_model.document(structure)))
    return parsed


def value_of(vr: str, value: bytes, *, uid: str = EXPLICIT_VR_LITTLE_ENDIAN) -> dict[str, Any]:
    """The JSON of one private element."""
    encoded = element(PRIVATE, vr, value, transfer_syntax_uid=uid)
    found = metadata(part10(transfer_syntax_uid=uid, extra={PRIVATE: encoded}))["00091001"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("AE", b" PACS \\X ", ["PACS", "X"]),
        ("AS", b"042Y", ["042Y"]),
        ("CS", b"ORIGINAL\\PRIMARY ", ["ORIGINAL", "PRIMARY"]),
        ("DA", b"20240131", ["20240131"]),
        ("DS", b"1.5\\ 2 \\-3e2", [1.5, 2.0, -300.0]),
        ("IS", b"12\\-3 ", [12, -3]),
        ("LO", b"one\\two ", ["one", "two"]),
        ("LT", b"a\\b ", ["a\\b"]),
        ("UI", b"1.2.3\0", ["1.2.3"]),
        ("UR", b"http://x/ ", ["http://x/"]),
        ("UT", "\u738b\\ ".encode(), ["\u738b\\"]),
        ("AT", b"\x10\x00\x20\x00", ["00100020"]),
        ("FD", struct.pack("<d", 0.1), [0.1]),
        ("FL", struct.pack("<2f", 0.5, -2), [0.5, -2.0]),
        ("SL", struct.pack("<i", -7), [-7]),
        ("SS", struct.pack("<h", -7), [-7]),
        ("SV", struct.pack("<q", -(2**63)), [-(2**63)]),
        ("UL", struct.pack("<I", 2**32 - 1), [2**32 - 1]),
        ("US", struct.pack("<2H", 1, 65535), [1, 65535]),
        ("UV", struct.pack("<Q", 2**64 - 1), [2**64 - 1]),
    ],
)
def test_values_of_each_vr(vr: str, value: bytes, expected: object) -> None:
    assert value_of(vr, value) == {"vr": vr, "Value": expected}


@pytest.mark.parametrize("vr", ["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
def test_binary_values_are_inline_up_to_768_bytes_and_bulk_data_above(vr: str) -> None:
    inline = {"vr": vr, "InlineBinary": base64.b64encode(b"x" * 768).decode()}
    assert value_of(vr, b"x" * 768) == inline
    assert value_of(vr, b"x" * 770) == {"vr": vr, "BulkDataURI": "bulkdata/00091001"}


@pytest.mark.parametrize("vr", ["CS", "DS", "IS", "PN", "LO", "UT", "OB", "US", "SQ", "AT"])
def test_ps3_18_f_2_5_an_empty_attribute_has_its_vr_only(vr: str) -> None:
    assert value_of(vr, b"") == {"vr": vr}


@pytest.mark.parametrize("vr", ["AE", "CS", "DS", "IS", "LO", "LT", "PN", "UI", "UR", "UT"])
def test_a_value_of_padding_is_empty(vr: str) -> None:
    assert value_of(vr, b"  ") == {"vr": vr}


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("CS", b"A\\\\B ", ["A", None, "B"]),
        ("DS", b"1\\\\2 ", [1.0, None, 2.0]),
        ("IS", b"\\1", [None, 1]),
        ("PN", b"A^B\\\\C", [{"Alphabetic": "A^B"}, None, {"Alphabetic": "C"}]),
    ],
)
def test_ps3_18_f_2_5_an_empty_value_among_others_is_null(
    vr: str, value: bytes, expected: object
) -> None:
    assert value_of(vr, value)["Value"] == expected


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        ("DS", b"1,5\\2 ", ["1,5", 2.0]),
        ("DS", b"NaN ", ["NaN"]),
        ("DS", b"1_0 ", ["1_0"]),
        ("IS", b"1A", ["1A"]),
        ("IS", b"1.5 ", ["1.5"]),
        ("IS", b"2.0 ", [2]),
        ("IS", b"9" * 30, ["9" * 30]),
        ("IS", b"9" * 6000, ["9" * 6000]),
    ],
)
def test_ps3_18_f_2_3_what_is_no_number_is_the_string_it_was(
    vr: str, value: bytes, expected: object
) -> None:
    assert value_of(vr, value) == {"vr": vr, "Value": expected}


def test_numbers_that_json_does_not_have_are_null() -> None:
    assert value_of("FD", struct.pack("<2d", float("inf"), 1))["Value"] == [None, 1.0]


@pytest.mark.parametrize(("vr", "value"), [("US", b"abc"), ("FD", b"1234"), ("AT", b"\1\2")])
def test_a_value_whose_length_does_not_fit_its_vr_keeps_its_bytes_as_un(
    vr: str, value: bytes
) -> None:
    assert value_of(vr, value) == {"vr": "UN", "InlineBinary": base64.b64encode(value).decode()}


def test_names_have_their_component_groups_and_no_empty_ones() -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう\\=王=".encode()
    assert value_of("PN", name)["Value"] == [
        {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"},
        {"Ideographic": "王"},
    ]


def test_ps3_18_f_2_2_group_lengths_are_left_out_and_attributes_ascend() -> None:
    late = element(0x00080000, "UL", b"\0\0\0\0") + element(0x00080008, "CS", b"A ")
    found = metadata(part10(extra={0x00400000: late}))
    assert list(found) == sorted(found)
    assert "00080000" not in found
    assert found["00080008"]["Value"] == ["A"]


def test_of_equal_tags_the_last_counts() -> None:
    twice = element(PRIVATE, "LO", b"a ") + element(PRIVATE, "LO", b"b ")
    assert metadata(part10(extra={PRIVATE: twice}))["00091001"]["Value"] == ["b"]


def test_pixel_data_is_always_bulk_data() -> None:
    assert metadata(part10(rows=1, columns=1))["7FE00010"] == {
        "vr": "OW",
        "BulkDataURI": "bulkdata/7FE00010",
    }


def test_a_bulk_data_uri_names_the_path_of_tags_and_item_numbers() -> None:
    found = metadata(part10(WaveformSequence=[{}, {"WaveformData": b"x" * 2000}]))
    inner = found["54000100"]["Value"][1]["54001010"]
    assert inner["BulkDataURI"] == "bulkdata/54000100/1/54001010"


def test_any_value_cut_out_of_the_skeleton_is_bulk_data() -> None:
    assert value_of("UT", b"x" * 65_537) == {"vr": "UT", "BulkDataURI": "bulkdata/00091001"}


def test_an_item_has_the_character_set_that_it_names_or_else_its_parents() -> None:
    def name(text: bytes) -> bytes:
        return element(0x00100010, "PN", text)

    own = element(0x00080005, "CS", b"ISO_IR 192") + name("王".encode())
    sequence = element(0x00400275, "SQ", item(own) + item(name("Ä".encode("latin-1") + b" ")))
    found = metadata(part10(SpecificCharacterSet="ISO_IR 100", extra={0x00400275: sequence}))
    names = [each["00100010"]["Value"][0] for each in found["00400275"]["Value"]]
    assert names == [{"Alphabetic": "王"}, {"Alphabetic": "Ä"}]


@pytest.mark.parametrize(("signed", "vr", "value"), [(False, "US", 65535), (True, "SS", -1)])
def test_us_or_ss_is_what_pixel_representation_says_in_items_too(
    signed: bool, vr: str, value: int
) -> None:
    uid = IMPLICIT_VR_LITTLE_ENDIAN
    padding = element(0x00280120, "US", b"\xff\xff", transfer_syntax_uid=uid)
    sequence = element(0x00400275, "SQ", item(padding), transfer_syntax_uid=uid)
    found = metadata(
        part10(
            rows=1,
            columns=1,
            signed=signed,
            transfer_syntax_uid=uid,
            extra={0x00280120: padding, 0x00400275: sequence},
        )
    )
    assert found["00280120"] == {"vr": vr, "Value": [value]}
    assert found["00400275"]["Value"][0]["00280120"] == {"vr": vr, "Value": [value]}


def test_the_number_of_entries_of_a_lookup_table_is_unsigned() -> None:
    descriptor = element(0x00283002, "SS", struct.pack("<3h", -1, -5, 16))
    found = metadata(part10(extra={0x00283002: descriptor}))
    assert found["00283002"]["Value"] == [65535, -5, 16]


def test_what_equal_bytes_are_depends_on_attribute_character_set_and_byte_order() -> None:
    """Values that were read are remembered: each of these is read after one that is like it."""
    signed = struct.pack("<3h", -1, -5, 16)
    other, descriptor = (element(tag, "SS", signed) for tag in (PRIVATE, 0x00283002))
    found = metadata(part10(extra={PRIVATE: other, 0x00283002: descriptor}))
    assert found["00091001"]["Value"] == [-1, -5, 16]
    assert found["00283002"]["Value"] == [65535, -5, 16]
    again = metadata(part10(extra={PRIVATE: other}))
    assert again["00091001"]["Value"] == [-1, -5, 16]
    name = {PRIVATE: element(PRIVATE, "LO", b"\xc3\xa9")}
    for charset, text in (("ISO_IR 100", "Ã©"), ("ISO_IR 192", "é")):
        found = metadata(part10(SpecificCharacterSet=charset, extra=name))
        assert found["00091001"]["Value"] == [text]
    assert value_of("US", b"\0\1")["Value"] == [256]
    assert value_of("US", b"\1\0", uid=EXPLICIT_VR_BIG_ENDIAN)["Value"] == [256]
    assert value_of("US", b"\0\1", uid=EXPLICIT_VR_BIG_ENDIAN)["Value"] == [1]


def test_any_number_of_different_values_takes_bounded_memory() -> None:
    for n in range(0, 6000, 50):
        parts = {PRIVATE + k: element(PRIVATE + k, "IS", b"%d " % (n + k)) for k in range(50)}
        found = metadata(part10(extra=parts))
        assert [found[f"{PRIVATE + k:08X}"]["Value"] for k in range(50)] == [
            [n + k] for k in range(50)
        ]
    remembered = json_model._said_lately.cache_info()
    assert remembered.maxsize is not None and remembered.currsize <= remembered.maxsize


@pytest.mark.parametrize(("entries", "vr"), [(1, "US"), (2, "OW")])
def test_lut_data_is_us_when_the_descriptor_says_one_entry(entries: int, vr: str) -> None:
    uid = IMPLICIT_VR_LITTLE_ENDIAN
    more = {
        0x00283002: element(
            0x00283002, "US", struct.pack("<3H", entries, 0, 16), transfer_syntax_uid=uid
        ),
        0x00283006: element(0x00283006, "OW", b"\1\0" * entries, transfer_syntax_uid=uid),
    }
    assert metadata(part10(transfer_syntax_uid=uid, extra=more))["00283006"]["vr"] == vr


def test_big_endian_values_are_numbers_and_binary_ones_are_turned_round() -> None:
    uid = EXPLICIT_VR_BIG_ENDIAN
    assert value_of("US", b"\1\2", uid=uid)["Value"] == [258]
    assert value_of("OW", b"\1\2\3\4", uid=uid)["InlineBinary"] == (
        base64.b64encode(b"\2\1\4\3").decode()
    )
    assert value_of("OB", b"\1\2", uid=uid)["InlineBinary"] == base64.b64encode(b"\1\2").decode()


def test_sequences_of_many_items_are_the_same_json() -> None:
    items = [{"ScheduledProcedureStepID": str(n)} for n in range(200)]
    found = metadata(part10(RequestAttributesSequence=items))["00400275"]["Value"]
    assert [each["00400009"]["Value"] for each in found] == [[str(n)] for n in range(200)]
