-- A source that a foreign server of postgres_fdw or mysql_fdw describes.
\! simctl reset >/dev/null
-- (Its clusters are no other test's: a start is remembered.)
-- Whatever is started runs on.
\! simctl config running_ms=600000 >/dev/null
\! simctl cluster 00000000-0000-4000-8022-00000000000a engine=pg >/dev/null
\set a 00000000-0000-4000-8022-00000000000a
SET client_min_messages = warning;
CREATE EXTENSION postgres_fdw;
RESET client_min_messages;
-- mysql_fdw may not be installed: a wrapper of its name can hold servers, too.
CREATE FOREIGN DATA WRAPPER mysql_fdw;
SET search_path = databases, public;
\set SHOW_CONTEXT never

-- Starts with these arguments; shows what went out, or the error.
CREATE FUNCTION public.start_from(source_server text, source jsonb DEFAULT NULL, disable_ssl boolean DEFAULT false)
RETURNS text LANGUAGE sql VOLATILE AS $$
    SELECT status FROM databases.databases_update_online_migration(
        database_cluster_uuid => '00000000-0000-4000-8022-00000000000a',
        source => start_from.source, source_server => start_from.source_server,
        disable_ssl => start_from.disable_ssl, replace => true)
$$;
CREATE FUNCTION public.refusal(source_server text, source jsonb DEFAULT NULL, disable_ssl boolean DEFAULT false,
    OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE sql AS $$
    SELECT * FROM public.failure(format('SELECT public.start_from(%L, %L, %L)', source_server, source, disable_ssl))
$$;
-- The same with one option more, which is then taken away again.
CREATE FUNCTION public.refusal_with(name text, value text, disable_ssl boolean DEFAULT false,
    OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER SERVER old_db OPTIONS (ADD %I %L)', name, value);
    SELECT * INTO state, message, detail, hint FROM public.refusal('old_db', NULL, disable_ssl);
    EXECUTE format('ALTER SERVER old_db OPTIONS (DROP %I)', name);
END $$;

-- All of it from the server and its mapping.
CREATE SERVER old_db FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host 'src.example.com', port '25060', dbname 'defaultdb');
CREATE USER MAPPING FOR CURRENT_USER SERVER old_db
    OPTIONS (user 'doadmin', password 's3cr3t-"mapping"\é');
SELECT status FROM databases_update_online_migration(:'a', source_server => 'old_db', ignore_dbs => '{db0}');
\! simctl log --bodies --clear | LC_ALL=C sed 's/[^ -~]\{1,\}/(e)/g'
-- It is refused while one is under way, as ever.
\set VERBOSITY terse
SELECT status FROM databases_update_online_migration(:'a', source_server => 'old_db');
\set VERBOSITY default
\echo :SQLSTATE
\! simctl log --clear

-- Members of "source" go before, each by itself.
SELECT start_from('old_db', '{"host": "other.example.com"}');
SELECT start_from('old_db', '{"port": 7}');
SELECT start_from('old_db', '{"dbname": "d"}');
SELECT start_from('old_db', '{"username": "u"}');
SELECT start_from('old_db', '{"password": "s3cr3t-argument"}');
SELECT start_from('old_db', '{}');
SELECT start_from('old_db', '{"host": "h", "port": 1, "dbname": "d", "username": "u", "password": "s3cr3t-argument"}');
\! simctl log --bodies --clear | LC_ALL=C sed 's/[^ -~]\{1,\}/(e)/g'
-- What is in it is checked as without a server.
SELECT start_from('old_db', '{"host": ""}');
SELECT start_from('old_db', '{"port": 0}');
SELECT start_from('old_db', '{"user": "u"}');
\echo :SQLSTATE
SELECT start_from('old_db', '[]');

-- The wrapper's port where there is none; empty options are none.
ALTER SERVER old_db OPTIONS (DROP port);
SELECT start_from('old_db');
ALTER SERVER old_db OPTIONS (ADD port '', SET dbname '', ADD hostaddr '');
SELECT start_from('old_db');
\! simctl log --bodies --clear | LC_ALL=C sed 's/[^ -~]\{1,\}/(e)/g'
ALTER SERVER old_db OPTIONS (DROP port, DROP hostaddr, SET dbname 'defaultdb');

-- What concerns only postgres_fdw's own queries and connections is ignored.
ALTER SERVER old_db OPTIONS (ADD fetch_size '7', ADD batch_size '7', ADD use_remote_estimate 'true',
    ADD fdw_startup_cost '1', ADD fdw_tuple_cost '1', ADD extensions '', ADD updatable 'false',
    ADD truncatable 'false', ADD async_capable 'true', ADD parallel_commit 'true', ADD keep_connections 'off',
    ADD application_name 'x', ADD connect_timeout '9', ADD keepalives '1', ADD keepalives_idle '1',
    ADD keepalives_interval '1', ADD keepalives_count '1', ADD tcp_user_timeout '1');
-- So are values that change nothing.
ALTER SERVER old_db OPTIONS (ADD target_session_attrs 'any', ADD gssencmode 'prefer', ADD channel_binding 'prefer',
    ADD ssl_min_protocol_version 'TLSv1.2', ADD sslsni '1', ADD sslmode 'require');
ALTER USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (ADD password_required 'false');
SELECT start_from('old_db');
\! simctl log --bodies --clear | LC_ALL=C sed 's/[^ -~]\{1,\}/(e)/g'
DROP SERVER old_db CASCADE;

-- mysql_fdw: other names, another port, and no database.
CREATE SERVER old_mysql FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host 'my.example.com');
CREATE USER MAPPING FOR PUBLIC SERVER old_mysql OPTIONS (username 'root', password 's3cr3t-mysql');
SELECT start_from('old_mysql');
ALTER SERVER old_mysql OPTIONS (ADD port '3307', ADD secure_auth 'true', ADD fetch_size '100',
    ADD use_remote_estimate 'true', ADD reconnect 'true', ADD character_set 'utf8', ADD sql_mode 'ANSI_QUOTES');
SELECT start_from('old_mysql', '{"dbname": "shop"}', true);
\! simctl log --bodies --clear

-- Without a password, it is for the API to say; so without a user.
ALTER USER MAPPING FOR PUBLIC SERVER old_mysql OPTIONS (DROP password);
SELECT start_from('old_mysql');
ALTER USER MAPPING FOR PUBLIC SERVER old_mysql OPTIONS (DROP username);
SELECT start_from('old_mysql');
-- With user and password in "source", the mapping is of no concern, nor need it be there.
DROP USER MAPPING FOR PUBLIC SERVER old_mysql;
SELECT start_from('old_mysql', '{"username": "u"}');
SELECT start_from('old_mysql', '{"username": "u", "password": "s3cr3t-argument"}');
\! simctl log --bodies --clear

-- The handler counts, not the wrapper's name.
CREATE FOREIGN DATA WRAPPER renamed HANDLER postgres_fdw_handler VALIDATOR postgres_fdw_validator;
CREATE SERVER renamed FOREIGN DATA WRAPPER renamed OPTIONS (host 'src.example.com');
CREATE USER MAPPING FOR CURRENT_USER SERVER renamed OPTIONS (user 'u');
SELECT start_from('renamed');
\! simctl log --bodies --clear
ALTER FOREIGN DATA WRAPPER mysql_fdw HANDLER online_migrations_fdw_handler;
CREATE SERVER posing FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host 'src.example.com');

