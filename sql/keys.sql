-- Which WHERE and JOIN clauses choose the clusters that are asked for.  After
-- each query stands what the API saw: GET, once for each cluster, no more.
\! simctl reset >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000a engine=pg >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000b engine=mysql >/dev/null
\! simctl cluster 00000000-0000-4000-8000-00000000000c engine=valkey >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000a syncing id-a 2020-10-28T15:21:35Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000b done id-b 2020-10-28T15:21:36Z >/dev/null
\! simctl migration 00000000-0000-4000-8000-00000000000c error id-c 2020-10-28T15:21:37Z >/dev/null
\set a 00000000-0000-4000-8000-00000000000a
\set b 00000000-0000-4000-8000-00000000000b
\set c 00000000-0000-4000-8000-00000000000c
-- no such cluster
\set x 00000000-0000-4000-8000-0000000000ff
SET timezone = 'UTC';
CREATE SCHEMA keys;
SET search_path = keys, databases;
CREATE TABLE wanted (n int PRIMARY KEY, cluster uuid, cluster_text text);
INSERT INTO wanted VALUES (1, :'a', :'a'), (2, :'b', :'b'), (3, :'a', :'a'), (4, NULL, NULL), (5, :'x', :'x');
ANALYZE wanted;
\! simctl log --clear

-- One cluster, either way round.
SELECT id, status FROM online_migrations WHERE database_cluster_uuid = :'a';
\! simctl log --sort --clear
SELECT id, status FROM online_migrations WHERE :'a'::uuid = database_cluster_uuid;
\! simctl log --sort --clear
-- One that does not exist, or never had a migration, is no row.
SELECT id, status FROM online_migrations WHERE database_cluster_uuid = :'x';
\! simctl log --sort --clear

-- Several.
SELECT id FROM online_migrations WHERE database_cluster_uuid IN (:'a', :'b', :'x') ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY[:'a', :'b']::uuid[]) ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY ('{00000000-0000-4000-8000-00000000000a,00000000-0000-4000-8000-00000000000B}') ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT cluster FROM wanted)) ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (SELECT cluster FROM wanted WHERE n = 1) ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = (SELECT cluster FROM wanted WHERE n = 2);
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' OR database_cluster_uuid = :'c' ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' OR database_cluster_uuid IN (:'b', :'c') ORDER BY id;
\! simctl log --sort --clear
-- ORs with ANDs: the rest is looked at here.
SELECT id FROM online_migrations
WHERE (database_cluster_uuid = :'a' AND status = 'done') OR (database_cluster_uuid = :'b' AND status = 'done') ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations
WHERE (status = 'done' AND (database_cluster_uuid = :'a' OR :'b'::uuid = database_cluster_uuid)) OR (id = 'id-c' AND database_cluster_uuid = :'c') ORDER BY id;
\! simctl log --sort --clear

-- Duplicates ask once, and come out once.
SELECT id FROM online_migrations WHERE database_cluster_uuid IN (:'a', :'a', '00000000-0000-4000-8000-00000000000A');
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' OR database_cluster_uuid = :'a' OR database_cluster_uuid IN (:'a', :'b') ORDER BY id;
\! simctl log --sort --clear

-- NULLs ask nothing.
SELECT id FROM online_migrations WHERE database_cluster_uuid = NULL;
SELECT id FROM online_migrations WHERE database_cluster_uuid = NULL::uuid;
SELECT id FROM online_migrations WHERE database_cluster_uuid IN (NULL, NULL);
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (NULL::uuid[]);
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY ('{}'::uuid[]);
SELECT id FROM online_migrations WHERE database_cluster_uuid = (SELECT cluster FROM wanted WHERE n = 4);
SELECT id FROM online_migrations WHERE database_cluster_uuid = (SELECT cluster FROM wanted WHERE n = 99);
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT cluster FROM wanted WHERE n > 99));
\! simctl log --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid IN (NULL, :'b');
\! simctl log --clear

