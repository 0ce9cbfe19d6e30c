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
-- Needs:  USAGE on the foreign servers, user mappings, and EXECUTE on
--         databases_check_online_migration and databases_update_online_migration
--         for the role that calls these; and for each source a foreign server of
--         postgres_fdw or mysql_fdw: no password is in the plan.
-- Makes:  JOBS.migration_plan            the plan, and the state of each row
--         JOBS.migration_plan_progress   a view of where it stands, wave by wave
--         JOBS.migration_plan_status     a foreign table, to look at them by
--         JOBS.step_plan(), JOBS.run_plan(interval)
--         and what these use: JOBS.plan_...
-- Takes:  -v server=NAME    foreign server of the account (digitalocean)
--         -v schema=NAME    where the functions are (databases)
--         -v jobs=NAME      schema to make these in (migration_jobs)
-- Again:  may be run again; the plan stays.
-- As a job, each minute:
--         SELECT cron.schedule('migration plan', '* * * * *',
--                              'CALL migration_jobs.step_plan()');
--         What concerns all and does not pass by itself, as a token that is
--         refused, is an error; the plan goes on where it was once it is mended.
-- Remove: DROP VIEW migration_jobs.migration_plan_progress;
--         DROP PROCEDURE migration_jobs.run_plan, migration_jobs.step_plan;
--         DROP FUNCTION migration_jobs.plan_start, migration_jobs.plan_prepare,
--              migration_jobs.plan_check, migration_jobs.plan_look,
--              migration_jobs.plan_needs, migration_jobs.plan_lock,
--              migration_jobs.plan_keep, migration_jobs.plan_shown,
--              migration_jobs.plan_trouble, migration_jobs.plan_meaning,
--              migration_jobs.plan_words, migration_jobs.plan_concerns_all;
--         DROP FOREIGN TABLE migration_jobs.migration_plan_status;
--         DROP TABLE migration_jobs.migration_plan;
--
-- The states of a row:
--   planned        to be checked
--   check failed   a check has failed: last_error says which.  Set it to planned
--                  once that is mended, or to checked to start it all the same.
--   checked        to be started, once all of the waves before are under way
--   starting       the start is sent, or was when something broke off
--   unknown        it may have been sent, and nobody knows what has become of it
--   refused        surely not started: last_error says why
--   running, syncing, done, error, canceled   what the API says of the migration;
--                  status has its own word.  One not known here is under way.
--   lost           the API has not told of the migration for a while: last_error
--                  has what it says instead.  Looks go on, and so does the row
--                  when the API tells of it again.
--   replaced       the API shows another migration by now
--
-- Every step is committed before the next one.  Before a start, the plan notes
-- which migration the API shows; one that it shows afterwards, and was not there
-- before, is the one that was started.  So a start that was broken off, or of
-- which nobody knows, is looked up, not repeated.  It is tried again only if the
-- API shows nothing new ten minutes after it could last have been sent.
--
-- What goes wrong with one cluster is the last_error of its row, and the others
-- go on; a row that waits has trouble_since.

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
                  CHECK (state IN ('planned', 'check failed', 'checked', 'starting', 'unknown', 'refused', 'running',
                                   'syncing', 'done', 'error', 'canceled', 'lost', 'replaced')),
    status        text,          -- the API's word for that of the migration
    migration_id  text,
    previous_id   text,          -- the migration that was there before the start
    created_at    timestamptz,   -- of the migration
    checked_at    timestamptz,
    started_at    timestamptz,   -- when its start was begun
    unsure_since  timestamptz,   -- from when on it has surely not been on its way any more
    seen_at       timestamptz,   -- when the API has last told its status
    trouble_since timestamptz,   -- since when the API has not told what was asked
    changed_at    timestamptz NOT NULL DEFAULT now(),
    last_error    text
);

COMMENT ON TABLE :"jobs".migration_plan IS
'databases to be moved, and what has become of each';

-- What the API says now, never what it has said: a cluster that fails is a row.
DROP FOREIGN TABLE IF EXISTS :"jobs".migration_plan_status;
CREATE FOREIGN TABLE :"jobs".migration_plan_status (
    database_cluster_uuid uuid NOT NULL,
    id                    text,
    created_at            timestamptz,
    status                text,
    error                 text
) SERVER :"server" OPTIONS (resource 'online_migrations', on_error 'report', cache_ttl '0ms');

-- ----- words -----

