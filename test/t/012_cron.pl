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

my $shared = `$ENV{PG_CONFIG} --sharedir`;
chomp $shared;
plan skip_all => "this PostgreSQL has no pg_cron (Debian: postgresql-NN-cron)"
  unless -e "$shared/extension/pg_cron.control";

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
	GRANT SELECT ON databases.online_migrations, databases.clusters TO migration_jobs;
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

# ----- what is not there any more -----

# A cluster that is destroyed, and comes back: its migration is marked.
{
	my $marks = q{SELECT id, status, vanished_at IS NOT NULL, cluster_name, cluster_engine, cluster_vanished_at IS NOT NULL,
		vanished_at > last_seen FROM migration_jobs.migration_history WHERE right(database_cluster_uuid::text, 1) IN ('2', '6')
		ORDER BY first_seen};
	$simulator->cluster($cluster[2], name => 'two');
	$simulator->cluster($cluster[6], engine => 'mysql', name => 'passing');
	$simulator->migration($cluster[6], 'running', 'sixth', '2020-10-29T09:00:00Z');
	one('CALL migration_jobs.record_migrations()');
	is(one($marks), "second|syncing|t|two|pg|f|t\nlater|running|f|two|pg|f|\nsixth|running|f|passing|mysql|f|",
		'a migration that another one has followed is marked as vanished, with the cluster there');
	my $seen = one(q{SELECT last_seen FROM migration_jobs.migration_history WHERE id = 'sixth'});
	$simulator->delete_cluster($cluster[6]);
	one('CALL migration_jobs.record_migrations()') for 1 .. 2;
	is((split /\n/, one($marks))[2], 'sixth|running|t|passing|mysql|t|t', 'so is that of a cluster which is destroyed');
	is(one(q{SELECT last_seen, cluster_last_listed FROM migration_jobs.migration_history WHERE id = 'sixth'}), "$seen|$seen",
		'and when it was last seen while its cluster was listed stays');
	$simulator->cluster($cluster[6], engine => 'mysql', name => 'passing');
	$simulator->migration($cluster[6], 'running', 'sixth', '2020-10-29T09:00:00Z');
	$node->requests_ok({ GET => 1 + 10 }, sub { one('CALL migration_jobs.record_migrations()') },
		'a run lists the account once, and asks for each cluster');
	is((split /\n/, one($marks))[2], 'sixth|running|f|passing|mysql|f|', 'what is there again is marked no more');
	$simulator->migration($cluster[6], undef);
	one("DELETE FROM migration_jobs.migration_statuses WHERE database_cluster_uuid = '$cluster[6]'");
}

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

# Other words of the API that mean an error, as the waits take them.
{
	my $session = OnlineMigrations::Session->open($node);
	$session->run('LISTEN online_migrations');
	$simulator->migration($cluster[7], 'Failed', 'failed-7', '2020-11-01T00:00:00Z');
	$simulator->migration($cluster[8], 'paused', 'paused-8', '2020-11-01T00:00:00Z');
	one($_) for 'CALL migration_jobs.record_migrations()', 'CALL migration_jobs.alert_of_errors()';
	is_deeply([ notifications($session) ], [ payload($cluster[7], 'failed-7') ], 'a status that means an error is told as one');
	$simulator->migration($cluster[7], 'error', 'failed-7', '2020-11-01T00:00:00Z');
	one($_) for 'CALL migration_jobs.record_migrations()', 'CALL migration_jobs.alert_of_errors()';
	is_deeply([ notifications($session) ], [], 'once');
	$session->close;
}

# A recording that fails, or does not run at all, is told once for each gap.
{
	my $session = OnlineMigrations::Session->open($node);
	$session->run('LISTEN online_migrations');
	example_ok('alert.sql', overdue => '1 hour');
	one('CALL migration_jobs.alert_of_errors()');
	is_deeply([ notifications($session) ], [], 'recordings are not overdue');
	$simulator->fault('status', uuid => $cluster[7], method => 'GET', status => 500);
	job_ok('record migrations', qr/^failed/, 'a recording fails');
	$session->close;
	$session = OnlineMigrations::Session->open($node);
	$session->run('LISTEN online_migrations');
	my $last = one('SELECT to_json(recorded_at) FROM migration_jobs.migration_recordings');
	one("UPDATE migration_jobs.migration_recordings SET recorded_at = recorded_at - interval '2 hours'");
	$last = one('SELECT to_json(recorded_at) FROM migration_jobs.migration_recordings');
	one('CALL migration_jobs.alert_of_errors()') for 1 .. 2;
	is_deeply([ notifications($session) ], [ qq({"recording" : "overdue", "last_recorded" : $last}) ],
		'no recording for longer than that is told, once');
	$simulator->delete_faults;
	one('CALL migration_jobs.record_migrations()');
	one('CALL migration_jobs.alert_of_errors()');
	is_deeply([ notifications($session) ], [], 'the next one ends it');
	one("UPDATE migration_jobs.migration_recordings SET recorded_at = recorded_at - interval '3 hours'");
	one('CALL migration_jobs.alert_of_errors()');
	is(scalar(my @told = notifications($session)), 1, 'another gap is another alert');
	one('CALL migration_jobs.record_migrations()');
	example_ok('alert.sql');
	$session->close;
}

