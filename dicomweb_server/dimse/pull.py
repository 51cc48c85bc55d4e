"""Fetching from a remote archive as SCU: C-FIND for what there is, then C-GET over the same
association or C-MOVE to ourselves (PS3.4 §C.4). What comes is stored as anybody's C-STORE is."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from dicomweb_server.archive import orders
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import Desk
from dicomweb_server.archive.spool import Spool
from dicomweb_server.dicom.attributes import key_named, vr_of
from dicomweb_server.dicom.json_model import Json, key_text
from dicomweb_server.dicom.transfer_syntaxes import TRANSFER_SYNTAXES
from dicomweb_server.dicom.uids import checked_uid
from dicomweb_server.dimse import commands, identifiers, status, store
from dicomweb_server.dimse.association import Association, Context, Message, Sink
from dicomweb_server.dimse.commands import Command
from dicomweb_server.dimse.errors import NotNegotiated, ProtocolError, Refused
from dicomweb_server.dimse.find import LEVEL
from dicomweb_server.dimse.negotiation import UNCOMPRESSED
from dicomweb_server.dimse.peers import Peer
from dicomweb_server.dimse.requestor import (
    MOST_CONTEXTS,
    Wanted,
    association_with,
    request,
    response,
)
from dicomweb_server.dimse.session import Bridge, Session, terms_of
from dicomweb_server.dimse.sop_classes import STORAGE, STUDY_FIND, STUDY_GET, STUDY_MOVE, name_of
from storage.model import Buffer

STUDY, SERIES, INSTANCE = "0020000D", "0020000E", "00080018"


@dataclass(slots=True)
class Pulled:
    """Counts of sub-operations, as the remote archive counts them; and what it said of failures."""

    completed: int = 0
    failed: int = 0
    warnings: int = 0
    comment: str = ""
    studies: list[str] = field(default_factory=list)

    def with_next(self, part: "Pulled", *, of: int) -> "Pulled":
        """What there is after another association for other SOP classes. What came over the one
        before is among what fails over this.

        of  how many instances there are as far as is known
        """
        completed, warnings = self.completed + part.completed, self.warnings + part.warnings
        came_before = self.completed + self.warnings
        return Pulled(
            completed=completed,
            failed=max(0, part.failed - came_before, of - completed - warnings),
            warnings=warnings,
            comment=part.comment or self.comment,
        )


def find(
    archive: Archive, peer: Peer, level: str, keys: Mapping[str, str], *, returned: tuple[str, ...]
) -> Iterator[Json]:
    """C-FIND Study Root: the matches as DICOM JSON.

    keys      keyword or tag -> what to match
    returned  keywords to return besides

    Raises DimseError.
    """
    identifier: Json = {LEVEL: {"vr": "CS", "Value": [level]}}
    for name in (*returned, *keys):
        key = key_named(name)
        vr = vr_of(key)
        value = keys.get(name, "")
        identifier[key] = {"vr": vr, "Value": [value]} if value else {"vr": vr}
    with association_with(archive, peer, [(STUDY_FIND, UNCOMPRESSED)]) as association:
        context = next(iter(association.contexts.values()))
        message_id = association.new_id()
        answered = request(
            association,
            context,
            {
                commands.COMMAND_FIELD: commands.C_FIND,
                commands.MESSAGE_ID: message_id,
                commands.AFFECTED_CLASS: STUDY_FIND,
                commands.PRIORITY: commands.MEDIUM,
            },
            (
                identifiers.write(
                    identifier,
                    transfer_syntax_uid=context.transfer_syntax,
                    charset=peer.charset,
                ),
            ),
        )
        while answered.status >> 8 == status.PENDING >> 8:
            yield identifiers.read(
                answered.data_set(),
                transfer_syntax_uid=context.transfer_syntax,
                charset=peer.charset,
            )
            answered.discard()
            answered = response(association, message_id)
        _check("C-FIND", answered)


def pull(
    archive: Archive,
    desk: Desk,
    peer: Peer,
    *,
    study_uid: str,
    series_uid: str = "",
    instance_uid: str = "",
    by_move: bool = False,
    report: Callable[[Pulled], None] = lambda _: None,
) -> Pulled:
    """Fetches a study, a series or an instance.

    by_move  asks the peer to send it here, which it must have us in its table for; else C-GET
    report   is called after each sub-operation with what came over its association

    Raises DimseError, Refused when the peer refuses altogether, and Malformed for what is no UID:
    a peer may take a text without one, or with a wild card, for all it has.
    """
    for key, uid in ((STUDY, study_uid), (SERIES, series_uid), (INSTANCE, instance_uid)):
        if uid or key == STUDY:
            checked_uid(key_text(key), uid)
    level, key, uid = "STUDY", STUDY, study_uid
    identifier: Json = {STUDY: {"vr": "UI", "Value": [study_uid]}}
    if series_uid:
        level, key, uid = "SERIES", SERIES, series_uid
    if instance_uid:
        identifier[SERIES] = {"vr": "UI", "Value": [series_uid]}
        level, key, uid = "IMAGE", INSTANCE, instance_uid
    identifier[key] = {"vr": "UI", "Value": [uid]}
    identifier[LEVEL] = {"vr": "CS", "Value": [level]}
    if by_move:
        return _retrieve(archive, desk, peer, identifier, [], STUDY_MOVE, report)
    expected = _expected(archive, peer, identifier)
    done = Pulled()
    refused: Refused | None = None
    for wanted in _contexts(expected.classes):
        try:
            part = _retrieve(archive, desk, peer, identifier, wanted, STUDY_GET, report)
        except Refused as error:
            # Some peers refuse when there is nothing of these classes.
            refused = refused or error
            continue
        done = done.with_next(part, of=expected.instances)
        if not done.failed:
            return done
    if refused is not None and not (done.completed or done.warnings):
        raise refused
    if not expected.all_told:
        untold = f"{peer.aet} does not say of which SOP classes (0008,0016) they are"
        done.comment = f"{untold}: {len(expected.classes)} were tried; {done.comment}".rstrip("; ")
    return done


_ENCAPSULATED = tuple(one for one in TRANSFER_SYNTAXES.values() if one.encapsulated)


def _contexts(classes: Sequence[str]) -> Iterator[list[Wanted]]:
    """The storage contexts of each association. A compressed syntax has a context of its own, so
    that what is stored so comes as it is: of several in one the peer takes the one it likes, and
    transcodes. Where that would be too many contexts, one has them all."""
    room = MOST_CONTEXTS - 1
    each: list[tuple[str, ...]] = [(one.uid,) for one in _ENCAPSULATED]
    if len(classes) * (len(each) + 1) > room:
        # Not those of video: a peer might take one of them for what is none.
        each = [tuple(one.uid for one in _ENCAPSULATED if not one.video)]
    count = room // (len(each) + 1)
    for at in range(0, len(classes), count):
        yield [
            (uid, syntaxes)
            for uid in classes[at : at + count]
            for syntaxes in (*each, UNCOMPRESSED)
        ]


_USUAL: Final = tuple(
    f"1.2.840.10008.5.1.4.1.1.{each}"
    for each in (
        *("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3"),  # CR, DX, MG, IO
        *("2", "2.1", "2.2", "4", "4.1", "4.2", "4.3", "4.4"),  # CT, MR
        *("3.1", "6.1", "6.2", "7", "7.1", "7.2", "7.3", "7.4"),  # US, SC
        *("12.1", "12.1.1", "12.2", "12.2.1", "13.1.1", "13.1.3"),  # XA, RF, tomosynthesis
        *("20", "128", "128.1", "130", "481.1", "481.2", "481.3", "481.5"),  # NM, PT, RT
        *("66", "66.1", "66.4", "66.7", "67", "30", "11.1", "11.2"),  # raw, REG, SEG, PR
        *("88.11", "88.22", "88.33", "88.34", "88.59", "88.67", "88.71"),  # SR, KO, RDSR
        *("104.1", "104.2", "9.1.1", "9.1.2"),  # documents, ECG
        *("77.1.1", "77.1.1.1", "77.1.4", "77.1.4.1", "77.1.6"),  # endoscopy, photographs, slides
        *("77.1.5.1", "77.1.5.4"),  # ophthalmology
    )
)
"""Fewer than one association has contexts for: what nearly every study is made of."""


@dataclass(frozen=True, slots=True)
class _Expected:
    """What a peer says of the instances that are to be fetched.

    all_told  whether it said the SOP class of each; else `classes` are all, the usual first
    """

    classes: list[str]
    instances: int
    all_told: bool


def _expected(archive: Archive, peer: Peer, identifier: Json) -> _Expected:
    """What is to be expected, asked for image by image."""
    keys = {key: str(identifier[key]["Value"][0]) for key in identifier if key != LEVEL}
    classes: dict[str, None] = {}
    instances: set[str] = set()
    all_told = True
    try:
        for image in find(archive, peer, "IMAGE", keys, returned=("SOPClassUID", "SOPInstanceUID")):
            if uid := orders.first(image, INSTANCE):
                instances.add(uid)
            # Which an archive need not return (PS3.4 §C.6.1.1.5).
            if uid := orders.first(image, "00080016"):
                classes[uid] = None
            else:
                all_told = False
    except (Refused, NotNegotiated):
        all_told = False
    if classes and all_told:
        return _Expected(list(classes), len(instances), all_told)
    private = sorted(terms_of(archive.config).private - {"*"})
    others = (*_USUAL, *private, *sorted(STORAGE))
    return _Expected(list(dict.fromkeys((*classes, *others))), len(instances), all_told=False)


def _retrieve(
    archive: Archive,
    desk: Desk,
    peer: Peer,
    identifier: Json,
    storage: list[Wanted],
    model: str,
    report: Callable[[Pulled], None],
) -> Pulled:
    sender = f"{peer.aet}@{peer.host}"

    def open_sink(context: Context, command: Command) -> Sink:
        if command.get(commands.COMMAND_FIELD) == commands.C_STORE:
            return store.Incoming(archive, context, command, sender=peer.aet)
        return Spool(archive.storage.incoming, limit_bytes=identifiers.IDENTIFIER_BYTES)

    done = Pulled()
    with association_with(
        archive,
        peer,
        [(model, UNCOMPRESSED), *storage],
        roles={uid: (False, True) for uid, _ in storage},
        open_sink=open_sink,
    ) as association:
        context = association.context_for(model)
        if context is None:
            raise NotNegotiated("retrieving")
        session = Session(Bridge(archive, desk, terms_of(archive.config)), association, peer)

        def on_other(message: Message) -> None:
            try:
                if message.field != commands.C_STORE:
                    raise ProtocolError(f"a message of field {message.field:04X} in a retrieval")
                store.handle(session, message)
            finally:
                message.discard()

        answered = request(
            association,
            context,
            _command(archive, association, model),
            _identifier(identifier, context),
            on_other=on_other,
        )
        message_id = int(answered.command[commands.RESPONDED_ID])
        while answered.status >> 8 == status.PENDING >> 8:
            _count(done, answered)
            report(done)
            answered.discard()
            answered = response(association, message_id, on_other=on_other)
        _count(done, answered)
        answered.discard()
        if done.failed and not done.comment:
            done.comment = _without_context(association, storage)
        if status.is_failure(answered.status) and not (done.completed or done.failed):
            _check(f"a retrieval from {sender}", answered)
    report(done)
    return done


def _without_context(association: Association, storage: Sequence[Wanted]) -> str:
    """A sentence about the SOP classes that the peer accepted no context for, "" if there are
    none."""
    names = [
        name_of(uid)
        for uid in dict.fromkeys(uid for uid, _ in storage)
        if association.context_for(uid) is None
    ]
    more = f" and {len(names) - 3} others" if len(names) > 3 else ""
    return f"it accepted no context for {', '.join(names[:3])}{more}" if names else ""


def _command(archive: Archive, association: Association, model: str) -> dict[int, int | str]:
    command: dict[int, int | str] = {
        commands.COMMAND_FIELD: commands.C_MOVE if model == STUDY_MOVE else commands.C_GET,
        commands.MESSAGE_ID: association.new_id(),
        commands.AFFECTED_CLASS: model,
        commands.PRIORITY: commands.MEDIUM,
    }
    if model == STUDY_MOVE:
        command[commands.MOVE_DESTINATION] = archive.config.aet
    return command


def _identifier(identifier: Json, context: Context) -> tuple[Buffer]:
    return (identifiers.write(identifier, transfer_syntax_uid=context.transfer_syntax),)


def _count(done: Pulled, answered: Message) -> None:
    for name, element in (
        ("completed", commands.COMPLETED),
        ("failed", commands.FAILED),
        ("warnings", commands.WARNING),
    ):
        if isinstance(value := answered.command.get(element), int):
            setattr(done, name, value)
    done.comment = commands.text(answered.command, commands.ERROR_COMMENT) or done.comment


def _check(what: str, answered: Message) -> None:
    if status.is_failure(answered.status):
        comment = commands.text(answered.command, commands.ERROR_COMMENT)
        raise Refused(what, status=answered.status, comment=comment)
