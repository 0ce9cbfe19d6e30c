\set QUIET off
CREATE EXTENSION pg_cron;
