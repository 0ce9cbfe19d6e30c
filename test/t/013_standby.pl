# On a hot standby the tables are read as on the primary, and nothing is
# started or stopped.  What the primary changes reaches sessions that are open
# there.  Once promoted, it is a server like any other.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use Test::More;

my $cluster = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
my $second = 'e0000000-0000-4000-8000-000000000001';
my $never = 'e0000000-0000-4000-8000-000000000002';

my $simulator = OnlineMigrations::Simulator->start;
$simulator->config(running_ms => 600_000);
$simulator->migration($cluster, 'syncing', 'first-id');
$simulator->migration($second, 'done', 'second-id');

my $primary = OnlineMigrations::TestNode->start('primary', simulator => $simulator,
	conf => "shared_preload_libraries = 'online_migrations_fdw'\n", init => { allows_streaming => 1 });
$primary->safe_psql('digitalocean', qq{
	CREATE TABLE projects (name text, cluster uuid);
	INSERT INTO projects VALUES ('one', '$cluster'), ('two', '$second'), ('three', '$never');
	ANALYZE projects;});
my $standby = $primary->start_standby('standby');

my $table = 'databases.online_migrations';
my $status = "SELECT status FROM $table WHERE database_cluster_uuid = '$cluster'";
my $start = "SELECT status FROM databases.databases_update_online_migration('$never',
	'{\"host\": \"src.example.com\", \"port\": 25060}')";
my $stop = "SELECT databases.databases_delete_online_migration('$cluster', 'first-id')";

# ----- reading -----

