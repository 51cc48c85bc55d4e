"""One association over one connection: PDUs in and out, messages whole (PS3.8 §9.2, PS3.7 §8).

Synchronous, one thread an association, either role. That is all of the state machine there is: who
blocks in `receive` is in state 6, and what comes that may not come there is a ProtocolError, after
which the owner aborts.

Why not pynetdicom: on the machine of ARCHITECTURE's figures its acceptor takes 260 CT slices/s
with a handler that does nothing (two threads an association that poll, every fragment through a
queue and a state machine), and its C-GET and C-MOVE send decoded data sets written anew, which
would not be the bits that were received. Here 16 bytes of header are looked at per fragment and
the data set goes as it is from the socket to the spool.
"""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from dicomweb_server.dicom.errors import DicomError
from dicomweb_server.dicom.source import Source
from dicomweb_server.dimse import commands, pdu
from dicomweb_server.dimse.commands import Command
from dicomweb_server.dimse.errors import Aborted, PeerGone, ProtocolError
from storage.errors import StorageError
from storage.model import Buffer

COMMAND_BYTES = 64 * 1024
"""A command set is some hundred bytes; no more than this is taken."""

ASSOCIATE_BYTES = 256 * 1024
"""128 presentation contexts with 40 transfer syntaxes each."""

UNLIMITED_FRAGMENT = 256 * 1024
"""What is sent at a time to a peer that takes any length."""

MOST_HELD = 64
"""Messages that wait for the next write, at most."""

LEAST_BYTES_S = 1000
"""What a peer must send or take in each second of a message, once that takes longer than it may be
silent. The poorest line of a modality has twenty times that."""

_TLS_BYTES = 64 * 1024
"""What is encrypted at a time: OpenSSL returns when all of it has been taken."""

_TIMEVAL = struct.Struct("@ll")
_QUICKACK: int = getattr(socket, "TCP_QUICKACK", 0)


