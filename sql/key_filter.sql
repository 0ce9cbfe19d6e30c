-- Clauses on the key alone are applied before a cluster is asked about: the
-- listing knows its UUID.  What is asked is counted, and PostgreSQL's rules on
-- what may be evaluated before a barrier's own clauses hold.
\! simctl reset >/dev/null
SET search_path = databases, public;
\! for i in 0 1 2 3 4 5 6 7 8 9; do simctl cluster 0000000$i-0000-4000-8000-00000000000$i engine=pg >/dev/null; simctl migration 0000000$i-0000-4000-8000-00000000000$i running m-$i 2026-01-01T00:00:00Z >/dev/null; done

-- Ten clusters are of this test; what else the account has is filtered, too.
\! simctl log --clear >/dev/null
SELECT id FROM online_migrations WHERE database_cluster_uuid::text LIKE '00000003-%';
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid::text ~ '^0000000[45]-';
\! simctl log --sort --clear
SELECT id FROM online_migrations
WHERE database_cluster_uuid BETWEEN '00000006-0000-4000-8000-000000000000' AND '00000007-ffff-4000-8000-000000000000';
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid < '00000001-0000-0000-0000-000000000000';
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid::text LIKE '0000000%'
    AND database_cluster_uuid NOT IN ('00000000-0000-4000-8000-000000000000', '00000001-0000-4000-8000-000000000001',
    '00000002-0000-4000-8000-000000000002', '00000003-0000-4000-8000-000000000003', '00000004-0000-4000-8000-000000000004',
    '00000005-0000-4000-8000-000000000005', '00000006-0000-4000-8000-000000000006', '00000007-0000-4000-8000-000000000007');
\! simctl log --sort --clear

-- Keys are filtered as well; a parameter and a sub-select do.
SELECT id FROM online_migrations
WHERE database_cluster_uuid IN ('00000001-0000-4000-8000-000000000001', '00000002-0000-4000-8000-000000000002')
    AND database_cluster_uuid::text LIKE '%2';
\! simctl log --sort --clear
PREPARE like_it(text) AS SELECT id FROM online_migrations WHERE database_cluster_uuid::text LIKE $1;
EXECUTE like_it('00000008%');
\! simctl log --sort --clear
SET plan_cache_mode = force_generic_plan;
EXECUTE like_it('00000009%');
\! simctl log --sort --clear
RESET plan_cache_mode;
SELECT id FROM online_migrations WHERE left(database_cluster_uuid::text, 8) = (SELECT '00000005');
\! simctl log --sort --clear

-- EXPLAIN shows it.
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations
WHERE database_cluster_uuid::text LIKE '0000000%' AND status = 'running';
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations
WHERE database_cluster_uuid = '00000001-0000-4000-8000-000000000001' AND database_cluster_uuid::text LIKE '0%';

-- A clause with another column, or a volatile one, is none.
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations WHERE database_cluster_uuid::text LIKE id || '%';
EXPLAIN (COSTS OFF) SELECT id FROM online_migrations
WHERE database_cluster_uuid::text LIKE '0%' AND database_cluster_uuid::text <> random()::text;

-- A text column, rows that fail, and a rescan: as without the filter.
CREATE FOREIGN TABLE by_text (database_cluster_uuid text, id text) SERVER digitalocean
    OPTIONS (resource 'online_migrations');
SELECT id FROM by_text WHERE database_cluster_uuid LIKE '0000000_-0000-4000-8000-000000000004';
\! simctl log --sort --clear
SELECT n, (SELECT id FROM online_migrations WHERE database_cluster_uuid::text LIKE '0000000' || n || '%')
FROM generate_series(3, 5) n;
\! simctl log --sort --clear

-- Behind a security barrier the reader's clause comes after the view's own,
-- unless it is leakproof.
CREATE VIEW behind WITH (security_barrier) AS
    SELECT database_cluster_uuid, id FROM online_migrations WHERE status = 'done';
EXPLAIN (COSTS OFF) SELECT id FROM behind WHERE database_cluster_uuid::text LIKE '00000003%';
EXPLAIN (COSTS OFF) SELECT id FROM behind WHERE database_cluster_uuid < '00000001-0000-0000-0000-000000000000';

-- A row that was locked and changed meanwhile is checked again with it.
CREATE TABLE noted (k uuid);
INSERT INTO noted VALUES ('00000004-0000-4000-8000-000000000004');
SELECT noted.k, m.id FROM noted, online_migrations m
WHERE m.database_cluster_uuid = noted.k AND m.database_cluster_uuid::text LIKE '00000004%' FOR UPDATE OF noted;
DROP TABLE noted;
DROP VIEW behind;
DROP FOREIGN TABLE by_text;
