# A start is sent once: the API must never be asked for a second migration
# because of what happened to a connection before, or of the shape of a query.
# (What happens to the request itself: 017_faults.pl.)
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('start', simulator => $simulator);

$node->add_server('h2', $node->server_options('https'), request_timeout => '1s');
$node->add_server('hasty', endpoint => $simulator->http, request_timeout => '1s');

# Another token of the same account, and another endpoint of the same API.
$node->add_server('other_token', $node->server_options('http'));
$simulator->token('dop_v1_other', account => $OnlineMigrations::TestNode::TOKEN);
$node->safe_psql('digitalocean',
	q{ALTER USER MAPPING FOR CURRENT_USER SERVER other_token OPTIONS (SET token 'dop_v1_other')});

# Whatever is started runs on.
$simulator->config(running_ms => 600_000);

my $next = 0;

# A cluster that nothing has happened to yet.
sub new_cluster
{
	my $cluster = sprintf '00000000-0000-4000-8000-%012d', ++$next;
	$simulator->cluster($cluster, engine => 'pg');
	return $cluster;
}

sub call
{
	my ($cluster, $server, $more) = @_;
	$more //= '';
	$server //= 'hasty';
	return "databases.databases_update_online_migration('$cluster',
		'{\"host\": \"src.example.com\", \"port\": 25060}', server => '$server'$more)";
}

sub start
{
	my ($cluster, $server, $more) = @_;
	return 'SELECT id IS NOT NULL, status FROM ' . call($cluster, $server, $more);
}

