"""C-GET and C-MOVE as SCP (PS3.4 §C.4.2, §C.4.3).

What is to be sent is known before the first sub-operation; each sub-operation is one C-STORE, over
the same association (C-GET) or one to the destination (C-MOVE), and a pending response with the
counts after it. C-CANCEL is seen between two sub-operations.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import islice

from dicomweb_server.access.audit import Event
from dicomweb_server.access.caller import Act
from dicomweb_server.archive import retrieve
from dicomweb_server.archive.archive import Archive
from dicomweb_server.dicom.attributes import term_of
from dicomweb_server.dicom.errors import BadQuery, DicomError
from dicomweb_server.dicom.json_model import Json
from dicomweb_server.dimse import commands, identifiers, outgoing, status
from dicomweb_server.dimse.association import Association, Message
from dicomweb_server.dimse.errors import DimseError, ProtocolError
from dicomweb_server.dimse.find import LEVEL, PATIENT_ID, text_of
from dicomweb_server.dimse.requestor import associate
from dicomweb_server.dimse.session import Session
from dicomweb_server.dimse.sop_classes import MODELS
from storage.errors import NotFound
from storage.model import Instance, OneOf, Query, QueryLevel, Scope

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"
KEYS = {"PATIENT": PATIENT_ID, "STUDY": STUDY, "SERIES": SERIES, "IMAGE": INSTANCE}
"""The unique key of each level (PS3.4 §C.6.1.1)."""

MOST_COUNTED = 65535
"""Numbers of sub-operations are US (PS3.7 Table E.1-1): of more than that so many are said. A peer
that counts down waits at this number first; what is sent is all there is."""


def handle_get(session: Session, message: Message) -> None:
    """Answers a C-GET."""
    asked = _asked(session, message)
    if asked is None:
        return
    operation = Operation(session, message, asked)

    def on_other(other: Message) -> None:
        other.discard()
        if other.field != commands.C_CANCEL:
            raise ProtocolError("a request while a sub-operation waits for its answer")
        operation.cancelled = True

    operation.send(
        asked,
        session.association,
        preferred=session.peer.transfer_syntaxes,
        on_other=on_other,
    )
    operation.finish()


def handle_move(session: Session, message: Message) -> None:
    """Answers a C-MOVE."""
    title = commands.text(message.command, commands.MOVE_DESTINATION)
    destination = session.bridge.terms.peers.to(title)
    if destination is None:
        session.association.respond(
            message,
            status.DESTINATION_UNKNOWN,
            comment=f"{title} is no peer that can be sent to",
        )
        return
    asked = _asked(session, message)
    if asked is None:
        return
    session.archive.permit(Act.TRANSFER)
    for study_uid in {each.study_uid for each in asked}:
        session.archive.note(Event("study.send", study_uid, detail={"peer": title}))
    operation = Operation(session, message, asked)
    originator = (session.peer.aet, message.message_id)
    remaining = iter(asked)
    for wanted, count in outgoing.proposals(asked, destination):
        if operation.cancelled:
            break
        part = list(islice(remaining, count))
        try:
            association = associate(session.archive, destination, wanted)
        except DimseError as error:
            operation.fail(part, str(error))
            continue
        try:
            operation.send(
                part,
                association,
                preferred=destination.transfer_syntaxes,
                originator=originator,
            )
        except BaseException:
            association.abort()
            raise
        association.release()
    operation.finish()


@dataclass
class Operation:
    """The counts of one C-GET or C-MOVE, and its responses."""

    session: Session
    message: Message
    instances: Sequence[Instance]
    completed: int = 0
    warnings: int = 0
    failed: list[str] = field(default_factory=list)
    comment: str = ""
    cancelled: bool = False

    def is_cancelled(self) -> bool:
        """Whether C-CANCEL has come; asks the association."""
        self.cancelled = self.cancelled or self.session.association.cancelled(
            self.message.message_id
        )
        return self.cancelled

    @property
    def remaining(self) -> int:
        done = self.completed + self.warnings + len(self.failed)
        return len(self.instances) - done

    def send(
        self,
        instances: Sequence[Instance],
        to: Association,
        *,
        preferred: Sequence[str],
        originator: tuple[str, int] | None = None,
        on_other: Callable[[Message], None] | None = None,
    ) -> None:
        """Sub-operations, as far as nobody cancels, each with a pending response after it. When the
        destination fails, so do those that remain; raises what ends our own association."""
        here = self.session.association
        sending = outgoing.send_all(
            self.session.archive,
            to,
            instances,
            preferred=preferred,
            originator=originator,
            on_other=on_other,
        )
        for position in range(len(instances)):
            if self.is_cancelled():
                return
            try:
                sent = next(sending)
            except DimseError as error:
                if to is here:
                    raise
                to.abort()
                self.fail(instances[position:], str(error))
                return
            self._count(sent)
            if self.remaining:
                # On one association with the next sub-operation it costs the peer one wakeup less.
                here.respond(self.message, status.PENDING, more=self._counts(), hold=to is here)

    def _count(self, sent: outgoing.Sent) -> None:
        if sent.status is None:
            self._failed(sent.instance, sent.comment)
        elif status.is_failure(sent.status):
            self._failed(sent.instance, f"the destination answered {sent.status:04X}")
        elif status.is_warning(sent.status):
            self.warnings += 1
        else:
            self.completed += 1

    def fail(self, instances: Sequence[Instance], reason: str) -> None:
        """What cannot be sent at all any more."""
        for instance in instances:
            self._failed(instance, reason)

    def finish(self) -> None:
        """The last response."""
        if self.cancelled:
            code = status.CANCEL
        elif not self.failed:
            code = status.SUBOPERATIONS_FAILED if self.warnings else status.SUCCESS
        elif self.completed or self.warnings:
            code = status.SUBOPERATIONS_FAILED
        else:
            code = status.CANNOT_SEND
        counts = self._counts()
        if not self.cancelled:
            del counts[commands.REMAINING]
        listed = None
        if self.failed:
            listed = identifiers.write(
                {"00080058": {"vr": "UI", "Value": self.failed}},
                transfer_syntax_uid=self.message.context.transfer_syntax,
            )
        self.session.association.respond(
            self.message, code, listed, comment=self.comment, more=counts
        )

    def _failed(self, instance: Instance, reason: str) -> None:
        self.failed.append(instance.instance_uid)
        self.comment = self.comment or reason

    def _counts(self) -> dict[int, int | str]:
        return {
            commands.REMAINING: min(self.remaining, MOST_COUNTED),
            commands.COMPLETED: min(self.completed, MOST_COUNTED),
            commands.FAILED: min(len(self.failed), MOST_COUNTED),
            commands.WARNING: min(self.warnings, MOST_COUNTED),
        }


def _asked(session: Session, message: Message) -> list[Instance] | None:
    """The instances an identifier names; None when the request was refused."""
    try:
        identifier = identifiers.read(
            message.data_set(),
            transfer_syntax_uid=message.context.transfer_syntax,
            charset=session.peer.charset,
        )
        levels = MODELS[message.context.abstract_syntax].levels
        if (level := text_of(identifier, LEVEL)) not in levels:
            raise BadQuery("QueryRetrieveLevel", f"'{level}' is none of {', '.join(levels)}")
        return list(named(session.archive, identifier, level, levels=levels))
    except DicomError as error:
        session.association.respond(message, status.of_error(error), comment=str(error))
        return None


def named(
    archive: Archive, identifier: Json, level: str, *, levels: Sequence[str]
) -> Iterator[Instance]:
    """The instances that the unique keys of an identifier name, in order, each once.

    levels  of the information model, from the top

    A key above the level excludes what it does not name (PS3.4 §C.4.2.1.4 and §C.4.3.1.3); one
    that is absent or empty, as many workstations leave it, is no condition. Raises BadQuery when
    the key of the level itself is missing.
    """
    archive.permit(Act.VIEW)
    wanted = _values(identifier, KEYS[level])
    if not wanted:
        raise BadQuery(KEYS[level], f"is missing: a retrieval at level {level} names it")
    above = [KEYS[each] for each in levels[: levels.index(level)]]
    patients, studies, series = (
        _values(identifier, key) if key in above else [] for key in (PATIENT_ID, STUDY, SERIES)
    )

    @cache
    def admitted(study_uid: str) -> bool:
        return (not studies or study_uid in studies) and (
            not patients or study_uid in _studies_of(archive, patients, study_uid=study_uid)
        )

    if level == "IMAGE":
        for instance_uid in wanted:
            found = archive.storage.index.instance(instance_uid)
            if (
                found is not None
                and (not series or found.series_uid in series)
                and admitted(found.study_uid)
            ):
                archive.viewed(found.study_uid)
                yield found
        return
    for scope in _scopes(archive, level, wanted):
        if admitted(scope.study_uid):
            yield from _instances(archive, scope)


def _scopes(archive: Archive, level: str, wanted: Sequence[str]) -> Iterator[Scope]:
    """What the unique key of a level above IMAGE names."""
    if level == "PATIENT":
        yield from map(Scope, _studies_of(archive, wanted[:1]))
    elif level == "STUDY":
        yield from map(Scope, wanted)
    else:
        for series_uid in wanted:
            query = Query(QueryLevel.SERIES, series_uid=series_uid)
            for row in archive.storage.index.find(query).rows:
                yield Scope(row.study.study_uid, series_uid)


def _instances(archive: Archive, scope: Scope) -> Sequence[Instance]:
    try:
        return retrieve.instances(archive, scope)
    except NotFound:
        return ()


def _studies_of(
    archive: Archive, patients: Sequence[str], *, study_uid: str | None = None
) -> list[str]:
    """The studies of patients, or the one study when it is one of theirs."""
    terms = tuple(term_of("LO", each) for each in patients)
    query = Query(
        QueryLevel.STUDY, (OneOf(QueryLevel.STUDY, PATIENT_ID, terms),), study_uid=study_uid
    )
    return [row.study.study_uid for row in archive.storage.index.find(query).rows]


def _values(identifier: Json, key: str) -> list[str]:
    """The values of a key, each once: nothing is sent twice because it was named twice."""
    values = identifier.get(key, {}).get("Value") or ()
    return list(dict.fromkeys(str(value) for value in values if value))
