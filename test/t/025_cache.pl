# Answers that backends share: how old they may be, who asks while others wait,
# and what starts and stops do to them.  Each case counts what the API is asked.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;
use Time::HiRes qw(time sleep);

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('cache', simulator => $simulator,
	log_level => 'warning', conf => "shared_preload_libraries = 'online_migrations_fdw'
restart_after_crash = on\nmax_prepared_transactions = 2\n",
	server_options => { cache_ttl => '60s', max_retries => 0 });
my $major = $node->safe_psql('postgres', 'SHOW server_version_num') / 10000;

my $next = 0;

sub new_clusters
{
	my ($count, $status) = @_;
	my @clusters = map { sprintf '00000000-0000-4000-8000-%012d', ++$next } 1 .. $count;
	for my $cluster (@clusters)
	{
		$simulator->cluster($cluster, engine => 'pg');
		$simulator->migration($cluster, $status // 'running', "id-$cluster");
	}
	return @clusters;
}

sub look
{
	my (@which) = @_;
	my $keys = join ',', map { "'$_'" } @which;
	return "SELECT count(status) FROM databases.online_migrations WHERE database_cluster_uuid IN ($keys)";
}

sub status_of { return "SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = '$_[0]'"; }

# So many GETs, and what the SQL prints.
sub asks_ok
{
	my ($gets, $sql, $expected, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	return $node->requests_ok($gets ? { GET => $gets } : {},
		sub { $node->psql_ok($sql, $expected, $name, %options) }, "$name: requests");
}

# ----- look-ups and listings -----

my @clusters = new_clusters(50);
asks_ok(50, look(@clusters), 50, 'the first session asks');
asks_ok(0, look(@clusters), 50, 'another one need not');
asks_ok(0, look(@clusters[ 3 .. 7 ]), 5, 'nor for some of them');
asks_ok(0, "SET online_migrations_fdw.enable_batched_join = on; SELECT count(m.status) FROM unnest(ARRAY['$clusters[0]', '$clusters[1]']::uuid[]) k
	JOIN databases.online_migrations m ON m.database_cluster_uuid = k", 2, 'nor for a join');
asks_ok(1, look('00000000-0000-4000-8000-999999999999'), 0, 'what the API does not know');
asks_ok(0, look('00000000-0000-4000-8000-999999999999'), 0, '  is known, too');
my $listed = asks_ok(1, 'SELECT count(*) FROM databases.clusters', qr/^\d+$/, 'the listing')->{out};
asks_ok(0, 'SELECT count(*), count(DISTINCT id) FROM databases.clusters', "$listed|$listed", '  is shared');
$node->safe_psql('digitalocean', 'SELECT FROM databases.online_migrations');
asks_ok(0, 'SELECT count(*) >= 50 FROM databases.online_migrations', 't', '  with what is known of the statuses');
asks_ok(1, "SELECT name FROM databases.clusters WHERE id = '$clusters[5]'", qr/./, 'a cluster by its key');
asks_ok(0, "SELECT name FROM databases.clusters WHERE id = '$clusters[5]'", qr/./, '  once');

# ----- who wants to know more -----

asks_ok(2, 'SET online_migrations_fdw.cache = off; ' . look(@clusters[ 0, 1 ]), 2, 'cache = off asks');

# What it learns is for all, unless that has been asked before a start.
my ($renewed) = new_clusters(1);
asks_ok(1, status_of($renewed), 'running', 'an answer that others have');
$simulator->migration($renewed, 'syncing', 'x');
asks_ok(1, 'SET online_migrations_fdw.cache = off; ' . status_of($renewed), 'syncing', '  and one past the cache');
asks_ok(0, status_of($renewed), 'syncing', '  which then all have');
new_clusters(1);
asks_ok(1, 'SET online_migrations_fdw.cache = off; SELECT count(*) FROM databases.clusters', $listed + 2, '  so it is with the listing');
asks_ok(0, 'SELECT count(*) FROM databases.clusters', $listed + 2, '  which all have');
$node->safe_psql('digitalocean', q{
	ALTER FOREIGN TABLE databases.online_migrations ADD COLUMN fetched_at timestamptz;
	CREATE FOREIGN TABLE databases.fresh (database_cluster_uuid uuid, status text)
		SERVER digitalocean OPTIONS (cache_ttl '0ms');});
asks_ok(1, "SELECT status FROM databases.fresh WHERE database_cluster_uuid = '$clusters[0]'", 'running',
	'the table has the last word');
sleep(1);
asks_ok(0, "SELECT now() - fetched_at BETWEEN '1 s' AND '1 min' FROM databases.online_migrations
	WHERE database_cluster_uuid = '$clusters[2]'", 't', 'fetched_at is the age');
asks_ok(1, "SET online_migrations_fdw.cache = off; SELECT now() - fetched_at < '5 s' FROM databases.online_migrations
	WHERE database_cluster_uuid = '$clusters[2]'", 't', '  of a new answer, too');
asks_ok(0, 'EXPLAIN (ANALYZE, COSTS off, SUMMARY off) ' . look(@clusters),
	qr/Remote Requests: 0\n *Cache Hits: 50\n *Oldest Answer: \d+ ms/, 'EXPLAIN counts hits');

is($node->safe_psql('digitalocean', q{SELECT cache_hits > 100 FROM databases.online_migrations_fdw_stats
	WHERE operation = 'get migration'}), 't', 'so do the statistics');

# ----- other tokens, other failures -----

$node->create_role('other', 'dop_v1_other');
$simulator->token('dop_v1_other', account => $OnlineMigrations::TestNode::TOKEN);
asks_ok(1, status_of($clusters[0]), 'running', 'another token asks', role => 'other');
my ($failing) = new_clusters(1);
$simulator->fault('status', uuid => $failing, status => 503);
for (1 .. 2)
{
	$node->requests_ok({ GET => 1 }, sub { $node->psql_fails(status_of($failing), 'HV00L', undef, "a failure, $_") },
		'  is not shared');
}
$simulator->delete_faults;
$node->psql_ok(status_of($failing), 'running', '  nor kept');

# ----- one asks, others wait -----

sub sessions { return map { OnlineMigrations::Session->open($node) } 1 .. $_[0]; }

sub asked { my ($cluster) = @_; return scalar grep { $_->{path} =~ /$cluster/ } $simulator->log; }

my @sessions = sessions(12);
my ($wanted) = new_clusters(1);
$simulator->config(latency_ms => 800);
$node->requests_ok({ GET => 1 }, sub {
		$_->post(status_of($wanted)) for @sessions;
		is(join(' ', map { $_->result->{out} } @sessions), join(' ', ('running') x 12), '12 sessions want the same') },
	'  one asks');

# The one who asks goes: another one takes its place.
my %endings = (cancelled => 'INT', terminated => 'TERM');
for my $how (sort keys %endings)
{
	($wanted) = new_clusters(1);
	$simulator->fault('slow_first_byte', uuid => $wanted, times => 1, ms => 60_000);
	$sessions[0]->post(status_of($wanted));
	OnlineMigrations::Waiting::until_true(sub { asked($wanted) == 1 });
	$_->post(status_of($wanted)) for @sessions[ 1 .. 11 ];
	is($node->poll_query_until('postgres', "SELECT count(*) = 12 FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Extension'"),
		1, "$how: 11 wait");
	is($node->safe_psql('postgres', 'SELECT wait_event FROM pg_stat_activity WHERE pid = ' . $sessions[5]->pid),
		$major >= 17 ? 'OnlineMigrationsCache' : 'Extension', '  for the cache');
	kill $endings{$how}, $sessions[0]->pid;
	isnt($sessions[0]->result->{sqlstate}, '', "  the one who asks is $how");
	my @results = map { $_->result } @sessions[ 1 .. 11 ];
	is(join(' ', map { $_->{out} } @results), join(' ', ('running') x 11), '  the others have its answer');
	cmp_ok((sort { $b <=> $a } map { $_->{seconds} } @results)[0], '<', 20, '  soon');
	is(asked($wanted), 2, '  one of them has asked');
}
$sessions[0] = OnlineMigrations::Session->open($node);

# Waiting for others can be cancelled, too.
($wanted) = new_clusters(1);
$simulator->config(latency_ms => 3000);
$sessions[0]->post(status_of($wanted));
OnlineMigrations::Waiting::until_true(sub { asked($wanted) == 1 });
$sessions[1]->post(status_of($wanted));
OnlineMigrations::Waiting::is_waiting($node, $sessions[1]->pid);
my $before = time;
kill 'INT', $sessions[1]->pid;
my $result = $sessions[1]->result;
is($result->{sqlstate}, '57014', 'who waits for another one can be cancelled');
cmp_ok($result->{done} - $before, '<', 1, '  at once');
is($sessions[0]->result->{out}, 'running', '  which does not disturb the other one');
is(asked($wanted), 1, '  nor asks');

# It fails: others ask, and nobody hangs.
($wanted) = new_clusters(1);
$simulator->config(latency_ms => 300);
$simulator->fault('status', uuid => $wanted, status => 500, times => 1);
$_->post(status_of($wanted)) for @sessions[ 0 .. 5 ];
my @results = map { $_->result } @sessions[ 0 .. 5 ];
is(scalar(grep { $_->{sqlstate} eq 'HV00L' } @results), 1, 'it fails for one');
is(scalar(grep { $_->{out} eq 'running' } @results), 5, '  the others have an answer');
is(asked($wanted), 2, '  that one of them has asked for');
$simulator->delete_faults;

# An API that is silent for all: one asks after the other, and so again, but
# after the second time all that are left.  This goes on beside what follows.
$node->add_server('silent', endpoint => $simulator->url('blackhole'), cache_ttl => '60s', max_retries => 0,
	connect_timeout => '5500ms');
my @waiting = @sessions[ 6 .. 11 ];
my $began = time;
$_->post((status_of($wanted) =~ s/databases\./silent./r) . ";\n\\! date +%s.%N") for @waiting;

# However slow the API is, as long as who asks waits for it, nobody else asks:
# even if it is awake when others look, as here, where its latch is set all the
# time.
($wanted) = new_clusters(1);
$simulator->config(latency_ms => 6000);
$_->post(status_of($wanted)) for @sessions[ 0 .. 3 ];
my @busy = map { $_->pid } @sessions[ 0 .. 3 ];
my $until = time + 5.8;
until (time > $until)
{
	kill 'USR1', @busy;
	sleep(0.0001);
}
is(join(' ', map { $_->result->{out} } @sessions[ 0 .. 3 ]), join(' ', ('running') x 4), 'an answer that takes 6 s');
is(asked($wanted), 1, '  is asked for once');

# What came while one waited is news, however short the time it is shown.
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET cache_ttl '1ms')});
($wanted) = new_clusters(1);
$simulator->config(latency_ms => 3000);
$sessions[0]->post(status_of($wanted));
OnlineMigrations::Waiting::until_true(sub { asked($wanted) == 1 });
$_->post(status_of($wanted)) for @sessions[ 1 .. 5 ];
$node->poll_query_until('postgres', "SELECT count(*) = 6 FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Extension'
	AND query NOT LIKE '%silent%'");
kill 'STOP', map { $_->pid } @sessions[ 1 .. 5 ];
is($sessions[0]->result->{out}, 'running', 'with a cache_ttl of 1 ms');
sleep(0.1);
kill 'CONT', map { $_->pid } @sessions[ 1 .. 5 ];
is(join(' ', map { $_->result->{out} } @sessions[ 1 .. 5 ]), join(' ', ('running') x 5), '  those who wait, and come late');
is(asked($wanted), 1, '  have its answer, too');
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET cache_ttl '60s')});