-- From here on nothing is sent.
\x on
SELECT * FROM refusal('posing');
DROP SERVER posing;
ALTER FOREIGN DATA WRAPPER mysql_fdw NO HANDLER;
SELECT * FROM refusal('digitalocean');
CREATE FOREIGN DATA WRAPPER some_fdw;
CREATE SERVER some_server FOREIGN DATA WRAPPER some_fdw OPTIONS (host 'src.example.com');
SELECT * FROM refusal('some_server');
DROP SERVER some_server;
DROP FOREIGN DATA WRAPPER some_fdw;
SELECT * FROM refusal('nowhere');
SELECT * FROM refusal('');
SELECT * FROM failure($$ SELECT * FROM databases.databases_update_online_migration('00000000-0000-4000-8022-00000000000a') $$);

-- No mapping, no host.
SELECT * FROM refusal('old_mysql');
SELECT * FROM refusal('old_mysql', '{"password": "s3cr3t-argument"}');
ALTER SERVER old_mysql OPTIONS (DROP host);
SELECT * FROM refusal('old_mysql');
ALTER SERVER old_mysql OPTIONS (ADD host '');
SELECT * FROM refusal('old_mysql');

-- Hosts that are not elsewhere.
CREATE SERVER old_db FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '/var/run/postgresql');
CREATE USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (user 'doadmin', password 's3cr3t-mapping');
SELECT * FROM refusal('old_db');
ALTER SERVER old_db OPTIONS (SET host '@abstract');
SELECT * FROM refusal('old_db');
ALTER SERVER old_db OPTIONS (SET host 'a.example.com,b.example.com');
SELECT * FROM refusal('old_db');
ALTER SERVER old_db OPTIONS (SET host 'localhost');
SELECT * FROM refusal('old_db');
\x off
CREATE TABLE public.hosts AS SELECT host, ''::text AS state, ''::text AS detail
FROM unnest('{localhost,LocalHost,localhost.,db.localhost,localhost.localdomain,localhost6,ip6-loopback,127.0.0.1,127.8.9.10,127.1,2130706433,0x7f.1,0.0.0.0,0,::1,::1%lo,::,0:0:0:0:0:0:0:1,::ffff:127.0.0.1,::FFFF:7f00:1,src.example.com,localhost.example.com,notlocalhost,128.0.0.1,10.0.0.1,2001:db8::1,::ffff:10.0.0.1,1.2.3.127}'::text[]) AS host;
DO $$
DECLARE h record;
BEGIN
    FOR h IN SELECT host FROM public.hosts LOOP
        EXECUTE format('ALTER SERVER old_db OPTIONS (SET host %L)', h.host);
        UPDATE public.hosts SET (state, detail) = (SELECT r.state, coalesce(r.detail, r.message) FROM public.refusal('old_db') r)
        WHERE host = h.host;
    END LOOP;
