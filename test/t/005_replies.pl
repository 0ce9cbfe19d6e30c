# Whatever the API, or what stands in its place, answers is a row or an error
# with an SQLSTATE; the backend works on, and the next answer is read right.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
$simulator->migration($cluster, 'syncing', 'some-id', '2020-10-29T15:57:38Z');
my $node = OnlineMigrations::TestNode->start('replies', simulator => $simulator,
	log_level => 'warning', server_options => { max_retries => 0 });
$node->safe_psql('digitalocean', qq{
	CREATE SCHEMA h2;
	CREATE SERVER h2 FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (
		endpoint '${\$simulator->https}', ca_file '${\$simulator->ca_file}', max_retries '0');
	CREATE USER MAPPING FOR CURRENT_USER SERVER h2
		OPTIONS (token '$OnlineMigrations::TestNode::TOKEN');
	IMPORT FOREIGN SCHEMA databases FROM SERVER h2 INTO h2;});

sub select_from
{
	my ($schema) = @_;
	return "SELECT id, created_at AT TIME ZONE 'UTC', status FROM $schema.online_migrations
		WHERE database_cluster_uuid = '$cluster'";
}

my $time = '2020-10-29 15:57:38';
my $good = "some-id|$time|syncing";

sub custom { my ($body, %more) = @_; return [ 'custom', { body => $body, %more } ]; }

# Name, fault with its parameters, and the row, or the SQLSTATE and what the
# error says.
my @replies = (
	# connections that end too early
	[ 'closed before the answer', ['close_before'], HV00L => undef ],
	[ 'reset before the answer', ['reset_before'], HV00L => undef ],
	[ 'closed in the headers', ['close_in_headers'], HV00L => undef ],
	[ 'reset in the headers', ['reset_in_headers'], HV00L => undef ],
	[ 'closed in the body', ['close_in_body'], HV00L => undef ],
	[ 'reset in the body', ['reset_in_body'], HV00L => undef ],
	[ 'half closed in the body', ['half_close'], HV00L => undef ],
	[ 'a chunk cut off', ['truncated_chunk'], HV00L => undef ],
	[ 'less than the stated length', ['bad_content_length'], HV00L => undef ],

	# sizes
	[ 'a body over the cap', ['oversized_body'], 54000 => undef ],
	[ 'chunks over the cap', [ 'oversized_body', { chunked => 'true' } ], 54000 => undef ],
	[ 'a body just under the cap', [ 'oversized_body', { size => 1048576 } ], '||' ],
	[ 'headers over the cap', [ 'oversized_headers', { count => 300 } ], 54000 => undef, 'http' ],
	[ 'many headers', [ 'oversized_headers', { count => 10 } ], $good ],
	[ 'headers under the cap', [ 'oversized_headers', { count => 50 } ], $good ],
	[ 'deep JSON', [ 'deep_json', { depth => 100 } ], 54000 => undef ],
	[ 'very deep JSON', [ 'deep_json', { depth => 100_000 } ], 54000 => undef ],

	# no JSON, or not the right one
	[ 'text', ['not_json'], HV00M => qr/JSON/ ],
	[ 'a page', ['html_200'], HV00M => qr/JSON/ ],
	[ 'JSON cut off', ['truncated_json'], HV00M => qr/JSON/ ],
	[ 'text after the JSON', ['trailing_garbage'], HV00M => qr/JSON/ ],
	[ 'invalid UTF-8', ['invalid_utf8'], HV00M => undef ],
	[ 'a NUL in a string', ['nul_escape'], HV00M => undef ],
	[ 'an array', ['json_array'], HV00M => qr/object/ ],
	[ 'a string', ['json_scalar'], HV00M => undef ],
	[ 'null', ['json_null'], HV00M => undef ],
	[ 'a status that is a number', ['wrong_type'], HV00M => qr/status/ ],
	[ 'an id that is an object', [ 'wrong_type', { field => 'id' } ], HV00M => qr/id/ ],
	[ 'a created_at that is a boolean', [ 'wrong_type', { field => 'created_at' } ], HV00M => qr/created_at/ ],
	[ 'a lone surrogate', custom('{"id":"\ud800","status":"done"}'), "\xef\xbf\xbd||done" ],
	[ 'gzip', ['gzip_body'], HV00M => qr/Content-Encoding/ ],
	[ 'only white space', custom(" \n "), HV00M => undef ],
	[ 'no HTTP', custom('SSH-2.0-OpenSSH', raw => 'true'), HV00L => undef, 'http' ],

	# statuses
	[ '204 where a body belongs', ['no_content_204'], HV000 => qr/204/ ],
	[ '201', custom('{"id":"a"}', status => 201), HV000 => qr/201/ ],
	[ '206', custom('{"id":"a"}', status => 206), HV000 => qr/206/ ],
	[ '304', [ 'status', { status => 304 } ], HV000 => qr/304/, 'http' ],
	[ '400', [ 'status', { status => 400 } ], 22023 => qr/400/ ],
	[ '401', [ 'status', { status => 401 } ], 28000 => qr/401/ ],
	[ '402', [ 'status', { status => 402 } ], HV000 => qr/402/ ],
	[ '403', [ 'status', { status => 403 } ], 42501 => qr/403/ ],
	[ '404', [ 'status', { status => 404 } ], '' ],
	[ '405', [ 'status', { status => 405 } ], HV000 => qr/405/ ],
	[ '409', [ 'status', { status => 409 } ], 55000 => qr/409/ ],
	[ '412', [ 'status', { status => 412 } ], 55000 => qr/412/ ],
	[ '418', [ 'status', { status => 418 } ], HV000 => qr/418/ ],
	[ '422', [ 'status', { status => 422 } ], 22023 => qr/422/ ],
	[ '429', [ 'status', { status => 429 } ], 53400 => qr/429/ ],
	[ '500', [ 'status', { status => 500 } ], HV00L => qr/500/ ],
	[ '502 of a proxy', [ 'status', { status => 502 } ], HV00L => qr/502/ ],
	[ '503 of a proxy', [ 'status', { status => 503 } ], HV00L => qr/503/ ],
	[ '504 of a proxy', [ 'status', { status => 504 } ], HV00L => qr/504/ ],
	[ '599', [ 'status', { status => 599 } ], HV00L => qr/599/ ],
	[ 'an error that is no JSON', custom('oops', status => 403), 42501 => undef ],
	[ 'an error without a body', custom('', status => 403), 42501 => undef ],
	[ 'an error with a body of another shape', custom('{"message":{"a":1},"id":7}', status => 422), 22023 => undef ],
	[ 'a redirect', ['redirect'], HV000 => qr/302/ ],

	# what is a row
	[ 'nothing at all', ['empty_200'], '||' ],
	[ 'an empty object', ['missing_fields'], '||' ],
	[ 'nulls', ['null_fields'], '||' ],
	[ 'a status of another word', ['unknown_status'], "magic|$time|paused" ],
	[ 'interim answers first', ['many_1xx'], $good ],
	[ 'a slow body', [ 'drip', { ms => 1 } ], $good ],
	[ 'a late first byte', [ 'slow_first_byte', { ms => 100 } ], $good ],
	[ 'fields that nobody knows', custom('{"status":"done","more":{"a":[1,2]},"and":null}'), '||done' ],
	[ 'fields in another order, with white space',
		custom("\n {\"status\" : \"done\" ,\t\"id\" : \"a\"}\r\n"), 'a||done' ],
	[ 'letters of all kinds', custom('{"id":"\u00e4\ud83d\ude00\"\\\\","status":"done"}'), "\xc3\xa4\xf0\x9f\x98\x80\"\\||done" ],
	[ 'an id that is a number', custom('{"id":17,"status":"done"}'), HV00M => qr/id/ ],
	[ 'an empty id', custom('{"id":"","status":"done"}'), '||done' ],

	# values that do not fit their column
	[ 'no timestamp', ['bad_timestamp'], 22007 => qr/created_at.*$cluster|$cluster.*created_at/s ],
);

