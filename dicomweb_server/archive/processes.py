"""Processes that work for another one: they end when it does, however it ends."""

import gc
import multiprocessing
import os
import signal
import threading


def end_with_parent() -> None:
    """Sends this process SIGTERM when the one that started it is gone, killed or not.

    Only for processes that multiprocessing started.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def leave_interrupts_to_parent() -> None:
    """Ctrl-C in a terminal reaches every process; the parent ends its own in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def collect_seldom() -> None:
    """Lets Python look for reference cycles less often, in a process that stores or answers.

    An instance on its way in is some thousand objects and no cycles, and each search for them
    also walks what the modules hold: 6 % of the CPU that storing takes with Python's own numbers.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 50)
