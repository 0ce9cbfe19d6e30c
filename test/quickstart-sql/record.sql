\set QUIET off
INSERT INTO migration_statuses
    SELECT now(), * FROM databases.online_migrations;
