# Times and limits as the API may tell them, and what a user can do about it:
# holds that pass, holds that are cleared, and who can push whom out of the
# memory that backends share.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils ();
use Test::More;
use Time::HiRes qw(time);

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('limits', simulator => $simulator,
	log_level => 'warning', conf => "shared_preload_libraries = 'online_migrations_fdw'\n");
my $folder = PostgreSQL::Test::Utils::tempdir();

my @clusters = map { sprintf '00000000-0000-4000-8000-%012d', $_ } 1 .. 40;
for my $cluster (@clusters)
{
	$simulator->cluster($cluster, engine => 'pg');
	$simulator->migration($cluster, 'running', 'id-' . substr($cluster, -4));
}

my $cases = 0;

# A token that nothing is known of.
sub new_token
{
	my (%limits) = @_;
	my $token = 'dop_v1_case' . ++$cases;
	$simulator->token($token, account => $OnlineMigrations::TestNode::TOKEN, enforce => 'true', %limits);
	$node->safe_psql('digitalocean',
		"ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token '$token')");
	$simulator->delete_faults;
	$simulator->clear_log;
	return $token;
}

sub look
{
	my (@which) = @_;
	my $keys = join ',', map { "'$_'" } @which;
	return "SELECT count(status) FROM databases.online_migrations WHERE database_cluster_uuid IN ($keys)";
}

my $held = q{SELECT count(*) FROM databases.online_migrations_fdw_rate_limits WHERE held_until > now()};
my $reset = 'SELECT databases.online_migrations_fdw_rate_limits_reset()';

# ----- what headers say -----

# A 429 whose reset is told in odd ways is waited out, or an error, but never an
# hour that nobody meant.
sub headers_ok
{
	my ($headers, $hint, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	new_token(limit => 5000);
	$simulator->fault('custom', status => 429, body => '{"id": "too_many_requests", "message": "No."}',
		uuid => $clusters[0], headers => { 'ratelimit-remaining' => 0, %$headers });
	my $result = $node->run_sql(look($clusters[0]));
	is($result->{sqlstate}, '53400', $name);
	like($result->{hint} // '', $hint, "$name: what it says");
	$node->safe_psql('digitalocean', $reset);
	return;
}

$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (max_retry_wait '0ms')});
my $now = time;
my @date = (date => 'Mon, 23 Nov 2026 12:00:00 GMT');
headers_ok({ 'ratelimit-reset' => int($now + 100) * 1000 }, qr/in (9\d|100) s/, 'a reset in milliseconds');
headers_ok({ 'ratelimit-reset' => int $now + 80_000 }, qr/in 3600 s/, 'a reset in a day');
headers_ok({ 'ratelimit-reset' => $_ }, qr/^Try again later/, "a reset of $_ is none")
  for int($now) + 200_000, 2_524_608_000, '9223372036854775807', '99999999999999999999', '-100', '+100', '100.5', '';
headers_ok({ 'ratelimit-reset' => 100 }, qr/in 100 s/, 'a reset that is a span');
headers_ok({ 'retry-after' => '9223372036854775807' }, qr/in 3600 s/, 'a huge Retry-After');
headers_ok({ 'retry-after' => '1000000000' }, qr/in 3600 s/, 'one of a billion seconds');
headers_ok({ 'retry-after' => '99999999999999999999' }, qr/in 3600 s/, 'one that fits no number');
headers_ok({ @date, 'retry-after' => 'Mon, 23 Nov 2026 12:01:40 GMT' }, qr/in 100 s/,
	'a date that goes by the clock of the API');
headers_ok({ @date, 'ratelimit-reset' => 1795435300 }, qr/in 100 s/, 'a reset that does');
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (DROP max_retry_wait)});

my $result;

