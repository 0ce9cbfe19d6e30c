-- alert.sql: tells who listens that a migration has failed, once for each.
--
--   psql -d digitalocean -f examples/alert.sql
--   LISTEN online_migrations;      in the session that wants to know
--
-- Needs:  history.sql.  It reads what that has recorded, and asks the API
--         nothing: it may run often.
-- Makes:  JOBS.migration_alerts    which failures have been told
--         JOBS.alert_of_errors()   the telling
--         the job "alert of failed migrations"
-- Takes:  -v jobs=NAME       schema that history.sql was given (migration_jobs)
--         -v channel=NAME    of the notification (online_migrations)
--         -v schedule=CRON   when to look, in GMT (* * * * *)
-- Again:  may be run again, to change channel or schedule.
-- Remove: SELECT cron.unschedule('alert of failed migrations');
--         DROP PROCEDURE migration_jobs.alert_of_errors;
--         DROP TABLE migration_jobs.migration_alerts;
--
-- The payload is like
--   {"database_cluster_uuid": "...", "id": "...", "status": "error"}
-- NOTIFY reaches only who listens at that moment; the table stays.  The first
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

-- The row and the notification are of one transaction: both are, or neither.
CREATE OR REPLACE PROCEDURE :"jobs".alert_of_errors()
LANGUAGE sql
BEGIN ATOMIC
    WITH told AS (
        INSERT INTO :"jobs".migration_alerts (database_cluster_uuid, id)
        SELECT s.database_cluster_uuid, s.id
        FROM :"jobs".migration_statuses AS s
        WHERE s.status = 'error'
        ORDER BY s.database_cluster_uuid, s.id
        ON CONFLICT DO NOTHING
        RETURNING database_cluster_uuid, id)
    SELECT pg_notify(:'channel',
                     json_build_object('database_cluster_uuid', t.database_cluster_uuid,
                                       'id', t.id, 'status', 'error')::text)
    FROM told AS t;
END;

SELECT cron.schedule('alert of failed migrations', :'schedule',
                     format('CALL %I.alert_of_errors()', :'jobs')) AS job;

COMMIT;
