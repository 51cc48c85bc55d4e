"""A series as one transaction sees it: the manifest, less what is gone from it, and the rows.

While a series arrives each instance is a row; `folded` makes one manifest of everything there is.
Readers always merge the two, in order of Instance Number and UID.
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import orjson
import zstandard

from storage.lmdb_environment import Table, Tables, Transaction
from storage.lmdb_records import (
    InstanceColumns,
    InstanceSays,
    Row,
    instances_record,
    joined,
    levels_of,
    levels_record,
    parts_of,
    uid_key,
)
from storage.model import Instance
from storage.zstd import compressed, expanded

_BRACKET, _COMMA, _END = (compressed(mark) for mark in (b"[", b",", b"]"))


@dataclass(frozen=True, slots=True)
class Folded:
    """A whole series as the three records of a manifest."""

    manifest: bytes
    levels: bytes
    metadata: bytes

    @classmethod
    def of(
        cls,
        instances: Sequence[Instance],
        says: Sequence[InstanceSays],
        metadata: Sequence[bytes],
    ) -> "Folded":
        """All of them in order of Instance Number and UID."""
        lengths = [len(one) for one in metadata]
        return cls(
            instances_record(instances),
            levels_record(says),
            joined(
                compressed(orjson.dumps(lengths)), compressed(b"[" + b",".join(metadata) + b"]")
            ),
        )


class SeriesContent:
    """What is stored of the series with the given id; valid as long as the transaction."""

    def __init__(self, transaction: Transaction, tables: Tables, series_id: bytes) -> None:
        self._transaction = transaction
        self._tables = tables
        self._id = series_id

    @cached_property
    def columns(self) -> InstanceColumns | None:
        """The manifest, those that are gone included."""
        record = self._transaction.get(self._id, db=self._tables.manifests)
        return None if record is None else InstanceColumns(record)

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {uid: at for at, uid in enumerate(self.columns.uids)} if self.columns else {}

    @cached_property
    def gone(self) -> set[int]:
        """Positions in the manifest whose instances were deleted or replaced."""
        return positions_of(self._transaction.get(self._id, db=self._tables.gone, default=b""))

    @cached_property
    def rows(self) -> list[Row]:
        return [Row.of(record) for _, record in self._row_records()]

    def kept(self) -> list[int]:
        """Positions in the manifest that count."""
        if self.columns is None:
            return []
        gone = self.gone
        return [at for at in range(len(self.columns.uids)) if at not in gone]

    def instances(self) -> list[Instance]:
        """All, in order."""
        found = []
        if self.columns:
            found = self.columns.at(self.kept()) if self.gone else self.columns.all()
        if self.rows:
            found += [row.the_instance() for row in self.rows]
            found.sort(key=lambda one: (one.number, one.instance_uid))
        return found

    def instance(self, uid: str) -> Instance | None:
        row = self.row(uid)
        if row is not None:
            return row.the_instance()
        at = self.position(uid)
        return None if at is None or self.columns is None else self.columns.at([at])[0]

    def row(self, uid: str) -> Row | None:
        record = self._transaction.get(self._id + uid_key(uid), db=self._tables.rows)
        return None if record is None else Row.of(record)

    def position(self, uid: str) -> int | None:
        """Where the instance is in the manifest, if it is there and not gone."""
        at = self._positions.get(uid)
        return None if at is None or at in self.gone else at

    def says(self) -> list[InstanceSays]:
        """What the instances say of themselves, in order."""
        record = self._transaction.get(self._id, db=self._tables.levels)
        folded = levels_of(record) if record is not None else []
        found = [folded[at] for at in self.kept()]
        if self.rows:
            found += [row.the_says() for row in self.rows]
            found.sort(key=InstanceSays.order)
        return found

    def says_of(self, uid: str) -> InstanceSays | None:
        row = self.row(uid)
        if row is not None:
            return row.the_says()
        at = self.position(uid)
        record = self._transaction.get(self._id, db=self._tables.levels)
        return None if at is None or record is None else levels_of(record)[at]

    def metadata(self) -> tuple[list[str], list[int], bytes]:
        """UIDs and lengths of the objects in order, and their array as zstd."""
        stored = self._transaction.get(self._id, db=self._tables.metadata)
        if stored is None:
            rows = sorted(self.rows, key=_row_order)
            frames = _COMMA.join(row.metadata for row in rows)
            lengths = [row.metadata_length for row in rows]
            return [row.the_says().uid for row in rows], lengths, _BRACKET + frames + _END
        if not self.rows and not self.gone:
            lengths, frame = metadata_of(stored)
            return list(self.columns.uids if self.columns else []), lengths, frame
        return self._merged_metadata(level=1)

    def example(self) -> bytes:
        """The object of one instance: of the first in the manifest, else of the first row."""
        stored = self._transaction.get(self._id, db=self._tables.metadata)
        if stored is not None and (kept := self.kept()):
            lengths, frame = metadata_of(stored)
            return next(islice(_objects(frame, lengths), kept[0], None))
        _, record = next(self._row_records())
        return expanded(Row.of(record).metadata)

    def folded(self) -> Folded:
        """Everything as one manifest."""
        says = self.says()
        _, lengths, frame = self._merged_metadata(level=3)
        return Folded(
            instances_record(self.instances()),
            levels_record(says),
            joined(compressed(orjson.dumps(lengths)), frame),
        )

    def _merged_metadata(self, *, level: int) -> tuple[list[str], list[int], bytes]:
        stored = self._transaction.get(self._id, db=self._tables.metadata)
        lengths, frame = metadata_of(stored) if stored is not None else ([], b"")
        columns = self.columns
        # (order, UID's object is this long, its row or else its position in the manifest)
        parts: list[tuple[tuple[int, str], int, Row | int]] = []
        if columns:
            parts += [
                ((columns.numbers[at], columns.uids[at]), lengths[at], at) for at in self.kept()
            ]
        parts += [(_row_order(row), row.metadata_length, row) for row in self.rows]
        parts.sort(key=lambda part: part[0])
        total = sum(length for _, length, _ in parts) + len(parts) + 1
        packer = zstandard.ZstdCompressor(level=level).compressobj(size=total)
        pieces = [packer.compress(b"[")]
        manifest = enumerate(_objects(frame, lengths))
        for number, (_, _, source) in enumerate(parts):
            if number:
                pieces.append(packer.compress(b","))
            if isinstance(source, Row):
                pieces.append(packer.compress(expanded(source.metadata)))
            else:
                piece = next(piece for at, piece in manifest if at == source)
                pieces.append(packer.compress(piece))
        pieces += [packer.compress(b"]"), packer.flush()]
        uids = [uid for (_, uid), _, _ in parts]
        return uids, [length for _, length, _ in parts], b"".join(pieces)

    def _row_records(self) -> Iterator[tuple[bytes, bytes]]:
        return beginning_with(self._transaction, self._tables.rows, self._id)


def beginning_with(
    transaction: Transaction, table: Table, prefix: bytes
) -> Iterator[tuple[bytes, bytes]]:
    """Keys and records whose keys begin with the prefix, in order."""
    with transaction.cursor(db=table) as cursor:
        if cursor.set_range(prefix):
            for key, record in cursor:
                if not key.startswith(prefix):
                    return
                yield key, record


def positions_record(positions: set[int]) -> bytes:
    return struct.pack(f">{len(positions)}I", *sorted(positions))


def positions_of(record: bytes) -> set[int]:
    return set(struct.unpack(f">{len(record) // 4}I", record))


def metadata_of(record: bytes) -> tuple[list[int], bytes]:
    """Lengths of the objects of a manifest's metadata, and the frame."""
    lengths, frame = parts_of(record)
    return orjson.loads(expanded(lengths)), frame


def _row_order(row: Row) -> tuple[int, str]:
    return row.the_says().order()


def _objects(frame: bytes, lengths: list[int]) -> Iterator[bytes]:
    """The objects of a metadata frame, one after the other, never all at once."""
    if not lengths:
        return
    with zstandard.ZstdDecompressor().stream_reader(frame) as reader:
        for length in lengths:
            reader.read(1)
            yield reader.read(length)
