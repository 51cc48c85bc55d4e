"""kill -9 at each point between issue and the last delivery: each document is in the archive once
and whole, or not yet; and in the end all are there."""

import os
import random
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import sqlalchemy as sa

from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.upkeep import verify
from dicomweb_server.config import Config
from dicomweb_server.reading import outbox
from dicomweb_server.reading.delivery import deliver_due
from dicomweb_server.reading.emission_tables import EmittedRow, OutboxRow
from dicomweb_server.reading.emitted import verify_documents
from dicomweb_server.records.database import Database, open_database
from tests.reading.examples import STUDY_UID, issued
from tests.servers import ROOT, serving, wait_for

ROUNDS = int(os.environ.get("CRASH_ROUNDS", "3"))

# Delivers, and kills itself before or after the nth call of one function of the worker.
_KILLED = """
import os, signal, sys
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import Config
from dicomweb_server.reading import delivery
from dicomweb_server.records.database import open_database

data, name, when, nth = sys.argv[1:]
original, calls = getattr(delivery, name), []

def killed(*arguments, **named):
    calls.append(1)
    last = len(calls) == int(nth)
    if last and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = original(*arguments, **named)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(delivery, name, killed)
archive = open_archive(Config(data=data))
delivery.deliver_until(
    archive, open_database("", directory=archive.directory), stop=lambda: False
)
"""

POINTS = [
    (name, when, nth)
    for nth in (1, 2)  # the structured report, then the PDF
    for name, when in (
        ("_task", "before"),
        ("_made", "before"),
        ("_made", "after"),
        ("store", "after"),
        ("_note", "after"),  # within the transaction that is then not committed
        ("deliver", "after"),
    )
]


@contextmanager
def opened(data: Path) -> Iterator[tuple[Archive, Database]]:
    archive = open_archive(Config(data=str(data)))
    records = open_database("", directory=archive.directory)
    try:
        yield archive, records
    finally:
        records.close()
        archive.close()


def issue(records: Database, number: int) -> None:
    report_id = f"01938e4e-7c00-7000-8000-{number:012}"
    with records.write() as session:
        outbox.enqueue(session, issued(report_id=report_id))


def in_archive(archive: Archive) -> list[str]:
    return [
        instance.instance_uid
        for key in archive.storage.index.series_of(STUDY_UID)
        for instance in archive.storage.index.manifest(key).instances
    ]


def assert_whole(archive: Archive, records: Database, *, reports: int) -> None:
    """Two documents a report, each once, as they were noted; nothing waits, all is whole."""
    with records.read() as session:
        assert session.scalars(sa.select(OutboxRow).where(OutboxRow.done_us.is_(None))).all() == []
        noted = session.scalars(sa.select(EmittedRow.instance_uid)).all()
    stored = in_archive(archive)
    assert len(stored) == len(set(stored)) == 2 * reports
    assert set(noted) == set(stored)
    faults: list[str] = []
    assert verify_documents(archive, records, report=faults.append) == 2 * reports
    verify(archive, full=True, sweep=True, report=faults.append)
    assert faults == []


def test_killed_at_each_point_every_document_is_made_once(tmp_path: Path) -> None:
    for number, (name, when, nth) in enumerate(POINTS, 1):
        with opened(tmp_path) as (_, records):
            issue(records, number)
        killed = subprocess.run(
            [sys.executable, "-c", _KILLED, tmp_path, name, when, str(nth)],
            cwd=ROOT,
            timeout=60,
            check=False,
        )
        assert killed.returncode == -signal.SIGKILL, (name, when, nth)
        with opened(tmp_path) as (archive, records):
            while deliver_due(archive, records):
                pass
            assert_whole(archive, records, reports=number)


def test_a_server_killed_while_it_delivers_goes_on_where_it_was(tmp_path: Path) -> None:
    chance = random.Random(11)
    reports = 0
    for _ in range(ROUNDS):
        with serving(tmp_path), opened(tmp_path) as (_, records):
            for _ in range(6):
                reports += 1
                issue(records, reports)
            time.sleep(chance.uniform(0.0, 0.8))
            # `serving` ends by killing the server's whole session with -9.
    with serving(tmp_path), opened(tmp_path) as (archive, records):
        wait_for(lambda: waiting(records) == 0, seconds=120)
        assert_whole(archive, records, reports=reports)


def waiting(records: Database) -> int:
    with records.read() as session:
        count = sa.select(sa.func.count()).select_from(OutboxRow).where(OutboxRow.done_us.is_(None))
        return session.scalar(count) or 0


def test_from_issue_to_the_archived_report_takes_less_than_two_seconds(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, url), opened(tmp_path) as (_, records):
        issue(records, 1)
        wait_for(
            lambda: waiting(records) == 0, seconds=120
        )  # the process has started, the font is read
        started = time.monotonic()
        issue(records, 2)
        with records.read() as session:
            uid = outbox.documents(session, "01938e4e-7c00-7000-8000-000000000002", 1).sr_uid
        root = f"{url}/dicom-web/studies/{STUDY_UID}"

        def found() -> bool:
            with urllib.request.urlopen(f"{root}/instances?SOPInstanceUID={uid}") as answer:
                return answer.status == 200 and len(orjson.loads(answer.read() or b"[]")) == 1

        wait_for(found, seconds=10)
        took_s = time.monotonic() - started
        print(f"issue to archived SR: {took_s * 1000:.0f} ms")
        assert took_s < 2.0
        wait_for(lambda: waiting(records) == 0)
        with urllib.request.urlopen(f"{root}/series") as answer:
            series = orjson.loads(answer.read())
    assert sorted(each["00080060"]["Value"][0] for each in series) == ["DOC", "DOC", "SR", "SR"]


def test_two_servers_on_one_archive_deliver_once(tmp_path: Path) -> None:
    with serving(tmp_path), serving(tmp_path), opened(tmp_path) as (archive, records):
        for number in range(1, 9):
            issue(records, number)
        wait_for(lambda: waiting(records) == 0, seconds=120)
        assert_whole(archive, records, reports=8)
