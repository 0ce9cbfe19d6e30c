-- A sub-select by key that runs for each row asks for the keys of many rows at
-- once: how many requests that takes, in how many waves, and what is not asked.
\! simctl reset >/dev/null
\! simctl token dop_v1_subselect1 >/dev/null
\! simctl populate seed=9 count=200 token=dop_v1_subselect1 status=done >/dev/null
SET search_path = databases;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_subselect1');
CREATE FUNCTION key(i integer) RETURNS uuid IMMUTABLE LANGUAGE sql
RETURN ('00000009-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid;
CREATE TABLE f AS SELECT i, key(i) AS k, key(i)::text AS t, NULL::text AS s, NULL::timestamptz AS c FROM generate_series(1, 40) i;
ANALYZE f;
CREATE FUNCTION batches(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    line text;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
        IF line ~ 'Batch|Requests' AND line !~ 'Memory' THEN
            RETURN NEXT regexp_replace(line, '^ *', '');
        END IF;
    END LOOP;
END $$;
\! simctl log --clear >/dev/null

-- In the list, within expressions, in WHERE, ORDER BY, GROUP BY, an aggregate.
SELECT * FROM batches('SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f');
SELECT * FROM batches('SELECT i || coalesce((SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k), ''x'') FROM f');
SELECT * FROM batches('SELECT i FROM f WHERE (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) = ''done''');
SELECT * FROM batches('SELECT i FROM f ORDER BY (SELECT created_at FROM online_migrations WHERE database_cluster_uuid = f.k)');
SELECT * FROM batches('SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) s, count(*) FROM f GROUP BY 1');
SELECT * FROM batches('SELECT count((SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k)) FROM f');
SELECT * FROM batches('SELECT i % 2 FROM f GROUP BY 1 HAVING max((SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k)) = ''done''');
SELECT * FROM batches('SELECT (SELECT max(status) FROM online_migrations WHERE database_cluster_uuid::text = f.t) FROM f');
SELECT * FROM batches('SELECT (SELECT row_to_json(m) FROM online_migrations m WHERE m.database_cluster_uuid = f.k) FROM f');
SELECT * FROM batches('SELECT ARRAY(SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f');
SELECT * FROM batches('SELECT a.i, (SELECT status FROM online_migrations WHERE database_cluster_uuid = b.k) FROM f a LEFT JOIN f b ON b.i = a.i + 1');
\! simctl log --clear >/dev/null

-- A row of it taken apart, a domain, an array of another type.
SELECT * FROM batches('SELECT ((SELECT m FROM online_migrations m WHERE m.database_cluster_uuid = f.k)).status FROM f');
CREATE DOMAIN name_of_status AS text CHECK (VALUE <> 'none');
SELECT * FROM batches('SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k)::name_of_status FROM f');
SELECT * FROM batches('SELECT ARRAY(SELECT created_at FROM online_migrations WHERE database_cluster_uuid = f.k)::date[] FROM f');
DROP DOMAIN name_of_status;
\! simctl log --clear >/dev/null

-- One request for two columns of one cluster; another table's keys in waves of their own.
SELECT count(s), count(c), count(n) FROM (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) s,
    (SELECT created_at FROM online_migrations WHERE database_cluster_uuid = f.k) c,
    (SELECT name FROM clusters WHERE id = f.k) n FROM f OFFSET 0) x;
\! simctl log --clear | wc -l

-- Rows that are not evaluated are not asked about.
SELECT count(s) FROM (SELECT CASE WHEN i < 4 THEN (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) END s FROM f OFFSET 0) x;
\! simctl log --clear | wc -l
SELECT count(*) FROM f WHERE i < 6 AND (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) = 'done';
\! simctl log --clear | wc -l
SELECT count(s) FROM (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k AND f.i < 3) s FROM f OFFSET 0) x;
\! simctl log --clear | wc -l
SELECT count((SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k)) FILTER (WHERE i < 3) FROM f;
\! simctl log --clear | wc -l
SELECT count(b) FROM (SELECT i < 39 OR (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) = 'done' AS b FROM f OFFSET 0) x;
\! simctl log --clear | wc -l
-- A value that can't be had without an error is not looked at before its row.
SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = (CASE WHEN i = 2 THEN 'none' ELSE f.t END)::uuid) FROM f LIMIT 1;
\! simctl log --clear | wc -l
SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f LIMIT 2;
\! simctl log --clear | wc -l
-- The second filter is asked about only what has passed the first.
SELECT count(*) FROM f WHERE (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) IS NULL
    AND (SELECT name FROM clusters WHERE id = f.k) LIKE 'c%';
