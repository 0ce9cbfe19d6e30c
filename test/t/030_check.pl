# What databases_check_online_migration() finds at real servers: one that is
# right, and one flaw after the other.  It only reads, leaves no connection
# behind, ends at once when it is cancelled, and opens no door to who may not
# go there.
use strict;
use warnings;

use IO::Socket::INET;
use JSON::PP;
use OnlineMigrations::CheckRows;
use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::Source;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils;
use POSIX ();
use Test::More;

# A cancel takes milliseconds.  A loaded machine is no reason to fail; else it
# would be 20 s or more.
my $AT_ONCE = 15;

plan skip_all => 'no openssl to make certificates with' if !OnlineMigrations::Source::has_openssl();

my $cluster = '00000000-0000-4000-8000-000000000001';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg', version => '18.0', name => 'target');
my $resolver = build_resolver();
my $node = start_node();
$node->safe_psql('digitalocean', 'CREATE EXTENSION postgres_fdw');
my $right = OnlineMigrations::Source->start('right');

sub start_node
{
	local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, $resolver;
	return OnlineMigrations::TestNode->start('check', simulator => $simulator, log_level => 'debug1',
		server_options => { connect_timeout => '2s', request_timeout => '3s', max_retries => 0 });
}

# Name look-ups of our own making, or undef where they can't be had.
sub build_resolver
{
	my $library = PostgreSQL::Test::Utils::tempdir() . '/resolver.so';
	system("cc -shared -fPIC -o $library $ENV{OMF_TREE}/test/t/resolver.c -ldl 2>/dev/null") == 0 or return;
	return $library;
}

# A server of another kind: it says this to whoever comes, and then nothing.
sub banner_listener
{
	my ($banner) = @_;
	my $listener = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5, Proto => 'tcp')
	  or die "cannot listen: $!\n";
	my $pid = fork // die "cannot fork: $!\n";
	return { port => 0 + $listener->sockport, pid => $pid } if $pid;
	local $SIG{TERM} = sub { POSIX::_exit(0) };
	my @clients;
	while (my $client = $listener->accept)
	{
		$client->syswrite($banner);
		push @clients, $client;
	}
	POSIX::_exit(0);
}

sub call_with
{
	my ($source, %arguments) = @_;
	my $uuid = $arguments{cluster} // $cluster;
	my $list = join '', map { ", $_ => $arguments{$_}" } grep { $_ ne 'cluster' } sort keys %arguments;
	$list .= ', source => ' . $node->literal($source) if defined $source;
	return "databases.databases_check_online_migration('$uuid'$list)";
}

# The rows, as a list of hashes.
sub check
{
	my ($source, %arguments) = @_;
	my $role = delete $arguments{role};
	return check_rows($node, call_with($source, %arguments), role => $role);
}

# From loopback, nobody can say that it is fine.
my %nearby = ('source reachable' => 'warning');

# ----- one that is right -----

