-- plan.sql: moves many databases by a plan: checks them all, starts them wave by
-- wave, follows them, and goes on where it was when anything has broken off.
--
--   psql -d digitalocean -f examples/plan.sql
--   INSERT INTO migration_jobs.migration_plan (cluster, source_server, wave)
--   VALUES ('9cc10173-e9ea-4176-9dbc-a4cee4c4ff30', 'shop_source', 1), ...;
--   CALL migration_jobs.run_plan();          by hand: until nothing is left to do
--   CALL migration_jobs.step_plan();         or one step, for a job of pg_cron
--   TABLE migration_jobs.migration_plan_progress;
--
-- Needs:  USAGE on the foreign servers, user mappings, SELECT on the table
--         online_migrations, and EXECUTE on databases_check_online_migration and
--         databases_update_online_migration for the role that calls these; and
--         for each source a foreign server of postgres_fdw or mysql_fdw: no
--         password is in the plan.
-- Makes:  JOBS.migration_plan            the plan, and the state of each row
--         JOBS.migration_plan_progress   a view of where it stands, wave by wave
--         JOBS.migration_plan_status     a foreign table, to follow them by
--         JOBS.step_plan(), JOBS.run_plan(interval)
--         and what these call: JOBS.plan_...
-- Takes:  -v server=NAME    foreign server of the account (digitalocean)
--         -v schema=NAME    where tables and functions are (databases)
--         -v jobs=NAME      schema to make these in (migration_jobs)
-- Again:  may be run again; the plan stays.
-- As a job, each minute:
--         SELECT cron.schedule('migration plan', '* * * * *',
--                              'CALL migration_jobs.step_plan()');
--         What does not pass by itself, as a token that is refused, is an error.
-- Remove: DROP VIEW migration_jobs.migration_plan_progress;
--         DROP PROCEDURE migration_jobs.run_plan, migration_jobs.step_plan;
--         DROP FUNCTION migration_jobs.plan_check, migration_jobs.plan_prepare,
--              migration_jobs.plan_start, migration_jobs.plan_look,
--              migration_jobs.plan_follow, migration_jobs.plan_is_passing;
--         DROP FOREIGN TABLE migration_jobs.migration_plan_status;
--         DROP TABLE migration_jobs.migration_plan;
--
-- The states of a row:
--   planned        to be checked
--   check failed   a check has failed: last_error says which.  Set it to planned
--                  once that is mended, or to checked to start it all the same.
--   checked        to be started, once all of the waves before are under way
--   starting       the start is sent, or was when something broke off
--   unknown        it was sent, and nobody knows what has become of it
--   refused        surely not started: last_error says why
--   running, syncing, done, error, canceled   what the API says of the migration
--   replaced       the API shows another migration by now, or none any more
--
-- Every step is committed before the next one.  Before a start, the plan notes
-- which migration the API shows; one that it shows afterwards, and was not there
-- before, is the one that was started.  So a start that was broken off, or of
-- which nobody knows, is looked up, not repeated.  It is tried again only if the
-- API has shown nothing new for five minutes.

\set ON_ERROR_STOP on
\set QUIET on
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

BEGIN;
SET LOCAL client_min_messages = warning;

-- A role that may not create schemas is given one.
SELECT NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = :'jobs') AS missing \gset
\if :missing
	CREATE SCHEMA :"jobs";
\endif

CREATE TABLE IF NOT EXISTS :"jobs".migration_plan (
    cluster       uuid PRIMARY KEY,
    source_server text,
    ignore_dbs    text[] NOT NULL DEFAULT '{}',
    disable_ssl   boolean NOT NULL DEFAULT false,
    wave          int NOT NULL DEFAULT 1,
    state         text NOT NULL DEFAULT 'planned'
                  CHECK (state IN ('planned', 'check failed', 'checked', 'starting', 'unknown', 'refused',
                                   'running', 'syncing', 'done', 'error', 'canceled', 'replaced')),
    migration_id  text,
    previous_id   text,          -- the migration that was there before the start
    created_at    timestamptz,   -- of the migration
    checked_at    timestamptz,
    started_at    timestamptz,   -- when its start was begun
    seen_at       timestamptz,   -- when the API has last told its status
    changed_at    timestamptz NOT NULL DEFAULT now(),
    last_error    text
);

