"""From the archive's change feed to exams: a process beside the server reads it once.

How far it has come is kept in the transaction that makes the exams of what was read; two processes
that read the same part cannot both move the mark, so each change is taken exactly once.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.archive import changes as feed
from dicomweb_server.archive import orders
from dicomweb_server.reading import exams, once
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.studies import order_of, study_facts
from dicomweb_server.reading.tables import ExamRow, ExamStudyRow, FeedMarkRow
from dicomweb_server.records.moments import now
from storage.model import Change, ChangeKind

logger = logging.getLogger(__name__)

EVERY_S = 0.5
MARK = "exams"
_CLEANED_EVERY_S = 3600.0
_CALLED_COMPLETE = (orders.COMPLETED,)


def run(reading: Reading, stop: threading.Event) -> None:
    """Until `stop` is set. An error of one round is logged; the next one tries again."""
    cleaned = 0.0
    while not stop.is_set():
        try:
            read_changes(reading)
            complete(reading)
            if time.monotonic() - cleaned > _CLEANED_EVERY_S:
                reading.records.writing(once.forget_old)
                cleaned = time.monotonic()
        except Exception:
            logger.exception("exams could not be brought up to date; it is tried again")
        stop.wait(EVERY_S)


def read_changes(reading: Reading) -> None:
    """Reads on in the change feed, to its end as it is now.

    What comes meanwhile is for the next round: while a series arrives, a transaction for each of
    its instances took more of the machine than storing them.
    """
    while page := feed.changes(reading.archive, after=mark(reading)):
        take(reading, page)
        if len(page) < feed.MOST:
            return


def mark(reading: Reading) -> int:
    with reading.records.read() as session:
        row = session.get(FeedMarkRow, MARK)
        return row.sequence if row is not None else 0


def take(reading: Reading, page: Sequence[Change]) -> None:
    """Makes and changes the exams that a page of changes is about."""
    # What is looked up in the archive is looked up before the transaction: others wait for it.
    studies: dict[str, list[Change]] = {}
    for change in page:
        studies.setdefault(change.study_uid, []).append(change)
    facts = {uid: study_facts(reading.archive, reading.desk, uid) for uid in studies}
    first = page[0].sequence

    def work(session: Session) -> None:
        row = session.get(FeedMarkRow, MARK)
        if row is None:
            row = FeedMarkRow(name=MARK, sequence=0)
            session.add(row)
        if row.sequence >= first:
            return  # another process has been here
        for uid, changes in studies.items():
            found = facts[uid]
            if found is not None:
                exams.take(session, reading.archive.config, found, at=now())
            elif any(change.kind is ChangeKind.DELETED for change in changes):
                exams.forget(session, uid)
        row.sequence = page[-1].sequence

    reading.records.writing(work)


def complete(reading: Reading) -> None:
    """Exams whose modality or order says that they are over, and those that have gone quiet."""
    with reading.records.read() as session:
        waiting = exams.incomplete(session)
        studies = _studies(session, waiting)
    at = now()
    over = {
        exam.exam_id: by
        for exam in waiting
        if (by := _ended_by(reading, exam, studies.get(exam.exam_id, []), at))
    }
    if not over:
        return

    def work(session: Session) -> None:
        for exam_id, by in over.items():
            exam = session.get(ExamRow, exam_id)
            if exam is None or exam.complete:
                continue
            exams.completed(reading.archive.config, exam, by=by, reason="", at=now())
            record(session, reading.caller, Event("exam.complete", exam_id, detail={"by": by}))

    reading.records.writing(work)


def _studies(session: Session, waiting: Sequence[ExamRow]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    rows = session.execute(
        sa.select(ExamStudyRow.exam_id, ExamStudyRow.study_uid).where(
            ExamStudyRow.exam_id.in_([exam.exam_id for exam in waiting])
        )
    )
    for exam_id, study_uid in rows:
        found.setdefault(exam_id, []).append(study_uid)
    return found


def _ended_by(reading: Reading, exam: ExamRow, studies: Sequence[str], at: datetime) -> str:
    """Who says that the exam is over, "" while nobody does."""
    for study_uid in studies:
        order = order_of(reading.desk, study_uid=study_uid, accession=exam.accession)
        if order is not None and order.status in _CALLED_COMPLETE:
            return order.completed_by or "order"
    quiet = timedelta(seconds=reading.archive.config.dimse_complete_after_s)
    if at - exam.last_at < quiet:
        return ""
    if any(orders.is_performing(reading.desk, study_uid) for study_uid in studies):
        return ""
    return exams.QUIET