# The headers tell of the hour.  Of which something is left: it is another limit,
# which passes sooner than the hour.
for my $left (4000, 1)
{
	new_token(limit => 5000);
	$simulator->fault('status', status => 429, uuid => $clusters[0], times => 1, headers => { 'ratelimit-remaining' => $left });
	$result = $node->run_sql(look($clusters[0]));
	is($result->{out}, 1, "a 429 with $left requests left and a reset in an hour") or diag($result->{err});
	is($node->safe_psql('digitalocean', $held), 0, '  holds nothing for long');
}
new_token(limit => 5000);
$simulator->fault('status', status => 429, uuid => $clusters[0], times => 1, headers => { 'ratelimit-remaining' => 0 });
$node->psql_fails(look($clusters[0]), '53400', undef, 'a 429 with none left');
is($node->safe_psql('digitalocean', $held), 1, '  holds until the reset');

# An API that tells nothing of its limits: a start outlasts a short one.
new_token(headers => 'false', retry_after => 'false', burst => 1, burst_seconds => 3);
my $start = "SELECT status FROM databases.databases_update_online_migration('$clusters[39]', '{\"host\": \"h\", \"port\": 1}', replace => true)";
$node->psql_ok(look($clusters[0]), 1, 'a limit that nobody tells of');
$result = $node->run_sql($start);
is($result->{out}, 'running', '  which a start meets') or diag($result->{err});
is(scalar(grep { $_->{status} == 429 } $simulator->log), 1, '  once, for the next try comes when it is over');

# No retry is without a pause.
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (max_retry_wait '0ms')});
for my $status (429, 503)
{
	new_token(limit => 5000);
	$simulator->fault('status', status => $status, uuid => $clusters[0], times => 1);
	$node->requests_ok({ GET => 1 }, sub { $result = $node->run_sql(look($clusters[0])) }, "$status, and max_retry_wait 0ms: no retry");
	is($result->{sqlstate}, $status == 429 ? '53400' : 'HV00L', '  but an error');
}
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (DROP max_retry_wait)});

# No limit is none at all.
new_token(limit => 5000);
for my $limit ([ 0, 0 ], [ 5, 900 ], [ -5, 0 ], [ 5, -1 ], [ '9223372036854775807', 0 ], [ '99999999999999999999', 0 ], [ '', 0 ])
{
	$simulator->fault('custom', body => '{"status": "running"}', uuid => $clusters[0], times => 1,
		headers => { 'ratelimit-limit' => $limit->[0], 'ratelimit-remaining' => $limit->[1],
			'ratelimit-reset' => int($now) + 3000 });
	$node->psql_ok(look($clusters[0]), 1, "limit $limit->[0], $limit->[1] left");
	$node->psql_ok(look(@clusters[ 1 .. 20 ]), 20, '  is not believed');
	$simulator->delete_faults;
}

# ----- a hold is cleared -----

sub hold
{
	my ($seconds) = @_;
	$simulator->fault('status', status => 429, retry_after => "$seconds", uuid => $clusters[0], times => 1);
	$node->psql_fails(look($clusters[0]), '53400', undef, "a 429 for $seconds s");
	return;
}

new_token(limit => 5000);
hold(3000);
is($node->safe_psql('digitalocean', $held), 1, '  holds');
$node->psql_fails(look($clusters[1]), '53400', undef, '  all that comes after it');
$node->create_role('bystander', 'dop_v1_bystander');
$node->create_role('tokenless');
$node->psql_ok($reset, '', 'who has another token', role => 'bystander');
is($node->safe_psql('digitalocean', $held), 1, '  clears nothing');
$node->psql_fails(q{SELECT databases.online_migrations_fdw_rate_limits_reset('digitalocean')}, '28000',
	qr/no API token/, 'without a token', role => 'tokenless');
$node->safe_psql('digitalocean', 'REVOKE USAGE ON FOREIGN SERVER digitalocean FROM tokenless');
$node->psql_fails(q{SELECT databases.online_migrations_fdw_rate_limits_reset('digitalocean')}, '42501',
	undef, 'without USAGE', role => 'tokenless');
