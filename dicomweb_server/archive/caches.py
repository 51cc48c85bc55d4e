"""What a process keeps at hand: the least recently used things go first, by weight."""

import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """Values of a total weight of `limit` at most; any thread may call."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.weight = 0
        self._entries: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V | None:
        with self._lock:
            return self._used(key)

    def get_all(self, keys: Iterable[K]) -> list[V | None]:
        """The same of each of the keys."""
        with self._lock:
            return [self._used(key) for key in keys]

    def _used(self, key: K) -> V | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        self._entries.move_to_end(key)
        return entry[0]

    def put(self, key: K, value: V, *, weight: int) -> None:
        """Keeps `value` in place of what `key` had; one heavier than the limit is not kept."""
        with self._lock:
            self._forget(key)
            if weight > self.limit:
                return
            self._entries[key] = (value, weight)
            self.weight += weight
            while self.weight > self.limit:
                self._forget(next(iter(self._entries)))

    def renew(self, key: K, value: V) -> None:
        """Puts `value` in place of one that weighs the same, if it is still there."""
        with self._lock:
            if key in self._entries:
                self._entries[key] = (value, self._entries[key][1])

    def discard(self, key: K) -> None:
        with self._lock:
            self._forget(key)

    def __len__(self) -> int:
        return len(self._entries)

    def _forget(self, key: K) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.weight -= entry[1]
