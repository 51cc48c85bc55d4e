"""What a service's handler is given: the archive, the association, and who is at its other end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from dicomweb_server.access.caller import SYSTEM, Act, Caller
from dicomweb_server.access.doors import Doors
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import Desk
from dicomweb_server.archive.together import Together
from dicomweb_server.config import Config, ConfigError
from dicomweb_server.dicom.uids import is_uid
from dicomweb_server.dimse.association import Association
from dicomweb_server.dimse.negotiation import Terms
from dicomweb_server.dimse.peers import Peer, read_peers
from dicomweb_server.dimse.sop_classes import (
    COMMITMENT,
    ECHO,
    FIND,
    GET,
    MOVE,
    MPPS,
    STORE,
    WORKLIST,
)


@dataclass(frozen=True, slots=True)
class Bridge:
    """What all associations of a process share; `archive` and `desk` as the program itself sees
    them, for what nobody asked for.

    doors     who may come in; None where nobody comes: on associations that we asked for
    together  stores what associations receive side by side
    """

    archive: Archive
    desk: Desk
    terms: Terms
    doors: Doors | None = None
    together: Together = field(default_factory=Together)


@dataclass(frozen=True, slots=True)
class Session:
    """One accepted association, as its services see it: `archive` and `desk` know who asks."""

    bridge: Bridge
    association: Association
    peer: Peer
    caller: Caller = SYSTEM
    archive: Archive = field(init=False)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "archive", self.bridge.archive.seen_by(self.caller))
        object.__setattr__(self, "desk", self.bridge.desk.seen_by(self.caller))

    @property
    def sender(self) -> str:
        """What is kept of who sent an instance: the AE title, and from where."""
        return f"{self.peer.aet}@{self.association.address}"


ACTS: Mapping[str, frozenset[Act]] = {
    ECHO: frozenset(),
    STORE: frozenset({Act.STORE}),
    FIND: frozenset({Act.SEARCH}),
    MOVE: frozenset({Act.SEARCH, Act.VIEW, Act.TRANSFER}),
    GET: frozenset({Act.SEARCH, Act.VIEW}),
    WORKLIST: frozenset({Act.SEARCH}),
    MPPS: frozenset({Act.ORDER}),
    COMMITMENT: frozenset({Act.STORE}),
}
"""What a service of the peers table allows: the table is the identity of modalities."""


def caller_of(peer: Peer, address: str) -> Caller:
    """A peer as who asks on one association."""
    acts = frozenset[Act]().union(*(ACTS[service] for service in peer.services))
    return Caller(peer.aet, acts, session_id=f"association {uuid4()}", address=address)


def terms_of(config: Config) -> Terms:
    """What the configuration says of who may ask for what. Raises ConfigError."""
    listed = (uid.strip() for uid in (config.dimse_private_sop_classes or "").split(","))
    private = frozenset(uid for uid in listed if uid)
    for uid in private:
        if uid != "*" and not is_uid(uid):
            raise ConfigError(
                "dimse_private_sop_classes", f"'{uid}' is no UID", origin="configuration"
            )
    return Terms(
        title=config.aet,
        check_called=config.dimse_check_called,
        peers=read_peers(config),
        private=private,
        max_length=config.dimse_max_pdu,
    )
