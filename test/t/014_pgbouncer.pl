# Through PgBouncer: clients that share a connection to the server leave each
# other nothing, and cancel, cursors, starts and stops work as without it.
use strict;
use warnings;

use OnlineMigrations::Pooler;
use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils qw(run_command);
use Test::More;

plan skip_all => 'no pgbouncer here' unless OnlineMigrations::Pooler::program();

my @clusters = map { "e0000000-0000-4000-8000-00000000000$_" } 1 .. 4;
my $missing = 'e0000000-0000-4000-8000-000000000009';
my $hanging = '0badc0de-0001-4000-8000-000000000007';

my $simulator = OnlineMigrations::Simulator->start;
$simulator->config(running_ms => 600_000);
$simulator->migration($_, 'syncing', 'id-' . substr $_, -1) for @clusters;
my $node = OnlineMigrations::TestNode->start('pooled', simulator => $simulator,
	server_options => { request_timeout => '10min' },
	conf => 'client_connection_check_interval = 50ms');
$simulator->token('dop_v1_reader12', account => $OnlineMigrations::TestNode::TOKEN);
$node->create_role('reader', 'dop_v1_reader12');

sub status_of
{
	my ($key) = @_;
	return "SELECT status FROM databases.online_migrations WHERE database_cluster_uuid $key";
}

my $status = status_of("= '$clusters[0]'");

sub rows_ok
{
	my ($session, $sql, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $session->run($sql);
	is($result->{out} . $result->{err}, $expected, $name);
	return;
}

sub backend { return $_[0]->run('SELECT pg_backend_pid()')->{out}; }

sub nothing_in_flight
{
	my ($name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), "$name: nothing is left in flight");
	return;
}

# ----- two clients, one connection to the server -----

sub try_sharing
{
	my ($one, $other) = @_;
	$simulator->reset_counters;
	for my $round (1 .. 3)
	{
		rows_ok($_, $status, 'syncing', "clients take turns, $round") for $one, $other;
	}
	is(backend($one), backend($other), 'they share a connection to the server');
	is($simulator->counters->{get_status}, 6, 'each statement asks the API');
	cmp_ok($simulator->counters->{connections}, '<=', 1, 'all over one connection to it');
	return;
}

# What one leaves behind must not be there for the other.
sub try_leftovers
{
	my ($one, $other) = @_;
	my $many = join ',', map { "'$_'" } @clusters, $hanging;
	my $result = $one->run(status_of("IN ($many, '0badc0de-0000-4000-8000-000000000403')"));
	is($result->{sqlstate}, '42501', 'one key of many fails');
	rows_ok($other, $status, 'syncing', 'the other client after that');
	nothing_in_flight('after an error');

	$one->run('BEGIN');
	$one->run('DECLARE c CURSOR FOR ' . status_of("IN ($many)"));
	rows_ok($one, 'FETCH 2 FROM c', "syncing\nsyncing", 'a cursor in a transaction');
	rows_ok($one, 'FETCH 2 FROM c', "syncing\nsyncing", 'goes on');
	$one->run('ROLLBACK');
	rows_ok($other, $status, 'syncing', 'the other client after ROLLBACK');
	nothing_in_flight('after a cursor');
	is($other->run('FETCH FROM c')->{sqlstate}, '34000', 'the cursor is gone');
	return;
}

sub last_token { return ($simulator->log)[-1]{token}; }

sub try_roles
{
	my ($one, $other) = @_;
	my $own = substr $OnlineMigrations::TestNode::TOKEN, -4;
	for my $round (1, 2)
	{
		rows_ok($one, "BEGIN; SET LOCAL ROLE reader; $status; COMMIT", 'syncing',
			"as another role, $round");
		is(last_token(), 'er12', "with that role's token, $round");
		rows_ok($other, $status, 'syncing', "the other client, $round");
		is(last_token(), $own, "has its own, $round");
	}
	return;
}

