"""How long who stores waits for those who are likely to come as well.

A transaction takes as long as reading three small instances. Senders that wait for each answer send
again when they have it, all of a batch at about the same time; stored as they come they fall into
groups that take turns, with two or three transactions where one would do.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TypeVar

Part = TypeVar("Part")

STEP_S = 0.0003
STEPS = 4
"""Looks for those who are missing: 1.2 ms are less than the transaction that is saved."""

REMEMBERED = 8
"""Batches after which who has left is no longer waited for."""


class Gathering:
    """Of those whose parts are stored together; one thread at a time calls."""

    def __init__(self) -> None:
        self._lately: deque[int] = deque([1], maxlen=REMEMBERED)

    def more(self, senders: int, take: Callable[[], Sequence[Part]]) -> Sequence[Part]:
        """What `take` gives: at once, or waited for when lately there were more senders than the
        `senders` whose parts have been read. Who is alone, and was lately, waits for nobody."""
        steps = STEPS if senders < max(self._lately) else 0
        for _ in range(steps):
            if found := take():
                return found
            time.sleep(STEP_S)
        return take()

    def ended(self, senders: int) -> None:
        """A batch has been stored, when there were so many senders: of its parts, and of those
        that wait for the next."""
        self._lately.append(senders)
