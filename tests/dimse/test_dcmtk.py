"""dcmtk's clients against the running bridge: what DIMSE sees, DICOMweb sees, and back."""

import json
import re
import urllib.request
from contextlib import suppress
from pathlib import Path

import pydicom
import pynetdicom
import pytest

from dicomweb_server.dicom.part10 import read_head
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.transfer_syntaxes import EXPLICIT_VR_BIG_ENDIAN, transfer_syntax
from tests.dicom.build import part10
from tests.dimse.conftest import Bridge, bridged
from tests.dimse.programs import run, running, tried
from tests.servers import command

J2K = "1.2.840.10008.1.2.4.90"
STUDY = "2.25.5001"


def data_set(file: bytes) -> bytes:
    """A Part 10 file without its File Meta Information."""
    return file[read_head(BytesSource(file)).dataset_offset :]


def uid_in(file: Path) -> str:
    return str(pydicom.dcmread(file, stop_before_pixels=True).SOPInstanceUID)


def exported(bridge: Bridge, directory: Path) -> dict[str, bytes]:
    """The data sets of everything that the archive keeps, as received, by SOP Instance UID."""
    process = command("export", "--data", bridge.data, "--out", directory)
    _, complaint = process.communicate(timeout=60)
    assert process.returncode == 0, complaint
    return {
        uid_in(file): data_set(file.read_bytes()) for file in directory.rglob("*") if file.is_file()
    }


def wado(bridge: Bridge, path: str) -> bytes:
    """The first part of a multipart answer."""
    request = urllib.request.Request(
        f"{bridge.url}/dicom-web/{path}",
        headers={"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'},
    )
    with urllib.request.urlopen(request, timeout=20) as response:
        boundary = re.search(r"boundary=\"?([^\";]+)", response.headers["content-type"])
        assert boundary is not None
        body: bytes = response.read()
    part = body.split(b"--" + boundary[1].encode())[1]
    return part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")


def qido(bridge: Bridge, path: str) -> list[dict[str, dict[str, list[object]]]]:
    with urllib.request.urlopen(f"{bridge.url}/dicom-web/{path}", timeout=20) as response:
        body = response.read()
        return json.loads(body) if body else []


def test_c_echo(bridge: Bridge) -> None:
    assert "Success" in run("echoscu", "-v", "127.0.0.1", bridge.port)


@pytest.fixture(scope="module")
def ct(bridge: Bridge, shared_data: Path) -> list[Path]:
    """Real CT slices, sent with dcmsend."""
    files = sorted((shared_data / "ct-head-ge-28").glob("*.dcm"))
    said = run("dcmsend", "-v", "127.0.0.1", bridge.port, *files)
    assert f"SUCCESS  : {len(files)}" in said
    return files


def test_a_study_sent_by_dcmsend_comes_back_bit_identical_by_c_get_and_wado_rs(
    bridge: Bridge, ct: list[Path], tmp_path: Path
) -> None:
    header = pydicom.dcmread(ct[0], stop_before_pixels=True)
    study = header.StudyInstanceUID
    run(
        "getscu", "-S", "-B", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}",
        "-od", tmp_path, "127.0.0.1", bridge.port,
    )  # fmt: skip
    got = {uid_in(file): data_set(file.read_bytes()) for file in tmp_path.iterdir()}
    sent = {uid_in(file): data_set(file.read_bytes()) for file in ct}
    assert got == sent
    for file in ct[:3]:
        uid = uid_in(file)
        path = f"studies/{study}/series/{header.SeriesInstanceUID}/instances/{uid}"
        assert data_set(wado(bridge, path)) == sent[uid]


