"""Explicit VR Little Endian -> Implicit VR Little Endian, for receivers that know no other
transfer syntax (PS3.5 §A.1: the one every implementation supports).

Streamed: only headers are looked at. Sequences and items get undefined lengths, since theirs
change with what is in them.
"""

from collections.abc import Iterator
from struct import Struct, unpack_from

from dicomweb_server.dicom.errors import Malformed, UnsupportedEncoding
from dicomweb_server.dicom.part10 import tag_text
from dicomweb_server.dicom.transfer_syntaxes import IMPLICIT_VR_LITTLE_ENDIAN
from storage.model import Buffer

_UNDEFINED = 0xFFFFFFFF
_LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
_HEADER = Struct("<HHI")
_ITEM_END = _HEADER.pack(0xFFFE, 0xE00D, 0)
_SEQUENCE_END = _HEADER.pack(0xFFFE, 0xE0DD, 0)


def implicit_little_endian(explicit: Iterator[Buffer]) -> Iterator[Buffer]:
    """A data set (no File Meta Information) without VRs.

    explicit  the data set in Explicit VR Little Endian, native pixel data, in pieces

    Raises Malformed, and UnsupportedEncoding when pixel data is encapsulated.
    """
    return _Rewriter(explicit).rewritten()


class _Rewriter:
    """`ends` are of what is open: the position where a sequence or item of defined length ends,
    None when a delimiter ends it; and the delimiter that then has to be written."""

    def __init__(self, explicit: Iterator[Buffer]) -> None:
        self.pieces = explicit
        self.held = b""
        self.position = 0
        self.ends: list[tuple[int | None, bytes]] = []

    def rewritten(self) -> Iterator[Buffer]:
        while True:
            while self.ends and self.ends[-1][0] == self.position:
                yield self.ends.pop()[1]
            if not self.has(8):
                if self.held or self.ends:
                    raise Malformed("the data set", "ends inside an element")
                return
            head = self.take(8)
            group, element = unpack_from("<HH", head)
            if group == 0xFFFE:
                yield from self.delimiter(element, unpack_from("<I", head, 4)[0])
                continue
            vr, length = head[4:6], unpack_from("<H", head, 6)[0]
            if vr in _LONG_VRS:
                if not self.has(4):
                    raise Malformed(tag_text(group << 16 | element), "ends inside its length")
                length = unpack_from("<I", self.take(4))[0]
            if vr == b"SQ" or (vr == b"UN" and length == _UNDEFINED):
                yield _HEADER.pack(group, element, _UNDEFINED)
                self.open(length, _SEQUENCE_END)
                continue
            if length == _UNDEFINED:
                raise UnsupportedEncoding(
                    IMPLICIT_VR_LITTLE_ENDIAN, "encapsulated pixel data cannot be written in it"
                )
            yield _HEADER.pack(group, element, length)
            yield from self.value(length)

    def delimiter(self, element: int, length: int) -> Iterator[Buffer]:
        if element == 0xE000:
            yield _HEADER.pack(0xFFFE, 0xE000, _UNDEFINED)
            self.open(length, _ITEM_END)
        elif self.ends and self.ends[-1][0] is None:
            yield self.ends.pop()[1]
        else:
            raise Malformed(tag_text(0xFFFE0000 | element), "closes what is not open")

    def open(self, length: int, delimiter: bytes) -> None:
        self.ends.append((None if length == _UNDEFINED else self.position + length, delimiter))

    def has(self, count: int) -> bool:
        while len(self.held) < count:
            piece = next(self.pieces, None)
            if piece is None:
                return False
            self.held += bytes(piece)
        return True

    def take(self, count: int) -> bytes:
        taken, self.held = self.held[:count], self.held[count:]
        self.position += count
        return taken

    def value(self, length: int) -> Iterator[Buffer]:
        while length:
            if not self.has(1):
                raise Malformed("the data set", f"ends {length} bytes before its last value does")
            part = self.take(min(length, len(self.held)))
            length -= len(part)
            yield part
