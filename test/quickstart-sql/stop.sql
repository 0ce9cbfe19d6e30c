SELECT id, status FROM databases.databases_update_online_migration(
    database_cluster_uuid => :'cluster',
    source_server => 'old_db');

SELECT databases.databases_delete_online_migration(
    database_cluster_uuid => m.database_cluster_uuid,
    migration_id          => m.id)
FROM databases.online_migrations m
WHERE m.database_cluster_uuid = :'cluster'
  AND m.status IN ('running', 'syncing');

SELECT id, status FROM databases.online_migrations
WHERE database_cluster_uuid = :'cluster';
