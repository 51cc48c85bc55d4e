"""Run in a network namespace of its own by test_line: a server at the near end of a line, fetched
from at the far end. Prints what came, and the time a connection takes, as JSON."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from benchmarks.line import NEAR, Line

BODY = bytes(200_000)
CONNECT = (
    "import socket, sys, time; t = time.perf_counter();"
    "socket.create_connection((sys.argv[1], int(sys.argv[2]))); print(time.perf_counter() - t)"
)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_: object) -> None:
        pass


def main(mbit: int, round_trip_ms: float) -> None:
    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with Line(mbit=mbit, round_trip_ms=round_trip_ms) as line:
        where = [NEAR, str(server.server_port)]
        asked = {"paths": [f"/{n}" for n in range(30)], "headers": [], "connections": 3}
        fetch = line.far([sys.executable, "-m", "benchmarks.fetch", *where])
        run = subprocess.run(
            fetch, input=json.dumps(asked).encode(), capture_output=True, check=True
        )
        connect = line.far([sys.executable, "-c", CONNECT, *where])
        seconds = min(float(subprocess.check_output(connect)) for _ in range(5))
        came = json.loads(run.stdout)
        capacity = line.payload_bytes_per_s
    print(json.dumps({**came, "connect_s": seconds, "capacity": capacity}))


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
