-- history.sql: keeps a history of migrations.  The API keeps only the most
-- recent migration of each cluster; what is recorded here stays.
--
--   psql -d digitalocean -f examples/history.sql
--
-- Needs:  pg_cron in this database, and a user mapping of the role that runs
--         this file, which the job then runs as.
-- Makes:  JOBS.migration_statuses    a row for each status of each migration
--         JOBS.migration_history     a view of that, a row for each migration
--         JOBS.record_migrations()   the recording; CALL it by hand, too
--         the job "record migrations"
-- Takes:  -v schema=NAME     where the foreign tables are (databases)
--         -v jobs=NAME       schema to make these in (migration_jobs)
--         -v schedule=CRON   when to record, in GMT (*/5 * * * *)
-- Again:  may be run again, to change the schedule.
-- Remove: SELECT cron.unschedule('record migrations');
--         DROP PROCEDURE migration_jobs.record_migrations;
--         and, with what has been recorded,
--         DROP VIEW migration_jobs.migration_history;
--         DROP TABLE migration_jobs.migration_statuses;
--
-- A run that fails records nothing, and the next one goes on.  Runs that
-- overlap are harmless.  A status that came and went between two runs is not
-- seen.

\set ON_ERROR_STOP on
\set QUIET on
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
	\set schedule '*/5 * * * *'
\endif

BEGIN;
SET LOCAL client_min_messages = warning;

-- A role that may not create schemas is given one.
SELECT NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = :'jobs') AS missing \gset
\if :missing
	CREATE SCHEMA :"jobs";
\endif

-- The API may say that there is a migration and nothing else: then id and
-- status are NULL.  There is one such row for a cluster, not one for each run.
CREATE TABLE IF NOT EXISTS :"jobs".migration_statuses (
    database_cluster_uuid uuid NOT NULL,
    id                    text,
    created_at            timestamptz,
    status                text,
    first_seen            timestamptz NOT NULL,
    last_seen             timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (database_cluster_uuid, id, status)
);

COMMENT ON TABLE :"jobs".migration_statuses IS
'each status in which a migration has been seen, and when first and last';

-- The latest status that was seen is the current one.
CREATE OR REPLACE VIEW :"jobs".migration_history AS
SELECT database_cluster_uuid, id,
       max(created_at) AS created_at,
       (array_agg(status ORDER BY last_seen DESC, first_seen DESC))[1] AS status,
       (array_agg(first_seen ORDER BY last_seen DESC, first_seen DESC))[1] AS status_since,
       min(first_seen) AS first_seen,
       max(last_seen) AS last_seen
FROM :"jobs".migration_statuses
GROUP BY database_cluster_uuid, id;

COMMENT ON VIEW :"jobs".migration_history IS
'each migration that has been seen, with its latest status';

-- Sorted, so that two runs at once lock the rows in the same order.  A run
-- that comes in late changes nothing that a later one has seen.
CREATE OR REPLACE PROCEDURE :"jobs".record_migrations()
LANGUAGE sql
BEGIN ATOMIC
    INSERT INTO :"jobs".migration_statuses AS known
        (database_cluster_uuid, id, created_at, status, first_seen, last_seen)
    SELECT m.database_cluster_uuid, m.id, m.created_at, m.status,
           statement_timestamp(), statement_timestamp()
    FROM :"schema".online_migrations AS m
    ORDER BY m.database_cluster_uuid
    ON CONFLICT (database_cluster_uuid, id, status) DO UPDATE
    SET created_at = coalesce(known.created_at, excluded.created_at),
        first_seen = least(known.first_seen, excluded.first_seen),
        last_seen = greatest(known.last_seen, excluded.last_seen);
END;

SELECT cron.schedule('record migrations', :'schedule',
                     format('CALL %I.record_migrations()', :'jobs')) AS job;

COMMIT;
