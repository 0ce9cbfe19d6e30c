-- Without a key: all clusters of the account, from its listing.  The account
-- is one of this test's own.
\! simctl reset >/dev/null
\! simctl token dop_v1_listing1 >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000a token=dop_v1_listing1 engine=pg name=alpha >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000b token=dop_v1_listing1 engine=mysql name=beta tags=x,y >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000c token=dop_v1_listing1 engine=mongodb name=gamma tags=x >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000d token=dop_v1_listing1 engine=valkey name=delta >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000e token=dop_v1_listing1 engine=kafka name=epsilon >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000f token=dop_v1_listing1 engine=opensearch name=zeta >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000b done id-b 2020-10-28T15:21:36Z >/dev/null
\! simctl log --clear >/dev/null
\set a 00000000-0000-4000-8000-00000000000a
\set b 00000000-0000-4000-8000-00000000000b
SET timezone = 'UTC';
SET datestyle = 'ISO';
SET search_path = databases;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_listing1');

SELECT * FROM online_migrations ORDER BY 1;
\! simctl log --sort --clear
-- Clauses that name no cluster are looked at here.
SELECT id FROM online_migrations WHERE status = 'done';
\! simctl log --sort --clear
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid > :'a';
\! simctl log --sort --clear
-- So is one that would tell a cluster only together with another column.
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' OR status = 'done' ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE id = 'id-a';
\! simctl log --sort --clear
-- Volatile functions choose no cluster.
CREATE FUNCTION pg_temp.volatile_key() RETURNS uuid LANGUAGE plpgsql VOLATILE AS
$$ BEGIN RETURN '00000000-0000-4000-8000-00000000000a'; END $$;
SELECT id FROM online_migrations WHERE database_cluster_uuid = pg_temp.volatile_key();
\! simctl log --sort --clear

-- A list and a look at one of its clusters in one statement ask once.
SELECT count(*) FROM online_migrations x, online_migrations y;
\! simctl log --sort --clear
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = :'a' UNION ALL SELECT count(*) FROM online_migrations ORDER BY 1;
\! simctl log --sort --clear

-- The clusters themselves: one listing, no further request.
SELECT id, name, engine, tags FROM clusters ORDER BY id;
\! simctl log --sort --clear
SELECT count(*), count(DISTINCT id) FROM clusters;
\! simctl log --sort --clear
SELECT count(*) FROM clusters WHERE engine = 'pg';
\! simctl log --sort --clear
-- By id: one request for one cluster.
SELECT name, engine FROM clusters WHERE id = :'a';
SELECT name, engine FROM clusters WHERE id = '00000000-0000-4000-8000-0000000000ff';
SELECT name FROM clusters WHERE id IN (:'a', :'b') ORDER BY 1;
SELECT name FROM clusters WHERE id::text = :'b';
\! simctl log --sort --clear
-- Together: the listing, and a status for each that may have one.
SELECT c.name, m.status FROM clusters c LEFT JOIN online_migrations m ON m.database_cluster_uuid = c.id ORDER BY 1;
-- which of the ways the planner took is its own affair
\! simctl log --sort --clear | grep -v 'page=\|00000000000[cef]/'

-- By tag: the API filters, and so does PostgreSQL.
SELECT name FROM clusters WHERE tags @> ARRAY['x'] ORDER BY 1;
\! simctl log --sort --clear
SELECT name FROM clusters WHERE tags @> ARRAY['x'] AND tags @> ARRAY['y'] ORDER BY 1;
\! simctl log --sort --clear
SELECT name FROM clusters WHERE tags @> ARRAY['x', 'y'] ORDER BY 1;
\! simctl log --sort --clear
SELECT name FROM clusters WHERE tags @> ARRAY['no&page=7 ü'] ORDER BY 1;
\! simctl log --sort --clear
SELECT name FROM clusters WHERE 'y' = ANY (tags);
\! simctl log --sort --clear
SELECT name FROM clusters WHERE tags = '{}' ORDER BY 1;
\! simctl log --sort --clear

-- Pages: as many as the API says, or until one brings nothing new.  The list
-- may shift while it is read: a cluster that is on two pages counts once.
\! simctl config list_max_page=2 >/dev/null
SELECT count(*) FROM clusters;
\! simctl log --sort --clear
\! simctl config list_shift=true >/dev/null
SELECT count(*), count(DISTINCT id) FROM clusters;
SELECT count(*) FROM online_migrations;
\! simctl log --sort --clear | grep -v page= | sort | uniq -c | tr -s ' '
\! simctl config list_links=false list_total=false >/dev/null
SELECT count(*), count(DISTINCT id) FROM clusters;
\! simctl config list_shift=false >/dev/null
SELECT count(*) FROM clusters;
\! simctl log --clear >/dev/null
-- Links that lead in a circle are errors; of those to another host the number
-- counts, and nothing is sent there.
\! simctl config list_links=true list_loop=1 >/dev/null
SELECT state, message FROM public.failure('SELECT count(*) FROM databases.clusters');
\! simctl config list_loop=0 list_other_host=true >/dev/null
SELECT state, message FROM public.failure('SELECT count(*) FROM databases.clusters');
\! simctl log --sort --clear | grep -v '/v2/databases?page=.&per_page=200 200'
\! simctl config list_other_host=false list_total=true list_max_page=200 >/dev/null

-- A statement sees the clusters as they are; the next one, as they are then.
\! simctl cluster 00000000-0000-4000-8000-000000000010 token=dop_v1_listing1 engine=pg name=eta >/dev/null
SELECT count(*) FROM clusters;
\! simctl log --clear >/dev/null

-- ANALYZE counts the clusters.
ANALYZE clusters;
SELECT reltuples FROM pg_class WHERE oid = 'clusters'::regclass;
ANALYZE online_migrations;
SELECT reltuples FROM pg_class WHERE oid = 'online_migrations'::regclass;
\! simctl log --clear >/dev/null

-- A token that may not list: the hint shows the other way.
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_noscope');
\x on
SELECT * FROM public.failure('SELECT id FROM databases.online_migrations');
SELECT * FROM public.failure('SELECT count(*) FROM databases.clusters');
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_unknown0');
SELECT * FROM public.failure('SELECT id FROM databases.online_migrations');
\x off
-- Another account has other clusters.
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_second');
SELECT count(*) FROM clusters WHERE name IN ('alpha', 'beta');
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_listing1');

-- Passwords of clusters are in the listing, and nowhere else.
SELECT count(*) FILTER (WHERE c::text ~* 'canary|password|doadmin') AS leaked, count(*) AS clusters FROM clusters c;
CREATE FOREIGN TABLE wishful (id uuid, password text) SERVER digitalocean OPTIONS (resource 'clusters');
SELECT * FROM wishful;
\echo :SQLSTATE
CREATE FOREIGN TABLE wishful2 (id uuid, connection text) SERVER digitalocean OPTIONS (resource 'clusters');
SELECT * FROM wishful2;
\echo :SQLSTATE
DROP FOREIGN TABLE wishful, wishful2;
ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean
    OPTIONS (SET token 'dop_v1_simulator');
