"""Retrieving: instances as the files that were received, their frames, metadata and bulk values.

Nothing of an instance is whole in memory but its header: a file is a source that reads what it is
asked for, or a stream of pieces. What is moved while it is read (settled, compacted) is looked up
again. Which form leaves the server is negotiated above (PS3.18 §8.7); what forms there are to be
had without work is told here.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate

import orjson
import zstandard

from dicomweb_server.access.caller import Act
from dicomweb_server.archive.ahead import ahead
from dicomweb_server.archive.archive import Archive, CachedSeries, UnpackedMetadata
from dicomweb_server.dicom import bulk, codecs, decode, encode
from dicomweb_server.dicom.bulk import BulkValue
from dicomweb_server.dicom.decode import NativeFrame
from dicomweb_server.dicom.encode import EncodedFrame
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dicom.resolutions import HEAD_BYTES, prefix_bytes
from dicomweb_server.dicom.source import Source
from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    HTJ2K_LOSSLESS_RPCL,
    transfer_syntax,
)
from storage.errors import Corrupt, NotFound
from storage.model import (
    Buffer,
    Digest,
    Form,
    Instance,
    PixelFormat,
    Place,
    Scope,
    SeriesKey,
    SeriesMetadata,
)

STREAM_BYTES = 2**20
"""How much a stream gives at a time: what costs a server least a byte (ARCHITECTURE, 7)."""

FEW = 4
"""An instance of no more contents is made by one thread: a series has others to make."""


# ---------------------------------------------------------------------------- finding


def series_keys(archive: Archive, scope: Scope) -> list[SeriesKey]:
    """The series that a scope names, in order. Raises NotFound when the study is not stored."""
    archive.permit(Act.VIEW)
    if scope.series_uid is not None:
        return [SeriesKey(scope.study_uid, scope.series_uid)]
    return archive.storage.index.series_of(scope.study_uid)


def instances(archive: Archive, scope: Scope) -> Sequence[Instance]:
    """The instances of a study, series or the one instance, in order. Raises NotFound."""
    archive.permit(Act.VIEW)
    archive.viewed(scope.study_uid)
    if scope.instance_uid is not None:
        return (instance(archive, scope),)
    return [
        each
        for key in series_keys(archive, scope)
        for each in _series(archive, key).manifest.instances
    ]


def instance(archive: Archive, scope: Scope) -> Instance:
    """The one instance a scope names. Raises NotFound, also when it is in another series."""
    archive.permit(Act.VIEW)
    return versioned(archive, scope)[0]


def versioned(archive: Archive, scope: Scope) -> tuple[Instance, SeriesKey, int]:
    """As `instance`, and what `versions` says of the scope."""
    archive.permit(Act.VIEW)
    archive.viewed(scope.study_uid)
    assert scope.series_uid is not None and scope.instance_uid is not None
    key = SeriesKey(scope.study_uid, scope.series_uid)
    series = _series(archive, key)
    position = series.positions.get(scope.instance_uid)
    if position is None:
        raise NotFound("instance", scope.instance_uid)
    return series.manifest.instances[position], key, series.manifest.version


def instance_ready(archive: Archive, scope: Scope) -> Instance | None:
    """As `instance`, when the manifest of its series is at hand; else None, also when there is no
    such instance, and for who may not view or begins to. Never reads more of the index than a
    version."""
    if not archive.viewed_ready(scope.study_uid):
        return None
    assert scope.series_uid is not None and scope.instance_uid is not None
    key = SeriesKey(scope.study_uid, scope.series_uid)
    found = _at_hand(archive, key, scope.instance_uid)
    return None if found is None else found[0]


def _at_hand(archive: Archive, key: SeriesKey, instance_uid: str) -> tuple[Instance, int] | None:
    """An instance and the version of its series."""
    cached = archive.series.get(key)
    if cached is None:
        return None
    version = archive.storage.index.version_of(key)
    position = cached.positions.get(instance_uid)
    if position is None or cached.manifest.version != version:
        return None
    return cached.manifest.instances[position], version


def version(archive: Archive, key: SeriesKey) -> int:
    """Of one series. Raises NotFound for an unknown one. Never waits for a disk."""
    archive.permit(Act.VIEW)
    return archive.storage.index.version_of(key)


def versions(archive: Archive, scope: Scope) -> list[tuple[SeriesKey, int]]:
    """The series a scope lies in, each with its version: what is served of the scope changes only
    when this does. Raises NotFound for an unknown study or series."""
    archive.permit(Act.VIEW)
    archive.viewed(scope.study_uid)
    return [(key, archive.storage.index.version_of(key)) for key in series_keys(archive, scope)]


def representative(archive: Archive, scope: Scope) -> tuple[Instance, int]:
    """The instance and frame index that stand for a scope in a list: the middle of what has
    frames, in the first series that has any. Raises NotFound, also when nothing has frames."""
    archive.permit(Act.VIEW)
    archive.viewed(scope.study_uid)
    for key in series_keys(archive, scope):
        with_frames = [
            each
            for each in _series(archive, key).manifest.instances
            if each.frames.count and scope.instance_uid in (None, each.instance_uid)
        ]
        if with_frames:
            chosen = with_frames[len(with_frames) // 2]
            return chosen, chosen.frames.count // 2
    raise NotFound("image", scope.instance_uid or scope.series_uid or scope.study_uid)


def _series(archive: Archive, key: SeriesKey) -> CachedSeries:
    """The manifest, from the cache while it is current."""
    version = archive.storage.index.version_of(key)
    cached = archive.series.get(key)
    if cached is not None and cached.manifest.version == version:
        return cached
    manifest = archive.storage.index.manifest(key)
    cached = CachedSeries(
        manifest, {each.instance_uid: n for n, each in enumerate(manifest.instances)}
    )
    # An instance without blobs still costs some dozens of digests' worth of objects.
    weight = sum(16 + len(each.blobs) for each in manifest.instances)
    archive.series.put(key, cached, weight=weight)
    return cached


# ---------------------------------------------------------------------------- contents


def payload_of(archive: Archive, digest: Digest, place: Place | None = None) -> tuple[Place, bytes]:
    """The payload of a content and the place it was read from; `place` is where it was lately."""
    archive.permit(Act.VIEW)
    place = place or archive.storage.index.places((digest,))[0]
    try:
        return place, archive.storage.blobs.read(place)
    except NotFound:
        # Its pack was compacted away since the place was looked up.
        place = archive.storage.index.places((digest,))[0]
        return place, archive.storage.blobs.read(place)


def _content(archive: Archive, digest: Digest, place: Place | None = None) -> bytes:
    place, payload = payload_of(archive, digest, place)
    return codecs.decode_payload(place.form, payload, place.content_length)


# ---------------------------------------------------------------------------- files


def pieces(source: Source, offset: int, length: int) -> Iterator[bytes]:
    """So many bytes of a source from `offset` on, some MiB at most at a time."""
    end = offset + length
    for at in range(offset, end, STREAM_BYTES):
        yield source.read_at(at, min(STREAM_BYTES, end - at))


class InstanceFile:
    """The received Part 10 file of an instance, bit for bit, read by position or as a stream.

    A `Source`. Holds the header; of the contents only the one read last.
    """

    def __init__(self, archive: Archive, instance: Instance) -> None:
        """Raises NotFound when the instance has been deleted meanwhile."""
        archive.permit(Act.VIEW)
        self._archive = archive
        self._instance = instance
        cut = len(instance.holes)
        skeleton, *places = archive.storage.index.places((instance.skeleton, *instance.blobs[:cut]))
        self._places = places
        self._skeleton = _content(archive, instance.skeleton, skeleton)
        # Content k occupies [starts[k], starts[k] + its length) of the file, and `before[k]`
        # bytes of contents come before it: that is what its hole's position lacks.
        self._before = list(accumulate((p.content_length for p in places), initial=0))
        self._starts = [hole + self._before[k] for k, hole in enumerate(instance.holes)]
        self._last: tuple[int, bytes] = (-1, b"")
        if len(self._skeleton) + self._before[-1] != instance.file_length:
            raise Corrupt(
                f"instance {instance.instance_uid}",
                f"its parts make {len(self._skeleton) + self._before[-1]} bytes, "
                f"{instance.file_length} were received",
            )

    @property
    def length(self) -> int:
        return self._instance.file_length

    def read_at(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.length)
        parts: list[bytes] = []
        while offset < end:
            k = bisect_right(self._starts, offset) - 1
            if k >= 0 and (within := offset - self._starts[k]) < self._places[k].content_length:
                part = self._part(k, within, min(end - offset, self._places[k].content_length))
            else:
                part = self._header_part(k, offset, end)
            parts.append(part)
            offset += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def chunks(self) -> Iterator[bytes]:
        """The whole file, in pieces of some MiB at most."""
        waiting: list[bytes] = []
        size = 0
        for part in self.parts():
            for at in range(0, len(part), STREAM_BYTES):
                piece = part if len(part) <= STREAM_BYTES else part[at : at + STREAM_BYTES]
                if size + len(piece) > STREAM_BYTES and waiting:
                    yield b"".join(waiting)
                    waiting, size = [], 0
                waiting.append(piece)
                size += len(piece)
        if waiting:
            yield b"".join(waiting)

    def parts(self) -> Iterator[bytes]:
        """The whole file as it is kept: header and contents in file order, each content read once
        and compared."""
        at = 0
        contents = [
            partial(_content, self._archive, digest, place)
            for digest, place in zip(self._instance.blobs, self._places, strict=False)
        ]
        made = ahead(contents) if len(contents) > FEW else (each() for each in contents)
        for hole, content in zip(self._instance.holes, made, strict=True):
            yield self._skeleton[at:hole]
            yield content
            at = hole
        yield self._skeleton[at:]

    def _header_part(self, k: int, offset: int, end: int) -> bytes:
        """Bytes from `offset`, between content k and the next, up to `end` at most."""
        stop = self._starts[k + 1] if k + 1 < len(self._starts) else self.length
        before = self._before[k + 1]
        return self._skeleton[offset - before : min(end, stop) - before]

    def _part(self, k: int, within: int, length: int) -> bytes:
        place = self._places[k]
        length = min(length, place.content_length - within)
        if place.form is Form.RAW and length < place.content_length:
            try:
                return self._archive.storage.blobs.read_part(place, within, length)
            except NotFound:
                pass  # moved: read it whole from where it is now
        if self._last[0] != k:
            self._last = (k, _content(self._archive, self._instance.blobs[k], place))
        return self._last[1][within : within + length]


# ---------------------------------------------------------------------------- frames


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A frame in the form it is kept in.

    digests              of the contents it is made of: equal ones are equal frames
    form                 RAW: the payload is what the transfer syntax says; ZSTD: it is one zstd
                         frame of that; HTJ2K: it is the codestream of 1.2.840.10008.1.2.4.202
    content_length       of the payload once it is unpacked, in bytes
    transfer_syntax_uid  what the (unpacked) payload is encoded in; native samples of the retired
                         big endian syntax say so and are to be had only by `native_frame`
    place                where the payload lay, when it is one content as it is kept
    """

    digests: tuple[Digest, ...]
    form: Form
    payload: Buffer
    content_length: int
    transfer_syntax_uid: str
    place: Place | None = None

    @property
    def transfer_syntaxes(self) -> frozenset[str]:
        """Those in which the (unpacked) payload can be sent as it is."""
        if self.form is Form.HTJ2K:
            return encode.HTJ2K_SYNTAXES
        return frozenset({self.transfer_syntax_uid})

    def unpacked(self) -> Buffer:
        """What the transfer syntax says, whatever the form."""
        if self.form is Form.ZSTD:
            return codecs.decode_payload(self.form, self.payload, self.content_length)
        return self.payload


