"""Keys and records of the LMDB index: values <-> bytes, nothing else. LAYOUT.md draws them.

Numbers in keys are big endian, so that the order of the bytes is the order of the numbers. Records
are a fixed struct where they are read all the time and JSON where they are not; what is large is
a zstd frame (window_log at most 23).
"""

import re
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate
from typing import Any

import orjson

from storage.model import (
    Change,
    ChangeKind,
    Digest,
    Form,
    FrameTable,
    Instance,
    PixelFormat,
    Place,
    SeriesKey,
)
from storage.searching import RANK_LENGTH, Terms
from storage.zstd import compressed, expanded

KEY_LIMIT = 400
"""Longest term that is a key, in bytes: longer ones are cut, and found ones compared again."""
ID_LENGTH = 6
DIGEST_LENGTH = 32

# UIDs

_UID = re.compile(r"[0-9.]{1,64}")
_TO_NIBBLES = str.maketrans("0123456789.", "23456789ab1")
_FROM_NIBBLES = str.maketrans("23456789ab1", "0123456789.")
_OTHER = b"\xff"
NO_KEY = b"\0"
"""Under this no table has anything."""


@lru_cache(maxsize=4096)
def uid_key(uid: str) -> bytes:
    """Half a byte a character, so that the UIDs of a series, which begin alike, lie together.
    What is no UID (PS3.5 §9) keeps its bytes. Raises ValueError when it is empty, too long or
    holds a NUL."""
    if _UID.fullmatch(uid):
        nibbles = uid.translate(_TO_NIBBLES)
        return bytes.fromhex(nibbles if len(nibbles) % 2 == 0 else nibbles + "0")
    key = _OTHER + uid.encode()
    if not uid or "\0" in uid or len(key) > KEY_LIMIT:
        raise ValueError(f"a UID of {len(uid)} characters cannot be kept: {uid[:80]!r}")
    return key


def lookup_key(uid: str) -> bytes:
    """As `uid_key`, for looking up: what cannot be kept is not there either."""
    try:
        return uid_key(uid)
    except ValueError:
        return NO_KEY


def uid_of(key: bytes) -> str:
    """The UID that `uid_key` was given."""
    if key.startswith(_OTHER):
        return key[1:].decode()
    return key.hex().rstrip("0").translate(_FROM_NIBBLES)


def id_key(number: int) -> bytes:
    """A study's or series' id: the how-manieth ever stored."""
    return number.to_bytes(ID_LENGTH, "big")


def sequence_key(sequence: int) -> bytes:
    return sequence.to_bytes(8, "big")


# Studies and series


@dataclass(slots=True)
class StudyState:
    """What changes with every instance of a study."""

    id: bytes
    rank: bytes
    version: int
    series_count: int
    instance_count: int

    LAYOUT = struct.Struct(f">{ID_LENGTH}s{RANK_LENGTH}sQIQ")

    def record(self) -> bytes:
        return self.LAYOUT.pack(
            self.id, self.rank, self.version, self.series_count, self.instance_count
        )

    @classmethod
    def of(cls, record: bytes) -> "StudyState":
        return cls(*cls.LAYOUT.unpack(record))


@dataclass(slots=True)
class SeriesState:
    """What changes with every instance of a series.

    changed_us  when it last changed
    unsettled   whether it changed since it was compacted
    """

    study_id: bytes
    id: bytes
    version: int
    instance_count: int
    changed_us: int
    unsettled: bool

    LAYOUT = struct.Struct(f">{ID_LENGTH}s{ID_LENGTH}sQQQ?")

    def record(self) -> bytes:
        return self.LAYOUT.pack(
            self.study_id,
            self.id,
            self.version,
            self.instance_count,
            self.changed_us,
            self.unsettled,
        )

    @classmethod
    def of(cls, record: bytes) -> "SeriesState":
        return cls(*cls.LAYOUT.unpack(record))

    def unsettled_key(self) -> bytes:
        """Where the series waits to be compacted: the longest quiet first."""
        return struct.pack(">QQ", self.changed_us, self.version) + self.id


SERIES_VERSION = struct.Struct(f">{2 * ID_LENGTH}xQ")
"""Only the version of a SeriesState, from its first bytes."""


