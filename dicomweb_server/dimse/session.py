"""What a service's handler is given: the archive, the association, and who is at its other end."""

from dataclasses import dataclass

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import Desk
from dicomweb_server.config import Config
from dicomweb_server.dimse.association import Association
from dicomweb_server.dimse.negotiation import Terms
from dicomweb_server.dimse.peers import Peer, read_peers


@dataclass(frozen=True, slots=True)
class Bridge:
    """What all associations of a process share."""

    archive: Archive
    desk: Desk
    terms: Terms


@dataclass(frozen=True, slots=True)
class Session:
    """One accepted association, as its services see it."""

    bridge: Bridge
    association: Association
    peer: Peer

    @property
    def archive(self) -> Archive:
        return self.bridge.archive

    @property
    def sender(self) -> str:
        """What is kept of who sent an instance: the AE title, and from where."""
        return f"{self.peer.aet}@{self.association.address}"


def terms_of(config: Config) -> Terms:
    """What the configuration says of who may ask for what. Raises ConfigError."""
    private = (uid.strip() for uid in (config.dimse_private_sop_classes or "").split(","))
    return Terms(
        title=config.aet,
        check_called=config.dimse_check_called,
        peers=read_peers(config),
        private=frozenset(uid for uid in private if uid),
        max_length=config.dimse_max_pdu,
    )
