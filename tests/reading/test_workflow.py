"""The workflow on both databases: who may do what when, what is kept, and that each step and each
refusal is one audit event (REPORTS 4.2 to 4.4)."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from dicomweb_server.access.audit import verify as verify_audit
from dicomweb_server.access.caller import Act
from dicomweb_server.access.errors import Denied
from dicomweb_server.access.tables import AuditRow, SigningIdentityRow
from dicomweb_server.archive import edit
from dicomweb_server.archive.edit import Why
from dicomweb_server.archive.store import Received, store
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.reading import (
    acting,
    amendments,
    emitted,
    exams,
    opening,
    reports,
    rows,
    working,
)
from dicomweb_server.reading.document_uids import REJECTION
from dicomweb_server.reading.emission_tables import OutboxRow
from dicomweb_server.reading.errors import Refused
from dicomweb_server.reading.once import Once
from dicomweb_server.reading.situation import Said
from dicomweb_server.reading.tables import (
    ReportRow,
    RevisionRow,
    SignatureRow,
    VersionRow,
    VersionSignatureRow,
)
from dicomweb_server.reading.verification import verify
from dicomweb_server.records.moments import now
from tests.dicom.build import part10
from tests.reading.department import RADIOLOGIST, TEXT, Department

CLINICIAN = frozenset({Act.SEARCH, Act.VIEW, Act.READ_REPORTS})


def events(department: Department, report_id: str) -> list[tuple[str, str]]:
    with department.reading.records.read() as session:
        found = session.execute(
            sa.select(AuditRow.action, AuditRow.outcome)
            .where(AuditRow.subject == report_id)
            .order_by(AuditRow.seq)
        )
        return [(action, outcome) for action, outcome in found]


class refused:  # noqa: N801  (reads as a sentence)
    """Within it, Refused is raised with a name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: Refused

    def __enter__(self) -> "refused":
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> bool:
        assert isinstance(error, Refused), error
        assert error.name == self.name, error
        self.error = error
        return True


def test_two_people_sign_and_the_version_names_both(staffed: Department) -> None:
    report_id = staffed.issued()
    state = staffed.state(report_id)
    assert (state["status"], state["stage"], state["current_version"]) == ("final", "idle", 1)
    (version,) = state["versions"]
    assert [s["role"] for s in version["signatures"]] == ["initial", "review"]
    assert [s["name"] for s in version["signatures"]] == ["Resident", "Attending"]
    assert [s["rank"] for s in version["signatures"]] == [1, 2]
    assert [s["licence"] for s in version["signatures"]] == ["L-resident", "L-attending"]
    assert version["sr_uid"] and version["pdf_uid"] and version["verification_code"]
    found = verify(staffed.reading)
    assert (found.versions, found.signatures, found.faults) == (1, 2, ())


def test_i6_every_step_and_every_refusal_is_one_event_of_a_whole_chain(
    staffed: Department,
) -> None:
    report_id = staffed.report()
    with refused("rank-too-low"):
        staffed.act("resident", report_id, "cancel", reason="x")
    staffed.act("resident", report_id, "claim")
    with refused("lease-held"):
        staffed.act("second", report_id, "claim")
    staffed.write("resident", report_id)
    with refused("content-changed"):
        staffed.act("resident", report_id, "sign-initial", content_hash="0" * 64)
    staffed.act("resident", report_id, "sign-initial")
    with refused("same-person"):
        review_by_a_second_account(staffed, report_id)
    with pytest.raises(Denied):
        staffed.act("trainee", report_id, "claim-review")
    staffed.act("attending", report_id, "claim-review")
    staffed.act("attending", report_id, "issue")
    assert events(staffed, report_id) == [
        ("report.create", "success"),
        ("report.cancel", "failure"),
        ("report.claim", "success"),
        ("report.claim", "failure"),
        ("report.save", "success"),
        ("report.sign-initial", "failure"),
        ("report.sign-initial", "success"),
        ("report.claim-review", "failure"),
        ("report.claim-review", "failure"),
        ("report.claim-review", "success"),
        ("report.issue", "success"),
    ]
    assert verify_audit(staffed.reading.records).ok


def review_by_a_second_account(staffed: Department, report_id: str) -> None:
    """The resident has a second account, and has risen meanwhile: it is the same person."""
    staffed.change("resident", rank=2)
    staffed.callers["alias"] = replace(
        staffed.callers["resident"], name="alias", account_id="another account"
    )
    staffed.act("alias", report_id, "claim-review")