@dataclass(slots=True)
class SeriesSays:
    """What a series says of itself.

    rollups  each different roll-up of its instances and how many of them contribute it
    """

    study_uid: str
    uid: str
    terms: dict[str, tuple[str, ...]]
    document: bytes
    rollups: list[tuple[dict[str, tuple[str, ...]], int]]

    def record(self) -> bytes:
        says = orjson.dumps([self.study_uid, self.uid, self.terms, self.rollups])
        return joined(says, self.document)

    @classmethod
    def of(cls, record: bytes) -> "SeriesSays":
        says, document = parts_of(record)
        study_uid, uid, terms, rollups = orjson.loads(says)
        counted = [(tupled(rollup), count) for rollup, count in rollups]
        return cls(study_uid, uid, tupled(terms), document, counted)


def search_record(terms: Terms, rollup: Terms) -> bytes:
    """What searches compare of a study. JSON, because a search looks for a value's bytes in the
    record before it takes the record apart."""
    return orjson.dumps([terms, rollup])


def tupled(terms: dict[str, list[str]]) -> dict[str, tuple[str, ...]]:
    """Terms as they were before they became JSON."""
    return {tag: tuple(values) for tag, values in terms.items()}


def series_key_record(key: SeriesKey) -> bytes:
    return orjson.dumps([key.study_uid, key.series_uid])


def series_key_of(record: bytes) -> SeriesKey:
    return SeriesKey(*orjson.loads(record))


# Changes


def changes_record(
    kind: ChangeKind, study_uid: str, series_uid: str, entries: Sequence[tuple[int, str]]
) -> bytes:
    """Changes of one kind in one series that follow each other: (time in us, SOP Instance UID)."""
    times = _steps([at_us for at_us, _ in entries])
    uids = [uid for _, uid in entries]
    return _small(orjson.dumps([kind.value, study_uid, series_uid, times, uids]))


def changes_of(record: bytes, last_sequence: int) -> list[Change]:
    """The changes of a record, ascending; the last one's number is the record's key."""
    kind, study_uid, series_uid, times, uids = orjson.loads(_unpacked(record))
    first = last_sequence - len(uids) + 1
    return [
        Change(first + at, ChangeKind(kind), at_us, study_uid, series_uid, uid)
        for at, (at_us, uid) in enumerate(zip(accumulate(times), uids, strict=True))
    ]


# Contents and packs

_CONTENT = struct.Struct(">IQQIBIQ")
_PACK = struct.Struct(">QQ?")


def content_record(references: int, place: Place) -> bytes:
    """Raises ValueError for a place beyond what a record can hold (payloads of 4 GiB)."""
    try:
        return _CONTENT.pack(
            references,
            place.pack,
            place.offset,
            place.length,
            place.form,
            place.content_length,
            place.checksum,
        )
    except struct.error as error:
        raise ValueError(f"{place} cannot be kept: {error}") from None


def content_of(record: bytes) -> tuple[int, Place]:
    """References and place."""
    references, pack, offset, length, form, content_length, checksum = _CONTENT.unpack(record)
    return references, Place(pack, offset, length, Form(form), content_length, checksum)


def pack_key(pack: int) -> bytes:
    return pack.to_bytes(8, "big")


def pack_record(live_bytes: int, live_blobs: int, *, retired: bool) -> bytes:
    return _PACK.pack(live_bytes, live_blobs, retired)


def pack_of(record: bytes) -> tuple[int, int, bool]:
    """Live bytes, live blobs, whether it is retired."""
    live_bytes, live_blobs, retired = _PACK.unpack(record)
    return live_bytes, live_blobs, retired


# Instances

_COMPRESS_ABOVE = 512
_HASTE = 1