# Asynchronous scans wait for others, too, and go on with what is theirs.
$node->safe_psql('digitalocean', q{
	DO $$ BEGIN
		EXECUTE (SELECT format('CREATE SERVER second FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (%s)',
				string_agg(format('%I %L', option_name, option_value), ', '))
			FROM pg_foreign_server, pg_options_to_table(srvoptions) WHERE srvname = 'digitalocean');
		EXECUTE (SELECT format('CREATE USER MAPPING FOR CURRENT_USER SERVER second OPTIONS (%s)',
				string_agg(format('%I %L', option_name, option_value), ', '))
			FROM pg_user_mappings, pg_options_to_table(umoptions) WHERE srvname = 'digitalocean' AND usename = CURRENT_USER);
	END $$;
	CREATE FOREIGN TABLE databases.second (database_cluster_uuid uuid, status text) SERVER second
		OPTIONS (resource 'online_migrations');});
($wanted, my @own) = new_clusters(3);
my $appended = "SELECT string_agg(status, ' ') FROM (
	SELECT status FROM databases.online_migrations WHERE database_cluster_uuid IN ('$wanted', '$own[0]')
	UNION ALL SELECT status FROM databases.second WHERE database_cluster_uuid IN ('$own[1]')) u";
$node->psql_ok("EXPLAIN $appended", qr/Async Foreign Scan.*Async Foreign Scan/s, 'an asynchronous Append');
$simulator->config(latency_ms => 0);
$simulator->fault('slow_first_byte', uuid => $wanted, ms => 2000);
$sessions[0]->post(status_of($wanted));
OnlineMigrations::Waiting::until_true(sub { asked($wanted) == 1 });
$sessions[1]->post($appended);
ok(OnlineMigrations::Waiting::until_true(sub { asked($own[0]) + asked($own[1]) == 2 }), '  asks for what is its own');
is($sessions[1]->result->{out}, 'running running running', '  has all rows');
is($sessions[0]->result->{out}, 'running', '  one of which another session asks for');
is(asked($wanted), 1, '  alone');
($wanted) = new_clusters(1);
$appended =~ s/IN \('[^)]*'\)/IN ('$wanted')/;
$simulator->fault('slow_first_byte', uuid => $wanted, ms => 3000);
$sessions[0]->post(status_of($wanted));
OnlineMigrations::Waiting::until_true(sub { asked($wanted) == 1 });
$sessions[1]->post($appended);
OnlineMigrations::Waiting::is_waiting($node, $sessions[1]->pid);
kill 'INT', $sessions[0]->pid;
is($sessions[0]->result->{sqlstate}, '57014', '  that is cancelled');
is($sessions[1]->result->{out}, 'running running', '  and the Append asks itself');
is(asked($wanted), 2, '  once');
$simulator->delete_faults;
$node->safe_psql('digitalocean', 'DROP SERVER second CASCADE');

