-- The README's GRANT recipes: what a reader, an operator and an owner may do,
-- and what they may not.
\! simctl reset >/dev/null
-- (Its clusters are no other test's: a start is remembered.)
\! simctl cluster 00000000-0000-4000-8021-00000000000a engine=pg >/dev/null
\! simctl cluster 00000000-0000-4000-8021-00000000000b engine=pg >/dev/null
\! simctl migration 00000000-0000-4000-8021-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
\! simctl migration 00000000-0000-4000-8021-00000000000b done id-b 2020-10-28T15:21:36Z >/dev/null
-- Whatever is started runs on.
\! simctl config running_ms=600000 >/dev/null
\set a 00000000-0000-4000-8021-00000000000a
\set b 00000000-0000-4000-8021-00000000000b
\set SHOW_CONTEXT never
\getenv endpoint OMF_HTTP
SET timezone = 'UTC';

-- ----- a reader with a token of its own -----
CREATE ROLE omf_reader;
GRANT USAGE ON SCHEMA databases TO omf_reader;
GRANT SELECT ON databases.online_migrations, databases.clusters TO omf_reader;
CREATE USER MAPPING FOR omf_reader SERVER digitalocean OPTIONS (token 'dop_v1_readonly');
SET ROLE omf_reader;
SELECT id, status FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
SELECT engine FROM databases.clusters WHERE id = :'a';
-- Nothing else: neither function,
SELECT * FROM databases.databases_update_online_migration(:'b', '{"host": "src.example.com", "port": 25060}');
\echo :SQLSTATE
SELECT databases.databases_delete_online_migration(:'a', 'id-a');
\echo :SQLSTATE
-- nor its own token, to see or to change,
SELECT umoptions FROM pg_user_mappings WHERE srvname = 'digitalocean' AND usename = 'omf_reader';
ALTER USER MAPPING FOR omf_reader SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
\echo :SQLSTATE
-- nor the server.
ALTER SERVER digitalocean OPTIONS (SET endpoint 'https://api.example.com');
\echo :SQLSTATE
DELETE FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
RESET ROLE;

-- ----- a reader of a view: no token, and only these clusters -----
CREATE SCHEMA reports;
CREATE TABLE reports.projects (name text PRIMARY KEY, cluster uuid NOT NULL);
INSERT INTO reports.projects VALUES ('shop', :'a');
CREATE VIEW reports.migrations WITH (security_barrier) AS
    SELECT p.name, m.id, m.created_at, m.status
    FROM reports.projects p LEFT JOIN databases.online_migrations m
         ON m.database_cluster_uuid = p.cluster;
CREATE ROLE omf_viewer;
GRANT USAGE ON SCHEMA reports TO omf_viewer;
GRANT SELECT ON reports.migrations TO omf_viewer;
SET ROLE omf_viewer;
SELECT name, id, status FROM reports.migrations;
SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
SELECT databases.databases_delete_online_migration(:'a', 'id-a');
\echo :SQLSTATE
-- A token of its own would do nothing for it, and it may not have one.
CREATE USER MAPPING FOR omf_viewer SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
\echo :SQLSTATE
RESET ROLE;
-- With USAGE on the schema the table itself refuses.
GRANT USAGE ON SCHEMA databases TO omf_viewer;
SET ROLE omf_viewer;
SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
SELECT databases.databases_delete_online_migration(:'a', 'id-a');
\echo :SQLSTATE
RESET ROLE;
-- Of all this, the API has seen three reads.
\! simctl log --sort --clear

-- ----- an operator: starts and stops -----
CREATE ROLE omf_operator;
GRANT USAGE ON SCHEMA databases TO omf_operator;
GRANT SELECT ON databases.online_migrations, databases.clusters TO omf_operator;
GRANT EXECUTE ON FUNCTION databases.databases_update_online_migration,
                          databases.databases_delete_online_migration TO omf_operator;
GRANT USAGE ON FOREIGN SERVER digitalocean TO omf_operator;
CREATE USER MAPPING FOR omf_operator SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
SET ROLE omf_operator;
SELECT databases.databases_delete_online_migration(:'a', 'id-a');
SELECT status FROM databases.databases_update_online_migration(:'a', '{"host": "src.example.com", "port": 25060}');
\set VERBOSITY terse
SELECT status FROM databases.databases_update_online_migration(:'a', '{"host": "src.example.com", "port": 25060}');
\set VERBOSITY default
\echo :SQLSTATE
\! simctl log --clear
-- Its own token it may see and change; USAGE of a server means that.
SELECT usename, umoptions FROM pg_user_mappings WHERE srvname = 'digitalocean' AND umoptions IS NOT NULL;
ALTER USER MAPPING FOR omf_operator SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
-- Another's it may not, nor have one for all.
ALTER USER MAPPING FOR omf_reader SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
\echo :SQLSTATE
CREATE USER MAPPING FOR PUBLIC SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
\echo :SQLSTATE
-- It has no say in where tokens go.
ALTER SERVER digitalocean OPTIONS (SET endpoint 'https://api.example.com');
\echo :SQLSTATE
CREATE SERVER elsewhere FOREIGN DATA WRAPPER online_migrations_fdw;
\echo :SQLSTATE
-- Nor may it pass on what it may do itself.
GRANT USAGE ON FOREIGN SERVER digitalocean TO omf_viewer;
GRANT EXECUTE ON FUNCTION databases.databases_delete_online_migration TO omf_viewer;
RESET ROLE;
SELECT has_server_privilege('omf_viewer', 'digitalocean', 'USAGE') AS server,
       has_function_privilege('omf_viewer', 'databases.databases_delete_online_migration(uuid, text, boolean, text, text)', 'EXECUTE') AS function;

-- ----- an owner: servers, mappings and tables -----
CREATE ROLE omf_owner;
GRANT USAGE ON FOREIGN DATA WRAPPER online_migrations_fdw TO omf_owner;
CREATE SCHEMA staging AUTHORIZATION omf_owner;
SET ROLE omf_owner;
CREATE SERVER staging FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'endpoint', max_retries '0');
CREATE USER MAPPING FOR omf_owner SERVER staging OPTIONS (token 'dop_v1_second');
CREATE USER MAPPING FOR omf_operator SERVER staging OPTIONS (token 'dop_v1_simulator');
IMPORT FOREIGN SCHEMA databases FROM SERVER staging INTO staging;
GRANT USAGE ON SCHEMA staging TO omf_operator;
GRANT SELECT ON ALL TABLES IN SCHEMA staging TO omf_operator;
GRANT USAGE ON FOREIGN SERVER staging TO omf_operator;
ALTER SERVER staging OPTIONS (SET max_retries '1');
SELECT count(*) FROM staging.online_migrations WHERE database_cluster_uuid = :'b';
-- A mapping's token is for the mapped role's eyes: who has made it, and owns
-- the server, does not see it.
SELECT usename, umoptions FROM pg_user_mappings WHERE srvname = 'staging' ORDER BY 1;
-- The server's files are not the owner's to read.
ALTER USER MAPPING FOR omf_owner SERVER staging OPTIONS (DROP token, ADD token_file '/etc/passwd');
\echo :SQLSTATE
ALTER SERVER staging OPTIONS (ADD ca_file '/etc/passwd');
\echo :SQLSTATE
-- Nor are other servers, other roles' tables, or the functions.
ALTER SERVER digitalocean OPTIONS (SET endpoint 'https://api.example.com');
\echo :SQLSTATE
CREATE USER MAPPING FOR omf_owner SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
\echo :SQLSTATE
SELECT count(*) FROM databases.online_migrations WHERE database_cluster_uuid = :'b';
\echo :SQLSTATE
RESET ROLE;
GRANT USAGE ON SCHEMA databases TO omf_owner;
SET ROLE omf_owner;
SELECT databases.databases_delete_online_migration(:'a', 'id-a', server => 'staging');
\echo :SQLSTATE
-- The operator works on the new server with what it was given for it.
SET ROLE omf_operator;
SELECT status FROM staging.online_migrations WHERE database_cluster_uuid = :'b';
RESET ROLE;
\! simctl log --clear
DROP SERVER staging CASCADE;