def stored_transfer_syntaxes(instance: Instance) -> frozenset[str]:
    """The transfer syntaxes in which frames of an instance can be had without decoding, by what
    the instance is; a native frame is had in one of two, by whether it has settled."""
    if instance.pixels is None or instance.frames.count == 0:
        return frozenset()
    if instance.pixels.encapsulated:
        return frozenset({instance.transfer_syntax_uid})
    return frozenset({_stored_syntax(instance), HTJ2K_LOSSLESS_RPCL})


def frame(archive: Archive, instance: Instance, frame_index: int) -> StoredFrame:
    """A frame in the form it is kept in. May wait for a disk. Raises NotFound past the last."""
    archive.permit(Act.VIEW)
    numbers = _blobs_of(instance, frame_index)
    digests = tuple(instance.blobs[n] for n in numbers)
    if len(digests) == 1 and not instance.frames.packed_bits:
        place, payload = payload_of(archive, digests[0])
        return _stored_frame(instance, digests, place, payload)
    content = b"".join(_content(archive, digest) for digest in digests)
    if instance.frames.packed_bits:
        content = decode.unpack_bits(content, frame_index % 8, instance.frames.packed_bits)
    return StoredFrame(digests, Form.RAW, content, len(content), _stored_syntax(instance))


def frame_ready(archive: Archive, instance: Instance, frame_index: int) -> StoredFrame | None:
    """As `frame`, when that needs neither a wait for a disk nor work; else None."""
    archive.permit(Act.VIEW)
    digest = whole_content(instance, frame_index)
    if digest is None:
        return None
    try:
        place = archive.storage.index.places((digest,))[0]
        payload = archive.payloads.get(place.begin) or archive.storage.blobs.read_ready(place)
    except NotFound:
        return None
    return None if payload is None else _stored_frame(instance, (digest,), place, payload)


