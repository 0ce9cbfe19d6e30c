-- The real API: only reads, so every transaction is read-only from here on.
\set QUIET off
CREATE SCHEMA databases;
CREATE EXTENSION online_migrations_fdw SCHEMA databases;
CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw;
CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean
    OPTIONS (token_file :'token_file');
IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO databases;
ALTER DATABASE digitalocean SET default_transaction_read_only = on;
