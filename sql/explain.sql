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
            line := regexp_replace(line, '\$[0-9]+\M|\(InitPlan [0-9]+\)\.col1', '(sub-select)', 'g');
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
