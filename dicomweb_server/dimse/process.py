"""One process of the bridge: associations in threads and, in one of the processes, the jobs."""

import socket
import threading
from collections.abc import Sequence

from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import open_desk
from dicomweb_server.config import Config
from dicomweb_server.dimse.negotiation import Terms
from dicomweb_server.dimse.peers import Peers, read_peers
from dicomweb_server.dimse.server import Listener, Server
from dicomweb_server.dimse.session import Bridge
from dicomweb_server.dimse.tls import server_context


def terms_of(config: Config, peers: Peers) -> Terms:
    """What the configuration says of who may ask for what."""
    private = (uid.strip() for uid in config.dimse_private_sop_classes.split(","))
    return Terms(
        title=config.aet,
        check_called=config.dimse_check_called,
        peers=peers,
        private=frozenset(uid for uid in private if uid),
        max_length=config.dimse_max_pdu,
    )


def run_bridge(
    archive: Archive,
    listening: Sequence[tuple[socket.socket, bool]],
    *,
    jobs: bool,
    stop: threading.Event,
) -> None:
    """Takes associations until `stop` is set. Raises config.ConfigError.

    listening  sockets, and whether TLS is spoken on them
    jobs       whether this process also does what is queued
    """
    config = archive.config
    bridge = Bridge(archive, open_desk(archive), terms_of(config, read_peers(config)))
    listeners = [
        Listener(one, server_context(config) if secure else None) for one, secure in listening
    ]
    server = Server(bridge, listeners)
    server.run(stop)
    bridge.desk.close()
