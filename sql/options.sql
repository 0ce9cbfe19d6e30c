-- Options of servers, user mappings, foreign tables and columns: what is
-- legal where, which values are good, and what the errors say.
\set SHOW_CONTEXT never

-- Every option, with a good value.
CREATE SERVER options_all FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (
    endpoint 'https://api.digitalocean.com',
    ca_file '/nowhere/ca.pem',
    connect_timeout '500ms',
    request_timeout '1min',
    max_concurrency '250',
    max_retries '0',
    max_retry_wait '0s',
    async_capable 'off');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_all
    OPTIONS (token 'dop_v1_options0');
CREATE FOREIGN TABLE options_table (
    cluster uuid OPTIONS (column_name 'database_cluster_uuid'))
    SERVER options_all OPTIONS (resource 'online_migrations', async_capable 'false');
SELECT srvoptions FROM pg_foreign_server WHERE srvname = 'options_all';

-- None of them has to be given.
CREATE SERVER options_none FOREIGN DATA WRAPPER online_migrations_fdw;
CREATE USER MAPPING FOR CURRENT_USER SERVER options_none;

-- An option that does not exist: the nearest one, and all of this place.
ALTER SERVER options_none OPTIONS (ADD end_point 'https://example.com');
\echo :SQLSTATE
ALTER SERVER options_none OPTIONS (ADD max_retry '3');
\echo :SQLSTATE
ALTER SERVER options_none OPTIONS (ADD zzz '');
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD tokn 'dop_v1_options1');
\echo :SQLSTATE
CREATE FOREIGN TABLE options_bad (id text) SERVER options_none OPTIONS (resourse 'clusters');
\echo :SQLSTATE
CREATE FOREIGN TABLE options_bad (id text OPTIONS (colum_name 'id')) SERVER options_none;
\echo :SQLSTATE

-- One that exists, in a place that is not its own.
ALTER SERVER options_none OPTIONS (ADD token 'dop_v1_options2');
\echo :SQLSTATE
ALTER SERVER options_none OPTIONS (ADD resource 'clusters');
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD endpoint 'https://example.com');
\echo :SQLSTATE
CREATE FOREIGN TABLE options_bad (id text) SERVER options_none OPTIONS (column_name 'id');
\echo :SQLSTATE
CREATE FOREIGN TABLE options_bad (id text OPTIONS (resource 'clusters')) SERVER options_none;
\echo :SQLSTATE
ALTER FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (ADD endpoint 'https://example.com');
\echo :SQLSTATE

-- Option names are case-sensitive once they are quoted.
ALTER SERVER options_none OPTIONS (ADD "Endpoint" 'https://example.com');
\echo :SQLSTATE

-- Endpoints.
ALTER SERVER options_none OPTIONS (ADD endpoint 'https://api.example.com:8443/prefix/v0');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.example.com/');
ALTER SERVER options_none OPTIONS (SET endpoint 'HTTPS://API.EXAMPLE.COM');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://[2001:db8::1]:443');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://localhost');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://127.0.0.1:4010');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://127.8.9.10:4010');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://[::1]:4010');
ALTER SERVER options_none OPTIONS (SET endpoint '');
\echo :SQLSTATE
ALTER SERVER options_none OPTIONS (SET endpoint 'api.digitalocean.com');
ALTER SERVER options_none OPTIONS (SET endpoint 'ftp://api.digitalocean.com');
ALTER SERVER options_none OPTIONS (SET endpoint 'file:///etc/passwd');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://api.digitalocean.com');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://localhost.example.com');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://127.0.0.1.example.com');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://0.0.0.0');
ALTER SERVER options_none OPTIONS (SET endpoint 'http://[::ffff:10.0.0.1]');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://user:s3cr3t@api.digitalocean.com');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com?page=1');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com/#top');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com/a/../b');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com/.');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com/a//b');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com/%2e%2e');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com:0');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com:65536');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api.digitalocean.com:');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://[::1');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://[zz]');
ALTER SERVER options_none OPTIONS (SET endpoint 'https://api digitalocean.com');
ALTER SERVER options_none OPTIONS (SET endpoint E'https://api.digitalocean.com\r\nX: y');
\echo :SQLSTATE

