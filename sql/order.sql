-- Rows come in the order of the keys as given, or of the listing, whatever the
-- order of the answers; and no more is asked than is likely to be wanted.
\! simctl reset >/dev/null
\! simctl token dop_v1_order1 >/dev/null
\! simctl populate seed=11 count=190 token=dop_v1_order1 >/dev/null
-- Some answers come late, so that they are never in order.
\! for i in 001 004 020 051 099 150 187; do simctl cluster 0000000b-0000-4000-8000-000000000$i latency_ms=60 >/dev/null; done
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_order1');
CREATE SCHEMA in_order;
SET search_path = in_order, databases;
CREATE FUNCTION key(i bigint) RETURNS uuid IMMUTABLE LANGUAGE sql RETURN
    ('0000000b-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid;
CREATE FUNCTION number(key uuid) RETURNS integer IMMUTABLE LANGUAGE sql RETURN
    ('x' || right(key::text, 12))::bit(48)::bigint::integer;

-- The keys as given: backwards, twice, and in sets that are cut with another.
SELECT array_agg(number(database_cluster_uuid)) FROM online_migrations
WHERE database_cluster_uuid = ANY (ARRAY(SELECT key(22 - i) FROM generate_series(1, 21) i));
SELECT array_agg(number(database_cluster_uuid)) FROM online_migrations
WHERE database_cluster_uuid IN (key(4), key(3), key(4), key(1), key(2));
SELECT array_agg(number(database_cluster_uuid)) FROM online_migrations
WHERE database_cluster_uuid = key(4) OR database_cluster_uuid IN (key(1), key(3));

-- The listing.
SELECT count(*), count(*) FILTER (WHERE n = i) AS in_order
FROM (SELECT number(database_cluster_uuid) AS n, row_number() OVER () AS i FROM online_migrations) x;

-- Tools page without ORDER BY: each cluster is on one page, once.
CREATE TABLE pages (page integer, k uuid);
INSERT INTO pages SELECT 1, database_cluster_uuid FROM (SELECT * FROM online_migrations LIMIT 50) x;
INSERT INTO pages SELECT 2, database_cluster_uuid FROM (SELECT * FROM online_migrations LIMIT 50 OFFSET 50) x;
INSERT INTO pages SELECT 3, database_cluster_uuid FROM (SELECT * FROM online_migrations LIMIT 50 OFFSET 100) x;
INSERT INTO pages SELECT 4, database_cluster_uuid FROM (SELECT * FROM online_migrations LIMIT 50 OFFSET 150) x;
SELECT count(*), count(DISTINCT k) FROM pages;

-- Below an asynchronous Append each scan is in order, another one's rows in between.
\getenv endpoint OMF_HTTP
CREATE SERVER in_order FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'endpoint', max_retries '0', max_concurrency '4');
CREATE USER MAPPING FOR CURRENT_USER SERVER in_order OPTIONS (token 'dop_v1_order1');
IMPORT FOREIGN SCHEMA databases LIMIT TO (online_migrations, clusters) FROM SERVER in_order INTO in_order;
SET enable_partitionwise_aggregate = off;
EXPLAIN (COSTS OFF) SELECT 1 FROM in_order.online_migrations UNION ALL SELECT 2 FROM databases.online_migrations;
SELECT branch, count(*), count(*) FILTER (WHERE n = i) AS in_order
FROM (SELECT branch, n, row_number() OVER (PARTITION BY branch ORDER BY row) AS i
    FROM (SELECT branch, number(k) AS n, row_number() OVER () AS row
        FROM (SELECT 1 AS branch, database_cluster_uuid AS k FROM in_order.online_migrations
            UNION ALL SELECT 2, database_cluster_uuid FROM databases.online_migrations) a) b) c
GROUP BY branch ORDER BY branch;

-- A scan that is made again for another row has that row's keys in order.
SELECT a, array_agg(n) FROM (SELECT a, number(database_cluster_uuid) AS n
    FROM generate_series(1, 5, 2) a, online_migrations
    WHERE database_cluster_uuid = ANY (ARRAY[key(a + 1), key(a), key(191), key(a + 3)])) x GROUP BY a ORDER BY a;
