-- Many starts in one statement: on_error => 'report' makes a failure a row, so
-- that the others are started, and what concerns all still fails the statement.
\! simctl reset >/dev/null
\! for n in 1 2 3 4 5 6 7 8 9; do simctl cluster 00000000-0000-4000-8000-00000000000$n engine=pg running_ms=600000 >/dev/null; done
\! simctl migration 00000000-0000-4000-8000-000000000003 syncing some-id 2026-01-02T03:04:05Z >/dev/null
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000002 status=422 >/dev/null
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000004 status=500 >/dev/null
\! simctl fault status method=GET uuid=00000000-0000-4000-8000-000000000005 status=400 >/dev/null
\! simctl fault bad_timestamp method=PUT uuid=00000000-0000-4000-8000-000000000006 >/dev/null
SET search_path = databases, public;
\set SHOW_CONTEXT never
\set VERBOSITY default
CREATE TABLE public.plan (n int, source jsonb, ignore_dbs text[] DEFAULT '{}');
INSERT INTO public.plan SELECT n, '{"host": "src.example.com", "port": 1, "password": "s3cr3t-plan"}' FROM generate_series(1, 6) n;
INSERT INTO public.plan (n, source) VALUES (7, '{"host": "src.example.com", "password": "s3cr3t-plan"}'), (8, NULL);
INSERT INTO public.plan VALUES (9, '{"host": "h", "port": 1}', '{NULL}');
CREATE FUNCTION public.cluster(n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid $$;
CREATE FUNCTION public.plain(text) RETURNS text LANGUAGE sql IMMUTABLE AS
$$ SELECT regexp_replace(regexp_replace($1, 'Request ID: \S+', 'Request ID: (id)'), 'Sent at .*?\. ', 'Sent at (time). ') $$;

-- Each row says what has become of its start.
SELECT p.n, s.status, s.outcome, s.id IS NOT NULL AS has_id, plain(s.error) AS error
FROM public.plan p CROSS JOIN LATERAL databases_update_online_migration(public.cluster(p.n), p.source,
     ignore_dbs => p.ignore_dbs, on_error => 'report') s
ORDER BY p.n;
\! simctl log --clear | sort

-- The outcome is there without on_error, too.
SELECT status, outcome, error FROM databases_update_online_migration(public.cluster(8), '{"host": "h", "port": 1}');
-- NULL arguments are bad ones.
SELECT outcome, error FROM databases_update_online_migration(NULL, '{"host": "h", "port": 1}', on_error => 'report');
SELECT outcome, error FROM databases_update_online_migration(public.cluster(9), source_server => 'nowhere', on_error => 'report');
-- Columns of one call are one start, and one failure that may have started is one as well.
\! simctl log --clear >/dev/null
SELECT (s).outcome AS one, (s).error IS NULL AS fine
FROM (SELECT databases_update_online_migration(public.cluster(9), '{"host": "h", "port": 1}', on_error => 'report') AS s OFFSET 0) t;
SELECT (databases_update_online_migration(public.cluster(4), '{"host": "h", "port": 1}', replace => true, on_error => 'report')).outcome;
SELECT x.outcome, y.outcome FROM databases_update_online_migration(public.cluster(4), '{"host": "h", "port": 2}', replace => true, on_error => 'report') x,
    databases_update_online_migration(public.cluster(4), '{"host": "h", "port": 2}', replace => true, on_error => 'report') y;
\! simctl log --clear

-- So is one that was refused, by the API or by the guard before it: the row of the first evaluation is that of all.
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000008 status=409 times=1 >/dev/null
SELECT id, status, outcome, error LIKE '%409%' AS refused FROM
    (SELECT (databases_update_online_migration(public.cluster(8), (SELECT '{"host": "h", "port": 3}'::jsonb), replace => true, on_error => 'report')).*) s;
SELECT status, outcome, left(error, 5) AS error FROM
    (SELECT (databases_update_online_migration(public.cluster(3), (SELECT '{"host": "h", "port": 3}'::jsonb), on_error => 'report')).*) s;
\! simctl log --clear
-- It is no start that another error of the transaction would name, and who wants an error gets one.
BEGIN;
\set VERBOSITY terse
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000008 status=409 times=3 >/dev/null
SELECT outcome FROM databases_update_online_migration(public.cluster(8), '{"host": "h", "port": 4}', replace => true, on_error => 'report');
SELECT x.outcome FROM databases_update_online_migration(public.cluster(8), '{"host": "h", "port": 4}', replace => true, on_error => 'report') x,
    databases_update_online_migration(public.cluster(8), '{"host": "h", "port": 4}', replace => true) y;
\echo :SQLSTATE
ROLLBACK;
\set VERBOSITY default
\! simctl log --clear
-- The next statement starts anew.
SELECT outcome FROM databases_update_online_migration(public.cluster(8), '{"host": "h", "port": 4}', replace => true, on_error => 'report');
\! simctl log --clear >/dev/null

-- on_error has two words.
SELECT * FROM databases_update_online_migration(public.cluster(9), on_error => 'reprot');
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(public.cluster(9), on_error => NULL);
\echo :SQLSTATE
SELECT databases_delete_online_migration(public.cluster(9), 'some-id', on_error => 'ignore');
\echo :SQLSTATE
\! simctl log --clear

-- What concerns all fails the statement, and names what it has started.
\! simctl reset >/dev/null
\! for n in 1 2 3 4; do simctl cluster 00000000-0000-4000-8000-00000000001$n engine=pg running_ms=600000 >/dev/null; done
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000013 status=401 >/dev/null
SELECT state, message, detail FROM public.failure($$ SELECT p.n, s.outcome FROM (SELECT * FROM public.plan ORDER BY n) p
CROSS JOIN LATERAL databases.databases_update_online_migration(public.cluster(10 + p.n), p.source, on_error => 'report') s $$);
-- A failure names what the transaction has started, and what a subtransaction has started before it was rolled back.
\! simctl reset >/dev/null
\! for n in 1 2 3 4; do simctl cluster 00000000-0000-4000-8000-00000000004$n engine=pg running_ms=600000 >/dev/null; done
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000043 status=401 >/dev/null
BEGIN;
SELECT outcome FROM databases_update_online_migration(public.cluster(41), '{"host": "h", "port": 1}');
SAVEPOINT s;
SELECT outcome FROM databases_update_online_migration(public.cluster(42), '{"host": "h", "port": 1}');
ROLLBACK TO s;
SELECT state, message, detail FROM public.failure($$ SELECT outcome FROM databases.databases_update_online_migration(public.cluster(43), '{"host": "h", "port": 1}') $$);
COMMIT;
-- The next one has started nothing yet.
\! simctl clear >/dev/null
SELECT state, message, detail FROM public.failure($$ SELECT outcome FROM databases.databases_update_online_migration(public.cluster(44), '{"host": "h", "port": 1}', server => 'nowhere') $$);
-- So does a failure without on_error.
\! simctl reset >/dev/null
\! for n in 1 2 3 4; do simctl cluster 00000000-0000-4000-8000-00000000002$n engine=pg running_ms=600000 >/dev/null; done
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000023 status=422 >/dev/null
SELECT state, message, detail FROM public.failure($$ SELECT p.n, s.outcome FROM (SELECT * FROM public.plan ORDER BY n) p
CROSS JOIN LATERAL databases.databases_update_online_migration(public.cluster(20 + p.n), p.source) s $$);
-- A caller that catches it goes on, with no subtransaction left over.
DO $$
DECLARE
    state text;
BEGIN
    FOR n IN 24 .. 24 LOOP
        BEGIN
            PERFORM databases.databases_update_online_migration(public.cluster(n), '{"host": "h", "port": 1}', on_error => 'report');
            PERFORM databases.databases_update_online_migration(public.cluster(n), '{"host": "h", "port": 1}', server => 'nowhere');
        EXCEPTION WHEN undefined_object THEN
            GET STACKED DIAGNOSTICS state = PG_EXCEPTION_CONTEXT;
            RAISE INFO '%', split_part(state, E'\n', 1);
        END;
    END LOOP;
END $$;
\! simctl log --clear >/dev/null

-- A stop that fails is NULL and a warning.
\set VERBOSITY terse
SELECT databases_delete_online_migration(public.cluster(24), 'no-such-id', on_error => 'report') IS NULL AS failed;
SELECT databases_delete_online_migration(public.cluster(24), '../..', on_error => 'report') IS NULL AS failed;
SELECT databases_delete_online_migration(public.cluster(24), id, on_error => 'report') FROM online_migrations WHERE database_cluster_uuid = public.cluster(24);
\! simctl fault status method=DELETE status=401 >/dev/null
SELECT databases_delete_online_migration(public.cluster(24), 'some-id', on_error => 'report');
\echo :SQLSTATE

\set VERBOSITY default

-- Every error of a start says what has become of it.
\! simctl reset >/dev/null
\! for n in 1 2 3 4; do simctl cluster 00000000-0000-4000-8000-00000000003$n engine=pg running_ms=600000 >/dev/null; done
\! simctl fault status method=GET uuid=00000000-0000-4000-8000-000000000031 status=400 >/dev/null
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000032 status=422 >/dev/null
\! simctl fault status method=PUT uuid=00000000-0000-4000-8000-000000000033 status=500 >/dev/null
CREATE FUNCTION public.became(n int, source jsonb, OUT state text, OUT message text, OUT became text) LANGUAGE plpgsql AS $$
BEGIN
    PERFORM databases.databases_update_online_migration(public.cluster(30 + n), source);
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT, became = PG_EXCEPTION_CONTEXT;
    became := split_part(became, E'\n', 1);
END $$;
SELECT n, b.* FROM generate_series(1, 3) n, public.became(n, '{"host": "h", "port": 1}') b;
SELECT b.* FROM public.became(4, '{"host": "h"}') b;
DROP FUNCTION public.became, public.plain;
DROP TABLE public.plan;
DROP FUNCTION public.cluster;
