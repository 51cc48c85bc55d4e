"""Who holds a lease: a name that says of which process it is, so that others see when it has died.

A process is named by the boot of the machine, the namespace its number counts in, its number and
the time it was started (a number alone is given again). Where boot or namespace are others than
ours (another container, another machine), nobody can tell, and the lease runs out by itself.
"""

import os
import threading
from functools import cache
from pathlib import Path


def this_holder() -> str:
    """The name of the calling thread."""
    pid = os.getpid()
    return f"{_world()} {pid} {_started(pid)} {threading.get_ident()}"


def is_gone(holder: str) -> bool:
    """Whether the process that a name is of has certainly ended."""
    try:
        boot, namespace, pid, started, _ = holder.split()
    except ValueError:
        return False
    return f"{boot} {namespace}" == _world() and pid.isdecimal() and _started(int(pid)) != started


@cache
def _world() -> str:
    """Boot of the machine and namespace of process numbers."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return "unknown unknown"


def _started(pid: int) -> str:
    """When a process was started, in ticks since the boot; `-` when there is none.

    One that has ended and was not waited for yet is none (proc(5), field 3: Z and X).
    """
    try:
        # The name of the program, in parentheses, may hold anything.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "-"
    return "-" if fields[0] in "ZX" else fields[19]