def frame_at_hand(
    archive: Archive, key: SeriesKey, instance_uid: str, frame_number: int
) -> tuple[Instance, StoredFrame, int] | None:
    """An instance, one of its frames (from 1) as `frame_ready` gives it, and the version of its
    series; None when one of them would have to be waited for or is not there. That something of the
    study is viewed is not noted (`Archive.viewed`)."""
    archive.permit(Act.VIEW)
    try:
        found = _at_hand(archive, key, instance_uid)
        if found is None:
            return None
        stored = frame_ready(archive, found[0], frame_number - 1)
    except NotFound:
        return None
    return None if stored is None else (found[0], stored, found[1])


def kept_ready(archive: Archive, stored: StoredFrame) -> Callable[[], Buffer | None]:
    """What gives a frame as it is kept, again and again, while that needs no wait for a disk.
    Reading it from the page cache and comparing it is 25 us of a reply that takes 80."""
    archive.permit(Act.VIEW)
    place = stored.place
    assert place is not None, "a frame that is made of several contents"

    begin = place.begin

    def payload() -> Buffer | None:
        found = archive.payloads.get(begin)
        if found is None:
            found = archive.storage.blobs.read_ready(place)
            if found is not None:
                archive.payloads.put(begin, found, weight=len(found))
        return found

    return payload


