# What the API was asked is counted for all backends of the server, by
# database and server; what one of them resets is reset for all.
use strict;
use warnings;

use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
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

# Whatever is executed in parallel workers, it is asked and counted by the one.
my $parallel = $node->safe_psql('postgres', 'SHOW server_version_num') >= 160000 ? 'debug_parallel_query' : 'force_parallel_mode';
for my $how (qw(on regress))
{
	$node->run_sql('SELECT databases.online_migrations_fdw_stats_reset()');
	is($node->safe_psql('digitalocean', "SET $parallel = $how; $status; $asked"), "running\n1 1 0", "$parallel = $how");
	like($node->safe_psql('digitalocean', "SET $parallel = $how; $status; SELECT connections FROM databases.online_migrations_fdw_connections"),
		qr/^running\n1$/, '  and of the connections it shows those of the session');
}

# Statistics are the server's, whatever it is called, and go with it.
$node->run_sql('SELECT databases.online_migrations_fdw_stats_reset()');
$node->run_sql($status);
my $renamed = $asked =~ s/'digitalocean'/'renamed'/r;
$node->safe_psql('digitalocean', 'ALTER SERVER digitalocean RENAME TO renamed');
$node->psql_ok($renamed, '1 1 0', 'a server that is renamed');
$node->psql_ok($asked, '', '  has no statistics under its old name');
$node->run_sql($status);
$node->psql_ok($renamed, '2 2 0', '  and is counted on');
$node->safe_psql('digitalocean', 'ALTER SERVER renamed RENAME TO digitalocean');
$node->add_server('gone', %{ { $node->server_options('http') } });
$node->safe_psql('digitalocean', $status =~ s/databases\./gone./r);
my $of_gone = $asked =~ s/'digitalocean'/'gone'/r;
$node->psql_ok($of_gone, '1 1 0', 'another server');
my $beside = $node->session;
is($beside->query_safe($status =~ s/databases\./gone./r), 'running', '  is used');
$node->safe_psql('digitalocean', 'DROP SERVER gone CASCADE; DROP SCHEMA gone');
is($beside->query_safe("SELECT count(*) FROM databases.online_migrations_fdw_stats WHERE server = 'gone'"), '0', '  and dropped: gone');
is($beside->query_safe("SELECT databases.online_migrations_fdw_stats_reset(); SELECT databases.online_migrations_fdw_disconnect_all();"),
	"\nt", '  which disturbs nothing');
$beside->quit;
$node->add_server('gone', %{ { $node->server_options('http') } });
$node->psql_ok("SELECT count(*) FROM databases.online_migrations_fdw_stats WHERE server = 'gone' AND requests > 0", '0',
	'  and nothing of it is another one\'s of that name');
$node->safe_psql('digitalocean', 'DROP SERVER gone CASCADE; DROP SCHEMA gone');

# A crash of one backend begins anew, and nothing hangs.
my $session = $node->session;
$session->query_safe($status);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
ok(OnlineMigrations::Waiting::crash($node, $pid), 'the server is back after a crash');
$node->run_sql($status);
$node->psql_ok($asked, '1 1 0', 'after kill -9 counting goes on');

# Without preloading: from PostgreSQL 17 on sessions share all the same, also
# after a crash, and before that each counts, and keeps answers, for itself.
my $shares = $node->safe_psql('postgres', 'SHOW server_version_num') >= 170000;
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;
$node->safe_psql('digitalocean', q{ALTER SERVER digitalocean OPTIONS (ADD cache_ttl '60min')});
for my $when ('', 'after kill -9, ')
{
	if ($when)
	{
		my $victim = $node->session;
		is($victim->query_safe($status), 'running', 'a session that is killed');
		ok(OnlineMigrations::Waiting::crash($node, $victim->query_safe('SELECT pg_backend_pid()')), '  and the server is back');
	}
	is($node->run_sql("$status; $status; $asked")->{out}, "running\nrunning\n1 1 0", "${when}without preloading: a session's own");
	$node->requests_ok($shares ? {} : { GET => 1 }, sub { $node->run_sql($status) }, '  and what others see of its answers');
	$node->psql_ok($asked, $shares ? '1 1 0' : '', '  and of its statistics');
}

done_testing();
