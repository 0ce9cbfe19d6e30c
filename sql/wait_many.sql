-- Waiting for many: one look at all per poll, a notice per change, a line that
-- sums up, and an error that lists those that ended otherwise.
\! simctl reset >/dev/null
\! for n in 1 2 3 4 5; do simctl cluster 00000000-0000-4000-8000-00000000090$n engine=pg >/dev/null; done
\! for n in 1 2; do simctl migration 00000000-0000-4000-8000-00000000090$n syncing id-$n >/dev/null; done
\! simctl migration 00000000-0000-4000-8000-000000000903 error id-3 >/dev/null
\! simctl migration 00000000-0000-4000-8000-000000000904 running id-4 >/dev/null
\! simctl log --clear >/dev/null
SET search_path = databases, public;
SET intervalstyle = postgres;
\set SHOW_CONTEXT never
\set one '{00000000-0000-4000-8000-000000000901}'
\set two '{00000000-0000-4000-8000-000000000901,00000000-0000-4000-8000-000000000902}'
\set three '{00000000-0000-4000-8000-000000000901,00000000-0000-4000-8000-000000000902,00000000-0000-4000-8000-000000000903}'
\set four '{00000000-0000-4000-8000-000000000903,00000000-0000-4000-8000-000000000904}'

-- All are there: one GET each.
CALL databases_wait_online_migrations(:'two');
\! simctl log --sort --clear
CALL databases_wait_online_migrations(:'two', '{id-1,id-2}', '{syncing}', server => 'digitalocean');
-- One has ended otherwise; the others are waited for, and then it is told.
CALL databases_wait_online_migrations(:'three');
\echo :SQLSTATE
-- One goes on: until the time is over, or at once with fail_fast.
CALL databases_wait_online_migrations(:'four', timeout => '0');
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'four', poll_interval => '1 h', fail_fast => true);
\echo :SQLSTATE
-- One that was stopped is no error, of which a reason would be looked for.
\! simctl cluster 00000000-0000-4000-8000-000000000905 engine=pg >/dev/null
\! simctl migration 00000000-0000-4000-8000-000000000905 canceled id-5 >/dev/null
CALL databases_wait_online_migrations('{00000000-0000-4000-8000-000000000901,00000000-0000-4000-8000-000000000905}');
\echo :SQLSTATE
-- Another migration than the one asked for is not there yet.
CALL databases_wait_online_migrations(:'two', '{id-1,id-9}', timeout => '0');
\echo :SQLSTATE
-- What concerns all ends it; what passes does not.
\! simctl log --clear >/dev/null
\! simctl fault status uuid=00000000-0000-4000-8000-000000000902 status=401 times=1 >/dev/null
\set VERBOSITY terse
CALL databases_wait_online_migrations(:'two');
\echo :SQLSTATE
\! simctl log --clear >/dev/null
\! simctl fault status uuid=00000000-0000-4000-8000-000000000902 status=503 times=1 >/dev/null
CALL databases_wait_online_migrations(:'two', poll_interval => '1 s');
\! simctl log --sort --clear
\set VERBOSITY default

-- Changes while it waits.  The pause that it chooses is 5 s for so few: two looks.
\! simctl cluster 00000000-0000-4000-8000-000000000911 engine=pg running_ms=1500 syncing_ms=600000 >/dev/null
SELECT outcome FROM databases_update_online_migration('00000000-0000-4000-8000-000000000911', '{"host": "h", "port": 1}', replace => true);
\! simctl log --clear >/dev/null
\set VERBOSITY terse
CALL databases_wait_online_migrations('{00000000-0000-4000-8000-000000000911,00000000-0000-4000-8000-000000000901}');
\set VERBOSITY default
\! simctl log --clear | grep -c 'GET .*911/'

-- Once a listing has told it, a cluster is called by its name.
\! for n in 1 2 3 4; do simctl cluster 00000000-0000-4000-8000-00000000090$n engine=pg name=shop-$n >/dev/null; done
SELECT count(*) > 0 AS listed FROM clusters;
\set VERBOSITY terse
CALL databases_wait_online_migrations(:'four', timeout => '0');
CALL databases_wait_online_migrations(:'two');
CALL databases_wait_online_migration('00000000-0000-4000-8000-000000000901');
\set VERBOSITY default
CALL databases_wait_online_migration('00000000-0000-4000-8000-000000000901', until => '{canceled}', timeout => '0');

-- Nobody needs the time for that: one that is none is not said.
\! simctl fault bad_timestamp uuid=00000000-0000-4000-8000-000000000902 times=3 >/dev/null
CALL databases_wait_online_migration('00000000-0000-4000-8000-000000000902', 'magic', '{done}', timeout => '0');
CALL databases_wait_online_migrations(:'two', until => '{running,syncing}');
SELECT outcome, error FROM databases_update_online_migration('00000000-0000-4000-8000-000000000902', '{"host": "h", "port": 1}', on_error => 'report');
\! simctl nofaults >/dev/null

-- Bad arguments: nothing is sent.
\! simctl log --clear >/dev/null
CALL databases_wait_online_migrations('{}');
\echo :SQLSTATE
CALL databases_wait_online_migrations(NULL);
\echo :SQLSTATE
CALL databases_wait_online_migrations('{NULL}');
\echo :SQLSTATE
CALL databases_wait_online_migrations(ARRAY[:'one'::uuid[]] || :'one'::uuid[]);
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'one'::uuid[] || :'one'::uuid[]);
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'two', '{id-1}');
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'one', '{NULL}');
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'one', '{..}');
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'one', until => '{synced}');
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'one', poll_interval => '1 ms');
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'one', timeout => '-1 s');
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'one', fail_fast => NULL);
\echo :SQLSTATE
CALL databases_wait_online_migrations(:'one', server => 'nowhere');
\echo :SQLSTATE
BEGIN;
CALL databases_wait_online_migrations(:'one');
\echo :SQLSTATE
ROLLBACK;
\! simctl log --clear

-- Whatever becomes of them, each is counted, and named once the time is over.
\! for n in 1 2 3 4 5; do simctl cluster 00000000-0000-4000-8000-00000000092$n engine=pg >/dev/null; done
\! simctl migration 00000000-0000-4000-8000-000000000921 paused id-1 >/dev/null
\! simctl migration 00000000-0000-4000-8000-000000000922 in_progress id-2 >/dev/null
\! simctl migration 00000000-0000-4000-8000-000000000923 running id-new >/dev/null
\! simctl fault custom uuid=00000000-0000-4000-8000-000000000923 body='{"id": "id-old", "status": "running"}' times=1 >/dev/null
\! simctl fault empty_200 uuid=00000000-0000-4000-8000-000000000924 >/dev/null
\! simctl migration 00000000-0000-4000-8000-000000000925 error id-5 >/dev/null
CALL databases_wait_online_migrations('{00000000-0000-4000-8000-000000000921,00000000-0000-4000-8000-000000000922,00000000-0000-4000-8000-000000000923,00000000-0000-4000-8000-000000000924,00000000-0000-4000-8000-000000000925}', timeout => '3 s', poll_interval => '1 s');
\echo :SQLSTATE
\! simctl clear >/dev/null
