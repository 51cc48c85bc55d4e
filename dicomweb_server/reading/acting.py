"""Doing what the transitions say: one transaction with the pointer, the revision, the signature,
the version, what leaves because of it, and the one audit event (I3, I5, I6, I9).

The pointer row moves by compare-and-swap on its revision: of two who act at once, one is told that
the other was first.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import rfc8785
import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.access.audit import Event, record
from dicomweb_server.access.tables import PersonRow
from dicomweb_server.reading import rows, signing
from dicomweb_server.reading.errors import Refused
from dicomweb_server.reading.guards import Refusal
from dicomweb_server.reading.once import Answer, Once, answered
from dicomweb_server.reading.outbox import PATIENT_SAFETY, enqueue, enqueue_rejection
from dicomweb_server.reading.placing import placed
from dicomweb_server.reading.reading import Reading, attempted
from dicomweb_server.reading.shown import report_document
from dicomweb_server.reading.situation import Present, Said
from dicomweb_server.reading.staff import identity_of, names_of, reader_of
from dicomweb_server.reading.state import CANCELLED, ENDED, IDLE, PRELIMINARY, RECALLED, State
from dicomweb_server.reading.tables import (
    AnnotationRow,
    ReportExamRow,
    ReportRow,
    RevisionRow,
    SignatureRow,
    VersionRow,
    VersionSignatureRow,
)
from dicomweb_server.reading.transitions import (
    ACTIONS,
    TRANSITIONS,
    Transition,
    after,
    exceptions,
    meant,
    refusal,
)

MAIN = "main"
ANY_ETAG = "*"


def act(
    reading: Reading,
    report_id: str,
    action: str,
    said: Said,
    *,
    etag: str | None,
    once: Once | None = None,
) -> Answer:
    """Makes the transition `action` of a report; the report as it is then.

    etag  of the report that the caller acts on (If-Match)

    Raises Unknown, Refused, Denied.
    """

    def work(session: Session) -> Answer:
        permit(reading, action)
        return answered(session, reading.caller, once, lambda: _acted(reading, session))

    def _acted(reading: Reading, session: Session) -> Answer:
        report = rows.report_row(session, report_id)
        check_etag(report, etag)
        present, person = presence(reading, session, report, said)
        transition = allowed(reading, action, present)
        move(present, transition, person)
        return Answer(report_document(reading, session, report), rows.etag_of(report))

    return attempted(reading, f"report.{action}", report_id, work)


def permit(reading: Reading, action: str) -> None:
    """Raises Refused for what is no action, Denied for what the caller's role does not allow."""
    acts = {each.act for each in TRANSITIONS if each.action == action}
    if not acts:
        detail = f"'{action[:40]}' is none of {', '.join(ACTIONS)}"
        raise Refused("malformed", detail, field="action")
    if not acts & reading.caller.acts:
        reading.caller.permit(min(acts, key=lambda each: each.value))


def check_etag(report: ReportRow, etag: str | None) -> None:
    """Raises Refused when the caller acts on something that has changed meanwhile."""
    if etag is None:
        detail = "say by If-Match which revision this is about"
        raise Refused("if-match-required", detail, field="If-Match")
    current = rows.etag_of(report)
    if etag not in (current, ANY_ETAG):
        raise Refused(
            "stale-revision",
            f"the report has changed meanwhile: it is {current}",
            field="If-Match",
            current_etag=current,
        )


def presence(
    reading: Reading, session: Session, report: ReportRow, said: Said
) -> tuple[Present, PersonRow]:
    at = rows.next_moment(report)
    actor, person = reader_of(session, reading.caller, at=at)
    return Present(reading, session, report, actor=actor, said=said, at=at), person


def allowed(reading: Reading, action: str, present: Present) -> Transition:
    """The transition that `action` means and that no guard refuses. Raises Refused and Denied."""
    found = meant(action, present)
    if isinstance(found, Transition):
        reading.caller.permit(found.act)
        refused = refusal(found, present)
        if refused is None:
            return found
    else:
        refused = found
    raise _refused(refused, present)


