"""Searching: which way to the studies, then down to series and instances, then the page.

All ways give studies in the order of answers, so a page stops as soon as it is full:

    UIDs    they are in the query: those studies, sorted
    lists   the posting list of each term asked for (Patient ID, Accession Number, modality, a
            name), merged as they are read
    gather  the lists of all terms that match a pattern, taken together and sorted: good when the
            pattern is rare
    walk    all studies, or those of a range of dates, newest first, each compared: good when the
            pattern is frequent
    days    the lists of days, of which whole ones are passed over, when only dates matter

What each would cost is estimated from the lengths of lists, which LMDB knows; how frequent a
pattern of names is, from its letters, before a single name is looked at. The estimate trusts that
terms are spread evenly over the dates. Where they are not, a walk that has cost twice what
gathering would is given up for it, so no query costs more than a few times the best way.

Whatever the way, every condition is held against what the study says, unless the way itself has
answered it.
"""

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, reduce
from itertools import chain, compress, groupby, islice, repeat
from operator import contains

import orjson

from storage.lmdb_certain import Certain, certain
from storage.lmdb_days import Days
from storage.lmdb_environment import Tables, Transaction
from storage.lmdb_postings import postings
from storage.lmdb_records import (
    ID_LENGTH,
    NO_KEY,
    InstanceSays,
    SeriesSays,
    SeriesState,
    StudyState,
    id_key,
    lookup_key,
)
from storage.lmdb_rows import StudyRows
from storage.lmdb_series import SeriesContent, beginning_with
from storage.lmdb_terms import Lists, Names, TermLists, is_pattern
from storage.lmdb_transaction import REVISIONS, counter_of
from storage.lmdb_walks import StudyWalks
from storage.model import (
    Between,
    Condition,
    InstanceRow,
    Like,
    OneOf,
    Page,
    Query,
    QueryLevel,
    Row,
    SeriesRow,
    StudyRow,
)
from storage.searching import (
    DAY_LENGTH,
    FIRST_RANK,
    LAST_RANK,
    RANK_LENGTH,
    STUDY_DATE,
    UID_TAGS,
    Position,
    Test,
    date_bounds,
    holds,
    position_of,
    rank_number,
    series_number,
    test_of,
)

STUDY_UID = UID_TAGS[QueryLevel.STUDY]

# What things cost, in units of a study that a walk passes (some 0.4 us).
LISTED_STUDY = 4
GATHERED_STUDY = 1
GATHERED_LIST = 16
WALKED_WHOLE = 20
"""A study that has to be taken apart because no bytes of it say that it cannot match."""

READ_NAME = 4

STUDIES_KEPT = 1000
"""Studies that were taken apart, some 3 kB each."""
SHORT_BYTES = 4096
"""Records of studies are a tenth of it; those that are longer are not kept."""
FEW_STUDIES = 100
"""... on a list are taken from it without asking what a pattern would come to."""
MERGED_LISTS = 16
"""As many lists are merged as they are read; more are gathered."""


@dataclass(frozen=True, slots=True)
class Study:
    """What searches compare of a study."""

    terms: dict[str, list[str]]
    rollup: dict[str, list[str]]

    @property
    def uid(self) -> str:
        return self.terms[STUDY_UID][0]

    def passes(self, tests: Sequence[Test]) -> bool:
        terms, rollup = self.terms, self.rollup

        def values_of(tag: str) -> Sequence[str]:
            return rollup.get(tag) or terms.get(tag) or ()

        return all(test(values_of) for test in tests)


def _study_of(record: bytes) -> Study:
    """What a record of `ranks` says; searches meet the same studies over and over."""
    return _short_study(record) if len(record) <= SHORT_BYTES else Study(*orjson.loads(record))


@lru_cache(maxsize=STUDIES_KEPT)
def _short_study(record: bytes) -> Study:
    return Study(*orjson.loads(record))


@dataclass(frozen=True, slots=True)
class Series:
    says: SeriesSays
    state: SeriesState

    def order(self) -> tuple[int, str]:
        return series_number(self.says.terms), self.says.uid


