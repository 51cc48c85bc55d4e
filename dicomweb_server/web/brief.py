"""Work that takes less time than a change of thread and back, some 100 to 300 us, is done by the
event loop itself.

How long a search takes nobody knows beforehand, but those before it of the same kind tell. A kind
is brief when the last ones all took less than BRIEF_S; one that took longer ends that at once. So
an index that is not in memory, or a pattern that matches as no other did, stops the loop for one
search, and not again before searches of its kind have been brief in a thread.
"""

import time
from collections.abc import Callable, Hashable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

BRIEF_S = 0.002
"""What others that wait for the loop are asked to wait at most: as long as forty frames take."""

IN_A_ROW = 8
"""So many have to have been brief."""

KINDS = 1000
"""More are not told apart; clients may think out as many as they like."""


class Brief:
    """What is known of kinds of work. Any thread may call: a count that is lost matters nothing."""

    def __init__(self) -> None:
        self._in_a_row: dict[Hashable, int] = {}

    def __contains__(self, kind: Hashable) -> bool:
        return self._in_a_row.get(kind, 0) >= IN_A_ROW

    def timed(
        self, kind: Hashable, work: Callable[Arguments, Result]
    ) -> Callable[Arguments, Result]:
        """The same work; how long it takes is noted when it is done."""

        def done(*arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
            started = time.perf_counter()
            try:
                return work(*arguments, **named)
            finally:
                self._note(kind, time.perf_counter() - started)

        return done

    def _note(self, kind: Hashable, seconds: float) -> None:
        if kind not in self._in_a_row and len(self._in_a_row) >= KINDS:
            self._in_a_row.clear()
        before = self._in_a_row.get(kind, 0)
        self._in_a_row[kind] = min(before + 1, IN_A_ROW) if seconds < BRIEF_S else 0
