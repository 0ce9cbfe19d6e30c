# The simulator against the API's OpenAPI document: Prism stands in front of
# it as a proxy, and says in a header of the reply what of it breaks the
# document.
use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP qw(decode_json encode_json);
use OnlineMigrations::TestNode;
use Test::More;

my $url = $ENV{OMF_PRISM_PROXY};
my $token = $OnlineMigrations::TestNode::TOKEN;
my $cluster = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
my $stranger = '00000000-0000-4000-8000-00000000dead';
my $path = "/v2/databases/$cluster/online-migration";
my $start = {
	source => { host => 'src.example.com', port => 25060,
		dbname => 'defaultdb', username => 'doadmin', password => 's3cr3t' },
	disable_ssl => JSON::PP::false,
	ignore_dbs => ['db0'],
};

system($ENV{OMF_SIMCTL}, 'reset') == 0 or BAIL_OUT('simctl reset failed');

exchange('PUT', $path, 200, 'a start', body => $start);
my $status = wait_for_status();
exchange('DELETE', "$path/$status->{id}", 204, 'a stop') if $status;
exchange('GET', $path, 200, 'the status after it');
exchange('DELETE', "$path/no-such-migration", 404, 'a stop of none');
exchange('GET', "/v2/databases/$stranger/online-migration", 404,
	'a status of no cluster');
exchange('PUT', "/v2/databases/$stranger/online-migration", 404,
	'a start on no cluster', body => $start);
exchange('GET', $path, 401, 'a wrong token', token => 'dop_v1_wrong');
listing();
done_testing();

# One request through the proxy, and two assertions about its reply.
sub exchange
{
	my ($method, $where, $status, $name, %options) = @_;
	my $request = { headers =>
		  { authorization => 'Bearer ' . ($options{token} // $token) } };
	if ($options{body})
	{
		$request->{content} = encode_json($options{body});
		$request->{headers}{'content-type'} = 'application/json';
	}
	my $reply = HTTP::Tiny->new(timeout => 10)
	  ->request($method, "$url$where", $request);
	is($reply->{status}, $status, "$name: $status")
	  or diag($reply->{content});
	is($reply->{headers}{'sl-violations'}, undef,
		"$name: as the document says");
	return $reply;
}

# For a while after a start the API does not know of it.
sub wait_for_status
{
	my $reply;
	for (1 .. 100)
	{
		$reply = HTTP::Tiny->new(timeout => 10)->get("$url$path",
			{ headers => { authorization => "Bearer $token" } });
		last if $reply->{success};
		select undef, undef, undef, 0.1;
	}
	is($reply->{status}, 200, 'the status of it: 200');
	is($reply->{headers}{'sl-violations'}, undef,
		'the status of it: as the document says');
	return $reply->{success} ? decode_json($reply->{content}) : undef;
}

# All pages, as far as they go.
sub listing
{
	my %seen;
	for my $page (1 .. 1000)
	{
		my $reply = exchange('GET', "/v2/databases?page=$page&per_page=200",
			200, "page $page of the clusters");
		last unless $reply->{success};
		my $clusters = decode_json($reply->{content})->{databases};
		my @new = grep { !$seen{ $_->{id} }++ } @$clusters;
		last unless @new;
	}
	ok(scalar(keys %seen), 'the listing shows clusters');
	return;
}