-- ----- one cluster only: a SECURITY DEFINER wrapper -----
CREATE FOREIGN DATA WRAPPER postgres_fdw;
CREATE SERVER shop_source FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'src.example.com', port '25060');
CREATE USER MAPPING FOR CURRENT_USER SERVER shop_source OPTIONS (user 'doadmin', password 's3cr3t');
CREATE ROLE omf_oncall;
CREATE SCHEMA operations;
GRANT USAGE ON SCHEMA operations TO omf_oncall;
BEGIN;
CREATE FUNCTION operations.start_shop_migration() RETURNS TABLE (id text, status text)
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
    SELECT s.id, s.status
    FROM databases.databases_update_online_migration(
        database_cluster_uuid => '00000000-0000-4000-8021-00000000000b',
        source_server         => 'shop_source',
        server                => 'digitalocean') AS s;
END;
REVOKE ALL ON FUNCTION operations.start_shop_migration FROM PUBLIC;
GRANT EXECUTE ON FUNCTION operations.start_shop_migration TO omf_oncall;
COMMIT;
-- The functions themselves are refused, also where the schema is not.
SET ROLE omf_oncall;
SELECT * FROM databases.databases_update_online_migration(:'b', '{"host": "src.example.com", "port": 25060}');
\echo :SQLSTATE
RESET ROLE;
GRANT USAGE ON SCHEMA databases TO omf_oncall;
SET ROLE omf_oncall;
SELECT * FROM databases.databases_update_online_migration(:'b', '{"host": "src.example.com", "port": 25060}');
\echo :SQLSTATE
SELECT databases.databases_delete_online_migration(:'a', 'id-a');
\echo :SQLSTATE
SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = :'b';
\echo :SQLSTATE
-- What the caller puts in its own way does not get in the wrapper's.
RESET ROLE;
CREATE SCHEMA traps AUTHORIZATION omf_oncall;
SET ROLE omf_oncall;
CREATE FUNCTION traps.databases_update_online_migration(database_cluster_uuid uuid, source_server text, server text)
RETURNS TABLE (id text, created_at timestamptz, status text)
LANGUAGE sql AS $$ SELECT 'trap', now(), CURRENT_USER::text $$;
SET search_path = traps, databases, pg_catalog;
SELECT id <> 'trap' AS started, status FROM operations.start_shop_migration();
-- It cannot start a second one, and its caller cannot ask for that.
\set VERBOSITY terse
SELECT status FROM operations.start_shop_migration();
\set VERBOSITY default
\echo :SQLSTATE
RESET search_path;
RESET ROLE;
\! simctl log --clear
-- Who was not granted it may not run it.
GRANT USAGE ON SCHEMA operations TO omf_viewer;
SET ROLE omf_viewer;
SELECT status FROM operations.start_shop_migration();
\echo :SQLSTATE
RESET ROLE;
\! simctl log --clear
-- It works with its owner's rights: without them, it does not.
ALTER FUNCTION operations.start_shop_migration OWNER TO omf_reader;
SET ROLE omf_oncall;
SELECT status FROM operations.start_shop_migration();
\echo :SQLSTATE
RESET ROLE;
\! simctl log --clear

SET client_min_messages = warning;
DROP FOREIGN DATA WRAPPER postgres_fdw CASCADE;
DROP SCHEMA reports, staging, operations, traps CASCADE;
DROP OWNED BY omf_reader, omf_viewer, omf_operator, omf_owner, omf_oncall;
DROP ROLE omf_reader, omf_viewer, omf_operator, omf_owner, omf_oncall;
