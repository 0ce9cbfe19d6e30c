\set QUIET off
\getenv endpoint OMF_HTTPS
\getenv ca_file OMF_CA_FILE
CREATE SCHEMA databases;
CREATE EXTENSION online_migrations_fdw SCHEMA databases;
CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw
    OPTIONS (endpoint :'endpoint', ca_file :'ca_file');
CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean
    OPTIONS (token 'dop_v1_simulator');
IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO databases;
