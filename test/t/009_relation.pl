# The table as a relation under concurrency: a row that another session changes
# meanwhile is looked at again (EvalPlanQual); what is undone in mid-scan leaves
# nothing behind; a listing that fails is never a shorter list.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use Test::More;

my $simulator = OnlineMigrations::Simulator->start;
$simulator->token('dop_v1_relation');
$simulator->populate(seed => 6, count => 450, token => 'dop_v1_relation', status => 'done');
my $node = OnlineMigrations::TestNode->start('relation', over => 'https', simulator => $simulator,
	token => 'dop_v1_relation', server_options => { max_retries => 0 });

$node->safe_psql('digitalocean', q{
	CREATE TABLE jobs (i integer, k uuid, note text);
	INSERT INTO jobs SELECT i, ('00000006-0000-4000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'new'
	FROM generate_series(1, 5) i;
	ANALYZE jobs;});

# ----- a concurrent writer -----

# The first session holds a row, the second one's statement waits for it and
# then looks at what it has become.
sub concurrent_ok
{
	my ($sql, $expected, $name) = @_;
	my $writer = OnlineMigrations::Session->open($node);
	my $other = OnlineMigrations::Session->open($node);
	$node->safe_psql('digitalocean', "UPDATE jobs SET note = 'new'");
	$writer->run("BEGIN; UPDATE jobs SET note = 'held' WHERE i = 2");
	$other->post($sql);
	$node->poll_query_until('digitalocean',
		"SELECT count(*) > 0 FROM pg_locks WHERE NOT granted AND pid = " . $other->pid);
	$writer->run('COMMIT');
	my $result = $other->result;
	is($result->{sqlstate} // '', '', "$name: no error") or diag($result->{err});
	is($node->safe_psql('digitalocean', 'SELECT string_agg(note, \',\' ORDER BY i) FROM jobs'),
		$expected, $name);
	$_->close for $writer, $other;
	return;
}

for my $batched (qw(on off))
{
	my $set = "SET online_migrations_fdw.enable_batched_join = $batched; SET enable_hashjoin = off; SET enable_mergejoin = off;";
	concurrent_ok("$set UPDATE jobs SET note = note || '-' || m.status FROM databases.online_migrations m
		WHERE m.database_cluster_uuid = k",
		'new-done,held-done,new-done,new-done,new-done', "UPDATE FROM, batched $batched");
	concurrent_ok("$set UPDATE jobs SET note = 'seen' FROM databases.online_migrations m
		WHERE m.database_cluster_uuid = k AND note = 'new'",
		'seen,held,seen,seen,seen', "UPDATE FROM that passes the row over, batched $batched");
	concurrent_ok("$set BEGIN; SELECT i FROM jobs JOIN databases.online_migrations m
		ON m.database_cluster_uuid = k FOR UPDATE OF jobs; COMMIT",
		'new,held,new,new,new', "SELECT FOR UPDATE, batched $batched");
	concurrent_ok("$set MERGE INTO jobs USING databases.online_migrations m
		ON m.database_cluster_uuid = k AND m.database_cluster_uuid = ANY (ARRAY(SELECT k FROM jobs))
		WHEN MATCHED THEN UPDATE SET note = note || '+'",
		'new+,held+,new+,new+,new+', "MERGE, batched $batched");
}

# ----- undone in mid-scan -----

{
	my $session = OnlineMigrations::Session->open($node);
	my $all = 'SELECT count(*) FROM databases.online_migrations';
	is($session->run($all)->{out}, '450', 'all clusters of the account, on three pages');
	my $before = $session->descriptors;
	for (1 .. 20)
	{
		$session->run(q{DO $$ DECLARE r record; BEGIN
			FOR r IN SELECT * FROM databases.online_migrations LOOP
				RAISE EXCEPTION 'enough';
			END LOOP;
		EXCEPTION WHEN raise_exception THEN NULL; END $$});
	}
	is($session->run($all)->{out}, '450', 'the list is whole after scans that were broken off');
	cmp_ok($session->descriptors, '<=', $before + 1, 'no descriptor is left open');
	$session->close;
}

# ----- a listing that fails -----

for my $failure (
	[ 'page 2 fails', { fault => 'status', status => 500 }, 'HV00L' ],
	[ 'page 2 is no JSON', { fault => 'not_json' }, 'HV00M' ],
	[ 'page 2 is cut short', { fault => 'close_in_body' }, 'HV00L' ],
	[ 'page 2 has no clusters', { fault => 'missing_fields' }, 'HV00M' ],
	[ 'page 2 is too large', { fault => 'oversized_body', size => 17 * 1024 * 1024 }, '54000' ],
	[ 'page 2 is forbidden', { fault => 'status', status => 403 }, '42501' ])
{
	my ($name, $fault, $sqlstate) = @$failure;
	my %parameters = (%$fault, method => 'LIST', page => 2);
	$simulator->fault(delete $parameters{fault}, %parameters);
	$node->psql_fails('SELECT count(*) FROM databases.online_migrations', $sqlstate,
		qr/page=2&per_page=200/, $name);
	$simulator->delete_faults;
	$node->psql_ok('SELECT count(*) FROM databases.clusters', '450', "$name: then it is whole again");
}

# ----- what a listing holds besides -----

unlike($node->log_text(0), qr/canary/i, 'no password of a cluster in the log');

$node->stop;
$simulator->stop;
done_testing();