# The requests that the code makes the API see.
sub seen_ok
{
	my ($expected, $code, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $node->requests_ok($expected, $code, "$name: the requests");
}

# ----- kept connections -----

# Only connections that are used again are closed: a start has one of its own.
for my $fault (qw(close_before reset_before))
{
	for my $server (qw(hasty h2))
	{
		my $cluster = new_cluster();
		my $session = OnlineMigrations::Session->open($node);
		$session->run(start($cluster, $server));
		$simulator->fault($fault, reused_only => 'true', method => 'PUT');
		my $result = seen_ok({ PUT => 1 }, sub {
				$session->run(start($cluster, $server, ', replace => true')) },
			"$fault of used connections, $server");
		is($result->{out} . $result->{err}, 't|running',
			"$fault of used connections, $server: does not matter");
		$simulator->delete_faults;
		$session->close;
	}
}

# A GOAWAY that does not cover a start says that it was not looked at.  Versions
# of libcurl tell that from a lost connection or not; it is done once at most.
{
	my $cluster = new_cluster();
	my $session = OnlineMigrations::Session->open($node);
	$session->run(start('0badc0de-0000-4000-8000-000000000400', 'h2'));
	$simulator->fault('goaway', uuid => $cluster, method => 'PUT', times => 1);
	$simulator->clear_log;
	my $result = $session->run(start($cluster, 'h2', ', replace => true'));
	like($result->{sqlstate} . $result->{out}, qr/^(?:HV010|t\|running)$/, 'GOAWAY: unknown, or sent again');
	my @done = grep { $_->{method} eq 'PUT' && ($_->{status} // 0) == 200 } $simulator->log;
	is(scalar @done, $result->{sqlstate} ? 0 : 1, '  and done as often as it says');
	$simulator->delete_faults;
	$session->close;
}

# ----- the shape of the query -----

sub shape_ok
{
	my ($puts, $name, $sql, $expected) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $requests = $puts ? { PUT => $puts } : {};
	seen_ok($requests, sub { $node->psql_ok($sql, $expected, $name) }, $name);
	return;
}

sub replacing { return call(new_cluster(), 'hasty', ', replace => true'); }

shape_ok(1, '(f()).*', 'SELECT (' . replacing() . ').*', qr/^[^|]+\|[^|]+\|running\|\|started$/);
# With a sub-select among the arguments PostgreSQL calls it once per column.
for my $argument ('replace => (SELECT true)', 'ignore_dbs => (SELECT ARRAY[$$a$$]), replace => true')
{
	shape_ok(1, "(f()).* with $argument", 'SELECT (' . call(new_cluster(), 'hasty', ", $argument") . ').*',
		qr/^[^|]+\|[^|]+\|running\|\|started$/);
}
seen_ok({ GET => 1, PUT => 1 }, sub {
		$node->psql_ok('SELECT (' . call(new_cluster(), 'hasty', ', replace => (SELECT false)') . ').*',
			qr/^[^|]+\|[^|]+\|running\|\|started$/, '(f()).* with the guard') }, '(f()).* with the guard');
{
	my ($one, $other) = (new_cluster(), new_cluster());
	shape_ok(2, 'two clusters', 'SELECT (' . call($one, 'hasty', ', replace => (SELECT true)') . ').id = ('
		. call($other, 'hasty', ', replace => (SELECT true)') . ').id', 'f');
	my $twice = 'SELECT (' . call($one, 'hasty', ', replace => (SELECT true)') . ').*';
	seen_ok({ PUT => 2 }, sub { $node->psql_ok("$twice; $twice", undef, 'two statements') }, 'two statements');
}
shape_ok(1, 'in the target list', 'SELECT (' . replacing() . ').status', 'running');
shape_ok(1, 'in FROM', 'SELECT * FROM ' . replacing(), qr/\|running\|\|started$/);
shape_ok(1, 'in FROM, nothing of it is used', 'SELECT 1 FROM ' . replacing(), '1');
shape_ok(1, 'LIMIT 1', 'SELECT status FROM ' . replacing() . ' LIMIT 1', 'running');
shape_ok(1, 'a CTE that is used twice', 'WITH s AS MATERIALIZED (SELECT * FROM '
	. replacing() . ') SELECT a.id = b.id FROM s a, s b', 't');
shape_ok(1, 'an outer join', 'SELECT g, status FROM generate_series(1, 2) g
	LEFT JOIN ' . replacing() . ' ON true ORDER BY 1', "1|running\n2|running");
shape_ok(1, 'CREATE TABLE AS', 'CREATE TEMP TABLE started AS SELECT * FROM ' . replacing(), '');
shape_ok(1, 'equal ones for two rows of a lateral join', 'SELECT count(status), count(DISTINCT id)
	FROM (VALUES (1), (2)) AS v (n), LATERAL ' . call(new_cluster(), 'hasty',
		', replace => n > 0'), '2|1');
shape_ok(2, 'different ones', 'SELECT count(status), count(DISTINCT id)
	FROM (VALUES (true), (false)) AS v (b), LATERAL ' . call(new_cluster(), 'hasty',
		', replace => true, disable_ssl => b'), '2|2');
shape_ok(0, 'EXPLAIN', 'EXPLAIN (COSTS off) SELECT * FROM ' . replacing(), qr/Function Scan/);
shape_ok(0, 'a row that is never reached', 'SELECT * FROM ' . replacing() . ' LIMIT 0', '');
shape_ok(0, 'a condition that is false', 'SELECT * FROM ' . replacing() . ' WHERE false', '');
shape_ok(1, 'ROLLBACK', 'BEGIN; SELECT status FROM ' . replacing() . '; ROLLBACK', 'running');
shape_ok(1, 'plpgsql', 'DO $$ BEGIN PERFORM * FROM ' . replacing() . '; END $$', '');
shape_ok(1, 'a prepared statement', 'PREPARE s AS SELECT status FROM ' . replacing()
	. '; EXECUTE s', 'running');

# ----- the guard -----

sub guard_ok
{
	my ($cluster, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $outcome = seen_ok($expected, sub { $node->run_sql(start($cluster)) }, $name);
	return $outcome->{sqlstate} || $outcome->{out};
}

{
	my $cluster = new_cluster();
	is(guard_ok($cluster, { GET => 1, PUT => 1 }, 'never migrated'), 't|running', 'the first start');
	is(guard_ok($cluster, { GET => 1 }, 'running'), '55000', 'a second start is refused');
	for my $status (qw(syncing running RUNNING Syncing in_progress))
	{
		$simulator->migration($cluster, $status, 'some-id');
		is(guard_ok($cluster, { GET => 1 }, $status), '55000', "refused while $status");
	}
	$simulator->migration($cluster, 'something_new', 'some-id');
	my $unsure = $node->run_sql(start($cluster));
	is($unsure->{sqlstate}, '55000', 'what nobody knows may be going on');
	like($unsure->{err}, qr/may be under way.*"some-id" of database cluster $cluster, .* is something_new, a status that is not known here\./s, '  which it says');
	for my $status (qw(done error canceled Failed COMPLETED))
	{
		$simulator->migration($cluster, $status, "id-$status", '2100-01-01T00:00:00Z');
		is(guard_ok($cluster, { GET => 1, PUT => 1 }, $status), 't|running', "not after $status");
	}

	# An answer that does not tell the status tells nothing: no start.  What is
	# no object, or has a status of another type, is so for the table, too.
	for my $body (qw({} null [] "x" 17 true {"status":null} {"status":7} {"status":""} {"status":"__"} {"id":"some-id"}
			{"online_migration":{"status":"done"}} [{"status":"done"}] done))
	{
		$cluster = new_cluster();
		$simulator->migration($cluster, 'running', 'some-id');
		$simulator->fault('custom', uuid => $cluster, method => 'GET', body => $body);
		my $refused = seen_ok({ GET => 1 }, sub { $node->run_sql(start($cluster)) }, "status is answered by $body");
		is($refused->{sqlstate}, 'HV00M', "no start after $body");
		like($refused->{err}, qr/so none was started.*HTTP status 200.*nothing was started/s, '  which it says') or diag($refused->{err});
		is($node->run_sql(start($cluster, undef, ', replace => true'))->{out}, 't|running', '  unless they insist');
		$simulator->delete_faults;
	}

	# Of a finished migration the API has been seen to say nothing at all: that
	# counts when it is said three times, as it does for a wait.
	$cluster = new_cluster();
	$simulator->migration($cluster, 'running', 'some-id');
	$simulator->fault('empty_200', uuid => $cluster, method => 'GET', times => 2);
	is(guard_ok($cluster, { GET => 3 }, 'two empty answers'), '55000', 'an empty answer is asked again');
	$simulator->fault('empty_200', uuid => $cluster, method => 'GET');
	is(guard_ok($cluster, { GET => 3, PUT => 1 }, 'empty answers'), 't|running', 'three of them are of a migration that has ended');
	$simulator->delete_faults;

	# Two at once: both would look before either has started.
	$cluster = new_cluster();
	my $first = OnlineMigrations::Session->open($node);
	$node->safe_psql('digitalocean', q{ALTER SERVER hasty OPTIONS (SET request_timeout '1min')});
	$simulator->fault('slow_first_byte', uuid => $cluster, method => 'PUT', times => 1, ms => 5000);
	seen_ok({ GET => 1, PUT => 1 }, sub {
			$first->post(start($cluster));
			OnlineMigrations::Waiting::until_true(sub { grep { $_->{method} eq 'PUT' && $_->{path} =~ /$cluster/ } $simulator->log });
			my $second = $node->run_sql(start($cluster));
			is($second->{sqlstate}, '55000', 'a second start at the same moment is refused');
			like($second->{message}, qr/is being started/, '  by its own message');
			is($node->run_sql('SELECT 1')->{out}, '1', '  at once');
			is($first->result->{out}, 't|running', 'the first one goes on');
		}, 'two starts at once');
	$simulator->delete_faults;
	$node->safe_psql('digitalocean', q{ALTER SERVER hasty OPTIONS (SET request_timeout '1s')});
	like($node->run_sql(start($cluster))->{message}, qr/is under way/, 'then the status refuses another');

	# Until the transaction ends, however it does.
	for my $end (qw(COMMIT ROLLBACK))
	{
		$cluster = new_cluster();
		$first->run('BEGIN');
		is($first->run(start($cluster))->{out}, 't|running', 'a start in a transaction');
		$simulator->migration($cluster, 'done', 'some-id');
		is($node->run_sql(start($cluster))->{sqlstate}, '55000', "  keeps others off before its $end");
		is($node->run_sql(start($cluster, undef, ', replace => true'))->{out}, 't|running', '  unless they insist');
		$simulator->migration($cluster, 'done', 'second-id', '2100-01-01T00:00:00Z');
		$first->run($end);
		is($node->run_sql(start($cluster))->{out}, 't|running', "  but not after its $end");
	}

	# A server of one's own, to whatever endpoint, keeps nobody else off.
	for my $other (qw(other_token h2))
	{
		$cluster = new_cluster();
		$first->run('BEGIN');
		is($first->run(start($cluster, $other))->{out}, 't|running', "a start over the server $other");
		$simulator->migration($cluster, 'done', 'its-id', '2100-01-01T00:00:00Z');
		is($node->run_sql(start($cluster))->{out}, 't|running', '  does not lock the cluster for other tokens and endpoints');
		$first->run('ROLLBACK');
	}
	$first->close;

	# Its own answer is lost, but it was a start: trying again finds that out.
	$cluster = new_cluster();
	$simulator->fault('close_before', uuid => $cluster, method => 'PUT', times => 1, apply => 'true');
	is(guard_ok($cluster, { GET => 1, PUT => 1 }, 'answer lost'), 'HV010', 'outcome unknown');
	is(guard_ok($cluster, { GET => 1 }, 'tried again'), '55000', 'a retry does not start another');
	$simulator->delete_faults;

	# An answer that has the shape of an error is one, whatever its status.
	$cluster = new_cluster();
	$simulator->fault('custom', uuid => $cluster, method => 'PUT',
		body => '{"id": "server_error", "message": "Something went wrong."}');
	my $refused = $node->psql_fails(start($cluster), 'HV010', qr/server_error: Something went wrong\./,
		'a start that is answered by an error with status 200');
	like($refused->{hint}, qr/may have been started/, '  says that nobody knows');
	$simulator->fault('custom', uuid => $cluster, method => 'GET',
		body => '{"id": "not_found", "message": "No such thing."}');
	$node->psql_ok("SELECT count(*) FROM databases.online_migrations WHERE database_cluster_uuid = '$cluster'", '0',
		'not_found with status 200 is no row');
	$simulator->delete_faults;

	# One that passes is asked again, as one with a status of its own is.
	my $passing = new_cluster();
	$simulator->migration($passing, 'running', 'passing');
	$simulator->fault('custom', uuid => $passing, method => 'GET', times => 2,
		body => '{"id": "bad_gateway", "message": "Come back later."}');
	$node->psql_ok("SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = '$passing'", 'running',
		'bad_gateway with status 200 is asked again');
	is(scalar(grep { $_->{path} =~ /$passing/ } $simulator->log), 3, '  until the answer is none');
	$simulator->delete_faults;

	# What does not answer the first question is not started.
	$simulator->fault('status', uuid => $cluster, method => 'GET', status => 403);
	is(guard_ok($cluster, { GET => 1 }, 'status not readable'), '42501', 'no guard, no start');
	$simulator->delete_faults;
}

# What a cron job that comes back before its predecessor's migration has ended
# does, or psql's \watch.
{
	my $cluster = new_cluster();
	my $session = OnlineMigrations::Session->open($node);
	my @outcomes;
	seen_ok({ GET => 5, PUT => 1 }, sub {
			for (1 .. 5)
			{
				my $round = $session->run(start($cluster));
				push @outcomes, $round->{sqlstate} || $round->{out};
			} }, 'again and again');
	is("@outcomes", 't|running 55000 55000 55000 55000', 'again and again: one start');
	$session->close;
}

# ROLLBACK does not undo it: another session sees the migration.
{
	my $cluster = new_cluster();
	$node->psql_ok('BEGIN; ' . start($cluster) . '; ROLLBACK', 't|running', 'start and ROLLBACK');
	is(guard_ok($cluster, { GET => 1 }, 'after ROLLBACK'), '55000', 'it is under way all the same');
}

# While one session waits for the answer to its start, another one's is
# refused if the API knows of the first one already.
{
	my $cluster = new_cluster();
	my $slow = OnlineMigrations::Session->open($node);
	$simulator->fault('slow_first_byte', uuid => $cluster, method => 'PUT', times => 1,
		ms => 600);
	$slow->post(start($cluster));
	OnlineMigrations::Waiting::until_true(sub { $simulator->counters->{in_flight} == 1
			&& ($simulator->log)[-1]{method} eq 'PUT' });
	my $second = $node->run_sql(start($cluster));
	my $first = $slow->result;
	$simulator->delete_faults;
	is($first->{sqlstate} || $first->{out}, 't|running', 'two sessions: the first one starts it');
	is($second->{sqlstate}, '55000', 'two sessions: the second one is refused')
	  or diag($second->{out} . $second->{err});
	$slow->close;
}

done_testing();
