"""Peers that misbehave: the server answers as the standard says, and goes on."""

import json
import os
import socket
import struct
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pydicom
import pytest

from dicomweb_server.access.doors import open_doors
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.desk import open_desk
from dicomweb_server.archive.spool import Spool
from dicomweb_server.config import load
from dicomweb_server.dimse import commands, identifiers, negotiation, pdu, server
from dicomweb_server.dimse.association import Context
from dicomweb_server.dimse.session import Bridge as Shared
from dicomweb_server.dimse.session import terms_of
from dicomweb_server.dimse.sop_classes import STUDY_FIND, STUDY_GET
from storage.errors import OutOfSpace
from tests.dicom.build import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    JPEG_2000_LOSSLESS,
    element,
    encode,
    part10,
)
from tests.dimse.conftest import Bridge, bridged, stop
from tests.dimse.programs import run
from tests.dimse.test_dcmtk import wado
from tests.dimse.wire import (
    CT,
    EXPLICIT,
    Wire,
    association_on,
    drip,
    drips_until_closed,
    echo_command,
    store_command,
)

STUDY = "2.25.6001"
HANGING_PROTOCOL = "1.2.840.10008.5.1.4.38.1"
GARBLED = "1.2.77"
"""A UID that a test replaces by bytes that are none."""


def instance(number: int, **more: object) -> bytes:
    """A data set without header."""
    return part10(
        study_uid=STUDY,
        series_uid=f"{STUDY}.1",
        instance_uid=f"{STUDY}.1.{number}",
        meta=False,
        preamble=False,
        **more,  # type: ignore[arg-type]
    )


def lives(bridge: Bridge) -> None:
    run("echoscu", "127.0.0.1", bridge.port)


def stored(bridge: Bridge, uid: str) -> bool:
    url = f"{bridge.url}/dicom-web/instances?SOPInstanceUID={uid}"
    with urllib.request.urlopen(url, timeout=20) as response:
        body = response.read()
        return bool(body and json.loads(body))


