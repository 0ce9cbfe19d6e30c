# Connections are kept and shared, replaced without an error when the server
# has closed them, dropped when the catalog changes, and nobody inherits them.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Utils;
use Test::More;

my $TOKEN = $OnlineMigrations::TestNode::TOKEN;
my $simulator = OnlineMigrations::Simulator->start;
$simulator->token('dop_v1_other', account => $TOKEN);
my $node = OnlineMigrations::TestNode->start('connections', simulator => $simulator);
my @clusters = map { sprintf '00000000-0000-4000-8000-%012d', $_ } 1 .. 100;
make_running($_) for @clusters;
my $many = join ',', map { "'$_'" } @clusters;

sub make_running
{
	my ($cluster) = @_;
	$simulator->cluster($cluster, engine => 'pg');
	$simulator->migration($cluster, 'running', "id-$cluster");
	return;
}

sub status_of
{
	my ($key) = @_;
	$key //= "= '$clusters[0]'";
	return "SELECT status FROM databases.online_migrations
		WHERE database_cluster_uuid $key";
}

# Points the server at the plain or the TLS port.
sub point_to
{
	my ($over, %more) = @_;
	my %options = ($node->server_options($over), %more);
	my %old = map { /^(\w+)=/ ? ($1 => 1) : () } split /\n/,
	  $node->safe_psql('digitalocean', q{SELECT unnest(srvoptions)
		FROM pg_foreign_server WHERE srvname = 'digitalocean'});
	my @changes = map { ($old{$_} ? 'SET' : 'ADD') . " $_ '$options{$_}'" } sort keys %options;
	push @changes, map { "DROP $_" } grep { !exists $options{$_} } sort keys %old;
	$node->safe_psql('digitalocean',
		'ALTER SERVER digitalocean OPTIONS (' . join(', ', @changes) . ')');
	return;
}

