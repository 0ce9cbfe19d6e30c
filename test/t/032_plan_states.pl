# What each answer of the API does to a row of examples/plan.sql: nothing that
# may have been started is started again before the API has shown nothing new
# for long enough; what goes wrong with one cluster is the last_error of its
# row; what concerns all is an error that leaves the rows as they are; and the
# plan comes to its end.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

my $PASSWORD = 's3cr3t-of-the-source';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->config(running_ms => 600_000, syncing_ms => 600_000);
my $node = OnlineMigrations::TestNode->start('states', simulator => $simulator, log_level => 'notice',
	server_options => { connect_timeout => '2s', request_timeout => '2s', max_retries => 0 });
$node->safe_psql('digitalocean', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER shop_source FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'src.example.com', dbname 'shop');
	CREATE USER MAPPING FOR CURRENT_USER SERVER shop_source OPTIONS (user 'mover', password '$PASSWORD')});

sub run_example
{
	my (%options) = @_;
	local $ENV{PGOPTIONS} = defined $options{role} ? "-c role=$options{role}" : '';
	my @command = ('psql', '-XAtq', '-d', $node->connstr('digitalocean'), '-f', "$ENV{OMF_TREE}/examples/plan.sql");
	return is(PostgreSQL::Test::Utils::run_log(\@command) ? 1 : 0, 1, 'examples/plan.sql runs');
}
run_example();

# ----- a plan of its own for each case -----

my $clusters = 0;

# The clusters of a new plan, checked unless said otherwise.
sub plan_of
{
	my ($count, %options) = @_;
	my $state = $options{state} // 'checked';
	my @uuids = map { sprintf '00000000-0000-4000-8000-%012d', ++$clusters } 1 .. $count;
	$simulator->delete_faults;
	$simulator->config(kickoff_ms => 0);
	$simulator->cluster($_, engine => 'pg', version => '18.0') for @uuids;
	$node->safe_psql('digitalocean', 'TRUNCATE migration_jobs.migration_plan; INSERT INTO migration_jobs.migration_plan (cluster, source_server, state) VALUES '
		. join ', ', map { "('$_', 'shop_source', '$state')" } @uuids);
	return wantarray ? @uuids : $uuids[0];
}

