"""A radiology department for tests: an archive, records, people of every rank, a study to read."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from dicomweb_server.access.caller import Act, Caller
from dicomweb_server.access.signing_identities import SEALED_FOR
from dicomweb_server.access.tables import PersonRow, SigningIdentityRow
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.archive.desk import open_desk
from dicomweb_server.archive.store import Received, store
from dicomweb_server.config import Config
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.reading import acting, exams, intake, opening, reports, working
from dicomweb_server.reading.reading import Reading
from dicomweb_server.reading.situation import Said
from dicomweb_server.records.database import Database
from dicomweb_server.records.moments import now
from tests.dicom.build import part10

RADIOLOGIST = frozenset({Act.SEARCH, Act.VIEW, Act.READ_REPORTS, Act.DRAFT, Act.SIGN, Act.REVIEW})
STUDENT = RADIOLOGIST - {Act.SIGN, Act.REVIEW}

# Login -> rank, role. The chief also decides for the department.
PEOPLE: dict[str, tuple[int, frozenset[Act]]] = {
    "trainee": (0, STUDENT),
    "resident": (1, RADIOLOGIST),
    "attending": (2, RADIOLOGIST),
    "second": (2, RADIOLOGIST),
    "associate": (3, RADIOLOGIST),
    "chief": (4, RADIOLOGIST | {Act.MANAGE_REPORTS, Act.ORDER}),
}

TEXT: dict[str, Any] = {
    "language": "zh-CN",
    "sections": {"findings": "双肺未见异常。\n", "impression": "未见异常。\n"},
    "positive": False,
}


@dataclass
class Department:
    """Who works here, by login; `as_` is the report module as one of them sees it."""

    reading: Reading
    callers: dict[str, Caller] = field(default_factory=dict)

    def as_(self, login: str) -> Reading:
        return self.reading.seen_by(self.callers[login])

    # ------------------------------------------------------------------ people

    def hire(
        self, login: str, rank: int, acts: frozenset[Act], *, licence: str = "L", **columns: Any
    ) -> None:
        person_id = f"person-{login}"
        with self.reading.records.write() as session:
            session.add(
                PersonRow(
                    person_id=person_id,
                    name=login.capitalize(),
                    rank=rank,
                    licence=f"{licence}-{login}" if licence and rank else "",
                    created_at=now(),
                    **columns,
                )
            )
            session.flush()
            if rank:
                session.add(identity(self.reading.records, person_id))
        self.callers[login] = Caller(
            login, acts, person_id=person_id, account_id=f"account-{login}", address="127.0.0.1"
        )

    def change(self, login: str, **columns: Any) -> None:
        with self.reading.records.write() as session:
            row = session.get_one(PersonRow, self.callers[login].person_id)
            for name, value in columns.items():
                setattr(row, name, value)

    # ------------------------------------------------------------------ exams

    def arrive(self, number: int = 1, **attributes: Any) -> str:
        """A CT study is stored and has been taken in; its exam_id."""
        study_uid = f"1.2.826.0.1.3680043.8.{number}"
        said = {
            "PatientID": f"P{number}",
            "PatientName": "Wang^Xiaodong=王^小东",
            "PatientBirthDate": "19800501",
            "PatientSex": "M",
            "StudyDate": "20261125",
            "StudyTime": "081500",
            "AccessionNumber": f"A{number}",
            "InstitutionName": "County Hospital",
            "BodyPartExamined": "CHEST",
            "StudyDescription": "CT Thorax",
            "AdmissionID": f"V{number}",
        } | attributes
        file = part10(
            study_uid=study_uid,
            series_uid=f"{study_uid}.1",
            instance_uid=f"{study_uid}.1.{attributes.get('InstanceNumber', 1)}",
            **said,
        )
        store(self.reading.archive, [Received(BytesSource(file), "a test")])
        intake.read_changes(self.reading)
        found = exams.find(self.reading, study_uid=study_uid)
        return str(found[0]["exam_id"])

    def complete(self, exam_id: str, *, urgent: bool = False) -> str:
        priority = "urgent" if urgent else ""
        exams.change(self.as_("chief"), exam_id, complete=True, reason="done", priority=priority)
        return exam_id

    # ------------------------------------------------------------------ reports

    def report(self, number: int = 1, *, urgent: bool = False) -> str:
        exam_id = self.complete(self.arrive(number), urgent=urgent)
        return str(opening.create(self.as_("resident"), [exam_id]).document["report_id"])

    def state(self, report_id: str, login: str = "chief") -> dict[str, Any]:
        return reports.report(self.as_(login), report_id).document

    def act(self, login: str, report_id: str, action: str, **said: Any) -> dict[str, Any]:
        """Does it with the current ETag, and signs what is there."""
        state = self.state(report_id)
        if action in SIGNED:
            said.setdefault("content_hash", state["content_hash"])
        answer = acting.act(self.as_(login), report_id, action, Said(**said), etag=state["etag"])
        return answer.document

    def write(self, login: str, report_id: str, **changes: Any) -> dict[str, Any]:
        document = TEXT | changes
        etag = self.state(report_id)["etag"]
        return working.save(self.as_(login), report_id, document, etag=etag).document

    def signed(self, number: int = 1, *, first: str = "resident", urgent: bool = False) -> str:
        """A report that awaits its review."""
        report_id = self.report(number, urgent=urgent)
        self.act(first, report_id, "claim")
        self.write(first, report_id)
        self.act(first, report_id, "sign-initial")
        return report_id

    def issued(self, number: int = 1, *, first: str = "resident", second: str = "attending") -> str:
        report_id = self.signed(number, first=first)
        self.act(second, report_id, "claim-review")
        self.act(second, report_id, "issue")
        return report_id


SIGNED = ("sign-initial", "issue", "sign-correction", "confirm", "annotate")


def identity(records: Database, person_id: str) -> SigningIdentityRow:
    """A key of the person's, approved by another."""
    key = ec.generate_private_key(ec.SECP256R1())
    plain = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    at = now()
    return SigningIdentityRow(
        id=f"identity-{person_id}"[:36],
        person_id=person_id,
        driver="local",
        algorithm="ecdsa-p256-sha256",
        certificate=public.decode(),
        private_key_sealed=records.secret.sealed(plain, purpose=SEALED_FOR),
        enrolled_by=person_id,
        approved_by="person-office",
        created_at=at,
        approved_at=at,
        valid_from=at - timedelta(days=1),
        valid_to=at + timedelta(days=365),
    )


@contextmanager
def department(records: Database, **settings: Any) -> Iterator[Department]:
    """An archive in memory with everybody of PEOPLE."""
    config = replace(Config(data="memory:"), **settings)
    archive = open_archive(config)
    made = Department(Reading(archive, records, open_desk(archive)))
    for login, (rank, acts) in PEOPLE.items():
        made.hire(login, rank, acts)
    try:
        yield made
    finally:
        archive.close()
