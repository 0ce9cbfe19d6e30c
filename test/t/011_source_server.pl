# The way that doc/secrets.md shows to keep passwords out of logs, tried with all
# that PostgreSQL and its modules can record turned on: the mapping of a source
# server is made with its statement unlogged, and a start that names the server
# sends the password without any log, view or module having seen it.
use strict;
use warnings;

use JSON::PP;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils ();
use Test::More;

my $token = 'dop_v1_' . 'fedcba9876543210' x 4;
my $password = q(s3cr3t'pass"word\\with/quotes);
my $secret = qr/s3cr3t|fedcba9876543210/;
# For what is recorded on purpose; test/lib/secrets does not know it.
my $careless = 'plain-to-see';

my $simulator = OnlineMigrations::Simulator->start;
$simulator->token($token, account => $OnlineMigrations::TestNode::TOKEN);
$simulator->config(running_ms => 600_000);
my $node = OnlineMigrations::TestNode->start('source', simulator => $simulator,
	setup => 'extension', conf => <<'END');
shared_preload_libraries = 'pg_stat_statements, auto_explain'
log_statement = all
log_min_duration_statement = 0
log_min_duration_sample = 0
log_transaction_sample_rate = 1
log_min_error_statement = debug5
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_error_verbosity = verbose
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_nested_statements = on
pg_stat_statements.track = all
pg_stat_statements.track_utility = on
END

# The API token is in a file, as that is for the same end.
my $token_file = PostgreSQL::Test::Utils::tempdir() . '/token';
PostgreSQL::Test::Utils::append_to_file($token_file, "$token\n");
chmod 0600, $token_file or die "cannot protect $token_file: $!\n";
$node->safe_psql('digitalocean', qq{
	CREATE EXTENSION pg_stat_statements;
	CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw
		OPTIONS (endpoint '${\$simulator->http}', max_retries '0');
	CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean
		OPTIONS (token_file '$token_file');
	IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean INTO databases;});

# ----- what doc/secrets.md says -----

# The section's SQL block that contains the words.
sub block_with
{
	my ($words) = @_;
	my $manual = PostgreSQL::Test::Utils::slurp_file("$ENV{OMF_TREE}/doc/secrets.md");
	my ($section) = $manual =~ /^## Keep passwords out of logs\n(.*?)(?:^## |\z)/ms;
	for my $block ($section =~ /^```sql\n(.*?)^```$/msg)
	{
		return $block if index($block, $words) >= 0;
	}
	die "doc/secrets.md has no such block: $words\n";
}

sub statements_seen
{
	return $node->safe_psql('digitalocean', 'SELECT query FROM pg_stat_statements');
}

sub clean_ok
{
	my ($text, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my @lines = grep { $_ =~ $secret } split /\n/, $text;
	is(scalar @lines, 0, $name) or diag(join "\n", @lines);
	return;
}

# As it says, for that role; the server is made only once.
sub make_mapping
{
	my ($role) = @_;
	my $block = block_with('\getenv');
	$block =~ s/^CREATE (?:EXTENSION|SERVER) .*?;$//msg if $role ne 'CURRENT_USER';
	$block =~ s/FOR CURRENT_USER/FOR $role/;
	local $ENV{OLD_DB_PASSWORD} = $password;
	return $node->run_sql($block);
}

my $replace = block_with(q(source_server => 'old_db'));
my $start = $replace =~ s/,\s*replace\s*=>\s*true//r;
is(make_mapping('CURRENT_USER')->{err}, '', 'the server and its mapping are made');
is($node->safe_psql('digitalocean', q{SELECT o.option_value FROM pg_user_mappings,
		pg_options_to_table(umoptions) AS o WHERE srvname = 'old_db' AND o.option_name = 'password'}),
	$password, 'the mapping has the password');
$node->psql_ok($start, qr/\|running$/, 'a start names the server');

my ($put) = grep { $_->{method} eq 'PUT' } $simulator->log;
is_deeply(decode_json($put->{body}),
	{ source => { host => 'src.example.com', port => 25060, dbname => 'defaultdb',
			username => 'doadmin', password => $password },
		disable_ssl => JSON::PP::false, ignore_dbs => [] },
	'the API gets all of the source');

# ----- the ways to fail -----

sub refused_ok
{
	my ($sqlstate, $sql, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $node->psql_fails($sql, $sqlstate, undef, $name, %options);
	clean_ok($result->{err} . $result->{out}, "$name: the client sees no secret");
	return $result;
}

refused_ok('55000', $start, 'one is under way');
$simulator->fault('echo_secrets', method => 'PUT', times => 1);
my $echo = refused_ok('22023', $replace, 'the API echoes what it got');
like($echo->{detail}, qr/\*\*\*/, 'which is masked');
$simulator->fault('status', method => 'PUT', status => 500, times => 1);
refused_ok('HV00L', $replace, 'the API fails');
# The mapping is read, and what comes after it is wrong.
refused_ok('22023', $replace =~ s/replace/ignore_dbs => '{NULL}', replace/r, 'another argument is wrong');
$node->safe_psql('digitalocean', q{ALTER USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (ADD sslkey '/nowhere')});
refused_ok('22023', $replace, 'the mapping has an option that is not carried over');
$node->safe_psql('digitalocean', q{ALTER USER MAPPING FOR CURRENT_USER SERVER old_db OPTIONS (DROP sslkey)});
# Nor when the mapping's statement is wrong.
is(make_mapping('CURRENT_ROLE')->{sqlstate}, '42710', 'a mapping that exists is not made again');
# An error of PostgreSQL's own, after the start: the statement is logged.
my $divided = $replace =~ s/SELECT id, status/SELECT 1 \/ (status = '')::int/r;
refused_ok('22012', $divided, 'the statement fails elsewhere');

# ----- a thief -----

# PUBLIC's mapping: USAGE on the server alone must not send its password.
$node->create_role('thief');
$node->safe_psql('digitalocean', qq{
	CREATE USER MAPPING FOR thief SERVER digitalocean OPTIONS (token_file '$token_file');
	GRANT USAGE ON FOREIGN SERVER old_db TO thief;});
is(make_mapping('PUBLIC')->{err}, '', 'a mapping for PUBLIC is made');
is($node->safe_psql('digitalocean', 'SELECT count(*) FROM pg_user_mapping WHERE umuser = 0'), 1,
	'there is something to steal');
for my $try ($replace,
	$replace =~ s/source_server/source => '{"host": "thief.example.com"}', source_server/r,
	$replace =~ s/source_server/source => '{"username": "thief"}', source_server/r)
{
	$node->requests_ok({}, sub {
			refused_ok('42501', $try, 'PUBLIC\'s mapping is refused', role => 'thief') },
		'nothing is sent for it');
}

# ----- the file -----

my $source_file = PostgreSQL::Test::Utils::tempdir() . '/source.json';
PostgreSQL::Test::Utils::append_to_file($source_file,
	encode_json({ host => 'src.example.com', port => 25060, password => $password }));
$node->psql_ok(block_with('pg_read_file') =~ s{'/[^']+'}{'$source_file'}r,
	qr/\|running$/, 'the server reads the source from a file');

# ----- what was recorded -----

my $log = $node->log_text;
my $seen = statements_seen();
clean_ok($log, 'the server log has no secret, nowhere');
clean_ok($seen, 'pg_stat_statements has none');
unlike($log, qr/CREATE USER MAPPING FOR \w+ SERVER old_db\s+OPTIONS \(user/, 'the mapping\'s statement was not logged');
unlike($seen, qr/CREATE USER MAPPING FOR \w+ SERVER old_db\s+OPTIONS \(user/, 'nor kept');

# All of this was on, or it would prove nothing.
my $call = qr/databases_update_online_migration\(\s+database_cluster_uuid => '[^']+',\s+source_server => 'old_db'/;
like($log, qr/statement: SELECT [^;]*?$call/, 'log_statement was on');
like($log, qr/Query Text: SELECT [^;]*?$call/, 'auto_explain was on');
like($log, qr/duration: \S+ ms\b/, 'log_min_duration_statement was on');
like($log, qr/STATEMENT:  SELECT 1 \/ /, 'log_min_error_statement was on');
like($seen, qr/databases_update_online_migration/, 'pg_stat_statements was on');

# ----- what the other ways leave -----

sub recorded
{
	my ($code) = @_;
	my $offset = -s $node->logfile;
	$node->safe_psql('digitalocean', 'SELECT pg_stat_statements_reset()');
	$code->();
	return ($node->log_text($offset), statements_seen());
}

my $cluster = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
my $source = qq({"host": "src.example.com", "port": 25060, "password": "$careless"});
($log, $seen) = recorded(sub {
		$node->psql_ok(qq{SELECT status FROM databases.databases_update_online_migration(
			'$cluster', '$source', replace => true)}, 'running', 'a start with a password in it'); });
like($log, qr/statement: SELECT [^;]*$careless/, 'log_statement records the password');
like($log, qr/Query Text: SELECT [^;]*$careless/, 'so does auto_explain');
like($log, qr/Function Call: .*$careless/, 'also in the plan, with log_verbose');
unlike($seen, qr/$careless/, 'pg_stat_statements does not');

($log, $seen) = recorded(sub {
		$node->psql_ok(qq{CREATE SERVER careless FOREIGN DATA WRAPPER postgres_fdw;
			CREATE USER MAPPING FOR CURRENT_USER SERVER careless OPTIONS (password '$careless')},
			'', 'a mapping made without care'); });
like($log, qr/statement: CREATE USER MAPPING [^;]*$careless/, 'log_statement records it');
unlike($log, qr/Query Text: CREATE USER/, 'auto_explain does not');
like($seen, qr/CREATE USER MAPPING .*$careless/, 'pg_stat_statements does');

# Parameters: pgbench sends them with the extended protocol.
sub start_by_parameter
{
	my ($name, $works, @settings) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . '/start.sql';
	open my $file, '>', $script or die "cannot write $script: $!\n";
	print $file "SELECT status FROM databases.databases_update_online_migration(\n",
	  "\t:cluster, :source, replace => true);\n";
	close $file;
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } @settings;
	my @command = ('pgbench', '-n', '-t', 1, '-M', 'extended', '-f', $script,
		'-D', "cluster=$cluster", '-D', "source=$source", $node->connstr('digitalocean'));
	is(PostgreSQL::Test::Utils::run_log(\@command) ? 1 : 0, $works, $name);
	return;
}

($log) = recorded(sub { start_by_parameter('a start with a parameter', 1) });
like($log, qr/DETAIL: .*arameters: .*$careless/, 'log_statement records parameters');
like($log, qr/Function Call: .*$careless/, 'so does the plan of auto_explain');
my @quiet = ('log_parameter_max_length=0', 'auto_explain.log_min_duration=-1', 'log_min_messages=warning');
($log) = recorded(sub { start_by_parameter('a start with an unlogged parameter', 1, @quiet) });
like($log, qr/databases_update_online_migration/, 'the statement is still logged');
unlike($log, qr/$careless/, 'but without its parameters');
$simulator->fault('status', method => 'PUT', status => 422, times => 1);
($log) = recorded(sub { start_by_parameter('one that fails', 0, @quiet) });
like($log, qr/ERROR: .*could not start/, 'its error is logged');
unlike($log, qr/$careless/, 'without its parameters');
done_testing();
