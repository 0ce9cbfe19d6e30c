SELECT c.name, c.engine, c.region, m.id, m.created_at, m.status
FROM digitalocean.databases.clusters c
LEFT JOIN digitalocean.databases.online_migrations m ON m.database_cluster_uuid = c.id
ORDER BY c.name;
