"""What of a proposed association is accepted, and why the rest is not (PS3.8 §7.1, §9.3.4).

Storage contexts are accepted in the first transfer syntax that is proposed and known here, since
every one is kept as it is sent. A context of which the requestor wants to be the SCP is for C-GET:
there one is taken that everything can be sent in.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dicomweb_server.dicom.transfer_syntaxes import (
    EXPLICIT_VR_LITTLE_ENDIAN,
    IMPLICIT_VR_LITTLE_ENDIAN,
    transfer_syntax,
)
from dicomweb_server.dicom.uids import NON_PATIENT_OBJECTS
from dicomweb_server.dimse import sop_classes
from dicomweb_server.dimse.association import Context
from dicomweb_server.dimse.pdu import APPLICATION_CONTEXT, Answered, Associate, Proposed
from dicomweb_server.dimse.peers import Peer, Peers

IMPLEMENTATION_UID = "2.25.161803398874989484820458683436563811772"
IMPLEMENTATION_VERSION = "DICOMWEB_SERVER"

ACCEPTANCE, USER_REJECTION, NO_REASON, ABSTRACT_SYNTAX, TRANSFER_SYNTAXES = range(5)
"""Results of a presentation context (PS3.8 Table 9-18)."""

UNCOMPRESSED = (EXPLICIT_VR_LITTLE_ENDIAN, IMPLICIT_VR_LITTLE_ENDIAN)


@dataclass(frozen=True, slots=True)
class Rejection:
    """PS3.8 Table 9-21; `why` is for our log, the peer gets the numbers."""

    result: int
    source: int
    reason: int
    why: str


WRONG_CONTEXT_NAME = Rejection(1, 1, 2, "its application context is not DICOM's")
UNKNOWN_CALLER = Rejection(1, 1, 3, "no row of peers has its AE title")
WRONG_ADDRESS = Rejection(1, 1, 3, "the row of peers with its AE title is for another host")
UNKNOWN_CALLED = Rejection(1, 1, 7, "it called another AE title than ours (dimse_check_called)")
WRONG_VERSION = Rejection(1, 2, 2, "it does not know version 1 of the protocol")
TOO_MANY = Rejection(2, 3, 2, "there are as many associations as dimse_associations allows")


@dataclass(frozen=True, slots=True)
class Terms:
    """What this side brings to the negotiation.

    title           our AE title; check_called whether callers must use it
    private         storage SOP classes taken besides the standard's; "*" for any UID
    """

    title: str
    check_called: bool
    peers: Peers
    private: frozenset[str]
    max_length: int


def judge(request: Associate, *, address: str, terms: Terms, open_to_all: bool) -> Peer | Rejection:
    """Who calls, or why it may not; `open_to_all` as in `Peers.caller`."""
    if not request.protocol_version & 1:
        return WRONG_VERSION
    if request.application_context != APPLICATION_CONTEXT:
        return WRONG_CONTEXT_NAME
    if terms.check_called and request.called != terms.title:
        return UNKNOWN_CALLED
    peer = terms.peers.caller(request.calling, address, open_to_all=open_to_all)
    if peer is None:
        return WRONG_ADDRESS if request.calling in terms.peers.by_title else UNKNOWN_CALLER
    return peer


def answer(request: Associate, *, peer: Peer, terms: Terms) -> Associate:
    """The acceptance of a request by a peer that may call."""
    answered = tuple(
        _answer(
            one,
            for_get=request.roles.get(one.abstract_syntax, (True, False))[1],
            peer=peer,
            terms=terms,
        )
        for one in request.proposed
    )
    accepted = {one.id for one in answered if one.result == ACCEPTANCE}
    syntaxes = {one.abstract_syntax for one in request.proposed if one.id in accepted}
    return Associate(
        called=request.called,
        calling=request.calling,
        answered=answered,
        max_length=terms.max_length,
        implementation_uid=IMPLEMENTATION_UID,
        implementation_version=IMPLEMENTATION_VERSION,
        roles={uid: role for uid, role in request.roles.items() if uid in syntaxes},
        # Of the extended negotiation of queries only the first byte, relational queries and
        # retrievals, is agreed to (PS3.4 §C.5.1.1); nothing here needs a hierarchy.
        extended={
            uid: application[:1] + bytes(len(application) - 1)
            for uid, application in request.extended.items()
            if uid in syntaxes and uid in sop_classes.MODELS and application
        },
    )


def contexts(request: Associate, acceptance: Associate) -> dict[int, Context]:
    """The accepted presentation contexts of an association that the peer asked for, by ID."""
    abstract = {one.id: one.abstract_syntax for one in request.proposed}
    return {
        one.id: Context(
            one.id,
            abstract[one.id],
            one.transfer_syntax,
            peer_is_scu=acceptance.roles.get(abstract[one.id], (True, False))[0],
        )
        for one in acceptance.answered
        if one.result == ACCEPTANCE and one.id in abstract
    }


def _answer(one: Proposed, *, for_get: bool, peer: Peer, terms: Terms) -> Answered:
    service = sop_classes.service_of(one.abstract_syntax, terms.private)
    if one.abstract_syntax in NON_PATIENT_OBJECTS:
        service = None  # though it were configured: every C-STORE would be refused
    elif service is None and "*" in terms.private:
        service = sop_classes.STORE
    first = one.transfer_syntaxes[0] if one.transfer_syntaxes else IMPLICIT_VR_LITTLE_ENDIAN
    if service is None:
        return Answered(one.id, ABSTRACT_SYNTAX, first)
    wanted = sop_classes.GET if service == sop_classes.STORE and for_get else service
    if wanted not in peer.services:
        return Answered(one.id, USER_REJECTION, first)
    if service != sop_classes.STORE:
        chosen = _first(UNCOMPRESSED, one.transfer_syntaxes)
    else:
        chosen = _first(
            (*peer.transfer_syntaxes, *(UNCOMPRESSED if for_get else ())), one.transfer_syntaxes
        ) or next((uid for uid in one.transfer_syntaxes if transfer_syntax(uid).known), None)
    if chosen is None:
        return Answered(one.id, TRANSFER_SYNTAXES, first)
    return Answered(one.id, ACCEPTANCE, chosen)


def _first(preferred: Sequence[str], offered: Sequence[str]) -> str | None:
    return next((uid for uid in preferred if uid in offered), None)
