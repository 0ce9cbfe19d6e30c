# Promises of the documents that no other suite would miss: what is promised
# stands before each.
use strict;
use warnings;

use IPC::Run;
use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
$simulator->migration($cluster, 'running', 'some-id');

# An OpenSSL that would take what is older than TLS 1.2, as some systems' do:
# Debian's own refuses it, so that nobody would notice who asks for it.
my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/openssl.cnf", <<'TEXT');
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = lax
[lax]
MinProtocol = TLSv1
CipherString = DEFAULT@SECLEVEL=0
TEXT
my $node = do {
	local $ENV{OPENSSL_CONF} = "$folder/openssl.cnf";
	OnlineMigrations::TestNode->start('promises', simulator => $simulator, log_level => 'info',
		conf => "log_statement = none\nlog_error_verbosity = verbose\nlog_min_error_statement = error\nlog_parameter_max_length_on_error = -1",
		server_options => { max_retries => 0 });
};

sub status_at
{
	my ($schema) = @_;
	return "SELECT status FROM $schema.online_migrations WHERE database_cluster_uuid = '$cluster'";
}

my $status = status_at('databases');

# ----- timeouts, as they are where nobody has set them: see the end -----

my %late;
my $limited = '00000000-0000-4000-8000-000000000002';
my $other = OnlineMigrations::Simulator->start;
if ($ENV{OMF_TEST_ALL})
{
	$node->add_server('slow_to_connect', endpoint => $simulator->url('blackhole') =~ s/^http:/https:/r, max_retries => 0);
	$node->add_server('slow_to_answer', endpoint => $other->http, max_retries => 0);
	$other->fault('hang', uuid => $cluster);
	$node->add_server('limited', endpoint => $other->http, max_retries => 2);
	$other->token('dop_v1_limited', account => $OnlineMigrations::TestNode::TOKEN);
	$node->safe_psql('digitalocean',
		"ALTER USER MAPPING FOR CURRENT_USER SERVER limited OPTIONS (SET token 'dop_v1_limited')");
	$other->fault('status', uuid => $limited, status => 429, retry_after => 7, times => 2);
	for my $schema (qw(slow_to_connect slow_to_answer limited))
	{
		$late{$schema} = OnlineMigrations::Session->open($node);
		$late{$schema}->post($schema eq 'limited' ? status_at($schema) =~ s/\Q$cluster\E/$limited/r : status_at($schema));
	}
}

# ----- keep passwords out of logs -----

# Errors that the start itself raises keep the statement, its parameters and
# its context out of the server's log, also where the setting is to show them.
sub log_of_extended
{
	my ($sql, %variables) = @_;
	my $offset = -s $node->logfile;
	append_to_file("$folder/script.sql", '');
	open my $script, '>', "$folder/script.sql" or die "cannot write a script: $!\n";
	print $script "$sql;\n";
	close $script;
	my @command = ('pgbench', '-n', '-t', 1, '-M', 'extended', '-f', "$folder/script.sql",
		map({ ('-D', "$_=$variables{$_}") } keys %variables), '-d', $node->connstr('digitalocean'));
	my ($out, $err) = ('', '');
	IPC::Run::run(\@command, '>', \$out, '2>', \$err);
	return $node->log_text($offset);
}

like(log_of_extended("SELECT :shown || 'x', 1 / (length(:shown) - 5)", shown => 'plain'),
	qr/division by zero.*STATEMENT:.*|parameters: \$1 = 'plain'/s, 'the log shows parameters of what fails');
for my $failure ([ 'the API refuses', 422, qr/could not start the online migration/ ],
	[ 'nobody knows the outcome', undef, qr/outcome of starting/ ])
{
	my ($name, $http_status, $message) = @$failure;
	$simulator->fault($http_status ? 'status' : 'close_before', uuid => $cluster, method => 'PUT',
		$http_status ? (status => $http_status) : ());
	my $log = log_of_extended("SELECT * FROM databases.databases_update_online_migration('$cluster', :src, replace => true, server => 'digitalocean')",
		src => '{"host": "src.example.com", "port": 25060, "password": "s3cr3t-parameter"}');
	like($log, $message, "$name: the log has the error of a start");
	unlike($log, qr/s3cr3t|databases_update|parameters:/, "... without statement and parameters");
	$simulator->delete_faults;
}

# The token is masked wherever the API repeats it, in each kind of call.
my $token = 'dop_v1_' . 'f00d' x 16;
$simulator->token($token, account => $OnlineMigrations::TestNode::TOKEN);
$node->safe_psql('digitalocean',
	"ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token '$token')");
my $wait = "CALL databases.databases_wait_online_migration('$cluster', timeout => '2 s', poll_interval => '1 s', server => 'digitalocean')";
for my $call ([ 'a look', $status, 'GET' ],
	[ 'a listing', 'SELECT count(*) FROM databases.clusters', 'LIST' ],
	[ 'a start', "SELECT * FROM databases.databases_update_online_migration('$cluster', '{\"host\": \"h\", \"port\": 1}', replace => true, server => 'digitalocean')", 'PUT' ],
	[ 'a stop', "SELECT databases.databases_delete_online_migration('$cluster', 'some-id', server => 'digitalocean')", 'DELETE' ],
	[ 'a wait', $wait, 'GET' ],
	[ 'ANALYZE', 'ANALYZE databases.clusters', 'LIST' ])
{
	my ($name, $sql, $method) = @$call;
	my $offset = -s $node->logfile;
	$simulator->fault('echo_secrets', method => $method, status => 418);
	my $result = $node->run_sql($sql);
	$simulator->delete_faults;
	isnt($result->{sqlstate}, '', "$name meets an error that repeats the token");
	like($result->{err}, qr/\*\*\*/, "... it is masked");
	unlike($result->{err} . $node->log_text($offset), qr/f00df00d/, "... for the client and in the log");
}
$node->safe_psql('digitalocean',
	"ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token '$OnlineMigrations::TestNode::TOKEN')");

