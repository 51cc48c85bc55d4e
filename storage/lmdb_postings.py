"""The search indexes over studies: which terms have a list of studies, and how lists are kept.

A posting list holds the ranks of the studies that have a term, so it is in the order of answers.
LMDB knows the length of each list, which makes the choice between a list and a walk by date a
lookup. Contains-searches over names go by their letters: `grams` lists the *distinct* names in
which three letters occur together.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import takewhile

from storage.lmdb_environment import Tables, Transaction
from storage.lmdb_records import KEY_LIMIT
from storage.searching import LAST_RANK, STUDY_DATE, Terms, day_of

PATIENT_NAME = "00100010"
PREFIXES = {
    "00100020": b"I",  # Patient ID
    "00080050": b"A",  # Accession Number
    PATIENT_NAME: b"N",
    "00080061": b"M",  # Modalities in Study
    "00100010~": b"F",  # Patient Name as it sounds
    "00200010": b"S",  # Study ID
    "00080090": b"R",  # Referring Physician's Name
    "00081030": b"T",  # Study Description
}
"""Attributes with posting lists -> what their keys begin with. On disk: never change one."""

DAY = b"D"
"""Begins the keys of the lists that have every study: one list for each Study Date."""

NAME_NUMBER_LENGTH = 4
LONG_NAME = b"\xff"
"""Stands in `grams` for all names longer than KEY_LIMIT: their end is not in the index."""

GRAM_LETTERS = 3


def posting_keys(terms: Terms, rollup: Terms) -> set[bytes]:
    """The posting lists a study belongs to."""
    return {
        DAY + day_of(terms.get(STUDY_DATE, ("",))[0]),
        *(
            posting_key(tag, value)
            for tag in PREFIXES
            for value in rollup.get(tag) or terms.get(tag, ())
        ),
    }


def posting_key(tag: str, value: str) -> bytes:
    return PREFIXES[tag] + value.encode(errors="surrogatepass")[:KEY_LIMIT]


def is_whole(value: str) -> bool:
    """Whether the key of the value's list is sure to be the whole value."""
    return len(value.encode(errors="surrogatepass")) < KEY_LIMIT


def grams_of(text: str) -> set[bytes]:
    """Three letters from each place in the text on; at its end two and one. So three letters in a
    row are a gram of the text, and fewer are the beginning of one."""
    return {text[at : at + GRAM_LETTERS].encode(errors="surrogatepass") for at in range(len(text))}


def name_grams(name: bytes) -> Iterable[bytes]:
    """The entries of a name in `grams`; `name` as it is in a posting's key."""
    if len(name) >= KEY_LIMIT:
        return [LONG_NAME]
    return grams_of(name.decode())


def add_postings(
    transaction: Transaction, tables: Tables, keys: Collection[bytes], rank: bytes
) -> None:
    """Puts a study on lists; a name that is new gets its number and letters."""
    for key in keys:
        is_name = key.startswith(PREFIXES[PATIENT_NAME])
        if is_name and transaction.get(key, db=tables.postings) is None:
            _add_name(transaction, tables, key[1:])
    with transaction.cursor(db=tables.postings) as cursor:
        cursor.putmulti([(key, rank) for key in sorted(keys)])


def remove_posting(transaction: Transaction, tables: Tables, key: bytes, rank: bytes) -> None:
    """Takes a study from a list; a name that nobody has any more goes with its letters."""
    transaction.delete(key, rank, db=tables.postings)
    is_name = key.startswith(PREFIXES[PATIENT_NAME])
    if is_name and transaction.get(key, db=tables.postings) is None:
        _remove_name(transaction, tables, key[1:])


def _add_name(transaction: Transaction, tables: Tables, name: bytes) -> None:
    with transaction.cursor(db=tables.name_numbers) as cursor:
        last = int.from_bytes(cursor.key(), "big") if cursor.last() else 0
    number = (last + 1).to_bytes(NAME_NUMBER_LENGTH, "big")
    transaction.put(name, number, db=tables.names)
    transaction.put(number, name, db=tables.name_numbers)
    with transaction.cursor(db=tables.grams) as cursor:
        cursor.putmulti([(gram, number) for gram in sorted(name_grams(name))])


def _remove_name(transaction: Transaction, tables: Tables, name: bytes) -> None:
    number = transaction.pop(name, db=tables.names)
    if number is None:
        return
    transaction.delete(number, db=tables.name_numbers)
    for gram in name_grams(name):
        transaction.delete(gram, number, db=tables.grams)


def postings(
    transaction: Transaction, tables: Tables, key: bytes, first: bytes, last: bytes
) -> Iterator[bytes]:
    """The ranks on a list from `first` to `last`, both included, in order. The cursor ends with the
    transaction; nothing of Python stands between it and who skips many."""
    cursor = transaction.cursor(db=tables.postings)
    if not cursor.set_range_dup(key, first):
        return iter(())
    ranks = cursor.iternext_dup()
    return ranks if last == LAST_RANK else takewhile(last.__ge__, ranks)
