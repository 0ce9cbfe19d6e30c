-- What becomes of the API's failures: SQLSTATE, message, DETAIL, HINT.  After
-- each of them the next query works, and the API was asked once: there are no
-- retries on this server.
\! simctl reset >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000a engine=pg >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
SET timezone = 'UTC';
CREATE SCHEMA errors;
SET search_path = errors, databases;

-- An error, and whether the backend still does what it should.
CREATE FUNCTION failure(query text, OUT state text, OUT message text, OUT detail text, OUT hint text, OUT backend text)
LANGUAGE plpgsql AS $$
BEGIN
    SELECT * INTO state, message, detail, hint FROM public.failure(query);
    SELECT 'lives, sees ' || status INTO backend FROM databases.online_migrations
    WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a';
END $$;
CREATE FUNCTION look(cluster text) RETURNS text LANGUAGE sql AS
$$ SELECT format('SELECT * FROM databases.online_migrations WHERE database_cluster_uuid = %L', cluster) $$;
CREATE FUNCTION start(cluster text) RETURNS text LANGUAGE sql AS
$$ SELECT format('SELECT * FROM databases.databases_update_online_migration(%L, ''{"host": "h", "port": 1, "password": "s3cr3t-errors"}'', replace => true, server => ''digitalocean'')', cluster) $$;
CREATE FUNCTION stop(cluster text) RETURNS text LANGUAGE sql AS
$$ SELECT format('SELECT databases.databases_delete_online_migration(%L, ''id-a'', server => ''digitalocean'')', cluster) $$;
-- The cluster whose requests are all answered with that status.
CREATE FUNCTION cluster_of(status int) RETURNS text LANGUAGE sql AS
$$ SELECT '0badc0de-0000-4000-8000-000000000' || status $$;
\x on

-- By HTTP status, for each of the calls.
SELECT s AS http, f.* FROM unnest('{400,401,403,409,412,422,405,418,451,301,302,307,308,500,501,502,503,504}'::int[]) WITH ORDINALITY AS t(s, n),
    LATERAL failure(look(cluster_of(s))) f ORDER BY n;
SELECT s AS http, f.* FROM unnest('{404}'::int[]) s, LATERAL failure(look(cluster_of(s))) f;
SELECT s AS http, f.* FROM unnest('{400,401,403,404,409,412,422,405,307,500,503}'::int[]) WITH ORDINALITY AS t(s, n),
    LATERAL failure(start(cluster_of(s))) f ORDER BY n;
SELECT s AS http, f.* FROM unnest('{400,401,403,404,409,412,422,405,307,500,503}'::int[]) WITH ORDINALITY AS t(s, n),
    LATERAL failure(stop(cluster_of(s))) f ORDER BY n;
\x off
-- Each was asked once; the others are the query afterwards.
\! simctl log --sort --clear | grep -v ' /v2/databases/00000000-' | uniq -c | sed 's/^ *//'
\x on

-- Where the API repeats a secret in its words, it is masked.
\! simctl fault echo_secrets times=1 >/dev/null
SELECT f.* FROM failure(start('00000000-0000-4000-8000-00000000000b')) f;
\! simctl fault echo_secrets times=1 >/dev/null
SELECT f.* FROM failure(look('00000000-0000-4000-8000-00000000000b')) f;
\x off
\! simctl log --clear >/dev/null

-- The API says why it refuses a call; what is in between does not.
\! simctl fault custom status=403 body='<html>Blocked.</html>' uuid=00000000-0000-4000-8000-00000000000b times=1 >/dev/null
\x on
SELECT f.* FROM failure(look('00000000-0000-4000-8000-00000000000b')) f;
\! simctl nofaults >/dev/null; simctl fault custom status=403 body='<html>Blocked.</html>' method=LIST >/dev/null
SELECT f.state, f.hint FROM failure('SELECT count(*) FROM databases.clusters') f;
\! simctl nofaults >/dev/null; simctl fault custom status=400 method=PUT times=1 >/dev/null
SELECT f.state, f.hint FROM failure(start('00000000-0000-4000-8000-00000000000b')) f;
\x off
\! simctl nofaults >/dev/null
\! simctl log --clear >/dev/null

