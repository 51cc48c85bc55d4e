"""DIMSE messages' command sets <-> values (PS3.7 §6.3, §9, §10, §E).

A command set is always Implicit VR Little Endian, group 0000, and small. Its elements are kept by
their element number: `command[MESSAGE_ID]`. Tags are a text: as DICOM JSON has them, with a
backslash between two.
"""

import struct
import unicodedata
from collections.abc import Mapping

from dicomweb_server.dimse.errors import ProtocolError

# Elements of group 0000 (PS3.7 Table E.1-1).
AFFECTED_CLASS = 0x0002
REQUESTED_CLASS = 0x0003
COMMAND_FIELD = 0x0100
MESSAGE_ID = 0x0110
RESPONDED_ID = 0x0120
MOVE_DESTINATION = 0x0600
PRIORITY = 0x0700
DATA_SET_TYPE = 0x0800
STATUS = 0x0900
ERROR_COMMENT = 0x0902
ERROR_ID = 0x0903
AFFECTED_INSTANCE = 0x1000
REQUESTED_INSTANCE = 0x1001
EVENT_TYPE = 0x1002
ATTRIBUTE_LIST = 0x1005
ACTION_TYPE = 0x1008
REMAINING = 0x1020
COMPLETED = 0x1021
FAILED = 0x1022
WARNING = 0x1023
ORIGINATOR_TITLE = 0x1030
ORIGINATOR_ID = 0x1031

_UI = frozenset({AFFECTED_CLASS, REQUESTED_CLASS, AFFECTED_INSTANCE, REQUESTED_INSTANCE})
_TEXT = frozenset({MOVE_DESTINATION, ERROR_COMMENT, ORIGINATOR_TITLE})

# Command Field (0000,0100); a response is its request with the highest bit set.
C_STORE = 0x0001
C_GET = 0x0010
C_FIND = 0x0020
C_MOVE = 0x0021
C_ECHO = 0x0030
C_CANCEL = 0x0FFF
N_EVENT_REPORT = 0x0100
N_GET = 0x0110
N_SET = 0x0120
N_ACTION = 0x0130
N_CREATE = 0x0140
N_DELETE = 0x0150
RESPONSE = 0x8000

NAMES = {
    C_STORE: "C-STORE",
    C_GET: "C-GET",
    C_FIND: "C-FIND",
    C_MOVE: "C-MOVE",
    C_ECHO: "C-ECHO",
    C_CANCEL: "C-CANCEL",
    N_EVENT_REPORT: "N-EVENT-REPORT",
    N_GET: "N-GET",
    N_SET: "N-SET",
    N_ACTION: "N-ACTION",
    N_CREATE: "N-CREATE",
    N_DELETE: "N-DELETE",
}

NO_DATA_SET = 0x0101
WITH_DATA_SET = 0x0001

MEDIUM = 0
HIGH = 1
LOW = 2
"""Priority (0000,0700)."""

Command = Mapping[int, int | str]
"""Element number -> value; an element that is not there is not in it."""

_HEADER = struct.Struct("<HHI")
_US = struct.Struct("<HHIH")
_UL = struct.Struct("<I")
_TAG = struct.Struct("<HH")


def encode(command: Command, *, with_data_set: bool) -> bytes:
    """The command set with its group length; Command Data Set Type as said. Texts are in the
    default character repertoire (PS3.7 §6.3.1): an Error Comment is spelled in it as well as can
    be, of others what it does not have becomes a `?`."""
    fields = {**command, DATA_SET_TYPE: WITH_DATA_SET if with_data_set else NO_DATA_SET}
    parts: list[bytes] = []
    for element in sorted(fields):
        value = fields[element]
        if isinstance(value, int):
            parts.append(_US.pack(0, element, 2, value))
            continue
        if element == ATTRIBUTE_LIST:
            tags = value.split("\\") if value else []
            raw = b"".join(_TAG.pack(int(tag[:4], 16), int(tag[4:], 16)) for tag in tags)
            parts.append(_HEADER.pack(0, element, len(raw)) + raw)
            continue
        if element == ERROR_COMMENT:
            value = _comment(value)
        raw = value.encode("ascii", "replace")
        if len(raw) % 2:
            raw += b"\0" if element in _UI else b" "
        parts.append(_HEADER.pack(0, element, len(raw)) + raw)
    body = b"".join(parts)
    return _HEADER.pack(0, 0, 4) + _UL.pack(len(body)) + body


def _comment(sentence: str) -> str:
    """A sentence as an Error Comment: ASCII, on one line and one value, 64 characters (VR LO)."""
    spelled = unicodedata.normalize("NFKD", sentence.replace("§", "section "))
    plain = "".join(each for each in spelled if not unicodedata.combining(each))
    return "".join(each if each.isprintable() else " " for each in plain).replace("\\", "/")[:64]


def decode(raw: bytes) -> dict[int, int | str]:
    """A command set. Raises ProtocolError; elements that are not known here are passed over, those
    of other groups too: Orthanc 1.10 appends Failed SOP Instance UID List to a response."""
    command: dict[int, int | str] = {}
    at = 0
    while at < len(raw):
        if len(raw) - at < 8:
            raise ProtocolError(f"{len(raw) - at} bytes after the last command element")
        group, element, length = _HEADER.unpack_from(raw, at)
        value = raw[at + 8 : at + 8 + length]
        if len(value) != length:
            raise ProtocolError(f"command element ({group:04X},{element:04X}) of {length} bytes")
        at += 8 + length
        if group != 0:
            continue
        if element in _UI or element in _TEXT:
            command[element] = value.decode("latin-1").strip("\0 ")
        elif element == ATTRIBUTE_LIST and length % 4 == 0:
            tags = (f"{group:04X}{number:04X}" for group, number in _TAG.iter_unpack(value))
            command[element] = "\\".join(tags)
        elif length == 2:
            command[element] = int.from_bytes(value, "little")
    for needed in (COMMAND_FIELD, DATA_SET_TYPE):
        if not isinstance(command.get(needed), int):
            raise ProtocolError(f"a command set without (0000,{needed:04X})")
    return command


def number(command: Command, element: int) -> int:
    """An integer of a command. Raises ProtocolError when it is absent."""
    value = command.get(element)
    if not isinstance(value, int):
        raise ProtocolError(f"a command set without (0000,{element:04X})")
    return value


def text(command: Command, element: int) -> str:
    """A text or UID of a command, "" when absent."""
    value = command.get(element, "")
    return value if isinstance(value, str) else ""
