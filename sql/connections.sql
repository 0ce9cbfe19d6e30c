-- What a session keeps open towards the API: seen, and closed.
\! simctl reset >/dev/null
\! simctl populate count=5 engine=pg status=running >/dev/null
\getenv https OMF_HTTPS
\getenv ca_file OMF_CA_FILE
SET search_path = databases, public;
SELECT online_migrations_fdw_disconnect_all() IS NOT NULL AS quiet;
SELECT count(*) FROM online_migrations_fdw_connections;
SELECT online_migrations_fdw_disconnect('digitalocean');

-- One line for each server and role that was used, with what it is at.
SELECT count(*) > 0 AS some FROM clusters;
SELECT server, role, protocol, connections > 0 AS connections, in_flight,
       idle_since BETWEEN now() - interval '1 min' AND clock_timestamp() AS idle_since,
       used_in_xact, valid
FROM online_migrations_fdw_connections;
BEGIN;
SELECT count(*) > 0 AS some FROM clusters;
SELECT used_in_xact FROM online_migrations_fdw_connections;
COMMIT;
SELECT used_in_xact FROM online_migrations_fdw_connections;

-- Over TLS it is one connection of HTTP/2.
CREATE SERVER encrypted FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'https', ca_file :'ca_file', max_retries '0');
CREATE USER MAPPING FOR PUBLIC SERVER encrypted OPTIONS (token 'dop_v1_simulator');
CREATE SCHEMA encrypted;
IMPORT FOREIGN SCHEMA databases FROM SERVER encrypted INTO encrypted;
SELECT count(*) > 0 AS some FROM encrypted.online_migrations;
SELECT server, role, protocol, connections, in_flight FROM online_migrations_fdw_connections
ORDER BY server COLLATE "C";

-- An open cursor holds its connections; the others go.
BEGIN;
DECLARE held CURSOR FOR SELECT database_cluster_uuid FROM encrypted.online_migrations;
FETCH 1 FROM held \gset first_
SELECT online_migrations_fdw_disconnect('encrypted');
SELECT server FROM online_migrations_fdw_connections ORDER BY server COLLATE "C";
SELECT online_migrations_fdw_disconnect_all();
SELECT server FROM online_migrations_fdw_connections;
COMMIT;
SELECT online_migrations_fdw_disconnect('encrypted');
SELECT online_migrations_fdw_disconnect('encrypted');
SELECT count(*) FROM online_migrations_fdw_connections;
\x
SELECT * FROM failure($$SELECT databases.online_migrations_fdw_disconnect('nowhere')$$);
\x

-- The next statement connects anew.
\! simctl clear
SELECT count(*) > 0 AS some FROM clusters;
\! simctl log

-- Anybody may look at what their own session has.
CREATE ROLE onlooker;
GRANT USAGE ON SCHEMA databases TO onlooker;
SET ROLE onlooker;
SELECT server, role FROM online_migrations_fdw_connections;
RESET ROLE;

-- Those of a role that is no more stay until another statement asks.
CREATE ROLE omf_leaver;
CREATE USER MAPPING FOR omf_leaver SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
GRANT USAGE ON SCHEMA databases TO omf_leaver;
GRANT SELECT ON clusters TO omf_leaver;
SET ROLE omf_leaver;
SELECT count(*) > 0 AS some FROM clusters;
RESET ROLE;
SELECT role, valid FROM online_migrations_fdw_connections WHERE role = 'omf_leaver';
DROP OWNED BY omf_leaver;
DROP ROLE omf_leaver;
SELECT server, role, valid FROM online_migrations_fdw_connections WHERE NOT valid;

-- Connections of before an ALTER SERVER serve no new statement.
BEGIN;
DECLARE held CURSOR FOR SELECT id FROM clusters;
FETCH 1 FROM held \gset first_
ALTER SERVER digitalocean OPTIONS (ADD max_concurrency '10');
SELECT server, valid FROM online_migrations_fdw_connections;
ROLLBACK;

REVOKE USAGE ON SCHEMA databases FROM onlooker;
DROP ROLE onlooker;
\set VERBOSITY terse
SET client_min_messages = warning;
DROP SERVER encrypted CASCADE;
DROP SCHEMA encrypted;
