"""Storage Commitment Push Model, both ways (PS3.4 §J.3).

As SCP: N-ACTION is written down and acknowledged; N-EVENT-REPORT goes over the same association
when the peer is set so or cannot be reached otherwise, else over a new one, by the jobs. As SCU:
asks for what was forwarded and takes the report over whichever association it comes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydicom.uid import generate_uid

from dicomweb_server.archive import commitments, orders, transfers
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.commitments import Commitment
from dicomweb_server.archive.desk import Desk
from dicomweb_server.archive.search import accession_of
from dicomweb_server.dicom.errors import DicomError, Malformed
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dimse import commands, identifiers, status
from dicomweb_server.dimse.association import Association, Context, Message
from dicomweb_server.dimse.errors import NotNegotiated, ProtocolError, Refused
from dicomweb_server.dimse.negotiation import UNCOMPRESSED
from dicomweb_server.dimse.peers import Peer
from dicomweb_server.dimse.requestor import association_with, request
from dicomweb_server.dimse.session import Session
from dicomweb_server.dimse.sop_classes import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE

REQUEST_COMMITMENT = 1
"""Action type (PS3.4 §J.3.2.1)."""
ALL_KEPT, SOME_LOST = 1, 2
"""Event types (PS3.4 §J.3.3.1)."""

_TRANSACTION, _REFERENCED, _FAILED = "00081195", "00081199", "00081198"
_CLASS, _INSTANCE, _REASON = "00081150", "00081155", "00081197"


def handle_action(session: Session, message: Message) -> None:
    """Answers N-ACTION, and reports at once when that goes over this association."""
    respond = session.association.respond
    if message.command.get(commands.ACTION_TYPE) != REQUEST_COMMITMENT:
        respond(message, status.NO_SUCH_ACTION)
        return
    instance_uid = commands.text(message.command, commands.REQUESTED_INSTANCE)
    if instance_uid != STORAGE_COMMITMENT_INSTANCE:
        respond(message, status.NO_SUCH_INSTANCE, comment=f"'{instance_uid}' takes no requests")
        return
    try:
        asked = _read(session, message)
        transaction_uid = orders.first(asked, _TRANSACTION)
        wanted = _references(asked, _REFERENCED)
        if not transaction_uid or not wanted:
            raise Malformed("(0008,1195) or (0008,1199)", "is missing")
    except DicomError as error:
        respond(message, status.INVALID_VALUE, comment=str(error))
        return
    commitment = commitments.ask(
        session.desk,
        transaction_uid=transaction_uid,
        peer=session.peer.aet,
        wanted=wanted,
    )
    same = session.peer.commitment == "same" or not session.peer.reachable
    if same:
        # Meanwhile the jobs must not send it too; should this process die, they will.
        commitments.later(session.bridge.desk, commitment, "", after_s=60)
    respond(message, status.SUCCESS)
    if same:
        report(session.bridge.archive, session.bridge.desk, session.association, commitment)


def report_anew(archive: Archive, desk: Desk, peer: Peer, commitment: Commitment) -> None:
    """N-EVENT-REPORT over an association of our own, in which we are the SCP (PS3.7 §D.3.3.4).
    Raises DimseError."""
    with association_with(
        archive,
        peer,
        [(STORAGE_COMMITMENT, UNCOMPRESSED)],
        roles={STORAGE_COMMITMENT: (False, True)},
    ) as association:
        report(archive, desk, association, commitment)


def report(archive: Archive, desk: Desk, association: Association, commitment: Commitment) -> None:
    """N-EVENT-REPORT over an association that is there. Raises DimseError, Refused when the peer
    does not take it."""
    context = association.context_for(STORAGE_COMMITMENT)
    if context is None:
        raise NotNegotiated("storage commitment")
    verdict = commitments.judge(archive, commitment)
    report: Json = {
        "00080054": {"vr": "AE", "Value": [archive.config.aet]},
        _TRANSACTION: {"vr": "UI", "Value": [commitment.transaction_uid]},
    }
    if verdict.kept:
        report[_REFERENCED] = {"vr": "SQ", "Value": [_reference(pair) for pair in verdict.kept]}
    if verdict.lost:
        report[_FAILED] = {
            "vr": "SQ",
            "Value": [
                {**_reference(pair), _REASON: {"vr": "US", "Value": [reason]}}
                for pair, reason in verdict.lost.items()
            ],
        }
    answered = request(
        association,
        context,
        {
            commands.COMMAND_FIELD: commands.N_EVENT_REPORT,
            commands.MESSAGE_ID: association.new_id(),
            commands.AFFECTED_CLASS: STORAGE_COMMITMENT,
            commands.AFFECTED_INSTANCE: STORAGE_COMMITMENT_INSTANCE,
            commands.EVENT_TYPE: SOME_LOST if verdict.lost else ALL_KEPT,
        },
        (identifiers.write(report, transfer_syntax_uid=context.transfer_syntax),),
    )
    answered.discard()
    if status.is_failure(answered.status):
        raise Refused("N-EVENT-REPORT", status=answered.status, comment="")
    commitments.reported(desk, commitment)
    if not verdict.lost:
        accessions = {uid: accession_of(archive, uid) for uid in verdict.studies}
        with desk.write() as connection:
            for study_uid, accession in accessions.items():
                orders.end_unless_performing(
                    connection, study_uid=study_uid, accession=accession, by="commitment"
                )


def handle_report(session: Session, message: Message) -> None:
    """A peer says what it keeps of what we sent it."""
    try:
        told = _read(session, message)
    except DicomError as error:
        session.association.respond(message, status.INVALID_VALUE, comment=str(error))
        return
    _take(session.bridge.desk, session.peer.aet, told)
    session.association.respond(message, status.SUCCESS)


def ask(
    archive: Archive,
    desk: Desk,
    peer: Peer,
    sent: Sequence[transfers.Transfer],
    *,
    wait_s: float = 2.0,
) -> None:
    """Asks a peer to commit to instances that it has been sent; what has been deleted here since is
    not asked for any more.

    wait_s  the association stays open so long for a report over it; later ones come over another

    Raises DimseError.
    """
    transaction_uid = str(generate_uid(prefix=None))
    pairs, wanted = list[tuple[str, str]](), list[transfers.Transfer]()
    for each in sent:
        found = archive.storage.index.instance(each.instance_uid)
        if found is None:
            reason = "sent, and deleted here before the peer committed to it"
            transfers.gave_up(desk, each, reason)
        else:
            pairs.append((found.sop_class_uid, found.instance_uid))
            wanted.append(each)
    if not wanted:
        return  # Referenced SOP Sequence has at least one item (PS3.4 §J.3.2.1.1)
    with association_with(archive, peer, [(STORAGE_COMMITMENT, UNCOMPRESSED)]) as association:
        context = next(iter(association.contexts.values()))

        def on_report(message: Message) -> None:
            _take_here(desk, peer, association, context, message)

        # Written down before it is asked: the report may be here before the answer.
        transfers.asked_to_commit(desk, wanted, transaction_uid)
        asked: Json = {
            _TRANSACTION: {"vr": "UI", "Value": [transaction_uid]},
            _REFERENCED: {"vr": "SQ", "Value": [_reference(pair) for pair in pairs]},
        }
        answered = request(
            association,
            context,
            {
                commands.COMMAND_FIELD: commands.N_ACTION,
                commands.MESSAGE_ID: association.new_id(),
                commands.REQUESTED_CLASS: STORAGE_COMMITMENT,
                commands.REQUESTED_INSTANCE: STORAGE_COMMITMENT_INSTANCE,
                commands.ACTION_TYPE: REQUEST_COMMITMENT,
            },
            (identifiers.write(asked, transfer_syntax_uid=context.transfer_syntax),),
            on_other=on_report,
        )
        if status.is_failure(answered.status):
            raise Refused("N-ACTION", status=answered.status, comment="")
        if association.wait_for_more(wait_s) and (message := association.receive()) is not None:
            on_report(message)


def _take_here(
    desk: Desk, peer: Peer, association: Association, context: Context, message: Message
) -> None:
    if message.field != commands.N_EVENT_REPORT:
        message.discard()
        raise ProtocolError(f"a message of field {message.field:04X} instead of a report")
    told = identifiers.read(message.data_set(), transfer_syntax_uid=context.transfer_syntax)
    message.discard()
    _take(desk, peer.aet, told)
    association.respond(message, status.SUCCESS)


def _take(desk: Desk, peer: str, told: Json) -> None:
    transfers.committed(
        desk,
        orders.first(told, _TRANSACTION),
        peer=peer,
        kept=[instance for _, instance in _references(told, _REFERENCED)],
        lost={
            orders.first(item, _INSTANCE): int(orders.first(item, _REASON) or "0")
            for item in orders.items(told, _FAILED)
        },
    )


def _read(session: Session, message: Message) -> Json:
    return identifiers.read(message.data_set(), transfer_syntax_uid=message.context.transfer_syntax)


def _references(document: Mapping[str, Any], key: str) -> list[tuple[str, str]]:
    return [
        (orders.first(item, _CLASS), orders.first(item, _INSTANCE))
        for item in orders.items(document, key)
    ]


def _reference(pair: tuple[str, str]) -> Json:
    return {
        _CLASS: {"vr": "UI", "Value": [pair[0]]},
        _INSTANCE: {"vr": "UI", "Value": [pair[1]]},
    }
