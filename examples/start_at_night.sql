-- start_at_night.sql: starts migrations in the coming night, one job for all.
--
--   psql -d digitalocean -f examples/start_at_night.sql \
--        -v cluster=9cc10173-e9ea-4176-9dbc-a4cee4c4ff30 \
--        -v source_server=shop_source
--
-- Needs:  pg_cron in this database; a user mapping, USAGE on the server and
--         EXECUTE on databases_update_online_migration for the role that runs
--         this file, which the job then runs as; and for each cluster a foreign
--         server of postgres_fdw or mysql_fdw that says where to copy from, with
--         a mapping and USAGE for that role: no password is in the job.
-- Makes:  JOBS.wanted_starts       which clusters are to be started, and what
--                                  has come of it
--         JOBS.start_migrations()  starts them, each once
--         the job "start migrations"
-- Takes:  -v cluster=UUID          cluster to copy into, if any is to be added
--         -v source_server=NAME    foreign server to copy from
--         -v server=NAME           foreign server of the account (digitalocean)
--         -v schema=NAME           where tables and functions are (databases)
--         -v jobs=NAME             schema to make these in (migration_jobs)
--         -v schedule=CRON         when, in GMT (0 2 * * *)
-- Again:  with another cluster, that one is started, too; with the same one, a
--         start after that time is asked for.  Many are one statement:
--         INSERT INTO migration_jobs.wanted_starts (database_cluster_uuid, source_server)
--         SELECT ...
-- Remove: SELECT cron.unschedule('start migrations');
--         DROP PROCEDURE migration_jobs.start_migrations;
--         DROP TABLE migration_jobs.wanted_starts;
--
-- The job stays on the schedule, and starts one migration of each cluster:
--   - A migration that was created since it was wanted is the one that was
--     wanted, whatever became of it: from then on it has started_at and id.
--   - While an older one is under way, nothing is started, and the job looks
--     again the next night.
--   - A start that fails has last_error, does not keep the others from being
--     started, and is tried again the next night.  If nobody knows whether it
--     was carried out (HV010), looking finds that out by then; within ten minutes
--     it is not tried again.
-- Each start is committed before the next one is made.  A run in which a start
-- has failed ends as failed, after all others.  Between the look and the start,
-- the start function's own guard still refuses a second one (55000).

\set ON_ERROR_STOP on
\set QUIET on
\if :{?cluster}
	\if :{?source_server}
	\else
		DO $$ BEGIN RAISE 'start_at_night.sql wants -v source_server=NAME with -v cluster=UUID'; END $$;
	\endif
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

-- The API tells of a migration's creation in seconds.
CREATE TABLE IF NOT EXISTS :"jobs".wanted_starts (
    database_cluster_uuid uuid PRIMARY KEY,
    source_server         text NOT NULL,
    server                text NOT NULL DEFAULT :'server',
    wanted_since          timestamptz NOT NULL DEFAULT date_trunc('second', now()),
    started_at            timestamptz,
    id                    text,
    last_tried            timestamptz,
    last_error            text
);

COMMENT ON TABLE :"jobs".wanted_starts IS
'migrations that are to be started at night, each once, and what has come of it';

-- A procedure that commits can't have a search_path of its own, so the names
-- in it are put in here.  No error has a secret in it.
SELECT replace(replace($procedure$
CREATE OR REPLACE PROCEDURE JOBS.start_migrations()
LANGUAGE plpgsql
AS $$
DECLARE
    wanted record;
    latest_id text;
    latest_created_at timestamptz;
    latest_status text;
    failure text;
    detail text;
    hint text;
    failed integer := 0;
BEGIN
    FOR wanted IN
        SELECT w.database_cluster_uuid AS cluster, w.source_server, w.server, w.wanted_since,
               CASE WHEN w.last_error LIKE 'HV010%' AND w.last_tried > pg_catalog.now() - interval '10 minutes'
                    THEN w.last_error END AS unknown, w.last_tried
        FROM JOBS.wanted_starts AS w
        WHERE w.started_at IS NULL
        ORDER BY w.wanted_since, w.database_cluster_uuid
    LOOP
        failure := NULL;
        BEGIN
            -- what the API says now, whatever cache_ttl is
            PERFORM pg_catalog.set_config('online_migrations_fdw.cache', 'off', true);
            SELECT m.id, m.created_at, m.status
            INTO latest_id, latest_created_at, latest_status
            FROM SCHEMA.online_migrations AS m
            WHERE m.database_cluster_uuid = wanted.cluster;

            IF latest_created_at >= wanted.wanted_since THEN
                RAISE NOTICE 'migration % of cluster % is the one that was wanted: it is %',
                    latest_id, wanted.cluster, latest_status;
            ELSIF latest_status IN ('running', 'syncing') THEN
                RAISE NOTICE 'no migration of cluster % is started: migration % is %',
                    wanted.cluster, latest_id, latest_status;
                latest_id := NULL;
                latest_created_at := NULL;
            ELSIF wanted.unknown IS NOT NULL THEN
                RAISE NOTICE 'no migration of cluster % is started: one may have been at %, and does not show yet',
                    wanted.cluster, wanted.last_tried;
                CONTINUE;
            ELSE
                SELECT u.id, coalesce(u.created_at, pg_catalog.clock_timestamp())
                INTO latest_id, latest_created_at
                FROM SCHEMA.databases_update_online_migration(
                    database_cluster_uuid => wanted.cluster,
                    source_server         => wanted.source_server,
                    server                => wanted.server) AS u;
            END IF;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
            failure := pg_catalog.format('%s: %s: %s %s', SQLSTATE, SQLERRM, detail, hint);
            latest_id := NULL;
            latest_created_at := NULL;
            failed := failed + 1;
            RAISE WARNING 'no migration of cluster % is started: %', wanted.cluster, failure;
        END;

        UPDATE JOBS.wanted_starts AS w
        SET started_at = latest_created_at,
            id = latest_id,
            last_tried = pg_catalog.clock_timestamp(),
            last_error = failure
        WHERE w.database_cluster_uuid = wanted.cluster;
        COMMIT;
    END LOOP;
    IF failed > 0 THEN
        RAISE 'wanted migrations that could not be started: %', failed
            USING HINT = 'last_error in the table wanted_starts says why.';
    END IF;
END
$$
$procedure$, 'JOBS.', quote_ident(:'jobs') || '.'), 'SCHEMA.', quote_ident(:'schema') || '.')
\gexec

\if :{?cluster}
	INSERT INTO :"jobs".wanted_starts (database_cluster_uuid, source_server, server)
	VALUES (:'cluster', :'source_server', :'server')
	ON CONFLICT (database_cluster_uuid) DO UPDATE
	SET source_server = excluded.source_server,
	    server = excluded.server,
	    wanted_since = excluded.wanted_since,
	    started_at = NULL,
	    id = NULL,
	    last_error = NULL;
\endif

SELECT cron.schedule('start migrations', :'schedule',
                     format('CALL %I.start_migrations()', :'jobs')) AS job;

COMMIT;
