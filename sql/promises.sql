-- Promises of the documents that look kept until one looks closely: each
-- begins with what is promised, and shows what is different where it is not.
\! simctl reset >/dev/null
\! simctl token dop_v1_promise1 >/dev/null
\! simctl cluster 0000000d-0000-4000-8000-00000000000a token=dop_v1_promise1 engine=pg tags=web,old >/dev/null
\! simctl cluster 0000000d-0000-4000-8000-00000000000b token=dop_v1_promise1 engine=mysql tags=web >/dev/null
\! simctl cluster 0000000d-0000-4000-8000-00000000000c token=dop_v1_promise1 engine=kafka tags=old >/dev/null
\! simctl migration 0000000d-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
\! simctl migration 0000000d-0000-4000-8000-00000000000b done id-b 2020-10-28T15:21:36Z >/dev/null
\! simctl log --clear >/dev/null
\getenv endpoint OMF_HTTP
\set a 0000000d-0000-4000-8000-00000000000a
\set b 0000000d-0000-4000-8000-00000000000b
\set c 0000000d-0000-4000-8000-00000000000c
SET client_min_messages = warning;
CREATE SERVER promises FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint :'endpoint', max_retries '0');
CREATE USER MAPPING FOR CURRENT_USER SERVER promises OPTIONS (token 'dop_v1_promise1');
CREATE SCHEMA promises;
IMPORT FOREIGN SCHEMA databases FROM SERVER promises INTO promises;
SET search_path = promises, public;
SET timezone = 'UTC';
SET statement_timeout = '30s';
CREATE TABLE wanted (n int, k uuid, t text);
INSERT INTO wanted VALUES (1, :'a', :'a'), (2, :'b', :'b'), (3, :'c', :'c');
ANALYZE wanted;

-- ----- keys -----

-- Keys: a clause is a key where it says which clusters alone can pass.  ALL
-- does not, nor does a part of the UUID, nor what other operators compare.
SELECT id FROM online_migrations WHERE database_cluster_uuid = ALL (ARRAY[:'a', :'b']::uuid[]);
SELECT id FROM online_migrations WHERE database_cluster_uuid = ALL (ARRAY[:'b']::uuid[]);
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = ALL ('{}'::uuid[]);
SELECT id FROM online_migrations WHERE database_cluster_uuid::text = ALL (ARRAY[:'a', :'b']);
SELECT id FROM online_migrations WHERE database_cluster_uuid <> ALL (ARRAY[:'a']::uuid[]);
SELECT id FROM online_migrations WHERE database_cluster_uuid::varchar(7) = '0000000' ORDER BY id;
SELECT id FROM online_migrations WHERE database_cluster_uuid::varchar(36) = :'a';
SELECT id FROM online_migrations WHERE database_cluster_uuid::varchar(35) = left(:'b', 35) ORDER BY id;
SELECT id FROM online_migrations WHERE database_cluster_uuid::char(36) = :'a';
SELECT id FROM online_migrations WHERE left(database_cluster_uuid::text, 8) = '0000000d' ORDER BY id;
SELECT id FROM online_migrations WHERE database_cluster_uuid::text LIKE '%b';
SELECT id FROM online_migrations WHERE database_cluster_uuid::text ~ 'a$';
SELECT id FROM online_migrations WHERE database_cluster_uuid::text >= :'b';
SELECT id FROM online_migrations WHERE database_cluster_uuid >= :'b';
SELECT id FROM online_migrations WHERE database_cluster_uuid IS NOT DISTINCT FROM :'b';
SELECT id FROM online_migrations WHERE NOT database_cluster_uuid = :'b';
SELECT id FROM online_migrations WHERE (database_cluster_uuid = :'b') IS NOT TRUE;
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' OR status = 'done' ORDER BY id;
SELECT id FROM online_migrations WHERE database_cluster_uuid::text = upper(:'a') OR status = 'done' ORDER BY id;
-- Keys: the other side is known before the scan; what depends on the row, or
-- is another value each time, is not.
SELECT id FROM online_migrations WHERE database_cluster_uuid = CASE status WHEN 'done' THEN :'b'::uuid ELSE :'c' END;
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY[nullif(:'a', id)]::uuid[]);
CREATE SEQUENCE calls;
CREATE FUNCTION each_time(k uuid) RETURNS uuid LANGUAGE sql VOLATILE AS $$ SELECT CASE WHEN nextval('promises.calls') > 0 THEN k END $$;
SELECT id FROM online_migrations WHERE database_cluster_uuid = each_time(:'b');
SELECT last_value > 1 AS called_for_each_row FROM calls;
\! simctl log --clear >/dev/null
-- Under a nondeterministic collation a UUID has more than one text.
CREATE COLLATION promises.ignores_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
SELECT id FROM online_migrations WHERE database_cluster_uuid::text = upper(:'a') COLLATE ignores_case;
SELECT id FROM online_migrations WHERE database_cluster_uuid::text = ANY (ARRAY[upper(:'a'), upper(:'b')] COLLATE ignores_case) ORDER BY id;
SELECT n, id FROM wanted JOIN online_migrations ON database_cluster_uuid::text = upper(t) COLLATE ignores_case ORDER BY n;
\! simctl log --clear >/dev/null

