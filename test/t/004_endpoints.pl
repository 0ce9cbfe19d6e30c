# Where a token must never be sent: to a proxy, to where a redirect points, in
# clear text; and how often a request is tried that is not answered in time.
# (What can go wrong with an endpoint: 017_faults.pl.)
use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use POSIX ();
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
$simulator->migration($cluster, 'running', 'some-id');

# The server process finds this proxy in its environment.
my $proxy = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
  or die "cannot listen: $!\n";
my $proxy_url = 'http://127.0.0.1:' . $proxy->sockport;
local @ENV{qw(http_proxy HTTP_PROXY all_proxy ALL_PROXY)} = ($proxy_url) x 4;
my $node = OnlineMigrations::TestNode->start('errors', simulator => $simulator,
	server_options => { max_retries => 0 });
delete @ENV{qw(http_proxy HTTP_PROXY all_proxy ALL_PROXY)};

# ----- no proxy -----

sub nobody_came_ok
{
	my ($listener, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(!IO::Select->new($listener)->can_read(0), $name);
	return;
}

my $status = "SELECT status FROM databases.online_migrations
	WHERE database_cluster_uuid = '$cluster'";
$node->psql_ok($status, 'running', 'http goes straight to the host');
nobody_came_ok($proxy, 'the proxy of the environment saw nothing');
$node->psql_ok("SELECT databases.databases_delete_online_migration('$cluster', 'nothing',
	missing_ok => true)", 'f', 'a stop, too');
nobody_came_ok($proxy, 'the proxy saw nothing of the stop');

# The rest is about TLS, which would go through the proxy.
$node->restart;

# ----- other endpoints -----

sub add_server
{
	my ($name, %options) = @_;
	return $node->add_server($name, max_retries => 0, %options);
}

sub status_at
{
	my ($schema) = @_;
	return "SELECT status FROM $schema.online_migrations
		WHERE database_cluster_uuid = '$cluster'";
}

my @ca = (ca_file => $simulator->ca_file);

# HTTP/1.1 over TLS works.
add_server('only_h1', endpoint => $simulator->url('https_h1'), @ca);
$node->psql_ok(status_at('only_h1'), 'running', 'a server that has no HTTP/2');
is(($simulator->log)[-1]{http}, '1.1', 'the request came over HTTP/1.1');

# ----- answers that do not come in time -----

# request_timeout counts for each try, and a GET is tried again.
add_server('patient', endpoint => $simulator->http, request_timeout => '400ms',
	max_retries => 2, max_retry_wait => '10ms');
$simulator->fault('hang', uuid => $cluster, times => 2);
$node->requests_ok({ GET => 3 }, sub {
		$node->psql_ok(status_at('patient'), 'running', 'the third try is answered') },
	'three tries');
$simulator->fault('hang', uuid => $cluster);
$node->requests_ok({ GET => 3 }, sub {
		$node->psql_fails(status_at('patient'), 'HV00L', qr/Tried 3 times/, 'no try is') },
	'max_retries 2 are three tries');
$simulator->delete_faults;

# ----- servers that do not speak TLS, or none of what we speak -----

# Whoever comes is told the same, once he has said something.
sub babbler
{
	my ($words) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die "cannot listen: $!\n";
	my $pid = fork // die "cannot fork: $!\n";
	return ($listener->sockport, $pid) if $pid;
	while (my $client = $listener->accept)
	{
		sysread $client, my $hello, 4096;
		syswrite $client, $words;
		close $client;
	}
	POSIX::_exit(0);
}

for my $case (
	[ 'plain HTTP', "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n", 1 ],
	[ 'SSH', "SSH-2.0-OpenSSH_9.2\r\n", 1 ],
	[ 'records that are too long', "\x16\x03\x03\xff\xff" . 'x' x 64, 1 ],
	[ 'no name of ours', "\x15\x03\x01\0\2\2\x70", 1 ],
	[ 'no protocol of ours', "\x15\x03\x01\0\2\2\x78", 1 ],
	[ 'that it has a trouble of its own', "\x15\x03\x01\0\2\2\x50", 3 ])
{
	my ($what, $words, $tries) = @$case;
	my ($port, $pid) = babbler($words);
	my $name = "babbler_$port";
	add_server($name, endpoint => "https://127.0.0.1:$port", max_retries => 2, max_retry_wait => '10ms');
	my $result = $node->psql_fails(status_at($name), 'HV00N', qr/SSL|TLS/, "a server that says $what");
	my ($tried) = ($result->{detail} // '') =~ /Tried (\d+) times/;
	is($tried // 1, $tries, $tries == 1 ? '  is not tried again' : '  is');
	kill 'TERM', $pid;
	waitpid $pid, 0;
}

# ----- redirects -----

my $elsewhere = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5)
  or die "cannot listen: $!\n";
for my $code (301, 302, 303, 307, 308)
{
	$simulator->fault('redirect', uuid => $cluster, status => $code, times => 1,
		location => 'http://127.0.0.1:' . $elsewhere->sockport . '/');
	$node->requests_ok({ GET => 1 }, sub {
			$node->psql_fails($status, 'HV000', qr/HTTP status $code/, "$code is an error") },
		"$code: asked once");
	nobody_came_ok($elsewhere, "$code: not followed");
}
$simulator->delete_faults;

# ----- a token in clear text -----

for my $host ('example.com', '192.0.2.1', '127.0.0.1.example.com', 'localhost.example.com', '[::2]')
{
	$node->psql_fails("CREATE SERVER clear FOREIGN DATA WRAPPER online_migrations_fdw
		OPTIONS (endpoint 'http://$host')", '22023', undef, "http to $host is refused");
}

done_testing();