@dataclass(frozen=True, slots=True)
class Match:
    """A series or an instance that matches, before it is made a row; `study` is None when it was
    not read."""

    position: Position
    study: Study | None
    series: Series
    instance: InstanceSays | None = None


class GivenUp(Exception):
    """A walk has lasted too long; it has come to `rank`, which it leaves to others."""

    def __init__(self, rank: bytes) -> None:
        super().__init__(rank.hex())
        self.rank = rank


def find(
    transaction: Transaction,
    tables: Tables,
    query: Query,
    *,
    rows_kept: StudyRows,
    walks: StudyWalks,
) -> Page:
    """The page that a query asks for. Raises BadCursor for a cursor that is none."""
    after = position_of(query.after, query.level) if query.after is not None else None
    search = _Search(transaction, tables, query, rows_kept=rows_kept, walks=walks)
    position: Position | None
    if query.level is QueryLevel.STUDY:
        studies = search.studies(after, query.offset)
        some = list(islice(studies, query.limit))
        rows = [Row(search.study_row(rank, study)) for rank, study in some]
        position = Position(some[-1][0]) if some else after
        more = next(studies, None) is not None
    else:
        matches = search.matches(after, query.offset)
        found = list(islice(matches, query.limit))
        rows = [search.row(match) for match in found]
        position = found[-1].position if found else after
        more = next(matches, None) is not None
    return Page(
        rows=tuple(rows),
        total=search.total() if query.count else None,
        more=more,
        next=position.cursor() if more and position else None,
    )


