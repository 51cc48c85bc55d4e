"""The values that cross the storage contracts: frozen, without behaviour, without DICOM libraries.

Glossary
    content     the bytes that were received: one frame, one fragment, one large value, one skeleton
    digest      SHA-256 of a content, its only name: equal contents are kept once
    payload     the bytes on disk that stand for a content, in one of the forms below
    place       where the payload of a content lies now; it moves, the digest stays
    skeleton    a received Part 10 file with some of its bytes (the contents) cut out
    hole        where in the skeleton a content was cut out and is put back
    row         what the index keeps of an instance while its series still arrives
    manifest    what the index keeps of a series once it is quiet: all its rows in one record

Everything that is DICOM knowledge (which attribute is a date, how a name is folded) has been
applied before a value comes here: `Level.terms` are strings that are compared byte by byte.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from typing import NewType

Buffer = bytes | bytearray | memoryview
"""Bytes that are only read."""

Digest = NewType("Digest", bytes)
"""SHA-256 of a content: 32 bytes."""


class Form(IntEnum):
    """How a payload stands for its content. The numbers are on disk: never reuse one."""

    RAW = 0
    """The payload is the content."""
    ZSTD = 1
    """The payload is one zstd frame of the content, window_log at most 23."""
    HTJ2K = 2
    """The payload is an HTJ2K codestream, lossless, RPCL, as transfer syntax
    1.2.840.10008.1.2.4.202 wants it, of one native frame: samples of 1 byte when the codestream's
    precision is 8 or less, else 2 bytes little endian, interleaved by pixel."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a payload lies.

    pack            number of the pack file; numbers are never used twice
    offset          of the payload's first byte in the pack, in bytes
    length          of the payload, in bytes
    content_length  of the content it stands for, in bytes
    checksum        xxh3-64 of the payload
    """

    pack: int
    offset: int
    length: int
    form: Form
    content_length: int
    checksum: int

    @property
    def begin(self) -> tuple[int, int]:
        """Pack and offset, of which no two payloads ever have the same."""
        return self.pack, self.offset


@dataclass(frozen=True, slots=True)
class PixelFormat:
    """How the samples of a frame are laid out, as the data set says (PS3.3 §C.7.6.3).

    encapsulated    True when a frame's content is a codestream of the transfer syntax, kept as
                    received; False when it is native samples, which may be kept in any form
    rows, columns   pixels per frame; a frame is (rows, columns, samples) samples
    bits_allocated  1, 8, 16, 32 or 64 bits a sample; bits_stored of them are used
    planar          True when the frame is colour-by-plane (Planar Configuration 1)
    big_endian      True when samples of more than 8 bits lie most significant byte first, and
                    samples of 8 bits or less in 16-bit words (OW) of that order
    floating        True for Float Pixel Data and Double Float Pixel Data
    photometric     Photometric Interpretation (0028,0004) as received
    """

    encapsulated: bool
    rows: int
    columns: int
    samples: int
    bits_allocated: int
    bits_stored: int
    signed: bool
    planar: bool
    big_endian: bool
    floating: bool
    photometric: str


@dataclass(frozen=True, slots=True)
class FrameTable:
    """Which blobs of an instance make which frame; `frame_index` counts from 0.

    count        frames in the instance; 0 when there are none to be had one by one
    first        number of the blob (in `Instance.blobs`) that begins frame 0
    starts       None when every frame is one blob. Else count + 1 blob numbers: frame i is the
                 contents of blobs[starts[i]:starts[i + 1]], joined
    packed_bits  0, or the bits of one frame when 8 frames share one blob because a frame of 1-bit
                 samples does not end at a byte (PS3.5 §8.1.1); the last blob may hold fewer
    """

    count: int
    first: int = 0
    starts: tuple[int, ...] | None = None
    packed_bits: int = 0

    def blobs_of(self, frame_index: int) -> range:
        """The blob numbers whose contents, joined, hold frame `frame_index`.

        Raises IndexError when there is no such frame.
        """
        if not 0 <= frame_index < self.count:
            raise IndexError(f"frame index {frame_index}, the instance has {self.count} frames")
        if self.packed_bits:
            return range(self.first + frame_index // 8, self.first + frame_index // 8 + 1)
        if self.starts is None:
            return range(self.first + frame_index, self.first + frame_index + 1)
        return range(self.starts[frame_index], self.starts[frame_index + 1])


NO_FRAMES = FrameTable(count=0)


@dataclass(frozen=True, slots=True)
class Instance:
    """What the index keeps of one stored instance: everything needed to serve it.

    number          Instance Number, the order within the series; NO_NUMBER when absent
    file_digest     what stands for the received Part 10 file, file_length bytes long: the
                    `parts_digest` of its skeleton, holes and blobs; of what was stored with index
                    format 2 and before, SHA-256 of the file
    dataset_digest  SHA-256 of the skeleton after the File Meta Information with the contents'
                    digests in their places, and of where those are: two files with equal ones
                    are the same instance, whoever wrote their headers
    skeleton        digest of the skeleton
    blobs           digests of the contents, in the order they were cut
    holes           positions in the skeleton, ascending: blobs[k] goes to holes[k]. Blobs beyond
                    len(holes) are not part of the file (frames of a deflated data set)
    pixels          None when the instance has no pixel data
    received_us     when it was acknowledged, microseconds since 1970 UTC
    source          who sent it: an address, an AE title, a path
    edit            "" as it was received; else the edit that made this version of it. Then nobody
                    has sent this file, and dataset_digest is its `parts_digest` too
    """

    study_uid: str
    series_uid: str
    instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    number: int
    file_digest: Digest
    file_length: int
    dataset_digest: Digest
    skeleton: Digest
    blobs: tuple[Digest, ...]
    holes: tuple[int, ...]
    frames: FrameTable
    pixels: PixelFormat | None
    received_us: int
    source: str
    edit: str = ""

    @property
    def known_by_parts(self) -> bool:
        """Whether `file_digest` is that of its parts; else it is the SHA-256 of the whole file, as
        with index format 2 and before."""
        return self.file_digest == parts_digest(self.skeleton, self.holes, self.blobs)


def parts_digest(skeleton: Digest, holes: Sequence[int], blobs: Sequence[Digest]) -> Digest:
    """What stands for a file that is known by its parts: SHA-256 of the skeleton's digest, each
    hole (8 bytes, big endian) and the digests of the contents that go there. Two files with equal
    ones are equal, and nothing needs to be hashed twice for it."""
    parts = [b"parts", skeleton]
    for hole, blob in zip(holes, blobs, strict=False):
        parts += [hole.to_bytes(8, "big"), blob]
    return Digest(hashlib.sha256(b"".join(parts)).digest())


NO_NUMBER = 2**31
"""`Instance.number` of an instance without Instance Number (IS is at most 2^31 - 1): sorts last."""


@dataclass(frozen=True, slots=True)
class Level:
    """What an instance says of one level of the information model (its study, series or itself).

    terms     attribute (8 upper-case hex digits) -> its values as they are matched: each value a
              string, normalised by the caller so that comparing strings is comparing values
    document  the attributes of that level as one DICOM JSON object, UTF-8
    """

    terms: Mapping[str, tuple[str, ...]]
    document: bytes


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """An instance together with what it says of its study, its series and itself.

    rollup    attribute of the *study* -> values this series contributes: the study's terms for
              that attribute are the union over its series, always current
              (ModalitiesInStudy, SOPClassesInStudy)
    metadata  the whole data set as one DICOM JSON object (PS3.18 §F.2), UTF-8

    The first instance stored speaks for its study and series; a later one adds the attributes
    that are still absent or empty there and changes none.
    """

    instance: Instance
    study_level: Level
    series_level: Level
    instance_level: Level
    rollup: Mapping[str, tuple[str, ...]]
    metadata: bytes


@dataclass(frozen=True, slots=True)
class Landed:
    """An instance whose new contents have been appended to the blob store.

    places  digest -> place of each content appended for it. A digest of the instance that is not
            here was found in the index when the instance was read.
    """

    facts: InstanceFacts
    places: Mapping[Digest, Place]


class ConflictPolicy(Enum):
    """What happens to a SOP Instance UID that is stored already with another data set."""

    REFUSE = "refuse"
    REPLACE = "replace"
    KEEP_BOTH = "keep-both-versions"


class Stored(Enum):
    """How `Index.apply` treated one instance."""

    NEW = "new"
    DUPLICATE = "duplicate"
    """The same data set is stored already; nothing was written."""
    REPLACED = "replaced"
    """The earlier data set is gone."""
    VERSIONED = "versioned"
    """The earlier data set stays as a numbered earlier version."""
    CONFLICT = "conflict"
    """Another data set has this SOP Instance UID; nothing was written."""
    MISPLACED = "misplaced"
    """The SOP Instance UID is stored in another study or series, or the Series Instance UID in
    another study; nothing was written."""
    MISSING_CONTENT = "missing-content"
    """A content believed stored has been deleted meanwhile, or the pack of a new one has been
    retired: append all contents, apply again."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The answer to one instance of a batch.

    existing  the instance that holds the SOP Instance UID, when that decided the outcome
    sequence  number of the change in the feed; 0 when nothing changed
    """

    outcome: Stored
    existing: Instance | None = None
    sequence: int = 0


class QueryLevel(Enum):
    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"

    # Enum's own is a function of Python, called for each look into a table by level.
    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class OneOf:
    """Matches when any value of the attribute equals any of `values` (single value and UID list
    matching, PS3.4 §C.2.2.2.1 and §C.2.2.2.2)."""

    level: QueryLevel
    tag: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """Matches when low <= value <= high, as strings; an end that is None is open (range matching,
    PS3.4 §C.2.2.2.5). An attribute without a value never matches."""

    level: QueryLevel
    tag: str
    low: str | None
    high: str | None


@dataclass(frozen=True, slots=True)
class Like:
    """Matches when any value matches `pattern` from end to end: `*` is any run of characters,
    `?` any one (wild card matching, PS3.4 §C.2.2.2.4). Case-sensitive; names come folded."""

    level: QueryLevel
    tag: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Empty:
    """Matches when the attribute is absent or has no value (PS3.4 §C.2.2.2.3 read strictly)."""

    level: QueryLevel
    tag: str


@dataclass(frozen=True, slots=True)
class SameItem:
    """Matches when one item of a sequence meets all conditions (sequence matching, PS3.4
    §C.2.2.2.6). Each value of `tag` is an item: its own terms as a JSON object, `{tag: [values]}`.
    A sequence without items is as good as one empty item, which only `Empty` matches."""

    level: QueryLevel
    tag: str
    conditions: tuple["Condition", ...]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Matches when all conditions of one of the alternatives hold."""

    level: QueryLevel
    alternatives: tuple[tuple["Condition", ...], ...]


