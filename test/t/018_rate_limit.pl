# The API's rate limit: one budget of a token for all backends, pauses that
# can be seen and cancelled, and backends that die in the midst of it.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;
use Time::HiRes qw(time);

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('rate_limit', simulator => $simulator,
	log_level => 'warning',
	conf => "shared_preload_libraries = 'online_migrations_fdw'\nrestart_after_crash = on\n");
my $major = $node->safe_psql('postgres', 'SHOW server_version_num') / 10000;

my @clusters = map { sprintf '00000000-0000-4000-8000-%012d', $_ } 1 .. 200;
for my $cluster (@clusters)
{
	$simulator->cluster($cluster, engine => 'pg');
	$simulator->migration($cluster, 'running', 'id-' . substr($cluster, -4));
}

# Each case has a token of its own, hence a budget of its own.
my $cases = 0;

sub new_token
{
	my (%limits) = @_;
	my $token = 'dop_v1_case' . ++$cases;
	$simulator->token($token, account => $OnlineMigrations::TestNode::TOKEN, enforce => 'true', %limits);
	$node->safe_psql('digitalocean',
		"ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token '$token')");
	$simulator->delete_faults;
	return;
}

# The first answer tells of the limit.
sub learn_limit
{
	$_->run(look($clusters[199])) for @_;
	$simulator->clear_log;
	return;
}

sub look
{
	my (@which) = @_;
	my $keys = join ',', map { "'$_'" } @which;
	return "SELECT count(status) FROM databases.online_migrations WHERE database_cluster_uuid IN ($keys)";
}

# When the API was asked about these clusters.
sub times_of
{
	my (@which) = @_;
	my $any = join '|', @which;
	return map { $_->{time} } grep { $_->{path} =~ /$any/ } $simulator->log;
}

sub refused { return scalar grep { $_->{status} == 429 } $simulator->log; }

# ----- pacing -----

new_token(limit => 51, window_seconds => 2);
my $first = OnlineMigrations::Session->open($node);
my $second = OnlineMigrations::Session->open($node);
learn_limit($first);
my $result = $first->run(look(@clusters[ 0 .. 119 ]));
is($result->{out}, 120, '120 clusters at 51 requests in 2 s');
cmp_ok($result->{seconds}, '>=', 3.9, 'in no less than two windows');
is(refused(), 0, 'and none met the limit');

new_token(limit => 30, window_seconds => 2);
my $began = time;
learn_limit($first);
$first->post(look(@clusters[ 0 .. 39 ]));
OnlineMigrations::Waiting::until_true(sub { $simulator->log >= 29 });
$result = $second->run(look(@clusters[ 100 .. 119 ]));
is($result->{out}, 20, 'another backend');
cmp_ok((times_of(@clusters[ 100 .. 119 ]))[-1] - $began, '>=', 2, '  waits for the same budget');
is($first->result->{out}, 40, '  and leaves the first one its rows');
is(refused(), 0, '  without a 429');

# ----- who has begun goes first -----

# It waits for the API, or has had all of its answers.
sub has_begun
{
	my ($session) = @_;
	my $sql = q{SELECT query ~ 'online_migration' AND (state = 'idle' OR wait_event_type = 'Extension')
		FROM pg_stat_activity WHERE pid = } . $session->pid;
	return OnlineMigrations::Waiting::until_true(sub { $node->safe_psql('postgres', $sql) eq 't' });
}

