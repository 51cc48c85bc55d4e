"""Forwarding by rule between real programs: who sent it, its modality and body part decide where
it goes; what is urgent goes first, and what is routine goes too (PER-08)."""

import queue
from pathlib import Path
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import CTImageStorage, MRImageStorage  # type: ignore[attr-defined]

from tests.dimse.conftest import bridged
from tests.dimse.programs import free_port, run, running
from tests.dimse.test_dcmtk import uid_in
from tests.dimse.test_transfers import files, queued
from tests.servers import wait_for

STUDY = "2.25.9701"


def test_calling_title_modality_and_body_part_say_where_it_goes(tmp_path: Path) -> None:
    ports = {"CHEST": free_port(), "ROOM": free_port()}
    config = "".join(
        f'[[peers]]\naet = "{title}"\nhost = "127.0.0.1"\nport = {port}\n'
        for title, port in ports.items()
    )
    config += """
        [[forward]]
        to = "CHEST"
        modality = ["CT", "DX"]
        body_part = ["chest"]
        [[forward]]
        to = "ROOM"
        calling = ["ROOM_?"]
    """
    places = {}
    for title in ports:
        places[title] = tmp_path / title
        places[title].mkdir()
    sent = {
        name: files(tmp_path / name, 1, study=f"{STUDY}.{number}", **attributes)[0]
        for number, (name, attributes) in enumerate(
            {
                "chest-ct": {"Modality": "CT", "BodyPartExamined": "CHEST"},
                "head-ct": {"Modality": "CT", "BodyPartExamined": "HEAD"},
                "chest-mr": {"Modality": "MR", "BodyPartExamined": "CHEST"},
                "other-room": {"Modality": "MR", "BodyPartExamined": "HEAD"},
            }.items(),
            1,
        )
    }
    with (
        running("storescp", "-od", places["CHEST"], "-aet", "CHEST", ports["CHEST"],
                port=ports["CHEST"], cwd=tmp_path / "chest-ct"),
        running("storescp", "-od", places["ROOM"], "-aet", "ROOM", ports["ROOM"],
                port=ports["ROOM"], cwd=tmp_path / "head-ct"),
        bridged(tmp_path, config=config, web=True) as bridge,
    ):  # fmt: skip
        for name, title in (
            ("chest-ct", "ROOM_1"),
            ("head-ct", "ROOM_2"),
            ("chest-mr", "ROOM_10"),
            ("other-room", "ELSEWHERE"),
        ):
            run("dcmsend", "-aet", title, "127.0.0.1", bridge.port, sent[name])
        wait_for(lambda: len(queued(bridge, "done")) == 3, seconds=30)
        assert not queued(bridge, "waiting")
    went = {title: {uid_in(file) for file in place.iterdir()} for title, place in places.items()}
    assert went == {
        "CHEST": {uid_in(sent["chest-ct"])},
        "ROOM": {uid_in(sent["chest-ct"]), uid_in(sent["head-ct"])},
    }


def test_urgent_arrives_first_at_a_peer_that_was_away_and_routine_is_not_starved(
    tmp_path: Path,
) -> None:
    sink = free_port()
    config = f"""
        [[peers]]
        aet = "SINK"
        host = "127.0.0.1"
        port = {sink}
        [[forward]]
        to = "SINK"
        modality = ["CT"]
        [[forward]]
        to = "SINK"
        modality = ["MR"]
        priority = "urgent"
    """
    routine = files(tmp_path / "ct", 20, study=f"{STUDY}.7", Modality="CT")
    urgent = files(
        tmp_path / "mr", 60, study=f"{STUDY}.8", Modality="MR", sop_class_uid=MRImageStorage
    )
    arrived: queue.Queue[tuple[str, int]] = queue.Queue()

    def store(event: Any) -> int:
        arrived.put((str(event.request.AffectedSOPClassUID), event.request.Priority))
        return 0

    entity = AE("SINK")
    entity.add_supported_context(CTImageStorage)
    entity.add_supported_context(MRImageStorage)
    with bridged(tmp_path, config=config, web=True) as bridge:
        run("dcmsend", "127.0.0.1", bridge.port, *routine)
        wait_for(lambda: len(queued(bridge, "waiting")) == 20, seconds=20)
        run("dcmsend", "127.0.0.1", bridge.port, *urgent)
        wait_for(lambda: len(queued(bridge, "waiting")) == 80, seconds=20)
        server = entity.start_server(
            ("127.0.0.1", sink), block=False, evt_handlers=[(evt.EVT_C_STORE, store)]
        )
        assert server is not None
        try:
            wait_for(lambda: len(queued(bridge, "done")) == 80, seconds=60)
        finally:
            server.shutdown()
    order = [arrived.get() for _ in range(80)]
    classes = [sop_class for sop_class, _ in order]
    assert dict(order) == {
        CTImageStorage: 0,
        MRImageStorage: 1,
    }
    # Batches of ten: of five one is routine while any waits, and none is before an urgent one.
    assert classes.index(MRImageStorage) < classes.index(CTImageStorage)
    assert classes.index(CTImageStorage) <= 40
    assert MRImageStorage in classes[classes.index(CTImageStorage) :]