def test_i7_a_trainee_drafts_and_submits_and_never_signs(staffed: Department) -> None:
    report_id = staffed.report()
    state = staffed.act("trainee", report_id, "claim")
    assert state["stage"] == "trainee"
    with refused("missing-field") as caught:
        staffed.act("trainee", report_id, "submit")
    assert caught.error.members["missing"] == ["findings", "impression"]
    staffed.write("trainee", report_id)
    assert staffed.act("trainee", report_id, "submit")["stage"] == "trainee_done"
    with pytest.raises(Denied):
        staffed.act("trainee", report_id, "take")
    staffed.callers["trainee"] = replace(staffed.callers["trainee"], acts=RADIOLOGIST)
    with refused("rank-too-low"):
        staffed.act("trainee", report_id, "take")
    state = staffed.act("resident", report_id, "take")
    assert (state["stage"], state["author"]["name"]) == ("initial", "Trainee")
    staffed.act("resident", report_id, "sign-initial")
    staffed.change("trainee", rank=2, licence="L")
    with refused("same-person"):
        staffed.act("trainee", report_id, "claim-review")


def test_a_licence_that_has_ended_and_an_identity_that_was_revoked_sign_nothing(
    staffed: Department,
) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    staffed.write("resident", report_id)
    yesterday = now().date().replace(year=2020)
    staffed.change("resident", qualified_until=yesterday)
    with refused("licence-expired"):
        staffed.act("resident", report_id, "sign-initial")
    staffed.change("resident", qualified_until=None)
    with staffed.reading.records.write() as session:
        row = session.get_one(SigningIdentityRow, "identity-person-resident")
        row.revoked_at = now()
    with refused("signing-identity-not-approved"):
        staffed.act("resident", report_id, "sign-initial")


def test_a_report_is_returned_with_a_reason_and_the_first_signature_is_superseded_and_kept(
    staffed: Department,
) -> None:
    report_id = staffed.signed()
    staffed.act("attending", report_id, "claim-review")
    with refused("missing-field"):
        staffed.act("attending", report_id, "return")
    state = staffed.act("attending", report_id, "return", reason="左右")
    assert (state["stage"], state["holder"]["name"]) == ("initial", "Resident")
    assert state["returned"]["reason"] == "左右" and state["returned"]["by"]["name"] == "Attending"
    staffed.write("resident", report_id, sections={"findings": "改。", "impression": "未见异常。"})
    staffed.act("resident", report_id, "sign-initial")
    staffed.act("attending", report_id, "claim-review")
    state = staffed.act("attending", report_id, "issue")
    assert state["returned"] is None
    with staffed.reading.records.read() as session:
        rows = session.scalars(sa.select(SignatureRow).order_by(SignatureRow.signed_at)).all()
        assert [(r.role, r.round) for r in rows] == [("initial", 1), ("initial", 2), ("review", 2)]
    assert verify(staffed.reading).faults == ()


def test_a_reviewer_edits_and_the_second_signature_covers_what_was_issued_and_the_first(
    staffed: Department,
) -> None:
    report_id = staffed.signed()
    staffed.act("attending", report_id, "claim-review")
    staffed.write("attending", report_id, sections={"findings": "甲。", "impression": "未见异常。"})
    state = staffed.act("attending", report_id, "issue")
    document, superseded = reports.version(staffed.as_("chief"), report_id, 1)
    assert document["content"]["sections"]["findings"] == "甲。"
    assert document["content_hash"] == state["content_hash"] and not superseded
    assert document["patient"]["ideographic"] == "王^小东" and document["patient"]["age"] == "046Y"
    assert verify(staffed.reading, report_id).faults == ()


def test_rep_08_a_difficult_report_is_for_rank_3_and_flagging_it_rechecks_the_holder(
    staffed: Department,
) -> None:
    report_id = staffed.signed()
    staffed.act("attending", report_id, "claim-review")
    state = staffed.act("attending", report_id, "flag-difficult")
    assert state["stage"] == "await_review" and state["difficult"]
    assert staffed.state(report_id, "second")["why_not"]["claim-review"] == "rank-too-low"
    with refused("rank-too-low"):
        staffed.act("second", report_id, "claim-review")
    with refused("senior-available"):
        staffed.act("second", report_id, "unflag-difficult", reason="nobody is here")
    staffed.act("associate", report_id, "claim-review")
    assert staffed.act("associate", report_id, "issue")["status"] == "final"


def test_withdrawing_cancelling_and_that_the_exam_may_get_another_report_then(
    staffed: Department,
) -> None:
    report_id = staffed.signed()
    with refused("not-holder"):
        staffed.act("second", report_id, "withdraw")
    assert staffed.act("resident", report_id, "withdraw")["stage"] == "initial"
    exam_id = staffed.state(report_id)["exams"][0]["exam_id"]
    again = opening.create(staffed.as_("attending"), [exam_id])
    assert (again.document["report_id"], again.made) == (report_id, False)
    state = staffed.act("attending", report_id, "cancel", reason="wrong exam")
    assert (state["stage"], state["status"]) == ("cancelled", "cancelled")
    assert opening.create(staffed.as_("attending"), [exam_id]).made
    with refused("wrong-state"):
        staffed.act("resident", report_id, "claim")


