"""An issued version as a DICOM structured report: TID 2000 in an Enhanced SR.

PS3.3 §A.35.2, §C.17; PS3.16 TID 2000 to 2002, 1001 to 1003, 1204, 1400 to 1404, 320. Enhanced SR is
enough: its measurements and images are where they are inferred from, and nothing is referred to by
its place in the tree, which only Comprehensive SR can. TID 2000 may not be extended: what it has no
row for (a measurement's tracking UID, a signature's value) stays in the version's own records.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dicomweb_server.dicom.json_model import Json
from dicomweb_server.reading import sr_codes
from dicomweb_server.reading.content import (
    SECTIONS,
    ImageReference,
    IssuedVersion,
    MeasurementReference,
    Signature,
)
from dicomweb_server.reading.document_headers import (
    Code,
    Study,
    attributes,
    date_time,
    header,
    in_words,
    person,
    written,
)

ENHANCED_SR = "1.2.840.10008.5.1.4.1.1.88.22"
SERIES_NUMBER = 9001
LICENCES = "99LICENCE"
"""Coding scheme of the licences by which signers are identified."""


@dataclass(frozen=True, slots=True)
class Reference:
    """An object that is referred to by where it lies."""

    study_uid: str
    series_uid: str
    sop_class_uid: str
    instance_uid: str


def structured_report(
    issued: IssuedVersion,
    *,
    instance_uid: str,
    series_uid: str,
    study_uid: str,
    study: Study,
    predecessor: Reference | None = None,
    identical: Sequence[Reference] = (),
    labels: dict[str, str] | None = None,
) -> bytes:
    """A Part 10 file, the same for the same arguments. Raises Unwritable.

    predecessor  the structured report of the version that this one replaces
    identical    the same report in other studies
    labels       of the structured fields, by their names
    """
    at = issued.issued_at.astimezone()
    document = header(
        issued,
        study,
        sop_class_uid=ENHANCED_SR,
        instance_uid=instance_uid,
        series_uid=series_uid,
        study_uid=study_uid,
        modality="SR",
        series_number=SERIES_NUMBER,
        series_description="Report",
        zone_at=at,
    )
    document |= _document_general(issued, predecessor, identical, study_uid)
    document |= attributes(
        ValueType="CONTAINER",
        ConceptNameCodeSequence=sr_codes.title(issued.exam),
        ContinuityOfContent="SEPARATE",
        ContentTemplateSequence=[
            attributes(
                MappingResource="DCMR",
                MappingResourceUID="1.2.840.10008.8.1.1",
                TemplateIdentifier="2000",
            )
        ],
        ContentSequence=list(_tree(issued, labels or {})),
    )
    return written(document)


# --- the document (PS3.3 §C.17.2) -----------------------------------------------------------------


def _document_general(
    issued: IssuedVersion,
    predecessor: Reference | None,
    identical: Sequence[Reference],
    study_uid: str,
) -> Json:
    preliminary = issued.kind == "preliminary"
    evidence, other = _evidence(issued)
    exam = issued.exam
    return attributes(
        CompletionFlag="PARTIAL" if preliminary else "COMPLETE",
        CompletionFlagDescription=_described(issued),
        VerificationFlag="UNVERIFIED" if preliminary else "VERIFIED",
        PreliminaryFlag="PRELIMINARY" if preliminary else "FINAL",
        VerifyingObserverSequence=None
        if preliminary
        else [_verifying(issued, each) for each in issued.signatures],
        AuthorObserverSequence=[
            attributes(
                ObserverType="PSN",
                PersonName=person(issued.author),
                PersonIdentificationCodeSequence=(),
                InstitutionName=exam.institution,
                InstitutionCodeSequence=(),
            )
        ],
        CodingSchemeIdentificationSequence=[
            attributes(
                CodingSchemeDesignator=LICENCES,
                CodingSchemeName="Licences of physicians, as the institution registers them",
            )
        ],
        ReferencedRequestSequence=[
            attributes(
                StudyInstanceUID=study_uid,
                ReferencedStudySequence=(),
                AccessionNumber=exam.accession,
                PlacerOrderNumberImagingServiceRequest="",
                FillerOrderNumberImagingServiceRequest="",
                RequestedProcedureID="",
                RequestedProcedureDescription=exam.description,
                RequestedProcedureCodeSequence=(),
                ReasonForTheRequestedProcedure=exam.reason or None,
            )
        ],
        PerformedProcedureCodeSequence=(),
        CurrentRequestedProcedureEvidenceSequence=evidence or None,
        PertinentOtherEvidenceSequence=other or None,
        PredecessorDocumentsSequence=referred([predecessor]) if predecessor else None,
        IdenticalDocumentsSequence=referred(identical) if identical else None,
    )


def _described(issued: IssuedVersion) -> str | None:
    """Completion Flag Description: what kind of version it is, unless the first."""
    return None if issued.kind == "original" else f"{issued.kind}, version {issued.version}"


def _verifying(issued: IssuedVersion, signature: Signature) -> Json:
    licence = Code(signature.licence, LICENCES, f"{signature.name}, {signature.role}")
    return attributes(
        VerifyingObserverName=person(signature.name),
        VerifyingObserverIdentificationCodeSequence=licence if signature.licence else (),
        VerifyingOrganization=issued.exam.institution or "unknown",
        VerificationDateTime=date_time(signature.signed_at.astimezone()),
    )


def _evidence(issued: IssuedVersion) -> tuple[list[Json], list[Json]]:
    """The images that are referred to: those of the studies reported on, and others."""
    images = [*issued.content.key_images]
    images += [each.image for each in issued.content.measurements if each.image is not None]
    references = [
        Reference(each.study_uid, each.series_uid, each.sop_class_uid, each.instance_uid)
        for each in images
    ]
    own = [each for each in references if each.study_uid in issued.exam.study_uids]
    return referred(own), referred([each for each in references if each not in own])


def referred(references: Iterable[Reference]) -> list[Json]:
    """Hierarchical SOP Instance Reference macro (PS3.3 Table C.17-3), each instance once."""
    studies: dict[str, dict[str, dict[str, str]]] = {}
    for each in references:
        series = studies.setdefault(each.study_uid, {})
        series.setdefault(each.series_uid, {})[each.instance_uid] = each.sop_class_uid
    return [
        attributes(
            StudyInstanceUID=study_uid,
            ReferencedSeriesSequence=[
                attributes(
                    SeriesInstanceUID=series_uid,
                    ReferencedSOPSequence=[
                        attributes(
                            ReferencedSOPClassUID=sop_class_uid,
                            ReferencedSOPInstanceUID=instance_uid,
                        )
                        for instance_uid, sop_class_uid in instances.items()
                    ],
                )
                for series_uid, instances in series.items()
            ],
        )
        for study_uid, series in studies.items()
    ]


# --- the tree (TID 2000) --------------------------------------------------------------------------

_CONTAINS = "CONTAINS"
_INFERRED = "INFERRED FROM"


def _tree(issued: IssuedVersion, labels: dict[str, str]) -> Iterable[Json]:
    content, exam = issued.content, issued.exam
    if (device := sr_codes.modality(exam.modality)) is not None:
        yield _code("HAS CONCEPT MOD", sr_codes.DEVICE_TYPE, device)
    yield _code("HAS CONCEPT MOD", sr_codes.LANGUAGE, sr_codes.language(content.language))
    yield from _observer(issued)
    if exam.reason:
        yield _section(sr_codes.REQUEST, [_text(sr_codes.REQUEST, exam.reason)])
    for code in SECTIONS:
        heading, element = sr_codes.SECTIONS[code]
        items = []
        if code == "addendum" and issued.reason:
            items.append(_text(sr_codes.COMMENT, issued.reason))
        if text := content.sections.get(code, "").strip():
            items.append(_text(element, text))
        if code == "findings":
            items += [
                _text(element, f"{labels.get(name, name)}: {field_text(value)}")
                for name, value in content.fields.items()
                if field_text(value)
            ]
            items += [_measured(each) for each in content.measurements]
        if items:
            yield _section(heading, items)
    if content.key_images:
        yield _section(sr_codes.KEY_IMAGES, [_key_image(each) for each in content.key_images])


def field_text(value: object) -> str:
    """A structured field's value as it is read."""
    if isinstance(value, list | tuple):
        return "、".join(map(str, value))
    if isinstance(value, bool):
        return "+" if value else "−"
    return "" if value is None else str(value)


