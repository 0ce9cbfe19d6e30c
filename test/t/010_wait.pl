# Waiting for a migration: what it tells, what ends it and what does not, and
# that vacuum does not wait with it.  What takes minutes is in
# test/unit/test_wait_state.c.
use strict;
use warnings;

use IPC::Run;
use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;
use Time::HiRes qw(time);

# It takes a few milliseconds.  A loaded machine is no reason to fail; else it
# would be 10 s, those of the last look, or much more.
my $AT_ONCE = 8;

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('wait', simulator => $simulator,
	log_level => 'notice', init => { allows_streaming => 1 }, conf => 'max_connections = 50',
	server_options => { max_retries => 0 });

my $next = 0;

# A cluster that no other test touches, with a migration of that status.
sub new_cluster
{
	my ($status, $id) = @_;
	my $cluster = sprintf '00000000-0000-4000-8000-%012d', ++$next;
	$simulator->cluster($cluster, engine => 'pg');
	$simulator->migration($cluster, $status, $id) if defined $status;
	return $cluster;
}

sub call_for
{
	my ($cluster, $arguments) = @_;
	$arguments = defined $arguments ? ", $arguments" : '';
	return "CALL databases.databases_wait_online_migration('$cluster'$arguments)";
}

# A wait that polls each second.
sub begin_wait
{
	my ($cluster, %options) = @_;
	my $session = OnlineMigrations::Session->open($node, role => $options{role});
	my $arguments = "poll_interval => '" . ($options{interval} // '1 s') . "'";
	$arguments .= ", $options{arguments}" if defined $options{arguments};
	$session->post(call_for($cluster, $arguments));
	return $session;
}

sub polls { my ($cluster) = @_; return scalar grep { $_->{path} =~ /$cluster/ } $simulator->log; }

# So many polls more have been answered.
sub polls_more
{
	my ($cluster, $more) = @_;
	my $wanted = polls($cluster) + $more;
	return OnlineMigrations::Waiting::until_true(sub { polls($cluster) >= $wanted });
}

# The notices of a result, without what differs.
sub notices
{
	my ($result) = @_;
	return map { s/\d\d:\d\d:\d\d/(time)/r =~ s/ of database cluster \S+//r } $result->{err} =~ /NOTICE:  00000: (.*)/g;
}

sub reached_ok
{
	my ($result, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($result->{sqlstate}, '', $name) or diag($result->{err});
	return;
}

sub failed_ok
{
	my ($result, $sqlstate, $pattern, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($result->{sqlstate}, $sqlstate, $name) or diag($result->{err});
	like($result->{err}, $pattern, "$name: what it says");
	return;
}

# ----- as it is meant to be used -----

# The start tells the id; GET still shows the migration before it, then none.
my $cluster = new_cluster('done', 'old');
my $session = begin_wait($cluster, arguments => "migration_id => 'new', until => '{done}'");
ok($session->says(qr/NOTICE:.*"new" of database cluster $cluster is not there yet\nDETAIL:  .*"old".* is done\./),
	'it tells what is there instead');
polls_more($cluster, 1);
$simulator->migration($cluster);
polls_more($cluster, 1);
for my $status (qw(running syncing paused))
{
	$simulator->migration($cluster, $status, 'new');
	ok($session->says(qr/NOTICE:.*"new" of database cluster $cluster is $status, after (?:at least )?\d\d:\d\d:\d\d of/), "it tells of $status at once");
}
$simulator->migration($cluster, 'done', 'new');
my $result = $session->result;
reached_ok($result, 'done');
is_deeply([ notices($result) ], [
		'online migration "new" is not there yet',
		'online migration "new" is running, after (time) of waiting',
		'online migration "new" is syncing, after at least (time) of running',
		'online migration "new" is paused, after at least (time) of syncing',
		'online migration "new" is done, after at least (time) of paused',
	], 'each change once, in order');

# ----- changes in PostgreSQL -----

$node->create_role('waiter', $OnlineMigrations::TestNode::TOKEN);
$node->create_role('expelled', $OnlineMigrations::TestNode::TOKEN);
$node->safe_psql('digitalocean', qq{
	GRANT EXECUTE ON PROCEDURE databases.databases_wait_online_migration TO waiter, expelled;
	CREATE SERVER doomed FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint '${\$simulator->http}');
	CREATE USER MAPPING FOR CURRENT_USER SERVER doomed OPTIONS (token '$OnlineMigrations::TestNode::TOKEN');
	CREATE SERVER nobody FOREIGN DATA WRAPPER online_migrations_fdw
		OPTIONS (endpoint '${\$simulator->url('refused')}', max_retries '0');
	CREATE USER MAPPING FOR CURRENT_USER SERVER nobody OPTIONS (token '$OnlineMigrations::TestNode::TOKEN');});

# Each counts from the next poll on: what the API then sees of that wait.
my $pause = 3;
my %changes = (
	'REVOKE USAGE' => {
		role => 'expelled', server => 'digitalocean', answers => '200',
		sql => 'REVOKE USAGE ON FOREIGN SERVER digitalocean FROM expelled',
		sqlstate => '42501', says => qr/permission denied for foreign server digitalocean/ },
	'ALTER USER MAPPING' => {
		role => 'waiter', server => 'digitalocean', answers => '200 401',
		sql => "ALTER USER MAPPING FOR waiter SERVER digitalocean OPTIONS (SET token 'dop_v1_wrong')",
		sqlstate => '28000', says => qr/HTTP status 401/ },
	'DROP SERVER' => {
		server => 'doomed', answers => '200',
		sql => 'SET client_min_messages = warning; DROP SERVER doomed CASCADE',
		sqlstate => '42704', says => qr/Foreign server "doomed" has been dropped/ },
);
my $admin = OnlineMigrations::Session->open($node);
for my $name (sort keys %changes)
{
	my $change = $changes{$name};
	$change->{cluster} = new_cluster('running', 'first');
	$change->{session} = begin_wait($change->{cluster}, role => $change->{role},
		interval => "$pause s", arguments => "server => '$change->{server}'");
	ok($change->{session}->says(qr/NOTICE:.* is running, after/), "$name: it has begun");
	is($admin->run($change->{sql})->{err}, '', $name);
	$change->{in_time} = time - $change->{session}->{started} < $pause;
}

# ----- waits side by side -----

# What is done to each while it waits, and how it ends.
my %cases = (
	'another migration' => {
		change => sub { $simulator->migration($_[0], 'done', 'another') },
		sqlstate => '55000', says => qr/"first".* was last seen running.*The API now shows online migration "another", created at .*, of database cluster \S+ which is done/ },
	'empty answers' => {
		change => sub { $simulator->fault('empty_200', uuid => $_[0]) },
		sqlstate => '55000', says => qr/finished, its status is unknown\nDETAIL:.* 3 times in a row/ },
	'too few empty answers' => {
		change => sub { $simulator->fault('empty_200', uuid => $_[0], times => 2);
			$simulator->migration($_[0], 'done', 'first') } },
	'no status' => {
		change => sub { $simulator->fault('missing_fields', uuid => $_[0], times => 3);
			$simulator->migration($_[0], 'done', 'first') },
		warnings => 1, warns => qr/a status that is not known\nDETAIL:  What the API says of online migration of database cluster \S+ has no status\./ },
	'trouble that passes' => {
		change => sub { $simulator->fault('echo_secrets', uuid => $_[0], status => 503, times => 3);
			$simulator->migration($_[0], 'done', 'first') },
		warnings => 1 },
	'trouble with status 200' => {
		change => sub { $simulator->fault('custom', uuid => $_[0], times => 8,
				body => '{"id":"server_error","message":"Come back later."}');
			$simulator->migration($_[0], 'done', 'first') },
		warnings => 1, warns => qr/server_error: Come back later\./ },
	'connections lost' => {
		change => sub { $simulator->fault('close_before', uuid => $_[0], times => 2);
			$simulator->migration($_[0], 'done', 'first') },
		warnings => 1 },
	'nothing for a while' => {
		change => sub { $simulator->fault('status', uuid => $_[0], status => 404, times => 2);
			$simulator->migration($_[0], 'done', 'first') } },
	'HTTP status 401' => {
		change => sub { $simulator->fault('status', uuid => $_[0], status => 401) },
		sqlstate => '28000', says => qr/HTTP status 401/, last => 401 },
	'HTTP status 403' => {
		change => sub { $simulator->fault('status', uuid => $_[0], status => 403) },
		sqlstate => '42501', says => qr/HTTP status 403/, last => 403 },
	'error' => {
		change => sub { $simulator->migration($_[0], 'error', 'first') },
		sqlstate => '55000', says => qr/"first", created at .*, of database cluster \S+ is error\. Waited for: syncing, done\./ },

);

for my $name (sort keys %cases)
{
	my $case = $cases{$name};
	$case->{cluster} = new_cluster('running', 'first');
	my $arguments = $case->{arguments} // "server => 'digitalocean'";
	$arguments .= ", server => 'digitalocean'" unless $arguments =~ /server/;
	$case->{session} = begin_wait($case->{cluster}, role => $case->{role}, arguments => $arguments);
}
ok($cases{$_}{session}->says(qr/NOTICE:.* is running, after/), "$_: it has begun") for sort keys %cases;
$_->{change}->($_->{cluster}) for map { $cases{$_} } sort keys %cases;
for my $name (sort keys %cases)
{
	my $case = $cases{$name};
	my $ended = $case->{session}->result;
	if ($case->{sqlstate}) { failed_ok($ended, $case->{sqlstate}, $case->{says}, $name) }
	else { reached_ok($ended, $name) }
	my @warnings = $ended->{err} =~ /^.*(WARNING: .*)/mg;
	is(scalar(@warnings), $case->{warnings} // 0, "$name: warnings") or diag($ended->{err});
	like($ended->{err}, $case->{warns}, "$name: which say so") if $case->{warns};
	is(scalar(grep { $_->{path} =~ /$case->{cluster}/ && $_->{status} == $case->{last} } $simulator->log),
		1, "$name: it is not asked again") if $case->{last};
	unlike($ended->{err}, qr/dop_v1_simulator/, "$name: no token is shown");
	$case->{session}->close;
}
$simulator->delete_faults;

for my $name (sort keys %changes)
{
	my $change = $changes{$name};
	failed_ok($change->{session}->result, $change->{sqlstate}, $change->{says}, $name);
	SKIP:
	{
		skip 'too slow a machine', 1 unless $change->{in_time};
		is(join(' ', map { $_->{status} } grep { $_->{path} =~ /$change->{cluster}/ } $simulator->log),
			$change->{answers}, "$name: from the next poll on");
	}
	$change->{session}->close;
}

# With answers that have no status.
for my $body ('{}', '{"id":"first"}', '')
{
	my $nameless = new_cluster('running', 'first');
	$simulator->fault($body eq '' ? 'empty_200' : 'custom', uuid => $nameless, $body eq '' ? () : (body => $body));
	$result = $session->run(call_for($nameless, "timeout => '500 ms', poll_interval => '1 s', server => 'digitalocean'"));
	failed_ok($result, 'HV000', qr/Online migration of database cluster \S+ was seen only in answers without a status\.\n/,
		"nothing but $body");
}
$simulator->delete_faults;

# Without any answer ever.
$result = $session->run(call_for(new_cluster(), "timeout => '1500 ms', poll_interval => '1 s', server => 'nobody'"));
failed_ok($result, 'HV000', qr/has not been seen, and calls fail for 00:00:0\d\. The last one: no answer: .*^calls fail for/ms,
	'nobody answers');
is(() = $result->{err} =~ /WARNING:  HV00N/g, 1, 'nobody answers: one warning');
$node->safe_psql('digitalocean', 'DROP SERVER nobody CASCADE');

# Without any answer that says more than that it is trouble, in the first look.
$cluster = new_cluster('running', 'first');
$simulator->fault('status', uuid => $cluster, status => 502);
$result = $session->run(call_for($cluster, "timeout => '0', server => 'digitalocean'"));
failed_ok($result, 'HV000', qr/has not been seen, and calls fail for 00:00:0\d\. The last one: HTTP status 502/, 'nothing but 502');
$simulator->delete_faults;

# ----- vacuum -----

# Meanwhile: statement_timeout counts from the beginning, whatever is committed.
my $timed = new_cluster('running', 'first');
$session->run("SET statement_timeout = '2500 ms'");
$session->post(call_for($timed, "poll_interval => '1 s'"));

# In each pause, however long the wait takes.
$cluster = new_cluster('running', 'first');
my $waiter = begin_wait($cluster);
my $activity = 'FROM pg_stat_activity WHERE pid = ' . $waiter->pid;
my $held = 0;
ok(OnlineMigrations::Waiting::until_true(sub {
			my ($xmin, $is_fresh) = split /\|/, $node->safe_psql('postgres', "SELECT
				backend_xmin IS NOT NULL OR backend_xid IS NOT NULL, xact_start - query_start > '2.5 s' $activity");
			$held++ if $xmin eq 't';
			return $is_fresh eq 't'; }),
	'its transaction is a new one after each poll');
is($held, 0, 'it has no snapshot, nor an xid');
is($node->safe_psql('postgres', "SELECT state, wait_event_type $activity"), 'active|Extension',
	'pg_stat_activity shows that it waits');
$node->safe_psql('digitalocean', 'CREATE TABLE emptied (i int); INSERT INTO emptied SELECT generate_series(1, 1000); DELETE FROM emptied; VACUUM emptied');
is($node->safe_psql('digitalocean', "SELECT pg_relation_size('emptied')"), 0, 'VACUUM removes what was deleted since');
kill 'INT', $waiter->pid;
$waiter->result;
$waiter->close;

$result = $session->result;
is($result->{sqlstate}, '57014', 'statement_timeout over several polls');
cmp_ok(polls($timed), '>=', 2, 'there were several');
$session->close;

# ----- what ends it at once -----

# Two phases: in the pause, which takes an hour, and while the API is asked.
sub get_into
{
	my ($phase, $before, $arguments) = @_;
	my $waiting = OnlineMigrations::Session->open($node);
	my $asked = new_cluster('running', 'first');
	$simulator->fault('hang', uuid => $asked) if $phase eq 'call';
	$waiting->run($before) if $before;
	$waiting->post(call_for($asked, join ', ', "poll_interval => '1 h'", $arguments // ()));
	$phase eq 'call' ? OnlineMigrations::Waiting::in_flight($simulator, 1)
	  : $waiting->says(qr/is running/);
	OnlineMigrations::Waiting::is_waiting($node, $waiting->pid);
	is($node->safe_psql('postgres', 'SELECT backend_xmin FROM pg_stat_activity WHERE pid = ' . $waiting->pid),
		'', "no snapshot in the $phase");
	return $waiting;
}

sub ends_ok
{
	my ($waiting, $sqlstate, $since, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $ended = $waiting->result;
	is($ended->{sqlstate}, $sqlstate, $name) or diag($ended->{err});
	cmp_ok($ended->{done} - $since, '<', $AT_ONCE, "$name: at once");
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), "$name: nothing is left in flight");
	$simulator->delete_faults;
	return $ended;
}

for my $phase (qw(pause call))
{
	my $waiting = get_into($phase);
	kill 'INT', $waiting->pid;
	my $ended = ends_ok($waiting, '57014', time, "cancel in the $phase");
	like($ended->{context}, qr/^wait for online migration.* of database cluster /, "cancel in the $phase: context");
	is($waiting->run('SELECT 1')->{out}, 1, "cancel in the $phase: the session goes on");
	$waiting->close;

	$waiting = get_into($phase);
	kill 'TERM', $waiting->pid;
	ends_ok($waiting, '57P01', time, "terminate in the $phase");

	$waiting = get_into($phase, undef, "timeout => '1 s'");
	$ended = ends_ok($waiting, 'HV000', $waiting->{started} + 1, "timeout in the $phase");
	like($ended->{detail}, $phase eq 'pause' ? qr/ was last seen running\./ : qr/ has not been seen\./,
		"timeout in the $phase: the last status");
	cmp_ok($ended->{seconds}, '>=', 0.9, "timeout in the $phase: not before");
	$waiting->close;

	$waiting = get_into($phase, "SET statement_timeout = '1 s'");
	ends_ok($waiting, '57014', $waiting->{started} + 1, "statement_timeout in the $phase");
	$waiting->close;
}

# ----- where it can't commit -----

$cluster = new_cluster('done', 'first');
my $call = call_for($cluster);

sub psql_says
{
	my (@arguments) = @_;
	my ($out, $err) = ('', '');
	IPC::Run::run([ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('digitalocean'), @arguments ],
		'<', \'', '>', \$out, '2>', \$err);
	return $err;
}

like(psql_says('-1', '-c', $call), qr/ERROR:  2D000: .*HINT:.*psql: no -1/s, 'psql -1');
like(psql_says('-c', "SELECT 1; $call"), qr/ERROR:  2D000: /, 'psql -c with two statements');
like(psql_says('-c', "$call; SELECT 1"), qr/ERROR:  2D000: /, 'before another statement, too');
is(polls($cluster), 0, 'nothing is sent');
like(psql_says('-c', 'SELECT 1', '-c', $call), qr/^NOTICE:.* is done/, 'psql with two -c');

# ----- intervals that never end -----

SKIP:
{
	skip 'no infinite intervals before PostgreSQL 17', 3
	  if $node->safe_psql('postgres', 'SHOW server_version_num') < 170000;
	for my $argument (q{timeout => 'infinity'}, q{timeout => '-infinity'}, q{poll_interval => 'infinity'})
	{
		like(psql_says('-c', "CALL databases.databases_wait_online_migration('$cluster', $argument)"),
			qr/ERROR:  22023: invalid (?:timeout|poll_interval)/, $argument);
	}
}

# ----- a limit that allows nothing until the timeout is over -----

$cluster = new_cluster('running', 'held');
$node->fresh_token('digitalocean');
$simulator->fault('status', uuid => $cluster, status => 429, retry_after => 60, times => 1);
$session = OnlineMigrations::Session->open($node);
my $began = time;
$result = $session->run(call_for($cluster, "timeout => '2 s', poll_interval => '1 s'"));
cmp_ok(time - $began, '<', 2 + $AT_ONCE, 'a timeout ends a wait that the limit holds');
like($result->{err}, qr/WARNING:  53400: .*HINT:  The timeout ends the wait in 2 s, before the limit allows a request\./s, '  as the warning says');
failed_ok($result, 'HV000', qr/HINT:  There was no last look: the rate limit allows no request before 2/, '  without a last look');
is(polls($cluster), 1, '  which was not asked for');
$began = time;
$result = $session->run(call_for($cluster, "timeout => '0'"));
cmp_ok(time - $began, '<', $AT_ONCE, 'nor is there a first one');
failed_ok($result, 'HV000', qr/HINT:  There was no last look/, '  where that is the last');
$result = $session->run(call_for($cluster, "timeout => '1 s'"));
$session->close;
failed_ok($result, 'HV000', qr/HINT:  There was no last look/, '  or would come too late');
is(polls($cluster), 1, '  and is not asked for either');
for my $status (429, 500)
{
	$node->fresh_token('digitalocean');
	$simulator->fault('status', uuid => $cluster, status => $status, retry_after => 60, times => 1);
	like($node->run_sql(call_for($cluster, "timeout => '0'"))->{err}, qr/WARNING: .*HINT:  The time to wait is over\./s,
		"$status at the only look: the warning does not say that the wait goes on");
}
$node->fresh_token('digitalocean');

# ----- a standby -----

my $standby = $node->start_standby('standby');
my ($out, $err) = ('', '');
$standby->psql('digitalocean', "SELECT pg_is_in_recovery(); $call;", stdout => \$out, stderr => \$err);
is($out, 't', 'a standby');
like($err, qr/NOTICE:.* is done/, 'it works on a standby');
$standby->stop;

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:|leak/i, 'no process has crashed, nothing has leaked');
done_testing();
