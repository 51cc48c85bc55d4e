"""What is read as one of its kind says to the byte what it says when it is read as ever."""

import random
import tracemalloc
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicomweb_server.dicom import alike
from dicomweb_server.dicom import describe as describing
from dicomweb_server.dicom.attributes import STANDARD, Attributes, attributes_of
from dicomweb_server.dicom.describe import Description, describe
from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.part10 import Limits
from dicomweb_server.dicom.source import BytesSource, FileSource
from tests.dicom.build import (
    DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
    EXPLICIT_VR_BIG_ENDIAN,
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    ITEM_END,
    JPEG_BASELINE,
    SEQUENCE_END,
    UNDEFINED,
    element,
    item,
    part10,
)
from tests.dicom.test_real_files import pydicom_files, real_files

LIMITS = Limits()
Said = Description | tuple[type[DicomError], str]


@pytest.fixture(autouse=True)
def nothing_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alike, "_seen", {})


@pytest.fixture
def hits(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each instance that is described from now on, whether it was read as one of its kind."""
    read: list[bool] = []
    real = alike.read_alike

    def noted(*arguments: object, **named: object) -> object:
        found = real(*arguments, **named)  # type: ignore[arg-type]
        read.append(found is not None)
        return found

    monkeypatch.setattr(describing, "read_alike", noted)
    return read


def said(file: bytes, attributes: Attributes = STANDARD) -> Said:
    try:
        found = describe(BytesSource(file), limits=LIMITS, attributes=attributes)
    except DicomError as error:
        return type(error), str(error)
    inflated = found.inflated
    if inflated is not None:
        inflated = BytesSource(inflated.read_at(0, inflated.length))
    return replace(found, inflated=inflated)


def as_ever(file: bytes, attributes: Attributes = STANDARD) -> Said:
    """What is said of an instance by who has seen no other."""
    kept = dict(alike._seen)
    alike._seen.clear()
    try:
        return said(file, attributes)
    finally:
        alike._seen.clear()
        alike._seen.update(kept)


def check(files: Iterable[bytes], attributes: Attributes = STANDARD) -> None:
    for file in files:
        assert said(file, attributes) == as_ever(file, attributes)


def test_every_file_among_all_others(shared_data: Path, hits: list[bool]) -> None:
    files = [path.read_bytes() for path in (*pydicom_files(), *real_files(shared_data))]
    for _ in range(3):
        check(files)
    assert sum(hits) > len(files) / 4


@pytest.mark.parametrize("folder", ["ct-head-140", "ct-head-ge-28", "mr-mprage-96"])
def test_the_slices_of_a_series_are_compared(
    shared_data: Path, hits: list[bool], folder: str
) -> None:
    files = [path.read_bytes() for path in real_files(shared_data / folder)]
    assert len(files) > 20
    said_of = [said(file) for file in files]
    assert sum(hits) >= len(files) - 8
    assert said_of == [as_ever(file) for file in files]


def test_slices_with_any_bytes_changed(shared_data: Path, hits: list[bool]) -> None:
    chance = random.Random(11)
    files = [path.read_bytes() for path in real_files(shared_data / "ct-head-ge-28")]
    check(files)
    taken = [b"\xff" * 4, b"SQ", b"UN", b"OB", ITEM_END, SEQUENCE_END, b"\0", b"\0\0\0\0"]
    for _ in range(3000):
        file = chance.choice(files)
        at = chance.randrange(132, 8000)
        change = chance.choice([*taken, chance.randbytes(chance.randint(1, 4))])
        cut = len(change) if chance.random() < 0.8 else chance.choice([0, 2, 8])
        check([file[:at] + change + file[at + cut :]])
    assert any(hits)


# Each differs from the others in one thing, and that by what may follow from it.
VARIANTS: list[dict[str, Any]] = [
    {},
    {"InstanceNumber": "2", "ImagePositionPatient": ["1", "-2.50", "3"]},
    {"InstanceNumber": "", "ImagePositionPatient": None},
    {"PatientName": "Wang^XiaoDong=\u738b^\u5c0f\u4e1c".encode()},
    {"PatientName": b"M\xfcller", "SpecificCharacterSet": "ISO_IR 100"},
    {"PatientName": b"M\xfcller", "SpecificCharacterSet": None},
    {"signed": True},
    {"signed": True, "SmallestImagePixelValue": b"\xff\xff"},
    {"SmallestImagePixelValue": b"\xff\xff"},
    {"bits_allocated": 8, "bits_stored": 8},
    {"StudyDate": "20240131", "StudyTime": "1015", "TimezoneOffsetFromUTC": "+0800"},
    {"StudyDate": "20240201", "StudyTime": "1015", "TimezoneOffsetFromUTC": "-0500"},
    {"ReferencedImageSequence": [{"ReferencedSOPInstanceUID": "1.2.3"}]},
    {"ReferencedImageSequence": [{"ReferencedSOPInstanceUID": "1.2.4", "PatientID": "x"}, {}]},
    {"ReferencedImageSequence": []},
    {"TextValue": "a" * 300},
    {"TextValue": "b" * 70_000},
    {"RedPaletteColorLookupTableDescriptor": [0, 0, 16]},
    {"RedPaletteColorLookupTableDescriptor": [65535, 1, 16]},
    {"frames": 2},
    {"study_uid": "1.2.826.0.1.3680043.8.7", "series_uid": "1.2.826.0.1.3680043.8.7.1"},
    {"instance_uid": "1.2.826.0.1.3680043.8.1.1.22"},
    {"instance_uid": "not a UID"},
    {"without": ["Modality"]},
    {"without": ["StudyInstanceUID"]},
    {"DataSetTrailingPadding": b"1234"},
    {"rows": 3},
    {"pixel_data": b"12"},
]


def extra(uid: str, which: int) -> dict[int, bytes]:
    """Private attributes, group lengths, and what the builder's keywords cannot say."""

    def one(tag: int, vr: str, value: bytes, **more: int) -> bytes:
        return element(tag, vr, value, transfer_syntax_uid=uid, **more)

    inside = item(one(0x00100020, "LO", b"%d " % which), transfer_syntax_uid=uid)
    open_end = item(
        one(0x00100020, "LO", b"1%d" % which), length=UNDEFINED, transfer_syntax_uid=uid
    )
    return [
        {},
        {0x00080000: one(0x00080000, "UL", b"\x10\1\0\0")},
        {0x00080000: one(0x00080000, "UL", b"AA\0\0")},
        {
            0x00190010: one(0x00190010, "LO", b"GEMS_ACQU_01"),
            0x00191002: one(0x00191002, "UN", b"\1\0\0\0"),
        },
        {
            0x00190010: one(0x00190010, "LO", b"SOMEBODYELSE"),
            0x00191002: one(0x00191002, "UN", b"\1\0\0\0"),
        },
        {
            0x00190010: one(0x00190010, "LO", b"GEMS_ACQU_01"),
            0x00191002: one(0x00191002, "UN", b"\2\0\0\0"),
        },
        {0x00400275: one(0x00400275, "SQ", inside)},
        {0x00400275: one(0x00400275, "SQ", inside * 2)},
        {0x00400275: one(0x00400275, "SQ", b"broken inside")},
        {0x00400275: one(0x00400275, "SQ", open_end + ITEM_END + SEQUENCE_END, length=UNDEFINED)},
        {0x00400275: one(0x00400275, "SQ", open_end + ITEM_END, length=UNDEFINED)},
        {0x00400275: one(0x00400275, "UN", inside)},
        {0x00091001: one(0x00091001, "OB", bytes(which % 7))},
        {0x00091001: one(0x00091001, "QQ", b"12")},
        {0x7FE10010: one(0x7FE10010, "LO", b"ELSCINT1")},
    ][which % 15]


@given(
    st.sampled_from(
        [
            EXPLICIT_VR_LITTLE_ENDIAN,
            IMPLICIT_VR_LITTLE_ENDIAN,
            JPEG_BASELINE,
            EXPLICIT_VR_BIG_ENDIAN,
            DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN,
        ]
    ),
    st.lists(
        st.tuples(
            st.integers(0, len(VARIANTS) - 1), st.integers(0, len(VARIANTS) - 1), st.integers(0, 14)
        ),
        min_size=2,
        max_size=5,
    ),
    st.lists(st.integers(0, 4), min_size=4, max_size=14),
)
def test_any_instances_one_after_another(
    uid: str, chosen: list[tuple[int, int, int]], order: list[int]
) -> None:
    alike._seen.clear()
    files = []
    for one, other, more in chosen:
        wanted: dict[str, Any] = {
            "rows": 2,
            "columns": 2,
            "InstanceNumber": "1",
            "ImagePositionPatient": ["0", "0", "1"],
            "PatientName": "Doe^Jane",
            **VARIANTS[one],
            **VARIANTS[other],
        }
        if uid == JPEG_BASELINE:
            wanted |= {"fragments": [b"\xff\xd8\xff", b"ab"], "offset_table": [0]}
        files.append(part10(transfer_syntax_uid=uid, extra=extra(uid, more), **wanted))
    check(files[number % len(files)] for number in order)


def private(uid: str, creator: bytes, value: bytes, vr: str = "UN") -> dict[int, bytes]:
    return {
        0x00190010: element(0x00190010, "LO", creator, transfer_syntax_uid=uid),
        0x00191002: element(0x00191002, vr, value, transfer_syntax_uid=uid),
    }


def sequence(uid: str, tag: int, value: bytes, length: int | None = None) -> dict[int, bytes]:
    return {tag: element(tag, "SQ", value, transfer_syntax_uid=uid, length=length)}


def different(uid: str) -> list[tuple[dict[str, Any], ...]]:
    """Instances that differ in one attribute, from which more may follow."""
    inside = item(
        element(0x00100020, "LO", b"12", transfer_syntax_uid=uid), transfer_syntax_uid=uid
    )
    other = item(
        element(0x00100020, "LO", b"1234", transfer_syntax_uid=uid), transfer_syntax_uid=uid
    )
    lut = "RedPaletteColorLookupTableDescriptor"
    smallest = {"SmallestImagePixelValue": b"\xfe\xff"}
    zoned = {
        f"{what}{part}": value
        for what in ("Study", "Series", "Content", "PerformedProcedureStepStart")
        for part, value in (("Date", "20240131"), ("Time", "1015"))
    }

    def descriptor(value: bytes) -> dict[int, bytes]:
        return {0x00281101: element(0x00281101, "SS", value, transfer_syntax_uid=uid)}

    def decided(by: int, value: bytes, tag: int, vr: str) -> dict[int, bytes]:
        return {
            by: element(by, "US", value, transfer_syntax_uid=uid),
            tag: element(tag, vr, b"\1\0\2\0", transfer_syntax_uid=uid),
        }

    def written_un(value: bytes) -> dict[int, bytes]:
        return {0x00100020: element(0x00100020, "UN", value, transfer_syntax_uid=uid)}

    def creator_alone() -> dict[int, bytes]:
        return {
            0x00210010: element(0x00210010, "LO", b"SIEMENS MED ", transfer_syntax_uid=uid),
        }

    return [
        (
            {"PatientName": b"M\xc3\xbc", "SpecificCharacterSet": "ISO_IR 100"},
            {"PatientName": b"M\xc3\xbc", "SpecificCharacterSet": "ISO_IR 192"},
        ),
        ({"signed": False, **smallest}, {"signed": True, **smallest}),
        (
            {"signed": True, "ReferencedImageSequence": [smallest]},
            {"signed": True, "ReferencedImageSequence": [{"SmallestImagePixelValue": b"\1\0"}]},
        ),
        ({"bits_allocated": 8}, {"bits_allocated": 16}),
        ({"signed": True, lut: b"\1\0\0\0\x10\0"}, {"signed": True, lut: b"\xff\xff\0\0\x10\0"}),
        ({**zoned, "TimezoneOffsetFromUTC": "+0800"}, {**zoned, "TimezoneOffsetFromUTC": "-0500"}),
        ({"PatientID": ""}, {"PatientID": "1234"}),
        ({"TextValue": "a" * 300}, {"TextValue": "b" * 70_000}),
        ({"TextValue": "a" * 70_000}, {"TextValue": "b" * 70_000}),
        ({"extra": descriptor(b"\1\0\0\0\x10\0")}, {"extra": descriptor(b"\xff\xff\0\0\x10\0")}),
        (
            {"extra": decided(0x00283002, b"\1\0\0\0\x10\0", 0x00283006, "UN")},
            {"extra": decided(0x00283002, b"\2\0\0\0\x10\0", 0x00283006, "UN")},
        ),
        (
            {"extra": decided(0x54001004, b"\x08\0", 0x54001010, "UN")},
            {"extra": decided(0x54001004, b"\x10\0", 0x54001010, "UN")},
        ),
        (
            {"rows": 0, "extra": decided(0x00280100, b"\x08\0", 0x60003000, "UN")},
            {"rows": 0, "extra": decided(0x00280100, b"\x10\0", 0x60003000, "UN")},
        ),
        ({"extra": written_un(b"1" * 70_000)}, {"extra": written_un(b"1234")}),
        (
            {"rows": 0, "extra": creator_alone()},
            {
                "rows": 0,
                "extra": creator_alone()
                | {0x00211010: element(0x00211010, "UN", b"\1\0", transfer_syntax_uid=uid)},
            },
        ),
        (
            {"without": ["SpecificCharacterSet"], "ImageType": "A"},
            {"without": ["SpecificCharacterSet"], "ImageType": "ABC"},
            {"without": ["SpecificCharacterSet"], "ImageType": "A" * 0x4242},
        ),
        (
            {"extra": private(uid, b"GEMS_ACQU_01", b"\1\0\0\0")},
            {"extra": private(uid, b"SOMEBODYELSE", b"\1\0\0\0")},
        ),
        (
            {"extra": private(uid, b"GEMS_ACQU_01", b"\1\0\0\0")},
            {"extra": private(uid, b"GEMS_ACQU_01", b"\1\0" * 40_000)},
        ),
        (
            {"extra": private(uid, b"GEMS_ACQU_01", inside + SEQUENCE_END, "SQ")},
            {"extra": private(uid, b"GEMS_ACQU_01", other + SEQUENCE_END, "SQ")},
        ),
        (
            {"extra": sequence(uid, 0x00191002, inside + SEQUENCE_END, UNDEFINED)},
            {"extra": sequence(uid, 0x00191002, other + SEQUENCE_END, UNDEFINED)},
            {"extra": sequence(uid, 0x00191002, other)},
        ),
        (
            {"extra": sequence(uid, 0x00400002, inside + SEQUENCE_END, UNDEFINED)},
            {"extra": sequence(uid, 0x00400002, other + SEQUENCE_END, UNDEFINED)},
            {"extra": sequence(uid, 0x00400002, other)},
        ),
        (
            {"extra": sequence(uid, 0x00400275, inside + SEQUENCE_END, UNDEFINED)},
            {"extra": sequence(uid, 0x00400275, other + SEQUENCE_END, UNDEFINED)},
            {"extra": sequence(uid, 0x00400275, other)},
        ),
        (
            {"extra": sequence(uid, 0x00400275, inside)},
            {"extra": sequence(uid, 0x00400275, b"broken inside!")},
        ),
        (
            {"rows": 0, "extra": sequence(uid, 0x00400275, inside)},
            {"rows": 0, "extra": sequence(uid, 0x00400275, other)},
            {"rows": 0, "extra": sequence(uid, 0x00400275, inside[:8], len(other))},
            {"rows": 0, "extra": sequence(uid, 0x00400275, inside, 1000)},
        ),
        (
            {"extra": sequence(uid, 0x00400275, b"broken inside1")},
            {"extra": sequence(uid, 0x00400275, b"broken inside2")},
            {"extra": sequence(uid, 0x00400275, other)},
        ),
        ({"extra": extra(uid, 1)}, {"extra": extra(uid, 2)}),
    ]


@pytest.mark.parametrize("number", range(26))
@pytest.mark.parametrize(
    "uid", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN, JPEG_BASELINE]
)
def test_what_follows_from_a_value_follows(uid: str, number: int) -> None:
    encoding = uid if uid == IMPLICIT_VR_LITTLE_ENDIAN else EXPLICIT_VR_LITTLE_ENDIAN
    files = []
    for wanted in different(encoding)[number]:
        wanted = {"rows": 2, "columns": 2, **wanted}
        if uid == JPEG_BASELINE:
            wanted |= {"fragments": [b"\xff\xd8\xff", b"ab"], "offset_table": [0]}
        files.append(part10(transfer_syntax_uid=uid, **wanted))
    assert len(different(encoding)) == 26
    check(files[0] for _ in range(3))
    for _ in range(3):
        check(files)
        check(files[::-1])


