"""Carries packets between two TUN devices and holds each for a while: `python -m benchmarks.carrier
DESCRIPTOR SECONDS`, run by `line` in the far namespace, with the near device handed down to it.

It imports nothing of ours, so it is there at once.
"""

import fcntl
import os
import select
import struct
import sys
import time
from collections import deque
from contextlib import suppress

# linux/if_tun.h
_TUNSETIFF, _TUNSETOFFLOAD = 0x400454CA, 0x400454D0
_TUN, _NO_PACKET_INFORMATION, _VNET_HEADER = 0x0001, 0x1000, 0x4000
_OFFLOADED = 0x01 | 0x02 | 0x04
"""Checksums and segments of TCP over IPv4 and IPv6 are left to whoever is last: packets cross in
pieces of up to 64 KiB, and arrive as if they had been segments."""

PACKET_BYTES = (64 << 10) + 10


def tun(name: str) -> int:
    """A new TUN device in this network namespace; it lasts as long as the descriptor."""
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    flags = _TUN | _NO_PACKET_INFORMATION | _VNET_HEADER
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), flags))
    fcntl.ioctl(device, _TUNSETOFFLOAD, _OFFLOADED)
    return device


def carry(one: int, other: int, delay_s: float) -> None:
    """Takes every packet from one device to the other, `delay_s` later; never returns."""
    sinks = {one: other, other: one}
    under_way: deque[tuple[float, int, bytes]] = deque()
    while True:
        wait = max(0.0, under_way[0][0] - time.monotonic()) if under_way else None
        ready, _, _ = select.select(list(sinks), [], [], wait)
        now = time.monotonic()
        for source in ready:
            # One for each turn: two busy directions share the process evenly.
            under_way.append((now + delay_s, sinks[source], os.read(source, PACKET_BYTES)))
        while under_way and under_way[0][0] <= now:
            _, sink, packet = under_way.popleft()
            with suppress(OSError):  # a device that is not up yet loses what comes, as any would
                os.write(sink, packet)


if __name__ == "__main__":
    carry(int(sys.argv[1]), tun("far"), float(sys.argv[2]))
