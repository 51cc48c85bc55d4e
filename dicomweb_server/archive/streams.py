"""Long bodies of what is kept, made as they are sent: from the page cache straight into the message
it is sent in, a read for each payload, no copy, one message for many frames.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from storage.errors import Corrupt, NotFound
from storage.model import Buffer, Digest, Place

MESSAGE_BYTES = 2**20
"""How long a message of kept payloads is, about (ARCHITECTURE, decision 7)."""


FIRST_BYTES = 64 * 1024
"""The first message is short, so that it is there soon."""


@dataclass(frozen=True, slots=True)
class Content:
    """A payload that is sent as it is kept, and where it lay lately."""

    digest: Digest
    place: Place

    def __len__(self) -> int:
        return self.place.length


def assembled(archive: Archive, pieces: Iterable[Buffer | Content]) -> Iterator[Buffer]:
    """The bytes of all pieces in order, in messages of about MESSAGE_BYTES. Raises what reading
    does."""
    waiting: list[Buffer | Content] = []
    size, limit = 0, FIRST_BYTES
    for piece in pieces:
        if waiting and size + len(piece) > limit:
            yield _message(archive, waiting, size)
            waiting, size, limit = [], 0, MESSAGE_BYTES
        waiting.append(piece)
        size += len(piece)
    if waiting:
        yield _message(archive, waiting, size)


def _message(archive: Archive, pieces: list[Buffer | Content], size: int) -> Buffer:
    if len(pieces) == 1 and not isinstance(pieces[0], Content):
        return pieces[0]
    message = memoryview(bytearray(size))
    at = 0
    for piece in pieces:
        end = at + len(piece)
        if isinstance(piece, Content):
            _read(archive, piece, message[at:end])
        else:
            message[at:end] = piece
        at = end
    return message


def _read(archive: Archive, content: Content, buffer: memoryview) -> None:
    try:
        archive.storage.blobs.read_into(content.place, buffer)
    except NotFound:
        # Its pack was compacted away since the place was looked up.
        place, payload = retrieve.payload_of(archive, content.digest)
        if len(payload) != len(buffer):
            raise Corrupt(
                f"content {content.digest.hex()}",
                f"has a payload of {len(payload)} bytes in {place.form.name}, {len(buffer)} were"
                " announced",
            ) from None
        buffer[:] = payload


def part_of(
    archive: Archive, pieces: Iterable[Buffer | Content], start: int, length: int
) -> Iterator[Buffer]:
    """So many bytes of all pieces from `start` on; payloads before it are not read."""

    def cut() -> Iterator[Buffer | Content]:
        at = 0
        for piece in pieces:
            low, high = max(start - at, 0), min(start + length - at, len(piece))
            at += len(piece)
            if low >= high:
                continue
            if high - low == len(piece):
                yield piece
            else:
                yield memoryview(_message(archive, [piece], len(piece)))[low:high]

    return assembled(archive, cut())