sub step { return $node->run_sql('CALL migration_jobs.step_plan()'); }
sub column { my ($uuid, $list) = @_; return $node->safe_psql('digitalocean', "SELECT $list FROM migration_jobs.migration_plan WHERE cluster = '$uuid'"); }
sub later { my ($column, $by) = @_; $node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET $column = $column - interval '$by'"); return; }
sub puts_of { my ($uuid) = @_; return scalar grep { $_->{method} eq 'PUT' && $_->{path} =~ $uuid } $simulator->log; }

sub shows
{
	my ($method, $uuid, $id, $status) = @_;
	$simulator->fault('custom', uuid => $uuid, method => $method, body => qq({"id":"$id","status":"$status","created_at":"2026-11-25T20:00:00Z"}));
	return;
}

# ----- words -----

# The statuses are taken as the start function and the waits take them.
{
	my $source = slurp_file("$ENV{OMF_TREE}/src/client/resource.c");
	my ($names) = $source =~ /omf_statuses\[OMF_NSTATUSES\] = \{(.*?)\}/s;
	my @names = $names =~ /"(\w+)"/g;
	my @words = map { [ $_, $_ ] } @names;
	push @words, [ $1, $names[$2] ] while $source =~ /\{"(\w+)", (\d)\}/g;
	cmp_ok(scalar @words, '>', 30, 'words that mean a status');
	is($node->safe_psql('digitalocean', 'SELECT word, meaning FROM (VALUES ' . join(', ', map { "('$_->[0]', '$_->[1]')" } @words)
		. ') AS w (word, meaning) WHERE migration_jobs.plan_meaning(upper(word)) IS DISTINCT FROM meaning'), '', 'mean the same to the plan');
	is($node->safe_psql('digitalocean', q{SELECT migration_jobs.plan_meaning('In Progress'), migration_jobs.plan_meaning('paused')}), 'running|', 'or nothing');
}

# ----- statuses that are not known -----

for my $word ('paused', 'queued')
{
	my $uuid = plan_of(1);
	$simulator->fault('status', uuid => $uuid, method => 'GET', status => 404, times => 2);
	shows('PUT', $uuid, 'aaaa-new', $word);
	shows('GET', $uuid, 'aaaa-new', $word);
	step() for 1 .. 3;
	is(puts_of($uuid), 1, "a start that is answered by \"$word\" is one start");
	is(column($uuid, 'state, status, migration_id'), "running|$word|aaaa-new", 'which is under way, with the word of the API');
	$simulator->delete_faults;
	shows('GET', $uuid, 'aaaa-new', 'Failed');
	step();
	is(column($uuid, 'state, status'), 'error|Failed', 'a word that means an error is one');
}

# ----- looks -----

# The migration before is shown for a while, and then the row's own.
{
	my $uuid = plan_of(1);
	$simulator->migration($uuid, 'done', 'aaaa-old');
	step();
	is(column($uuid, 'state, previous_id'), 'running|aaaa-old', 'a start after another migration');
	shows('GET', $uuid, 'aaaa-old', 'done');
	step();
	is(column($uuid, 'state'), 'running', 'that one, shown after the start, does not replace it');
	like(column($uuid, 'last_error'), qr/still shows migration "aaaa-old"/, 'and last_error says so');
	$simulator->delete_faults;
	step();
	is(column($uuid, 'state, trouble_since, last_error'), 'running||', 'until its own is shown');
	shows('GET', $uuid, 'aaaa-other', 'running');
	step();
	like(column($uuid, 'state, last_error'), qr/^replaced\|.*"aaaa-other", which is running/, 'another one does replace it');
}

# A start whose answer was lost: 404 or the migration before, until it shows.
for my $old (undef, 'aaaa-old')
{
	my $uuid = plan_of(1);
	$simulator->migration($uuid, defined $old ? 'done' : undef, $old);
	$simulator->config(kickoff_ms => 600_000);
	$simulator->fault('reset_before', uuid => $uuid, method => 'PUT', apply => 'true', times => 1);
	my $result = step();
	is($result->{sqlstate}, '', 'a start whose answer is lost') or diag($result->{err});
	like(column($uuid, 'state, last_error'), qr/^unknown\|HV010: outcome of starting .* HTTP|^unknown\|HV010: outcome of starting .*no answer/, 'is unknown, and last_error has the detail');

	# The time before the start is over does not count.
	later('started_at', '20 minutes');
	step();
	is(column($uuid, 'state'), 'unknown', 'nothing new is shown');
	is(puts_of($uuid), 1, 'and nothing is sent');
	later('unsure_since', '9 minutes');
	step();
	is(puts_of($uuid), 1, 'nor after nine minutes');
	$simulator->fault('status', uuid => $uuid, method => 'GET', status => 500);
	later('unsure_since', '2 minutes');
	step();
	is(column($uuid, 'state'), 'unknown', 'a look that fails does not show that there is nothing');
	$simulator->delete_faults;
	$simulator->fault('empty_200', uuid => $uuid, method => 'GET');
	step();
	is(column($uuid, 'state'), 'unknown', 'nor does an empty answer');
	is(puts_of($uuid), 1, 'and nothing is sent');
	$simulator->delete_faults;
	$simulator->config(kickoff_ms => 0);
	$simulator->migration($uuid, undef) if !defined $old;

	# What backends share of that start would keep it from being tried so soon.
	$node->restart;
	step();
	is(puts_of($uuid), 2, 'after ten minutes, when a look shows nothing new, it is tried again');
	is(column($uuid, 'state, last_error'), 'running|', 'and started');
}

# Where the session knows of that start for longer, the row stays unknown.
{
	my $uuid = plan_of(1);
	$simulator->config(kickoff_ms => 600_000);
	$simulator->fault('reset_before', uuid => $uuid, method => 'PUT', apply => 'true', times => 1);
	my $session = OnlineMigrations::Session->open($node);
	$session->run('CALL migration_jobs.step_plan()');
	later('unsure_since', '11 minutes');
	$session->run('CALL migration_jobs.step_plan()');
	like(column($uuid, 'state, last_error'), qr/^unknown\|55000: .*may have been started/, 'a start that is remembered for longer is unknown for longer');
	is(puts_of($uuid), 1, 'and is one');
	$session->close;
}

# An empty answer for ever: nobody knows, and the plan ends.
{
	my $uuid = plan_of(1);
	$simulator->fault('reset_before', uuid => $uuid, method => 'PUT', apply => 'true', times => 1);
	step();
	$simulator->fault('empty_200', uuid => $uuid, method => 'GET');
	step();
	later('trouble_since', '11 minutes');
	step();
	like(column($uuid, 'state, last_error'), qr/^lost\|The API does not say/, 'of an unknown start that is answered by nothing, nobody knows');
	$simulator->delete_faults;
	step();
	is(column($uuid, 'state, last_error, migration_id IS NOT NULL'), 'running||t', 'until the API tells');
	is(puts_of($uuid), 1, 'it was started once');
}

# Before a start, too: what is there can't be told from what comes.
{
	my $uuid = plan_of(1);
	$simulator->fault('empty_200', uuid => $uuid, method => 'GET');
	step();
	is(column($uuid, 'state'), 'checked', 'without an id before it, nothing is started');
	later('trouble_since', '3 minutes');
	step();
	like(column($uuid, 'state, last_error'), qr/^refused\|The API does not say/, 'and it is refused in the end');
	is(puts_of($uuid), 0, 'nothing was sent');
}

# A look is at the API, never at an answer that was kept.
{
	my $uuid = plan_of(1);
	$node->safe_psql('digitalocean', "ALTER SERVER digitalocean OPTIONS (ADD cache_ttl '10min', ADD cache_stale '10min')");
	my $session = OnlineMigrations::Session->open($node);
	my $status = "SELECT id FROM databases.online_migrations WHERE database_cluster_uuid = '$uuid'";
	$session->run($status);
	$simulator->migration($uuid, 'done', 'xx-by-hand');
	is($session->run($status)->{out}, '', 'an answer is kept');
	$simulator->fault('status', uuid => $uuid, method => 'PUT', status => 503, times => 1);
	$session->run('CALL migration_jobs.step_plan()') for 1 .. 2;
	is(column($uuid, 'state, migration_id, previous_id'), 'unknown||xx-by-hand', 'the plan asks the API');
	$session->close;
	$node->safe_psql('digitalocean', 'ALTER SERVER digitalocean OPTIONS (DROP cache_ttl, DROP cache_stale)');
}

# ----- one cluster of several -----

{
	my @uuids = plan_of(4);
	step();
	$simulator->fault('status', uuid => $uuids[0], method => 'GET', status => 400);
	$simulator->fault('status', uuid => $uuids[1], method => 'GET', status => 404);
	$simulator->fault('status', uuid => $uuids[2], method => 'GET', status => 500);
	shows('GET', $uuids[3], column($uuids[3], 'migration_id'), 'syncing');
	my $result = step();
	is($result->{sqlstate}, '', 'three that can not be read') or diag($result->{err});
	is(column($uuids[3], 'state, last_error'), 'syncing|', 'do not keep the others from being followed');
	like(column($uuids[0], 'state, last_error'), qr/^running\|HTTP status 400/, 'and each has its own error');
	is(column($uuids[1], 'state, last_error'), 'running|The API shows no migration of this database cluster.', 'a 404, too');
	like(column($uuids[2], 'state, last_error'), qr/^running\|HTTP status 500/, 'which passes');
	later('trouble_since', '3 minutes');
	step();
	is($node->safe_psql('digitalocean', 'SELECT string_agg(state, $$ $$ ORDER BY cluster) FROM migration_jobs.migration_plan'),
		'lost lost running syncing', 'what does not pass for two minutes is lost');
	later('trouble_since', '15 minutes');
	$node->psql_ok(q{CALL migration_jobs.run_plan('1 s')}, '', 'so the plan ends');
	is(column($uuids[2], 'state'), 'lost', 'where others have failed for a quarter of an hour, too');
	is($node->safe_psql('digitalocean', 'SELECT running, syncing, failed FROM migration_jobs.migration_plan_progress'), '0|1|3', 'the view says so');
	$simulator->delete_faults;
	step();
	is($node->safe_psql('digitalocean', 'SELECT count(*) FROM migration_jobs.migration_plan WHERE state = $$running$$ AND last_error IS NULL'), 4,
		'and what is told of again goes on');
	is(scalar(grep { puts_of($_) != 1 } @uuids), 0, 'without a start');
}

# Before the start, and in it.
{
	my @uuids = plan_of(5);
	$simulator->fault('status', uuid => $uuids[0], method => 'GET', status => 400);
	$simulator->fault('status', uuid => $uuids[1], method => 'GET', status => 500);
	$simulator->fault('status', uuid => $uuids[2], method => 'PUT', status => 422);
	$simulator->fault('status', uuid => $uuids[3], method => 'GET', status => 500, skip => 1, times => 1);
	my $result = step();
	is($result->{sqlstate}, '', 'starts that fail') or diag($result->{err});
	like($result->{err}, qr/WARNING:  01000: the plan waits for the API\nDETAIL:  Database cluster $uuids[1]: HTTP status 500.* Database cluster $uuids[3]: HV00L: /,
		'a warning names those that are tried again');
	is($node->safe_psql('digitalocean', 'SELECT string_agg(state, $$, $$ ORDER BY cluster) FROM migration_jobs.migration_plan'),
		'refused, checked, refused, checked, running', 'are refused, or wait; the others are started');
	like(column($uuids[2], 'last_error'), qr/^22023: could not start .* HTTP status 422.*The API refused/, 'last_error has detail and hint');
	later('trouble_since', '16 minutes');
	$result = $node->run_sql(q{CALL migration_jobs.run_plan('1 s')});
	is($result->{message}, 'the plan cannot go on', 'what does not pass for a quarter of an hour is an error');
	like($result->{detail}, qr/^Database cluster $uuids[1]: HTTP status 500/, 'that names it');
	unlike($result->{detail}, qr/$uuids[3]/, 'and no other');
	is(column($uuids[3], 'state'), 'running', 'which has gone on');
	$simulator->delete_faults;
	step();
	is(column($uuids[1], 'state, last_error'), 'running|', 'as it does, when it has passed');
}

# ----- what concerns all -----

for my $case ([ 401, '28000' ], [ 403, '42501' ], [ 429, '53400' ])
{
	my ($status, $sqlstate) = @$case;
	for my $state ($status == 429 ? () : qw(planned checked unknown running))
	{
		my @uuids = plan_of(2, state => $state);
		$node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET migration_id = 'mine'") if $state eq 'running';
		my $before = $node->safe_psql('digitalocean', 'SELECT * FROM migration_jobs.migration_plan');
		$simulator->fault('status', status => $status);
		my $result = $node->run_sql(q{CALL migration_jobs.run_plan('1 s')});
		is($result->{message}, 'the plan cannot go on', "$status ends a plan whose rows are $state") or diag($result->{err});
		like($result->{detail}, qr/^$sqlstate: .* HTTP status $status/, 'and says why');
		is($node->safe_psql('digitalocean', 'SELECT * FROM migration_jobs.migration_plan'), $before, 'no row has changed');
	}
	my @uuids = plan_of(2);
	$simulator->fault('status', status => $status, method => 'PUT', retry_after => 200);
	my $result = step();
	like($result->{err}, qr/^DETAIL:  $sqlstate: could not start .* HTTP status $status/m, 'likewise in a start');
	is(puts_of($uuids[1]), 0, 'no other one is tried');
	is(column($uuids[0], 'state'), 'checked', 'it was surely not started');
	$node->safe_psql('digitalocean', 'SELECT databases.online_migrations_fdw_rate_limits_reset()');
	$simulator->delete_faults;
	step();
	is($node->safe_psql('digitalocean', 'SELECT DISTINCT state FROM migration_jobs.migration_plan'), 'running', 'it goes on where it was');
}

# The limit passes, and no way to the API may: a warning, and the rows wait.
{
	my $uuid = plan_of(1);
	$simulator->fault('status', status => 429, retry_after => 200);
	my $result = step();
	is($result->{sqlstate}, '', 'a limit is no error');
	like($result->{err}, qr/WARNING:  01000: the plan waits for the API\nDETAIL:  53400: /, 'but a warning');
	is(column($uuid, 'state'), 'checked', 'and the row waits');
	$node->safe_psql('digitalocean', 'SELECT databases.online_migrations_fdw_rate_limits_reset()');
	$simulator->delete_faults;
	my $endpoint = $simulator->http;
	my $refused = $simulator->url('refused');
	$node->safe_psql('digitalocean', "ALTER SERVER digitalocean OPTIONS (SET endpoint '$refused')");
	like(step()->{err}, qr/WARNING:  01000: the plan waits for the API\nDETAIL:  HV00N: /, 'so does no way to the API');
	$node->safe_psql('digitalocean', "ALTER SERVER digitalocean OPTIONS (SET endpoint '$endpoint')");
	is(column($uuid, 'state'), 'checked', 'and the row waits');
	$node->psql_fails('BEGIN; CALL migration_jobs.step_plan(); COMMIT', '2D000', undef, 'in a transaction block');
	is(puts_of($uuid), 0, 'nothing is sent');
}

# Privileges.
{
	my $uuid = plan_of(1, state => 'planned');
	$node->create_role('mover', $OnlineMigrations::TestNode::TOKEN);
	$node->safe_psql('digitalocean', q{
		GRANT USAGE ON SCHEMA migration_jobs TO mover;
		GRANT ALL ON ALL TABLES IN SCHEMA migration_jobs TO mover;
		REVOKE EXECUTE ON FUNCTION databases.databases_check_online_migration FROM mover;});
	my $result = $node->run_sql('CALL migration_jobs.step_plan()', role => 'mover');
	is($result->{message}, 'the plan cannot go on', 'a role that may not check ends it') or diag($result->{err});
	like($result->{detail}, qr/^42501: this role lacks EXECUTE on databases_check_online_migration/, 'and is told what it lacks');
	is(column($uuid, 'state, last_error'), 'planned|', 'no row has changed');
	$node->safe_psql('digitalocean', 'GRANT EXECUTE ON FUNCTION databases.databases_check_online_migration TO mover');
	$node->psql_ok('CALL migration_jobs.step_plan()', '', 'with a source that is not its own', role => 'mover');
	like(column($uuid, 'state, last_error'), qr/^check failed\|42501: /, 'the row has failed, and no other');
}

# ----- what is broken off -----

# Cancel, at each place: no other session is kept from going on.
for my $phase ('a look', 'a start', 'a pause')
{
	my $uuid = plan_of(1, state => $phase eq 'a pause' ? 'running' : 'checked');
	$node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET migration_id = 'mine'") if $phase eq 'a pause';
	$simulator->migration($uuid, 'running', 'mine') if $phase eq 'a pause';
	$node->safe_psql('digitalocean', "ALTER SERVER digitalocean OPTIONS (SET request_timeout '60s')");
	$simulator->fault('hang', uuid => $uuid, method => $phase eq 'a look' ? 'GET' : 'PUT', apply => 'true', times => 1);
	my $session = OnlineMigrations::Session->open($node);
	$session->post(q{CALL migration_jobs.run_plan('1 min')});
	my $is_paused = q{SELECT wait_event = 'PgSleep' FROM pg_stat_activity WHERE pid = } . $session->pid;
	ok(OnlineMigrations::Waiting::until_true(sub {
		$phase eq 'a pause' ? $node->safe_psql('digitalocean', $is_paused) eq 't'
		  : grep { !$_->{status} && $_->{method} eq ($phase eq 'a look' ? 'GET' : 'PUT') && $_->{path} =~ $uuid } $simulator->log }), "in $phase");
	$node->safe_psql('digitalocean', 'SELECT pg_cancel_backend(' . $session->pid . ')');
	is($session->result->{sqlstate}, '57014', 'cancel');
	my $other = OnlineMigrations::Session->open($node);
	my $result = $other->run('CALL migration_jobs.step_plan()');
	is($result->{err}, '', 'another session goes on, while that one stays open');
	is(column($uuid, 'state'), 'running', 'where it was');
	is(puts_of($uuid), $phase eq 'a pause' ? 0 : 1, 'with one start') if $phase ne 'a look';
	$_->close for $session, $other;
	$node->safe_psql('digitalocean', "ALTER SERVER digitalocean OPTIONS (SET request_timeout '2s')");
}

# Who comes between the note and the start leaves nothing to be sent twice.
{
	my $uuid = plan_of(1);
	$node->safe_psql('digitalocean', "SELECT migration_jobs.plan_prepare('$uuid')");
	is(column($uuid, 'state'), 'starting', 'a row that is about to be started');
	$node->safe_psql('digitalocean', 'SELECT migration_jobs.plan_look()');
	is(column($uuid, 'state'), 'unknown', 'and is looked at by another session');
	$node->safe_psql('digitalocean', "SELECT migration_jobs.plan_start('$uuid', 'digitalocean')");
	is(puts_of($uuid), 0, 'is not started any more');
	like(column($uuid, 'last_error'), qr/broken off/, 'and says so');
}

# A row that somebody has locked holds no other one up.
{
	my @uuids = plan_of(3);
	$node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET state = 'planned', source_server = NULL WHERE cluster = '$uuids[2]'");
	my $session = OnlineMigrations::Session->open($node);
	$session->run("BEGIN; SELECT FROM migration_jobs.migration_plan WHERE cluster IN ('$uuids[0]', '$uuids[2]') FOR UPDATE");
	my $result = $node->run_sql("SET statement_timeout = '20s'; CALL migration_jobs.step_plan()");
	is($result->{sqlstate}, '', 'a row that is locked') or diag($result->{err});
	my $states = 'SELECT string_agg(state, $$, $$ ORDER BY cluster) FROM migration_jobs.migration_plan';
	is($node->safe_psql('digitalocean', $states), 'checked, running, planned', 'is left for later');
	$session->run('COMMIT');
	$session->close;
	step();
	is($node->safe_psql('digitalocean', $states), 'running, running, check failed', 'and then has its turn');
}

# ----- bad input -----

for my $pause ('NULL', "'0'", "'-1 s'", "'999 years'")
{
	plan_of(1, state => 'running');
	$node->requests_ok({}, sub { $node->psql_fails("CALL migration_jobs.run_plan($pause)", '22023', qr/from 1 second/, "a pause of $pause") }, 'asks nothing');
}

# Again, with another server: looks go there.
$node->safe_psql('digitalocean', "CREATE SERVER elsewhere FOREIGN DATA WRAPPER online_migrations_fdw");
PostgreSQL::Test::Utils::run_log([ 'psql', '-XAtq', '-d', $node->connstr('digitalocean'), '-v', 'server=elsewhere', '-f', "$ENV{OMF_TREE}/examples/plan.sql" ]);
is($node->safe_psql('digitalocean', q{SELECT srvname FROM pg_foreign_server s JOIN pg_foreign_table t ON t.ftserver = s.oid
	WHERE t.ftrelid = 'migration_jobs.migration_plan_status'::regclass}), 'elsewhere', 'another server');

unlike($node->safe_psql('digitalocean', 'SELECT p::text FROM migration_jobs.migration_plan AS p'), qr/$PASSWORD/, 'no password is in the plan');

# Remove, as the file says.
my ($remove) = slurp_file("$ENV{OMF_TREE}/examples/plan.sql") =~ /^-- Remove: (.*?)^--\n/ms;
$remove =~ s/^--//mg;
$node->psql_ok($remove, '', 'it can be removed, as it says');
is($node->safe_psql('digitalocean', q{SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = 'migration_jobs'::regnamespace)
	+ (SELECT count(*) FROM pg_proc WHERE pronamespace = 'migration_jobs'::regnamespace)}), 0, 'and nothing is left');
done_testing();
