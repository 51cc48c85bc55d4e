"""Settling: what landed as it came is encoded, verified by its encoder, and written in series
order into sealed packs.

    lease "settle" -> quiet series -> manifest -> contents in landing packs, instance by instance
    -> encode in threads -> append in order -> sync -> relocate -> compact the series

Every step may be the last: the digest stays the name of a content and either form of it is valid,
so a settler that is killed is followed by one that does what is left. Two settlers at once would
do no harm, only work twice; the lease is for that. See LAYOUT.md for the proof.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

from storage.engines import Storage
from storage.errors import Corrupt, NotFound
from storage.holders import this_holder
from storage.model import (
    Digest,
    Form,
    Instance,
    PixelFormat,
    Place,
    SeriesKey,
    SeriesManifest,
)
from storage.rewriting import PACK_BYTES, Rewriter, places_of, remove_dead_packs

Encode = Callable[[PixelFormat | None, bytes], tuple[Form, bytes]]
"""The form a content shall have and its payload; the format is given when it is a frame, or a part
of one, or several. Has verified that the payload decodes to the content. Called from several
threads."""

Decode = Callable[[Form, bytes, int], bytes]
"""The content of a payload, given its form and the content's length; raises when damaged."""

WINDOW_BYTES = 32 << 20
"""Of contents that are being encoded at a time; one that is longer goes alone."""

_LEASE = "settle"
_LEASE_S = 60.0
_SERIES_AT_A_TIME = 64
_CONTENTS_AT_A_TIME = 256


@dataclass(frozen=True, slots=True)
class SettleReport:
    """What one call of `settle` did.

    series         that are settled now and were not before
    contents       written anew; their payloads took `bytes_before` and take `bytes_after`
    packs_removed  that nothing refers to any more, of `bytes_removed` together
    finished       False when it was stopped, or when another settler is at work
    problems       a sentence for each content that stays as it landed
    """

    series: int
    contents: int
    bytes_before: int
    bytes_after: int
    packs_removed: int
    bytes_removed: int
    finished: bool
    problems: tuple[str, ...]


