# The simulator keeps state as the API does, over HTTP/1.1 and HTTP/2.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../lib";

use HTTP::Tiny;
use JSON::PP;
use Test::More;

use OnlineMigrations::Simulator;

my $simulator = OnlineMigrations::Simulator->start;
my $client = HTTP::Tiny->new(keep_alive => 0, default_headers => { Authorization => 'Bearer dop_v1_simulator' });
my $cluster = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
my $path = "/v2/databases/$cluster/online-migration";

sub ask
{
	my ($method, $what, $body, %headers) = @_;

	return $client->request($method, $simulator->http . $what,
		{ headers => \%headers, defined $body ? (content => $body) : () });
}

my $source = '{"source":{"host":"src.example.com","port":25060},"disable_ssl":false,"ignore_dbs":[]}';
is(ask('GET', $path)->{status}, 404, 'no migration at first');
is(ask('GET', $path, undef, Authorization => 'Bearer dop_v1_unknown')->{status}, 401, 'unknown token');
is(ask('PUT', $path, '{"source":{"host":1}}')->{status}, 422, 'a bad source');
$simulator->config(kickoff_ms => 0, running_ms => 60_000);
my $started = ask('PUT', $path, $source);
is($started->{status}, 200, 'started');
my $id = decode_json($started->{content})->{id};
is(decode_json(ask('GET', $path)->{content})->{status}, 'running', 'and running');
ok(defined $started->{headers}{'ratelimit-remaining'} && defined $started->{headers}{'x-request-id'}, 'headers');
is(ask('DELETE', "$path/other")->{status}, 404, 'another migration');
is(ask('DELETE', "$path/$id")->{status}, 204, 'stopped');
is(decode_json(ask('GET', $path)->{content})->{status}, 'canceled', 'and canceled');
is(ask('DELETE', "$path/$id")->{status}, 404, 'only once');

my $page = decode_json(ask('GET', '/v2/databases?page=1&per_page=4')->{content});
is(scalar @{ $page->{databases} }, 4, 'a page of four');
is($page->{meta}{total}, 10, 'of ten');
like($page->{links}{pages}{next}, qr/page=2/, 'with a next one');

is(ask('GET', '/v2/databases/0badc0de-0000-4000-8000-000000000503/online-migration')->{status}, 503, 'magic status');
$simulator->fault('close_before', uuid => $cluster, times => 2); # HTTP::Tiny tries twice
is(ask('GET', $path)->{status}, 599, 'a fault');
is(ask('GET', $path)->{status}, 200, 'so many times');
is(ask('GET', '/v2/databases/0badc0de-0001-4000-8000-000000000028/online-migration')->{content}, 'This is not JSON.', 'magic fault');

$simulator->token('dop_v1_burst', account => 'dop_v1_simulator', burst => 2);
my @burst = map { ask('GET', $path, undef, Authorization => 'Bearer dop_v1_burst') } 1 .. 3;
is(join(' ', map { $_->{status} } @burst), '200 200 429', 'a burst');
is($burst[2]{headers}{'ratelimit-remaining'}, 5000, 'of which the headers tell nothing');
like($burst[2]{headers}{'retry-after'}, qr/^(59|60)$/, 'but how long it lasts');
$simulator->token('dop_v1_silent', account => 'dop_v1_simulator', headers => 'false');
is(ask('GET', $path, undef, Authorization => 'Bearer dop_v1_silent')->{headers}{'ratelimit-limit'}, undef, 'no headers');

my @log = $simulator->log;
is($log[0]{method}, 'GET', 'the log');
is($simulator->counters->{put}, 2, 'the counters');
is($simulator->counters->{destroy_cluster}, 0, 'nothing destroyed');
$simulator->reset;
is(scalar(() = $simulator->log), 0, 'forgotten');

SKIP:
{
	skip 'curl is not there', 3 if system('curl --version >/dev/null 2>&1') != 0;
	my @curl = ('curl', '-s', '--cacert', $simulator->ca_file, '-H', 'Authorization: Bearer dop_v1_simulator');
	my $version = qx(@{[ map { "'$_'" } @curl ]} -o /dev/null -w '%{http_version} %{http_code}' @{[ $simulator->https . $path ]});

	is($version, '2 404', 'HTTP/2');
	$version = qx(@{[ map { "'$_'" } @curl ]} -o /dev/null -w '%{http_version} %{http_code}' @{[ $simulator->url('https_h1') . $path ]});
	is($version, '1.1 404', 'HTTP/1.1 over TLS');
	is(system("@{[ map { qq('$_') } @curl ]} -o /dev/null @{[ $simulator->url('https_expired') . $path ]}") >> 8, 60, 'expired');
}
$simulator->stop;
done_testing();