def native_frame(
    archive: Archive, instance: Instance, frame_index: int, stored: StoredFrame | None = None
) -> NativeFrame:
    """A frame as Explicit VR Little Endian samples.

    stored  the frame as it is kept, when that has been read already

    Raises NotFound past the last frame, and of dicom.errors UnsupportedEncoding and Damaged.
    """
    archive.permit(Act.VIEW)
    if instance.frames.packed_bits:
        return decoded_frame(archive, instance, frame_index, stored)
    key = _decoded_key(instance, frame_index)
    native = archive.decoded.get(key)
    if native is None:
        native = decoded_frame(archive, instance, frame_index, stored)
        archive.decoded.put(key, native, weight=len(native.content))
    return native


def reduced_frame(
    archive: Archive, instance: Instance, frame_index: int, *, halvings: int
) -> NativeFrame | None:
    """A frame at 1 / 2**`halvings` of its rows and columns, rounded up, of the same format; None
    when it is not kept in a form that has it. A quarter costs a twelfth of the whole to decode."""
    archive.permit(Act.VIEW)
    stored = frame(archive, instance, frame_index)
    pixels = instance.pixels
    if pixels is None or stored.form is not Form.HTJ2K:
        return None
    length = prefix_bytes(bytes(stored.payload[:HEAD_BYTES]), halvings=halvings)
    if length is None:
        return None
    small = codecs.reduced(stored.payload[:length], halvings=halvings)
    rows, columns = small.shape[:2]
    return NativeFrame(codecs.little_endian(small), replace(pixels, rows=rows, columns=columns))


def _decoded_key(
    instance: Instance, frame_index: int
) -> tuple[tuple[Digest, ...], PixelFormat, str]:
    """Equal codestreams may be samples of another format in another instance."""
    assert instance.pixels is not None, "frames without a pixel format"
    digests = tuple(instance.blobs[n] for n in _blobs_of(instance, frame_index))
    return digests, instance.pixels, instance.transfer_syntax_uid


