-- What the API was asked, and how it answered: counted for all backends.
-- (Here each session counts for itself before PostgreSQL 17; t/031_statistics
-- has what backends share.)
\! simctl reset >/dev/null
\! simctl populate count=5 engine=pg status=running >/dev/null
\! simctl cluster 00000000-0000-4000-8000-0000000000aa engine=pg >/dev/null
SET search_path = databases, public;
SELECT online_migrations_fdw_stats_reset();
CREATE VIEW asked AS
SELECT operation, requests AS req, retries AS retr, answers_2xx AS "2xx", answers_404 AS "404",
       answers_401_403 AS "401/3", answers_429 AS "429", answers_4xx AS "4xx", answers_5xx AS "5xx",
       lost, unreachable AS unre, timed_out AS late
FROM online_migrations_fdw_stats WHERE server = 'digitalocean' AND requests > 0;

-- Each call of the API is a row of its own.
SELECT count(*) FROM clusters;
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-0000000000aa';
SELECT count(*) FROM clusters WHERE id = '00000000-0000-4000-8000-0000000000aa';
SELECT id AS migration FROM databases_update_online_migration('00000000-0000-4000-8000-0000000000aa',
    '{"host": "src.example.com", "port": 5432}', replace => true) \gset
SELECT databases_delete_online_migration('00000000-0000-4000-8000-0000000000aa', :'migration');
SELECT * FROM asked;

-- What is received and how long it took is counted with it.
SELECT operation, bytes_received > 100 AS bytes, connections BETWEEN 0 AND 1 AS connections,
       total_ms >= mean_ms AND min_ms <= mean_ms AND mean_ms <= max_ms AND min_ms > 0 AS times,
       (SELECT sum(n) FROM unnest(latency_histogram) n) AS timed,
       cardinality(latency_histogram) AS buckets, cache_hits,
       last_failure, last_failure_sqlstate, last_failure_id,
       stats_reset BETWEEN now() - interval '1 min' AND now() AS reset
FROM online_migrations_fdw_stats ORDER BY array_position(
    ARRAY['get migration', 'list clusters', 'get cluster', 'start', 'stop'], operation);

-- Answers by class; a failure leaves its SQLSTATE and the API's word for it.
CREATE FUNCTION ask(fault text) RETURNS TABLE (fault_is text, sqlstate text, class text, last_sqlstate text, last_id text)
LANGUAGE plpgsql AS $$
DECLARE state text := '00000';
BEGIN
    PERFORM online_migrations_fdw_disconnect('digitalocean');
    PERFORM online_migrations_fdw_stats_reset('digitalocean');
    BEGIN
        PERFORM FROM online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-0000000000aa';
    EXCEPTION WHEN OTHERS THEN state := SQLSTATE;
    END;
    RETURN QUERY SELECT fault, state, substring(row_to_json(s)::text FROM
            '"((?:answers_[0-9x_]+|lost|unreachable|timed_out))":1,'),
            s.last_failure_sqlstate, s.last_failure_id
        FROM online_migrations_fdw_stats s WHERE operation = 'get migration' AND s.server = 'digitalocean';
END $$;
\! simctl fault status status=401 times=1 >/dev/null
SELECT * FROM ask('401');
\! simctl fault status status=403 times=1 >/dev/null
SELECT * FROM ask('403');
\! simctl fault status status=429 times=1 >/dev/null
SELECT * FROM ask('429');
SELECT online_migrations_fdw_rate_limits_reset();
\! simctl fault status status=422 times=1 >/dev/null
SELECT * FROM ask('422');
\! simctl fault redirect status=302 times=1 >/dev/null
SELECT * FROM ask('302');
\! simctl fault status status=503 times=1 >/dev/null
SELECT * FROM ask('503');
\! simctl fault close_in_body times=1 >/dev/null
SELECT * FROM ask('close_in_body');
\! simctl fault not_json times=1 >/dev/null
SELECT * FROM ask('not_json');
ALTER SERVER digitalocean OPTIONS (ADD request_timeout '1s');
\! simctl fault hang times=1 >/dev/null
SELECT * FROM ask('hang');
ALTER SERVER digitalocean OPTIONS (DROP request_timeout);
\getenv endpoint OMF_HTTP
ALTER SERVER digitalocean OPTIONS (SET endpoint 'http://127.0.0.1:1');
SELECT * FROM ask('nobody there');
ALTER SERVER digitalocean OPTIONS (SET endpoint :'endpoint');

-- A retry is a request of its own; what it met first is counted, too.
ALTER SERVER digitalocean OPTIONS (SET max_retries '2');
SELECT online_migrations_fdw_stats_reset('digitalocean');
\! simctl fault status status=503 times=1 >/dev/null
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-0000000000aa';
SELECT * FROM asked;
SELECT last_failure FROM online_migrations_fdw_stats WHERE requests > 0;
ALTER SERVER digitalocean OPTIONS (SET max_retries '0');

-- Who may not use the server sees nothing of it, monitors apart; and only the
-- owner resets, or who was granted it.
CREATE ROLE stranger;
CREATE ROLE user_of_it;
CREATE ROLE monitor IN ROLE pg_read_all_stats;
GRANT USAGE ON SCHEMA databases TO stranger, user_of_it, monitor;
GRANT USAGE ON FOREIGN SERVER digitalocean TO user_of_it;
SET ROLE stranger;
SELECT count(*) FROM online_migrations_fdw_stats;
SELECT online_migrations_fdw_stats_reset();
SET ROLE user_of_it;
SELECT DISTINCT server FROM online_migrations_fdw_stats;
SET ROLE monitor;
SELECT DISTINCT server FROM online_migrations_fdw_stats;
RESET ROLE;
SELECT online_migrations_fdw_stats_reset('nowhere');

-- A reset is of the server that is named, or of all.
SELECT online_migrations_fdw_stats_reset('digitalocean');
SELECT count(*) FROM asked;

DROP FUNCTION ask;
DROP VIEW asked;
REVOKE USAGE ON FOREIGN SERVER digitalocean FROM user_of_it;
REVOKE USAGE ON SCHEMA databases FROM stranger, user_of_it, monitor;
DROP ROLE stranger, user_of_it, monitor;
