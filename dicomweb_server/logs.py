"""The log on standard error, one line an event, written by a thread of its own.

Whoever logs never waits: standard error may be a pipe that nobody reads, and when that is full a
write to it blocks for ever, with the event loop or an association behind it. So lines go into a
bounded queue; what does not fit is dropped and counted, and the next line that is written says so.

What others say of themselves (AE titles, comments, names of files) makes no line of its own:
control characters are escaped, and a traceback is indented.
"""

import atexit
import logging
import os
import queue
import re
import threading
import time
from contextlib import suppress
from typing import Any

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"

STANDARD_ERROR = 2

WAITING_LINES = 10_000

LAST_LINES_S = 1.0
"""Seconds a process that ends waits for its last lines to be read."""


_UNSHOWN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, of which some end a line, and Unicode's two separators of lines."""


def escaped(text: str) -> str:
    """The text with control characters as Python writes them, on one line."""
    return _UNSHOWN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class LineFormatter(logging.Formatter):
    """An event as one line; below it, indented, the traceback if there is one."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        return escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802
        return "\n".join(f"  {escaped(line)}" for line in super().formatException(ei).split("\n"))


class UnhurriedHandler(logging.Handler):
    """Writes lines to a file descriptor from a thread; `emit` never blocks."""

    def __init__(self, descriptor: int, *, waiting_lines: int = WAITING_LINES) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._waiting: queue.Queue[str] = queue.Queue(waiting_lines)
        self._dropped = 0
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._waiting.put_nowait(self.format(record))
        except queue.Full:
            self._dropped += 1
        except Exception:
            self.handleError(record)

    def finish(self, *, within_s: float = LAST_LINES_S) -> None:
        """Returns when every line is written, or after a while when nobody reads them."""
        end = time.monotonic() + within_s
        while self._waiting.unfinished_tasks and time.monotonic() < end:
            time.sleep(0.01)

    def _run(self) -> None:
        while True:
            line = self._waiting.get()
            if dropped := self._taken():
                line += f"\n{dropped} lines are missing here: nobody read what came before"
            # A descriptor that is closed has nobody to tell.
            with suppress(OSError):
                self._write(f"{line}\n".encode("utf-8", "backslashreplace"))
            self._waiting.task_done()

    def _taken(self) -> int:
        """How many lines were dropped since it was asked last."""
        self.acquire()
        try:
            dropped, self._dropped = self._dropped, 0
        finally:
            self.release()
        return dropped

    def _write(self, text: bytes) -> None:
        # Not through sys.stderr: a thread that waits in it would hold its lock at exit.
        while text:
            text = text[os.write(self._descriptor, text) :]


def set_up_logging(level: str) -> None:
    """Everything of this level and above goes to standard error."""
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
        if isinstance(handler, UnhurriedHandler):
            atexit.unregister(handler.finish)
            handler.finish()
    handler = UnhurriedHandler(STANDARD_ERROR)
    handler.setFormatter(LineFormatter(FORMAT))
    root.addHandler(handler)
    root.setLevel(level.upper())
    atexit.register(handler.finish)