def instances_record(instances: Sequence[Instance]) -> bytes:
    """Instances of one series, in columns: what repeats from one to the next costs next to nothing
    as a zstd frame; the digests, which cannot be compressed, follow as they are."""
    first = instances[0]
    columns = [
        first.study_uid,
        first.series_uid,
        [one.instance_uid for one in instances],
        _coded([one.sop_class_uid for one in instances]),
        _coded([one.transfer_syntax_uid for one in instances]),
        [one.number for one in instances],
        [one.file_length for one in instances],
        [len(one.blobs) for one in instances],
        [_steps(one.holes) for one in instances],
        _coded([_frames_column(one.frames) for one in instances]),
        _coded([_pixels_column(one.pixels) for one in instances]),
        _steps([one.received_us for one in instances]),
        _coded([one.source for one in instances]),
        _coded([one.edit for one in instances]),
    ]
    digests = b"".join(
        b"".join((one.file_digest, one.dataset_digest, one.skeleton, *one.blobs))
        for one in instances
    )
    return joined(_small(orjson.dumps(columns)), digests)


def instances_of(record: bytes) -> list[Instance]:
    """What `instances_record` was given."""
    return InstanceColumns(record).all()


class InstanceColumns:
    """An instances record, taken apart as far as one instance after the other is asked for."""

    def __init__(self, record: bytes) -> None:
        packed, self._digests = parts_of(record)
        (
            self.study_uid,
            self.series_uid,
            self.uids,
            sop_classes,
            transfer_syntaxes,
            self.numbers,
            file_lengths,
            blob_counts,
            holes,
            frames,
            pixels,
            received,
            sources,
            edits,
        ) = orjson.loads(_unpacked(packed))
        count = len(self.uids)
        lengths = [DIGEST_LENGTH * (3 + blobs) for blobs in blob_counts]
        starts = list(accumulate(lengths, initial=0))
        self._columns = (
            starts,
            starts[1:],
            self.uids,
            _decoded(sop_classes, count),
            _decoded(transfer_syntaxes, count),
            self.numbers,
            file_lengths,
            holes,
            _decoded((map(_frames_of, frames[0]), frames[1]), count),
            _decoded((map(_pixels_of, pixels[0]), pixels[1]), count),
            list(accumulate(received)),
            _decoded(sources, count),
            _decoded(edits, count),
        )

    def all(self) -> list[Instance]:
        return list(map(self._instance, *self._columns))

    def at(self, positions: Iterable[int]) -> list[Instance]:
        return [
            self._instance(*(column[position] for column in self._columns))
            for position in positions
        ]

    def _instance(
        self,
        start: int,
        end: int,
        uid: str,
        sop_class: str,
        transfer_syntax: str,
        number: int,
        file_length: int,
        holes: list[int],
        frames: FrameTable,
        pixels: PixelFormat | None,
        received_us: int,
        source: str,
        edit: str,
    ) -> Instance:
        digests = self._digests
        file, dataset, skeleton, *blobs = [
            Digest(digests[at : at + DIGEST_LENGTH]) for at in range(start, end, DIGEST_LENGTH)
        ]
        return Instance(
            self.study_uid,
            self.series_uid,
            uid,
            sop_class,
            transfer_syntax,
            number,
            file,
            file_length,
            dataset,
            skeleton,
            tuple(blobs),
            tuple(accumulate(holes)),
            frames,
            pixels,
            received_us,
            source,
            edit,
        )


def _coded(column: list[Any]) -> list[Any]:
    """The different values and, for each row, the number of its value; [] when there is one."""
    if len(column) == 1:
        return [column, []]
    different = {_hashable(value): value for value in column}
    if len(different) == 1:
        return [list(different.values()), []]
    numbers = {key: number for number, key in enumerate(different)}
    return [list(different.values()), [numbers[_hashable(value)] for value in column]]


def _hashable(value: Any) -> Any:
    return orjson.dumps(value) if isinstance(value, list) else value


def _decoded(coded: Sequence[Any], count: int) -> list[Any]:
    """The column of `count` rows that `_coded` was given."""
    values, numbers = coded
    different = list(values)
    return [different[number] for number in numbers] if numbers else different * count


def _steps(values: Sequence[int]) -> list[int]:
    """Differences, of which `accumulate` makes the values again: what grows evenly repeats."""
    return [after - before for before, after in zip((0, *values), values, strict=False)]


def _frames_column(frames: FrameTable) -> list[Any]:
    starts = None if frames.starts is None else _steps(frames.starts)
    return [frames.count, frames.first, starts, frames.packed_bits]


