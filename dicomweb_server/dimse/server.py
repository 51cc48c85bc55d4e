"""The bridge as acceptor: listens, negotiates, and lets each message's service answer it.

A thread an association; what an association may cost is bounded (their number, the seconds to its
request, the length of a PDU, of a command, of an identifier, seconds of silence, how slowly a
message may come), and a handler's error ends at most its association, never the server. A
connection takes the place of an association only once it is one: who connects and asks for none
keeps nobody out.
"""

import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from dicomweb_server.access.caller import Caller
from dicomweb_server.access.errors import AccessError
from dicomweb_server.access.journal import REFUSED
from dicomweb_server.archive.spool import Spool
from dicomweb_server.dimse import (
    commands,
    commitment,
    find,
    pdu,
    retrieve,
    sop_classes,
    status,
    store,
    worklist,
)
from dicomweb_server.dimse.association import Association, Context, Message, Sink
from dicomweb_server.dimse.commands import Command
from dicomweb_server.dimse.errors import Aborted, DimseError, PeerGone, ProtocolError
from dicomweb_server.dimse.identifiers import IDENTIFIER_BYTES
from dicomweb_server.dimse.negotiation import (
    TOO_MANY,
    Rejection,
    answer,
    contexts,
    judge,
)
from dicomweb_server.dimse.peers import Peer
from dicomweb_server.dimse.session import Bridge, Session, caller_of

logger = logging.getLogger(__name__)

Handler = Callable[[Session, Message], None]

ARTIM_S = 30.0
"""Seconds from the connection to the end of the A-ASSOCIATE-RQ, the handshake of TLS included (the
ARTIM timer of PS3.8 §9.1.5)."""

CONNECTIONS_BEYOND = 50
"""Connections there may be beyond the limit of associations. For one more, that which has waited
longest without an association is closed."""


@dataclass(frozen=True, slots=True)
class Listener:
    """A socket that listens; with `tls`, what is accepted on it speaks TLS first."""

    listening: socket.socket
    tls: ssl.SSLContext | None = None


def _echo(session: Session, message: Message) -> None:
    session.association.respond(message, status.SUCCESS)


def _nothing(session: Session, message: Message) -> None:
    """C-CANCEL that came when its request was answered already has no answer (PS3.7 §9.3.2.3)."""


HANDLERS: Mapping[tuple[str, int], Handler] = {
    (sop_classes.ECHO, commands.C_ECHO): _echo,
    (sop_classes.STORE, commands.C_STORE): store.handle,
    (sop_classes.FIND, commands.C_FIND): find.handle,
    (sop_classes.FIND, commands.C_CANCEL): _nothing,
    (sop_classes.MOVE, commands.C_MOVE): retrieve.handle_move,
    (sop_classes.MOVE, commands.C_CANCEL): _nothing,
    (sop_classes.GET, commands.C_GET): retrieve.handle_get,
    (sop_classes.GET, commands.C_CANCEL): _nothing,
    (sop_classes.WORKLIST, commands.C_FIND): worklist.handle_find,
    (sop_classes.WORKLIST, commands.C_CANCEL): _nothing,
    (sop_classes.MPPS, commands.N_CREATE): worklist.handle_create,
    (sop_classes.MPPS, commands.N_SET): worklist.handle_set,
    (sop_classes.MPPS, commands.N_GET): worklist.handle_get,
    (sop_classes.COMMITMENT, commands.N_ACTION): commitment.handle_action,
    (sop_classes.COMMITMENT, commands.N_EVENT_REPORT): commitment.handle_report,
}
"""By service of the presentation context and command field."""

_NOT_OF_AN_SCU = (commands.N_EVENT_REPORT, commands.C_CANCEL)
"""What comes from an SCP, and what has no answer."""


