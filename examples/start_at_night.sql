-- start_at_night.sql: starts a migration of one cluster in the coming night.
--
--   psql -d digitalocean -f examples/start_at_night.sql \
--        -v cluster=9cc10173-e9ea-4176-9dbc-a4cee4c4ff30 \
--        -v source_server=shop_source
--
-- Needs:  pg_cron in this database; a user mapping, USAGE on the server and
--         EXECUTE on databases_update_online_migration for the role that runs
--         this file, which the job then runs as; and a foreign server of
--         postgres_fdw or mysql_fdw that says where to copy from, with a
--         mapping and USAGE for that role: no password is in the job.
-- Makes:  JOBS.start_migration()   starts it, if it has not been
--         the job "start migration of CLUSTER"
-- Takes:  -v cluster=UUID          cluster to copy into
--         -v source_server=NAME    foreign server to copy from
--         -v server=NAME           foreign server of the account (digitalocean)
--         -v schema=NAME           where tables and functions are (databases)
--         -v jobs=NAME             schema to make these in (migration_jobs)
--         -v schedule=CRON         when, in GMT (0 2 * * *)
-- Again:  running it again asks for a start after that time.
-- Remove: SELECT cron.unschedule('start migration of 9cc10173-...');
--         DROP FUNCTION migration_jobs.start_migration;
--
-- The job stays on the schedule, and starts one migration in all:
--   - A migration that was created since this file was run is the one that was
--     wanted, whatever became of it: the job does nothing from then on.
--   - While an older one is under way, the job does nothing, and looks again
--     the next night.
--   - A start that failed is tried again the next night.  If nobody knows
--     whether it was carried out (HV010), looking finds that out by then.
-- Doing nothing is a success, with a NOTICE.  Between the look and the start,
-- the start function's own guard still refuses a second one (55000).

\set ON_ERROR_STOP on
\set QUIET on
\if :{?cluster}
\else
	DO $$ BEGIN RAISE 'start_at_night.sql wants -v cluster=UUID and -v source_server=NAME'; END $$;
\endif
\if :{?source_server}
\else
	DO $$ BEGIN RAISE 'start_at_night.sql wants -v cluster=UUID and -v source_server=NAME'; END $$;
\endif
\if :{?server}
\else
	\set server digitalocean
\endif
\if :{?schema}
\else
	\set schema databases
\endif
\if :{?jobs}
\else
	\set jobs migration_jobs
\endif
\if :{?schedule}
\else
	\set schedule '0 2 * * *'
\endif

BEGIN;
SET LOCAL client_min_messages = warning;

-- A role that may not create schemas is given one.
SELECT NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = :'jobs') AS missing \gset
\if :missing
	CREATE SCHEMA :"jobs";
\endif

CREATE OR REPLACE FUNCTION :"jobs".start_migration(cluster uuid, source_server text, server text, since timestamptz)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, :"schema", pg_temp
AS $$
DECLARE
    latest record;
BEGIN
    SELECT m.id, m.created_at, m.status INTO latest
    FROM online_migrations AS m
    WHERE m.database_cluster_uuid = cluster;

    IF latest.status IN ('running', 'syncing') OR latest.created_at >= since THEN
        RAISE NOTICE 'no migration of cluster % is started: migration % is %',
            cluster, latest.id, latest.status;
        RETURN false;
    END IF;

    PERFORM FROM databases_update_online_migration(
        database_cluster_uuid => cluster,
        source_server         => start_migration.source_server,
        server                => start_migration.server);
    RETURN true;
END
$$;

SELECT cron.schedule('start migration of ' || :'cluster'::uuid, :'schedule',
                     format('SELECT %I.start_migration(%L, %L, %L, %L)',
                            :'jobs', :'cluster'::uuid, :'source_server',
                            :'server', date_trunc('second', now()))) AS job;

COMMIT;