-- Several clauses: a cluster has to pass all of them.
SELECT id FROM online_migrations WHERE database_cluster_uuid IN (:'a', :'b') AND database_cluster_uuid IN (:'b', :'c');
\! simctl log --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY(SELECT cluster FROM wanted)) AND (database_cluster_uuid = :'c' OR database_cluster_uuid = :'b');
\! simctl log --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' AND database_cluster_uuid = :'b';
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' AND database_cluster_uuid IN (:'b', :'c');
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' AND false;
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' AND NULL;
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' LIMIT 0;
\! simctl log --clear

-- Other clauses are looked at here, and ask no more.
SELECT id FROM online_migrations WHERE database_cluster_uuid IN (:'a', :'b') AND status = 'done';
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid IN (:'a', :'b') AND database_cluster_uuid <> :'a';
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (ARRAY[:'a', :'b']::uuid[]) AND NOT database_cluster_uuid = :'b';
\! simctl log --sort --clear

-- Functions: stable ones choose, volatile ones do not.
CREATE FUNCTION stable_keys() RETURNS uuid[] LANGUAGE sql STABLE AS
$$ SELECT '{00000000-0000-4000-8000-00000000000a,00000000-0000-4000-8000-00000000000c}'::uuid[] $$;
CREATE FUNCTION volatile_key() RETURNS uuid LANGUAGE sql VOLATILE AS
$$ SELECT '00000000-0000-4000-8000-00000000000a'::uuid $$;
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (stable_keys()) ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid IN ((stable_keys())[1], NULL, :'b') ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = current_setting('keys.cluster', true)::uuid;
\! simctl log --sort --clear
SELECT set_config('keys.cluster', :'c', false);
SELECT id FROM online_migrations WHERE database_cluster_uuid = current_setting('keys.cluster', true)::uuid;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = volatile_key() AND database_cluster_uuid IN (:'a', :'b');
\! simctl log --sort --clear

-- Parameters: in custom and in generic plans.
PREPARE one(uuid) AS SELECT id FROM online_migrations WHERE database_cluster_uuid = $1;
PREPARE many(uuid[]) AS SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY ($1) ORDER BY id;
PREPARE cast_many(text[]) AS SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY ($1::uuid[]) ORDER BY id;
PREPARE cast_one(text) AS SELECT id FROM online_migrations WHERE database_cluster_uuid = $1::uuid;
PREPARE list(uuid, uuid) AS SELECT id FROM online_migrations WHERE database_cluster_uuid IN ($1, $2) ORDER BY id;
PREPARE untyped AS SELECT id FROM online_migrations WHERE database_cluster_uuid = $1;
SET plan_cache_mode = force_custom_plan;
EXECUTE one(:'a');
EXECUTE one(NULL);
EXECUTE many(ARRAY[:'a', NULL, :'b', :'a']::uuid[]);
EXECUTE many(NULL);
EXECUTE cast_many(ARRAY[:'c']);
EXECUTE cast_one(:'b');
EXECUTE list(:'c', NULL);
EXECUTE untyped(:'b');
\! simctl log --sort --clear
SET plan_cache_mode = force_generic_plan;
EXECUTE one(:'a');
EXECUTE one(NULL);
EXECUTE many(ARRAY[:'a', NULL, :'b', :'a']::uuid[]);
EXECUTE many(NULL);
EXECUTE cast_many(ARRAY[:'c']);
EXECUTE cast_one(:'b');
EXECUTE list(:'c', NULL);
EXECUTE untyped(:'b');
\! simctl log --sort --clear
RESET plan_cache_mode;

-- The uuid column as its text: what tools write that know of no type uuid.
SELECT id FROM online_migrations WHERE database_cluster_uuid::text = :'a';
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid::varchar = :'a';
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE :'b' = database_cluster_uuid::text;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid::text IN (:'a', :'b', NULL, 'no uuid') ORDER BY id;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid::text = ANY (ARRAY(SELECT cluster_text FROM wanted)) ORDER BY id;
\! simctl log --sort --clear
-- That is what no uuid's text is: nothing to ask for, and no error.
SELECT id FROM online_migrations WHERE database_cluster_uuid::text = upper(:'a');
SELECT id FROM online_migrations WHERE database_cluster_uuid::text = 'no uuid';
\! simctl log --sort --clear

