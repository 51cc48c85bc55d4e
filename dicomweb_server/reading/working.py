"""Writing: the working text, who holds it, and what came too late (T2, REP-39).

Nothing that was typed and sent is lost. A save over a text that has changed meanwhile is refused,
and the refused text is kept on a branch of its author in the transaction of the refusal.
"""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.caller import Act
from dicomweb_server.reading import rows
from dicomweb_server.reading.acting import ANY_ETAG, MAIN, allowed, move, presence
from dicomweb_server.reading.content import Content
from dicomweb_server.reading.content_json import as_json, content_of, merged
from dicomweb_server.reading.differences import differences
from dicomweb_server.reading.errors import Refused, Unknown
from dicomweb_server.reading.once import Answer
from dicomweb_server.reading.reading import Reading, attempted
from dicomweb_server.reading.shown import moment
from dicomweb_server.reading.situation import Said
from dicomweb_server.reading.staff import names_of
from dicomweb_server.reading.tables import HandledRow, ReportRow, RevisionRow

SAVE = "report.save"
_ETAG = re.compile(r'"([0-9]+)-[0-9a-f]{8}"')


def working(reading: Reading, report_id: str) -> Answer:
    """The text as it is. Raises Unknown, Refused, Denied."""
    reading.caller.permit(Act.READ_REPORTS)
    reading.permit_unissued()
    with reading.records.read() as session:
        report = rows.report_row(session, report_id)
        document = as_json(rows.content(session, report.content_hash))
        return Answer(document, rows.etag_of(report))


def save(
    reading: Reading, report_id: str, document: Any, *, etag: str | None, patch: bool = False
) -> Answer:
    """Saves the whole text, or a JSON Merge Patch of it (RFC 7396).

    etag  of what the text was made from (If-Match)

    Raises Unknown, Denied, Refused; "stale-revision" with the id of the conflict that holds the
    refused text.
    """

    def work(session: Session) -> Answer | Refused:
        reading.caller.permit(Act.DRAFT)
        report = rows.report_row(session, report_id)
        if etag is None:
            detail = "say by If-Match which revision the text was made from"
            raise Refused("if-match-required", detail, field="If-Match")
        content = _content(session, report, document, etag, patch=patch)
        current = rows.etag_of(report)
        if etag not in (current, ANY_ETAG):
            if content.digest == report.content_hash:
                # Sent twice, or typed by both: there is nothing to keep apart.
                return _saved(session, report)
            return _conflict(reading, session, report, content, etag)
        present, person = presence(reading, session, report, Said())
        transition = allowed(reading, "save", present)
        if content.digest != report.content_hash:
            move(present, transition, person, content_hash=rows.kept(session, content))
        else:
            _renew(reading, report, present.at)
        return _saved(session, report)

    answer = attempted(reading, SAVE, report_id, work)
    if isinstance(answer, Refused):
        raise answer
    return answer


def _saved(session: Session, report: ReportRow) -> Answer:
    session.flush()
    etag = rows.etag_of(report)
    document = {"rev": report.rev, "etag": etag, "content_hash": report.content_hash}
    return Answer(document, etag)


def _content(
    session: Session, report: ReportRow, document: Any, etag: str, *, patch: bool
) -> Content:
    """What is to be saved. A patch is of the revision that its author had before the eyes."""
    if not patch:
        return content_of(document)
    if not isinstance(document, dict):
        raise Refused("malformed", "a patch is a JSON object", field="body")
    based = report.content_hash
    if etag not in (rows.etag_of(report), ANY_ETAG):
        found = session.scalars(
            sa.select(RevisionRow.content_hash).where(
                RevisionRow.report_id == report.report_id,
                RevisionRow.branch == MAIN,
                RevisionRow.rev == base_rev(etag),
            )
        ).one_or_none()
        based = found or based
    return content_of(merged(as_json(rows.content(session, based)), document))


def base_rev(etag: str) -> int:
    """The revision that an ETag names; 0 when it is none of ours."""
    found = _ETAG.fullmatch(etag)
    return min(int(found[1]), 2**31 - 1) if found else 0


def _conflict(
    reading: Reading, session: Session, report: ReportRow, content: Content, etag: str
) -> Refused:
    """Keeps a text that came too late; the refusal that says where it is."""
    person_id = reading.person_id
    branch = f"conflict:{person_id}"
    last = session.scalar(
        sa.select(sa.func.max(RevisionRow.rev)).where(
            RevisionRow.report_id == report.report_id, RevisionRow.branch == branch
        )
    )
    row = RevisionRow(
        revision_id=str(uuid4()),
        report_id=report.report_id,
        branch=branch,
        rev=(last or 0) + 1,
        action="save",
        stage=report.stage,
        author=person_id,
        at=rows.next_moment(report),
        base_rev=base_rev(etag),
        content_hash=rows.kept(session, content),
        reason="",
    )
    session.add(row)
    session.flush()
    detail = {"problem": "stale-revision", "conflict": row.revision_id, "content": row.content_hash}
    record(session, reading.caller, Event(SAVE, report.report_id, "failure", detail))
    current = rows.etag_of(report)
    return Refused(
        "stale-revision",
        f"the report has changed meanwhile: it is {current}; your text is kept as a conflict",
        field="If-Match",
        current_etag=current,
        base_rev=row.base_rev,
        content_hash=row.content_hash,
        current_content_hash=report.content_hash,
        conflict=row.revision_id,
    )


# ---------------------------------------------------------------------------- lease


