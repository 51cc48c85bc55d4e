"""kill -9 of the real server in the middle of claims, saves, signatures and issues: what was
answered is there, and of everything else all or nothing."""

import os
import random
import signal
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from dicomweb_server.access.audit import verify as verify_audit
from dicomweb_server.access.tables import AuditRow
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import Config
from dicomweb_server.reading.emission_tables import IssuanceRow
from dicomweb_server.reading.reading import Reading, open_reading
from dicomweb_server.reading.tables import (
    ReportRow,
    RevisionRow,
    VersionRow,
    VersionSignatureRow,
)
from dicomweb_server.reading.verification import verify
from tests.reading.hospital import SETTINGS, SIGNED, Hospital
from tests.reading.people import everybody, hired
from tests.servers import ended, serving, wait_for

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "3"))
REPORTS = 4

STEPS: tuple[tuple[str, str], ...] = (
    ("resident", "claim"),
    ("resident", "save"),
    ("resident", "save"),
    ("resident", "sign-initial"),
    ("attending", "claim-review"),
    ("attending", "save"),
    ("attending", "issue"),
)


class Worker:
    """Takes one report through STEPS as often as the server lives; `acknowledged` is the last
    revision that was answered, `texts` what was answered to be saved."""

    def __init__(self, place: Hospital, report_id: str) -> None:
        self.place = place
        self.report_id = report_id
        self.acknowledged = 0
        self.texts: list[str] = []

    def run(self) -> None:
        with suppress(httpx.TransportError):
            while True:
                answer = self.step()
                if answer is None:
                    return
                document = answer.json()
                if answer.status_code == 200:
                    self.acknowledged = document["rev"]
                else:
                    assert document["type"] in (
                        "/problems/stale-revision",
                        "/problems/wrong-state",
                    ), document

    def step(self) -> httpx.Response | None:
        """The next one from where the report stands; None when it is issued."""
        people = self.place.people
        state = people["chief"].get(f"/reports/{self.report_id}").json()
        headers = {"if-match": state["etag"]}
        login, action = self.next(state)
        if not action:
            return None
        if action == "save":
            text = f"text {state['rev']} {random.random()}"
            document = {"sections": {"findings": text, "impression": "x"}, "positive": True}
            path = f"/reports/{self.report_id}/working"
            answer = people[login].put(path, json=document, headers=headers)
            if answer.status_code == 200:
                self.texts.append(text)
            return answer
        said = {"content_hash": state["content_hash"]} if action in SIGNED else {}
        path = f"/reports/{self.report_id}/actions/{action}"
        return people[login].post(path, json=said, headers=headers)

    def next(self, state: dict[str, Any]) -> tuple[str, str]:
        if state["current_version"]:
            return "", ""
        # Revision 1 is the report's beginning.
        return STEPS[state["rev"] - 1]


def whole(reading: Reading, workers: list[Worker]) -> None:
    """All or nothing, and everything that was acknowledged."""
    records = reading.records
    assert verify_audit(records).ok
    assert verify(reading).faults == ()
    with records.read() as session:
        for worker in workers:
            report = session.get_one(ReportRow, worker.report_id)
            assert report.rev >= worker.acknowledged
            revisions = session.scalars(
                sa.select(RevisionRow)
                .where(RevisionRow.report_id == report.report_id, RevisionRow.branch == "main")
                .order_by(RevisionRow.rev)
            ).all()
            assert [each.rev for each in revisions] == list(range(1, report.rev + 1))
            assert revisions[-1].content_hash == report.content_hash
            events = session.scalars(
                sa.select(AuditRow.action)
                .where(AuditRow.subject == report.report_id, AuditRow.outcome == "success")
                .order_by(AuditRow.seq)
            ).all()
            assert list(events) == [f"report.{each.action}" for each in revisions]
            versions = session.scalars(
                sa.select(VersionRow.version).where(VersionRow.report_id == report.report_id)
            ).all()
            issued = [each.action for each in revisions].count("issue")
            assert len(versions) == report.current_version == issued
            for number in versions:
                signed = sa.select(sa.func.count()).where(
                    VersionSignatureRow.report_id == report.report_id,
                    VersionSignatureRow.version == number,
                )
                assert session.scalar(signed) == 2
                assert session.get(IssuanceRow, (report.report_id, number)) is not None
    texts = {text for worker in workers for text in worker.texts}
    with records.read() as session:
        kept = "\n".join(session.scalars(sa.text("SELECT document FROM contents")))
    assert all(text in kept for text in texts)


def test_a_server_that_is_killed_leaves_all_or_nothing_of_every_step(tmp_path: Path) -> None:
    chance = random.Random(11)
    for number in range(ROUNDS):
        data = tmp_path / str(number)
        person_ids = hired(data)
        workers: list[Worker] = []
        with serving(data, *SETTINGS) as (process, url), everybody(url) as people:
            place = Hospital(process, url, people, person_ids)
            workers = [Worker(place, place.begin(each)) for each in range(1, REPORTS + 1)]
            threads = [threading.Thread(target=each.run) for each in workers]
            for each in threads:
                each.start()
            time.sleep(chance.uniform(0.05, 1.2))
            os.killpg(process.pid, signal.SIGKILL)
            for each in threads:
                each.join()
            wait_for(partial(ended, process))
        archive = open_archive(Config(data=str(data)))
        reading = open_reading(archive)
        whole(reading, workers)
        reading.records.close()
        archive.close()
        with serving(data, *SETTINGS) as (process, url), everybody(url) as people:
            for worker in workers:
                worker.place = Hospital(process, url, people, person_ids)
                worker.run()
        archive = open_archive(Config(data=str(data)))
        reading = open_reading(archive)
        whole(reading, workers)
        with reading.records.read() as session:
            for worker in workers:
                assert session.get_one(ReportRow, worker.report_id).status == "final"
        reading.records.close()
        archive.close()