my @rows;
$node->requests_ok({ GET => 2 }, sub { @rows = check($right->document) }, 'two GETs, and nothing else');
is_deeply(flaws(@rows), \%nearby, 'nothing is wrong') or diag(JSON::PP->new->pretty->encode(\@rows));
is(scalar(grep { $_->{hint} !~ m{See https://\S+$} } @rows), 0, 'each check names its document');
row_like('source databases', 'ok', qr/^Copied are 2 databases: postgres, shop\.$/, 'it says what is copied', @rows);
row_like('target exists', 'ok', qr/"target"/, 'and where', @rows);
is(scalar(grep { $_->{check} eq 'size' } @rows), 2, 'each database is looked at');
is($right->guests, 0, 'no connection is left');
is(row('size', check($right->document, ignore_dbs => "'{postgres}'"))->{detail} =~ /"shop"/, 1, 'what is ignored is not');
is(check($right->document, ignore_dbs => "'{postgres,shop}'"), @rows - 2 * 14, 'nor asked at all');
row_like('ignored databases', 'warning', qr/no database shpo\./, 'what is ignored is there', check($right->document, ignore_dbs => "'{shpo,postgres}'"));
row_like('source databases', 'failed', qr/0 databases/, 'no database at all is no migration',
	check($right->document, ignore_dbs => "'{postgres,shop}'"));
$node->psql_ok('BEGIN READ ONLY; SELECT count(*) > 20 FROM ' . call_with($right->document) . '; COMMIT', 't', 'it only reads');

# ----- by a foreign server -----

$node->safe_psql('digitalocean', qq{
	CREATE SERVER old_db FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'src.example.com', port '${\$right->port}', dbname 'shop');
	CREATE USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (user 'mover', password '$OnlineMigrations::Source::PASSWORD');});
@rows = check('{"host": "127.0.0.1"}', source_server => "'old_db'");
is_deeply(flaws(@rows), \%nearby, 'a server and its mapping say the rest');
row_like('source engine', 'ok', qr/PostgreSQL/, 'and the engine', @rows);

# ----- the target -----

@rows = check($right->document, cluster => '00000000-0000-4000-8000-0000000000ff');
row_like('target exists', 'failed', qr/no such/, 'no such target', @rows);
row_like('source version', 'skipped', qr/not known/, 'the source is asked all the same', @rows);
my $next = 100;
sub target_flaws
{
	my ($migration, %cluster) = @_;
	my $uuid = sprintf '00000000-0000-4000-8000-%012d', ++$next;
	$simulator->cluster($uuid, engine => 'pg', version => '18.0', %cluster);
	$simulator->migration($uuid, $migration, 'some-id') if $migration;
	my $flaws = flaws(check($right->document, cluster => $uuid));
	delete $flaws->{'source reachable'};
	return $flaws;
}
is_deeply(target_flaws('running'), { 'target migration' => 'failed' }, 'one is under way');
is_deeply(target_flaws('something_new'), { 'target migration' => 'failed' }, 'one may be, for nobody knows its status');
is_deeply(target_flaws('done'), {}, 'one has been');
is_deeply(target_flaws('__'), { 'target migration' => 'failed' }, 'nobody says what it is');
is_deeply(target_flaws(undef, status => 'creating'), { 'target status' => 'failed' }, 'it is not online');
is_deeply(target_flaws(undef, version => '14.0'), { 'source version' => 'failed' }, 'its version is older');
is_deeply(target_flaws(undef, storage_size_mib => 1), { 'target storage' => 'failed' }, 'its storage is too small');
is_deeply(target_flaws(undef, engine => 'mongodb'), { 'target engine' => 'failed', 'source' => 'skipped' }, 'its engine can\'t');
is_deeply(target_flaws(undef, engine => 'mysql'), { 'target storage' => 'skipped', map { ("source $_" => 'skipped') }
	  'version', 'GTID mode', 'binary log format', 'binary log retention', 'databases', 'table engines', 'primary keys', 'privileges' },
	'a MySQL source is looked at by hand');
my $mysql = sprintf '00000000-0000-4000-8000-%012d', $next;
row_like('source engine', 'failed', qr/PostgreSQL, the cluster's engine is mysql/, 'the engines differ',
	check(undef, cluster => $mysql, source_server => "'old_db'"));
for my $status (401, 500)
{
	$simulator->fault('status', uuid => $cluster, status => $status, times => 1);
	$node->psql_fails('SELECT * FROM ' . call_with($right->document), $status == 401 ? '28000' : 'HV00L', undef, "the API answers $status");
}

# Of another host of DigitalOcean's own it is a word; a name that only looks like it is none.
row_like('source provider', 'warning', qr/db-x\.B\.db\.OnDigitalOcean\.com, is a managed database of DigitalOcean/, 'a source that is DigitalOcean\'s',
	check($right->document(host => 'db-x.B.db.OnDigitalOcean.com', port => 1)));
is(row('source provider', check($right->document(host => 'evilondigitalocean.com', port => 1)))->{result}, '', 'one that is not');

# ----- getting in -----

sub only_ok
{
	my ($name, $result, $pattern, $title, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @found = check(@arguments);
	row_like($name, $result, $pattern, $title, @found);
	is(scalar(grep { $_->{result} eq 'skipped' } @found), 8, "$title: the rest is skipped");
	return;
}
only_ok('source login', 'failed', qr/password authentication failed/, 'a wrong password', $right->document(password => 's3cr3t-wrong'));
only_ok('source login', 'failed', qr/"nosuch" does not exist/, 'no such database', $right->document(dbname => 'nosuch'));
only_ok('source reachable', 'failed', qr/refused/, 'nobody there', $right->document(port => 1));
only_ok('source reachable', 'failed', qr/not known|No address/i, 'no such host', $right->document(host => 'nowhere.invalid'));
my $plain = OnlineMigrations::Source->start('plain', tls => 0, conf => <<'END');
wal_level = replica
max_replication_slots = 1
max_wal_senders = 2
END
only_ok('source TLS', 'failed', qr/SSL/, 'no TLS', $plain->document);
my $shell = banner_listener("SSH-2.0-some\r\n");
only_ok('source TLS', 'failed', qr/SSL|record|wrong version|within connect_timeout/i, 'not PostgreSQL', $right->document(port => $shell->{port}));
only_ok('source login', 'failed', qr/expected authentication|server closed/, 'not PostgreSQL, without TLS',
	$right->document(port => $shell->{port}), disable_ssl => 'true');
my ($http_port) = $simulator->http =~ /:(\d+)/;
only_ok('source TLS', 'failed', qr/invalid response|SSL|closed|within connect_timeout/, 'an HTTP server', $right->document(port => 0 + $http_port));
only_ok('source login', 'failed', qr/expected authentication|closed|invalid|within connect_timeout/, 'an HTTP server, without TLS',
	$right->document(port => 0 + $http_port), disable_ssl => 'true');
kill 'TERM', $shell->{pid};
waitpid $shell->{pid}, 0;
my $deaf = OnlineMigrations::Waiting::deaf_listener();
my ($deaf_port) = $deaf->{url} =~ /:(\d+)/;
only_ok('source reachable', 'failed', qr/within connect_timeout/, 'a host that swallows packets', $right->document(port => 0 + $deaf_port));
my ($silent) = $simulator->url('blackhole') =~ /:(\d+)/;
only_ok('source TLS', 'failed', qr/within connect_timeout/, 'a host that says nothing', $right->document(port => 0 + $silent));
only_ok('source reachable', 'failed', qr/within connect_timeout/, 'a name server that says nothing',
	$right->document(host => 'slow.simulator.test')) if $resolver;
is(row('source login', check($right->document(username => undef)))->{result}, 'failed', 'no user');
for my $host ('/tmp', '@abstract', '127.0.0.1,127.0.0.1')
{
	is(row('source login', check($right->document(host => $host)))->{result}, 'failed', "host $host is not asked");
}

# ----- cancel, and time -----

sub ends_at_once
{
	my ($name, $source, $before) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->post('SELECT count(*) FROM ' . call_with($source));
	ok($before ? OnlineMigrations::Waiting::until_true($before) : OnlineMigrations::Waiting::is_waiting($node, $session->pid), "$name: it waits");
	$session->interrupt;
	my $result = $session->result;
	is($result->{sqlstate}, '57014', "$name: cancel ends it");
	cmp_ok($result->{seconds}, '<', $AT_ONCE, "$name: at once");
	is($session->run('SELECT 1')->{out}, '1', "$name: the session works on");
	$session->close;
	return;
}
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET connect_timeout '1min', SET request_timeout '1min')});
ends_at_once('connecting', $right->document(port => 0 + $deaf_port));
ends_at_once('TLS', $right->document(port => 0 + $silent));
ends_at_once('name look-up', $right->document(host => 'slow.simulator.test')) if $resolver;

# A catalog that is locked at the source: the query never ends by itself.
my $locker = OnlineMigrations::Session->open($right, database => 'shop');
$locker->run('BEGIN; LOCK pg_largeobject_metadata');
my $is_stuck = sub { $right->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity
	WHERE application_name = 'online_migrations_fdw' AND wait_event_type = 'Lock'}) == 1 };
