# A statement that waits for the API ends at once when it is cancelled, times
# out or its backend is terminated, in every phase of a request.  Nothing is
# left of it, and the same backend works on.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;
use Time::HiRes qw(time);

# It takes a few milliseconds.  A loaded machine is no reason to fail; else it
# would be half a minute, request_timeout, or more.
my $AT_ONCE = 15;

# Enough to get into every phase, in seconds, but where the machine is busy.
my @TIMEOUTS = (0.4, 2, 10);

my $cluster = '00000000-0000-4000-8000-000000000001';
my $source = q('{"host": "src.example.com", "port": 25060}');
my $many = join ',', map { sprintf "'00000000-0000-4000-8000-%012d'", $_ } 1 .. 100;

my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
$simulator->migration($cluster, 'running', 'some-id');

# What is started runs on.
$simulator->config(running_ms => 600_000);
my $node = OnlineMigrations::TestNode->start('cancel', simulator => $simulator);
my $deaf = OnlineMigrations::Waiting::deaf_listener();

# Each schema is on a server of the same name.
$node->add_server('h1', $node->server_options('http'));
$node->add_server('h2', $node->server_options('https'));
$node->add_server('deaf', endpoint => $deaf->{url}, connect_timeout => '1min');
$node->add_server('blackhole', endpoint => $simulator->url('blackhole'),
	ca_file => $simulator->ca_file, connect_timeout => '1min');

# What holds its token holds no other one's.
$node->add_server('limited', $node->server_options('http'));
$simulator->token('dop_v1_limited', account => $OnlineMigrations::TestNode::TOKEN);
$node->safe_psql('digitalocean',
	q{ALTER USER MAPPING FOR CURRENT_USER SERVER limited OPTIONS (SET token 'dop_v1_limited')});

sub status_of
{
	my ($schema, $key) = @_;
	$key //= "= '$cluster'";
	return "SELECT status FROM $schema.online_migrations
		WHERE database_cluster_uuid $key";
}

sub start_at
{
	my ($server) = @_;
	return "SELECT status FROM databases.databases_update_online_migration(
		'$cluster', $source, replace => true, server => '$server')";
}

sub hang { $simulator->config(latency_ms => 600_000); return; }
sub in_flight { my ($n) = @_; return sub { OnlineMigrations::Waiting::in_flight($simulator, $n) }; }

# The phases: what the simulator is told before, the statement, how to know
# that it has got there (unless given, by the backend's wait event), and what
# the error's context says.
my @phases = (
	{ name => 'connecting', sql => status_of('deaf') },
	{ name => 'TLS handshake', sql => status_of('blackhole') },
	{ name => 'first byte over HTTP/1.1', before => \&hang,
		sql => status_of('h1'), reached => in_flight(1) },
	{ name => 'first byte over HTTP/2', before => \&hang,
		sql => status_of('h2'), reached => in_flight(1) },
	{ name => 'dripping body over HTTP/1.1', before => \&drip,
		sql => status_of('h1'), reached => in_flight(1) },
	{ name => 'dripping body over HTTP/2', before => \&drip,
		sql => status_of('h2'), reached => in_flight(1) },
	{ name => 'pause before a retry', before => \&come_later,
		sql => status_of('h1'), reached => \&has_paused },
	{ name => '100 requests over HTTP/1.1', before => \&hang,
		sql => status_of('h1', "IN ($many)"), reached => in_flight(100) },
	{ name => '100 requests over HTTP/2', before => \&hang,
		sql => status_of('h2', "IN ($many)"), reached => in_flight(100) },
	{ name => 'listing of clusters', before => \&hang,
		sql => 'SELECT count(*) FROM h2.online_migrations',
		reached => in_flight(1) },
	{ name => 'asynchronous Append', before => \&hang,
		sql => status_of('h1') . ' UNION ALL ' . status_of('h2'),
		reached => in_flight(2) },
	{ name => 'start over HTTP/1.1', before => \&hang, sql => start_at('h1'),
		reached => in_flight(1), context => qr/start .* had been sent/ },
	{ name => 'start over HTTP/2', before => \&hang, sql => start_at('h2'),
		reached => in_flight(1), context => qr/start .* had been sent/ },
	{ name => 'start in the pause after a 429', before => \&limit, sql => start_at('limited'),
		reached => \&has_been_limited, context => qr/nothing was started: the start was refused for the rate limit, and not sent again/,
		no_context => qr/had been sent/ },
	{ name => 'start that cannot connect', sql => start_at('deaf'),
		no_context => qr/had been sent/ },
	{ name => 'stop', before => \&hang, reached => in_flight(1),
		sql => "SELECT databases.databases_delete_online_migration(
			'$cluster', 'some-migration', server => 'h1')" },
);