\! simctl log --clear | wc -l

-- In WHERE of a foreign table, after what is cheaper: a cluster that this leaves
-- out is not asked about, however it fails.
SELECT * FROM batches('SELECT name FROM clusters c WHERE (SELECT status FROM online_migrations WHERE database_cluster_uuid = c.id) = ''done''') line WHERE line !~ 'Batches';
\! simctl fault status status=422 uuid=00000009-0000-4000-8000-0000000000c8 >/dev/null
\! simctl log --clear >/dev/null
SELECT count(*) FROM clusters c WHERE (SELECT status FROM online_migrations WHERE database_cluster_uuid = c.id) = 'done' AND c.id < key(21)
    AND (c.name = 'none' OR c.created_at IS NOT NULL);
\! simctl log --clear | wc -l
SELECT count(*) FROM clusters c WHERE c.id NOT IN (SELECT key(i) FROM generate_series(3, 200) i) AND EXISTS (SELECT FROM online_migrations WHERE database_cluster_uuid = c.id);
\! simctl log --clear | wc -l
\! simctl nofaults >/dev/null

-- A sub-select that is a join: what its inner side asks by is asked as soon as
-- the outer side's answer is there, and only if that has a row.
SELECT * FROM batches('SELECT (SELECT c.name FROM online_migrations m JOIN clusters c ON c.id = m.database_cluster_uuid WHERE m.database_cluster_uuid = f.k) FROM f');
SELECT * FROM batches('SELECT (SELECT json_agg(c.name) FROM clusters c LEFT JOIN LATERAL
    (SELECT * FROM online_migrations m WHERE m.database_cluster_uuid = c.id LIMIT 1) m ON true WHERE c.id = f.k)::text FROM f');
\! simctl migration 00000009-0000-4000-8000-000000000001 none >/dev/null
\! simctl log --clear >/dev/null
SELECT count((SELECT c.name FROM online_migrations m JOIN clusters c ON c.id = m.database_cluster_uuid WHERE m.database_cluster_uuid = f.k)) FROM f WHERE i < 3;
\! simctl log --sort --clear | grep -c -v online-migration
\! simctl migration 00000009-0000-4000-8000-000000000001 done m-1 2026-01-01T00:00:00Z >/dev/null
-- A filter on the outer side may leave nothing to ask.
SELECT * FROM batches('SELECT (SELECT c.name FROM online_migrations m JOIN clusters c ON c.id = m.database_cluster_uuid WHERE m.database_cluster_uuid = f.k AND m.status = ''none'') FROM f');
\! simctl log --clear >/dev/null

-- A sub-select in the list of one in the list of another.
SELECT count((SELECT max((SELECT max((SELECT status FROM online_migrations WHERE database_cluster_uuid = c.k)) FROM f c WHERE c.i = b.i)) FROM f b WHERE b.i = a.i)) FROM f a WHERE a.i < 4;
SELECT count((SELECT (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = c.k) FROM f c WHERE c.i = b.i) FROM f b WHERE b.i = a.i)) FROM f a WHERE a.i < 4;
\! simctl log --clear >/dev/null
-- Below an Append: all that is read in any case.
CREATE TABLE parts (database_cluster_uuid uuid, status text, account text) PARTITION BY LIST (account);
CREATE FOREIGN TABLE parts_1 PARTITION OF parts FOR VALUES IN ('one') SERVER digitalocean OPTIONS (resource 'online_migrations');
CREATE FOREIGN TABLE parts_2 PARTITION OF parts FOR VALUES IN ('two') SERVER digitalocean OPTIONS (resource 'online_migrations', async_capable 'false');
ALTER FOREIGN TABLE parts_1 ALTER account OPTIONS (ADD column_name 'server');
ALTER FOREIGN TABLE parts_2 ALTER account OPTIONS (ADD column_name 'server');
CREATE VIEW both_ways AS SELECT database_cluster_uuid, status FROM online_migrations UNION ALL SELECT k, NULL FROM f WHERE i < 0;
SELECT * FROM batches('SELECT (SELECT max(status) FROM both_ways WHERE database_cluster_uuid = f.k) FROM f');
SELECT * FROM batches('SELECT (SELECT max(status) FROM parts WHERE database_cluster_uuid = f.k) FROM f');
SELECT * FROM batches('SELECT (SELECT status FROM parts WHERE database_cluster_uuid = f.k LIMIT 1) FROM f');
SELECT * FROM batches('SELECT (SELECT max(status) FROM parts WHERE database_cluster_uuid = f.k AND account = f.s) FROM f');
DROP VIEW both_ways;
DROP TABLE parts;
\! simctl log --clear >/dev/null