END $$;
SELECT * FROM public.hosts;
DROP TABLE public.hosts;
\! simctl log --bodies --clear
-- A host in "source" goes before all that; hostaddr is of no concern then.
ALTER SERVER old_db OPTIONS (SET host '/tmp', ADD hostaddr '192.0.2.1');
SELECT start_from('old_db', '{"host": "src.example.com"}');
\! simctl log --bodies --clear
ALTER SERVER old_db OPTIONS (SET host 'src.example.com', DROP hostaddr);

-- Ports.
\x on
SELECT * FROM refusal_with('port', '5432,5433');
SELECT * FROM refusal_with('port', 'x');
SELECT * FROM refusal_with('port', '65536');
\x off
SELECT state, detail FROM refusal_with('port', '0');
SELECT state, detail FROM refusal_with('port', '-1');
SELECT state, detail FROM refusal_with('port', ' 1');
SELECT state, detail FROM refusal_with('port', '1.0');
SELECT state, detail FROM refusal_with('port', '4294967297');
ALTER SERVER old_db OPTIONS (ADD port 'x');
SELECT start_from('old_db', '{"port": 1}');
\! simctl log --bodies --clear
ALTER SERVER old_db OPTIONS (DROP port);

-- Options that say where or how to connect.
\x on
SELECT * FROM refusal_with('service', 'old');
SELECT * FROM refusal_with('hostaddr', '192.0.2.1');
SELECT * FROM refusal_with('passfile', '/etc/s3cr3t-path');
SELECT * FROM refusal_with('target_session_attrs', 'read-write');
\x off
SELECT name, value, r.state, r.detail FROM (VALUES
    ('options', '-c search_path=x'), ('sslcert', '/x'), ('sslkey', '/x'), ('sslrootcert', '/x'), ('sslcrl', '/x'),
    ('sslcrldir', '/x'), ('sslsni', '0'), ('ssl_min_protocol_version', 'TLSv1.3'), ('ssl_max_protocol_version', 'TLSv1.3'),
    ('channel_binding', 'require'), ('gssencmode', 'require'), ('krbsrvname', 'x'),
    ('sslmode', 'verify-ca'), ('sslmode', 'verify-full'), ('sslmode', 'requir')) AS o(name, value), refusal_with(name, value) r;