# Where either is good: a parser may take the first or the last of two keys.
my %either = ('a key twice' => [ 'duplicate_keys', qr/^(?:first|second)\|/ ]);

sub works_ok
{
	my ($session, $schema, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$simulator->delete_faults;
	my $result = $session->run(select_from($schema));
	is($result->{out} . $result->{err}, $good, "$name: the next query is right");
	return;
}

# Over a connection of its own: what breaks on a kept one is asked again.
sub try_reply
{
	my ($schema, $name, $fault, $expected, @says) = @_;
	my ($kind, $parameters) = @$fault;
	my $session = OnlineMigrations::Session->open($node);
	$simulator->fault($kind, uuid => $cluster, %{ $parameters // {} });
	my $before = $simulator->counters->{get_status};
	my $result = $session->run(select_from($schema));
	my $asked = $simulator->counters->{get_status} - $before;
	$name = "$name, $schema";
	if (@says)
	{
		is($result->{sqlstate}, $expected, "$name: $expected") or diag($result->{err});
		like($result->{err}, $says[0], "$name: says why") if $says[0];
	}
	else { is($result->{out} . $result->{err}, $expected, "$name: a row, or none"); }
	is($asked, 1, "$name: asked once");
	cmp_ok($result->{seconds}, '<', 5, "$name: in time");
	works_ok($session, $schema, $name);
	$session->close;
	return;
}

for my $schema (qw(databases h2))
{
	for my $reply (@replies)
	{
		my ($name, $fault, $expected, @says) = @$reply;
		my $only = @says > 1 ? pop @says : 'any';
		next if $only eq 'http' && $schema eq 'h2';
		try_reply($schema, $name, $fault, $expected, @says);
	}
	for my $name (sort keys %either)
	{
		my ($fault, $pattern) = @{ $either{$name} };
		my $session = OnlineMigrations::Session->open($node);
		$simulator->fault($fault, uuid => $cluster);
		like($session->run(select_from($schema))->{out}, $pattern, "$name, $schema");
		works_ok($session, $schema, "$name, $schema");
		$session->close;
	}
}

# What only HTTP/2 has.
try_reply('h2', 'a stream that is reset', ['rst_stream'], HV00L => undef);
try_reply('h2', 'GOAWAY that covers the request', [ 'goaway', { covered => 'true' } ], HV00L => undef);

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:/, 'no process has crashed');
done_testing();