def made_ready(
    archive: Archive, instance: Instance, frame_index: int, transfer_syntax_uid: str
) -> Callable[[], Buffer | None]:
    """What gives a frame, decoded or encoded anew, for as long as it is at hand, then None."""
    archive.permit(Act.VIEW)
    key = _decoded_key(instance, frame_index)

    def decoded() -> Buffer | None:
        found = archive.decoded.get(key)
        return None if found is None else found.content

    def encoded() -> Buffer | None:
        found = archive.encoded.get((*key, transfer_syntax_uid))
        return None if found is None else found.content

    return decoded if transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN else encoded


def encoded_frame(
    archive: Archive,
    instance: Instance,
    frame_index: int,
    transfer_syntax_uid: str,
    stored: StoredFrame | None = None,
) -> EncodedFrame:
    """A frame decoded and encoded anew, once for all who ask for it within a while.

    Raises what `native_frame` does, UnsupportedEncoding also when the syntax does not carry it.
    """
    archive.permit(Act.VIEW)
    key = (*_decoded_key(instance, frame_index), transfer_syntax_uid)
    found = archive.encoded.get(key)
    if found is None:
        native = native_frame(archive, instance, frame_index, stored)
        found = encode.encoded_frame(native, transfer_syntax_uid)
        archive.encoded.put(key, found, weight=len(found.content))
    return found


def frame_in(
    archive: Archive,
    instance: Instance,
    frame_index: int,
    transfer_syntax_uid: str,
    stored: StoredFrame | None = None,
) -> Buffer:
    """A frame in that transfer syntax, with as little work as it takes. Raises what `native_frame`
    and `encoded_frame` do."""
    archive.permit(Act.VIEW)
    stored = stored or frame(archive, instance, frame_index)
    if transfer_syntax_uid in stored.transfer_syntaxes:
        return stored.unpacked()
    if transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN:
        return native_frame(archive, instance, frame_index, stored).content
    return encoded_frame(archive, instance, frame_index, transfer_syntax_uid, stored).content


def frame_syntaxes(archive: Archive, instance: Instance, frames: Sequence[int]) -> list[str]:
    """The transfer syntax each of those frames (from 0) is kept in: `frame` would say it too, but
    reads the frame. Raises NotFound past the last."""
    archive.permit(Act.VIEW)
    own = _stored_syntax(instance)
    numbers = [_blobs_of(instance, each) for each in frames]
    pixels = instance.pixels
    if pixels is None or pixels.encapsulated or instance.frames.packed_bits:
        return [own] * len(frames)
    digests = [instance.blobs[each[0]] for each in numbers]
    places = archive.storage.index.places(digests)
    return [
        HTJ2K_LOSSLESS_RPCL if place.form is Form.HTJ2K and len(each) == 1 else own
        for place, each in zip(places, numbers, strict=True)
    ]


def frame_places(
    archive: Archive, instance: Instance, frames: Sequence[int]
) -> tuple[tuple[Digest, Place], ...]:
    """Where the contents of those frames (from 0) lie; once they are kept in another form, it is
    elsewhere. Raises NotFound past the last."""
    archive.permit(Act.VIEW)
    digests = [instance.blobs[n] for each in frames for n in _blobs_of(instance, each)]
    return tuple(zip(digests, archive.storage.index.places(digests), strict=True))


def decoded_frame(
    archive: Archive, instance: Instance, frame_index: int, stored: StoredFrame | None = None
) -> NativeFrame:
    """As `native_frame`, past the cache: what is read from end to end would only empty it."""
    archive.permit(Act.VIEW)
    assert instance.pixels is not None, "frames without a pixel format"
    stored = stored or frame(archive, instance, frame_index)
    return decode.native_frame(
        codecs.decoded(stored.form, stored.payload, stored.content_length),
        pixels=instance.pixels,
        transfer_syntax_uid=instance.transfer_syntax_uid,
        frame_number=frame_index + 1,
    )


def whole_content(instance: Instance, frame_index: int) -> Digest | None:
    """The one content that is the frame, None when it is made of several or of a part of one.
    Raises NotFound past the last."""
    numbers = _blobs_of(instance, frame_index)
    if len(numbers) != 1 or instance.frames.packed_bits:
        return None
    return instance.blobs[numbers[0]]


