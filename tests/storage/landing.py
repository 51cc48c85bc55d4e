"""Instances built by the line and stored as an upload stores them, without any DICOM."""

import hashlib
import os
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import zstandard

from storage.engines import Storage, open_storage
from storage.memory import MemoryBlobStore, MemoryIndex
from storage.model import (
    NO_FRAMES,
    ConflictPolicy,
    Digest,
    Form,
    FrameTable,
    Instance,
    InstanceFacts,
    Landed,
    Level,
    PixelFormat,
    Stored,
    parts_digest,
)
from storage.packs import PackStore
from storage.rewriting import places_of
from storage.settle import SettleReport, settle
from storage.verify import VerifyReport, verify

NATIVE = PixelFormat(
    encapsulated=False,
    rows=1,
    columns=1,
    samples=1,
    bits_allocated=8,
    bits_stored=8,
    signed=False,
    planar=False,
    big_endian=False,
    floating=False,
    photometric="MONOCHROME2",
)

ENGINES = ("memory", "packs", "lmdb")


def open_engine(name: str, directory: Path, *, roll_bytes: int = 512 << 20) -> Storage:
    """Storage of three kinds: both contracts in memory, packs below an index in memory, and what
    an archive uses."""
    if name == "lmdb":
        return open_storage(f"lmdb://{directory / 'archive'}")
    incoming = directory / "incoming"
    incoming.mkdir(parents=True)
    if name == "memory":
        return Storage(MemoryBlobStore(), MemoryIndex(), incoming, close=lambda: None)
    blobs = PackStore(directory, roll_bytes=roll_bytes)
    return Storage(blobs, MemoryIndex(), incoming, close=blobs.close)


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).digest())


def compressible(length: int) -> bytes:
    """Content that takes half its length as zstd, and occurs nowhere else."""
    return os.urandom(length // 2) + bytes(length - length // 2)


_numbers = count(1)


def land(
    storage: Storage,
    frames: Sequence[bytes],
    *,
    study: str = "1.2",
    series: str = "1.2.3",
    instance: str | None = None,
    number: int | None = None,
    values: Sequence[bytes] = (),
    table: FrameTable | None = None,
    pixels: PixelFormat = NATIVE,
    conflict: ConflictPolicy = ConflictPolicy.REFUSE,
    hashed: bool = False,
) -> Instance:
    """Stores one instance whose file is a header, the values, then the frames, with a word
    between every two of them. Contents known already are not appended. `hashed`: the file is known
    by its SHA-256, as index format 2 had it."""
    serial = next(_numbers)
    contents = (*values, *frames)
    words = [f"{instance}{serial}-{n};".encode() for n in range(len(contents) + 1)]
    skeleton = b"".join(words)
    holes = tuple(sum(map(len, words[: n + 1])) for n in range(len(contents)))
    file = words[0] + b"".join(c + w for c, w in zip(contents, words[1:], strict=True))
    if table is None:
        table = FrameTable(len(frames), first=len(values)) if frames else NO_FRAMES
    stored = Instance(
        study_uid=study,
        series_uid=series,
        instance_uid=instance or f"{series}.{serial}",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        number=serial if number is None else number,
        file_digest=digest_of(file)
        if hashed
        else parts_digest(digest_of(skeleton), holes, [digest_of(one) for one in contents]),
        file_length=len(file),
        dataset_digest=digest_of(file[1:]),
        skeleton=digest_of(skeleton),
        blobs=tuple(map(digest_of, contents)),
        holes=holes,
        frames=table,
        pixels=pixels if frames else None,
        received_us=time.time_ns() // 1000,
        source="a test",
    )
    nothing = Level({}, b"{}")
    facts = InstanceFacts(stored, nothing, nothing, nothing, {}, b"{}")
    places = {}
    known = storage.index.known((stored.skeleton, *stored.blobs))
    for content in (skeleton, *contents):
        digest = digest_of(content)
        if digest not in known and digest not in places:
            places[digest] = storage.blobs.append(
                digest, content, form=Form.RAW, content_length=len(content)
            )
    (applied,) = storage.index.apply([Landed(facts, places)], conflict=conflict)
    assert applied.outcome in (Stored.NEW, Stored.VERSIONED, Stored.REPLACED), applied
    return stored


def encode(pixels: PixelFormat | None, content: bytes) -> tuple[Form, bytes]:
    """zstd where it shrinks; codestreams stay as they are."""
    payload = zstandard.compress(content)
    if len(payload) >= len(content) or (pixels and pixels.encapsulated):
        return Form.RAW, content
    return Form.ZSTD, payload


def decode(form: Form, payload: bytes, content_length: int) -> bytes:
    if form is Form.RAW:
        return payload
    return zstandard.ZstdDecompressor().decompress(payload, max_output_size=content_length)


def settle_all(
    storage: Storage,
    *,
    encode: Callable[[PixelFormat | None, bytes], tuple[Form, bytes]] = encode,
    stop: Callable[[], bool] = lambda: False,
    quiet_s: float = 0.0,
    pack_bytes: int = 512 << 20,
) -> SettleReport:
    return settle(
        storage,
        encode,
        decode,
        quiet_s=quiet_s,
        stop=stop,
        threads=2,
        pack_bytes=pack_bytes,
    )


def verified(storage: Storage, *, full: bool = True, sweep: bool = False) -> list[str]:
    """What verification has to say."""
    sentences: list[str] = []
    report: VerifyReport = verify(
        storage, full=full, sweep=sweep, decode=decode, report=sentences.append
    )
    assert report.problems == len(sentences)
    return sentences


def forms_of(storage: Storage, instance: Instance) -> list[Form]:
    """Of the skeleton, then of each content."""
    digests = (instance.skeleton, *instance.blobs)
    places = places_of(storage.index, digests)
    return [places[digest].form for digest in digests]


def used_bytes(directory: Path) -> int:
    """What the packs take on the disk."""
    return sum(file.stat().st_size for file in directory.rglob("*.pack"))
