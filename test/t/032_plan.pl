# A night of 30 by examples/plan.sql: three fail their check, one goes to
# "error", the API is away for 20 seconds in the middle, and the backend is
# killed during the 12th start.  In the end every cluster has had exactly one
# start that counted, the plan's state is the API's, and nothing but the failed
# ones is left to do by hand.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::Source;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;

plan skip_all => 'no openssl to make certificates with' if !OnlineMigrations::Source::has_openssl();

# A source has a name under which DigitalOcean could reach it.
my $library = PostgreSQL::Test::Utils::tempdir() . '/resolver.so';
system("cc -shared -fPIC -o $library $ENV{OMF_TREE}/test/t/resolver.c -ldl 2>/dev/null") == 0
  or plan skip_all => 'no compiler to make name look-ups with';

my $AWAY = 20;
my @cluster = map { sprintf '00000000-0000-4000-8000-%012d', $_ } 1 .. 30;
my $simulator = OnlineMigrations::Simulator->start;
$simulator->delete_cluster($_->{uuid} // $_->{id}) for $simulator->clusters;
$simulator->config(running_ms => 4000, syncing_ms => 600_000, latency_ms => 20);
$simulator->cluster($_, engine => 'pg', version => '18.0') for @cluster;
$simulator->cluster($cluster[6], engine => 'pg', version => '18.0', outcome => 'error', syncing_ms => 50);
my $node = start_node();
my $source = OnlineMigrations::Source->start('source');

sub start_node
{
	local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, $library;
	return OnlineMigrations::TestNode->start('plan', simulator => $simulator, log_level => 'notice',
		conf => 'restart_after_crash = on',
		server_options => { connect_timeout => '2s', request_timeout => '2s', max_retries => 1 });
}

sub run_example
{
	my @command = ('psql', '-XAtq', '-d', $node->connstr('digitalocean'), '-f', "$ENV{OMF_TREE}/examples/plan.sql");
	return is(PostgreSQL::Test::Utils::run_log(\@command) ? 1 : 0, 1, 'examples/plan.sql runs');
}
run_example();
run_example();

# ----- the plan: three that can't be -----

$node->safe_psql('digitalocean', qq{
	CREATE EXTENSION postgres_fdw;
	CREATE SERVER shop_source FOREIGN DATA WRAPPER postgres_fdw
		OPTIONS (host 'source.simulator.test', port '${\$source->port}', dbname 'shop');
	CREATE USER MAPPING FOR CURRENT_USER SERVER shop_source OPTIONS (user 'mover', password '$OnlineMigrations::Source::PASSWORD');
	CREATE SERVER dead_source FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host 'dead.simulator.test', dbname 'shop');
	CREATE USER MAPPING FOR CURRENT_USER SERVER dead_source OPTIONS (user 'mover', password 's3cr3t-dead');});
my %source_of = ($cluster[2] => 'NULL', $cluster[13] => "'dead_source'", $cluster[24] => "'nowhere'");
$node->safe_psql('digitalocean', 'INSERT INTO migration_jobs.migration_plan (cluster, source_server, wave) VALUES ' . join ', ',
	map { "('$cluster[$_]', " . ($source_of{ $cluster[$_] } // "'shop_source'") . ', ' . ($_ < 15 ? 1 : 2) . ')' } 0 .. $#cluster);

sub puts_of { my ($uuid) = @_; return scalar grep { $_->{method} eq 'PUT' && $_->{path} =~ $uuid } $simulator->log; }
sub states
{
	my %states = map { split /\|/ } split /\n/,
	  $node->safe_psql('digitalocean', 'SELECT state, count(*) FROM migration_jobs.migration_plan GROUP BY state');
	return \%states;
}

# ----- the night -----

# The 12th start of the first wave hangs, and is carried out all the same.  It
# would be given up long after it is looked at.
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET request_timeout '60s')});
my $twelfth = (grep { !$source_of{$_} } @cluster)[11];
$simulator->fault('hang', method => 'PUT', uuid => $twelfth, apply => 'true', times => 1);
my $session = OnlineMigrations::Session->open($node);
$session->post(q{CALL migration_jobs.run_plan('1 s')});
ok(OnlineMigrations::Waiting::until_true(sub { puts_of($twelfth) }), 'the 12th is being started');
is(states()->{'check failed'}, 3, 'three have failed their check');
ok(OnlineMigrations::Waiting::crash($node, $session->pid), 'the server is there again after a kill');
eval { $session->result };
is($node->safe_psql('digitalocean', "SELECT state FROM migration_jobs.migration_plan WHERE cluster = '$twelfth'"), 'starting',
	'the plan knows that it was being started');

