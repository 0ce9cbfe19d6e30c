import java.sql.Array;
import java.sql.CallableStatement;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.Statement;
import java.time.OffsetDateTime;
import java.util.Map;
import java.util.UUID;

/**
 * PostgreSQL's JDBC driver: each line of output is the name of a check, a tab and a value.
 *
 * <p>Arguments are the UUIDs of the clusters running, done, missing, hanging and start. The
 * connection is that of libpq's environment, and OMF_SOURCE is what to start a migration from.
 */
public final class Jdbc {
    private static final Map<String, String> ENV = System.getenv();
    private static final String TABLE = "databases.online_migrations";
    private static final String ONE =
            "SELECT status FROM " + TABLE + " WHERE database_cluster_uuid = ?";
    private static final String START =
            "SELECT status FROM databases.databases_update_online_migration(?, ?::jsonb)";
    private static final String STOP =
            "SELECT databases.databases_delete_online_migration(database_cluster_uuid, id) FROM "
                    + TABLE + " WHERE database_cluster_uuid = ?";

    private static final String WAIT =
            "CALL databases.databases_wait_online_migration(?, until => ?)";

    private final Connection connection;

    private Jdbc(String options) throws SQLException {
        connection = DriverManager.getConnection(
                String.format("jdbc:postgresql://%s:%s/%s?%s", ENV.get("PGHOST"),
                        ENV.get("PGPORT"), ENV.get("PGDATABASE"), options),
                ENV.get("PGUSER"), "");
    }

