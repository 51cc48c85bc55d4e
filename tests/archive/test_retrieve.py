"""Retrieving: the bytes that came in, whatever became of them inside."""

import random
import warnings
from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson
import pydicom
import pytest

from dicomweb_server.archive import files, retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.delete import delete
from dicomweb_server.archive.retrieve import InstanceFile
from dicomweb_server.archive.store import Outcome
from dicomweb_server.archive.upkeep import compact, settle
from dicomweb_server.dicom.describe import describe
from dicomweb_server.dicom.errors import NotInDataSet
from dicomweb_server.dicom.source import BytesSource
from storage.errors import NotFound
from storage.model import Buffer, Form, Instance, Place, Scope, SeriesKey
from tests.dicom.build import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    INSTANCE_UID,
    JPEG_BASELINE,
    SERIES_UID,
    STUDY_UID,
    part10,
)

Keep = Callable[..., list[Outcome]]
SCOPE = Scope(STUDY_UID, SERIES_UID, INSTANCE_UID)
HTJ2K = "1.2.840.10008.1.2.4.202"

JPEG = [b"\xff\xd8" + bytes([n]) * (2 * n + 4) + b"\xff\xd9" for n in range(4)]
"""Made up: nothing decodes them."""

FILES: dict[str, bytes] = {
    "without pixels": part10(PatientName="Doe^Jane"),
    "one frame": part10(rows=16, columns=12),
    "frames": part10(rows=16, columns=12, frames=5, signed=True),
    "colour": part10(rows=6, columns=5, frames=3, samples=3, bits_allocated=8),
    "1 bit": part10(rows=3, columns=3, frames=21, bits_allocated=1),
    "1 bit, whole bytes": part10(rows=4, columns=4, frames=3, bits_allocated=1),
    "implicit": part10(rows=4, columns=4, frames=2, transfer_syntax_uid=IMPLICIT_VR_LITTLE_ENDIAN),
    "big endian": part10(rows=4, columns=4, frames=2, transfer_syntax_uid=EXPLICIT_VR_BIG_ENDIAN),
    "deflated": part10(
        rows=4, columns=4, frames=2, transfer_syntax_uid=DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN
    ),
    "encapsulated": part10(
        rows=8,
        columns=8,
        frames=4,
        bits_allocated=8,
        fragments=JPEG,
        transfer_syntax_uid=JPEG_BASELINE,
    ),
    "a frame in many fragments": part10(
        rows=8,
        columns=8,
        frames=1,
        bits_allocated=8,
        fragments=[JPEG[3][:4], JPEG[3][4:8], JPEG[3][8:], JPEG[1]],
        transfer_syntax_uid=JPEG_BASELINE,
    ),
    "a large value beside the pixels": part10(
        rows=8, columns=8, frames=2, EncapsulatedDocument=bytes(range(256)) * 400
    ),
}
KINDS = pytest.mark.parametrize("kind", FILES)


def stored(archive: Archive, scope: Scope = SCOPE) -> Instance:
    return retrieve.instance(archive, scope)


@KINDS
@pytest.mark.parametrize("settled", [False, True])
def test_every_byte_of_a_file_comes_back_from_any_position(
    archive: Archive, keep: Keep, kind: str, settled: bool
) -> None:
    content = FILES[kind]
    keep(content)
    if settled:
        settle(archive)
    file = InstanceFile(archive, stored(archive))
    assert file.length == len(content)
    assert b"".join(file.chunks()) == content
    assert file.read_at(0, len(content)) == content
    chance = random.Random(kind)
    for _ in range(60):
        at, length = chance.randrange(len(content) + 9), chance.randrange(300)
        assert file.read_at(at, length) == content[at : at + length]


@KINDS
def test_frames_come_back_as_they_were_cut(archive: Archive, keep: Keep, kind: str) -> None:
    content = FILES[kind]
    keep(content)
    description = describe(BytesSource(content))
    source = description.inflated or BytesSource(content)
    instance = stored(archive)
    assert instance.frames.count == description.frames.count
    if description.frames.packed_bits:
        return  # see the test of 1-bit frames
    for index in range(instance.frames.count):
        extents = [description.contents[n].extent for n in description.frames.blobs_of(index)]
        wanted = b"".join(source.read_at(each.offset, each.length) for each in extents)
        frame = retrieve.frame(archive, instance, index)
        assert (frame.form, frame.payload) == (Form.RAW, wanted)
        ready = retrieve.frame_ready(archive, instance, index)
        assert ready == (frame if len(extents) == 1 else None)


