"""C-STORE as SCP (PS3.4 §B): the data set as it comes, the file header it was negotiated with.

Nothing is decoded on the way in: fragments go from the socket to the spool, behind File Meta
Information made from the command and the context (PS3.10 §7.1), and `archive.store` reads the
file as it reads those of STOW-RS. Answers wait for the durable commit, which all associations
that wait share.
"""

import logging
from struct import pack, unpack_from

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.spool import Spool
from dicomweb_server.archive.store import Received
from dicomweb_server.dicom.inflate import beginning
from dicomweb_server.dicom.source import Part, PiecedSource, Source
from dicomweb_server.dicom.transfer_syntaxes import TransferSyntax, transfer_syntax
from dicomweb_server.dimse import commands, status
from dicomweb_server.dimse.association import Context, Message
from dicomweb_server.dimse.commands import Command
from dicomweb_server.dimse.negotiation import IMPLEMENTATION_UID, IMPLEMENTATION_VERSION
from dicomweb_server.dimse.session import Session
from storage.model import Buffer

logger = logging.getLogger(__name__)


class Incoming:
    """The file that a C-STORE becomes, while its data set arrives."""

    def __init__(
        self, archive: Archive, context: Context, command: Command, *, sender: str
    ) -> None:
        self._spool = Spool(archive.storage.incoming, limit_bytes=archive.config.max_part_bytes)
        self._spool.write(
            file_meta(
                sop_class_uid=commands.text(command, commands.AFFECTED_CLASS),
                instance_uid=commands.text(command, commands.AFFECTED_INSTANCE),
                transfer_syntax_uid=context.transfer_syntax,
                sender=sender,
            )
        )

    def write(self, piece: Buffer) -> None:
        self._spool.write(piece)

    def finish(self) -> Source:
        return self._spool.finish()

    def discard(self) -> None:
        self._spool.discard()


def file_meta(
    *, sop_class_uid: str, instance_uid: str, transfer_syntax_uid: str, sender: str
) -> bytes:
    """Preamble, prefix and File Meta Information (PS3.10 Table 7.1-1)."""
    elements = b"".join(
        (
            pack("<HH2sxxI2s", 2, 0x0001, b"OB", 2, b"\0\1"),
            _short(0x0002, b"UI", sop_class_uid),
            _short(0x0003, b"UI", instance_uid),
            _short(0x0010, b"UI", transfer_syntax_uid),
            _short(0x0012, b"UI", IMPLEMENTATION_UID),
            _short(0x0013, b"SH", IMPLEMENTATION_VERSION),
            _short(0x0016, b"AE", sender),
        )
    )
    return bytes(128) + b"DICM" + pack("<HH2sHI", 2, 0, b"UL", 4, len(elements)) + elements


def _short(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")[:64]
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return pack("<HH2sH", 2, element, vr, len(value)) + value


def handle(session: Session, message: Message) -> None:
    """Stores what has arrived and answers."""
    if message.failure is not None:
        session.association.respond(
            message, status.of_error(message.failure), comment=str(message.failure)
        )
        return
    if message.sink is None:
        session.association.respond(
            message, status.CANNOT_UNDERSTAND, comment="a C-STORE without a data set"
        )
        return
    if commands.text(message.command, commands.AFFECTED_CLASS) != message.context.abstract_syntax:
        session.association.respond(
            message, status.CLASS_NOT_SUPPORTED, comment="the context is for another SOP class"
        )
        return
    whole = message.sink.finish()
    source = _without_file_meta(whole, message)
    if difference := _names_another(source, message):
        session.association.respond(message, status.DOES_NOT_MATCH, comment=difference)
        return
    outcome = session.bridge.together.store(session.archive, Received(source, session.sender))
    code, comment = status.SUCCESS, ""
    if outcome.refusal is not None:
        code, comment = status.OF_REFUSAL[outcome.refusal], outcome.comment
    elif source is not whole:
        code, comment = status.ELEMENTS_DISCARDED, "File Meta Information in a data set"
        logger.warning(
            "%s: %s came with File Meta Information in its data set, which was left out",
            session.sender,
            outcome.instance_uid,
        )
    session.association.respond(message, code, comment=comment)


def _without_file_meta(source: Source, message: Message) -> Source:
    """The file without the elements of groups 0000 and 0002 that its data set begins with.

    They belong in no data set (PS3.7 §6.3, PS3.10 §7.1). Behind the file header made here they
    would be read as more of it, and might say another transfer syntax than that negotiated.
    """
    syntax = transfer_syntax(message.context.transfer_syntax)
    start = at = _data_set_at(source)
    if not syntax.deflated:
        while (found := _element(source.read_at(at, 12), 0, syntax)) and found[0] < 0x00030000:
            at += found[1] + found[2]
    if not start < at <= source.length:
        return source
    return PiecedSource([Part(source, 0, start), Part(source, at, source.length - at)])


def _data_set_at(source: Source) -> int:
    """Preamble and prefix, then the group length and as many bytes as it says: `file_meta`."""
    return 144 + int.from_bytes(source.read_at(140, 4), "little")


def _element(head: bytes, at: int, syntax: TransferSyntax) -> tuple[int, int, int] | None:
    """Tag of the element whose header is at `at`, the length of that and of its value; None where
    there are too few bytes."""
    if at + 12 > len(head):
        return None
    order = ">" if syntax.big_endian else "<"
    group, number = unpack_from(order + "HH", head, at)
    tag = group << 16 | number
    if syntax.implicit:
        return tag, 8, unpack_from(order + "I", head, at + 4)[0]
    if head[at + 4 : at + 6] in _LONG_VRS:
        return tag, 12, unpack_from(order + "I", head, at + 8)[0]
    return tag, 8, unpack_from(order + "H", head, at + 6)[0]


def _names_another(source: Source, message: Message) -> str:
    """What the data set says it is when the command says otherwise, else "".

    SOP Class UID (0008,0016) and SOP Instance UID (0008,0018) are among the first elements, so a
    look at those is enough. What cannot be read here is for `archive.store` to refuse.
    """
    syntax = transfer_syntax(message.context.transfer_syntax)
    wanted = {
        0x00080016: commands.text(message.command, commands.AFFECTED_CLASS),
        0x00080018: commands.text(message.command, commands.AFFECTED_INSTANCE),
    }
    start = _data_set_at(source)
    if syntax.deflated:
        head = beginning(source, offset=start, length=4096)
    else:
        head = source.read_at(start, 4096)
    at = 0
    while (element := _element(head, at, syntax)) is not None:
        tag, value, length = element[0], at + element[1], element[2]
        if tag > 0x00080018:
            break
        at = value + length
        found = head[value:at].decode("latin-1").strip("\0 ")
        if tag in wanted and found != wanted[tag]:
            return f"the data set says {found}, the command {wanted[tag]}"
    return ""


_LONG_VRS = frozenset({b"OB", b"OW", b"SQ", b"UN", b"UT", b"UC", b"UR"})
