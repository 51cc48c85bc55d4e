"""Orthanc as a modality that sends to us, asks us, and that we move to."""

import json
import os
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.dicom.build import part10
from tests.dimse.conftest import Bridge, bridged
from tests.dimse.programs import free_port, run, running, wait_for_port
from tests.dimse.test_dcmtk import data_set, qido, wado
from tests.dimse.test_worklist import asked
from tests.servers import wait_for

STUDY = "2.25.9001"
J2K = "1.2.840.10008.1.2.4.90"


@dataclass(frozen=True, slots=True)
class Orthanc:
    url: str

    def ask(self, path: str, body: object = None, *, raw: bytes | None = None) -> Any:
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data)
        with urllib.request.urlopen(request, timeout=30) as response:
            content = response.read()
        return json.loads(content) if content else None


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bridge, Orthanc]]:
    """A bridge and an Orthanc that know each other."""
    directory = tmp_path_factory.mktemp("orthanc")
    dicom, http, ours = free_port(), free_port(), free_port()
    settings = directory / "orthanc.json"
    settings.write_text(
        json.dumps(
            {
                "StorageDirectory": str(directory / "db"),
                "IndexDirectory": str(directory / "db"),
                "HttpPort": http,
                "DicomPort": dicom,
                "DicomAet": "ORTHANC",
                "DefaultEncoding": "Utf8",
                # It binds every address; this is what keeps others out of it.
                "RemoteAccessAllowed": False,
                "AuthenticationEnabled": False,
                "DicomAlwaysAllowEcho": False,
                "DicomAlwaysAllowStore": False,
                "DicomModalities": {"us": ["DICOMWEB", "127.0.0.1", ours]},
                "Plugins": [],
            }
        )
    )
    config = f"""
        [[peers]]
        aet = "ORTHANC"
        host = "127.0.0.1"
        port = {dicom}
        charset = "GB18030"
    """
    # Without its own name in /etc/hosts it waits 5 s for a name server (and asks nobody else).
    with (
        running("Orthanc", settings, port=http, cwd=directory),
        bridged(directory, config=config, port=ours, web=True) as bridge,
    ):
        wait_for_port(dicom)
        yield bridge, Orthanc(f"http://127.0.0.1:{http}")


def compressed(number: int) -> bytes:
    """An instance with a fragment that is taken for JPEG 2000, and a Chinese name."""
    return part10(
        study_uid=STUDY,
        series_uid=f"{STUDY}.1",
        instance_uid=f"{STUDY}.1.{number}",
        transfer_syntax_uid=J2K,
        rows=8,
        columns=8,
        fragments=[os.urandom(300)],
        PatientName="WANG^XIAODONG=王^小东",
        PatientID="ORTHANC-1",
        InstanceNumber=number,
    )


def test_orthanc_sends_compressed_instances_that_stay_as_they_are(
    both: tuple[Bridge, Orthanc],
) -> None:
    bridge, orthanc = both
    files = [compressed(number) for number in range(3)]
    for file in files:
        orthanc.ask("/instances", raw=file)
    (study,) = orthanc.ask("/studies")
    orthanc.ask("/modalities/us/store", study)
    assert len(qido(bridge, f"studies/{STUDY}/instances")) == 3
    for number, file in enumerate(files):
        path = f"studies/{STUDY}/series/{STUDY}.1/instances/{STUDY}.1.{number}"
        assert data_set(wado(bridge, path)) == data_set(file)


def test_orthanc_finds_a_chinese_name_and_moves_the_study_to_itself(
    both: tuple[Bridge, Orthanc], tmp_path: Path
) -> None:
    bridge, orthanc = both
    file = tmp_path / "sent.dcm"
    file.write_bytes(
        part10(
            study_uid=f"{STUDY}.2",
            series_uid=f"{STUDY}.2.1",
            instance_uid=f"{STUDY}.2.1.1",
            PatientName="LI^LEI=李^雷",
            PatientID="ORTHANC-2",
        )
    )
    run("dcmsend", "127.0.0.1", bridge.port, file)
    query = orthanc.ask("/modalities/us/query", {"Level": "Study", "Query": {"PatientName": "李*"}})
    (answer,) = orthanc.ask(f"/queries/{query['ID']}/answers")
    found = orthanc.ask(f"/queries/{query['ID']}/answers/{answer}/content?simplify")
    assert found["PatientName"].startswith("LI^LEI=李^雷")
    orthanc.ask(f"/queries/{query['ID']}/answers/{answer}/retrieve", raw=b"ORTHANC")
    moved = orthanc.ask("/tools/find", {"Level": "Study", "Query": {"PatientID": "ORTHANC-2"}})
    assert len(moved) == 1


def test_orthanc_is_promised_storage(both: tuple[Bridge, Orthanc]) -> None:
    _, orthanc = both
    orthanc.ask("/instances", raw=compressed(50))
    (resource,) = orthanc.ask(
        "/tools/find", {"Level": "Instance", "Query": {"SOPInstanceUID": f"{STUDY}.1.50"}}
    )
    orthanc.ask("/modalities/us/store", resource)
    asked = orthanc.ask("/modalities/us/storage-commitment", {"Resources": [resource]})

    def report() -> dict[str, Any]:
        found: dict[str, Any] = orthanc.ask(f"/storage-commitment/{asked['ID']}")
        return found

    wait_for(lambda: report()["Status"] != "Pending", seconds=20)
    assert report()["Status"] == "Success"
    assert [one["SOPInstanceUID"] for one in report()["Success"]] == [f"{STUDY}.1.50"]


@pytest.mark.parametrize("by_move", [False, True])
def test_a_study_is_pulled_from_orthanc(both: tuple[Bridge, Orthanc], *, by_move: bool) -> None:
    bridge, orthanc = both
    study = f"{STUDY}.7{int(by_move)}"
    files = [
        part10(
            study_uid=study,
            series_uid=f"{study}.1",
            instance_uid=f"{study}.1.{number}",
            transfer_syntax_uid=J2K,
            rows=8,
            columns=8,
            fragments=[os.urandom(300)],
            PatientName="LI^LEI=李^雷",
            PatientID="PULLED",
        )
        for number in range(3)
    ]
    for file in files:
        orthanc.ask("/instances", raw=file)
    wish = {"peer": "ORTHANC", "study_uid": study, "by_move": by_move}
    status, answer = asked(bridge, "POST", "/pulls", wish)
    assert status == 202

    def pulled() -> dict[str, Any]:
        found: dict[str, Any] = asked(bridge, "GET", f"/pulls/{answer['id']}")[1]
        assert not found["error"], found
        return found

    wait_for(lambda: pulled()["state"] == "done", seconds=30)
    for number, file in enumerate(files):
        path = f"studies/{study}/series/{study}.1/instances/{study}.1.{number}"
        assert data_set(wado(bridge, path)) == data_set(file)
