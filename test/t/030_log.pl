# What the server's log is told: slow requests by log_min_duration, each one at
# debug1, starts and stops by log_lifecycle even if the transaction rolls back,
# and never a secret.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $path = "/v2/databases/$cluster/online-migration";
my $password = 's3cr3t-of-the-source';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
my $node = OnlineMigrations::TestNode->start('log', simulator => $simulator,
	log_level => 'warning', conf => "log_error_verbosity = default\nlog_statement = none",
	server_options => { request_timeout => '600ms', max_retries => 0 });

my $status = "SELECT status FROM databases.online_migrations
	WHERE database_cluster_uuid = '$cluster'";

sub start_sql
{
	my ($more) = @_;
	return "SELECT id FROM databases.databases_update_online_migration('$cluster',
		'{\"host\": \"src\", \"port\": 5432, \"password\": \"$password\"}', replace => true)";
}

# Runs SQL, and returns what the log has of it.
sub log_of
{
	my ($sql, %options) = @_;
	my $offset = -s $node->logfile;
	$node->run_sql($sql, %options);
	return PostgreSQL::Test::Utils::slurp_file($node->logfile, $offset);
}

sub clean_ok
{
	my ($text, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	unlike($text, qr/s3cr3t|$OnlineMigrations::TestNode::TOKEN/, $name);
	return;
}

# ----- log_min_duration -----

$simulator->migration($cluster, 'running', 'some-id');
unlike(log_of($status), qr/duration:/, 'as it comes no request is logged');
like(log_of($status, before => q{SET online_migrations_fdw.log_min_duration = 0;}),
	qr/LOG:  duration: \d+ ms  request: GET \Q$path\E  status: 200  tries: 1\n/,
	'from 0 on each request is logged: verb, path, status, time and tries');

my $slow = q{SET online_migrations_fdw.log_min_duration = '300ms';};
unlike(log_of($status, before => $slow), qr/duration:/, 'a quicker request is not logged');
$simulator->fault('slow_first_byte', ms => 350, times => 1);
like(log_of($status, before => $slow), qr/LOG:  duration: (?:3[5-9]|[4-9]\d|\d{3,})\d ms  request: GET \Q$path\E  status: 200  tries: 1\n/,
	'a slower one is');
$simulator->fault('hang', times => 1);
like(log_of($status, before => $slow), qr/duration: (?:[6-9]|\d{2,})\d\d ms  request: GET \Q$path\E  status: timed out  tries: 1\n/,
	'one that was not answered, too');
$simulator->delete_faults;

my $log = log_of(start_sql(), before => q{SET online_migrations_fdw.log_min_duration = 0;});
like($log, qr/duration: \d+ ms  request: PUT \Q$path\E  status: 200/, 'a start is logged');
unlike($log, qr/STATEMENT/, '... without its statement');
clean_ok($log, '... and without a secret');

$log = log_of($status, before => q{SET log_min_messages = debug1;});
is(() = $log =~ /DEBUG:  duration: \d+ ms  request: GET/g, 1, 'at debug1 there is a line a request');
clean_ok($log, '... without the token');
unlike(log_of($status, before => q{SET log_min_messages = log;}), qr/duration:/, 'and above debug1 there is none');

# (Before the library is loaded PostgreSQL takes any setting, and drops it then.)
$node->create_role('plain');
my $load = q{SELECT * FROM databases.online_migrations_fdw_rate_limits();};
my $refused = $node->run_sql("$load SET online_migrations_fdw.log_min_duration = 0", role => 'plain');
is($refused->{sqlstate}, '42501', 'only who may set log_min_duration_statement sets it');
$refused = $node->run_sql("$load SET online_migrations_fdw.log_lifecycle = off", role => 'plain');
is($refused->{sqlstate}, '42501', 'nobody else turns the audit trail off');

# ----- log_lifecycle -----

sub event_ok
{
	my ($text, $message, $detail, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	like($text, qr/LOG:  \Q$message\E\n.*DETAIL:  $detail, server "digitalocean", role "\w+"\.\n/, $name);
	is(() = $text =~ /LOG:  online migration /g, 1, '... once');
	$text =~ s/^[^\n]* ERROR: .*//ms;
	unlike($text, qr/STATEMENT/, '... without its statement');
	clean_ok($text, '... and without a secret');
	return;
}

$log = log_of('BEGIN; ' . start_sql() . '; ROLLBACK');
event_ok($log, 'online migration has been started', qr{PUT \Q$path\E, migration "[\w-]+"},
	'a start is in the log, though the transaction was rolled back');
my ($id) = $log =~ /migration "([\w-]+)"/;
$log = log_of("BEGIN; SELECT databases.databases_delete_online_migration('$cluster', '$id'); ROLLBACK");
event_ok($log, 'online migration has been stopped', qr{DELETE \Q$path\E/$id, migration "$id"}, 'so is a stop');

$simulator->fault('hang', method => 'PUT', times => 1);
event_ok(log_of(start_sql()), 'online migration may have been started', qr{PUT \Q$path\E, migration "unknown"},
	'a start that was not answered is told of as such');
$simulator->fault('hang', method => 'DELETE', times => 1);
event_ok(log_of("SELECT databases.databases_delete_online_migration('$cluster', '$id')"),
	'online migration may have been stopped', qr{DELETE \Q$path\E/$id, migration "$id"},
	'a stop that was not answered, too');

$simulator->fault('hang', method => 'PUT', times => 1);
event_ok(log_of(start_sql(), before => q{SET statement_timeout = '200ms';}),
	'online migration may have been started', qr{PUT \Q$path\E, migration "unknown"},
	'and one that was cancelled after it had been sent');
$simulator->delete_faults;

$simulator->fault('status', method => 'PUT', status => 422, times => 1);
unlike(log_of(start_sql()), qr/LOG:  online migration/, 'what the API has refused is no event');
unlike(log_of("SELECT databases.databases_delete_online_migration('$cluster', 'other')"),
	qr/LOG:  online migration/, 'nor is a stop of what is not there');
unlike(log_of(start_sql(), before => q{SET online_migrations_fdw.log_lifecycle = off;}),
	qr/LOG:  online migration/, 'log_lifecycle = off keeps them out');

# ----- what is told leaves nothing behind -----

# The context of an error is made for other messages, too, and what it allocates
# stays until the session's next error.
$node->safe_psql('digitalocean', q{
	CREATE FUNCTION public.told(text) RETURNS bool LANGUAGE plpgsql AS 'BEGIN RAISE LOG $$told$$; RETURN true; END';
	CREATE DOMAIN public.told AS text CHECK (public.told(VALUE));
	CREATE FOREIGN TABLE public.talkative (database_cluster_uuid uuid, status public.told)
		SERVER digitalocean OPTIONS (resource 'online_migrations')});
my $calls = join ';', 'SET online_migrations_fdw.log_min_duration = 0', 'SET search_path = public, databases',
  (start_sql()) x 5,
  ("CALL databases.databases_wait_online_migration('$cluster', until => '{running,syncing,done}')") x 5,
  ("SELECT count(status) FROM public.talkative WHERE database_cluster_uuid = '$cluster'") x 5;
my $session = OnlineMigrations::Session->open($node);
my @used;
for (1 .. 3)
{
	$session->run("SET client_min_messages = warning; SET search_path = databases");
	for my $sql (split /;/, $calls)
	{
		my $result = $session->run($sql);
		is($result->{err}, '', 'no error') if $result->{err};
	}
	push @used, $session->run(q{SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'ErrorContext'})->{out};
}
is($used[2], $used[1], 'ErrorContext does not grow by starts, waits and notices that succeed');
$session->close;

done_testing();