sub rows_ok
{
	my ($session, $expected, $name, $sql) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $session->run($sql // status_of());
	is($result->{out} . $result->{err}, $expected, $name);
	return;
}

sub count_ok
{
	my ($counter, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is($simulator->counters->{$counter}, $expected, $name);
	return;
}

sub closed_ok
{
	my ($expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	ok(OnlineMigrations::Waiting::until_true(
			sub { $simulator->counters->{connections_open} == $expected }), $name)
	  or diag($simulator->counters->{connections_open} . ' are open');
	return;
}

# ----- kept connections -----

sub try_keep_alive
{
	my ($over) = @_;
	point_to($over);
	my $session = OnlineMigrations::Session->open($node);
	$simulator->reset_counters;
	rows_ok($session, 'running', "first statement over $over");
	$session->run(status_of()) for 1 .. 20;
	count_ok('get_status', 21, "each statement asks anew over $over");
	count_ok('connections', 1, "all of them over one connection, $over");

	# A failed statement leaves the connection as it is.
	$session->run(status_of("= '0badc0de-0000-4000-8000-000000000403'"));
	$session->run('BEGIN');
	$session->run(status_of());
	$session->run('ROLLBACK');
	count_ok('connections', 1, "errors and transactions do not end it, $over");
	$session->close;
	closed_ok(0, "it ends with the session, $over");
	return;
}

sub try_many_keys
{
	point_to('https');
	my $session = OnlineMigrations::Session->open($node);
	$simulator->config(latency_ms => 1000);
	$simulator->reset_counters;
	rows_ok($session, '100', '100 keys', 'SELECT count(status) FROM ('
		. status_of("IN ($many)") . ') AS s');
	$simulator->config(latency_ms => 0);
	count_ok('connections', 1, '100 keys over TLS take one connection');
	count_ok('max_in_flight', 100, 'all of them are in flight together');
	$session->close;
	return;
}

sub try_max_concurrency
{
	my ($over, $limit) = @_;
	point_to($over, max_concurrency => $limit);
	my $session = OnlineMigrations::Session->open($node);
	$simulator->config(latency_ms => 50);
	$simulator->reset_counters;
	rows_ok($session, '100', "100 keys, $limit at once over $over",
		'SELECT count(status) FROM (' . status_of("IN ($many)") . ') AS s');
	$simulator->config(latency_ms => 0);
	count_ok('max_in_flight', $limit, "max_concurrency $limit over $over");
	count_ok('get_status', 100, 'none is asked twice');
	$session->close;
	return;
}

try_keep_alive($_) for qw(http https);
try_many_keys();
try_max_concurrency(@$_) for [ 'http', 7 ], [ 'https', 7 ], [ 'http', 1 ];

# ----- closed by the server -----

sub try_idle_close
{
	my ($over, %how) = @_;
	my $name = join ' ', $over, map { "with $_" } keys %how;
	point_to($over);
	my $session = OnlineMigrations::Session->open($node);
	rows_ok($session, 'running', "before idle connections are closed, $name");
	for my $round (1 .. 5)
	{
		$simulator->close_idle(%how);
		rows_ok($session, 'running', "after idle connections were closed, $name, $round");
	}
	$simulator->close_idle(%how);
	rows_ok($session, '100', "100 keys after that, $name",
		'SELECT count(status) FROM (' . status_of("IN ($many)") . ') AS s');
	$session->close;
	return;
}

# The server has read the request when it closes: nobody knows, and a GET may
# be asked again.
sub try_close_on_reuse
{
	my ($over) = @_;
	point_to($over);
	my $session = OnlineMigrations::Session->open($node);
	rows_ok($session, 'running', "before a kept connection breaks, $over");
	for my $fault (qw(close_before reset_before))
	{
		$simulator->fault($fault, reused_only => 'true', times => 1);
		rows_ok($session, 'running', "$fault on a kept connection over $over");
	}
	$simulator->delete_faults;
	$session->close;
	return;
}

# The connection ends with each answer.
sub try_close_after_answer
{
	my ($over) = @_;
	point_to($over);
	my $session = OnlineMigrations::Session->open($node);
	$simulator->fault('goaway_idle');
	rows_ok($session, 'running', "the connection ends after the answer, $over, $_") for 1 .. 5;
	$simulator->delete_faults;
	$session->close;
	return;
}

try_close_after_answer($_) for 'http', 'https';
try_idle_close(@$_) for ['http'], ['https'], [ 'https', goaway => 'true' ];
try_close_on_reuse($_) for qw(http https);

# ----- changes of the catalog, seen by a session that is open already -----

sub last_token { return ($simulator->log)[-1]{token}; }

sub change_ok
{
	my ($session, $sql, $name, $row) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$session->run(status_of());
	$simulator->reset_counters;
	$node->safe_psql('digitalocean', $sql);
	rows_ok($session, $row // 'running', $name);
	count_ok('connections', 1, "$name: a new connection");
	closed_ok(1, "$name: the old one is closed");
	return;
}

sub try_changes
{
	point_to('http');
	my $session = OnlineMigrations::Session->open($node);
	change_ok($session, q{ALTER SERVER digitalocean OPTIONS (ADD request_timeout '20s')},
		'ALTER SERVER');
	is(last_token(), substr($TOKEN, -4), 'the token at first');
	change_ok($session, q{ALTER USER MAPPING FOR CURRENT_USER SERVER digitalocean
		OPTIONS (SET token 'dop_v1_other')}, 'ALTER USER MAPPING');
	is(last_token(), 'ther', 'the token that was set');
	change_ok($session, qq{DROP USER MAPPING FOR CURRENT_USER SERVER digitalocean;
		CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (token '$TOKEN')},
		'DROP and CREATE USER MAPPING');
	is(last_token(), substr($TOKEN, -4), 'the token of the new mapping');
	change_ok($session, q{ALTER SERVER digitalocean RENAME TO elsewhere;
		ALTER SERVER elsewhere RENAME TO digitalocean}, 'renamed');
	point_to('https');
	rows_ok($session, 'running', 'the endpoint has moved');
	is(($simulator->log)[-1]{http}, '2', 'the request went there');
	point_to('http');

	$session->run(status_of());
	$node->safe_psql('digitalocean', q{DROP USER MAPPING FOR CURRENT_USER SERVER digitalocean});
	is($session->run(status_of())->{sqlstate}, '28000', 'the mapping is gone');
	closed_ok(0, 'and with it the connection');
	my $endpoint = $simulator->http;
	$node->safe_psql('digitalocean', qq{
		DROP SERVER digitalocean CASCADE;
		CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (endpoint '$endpoint');
		CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (token '$TOKEN');
		IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO databases;});
	rows_ok($session, 'running', 'the server was dropped and made again');
	$session->close;
	return;
}

# A change does not disturb what is under way.
sub try_change_under_cursor
{
	point_to('http', max_concurrency => 1);
	my $session = OnlineMigrations::Session->open($node);
	$session->run('BEGIN; DECLARE c CURSOR FOR ' . status_of("IN ($many)"));
	rows_ok($session, 'running', 'a cursor before the change', 'FETCH FROM c');
	point_to('http', max_concurrency => 2);
	rows_ok($session, 'running', 'another statement after it');
	rows_ok($session, '', 'the cursor after it', 'MOVE 98 FROM c');
	rows_ok($session, 'running', 'the last row', 'FETCH FROM c');
	rows_ok($session, '', 'the end', 'FETCH FROM c');
	$session->run('COMMIT');
	rows_ok($session, 'running', 'the next statement');
	closed_ok(1, 'only the new connection is left');
	$session->close;
	return;
}

try_changes();
try_change_under_cursor();

# ----- token files -----

my $folder = PostgreSQL::Test::Utils::tempdir();

sub write_file
{
	my ($name, $text) = @_;
	open my $file, '>', "$folder/$name" or die "cannot write $name: $!\n";
	print $file $text;
	close $file or die "cannot write $name: $!\n";
	return "$folder/$name";
}

sub use_token_file
{
	my ($path) = @_;
	$node->safe_psql('digitalocean', qq{
		DROP USER MAPPING FOR CURRENT_USER SERVER digitalocean;
		CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean
			OPTIONS (token_file '$path')});
	return;
}

sub try_token_file
{
	use_token_file(write_file('token', 'dop_v1_other'));
	my $session = OnlineMigrations::Session->open($node);
	rows_ok($session, 'running', 'a token from a file');
	is(last_token(), 'ther', 'it is the one that was sent');
	write_file('token', "$TOKEN\n");
	rows_ok($session, 'running', 'the file has changed');
	is(last_token(), substr($TOKEN, -4), 'the new token is sent, without the newline');
	write_file('new', 'dop_v1_other');
	rename "$folder/new", "$folder/token" or die "cannot rename: $!\n";
	rows_ok($session, 'running', 'the file was replaced');
	is(last_token(), 'ther', 'the token of the new file is sent');
	unlink "$folder/token";
	is($session->run(status_of())->{sqlstate}, '28000', 'the file is gone');
	write_file('token', $TOKEN);
	rows_ok($session, 'running', 'the file is back');
	$session->close;
	return;
}

sub try_bad_token_file
{
	my ($path, $detail, $name) = @_;
	use_token_file($path);
	my $session = OnlineMigrations::Session->open($node);
	my $before = $session->descriptors;
	my $result = $session->run(status_of());
	is($result->{sqlstate}, '28000', $name);
	like($result->{detail} // '', $detail, "$name: the detail says so");
	cmp_ok($result->{seconds}, '<', 10, "$name: at once");
	$session->run(status_of());
	cmp_ok($session->descriptors, '<=', $before, "$name: nothing is left open");
	$session->close;
	return;
}

try_token_file();
mkfifo("$folder/fifo", 0600) or die "cannot make a FIFO: $!\n";
try_bad_token_file(@$_)
  for [ "$folder/fifo", qr/not a regular file/, 'a FIFO' ],
  [ $folder, qr/not a regular file/, 'a directory' ],
  [ '/dev/zero', qr/not a regular file/, 'a device' ],
  [ "$folder/missing", qr/No such file/, 'a missing file' ],
  [ write_file('large', 'a' x 4097), qr/too long/, 'a file over 4 KiB' ],
  [ write_file('empty', ''), qr/empty/, 'an empty file' ],
  [ write_file('newline', "\n"), qr/empty/, 'only a newline' ],
  [ write_file('lines', "$TOKEN\n$TOKEN\n"), qr/white space/, 'two lines' ],
  [ write_file('nul', "abc\0def"), qr/NUL/, 'a NUL byte' ];
use_token_file(write_file('good', $TOKEN));
$simulator->reset_counters;
$node->psql_ok(status_of(), 'running', 'a file that is right');

# ----- many servers in one session -----

# PostgreSQL lends a backend a third of its descriptors: here those of some 18
# servers.  Sessions with servers that rest make room for one that is asked
# now, be it for a listing, an asynchronous scan or a start.
my $servers = 30;

sub status_in
{
	my ($server) = @_;
	return "SELECT status FROM databases.m$server WHERE database_cluster_uuid = '$clusters[0]'";
}

sub cursors
{
	my ($number) = @_;
	return join ' ', map { "DECLARE c$_ CURSOR FOR " . status_in($_) . "; FETCH c$_;" } 1 .. $number;
}

# However many are left: an Append has the one that PostgreSQL takes for its
# wait, and where all are in use, the error says so at once, be the next one
# for a session, for its wait or for a connection.
sub try_many_servers
{
	my ($others) = @_;
	my $name = "$others descriptors less";
	my $session = OnlineMigrations::Session->open($node);
	my $itself = $node->connstr($OnlineMigrations::TestNode::DATABASE);

	# Connections of dblink take one each.
	$session->run("SELECT dblink_connect('c$_', \$\$$itself\$\$)") for 1 .. $others;
	rows_ok($session, join("\n", ('running') x $servers), "$servers servers, one after the other, $name",
		join '; ', map { status_in($_) } 1 .. $servers);
	rows_ok($session, 'running' x 6, "six in an Append, $name",
		'SELECT string_agg(status, NULL) FROM (' . join(' UNION ALL ', map { status_in($_) } 1 .. 6) . ') u');
	rows_ok($session, join("\n", ('running') x 10), "ten at once, $name", 'BEGIN; ' . cursors(10) . ' COMMIT');
	my $result = $session->run('BEGIN; ' . cursors($servers));
	is($result->{sqlstate}, 'HV00N', "all at once, $name");
	like($result->{detail}, qr/Out of file descriptors\.\z/, "all at once, $name: the detail says why");
	like($result->{hint}, qr/^Close cursors/, "all at once, $name: the hint says what helps");
	cmp_ok($result->{seconds}, '<', 5, "all at once, $name: not tried again");
	$session->run('ROLLBACK');
	rows_ok($session, 'running', "the session goes on, $name");
	$session->close;
	return $result->{message};
}

point_to('http');
$node->append_conf('postgresql.conf', 'max_files_per_process = 330');
$node->restart;
$node->safe_psql('digitalocean', 'CREATE EXTENSION dblink;' . join '', map {
	my $server = "s$_";
	$node->add_server($server, $node->server_options('http'));
	"CREATE FOREIGN TABLE databases.m$_ (database_cluster_uuid uuid, status text) SERVER $server OPTIONS (resource 'online_migrations');"
} 1 .. $servers);
# Several servers that are asked for many keys at once over HTTP/1.1 share what
# there is, and all of it is asked.
sub try_many_connections
{
	my ($async) = @_;
	$node->safe_psql('digitalocean', join '', map { "ALTER FOREIGN TABLE databases.m$_ OPTIONS (ADD async_capable '$async');" } 1 .. 4);
	my $session = OnlineMigrations::Session->open($node);
	my $append = join ' UNION ALL ', map { "SELECT status FROM databases.m$_ WHERE database_cluster_uuid IN ($many)" } 1 .. 4;
	$simulator->config(latency_ms => 30);
	$simulator->reset_counters;
	rows_ok($session, '400', "100 keys of each of four servers, async_capable $async", "SELECT count(status) FROM ($append) u");
	count_ok('get_status', 400, '  each is asked about once');
	rows_ok($session, '200', '  and with a join', "SELECT count(m.status) FROM unnest((ARRAY[$many]::uuid[])[:50]) k JOIN ("
		. join(' UNION ALL ', map { "SELECT * FROM databases.m$_" } 1 .. 4) . ') m ON m.database_cluster_uuid = k');
	count_ok('get_status', 600, '  each is asked about once');
	rows_ok($session, '100', '  and a server after them', "SELECT count(status) FROM databases.m5 WHERE database_cluster_uuid IN ($many)");
	cmp_ok($simulator->counters->{max_in_flight}, '<', 100, '  by as many at once as there are descriptors for');
	$session->close;
	$session = OnlineMigrations::Session->open($node);
	rows_ok($session, join("\n", ('running') x 400), '  by cursors, one after the other',
		'BEGIN; ' . join(' ', map { "DECLARE c$_ CURSOR FOR SELECT status FROM databases.m$_ WHERE database_cluster_uuid IN ($many); FETCH ALL FROM c$_;" } 1 .. 4) . ' COMMIT');
	$session->close;
	$session = OnlineMigrations::Session->open($node);
	my @connections = $session->run("EXPLAIN (ANALYZE, COSTS OFF) $append")->{out} =~ /connections=(\d+)/g;
	is(scalar(grep { $_ >= 5 && $_ <= 20 } @connections), 4, '  which they share') or diag("@connections");
	$simulator->config(latency_ms => 0);
	$session->close;
	$node->safe_psql('digitalocean', join '', map { "ALTER FOREIGN TABLE databases.m$_ OPTIONS (DROP async_capable);" } 1 .. 4);
	return;
}

try_many_connections($_) for qw(true false);
# A server that refuses connections is told from one for which there is none.
$node->safe_psql('digitalocean', "ALTER SERVER s1 OPTIONS (SET endpoint '${\$simulator->url('refused')}', ADD max_retries '1')");
my $refused = $node->run_sql("SELECT count(status) FROM databases.m1 WHERE database_cluster_uuid IN ($many)");
like($refused->{detail}, qr/Failed to connect.*Tried 2 times/, 'a server that refuses is told from one for which there is no descriptor');
$node->safe_psql('digitalocean', "ALTER SERVER s1 OPTIONS (SET endpoint '${\$simulator->http}', DROP max_retries)");

my %messages;
$messages{try_many_servers($_)}++ for 0 .. 6;
is(join(', ', sort keys %messages), 'could not prepare connections to the API, could not read from the API',
	'both ways to run out of descriptors were met');

# ----- who else has the sockets -----

# The inodes of the machine's TCP sockets.  The server itself listens on a Unix
# socket only.
sub tcp_sockets
{
	return map { (split ' ')[9] // () } split /\n/, slurp_file('/proc/net/tcp');
}

sub try_inheritance
{
	my ($over) = @_;
	point_to($over);
	my $session = OnlineMigrations::Session->open($node);
	$session->run(status_of());
	my $result = $session->run(
		qq{COPY (SELECT 1) TO PROGRAM 'ls -l /proc/self/fd > $folder/inherited'});
	is($result->{err}, '', "COPY TO PROGRAM over $over");
	my $inherited = slurp_file("$folder/inherited");
	unlike($inherited, qr/eventpoll|timerfd/, "a program has no descriptor of ours, $over");
	my %of_tcp = map { $_ => 1 } tcp_sockets();
	is(join(' ', grep { $of_tcp{$_} } $inherited =~ /socket:\[(\d+)\]/g), '',
		"a program has no connection of ours, $over");
	ok((grep { $of_tcp{$_} } join("\n", map { readlink // '' } glob '/proc/' . $session->pid . '/fd/*')
			=~ /socket:\[(\d+)\]/g), "the backend has one, $over");
	$session->close;
	return;
}

try_inheritance($_) for qw(http https);

done_testing();
