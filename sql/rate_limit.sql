-- The rate limit of a token: what its answers say is gone by, and shown.
\! simctl reset >/dev/null
\! simctl token dop_v1_limited account=dop_v1_simulator limit=5 window_seconds=3600 enforce=true >/dev/null
\getenv endpoint OMF_HTTP
SET search_path = public, databases;
SET timezone = 'UTC';
CREATE SERVER limited FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint :'endpoint', max_retry_wait '5s');
CREATE USER MAPPING FOR CURRENT_USER SERVER limited OPTIONS (token 'dop_v1_limited');
CREATE FOREIGN TABLE limited (database_cluster_uuid uuid, id text, status text)
    SERVER limited OPTIONS (resource 'online_migrations');
CREATE VIEW one AS SELECT count(*) FROM limited WHERE database_cluster_uuid = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
CREATE VIEW limits AS
    SELECT server, "limit", remaining,
        resets_at - now() BETWEEN '59 min' AND '61 min' AS resets_in_an_hour,
        now() - observed_at < '1 min' AS just_observed, held_until
    FROM online_migrations_fdw_rate_limits WHERE server = 'limited';

-- Nothing is known before the first answer.
SELECT count(*) FROM limits;
SELECT * FROM one;
SELECT * FROM limits;
SELECT * FROM one; SELECT * FROM one; SELECT * FROM one; SELECT * FROM one;
SELECT remaining FROM limits;

-- The sixth request would get a 429, and is not sent: it would have to wait
-- for an hour.
\! simctl log --clear
\x on
SELECT * FROM failure('SELECT * FROM one');
SELECT * FROM failure($$SELECT databases_delete_online_migration('9cc10173-e9ea-4176-9dbc-a4cee4c4ff30', 'x', server => 'limited')$$);
SELECT * FROM failure($$SELECT databases_update_online_migration('9cc10173-e9ea-4176-9dbc-a4cee4c4ff30', '{"host":"h","port":1}', server => 'limited')$$);
\x off
\! simctl log

-- Another token has a limit of its own.
\! simctl token dop_v1_spared account=dop_v1_simulator limit=5 window_seconds=3600 enforce=true >/dev/null
ALTER USER MAPPING FOR CURRENT_USER SERVER limited OPTIONS (SET token 'dop_v1_spared');
SELECT * FROM one;
SELECT remaining FROM limits;

-- The same token at another endpoint, too.
\set elsewhere :endpoint '/elsewhere'
CREATE SERVER elsewhere FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint :'elsewhere');
CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere OPTIONS (token 'dop_v1_spared');
SELECT count(*) FROM online_migrations_fdw_rate_limits WHERE server = 'elsewhere';
DROP SERVER elsewhere CASCADE;

-- What scans leave to others: start and stop may use it.
ALTER SERVER limited OPTIONS (ADD rate_limit_reserve '3');
SELECT * FROM one;
SELECT remaining FROM limits;
SELECT state, message FROM failure('SELECT * FROM one');
SELECT databases_delete_online_migration('9cc10173-e9ea-4176-9dbc-a4cee4c4ff30', 'x', missing_ok => true, server => 'limited');
SELECT remaining FROM limits;
ALTER SERVER limited OPTIONS (SET rate_limit_reserve '5');
\x on
SELECT * FROM failure('SELECT * FROM one');
\x off
ALTER SERVER limited OPTIONS (SET rate_limit_reserve '-1');
ALTER SERVER limited OPTIONS (SET rate_limit_reserve '5001');
ALTER SERVER limited OPTIONS (DROP rate_limit_reserve);

-- A 429 holds back what comes after it, too: in each of the three calls.
ALTER SERVER limited OPTIONS (ADD max_retries '0');
CREATE FUNCTION meet_429(query text, token text) RETURNS TABLE (state text, message text, detail text, hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER USER MAPPING FOR CURRENT_USER SERVER limited OPTIONS (SET token %L)', token);
    RETURN QUERY SELECT * FROM failure(query);
END $$;
\! simctl token dop_v1_get429 >/dev/null; simctl token dop_v1_put429 >/dev/null; simctl token dop_v1_del429 >/dev/null
\x on
SELECT * FROM meet_429($$SELECT * FROM limited WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000429'$$, 'dop_v1_get429');
SELECT * FROM failure('SELECT * FROM one');
SELECT "limit", remaining, held_until - now() BETWEEN '27 s' AND '30 s' AS held FROM online_migrations_fdw_rate_limits WHERE server = 'limited';
SELECT * FROM meet_429($$SELECT databases_update_online_migration('0badc0de-0000-4000-8000-000000000429', '{"host":"h","port":1}', replace => true, server => 'limited')$$, 'dop_v1_put429');
SELECT * FROM meet_429($$SELECT databases_delete_online_migration('0badc0de-0000-4000-8000-000000000429', 'x', server => 'limited')$$, 'dop_v1_del429');
\x off

-- The view shows the servers that its reader may use, with a token of theirs.
CREATE ROLE omf_limits_reader;
GRANT USAGE ON SCHEMA databases TO omf_limits_reader;
SET ROLE omf_limits_reader;
SELECT * FROM online_migrations_fdw_rate_limits;
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER limited TO omf_limits_reader;
SET ROLE omf_limits_reader;
SELECT * FROM online_migrations_fdw_rate_limits;
RESET ROLE;
CREATE USER MAPPING FOR omf_limits_reader SERVER limited OPTIONS (token 'dop_v1_spared');
SET ROLE omf_limits_reader;
SELECT server, "limit" FROM online_migrations_fdw_rate_limits;
RESET ROLE;
DROP USER MAPPING FOR omf_limits_reader SERVER limited;

-- However many tokens a role has, others keep what is known of theirs.
ALTER USER MAPPING FOR CURRENT_USER SERVER limited OPTIONS (SET token 'dop_v1_spared');
SELECT "limit" FROM limits;
CREATE USER MAPPING FOR omf_limits_reader SERVER limited OPTIONS (token 'dop_v1_many');
GRANT SELECT ON limited TO omf_limits_reader;
DO $$
BEGIN
    FOR i IN 1 .. 300 LOOP
        EXECUTE format('ALTER USER MAPPING FOR omf_limits_reader SERVER limited OPTIONS (SET token %L)', 'dop_v1_many' || i);
        SET LOCAL ROLE omf_limits_reader;
        BEGIN
            PERFORM FROM limited WHERE database_cluster_uuid = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
        EXCEPTION WHEN invalid_authorization_specification THEN
            NULL;
        END;
        RESET ROLE;
    END LOOP;
END $$;
SELECT "limit" FROM limits;

-- Who forgets a limit keeps no connection.
SELECT online_migrations_fdw_rate_limits_reset('limited');
SELECT count(*) FROM limits;
SELECT online_migrations_fdw_disconnect('limited');
REVOKE ALL ON limited FROM omf_limits_reader;
DROP USER MAPPING FOR omf_limits_reader SERVER limited;
REVOKE ALL ON FOREIGN SERVER limited FROM omf_limits_reader;
REVOKE ALL ON SCHEMA databases FROM omf_limits_reader;
DROP ROLE omf_limits_reader;
DROP VIEW limits;
DROP FUNCTION meet_429;
DROP SERVER limited CASCADE;