# Again, as the user would.  In the second wave the API goes away.
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (SET request_timeout '2s')});
$session = OnlineMigrations::Session->open($node);
$session->post(q{CALL migration_jobs.run_plan('1 s')});
my $other = OnlineMigrations::Session->open($node);
ok(OnlineMigrations::Waiting::until_true(sub { puts_of($cluster[19]) }), 'the second wave has begun');
like($other->run('CALL migration_jobs.step_plan()')->{err}, qr/worked on by another session/, 'there is one at a time');
kill 'STOP', $simulator->pid;
sleep($AWAY);
kill 'CONT', $simulator->pid;
my $result = $session->result;
is($result->{sqlstate}, '', 'the plan comes to its end') or diag($result->{err});

# ----- what has become of it -----

my ($failed, $moved) = (0, 0);
for my $uuid (@cluster)
{
	my ($state, $id) = split /\|/, $node->safe_psql('digitalocean',
		"SELECT state, migration_id FROM migration_jobs.migration_plan WHERE cluster = '$uuid'");
	my $api = $node->safe_psql('digitalocean',
		"SELECT status, id FROM databases.online_migrations WHERE database_cluster_uuid = '$uuid'");
	if ($source_of{$uuid})
	{
		$failed += $state eq 'check failed' && $api eq '' && puts_of($uuid) == 0;
		next;
	}
	$moved += "$state|$id" eq $api && puts_of($uuid) == 1 or diag("$uuid: plan $state|$id, API $api, PUTs " . puts_of($uuid));
}
is($failed, 3, 'those that failed their check were not started');
is($moved, 27, 'all others had one start that counted, and have the state that the API shows');
is_deeply(states(), { 'check failed' => 3, error => 1, syncing => 26 }, 'one has gone to error, all others follow their sources');
is($node->safe_psql('digitalocean', q{SELECT string_agg(state, ' ' ORDER BY state) FROM migration_jobs.migration_plan
	WHERE last_error IS NOT NULL}), 'check failed check failed check failed error', 'each failure has its words, and nothing else has')
  or diag($node->safe_psql('digitalocean', 'SELECT cluster, state, last_error FROM migration_jobs.migration_plan WHERE last_error IS NOT NULL'));
is($node->safe_psql('digitalocean', 'SELECT wave, clusters, to_start, unknown, running, syncing, failed FROM migration_jobs.migration_plan_progress'),
	"1|15|0|0|0|12|3\n2|15|0|0|0|14|1", 'the view says where it stands');

# Another step does nothing; what was mended is done.
$node->requests_ok({ GET => 26 }, sub { $node->psql_ok('CALL migration_jobs.step_plan()', '', 'another step') }, 'only looks');
$node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET source_server = 'shop_source', state = 'planned' WHERE cluster = '$cluster[2]'");
$node->psql_ok('CALL migration_jobs.step_plan()', '', 'one that was mended');
is(puts_of($cluster[2]), 1, 'is started');
# A token that is refused ends it, by hand as in a job, and nothing is taken for
# failed.
$simulator->fault('status', status => 401);
$node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET state = 'planned' WHERE cluster IN ('$cluster[13]', '$cluster[24]')");
$node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET source_server = 'shop_source' WHERE cluster = '$cluster[13]'");
my $before = states();
$result = $node->run_sql("CALL migration_jobs.run_plan('1 s')");
is($result->{message}, 'the plan cannot go on', 'a token that is refused ends it') or diag($result->{err});
like($result->{detail}, qr/^28000: .* HTTP status 401/, 'which says why');
is_deeply(states(), $before, 'no state has changed');
$simulator->delete_faults;
$node->psql_ok('CALL migration_jobs.step_plan()', '', 'with the token again');
is(puts_of($cluster[13]), 1, 'it goes on where it was');
is(states()->{'check failed'}, 1, 'a server that is not there fails its check');
is($node->safe_psql('digitalocean', "SELECT count(*) FROM migration_jobs.migration_plan WHERE state = 'syncing' AND last_error IS NOT NULL"), 0,
	'and nothing is held against those that are under way');
