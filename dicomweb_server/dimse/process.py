"""One process of the bridge: associations in threads and, in one of the processes, the jobs."""

import socket
import threading
from collections.abc import Sequence

from dicomweb_server.access.doors import open_doors
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import open_desk
from dicomweb_server.dimse.jobs import Jobs
from dicomweb_server.dimse.server import Listener, Server
from dicomweb_server.dimse.session import Bridge, terms_of
from dicomweb_server.dimse.tls import server_context


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
    doors = open_doors(config, archive.directory)
    archive = archive.noting(doors.journal)
    bridge = Bridge(archive, open_desk(archive), terms_of(config), doors)
    listeners = [
        Listener(one, server_context(config) if secure else None) for one, secure in listening
    ]
    server = Server(bridge, listeners)
    working = threading.Thread(target=Jobs(bridge, stop).run, name="jobs", daemon=True)
    if jobs:
        working.start()
    server.run(stop)
    if jobs:
        working.join(timeout=10)
    bridge.desk.close()
    doors.close()
