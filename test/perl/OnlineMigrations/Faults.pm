# The faults that 017_faults.pl puts the extension through, and what a user is
# to see of each: a table.
#
# rows() are hashes.  What goes wrong:
#
#   name      for people
#   fault     the simulator's fault, and its parameters
#   at        or the name of a server that is wrong itself (the suite has them)
#   over      only over that: http or h2
#   server    the server's options: hasty (short timeouts) or patient (long
#             waits for a rate limit) instead of those of all others
#   times     only "once", or only "forever"; as if not given, both
#
# and what is expected, for each kind of statement (none: not tried):
#
#   read      a status is asked for, alone or among others
#   list      the clusters are listed
#   start     a migration is started
#   stop      a migration is stopped
#   stopped   the same, and the API has done it before the fault strikes
#
# as an SQLSTATE, "ok" (as if there were no fault), "none" (no row), or "row X".
# Behind an SQLSTATE stand
#
#   +         it is tried again: a fault that is there only once goes unnoticed
#   ?         the error says when the start was sent, and to look at the status
#             first; without it, no error may say so
#
# More of what is expected: says (of an error, a pattern), least (seconds),
# breaks (a kept connection may break at any time, so that tries on one do not
# count), sent (0: no request gets through), lingers (something of it stays for
# a while).
package OnlineMigrations::Faults;

use strict;
use warnings;

use IO::Compress::Gzip qw(gzip);
use MIME::Base64 qw(encode_base64);

my $time = '2020-10-29 15:57:38';
my @rows;

# Rows that have all of this in common.
sub _add
{
	my ($common, @given) = @_;
	for my $given (@given)
	{
		my ($name, $fault, %more) = @$given;
		push @rows, { name => $name, %$common, ($fault ? (fault => $fault) : ()), %more };
	}
	return;
}

sub _custom { my ($body, %more) = @_; return [ 'custom', body => $body, %more ]; }
# Bytes that JSON can't hold: a body, or all that is sent.
sub _bytes { my ($bytes, %more) = @_; return [ 'custom', body_base64 => encode_base64($bytes, ''), %more ]; }
sub _raw { my ($bytes) = @_; return _bytes($bytes, raw => 'true'); }
sub _http { my ($rest) = @_; return "HTTP/1.1 200 OK\r\n$rest"; }
sub _answer { my ($rest) = @_; return _raw(_http($rest)); }

sub _status { my ($status, %more) = @_; return [ 'status', status => $status, %more ]; }

sub _same { my ($what) = @_; return map { $_ => $what } qw(read list start stop); }

# ----- connections that end under the request -----

my %lost = (read => 'HV00L+', list => 'HV00L+', start => 'HV010?', stop => 'HV00L+');

_add({ %lost, stopped => 'HV00L+', breaks => 1 },
	[ 'closed before the answer', ['close_before'] ],
	[ 'reset before the answer', ['reset_before'] ],
	[ 'closed in the headers', ['close_in_headers'] ],
	[ 'reset in the headers', ['reset_in_headers'] ],
	[ 'GOAWAY that covers the request', [ 'goaway', covered => 'true' ], over => 'h2' ],
	[ 'GOAWAY with an error', [ 'goaway', covered => 'true', code => 11 ], over => 'h2' ],
	# (13, HTTP_1_1_REQUIRED, sends a session to HTTP/1.1: t/050_http has that)
	map { [ "RST_STREAM $_", [ 'rst_stream', code => $_ ], over => 'h2' ] } 0 .. 6, 8 .. 12);

_add({ %lost, breaks => 1 },
	[ 'closed in the body', ['close_in_body'] ],
	[ 'reset in the body', ['reset_in_body'] ],
	[ 'half closed in the body', ['half_close'] ],
	[ 'RST_STREAM in the body', ['rst_in_body'], over => 'h2' ],
	[ 'a chunk cut off', ['truncated_chunk'] ],
	[ 'less than the stated length', ['bad_content_length'] ],
	[ 'no HTTP', _raw('SSH-2.0-OpenSSH'), over => 'http' ],
	[ 'a chunk whose size is no number', _answer("transfer-encoding: chunked\r\n\r\nzz\r\n"), over => 'http' ],
	[ 'a chunk of a huge size', _answer("transfer-encoding: chunked\r\n\r\nffffffffffffffffffff\r\n"), over => 'http' ]);

