"""The DICOMDIR of an exported file-set: patients, studies, series and instances as records.

PS3.3 Annex F and PS3.10 §8. Records are made from the archive's metadata; no pixel is read. A
record refers to others by their offsets in the file, so all are encoded first, with zeros there.

Attributes a record must have and the instance lacks are invented, as dcmmkdir does when asked to:
a medium that lacks them would not be read at all.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from itertools import zip_longest
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import UID, ExplicitVRLittleEndian, MediaStorageDirectoryStorage, generate_uid

from dicomweb_server.dicom.explicit import IMPLEMENTATION_CLASS_UID

Json = Mapping[str, Any]
"""A DICOM JSON object."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of directory record.

    copied    attributes it takes from the instance when they are there
    required  attributes it must have, with what is written when the instance has none
    """

    name: str
    copied: tuple[str, ...] = ()
    required: Mapping[str, tuple[str, str]] = field(default_factory=dict)


_DATE, _TIME, _NUMBER = ("DA", "19000101"), ("TM", "000000"), ("IS", "0")
_NUMBERED = {"00200013": _NUMBER}
_CONTENT_TIME = {"00080023": _DATE, "00080033": _TIME}

PATIENT = Kind("PATIENT", ("00100010", "00100020"), {"00100020": ("LO", "UNKNOWN")})
STUDY = Kind(
    "STUDY",
    ("00080020", "00080030", "00080050", "00081030", "0020000D", "00200010"),
    {"00080020": _DATE, "00080030": _TIME, "00200010": ("SH", "0")},
)
SERIES = Kind(
    "SERIES", ("00080060", "0020000E", "00200011"), {"00080060": ("CS", "OT"), "00200011": _NUMBER}
)
IMAGE = Kind("IMAGE", ("00200013", "00080008", "00280008", "00280010", "00280011"), _NUMBERED)

_WITH_TIME = ("00200013", "00080023", "00080033")
_TIMED = _NUMBERED | {"00080023": _DATE, "00080033": _TIME}


def _labelled(name: str) -> Kind:
    """A record that carries the attributes of the Content Identification Macro."""
    return Kind(
        name,
        (*_WITH_TIME, "00700080", "00700081", "00700084"),
        _TIMED | {"00700080": ("CS", "UNKNOWN")},
    )


_ROOT = "1.2.840.10008.5.1.4.1.1"
_KINDS: tuple[tuple[str, Kind], ...] = (
    (f"{_ROOT}.88.59", Kind("KEY OBJECT DOC", (*_WITH_TIME, "0040A043"), _TIMED)),
    (
        f"{_ROOT}.88.",
        Kind(
            "SR DOCUMENT",
            (*_WITH_TIME, "0040A491", "0040A493", "0040A032", "0040A043"),
            _TIMED | {"0040A491": ("CS", "PARTIAL"), "0040A493": ("CS", "UNVERIFIED")},
        ),
    ),
    (
        f"{_ROOT}.11.",
        Kind(
            "PRESENTATION",
            ("00200013", "00700080", "00700081", "00700082", "00700083", "00700084", "00081115"),
            _NUMBERED | {"00700080": ("CS", "UNKNOWN"), "00700082": _DATE, "00700083": _TIME},
        ),
    ),
    (f"{_ROOT}.9.", Kind("WAVEFORM", _WITH_TIME, _TIMED)),
    (
        f"{_ROOT}.104.",
        Kind(
            "ENCAP DOC",
            (*_WITH_TIME, "00420010", "0040A043", "00420012"),
            _TIMED | {"00420012": ("LO", "application/octet-stream")},
        ),
    ),
    (
        f"{_ROOT}.481.2",
        Kind("RT DOSE", ("00200013", "3004000A"), _NUMBERED | {"3004000A": ("CS", "PLAN")}),
    ),
    (
        f"{_ROOT}.481.3",
        Kind(
            "RT STRUCTURE SET",
            ("00200013", "30060002", "30060008", "30060009"),
            _NUMBERED | {"30060002": ("SH", "UNKNOWN")},
        ),
    ),
    (
        f"{_ROOT}.481.5",
        Kind(
            "RT PLAN",
            ("00200013", "300A0002", "300A0006", "300A0007"),
            _NUMBERED | {"300A0002": ("SH", "UNKNOWN")},
        ),
    ),
    (f"{_ROOT}.66", Kind("RAW DATA", _WITH_TIME, _TIMED)),
    (f"{_ROOT}.66.1", _labelled("REGISTRATION")),
    (f"{_ROOT}.66.2", _labelled("FIDUCIAL")),
    (f"{_ROOT}.66.3", _labelled("REGISTRATION")),
    (f"{_ROOT}.66.5", _labelled("SURFACE")),
    (f"{_ROOT}.66.6", _labelled("TRACT")),
    (f"{_ROOT}.67", _labelled("VALUE MAP")),
    (
        f"{_ROOT}.4.2",
        Kind("SPECTROSCOPY", (*_WITH_TIME, "00080008", "00280008", "00280010", "00280011"), _TIMED),
    ),
)
"""Records by SOP class, or by what its UID begins with when that ends with a point; the first row
that fits (PS3.3 Table F.4-1). Everything else is an image."""


def kind_of_instance(sop_class_uid: str) -> Kind:
    for pattern, kind in _KINDS:
        if sop_class_uid == pattern or (pattern[-1] == "." and sop_class_uid.startswith(pattern)):
            return kind
    return IMAGE


@dataclass(slots=True)
class Record:
    """A directory record and those below it, in order of insertion."""

    kind: Kind
    attributes: Dataset
    below: dict[str, "Record"] = field(default_factory=dict)
    at: int = 0
    encoded: bytes = b""


class DicomDir:
    """Collects instances; `encode` gives the file."""

    def __init__(self) -> None:
        self._patients: dict[str, Record] = {}

    def add(
        self,
        instance: Json,
        *,
        file_id: tuple[str, ...],
        transfer_syntax_uid: str,
    ) -> None:
        """Adds an instance.

        instance  its whole metadata as DICOM JSON
        file_id   the components of its Referenced File ID, at most 8 of at most 8 characters
        """
        patient = _value(instance, "00100020") or f"name {_value(instance, '00100010')}"
        study, series, uid = (_value(instance, tag) for tag in ("0020000D", "0020000E", "00080018"))
        node = _below(self._patients, patient, PATIENT, instance)
        node = _below(node.below, study, STUDY, instance)
        node = _below(node.below, series, SERIES, instance)
        sop_class = _value(instance, "00080016")
        leaf = _record(kind_of_instance(sop_class), instance)
        leaf.attributes.ReferencedFileID = list(file_id)
        leaf.attributes.ReferencedSOPClassUIDInFile = sop_class
        leaf.attributes.ReferencedSOPInstanceUIDInFile = uid
        leaf.attributes.ReferencedTransferSyntaxUIDInFile = transfer_syntax_uid
        node.below[uid] = leaf

    def encode(self) -> bytes:
        """The DICOMDIR as a Part 10 file."""
        head = _head()
        fixed = _encoded_offsets(0, 0)
        # What follows the head: two offsets and the consistency flag, then the sequence's header.
        at = len(head) + len(fixed) + _SEQUENCE_HEADER
        for record in _walk(self._patients):
            record.encoded = _encode(record.attributes)
            record.at = at
            at += _ITEM_HEADER + _LINKS_LENGTH + len(record.encoded)
        roots = list(self._patients.values())
        first, last = (roots[0].at, roots[-1].at) if roots else (0, 0)
        sequence_length = at - len(head) - len(fixed) - _SEQUENCE_HEADER
        out = BytesIO()
        out.write(head + _encoded_offsets(first, last))
        out.write(struct.pack("<HH2sHI", 0x0004, 0x1220, b"SQ", 0, sequence_length))
        for record, following in _with_following(self._patients):
            below = next(iter(record.below.values()), None)
            links = _links(following.at if following else 0, below.at if below else 0)
            length = len(links) + len(record.encoded)
            out.write(struct.pack("<HHI", 0xFFFE, 0xE000, length) + links + record.encoded)
        return out.getvalue()


_SEQUENCE_HEADER = 12
_ITEM_HEADER = 8
_LINKS_LENGTH = 12 + 10 + 12


def _links(following: int, below: int) -> bytes:
    """The elements every record begins with: offset of the next record, in-use flag, offset of
    the first record below (PS3.3 Table F.3-3)."""
    return (
        struct.pack("<HH2sHI", 0x0004, 0x1400, b"UL", 4, following)
        + struct.pack("<HH2sHH", 0x0004, 0x1410, b"US", 2, 0xFFFF)
        + struct.pack("<HH2sHI", 0x0004, 0x1420, b"UL", 4, below)
    )


def _encoded_offsets(first: int, last: int) -> bytes:
    return (
        struct.pack("<HH2sHI", 0x0004, 0x1200, b"UL", 4, first)
        + struct.pack("<HH2sHI", 0x0004, 0x1202, b"UL", 4, last)
        + struct.pack("<HH2sHH", 0x0004, 0x1212, b"US", 2, 0)
    )


def _head() -> bytes:
    """Preamble, prefix, File Meta Information and the empty File-set ID."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = MediaStorageDirectoryStorage
    meta.MediaStorageSOPInstanceUID = generate_uid(prefix=None)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    out = DicomBytesIO()
    out.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(out, meta, enforce_standard=True)
    file_set = Dataset()
    file_set.FileSetID = ""
    return bytes(out.getvalue()) + _encode(file_set)


