# What a statement asks at the same time, and that one statement sees one
# status: scans of several servers below an Append, what is in flight at once,
# what is left of statements that were broken off, and a status that changes
# while the statement runs.  Told by what the API saw, not by the clock.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;

# Clusters of each account.
my $CLUSTERS = 30;

# An answer that does not come before the statement is cancelled.
my $NEVER = 600_000;

# Schema, server and account: a scheme, and the requests in flight at once.
my %servers = (
	one => { over => 'http', seed => 1, concurrency => 1 },
	two => { over => 'https', seed => 2, concurrency => 1 },
	three => { over => 'http', seed => 3, concurrency => 1 },
	wide => { over => 'http', seed => 4, concurrency => 4 },
	wider => { over => 'https', seed => 5, concurrency => 6 },
	none => { over => 'https', seed => 6, concurrency => 4, clusters => 0 });

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('relation_time', simulator => $simulator,
	setup => 'extension', log_level => 'warning');
for my $name (sort keys %servers)
{
	my $server = $servers{$name};
	my %options = ($node->server_options($server->{over}), max_retries => 0,
		max_concurrency => $server->{concurrency});
	my $list = join ', ', map { "$_ '$options{$_}'" } sort keys %options;
	$simulator->token("dop_v1_time_$name");
	$simulator->populate(seed => $server->{seed}, count => $server->{clusters} // $CLUSTERS,
		token => "dop_v1_time_$name", status => 'done');
	$node->safe_psql('digitalocean', qq{
		CREATE SCHEMA $name;
		CREATE SERVER $name FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS ($list);
		CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS (token 'dop_v1_time_$name');
		IMPORT FOREIGN SCHEMA databases FROM SERVER $name INTO $name;
		CREATE TABLE $name.jobs AS
			SELECT i, (to_char($server->{seed}, 'FM00000000') || '-0000-4000-8000-' || lpad(to_hex(1 + i % 30), 12, '0'))::uuid AS k
			FROM generate_series(1, 300) i;
		ANALYZE $name.jobs;});
}

sub key { return sprintf '%08x-0000-4000-8000-%012x', @_ }

# SQL for keys FROM to TO of the schema's account.
sub keys_of
{
	my ($name, $from, $to) = @_;
	return join ',', map { "'" . key($servers{$name}{seed}, $_) . "'" } $from .. $to;
}

sub by_key
{
	my ($name, $from, $to) = @_;
	return "SELECT database_cluster_uuid AS k, id, status FROM $name.online_migrations
		WHERE database_cluster_uuid IN (" . keys_of($name, $from, $to) . ')';
}

sub union_of { return join ' UNION ALL ', @_ }

# So many rows.  A query that passes on all columns leaves nothing between an
# Append and its scans, which PostgreSQL asks for before it runs them at once.
sub count_ok
{
	my ($session, $sql, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $session->run($sql);
	my @rows = split /\n/, $result->{out};
	is(scalar(@rows) . $result->{err}, $expected, $name);
	return;
}

# Ends what the session is at, and sees it end.
sub cancel
{
	my ($session) = @_;
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')');
	return $session->result;
}

# Nothing is left in flight.  libcurl keeps back the end of an HTTP/2 stream
# until it next sends something on the connection, so another statement first.
sub called_off_ok
{
	my ($session, $label, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$simulator->config(latency_ms => 0);
	is($session->run($sql)->{sqlstate}, '', "another statement runs, $label");
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), "nothing is left in flight, $label");
	return;
}

# Whose requests there were, by the last letters of the token.
sub askers
{
	my %seen = map { $_->{token} => 1 } $simulator->log;
	return join ' ', sort keys %seen;
}

# ----- at the same time -----