def lease(reading: Reading, report_id: str, *, release: bool = False) -> dict[str, Any]:
    """Whoever holds a report goes on holding it, or gives it free to be taken over.

    Raises Refused ("lease-held" when somebody else holds it), Denied, Unknown.
    """
    action = "report.release" if release else "report.lease"

    def work(session: Session) -> dict[str, Any]:
        reading.caller.permit(Act.DRAFT)
        report = rows.report_row(session, report_id)
        at = rows.next_moment(report)
        if not report.holder:
            raise Refused("wrong-state", f"nobody holds the report: it is {report.stage}")
        if report.holder != reading.person_id:
            name = names_of(session, [report.holder]).get(report.holder, "")
            held = {"person_id": report.holder, "name": name}
            until = moment(report.lease_until)
            raise Refused("lease-held", f"{name} works on it", holder=held, until=until)
        if release:
            report.lease_until = at
            record(session, reading.caller, Event(action, report_id))
        else:
            _renew(reading, report, at)
        session.flush()
        return {"holder": report.holder, "until": moment(report.lease_until)}

    return attempted(reading, action, report_id, work)


def _renew(reading: Reading, report: ReportRow, at: datetime) -> None:
    report.lease_until = at + timedelta(seconds=reading.archive.config.lease_s)


# ---------------------------------------------------------------------------- traces


def revisions(reading: Reading, report_id: str) -> list[dict[str, Any]]:
    """Every step of a report, oldest first; texts that came too late are among them."""
    reading.caller.permit(Act.READ_REPORTS)
    reading.permit_unissued()
    with reading.records.read() as session:
        rows.report_row(session, report_id)
        found = session.scalars(
            sa.select(RevisionRow)
            .where(RevisionRow.report_id == report_id)
            .order_by(RevisionRow.at, RevisionRow.rev)
        ).all()
        people = names_of(session, {each.author for each in found})
        return [
            {
                "branch": each.branch,
                "rev": each.rev,
                "action": each.action,
                "stage": each.stage,
                "author": {"person_id": each.author, "name": people.get(each.author, "")}
                if each.author
                else None,
                "at": moment(each.at),
                "base_rev": each.base_rev,
                "content_hash": each.content_hash,
                "reason": each.reason,
            }
            for each in found
        ]


def revision(reading: Reading, report_id: str, rev: int) -> dict[str, Any]:
    """The text of a revision of the main branch. Raises Unknown."""
    reading.caller.permit(Act.READ_REPORTS)
    reading.permit_unissued()
    with reading.records.read() as session:
        return as_json(_text(session, report_id, rev))


def difference(reading: Reading, report_id: str, from_rev: int, to_rev: int) -> dict[str, Any]:
    """What differs between two revisions (REP-20). Raises Unknown."""
    reading.caller.permit(Act.READ_REPORTS)
    reading.permit_unissued()
    with reading.records.read() as session:
        old, new = _text(session, report_id, from_rev), _text(session, report_id, to_rev)
    return differences(old, new)


def _text(session: Session, report_id: str, rev: int) -> Content:
    rows.report_row(session, report_id)
    found = session.scalars(
        sa.select(RevisionRow.content_hash).where(
            RevisionRow.report_id == report_id, RevisionRow.branch == MAIN, RevisionRow.rev == rev
        )
    ).one_or_none()
    if found is None:
        raise Unknown("revision", str(rev))
    return rows.content(session, found)


def conflicts(reading: Reading, report_id: str) -> list[dict[str, Any]]:
    """Texts that came too late and that their authors have not said to be settled."""
    reading.caller.permit(Act.READ_REPORTS)
    reading.permit_unissued()
    with reading.records.read() as session:
        rows.report_row(session, report_id)
        found = session.scalars(
            sa.select(RevisionRow)
            .outerjoin(HandledRow, HandledRow.revision_id == RevisionRow.revision_id)
            .where(
                RevisionRow.report_id == report_id,
                RevisionRow.branch != MAIN,
                HandledRow.revision_id.is_(None),
            )
            .order_by(RevisionRow.at)
        ).all()
        return [_conflict_document(session, each) for each in found]


def conflict(reading: Reading, report_id: str, conflict_id: str) -> dict[str, Any]:
    """One of them, settled or not. Raises Unknown."""
    reading.caller.permit(Act.READ_REPORTS)
    reading.permit_unissued()
    with reading.records.read() as session:
        return _conflict_document(session, _conflict_row(session, report_id, conflict_id))


def _conflict_row(session: Session, report_id: str, conflict_id: str) -> RevisionRow:
    row = session.get(RevisionRow, conflict_id)
    if row is None or row.report_id != report_id or row.branch == MAIN:
        raise Unknown("conflict", conflict_id)
    return row


def _conflict_document(session: Session, row: RevisionRow) -> dict[str, Any]:
    name = names_of(session, [row.author]).get(row.author, "")
    return {
        "conflict_id": row.revision_id,
        "author": {"person_id": row.author, "name": name},
        "at": moment(row.at),
        "base_rev": row.base_rev,
        "content_hash": row.content_hash,
        "content": as_json(rows.content(session, row.content_hash)),
    }


def handle_conflict(reading: Reading, report_id: str, conflict_id: str) -> None:
    """The author says that a conflict is settled; its text stays. Raises Unknown, Refused."""
    action = "report.conflict-handled"

    def work(session: Session) -> None:
        reading.caller.permit(Act.DRAFT)
        row = _conflict_row(session, report_id, conflict_id)
        if row.author != reading.person_id:
            raise Refused("not-holder", "only who wrote it may say that it is settled")
        if session.get(HandledRow, conflict_id) is None:
            at = rows.next_moment(rows.report_row(session, report_id))
            session.add(HandledRow(revision_id=conflict_id, person_id=reading.person_id, at=at))
            detail = {"conflict": conflict_id}
            record(session, reading.caller, Event(action, report_id, detail=detail))

    attempted(reading, action, report_id, work)