Condition = OneOf | Between | Like | Empty | SameItem | AnyOf


@dataclass(frozen=True, slots=True)
class Query:
    """A search: what is wanted, the conditions that all must hold, and which page of the answer.

    level       of the rows wanted; a condition may be of this level or one above it
    study_uid   restrict to one study; series_uid to one series of it (or of any study)
    offset      rows to skip, behind the cursor when there is one
    limit       rows to return at most; None for all
    after       cursor: `Page.next` of the page before
    count       True to have `Page.total` worked out whatever it costs

    Order is total and the same in every engine: studies by Study Date, then Study Time, then
    order of first storage, all descending and studies without date last; within a study, series
    by Series Number then UID, ascending; within a series, instances by Instance Number then UID.
    """

    level: QueryLevel
    conditions: tuple[Condition, ...] = ()
    study_uid: str | None = None
    series_uid: str | None = None
    offset: int = 0
    limit: int | None = None
    after: str | None = None
    count: bool = False


@dataclass(frozen=True, slots=True)
class StudyRow:
    """`version` is the sequence number of the last change in the study."""

    study_uid: str
    document: bytes
    rollup: Mapping[str, tuple[str, ...]]
    series_count: int
    instance_count: int
    version: int


@dataclass(frozen=True, slots=True)
class SeriesRow:
    series_uid: str
    document: bytes
    instance_count: int
    version: int