-- A sub-select without FROM hands on what it is about: a layer's JSON object.
SELECT * FROM batches('SELECT (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) || ''x'') FROM f');
SELECT * FROM batches('SELECT (SELECT json_build_object(''i'', f.i, ''s'', (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k),
    ''n'', (SELECT (SELECT name FROM clusters WHERE id = f.k)))) FROM f');
SELECT count(DISTINCT s), min(s), max(s) FROM (SELECT (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) || f.i) s FROM f OFFSET 0) x;
\! simctl log --clear >/dev/null
SELECT count(s) FROM (SELECT (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) || 'x' WHERE f.i < 4) s FROM f OFFSET 0) x;
\! simctl log --clear | wc -l
SELECT count(s) FROM (SELECT (SELECT CASE WHEN f.i < 4 THEN (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) END) s FROM f OFFSET 0) x;
\! simctl log --clear | wc -l

-- A LATERAL sub-select with DISTINCT, UNION, EXCEPT, INTERSECT.
SELECT * FROM batches('SELECT f.i, x.* FROM f LEFT JOIN LATERAL (SELECT DISTINCT status FROM online_migrations WHERE database_cluster_uuid = f.k) x ON true');
SELECT * FROM batches('SELECT f.i, x.* FROM f, LATERAL (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k
    UNION SELECT name FROM clusters WHERE id = f.k) x');
\! simctl log --clear >/dev/null
SELECT count(*), count(DISTINCT x) FROM f, LATERAL (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k
    UNION SELECT name FROM clusters WHERE id = f.k) x;
\! simctl log --clear | wc -l
SELECT count(*) FROM (SELECT FROM f, LATERAL (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k
    EXCEPT SELECT status FROM clusters WHERE id = f.k) x) y;
\! simctl log --clear | wc -l
SELECT count(*) FROM batches('SELECT f.i, x.* FROM f, LATERAL (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k
    EXCEPT SELECT status FROM clusters WHERE id = f.k) x') WHERE batches = 'Batches: 1';
SELECT count(*) FROM batches('SELECT f.i, x.* FROM f, LATERAL (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k
    INTERSECT SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) x') WHERE batches = 'Batches: 1';
\! simctl log --clear >/dev/null