# What makes no sense as HTTP.
_add({ %lost, over => 'http' },
	[ 'a version that does not exist', _raw("HTTP/9.9 200 OK\r\ncontent-length: 0\r\n\r\n") ],
	[ 'two lengths', _answer("content-length: 2\r\ncontent-length: 17\r\n\r\n{\"status\":\"done\"}"), says => qr/Content-Length/ ],
	[ 'two lengths in one field', _answer("content-length: 2, 17\r\n\r\n{\"status\":\"done\"}"), says => qr/Content-Length/ ],
	[ 'two lengths, the longer first', _answer("content-length: 17\r\nContent-Length: 2\r\n\r\n{\"status\":\"done\"}"), says => qr/Content-Length/ ],
	[ 'a content-length below zero', _answer("content-length: -5\r\n\r\n") ],
	[ 'a NUL in a header', _answer("x-nul: a\0b\r\ncontent-length: 0\r\n\r\n") ]);
_add({ over => 'http' },
	[ 'more than the stated length', _answer("content-length: 5\r\n\r\n{\"status\":\"done\"}"),
		read => 'HV00M', list => 'HV00M', start => 'HV010?' ],
	[ 'one length twice', _answer("content-length: 17\r\ncontent-length: 17\r\n\r\n{\"status\":\"done\"}"), read => 'row ||done' ],
	[ 'an answer that was not asked for', _raw(join '', map { _http("content-length: 17\r\n\r\n{\"status\":\"$_\"}") } qw(done gone)),
		read => 'row ||done', start => 'HV010?' ]);

# Surely not processed, so that even a start is sent again.
_add({ _same('HV00L+'), breaks => 1, over => 'h2' },
	[ 'a refused stream', [ 'rst_stream', code => 7 ] ]);
# (Starts: 003_start_once.pl, as versions of libcurl differ.)
_add({ %lost, start => undef, breaks => 1, over => 'h2' },
	[ 'GOAWAY that does not cover the request', ['goaway'] ]);

# After the answer nobody minds.
_add({ _same('ok') }, [ 'the connection ends after the answer', ['goaway_idle'] ]);

# ----- time -----

my %late = (server => 'hasty', least => 0.6, says => qr/within 700 ms.*request_timeout|Sent at/s);

_add({ %lost, stopped => 'HV00L+', %late },
	[ 'no answer', ['hang'] ],
	[ 'a first byte too late', [ 'slow_first_byte', ms => 20_000 ] ]);
_add({ %lost, %late, over => 'http' },
	[ 'a body that stops', ['rst_in_body'] ],
	[ 'another protocol, not asked for', _custom('', status => 101) ]);
_add({ %lost, %late }, [ 'a body too slow', [ 'drip', ms => 100 ], stop => 'ok', least => undef ]);
_add({ _same('ok') },
	[ 'a slow body', [ 'drip', ms => 1 ], list => undef ],
	[ 'a late first byte', [ 'slow_first_byte', ms => 50 ] ]);

# ----- sizes -----

_add({ read => '54000', list => '54000', start => 'HV010?' },
	[ 'a body over the cap', ['oversized_body'], list => 'HV00M' ],
	[ 'chunks over the cap', [ 'oversized_body', chunked => 'true' ], list => 'HV00M' ],
	[ 'headers over the cap', [ 'oversized_headers', count => 300 ], over => 'http', stop => '54000' ],
	[ 'interim answers without an end', [ 'many_1xx', count => 2000 ], stop => '54000' ],
	[ 'a trailer over the cap', _answer("transfer-encoding: chunked\r\n\r\n11\r\n{\"status\":\"done\"}\r\n0\r\nx: " . 'a' x 5000 . "\r\n\r\n"),
		over => 'http', stop => '54000', says => qr/trailer/ ],
	[ 'deep JSON', [ 'deep_json', depth => 100 ] ],
	[ 'very deep JSON', [ 'deep_json', depth => 100_000 ] ]);
_add({ list => '54000' },
	[ 'a page over the cap', [ 'oversized_body', size => 17 * 1024 * 1024 ], times => 'once' ]);
_add({ _same('ok') },
	[ 'many headers', [ 'oversized_headers', count => 10 ] ],
	[ 'headers under the cap', [ 'oversized_headers', count => 50 ] ],
	[ 'interim answers first', ['many_1xx'] ]);
_add({ read => 'row ||', start => 'HV010?' },
	[ 'a body just under the cap', [ 'oversized_body', size => 1048576 ] ]);

