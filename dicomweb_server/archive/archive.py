"""An archive: a storage, how it is to be used, and what this process keeps at hand of it.

The verbs are functions of the other modules here (`store`, `search`, `retrieve`, `delete`, ...),
synchronous, to be called from any thread; each takes the archive first, and asks it first whether
who calls may do this (`permit`). `seen_by` is the archive as somebody sees it.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event as Flag

from dicomweb_server.access.acting import Acting
from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import SYSTEM, Act, Caller
from dicomweb_server.access.journal import Journal
from dicomweb_server.archive.caches import Cache
from dicomweb_server.config import Config, ConfigError
from dicomweb_server.dicom.attributes import Attributes, attributes_of
from dicomweb_server.dicom.charset import charset_named
from dicomweb_server.dicom.decode import NativeFrame
from dicomweb_server.dicom.encode import EncodedFrame
from dicomweb_server.dicom.part10 import Limits
from storage.engines import Storage, open_storage
from storage.model import (
    Buffer,
    ConflictPolicy,
    Digest,
    PixelFormat,
    SeriesKey,
    SeriesManifest,
)

MANIFEST_CACHE_DIGESTS = 400_000
"""Digests held in cached manifests: some 40 MB, or 2,000 series of 100 slices."""

METADATA_CACHE_BYTES = 32 * 2**20
"""DICOM JSON of series, unpacked for requests that want one instance of it."""


HEADER_CACHE_BYTES = 32 * 2**20
"""What surrounds the frames of instances that were sent in the form their frames are kept in."""

ENCODED_CACHE_BYTES = 64 * 2**20
"""Frames encoded in a transfer syntax that a client asked for."""

VIEWED, STORED = "study.view", "study.store"
"""Actions of the audit."""

QUESTION = 1000
"""Characters of a search that the audit keeps."""


@dataclass(frozen=True, slots=True)
class CachedSeries:
    """A manifest with the position of each instance in it, by SOP Instance UID."""

    manifest: SeriesManifest
    positions: dict[str, int]


@dataclass(frozen=True, slots=True)
class UnpackedMetadata:
    """The JSON array of a series' metadata, and where the object of each instance lies in it."""

    version: int
    array: bytes
    extents: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Archive(Acting):
    """See the module. `attributes` are what search finds and returns, `limits` what a received
    instance is held to; `payloads` has frames as they are kept that were asked for more than once,
    `decoded` frames by what was decoded: contents, format, syntax; `encoded`
    by that and the syntax they were encoded in; `headers` what surrounds the frames of a file, by
    the digest of the received file and the syntax; `stopping` is set when the process is told to
    stop: what waits for something to happen ends; `caller` is who calls the verbs; `beside` is a
    thread for what storing has done beside it."""

    storage: Storage
    config: Config
    series: Cache[SeriesKey, CachedSeries] = field(
        default_factory=lambda: Cache(MANIFEST_CACHE_DIGESTS)
    )
    metadata: Cache[SeriesKey, UnpackedMetadata] = field(
        default_factory=lambda: Cache(METADATA_CACHE_BYTES)
    )
    headers: Cache[tuple[Digest, str], tuple[bytes, bytes]] = field(
        default_factory=lambda: Cache(HEADER_CACHE_BYTES)
    )
    encoded: Cache[tuple[tuple[Digest, ...], PixelFormat, str, str], EncodedFrame] = field(
        default_factory=lambda: Cache(ENCODED_CACHE_BYTES)
    )
    attributes: Attributes = field(init=False)
    limits: Limits = field(init=False)
    payloads: Cache[tuple[int, int], Buffer] = field(init=False)
    stopping: Flag = field(default_factory=Flag)
    closed: Flag = field(default_factory=Flag)
    caller: Caller = SYSTEM
    journal: Journal | None = None
    beside: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="beside")
    )
    decoded: Cache[tuple[tuple[Digest, ...], PixelFormat, str], NativeFrame] = field(init=False)

    def __post_init__(self) -> None:
        attributes = attributes_of(self.config.searchable or "")
        limits = Limits(
            skeleton_bytes=self.config.max_header_bytes,
            depth=self.config.max_sequence_depth,
            inflated_bytes=self.config.max_inflated_bytes,
            spool=self.storage.incoming,
            charset=charset_named(self.config.assumed_charset),
        )
        # Once for all who see it: a copy is made for each request, and what storing remembers of
        # one instance for the next goes by these very objects.
        object.__setattr__(self, "attributes", attributes)
        object.__setattr__(self, "limits", limits)
        object.__setattr__(self, "payloads", Cache(self.config.stored_cache_mib * 2**20))
        object.__setattr__(self, "decoded", Cache(self.config.decoded_cache_mib * 2**20))

    def viewed(self, study_uid: str) -> None:
        """Somebody sees something of a study: an event for the first time in a session, counted
        then. Raises AuditUnavailable."""
        if self.journal is not None and self.caller is not SYSTEM:
            self.journal.count(self.caller, VIEWED, study_uid)

    def viewed_ready(self, study_uid: str) -> bool:
        """The same without a wait: False when there may be one, also one for a refusal."""
        if Act.VIEW not in self.caller.acts:
            return False
        if self.journal is None or self.caller is SYSTEM:
            return True
        return self.journal.counted(self.caller, VIEWED, study_uid)

    def stored(self, study_uid: str) -> None:
        """An instance of a study was stored: counted as views are. Raises AuditUnavailable."""
        if self.journal is not None:
            self.journal.count(self.caller, STORED, study_uid)

    def asked(self, level: str, question: str) -> None:
        """Somebody searches; `question` says for what. Raises AuditUnavailable."""
        if self.caller is not SYSTEM:
            self.note(_asked(level, question))

    def asked_ready(self, level: str, question: str) -> bool:
        """The same without a wait: False when there may be one, also one for a refusal."""
        if Act.SEARCH not in self.caller.acts:
            return False
        if self.journal is None or self.caller is SYSTEM:
            return True
        return self.journal.noted(self.caller, _asked(level, question))

    @property
    def notes_at_once(self) -> bool:
        """Whether nobody has to wait before what he asks is noted."""
        return self.journal is None or self.journal.is_at_ease

    @cached_property
    def limits_of_stored(self) -> Limits:
        """What is stored was held to the limits of its day; it is to be had whatever they are."""
        return Limits(
            skeleton_bytes=2**30, depth=200, inflated_bytes=2**40, charset=self.limits.charset
        )

    @property
    def directory(self) -> Path | None:
        """Where the archive lies; None when it is in memory."""
        return None if self.config.data.startswith("memory:") else self.storage.incoming.parent

    @property
    def conflict(self) -> ConflictPolicy:
        return ConflictPolicy(self.config.conflict)

    def close(self) -> None:
        self.closed.set()
        self.storage.close()
        self.beside.shutdown()


def _asked(level: str, question: str) -> Event:
    return Event("query", level, detail={"for": question[:QUESTION]})


def open_archive(config: Config) -> Archive:
    """The archive that `config.data` names, made when there is none.

    Raises storage.errors.FormatVersion, InUse and OSError; ConfigError for attributes to search
    for and a character set that there are not.
    """
    for setting, read, value in (
        ("searchable", attributes_of, config.searchable or ""),
        ("assumed_charset", charset_named, config.assumed_charset),
    ):
        try:
            read(value)
        except ValueError as error:
            raise ConfigError(setting, str(error), origin="setting") from None
    return Archive(open_storage(config.data), config)
