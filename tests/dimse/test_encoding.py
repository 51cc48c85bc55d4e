"""PDUs, command sets, identifiers: what is written is read, and any bytes are an error at most."""

import socket
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.dataelem import RawDataElement
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from dicomweb_server.config import load
from dicomweb_server.dicom.errors import DicomError, Malformed, TooLarge, UnsupportedEncoding
from dicomweb_server.dicom.implicit import implicit_little_endian
from dicomweb_server.dimse import commands, identifiers, negotiation, pdu
from dicomweb_server.dimse.errors import ProtocolError
from dicomweb_server.dimse.peers import Peer, Peers, Rule
from dicomweb_server.dimse.session import terms_of
from tests.dicom.build import element, item

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
JPEG_LS = "1.2.840.10008.1.2.4.80"
CT = "1.2.840.10008.5.1.4.1.1.2"

REQUEST = pdu.Associate(
    called="ARCHIVE",
    calling="CT1",
    proposed=(pdu.Proposed(1, CT, (JPEG_LS, EXPLICIT)), pdu.Proposed(3, "1.2.3", (IMPLICIT,))),
    max_length=16384,
    implementation_uid="1.2.3.4",
    implementation_version="TEST",
    roles={CT: (False, True)},
    extended={"1.2.840.10008.5.1.4.1.2.2.1": b"\1\1\1"},
)


def test_an_association_request_is_read_as_it_was_written() -> None:
    raw = pdu.encode_associate(REQUEST, accept=False)
    assert pdu.decode_associate(raw[6:]) == REQUEST


@given(st.binary(max_size=400))
def test_any_bytes_are_an_association_request_or_a_protocol_error(raw: bytes) -> None:
    with suppress(ProtocolError):
        pdu.decode_associate(raw)
    with suppress(ProtocolError):
        list(pdu.fragments(memoryview(raw)))


@given(st.integers(0, 300), st.binary(max_size=8))
def test_a_damaged_association_request_is_read_or_a_protocol_error(at: int, by: bytes) -> None:
    raw = bytearray(pdu.encode_associate(REQUEST, accept=False)[6:])
    raw[at : at + len(by)] = by
    with suppress(ProtocolError):
        pdu.decode_associate(bytes(raw))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_command_set_or_a_protocol_error(raw: bytes) -> None:
    with suppress(ProtocolError):
        commands.decode(raw)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_identifier_or_a_dicom_error(raw: bytes) -> None:
    for uid in (EXPLICIT, IMPLICIT):
        with suppress(DicomError):
            identifiers.read(raw, transfer_syntax_uid=uid)


def test_a_long_sequence_is_a_list_and_its_items_count() -> None:
    def sequence(count: int) -> bytes:
        return element(0x00400275, "SQ", item(b"") * count)

    found = identifiers.read(sequence(1000), transfer_syntax_uid=EXPLICIT)
    assert found == {"00400275": {"vr": "SQ", "Value": [{}] * 1000}}
    with pytest.raises(TooLarge, match="the limit is 500000"):
        identifiers.read(sequence(600_000), transfer_syntax_uid=EXPLICIT)


