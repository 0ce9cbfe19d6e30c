# What databases_check_online_migration() finds at a MySQL source through a
# server of mysql_fdw: one that is right, and one flaw after the other.  It
# changes nothing, leaves no connection behind, and where it can't ask, it says
# what to run by hand.
use strict;
use warnings;

use JSON::PP;
use OnlineMigrations::CheckRows;
use OnlineMigrations::MysqlSource;
use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::Source;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils;
use Test::More;

# A cancel takes milliseconds.  A loaded machine is no reason to fail; else it
# would be a minute, connect_timeout.
my $AT_ONCE = 20;

my $shared = `$ENV{PG_CONFIG} --sharedir`;
chomp $shared;
my $missing = OnlineMigrations::MysqlSource::missing($shared);
plan skip_all => "there is no $missing" if $missing;
plan skip_all => 'no openssl to make certificates with' if !OnlineMigrations::Source::has_openssl();

my $cluster = '00000000-0000-4000-8000-000000000001';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'mysql', version => '8.0', name => 'target', storage_size_mib => 30_720);
my $node = OnlineMigrations::TestNode->start('check_mysql', simulator => $simulator, log_level => 'debug1',
	server_options => { connect_timeout => '2s', request_timeout => '3s', max_retries => 0 });
my $source = OnlineMigrations::MysqlSource->start;
my %right = (version => '8.0.36', gtid_mode => 'ON', enforce_gtid_consistency => 'ON', log_bin => 'ON', binlog_format => 'ROW',
	binlog_expire_logs_seconds => 2_592_000, expire_logs_days => 0);
$source->sql('CREATE DATABASE shop', 'CREATE TABLE shop.item (id int PRIMARY KEY, name text)', 'CREATE DATABASE ledger',
	'CREATE VIEW shop.items AS SELECT name FROM shop.item');

$node->safe_psql('digitalocean', qq{
	CREATE EXTENSION mysql_fdw;
	CREATE SERVER "Old db" FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host '127.0.0.1', port '${\$source->port}');
	CREATE USER MAPPING FOR CURRENT_USER SERVER "Old db" OPTIONS (username 'mover', password '$OnlineMigrations::MysqlSource::PASSWORD');});

# The public name under which DigitalOcean reaches what the server leads to.
my $public = '{"host": "src.example.com"}';

sub call_with
{
	my (%arguments) = @_;
	%arguments = (source => $node->literal($public), source_server => "'Old db'", %arguments);
	my $uuid = delete $arguments{cluster} // $cluster;
	my $list = join '', map { ", $_ => $arguments{$_}" } sort keys %arguments;
	return "databases.databases_check_online_migration('$uuid'$list)";
}

sub check
{
	my (%arguments) = @_;
	my %how = map { exists $arguments{$_} ? ($_ => delete $arguments{$_}) : () } qw(role before);
	return check_rows($node, call_with(%arguments), %how);
}

# From loopback, nobody can say that it is fine.
my %nearby = ('source reachable' => 'warning');
my @asked = map { "source $_" } 'version', 'GTID mode', 'binary log format', 'binary log retention', 'databases',
  'table engines', 'primary keys', 'privileges';
my %skipped = map { $_ => 'skipped' } @asked, 'target storage';

# ----- MariaDB as it is -----

my @rows = check();
is_deeply(flaws(@rows), { %nearby, 'source version' => 'warning', 'source GTID mode' => 'warning' }, 'MariaDB is no MySQL')
  or diag(JSON::PP->new->pretty->encode(\@rows));
row_like('source version', 'warning', qr/is MariaDB 1\d\./, 'and is called by its name', @rows);
row_like('source GTID mode', 'warning', qr/gtid_mode is not there/, 'it has no gtid_mode', @rows);

# ----- MySQL that is right -----

