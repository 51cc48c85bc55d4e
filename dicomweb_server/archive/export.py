"""Exporting: the files as they were received, bit for bit, in folders people find their way in.

With a DICOMDIR the names are those that DICOM media allow (PS3.10 §8.5: eight characters, capitals,
digits); without one they say what is inside.
"""

import hashlib
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import Act
from dicomweb_server.archive import edit
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.dicomdir import DicomDir
from dicomweb_server.archive.retrieve import InstanceFile, instances, unpack_metadata
from dicomweb_server.dicom.errors import DicomError
from storage.errors import Corrupt, NotFound, StorageError
from storage.model import Instance, Query, QueryLevel, Row, Scope, SeriesKey

PAGE = 200
"""Studies looked up at a time."""


@dataclass(slots=True)
class ExportReport:
    """`faults` are sentences, one for each instance that could not be written whole."""

    files: int = 0
    bytes_written: int = 0
    faults: list[str] = field(default_factory=list)


def export(
    archive: Archive,
    out: Path,
    *,
    studies: Sequence[str] = (),
    dicomdir: bool = False,
    received: bool = False,
    report: Callable[[ExportReport], None] = lambda report: None,
) -> ExportReport:
    """Writes the files of the studies, of all when none is named, below `out`.

    received  every instance as it was received last, also when it has been edited since

    Files that are there already are overwritten. Raises NotFound for a study that is not stored
    and FileExistsError when a DICOMDIR is to be written where there is one.
    """
    archive.permit(Act.EXPORT)
    directory = DicomDir() if dicomdir else None
    if directory is not None and (out / "DICOMDIR").exists():
        raise FileExistsError(f"{out / 'DICOMDIR'} exists: choose an empty directory")
    for study_uid in studies:
        archive.storage.index.series_of(study_uid)
    done = ExportReport()
    names = MediaNames() if directory is not None else PlainNames()
    for study_uid in studies or list(_all_studies(archive)):
        archive.note_now(Event("study.export", study_uid, detail={"form": "files"}))
        for row in series_rows(archive.own, study_uid):
            _export_series(
                archive.own,
                row,
                out,
                names=names,
                directory=directory,
                done=done,
                version_of=edit.received if received else _present,
            )
            report(done)
    if directory is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "DICOMDIR").write_bytes(directory.encode())
    return done


FORMS = ("print", "pdf", "png", "film")
"""In which pictures leave a page."""


def note_pictures(archive: Archive, study_uid: str, *, form: str, panes: int) -> None:
    """Writes down that pictures of a study are about to leave a page, printed or saved.

    Raises NotFound for a study that is not stored.
    """
    archive.permit(Act.EXPORT)
    archive.storage.index.series_of(study_uid)
    detail = {"form": form, "panes": panes}
    archive.note_now(Event("study.export", study_uid, detail=detail))


def _export_series(
    archive: Archive,
    row: Row,
    out: Path,
    *,
    names: "MediaNames | PlainNames",
    directory: DicomDir | None,
    done: ExportReport,
    version_of: Callable[[Archive, Instance], Instance],
) -> None:
    assert row.series is not None
    scope = Scope(row.study.study_uid, row.series.series_uid)
    metadata = metadata_by_uid(archive, scope) if directory is not None else {}
    for number, instance in enumerate(instances(archive, scope), 1):
        path = names.of(row, instance, number)
        try:
            version = version_of(archive, instance)
            _write(InstanceFile(archive, version), version, out.joinpath(*path))
            if directory is not None:
                directory.add(
                    metadata[instance.instance_uid],
                    file_id=path,
                    transfer_syntax_uid=instance.transfer_syntax_uid,
                )
        except (StorageError, DicomError) as error:
            done.faults.append(f"instance {instance.instance_uid}: {error}")
            continue
        done.files += 1
        done.bytes_written += instance.file_length


def _present(archive: Archive, instance: Instance) -> Instance:
    return instance


