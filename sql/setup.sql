-- What a user types first.  The other files go on from here: the endpoint is
-- an API simulator, which each of them resets and fills with what it needs.
\! simctl reset >/dev/null
\getenv endpoint OMF_HTTP
CREATE SCHEMA databases;
CREATE EXTENSION online_migrations_fdw SCHEMA databases;
-- A test must not wait for retries: those have tests of their own.
CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'endpoint', max_retries '0');
CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean
    OPTIONS (token 'dop_v1_simulator');
IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO databases;

-- The three-part name, as it stands in the README: nothing is known yet of
-- this cluster.
SELECT current_database();
SELECT id, created_at, status
FROM digitalocean.databases.online_migrations
WHERE database_cluster_uuid = '00000000-0000-4000-8000-0000000000ff';
\! simctl log --clear

-- For the other files: runs a query that fails, and shows its error without
-- what differs from run to run and from version to version of the libraries.
CREATE FUNCTION failure(query text, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE query;
    message := 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
        detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    detail := regexp_replace(detail, 'Request ID: [^ .]+\.', 'Request ID: (id).');
    detail := regexp_replace(detail, ' Sent at [-0-9:. ]+\+00\.', ' Sent at (time).');
    detail := regexp_replace(detail, 'no answer: .*?( Sent at .*)?$', 'no answer: (words)\1');
    detail := regexp_replace(detail, 'at byte [0-9]+: .*?( Request|$)', 'at byte (n): (words).\1');
    detail := regexp_replace(detail, 'HTTP status ([0-9]+): (?!The |Member |Not |Cluster )[^.]*\.', 'HTTP status \1: (words).');
    detail := regexp_replace(detail, ' Tried [0-9]+ times\.', '');
    hint := regexp_replace(hint, 'in [0-9]+ s, at [-0-9:. ]+\+00\.', 'in (n) s, at (time).');
END $$;