# ----- starts at night -----

my $start = 'start migrations';

# What a run of the job does, without waiting for a night: what has come of it.
sub start_by_hand
{
	my ($uuid) = @_;
	$node->run_sql('CALL migration_jobs.start_migrations()', role => 'migration_jobs');
	return one("SELECT started_at IS NOT NULL, left(last_error, 5) FROM migration_jobs.wanted_starts
		WHERE database_cluster_uuid = '$uuid'");
}

sub start_ok
{
	my ($uuid, $requests, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $outcome = $node->requests_ok($requests, sub { start_by_hand($uuid) }, "$name: the requests");
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

my $refused = run_example('start_at_night.sql', cluster => $cluster[0]);
ok(!$refused->{ok} && $refused->{err} =~ /wants -v source_server=NAME with -v cluster=UUID/,
	'start_at_night.sql says what it wants');
$node->safe_psql('digitalocean', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER shop_source FOREIGN DATA WRAPPER postgres_fdw
		OPTIONS (host 'src.example.com', port '25060', dbname 'defaultdb');
	CREATE USER MAPPING FOR migration_jobs SERVER shop_source
		OPTIONS (user 'doadmin', password '$password');
	GRANT USAGE ON FOREIGN SERVER digitalocean, shop_source TO migration_jobs;
	GRANT EXECUTE ON FUNCTION databases.databases_update_online_migration TO migration_jobs;});
example_ok('start_at_night.sql');
start_ok($cluster[0], {}, '', 'where none is wanted, none is started');

# An older one is under way: none is started, and that is no failure.
$simulator->migration($cluster[0], 'syncing', 'older', '2020-10-28T15:21:35Z');
my %variables = (cluster => $cluster[0], source_server => 'shop_source');
example_ok('start_at_night.sql', %variables);
is(one("SELECT schedule, count(*) OVER () FROM cron.job WHERE jobname = '$start'"), '0 2 * * *|1', 'one job, at night');
job_starts_ok({ GET => 1 }, qr/^succeeded\|/, 'while an older one is under way');
like(slurp_file($node->logfile), qr/no migration of cluster $cluster[0] is started: migration older is syncing/,
	'the log has why');

# Starts that fail are failures, and are tried again.
$simulator->migration($cluster[0], 'canceled', 'older', '2020-10-28T15:21:35Z');
$simulator->fault('status', uuid => $cluster[0], method => 'PUT', status => 422, times => 1);
job_starts_ok({ GET => 2, PUT => 1 }, qr/^failed\|.*could not be started: 1/s, 'refused by the API');
like(one('SELECT last_error FROM migration_jobs.wanted_starts'), qr/^22023: could not start.*HTTP status 422/, 'the table has why');
$simulator->fault('status', uuid => $cluster[0], method => 'GET', status => 401, times => 1);
start_ok($cluster[0], { GET => 1 }, 'f|28000', 'the status cannot be read');
job_starts_ok({ GET => 2, PUT => 1 }, qr/^succeeded\|/, 'the next night it is started');

# From then on nothing is asked, whatever becomes of that one.
is(one('SELECT started_at IS NOT NULL, last_error FROM migration_jobs.wanted_starts'), 't|', 'the table has that');
my $id = one("SELECT id FROM databases.online_migrations WHERE database_cluster_uuid = '$cluster[0]'");
is(one('SELECT id FROM migration_jobs.wanted_starts'), $id, 'and its id');
job_starts_ok({}, qr/^succeeded\|/, 'while it is under way');

# Running the file again asks for another one.  Its answer is lost.
$simulator->migration($cluster[0], 'done', $id, '2020-10-28T15:21:35Z');
sleep(1.1);
example_ok('start_at_night.sql', %variables);
$simulator->fault('close_before', uuid => $cluster[0], method => 'PUT', times => 1, apply => 'true');
start_ok($cluster[0], { GET => 2, PUT => 1 }, 'f|HV010', 'asked for again, and nobody knows');
$simulator->fault('status', uuid => $cluster[0], method => 'GET', status => 404, times => 1);
start_ok($cluster[0], { GET => 1 }, 'f|HV010', 'nor at once');
start_ok($cluster[0], { GET => 1 }, 't|', 'the next night finds out');
$simulator->delete_faults;

# Many in one run: one that fails keeps no other one from being started, and
# what is started stays recorded.
$simulator->migration($cluster[$_], undef) for 1 .. 9;
one("INSERT INTO migration_jobs.wanted_starts (database_cluster_uuid, source_server)
	SELECT c::uuid, CASE WHEN right(c, 1) = '8' THEN 'no such source' ELSE 'shop_source' END
	FROM unnest('{" . join(',', @cluster[6 .. 9]) . "}'::text[]) c");
$simulator->fault('status', uuid => $cluster[7], method => 'PUT', status => 409, times => 1);
job_starts_ok({ GET => 7, PUT => 3 }, qr/^failed\|.*could not be started: 2/s, 'two of four fail');
is(one("SELECT string_agg(concat_ws(' ', right(database_cluster_uuid::text, 1), started_at IS NOT NULL, left(last_error, 5)), ', '
		ORDER BY database_cluster_uuid) FROM migration_jobs.wanted_starts WHERE database_cluster_uuid >= '$cluster[6]'"),
	'6 t, 7 f 55000, 8 f 42704, 9 t', 'each has what has come of it');
job_starts_ok({ GET => 3, PUT => 1 }, qr/^failed\|.*could not be started: 1/s, 'the next night tries these again');

# ----- a plan -----

# Step by step, in a job's transactions; here no source can be checked, so what
# is planned is said to be.
$node->safe_psql('digitalocean', 'GRANT EXECUTE ON FUNCTION databases.databases_check_online_migration TO migration_jobs');
$simulator->delete_faults;
$simulator->migration($_, undef) for @cluster[0, 1];
$simulator->config(running_ms => 600_000);
example_ok('plan.sql');
example_ok('plan.sql');
one("SET ROLE migration_jobs; SELECT cron.schedule('migration plan', '* * * * *', 'CALL migration_jobs.step_plan()')");
one("INSERT INTO migration_jobs.migration_plan (cluster, source_server, state) VALUES ('$cluster[0]', 'shop_source', 'checked'),
	('$cluster[1]', NULL, 'planned')");
$node->requests_ok({ GET => 2, PUT => 1 }, sub { job_ok('migration plan', qr/^succeeded\|/, 'a step of a plan') }, 'is a look, a guard and a start');
is(one('SELECT state FROM migration_jobs.migration_plan ORDER BY cluster'), "running\ncheck failed", 'what has come of it');
like(one("SELECT last_error FROM migration_jobs.migration_plan WHERE cluster = '$cluster[1]'"), qr/^22023: online migration has no source/,
	'a row without a source says so');
$node->requests_ok({ GET => 1 }, sub { job_ok('migration plan', qr/^succeeded\|/, 'the next step') }, 'only looks');
$simulator->fault('status', status => 401);
job_ok('migration plan', qr/^failed\|.*the plan cannot go on/s, 'a token that is refused is a job that fails');
$simulator->delete_faults;
job_ok('migration plan', qr/^succeeded\|/, 'and with a good one it goes on');
is(one("SELECT state, last_error IS NULL FROM migration_jobs.migration_plan WHERE cluster = '$cluster[0]'"), 'running|t', 'where it was');
one("SET ROLE migration_jobs; SELECT cron.unschedule('migration plan')");

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
$simulator->migration($cluster[7], 'error', 'next-7', '2020-10-31T00:00:00Z');
one('GRANT CREATE ON DATABASE digitalocean TO migration_jobs');
example_ok('history.sql', jobs => q{Bob's "Jobs"});
example_ok('alert.sql', jobs => q{Bob's "Jobs"}, channel => "bob's");
example_ok('start_at_night.sql', jobs => q{Bob's "Jobs"});
$node->psql_ok(q{CALL "Bob's ""Jobs""".start_migrations()}, '', 'starts in a schema of another name', role => 'migration_jobs');
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

example_ok($_) for qw(alert.sql start_at_night.sql);
for my $file (qw(alert.sql history.sql start_at_night.sql plan.sql))
{
	my @statements = removal_of($file);
	cmp_ok(scalar @statements, '>=', 3, "$file says how to remove it");
	$node->psql_ok(join(' ', @statements), undef, 'and that works', role => 'migration_jobs');
}
is(one("SELECT count(*) FROM pg_class WHERE relnamespace = 'migration_jobs'::regnamespace")
	. one('SELECT count(*) FROM cron.job'), '00', 'nothing is left');

done_testing();
