"""The client that posts bodies, against a server of the standard library."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.load import bodies_in_turn


class Receiver(ThreadingHTTPServer):
    """Keeps what is posted to /, refuses what is posted to /refuse, and hangs up on /away."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.bodies: list[bytes] = []
        self.connections: set[object] = set()
        self.said: set[str | None] = set()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/away":
            self.close_connection = True
            return
        self.server.bodies.append(body)
        self.server.connections.add(self.client_address)
        self.server.said.add(self.headers["Content-Type"])
        answer = b"x" * 100_000
        self.send_response(507 if self.path == "/refuse" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as made:
        serving = threading.Thread(target=made.serve_forever)
        serving.start()
        yield made
        made.shutdown()
        serving.join()


@pytest.mark.parametrize("clients", [1, 4])
def test_each_body_arrives_once_and_whole(receiver: Receiver, clients: int) -> None:
    bodies = [bytes([number]) * (number * 200_000) for number in range(10)]
    headers = ["Content-Type: application/dicom"]
    waits = bodies_in_turn(receiver.server_port, "/", bodies, headers=headers, clients=clients)
    assert sorted(receiver.bodies) == sorted(bodies)
    assert len(waits) == len(bodies) and waits == sorted(waits)
    assert len(receiver.connections) == clients
    assert receiver.said == {"application/dicom"}


@pytest.mark.parametrize(("path", "said"), [("/refuse", "507"), ("/away", "ConnectionError")])
def test_what_is_not_stored_is_no_result(receiver: Receiver, path: str, said: str) -> None:
    with pytest.raises(RuntimeError, match=f"refused . requests: {said}"):
        bodies_in_turn(receiver.server_port, path, [b"one", b"two"], headers=[], clients=2)
