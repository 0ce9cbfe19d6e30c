SELECT id, created_at, status
FROM digitalocean.databases.online_migrations
WHERE database_cluster_uuid = :'cluster';
