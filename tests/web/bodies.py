"""Bodies of STOW-RS requests, replies off a socket, and multipart replies taken apart."""

from collections.abc import Mapping
from typing import BinaryIO

from dicomweb_server.web.multipart import Parser, PartBegin, PartData
from dicomweb_server.web.negotiate import parse_media_type

BOUNDARY = "a-boundary"
CONTENT_TYPE = f'multipart/related; type="application/dicom"; boundary={BOUNDARY}'


def related(*parts: bytes, content_type: str = "application/dicom") -> bytes:
    """The parts as a multipart/related body."""
    head = f"--{BOUNDARY}\r\nContent-Type: {content_type}\r\n\r\n".encode()
    return b"".join(head + part + b"\r\n" for part in parts) + f"--{BOUNDARY}--\r\n".encode()


def next_reply(stream: BinaryIO) -> tuple[int, bytes]:
    """Status and body of the reply that comes next on a connection; its length is given."""
    version, status = stream.readline().split()[:2]
    assert version == b"HTTP/1.1"
    length = 0
    while (line := stream.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(status), stream.read(length)


def taken_apart(content_type: str, body: bytes) -> list[tuple[Mapping[str, str], bytes]]:
    """Headers and content of each part of a reply."""
    media_type = parse_media_type(content_type)
    assert media_type.essence == "multipart/related"
    assert media_type.parameters["type"]
    parser = Parser(media_type.parameters["boundary"])
    parts: list[tuple[Mapping[str, str], bytes]] = []
    for event in parser.feed(body):
        if isinstance(event, PartBegin):
            parts.append((event.headers, b""))
        elif isinstance(event, PartData):
            headers, content = parts[-1]
            parts[-1] = (headers, content + event.chunk)
    parser.close()
    return parts