@pytest.mark.parametrize("uid", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("length", [65532, 65534, 65536, 100_000])
def test_ps3_5_6_2_2_a_value_too_long_for_16_bits_is_un_in_explicit_vr(
    uid: str, length: int
) -> None:
    long = {"00081030": {"vr": "LO", "Value": ["x" * length]}}
    raw = identifiers.write(long, transfer_syntax_uid=uid)
    (found,) = read_dataset(BytesIO(raw), uid == IMPLICIT, True).values()
    assert isinstance(found, RawDataElement)
    vr = None if uid == IMPLICIT else "LO" if length <= 65534 else "UN"
    assert (found.VR, found.value) == (vr, b"x" * length)


def test_elements_of_other_groups_behind_a_command_are_passed_over() -> None:
    raw = commands.encode(
        {commands.COMMAND_FIELD: 0x8010, commands.STATUS: 0xC000}, with_data_set=False
    )
    failed = b"\x08\0\x58\0\x04\0\0\x001.2\0"
    assert commands.decode(raw + failed) == commands.decode(raw)


def test_a_command_set_is_read_as_it_was_written() -> None:
    command: dict[int, int | str] = {
        commands.AFFECTED_CLASS: CT,
        commands.COMMAND_FIELD: commands.C_STORE,
        commands.MESSAGE_ID: 7,
        commands.MOVE_DESTINATION: "SINK",
    }
    raw = commands.encode(command, with_data_set=True)
    assert commands.decode(raw) == {**command, commands.DATA_SET_TYPE: commands.WITH_DATA_SET}


@pytest.mark.parametrize(
    ("sentence", "comment"),
    [
        ("breaks PS3.4 §C.4.2", "breaks PS3.4 section C.4.2"),
        ("Café 张 a\\b\n\x1bc", "Cafe ? a/b  c"),
        ("§" + "x" * 100, "section " + "x" * 56),
    ],
)
def test_ps3_7_6_3_1_an_error_comment_is_in_the_default_repertoire(
    sentence: str, comment: str
) -> None:
    raw = commands.encode(
        {commands.COMMAND_FIELD: 0x8001, commands.ERROR_COMMENT: sentence}, with_data_set=False
    )
    assert commands.decode(raw)[commands.ERROR_COMMENT] == comment


ITEM = {
    "00080052": {"vr": "CS", "Value": ["STUDY"]},
    "00080061": {"vr": "CS", "Value": ["CT", "MR"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "WANG^LI", "Ideographic": "王^丽"}]},
    "00101030": {"vr": "DS", "Value": [70.5]},
    "00201208": {"vr": "IS", "Value": [12]},
    "00280010": {"vr": "US", "Value": [512]},
    "00400275": {"vr": "SQ", "Value": [{"00400007": {"vr": "LO", "Value": ["胸部"]}}]},
    "00080050": {"vr": "SH"},
}


@pytest.mark.parametrize("uid", [EXPLICIT, IMPLICIT])
@pytest.mark.parametrize("charset", ["ISO_IR 192", "GB18030", "GBK", "\\ISO 2022 IR 58"])
def test_an_identifier_is_read_as_it_was_written_in_any_character_set(
    uid: str, charset: str
) -> None:
    raw = identifiers.write(ITEM, transfer_syntax_uid=uid, charset=charset)
    found = identifiers.read(raw, transfer_syntax_uid=uid)
    assert found.pop("00080005")["Value"] == [term or None for term in charset.split("\\")]
    assert found == ITEM


@pytest.mark.parametrize(
    ("charset", "text", "goes_out_in"),
    [
        ("ISO_IR 13", "ﾔﾏﾀﾞ^ﾀﾛｳ", "ISO_IR 13"),
        ("ISO_IR 13", "山田^太郎", "ISO_IR 192"),
        ("ISO_IR 13", "ヤマダ", "ISO_IR 192"),
        ("ISO_IR 13", "ﾔﾏﾀﾞ¥", "ISO_IR 192"),
        ("\\ISO 2022 IR 87", "山田", "\\ISO 2022 IR 87"),
        ("\\ISO 2022 IR 87", "山田¥", "ISO_IR 192"),
        ("ISO_IR 100", "山田", "ISO_IR 192"),
        ("ISO_IR 203", "Œdème €", "ISO_IR 203"),
    ],
)
def test_ps3_3_c_12_1_1_2_what_a_character_set_does_not_have_goes_out_in_iso_ir_192(
    charset: str, text: str, goes_out_in: str
) -> None:
    """ISO_IR 13 is JIS X 0201, a byte a character: no kanji of Shift-JIS, nor a yen sign, whose
    byte separates values."""
    item = {"00081030": {"vr": "LO", "Value": [text]}}
    raw = identifiers.write(item, transfer_syntax_uid=EXPLICIT, charset=charset)
    found = identifiers.read(raw, transfer_syntax_uid=EXPLICIT)
    assert found.pop("00080005")["Value"] == [term or None for term in goes_out_in.split("\\")]
    assert found == item
    if goes_out_in == "ISO_IR 13":
        assert b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3" in raw


@pytest.mark.parametrize(
    ("text", "raw"),
    [("ÜS", b"\xdcS"), ("ŪS", "ŪS".encode()), ("超声", "超声".encode())],
)
def test_no_letter_of_a_code_is_dropped(text: str, raw: bytes) -> None:
    """A file's codes are read as Latin-1 and go out with their bytes; others as texts do."""
    item = {"00080060": {"vr": "CS", "Value": [text]}}
    assert raw in identifiers.write(item, transfer_syntax_uid=EXPLICIT)