def test_takeover_waits_for_the_lease_or_needs_rank_3_and_a_reason_and_drops_no_text(
    staffed: Department,
) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    staffed.write("resident", report_id)
    with refused("lease-held") as caught:
        staffed.act("attending", report_id, "takeover", reason="now")
    assert caught.error.members["holder"]["name"] == "Resident"
    with refused("lease-held"):
        staffed.act("chief", report_id, "takeover")
    before = staffed.state(report_id)["content_hash"]
    staffed.act("chief", report_id, "takeover", reason="night shift")
    assert staffed.state(report_id)["content_hash"] == before
    working.lease(staffed.as_("chief"), report_id, release=True)
    assert staffed.act("attending", report_id, "takeover")["holder"]["name"] == "Attending"
    with refused("lease-held"):
        working.lease(staffed.as_("chief"), report_id)


def test_an_urgent_report_leaves_as_preliminary_and_then_as_final(staffed: Department) -> None:
    routine = staffed.signed(1)
    with refused("not-urgent"):
        staffed.act("resident", routine, "release-preliminary")
    report_id = staffed.signed(2, urgent=True)
    with refused("not-holder"):
        staffed.act("second", report_id, "release-preliminary")
    state = staffed.act("resident", report_id, "release-preliminary")
    assert (state["status"], state["stage"]) == ("preliminary", "await_review")
    with refused("wrong-state"):
        staffed.act("resident", report_id, "release-preliminary")
    staffed.act("attending", report_id, "claim-review")
    state = staffed.act("attending", report_id, "issue")
    assert [(v["version"], v["kind"]) for v in state["versions"]] == [
        (1, "preliminary"),
        (2, "original"),
    ]
    assert verify(staffed.reading).faults == ()


def accepted(staffed: Department, report_id: str, kind: str = "demographic") -> str:
    """An amendment request that the department has accepted."""
    asked = amendments.ask(staffed.as_("resident"), report_id, kind=kind, text="体位写错了")
    request_id = str(asked.document["request_id"])
    amendments.decide(staffed.as_("chief"), report_id, request_id, "accept", reason="ok")
    return request_id


def test_rep_24_a_correction_is_opened_by_the_reviewer_and_confirmed_by_a_higher_rank(
    staffed: Department,
) -> None:
    report_id = staffed.issued()
    with refused("request-not-accepted"):
        staffed.act("attending", report_id, "open-correction", reason="x")
    request_id = accepted(staffed, report_id)
    for login in ("resident", "second", "associate"):
        with refused("not-original-reviewer"):
            staffed.act(login, report_id, "open-correction", reason="x", request_id=request_id)
    with refused("missing-field"):
        staffed.act("attending", report_id, "open-correction", request_id=request_id)
    state = staffed.act(
        "attending", report_id, "open-correction", reason="左右写反", request_id=request_id
    )
    assert (state["cycle"], state["stage"], state["status"]) == ("correction", "initial", "final")
    with refused("open-cycle-exists"):
        staffed.act("resident", report_id, "open-addendum")
    with refused("nothing-changed"):
        staffed.act("attending", report_id, "sign-correction")
    staffed.write(
        "attending", report_id, sections={"findings": "右肺。", "impression": "未见异常。"}
    )
    staffed.act("attending", report_id, "sign-correction")
    for login, name in (("second", "rank-too-low"), ("attending", "same-person")):
        with refused(name):
            staffed.act(login, report_id, "confirm", reason="x")
    with refused("missing-field"):
        staffed.act("associate", report_id, "reject-correction")
    state = staffed.act("associate", report_id, "confirm")
    assert (state["status"], state["current_version"]) == ("corrected", 2)
    first, second = state["versions"]
    assert (second["kind"], second["base_version"], second["reason"]) == (
        "correction",
        1,
        "左右写反",
    )
    assert second["exceptions"] == []
    assert [s["role"] for s in second["signatures"]] == ["initial", "confirm"]
    _, superseded = reports.version(staffed.as_("chief"), report_id, 1)
    assert superseded and first["content_hash"] != second["content_hash"]
    with refused("request-not-accepted"):
        staffed.act("attending", report_id, "open-correction", reason="x", request_id=request_id)
    assert verify(staffed.reading).faults == ()


def test_rep_23_a_change_of_the_content_needs_the_images_opened_in_this_cycle(
    staffed: Department,
) -> None:
    report_id = staffed.issued()
    request_id = accepted(staffed, report_id, "content")
    staffed.act("attending", report_id, "open-correction", reason="x", request_id=request_id)
    staffed.write(
        "attending", report_id, sections={"findings": "右肺。", "impression": "未见异常。"}
    )
    with refused("images-not-opened"):
        staffed.act("attending", report_id, "sign-correction")


