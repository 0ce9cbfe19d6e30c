-- compare.sql: compares a source with the cluster that it was copied into, before
-- the cut-over.  It reads, and changes nothing on either side.
--
--   psql -d digitalocean -f examples/compare.sql -v source=old_db -v target=new_db
--   psql -d digitalocean -f examples/compare.sql -v source=old_db -v target=new_db \
--        -v exact=on
--
-- Needs:  dblink in this database; two foreign servers of postgres_fdw that lead
--         to source and target, with user mappings and USAGE for the role that
--         runs this file.  Which databases there are, the source's own says.
-- Prints: what differs, database by database: tables that one side lacks, row
--         counts, sequences, extensions, invalid indexes of the target; roles that
--         the target lacks; and what the mapping's user may not read.  For sequences
--         the statements that set the target's: their values are not replicated.
-- Ends:   with exit status 0 if nothing differs, with 3 if anything does, and with
--         2 if the two could not be compared (or 1, if psql could not even begin).
-- Takes:  -v source=NAME        foreign server of the source
--         -v target=NAME        foreign server of the target
--         -v exact=on           count rows (off: compare the planner's estimates)
--         -v jobs=N             connections to each side that count (4)
--         -v ignore_dbs=ARRAY   databases that were not copied ({})
--         -v ignore_roles=ARRAY roles that need not be at the target ({})
--         -v all=on             print the row counts of all tables
--
-- Stop writing to the source first, and give replication a moment: what comes
-- in between two looks would differ.  Estimates differ where they are more than
-- a tenth and 100 rows apart; a side that was never analysed has none, and is
-- not compared.
--
-- psql's own exit status of a script with an error would be 3.  So errors are
-- looked for here, and end the connection, which is 2: by connecting to what
-- can't be there, under a name that says what is wrong.

\set ON_ERROR_STOP off
\set QUIET on
\set could_not_compare '"service=''(none): source and target could not be compared''"'
\pset footer off
\pset null '-'
\if :{?source}
\else
	\warn 'compare.sql wants -v source=NAME and -v target=NAME'
	\connect :could_not_compare
\endif
\if :{?target}
\else
	\warn 'compare.sql wants -v source=NAME and -v target=NAME'
	\connect :could_not_compare
\endif
\if :{?exact}
\else
	\set exact off
\endif
\if :{?jobs}
\else
	\set jobs 4
\endif
\if :{?ignore_dbs}
\else
	\set ignore_dbs '{}'
\endif
\if :{?ignore_roles}
\else
	\set ignore_roles '{}'
\endif
\if :{?all}
\else
	\set all off
\endif

BEGIN;
SET LOCAL client_min_messages = warning;
SELECT set_config('search_path', coalesce(quote_ident(n.nspname) || ', ', '') || 'pg_catalog, pg_temp', true),
       set_config('compare.source', :'source', true), set_config('compare.target', :'target', true),
       set_config('compare.exact', :'exact'::boolean::text, true), set_config('compare.jobs', :'jobs'::int::text, true),
       set_config('compare.ignore_dbs', :'ignore_dbs'::text[]::text, true),
       :'ignore_roles'::text[] IS NOT NULL AS ignore_roles, :'all'::boolean AS all, n.nspname IS NOT NULL AS has_dblink
FROM (VALUES ('dblink')) AS d(name)
LEFT JOIN (pg_extension AS e JOIN pg_namespace AS n ON n.oid = e.extnamespace) ON e.extname = d.name \gset compare_
\if :ERROR
	\connect :could_not_compare
\endif
\if :compare_has_dblink
\else
	\warn 'compare.sql wants dblink: CREATE EXTENSION dblink'
	\connect :could_not_compare
\endif

-- What there is: on which side, in which database, and of what kind.
CREATE TEMP TABLE compare_found (
    side  text NOT NULL,
    db    text NOT NULL,   -- empty: of the server as a whole
    kind  text NOT NULL,
    name  text NOT NULL,
    value numeric,         -- rows of a table, last value of a sequence
    pages bigint           -- of a table; of a sequence that was not used, where it begins
) ON COMMIT DROP;
\if :ERROR
	\connect :could_not_compare
\endif

-- How to connect as the foreign server says, but to this database (NULL: to its
-- own).  The password stays in here.
CREATE FUNCTION pg_temp.conninfo(server text, db text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
    result text;
BEGIN
    SELECT string_agg(format('%s=''%s''', o.option_name,
                             replace(replace(o.option_value, '\', '\\'), '''', '\''')), ' ')
    INTO result
    FROM (SELECT (pg_options_to_table(s.srvoptions)).*
          FROM pg_foreign_server AS s WHERE s.srvname = server
          UNION ALL
          SELECT (pg_options_to_table(m.umoptions)).*
          FROM (SELECT umoptions FROM pg_user_mappings
                WHERE srvname = server AND usename IN (current_user, 'public')
                ORDER BY usename = 'public' LIMIT 1) AS m) AS o
    WHERE o.option_name IN ('host', 'hostaddr', 'port', 'user', 'password', 'passfile', 'sslmode', 'sslcert', 'sslkey',
                            'sslrootcert', 'sslcrl', 'connect_timeout', 'options', 'channel_binding', 'gssencmode', 'service')
       OR (o.option_name = 'dbname' AND db IS NULL);
    IF result IS NULL THEN
        RAISE 'there is no foreign server "%" of postgres_fdw with options', server;
    END IF;
    RETURN result || CASE WHEN db IS NULL THEN ''
                          ELSE format(' dbname=''%s''', replace(replace(db, '\', '\\'), '''', '\''')) END
                  || ' application_name=compare.sql';
END $$;

CREATE FUNCTION pg_temp.server_of(side text) RETURNS text
LANGUAGE sql AS $$ SELECT current_setting('compare.' || side) $$;

-- Ask one side's database; its answer is (kind, name, value, pages).
CREATE FUNCTION pg_temp.gather(side text, db text, query text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM dblink_connect('compare_' || side, pg_temp.conninfo(pg_temp.server_of(side), db));
    PERFORM dblink_exec('compare_' || side, 'SET default_transaction_read_only = on; SET search_path = pg_catalog');
    INSERT INTO compare_found
    SELECT gather.side, coalesce(db, ''), f.kind, f.name, f.value, f.pages
    FROM dblink('compare_' || side, query) AS f(kind text, name text, value numeric, pages bigint);
    PERFORM dblink_disconnect('compare_' || side);
END $$;

-- The servers, and then the databases that both have.
DO $do$
DECLARE
    side text;
    db   text;
BEGIN
    FOREACH side IN ARRAY '{source,target}'::text[] LOOP
        PERFORM pg_temp.gather(side, NULL, $q$
            SELECT 'database', datname::text, NULL::numeric, NULL::bigint FROM pg_database
            WHERE datallowconn AND NOT datistemplate
            UNION ALL
            SELECT 'role', rolname::text, NULL, NULL FROM pg_roles WHERE rolname !~ '^pg_' $q$);
    END LOOP;
    DELETE FROM compare_found
    WHERE kind = 'database' AND name = ANY (current_setting('compare.ignore_dbs')::text[]);
    FOR db, side IN
        SELECT f.name, s.side
        FROM (SELECT name FROM compare_found WHERE kind = 'database' GROUP BY name HAVING count(*) = 2) AS f
        CROSS JOIN (VALUES ('source'), ('target')) AS s(side)
        ORDER BY 1, 2
    LOOP
        PERFORM pg_temp.gather(side, db, $q$
            WITH relation AS (
                SELECT c.relkind, format('%I.%I', n.nspname, c.relname) AS name,
                       CASE WHEN c.relkind = 'r' AND c.reltuples >= 0
                                 AND (c.reltuples > 0 OR c.relpages > 0 OR pg_relation_size(c.oid) = 0)
                            THEN c.reltuples::numeric END AS rows, c.relpages
                FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
                WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
                      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_t(oast|emp)'
                      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass
                                      AND d.objid = c.oid AND d.deptype = 'e'))
            SELECT CASE relkind WHEN 'm' THEN 'materialized view' WHEN 'p' THEN 'partitioned table' ELSE 'table' END,
                   name, rows, relpages::bigint
            FROM relation
            UNION ALL
            -- where one that was not used begins stands in itself alone
            SELECT 'sequence', name, last_value,
                   CASE WHEN last_value IS NULL AND has_sequence_privilege(name, 'SELECT')
                             AND has_schema_privilege(schemaname, 'USAGE')
                        THEN (xpath('/row/last_value/text()', query_to_xml('SELECT last_value FROM ' || name, false, true, '')))[1]::text::bigint END
            FROM (SELECT *, format('%I.%I', schemaname, sequencename) AS name FROM pg_sequences) AS sequence
            UNION ALL
            SELECT CASE c.relkind WHEN 'S' THEN 'unreadable sequence' ELSE 'unreadable table' END,
                   format('%I.%I', n.nspname, c.relname), NULL, NULL
            FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
            WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_t(oast|emp)'
                  AND c.relpersistence <> 't'
                  AND CASE c.relkind WHEN 'S' THEN NOT has_sequence_privilege(c.oid, 'SELECT, USAGE')
                                     WHEN 'r' THEN NOT (has_table_privilege(c.oid, 'SELECT')
                                                        AND has_schema_privilege(n.oid, 'USAGE')) END
            UNION ALL
            SELECT 'extension', extname::text, NULL, NULL FROM pg_extension
            UNION ALL
            SELECT 'invalid index', i.indexrelid::regclass::text, NULL, NULL FROM pg_index AS i WHERE NOT i.indisvalid
        $q$);
    END LOOP;
END $do$;
\if :ERROR
	\connect :could_not_compare
\endif

-- Count rows: small tables many at a time, large ones each by itself, the
-- largest first; whichever connection has nothing to do gets the next ones.
CREATE FUNCTION pg_temp.count_rows(db text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    jobs      int := current_setting('compare.jobs')::int;
    work      record;
    connection text;
    busy      text[] := '{}';
    connections text[] := '{}';
    side      text;
BEGIN
    FOREACH side IN ARRAY '{source,target}'::text[] LOOP
        FOR i IN 1 .. jobs LOOP
            connection := format('compare_%s_%s', side, i);
            PERFORM dblink_connect(connection, pg_temp.conninfo(pg_temp.server_of(side), db));
            PERFORM dblink_exec(connection, 'SET default_transaction_read_only = on; SET search_path = pg_catalog');
            connections := connections || connection;
        END LOOP;
    END LOOP;
    CREATE TEMP TABLE compare_counts (side text, name text, rows numeric) ON COMMIT DROP;
    FOR work IN
        SELECT b.side, string_agg(format('SELECT %L::text, count(*)::numeric FROM ONLY %s', b.name, b.name), ' UNION ALL ') AS query
        FROM (SELECT f.side, f.name, f.pages,
                     sum(f.pages + 100) OVER (PARTITION BY f.side ORDER BY f.pages DESC, f.name) / 10000 AS batch
              FROM compare_found AS f
              WHERE f.db = count_rows.db AND f.kind = 'table'
                    AND NOT EXISTS (SELECT FROM compare_found AS u
                                    WHERE u.side = f.side AND u.db = f.db AND u.kind = 'unreadable table' AND u.name = f.name)) AS b
        GROUP BY b.side, floor(b.batch)
        ORDER BY floor(b.batch), b.side
    LOOP
        connection := NULL;
        WHILE connection IS NULL LOOP
            SELECT c INTO connection
            FROM unnest(connections) AS c
            WHERE c LIKE format('compare\_%s\_%%', work.side) AND (c <> ALL (busy) OR dblink_is_busy(c) = 0)
            LIMIT 1;
            IF connection IS NULL THEN
                PERFORM pg_sleep(0.005);
            END IF;
        END LOOP;
        IF connection = ANY (busy) THEN
            PERFORM pg_temp.take_counts(connection, work.side);
        END IF;
        PERFORM dblink_send_query(connection, work.query);
        busy := array_remove(busy, connection) || connection;
    END LOOP;
    FOREACH connection IN ARRAY connections LOOP
        IF connection = ANY (busy) THEN
            PERFORM pg_temp.take_counts(connection, split_part(connection, '_', 2));
        END IF;
        PERFORM dblink_disconnect(connection);
    END LOOP;
    UPDATE compare_found AS f SET value = c.rows
    FROM compare_counts AS c
    WHERE f.side = c.side AND f.db = count_rows.db AND f.kind = 'table' AND f.name = c.name;
    DROP TABLE compare_counts;
END $$;

-- The second look finds nothing more: the connection is free for the next query.
CREATE FUNCTION pg_temp.take_counts(connection text, side text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO compare_counts SELECT take_counts.side, r.name, r.rows
    FROM dblink_get_result(connection) AS r(name text, rows numeric);
    PERFORM FROM dblink_get_result(connection) AS r(name text, rows numeric);
END $$;

DO $$
DECLARE
    database text;
BEGIN
    IF current_setting('compare.exact')::boolean THEN
        UPDATE compare_found SET value = NULL WHERE kind = 'table';
        FOR database IN SELECT DISTINCT f.db FROM compare_found AS f WHERE f.kind = 'table' ORDER BY 1 LOOP
            PERFORM pg_temp.count_rows(database);
        END LOOP;
    END IF;
END $$;
\if :ERROR
	\connect :could_not_compare
\endif

-- Side by side.
CREATE TEMP TABLE compare_pairs ON COMMIT DROP AS
SELECT db, kind, name, s.side IS NOT NULL AS at_source, t.side IS NOT NULL AS at_target,
       s.value AS source_value, t.value AS target_value, s.pages AS source_pages, t.pages AS target_pages
FROM (SELECT * FROM compare_found WHERE side = 'source') AS s
FULL JOIN (SELECT * FROM compare_found WHERE side = 'target') AS t USING (db, kind, name);

-- What the role may not read on either side is not known to be alike.
CREATE TEMP VIEW compare_unreadable AS
SELECT db, kind, name, CASE WHEN at_source AND at_target THEN 'at both' WHEN at_source THEN 'at the source' ELSE 'at the target' END AS what
FROM compare_pairs
WHERE kind = 'unreadable sequence' OR kind = 'unreadable table' AND current_setting('compare.exact')::boolean;

-- Of one that was not used: where it begins, if the role may see that.
CREATE TEMP VIEW compare_sequences AS
SELECT p.db, p.kind, p.name, p.source_value, p.target_value, p.source_pages AS source_begins, p.target_pages AS target_begins
FROM compare_pairs AS p
WHERE p.kind = 'sequence' AND p.at_source AND p.at_target
      AND (p.source_value IS DISTINCT FROM p.target_value OR p.source_pages <> p.target_pages)
      AND NOT EXISTS (SELECT FROM compare_unreadable AS u
                      WHERE u.db = p.db AND u.kind = 'unreadable sequence' AND u.name = p.name);

CREATE TEMP VIEW compare_rows AS
SELECT db, name, source_value, target_value,
       CASE WHEN EXISTS (SELECT FROM compare_unreadable AS u
                         WHERE u.db = p.db AND u.kind = 'unreadable table' AND u.name = p.name) THEN false
            WHEN current_setting('compare.exact')::boolean THEN source_value IS DISTINCT FROM target_value
            WHEN source_value IS NULL OR target_value IS NULL THEN false
            ELSE abs(source_value - target_value) > 100
                 AND abs(source_value - target_value) > greatest(source_value, target_value) / 10 END AS differs
FROM compare_pairs AS p
WHERE kind = 'table' AND at_source AND at_target;

CREATE TEMP VIEW compare_differences AS
SELECT db, kind, name, CASE WHEN at_source THEN 'missing at the target' ELSE 'missing at the source' END AS what
FROM compare_pairs
WHERE at_source <> at_target
      AND (kind IN ('table', 'partitioned table', 'materialized view', 'sequence')
           OR at_source AND kind IN ('database', 'extension')
           OR at_source AND kind = 'role' AND name <> ALL (:'ignore_roles'::text[]))
UNION ALL
SELECT db, kind, name, 'at the target' FROM compare_pairs WHERE kind = 'invalid index' AND at_target
UNION ALL
SELECT db, kind, name, what FROM compare_unreadable
UNION ALL
SELECT db, 'rows of table', name, format('source %s, target %s', coalesce(source_value::text, '-'), coalesce(target_value::text, '-'))
FROM compare_rows WHERE differs
UNION ALL
SELECT db, kind, name, format('source %s, target %s', coalesce(source_value::text, 'not used' || ' (begins with ' || source_begins || ')', 'not used'),
                              coalesce(target_value::text, 'not used' || ' (begins with ' || target_begins || ')', 'not used'))
FROM compare_sequences;
\if :ERROR
	\connect :could_not_compare
\endif

\if :all
	\echo 'Rows'
	SELECT db AS database, name AS table, source_value AS source, target_value AS target
	FROM compare_rows ORDER BY db, name;
\endif

\echo 'Compared'
SELECT d.name AS database, count(*) FILTER (WHERE p.kind = 'table') AS tables,
       sum(p.source_value) FILTER (WHERE p.kind = 'table') AS source_rows,
       sum(p.target_value) FILTER (WHERE p.kind = 'table') AS target_rows,
       count(*) FILTER (WHERE p.kind = 'sequence') AS sequences,
       count(*) FILTER (WHERE p.kind = 'extension') AS extensions
FROM compare_pairs AS d LEFT JOIN compare_pairs AS p ON p.db = d.name
WHERE d.kind = 'database' AND d.at_source AND d.at_target
GROUP BY d.name ORDER BY d.name;

SELECT count(*) > 0 AS differs, (SELECT count(*) > 0 FROM compare_sequences) AS sequences_differ
FROM compare_differences \gset compare_
\if :ERROR
	\connect :could_not_compare
\endif
\if :compare_differs
	\echo 'Differences'
	SELECT nullif(db, '') AS database, kind, name, what
	FROM compare_differences ORDER BY db, kind, name, what;
\endif
\if :compare_sequences_differ
	\echo 'Set the sequences of the target'
	SELECT db AS database,
	       CASE WHEN source_value IS NOT NULL THEN format('SELECT setval(%L, %s);', name, source_value)
	            WHEN source_begins IS NOT NULL THEN format('SELECT setval(%L, %s, false);', name, source_begins)
	            ELSE format('ALTER SEQUENCE %s RESTART;', name) END AS "run at the target"
	FROM compare_sequences
	ORDER BY db, name;
\endif
COMMIT;
\if :ERROR
	\connect :could_not_compare
\endif

\set ON_ERROR_STOP on
\if :compare_differs
	DO $$ BEGIN RAISE 'source and target differ'; END $$;
\endif
\echo 'Source and target are alike.'
