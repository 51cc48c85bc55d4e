"""Tables whose rows are never changed and never deleted: the database itself refuses it.

To be called by the migration that makes the table. On PostgreSQL TRUNCATE is refused too; SQLite
has none.
"""

from sqlalchemy.engine import Connection

_FUNCTION = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""


def make_append_only(connection: Connection, *tables: str) -> None:
    """Any UPDATE and DELETE of these tables is an IntegrityError from now on."""
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_FUNCTION.replace("%", "%%"))
    for table in tables:
        if connection.dialect.name == "postgresql":
            for name, event, each in (
                ("change", "UPDATE OR DELETE", "ROW"),
                ("truncate", "TRUNCATE", "STATEMENT"),
            ):
                connection.exec_driver_sql(
                    f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table}"
                    f" FOR EACH {each} EXECUTE FUNCTION refuse_change()"
                )
            continue
        for event in ("UPDATE", "DELETE"):
            connection.exec_driver_sql(
                f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table}"
                f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
