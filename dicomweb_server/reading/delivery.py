"""The outbox's worker: makes the documents of what was issued and stores them in the archive.

A row is done when its document is in the archive and `emitted` says so. Whatever is interrupted is
done again to the same effect: a document's UID follows from what it is of, so what is in the
archive already is not stored again, only noted. One process does it (election.py); what fails is
tried again, later each time, and stays visible until it is done.
"""

import hashlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.retrieve import InstanceFile
from dicomweb_server.archive.store import Received, store
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.reading import document_uids, issuance, kos
from dicomweb_server.reading.content import IssuedVersion
from dicomweb_server.reading.document_headers import Study
from dicomweb_server.reading.document_uids import PDF, REJECTION, SR
from dicomweb_server.reading.emission_tables import EmittedRow, IssuanceRow, OutboxRow
from dicomweb_server.reading.encapsulated import ENCAPSULATED_PDF, encapsulated_pdf, pdf_in
from dicomweb_server.reading.errors import ReadingError, Unwritable
from dicomweb_server.reading.outbox import now_us
from dicomweb_server.reading.pdf import pdf
from dicomweb_server.reading.pictures import pictures
from dicomweb_server.reading.sr import ENHANCED_SR, Reference, structured_report
from dicomweb_server.reading.templates import referred_template
from dicomweb_server.records.database import Database
from dicomweb_server.records.election import Election
from dicomweb_server.records.watch import Watch
from storage.model import OneOf, Query, QueryLevel

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 0.1
"""Whether anything was queued."""

DUE_EVERY_S = 1.0
"""Whether what has failed is to be tried again."""

ELECTION_EVERY_S = 1.0
BATCH = 50
LONGEST_WAIT_S = 3600.0
"""Between two tries of what has failed often."""

POISON_TRIES = 8
"""After so many tries (four minutes) the log calls it an error that somebody must look at."""

SOP_CLASSES = {SR: ENHANCED_SR, PDF: ENCAPSULATED_PDF, REJECTION: kos.KEY_OBJECT_SELECTION}
SENDER = "reports"


class NotStored(ReadingError):
    """The archive did not take a document; the message says why."""


@dataclass(frozen=True, slots=True)
class Task:
    """One row of the outbox, with what its document is made of."""

    row: OutboxRow
    issued: IssuedVersion
    predecessor: Reference | None
    rejected: tuple[Reference, ...]
    labels: dict[str, str]

    @property
    def series_uid(self) -> str:
        row = self.row
        return document_uids.series_uid(row.report_id, row.kind, row.study_uid)


def deliver_until(archive: Archive, database: Database, *, stop: Callable[[], bool]) -> None:
    """Delivers what is queued until `stop` says so; outlives every failure."""
    election = Election(database, "deliveries")
    watch = Watch(database)
    due_at = 0.0
    try:
        while not stop():
            try:
                if not election.won():
                    _wait(ELECTION_EVERY_S, stop)
                elif not watch.has_changed() and time.monotonic() < due_at:
                    _wait(LOOK_EVERY_S, stop)
                elif not deliver_due(archive, database, stop=stop):
                    due_at = time.monotonic() + DUE_EVERY_S
                    _wait(LOOK_EVERY_S, stop)
            except Exception:
                logger.exception("deliveries failed; they go on in a moment")
                _wait(ELECTION_EVERY_S, stop)
    finally:
        watch.close()
        election.resign()


def deliver_due(
    archive: Archive, database: Database, *, stop: Callable[[], bool] = lambda: False
) -> int:
    """Tries each document that is due, oldest first; how many were tried."""
    with database.read() as session:
        due = session.scalars(
            sa.select(OutboxRow.instance_uid)
            .where(OutboxRow.done_us.is_(None), OutboxRow.due_us <= now_us())
            # Of one moment the structured report first: it is what others wait for.
            .order_by(OutboxRow.due_us, OutboxRow.kind.desc())
            .limit(BATCH)
        ).all()
    for instance_uid in due:
        if stop():
            break
        try:
            deliver(archive, database, instance_uid)
        except Exception as error:
            _failed(database, instance_uid, error)
    return len(due)


def deliver(archive: Archive, database: Database, instance_uid: str) -> None:
    """One document: made, stored, noted; whatever of that is done already is not done again."""
    with database.read() as session:
        task = _task(session, instance_uid)
    file = stored_file(archive, instance_uid)
    if file is None:
        file = _made(archive, task)
        (outcome,) = store(archive, [Received(BytesSource(file), SENDER)])
        if outcome.stored is None:
            raise NotStored(f"{task.row.kind} {instance_uid}: {outcome.comment}")
    database.writing(lambda session: _note(session, task, file))


def stored_file(archive: Archive, instance_uid: str) -> bytes | None:
    """The file of an instance as it was first stored, whatever was edited since; None when there is
    none."""
    present = archive.storage.index.instance(instance_uid)
    if present is None:
        return None
    first, *_ = (*archive.storage.index.versions(instance_uid), present)
    file = InstanceFile(archive, first)
    return file.read_at(0, file.length)


