"""Instances on their way to a peer: C-STORE as SCU, for C-GET, C-MOVE and what is forwarded.

An instance goes out as it was received when the peer takes its transfer syntax, the data set bit
for bit; else decoded, as Explicit or Implicit VR Little Endian (PS3.4 §B.4, §C.4.2.1.4). What is
stored native goes losslessly encoded to who prefers that, and anything so to who takes nothing
else.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from dicomweb_server.archive import files, retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom import encode
from dicomweb_server.dicom.errors import DicomError, NotDicom, UnsupportedEncoding
from dicomweb_server.dicom.implicit import implicit_little_endian
from dicomweb_server.dicom.part10 import read_head
from dicomweb_server.dicom.source import BytesSource
from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from dicomweb_server.dimse import commands
from dicomweb_server.dimse.association import Association, Context, Message
from dicomweb_server.dimse.errors import NotNegotiated, ProtocolError
from dicomweb_server.dimse.negotiation import UNCOMPRESSED
from dicomweb_server.dimse.peers import Peer
from dicomweb_server.dimse.requestor import MOST_CONTEXTS, Wanted, response
from dicomweb_server.dimse.sop_classes import name_of
from storage.errors import StorageError
from storage.model import Buffer, Instance


def proposals(instances: Sequence[Instance], peer: Peer) -> Iterator[tuple[list[Wanted], int]]:
    """The contexts to propose, and how many of the instances (in order) they are for: as many as
    one association can carry, then those of the next one."""
    wanted: dict[Wanted, None] = {}
    count = 0
    for instance in instances:
        needed = dict.fromkeys(_contexts_for(instance, peer))
        if len(wanted | needed) > MOST_CONTEXTS:
            yield list(wanted), count
            wanted, count = {}, 0
        wanted |= needed
        count += 1
    if count:
        yield list(wanted), count


def _contexts_for(instance: Instance, peer: Peer) -> Iterator[Wanted]:
    # A context for each transfer syntax: of several in one the peer chooses, and it might choose
    # one that this instance would have to be decoded for.
    for uid in _syntaxes(instance, peer.transfer_syntaxes):
        yield instance.sop_class_uid, (uid,)


def _syntaxes(instance: Instance, preferred: Sequence[str]) -> Iterator[str]:
    """The transfer syntaxes an instance is sent in to who takes them, best first."""
    own = instance.transfer_syntax_uid
    if preferred:
        native = instance.pixels is not None and not instance.pixels.encapsulated
        made = (own, *UNCOMPRESSED, *(_encodable(instance) if native else ()))
        yield from (uid for uid in preferred if uid in made)
    yield own
    yield from UNCOMPRESSED


def _encodable(instance: Instance) -> list[str]:
    """Those that its frames can be encoded in without loss."""
    if not instance.frames.count:
        return []
    return [
        uid
        for uid in encode.encodable(instance.pixels)
        if transfer_syntax(uid).lossless or uid in encode.HTJ2K_SYNTAXES
    ]


Accepted = Mapping[str, Mapping[str, Context]]
"""Accepted contexts by SOP class and transfer syntax."""


def _accepted(association: Association) -> Accepted:
    found: dict[str, dict[str, Context]] = {}
    for context in association.contexts.values():
        found.setdefault(context.abstract_syntax, {})[context.transfer_syntax] = context
    return found


def contexts_for(
    accepted: Accepted, instance: Instance, preferred: Sequence[str]
) -> Sequence[Context]:
    """Those that an instance may be sent in, best first. Raises NotNegotiated."""
    of_class = accepted.get(instance.sop_class_uid, {})
    for syntaxes in (_syntaxes(instance, preferred), _encodable(instance)):
        if found := [of_class[uid] for uid in dict.fromkeys(syntaxes) if uid in of_class]:
            return found
    raise NotNegotiated(name_of(instance.sop_class_uid))


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one instance.

    status   of the answer, None when nothing of the instance could be sent
    comment  the answer's Error Comment, or why it could not
    """

    instance: Instance
    status: int | None
    comment: str