# A cursor that nobody fetches from asks, and does not drive.
($wanted, my $also) = new_clusters(2);
$simulator->config(latency_ms => 0);
$simulator->fault('slow_first_byte', uuid => $also, ms => 500);
$sessions[0]->run("BEGIN; DECLARE c CURSOR FOR @{[join ' UNION ALL ', map { status_of($_) } $wanted, $also]}");
is($sessions[0]->run('FETCH 1 FROM c')->{out}, 'running', 'a cursor with two scans');
is(asked($also), 1, '  that has asked for what nobody has fetched yet');
$result = $sessions[1]->run(status_of($also));
is($result->{out}, 'running', '  another session has it');
is(asked($also), 2, '  by asking, too');
cmp_ok($result->{seconds}, '<', 8, '  before long');
$sessions[0]->run('ROLLBACK');

# Nor where that session waits meanwhile, but for something else.
($wanted, $also, my $else) = new_clusters(3);
$simulator->fault('slow_first_byte', uuid => $also, ms => 500);
$simulator->fault('slow_first_byte', uuid => $else, ms => 12_000);
$sessions[0]->run("BEGIN; DECLARE c CURSOR FOR @{[join ' UNION ALL ', map { status_of($_) } $wanted, $also]}");
$sessions[0]->run('FETCH 1 FROM c');
is(asked($also), 1, 'another such cursor');
$sessions[0]->post(status_of($else));
$sessions[1]->post(status_of($else));
$result = $sessions[2]->run(status_of($also));
is($result->{out}, 'running', '  whose session waits for another answer');
cmp_ok($result->{seconds}, '<', 8, '  is not waited for either');
is(join(' ', map { $_->result->{out} } @sessions[ 0, 1 ]), 'running running', '  but for that answer, however long');
is(asked($else), 1, '  others wait');
$sessions[0]->run('COMMIT');
$simulator->delete_faults;