-- Durations: as postgresql.conf writes them, but never without a unit.
ALTER SERVER options_none OPTIONS (ADD connect_timeout '1ms');
ALTER SERVER options_none OPTIONS (SET connect_timeout '1.5s');
ALTER SERVER options_none OPTIONS (SET connect_timeout ' 10 s ');
ALTER SERVER options_none OPTIONS (SET connect_timeout '60min');
ALTER SERVER options_none OPTIONS (SET connect_timeout '1h');
ALTER SERVER options_none OPTIONS (SET connect_timeout '10');
\echo :SQLSTATE
ALTER SERVER options_none OPTIONS (SET connect_timeout '');
ALTER SERVER options_none OPTIONS (SET connect_timeout 's');
ALTER SERVER options_none OPTIONS (SET connect_timeout '0');
ALTER SERVER options_none OPTIONS (SET connect_timeout '0s');
ALTER SERVER options_none OPTIONS (SET connect_timeout '-1s');
ALTER SERVER options_none OPTIONS (SET connect_timeout '10 seconds');
ALTER SERVER options_none OPTIONS (SET connect_timeout '10kB');
ALTER SERVER options_none OPTIONS (SET connect_timeout '2h');
ALTER SERVER options_none OPTIONS (SET connect_timeout '1000d');
ALTER SERVER options_none OPTIONS (ADD request_timeout '30');
ALTER SERVER options_none OPTIONS (ADD request_timeout '0ms');
ALTER SERVER options_none OPTIONS (ADD max_retry_wait '60');
ALTER SERVER options_none OPTIONS (ADD max_retry_wait '-1ms');
ALTER SERVER options_none OPTIONS (ADD cache_ttl '1us');
\echo :SQLSTATE
ALTER SERVER options_none OPTIONS (ADD cache_stale '999us');

-- Numbers and booleans.
ALTER SERVER options_none OPTIONS (ADD http_version '2');
ALTER SERVER options_none OPTIONS (SET http_version '1.1');
ALTER SERVER options_none OPTIONS (SET http_version 'auto');
ALTER SERVER options_none OPTIONS (SET http_version '3');
ALTER SERVER options_none OPTIONS (SET http_version '2.0');
ALTER SERVER options_none OPTIONS (SET http_version '');
ALTER SERVER options_none OPTIONS (DROP http_version);

ALTER SERVER options_none OPTIONS (ADD max_concurrency '1');
ALTER SERVER options_none OPTIONS (SET max_concurrency '0');
\echo :SQLSTATE
ALTER SERVER options_none OPTIONS (SET max_concurrency '251');
ALTER SERVER options_none OPTIONS (SET max_concurrency '1e2');
ALTER SERVER options_none OPTIONS (SET max_concurrency '0x10');
ALTER SERVER options_none OPTIONS (SET max_concurrency ' 10');
ALTER SERVER options_none OPTIONS (SET max_concurrency '');
ALTER SERVER options_none OPTIONS (ADD max_retries '-1');
ALTER SERVER options_none OPTIONS (ADD max_retries '101');
ALTER SERVER options_none OPTIONS (ADD max_retries '99999999999');
ALTER SERVER options_none OPTIONS (ADD async_capable 'maybe');
\echo :SQLSTATE
CREATE FOREIGN TABLE options_bad (id text) SERVER options_none OPTIONS (async_capable '');
\echo :SQLSTATE

-- Resources and their fields.
CREATE FOREIGN TABLE options_bad (id text) SERVER options_none OPTIONS (resource 'online_migration');
\echo :SQLSTATE
CREATE FOREIGN TABLE options_bad (id text OPTIONS (column_name 'statsu')) SERVER options_none;
\echo :SQLSTATE

-- Tokens.  A bad one is not shown.
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD token '');
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD token E'dop_v1_options3\r\nX-Evil: 1');
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD token 'dop v1 options4');
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD token 'döp_v1_options5');
\echo :SQLSTATE
DO $$ BEGIN EXECUTE format('ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD token %L)', repeat('x', 4097)); END $$;
\echo :SQLSTATE