sub drip
{
	$simulator->fault('drip', uuid => $cluster, ms => 10_000);
	return;
}

sub come_later
{
	$simulator->fault('status', uuid => $cluster, status => 503,
		retry_after => 50);
	return;
}

sub has_paused
{
	return OnlineMigrations::Waiting::until_true(sub { $simulator->counters->{answers}{503} })
	  && OnlineMigrations::Waiting::in_flight($simulator, 0);
}

sub limit
{
	my ($session) = @_;
	$simulator->fault('status', uuid => $cluster, status => 429, retry_after => 50);
	$session->run(q{SELECT databases.online_migrations_fdw_rate_limits_reset('limited')});
	return;
}

sub has_been_limited
{
	return OnlineMigrations::Waiting::until_true(sub { $simulator->counters->{answers}{429} })
	  && OnlineMigrations::Waiting::in_flight($simulator, 0);
}

my @latencies;

# Sends the statement, and returns when it is where it is to be.
sub get_into
{
	my ($session, $phase) = @_;
	$simulator->reset_counters;
	$phase->{before}->($session) if $phase->{before};
	$session->post($phase->{sql});
	ok((!$phase->{reached} || $phase->{reached}->())
		  && OnlineMigrations::Waiting::is_waiting($node, $session->pid), "it has got there: $phase->{name}");
	return;
}

# Like the simulator was in the beginning, and nothing is in flight.
sub calm
{
	$simulator->delete_faults;
	$simulator->config(latency_ms => 0);
	return;
}

sub ended_ok
{
	my ($result, $seconds, $sqlstate, $phase, $how) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $context = $result->{context} // '';
	my $good = $result->{sqlstate} eq $sqlstate && $seconds < $AT_ONCE
	  && (!$phase->{context} || $context =~ $phase->{context})
	  && (!$phase->{no_context} || $context !~ $phase->{no_context});
	ok($good, "$how ends it at once: $phase->{name}");
	diag("$seconds s, $result->{err} $result->{out}") unless $good;
	return;
}

sub nothing_left_ok
{
	my ($phase, $how) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), "nothing in flight after $how: $phase->{name}");
	return;
}

# libcurl keeps back the end of a stream until it next sends something on the
# connection, so what is in flight is looked at after that.
sub recovers_ok
{
	my ($session, $phase, $how) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	calm();
	works_ok($session, "after $how: $phase->{name}");
	nothing_left_ok($phase, $how);
	return;
}

sub works_ok
{
	my ($session, $when) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @both = map { my $got = $session->run(status_of($_)); $got->{out} . $got->{err} } qw(h1 h2);
	is("@both", 'running running', "the backend works $when");
	return;
}

