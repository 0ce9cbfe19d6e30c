-- The functions that start and stop an online migration.
\! simctl reset >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000a engine=pg >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000b engine=mysql >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000c engine=mongodb >/dev/null
\set a 00000000-0000-4000-8000-00000000000a
\set b 00000000-0000-4000-8000-00000000000b
\set x 00000000-0000-4000-8000-0000000000ff
\set source '{"host": "src.example.com", "port": 25060, "dbname": "defaultdb", "username": "doadmin", "password": "s3cr3t-functions"}'
\set least '{"host": "src.example.com", "port": 25060}'
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = databases;
\set SHOW_CONTEXT never

-- A start: a look first, then one PUT with exactly what the API names.
SELECT id ~ '^[A-Za-z0-9_-]{1,64}$' AS has_id, created_at <= clock_timestamp() + '1 min' AS has_time, status
FROM databases_update_online_migration(
    database_cluster_uuid => :'a',
    source      => :'source',
    disable_ssl => false,
    ignore_dbs  => '{db0,db1}');
\! simctl log --bodies --clear

-- A second one is refused while the first is under way.
\! simctl migration 00000000-0000-4000-8000-00000000000a running id-a 2020-10-28T15:21:35Z >/dev/null
SELECT * FROM databases_update_online_migration(:'a', :'source');
\echo :SQLSTATE
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
SELECT * FROM databases_update_online_migration(:'a', :'source');
\echo :SQLSTATE
\! simctl log --clear
-- It is not, once that has ended in whatever way, or when it is to be replaced.
\! simctl migration 00000000-0000-4000-8000-00000000000a error id-a 2100-10-28T15:21:35Z >/dev/null
SELECT count(*) FROM databases_update_online_migration(:'a', :'least');
\! simctl log --bodies --clear
\! simctl migration 00000000-0000-4000-8000-00000000000a canceled id-c 2100-10-28T15:21:35Z >/dev/null
SELECT count(*) FROM databases_update_online_migration(:'a', :'least', true);
\! simctl log --bodies --clear
\! simctl migration 00000000-0000-4000-8000-00000000000a done id-d 2100-10-28T15:21:35Z >/dev/null
SELECT count(*) FROM databases_update_online_migration(:'a', :'least', ignore_dbs => '{"a \"b\", c",é}');
\! simctl log --bodies --clear | LC_ALL=C sed 's/[^ -~]\{1,\}/(e)/g'
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
SELECT count(*) FROM databases_update_online_migration(:'a', :'least', replace => true);
\! simctl log --clear

-- Three columns are one PUT.
SELECT (f).status FROM (SELECT databases_update_online_migration(:'b', :'least', replace => true) AS f OFFSET 0) s;
\! simctl log --clear
SELECT count(s) FROM (SELECT (databases_update_online_migration(:'b', :'least', replace => true)).*) s(id, created_at, status);
\! simctl log --clear

-- The status is a row at once or soon, with what the start has returned.
\! simctl migration 00000000-0000-4000-8000-00000000000b running id-b 2020-10-28T15:21:36Z >/dev/null
SELECT id, created_at, status FROM online_migrations WHERE database_cluster_uuid = :'b';

-- A stop.
SELECT databases_delete_online_migration(database_cluster_uuid => :'b', migration_id => 'id-b');
\! simctl log --clear
\x on
SELECT * FROM public.failure($$ SELECT databases.databases_delete_online_migration('00000000-0000-4000-8000-00000000000b', 'id-zzz') $$);
\x off
SELECT databases_delete_online_migration(:'b', 'id-zzz', missing_ok => true);
SELECT databases_delete_online_migration(:'x', 'id-zzz', true);
\! simctl log --clear
\x on
SELECT * FROM public.failure($$ SELECT * FROM databases.databases_update_online_migration('00000000-0000-4000-8000-0000000000ff', '{"host": "h", "port": 1}', replace => true) $$);
\x off
\! simctl log --clear

-- Nothing of what follows is sent.
-- migration_id: letters, digits, "_" and "-".
SELECT databases_delete_online_migration(:'b', '..');
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'b', '.');
SELECT databases_delete_online_migration(:'b', '');
SELECT databases_delete_online_migration(:'b', '../..');
SELECT databases_delete_online_migration(:'b', 'a/b');
SELECT databases_delete_online_migration(:'b', 'a\b');
SELECT databases_delete_online_migration(:'b', '%2e%2e');
SELECT databases_delete_online_migration(:'b', 'a?b');
SELECT databases_delete_online_migration(:'b', 'a#b');
SELECT databases_delete_online_migration(:'b', 'a.b');
SELECT databases_delete_online_migration(:'b', 'a b');
SELECT databases_delete_online_migration(:'b', E'a\n');
SELECT databases_delete_online_migration(:'b', E'a\r\nX: y');
SELECT databases_delete_online_migration(:'b', 'é');
SELECT databases_delete_online_migration(:'b', repeat('a', 65));
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'b', '..', missing_ok => true);
\! simctl log --clear
-- The longest one, and all the signs that there are.
SELECT databases_delete_online_migration(:'b', repeat('a', 64), true);
SELECT databases_delete_online_migration(:'b', 'AZaz09_-', true);
\! simctl log --clear

