-- What the show has made goes, so that the examples of doc/ run as printed: they
-- begin after README.md's first steps.
SET client_min_messages = warning;
SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'pg_cron') AS cron \gset
\if :cron
	SELECT cron.unschedule(jobid) FROM cron.job \g /dev/null
	DROP EXTENSION pg_cron;
\endif
DROP SCHEMA IF EXISTS migration_jobs CASCADE;
DROP TABLE IF EXISTS migration_statuses;
DROP SERVER old_db CASCADE;
DROP EXTENSION postgres_fdw;