def test_c4_what_the_top_rank_reviewed_is_confirmed_by_the_next_and_the_version_says_so(
    staffed: Department,
) -> None:
    report_id = staffed.issued(second="chief")
    request_id = accepted(staffed, report_id)
    staffed.act("chief", report_id, "open-correction", reason="x", request_id=request_id)
    staffed.write("chief", report_id, sections={"findings": "右肺。", "impression": "未见异常。"})
    staffed.act("chief", report_id, "sign-correction")
    with refused("rank-too-low"):
        staffed.act("attending", report_id, "confirm", reason="designated")
    with refused("missing-field"):
        staffed.act("associate", report_id, "confirm")
    state = staffed.act("associate", report_id, "confirm", reason="designated by the office")
    assert state["versions"][-1]["exceptions"] == ["no-higher-rank-available"]


def test_a_correction_is_abandoned_and_the_issued_version_is_untouched(
    staffed: Department,
) -> None:
    report_id = staffed.issued()
    before = staffed.state(report_id)
    request_id = accepted(staffed, report_id)
    staffed.act("attending", report_id, "open-correction", reason="x", request_id=request_id)
    staffed.write("attending", report_id, sections={"findings": "错。", "impression": "未见异常。"})
    with refused("not-holder"):
        staffed.act("second", report_id, "abandon", reason="x")
    state = staffed.act("chief", report_id, "abandon", reason="not needed")
    assert (state["stage"], state["status"], state["current_version"]) == ("idle", "final", 1)
    assert state["content_hash"] == before["content_hash"]


def test_an_addendum_carries_what_was_issued_and_adds_to_it(staffed: Department) -> None:
    report_id = staffed.issued()
    staffed.act("resident", report_id, "open-addendum", reason="补充")
    issued = {"findings": "双肺未见异常。\n", "impression": "未见异常。\n"}
    with refused("missing-field"):
        staffed.act("resident", report_id, "sign-initial")
    staffed.write(
        "resident", report_id, sections=issued | {"findings": "别的。\n", "addendum": "补充。"}
    )
    with refused("base-changed"):
        staffed.act("resident", report_id, "sign-initial")
    staffed.write("resident", report_id, sections=issued | {"addendum": "补充说明。\n"})
    staffed.act("resident", report_id, "sign-initial")
    staffed.act("second", report_id, "claim-review")
    state = staffed.act("second", report_id, "issue")
    assert (state["status"], state["versions"][-1]["kind"]) == ("appended", "addendum")
    assert verify(staffed.reading).faults == ()


def test_a_recall_is_by_two_persons_one_of_rank_3(staffed: Department) -> None:
    report_id = staffed.issued()
    with refused("wrong-state"):
        staffed.act("chief", report_id, "recall")
    staffed.act("resident", report_id, "request-recall", reason="wrong patient")
    with refused("same-person"):
        staffed.act("resident", report_id, "recall")
    with refused("rank-too-low"):
        staffed.act("second", report_id, "recall")
    state = staffed.act("associate", report_id, "recall")
    assert (state["status"], state["stage"]) == ("entered-in-error", "recalled")
    assert state["exams"][0]["report"] is None, "the exam may get another report"
    assert reports.version(staffed.as_("attending"), report_id, 1)[0]["content"]
    staffed.hire("clinician", 0, CLINICIAN)
    with refused("recalled"):
        reports.version(staffed.as_("clinician"), report_id, 1)


def test_t14_a_cancelled_report_calls_back_what_left_as_preliminary(staffed: Department) -> None:
    report_id = staffed.signed(urgent=True)
    state = staffed.act("resident", report_id, "release-preliminary")
    staffed.act("attending", report_id, "cancel", reason="the order was cancelled")
    with staffed.reading.records.read() as session:
        kinds = list(
            session.scalars(sa.select(OutboxRow.kind).where(OutboxRow.report_id == report_id))
        )
        found = emitted.verification(session, state["versions"][0]["verification_code"])
    assert REJECTION in kinds
    assert found is not None and found.status == "recalled"
    never_left = staffed.signed(2)
    assert staffed.act("attending", never_left, "cancel", reason="twice")["stage"] == "cancelled"


