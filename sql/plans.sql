-- How many requests a query takes that asks by few keys, in an account of
-- 1,000 clusters which the planner knows: as many as there are keys, whatever
-- form a reporting tool gives the query.
\! simctl reset >/dev/null
\! simctl token dop_v1_plans0001 >/dev/null
\! simctl populate seed=9 count=1000 token=dop_v1_plans0001 status=done >/dev/null
SET search_path = databases;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_plans0001');
CREATE FUNCTION key(i integer) RETURNS uuid IMMUTABLE LANGUAGE sql
RETURN ('00000009-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid;
CREATE TABLE few AS SELECT i, key(i) AS k, key(i)::text AS t FROM generate_series(1, 3) i;
CREATE TABLE hundred AS SELECT i, key(i) AS k FROM generate_series(1, 100) i;
CREATE TABLE dup3 AS SELECT i, key(1 + i % 3) AS k FROM generate_series(1, 10000) i;
ANALYZE few, hundred, dup3;
CREATE FUNCTION explained(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
    RETURN QUERY EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query;
END $$;
SELECT count(*) FROM clusters;
\! simctl log --clear >/dev/null

-- By the key's text.
SELECT count(m.id) FROM few JOIN online_migrations m ON m.database_cluster_uuid::text = few.t;
\! simctl log --clear | wc -l
SELECT count(*) FROM few WHERE EXISTS (SELECT FROM online_migrations m WHERE m.database_cluster_uuid::text = few.t);
\! simctl log --clear | wc -l
SELECT count(*) FROM few WHERE t IN (SELECT database_cluster_uuid::text FROM online_migrations);
\! simctl log --clear | wc -l
-- An IN whose list is another table.
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid IN (SELECT k FROM hundred);
\! simctl log --clear | wc -l
EXPLAIN (COSTS OFF) SELECT FROM online_migrations WHERE database_cluster_uuid IN (SELECT k FROM hundred) \g | grep -c 'Batch Keys'
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid IN (VALUES (key(5)), (key(6)), (key(5)));
\! simctl log --clear | wc -l
-- Rows that share keys.
SELECT count(*) FROM dup3 WHERE EXISTS (SELECT FROM online_migrations WHERE database_cluster_uuid = k AND status = 'done');
\! simctl log --clear | wc -l
SELECT count(m.id) FROM dup3 JOIN online_migrations m ON m.database_cluster_uuid = k;
\! simctl log --clear | wc -l
EXPLAIN (COSTS OFF) SELECT m.id FROM dup3 JOIN online_migrations m ON m.database_cluster_uuid = k \g | grep -c 'Batch Keys'
-- One wave, however many rows stand between two keys.
SELECT regexp_replace(line, '^ *', '') AS batches FROM explained('SELECT m.id FROM (SELECT k FROM dup3 ORDER BY k OFFSET 0) d JOIN online_migrations m ON m.database_cluster_uuid = k') line WHERE line ~ 'Batches';
-- A sort reads all of its input: no small portions.
SELECT regexp_replace(line, '^ *', '') AS batches FROM explained('SELECT m.id FROM hundred JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY m.created_at LIMIT 1') line WHERE line ~ 'Batches';
\! simctl log --clear >/dev/null

-- The first rows of an order that is the outer side's: its pages, and those
-- rows' keys.
CREATE TABLE names AS SELECT i, key(i) AS k, md5(i::text) AS name, md5(i::text)::varchar AS v, i % 100 AS n FROM generate_series(1, 1000) i;
ANALYZE names;
SELECT count(id) FROM (SELECT m.id FROM clusters c LEFT JOIN online_migrations m ON m.database_cluster_uuid = c.id ORDER BY c.name LIMIT 20) x;
\! simctl log --clear | wc -l
SELECT count(id) FROM (SELECT m.id FROM names LEFT JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY name LIMIT 20) x;
\! simctl log --clear | wc -l
SELECT count(*) FROM (SELECT m.id FROM names JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY v DESC, i OFFSET 5 LIMIT 10) x;
\! simctl log --clear | wc -l
SELECT count(*) FROM (SELECT FROM names WHERE EXISTS (SELECT FROM online_migrations WHERE database_cluster_uuid = k) ORDER BY name LIMIT 5) x;
\! simctl log --clear | wc -l
-- also below another join, and in the order of the same rows
SELECT count(id) FROM (SELECT m.id FROM names LEFT JOIN online_migrations m ON m.database_cluster_uuid = k LEFT JOIN few USING (i) ORDER BY name LIMIT 20) x;
\! simctl log --clear | wc -l
SELECT array_agg(i) = (SELECT array_agg(i) FROM (SELECT i FROM names ORDER BY name LIMIT 20) y)
FROM (SELECT i, m.id FROM names LEFT JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY name LIMIT 20) x;
\! simctl log --clear | wc -l
-- a cursor, and a LIMIT that the planner does not know
BEGIN;
DECLARE c CURSOR FOR SELECT m.id IS NOT NULL FROM names LEFT JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY name;
FETCH 2 c;
COMMIT;
\! simctl log --clear | wc -l
PREPARE first_rows(bigint) AS SELECT count(id) FROM (SELECT m.id FROM names LEFT JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY name LIMIT $1) x;
SET plan_cache_mode = force_generic_plan;
EXECUTE first_rows(7);
\! simctl log --clear | wc -l
RESET plan_cache_mode;
DEALLOCATE first_rows;
-- in portions where few requests may be in flight, and no more
ALTER SERVER digitalocean OPTIONS (ADD max_concurrency '5');
SELECT count(id) FROM (SELECT m.id FROM names LEFT JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY name LIMIT 11) x;
\! simctl log --clear | wc -l
ALTER SERVER digitalocean OPTIONS (DROP max_concurrency);
SELECT count(*) FROM clusters;
\! simctl log --clear >/dev/null
-- The rest of the order is the inner side's: some more, so that the last of
-- those rows are all there.
SELECT count(*) FROM (SELECT FROM names LEFT JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY n, m.created_at LIMIT 5) x;
\! simctl log --clear | wc -l
-- An expression is evaluated of no row that the join drops.
SELECT count(*) FROM (SELECT FROM (SELECT 0 AS z, NULL::uuid AS k UNION ALL SELECT i, k FROM few) o JOIN online_migrations m ON m.database_cluster_uuid = o.k ORDER BY 1 / z LIMIT 1) x;
\! simctl log --clear | wc -l
-- Other orders need all rows.
SELECT count(*) FROM (SELECT FROM hundred JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY m.status LIMIT 1) x;
\! simctl log --clear | wc -l

-- What GraphQL layers write: a LATERAL subquery for each row.
SELECT regexp_replace(line, '^ *', '') AS batches FROM explained('SELECT h.i, m.status FROM hundred h LEFT JOIN LATERAL
    (SELECT status FROM online_migrations WHERE database_cluster_uuid = h.k LIMIT 1) m ON true') line WHERE line ~ 'Batches|Batch Keys';
\! simctl log --clear | wc -l
SELECT count(m.status), count(m.n) FROM few f LEFT JOIN LATERAL (SELECT status, f.i AS n FROM online_migrations
    WHERE database_cluster_uuid = f.k AND f.i > 1 ORDER BY created_at DESC LIMIT 1) m ON true;
\! simctl log --clear | wc -l
SELECT count(m.status) FROM few f JOIN dup3 d ON d.i = f.i LEFT JOIN LATERAL (SELECT status FROM online_migrations
    WHERE database_cluster_uuid = ANY (ARRAY[f.k, d.k]) OFFSET 0) m ON true;
\! simctl log --clear | wc -l
SELECT count((SELECT status FROM online_migrations m WHERE m.database_cluster_uuid = f.k LIMIT 1)) FROM few f;
\! simctl log --clear | wc -l

-- Keys so many that the listing is cheaper: its pages, and what is asked about
-- the clusters that are both listed and among the keys.
SELECT count(*) FROM clusters WHERE id = ANY (ARRAY(SELECT key(i) FROM generate_series(1, 1000) i));
\! simctl log --clear | wc -l
SELECT ARRAY(SELECT key(i) FROM generate_series(1, 1000) i) AS thousand, ARRAY(SELECT key(1 + i % 9) FROM generate_series(1, 1000) i) AS nine \gset
PREPARE by_ids(uuid[]) AS SELECT count(*) FROM clusters WHERE id = ANY ($1);
SET plan_cache_mode = force_generic_plan;
EXECUTE by_ids(:'thousand');
\! simctl log --clear | wc -l
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE by_ids(:'thousand') \g | grep -c 'Remote Listing'
\! simctl log --clear | wc -l
EXECUTE by_ids(:'nine');
\! simctl log --clear | wc -l
EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) EXECUTE by_ids(:'nine') \g | grep -c 'Remote Listing'
\! simctl log --clear | wc -l
SET plan_cache_mode = force_custom_plan;
EXECUTE by_ids(:'thousand');
\! simctl log --clear | wc -l
RESET plan_cache_mode;
DEALLOCATE by_ids;
SELECT count(*), count(id) FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT key(i) FROM generate_series(1, 5000) i));
\! simctl log --clear | wc -l
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid::text = ANY (ARRAY(SELECT key(i)::text FROM generate_series(901, 3000) i));
\! simctl log --clear | wc -l
-- By key, as long as that takes no more.
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT key(i) FROM generate_series(901, 1050) i));
\! simctl log --clear | wc -l
-- The keys' order, also by the listing; a LIMIT asks by key.
SELECT array_agg(right(id::text, 3)) FROM (SELECT id FROM clusters WHERE id = ANY (ARRAY(SELECT key(i * 7 % 1009) FROM generate_series(1, 1000) i))
    OFFSET 0) c WHERE id IN (key(7), key(14), key(5), key(999));