@dataclass(frozen=True, slots=True)
class InstanceRow:
    instance_uid: str
    document: bytes
    transfer_syntax_uid: str
    frame_count: int
    file_length: int


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an answer: the study always, the series and the instance as the level asks."""

    study: StudyRow
    series: SeriesRow | None = None
    instance: InstanceRow | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """rows in order; `total` matching rows when asked for or known, else None; `more` when rows
    remain after these; `next` the cursor that continues after them, None at the end."""

    rows: tuple[Row, ...]
    total: int | None
    more: bool
    next: str | None


@dataclass(frozen=True, slots=True)
class SeriesKey:
    study_uid: str
    series_uid: str


@dataclass(frozen=True, slots=True)
class SeriesManifest:
    """What a reader needs of a series; instances in order (Instance Number, then UID)."""

    key: SeriesKey
    version: int
    instances: tuple[Instance, ...]


@dataclass(frozen=True, slots=True)
class SeriesMetadata:
    """The DICOM JSON of a series.

    zstd     one zstd frame (or several, joined) of a JSON array of the instances' objects, in order
    lengths  of each instance's object in that array, in bytes: object k begins at
             1 + sum(lengths[:k]) + k, after the bracket and the commas
    """

    key: SeriesKey
    version: int
    instance_uids: tuple[str, ...]
    lengths: tuple[int, ...]
    zstd: bytes


@dataclass(frozen=True, slots=True)
class Scope:
    """A study, a series or one instance, by UID."""

    study_uid: str
    series_uid: str | None = None
    instance_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion removed; `bytes_freed` are payload bytes that compaction will give back."""

    studies: int
    series: int
    instances: int
    bytes_freed: int


