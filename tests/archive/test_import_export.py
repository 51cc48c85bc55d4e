"""Importing and exporting: what goes in comes out with the same SHA-256."""

import hashlib
import os
import shutil
import subprocess
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.errors import InvalidDicomError
from pydicom.fileset import FileSet

from dicomweb_server.archive import importer
from dicomweb_server.archive.archive import Archive, open_archive
from dicomweb_server.archive.export import export, harmless
from dicomweb_server.archive.importer import find, groups, import_files
from dicomweb_server.archive.retrieve import InstanceFile, instances
from dicomweb_server.archive.store import GROUP_PARTS, Outcome, Refusal
from dicomweb_server.archive.upkeep import settle, verify
from dicomweb_server.config import Config
from storage.errors import NotFound, OutOfSpace
from storage.model import Query, QueryLevel, Scope, Stored, parts_digest
from tests.dicom.build import SERIES_UID, STUDY_UID, element, item, part10

Keep = Callable[..., list[Outcome]]


def series(count: int, *, uid: str = SERIES_UID, **attributes: Any) -> list[bytes]:
    return [
        part10(
            series_uid=uid,
            instance_uid=f"{uid}.{n}",
            InstanceNumber=n,
            rows=4,
            columns=4,
            PatientID=f"{uid}/{n}",
            **attributes,
        )
        for n in range(1, count + 1)
    ]


def digests(folder: Path) -> Counter[str]:
    return Counter(
        hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name != "DICOMDIR"
    )


def fill(folder: Path, files: list[bytes]) -> None:
    folder.mkdir(parents=True)
    for n, content in enumerate(files):
        (folder / f"{n:05d}").write_bytes(content)


def test_a_folder_is_imported_with_everything_below_it(archive: Archive, tmp_path: Path) -> None:
    fill(tmp_path / "in" / "a", series(3))
    fill(tmp_path / "in" / "b" / "c", series(2, uid="1.2.3"))
    (tmp_path / "in" / "notes.txt").write_text("not DICOM\n" * 50)
    (tmp_path / "in" / "empty").touch()
    summary = import_files(archive, [tmp_path / "in"], processes=1)
    assert summary.files == 7
    assert summary.stored == {Stored.NEW: 5}
    assert summary.not_dicom == 2
    assert summary.refused == []
    assert archive.storage.index.counts().instances == 5


def test_a_second_import_stores_nothing_twice(archive: Archive, tmp_path: Path) -> None:
    fill(tmp_path / "in", series(5))
    import_files(archive, [tmp_path / "in"], processes=1)
    before = archive.storage.blobs.packs()
    summary = import_files(archive, [tmp_path / "in"], processes=1)
    assert summary.stored == {Stored.DUPLICATE: 5}
    assert archive.storage.blobs.packs() == before


def test_a_zip_is_imported_member_by_member(archive: Archive, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "study.ZIP", "w", zipfile.ZIP_DEFLATED) as packed:
        for n, content in enumerate(series(3)):
            packed.writestr(f"images/{n}", content)
        packed.writestr("readme.txt", "not DICOM")
        packed.writestr("images/", "")
    (tmp_path / "broken.zip").write_bytes(b"PK\3\4 but no more of a zip")
    summary = import_files(archive, [tmp_path], processes=1)
    assert summary.stored == {Stored.NEW: 3}
    assert summary.not_dicom == 2
    (first, *_) = instances(archive, Scope(STUDY_UID))
    assert first.source == f"{tmp_path / 'study.ZIP'}!images/0"


def test_a_damaged_member_of_a_zip_hinders_no_other(archive: Archive, tmp_path: Path) -> None:
    path = tmp_path / "study.zip"
    files = series(3)
    with zipfile.ZipFile(path, "w") as packed:
        for n, content in enumerate(files):
            packed.writestr(f"{n}", content)
    damaged = bytearray(path.read_bytes())
    damaged[damaged.index(files[1]) + 200] ^= 0xFF
    path.write_bytes(damaged)
    summary = import_files(archive, [path], processes=1)
    assert summary.stored == {Stored.NEW: 2}
    (refused,) = summary.refused
    assert refused.name == f"{path}!1"
    assert "cannot be read" in refused.comment