-- NULL for what is needed is an error.
SELECT databases_delete_online_migration(NULL, 'id');
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'b', NULL);
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'b', 'id', NULL);
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(NULL, :'least');
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b');
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', NULL);
SELECT * FROM databases_update_online_migration(:'b', :'least', disable_ssl => NULL);
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', :'least', ignore_dbs => NULL);
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', :'least', replace => NULL);
\echo :SQLSTATE

-- The source.
SELECT * FROM databases_update_online_migration(:'b', '[]');
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', '"src.example.com"');
SELECT * FROM databases_update_online_migration(:'b', 'null');
SELECT * FROM databases_update_online_migration(:'b', '1');
SELECT * FROM databases_update_online_migration(:'b', '{}');
SELECT * FROM databases_update_online_migration(:'b', '{"port": 25060}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "", "port": 25060}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": null, "port": 25060}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": 7, "port": 25060}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": ["h"], "port": 25060}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h"}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": "25060"}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 0}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 65536}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": -1}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1.5}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1e99}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": true}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": {"a": 1}}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1, "user": "u"}');
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1, "database": "d"}');
SELECT * FROM databases_update_online_migration(:'b', '{"hostname": "h", "port": 1}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1, "pasword": "s3cr3t-typo"}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1, "sslmode": "require"}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1, "password": 7}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1, "username": null}');
SELECT * FROM databases_update_online_migration(:'b', '{"host": "h", "port": 1, "dbname": {"a": "b"}}');
\echo :SQLSTATE

-- The databases to leave out.
SELECT * FROM databases_update_online_migration(:'b', :'least', ignore_dbs => '{db0,NULL}');
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', :'least', ignore_dbs => '{{db0},{db1}}');
\echo :SQLSTATE
-- Nothing of all this was sent.
\! simctl log --clear

-- What is escaped arrives as it was meant; a port of 1.0 is 1.
SELECT count(*) FROM databases_update_online_migration(:'b',
    '{"host": "h\"\\/é\u0001", "port": 1, "username": "", "password": "s3cr3t\"\\\n"}', replace => true);
\! simctl log --bodies --clear | LC_ALL=C sed 's/[^ -~]\{1,\}/(e)/g'

-- The server: the one that there is, unless it is named.
SELECT databases_delete_online_migration(:'b', 'id-zzz', true, server => 'digitalocean');
SELECT databases_delete_online_migration(:'b', 'id-zzz', true, server => 'nowhere');
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'b', 'id-zzz', true, server => '');
\echo :SQLSTATE
CREATE FOREIGN DATA WRAPPER functions_other;
CREATE SERVER functions_other FOREIGN DATA WRAPPER functions_other;
-- a server of another wrapper does not count
SELECT databases_delete_online_migration(:'b', 'id-zzz', true);
SELECT databases_delete_online_migration(:'b', 'id-zzz', true, server => 'functions_other');
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', :'least', server => 'functions_other');
\echo :SQLSTATE
CREATE SERVER "Another one" FOREIGN DATA WRAPPER online_migrations_fdw;
SELECT databases_delete_online_migration(:'b', 'id-zzz', true);
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', :'least');
\echo :SQLSTATE
SELECT databases_delete_online_migration(:'b', 'id-zzz', true, server => 'digitalocean');
SELECT databases_delete_online_migration(:'b', 'id-zzz', true, server => 'Another one');
\echo :SQLSTATE
DROP SERVER "Another one";
DROP SERVER functions_other;
DROP FOREIGN DATA WRAPPER functions_other;
\! simctl log --clear
-- None at all; the transaction puts it back.
BEGIN;
SET LOCAL client_min_messages = warning;
DROP SERVER digitalocean CASCADE;
SELECT databases_delete_online_migration(:'b', 'id-zzz', true);
\echo :SQLSTATE
ROLLBACK;

-- A source is needed; see also source_server.sql.
SELECT * FROM databases_update_online_migration(:'b');
\echo :SQLSTATE
SELECT * FROM databases_update_online_migration(:'b', source_server => 'src');
\echo :SQLSTATE

-- Read-only transactions refuse both; reading goes on.
BEGIN READ ONLY;
SELECT * FROM databases_update_online_migration(:'b', :'least');
\echo :SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT databases_delete_online_migration(:'b', 'id-zzz', true);
\echo :SQLSTATE
ROLLBACK;
\! simctl log --clear
BEGIN READ ONLY;
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = :'b';
COMMIT;

-- ROLLBACK does not undo them.
\! simctl migration 00000000-0000-4000-8000-00000000000b running id-b 2020-10-28T15:21:36Z >/dev/null
BEGIN;
SELECT databases_delete_online_migration(:'b', 'id-b');
ROLLBACK;
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'b';

-- For several clusters, and beside one that fails.
SELECT v.n, databases_delete_online_migration(v.cluster::uuid, 'id-zzz', true)
FROM (VALUES (1, :'a'), (2, :'b')) v(n, cluster) ORDER BY n;

-- Of a start that is answered by nothing nobody knows the outcome.
\! simctl fault empty_200 uuid=00000000-0000-4000-8000-00000000000b method=PUT times=1 >/dev/null
SELECT state, message, detail FROM public.failure(format('SELECT * FROM databases_update_online_migration(%L, %L, replace => true)', :'b', :'least'));

-- Whatever was asked: no cluster was destroyed.
\! simctl counters destroy_cluster | tr -dc 0-9; echo