-- One that stops early, and begins again with the same keys, begins with the first.
SELECT a, (SELECT array_agg(n) FROM (SELECT number(database_cluster_uuid) AS n FROM online_migrations
    WHERE database_cluster_uuid IN (key(5), key(2), key(4), key(1)) LIMIT a) x)
FROM generate_series(1, 5) a;

-- A slow first answer holds back what is in flight and as much again, and no
-- more than that has been asked by then.
\! simctl cluster 0000000b-0000-4000-8000-000000000001 latency_ms=8000 >/dev/null
\! simctl clear
SET statement_timeout = '3s';
SELECT id FROM in_order.online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT key(i) FROM generate_series(1, 60) i));
RESET statement_timeout;
\! simctl log --clear | wc -l
-- The rows before a slow one are there at once.
BEGIN;
DECLARE c CURSOR FOR SELECT number(database_cluster_uuid) FROM in_order.online_migrations
    WHERE database_cluster_uuid IN (key(3), key(2), key(1));
SET LOCAL statement_timeout = '4s';
FETCH 2 FROM c;
ROLLBACK;
\! simctl cluster 0000000b-0000-4000-8000-000000000001 latency_ms=0 >/dev/null
\! simctl log --clear >/dev/null

-- As many as a LIMIT wants are asked for.
CREATE FUNCTION asked(query text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE line text; requests bigint := 0;
BEGIN
    FOR line IN EXECUTE 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) ' || query LOOP
        requests := requests + coalesce(substring(line FROM 'Remote Requests: (\d+)')::bigint, 0);
    END LOOP;
    RETURN requests;
END $$;
\set keys 'SELECT * FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT in_order.key(i) FROM generate_series(1, 190) i))'
SELECT asked('SELECT * FROM online_migrations LIMIT 1') AS listing, asked(:'keys' || ' LIMIT 1') AS keys,
    asked(:'keys' || ' LIMIT 3 OFFSET 2') AS "offset", asked(:'keys' || ' LIMIT (SELECT 4)') AS expression,
    asked('SELECT * FROM (' || :'keys' || ' OFFSET 3) x LIMIT 2') AS nested, asked(:'keys' || ' LIMIT NULL') AS no_limit,
    asked(:'keys' || ' LIMIT 9223372036854775807 OFFSET 9223372036854775807') AS huge;
-- And twice as many each time that these were not enough.
SELECT asked(:'keys' || ' AND right(id, 2) = ''-5'' LIMIT 1') AS filtered,
    asked('SELECT * FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT in_order.key(200 - i) FROM generate_series(1, 190) i)) LIMIT 1') BETWEEN 10 AND 16 AS not_found;
-- Of a join, what is read row by row.
SET enable_mergejoin = off;
SET enable_nestloop = off;
CREATE TABLE all_of_them AS SELECT key(i) AS k FROM generate_series(1, 190) i;
ANALYZE all_of_them;
SELECT asked('SELECT * FROM online_migrations JOIN all_of_them ON k = database_cluster_uuid LIMIT 2') AS hash_join;
RESET enable_mergejoin;
RESET enable_nestloop;
SELECT asked('(' || :'keys' || ') UNION ALL (SELECT * FROM in_order.online_migrations) LIMIT 3') <= 8 AS append;

-- What reads all of its input gets it in one go, below a LIMIT, too.
\getenv endpoint OMF_HTTPS
\getenv ca_file OMF_CA_FILE
ALTER SERVER in_order OPTIONS (SET endpoint :'endpoint', ADD ca_file :'ca_file', SET max_concurrency '60');
\set keys 'SELECT * FROM in_order.online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT in_order.key(i) FROM generate_series(1, 60) i))'
\! simctl config latency_ms=300 >/dev/null
EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) :keys ORDER BY id LIMIT 1 \g | sed -n 's/.* in_flight=[56][0-9] .*/at once/p'
\! simctl config latency_ms=0 >/dev/null
SELECT asked('SELECT count(*) FROM (' || :'keys' || ') x LIMIT 1') AS aggregate,
    asked('SELECT DISTINCT status FROM (' || :'keys' || ') x LIMIT 1') AS "distinct",
    asked('SELECT count(*) OVER (), * FROM (' || :'keys' || ') x LIMIT 1') AS "window",
    asked('SELECT * FROM (SELECT 1) x, (SELECT count(id) FROM (' || :'keys' || ') y OFFSET 0) z LIMIT 1') AS sub_select;

