"""Editing without loss: wrong patients and studies put right, whatever was received still there.

An edit gives each instance of a study a new version: a new header, the same frames; the version
before stays and can be had. One study is edited in one transaction: no reader and no crash ever
sees half of it. An edit that was killed has not happened; asked for again it goes on with what is
left, since what says the right thing already is passed over.

    correct         attributes of patient and study
    merge_patients  every study of one Patient ID becomes one of another
    split_series    a series goes to another study, which may be new
    undo            what an edit changed is as it was before

Series and SOP Instance UIDs are kept: it is the same image of the same patient, PS3.4 §B.4.1.3 has
an SCP change such attributes, references to it from reports and presentation states go on being
right, and a sender who sends it again is told that it is stored. What was changed, by whom and why,
stands in Original Attributes Sequence (PS3.3 §C.12.1.1.9) of every instance and in the log.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import orjson
from pydicom.config import RAISE
from pydicom.valuerep import validate_value

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import Act
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.reindex import filled, study_row
from dicomweb_server.archive.retrieve import InstanceFile
from dicomweb_server.dicom.attributes import STUDY, key_named, key_of, vr_of
from dicomweb_server.dicom.describe import Description, describe
from dicomweb_server.dicom.editing import edited
from dicomweb_server.dicom.errors import BadEdit
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.original import COERCE, CORRECT
from dicomweb_server.dicom.pinyin import component_groups
from dicomweb_server.dicom.source import Part, PiecedSource, Source, piece_length
from dicomweb_server.dicom.uids import is_uid, new_uid
from storage.errors import Conflict, NotFound
from storage.model import (
    Digest,
    Form,
    Instance,
    InstanceFacts,
    Landed,
    Level,
    OneOf,
    Place,
    Query,
    QueryLevel,
    RevisedSeries,
    Revision,
    SeriesKey,
    parts_digest,
)

ATTEMPTS = 8
"""Times an edit is worked out anew because the study changed meanwhile."""

PATIENT = tuple(
    key_of(keyword)
    for keyword in (
        "PatientName",
        "PatientID",
        "IssuerOfPatientID",
        "PatientBirthDate",
        "PatientBirthTime",
        "PatientSex",
        "OtherPatientIDsSequence",
        "EthnicGroup",
        "PatientComments",
    )
)
"""What a study takes from the patient it is merged into."""

NAMING = (
    *PATIENT[:6],
    *(
        key_of(keyword)
        for keyword in (
            "StudyDate",
            "StudyTime",
            "AccessionNumber",
            "ReferringPhysicianName",
            "StudyDescription",
            "StudyID",
        )
    ),
)
"""What patient and study are told from others by: where a study does not say it, what is moved into
it does not either."""

STUDY_UID = "0020000D"
EDITABLE = frozenset(STUDY) - {STUDY_UID}
"""Attributes of patient and study (attributes.py); those of series and images are facts of the
acquisition."""


@dataclass(frozen=True, slots=True)
class Why:
    """Who edits, and why.

    reason   CORRECT or COERCE: Reason for the Attribute Modification (0400,0565)
    """

    by: str = ""
    comment: str = ""
    reason: str = CORRECT


@dataclass(frozen=True, slots=True)
class Edit:
    """One entry of the log: what was done to one study, in one transaction.

    id          sorts by time
    kind        correct, merge, split or undo
    study_uid   the study that was edited, before
    attributes  the elements that were given
    series      those that were moved, in a split
    into        Study Instance UID or Patient ID that something was moved to
    undoes      the edit that this one undid
    instances   that have a new version
    """

    id: str
    kind: str
    at: str
    study_uid: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    series: tuple[str, ...] = ()
    into: str = ""
    undoes: str = ""
    by: str = ""
    comment: str = ""
    reason: str = CORRECT
    instances: int = 0

    def text(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def of(cls, text: bytes) -> "Edit":
        said = orjson.loads(text)
        return cls(**{**said, "series": tuple(said["series"])})


# ---------------------------------------------------------------------------- the verbs


def correct(
    archive: Archive, study_uid: str, attributes: Mapping[str, Any], why: Why
) -> Edit | None:
    """Gives a study these attributes of patient and study (`elements_of`); None when it has them.

    Raises NotFound, BadEdit and, when the study never rests, Conflict.
    """
    archive.permit(Act.EDIT)
    elements = elements_of(attributes)
    if not elements:
        raise BadEdit("attributes", "names nothing to change")
    edit = _begun("correct", study_uid, why, attributes=elements)
    return _noted(archive, _edit_study(archive.own, edit, elements))


def merge_patients(archive: Archive, from_id: str, into_id: str, why: Why) -> list[Edit]:
    """Gives every study of Patient ID `from_id` the patient of `into_id`, one after the other: a
    merge that was killed goes on when it is asked for again. Raises as `correct`."""
    archive.permit(Act.EDIT)
    if from_id == into_id:
        raise BadEdit("into", "is the patient that is to be merged")
    patient = _patient(archive.own, into_id)
    done = []
    for study_uid in _studies_of(archive, from_id):
        edit = _begun("merge", study_uid, why, attributes=patient, into=into_id)
        if (one := _noted(archive, _edit_study(archive.own, edit, patient))) is not None:
            done.append(one)
    if not done:
        raise NotFound("patient", from_id)
    return done


def split_series(
    archive: Archive,
    key: SeriesKey,
    *,
    into: str | None,
    attributes: Mapping[str, Any],
    why: Why,
) -> Edit | None:
    """Moves a series to study `into`, None for a new one. In a study that is stored the series
    takes its patient and study attributes; those given here go before them. Raises as `correct`."""
    archive.permit(Act.EDIT)
    target = into or new_uid()
    if not is_uid(target):
        raise BadEdit("into", f"is {target[:80]!r}, which is no UID")
    if target == key.study_uid:
        raise BadEdit("into", "is the study that the series is in")
    elements = elements_of(attributes)
    try:
        document = orjson.loads(study_row(archive.own, target).study.document)
        stored = {key: document.get(key) or {"vr": vr_of(key)} for key in NAMING}
        stored |= {key: element for key, element in document.items() if key in EDITABLE}
    except NotFound:
        stored = {}
    elements = {**stored, **elements, STUDY_UID: {"vr": "UI", "Value": [target]}}
    edit = _begun(
        "split", key.study_uid, why, attributes=elements, series=(key.series_uid,), into=target
    )
    done = _edit_study(archive.own, edit, elements, only=key.series_uid, target=target)
    return _noted(archive, done)


def undo(archive: Archive, edit_id: str, why: Why) -> Edit:
    """Puts back what was before an edit; the edited versions stay as earlier ones. Raises NotFound,
    and Conflict when something was edited again since: that is to be undone first."""
    archive.permit(Act.EDIT)
    undone = find(archive, edit_id)
    if undone.kind == "undo":
        raise BadEdit("edit", "is an undo: edit again instead")
    study_uid = undone.into if undone.kind == "split" else undone.study_uid
    edit = replace(_begun("undo", study_uid, why, into=undone.study_uid), undoes=edit_id)
    for _ in range(ATTEMPTS):
        if (done := _undone_once(archive.own, undone, edit, study_uid)) is not None:
            _noted(archive, done)
            return done
    raise Conflict("study", f"{study_uid} changes faster than it can be edited")


def find(archive: Archive, edit_id: str) -> Edit:
    """One entry of the log. Raises NotFound."""
    archive.permit(Act.EDIT)
    # The name just before it: the last letter one less, and everything behind that.
    before = edit_id[:-1] + chr(ord(edit_id[-1]) - 1) + "\U0010ffff" if edit_id else ""
    for name, text in archive.storage.index.notes(after=before, limit=2):
        if name == edit_id:
            return Edit.of(text)
    raise NotFound("edit", edit_id)


def edits(archive: Archive, *, after: str = "", limit: int = 1000) -> list[Edit]:
    """The log, oldest first, behind the edit `after`."""
    archive.permit(Act.EDIT)
    return [Edit.of(text) for _, text in archive.storage.index.notes(after=after, limit=limit)]


def elements_of(attributes: Mapping[str, Any]) -> Json:
    """Attributes as DICOM JSON: by keyword or tag; a value is a text, a number, a list of them, a
    DICOM JSON element, or None for no value. Raises BadEdit."""
    elements: Json = {}
    for name, value in attributes.items():
        key = _key(name)
        vr = vr_of(key)
        if isinstance(value, dict) and "vr" in value:
            if value["vr"] != vr:
                raise BadEdit(name, f"is {vr}, not {str(value['vr'])[:20]}")
            if vr != "SQ":
                _check(name, vr, value.get("Value", []))
            elements[key] = value
        elif value is None or value == "":
            elements[key] = {"vr": vr}
        elif vr == "SQ":
            raise BadEdit(name, "is a sequence: give it as a DICOM JSON element")
        else:
            values = value if isinstance(value, list) else [value]
            _check(name, vr, values)
            if vr == "PN":
                values = [_name(each) if isinstance(each, str) else each for each in values]
                _check(name, vr, values)  # a name has more letters than it has characters
            elements[key] = {"vr": vr, "Value": values}
    return dict(sorted(elements.items()))


def _key(name: str) -> str:
    try:
        key = key_named(name)
    except KeyError:
        raise BadEdit(name, "is neither a keyword of PS3.6 nor a tag of 8 hex digits") from None
    if key not in EDITABLE:
        raise BadEdit(name, "is no attribute of patient or study that can be edited")
    return key


def _check(name: str, vr: str, values: Any) -> None:
    """Whether values are such as PS3.5 §6.2 lets them be, the length of each among it: what is put
    right must not be wrong. What is none of the VR at all is refused where it is written."""
    for value in values if isinstance(values, list) else []:
        if isinstance(value, dict):
            _check(name, vr, list(value.values()))
        try:
            if isinstance(value, str):
                validate_value(vr, value, RAISE)
        except ValueError as error:
            raise BadEdit(name, f"cannot be {value[:80]!r}: {error}") from None


def _name(text: str) -> dict[str, str]:
    """A name in one text, as of an order: a Chinese one gets letters (ING-02)."""
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), component_groups(text), strict=False)
    return {group: part for group, part in groups if part}


# ---------------------------------------------------------------------------- one study


def _noted(archive: Archive, done: Edit | None) -> Edit | None:
    """The same, in the audit when something was edited."""
    if done is not None:
        detail = {"edit": done.id, "instances": done.instances}
        archive.note_now(Event(f"study.{done.kind}", done.study_uid, detail=detail))
    return done


def _begun(
    kind: str,
    study_uid: str,
    why: Why,
    *,
    attributes: Mapping[str, Any] | None = None,
    series: tuple[str, ...] = (),
    into: str = "",
) -> Edit:
    if why.reason not in (CORRECT, COERCE):
        raise BadEdit("reason", f"is {why.reason[:40]!r}, it must be {CORRECT} or {COERCE}")
    now = time.time_ns() // 1000
    return Edit(
        id=f"{now:014x}{secrets.token_hex(3)}",
        kind=kind,
        at=datetime.fromtimestamp(now / 1e6, UTC).isoformat(timespec="microseconds"),
        study_uid=study_uid,
        attributes=attributes or {},
        series=series,
        into=into,
        by=why.by,
        comment=why.comment,
        reason=why.reason,
    )


def _edit_study(
    archive: Archive,
    edit: Edit,
    elements: Json,
    *,
    only: str | None = None,
    target: str | None = None,
) -> Edit | None:
    """Edits all instances of the study, or those of the one series, in one transaction; None when
    there is nothing to edit."""

    def changed(instance: Instance, file: InstanceFile) -> Source | None:
        return edited(
            file,
            elements,
            reason=edit.reason,
            at=datetime.fromisoformat(edit.at),
            limits=archive.limits_of_stored,
        )

    for _ in range(ATTEMPTS):
        # From the first append to the transaction nobody gives up the packs in between.
        with archive.storage.blobs.pending():
            done = _edited_once(archive, edit, changed, only=only, target=target)
        if done is not None:
            return done if done.instances else None
    raise Conflict("study", f"{edit.study_uid} changes faster than it can be edited")


def _edited_once(
    archive: Archive,
    edit: Edit,
    changed: Callable[[Instance, InstanceFile], Source | None],
    *,
    only: str | None,
    target: str | None,
) -> Edit | None:
    """None when the study has changed meanwhile."""
    index = archive.storage.index
    version = study_row(archive, edit.study_uid).study.version
    keys = [key for key in index.series_of(edit.study_uid) if only in (None, key.series_uid)]
    if not keys:
        raise NotFound("series", only or edit.study_uid)
    series: list[RevisedSeries] = []
    said: list[tuple[int, Level]] = []
    instances = 0
    for key in keys:
        manifest = index.manifest(key)
        landed: list[Landed] = []
        for instance in manifest.instances:
            file = InstanceFile(archive, instance)
            new = changed(instance, file)
            if new is None:
                landed.append(_as_it_is(archive, instance, file))
            else:
                landed.append(_landed(archive, instance, new, edit.id))
                instances += 1
        said += [(one.facts.instance.received_us, one.facts.study_level) for one in landed]
        revised = _revised(key, manifest.version, landed)
        series.append(revised)
    done = replace(edit, instances=instances)
    if not instances:
        return done
    level: Level | None = filled(said)
    into = target or edit.study_uid
    if target is not None and _stored_study(archive, target):
        # What is there already speaks for the study; the series was made to say the same.
        level = None
    revision = Revision(
        into,
        None if target is not None else version,
        level,
        tuple(series),
        {edit.id: done.text()},
    )
    return done if index.revise(revision) else None


def _undone_once(archive: Archive, undone: Edit, edit: Edit, study_uid: str) -> Edit | None:
    index = archive.storage.index
    keys = [
        key
        for key in index.series_of(study_uid)
        if not undone.series or key.series_uid in undone.series
    ]
    series: list[RevisedSeries] = []
    said: list[tuple[int, Level]] = []
    instances = 0
    for key in keys:
        manifest = index.manifest(key)
        landed = []
        for instance in manifest.instances:
            history = [*index.versions(instance.instance_uid), instance]
            made = [number for number, one in enumerate(history) if one.edit == undone.id]
            before = instance
            if instance.edit == undone.id:
                # What was there when the edit was made, whatever was made and undone since.
                before = history[made[0] - 1]
                instances += 1
            elif made:
                raise Conflict(
                    "edit",
                    f"{undone.id} is undone already, or another followed it "
                    f"(instance {instance.instance_uid})",
                )
            landed.append(_as_it_is(archive, before, InstanceFile(archive, before)))
        said += [(one.facts.instance.received_us, one.facts.study_level) for one in landed]
        series.append(_revised(key, manifest.version, landed))
    if not instances:
        raise Conflict("edit", f"{undone.id} is undone already")
    done = replace(edit, instances=instances)
    into = undone.study_uid
    moved = into != study_uid
    version = None if moved else study_row(archive, study_uid).study.version
    level = None if moved and _stored_study(archive, into) else filled(said)
    notes = {edit.id: done.text()}
    return done if index.revise(Revision(into, version, level, tuple(series), notes)) else None


def _stored_study(archive: Archive, study_uid: str) -> bool:
    try:
        study_row(archive, study_uid)
    except NotFound:
        return False
    return True


def _revised(key: SeriesKey, version: int, landed: Sequence[Landed]) -> RevisedSeries:
    said = [(one.facts.instance.received_us, one.facts.series_level) for one in landed]
    return RevisedSeries(key, version, filled(said), tuple(landed))


def _as_it_is(archive: Archive, instance: Instance, file: Source) -> Landed:
    """A stored version as the present one: its contents are kept already."""
    description = describe(file, limits=archive.limits_of_stored, attributes=archive.attributes)
    return Landed(_facts(instance, description), {})


def _landed(archive: Archive, instance: Instance, new: Source, edit_id: str) -> Landed:
    """The edited instance: the header appended, everything else by the digest it has."""
    assert isinstance(new, PiecedSource)
    description = describe(new, limits=archive.limits_of_stored, attributes=archive.attributes)
    skeleton = Digest(hashlib.sha256(description.skeleton).digest())
    known = _digests_by_place(archive, instance, new)
    places: dict[Digest, Place] = {}
    blobs: list[Digest] = []
    for content in description.contents:
        extent = content.extent
        digest = known.get((extent.offset, extent.length)) if not content.inflated else None
        if digest is None:
            value = new.read_at(extent.offset, extent.length)
            digest = Digest(hashlib.sha256(value).digest())
            if not archive.storage.index.known((digest,)):
                places[digest] = archive.storage.blobs.append(
                    digest, value, form=Form.RAW, content_length=len(value)
                )
        blobs.append(digest)
    if not archive.storage.index.known((skeleton,)):
        places[skeleton] = archive.storage.blobs.append(
            skeleton,
            description.skeleton,
            form=Form.RAW,
            content_length=len(description.skeleton),
        )
    digest = parts_digest(skeleton, description.holes, blobs)
    made = replace(
        instance,
        study_uid=description.study_uid,
        series_uid=description.series_uid,
        transfer_syntax_uid=description.transfer_syntax_uid,
        number=description.number,
        file_digest=digest,
        dataset_digest=digest,
        file_length=new.length,
        skeleton=skeleton,
        blobs=tuple(blobs),
        holes=description.holes,
        frames=description.frames,
        pixels=description.pixels,
        edit=edit_id,
    )
    return Landed(_facts(made, description), places)


def _digests_by_place(
    archive: Archive, instance: Instance, new: PiecedSource
) -> dict[tuple[int, int], Digest]:
    """Where in the new file the contents of the old one lie whole: (offset, length) -> digest."""
    lengths = [
        place.content_length
        for place in archive.storage.index.places(instance.blobs[: len(instance.holes)])
    ]
    contents: list[tuple[int, int, Digest]] = []
    before = 0
    for hole, length, digest in zip(instance.holes, lengths, instance.blobs, strict=False):
        contents.append((hole + before, length, digest))
        before += length
    found: dict[tuple[int, int], Digest] = {}
    at = 0
    for piece in new.pieces:
        if isinstance(piece, Part) and isinstance(piece.source, InstanceFile):
            for start, length, digest in contents:
                if piece.offset <= start and start + length <= piece.offset + piece.length:
                    found[at + start - piece.offset, length] = digest
        at += piece_length(piece)
    return found


def _facts(instance: Instance, description: Description) -> InstanceFacts:
    return InstanceFacts(
        instance=instance,
        study_level=description.study_level,
        series_level=description.series_level,
        instance_level=description.instance_level,
        rollup=description.rollup,
        metadata=description.metadata,
    )


# ---------------------------------------------------------------------------- patients


def _studies_of(archive: Archive, patient_id: str) -> list[str]:
    query = Query(QueryLevel.STUDY, (OneOf(QueryLevel.STUDY, key_of("PatientID"), (patient_id,)),))
    return [row.study.study_uid for row in archive.storage.index.find(query).rows]


def _patient(archive: Archive, patient_id: str) -> Json:
    """The patient as the newest study of that Patient ID says. Raises NotFound."""
    studies = _studies_of(archive, patient_id)
    if not studies:
        raise NotFound("patient", patient_id)
    document = orjson.loads(study_row(archive, studies[0]).study.document)
    return {
        key: document.get(key) or {"vr": vr_of(key)}
        for key in PATIENT
        if key in document or key in NAMING
    }


# ---------------------------------------------------------------------------- versions


def versions(archive: Archive, instance_uid: str) -> list[Instance]:
    """Every version of an instance, oldest first, the present one last. Raises NotFound."""
    archive.permit(Act.VIEW)
    present = archive.storage.index.instance(instance_uid)
    if present is None:
        raise NotFound("instance", instance_uid)
    return [*archive.storage.index.versions(instance_uid), present]


def received(archive: Archive, instance: Instance) -> Instance:
    """The version that was received last: the instance itself unless it was edited."""
    archive.permit(Act.VIEW)
    for version in reversed(versions(archive, instance.instance_uid)):
        if not version.edit:
            return version
    raise AssertionError(f"{instance.instance_uid} was never received")
