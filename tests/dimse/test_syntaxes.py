"""In which transfer syntax an instance goes out: as received, as the peer prefers, or decoded."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    CTImageStorage,
    StudyRootQueryRetrieveInformationModelGet,
)

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import open_archive
from dicomweb_server.config import load
from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000_LOSSLESS,
    JPEG_LOSSLESS_SV1,
)
from storage.model import Scope
from tests.dicom.build import part10
from tests.dimse.conftest import Bridge, bridged
from tests.dimse.programs import free_port, run, running
from tests.dimse.test_dcmtk import data_set
from tests.dimse.test_retrieve import identifier, last_of
from tests.servers import command

STUDY = "2.25.9301"
COUNT = 3


def slices() -> list[bytes]:
    """Smooth 16-bit images, which HTJ2K makes smaller."""
    y, x = np.mgrid[0:96, 0:96]
    return [
        part10(
            study_uid=STUDY,
            series_uid=f"{STUDY}.1",
            instance_uid=f"{STUDY}.1.{number}",
            rows=96,
            columns=96,
            pixel_data=(x * 7 + y * 3 + number).astype("<u2").tobytes(),
            InstanceNumber=number,
        )
        for number in range(COUNT)
    ]


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bridge]:
    """A bridge with a series whose frames are kept as HTJ2K; the peer SINK prefers nothing,
    J2K_SINK and HTJ2K_SINK what they are called."""
    directory = tmp_path_factory.mktemp("settled")
    sink = free_port()
    config = "".join(
        f'\n[[peers]]\naet = "{title}"\nhost = "127.0.0.1"\nport = {sink}\n'
        f"transfer_syntaxes = {preferred}\n"
        for title, preferred in (
            ("SINK", []),
            ("J2K_SINK", [JPEG_2000_LOSSLESS]),
            ("HTJ2K_SINK", [HTJ2K_LOSSLESS]),
        )
    )
    with bridged(directory, config=config, sink=sink) as bridge:
        made = directory / "made"
        made.mkdir()
        for number, content in enumerate(slices()):
            (made / f"{number}.dcm").write_bytes(content)
        run("dcmsend", "127.0.0.1", bridge.port, *sorted(made.iterdir()))
        process = command("settle", "--data", bridge.data)
        _, complaint = process.communicate(timeout=60)
        assert process.returncode == 0, complaint
        archive = open_archive(load(environment={}, flags={"data": str(bridge.data)}))
        try:
            for each in retrieve.instances(archive, Scope(STUDY)):
                assert retrieve.frame_syntaxes(archive, each, [0]) == [HTJ2K_LOSSLESS_RPCL]
        finally:
            archive.close()
        yield bridge


def moved(bridge: Bridge, title: str, directory: Path, *flags: str) -> list[Path]:
    """What storescp has received by C-MOVE, in the order of instances."""
    with running(
        "storescp", "-B", *flags, "-od", directory, "-aet", title, bridge.sink,
        port=bridge.sink, cwd=directory,
    ):  # fmt: skip
        run(
            "movescu", "-S", "-aem", title, "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={STUDY}", "127.0.0.1", bridge.port,
        )  # fmt: skip
    return sorted(one for one in directory.iterdir() if one.suffix != ".log")


def syntaxes(files: Sequence[Path]) -> set[str]:
    return {str(pydicom.dcmread(file).file_meta.TransferSyntaxUID) for file in files}


def test_what_has_settled_goes_out_bit_for_bit_as_it_was_received(
    settled: Bridge, tmp_path: Path
) -> None:
    received = [file.read_bytes() for file in moved(settled, "SINK", tmp_path)]
    assert sorted(map(data_set, received)) == sorted(map(data_set, slices()))


def test_a_peer_is_sent_what_it_prefers_of_what_can_be_made_without_loss(
    settled: Bridge, tmp_path: Path
) -> None:
    files = moved(settled, "J2K_SINK", tmp_path, "+xv")
    assert syntaxes(files) == {JPEG_2000_LOSSLESS}
    got = sorted(pydicom.dcmread(file).pixel_array.tobytes() for file in files)
    assert got == sorted(raw[-96 * 96 * 2 :] for raw in slices())


def test_a_peer_that_does_not_take_what_it_is_said_to_prefer_is_sent_what_was_received(
    settled: Bridge, tmp_path: Path
) -> None:
    received = [file.read_bytes() for file in moved(settled, "J2K_SINK", tmp_path)]
    assert sorted(map(data_set, received)) == sorted(map(data_set, slices()))


def keeping(received: list[pydicom.Dataset]) -> Callable[[evt.Event], int]:
    """A handler of C-STORE that keeps what comes, with its File Meta Information."""

    def store(event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        received.append(dataset)
        return 0

    return store


def test_who_prefers_htj2k_is_sent_the_codestreams_that_are_kept(settled: Bridge) -> None:
    received: list[pydicom.Dataset] = []
    entity = AE("HTJ2K_SINK")
    entity.add_supported_context(CTImageStorage, [EXPLICIT_VR_LITTLE_ENDIAN, HTJ2K_LOSSLESS])
    server = entity.start_server(
        ("127.0.0.1", settled.sink),
        block=False,
        evt_handlers=[(evt.EVT_C_STORE, keeping(received))],
    )
    assert server is not None
    try:
        run(
            "movescu", "-S", "-aem", "HTJ2K_SINK", "-k", "QueryRetrieveLevel=STUDY",
            "-k", f"StudyInstanceUID={STUDY}", "127.0.0.1", settled.port,
        )  # fmt: skip
    finally:
        server.shutdown()
    assert {each.file_meta.TransferSyntaxUID for each in received} == {HTJ2K_LOSSLESS}
    assert sorted(each.pixel_array.tobytes() for each in received) == sorted(
        raw[-96 * 96 * 2 :] for raw in slices()
    )


@pytest.mark.parametrize("only", [JPEG_2000_LOSSLESS, JPEG_LOSSLESS_SV1])
def test_c_get_of_who_takes_one_compressed_syntax_only_is_encoded_in_it(
    settled: Bridge, only: str
) -> None:
    received: list[pydicom.Dataset] = []
    entity = AE("GETTER")
    entity.add_requested_context(StudyRootQueryRetrieveInformationModelGet)
    entity.add_requested_context(CTImageStorage, only)
    association = entity.associate(
        "127.0.0.1",
        settled.port,
        ext_neg=[build_role(CTImageStorage, scp_role=True)],
        evt_handlers=[(evt.EVT_C_STORE, keeping(received))],
    )
    assert association.is_established
    status, failed, _ = last_of(
        association.send_c_get(identifier(STUDY), StudyRootQueryRetrieveInformationModelGet)
    )
    association.release()
    assert (status.Status, failed) == (0x0000, [])
    assert {each.file_meta.TransferSyntaxUID for each in received} == {only}
    assert sorted(each.pixel_array.tobytes() for each in received) == sorted(
        raw[-96 * 96 * 2 :] for raw in slices()
    )
