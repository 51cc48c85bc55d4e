"""An index in an older format of its tables, brought up to this program's when it is opened.

    1 -> 2   lists of studies by Study Date, Study ID, Referring Physician's Name and Study
             Description (`DAY` and three of `PREFIXES`)
    2 -> 3   nothing is rewritten: files are known by their parts now (`Instance.file_digest`),
             which a program that reads format 2 would take for damage

All in one transaction: an upgrade that is killed has changed nothing. A program that reads an
older format must not be at work meanwhile; afterwards it refuses the index.
"""

import orjson

from storage.lmdb_environment import TABLES_FORMAT, Environment, Tables, Transaction
from storage.lmdb_postings import DAY, PREFIXES, posting_keys
from storage.lmdb_records import tupled

_SINCE_2 = (DAY, *(PREFIXES[tag] for tag in ("00200010", "00080090", "00081030")))


def upgrade(environment: Environment) -> None:
    """Does what is to be done. A million studies take some ten seconds."""
    if environment.found_format == TABLES_FORMAT:
        return
    environment.write(lambda transaction: _upgrade(transaction, environment.tables))


def _upgrade(transaction: Transaction, tables: Tables) -> None:
    # Another process may have done it.
    if transaction.get(b"format", db=tables.about) == b"1":
        _add_lists_of_2(transaction, tables)
    transaction.put(b"format", b"%d" % TABLES_FORMAT, db=tables.about)


def _add_lists_of_2(transaction: Transaction, tables: Tables) -> None:
    with transaction.cursor(db=tables.ranks) as cursor:
        for rank, record in cursor:
            terms, rollup = (tupled(part) for part in orjson.loads(record))
            for key in posting_keys(terms, rollup):
                if key.startswith(_SINCE_2):
                    transaction.put(key, rank, db=tables.postings)