def _frames_of(column: list[Any]) -> FrameTable:
    count, first, starts, packed_bits = column
    return FrameTable(
        count, first, None if starts is None else tuple(accumulate(starts)), packed_bits
    )


def _pixels_column(pixels: PixelFormat | None) -> list[Any] | None:
    if pixels is None:
        return None
    return [
        pixels.encapsulated,
        pixels.rows,
        pixels.columns,
        pixels.samples,
        pixels.bits_allocated,
        pixels.bits_stored,
        pixels.signed,
        pixels.planar,
        pixels.big_endian,
        pixels.floating,
        pixels.photometric,
    ]


def _pixels_of(column: list[Any] | None) -> PixelFormat | None:
    return None if column is None else PixelFormat(*column)


# What is kept of an instance beside the Instance


@dataclass(slots=True)
class InstanceSays:
    """What an instance says of itself, and what rows of answers need of it."""

    uid: str
    number: int
    transfer_syntax_uid: str
    frame_count: int
    file_length: int
    terms: dict[str, tuple[str, ...]]
    rollup: dict[str, tuple[str, ...]]
    document: bytes

    def order(self) -> tuple[int, str]:
        return self.number, self.uid

    def column(self) -> list[Any]:
        return [
            self.uid,
            self.number,
            self.transfer_syntax_uid,
            self.frame_count,
            self.file_length,
            self.terms,
            self.rollup,
            self.document.decode(),
        ]

    @classmethod
    def of(cls, column: list[Any]) -> "InstanceSays":
        uid, number, transfer_syntax, frame_count, length, terms, rollup, document = column
        return cls(
            uid,
            number,
            transfer_syntax,
            frame_count,
            length,
            tupled(terms),
            tupled(rollup),
            document.encode(),
        )


def levels_record(says: Sequence[InstanceSays]) -> bytes:
    return compressed(orjson.dumps([one.column() for one in says]))


def levels_of(record: bytes) -> list[InstanceSays]:
    return [InstanceSays.of(column) for column in orjson.loads(expanded(record))]


@dataclass(slots=True)
class Row:
    """What is kept of an instance while its series arrives: one record, written once.

    metadata  its DICOM JSON as one zstd frame, `metadata_length` bytes when expanded
    """

    instance: bytes
    says: bytes
    metadata_length: int
    metadata: bytes

    def record(self) -> bytes:
        length = self.metadata_length.to_bytes(8, "big")
        return joined(self.instance, self.says, length + self.metadata)

    @classmethod
    def of(cls, record: bytes) -> "Row":
        instance, says, metadata = parts_of(record)
        return cls(instance, says, int.from_bytes(metadata[:8], "big"), metadata[8:])

    def the_instance(self) -> Instance:
        return instances_of(self.instance)[0]

    def the_says(self) -> InstanceSays:
        return InstanceSays.of(orjson.loads(_unpacked(self.says)))


def row_of(instance: Instance, says: InstanceSays, metadata: bytes) -> Row:
    """Compressed in haste: somebody waits, and it is done anew when the series is folded."""
    return Row(
        instances_record([instance]),
        _small(orjson.dumps(says.column()), level=_HASTE),
        len(metadata),
        compressed(metadata, level=_HASTE),
    )


# Joining and compressing


def joined(first: bytes, *rest: bytes) -> bytes:
    """The parts with their lengths before them; the last one's length is what remains."""
    parts = (first, *rest)
    lengths = struct.pack(f">{len(parts)}I", len(rest), *(len(part) for part in parts[:-1]))
    return lengths + b"".join(parts)


def parts_of(record: bytes) -> list[bytes]:
    """What `joined` was given."""
    count = int.from_bytes(record[:4], "big")
    lengths = struct.unpack_from(f">{count}I", record, 4)
    start = 4 + 4 * count
    parts = []
    for length in lengths:
        parts.append(record[start : start + length])
        start += length
    parts.append(record[start:])
    return parts


def _small(content: bytes, *, level: int = 3) -> bytes:
    """Compressed when that is worth its while; the first byte says so (JSON begins with [)."""
    return content if len(content) < _COMPRESS_ABOVE else compressed(content, level=level)


def _unpacked(content: bytes) -> bytes:
    return content if content.startswith(b"[") else expanded(content)
