-- Sources from foreign servers of other wrappers.
\! simctl reset >/dev/null
\set VERBOSITY terse
SET search_path = public, databases;
CREATE EXTENSION postgres_fdw;
\set b '00000000-0000-4000-8000-00000000000b'
\! simctl migration 00000000-0000-4000-8000-00000000000b none >/dev/null
CREATE FUNCTION start_from(source_server text, source jsonb DEFAULT NULL, disable_ssl boolean DEFAULT false) RETURNS text
LANGUAGE sql AS $$
    SELECT status FROM databases.databases_update_online_migration('00000000-0000-4000-8000-00000000000b',
        source => source, source_server => source_server, disable_ssl => disable_ssl, replace => true)
$$;

-- From postgres_fdw, with one's own mapping; what only postgres_fdw has a use
-- for is passed over.
CREATE SERVER old_db FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host 'src.example.com', port '6543', dbname 'shop', sslmode 'verify-full', fetch_size '500', connect_timeout '5');
CREATE USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (user 'doadmin', password 's3cr3t"pass\word', password_required 'true');
SELECT start_from('old_db');
\! simctl log --bodies --clear

-- The port has a default, the rest may be missing: the API decides.
CREATE SERVER plain FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '2001:db8::1');
SELECT start_from('plain');
CREATE USER MAPPING FOR CURRENT_USER SERVER plain OPTIONS (user 'reader');
SELECT start_from('plain');
\! simctl log --bodies --clear

-- "source" goes before what the server says, member by member.
SELECT start_from('old_db', '{"dbname":"other","password":"s3cr3t-other"}');
SELECT start_from('old_db', '{"host":"elsewhere.example.com","port":1,"username":"x"}');
\! simctl log --bodies --clear

-- From mysql_fdw; its servers have no database.
CREATE FOREIGN DATA WRAPPER mysql_fdw;
CREATE SERVER old_mysql FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host 'my.example.com', ssl_ca '/ca.pem', init_command 'SET x = 1');
CREATE USER MAPPING FOR CURRENT_USER SERVER old_mysql OPTIONS (username 'doadmin', password 's3cr3t-mysql');
SELECT start_from('old_mysql', '{"dbname":"defaultdb"}');
\! simctl log --bodies --clear

-- ----- bad input: each is refused, and nothing is sent -----
\set VERBOSITY default
SELECT start_from(NULL);
\echo :SQLSTATE
SELECT start_from('nobody');
\echo :SQLSTATE
SELECT start_from('digitalocean');
\echo :SQLSTATE
CREATE FOREIGN DATA WRAPPER some_fdw;
CREATE SERVER some_server FOREIGN DATA WRAPPER some_fdw OPTIONS (host 'x');
SELECT start_from('some_server');
\echo :SQLSTATE
SELECT start_from('old_db', '[]');
\echo :SQLSTATE
SELECT start_from('old_db', '{"hots":"x"}');
\echo :SQLSTATE

-- Hosts that the API can't use.
CREATE SERVER bad FOREIGN DATA WRAPPER postgres_fdw;
SELECT start_from('bad');
\echo :SQLSTATE
CREATE FUNCTION with_options(options text, disable_ssl boolean DEFAULT false, OUT state text, OUT detail text)
LANGUAGE plpgsql AS $$
BEGIN
    DROP SERVER bad CASCADE;
    EXECUTE 'CREATE SERVER bad FOREIGN DATA WRAPPER ' || CASE WHEN options LIKE 'mysql%' THEN 'mysql_fdw' ELSE 'postgres_fdw' END
        || ' OPTIONS (' || replace(options, 'mysql ', '') || ')';
    SELECT f.state, f.detail INTO state, detail FROM failure(format('SELECT start_from(%L, disable_ssl => %L)', 'bad', disable_ssl)) f;
END $$;
SET client_min_messages = warning;
SELECT o, w.* FROM unnest(ARRAY[
    $$host ''$$, $$host '/var/run/postgresql'$$, $$host '@abstract'$$, $$host 'a,b'$$, $$host 'localhost'$$, $$host 'LOCALHOST.'$$,
    $$host 'db.localhost'$$, $$host '127.0.0.1'$$, $$host '127.1.2.3'$$, $$host '0.0.0.0'$$, $$host '::1'$$, $$host '::'$$,
    $$host '::ffff:127.0.0.1'$$, $$host 'h', hostaddr '192.0.2.1'$$, $$host 'h', service 'x'$$, $$host 'h', options '-c role=x'$$,
    $$host 'h', target_session_attrs 'read-write'$$, $$host 'h', passfile '/p'$$, $$host 'h', channel_binding 'require'$$,
    $$host 'h', gssencmode 'require'$$, $$host 'h', krbsrvname 'x'$$, $$host 'h', port '5432,5433'$$, $$host 'h', port 'five'$$,
    $$host 'h', port '0'$$, $$host 'h', port '65536'$$, $$host 'h', port '-1'$$, $$host 'h', sslmode 'disable'$$,
    $$mysql host 'h', mysql_default_file '/f'$$, $$mysql host 'h', ssl_key '/f'$$, $$mysql host 'h', unheard_of 'x'$$,
    $$mysql host 'localhost'$$]) o,
    LATERAL with_options(o) w;
