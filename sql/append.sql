-- Scans of several servers below one Append run at the same time.
\! simctl reset >/dev/null
\! simctl populate seed=8 count=30 token=dop_v1_second status=done >/dev/null
\! simctl populate seed=9 count=5 status=running >/dev/null
\getenv endpoint OMF_HTTP
CREATE SERVER other FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'endpoint', max_retries '0', max_concurrency '4');
CREATE USER MAPPING FOR CURRENT_USER SERVER other OPTIONS (token 'dop_v1_second');
CREATE SCHEMA other;
IMPORT FOREIGN SCHEMA databases LIMIT TO (online_migrations) FROM SERVER other INTO other;

EXPLAIN (COSTS OFF)
SELECT status FROM databases.online_migrations UNION ALL SELECT status FROM other.online_migrations;
SELECT status, count(*) FROM (SELECT status FROM databases.online_migrations
    UNION ALL SELECT status FROM other.online_migrations) x GROUP BY status ORDER BY status;

-- Two scans of one server, and one with few requests in flight.
SELECT count(*) FROM (SELECT id FROM other.online_migrations
    UNION ALL SELECT id FROM other.online_migrations
    UNION ALL SELECT id FROM databases.online_migrations) x;

-- In one statement they share what they ask.
\! simctl log --clear >/dev/null
SELECT count(*) FROM (SELECT id FROM other.online_migrations WHERE database_cluster_uuid = '00000008-0000-4000-8000-000000000001'
    UNION ALL SELECT id FROM other.online_migrations WHERE database_cluster_uuid = '00000008-0000-4000-8000-000000000001') x;
\! simctl log --clear

-- LIMIT, rescan, and an error in one of them.
SELECT count(*) FROM (SELECT id FROM databases.online_migrations
    UNION ALL SELECT id FROM other.online_migrations LIMIT 3) x;
SELECT g, (SELECT count(*) FROM (SELECT id FROM databases.online_migrations
    UNION ALL SELECT id FROM other.online_migrations) x WHERE id <> g::text) FROM generate_series(1, 3) g;
\! simctl fault status status=403 uuid=00000008-0000-4000-8000-000000000007 times=1 >/dev/null
SELECT * FROM public.failure('SELECT count(*) FROM (SELECT id FROM databases.online_migrations
    UNION ALL SELECT id FROM other.online_migrations) x');
SELECT count(*) FROM (SELECT id FROM databases.online_migrations
    UNION ALL SELECT id FROM other.online_migrations) x;

-- A cursor rests while another statement brings what it has asked for.
\! simctl fault slow_first_byte uuid=00000008-0000-4000-8000-000000000001 ms=300 >/dev/null
\! simctl fault slow_first_byte uuid=00000008-0000-4000-8000-000000000002 ms=900 >/dev/null
BEGIN;
SET LOCAL statement_timeout = '20s';
DECLARE resting CURSOR FOR SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = '00000009-0000-4000-8000-000000000001'
    UNION ALL SELECT status FROM other.online_migrations WHERE database_cluster_uuid = '00000008-0000-4000-8000-000000000001';
FETCH 1 FROM resting;
SELECT status FROM other.online_migrations WHERE database_cluster_uuid = '00000008-0000-4000-8000-000000000002';
FETCH ALL FROM resting;
COMMIT;
\! simctl nofaults >/dev/null

-- It can be turned off, for a server and for a table.
ALTER SERVER other OPTIONS (ADD async_capable 'false');
EXPLAIN (COSTS OFF)
SELECT status FROM databases.online_migrations UNION ALL SELECT status FROM other.online_migrations;
ALTER FOREIGN TABLE other.online_migrations OPTIONS (ADD async_capable 'true');
EXPLAIN (COSTS OFF)
SELECT status FROM databases.online_migrations UNION ALL SELECT status FROM other.online_migrations;

DROP SERVER other CASCADE;
DROP SCHEMA other;
