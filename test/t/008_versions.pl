# The extension among PostgreSQL's own things: how it is named, loaded, moved,
# dropped, dumped and restored.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
$simulator->migration($cluster, 'running', 'some-id');
my $node = OnlineMigrations::TestNode->start('versions', simulator => $simulator);

sub status_in
{
	my ($schema) = @_;
	return "SELECT status FROM $schema.online_migrations
		WHERE database_cluster_uuid = '$cluster'";
}

# ----- names -----

$node->psql_ok(status_in('databases'), 'running', 'it works');
my $version = $node->safe_psql('digitalocean',
	q{SELECT extversion FROM pg_extension WHERE extname = 'online_migrations_fdw'});
my $server = $node->safe_psql('digitalocean',
	q{SELECT split_part(current_setting('server_version'), ' ', 1)});
is(($simulator->log)[-1]{user_agent}, "online_migrations_fdw/$version PostgreSQL/$server",
	'User-Agent names the extension and PostgreSQL');

# What a library exports is visible to all others that a backend loads.
sub exported_symbols
{
	my $library = $ENV{OMF_STAGE} . `$ENV{PG_CONFIG} --pkglibdir`;
	chomp $library;
	my @lines = `nm -D --defined-only $library/online_migrations_fdw.so`;
	return map { /\s(\w+)(?:@.*)?$/ ? $1 : () } @lines;
}

SKIP:
{
	skip 'no nm here', 2 if system('nm --version >/dev/null 2>&1') != 0;
	my @symbols = exported_symbols();
	ok((grep { $_ eq 'online_migrations_fdw_handler' } @symbols), 'the handler is exported');
	my $known = qr/^(?:omf_|Omf|pg_finfo_omf_|online_migrations_fdw|pg_finfo_online_migrations_fdw
		|_PG_init$|Pg_magic_func$|_init$|_fini$|__bss_start$|_edata$|_end$)/x;
	is(join(' ', grep { !/$known/ } @symbols), '', 'all exported symbols have the prefix');
}

# ----- schemas -----

$node->safe_psql('digitalocean', 'CREATE SCHEMA "Other Place"; CREATE DATABASE elsewhere');
$node->psql_ok('ALTER EXTENSION online_migrations_fdw SET SCHEMA "Other Place"', '',
	'ALTER EXTENSION SET SCHEMA');
$node->psql_ok(status_in('databases'), 'running', 'the tables stay where they are, and work');
$node->psql_ok(qq{SELECT "Other Place".databases_delete_online_migration('$cluster', 'nothing',
	missing_ok => true)}, 'f', 'the functions are in the other schema');
$node->psql_ok('ALTER EXTENSION online_migrations_fdw SET SCHEMA databases', '', 'and back');

sub in_elsewhere
{
	my ($sql) = @_;
	return $node->safe_psql('elsewhere', $sql);
}

in_elsewhere('CREATE SCHEMA s; CREATE EXTENSION online_migrations_fdw SCHEMA s');
is(in_elsewhere(q{SELECT count(*) FROM pg_proc WHERE pronamespace = 's'::regnamespace
	AND proname IN ('databases_update_online_migration', 'databases_delete_online_migration',
		'databases_wait_online_migration')}), '3', 'CREATE EXTENSION in a schema');
in_elsewhere(q{CREATE SERVER d FOREIGN DATA WRAPPER online_migrations_fdw;
	IMPORT FOREIGN SCHEMA databases FROM SERVER d INTO s;
	CREATE VIEW v AS SELECT * FROM s.online_migrations;});
my ($status, $out, $err) = $node->psql('elsewhere', 'DROP EXTENSION online_migrations_fdw');
like($err, qr/depend/, 'DROP EXTENSION refuses while a server depends on it');
in_elsewhere('DROP EXTENSION online_migrations_fdw CASCADE');
is(in_elsewhere(q{SELECT count(*) FROM pg_foreign_server}) . in_elsewhere(
		q{SELECT count(*) FROM pg_class WHERE relkind = 'f' OR relname = 'v'})
	. in_elsewhere(q{SELECT count(*) FROM pg_proc WHERE pronamespace = 's'::regnamespace}),
	'000', 'DROP EXTENSION CASCADE takes all with it');
