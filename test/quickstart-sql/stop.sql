SELECT * FROM databases.databases_update_online_migration(
    database_cluster_uuid => :'cluster',
    source      => '{"host": "src.example.com", "port": 25060,
                     "dbname": "defaultdb", "username": "doadmin",
                     "password": "made-up"}');

SELECT databases.databases_delete_online_migration(
    database_cluster_uuid => :'cluster',
    migration_id => (SELECT id FROM databases.online_migrations
                     WHERE database_cluster_uuid = :'cluster'));

SELECT status FROM digitalocean.databases.online_migrations
WHERE database_cluster_uuid = :'cluster';
