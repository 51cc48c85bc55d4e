"""Messages as they arrive: whatever the fragments, the PDUs and the pieces on the wire."""

import random
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicomweb_server.archive.spool import Spool
from dicomweb_server.dimse import commands, pdu
from dicomweb_server.dimse.association import Association, Context
from dicomweb_server.dimse.errors import PeerGone, ProtocolError
from tests.dimse.wire import CT, association_on, echo_command, store_command

MAX_PDU = 16384
UID = "2.25.6002.1"


@contextmanager
def receiving(tmp_path: Path, wire: bytes, *, pieces: Sequence[int] = ()) -> Iterator[Association]:
    """An association on which these bytes come, in pieces of these lengths, and then no more."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        at = 0
        with theirs:
            try:
                for length in pieces:
                    theirs.sendall(wire[at : at + length])
                    at += length
                theirs.sendall(wire[at:])
            except OSError:
                return  # who receives has heard enough

    association = association_on(
        ours,
        timeout_s=20,
        open_sink=lambda context, command: Spool(tmp_path, limit_bytes=2**30),
        max_length=MAX_PDU,
    )
    association.contexts = {1: Context(1, CT, "1.2"), 3: Context(3, CT, "1.2.1")}
    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield association
    finally:
        association.close()
        sender.join(20)


def value(content: bytes, *, command: bool = False, last: bool = False, context: int = 1) -> bytes:
    """A presentation data value."""
    return pdu.PDV_HEADER.pack(len(content) + 2, context, command | last << 1) + content


def of(*values: bytes) -> bytes:
    """A P-DATA-TF PDU."""
    content = b"".join(values)
    return pdu.HEADER.pack(pdu.P_DATA_TF, len(content)) + content


COMMAND = value(commands.encode(store_command(UID), with_data_set=True), command=True, last=True)
ECHO = of(value(commands.encode(echo_command(), with_data_set=False), command=True, last=True))


@pytest.mark.parametrize("seed", range(30))
def test_a_data_set_is_what_was_sent_however_it_was_cut(tmp_path: Path, seed: int) -> None:
    """Any fragments, some of them empty, one or several to a PDU, the command beside the first of
    them or not, in any pieces on the wire: the same bytes, and what follows is read as well."""
    chance = random.Random(seed)
    longest = chance.choice((1, 100, 4000, MAX_PDU - 6))
    content = chance.randbytes(chance.choice((0, 1, 5000, 900_000)) if longest > 1 else 500)
    values: list[bytes] = []
    at = 0
    while at < len(content) or not values:
        taken = chance.choice((longest, longest, chance.randint(0, longest)))
        at += taken
        values.append(value(content[at - taken : at], last=at >= len(content)))
    wire, held = b"", [COMMAND]
    for one in values:
        if sum(map(len, held)) + len(one) > MAX_PDU or chance.random() < 0.8:
            wire += of(*held)
            held = []
        held.append(one)
    wire += of(*held) + ECHO
    pieces = [chance.randint(1, 40_000) for _ in range(chance.choice((0, 5, 100)))]
    with receiving(tmp_path, wire, pieces=pieces) as association:
        message = association.receive()
        assert message is not None
        assert message.command[commands.AFFECTED_INSTANCE] == UID
        assert message.data_set() == content
        following = association.receive()
        assert following is not None
        assert following.field == commands.C_ECHO


@pytest.mark.parametrize(
    "wrong",
    [
        of(value(b"xx", command=True)),
        of(value(b"xx", context=3)),
        of(value(b"xx", context=5)),
        of(value(b"x" * MAX_PDU)),
        pdu.HEADER.pack(pdu.P_DATA_TF, 8) + pdu.PDV_HEADER.pack(400, 1, 2) + b"xx",
        pdu.HEADER.pack(pdu.P_DATA_TF, 8) + pdu.PDV_HEADER.pack(1, 1, 2) + b"xx",
        pdu.HEADER.pack(pdu.P_DATA_TF, 5) + b"xxxxx",
        pdu.HEADER.pack(9, 8) + pdu.PDV_HEADER.pack(4, 1, 2) + b"xx",
        pdu.encode_release(response=False),
    ],
)
def test_what_may_not_come_within_a_data_set_is_refused_behind_good_fragments_too(
    tmp_path: Path, wrong: bytes
) -> None:
    wire = of(COMMAND) + of(value(b"good")) * 3 + wrong + of(value(b"rest", last=True))
    with receiving(tmp_path, wire) as association, pytest.raises(ProtocolError):
        association.receive()


@pytest.mark.parametrize("left", [1, 6, 11, 13])
def test_a_data_set_that_breaks_off_is_no_message(tmp_path: Path, left: int) -> None:
    wire = of(COMMAND) + of(value(b"good")) + of(value(b"rest", last=True))[:left]
    with receiving(tmp_path, wire) as association, pytest.raises(PeerGone):
        association.receive()