# Six looks of 20 clusters at 30 requests in 2 s: one ends after the other,
# instead of all sharing each window until none has had enough.
new_token(limit => 30, window_seconds => 2);
my @many = map { OnlineMigrations::Session->open($node) } 1 .. 6;
learn_limit($many[0]);
for my $i (0 .. $#many)
{
	$many[$i]->post(look(@clusters[ 20 * $i .. 20 * $i + 19 ]));
	ok(has_begun($many[$i]), "look $i has begun");
}
# Who wants little overtakes them.
my $little = $second->run(look($clusters[199]));
my @looks = map { $_->result } @many;
is(join(' ', map { $_->{out} } @looks), join(' ', (20) x 6), 'six looks at once have all of their rows');
my @ends = map { (times_of(@clusters[ 20 * $_ .. 20 * $_ + 19 ]))[-1] } 0 .. 5;
is_deeply([ sort { $ends[$a] <=> $ends[$b] } 0 .. 5 ], [ 0 .. 5 ], '  in the order in which they began');
is($little->{out}, 1, '  and one key');
cmp_ok((times_of($clusters[199]))[0], '<', $ends[4], '  does not wait for all of them');
is(refused(), 0, '  without a 429');
$_->close for @many;

# ----- starts go first, then small looks -----

# A large scan has used up the window, and waits for the next one, as do a start
# and a look at one cluster, that come later: these are the first to be served,
# whether the headers tell of the limit or a 429 does.
my $third = OnlineMigrations::Session->open($node);
$simulator->migration($clusters[198], undef);
for my $case ([ 'a limit', limit => 40, window_seconds => 6 ],
	[ 'a limit that 429s tell of', burst => 40, burst_seconds => 6 ])
{
	my ($what, %limits) = @$case;
	new_token(%limits);
	learn_limit($third);
	$first->post(look(@clusters[ 0 .. 119 ]));
	OnlineMigrations::Waiting::until_true(sub { $node->safe_psql('postgres',
			q{SELECT wait_event FROM pg_stat_activity WHERE pid = } . $first->pid)
		  eq ($major >= 17 ? 'OnlineMigrationsRateLimit' : 'Extension') && $simulator->log >= 39 });
	$third->post(look($clusters[199]));
	$second->post("SELECT count(*) FROM databases.databases_update_online_migration('$clusters[198]', '{\"host\": \"h\", \"port\": 1}')");
	ok(has_begun($_), "$what: somebody else has begun") for $second, $third;
	is($_->result->{out}, 1, '  and comes to its end') for $second, $third;
	is($first->result->{out}, 120, '  as does the scan');
	my @served = map { "$_->{method} " . ($_->{path} =~ /\d(\d\d\d)\/online/ ? $1 : '') } grep { $_->{status} == 200 || $_->{status} == 404 } $simulator->log;
	is_deeply([ @served[ 39 .. 41 ] ], [ 'GET 199', 'PUT 199', 'GET 200' ], '  behind the start, and the look at one cluster');
	$simulator->migration($clusters[198], undef);
	$node->safe_psql('digitalocean', 'SELECT databases.online_migrations_fdw_rate_limits_reset()');
}
$third->close;
$simulator->migration($clusters[198], 'running', 'id-0199');

# ----- one 429 for all -----

new_token(limit => 5000);
learn_limit($first);
$simulator->fault('status', status => 429, retry_after => 2, uuid => $clusters[0], times => 1);
$first->post(look($clusters[0]));
ok($node->poll_query_until('digitalocean', q{SELECT held_until IS NOT NULL
	FROM databases.online_migrations_fdw_rate_limits}), 'a 429 is known to others');
$result = $second->run(look(@clusters[ 1 .. 50 ]));
is($result->{out}, 50, 'a 429 in one backend');
is($first->result->{out}, 1, '  is waited out there');
my ($limited, @later) = $simulator->log;
is($limited->{status}, 429, '  it came first');
cmp_ok((sort { $a <=> $b } map { $_->{time} } @later)[0] - $limited->{time}, '>=', 1.9,
	'  and nobody sent anything before its time');
is($node->safe_psql('digitalocean',
		"SELECT \"limit\", remaining FROM databases.online_migrations_fdw_rate_limits"),
	'5000|' . (5000 - 53), 'a third one sees what is left');

# ----- a pause that is seen, and ended -----

new_token(limit => 5000);
$simulator->fault('status', status => 429, retry_after => 30, uuid => $clusters[0]);
$first->post(look($clusters[0]));
ok(OnlineMigrations::Waiting::until_true(
		sub { $first->{psql}->pump_nb; $first->{err} =~ /NOTICE:.*waiting for the API's rate limit/ }),
	'a long pause is told of');
like($first->{err}, qr/DETAIL:  The pause lasts (2\d|30) s, until /, '  with its length');
is($node->safe_psql('postgres', 'SELECT wait_event FROM pg_stat_activity WHERE pid = ' . $first->pid),
	$major >= 17 ? 'OnlineMigrationsRateLimit' : 'Extension', '  and seen in pg_stat_activity');
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $first->pid . ')');
$result = $first->result;
is($result->{sqlstate}, '57014', 'cancel ends it');
cmp_ok($result->{seconds}, '<', 15, '  at once');
$result = $first->run("SET statement_timeout = '300ms'; " . look($clusters[1]));
is($result->{sqlstate}, '57014', 'so does statement_timeout');
$first->run('RESET statement_timeout');
$simulator->delete_faults;

# ----- an error rather than a pause that is too long -----

$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (ADD max_retry_wait '1s')});
$result = $first->run(look($clusters[1]));
is($result->{sqlstate}, '53400', 'a pause over max_retry_wait is an error');
cmp_ok($result->{seconds}, '<', 5, '  at once');
like($result->{hint}, qr/^The limit allows the next request in \d+ s, at 20/, '  which says when');
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (DROP max_retry_wait)});

# ----- back-off shows as such -----

new_token(limit => 5000);
$simulator->fault('status', status => 503, retry_after => 30, uuid => $clusters[0]);
$first->post(look($clusters[0]));
ok(OnlineMigrations::Waiting::until_true(
		sub { $first->{psql}->pump_nb; $first->{err} =~ /NOTICE:.*waiting before the API is tried again/ }),
	'a long back-off is told of, too');
is($node->safe_psql('postgres', 'SELECT wait_event FROM pg_stat_activity WHERE pid = ' . $first->pid),
	$major >= 17 ? 'OnlineMigrationsRetry' : 'Extension', '  and seen in pg_stat_activity');
is($second->run(look($clusters[1]))->{out}, 1, '  but it holds nobody else back');
$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $first->pid . ')');
is($first->result->{sqlstate}, '57014', 'cancel ends it');
$simulator->delete_faults;

# ----- a backend that is gone -----

# Of two that wait for the window to move on, one sends a probe, and goes.
new_token(limit => 1, window_seconds => 1);
$first->run(look($clusters[0]));
$simulator->fault('hang', uuid => $clusters[1]);
$first->post(look($clusters[1]));
ok(OnlineMigrations::Waiting::in_flight($simulator, 1), 'a probe that is not answered');
$second->post(look($clusters[2]));
$node->safe_psql('postgres', 'SELECT pg_terminate_backend(' . $first->pid . ')');
is($first->result->{sqlstate}, '57P01', '  goes with its backend');
is($second->result->{out}, 1, '  and another one takes its place');
$simulator->delete_faults;

for my $round (1 .. 3)
{
	new_token(limit => 5000);
	$simulator->config(latency_ms => 600_000);
	my $victim = OnlineMigrations::Session->open($node);
	$victim->post(look(@clusters[ 0 .. 99 ]));
	ok(OnlineMigrations::Waiting::in_flight($simulator, 100), "kill -9 with 100 requests in flight, $round");
	ok(OnlineMigrations::Waiting::crash($node, $victim->pid), '  the server is back');
	$simulator->config(latency_ms => 0);
	is($node->safe_psql('digitalocean', look(@clusters)), 200, '  and works');
	eval { $victim->result };
	eval { $victim->close };
}

$node->stop;
done_testing();
