-- What a user types first.  The other files go on from here: the endpoint is
-- an API simulator, which each of them may reset.
\! simctl reset >/dev/null
\getenv endpoint OMF_HTTP
CREATE SCHEMA databases;
CREATE EXTENSION online_migrations_fdw SCHEMA databases;
CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'endpoint');
CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean
    OPTIONS (token 'dop_v1_0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef');
IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO databases;
