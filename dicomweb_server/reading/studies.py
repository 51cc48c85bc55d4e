"""What the archive and the order say of a study: whom it shows, what was done, who wanted it."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dicomweb_server.archive import orders
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import Desk
from dicomweb_server.archive.orders import Order, first, first_item
from dicomweb_server.archive.retrieve import example_of_series, series_keys
from dicomweb_server.dicom.ages import age_on
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.reading.content import Patient
from storage.errors import NotFound
from storage.model import Scope

NOT_READ = frozenset({"SR", "DOC", "KO", "PR", "REG", "AU", "PLAN", "RTSTRUCT", "SEG", "HC"})
"""Modalities of series that are no images: an exam is not made by them."""

_URGENT = ("stat", "urgent")


@dataclass(frozen=True, slots=True)
class StudyFacts:
    """What is known of a study now. `issuer` is the accession number's; `performed` is its date and
    time as DICOM writes them, YYYYMMDD or YYYYMMDDHHMMSS."""

    study_uid: str
    patient: Patient
    accession: str
    issuer: str
    modalities: tuple[str, ...]
    body_part: str
    description: str
    performed: str
    institution: str
    requesting_service: str = ""
    requesting_physician: str = ""
    reason: str = ""
    urgent: bool = False


def study_facts(archive: Archive, desk: Desk, study_uid: str) -> StudyFacts | None:
    """None when the study has no images, or is not stored."""
    try:
        keys = series_keys(archive, Scope(study_uid))
    except NotFound:
        return None
    documents = [
        document
        for key in keys
        if (document := example_of_series(archive, key)) and _modality(document) not in NOT_READ
    ]
    if not documents:
        return None
    document = documents[0]
    order = order_of(desk, study_uid=study_uid, accession=first(document, "00080050"))
    wish = order.wish if order is not None else {}
    date, time = first(document, "00080020"), first(document, "00080030").partition(".")[0]
    return StudyFacts(
        study_uid,
        _patient(document),
        accession=first(document, "00080050"),
        issuer=_issuer(first_item(document, "00080051")),
        modalities=tuple(dict.fromkeys(filter(None, map(_modality, documents)))),
        body_part=next(filter(None, (first(each, "00180015") for each in documents)), ""),
        description=first(document, "00081030"),
        performed=date + time if date else "",
        institution=first(document, "00080080"),
        requesting_service=wish.get("requesting_service") or first(document, "00321033"),
        requesting_physician=wish.get("requesting_physician") or _name(document, "00321032"),
        reason=wish.get("reason") or first(document, "00401002"),
        urgent=wish.get("priority") in _URGENT,
    )


def images_changed_at(archive: Archive, study_uids: Iterable[str]) -> datetime | None:
    """When the last image of these studies was stored, replaced, edited, or deleted from a series
    that is still there; None when there are no images. What is said of images (reports,
    measurements, key images: NOT_READ) does not count."""
    index, last = archive.storage.index, 0
    for study_uid in study_uids:
        try:
            keys = series_keys(archive, Scope(study_uid))
            for key in keys:
                document = example_of_series(archive, key)
                if document and _modality(document) not in NOT_READ:
                    # The version of a series is the number of its last change.
                    last = max(last, index.version_of(key))
        except NotFound:
            continue
    if not last:
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(
        microseconds=index.changes(after=last - 1, limit=1)[0].at_us
    )


def order_of(desk: Desk, *, study_uid: str, accession: str) -> Order | None:
    """The order of a study: by its UID, else by an accession number that one order has."""
    found = orders.find(desk, study_uid=study_uid)
    if not found and accession:
        found = orders.find(desk, accession=accession)
    return found[0] if len(found) == 1 else None


def _modality(document: Json) -> str:
    return first(document, "00080060")


def _patient(document: Json) -> Patient:
    names = document.get("00100010", {}).get("Value") or [{}]
    name = names[0] if isinstance(names[0], dict) else {}
    birth_date, study_date = first(document, "00100030"), first(document, "00080020")
    return Patient(
        patient_id=first(document, "00100020"),
        issuer=first(document, "00100021"),
        name=str(name.get("Alphabetic", "")),
        ideographic=str(name.get("Ideographic", "")),
        birth_date=birth_date,
        sex=first(document, "00100040"),
        # REP-15: "age computed at exam date" where the modality says none.
        age=first(document, "00101010") or age_on(birth_date, study_date),
        visit=first(document, "00380010"),
    )


def _name(document: Json, key: str) -> str:
    values = document.get(key, {}).get("Value") or [{}]
    name = values[0] if isinstance(values[0], dict) else {}
    return str(name.get("Ideographic") or name.get("Alphabetic") or "")


def _issuer(item: Json) -> str:
    """Of Issuer of Accession Number Sequence (0008,0051): the local or the universal entity."""
    return first(item, "00400031") or first(item, "00400032")


def facts_key(facts: StudyFacts) -> str:
    """What makes studies one exam: an accession number of one issuer for one patient, else the
    study itself. Numbers of issuers that are not named may collide, and patients must not."""
    if not facts.accession:
        return json.dumps(["study", facts.study_uid])
    patient = facts.patient
    return json.dumps(
        ["accession", facts.issuer, facts.accession, patient.patient_id, patient.issuer]
    )