def test_what_is_dicom_but_not_stored_is_named_with_its_reason(
    archive: Archive, tmp_path: Path
) -> None:
    good = series(1)[0]
    palette = part10(sop_class_uid="1.2.840.10008.5.1.4.39.1", without=["StudyInstanceUID"])
    fill(tmp_path / "in", [good, part10(instance_uid=f"{SERIES_UID}.1"), good[:-5], palette])
    summary = import_files(archive, [tmp_path / "in"], processes=1)
    assert summary.stored == {Stored.NEW: 1}
    assert {Path(each.name).name: each.refusal for each in summary.refused} == {
        "00001": Refusal.CONFLICT,
        "00002": Refusal.MALFORMED,
        "00003": Refusal.UNSUPPORTED_CLASS,
    }


def test_a_file_that_cannot_be_read_is_named(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    os.mkfifo(tmp_path / "pipe")
    (summary_of_all,) = [import_files(archive, [tmp_path], processes=1)]
    (refused,) = summary_of_all.refused
    assert refused.name.endswith("gone")
    assert "No such file" in refused.comment


def test_a_path_that_is_not_there_is_said_before_anything_is_stored(
    archive: Archive, tmp_path: Path
) -> None:
    fill(tmp_path / "in", series(1))
    with pytest.raises(FileNotFoundError, match="nowhere"):
        import_files(archive, [tmp_path / "in", tmp_path / "nowhere"], processes=1)
    assert archive.storage.index.counts().instances == 0


def test_files_are_stored_in_groups_that_bound_memory(tmp_path: Path) -> None:
    fill(tmp_path / "in", [b"x"] * (GROUP_PARTS + 1))
    with (tmp_path / "in" / "large").open("wb") as large:
        large.truncate(2**30)
    sizes = [len(group) for group in groups(find([tmp_path / "in"]))]
    assert sizes == [GROUP_PARTS, 1, 1]


def test_several_processes_import_what_one_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importer, "ALONE_S", 0.0)
    fill(tmp_path / "in", series(150))
    with_many = open_archive(Config(data=str(tmp_path / "archive")))
    try:
        seen: list[int] = []
        summary = import_files(
            with_many,
            [tmp_path / "in"],
            processes=2,
            report=lambda so_far: seen.append(so_far.files),
        )
        assert summary.stored == {Stored.NEW: 150}
        assert seen[-1] == summary.files == 150
        assert with_many.storage.index.counts().instances == 150
    finally:
        with_many.close()


def test_a_full_disk_ends_an_import(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "in", series(3 * GROUP_PARTS))

    def full(*arguments: object, **options: object) -> None:
        raise OutOfSpace("the disk of the test")

    monkeypatch.setattr(archive.storage.blobs, "append", full)
    summary = import_files(archive, [tmp_path / "in"], processes=1)
    assert summary.files == len(summary.refused) == GROUP_PARTS
    assert {each.refusal for each in summary.refused} == {Refusal.OUT_OF_SPACE}


@pytest.mark.parametrize("dicomdir", [False, True])
@pytest.mark.parametrize("settled", [False, True])
def test_what_went_in_comes_out_bit_for_bit(
    archive: Archive, tmp_path: Path, dicomdir: bool, settled: bool
) -> None:
    fill(tmp_path / "in" / "a", series(3, PatientName="Doe^Jane"))
    fill(
        tmp_path / "in" / "b",
        series(2, uid="1.2.3", Modality="SR", PatientName="王^小东", StudyDate="20240131"),
    )
    import_files(archive, [tmp_path / "in"], processes=1)
    if settled:
        settle(archive)
    done = export(archive, tmp_path / "out", dicomdir=dicomdir)
    assert (done.files, done.faults) == (5, [])
    assert digests(tmp_path / "out") == digests(tmp_path / "in")
    assert (tmp_path / "out" / "DICOMDIR").exists() == dicomdir