my @reads = (
	[ 'by key', $status, 'syncing', { GET => 1 } ],
	[ 'IN', "SELECT status FROM $table WHERE database_cluster_uuid
		IN ('$cluster', '$second', '$never') ORDER BY 1", "done\nsyncing", { GET => 3 } ],
	[ 'a join', "SELECT name, status FROM projects LEFT JOIN $table
		ON database_cluster_uuid = cluster ORDER BY 1", "one|syncing\nthree|\ntwo|done", { GET => 3 } ],
	[ 'no key', "SELECT status FROM $table ORDER BY 1", "done\nsyncing", undef ],
	[ 'the clusters', "SELECT engine FROM databases.clusters WHERE id IN ('$cluster', '$never')
		ORDER BY 1", "mysql\npg", { GET => 2 } ],
	[ 'a cursor', "BEGIN; DECLARE c CURSOR FOR $status; FETCH ALL FROM c; COMMIT", 'syncing',
		{ GET => 1 } ],
);

sub try_read
{
	my ($name, $sql, $rows, $requests) = @_;
	my $read = sub { $standby->psql_ok($sql, $rows, "a standby reads: $name") };
	return $read->() unless $requests;
	$standby->requests_ok($requests, $read, "a standby reads: $name: the requests");
	return;
}

is($standby->safe_psql('digitalocean', 'SELECT pg_is_in_recovery()'), 't', 'it is a standby');
try_read(@$_) for @reads;
$standby->psql_ok("EXPLAIN (COSTS off) SELECT name, status FROM projects
	JOIN $table ON database_cluster_uuid = cluster", qr/OnlineMigrationsPrefetch/,
	'joins are batched there, too');

# ----- starting and stopping -----

sub refused_ok
{
	my ($name, $function, $sql) = @_;
	$standby->requests_ok({}, sub {
			$standby->psql_fails($sql, '25006', qr/cannot execute $function\(\) during recovery/,
				"a standby refuses $name") }, "a standby refuses $name: nothing is sent");
	return;
}

my %functions = (
	'to start' => [ 'databases_update_online_migration', $start ],
	'to stop' => [ 'databases_delete_online_migration', $stop ],
);
refused_ok($_, @{ $functions{$_} }) for sort keys %functions;

# ----- changes on the primary -----

sub changed_ok
{
	my ($session, $name, $sql, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$primary->safe_psql('digitalocean', $sql);
	$primary->wait_for_catchup($standby, 'replay');
	my $result = $session->run($status);
	is($result->{sqlstate} || $result->{out}, $expected, "an open session of the standby: $name")
	  or diag($result->{err});
	return;
}

sub last_request { return ($simulator->log)[-1]; }

{
	my $session = OnlineMigrations::Session->open($standby);
	$session->run('SET plan_cache_mode = force_generic_plan');
	$session->run("PREPARE p(uuid) AS SELECT id FROM $table WHERE database_cluster_uuid = \$1");
	is($session->run("EXECUTE p('$cluster')")->{out}, 'first-id', 'a generic plan on the standby');
	is(last_request()->{http}, '1.1', 'the endpoint at first');

	my %options = $primary->server_options('https');
	changed_ok($session, 'ALTER SERVER', "ALTER SERVER digitalocean OPTIONS
		(SET endpoint '$options{endpoint}', ADD ca_file '$options{ca_file}')", 'syncing');
	is(last_request()->{http}, '2', 'the next statement goes to the new endpoint');
	is($session->run("EXECUTE p('$second')")->{out}, 'second-id', 'a prepared statement, too');
	is(last_request()->{http}, '2', 'and goes there');

	$simulator->token('dop_v1_another1', account => $OnlineMigrations::TestNode::TOKEN);
	changed_ok($session, 'ALTER USER MAPPING', "ALTER USER MAPPING FOR CURRENT_USER
		SERVER digitalocean OPTIONS (SET token 'dop_v1_another1')", 'syncing');
	is(last_request()->{token}, 'her1', 'the next statement uses the new token');
	changed_ok($session, 'DROP USER MAPPING',
		'DROP USER MAPPING FOR CURRENT_USER SERVER digitalocean', '28000');
	changed_ok($session, 'CREATE USER MAPPING', "CREATE USER MAPPING FOR CURRENT_USER
		SERVER digitalocean OPTIONS (token '$OnlineMigrations::TestNode::TOKEN')", 'syncing');
	$session->close;
}

# ----- what its sessions share -----

sub change
{
	my ($sql) = @_;
	$primary->safe_psql('digitalocean', $sql);
	$primary->wait_for_catchup($standby, 'replay');
	return;
}

sub asks_ok
{
	my ($node, $gets, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->requests_ok($gets ? { GET => $gets } : {}, sub { $node->psql_ok($status, 'syncing', $name) }, "$name: requests");
	return;
}

change(q{ALTER SERVER digitalocean OPTIONS (ADD cache_ttl '60min')});
asks_ok($standby, 1, 'an answer to a session of the standby');
asks_ok($standby, 0, '  is one to others there');
asks_ok($primary, 1, '  and not to those of the primary');
my $asked = q{SELECT requests FROM databases.online_migrations_fdw_stats WHERE operation = 'get migration'};
$standby->psql_ok("SELECT ($asked) > 0", 't', '  which the statistics of the standby count');
$standby->psql_ok("SELECT databases.online_migrations_fdw_stats_reset(); $asked", "\n0", '  can be reset there');
$primary->psql_ok("SELECT ($asked) > 0", 't', '  without the primary');
$standby->psql_ok("SET online_migrations_fdw.cache = off; $status; SELECT server FROM databases.online_migrations_fdw_connections;
	SELECT databases.online_migrations_fdw_disconnect('digitalocean');
	SELECT count(*) FROM databases.online_migrations_fdw_connections", "syncing\ndigitalocean\nt\n0", 'its connections can be closed');
change(q{ALTER SERVER digitalocean OPTIONS (DROP cache_ttl)});

# ----- promotion -----

{
	my $session = OnlineMigrations::Session->open($standby);
	is($session->run($start)->{sqlstate}, '25006', 'a session opened before the promotion');
	my $waiting = OnlineMigrations::Session->open($standby);
	$simulator->migration($second, 'running', 'second-id');
	$waiting->post("CALL databases.databases_wait_online_migration('$second',
		until => '{done}', poll_interval => '1 s')");
	ok($waiting->says(qr/"second-id" of database cluster \S+ is running/), 'a wait on the standby');
	$standby->promote;
	is($session->run($status)->{out}, 'syncing', 'after the promotion, the same session reads');
	is($session->run($start)->{out}, 'running', 'starts');
	is($session->run($stop)->{out}, 't', 'and stops');
	$session->close;
	$simulator->migration($second, 'done', 'second-id');
	my $result = $waiting->result;
	is($result->{sqlstate}, '', 'the wait goes on');
	like($result->{err}, qr/"second-id" of database cluster \S+ is done, after/, 'and ends as it should');
	$waiting->close;
	$standby->psql_ok("SELECT status FROM $table WHERE database_cluster_uuid = '$never'",
		'running', 'another session sees the migration');
}

done_testing();