def _observer(issued: IssuedVersion) -> Iterable[Json]:
    """TID 1002 and 1003: who wrote it."""
    yield _code("HAS OBS CONTEXT", sr_codes.OBSERVER_TYPE, sr_codes.PERSON)
    yield _item("HAS OBS CONTEXT", "PNAME", sr_codes.OBSERVER_NAME) | attributes(
        PersonName=person(issued.author)
    )
    if issued.exam.institution:
        yield _item("HAS OBS CONTEXT", "TEXT", sr_codes.OBSERVER_ORGANIZATION) | attributes(
            TextValue=issued.exam.institution
        )


def _key_image(image: ImageReference) -> Json:
    """An image, or what is to be seen in it, inferred from it."""
    if not image.note.strip():
        return _image(_CONTAINS, sr_codes.BEST_ILLUSTRATION, image)
    shown = _image(_INFERRED, sr_codes.BEST_ILLUSTRATION, image)
    return _text(sr_codes.FINDING, image.note) | attributes(ContentSequence=[shown])


def _measured(measurement: MeasurementReference) -> Json:
    """TID 1400 to 1404; where the measurement has a name, that is what is inferred from it."""
    number = attributes(
        RelationshipType=_INFERRED if measurement.label.strip() else _CONTAINS,
        ValueType="NUM",
        ConceptNameCodeSequence=sr_codes.measurement(measurement.kind),
        MeasuredValueSequence=[
            attributes(
                NumericValue=measurement.value,
                MeasurementUnitsCodeSequence=sr_codes.unit(measurement.unit),
            )
        ],
    )
    if measurement.image is not None:
        source = _image(_INFERRED, sr_codes.SOURCE_OF_MEASUREMENT, measurement.image)
        number |= attributes(ContentSequence=[source])
    if not measurement.label.strip():
        return number
    return _text(sr_codes.FINDING, measurement.label) | attributes(ContentSequence=[number])