$node->psql_ok(q{SELECT databases.online_migrations_fdw_rate_limits_reset('digitalocean')}, '', 'its own user');
is($node->safe_psql('digitalocean', $held), 0, '  clears it');
$node->psql_ok(look(@clusters[ 1 .. 20 ]), 20, '  and all goes on');

# ----- a wait keeps to any hold -----

# What another session has used up ends no wait; nor does a 429.
my $session = OnlineMigrations::Session->open($node);
for my $how ('known', '429')
{
	new_token(limit => 5000);
	$simulator->migration($clusters[30], 'running', 'held');
	$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (max_retry_wait '100ms')});
	$session->post("CALL databases.databases_wait_online_migration('$clusters[30]', 'held',
		until => '{done}', poll_interval => '1 s')");
	ok($session->says(qr/"held" of database cluster \S+ is running/), "a wait, $how");
	if ($how eq 'known') { hold(3) }
	else { $simulator->fault('status', status => 429, retry_after => '3', uuid => $clusters[30], times => 1) }
	ok($session->says(qr/WARNING:  53400.*The wait goes on/s), '  is held');
	$simulator->migration($clusters[30], 'done', 'held');
	my $result = $session->result;
	is($result->{sqlstate}, '', '  and goes on') or diag($result->{err});
	cmp_ok($result->{seconds}, '>=', 2, '  when the limit allows it');
	$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (DROP max_retry_wait)});
}

# ----- a wait's last look -----

new_token(limit => 5000);
$simulator->migration($clusters[31], 'running', 'last');
$session->post("CALL databases.databases_wait_online_migration('$clusters[31]', timeout => '2 s', poll_interval => '1 h')");
ok($session->says(qr/"last" of database cluster \S+ is running/), 'a wait whose poll comes after its timeout');
$simulator->migration($clusters[31], 'done', 'last');
$result = $session->result;
is($result->{sqlstate}, '', '  takes a last look') or diag($result->{err});
cmp_ok($result->{seconds}, '<', 30, '  when the time is over');
$node->requests_ok({ GET => 1 }, sub {
		$node->psql_ok("CALL databases.databases_wait_online_migration('$clusters[31]', timeout => '0')", '',
			q{timeout => '0'}) }, q{timeout => '0' polls once});

# A status that nobody knows is told of.
$simulator->migration($clusters[31], 'paused', 'last');
$result = $session->run("CALL databases.databases_wait_online_migration('$clusters[31]', timeout => '4 s', poll_interval => '1 s')");
is($result->{sqlstate}, 'HV000', 'a wait with a status that is not known');
is(() = $result->{err} =~ /WARNING:  01000: online migration has a status that is not known/g, 1, '  says so, once');

# ----- the pause that is told -----

new_token(limit => 5000);
$simulator->fault('status', status => 503, retry_after => 40, uuid => $clusters[0]);
$session->post(look($clusters[0]));
ok($session->says(qr/DETAIL:  The pause lasts (39|40) s, until /), 'a pause longer than request_timeout has its true length');
kill 'INT', $session->pid;
$session->result;
$simulator->delete_faults;

# ----- who pushes whom out -----

new_token(limit => 5000);
$node->psql_ok(look($clusters[0]), 1, 'a budget that is known');
$node->safe_psql('digitalocean', q{
	CREATE ROLE busy;
	GRANT USAGE ON FOREIGN DATA WRAPPER online_migrations_fdw TO busy;
	GRANT USAGE, CREATE ON SCHEMA databases TO busy;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA databases TO busy;});
my $endpoint = $simulator->http;
$node->safe_psql('digitalocean', qq{
	SET ROLE busy;
	CREATE SERVER busy FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint '$endpoint', max_retries '0');
	CREATE USER MAPPING FOR busy SERVER busy OPTIONS (token 'dop_v1_x');
	CREATE FOREIGN TABLE databases.busy (database_cluster_uuid uuid, status text) SERVER busy;});
