"""Accounts and the bridge: from the first account on only peers of the table may call, and they may
what their services say; who did what is in the audit."""

import subprocess
from pathlib import Path

import sqlalchemy as sa

from dicomweb_server.access.audit import verify
from dicomweb_server.access.tables import AuditRow
from dicomweb_server.dimse import pdu
from dicomweb_server.dimse.sop_classes import STUDY_FIND
from dicomweb_server.records.database import open_database
from tests.dimse.conftest import bridged
from tests.dimse.test_robust import STUDY, instance
from tests.dimse.wire import CT, Wire
from tests.servers import command, wait_for

PEERS = """
    [[peers]]
    aet = "CT1"
    services = ["echo", "store"]
"""


def events(data: Path) -> list[tuple[str, str, str, str]]:
    records = open_database("", directory=data)
    try:
        with records.read() as session:
            rows = session.scalars(sa.select(AuditRow).order_by(AuditRow.seq)).all()
        assert verify(records).ok
        return [(row.actor, row.action, row.subject, row.outcome) for row in rows]
    finally:
        records.close()


def test_from_the_first_account_on_only_known_peers_call_with_their_services(
    tmp_path: Path,
) -> None:
    with bridged(tmp_path, config=PEERS) as bridge:
        stranger = Wire.to(bridge.port)
        assert stranger.associate(calling="STRANGER")[0] == pdu.ASSOCIATE_AC
        stranger.close()
        made = ("users", "add", "wang", "--role", "administrator", "--data", bridge.data)
        process = command(*made, stdin=subprocess.PIPE)
        _, complaint = process.communicate("correct horse battery\n", timeout=120)
        assert process.returncode == 0, complaint
        assert Wire.to(bridge.port).associate(calling="STRANGER")[0] == pdu.ASSOCIATE_RJ
        known = Wire.to(bridge.port)
        kind, body = known.associate((CT, STUDY_FIND), calling="CT1")
        assert kind == pdu.ASSOCIATE_AC
        results = [each.result for each in pdu.decode_associate(body).answered]
        assert results == [0, 1]
        for number in (1, 2, 3):
            assert known.store(f"{STUDY}.1.{number}", instance(number), context_id=1) == 0
        known.close()
        stored = ("CT1", "study.store", STUDY, "success")
        wait_for(lambda: events(bridge.data).count(stored) == 2)
        found = events(bridge.data)
    assert ("STRANGER", "access.refused", "association", "failure") in found
    assert not [each for each in found if each[0] == "STRANGER" and each[3] == "success"]