class Sink(Protocol):
    """Where a data set goes while it arrives: `archive.spool.Spool`, or one like it."""

    def write(self, piece: Buffer) -> None: ...

    def finish(self) -> Source: ...

    def discard(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Context:
    """An accepted presentation context.

    peer_is_scu  whether the peer may be SCU in it, by the roles agreed (PS3.7 §D.3.3.4)
    """

    id: int
    abstract_syntax: str
    transfer_syntax: str
    peer_is_scu: bool = True


@dataclass(slots=True)
class Message:
    """A message that has arrived whole.

    sink     holds the data set, None when the message has none; to be discarded by the receiver
    failure  why the sink would not take the data set, which was then read and thrown away
    """

    context: Context
    command: dict[int, int | str]
    sink: Sink | None = None
    failure: DicomError | StorageError | None = None

    @property
    def field(self) -> int:
        return commands.number(self.command, commands.COMMAND_FIELD)

    @property
    def message_id(self) -> int:
        return commands.number(self.command, commands.MESSAGE_ID)

    @property
    def status(self) -> int:
        return commands.number(self.command, commands.STATUS)

    def responds_to(self, message_id: int) -> bool:
        return (
            bool(self.field & commands.RESPONSE)
            and self.command.get(commands.RESPONDED_ID) == message_id
        )

    def data_set(self) -> bytes:
        """The whole data set, for messages whose data sets are small. Raises what `failure` is."""
        if self.failure is not None:
            raise self.failure
        if self.sink is None:
            return b""
        source = self.sink.finish()
        return source.read_at(0, source.length)

    def discard(self) -> None:
        if self.sink is not None:
            self.sink.discard()


OpenSink = Callable[[Context, Command], Sink]


class Responder(Protocol):
    """`hold` as in `Association.respond`."""

    def __call__(self, data_sets: Iterable[bytes], *, hold: bool) -> None: ...


class _Pace:
    """How fast a message comes, or is taken: silence is bounded by itself, a byte now and then is
    not.

    happened  to its bytes, as errors say it
    """

    def __init__(self, happened: str) -> None:
        self._happened = happened
        self.begin(0, silence_counts=False)

    def begin(self, held_bytes: int, *, silence_counts: bool) -> None:
        """Another message, of which there are so many bytes; whether it is waited for already, or
        only from its next byte on."""
        self._bytes = held_bytes
        self._waited_s = 0.0
        self._silence_counts = silence_counts

    def count(self, count: int, *, waited_s: float, patience_s: float) -> None:
        """So many more, and how long they were waited for. Raises PeerGone when that is too little
        for longer than `patience_s`."""
        self._bytes += count
        if not self._silence_counts:
            self._silence_counts = True
            return
        self._waited_s += waited_s
        if self._waited_s > patience_s + self._bytes / LEAST_BYTES_S:
            raise PeerGone(
                f"{self._bytes} bytes of a message {self._happened} in {self._waited_s:.0f} s, "
                f"less than {LEAST_BYTES_S} a second"
            )


class Association:
    """An association that is being made, or is there.

    peer_title   AE title of the other side
    address      of the other side
    contexts     accepted, by ID
    """

    def __init__(
        self,
        connection: socket.socket,
        *,
        address: str,
        open_sink: OpenSink,
        max_length: int,
        timeout_s: float,
    ) -> None:
        """max_length is of the P-DATA-TF PDUs to be received, timeout_s of one read or write."""
        self.address = address
        self.peer_title = ""
        self.contexts: Mapping[int, Context] = {}
        self.peer_max_length = 0
        self.closed = False
        self.sending = False
        self._connection = connection
        self._open_sink = open_sink
        self._max_length = max_length
        self._timeout_s = timeout_s
        self._until: float | None = None  # of what is being read, when that has a limit
        self._coming = _Pace("came")
        self._going = _Pace("were taken")
        self._buffer = memoryview(bytearray(max(2 * max_length, ASSOCIATE_BYTES) + 4096))
        self._start = self._end = 0
        self._fragments: Iterator[tuple[int, int, memoryview]] = iter(())
        self._held: list[bytes] = []
        self._outgoing = bytearray()
        self._next_id = 0
        self.wait_at_most(timeout_s)
        over_tcp = connection.family in (socket.AF_INET, socket.AF_INET6)
        self._quick_acknowledgements = over_tcp and bool(_QUICKACK)
        if over_tcp:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    # ------------------------------------------------------------------------ messages

    def receive(self) -> Message | None:
        """The next message; None when the peer has released the association, which is answered.

        Raises ProtocolError, Aborted and PeerGone, this also when a message that has begun comes
        slower than LEAST_BYTES_S for longer than a peer may be silent.
        """
        self._send()
        # Between two messages a peer may be silent: the time begins with the first byte.
        self._coming.begin(self._end - self._start, silence_counts=self._end > self._start)
        head = bytearray()
        message: Message | None = None
        try:
            while True:
                fragment = next(self._fragments, None)
                if fragment is None:
                    if message is not None and self._take_data(message):
                        return message
                    fragment = self._next_fragment(begun=bool(head) or message is not None)
                if fragment is None:
                    return None
                context_id, control, piece = fragment
                is_command, last = bool(control & 1), bool(control & 2)
                if message is None:
                    context = self.contexts.get(context_id)
                    if context is None or not is_command:
                        raise ProtocolError(
                            f"a fragment of presentation context {context_id} where a command "
                            "of an accepted one was to come",
                            reason=pdu.REASON_INVALID_PARAMETER,
                        )
                    head += piece
                    if len(head) > COMMAND_BYTES:
                        raise ProtocolError(f"a command set of more than {COMMAND_BYTES} bytes")
                    if not last:
                        continue
                    message = Message(context, commands.decode(bytes(head)))
                    if message.command[commands.DATA_SET_TYPE] == commands.NO_DATA_SET:
                        return message
                    self._open(message)
                    continue
                if is_command or context_id != message.context.id:
                    raise ProtocolError(
                        "another message begins before the data set of the last one has ended"
                    )
                self._write(message, piece)
                if last:
                    return message
        except BaseException:
            if message is not None:
                message.discard()
            raise

    def _take_data(self, message: Message) -> bool:
        """Writes what there is of the data set in the buffer, as far as each PDU is there whole and
        has one fragment, as nearly all have; whether that was the last of it. What is otherwise is
        left for `_next_fragment` to read, or to refuse."""
        taken: list[memoryview] = []
        last = False
        while not last and self._end - self._start >= pdu.DATA_HEADER.size:
            kind, length, item_length, context_id, control = pdu.DATA_HEADER.unpack_from(
                self._buffer, self._start
            )
            end = self._start + 6 + length
            if (
                kind != pdu.P_DATA_TF
                or item_length != length - 4
                or not 6 <= length <= self._max_length
                or end > self._end
                or context_id != message.context.id
                or control & 1
            ):
                break
            taken.append(self._buffer[self._start + pdu.DATA_HEADER.size : end])
            last = bool(control & 2)
            self._start = end
        if taken:
            self._write(message, b"".join(taken))
        return last

    def _open(self, message: Message) -> None:
        try:
            message.sink = self._open_sink(message.context, message.command)
        except (DicomError, StorageError) as error:
            message.failure = error

    def _write(self, message: Message, piece: Buffer) -> None:
        if message.failure is not None or message.sink is None:
            return
        try:
            message.sink.write(piece)
        except (DicomError, StorageError) as error:
            # The rest must be read all the same before the peer listens to an answer.
            message.failure = error

    def send(
        self, context: Context, command: Command, data_set: Iterable[Buffer] | None = None
    ) -> None:
        """Sends a message; `data_set` are its bytes in order. Raises PeerGone, also when the peer
        takes it slower than LEAST_BYTES_S for longer than he may take nothing, and what reading the
        data set raises: `sending` then stays True and the association is of no more use."""
        self.sending = True
        self._going.begin(0, silence_counts=True)
        command_pdus = self._pdus(
            context, commands.encode(command, with_data_set=data_set is not None), command=True
        )
        if data_set is None:
            self._send(command_pdus)
        else:
            self._send_data(context, command_pdus, data_set)
        self.sending = False

    def _pdus(self, context: Context, content: bytes, *, command: bool) -> bytes:
        """A command set, or a small data set, as P-DATA-TF PDUs."""
        limit = self._fragment_bytes
        if len(content) <= limit:
            return pdu.pdv_header(context.id, len(content), command=command, last=True) + content
        return b"".join(
            pdu.pdv_header(
                context.id,
                min(limit, len(content) - at),
                command=command,
                last=at + limit >= len(content),
            )
            + content[at : at + limit]
            for at in range(0, len(content), limit)
        )

    def _send_data(self, context: Context, before: bytes, data_set: Iterable[Buffer]) -> None:
        """`before`, and a data set behind it. Fragments of the same length have the same header, so
        the headers are laid out once, and the bytes go between them: 0.3 us a fragment."""
        limit = self._fragment_bytes
        header = pdu.pdv_header(context.id, limit, command=False, last=False)
        step = len(header) + limit
        count = max(1, UNLIMITED_FRAGMENT // step)
        if len(self._outgoing) != count * step or self._outgoing[: len(header)] != header:
            self._outgoing = bytearray((header + bytes(limit)) * count)
        out = memoryview(self._outgoing)
        start = filled = 0  # where the current fragment's header is, and what it holds
        for chunk in data_set:
            view, at = memoryview(chunk), 0
            while at < len(view):
                if filled == limit:
                    start, filled = start + step, 0
                    if start == len(out):
                        self._send(before, out)
                        before, start = b"", 0
                taken = min(limit - filled, len(view) - at)
                begin = start + len(header) + filled
                out[begin : begin + taken] = view[at : at + taken]
                filled += taken
                at += taken
        last = pdu.pdv_header(context.id, filled, command=False, last=True)
        out[start : start + len(last)] = last
        self._send(before, out[: start + len(last) + filled])
        out[start : start + len(header)] = header

    def respond(
        self,
        request: Message,
        status: int,
        data_set: bytes | None = None,
        *,
        comment: str = "",
        more: Command | None = None,
        hold: bool = False,
    ) -> None:
        """Answers a request with a status.

        more  further elements of the command
        hold  it may wait, and go in one write with what is sent next; no data set then
        """
        command: dict[int, int | str] = {
            commands.COMMAND_FIELD: request.field | commands.RESPONSE,
            commands.RESPONDED_ID: request.message_id,
            commands.STATUS: status,
        }
        for asked, answered in (
            (commands.AFFECTED_CLASS, commands.AFFECTED_CLASS),
            (commands.REQUESTED_CLASS, commands.AFFECTED_CLASS),
            (commands.AFFECTED_INSTANCE, commands.AFFECTED_INSTANCE),
            (commands.REQUESTED_INSTANCE, commands.AFFECTED_INSTANCE),
            (commands.ACTION_TYPE, commands.ACTION_TYPE),
            (commands.EVENT_TYPE, commands.EVENT_TYPE),
        ):
            if asked in request.command:
                command[answered] = request.command[asked]
        if comment:
            command[commands.ERROR_COMMENT] = comment
        command |= more or {}
        if hold:
            encoded = commands.encode(command, with_data_set=False)
            self._held.append(self._pdus(request.context, encoded, command=True))
            if len(self._held) == MOST_HELD:
                self._send()
            return
        self.send(request.context, command, None if data_set is None else (data_set,))

    def responder(self, request: Message, status: int) -> "Responder":
        """Sends responses that differ in their data sets only, many in one write: a query has
        thousands."""
        context = request.context
        head = commands.encode(
            {
                commands.AFFECTED_CLASS: context.abstract_syntax,
                commands.COMMAND_FIELD: request.field | commands.RESPONSE,
                commands.RESPONDED_ID: request.message_id,
                commands.STATUS: status,
            },
            with_data_set=True,
        )
        head = self._pdus(context, head, command=True)

        def respond(data_sets: Iterable[bytes], *, hold: bool) -> None:
            self._held += (
                head + self._pdus(context, data_set, command=False) for data_set in data_sets
            )
            if not hold:
                self._send()

        return respond

    def new_id(self) -> int:
        """A message ID for a request of this side."""
        self._next_id = self._next_id % 0xFFFF + 1
        return self._next_id

    def cancelled(self, message_id: int) -> bool:
        """Whether the peer has sent C-CANCEL for a request that is being answered.

        Reads what has come and does not wait. Raises as `receive` does, ProtocolError for any
        other message, since no asynchronous operations were negotiated.
        """
        while self._readable():
            message = self.receive()
            if message is None:
                raise PeerGone("the peer released the association before it was answered")
            message.discard()
            if message.field != commands.C_CANCEL:
                raise ProtocolError("a request before the last one was answered")
            if message.command.get(commands.RESPONDED_ID) == message_id:
                return True
        return False

    def context_for(self, abstract_syntax: str) -> Context | None:
        """The first accepted context of an abstract syntax."""
        return next(
            (c for c in self.contexts.values() if c.abstract_syntax == abstract_syntax), None
        )

    # ------------------------------------------------------------------------ the association

    def wait_at_most(self, timeout_s: float) -> None:
        """How long one read or write may take from now on."""
        self._timeout_s = timeout_s
        if isinstance(self._connection, ssl.SSLSocket):
            self._connection.settimeout(timeout_s)
            return
        # The kernel's own timer: Python's would ask with poll before each read and each write, and
        # every such call is one more change of thread when many associations are busy.
        self._connection.settimeout(None)
        whole = int(timeout_s)
        timer = _TIMEVAL.pack(whole, max(1, int((timeout_s - whole) * 1e6)))
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, timer)
        self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, timer)

    def read_associate(self, *, until: float) -> tuple[int, bytes]:
        """The first PDU: its type and what follows its header.

        until  when it must have come, as `time.monotonic` tells it: one timer for the whole PDU
               (PS3.8 §9.1.5), with how many bytes at a time it may drip in

        Raises PeerGone, ProtocolError and Aborted.
        """
        usual_s, self._until = self._timeout_s, until
        kind, body = self._read_pdu()
        self._until = None
        self.wait_at_most(usual_s)
        return kind, bytes(body)

    def write(self, encoded: bytes) -> None:
        """Sends a PDU that is none of P-DATA-TF. Raises PeerGone."""
        self._send(encoded)

    def release(self) -> None:
        """Releases the association as its requestor and closes the connection; never raises."""
        if self.closed:
            return
        try:
            self._send(pdu.encode_release(response=False))
            self._until = time.monotonic() + self._timeout_s
            while True:
                kind, _ = self._read_pdu()
                if kind == pdu.RELEASE_RP:
                    break
                if kind == pdu.RELEASE_RQ:  # both at once (PS3.8 §7.2.2)
                    self._send(pdu.encode_release(response=True))
        except (PeerGone, ProtocolError, Aborted):
            pass
        self.close()

    def abort(self, *, source: int = 0, reason: int = 0) -> None:
        """Aborts and closes; never raises."""
        if self.closed:
            return
        with contextlib.suppress(PeerGone):
            self._send(pdu.encode_abort(source=source, reason=reason))
        self.linger()

    def linger(self, *, for_s: float = 1.0) -> None:
        """Closes once the peer has, or soon: what it has sent and nobody will read must not
        turn our last PDU into a connection reset before it was read."""
        until = time.monotonic() + for_s
        with contextlib.suppress(OSError, ValueError):
            if not isinstance(self._connection, ssl.SSLSocket):
                self._connection.shutdown(socket.SHUT_WR)
            for _ in range(64):
                # All in all, however it drips in.
                self._connection.settimeout(max(0.001, until - time.monotonic()))
                if not self._connection.recv_into(self._buffer):
                    break
        self.close()

    def close(self) -> None:
        self.closed = True
        with contextlib.suppress(OSError):
            self._connection.close()

    # ------------------------------------------------------------------------ bytes

    @property
    def _fragment_bytes(self) -> int:
        """How long a fragment may be: even, and its PDU no longer than the peer takes."""
        limit = self.peer_max_length or UNLIMITED_FRAGMENT
        return max(2, min(limit, UNLIMITED_FRAGMENT) - 6) & ~1

    def _next_fragment(self, *, begun: bool) -> tuple[int, int, memoryview] | None:
        """The first fragment of the next PDU that has any; None when the peer has released."""
        while True:
            kind, body = self._read_pdu()
            if kind == pdu.P_DATA_TF:
                self._fragments = pdu.fragments(body)
                if (fragment := next(self._fragments, None)) is not None:
                    return fragment
            elif kind == pdu.RELEASE_RQ and not begun:
                self._send(pdu.encode_release(response=True))
                self.linger()
                return None
            else:
                raise ProtocolError(
                    f"PDU of type {kind:02X} within an association",
                    reason=pdu.REASON_UNEXPECTED_PDU
                    if pdu.ASSOCIATE_RQ <= kind <= pdu.ABORT
                    else pdu.REASON_UNRECOGNIZED_PDU,
                )

    def _read_pdu(self) -> tuple[int, memoryview]:
        """A PDU's type and what follows its header, valid until the next call. Raises Aborted."""
        self._fill(6)
        kind, length = pdu.HEADER.unpack_from(self._buffer, self._start)
        limit = {
            pdu.P_DATA_TF: self._max_length,
            pdu.ASSOCIATE_RQ: ASSOCIATE_BYTES,
            pdu.ASSOCIATE_AC: ASSOCIATE_BYTES,
        }.get(kind, 4)
        if not pdu.ASSOCIATE_RQ <= kind <= pdu.ABORT:
            raise ProtocolError(
                f"PDU of type {kind:02X}, there is none", reason=pdu.REASON_UNRECOGNIZED_PDU
            )
        if length > limit:
            raise ProtocolError(
                f"PDU of type {kind:02X} claims {length} bytes, the limit is {limit}",
                reason=pdu.REASON_INVALID_PARAMETER,
            )
        self._fill(6 + length)
        body = self._buffer[self._start + 6 : self._start + 6 + length]
        self._start += 6 + length
        if kind == pdu.ABORT:
            raise Aborted(
                source=body[2] if length == 4 else 0, reason=body[3] if length == 4 else 0
            )
        return kind, body

    def _fill(self, needed: int) -> None:
        """At least `needed` unread bytes are in the buffer."""
        if self._start == self._end:
            self._start = self._end = 0
        elif self._start + needed > len(self._buffer):
            held = self._end - self._start
            self._buffer[:held] = bytes(self._buffer[self._start : self._end])
            self._start, self._end = 0, held
        while self._end - self._start < needed:
            if self._until is not None:
                if (left_s := self._until - time.monotonic()) <= 0:
                    raise PeerGone("what was awaited had not come whole when its time was over")
                self.wait_at_most(left_s)
            try:
                self._acknowledge_at_once()
                begun = time.monotonic()
                count = self._connection.recv_into(self._buffer[self._end :])
            except (TimeoutError, BlockingIOError):
                if self._until is not None:
                    continue  # and the time is over
                raise PeerGone(f"nothing came for {self._timeout_s:g} s") from None
            except (OSError, ValueError) as error:
                raise PeerGone(f"the connection broke: {error}") from None
            if count == 0:
                raise PeerGone("the peer closed the connection")
            self._end += count
            if self._until is None:
                self._coming.count(
                    count, waited_s=time.monotonic() - begun, patience_s=self._timeout_s
                )

    def wait_for_more(self, for_s: float) -> bool:
        """Whether something comes within some seconds."""
        if self._readable():
            return True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(for_s * 1000))

    def _acknowledge_at_once(self) -> None:
        """Peers that write a PDU's header and its rest one by one with Nagle's algorithm on, as
        dcmtk's do, wait for our acknowledgement between the two: 40 ms when it is delayed, which
        made 140 sub-operations take 6.2 s. Linux forgets the option, so it is set each time."""
        if self._quick_acknowledgements:
            self._connection.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)

    def _readable(self) -> bool:
        """Whether something has come that nobody has read."""
        if self._start < self._end:
            return True
        if isinstance(self._connection, ssl.SSLSocket) and self._connection.pending():
            return True
        poll = select.poll()
        poll.register(self._connection, select.POLLIN)
        return bool(poll.poll(0))

    def _send(self, *parts: Buffer) -> None:
        """What is held, and these after it."""
        held, self._held = b"".join(self._held), []
        remaining = [part for part in (held, *parts) if len(part)]
        try:
            while remaining:
                begun = time.monotonic()
                if isinstance(self._connection, ssl.SSLSocket):
                    sent = self._connection.send(memoryview(remaining[0])[:_TLS_BYTES])
                else:
                    sent = self._connection.sendmsg(remaining)
                # What the kernel holds for the peer is taken.
                self._going.count(
                    sent, waited_s=time.monotonic() - begun, patience_s=self._timeout_s
                )
                while remaining and sent >= len(remaining[0]):
                    sent -= len(remaining.pop(0))
                if sent:
                    remaining[0] = memoryview(remaining[0])[sent:]
        except (TimeoutError, BlockingIOError):
            raise PeerGone(f"the peer took nothing for {self._timeout_s:g} s") from None
        except (OSError, ValueError) as error:
            raise PeerGone(f"the connection broke: {error}") from None