CREATE OR REPLACE FUNCTION :"jobs".plan_words(state text, message text, detail text, hint text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN concat_ws(' ', state || ':', message || '.', nullif(detail, ''), nullif(hint, ''));

-- Would it go wrong with the next row, too?  A token, the limit, no way to the
-- API, and what PostgreSQL ends statements for.
CREATE OR REPLACE FUNCTION :"jobs".plan_concerns_all(state text, detail text) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN state IN ('28000', '53400', 'HV00N') OR left(state, 2) NOT IN ('22', '42', '54', '55', 'HV')
       OR state = '42501' AND detail LIKE '%HTTP status 403%';

-- The state that a status of the API means, as the start function and the waits
-- take it, or NULL.
CREATE OR REPLACE FUNCTION :"jobs".plan_meaning(status text) RETURNS text
LANGUAGE sql IMMUTABLE
RETURN CASE
    WHEN translate(lower(status), E' \t\r\n_-', '') IN
        ('running', 'pending', 'queued', 'created', 'starting', 'started', 'active', 'inprogress', 'creating',
         'provisioning', 'preparing', 'initializing', 'initialising', 'migrating', 'copying', 'resuming') THEN 'running'
    WHEN translate(lower(status), E' \t\r\n_-', '') IN
        ('syncing', 'synchronizing', 'synchronising', 'replicating') THEN 'syncing'
    WHEN translate(lower(status), E' \t\r\n_-', '') IN ('canceled', 'cancelled', 'aborted', 'stopped') THEN 'canceled'
    WHEN translate(lower(status), E' \t\r\n_-', '') IN ('error', 'errored', 'failed', 'failure') THEN 'error'
    WHEN translate(lower(status), E' \t\r\n_-', '') IN
        ('done', 'finished', 'complete', 'completed', 'success', 'succeeded', 'successful') THEN 'done' END;

-- ----- a row -----

CREATE OR REPLACE FUNCTION :"jobs".plan_keep(p :"jobs".migration_plan) RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, :"jobs", pg_temp
AS $$
    UPDATE migration_plan AS t
    SET state = p.state, status = p.status, migration_id = p.migration_id, previous_id = p.previous_id,
        created_at = p.created_at, checked_at = p.checked_at, started_at = p.started_at, unsure_since = p.unsure_since,
        seen_at = p.seen_at, trouble_since = p.trouble_since, last_error = p.last_error,
        changed_at = CASE WHEN t.state = p.state THEN t.changed_at ELSE clock_timestamp() END
    WHERE t.cluster = p.cluster;
$$;

-- The API does not tell what was asked: that may pass, so the row waits, and
-- after that long it gets the other state.
CREATE OR REPLACE FUNCTION :"jobs".plan_trouble(p :"jobs".migration_plan, why text, patience interval, ending text)
RETURNS :"jobs".migration_plan
LANGUAGE plpgsql
SET search_path = pg_catalog, :"jobs", pg_temp
AS $$
BEGIN
    p.last_error := why;
    p.trouble_since := coalesce(p.trouble_since, clock_timestamp());
    IF clock_timestamp() - p.trouble_since >= patience THEN
        p.state := ending;
    END IF;
    RETURN p;
END $$;

-- The API tells of the row's migration.
CREATE OR REPLACE FUNCTION :"jobs".plan_shown(p :"jobs".migration_plan, id text, created_at timestamptz, status text)
RETURNS :"jobs".migration_plan
LANGUAGE plpgsql
SET search_path = pg_catalog, :"jobs", pg_temp
AS $$
BEGIN
    p.migration_id := plan_shown.id;
    p.created_at := coalesce(plan_shown.created_at, p.created_at);
    p.unsure_since := NULL;
    IF p.state NOT IN ('running', 'syncing') THEN
        p.state := 'running';
    END IF;
    IF plan_shown.status IS NULL THEN
        RETURN plan_trouble(p, 'The API does not say the status of the migration.', '2 minutes', 'lost');
    END IF;
    IF plan_meaning(plan_shown.status) IS NULL AND p.status IS DISTINCT FROM plan_shown.status THEN
        RAISE WARNING 'status of an online migration is not known'
            USING DETAIL = format('That of database cluster %s is "%s".', p.cluster, plan_shown.status),
                  HINT = format('The plan takes it for %s.', p.state);
    END IF;
    p.state := coalesce(plan_meaning(plan_shown.status), p.state);
    p.status := plan_shown.status;
    p.seen_at := clock_timestamp();
    p.trouble_since := NULL;
    p.last_error := CASE
        WHEN plan_meaning(plan_shown.status) IS NULL THEN format('The API says "%s", which is not known here.', plan_shown.status)
        WHEN p.state = 'error' THEN 'The API gives no reason. Look at the source, and at databases_check_online_migration().' END;
    RETURN p;
END $$;

-- ----- what a step does, a transaction each -----

-- One transaction of the plan at a time.  The lock ends with it, whatever it
-- ends with.  Who comes in between two of another session's finds all in the
-- rows, whose state each function looks at again.
CREATE OR REPLACE FUNCTION :"jobs".plan_lock() RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, :"jobs", pg_temp
AS $$
BEGIN
    IF pg_try_advisory_xact_lock('pg_class'::regclass::oid::int, 'migration_plan'::regclass::oid::int) THEN
        RETURN true;
    END IF;
    RAISE NOTICE 'the plan is being worked on by another session';
    RETURN false;
END $$;

-- Each of those that follow returns NULL, or the words of what concerns all:
-- then no row has failed, and the step ends.  A row that somebody else has locked
-- is left for the next step.

-- What all rows need.
CREATE OR REPLACE FUNCTION :"jobs".plan_needs(server text) RETURNS text
LANGUAGE sql
SET search_path = pg_catalog, :"schema", :"jobs", pg_temp
AS $$
    SELECT '42501: this role lacks ' || string_agg(needed.what, ', ') || '.'
    FROM (VALUES ('USAGE on the foreign server ' || server, has_server_privilege(server, 'USAGE')),
                 ('EXECUTE on databases_check_online_migration',
                  has_function_privilege('databases_check_online_migration'::regproc, 'EXECUTE')),
                 ('EXECUTE on databases_update_online_migration',
                  has_function_privilege('databases_update_online_migration'::regproc, 'EXECUTE'))) AS needed (what, is_there)
    WHERE NOT needed.is_there;
$$;

-- Look at all that is under way, or may be: one question each, all at once.
CREATE OR REPLACE FUNCTION :"jobs".plan_look() RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, :"jobs", pg_temp
AS $$
DECLARE
    p      migration_plan;
    m      record;
    unsure boolean;
    detail text;
    hint   text;
BEGIN
    FOR m IN
        WITH asked AS MATERIALIZED (
            SELECT s.* FROM migration_plan_status AS s
            WHERE s.database_cluster_uuid = ANY (ARRAY(
                SELECT q.cluster FROM migration_plan AS q
                WHERE q.state IN ('starting', 'unknown', 'running', 'syncing', 'lost'))))
        SELECT q.cluster, q.state, a.id, a.created_at, a.status, a.error, a.database_cluster_uuid IS NOT NULL AS is_there
        FROM migration_plan AS q LEFT JOIN asked AS a ON a.database_cluster_uuid = q.cluster
        WHERE q.state IN ('starting', 'unknown', 'running', 'syncing', 'lost')
        ORDER BY q.wave, q.cluster
    LOOP
        SELECT * INTO p FROM migration_plan WHERE cluster = m.cluster AND state = m.state FOR UPDATE SKIP LOCKED;
        CONTINUE WHEN NOT FOUND;

        -- what was broken off is not on its way any more: this transaction has the lock
        unsure := p.state IN ('starting', 'unknown') OR p.state = 'lost' AND p.migration_id IS NULL;
        IF unsure THEN
            p.unsure_since := coalesce(p.unsure_since, clock_timestamp());
            p.last_error := coalesce(p.last_error, 'The start was broken off, and the API shows none yet.');
        END IF;
        IF p.state = 'starting' THEN
            p.state := 'unknown';
        END IF;

        IF m.error IS NOT NULL THEN
            p := plan_trouble(p, m.error, CASE WHEN m.error LIKE 'HTTP status 4%' THEN interval '2 minutes'
                                               ELSE interval '15 minutes' END, 'lost');
        ELSIF m.is_there AND m.id IS NULL THEN
            p := plan_trouble(p, 'The API does not say which migration there is.',
                              CASE WHEN unsure THEN interval '10 minutes' ELSE interval '2 minutes' END, 'lost');
        ELSIF m.id = p.migration_id OR p.migration_id IS NULL AND m.id IS DISTINCT FROM p.previous_id AND m.is_there THEN
            p := plan_shown(p, m.id, m.created_at, m.status);
        ELSIF unsure THEN
            p.trouble_since := NULL;
            p.state := CASE WHEN clock_timestamp() - p.unsure_since >= interval '10 minutes' THEN 'checked'
                            ELSE 'unknown' END;
        ELSIF NOT m.is_there THEN
            p := plan_trouble(p, 'The API shows no migration of this database cluster.', '2 minutes', 'lost');
        ELSIF m.id = p.previous_id THEN
            p := plan_trouble(p, format('The API still shows migration "%s", which was there before.', m.id),
                              '10 minutes', 'lost');
        ELSE
            p.state := 'replaced';
            p.last_error := format('The API shows migration "%s", which is %s.', m.id, coalesce(m.status, 'of unknown status'));
        END IF;
        PERFORM plan_keep(p);
    END LOOP;
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN plan_words(SQLSTATE, SQLERRM, detail, hint);
END $$;

-- Check a row.
CREATE OR REPLACE FUNCTION :"jobs".plan_check(which uuid, server text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, :"schema", :"jobs", pg_temp
AS $$
DECLARE
    p      migration_plan;
    detail text;
    hint   text;
BEGIN
    SELECT * INTO p FROM migration_plan WHERE cluster = which AND state = 'planned' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    p.checked_at := clock_timestamp();
    BEGIN
        SELECT string_agg(concat_ws(' ', c."check" || ':', c.detail, c.hint), ' ') INTO p.last_error
        FROM databases_check_online_migration(
            p.cluster, source_server => p.source_server, ignore_dbs => p.ignore_dbs,
            disable_ssl => p.disable_ssl, server => plan_check.server) AS c
        WHERE c.result = 'failed';
        p.state := CASE WHEN p.last_error IS NULL THEN 'checked' ELSE 'check failed' END;
        p.trouble_since := NULL;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
        p.last_error := plan_words(SQLSTATE, SQLERRM, detail, hint);
        IF plan_concerns_all(SQLSTATE, detail) THEN
            RETURN p.last_error;
        ELSIF SQLSTATE IN ('HV00L', 'HV00M', 'HV000') THEN
            p := plan_trouble(p, p.last_error, NULL, NULL);
        ELSE
            p.state := 'check failed';
        END IF;
    END;
    PERFORM plan_keep(p);
    RETURN NULL;
END $$;

-- Note what the API shows before the start: from the commit on, it may be sent.
CREATE OR REPLACE FUNCTION :"jobs".plan_prepare(which uuid) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, :"jobs", pg_temp
AS $$
DECLARE
    p        migration_plan;
    m        migration_plan_status;
    is_there boolean;
    detail   text;
    hint     text;
BEGIN
    SELECT * INTO p FROM migration_plan WHERE cluster = which AND state = 'checked' FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    SELECT * INTO m FROM migration_plan_status WHERE database_cluster_uuid = which;
    is_there := FOUND;
    IF m.error LIKE 'HTTP status 4%' THEN
        p.state := 'refused';
        p.last_error := m.error;
    ELSIF m.error IS NOT NULL THEN
        p := plan_trouble(p, m.error, NULL, NULL);
    ELSIF is_there AND (m.id IS NULL OR m.status IS NULL) THEN
        p := plan_trouble(p, 'The API does not say which migration there is, so none could be told from it.',
                          '2 minutes', 'refused');
    ELSIF is_there AND coalesce(plan_meaning(m.status), 'running') IN ('running', 'syncing') THEN
        p.state := 'refused';
        p.last_error := format('Migration "%s", which is not of this plan, is %s.', m.id, m.status);
    ELSE
        p.state := 'starting';
        p.started_at := clock_timestamp();
        p.previous_id := m.id;
        p.status := NULL;
        p.migration_id := NULL;
        p.created_at := NULL;
        p.unsure_since := NULL;
        p.seen_at := NULL;
        p.last_error := NULL;
    END IF;
    PERFORM plan_keep(p);
    RETURN NULL;
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN plan_words(SQLSTATE, SQLERRM, detail, hint);
END $$;

-- Start a row.  Only what was surely not started goes back to checked.
CREATE OR REPLACE FUNCTION :"jobs".plan_start(which uuid, server text) RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, :"schema", :"jobs", pg_temp
AS $$
DECLARE
    p       migration_plan;
    start   record;
    problem text;
    detail  text;
    hint    text;
    context text;
BEGIN
    SELECT * INTO p FROM migration_plan WHERE cluster = which AND state = 'starting' FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    BEGIN
        SELECT s.* INTO STRICT start
        FROM databases_update_online_migration(
            p.cluster, source_server => p.source_server, ignore_dbs => p.ignore_dbs,
            disable_ssl => p.disable_ssl, server => plan_start.server, on_error => 'report') AS s;
        IF start.outcome = 'started' THEN
            p := plan_shown(p, start.id, start.created_at, start.status);
        ELSIF start.outcome = 'refused' AND left(start.error, 5) IN ('HV00L', 'HV00M') THEN
            p.state := 'checked';
            p := plan_trouble(p, start.error, NULL, NULL);
        ELSE
            p.state := CASE WHEN start.error LIKE '55000: an online migration of this database cluster may have been started.%'
                            THEN 'unknown' ELSE start.outcome END;
            p.last_error := start.error;
            p.trouble_since := NULL;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        -- it concerns all; the CONTEXT says whether anything was sent
        GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
        problem := plan_words(SQLSTATE, SQLERRM, detail, hint);
        p.last_error := problem;
        p.state := CASE WHEN context ~ 'nothing (else )?was started' THEN 'checked' ELSE 'unknown' END;
    END;
    IF p.state = 'unknown' THEN
        p.unsure_since := clock_timestamp();
    END IF;
    PERFORM plan_keep(p);
    RETURN problem;
END $$;

-- ----- the step, and the night -----

-- A wave begins when no row of an earlier one is still to be started or running.
SELECT format($procedure$
CREATE OR REPLACE PROCEDURE %1$I.step_plan()
LANGUAGE plpgsql
AS $$
DECLARE
    which   uuid;
    problem text; -- what concerns all
    waits   text; -- what does not, and may pass
BEGIN
    COMMIT; -- in a transaction block, this fails before anything is sent
    <<step>>
    BEGIN
        EXIT step WHEN NOT %1$I.plan_lock();
        problem := coalesce(%1$I.plan_needs(%2$L), %1$I.plan_look());
        COMMIT;
        EXIT step WHEN problem IS NOT NULL;
        FOR which IN SELECT cluster FROM %1$I.migration_plan WHERE state = 'planned' ORDER BY wave, cluster LOOP
            EXIT step WHEN NOT %1$I.plan_lock();
            problem := %1$I.plan_check(which, %2$L);
            COMMIT;
            EXIT step WHEN problem IS NOT NULL;
        END LOOP;
        FOR which IN
            SELECT p.cluster FROM %1$I.migration_plan AS p
            WHERE p.state = 'checked'
                  AND p.wave <= (SELECT min(q.wave) FROM %1$I.migration_plan AS q
                                 WHERE q.state IN ('planned', 'checked', 'starting', 'unknown', 'running'))
            ORDER BY p.wave, p.cluster
        LOOP
            EXIT step WHEN NOT %1$I.plan_lock();
            problem := %1$I.plan_prepare(which);
            COMMIT;
            EXIT step WHEN problem IS NOT NULL OR NOT %1$I.plan_lock();
            problem := %1$I.plan_start(which, %2$L);
            COMMIT;
            EXIT step WHEN problem IS NOT NULL;
        END LOOP;
    END;

    -- What does not pass is an error: a job that fails is seen, and run_plan()
    -- does not go on for ever.
    SELECT coalesce(problem, string_agg(t.words, ' ') FILTER (WHERE clock_timestamp() - t.since >= interval '15 minutes')),
           string_agg(t.words, ' ')
    INTO problem, waits
    FROM (SELECT format('Database cluster %%s: %%s', p.cluster, p.last_error) AS words, p.trouble_since AS since
          FROM %1$I.migration_plan AS p
          WHERE p.state IN ('planned', 'checked') AND p.trouble_since IS NOT NULL
          ORDER BY p.wave, p.cluster) AS t;
    IF left(problem, 5) NOT IN ('53400', 'HV00N') THEN
        RAISE 'the plan cannot go on' USING DETAIL = problem, HINT = 'Mend that, and run it again: it goes on where it is.';
    ELSIF coalesce(problem, waits) IS NOT NULL THEN
        RAISE WARNING 'the plan waits for the API' USING DETAIL = coalesce(problem, waits);
    END IF;
END $$ $procedure$, :'jobs', :'server') \gexec

SELECT format($procedure$
CREATE OR REPLACE PROCEDURE %1$I.run_plan(pause interval DEFAULT '30 s')
LANGUAGE plpgsql
AS $$
BEGIN
    IF (pause BETWEEN interval '1 second' AND interval '1 day') IS NOT TRUE THEN
        RAISE invalid_parameter_value USING MESSAGE = 'the pause between two steps must be from 1 second to 1 day';
    END IF;
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
       count(*) FILTER (WHERE state IN ('check failed', 'refused', 'error', 'canceled', 'lost', 'replaced')) AS failed,
       max(changed_at) AS last_change
FROM :"jobs".migration_plan
GROUP BY wave
ORDER BY wave;

COMMENT ON VIEW :"jobs".migration_plan_progress IS
'where the plan stands, wave by wave';

COMMIT;
