"""From the archive's change feed to exams: a process beside the server reads it once.

How far it has come is kept in the transaction that makes the exams of what was read; two processes
that read the same part cannot both move the mark, so each change is taken exactly once.
"""

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.archive import changes as feed
from dicomweb_server.archive import orders
from dicomweb_server.reading import exams, once
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.studies import study_facts
from dicomweb_server.reading.tables import ExamRow, FeedMarkRow
from dicomweb_server.records.moments import now
from dicomweb_server.records.watch import Watch
from storage.model import Change, ChangeKind

logger = logging.getLogger(__name__)

EVERY_S = 0.5
MARK = "exams"
_CLEANED_EVERY_S = 3600.0
_CALLED_COMPLETE = (orders.COMPLETED,)


def run(reading: Reading, stop: threading.Event) -> None:
    """Until `stop` is set. An error of one round is logged; the next one tries again."""
    cleaned = 0.0
    watch = Watch(reading.records)
    seen, waiting = -1, True
    while not stop.is_set():
        try:
            # Asked before: what is written while it is read is for the next round.
            moment = reading.archive.storage.index.moment()
            if moment != seen:
                read_changes(reading)
                seen = moment
            if watch.has_changed() or waiting:
                waiting = complete(reading)
            if time.monotonic() - cleaned > _CLEANED_EVERY_S:
                reading.records.writing(once.forget_old)
                cleaned = time.monotonic()
        except Exception:
            logger.exception("exams could not be brought up to date; it is tried again")
            seen, waiting = -1, True
        stop.wait(EVERY_S)
    watch.close()


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
        arrived = [found for found in facts.values() if found is not None]
        exams.take(session, reading.archive.config, arrived)
        for uid, changes in studies.items():
            if facts[uid] is None and any(each.kind is ChangeKind.DELETED for each in changes):
                exams.forget(session, uid)
        row.sequence = page[-1].sequence

    reading.records.writing(work)


def complete(reading: Reading) -> bool:
    """Exams whose modality or order says that they are over, and those that have gone quiet.

    Whether there may be others for which that is to come.
    """
    with reading.records.read() as session:
        waiting = exams.incomplete(session)
    said = orders.said_of(
        reading.desk,
        {uid for exam in waiting for uid in exam.study_uids},
        {exam.accession for exam in waiting},
    )
    quiet_since = now() - timedelta(seconds=reading.archive.config.dimse_complete_after_s)
    ends = {exam.exam_id: _ended_by(exam, said, quiet_since=quiet_since) for exam in waiting}
    over = {exam_id: by for exam_id, by in ends.items() if by}
    if not over:
        return bool(waiting)

    def work(session: Session) -> None:
        for exam_id, by in over.items():
            exam = session.get(ExamRow, exam_id)
            if exam is None or exam.complete:
                continue
            exams.completed(reading.archive.config, exam, by=by, reason="", at=now())
            record(session, reading.caller, Event("exam.complete", exam_id, detail={"by": by}))

    reading.records.writing(work)
    return True


def _ended_by(exam: exams.Incomplete, said: orders.Said, *, quiet_since: datetime) -> str:
    """Who says that the exam is over, "" while nobody does."""
    for study_uid in exam.study_uids:
        order = said.of(study_uid, exam.accession)
        if order is not None and order[0] in _CALLED_COMPLETE:
            return order[1] or "order"
    if exam.last_at > quiet_since or said.performing.intersection(exam.study_uids):
        return ""
    return exams.QUIET