sub try_starting
{
	my ($one, $other) = @_;
	my $source = '{"host": "src.example.com", "port": 25060}';
	my $start = "SELECT status FROM
		databases.databases_update_online_migration('$missing', '$source')";
	$node->requests_ok({ GET => 2, PUT => 1 }, sub {
			rows_ok($one, $start, 'running', 'a start');
			is($other->run($start)->{sqlstate}, '55000', 'the other client may not start another');
		}, 'one start');
	rows_ok($other, "SELECT databases.databases_delete_online_migration(database_cluster_uuid, id)
		FROM databases.online_migrations WHERE database_cluster_uuid = '$missing'", 't', 'a stop');
	return;
}

# A wait commits again and again, and is one statement to the pooler: it keeps
# its connection to the server, and its notices come through.
sub try_wait
{
	my ($one, $other) = @_;
	$simulator->migration($clusters[0], 'running', 'id-1');
	$one->post("CALL databases.databases_wait_online_migration('$clusters[0]',
		poll_interval => '1 s')");
	ok($one->says(qr/"id-1" of database cluster \S+ is running/), 'a wait through the pooler');
	$other->post($status);
	$simulator->migration($clusters[0], 'syncing', 'id-1');
	like($one->result->{err}, qr/NOTICE:.* is syncing, after/, 'it ends as it should');
	my $result = $other->result;
	is($result->{out} . $result->{err}, 'syncing', 'the other client has waited for the connection');
	return;
}

# ----- a client that gives up -----

# psql cancels on SIGINT, and ends as it runs a script.
sub try_cancel
{
	my ($pooler, $other) = @_;
	my $one = OnlineMigrations::Session->open($pooler);
	my $backend = backend($other);
	$one->post(status_of("= '$hanging'"));
	ok(OnlineMigrations::Waiting::in_flight($simulator, 1), 'a statement that waits');
	$one->interrupt;
	is($one->result->{sqlstate}, '57014', 'its client cancels it through the pooler');
	nothing_in_flight('after a cancel');
	rows_ok($other, $status, 'syncing', 'the other client works on');
	is(backend($other), $backend, 'over the same connection to the server');
	return;
}

sub try_disconnect
{
	my ($pooler, $other) = @_;
	my $one = OnlineMigrations::Session->open($pooler);
	$one->post(status_of("= '$hanging'"));
	ok(OnlineMigrations::Waiting::in_flight($simulator, 1), 'another statement that waits');
	$one->kill;
	nothing_in_flight('after its client was killed');
	rows_ok($other, $status, 'syncing', 'the other client works on after that');
	return;
}

# ----- the extended protocol -----

# pgbench fails at a division by zero, that is, where a row is missing.
my $script = PostgreSQL::Test::Utils::tempdir() . '/script';
PostgreSQL::Test::Utils::append_to_file($script, <<'SQL');
\set n random(1, 4)
SELECT 1 / count(status) FROM databases.online_migrations
WHERE database_cluster_uuid = ('e0000000-0000-4000-8000-00000000000' || :n)::uuid;
SQL

sub try_protocol
{
	my ($pooler, $protocol, $clients) = @_;
	my $name = "$clients by the $protocol protocol";
	my $all = 10 * $clients;
	$simulator->reset_counters;
	my ($out, $err) = run_command([ 'pgbench', '-n', '-M', $protocol, '-c', $clients, '-t', 10,
			'-f', $script, $pooler->connstr ]);
	like($out, qr{actually processed: $all/$all\b}, "clients: $name") or diag($err);
	is($simulator->counters->{get_status}, $all, "and their requests: $name");
	return;
}

# ----- pool_mode -----

{
	my $prepares = OnlineMigrations::Pooler::version() >= 121;
	my $pooler = OnlineMigrations::Pooler->start($node, pool_mode => 'transaction',
		$prepares ? (max_prepared_statements => 100) : ());
	my @pair = map { OnlineMigrations::Session->open($pooler) } 1, 2;
	try_sharing(@pair);
	try_leftovers(@pair);
	try_roles(@pair);
	try_starting(@pair);
	try_wait(@pair);
	try_cancel($pooler, $pair[1]);
	try_disconnect($pooler, $pair[1]);
	try_protocol($pooler, $_, 4) for qw(simple extended), $prepares ? 'prepared' : ();
	$_->close for @pair;
}

# A client's successor gets its connection after DISCARD ALL.
{
	my $pooler = OnlineMigrations::Pooler->start($node, pool_mode => 'session');
	my $one = OnlineMigrations::Session->open($pooler);
	$one->run("PREPARE p AS $status");
	rows_ok($one, 'EXECUTE p', 'syncing', 'session mode: a prepared statement');
	my $backend = backend($one);
	$one->close;
	my $next = OnlineMigrations::Session->open($pooler);
	is(backend($next), $backend, 'session mode: the next client has the same connection');
	is($next->run('EXECUTE p')->{sqlstate}, '26000', 'session mode: without that statement');
	rows_ok($next, $status, 'syncing', 'session mode: and works');
	$next->close;
	try_protocol($pooler, 'prepared', 1);
}

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:|leak/i, 'no process has crashed');
done_testing();