def test_every_transfer_syntax_is_kept_as_it_was_sent(
    bridge: Bridge, shared_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """pynetdicom sends the bytes of the files, each in its own transfer syntax."""
    monkeypatch.setattr(pynetdicom._config, "STORE_SEND_CHUNKED_DATASET", True)
    files: dict[str, Path] = {}
    taken: set[str] = set()
    for file in sorted((shared_data / "mixed").rglob("*.dcm")):
        with suppress(Exception):  # not every file there is DICOM: that is what they are there for
            header = pydicom.dcmread(file, stop_before_pixels=True)
            uid = str(header.file_meta.TransferSyntaxUID)
            instance = header.SOPInstanceUID
            named = header.file_meta.MediaStorageSOPInstanceUID  # what pynetdicom says it sends
            whole = header.StudyInstanceUID and header.SeriesInstanceUID
            if whole and uid not in files and instance not in taken and instance == named:
                files[uid] = file
                taken.add(instance)
    syntaxes = [uid for uid in files if transfer_syntax(uid).known]
    assert len(syntaxes) >= 15
    for uid in syntaxes:
        header = pydicom.dcmread(files[uid], stop_before_pixels=True)
        entity = pynetdicom.AE()
        entity.add_requested_context(header.SOPClassUID, uid)
        association = entity.associate("127.0.0.1", bridge.port)
        assert association.is_established, uid
        assert association.send_c_store(files[uid]).Status == 0, uid
        association.release()
        found = qido(bridge, f"instances?SOPInstanceUID={header.SOPInstanceUID}")
        assert found[0]["00083002"]["Value"] == [uid]
    kept = exported(bridge, tmp_path / "kept")
    for uid in syntaxes:
        assert kept[uid_in(files[uid])] == data_set(files[uid].read_bytes()), uid


def test_big_endian_is_sent_little_endian_to_who_takes_both(
    bridge: Bridge, shared_data: Path, tmp_path: Path
) -> None:
    files = [
        file
        for file in sorted((shared_data / "mixed").rglob("*.dcm"))
        if transfer_syntax_of(file) == EXPLICIT_VR_BIG_ENDIAN
    ]
    sent = files[0]
    header = pydicom.dcmread(sent, stop_before_pixels=True)
    run("storescu", "-xb", "127.0.0.1", bridge.port, sent)
    run(
        "getscu", "-S", "-B", "+xb", "-k", "QueryRetrieveLevel=IMAGE",
        "-k", f"StudyInstanceUID={header.StudyInstanceUID}",
        "-k", f"SeriesInstanceUID={header.SeriesInstanceUID}",
        "-k", f"SOPInstanceUID={header.SOPInstanceUID}",
        "-od", tmp_path, "127.0.0.1", bridge.port,
    )  # fmt: skip
    (got,) = tmp_path.iterdir()
    assert transfer_syntax_of(got) == "1.2.840.10008.1.2.1"  # what we prefer of what it offers
    ours = pydicom.dcmread(got).pixel_array
    assert (ours == pydicom.dcmread(sent).pixel_array).all()


def transfer_syntax_of(file: Path) -> str:
    with suppress(Exception):
        header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=[])
        return str(header.file_meta.TransferSyntaxUID)
    return ""


def test_c_find_matches_by_wildcard_range_list_and_name(bridge: Bridge, tmp_path: Path) -> None:
    names = ["WANG^XiaoDong=王^小东", "Wang^Li=王^丽", "Zhao^Lei=赵^雷"]
    for number, name in enumerate(names):
        alphabetic, ideographic = name.split("=")
        (tmp_path / f"{number}.dcm").write_bytes(
            part10(
                study_uid=f"{STUDY}.{number}",
                series_uid=f"{STUDY}.{number}.1",
                instance_uid=f"{STUDY}.{number}.1.1",
                PatientName=f"{alphabetic}={ideographic}",
                PatientID=f"FIND-{number}",
                StudyDate=f"2026010{number + 1}",
                Modality="CT" if number else "MR",
            )
        )
    run("dcmsend", "127.0.0.1", bridge.port, *sorted(tmp_path.glob("*.dcm")))

    def found(*keys: str) -> set[str]:
        said = run(
            "findscu", "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID",
            *(part for key in keys for part in ("-k", key)), "127.0.0.1", bridge.port,
        )  # fmt: skip
        return set(re.findall(rf"{STUDY}\.(\d)", said))

    assert found("PatientID=FIND-*") == {"0", "1", "2"}
    assert found("PatientID=FIND-?", "PatientName=wang*") == {"0", "1"}
    assert found("PatientID=FIND-*", "StudyDate=20260102-20260103") == {"1", "2"}
    assert found("PatientID=FIND-*", "StudyDate=-20260101") == {"0"}
    assert found("PatientID=FIND-*", "ModalitiesInStudy=MR") == {"0"}
    assert found(f"StudyInstanceUID={STUDY}.0\\{STUDY}.2") == {"0", "2"}
    assert found("PatientID=FIND-*", "SpecificCharacterSet=ISO_IR 192", "PatientName=王*") == {
        "0",
        "1",
    }