ends_at_once('query', $right->document, $is_stuck);
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET connect_timeout '2s', SET request_timeout '3s')});
row_like('large objects', 'skipped', qr/"shop": The source did not say: .*(statement timeout|request_timeout)/, 'a query that takes too long is skipped',
	grep { $_->{detail} =~ /"shop"/ } check($right->document));
$locker->close;
ok(OnlineMigrations::Waiting::until_true(sub { $right->guests == 0 }), 'no connection is left of all that');

# ----- a source with flaws -----

@rows = check($plain->document, disable_ssl => 'true');
is_deeply(flaws(@rows), { %nearby, 'source TLS' => 'warning', 'source wal_level' => 'failed',
		'source replication slots' => 'failed', 'source WAL senders' => 'warning' }, 'a server that is not set up');
row_like('source replication slots', 'failed', qr/^1 of 1 .* 2 databases/, 'with its figures', @rows);
$plain->safe_psql('postgres', q{ALTER ROLE mover NOREPLICATION});
row_like('source role', 'failed', qr/may not replicate/, 'a role that may not', check($plain->document, disable_ssl => 'true'));
$plain->safe_psql('postgres', q{CREATE ROLE rds_replication; GRANT rds_replication TO mover});
row_like('source role', 'ok', qr/member of "rds_replication"/, 'one that may by its provider', check($plain->document, disable_ssl => 'true'));

