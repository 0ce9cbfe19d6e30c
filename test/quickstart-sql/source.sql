-- As doc/secrets.md has it.  Lines are shown as they are here, not with the password in.
\set QUIET off
\set ECHO all
CREATE EXTENSION postgres_fdw;
CREATE SERVER old_db FOREIGN DATA WRAPPER postgres_fdw
    OPTIONS (host 'src.example.com', port '25060', dbname 'defaultdb', sslmode 'require');
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_min_error_statement = 'panic';
\getenv password SOURCE_PASSWORD
CREATE USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (user 'doadmin', password :'password');
