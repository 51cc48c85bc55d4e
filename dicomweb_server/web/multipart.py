"""Multipart bodies: bytes in, events out, and heads and tails for what goes out. No I/O.

RFC 2046 §5.1.1:

    multipart-body := [preamble CRLF] dash-boundary transport-padding CRLF
                      body-part *encapsulation close-delimiter transport-padding [CRLF epilogue]
    dash-boundary  := "--" boundary
    encapsulation  := delimiter transport-padding CRLF body-part
    delimiter      := CRLF dash-boundary
    close-delimiter := delimiter "--"
    body-part      := MIME-part-headers [CRLF *OCTET]

"The CRLF preceding the boundary delimiter line is conceptually attached to the boundary". OHIF
begins its bodies with that CRLF, dicomweb-client does not; both are an empty preamble here.

RFC 2387 (multipart/related) and PS3.18 §8.6.1.2 say what a part is. The media type itself, with the
boundary in it, is read by `negotiate.parse_media_type`.

A delimiter that is followed by anything but padding and a line end belongs to the part: a DICOM
file may hold any bytes, and a short boundary occurs in a long file by chance.

What a part means is left to the transactions; the parser keeps at most one line of headers and one
delimiter of what it was fed, however long a part is.
"""

import ctypes
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PREAMBLE_LIMIT = 64 * 1024
"""Bytes before the first boundary; more is not multipart."""

HEADER_LIMIT = 16 * 1024
"""Bytes of headers a part may have."""

PADDING_LIMIT = 256
"""Blanks after a boundary ("transport-padding") that are still padding."""

# RFC 2046 §5.1.1: bchars := DIGIT / ALPHA / "'()+_,-./:=? ", at most 70 of them, no blank at the
# end. Toolkits use others too ("@", "$", "*"), so any visible ASCII is taken, and Orthanc uses 73
# characters, so up to 200.
_BOUNDARY = re.compile(r"[\x20-\x7e]{0,199}[\x21-\x7e]")


class MultipartError(Exception):
    """The body is no multipart body; `part` counts from 1, 0 means before the first part."""

    def __init__(self, part: int, reason: str) -> None:
        super().__init__(f"part {part}: {reason}" if part else f"multipart body: {reason}")
        self.part = part
        self.reason = reason


class Truncated(MultipartError):
    """The body ended before its closing boundary."""


@dataclass(frozen=True, slots=True)
class PartBegin:
    """Part `number` (from 1) begins; header names are lower case, a repeated header's values are
    joined by commas."""

    number: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """The next bytes of the part, never empty."""

    chunk: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is whole: its closing delimiter has been seen."""


Event = PartBegin | PartData | PartEnd


class Parser:
    """Fed with the body piece by piece; `boundary` as the media type gives it, without quotes.

    Raises MultipartError from the constructor when no line can carry the boundary.
    """

    def __init__(self, boundary: str) -> None:
        if not _BOUNDARY.fullmatch(boundary):
            raise MultipartError(
                0,
                f"boundary {boundary[:80]!r} is not 1 to 200 visible characters (RFC 2046 §5.1.1)",
            )
        self._delimiter = b"\r\n--" + boundary.encode("ascii")
        # The CRLF that belongs to the first delimiter may be absent, so one is put before the body.
        self._pending: bytes = b"\r\n"
        self._state = self._preamble
        self._part = 0
        self._received = 0
        self._skipped = 0
        self._borrowed = 0

    @property
    def finished(self) -> bool:
        """True once the closing boundary has been seen; what follows is ignored."""
        return self._state == self._epilogue

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that `chunk` completes. Iterate to the end before feeding again.

        Raises MultipartError; the parser is of no use afterwards.
        """
        buffer = self._pending + chunk if self._pending else chunk
        self._pending = b""
        position = 0
        while position < len(buffer):
            events, position, wait = self._state(buffer, position)
            yield from events
            if wait:
                self._pending = bytes(buffer[position:])
                return

    def close(self) -> None:
        """To be called when the body has ended. Raises Truncated when it ended too early."""
        if self.finished:
            return
        if self._state == self._headers:
            raise Truncated(self._part + 1, "ends within its headers")
        if self._state == self._preamble:
            boundary = self._delimiter[4:].decode("ascii")
            raise Truncated(0, f"the boundary {boundary!r} does not occur in it")
        received = self._received + max(0, len(self._pending) - self._borrowed)
        raise Truncated(self._part, f"ends without a closing boundary after {received} bytes")

    # Each state takes the buffer and a position in it and gives the events it found, where the
    # next state goes on, and whether it needs more bytes for that.

    def _preamble(self, buffer: bytes, position: int) -> tuple[list[Event], int, bool]:
        content, rest, _ = self._until_delimiter(buffer, position)
        self._skipped += len(content)
        if self._skipped > PREAMBLE_LIMIT:
            raise MultipartError(0, f"no boundary in the first {PREAMBLE_LIMIT} bytes")
        return [], rest, self._state == self._preamble

    def _headers(self, buffer: bytes, position: int) -> tuple[list[Event], int, bool]:
        number = self._part + 1
        if buffer.startswith(b"\r\n", position):
            end, rest = position, position + 2
        else:
            blank = buffer.find(b"\r\n\r\n", position)
            length = (blank if blank >= 0 else len(buffer)) - position
            if length > HEADER_LIMIT:
                raise MultipartError(number, f"has more than {HEADER_LIMIT} bytes of headers")
            if blank < 0:
                return [], position, True
            end, rest = blank, blank + 4
        headers = _parse_headers(number, buffer[position:end])
        self._part = number
        self._received = 0
        self._state = self._body
        # A part without content may have its delimiter right after its headers; the CRLF of the
        # blank line is then the delimiter's (body-part := headers [CRLF *OCTET]). So these two
        # bytes are looked at again, and are no content.
        self._borrowed = 2
        return [PartBegin(number, headers)], rest - 2, False

    def _body(self, buffer: bytes, position: int) -> tuple[list[Event], int, bool]:
        content, rest, ended = self._until_delimiter(buffer, position)
        events: list[Event] = []
        if self._borrowed:
            dropped = min(self._borrowed, len(content))
            self._borrowed -= dropped
            content = content[dropped:]
        if len(content):
            self._received += len(content)
            events.append(PartData(content))
        if ended:
            events.append(PartEnd())
        return events, rest, not ended

    def _epilogue(self, buffer: bytes, position: int) -> tuple[list[Event], int, bool]:
        return [], len(buffer), False

    def _until_delimiter(self, buffer: bytes, position: int) -> tuple[memoryview, int, bool]:
        """What lies before the next delimiter, where to go on, and whether it was found; moves on
        to the state that follows the delimiter. Bytes that may begin one are left for later."""
        delimiter = self._delimiter
        search = position
        while (at := _find(buffer, delimiter, search)) >= 0:
            after = at + len(delimiter)
            if buffer.startswith(b"--", after):
                self._state = self._epilogue
                return memoryview(buffer)[position:at], after + 2, True
            line_end = after
            limit = min(len(buffer), after + PADDING_LIMIT)
            while line_end < limit and buffer[line_end] in b" \t":
                line_end += 1
            if buffer.startswith(b"\r\n", line_end):
                self._state = self._headers
                return memoryview(buffer)[position:at], line_end + 2, True
            undecided = buffer[line_end : line_end + 2]
            if line_end < after + PADDING_LIMIT and undecided in (b"", b"\r", b"-"):
                return memoryview(buffer)[position:at], at, False
            search = after
        held = buffer.rfind(b"\r", max(position, len(buffer) - len(delimiter) + 1))
        while held >= 0 and not delimiter.startswith(buffer[held:]):
            held = buffer.rfind(b"\r", max(position, len(buffer) - len(delimiter) + 1), held)
        if held < 0:
            held = len(buffer)
        return memoryview(buffer)[position:held], held, False


