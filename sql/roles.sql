-- Whose token is sent, who may do what, and what a view hides from the API.
\! simctl reset >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000a engine=pg >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000b engine=pg >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000c engine=pg >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000b done id-b 2020-10-28T15:21:36Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000c error id-c 2020-10-28T15:21:37Z >/dev/null
\set a 00000000-0000-4000-8000-00000000000a
\set b 00000000-0000-4000-8000-00000000000b
\set c 00000000-0000-4000-8000-00000000000c
\set least '{"host": "src.example.com", "port": 25060}'
\set SHOW_CONTEXT never
SET timezone = 'UTC';
CREATE ROLE omf_reader;
CREATE ROLE omf_operator;
CREATE ROLE omf_stranger;
CREATE SCHEMA roles;
GRANT USAGE ON SCHEMA databases, roles TO omf_reader, omf_operator, omf_stranger;
SET search_path = roles, databases;

-- Without any grant: no table, no function.
SET ROLE omf_reader;
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'a', :'least');
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'a', 'id-a');
\echo :SQLSTATE
RESET ROLE;

-- The table is readable with a token of one's own only.
GRANT SELECT ON online_migrations TO omf_reader, omf_operator;
SET ROLE omf_reader;
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
RESET ROLE;
\! simctl log --clear
-- A mapping without a token is none, and quotes are where they belong.
CREATE ROLE "Omf O'Brien";
GRANT omf_reader TO "Omf O'Brien";
CREATE USER MAPPING FOR "Omf O'Brien" SERVER digitalocean;
SET ROLE "Omf O'Brien";
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
RESET ROLE;
DROP USER MAPPING FOR "Omf O'Brien" SERVER digitalocean;
DROP ROLE "Omf O'Brien";

-- That token decides.
CREATE USER MAPPING FOR omf_reader SERVER digitalocean OPTIONS (token 'dop_v1_readonly');
CREATE USER MAPPING FOR omf_operator SERVER digitalocean OPTIONS (token 'dop_v1_simulator');
SET ROLE omf_reader;
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
SET ROLE omf_operator;
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
RESET ROLE;
\! simctl log --clear

-- Functions want EXECUTE and USAGE on the server, both.
GRANT EXECUTE ON FUNCTION databases_update_online_migration, databases_delete_online_migration TO omf_reader;
GRANT USAGE ON FOREIGN SERVER digitalocean TO omf_operator;
SET ROLE omf_reader;
SELECT * FROM databases_update_online_migration(:'a', :'least', replace => true);
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'a', 'id-a');
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'a', 'id-a', server => 'digitalocean');
\echo :SQLSTATE
SET ROLE omf_operator;
SELECT * FROM databases_update_online_migration(:'a', :'least', replace => true);
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'a', 'id-a');
\echo :SQLSTATE
RESET ROLE;
\! simctl log --clear
GRANT EXECUTE ON FUNCTION databases_update_online_migration, databases_delete_online_migration TO omf_operator;
GRANT USAGE ON FOREIGN SERVER digitalocean TO omf_reader;
-- Now the API refuses what the token may not, and does what it may.
SET ROLE omf_reader;
SELECT state, message FROM public.failure($$ SELECT databases.databases_delete_online_migration('00000000-0000-4000-8000-00000000000a', 'id-a') $$);
SELECT state, message FROM public.failure($$ SELECT * FROM databases.databases_update_online_migration('00000000-0000-4000-8000-00000000000a', '{"host": "h", "port": 1}', replace => true) $$);
SET ROLE omf_operator;
SELECT databases_delete_online_migration(:'a', 'id-a');
RESET ROLE;
\! simctl log --clear
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null

