// node-postgres: each line of output is the name of a check, a tab and a value.
//
// Arguments are the UUIDs of the clusters running, done, missing, hanging and
// start.  The connection is that of libpq's environment, and OMF_SOURCE is what
// to start a migration from.
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import Cursor from 'pg-cursor';

const TABLE = 'databases.online_migrations';
const ONE = `SELECT status FROM ${TABLE} WHERE database_cluster_uuid = $1`;
const START = 'SELECT status FROM databases.databases_update_online_migration($1, $2)';
const WAIT = 'CALL databases.databases_wait_online_migration($1, until => $2)';
const STOP = `SELECT databases.databases_delete_online_migration(database_cluster_uuid, id)
  FROM ${TABLE} WHERE database_cluster_uuid = $1`;

const show = (name, ...values) => console.log([name, ...values].join('\t'));

async function query(client, name, text, values) {
  const { rows } = await client.query({ text, values, rowMode: 'array' });
  for (const row of rows) show(name, ...row);
}

async function queryError(client, name, text, values) {
  try {
    await client.query(text, values);
    show(name, '00000');
  } catch (error) {
    show(name, error.code);
  }
}

async function tryParameters(client, running, done, missing) {
  const keys = [running, done, missing];
  await query(client, 'uuid', ONE, [running]);
  await query(client, 'text', 'SELECT status FROM by_text WHERE cluster = $1', [running]);
  await query(client, 'array', `SELECT status FROM ${TABLE}
    WHERE database_cluster_uuid = ANY ($1) ORDER BY status`, [keys]);
  await query(client, 'text array', `SELECT status FROM by_text
    WHERE cluster = ANY ($1) ORDER BY status`, [keys]);
  await query(client, 'in', `SELECT status FROM ${TABLE}
    WHERE database_cluster_uuid IN ($1, $2, $3) ORDER BY status`, keys);
  await query(client, 'missing', ONE, [missing]);
  await query(client, 'simple', ONE.replace('$1', client.escapeLiteral(running)));
}

async function tryTypes(client, running) {
  const { rows } = await client.query(
    `SELECT * FROM ${TABLE} WHERE database_cluster_uuid = $1`, [running]);
  for (const value of Object.values(rows[0])) show('types', value.constructor.name);
  await query(client, 'table', `SELECT table_type FROM information_schema.tables
    WHERE table_schema = 'databases' AND table_name = 'online_migrations'`);
  await query(client, 'columns', `SELECT column_name, udt_name FROM information_schema.columns
    WHERE table_schema = 'databases' AND table_name = 'online_migrations'
    ORDER BY ordinal_position`);
}

// A query with a name is prepared.
async function tryPrepared(client, running, done) {
  for (let i = 0; i < 12; i++) {
    const values = [i % 2 === 0 ? running : done];
    const { rows } = await client.query({ name: 'status_of', text: ONE, values });
    for (const row of rows) show('prepared', row.status);
  }
  await query(client, 'generic', `SELECT generic_plans > 0 FROM pg_prepared_statements
    WHERE name = 'status_of'`);
}

async function tryCursor(client) {
  const cursor = client.query(new Cursor(`SELECT status FROM ${TABLE} ORDER BY status`));
  for (let rows; (rows = await cursor.read(1)).length > 0;) show('cursor', rows[0].status);
  await cursor.close();
}

// The driver has no call for it: another connection cancels.
async function cancelWhenWaiting(pid) {
  const other = await connect();
  const waiting = `SELECT FROM pg_stat_activity
    WHERE pid = $1 AND wait_event_type = 'Extension'`;
  while ((await other.query(waiting, [pid])).rowCount === 0) await sleep(20);
  await other.query('SELECT pg_cancel_backend($1)', [pid]);
  await other.end();
}

async function tryCancel(client, running, hanging) {
  const { rows: [{ pid }] } = await client.query('SELECT pg_backend_pid() AS pid');
  await Promise.all([queryError(client, 'cancel', ONE, [hanging]), cancelWhenWaiting(pid)]);
  await client.query("SET statement_timeout = '300ms'");
  await queryError(client, 'timeout', ONE, [hanging]);
  await client.query('RESET statement_timeout');
  await query(client, 'goes on', ONE, [running]);
}

async function tryWait(client, running) {
  const values = [running, ['running']];
  await queryError(client, 'wait', WAIT, values);
  await client.query('BEGIN');
  await queryError(client, 'wait in transaction', WAIT, values);
  await client.query('ROLLBACK');
}

async function tryStart(client, start) {
  const source = JSON.parse(process.env.OMF_SOURCE);
  await query(client, 'start', START, [start, source]);
  await queryError(client, 'start again', START, [start, source]);
  await query(client, 'stop', STOP, [start]);
}

async function connect() {
  const client = new pg.Client();
  await client.connect();
  return client;
}

const [running, done, missing, hanging, start] = process.argv.slice(2);
const client = await connect();
await tryParameters(client, running, done, missing);
await tryTypes(client, running);
await tryPrepared(client, running, done);
await tryCursor(client);
await tryCancel(client, running, hanging);
await tryWait(client, running);
await tryStart(client, start);
await client.end();
