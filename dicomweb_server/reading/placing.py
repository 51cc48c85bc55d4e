"""On which worklist an exam is: columns of its row that follow from its report, changed in the
transaction that changes the report, so that a page of a worklist is a walk along one index."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.orm import Session

from dicomweb_server.reading import state
from dicomweb_server.reading.tables import ExamRow, ReportRow

UNREAD, READING, REVIEW, ISSUED, NONE = "unread", "reading", "review", "issued", "none"

LANES = {
    state.UNREAD: UNREAD,
    state.TRAINEE: READING,
    state.TRAINEE_DONE: UNREAD,
    state.INITIAL: READING,
    state.AWAIT_REVIEW: REVIEW,
    state.REVIEW: READING,
    state.CONSULT: READING,
    state.AWAIT_CONFIRM: REVIEW,
    state.IDLE: ISSUED,
    state.CANCELLED: NONE,
    # What was recalled is to be read anew.
    state.RECALLED: UNREAD,
}
"""By the stage of the report."""


def placed(session: Session, report: ReportRow, exams: Iterable[ExamRow], *, at: datetime) -> None:
    """Puts the exams of a report where it stands now."""
    for exam in exams:
        exam.lane = LANES[report.stage]
        exam.holder = report.holder
        if exam.lane == ISSUED:
            exam.issued_at = at
        elif report.stage == state.RECALLED:
            exam.issued_at = None
        exam.waits = waits(exam)
    session.flush()


def waits(exam: ExamRow) -> bool:
    """Whether a report is overdue when its time has come."""
    return exam.complete and exam.lane != NONE and exam.issued_at is None
