-- online_migrations_fdw_check(): a row for each thing that can be wrong here.
\! simctl reset >/dev/null
SET search_path = databases, public;
\! simctl log --clear >/dev/null
SELECT "check", result = 'ok' OR "check" IN ('libcurl', 'shared memory') AS fine, "check" IN ('libcurl', 'shared memory', 'version', 'rate limit') OR detail <> '' AS told
FROM online_migrations_fdw_check();
\! simctl log --clear
SELECT "check", result, detail, hint FROM online_migrations_fdw_check('digitalocean') WHERE "check" IN ('API', 'token', 'scopes', 'clock');
-- The token is not one, may nothing, or is not there.
\! simctl fault status method=GET status=401 times=1 >/dev/null
SELECT "check", result, regexp_replace(detail, 'Request.*', '') AS detail FROM online_migrations_fdw_check() WHERE "check" IN ('API', 'token', 'scopes');
\! simctl fault status method=GET status=403 times=1 >/dev/null
SELECT "check", result, regexp_replace(detail, 'Request.*', '') AS detail FROM online_migrations_fdw_check() WHERE "check" IN ('API', 'token', 'scopes');
\! simctl fault status method=GET status=500 >/dev/null
SELECT "check", result, detail ~ 'HTTP status 500' AS told, hint FROM online_migrations_fdw_check() WHERE "check" IN ('API', 'token', 'scopes');
\! simctl nofaults >/dev/null
-- Each failure has the hint of its kind.
\! simctl fault redirect method=GET times=1 >/dev/null
SELECT "check", result, regexp_replace(detail, 'Request.*', '') AS detail, hint FROM online_migrations_fdw_check() WHERE "check" IN ('API', 'token', 'scopes');
\! simctl nofaults >/dev/null
\! simctl log --clear >/dev/null
CREATE ROLE omf_checker;
GRANT USAGE ON SCHEMA databases TO omf_checker;
SET ROLE omf_checker;
SELECT "check", result FROM online_migrations_fdw_check();
\echo :SQLSTATE
RESET ROLE;
GRANT USAGE ON FOREIGN SERVER digitalocean TO omf_checker;
SET ROLE omf_checker;
SELECT "check", result, detail, hint FROM online_migrations_fdw_check() WHERE "check" = 'token';
RESET ROLE;
\! simctl log --clear
SELECT * FROM online_migrations_fdw_check('nowhere');
\echo :SQLSTATE
-- A token's file that is not there is a row, and the next look goes on.
CREATE USER MAPPING FOR omf_checker SERVER digitalocean OPTIONS (token_file '/nonexistent/token');
SET ROLE omf_checker;
SELECT "check", result, detail, hint FROM online_migrations_fdw_check() WHERE "check" NOT IN ('version', 'libcurl', 'shared memory');
RESET ROLE;
DROP USER MAPPING FOR omf_checker SERVER digitalocean;
\! simctl log --clear
REVOKE ALL ON FOREIGN SERVER digitalocean FROM omf_checker;
REVOKE ALL ON SCHEMA databases FROM omf_checker;
DROP ROLE omf_checker;