@pytest.mark.parametrize("uid", [EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN])
def test_files_that_end_too_early(uid: str, hits: list[bool]) -> None:
    without_pixels = [
        part10(transfer_syntax_uid=uid, InstanceNumber=f"1{number}", PatientWeight=f"{number * 3}")
        for number in range(5)
    ]
    check(without_pixels)
    assert hits[-2]
    check(without_pixels[-1][:-gone] for gone in range(1, 120))


def slices(count: int, **more: Any) -> list[bytes]:
    return [
        part10(
            rows=2,
            columns=2,
            instance_uid=f"1.2.3.{number}",
            InstanceNumber=str(number),
            SliceLocation=f"{number * 1.25}",
            **more,
        )
        for number in range(1, count + 1)
    ]


def test_what_was_found_to_vary_is_read_and_nothing_else(hits: list[bool]) -> None:
    check(slices(6, PatientID="one"))
    assert hits[0::2] == [False, False, False, True, True, True]
    check(slices(2, PatientID="another"))
    assert hits[12::2] == [False, True]


def test_instances_of_several_kinds_by_turns(hits: list[bool]) -> None:
    kinds = [slices(8), slices(8, ImageComments="c"), slices(8, KVP="120")]
    check(file for each in zip(*kinds, strict=True) for file in each)
    assert sum(hits) == 3 * 5


