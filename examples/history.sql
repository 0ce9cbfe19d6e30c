-- history.sql: keeps a history of migrations.  The API keeps only the most
-- recent migration of each cluster; what is recorded here stays.
--
--   psql -d digitalocean -f examples/history.sql
--
-- Needs:  pg_cron in this database, a user mapping of the role that runs this
--         file, which the job then runs as, and SELECT for it on
--         online_migrations and clusters.
-- Makes:  JOBS.migration_statuses    a row for each status of each migration
--         JOBS.migration_clusters    a row for each cluster
--         JOBS.migration_recordings  when the last recording succeeded
--         JOBS.migration_history     a view of these, a row for each migration
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
--         DROP TABLE migration_jobs.migration_clusters;
--         DROP TABLE migration_jobs.migration_recordings;
--
-- A run that fails records nothing, and the next one goes on; alert.sql tells
-- when none has succeeded for a while.  Runs that overlap wait for each other.
-- A status that came and went between two runs is not seen.
--
-- What is not there any more keeps its last status.  It has vanished where
-- vanished_at is set: its cluster is not listed any more (then the cluster has
-- cluster_vanished_at, too), or has another migration by now.  So those that
-- are under way are
--   SELECT * FROM migration_jobs.migration_history
--   WHERE status IN ('running', 'syncing') AND vanished_at IS NULL;

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

ALTER TABLE :"jobs".migration_statuses
    ADD COLUMN IF NOT EXISTS vanished_at timestamptz;

COMMENT ON TABLE :"jobs".migration_statuses IS
'each status in which a migration has been seen, and when first and last';

CREATE TABLE IF NOT EXISTS :"jobs".migration_clusters (
    database_cluster_uuid uuid PRIMARY KEY,
    name                  text,
    engine                text,
    first_listed          timestamptz NOT NULL,
    last_listed           timestamptz NOT NULL,
    vanished_at           timestamptz
);

COMMENT ON TABLE :"jobs".migration_clusters IS
'each cluster that has been listed, and since when it is not listed any more';

-- One row, which a run changes first: so one runs at a time.
CREATE TABLE IF NOT EXISTS :"jobs".migration_recordings (
    is_only     boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    recorded_at timestamptz NOT NULL
);
INSERT INTO :"jobs".migration_recordings (recorded_at)
VALUES (now()) ON CONFLICT DO NOTHING;

COMMENT ON TABLE :"jobs".migration_recordings IS
'when the last recording succeeded, or the first one was scheduled';

-- The latest status that was seen is the current one.
CREATE OR REPLACE VIEW :"jobs".migration_history AS
SELECT s.database_cluster_uuid, s.id,
       max(s.created_at) AS created_at,
       (array_agg(s.status ORDER BY s.last_seen DESC, s.first_seen DESC))[1] AS status,
       (array_agg(s.first_seen ORDER BY s.last_seen DESC, s.first_seen DESC))[1] AS status_since,
       min(s.first_seen) AS first_seen,
       max(s.last_seen) AS last_seen,
       (array_agg(s.vanished_at ORDER BY s.last_seen DESC, s.first_seen DESC))[1] AS vanished_at,
       c.name AS cluster_name,
       c.engine AS cluster_engine,
       c.last_listed AS cluster_last_listed,
       c.vanished_at AS cluster_vanished_at
FROM :"jobs".migration_statuses AS s
     LEFT JOIN :"jobs".migration_clusters AS c USING (database_cluster_uuid)
GROUP BY s.database_cluster_uuid, s.id, c.name, c.engine, c.last_listed, c.vanished_at;

COMMENT ON VIEW :"jobs".migration_history IS
'each migration that has been seen, with its latest status';

-- One statement asks for all, so the account is listed once.
CREATE OR REPLACE PROCEDURE :"jobs".record_migrations()
LANGUAGE sql
BEGIN ATOMIC
    UPDATE :"jobs".migration_recordings
    SET recorded_at = greatest(recorded_at, statement_timestamp());

    WITH listed AS MATERIALIZED (
        SELECT c.id, c.name, c.engine
        FROM :"schema".clusters AS c),
    seen AS MATERIALIZED (
        SELECT m.database_cluster_uuid, m.id, m.created_at, m.status
        FROM :"schema".online_migrations AS m),
    clusters AS (
        INSERT INTO :"jobs".migration_clusters AS known
            (database_cluster_uuid, name, engine, first_listed, last_listed)
        SELECT l.id, l.name, l.engine, statement_timestamp(), statement_timestamp()
        FROM listed AS l
        ON CONFLICT (database_cluster_uuid) DO UPDATE
        SET name = excluded.name,
            engine = excluded.engine,
            last_listed = greatest(known.last_listed, excluded.last_listed),
            vanished_at = NULL),
    vanished_clusters AS (
        UPDATE :"jobs".migration_clusters AS known
        SET vanished_at = statement_timestamp()
        WHERE known.vanished_at IS NULL
          AND NOT EXISTS (SELECT FROM listed AS l
                          WHERE l.id = known.database_cluster_uuid)),
    vanished_migrations AS (
        UPDATE :"jobs".migration_statuses AS known
        SET vanished_at = statement_timestamp()
        WHERE known.vanished_at IS NULL
          AND (NOT EXISTS (SELECT FROM listed AS l
                           WHERE l.id = known.database_cluster_uuid)
               OR EXISTS (SELECT FROM seen AS s
                          WHERE s.database_cluster_uuid = known.database_cluster_uuid
                            AND s.id IS DISTINCT FROM known.id)))
    INSERT INTO :"jobs".migration_statuses AS known
        (database_cluster_uuid, id, created_at, status, first_seen, last_seen)
    SELECT s.database_cluster_uuid, s.id, s.created_at, s.status,
           statement_timestamp(), statement_timestamp()
    FROM seen AS s
    ON CONFLICT (database_cluster_uuid, id, status) DO UPDATE
    SET created_at = coalesce(known.created_at, excluded.created_at),
        first_seen = least(known.first_seen, excluded.first_seen),
        last_seen = greatest(known.last_seen, excluded.last_seen),
        vanished_at = NULL;
END;

SELECT cron.schedule('record migrations', :'schedule',
                     format('CALL %I.record_migrations()', :'jobs')) AS job;

COMMIT;