@results = map { $_->result } @waiting;
is(join(' ', map { $_->{sqlstate} } @results), join(' ', ('HV00N') x 6), 'a silent API: all are told');
cmp_ok((sort { $b <=> $a } map { $_->{out} - $began } @results)[0], '<', 27, '  after three times the timeout, more or less, not six times');
is($node->safe_psql('digitalocean', q{SELECT requests FROM databases.online_migrations_fdw_stats
	WHERE server = 'silent' AND operation = 'get migration'}), '6', '  each of what it has asked itself');

$node->safe_psql('digitalocean', 'DROP SERVER silent CASCADE; DROP SCHEMA silent');

# ----- transactions -----

# What is cut off within a savepoint is not waited for, though its transaction
# goes on.
($wanted) = new_clusters(1);
$simulator->fault('slow_first_byte', uuid => $wanted, times => 1, ms => 10_000);
is($sessions[0]->run("BEGIN; SAVEPOINT s; SET LOCAL statement_timeout = '300ms'; " . status_of($wanted))->{sqlstate},
	'57014', 'a statement that times out');
$sessions[0]->run('ROLLBACK TO s');
$result = $sessions[1]->run(status_of($wanted));
is($result->{out}, 'running', '  and is rolled back to a savepoint');
cmp_ok($result->{seconds}, '<', 3, '  holds nobody up');
is($sessions[0]->run(status_of($wanted))->{out}, 'running', '  and the transaction goes on');
is(asked($wanted), 2, '  with the answer that another session has');
$sessions[0]->run('ROLLBACK');

