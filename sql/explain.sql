-- What EXPLAIN shows of a scan, in all formats.  It sends nothing.
\! simctl reset >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000a engine=pg >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
\! simctl log --clear >/dev/null
\set a 00000000-0000-4000-8000-00000000000a
\set b 00000000-0000-4000-8000-00000000000b
CREATE SCHEMA explain;
SET search_path = explain, databases;
CREATE TABLE wanted (n int, cluster uuid);
INSERT INTO wanted VALUES (1, :'a');
ANALYZE wanted;
CREATE FUNCTION stable_key() RETURNS uuid LANGUAGE plpgsql STABLE AS
$$ BEGIN RAISE EXCEPTION 'evaluated by EXPLAIN'; END $$;
CREATE FUNCTION stable_keys() RETURNS uuid[] LANGUAGE plpgsql STABLE AS
$$ BEGIN RAISE EXCEPTION 'evaluated by EXPLAIN'; END $$;

-- Versions of PostgreSQL write the results of sub-selects in their own ways,
-- and 18 adds a line to the structured formats.
CREATE FUNCTION plan(query text, format text DEFAULT 'text') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE document text; line text;
BEGIN
    FOR document IN EXECUTE format('EXPLAIN (COSTS OFF, FORMAT %s) %s', format, query) LOOP
        FOREACH line IN ARRAY string_to_array(document, E'\n') LOOP
            CONTINUE WHEN line ~ 'Disabled';
            line := regexp_replace(line, '\(InitPlan [0-9]+\)(\.col1)?', '(sub-select)', 'g');
            RETURN NEXT regexp_replace(line, ' \(returns .*\)', '');
        END LOOP;
    END LOOP;
END $$;
\pset tuples_only on
\pset format unaligned

EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a';
EXPLAIN (COSTS OFF) SELECT id FROM digitalocean.databases.online_migrations WHERE :'a'::uuid = database_cluster_uuid;
EXPLAIN (COSTS OFF, VERBOSE) SELECT id FROM online_migrations WHERE database_cluster_uuid IN (:'a', :'b') AND status = 'done';
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations
WHERE (database_cluster_uuid = :'a' AND status = 'done' OR database_cluster_uuid = :'b') AND database_cluster_uuid <> :'b' AND database_cluster_uuid IN (:'a', :'b');
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid = stable_key();
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid = gen_random_uuid() AND database_cluster_uuid = :'a';
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid::text = :'a';
SELECT plan('SELECT id FROM online_migrations WHERE database_cluster_uuid = (SELECT cluster FROM wanted)');
SELECT plan('SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT cluster FROM wanted))');
PREPARE one(uuid) AS SELECT id FROM online_migrations WHERE database_cluster_uuid = $1;
SET plan_cache_mode = force_generic_plan;
EXPLAIN (COSTS OFF) EXECUTE one(:'a');
RESET plan_cache_mode;
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid = NULL;