-- An answer that is of another cluster is none of this one, whatever the letters of its id.
\! simctl cluster 00000000-0000-4000-8000-00000000000c engine=pg name=third >/dev/null
\! simctl fault custom uuid=00000000-0000-4000-8000-00000000000c body='{"database": {"id": "00000000-0000-4000-8000-00000000000d", "name": "fourth"}}' times=1 >/dev/null
\x on
SELECT f.* FROM failure($$ SELECT name FROM databases.clusters WHERE id = '00000000-0000-4000-8000-00000000000c' $$) f;
\x off
\! simctl fault custom uuid=00000000-0000-4000-8000-00000000000c body='{"database": {"id": "00000000-0000-4000-8000-00000000000C", "name": "third"}}' times=1 >/dev/null
SELECT name FROM databases.clusters WHERE id = '00000000-0000-4000-8000-00000000000c';
-- A listing that is not there is no cluster that is not.
\! simctl fault status method=LIST status=404 times=1 >/dev/null
SELECT f.state, f.message, f.hint FROM failure('SELECT count(*) FROM databases.clusters') f;
\! simctl nofaults >/dev/null
\! simctl log --clear >/dev/null

-- No token for this user; a server that nobody listens on.
CREATE SERVER errors_nobody FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint 'http://127.0.0.1:1', max_retries '0');
CREATE FOREIGN TABLE nobody (database_cluster_uuid uuid, status text) SERVER errors_nobody;
\x on
SELECT f.* FROM failure($$ SELECT * FROM nobody WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a' $$) f;
CREATE USER MAPPING FOR CURRENT_USER SERVER errors_nobody OPTIONS (token 'dop_v1_errors00');
SELECT f.* FROM failure($$ SELECT * FROM nobody WHERE database_cluster_uuid = '00000000-0000-4000-8000-00000000000a' $$) f;
SELECT f.* FROM failure($$ SELECT databases.databases_delete_online_migration('00000000-0000-4000-8000-00000000000a', 'id-a', server => 'errors_nobody') $$) f;
SELECT f.* FROM failure($$ SELECT * FROM databases.databases_update_online_migration('00000000-0000-4000-8000-00000000000a', '{"host": "h", "port": 1}', replace => true, server => 'errors_nobody') $$) f;
\x off
\! simctl log --clear >/dev/null

-- Answers that make no sense, and connections that break: each cluster's
-- number picks one.
CREATE FUNCTION cluster_of_fault(number int) RETURNS text LANGUAGE sql AS
$$ SELECT '0badc0de-0001-4000-8000-0000000000' || lpad(number::text, 2, '0') $$;
CREATE TABLE faults (n int, name text);
INSERT INTO faults VALUES
    (2, 'redirect'), (4, 'no content'), (8, 'reset before the answer'), (9, 'closed before the answer'),
    (10, 'reset within the headers'), (12, 'reset within the body'), (13, 'closed within the body'),
    (16, 'a content-length of more than the body'), (20, 'a huge body'), (21, 'huge headers'),
    (22, 'interim answers'), (23, 'deep JSON'), (24, 'status is a number'), (25, 'a status of another word'),
    (26, 'gzip, not asked for'), (28, 'no JSON'), (29, 'HTML'), (30, 'JSON that ends early'),
    (31, 'no UTF-8'), (32, 'a NUL in a string'), (33, 'an array'), (34, 'a string'), (35, 'null'),
    (36, 'a key twice'), (37, 'text behind the JSON'), (38, 'a huge number for an id'),
    (39, 'all fields null'), (40, 'an empty object'), (41, 'created_at is no time'), (42, 'an empty body');
\x on
SELECT name, f.* FROM faults, LATERAL failure(look(cluster_of_fault(n))) f ORDER BY n;
-- What the transaction has started before is in DETAIL, too: see start_many.
SELECT name, f.state, f.message, regexp_replace(f.detail, ' Already started in this transaction: .*', '') AS detail, f.hint, f.backend
FROM faults, LATERAL failure(start(cluster_of_fault(n))) f ORDER BY n;
\x off
-- A start is sent once, whatever becomes of it.
\! simctl log --clear | grep -c PUT
SELECT count(*) FROM faults;
\x on
SELECT name, f.* FROM faults, LATERAL failure(stop(cluster_of_fault(n))) f WHERE n < 22 ORDER BY n;
\x off
\! simctl log --clear >/dev/null

-- No answer in time.
ALTER SERVER digitalocean OPTIONS (ADD request_timeout '1s');
\x on
SELECT f.* FROM failure(look(cluster_of_fault(7))) f;
SELECT f.* FROM failure(start(cluster_of_fault(7))) f;
SELECT f.* FROM failure(stop(cluster_of_fault(7))) f;
\x off
ALTER SERVER digitalocean OPTIONS (DROP request_timeout);
\! simctl log --clear | grep PUT

-- One of many fails: the statement does, and the answers that came are not
-- kept for the next one.
SELECT state, message, backend FROM failure($$ SELECT count(*) FROM databases.online_migrations WHERE database_cluster_uuid IN
    ('00000000-0000-4000-8000-00000000000a', '0badc0de-0000-4000-8000-000000000422') $$);

SET client_min_messages = warning;
DROP SERVER errors_nobody CASCADE;
DROP SCHEMA errors CASCADE;
