"""Instances on their way to a peer: C-STORE as SCU, for C-GET, C-MOVE and what is forwarded.

An instance goes out as it was received when the peer takes its transfer syntax, the data set bit
for bit; else decoded, as Explicit or Implicit VR Little Endian (PS3.4 §B.4, §C.4.2.1.4).
"""

from collections.abc import Callable, Iterator, Sequence

from dicomweb_server.archive import files, retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.errors import NotDicom, UnsupportedEncoding
from dicomweb_server.dicom.implicit import implicit_little_endian
from dicomweb_server.dicom.part10 import read_head
from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
)
from dicomweb_server.dimse import commands
from dicomweb_server.dimse.association import Association, Context, Message
from dicomweb_server.dimse.errors import NotNegotiated
from dicomweb_server.dimse.negotiation import UNCOMPRESSED
from dicomweb_server.dimse.peers import Peer
from dicomweb_server.dimse.requestor import MOST_CONTEXTS, Wanted, request
from dicomweb_server.dimse.sop_classes import name_of
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
    if instance.transfer_syntax_uid not in UNCOMPRESSED:
        yield instance.sop_class_uid, (instance.transfer_syntax_uid,)
    for uid in UNCOMPRESSED:
        yield instance.sop_class_uid, (uid,)


def context_for(association: Association, instance: Instance) -> Context:
    """The context an instance is best sent in. Raises NotNegotiated."""
    accepted = {
        context.transfer_syntax: context
        for context in association.contexts.values()
        if context.abstract_syntax == instance.sop_class_uid
    }
    for uid in (instance.transfer_syntax_uid, *UNCOMPRESSED):
        if uid in accepted:
            return accepted[uid]
    raise NotNegotiated(name_of(instance.sop_class_uid))


def send(
    archive: Archive,
    association: Association,
    instance: Instance,
    *,
    priority: int = commands.MEDIUM,
    originator: tuple[str, int] | None = None,
    on_other: Callable[[Message], None] | None = None,
) -> tuple[int, str]:
    """Sends one instance; status and Error Comment of the answer.

    originator  AE title and message ID of the C-MOVE this is part of

    Raises NotNegotiated, UnsupportedEncoding, Damaged, NotFound and Corrupt before anything was
    sent of it, when `association.sending` is not set; and what ends an association.
    """
    context = context_for(association, instance)
    pieces = data_set(archive, instance, context.transfer_syntax)
    first = next(pieces, b"")
    command: dict[int, int | str] = {
        commands.COMMAND_FIELD: commands.C_STORE,
        commands.MESSAGE_ID: association.new_id(),
        commands.AFFECTED_CLASS: instance.sop_class_uid,
        commands.AFFECTED_INSTANCE: instance.instance_uid,
        commands.PRIORITY: priority,
    }
    if originator is not None:
        command[commands.ORIGINATOR_TITLE], command[commands.ORIGINATOR_ID] = originator
    answered = request(association, context, command, _chain(first, pieces), on_other=on_other)
    answered.discard()
    return answered.status, commands.text(answered.command, commands.ERROR_COMMENT)


def _chain(first: Buffer, rest: Iterator[Buffer]) -> Iterator[Buffer]:
    yield first
    yield from rest


def data_set(archive: Archive, instance: Instance, transfer_syntax_uid: str) -> Iterator[Buffer]:
    """The data set of an instance in a transfer syntax, in pieces. Raises UnsupportedEncoding for
    any but its own and the uncompressed ones."""
    if transfer_syntax_uid == instance.transfer_syntax_uid:
        file = retrieve.InstanceFile(archive, instance)
        return _after(read_head(file).dataset_offset, file.chunks())
    if transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN:
        return _without_meta(files.explicit_file(archive, instance).chunks)
    if transfer_syntax_uid == IMPLICIT_VR_LITTLE_ENDIAN:
        if instance.transfer_syntax_uid == EXPLICIT_VR_LITTLE_ENDIAN:
            file = retrieve.InstanceFile(archive, instance)
            explicit = _after(read_head(file).dataset_offset, file.chunks())
        else:
            explicit = _without_meta(files.explicit_file(archive, instance).chunks)
        return implicit_little_endian(explicit)
    raise UnsupportedEncoding(transfer_syntax_uid, "nothing is encoded in it for sending")


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
    return _after(length, _chain(head, pieces))