COMMENT ON TABLE :"jobs".migration_plan IS
'databases to be moved, and what has become of each';

-- One whose status can't be read is a row with its error, so that the others are
-- followed all the same.
DROP FOREIGN TABLE IF EXISTS :"jobs".migration_plan_status;
CREATE FOREIGN TABLE :"jobs".migration_plan_status (
    database_cluster_uuid uuid NOT NULL, id text, status text, error text)
    SERVER :"server" OPTIONS (resource 'online_migrations', on_error 'report');

-- Is it the API that is in trouble, not this row?  Then the row waits.
CREATE OR REPLACE FUNCTION :"jobs".plan_is_passing(state text) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN state IN ('28000', '53400', 'HV00N', 'HV00L', 'HV00M', 'HV000');

-- Check one row; false if the others would fare no better.
CREATE OR REPLACE FUNCTION :"jobs".plan_check(which uuid, server text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, :"schema", :"jobs", pg_temp
AS $$
DECLARE
    failed text;
    hint   text;
BEGIN
    SELECT string_agg(c."check" || ': ' || c.detail, ' ') INTO failed
    FROM migration_plan AS p CROSS JOIN LATERAL databases_check_online_migration(
        p.cluster, source_server => p.source_server, ignore_dbs => p.ignore_dbs,
        disable_ssl => p.disable_ssl, server => plan_check.server) AS c
    WHERE p.cluster = which AND c.result = 'failed';
    UPDATE migration_plan
    SET state = CASE WHEN failed IS NULL THEN 'checked' ELSE 'check failed' END,
        last_error = failed, checked_at = clock_timestamp(), changed_at = clock_timestamp()
    WHERE cluster = which;
    RETURN true;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS failed = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    UPDATE migration_plan
    SET state = CASE WHEN plan_is_passing(SQLSTATE) THEN state ELSE 'check failed' END,
        last_error = concat_ws(' ', SQLSTATE || ':', SQLERRM || '.', failed, hint),
        checked_at = clock_timestamp(), changed_at = clock_timestamp()
    WHERE cluster = which;
    RETURN SQLSTATE <> '28000';
END $$;

-- Note what the API shows before the start: true if the start may be sent, NULL
-- if the API could not even be asked, so that the row waits.
CREATE OR REPLACE FUNCTION :"jobs".plan_prepare(which uuid) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, :"schema", :"jobs", pg_temp
AS $$
DECLARE
    latest record;
BEGIN
    SELECT m.id, m.status INTO latest FROM online_migrations AS m WHERE m.database_cluster_uuid = which;
    UPDATE migration_plan
    SET state = CASE WHEN latest.status IN ('running', 'syncing') THEN 'refused' ELSE 'starting' END,
        last_error = CASE WHEN latest.status IN ('running', 'syncing')
                          THEN format('Migration "%s", which is not of this plan, is %s.', latest.id, latest.status) END,
        previous_id = latest.id, started_at = clock_timestamp(), changed_at = clock_timestamp()
    WHERE cluster = which;
    RETURN latest.status IS NULL OR latest.status NOT IN ('running', 'syncing');
EXCEPTION WHEN OTHERS THEN
    -- nothing has been sent
    UPDATE migration_plan
    SET state = CASE WHEN plan_is_passing(SQLSTATE) THEN state ELSE 'refused' END,
        last_error = SQLSTATE || ': ' || SQLERRM, changed_at = clock_timestamp()
    WHERE cluster = which;
    RETURN CASE WHEN NOT plan_is_passing(SQLSTATE) THEN false END;
END $$;

-- Start one row.  What concerns all is an error here, and surely no start: the
-- row waits, and false says that the others would fare no better.
CREATE OR REPLACE FUNCTION :"jobs".plan_start(which uuid, server text) RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, :"schema", :"jobs", pg_temp
AS $$
DECLARE
    start record;
    away boolean;
BEGIN
    SELECT s.* INTO start
    FROM migration_plan AS p CROSS JOIN LATERAL databases_update_online_migration(
        p.cluster, source_server => p.source_server, ignore_dbs => p.ignore_dbs,
        disable_ssl => p.disable_ssl, server => plan_start.server, on_error => 'report') AS s
    WHERE p.cluster = which;

    -- not started because the API could not even be asked: that passes
    away := start.outcome = 'refused' AND left(start.error, 5) IN ('HV00L', 'HV00N', '53400');
    UPDATE migration_plan
    SET state = CASE WHEN start.outcome = 'started' THEN coalesce(start.status, 'running')
                     WHEN away THEN 'checked' ELSE start.outcome END,
        migration_id = start.id, created_at = start.created_at, last_error = start.error, changed_at = clock_timestamp()
    WHERE cluster = which;
    RETURN NOT away;
EXCEPTION WHEN OTHERS THEN
    UPDATE migration_plan
    SET state = 'checked', last_error = SQLSTATE || ': ' || SQLERRM, changed_at = clock_timestamp()
    WHERE cluster = which;
    RETURN false;
END $$;

-- Look a start up that was broken off, or of which nobody knows.
CREATE OR REPLACE FUNCTION :"jobs".plan_look(which uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, :"schema", :"jobs", pg_temp
AS $$
DECLARE
    latest record;
BEGIN
    SELECT m.id, m.status, m.created_at INTO latest FROM online_migrations AS m WHERE m.database_cluster_uuid = which;
    UPDATE migration_plan
    SET state = CASE WHEN latest.id <> coalesce(previous_id, '') THEN coalesce(latest.status, 'running')
                     WHEN started_at < clock_timestamp() - interval '5 minutes' THEN 'checked'
                     ELSE 'unknown' END,
        migration_id = CASE WHEN latest.id <> coalesce(previous_id, '') THEN latest.id END,
        created_at = CASE WHEN latest.id <> coalesce(previous_id, '') THEN latest.created_at END,
        last_error = CASE WHEN latest.id <> coalesce(previous_id, '') THEN NULL ELSE last_error END,
        changed_at = clock_timestamp()
    WHERE cluster = which;
EXCEPTION WHEN OTHERS THEN
    UPDATE migration_plan SET last_error = SQLSTATE || ': ' || SQLERRM WHERE cluster = which;
END $$;

-- Ask once for the status of all that is under way.  What the API shows nothing
-- of for five minutes, though it has, is not there any more.
CREATE OR REPLACE FUNCTION :"jobs".plan_follow() RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, :"schema", :"jobs", pg_temp
AS $$
DECLARE
    begun timestamptz := clock_timestamp();
BEGIN
    UPDATE migration_plan AS p
    SET state = CASE WHEN m.error IS NOT NULL OR m.id IS NULL THEN p.state
                     WHEN m.id = p.migration_id THEN coalesce(m.status, p.state) ELSE 'replaced' END,
        last_error = CASE WHEN m.error IS NOT NULL THEN 'HV000: ' || m.error
                          WHEN m.id = p.migration_id AND m.status = 'error'
                          THEN 'The API gives no reason. Look at the source, and at databases_check_online_migration().'
                          WHEN m.id <> p.migration_id THEN format('The API shows migration "%s".', m.id) END,
        seen_at = CASE WHEN m.error IS NULL THEN clock_timestamp() ELSE p.seen_at END,
        changed_at = CASE WHEN m.error IS NOT NULL OR m.id IS NULL OR (m.status = p.state AND m.id = p.migration_id)
                          THEN p.changed_at ELSE clock_timestamp() END
    FROM migration_plan_status AS m
    WHERE m.database_cluster_uuid = ANY (ARRAY(SELECT q.cluster FROM migration_plan AS q
                                               WHERE q.state IN ('running', 'syncing')))
          AND p.cluster = m.database_cluster_uuid AND p.state IN ('running', 'syncing');
    UPDATE migration_plan
    SET state = 'replaced', last_error = 'The API shows no migration of this cluster any more.', changed_at = clock_timestamp()
    WHERE state IN ('running', 'syncing') AND last_error IS NULL
          AND greatest(seen_at, started_at) < begun - interval '5 minutes';
EXCEPTION WHEN OTHERS THEN
    UPDATE migration_plan SET last_error = SQLSTATE || ': ' || SQLERRM WHERE state IN ('running', 'syncing');
END $$;

-- A wave begins when no row of an earlier one is still to be started or running.
SELECT format($procedure$
CREATE OR REPLACE PROCEDURE %1$I.step_plan()
LANGUAGE plpgsql
AS $$
DECLARE
    which uuid;
    begin_it boolean;
    begun timestamptz := clock_timestamp();
    problem text;
BEGIN
    -- one at a time; this lock ends with the session, whatever that ends with
    IF NOT pg_try_advisory_lock(hashtextextended(%2$L, 0)) THEN
        RAISE NOTICE 'the plan is being worked on by another session';
        RETURN;
    END IF;
    FOR which IN SELECT cluster FROM %1$I.migration_plan WHERE state = 'planned' ORDER BY wave, cluster LOOP
        EXIT WHEN NOT %1$I.plan_check(which, %3$L);
        COMMIT;
    END LOOP;
    COMMIT;
    FOR which IN SELECT cluster FROM %1$I.migration_plan WHERE state IN ('starting', 'unknown') ORDER BY wave, cluster LOOP
        PERFORM %1$I.plan_look(which);
        COMMIT;
    END LOOP;
    PERFORM %1$I.plan_follow();
    COMMIT;
    FOR which IN
        SELECT p.cluster FROM %1$I.migration_plan AS p
        WHERE p.state = 'checked'
              AND p.wave <= (SELECT min(q.wave) FROM %1$I.migration_plan AS q
                             WHERE q.state IN ('planned', 'checked', 'starting', 'unknown', 'running'))
        ORDER BY p.wave, p.cluster
    LOOP
        begin_it := %1$I.plan_prepare(which);
        EXIT WHEN begin_it IS NULL;
        COMMIT;
        CONTINUE WHEN NOT begin_it;
        EXIT WHEN NOT %1$I.plan_start(which, %3$L);
        COMMIT;
    END LOOP;
    COMMIT;
    PERFORM pg_advisory_unlock(hashtextextended(%2$L, 0));

    -- What does not pass by itself, as a token that is refused: a job that fails
    -- is seen, and run_plan() does not go on for ever.
    SELECT format('Database cluster %%s: %%s', p.cluster, p.last_error) INTO problem
    FROM %1$I.migration_plan AS p
    WHERE p.state IN ('planned', 'checked', 'starting', 'unknown', 'running', 'syncing')
          AND (p.changed_at >= begun OR p.state NOT IN ('planned', 'checked'))
          AND left(p.last_error, 5) NOT IN ('53400', 'HV00N', 'HV00L', 'HV00M', 'HV000', 'HV010')
    ORDER BY p.wave, p.cluster LIMIT 1;
    IF problem IS NOT NULL THEN
        RAISE 'the plan cannot go on' USING DETAIL = problem, HINT = 'Mend that, and run it again: it goes on where it is.';
    END IF;
END $$ $procedure$, :'jobs', 'migration plan of ' || :'jobs', :'server') \gexec

SELECT format($procedure$
CREATE OR REPLACE PROCEDURE %1$I.run_plan(pause interval DEFAULT '30 s')
LANGUAGE plpgsql
AS $$
BEGIN
    LOOP
        CALL %1$I.step_plan();
        EXIT WHEN NOT EXISTS (SELECT FROM %1$I.migration_plan
                              WHERE state IN ('planned', 'checked', 'starting', 'unknown', 'running'));
        COMMIT;
        PERFORM pg_sleep_for(pause);
    END LOOP;
END $$ $procedure$, :'jobs') \gexec

CREATE OR REPLACE VIEW :"jobs".migration_plan_progress AS
SELECT wave, count(*) AS clusters,
       count(*) FILTER (WHERE state IN ('planned', 'checked')) AS to_start,
       count(*) FILTER (WHERE state IN ('starting', 'unknown')) AS unknown,
       count(*) FILTER (WHERE state = 'running') AS running,
       count(*) FILTER (WHERE state = 'syncing') AS syncing,
       count(*) FILTER (WHERE state = 'done') AS done,
       count(*) FILTER (WHERE state IN ('check failed', 'refused', 'error', 'canceled', 'replaced')) AS failed,
       max(changed_at) AS last_change
FROM :"jobs".migration_plan
GROUP BY wave
ORDER BY wave;

COMMENT ON VIEW :"jobs".migration_plan_progress IS
'where the plan stands, wave by wave';

COMMIT;
