# How a statement and its requests belong together: what LIMIT saves, what a
# cursor keeps, when rows come, and that nothing adds up.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;
use Time::HiRes qw(sleep);

# Kept connections are at most so many.
my $CONCURRENCY = 10;

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('statement', simulator => $simulator,
	log_level => 'warning',
	server_options => { max_concurrency => $CONCURRENCY, connect_timeout => '2s', request_timeout => '2s' });
$node->safe_psql('digitalocean', qq{
	CREATE SCHEMA h2;
	CREATE SERVER h2 FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS (
		endpoint '${\$simulator->https}', ca_file '${\$simulator->ca_file}',
		max_concurrency '$CONCURRENCY', connect_timeout '2s', request_timeout '2s');
	CREATE USER MAPPING FOR CURRENT_USER SERVER h2
		OPTIONS (token '$OnlineMigrations::TestNode::TOKEN');
	IMPORT FOREIGN SCHEMA databases FROM SERVER h2 INTO h2;});

my @clusters = map { sprintf '00000000-0000-4000-8000-%012d', $_ } 1 .. 100;
for my $cluster (@clusters)
{
	$simulator->cluster($cluster, engine => 'pg');
	$simulator->migration($cluster, 'running', 'id-' . substr($cluster, -4));
}
my $all = join ',', map { "'$_'" } @clusters;
my $keys = "database_cluster_uuid IN ($all)";

sub asked { return $simulator->counters->{get_status}; }

sub set_timeout
{
	my ($schema, $timeout) = @_;
	my $server = $schema eq 'h2' ? 'h2' : 'digitalocean';
	$node->safe_psql('digitalocean', "ALTER SERVER $server OPTIONS (SET request_timeout '$timeout')");
	return;
}

# ----- LIMIT -----

# At most as many as may be in flight at once are asked in vain, and those
# before them may have been replaced as they were answered.
sub try_limit
{
	my ($schema) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->run("SELECT FROM $schema.online_migrations WHERE database_cluster_uuid = '$clusters[0]'");
	$simulator->reset_counters;
	$simulator->config(latency_ms => 20);
	$session->rows_ok("SELECT status FROM $schema.online_migrations WHERE $keys LIMIT 1",
		'running', "LIMIT 1 of 100 keys, $schema");
	cmp_ok(asked(), '<=', 20, "LIMIT stops asking, $schema");
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), "nothing is left in flight, $schema");
	$simulator->config(latency_ms => 0);
	$simulator->reset_counters;
	$session->rows_ok("SELECT status FROM $schema.online_migrations WHERE $keys LIMIT 0", '',
		"LIMIT 0, $schema");
	is(asked(), 0, "LIMIT 0 asks nothing, $schema");
	$session->rows_ok("SELECT EXISTS (SELECT FROM $schema.online_migrations WHERE $keys)", 't',
		"EXISTS, $schema");
	cmp_ok(asked(), '<', 100, "EXISTS stops asking, $schema");
	$session->close;
	return;
}

# Rows come before a later answer that is slow.
sub try_first_row
{
	my ($schema) = @_;
	set_timeout($schema, '1min');
	my $session = OnlineMigrations::Session->open($node);
	$simulator->fault('hang', uuid => $clusters[2]);
	$session->run('BEGIN');
	$session->run("DECLARE c CURSOR FOR SELECT status FROM $schema.online_migrations
		WHERE database_cluster_uuid IN ('$clusters[0]', '$clusters[1]', '$clusters[2]')");
	my $result = $session->rows_ok('FETCH FROM c', 'running', "a row while another hangs, $schema");
	cmp_ok($result->{seconds}, '<', 30, "it came before the slowest, $schema");
	$session->rows_ok('FETCH FROM c', 'running', "and another one, $schema");
	$session->run('ROLLBACK');
	$simulator->delete_faults;
	$session->run("SELECT FROM $schema.online_migrations WHERE database_cluster_uuid = '$clusters[1]'");
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), "the slowest is called off, $schema");
	$session->close;
	set_timeout($schema, '2s');
	return;
}