def _walk(level: Mapping[str, Record]) -> Iterator[Record]:
    for record in level.values():
        yield record
        yield from _walk(record.below)


def _with_following(level: Mapping[str, Record]) -> Iterator[tuple[Record, Record | None]]:
    """Every record with the next one of its own level, in the order of `_walk`."""
    records = list(level.values())
    for record, following in zip_longest(records, records[1:]):
        yield record, following
        yield from _with_following(record.below)


def _below(level: dict[str, Record], key: str, kind: Kind, instance: Json) -> Record:
    if key not in level:
        level[key] = _record(kind, instance)
    return level[key]


def _record(kind: Kind, instance: Json) -> Record:
    copied = {
        tag: instance[tag]
        for tag in kind.copied
        if tag in instance and "BulkDataURI" not in instance[tag]
    }
    for tag, (vr, value) in kind.required.items():
        if not copied.get(tag, {}).get("Value"):
            copied[tag] = {"vr": vr, "Value": [value]}
    attributes = Dataset.from_json(copied)
    attributes.DirectoryRecordType = kind.name
    attributes.SpecificCharacterSet = "ISO_IR 192"
    return Record(kind, attributes)


def _value(instance: Json, tag: str) -> str:
    """The first value of an attribute as text; "" when there is none."""
    values = instance.get(tag, {}).get("Value") or [""]
    first = values[0]
    if isinstance(first, dict):
        return next((str(group) for group in first.values() if group), "")
    return "" if first is None else str(first)


def _encode(attributes: Dataset) -> bytes:
    out = DicomBytesIO()
    out.is_little_endian, out.is_implicit_VR = True, False
    write_dataset(out, attributes)
    return bytes(out.getvalue())
