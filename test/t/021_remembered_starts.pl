# What this PostgreSQL has started and the API does not show yet: a retry must
# not start another one.  Right after a start the API answers 404, or shows the
# migration before it.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(time);

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('starts', simulator => $simulator,
	log_level => 'warning', conf => "shared_preload_libraries = 'online_migrations_fdw'\n");
$node->add_server('other_token', $node->server_options('http'));
$simulator->token('dop_v1_other', account => $OnlineMigrations::TestNode::TOKEN);
$node->safe_psql('digitalocean',
	q{ALTER USER MAPPING FOR CURRENT_USER SERVER other_token OPTIONS (SET token 'dop_v1_other')});

# Nothing that is started shows, unless a test says so.
$simulator->config(kickoff_ms => 3_600_000, running_ms => 3_600_000);

my $next = 0;

sub new_cluster
{
	my $cluster = sprintf '00000000-0000-4000-8000-%012d', ++$next;
	$simulator->cluster($cluster, engine => 'pg');
	return $cluster;
}

sub start
{
	my ($cluster, $more, $server) = @_;
	$more = defined $more ? ", $more" : '';
	$server //= 'digitalocean';
	return "SELECT id FROM databases.databases_update_online_migration('$cluster',
		'{\"host\": \"src.example.com\", \"port\": 25060}', server => '$server'$more)";
}

sub puts { my ($cluster) = @_; return scalar grep { $_->{method} eq 'PUT' && $_->{path} =~ /$cluster/ } $simulator->log; }

