SELECT id, created_at, status FROM databases.databases_update_online_migration(
    database_cluster_uuid => :'cluster',
    source_server => 'old_db',
    ignore_dbs    => '{db0,db1}');