# ----- cursors -----

# Time in which nobody fetches counts against no timeout of two seconds.
sub try_idle_cursor
{
	my ($schema) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->run('BEGIN');
	$session->run("DECLARE c CURSOR FOR SELECT status FROM $schema.online_migrations WHERE $keys");
	$session->rows_ok('FETCH FROM c', 'running', "a cursor, $schema");
	sleep(2.5);
	$session->rows_ok('FETCH FROM c', 'running', "after a rest longer than the timeouts, $schema");
	sleep(2.2);
	$session->rows_ok('MOVE ALL FROM c; SELECT 1', '1', "after another, to the end, $schema");
	$session->rows_ok('FETCH FROM c', '', "no row is missing or left, $schema");
	$session->run('COMMIT');
	$session->close;
	return;
}

# A cursor and other statements of the same session share its connections.
sub try_interleaved
{
	my ($schema) = @_;
	my $session = OnlineMigrations::Session->open($node);
	my $other = "SELECT count(status) FROM $schema.online_migrations WHERE $keys";
	$session->run('BEGIN');
	$session->run("DECLARE c CURSOR FOR SELECT id FROM $schema.online_migrations WHERE $keys");
	$session->run("DECLARE d CURSOR FOR SELECT id FROM $schema.online_migrations WHERE $keys");
	my @c = map { $session->run('FETCH 3 FROM c')->{out} } 1 .. 2;
	my @d = map { $session->run('FETCH 3 FROM d')->{out} } 1 .. 2;
	$session->rows_ok($other, '100', "another statement between FETCHes, $schema");
	push @c, $session->run('FETCH ALL FROM c')->{out};
	$session->rows_ok($other, '100', "another one, $schema");
	push @d, $session->run('FETCH ALL FROM d')->{out};
	my %seen = map { $_ => 1 } map { split /\n/ } @c;
	is(scalar(keys %seen), 100, "the first cursor has all its rows, $schema");
	%seen = map { $_ => 1 } map { split /\n/ } @d;
	is(scalar(keys %seen), 100, "the second cursor, too, $schema");
	$session->run('COMMIT');
	$session->close;
	return;
}

# A subtransaction that is rolled back takes its scans along, not others.
sub try_subtransaction
{
	my ($schema) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->run('BEGIN');
	$session->run("DECLARE outside CURSOR FOR SELECT id FROM $schema.online_migrations WHERE $keys");
	$session->run('FETCH FROM outside');
	$session->run('SAVEPOINT s');
	$session->run("DECLARE inside CURSOR FOR SELECT id FROM $schema.online_migrations WHERE $keys");
	$session->run('FETCH FROM inside');
	is($session->run('SELECT 1 / 0')->{sqlstate}, '22012', "an error in a subtransaction, $schema");
	$session->run('ROLLBACK TO s');
	is($session->run('FETCH FROM inside')->{sqlstate}, '34000', "its cursor is gone, $schema");
	$session->run('ROLLBACK TO s');
	$session->rows_ok('SELECT 1', '1', "the transaction goes on, $schema");
	my @rest = split /\n/, $session->run('FETCH ALL FROM outside')->{out};
	is(scalar(@rest), 99, "the outer cursor has all its rows, $schema");
	$session->run('COMMIT');
	ok(OnlineMigrations::Waiting::in_flight($simulator, 0), "nothing is left in flight, $schema");
	$session->close;
	return;
}

