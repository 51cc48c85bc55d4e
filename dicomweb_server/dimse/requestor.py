"""Asking a peer for an association (PS3.8 §7.1), and what is then asked of it as SCU: C-ECHO and
C-STORE; the larger services have modules of their own."""

import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.spool import Spool
from dicomweb_server.dimse import commands, pdu
from dicomweb_server.dimse.association import Association, Context, Message, OpenSink
from dicomweb_server.dimse.errors import NotNegotiated, PeerAway, PeerGone, ProtocolError, Rejected
from dicomweb_server.dimse.identifiers import IDENTIFIER_BYTES
from dicomweb_server.dimse.negotiation import (
    ACCEPTANCE,
    IMPLEMENTATION_UID,
    IMPLEMENTATION_VERSION,
    UNCOMPRESSED,
)
from dicomweb_server.dimse.peers import Peer
from dicomweb_server.dimse.sop_classes import VERIFICATION
from dicomweb_server.dimse.tls import client_context
from storage.model import Buffer

MOST_CONTEXTS = 128
"""Presentation context IDs are odd and at most 255 (PS3.8 §9.3.2.2)."""

Wanted = tuple[str, tuple[str, ...]]
"""An abstract syntax and the transfer syntaxes proposed for it in one context."""


def associate(
    archive: Archive,
    peer: Peer,
    wanted: Sequence[Wanted],
    *,
    roles: Mapping[str, tuple[bool, bool]] | None = None,
    open_sink: OpenSink | None = None,
) -> Association:
    """An association with a peer. Raises PeerAway, Aborted, ProtocolError, NotNegotiated when the
    peer accepted none of what was wanted."""
    config = archive.config
    assert len(wanted) <= MOST_CONTEXTS
    connection = _connect(peer, archive)
    association = Association(
        connection,
        address=peer.host,
        open_sink=open_sink
        or (lambda context, command: Spool(archive.storage.incoming, limit_bytes=IDENTIFIER_BYTES)),
        max_length=config.dimse_max_pdu,
        timeout_s=config.dimse_timeout_s,
    )
    try:
        request = pdu.Associate(
            called=peer.aet,
            calling=config.aet,
            proposed=tuple(
                pdu.Proposed(2 * n + 1, abstract, syntaxes)
                for n, (abstract, syntaxes) in enumerate(wanted)
            ),
            max_length=config.dimse_max_pdu,
            implementation_uid=IMPLEMENTATION_UID,
            implementation_version=IMPLEMENTATION_VERSION,
            roles=roles or {},
        )
        association.write(pdu.encode_associate(request, accept=False))
        kind, body = association.read_associate(until=time.monotonic() + config.dimse_timeout_s)
        if kind == pdu.ASSOCIATE_RJ:
            raise Rejected(result=body[1], source=body[2], reason=body[3])
        if kind != pdu.ASSOCIATE_AC:
            raise ProtocolError(f"PDU of type {kind:02X} answers an association request")
        acceptance = pdu.decode_associate(body)
    except Rejected:
        association.close()
        raise
    except PeerGone as error:
        association.abort()
        raise PeerAway(f"{peer.aet} did not answer: {error}") from None
    except BaseException:
        association.abort()
        raise
    abstract = {one.id: one.abstract_syntax for one in request.proposed}
    association.peer_title = peer.aet
    association.peer_max_length = acceptance.max_length
    association.contexts = {
        one.id: Context(one.id, abstract[one.id], one.transfer_syntax)
        for one in acceptance.answered
        if one.result == ACCEPTANCE and one.id in abstract
    }
    if not association.contexts:
        association.release()
        raise NotNegotiated(f"any of {len(wanted)} presentation contexts")
    return association


@contextmanager
def association_with(
    archive: Archive,
    peer: Peer,
    wanted: Sequence[Wanted],
    *,
    roles: Mapping[str, tuple[bool, bool]] | None = None,
    open_sink: OpenSink | None = None,
) -> Iterator[Association]:
    """`associate`, released at the end of the block, aborted when it raises."""
    association = associate(archive, peer, wanted, roles=roles, open_sink=open_sink)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    association.release()


def _connect(peer: Peer, archive: Archive) -> socket.socket:
    timeout_s = min(archive.config.dimse_timeout_s, 10.0)
    try:
        connection = socket.create_connection((peer.host, peer.port), timeout=timeout_s)
    except OSError as error:
        raise PeerAway(
            f"{peer.aet} at {peer.host}:{peer.port} cannot be reached: {error}"
        ) from None
    if not peer.tls:
        return connection
    try:
        return client_context(archive.config).wrap_socket(connection, server_hostname=peer.host)
    except (OSError, ssl.SSLError) as error:
        connection.close()
        raise PeerAway(f"{peer.aet} at {peer.host}:{peer.port}: no TLS: {error}") from None


def request(
    association: Association,
    context: Context,
    command: commands.Command,
    data_set: Iterable[Buffer] | None = None,
    *,
    on_other: Callable[[Message], None] | None = None,
) -> Message:
    """Sends a request and waits for its (first) response, whose `discard` is the caller's.

    on_other  takes what comes in between; ProtocolError without it
    """
    association.send(context, command, data_set)
    return response(association, commands.number(command, commands.MESSAGE_ID), on_other=on_other)


def response(
    association: Association, message_id: int, *, on_other: Callable[[Message], None] | None = None
) -> Message:
    """The next response to a request."""
    while True:
        message = association.receive()
        if message is None:
            raise PeerGone("the peer released the association before it answered")
        if message.responds_to(message_id):
            return message
        if on_other is None:
            message.discard()
            raise ProtocolError(f"a message of field {message.field:04X} instead of the answer")
        on_other(message)


def echo(archive: Archive, peer: Peer) -> int:
    """C-ECHO; the status."""
    with association_with(archive, peer, [(VERIFICATION, UNCOMPRESSED)]) as association:
        context = next(iter(association.contexts.values()))
        answered = request(
            association,
            context,
            {
                commands.COMMAND_FIELD: commands.C_ECHO,
                commands.MESSAGE_ID: association.new_id(),
                commands.AFFECTED_CLASS: VERIFICATION,
            },
        )
        return answered.status
