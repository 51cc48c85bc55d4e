"""An index in an older format of its tables, brought up to this program's when it is opened.

    1 -> 2   lists of studies by Study Date, Study ID, Referring Physician's Name and Study
             Description (`DAY` and three of `PREFIXES`)

All in one transaction: an upgrade that is killed has changed nothing. A program that reads format
1 must not be at work meanwhile; afterwards it refuses the index.
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
    environment.write(lambda transaction: _from_1(transaction, environment.tables))


def _from_1(transaction: Transaction, tables: Tables) -> None:
    if transaction.get(b"format", db=tables.about) != b"1":
        return  # another process has done it
    with transaction.cursor(db=tables.ranks) as cursor:
        for rank, record in cursor:
            terms, rollup = (tupled(part) for part in orjson.loads(record))
            for key in posting_keys(terms, rollup):
                if key.startswith(_SINCE_2):
                    transaction.put(key, rank, db=tables.postings)
    transaction.put(b"format", b"%d" % TABLES_FORMAT, db=tables.about)