# Each server lets one request be in flight.  As no answer comes, three are
# only there if all three scans have begun before any has got a row.
sub try_servers
{
	my ($async, $wanted, $askers) = @_;
	my $label = $async ? 'asynchronous' : 'one after the other';
	my $sql = union_of(map { by_key($_, 1, 5) } qw(one two three));
	my $session = OnlineMigrations::Session->open($node);
	$session->run("ALTER SERVER $_ OPTIONS (" . ($async ? 'DROP async_capable' : "ADD async_capable 'false'") . ')')
	  for $async ? () : qw(one two three);
	is(scalar(() = $session->run("EXPLAIN (COSTS OFF) $sql")->{out} =~ /Async Foreign Scan/g),
		$async ? 3 : 0, "EXPLAIN says so, $label");
	count_ok($session, $sql, 15, "the rows of three servers, $label");

	$simulator->config(latency_ms => $NEVER);
	$simulator->reset_counters;
	$simulator->clear_log;
	$session->post($sql);
	ok(OnlineMigrations::Waiting::in_flight($simulator, $wanted), "$wanted in flight, $label");
	ok(OnlineMigrations::Waiting::is_waiting($node, $session->pid), "then it waits, $label");
	is(askers(), $askers, "of these servers, $label");
	is(cancel($session)->{sqlstate}, '57014', "it can be cancelled, $label");
	is($simulator->counters->{max_in_flight}, $wanted, "there were never more, $label");
	called_off_ok($session, $label, $sql);
	$session->run("ALTER SERVER $_ OPTIONS (DROP async_capable)") for $async ? () : qw(one two three);
	$session->close;
	return;
}

try_servers(1, 3, '_one _two hree');
try_servers(0, 1, '_one');

# One that does not answer keeps none of the others from their rows.
{
	my $session = OnlineMigrations::Session->open($node);
	$simulator->cluster(key(1, 1), latency_ms => $NEVER);
	$session->run('BEGIN');
	$session->run('DECLARE c CURSOR FOR '
		. union_of(by_key('one', 1, 2), by_key('two', 1, 4), 'SELECT k, NULL, NULL FROM one.jobs WHERE i = 2',
			'SELECT database_cluster_uuid, id, status FROM three.online_migrations'));
	my @rows = split /\n/, $session->run('FETCH ' . (4 + 1 + $CLUSTERS) . ' FROM c')->{out};
	is(scalar(@rows), 4 + 1 + $CLUSTERS, 'rows of all others come while one hangs');
	is(scalar(grep { /mig-1-/ } @rows), 0, 'of the one that hangs there are none');
	$session->run('ROLLBACK');
	called_off_ok($session, 'after ROLLBACK', 'SELECT id FROM two.online_migrations');
	$simulator->cluster(key(1, 1), latency_ms => -1);
	$session->close;
}