def _blobs_of(instance: Instance, frame_index: int) -> range:
    try:
        return instance.frames.blobs_of(frame_index)
    except IndexError:
        name = f"{frame_index + 1} of instance {instance.instance_uid}"
        raise NotFound("frame", f"{name} (which has {instance.frames.count})") from None


def _stored_frame(
    instance: Instance, digests: tuple[Digest, ...], place: Place, payload: Buffer
) -> StoredFrame:
    syntax = HTJ2K_LOSSLESS_RPCL if place.form is Form.HTJ2K else _stored_syntax(instance)
    return StoredFrame(digests, place.form, payload, place.content_length, syntax, place)


def _stored_syntax(instance: Instance) -> str:
    """Native samples are the same in Implicit, Explicit and Deflated Little Endian; those with
    the most significant byte first keep the name of what they came in."""
    own = instance.transfer_syntax_uid
    pixels = instance.pixels
    big_endian = transfer_syntax(own).big_endian or (pixels is not None and pixels.big_endian)
    encapsulated = pixels is not None and pixels.encapsulated
    return own if encapsulated or big_endian else EXPLICIT_VR_LITTLE_ENDIAN


# ---------------------------------------------------------------------------- bulk data


def bulk_value(archive: Archive, instance: Instance, path: str) -> BulkValue:
    """The value at `path`, as in `bulkdata/{path}` of the metadata. Raises NotInDataSet."""
    archive.permit(Act.VIEW)
    return bulk.bulk_value(InstanceFile(archive, instance), path, limits=archive.limits_of_stored)


# ---------------------------------------------------------------------------- metadata


def metadata(archive: Archive, scope: Scope) -> list[SeriesMetadata]:
    """The DICOM JSON of each series of a study, or of the one series. Raises NotFound."""
    archive.permit(Act.VIEW)
    archive.viewed(scope.study_uid)
    return [archive.storage.index.metadata(key) for key in series_keys(archive, scope)]


def instance_metadata(archive: Archive, scope: Scope) -> tuple[bytes, int]:
    """The DICOM JSON object of one instance, and the version of its series. Raises NotFound."""
    archive.permit(Act.VIEW)
    archive.viewed(scope.study_uid)
    assert scope.series_uid is not None and scope.instance_uid is not None
    key = SeriesKey(scope.study_uid, scope.series_uid)
    version = archive.storage.index.version_of(key)
    unpacked = archive.metadata.get(key)
    if unpacked is None or unpacked.version != version:
        unpacked = _unpacked(archive.storage.index.metadata(key))
        archive.metadata.put(key, unpacked, weight=len(unpacked.array))
    extent = unpacked.extents.get(scope.instance_uid)
    if extent is None:
        raise NotFound("instance", scope.instance_uid)
    return unpacked.array[extent[0] : extent[1]], unpacked.version


def example_of_series(archive: Archive, key: SeriesKey) -> Json:
    """The DICOM JSON object of one instance of a series, which costs the same however many it has;
    empty when the series has gone meanwhile."""
    archive.permit(Act.VIEW)
    try:
        document: Json = orjson.loads(archive.storage.index.example(key))
    except NotFound:
        return {}
    return document


def objects(found: SeriesMetadata, array: bytes) -> Iterator[bytes]:
    """The DICOM JSON object of each instance, cut from the array of all."""
    return (array[start:end] for start, end in _extents(found))


def _extents(found: SeriesMetadata) -> Iterator[tuple[int, int]]:
    """Where each object lies in the array, between the brackets and commas."""
    start = 1
    for length in found.lengths:
        yield start, start + length
        start += length + 1


def _unpacked(found: SeriesMetadata) -> UnpackedMetadata:
    extents = dict(zip(found.instance_uids, _extents(found), strict=True))
    return UnpackedMetadata(found.version, unpack_metadata(found), extents)


def unpack_metadata(found: SeriesMetadata) -> bytes:
    """The JSON array of a series' metadata: one zstd frame, or several joined."""
    reader = zstandard.ZstdDecompressor().stream_reader(found.zstd, read_across_frames=True)
    return reader.read()
