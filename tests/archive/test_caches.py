"""Caches: bounded by weight, the least recently used first to go."""

from dicomweb_server.archive.caches import Cache


def test_the_least_recently_used_goes_first() -> None:
    cache: Cache[str, int] = Cache(10)
    cache.put("a", 1, weight=4)
    cache.put("b", 2, weight=4)
    assert cache.get("a") == 1
    cache.put("c", 3, weight=4)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (1, None, 3)
    assert cache.weight == 8


def test_several_are_used_at_once() -> None:
    cache: Cache[str, int] = Cache(10)
    for key in "abc":
        cache.put(key, ord(key), weight=3)
    assert cache.get_all(["a", "x", "b"]) == [97, None, 98]
    cache.put("d", 100, weight=3)
    assert cache.get_all("abcd") == [97, 98, None, 100]


def test_a_value_put_again_weighs_once() -> None:
    cache: Cache[str, int] = Cache(10)
    cache.put("a", 1, weight=6)
    cache.put("a", 2, weight=7)
    assert (cache.get("a"), cache.weight, len(cache)) == (2, 7, 1)


def test_what_is_heavier_than_the_limit_is_not_kept_and_displaces_nothing_else() -> None:
    cache: Cache[str, int] = Cache(10)
    cache.put("a", 1, weight=6)
    cache.put("b", 2, weight=11)
    assert (cache.get("a"), cache.get("b")) == (1, None)
    cache.put("a", 3, weight=11)
    assert (cache.get("a"), cache.weight) == (None, 0)


def test_what_is_discarded_is_gone() -> None:
    cache: Cache[str, int] = Cache(10)
    cache.put("a", 1, weight=6)
    cache.discard("a")
    cache.discard("a")
    assert (cache.get("a"), cache.weight) == (None, 0)