class _Search:
    def __init__(
        self,
        transaction: Transaction,
        tables: Tables,
        query: Query,
        *,
        rows_kept: StudyRows,
        walks: StudyWalks,
    ) -> None:
        self._transaction = transaction
        self._tables = tables
        self._query = query
        self._rows_kept = rows_kept
        self._walks = walks
        self._term_lists = TermLists(transaction, tables)
        self._study_row: tuple[bytes, StudyRow] | None = None
        self._conditions: list[Condition] = list(query.conditions)
        for level, uid in (
            (QueryLevel.STUDY, query.study_uid),
            (QueryLevel.SERIES, query.series_uid),
        ):
            if uid is not None:
                self._conditions.append(OneOf(level, UID_TAGS[level], (uid,)))

    # What matches, in order

    def studies(self, after: Position | None, skip: int) -> Iterator[tuple[bytes, Study | None]]:
        """The ranks of all studies that match behind the position, in order, without the first
        `skip`; None for one that was not read."""
        first = FIRST_RANK if after is None else _next_rank(after.rank)
        days = self._days(first)
        if days is not None:
            return zip(days.ranks(skip), repeat(None))
        return islice(self._studies(first, skip), skip, None)

    def matches(self, after: Position | None, skip: int) -> Iterator[Match]:
        """The same of series or instances."""
        return islice(self._matches_below(after, skip), skip, None)

    def _matches_below(self, after: Position | None, skip: int | None) -> Iterator[Match]:
        """Series or instances behind the position."""
        wants_series = self._query.level is QueryLevel.SERIES
        series_tests = self._tests(QueryLevel.SERIES)
        instance_tests = self._tests(QueryLevel.INSTANCE)
        for rank, study in self._studies(FIRST_RANK if after is None else after.rank, skip):
            # Only in the study of the position is there anything before it.
            behind = after if after and after.rank == rank else None
            for series in self._series_in(rank, series_tests):
                order = series.order()
                if behind and behind.series and order < behind.series:
                    continue
                if wants_series:
                    if not behind or order != behind.series:
                        yield Match(Position(rank, order), study, series)
                    continue
                for says in self._instances_in(series, instance_tests):
                    passed = behind and order == behind.series and behind.instance
                    if not passed or says.order() > passed:
                        yield Match(Position(rank, order, says.order()), study, series, says)

    def total(self) -> int:
        """How many match, wherever the page is."""
        if not self._conditions:
            counter = {
                QueryLevel.STUDY: "studies",
                QueryLevel.SERIES: "series",
                QueryLevel.INSTANCE: "instances",
            }[self._query.level]
            return counter_of(self._transaction, self._tables, counter)
        if self._query.level is QueryLevel.STUDY:
            days = self._days(FIRST_RANK)
            if days is not None:
                return days.count()
            return sum(1 for _ in self._studies(FIRST_RANK, None))
        return sum(1 for _ in self._matches_below(None, None))

    def _series_in(self, rank: bytes, tests: Sequence[Test]) -> list[Series]:
        transaction, tables = self._transaction, self._tables
        found = []
        for _, record in beginning_with(transaction, tables.series_documents, _study_id(rank)):
            says = SeriesSays.of(record)
            if holds(tests, says.terms):
                state = transaction.get(lookup_key(says.uid), db=tables.series)
                assert state is not None
                found.append(Series(says, SeriesState.of(state)))
        return sorted(found, key=Series.order)

    def _instances_in(self, series: Series, tests: Sequence[Test]) -> Iterator[InstanceSays]:
        content = SeriesContent(self._transaction, self._tables, series.state.id)
        return (says for says in content.says() if holds(tests, says.terms))

    def _tests(self, level: QueryLevel, *, but: Condition | None = None) -> list[Test]:
        return [
            test_of(condition)
            for condition in self._conditions
            if condition.level is level and condition is not but
        ]

    # Rows

    def row(self, match: Match) -> Row:
        says, state = match.series.says, match.series.state
        series = SeriesRow(says.uid, says.document, state.instance_count, state.version)
        instance = None
        if match.instance is not None:
            instance = InstanceRow(
                instance_uid=match.instance.uid,
                document=match.instance.document,
                transfer_syntax_uid=match.instance.transfer_syntax_uid,
                frame_count=match.instance.frame_count,
                file_length=match.instance.file_length,
            )
        rank = match.position.rank
        # One study has many of them, one after the other.
        if self._study_row is None or self._study_row[0] != rank:
            self._study_row = rank, self.study_row(rank, match.study)
        return Row(self._study_row[1], series, instance)

    def study_row(self, rank: bytes, study: Study | None) -> StudyRow:
        """The row of the study of that rank, which need not have been read."""
        row = self._rows_kept.get(self._transaction, rank, revisions=self._revisions)
        if row is None:
            study = study or self._study(rank)
            uid = study.uid
            key = lookup_key(uid)
            record = self._transaction.get(key, db=self._tables.studies)
            document = self._transaction.get(_study_id(rank), db=self._tables.study_documents)
            assert record is not None and document is not None
            state = StudyState.of(record)
            row = StudyRow(
                study_uid=uid,
                document=document,
                rollup={tag: tuple(values) for tag, values in study.rollup.items()},
                series_count=state.series_count,
                instance_count=state.instance_count,
                version=state.version,
            )
            self._rows_kept.keep(
                self._transaction, rank, key, record, row, revisions=self._revisions
            )
        return row

    def _study(self, rank: bytes) -> Study:
        record = self._transaction.get(rank, db=self._tables.ranks)
        assert record is not None
        return _study_of(record)

    # Studies: the choice of the way

    def _days(self, first: bytes) -> Days | None:
        """The studies from `first` on when only Study Date matters, else None."""
        if not all(map(_is_of_dates, self._conditions)):
            return None
        low, last = self._ranks_of_dates
        tests = self._tests(QueryLevel.STUDY)
        return Days(
            self._transaction,
            self._tables,
            max(first, low),
            last,
            # A date that is odd shares its place in the order with the ends of a range alone.
            sure=(lambda day: low[:DAY_LENGTH] < day < last[:DAY_LENGTH]) if tests else None,
            test=lambda rank: self._study(rank).passes(tests),
        )

    def _studies(self, first: bytes, skip: int | None) -> Iterator[tuple[bytes, Study | None]]:
        """Studies that match from rank `first` on; None for one that need not be read.

        skip  how many will be passed over before the page; None when all will be asked for
        """
        low, last = self._ranks_of_dates
        first = max(first, low)
        ranks = self._ranks_of_uids
        if ranks is not None:
            inside = sorted(rank for rank in ranks if first <= rank <= last)
            return self._compared(iter(inside), self._tests(QueryLevel.STUDY))
        lists = self._lists_of(one for one in self._conditions if not is_pattern(one))
        if not any(is_pattern(one) for one in self._conditions):
            return self._walked(first, last) if lists is None else self._best(lists, first, last)
        return self._matching(lists, first, last, skip)

    def _matching(
        self, exact: Lists | None, first: bytes, last: bytes, skip: int | None
    ) -> Iterator[tuple[bytes, Study | None]]:
        """The same when there are patterns; `exact` are the best lists without them."""
        if exact is not None and exact.studies <= FEW_STUDIES:
            yield from self._listed(exact, first, last)
            return
        found = map(self._term_lists.names_like, self._conditions)
        names = min((each for each in found if each), key=lambda each: each.alike, default=None)
        if names is not None:
            yield from self._by_names(names, exact, first, last, skip)
            return
        patterns = self._lists_of(one for one in self._conditions if is_pattern(one))
        lists = _better(exact, patterns)
        if lists is None:
            yield from self._walked(first, last)
        elif len(lists.keys) > MERGED_LISTS or not lists.complete:
            yield from self._gathered_or_walked(lists, first, last, skip)
        else:
            yield from self._best(lists, first, last)

    def _by_names(
        self, names: Names, exact: Lists | None, first: bytes, last: bytes, skip: int | None
    ) -> Iterator[tuple[bytes, Study | None]]:
        """By a walk, along the exact lists, or along those of the names: whichever fills the page
        first, as far as the shares of what matches tell."""
        every = max(1, self._all_studies)
        alike = max(1, names.alike * every // max(1, self._all_names)) / every
        share = alike * (exact.studies / every if exact else 1)
        wanted = every
        if skip is not None and self._query.limit is not None:
            wanted = skip + self._query.limit + 1
        walking = min(every, int(wanted / share) + 1)
        listing = LISTED_STUDY * min(exact.studies, int(wanted / alike) + 1) if exact else None
        gathering = READ_NAME * names.read + GATHERED_LIST * names.alike
        other = gathering if listing is None else min(gathering, listing)
        if walking <= other:
            try:
                # Four times the estimate fill a page almost surely where names are spread evenly.
                yield from self._walked(first, last, patience=min(4 * walking, 2 * other))
                return
            except GivenUp as given_up:
                first = given_up.rank
        lists = exact if listing == other else None
        lists = lists or self._term_lists.of(names.condition, counted=False)
        assert lists is not None
        yield from self._listed(lists, first, last)

    def _lists_of(self, conditions: Iterable[Condition]) -> Lists | None:
        """The best lists among those of the conditions; None when none has any."""
        return reduce(_better, map(self._term_lists.of, conditions), None)

    def _best(
        self, lists: Lists, first: bytes, last: bytes
    ) -> Iterator[tuple[bytes, Study | None]]:
        """Along the lists, or by a walk when they are so long that comparing what is on them would
        cost more."""
        others = self._tests(QueryLevel.STUDY, but=lists.condition)
        if others and lists.studies * LISTED_STUDY > self._all_studies:
            return self._walked(first, last)
        return self._listed(lists, first, last)

    def _gathered_or_walked(
        self, best: Lists, first: bytes, last: bytes, skip: int | None
    ) -> Iterator[tuple[bytes, Study | None]]:
        walking = self._all_studies
        step = 1 if self._needle else WALKED_WHOLE
        if skip is not None and self._query.limit is not None:
            wanted = skip + self._query.limit + 1
            walking = min(walking, wanted * self._all_studies // max(1, best.studies))
        gathering = GATHERED_STUDY * best.studies + GATHERED_LIST * len(best.keys)
        if not best.complete:
            # There are more than were counted, so a walk is shorter than estimated.
            gathering = max(gathering, walking * step)
        if walking < self._all_studies and walking * step <= gathering:
            try:
                yield from self._walked(first, last, patience=2 * gathering // step)
                return
            except GivenUp as given_up:
                first = given_up.rank
        if not best.complete:
            best = self._term_lists.of(best.condition, counted=False) or best
        yield from self._listed(best, first, last)

    @cached_property
    def _needle(self) -> bytes:
        """Bytes that every study that matches has in its record; empty when none are certain."""
        return max((_needle(condition) for condition in self._conditions), key=len, default=b"")

    @cached_property
    def _certain(self) -> Certain | None:
        """Whether bytes of a study say that it matches; None when they cannot."""
        return certain(self._conditions, *self._ranks_of_dates)

    @cached_property
    def _all_studies(self) -> int:
        return counter_of(self._transaction, self._tables, "studies")

    @cached_property
    def _revisions(self) -> int:
        return counter_of(self._transaction, self._tables, REVISIONS)

    @cached_property
    def _all_names(self) -> int:
        return self._transaction.stat(self._tables.names)["entries"]

    @cached_property
    def _ranks_of_dates(self) -> tuple[bytes, bytes]:
        """First and last rank that the conditions on Study Date allow."""
        first, last = FIRST_RANK, LAST_RANK
        for condition in self._conditions:
            match condition:
                case Between(QueryLevel.STUDY, tag, low, high) if tag == STUDY_DATE:
                    bounds = date_bounds(low, high)
                case OneOf(QueryLevel.STUDY, tag, values) if tag == STUDY_DATE and values:
                    bounds = date_bounds(min(values), max(values))
                case Like(QueryLevel.STUDY, tag, pattern) if tag == STUDY_DATE:
                    beginning = re.split(r"[*?]", pattern, maxsplit=1)[0]
                    bounds = date_bounds(beginning, beginning + "\U0010ffff" * 8)
                case _:
                    continue
            first, last = max(first, bounds[0]), min(last, bounds[1])
        return first, last

    @cached_property
    def _ranks_of_uids(self) -> set[bytes] | None:
        """The studies that the UIDs in the query leave; None when there are none in it."""
        ranks: set[bytes] | None = None
        for condition in self._conditions:
            if isinstance(condition, OneOf) and condition.tag == UID_TAGS[condition.level]:
                found = {self._rank_of(condition.level, uid) for uid in condition.values} - {b""}
                ranks = found if ranks is None else ranks & found
        return ranks

    def _rank_of(self, level: QueryLevel, uid: str) -> bytes:
        """The rank of the study of what has that UID; empty when nothing has."""
        transaction, tables = self._transaction, self._tables
        study_uid = uid
        if level is QueryLevel.INSTANCE:
            holder = transaction.get(lookup_key(uid), db=tables.instances)
            content = holder and SeriesContent(transaction, tables, holder)
            instance = content.instance(uid) if content else None
            study_uid = instance.study_uid if instance else ""
        elif level is QueryLevel.SERIES:
            record = transaction.get(lookup_key(uid), db=tables.series)
            key = record[: 2 * ID_LENGTH] if record else NO_KEY
            says = transaction.get(key, db=tables.series_documents)
            study_uid = SeriesSays.of(says).study_uid if says else ""
        record = transaction.get(lookup_key(study_uid), db=tables.studies)
        return StudyState.of(record).rank if record else b""

    # The ways

    def _listed(
        self, lists: Lists, first: bytes, last: bytes
    ) -> Iterator[tuple[bytes, Study | None]]:
        """The studies on the lists that match."""
        every = [postings(self._transaction, self._tables, key, first, last) for key in lists.keys]
        ranks: Iterator[bytes]
        if len(every) > MERGED_LISTS:
            ranks = iter(sorted({rank for one in every for rank in one}))
        elif len(every) > 1:
            ranks = (rank for rank, _ in groupby(heapq.merge(*every)))
        else:
            ranks = chain(*every)
        answered = lists.condition if lists.answered else None
        return self._compared(ranks, self._tests(QueryLevel.STUDY, but=answered))

    def _compared(
        self, ranks: Iterator[bytes], tests: Sequence[Test]
    ) -> Iterator[tuple[bytes, Study | None]]:
        """Those of the ranks whose studies pass; read only when there is something to pass."""
        if not tests:
            return zip(ranks, repeat(None))
        return self._passing(ranks, tests)

    def _passing(
        self, ranks: Iterator[bytes], tests: Sequence[Test]
    ) -> Iterator[tuple[bytes, Study | None]]:
        needle, sure = self._needle, self._certain
        for rank in ranks:
            record = self._transaction.get(rank, db=self._tables.ranks)
            assert record is not None
            if needle in record:
                if sure and sure(rank, record):
                    yield rank, None
                    continue
                study = _study_of(record)
                if study.passes(tests):
                    yield rank, study

    def _walked(
        self, first: bytes, last: bytes, *, patience: int | None = None
    ) -> Iterator[tuple[bytes, Study | None]]:
        """The studies by date that match. Raises GivenUp after `patience` studies."""
        tests = self._tests(QueryLevel.STUDY)
        needle, sure = self._needle, self._certain
        may_match = re.compile(re.escape(needle)).search
        rare: int | None = None
        walked = 0
        for stretch in self._walks.stretches(self._transaction, first):
            begin, end = stretch.studies[0][0], stretch.studies[-1][0]
            if begin > last:
                return
            if patience is not None and walked >= patience:
                raise GivenUp(begin)
            walked += len(stretch.studies)
            candidates: Iterable[tuple[bytes, bytes]] = stretch.studies
            if needle:
                # Hundreds are passed for each that matches, so none is looked at in a loop of
                # Python's: one byte is found four times as fast as all of them.
                texts = stretch.records
                rare = _rarest(needle, texts) if rare is None else rare
                has_rare = list(map(contains, texts, repeat(rare)))
                matching = map(may_match, compress(texts, has_rare))
                candidates = compress(compress(candidates, has_rare), matching)
            for rank, record in candidates:
                if rank > last:
                    return
                if not tests or (sure and sure(rank, record)):
                    yield rank, None
                elif (study := _study_of(record)).passes(tests):
                    yield rank, study
            if end >= last:
                return


def _is_of_dates(condition: Condition) -> bool:
    """Whether it asks for a day, or for those from one to another."""
    match condition:
        case Between(QueryLevel.STUDY, tag) | OneOf(QueryLevel.STUDY, tag, (_,)):
            return tag == STUDY_DATE
        case _:
            return False


def _rarest(needle: bytes, texts: Sequence[bytes]) -> int:
    """The byte of the needle that is in the fewest of the texts."""
    return min(needle, key=lambda byte: sum(map(contains, texts, repeat(byte))))


def _needle(condition: Condition) -> bytes:
    """Bytes that a study's search record holds when it matches; empty when nothing is certain."""
    if condition.level is not QueryLevel.STUDY:
        return b""
    try:
        match condition:
            case OneOf(values=(value,)):
                return orjson.dumps(value)
            case Like(pattern=pattern):
                return orjson.dumps(max(re.split(r"[*?]", pattern), key=len))[1:-1]
    except orjson.JSONEncodeError:
        # No text: nothing stored can match, which the comparison will find.
        return b""
    return b""


def _better(one: Lists | None, other: Lists | None) -> Lists | None:
    """Complete before incomplete, then short before long."""
    if one is None or other is None:
        return other if one is None else one
    return min(one, other, key=lambda lists: (not lists.complete, lists.studies))


def _study_id(rank: bytes) -> bytes:
    return id_key(rank_number(rank))


def _next_rank(rank: bytes) -> bytes:
    return (int.from_bytes(rank, "big") + 1).to_bytes(RANK_LENGTH, "big")
