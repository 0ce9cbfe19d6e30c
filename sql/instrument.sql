-- EXPLAIN (ANALYZE) tells of each node's requests: how many, what they came
-- to, how long they took, what they waited for, and over what they went.
\! simctl reset >/dev/null
\! simctl token dop_v1_measured1 >/dev/null
\! simctl populate seed=13 count=4 token=dop_v1_measured1 >/dev/null
\! simctl cluster 0000000d-0000-4000-8000-000000000005 token=dop_v1_measured1 engine=pg >/dev/null
\getenv endpoint OMF_HTTPS
\getenv ca_file OMF_CA_FILE
CREATE SCHEMA instrumented;
SET search_path = instrumented, databases;
CREATE SERVER instrumented FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint :'endpoint', ca_file :'ca_file', max_retries '1');
CREATE USER MAPPING FOR CURRENT_USER SERVER instrumented OPTIONS (token 'dop_v1_measured1');
IMPORT FOREIGN SCHEMA databases FROM SERVER instrumented INTO instrumented;
CREATE FUNCTION key(i integer) RETURNS uuid IMMUTABLE LANGUAGE sql
RETURN ('0000000d-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid;
CREATE TABLE keys AS SELECT i, key(i) AS k FROM generate_series(1, 6) i;
ANALYZE keys;

-- Lines of ours.  What differs from run to run is only a sort of number: 0, n
-- below 400, of bytes below 100, and N.
CREATE FUNCTION told(query text, options text DEFAULT '') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE document text; line text;
BEGIN
    FOR document IN EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, SUMMARY OFF, BUFFERS OFF%s) %s', options, query) LOOP
        FOREACH line IN ARRAY string_to_array(document, E'\n') LOOP
            CONTINUE WHEN line !~ 'Remote|Batches' OR line ~ 'Remote (Keys|Request:|Request"|Listing)';
            line := regexp_replace(line, '(bytes|Received"?)(=|: )[1-9][0-9]{2,}', '\1\2N', 'g');
            line := regexp_replace(line, '(first|median|slowest|bytes|in_flight|Time"?|Received"?|Flight"?)(=|: )(0\.[0-9]|([1-9][0-9]?|[1-3][0-9]{2})(\.[0-9])?)(?![0-9.])', '\1\2n', 'g');
            line := regexp_replace(line, '(first|median|slowest|retry|rate_limit|Time"?)(=|: )([4-9][0-9]{2}|[1-9][0-9]{3,})(\.[0-9])?', '\1\2N', 'g');
            RETURN NEXT regexp_replace(trim(line), 'localhost:\d+', '(host)');
        END LOOP;
    END LOOP;
END $$;
\pset tuples_only on
\pset format unaligned
\! simctl config latency_ms=500 >/dev/null
-- Found, not found (a cluster without a migration, and none), failed; the first one opens a connection.
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid IN (key(1), key(2), key(5), key(6))');
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid IN (key(1), key(2), key(5), key(6))');
-- What differs from run to run is left out with TIMING OFF.
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid IN (key(1), key(5))', ', TIMING OFF');
-- Nothing that was not asked.
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid = NULL');
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid = ANY (''{}'')');
-- Pages of a listing; they count once, where two nodes share them.
SELECT told('SELECT * FROM online_migrations');
SELECT told('SELECT count(*) FROM clusters a, online_migrations b, clusters c', ', TIMING OFF');
-- A batched join: the requests are those of the node that reads ahead.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT told('SELECT i, status FROM keys JOIN online_migrations ON database_cluster_uuid = k WHERE i > 2');
RESET enable_hashjoin;
RESET enable_mergejoin;
-- Below an asynchronous Append.
SELECT told('SELECT id FROM online_migrations WHERE database_cluster_uuid = key(1) UNION ALL SELECT id FROM online_migrations WHERE database_cluster_uuid = key(2)');
-- A retry, and the pause before it.
\! simctl config latency_ms=0 >/dev/null
\! simctl fault status status=503 'retry_after= 1' uuid=0000000d-0000-4000-8000-000000000003 times=1 >/dev/null
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid = key(3)');
\! simctl fault status status=429 'retry_after= 1' uuid=0000000d-0000-4000-8000-000000000003 times=1 >/dev/null
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid = key(3)');
-- A failure that is shown in a row.
ALTER FOREIGN TABLE online_migrations ADD COLUMN error text;
ALTER FOREIGN TABLE online_migrations OPTIONS (ADD on_error 'report');
\! simctl fault status status=422 uuid=0000000d-0000-4000-8000-000000000003 >/dev/null
SET client_min_messages = error;
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid IN (key(3), key(4))', ', TIMING OFF');
RESET client_min_messages;
\! simctl nofaults >/dev/null
-- The structured formats have a property for each number.
\! simctl config latency_ms=500 >/dev/null
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid IN (key(1), key(5))', ', FORMAT yaml');
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid IN (key(1), key(5))', ', FORMAT json, TIMING OFF');

\! simctl config latency_ms=0 >/dev/null
-- VERBOSE tells where the requests went, and the settings in force; no token.
ALTER SERVER instrumented OPTIONS (ADD request_timeout '5s', ADD max_concurrency '7', SET max_retries '3', ADD rate_limit_reserve '20');
SELECT told('SELECT * FROM online_migrations WHERE database_cluster_uuid = key(1)', ', VERBOSE, TIMING OFF');
SELECT bool_or(told ~ 'dop_v1') AS token FROM told('SELECT * FROM online_migrations WHERE database_cluster_uuid = key(1)', ', VERBOSE');
-- Plain HTTP is HTTP/1.1.
\getenv endpoint OMF_HTTP
ALTER SERVER instrumented OPTIONS (SET endpoint :'endpoint');
SELECT bool_or(told ~ 'protocol=HTTP/1.1 connections=1') AS http1 FROM told('SELECT * FROM online_migrations WHERE database_cluster_uuid = key(1)');

\! simctl reset >/dev/null
SET client_min_messages = warning;
DROP SCHEMA instrumented CASCADE;
DROP SERVER instrumented CASCADE;