# Of a session of its own, as cron jobs and retries have.
sub refused_ok
{
	my ($cluster, $detail, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = puts($cluster);
	my $result = $node->psql_fails(start($cluster), '55000', $detail, $name);
	is(puts($cluster), $before, "$name: nothing is sent");
	return $result;
}

# ----- 404 for a while -----

my $cluster = new_cluster();
my $id = $node->psql_ok(start($cluster), qr/^[\w-]+$/, 'a start')->{out};
refused_ok($cluster, qr/DETAIL:  Migration "$id" of database cluster $cluster was started \d+ s ago, and the API does not show it yet\./,
	"another session's start, $_") for 1 .. 2;
is(puts($cluster), 1, 'three starts: one PUT');
my $result = $node->run_sql("CALL databases.databases_wait_online_migration('$cluster', '$id', timeout => '0',
	server => 'digitalocean')");
like($result->{err}, qr/"$id" of database cluster $cluster is not there yet/, 'a wait goes by what the API shows');
$node->psql_ok(start($cluster, undef, 'other_token'), qr/^[\w-]+$/, 'of another token nothing is remembered');
my $second = $node->psql_ok(start($cluster, 'replace => true'), qr/^[\w-]+$/, 'replace is not refused')->{out};
isnt($second, $id, '  and starts another one');
refused_ok($cluster, qr/"$second" of database cluster $cluster was started/, '  which is what is remembered');

# ----- until it is shown -----

$simulator->migration($cluster, 'running', $second);
refused_ok($cluster, qr/DETAIL:  Migration "$second" of database cluster $cluster, created at [^,]+, is running\./, 'shown as running');
$simulator->migration($cluster, 'done', $second);
my $third = $node->psql_ok(start($cluster), qr/^[\w-]+$/, 'shown as done')->{out};
$simulator->migration($cluster, 'done', $second);
refused_ok($cluster, qr/"$third" of database cluster $cluster was started/, 'the one before it is shown');
$simulator->migration($cluster, 'error', 'earlier-id', '2020-01-01T00:00:00Z');
refused_ok($cluster, qr/"$third" of database cluster $cluster was started/, 'an earlier one is shown that was not there before');
$simulator->migration($cluster, 'error', 'later-id', '2100-01-01T00:00:00Z');
$node->psql_ok(start($cluster), qr/^[\w-]+$/, 'a later one is shown, which has ended');

# After a replacing start nobody knows what was there before: dates tell.
$cluster = new_cluster();
$id = $node->psql_ok(start($cluster, 'replace => true'), qr/^[\w-]+$/, 'a start that replaces')->{out};
$simulator->migration($cluster, 'done', 'old-id', '2020-01-01T00:00:00Z');
refused_ok($cluster, qr/"$id" of database cluster $cluster was started/, '  an older one is shown');
$simulator->migration($cluster, 'done', 'new-id', '2100-01-01T00:00:00Z');
$node->psql_ok(start($cluster), qr/^[\w-]+$/, '  a later one is shown');

# Where the API did not say when its own was created, the time that it was sent
# tells, by the API's Date: what is not known to be as new is none of it.
sub created { my ($when) = @_; return strftime '%Y-%m-%dT%H:%M:%SZ', gmtime $when; }

sub show
{
	my ($its, $ahead, %members) = @_;
	my $body = join ', ', map { qq("$_": "$members{$_}") } sort keys %members;
	$simulator->delete_faults;
	$simulator->fault('custom', uuid => $its, method => 'GET', body => "{$body}",
		headers => { date => strftime '%a, %d %b %Y %H:%M:%S GMT', gmtime time + $ahead });
	return;
}

for my $answer ([ 'unknown', { status => 500, body => '{"id": "server_error", "message": "Oh."}' } ],
	[ 'without created_at', { status => 200, body => '{"id": "own-id", "status": "running"}' } ])
{
	my ($name, $answered) = @$answer;
	for my $replace (qw(false true))
	{
		my $case = "$name, replace => $replace";
		my $sent = sub {
			my (@before) = @_;
			$cluster = new_cluster();
			$simulator->migration($cluster, 'error', @before) if @before;
			$simulator->fault('custom', uuid => $cluster, method => 'PUT', times => 1, %$answered);
			$node->run_sql(start($cluster, "replace => $replace"));
			is(puts($cluster), 1, "$case: sent");
		};
		$sent->();
		show($cluster, 0, id => 'old-id', status => 'done', created_at => created(time - 86_400));
		refused_ok($cluster, undef, '  one of yesterday is shown');
		show($cluster, 600, id => 'old-id', status => 'done', created_at => created(time + 300));
		refused_ok($cluster, undef, '  one of 5 minutes ago, by a clock that is 10 ahead');
		show($cluster, 0, id => 'other-id', status => 'done');
		refused_ok($cluster, undef, '  one of which nobody knows when it was created');
		show($cluster, -600, id => 'new-id', status => 'done', created_at => created(time - 599));
		$node->psql_ok(start($cluster), qr/^[\w-]+$/, '  a new one, by a clock that is 10 minutes behind');
		next if $replace eq 'true';

		$sent->('id-before', created(time - 1));
		show($cluster, 0, id => 'id-before', status => 'failed', created_at => created(time - 1));
		refused_ok($cluster, undef, '  the one before it, created a moment ago, by another word for its status');
		show($cluster, 0, id => 'other-id', status => 'something_new');
		refused_ok($cluster, undef, '  another one, which may be under way');
		show($cluster, 0, id => 'other-id', status => 'done');
		refused_ok($cluster, undef, '  and has ended, so it may be an older one');
		show($cluster, 0, id => 'other-id', status => 'running');
		refused_ok($cluster, qr/"other-id".*is running/, '  another one that is under way');
		show($cluster, 0, id => 'other-id', status => 'done');
		$node->psql_ok(start($cluster), qr/^[\w-]+$/, '  so it was shown, and has ended');
	}
}
$simulator->delete_faults;

# ----- not carried out, stopped, unknown -----

$cluster = new_cluster();
$simulator->fault('status', uuid => $cluster, method => 'PUT', status => 422);
$node->psql_fails(start($cluster), '22023', undef, 'a start that the API refuses');
$simulator->delete_faults;
$node->psql_ok(start($cluster), qr/^[\w-]+$/, '  is none');
$simulator->fault('status', uuid => $cluster, method => 'PUT', status => 422);
$node->psql_fails(start($cluster, 'replace => true'), '22023', undef, 'one that was to replace it');
$simulator->delete_faults;
refused_ok($cluster, qr/was started/, '  does not make it forgotten');

$cluster = new_cluster();
$id = $node->psql_ok(start($cluster), qr/^[\w-]+$/, 'a start')->{out};
$simulator->fault('no_content_204', uuid => $cluster, method => 'DELETE', times => 1);
$node->psql_ok("SELECT databases.databases_delete_online_migration('$cluster', '$id', server => 'digitalocean')", 't', '  that is stopped');
$node->psql_ok(start($cluster), qr/^[\w-]+$/, '  is forgotten');

# Gateways say 408 or 499 of what they have passed on, and wait for no more.
for my $end ((map { [ 'status', status => $_ ] } 408, 499, 500, 502),
	[ 'custom', body => '{"id": "server_error", "message": "Oh."}' ],
	map { [$_] } qw(close_before empty_200 missing_fields not_json))
{
	my ($fault, %more) = @$end;
	my $name = join ' ', @$end;
	$cluster = new_cluster();
	$simulator->fault($fault, uuid => $cluster, method => 'PUT', times => 1, apply => 'true', %more);
	like($node->run_sql(start($cluster))->{message}, qr/^outcome of starting the online migration is unknown/, "$name: nobody knows");
	refused_ok($cluster, qr/DETAIL:  A start of database cluster $cluster ended \d+ s ago, and its outcome is not known\./, '  which is remembered');
	is(puts($cluster), 1, '  it is not sent again');
	$simulator->delete_faults;
	$node->psql_ok(start($cluster, 'replace => true'), qr/^[\w-]+$/, '  who insists starts it');
}

# What is sent again after a pause may have been carried out after it: that is
# when the time begins for which it is remembered.
$cluster = new_cluster();
$simulator->fault('status', uuid => $cluster, method => 'PUT', status => 429, retry_after => 4, times => 1);
$simulator->fault('close_before', uuid => $cluster, method => 'PUT', times => 1, apply => 'true');
$node->psql_fails(start($cluster), 'HV010', undef, 'unknown after a pause of 4 s');
my ($last) = map { $_->{time} } reverse grep { $_->{method} eq 'PUT' } $simulator->log;
$result = refused_ok($cluster, qr/DETAIL:  A start of database cluster $cluster ended \d+ s ago, and its outcome is not known\./, '  it is remembered');
my ($ago) = $result->{detail} =~ /ended (\d+) s ago/;
cmp_ok($ago, '<=', time - $last, '  since it was sent again');
is(puts($cluster), 2, '  and none is sent');
$simulator->delete_faults;

# On its way, which no lock tells of one with replace.
{
	$cluster = new_cluster();
	$simulator->fault('hang', uuid => $cluster, method => 'PUT', times => 1);
	my $session = OnlineMigrations::Session->open($node);
	$session->post(start($cluster, 'replace => true'));
	OnlineMigrations::Waiting::until_true(sub { puts($cluster) == 1 });
	$result = refused_ok($cluster, qr/DETAIL:  A start of database cluster $cluster began \d+ s ago, and has not been answered yet\./, 'on its way');
	like($result->{message}, qr/is being started/, '  which it says');
	kill 'INT', $session->pid;
	$session->result;
	refused_ok($cluster, qr/ended \d+ s ago, and its outcome is not known/, '  and ended');
	$session->close;
	$simulator->delete_faults;
}

# Cancelled and terminated while the API is asked.
for my $signal (qw(INT TERM))
{
	$cluster = new_cluster();
	$simulator->fault('hang', uuid => $cluster, method => 'PUT', times => 1);
	my $session = OnlineMigrations::Session->open($node);
	$session->post(start($cluster));
	OnlineMigrations::Waiting::until_true(sub { puts($cluster) == 1 });
	kill $signal, $session->pid;
	like($session->result->{err}, qr/the start of an online migration of database cluster $cluster had been sent, and not been answered/, "$signal while it is sent");
	refused_ok($cluster, qr/its outcome is not known/, '  nobody knows');
	$session->close;
}
$simulator->delete_faults;

# ----- many -----

# What one role may have is what a token can start in ten minutes, and some.
my $ROOM = 2560;

sub start_many
{
	my ($count, $first) = @_;
	return "SELECT count(*) FROM generate_series($first, $first + $count - 1) g,
		LATERAL databases.databases_update_online_migration(('10000000-0000-4000-8000-' || lpad(g::text, 12, '0'))::uuid,
			'{\"host\": \"src.example.com\", \"port\": 25060}', replace => true, server => 'digitalocean')";
}

$node->safe_psql('digitalocean', 'SELECT databases.online_migrations_fdw_rate_limits_reset()');
$simulator->token($OnlineMigrations::TestNode::TOKEN, limit => 10_000_000);
$cluster = new_cluster();
$id = $node->psql_ok(start($cluster), qr/^[\w-]+$/, 'a start before many others')->{out};
$node->safe_psql('digitalocean', q{
	CREATE ROLE busy;
	GRANT USAGE ON SCHEMA databases TO busy;
	GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA databases TO busy;
	GRANT USAGE ON FOREIGN SERVER digitalocean TO busy;
	CREATE USER MAPPING FOR busy SERVER digitalocean OPTIONS (token 'dop_v1_busy')});
$simulator->token('dop_v1_busy', limit => 10_000_000);
$simulator->fault('custom', method => 'PUT', status => 200, body => '{"id": "one-of-many", "status": "running"}');
$node->psql_ok('SET ROLE busy; ' . start_many($ROOM, 1), $ROOM, 'a role has as much room as a token can fill');
my $sent = () = $simulator->log;
$node->psql_fails('SET ROLE busy; ' . start_many(1, $ROOM + 1), '53400',
	qr/DETAIL:  There is no room to remember a start of database cluster 10000000-0000-4000-8000-000000002561\. A role has room for $ROOM starts, each for 10 minutes\./,
	'  with more it is refused');
is(scalar(() = $simulator->log), $sent, '  and nothing is sent');
$node->psql_fails("SET ROLE busy; SELECT count(*) FROM databases.databases_update_online_migration(
		'10000000-0000-4000-8000-000000002561', '{\"host\": \"h\", \"port\": 1}', on_error => 'report', server => 'digitalocean')",
	'53400', qr/CONTEXT:  nothing was started: no start had been sent/, '  nor does on_error make a row of it');
$node->psql_ok('SET ROLE busy; ' . start_many(1, 2), 1, '  one that replaces its own needs no room');
refused_ok($cluster, qr/"$id" of database cluster $cluster was started/, '  and that of another role is remembered');
$node->psql_fails('SET ROLE busy; ' . start_many(1, 1) =~ s/replace => true/replace => false/r, '55000', qr/"one-of-many"/, '  as is its own first one');
$simulator->delete_faults;

# Never sent: the API can't be reached.
$node->add_server('nobody', endpoint => $simulator->url('refused'), max_retries => 0);
$cluster = new_cluster();
$node->psql_fails(start($cluster, 'replace => true', 'nobody'), 'HV00N', undef, "never sent, $_") for 1 .. 2;
$node->psql_fails(start($cluster, undef, 'nobody'), 'HV00N', qr/could not look/, '  so there is nothing to remember');

$node->stop;
done_testing();
