-- What the planner expects, and what it chooses by that: the way with fewer
-- requests.  The server is one of this test's own, of which this backend
-- knows nothing yet.
\! simctl reset >/dev/null
\! simctl token dop_v1_estimate1 >/dev/null
\! simctl token dop_v1_estimate0 >/dev/null
\! simctl populate seed=10 count=200 token=dop_v1_estimate1 status=done >/dev/null
\getenv endpoint OMF_HTTP
CREATE SERVER estimated FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'endpoint', max_retries '0');
CREATE USER MAPPING FOR CURRENT_USER SERVER estimated OPTIONS (token 'dop_v1_estimate1');
CREATE SCHEMA estimated;
IMPORT FOREIGN SCHEMA databases FROM SERVER estimated INTO estimated;
SET search_path = estimated;
CREATE FUNCTION key(i integer) RETURNS uuid IMMUTABLE LANGUAGE sql
RETURN ('0000000a-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid;
CREATE FUNCTION rows(query text) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END $$;

-- As long as nothing is known, an account has 50 clusters.
SELECT rows('SELECT FROM online_migrations'), rows('SELECT FROM clusters');
-- With keys, the number of these counts.
SELECT rows('SELECT FROM online_migrations WHERE database_cluster_uuid = key(1)') AS one,
    rows('SELECT FROM online_migrations WHERE database_cluster_uuid IN (key(1), key(2), key(3))') AS three,
    rows('SELECT FROM online_migrations WHERE database_cluster_uuid = key(1) OR database_cluster_uuid = key(2)') AS two,
    rows('SELECT FROM clusters WHERE id = ANY (ARRAY[key(1), key(2)])') AS two,
    rows('SELECT FROM online_migrations WHERE database_cluster_uuid::text = ''x''') AS one;
-- Plain EXPLAIN sends nothing.
\! simctl log

-- A listing tells.
SELECT count(*) FROM clusters;
SELECT rows('SELECT FROM online_migrations'), rows('SELECT FROM clusters');
SELECT rows('SELECT FROM clusters WHERE tags @> ARRAY[''x'']') < 200 AS fewer;
-- One by tag shows a part only.
SELECT count(*) FROM clusters WHERE tags @> ARRAY['x'];
SELECT rows('SELECT FROM online_migrations'), rows('SELECT FROM clusters');
-- A scan of the migrations reads the listing, too.
\! simctl populate seed=11 count=40 token=dop_v1_estimate1 status=running >/dev/null
SELECT count(*) FROM online_migrations;
SELECT rows('SELECT FROM online_migrations'), rows('SELECT FROM clusters');

-- Another backend does not know it, until ANALYZE has counted.
\c
SET search_path = estimated;
SELECT rows('SELECT FROM online_migrations'), rows('SELECT FROM clusters');
\! simctl log --clear >/dev/null
ANALYZE clusters;
\! simctl log --sort --clear
ANALYZE online_migrations;
\! simctl log --clear | wc -l
SELECT relname, reltuples, relpages FROM pg_class WHERE relnamespace = 'estimated'::regnamespace AND relkind = 'f' ORDER BY 1;
SELECT attname, n_distinct, null_frac FROM pg_stats WHERE schemaname = 'estimated' AND tablename = 'online_migrations' ORDER BY 1;
\c
SET search_path = estimated;
SELECT rows('SELECT FROM online_migrations'), rows('SELECT FROM clusters');
SELECT rows('SELECT FROM online_migrations WHERE status = ''done'''), rows('SELECT FROM online_migrations WHERE status = ''running''');
\! simctl log

-- Joins: whatever asks for less.
CREATE TABLE three AS SELECT i, key(i) AS k FROM generate_series(1, 3) i;
CREATE TABLE half AS SELECT i, key(i) AS k FROM generate_series(1, 120) i;
CREATE TABLE many AS SELECT i, key(i) AS k FROM generate_series(1, 600) i;
ANALYZE three, half, many;
SELECT rows('SELECT FROM three JOIN online_migrations ON database_cluster_uuid = k') AS three,
    rows('SELECT FROM many LEFT JOIN online_migrations ON database_cluster_uuid = k') AS many;
\! simctl log --clear >/dev/null
SELECT count(*) FROM three JOIN online_migrations ON database_cluster_uuid = k;
\! simctl log --clear | wc -l
SELECT count(*) FROM half JOIN online_migrations ON database_cluster_uuid = k;
\! simctl log --clear | wc -l
SELECT count(*) FROM three LEFT JOIN clusters ON id = k;
\! test "$(simctl log --clear | wc -l)" -le 3 && echo no more than three
-- of 600 rows, 240 clusters on 2 pages
SELECT count(*) FROM many JOIN online_migrations ON database_cluster_uuid = k;
\! simctl log | sed 's/online-migration.*/online-migration/; s/.*per_page.*/page/; s/.*online-migration/status/' | sort | uniq -c | tr -s ' '
\! simctl log --clear >/dev/null
SELECT count(*) FROM many JOIN clusters ON id = k;
\! simctl log --clear | sed 's/.*per_page.*/page/' | sort | uniq -c | tr -s ' '
SELECT count(*), count(m.id) FROM clusters c JOIN online_migrations m ON m.database_cluster_uuid = c.id;
\! test "$(simctl log --clear | wc -l)" -le 242 && echo no more than pages and clusters
-- With a LIMIT, what is likely to be wanted.
SELECT count(*) FROM (SELECT FROM half JOIN online_migrations ON database_cluster_uuid = k LIMIT 1) x;
\! test "$(simctl log --clear | wc -l)" -le 4 && echo few
SELECT count(*) FROM (SELECT FROM online_migrations LIMIT 1) x;
\! test "$(simctl log --clear | wc -l)" -le 102 && echo no more than are in flight

-- ANALYZE without rights, without clusters.
ALTER USER MAPPING FOR CURRENT_USER SERVER estimated OPTIONS (SET token 'dop_v1_noscope');
SELECT state, message FROM public.failure('ANALYZE estimated.online_migrations');
ALTER USER MAPPING FOR CURRENT_USER SERVER estimated OPTIONS (SET token 'dop_v1_estimate0');
SELECT * FROM online_migrations;
SELECT * FROM clusters;
SELECT count(*) FROM clusters c LEFT JOIN online_migrations m ON m.database_cluster_uuid = c.id;
SELECT count(*), count(m.id) FROM three LEFT JOIN online_migrations m ON m.database_cluster_uuid = k;
ANALYZE online_migrations, clusters;
SELECT relname, reltuples FROM pg_class WHERE relnamespace = 'estimated'::regnamespace AND relkind = 'f' ORDER BY 1;
SELECT rows('SELECT FROM online_migrations'), rows('SELECT FROM clusters');
\c
SET search_path = estimated;
SELECT count(*) FROM online_migrations;

DROP SERVER estimated CASCADE;
DROP SCHEMA estimated CASCADE;
