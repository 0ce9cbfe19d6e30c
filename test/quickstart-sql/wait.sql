\set QUIET off
CALL databases.databases_wait_online_migration(:'cluster', :'id',
    until => '{syncing,done}', poll_interval => '1 s');
CALL databases.databases_wait_online_migration(:'cluster', :'id',
    until => '{done}', poll_interval => '1 s');
