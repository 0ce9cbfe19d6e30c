# The same random queries over foreign tables and over local copies of them:
# the rows must agree, and no cluster is asked about twice in one statement.
# Then statements that lock or change rows which somebody else has changed, so
# that PostgreSQL checks the new version of a row again (EvalPlanQual).
#
#   test/run differential          200 queries; with --all 5,000; and an eighth
#                                  of that against a writer
#
# OMF_DIFFERENTIAL_SEED is the seed of the first query (1), and
# OMF_DIFFERENTIAL_QUERIES how many there are: a failure names its seed.
use strict;
use warnings;

use OnlineMigrations::RandomQuery;
use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use Test::More;
use Time::HiRes qw(sleep);

my $SEED = $ENV{OMF_DIFFERENTIAL_SEED} // 1;
my $QUERIES = $ENV{OMF_DIFFERENTIAL_QUERIES} // ($ENV{OMF_TEST_ALL} ? 5000 : 200);

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('differential', simulator => $simulator,
	log_level => 'warning', token => 'dop_v1_differenta',
	server_options => { max_retries => 0, max_concurrency => 5 });

# ----- two accounts, and the tables -----

# Of a dozen clusters some can't be migrated, and some never were.  There are
# several dozens, so that the listing, the keys and windows of rows differ.
sub fill_account
{
	my ($token, $prefix) = @_;
	my @engines = qw(pg mysql valkey pg kafka mysql pg opensearch pg pg valkey mysql);
	my @statuses = ('running', 'done', 'error', undef, undef, 'canceled', 'done', undef, 'syncing', 'done', undef, 'running');
	$simulator->token($token);
	for my $i (1 .. $OnlineMigrations::RandomQuery::CLUSTERS)
	{
		my $uuid = sprintf '%s-0000-4000-8000-%012d', $prefix, $i;
		my $status = $statuses[ ($i - 1) % @statuses ];
		$simulator->cluster($uuid, token => $token, engine => $engines[ ($i - 1) % @engines ], name => "cluster-$i");
		$simulator->migration($uuid, $status, "id-$prefix-$i", sprintf('2020-01-%02dT%02d:00:00Z', 1 + $i % 9, $i % 24))
		  if defined $status;
	}
	return;
}

sub make_tables
{
	my $endpoint = $node->literal($simulator->http);
	my ($clusters, $rows) = ($OnlineMigrations::RandomQuery::CLUSTERS, $OnlineMigrations::RandomQuery::ROWS);
	$node->safe_psql('digitalocean', qq{
		CREATE SERVER second FOREIGN DATA WRAPPER online_migrations_fdw
			OPTIONS (endpoint $endpoint, max_retries '0', max_concurrency '3');
		CREATE USER MAPPING FOR CURRENT_USER SERVER second OPTIONS (token 'dop_v1_differentb');
		CREATE SCHEMA api;
		IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO api;
		CREATE FOREIGN TABLE api.text_migrations (database_cluster_uuid text, id text, status text)
			SERVER digitalocean OPTIONS (resource 'online_migrations');
		CREATE TABLE api.parted (server text, database_cluster_uuid uuid, id text, status text)
			PARTITION BY LIST (server);
		CREATE FOREIGN TABLE api.parted_a PARTITION OF api.parted FOR VALUES IN ('digitalocean')
			SERVER digitalocean OPTIONS (resource 'online_migrations');
		CREATE FOREIGN TABLE api.parted_b PARTITION OF api.parted FOR VALUES IN ('second')
			SERVER second OPTIONS (resource 'online_migrations');
		CREATE SCHEMA copy;
		CREATE TABLE copy.online_migrations AS SELECT * FROM api.online_migrations;
		CREATE TABLE copy.text_migrations AS SELECT * FROM api.text_migrations;
		CREATE TABLE copy.clusters AS SELECT * FROM api.clusters;
		CREATE TABLE copy.parted AS SELECT * FROM api.parted;
		CREATE SCHEMA shared;
		CREATE TABLE shared.wanted (n integer, k uuid, t text, s text);
		INSERT INTO shared.wanted SELECT i, k, CASE i % 5 WHEN 0 THEN upper(k::text) WHEN 1 THEN '{' || k || '}' ELSE k::text END,
			(ARRAY['done', 'running', NULL, 'error'])[1 + i % 4]
			FROM (SELECT i, ('0000d1f' || (ARRAY['a', 'b', 'a', 'c'])[1 + i % 4] || '-0000-4000-8000-' || lpad((1 + i * 7 % $clusters)::text, 12, '0'))::uuid AS k
				FROM generate_series(1, $rows - 1) i) x;
		INSERT INTO shared.wanted VALUES ($rows, NULL, NULL, NULL), (0, '0000d1fa-0000-4000-8000-000000000002', 'no UUID', 'done');
		CREATE TABLE shared.more AS SELECT i AS n, ('0000d1fa-0000-4000-8000-' || lpad((1 + i * 5 % $clusters)::text, 12, '0'))::uuid AS k
			FROM generate_series(1, 60) i;
		CREATE TABLE shared.scratch (n integer PRIMARY KEY, k uuid, t text, s text);
		ANALYZE copy.online_migrations, copy.text_migrations, copy.clusters, copy.parted, shared.wanted, shared.more;});
	return;
}