_memmem = getattr(ctypes.PyDLL(None), "memmem", None)
"""The C library's, where it has one."""
if _memmem is not None:
    _memmem.restype = ctypes.c_void_p
    _memmem.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)

_LONG_BYTES = 16 * 1024
"""From here on calling memmem is worth it."""


def _find(buffer: bytes, wanted: bytes, start: int) -> int:
    """As `buffer.find(wanted, start)`. Python looks through a CT slice in 100 us, a tenth of all
    that storing it takes of the interpreter; memmem in 35."""
    length = len(buffer) - start
    if _memmem is None or length < _LONG_BYTES:
        return buffer.find(wanted, start)
    first = ctypes.cast(ctypes.c_char_p(buffer), ctypes.c_void_p).value or 0
    at = _memmem(first + start, length, wanted, len(wanted))
    return -1 if at is None else at - first


# RFC 5322 §2.2: field names are printable ASCII without colon; values are taken as they are.
_HEADER = re.compile(rb"([!-9;-~]+)[ \t]*:[ \t]*(.*?)[ \t]*", re.DOTALL)


def _parse_headers(part: int, block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    # RFC 5322 §2.2.3: a line that begins with a blank continues the one before it.
    for line in re.sub(rb"\r\n(?=[ \t])", b"", block).split(b"\r\n"):
        if not line:
            continue
        found = _HEADER.fullmatch(line)
        if not found:
            raise MultipartError(part, f"header line {line[:80]!r} has no name and colon")
        name = found[1].decode("ascii").lower()
        value = found[2].decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def new_boundary() -> str:
    """A boundary nobody can foresee, so that no stored file can hold it on purpose."""
    return secrets.token_hex(16)


def part_head(
    boundary: str,
    content_type: str,
    *,
    location: str | None = None,
    content_range: str | None = None,
    first: bool = False,
) -> bytes:
    """Everything between the content of one part and that of the next.

    location       Content-Location of the part (PS3.18 §8.6.1.2.1), an absolute URL
    content_range  of a part that is not all of what is there (RFC 9110 §14.4)
    first          True for the first part, which has no content before it
    """
    lead = "" if first else "\r\n"
    more = f"Content-Location: {location}\r\n" if location else ""
    if content_range:
        more += f"Content-Range: {content_range}\r\n"
    return f"{lead}--{boundary}\r\nContent-Type: {content_type}\r\n{more}\r\n".encode("latin-1")


def tail(boundary: str) -> bytes:
    """What follows the content of the last part."""
    return f"\r\n--{boundary}--\r\n".encode("ascii")


def related(boundary: str, root_type: str) -> str:
    """The media type of a whole body whose parts are of `root_type` (RFC 2387 §3.1)."""
    return f'multipart/related; type="{root_type}"; boundary={boundary}'
