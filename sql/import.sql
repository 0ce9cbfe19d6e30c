-- IMPORT FOREIGN SCHEMA.
\! simctl reset >/dev/null
\set SHOW_CONTEXT never

-- What setup has imported: every resource, declared as the README says.
SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
FROM pg_foreign_table t JOIN pg_class c ON c.oid = t.ftrelid
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.relnamespace = 'databases'::regnamespace
ORDER BY c.relname, a.attnum;
-- The key is NOT NULL: PostgreSQL 17 and later ask nothing here.
SELECT current_setting('server_version_num')::int >= 170000 AS newer \gset
SELECT count(*) FROM databases.online_migrations WHERE database_cluster_uuid IS NULL;
\if :newer
\! simctl log
\endif
\! simctl log --clear >/dev/null
SELECT t.ftrelid::regclass, s.srvname, t.ftoptions
FROM pg_foreign_table t JOIN pg_foreign_server s ON s.oid = t.ftserver
ORDER BY t.ftrelid::regclass::text;

CREATE SCHEMA import_here;
-- a view of what is there
PREPARE imported AS
    SELECT c.relname FROM pg_foreign_table t JOIN pg_class c ON c.oid = t.ftrelid
    WHERE c.relnamespace = 'import_here'::regnamespace ORDER BY 1;

IMPORT FOREIGN SCHEMA databases LIMIT TO (online_migrations) FROM SERVER digitalocean INTO import_here;
EXECUTE imported;
DROP FOREIGN TABLE import_here.online_migrations;
IMPORT FOREIGN SCHEMA databases EXCEPT (online_migrations) FROM SERVER digitalocean INTO import_here;
EXECUTE imported;
DROP FOREIGN TABLE import_here.clusters;
IMPORT FOREIGN SCHEMA databases EXCEPT (online_migrations, clusters) FROM SERVER digitalocean INTO import_here;
EXECUTE imported;
IMPORT FOREIGN SCHEMA databases LIMIT TO (nothing_of_this_name) FROM SERVER digitalocean INTO import_here;
EXECUTE imported;

-- Twice into the same place is PostgreSQL's own error, and leaves nothing.
IMPORT FOREIGN SCHEMA databases LIMIT TO (online_migrations) FROM SERVER digitalocean INTO import_here;
IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO import_here;
\echo :SQLSTATE
EXECUTE imported;
DROP FOREIGN TABLE import_here.online_migrations;

-- A schema that the API does not have; names that need quotes.
IMPORT FOREIGN SCHEMA droplets FROM SERVER digitalocean INTO import_here;
\echo :SQLSTATE
IMPORT FOREIGN SCHEMA "Databases" FROM SERVER digitalocean INTO import_here;
\echo :SQLSTATE
IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO import_here OPTIONS (import_default 'true');
\echo :SQLSTATE
CREATE SCHEMA "Import Here";
CREATE SERVER "Digital ""Ocean""" FOREIGN DATA WRAPPER online_migrations_fdw;
IMPORT FOREIGN SCHEMA "no such" FROM SERVER "Digital ""Ocean""" INTO "Import Here";
\echo :SQLSTATE
IMPORT FOREIGN SCHEMA databases FROM SERVER "Digital ""Ocean""" INTO "Import Here";
SELECT t.ftrelid::regclass, s.srvname
FROM pg_foreign_table t JOIN pg_foreign_server s ON s.oid = t.ftserver
WHERE s.srvname LIKE 'Digital%' ORDER BY t.ftrelid::regclass::text;

-- The import needs no token and asks the API nothing.
\! simctl log --clear

SET client_min_messages = warning;
DROP SERVER "Digital ""Ocean""" CASCADE;
DROP SCHEMA import_here, "Import Here";