# An error within a function, which catches it.
($wanted) = new_clusters(1);
$simulator->fault('status', uuid => $wanted, status => 503, times => 1);
like($sessions[0]->run("DO \$\$ BEGIN PERFORM * FROM (@{[status_of($wanted)]}) s;
	EXCEPTION WHEN fdw_unable_to_create_execution THEN RAISE NOTICE 'caught'; END \$\$")->{err}, qr/caught/, 'an error that is caught');
is($sessions[1]->run(status_of($wanted))->{out}, 'running', '  holds nobody up');
$simulator->delete_faults;

# What the API has said is true, whatever becomes of the transaction.
my @said = new_clusters(2);
is($sessions[0]->run('BEGIN; ' . status_of($said[0]) . '; ROLLBACK')->{out}, 'running', 'an answer in a transaction that is rolled back');
is($sessions[0]->run('BEGIN; ' . status_of($said[1]) . "; PREPARE TRANSACTION 'said'")->{out}, 'running', '  and in a prepared one');
asks_ok(0, look(@said), 2, '  are answers to all');
is($sessions[0]->run("ROLLBACK PREPARED 'said'")->{sqlstate}, '', '  which can end');

# ----- starts and stops -----

my ($cluster) = new_clusters(1, 'done');
asks_ok(1, status_of($cluster), 'done', 'before a start');
$simulator->config(running_ms => 600_000);
$node->psql_ok("SELECT status FROM databases.databases_update_online_migration('$cluster', '{\"host\": \"h\", \"port\": 1}')",
	'running', 'a start');
asks_ok(0, status_of($cluster), 'running', '  is seen by all at once');
my $id = $node->safe_psql('digitalocean', "SELECT id FROM databases.online_migrations WHERE database_cluster_uuid = '$cluster'");
$node->psql_ok("SELECT databases.databases_delete_online_migration('$cluster', '$id')", 't', 'a stop');
asks_ok(1, status_of($cluster), 'canceled', '  too');
$simulator->migration($cluster, 'syncing', 'new-id');
$node->psql_fails("SELECT databases.databases_update_online_migration('$cluster', '{\"host\": \"h\", \"port\": 1}')",
	'55000', qr/is syncing/, 'the guard asks');
asks_ok(0, status_of($cluster), 'syncing', '  and what it learns is known');
$simulator->migration($cluster, 'done', 'new-id');
$node->psql_ok("CALL databases.databases_wait_online_migration('$cluster')", '', 'a wait asks');
asks_ok(0, status_of($cluster), 'done', '  likewise');

# An answer that was asked for before a start is not kept after it.
($cluster) = new_clusters(1, 'done');
$simulator->fault('slow_first_byte', uuid => $cluster, method => 'GET', times => 1, ms => 1500);
$sessions[0]->post(status_of($cluster));
OnlineMigrations::Waiting::until_true(sub { asked($cluster) == 1 });
$node->safe_psql('digitalocean', "SELECT FROM databases.databases_update_online_migration('$cluster',
	'{\"host\": \"h\", \"port\": 1}', replace => true)");
asks_ok(0, status_of($cluster), 'running', 'a start while another one asks');
is($sessions[0]->result->{out}, 'done', '  whose answer is its own');
asks_ok(0, status_of($cluster), 'running', '  and nobody else sees it');
$simulator->delete_faults;

# So it is with what a function has asked before: here a wait.
($cluster) = new_clusters(1, 'done');
asks_ok(1, status_of($cluster), 'done', 'before another start');
$simulator->fault('slow_first_byte', uuid => $cluster, method => 'GET', times => 1, ms => 1500);
$sessions[0]->post("CALL databases.databases_wait_online_migration('$cluster')");
OnlineMigrations::Waiting::until_true(sub { asked($cluster) == 2 });
$node->safe_psql('digitalocean', "SELECT FROM databases.databases_update_online_migration('$cluster',
	'{\"host\": \"h\", \"port\": 1}', replace => true)");
$sessions[0]->result;
asks_ok(0, status_of($cluster), 'running', '  what a wait asked before it is not kept');
$simulator->delete_faults;

# And with what a session asks past the cache.
($cluster) = new_clusters(1, 'done');
asks_ok(1, status_of($cluster), 'done', 'before a third start');
$simulator->fault('slow_first_byte', uuid => $cluster, method => 'GET', times => 1, ms => 1500);
$sessions[0]->post('SET online_migrations_fdw.cache = off; ' . status_of($cluster));
OnlineMigrations::Waiting::until_true(sub { asked($cluster) == 2 });
$node->safe_psql('digitalocean', "SELECT FROM databases.databases_update_online_migration('$cluster',
	'{\"host\": \"h\", \"port\": 1}', replace => true)");
is($sessions[0]->result->{out}, 'done', '  what was asked before it past the cache');
asks_ok(0, status_of($cluster), 'running', '  is not kept');
$sessions[0]->run('RESET online_migrations_fdw.cache');
$simulator->delete_faults;

# A start is seen by dashboards that have another token.
($cluster) = new_clusters(1, 'done');
asks_ok(1, status_of($cluster), 'done', 'another token', role => 'other');
asks_ok(0, status_of($cluster), 'done', '  has its answer', role => 'other');
$node->safe_psql('digitalocean', "SELECT FROM databases.databases_update_online_migration('$cluster',
	'{\"host\": \"h\", \"port\": 1}', replace => true)");
asks_ok(1, status_of($cluster), 'running', '  until a start', role => 'other');

# Of a start that is not answered nobody knows: what was known is not shown.
for my $how (sort keys %endings)
{
	($cluster) = new_clusters(1, 'done');
	asks_ok(1, status_of($cluster), 'done', "before a start that is $how");
	$simulator->fault('hang', uuid => $cluster, method => 'PUT', times => 1);
	my $session = OnlineMigrations::Session->open($node);
	my $offset = -s $node->logfile;
	$session->post("SELECT FROM databases.databases_update_online_migration('$cluster',
		'{\"host\": \"h\", \"port\": 1}', replace => true)");
	OnlineMigrations::Waiting::in_flight($simulator, 1);
	kill $endings{$how}, $session->pid;
	$session->result;
	asks_ok(1, status_of($cluster), 'done', '  it is asked again');
	like(PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset),
		qr/LOG:  online migration may have been started\n/, '  and the log tells of it');
	$simulator->delete_faults;
	eval { $session->close };
}

# ----- age -----

$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET cache_ttl '1s')});
($wanted) = new_clusters(1);
asks_ok(1, status_of($wanted), 'running', 'an answer for a second');
$simulator->migration($wanted, 'syncing', 'x');
sleep(1.1);
asks_ok(1, status_of($wanted), 'syncing', '  is not shown any longer');
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (ADD cache_stale '60s')});
sleep(1.1);
$simulator->fault('status', uuid => $wanted, status => 503);
asks_ok(1, status_of($wanted), 'syncing', 'cache_stale: it is, while the API is away');
asks_ok(0, status_of($wanted), 'syncing', '  which is not asked each time');
$simulator->delete_faults;
($wanted) = new_clusters(1);
asks_ok(1, status_of($wanted), 'running', 'another one');
$simulator->migration($wanted, 'syncing', 'x');
sleep(1.1);
$simulator->fault('slow_first_byte', uuid => $wanted, ms => 1500);
$sessions[0]->post(status_of($wanted));
OnlineMigrations::Waiting::until_true(sub { asked($wanted) == 2 });
$result = $sessions[1]->run(status_of($wanted));
is($result->{out}, 'running', '  while one refreshes it, others see the old one');
cmp_ok($result->{seconds}, '<', 1, '  at once');
is($sessions[0]->result->{out}, 'syncing', '  and the one who asks the new one');
$simulator->delete_faults;
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET cache_ttl '60s', DROP cache_stale)});

