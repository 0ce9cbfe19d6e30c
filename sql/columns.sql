-- Columns: which field of the resource a column shows, and in which type.
\! simctl reset >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000a engine=pg >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing 77b28fc8-19ff-11eb-8c9c-c68e24557488 2020-10-28T15:21:35Z >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000b engine=pg >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000b some_new_status not-a-uuid 2020-10-28T15:21:35Z >/dev/null
\set a 00000000-0000-4000-8000-00000000000a
\set b 00000000-0000-4000-8000-00000000000b
SET timezone = 'UTC';
SET datestyle = 'ISO';
CREATE SCHEMA columns;
SET search_path = columns;

-- As IMPORT declares it.  A status that nobody knows yet passes through.
SELECT * FROM databases.online_migrations WHERE database_cluster_uuid IN (:'a', :'b') ORDER BY 1;
SET timezone = 'Asia/Kolkata';
SELECT created_at FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
SET timezone = 'UTC';

-- Times are what PostgreSQL reads them as, however the API writes them.
\! for time in 2024-02-29T23:59:59Z 1000-01-01T00:00:00Z 9999-12-31T23:59:59Z 0999-12-31T00:00:00Z 2016-12-31T23:59:60Z 2020-10-28T15:21:35.123456Z 2020-10-28T15:21:35+05:30 2020-10-28t15:21:35z; do n=$((n + 1)); simctl cluster 00000000-0000-4000-8000-0000000000e$n engine=pg >/dev/null; simctl migration 00000000-0000-4000-8000-0000000000e$n 2021-02-29T00:00:00Z id-$n $time >/dev/null; done
CREATE FOREIGN TABLE times (
    id text,
    database_cluster_uuid text,
    as_text text OPTIONS (column_name 'created_at'),
    as_time timestamptz OPTIONS (column_name 'created_at'),
    no_time timestamptz OPTIONS (column_name 'status'))
    SERVER digitalocean;
SELECT as_text, as_time, as_time IS NOT DISTINCT FROM as_text::timestamptz AS same
FROM times WHERE database_cluster_uuid LIKE '%-0000000000e_' ORDER BY id;
SELECT no_time FROM times WHERE database_cluster_uuid = '00000000-0000-4000-8000-0000000000e1';
\echo :SQLSTATE

-- Some of the columns, in an order of the table's own, under other names.
CREATE FOREIGN TABLE renamed (
    state text OPTIONS (column_name 'status'),
    cluster uuid OPTIONS (column_name 'database_cluster_uuid'),
    "Migration Id" text OPTIONS (column_name 'id'),
    status text OPTIONS (column_name 'created_at'))
    SERVER digitalocean;
SELECT * FROM renamed WHERE cluster = :'a';
CREATE FOREIGN TABLE twice (
    database_cluster_uuid uuid, status text,
    again text OPTIONS (column_name 'status'))
    SERVER digitalocean;
SELECT status, again FROM twice WHERE database_cluster_uuid = :'a';

-- Any type that reads the value's text.
CREATE DOMAIN known_status AS text CHECK (VALUE IN ('running', 'syncing', 'canceled', 'error', 'done'));
CREATE TYPE status_enum AS ENUM ('running', 'syncing', 'canceled', 'error', 'done');
CREATE FOREIGN TABLE typed (
    database_cluster_uuid uuid,
    id uuid,
    created_at timestamp,
    status status_enum,
    as_date date OPTIONS (column_name 'created_at'),
    as_domain known_status OPTIONS (column_name 'status'),
    as_varchar varchar(4) OPTIONS (column_name 'status'),
    as_name name OPTIONS (column_name 'status'))
    SERVER digitalocean;
SELECT id, created_at, status, as_date, as_domain, as_name FROM typed WHERE database_cluster_uuid = :'a';
SELECT status > 'running' AS later FROM typed WHERE database_cluster_uuid = :'a';

-- A value that does not fit is the type's own error, and says where.
\set SHOW_CONTEXT always
SELECT id FROM typed WHERE database_cluster_uuid = :'b';
\echo :SQLSTATE
SELECT status FROM typed WHERE database_cluster_uuid = :'b';
\echo :SQLSTATE
SELECT as_domain FROM typed WHERE database_cluster_uuid = :'b';
\echo :SQLSTATE
SELECT as_varchar FROM typed WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
-- Only columns that are asked for are converted, and the next query works.
SELECT created_at FROM typed WHERE database_cluster_uuid = :'b';
\set SHOW_CONTEXT errors