def test_rep_28_a_remark_is_signed_by_rank_3_and_leaves_the_content_as_it_is(
    staffed: Department,
) -> None:
    report_id = staffed.issued()
    before = staffed.state(report_id)["content_hash"]
    with refused("rank-too-low"):
        staffed.act("attending", report_id, "annotate", text="x")
    with refused("missing-field"):
        staffed.act("chief", report_id, "annotate", text=" ")
    staffed.act("chief", report_id, "annotate", text="同意，随访。")
    staffed.act("chief", report_id, "annotate", text="又及。")
    assert staffed.state(report_id)["content_hash"] == before
    found = reports.annotations(staffed.as_("resident"), report_id)
    assert [(a["text"], a["name"]) for a in found] == [
        ("同意，随访。", "Chief"),
        ("又及。", "Chief"),
    ]
    assert verify(staffed.reading).faults == ()


def test_a_blocking_finding_forbids_signing_until_it_is_overridden_with_a_reason(
    staffed: Department,
) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    text = {"findings": "前列腺未见异常。子宫未见异常。", "impression": "未见异常。"}
    staffed.write("resident", report_id, sections=text)
    with refused("qc-blocking") as caught:
        staffed.act("resident", report_id, "sign-initial")
    rules = {finding["rule"] for finding in caught.error.members["findings"]}
    assert rules and all(f["section"] == "findings" for f in caught.error.members["findings"])
    staffed.write("resident", report_id, sections=text, overrides=dict.fromkeys(rules, "核对过"))
    assert staffed.act("resident", report_id, "sign-initial")["stage"] == "await_review"


def test_409_identity_changed_when_the_patient_is_corrected_between_the_signatures(
    staffed: Department,
) -> None:
    report_id = staffed.signed()
    staffed.act("attending", report_id, "claim-review")
    study_uid = staffed.state(report_id)["exams"][0]["study_uids"][0]
    edit.correct(staffed.reading.archive, study_uid, {"PatientName": "Li^Si=李^四"}, Why())
    with refused("identity-changed"):
        staffed.act("attending", report_id, "issue")
    staffed.act("attending", report_id, "return", reason="the name was corrected")
    staffed.act("resident", report_id, "sign-initial")
    staffed.act("attending", report_id, "claim-review")
    staffed.act("attending", report_id, "issue")
    document, _ = reports.version(staffed.as_("chief"), report_id, 1)
    assert document["patient"]["ideographic"] == "李^四"


def test_images_that_came_after_the_text_was_written_are_told_and_confirmed_before_it_is_signed(
    staffed: Department,
) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    staffed.write("resident", report_id)
    assert staffed.state(report_id)["late_images"] is None
    staffed.arrive(InstanceNumber=2)
    with refused("images-arrived") as told:
        staffed.act("resident", report_id, "sign-initial")
    first = told.error.members["images_at"]
    assert staffed.state(report_id)["late_images"] == first
    staffed.act("resident", report_id, "sign-initial", images_seen=first)
    assert staffed.state(report_id)["late_images"] is None
    staffed.act("attending", report_id, "claim-review")
    staffed.arrive(InstanceNumber=3)
    with refused("images-arrived") as told:
        staffed.act("attending", report_id, "issue", images_seen=first)
    second = told.error.members["images_at"]
    assert second > first
    # Yet another one: what was seen is not the last any more.
    staffed.arrive(InstanceNumber=4)
    with refused("images-arrived"):
        staffed.act("attending", report_id, "issue", images_seen=second)
    third = staffed.state(report_id)["late_images"]
    state = staffed.act("attending", report_id, "issue", images_seen=third)
    assert (state["status"], state["late_images"]) == ("final", None)
    issued = reports.timeline(staffed.as_("chief"), report_id)[-1]
    assert (issued["action"], issued["detail"]["images_seen"]) == ("report.issue", third)
    # Issued: an addendum or a correction is for who reads it to open; the page says so.
    staffed.arrive(InstanceNumber=5)
    assert staffed.state(report_id)["late_images"] > third


def test_what_readers_store_about_images_are_no_images_that_came_late(staffed: Department) -> None:
    report_id = staffed.signed()
    study_uid = staffed.state(report_id)["exams"][0]["study_uids"][0]
    measured = part10(
        study_uid=study_uid,
        series_uid=f"{study_uid}.9",
        instance_uid=f"{study_uid}.9.1",
        Modality="PR",
        PatientID="P1",
    )
    store(staffed.reading.archive, [Received(BytesSource(measured), "a test")])
    staffed.act("attending", report_id, "claim-review")
    assert staffed.act("attending", report_id, "issue")["late_images"] is None


# ---------------------------------------------------------------------------- saving


