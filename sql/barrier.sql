-- Below a security barrier, no cluster is asked about before the view's own
-- side has a row for it: whatever the reader sets, joins and filters by.  The
-- log shows what the API heard: of clusters 1 to 3, which the views show.
\! simctl reset >/dev/null
\! simctl token dop_v1_barrier01 >/dev/null
\! simctl populate seed=8 count=30 token=dop_v1_barrier01 status=done >/dev/null
\getenv endpoint OMF_HTTP
CREATE SERVER barred FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint :'endpoint', max_retries '0');
CREATE ROLE omf_owner;
CREATE ROLE omf_guest;
CREATE USER MAPPING FOR PUBLIC SERVER barred OPTIONS (token 'dop_v1_barrier01');
CREATE SCHEMA barred;
GRANT USAGE ON SCHEMA barred TO omf_owner, omf_guest;
IMPORT FOREIGN SCHEMA databases FROM SERVER barred INTO barred;
SET search_path = barred;
CREATE FUNCTION key(i integer) RETURNS uuid IMMUTABLE LANGUAGE sql
RETURN ('00000008-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid;
CREATE TABLE shown AS SELECT i, key(i) AS k FROM generate_series(1, 3) i;
CREATE TABLE more AS SELECT i, key(i) AS k FROM generate_series(1, 20) i;
CREATE TABLE guessed AS SELECT i, key(i) AS k FROM generate_series(2, 12) i;
ANALYZE shown, more, guessed;
CREATE TABLE parts (database_cluster_uuid uuid, id text, created_at timestamptz, status text, account text) PARTITION BY LIST (account);
CREATE FOREIGN TABLE parts_1 PARTITION OF parts FOR VALUES IN ('one') SERVER barred OPTIONS (resource 'online_migrations');
ALTER FOREIGN TABLE parts_1 ALTER account OPTIONS (ADD column_name 'server');
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES IN ('two');
CREATE TABLE parent (database_cluster_uuid uuid, id text, status text);
CREATE FOREIGN TABLE child () INHERITS (parent) SERVER barred OPTIONS (resource 'online_migrations');
CREATE VIEW joined WITH (security_barrier) AS
    SELECT m.* FROM shown s JOIN online_migrations m ON m.database_cluster_uuid = s.k;
CREATE VIEW joined_thrice WITH (security_barrier) AS
    SELECT m.* FROM more JOIN online_migrations m ON m.database_cluster_uuid = more.k JOIN shown s ON s.i = more.i;
CREATE VIEW of_exists WITH (security_barrier) AS
    SELECT m.* FROM online_migrations m WHERE EXISTS (SELECT FROM shown s WHERE s.k = m.database_cluster_uuid);
CREATE VIEW of_in WITH (security_barrier) AS
    SELECT m.* FROM online_migrations m WHERE m.database_cluster_uuid IN (SELECT s.k FROM shown s JOIN more USING (i));
CREATE VIEW of_exists_and_left WITH (security_barrier) AS
    SELECT m.*, g.i FROM online_migrations m LEFT JOIN guessed g ON g.k = m.database_cluster_uuid JOIN more ON more.k = m.database_cluster_uuid
    WHERE EXISTS (SELECT FROM shown s WHERE s.k = m.database_cluster_uuid);
CREATE VIEW children_exist WITH (security_barrier) AS
    SELECT m.* FROM parent m WHERE EXISTS (SELECT FROM shown s WHERE s.k = m.database_cluster_uuid);
CREATE VIEW of_left WITH (security_barrier) AS
    SELECT s.k AS database_cluster_uuid, m.id, m.status FROM shown s LEFT JOIN online_migrations m ON m.database_cluster_uuid = s.k;
CREATE VIEW of_parts WITH (security_barrier) AS
    SELECT m.* FROM shown s JOIN parts m ON m.database_cluster_uuid = s.k;
CREATE VIEW of_children WITH (security_barrier) AS
    SELECT m.* FROM shown s JOIN parent m ON m.database_cluster_uuid = s.k;
CREATE VIEW of_union WITH (security_barrier) AS
    SELECT m.id, m.database_cluster_uuid, m.status FROM shown s, LATERAL
        (SELECT * FROM online_migrations UNION ALL SELECT * FROM online_migrations) m WHERE m.database_cluster_uuid = s.k
    UNION ALL SELECT m.id, m.database_cluster_uuid, m.status FROM shown s JOIN online_migrations m ON m.database_cluster_uuid = s.k;
CREATE VIEW of_both WITH (security_barrier) AS
    SELECT m.*, c.name FROM online_migrations m JOIN shown s ON m.database_cluster_uuid = s.k JOIN clusters c ON c.id = s.k;
CREATE VIEW in_list WITH (security_barrier) AS
    SELECT m.database_cluster_uuid, (SELECT status FROM online_migrations x WHERE x.database_cluster_uuid = s.k) AS status, m.id
    FROM shown s JOIN online_migrations m ON m.database_cluster_uuid = s.k;
-- Several foreign tables, and more tables than PostgreSQL plans at once.
CREATE VIEW of_many WITH (security_barrier) AS
    SELECT m.*, c.name FROM clusters c JOIN shown a ON a.k = c.id JOIN shown b ON b.k = c.id JOIN shown d ON d.k = c.id JOIN shown e ON e.i = d.i
    JOIN shown f ON f.i = e.i JOIN shown g ON g.k = c.id JOIN shown h ON h.k = c.id JOIN online_migrations m ON m.database_cluster_uuid = h.k JOIN shown i ON i.k = h.k;
CREATE VIEW of_groups WITH (security_barrier) AS
    SELECT m.*, c.name FROM (clusters c JOIN shown a ON a.k = c.id) JOIN (online_migrations m JOIN shown b ON m.database_cluster_uuid = b.k) ON m.database_cluster_uuid = c.id JOIN more d ON d.k = c.id;
CREATE VIEW of_left_groups WITH (security_barrier) AS
    SELECT m.*, c.name FROM (shown a LEFT JOIN clusters c ON a.k = c.id) LEFT JOIN (online_migrations m JOIN shown b ON m.database_cluster_uuid = b.k) ON m.database_cluster_uuid = c.id JOIN more d ON d.k = a.k;
CREATE VIEW both_exist WITH (security_barrier) AS
    SELECT m.* FROM online_migrations m WHERE EXISTS (SELECT FROM shown s WHERE s.k = m.database_cluster_uuid) AND EXISTS (SELECT FROM clusters c WHERE c.id = m.database_cluster_uuid);
CREATE VIEW exists_beside WITH (security_barrier) AS
    SELECT m.*, c.name FROM (SELECT * FROM clusters c WHERE EXISTS (SELECT FROM more s WHERE s.k = c.id)) c,
        (SELECT * FROM online_migrations m WHERE EXISTS (SELECT FROM shown s WHERE s.k = m.database_cluster_uuid)) m WHERE c.id = m.database_cluster_uuid;
CREATE VIEW exists_within WITH (security_barrier) AS
    SELECT p.* FROM parts p JOIN shown z ON z.k = p.database_cluster_uuid WHERE z.k IN (SELECT k FROM more)
    AND EXISTS (SELECT FROM parts q WHERE q.database_cluster_uuid = z.k AND EXISTS (SELECT FROM clusters c WHERE c.id = q.database_cluster_uuid));
CREATE VIEW exists_of_both WITH (security_barrier) AS
    SELECT p.* FROM parent p JOIN shown z ON z.k = p.database_cluster_uuid
    WHERE EXISTS (SELECT FROM more t JOIN online_migrations m ON t.k = m.database_cluster_uuid WHERE z.k = m.database_cluster_uuid);
CREATE VIEW listing_exists WITH (security_barrier) AS
    SELECT d.* FROM (online_migrations m RIGHT JOIN more x ON m.database_cluster_uuid = x.k)
        JOIN (SELECT * FROM online_migrations d WHERE EXISTS (SELECT FROM clusters c WHERE c.id = d.database_cluster_uuid)) d ON d.database_cluster_uuid = x.k JOIN shown z ON z.k = x.k
    WHERE x.k IN (SELECT database_cluster_uuid FROM parent);
CREATE VIEW waits_in_left WITH (security_barrier) AS
    SELECT m.*, c.name FROM clusters c JOIN (online_migrations m LEFT JOIN more y ON y.k = m.database_cluster_uuid) ON c.id = m.database_cluster_uuid JOIN shown s ON s.k = c.id;
CREATE VIEW mixed_parts WITH (security_barrier) AS
    SELECT p.*, c.name FROM parts p JOIN clusters c ON c.id = p.database_cluster_uuid WHERE p.database_cluster_uuid IN (SELECT k FROM shown);
CREATE VIEW mixed_children WITH (security_barrier) AS
    SELECT p.*, c.name FROM parent p JOIN clusters c ON c.id = p.database_cluster_uuid WHERE EXISTS (SELECT FROM shown s WHERE s.k = p.database_cluster_uuid);
CREATE VIEW mixed_union WITH (security_barrier) AS
    SELECT m.*, c.name FROM shown s JOIN (SELECT database_cluster_uuid, id, status FROM online_migrations
        UNION ALL SELECT k, 'x', 'y' FROM generate_series(4, 5) i, key(i) k UNION ALL SELECT v, 'x', 'y' FROM unnest(ARRAY[key(4), key(5)]) v UNION ALL VALUES (key(5), 'x', 'y')) m
        ON m.database_cluster_uuid = s.k JOIN clusters c ON c.id = s.k WHERE m.database_cluster_uuid IN (SELECT k FROM more);
CREATE VIEW nested WITH (security_barrier) AS SELECT * FROM (SELECT * FROM joined OFFSET 0) j;
-- Clauses on the key alone, which are looked at before a cluster is asked about.
CREATE VIEW of_text WITH (security_barrier) AS
    SELECT * FROM online_migrations WHERE database_cluster_uuid::text LIKE '00000008-%' AND database_cluster_uuid::text ~ '00000[1-3]$';
CREATE VIEW of_subplan WITH (security_barrier) AS
    SELECT * FROM online_migrations m WHERE EXISTS (SELECT FROM shown s WHERE s.k = m.database_cluster_uuid) OR m.database_cluster_uuid IS NULL;
CREATE VIEW of_scalar WITH (security_barrier) AS
    SELECT * FROM online_migrations m WHERE (SELECT i FROM shown s WHERE s.k = m.database_cluster_uuid) < 4;
CREATE VIEW of_join_text WITH (security_barrier) AS
    SELECT m.* FROM more s JOIN online_migrations m ON m.database_cluster_uuid = s.k WHERE m.database_cluster_uuid::text ~ '00000[1-3]$';
CREATE VIEW of_left_text WITH (security_barrier) AS
    SELECT m.* FROM more s LEFT JOIN online_migrations m ON m.database_cluster_uuid = s.k AND lower(m.database_cluster_uuid::text) ~ '00000[1-3]$'
    WHERE m.database_cluster_uuid IS NOT NULL;
CREATE VIEW of_join_scalar WITH (security_barrier) AS
    SELECT m.* FROM more s JOIN online_migrations m ON m.database_cluster_uuid = s.k
    WHERE (SELECT i FROM shown s WHERE s.k = m.database_cluster_uuid) < 4;
CREATE TABLE policed (LIKE parts) PARTITION BY LIST (account);
CREATE FOREIGN TABLE policed_1 PARTITION OF policed FOR VALUES IN ('one') SERVER barred OPTIONS (resource 'online_migrations');
ALTER FOREIGN TABLE policed_1 ALTER account OPTIONS (ADD column_name 'server');
ALTER TABLE policed ENABLE ROW LEVEL SECURITY;
CREATE POLICY shown ON policed USING (EXISTS (SELECT FROM shown s WHERE s.k = database_cluster_uuid));
CREATE FUNCTION never(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RETURN true; END $$;
DO $$ DECLARE name text;
BEGIN
    FOREACH name IN ARRAY '{shown,more,guessed,policed,policed_1,parts,parts_1,parts_2,parent,child,online_migrations,clusters}'::text[] LOOP
        EXECUTE format('ALTER TABLE %I OWNER TO omf_owner', name);
    END LOOP;
    FOREACH name IN ARRAY '{joined,joined_thrice,of_exists,of_in,of_exists_and_left,children_exist,of_left,of_parts,of_children,of_union,of_both,in_list,nested,of_many,of_groups,of_left_groups,both_exist,exists_beside,exists_within,exists_of_both,listing_exists,waits_in_left,mixed_parts,mixed_children,mixed_union,of_text,of_subplan,of_scalar,of_join_text,of_left_text,of_join_scalar}'::text[] LOOP
        EXECUTE format('ALTER VIEW %I OWNER TO omf_owner', name);
    END LOOP;
END $$;
GRANT SELECT ON ALL TABLES IN SCHEMA barred TO omf_guest;

-- What a reader may write; rows that differ from those of the plain query.
CREATE FUNCTION pry(views text[], settings text[] DEFAULT '{=,enable_nestloop=off,enable_hashjoin=off,enable_mergejoin=off,enable_material=off,enable_sort=off,enable_hashagg=off,online_migrations_fdw.enable_batched_join=off}')
RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE name text; query text; setting text; n bigint;
BEGIN
    FOREACH name IN ARRAY views LOOP
        FOREACH setting IN ARRAY settings LOOP
            EXECUTE CASE WHEN setting <> '=' THEN format('SET LOCAL %s', setting) ELSE '' END;
            FOREACH query IN ARRAY ARRAY[
                'SELECT count(*) FROM V.',
                'SELECT count(*) FROM V. WHERE status = ''done''',
                'SELECT count(*) FROM V. WHERE database_cluster_uuid = barred.key(7)',
                'SELECT count(*) FROM V. WHERE database_cluster_uuid = ANY (ARRAY[barred.key(2), barred.key(8)])',
                'SELECT count(*) FROM V. WHERE database_cluster_uuid::text = barred.key(9)::text',
                'SELECT count(*) FROM V. WHERE barred.never(id) AND status = ''done'' AND database_cluster_uuid = barred.key(10)',
                'SELECT count(*) FROM V. v JOIN guessed g ON g.k = v.database_cluster_uuid',
                'SELECT count(*) FROM guessed g LEFT JOIN V. v ON g.k = v.database_cluster_uuid',
                'SELECT count(*) FROM guessed g WHERE EXISTS (SELECT FROM V. v WHERE g.k = v.database_cluster_uuid)',
                'SELECT count(*) FROM V. v RIGHT JOIN guessed g ON g.k::text = v.database_cluster_uuid::text',
                'SELECT count(*) FROM guessed g, LATERAL (SELECT * FROM V. v WHERE v.database_cluster_uuid = g.k LIMIT 1) x',
                'SELECT count((SELECT max(status) FROM V. v WHERE v.database_cluster_uuid = g.k)) FROM guessed g'] LOOP
                EXECUTE replace(query, 'V.', name) INTO n;
                RETURN NEXT format('%s: %s', query, CASE WHEN name = 'of_union' THEN 'thrice' ELSE n::text END);
            END LOOP;
            EXECUTE CASE WHEN setting <> '=' THEN format('SET LOCAL %s TO DEFAULT', split_part(setting, '=', 1)) ELSE '' END;
        END LOOP;
    END LOOP;
END $$;
\! simctl log --clear >/dev/null
SET ROLE omf_guest;
SELECT line FROM pry('{joined,joined_thrice,of_exists,of_in,of_exists_and_left,children_exist,of_left,of_parts,of_children,of_union,of_both,in_list,nested}') line GROUP BY line ORDER BY line COLLATE "C";
RESET ROLE;
\! simctl log --sort --clear | sed 's/^.*databases//' | sort | uniq -c | sed 's/^ *[0-9]* //'
-- However PostgreSQL groups what it joins, and whatever else is in the view.
SET ROLE omf_guest;
SELECT line FROM pry('{of_many,of_groups,of_left_groups,both_exist,exists_beside,exists_within,exists_of_both,listing_exists,waits_in_left,mixed_parts,mixed_children,mixed_union}',
    '{=,enable_nestloop=off,join_collapse_limit=1,from_collapse_limit=1,geqo_threshold=2,enable_partitionwise_join=on}') line GROUP BY line ORDER BY line COLLATE "C";
RESET ROLE;
\! simctl log --sort --clear | sed 's/^.*databases//' | sort | uniq -c | sed 's/^ *[0-9]* //'
-- Clauses on the key alone are looked at first, and policies.
SET ROLE omf_guest;
SELECT line FROM pry('{of_text,of_subplan,of_scalar,of_join_text,of_left_text,of_join_scalar,policed}', '{=,enable_nestloop=off,enable_hashjoin=off,enable_mergejoin=off,cpu_tuple_cost=1e6}') line GROUP BY line ORDER BY line COLLATE "C";
RESET ROLE;
\! simctl log --sort --clear | sed 's/^.*databases//' | sort | uniq -c | sed 's/^ *[0-9]* //'
-- Without a barrier, what a pattern leaves out is not asked for either.
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SELECT count(*) FROM guessed g JOIN online_migrations m ON m.database_cluster_uuid = g.k WHERE m.database_cluster_uuid::text LIKE '%2';
RESET enable_hashjoin;
RESET enable_mergejoin;
\! simctl log --sort --clear | wc -l
-- No cost stands for a prohibition: such a query is not compiled (JIT).
CREATE FUNCTION cost(query text) RETURNS float LANGUAGE plpgsql AS $$
DECLARE plan json;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO plan;
    RETURN plan -> 0 -> 'Plan' ->> 'Total Cost';
END $$;
SELECT cost('SELECT FROM joined') < 10000, cost('SELECT FROM of_left') < 10000, cost('SELECT FROM of_both') < 10000;

-- A barrier elsewhere in the query changes nothing: one wave of 11.
CREATE VIEW apart WITH (security_barrier) AS SELECT * FROM shown;
EXPLAIN (COSTS OFF) SELECT * FROM guessed g JOIN online_migrations m ON m.database_cluster_uuid = g.k JOIN apart a ON a.i = g.i \g | grep -c Batch
EXPLAIN (COSTS OFF) SELECT * FROM apart, (SELECT g.i, m.id FROM guessed g JOIN online_migrations m ON m.database_cluster_uuid = g.k OFFSET 0) x \g | grep -c Batch
-- A FULL JOIN reads all, as its definition says.
CREATE VIEW of_full WITH (security_barrier) AS
    SELECT m.id, s.i FROM shown s FULL JOIN online_migrations m ON m.database_cluster_uuid = s.k;
SELECT count(*), count(i) FROM of_full;

SET client_min_messages = warning;
DROP SERVER barred CASCADE;
DROP SCHEMA barred CASCADE;
DROP ROLE omf_owner, omf_guest;
