\set QUIET off
CREATE TABLE migration_statuses AS
    SELECT now() AS seen, * FROM databases.online_migrations;