-- The structured formats.
SELECT plan($q$ SELECT id FROM online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a' AND database_cluster_uuid = ANY (stable_keys()) $q$, 'json');
SELECT plan($q$ SELECT id FROM online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a' AND database_cluster_uuid = ANY (stable_keys()) $q$, 'yaml');
SELECT plan($q$ SELECT id FROM online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a' AND database_cluster_uuid = ANY (stable_keys()) $q$, 'xml');

-- No key: the listing.
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations;
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE status = 'running';
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' OR status = 'running';
EXPLAIN (COSTS OFF) SELECT id FROM clusters;
EXPLAIN (COSTS OFF) SELECT name FROM clusters WHERE id = :'a';
EXPLAIN (COSTS OFF) SELECT name FROM clusters WHERE tags @> ARRAY['production'];
SELECT plan('SELECT id FROM online_migrations', 'json');
SELECT plan('SELECT name FROM clusters', 'yaml');

-- Keys of scans in sub-selects are shown by the columns that they are, wherever
-- in a plan the sub-select is evaluated.
CREATE FUNCTION shown(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
        CONTINUE WHEN line !~ 'Remote Keys|Batch Keys';
        line := regexp_replace(line, '\(InitPlan [0-9]+\)(\.col1)?', '(sub-select)', 'g');
        RETURN NEXT trim(line);
    END LOOP;
END $$;
CREATE FUNCTION status_of(text) RETURNS text LANGUAGE sql AS
'SELECT format($f$ (SELECT m.status FROM online_migrations m WHERE m.database_cluster_uuid = %s) $f$, $1)';
CREATE TABLE others (n int PRIMARY KEY, cluster uuid, status text);
CREATE INDEX others_status ON others (status);
-- the target list, WHERE, HAVING, an aggregate's argument, ORDER BY
SELECT shown('SELECT' || status_of('w.cluster') || 'FROM wanted w');
SELECT shown('SELECT FROM wanted w WHERE' || status_of('w.cluster') || '= $$done$$');
SELECT shown('SELECT cluster FROM wanted GROUP BY cluster HAVING' || status_of('cluster') || '= $$done$$');
SELECT shown('SELECT max(' || status_of('w.cluster') || ') FROM wanted w');
SELECT shown('SELECT n FROM wanted w ORDER BY' || status_of('w.cluster'));
-- joins: their filters, and the clauses by which they hash and merge
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT shown('SELECT FROM wanted w LEFT JOIN others o ON' || status_of('w.cluster') || '> o.status');
SELECT shown('SELECT o.n FROM wanted w LEFT JOIN others o ON o.n = w.n AND' || status_of('w.cluster') || '= o.status');
SET enable_indexscan = off;
SET enable_bitmapscan = off;
SELECT shown('SELECT FROM wanted w LEFT JOIN others o ON' || status_of('w.cluster') || '> o.status || w.n');
RESET enable_hashjoin;
SET enable_nestloop = off;
SELECT shown('SELECT FROM wanted w LEFT JOIN others o ON' || status_of('w.cluster') || '= o.status');
SELECT shown('SELECT o.n FROM wanted w LEFT JOIN others o ON o.n = w.n AND' || status_of('w.cluster') || '> o.status');
RESET enable_mergejoin;
SET enable_hashjoin = off;
SELECT shown('SELECT FROM wanted w LEFT JOIN others o ON' || status_of('w.cluster') || '= o.status');
RESET enable_hashjoin;
RESET enable_nestloop;
-- indexes, and tuples by their place
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
RESET enable_indexscan;
SELECT shown('SELECT o.n FROM wanted w JOIN others o ON o.status =' || status_of('w.cluster'));
SELECT shown('SELECT o.status FROM wanted w JOIN others o ON o.status =' || status_of('w.cluster'));
SET enable_indexscan = off;
SET enable_indexonlyscan = off;
RESET enable_bitmapscan;
SELECT shown('SELECT o.n FROM wanted w JOIN others o ON o.status =' || status_of('w.cluster'));
RESET enable_indexscan;
RESET enable_indexonlyscan;
SELECT shown('SELECT o.n FROM wanted w JOIN others o ON o.ctid =' || status_of('w.cluster') || '::tid');
SELECT shown('SELECT o.n FROM wanted w, LATERAL (SELECT n FROM others o WHERE o.ctid <' || status_of('w.cluster') || '::tid) o');
SELECT shown('SELECT w.n FROM wanted w JOIN LATERAL (SELECT o.cluster FROM others o WHERE o.status =' || status_of('w.cluster') || 'OFFSET 0) o ON true');
RESET enable_seqscan;
RESET enable_hashjoin;
RESET enable_mergejoin;
RESET enable_material;
-- what is no scan of a table
CREATE FUNCTION has_status(text) RETURNS text LANGUAGE sql AS
'SELECT format($f$ CASE WHEN $$done$$ = ANY (SELECT m.status FROM online_migrations m WHERE m.database_cluster_uuid = %s) THEN 1 END $f$, $1)';
SELECT shown('SELECT (SELECT w.n WHERE' || status_of('w.cluster') || '= $$done$$) FROM wanted w');
SELECT shown('SELECT ARRAY(SELECT n FROM others WHERE' || has_status('w.cluster') || '= 1) FROM wanted w');
SELECT shown('SELECT ARRAY(SELECT n FROM others LIMIT' || has_status('w.cluster') || ') FROM wanted w');
SELECT shown('SELECT ARRAY(SELECT n FROM others OFFSET' || has_status('w.cluster') || ') FROM wanted w');
SELECT shown('SELECT ARRAY(SELECT sum(n) OVER (ROWS' || has_status('w.cluster') || 'PRECEDING) FROM others) FROM wanted w');
SELECT shown('SELECT ARRAY(SELECT sum(n) OVER (ROWS BETWEEN CURRENT ROW AND' || has_status('w.cluster') || 'FOLLOWING) FROM others) FROM wanted w');
SELECT shown('SELECT ARRAY(SELECT n FROM others TABLESAMPLE system (' || has_status('w.cluster') || ')) FROM wanted w');
SELECT shown('SELECT FROM wanted w, generate_series(1, length(' || status_of('w.cluster') || '))');
SELECT shown('SELECT x.v FROM wanted w, LATERAL (VALUES (' || status_of('w.cluster') || '), (w.n::text)) x (v)');
SELECT shown('SELECT x.a FROM wanted w, XMLTABLE($$/r$$ PASSING (' || status_of('w.cluster') || '::xml) COLUMNS a text) x');
-- what is changed and returned
SELECT shown('UPDATE others o SET status = $$x$$ RETURNING' || status_of('o.cluster'));
SELECT shown('INSERT INTO others VALUES (1) ON CONFLICT (n) DO UPDATE SET status =' || status_of('excluded.cluster'));
SELECT shown('INSERT INTO others VALUES (1) ON CONFLICT (n) DO UPDATE SET status = $$x$$ WHERE' || status_of('others.cluster') || '= $$done$$');
SELECT shown('MERGE INTO others o USING wanted w ON o.n = w.n WHEN MATCHED AND' || status_of('w.cluster') || '= $$done$$ THEN DELETE');
SELECT shown('MERGE INTO others o USING wanted w ON o.n = w.n WHEN NOT MATCHED THEN INSERT VALUES (w.n, w.cluster,' || status_of('w.cluster') || ')');
CREATE VIEW checked AS SELECT * FROM others o WHERE (SELECT m.status FROM online_migrations m WHERE m.database_cluster_uuid = o.cluster) = 'done' WITH CHECK OPTION;
SELECT shown('INSERT INTO checked VALUES (1)');
-- below other scans by key, as their keys and their joins' keys
SELECT shown('SELECT FROM wanted w, online_migrations x WHERE x.database_cluster_uuid = (SELECT m.id::uuid FROM online_migrations m WHERE m.database_cluster_uuid = w.cluster)');
SET online_migrations_fdw.enable_batched_join = off;
SELECT shown('SELECT FROM wanted w, online_migrations x WHERE x.database_cluster_uuid = (SELECT m.id::uuid FROM online_migrations m WHERE m.database_cluster_uuid = w.cluster)');
RESET online_migrations_fdw.enable_batched_join;
-- a UNION ALL, sub-selects in sub-selects, and CTEs
SELECT shown('SELECT (SELECT max(status) FROM (SELECT status FROM online_migrations WHERE database_cluster_uuid = w.cluster UNION ALL SELECT status FROM clusters WHERE id = w.cluster) u) FROM wanted w');
SELECT shown('SELECT (SELECT' || status_of('w.cluster') || 'FROM others o WHERE o.n = w.n) FROM wanted w');
SELECT shown('WITH c AS MATERIALIZED (SELECT' || status_of('w.cluster') || 'FROM wanted w) SELECT FROM c');
SELECT shown('WITH RECURSIVE c (i, s) AS (SELECT 1, NULL UNION ALL SELECT i + 1,' || status_of('w.cluster') || 'FROM c, wanted w WHERE i < 3) SELECT FROM c');
-- A result of a sub-select that runs once is shown by the sub-select's name.
SELECT shown('SELECT FROM wanted w LEFT JOIN online_migrations m ON m.database_cluster_uuid = coalesce(w.cluster, (SELECT min(cluster::text)::uuid FROM others))');
SELECT shown('SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid IN (w.cluster, (SELECT cluster FROM others LIMIT 1)) LIMIT 1) FROM wanted w');
SELECT shown('SELECT FROM online_migrations WHERE database_cluster_uuid <> (SELECT cluster FROM others WHERE n = 1) AND database_cluster_uuid = (SELECT cluster FROM others WHERE n = 2)');

-- None of that was sent, no token was needed, and nothing was evaluated.
\! simctl log --clear
BEGIN;
DROP USER MAPPING FOR CURRENT_USER SERVER digitalocean;
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a';
ROLLBACK;

-- EXPLAIN ANALYZE does what the query does, and counts.  PostgreSQL 18 shows
-- buffers and fractions of rows of its own accord: only our lines are kept.
CREATE FUNCTION remote_lines(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
        IF line ~ 'Remote' THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END $$;
SELECT remote_lines($$ SELECT id FROM databases.online_migrations WHERE database_cluster_uuid IN ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-0000000000ff') $$);
SELECT remote_lines($$ SELECT id FROM databases.online_migrations WHERE database_cluster_uuid = NULL::uuid OR database_cluster_uuid = ANY ('{}') $$);
\! simctl log --sort --clear

SET client_min_messages = warning;
DROP SCHEMA explain CASCADE;