-- ----- tags -----

-- Keys: tags @> ARRAY['x'] with one constant tag narrows the listing; not one
-- that is longer than 255 bytes (Limits), not several.
SELECT count(*) FROM clusters WHERE tags @> ARRAY['web'];
SELECT count(*) FROM clusters WHERE tags @> ARRAY[repeat('x', 255)];
\! simctl log --clear | sed 's/x\{255\}/(255 x)/'
SELECT count(*) FROM clusters WHERE tags @> ARRAY[repeat('x', 256)];
SELECT count(*) FROM clusters WHERE tags @> ARRAY[repeat('ü', 128)];
SELECT count(*) FROM clusters WHERE tags @> ARRAY['web', 'old'];
SELECT count(*) FROM clusters WHERE tags @> ARRAY[NULL]::text[];
SELECT count(*) FROM clusters WHERE tags @> '{}';
SELECT count(*) FROM clusters WHERE tags @> ARRAY[''];
SELECT count(*) FROM clusters WHERE tags <@ ARRAY['web'];
SELECT count(*) FROM clusters WHERE NOT tags @> ARRAY['web'];
\! simctl log --clear
-- Let others read: of a security_barrier view, no WHERE of its reader's
-- decides what the API hears: neither a key nor a tag.
CREATE FUNCTION is_visible(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RETURN $1 <> 'mysql'; END $$;
CREATE VIEW barrier WITH (security_barrier) AS SELECT * FROM clusters WHERE is_visible(engine);
SELECT count(*) FROM barrier WHERE tags @> ARRAY['web'];
\! simctl log --clear
CREATE VIEW no_barrier AS SELECT * FROM clusters WHERE is_visible(engine);
SELECT count(*) FROM no_barrier WHERE tags @> ARRAY['web'];
\! simctl log --clear

-- A policy of a table that the foreign table inherits is such a barrier, too.
CREATE TABLE every_cluster (id uuid, engine text, tags text[]);
CREATE FOREIGN TABLE own_clusters () INHERITS (every_cluster) SERVER promises OPTIONS (resource 'clusters');
ALTER TABLE every_cluster ENABLE ROW LEVEL SECURITY;
CREATE POLICY visible ON every_cluster USING (is_visible(engine));
CREATE ROLE omf_promises;
GRANT USAGE ON SCHEMA promises TO omf_promises;
GRANT SELECT ON every_cluster TO omf_promises;
CREATE USER MAPPING FOR omf_promises SERVER promises OPTIONS (token 'dop_v1_promise1');
SET ROLE omf_promises;
SELECT engine FROM every_cluster WHERE tags @> ARRAY['web'];
\! simctl log --clear
SELECT engine FROM every_cluster WHERE id::text IN (:'a', :'b') ORDER BY 1;
\! simctl log --sort --clear
RESET ROLE;
DROP TABLE every_cluster CASCADE;
DROP OWNED BY omf_promises;
DROP ROLE omf_promises;

-- ----- engines that can't be migrated -----

-- Feed a dashboard: where the listing tells the engine, no status is asked of
-- those that can't be migrated, whatever the plan.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT c.engine, m.status FROM clusters c LEFT JOIN online_migrations m ON m.database_cluster_uuid = c.id ORDER BY 1;
\! simctl log --sort --clear
SET online_migrations_fdw.enable_batched_join = off;
SELECT c.engine, m.status FROM clusters c LEFT JOIN online_migrations m ON m.database_cluster_uuid = c.id ORDER BY 1;
\! simctl log --sort --clear
RESET online_migrations_fdw.enable_batched_join;
-- Of one that was not listed, it is asked: its engine is not known.
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = :'c';
\! simctl log --sort --clear

-- ----- rescans -----

-- Foreign tables in general: what a node of the plan has read is its own, and
-- a rescan begins anew: rows that were read ahead for other parameters don't
-- come up again.
SELECT g, (SELECT string_agg(x.n::text, ' ') FROM (SELECT w.n, m.id FROM wanted w JOIN online_migrations m
    ON m.database_cluster_uuid IN (w.k, :'b') WHERE w.n <= 4 - g LIMIT 2) x) AS first_two
FROM generate_series(1, 3) g;
SELECT g, (SELECT count(*) FROM wanted w JOIN online_migrations m ON m.database_cluster_uuid = w.k WHERE w.n <= g) FROM generate_series(0, 3) g;
SELECT g, (SELECT string_agg(id, ' ' ORDER BY id) FROM online_migrations WHERE database_cluster_uuid = ANY (CASE g % 2 WHEN 1 THEN ARRAY[:'a', :'b'] ELSE ARRAY[:'b'] END::uuid[])) AS ids
FROM generate_series(1, 4) g;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- ----- asynchronous Append -----

-- Scans below an Append run at the same time: one whose answers have come while
-- another node waited has its rows taken, also where nothing else will come.
\! simctl cluster 0000000d-0000-4000-8000-00000000000b token=dop_v1_promise1 latency_ms=300 >/dev/null
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a'
UNION ALL (SELECT id FROM online_migrations WHERE database_cluster_uuid = :'b' LIMIT 1)
UNION ALL SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' \g | grep Scan
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a'
UNION ALL (SELECT id FROM online_migrations WHERE database_cluster_uuid = :'b' LIMIT 1)
UNION ALL SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' ORDER BY 1;
\! simctl cluster 0000000d-0000-4000-8000-00000000000b token=dop_v1_promise1 latency_ms=0 >/dev/null

-- ----- EXPLAIN -----

CREATE FUNCTION remote_lines(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
        IF line ~ 'Remote|Batch' THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END $$;
-- EXPLAIN: requests count in the node that caused them, a listing that
-- several share in one of them.
SELECT remote_lines('SELECT FROM clusters a, clusters b');
SELECT sum(substring(line FROM 'Requests: (\d+)')::int) FROM remote_lines('SELECT FROM online_migrations a, online_migrations b, clusters c') line;
-- EXPLAIN: Remote Keys and Batch Keys show the clauses, with the columns of
-- the other tables by name.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT count(*), bool_and(line ~ '\mw\.k\M') FROM remote_lines('SELECT FROM wanted w LEFT JOIN online_migrations m ON m.database_cluster_uuid = w.k') line WHERE line ~ 'Keys';
SELECT count(*), bool_and(line ~ '\mw\.k\M') FROM remote_lines('SELECT FROM wanted w, LATERAL (SELECT * FROM online_migrations m WHERE m.database_cluster_uuid = w.k UNION ALL SELECT * FROM online_migrations n WHERE n.database_cluster_uuid = w.k) x') line WHERE line ~ 'Keys';
SELECT count(*), bool_and(line ~ '\mw\.k\M') FROM remote_lines('SELECT FROM wanted w, LATERAL (SELECT * FROM online_migrations m WHERE m.database_cluster_uuid = w.k LIMIT 1) x ORDER BY w.n') line WHERE line ~ 'Keys';
RESET enable_hashjoin;
RESET enable_mergejoin;

-- Options of a server, as they are where nobody has set them.
CREATE SERVER unset_options FOREIGN DATA WRAPPER online_migrations_fdw;
CREATE USER MAPPING FOR CURRENT_USER SERVER unset_options OPTIONS (token 'dop_v1_nowhere00');
CREATE FOREIGN TABLE unset (database_cluster_uuid uuid, status text) SERVER unset_options;
CREATE FUNCTION settings(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, VERBOSE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
        IF line ~ 'Endpoint|Settings' THEN
            RETURN NEXT trim(line);
        END IF;
    END LOOP;
END $$;
SELECT settings($$SELECT * FROM unset WHERE database_cluster_uuid = ANY ('{}')$$);
-- Not more of the rate limit than the API allows in an hour can be left to others.
ALTER SERVER unset_options OPTIONS (ADD rate_limit_reserve '5000');
ALTER SERVER unset_options OPTIONS (SET rate_limit_reserve '5001');

-- ----- failures as rows -----

-- Show failures as rows: one warning for a statement, that says how many
-- clusters failed, however many nodes read them.
ALTER FOREIGN TABLE online_migrations ADD COLUMN error text;
ALTER FOREIGN TABLE online_migrations OPTIONS (ADD on_error 'report');
SELECT count(*), count(x.error), count(y.error) FROM online_migrations x, online_migrations y
WHERE x.database_cluster_uuid IN ('0badc0de-0000-4000-8000-000000000500', '0badc0de-0000-4000-8000-000000000502')
  AND y.database_cluster_uuid IN ('0badc0de-0000-4000-8000-000000000502', '0badc0de-0000-4000-8000-000000000503');
SELECT count(error) FROM (SELECT error FROM online_migrations WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000500'
    UNION ALL SELECT error FROM online_migrations WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000502') x;
ALTER FOREIGN TABLE online_migrations OPTIONS (DROP on_error);
ALTER FOREIGN TABLE online_migrations DROP COLUMN error;

-- ----- rate limits -----

-- View online_migrations_fdw_rate_limits: a row for each server that the
-- reader has USAGE and a token for, of whose limit something is known.
CREATE ROLE omf_promises;
GRANT USAGE ON SCHEMA databases TO omf_promises;
CREATE USER MAPPING FOR omf_promises SERVER promises OPTIONS (token 'dop_v1_promise1');
SELECT count(*) FROM clusters;
SET ROLE omf_promises;
SELECT server FROM databases.online_migrations_fdw_rate_limits WHERE server = 'promises';
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER promises TO omf_promises;
SET ROLE omf_promises;
SELECT server FROM databases.online_migrations_fdw_rate_limits WHERE server = 'promises';
RESET ROLE;
DROP USER MAPPING FOR omf_promises SERVER promises;
SET ROLE omf_promises;
SELECT server FROM databases.online_migrations_fdw_rate_limits WHERE server = 'promises';
RESET ROLE;
DROP OWNED BY omf_promises;
DROP ROLE omf_promises;

-- ----- ANALYZE -----

-- What a scan costs: ANALYZE takes a random sample.  The first 300 rows, all
-- of the target, would be of one engine only.
\! simctl token dop_v1_promise2 >/dev/null
\! simctl populate seed=14 count=400 token=dop_v1_promise2 engine=pg >/dev/null
\! simctl populate seed=15 count=400 token=dop_v1_promise2 engine=mysql >/dev/null
ALTER USER MAPPING FOR CURRENT_USER SERVER promises OPTIONS (SET token 'dop_v1_promise2');
SET default_statistics_target = 1;
ANALYZE clusters;
RESET default_statistics_target;
SELECT reltuples FROM pg_class WHERE oid = 'clusters'::regclass;
SELECT n_distinct FROM pg_stats WHERE schemaname = 'promises' AND tablename = 'clusters' AND attname = 'engine';

-- ----- limits -----

-- Limits: 1,000 pages of a listing.  One that never ends is HV00M, and is not
-- read any further.
\! simctl populate seed=16 count=300 token=dop_v1_promise2 engine=pg >/dev/null
\! simctl config list_max_page=1 list_links=false list_total=false >/dev/null
\! simctl log --clear >/dev/null
SELECT state, message, regexp_replace(detail, 'Request ID.*', '') AS detail FROM failure('SELECT count(*) FROM promises.clusters');
\! simctl log --clear | sed 's/.*page=\([0-9]*\)&.*/\1/' | tail -n 1
\! simctl config list_max_page=200 list_links=true list_total=true >/dev/null

SET client_min_messages = error;
DROP SERVER promises, unset_options CASCADE;
DROP SCHEMA promises CASCADE;
