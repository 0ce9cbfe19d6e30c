-- Servers that are made or changed without an endpoint on this machine get the
-- simulator's, so that nothing that is tried here reaches the real API.
\getenv endpoint OMF_HTTPS
\getenv ca_file OMF_CA_FILE
CREATE SCHEMA quickstart;
CREATE TABLE quickstart.simulator AS
    SELECT :'endpoint' AS endpoint, :'ca_file' AS ca_file;
CREATE FUNCTION quickstart.keep_to_simulator() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    change text;
BEGIN
    FOR change IN
        SELECT format('ALTER SERVER %I OPTIONS (%s endpoint %L, %s ca_file %L)', s.srvname,
                      CASE WHEN o.endpoint IS NULL THEN 'ADD' ELSE 'SET' END, quickstart.endpoint,
                      CASE WHEN o.ca_file IS NULL THEN 'ADD' ELSE 'SET' END, quickstart.ca_file)
        FROM quickstart.simulator AS quickstart, pg_foreign_server AS s
        JOIN pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw AND w.fdwname = 'online_migrations_fdw'
        CROSS JOIN LATERAL (
            SELECT max(option_value) FILTER (WHERE option_name = 'endpoint') AS endpoint,
                   max(option_value) FILTER (WHERE option_name = 'ca_file') AS ca_file
            FROM pg_options_to_table(s.srvoptions)) AS o
        WHERE o.endpoint ~ '^https?://(127\.|localhost[:/]|\[::1\])' IS NOT TRUE
    LOOP
        EXECUTE change;
    END LOOP;
END
$$;
CREATE EVENT TRIGGER keep_to_simulator ON ddl_command_end
    WHEN TAG IN ('CREATE SERVER', 'ALTER SERVER')
    EXECUTE FUNCTION quickstart.keep_to_simulator();