$source->dress(%right);
$node->requests_ok({ GET => 2 }, sub { @rows = check() }, 'two GETs, and nothing else');
is_deeply(flaws(@rows), \%nearby, 'nothing is wrong') or diag(JSON::PP->new->pretty->encode(\@rows));
is(scalar(grep { $_->{hint} !~ m{See https://\S+$} } @rows), 0, 'each check names its document');
is_deeply([ grep { my $name = $_; !grep { $_->{check} eq $name } @rows } @asked, 'target storage', 'source TLS', 'source login' ], [],
	'all is asked');
row_like('source databases', 'ok', qr/^Copied are 2 databases: ledger, shop\.$/, 'what is copied', @rows);
row_like('source version', 'ok', qr/MySQL 8\.0\.36, the target MySQL 8\.$/, 'both versions', @rows);
row_like('source binary log retention', 'ok', qr/for 30 days/, 'how long logs are kept', @rows);
row_like('source privileges', 'ok', qr/"mover" may replicate/, 'who migrates', @rows);
row_like('source login', 'ok', qr/"Old db"/, 'by which server', @rows);
row_like('target storage', 'ok', qr/the target's storage 30720 MiB/, 'the sizes', @rows);
is(scalar(grep { $_->{check} eq 'size' } @rows), 2, 'each database has its size');
is($source->guests, 0, 'no connection is left');
is($node->safe_psql('digitalocean', q{SELECT count(*) FROM pg_class WHERE relname ~ 'omf_mysql' OR relkind = 'f' AND relpersistence = 't'}),
	0, 'and nothing that was made here');
my $session = OnlineMigrations::Session->open($node);
is($session->run('SELECT count(*) > 15 FROM ' . call_with() . ' WHERE result <> \'skipped\'')->{out}, 't', 'a session checks')
  for 1 .. 2;
is($session->run(q{SELECT count(*) FROM pg_class WHERE relname ~ 'omf_mysql'})->{out} . $source->guests, '00', 'and has no more for it');
is($session->run('SHOW search_path')->{out}, '"$user", public', 'nor other settings');
is($session->run('BEGIN')->{sqlstate} . $session->run('SELECT count(*) > 15 FROM ' . call_with())->{out}, 't', 'in a transaction block');
is($session->run('SELECT 1')->{out} . $session->run('COMMIT')->{sqlstate}, '1', 'which goes on');
$session->close;

# Whose tables are being read in the same transaction keeps its connection.
$session = OnlineMigrations::Session->open($node);
$node->safe_psql('digitalocean', q{CREATE FOREIGN TABLE far_tables (table_schema text, table_name text)
	SERVER "Old db" OPTIONS (dbname 'information_schema', table_name 'tables')});
$session->run('BEGIN');
$session->run('DECLARE c CURSOR FOR SELECT * FROM far_tables');
like($session->run('FETCH 2 FROM c')->{out}, qr/information_schema/, 'a cursor has begun');
is($session->run('SELECT count(*) > 15 FROM ' . call_with() . ' WHERE result <> \'skipped\'')->{out}, 't', 'a check beside it');
like($session->run('FETCH 500 FROM c')->{out}, qr/shop\|item/, 'and it goes on');
is($session->run('COMMIT')->{sqlstate}, '', 'to its end');
is($session->run('SELECT count(*) FROM (SELECT table_name FROM far_tables WHERE table_schema = \'shop\') AS t CROSS JOIN LATERAL '
	. call_with() . ' AS c WHERE c."check" = \'source login\' AND t.table_name IS NOT NULL')->{out}, '2', 'checks for the rows of such a table');
$session->close;
ok(OnlineMigrations::Waiting::until_true(sub { $source->guests == 0 }), 'its connection ends with the session');
row_like('source databases', 'ok', qr/1 databases: ledger\.$/, 'what is ignored is not copied', check(ignore_dbs => "'{shop}'"));
row_like('source databases', 'failed', qr/0 databases/, 'no database at all is no migration', check(ignore_dbs => "'{shop,ledger}'"));

# ----- one flaw after the other -----

sub dressed_flaws_ok
{
	my ($dress, $flaws, $name, %arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$source->dress(%right, %$dress);
	my @found = check(%arguments);
	is_deeply(flaws(@found), { %nearby, %$flaws }, $name) or diag(JSON::PP->new->pretty->encode(\@found));
	return @found;
}

dressed_flaws_ok({ version => '9.1.0' }, { 'source version' => 'failed' }, 'newer than the target');
dressed_flaws_ok({ version => '8.4.2-log' }, { 'source version' => 'warning' }, 'a version that is not followed');
dressed_flaws_ok({ version => '5.6.51' }, { 'source version' => 'warning' }, 'nor an old one');
dressed_flaws_ok({ version => '5.7.44' }, {}, 'the oldest that is');
dressed_flaws_ok({ gtid_mode => 'OFF_PERMISSIVE' }, { 'source GTID mode' => 'warning' }, 'GTIDs are off');
dressed_flaws_ok({ enforce_gtid_consistency => 'WARN' }, { 'source GTID mode' => 'warning' }, 'GTIDs are not enforced');
dressed_flaws_ok({ log_bin => 'OFF' }, { 'source binary log format' => 'warning' }, 'no binary log');
dressed_flaws_ok({ binlog_format => 'MIXED' }, { 'source binary log format' => 'warning' }, 'a binary log of statements');
row_like('source binary log retention', 'warning', qr/for 1\.5 days/, 'logs that go too soon',
	dressed_flaws_ok({ binlog_expire_logs_seconds => 129_600 }, { 'source binary log retention' => 'warning' }, 'logs are kept for too short'));
dressed_flaws_ok({ binlog_expire_logs_seconds => 0, expire_logs_days => 13 }, { 'source binary log retention' => 'warning' }, 'as older versions say it');
dressed_flaws_ok({ binlog_expire_logs_seconds => 0 }, {}, 'logs are kept for ever');
$source->dress(%right);

$source->sql('CREATE DATABASE flawed', 'CREATE TABLE flawed.old (id int PRIMARY KEY) ENGINE = MyISAM',
	'CREATE TABLE flawed.keyless (id int UNIQUE)');
@rows = check();
is_deeply(flaws(@rows), { %nearby, map { $_ => 'warning' } 'source table engines', 'source primary keys' }, 'flaws of tables')
  or diag(JSON::PP->new->pretty->encode(\@rows));
row_like('source table engines', 'warning', qr/^1 tables .*: flawed\.old \(MyISAM\)\.$/, 'MyISAM is named', @rows);
row_like('source primary keys', 'warning', qr/^1 tables .*: flawed\.keyless\.$/, 'so is what has no primary key', @rows);
is_deeply(flaws(check(ignore_dbs => "'{flawed}'")), \%nearby, 'but not in what is not copied');
$source->sql(map { "CREATE TABLE flawed.many_$_ (a int)" } 10 .. 40);
row_like('source primary keys', 'warning', qr/^32 tables .* and 12 more\.$/, 'not more than 20 of them', check());
$source->sql('DROP DATABASE flawed');

my $small = '00000000-0000-4000-8000-000000000002';
$source->sql('CREATE TABLE ledger.entry (id int AUTO_INCREMENT PRIMARY KEY, t longtext)',
	q{INSERT INTO ledger.entry (t) SELECT repeat('x', 1000000) FROM information_schema.columns LIMIT 6}, 'ANALYZE TABLE ledger.entry');
$simulator->cluster($small, engine => 'mysql', version => '8.0', storage_size_mib => 2);
row_like('target storage', 'failed', qr/have \d+ MiB, the target's storage 2 MiB/, 'its storage is too small', check(cluster => $small));
$source->sql('DROP TABLE ledger.entry');

$source->sql("REVOKE REPLICATION SLAVE ON *.* FROM mover\@'127.0.0.1'");
row_like('source privileges', 'warning', qr/no REPLICATION SLAVE/, 'a user who may not replicate', check());
$source->sql("GRANT REPLICATION SLAVE ON *.* TO mover\@'127.0.0.1'");
row_like('source privileges', 'skipped', qr/shows no privileges of "other"/, 'a user who is not known',
	check(source => q{'{"host": "src.example.com", "username": "other"}'}));

# Some of MySQL's libraries do not even log in then.
$source->restart(ssl => 0);
row_like('source TLS', 'failed', qr/does not take TLS/, 'no TLS', check());
row_like('source TLS', 'warning', qr/as disable_ssl says/, 'as disable_ssl says', check(disable_ssl => 'true'));
$source->restart;
is_deeply(flaws(check(disable_ssl => 'true')), { %nearby, 'source TLS' => 'warning' }, 'nor is TLS wanted of one that takes it');

# ----- where it can't be asked -----

sub only_skipped_ok
{
	my ($expected, $name, %arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @found = check(%arguments);
	is_deeply(flaws(@found), { %skipped, %$expected }, $name) or diag(JSON::PP->new->pretty->encode(\@found));
	like(row('source GTID mode', @found)->{hint}, qr/Run there: SELECT \@\@gtid_mode/, "$name: what to run by hand");
	return @found;
}

sub server_of
{
	my ($name, $port, $password) = @_;
	$node->safe_psql('digitalocean', qq{
		CREATE SERVER $name FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host '127.0.0.1', port '$port');
		CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS (username 'mover', password '$password');});
	return (source_server => "'$name'");
}

sub refusals { return $source->sql(q{SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'Access_denied_errors'}); }
my $refused = refusals();
row_like('source login', 'failed', qr/Access denied for user 'mover'/, 'a wrong password',
	only_skipped_ok({ %nearby, 'source login' => 'failed', 'source TLS' => 'warning' }, 'a wrong password', disable_ssl => 'true',
		server_of('wrong', $source->port, 's3cr3t-wrong')));
is(refusals() - $refused, 1, 'a wrong password is tried once: accounts can be locked');
row_like('source reachable', 'failed', qr{, port 1: .*refused\.$}, 'nobody there, and that is a sentence',
	only_skipped_ok({ 'source reachable' => 'failed' }, 'nobody there', server_of('nobody', 1, 's3cr3t')));
my ($silent) = $simulator->url('blackhole') =~ /:(\d+)/;
row_like('source login', 'failed', qr/no greeting within connect_timeout/, 'a host that says nothing',
	only_skipped_ok({ %nearby, 'source login' => 'failed' }, 'a host that says nothing', server_of('silent', $silent, 's3cr3t')));
my $deaf = OnlineMigrations::Waiting::deaf_listener();
my ($deaf_port) = $deaf->{url} =~ /:(\d+)/;
row_like('source reachable', 'failed', qr/within connect_timeout/, 'a host that swallows packets',
	only_skipped_ok({ 'source reachable' => 'failed' }, 'a host that swallows packets', server_of('deaf', $deaf_port, 's3cr3t')));
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET connect_timeout '1min')});
for my $server (qw(silent deaf))
{
	my $waiting = OnlineMigrations::Session->open($node);
	$waiting->post('SELECT count(*) FROM ' . call_with(source_server => "'$server'"));
	ok(OnlineMigrations::Waiting::is_waiting($node, $waiting->pid), "$server: it waits");
	$waiting->interrupt;
	my $result = $waiting->result;
	is($result->{sqlstate}, '57014', "$server: cancel ends it");
	cmp_ok($result->{seconds}, '<', $AT_ONCE, "$server: at once");
	$waiting->close;
}
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET connect_timeout '2s')});

# Once it has greeted, mysql_fdw waits for its answer: then a cancel is seen.
$source->sql(q{SET GLOBAL init_connect = 'DO SLEEP(2)'});
my $slow = OnlineMigrations::Session->open($node);
$slow->post('SELECT count(*) FROM ' . call_with());
ok(OnlineMigrations::Waiting::until_true(sub { $source->guests > 0 }), 'a slow login is waited for');
$slow->interrupt;
is($slow->result->{sqlstate}, '57014', 'a cancel ends the statement when it is over');
is($source->guests, 0, 'and no connection is left');
$source->sql(q{SET GLOBAL init_connect = ''});
is($slow->run('SELECT count(*) > 15 FROM ' . call_with() . q{ WHERE result <> 'skipped'})->{out}, 't', 'the session works on');
$slow->close;

only_skipped_ok({}, 'no server', source_server => 'NULL', source => $node->literal('{"host": "src.example.com", "port": 3306}'));
only_skipped_ok({}, 'a read-only transaction', before => 'BEGIN READ ONLY; ');
$node->safe_psql('digitalocean', qq{
	CREATE FOREIGN DATA WRAPPER handless;
	ALTER FOREIGN DATA WRAPPER handless RENAME TO kept;
	ALTER EXTENSION mysql_fdw DROP FOREIGN DATA WRAPPER mysql_fdw;
	ALTER FOREIGN DATA WRAPPER mysql_fdw RENAME TO renamed;
	ALTER FOREIGN DATA WRAPPER kept RENAME TO mysql_fdw;
	CREATE SERVER kept FOREIGN DATA WRAPPER mysql_fdw OPTIONS (host '127.0.0.1');
	CREATE USER MAPPING FOR CURRENT_USER SERVER kept OPTIONS (username 'mover', password 's3cr3t');});
row_like('source version', 'skipped', qr/has no handler: mysql_fdw is not installed/, 'no mysql_fdw',
	only_skipped_ok({}, 'no mysql_fdw', source_server => "'kept'"));
is_deeply(flaws(check(disable_ssl => 'true')), { %nearby, 'source TLS' => 'warning' }, 'mysql_fdw goes by its handler, not by its name');

# ----- who may -----

$node->safe_psql('digitalocean', q{
	CREATE ROLE guest;
	GRANT USAGE ON SCHEMA databases TO guest;
	GRANT USAGE ON FOREIGN SERVER digitalocean TO guest;
	GRANT EXECUTE ON FUNCTION databases.databases_check_online_migration TO guest;
	CREATE USER MAPPING FOR guest SERVER digitalocean OPTIONS (token 'dop_v1_simulator');});
$node->psql_fails('SELECT * FROM ' . call_with(), '42501', qr/Old db/, 'USAGE on the source server is needed', role => 'guest');
$node->safe_psql('digitalocean', qq{
	GRANT USAGE ON FOREIGN SERVER "Old db" TO guest;
	CREATE USER MAPPING FOR guest SERVER "Old db" OPTIONS (username 'mover', password '$OnlineMigrations::MysqlSource::PASSWORD');});
is_deeply(flaws(check(disable_ssl => 'true', role => 'guest')), { %nearby, 'source TLS' => 'warning' }, 'a role with USAGE and a mapping may');
$node->safe_psql('digitalocean', 'REVOKE TEMPORARY ON DATABASE digitalocean FROM PUBLIC');
row_like('source login', 'skipped', qr/permission denied/, 'a role that may have no temporary tables is told',
	only_skipped_ok({ %nearby, 'source TLS' => 'warning', 'source login' => 'skipped' }, 'no temporary tables', disable_ssl => 'true', role => 'guest'));

# ----- nothing is left -----

is($source->guests, 0, 'no connection is left at the source');
unlike(join("\n", grep { !/statement: |STATEMENT: / } split /\n/, $node->log_text), qr/s3cr3t/, 'no password is in the log');
done_testing();