-- A password in "source" makes a password file one of no concern.
ALTER SERVER old_db OPTIONS (ADD passfile '/etc/s3cr3t-path');
SELECT start_from('old_db', '{"password": "s3cr3t-argument"}');
ALTER SERVER old_db OPTIONS (DROP passfile);
\! simctl log --bodies --clear
-- In the mapping, too; but not where "source" makes it needless.
ALTER USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (ADD sslcert '/x');
\x on
SELECT * FROM refusal('old_db');
SELECT * FROM refusal('old_db', '{"username": "u"}');
\x off
SELECT start_from('old_db', '{"username": "u", "password": "s3cr3t-argument"}');
\! simctl log --bodies --clear
ALTER USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (DROP sslcert);

-- TLS: the server and the argument must not contradict each other.
\x on
SELECT * FROM refusal_with('sslmode', 'disable');
SELECT * FROM refusal_with('sslmode', 'require', true);
\x off
SELECT sslmode, disable_ssl, r.state, r.message
FROM unnest('{disable,allow,prefer,require,verify-full}'::text[]) AS sslmode, unnest('{f,t}'::boolean[]) AS disable_ssl,
     refusal_with('sslmode', sslmode, disable_ssl) r;
\! simctl log --bodies --clear

-- mysql_fdw's.
ALTER SERVER old_mysql OPTIONS (SET host 'my.example.com');
CREATE USER MAPPING FOR CURRENT_USER SERVER old_mysql OPTIONS (username 'u');
DO $$
DECLARE o record; r record;
BEGIN
    ALTER SERVER old_mysql OPTIONS (DROP secure_auth);
    FOR o IN SELECT * FROM (VALUES ('ssl_key', '/x'), ('ssl_cert', '/x'), ('ssl_ca', '/x'), ('ssl_capath', '/x'),
        ('ssl_cipher', 'x'), ('init_command', 'x'), ('secure_auth', 'false'), ('mysql_default_file', '/x'),
        ('user', 'x'), ('dbname', 'x'), ('sslmode', 'require'), ('hostaddr', '192.0.2.1')) AS o(name, value) LOOP
        EXECUTE format('ALTER SERVER old_mysql OPTIONS (ADD %I %L)', o.name, o.value);
        SELECT * INTO r FROM public.refusal('old_mysql');
        RAISE INFO '% %: % %', o.name, o.value, r.state, r.detail;
        EXECUTE format('ALTER SERVER old_mysql OPTIONS (DROP %I)', o.name);
    END LOOP;
END $$;
\! simctl log --bodies --clear

-- Roles: USAGE on the server is needed.
CREATE ROLE omf_mover;
GRANT USAGE ON SCHEMA databases TO omf_mover;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA databases TO omf_mover;
GRANT USAGE ON FOREIGN SERVER digitalocean TO omf_mover;
CREATE USER MAPPING FOR omf_mover SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
SET ROLE omf_mover;
\x on
SELECT * FROM refusal('old_db');
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER old_db TO omf_mover;

-- USAGE alone steals nobody's password: not the superuser's own ...
SET ROLE omf_mover;
SELECT * FROM refusal('old_db');
RESET ROLE;
-- ... nor that of PUBLIC, whatever else "source" says.
CREATE USER MAPPING FOR PUBLIC SERVER old_db OPTIONS (user 'public', password 's3cr3t-public');
SET ROLE omf_mover;
SELECT umoptions IS NULL AS hidden FROM pg_user_mappings WHERE srvname = 'old_db' AND usename = 'public';
SELECT * FROM refusal('old_db');
SELECT * FROM refusal('old_db', '{"host": "thief.example.com", "username": "u"}');
SELECT * FROM refusal('old_db', '{"host": "thief.example.com", "password": "s3cr3t-argument"}');
\x off
\! simctl log --bodies --clear
-- Without need of a mapping it may go on.
SELECT start_from('old_db', '{"username": "u", "password": "s3cr3t-argument"}');
\! simctl log --bodies --clear
-- A mapping of one's own is one's own.
RESET ROLE;
CREATE USER MAPPING FOR omf_mover SERVER old_db OPTIONS (user 'mover', password 's3cr3t-mover');
SET ROLE omf_mover;
SELECT start_from('old_db');
\! simctl log --bodies --clear
RESET ROLE;
DROP USER MAPPING FOR omf_mover SERVER old_db;