-- Of token and token_file there is one.
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none
    OPTIONS (ADD token 'dop_v1_options6', ADD token_file '/nowhere/token');
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD token 'dop_v1_options7');
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (ADD token_file '/nowhere/token');
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (DROP token, ADD token_file '/nowhere/token');
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (SET token_file 'token');
\echo :SQLSTATE
ALTER SERVER options_none OPTIONS (ADD ca_file 'ca.pem');
\echo :SQLSTATE

-- The validator does not open files; the first use does.
IMPORT FOREIGN SCHEMA databases LIMIT TO (online_migrations) FROM SERVER options_none INTO public;
SELECT status FROM public.online_migrations
WHERE database_cluster_uuid = '00000000-0000-4000-8000-000000000001';
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (SET token_file '/dev/zero');
SELECT status FROM public.online_migrations
WHERE database_cluster_uuid = '00000000-0000-4000-8000-000000000001';
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (SET token_file '/dev');
SELECT status FROM public.online_migrations
WHERE database_cluster_uuid = '00000000-0000-4000-8000-000000000001';
\echo :SQLSTATE
ALTER USER MAPPING FOR CURRENT_USER SERVER options_none OPTIONS (DROP token_file);
SELECT status FROM public.online_migrations
WHERE database_cluster_uuid = '00000000-0000-4000-8000-000000000001';
\echo :SQLSTATE
DROP FOREIGN TABLE public.online_migrations;

-- Files are named by members of pg_read_server_files only, also by those who
-- own the server.
CREATE ROLE omf_options_reader;
CREATE ROLE omf_options_stranger;
GRANT pg_read_server_files TO omf_options_reader;
GRANT USAGE ON FOREIGN DATA WRAPPER online_migrations_fdw TO omf_options_reader, omf_options_stranger;
SET ROLE omf_options_stranger;
CREATE SERVER options_stranger FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (ca_file '/nowhere/ca.pem');
\echo :SQLSTATE
CREATE SERVER options_stranger FOREIGN DATA WRAPPER online_migrations_fdw;
ALTER SERVER options_stranger OPTIONS (ADD ca_file '/nowhere/ca.pem');
\echo :SQLSTATE
CREATE USER MAPPING FOR CURRENT_USER SERVER options_stranger OPTIONS (token_file '/nowhere/token');
\echo :SQLSTATE
CREATE USER MAPPING FOR CURRENT_USER SERVER options_stranger OPTIONS (token 'dop_v1_options8');
ALTER USER MAPPING FOR CURRENT_USER SERVER options_stranger OPTIONS (DROP token, ADD token_file '/nowhere/token');
\echo :SQLSTATE
RESET ROLE;
-- The whole set is checked again, whatever of it a role changes.
ALTER SERVER options_stranger OPTIONS (ADD ca_file '/nowhere/ca.pem');
SET ROLE omf_options_stranger;
ALTER SERVER options_stranger OPTIONS (ADD max_retries '1');
\echo :SQLSTATE
ALTER SERVER options_stranger OPTIONS (DROP ca_file, ADD max_retries '1');
RESET ROLE;
SET ROLE omf_options_reader;
CREATE SERVER options_reader FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (ca_file '/nowhere/ca.pem');
CREATE USER MAPPING FOR CURRENT_USER SERVER options_reader OPTIONS (token_file '/nowhere/token');
RESET ROLE;

-- Tokens are for their owners' eyes: nobody else sees options of mappings.
SET ROLE omf_options_reader;
SELECT srvname, umoptions FROM pg_user_mappings WHERE srvname LIKE 'options%' ORDER BY srvname;
RESET ROLE;

SET client_min_messages = warning;
DROP FOREIGN TABLE options_table;
DROP SERVER options_all, options_none, options_stranger, options_reader CASCADE;
REVOKE USAGE ON FOREIGN DATA WRAPPER online_migrations_fdw FROM omf_options_reader, omf_options_stranger;
DROP ROLE omf_options_reader, omf_options_stranger;