my $many = join '', map { "ALTER USER MAPPING FOR busy SERVER busy OPTIONS (SET token 'dop_v1_busy$_');
	SELECT count(*) FROM databases.online_migrations_fdw_rate_limits;\n" } 1 .. 300;
$node->safe_psql('digitalocean', "SET ROLE busy;\n$many");
my $known = 'SELECT remaining IS NOT NULL FROM databases.online_migrations_fdw_rate_limits';
is($node->safe_psql('digitalocean', $known), 't', 'looking at 300 others takes no place');
$many =~ s/SELECT count.*?;/DO \$\$ BEGIN PERFORM 1 FROM databases.busy WHERE database_cluster_uuid = '$clusters[0]'; EXCEPTION WHEN OTHERS THEN END \$\$;/g;
$node->safe_psql('digitalocean', "SET ROLE busy;\n$many");
is($node->safe_psql('digitalocean', $known), 't', 'one role with 300 tokens pushes nobody out');

# Nor does it push out a hold of its own: neither with tokens that nothing holds,
# nor with more of them held than it has places.
my $pull = q{DO $$ BEGIN PERFORM 1 FROM databases.busy WHERE database_cluster_uuid = '%s'; EXCEPTION WHEN OTHERS THEN END $$;};
$simulator->fault('status', uuid => $clusters[1], status => 429, retry_after => 600);

sub of_tokens
{
	my ($name, $cluster, @numbers) = @_;
	$simulator->token("dop_v1_$name$_", account => $OnlineMigrations::TestNode::TOKEN) for @numbers;
	return "SET ROLE busy;\n" . join '', map { "ALTER USER MAPPING FOR busy SERVER busy OPTIONS (SET token 'dop_v1_$name$_');\n"
		. sprintf("$pull\n", $cluster) } @numbers;
}

$node->safe_psql('digitalocean', of_tokens('held', $clusters[1], 1));
$node->safe_psql('digitalocean', of_tokens('free', $clusters[0], 1 .. 70));
$simulator->clear_log;
$node->safe_psql('digitalocean', of_tokens('held', $clusters[0], 1));
is(scalar(() = $simulator->log), 0, 'a hold outlives 70 other tokens of its role');
$node->safe_psql('digitalocean', of_tokens('held', $clusters[1], 2 .. 70));
is(scalar(() = $simulator->log), 69, '70 tokens of a role are held');
$node->safe_psql('digitalocean', of_tokens('held', $clusters[0], 1 .. 64));
is(scalar(() = $simulator->log), 69, '  and none of the 64 that it has places for is asked');
$simulator->delete_faults;

# ----- files and logs -----

new_token(limit => 5000);
$node->psql_ok(look($clusters[0]), 1, 'a budget that is known');
$node->add_server('filed', endpoint => $simulator->http);
$node->safe_psql('digitalocean', "ALTER USER MAPPING FOR CURRENT_USER SERVER filed
	OPTIONS (DROP token, ADD token_file '$folder/no-such-file')");
$node->psql_ok('SELECT server FROM databases.online_migrations_fdw_rate_limits', 'digitalocean',
	'a token file that is not there does not fail the view');

my $offset = -s $node->logfile;
my %rejected = (
	'a trailing blank' => q{ALTER USER MAPPING FOR CURRENT_USER SERVER filed OPTIONS (DROP token_file, ADD token 'dop_v1_hidden ')},
	'a wrong name' => q{CREATE USER MAPPING FOR bystander SERVER filed OPTIONS (tokken 'dop_v1_hidden')},
	'a wrong place' => q{ALTER SERVER filed OPTIONS (ADD token 'dop_v1_hidden')},
);
for my $name (sort keys %rejected)
{
	my $error = $node->run_sql($rejected{$name});
	isnt($error->{sqlstate}, '', "a token with $name is rejected");
}
my $log = $node->log_text($offset);
like($log, qr/ERROR:.*invalid/, 'the log tells of it');
unlike($log, qr/STATEMENT:.*dop_v1_hidden/, '  without the statement');

$node->stop;
done_testing();