# What would be large if it were unpacked: it was not asked for.
my $zeros = "\0" x (16 * 1024 * 1024);
gzip(\$zeros => \my $bomb) or die "cannot compress\n";
my %bomb = (body_base64 => encode_base64($bomb, ''));

_add({ read => 'HV00M', list => 'HV00M', start => 'HV010?', says => qr/Content-Encoding/ },
	[ 'gzip', ['gzip_body'] ],
	[ 'a gzip bomb', [ 'custom', %bomb, headers => { 'content-encoding' => 'gzip' } ] ],
	[ 'brotli', _custom('x', headers => { 'content-encoding' => 'br' }) ]);

# ----- no JSON, or not the right one -----

_add({ read => 'HV00M', list => 'HV00M', start => 'HV010?' },
	[ 'text', ['not_json'], says => qr/JSON/ ],
	[ 'a page', ['html_200'], says => qr/JSON/ ],
	[ 'JSON cut off', ['truncated_json'], says => qr/JSON/ ],
	[ 'text after the JSON', ['trailing_garbage'], says => qr/JSON/ ],
	[ 'only white space', _custom(" \n "), read => 'row ||' ],
	[ 'invalid UTF-8', ['invalid_utf8'] ],
	[ 'a NUL in a string', ['nul_escape'] ],
	[ 'an array', ['json_array'], says => qr/object/ ],
	[ 'a string', ['json_scalar'] ],
	[ 'null', ['json_null'] ],
	[ 'a status that is a number', ['wrong_type'], says => qr/status|databases/ ],
	[ 'an id that is an object', [ 'wrong_type', field => 'id' ], says => qr/id|databases/ ],
	[ 'an id that is a number', _custom('{"id":17,"status":"done"}'), says => qr/id|databases/ ],
	[ 'an id that is out of range', ['number_out_of_range'], says => qr/id|databases/ ],
	[ 'a created_at that is a boolean', [ 'wrong_type', field => 'created_at' ], start => 'row magic|running', says => qr/created_at|databases/ ]);

# What is wrong with a list in particular.
_add({ list => 'HV00M' },
	[ 'a list that is an object', _custom('{"databases":{}}'), says => qr/databases/ ],
	[ 'a list of numbers', _custom('{"databases":[1]}') ],
	[ 'a cluster without an id', _custom('{"databases":[{"name":"a"}]}'), says => qr/UUID/ ],
	[ 'a cluster whose id is no UUID', _custom('{"databases":[{"id":"a"}]}'), says => qr/UUID/ ],
	[ 'a name that is a number', _custom(_one_cluster('"name":1')), says => qr/name/ ]);
_add({ list => '54000' }, [ 'a deep list', _custom('{"databases":' . '[' x 100 . ']' x 100 . '}') ]);
_add({ list => 'none' },
	[ 'an empty list', _custom('{"databases":[]}') ],
	[ 'a total that is text', _custom('{"databases":[],"meta":{"total":"many"}}') ],
	[ 'a total out of range', _custom('{"databases":[],"meta":{"total":99999999999999999999}}') ],
	[ 'a next page on another host, of an empty list',
		_custom('{"databases":[],"links":{"pages":{"next":"https://example.com/v2/databases?page=2"}}}') ]);

sub _one_cluster
{
	my ($field) = @_;
	return '{"databases":[{"id":"9cc10173-e9ea-4176-9dbc-a4cee4c4ff30",' . $field . '}]}';
}

# ----- rows, though odd ones -----

_add({},
	[ 'nothing at all', ['empty_200'], read => 'row ||', list => 'HV00M', start => 'HV010?' ],
	[ 'an empty object', ['missing_fields'], read => 'row ||', list => 'HV00M', start => 'HV010?' ],
	[ 'nulls', ['null_fields'], read => 'row ||', start => 'HV010?' ],
	[ 'a key twice', ['duplicate_keys'], read => "row second|$time|running", start => 'row second|running' ],
	[ 'a status of another word', ['unknown_status'], read => "row magic|$time|paused", start => 'row magic|paused' ],
	[ 'fields that nobody knows', _custom('{"status":"done","more":{"a":[1,2]},"and":null}'), read => 'row ||done', start => 'HV010?' ],
	[ 'fields in another order, with white space', _custom("\n {\"status\" : \"done\" ,\t\"id\" : \"a\"}\r\n"),
		read => 'row a||done', start => 'row a|done' ],
	[ 'letters of all kinds', _custom('{"id":"\u00e4\ud83d\ude00\"\\\\","status":"done"}'),
		read => "row \xc3\xa4\xf0\x9f\x98\x80\"\\||done", start => 'HV010?' ],
	[ 'a lone surrogate', _custom('{"id":"\ud800","status":"done"}'), read => "row \xef\xbf\xbd||done" ],
	[ 'an empty id', _custom('{"id":"","status":"done"}'), read => 'row ||done', start => 'HV010?' ],
	[ 'no timestamp', ['bad_timestamp'], read => 'HV00M', start => 'row magic|running', says => qr/created_at/ ]);