def _section(heading: Code, items: Sequence[Json]) -> Json:
    return _item(_CONTAINS, "CONTAINER", heading) | attributes(
        ContinuityOfContent="SEPARATE", ContentSequence=list(items)
    )


def _image(relation: str, purpose: Code, image: ImageReference) -> Json:
    return _item(relation, "IMAGE", purpose) | attributes(
        ReferencedSOPSequence=[
            attributes(
                ReferencedSOPClassUID=image.sop_class_uid,
                ReferencedSOPInstanceUID=image.instance_uid,
                ReferencedFrameNumber=_frame(image),
            )
        ]
    )


def _frame(image: ImageReference) -> int | None:
    """PS3.3 Table 10-3: only said of images that have several."""
    return None if image.sop_class_uid in sr_codes.SINGLE_FRAME else image.frame_number or None


def _code(relation: str, concept: Code, value: Code) -> Json:
    return _item(relation, "CODE", concept) | attributes(ConceptCodeSequence=value)


def _text(concept: Code, text: str) -> Json:
    return _item(_CONTAINS, "TEXT", concept) | attributes(TextValue=in_words(text))


def _item(relation: str, value_type: str, concept: Code) -> Json:
    return attributes(
        RelationshipType=relation, ValueType=value_type, ConceptNameCodeSequence=concept
    )