class Server:
    """Accepts on all listeners."""

    def __init__(self, bridge: Bridge, listeners: Sequence[Listener]) -> None:
        self._bridge = bridge
        self._listeners = {each.listening.fileno(): each for each in listeners}
        self._waiting: dict[threading.Thread, socket.socket] = {}  # in the order they came
        self._associated: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def run(self, stop: threading.Event) -> None:
        """Returns once `stop` is set and the associations have ended, or had time to."""
        poll = select.poll()
        for each in self._listeners.values():
            each.listening.setblocking(False)
            poll.register(each.listening, select.POLLIN)
        while not stop.is_set():
            for descriptor, _ in poll.poll(200):
                self._accept(self._listeners[descriptor])
        with self._lock:
            remaining = [*self._waiting, *self._associated]
        for thread in remaining:
            thread.join(timeout=5.0 / len(remaining))

    def _accept(self, listener: Listener) -> None:
        try:
            connection, address = listener.listening.accept()
        except OSError:
            return  # another process was faster, or the caller has gone
        config = self._bridge.archive.config
        thread = threading.Thread(
            target=self._run,
            args=(connection, str(address[0]), listener.tls),
            kwargs={"until": time.monotonic() + min(ARTIM_S, config.dimse_timeout_s)},
            name=f"connection from {address[0]}",
            daemon=True,
        )
        with self._lock:
            there = len(self._waiting) + len(self._associated)
            if there >= config.dimse_associations + CONNECTIONS_BEYOND:
                self._close_longest_waiting()
            self._waiting[thread] = connection
        thread.start()

    def _close_longest_waiting(self) -> None:
        thread = next(iter(self._waiting))
        connection = self._waiting.pop(thread)
        logger.warning("%s: closed for others, it asked for no association", thread.name)
        with suppress(OSError):
            # Its thread, which may be reading, finds the end. The method of SSLSocket would take
            # TLS off the connection under that thread's hands.
            socket.socket.shutdown(connection, socket.SHUT_RDWR)

    def _run(
        self,
        connection: socket.socket,
        address: str,
        tls: ssl.SSLContext | None,
        *,
        until: float,
    ) -> None:
        try:
            if tls is not None:
                secured = connection = self._secured(connection, tls)
                secured.settimeout(max(0.001, until - time.monotonic()))
                secured.do_handshake()
            serve(self._bridge, connection, address, until=until, admit=self._admit)
        except (OSError, ssl.SSLError) as error:
            logger.warning("%s: no association: %s", address, error)
        except Exception:
            logger.exception("%s: an association ended in an unforeseen way", address)
        finally:
            with suppress(OSError):
                connection.close()
            with self._lock:
                self._waiting.pop(threading.current_thread(), None)
                self._associated.discard(threading.current_thread())

    def _secured(self, connection: socket.socket, tls: ssl.SSLContext) -> ssl.SSLSocket:
        """The connection, its handshake still to be done. Raises OSError."""
        with self._lock:
            secured = tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
            if threading.current_thread() in self._waiting:
                self._waiting[threading.current_thread()] = secured
            return secured

    def _admit(self) -> bool:
        """Whether there is a place for an association of this thread, which then has it."""
        with self._lock:
            if len(self._associated) >= self._bridge.archive.config.dimse_associations:
                return False
            # When it is not there, its connection has just been closed, as its thread will find.
            self._waiting.pop(threading.current_thread(), None)
            self._associated.add(threading.current_thread())
            return True


