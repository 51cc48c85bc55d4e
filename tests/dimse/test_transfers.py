"""What is sent on by rule, fetched from others, and told: the queue and its jobs."""

import json
import os
import queue
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE, evt

from dicomweb_server.archive import transfers
from dicomweb_server.archive.desk import STEPS, Desk
from dicomweb_server.config import ConfigError, load
from dicomweb_server.dimse.peers import read_peers
from dicomweb_server.dimse.sop_classes import AVAILABILITY, STUDY_FIND, STUDY_GET
from tests.dicom.build import part10
from tests.dimse.conftest import Bridge, bridged, stop
from tests.dimse.programs import free_port, run, running
from tests.dimse.test_dcmtk import data_set, exported, qido, uid_in
from tests.dimse.test_worklist import asked
from tests.dimse.wire import CT, Wire
from tests.servers import command, session_of, wait_for

STUDY = "2.25.8001"


def files(directory: Path, count: int, *, study: str = STUDY, **attributes: Any) -> list[Path]:
    directory.mkdir(exist_ok=True)
    made = []
    for number in range(count):
        made.append(directory / f"{study}.{number}.dcm")
        made[-1].write_bytes(
            part10(
                study_uid=study,
                series_uid=f"{study}.1",
                instance_uid=f"{study}.1.{number}",
                rows=8,
                columns=8,
                **attributes,
            )
        )
    return made