def test_1_bit_frames_that_begin_inside_a_byte_are_moved_to_its_start(
    archive: Archive, keep: Keep
) -> None:
    keep(FILES["1 bit"])
    instance = stored(archive)
    # counting_pixels sets every third sample, and a frame has nine of them.
    frame = retrieve.frame(archive, instance, 0).payload
    assert frame == bytes([0b01001001, 0b0])
    assert all(retrieve.frame(archive, instance, n).payload == frame for n in range(21))
    assert retrieve.frame_ready(archive, instance, 1) is None


@pytest.mark.parametrize(
    ("kind", "uid"),
    [
        ("one frame", EXPLICIT_VR_LITTLE_ENDIAN),
        ("implicit", EXPLICIT_VR_LITTLE_ENDIAN),
        ("deflated", EXPLICIT_VR_LITTLE_ENDIAN),
        ("big endian", EXPLICIT_VR_BIG_ENDIAN),
        ("encapsulated", JPEG_BASELINE),
        ("a frame in many fragments", JPEG_BASELINE),
        ("1 bit", EXPLICIT_VR_LITTLE_ENDIAN),
    ],
)
def test_a_frame_says_the_transfer_syntax_it_is_in(
    archive: Archive, keep: Keep, kind: str, uid: str
) -> None:
    keep(FILES[kind])
    instance = stored(archive)
    assert retrieve.frame(archive, instance, 0).transfer_syntax_uid == uid
    assert uid in retrieve.stored_transfer_syntaxes(instance)


def test_a_settled_native_frame_is_an_htj2k_codestream(archive: Archive, keep: Keep) -> None:
    smooth = b"".join(n.to_bytes(2, "little") for row in range(64) for n in range(row, row + 64))
    keep(part10(rows=64, columns=64, pixel_data=smooth))
    settle(archive)
    instance = stored(archive)
    frame = retrieve.frame(archive, instance, 0)
    assert (frame.form, frame.transfer_syntax_uid) == (Form.HTJ2K, HTJ2K)
    assert frame.payload[:4] == b"\xff\x4f\xff\x51"
    assert frame.content_length == len(smooth)
    assert HTJ2K in retrieve.stored_transfer_syntaxes(instance)


def test_a_settled_frame_that_is_kept_as_zstd_is_unpacked_on_demand(
    archive: Archive, keep: Keep
) -> None:
    content = part10(rows=16, columns=16, bits_allocated=32)
    keep(content)
    settle(archive)
    frame = retrieve.frame(archive, stored(archive), 0)
    assert (frame.form, frame.transfer_syntax_uid) == (Form.ZSTD, EXPLICIT_VR_LITTLE_ENDIAN)
    assert frame.unpacked() == content[-16 * 16 * 4 :]


@pytest.mark.parametrize("index", [5, 100, -1])
def test_a_frame_past_the_last_is_not_found(archive: Archive, keep: Keep, index: int) -> None:
    keep(FILES["frames"])
    for read in (retrieve.frame, retrieve.frame_ready, retrieve.native_frame):
        with pytest.raises(NotFound, match="5"):
            read(archive, stored(archive), index)


@pytest.mark.parametrize(
    "scope",
    [
        Scope("1.9"),
        Scope("1.9", SERIES_UID),
        Scope(STUDY_UID, "1.9"),
        Scope(STUDY_UID, SERIES_UID, "1.9"),
        Scope("1.9", SERIES_UID, INSTANCE_UID),
    ],
)
def test_what_is_not_stored_is_not_found_on_any_level(
    archive: Archive, keep: Keep, scope: Scope
) -> None:
    keep(part10())
    with pytest.raises(NotFound):
        retrieve.instances(archive, scope)
    with pytest.raises(NotFound):
        retrieve.representative(archive, scope)
    with pytest.raises(NotFound):
        if scope.instance_uid:
            retrieve.instance_metadata(archive, scope)
        else:
            retrieve.metadata(archive, scope)