def serve(
    bridge: Bridge,
    connection: socket.socket,
    address: str,
    *,
    until: float,
    admit: Callable[[], bool],
) -> None:
    """One association, from its request to its end.

    until  when the request must have come, whole, as `time.monotonic` tells it
    admit  asked once for a place, for who may have an association; TOO_MANY when it is False
    """
    config = bridge.archive.config
    calling = ""
    caller: Caller | None = None

    def open_sink(context: Context, command: Command) -> Sink:
        if command.get(commands.COMMAND_FIELD) == commands.C_STORE:
            return store.Incoming(bridge.archive, context, command, sender=calling)
        return Spool(bridge.archive.storage.incoming, limit_bytes=IDENTIFIER_BYTES)

    association = Association(
        connection,
        address=address,
        open_sink=open_sink,
        max_length=config.dimse_max_pdu,
        timeout_s=config.dimse_timeout_s,
    )
    try:
        kind, body = association.read_associate(until=until)
        if kind != pdu.ASSOCIATE_RQ:
            raise ProtocolError(
                f"PDU of type {kind:02X} where an association was to be asked for",
                reason=pdu.REASON_UNEXPECTED_PDU,
            )
        request = pdu.decode_associate(body)
        calling = request.calling
        assert bridge.doors is not None, "a bridge that takes associations knows who may"
        peer = judge(
            request,
            address=address,
            terms=bridge.terms,
            open_to_all=bridge.doors.is_without_accounts,
        )
        if isinstance(peer, Peer) and not admit():
            peer = TOO_MANY
        if isinstance(peer, Rejection):
            logger.warning(
                "%s@%s, who called %s, was rejected: %s", calling, address, request.called, peer.why
            )
            unknown = Caller(calling, frozenset(), session_id=f"from {address}", address=address)
            bridge.doors.journal.count(unknown, REFUSED, "association", "failure")
            association.write(
                pdu.encode_reject(result=peer.result, source=peer.source, reason=peer.reason)
            )
            association.linger()
            return
        acceptance = answer(request, peer=peer, terms=bridge.terms)
        association.peer_title = calling
        association.peer_max_length = request.max_length
        association.contexts = contexts(request, acceptance)
        association.write(pdu.encode_associate(acceptance, accept=True))
        caller = caller_of(peer, address)
        session = Session(bridge, association, peer, caller)
        while (message := association.receive()) is not None:
            try:
                _dispatch(session, message)
            finally:
                message.discard()
            if association.closed:
                return
    except ProtocolError as error:
        logger.warning("%s@%s: %s", calling, address, error)
        association.abort(source=2, reason=error.reason)
    except Aborted as error:
        logger.info("%s@%s: %s", calling, address, error)
    except PeerGone as error:
        logger.info("%s@%s: %s", calling, address, error)
        # Before there is an association the connection is closed and no more (PS3.8 §9.2, AA-2).
        if caller is not None:
            association.abort(source=2)
    except DimseError as error:
        logger.warning("%s@%s: %s", calling, address, error)
        association.abort()
    finally:
        association.close()
        if caller is not None and bridge.doors is not None:
            bridge.doors.journal.ended(caller.session_id)


def _dispatch(session: Session, message: Message) -> None:
    service = sop_classes.service_of(message.context.abstract_syntax, session.bridge.terms.private)
    handler = HANDLERS.get((service or sop_classes.STORE, message.field))
    if handler is None:
        if message.field & commands.RESPONSE:
            raise ProtocolError(f"a response {message.field:04X} to no request")
        session.association.respond(message, status.UNRECOGNIZED_OPERATION)
        return
    if not message.context.peer_is_scu and message.field not in _NOT_OF_AN_SCU:
        session.association.respond(
            message, status.NOT_AUTHORIZED, comment="by the roles agreed the peer is no SCU here"
        )
        return
    try:
        handler(session, message)
    except DimseError:
        raise
    except AccessError as error:
        if session.association.sending:
            session.association.abort()
            return
        session.association.respond(message, status.NOT_AUTHORIZED, comment=str(error))
    except Exception as error:
        logger.exception("%s: %s failed", session.sender, commands.NAMES.get(message.field))
        if session.association.sending:
            # Half a message is out: nothing more can be said on this association.
            session.association.abort()
            return
        session.association.respond(
            message,
            status.of_error(error, of_n_service=message.field >= commands.N_EVENT_REPORT),
            comment=f"the server failed ({type(error).__name__})",
        )
