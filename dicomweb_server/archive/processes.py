"""Processes that work for another one: they end when it does, however it ends."""

import ctypes
import gc
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext
from queue import SimpleQueue


def context_with(*modules: str) -> ForkServerContext:
    """Makes processes that have imported `modules`: forked from one that has done so and nothing
    else, so that it has neither threads nor anything open. Importing the whole program is 2 s of
    CPU and 90 MB, which four processes beside a server would each spend anew."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(modules))
    # Ctrl-C reaches that one too, which ignores it only once it has imported, and SIGTERM when the
    # whole group of processes is told to stop: it has to be there until those have ended that were
    # forked from it, or nobody can wait for them. What it is started after would take the block off
    # again.
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return context


def end_with_parent() -> None:
    """Sends this process SIGTERM when the one that started it is gone, killed or not.

    Only for processes made by `context_with`, behind what they do at SIGTERM: it is let in here.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def set_at(flag: threading.Event, *numbers: int) -> None:
    """Sets `flag` at these signals, in another thread: what a signal calls may have interrupted
    whoever holds the flag's lock, itself at the signal before it, and would wait for that for ever.
    """
    told = told_to(flag.set)
    for number in numbers:
        signal.signal(number, lambda _, stack: told())


def told_to(act: Callable[[], None]) -> Callable[[], None]:
    """Has a thread call `act` once, as soon as what is returned has been called, which may be in
    the middle of anything: putting something into such a queue is all that it does."""
    told: SimpleQueue[None] = SimpleQueue()

    def wait() -> None:
        told.get()
        act()

    threading.Thread(target=wait, name="told", daemon=True).start()
    return lambda: told.put(None)


def leave_interrupts_to_parent() -> None:
    """Ctrl-C in a terminal reaches every process; the parent ends its own in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


TURN_S = 0.0005


def take_short_turns() -> None:
    """Lets no thread compute for longer than TURN_S while another waits, in a process that answers.

    With Python's own 5 ms a request waits so long, at each of its changes of thread, whenever the
    audit's thread is at work: the p95 of searches was 5 to 7 ms, and is 2.4.
    """
    sys.setswitchinterval(TURN_S)


def collect_seldom() -> None:
    """Lets Python look for reference cycles less often, in a process that stores or answers.

    An instance on its way in is some thousand objects and no cycles, and each search for them
    also walks what the modules hold: 6 % of the CPU that storing takes with Python's own numbers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 50)


KEPT_BYTES = 64 << 20
"""Of freed memory, at the end of each of malloc's heaps: a batch is half of it."""

HEAPS = 2
"""Malloc makes as many as threads want, up to eight a processor; Python's lock leaves one thread at
a time to ask for memory."""

MAPPED_BYTES = 4 << 20
"""What is larger is asked of the system by itself, and given back at once."""

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


def keep_memory() -> None:
    """Lets glibc keep some of what is freed (mallopt(3)), in a process that stores or answers.

    Slices come and go by half a megabyte; given back to the system and asked for anew, each of
    their pages is a fault and is cleared: a quarter of the CPU of storing fifty in a request.
    """
    with suppress(AttributeError, OSError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_ARENA_MAX, HEAPS)
        mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        mallopt(_M_MMAP_THRESHOLD, MAPPED_BYTES)