def test_instances_come_in_the_order_of_their_numbers(archive: Archive, keep: Keep) -> None:
    for number in (3, 1, 2):
        keep(part10(instance_uid=f"1.2.{9 - number}", InstanceNumber=number))
    found = retrieve.instances(archive, Scope(STUDY_UID, SERIES_UID))
    assert [each.number for each in found] == [1, 2, 3]
    assert retrieve.instances(archive, Scope(STUDY_UID)) == found


def test_a_series_that_changes_is_read_anew(archive: Archive, keep: Keep) -> None:
    keep(part10())
    assert retrieve.instance_ready(archive, SCOPE) is None
    first = stored(archive)
    assert retrieve.instance_ready(archive, SCOPE) is first
    assert stored(archive) is first
    keep(part10(instance_uid="1.2.3"))
    assert retrieve.instance_ready(archive, SCOPE) is None
    assert len(retrieve.instances(archive, Scope(STUDY_UID))) == 2
    delete(archive, Scope(STUDY_UID))
    with pytest.raises(NotFound):
        stored(archive)


class Moving:
    """A blob store in which every content moves between the look for its place and the reading."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self._seen: set[Place] = set()

    def _moved(self, place: Place) -> None:
        if place not in self._seen:
            self._seen.add(place)
            raise NotFound("pack", str(place.pack))

    def read(self, place: Place) -> bytes:
        self._moved(place)
        content: bytes = self._inner.read(place)
        return content

    def read_ready(self, place: Place) -> Buffer | None:
        return self.read(place)

    def read_part(self, place: Place, offset: int, length: int) -> bytes:
        self._moved(place)
        part: bytes = self._inner.read_part(place, offset, length)
        return part


def test_a_content_that_moved_while_it_was_read_is_looked_up_again(
    archive: Archive, keep: Keep
) -> None:
    keep(FILES["frames"])
    instance = stored(archive)

    def moving() -> Archive:
        blobs: Any = Moving(archive.storage.blobs)
        storage = replace(archive.storage, blobs=blobs)
        return Archive(storage, archive.config)

    assert b"".join(InstanceFile(moving(), instance).chunks()) == FILES["frames"]
    file = InstanceFile(moving(), instance)
    assert file.read_at(len(FILES["frames"]) - 7, 7) == FILES["frames"][-7:]
    assert retrieve.frame_ready(moving(), instance, 0) is None
    assert retrieve.frame(moving(), instance, 0) == retrieve.frame(archive, instance, 0)


def test_a_file_read_across_settling_and_compaction_is_whole(archive: Archive, keep: Keep) -> None:
    keep(FILES["frames"])
    file = InstanceFile(archive, stored(archive))
    settle(archive)
    compact(archive)
    assert b"".join(file.chunks()) == FILES["frames"]


def test_the_middle_frame_of_the_middle_instance_stands_for_a_series(
    archive: Archive, keep: Keep
) -> None:
    keep(part10(instance_uid="1.2.0", InstanceNumber=0))
    for n in range(1, 6):
        keep(part10(instance_uid=f"1.2.{n}", InstanceNumber=n, rows=2, columns=2, frames=3))
    for scope in (Scope(STUDY_UID), Scope(STUDY_UID, SERIES_UID)):
        instance, frame_index = retrieve.representative(archive, scope)
        assert (instance.instance_uid, frame_index) == ("1.2.3", 1)
    instance, _ = retrieve.representative(archive, Scope(STUDY_UID, SERIES_UID, "1.2.1"))
    assert instance.instance_uid == "1.2.1"


def test_nothing_stands_for_a_series_without_frames(archive: Archive, keep: Keep) -> None:
    keep(part10())
    with pytest.raises(NotFound, match="image"):
        retrieve.representative(archive, Scope(STUDY_UID))


@pytest.mark.parametrize("settled", [False, True])
def test_metadata_of_an_instance_is_its_part_of_the_metadata_of_its_series(
    archive: Archive, keep: Keep, settled: bool
) -> None:
    for n in range(4):
        keep(part10(instance_uid=f"1.2.{n}", InstanceNumber=n, PatientComments="x" * n))
        if n == 1 and settled:
            settle(archive)
    (series,) = retrieve.metadata(archive, Scope(STUDY_UID))
    array = orjson.loads(retrieve.unpack_metadata(series))
    assert [each["00080018"]["Value"] for each in array] == [[f"1.2.{n}"] for n in range(4)]
    for n, wanted in enumerate(array):
        scope = Scope(STUDY_UID, SERIES_UID, f"1.2.{n}")
        found, version = retrieve.instance_metadata(archive, scope)
        assert orjson.loads(found) == wanted
        assert version == series.version
    key = SeriesKey(STUDY_UID, SERIES_UID)
    assert retrieve.versions(archive, Scope(STUDY_UID)) == [(key, series.version)]


def test_native_frames_are_decoded_once_and_kept_at_hand(archive: Archive, keep: Keep) -> None:
    content = FILES["big endian"]
    keep(content)
    instance = stored(archive)
    frame = retrieve.native_frame(archive, instance, 1)
    received = retrieve.frame(archive, instance, 1).payload
    assert frame.content == b"".join(received[n + 1 :: -1][:2] for n in range(0, 32, 2))
    assert retrieve.native_frame(archive, instance, 1) is frame
    assert archive.decoded.weight == len(frame.content)


def test_equal_contents_of_another_format_are_decoded_by_their_own(
    archive: Archive, keep: Keep
) -> None:
    pixels = bytes(range(32))
    for n, syntax in enumerate((EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN)):
        keep(
            part10(
                instance_uid=f"1.2.{n}",
                rows=4,
                columns=4,
                pixel_data=pixels,
                transfer_syntax_uid=syntax,
            )
        )
    little, big = (
        retrieve.native_frame(archive, each, 0).content
        for each in retrieve.instances(archive, Scope(STUDY_UID))
    )
    assert little == pixels
    assert big == b"".join(pixels[n : n + 2][::-1] for n in range(0, 32, 2))


@pytest.mark.parametrize("kind", [kind for kind in FILES if JPEG[1] not in FILES[kind]])
def test_a_file_in_explicit_vr_little_endian_has_the_frames_decoded(
    archive: Archive, keep: Keep, kind: str
) -> None:
    keep(FILES[kind])
    settle(archive)
    instance = stored(archive)
    file = files.explicit_file(archive, instance)
    content = b"".join(file.chunks)
    assert len(content) == file.length
    read = pydicom.dcmread(BytesIO(content))
    wanted = pydicom.dcmread(BytesIO(FILES[kind]))
    assert read.file_meta.TransferSyntaxUID == EXPLICIT_VR_LITTLE_ENDIAN
    assert read.SOPInstanceUID == wanted.SOPInstanceUID
    assert len(read) == len(wanted)
    if instance.frames.count:
        assert (read.pixel_array == wanted.pixel_array).all()


def test_a_decoded_file_has_the_pixels_of_the_codestreams(
    archive: Archive, keep: Keep, shared_data: Path
) -> None:
    for path in sorted((shared_data / "mixed" / "pylibjpeg-data").glob("*RLELossless*"))[:6]:
        (outcome,) = keep(path.read_bytes(), conflict="replace")
        if outcome.instance_uid is None:
            continue
        uids = (outcome.study_uid, outcome.series_uid, outcome.instance_uid)
        assert uids[0] is not None
        instance = stored(archive, Scope(uids[0], uids[1], uids[2]))
        content = b"".join(files.explicit_file(archive, instance).chunks)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = pydicom.dcmread(BytesIO(content)).pixel_array
            wanted = pydicom.dcmread(path).pixel_array
        assert (read == wanted).all()


def test_a_large_value_is_to_be_had_by_its_path(archive: Archive, keep: Keep) -> None:
    keep(FILES["a large value beside the pixels"])
    settle(archive)
    value = retrieve.bulk_value(archive, stored(archive), "00420011")
    assert value.vr == "OB"
    assert b"".join(value.chunks()) == bytes(range(256)) * 400
    assert value.length == 256 * 400
    with pytest.raises(NotInDataSet):
        retrieve.bulk_value(archive, stored(archive), "00420010")
