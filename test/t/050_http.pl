# HTTP as it is spoken: starts that wait for no read, servers that carry one
# exchange at a time, refuse streams, want HTTP/1.1 or a client's certificate,
# or never stop talking; and proxies whose password nobody is to see.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# It takes a few milliseconds.  A loaded machine is no reason to fail; else it
# would be half a minute or more.
my $AT_ONCE = 15;

my $PROXY = 'http://bob:p#ss-w0rd@proxy.invalid:3128';

my $simulator = OnlineMigrations::Simulator->start;
$simulator->token($OnlineMigrations::TestNode::TOKEN, limit => 10_000_000);
my $node = start_node();
my @clusters = map { sprintf 'fa050000-0000-4000-8000-%012d', $_ } 1 .. 100;
for my $cluster (@clusters)
{
	$simulator->cluster($cluster, engine => 'pg');
	$simulator->migration($cluster, 'done', "id-$cluster");
}

# The environment of a server names a proxy, but not for the simulator.
sub start_node
{
	local $ENV{https_proxy} = $PROXY;
	local $ENV{no_proxy} = 'localhost,127.0.0.1';
	return OnlineMigrations::TestNode->start('http', simulator => $simulator, log_level => 'warning');
}

my @ca = (ca_file => $simulator->ca_file);
my $servers = 0;

# A schema with tables of a server with these options.
sub add_server
{
	my (%options) = @_;
	my $name = 's' . ++$servers;
	$node->add_server($name, max_retry_wait => '20ms', %options);
	return $name;
}

sub list { return join ', ', map { "'$_'" } @_; }

sub statuses
{
	my ($schema, @keys) = @_;
	return "SELECT count(*) FROM $schema.online_migrations WHERE database_cluster_uuid IN (" . list(@keys) . ')';
}

sub start_of
{
	my ($schema, $cluster, %arguments) = @_;
	my $more = join '', map { ", $_ => $arguments{$_}" } sort keys %arguments;
	return "SELECT status FROM databases.databases_update_online_migration('$cluster',
		'{\"host\":\"h\",\"port\":1,\"dbname\":\"d\",\"username\":\"u\",\"password\":\"p\"}', server => '$schema'$more)";
}

sub stop_of
{
	my ($schema, $cluster) = @_;
	return "SELECT databases.databases_delete_online_migration('$cluster', 'id-$cluster', server => '$schema')";
}

# ----- starts and stops wait for no read -----

