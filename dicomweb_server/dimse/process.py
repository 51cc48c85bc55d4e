"""One process of the bridge: associations in threads and, in one of the processes, the jobs."""

import socket
import sys
import threading
from collections.abc import Sequence

from dicomweb_server.access.doors import open_doors
from dicomweb_server.archive.archive import Archive
from dicomweb_server.archive.desk import open_desk
from dicomweb_server.dimse.jobs import Jobs
from dicomweb_server.dimse.server import Listener, Server
from dicomweb_server.dimse.session import Bridge, terms_of
from dicomweb_server.dimse.tls import server_context

SWITCH_S = 0.0005
"""How long a thread may keep the interpreter while others wait: the one that commits for all waits
behind those that read, and with Python's 5 ms every group commit came so much later."""


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
    sys.setswitchinterval(SWITCH_S)
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
