-- What the benchmark works on: foreign servers that all lead to the API
-- simulator, each with a schema of its own name, and local tables of keys.
-- Takes the variables http, https and ca_file.
CREATE EXTENSION online_migrations_fdw;

-- The simulator's UUIDs.
CREATE FUNCTION keys(seed int, first int, last int) RETURNS SETOF uuid
LANGUAGE sql AS $$
    SELECT format('%s-0000-4000-8000-%s', lpad(to_hex(seed), 8, '0'), lpad(to_hex(i), 12, '0'))::uuid
    FROM generate_series(first, last) i
$$;

CREATE PROCEDURE make_server(name text, endpoint text, ca_file text, token text)
LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE SERVER %I FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint %L, ca_file %L)',
                   name, endpoint, ca_file);
    EXECUTE format('CREATE USER MAPPING FOR CURRENT_USER SERVER %I OPTIONS (token %L)', name, token);
    EXECUTE format('CREATE SCHEMA %I', name);
    EXECUTE format('IMPORT FOREIGN SCHEMA databases FROM SERVER %I INTO %I', name, name);
END $$;

CALL make_server('plain', :'http', :'ca_file', 'dop_v1_simulator');
CALL make_server('tls', :'https', :'ca_file', 'dop_v1_simulator');
CALL make_server('part1', :'https', :'ca_file', 'dop_v1_simulator');
CALL make_server('part2', :'https', :'ca_file', 'dop_v1_simulator');
CALL make_server('part3', :'https', :'ca_file', 'dop_v1_simulator');
CALL make_server('part4', :'https', :'ca_file', 'dop_v1_simulator');
CALL make_server('thousand', :'https', :'ca_file', 'dop_v1_thousand');
CALL make_server('onepage', :'https', :'ca_file', 'dop_v1_onepage');

CREATE TABLE keys100 AS SELECT key FROM keys(1, 1, 100) key;
CREATE TABLE keys1000 AS SELECT key FROM keys(1, 1, 1000) key;
CREATE TABLE keys10000 AS SELECT key FROM keys(2, 1, 10000) key;
VACUUM ANALYZE keys100, keys1000, keys10000;

-- Without knowing how large the account is, the planner would list it.
ANALYZE tls.online_migrations;

-- One look-up after the other, each a statement of its own with a cached plan.
CREATE FUNCTION one_by_one(keys uuid[]) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    k uuid;
    cluster_id text;
    cluster_created_at timestamptz;
    cluster_status text;
    found_rows bigint := 0;
BEGIN
    FOREACH k IN ARRAY keys LOOP
        SELECT id, created_at, status INTO cluster_id, cluster_created_at, cluster_status
        FROM plain.online_migrations WHERE database_cluster_uuid = k;
        IF FOUND THEN
            found_rows := found_rows + 1;
        END IF;
    END LOOP;
    RETURN found_rows;
END $$;