# ----- kill -9 -----

# The server starts over, and nothing of what was asked before is left.
($wanted) = new_clusters(1);
$simulator->config(latency_ms => 1000);
$sessions[0]->post(status_of($wanted));
OnlineMigrations::Waiting::until_true(sub { asked($wanted) == 1 });
$_->post(status_of($wanted)) for @sessions[ 1 .. 5 ];
OnlineMigrations::Waiting::is_waiting($node, $sessions[5]->pid);
kill 'KILL', $sessions[0]->pid;
eval { $_->result } for @sessions[ 0 .. 5 ];
eval { $_->close } for @sessions;
ok(OnlineMigrations::Waiting::until_true(sub {
		my ($out, $err) = ('', '');
		$node->psql('digitalocean', 'SELECT 1', stdout => \$out, stderr => \$err) == 0 && $out eq '1';
	}), 'kill -9 of the one who asks: the server is back');
@sessions = sessions(5);
$_->post(status_of($wanted)) for @sessions;
@results = map { $_->result } @sessions;
is(join(' ', map { $_->{out} } @results), join(' ', ('running') x 5), '  those who waited have their answer');
cmp_ok((sort { $b <=> $a } map { $_->{seconds} } @results)[0], '<', 4, '  soon');
is(asked($wanted), 2, '  that one of them has asked for');
$simulator->config(latency_ms => 0);
$_->close for @sessions;