def test_private_attributes_that_are_searched(hits: list[bool]) -> None:
    attributes = attributes_of("instance:KVP, study:0009xx01 ACME=LO, series:0009xx02 ACME=SH")

    def file(number: int, study: bytes, series: bytes) -> bytes:
        return part10(
            instance_uid=f"1.2.3.{number}",
            KVP=str(100 + number // 3),
            extra={
                0x00090010: element(0x00090010, "LO", b"ACME"),
                0x00091001: element(0x00091001, "LO", study),
                0x00091002: element(0x00091002, "SH", series),
            },
        )

    check((file(n, b"one ", b"%d " % (n // 4)) for n in range(12)), attributes)
    check(file(n, b"two ", b"1 ") for n in range(6))
    assert any(hits)


def test_who_asks_with_other_attributes_each_time_leaves_nothing_behind(hits: list[bool]) -> None:
    """An archive's are always the same; when a copy of it was made for each request, with
    attributes of its own, a server grew by 35 kB with each instance it was sent."""
    files = [BytesSource(file) for file in slices(60)]
    # What is remembered of values, so many and no more, is remembered the second time.
    for file in files:
        describe(file, limits=LIMITS)
    tracemalloc.start()
    try:
        for file in files:
            describe(file, limits=LIMITS, attributes=attributes_of("instance:KVP"))
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert all(hits[-len(files) :])
    assert grown < 4000 * len(files)


def test_limits_of_somebody_else_are_kept(hits: list[bool]) -> None:
    files = slices(5, TextValue="a" * 20_000)
    check(files)
    assert hits[-2]
    with pytest.raises(DicomError, match="the header"):
        describe(BytesSource(files[0]), limits=Limits(skeleton_bytes=10_000))


def test_headers_too_long_to_compare(hits: list[bool]) -> None:
    check(slices(5, TextValue="a" * alike.COMPARED_BYTES))
    few = [element(0x00500021 + n, "LO", b"") for n in range(alike.COMPARED_ELEMENTS)]
    check(slices(5, extra={0x00500021: b"".join(few)}))
    check(slices(5, extra={0x00400275: element(0x00400275, "SQ", item(b"".join(few)))}))
    assert not any(hits)


def test_kinds_that_differ_in_what_may_not_vary_are_given_up(hits: list[bool]) -> None:
    sets = ["ISO_IR 100", "ISO_IR 192"]
    check(
        part10(SpecificCharacterSet=sets[number % 2], InstanceNumber=str(number))
        for number in range(30)
    )
    assert not any(hits)
    (seen,) = next(iter(alike._seen.values()))
    assert seen.failures == alike.FAILURES


def test_so_much_is_remembered_and_no_more() -> None:
    for number in range(3 * alike.CLASSES):
        for comments in range(2 * alike.KINDS):
            more = {0x00091001 + n: element(0x00091001 + n, "OB", b"12") for n in range(comments)}
            for _ in range(2):
                said(part10(sop_class_uid=f"1.2.840.10008.5.1.4.1.1.{number}", extra=more))
    assert len(alike._seen) <= alike.CLASSES
    assert all(len(kinds) <= alike.KINDS for kinds in alike._seen.values())


def test_files_that_are_read_from_disk_are_read_as_ever(tmp_path: Path, hits: list[bool]) -> None:
    for number, file in enumerate(slices(4)):
        path = tmp_path / str(number)
        path.write_bytes(file)
        with FileSource(path) as source:
            found = describe(source, limits=LIMITS)
        assert orjson.loads(found.metadata)["00200013"]["Value"] == [number + 1]
    assert not any(hits)


def test_threads_side_by_side() -> None:
    files = [file for each in zip(slices(40), slices(40, KVP="80"), strict=True) for file in each]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(said, files * 3))
    assert found == [as_ever(file) for file in files] * 3