def _write(file: InstanceFile, instance: Instance, path: Path) -> None:
    """Under its name only when it is whole and hashes to what was received."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    try:
        with unfinished.open("wb") as stream:
            for part in _proved(file, instance):
                stream.write(part)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _proved(file: InstanceFile, instance: Instance) -> Iterator[bytes]:
    """The parts of a file. Raises Corrupt at the latest when they have ended, when one of them or
    all together do not hash to what was received."""
    hashed = not instance.known_by_parts
    whole, skeleton = hashlib.sha256(), hashlib.sha256()
    wrong = False
    for number, part in enumerate(file.parts()):
        if hashed:
            whole.update(part)
        # Pieces of the skeleton and contents take turns.
        if number % 2 == 0:
            skeleton.update(part)
        else:
            wrong |= hashlib.sha256(part).digest() != instance.blobs[number // 2]
        yield part
    wrong |= skeleton.digest() != instance.skeleton
    if wrong or (hashed and whole.digest() != instance.file_digest):
        raise Corrupt(f"instance {instance.instance_uid}", "is not what was received")


def _all_studies(archive: Archive) -> Iterator[str]:
    after: str | None = None
    while True:
        page = archive.storage.index.find(Query(QueryLevel.STUDY, limit=PAGE, after=after))
        yield from (row.study.study_uid for row in page.rows)
        if page.next is None:
            return
        after = page.next


def series_rows(archive: Archive, study_uid: str) -> Sequence[Row]:
    archive.permit(Act.SEARCH)
    rows = archive.storage.index.find(Query(QueryLevel.SERIES, study_uid=study_uid)).rows
    if not rows:
        raise NotFound("study", study_uid)
    return rows


def metadata_by_uid(archive: Archive, scope: Scope) -> dict[str, dict[str, Any]]:
    archive.permit(Act.VIEW)
    assert scope.series_uid is not None
    found = archive.storage.index.metadata(SeriesKey(scope.study_uid, scope.series_uid))
    return dict(zip(found.instance_uids, orjson.loads(unpack_metadata(found)), strict=True))


# ---------------------------------------------------------------------------- names


class MediaNames:
    """PATIENT/STUDY/SERIES/INSTANCE by number, as File IDs of DICOM media."""

    def __init__(self) -> None:
        self._numbers: dict[tuple[str, ...], dict[str, int]] = {}

    def of(self, row: Row, instance: Instance, number: int) -> tuple[str, ...]:
        patient = self._numbered((), "PT", _patient(orjson.loads(row.study.document)))
        study = self._numbered((patient,), "ST", row.study.study_uid)
        series = self._numbered((patient, study), "SE", instance.series_uid)
        return patient, study, series, f"IM{number:06d}"

    def _numbered(self, parent: tuple[str, ...], letters: str, key: str) -> str:
        numbers = self._numbers.setdefault(parent, {})
        return f"{letters}{numbers.setdefault(key, len(numbers) + 1):06d}"


class PlainNames:
    """Names from what the instances say of themselves, made unlike each other and harmless."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], dict[str, str]] = {}

    def of(self, row: Row, instance: Instance, number: int) -> tuple[str, ...]:
        assert row.series is not None
        study = orjson.loads(row.study.document)
        series = orjson.loads(row.series.document)
        patient = self._unlike((), _patient(study), f"{text(study, '00100020')} {_name(study)}")
        day = f"{text(study, '00080020')} {text(study, '00081030')}"
        study_name = self._unlike((patient,), instance.study_uid, day)
        place = text(series, "00200011").zfill(3)
        what = f"{place} {text(series, '00080060')} {text(series, '0008103E')}"
        series_name = self._unlike((patient, study_name), instance.series_uid, what)
        return patient, study_name, series_name, f"{number:05d}.dcm"

    def _unlike(self, parent: tuple[str, ...], key: str, wish: str) -> str:
        names = self._names.setdefault(parent, {})
        if key not in names:
            plain = harmless(wish)
            # File systems differ in what they take for the same name: capitals are not enough.
            taken = {name.casefold() for name in names.values()}
            choices = (plain if n == 1 else f"{plain} ({n})" for n in range(1, len(taken) + 2))
            names[key] = next(name for name in choices if name.casefold() not in taken)
        return names[key]


def harmless(wish: str) -> str:
    """A file name of any system: no separators, no control characters, no leading point."""
    plain = unicodedata.normalize("NFC", wish)
    kept = "".join(
        "_" if c in '<>:"/\\|?*^' or unicodedata.category(c)[0] == "C" else c for c in plain
    )
    return " ".join(kept.split()).strip(" .")[:60].strip(" .") or "unnamed"


def _patient(study: dict[str, Any]) -> str:
    return text(study, "00100020") or f"name {_name(study)}"


def _name(study: dict[str, Any]) -> str:
    groups = (study.get("00100010", {}).get("Value") or [{}])[0] or {}
    return str(groups.get("Alphabetic") or groups.get("Ideographic") or "")


def text(document: dict[str, Any], tag: str) -> str:
    """The first value of an attribute of a DICOM JSON object; "" when there is none."""
    values = document.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0])
