"""What self-checks are told beside the text: the template it was begun from, the side that the
images say, and whether another patient's report says the same, word for word."""

import sqlalchemy as sa
from sqlalchemy.orm import Session

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.retrieve import example_of_series, series_keys
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.reading.content import Content, Exam, Patient
from dicomweb_server.reading.emission_tables import IssuanceRow
from dicomweb_server.reading.outbox import patient_key, text_digest
from dicomweb_server.reading.rule import Context
from dicomweb_server.reading.templates import referred_template
from storage.errors import NotFound
from storage.model import Scope


def context_of(
    session: Session, archive: Archive, content: Content, *, patient: Patient, exam: Exam
) -> Context:
    """For `check`."""
    template = referred_template(session, content.template)
    return Context(
        laterality=_laterality(archive, exam),
        defaults=template.sections if template else {},
        required=tuple((each.name, each.label) for each in template.fields if each.required)
        if template
        else (),
        elsewhere=_elsewhere(session, content, patient),
    )


def _elsewhere(session: Session, content: Content, patient: Patient) -> tuple[str, ...]:
    digest = text_digest(content.sections.get("findings", ""))
    if not digest:
        return ()
    found = session.scalars(
        sa.select(IssuanceRow.report_id)
        .where(IssuanceRow.findings_digest == digest, IssuanceRow.patient != patient_key(patient))
        .limit(1)
    )
    return tuple(found)


def _laterality(archive: Archive, exam: Exam) -> str:
    """L or R where all images that say a side say that one (0020,0060), (0020,0062)."""
    sides: set[str] = set()
    for study_uid in exam.study_uids:
        try:
            keys = series_keys(archive, Scope(study_uid))
        except NotFound:
            continue
        for key in keys:
            document = example_of_series(archive, key)
            if document:
                sides |= _sides(document)
    return sides.pop() if len(sides) == 1 else ""


def _sides(document: Json) -> set[str]:
    values = (document.get(key, {}).get("Value") or [""] for key in ("00200060", "00200062"))
    return {str(each[0]) for each in values} & {"L", "R"}