# ----- statuses -----

_add({ _same('HV000') },
	map { [ "status $_", _status($_), says => qr/HTTP status $_/ ] }
	  300 .. 305, 307, 308, 402, 405, 406, 410, 411, 413 .. 418, 421, 423 .. 426, 428, 431, 451);

# A gateway's, which has passed the request on.
_add({ _same('HV000'), start => 'HV000?' }, map { [ "status $_", _status($_), says => qr/HTTP status $_/ ] } 408, 499);
_add({ read => 'HV000', list => 'HV000', start => 'HV010?' },
	map { [ "status $_", _custom('{"id":"a"}', status => $_), says => qr/HTTP status $_/ ] } 203, 205 .. 208);
_add({ _same('HV000'), says => qr/HTTP status 20[12]/ },
	map { ([ "status $_ with a migration", _custom('{"id":"a","status":"running"}', status => $_), start => 'row a|running',
			$_ == 202 ? (stop => 'ok') : () ],
		[ "status $_ without one", _custom('{}', status => $_), start => 'HV010?', $_ == 202 ? (stop => 'ok') : () ]) } 201, 202);
_add({ _same('HV000'), start => 'HV010?', says => qr/HTTP status 204/ },
	[ '204 where a body belongs', ['no_content_204'], stop => 'ok' ]);
_add({ stop => 'ok' }, [ '200 for a stop', _custom('{}') ]);

# A start is one only if the answer names the migration, whatever its status.
_add({ start => 'HV010?', says => qr/HTTP status 20[012]/ },
	map { my $status = $_; map { [ "$status and $_ for a start", _custom($_, status => $status) ] }
		  '{"error":"nope"}', '{"message":"nope"}', '{"id":17}', '{"id":" "}', '{"id":"../..","status":"running"}',
		  '{"id":"a","status":7}', '{"online_migration":{"id":"a","status":"running"}}', 'null', '[{"id":"a"}]', '"a"', '17' } 200 .. 202);
