/* online_migrations_fdw--0.1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION online_migrations_fdw" to load this file. \quit

CREATE FUNCTION online_migrations_fdw_handler()
RETURNS fdw_handler
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

COMMENT ON FUNCTION online_migrations_fdw_handler() IS
'handler of the foreign data wrapper online_migrations_fdw';

CREATE FUNCTION online_migrations_fdw_validator(options text[], catalog oid)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C STRICT;

COMMENT ON FUNCTION online_migrations_fdw_validator(text[], oid) IS
'checks the options of servers, user mappings, foreign tables and columns of online_migrations_fdw';

CREATE FOREIGN DATA WRAPPER online_migrations_fdw
  HANDLER online_migrations_fdw_handler
  VALIDATOR online_migrations_fdw_validator;

COMMENT ON FOREIGN DATA WRAPPER online_migrations_fdw IS
'DigitalOcean API: online migrations of managed databases';

CREATE FUNCTION databases_update_online_migration(
    database_cluster_uuid uuid,
    source jsonb DEFAULT NULL,
    disable_ssl boolean DEFAULT false,
    ignore_dbs text[] DEFAULT '{}',
    replace boolean DEFAULT false,
    source_server text DEFAULT NULL,
    server text DEFAULT NULL,
    on_error text DEFAULT 'fail')
RETURNS TABLE (id text, created_at timestamptz, status text, error text, outcome text)
AS 'MODULE_PATHNAME', 'omf_update_online_migration'
LANGUAGE C VOLATILE PARALLEL UNSAFE
ROWS 1;

COMMENT ON FUNCTION databases_update_online_migration(uuid, jsonb, boolean, text[], boolean, text, text, text) IS
'starts an online migration into a database cluster (PUT /v2/databases/{database_cluster_uuid}/online-migration); ROLLBACK does not undo it';

CREATE FUNCTION databases_check_online_migration(
    database_cluster_uuid uuid,
    source jsonb DEFAULT NULL,
    ignore_dbs text[] DEFAULT '{}',
    source_server text DEFAULT NULL,
    server text DEFAULT NULL,
    disable_ssl boolean DEFAULT false)
RETURNS TABLE ("check" text, result text, detail text, hint text)
AS 'MODULE_PATHNAME', 'omf_check_online_migration'
LANGUAGE C VOLATILE PARALLEL UNSAFE
ROWS 30;

COMMENT ON FUNCTION databases_check_online_migration(uuid, jsonb, text[], text, text, boolean) IS
'looks whether an online migration into a database cluster could work, by asking the API and the source; changes nothing';

CREATE FUNCTION databases_delete_online_migration(
    database_cluster_uuid uuid,
    migration_id text,
    missing_ok boolean DEFAULT false,
    server text DEFAULT NULL,
    on_error text DEFAULT 'fail')
RETURNS boolean
AS 'MODULE_PATHNAME', 'omf_delete_online_migration'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION databases_delete_online_migration(uuid, text, boolean, text, text) IS
'stops an online migration (DELETE /v2/databases/{database_cluster_uuid}/online-migration/{migration_id}); ROLLBACK does not undo it';

CREATE PROCEDURE databases_wait_online_migration(
    database_cluster_uuid uuid,
    migration_id text DEFAULT NULL,
    until text[] DEFAULT '{syncing,done}',
    timeout interval DEFAULT NULL,
    poll_interval interval DEFAULT '10 s',
    server text DEFAULT NULL)
AS 'MODULE_PATHNAME', 'omf_wait_online_migration'
LANGUAGE C;

COMMENT ON PROCEDURE databases_wait_online_migration(uuid, text, text[], interval, interval, text) IS
'waits until an online migration has one of the given statuses (GET /v2/databases/{database_cluster_uuid}/online-migration); commits before each pause';

CREATE PROCEDURE databases_wait_online_migrations(
    database_cluster_uuids uuid[],
    migration_ids text[] DEFAULT NULL,
    until text[] DEFAULT '{syncing,done}',
    timeout interval DEFAULT NULL,
    poll_interval interval DEFAULT NULL,
    fail_fast boolean DEFAULT false,
    server text DEFAULT NULL)
AS 'MODULE_PATHNAME', 'omf_wait_online_migrations'
LANGUAGE C;

COMMENT ON PROCEDURE databases_wait_online_migrations(uuid[], text[], text[], interval, interval, boolean, text) IS
'waits until the online migrations of several database clusters have one of the given statuses; commits before each pause';

REVOKE ALL ON PROCEDURE databases_wait_online_migrations(uuid[], text[], text[], interval, interval, boolean, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION databases_update_online_migration(uuid, jsonb, boolean, text[], boolean, text, text, text) FROM PUBLIC;
REVOKE ALL ON FUNCTION databases_check_online_migration(uuid, jsonb, text[], text, text, boolean) FROM PUBLIC;
REVOKE ALL ON FUNCTION databases_delete_online_migration(uuid, text, boolean, text, text) FROM PUBLIC;
REVOKE ALL ON PROCEDURE databases_wait_online_migration(uuid, text, text[], interval, interval, text) FROM PUBLIC;

CREATE FUNCTION online_migrations_fdw_check(server text DEFAULT NULL)
RETURNS TABLE ("check" text, result text, detail text, hint text)
AS 'MODULE_PATHNAME', 'omf_self_check'
LANGUAGE C VOLATILE PARALLEL UNSAFE
ROWS 10;

COMMENT ON FUNCTION online_migrations_fdw_check(text) IS
'looks whether all is well: versions, libcurl, shared memory, token, API, clock, rate limit';

CREATE FUNCTION online_migrations_fdw_rate_limits()
RETURNS TABLE (server text, "limit" bigint, remaining bigint,
    resets_at timestamptz, observed_at timestamptz, held_until timestamptz)
AS 'MODULE_PATHNAME', 'omf_rate_limits'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION online_migrations_fdw_rate_limits() IS
'what is known of the rate limits of the API tokens of the current user';

CREATE VIEW online_migrations_fdw_rate_limits AS
SELECT * FROM online_migrations_fdw_rate_limits();

COMMENT ON VIEW online_migrations_fdw_rate_limits IS
'what is known of the rate limits of the API tokens of the current user';

GRANT SELECT ON online_migrations_fdw_rate_limits TO PUBLIC;

CREATE FUNCTION online_migrations_fdw_connections()
RETURNS TABLE (server text, role text, protocol text, connections integer,
    in_flight integer, idle_since timestamptz, used_in_xact boolean,
    valid boolean)
AS 'MODULE_PATHNAME', 'omf_connections'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION online_migrations_fdw_connections() IS
'the connections to the API that this session keeps open';

CREATE VIEW online_migrations_fdw_connections AS
SELECT * FROM online_migrations_fdw_connections();

COMMENT ON VIEW online_migrations_fdw_connections IS
'the connections to the API that this session keeps open';

GRANT SELECT ON online_migrations_fdw_connections TO PUBLIC;

CREATE FUNCTION online_migrations_fdw_disconnect(server text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'omf_disconnect'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION online_migrations_fdw_disconnect(text) IS
'closes the connections of this session to a foreign server; true if there were some';

CREATE FUNCTION online_migrations_fdw_disconnect_all()
RETURNS boolean
AS 'MODULE_PATHNAME', 'omf_disconnect_all'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION online_migrations_fdw_disconnect_all() IS
'closes the connections of this session to all foreign servers; true if there were some';

CREATE FUNCTION online_migrations_fdw_rate_limits_reset(server text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'omf_rate_limits_reset'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION online_migrations_fdw_rate_limits_reset(text) IS
'forgets what is known of the rate limits of the API tokens of the current user, and what holds requests back';

CREATE FUNCTION online_migrations_fdw_stats()
RETURNS TABLE (server text, operation text, requests bigint, retries bigint,
    answers_2xx bigint, answers_404 bigint, answers_401_403 bigint,
    answers_429 bigint, answers_4xx bigint, answers_5xx bigint,
    lost bigint, unreachable bigint, timed_out bigint,
    cache_hits bigint, bytes_received bigint, connections bigint,
    total_ms double precision, mean_ms double precision,
    min_ms double precision, max_ms double precision,
    latency_histogram bigint[], last_failure timestamptz,
    last_failure_sqlstate text, last_failure_id text, stats_reset timestamptz)
AS 'MODULE_PATHNAME', 'omf_stats'
LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED;

COMMENT ON FUNCTION online_migrations_fdw_stats() IS
'what the API was asked, by server and operation, and how it answered';

CREATE VIEW online_migrations_fdw_stats AS
SELECT * FROM online_migrations_fdw_stats();

COMMENT ON VIEW online_migrations_fdw_stats IS
'what the API was asked, by server and operation, and how it answered';

GRANT SELECT ON online_migrations_fdw_stats TO PUBLIC;

CREATE FUNCTION online_migrations_fdw_stats_reset(server text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'omf_stats_reset_server'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION online_migrations_fdw_stats_reset(text) IS
'begins to count online_migrations_fdw_stats anew, of one server or of all in this database';

REVOKE ALL ON FUNCTION online_migrations_fdw_stats_reset(text) FROM PUBLIC;
