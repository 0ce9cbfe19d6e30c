SELECT * FROM databases.databases_update_online_migration(
    database_cluster_uuid => :'cluster',
    source      => '{"host": "src.example.com", "port": 25060,
                     "dbname": "defaultdb", "username": "doadmin",
                     "password": "made-up"}',
    ignore_dbs  => '{db0,db1}');
