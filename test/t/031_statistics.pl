# What the API was asked is counted for all backends of the server, by
# database and server; what one of them resets is reset for all.
use strict;
use warnings;

use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
$simulator->migration($cluster, 'running', 'some-id');
my $node = OnlineMigrations::TestNode->start('statistics', simulator => $simulator,
	conf => "shared_preload_libraries = 'online_migrations_fdw'\nrestart_after_crash = on\n");

my $status = "SELECT status FROM databases.online_migrations
	WHERE database_cluster_uuid = '$cluster'";
my $asked = q{SELECT requests || ' ' || answers_2xx || ' ' || lost
	FROM databases.online_migrations_fdw_stats
	WHERE server = 'digitalocean' AND operation = 'get migration'};

# Each call of psql is a backend of its own.
$node->run_sql($status) for 1 .. 3;
$node->psql_ok($asked, '3 3 0', 'requests of other backends are counted');

my @sessions = map { $node->session } 1 .. 4;
$_->query_safe("$status;" x 5) for @sessions;
$node->psql_ok($asked, '23 23 0', '... and those of backends that are still there');

# What is cut off counts as lost, and what is tried again as a request.
$simulator->fault('close_before', times => 1);
$node->run_sql($status);
$node->psql_ok($asked, '25 24 1', 'a lost answer and the try that followed it');

# Another database has servers, and counts, of its own.
$_->quit for @sessions;
$node->safe_psql('postgres', 'CREATE DATABASE other TEMPLATE digitalocean');
$node->safe_psql('other', $status);
$node->psql_ok($asked, '25 24 1', 'another database counts for itself');
is($node->safe_psql('other', $asked), '1 1 0', '... also where its server has the same name');

$node->run_sql('SELECT databases.online_migrations_fdw_stats_reset()');
$node->psql_ok($asked, '0 0 0', 'a reset is one for all backends');
is($node->safe_psql('other', $asked), '1 1 0', '... of this database');

# A crash of one backend begins anew, and nothing hangs.
my $session = $node->session;
$session->query_safe($status);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
kill KILL => $pid;
$node->poll_query_until('digitalocean', 'SELECT true');
$node->run_sql($status);
$node->psql_ok($asked, '1 1 0', 'after kill -9 counting goes on');

# Without a table in common it works as well, for each session.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->run_sql($status);
my $alone = $node->run_sql("$status; $asked");
like($alone->{out}, qr/^running\n1 1 0$/, 'without preloading a session counts for itself')
  if $node->safe_psql('postgres', 'SHOW server_version_num') < 170000;

done_testing();