    public static void main(String[] arguments) throws Exception {
        UUID[] keys = new UUID[arguments.length];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = UUID.fromString(arguments[i]);
        }
        Jdbc client = new Jdbc("");
        client.tryParameters(keys[0], keys[1], keys[2]);
        client.tryTypes(keys[0]);
        client.tryPrepared(keys[0], keys[1]);
        client.tryCursor();
        client.tryCancel(keys[0], keys[3]);
        client.tryWait(keys[0]);
        client.tryStart(keys[4]);
        client.tryCall("call as select", keys[0]);
        new Jdbc("escapeSyntaxCallMode=callIfNoReturn").tryCall("call", keys[0]);
        new Jdbc("preferQueryMode=simple").query("simple", ONE, keys[0]);
        new Jdbc("stringtype=unspecified").query("unspecified", ONE, keys[0].toString());
    }

    private static void show(String name, Object... values) {
        StringBuilder line = new StringBuilder(name);
        for (Object value : values) {
            line.append('\t').append(value);
        }
        System.out.println(line);
    }

    private static void showRows(String name, ResultSet rows) throws SQLException {
        while (rows.next()) {
            show(name, rows.getString(1));
        }
    }

    private void query(String name, String sql, Object... parameters) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            for (int i = 0; i < parameters.length; i++) {
                statement.setObject(i + 1, parameters[i]);
            }
            if (statement.execute()) {
                showRows(name, statement.getResultSet());
            }
        }
    }

    private void queryError(String name, String sql, Object... parameters) {
        try {
            query(name, sql, parameters);
            show(name, "00000");
        } catch (SQLException error) {
            show(name, error.getSQLState());
        }
    }

    private void tryParameters(UUID running, UUID done, UUID missing) throws SQLException {
        UUID[] keys = {running, done, missing};
        String[] texts = {running.toString(), done.toString(), missing.toString()};
        Array array = connection.createArrayOf("uuid", keys);
        Array textArray = connection.createArrayOf("varchar", texts);
        query("uuid", ONE, running);
        query("text", "SELECT status FROM by_text WHERE cluster = ?", texts[0]);
        query("array", "SELECT status FROM " + TABLE
                + " WHERE database_cluster_uuid = ANY (?) ORDER BY status", array);
        query("text array", "SELECT status FROM by_text WHERE cluster = ANY (?) ORDER BY status",
                textArray);
        query("in", "SELECT status FROM " + TABLE
                + " WHERE database_cluster_uuid IN (?, ?, ?) ORDER BY status", (Object[]) keys);
        query("missing", ONE, missing);
        query("cast", ONE + "::uuid", texts[0]);
        queryError("string", ONE, texts[0]);
    }

    private void tryTypes(UUID running) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(
                "SELECT * FROM " + TABLE + " WHERE database_cluster_uuid = ?")) {
            statement.setObject(1, running);
            ResultSet rows = statement.executeQuery();
            ResultSetMetaData types = rows.getMetaData();
            for (int i = 1; i <= types.getColumnCount(); i++) {
                show("types", types.getColumnClassName(i));
            }
            rows.next();
            show("time", rows.getObject("created_at", OffsetDateTime.class) != null);
        }
        ResultSet tables = connection.getMetaData().getTables(null, "databases",
                "online_migrations", new String[] {"FOREIGN TABLE"});
        tables.next();
        show("table", tables.getString("TABLE_TYPE"));
        ResultSet columns = connection.getMetaData().getColumns(null, "databases",
                "online_migrations", null);
        while (columns.next()) {
            show("columns", columns.getString("COLUMN_NAME"), columns.getString("TYPE_NAME"));
        }
    }

    /** The driver prepares a statement at its fifth execution, PostgreSQL then counts five. */
    private void tryPrepared(UUID running, UUID done) throws SQLException {
        try (PreparedStatement statement = connection.prepareStatement(ONE)) {
            for (int i = 0; i < 12; i++) {
                statement.setObject(1, i % 2 == 0 ? running : done);
                showRows("prepared", statement.executeQuery());
            }
            query("generic", "SELECT bool_or(generic_plans > 0) FROM pg_prepared_statements"
                    + " WHERE statement LIKE '%database_cluster_uuid = $1'");
        }
    }

    private void tryCursor() throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(1);
            showRows("cursor",
                    statement.executeQuery("SELECT status FROM " + TABLE + " ORDER BY status"));
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    private void tryCancel(UUID running, UUID hanging) throws Exception {
        try (PreparedStatement statement = connection.prepareStatement(ONE)) {
            statement.setObject(1, hanging);
            Thread canceler = new Thread(() -> cancelWhenWaiting(statement));
            canceler.start();
            showError("cancel", statement);
            canceler.join();
            statement.setQueryTimeout(1);
            showError("timeout", statement);
        }
        query("goes on", ONE, running);
    }

    private static void showError(String name, PreparedStatement statement) {
        try {
            statement.executeQuery();
            show(name, "00000");
        } catch (SQLException error) {
            show(name, error.getSQLState());
        }
    }

    private static void cancelWhenWaiting(Statement waiting) {
        try (Connection other = new Jdbc("").connection;
                Statement statement = other.createStatement()) {
            while (!statement.executeQuery("SELECT FROM pg_stat_activity"
                    + " WHERE wait_event_type = 'Extension'").next()) {
                Thread.sleep(20);
            }
            waiting.cancel();
        } catch (SQLException | InterruptedException error) {
            show("canceler", error);
        }
    }

    private void tryWait(UUID running) throws SQLException {
        Array until = connection.createArrayOf("text", new String[] {"running"});
        queryError("wait", WAIT, running, until);
        connection.setAutoCommit(false);
        queryError("wait in transaction", WAIT, running, until);
        connection.rollback();
        connection.setAutoCommit(true);
    }

    /** The escape for calls is a SELECT unless the driver is told otherwise. */
    private void tryCall(String name, UUID running) throws SQLException {
        try (CallableStatement call = connection.prepareCall(
                "{call databases.databases_wait_online_migration(?, until => ?)}")) {
            call.setObject(1, running);
            call.setArray(2, connection.createArrayOf("text", new String[] {"running"}));
            call.execute();
            show(name, "00000");
        } catch (SQLException error) {
            show(name, error.getSQLState());
        }
    }

    private void tryStart(UUID start) throws SQLException {
        String source = ENV.get("OMF_SOURCE");
        query("start", START, start, source);
        queryError("start again", START, start, source);
        query("stop", STOP, start);
    }
}
