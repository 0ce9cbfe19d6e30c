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
-- those rows are all there.  The API need not see the last of them: when the
-- rows are there, the statement ends.
SELECT regexp_replace(line, '^ *', '') AS asked FROM explained('SELECT FROM names LEFT JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY n, m.created_at LIMIT 5') line WHERE line ~ 'Batches|Requests: [1-9]';
\! test $(simctl log --clear | wc -l) -le 15 && echo no more than that
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
-- With enable_nestloop = off, a nested loop is the last choice: batched where
-- there is no other join, and never before one.
SET enable_nestloop = off;
SELECT regexp_replace(line, '^ *', '') AS batches FROM explained('SELECT h.i, m.status FROM hundred h LEFT JOIN LATERAL
    (SELECT status FROM online_migrations WHERE database_cluster_uuid = h.k LIMIT 1) m ON true') line WHERE line ~ 'Batches|Batch Keys';
\! simctl log --clear | wc -l
EXPLAIN (COSTS OFF) SELECT FROM few f LEFT JOIN LATERAL (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k LIMIT 1) x ON true
    LEFT JOIN online_migrations m ON m.database_cluster_uuid = f.k \g | grep -o 'Hash Cond\|Batch Keys'
SET enable_hashjoin = off;
EXPLAIN (COSTS OFF) SELECT FROM few f LEFT JOIN online_migrations m ON m.database_cluster_uuid = f.k \g | grep -o 'Merge Cond\|Batch Keys'
SET enable_mergejoin = off;
EXPLAIN (COSTS OFF) SELECT FROM few f LEFT JOIN online_migrations m ON m.database_cluster_uuid = f.k \g | grep -c 'Batch Keys'
SET online_migrations_fdw.enable_batched_join = off;
EXPLAIN (COSTS OFF) SELECT FROM few f LEFT JOIN online_migrations m ON m.database_cluster_uuid = f.k \g | grep -c 'Batch Keys'
RESET online_migrations_fdw.enable_batched_join;
RESET enable_mergejoin;
RESET enable_hashjoin;
RESET enable_nestloop;

-- An inner side that is itself a join: what its own inner side asks by is
-- asked once the other has a row, and not for key 1001, which has none.
CREATE TABLE edge AS SELECT i, key(i) AS k FROM generate_series(999, 1001) i;
ANALYZE edge;
CREATE FUNCTION waves(query text) RETURNS SETOF text LANGUAGE sql
    AS $$ SELECT btrim(line) FROM explained(query) line WHERE line ~ 'Batches: [0-9]+$|Batch Targets|Batch Keys|Remote Requests: [1-9]' $$;
SELECT s.i, m.status, c.id IS NOT NULL AS named FROM edge s
    LEFT JOIN (online_migrations m JOIN clusters c ON c.id = m.database_cluster_uuid) ON m.database_cluster_uuid = s.k ORDER BY 1;
\! simctl log --sort --clear
SELECT waves('SELECT m.status, c.name FROM edge s
    LEFT JOIN (online_migrations m JOIN clusters c ON c.id = m.database_cluster_uuid) ON m.database_cluster_uuid = s.k');
\! simctl log --clear | wc -l
SELECT waves('SELECT m.status, c.name FROM edge s
    LEFT JOIN (clusters c LEFT JOIN online_migrations m ON m.database_cluster_uuid = c.id) ON c.id = s.k');
\! simctl log --clear | wc -l
SELECT waves('SELECT x.* FROM edge s LEFT JOIN LATERAL (SELECT m.status, c.name FROM clusters c
    JOIN online_migrations m ON m.database_cluster_uuid = c.id WHERE c.id = s.k ORDER BY m.id LIMIT 1) x ON true');
\! simctl log --clear | wc -l
-- a LATERAL with a LIMIT or an aggregate within another: by what that knows
SELECT waves('SELECT x.* FROM hundred h LEFT JOIN LATERAL (SELECT m.status, y.name FROM online_migrations m LEFT JOIN LATERAL
    (SELECT c.name FROM clusters c WHERE c.id = m.database_cluster_uuid LIMIT 1) y ON true WHERE m.database_cluster_uuid = h.k LIMIT 1) x ON true');
\! simctl log --clear | wc -l
SELECT waves('SELECT x.* FROM hundred h LEFT JOIN LATERAL (SELECT json_agg(j) FROM (SELECT m.status, y.n FROM online_migrations m LEFT JOIN LATERAL
    (SELECT json_agg(c.name) AS n FROM clusters c WHERE c.id = m.database_cluster_uuid) y ON true WHERE m.database_cluster_uuid = h.k) j) x ON true');
\! simctl log --clear | wc -l
-- A condition on the row that asks.
SELECT waves('SELECT x.* FROM hundred h LEFT JOIN LATERAL (SELECT m.status, c.name FROM clusters c
    JOIN online_migrations m ON m.database_cluster_uuid = c.id WHERE c.id = h.k AND h.i < 4 LIMIT 1) x ON true');
\! simctl log --clear | wc -l
SELECT waves('SELECT x.* FROM hundred h LEFT JOIN LATERAL (SELECT m.status FROM online_migrations m
    WHERE m.database_cluster_uuid = h.k AND 6 / h.i > 1 LIMIT 1) x ON true WHERE h.i < 10');
\! simctl log --clear | wc -l
SELECT count(m.id) FROM few f LEFT JOIN (few g JOIN online_migrations m ON m.database_cluster_uuid = g.k AND g.i > 1) ON g.k = f.k;
\! simctl log --clear | wc -l
-- A filter on the key is looked at before, if it can't fail.
SELECT count(m.id) FROM few f LEFT JOIN online_migrations m ON m.database_cluster_uuid = f.k AND m.database_cluster_uuid > key(1);
\! simctl log --clear | wc -l

CREATE FUNCTION picky(k uuid) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF k = '00000009-0000-4000-8000-000000000002' THEN RAISE 'picky'; END IF;
    RETURN k <> '00000009-0000-4000-8000-000000000003';
END $$;
SELECT x.id, generate_series(1, 2) FROM (SELECT m.id FROM few f
    JOIN online_migrations m ON m.database_cluster_uuid = f.k AND picky(m.database_cluster_uuid) OFFSET 0) x LIMIT 2;
\! simctl log --clear >/dev/null
DROP FUNCTION picky;

-- Below an Append: all servers are asked in the same wave.
\! simctl token dop_v1_plans0002 >/dev/null
\! simctl populate seed=8 count=200 token=dop_v1_plans0002 status=done >/dev/null
\! simctl token dop_v1_plans0003 >/dev/null
\! simctl populate seed=7 count=200 token=dop_v1_plans0003 status=running >/dev/null
\getenv endpoint OMF_HTTP
CREATE SERVER second FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint :'endpoint');
CREATE SERVER third FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint :'endpoint');
CREATE USER MAPPING FOR CURRENT_USER SERVER second OPTIONS (token 'dop_v1_plans0002');
CREATE USER MAPPING FOR CURRENT_USER SERVER third OPTIONS (token 'dop_v1_plans0003');
CREATE SCHEMA second;
CREATE SCHEMA third;
IMPORT FOREIGN SCHEMA databases FROM SERVER second INTO second;
IMPORT FOREIGN SCHEMA databases FROM SERVER third INTO third;
CREATE VIEW every AS SELECT 'first' AS account, * FROM online_migrations
    UNION ALL SELECT 'second', * FROM second.online_migrations UNION ALL SELECT 'third', * FROM third.online_migrations;