def _made(archive: Archive, task: Task) -> bytes:
    row, issued = task.row, task.issued
    place = {
        "instance_uid": row.instance_uid,
        "series_uid": task.series_uid,
        "study_uid": row.study_uid,
    }
    study = _study(archive, row.study_uid)
    if row.kind == SR:
        return structured_report(
            issued,
            **place,
            study=study,
            predecessor=task.predecessor,
            identical=_identical(issued, row.study_uid),
            labels=task.labels,
        )
    if row.kind == REJECTION:
        return kos.rejection_note(
            issued,
            **place,
            study=study,
            reason=row.reason,
            at=datetime.fromtimestamp(row.queued_us / 1e6, UTC),
            rejected=task.rejected,
        )
    if row.kind != PDF:
        raise Unwritable(f"a document of kind {row.kind!r} is none that this program makes")
    public_url = archive.config.public_url
    made = pdf(
        issued,
        pictures=pictures(archive, issued.content.key_images),
        labels=task.labels,
        verify_url=f"{public_url}/api/v1/verify/" if public_url else "",
    )
    return encapsulated_pdf(issued, made, **place, study=study)


def _task(session: Session, instance_uid: str) -> Task:
    row = session.get_one(OutboxRow, instance_uid)
    issuances = session.scalars(
        sa.select(IssuanceRow)
        .where(IssuanceRow.report_id == row.report_id)
        .order_by(IssuanceRow.version)
    ).all()
    versions = [issuance.from_json(each.issued) for each in issuances]
    issued = next(each for each in versions if each.version == row.version)
    in_study = [each for each in versions if row.study_uid in each.exam.study_uids]
    before = [each for each in in_study if each.version < issued.version]
    based = [each for each in before if each.version == issued.base_version]
    template = referred_template(session, issued.content.template)
    return Task(
        row,
        issued,
        predecessor=_reference((based or before)[-1], SR, row.study_uid) if before else None,
        rejected=tuple(
            _reference(each, kind, row.study_uid) for each in in_study for kind in (SR, PDF)
        ),
        labels={each.name: each.label for each in template.fields} if template else {},
    )


def _identical(issued: IssuedVersion, study_uid: str) -> list[Reference]:
    return [_reference(issued, SR, each) for each in issued.exam.study_uids if each != study_uid]


def _reference(issued: IssuedVersion, kind: str, study_uid: str) -> Reference:
    return Reference(
        study_uid,
        document_uids.series_uid(issued.report_id, kind, study_uid),
        SOP_CLASSES[kind],
        document_uids.instance_uid(issued.report_id, issued.version, kind, study_uid),
    )


def _study(archive: Archive, study_uid: str) -> Study:
    """What the archive says of the study; nothing when it has none."""
    condition = OneOf(QueryLevel.STUDY, "0020000D", (study_uid,))
    page = archive.storage.index.find(Query(QueryLevel.STUDY, (condition,)))
    if not page.rows:
        return Study()
    document = orjson.loads(page.rows[0].study.document)

    def said(key: str) -> str:
        values: list[Any] = document.get(key, {}).get("Value") or [""]
        return str(values[0] or "")

    return Study(said("00080020"), said("00080030"), said("00200010"))


def _note(session: Session, task: Task, file: bytes) -> None:
    row = session.get_one(OutboxRow, task.row.instance_uid)
    if row.done_us is not None:
        return
    content = pdf_in(file) if row.kind == PDF else file
    session.add(
        EmittedRow(
            instance_uid=row.instance_uid,
            report_id=row.report_id,
            version=row.version,
            kind=row.kind,
            study_uid=row.study_uid,
            series_uid=task.series_uid,
            sop_class_uid=SOP_CLASSES[row.kind],
            sha256=hashlib.sha256(content).hexdigest(),
            file_sha256=hashlib.sha256(file).hexdigest(),
            length=len(content),
            emitted_us=now_us(),
        )
    )
    row.done_us = now_us()
    row.failure = ""


def _failed(database: Database, instance_uid: str, error: Exception) -> None:
    """Notes a failure and when it is tried again: after 1, 2, 4 ... seconds, at most an hour."""

    def note(session: Session) -> int:
        row = session.get_one(OutboxRow, instance_uid)
        row.tries += 1
        row.failure = f"{type(error).__name__}: {error}"[:2000]
        wait_s = min(2.0 ** (row.tries - 1), LONGEST_WAIT_S)
        row.due_us = now_us() + int(wait_s * 1e6)
        return row.tries

    tries = database.writing(note)
    level = logging.ERROR if tries >= POISON_TRIES else logging.WARNING
    logger.log(level, "document %s, try %d: %s", instance_uid, tries, error, exc_info=error)


def _wait(seconds: float, stop: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while not stop() and (left := end - time.monotonic()) > 0:
        time.sleep(min(left, LOOK_EVERY_S))