sub try_timeout
{
	my ($session, $phase) = @_;
	my ($result, $timeout);
	for (@TIMEOUTS)
	{
		$timeout = $_;
		$session->run("SET statement_timeout = '$timeout s'");
		$phase->{before}->($session) if $phase->{before};
		$result = $session->run($phase->{sql});
		last if !$phase->{context} || ($result->{context} // '') =~ $phase->{context};
	}
	ended_ok($result, $result->{seconds} - $timeout, '57014', $phase, 'statement_timeout');
	$session->run('RESET statement_timeout');
	recovers_ok($session, $phase, 'statement_timeout');
	return;
}

# What pg_cancel_backend() and pg_terminate_backend() do is to send a signal;
# sent from here it has no way to go before.
sub cancel
{
	my ($session, $phase) = @_;
	get_into($session, $phase);
	my $cancelled = time;
	kill 'INT', $session->pid;
	my $result = $session->result;
	push @latencies, $result->{done} - $cancelled;
	return ($result, $result->{done} - $cancelled);
}

sub try_cancel
{
	my ($session, $phase) = @_;
	ended_ok(cancel($session, $phase), '57014', $phase, 'pg_cancel_backend');
	recovers_ok($session, $phase, 'pg_cancel_backend');
	return;
}

sub try_terminate
{
	my ($phase) = @_;
	my $session = OnlineMigrations::Session->open($node);
	get_into($session, $phase);
	my $terminated = time;
	kill 'TERM', $session->pid;
	my $result = $session->result;
	ended_ok($result, $result->{done} - $terminated, '57P01', $phase, 'pg_terminate_backend');
	nothing_left_ok($phase, 'pg_terminate_backend');
	calm();
	return;
}

sub try_phase
{
	my ($phase) = @_;
	my $session = OnlineMigrations::Session->open($node);
	works_ok($session, "before: $phase->{name}");
	try_timeout($session, $phase);
	my $before = $session->descriptors;
	try_cancel($session, $phase) for 1 .. 2;
	cmp_ok($session->descriptors, '<=', $before,
		"no descriptor is left open: $phase->{name}");
	$session->close;
	try_terminate($phase);
	return;
}

try_phase($_) for @phases;

# Where an error does not end the transaction, or it ends much else.
my $session = OnlineMigrations::Session->open($node);
$session->run(q{
	CREATE FUNCTION caught(command text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE status text;
	BEGIN
		EXECUTE command INTO status;
		RETURN status;
	EXCEPTION WHEN query_canceled THEN
		RETURN 'caught ' || SQLSTATE;
	END $$;});
for my $schema (qw(h1 h2))
{
	my $block = { before => \&hang, reached => in_flight(1), name => 'block',
		sql => 'SELECT caught(' . $node->literal(status_of($schema)) . ')' };
	$session->run('BEGIN');
	my ($result) = cancel($session, $block);
	is($result->{out}, 'caught 57014', "plpgsql catches the cancel over $schema");
	recovers_ok($session, $block, "cancel over $schema, in the same transaction");
	$session->run('COMMIT');

	my $cursor = { before => \&hang, reached => in_flight(2), name => 'cursor',
		sql => 'FETCH 2 FROM c' };
	$session->run('BEGIN; DECLARE c CURSOR FOR ' . status_of($schema,
		"IN ('$cluster', '00000000-0000-4000-8000-000000000002', "
		. "'00000000-0000-4000-8000-000000000003')"));
	ended_ok(cancel($session, $cursor), '57014', $cursor, "cancel over $schema");
	is($session->run(status_of($schema))->{sqlstate}, '25P02',
		'the transaction is aborted');
	$session->run('ROLLBACK');
	recovers_ok($session, $cursor, "cancel over $schema");

	my $savepoint = { before => \&hang, reached => in_flight(1),
		name => 'subtransaction', sql => status_of($schema) };
	$session->run('BEGIN; SAVEPOINT s');
	ended_ok(cancel($session, $savepoint), '57014', $savepoint, "cancel over $schema");
	$session->run('ROLLBACK TO s');
	recovers_ok($session, $savepoint, "cancel over $schema");
	$session->run('COMMIT');
}
$session->close;

my @sorted = sort { $a <=> $b } @latencies;
note(sprintf '%d cancels: median %.1f ms, longest %.1f ms', scalar @sorted,
	1000 * $sorted[ @sorted / 2 ], 1000 * $sorted[-1]);

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:/, 'no process has crashed');
done_testing();