def test_c_find_answers_on_every_level_with_counts(bridge: Bridge, ct: list[Path]) -> None:
    header = pydicom.dcmread(ct[0], stop_before_pixels=True)

    def found(root: str, level: str, *keys: str) -> str:
        return run(
            "findscu", root, "-k", f"QueryRetrieveLevel={level}",
            *(part for key in keys for part in ("-k", key)), "127.0.0.1", bridge.port,
        )  # fmt: skip

    patient = found(
        "-P", "PATIENT", f"PatientID={header.PatientID}", "NumberOfPatientRelatedInstances",
        "NumberOfPatientRelatedStudies",
    )  # fmt: skip
    assert re.search(r"NumberOfPatientRelatedStudies", patient)
    assert re.search(r"\(0020,1204\) IS \[28\s*\]", patient)
    study = found(
        "-P", "STUDY", f"PatientID={header.PatientID}", "StudyInstanceUID", "ModalitiesInStudy",
        "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances",
    )  # fmt: skip
    assert re.search(r"\(0020,1208\) IS \[28\s*\]", study)
    assert re.search(r"\(0008,0061\) CS \[CT\]", study)
    series = found(
        "-S", "SERIES", f"StudyInstanceUID={header.StudyInstanceUID}", "Modality",
        "SeriesInstanceUID", "NumberOfSeriesRelatedInstances",
    )  # fmt: skip
    assert re.search(r"\(0020,1209\) IS \[28\s*\]", series)
    image = found(
        "-S", "IMAGE", f"StudyInstanceUID={header.StudyInstanceUID}",
        f"SeriesInstanceUID={header.SeriesInstanceUID}", "SOPInstanceUID", "InstanceNumber",
    )  # fmt: skip
    assert image.count("(0008,0018)") >= 28


def test_names_of_a_modality_that_names_no_character_set_are_read_in_the_assumed(
    tmp_path: Path,
) -> None:
    file = tmp_path / "sent.dcm"
    file.write_bytes(
        part10(
            without=("SpecificCharacterSet",),
            PatientName="WANG^XIAODONG=王^小东".encode("gbk"),
            PatientID="CHARSET",
        )
    )
    with bridged(tmp_path, config='assumed_charset = "GB18030"') as bridge:
        run("storescu", "127.0.0.1", bridge.port, file)
        keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName", "-k", "PatientID=CHARSET")
        run("findscu", "-S", "-X", *keys, "127.0.0.1", bridge.port, cwd=tmp_path)
        answer = (tmp_path / "rsp0001.dcm").read_bytes()
        assert "WANG^XIAODONG=王^小东".encode() in answer
        assert b"ISO_IR 192" in answer


@pytest.mark.parametrize(
    ("title", "charset", "name"),
    [
        ("ANYBODY", "ISO_IR 192", "WANG^XIAODONG=王^小东".encode()),
        ("GBK_VIEWER", "GBK", "WANG^XIAODONG=王^小东".encode("gbk")),
        ("GB_VIEWER", "GB18030", "WANG^XIAODONG=王^小东".encode("gb18030")),
        (
            "ISO_VIEWER",
            "\\ISO 2022 IR 58",
            b"WANG^XIAODONG=\x1b$)A"
            + "王".encode("gb2312")
            + b"^\x1b$)A"
            + "小东".encode("gb2312"),
        ),
    ],
)
def test_names_are_answered_in_the_character_set_of_the_peer(
    bridge: Bridge, tmp_path: Path, title: str, charset: str, name: bytes
) -> None:
    file = tmp_path / "sent.dcm"
    file.write_bytes(
        part10(
            study_uid=f"{STUDY}.77",
            series_uid=f"{STUDY}.77.1",
            instance_uid=f"{STUDY}.77.1.1",
            PatientName="WANG^XIAODONG=王^小东",
            PatientID="CHARSET",
        )
    )
    run("dcmsend", "127.0.0.1", bridge.port, file)
    run(
        "findscu", "-S", "-X", "-aet", title, "-k", "QueryRetrieveLevel=STUDY", "-k", "PatientName",
        "-k", "PatientID=CHARSET", "127.0.0.1", bridge.port, cwd=tmp_path,
    )  # fmt: skip
    raw = (tmp_path / "rsp0001.dcm").read_bytes()
    assert name in raw
    assert charset.encode() in raw