-- PUBLIC's mapping serves who has none; one's own wins.
CREATE USER MAPPING FOR PUBLIC SERVER digitalocean OPTIONS (token 'dop_v1_noscope');
GRANT SELECT ON online_migrations TO omf_stranger;
SET ROLE omf_stranger;
SELECT state, message FROM public.failure($$ SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a' $$);
SET ROLE omf_reader;
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
RESET ROLE;
ALTER USER MAPPING FOR PUBLIC SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
SET ROLE omf_stranger;
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
RESET ROLE;
DROP USER MAPPING FOR PUBLIC SERVER digitalocean;
SET ROLE omf_stranger;
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
RESET ROLE;
\! simctl log --clear

-- A prepared statement follows the role, not the one it was planned for.
PREPARE follows AS SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a';
SET ROLE omf_operator;
EXECUTE follows;
SET ROLE omf_stranger;
EXECUTE follows;
\echo :SQLSTATE
RESET ROLE;
\! simctl log --clear

-- A view reads with its owner's token, whoever asks.
CREATE VIEW of_operator AS SELECT * FROM databases.online_migrations;
ALTER VIEW of_operator OWNER TO omf_operator;
GRANT SELECT ON of_operator TO omf_stranger;
SET ROLE omf_stranger;
SELECT status FROM of_operator WHERE database_cluster_uuid = :'a';
RESET ROLE;
-- With security_invoker it is the reader's.
CREATE VIEW of_invoker WITH (security_invoker) AS SELECT * FROM databases.online_migrations;
ALTER VIEW of_invoker OWNER TO omf_operator;
GRANT SELECT ON of_invoker TO omf_stranger, omf_reader;
SET ROLE omf_stranger;
SELECT status FROM of_invoker WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
SET ROLE omf_reader;
SELECT status FROM of_invoker WHERE database_cluster_uuid = :'a';
RESET ROLE;
-- A view whose owner has no token fails for the superuser too.
CREATE VIEW of_stranger AS SELECT * FROM databases.online_migrations;
ALTER VIEW of_stranger OWNER TO omf_stranger;
SELECT status FROM of_stranger WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
\! simctl log --clear

-- A SECURITY DEFINER wrapper acts with its owner's token and rights.
CREATE FUNCTION stop_it(cluster uuid, migration text) RETURNS boolean
SECURITY DEFINER LANGUAGE sql
AS $$ SELECT databases.databases_delete_online_migration(cluster, migration) $$;
ALTER FUNCTION stop_it OWNER TO omf_operator;
CREATE FUNCTION stop_it_as_caller(cluster uuid, migration text) RETURNS boolean LANGUAGE sql
AS $$ SELECT databases.databases_delete_online_migration(cluster, migration) $$;
SET ROLE omf_stranger;
SELECT stop_it_as_caller(:'a', 'id-a');
\echo :SQLSTATE
SELECT stop_it(:'a', 'id-a');
RESET ROLE;
\! simctl log --clear
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null

-- A security barrier: the API hears of no cluster that the view hides.
CREATE TABLE visible (cluster uuid, owner name);
INSERT INTO visible VALUES (:'a', 'omf_stranger'), (:'b', 'omf_reader');
CREATE VIEW barrier WITH (security_barrier) AS
    SELECT m.* FROM databases.online_migrations m
    WHERE m.database_cluster_uuid = ANY (ARRAY(SELECT v.cluster FROM visible v WHERE v.owner = CURRENT_USER));
CREATE VIEW barrier_constant WITH (security_barrier) AS
    SELECT * FROM databases.online_migrations WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a';
CREATE VIEW barrier_join WITH (security_barrier) AS
    SELECT m.* FROM visible v JOIN databases.online_migrations m ON m.database_cluster_uuid = v.cluster WHERE v.owner = CURRENT_USER;
CREATE VIEW barrier_status WITH (security_barrier) AS
    SELECT * FROM databases.online_migrations WHERE database_cluster_uuid IN ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b') AND status <> 'done';
ALTER VIEW barrier OWNER TO omf_operator;
ALTER VIEW barrier_constant OWNER TO omf_operator;
ALTER VIEW barrier_join OWNER TO omf_operator;
ALTER VIEW barrier_status OWNER TO omf_operator;
GRANT SELECT ON visible TO omf_operator;
GRANT SELECT ON barrier, barrier_constant, barrier_join, barrier_status TO omf_stranger;
-- A function that tells what it sees, cheap enough to be called first.
CREATE FUNCTION leak(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS
$$ BEGIN RAISE NOTICE 'leaked: %', $1; RETURN true; END $$;
-- One that tells nothing, as it gets nothing of a row.
CREATE FUNCTION other_key(uuid) RETURNS uuid LANGUAGE plpgsql STABLE COST 0.0000001 AS
$$ BEGIN RETURN $1; END $$;
SET ROLE omf_stranger;
SELECT database_cluster_uuid, status FROM barrier;
\! simctl log --sort --clear
SELECT database_cluster_uuid, status FROM barrier WHERE database_cluster_uuid = :'b';
SELECT database_cluster_uuid, status FROM barrier WHERE database_cluster_uuid IN (:'b', :'c');
SELECT database_cluster_uuid, status FROM barrier WHERE database_cluster_uuid = :'c' OR database_cluster_uuid = :'b';
SELECT database_cluster_uuid, status FROM barrier_constant WHERE database_cluster_uuid = :'c';
SELECT database_cluster_uuid, status FROM barrier_join WHERE database_cluster_uuid = :'c';
\! simctl log --sort --clear | grep -v 00000000000a
SELECT database_cluster_uuid, status FROM barrier WHERE database_cluster_uuid IN (:'a', :'b', :'c');
SELECT database_cluster_uuid, status FROM barrier_join WHERE database_cluster_uuid IN (:'a', :'b', :'c');
\! simctl log --sort --clear
-- Leaky functions see what the view shows, and nothing else.
SELECT database_cluster_uuid, status FROM barrier WHERE leak(database_cluster_uuid);
SELECT database_cluster_uuid, status FROM barrier WHERE leak(database_cluster_uuid) AND database_cluster_uuid IN (:'a', :'b', :'c');
SELECT database_cluster_uuid, status FROM barrier WHERE database_cluster_uuid = other_key(:'c');
SELECT database_cluster_uuid, status FROM barrier WHERE database_cluster_uuid = other_key(:'a');
SELECT database_cluster_uuid, status FROM barrier WHERE database_cluster_uuid::text = :'b';
SELECT database_cluster_uuid, status FROM barrier_join WHERE database_cluster_uuid = other_key(:'c');
SELECT database_cluster_uuid, status FROM barrier_constant WHERE leak(status) AND database_cluster_uuid IN (:'a', :'b');
\! simctl log --clear | grep -v 00000000000a
-- The row of b is asked for, being of the view's own clause, and not shown.
SELECT database_cluster_uuid, status FROM barrier_status WHERE leak(status);
\! simctl log --sort --clear
-- The reader's keys still narrow where that tells nothing.
SELECT database_cluster_uuid, status FROM barrier_status WHERE database_cluster_uuid = :'a';
\! simctl log --sort --clear
RESET ROLE;

-- Another account does not know these clusters.
CREATE USER MAPPING FOR omf_stranger SERVER digitalocean OPTIONS (token 'dop_v1_second');
SET ROLE omf_stranger;
SELECT database_cluster_uuid, status FROM online_migrations WHERE database_cluster_uuid IN (:'a', :'b');
\! simctl log --sort --clear
RESET ROLE;

-- A foreign table below a table with row-level security: a clause of the
-- reader's chooses clusters only where PostgreSQL would evaluate it before the
-- policy, which takes it to be leakproof throughout.
ALTER USER MAPPING FOR omf_stranger SERVER digitalocean OPTIONS (SET token 'dop_v1_simulator');
CREATE TABLE guarded (database_cluster_uuid uuid, id text, created_at timestamptz, status text);
CREATE FOREIGN TABLE guarded_remote () INHERITS (guarded) SERVER digitalocean;
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
CREATE POLICY guard ON guarded USING (status <> 'done');
GRANT SELECT ON guarded TO omf_stranger;
SET ROLE omf_stranger;
SELECT database_cluster_uuid, status FROM guarded WHERE database_cluster_uuid IN (:'a', :'b') ORDER BY 1;
\! simctl log --sort --clear
SELECT database_cluster_uuid, status FROM guarded WHERE database_cluster_uuid IN (other_key(:'a'), other_key(:'b')) AND leak(status) ORDER BY 1;
\! simctl log --sort --clear
-- uuid's output function is not leakproof: this one may not choose, and the
-- account is listed.
SELECT database_cluster_uuid, status FROM guarded WHERE database_cluster_uuid::text = :'b';
\! simctl log --sort --clear | grep 00000000-0000-
RESET ROLE;
ALTER POLICY guard ON guarded USING (database_cluster_uuid = ANY (ARRAY(SELECT v.cluster FROM roles.visible v WHERE v.owner = CURRENT_USER)));
GRANT SELECT ON visible TO omf_stranger;
SET ROLE omf_stranger;
SELECT database_cluster_uuid, status FROM guarded WHERE database_cluster_uuid IN (:'a', :'b', :'c') AND leak(status);
SELECT database_cluster_uuid, status FROM guarded WHERE database_cluster_uuid = other_key(:'c');
SELECT database_cluster_uuid, status FROM guarded WHERE database_cluster_uuid::text = :'b';
\! simctl log --sort --clear
RESET ROLE;

-- What was never to happen.
\! simctl counters destroy_cluster | tr -dc 0-9; echo

SET client_min_messages = warning;
DROP SCHEMA roles CASCADE;
DROP OWNED BY omf_reader, omf_operator, omf_stranger;
DROP ROLE omf_reader, omf_operator, omf_stranger;