in_elsewhere('CREATE EXTENSION online_migrations_fdw');
is(in_elsewhere('SELECT count(*) FROM pg_foreign_data_wrapper'), '1', 'and it can be made again');

# In the session that has used it.
my $session = OnlineMigrations::Session->open($node);
is($session->run(status_in('databases'))->{out}, 'running', 'a session that uses it');
my $definition = dump_of('digitalocean');
$session->run('BEGIN; DROP EXTENSION online_migrations_fdw CASCADE');
is($session->run(status_in('databases'))->{sqlstate}, '42P01', 'the table is gone');
$session->run('ROLLBACK');
is($session->run(status_in('databases'))->{out}, 'running', 'ROLLBACK brings it back');
$session->close;

# ----- dump and restore -----

sub dump_of
{
	my ($database) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir() . "/$database.sql";
	$node->command_ok([ 'pg_dump', '--no-owner', '-f', $file, $node->connstr($database) ],
		"pg_dump of $database");
	my $text = slurp_file($file);
	$text =~ s/^(?:--|\\(?:un)?restrict).*\n//mg;
	return { file => $file, text => $text };
}

$node->safe_psql('postgres', 'DROP DATABASE elsewhere; CREATE DATABASE elsewhere');
like($definition->{text}, qr/CREATE EXTENSION IF NOT EXISTS online_migrations_fdw WITH SCHEMA databases/,
	'the dump has the extension');
like($definition->{text}, qr/CREATE SERVER digitalocean/, 'the server');
like($definition->{text}, qr/CREATE USER MAPPING FOR \w+ SERVER digitalocean/, 'the mapping');
like($definition->{text}, qr/CREATE FOREIGN TABLE databases\.online_migrations/, 'and the table');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $definition->{file},
		$node->connstr('elsewhere') ], 'restored');
is(in_elsewhere(status_in('databases')), 'running', 'it works in the restored database');
is(dump_of('elsewhere')->{text}, $definition->{text}, 'its dump is the same');

# Data of a foreign table are dumped only when asked for, and need a key or not.
$node->command_ok([ 'pg_dump', '--include-foreign-data=digitalocean', '-f', '/dev/null',
		$node->connstr('elsewhere') ], 'pg_dump with the data of the foreign tables');

# ----- preloaded, and with TLS of PostgreSQL's own -----

sub make_certificate
{
	my $folder = $node->data_dir;
	return system("openssl req -new -x509 -nodes -days 2 -subj /CN=localhost"
		. " -newkey rsa:2048 -out $folder/server.crt -keyout $folder/server.key"
		. " >/dev/null 2>&1") == 0 && chmod 0600, "$folder/server.key";
}

SKIP:
{
	skip 'no openssl here', 3 unless make_certificate();
	$node->append_conf('postgresql.conf',
		"ssl = on\nshared_preload_libraries = 'online_migrations_fdw'");
	$node->restart;
	$node->psql_ok('SHOW ssl', 'on', 'PostgreSQL has TLS');
	$node->psql_ok(status_in('databases'), 'running', 'preloaded');
	my %https = $node->server_options('https');
	$node->safe_psql('digitalocean', "ALTER SERVER digitalocean OPTIONS
		(SET endpoint '$https{endpoint}', ADD ca_file '$https{ca_file}')");
	$node->psql_ok(status_in('databases'), 'running', 'preloaded, over TLS');
}

# ----- in the other places where a library can be loaded -----

$node->psql_ok("LOAD 'online_migrations_fdw'; " . status_in('databases'), 'running', 'LOAD');
$node->psql_ok('SET default_transaction_read_only = on; ' . status_in('databases'), 'running',
	'a read-only transaction reads');

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:/, 'no process has crashed');
done_testing();