def test_a_name_that_the_peers_character_set_lacks_is_answered_in_utf_8(
    bridge: Bridge, tmp_path: Path
) -> None:
    file = tmp_path / "sent.dcm"
    file.write_bytes(
        part10(
            study_uid=f"{STUDY}.78",
            series_uid=f"{STUDY}.78.1",
            instance_uid=f"{STUDY}.78.1.1",
            PatientName="Ünal^𠮷",  # the second is in neither GBK nor GB2312
            PatientID="CHARSET8",
        )
    )
    run("dcmsend", "127.0.0.1", bridge.port, file)
    run(
        "findscu", "-S", "-X", "-aet", "GBK_VIEWER", "-k", "QueryRetrieveLevel=STUDY",
        "-k", "PatientName", "-k", "PatientID=CHARSET8", "127.0.0.1", bridge.port, cwd=tmp_path,
    )  # fmt: skip
    raw = (tmp_path / "rsp0001.dcm").read_bytes()
    assert "Ünal^𠮷".encode() in raw
    assert b"ISO_IR 192" in raw


def test_c_move_sends_as_stored_and_counts(bridge: Bridge, ct: list[Path], tmp_path: Path) -> None:
    header = pydicom.dcmread(ct[0], stop_before_pixels=True)
    with running(
        "storescp", "-B", "-od", tmp_path, "-aet", "SINK", bridge.sink,
        port=bridge.sink, cwd=tmp_path,
    ):  # fmt: skip
        said = run(
            "movescu", "-d", "-S", "-aem", "SINK", "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={header.StudyInstanceUID}", "127.0.0.1", bridge.port,
        )  # fmt: skip
    assert re.search(r"Completed Suboperations\s*: 28", said)
    assert "Pending" in said
    received = {
        uid_in(f): data_set(f.read_bytes()) for f in tmp_path.iterdir() if f.suffix != ".log"
    }
    assert received == {uid_in(file): data_set(file.read_bytes()) for file in ct}


def test_c_move_decodes_what_the_destination_does_not_take(
    bridge: Bridge, shared_data: Path, tmp_path: Path
) -> None:
    """storescp takes uncompressed only unless told: JPEG 2000 goes out as Explicit VR LE."""
    file = shared_data / "mixed/pylibjpeg-data"
    sent = next(
        one
        for one in sorted(file.rglob("*.dcm"))
        if pydicom.dcmread(one, stop_before_pixels=True).file_meta.TransferSyntaxUID == J2K
    )
    header = pydicom.dcmread(sent)
    run("dcmsend", "-dn", "127.0.0.1", bridge.port, sent)
    with running(
        "storescp", "-od", tmp_path, "-aet", "SINK", bridge.sink, port=bridge.sink, cwd=tmp_path
    ):
        run(
            "movescu", "-S", "-aem", "SINK", "-k", "QueryRetrieveLevel=IMAGE",
            "-k", f"StudyInstanceUID={header.StudyInstanceUID}",
            "-k", f"SeriesInstanceUID={header.SeriesInstanceUID}",
            "-k", f"SOPInstanceUID={header.SOPInstanceUID}", "127.0.0.1", bridge.port,
        )  # fmt: skip
    received = next(one for one in tmp_path.iterdir() if one.suffix != ".log")
    got = pydicom.dcmread(received)
    assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert (got.pixel_array == header.pixel_array).all()