def settle(
    storage: Storage,
    encode: Encode,
    decode: Decode,
    *,
    quiet_s: float,
    stop: Callable[[], bool],
    threads: int,
    pack_bytes: int = PACK_BYTES,
) -> SettleReport:
    """Settles every series without a change in the last `quiet_s` seconds.

    stop     asked between two contents; True ends the call soon, with nothing half done
    threads  that encode at a time

    To be called in every process that stores, now and then: it also gives that process's landing
    pack back once all of it has settled, whoever settled it. Raises OutOfSpace and Unavailable;
    what was settled until then is.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="settle") as pool:
        settler = _Settler(storage, encode, decode, stop, pool, 2 * threads, pack_bytes)
        try:
            finished = settler.run(quiet_s)
        finally:
            # Also when the disk is full: this is what makes room.
            removed, removed_bytes = remove_dead_packs(storage, idle_s=quiet_s)
    return SettleReport(
        series=settler.series,
        contents=settler.rewriter.moved,
        bytes_before=settler.rewriter.bytes_before,
        bytes_after=settler.rewriter.bytes_after,
        packs_removed=removed,
        bytes_removed=removed_bytes,
        finished=finished,
        problems=tuple(settler.problems),
    )


@dataclass(frozen=True, slots=True)
class _Waiting:
    digest: Digest
    place: Place
    payload: Future[tuple[Form, bytes] | None]


class _Settler:
    """One run over the series that are quiet."""

    def __init__(
        self,
        storage: Storage,
        encode: Encode,
        decode: Decode,
        stop: Callable[[], bool],
        pool: ThreadPoolExecutor,
        depth: int,
        pack_bytes: int,
    ) -> None:
        self.series = 0
        self.problems: list[str] = []
        self.rewriter = Rewriter(storage, pack_bytes=pack_bytes)
        self._storage = storage
        self._index = storage.index
        self._encode = encode
        self._decode = decode
        self._stop = stop
        self._pool = pool
        self._depth = depth
        self._holder = this_holder()
        self._renew_at = 0.0
        self._settled_packs: set[int] = set()

    def run(self, quiet_s: float) -> bool:
        """False when it was stopped or may not begin."""
        if not self._quiet(quiet_s, limit=1):
            return True
        if self._stopped():
            return False
        try:
            self._settled_packs = {
                info.pack for info in self._storage.blobs.packs() if not info.landing
            }
            with self.rewriter:
                return self._run(quiet_s)
        finally:
            self._index.release(_LEASE, self._holder)

    def _run(self, quiet_s: float) -> bool:
        seen: set[SeriesKey] = set()
        while True:
            keys = self._quiet(quiet_s, limit=_SERIES_AT_A_TIME + len(seen))
            keys = [key for key in keys if key not in seen][:_SERIES_AT_A_TIME]
            if not keys:
                return True
            seen.update(keys)
            while keys:
                versions: dict[SeriesKey, int] = {}
                for key in keys:
                    manifest = self._manifest(key)
                    if manifest is None:
                        continue
                    if not self._move(manifest):
                        return False
                    versions[key] = manifest.version
                self.rewriter.flush()
                keys = [key for key, version in versions.items() if not self._compact(key, version)]

    def _quiet(self, quiet_s: float, *, limit: int) -> list[SeriesKey]:
        quiet_since_us = time.time_ns() // 1000 - int(quiet_s * 1e6)
        return self._index.unsettled(quiet_since_us=quiet_since_us, limit=limit)

    def _manifest(self, key: SeriesKey) -> SeriesManifest | None:
        try:
            return self._index.manifest(key)
        except NotFound:
            return None

    def _compact(self, key: SeriesKey, version: int) -> bool:
        """False when the series has changed since its manifest was read. `compact` then folded an
        instance whose contents have not moved, and nobody would ask for the series again."""
        try:
            self._index.compact(key)
            unchanged = self._index.version_of(key) == version
        except NotFound:
            return True
        self.series += unchanged
        return unchanged

    def _stopped(self) -> bool:
        if self._stop():
            return True
        if time.monotonic() < self._renew_at:
            return False
        self._renew_at = time.monotonic() + _LEASE_S / 3
        return not self._index.lease(_LEASE, self._holder, ttl_s=_LEASE_S)

    def _move(self, manifest: SeriesManifest) -> bool:
        """Writes what of a series lies in landing packs, in order; False when stopped."""
        waiting: deque[_Waiting] = deque()
        held_bytes = 0
        for digest, place, pixels in self._landed(manifest):
            while waiting and (
                len(waiting) >= self._depth or held_bytes + place.content_length > WINDOW_BYTES
            ):
                held_bytes -= waiting[0].place.content_length
                self._write(waiting.popleft())
            if self._stopped():
                for one in waiting:
                    one.payload.cancel()
                return False
            payload = self._pool.submit(self._payload, digest, place, pixels)
            waiting.append(_Waiting(digest, place, payload))
            held_bytes += place.content_length
        while waiting:
            self._write(waiting.popleft())
        return True

    def _landed(
        self, manifest: SeriesManifest
    ) -> Iterator[tuple[Digest, Place, PixelFormat | None]]:
        contents = self._contents(manifest)
        while some := dict(islice(contents, _CONTENTS_AT_A_TIME)):
            for digest, place in places_of(self._index, list(some)).items():
                if place.pack not in self._settled_packs and place.pack not in self.rewriter.packs:
                    yield digest, place, some[digest]

    def _contents(self, manifest: SeriesManifest) -> Iterator[tuple[Digest, PixelFormat | None]]:
        """Each content of the series once: instance by instance, the skeleton first, then what
        was cut out of it, then the same of earlier versions."""
        seen: set[Digest] = set()
        for present in manifest.instances:
            for instance in (present, *self._index.versions(present.instance_uid)):
                for digest, pixels in _contents_of(instance):
                    if digest not in seen:
                        seen.add(digest)
                        yield digest, pixels

    def _payload(
        self, digest: Digest, place: Place, pixels: PixelFormat | None
    ) -> tuple[Form, bytes] | None:
        """What a content becomes; None when it shall stay, or has moved or gone meanwhile."""
        try:
            payload = self._storage.blobs.read(place)
        except NotFound:
            return None
        except Corrupt as error:
            self.problems.append(f"content {digest.hex()} cannot be settled: {error}")
            return None
        if place.form is not Form.RAW and pixels is None:
            return place.form, payload
        try:
            content = self._decode(place.form, payload, place.content_length)
            return self._encode(pixels, content)
        except Exception as error:
            # A codec's fault with one content must not keep the others from settling, nor this
            # one from leaving its landing pack.
            self.problems.append(f"content {digest.hex()} stays {place.form.name}: {error!r}")
            return place.form, payload

    def _write(self, one: _Waiting) -> None:
        result = one.payload.result()
        if result is not None:
            form, payload = result
            self.rewriter.add(one.digest, one.place, payload, form=form)


def _contents_of(instance: Instance) -> Iterator[tuple[Digest, PixelFormat | None]]:
    """The contents of an instance in order, with the pixel format where they belong to frames."""
    yield instance.skeleton, None
    frames = instance.frames
    of_frames = range(0)
    if frames.count:
        of_frames = range(frames.first, frames.blobs_of(frames.count - 1).stop)
    for number, digest in enumerate(instance.blobs):
        yield digest, instance.pixels if number in of_frames else None
