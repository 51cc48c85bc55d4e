"""dicomweb-client (PyPI) against the running server: store, search, a series, metadata, frames."""

import io

import numpy as np
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom import dcmread

from tests.dicom.build import STUDY_UID, part10
from tests.web.conftest import Server

SERIES_UID = "1.5"
COUNT = 12


@pytest.fixture
def client(server: Server) -> DICOMwebClient:
    made = DICOMwebClient(url=server.dicomweb)
    files = [
        part10(
            series_uid=SERIES_UID,
            instance_uid=f"1.5.{n}",
            rows=32,
            columns=32,
            InstanceNumber=str(n),
            PatientName="Zhang^Wei=张^伟",
            pixel_data=np.full((32, 32), n, "<u2").tobytes(),
        )
        for n in range(1, COUNT + 1)
    ]
    stored = made.store_instances([dcmread(io.BytesIO(file)) for file in files])
    assert len(stored.ReferencedSOPSequence) == COUNT
    assert "FailedSOPSequence" not in stored
    return made


def test_it_searches(client: DICOMwebClient) -> None:
    (study,) = client.search_for_studies(search_filters={"PatientName": "*伟*"})
    assert study["0020000D"]["Value"] == [STUDY_UID]
    assert client.search_for_studies(search_filters={"PatientID": "nobody"}) == []
    (series,) = client.search_for_series(STUDY_UID)
    assert series["00201209"]["Value"] == [COUNT]
    assert len(client.search_for_instances(STUDY_UID, SERIES_UID, limit=5, offset=2)) == 5


def test_it_retrieves_a_whole_series(client: DICOMwebClient) -> None:
    instances = client.retrieve_series(STUDY_UID, SERIES_UID)
    assert [int(each.InstanceNumber) for each in instances] == list(range(1, COUNT + 1))
    assert [int(each.pixel_array[0, 0]) for each in instances] == list(range(1, COUNT + 1))
    streamed = client.iter_series(STUDY_UID, SERIES_UID)
    assert [each.SOPInstanceUID for each in streamed] == [each.SOPInstanceUID for each in instances]


def test_it_retrieves_an_instance_and_a_study(client: DICOMwebClient) -> None:
    assert client.retrieve_instance(STUDY_UID, SERIES_UID, "1.5.3").InstanceNumber == 3
    assert len(client.retrieve_study(STUDY_UID)) == COUNT


def test_it_retrieves_metadata(client: DICOMwebClient) -> None:
    assert len(client.retrieve_study_metadata(STUDY_UID)) == COUNT
    metadata = client.retrieve_series_metadata(STUDY_UID, SERIES_UID)
    assert [each["00200013"]["Value"][0] for each in metadata] == list(range(1, COUNT + 1))
    one = client.retrieve_instance_metadata(STUDY_UID, SERIES_UID, "1.5.2")
    assert one == metadata[1]


def test_it_retrieves_frames_and_bulk_data(client: DICOMwebClient) -> None:
    (frame,) = client.retrieve_instance_frames(STUDY_UID, SERIES_UID, "1.5.4", [1])
    assert frame == np.full((32, 32), 4, "<u2").tobytes()
    any_syntax = ("application/octet-stream", "*")
    (stored,) = client.retrieve_instance_frames(
        STUDY_UID, SERIES_UID, "1.5.4", [1], media_types=(any_syntax,)
    )
    assert stored == frame
    # The client sends a Host header without its port, so a URI made from that leads to port 80.
    path = f"studies/{STUDY_UID}/series/{SERIES_UID}/instances/1.5.4/bulkdata/7FE00010"
    metadata = client.retrieve_instance_metadata(STUDY_UID, SERIES_UID, "1.5.4")
    assert metadata["7FE00010"]["BulkDataURI"].endswith(path)
    assert client.retrieve_bulkdata(f"{client.base_url}/{path}") == [frame]


def test_it_retrieves_a_picture(client: DICOMwebClient) -> None:
    picture = client.retrieve_instance_rendered(
        STUDY_UID, SERIES_UID, "1.5.4", media_types=("image/png",)
    )
    assert picture.startswith(b"\x89PNG")


def test_it_deletes(client: DICOMwebClient) -> None:
    client.delete_series(STUDY_UID, SERIES_UID)
    assert client.search_for_studies() == []