# Scans of one server: all of them begin, and together they have no more in
# flight than the server may.
for my $name (qw(wide wider))
{
	my $limit = $servers{$name}{concurrency};
	my $session = OnlineMigrations::Session->open($node);
	my $three = union_of(by_key($name, 1, 2), by_key($name, 3, 3), by_key($name, 4, 4));
	my $many = union_of(by_key($name, 1, 12), by_key($name, 10, 20), by_key($name, 15, 30),
		"SELECT database_cluster_uuid, id, status FROM $name.online_migrations");
	count_ok($session, $three, 4, "scans of one server, $name");
	is(scalar(() = $session->run("EXPLAIN (COSTS OFF) $many")->{out} =~ /Async Foreign Scan/g), 4,
		"EXPLAIN shows them, $name");

	$simulator->config(latency_ms => $NEVER);
	$simulator->reset_counters;
	$session->post($three);
	ok(OnlineMigrations::Waiting::in_flight($simulator, 4), "all of them have begun, $name");
	cancel($session);
	called_off_ok($session, $name, $three);

	$simulator->config(latency_ms => 50);
	for my $case (
		[ 'an Append', $many, 12 + 11 + 16 + $CLUSTERS, $CLUSTERS ],
		[ 'a join', "SELECT i FROM $name.jobs JOIN $name.online_migrations ON database_cluster_uuid = k", 300, $CLUSTERS ],
		[ 'two joins and a scan', "SELECT i FROM $name.jobs JOIN $name.online_migrations m ON m.database_cluster_uuid = k
			LEFT JOIN $name.clusters c ON c.id = k WHERE EXISTS (" . by_key($name, 1, 7) . ')', 300, 2 * $CLUSTERS ],
		[ 'joins below an Append', union_of(map { "(SELECT i FROM $name.jobs JOIN $name.online_migrations
			ON database_cluster_uuid = k WHERE i % 3 = $_ OFFSET 0)" } 0 .. 2), 300, $CLUSTERS ])
	{
		my ($label, $sql, $rows, $asked) = @$case;
		$session->run("SET enable_hashjoin = off; SET enable_mergejoin = off");
		$simulator->reset_counters;
		count_ok($session, $sql, $rows, "$label: the rows, $name");
		my $counters = $simulator->counters;
		is($counters->{max_in_flight}, $limit, "$label: as many in flight as may be, $name");
		cmp_ok($counters->{get_status} + $counters->{get_cluster}, '<=', $asked, "$label: each cluster asked once, $name");
	}
	$simulator->config(latency_ms => 0);
	$session->close;
}

# ----- nothing is left -----

# Statements that end in all sorts of ways: whole, cancelled, out of time,
# with enough, with an error.
{
	my $session = OnlineMigrations::Session->open($node);
	my $sql = union_of(map { by_key($_, 1, 5) } qw(one one two three));
	my $limited = union_of(map { "SELECT id FROM $_.online_migrations" } qw(one two three)) . ' LIMIT 2';
	my $forbidden = union_of(by_key('one', 1, 4), by_key('two', 1, 4),
		q{SELECT database_cluster_uuid, id, status FROM three.online_migrations WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000403'});
	my %ended;
	count_ok($session, $sql, 20, 'before') for 1 .. 3;
	my $before = $session->descriptors;
	my $connections = $simulator->counters->{connections_open};
	for my $i (1 .. 50)
	{
		if ($i % 5 == 0)
		{
			$simulator->config(latency_ms => $NEVER);
			$session->post($i % 2 ? "BEGIN; SET LOCAL statement_timeout = '20ms'; $sql" : $sql);
			OnlineMigrations::Waiting::in_flight($simulator, 3) if !($i % 2);
			$ended{ ($i % 2 ? $session->result : cancel($session))->{sqlstate} }++;
			$simulator->config(latency_ms => 0);
			$session->run('ROLLBACK') if $i % 2;
		}
		else
		{
			$ended{ $session->run($i % 5 == 1 ? $limited : $i % 5 == 2 ? $forbidden : $sql)->{sqlstate} // '' }++;
		}
	}
	is_deeply(\%ended, { '' => 30, '42501' => 10, '57014' => 10 }, 'statements ended in all sorts of ways');
	count_ok($session, $sql, 20, 'after');
	is($session->descriptors, $before, 'the backend has as many descriptors open as before');
	ok(OnlineMigrations::Waiting::until_true(sub { $simulator->counters->{connections_open} == $connections }),
		'and as many connections');
	$session->close;
}

# ----- LIMIT over a listing -----

# Pages of 4 clusters, and 6 requests in flight at most.
{
	my $session = OnlineMigrations::Session->open($node);
	my ($name, $pages) = ('wider', 8);
	$simulator->config(list_max_page => 4);
	$session->rows_ok("SELECT count(*) FROM $name.online_migrations", $CLUSTERS, 'a listing of many pages');
	my $before = $session->descriptors;
	for my $limit ('LIMIT 1', 'LIMIT 7', 'LIMIT 7 OFFSET 5', 'LIMIT 100', 'LIMIT 0', 'OFFSET 28')
	{
		my ($wanted, $offset) = (($limit =~ /LIMIT (\d+)/)[0] // $CLUSTERS, ($limit =~ /OFFSET (\d+)/)[0] // 0);
		my $rows = $CLUSTERS - $offset < $wanted ? $CLUSTERS - $offset : $wanted;
		$simulator->config(latency_ms => 5);
		$simulator->reset_counters;
		$session->rows_ok("SELECT count(*), count(DISTINCT k), bool_and(id LIKE 'mig-5-%') FROM
			(SELECT database_cluster_uuid AS k, id FROM $name.online_migrations $limit) x",
			"$rows|$rows|" . ($rows ? 't' : ''), "rows of a listing, $limit");
		my $counters = $simulator->counters;
		cmp_ok($counters->{list}, '<=', $pages, "no page twice, $limit");
		cmp_ok($counters->{get_status}, '<=', $wanted == 0 ? 0 : $rows + $offset + 2 * 6,
			"no more statuses than are wanted and in flight, $limit");
		$simulator->reset_counters;
		$session->rows_ok("SELECT count(DISTINCT id) FROM (SELECT id FROM $name.clusters $limit) x", $rows,
			"clusters, $limit");
		$counters = $simulator->counters;
		cmp_ok($counters->{list}, '<=', $wanted == 0 ? 0 : $pages, "no page twice for these, $limit");
		is($counters->{get_status} + $counters->{get_cluster}, 0, "nor is a cluster asked about, $limit");
	}
	for (1 .. 30)
	{
		$session->run("SELECT id FROM $name.online_migrations LIMIT 1");
		$session->run("SELECT id FROM $name.clusters LIMIT 1");
	}
	$simulator->config(latency_ms => 0, list_max_page => 200);
	$session->rows_ok("SELECT count(*) FROM $name.online_migrations", $CLUSTERS, 'then it is whole again');
	cmp_ok($session->descriptors, '<=', $before, 'no descriptor is left open');
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), 'nothing is left in flight');
	$session->close;
}

# ----- one status in one statement -----

# Every answer about the cluster is another one.
sub change_at_each_request
{
	my ($cluster) = @_;
	$simulator->delete_faults;
	$simulator->fault('unknown_status', uuid => $cluster, value => "state-$_", times => 1) for 1 .. 20;
	$simulator->clear_log;
	return;
}

sub asked_about
{
	my ($cluster) = @_;
	return scalar grep { $_->{path} =~ m{/$cluster/} } $simulator->log;
}

# The queries show the status in two ways, or more, a row for each or side by
# side; $t is the table, $c the cluster.
my @twice = (
	[ 'a self-join', 'SELECT x.status, y.status FROM $t x JOIN $t y USING (database_cluster_uuid) WHERE database_cluster_uuid = $c' ],
	[ 'a join of all with one', 'SELECT x.status, y.status FROM $t x JOIN $t y USING (database_cluster_uuid) WHERE y.id = x.id AND x.status LIKE $state' ],
	[ 'a UNION ALL', '$one UNION ALL $one' ],
	[ 'a UNION ALL of all and one', 'SELECT status FROM $t WHERE status LIKE $state UNION ALL $one' ],
	[ 'a CTE', 'WITH m AS MATERIALIZED (SELECT * FROM $t WHERE database_cluster_uuid = $c)
		SELECT a.status, b.status, x.status FROM m a, m b, $t x WHERE x.database_cluster_uuid = $c' ],
	[ 'a CTE written twice', 'WITH m AS NOT MATERIALIZED (SELECT * FROM $t WHERE database_cluster_uuid = $c)
		SELECT a.status, b.status FROM m a, m b' ],
	[ 'a sub-select', 'SELECT status, (SELECT status FROM $t y WHERE y.database_cluster_uuid = x.database_cluster_uuid)
		FROM $t x WHERE x.database_cluster_uuid = $c' ],
	[ 'a sub-select for each row', 'SELECT (SELECT status FROM $t WHERE database_cluster_uuid = k) FROM $j WHERE k = $c' ],
	[ 'a join of many rows', 'SELECT m.status FROM $j JOIN $t m ON m.database_cluster_uuid = k WHERE k = $c OFFSET 0' ],
	[ 'two joins', 'SELECT m.status, n.status FROM $j a JOIN $t m ON m.database_cluster_uuid = a.k
		LEFT JOIN $t n ON n.database_cluster_uuid = m.database_cluster_uuid WHERE m.status LIKE $state' ],
	[ 'EXISTS', 'SELECT status FROM $t x WHERE database_cluster_uuid = $c AND EXISTS
		(SELECT FROM $t y WHERE y.database_cluster_uuid = x.database_cluster_uuid AND y.status = x.status)
		UNION ALL $one' ],
	[ 'LATERAL', 'SELECT x.status, y.status FROM generate_series(1, 3) g, LATERAL (SELECT * FROM $t WHERE database_cluster_uuid = $c AND g > 0 OFFSET 0) x,
		LATERAL (SELECT * FROM $t z WHERE z.id = x.id OFFSET 0) y WHERE y.status LIKE $state' ]);

for my $name (qw(wide wider))
{
	my $session = OnlineMigrations::Session->open($node);
	my $cluster = key($servers{$name}{seed}, 9);
	my $one = "SELECT status FROM $name.online_migrations WHERE database_cluster_uuid = '$cluster'";
	my %words = (t => "$name.online_migrations", j => "$name.jobs", c => "'$cluster'", state => "'state-%'", one => $one);
	for my $case (@twice)
	{
		my ($label, $sql) = @$case;
		$sql =~ s/\$(\w+)/$words{$1}/g;
		for my $off ('hashjoin', 'nestloop')
		{
			$session->run("RESET ALL; SET enable_mergejoin = off; SET enable_$off = off");
			change_at_each_request($cluster);
			my $result = $session->run($sql);
			my %seen = map { $_ => 1 } split /[|\n]/, $result->{out};
			is_deeply(\%seen, { 'state-1' => 1 }, "$label: one status, without $off, $name") or diag($result->{err});
			is(asked_about($cluster), 1, "$label: asked once, without $off, $name");
		}
	}
	$session->rows_ok($one, 'state-2', "the next statement sees another one, $name");
	$session->run('RESET ALL');

	# A cursor is one statement, however often and wherever it is read.
	for my $case (
		[ 'a scan by key', $one, 1 ],
		[ 'a scan of all', "SELECT status FROM $name.online_migrations WHERE status LIKE 'state-%'", 1 ],
		[ 'a join', "SELECT status FROM $name.jobs JOIN $name.online_migrations ON database_cluster_uuid = k WHERE status LIKE 'state-%'", 10 ])
	{
		my ($label, $sql, $rows) = @$case;
		my $all = join "\n", ('state-1') x $rows;
		change_at_each_request($cluster);
		$session->run("BEGIN; DECLARE c SCROLL CURSOR FOR $sql");
		$session->rows_ok('FETCH ALL FROM c', $all, "$label: a cursor, $name");
		$session->rows_ok('FETCH BACKWARD ALL FROM c', $all, "$label: backwards, $name");
		$session->rows_ok('FETCH ABSOLUTE 1 FROM c', 'state-1', "$label: from the start, $name");
		$session->rows_ok('FETCH RELATIVE 0 FROM c', 'state-1', "$label: again, $name");
		$session->rows_ok('FETCH LAST FROM c', 'state-1', "$label: the last, $name");
		$session->rows_ok($one, 'state-2', "$label: another statement meanwhile, $name");
		$session->rows_ok('MOVE BACKWARD ALL FROM c; FETCH ALL FROM c', $all, "$label: once more, $name");
		$session->run("DECLARE held SCROLL CURSOR WITH HOLD FOR $sql; COMMIT");
		$session->rows_ok('FETCH ALL FROM held', join("\n", ('state-3') x $rows), "$label: one that is held, $name");
		$session->rows_ok('FETCH BACKWARD 1 FROM held', 'state-3', "$label: backwards, $name");
		$session->run('CLOSE held');
		is(asked_about($cluster), 3, "$label: asked once by each, $name");
	}
	$simulator->delete_faults;
	$session->close;
}

# ----- no more requests than needed -----

# Query, rows, and distinct keys of a statement; t stands for the migrations,
# c for the clusters, j for local rows with 10 of each key.
my @frugal = (
	[ 'SELECT i FROM $j JOIN $t ON database_cluster_uuid = k WHERE i <= 60', 60, 30 ],
	[ 'SELECT a.i FROM $j a JOIN $j b USING (k) JOIN $t ON database_cluster_uuid = k WHERE a.i <= 5 AND b.i <= 100', 20, 5 ],
	[ 'SELECT FROM $t a JOIN $t b USING (database_cluster_uuid) JOIN $t c USING (database_cluster_uuid)', 30, 30 ],
	[ 'SELECT FROM $t a LEFT JOIN $t b ON b.database_cluster_uuid = a.database_cluster_uuid AND b.status = $$none$$', 30, 30 ],
	[ 'SELECT i FROM $j WHERE i <= 90 AND EXISTS (SELECT FROM $t WHERE database_cluster_uuid = k)', 90, 30 ],
	[ 'SELECT i FROM $j WHERE i <= 20 AND k IN (SELECT database_cluster_uuid FROM $t WHERE status = $$done$$)', 20, 30 ],
	[ 'SELECT i FROM $j WHERE i <= 60 AND NOT EXISTS (SELECT FROM $t WHERE database_cluster_uuid = k)', 0, 30 ],
	[ 'WITH m AS (SELECT * FROM $t) SELECT FROM m a JOIN m b USING (database_cluster_uuid)', 30, 30 ],
	[ 'WITH m AS NOT MATERIALIZED (SELECT * FROM $t) SELECT FROM m UNION ALL SELECT FROM m', 60, 30 ],
	[ 'SELECT FROM $t UNION ALL SELECT FROM $t WHERE status = $$done$$', 60, 30 ],
	[ 'SELECT FROM $c c JOIN $t m ON m.database_cluster_uuid = c.id JOIN $j ON k = c.id', 300, 30 ],
	[ 'SELECT FROM $c UNION ALL SELECT FROM $t UNION ALL SELECT FROM $c WHERE engine = $$pg$$', 90, 30 ],
	[ 'SELECT (SELECT count(*) FROM $t m WHERE m.database_cluster_uuid = c.id) FROM $c c', 30, 30 ]);

for my $name (qw(wide wider))
{
	my $session = OnlineMigrations::Session->open($node);
	$simulator->config(list_max_page => 20);
	for my $case (@frugal)
	{
		my ($sql, $rows, $keys) = @$case;
		my %words = (t => "$name.online_migrations", c => "$name.clusters", j => "$name.jobs");
		$sql =~ s/\$([tcj])\b/$words{$1}/g;
		for my $off ('none', 'hashjoin', 'nestloop', 'batched_join')
		{
			$session->run("RESET ALL; SET enable_mergejoin = off");
			$session->run("SET " . ($off eq 'batched_join' ? 'online_migrations_fdw.' : '') . "enable_$off = off") if $off ne 'none';
			$simulator->clear_log;
			$session->rows_ok("SELECT count(*) FROM ($sql) x", $rows, "$case->[0], $off off, $name");
			my (%paths, %kinds);
			for my $entry ($simulator->log)
			{
				$paths{ $entry->{path} }++;
				$kinds{ $entry->{path} =~ /page=/ ? 'page' : $entry->{path} =~ /online-migration/ ? 'status' : 'cluster' }++;
			}
			is_deeply([ grep { $paths{$_} > 1 } keys %paths ], [], "... and asks nothing twice");
			cmp_ok(($kinds{status} // 0), '<=', $kinds{page} ? $CLUSTERS : $keys, '... no more than there are keys');
			cmp_ok(($kinds{page} // 0), '<=', 2, '... and no more than there are pages');
		}
	}
	$simulator->config(list_max_page => 200);
	$session->close;
}

# ----- no clusters at all -----

{
	my $session = OnlineMigrations::Session->open($node);
	for my $case (
		[ 'SELECT count(*) FROM none.online_migrations, none.clusters', '0' ],
		[ 'SELECT id FROM none.online_migrations LIMIT 1', '' ],
		[ "SELECT count(*) FROM none.clusters WHERE tags \@> ARRAY['x']", '0' ],
		[ "SELECT count(*) FROM none.clusters WHERE id = '" . key(6, 1) . q('), '0' ],
		[ 'SELECT count(*), count(m.id) FROM none.jobs LEFT JOIN none.online_migrations m ON database_cluster_uuid = k', '300|0' ],
		[ 'SELECT count(*) FROM none.jobs FULL JOIN none.clusters c ON id = k', '300' ],
		[ 'SELECT count(*) FROM none.jobs WHERE k NOT IN (SELECT id FROM none.clusters)', '300' ],
		[ 'SELECT count(*) FROM (SELECT id FROM none.online_migrations UNION ALL SELECT id FROM wide.online_migrations
			UNION ALL SELECT name FROM none.clusters) x', $CLUSTERS ],
		[ 'BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM none.online_migrations; COMMIT; FETCH ALL FROM c; FETCH BACKWARD 1 FROM c; CLOSE c', '' ],
		[ 'ANALYZE none.online_migrations, none.clusters; SELECT count(*) FROM none.online_migrations', '0' ])
	{
		$session->rows_ok($case->[0], $case->[1], "an account without clusters: $case->[0]");
	}
	$session->close;
}

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:|leak/i, 'no process has crashed, nothing has leaked');
$node->stop;
$simulator->stop;
done_testing();
