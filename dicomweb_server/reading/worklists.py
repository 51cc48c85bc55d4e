"""Worklists: pages of exams, each one walk along an index from where the page before ended."""

import base64
import binascii
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.caller import Act
from dicomweb_server.reading.errors import Refused
from dicomweb_server.reading.exams import PRIORITIES
from dicomweb_server.reading.placing import ISSUED, REVIEW, UNREAD
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.shown import exam_documents
from dicomweb_server.reading.staff import names_of
from dicomweb_server.reading.tables import ExamRow
from dicomweb_server.records.moments import Instant, now, rfc3339

MOST = 500
USUAL = 50

Column = Any
"""An attribute of ExamRow."""


@dataclass(frozen=True, slots=True)
class Worklist:
    """Which exams, and in which order: ascending `by` these columns, or `backwards`."""

    where: Callable[[str, datetime], list[Any]]
    by: tuple[Column, ...]
    backwards: bool = False


_BY_DUE = (ExamRow.urgency, ExamRow.due_at, ExamRow.exam_id)

WORKLISTS: Mapping[str, Worklist] = {
    "unread": Worklist(lambda person_id, at: [ExamRow.lane == UNREAD], _BY_DUE),
    "mine": Worklist(lambda person_id, at: [ExamRow.holder == person_id], _BY_DUE),
    "review": Worklist(lambda person_id, at: [ExamRow.lane == REVIEW], _BY_DUE),
    "overdue": Worklist(
        lambda person_id, at: [ExamRow.waits, ExamRow.breach_at <= at],
        (ExamRow.breach_at, ExamRow.exam_id),
    ),
    "issued": Worklist(
        lambda person_id, at: [ExamRow.lane == ISSUED],
        (ExamRow.issued_at, ExamRow.exam_id),
        backwards=True,
    ),
}


def page(
    reading: Reading,
    name: str,
    *,
    modality: str = "",
    priority: str = "",
    q: str = "",
    limit: int = USUAL,
    after: str = "",
) -> dict[str, Any]:
    """One page: {"items", "next", "total"}. `next` of one page is `after` of the one that follows.

    q  text that names, numbers or description contain

    Raises Refused, Denied.
    """
    reading.caller.permit(Act.READ_REPORTS)
    worklist = WORKLISTS[name]
    if name == "mine" and not reading.caller.person_id:
        return {"items": [], "next": None, "total": 0}
    at = now()
    where = worklist.where(reading.caller.person_id, at)
    if modality:
        padded = "," + ExamRow.modality + ","
        where.append(padded.contains(f",{modality},", autoescape=True))
    if priority:
        if priority not in PRIORITIES:
            detail = f"'{priority[:40]}' is neither urgent nor routine"
            raise Refused("malformed", detail, field="priority")
        where.append(ExamRow.urgency == PRIORITIES[priority])
    for word in q.lower().split()[:8]:
        where.append(ExamRow.searched.contains(word, autoescape=True))
    wanted = sa.select(ExamRow).where(*where)
    columns = sa.tuple_(*worklist.by)
    if after:
        begin = sa.tuple_(*_bound(worklist, after))
        wanted = wanted.where(columns < begin if worklist.backwards else columns > begin)
    order = [column.desc() if worklist.backwards else column.asc() for column in worklist.by]
    limit = min(max(limit, 1), MOST)
    with reading.records.read() as session:
        found = session.scalars(wanted.order_by(*order).limit(limit + 1)).all()
        shown = found[:limit]
        items = exam_documents(session, shown, at=at)
        _add_holders(session, shown, items)
        total = session.scalar(sa.select(sa.func.count()).select_from(ExamRow).where(*where))
    following = _cursor(worklist, shown[-1]) if len(found) > limit else None
    return {"items": items, "next": following, "total": total}


def _add_holders(session: Session, exams: Any, items: list[dict[str, Any]]) -> None:
    people = names_of(session, {exam.holder for exam in exams})
    for exam, item in zip(exams, items, strict=True):
        item["holder"] = (
            {"person_id": exam.holder, "name": people.get(exam.holder, "")} if exam.holder else None
        )


def _cursor(worklist: Worklist, exam: ExamRow) -> str:
    values = [getattr(exam, column.key) for column in worklist.by]
    texts = [rfc3339(value) if isinstance(value, datetime) else value for value in values]
    return base64.urlsafe_b64encode(json.dumps(texts).encode()).decode().rstrip("=")


def _bound(worklist: Worklist, cursor: str) -> list[Any]:
    """The row that a cursor names, as values of the columns. Raises Refused."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        values = json.loads(base64.urlsafe_b64decode(padded.encode("ascii")))
        bound = []
        for column, value in zip(worklist.by, values, strict=True):
            kind = column.type
            if isinstance(kind, Instant):
                value = datetime.fromisoformat(value)
            elif type(value) is not (int if isinstance(kind, sa.Integer) else str):
                raise ValueError("of another type")
            bound.append(sa.literal(value, kind))
    except (ValueError, TypeError, binascii.Error, UnicodeError):
        raise Refused("malformed", "this is no cursor of this worklist", field="after") from None
    if any(isinstance(b.value, datetime) and b.value.tzinfo is None for b in bound):
        raise Refused("malformed", "this is no cursor of this worklist", field="after")
    return bound