def test_428_and_412_and_the_refused_text_is_kept_and_listed_until_its_author_settles_it(
    staffed: Department,
) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    resident = staffed.as_("resident")
    etag = staffed.state(report_id)["etag"]
    with refused("if-match-required"):
        working.save(resident, report_id, {"sections": {"findings": "1"}}, etag=None)
    working.save(resident, report_id, {"sections": {"findings": "1"}}, etag=etag)
    with refused("stale-revision") as caught:
        working.save(resident, report_id, {"sections": {"findings": "2"}}, etag=etag)
    members = caught.error.members
    assert members["current_etag"] == staffed.state(report_id)["etag"]
    (conflict,) = working.conflicts(resident, report_id)
    assert conflict["conflict_id"] == members["conflict"]
    assert conflict["content"]["sections"] == {"findings": "2"}
    assert working.working(resident, report_id).document["sections"] == {"findings": "1"}
    with refused("not-holder"):
        working.handle_conflict(staffed.as_("chief"), report_id, conflict["conflict_id"])
    working.handle_conflict(resident, report_id, conflict["conflict_id"])
    assert working.conflicts(resident, report_id) == []
    found = [r for r in working.revisions(resident, report_id) if r["branch"] != "main"]
    assert [r["content_hash"] for r in found] == [conflict["content_hash"]], "the text stays"


def test_the_same_text_sent_again_is_saved_once(staffed: Department) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    etag = staffed.state(report_id)["etag"]
    text = {"sections": {"findings": "1"}}
    first = working.save(staffed.as_("resident"), report_id, text, etag=etag)
    again = working.save(staffed.as_("resident"), report_id, text, etag=etag)
    assert first == again


def test_a_merge_patch_changes_one_section_and_a_stale_one_is_kept_whole(
    staffed: Department,
) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    resident = staffed.as_("resident")
    staffed.write("resident", report_id)
    etag = staffed.state(report_id)["etag"]
    patch = {"sections": {"impression": "随访。", "findings": None}}
    working.save(resident, report_id, patch, etag=etag, patch=True)
    now_is = working.working(resident, report_id).document
    assert now_is["sections"] == {"impression": "随访。"} and now_is["positive"] is False
    with refused("stale-revision"):
        late = {"sections": {"impression": "晚了"}}
        working.save(resident, report_id, late, etag=etag, patch=True)
    (conflict,) = working.conflicts(resident, report_id)
    assert conflict["content"]["sections"] == {
        "findings": "双肺未见异常。\n",
        "impression": "晚了",
    }, "a patch is of what its author saw"


def test_somebody_else_saves_nothing(staffed: Department) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    with refused("not-holder"):
        staffed.write("attending", report_id)


def test_rep_20_what_differs_between_two_revisions_is_shown_by_word_and_character(
    staffed: Department,
) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    first = staffed.write("resident", report_id)
    text = {"findings": "左肺未见异常。\n", "impression": "未见异常。\n"}
    second = staffed.write("resident", report_id, sections=text, positive=True)
    found = working.difference(staffed.as_("chief"), report_id, first["rev"], second["rev"])
    assert found["sections"] == {"findings": [["-", "双"], ["+", "左"], ["=", "肺未见异常。\n"]]}
    assert found["fields"] == {"positive": [False, True]}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"sections": {"finding": "x"}}, "sections.finding"),
        ({"sections": {"findings": 1}}, "sections.findings"),
        ({"text": "x"}, "text"),
        ({"key_images": [{"study_uid": "1.2"}]}, "key_images[0].series_uid"),
        ({"fields": {"size": {"a": 1}}}, "fields.size"),
        ({"positive": "yes"}, "positive"),
        ({"sections": {"findings": "a\x00b"}}, "sections.findings"),
        ([], "content"),
    ],
)
def test_what_is_no_content_is_refused_by_its_place(
    staffed: Department, document: Any, field: str
) -> None:
    report_id = staffed.report()
    staffed.act("resident", report_id, "claim")
    etag = staffed.state(report_id)["etag"]
    with refused("malformed") as caught:
        working.save(staffed.as_("resident"), report_id, document, etag=etag)
    assert caught.error.field == field


# ---------------------------------------------------------------------------- the database itself


@pytest.mark.parametrize(
    "table",
    [
        "contents",
        "revisions",
        "versions",
        "signatures",
        "version_signatures",
        "annotations",
        "handled_conflicts",
    ],
)
def test_i3_the_database_refuses_to_change_or_delete_what_was_written(
    staffed: Department, table: str
) -> None:
    report_id = staffed.issued()
    staffed.act("chief", report_id, "annotate", text="x")
    records = staffed.reading.records
    if table == "handled_conflicts":
        with pytest.raises(sa.exc.IntegrityError), records.write() as session:
            session.execute(
                sa.text(
                    "INSERT INTO handled_conflicts (revision_id, person_id, at) "
                    "SELECT revision_id, 'x', at FROM revisions LIMIT 1"
                )
            )
            session.execute(sa.text("DELETE FROM handled_conflicts"))
        return
    statements = [f"DELETE FROM {table}", f"UPDATE {table} SET report_id = 'x'"]
    if table == "contents":
        statements[1] = "UPDATE contents SET document = 'x'"
    if not records.is_sqlite:
        statements.append(f"TRUNCATE {table} CASCADE")
    for statement in statements:
        with pytest.raises(sa.exc.IntegrityError), records.write() as session:
            session.execute(sa.text(statement))


