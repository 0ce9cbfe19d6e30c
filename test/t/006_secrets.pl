# Neither a token nor a source's password gets out: not into the server's log
# at its most talkative (outside the text of statements that PostgreSQL itself
# logs), not into messages, plans, or what other sessions can see.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils;
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $token = 'dop_v1_' . '0123456789abcdef' x 4;
my $password = 's3cr3t-pass"word\\with/quotes';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->token($token);
$simulator->cluster($cluster, engine => 'pg', token => $token);
$simulator->migration($cluster, 'done', 'some-id');

# Without log_statement, the only statements in the log are those of errors.
my $node = OnlineMigrations::TestNode->start('secrets', simulator => $simulator,
	token => $token, log_level => 'debug5', conf => "log_statement = none\nlog_error_verbosity = verbose\nlog_min_error_statement = error",
	server_options => { request_timeout => '500ms', connect_timeout => '500ms', max_retries => 1,
		max_retry_wait => '10ms' });

my $json = $password;
$json =~ s/(["\\])/\\$1/g;
my $source = $node->literal(
	qq({"host": "src.example.com", "port": 25060, "username": "doadmin", "password": "$json"}));

my $status = "SELECT status FROM databases.online_migrations
	WHERE database_cluster_uuid = '$cluster'";
my $start = "SELECT status FROM databases.databases_update_online_migration(
	'$cluster', $source, replace => true)";
my $stop = "SELECT databases.databases_delete_online_migration('$cluster', 'some-id')";

# Whatever of the secrets could be recognised.
my $secret = qr/\Q$token\E|0123456789abcdef0123456789abcdef|s3cr3t/;

sub clean_ok
{
	my ($text, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @lines = grep { $_ =~ $secret } split /\n/, $text;
	is(scalar @lines, 0, $name) or diag(join "\n", @lines);
	return;
}

# ----- every way to fail -----

# Fault, its options, the scheme, and which statements fail.
my @faults = (
	(map { [ 'status', { status => $_ }, 'http' ] } 400, 401, 403, 404, 409, 422, 429, 500, 503),
	[ 'status', { status => 429, retry_after => 3600 }, 'http' ],
	map { my $over = $_; map { [ $_, {}, $over ] }
		qw(echo_secrets hang drip reset_before close_before close_in_body
		oversized_body deep_json not_json wrong_type redirect invalid_utf8 nul_escape) } qw(http https));

sub point_to
{
	my ($over) = @_;
	my %options = $node->server_options($over);
	my $ca = $over eq 'https' ? ", ADD ca_file '$options{ca_file}'" : ', DROP ca_file';
	my $has = $node->safe_psql('digitalocean',
		q{SELECT srvoptions::text LIKE '%ca_file%' FROM pg_foreign_server});
	$ca = '' if ($has eq 't') == ($over eq 'https');
	$node->safe_psql('digitalocean',
		"ALTER SERVER digitalocean OPTIONS (SET endpoint '$options{endpoint}'$ca)");
	return;
}

# The log has the statement of a scan that failed, and none of a start.
sub try_fault
{
	my ($session, $name, $options, $over) = @_;
	my $label = join ' ', $name, (map { $options->{$_} } sort keys %$options), $over;
	my $offset = -s $node->logfile;
	$simulator->fault($name, uuid => $cluster, %$options);
	my @results = map { $session->run($_) } $start, $stop, $status;
	$simulator->delete_faults;
	clean_ok($_->{err} . $_->{out}, "$label: the client sees no secret") for @results;
	my $log = $node->log_text($offset);
	unlike($log, qr/databases_update_online_migration/,
		"$label: the log has nothing of the start's statement");
	clean_ok($log, "$label: the log has no secret");
	return;
}

my $session = OnlineMigrations::Session->open($node);
my $over = 'http';
for my $fault (@faults)
{
	point_to($over = $fault->[2]) if $over ne $fault->[2];
	try_fault($session, @$fault);
	$node->fresh_token('digitalocean', $token) if ($fault->[1]{status} // 0) == 429;
}
point_to('http');

# What the simulator echoes shows that it did: the rest of the message is there.
$simulator->fault('echo_secrets', uuid => $cluster);
my $echo = $session->run($start);
$simulator->delete_faults;
isnt($echo->{sqlstate}, '', 'a message that echoes secrets is an error');
like($echo->{detail} // '', qr/\*\*\*/, 'the secrets in it are masked');

# ----- cancelled, timed out, caught -----

sub log_of
{
	my ($code) = @_;
	my $offset = -s $node->logfile;
	$code->();
	return $node->log_text($offset);
}

$simulator->config(latency_ms => 600_000);
my $log = log_of(sub {
		$session->run("ALTER SERVER digitalocean OPTIONS (SET request_timeout '60s')");
		$session->run("SET statement_timeout = '200ms'");
		my $result = $session->run($start);
		is($result->{sqlstate}, '57014', 'a start times out');
		$session->run('RESET statement_timeout');
		$session->post($start);
		OnlineMigrations::Waiting::is_waiting($node, $session->pid);
		my $seen = $node->safe_psql('digitalocean', 'SELECT wait_event_type, wait_event
			FROM pg_stat_activity WHERE pid = ' . $session->pid);
		like($seen, qr/^Extension\|\w+$/, 'pg_stat_activity shows a wait event');
		kill 'INT', $session->pid;
		is($session->result->{sqlstate}, '57014', 'a start is cancelled'); });
$simulator->config(latency_ms => 0);
clean_ok($log, 'a start that ends early leaves no secret in the log');
unlike($log, qr/STATEMENT:.*databases_update/s, 'nor its statement');

my $block = 'DO $b$ BEGIN PERFORM * FROM databases.databases_update_online_migration('
  . "'$cluster', $source, replace => true);"
  . ' EXCEPTION WHEN OTHERS THEN RAISE WARNING $m$caught %$m$, SQLERRM; END $b$';
$simulator->fault('status', uuid => $cluster, status => 422);
$log = log_of(sub {
		my $result = $session->run($block);
		like($result->{err}, qr/caught could not start/, 'plpgsql catches the error of a start');
		clean_ok($result->{err}, 'what it knows of the error has no secret'); });
clean_ok($log, 'nor has the log');

$log = log_of(sub {
		$session->run('CREATE FUNCTION nested(s jsonb) RETURNS text LANGUAGE plpgsql AS $$
			BEGIN RETURN (SELECT status FROM databases.databases_update_online_migration('
			. "'$cluster', s, replace => true)); END \$\$");
		$session->run('CREATE FUNCTION inline(s jsonb) RETURNS text LANGUAGE sql AS $$
			SELECT status FROM databases.databases_update_online_migration('
			. "'$cluster', s, replace => true) \$\$"); });
$log = log_of(sub {
		is($session->run("SELECT nested($source)")->{sqlstate}, '22023', 'within a function');
		is($session->run("SELECT inline($source)")->{sqlstate}, '22023', 'within an SQL function');
		$session->run("PREPARE p AS $start");
		is($session->run('EXECUTE p')->{sqlstate}, '22023', 'prepared'); });
clean_ok($log, 'the log of these has no secret');
$simulator->delete_faults;

# Arguments that are wrong are errors of the start, too.
for my $wrong (
	qq({"host": "src.example.com", "port": "x", "password": "s3cr3t"}),
	qq({"host": "src.example.com", "port": 1, "passwort": "s3cr3t"}),
	qq({"host": "src.example.com", "port": 1, "password": {"a": "s3cr3t"}}),
	qq({"host": "", "port": 1, "password": "s3cr3t"}),
	qq(["s3cr3t"]))
{
	my $result;
	$log = log_of(sub {
			$result = $session->run("SELECT * FROM databases.databases_update_online_migration(
				'$cluster', '$wrong')") });
	is($result->{sqlstate}, '22023', 'a wrong source is refused') or diag($result->{err});
	clean_ok($result->{err}, 'without showing it');
	clean_ok($log, 'nor logging it');
}

# ----- what else shows something -----

sub shows_ok
{
	my ($sql, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $session->run($sql);
	is($result->{err}, '', "$name works");
	clean_ok($result->{out}, "$name shows no secret");
	return;
}

shows_ok("EXPLAIN (ANALYZE, VERBOSE, COSTS off, FORMAT $_) $status", "EXPLAIN in $_")
  for qw(text json xml yaml);
$node->safe_psql('digitalocean', 'CREATE ROLE onlooker LOGIN;
	GRANT USAGE ON SCHEMA databases TO onlooker');
shows_ok('SET ROLE onlooker; SELECT umoptions FROM pg_user_mappings; RESET ROLE',
	'pg_user_mappings for another role');
$session->run('DEALLOCATE ALL');
shows_ok('SELECT name, ident FROM pg_backend_memory_contexts', 'pg_backend_memory_contexts');

# ----- a migration whose id or status is a secret -----

point_to('http');
$node->safe_psql('digitalocean', "ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token '$token')");
$node->safe_psql('digitalocean', 'SELECT databases.online_migrations_fdw_rate_limits_reset()');
my $wait = "CALL databases.databases_wait_online_migration('$cluster', timeout => '0')";
my $many = "CALL databases.databases_wait_online_migrations('{$cluster}', timeout => '0')";
for my $repeated ($token, 'password')
{
	my $body = $repeated eq $token ? qq({"id": "$token", "status": "$token", "created_at": "2026-01-01T00:00:00Z"})
		: qq({"id": "some-id", "status": "$json", "created_at": "2026-01-01T00:00:00Z"});
	$simulator->delete_faults;
	$simulator->fault('custom', status => 200, body => $body);
	my @statements = ($start =~ s/replace => true/replace => false/r);

	# a token is longer than an id of a start that counts
	push @statements, $repeated eq $token ? ($wait, $many) : ($start);
	for my $statement (@statements)
	{
		my $result = $node->run_sql($statement);
		like("$result->{err}$result->{out}", qr/\*\*\*/, 'an id or a status that is a secret is masked');
		clean_ok($result->{err}, '  and does not show');
	}
}
$simulator->delete_faults;

# ----- the whole log -----

# All but the lines in which PostgreSQL shows statements itself.
sub log_without_statements
{
	my ($shown, @kept) = (1);
	for my $line (split /\n/, $node->log_text)
	{
		$shown = $line !~ /STATEMENT:  |QUERY:  |statement: / unless $line =~ /^\t/;
		push @kept, $line if $shown;
	}
	return join "\n", @kept;
}

$session->close;
my $whole = log_without_statements();
cmp_ok(length $whole, '>', 10_000, 'the log is a talkative one');
clean_ok($whole, 'the whole log has no secret outside of statements');
done_testing();