@pytest.mark.parametrize("number", [0, 1], ids=["the header", "the pixels"])
def test_what_is_not_what_was_received_is_not_exported(
    archive: Archive, keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As a fault in a codec would make it: each checksum right, and another content."""
    keep(*series(1))
    honest = InstanceFile.parts

    def wrong(file: InstanceFile) -> Iterator[bytes]:
        for at, part in enumerate(honest(file)):
            yield part[:-1] + bytes([part[-1] ^ 1]) if at == number else part

    monkeypatch.setattr(InstanceFile, "parts", wrong)
    done = export(archive, tmp_path / "out")
    assert done.faults == [
        f"instance {SERIES_UID}.1: instance {SERIES_UID}.1 is damaged: is not what was received"
    ]
    assert done.files == 0 and digests(tmp_path / "out") == Counter()


def test_only_the_named_studies_are_exported(archive: Archive, keep: Keep, tmp_path: Path) -> None:
    keep(part10(), part10(study_uid="1.2", series_uid="1.2.3", instance_uid="1.2.3.4"))
    assert export(archive, tmp_path / "out", studies=["1.2"]).files == 1
    with pytest.raises(NotFound, match=r"1\.9"):
        export(archive, tmp_path / "out", studies=["1.9"])


def test_a_dicomdir_is_never_overwritten(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "DICOMDIR").touch()
    with pytest.raises(FileExistsError, match="DICOMDIR"):
        export(archive, tmp_path, dicomdir=True)


def test_a_dicomdir_leads_to_every_file(archive: Archive, keep: Keep, tmp_path: Path) -> None:
    for n in range(3):
        keep(
            part10(
                instance_uid=f"{SERIES_UID}.{n}",
                rows=2,
                columns=2,
                InstanceNumber=n + 1,
                PatientName="王^小东",
                PatientID="17",
            )
        )
    sr = "1.2.840.10008.5.1.4.1.1.88.11"
    keep(part10(series_uid="1.2.3", instance_uid="1.2.3.4", sop_class_uid=sr, Modality="SR"))
    keep(part10(study_uid="1.3", series_uid="1.3.4", instance_uid="1.3.4.5", PatientID="18"))
    done = export(archive, tmp_path, dicomdir=True)
    assert done.faults == []
    files = FileSet(tmp_path / "DICOMDIR")
    assert sorted(each.SOPInstanceUID for each in files) == sorted(
        [*(f"{SERIES_UID}.{n}" for n in range(3)), "1.2.3.4", "1.3.4.5"]
    )
    for each in files:
        assert pydicom.dcmread(each.path).SOPInstanceUID == each.SOPInstanceUID
        for part in Path(each.path).relative_to(tmp_path).parts:
            assert len(part) <= 8 and part == part.upper() and part.isalnum()
    # pydicom would leave its staging directory to the garbage collector, with a warning.
    files._stage["t"].cleanup()
    kinds = [
        record.DirectoryRecordType
        for record in pydicom.dcmread(tmp_path / "DICOMDIR").DirectoryRecordSequence
    ]
    assert Counter(kinds) == {
        "PATIENT": 3,
        "STUDY": 3,
        "SERIES": 3,
        "IMAGE": 4,
        "SR DOCUMENT": 1,
    }


def test_dcmtk_reads_the_dicomdir_without_a_warning(
    archive: Archive, keep: Keep, tmp_path: Path
) -> None:
    if shutil.which("dcmdump") is None:
        assert not os.environ.get("CI"), "nothing is skipped in CI"
        pytest.skip("dcmdump of dcmtk is not installed")
    keep(*series(3, PatientName="王^小东"))
    export(archive, tmp_path, dicomdir=True)
    read = subprocess.run(
        ["dcmdump", "--load-short", str(tmp_path / "DICOMDIR")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (read.returncode, read.stderr) == (0, "")
    assert read.stdout.count("[IMAGE]") == 3


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("Müller^Jörg", "Müller_Jörg"),
        ("王^小东", "王_小东"),
        ("  a\tb\x00 ", "a_b_"),
        ("...", "unnamed"),
        ("", "unnamed"),
        ("x" * 300, "x" * 60),
    ],
)
def test_a_name_is_harmless_in_any_file_system(wish: str, name: str) -> None:
    assert harmless(wish) == name


def test_two_studies_of_one_day_do_not_share_a_folder(
    archive: Archive, keep: Keep, tmp_path: Path
) -> None:
    for n in range(2):
        keep(
            part10(
                study_uid=f"1.{n}", series_uid=f"1.{n}.1", instance_uid=f"1.{n}.1.1", PatientID="A"
            )
        )
    export(archive, tmp_path)
    (patient,) = tmp_path.iterdir()
    assert len(list(patient.iterdir())) == 2


@pytest.mark.parametrize("dicomdir", [False, True])
@pytest.mark.parametrize(
    ("vr", "value"), [("LO", b"Doe^J "), ("UN", b"Doe^J "), ("DS", b"1.5 "), ("SQ", b"")]
)
@pytest.mark.parametrize("tag", [0x00100010, 0x00100020, 0x00081030])
def test_what_a_folder_is_named_by_may_be_stored_with_any_vr(
    archive: Archive,
    keep: Keep,
    tmp_path: Path,
    tag: int,
    vr: str,
    value: bytes,
    dicomdir: bool,
) -> None:
    content = item(element(0x00100020, "LO", b"17")) if vr == "SQ" else value
    keep(part10(without=("PatientID", "PatientName"), extra={tag: element(tag, vr, content)}))
    done = export(archive, tmp_path, dicomdir=dicomdir)
    assert done.faults == []
    assert done.files == 1


def test_every_real_file_comes_back_bit_for_bit(shared_data: Path, tmp_path: Path) -> None:
    """Many of them are one instance in several transfer syntaxes: versions are kept of those."""
    config = Config(data=str(tmp_path / "archive"), conflict="keep-both-versions")
    archive = open_archive(config)
    try:
        summary = import_files(archive, [shared_data], processes=2)
        files = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in shared_data.rglob("*")
            if path.is_file()
        }
        refused = {each.name: each for each in summary.refused}
        assert {each.refusal for each in refused.values()} <= {Refusal.MALFORMED}
        assert all("PS3.5 §9" in each.comment for each in refused.values())
        assert len(refused) < 10
        series_of = read_by_pydicom(files.keys() - refused.keys())
        counts = archive.storage.index.counts()
        assert counts.instances == sum(len(instances) for instances in series_of.values())
        assert counts.series == len(series_of)
        assert counts.studies == len({study for study, _ in series_of})
        assert summary.not_dicom == 1  # the README of the folder

        landed = rebuilt(archive)
        assert sum(landed.values()) == summary.stored[Stored.NEW] + summary.stored[Stored.VERSIONED]
        assert landed.keys() <= set(files.values())
        settle(archive)
        assert rebuilt(archive) == landed
        done = export(archive, tmp_path / "out")
        assert done.faults == []
        assert digests(tmp_path / "out").keys() <= landed.keys()
        assert done.files == counts.instances

        faults: list[str] = []
        verify(archive, full=True, sweep=True, report=faults.append)
        assert faults == []
        again = import_files(archive, [shared_data / "ct-head-140"], processes=1)
        assert again.stored == {Stored.DUPLICATE: 140}
    finally:
        archive.close()


def rebuilt(archive: Archive) -> Counter[str]:
    """SHA-256 of every stored file and its earlier versions, each put together again."""
    found: Counter[str] = Counter()
    for row in archive.storage.index.find(Query(QueryLevel.STUDY)).rows:
        for present in instances(archive, Scope(row.study.study_uid)):
            for each in (present, *archive.storage.index.versions(present.instance_uid)):
                digest = hashlib.sha256()
                for chunk in InstanceFile(archive, each).chunks():
                    digest.update(chunk)
                assert parts_digest(each.skeleton, each.holes, each.blobs) == each.file_digest
                found[digest.hexdigest()] += 1
    return found


def read_by_pydicom(paths: Iterable[str]) -> dict[tuple[str, str], set[str]]:
    """SOP Instance UIDs by study and series, of the files pydicom reads as instances."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of real files, which are what they are
            try:
                data_set = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(UIDS))
            except InvalidDicomError:
                data_set = pydicom.dcmread(path, force=True, specific_tags=list(UIDS))
        if all(uid in data_set for uid in UIDS):
            key = (data_set.StudyInstanceUID, data_set.SeriesInstanceUID)
            found.setdefault(key, set()).add(data_set.SOPInstanceUID)
    return found


UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")