def test_an_abort_in_the_middle_of_a_data_set_stores_nothing(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    wire.command(3, store_command(f"{STUDY}.1.1"), with_data_set=True)
    wire.data(3, instance(1)[:40], last=False)
    wire.send(pdu.encode_abort(source=0, reason=0))
    assert wire.read() == (0, b"")
    lives(bridge)
    assert not stored(bridge, f"{STUDY}.1.1")


def test_a_peer_that_vanishes_in_a_data_set_is_given_up(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    wire.command(3, store_command(f"{STUDY}.1.2"), with_data_set=True)
    wire.data(3, instance(2)[:40], last=False)
    wire.close()
    lives(bridge)
    assert not stored(bridge, f"{STUDY}.1.2")


def test_a_pdu_longer_than_agreed_is_aborted_before_it_is_read(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    wire.send(pdu.HEADER.pack(pdu.P_DATA_TF, 0xFFFFFFF0) + b"x" * 100)
    kind, body = wire.read()
    assert (kind, body[2], body[3]) == (pdu.ABORT, 2, pdu.REASON_INVALID_PARAMETER)


def test_a_presentation_data_value_that_leaves_its_pdu_is_aborted(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    wire.send(pdu.HEADER.pack(pdu.P_DATA_TF, 10) + struct.pack(">IBB", 400, 1, 3) + b"abcd")
    kind, body = wire.read()
    assert (kind, body[3]) == (pdu.ABORT, pdu.REASON_INVALID_PARAMETER)


def test_a_pdu_shorter_than_it_says_is_given_up_after_the_silence_allowed(tmp_path: Path) -> None:
    with bridged(tmp_path, config="dimse_timeout_s = 0.5") as bridge:
        wire = Wire.to(bridge.port)
        wire.associate()
        wire.send(pdu.HEADER.pack(pdu.P_DATA_TF, 1000) + b"x" * 100)
        assert wire.read()[0] == pdu.ABORT
        idle = Wire.to(bridge.port)
        assert idle.read()[0] in (pdu.ABORT, 0)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0" * 64,
        pdu.HEADER.pack(pdu.ASSOCIATE_RQ, 10) + b"\0" * 10,
        pdu.HEADER.pack(pdu.ASSOCIATE_RQ, 74)
        + b"\0\1"
        + b"\0" * 66
        + struct.pack(">BxH", 0x20, 0xFFFF)
        + b"\0\0",
        pdu.encode_release(response=False),
        pdu.HEADER.pack(pdu.P_DATA_TF, 0),
    ],
)
def test_garbage_instead_of_an_association_request_is_aborted(
    bridge: Bridge, garbage: bytes
) -> None:
    wire = Wire.to(bridge.port)
    wire.send(garbage)
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.read()[0] in (pdu.ABORT, 0)
    lives(bridge)


@pytest.mark.parametrize(
    "proposed",
    [
        [pdu.Proposed(0, CT, (EXPLICIT,))],
        [pdu.Proposed(2, CT, (EXPLICIT,))],
        [pdu.Proposed(1, CT, (EXPLICIT,)), pdu.Proposed(1, STUDY_FIND, (EXPLICIT,))],
        [pdu.Proposed(1, CT, (EXPLICIT,)), pdu.Proposed(3, CT, (GARBLED,))],
        [pdu.Proposed(1, CT, (EXPLICIT,)), pdu.Proposed(3, GARBLED, (EXPLICIT,))],
    ],
    ids=["zero", "even", "twice", "transfer syntax", "abstract syntax"],
)
def test_ps3_8_9_3_2_2_presentation_contexts_that_are_none_are_aborted(
    bridge: Bridge, proposed: list[pdu.Proposed]
) -> None:
    """IDs are odd, from 1 to 255, each there once; UIDs are ASCII."""
    request = pdu.Associate("DICOMWEB", "WIRE", proposed=tuple(proposed))
    raw = pdu.encode_associate(request, accept=False)
    wire = Wire.to(bridge.port)
    wire.send(raw.replace(GARBLED.encode("ascii"), b"1.2.\xff\xfe"))
    kind, body = wire.read()
    assert (kind, body[2], body[3]) == (pdu.ABORT, 2, pdu.REASON_INVALID_PARAMETER)


def test_a_command_that_is_none_is_aborted(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    raw = b"\xff" * 50
    wire.send(pdu.pdv_header(1, len(raw), command=True, last=True) + raw)
    assert wire.read()[0] == pdu.ABORT


def test_a_context_that_was_not_accepted_is_aborted(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    wire.command(77, echo_command())
    assert wire.read()[0] == pdu.ABORT


@pytest.mark.parametrize("how", ["abort", "vanish"])
def test_a_peer_that_goes_while_it_is_answered_leaves_the_others_alone(
    bridge: Bridge, how: str
) -> None:
    """In the middle of the sub-operations of a C-GET, and of the rows of a C-FIND."""
    sending = Wire.to(bridge.port)
    sending.associate()
    for number in range(40):
        uid = f"{STUDY}.4.{number}"
        raw = part10(
            study_uid=f"{STUDY}.4", series_uid=f"{STUDY}.4.0", instance_uid=uid, rows=64,
            columns=64, meta=False, preamble=False,
        )  # fmt: skip
        assert sending.store(uid, raw) == 0
    for abstract, field, level in (
        (STUDY_GET, commands.C_GET, "STUDY"),
        (STUDY_FIND, commands.C_FIND, "IMAGE"),
    ):
        wire = Wire.to(bridge.port)
        wire.associate((abstract, CT), roles={CT: (False, True)})
        command = {**store_command(""), commands.COMMAND_FIELD: field}
        command[commands.AFFECTED_CLASS] = abstract
        del command[commands.AFFECTED_INSTANCE]
        wire.command(1, command, with_data_set=True)
        asked = {
            "00080052": {"vr": "CS", "Value": [level]},
            "0020000D": {"vr": "UI", "Value": [f"{STUDY}.4"]},
        }
        wire.data(1, identifiers.write(asked, transfer_syntax_uid=EXPLICIT))
        assert wire.read()[0] == pdu.P_DATA_TF
        if how == "abort":
            wire.send(pdu.encode_abort(source=0, reason=0))
        wire.close()
        lives(bridge)


def test_an_operation_that_does_not_belong_to_its_context_is_0211(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    wire.command(1, {**echo_command(), commands.COMMAND_FIELD: commands.N_DELETE})
    assert wire.status() == 0x0211
    wire.command(1, echo_command())
    assert wire.status() == 0


@pytest.mark.parametrize("scp", [False, True])
def test_ps3_7_d_3_3_4_who_is_no_scu_by_the_roles_agreed_stores_nothing(
    bridge: Bridge, *, scp: bool
) -> None:
    wire = Wire.to(bridge.port)
    wire.associate(roles={CT: (False, scp)})
    assert wire.store(f"{STUDY}.1.30", instance(30)) == 0x0124
    assert not stored(bridge, f"{STUDY}.1.30")
    wire.command(1, echo_command())
    assert wire.status() == 0
    both = Wire.to(bridge.port)
    both.associate(roles={CT: (True, scp)})
    assert both.store(f"{STUDY}.1.{31 + scp}", instance(31 + scp)) == 0


def test_a_data_set_that_is_none_is_c000_and_the_association_goes_on(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    assert wire.store(f"{STUDY}.1.3", os.urandom(5000)) == 0xC000
    assert wire.store(f"{STUDY}.1.3", instance(3)) == 0
    assert stored(bridge, f"{STUDY}.1.3")


@pytest.mark.parametrize("syntax", [EXPLICIT, IMPLICIT_VR_LITTLE_ENDIAN])
def test_ps3_10_7_1_file_meta_information_in_a_data_set_is_left_out_and_said_to_be(
    bridge: Bridge, syntax: str
) -> None:
    """Were it kept, (0002,0010) of the sender would be read instead of what was negotiated."""
    number = 80 + (syntax == EXPLICIT)
    uid = f"{STUDY}.1.{number}"
    sent = instance(number, transfer_syntax_uid=syntax)
    stray = {0x00020000: ("UL", struct.pack("<I", 26)), 0x00020010: ("UI", JPEG_2000_LOSSLESS)}
    strays = b"".join(
        element(tag, vr, encode(vr, value), transfer_syntax_uid=syntax)
        for tag, (vr, value) in stray.items()
    )
    wire = Wire.to(bridge.port)
    wire.associate((STUDY_GET, CT), syntaxes=(syntax,), roles={CT: (True, True)})
    assert wire.store(uid, strays + sent) == 0xB006
    assert wire.store(uid, sent) == 0
    file = wado(bridge, f"studies/{STUDY}/series/{STUDY}.1/instances/{uid}")
    found = pydicom.dcmread(BytesIO(file))
    assert found.file_meta.TransferSyntaxUID == EXPLICIT
    assert min(found.keys()) == 0x00080005
    command = {**store_command(""), commands.COMMAND_FIELD: commands.C_GET}
    command[commands.AFFECTED_CLASS] = STUDY_GET
    del command[commands.AFFECTED_INSTANCE]
    asked = {
        "00080018": {"vr": "UI", "Value": [uid]},
        "00080052": {"vr": "CS", "Value": ["IMAGE"]},
    }
    wire.command(1, command, with_data_set=True)
    wire.data(1, identifiers.write(asked, transfer_syntax_uid=syntax))
    assert commands.decode(wire.read()[1][6:])[commands.COMMAND_FIELD] == commands.C_STORE
    assert wire.read()[1][6:] == sent


@pytest.mark.parametrize("private", ["", "*", HANGING_PROTOCOL])
def test_ps3_4_gg_non_patient_objects_are_not_negotiated(tmp_path: Path, private: str) -> None:
    """They are in no study, so that every C-STORE of theirs would fail."""
    with bridged(tmp_path, config=f'dimse_private_sop_classes = "{private}"') as bridge:
        kind, body = Wire.to(bridge.port).associate((HANGING_PROTOCOL, CT))
        assert kind == pdu.ASSOCIATE_AC
        results = [one.result for one in pdu.decode_associate(body).answered]
        assert results == [negotiation.ABSTRACT_SYNTAX, negotiation.ACCEPTANCE]


def test_a_data_set_of_another_instance_or_class_is_a900(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    assert wire.store(f"{STUDY}.1.5", instance(4)) == 0xA900
    assert wire.store(f"{STUDY}.1.4", instance(4), sop_class_uid=CT + ".1") == 0x0122
    mr = instance(4, sop_class_uid="1.2.840.10008.5.1.4.1.1.4")
    assert wire.store(f"{STUDY}.1.4", mr) == 0xA900
    deflating = Wire.to(bridge.port)
    deflating.associate(syntaxes=(DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,))
    deflated = instance(4, transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN)
    assert deflating.store(f"{STUDY}.1.5", deflated) == 0xA900
    assert not stored(bridge, f"{STUDY}.1.4")
    assert not stored(bridge, f"{STUDY}.1.5")


def test_the_same_instance_twice_succeeds_and_another_of_its_name_does_not(bridge: Bridge) -> None:
    wire = Wire.to(bridge.port)
    wire.associate()
    assert wire.store(f"{STUDY}.1.6", instance(6)) == 0
    assert wire.store(f"{STUDY}.1.6", instance(6)) == 0
    assert wire.store(f"{STUDY}.1.6", instance(6, PatientID="ANOTHER")) == 0xC001


def test_what_is_longer_than_allowed_is_a700_and_the_association_goes_on(tmp_path: Path) -> None:
    with bridged(tmp_path, config="max_part_bytes = 65536") as bridge:
        wire = Wire.to(bridge.port)
        wire.associate()
        assert wire.store(f"{STUDY}.1.7", instance(7, rows=300, columns=300)) == 0xA700
        assert wire.store(f"{STUDY}.1.8", instance(8)) == 0


def test_a_caller_is_rejected_with_the_reason(bridge: Bridge) -> None:
    kind, body = Wire.to(bridge.port).associate(context="1.2.840.10008.3.1.1.9")
    assert (kind, tuple(body[1:])) == (pdu.ASSOCIATE_RJ, (1, 1, 2))
    raw = bytearray(pdu.encode_associate(pdu.Associate("A", "B", protocol_version=2), accept=False))
    wire = Wire.to(bridge.port)
    wire.send(bytes(raw))
    kind, body = wire.read()
    assert (kind, tuple(body[1:])) == (pdu.ASSOCIATE_RJ, (1, 2, 2))


def test_an_unknown_caller_from_elsewhere_is_rejected(tmp_path: Path) -> None:
    address = own_address()
    config = f"""
        host = "0.0.0.0"
        [[peers]]
        aet = "KNOWN"
        host = "{address}"
        [[peers]]
        aet = "ELSEWHERE"
        host = "192.0.2.7"
        [[peers]]
        aet = "ROAMING"
        any_address = true
    """
    with bridged(tmp_path, config=config) as bridge:
        for calling, accepted in (
            ("KNOWN", True),
            ("ROAMING", True),
            ("ELSEWHERE", False),
            ("NOBODY", False),
        ):
            kind, body = Wire.to(bridge.port, host=address).associate(calling=calling)
            if accepted:
                assert kind == pdu.ASSOCIATE_AC, calling
            else:
                assert (kind, tuple(body[1:])) == (pdu.ASSOCIATE_RJ, (1, 1, 3)), calling
        assert Wire.to(bridge.port).associate(calling="NOBODY")[0] == pdu.ASSOCIATE_AC
        stop(bridge)
        assert bridge.process.stderr is not None
        said = bridge.process.stderr.read()
    host = f"@{address}, who called DICOMWEB, was rejected:"
    assert f"ELSEWHERE{host} the row of peers with its AE title is for another host" in said
    assert f"NOBODY{host} no row of peers has its AE title" in said


def own_address() -> str:
    """An address of this machine that is not loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no address but loopback")
        address: str = probe.getsockname()[0]
    if address.startswith("127."):
        pytest.skip("this machine has no address but loopback")
    return address


def test_ps3_8_9_1_5_one_timer_runs_for_the_whole_association_request(tmp_path: Path) -> None:
    """Bytes that drip in do not start it again, those of a rejected request neither."""
    with bridged(tmp_path, "--aet", "OURS", config="dimse_timeout_s = 1") as bridge:
        assert drips_until_closed(Wire.to(bridge.port).socket)
    with bridged(tmp_path, "--aet", "OURS", "--dimse-check-called") as bridge:
        wire = Wire.to(bridge.port)
        assert wire.associate(called="OTHERS")[0] == pdu.ASSOCIATE_RJ
        assert drips_until_closed(wire.socket)


@pytest.mark.parametrize("what", ["bytes of a PDU", "fragments without end", "a command"])
def test_a_message_that_drips_in_is_given_up(tmp_path: Path, what: str) -> None:
    """Each byte ends the silence, so the message has a least rate once it takes longer."""
    drops = {
        "bytes of a PDU": pdu.HEADER.pack(pdu.P_DATA_TF, 1000) + b"x" * 54,
        "a command": pdu.pdv_header(1, 1000, command=True, last=True) + b"x" * 48,
    }
    with bridged(tmp_path, config="dimse_timeout_s = 1") as bridge:
        wire = Wire.to(bridge.port)
        wire.associate()
        if what in drops:
            assert drip(wire.socket, [bytes((byte,)) for byte in drops[what]])
            return
        wire.command(3, store_command(f"{STUDY}.1.30"), with_data_set=True)
        fragment = pdu.pdv_header(3, 2, command=False, last=False) + b"\0\0"
        assert drip(wire.socket, [fragment] * 60)


def test_a_modality_on_a_poor_line_may_take_longer_than_it_may_be_silent(tmp_path: Path) -> None:
    raw = instance(31, rows=100, columns=150)
    with bridged(tmp_path, config="dimse_timeout_s = 0.5") as bridge:
        wire = Wire.to(bridge.port)
        wire.associate()
        wire.command(3, store_command(f"{STUDY}.1.31"), with_data_set=True)
        pieces = [raw[at : at + 2000] for at in range(0, len(raw), 2000)]
        headers = [
            pdu.pdv_header(3, len(piece), command=False, last=piece is pieces[-1])
            for piece in pieces
        ]
        assert len(pieces) > 12
        sent = [header + piece for header, piece in zip(headers, pieces, strict=True)]
        assert not drip(wire.socket, sent[:-1])
        wire.socket.settimeout(15)
        wire.send(sent[-1])
        assert wire.status() == 0


def test_who_asks_for_no_association_keeps_nobody_out(tmp_path: Path) -> None:
    with bridged(tmp_path, "--dimse-associations", 2) as bridge:
        silent = [Wire.to(bridge.port) for _ in range(2 + server.CONNECTIONS_BEYOND + 3)]
        wires = [Wire.to(bridge.port) for _ in range(2)]
        assert {wire.associate()[0] for wire in wires} == {pdu.ASSOCIATE_AC}
        # Who has waited longest had to go, who came last may still ask.
        assert silent[0].read() == (0, b"")
        kind, body = silent[-1].associate()
        assert (kind, tuple(body[1:])) == (pdu.ASSOCIATE_RJ, (2, 3, 2))
        assert wires[0].store(f"{STUDY}.1.20", instance(20)) == 0
        wires[1].command(1, echo_command())
        assert wires[1].status() == 0


def test_another_called_title_is_rejected_when_it_must_be_ours(tmp_path: Path) -> None:
    with bridged(tmp_path, "--aet", "OURS", "--dimse-check-called") as bridge:
        kind, body = Wire.to(bridge.port).associate(called="OTHERS")
        assert (kind, tuple(body[1:])) == (pdu.ASSOCIATE_RJ, (1, 1, 7))
        assert Wire.to(bridge.port).associate(called="OURS")[0] == pdu.ASSOCIATE_AC


def test_200_associations_at_once_are_served_and_one_more_is_rejected_for_now(
    tmp_path: Path,
) -> None:
    with bridged(tmp_path, "--dimse-associations", 200) as bridge:
        wires = [Wire.to(bridge.port, timeout_s=30) for _ in range(200)]
        with ThreadPoolExecutor(32) as pool:
            assert set(pool.map(lambda wire: wire.associate()[0], wires)) == {pdu.ASSOCIATE_AC}
        kind, body = Wire.to(bridge.port).associate()
        assert (kind, tuple(body[1:])) == (pdu.ASSOCIATE_RJ, (2, 3, 2))

        def send(number: int) -> int:
            uid = f"{STUDY}.2.{number}"
            file = part10(
                study_uid=STUDY, series_uid=f"{STUDY}.2", instance_uid=uid, meta=False,
                preamble=False,
            )  # fmt: skip
            return wires[number].store(uid, file)

        with ThreadPoolExecutor(200) as pool:
            assert set(pool.map(send, range(200))) == {0}
        for wire in wires:
            wire.close()
        time.sleep(0.2)
        assert Wire.to(bridge.port).associate()[0] == pdu.ASSOCIATE_AC


# ---------------------------------------------------------------------------- in this process


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return open_archive(load(environment={}, flags={"data": "memory:"}))


def session(archive: Archive) -> Wire:
    """A server in a thread of this process, for what cannot be made to happen from outside."""
    ours, theirs = socket.socketpair()
    doors = open_doors(archive.config, None)
    shared = Shared(archive, open_desk(archive), terms_of(archive.config), doors)
    threading.Thread(
        target=server.serve,
        args=(shared, ours, "127.0.0.1"),
        kwargs={"until": time.monotonic() + 10, "admit": lambda: True},
        daemon=True,
    ).start()
    theirs.settimeout(10)
    return Wire(theirs)


def test_a_full_disk_is_a700_and_the_association_goes_on(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    wire = session(archive)
    wire.associate()

    def full(self: Spool, piece: bytes) -> None:
        raise OutOfSpace("the disk")

    with monkeypatch.context() as patch:
        patch.setattr(Spool, "write", full)
        assert wire.store(f"{STUDY}.1.9", instance(9)) == 0xA700
    assert wire.store(f"{STUDY}.1.9", instance(9)) == 0


def test_an_error_of_a_handler_is_answered_and_ends_nothing(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    wire = session(archive)
    wire.associate()
    with monkeypatch.context() as patch:
        patch.setattr(
            "dicomweb_server.archive.together.store_all",
            lambda *_: (_ for _ in ()).throw(ZeroDivisionError),
        )
        assert wire.store(f"{STUDY}.1.10", instance(10)) == 0xC002
    assert wire.store(f"{STUDY}.1.10", instance(10)) == 0
    assert "C-STORE failed" in caplog.text


def test_nothing_is_left_in_the_spool_directory(bridge: Bridge) -> None:
    assert list((bridge.data / "incoming").iterdir()) == []


def test_fragments_have_even_lengths_and_fit_the_peer() -> None:
    """Any pieces of any lengths give the same bytes in even fragments of at most the limit."""
    ours, theirs = socket.socketpair()
    association = association_on(ours, timeout_s=5)
    association.peer_max_length = 107
    pieces = [os.urandom(n) for n in (1, 0, 500, 3, 101, 100, 99, 1, 1)]
    association.send(Context(1, CT, "1.2"), store_command("1.2"), pieces)
    ours.close()
    wire = Wire(theirs)
    found = b""
    last = False
    while (read := wire.read())[0]:
        body = read[1]
        assert len(body) <= 107
        assert len(body[6:]) % 2 == 0 or body[5] & 2
        if not body[5] & 1:
            found += body[6:]
            last = bool(body[5] & 2)
    assert last
    assert found == b"".join(pieces)