def test_kanji_of_shift_jis_under_iso_ir_13_are_read_all_the_same() -> None:
    value = "山田".encode("shift_jis")
    raw = b"\x08\0\x05\0CS\x0a\0ISO_IR 13 \x08\0\x30\x10LO" + bytes((len(value), 0)) + value
    found = identifiers.read(raw, transfer_syntax_uid=EXPLICIT)
    assert found["00081030"] == {"vr": "LO", "Value": ["山田"]}


def test_pydicom_reads_an_identifier_as_we_do() -> None:
    raw = identifiers.write(ITEM, transfer_syntax_uid=IMPLICIT, charset="GB18030")
    found = read_dataset(BytesIO(raw), is_implicit_VR=True, is_little_endian=True)
    assert str(found.PatientName) == "WANG^LI=王^丽"
    assert found.RequestAttributesSequence[0].ScheduledProcedureStepDescription == "胸部"


def test_without_a_character_set_of_its_own_an_identifier_is_read_in_the_peers() -> None:
    raw = b"\x10\x00\x10\x00PN\x04\x00" + "王丽".encode("gbk")
    for nothing in (b"", b"\x08\x00\x05\x00CS\0\0", b"\x08\x00\x05\x00CS\2\0  "):
        found = identifiers.read(nothing + raw, transfer_syntax_uid=EXPLICIT, charset="GBK")
        assert found == {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "王丽"}]}}


def test_ps3_3_c_12_1_1_2_a_character_set_whose_first_value_is_empty_is_one() -> None:
    name = b"Wang=\x1b$)A" + "王".encode("gb2312") + b" "
    raw = b"\x08\0\x05\0CS\x10\0\\ISO 2022 IR 58 \x10\0\x10\0PN" + bytes((len(name), 0)) + name
    found = identifiers.read(raw, transfer_syntax_uid=EXPLICIT, charset="ISO_IR 100")
    assert found["00100010"]["Value"] == [{"Alphabetic": "Wang", "Ideographic": "王"}]


def test_ascii_needs_no_character_set() -> None:
    plain = {"00100020": {"vr": "LO", "Value": ["P1"]}}
    assert b"ISO" not in identifiers.write(plain, transfer_syntax_uid=EXPLICIT)


# ---------------------------------------------------------------------------- implicit VR