SELECT o, w.* FROM unnest(ARRAY[$$host 'h', sslmode 'require'$$, $$host 'h', sslmode 'verify-ca'$$]) o, LATERAL with_options(o, true) w;
SELECT o, w.* FROM unnest(ARRAY['sslcert', 'sslkey']) k, LATERAL format('%s %L', k, '/x') o, LATERAL (SELECT state, detail FROM failure(
    format('ALTER USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (ADD %s); SELECT start_from(%L)', o, 'old_db'))) w;
\! simctl log --clear

-- What agrees with disable_ssl is fine, and a host of "source" needs none else.
SELECT w.* FROM with_options($$host 'h', sslmode 'disable'$$, true) w;
SELECT start_from('bad', '{"host":"h2"}', true);
\! simctl log --bodies --clear
RESET client_min_messages;

-- ----- whose password -----
-- USAGE, and the rights of pg_user_mappings: one's own mapping, that of
-- PUBLIC for the server's owner, any for a superuser.
CREATE ROLE omf_thief;
CREATE ROLE omf_owner;
GRANT USAGE ON SCHEMA databases TO omf_thief, omf_owner;
GRANT USAGE ON FOREIGN SERVER digitalocean TO omf_thief, omf_owner;
GRANT EXECUTE ON FUNCTION databases_update_online_migration TO omf_thief, omf_owner;
CREATE USER MAPPING FOR omf_thief SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
CREATE USER MAPPING FOR omf_owner SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
CREATE SERVER shared FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'shared.example.com');
CREATE USER MAPPING FOR PUBLIC SERVER shared OPTIONS (user 'admin', password 's3cr3t-public');
ALTER SERVER shared OWNER TO omf_owner;
SET ROLE omf_thief;
SELECT start_from('shared');
\echo :SQLSTATE
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER shared TO omf_thief;
SET ROLE omf_thief;
-- The thief sends it to a host of their own.
SELECT start_from('shared', '{"host":"thief.example.com"}');
\echo :SQLSTATE
SELECT start_from('shared', '{"host":"thief.example.com","username":"me"}');
\echo :SQLSTATE
SELECT start_from('shared', '{"host":"thief.example.com","password":"mine"}');
\echo :SQLSTATE
SELECT umoptions IS NULL AS hidden FROM pg_user_mappings WHERE srvname = 'shared';
\! simctl log --bodies --clear
-- Who has both needs nothing of it.
SELECT start_from('shared', '{"username":"me","password":"mine"}');
-- A mapping of one's own goes before that of PUBLIC.
CREATE USER MAPPING FOR CURRENT_USER SERVER shared OPTIONS (user 'thief', password 's3cr3t-own');
SELECT start_from('shared');
\! simctl log --bodies --clear
RESET ROLE;
SET ROLE omf_owner;
SELECT start_from('shared');
RESET ROLE;
SELECT start_from('shared');
-- In a SECURITY DEFINER function, its owner counts.
ALTER FUNCTION start_from SECURITY DEFINER;
ALTER FUNCTION start_from OWNER TO omf_owner;
DROP USER MAPPING FOR omf_thief SERVER shared;
SET ROLE omf_thief;
SELECT start_from('shared');
RESET ROLE;
\! simctl log --bodies --clear

-- A password that the API echoes is masked, wherever it is from.
\! simctl fault echo_secrets uuid=00000000-0000-4000-8000-00000000000b method=PUT >/dev/null
ALTER FUNCTION start_from SECURITY INVOKER;
SELECT state, detail LIKE '%***%' AS masked, detail LIKE '%s3cr3t%' AS shown FROM failure($$SELECT start_from('old_db')$$);
\! simctl nofaults >/dev/null

SET client_min_messages = warning;
DROP FUNCTION start_from, with_options;
DROP EXTENSION postgres_fdw CASCADE;
DROP FOREIGN DATA WRAPPER mysql_fdw CASCADE;
DROP FOREIGN DATA WRAPPER some_fdw CASCADE;
DROP USER MAPPING FOR omf_thief SERVER digitalocean;
DROP USER MAPPING FOR omf_owner SERVER digitalocean;
REVOKE ALL ON FUNCTION databases_update_online_migration FROM omf_thief, omf_owner;
REVOKE ALL ON FOREIGN SERVER digitalocean FROM omf_thief, omf_owner;
REVOKE ALL ON SCHEMA databases FROM omf_thief, omf_owner;
DROP ROLE omf_thief, omf_owner;
