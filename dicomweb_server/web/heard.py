"""Headers that have been read before: their bytes, and what the parser made of those.

A viewer sends the same headers with each request, and another target. Parsing them anew, header by
header into Python, is a fifth of what a stored frame costs.
"""

import re
from collections.abc import Mapping
from typing import Any

from dicomweb_server.archive.caches import Cache

HEARD_BYTES = 4 * 2**20
"""Of headers that are kept: some 2,000 sorts of clients."""

LONGEST_BYTES = 8192
"""What is longer is mostly the beginning of an upload, whose hash is 50 us of looking it up."""

END = b"\r\n\r\n"

_WEIGHT_OF_BYTE, _WEIGHT_OF_HEADERS = 2, 1000
"""About: they are kept as they were and as names and values."""

_OF_CONNECTION = frozenset({"server", "client", "scheme", "state", "extensions"})
_OF_TARGET = frozenset({"path", "raw_path", "query_string"})

# RFC 9112 §3.2.1: origin-form = absolute-path [ "?" query ]. What is percent-encoded in a path, and
# all other forms, the parser has to see; "//" might be taken for an authority.
_REQUEST_LINE = re.compile(
    rb"GET (/(?!/)[A-Za-z0-9\-._~!$&'()*+,;=:@/]*)(?:\?([A-Za-z0-9\-._~!$&'()*+,;=:@/?%]*))?"
    rb" HTTP/1\.1\r\n"
)

_heard: Cache[bytes, dict[str, Any]] = Cache(HEARD_BYTES)
"""Of the process: the same bytes say the same on every connection."""


def recall(data: bytes) -> dict[str, Any] | None:
    """What exactly these bytes say of a request's ASGI scope: all but `_OF_CONNECTION`. None when
    their headers have not been learned, or they are more than a plain GET."""
    line = _REQUEST_LINE.match(data) if len(data) <= LONGEST_BYTES else None
    known = _heard.get(data[line.end() :]) if line is not None else None
    if line is None or known is None:
        return None
    target, query = line.groups()
    path = target.decode("ascii")
    if root := known["root_path"]:
        path, target = root + path, root.encode("ascii") + target
    return {**known, "path": path, "raw_path": target, "query_string": query or b""}


def learn(data: bytes, scope: Mapping[str, object]) -> None:
    """Keeps what the headers of `data`, one whole request without a body, were parsed into."""
    line = _REQUEST_LINE.match(data) if len(data) <= LONGEST_BYTES else None
    if line is None or not data.endswith(END) or data.count(END) > 1:
        return
    said: dict[str, Any] = {
        name: value
        for name, value in scope.items()
        if name not in _OF_CONNECTION and name not in _OF_TARGET
    }
    headers = data[line.end() :]
    _heard.put(headers, said, weight=_WEIGHT_OF_HEADERS + _WEIGHT_OF_BYTE * len(headers))