def send_all(
    archive: Archive,
    association: Association,
    instances: Sequence[Instance],
    *,
    preferred: Sequence[str] = (),
    priority: int = commands.MEDIUM,
    originator: tuple[str, int] | None = None,
    on_other: Callable[[Message], None] | None = None,
) -> Iterator[Sent]:
    """Sends instances one after another, as far as the caller asks for the next; each is read (and
    decoded) while the peer works on the one before it.

    preferred   transfer syntaxes that the peer would rather have, best first
    originator  AE title and message ID of the C-MOVE this is part of
    on_other    takes what comes while an answer is waited for; ProtocolError without it

    Raises DimseError, which ends the association.
    """
    following = iter(instances)
    accepted = _accepted(association)

    def next_ready() -> _Ready | Sent | None:
        instance = next(following, None)
        return None if instance is None else _ready(archive, accepted, instance, preferred)

    ready = next_ready()
    while (this := ready) is not None:
        if isinstance(this, Sent):
            ready = next_ready()
            yield this
            continue
        message_id = _begin(association, this, priority=priority, originator=originator)
        ready = next_ready()
        answered = response(association, message_id, on_other=on_other)
        answered.discard()
        comment = commands.text(answered.command, commands.ERROR_COMMENT)
        yield Sent(this.instance, answered.status, comment)


AHEAD_BYTES = 2**20
"""What is held of an instance before its turn, about."""


@dataclass(frozen=True, slots=True)
class _Ready:
    """An instance whose data set begins with what has been read of it."""

    instance: Instance
    context: Context
    data_set: Iterator[Buffer]


def _ready(
    archive: Archive, accepted: Accepted, instance: Instance, preferred: Sequence[str]
) -> _Ready | Sent:
    """`Sent` says why it cannot be sent in any context."""
    reason = ""
    try:
        for context in contexts_for(accepted, instance, preferred):
            try:
                return _begun(archive, instance, context)
            except UnsupportedEncoding as error:
                reason = reason or str(error)
    except (NotNegotiated, DicomError, StorageError) as error:
        reason = str(error)
    return Sent(instance, None, reason)


def _begun(archive: Archive, instance: Instance, context: Context) -> _Ready:
    pieces = data_set(archive, instance, context.transfer_syntax)
    begun: list[Buffer] = []
    held = 0
    for piece in pieces:
        begun.append(piece)
        held += len(piece)
        if held >= AHEAD_BYTES:
            break
    return _Ready(instance, context, chain(begun, pieces))


def _begin(
    association: Association, this: _Ready, *, priority: int, originator: tuple[str, int] | None
) -> int:
    """Sends the request; its message ID."""
    message_id = association.new_id()
    command: dict[int, int | str] = {
        commands.COMMAND_FIELD: commands.C_STORE,
        commands.MESSAGE_ID: message_id,
        commands.AFFECTED_CLASS: this.instance.sop_class_uid,
        commands.AFFECTED_INSTANCE: this.instance.instance_uid,
        commands.PRIORITY: priority,
    }
    if originator is not None:
        command[commands.ORIGINATOR_TITLE], command[commands.ORIGINATOR_ID] = originator
    try:
        association.send(this.context, command, this.data_set)
    except (DicomError, StorageError) as error:
        raise ProtocolError(f"half of {this.instance.instance_uid} is sent: {error}") from error
    return message_id


def data_set(archive: Archive, instance: Instance, transfer_syntax_uid: str) -> Iterator[Buffer]:
    """The data set of an instance in a transfer syntax, in pieces. Raises UnsupportedEncoding for
    one that it cannot be had in."""
    own = instance.transfer_syntax_uid
    if transfer_syntax_uid == own:
        return _as_received(archive, instance)
    if transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN:
        explicit = (
            _as_received(archive, instance)
            if own == EXPLICIT_VR_LITTLE_ENDIAN
            else _without_meta(files.explicit_file(archive, instance).chunks)
        )
        return implicit_little_endian(explicit)
    return _without_meta(files.file_in(archive, instance, transfer_syntax_uid).chunks)


def _as_received(archive: Archive, instance: Instance) -> Iterator[Buffer]:
    parts = retrieve.InstanceFile(archive, instance).parts()
    first = next(parts)
    # Its header is whole in the first part: what is cut out of a file lies in the data set.
    return _after(read_head(BytesSource(first)).dataset_offset, chain((first,), parts))


def _after(offset: int, pieces: Iterator[Buffer]) -> Iterator[Buffer]:
    for piece in pieces:
        if offset < len(piece):
            yield memoryview(piece)[offset:] if offset else piece
        offset = max(0, offset - len(piece))


def _without_meta(pieces: Iterator[Buffer]) -> Iterator[Buffer]:
    """What follows the File Meta Information of a file that was written here, which therefore has
    its group length."""
    head = b""
    for piece in pieces:
        head += bytes(piece)
        if len(head) >= 144:
            break
    if head[128:132] != b"DICM":
        raise NotDicom("a file made for sending has no prefix")
    length = 144 + int.from_bytes(head[140:144], "little")
    return _after(length, chain((head,), pieces))