def explicit(dataset: Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = False, True
    write_dataset(out, dataset)
    return out.getvalue()


def test_explicit_becomes_implicit_whatever_the_pieces() -> None:
    inner = Dataset()
    inner.ScheduledProcedureStepID = "S1"
    nested = Dataset()
    nested.CodeMeaning = "meaning"
    inner.RequestedProcedureCodeSequence = [nested, Dataset()]
    dataset = Dataset()
    dataset.PatientID = "P1"
    dataset.RequestAttributesSequence = [inner, inner]
    dataset.PixelData = bytes(range(256)) * 10
    dataset["PixelData"].VR = "OW"
    dataset.Rows = 4
    raw = explicit(dataset)
    whole = b"".join(implicit_little_endian(iter([raw])))
    for size in (1, 7, 100):
        pieces = (raw[n : n + size] for n in range(0, len(raw), size))
        assert b"".join(implicit_little_endian(pieces)) == whole
    found = read_dataset(BytesIO(whole), is_implicit_VR=True, is_little_endian=True)
    assert found == dataset


def test_what_ends_inside_an_element_or_is_encapsulated_is_refused() -> None:
    dataset = Dataset()
    dataset.PatientID = "P12345"
    with pytest.raises(Malformed):
        list(implicit_little_endian(iter([explicit(dataset)[:-2]])))
    encapsulated = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0"
    with pytest.raises(UnsupportedEncoding):
        list(implicit_little_endian(iter([encapsulated])))


@given(st.binary(max_size=200))
def test_any_bytes_become_implicit_or_a_dicom_error(raw: bytes) -> None:
    with suppress(DicomError):
        list(implicit_little_endian(iter([raw])))


# ---------------------------------------------------------------------------- negotiation


def answers(
    *proposed: pdu.Proposed,
    peer: Peer | None = None,
    roles: dict[str, tuple[bool, bool]] | None = None,
) -> list[tuple[int, str]]:
    terms = terms_of(load(environment={}))
    request = pdu.Associate("A", "B", proposed=proposed, roles=roles or {})
    accepted = negotiation.answer(request, peer=peer or Peer(aet="B"), terms=terms)
    return [(one.result, one.transfer_syntax) for one in accepted.answered]


def test_storage_is_accepted_in_the_first_transfer_syntax_that_is_known() -> None:
    assert answers(pdu.Proposed(1, CT, ("1.2.3.4", JPEG_LS, EXPLICIT))) == [(0, JPEG_LS)]
    assert answers(pdu.Proposed(1, CT, ("1.2.3.4",)))[0][0] == 4
    assert answers(pdu.Proposed(1, "1.2.3", (EXPLICIT,)))[0][0] == 3


def test_a_context_for_c_get_is_accepted_in_what_everything_can_be_sent_in() -> None:
    proposed = pdu.Proposed(1, CT, (JPEG_LS, IMPLICIT, EXPLICIT))
    assert answers(proposed, roles={CT: (False, True)}) == [(0, EXPLICIT)]


def test_the_peers_preference_goes_first() -> None:
    peer = Peer(aet="B", transfer_syntaxes=(EXPLICIT,))
    assert answers(pdu.Proposed(1, CT, (JPEG_LS, EXPLICIT)), peer=peer) == [(0, EXPLICIT)]


def test_private_sop_classes_are_taken_when_configured() -> None:
    private = "1.2.840.113619.4.30"
    for setting, result in (("", 3), (private, 0), ("*", 0)):
        terms = terms_of(load(environment={}, flags={"dimse_private_sop_classes": setting}))
        request = pdu.Associate("A", "B", proposed=(pdu.Proposed(1, private, (EXPLICIT,)),))
        (answer,) = negotiation.answer(request, peer=Peer(aet="B"), terms=terms).answered
        assert answer.result == result


def test_rules_match_by_pattern_and_without_regard_to_case() -> None:
    rule = Rule(to="P", calling=("CT*", "MR1"), body_part=("HEAD",))
    assert rule.applies(calling="ct7", modality="CT", body_part="Head")
    assert not rule.applies(calling="US1", modality="CT", body_part="HEAD")
    assert not rule.applies(calling="CT7", modality="CT", body_part="CHEST")


@pytest.mark.parametrize("open_to_all", [True, False])
def test_who_calls_from_elsewhere_is_a_row_with_that_address(open_to_all: bool) -> None:
    peers = Peers({"CT1": Peer(aet="CT1", host="192.0.2.1")}, ())
    assert peers.caller("CT1", "192.0.2.1", open_to_all=open_to_all) is not None
    assert peers.caller("CT1", "::ffff:192.0.2.1", open_to_all=open_to_all) is not None
    assert peers.caller("CT1", "192.0.2.9", open_to_all=open_to_all) is None
    assert peers.caller("ANYBODY", "192.0.2.1", open_to_all=open_to_all) is None


def test_a_host_that_has_moved_or_was_not_known_is_looked_up_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Not for each association, and after a failure sooner; what fails forgets nothing."""
    known: dict[str, str] = {}
    asked = []

    def getaddrinfo(host: str, port: None) -> list[tuple[object, ...]]:
        asked.append(host)
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (known[host], 0))]

    now = 1000.0
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr("dicomweb_server.dimse.peers.time.monotonic", lambda: now)
    peers = Peers({"CT1": Peer(aet="CT1", host="ct1.test")}, ())

    def may(address: str) -> bool:
        return peers.caller("CT1", address, open_to_all=False) is not None

    assert not may("192.0.2.1") and not may("192.0.2.1") and len(asked) == 1
    known["ct1.test"] = "192.0.2.1"
    now += 6
    assert may("192.0.2.1") and may("192.0.2.1") and len(asked) == 2
    known["ct1.test"] = "192.0.2.2"
    now += 61
    assert may("192.0.2.2") and not may("192.0.2.1") and len(asked) == 3
    del known["ct1.test"]
    now += 61
    assert may("192.0.2.2") and len(asked) == 4


def test_whoever_calls_from_this_machine_may_while_there_are_no_accounts() -> None:
    peers = Peers({"CT1": Peer(aet="CT1", host="192.0.2.1")}, ())
    for address in ("127.0.0.1", "::1"):
        assert peers.caller("ANYBODY", address, open_to_all=True) is not None
        assert peers.caller("ANYBODY", address, open_to_all=False) is None
        assert peers.caller("CT1", address, open_to_all=False) is not None