_add({},
	[ 'status 400', _status(400), _same('22023'), says => qr/HTTP status 400/ ],
	[ 'status 401', _status(401), _same('28000'), says => qr/HTTP status 401/ ],
	[ 'status 403', _status(403), _same('42501'), list => undef, says => qr/HTTP status 403/ ],
	[ 'status 404', _status(404), _same('42704'), read => 'none', says => qr/HTTP status 404/ ],
	[ 'status 409', _status(409), _same('55000'), says => qr/HTTP status 409/ ],
	[ 'status 412', _status(412), _same('55000'), says => qr/HTTP status 412/ ],
	[ 'status 422', _status(422), _same('22023'), says => qr/HTTP status 422/ ],
	[ 'an error with bytes that are no UTF-8', _bytes("{\"message\":\"\xff\xfe\"}", status => 422), _same('22023') ],
	[ 'an error with a NUL', _custom('{"message":"a\u0000b"}', status => 422), _same('22023') ],
	[ 'an error with a long message', _custom('{"message":"' . 'x' x 20_000 . '"}', status => 422), _same('22023') ],
	[ 'an error with control characters', _custom('{"message":"a\r\n\u001b[31mERROR:  b"}', status => 422),
		_same('22023'), says => qr/a   \[31mERROR:  b/ ],
	[ 'an error with deep JSON', _custom('[' x 1000, status => 422), _same('22023') ],
	[ 'an error that is packed', [ 'custom', %bomb, status => 422, headers => { 'content-encoding' => 'gzip' } ],
		_same('22023') ],
	[ 'an error over the cap', [ 'oversized_body', status => 422 ], _same('54000'),
		list => '22023', start => '54000?' ],
	[ 'an error that is no JSON', _custom('oops', status => 409), _same('55000') ],
	[ 'an error without a body', _custom('', status => 409), _same('55000') ],
	[ 'an error with a body of another shape', _custom('{"message":{"a":1},"id":7}', status => 422), _same('22023') ]);

# Later may be better.
_add({ _same('HV00L+'), start => 'HV00L?' },
	(map { [ "status $_", _status($_), says => qr/HTTP status $_/ ] } 500, 502, 503, 504, 507, 511, 520, 522, 527, 530, 599),
	[ 'status 503 with retry-after 0', _status(503, retry_after => '0') ]);
_add({ _same('HV00L'), start => 'HV00L?' },
	(map { [ "status $_", _status($_), says => qr/HTTP status $_/ ] } 501, 505),
	[ 'status 503 with retry-after 3600', _status(503, retry_after => '3600') ]);
_add({ stopped => 'HV00L+' },
	[ 'status 500 though it was done', _status(500) ],
	[ 'status 504 though it was done', _status(504) ]);

# A rate limit, which is worth a wait up to max_retry_wait.
_add({ _same('53400+'), limits => 1, says => qr/HTTP status 429/ },
	[ 'status 429 with retry-after 0', _status(429, retry_after => '0') ],
	[ 'status 429 with retry-after in the past', _status(429, retry_after => 'Wed, 21 Oct 2015 07:28:00 GMT') ],
	[ 'status 429 of another limit than the hour\'s', _status(429) ],
	[ 'status 429 with no retry-after', _status(429, retry_after => 'soon') ]);
my %used_up = (headers => { 'ratelimit-remaining' => 0 });
_add({ _same('53400'), limits => 1, says => qr/next request in \d+ s, at \d{4}-/ },
	[ 'status 429 with a reset', _status(429, %used_up) ],
	[ 'status 429 with a reset, and no retry-after', _status(429, %used_up, retry_after => 'soon') ],
	[ 'status 429 with retry-after 3600', _status(429, retry_after => '3600') ],
	[ 'status 429 with a huge retry-after', _status(429, retry_after => '9223372036854775807') ]);
_add({ _same('53400+'), limits => 1, server => 'patient', times => 'once', least => 0.9 },
	[ 'status 429 with retry-after 1', _status(429, retry_after => '1') ]);

# ----- endpoints that are wrong as a whole -----

my %unreachable = (_same('HV00N+'), sent => 0);

# What no other try could help is not tried again.
my %hopeless = (_same('HV00N'), sent => 0);

_add({ %hopeless, says => qr/certificate|host ?name/i }, map { [ $_, undef, at => $_ ] }
	qw(expired selfsigned wronghost unknown_ca));
_add({ %hopeless }, [ 'no such ca_file', undef, at => 'no_ca_file', says => qr/ca_file/ ]);
_add({ %hopeless, says => qr/SSL|TLS|protocol/i },
	[ 'TLS 1.1 only', undef, at => 'tls11' ],
	[ 'TLS spoken to plain HTTP', undef, at => 'https_to_http' ]);
_add({ %unreachable },
	[ 'connection refused', undef, at => 'refused', says => qr/refused|connect/i ],
	[ 'nobody accepts', undef, at => 'deaf', says => qr/time/i, least => 0.9 ],
	[ 'reset before the request', undef, at => 'hangup', says => qr/reset|SSL|connect/i ],
	[ 'no handshake', undef, at => 'blackhole', says => qr/time/i, least => 0.9 ]);
_add({ _same('HV00L'), start => 'HV010?', sent => 0 },
	[ 'plain HTTP spoken to TLS', undef, at => 'http_to_https' ]);

# These need a resolver of the suite's own; see resolver.c.
_add({ %hopeless, resolver => 1 },
	[ 'no such name', undef, at => 'nowhere', says => qr/resolv/i ]);
_add({ %unreachable, resolver => 1 },
	[ 'no name server', undef, at => 'unsure', says => qr/resolv/i ],
	[ 'a name with a dead address', undef, at => 'dead', says => qr/refused|connect/i ]);
_add({ _same('ok'), resolver => 1 },
	[ 'a late name look-up', undef, at => 'late', least => 0.2 ],
	[ 'a dead first address', undef, at => 'deadfirst' ],
	[ 'a deaf first address', undef, at => 'deaffirst', least => 0.1 ]);

# The thread that looks up stays until it is done: none may come after this.
_add({ %unreachable, resolver => 1, lingers => 1 },
	[ 'a slow name look-up', undef, at => 'slow', says => qr/time/i, least => 0.9 ]);

sub rows { return @rows; }

1;
