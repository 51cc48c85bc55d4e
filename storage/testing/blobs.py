"""The promises of BlobStore, as tests. An engine inherits the class and says how it is opened:

class TestPackStore(BlobStoreContract):
    def open(self, directory): return PackStore(directory)
"""

import hashlib
import os
import random
import threading
import time
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from storage.contract import BlobStore
from storage.errors import Corrupt, NotFound
from storage.model import Buffer, Digest, Form, Place


def digest_of(content: bytes) -> Digest:
    return Digest(hashlib.sha256(content).digest())


def append(store: BlobStore, content: bytes) -> tuple[Digest, Place]:
    """Appends a content as it is."""
    digest = digest_of(content)
    return digest, store.append(digest, content, form=Form.RAW, content_length=len(content))


class BlobStoreContract:
    """Every promise of `storage.contract.BlobStore` and `PackWriter`."""

    def open(self, directory: Path) -> BlobStore:
        """A store, empty when `directory` is."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, tmp_path: Path) -> BlobStore:
        return self.open(tmp_path)

    def test_what_was_appended_is_read(self, store: BlobStore) -> None:
        _, place = append(store, b"pixels")
        assert store.read(place) == b"pixels"

    def test_a_place_says_everything_that_was_given(self, store: BlobStore) -> None:
        place = store.append(digest_of(b"x" * 9), b"abc", form=Form.ZSTD, content_length=9)
        assert (place.length, place.form, place.content_length) == (3, Form.ZSTD, 9)

    @pytest.mark.parametrize("make", [bytes, bytearray, memoryview])
    def test_any_buffer_may_be_appended(
        self, store: BlobStore, make: type[bytes] | type[bytearray] | type[memoryview]
    ) -> None:
        payload: Buffer = make(b"some bytes")
        place = store.append(digest_of(b"some bytes"), payload, form=Form.RAW, content_length=10)
        assert store.read(place) == b"some bytes"

    def test_a_buffer_may_be_reused_after_append(self, store: BlobStore) -> None:
        buffer = bytearray(b"first")
        place = store.append(digest_of(b"first"), buffer, form=Form.RAW, content_length=5)
        buffer[:] = b"later"
        assert store.read(place) == b"first"

    def test_an_empty_payload_is_kept(self, store: BlobStore) -> None:
        _, place = append(store, b"")
        assert store.read(place) == b""

    def test_payloads_of_any_length_lie_side_by_side(self, store: BlobStore) -> None:
        contents = [os.urandom(length) for length in (1, 7, 4096, 65_537, 3_000_000, 2)]
        places = [append(store, content)[1] for content in contents]
        assert [store.read(place) for place in places] == contents

    def test_equal_contents_may_be_appended_twice(self, store: BlobStore) -> None:
        _, one = append(store, b"same")
        _, two = append(store, b"same")
        assert one != two
        assert store.read(one) == store.read(two) == b"same"

    def test_read_into_fills_a_buffer_with_the_payload(self, store: BlobStore) -> None:
        contents = [os.urandom(length) for length in (1, 4096, 1_500_000)]
        places = [append(store, content)[1] for content in contents]
        buffer = bytearray(2_000_000)
        at = 7
        for place in places:
            store.read_into(place, memoryview(buffer)[at : at + place.length])
            at += place.length
        assert buffer[7:at] == b"".join(contents)
        wrong = replace(places[1], checksum=places[1].checksum ^ 1)
        with pytest.raises(Corrupt):
            store.read_into(wrong, memoryview(bytearray(4096)))

    def test_read_ready_gives_the_payload_or_nothing(self, store: BlobStore) -> None:
        contents = [os.urandom(length) for length in (5, 0, 100_000, 1_500_000)]
        places = [append(store, content)[1] for content in contents]
        for content, place in zip(contents, places, strict=True):
            assert store.read_ready(place) in (None, content)
            assert store.read(place) == content
            assert store.read_ready(place) in (None, content)

    def test_read_part_gives_any_range_of_the_payload(self, store: BlobStore) -> None:
        content = os.urandom(100_000)
        append(store, b"before")
        _, place = append(store, content)
        append(store, b"behind")
        for offset, length in ((0, 100_000), (0, 1), (99_999, 1), (500, 60_000), (100_000, 0)):
            assert store.read_part(place, offset, length) == content[offset : offset + length]

    @pytest.mark.parametrize(("offset", "length"), [(-1, 2), (0, 7), (6, 1), (7, 0), (3, -1)])
    def test_read_part_refuses_a_range_that_leaves_the_payload(
        self, store: BlobStore, offset: int, length: int
    ) -> None:
        _, place = append(store, b"123456")
        append(store, b"behind")
        with pytest.raises(ValueError):
            store.read_part(place, offset, length)

    def test_digest_at_names_the_content(self, store: BlobStore) -> None:
        append(store, b"one")
        digest, place = append(store, b"two")
        assert store.digest_at(place) == digest

    def test_digest_at_says_when_nothing_was_written_at_a_place(self, store: BlobStore) -> None:
        _, place = append(store, b"a payload")
        wrong = [
            Place(place.pack, place.offset + 1, place.length, Form.RAW, 9, place.checksum),
            Place(place.pack, place.offset, place.length - 1, Form.RAW, 9, place.checksum),
            Place(place.pack, place.offset + 10_000, 9, Form.RAW, 9, place.checksum),
            Place(place.pack, place.offset, place.length, Form.ZSTD, 9, place.checksum),
        ]
        for place in wrong:
            with pytest.raises(Corrupt):
                store.digest_at(place)

    def test_a_pack_that_is_not_there_is_not_found(self, store: BlobStore) -> None:
        _, place = append(store, b"here")
        gone = Place(place.pack + 1, place.offset, 4, Form.RAW, 4, place.checksum)
        with pytest.raises(NotFound):
            store.read(gone)
        with pytest.raises(NotFound):
            store.read_part(gone, 0, 1)
        with pytest.raises(NotFound):
            store.read_into(gone, memoryview(bytearray(4)))
        with pytest.raises(NotFound):
            store.digest_at(gone)
        with pytest.raises(NotFound):
            store.scan(gone.pack)
        with suppress(NotFound):
            assert store.read_ready(gone) is None

    def test_a_checksum_that_differs_is_corrupt(self, store: BlobStore) -> None:
        _, place = append(store, b"payload")
        other = Place(place.pack, place.offset, 7, Form.RAW, 7, place.checksum ^ 1)
        with pytest.raises(Corrupt):
            store.read(other)

    def test_scan_gives_every_payload_in_order(self, store: BlobStore) -> None:
        appended = [append(store, bytes([n]) * n) for n in range(20)]
        assert list(store.scan(appended[0][1].pack)) == appended

    def test_sync_may_be_called_at_any_time(self, store: BlobStore) -> None:
        store.sync()
        _, place = append(store, b"x")
        store.sync()
        store.sync()
        assert store.read(place) == b"x"

    def test_the_landing_pack_is_owned_until_it_is_rolled(self, store: BlobStore) -> None:
        assert list(store.packs()) == []
        _, place = append(store, b"landed")
        (info,) = store.packs()
        assert (info.pack, info.owned, info.sealed, info.landing) == (place.pack, True, False, True)
        assert info.length >= place.offset + place.length
        store.roll()
        (info,) = store.packs()
        assert (info.owned, info.sealed, info.landing) == (False, True, True)

    def test_after_a_roll_another_pack_begins(self, store: BlobStore) -> None:
        _, one = append(store, b"one")
        store.roll()
        store.roll()
        _, two = append(store, b"two")
        assert two.pack > one.pack
        assert [info.pack for info in store.packs()] == [one.pack, two.pack]
        assert store.read(one) == b"one"

    def test_a_landing_pack_in_use_is_not_rolled_as_idle(self, store: BlobStore) -> None:
        _, one = append(store, b"one")
        store.roll(idle_s=60)
        assert append(store, b"two")[1].pack == one.pack
        time.sleep(0.02)
        store.roll(idle_s=0.01)
        assert append(store, b"three")[1].pack != one.pack

    def test_a_pack_with_pending_contents_is_sealed_when_they_are_applied(
        self, store: BlobStore
    ) -> None:
        with store.pending():
            append(store, b"one")
            with store.pending():
                store.roll()
                append(store, b"two")
            assert [info.sealed for info in store.packs()] == [False, False]
        assert [info.sealed for info in store.packs()] == [True, False]

    def test_a_pack_waits_for_no_context_that_began_after_it_was_full(
        self, store: BlobStore
    ) -> None:
        with ExitStack() as first, ExitStack() as second:
            first.enter_context(store.pending())
            append(store, b"one")
            store.roll()
            second.enter_context(store.pending())
            append(store, b"two")
            first.close()
            assert store.packs()[0].sealed

    def test_rolling_nothing_makes_nothing(self, store: BlobStore) -> None:
        store.roll()
        assert list(store.packs()) == []

    def test_a_new_pack_holds_what_was_written_in_order(self, store: BlobStore) -> None:
        contents = [os.urandom(n * 100) for n in range(1, 9)]
        with store.new_pack() as writer:
            places = [
                writer.append(digest_of(c), c, form=Form.RAW, content_length=len(c))
                for c in contents
            ]
            writer.sync()
            assert [store.read(place) for place in places] == contents
            (info,) = store.packs()
            assert (info.owned, info.sealed, info.landing) == (True, False, False)
        (info,) = store.packs()
        assert (info.owned, info.sealed, info.landing) == (False, True, False)
        assert [place for _, place in store.scan(info.pack)] == places
        assert {place.pack for place in places} == {info.pack}

    def test_a_pack_may_be_sealed_before_its_context_is_left(self, store: BlobStore) -> None:
        with store.new_pack() as writer:
            place = writer.append(digest_of(b"x"), b"x", form=Form.RAW, content_length=1)
            writer.seal()
            assert [info.sealed for info in store.packs()] == [True]
        assert store.read(place) == b"x"

    def test_a_pack_left_by_an_exception_stays_for_what_was_referred_to(
        self, store: BlobStore
    ) -> None:
        with pytest.raises(ZeroDivisionError), store.new_pack() as writer:
            place = writer.append(digest_of(b"x"), b"x", form=Form.RAW, content_length=1)
            writer.sync()
            raise ZeroDivisionError
        assert store.read(place) == b"x"
        assert [info.sealed for info in store.packs()] == [True]

    def test_landing_and_new_packs_are_written_side_by_side(self, store: BlobStore) -> None:
        _, one = append(store, b"one")
        with store.new_pack() as writer:
            settled = writer.append(digest_of(b"one"), b"1", form=Form.ZSTD, content_length=3)
            _, two = append(store, b"two")
        assert one.pack == two.pack != settled.pack
        assert (store.read(two), store.read(settled)) == (b"two", b"1")

    def test_a_removed_pack_is_gone_and_its_number_never_comes_back(self, store: BlobStore) -> None:
        _, place = append(store, b"gone")
        assert store.read(place) == b"gone"
        store.roll()
        assert not store.remove(place.pack, given_up=lambda: False)
        assert store.read(place) == b"gone"
        assert store.remove(place.pack, given_up=lambda: True)
        assert list(store.packs()) == []
        with pytest.raises(NotFound):
            store.read(place)
        with suppress(NotFound):
            assert store.read_ready(place) is None
        assert store.remove(place.pack, given_up=lambda: False), "it is gone already"
        assert append(store, b"next")[1].pack > place.pack

    def test_scanning_goes_on_when_the_pack_is_removed(self, store: BlobStore) -> None:
        appended = [append(store, bytes([n])) for n in range(5)]
        store.roll()
        steps = store.scan(appended[0][1].pack)
        first = next(steps)
        store.remove(appended[0][1].pack, given_up=lambda: True)
        assert [first, *steps] == appended

    def test_threads_append_read_and_sync_at_once(self, store: BlobStore) -> None:
        written: list[tuple[bytes, Place]] = []
        failures: list[BaseException] = []

        def work(seed: int) -> None:
            chance = random.Random(seed)
            try:
                for step in range(30):
                    content = chance.randbytes(chance.randrange(1, 20_000))
                    _, place = append(store, content)
                    assert store.read(place) == content
                    if step % 5 == 0:
                        store.sync()
                    if seed == 0 and step % 10 == 0:
                        store.roll()
                    written.append((content, place))
            except BaseException as failure:
                failures.append(failure)

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert len({(place.pack, place.offset) for _, place in written}) == 6 * 30
        assert all(store.read(place) == content for content, place in written)
        scanned = {place for info in store.packs() for _, place in store.scan(info.pack)}
        assert scanned == {place for _, place in written}
