-- psql, by the simple protocol, and from version 16 by the extended one.  Each
-- line of output is the name of a check, a tab and a value.
--
-- Variables: running, done, missing, start (UUIDs) and source.
\pset fieldsep '\t'
SELECT 'uuid', status FROM databases.online_migrations WHERE database_cluster_uuid = :'running';
SELECT 'text', status FROM by_text WHERE cluster = :'running';
SELECT 'array', status FROM databases.online_migrations
WHERE database_cluster_uuid = ANY (ARRAY[:'running', :'done', :'missing']::uuid[]) ORDER BY status;
SELECT 'text array', status FROM by_text
WHERE cluster = ANY (ARRAY[:'running', :'done', :'missing']) ORDER BY status;
SELECT 'in', status FROM databases.online_migrations
WHERE database_cluster_uuid IN (:'running', :'done', :'missing') ORDER BY status;
SELECT 'missing', status FROM databases.online_migrations WHERE database_cluster_uuid = :'missing';

PREPARE status_of (uuid) AS
    SELECT 'prepared', status FROM databases.online_migrations WHERE database_cluster_uuid = $1;
SELECT format('EXECUTE status_of (%L)', key)
FROM generate_series(1, 6) AS n, unnest(ARRAY[:'running', :'done']) AS key ORDER BY n, key = :'done'
\gexec
SELECT 'generic', generic_plans > 0 FROM pg_prepared_statements WHERE name = 'status_of';

\set FETCH_COUNT 1
SELECT 'cursor', status FROM databases.online_migrations ORDER BY status;
\unset FETCH_COUNT

SELECT 'table', table_type FROM information_schema.tables
WHERE table_schema = 'databases' AND table_name = 'online_migrations';
SELECT 'columns', column_name, udt_name FROM information_schema.columns
WHERE table_schema = 'databases' AND table_name = 'online_migrations' ORDER BY ordinal_position;

CALL databases.databases_wait_online_migration(:'running', until => '{running}');
\echo 'wait\t':SQLSTATE
BEGIN;
CALL databases.databases_wait_online_migration(:'running', until => '{running}');
\echo 'wait in transaction\t':LAST_ERROR_SQLSTATE
ROLLBACK;

SET statement_timeout = '300ms';
SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = :'hanging';
\echo 'timeout\t':LAST_ERROR_SQLSTATE
RESET statement_timeout;

SELECT :VERSION_NUM >= 160000 AS has_bind \gset
\if :has_bind
    SELECT 'bound', status FROM databases.online_migrations WHERE database_cluster_uuid = $1
    \bind :running \g
    SELECT 'bound', status FROM by_text WHERE cluster = $1 \bind :running \g
    SELECT 'bound', status FROM databases.online_migrations
    WHERE database_cluster_uuid = ANY ($1) ORDER BY status \bind '{':running,:done'}' \g
    SELECT 'start', status FROM databases.databases_update_online_migration($1, $2)
    \bind :start :source \g
    SELECT status FROM databases.databases_update_online_migration($1, $2) \bind :start :source \g
\else
    SELECT 'start', status FROM databases.databases_update_online_migration(:'start', :'source');
    SELECT status FROM databases.databases_update_online_migration(:'start', :'source');
\endif
\echo 'start again\t':LAST_ERROR_SQLSTATE
SELECT 'stop', databases.databases_delete_online_migration(database_cluster_uuid, id)
FROM databases.online_migrations WHERE database_cluster_uuid = :'start';