CREATE TABLE parts (database_cluster_uuid uuid, id text, status text, account text) PARTITION BY LIST (account);
CREATE FOREIGN TABLE parts_1 PARTITION OF parts FOR VALUES IN ('digitalocean') SERVER digitalocean OPTIONS (resource 'online_migrations');
CREATE FOREIGN TABLE parts_2 PARTITION OF parts FOR VALUES IN ('second') SERVER second OPTIONS (resource 'online_migrations');
CREATE FOREIGN TABLE parts_3 PARTITION OF parts FOR VALUES IN ('third') SERVER third OPTIONS (resource 'online_migrations');
ALTER FOREIGN TABLE parts_1 ALTER account OPTIONS (ADD column_name 'server');
ALTER FOREIGN TABLE parts_2 ALTER account OPTIONS (ADD column_name 'server');
ALTER FOREIGN TABLE parts_3 ALTER account OPTIONS (ADD column_name 'server');
CREATE TABLE parent (database_cluster_uuid uuid, id text, status text);
CREATE FOREIGN TABLE child_1 () INHERITS (parent) SERVER digitalocean OPTIONS (resource 'online_migrations');
CREATE FOREIGN TABLE child_2 () INHERITS (parent) SERVER second OPTIONS (resource 'online_migrations');
CREATE TABLE spread AS SELECT i, ('0000000' || (7 + i % 3) || '-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid AS k,
    (ARRAY['third', 'second', 'digitalocean'])[1 + i % 3] AS account FROM generate_series(1, 30) i;
ANALYZE spread;
SELECT count(*) FROM second.clusters;
SELECT count(*) FROM third.clusters;
\! simctl log --clear >/dev/null
SELECT waves('SELECT e.status FROM spread s JOIN every e ON e.database_cluster_uuid = s.k');
\! simctl log --clear | wc -l
SELECT e.account, e.status, count(*) FROM spread s LEFT JOIN every e ON e.database_cluster_uuid = s.k GROUP BY 1, 2 ORDER BY 1;
\! simctl log --clear | wc -l
SELECT waves('SELECT FROM every WHERE database_cluster_uuid IN (SELECT k FROM spread)');
\! simctl log --clear | wc -l
SELECT waves('SELECT FROM spread s WHERE NOT EXISTS (SELECT FROM every e WHERE e.database_cluster_uuid = s.k)');
\! simctl log --clear | wc -l
SELECT waves('SELECT e.status FROM spread s LEFT JOIN LATERAL
    (SELECT status FROM every WHERE database_cluster_uuid = s.k ORDER BY id LIMIT 1) e ON true');
\! simctl log --clear | wc -l
SELECT waves('SELECT e.n FROM spread s, LATERAL (SELECT count(*) AS n FROM every WHERE database_cluster_uuid = s.k) e');
\! simctl log --clear | wc -l
SELECT waves('SELECT p.id FROM spread s LEFT JOIN parent p ON p.database_cluster_uuid = s.k');
\! simctl log --clear | wc -l
SELECT waves('SELECT p.id FROM spread s LEFT JOIN parts p ON p.database_cluster_uuid = s.k');
\! simctl log --clear | wc -l
-- What a row's values leave of the partitions.
SELECT waves('SELECT p.id FROM spread s LEFT JOIN parts p ON p.database_cluster_uuid = s.k AND p.account = s.account');
\! simctl log --clear | wc -l
-- What is known only at execution leaves of them; likewise where it is no equality.
SET plan_cache_mode = force_generic_plan;
PREPARE of_account(text) AS SELECT count(p.id), count(*) FROM spread s LEFT JOIN parts p ON p.database_cluster_uuid = s.k AND p.account = $1;
EXECUTE of_account('second');
\! simctl log --clear | wc -l
EXECUTE of_account('none');
\! simctl log --clear | wc -l
PREPARE of_accounts(text) AS SELECT count(p.id), count(*) FROM spread s LEFT JOIN parts p ON p.database_cluster_uuid = s.k AND p.account < $1;
EXECUTE of_accounts('e');
\! simctl log --clear | wc -l
RESET plan_cache_mode;
DEALLOCATE of_account;
DEALLOCATE of_accounts;
SET plans.account = 'THIRD';
SELECT waves('SELECT p.id FROM spread s LEFT JOIN parts p ON p.database_cluster_uuid = s.k AND p.account = lower(current_setting(''plans.account''))');
\! simctl log --clear | wc -l
SELECT waves('SELECT p.id FROM spread s LEFT JOIN parts p ON p.database_cluster_uuid = s.k AND p.account = (SELECT min(account) FROM spread)');
\! simctl log --clear | wc -l
SET enable_partition_pruning = off;
SELECT waves('SELECT p.id FROM spread s LEFT JOIN parts p ON p.database_cluster_uuid = s.k AND p.account = s.account');
\! simctl log --clear | wc -l
RESET enable_partition_pruning;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT waves('SELECT p.id FROM spread s LEFT JOIN parts p ON p.database_cluster_uuid = s.k AND p.account < s.account');
\! simctl log --clear | wc -l
RESET enable_hashjoin;
RESET enable_mergejoin;
-- One server after the other: no more than until one has a row.
ALTER SERVER digitalocean OPTIONS (ADD async_capable 'false');
ALTER SERVER second OPTIONS (ADD async_capable 'false');
ALTER SERVER third OPTIONS (ADD async_capable 'false');
SELECT waves('SELECT FROM spread s WHERE EXISTS (SELECT FROM every e WHERE e.database_cluster_uuid = s.k)');
\! simctl log --clear | wc -l
SELECT waves('SELECT e.status FROM spread s LEFT JOIN LATERAL (SELECT status FROM every WHERE database_cluster_uuid = s.k LIMIT 1) e ON true');
\! simctl log --clear | wc -l
SELECT count(*) FROM spread s WHERE EXISTS (SELECT FROM every e WHERE e.database_cluster_uuid = s.k AND e.status = 'running');
\! simctl log --clear | wc -l
SELECT waves('SELECT e.status FROM spread s JOIN every e ON e.database_cluster_uuid = s.k');
\! simctl log --clear | wc -l
ALTER SERVER digitalocean OPTIONS (DROP async_capable);
\set VERBOSITY terse
DROP SERVER second CASCADE;
DROP SERVER third CASCADE;
\set VERBOSITY default
DROP SCHEMA second, third;
DROP TABLE edge, spread, parts, parent CASCADE;
DROP FUNCTION waves;
-- other options of the server are another session, which knows no account yet
SELECT count(*) FROM clusters;
\! simctl log --clear >/dev/null

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

-- What a join's condition says to be equal has as few values as the fewest of
-- it has: the pages, and three keys, or those alone.
CREATE FOREIGN TABLE listed (id uuid, name text) SERVER digitalocean OPTIONS (resource 'clusters');
CREATE TABLE noted AS SELECT i, key(i)::text AS t FROM generate_series(1, 3000) i;
ANALYZE listed, noted;
SELECT count(*) FROM clusters;
\! simctl log --clear >/dev/null
SELECT count(m.id) FROM dup3 d JOIN listed c ON c.id = d.k LEFT JOIN online_migrations m ON c.id = m.database_cluster_uuid;
\! simctl log --clear | wc -l
SELECT count(m.id) FROM dup3 d JOIN names c ON c.k = d.k LEFT JOIN online_migrations m ON c.k = m.database_cluster_uuid;
\! simctl log --clear | wc -l
SELECT count(*) FROM dup3 d JOIN listed c ON c.id = d.k WHERE NOT EXISTS (SELECT FROM online_migrations m WHERE c.id = m.database_cluster_uuid);
\! simctl log --clear | wc -l
CREATE VIEW named AS SELECT c.id, c.name, m.status FROM listed c LEFT JOIN online_migrations m ON c.id = m.database_cluster_uuid;
SELECT count(n.status) FROM dup3 d JOIN named n ON n.id = d.k;
\! simctl log --clear | wc -l
-- also where it is an expression, and below an outer join
SELECT count(m.id) FROM dup3 d JOIN noted c ON c.t::uuid = d.k LEFT JOIN online_migrations m ON c.t::uuid = m.database_cluster_uuid;
\! simctl log --clear | wc -l
SELECT count(m.id) FROM noted n LEFT JOIN (dup3 d JOIN noted c ON c.t::uuid = d.k) ON d.i = n.i LEFT JOIN online_migrations m ON c.t::uuid = m.database_cluster_uuid;
\! simctl log --clear | wc -l
-- What the outer side has not read says nothing of it.
SELECT count(m.id) FROM names c LEFT JOIN online_migrations m ON c.k = m.database_cluster_uuid JOIN dup3 d ON d.k = c.k;
\! simctl log --clear | wc -l

DROP TABLE few, hundred, dup3, names, noted;
DROP FOREIGN TABLE listed CASCADE;
DROP FUNCTION key, explained;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