-- A key column of type text or varchar shows the canonical form; a text that is
-- not that form equals no cluster: no row, no request, no error.
CREATE FOREIGN TABLE by_text (database_cluster_uuid text, id text, status text) SERVER digitalocean OPTIONS (resource 'online_migrations');
CREATE FOREIGN TABLE by_varchar (database_cluster_uuid varchar, id text, status text) SERVER digitalocean OPTIONS (resource 'online_migrations');
SELECT * FROM by_text WHERE database_cluster_uuid = :'a';
SELECT * FROM by_varchar WHERE database_cluster_uuid = ANY (ARRAY[:'a', :'b']) ORDER BY 1;
\! simctl log --sort --clear
SELECT * FROM by_text WHERE database_cluster_uuid = upper(:'a');
SELECT * FROM by_text WHERE database_cluster_uuid = '{0000000000004000800000000000000a}';
SELECT * FROM by_varchar WHERE database_cluster_uuid = '0000000000004000800000000000000a';
SELECT * FROM by_text WHERE database_cluster_uuid = 'no uuid' OR database_cluster_uuid = '';
SELECT * FROM by_varchar WHERE database_cluster_uuid = '../00000000-0000-4000-8000-00000000000a';
SELECT * FROM by_varchar WHERE database_cluster_uuid IN ('00000000-0000-4000-8000-00000000000', '00000000-0000-4000-8000-00000000000g');
\! simctl log --sort --clear
-- The other spellings of a list are passed over; one cluster is one row.
SELECT * FROM by_text WHERE database_cluster_uuid IN (upper(:'a'), :'a', '{0000000000004000800000000000000a}', :'a');
\! simctl log --sort --clear
PREPARE driver(varchar) AS SELECT * FROM by_varchar WHERE database_cluster_uuid = $1;
EXECUTE driver(:'c');
EXECUTE driver(upper(:'c'));
\! simctl log --sort --clear
SELECT w.n, t.status FROM wanted w JOIN by_text t ON t.database_cluster_uuid = w.cluster_text ORDER BY n;
\! simctl log --sort --clear