sub try_start_beside_reads
{
	my ($over, $concurrency) = @_;
	my $name = "$over, max_concurrency $concurrency";
	my $schema = add_server(endpoint => $simulator->url($over), max_concurrency => $concurrency,
		$over eq 'http' ? () : @ca);
	# a start is remembered: each is of another cluster
	my ($read, $hung, $stopped, $started) = @clusters[ 0 .. 2, 50 + $servers ];
	my $session = OnlineMigrations::Session->open($node);
	$simulator->fault('slow_first_byte', uuid => $hung, ms => 40_000, method => 'GET');
	$simulator->migration($stopped, 'running', "id-$stopped");
	$session->run("BEGIN; DECLARE c CURSOR FOR SELECT status FROM $schema.online_migrations
		WHERE database_cluster_uuid IN (" . list($read, $hung) . ')');
	is($session->run('FETCH 1 FROM c')->{out}, 'done', "a cursor has its first row: $name");
	$session->run('SAVEPOINT s');
	$session->run(q{SET LOCAL statement_timeout = '300ms'});
	is($session->run('FETCH 1 FROM c')->{sqlstate}, '57014', "the second one hangs: $name")
	  if $concurrency == 1;
	$session->run('ROLLBACK TO s') if $concurrency == 1;
	$session->run('SET LOCAL statement_timeout = 0');
	my $result = $session->run(start_of($schema, $started));
	is($result->{out}, 'running', "a start is carried out: $name") or diag($result->{err});
	cmp_ok($result->{seconds}, '<', $AT_ONCE, "at once: $name");
	$result = $session->run(stop_of($schema, $stopped));
	is($result->{out}, 't', "and a stop: $name") or diag($result->{err});
	cmp_ok($result->{seconds}, '<', $AT_ONCE, "at once, too: $name");
	$session->close;
	$simulator->delete_faults;
	$simulator->migration($_, 'done', "id-$_") for $started, $stopped;
	return;
}

try_start_beside_reads(@$_) for map { my $over = $_; map { [ $over, $_ ] } 1, 2 } qw(http https https_h1);

# ----- one exchange at a time -----

sub try_hanging_first
{
	my ($over, $warm) = @_;
	my $name = $over . ($warm ? ', a server that is known' : ', the very first answer');
	my $schema = add_server(endpoint => $simulator->url($over), @ca);
	my $session = OnlineMigrations::Session->open($node);
	$session->run(statuses($schema, $clusters[0])) if $warm;
	$simulator->reset_counters;
	$simulator->fault('hang', uuid => $clusters[0]);
	$session->post(statuses($schema, @clusters[ 0 .. 9 ]));
	my $began = time;
	ok(OnlineMigrations::Waiting::until_true(sub { $simulator->counters->{get_status} >= 10 || time - $began > $AT_ONCE })
		  && time - $began < $AT_ONCE, "one answer that hangs holds up no others: $name");
	is($simulator->counters->{get_status}, 10, "all have been asked: $name");
	$session->interrupt;
	$session->result;
	$session->close;
	$simulator->delete_faults;
	return;
}

try_hanging_first(@$_) for [ 'https', 0 ], [ 'https_h1', 0 ], [ 'https_h1', 1 ];

# What is multiplexed still goes over one connection.
sub try_one_connection
{
	my $schema = add_server(endpoint => $simulator->https, @ca);
	$simulator->config(latency_ms => 300);
	$simulator->reset_counters;
	is($node->run_sql(statuses($schema, @clusters[ 0 .. 49 ]))->{out}, 50, 'slow answers over HTTP/2');
	is($simulator->counters->{connections}, 1, 'come over one connection');
	$simulator->config(latency_ms => 0);
	return;
}

try_one_connection();

# ----- every try ends, and counts -----

sub try_silent_host
{
	my $schema = add_server(endpoint => $simulator->url('blackhole'), connect_timeout => '100ms', max_retries => 2, @ca);
	my $result = $node->run_sql(statuses($schema, $clusters[0]), timeout => 30);
	is($result->{sqlstate}, 'HV00N', 'a host that accepts and says nothing');
	like($result->{detail}, qr/Tried [345] times/, 'is tried as often as it says') or diag($result->{err});
	cmp_ok($result->{seconds}, '<', $AT_ONCE, 'and no longer');
	return;
}

sub try_refused_streams
{
	my ($retries, @keys) = @_;
	my $schema = add_server(endpoint => $simulator->https, max_retries => $retries, @ca);
	$simulator->fault('rst_stream', code => 7);
	$simulator->reset_counters;
	my $result = $node->run_sql(statuses($schema, @keys));
	my $requests = $simulator->counters->{get_status};
	$simulator->delete_faults;
	is($result->{sqlstate}, 'HV00L', 'refused streams');
	my $tries = $result->{detail} =~ /Tried (\d+) times/ ? $1 : 1;
	my $most = 1 + $retries + (@keys > 1 ? 1 : 0);
	like($result->{detail}, qr/The server refused the stream\./, '  which is what it says') if @keys == 1;
	cmp_ok($tries, '<=', $most, "end after $tries tries, max_retries $retries");
	cmp_ok($requests, '<=', @keys * $most, "each a request: $requests");
	is($requests, $tries, 'and no more') if @keys == 1;
	return;
}

# That a connection was kept is no reason for a request to fail: one that ends
# costs a request, once, on top of max_retries.
sub try_stale_connections
{
	my ($over, $retries) = @_;
	my $schema = add_server(endpoint => $simulator->url($over), max_retries => $retries, $over eq 'http' ? () : @ca);
	my $session = OnlineMigrations::Session->open($node);
	my $name = "kept connections that end, $over, max_retries $retries";
	for my $times (1, 1000)
	{
		$session->run(statuses($schema, $clusters[0]));
		$simulator->fault('close_before', uuid => $clusters[1], method => 'GET', times => $times);
		$simulator->clear_log;
		my $result = $session->run(statuses($schema, $clusters[1]));
		my $requests = () = $simulator->log;
		$simulator->delete_faults;
		is($result->{out}, 1, "$name, once") or diag($result->{err}) if $times == 1;
		is($result->{sqlstate}, 'HV00L', "$name, always") if $times > 1;
		is($requests, $times == 1 ? 2 : 1 + $retries + 1, '  requests');
		like($result->{detail}, qr/Tried $requests times/, '  which is what it says') if $times > 1;
	}
	$session->close;
	return;
}

sub try_refused_start
{
	my ($fault, %how) = @_;
	my $schema = add_server(endpoint => $simulator->https, max_retries => 3, @ca);
	$simulator->fault($fault, %how, method => 'PUT', times => 2);
	$simulator->clear_log;
	my $result = $node->run_sql(start_of($schema, $clusters[0], replace => 'true'));
	is($result->{out}, 'running', "a start whose stream is refused twice, by $fault") or diag($result->{err});
	is(scalar(grep { $_->{method} eq 'PUT' } $simulator->log), 3, 'is sent three times');
	$simulator->delete_faults;
	$simulator->migration($clusters[0], 'done', "id-$clusters[0]");
	return;
}

try_silent_host();
try_refused_streams(2, $clusters[0]);
try_refused_streams(2, @clusters);
try_refused_start('rst_stream', code => 7);
try_refused_start('goaway', code => 0);
try_refused_streams(0, $clusters[0]);
try_stale_connections(@$_) for map { my $over = $_; map { [ $over, $_ ] } 0, 1, 3 } qw(http https https_h1);

# ----- versions of HTTP -----

sub try_http1_required
{
	my ($fault) = @_;
	my $schema = add_server(endpoint => $simulator->https, max_retries => 2, @ca);
	my $session = OnlineMigrations::Session->open($node);
	# over HTTP/2, such a server says nothing else; the first try does not know why
	$simulator->fault($fault, code => 13, times => 2);
	$simulator->clear_log;
	my $result = $session->run(statuses($schema, $clusters[0]));
	is($result->{out}, 1, "a read that gets HTTP_1_1_REQUIRED by $fault") or diag($result->{err});
	is(($simulator->log)[-1]{http}, '1.1', 'is answered over HTTP/1.1') or diag(explain(($simulator->log)[-1]));
	$simulator->clear_log;
	$session->run(statuses($schema, @clusters));
	is(scalar(grep { $_->{http} ne '1.1' } $simulator->log), 0, 'as are all that follow');
	$session->close;
	$simulator->delete_faults;
	return;
}

sub try_http1_required_start
{
	my ($fault) = @_;
	my $schema = add_server(endpoint => $simulator->https, max_retries => 2, @ca);
	# covered: else libcurl 8.14 knows that it has not been looked at
	$simulator->fault($fault, code => 13, method => 'PUT', $fault eq 'goaway' ? (covered => 'true') : ());
	my $result = $node->run_sql(start_of($schema, $clusters[1], replace => 'true'));
	is($result->{sqlstate}, 'HV010', "a start that gets HTTP_1_1_REQUIRED by $fault has an unknown outcome");
	like($result->{hint}, qr/"http_version" to '1\.1'/, 'and the hint names the way out') or diag($result->{err});
	$simulator->delete_faults;
	$node->safe_psql('digitalocean', "ALTER SERVER $schema OPTIONS (ADD http_version '1.1')");
	$simulator->clear_log;
	is($node->run_sql(start_of($schema, $clusters[1], replace => 'true'))->{out}, 'running', 'with it, it works');
	is(($simulator->log)[-1]{http}, '1.1', 'over HTTP/1.1');
	$simulator->migration($clusters[1], 'done', "id-$clusters[1]");
	return;
}

sub try_http2_wanted
{
	my $schema = add_server(endpoint => $simulator->https, http_version => '2', @ca);
	is($node->run_sql(statuses($schema, $clusters[0]))->{out}, 1, 'http_version 2 where there is HTTP/2');
	$schema = add_server(endpoint => $simulator->url('https_h1'), http_version => '2', max_retries => 0, @ca);
	my $result = $node->run_sql(statuses($schema, $clusters[0]));
	is($result->{sqlstate}, 'HV00N', 'and where there is none');
	like($result->{detail}, qr/does not speak HTTP\/2/, 'it says so');
	$schema = add_server(endpoint => $simulator->http, http_version => '2');
	$result = $node->run_sql(statuses($schema, $clusters[0]));
	is($result->{sqlstate}, 'HV00N', 'and on plain http');
	like($result->{detail}, qr/does not speak HTTP\/2.*"http_version"/, 'it says so, too');
	unlike($result->{err}, qr/Tried [2-9]/, 'and is tried once');

	# Plain HTTP that begins with HTTP/2: statement by statement, many at once,
	# and after a failure.
	$schema = add_server(endpoint => $simulator->url('http2'), http_version => '2');
	my $session = OnlineMigrations::Session->open($node);
	is($session->run(statuses($schema, $clusters[0]))->{out}, 1, "$_ over plain HTTP/2") for qw(a first a second);
	is($session->run(statuses($schema, @clusters))->{out}, scalar(@clusters), 'many over plain HTTP/2');
	$simulator->fault('status', uuid => $clusters[0], method => 'GET', status => 503, times => 1);
	is($session->run(statuses($schema, $clusters[0]))->{out}, 1, 'again after a failure');
	$simulator->delete_faults;
	$session->close;
	return;
}

try_http1_required($_) for qw(rst_stream goaway);
try_http1_required_start($_) for qw(rst_stream goaway);
try_http2_wanted();

# ----- a certificate of the client's -----

sub try_client_certificate
{
	my ($over) = @_;
	my $schema = add_server(endpoint => $simulator->url($over), max_retries => 2, @ca);
	my %tried = (read => statuses($schema, $clusters[0]), start => start_of($schema, $clusters[0], replace => 'true'),
		stop => stop_of($schema, $clusters[0]));
	for my $what (sort keys %tried)
	{
		my $result = $node->run_sql($tried{$what});
		is($result->{sqlstate}, 'HV00N', "$over, $what") or diag($result->{err});
		unlike($result->{detail}, qr/Tried/, "$over, $what: once, for it can not pass");
	}
	return;
}

try_client_certificate($_) for qw(https_client https_client12);

sub try_old_tls
{
	my $result = $node->run_sql(statuses(add_server(endpoint => $simulator->url('https_tls11'), max_retries => 2, @ca),
			$clusters[0]));
	is($result->{sqlstate}, 'HV00N', 'a server that has no TLS 1.2');
	unlike($result->{detail}, qr/Tried/, 'is tried once');
	return;
}

try_old_tls();

# ----- frames without an end -----

sub try_flood
{
	my ($what, $before, $timeout, $sqlstate, $act) = @_;
	my $schema = add_server(endpoint => $simulator->https, max_retries => 0, request_timeout => $timeout, @ca);
	$simulator->fault('empty_frames', ms => 40_000, uuid => $clusters[5]);
	$simulator->reset_counters;
	my $session = OnlineMigrations::Session->open($node);
	$session->run($before);
	my $began = time;
	$session->post(statuses($schema, $clusters[5]));
	OnlineMigrations::Waiting::until_true(sub { $simulator->counters->{get_status} });
	$act->($session);
	my $result = $session->result;
	cmp_ok(time - $began, '<', $AT_ONCE, "a flood of empty frames does not hold off $what");
	# a newer nghttp2 has had enough of them before that
	$sqlstate = qr/^HV00L$/ if $result->{err} =~ /ENHANCE_YOUR_CALM/;
	like($result->{sqlstate}, $sqlstate, "which ends it: $what") or diag($result->{err});
	$session->close;
	$simulator->delete_faults;
	return;
}

try_flood('statement_timeout', q{SET statement_timeout = '300ms'}, '1min', qr/^57014$/, sub { });
try_flood('cancel', '', '1min', qr/^57014$/, sub { $node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $_[0]->pid . ')') });
try_flood('request_timeout', '', '2s', qr/^HV00L$/, sub { });

# ----- an answer too many -----

# Sent in one go with the body that was asked for, it is with the TLS library
# before anybody could see that the connection has something to read: it must
# not be taken for the next one's.
sub try_extra_answer
{
	my ($over, $method) = @_;
	my $schema = add_server(endpoint => $simulator->url($over), max_retries => 0, max_concurrency => 1, $over eq 'http' ? () : @ca);
	my $head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
	my ($right, $extra) = map { qq({"id":"$_","status":"running"}) } qw(right extra);
	my $answer = $head . length($right) . "\r\n\r\n";
	my $session = OnlineMigrations::Session->open($node);
	my $id_of = sub { "SELECT id FROM $schema.online_migrations WHERE database_cluster_uuid = '$_[0]'" };
	$session->run($id_of->($clusters[0]));
	$simulator->migration($clusters[1], 'running', "id-$clusters[1]");
	$simulator->fault('custom', uuid => $clusters[1], method => $method, times => 1, raw => 'true', split => length $answer,
		body => $answer . $right . $head . length($extra) . "\r\n\r\n$extra");
	my $result = $session->run($method eq 'GET' ? $id_of->($clusters[1]) : stop_of($schema, $clusters[1]));
	is($result->{out}, $method eq 'GET' ? 'right' : 't', "an answer too many, $over, $method") or diag($result->{err});
	$simulator->delete_faults;
	$simulator->clear_log;
	is($session->run($id_of->($_))->{out}, "id-$_", '  is no other\'s') for @clusters[ 2, 3 ];
	$simulator->migration($clusters[4], 'running', "id-$clusters[4]");
	$result = $session->run(stop_of($schema, $clusters[4]));
	is($result->{out}, 't', '  a stop') or diag($result->{err});
	is($node->run_sql("SELECT status FROM $schema.online_migrations WHERE database_cluster_uuid = '$clusters[4]'")->{out}, 'canceled', '  has stopped it');
	cmp_ok(scalar($simulator->log), '<=', 5, '  and at most one was sent again');
	$session->close;
	$simulator->migration($clusters[4], 'done', "id-$clusters[4]");
	$simulator->migration($clusters[1], 'done', "id-$clusters[1]");
	return;
}

try_extra_answer(@$_) for map { my $over = $_; map { [ $over, $_ ] } qw(GET DELETE) } qw(http https_h1);

# ----- proxies -----

sub try_proxy
{
	my $schema = add_server(endpoint => 'https://api.invalid', max_retries => 0);
	my $result = $node->run_sql(statuses($schema, $clusters[0]));
	is($result->{sqlstate}, 'HV00N', 'a proxy that does not exist');
	like($result->{hint}, qr/names the proxy "proxy\.invalid"/, 'is named by its host');
	unlike($result->{err}, qr/bob|p#ss|w0rd|3128@/, 'without user and password');
	unlike($node->log_text, qr/bob|p#ss|w0rd/, 'in the log, too');
	return;
}

# Without the "@" the user is the host, and the password what should be a port.
sub try_malformed_proxy
{
	my ($proxy, $host) = @_;
	local $ENV{https_proxy} = $proxy;
	local $ENV{no_proxy} = 'localhost,127.0.0.1';
	$node->restart;
	my $result = $node->run_sql(statuses(add_server(endpoint => 'https://api.invalid'), $clusters[0]));
	is($result->{sqlstate}, 'HV00N', 'a proxy that is not written as one, or lets nothing pass');
	like($result->{hint}, qr/names the proxy "\Q$host\E"/, 'is named by its host');
	unlike($result->{detail}, qr/Tried/, 'once: it can not pass');
	unlike($result->{err} . $node->log_text, qr/p-ss|w0rd/, 'and by nothing else');
	return;
}

try_proxy();
try_malformed_proxy('http://bob:p-ss-w0rd', 'bob');
try_malformed_proxy('http://bob:p-ss%00w0rd@127.0.0.1:3128', '127.0.0.1');
try_malformed_proxy('ftp://bob:p-ss@127.0.0.1:3128', '127.0.0.1');
# The simulator is no proxy: it refuses CONNECT.
try_malformed_proxy($simulator->http =~ s/:\/\//:\/\/bob:p-ss\@/r, '127.0.0.1');

# ----- a libcurl that can do less -----

# Bits of curl_version_info(): CURL_VERSION_HTTP2, CURL_VERSION_ASYNCHDNS.
sub try_poor_libcurl
{
	my $library = PostgreSQL::Test::Utils::tempdir() . '/poor_libcurl.so';
	my $cc = "cc -shared -fPIC -o $library $ENV{OMF_TREE}/test/t/poor_libcurl.c -ldl 2>/dev/null";
  SKIP:
	{
		skip 'no compiler', 5 if system($cc) != 0;
		local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, $library;
		local $ENV{OMF_LACKS} = (1 << 16) | (1 << 7);
		my $poor = OnlineMigrations::TestNode->start('poor', simulator => $simulator, over => 'https', log_level => 'log');
		$simulator->clear_log;
		my $result = $poor->run_sql(statuses('databases', @clusters[ 0 .. 9 ]));
		is($result->{out}, 10, 'without HTTP/2 in libcurl, look-ups work') or diag($result->{err});
		is(scalar(grep { $_->{http} ne '1.1' } $simulator->log), 0, 'over HTTP/1.1');
		like($result->{err}, qr/WARNING: .*can't be interrupted while it looks up a host name/,
			'a resolver that can\'t be interrupted is warned of');
		my $lines = sub { return scalar(() = $poor->log_text =~ /LOG:  online_migrations_fdw speaks HTTP\/1\.1 only/g) };
		my $before = $lines->();
		$poor->run_sql(statuses('databases', $clusters[0]) . ';' . statuses('databases', $clusters[1]));
		is($lines->() - $before, 1, 'one line of the log says so for each session');
		$poor->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (ADD http_version '2')});
		like($poor->run_sql(statuses('databases', $clusters[0]))->{detail}, qr/without HTTP\/2/,
			'HTTP/2 can\'t be insisted on');
	}
	return;
}

try_poor_libcurl();

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:/, 'no process has crashed');

done_testing();
