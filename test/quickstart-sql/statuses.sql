SELECT id, status, seen FROM migration_statuses
WHERE database_cluster_uuid = :'cluster'
ORDER BY seen;
