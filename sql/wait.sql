-- The procedure that waits for an online migration: what it is given, and
-- where it ends at once.  What takes time is in test/t/010_wait.pl, and what
-- takes minutes in test/unit/test_wait_state.c.
\! simctl reset >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000b done id-b 2020-10-28T15:21:36Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000c error id-c 2020-10-28T15:21:37Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000d canceled id-d 2020-10-28T15:21:38Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000e running id-e 2020-10-28T15:21:39Z >/dev/null
\set a 00000000-0000-4000-8000-00000000000a
\set b 00000000-0000-4000-8000-00000000000b
\set c 00000000-0000-4000-8000-00000000000c
\set d 00000000-0000-4000-8000-00000000000d
\set e 00000000-0000-4000-8000-00000000000e
SET search_path = databases;
SET intervalstyle = 'postgres';
\set SHOW_CONTEXT never

-- What is waited for is there already.
CALL databases_wait_online_migration(:'a');
CALL databases_wait_online_migration(:'b');
CALL databases_wait_online_migration(database_cluster_uuid => :'a', migration_id => 'id-a', until => '{syncing}',
    timeout => '1 min', poll_interval => '5 s', server => 'digitalocean');
CALL databases_wait_online_migration(:'c', until => '{error}');
CALL databases_wait_online_migration(:'d', until => '{error,canceled}');
CALL databases_wait_online_migration(:'e', 'id-e', '{running,running}', poll_interval => '1 month');
\! simctl log --clear

-- It has ended, and in another way.
CALL databases_wait_online_migration(:'b', until => '{syncing}');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'c');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'d', 'id-d');
\echo :SQLSTATE
\! simctl log --clear

-- The context tells what was waited for.
\set SHOW_CONTEXT errors
CALL databases_wait_online_migration('00000000-0000-4000-8000-0000000000fe', timeout => '00:00');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', 'id-zzz', timeout => '0 s');
\! simctl log --clear
\set SHOW_CONTEXT never

-- What no other try could help ends it at once; the request's id differs.
\set VERBOSITY terse
CALL databases_wait_online_migration('0badc0de-0000-4000-8000-000000000401');
\echo :SQLSTATE
CALL databases_wait_online_migration('0badc0de-0000-4000-8000-000000000403');
\echo :SQLSTATE
CALL databases_wait_online_migration('0badc0de-0000-4000-8000-000000000400');
\echo :SQLSTATE
CALL databases_wait_online_migration('0badc0de-0000-4000-8000-000000000302');
\echo :SQLSTATE
CALL databases_wait_online_migration('0badc0de-0000-4000-8000-000000000501');
\echo :SQLSTATE
\! simctl fault not_json uuid=00000000-0000-4000-8000-00000000000a times=1 >/dev/null
CALL databases_wait_online_migration(:'a');
\echo :SQLSTATE
\! simctl log --clear
\set VERBOSITY default

-- Nothing of what follows is sent.
CALL databases_wait_online_migration(NULL);
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', until => NULL);
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', poll_interval => NULL);
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', '..');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', '');
CALL databases_wait_online_migration(:'a', repeat('a', 65));
CALL databases_wait_online_migration(:'a', until => '{}');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', until => '{done,NULL}');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', until => '{{done},{syncing}}');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', until => '{cancelled}');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', until => '{done,Syncing}');
CALL databases_wait_online_migration(:'a', until => '{""}');
CALL databases_wait_online_migration(:'a', timeout => '-1 s');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', timeout => '1 day -1 month');
CALL databases_wait_online_migration(:'a', poll_interval => '0.999 s');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', poll_interval => '0');
CALL databases_wait_online_migration(:'a', poll_interval => '-1 day');
CALL databases_wait_online_migration(:'a', poll_interval => '1 day -1 month');
CALL databases_wait_online_migration(:'a', server => 'nowhere');
\echo :SQLSTATE
CREATE FOREIGN DATA WRAPPER wait_other;
CREATE SERVER wait_other FOREIGN DATA WRAPPER wait_other;
CALL databases_wait_online_migration(:'a', server => 'wait_other');
\echo :SQLSTATE
CREATE SERVER wait_second FOREIGN DATA WRAPPER online_migrations_fdw;
CALL databases_wait_online_migration(:'a');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a', server => 'wait_second');
\echo :SQLSTATE
DROP SERVER wait_second;
DROP SERVER wait_other;
DROP FOREIGN DATA WRAPPER wait_other;