def test_i1_and_i5_the_database_knows_one_signature_a_person_and_one_live_report_an_exam(
    staffed: Department,
) -> None:
    report_id = staffed.issued()
    records = staffed.reading.records
    with records.read() as session:
        first = session.scalars(
            sa.select(VersionSignatureRow).order_by(VersionSignatureRow.position)
        ).first()
        assert first is not None
    with pytest.raises(sa.exc.IntegrityError), records.write() as session:
        session.add(
            VersionSignatureRow(
                report_id=report_id,
                version=1,
                person_id=first.person_id,
                position=2,
                signature_id=first.signature_id,
            )
        )
    with pytest.raises(sa.exc.IntegrityError), records.write() as session:
        session.execute(
            sa.text(
                "INSERT INTO report_exams (report_id, exam_id, position, live) "
                "SELECT report_id, exam_id, 1, live FROM report_exams"
            )
        )


def test_i10_times_are_the_servers_and_never_go_back_within_a_report(
    staffed: Department, monkeypatch: pytest.MonkeyPatch
) -> None:
    report_id = staffed.signed()
    monkeypatch.setattr(rows, "now", lambda: now() - timedelta(hours=1))
    staffed.act("attending", report_id, "claim-review")
    staffed.act("attending", report_id, "issue")
    with staffed.reading.records.read() as session:
        times = session.scalars(
            sa.select(RevisionRow.at)
            .where(RevisionRow.report_id == report_id)
            .order_by(RevisionRow.rev)
        ).all()
        assert list(times) == sorted(set(times))
        version = session.scalars(sa.select(VersionRow)).one()
        signed = session.scalars(sa.select(SignatureRow.signed_at)).all()
        assert max(signed) <= version.issued_at <= session.get_one(ReportRow, report_id).changed_at


def test_i9_verify_names_whatever_was_tampered_with(staffed: Department) -> None:
    report_id = staffed.issued()
    records = staffed.reading.records
    with records.engine.connect() as connection:
        # As an owner of the database could: without the triggers.
        if records.is_sqlite:
            connection.exec_driver_sql("DROP TRIGGER contents_no_update")
            connection.exec_driver_sql("DROP TRIGGER signatures_no_update")
        else:
            connection.exec_driver_sql("SET session_replication_role = replica")
        for statement, fault in (
            (
                "UPDATE contents SET document = replace(document, '未见', '可见')",
                "is not what its digest says",
            ),
            ("UPDATE signatures SET name = 'Somebody' WHERE role = 'review'", "who is named"),
            (
                "UPDATE signatures SET payload = replace(payload, 'P1', 'P2') "
                "WHERE role = 'initial'",
                "it does not verify",
            ),
        ):
            connection.exec_driver_sql(statement)
            connection.commit()
            found = verify(staffed.reading, report_id).faults
            assert any(fault in each for each in found), found


# ---------------------------------------------------------------------------- once, together