class ChangeKind(Enum):
    STORED = "stored"
    REPLACED = "replaced"
    EDITED = "edited"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change feed. Sequence numbers ascend; one that was read never changes.

    A deletion is one entry for what was asked to be deleted: `series_uid` and `instance_uid` are
    empty where its scope names none.
    """

    sequence: int
    kind: ChangeKind
    at_us: int
    study_uid: str
    series_uid: str
    instance_uid: str


@dataclass(frozen=True, slots=True)
class RevisedSeries:
    """A series as it is to be.

    key      as it is stored now; when its study is not the revision's, the series goes there
    version  the one it was read at
    level    what it says of itself from now on
    landed   all its instances. One that differs from the stored one takes its place, and that
             stays as an earlier version; of the others only what they say may be new
    """

    key: SeriesKey
    version: int
    level: Level
    landed: tuple[Landed, ...]


@dataclass(frozen=True, slots=True)
class Revision:
    """A study as it is to be, in one transaction.

    version  of the study as it was read; None when it need not be the same or there is none yet
    level    what the study says of itself from now on; None to leave that
    series   those that change
    notes    name -> text, kept with it: the log of edits
    """

    study_uid: str
    version: int | None
    level: Level | None
    series: tuple[RevisedSeries, ...]
    notes: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """A content's payload was written anew at `new`; counts only while it still lies at `old`."""

    digest: Digest
    old: Place
    new: Place


@dataclass(frozen=True, slots=True)
class PackUse:
    """Of the bytes of a pack, how many the index refers to, in how many payloads."""

    pack: int
    live_bytes: int
    live_blobs: int


@dataclass(frozen=True, slots=True)
class PackInfo:
    """A pack file as the blob store sees it.

    sealed   no process will append to it any more
    owned    a living process is appending to it
    landing  written by `BlobStore.append`, as things came; else by `new_pack`, in order
    """

    pack: int
    length: int
    sealed: bool
    owned: bool
    landing: bool


@dataclass(frozen=True, slots=True)
class Counts:
    """Totals over the whole index. `content_bytes` are the received bytes of the kept contents,
    `payload_bytes` what they take on disk; `forms` counts blobs by form."""

    studies: int
    series: int
    instances: int
    blobs: int
    content_bytes: int
    payload_bytes: int
    forms: Mapping[Form, int] = field(default_factory=dict)
