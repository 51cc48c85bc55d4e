"""DICOM over TLS (PS3.15 §B.12), with and without a certificate of the caller."""

import socket
import ssl
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

import dicomweb_server.dimse.association as association_module
from dicomweb_server.dimse.association import Context
from dicomweb_server.dimse.errors import PeerGone
from dicomweb_server.dimse.server import CONNECTIONS_BEYOND
from tests.dimse.conftest import bridged
from tests.dimse.programs import free_port, run, running, tried, wait_for_port
from tests.dimse.test_transfers import files
from tests.dimse.wire import CT, association_on, drips_until_closed, store_command
from tests.servers import wait_for

SUBJECT_ALT_NAME = "subjectAltName=IP:127.0.0.1"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ca.pem, and server.pem and client.pem of it, with keys; stranger.pem of nobody."""
    directory = tmp_path_factory.mktemp("certificates")

    def openssl(*arguments: object) -> None:
        run("openssl", *arguments, cwd=directory)

    for name in ("ca", "stranger"):
        openssl(
            "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign,digitalSignature",
        )  # fmt: skip
    (directory / "ext").write_text(
        SUBJECT_ALT_NAME + "\nkeyUsage=digitalSignature,keyEncipherment\n"
    )
    for name in ("server", "client"):
        openssl(
            "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr",
        )  # fmt: skip
        openssl(
            "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", 2,
            "-out", f"{name}.pem", "-extfile", "ext",
        )  # fmt: skip
    return directory


def secure(certificates: Path, port: int, *, authorities: bool) -> str:
    return f"""
        dimse_tls_port = {port}
        dimse_tls_certificate = "{certificates}/server.pem"
        dimse_tls_key = "{certificates}/server.key"
    """ + (f'dimse_tls_authorities = "{certificates}/ca.pem"\n' if authorities else "")


def test_a_caller_shows_a_certificate_of_a_trusted_authority_or_is_refused(
    certificates: Path, tmp_path: Path
) -> None:
    port = free_port()
    trust = ("+cf", certificates / "ca.pem")

    def echo(*flags: object) -> int:
        return tried("echoscu", *flags, *trust, "127.0.0.1", port)[0]

    with bridged(tmp_path, config=secure(certificates, port, authorities=True)):
        wait_for_port(port)
        assert echo("+tls", certificates / "client.key", certificates / "client.pem") == 0
        assert echo("+tls", certificates / "stranger.key", certificates / "stranger.pem") != 0
        assert echo("+tla") != 0
        assert tried("echoscu", "127.0.0.1", port)[0] != 0


def test_without_authorities_callers_need_no_certificate_and_instances_pass(
    certificates: Path, tmp_path: Path
) -> None:
    port = free_port()
    with bridged(tmp_path, config=secure(certificates, port, authorities=False)):
        wait_for_port(port)
        flags = ("+tla", "+cf", certificates / "ca.pem")
        made = files(tmp_path / "made", 3)
        run("storescu", *flags, "127.0.0.1", port, *made)
        found = run(
            "findscu", *flags, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k",
            "NumberOfStudyRelatedInstances", "127.0.0.1", port,
        )  # fmt: skip
        assert "[3" in found


def test_instances_are_sent_over_tls_to_a_peer_set_so(certificates: Path, tmp_path: Path) -> None:
    ours, sink = free_port(), free_port()
    config = (
        secure(certificates, ours, authorities=True)
        + f"""
        [[peers]]
        aet = "SINK"
        host = "127.0.0.1"
        port = {sink}
        tls = true
        [[forward]]
        to = "SINK"
    """
    )
    received = tmp_path / "received"
    received.mkdir()
    with (
        running(
            "storescp", "+tls", certificates / "server.key", certificates / "server.pem",
            "+cf", certificates / "ca.pem", "-od", received, "-aet", "SINK", sink,
            port=sink, cwd=tmp_path,
        ),
        bridged(tmp_path, config=config) as bridge,
    ):  # fmt: skip
        run("dcmsend", "127.0.0.1", bridge.port, *files(tmp_path / "made", 2))
        wait_for(lambda: len(list(received.iterdir())) == 2, seconds=20)


@pytest.mark.parametrize("handshake", [True, False])
def test_one_timer_runs_for_the_handshake_and_the_association_request(
    certificates: Path, tmp_path: Path, *, handshake: bool
) -> None:
    port = free_port()
    config = secure(certificates, port, authorities=False) + "dimse_timeout_s = 1\n"
    with bridged(tmp_path, config=config):
        wait_for_port(port)
        with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
            if not handshake:
                # The beginning of a long ClientHello.
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                assert drips_until_closed(connection)
                return
            trusting = ssl.create_default_context(cafile=certificates / "ca.pem")
            with trusting.wrap_socket(connection, server_hostname="127.0.0.1") as secured:
                assert drips_until_closed(secured)


def test_who_asks_for_no_association_over_tls_keeps_nobody_out(
    certificates: Path, tmp_path: Path
) -> None:
    port = free_port()
    config = secure(certificates, port, authorities=False)
    with bridged(tmp_path, "--dimse-associations", 1, config=config), ExitStack() as silent:
        wait_for_port(port)
        for _ in range(1 + CONNECTIONS_BEYOND + 3):
            silent.enter_context(socket.create_connection(("127.0.0.1", port), timeout=15))
        run("echoscu", "+tla", "+cf", certificates / "ca.pem", "127.0.0.1", port)


@pytest.mark.parametrize("least_bytes_s", [1000, 10_000_000])
@pytest.mark.parametrize("tls", [False, True])
def test_a_peer_may_take_a_message_slowly_and_not_for_ever(
    certificates: Path, monkeypatch: pytest.MonkeyPatch, tls: bool, least_bytes_s: int
) -> None:
    """A byte that it takes now and then ends the silence: a message has a least rate here too."""
    monkeypatch.setattr(association_module, "LEAST_BYTES_S", least_bytes_s)
    ours, theirs = socket.socketpair()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    taken = bytearray()

    def take() -> None:
        peer = theirs
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            peer = context.wrap_socket(theirs)
        with suppress(OSError), peer:
            while piece := peer.recv(2000):
                taken.extend(piece)
                time.sleep(0.005)

    taking = threading.Thread(target=take)
    taking.start()
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        ours = context.wrap_socket(ours, server_side=True)
    association = association_on(ours, timeout_s=0.4)
    association.peer_max_length = 16384
    begun = time.monotonic()
    try:
        if least_bytes_s > 1000:
            with pytest.raises(PeerGone, match="less than 10000000 a second"):
                association.send(Context(1, CT, "1.2"), store_command("1.2"), [bytes(500_000)])
        else:
            association.send(Context(1, CT, "1.2"), store_command("1.2"), [bytes(500_000)])
            assert time.monotonic() - begun > 0.8
    finally:
        ours.close()
        taking.join()
    assert (len(taken) > 500_000) is (least_bytes_s == 1000)
