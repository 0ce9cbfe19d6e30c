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
-- A join that the planner removes, beside a sub-select.
SELECT count(*) FROM (SELECT DISTINCT database_cluster_uuid AS k, status FROM online_migrations) m
    LEFT JOIN (SELECT DISTINCT k FROM many) x ON x.k = m.k;
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

-- What follows is planned by key, however few the clusters are.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
CREATE TABLE jobs (i integer, k uuid, t text, note text DEFAULT 'none');
INSERT INTO jobs SELECT i, key(1 + i % 4), key(1 + i % 4)::text FROM generate_series(1, 100) i;
ANALYZE jobs;
CREATE FUNCTION masked(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
        CONTINUE WHEN line ~ 'Remote Keys|Rows Removed';
        RETURN NEXT regexp_replace(line, 'rows=[0-9.]+', 'rows=N');
    END LOOP;
END $$;

-- EXPLAIN ANALYZE shows what was asked, and in how many batches.
SELECT masked('SELECT status FROM few JOIN online_migrations ON database_cluster_uuid = k');
SELECT regexp_replace(line, '[1-9][0-9]*$', '(n)') AS batches FROM masked('SELECT i FROM many WHERE EXISTS
    (SELECT FROM online_migrations WHERE database_cluster_uuid = k)') line WHERE line ~ 'Batch';
SELECT line FROM masked('SELECT status FROM few JOIN online_migrations ON database_cluster_uuid = k LIMIT 0') line WHERE line ~ 'Batch';
-- With a LIMIT, as many as are wanted, and twice as many each time that these
-- were not enough: of the last 100 rows, none has a cluster.
SELECT line FROM masked('SELECT i, status FROM many JOIN online_migrations ON database_cluster_uuid = k LIMIT 1') line WHERE line ~ 'Batches|Requests: [1-9]';
SELECT line FROM masked('SELECT i, status FROM many JOIN online_migrations ON database_cluster_uuid = k LIMIT 5') line WHERE line ~ 'Batches|Requests: [1-9]';
SELECT line FROM masked('SELECT i, status FROM many JOIN online_migrations ON database_cluster_uuid = k LIMIT 20 OFFSET 10') line WHERE line ~ 'Batches|Requests: [1-9]';
SELECT line FROM masked('SELECT i, status FROM (SELECT * FROM many ORDER BY i DESC OFFSET 0) x JOIN online_migrations ON database_cluster_uuid = k LIMIT 1') line WHERE line ~ 'Batches|Requests: [1-9]';
\! simctl log --clear >/dev/null
-- 100 rows with 4 keys: 4 requests, whatever the kind of the join.
SELECT count(*), count(DISTINCT m.id) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k;
\! simctl log --sort --clear
SELECT count(*), count(m.id) FROM online_migrations m RIGHT JOIN jobs ON m.database_cluster_uuid = k;
\! simctl log --clear | wc -l
SELECT count(*) FROM jobs WHERE NOT EXISTS (SELECT FROM online_migrations WHERE database_cluster_uuid = k AND status <> 'done');
\! simctl log --clear | wc -l
SELECT count(*) FROM jobs WHERE EXISTS (SELECT FROM online_migrations WHERE database_cluster_uuid = k AND id = 'mig-7-1');
\! simctl log --clear | wc -l
SELECT count(*) FROM jobs WHERE (SELECT id FROM online_migrations WHERE database_cluster_uuid = k) = 'mig-7-1';
\! simctl log --clear | wc -l

-- Further conditions of the join, also between the two sides.
SELECT count(*), count(m.id) FROM jobs LEFT JOIN online_migrations m
    ON m.database_cluster_uuid = k AND m.status = 'done' AND m.id <> 'mig-7-2' AND jobs.i <= 50;
SELECT count(*) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k AND m.id = 'mig-7-' || (1 + i % 4);
SELECT count(*) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k AND m.id > jobs.note;
SELECT count(*) FROM jobs LEFT JOIN online_migrations m ON m.database_cluster_uuid = k WHERE m.id IS NULL;
SELECT count(*) FROM jobs LEFT JOIN online_migrations m ON m.database_cluster_uuid = k AND false;
-- Two keys for a row: both must hold.
SELECT count(*) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k AND m.database_cluster_uuid::text = t;
SELECT count(*) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k AND m.database_cluster_uuid = key(2);
\! simctl log --clear >/dev/null
SELECT count(*) FROM jobs a JOIN few b ON a.i = b.i JOIN online_migrations m ON m.database_cluster_uuid = a.k AND m.database_cluster_uuid = b.k;
\! simctl log --clear
SELECT f.i, m.id FROM few f JOIN online_migrations m ON m.database_cluster_uuid = ANY (ARRAY[f.k, key(f.i + 100), NULL]) ORDER BY 1, 2;
\! simctl log --sort --clear

-- Keys that are expressions.
SELECT count(*), count(m.id) FROM jobs LEFT JOIN online_migrations m
    ON m.database_cluster_uuid = CASE WHEN i % 2 = 0 THEN k WHEN i % 3 = 0 THEN t::uuid END;
\! simctl log --sort --clear
SELECT count(*) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid::text = jobs.t;
\! simctl log --clear >/dev/null
SELECT count(*) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = coalesce(nullif(k, key(1)), key(5));
\! simctl log --sort --clear
-- One that can fail does so when its row is wanted: the third one's is not.
CREATE FUNCTION risky(t text) RETURNS uuid IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RETURN t::uuid; END $$;
CREATE TABLE risks (i integer, t text);
INSERT INTO risks SELECT i, CASE WHEN i = 3 THEN 'nonsense' ELSE key(i)::text END FROM generate_series(1, 4) i;
INSERT INTO risks VALUES (5, upper(key(5)::text)), (6, '{' || replace(key(6)::text, '-', '') || '}');
ANALYZE risks;
\! simctl log --clear >/dev/null
SELECT x.*, generate_series(1, 4) FROM (SELECT i, m.id FROM risks JOIN online_migrations m ON m.database_cluster_uuid = t::uuid OFFSET 0) x LIMIT 5;
SELECT x.*, generate_series(1, 4) FROM (SELECT i, m.id FROM risks JOIN online_migrations m ON m.database_cluster_uuid = risky(t) OFFSET 0) x LIMIT 5;
SELECT x.*, generate_series(1, 4) FROM (SELECT i, (SELECT m.id FROM online_migrations m WHERE m.database_cluster_uuid = t::uuid) FROM risks OFFSET 0) x LIMIT 5;
SELECT state, message FROM public.failure('SELECT count(*) FROM databases.risks JOIN databases.online_migrations m ON m.database_cluster_uuid = databases.risky(t)');
\! simctl log --clear >/dev/null
SELECT line FROM masked('SELECT i FROM risks JOIN online_migrations m ON m.database_cluster_uuid = t::uuid WHERE i <> 3') line WHERE line ~ 'Batch|Requests: [1-9]';
SELECT line FROM masked('SELECT i, (SELECT m.id FROM online_migrations m WHERE m.database_cluster_uuid = t::uuid) FROM risks WHERE i <> 3') line WHERE line ~ 'Batch|Requests: [1-9]';
SELECT i, id FROM risks JOIN online_migrations m ON m.database_cluster_uuid = t::uuid WHERE i <> 3 ORDER BY i;
-- Where all rows are read in any case, these are asked for at once, too.
SELECT line FROM masked('SELECT i FROM risks JOIN online_migrations m ON m.database_cluster_uuid = risky(t) WHERE i <> 3') line WHERE line ~ 'Batch|Requests: [1-9]';
SELECT line FROM masked('SELECT i FROM risks JOIN online_migrations m ON m.database_cluster_uuid = risky(t) WHERE i <> 3 ORDER BY m.id LIMIT 1') line WHERE line ~ 'Batch|Requests: [1-9]';
SELECT line FROM masked('SELECT i FROM risks JOIN online_migrations m ON m.database_cluster_uuid = risky(t) WHERE i <> 3 LIMIT 2') line WHERE line ~ 'Batch|Requests: [1-9]';
SELECT line FROM masked('SELECT FROM few WHERE EXISTS (SELECT FROM risks JOIN online_migrations m ON m.database_cluster_uuid = risky(risks.t) WHERE risks.i > few.i - 5 AND risks.i <> 3 OFFSET 0)') line WHERE line ~ 'Batch|Requests: [1-9]';
SELECT i FROM few WHERE EXISTS (SELECT FROM risks JOIN online_migrations m ON m.database_cluster_uuid = risky(t)
    WHERE risks.i + length(m.id) > length(m.id) + 1) ORDER BY i DESC;
BEGIN;
DECLARE c NO SCROLL CURSOR FOR SELECT i, m.id FROM risks JOIN online_migrations m ON m.database_cluster_uuid = risky(t);
FETCH 2 FROM c;
COMMIT;
DROP TABLE risks;
DROP FUNCTION risky;
-- A volatile one is no key that can be asked for ahead.
CREATE FUNCTION pg_temp.volatile_key(k uuid) RETURNS uuid LANGUAGE plpgsql VOLATILE AS $$ BEGIN RETURN k; END $$;
SELECT count(*) FROM few JOIN online_migrations m ON m.database_cluster_uuid = pg_temp.volatile_key(k);
\! simctl log --clear >/dev/null
-- One that fails does so as it would in any join.
SELECT state, message FROM public.failure('SELECT count(*) FROM (VALUES (''x''), (''y'')) v(t)
    JOIN databases.online_migrations m ON m.database_cluster_uuid = t::uuid');
-- One that no cluster can have finds none.
SELECT v.t, m.id FROM (VALUES ('nonsense'), (NULL), (key(1)::text)) v(t)
    LEFT JOIN online_migrations m ON m.database_cluster_uuid::text = v.t ORDER BY 1;
\! simctl log --clear

-- An error of a request is that of a row that is wanted.
\! simctl fault status status=500 uuid=00000007-0000-4000-8000-000000000032 >/dev/null
SELECT count(*) FROM (SELECT status FROM many JOIN online_migrations ON database_cluster_uuid = k LIMIT 2) x;
BEGIN;
DECLARE c CURSOR FOR SELECT i, m.id FROM many JOIN online_migrations m ON m.database_cluster_uuid = k;
FETCH 2 FROM c;
MOVE 47 FROM c;
\set VERBOSITY terse
FETCH 1 FROM c;
\echo :SQLSTATE
\set VERBOSITY default
ROLLBACK;
SELECT state, detail FROM public.failure('SELECT count(*) FROM databases.many JOIN databases.online_migrations m ON m.database_cluster_uuid = k');
SELECT count(*) FROM many JOIN online_migrations m ON m.database_cluster_uuid = k WHERE i BETWEEN 1 AND 49;
\! simctl nofaults >/dev/null

-- Rows are passed on whole, with their system columns.
SELECT few, few.tableoid::regclass, few.ctid IS NOT NULL AS ctid, m FROM few JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY few.i;
-- The outer side may be anything.
CREATE TABLE parts (i integer, k uuid) PARTITION BY LIST (i);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES IN (1);
CREATE TABLE parts_2 PARTITION OF parts DEFAULT;
INSERT INTO parts SELECT i, key(i) FROM generate_series(1, 5) i;
ANALYZE parts;
\! simctl log --clear >/dev/null
SELECT i, m.id FROM parts JOIN online_migrations m ON m.database_cluster_uuid = k ORDER BY i;
\! simctl log --clear | wc -l
SELECT n, m.id FROM (SELECT k, count(*) AS n FROM jobs GROUP BY k) x JOIN online_migrations m ON m.database_cluster_uuid = x.k ORDER BY 2;
\! simctl log --clear | wc -l
SELECT ordinality, m.id FROM unnest(ARRAY[key(3), key(1), key(3)]) WITH ORDINALITY u(k) JOIN online_migrations m ON m.database_cluster_uuid = u.k ORDER BY 1;
\! simctl log --sort --clear
SELECT c.name IS NOT NULL AS named, m.id FROM few JOIN online_migrations m ON m.database_cluster_uuid = k JOIN clusters c ON c.id = m.database_cluster_uuid ORDER BY 2;
\! simctl log --sort --clear
-- Its order is kept.
SELECT array_agg(i) FROM (SELECT i FROM (SELECT * FROM jobs ORDER BY i DESC LIMIT 5) x JOIN online_migrations m ON m.database_cluster_uuid = k) y;

-- The join is done again for other rows.
\! simctl log --clear >/dev/null
SELECT g, (SELECT string_agg(m.id, ' ' ORDER BY m.id) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k WHERE jobs.i IN (g, g + 1)) FROM generate_series(1, 3) g;
SELECT g, x.* FROM generate_series(1, 3) g CROSS JOIN LATERAL
    (SELECT jobs.i, m.id FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k WHERE jobs.i > g ORDER BY jobs.i LIMIT 1) x ORDER BY g;
SELECT g, x.* FROM generate_series(1, 2) g CROSS JOIN LATERAL
    (SELECT f.i + g AS sum, m.id FROM few f JOIN online_migrations m ON m.database_cluster_uuid = key(f.i + g) OFFSET 0) x ORDER BY 1, 2;
\! simctl log --sort --clear

-- Below a UNION ALL, in a CTE, of the same clusters: still one request each.
SELECT count(*), count(DISTINCT id) FROM (
    SELECT m.id FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k
    UNION ALL SELECT m.id FROM few JOIN online_migrations m ON m.database_cluster_uuid = k) x;
\! simctl log --sort --clear
WITH m AS MATERIALIZED (SELECT m.* FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k)
SELECT count(*) FROM m JOIN online_migrations n USING (database_cluster_uuid) WHERE m.status = n.status
    AND EXISTS (SELECT FROM online_migrations x WHERE x.database_cluster_uuid = m.database_cluster_uuid AND x.status = n.status);
\! simctl log --sort --clear

-- Cursors that outlive their transaction, and two of them at once.
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT i, id FROM few JOIN online_migrations ON database_cluster_uuid = k ORDER BY i;
DECLARE other NO SCROLL CURSOR FOR SELECT i, m.id FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k;
FETCH 1 FROM other;
FETCH 1 FROM held;
FETCH 1 FROM other;
COMMIT;
FETCH ALL FROM held;
CLOSE held;
-- Prepared statements, until their plan is a generic one.
PREPARE by_key(uuid) AS SELECT count(m.id) FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k AND m.database_cluster_uuid <> $1 WHERE i <= 8;
EXECUTE by_key(key(1));
EXECUTE by_key(key(9));
EXECUTE by_key(key(3));
EXECUTE by_key(key(1));
EXECUTE by_key(key(1));
EXECUTE by_key(key(2));
EXECUTE by_key(key(9));
EXECUTE by_key(NULL);
SELECT generic_plans > 0 AS generic FROM pg_prepared_statements WHERE name = 'by_key';
DEALLOCATE by_key;

-- Changes of local tables.
\! simctl log --clear >/dev/null
MERGE INTO jobs USING (SELECT f.i, m.id FROM few f JOIN online_migrations m ON m.database_cluster_uuid = f.k) x ON x.i = jobs.i
    WHEN MATCHED AND x.i = 2 THEN DELETE
    WHEN MATCHED THEN UPDATE SET note = x.id;
SELECT i, note FROM jobs WHERE i <= 3 ORDER BY i;
\! simctl log --clear | wc -l
DELETE FROM jobs USING online_migrations m WHERE m.database_cluster_uuid = k AND m.id IN ('mig-7-1', 'mig-7-2') AND i > 10 RETURNING i > 10 AS gone \g | sort | uniq -c | tr -s ' '
\! simctl log --clear | wc -l
UPDATE jobs SET note = m.id FROM online_migrations m JOIN few ON few.k = m.database_cluster_uuid WHERE jobs.k = m.database_cluster_uuid AND jobs.i < 8 RETURNING jobs.i, note \g | sort
INSERT INTO jobs (i, note) SELECT f.i + 1000, m.status FROM few f JOIN online_migrations m ON m.database_cluster_uuid = f.k RETURNING i, note;
SELECT i FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k WHERE i < 5 ORDER BY i FOR UPDATE OF jobs;
SELECT i FROM jobs JOIN online_migrations m ON m.database_cluster_uuid = k WHERE i < 5 ORDER BY i FOR UPDATE;

-- The target of a change may have children, whose rows are identified in
-- several ways: EXPLAIN VERBOSE shows them, and they are the ones that change.
CREATE TABLE split (i integer, k uuid, note text) PARTITION BY RANGE (i);
CREATE TABLE split_1 (note text, k uuid, i integer);
ALTER TABLE split ATTACH PARTITION split_1 FOR VALUES FROM (1) TO (3);
CREATE TABLE split_2 PARTITION OF split FOR VALUES FROM (3) TO (100);
CREATE TABLE heirs (i integer, k uuid, note text);
CREATE TABLE heirs_1 (more text) INHERITS (heirs);
INSERT INTO split SELECT i, key(i), 'none' FROM generate_series(1, 6) i;
INSERT INTO heirs SELECT i, key(i), 'none' FROM generate_series(1, 3) i;
INSERT INTO heirs_1 SELECT i, key(i), 'none', 'more' FROM generate_series(4, 6) i;
ANALYZE split, heirs, heirs_1;
EXPLAIN (VERBOSE, COSTS OFF) UPDATE split SET note = m.status FROM online_migrations m WHERE m.database_cluster_uuid = k \g | grep -E 'Custom|Batch|Output.*ctid'
EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM heirs USING online_migrations m WHERE m.database_cluster_uuid = k \g | grep -c 'Batch Keys: heirs.k'
\! simctl log --clear >/dev/null
UPDATE split SET note = m.id FROM online_migrations m WHERE m.database_cluster_uuid = k AND split.i <> 2;
UPDATE heirs SET note = m.id FROM online_migrations m WHERE m.database_cluster_uuid = k AND heirs.i <> 2;
\! simctl log --clear | wc -l
SELECT tableoid::regclass, i, note FROM split ORDER BY i;
SELECT tableoid::regclass, i, note FROM heirs ORDER BY i;
DELETE FROM heirs USING online_migrations m WHERE m.database_cluster_uuid = k AND m.id IN ('mig-7-1', 'mig-7-4') RETURNING heirs.tableoid::regclass, heirs.* \g | sort
MERGE INTO split USING online_migrations m ON m.database_cluster_uuid = k AND m.database_cluster_uuid IN (SELECT k FROM few)
    WHEN MATCHED AND split.i = 1 THEN DELETE WHEN MATCHED THEN UPDATE SET note = 'merged ' || m.id;
UPDATE split SET note = x.note FROM heirs x JOIN online_migrations m ON m.database_cluster_uuid = x.k WHERE split.k = m.database_cluster_uuid AND split.i = 5 RETURNING split.*;
SELECT tableoid::regclass, i, note FROM split ORDER BY i FOR UPDATE;
SELECT s.i, m.id FROM split s JOIN online_migrations m ON m.database_cluster_uuid = s.k ORDER BY s.i FOR UPDATE OF s;
DROP TABLE split, heirs, heirs_1;

-- Turned off, a join gives the same rows for as many requests.
SET online_migrations_fdw.enable_batched_join = off;
\! simctl log --clear >/dev/null
SELECT count(*), count(DISTINCT m.id) FROM few LEFT JOIN online_migrations m ON m.database_cluster_uuid = k;
\! simctl log --sort --clear
RESET online_migrations_fdw.enable_batched_join;
SET enable_nestloop = off;
RESET enable_hashjoin;
EXPLAIN (COSTS OFF) SELECT FROM few JOIN online_migrations ON database_cluster_uuid = k \g | grep -c 'Batch Keys'
SET enable_hashjoin = off;
RESET enable_nestloop;
-- Where every key is needed, all are read.
SELECT count(*), count(few.i), count(m.id) FROM few FULL JOIN online_migrations m ON m.database_cluster_uuid = few.k;
SELECT count(*) FROM online_migrations m WHERE m.database_cluster_uuid NOT IN (SELECT k FROM few);
SELECT count(*), count(few.i) FROM online_migrations m LEFT JOIN few ON m.database_cluster_uuid = few.k;
RESET enable_hashjoin;
RESET enable_mergejoin;
DROP TABLE jobs, parts;
DROP FUNCTION masked;

DROP TABLE few, many;
DROP FUNCTION key;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
