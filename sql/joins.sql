-- Joins look up the keys of many rows at once, each cluster once in a
-- statement.  The account is one of this test's own, with 200 clusters.
\! simctl reset >/dev/null
\! simctl token dop_v1_joining1 >/dev/null
\! simctl populate seed=7 count=200 token=dop_v1_joining1 status=done >/dev/null
SET search_path = databases;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_joining1');
CREATE FUNCTION key(i integer) RETURNS uuid IMMUTABLE LANGUAGE sql
RETURN ('00000007-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid;
CREATE TABLE few (i integer, k uuid, t text);
INSERT INTO few SELECT i, key(i), key(i)::text FROM generate_series(1, 3) i;
CREATE TABLE many AS SELECT i, key(i) AS k FROM generate_series(1, 300) i;
ANALYZE few, many;
-- A listing shows how many clusters there are, which the planner remembers.
SELECT count(*) FROM clusters;
\! simctl log --clear >/dev/null

-- (Which side of a key stands first differs between versions.)
EXPLAIN (COSTS OFF) SELECT i, status FROM few JOIN online_migrations ON database_cluster_uuid = k \g | grep -v 'Remote Keys'
EXPLAIN (COSTS OFF) SELECT * FROM few WHERE k IN (SELECT database_cluster_uuid FROM online_migrations WHERE status = 'done') \g | grep -v 'Remote Keys'
SET online_migrations_fdw.enable_batched_join = off;
EXPLAIN (COSTS OFF) SELECT i, status FROM few JOIN online_migrations ON database_cluster_uuid = k \g | grep -v 'Remote Keys'
RESET online_migrations_fdw.enable_batched_join;
\! simctl log --clear

-- Three rows ask for three clusters of the 200.
SELECT i, status FROM few JOIN online_migrations ON database_cluster_uuid = k ORDER BY i;
\! simctl log --sort --clear
-- 300 rows ask for no more than the listing and what it lists.
SELECT count(*) FROM many JOIN online_migrations ON database_cluster_uuid = k;
\! simctl log | wc -l
\! simctl log --clear >/dev/null

-- All kinds of joins, by key.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT count(*), count(status) FROM many LEFT JOIN online_migrations ON database_cluster_uuid = k;
\! simctl log | wc -l
\! simctl log --clear >/dev/null
SELECT count(*) FROM many WHERE EXISTS (SELECT FROM online_migrations WHERE database_cluster_uuid = k AND status = 'done');
SELECT count(*) FROM many WHERE NOT EXISTS (SELECT FROM online_migrations WHERE database_cluster_uuid = k);
SELECT count(*) FROM many WHERE k IN (SELECT database_cluster_uuid FROM online_migrations);
SELECT f.i, m.status FROM few f LEFT JOIN LATERAL
    (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k LIMIT 1) m ON true ORDER BY f.i;
SELECT f.i, m.id FROM few f LEFT JOIN many y ON y.i = f.i + 1
    LEFT JOIN online_migrations m ON m.database_cluster_uuid = y.k ORDER BY f.i;
SELECT f.i, m.id FROM few f LEFT JOIN online_migrations m ON m.database_cluster_uuid = f.k AND f.i > 1 ORDER BY f.i;
\! simctl log --clear >/dev/null
-- Keys that are expressions, NULL, there twice, or of no cluster.
SELECT v.n, m.id FROM (VALUES (1, key(1)), (2, NULL), (3, key(1)), (4, key(999)), (5, key(2))) v(n, k)
    LEFT JOIN online_migrations m ON m.database_cluster_uuid = v.k ORDER BY v.n;
\! simctl log --sort --clear
SELECT i, id FROM few JOIN online_migrations ON database_cluster_uuid = t::uuid ORDER BY i;
\! simctl log --sort --clear
-- A statement asks about a cluster once, whichever node asks.
SELECT count(*) FROM few a JOIN online_migrations m ON m.database_cluster_uuid = a.k
    JOIN online_migrations n ON n.database_cluster_uuid = a.k;
\! simctl log --sort --clear
-- With a LIMIT, no more than a few are asked about.
SELECT count(*) FROM (SELECT status FROM many JOIN online_migrations ON database_cluster_uuid = k LIMIT 2) x;
\! test "$(simctl log | wc -l)" -le 8 && echo few enough
\! simctl log --clear >/dev/null

-- Cursors, generic plans, and what is undone.
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT i, id FROM few JOIN online_migrations ON database_cluster_uuid = k ORDER BY i;
FETCH 2 FROM c;
FETCH BACKWARD 1 FROM c;
FETCH ALL FROM c;
COMMIT;
PREPARE by_number(integer) AS SELECT id FROM few JOIN online_migrations ON database_cluster_uuid = k WHERE i >= $1 ORDER BY id;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_number(2);
EXECUTE by_number(3);
RESET plan_cache_mode;
UPDATE few SET t = m.status FROM online_migrations m WHERE m.database_cluster_uuid = k;
SELECT i, t FROM few ORDER BY i;
DELETE FROM few USING online_migrations m WHERE m.database_cluster_uuid = k AND m.id = 'mig-7-3';
SELECT i FROM few ORDER BY i;

-- The listing's clusters joined with their migrations: pages and statuses.
RESET enable_hashjoin;
RESET enable_mergejoin;
\! simctl log --clear >/dev/null
SELECT count(*), count(m.id) FROM clusters c LEFT JOIN online_migrations m ON m.database_cluster_uuid = c.id;
\! simctl counters list get_status | sed 's/ .*//' ; test "$(simctl log | wc -l)" -le 201 && echo no more than pages and clusters

DROP TABLE few, many;
DROP FUNCTION key;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
