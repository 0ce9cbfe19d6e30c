# A start that has its source from a foreign server leaves no password
# anywhere, whatever the server logs: the way that the README shows.
use strict;
use warnings;

use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils qw(slurp_file append_to_file);
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $password = 'fedcba9876543210-s3cr3t';
my $secret = qr/fedcba9876543210|s3cr3t|dop_v1_[0-9a-z]{8,}/;

my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
my $node = OnlineMigrations::TestNode->start('source_server', simulator => $simulator, log_level => 'debug5',
	conf => q{
shared_preload_libraries = 'pg_stat_statements, auto_explain'
pg_stat_statements.track = all
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_nested_statements = on
log_error_verbosity = verbose
log_statement = none
log_min_error_statement = error
});
$node->safe_psql('digitalocean', q{
	CREATE EXTENSION postgres_fdw;
	CREATE EXTENSION pg_stat_statements;
	CREATE SERVER old_db FOREIGN DATA WRAPPER postgres_fdw
		OPTIONS (host 'src.example.com', port '25060', dbname 'defaultdb', sslmode 'require');});

# From here on, everything is logged.
$node->append_conf('postgresql.conf', "log_statement = all\nlog_min_duration_statement = 0\nlog_duration = on\n");
$node->reload;
ok($node->poll_query_until('digitalocean', q{SELECT current_setting('log_statement') = 'all'}), 'statements are logged');
$node->safe_psql('digitalocean', 'SELECT pg_stat_statements_reset()');
my $offset = -s $node->logfile;

# ----- the mapping, as the README makes it -----

my $script = $PostgreSQL::Test::Utils::tmp_check . '/mapping.sql';
append_to_file($script, q{
SET log_statement = 'none';
SET log_min_duration_statement = -1;
SET log_duration = off;
SET log_min_error_statement = 'panic';
SET pg_stat_statements.track_utility = off;
\prompt 'Password of doadmin: ' password
CREATE USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (user 'doadmin', password :'password');
\unset password
});
my ($out, $err) = ('', '');
ok(IPC::Run::run([ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('digitalocean'), '-f', $script ],
		'<', \"$password\n", '>', \$out, '2>', \$err), 'the mapping is made') or diag($err);

# ----- starts -----

my $start = "SELECT status FROM databases.databases_update_online_migration(
	'$cluster', source_server => 'old_db', replace => true)";
$node->psql_ok($start, 'running', 'a start by source_server');
my ($put) = grep { $_->{method} eq 'PUT' } $simulator->log;
like($put->{body}, qr/"host":"src.example.com","port":25060,"dbname":"defaultdb","username":"doadmin","password":"$password"/,
	'has sent the password');
$node->psql_ok("PREPARE s AS $start; EXECUTE s; EXECUTE s", "running\nrunning", 'prepared');
$node->psql_ok("DO \$\$ BEGIN PERFORM * FROM ($start) s; END \$\$", '', 'in a block');

# Those that fail, too.
for my $fault ([ 'echo_secrets', {} ], [ 'status', { status => 500 } ], [ 'status', { status => 422 } ], [ 'hang', {} ])
{
	my ($name, $options) = @$fault;
	$simulator->fault($name, uuid => $cluster, method => 'PUT', %$options);
	my $result = $node->run_sql("SET statement_timeout = '2s'; $start");
	isnt($result->{sqlstate}, '', "a start that fails: $name");
	unlike($result->{err}, $secret, '  its message has no secret');
	$simulator->delete_faults;
}
my $refused = $node->run_sql("SELECT 1 / 0, s.* FROM ($start) s");
is($refused->{sqlstate}, '22012', 'an error elsewhere in the statement');

# ----- what is recorded -----

my $log = $node->log_text($offset);
like($log, qr/statement: SELECT status FROM databases\.databases_update_online_migration/, 'the log has the statements');
like($log, qr/Query Text:.*databases_update_online_migration/s, 'and their plans');
unlike($log, $secret, 'and no secret');
my $statements = $node->safe_psql('digitalocean', 'SELECT query FROM pg_stat_statements');
like($statements, qr/databases_update_online_migration/, 'pg_stat_statements has the statements');
unlike($statements, $secret, 'and no secret');

# The same text would have been seen: what the test looks at does record.
$node->run_sql("SELECT 'seen-password' AS x");
like($node->log_text($offset), qr/seen-password/, 'what is in a statement is logged');

$node->stop;
done_testing();
