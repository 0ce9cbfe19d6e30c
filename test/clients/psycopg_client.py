"""psycopg 3: each line of output is the name of a check, a tab and a value.

Arguments are the UUIDs of the clusters running, done, missing, hanging and
start; the connection is that of libpq's environment.  OMF_SOURCE is what to
start a migration from.
"""

import json
import os
import sys
import threading
import time
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

TABLE = "databases.online_migrations"
ONE = f"SELECT status FROM {TABLE} WHERE database_cluster_uuid = %s"
MANY = f"SELECT status FROM {TABLE} WHERE database_cluster_uuid = ANY (%s) ORDER BY status"
WAIT = "CALL databases.databases_wait_online_migration(%s, until => %s)"
START = "SELECT status FROM databases.databases_update_online_migration(%s, %s)"
STOP = f"""SELECT databases.databases_delete_online_migration(database_cluster_uuid, id)
    FROM {TABLE} WHERE database_cluster_uuid = %s"""


def show(name, rows):
    for row in rows:
        print(name, *row, sep="\t", flush=True)


def sqlstate_of(conn, query, params=()):
    try:
        conn.execute(query, params)
    except psycopg.Error as error:
        return error.sqlstate
    return "00000"


def try_parameters(conn, running, done, missing):
    keys = [running, done, missing]
    texts = [str(key) for key in keys]
    show("uuid", conn.execute(ONE, [running]))
    show("text", conn.execute("SELECT status FROM by_text WHERE cluster = %s", [str(running)]))
    show("array", conn.execute(MANY, [keys]))
    show("strings", conn.execute(MANY, [texts]))
    show("text array", conn.execute("""SELECT status FROM by_text
        WHERE cluster = ANY (%s) ORDER BY status""", [texts]))
    show("in", conn.execute(f"""SELECT status FROM {TABLE}
        WHERE database_cluster_uuid IN (%s, %s, %s) ORDER BY status""", keys))
    show("missing", conn.execute(ONE, [missing]))
    show("simple", psycopg.ClientCursor(conn).execute(ONE, [running]))


def try_types(conn, running):
    cursor = conn.execute(f"SELECT * FROM {TABLE} WHERE database_cluster_uuid = %s", [running])
    show("types", ([type(value).__name__] for value in cursor.fetchone()))
    show("columns", ((column.name, conn.adapters.types[column.type_code].name)
                     for column in cursor.description))
    show("table", conn.execute("""SELECT table_type FROM information_schema.tables
        WHERE table_schema = 'databases' AND table_name = 'online_migrations'"""))


def try_prepared(conn, running, done):
    for _ in range(6):
        for key in (running, done):
            show("prepared", conn.execute(ONE, [key], prepare=True))
    show("generic", conn.execute("""SELECT generic_plans > 0 FROM pg_prepared_statements
        WHERE statement LIKE '%database_cluster_uuid = $1'"""))


def try_cursor(conn):
    with conn.transaction(), conn.cursor(name="rows") as cursor:
        cursor.itersize = 1
        cursor.execute(f"SELECT status FROM {TABLE} ORDER BY status")
        show("cursor", cursor)


def cancel_when_waiting(conn, pid):
    """From another thread, as a program does when its user gives up."""
    with psycopg.connect(autocommit=True) as other:
        while not other.execute("""SELECT pid FROM pg_stat_activity
                WHERE pid = %s AND wait_event_type = 'Extension'""", [pid]).fetchone():
            time.sleep(0.02)
    conn.cancel()


def try_cancel(conn, running, hanging):
    pid = conn.info.backend_pid
    thread = threading.Thread(target=cancel_when_waiting, args=(conn, pid))
    thread.start()
    show("cancel", [[sqlstate_of(conn, ONE, [hanging])]])
    thread.join()
    conn.execute("SET statement_timeout = '300ms'")
    show("timeout", [[sqlstate_of(conn, ONE, [hanging])]])
    conn.execute("RESET statement_timeout")
    show("goes on", conn.execute(ONE, [running]))


def try_wait(conn, running):
    show("wait", [[sqlstate_of(conn, WAIT, [running, ["running"]])]])
    with psycopg.connect(autocommit=False) as other:
        show("wait in transaction", [[sqlstate_of(other, WAIT, [running, ["running"]])]])


def try_start(conn, start):
    source = Jsonb(json.loads(os.environ["OMF_SOURCE"]))
    show("start", conn.execute(START, [start, source]))
    show("start again", [[sqlstate_of(conn, START, [start, source])]])
    show("stop", conn.execute(STOP, [start]))


def main():
    running, done, missing, hanging, start = map(UUID, sys.argv[1:])
    with psycopg.connect(autocommit=True) as conn:
        try_parameters(conn, running, done, missing)
        try_types(conn, running)
        try_prepared(conn, running, done)
        try_cursor(conn)
        try_cancel(conn, running, hanging)
        try_wait(conn, running)
        try_start(conn, start)


main()
