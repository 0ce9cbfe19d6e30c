# The jobs in examples/, run by pg_cron itself: what they record, start and
# tell, what is left when a run fails, and that no secret gets into pg_cron's
# tables or the server's log.
#
# pg_cron starts jobs on the minute.  Those scheduled as @reboot it starts when
# the server does, so that is how a test has a job run now.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep time);

my $library = `$ENV{PG_CONFIG} --pkglibdir`;
chomp $library;
plan skip_all => "this PostgreSQL has no pg_cron (Debian: postgresql-NN-cron)"
  unless -e "$library/pg_cron.so";

my @cluster = map { sprintf '00000000-0000-4000-8000-%012d', $_ } 0 .. 9;
my $token = 'dop_v1_' . 'fedcba9876543210' x 4;
my $password = 's3cr3t-of-the-source';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->delete_cluster($_->{uuid} // $_->{id}) for $simulator->clusters;
$simulator->token($token, account => $OnlineMigrations::TestNode::TOKEN);
$simulator->config(running_ms => 600_000);

my $node = OnlineMigrations::TestNode->start('cron', simulator => $simulator,
	log_level => 'notice', conf => "log_statement = none\nmax_prepared_transactions = 1",
	server_options => { max_retries => 0 });
$node->append_conf('postgresql.conf', q{
shared_preload_libraries = 'pg_cron'
cron.database_name = 'digitalocean'
cron.use_background_workers = on});
$node->restart;

# The jobs belong to a role that has what the README says, and nothing more.
$node->safe_psql('digitalocean', qq{
	CREATE EXTENSION pg_cron;
	CREATE ROLE migration_jobs LOGIN;
	CREATE SCHEMA migration_jobs AUTHORIZATION migration_jobs;
	GRANT USAGE ON SCHEMA databases, cron TO migration_jobs;
	GRANT SELECT ON databases.online_migrations TO migration_jobs;
	CREATE USER MAPPING FOR migration_jobs SERVER digitalocean OPTIONS (token '$token');});

# Runs a file of examples/ as that role.
sub run_example
{
	my ($file, %variables) = @_;
	my @command = ('psql', '-XAtq', '-d', $node->connstr('digitalocean'),
		'-f', "$ENV{OMF_TREE}/examples/$file");
	push @command, '-v', "$_=$variables{$_}" for sort keys %variables;
	local $ENV{PGOPTIONS} = '-c role=migration_jobs';
	my $result = IPC::Run::run(\@command, '>', \my $out, '2>', \my $err);
	return { ok => $result, out => $out, err => $err };
}

sub example_ok
{
	my ($file, %variables) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = run_example($file, %variables);
	ok($result->{ok} && $result->{err} eq '', "$file runs" . (%variables ? ' with variables' : ''))
	  or diag($result->{err});
	return;
}

# The statements that the file's own comment gives for its removal.
sub removal_of
{
	my ($file) = @_;
	my $text = slurp_file("$ENV{OMF_TREE}/examples/$file");
	my ($section) = $text =~ /^-- Remove: (.*?)^--\n/ms;
	$section =~ s/^--\s*//mg;
	return $section =~ /((?:SELECT|DROP) [^;]*;)/g;
}

sub one { return $node->safe_psql('digitalocean', $_[0]); }

sub runs_of
{
	my ($job) = @_;
	return one("SELECT count(*) FROM cron.job_run_details d JOIN cron.job j USING (jobid)
		WHERE j.jobname = '$job'");
}

# The server starts, and of all jobs this one runs.
sub start_job
{
	my ($job) = @_;
	my $before = runs_of($job);
	one("UPDATE cron.job SET schedule = '\@reboot', active = (jobname = '$job')");
	$node->restart;
	return $before;
}

# Waits for its end: "succeeded" or "failed", and what pg_cron has to say.  The
# worker tells that it has succeeded before it commits, so it must be gone.
sub end_of_job
{
	my ($job, $before) = @_;
	my $sql = "SELECT d.status, d.return_message
		FROM cron.job_run_details d JOIN cron.job j USING (jobid)
		WHERE j.jobname = '$job' AND d.status IN ('succeeded', 'failed')
		AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = d.job_pid)
		ORDER BY d.runid OFFSET $before";
	return OnlineMigrations::Waiting::until_true(sub { one($sql) }) // 'never ended';
}

sub job_ok
{
	my ($job, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = start_job($job);
	like(end_of_job($job, $before), $expected, $name);
	return;
}

# ----- the files as they stand -----

$simulator->cluster($_, engine => 'pg') for @cluster;
$simulator->migration($cluster[1], 'running', 'first', '2020-10-28T15:21:35Z');
$simulator->migration($cluster[2], 'syncing', 'second', '2020-10-28T15:21:36Z');
$simulator->migration($cluster[3], 'done', 'third', '2020-10-28T15:21:37Z');
$simulator->fault('empty_200', uuid => $cluster[3], method => 'GET');

example_ok($_) for qw(history.sql alert.sql);
is(one('SELECT jobname, schedule, command, username FROM cron.job ORDER BY jobid'), join("\n",
		'record migrations|*/5 * * * *|CALL migration_jobs.record_migrations()|migration_jobs',
		'alert of failed migrations|* * * * *|CALL migration_jobs.alert_of_errors()|migration_jobs'),
	'the jobs on the schedule');
example_ok('history.sql', schedule => '*/10 * * * *');
example_ok('alert.sql');
is(one('SELECT string_agg(schedule, $$, $$ ORDER BY jobid) FROM cron.job'), '*/10 * * * *, * * * * *',
	'run again: no more jobs, another schedule');

# ----- history -----

my $history = q{SELECT right(database_cluster_uuid::text, 1), id, status,
	to_char(created_at AT TIME ZONE 'UTC', 'HH24:MI:SS')
	FROM migration_jobs.migration_history ORDER BY 1, migration_history.created_at};
my $statuses = 'SELECT * FROM migration_jobs.migration_statuses ORDER BY database_cluster_uuid, first_seen, status';

job_ok('record migrations', qr/^succeeded\|CALL/, 'the first run');
is(one($history), "1|first|running|15:21:35\n2|second|syncing|15:21:36\n3|||",
	'a row for each migration, and for the one of which nothing is known');
my $seen = one("SELECT first_seen FROM migration_jobs.migration_statuses WHERE id = 'first'");

$simulator->migration($cluster[1], 'syncing', 'first', '2020-10-28T15:21:35Z');
$simulator->migration($cluster[2], 'running', 'later', '2020-10-29T08:00:00Z');
job_ok('record migrations', qr/^succeeded\|CALL/, 'the next run');
is(one($history),
	"1|first|syncing|15:21:35\n2|second|syncing|15:21:36\n2|later|running|08:00:00\n3|||",
	'a new status shows in its row, a new migration has one of its own, nothing is known once');
is(one("SELECT string_agg(status, ', ' ORDER BY first_seen) FROM migration_jobs.migration_statuses
		WHERE id = 'first'"), 'running, syncing', 'both statuses are kept');
is(one("SELECT first_seen FROM migration_jobs.migration_statuses WHERE (id, status) = ('first', 'running')"),
	$seen, 'when a status was first seen is kept');
is(one("SELECT h.first_seen = '$seen' AND h.status_since > h.first_seen AND h.last_seen = h.status_since
		FROM migration_jobs.migration_history h WHERE h.id = 'first'"), 't',
	'since when it is in its status, when it was first and last seen');
is(one("SELECT last_seen > first_seen FROM migration_jobs.migration_statuses
		WHERE database_cluster_uuid = '$cluster[3]'"), 't', 'the row without an id was seen again');

# Statuses flap, and answers come late: the latest that was seen counts.
one("CALL migration_jobs.record_migrations()");
$simulator->migration($cluster[1], 'running', 'first', '2020-10-28T15:21:35Z');
one("CALL migration_jobs.record_migrations()");
like(one($history), qr/^1\|first\|running/, 'back in an earlier status');
is(one("SELECT first_seen FROM migration_jobs.migration_statuses WHERE (id, status) = ('first', 'running')"),
	$seen, 'which still was first seen when it was');

# ----- runs that fail -----

for my $case ([ 401, qr/^failed\|.*ERROR.*HTTP status 401/s ], [ 500, qr/^failed\|.*ERROR.*HTTP status 500/s ])
{
	my ($status, $message) = @$case;
	my $before = one($statuses);
	$simulator->migration($cluster[1], 'done', 'first', '2020-10-28T15:21:35Z');
	$simulator->fault('status', uuid => $cluster[2], method => 'GET', status => $status);
	job_ok('record migrations', $message, "HTTP $status: pg_cron has it as failed");
	is(one($statuses), $before, "HTTP $status: the history is as it was");
	$simulator->delete_faults;
}
one("CALL migration_jobs.record_migrations()");
like(one($history), qr/^1\|first\|done/, 'the next run goes on');
like(one($history), qr/^3\|third\|done/m, 'what was without an id has one now');

# ----- runs that overlap -----

# Two at once: the one gets the answer for this cluster last, the other one
# first.  Rows locked in the order of the answers would be a deadlock.
sub overlapping_ok
{
	my ($odd, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @sessions = map { OnlineMigrations::Session->open($node) } 1 .. 2;
	my $since = $simulator->log;
	my $asked = sub {
		return scalar grep { $_->{path} =~ m{/online-migration$} } $simulator->log($since) };
	$simulator->fault('slow_first_byte', uuid => $_, method => 'GET', times => 1, ms => 1000,
		skip => $_ eq $odd ? 0 : 1) for @cluster;
	$sessions[0]->post('CALL migration_jobs.record_migrations()');
	OnlineMigrations::Waiting::until_true(sub { $asked->() == @cluster });
	$sessions[1]->post('CALL migration_jobs.record_migrations()');
	is($_->result->{err}, '', $name) for @sessions;
	$simulator->delete_faults;
	$_->close for @sessions;
	return;
}

$simulator->migration($_, 'running', 'of-' . substr($_, -1), '2020-10-30T00:00:00Z') for @cluster[4 .. 9];
overlapping_ok($cluster[4], 'two runs at once succeed');
is(one("SELECT count(*), count(DISTINCT database_cluster_uuid) FROM migration_jobs.migration_statuses
		WHERE database_cluster_uuid >= '$cluster[4]'"), '6|6', 'and do not double a row');

# The second of two waits for the first one's rows, and finds them there.
{
	my @sessions = map { OnlineMigrations::Session->open($node) } 1 .. 2;
	$simulator->migration($cluster[4], 'syncing', 'of-4', '2020-10-30T00:00:00Z');
	$sessions[0]->run('BEGIN; CALL migration_jobs.record_migrations()');
	my $before = one($statuses);
	$sessions[1]->post('CALL migration_jobs.record_migrations()');
	my $waits = OnlineMigrations::Waiting::until_true(sub {
			one("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " . $sessions[1]->pid) });
	is($waits, 1, 'the second run waits for the first one');
	$sessions[0]->run('COMMIT');
	is($sessions[1]->result->{err}, '', 'and goes on');
	is(one("SELECT string_agg(status, ', ' ORDER BY first_seen) FROM migration_jobs.migration_statuses
			WHERE id = 'of-4'"), 'running, syncing', 'a new status is there once');
	$_->close for @sessions;
}

# ----- alerts -----

sub notifications
{
	my ($session) = @_;
	my $out = $session->run('SELECT 1')->{out};
	return sort $out =~ /Asynchronous notification "online_migrations" with payload "(.*?)" received/g;
}

sub payload
{
	my ($uuid, $id) = @_;
	return qq({"database_cluster_uuid" : "$uuid", "id" : "$id", "status" : "error"});
}

$simulator->migration($cluster[7], 'error', 'of-7', '2020-10-30T00:00:00Z');
$simulator->migration($cluster[8], 'error', 'of-8', '2020-10-30T00:00:00Z');
one("CALL migration_jobs.record_migrations()");

# A lock that outlives the restart holds the job up until somebody listens.
{
	one("BEGIN; LOCK TABLE migration_jobs.migration_alerts; PREPARE TRANSACTION 'hold'");
	my $before = start_job('alert of failed migrations');
	my $session = OnlineMigrations::Session->open($node);
	$session->run('LISTEN online_migrations');
	one("COMMIT PREPARED 'hold'");
	like(end_of_job('alert of failed migrations', $before), qr/^succeeded\|CALL/, 'the alert runs');
	is_deeply([ notifications($session) ], [ payload($cluster[7], 'of-7'), payload($cluster[8], 'of-8') ],
		'who listens hears of each migration that has failed');
	one('CALL migration_jobs.alert_of_errors()') for 1 .. 2;
	is_deeply([ notifications($session) ], [], 'further runs say nothing of these');

	# The same cluster's next migration is another one, and two runs at once.
	$simulator->migration($cluster[7], 'error', 'next-7', '2020-10-31T00:00:00Z');
	one("CALL migration_jobs.record_migrations()");
	my @runs = map { OnlineMigrations::Session->open($node) } 1 .. 2;
	$runs[0]->run('BEGIN; CALL migration_jobs.alert_of_errors()');
	$runs[1]->post('CALL migration_jobs.alert_of_errors()');
	OnlineMigrations::Waiting::until_true(sub {
			one("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " . $runs[1]->pid) });
	is_deeply([ notifications($session) ], [], 'nothing is said before it is committed');
	$runs[0]->run('COMMIT');
	is($runs[1]->result->{err}, '', 'two runs at once');
	is_deeply([ notifications($session) ], [ payload($cluster[7], 'next-7') ],
		'the next migration that fails is told, once');
	$_->close for @runs, $session;
}

# ----- a start at night -----

my $start = "start migration of $cluster[0]";

# What a run of the job does, without waiting for a night.
sub start_by_hand
{
	my ($command) = @_;
	my $result = $node->run_sql($command, role => 'migration_jobs');
	return $result->{sqlstate} || $result->{out};
}

sub start_ok
{
	my ($requests, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $command = one("SELECT command FROM cron.job WHERE jobname = '$start'");
	my $outcome = $node->requests_ok($requests, sub { start_by_hand($command) }, "$name: the requests");
	is($outcome, $expected, $name);
	return;
}

sub job_starts_ok
{
	my ($requests, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$node->requests_ok($requests, sub { job_ok($start, $expected, $name) }, "$name: the requests");
	return;
}

SKIP:
{
	my $probe = $node->run_sql("SELECT * FROM databases.databases_update_online_migration(
		'$cluster[0]', source_server => 'none such')");
	skip 'no source_server in this version', 1 if $probe->{sqlstate} eq '0A000';

	for my $given ({}, { cluster => $cluster[0] }, { source_server => 'shop_source' })
	{
		my $refused = run_example('start_at_night.sql', %$given);
		ok(!$refused->{ok} && $refused->{err} =~ /wants -v cluster=UUID and -v source_server=NAME/,
			'start_at_night.sql says what it wants');
	}
	$node->safe_psql('digitalocean', qq{
		CREATE EXTENSION postgres_fdw;
		CREATE SERVER shop_source FOREIGN DATA WRAPPER postgres_fdw
			OPTIONS (host 'src.example.com', port '25060', dbname 'defaultdb');
		CREATE USER MAPPING FOR migration_jobs SERVER shop_source
			OPTIONS (user 'doadmin', password '$password');
		GRANT USAGE ON FOREIGN SERVER digitalocean, shop_source TO migration_jobs;
		GRANT EXECUTE ON FUNCTION databases.databases_update_online_migration TO migration_jobs;});

	# An older one is under way: none is started, and that is no failure.
	$simulator->migration($cluster[0], 'syncing', 'older', '2020-10-28T15:21:35Z');
	my %variables = (cluster => $cluster[0], source_server => 'shop_source');
	example_ok('start_at_night.sql', %variables);
	is(one("SELECT schedule FROM cron.job WHERE jobname = '$start'"), '0 2 * * *', 'at night');
	job_starts_ok({ GET => 1 }, qr/^succeeded\|/, 'while an older one is under way');
	like(slurp_file($node->logfile), qr/no migration of cluster $cluster[0] is started: migration older is syncing/,
		'the log has why');

	# Starts that fail are failures, and are tried again.
	$simulator->migration($cluster[0], 'canceled', 'older', '2020-10-28T15:21:35Z');
	$simulator->fault('status', uuid => $cluster[0], method => 'PUT', status => 422, times => 1);
	job_starts_ok({ GET => 2, PUT => 1 }, qr/^failed\|.*HTTP status 422/s, 'refused by the API');
	$simulator->fault('status', uuid => $cluster[0], method => 'GET', status => 401, times => 1);
	start_ok({ GET => 1 }, '28000', 'the status cannot be read');
	job_starts_ok({ GET => 2, PUT => 1 }, qr/^succeeded\|/, 'the next night it is started');

	# From then on nothing is, whatever becomes of that one.
	job_starts_ok({ GET => 1 }, qr/^succeeded\|/, 'while it is under way');
	my ($id, $created) = split /\|/, one("SET timezone = 'UTC'; SELECT id, to_json(created_at) #>> '{}' FROM databases.online_migrations
		WHERE database_cluster_uuid = '$cluster[0]'");
	for my $status (qw(done error canceled))
	{
		$simulator->migration($cluster[0], $status, $id, $created);
		start_ok({ GET => 1 }, 'f', "$status");
	}

	# Running the file again asks for another one.  Its answer is lost.
	sleep(1.1);
	example_ok('start_at_night.sql', %variables);
	$simulator->fault('close_before', uuid => $cluster[0], method => 'PUT', times => 1, apply => 'true');
	start_ok({ GET => 2, PUT => 1 }, 'HV010', 'asked for again, and nobody knows');
	start_ok({ GET => 1 }, 'f', 'the next night finds out');

	$simulator->delete_faults;
	example_ok('start_at_night.sql', %variables, cluster => $cluster[9]);
	$start = "start migration of $cluster[9]";
	$simulator->migration($cluster[9], undef);
	start_ok({ GET => 2, PUT => 1 }, 't', 'a cluster without a migration');
}

# ----- through connections, as pg_cron does by default -----

one("SELECT cron.unschedule(jobid) FROM cron.job");
$node->append_conf('postgresql.conf', 'cron.use_background_workers = off');
$node->append_conf('postgresql.conf', "cron.host = '" . $node->host . "'");
$node->restart;
example_ok('history.sql');
$simulator->migration($cluster[5], 'done', 'of-5', '2020-10-30T00:00:00Z');
job_ok('record migrations', qr/^succeeded\|CALL/, 'without background workers');
is(one("SELECT status FROM migration_jobs.migration_history WHERE id = 'of-5'"), 'done', 'it is recorded');
$simulator->fault('status', uuid => $cluster[5], method => 'GET', status => 403);
job_ok('record migrations', qr/^failed\|.*HTTP status 403/s, 'a failure without background workers');
$simulator->delete_faults;

# In a schema of another name, which the role may make itself.
one('GRANT CREATE ON DATABASE digitalocean TO migration_jobs');
example_ok('history.sql', jobs => q{Bob's "Jobs"});
example_ok('alert.sql', jobs => q{Bob's "Jobs"}, channel => "bob's");
job_ok('record migrations', qr/^succeeded\|CALL/, 'recording into a schema of another name');
is(one(q{SELECT id, status FROM "Bob's ""Jobs""".migration_history WHERE id = 'next-7'}), 'next-7|error',
	'it is recorded there');
{
	my $session = OnlineMigrations::Session->open($node);
	$session->run(q{LISTEN "bob's"});
	my $command = one("SELECT command FROM cron.job WHERE jobname = 'alert of failed migrations'");
	like($session->run($command)->{out} . $session->run('SELECT 1')->{out},
		qr/notification "bob's" with payload/, 'and told on a channel of another name');
	$session->close;
}
one('SELECT cron.unschedule(jobid) FROM cron.job');
example_ok('history.sql');

# On the minute, as scheduled.
SKIP:
{
	skip 'takes a minute: test/run --all', 1 unless $ENV{OMF_TEST_ALL};
	$simulator->migration($cluster[5], 'error', 'minute-5', '2020-11-01T00:00:00Z');
	example_ok('history.sql', schedule => '* * * * *');
	one('UPDATE cron.job SET active = true');
	my $found;
	for (1 .. 4)
	{
		$found //= OnlineMigrations::Waiting::until_true(sub {
				one("SELECT status FROM migration_jobs.migration_history WHERE id = 'minute-5'") });
	}
	is($found, 'error', 'on the minute');
	one("SELECT cron.unschedule(jobid) FROM cron.job");
	example_ok('history.sql');
}

# ----- secrets -----

my $secret = qr/dop_v1_[0-9a-z]{8,}|fedcba9876543210|s3cr3t/;
unlike(one('SELECT j FROM cron.job j'), $secret, 'no secret in a job');
unlike(one('SELECT d FROM cron.job_run_details d'), $secret, 'nor in what pg_cron keeps of its runs');
unlike(slurp_file($node->logfile), $secret, 'nor in the log');
cmp_ok(one('SELECT count(*) FROM cron.job_run_details'), '>', 0, 'of which there are some');

# ----- removal, as the files say -----

example_ok('alert.sql');
for my $file (qw(alert.sql history.sql))
{
	my @statements = removal_of($file);
	cmp_ok(scalar @statements, '>=', 3, "$file says how to remove it");
	$node->psql_ok(join(' ', @statements), undef, 'and that works', role => 'migration_jobs');
}
is(one("SELECT count(*) FROM pg_class WHERE relnamespace = 'migration_jobs'::regnamespace")
	. one('SELECT count(*) FROM cron.job'), '00', 'nothing is left');

done_testing();
