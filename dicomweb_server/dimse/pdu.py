"""Protocol data units of the DICOM upper layer <-> values (PS3.8 §9.3), pure.

Lengths and integers are big endian here (PS3.8 §9.3.1), unlike everywhere else in DICOM. What is
read comes from strangers: every length is compared with what is there, and what does not fit is a
ProtocolError with reason 6, "invalid PDU parameter value".
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dicomweb_server.dimse.errors import ProtocolError

ASSOCIATE_RQ = 0x01
ASSOCIATE_AC = 0x02
ASSOCIATE_RJ = 0x03
P_DATA_TF = 0x04
RELEASE_RQ = 0x05
RELEASE_RP = 0x06
ABORT = 0x07

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"

# A-ABORT reasons (PS3.8 Table 9-26).
REASON_NOT_SPECIFIED = 0
REASON_UNRECOGNIZED_PDU = 1
REASON_UNEXPECTED_PDU = 2
REASON_INVALID_PARAMETER = 6

HEADER = struct.Struct(">BxI")
PDV_HEADER = struct.Struct(">IBB")
DATA_HEADER = struct.Struct(">BxIIBB")
"""Both, of a P-DATA-TF with one presentation data value."""
_ITEM = struct.Struct(">BxH")
_SHORT = struct.Struct(">H")


@dataclass(frozen=True, slots=True)
class Proposed:
    """A presentation context as it is asked for: `id` odd, 1 to 255."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to a presentation context.

    result  0 acceptance, 1 user rejection, 2 no reason, 3 abstract syntax not supported,
            4 transfer syntaxes not supported (PS3.8 Table 9-18)
    """

    id: int
    result: int
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Associate:
    """A-ASSOCIATE-RQ or -AC: `proposed` is of the request, `answered` of the acceptance.

    max_length  of the P-DATA-TF PDUs this side wants to receive, 0 for any
    roles       SOP class -> whether the requestor may be (SCU, SCP) (PS3.7 §D.3.3.4)
    extended    SOP class -> service class application information (PS3.7 §D.3.3.5)
    """

    called: str
    calling: str
    application_context: str = APPLICATION_CONTEXT
    protocol_version: int = 1
    proposed: tuple[Proposed, ...] = ()
    answered: tuple[Answered, ...] = ()
    max_length: int = 0
    implementation_uid: str = ""
    implementation_version: str = ""
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)


def encode_associate(pdu: Associate, *, accept: bool) -> bytes:
    """The whole PDU. AE titles are cut to 16 characters."""
    items = [_item(0x10, pdu.application_context.encode("ascii"))]
    for one in pdu.proposed:
        syntaxes = b"".join(_item(0x40, uid.encode("ascii")) for uid in one.transfer_syntaxes)
        abstract = _item(0x30, one.abstract_syntax.encode("ascii"))
        items.append(_item(0x20, bytes((one.id, 0, 0, 0)) + abstract + syntaxes))
    for answer in pdu.answered:
        syntax = _item(0x40, answer.transfer_syntax.encode("ascii"))
        items.append(_item(0x21, bytes((answer.id, 0, answer.result, 0)) + syntax))
    user = [
        _item(0x51, struct.pack(">I", pdu.max_length)),
        _item(0x52, pdu.implementation_uid.encode("ascii")),
    ]
    for uid, (scu, scp) in pdu.roles.items():
        user.append(_item(0x54, _counted(uid) + bytes((scu, scp))))
    if pdu.implementation_version:
        user.append(_item(0x55, pdu.implementation_version.encode("ascii")[:16]))
    for uid, application in pdu.extended.items():
        user.append(_item(0x56, _counted(uid) + application))
    items.append(_item(0x50, b"".join(user)))
    body = b"".join(
        (
            struct.pack(">HH", pdu.protocol_version, 0),
            _title(pdu.called),
            _title(pdu.calling),
            bytes(32),
            *items,
        )
    )
    return HEADER.pack(ASSOCIATE_AC if accept else ASSOCIATE_RQ, len(body)) + body


def decode_associate(body: bytes) -> Associate:
    """What follows the header of an A-ASSOCIATE-RQ or -AC. Raises ProtocolError."""
    if len(body) < 68:
        raise _invalid(f"an A-ASSOCIATE PDU of {len(body)} bytes, 68 are its fixed fields")
    application_context = ""
    proposed: list[Proposed] = []
    answered: list[Answered] = []
    user: dict[str, object] = {}
    roles: dict[str, tuple[bool, bool]] = {}
    extended: dict[str, bytes] = {}
    for kind, value in _items(body[68:]):
        if kind == 0x10:
            application_context = _uid(value)
        elif kind == 0x20:
            context = _proposed(value)
            if context.id % 2 == 0 or any(context.id == one.id for one in proposed):
                raise _invalid(
                    f"presentation context ID {context.id}: they are odd and each there once"
                )
            proposed.append(context)
        elif kind == 0x21:
            answered.append(_answered(value))
        elif kind == 0x50:
            for sub, content in _items(value):
                if sub == 0x51 and len(content) == 4:
                    user["max_length"] = int.from_bytes(content)
                elif sub == 0x52:
                    user["implementation_uid"] = _uid(content)
                elif sub == 0x55:
                    user["implementation_version"] = content.decode("latin-1").strip()
                elif sub == 0x54:
                    uid, rest = _counted_uid(content)
                    if len(rest) != 2:
                        raise _invalid(f"a role selection of {uid} without its two roles")
                    roles[uid] = (rest[0] == 1, rest[1] == 1)
                elif sub == 0x56:
                    uid, extended[uid] = _counted_uid(content)
    return Associate(
        called=body[4:20].decode("latin-1").strip(" \0"),
        calling=body[20:36].decode("latin-1").strip(" \0"),
        application_context=application_context,
        protocol_version=_SHORT.unpack_from(body)[0],
        proposed=tuple(proposed),
        answered=tuple(answered),
        roles=roles,
        extended=extended,
        **user,  # type: ignore[arg-type]
    )


def encode_reject(*, result: int, source: int, reason: int) -> bytes:
    return HEADER.pack(ASSOCIATE_RJ, 4) + bytes((0, result, source, reason))


def encode_abort(*, source: int, reason: int) -> bytes:
    return HEADER.pack(ABORT, 4) + bytes((0, 0, source, reason))


def encode_release(*, response: bool) -> bytes:
    return HEADER.pack(RELEASE_RP if response else RELEASE_RQ, 4) + bytes(4)


def pdv_header(context_id: int, length: int, *, command: bool, last: bool) -> bytes:
    """Headers of a P-DATA-TF PDU that carries one fragment of `length` bytes (PS3.8 §E.2)."""
    return HEADER.pack(P_DATA_TF, length + 6) + PDV_HEADER.pack(
        length + 2, context_id, command | last << 1
    )


def fragments(body: memoryview) -> Iterator[tuple[int, int, memoryview]]:
    """The presentation data values of a P-DATA-TF: context, control header, fragment."""
    at = 0
    while at < len(body):
        if len(body) - at < 6:
            raise _invalid(f"{len(body) - at} bytes after the last presentation data value")
        length, context_id, control = PDV_HEADER.unpack_from(body, at)
        if length < 2 or at + 4 + length > len(body):
            raise _invalid(
                f"a presentation data value of {length} bytes, {len(body) - at - 4} are left"
            )
        yield context_id, control, body[at + 6 : at + 4 + length]
        at += 4 + length


def _proposed(value: bytes) -> Proposed:
    if len(value) < 4:
        raise _invalid("a presentation context item without its ID")
    abstract = ""
    syntaxes: list[str] = []
    for kind, content in _items(value[4:]):
        if kind == 0x30:
            abstract = _syntax(content)
        elif kind == 0x40:
            syntaxes.append(_syntax(content))
    return Proposed(value[0], abstract, tuple(syntaxes))


def _answered(value: bytes) -> Answered:
    if len(value) < 4:
        raise _invalid("a presentation context item without its ID")
    syntax = next((_syntax(content) for kind, content in _items(value[4:]) if kind == 0x40), "")
    return Answered(value[0], value[2], syntax)


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value


def _items(body: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(body):
        if len(body) - at < 4:
            raise _invalid(f"{len(body) - at} bytes after the last item")
        kind, length = _ITEM.unpack_from(body, at)
        if at + 4 + length > len(body):
            raise _invalid(f"item {kind:02X} of {length} bytes, {len(body) - at - 4} are left")
        yield kind, body[at + 4 : at + 4 + length]
        at += 4 + length


def _counted(uid: str) -> bytes:
    return _SHORT.pack(len(uid)) + uid.encode("ascii")


def _counted_uid(content: bytes) -> tuple[str, bytes]:
    if len(content) < 2 or (end := 2 + _SHORT.unpack_from(content)[0]) > len(content):
        raise _invalid("a SOP class sub-item shorter than its UID")
    return _uid(content[2:end]), content[end:]


def _uid(value: bytes) -> str:
    # Some devices pad UIDs here too, though PS3.8 §F.1 says not to.
    return value.decode("latin-1").strip(" \0")


def _syntax(value: bytes) -> str:
    """The UID of a syntax of a presentation context, which goes back to who sent it."""
    if not value.isascii():
        raise _invalid(f"a presentation context of {value!r}, which is no UID")
    return _uid(value)


def _title(title: str) -> bytes:
    return title.encode("latin-1", "replace")[:16].ljust(16)


def _invalid(sentence: str) -> ProtocolError:
    return ProtocolError(sentence, reason=REASON_INVALID_PARAMETER)