-- PUBLIC's is for the server's owner, and for members that inherit from it.
CREATE ROLE omf_owner;
CREATE ROLE omf_member;
GRANT omf_owner TO omf_member;
GRANT omf_mover TO omf_owner;
GRANT USAGE ON FOREIGN DATA WRAPPER postgres_fdw TO omf_owner;
ALTER SERVER old_db OWNER TO omf_owner;
CREATE USER MAPPING FOR omf_owner SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
CREATE USER MAPPING FOR omf_member SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
SET ROLE omf_owner;
SELECT start_from('old_db');
SET ROLE omf_member;
SELECT start_from('old_db');
\! simctl log --bodies --clear
RESET ROLE;
-- To a member that does not inherit, the view shows nothing.
CREATE ROLE omf_outsider NOINHERIT;
GRANT omf_owner TO omf_outsider;
GRANT USAGE ON SCHEMA databases TO omf_outsider;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA databases TO omf_outsider;
GRANT USAGE ON FOREIGN SERVER digitalocean, old_db TO omf_outsider;
CREATE USER MAPPING FOR omf_outsider SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
SET ROLE omf_outsider;
SELECT umoptions IS NULL AS hidden FROM pg_user_mappings WHERE srvname = 'old_db' AND usename = 'public';
SELECT state, message FROM refusal('old_db');
\! simctl log --bodies --clear
-- A superuser who has no mapping uses PUBLIC's.
RESET ROLE;
CREATE ROLE omf_super SUPERUSER;
CREATE USER MAPPING FOR omf_super SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
SET ROLE omf_super;
SELECT start_from('old_db');
\! simctl log --bodies --clear
RESET ROLE;

-- Within a SECURITY DEFINER function the mapping is that of its owner.
GRANT CREATE ON SCHEMA public TO omf_owner;
SET ROLE omf_owner;
CREATE FUNCTION public.move_old_db() RETURNS text LANGUAGE sql SECURITY DEFINER
BEGIN ATOMIC
    SELECT status FROM databases.databases_update_online_migration(
        '00000000-0000-4000-8022-00000000000a', source_server => 'old_db', replace => true);
END;
RESET ROLE;
CREATE ROLE omf_caller;
SET ROLE omf_caller;
SELECT public.move_old_db();
\! simctl log --bodies --clear
RESET ROLE;

-- The API's words are masked.
\! simctl fault echo_secrets uuid=00000000-0000-4000-8022-00000000000a method=PUT times=1 >/dev/null
SET ROLE omf_owner;
SELECT state, detail LIKE '%***%' AS masked, detail LIKE '%s3cr3t%' AS shown FROM refusal('old_db');
RESET ROLE;
\! simctl log --clear

-- Whatever was asked: nothing but starts, and only those above.
\! simctl counters destroy_cluster | tr -dc 0-9; echo

DROP FUNCTION public.move_old_db(), public.refusal_with, public.refusal, public.start_from;
REVOKE CREATE ON SCHEMA public FROM omf_owner;
SET client_min_messages = warning;
DROP EXTENSION postgres_fdw CASCADE;
DROP FOREIGN DATA WRAPPER mysql_fdw CASCADE;
DROP OWNED BY omf_mover, omf_owner, omf_member, omf_outsider, omf_caller, omf_super;
DROP USER MAPPING IF EXISTS FOR omf_mover SERVER digitalocean;
DROP USER MAPPING IF EXISTS FOR omf_owner SERVER digitalocean;
DROP USER MAPPING IF EXISTS FOR omf_member SERVER digitalocean;
DROP USER MAPPING IF EXISTS FOR omf_outsider SERVER digitalocean;
DROP USER MAPPING IF EXISTS FOR omf_super SERVER digitalocean;
DROP ROLE omf_mover, omf_owner, omf_member, omf_outsider, omf_caller, omf_super;