# ----- bounds -----

like($node->run_sql(q{ALTER SERVER digitalocean OPTIONS (SET cache_ttl '61min')})->{sqlstate}, qr/22023/, 'at most an hour');
$node->append_conf('postgresql.conf', "online_migrations_fdw.cache_size = '256kB'");
$node->restart;
$node->safe_psql('digitalocean', "SELECT count(*) FROM databases.online_migrations WHERE database_cluster_uuid IN
	(SELECT ('00000000-0000-4000-9000-' || lpad(g::text, 12, '0'))::uuid FROM generate_series(1, 2000) g)");
@clusters = new_clusters(5);
asks_ok(5, look(@clusters), 5, 'a full cache asks');
asks_ok(0, look(@clusters), 5, '  and keeps what was used last');

# Where all of a small cache is waited for by many, one still asks.
@sessions = sessions(20);
@clusters = new_clusters(50);
$simulator->config(latency_ms => 1500);
$node->requests_ok({ GET => 50 }, sub {
		$_->post(look(@clusters)) for @sessions;
		is(join(' ', map { $_->result->{out} } @sessions), join(' ', (50) x 20), '20 viewers of 50 clusters in 256 kB') },
	'  one asks for each');

# More than it has room for is asked for, by whoever wants it.
$simulator->config(latency_ms => 200);
@clusters = new_clusters(500);
$_->post(look(@clusters)) for @sessions[ 0 .. 3 ];
is(join(' ', map { $_->result->{out} } @sessions[ 0 .. 3 ]), join(' ', (500) x 4), '4 viewers of 500 clusters: all see all');
$_->close for @sessions;
$simulator->config(latency_ms => 0);
@clusters = new_clusters(5);
asks_ok(5, look(@clusters), 5, '  and it is as it was:');
asks_ok(0, look(@clusters), 5, '  what is asked is kept');

# The same API and token are the same from any database.
$node->safe_psql('postgres', 'CREATE DATABASE other TEMPLATE digitalocean');
$node->requests_ok({}, sub { is($node->safe_psql('other', look(@clusters)), '5', 'another database') }, '  has the same answers');

$node->stop;
done_testing();