def test_the_same_key_and_request_is_done_once_and_answered_the_same(staffed: Department) -> None:
    report_id = staffed.report()
    state = staffed.state(report_id)
    resident = staffed.as_("resident")
    once = Once("key", "a" * 64)
    answers = [
        acting.act(resident, report_id, "claim", Said(), etag=state["etag"], once=once)
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
    assert events(staffed, report_id).count(("report.claim", "success")) == 1
    with refused("idempotency-key-reused"):
        acting.act(
            resident, report_id, "claim", Said(), etag=state["etag"], once=Once("key", "b" * 64)
        )


def test_a_report_about_several_exams_of_one_patient(staffed: Department) -> None:
    first = staffed.complete(staffed.arrive(1))
    second = staffed.complete(staffed.arrive(2, PatientID="P1"))
    other = staffed.complete(staffed.arrive(3))
    with refused("malformed"):
        opening.create(staffed.as_("resident"), [first, other])
    made = opening.create(staffed.as_("resident"), [first, second])
    assert [e["exam_id"] for e in made.document["exams"]] == [first, second]
    with refused("wrong-state"):
        opening.create(staffed.as_("resident"), [second, other])
    report_id = str(made.document["report_id"])
    staffed.act("resident", report_id, "claim")
    staffed.write("resident", report_id)
    staffed.act("resident", report_id, "sign-initial")
    staffed.act("attending", report_id, "claim-review")
    # The second exam turns out to be somebody else's: no report of the first one's patient has it.
    study_uid = made.document["exams"][1]["study_uids"][0]
    edit.correct(staffed.reading.archive, study_uid, {"PatientID": "P-OTHER"}, Why())
    with refused("identity-changed"):
        staffed.act("attending", report_id, "issue")


def test_an_exam_that_is_not_complete_is_claimed_with_a_reason_only(staffed: Department) -> None:
    exam_id = staffed.arrive()
    report_id = opening.create(staffed.as_("resident"), [exam_id]).document["report_id"]
    with refused("exam-incomplete"):
        staffed.act("resident", report_id, "claim")
    staffed.act("resident", report_id, "claim", reason="the patient is in shock")


def test_nobody_without_a_person_writes(staffed: Department) -> None:
    report_id = staffed.report()
    staffed.callers["program"] = replace(staffed.callers["chief"], person_id="", name="program")
    with refused("person-required"):
        staffed.act("program", report_id, "claim")
    with pytest.raises(Denied):
        exams.change(
            staffed.as_("trainee").seen_by(replace(staffed.callers["trainee"], acts=frozenset())),
            "x",
            complete=True,
            reason="x",
        )


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` returns or raises, done by so many threads at the same time."""
    found: list[Any] = [None] * count
    barrier = threading.Barrier(count)

    def run(number: int) -> None:
        barrier.wait()
        try:
            found[number] = work(number)
        except Exception as error:
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return found


def test_i5_of_many_who_begin_a_report_of_one_exam_at_once_one_makes_it(
    staffed: Department,
) -> None:
    exam_id = staffed.complete(staffed.arrive(1))
    answers = at_once(8, lambda n: opening.create(staffed.as_("resident"), [exam_id]))
    assert [answer.made for answer in answers].count(True) == 1
    assert len({answer.document["report_id"] for answer in answers}) == 1


def test_of_many_who_claim_at_once_one_has_it_and_the_others_are_told(staffed: Department) -> None:
    report_id = staffed.report()
    etag = staffed.state(report_id)["etag"]
    logins = ("resident", "attending", "second", "associate", "chief")
    answers = at_once(
        5, lambda n: acting.act(staffed.as_(logins[n]), report_id, "claim", Said(), etag=etag)
    )
    refusals = [each.name for each in answers if isinstance(each, Refused)]
    assert refusals == ["stale-revision"] * 4
    assert events(staffed, report_id).count(("report.claim", "success")) == 1
    assert events(staffed, report_id).count(("report.claim", "failure")) == 4


# ---------------------------------------------------------------------------- who may see what


@pytest.fixture
def clinic(staffed: Department) -> Department:
    staffed.hire("clinician", 0, CLINICIAN)
    return staffed


def unissued(department: Department, login: str, report_id: str) -> list[Callable[[], object]]:
    """Every way to a text that is being written."""
    reading = department.as_(login)
    return [
        lambda: working.working(reading, report_id),
        lambda: working.revisions(reading, report_id),
        lambda: working.revision(reading, report_id, 1),
        lambda: working.difference(reading, report_id, 1, 2),
        lambda: working.conflicts(reading, report_id),
        lambda: working.conflict(reading, report_id, "any"),
    ]


def test_i11_who_only_reads_reports_is_shown_nothing_that_is_not_issued(clinic: Department) -> None:
    report_id = clinic.signed()
    for ask in unissued(clinic, "clinician", report_id):
        with refused("not-issued"):
            ask()
    assert clinic.state(report_id, "clinician")["stage"] == "await_review"
    assert working.working(clinic.as_("trainee"), report_id).document["sections"]
    clinic.act("attending", report_id, "claim-review")
    clinic.act("attending", report_id, "return", reason="the other side")
    assert clinic.state(report_id, "resident")["returned"]["reason"] == "the other side"
    assert clinic.state(report_id, "clinician")["returned"] is None
    clinic.act("resident", report_id, "sign-initial")
    clinic.act("attending", report_id, "claim-review")
    clinic.act("attending", report_id, "issue")
    document, _ = reports.version(clinic.as_("clinician"), report_id, 1)
    assert document["content"]["sections"]["impression"] == "未见异常。\n"
    for ask in unissued(clinic, "clinician", report_id):
        with refused("not-issued"):
            ask()


def test_i11_a_search_does_not_tell_who_only_reads_what_a_draft_says(clinic: Department) -> None:
    report_id = clinic.issued()

    def found(login: str, words: str) -> bool:
        return bool(reports.find(clinic.as_(login), q=words)["items"])

    assert found("clinician", "未见异常")
    clinic.act("resident", report_id, "open-addendum", reason="more was seen")
    sections = {**TEXT["sections"], "addendum": "疑似骨折。\n"}
    clinic.write("resident", report_id, sections=sections)
    assert found("attending", "骨折")
    assert not found("clinician", "骨折")
    assert found("clinician", "未见异常")