def _refused(refused: Refusal, present: Present) -> Refused:
    members = dict(refused.members)
    if refused.name in ("lease-held", "not-holder") and (holder := present.report.holder):
        until = present.report.lease_until
        members["holder"] = {
            "person_id": holder,
            "name": names_of(present.session, [holder]).get(holder, ""),
        }
        members["until"] = until.isoformat() if until is not None else None
    field = str(members.pop("field", ""))
    return Refused(refused.name, refused.detail, field=field, **members)


def move(
    present: Present,
    transition: Transition,
    person: PersonRow,
    *,
    content_hash: str | None = None,
) -> None:
    """Makes an allowed transition, in the transaction of `present`.

    content_hash  of the content afterwards; None: it stays

    Raises Refused when somebody else was first.
    """
    session, report, at = present.session, present.report, present.at
    before, new = present.state, after(transition, present)
    base_rev, expected = report.rev, report.rev
    content_hash = content_hash or _content_after(present, transition)
    values = rows.columns_of(new) | _bookkeeping(present, transition, new)
    values |= {
        "rev": expected + 1,
        "content_hash": content_hash,
        "changed_at": at,
        "lease_until": _lease(present, new),
    }
    signature = _signed(present, transition, person) if transition.signs else None
    _record_version(present, transition, new, signature)
    moved = session.execute(
        sa.update(ReportRow)
        .where(ReportRow.report_id == report.report_id, ReportRow.rev == expected)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    if moved.rowcount != 1:  # type: ignore[attr-defined]
        raise Refused("stale-revision", "the report has changed meanwhile", field="If-Match")
    session.refresh(report)
    session.add(
        RevisionRow(
            revision_id=str(uuid4()),
            report_id=report.report_id,
            branch=MAIN,
            rev=report.rev,
            action=transition.action,
            stage=report.stage,
            author=present.actor.person_id,
            at=at,
            base_rev=base_rev,
            content_hash=report.content_hash,
            reason=present.said.reason,
        )
    )
    if new.stage in ENDED:
        # The exams may get another report.
        session.execute(
            sa.update(ReportExamRow)
            .where(ReportExamRow.report_id == report.report_id)
            .values(live=False)
        )
    if new.stage == RECALLED or (new.stage == CANCELLED and new.version):
        # Cancelled (T14): what left as preliminary is called back.
        enqueue_rejection(session, report.report_id, PATIENT_SAFETY)
    placed(session, report, present.exams, at=at)
    detail: dict[str, Any] = {
        "from": before.stage,
        "to": new.stage,
        "rev": report.rev,
        "content": report.content_hash,
    }
    if new.version != before.version:
        detail["version"] = new.version
    if present.said.images_seen and "images-seen" in transition.guards:
        detail["images_seen"] = present.said.images_seen[:40]
    if flags := exceptions(transition, present):
        detail["exceptions"] = list(flags)
    event = Event(f"report.{transition.action}", report.report_id, detail=detail)
    record(session, present.reading.caller, event)


def _bookkeeping(present: Present, transition: Transition, new: State) -> dict[str, Any]:
    """What the row holds beside its state."""
    report, said = present.report, present.said
    values: dict[str, Any] = {}
    if {"unsign", "abandon"} & set(transition.effects):
        values["round"] = report.round + 1
    if transition.action in ("return", "reject-correction"):
        values |= {
            "returned_by": present.actor.person_id,
            "returned_at": present.at,
            "returned_reason": said.reason,
        }
    if transition.signs and new.stage != IDLE:
        values |= {"returned_by": "", "returned_at": None, "returned_reason": ""}
    if transition.action in ("open-correction", "open-addendum"):
        values |= {
            "cycle_opened_at": present.at,
            "reason": said.reason,
            "request_id": said.request_id,
        }
        if present.request is not None:
            present.request.used = True
    if transition.action in ("request-recall", "cancel"):
        values["reason"] = said.reason
    if transition.action == "sign-initial":
        # The text may say it, and so may who signs; taking it back is T10's.
        values["difficult"] = new.difficult or said.difficult or present.content.difficult
    return values


def _content_after(present: Present, transition: Transition) -> str:
    """An abandoned cycle leaves what is issued."""
    if "abandon" in transition.effects and present.base is not None:
        return present.base.content_hash
    return present.report.content_hash


def _lease(present: Present, new: State) -> datetime | None:
    """Whoever holds it has so long from now on."""
    if not new.holder:
        return None
    return present.at + timedelta(seconds=present.reading.archive.config.lease_s)


def _signed(present: Present, transition: Transition, person: PersonRow) -> SignatureRow | None:
    """The signature that the transition makes, stored; of an annotation with its text."""
    session, report, at = present.session, present.report, present.at
    identity = identity_of(session, person.person_id, at=at)
    assert identity is not None, "guard `identity`"
    first = present.first_signature
    if first is not None:
        # The second signature is over the patient and exam that the first one is over: the guard
        # `identity-matches` has compared them with the archive.
        patient, exam = rows.snapshot_of(first.payload)
    else:
        patient, exam = present.subject
    annotates = transition.signs == "annotation"
    version = report.current_version if annotates else report.current_version + 1
    payload = signing.payload(
        report_id=report.report_id,
        version=version,
        kind=report.cycle or "annotation",
        base_hash=present.base.content_hash if present.base is not None else "",
        patient=patient,
        exam=exam,
        content_hash=report.content_hash,
        role=transition.signs,
        person_id=person.person_id,
        name=person.name,
        rank=person.rank,
        licence=person.licence,
        at=at,
        first=first.covered if first is not None else "",
        text=present.said.text,
    )
    made = signing.sign(identity, payload, present.reading.records.secret)
    columns: dict[str, Any] = {
        "report_id": report.report_id,
        "version": version,
        "person_id": person.person_id,
        "name": person.name,
        "rank": person.rank,
        "licence": person.licence,
        "identity_id": identity.id,
        "algorithm": made.algorithm,
        "payload": payload.decode(),
        "covered": made.covered,
        "value": made.value,
        "certificate": made.certificate,
        "signed_at": at,
    }
    if annotates:
        if not present.said.text.strip():
            raise Refused("missing-field", "a remark needs a text", field="text")
        text = present.said.text
        session.add(AnnotationRow(annotation_id=str(uuid4()), text=text, **columns))
        return None
    row = SignatureRow(
        signature_id=str(uuid4()),
        round=report.round,
        role=transition.signs,
        account_id=present.reading.caller.account_id,
        **columns,
    )
    session.add(row)
    session.flush()
    return row


def _record_version(
    present: Present, transition: Transition, new: State, signature: SignatureRow | None
) -> None:
    """The version that the transition issues or releases, with what has to leave because of it."""
    if new.version == present.state.version:
        return
    session, report = present.session, present.report
    first = present.first_signature
    assert first is not None, "guards let nothing leave without a first signature"
    patient, exam = rows.snapshot_of(first.payload)
    version = VersionRow(
        report_id=report.report_id,
        version=new.version,
        kind=report.cycle if transition.issues else PRELIMINARY,
        base_version=report.base_version or report.current_version,
        rev=report.rev + 1,
        content_hash=report.content_hash,
        snapshot=rfc8785.dumps(signing.snapshot(patient, exam)).decode(),
        author=report.author or first.person_id,
        reason=report.reason if report.cycle else "",
        exceptions=",".join(exceptions(transition, present)),
        issued_at=present.at,
    )
    session.add(version)
    session.flush()
    for position, each in enumerate(filter(None, (first, signature))):
        session.add(
            VersionSignatureRow(
                report_id=report.report_id,
                version=new.version,
                person_id=each.person_id,
                position=position,
                signature_id=each.signature_id,
            )
        )
    session.flush()
    author = names_of(session, [version.author]).get(version.author, "")
    enqueue(session, rows.issued_version(session, version, author=author, current=True))
