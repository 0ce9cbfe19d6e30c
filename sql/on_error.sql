-- on_error: what failed for good ends the statement, or shows in its row.
\! simctl reset >/dev/null
\getenv endpoint OMF_HTTP
SET search_path = public, databases;
SET timezone = 'UTC';
\! simctl migration 00000000-0000-4000-8000-000000000001 running id-1 >/dev/null
CREATE SERVER report FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'endpoint', max_retries '0', on_error 'report');
CREATE USER MAPPING FOR CURRENT_USER SERVER report OPTIONS (token 'dop_v1_simulator');
CREATE FOREIGN TABLE report (database_cluster_uuid uuid, id text, created_at timestamptz, status text, error text)
    SERVER report OPTIONS (resource 'online_migrations');
CREATE VIEW rows AS SELECT database_cluster_uuid AS cluster, id, status,
    regexp_replace(error, 'Request ID: [^ .]+\.', 'Request ID: (id).') AS error FROM report;
PREPARE look AS SELECT * FROM rows WHERE cluster = ANY ($1) ORDER BY cluster;

-- A row for each but those that the API does not know, and one warning.
EXECUTE look('{00000000-0000-4000-8000-000000000001, 00000000-0000-4000-8000-0000000000ff,
    0badc0de-0000-4000-8000-000000000500, 0badc0de-0000-4000-8000-000000000422,
    0badc0de-0000-4000-8000-000000000502, 0badc0de-0000-4000-8000-000000000409}');
EXECUTE look('{0badc0de-0000-4000-8000-000000000500}');
EXECUTE look('{00000000-0000-4000-8000-000000000001}');

-- Answers that make no sense, too.
SELECT count(*), count(status) AS statuses, count(error) AS errors FROM report
WHERE database_cluster_uuid IN (SELECT ('0badc0de-0001-4000-8000-0000000000' || to_char(n, 'FM00'))::uuid FROM generate_series(20, 23) n);

-- What concerns all that is asked with the token always fails.
SELECT s, f.state, f.message FROM unnest('{401,403}'::int[]) s,
    failure(format('EXECUTE look(''{00000000-0000-4000-8000-000000000001,0badc0de-0000-4000-8000-000000000%s}'')', s)) f;
\! simctl token dop_v1_report429 account=dop_v1_simulator >/dev/null
ALTER USER MAPPING FOR CURRENT_USER SERVER report OPTIONS (SET token 'dop_v1_report429');
SELECT f.state, f.message FROM failure('EXECUTE look(''{0badc0de-0000-4000-8000-000000000429}'')') f;
ALTER USER MAPPING FOR CURRENT_USER SERVER report OPTIONS (SET token 'dop_v1_unknown');
SELECT f.state, f.message FROM failure('SELECT * FROM rows') f;
ALTER USER MAPPING FOR CURRENT_USER SERVER report OPTIONS (SET token 'dop_v1_simulator');

-- A failure is an answer, not the lack of one: joins keep it, and only a
-- 404 is no row.
CREATE TABLE jobs (cluster uuid PRIMARY KEY, name text);
INSERT INTO jobs VALUES ('00000000-0000-4000-8000-000000000001', 'good'),
    ('00000000-0000-4000-8000-0000000000ff', 'unknown'), ('0badc0de-0000-4000-8000-000000000500', 'failing');
SELECT j.name, r.status, r.error IS NOT NULL AS failed FROM jobs j LEFT JOIN LATERAL
    (SELECT * FROM report WHERE database_cluster_uuid = j.cluster OFFSET 0) r ON true ORDER BY name;
SELECT name FROM jobs j WHERE NOT EXISTS (SELECT FROM report r WHERE r.database_cluster_uuid = j.cluster OFFSET 0);
SELECT count(*) FROM report a JOIN report b USING (database_cluster_uuid)
WHERE a.database_cluster_uuid IN ('0badc0de-0000-4000-8000-000000000500', '00000000-0000-4000-8000-000000000001');

-- A cursor says so when it is closed.
BEGIN;
DECLARE c CURSOR FOR SELECT status FROM report WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000500';
FETCH c;
CLOSE c;
COMMIT;

-- The column need not be read, but it must be there where the table asks for
-- it; a server's word is for those tables that have it.
SELECT status FROM report WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000500';
CREATE FOREIGN TABLE without (database_cluster_uuid uuid, status text) SERVER report;
SELECT state, message FROM failure($$SELECT * FROM without WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000500'$$);
ALTER FOREIGN TABLE without OPTIONS (ADD on_error 'report');
SELECT * FROM without WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000500';
\echo :SQLSTATE
ALTER FOREIGN TABLE without ADD COLUMN why text OPTIONS (column_name 'error');
SELECT status, why IS NOT NULL AS failed FROM without WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000500';
-- Prepared statements follow the options.
PREPARE one AS SELECT status FROM without WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000500';
EXECUTE one;
ALTER FOREIGN TABLE without OPTIONS (SET on_error 'fail');
SELECT state, message FROM failure('EXECUTE one');
ALTER FOREIGN TABLE without OPTIONS (DROP on_error);
EXECUTE one;
ALTER SERVER report OPTIONS (SET on_error 'fail');
SELECT state, message FROM failure('EXECUTE one');
-- With fail, the column is there and NULL.
SELECT status, why FROM without WHERE database_cluster_uuid = '00000000-0000-4000-8000-000000000001';
ALTER SERVER report OPTIONS (SET on_error 'ignore');
ALTER FOREIGN TABLE without OPTIONS (ADD on_error '');

-- The column server: one partition for each account.
\! simctl populate seed=9 count=3 token=dop_v1_second status=done >/dev/null
CREATE SERVER team_b FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint :'endpoint', max_retries '0');
CREATE USER MAPPING FOR CURRENT_USER SERVER team_b OPTIONS (token 'dop_v1_second');
CREATE TABLE teams (server text, database_cluster_uuid uuid, status text) PARTITION BY LIST (server);
CREATE FOREIGN TABLE team_a PARTITION OF teams FOR VALUES IN ('report') SERVER report;
CREATE FOREIGN TABLE team_b PARTITION OF teams FOR VALUES IN ('team_b') SERVER team_b;
SELECT server, count(*) FROM teams GROUP BY server ORDER BY server;
\! simctl log --clear >/dev/null
SELECT count(*) FROM teams WHERE server = 'team_b';
\! simctl log --sort
EXPLAIN (COSTS OFF) SELECT * FROM teams;
EXPLAIN (COSTS OFF) SELECT * FROM teams WHERE server = 'team_b';
SELECT server, status FROM teams WHERE database_cluster_uuid = '00000000-0000-4000-8000-000000000001';

DROP TABLE teams, jobs;
DROP SERVER team_b, report CASCADE;