-- The rows are those of a local copy, by key, by listing, and whatever the
-- join: with upper case, domains, collations that know no case, char(n), and
-- what looks like a key and is none.
CREATE COLLATION caseless (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN key_text AS varchar CHECK (length(VALUE) = 36);
CREATE DOMAIN key_uuid AS uuid;
CREATE FOREIGN TABLE by_caseless (database_cluster_uuid text COLLATE caseless, id text, status text) SERVER digitalocean OPTIONS (resource 'online_migrations');
CREATE FOREIGN TABLE by_domain (database_cluster_uuid key_text, id text, status text) SERVER digitalocean OPTIONS (resource 'online_migrations');
CREATE FOREIGN TABLE by_uuid (database_cluster_uuid key_uuid, id text, status text) SERVER digitalocean OPTIONS (resource 'online_migrations');
CREATE TABLE local_by_text AS SELECT * FROM by_text;
CREATE TABLE local_by_varchar AS SELECT * FROM by_varchar;
CREATE TABLE local_by_caseless AS SELECT * FROM by_caseless;
CREATE TABLE local_by_domain AS SELECT * FROM by_domain;
CREATE TABLE local_by_uuid AS SELECT * FROM by_uuid;
CREATE TABLE spelt (t text, c char(40), v varchar(40), l text COLLATE caseless);
INSERT INTO spelt SELECT s, s, s, s FROM unnest(ARRAY[:'a', upper(:'a'), '{' || :'b' || '}', :'b', :'c', 'no uuid']) s;
ANALYZE spelt;
CREATE FUNCTION differences(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    setting text; here text; there text; name text;
BEGIN
    FOREACH name IN ARRAY '{by_text,by_varchar,by_caseless,by_domain,by_uuid}'::text[] LOOP
        CONTINUE WHEN name = 'by_uuid' AND query ~ 'text only';
        EXECUTE format('SELECT string_agg(x::text, '' '' ORDER BY x::text) FROM (%s) x', replace(query, 'T.', 'local_' || name)) INTO there;
        FOREACH setting IN ARRAY '{none,enable_nestloop,enable_hashjoin,enable_mergejoin,online_migrations_fdw.enable_batched_join}'::text[] LOOP
            EXECUTE CASE WHEN setting <> 'none' THEN format('SET LOCAL %s = off', setting) ELSE '' END;
            EXECUTE format('SELECT string_agg(x::text, '' '' ORDER BY x::text) FROM (%s) x', replace(query, 'T.', name)) INTO here;
            IF here IS DISTINCT FROM there THEN
                RETURN NEXT format('%s, %s off: %s and not %s: %s', name, setting, here, there, query);
            END IF;
            EXECUTE CASE WHEN setting <> 'none' THEN format('SET LOCAL %s = on', setting) ELSE '' END;
        END LOOP;
    END LOOP;
END $$;
SELECT differences(q) FROM regexp_split_to_table($$
SELECT id FROM T. WHERE database_cluster_uuid::text = upper('00000000-0000-4000-8000-00000000000a')
SELECT id FROM T. WHERE /* text only */ database_cluster_uuid = upper('00000000-0000-4000-8000-00000000000a')
SELECT id FROM T. WHERE /* text only */ database_cluster_uuid = upper('00000000-0000-4000-8000-00000000000a') OR status = 'done'
SELECT id FROM T. WHERE database_cluster_uuid IN ('00000000-0000-4000-8000-00000000000A', '00000000-0000-4000-8000-00000000000b')
SELECT id FROM T. WHERE database_cluster_uuid = ALL ('{00000000-0000-4000-8000-00000000000a,00000000-0000-4000-8000-00000000000b}')
SELECT id FROM T. WHERE database_cluster_uuid = ALL ('{}')
SELECT id FROM T. WHERE database_cluster_uuid::text = ALL ('{}')
SELECT id FROM T. WHERE database_cluster_uuid::varchar(7) = '0000000'
SELECT id FROM T. WHERE database_cluster_uuid::text::varchar(7) = ANY ('{0000000,1}')
SELECT id FROM T. WHERE database_cluster_uuid::varchar(40) = '00000000-0000-4000-8000-00000000000a'
SELECT id FROM T. WHERE database_cluster_uuid::char(40) = '00000000-0000-4000-8000-00000000000a  '
SELECT id FROM T. WHERE database_cluster_uuid::text COLLATE caseless = '00000000-0000-4000-8000-00000000000A'
SELECT id FROM T. WHERE (database_cluster_uuid::text COLLATE "C") = '00000000-0000-4000-8000-00000000000a'::name
SELECT t, id FROM spelt LEFT JOIN T. ON database_cluster_uuid::text = t
SELECT t, id FROM spelt LEFT JOIN T. ON /* text only */ database_cluster_uuid = t COLLATE "C"
SELECT t, id FROM spelt LEFT JOIN T. ON /* text only */ database_cluster_uuid = v COLLATE "C"
SELECT t, id FROM spelt LEFT JOIN T. ON database_cluster_uuid::text = c
SELECT t, id FROM spelt LEFT JOIN T. ON database_cluster_uuid::char(40) = c
SELECT t, id FROM spelt LEFT JOIN T. ON database_cluster_uuid::text COLLATE "C" = t
SELECT t, id FROM spelt LEFT JOIN T. ON database_cluster_uuid::text COLLATE caseless = l
SELECT t FROM spelt WHERE EXISTS (SELECT FROM T. WHERE database_cluster_uuid::text COLLATE caseless = l)
SELECT t FROM spelt WHERE t IN (SELECT database_cluster_uuid::text COLLATE "C" FROM T.)
SELECT t FROM spelt WHERE l NOT IN (SELECT database_cluster_uuid::text COLLATE caseless FROM T.)
$$, '\n') q WHERE q <> '';
-- Those of them that are no keys read the listing.
\! simctl log --clear >/dev/null
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = ALL (ARRAY[:'a', :'b']::uuid[]);
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid::varchar(7) = '0000000';
SELECT count(*) FROM by_caseless WHERE database_cluster_uuid = upper(:'a');
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid::text COLLATE caseless = upper(:'a');
\! simctl log --clear | grep -c per_page
-- Nor is that a tag to list by.
SELECT count(*) FROM clusters WHERE tags @> ARRAY['PROD'] COLLATE caseless;
\! simctl log --clear

-- Joins, through the other table's values.
SELECT w.n, m.status FROM wanted w JOIN online_migrations m ON m.database_cluster_uuid = w.cluster ORDER BY n;
\! simctl log --sort --clear
SELECT w.n, m.status FROM wanted w LEFT JOIN online_migrations m ON m.database_cluster_uuid = w.cluster ORDER BY n;
\! simctl log --sort --clear
SELECT w.n, m.status FROM wanted w JOIN online_migrations m ON m.database_cluster_uuid = w.cluster AND m.status = 'done' WHERE w.n < 3 ORDER BY n;
\! simctl log --sort --clear
SELECT w.n, m.status FROM wanted w JOIN online_migrations m ON m.database_cluster_uuid = w.cluster_text::uuid ORDER BY n;
\! simctl log --sort --clear
SELECT n FROM wanted w WHERE EXISTS (SELECT FROM online_migrations m WHERE m.database_cluster_uuid = w.cluster) ORDER BY n;
\! simctl log --sort --clear
SELECT n FROM wanted w WHERE cluster IS NOT NULL AND NOT EXISTS (SELECT FROM online_migrations m WHERE m.database_cluster_uuid = w.cluster) ORDER BY n;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid IN (SELECT cluster FROM wanted) ORDER BY id;
\! simctl log --sort --clear
SELECT w.n, l.status FROM wanted w, LATERAL (SELECT status FROM online_migrations m WHERE m.database_cluster_uuid = w.cluster LIMIT 1) l ORDER BY n;
\! simctl log --sort --clear
SELECT n, (SELECT status FROM online_migrations m WHERE m.database_cluster_uuid = w.cluster) FROM wanted w ORDER BY n;
\! simctl log --sort --clear
SELECT v.n, m.id FROM (VALUES (1, :'b'::uuid), (2, :'c')) v(n, cluster) JOIN online_migrations m ON m.database_cluster_uuid = v.cluster ORDER BY n;
\! simctl log --sort --clear
-- A constant reaches both sides.
SELECT w.n, m.status FROM wanted w JOIN online_migrations m ON m.database_cluster_uuid = w.cluster WHERE w.cluster = :'b' ORDER BY n;
\! simctl log --sort --clear
-- The outer side takes part in an expression, or in a list of several.
SELECT w.n, m.id FROM wanted w JOIN online_migrations m ON m.database_cluster_uuid IN (w.cluster, :'c') WHERE w.n < 3 ORDER BY n, id;
\! simctl log --sort --clear
SELECT w.n, m.id FROM wanted w JOIN online_migrations m ON m.database_cluster_uuid = w.cluster OR m.database_cluster_uuid = :'c' WHERE w.n < 3 ORDER BY n, id;
\! simctl log --sort --clear

-- One statement sees one status for each cluster: it asks once.
SELECT x.status, y.status FROM online_migrations x JOIN online_migrations y USING (database_cluster_uuid) WHERE database_cluster_uuid = :'a';
\! simctl log --sort --clear
SELECT x.id, y.id FROM online_migrations x, online_migrations y WHERE x.database_cluster_uuid IN (:'a', :'b') AND y.database_cluster_uuid IN (:'a', :'b') ORDER BY 1, 2;
\! simctl log --sort --clear
SELECT n, (SELECT status FROM online_migrations WHERE database_cluster_uuid = :'c' AND w.n > 0) FROM wanted w ORDER BY n;
\! simctl log --sort --clear
SELECT id FROM online_migrations WHERE database_cluster_uuid = :'a' UNION ALL SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a' ORDER BY 1;
\! simctl log --sort --clear
-- The next statement asks again.
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'c';
\! simctl migration 00000000-0000-4000-8000-00000000000c done id-c2 2020-10-28T15:21:38Z >/dev/null
SELECT status FROM online_migrations WHERE database_cluster_uuid = :'c';
\! simctl log --sort --clear

-- Rescans and cursors.
SET enable_material = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT w.n, m.id FROM wanted w LEFT JOIN online_migrations m ON m.database_cluster_uuid IN (:'a', :'b') AND w.n < length(m.id) AND w.n < 3 ORDER BY n, id;
\! simctl log --sort --clear
RESET enable_material;
RESET enable_hashjoin;
RESET enable_mergejoin;
BEGIN;
DECLARE c SCROLL CURSOR FOR SELECT status FROM online_migrations WHERE database_cluster_uuid = :'a';
FETCH ALL FROM c;
FETCH BACKWARD ALL FROM c;
FETCH ALL FROM c;
COMMIT;
\! simctl log --sort --clear
BEGIN;
DECLARE held CURSOR WITH HOLD FOR SELECT status FROM online_migrations WHERE database_cluster_uuid = :'b';
COMMIT;
FETCH ALL FROM held;
CLOSE held;
\! simctl log --sort --clear

-- LIMIT stops asking: while it looks at the first answer, one more is on its
-- way, and the others stay unasked.
ALTER SERVER digitalocean OPTIONS (ADD max_concurrency '1');
CREATE FUNCTION twenty() RETURNS uuid[] LANGUAGE sql STABLE AS
$$ SELECT array_agg(format('00000000-0000-4000-8000-%s', lpad(to_hex(9 + n), 12, '0'))::uuid ORDER BY n) FROM generate_series(1, 20) n $$;
SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (twenty()) LIMIT 1;
\! sleep 0.2; test $(simctl log --clear | wc -l) -le 2 && echo two at most
SELECT EXISTS (SELECT FROM online_migrations WHERE database_cluster_uuid = ANY (twenty()));
\! sleep 0.2; test $(simctl log --clear | wc -l) -le 2 && echo two at most
BEGIN;
DECLARE few CURSOR FOR SELECT id FROM online_migrations WHERE database_cluster_uuid = ANY (twenty());
FETCH 2 FROM few;
ROLLBACK;
\! sleep 0.2; test $(simctl log --clear | wc -l) -le 3 && echo three at most
SELECT count(*) FROM online_migrations WHERE database_cluster_uuid = ANY (twenty());
\! sleep 0.2; simctl log --clear | wc -l | tr -d ' '
ALTER SERVER digitalocean OPTIONS (DROP max_concurrency);

-- In functions and in DO blocks.
CREATE FUNCTION status_of(cluster uuid) RETURNS text LANGUAGE plpgsql STABLE AS
$$ BEGIN RETURN (SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = cluster); END $$;
SELECT n, status_of(cluster) FROM wanted ORDER BY n;
\! simctl log --sort --clear

-- Inheritance and UNION ALL views pass keys on.
CREATE VIEW everywhere AS
    SELECT 'one' AS account, * FROM online_migrations UNION ALL SELECT 'two', * FROM online_migrations;
SELECT account, id FROM everywhere WHERE database_cluster_uuid = :'a' ORDER BY 1;
\! simctl log --sort --clear

SET client_min_messages = warning;
DROP SCHEMA keys CASCADE;