def queued(bridge: Bridge, state: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = asked(bridge, "GET", f"/transfers?state={state}")[1]
    return found


def add(desk: Desk, number: int, *, urgent: bool, peer: str = "PACS") -> None:
    with desk.write() as connection:
        transfers.add(
            connection,
            kind=transfers.SEND,
            peer=peer,
            study_uid="1",
            instance_uid=f"1.{number}",
            urgent=urgent,
        )


def test_urgent_goes_first_and_routine_is_not_starved(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")
    for number in range(30):
        add(desk, number, urgent=False)
    for number in range(100, 200):
        add(desk, number, urgent=True)
    turns = transfers.Turns()
    order: list[bool] = []
    while batch := turns.next(desk, "PACS"):
        order.append(batch[0].urgent)
        transfers.succeeded(desk, batch)
    assert order[0] is True
    assert order[: transfers.URGENT_IN_A_ROW + 1].count(False) == 1
    assert len(order) == 13
    assert order.index(False) < 5
    desk.close()


def test_what_waits_is_queued_once_and_becomes_urgent(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")
    add(desk, 1, urgent=False)
    add(desk, 1, urgent=True)
    (waiting,) = transfers.queue(desk)
    assert waiting.urgent
    desk.close()


def test_a_failure_waits_longer_each_time_and_is_given_up_at_last(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")
    add(desk, 1, urgent=False)
    waits = []
    for _ in range(transfers.MOST_ATTEMPTS):
        (one,) = transfers.queue(desk)
        transfers.failed(desk, [one], "no")
        (later,) = transfers.queue(desk)
        waits.append((later.due_us - time.time_ns() // 1000) / 1e6)
        assert transfers.due(desk, "PACS", urgent=False) == []
    assert waits[:3] == pytest.approx([5, 10, 20], abs=1)
    assert max(waits) <= transfers.LONGEST_BACK_OFF_S
    assert later.state == transfers.FAILED
    desk.close()


def test_a_table_that_is_wrong_is_named() -> None:
    for table, rows, reason in (
        ("peers", [{"host": "x"}], "aet is missing"),
        ("peers", [{"aet": "A" * 17}], "no AE title"),
        ("peers", [{"aet": "A", "services": ["sleep"]}], "services 'sleep' is none of"),
        ("peers", [{"aet": "A", "charset": "EBCDIC"}], "charset 'EBCDIC' is none of"),
        ("peers", [{"aet": "A", "port": "x"}], "port 'x' is no int"),
        (
            "peers",
            [{"aet": "A"}, {"aet": "B", "port": 70000}],
            r"peers\[2\].* port 70000 is not within",
        ),
        ("peers", [{"aet": "A", "host": "pacs "}], r"peers\[1\].* host 'pacs ' has a blank"),
        ("peers", [{"aet": " A"}], "' A' is no AE title: .* no blanks around"),
        ("peers", [{"aet": "A "}], "'A ' is no AE title"),
        ("peers", [{"aet": "A\\B"}], "is no AE title"),
        (
            "peers",
            [{"aet": "B"}, {"aet": "A"}, {"aet": "A"}],
            r"peers\[3\].*'A' is that of peers\[2\]",
        ),
        ("peers", [{"aet": "A", "colour": "red"}], "there is no key 'colour'"),
        ("forward", [{"to": "A"}], "is no row of peers"),
    ):
        config = load(environment={}, flags={table: json.dumps(rows)})
        with pytest.raises(ConfigError, match=reason):
            read_peers(config)


def test_what_arrives_is_forwarded_by_rule_bit_for_bit_over_a_restart(tmp_path: Path) -> None:
    """By modality, from whichever side it came; the queue survives the restart."""
    sink = free_port()
    config = f"""
        [[peers]]
        aet = "SINK"
        host = "127.0.0.1"
        port = {sink}

        [[forward]]
        to = "SINK"
        modality = ["CT"]
    """
    received = tmp_path / "received"
    received.mkdir()
    made = files(tmp_path / "ct", 5, Modality="CT")
    other = files(tmp_path / "mr", 1, study=f"{STUDY}.9", Modality="MR")
    with bridged(tmp_path, config=config, sink=sink, web=True) as bridge:
        run("dcmsend", "127.0.0.1", bridge.port, *made, *other)
        wait_for(lambda: len(queued(bridge, "waiting")) == 5, seconds=10)
        assert queued(bridge, "waiting")[0]["priority"] == "routine"
        stop(bridge)
    with (
        running(
            "storescp", "-B", "-od", received, "-aet", "SINK", sink, port=sink, cwd=tmp_path
        ),
        bridged(tmp_path, config=config, sink=sink, web=True) as bridge,
    ):  # fmt: skip
        wait_for(lambda: len(queued(bridge, "done")) == 5, seconds=30)
    got = {uid_in(file): data_set(file.read_bytes()) for file in received.iterdir()}
    assert got == {uid_in(file): data_set(file.read_bytes()) for file in made}


def test_a_study_is_sent_when_asked_to(bridge: Bridge, tmp_path: Path) -> None:
    made = files(tmp_path / "made", 3, study=f"{STUDY}.2")
    run("dcmsend", "127.0.0.1", bridge.port, *made)
    received = tmp_path / "received"
    received.mkdir()
    with running(
        "storescp", "-od", received, "-aet", "SINK", bridge.sink, port=bridge.sink, cwd=tmp_path
    ):
        status, answer = asked(
            bridge, "POST", "/transfers",
            {"peer": "SINK", "study_uid": f"{STUDY}.2", "priority": "urgent"},
        )  # fmt: skip
        assert (status, answer["queued"]) == (202, 3)
        wait_for(lambda: len(list(received.iterdir())) == 3, seconds=15)
    assert asked(bridge, "POST", "/transfers", {"peer": "NOBODY", "study_uid": "1.2"})[0] == 400


def remote(directory: Path, port: int, *, ours: int) -> Path:
    """The configuration of a dcmqrscp that knows us as DICOMWEB."""
    storage = directory / "remote"
    storage.mkdir()
    config = directory / "dcmqrscp.cfg"
    config.write_text(
        f"""
NetworkTCPPort  = {port}
MaxPDUSize      = 16384
MaxAssociations = 16
HostTable BEGIN
us = (DICOMWEB, 127.0.0.1, {ours})
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
REMOTE {storage} RW (200, 1024mb) ANY
AETable END
"""
    )
    return config


@pytest.mark.parametrize("by_move", [False, True])
def test_a_study_is_pulled_from_a_remote_archive(tmp_path: Path, *, by_move: bool) -> None:
    port, ours = free_port(), free_port()
    config = f"""
        [[peers]]
        aet = "REMOTE"
        host = "127.0.0.1"
        port = {port}
    """
    made = files(tmp_path / "made", 4, PatientID="PULL")
    with (
        running(
            "dcmqrscp", "-c", remote(tmp_path, port, ours=ours), port=port, cwd=tmp_path
        ),
        bridged(tmp_path, port=ours, config=config, web=True) as bridge,
    ):  # fmt: skip
        run("storescu", "-aec", "REMOTE", "127.0.0.1", port, *made)
        wish = {"peer": "REMOTE", "query": {"PatientID": "PULL"}, "by_move": by_move}
        status, answer = asked(bridge, "POST", "/pulls", wish)
        assert status == 202

        def pulled() -> dict[str, Any]:
            found: dict[str, Any] = asked(bridge, "GET", f"/pulls/{answer['id']}")[1]
            return found

        wait_for(lambda: pulled()["state"] == "done", seconds=20)
        assert pulled()["result"]["completed"] == 4
        assert len(qido(bridge, f"studies/{STUDY}/instances")) == 4
        if not by_move:
            (tmp_path / "archive2").mkdir()
            process = command(
                "pull", "--config", tmp_path / "config.toml", "--data", tmp_path / "archive2",
                "--from", "REMOTE", "--study", STUDY,
            )  # fmt: skip
            said, complaint = process.communicate(timeout=60)
            assert process.returncode == 0, complaint
            assert "4 instances, 0 failed" in said


def test_ps3_4_c_6_1_1_5_a_peer_that_names_no_sop_classes_is_pulled_from_all_the_same(
    tmp_path: Path,
) -> None:
    port = free_port()
    config = tmp_path / "config.toml"
    config.write_text(one_peer("REMOTE", port))
    made = []
    # US, SEG, SR, RDSR, and one that is in nearly no study: a corneal topography map.
    kinds = ("6.1", "66.4", "88.33", "88.67", "82.1")
    for number, kind in enumerate(kinds):
        made.append(tmp_path / f"{number}.dcm")
        made[-1].write_bytes(
            part10(
                study_uid=STUDY,
                series_uid=f"{STUDY}.{number}",
                instance_uid=f"{STUDY}.{number}.1",
                sop_class_uid=f"1.2.840.10008.5.1.4.1.1.{kind}",
                PatientID="KINDS",
            )
        )
    with running("dcmqrscp", "-c", remote(tmp_path, port, ours=1), port=port, cwd=tmp_path):
        run("dcmsend", "-aec", "REMOTE", "127.0.0.1", port, *made)
        process = command(
            "pull", "--config", config, "--data", tmp_path / "fetched",
            "--from", "REMOTE", "--study", STUDY,
        )  # fmt: skip
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    assert f"{len(kinds)} instances, 0 failed" in said


@pytest.mark.parametrize("names_classes", [True, False])
def test_a_pull_that_lacks_instances_says_why(tmp_path: Path, *, names_classes: bool) -> None:
    """The peer has an instance of a SOP class that it accepts no context for."""
    port = free_port()
    config = tmp_path / "config.toml"
    config.write_text(one_peer("REMOTE", port))
    made = pydicom.dcmread(files(tmp_path / "made", 1, sop_class_uid=f"{CT}.77")[0])

    def find(event: Any) -> Iterator[tuple[int, Any]]:
        found = pydicom.Dataset()
        found.QueryRetrieveLevel = "IMAGE"
        found.SOPInstanceUID = made.SOPInstanceUID
        found.SOPClassUID = made.SOPClassUID if names_classes else None
        yield 0xFF00, found

    def get(event: Any) -> Iterator[Any]:
        yield 1
        yield 0xFF00, made

    entity = AE("REMOTE")
    for uid in (STUDY_FIND, STUDY_GET):
        entity.add_supported_context(uid)
    entity.add_supported_context(CT, scu_role=True, scp_role=True)
    with answering(entity, port, {evt.EVT_C_FIND: find, evt.EVT_C_GET: get}):
        process = command(
            "pull", "--config", config, "--data", tmp_path / "fetched",
            "--from", "REMOTE", "--study", STUDY,
        )  # fmt: skip
        said, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "0 instances, 1 failed" in said
    assert (
        f"no context for {CT}.77" if names_classes else "does not say of which SOP classes"
    ) in complaint


def one_peer(aet: str, port: int) -> str:
    return f"""
        [[peers]]
        aet = "{aet}"
        host = "127.0.0.1"
        port = {port}
    """


@contextmanager
def answering(entity: AE, port: int, handlers: Mapping[Any, Any]) -> Iterator[None]:
    """A peer that answers as the handlers say."""
    server = entity.start_server(
        ("127.0.0.1", port), block=False, evt_handlers=list(handlers.items())
    )
    assert server is not None
    try:
        yield
    finally:
        server.shutdown()


def break_off(event: Any, *, how: str) -> None:
    if how == "abort":
        event.assoc.abort()
    else:
        event.assoc.dul.socket.close()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_an_instance_that_breaks_the_association_is_tried_later_and_the_others_go_on(
    tmp_path: Path, how: str
) -> None:
    sink = free_port()
    bad = f"{STUDY}.3.1.3"
    got: list[str] = []
    broken = 0

    def store(event: Any) -> int:
        nonlocal broken
        uid = event.request.AffectedSOPInstanceUID
        if uid == bad:
            broken += 1
            break_off(event, how=how)
        else:
            got.append(uid)
        return 0

    entity = AE("SINK")
    entity.add_supported_context(CT)
    made = files(tmp_path / "made", 25, study=f"{STUDY}.3")
    with (
        answering(entity, sink, {evt.EVT_C_STORE: store}),
        bridged(tmp_path, config=one_peer("SINK", sink), web=True) as bridge,
    ):
        run("dcmsend", "127.0.0.1", bridge.port, *made)
        asked(bridge, "POST", "/transfers", {"peer": "SINK", "study_uid": f"{STUDY}.3"})
        wait_for(lambda: len(queued(bridge, "done")) == 24, seconds=20)
        (one,) = queued(bridge, "waiting")
        assert one["instance_uid"] == bad
        assert one["attempts"] == broken > 0
        assert one["error"]
    assert len(got) == len(set(got)) == 24


def hang_up(listening: socket.socket) -> None:
    """Takes each connection and closes it, as a proxy does whose server is away."""
    while True:
        try:
            listening.accept()[0].close()
        except OSError:
            return


@pytest.mark.parametrize("how", ["nobody listens", "hangs up", "rejects"])
def test_a_peer_that_is_away_uses_up_no_attempt(tmp_path: Path, how: str) -> None:
    sink = free_port()
    made = files(tmp_path / "made", 3)
    entity = AE("OTHER")
    entity.add_supported_context(CT)
    entity.require_called_aet = True
    listening = None
    with bridged(tmp_path, config=one_peer("SINK", sink), web=True) as bridge:
        if how == "hangs up":
            listening = socket.create_server(("127.0.0.1", sink))
            threading.Thread(target=hang_up, args=[listening], daemon=True).start()
        elif how == "rejects":
            entity.start_server(("127.0.0.1", sink), block=False)
        run("dcmsend", "127.0.0.1", bridge.port, *made)
        asked(bridge, "POST", "/transfers", {"peer": "SINK", "study_uid": STUDY})
        wait_for(lambda: all(each["error"] for each in queued(bridge, "waiting")), seconds=20)
        waiting = queued(bridge, "waiting")
    if listening is not None:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
    entity.shutdown()
    assert [each["attempts"] for each in waiting] == [0, 0, 0]


def test_a_study_that_breaks_the_association_does_not_keep_others_from_being_pulled(
    tmp_path: Path,
) -> None:
    """A pull of three studies, and a later one; the first study breaks off each time."""
    port = free_port()
    made = {
        file.stem.rpartition(".")[0]: pydicom.dcmread(file)
        for n in range(4)
        for file in files(tmp_path / "made", 1, study=f"{STUDY}.6.{n}", PatientID="FOUR")
    }
    bad = f"{STUDY}.6.0"

    def find(event: Any) -> Iterator[tuple[int, Any]]:
        for study_uid, instance in made.items():
            if event.identifier.get("StudyInstanceUID") in ("", None, study_uid):
                found = pydicom.Dataset()
                found.QueryRetrieveLevel = event.identifier.QueryRetrieveLevel
                found.StudyInstanceUID = study_uid
                found.SOPClassUID = instance.SOPClassUID
                yield 0xFF00, found

    def get(event: Any) -> Iterator[Any]:
        if event.identifier.StudyInstanceUID == bad:
            break_off(event, how="close")
        yield 1
        yield 0xFF00, made[event.identifier.StudyInstanceUID]

    entity = AE("REMOTE")
    entity.add_supported_context(STUDY_FIND)
    entity.add_supported_context(STUDY_GET)
    entity.add_supported_context(CT, scu_role=True, scp_role=True)
    with (
        answering(entity, port, {evt.EVT_C_FIND: find, evt.EVT_C_GET: get}),
        bridged(tmp_path, config=one_peer("REMOTE", port), web=True) as bridge,
    ):
        wish: dict[str, Any] = {"peer": "REMOTE", "query": {"PatientID": "FOUR"}}
        status, first = asked(bridge, "POST", "/pulls", wish)
        assert status == 202
        wish = {"peer": "REMOTE", "study_uid": f"{STUDY}.6.3"}
        second = asked(bridge, "POST", "/pulls", wish)[1]

        def pulled(number: int) -> dict[str, Any]:
            found: dict[str, Any] = asked(bridge, "GET", f"/pulls/{number}")[1]
            return found

        wait_for(lambda: pulled(second["id"])["state"] == "done", seconds=20)
        wait_for(lambda: pulled(first["id"])["attempts"] > 0, seconds=20)
        assert pulled(first["id"])["state"] == "waiting"
        assert pulled(first["id"])["result"]["completed"] == 3
        stored = {uid for uid in made if qido(bridge, f"studies/{uid}/instances")}
    assert stored == set(made) - {bad}


def test_a_commitment_that_was_asked_for_stays_asked_for(tmp_path: Path) -> None:
    """Whoever asks for the same without it; and when it is asked for while that is sent, which
    is then sent once more."""
    desk = Desk(tmp_path / "desk.sqlite3")

    def wished(number: int, *, commit: bool) -> None:
        with desk.write() as connection:
            transfers.add(
                connection,
                kind=transfers.SEND,
                peer="PACS",
                instance_uid=f"1.{number}",
                wish={"commit": commit},
            )

    for number, asked_for in enumerate([(True, False), (False, True), (False, False)]):
        for commit in asked_for:
            wished(number, commit=commit)
    assert [each.wish["commit"] for each in transfers.queue(desk)] == [True, True, False]
    sending = transfers.due(desk, "PACS", urgent=False)
    wished(2, commit=True)
    transfers.succeeded(desk, sending)
    (again,) = transfers.due(desk, "PACS", urgent=False)
    assert (again.instance_uid, again.wish["commit"]) == ("1.2", True)
    transfers.succeeded(desk, [again])
    assert [each.state for each in transfers.queue(desk)] == [transfers.ASKED] * 3
    desk.close()


def test_what_was_deleted_and_has_come_again_is_not_given_up(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")
    add(desk, 1, urgent=False)
    (gone,) = transfers.due(desk, "PACS", urgent=False)
    add(desk, 1, urgent=False)
    transfers.gave_up(desk, gone, "it has been deleted meanwhile")
    (again,) = transfers.due(desk, "PACS", urgent=False)
    transfers.gave_up(desk, again, "it has been deleted meanwhile")
    assert [each.state for each in transfers.queue(desk)] == [transfers.FAILED]
    desk.close()


def test_what_is_replaced_while_it_is_sent_is_sent_as_it_is_now(tmp_path: Path) -> None:
    sink = free_port()
    got: list[str] = []
    begun, goes_on = threading.Event(), threading.Event()

    def store(event: evt.Event) -> int:
        got.append(str(event.dataset.PatientID))
        begun.set()
        assert goes_on.wait(60)
        return 0

    entity = AE("SINK")
    entity.add_supported_context(CT)
    server = entity.start_server(
        ("127.0.0.1", sink), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    assert server is not None
    config = (
        one_peer("SINK", sink)
        + """
        [[forward]]
        to = "SINK"
    """
    )
    uid = f"{STUDY}.9.1"
    try:
        with bridged(tmp_path, config='conflict = "replace"\n' + config, web=True) as bridge:
            wire = Wire.to(bridge.port)
            wire.associate()
            for version in ("OLD", "NEW"):
                raw = part10(
                    study_uid=f"{STUDY}.9", series_uid=uid, instance_uid=uid, PatientID=version,
                    preamble=False, meta=False,
                )  # fmt: skip
                assert wire.store(uid, raw) == 0
                assert begun.wait(30)
            desk = sqlite3.connect(bridge.data / "desk.sqlite3")
            times = "SELECT times FROM transfers WHERE state = 'waiting'"
            wait_for(lambda: desk.execute(times).fetchall() == [(2,)], seconds=20)
            desk.close()
            goes_on.set()
            wait_for(lambda: len(queued(bridge, "done")) == 1, seconds=20)
    finally:
        goes_on.set()
        server.shutdown()
    assert got == ["OLD", "NEW"]


def test_what_a_peer_has_lost_may_wait_to_be_sent_again_already(tmp_path: Path) -> None:
    desk = Desk(tmp_path / "desk.sqlite3")

    def wished() -> None:
        with desk.write() as connection:
            transfers.add(
                connection,
                kind=transfers.SEND,
                peer="PACS",
                instance_uid="1.1",
                wish={"commit": True},
            )

    wished()
    sent = transfers.due(desk, "PACS", urgent=False)
    transfers.succeeded(desk, sent)
    transfers.asked_to_commit(desk, sent, "2.25.1")
    wished()
    assert transfers.committed(desk, "2.25.1", peer="PACS", kept=[], lost={"1.1": 0x0112}) == 1
    states = sorted(each.state for each in transfers.queue(desk))
    assert states == sorted([transfers.ASKED, transfers.WAITING])
    desk.close()


def test_pulls_that_waited_before_queries_were_told_apart_still_wait(tmp_path: Path) -> None:
    file = tmp_path / "desk.sqlite3"
    before = sqlite3.connect(file)
    for step in STEPS[:2]:
        before.executescript(step)
    before.execute("PRAGMA user_version = 2")
    for kind, study_uid, wish in (
        ("pull", "", {"query": {"PatientName": "M\u00fcller"}, "by_move": True}),
        ("pull", "1.2", {"query": {}, "by_move": False}),
        ("pull", "1.3", {"query": "of no use", "by_move": False}),
        ("send", "1.2", {"commit": True}),
        ("notify", "1.2", {}),
    ):
        before.execute(
            "INSERT INTO transfers (kind, peer, study_uid, series_uid, instance_uid, urgent, wish, "
            "state, due_us, created_us) VALUES (?, 'PACS', ?, '', '', 0, ?, 'waiting', 1, 1)",
            (kind, study_uid, json.dumps(wish)),
        )
    before.commit()
    before.close()
    desk = Desk(file)
    assert [(each.query, each.wish) for each in transfers.queue(desk)] == [
        ({"PatientName": "M\u00fcller"}, {"by_move": True}),
        ({}, {"by_move": False}),
        ({}, {"by_move": False}),
        ({}, {"commit": True}),
        ({}, {}),
    ]
    again = transfers.pull(
        desk, None, peer="PACS", urgent=False, query={"PatientName": "M\u00fcller"}, by_move=True
    )
    assert again == transfers.queue(desk)[0].id
    desk.close()


def test_two_queries_are_two_pulls_and_the_same_again_is_one(tmp_path: Path) -> None:
    queries = [
        {"PatientID": "CT1"},
        {"PatientID": "CT2"},
        {"PatientID": "CT2", "StudyDate": "20240501-"},
        {"StudyDate": "20240501-", "PatientID": "CT2"},
        {"PatientID": "CT1"},
    ]
    with bridged(tmp_path, config=one_peer("REMOTE", free_port()), web=True) as bridge:
        answers = [
            asked(bridge, "POST", "/pulls", {"peer": "REMOTE", "query": query}) for query in queries
        ]
        assert [status for status, _ in answers] == [202] * 5
        one, two, three, four, five = (answer["id"] for _, answer in answers)
        assert len({one, two, three}) == 3
        assert (four, five) == (three, one)
        for number, query in zip((one, two, three), queries, strict=False):
            assert asked(bridge, "GET", f"/pulls/{number}")[1]["query"] == query


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ({"Nonsense": "x"}, "'Nonsense' is neither a keyword"),
        ({"PatientID": "x", "0010002": "x"}, "'0010002' is neither a keyword"),
        ({"99990010": "x"}, "99990010 is nothing to query for"),
        ({"Rows": "512"}, "Rows is nothing to query for"),
        ({"RequestAttributesSequence": "x"}, "RequestAttributesSequence is nothing to query for"),
        ({"QueryRetrieveLevel": "SERIES"}, "QueryRetrieveLevel is nothing to query for"),
        ({"AffectedSOPClassUID": "1.2"}, "AffectedSOPClassUID is nothing to query for"),
        ({"PatientID": 5}, "the value of PatientID is no text"),
        (["PatientID"], "query is no object"),
        ({}, "neither study_uid nor query says"),
        ({"PatientID": "", "PatientName": " "}, "query: has no value to match"),
        ({"PatientName": "*", "StudyDate": "-", "StudyInstanceUID": ""}, "query: has no value to"),
    ],
)
def test_what_cannot_be_queried_for_is_refused_by_name(
    bridge: Bridge, query: Any, named: str
) -> None:
    status, problem = asked(bridge, "POST", "/pulls", {"peer": "SINK", "query": query})
    assert status == 400
    assert problem["detail"].startswith(named)


@pytest.mark.parametrize("uid", ["", "*", "1.2*", "1.2\\1.3"])
def test_a_command_that_pulls_no_study_by_name_is_refused(tmp_path: Path, uid: str) -> None:
    config = tmp_path / "config.toml"
    config.write_text(one_peer("REMOTE", free_port()))
    for asked_for in (("--study", uid), ("--study", "1.2", "--series", uid or "*")):
        process = command(
            "pull", "--config", config, "--data", tmp_path / "archive", "--from", "REMOTE",
            *asked_for,
        )  # fmt: skip
        _, complaint = process.communicate(timeout=60)
        assert process.returncode != 0
        assert "(0020,000" in complaint and "a UID" in complaint, complaint
        assert "Traceback" not in complaint


def test_a_pull_is_of_a_study_or_by_query(bridge: Bridge) -> None:
    wish = {"peer": "SINK", "study_uid": "1.2", "query": {"PatientID": "x"}}
    status, problem = asked(bridge, "POST", "/pulls", wish)
    assert status == 400
    assert "both study_uid and query" in problem["detail"]


def test_peers_are_told_what_has_become_available(tmp_path: Path) -> None:
    sink = free_port()
    told: queue.Queue[Any] = queue.Queue()

    def create(event: Any) -> tuple[int, Any]:
        told.put(event.attribute_list)
        return 0, event.attribute_list

    entity = AE("RIS")
    entity.add_supported_context(AVAILABILITY)
    server = entity.start_server(
        ("127.0.0.1", sink), block=False, evt_handlers=[(evt.EVT_N_CREATE, create)]
    )
    assert server is not None
    config = f"""
        dimse_complete_after_s = 0.5
        [[peers]]
        aet = "RIS"
        host = "127.0.0.1"
        port = {sink}
        availability = true
    """
    try:
        with bridged(tmp_path, config=config) as bridge:
            run("dcmsend", "127.0.0.1", bridge.port, *files(tmp_path / "made", 2))
            notification = told.get(timeout=20)
    finally:
        server.shutdown()
    assert notification.StudyInstanceUID == STUDY
    (series,) = notification.ReferencedSeriesSequence
    available = [item.InstanceAvailability for item in series.ReferencedSOPSequence]
    assert available == ["ONLINE", "ONLINE"]


def test_commitment_is_asked_of_who_was_sent_to(tmp_path: Path) -> None:
    """Two bridges: one sends and asks, the other keeps and reports over a new association."""
    first, second = free_port(), free_port()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    sending = f"""
        aet = "ONE"
        [[peers]]
        aet = "TWO"
        host = "127.0.0.1"
        port = {second}
        [[forward]]
        to = "TWO"
        commit = true
        priority = "urgent"
    """
    keeping = f"""
        aet = "TWO"
        [[peers]]
        aet = "ONE"
        host = "127.0.0.1"
        port = {first}
    """
    with (
        bridged(tmp_path / "one", port=first, config=sending, web=True) as one,
        bridged(tmp_path / "two", port=second, config=keeping) as two,
    ):
        run("dcmsend", "127.0.0.1", one.port, *files(tmp_path / "made", 3))
        wait_for(lambda: len(queued(one, "done")) == 3, seconds=30)
        found = run(
            "findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k",
            "NumberOfStudyRelatedInstances", "127.0.0.1", two.port,
        )  # fmt: skip
        assert "[3" in found


def test_asking_for_commitment_ends(tmp_path: Path) -> None:
    """PS3.4 §J.3.2.1.1: a request names at least one instance. What was deleted since is not asked
    for; a peer that does not offer commitment, or never reports, is given up as one that takes
    nothing is; one that is away is waited for."""
    sink, nobody = free_port(), free_port()
    associations: list[int] = []
    entity = AE("SINK")
    entity.add_supported_context(CT)
    asked_often = transfers.MOST_ATTEMPTS
    (made,) = files(tmp_path / "made", 1)
    kept, deleted = f"{STUDY}.1.0", f"{STUDY}.1.9"
    sent = {
        "deleted": ("GONE", deleted, "", 0),
        "not offered": ("SINK", kept, "", asked_often - 1),
        "not answered": ("GONE", kept, "1.2.3", asked_often),
        "away": ("AWAY", kept, "", 0),
    }
    config = "".join(map(one_peer, ("SINK", "GONE", "AWAY"), (sink, nobody, nobody)))
    with (
        answering(entity, sink, {evt.EVT_ACCEPTED: lambda event: associations.append(1)}),
        bridged(tmp_path, config=config, web=True) as bridge,
    ):
        run("dcmsend", "127.0.0.1", bridge.port, made)
        desk = Desk(bridge.data / "desk.sqlite3")
        with desk.write() as connection:
            for peer, uid, transaction_uid, attempts in sent.values():
                connection.execute(
                    "INSERT INTO transfers (kind, peer, study_uid, series_uid, instance_uid, "
                    "urgent, wish, transaction_uid, state, attempts, due_us, created_us, done_us) "
                    "VALUES ('send', ?, ?, ?, ?, 0, '{\"commit\": true}', ?, 'asked', ?, 1, 1, 1)",
                    (peer, STUDY, f"{STUDY}.1", uid, transaction_uid, attempts),
                )
        wait_for(lambda: len(queued(bridge, "failed")) == 3, seconds=20)
        wait_for(lambda: all(each["error"] for each in queued(bridge, "asked")), seconds=20)
        reasons = {(each["peer"], each["instance_uid"]): each for each in queued(bridge, "failed")}
        (waiting,) = queued(bridge, "asked")
        rows = desk.read("SELECT due_us FROM transfers WHERE peer = 'AWAY'")
        # It was sent long ago, so that it is not asked for again every few seconds.
        assert rows[0]["due_us"] / 1e6 > time.time() + transfers.LONGEST_BACK_OFF_S / 2
        desk.close()
    assert "deleted" in reasons["GONE", deleted]["error"]
    assert "presentation context" in reasons["SINK", kept]["error"]
    assert "GONE has not said" in reasons["GONE", kept]["error"]
    assert (waiting["peer"], waiting["attempts"]) == ("AWAY", 0)
    assert len(associations) == 1


def test_nothing_acknowledged_is_lost_at_kill_9(tmp_path: Path) -> None:
    """dcmsend says what was acknowledged; after kill -9 in the middle of it all that is there."""
    made = files(tmp_path / "made", 400, study=f"{STUDY}.5")
    with bridged(tmp_path) as bridge:
        sending = command_of_dcmsend(bridge.port, made, tmp_path / "report.txt")
        wait_for(lambda: len(acknowledged(tmp_path / "report.txt")) >= 40, seconds=30)
        for pid in session_of(bridge.process):
            os.kill(pid, signal.SIGKILL)
        sending.wait(30)
    count = len(acknowledged(tmp_path / "report.txt"))
    assert count >= 40
    kept = exported(bridge, tmp_path / "kept")
    for file in made[:count]:
        assert kept[uid_in(file)] == data_set(file.read_bytes())


def command_of_dcmsend(port: int, made: list[Path], report: Path) -> Any:
    with report.open("wb") as out:
        return subprocess.Popen(
            ["stdbuf", "-oL", "dcmsend", "-v", "127.0.0.1", str(port), *map(str, made)],
            stdout=out,
            stderr=subprocess.STDOUT,
        )


def acknowledged(report: Path) -> list[str]:
    if not report.exists():
        return []
    return [line for line in report.read_text().splitlines() if "Response (Success)" in line]


def test_header_of_a_forwarded_instance_is_as_the_standard_wants(tmp_path: Path) -> None:
    """What C-STORE leaves in the archive is a valid Part 10 file."""
    made = files(tmp_path / "made", 1)
    with bridged(tmp_path) as bridge:
        run("dcmsend", "-aet", "CT_ROOM_1", "127.0.0.1", bridge.port, *made)
    exported(bridge, tmp_path / "kept")
    (kept,) = (file for file in (tmp_path / "kept").rglob("*") if file.is_file())
    header = pydicom.dcmread(kept).file_meta
    assert header.MediaStorageSOPInstanceUID == f"{STUDY}.1.0"
    assert header.SourceApplicationEntityTitle == "CT_ROOM_1"
    assert header.FileMetaInformationGroupLength > 0