-- An EXISTS ends with the first row, an ANY or ALL with the one that decides: they ask as a LIMIT 1 does.
\set keys 'SELECT * FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT in_order.key(i) FROM generate_series(1, 190) i))'
CREATE TABLE three AS SELECT i, i::text AS t FROM generate_series(1, 3) i;
ANALYZE three;
SELECT asked('SELECT EXISTS (SELECT FROM online_migrations)') AS listing,
    asked('SELECT EXISTS (' || :'keys' || ')') AS keys,
    asked('SELECT EXISTS (SELECT FROM online_migrations WHERE right(id, 2) = ''-5'')') AS filtered,
    asked('SELECT i FROM three WHERE EXISTS (SELECT FROM online_migrations)') AS one_time,
    asked('SELECT i FROM three WHERE NOT EXISTS (SELECT FROM online_migrations)') AS "not",
    asked('SELECT count(e) FROM (SELECT EXISTS (SELECT FROM online_migrations) AS e FROM three OFFSET 0) x') AS below_aggregate,
    asked('UPDATE three SET t = t WHERE EXISTS (SELECT FROM online_migrations)') AS "update";
SELECT asked('SELECT ''zz'' > ANY (SELECT status FROM online_migrations)') AS "any",
    asked('SELECT '''' >= ALL (SELECT status FROM online_migrations)') AS "all",
    asked('SELECT i, EXISTS (SELECT FROM online_migrations WHERE status > three.t) FROM three') AS correlated,
    asked('SELECT i FROM three WHERE i = 0 OR i + 2 > ANY (SELECT length(status) - 10 FROM online_migrations)') AS any_of_rows,
    asked('SELECT i FROM three WHERE EXISTS (SELECT FROM online_migrations WHERE status > three.t)') AS semi_join,
    asked('SELECT i FROM three WHERE NOT EXISTS (SELECT FROM online_migrations WHERE status > three.t)') AS anti_join,
    asked('SELECT EXISTS (SELECT FROM all_of_them JOIN online_migrations ON database_cluster_uuid = k)') AS "join",
    asked('SELECT EXISTS (SELECT FROM online_migrations UNION ALL SELECT FROM in_order.online_migrations)') AS append;
-- Also in PL/pgSQL, and in what is run after the query.
\! sleep 0.3; simctl log --clear >/dev/null
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM online_migrations) THEN
        RAISE 'none';
    END IF;
END $$;
\! sleep 0.3; simctl log --clear | wc -l
WITH added AS (INSERT INTO three SELECT 4 WHERE EXISTS (SELECT FROM online_migrations) RETURNING 1) SELECT 1 AS one;
\! sleep 0.3; simctl log --clear | wc -l
-- Not what reads all of its input on the way, and no other sub-select.
SELECT asked('SELECT EXISTS (SELECT count(*) FROM online_migrations HAVING count(*) > 1)') AS aggregate,
    asked('SELECT EXISTS (SELECT FROM (SELECT * FROM online_migrations ORDER BY id OFFSET 1) x)') AS sort,
    asked('SELECT ARRAY(SELECT id FROM online_migrations) IS NULL') AS "array",
    asked('SELECT (SELECT id FROM online_migrations WHERE right(id, 2) = ''-5'')') AS expression,
    asked('SELECT i FROM three WHERE i = 2 OR t IN (SELECT status FROM online_migrations)') AS hashed;
-- A function that fails on the way, and handles that, changes nothing.
CREATE FUNCTION handled(i integer) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    PERFORM i / (count(*) - count(*)) FROM pg_am;
    RETURN false;
EXCEPTION WHEN division_by_zero THEN
    RETURN true;
END $$;
SELECT asked('SELECT EXISTS (SELECT FROM online_migrations) FROM three WHERE in_order.handled(i)') AS "exists";
DROP FUNCTION handled;
DROP TABLE three;
\! simctl config latency_ms=300 >/dev/null
\set keys 'SELECT id FROM in_order.online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT in_order.key(i) FROM generate_series(1, 60) i))'
EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF) SELECT (:keys AND right(id, 2) = '-5') \g | sed -n 's/.* in_flight=[56][0-9] .*/at once/p'
\! simctl config latency_ms=0 >/dev/null

-- A cursor asks for what is fetched.
BEGIN;
\! simctl log --clear >/dev/null
DECLARE c CURSOR FOR SELECT number(database_cluster_uuid) FROM online_migrations;
FETCH 3 FROM c;
\! sleep 0.3; simctl log --clear | wc -l
FETCH 2 FROM c;
\! sleep 0.3; simctl log --clear | wc -l
MOVE 10 FROM c;
\! sleep 0.3; simctl log --clear | wc -l
MOVE ALL FROM c;
\! sleep 0.3; simctl log --clear | wc -l
CLOSE c;
-- One that can go back does, too.
DECLARE c SCROLL CURSOR FOR SELECT number(database_cluster_uuid) FROM online_migrations;
FETCH 3 FROM c;
FETCH BACKWARD 2 FROM c;
\! sleep 0.3; simctl log --clear | wc -l
FETCH LAST FROM c;
\! sleep 0.3; simctl log --clear | wc -l
CLOSE c;
COMMIT;
-- A batched join asks by the same measure: below a sort for all at once, and
-- of a cursor for what is fetched.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT asked('SELECT id FROM all_of_them JOIN online_migrations ON database_cluster_uuid = k LIMIT 3') AS "limit",
    asked('SELECT id FROM all_of_them JOIN online_migrations ON database_cluster_uuid = k ORDER BY id LIMIT 3') AS sort;
BEGIN;
\! sleep 0.3; simctl log --clear >/dev/null
DECLARE c CURSOR FOR SELECT number(k) FROM all_of_them JOIN online_migrations ON database_cluster_uuid = k;
FETCH 3 FROM c;
\! sleep 0.3; simctl log --clear | wc -l
MOVE ALL FROM c;
\! sleep 0.3; simctl log --clear | wc -l
COMMIT;
RESET enable_hashjoin;
RESET enable_mergejoin;

-- A loop in PL/pgSQL asks portion by portion, and sees all rows.
DO $$
DECLARE n integer := 0; k uuid;
BEGIN
    FOR k IN SELECT database_cluster_uuid FROM online_migrations LOOP
        n := n + 1;
        ASSERT in_order.number(k) = n;
        EXIT WHEN n = 5;
    END LOOP;
END $$;
\! sleep 0.3; test $(simctl log --clear | wc -l) -le 9 && echo nine at most
DO $$
DECLARE n integer := 0; k uuid;
BEGIN
    FOR k IN SELECT database_cluster_uuid FROM online_migrations LOOP
        n := n + 1;
        -- a query within, and one that fails, run between two portions
        PERFORM count(*) FROM clusters LIMIT 1;
        BEGIN
            PERFORM 1 / (n - 20);
        EXCEPTION WHEN division_by_zero THEN NULL;
        END;
    END LOOP;
    RAISE NOTICE '% rows', n;
END $$;
\! simctl log --clear | grep -c online-migration

-- What the rows themselves raise is raised for rows that are wanted: with a
-- clause that can fail, no more of them are read than that.  The first key is
-- none, so twenty rows take one more than twenty.
CREATE TABLE risky AS SELECT n, CASE n WHEN 1 THEN gen_random_uuid() ELSE key(n) END AS k, 'name ' || n AS name FROM generate_series(1, 60) n;
ANALYZE risky;
\! simctl log --clear >/dev/null
SELECT count(*) FROM (SELECT FROM risky r JOIN online_migrations m ON m.database_cluster_uuid = r.k WHERE 1 / (30 - r.n) < 5 LIMIT 20) x;
\! simctl log --clear | grep -c online-migration
SELECT count(*) FROM (SELECT FROM (SELECT k, 1 / (30 - n) AS x FROM risky OFFSET 0) r JOIN online_migrations m ON m.database_cluster_uuid = r.k LIMIT 20) x;
SELECT EXISTS (SELECT FROM risky r JOIN online_migrations m ON m.database_cluster_uuid = r.k WHERE 1 / (4 - r.n) < 5);
SELECT count(*) FROM (SELECT (SELECT status FROM online_migrations m WHERE m.database_cluster_uuid = r.k) FROM risky r WHERE 1 / (21 - r.n) < 5 LIMIT 20) x;
BEGIN;
DECLARE c CURSOR FOR SELECT n, status FROM risky r LEFT JOIN online_migrations m ON m.database_cluster_uuid = r.k WHERE 1 / (20 - n) < 5;
MOVE 10 IN c;
MOVE 5 IN c;
SELECT * FROM public.failure('MOVE 5 IN c');
COMMIT;
-- Others begin with few and grow, as lower() cannot fail.
\! simctl log --clear >/dev/null
SELECT count(*) FROM (SELECT FROM risky r JOIN online_migrations m ON m.database_cluster_uuid = r.k WHERE lower(r.name) LIKE 'name%' LIMIT 20) x;
\! sleep 0.3; simctl log --clear | grep -c online-migration

-- An error of a cluster waits for its turn; one that concerns all does not.
\! simctl cluster 0000000b-0000-4000-8000-000000000001 latency_ms=8000 >/dev/null
\! simctl fault status status=422 uuid=0000000b-0000-4000-8000-000000000002 >/dev/null
BEGIN;
DECLARE c CURSOR FOR SELECT number(database_cluster_uuid) FROM online_migrations
    WHERE database_cluster_uuid IN (key(3), key(2), key(1));
FETCH 1 FROM c;
SELECT * FROM public.failure('FETCH ALL FROM c');
ROLLBACK;
\! simctl fault status status=403 uuid=0000000b-0000-4000-8000-000000000005 >/dev/null
SET statement_timeout = '4s';
SELECT * FROM public.failure('SELECT count(*) FROM online_migrations WHERE database_cluster_uuid IN (in_order.key(1), in_order.key(4), in_order.key(5))');
RESET statement_timeout;
\! simctl nofaults >/dev/null

-- A cluster that can't have a migration has no row, whatever the plan: by the
-- rows of another table, by a sub-select, by many keys, in the listing.  Where
-- the query names it, that is an error.
\! simctl cluster 0000000b-0000-4000-8000-000000000001 latency_ms=0 >/dev/null
\! simctl fault status status=422 uuid=0000000b-0000-4000-8000-000000000002 >/dev/null
\! simctl fault status status=412 uuid=0000000b-0000-4000-8000-000000000003 >/dev/null
CREATE TABLE asked AS SELECT n, key(n) AS k FROM generate_series(1, 5) n;
ANALYZE asked;
CREATE FUNCTION rows_of(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE setting text; n text;
BEGIN
    FOREACH setting IN ARRAY '{enable_material,enable_nestloop,enable_hashjoin,enable_mergejoin,online_migrations_fdw.enable_batched_join}'::text[] LOOP
        PERFORM set_config(setting, 'off', true);
        EXECUTE query INTO n;
        PERFORM set_config(setting, 'on', true);
        RETURN NEXT n;
    END LOOP;
END $$;
SELECT DISTINCT rows_of('SELECT string_agg(n::text, '' '' ORDER BY n) FROM in_order.asked a JOIN in_order.online_migrations m ON m.database_cluster_uuid = a.k');
SELECT DISTINCT rows_of('SELECT count(m.status) || '' of '' || count(*) FROM in_order.asked a LEFT JOIN in_order.online_migrations m ON m.database_cluster_uuid = a.k');
SELECT DISTINCT rows_of('SELECT count(*) FROM in_order.asked a WHERE NOT EXISTS (SELECT FROM in_order.online_migrations m WHERE m.database_cluster_uuid = a.k)');
SELECT DISTINCT rows_of('SELECT count((SELECT status FROM in_order.online_migrations m WHERE m.database_cluster_uuid = a.k)) FROM in_order.asked a');
SELECT DISTINCT rows_of('SELECT count(*) FROM in_order.online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT k FROM in_order.asked))');
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT key(n) FROM generate_series(1, 60) n)) AND number(database_cluster_uuid) < 6;
SELECT count(*) FROM online_migrations WHERE number(database_cluster_uuid) < 6;
SELECT * FROM public.failure('SELECT count(*) FROM in_order.online_migrations WHERE database_cluster_uuid IN (in_order.key(1), in_order.key(2))');
\! simctl nofaults >/dev/null

\! simctl reset >/dev/null
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
SET client_min_messages = warning;
DROP SCHEMA in_order CASCADE;
DROP SERVER in_order CASCADE;