-- A LATERAL sub-select with a function that returns a set, or grouping sets.
SELECT * FROM batches('SELECT f.i, x.* FROM f, LATERAL (SELECT unnest(tags) FROM clusters WHERE id = f.k) x');
SELECT * FROM batches('SELECT f.i, x.* FROM f, LATERAL (SELECT status, count(*) FROM online_migrations WHERE database_cluster_uuid = f.k GROUP BY ROLLUP (status)) x');
\! simctl log --clear >/dev/null
-- Above GROUP BY and window functions, whose rows are fewer or have more
-- columns; beside a function that returns a set; as a join's hashed key.
SELECT * FROM batches('SELECT k, count(*), (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f GROUP BY k');
SELECT * FROM batches('SELECT k, t, grouping(t), (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f GROUP BY GROUPING SETS ((k, t), (k))');
SELECT * FROM batches('SELECT i / 4, (SELECT status FROM online_migrations WHERE database_cluster_uuid::text = max(f.t)) FROM f GROUP BY 1');
SELECT * FROM batches('SELECT k FROM f GROUP BY k HAVING count(*) = 1 AND (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) = ''done''');
SET enable_hashagg = off;
SELECT * FROM batches('SELECT k, (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f GROUP BY k');
RESET enable_hashagg;
SELECT * FROM batches('SELECT row_number() OVER (ORDER BY i), sum(i) OVER (PARTITION BY i % 3), (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f');
SELECT * FROM batches('SELECT generate_series(1, 2), (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f');
SELECT * FROM batches('SELECT g.i FROM f JOIN f g ON g.s = (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k)');
SELECT * FROM batches('SELECT g.i FROM f RIGHT JOIN f g ON g.s = (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k)');
SELECT * FROM batches('SELECT x.* FROM (SELECT xmlelement(name d, xmlagg(xmlelement(name k, k))) d FROM f) y, XMLTABLE(''/d/k'' PASSING y.d COLUMNS k uuid PATH ''.'') x
    WHERE (SELECT status FROM online_migrations WHERE database_cluster_uuid = x.k) = ''done''');
SELECT * FROM batches('WITH RECURSIVE r AS (SELECT i, k, NULL::text AS s FROM f WHERE i < 5
    UNION ALL SELECT r.i + 4, key(r.i + 4), (SELECT status FROM online_migrations WHERE database_cluster_uuid = r.k) FROM r WHERE i < 9) SELECT count(s) FROM r');
\! simctl log --clear >/dev/null
-- The same rows; none is asked about that HAVING leaves out.
SELECT i % 2 AS odd, count(*), sum(i), grouping(i % 2), (SELECT max(status) || min(f.i) FROM online_migrations WHERE database_cluster_uuid::text = min(f.t)) FROM f WHERE i > 1 GROUP BY ROLLUP (i % 2) ORDER BY 1, 2;
SELECT r, i, s FROM (SELECT i, row_number() OVER (PARTITION BY i % 3 ORDER BY i DESC) r, (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) s FROM f) x WHERE r = 1 ORDER BY i;
\! simctl log --clear >/dev/null
SELECT count(s) FROM (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) s FROM f GROUP BY k HAVING max(i) < 4 OFFSET 0) x;
\! simctl log --clear | wc -l
-- The rows that a statement has brought, in a trigger.
CREATE TABLE brought (k uuid);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('omf.looked', (SELECT count(s) FROM (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = n.k) s FROM n OFFSET 0) x)::text, false);
    RETURN NULL;
END $$;
CREATE TRIGGER look AFTER INSERT ON brought REFERENCING NEW TABLE AS n FOR EACH STATEMENT EXECUTE FUNCTION look();
\! simctl reset >/dev/null; simctl token dop_v1_subselect1 >/dev/null
\! simctl populate seed=9 count=200 token=dop_v1_subselect1 status=done >/dev/null; simctl config latency_ms=200 >/dev/null
INSERT INTO brought SELECT k FROM f WHERE i <= 10;
\! simctl config latency_ms=0 >/dev/null; simctl counters get_status max_in_flight
SELECT current_setting('omf.looked');
DROP TABLE brought;
DROP FUNCTION look;
\! simctl log --clear >/dev/null

-- Above the rows of parallel workers.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f WHERE i > 0;
SELECT count(s) FROM (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) s FROM f WHERE i > (SELECT min(i) FROM f) OFFSET 0) x;
\! simctl log --clear | wc -l
SELECT * FROM batches('SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f ORDER BY i');
\! simctl log --clear >/dev/null
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- Statements that write.
UPDATE f SET s = (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) WHERE i <= 10;
UPDATE f SET (s, c) = (SELECT status, created_at FROM online_migrations WHERE database_cluster_uuid = f.k) WHERE i > 10;
SELECT count(s), count(c) FROM f;
\! simctl log --clear | wc -l
EXPLAIN (VERBOSE, COSTS OFF) UPDATE f SET s = (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) WHERE i <= 10;
-- Locked rows; a cursor that UPDATE goes by.
SELECT i, (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f WHERE i < 3 FOR UPDATE;
BEGIN;
DECLARE place CURSOR FOR SELECT i, (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f WHERE i = 1;
FETCH place;
UPDATE f SET s = 'by place' WHERE CURRENT OF place;
SELECT i FROM f WHERE s = 'by place';
ROLLBACK;
\! simctl log --clear >/dev/null
-- A plan that is kept, and cursors.
PREPARE kept AS SELECT count(s) FROM (SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) s FROM f OFFSET 0) x;
EXECUTE kept;
EXECUTE kept;
DEALLOCATE kept;
\! simctl log --clear | wc -l
BEGIN;
DECLARE one NO SCROLL CURSOR WITH HOLD FOR SELECT i, (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f;
DECLARE other CURSOR FOR SELECT i, (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f;
FETCH 2 FROM one;
FETCH 2 FROM other;
FETCH BACKWARD 1 FROM other;
\! simctl log --clear | wc -l
COMMIT;
FETCH 1 FROM one;
CLOSE one;
SET online_migrations_fdw.enable_batched_subselect = off;
SELECT * FROM batches('SELECT (SELECT status FROM online_migrations WHERE database_cluster_uuid = f.k) FROM f');
RESET online_migrations_fdw.enable_batched_subselect;

DROP TABLE f;
DROP FUNCTION key, batches;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