\! simctl log --clear | wc -l
SELECT count(*) FROM (SELECT FROM clusters WHERE id = ANY (ARRAY(SELECT key(i) FROM generate_series(1, 1000) i)) LIMIT 3) c;
\! simctl log --clear | wc -l
-- Other clauses on the key go before, and are not asked for either.
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT key(i) FROM generate_series(1, 5000) i))
    AND database_cluster_uuid < key(11);
\! simctl log --clear | wc -l
-- The planner shows what it expects.
EXPLAIN (COSTS OFF) SELECT FROM clusters WHERE id = ANY (:'thousand'::uuid[]) \g | grep -c 'Remote Listing'
EXPLAIN (COSTS OFF) SELECT FROM clusters WHERE id IN (key(1), key(2)) \g | grep -c 'Remote Listing'
-- A listing that can't be had: the keys are asked for by key.
\! simctl fault status status=422 page=1 >/dev/null
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT key(i) FROM generate_series(801, 2000) i));
\! simctl log --clear | wc -l
\! simctl nofaults >/dev/null

-- The generic plan is as good as one made anew, and is taken.
PREPARE by_array(uuid[]) AS SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = ANY ($1);
EXECUTE by_array(ARRAY[key(1)]);
EXECUTE by_array(ARRAY[key(1)]);
EXECUTE by_array(ARRAY[key(1)]);
EXECUTE by_array(ARRAY[key(1)]);
EXECUTE by_array(ARRAY[key(1)]);
EXECUTE by_array(ARRAY[key(1), key(2)]);
SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE name = 'by_array';
DEALLOCATE by_array;

-- EXPLAIN names the column also in sub-selects and CTEs.
EXPLAIN (COSTS OFF) SELECT (SELECT count(*) FROM online_migrations m WHERE m.database_cluster_uuid = f.k) FROM few f \g | grep 'Remote Keys'
EXPLAIN (COSTS OFF) WITH x AS MATERIALIZED (SELECT m.id FROM few f JOIN online_migrations m ON m.database_cluster_uuid = f.k) SELECT FROM x \g | grep -c 'Remote Keys: .*f\.k'

DROP TABLE few, hundred, dup3, names;
DROP FUNCTION key, explained;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