def test_implicit_vr_is_made_for_a_destination_that_knows_nothing_else(
    bridge: Bridge, ct: list[Path], tmp_path: Path
) -> None:
    header = pydicom.dcmread(ct[0])
    with running(
        "storescp", "+xi", "-od", tmp_path, "-aet", "SINK", bridge.sink,
        port=bridge.sink, cwd=tmp_path,
    ):  # fmt: skip
        run(
            "movescu", "-S", "-aem", "SINK", "-k", "QueryRetrieveLevel=IMAGE",
            "-k", f"StudyInstanceUID={header.StudyInstanceUID}",
            "-k", f"SeriesInstanceUID={header.SeriesInstanceUID}",
            "-k", f"SOPInstanceUID={header.SOPInstanceUID}", "127.0.0.1", bridge.port,
        )  # fmt: skip
    got = pydicom.dcmread(next(one for one in tmp_path.iterdir() if one.suffix != ".log"))
    assert got.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2"
    assert (got.pixel_array == header.pixel_array).all()
    assert got.PatientID == header.PatientID


def test_c_move_to_an_unknown_destination_is_a801(bridge: Bridge, ct: list[Path]) -> None:
    said = tried(
        "movescu", "-v", "-S", "-aem", "NOBODY", "-k", "QueryRetrieveLevel=STUDY",
        "-k", "StudyInstanceUID=1.2.3", "127.0.0.1", bridge.port,
    )[1]  # fmt: skip
    assert "MoveDestinationUnknown" in said


def test_c_move_to_a_destination_that_is_away_fails_every_sub_operation(
    bridge: Bridge, ct: list[Path]
) -> None:
    study = pydicom.dcmread(ct[0], stop_before_pixels=True).StudyInstanceUID
    said = tried(
        "movescu", "-d", "-S", "-aem", "SINK", "-k", "QueryRetrieveLevel=STUDY",
        "-k", f"StudyInstanceUID={study}", "127.0.0.1", bridge.port,
    )[1]  # fmt: skip
    assert re.search(r"Failed Suboperations\s*: 28", said)
    assert "0xa702" in said.lower()


def test_c_move_can_be_cancelled(bridge: Bridge, ct: list[Path], tmp_path: Path) -> None:
    study = pydicom.dcmread(ct[0], stop_before_pixels=True).StudyInstanceUID
    with running(
        "storescp", "--sleep-after", 0, "-od", tmp_path, "-aet", "SINK", bridge.sink,
        port=bridge.sink, cwd=tmp_path,
    ):  # fmt: skip
        said = tried(
            "movescu", "-d", "-S", "--cancel", 2, "-aem", "SINK", "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={study}", "127.0.0.1", bridge.port,
        )[1]  # fmt: skip
    assert "Cancel" in said
    assert re.search(r"Remaining Suboperations\s*: [1-9]", said.split("Final Move Response")[-1])


def test_c_find_can_be_cancelled(bridge: Bridge, ct: list[Path]) -> None:
    study = pydicom.dcmread(ct[0], stop_before_pixels=True).StudyInstanceUID
    said = run(
        "findscu", "-v", "-S", "--cancel", 1, "-k", "QueryRetrieveLevel=IMAGE",
        "-k", f"StudyInstanceUID={study}", "-k", "SOPInstanceUID", "127.0.0.1", bridge.port,
    )  # fmt: skip
    assert said.count("Find Response:") >= 1


def test_a_peer_may_ask_only_for_its_services(bridge: Bridge) -> None:
    run("echoscu", "-aet", "ECHO_ONLY", "127.0.0.1", bridge.port)
    code, said = tried(
        "findscu", "-S", "-aet", "ECHO_ONLY", "-k", "QueryRetrieveLevel=STUDY",
        "127.0.0.1", bridge.port,
    )  # fmt: skip
    assert code != 0
    assert "No Acceptable Presentation Contexts" in said or "user reject" in said.lower()


def test_what_was_sent_is_found_by_qido_at_once(bridge: Bridge, tmp_path: Path) -> None:
    file = tmp_path / "sent.dcm"
    file.write_bytes(
        part10(
            study_uid=f"{STUDY}.79",
            series_uid=f"{STUDY}.79.1",
            instance_uid=f"{STUDY}.79.1.1",
            PatientID="AT-ONCE",
        )
    )
    run("storescu", "127.0.0.1", bridge.port, file)
    assert len(qido(bridge, "studies?PatientID=AT-ONCE")) == 1
