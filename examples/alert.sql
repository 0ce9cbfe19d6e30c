-- alert.sql: tells who listens that a migration has failed, once for each, and
-- that nothing has been recorded for a while: then nobody would know.
--
--   psql -d digitalocean -f examples/alert.sql
--   LISTEN online_migrations;      in the session that wants to know
--
-- Needs:  history.sql.  It reads what that has recorded, and asks the API
--         nothing: it may run often.
-- Makes:  JOBS.migration_alerts    which failures have been told
--         JOBS.recording_alerts    which gaps in the recordings have been told
--         JOBS.alert_of_errors()   the telling
--         the job "alert of failed migrations"
-- Takes:  -v jobs=NAME         schema that history.sql was given (migration_jobs)
--         -v channel=NAME      of the notification (online_migrations)
--         -v schedule=CRON     when to look, in GMT (* * * * *)
--         -v overdue=INTERVAL  how old the last recording may be (15 minutes)
-- Again:  may be run again, to change channel, schedule or interval.
-- Remove: SELECT cron.unschedule('alert of failed migrations');
--         DROP PROCEDURE migration_jobs.alert_of_errors;
--         DROP TABLE migration_jobs.migration_alerts;
--         DROP TABLE migration_jobs.recording_alerts;
--
-- The payload is like
--   {"database_cluster_uuid": "...", "id": "...", "status": "error"}
--   {"recording": "overdue", "last_recorded": "..."}
-- A status counts as error if it clearly means that, as "failed" does.
-- Why a recording has failed is in cron.job_run_details.
-- NOTIFY reaches only who listens at that moment; the tables stay.  The first
-- run tells of all failures that the history has.

\set ON_ERROR_STOP on
\set QUIET on
\if :{?jobs}
\else
	\set jobs migration_jobs
\endif
\if :{?channel}
\else
	\set channel online_migrations
\endif
\if :{?schedule}
\else
	\set schedule '* * * * *'
\endif
\if :{?overdue}
\else
	\set overdue '15 minutes'
\endif

BEGIN;
SET LOCAL client_min_messages = warning;

CREATE TABLE IF NOT EXISTS :"jobs".migration_alerts (
    database_cluster_uuid uuid NOT NULL,
    id                    text,
    alerted_at            timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (database_cluster_uuid, id)
);

COMMENT ON TABLE :"jobs".migration_alerts IS
'failed migrations of which a notification was sent';

-- A gap in the recordings is known by the one before it.
CREATE TABLE IF NOT EXISTS :"jobs".recording_alerts (
    last_recorded timestamptz PRIMARY KEY,
    alerted_at    timestamptz NOT NULL DEFAULT now()
);

COMMENT ON TABLE :"jobs".recording_alerts IS
'times after which nothing was recorded for too long, of which a notification was sent';

-- The row and the notification are of one transaction: both are, or neither.
CREATE OR REPLACE PROCEDURE :"jobs".alert_of_errors()
LANGUAGE sql
BEGIN ATOMIC
    WITH told AS (
        INSERT INTO :"jobs".migration_alerts (database_cluster_uuid, id)
        SELECT s.database_cluster_uuid, s.id
        FROM :"jobs".migration_statuses AS s
        WHERE translate(lower(s.status), E' \t\r\n_-', '') IN ('error', 'errored', 'failed', 'failure')
        ORDER BY s.database_cluster_uuid, s.id
        ON CONFLICT DO NOTHING
        RETURNING database_cluster_uuid, id)
    SELECT pg_notify(:'channel',
                     json_build_object('database_cluster_uuid', t.database_cluster_uuid,
                                       'id', t.id, 'status', 'error')::text)
    FROM told AS t;

    WITH told AS (
        INSERT INTO :"jobs".recording_alerts (last_recorded)
        SELECT r.recorded_at
        FROM :"jobs".migration_recordings AS r
        WHERE r.recorded_at < statement_timestamp() - :'overdue'::interval
        ON CONFLICT DO NOTHING
        RETURNING last_recorded)
    SELECT pg_notify(:'channel',
                     json_build_object('recording', 'overdue',
                                       'last_recorded', t.last_recorded)::text)
    FROM told AS t;
END;

SELECT cron.schedule('alert of failed migrations', :'schedule',
                     format('CALL %I.alert_of_errors()', :'jobs')) AS job;

COMMIT;