sub try_holdable
{
	my ($schema) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->run("BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR
		SELECT id FROM $schema.online_migrations WHERE $keys ORDER BY id; COMMIT");
	$simulator->reset_counters;
	$session->rows_ok('FETCH FROM c', 'id-0001', "a holdable cursor after COMMIT, $schema");
	$session->rows_ok('FETCH LAST FROM c', 'id-0100', "to its end, $schema");
	$session->rows_ok('FETCH PRIOR FROM c', 'id-0099', "and backwards, $schema");
	is(asked(), 0, "it asks nothing any more, $schema");
	$session->run('CLOSE c');
	$session->close;
	return;
}

# ----- plans -----

sub try_generic_plan
{
	my ($schema) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->run('SET plan_cache_mode = force_generic_plan');
	$session->run("PREPARE p(uuid) AS SELECT id FROM $schema.online_migrations WHERE database_cluster_uuid = \$1");
	$session->rows_ok("EXECUTE p('$clusters[4]')", 'id-0005', "a generic plan, $schema");
	$session->rows_ok("EXECUTE p('$clusters[6]')", 'id-0007', "with another key, $schema");
	$session->rows_ok('EXECUTE p(NULL)', '', "with NULL, $schema");
	$session->run("PREPARE q(uuid[]) AS SELECT count(*) FROM $schema.online_migrations WHERE database_cluster_uuid = ANY (\$1)");
	$session->rows_ok("EXECUTE q('{$clusters[4],$clusters[5],$clusters[4]}')", '2', "an array, $schema");
	set_timeout($schema, '3s');
	$session->rows_ok("EXECUTE p('$clusters[8]')", 'id-0009', "after ALTER SERVER, $schema");
	set_timeout($schema, '2s');
	$session->close;
	return;
}

# Whoever asks for parallel workers gets the right rows all the same.
sub try_parallel
{
	my ($schema) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->run("SET $_") for 'parallel_setup_cost = 0', 'parallel_tuple_cost = 0',
	  'min_parallel_table_scan_size = 0', 'force_parallel_mode = on', 'debug_parallel_query = on';
	$simulator->reset_counters;
	$session->rows_ok("SELECT count(status) FROM $schema.online_migrations WHERE $keys", '100',
		"with parallel query wanted, $schema");
	is(asked(), 100, "each key is asked once, $schema");
	$session->close;
	return;
}

# ----- nothing adds up -----

# The statements run in one session; its memory after the first batch is to
# be that after many.
sub try_memory
{
	my ($schema, $name, $batch) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->run($batch) for 1 .. 3;
	my $before = $session->memory;
	my $descriptors = $session->descriptors;
	$session->run($batch) for 1 .. 10;
	my $after = $session->memory;
	cmp_ok($after - $before, '<', 3000, "$name: memory does not grow, $schema");
	cmp_ok($session->descriptors, '<=', $descriptors + $CONCURRENCY, "$name: nor do descriptors, $schema");
	note("$name, $schema: $before kB before, $after kB after");
	$session->close;
	return;
}

sub repeated
{
	my ($statement, $times) = @_;
	$times //= 100;
	return "DO \$\$ BEGIN FOR i IN 1 .. $times LOOP BEGIN PERFORM * FROM ($statement) AS s;
		EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END \$\$";
}

for my $schema (qw(databases h2))
{
	try_limit($schema);
	try_first_row($schema);
	try_idle_cursor($schema);
	try_interleaved($schema);
	try_subtransaction($schema);
	try_holdable($schema);
	try_generic_plan($schema);
	try_parallel($schema);

	my $table = "$schema.online_migrations";
	try_memory($schema, 'one key',
		repeated("SELECT * FROM $table WHERE database_cluster_uuid = '$clusters[0]'"));
	try_memory($schema, '100 keys', repeated("SELECT * FROM $table WHERE $keys", 10));
	try_memory($schema, 'errors', repeated("SELECT * FROM $table
		WHERE database_cluster_uuid = '0badc0de-0000-4000-8000-000000000403'"));
	try_memory($schema, 'called off', repeated("SELECT * FROM $table WHERE $keys LIMIT 1", 20));
}

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:|leak/i,
	'no process has crashed, nothing has leaked');
done_testing();