# ----- on the network -----

# HTTPS with TLS 1.2 or later.
$node->add_server('old_tls', endpoint => $simulator->url('https_tls11'),
	ca_file => $simulator->ca_file, max_retries => 0);
$node->add_server('new_tls', endpoint => $simulator->https,
	ca_file => $simulator->ca_file, max_retries => 0);
$node->psql_ok(status_at('new_tls'), 'running', 'TLS 1.2 or later will do');
$node->requests_ok({}, sub {
		$node->psql_fails(status_at('old_tls'), 'HV00N', undef, 'TLS 1.1 will not') },
	'TLS 1.1: nothing is sent');

# An endpoint may end with a slash, which is no segment of what is sent.
$node->add_server('with_slash', endpoint => $simulator->http . '/', max_retries => 0);
$node->psql_ok(status_at('with_slash'), 'running', 'an endpoint with a slash behind it');

# ----- what a scan costs -----

# The most requests that the API had at once while the code ran.
sub at_once
{
	my ($code) = @_;
	$simulator->reset_counters;
	$code->();
	return $simulator->counters->{max_in_flight};
}

# The first page of a listing tells how many there are, and the others are then
# asked for together.
$simulator->token('dop_v1_promises');
$simulator->populate(seed => 20, count => 80, token => 'dop_v1_promises');
$simulator->config(latency_ms => 500, list_max_page => 10);
$node->safe_psql('digitalocean',
	"ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (SET token 'dop_v1_promises')");
is(at_once(sub { $node->psql_ok('SELECT count(*) FROM databases.clusters', '80', 'eight pages') }),
	7, 'seven of the eight pages are asked for together');
# Where only the total tells, they are, too.
$simulator->config(list_links => 'false');
is(at_once(sub { $node->psql_ok('SELECT count(*) FROM databases.clusters', '80', 'eight pages, without links') }),
	7, 'the total tells how many there are');
# Statuses are asked while pages still come in: those of the first page with
# the pages behind it.
is(at_once(sub { $node->psql_ok('SELECT count(*) FROM databases.online_migrations LIMIT 1', '80', 'the statuses') }) > 7,
	1, 'statuses are asked while pages still come in');
$simulator->config(latency_ms => 0, list_max_page => 200, list_links => 'true');

# ----- options of a server, as they are where nobody has set them -----

$node->add_server('defaults', endpoint => $simulator->http, max_retry_wait => '10ms');
$node->safe_psql('digitalocean',
	"ALTER USER MAPPING FOR CURRENT_USER SERVER defaults OPTIONS (SET token 'dop_v1_promises')");
$simulator->populate(seed => 21, count => 300, token => 'dop_v1_promises');
my $many = "SELECT count(*) FROM defaults.online_migrations WHERE database_cluster_uuid = ANY (ARRAY(
	SELECT ('00000015-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid FROM generate_series(1, 300) i))";

# max_retries: 4 tries after the first.
$simulator->fault('status', uuid => $cluster, status => 500);
$node->requests_ok({ GET => 5 }, sub {
		$node->psql_fails(status_at('defaults'), 'HV00L', qr/Tried 5 times/, 'max_retries is 4') },
	'five tries in all');
$simulator->delete_faults;

# max_concurrency: 100 requests in flight at once; those of one scan are in
# flight together.
$simulator->config(latency_ms => 1500);
is(at_once(sub { $node->psql_ok($many, '300', '300 clusters by key') }), 100, 'max_concurrency is 100');
$simulator->config(latency_ms => 0);

# Rows come in the order of the keys, and what arrives early waits for its
# turn: while the first answer is not there, no more is asked ahead than twice
# max_concurrency.
$node->safe_psql('digitalocean', "ALTER SERVER defaults OPTIONS (ADD max_concurrency '5')");
my $first = '00000015-0000-4000-8000-000000000001';
$simulator->fault('hang', uuid => $first);
$simulator->clear_log;
$node->psql_fails($many, '57014', undef, 'the first answer does not come', before => "SET statement_timeout = '1s';");
my $asked = scalar $simulator->log;
ok($asked >= 5 && $asked <= 10, 'at most ten were asked') or diag("asked: $asked");
$simulator->delete_faults;

# connect_timeout is 10s, and request_timeout 30s.
for my $timeout ([ 'slow_to_connect', 'HV00N', 10 ], [ 'slow_to_answer', 'HV00L', 30 ])
{
	my ($schema, $sqlstate, $seconds) = @$timeout;
	next unless $late{$schema};
	my $result = $late{$schema}->result;
	is($result->{sqlstate}, $sqlstate, "$schema: no answer in time");
	ok($result->{seconds} > $seconds - 1 && $result->{seconds} < $seconds + 5, "... after $seconds s")
	  or diag("after $result->{seconds} s");
}

# A pause of more than 5 s is announced by a NOTICE, and a second one in the
# same statement is not.
if ($late{limited})
{
	my $result = $late{limited}->result;
	is($result->{sqlstate} // '', '', 'a statement that waits for the rate limit twice') or diag($result->{err});
	my @notices = $result->{err} =~ /NOTICE:/g;
	is(scalar @notices, 1, '... tells of it once') or diag($result->{err});
	cmp_ok($result->{seconds}, '>', 13, '... and has waited twice');
}

done_testing();