-- Nor where it could not commit.
BEGIN;
CALL databases_wait_online_migration(:'a');
\echo :SQLSTATE
ROLLBACK;
CREATE FUNCTION pg_temp.wait(cluster uuid) RETURNS void LANGUAGE plpgsql AS
$$ BEGIN CALL databases.databases_wait_online_migration(cluster); END $$;
\set VERBOSITY terse
SELECT pg_temp.wait(:'a');
\echo :SQLSTATE
DO $$ BEGIN
    CALL databases.databases_wait_online_migration('00000000-0000-4000-8000-00000000000a');
EXCEPTION WHEN division_by_zero THEN NULL;
END $$;
\echo :SQLSTATE
SELECT 1 AS one\; CALL databases_wait_online_migration(:'a');
\echo :SQLSTATE
CALL databases_wait_online_migration(:'a')\; SELECT 1 AS one;
\echo :SQLSTATE
\set AUTOCOMMIT off
CALL databases_wait_online_migration(:'a');
\echo :SQLSTATE
ROLLBACK;
\set AUTOCOMMIT on
CREATE PROCEDURE pg_temp.wait_definer(cluster uuid) SECURITY DEFINER LANGUAGE plpgsql AS
$$ BEGIN CALL databases.databases_wait_online_migration(cluster); END $$;
CALL pg_temp.wait_definer(:'a');
\echo :SQLSTATE
\set VERBOSITY default
\! simctl log --clear

-- It can be called from DO and from procedures, and commits there.
CREATE TEMP TABLE seen (at text);
DO $$ BEGIN
    INSERT INTO seen VALUES ('before');
    CALL databases.databases_wait_online_migration('00000000-0000-4000-8000-00000000000a');
    INSERT INTO seen VALUES ('after');
    ROLLBACK;
END $$;
TABLE seen;
CREATE PROCEDURE pg_temp.wait_twice() LANGUAGE plpgsql AS $$
DECLARE
    cluster uuid;
BEGIN
    -- a loop's cursor outlives the commits
    FOR cluster IN SELECT ('00000000-0000-4000-8000-00000000000' || c)::uuid FROM unnest('{a,b}'::text[]) c LOOP
        CALL databases.databases_wait_online_migration(cluster);
    END LOOP;
END $$;
CALL pg_temp.wait_twice();

-- It reads, so a read-only session may call it.
SET default_transaction_read_only = on;
CALL databases_wait_online_migration(:'a');
RESET default_transaction_read_only;

-- It is not for everybody: EXECUTE, USAGE, and a token of one's own.
\set VERBOSITY terse
CREATE ROLE omf_waiter;
GRANT USAGE ON SCHEMA databases TO omf_waiter;
\! simctl log --clear
SET ROLE omf_waiter;
CALL databases_wait_online_migration(:'a');
\echo :SQLSTATE
RESET ROLE;
GRANT EXECUTE ON PROCEDURE databases_wait_online_migration TO omf_waiter;
SET ROLE omf_waiter;
CALL databases_wait_online_migration(:'a');
\echo :SQLSTATE
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER digitalocean TO omf_waiter;
SET ROLE omf_waiter;
CALL databases_wait_online_migration(:'a');
\echo :SQLSTATE
\! simctl log --clear
RESET ROLE;
CREATE USER MAPPING FOR omf_waiter SERVER digitalocean OPTIONS (token 'dop_v1_readonly');
SET ROLE omf_waiter;
CALL databases_wait_online_migration(:'a');
RESET ROLE;
\! simctl log --clear
DROP USER MAPPING FOR omf_waiter SERVER digitalocean;
REVOKE ALL ON PROCEDURE databases_wait_online_migration FROM omf_waiter;
REVOKE ALL ON FOREIGN SERVER digitalocean FROM omf_waiter;
REVOKE ALL ON SCHEMA databases FROM omf_waiter;
DROP ROLE omf_waiter;