# ----- one query -----

my $session;

# Runs the query with the tables of that schema.
sub run_over
{
	my ($schema, $query) = @_;
	my $set = join ";\n", 'RESET ALL', 'DEALLOCATE ALL', "SET statement_timeout = '20s'", 'SET jit = off',
	  "SET search_path = $schema, shared", @{ $query->{settings} };
	my $set_up = $session->run($set);
	return $set_up if $set_up->{sqlstate};
	return $session->run($query->{sql});
}

sub rows_of
{
	my ($query, $result) = @_;
	return "error $result->{sqlstate}" if $result->{sqlstate};
	my @rows = split /\n/, $result->{out}, -1;
	@rows = sort @rows unless $query->{ordered};
	return join "\n", @rows;
}

# Requests for one cluster, by path and account; a listing's pages do not count.
sub requests
{
	my (%requests, $listed);
	for my $entry ($simulator->log)
	{
		if ($entry->{path} =~ m{^/v2/databases/[0-9a-f]}) { $requests{"$entry->{path} $entry->{token}"}++ }
		else { $listed = 1 }
	}
	return ($listed, %requests);
}

# Nothing that was called off is to count for the next query.
sub wait_for_silence
{
	for (1 .. 500)
	{
		last if $simulator->counters->{in_flight} == 0;
		sleep(0.01);
	}
	$simulator->clear_log;
	return;
}

# What is wrong with the keys that were asked for.  A statement that lists asks
# for no more than keys and listing have in common, where its keys are its own.
sub keys_asked
{
	my ($query, $listed, @asked) = @_;
	my %wanted = map { $_ => 1 } split /\n/, $session->run("SET search_path = copy, shared; $query->{keys}")->{out};
	my @more = grep { !$wanted{$_} } @asked;
	return "asked for: @more\n-- which are no keys\n" if @more && (!$listed || $query->{own_keys});
	return "asked for: @{[sort @asked]}\n-- instead of: @{[sort keys %wanted]}\n" if !$listed && @asked != keys %wanted;
	return '';
}

# What is wrong with a query, or an empty text.
sub differences
{
	my ($query) = @_;
	wait_for_silence();
	my $got = rows_of($query, run_over('api', $query));
	my ($listed, %requests) = requests();
	my $expected = rows_of($query, run_over('copy', $query));
	my $wrong = '';
	$wrong .= "rows differ; from the API:\n$got\n-- from the copy:\n$expected\n" if $got ne $expected;
	my @twice = grep { $requests{$_} > 1 } sort keys %requests;
	$wrong .= "asked more than once: @twice\n" if @twice;
	$wrong .= keys_asked($query, $listed, map { m{databases/([^/]+)} } keys %requests) if $query->{keys};
	return $wrong;
}

sub plan_of
{
	my ($query) = @_;
	return '' unless $session;
	run_over('api', { %$query, sql => 'SELECT 1' });
	return $session->run("EXPLAIN (VERBOSE, COSTS OFF) $query->{sql}")->{out};
}

sub try_query
{
	my ($seed) = @_;
	my $query = OnlineMigrations::RandomQuery->new($seed);
	my $wrong = eval { differences($query) } // "the session is gone: $@";
	return if ok($wrong eq '', "query of seed $seed");
	diag(substr($wrong, 0, 3000));
	diag(join ";\n", @{ $query->{settings} }, $query->{sql});
	open_session() if $wrong =~ /^the session is gone/ || $session->run('SELECT 1')->{out} ne '1';
	diag(plan_of($query));
	return;
}

