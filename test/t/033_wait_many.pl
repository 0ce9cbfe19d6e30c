# Waiting for many: what ends it, what does not, and what it asks the API while
# some come, some fail and some vanish.  What a look means to one of them is in
# test/unit/test_wait_state.c, what is told without waiting in sql/wait_many.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;
use Time::HiRes qw(sleep time);

# It takes a few milliseconds.  A loaded machine is no reason to fail; else it
# would be 10 s, those of the last look, or much more.
my $AT_ONCE = 8;

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('wait_many', simulator => $simulator,
	log_level => 'notice', init => { allows_streaming => 1 },
	server_options => { max_retries => 0, request_timeout => '2s' });

# Clusters that no other test touches, each with a migration of that status.
my $next = 0;
sub new_clusters
{
	my ($count, $status) = @_;
	my @new = map { sprintf '00000000-0000-4000-8000-%012d', ++$next } 1 .. $count;
	for (@new)
	{
		$simulator->cluster($_, engine => 'pg');
		$simulator->migration($_, $status // 'running', "id-$_");
	}
	return @new;
}

sub call_for
{
	my ($clusters, $arguments) = @_;
	$arguments = defined $arguments ? ", $arguments" : '';
	return "CALL databases.databases_wait_online_migrations('{" . join(',', @$clusters) . "}'$arguments)";
}

# A wait that has had its first look.
sub begin_wait
{
	my ($clusters, $arguments, $before) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->run($before) if $before;
	$session->post(call_for($clusters, $arguments // "poll_interval => '1 s'"));
	ok($session->says(qr/NOTICE:.* \d+ of @{[ scalar @$clusters ]} running/), 'it has looked');
	return $session;
}

sub polls { my (@clusters) = @_; my $any = join '|', @clusters; return scalar grep { $_->{path} =~ /$any/ } $simulator->log; }

# When the API was asked about them, and when it said that it was too often.
sub times_of { my (@clusters) = @_; my $any = join '|', @clusters; return map { $_->{time} } grep { $_->{path} =~ /$any/ } $simulator->log; }
sub refusals_of { my (@clusters) = @_; my $any = join '|', @clusters; return map { $_->{time} } grep { $_->{path} =~ /$any/ && ($_->{status} // 0) == 429 } $simulator->log; }

sub polls_more
{
	my ($more, @clusters) = @_;
	my $wanted = polls(@clusters) + $more;
	return OnlineMigrations::Waiting::until_true(sub { polls(@clusters) >= $wanted });
}

sub summaries { return $_[0]->{err} =~ /NOTICE:  00000: (\d+ of .*)/g; }

sub ends_ok
{
	my ($session, $sqlstate, $pattern, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $session->result;
	is($result->{sqlstate}, $sqlstate, $name) or diag($result->{err});
	like($result->{err}, $pattern, "$name: what it says");
	unlike($result->{err}, qr/dop_v1_simulator/, "$name: no token is shown");
	is($session->run('SELECT 1')->{out}, 1, "$name: the session goes on");
	$session->close;
	return $result;
}

# ----- some come, one fails, one vanishes, one is replaced -----

my @c = new_clusters(5);
my $session = begin_wait(\@c);
$simulator->migration($c[0], 'syncing', "id-$c[0]");
ok($session->says(qr/"id-$c[0]" of database cluster $c[0] is syncing/), 'a change is told');
ok($session->says(qr/1 of 5 syncing, 4 running|4 of 5 running, 1 syncing/), 'and summed up');
my $seen = polls($c[0]);
$simulator->migration($c[1], 'error', "id-$c[1]");
$simulator->migration($c[2], 'running', 'another');
ok($session->says(qr/has been replaced by "another"/), 'another one is told at once');
$simulator->fault('status', uuid => $c[3], status => 400);
ok($session->says(qr/"id-$c[3]" of database cluster $c[3] could not be read: HTTP status 400/), 'one that can not be read is told');
polls_more(1, $c[4]);
is(polls($c[0]), $seen, 'who has come is not asked any more');
my $xmin = $node->safe_psql('postgres', 'SELECT backend_xmin IS NULL AND backend_xid IS NULL FROM pg_stat_activity WHERE pid = ' . $session->pid);
is($xmin, 't', 'it commits, and holds no snapshot');
$simulator->migration($c[4], 'done', "id-$c[4]");
my $result = ends_ok($session, '55000', qr/online migrations have ended otherwise than waited for/, 'all have ended');
like($result->{detail}, qr/"id-$c[1]", created at .*, of database cluster $c[1] is error; .*$c[2] has been replaced.*; .*$c[3] could not be read/,
	'its detail lists those that failed, with id and time');
unlike($result->{detail}, qr/cluster $c[0]|cluster $c[4]/, 'and no other');
$simulator->delete_faults;

# Each with its id: another one that is there is not it.
@c = new_clusters(2, 'syncing');
$session = OnlineMigrations::Session->open($node);
$session->post(call_for(\@c, "migration_ids => '{id-$c[0],later}', poll_interval => '1 s'"));
ok($session->says(qr/"later" of database cluster $c[1] is not there yet\nDETAIL:  .*"id-$c[1]"/), 'an id that is not there yet');
$simulator->migration($c[1], 'done', 'later');
ends_ok($session, '', qr/2 of 2 syncing|1 of 2 syncing, 1 done/, 'and then is');

# An answer without a status is none of a migration that has finished.
@c = new_clusters(2, 'syncing');
$simulator->fault('missing_fields', uuid => $c[1], times => 3);
$session = OnlineMigrations::Session->open($node);
$session->post(call_for(\@c, "migration_ids => '{id-$c[0],id-$c[1]}', poll_interval => '1 s'"));
$result = ends_ok($session, '', qr/2 of 2 syncing/, 'one that comes without a status for a while');
like($result->{err}, qr/online migration "id-$c[1]" of database cluster $c[1] is not there yet\n.*which is of unknown status\./, 'which is told');
like($result->{err}, qr/WARNING: .*a status that is not known\nDETAIL:  .*cluster $c[1] has no status\./, '  and after three times warned of');

# A cluster that is gone: 404, which right after a start is nothing.
@c = new_clusters(2);
$session = begin_wait(\@c, "poll_interval => '1 s', timeout => '4 s'");
$simulator->migration($c[0]);
$simulator->migration($c[1], 'done', "id-$c[1]");
$result = ends_ok($session, 'HV000', qr/timed out while waiting for online migrations/, 'one has vanished');
like($result->{detail}, qr/cluster $c[0] was last seen running\.$/, 'it is the one that is named');
cmp_ok($result->{seconds}, '<', 4 + $AT_ONCE, 'in time');

# ----- fail_fast, timeouts -----

@c = new_clusters(3);
$session = begin_wait(\@c, "poll_interval => '1 s', fail_fast => true");
$simulator->migration($c[1], 'canceled', "id-$c[1]");
$result = ends_ok($session, '55000', qr/2 of 3 running, 1 canceled/, 'fail_fast');
@c = new_clusters(2);
$session = begin_wait(\@c, "poll_interval => '1 h', timeout => '2 s'");
$simulator->migration($_, 'syncing', "id-$_") for @c;
ends_ok($session, '', qr/2 of 2 syncing/, 'the last look decides');
is(polls(@c), 4, 'it is the second one');

# ----- cancel, statement_timeout, shutdown -----

for my $phase (qw(pause call))
{
	my @asked = new_clusters(3);
	my $waiting = begin_wait(\@asked, $phase eq 'pause' ? "poll_interval => '1 h'" : "poll_interval => '1 s'");
	if ($phase eq 'call')
	{
		$simulator->fault('hang', uuid => $_) for @asked;
		ok(OnlineMigrations::Waiting::in_flight($simulator, 3), 'all are asked at once');
	}
	ok(OnlineMigrations::Waiting::is_waiting($node, $waiting->pid), "it waits in the $phase");
	my $since = time;
	kill 'INT', $waiting->pid;
	my $ended = ends_ok($waiting, '57014', qr/wait for online migrations of 3 database clusters/, "cancel in the $phase");
	cmp_ok($ended->{done} - $since, '<', $AT_ONCE, "cancel in the $phase: at once");
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), 'nothing is left in flight');
	$simulator->delete_faults;
}
@c = new_clusters(2);
$session = begin_wait(\@c, "poll_interval => '1 s'", "SET statement_timeout = '2500 ms'");
ends_ok($session, '57014', qr/statement timeout/, 'statement_timeout counts over all commits');
cmp_ok(polls(@c), '>=', 4, 'there were several looks');

# ----- the API goes away and comes back; a token is refused midway -----

@c = new_clusters(3);
$session = begin_wait(\@c);
kill 'STOP', $simulator->pid;
ok($session->says(qr/WARNING:  HV00[LN]: could not read from the API/), 'the API is away: a warning');
sleep(3);
kill 'CONT', $simulator->pid;
ok($session->says(qr/the API answers again, and the wait for online migrations goes on/), 'it is back');
$simulator->migration($_, 'syncing', "id-$_") for @c;
$result = ends_ok($session, '', qr/3 of 3 syncing/, 'and the wait has ended well');
is(() = $result->{err} =~ /WARNING: /g, 1, 'one warning for all of them, and for all of that time');
@c = new_clusters(2);
$session = begin_wait(\@c);
$simulator->fault('status', uuid => $c[1], status => 401);
$result = ends_ok($session, '28000', qr/could not go on waiting for the online migration/, 'a token that is refused midway');
like($result->{detail}, qr/HTTP status 401.*Waited for: 2 of 2 running\./, 'its detail sums up');
$simulator->delete_faults;

# ----- the limit -----

# Used up: it asks again when the limit allows, and that is no failure.
@c = new_clusters(3);
$session = begin_wait(\@c);
$simulator->fault('status', uuid => $_, status => 429, retry_after => 4, times => 1) for @c;
ok($session->says(qr/WARNING:  53400: /), 'a 429 is a warning');
$simulator->migration($_, 'done', "id-$_") for @c;
ends_ok($session, '', qr/3 of 3 done/, 'and goes on');
cmp_ok((times_of(@c))[-1] - (refusals_of(@c))[0], '>=', 3.9, 'it asks when the limit allows again');
$simulator->delete_faults;

# A limit that outlasts max_retry_wait: no look in vain before it ends.
$node->safe_psql('digitalocean', "ALTER SERVER digitalocean OPTIONS (ADD max_retry_wait '1s')");
@c = new_clusters(2);
$simulator->fault('status', uuid => $_, status => 429, retry_after => 12, times => 1) for @c;
$session = OnlineMigrations::Session->open($node);
$session->post(call_for(\@c, "poll_interval => '10 s'"));
ok($session->says(qr/WARNING:  53400: /), 'a long 429 is a warning, too');
$simulator->migration($_, 'done', "id-$_") for @c;
ends_ok($session, '', qr/2 of 2 done/, 'it is waited through');
cmp_ok((times_of(@c))[-1] - (refusals_of(@c))[0], '<', 18, 'and it asks as soon as the limit allows, not at a later poll');
$simulator->delete_faults;
$node->safe_psql('digitalocean', 'ALTER SERVER digitalocean OPTIONS (DROP max_retry_wait)');

# The pause that it chooses: 5 s at least, and a quarter of the limit at most.
sub chosen_pause
{
	my ($limit) = @_;
	my @clusters = new_clusters(2);
	my $token = 'dop_v1_pause' . $limit;
	$simulator->token($token, account => $OnlineMigrations::TestNode::TOKEN, enforce => 'true', limit => $limit, window_seconds => 3600);
	$node->safe_psql('digitalocean', "ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token '$token')");
	my $waiting = begin_wait(\@clusters, "timeout => '1 h'");
	polls_more(1, @clusters);
	my @times = times_of(@clusters);
	$waiting->interrupt;
	$waiting->result;
	$waiting->close;
	return $times[2] - $times[1];
}

# On a loaded machine it can come late, but not each time.
sub pauses_ok
{
	my ($limit, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $pause;
	for (1 .. 4)
	{
		$pause = chosen_pause($limit);
		last if $pause < $expected + 1;
	}
	cmp_ok($pause, '>', $expected - 1, $name);
	cmp_ok($pause, '<', $expected + 1, "$name, and no longer");
	return;
}
pauses_ok(100_000, 5, 'never under 5 s');
pauses_ok(3600, 8, '2 of 3600 an hour: 8 s');
$node->safe_psql('digitalocean', "ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token '$OnlineMigrations::TestNode::TOKEN')");

# ----- a limit that allows nothing until the timeout is over -----

@c = new_clusters(2, 'running');
$node->fresh_token('digitalocean');
$simulator->fault('status', uuid => $_, status => 429, retry_after => 60, times => 1) for @c;
my $began = time;
my $late = $node->run_sql(call_for(\@c, "timeout => '2 s', poll_interval => '1 s'"));
cmp_ok(time - $began, '<', 2 + $AT_ONCE, 'a timeout ends a wait that the limit holds');
is($late->{sqlstate}, 'HV000', '  with its error');
like($late->{err}, qr/HINT:  There was no last look: the rate limit allows no request before 2/, '  without a last look');
$node->fresh_token('digitalocean');
$simulator->fault('status', uuid => $c[0], status => 500, times => 1);
like($node->run_sql(call_for(\@c, "timeout => '0'"))->{err}, qr/WARNING: .*HINT:  The time to wait is over\./s, 'a failure of the only look');

# ----- a standby -----

@c = new_clusters(2, 'done');
my $standby = $node->start_standby('standby');
my ($out, $err) = ('', '');
$standby->psql('digitalocean', 'SELECT pg_is_in_recovery(); ' . call_for(\@c) . ';', stdout => \$out, stderr => \$err);
is($out, 't', 'a standby');
like($err, qr/NOTICE:  2 of 2 done/, 'it works on a standby');
$standby->stop;

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:|leak/i, 'no process has crashed, nothing has leaked');
done_testing();