$node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET state = 'checked' WHERE cluster = '$cluster[24]'");
$node->psql_ok(q{CALL migration_jobs.run_plan('1 s')}, '', 'one that is to be started all the same, when its wave comes');
like($node->safe_psql('digitalocean', "SELECT state, last_error FROM migration_jobs.migration_plan WHERE cluster = '$cluster[24]'"),
	qr/^refused\|42704: source server does not exist/, 'is refused, and says why');

# ----- one that can't be followed, among others that can -----

sub plan_of { my ($uuid) = @_; return $node->safe_psql('digitalocean', "SELECT state, last_error FROM migration_jobs.migration_plan WHERE cluster = '$uuid'"); }
sub id_of { my ($uuid) = @_; return $node->safe_psql('digitalocean', "SELECT migration_id FROM migration_jobs.migration_plan WHERE cluster = '$uuid'"); }
$simulator->fault('status', uuid => $cluster[0], status => 400);
$simulator->migration($cluster[1], 'done', id_of($cluster[1]));
$node->psql_ok(q{CALL migration_jobs.run_plan('1 s')}, '', 'a cluster whose status can\'t be read');
like(plan_of($cluster[0]), qr/^syncing\|HTTP status 400/, 'keeps its state, with what is wrong');
is(plan_of($cluster[1]), 'done|', 'the others are followed all the same');
$simulator->delete_faults;
$node->psql_ok('CALL migration_jobs.step_plan()', '', 'when it can be read again');
is(plan_of($cluster[0]), 'syncing|', 'nothing is wrong any more');

# No migration any more: at first that can be the API's delay.
$simulator->delete_cluster($cluster[3]);
$node->psql_ok('CALL migration_jobs.step_plan()', '', 'a cluster that is gone');
like(plan_of($cluster[3]), qr/^syncing\|The API shows no migration/, 'is not given up at once');
$node->safe_psql('digitalocean', q{UPDATE migration_jobs.migration_plan SET trouble_since = trouble_since - interval '3 min'});
$node->psql_ok('CALL migration_jobs.step_plan()', '', 'two minutes later');
like(plan_of($cluster[3]), qr/^lost\|The API shows no migration/, 'it is');
is(plan_of($cluster[0]), 'syncing|', 'and no other');

# A start that was broken off, of a cluster that is gone: it is looked up, and no error of the plan's.
$node->safe_psql('digitalocean', "UPDATE migration_jobs.migration_plan SET state = 'starting', previous_id = 'some-id', started_at = now(), last_error = NULL WHERE cluster = '$cluster[3]'");
$node->psql_ok('CALL migration_jobs.step_plan()', '', 'a start of a cluster that is gone');
like(plan_of($cluster[3]), qr/^unknown\|/, 'stays unknown');

# ----- the wait for all, as doc/tasks.md has it -----

my ($query, $call) = slurp_file("$ENV{OMF_TREE}/doc/tasks.md") =~ /`(SELECT [^`]*? FROM migration_jobs\.migration_plan [^`]*? \\gset)`, and then\s+`(CALL [^`]*)`/;
ok(defined $call, 'the page waits for all');
$simulator->migration($_, 'done', id_of($_))
	for split /\n/, $node->safe_psql('digitalocean', "SELECT cluster FROM migration_jobs.migration_plan WHERE state = 'syncing'");
my $waiting = OnlineMigrations::Session->open($node);
$result = $waiting->run("$query\n$call;");
is($result->{sqlstate}, '', 'and that wait') or diag($result->{err});
like($result->{err}, qr/NOTICE: .* \d+ of \d+ done\n/, 'is one for all');
$waiting->run('CALL migration_jobs.step_plan()');
is($waiting->run("$query\n$call;")->{message}, 'invalid list of online migrations to wait for', 'when there are none left, it says so');
$waiting->close;

unlike($node->safe_psql('digitalocean', 'SELECT p::text FROM migration_jobs.migration_plan AS p'), qr/s3cr3t/, 'no password is in the plan');
done_testing();
