"""A peer that says what the test wants, byte by byte."""

import socket
from collections.abc import Callable, Mapping, Sequence

from dicomweb_server.dimse import commands, pdu
from dicomweb_server.dimse.association import Association, Context, Sink
from dicomweb_server.dimse.commands import Command

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
ECHO = "1.2.840.10008.1.1"


def association_on(
    connection: socket.socket,
    *,
    timeout_s: float,
    open_sink: Callable[[Context, Command], Sink | None] = lambda context, command: None,
    max_length: int = 16384,
) -> Association:
    """Ours at the other end of it, nothing negotiated."""
    return Association(
        connection,
        address="x",
        open_sink=open_sink,  # type: ignore[arg-type]
        max_length=max_length,
        timeout_s=timeout_s,
    )


class Wire:
    """A connection. `read` gives the next PDU's type and content, (0, b"") when it was closed."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection

    @classmethod
    def to(cls, port: int, *, timeout_s: float = 15, host: str = "127.0.0.1") -> "Wire":
        return cls(socket.create_connection((host, port), timeout=timeout_s))

    def __del__(self) -> None:
        self.socket.close()

    def send(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def read(self) -> tuple[int, bytes]:
        head = self._exactly(6)
        if len(head) < 6:
            return 0, b""
        kind, length = pdu.HEADER.unpack(head)
        return kind, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        found = b""
        try:
            while len(found) < count and (piece := self.socket.recv(count - len(found))):
                found += piece
        except ConnectionResetError:
            return b""
        return found

    def associate(
        self,
        abstract: Sequence[str] = (ECHO, CT),
        *,
        calling: str = "WIRE",
        called: str = "DICOMWEB",
        context: str = pdu.APPLICATION_CONTEXT,
        roles: Mapping[str, tuple[bool, bool]] | None = None,
        syntaxes: tuple[str, ...] = (EXPLICIT,),
    ) -> tuple[int, bytes]:
        """Asks for an association with contexts 1, 3, ...; the answer."""
        request = pdu.Associate(
            called=called,
            calling=calling,
            application_context=context,
            proposed=tuple(
                pdu.Proposed(2 * n + 1, uid, syntaxes) for n, uid in enumerate(abstract)
            ),
            max_length=16384,
            implementation_uid="1.2.3",
            roles=roles or {},
        )
        self.send(pdu.encode_associate(request, accept=False))
        return self.read()

    def command(self, context_id: int, command: Command, *, with_data_set: bool = False) -> None:
        raw = commands.encode(command, with_data_set=with_data_set)
        self.send(pdu.pdv_header(context_id, len(raw), command=True, last=True) + raw)

    def data(self, context_id: int, raw: bytes, *, last: bool = True) -> None:
        self.send(pdu.pdv_header(context_id, len(raw), command=False, last=last) + raw)

    def store(
        self, instance_uid: str, raw: bytes, *, sop_class_uid: str = CT, context_id: int = 3
    ) -> int:
        """C-STORE; the status."""
        self.command(context_id, store_command(instance_uid, sop_class_uid), with_data_set=True)
        for at in range(0, len(raw), 16000):
            self.data(context_id, raw[at : at + 16000], last=at + 16000 >= len(raw))
        return self.status()

    def status(self) -> int:
        kind, body = self.read()
        assert kind == pdu.P_DATA_TF, (kind, body)
        answer = commands.decode(body[6:])
        return commands.number(answer, commands.STATUS)

    def close(self) -> None:
        self.socket.close()


def store_command(instance_uid: str, sop_class_uid: str = CT) -> Command:
    return {
        commands.COMMAND_FIELD: commands.C_STORE,
        commands.MESSAGE_ID: 1,
        commands.AFFECTED_CLASS: sop_class_uid,
        commands.AFFECTED_INSTANCE: instance_uid,
        commands.PRIORITY: commands.MEDIUM,
    }


def echo_command() -> Command:
    return {
        commands.COMMAND_FIELD: commands.C_ECHO,
        commands.MESSAGE_ID: 1,
        commands.AFFECTED_CLASS: ECHO,
    }


def drips_until_closed(connection: socket.socket) -> bool:
    """Sends an association request, or its beginning, a byte every tenth of a second; whether the
    other side closed the connection within 6 s of that."""
    request = pdu.encode_associate(pdu.Associate("DICOMWEB", "SLOW"), accept=False)
    return drip(connection, [bytes((byte,)) for byte in request[:60]])


def drip(connection: socket.socket, pieces: Sequence[bytes]) -> bool:
    """Sends a piece every tenth of a second; whether the other side ended the connection before
    all were sent."""
    connection.settimeout(0.1)
    for piece in pieces:
        try:
            connection.sendall(piece)
            answer = connection.recv(4096)
            if not answer or answer[0] == pdu.ABORT:
                return True
        except TimeoutError:
            continue
        except OSError:
            return True
    return False
