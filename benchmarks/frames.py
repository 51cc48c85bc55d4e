"""How many frames a second, one request each, and what does each cost the server?

Cases: the form each archive keeps (`transfer-syntax=*`) over 1, 6 and 16 connections, of archives
of 10,000 studies too, and over TLS; and Explicit VR Little Endian, which is our
frames decoded (cold: every frame for the first time; warm: from the cache) against the bytes
Orthanc has on disk; JPEG-LS and JPEG 2000 made of them. nginx serves the very payloads ours does.

Each round asks for the same 500 frames over and over, as the stations of a reading room do for one
study: ours remembers its answers. "each request numbered" is the same with a header that no other
request has, as proxies and traces give them. "asked for the first time" is what a frame costs who
is the first to ask for it, with the headers of the frame before: ours is told to remember neither
replies nor frames (`remembered_cache_mib`, `stored_cache_mib`). Kept are 124 kB a slice of ours
(HTJ2K) and 525 kB of Orthanc's (as received); MB/s stand beside the rate. All 500 fit into what
each holds in memory: 62 MB of our 64 MiB, 262 MB of Orthanc's GiB. Until 27 November 2026 nginx
filled packets first (tcp_nopush), which gave it the p95 of 14 to 37 ms.
"""

import re
from collections.abc import Callable, Iterator

from benchmarks.bench import Bench
from benchmarks.load import one_request_body, requests_in_turn
from benchmarks.measure import Sample, Summary
from benchmarks.peers import Peer
from benchmarks.secure import SecureNginx, SecureOurs

STORED = 'Accept: multipart/related; type="application/octet-stream"; transfer-syntax=*'
EXPLICIT = (
    'Accept: multipart/related; type="application/octet-stream"; '
    "transfer-syntax=1.2.840.10008.1.2.1"
)
ENCODED = {"JPEG-LS": "1.2.840.10008.1.2.4.80", "JPEG 2000": "1.2.840.10008.1.2.4.90"}


def part_of(peer: Peer, path: str, accept: str) -> tuple[str, bytes]:
    """Content-Type and payload of the single part a frame's answer holds."""
    body = one_request_body(peer.port, peer.root + path, [accept])
    head, _, rest = body.partition(b"\r\n\r\n")
    found = re.search(rb"content-type:\s*([^\r\n]+)", head, re.IGNORECASE)
    assert found is not None, f"{peer.name} sent a part without Content-Type"
    boundary = head.lstrip(b"\r\n").partition(b"\r\n")[0]
    return found[1].decode(), rest[: rest.rindex(b"\r\n" + boundary)]


def run(bench: Bench) -> Iterator[Summary]:
    series = bench.ct500
    paths = series.frame_paths()
    ours, two, orthanc = bench.ours, bench.ours_two_workers, bench.orthanc
    with bench.running(ours):
        parts = [part_of(ours, path, STORED) for path in paths]
    bench.nginx.load_frames(series, [payload for _, payload in parts], part_type=parts[0][0])

    def asking(
        peer: Peer,
        accept: str,
        connections: int,
        count: int | None = None,
        *,
        numbered: bool = False,
    ) -> tuple[str, Callable[[], Sample]]:
        def measure() -> Sample:
            return requests_in_turn(
                peer,
                paths[:count] if count else paths,
                scratch=bench.scratch,
                connections=connections,
                seconds=bench.seconds,
                headers=[accept],
                numbered=numbered,
            )

        return peer.name, measure

    many: list[Peer] = [bench.ours_10k, bench.orthanc_10k]
    with bench.running(ours, two, orthanc, bench.nginx, *many):
        for connections in bench.connections:
            yield from bench.compare(
                "frames",
                f"stored form, {connections} connections",
                "frames",
                [
                    asking(ours, STORED, connections),
                    asking(two, STORED, connections),
                    asking(orthanc, STORED, connections),
                    asking(bench.nginx, STORED, connections),
                    *(asking(peer, STORED, connections) for peer in many),
                ],
            )
        yield from bench.compare(
            "frames",
            "stored form, each request numbered, 6 connections",
            "frames",
            [asking(peer, STORED, 6, numbered=True) for peer in (ours, two, orthanc, bench.nginx)],
        )
        # All 500 decoded are more than the cache holds, so each comes anew; 50 fit in it.
        yield from bench.compare(
            "frames",
            "Explicit VR LE, cold, 6 connections",
            "frames",
            [asking(ours, EXPLICIT, 6), asking(orthanc, EXPLICIT, 6)],
        )
        yield from bench.compare(
            "frames",
            "Explicit VR LE, warm, 6 connections",
            "frames",
            [asking(ours, EXPLICIT, 6, 50), asking(orthanc, EXPLICIT, 6, 50)],
        )
        for name, syntax in ENCODED.items():
            accept = EXPLICIT.replace("1.2.840.10008.1.2.1", syntax)
            yield from bench.compare(
                "frames",
                f"{name}, encoded once, 6 connections",
                "frames",
                [asking(ours, accept, 6, 50)],
            )
    forgetful = bench.ours.forgetful(port=18006), bench.ours_10k.forgetful(port=18007)
    with bench.running(*forgetful, orthanc, bench.nginx, bench.orthanc_10k):
        yield from bench.compare(
            "frames",
            "stored form, asked for the first time, 6 connections",
            "frames",
            [
                asking(peer, STORED, 6)
                for peer in (*forgetful, orthanc, bench.nginx, bench.orthanc_10k)
            ],
        )
    secure = SecureOurs(ours.directory, port=18005), SecureNginx(bench.nginx.directory, port=18081)
    with bench.running(*secure):
        yield from bench.compare(
            "frames",
            "stored form over TLS, 6 connections",
            "frames",
            [asking(peer, STORED, 6) for peer in secure],
        )