-- NULL where the API sends null or nothing: 200 with an empty body.
\! simctl fault empty_200 uuid=00000000-0000-4000-8000-00000000000a times=1 >/dev/null
SELECT * FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
\! simctl fault empty_200 uuid=00000000-0000-4000-8000-00000000000a times=1 >/dev/null
SELECT id IS NULL AS id, created_at IS NULL AS created_at, status IS NULL AS status
FROM typed WHERE database_cluster_uuid = :'a';
-- A domain may refuse it.
CREATE DOMAIN some_status AS text NOT NULL;
CREATE FOREIGN TABLE must_have (database_cluster_uuid uuid, status some_status) SERVER digitalocean;
SELECT status FROM must_have WHERE database_cluster_uuid = :'a';
\! simctl fault empty_200 uuid=00000000-0000-4000-8000-00000000000a times=1 >/dev/null
SELECT status FROM must_have WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE

-- The whole row, system columns, and none at all.
SELECT m FROM databases.online_migrations m WHERE database_cluster_uuid = :'a';
SELECT m IS NULL AS nothing, (m).status FROM databases.online_migrations m WHERE database_cluster_uuid = :'a';
SELECT tableoid::regclass, status FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
SELECT count(*) FROM databases.online_migrations WHERE database_cluster_uuid IN (:'a', :'b');
SELECT 1 AS one FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
SELECT row_to_json(m) FROM databases.online_migrations m WHERE database_cluster_uuid = :'a';

-- Columns that come and go.
CREATE FOREIGN TABLE changing (status text, id text, database_cluster_uuid uuid, created_at timestamptz) SERVER digitalocean;
ALTER FOREIGN TABLE changing DROP COLUMN id;
SELECT * FROM changing WHERE database_cluster_uuid = :'a';
ALTER FOREIGN TABLE changing DROP COLUMN status;
ALTER FOREIGN TABLE changing ADD COLUMN migration text OPTIONS (column_name 'id');
SELECT * FROM changing WHERE database_cluster_uuid = :'a';
SELECT c FROM changing c WHERE database_cluster_uuid = :'a';
ALTER FOREIGN TABLE changing ALTER COLUMN migration OPTIONS (SET column_name 'status');
SELECT migration FROM changing WHERE database_cluster_uuid = :'a';
ALTER FOREIGN TABLE changing ALTER COLUMN migration TYPE status_enum;
SELECT migration FROM changing WHERE database_cluster_uuid = :'a';

-- A column that the resource does not have is an error at first use.
CREATE FOREIGN TABLE misspelt (database_cluster_uuid uuid, staus text) SERVER digitalocean;
SELECT * FROM misspelt WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
CREATE FOREIGN TABLE misplaced (database_cluster_uuid uuid, engine text) SERVER digitalocean;
SELECT database_cluster_uuid FROM misplaced WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
CREATE FOREIGN TABLE mispointed (database_cluster_uuid uuid, status text OPTIONS (column_name 'num_nodes')) SERVER digitalocean;
SELECT * FROM mispointed WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
-- Column names are the API's, in lower case.
CREATE FOREIGN TABLE capitals (database_cluster_uuid uuid, "Status" text) SERVER digitalocean;
SELECT * FROM capitals WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE

-- The key column: uuid, text or varchar, or a domain over one of them.
CREATE DOMAIN cluster_id AS uuid;
CREATE FOREIGN TABLE key_domain (database_cluster_uuid cluster_id, status text) SERVER digitalocean;
SELECT * FROM key_domain WHERE database_cluster_uuid = :'a';
CREATE FOREIGN TABLE key_text (database_cluster_uuid text, status text) SERVER digitalocean;
SELECT * FROM key_text WHERE database_cluster_uuid = :'a';
CREATE FOREIGN TABLE key_varchar (database_cluster_uuid varchar(36), status text) SERVER digitalocean;
SELECT * FROM key_varchar WHERE database_cluster_uuid = :'a';
CREATE FOREIGN TABLE key_integer (database_cluster_uuid integer, status text) SERVER digitalocean;
SELECT * FROM key_integer WHERE database_cluster_uuid = 1;
\echo :SQLSTATE
CREATE FOREIGN TABLE key_char (database_cluster_uuid char(36), status text) SERVER digitalocean;
SELECT * FROM key_char WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE

-- Generated and default columns do not confuse it; constraints are trusted.
CREATE FOREIGN TABLE checked (database_cluster_uuid uuid NOT NULL, status text DEFAULT 'x', CHECK (status <> 'running')) SERVER digitalocean;
SELECT * FROM checked WHERE database_cluster_uuid = :'a';

-- It cannot be written to.
INSERT INTO databases.online_migrations (id) VALUES ('x');
\echo :SQLSTATE
UPDATE databases.online_migrations SET status = 'done' WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
DELETE FROM databases.online_migrations WHERE database_cluster_uuid = :'a';
\echo :SQLSTATE
TRUNCATE databases.online_migrations;
\echo :SQLSTATE

SET client_min_messages = warning;
DROP SCHEMA columns CASCADE;