sub open_session
{
	$session = OnlineMigrations::Session->open($node);
	$session->run('\pset null (null)');
	return;
}

# ----- with a concurrent writer -----

my ($writer, $watcher);

# The rows that both want, as they are before each statement.
sub reset_jobs
{
	$session->run(q{RESET ALL; DROP TABLE IF EXISTS shared.jobs, shared.jobs_parted;
		CREATE TABLE shared.jobs AS SELECT n AS id, k, t, s AS note FROM shared.wanted;
		CREATE TABLE shared.jobs_parted (id integer, k uuid, t text, note text) PARTITION BY LIST (id);
		CREATE TABLE shared.jobs_few PARTITION OF shared.jobs_parted FOR VALUES IN (0, 1, 2, 3);
		CREATE TABLE shared.jobs_rest PARTITION OF shared.jobs_parted DEFAULT;
		INSERT INTO shared.jobs_parted SELECT * FROM shared.jobs;
		ANALYZE shared.jobs, shared.jobs_parted});
	return;
}

# Waits until the statement waits for the writer, or has ended.
sub wait_for_lock
{
	my ($sql) = @_;
	my $ask = 'SELECT state, wait_event_type, query = ' . $node->literal($sql) . " FROM pg_stat_activity WHERE pid = ${\$session->pid}";
	for (1 .. 1000)
	{
		$session->{psql}->pump_nb;
		return if $watcher->run($ask)->{out} =~ /^active\|Lock\||^idle\|.*t$/;
		sleep(0.005);
	}
	return;
}

# What the statement returns, and what it leaves behind.
sub run_against_writer
{
	my ($schema, $query) = @_;
	reset_jobs();
	$writer->run("BEGIN; $_") for $query->{write};
	$session->run(join ";\n", "SET statement_timeout = '20s'", 'SET jit = off', "SET search_path = $schema, shared", @{ $query->{settings} });
	$session->post($query->{sql});
	wait_for_lock("$query->{sql};");
	$writer->run('COMMIT');
	my $rows = rows_of($query, $session->result);
	return "$rows\n-- " . rows_of({}, $session->run('SELECT * FROM shared.jobs')) . "\n-- "
	  . rows_of({}, $session->run('SELECT * FROM shared.jobs_parted'));
}

sub try_against_writer
{
	my ($seed) = @_;
	my $query = OnlineMigrations::RandomQuery->concurrent($seed);
	wait_for_silence();
	my $got = eval { run_against_writer('api', $query) } // "the session is gone: $@";
	my (undef, %requests) = requests();
	open_sessions() if $got =~ /^the session is gone/;
	my $expected = run_against_writer('copy', $query);
	my @twice = grep { $requests{$_} > 1 } sort keys %requests;
	return if ok($got eq $expected && !@twice, "against a writer, seed $seed");
	diag("from the API:\n$got\nfrom the copy:\n$expected\nasked more than once: @twice");
	diag(join ";\n", $query->{write}, @{ $query->{settings} }, $query->{sql});
	$session->run('SET search_path = api, shared');
	diag($session->run("EXPLAIN (VERBOSE, COSTS OFF) $query->{sql}")->{out});
	return;
}

sub open_sessions
{
	open_session();
	$writer = OnlineMigrations::Session->open($node);
	$watcher = OnlineMigrations::Session->open($node);
	return;
}

fill_account('dop_v1_differenta', '0000d1fa');
fill_account('dop_v1_differentb', '0000d1fb');
make_tables();
open_sessions();
is($session->run('SELECT (SELECT count(*) FROM copy.online_migrations), (SELECT count(*) FROM copy.text_migrations),
	(SELECT count(*) FROM copy.clusters), (SELECT count(*) FROM copy.parted)')->{out},
	'32|32|48|64', 'the copies have what the accounts have');
try_query($_) for $SEED .. $SEED + $QUERIES - 1;
try_against_writer($_) for $SEED .. $SEED + $QUERIES / 8 - 1;
$_->close for $session, $writer, $watcher;

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:|leak/i, 'no process has crashed, nothing has leaked');
done_testing();