# All slots are taken.
my $busy = OnlineMigrations::Source->start('busy', conf => 'max_replication_slots = 2');
$busy->safe_psql('postgres', "SELECT pg_create_physical_replication_slot('a'), pg_create_physical_replication_slot('b')");
row_like('source replication slots', 'failed', qr/^0 of 2/, 'no slot is left', check($busy->document));

# ----- databases with flaws -----

$right->safe_psql('postgres', q{CREATE DATABASE flawed OWNER mover ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0});
$right->safe_psql('flawed', q{
	CREATE SCHEMA "odd Schema" AUTHORIZATION mover;
	SET ROLE mover;
	CREATE TABLE "odd Schema".keyless (a int);
	CREATE TABLE full_row (a int);
	ALTER TABLE full_row REPLICA IDENTITY FULL;
	CREATE TABLE by_index (a int NOT NULL);
	CREATE UNIQUE INDEX by_index_a ON by_index (a);
	ALTER TABLE by_index REPLICA IDENTITY USING INDEX by_index_a;
	CREATE TABLE none (a int PRIMARY KEY);
	ALTER TABLE none REPLICA IDENTITY NOTHING;
	CREATE TABLE deferred (a int PRIMARY KEY DEFERRABLE);
	CREATE TABLE parted (a int) PARTITION BY LIST (a);
	CREATE TABLE parted_one PARTITION OF parted FOR VALUES IN (1);
	CREATE UNLOGGED TABLE light (a int PRIMARY KEY);
	CREATE SEQUENCE counter;
	CREATE MATERIALIZED VIEW sums AS SELECT 1 AS a;
	RESET ROLE;
	CREATE TABLE closed (a int PRIMARY KEY);
	CREATE TABLE hidden (a int PRIMARY KEY);
	ALTER TABLE hidden ENABLE ROW LEVEL SECURITY;
	GRANT SELECT ON hidden TO mover;
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw;
	CREATE FOREIGN TABLE far (a int) SERVER elsewhere;
	CREATE COLLATION mine FROM "C";
	CREATE LANGUAGE sloppy HANDLER plpgsql_call_handler;
	SELECT lo_create(0);});
@rows = grep { $_->{detail} =~ /^Database "flawed"/ } check($right->document, ignore_dbs => "'{postgres,shop}'");
is_deeply(flaws(@rows), { 'replica identity' => 'failed', 'readable tables' => 'failed',
		(map { $_ => 'warning' } 'row security', 'unlogged tables', 'large objects', 'sequences', 'foreign tables', 'materialized views',
			'collations', 'languages', 'encoding and collation') }, 'every flaw of a database is told');
row_like('replica identity', 'failed', qr/: 4 tables without a replica identity: "odd Schema"\.keyless, public\."none", public\.deferred, public\.parted_one\.$/,
	'tables without an identity are named', @rows);
row_like('readable tables', 'failed', qr/public\.closed\.$/, 'tables that can\'t be read', @rows);
row_like('extensions', 'ok', qr/postgres_fdw \d/, 'extensions have their version', @rows);
row_like('extensions at the target', 'ok', qr/: no extensions/, 'which the target has', @rows);
# Any extension will do, if it is called so.
sub call_extension { my ($old, $new) = @_; $right->safe_psql('flawed', "SET allow_system_table_mods = on; UPDATE pg_extension SET extname = '$new' WHERE extname = '$old'"); return; }
call_extension('postgres_fdw', 'amcheck');
row_like('extensions at the target', 'warning', qr/: 1 extensions .* have: amcheck \S+\.$/, 'one that it is not known to have',
	grep { $_->{detail} =~ /"flawed"/ } check($right->document, ignore_dbs => "'{postgres,shop}'"));
