"""Every transfer syntax has one row, and the rows agree with PS3.6 and PS3.5."""

import pytest
from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID

from dicomweb_server.dicom.transfer_syntaxes import (
    HTJ2K_LOSSLESS_RPCL,
    TRANSFER_SYNTAXES,
    transfer_syntax,
)

REGISTERED = [
    UID(uid)
    for uid, entry in UID_dictionary.items()
    # pydicom takes Papyrus 3, a retired file format with implicit VRs, for an explicit one
    if entry[1] == "Transfer Syntax" and entry[4] != "Papyrus3ImplicitVRLittleEndian"
]


@pytest.mark.parametrize("uid", REGISTERED, ids=[uid.keyword for uid in REGISTERED])
def test_every_registered_transfer_syntax_has_a_row_that_agrees_with_the_registry(
    uid: UID,
) -> None:
    row = TRANSFER_SYNTAXES[str(uid)]

    assert row.keyword == uid.keyword
    assert row.name == uid.name.removesuffix(" (Retired)")
    assert row.implicit == uid.is_implicit_VR
    assert row.big_endian == (not uid.is_little_endian)


def test_the_syntaxes_newer_than_the_registry_are_there() -> None:
    assert TRANSFER_SYNTAXES["1.2.840.10008.1.2.4.110"].media_type == "image/jxl"
    assert TRANSFER_SYNTAXES["1.2.840.10008.1.2.8.1"].encapsulated
    assert not TRANSFER_SYNTAXES["1.2.840.10008.1.2.8.1"].deflated


def test_only_the_deflated_and_the_deflated_jpip_syntaxes_deflate_the_data_set() -> None:
    assert {row.uid for row in TRANSFER_SYNTAXES.values() if row.deflated} == {
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.4.95",
        "1.2.840.10008.1.2.4.205",
    }


@pytest.mark.parametrize(
    ("uid", "media_type"),
    [
        ("1.2.840.10008.1.2.1", "application/octet-stream"),
        ("1.2.840.10008.1.2.4.50", "image/jpeg"),
        ("1.2.840.10008.1.2.4.70", "image/jpeg"),
        ("1.2.840.10008.1.2.4.80", "image/jls"),
        ("1.2.840.10008.1.2.4.90", "image/jp2"),
        ("1.2.840.10008.1.2.4.92", "image/jpx"),
        (HTJ2K_LOSSLESS_RPCL, "image/jphc"),
        ("1.2.840.10008.1.2.5", "image/dicom-rle"),
        ("1.2.840.10008.1.2.4.100", "video/mpeg2"),
        ("1.2.840.10008.1.2.4.102", "video/mp4"),
    ],
)
def test_ps3_18_8_7_3_a_frame_leaves_with_the_media_type_of_its_transfer_syntax(
    uid: str, media_type: str
) -> None:
    assert transfer_syntax(uid).media_type == media_type


def test_an_unknown_uid_is_explicit_little_endian_with_pixels_nothing_decodes() -> None:
    row = transfer_syntax("1.2.3.4")

    assert not row.known
    assert row.encapsulated
    assert not (row.implicit or row.big_endian or row.deflated or row.decodable or row.lossless)
    assert "1.2.3.4" in row.name


def test_the_padding_of_a_uid_is_not_part_of_it() -> None:
    assert transfer_syntax("1.2.840.10008.1.2\0").keyword == "ImplicitVRLittleEndian"