# Some are there from a later version of the target on.
call_extension('amcheck', 'postgis');
my $older = '00000000-0000-4000-8000-000000000002';
$simulator->cluster($older, engine => 'pg', version => '16.2');
for ([ $cluster, 'ok' ], [ $older, 'warning' ], [ '00000000-0000-4000-8000-0000000000ff', 'ok' ])
{
	my ($target, $result) = @$_;
	row_like('extensions at the target', $result, qr/"flawed"/, "an extension of later versions, in $target",
		grep { $_->{detail} =~ /"flawed"/ } check($right->document, cluster => $target, ignore_dbs => "'{postgres,shop}'"));
}
like(row('sequences', @rows)->{hint}, qr/cut-over/, 'what to do about sequences');
$right->safe_psql('flawed', join ';', map { "CREATE TABLE many_$_ (a int)" } 10 .. 40);
row_like('replica identity', 'failed', qr/ 35 tables .* and 15 more\.$/, 'not more than 20 of them', check($right->document, ignore_dbs => "'{postgres,shop}'"));
$right->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE flawed FROM PUBLIC; ALTER DATABASE flawed OWNER TO CURRENT_USER');
row_like('database login', 'failed', qr/"flawed": .*permission denied/, 'a database that does not let one in',
	check($right->document, ignore_dbs => "'{postgres,shop}'"));
$right->safe_psql('postgres', 'DROP DATABASE flawed');

# ----- who may -----

$node->safe_psql('digitalocean', q{
	CREATE ROLE guest;
	GRANT USAGE ON SCHEMA databases TO guest;
	GRANT USAGE ON FOREIGN SERVER digitalocean TO guest;
	CREATE USER MAPPING FOR guest SERVER digitalocean OPTIONS (token 'dop_v1_simulator');});
my $seen = sub { $right->guests };
$node->psql_fails('SELECT * FROM ' . call_with($right->document), '42501', qr/function/, 'EXECUTE is not PUBLIC\'s', role => 'guest');
$node->safe_psql('digitalocean', 'GRANT EXECUTE ON FUNCTION databases.databases_check_online_migration TO guest');
is_deeply(flaws(check($right->document, role => 'guest')), \%nearby, 'a role with EXECUTE and a password may');
$node->psql_fails('SELECT * FROM ' . call_with('{"host": "127.0.0.1"}', source_server => "'old_db'"), '42501', qr/old_db/,
	'USAGE on the source server is needed', role => 'guest');
$node->safe_psql('digitalocean', qq{
	GRANT USAGE ON FOREIGN SERVER old_db TO guest;
	CREATE USER MAPPING FOR PUBLIC SERVER old_db OPTIONS (user 'mover', password '$OnlineMigrations::Source::PASSWORD');});
$node->psql_fails('SELECT * FROM ' . call_with('{"host": "127.0.0.1"}', source_server => "'old_db'"), '42501', qr/user mapping/,
	'PUBLIC\'s password is not for everybody', role => 'guest');
# Where no password is asked for, it is this server that is trusted.
@rows = check($right->document(username => 'trusted', password => undef), role => 'guest');
row_like('source login', 'failed', qr/no password/, 'no password, no door', @rows);
@rows = check($right->document(username => 'trusted', password => 's3cr3t-any'), role => 'guest');
row_like('source login', 'failed', qr/without a password/, 'nor with one that is not asked for', @rows);
row_like('source version', 'skipped', qr/could not/, 'and nothing is asked', @rows);
is_deeply(flaws(check($right->document(username => 'trusted', password => undef))),
	{ %nearby }, 'a superuser may');
# No password file and no environment of the server's own account comes in.
$node->psql_fails('SELECT * FROM ' . call_with(undef), '22023', qr/no source/, 'no source');
$node->psql_fails('SELECT * FROM ' . call_with($right->document, ignore_dbs => "'{NULL}'"), '22023', qr/ignore/, 'a NULL in ignore_dbs');
$node->psql_fails('SELECT * FROM ' . call_with($right->document, ignore_dbs => 'NULL'), '22023', qr/ignore_dbs/, 'ignore_dbs is NULL');

# ----- nothing is left -----

is($right->guests, 0, 'no connection is left at the source');
{
	my $session = OnlineMigrations::Session->open($node);
	my $call = 'SELECT count(*) > 1 FROM ' . call_with($right->document);
	$session->run($call) for 1 .. 2;
	my $before = $session->descriptors;
	is($session->run($call)->{out}, 't', 'a check') for 1 .. 3;
	$session->run('SELECT * FROM ' . call_with($right->document(host => 'late.simulator.test'))) if $resolver;
	is($session->descriptors, $before, '... leaves no descriptor open');
	$session->close;
}
unlike(join("\n", grep { !/statement: |STATEMENT: / } split /\n/, $node->log_text), qr/s3cr3t/, 'no password is in the log');
done_testing();
