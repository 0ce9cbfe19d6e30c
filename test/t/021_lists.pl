# What lists hold: a token that may not filter, clusters that have no migration,
# times, texts in the server's encoding, and pages that are made to do harm.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use Test::More;

my $simulator = OnlineMigrations::Simulator->start;
$simulator->token('dop_v1_lists');
my @cluster = map { "00000021-0000-4000-8000-00000000000$_" } 1 .. 4;
$simulator->cluster($cluster[0], token => 'dop_v1_lists', engine => 'pg', name => 'a', tags => ['x']);
$simulator->cluster($cluster[1], token => 'dop_v1_lists', engine => 'advanced_pg', name => 'b', tags => [ 'x', 'y' ]);
$simulator->cluster($cluster[2], token => 'dop_v1_lists', engine => 'advanced_mysql', name => 'c', tags => ['y']);
$simulator->cluster($cluster[3], token => 'dop_v1_lists', engine => 'mongodb', name => 'd');
$simulator->migration($_, 'done', 'of-' . substr($_, -1), '2020-10-28T15:21:35Z') for @cluster[0 .. 2];
my $node = OnlineMigrations::TestNode->start('lists', simulator => $simulator, token => 'dop_v1_lists',
	log_level => "warning", server_options => { max_retries => 0 });

# The paths that the API has been asked for meanwhile, in their order.
sub asked
{
	my ($code) = @_;
	$simulator->clear_log;
	$code->();
	return join ' ', map { $_->{path} =~ s{^/v2/databases}{}r } $simulator->log;
}

# ----- a token without the scope tag:read -----

my $page = '?page=1&per_page=200';
my $tagged = "SELECT string_agg(name, ',' ORDER BY name) FROM databases.clusters WHERE tags \@> ARRAY['x']";
{
	my $session = OnlineMigrations::Session->open($node);
	$simulator->fault('status', method => 'LIST', tag => 'x', status => 403);
	is(asked(sub { $session->rows_ok($tagged, 'a,b', 'a filter that is refused: the rows are the same') }),
		"$page&tag_name=x $page", '... of a list without it');
	is(asked(sub { $session->rows_ok($tagged, 'a,b', 'and again') }), $page, '... and the API is not asked for it again');
	is(asked(sub { $session->rows_ok("$tagged UNION ALL $tagged UNION ALL SELECT count(*)::text FROM databases.clusters",
				"a,b\na,b\n4", 'one list serves all of a statement') }), $page, '... which asks once');
	my $explain = "EXPLAIN (ANALYZE, COSTS OFF) $tagged";
	my $plain = qr/Remote Listing: GET \S*per_page=200$/m;
	like($session->run($explain)->{out}, $plain, '... and EXPLAIN shows what was read');
	my $another = OnlineMigrations::Session->open($node);
	like($another->run($explain)->{out}, $plain, '... of the statement that is refused the filter, too');
	like($another->run("EXPLAIN (COSTS OFF) $tagged")->{out}, qr/per_page=200&tag_name=x$/m, '... and of a plan what it would ask for');
	$another->close;
	is(asked(sub { OnlineMigrations::Session->open($node)->rows_ok($tagged, 'a,b', 'another session finds out itself') }),
		"$page&tag_name=x $page", '... with one refusal');
	$session->close;
	$simulator->delete_faults;

	# What is refused without the filter as well is an error.
	$simulator->fault('status', method => 'LIST', status => 403);
	my $result;
	is(asked(sub { $result = $node->psql_fails($tagged, '42501', qr/database:read.*tag:read/s, 'no list at all') }),
		"$page&tag_name=x $page", '... after both');
	$simulator->delete_faults;
	$simulator->fault('status', method => 'LIST', status => 401);
	is(asked(sub { $result = $node->psql_fails($tagged, '28000', qr/API token is not valid/, 'a token that is none') }),
		"$page&tag_name=x", '... is not tried again');
	unlike($result->{hint}, qr/WHERE/, '... and no WHERE clause would help');
	$simulator->delete_faults;
}

# A total that does not know of the filter.
{
	my $one = qq({"id":"$cluster[0]","name":"a","tags":["x"]});
	$simulator->fault('custom', method => 'LIST', tag => 'x', body => qq({"databases":[$one],"links":{},"meta":{"total":4}}));
	like(asked(sub { $node->psql_ok($tagged, 'a,b', 'a filtered list with the total of all clusters') }),
		qr/tag_name=x \Q$page\E\z/, '... is read without the filter');
	$simulator->delete_faults;
}

# ----- clusters that can't have a migration -----

for my $status (422, 412)
{
	my $all = "SELECT string_agg(id, ',' ORDER BY id) FROM databases.online_migrations";
	$simulator->fault('status', method => 'GET', uuid => $cluster[1], status => $status, message => 'not supported for this cluster type');
	is(join(' ', sort split / /, asked(sub { $node->psql_ok($all, 'of-1,of-3', "HTTP $status of a listed cluster: it has none") })),
		join(' ', sort $page, map { "/$_/online-migration" } @cluster[0 .. 2]), '... it was asked, a mongodb was not');
	for my $set ('', 'SET enable_hashjoin = off; SET enable_mergejoin = off;', 'SET enable_nestloop = off;')
	{
		$node->psql_ok("$set SELECT string_agg(concat(c.name, m.status), ',' ORDER BY c.name)
			FROM databases.clusters c LEFT JOIN databases.online_migrations m ON m.database_cluster_uuid = c.id",
			'adone,b,cdone,d', "... in a join, too: $set");
	}
	$node->psql_fails("SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = '$cluster[1]'",
		$status == 422 ? '22023' : '55000', qr/not supported for this cluster type/, "HTTP $status of a key is an error");
	$simulator->delete_faults;
}
$simulator->fault('status', method => 'GET', uuid => $cluster[1], status => 409);
$node->psql_fails('SELECT id FROM databases.online_migrations', '55000', qr/409/, 'HTTP 409 is one in a list, too');
$simulator->delete_faults;

# ----- times -----

my $created = "SELECT created_at FROM databases.online_migrations WHERE database_cluster_uuid = '$cluster[0]'";
for my $zone (qw(UTC America/New_York Asia/Kolkata))
{
	for my $time ('2020-10-28T15:21:35', '2020-10-28 15:21:35.0Z', '2020-10-28T17:21:35+02:00')
	{
		$simulator->fault('custom', method => 'GET', body => qq({"id":"x","status":"done","created_at":"$time"}));
		$node->psql_ok("SET timezone = '$zone'; SELECT created_at = '2020-10-28 15:21:35+00' FROM ($created) AS m", 't', "$time in $zone");
		$simulator->delete_faults;
	}
}
for my $time (qw(yesterday now today epoch infinity -infinity 2020-10-28 20201028T152135Z 2020-02-30T00:00:00Z), '')
{
	$simulator->fault('custom', method => 'GET', body => qq({"id":"x","status":"done","created_at":"$time"}));
	$node->psql_fails($created, 'HV00M', qr/"created_at" is a string, but a date and time as RFC 3339/, "no time: '$time'");
	$node->psql_ok($created =~ s/created_at/status/r, 'done', '... and no matter to who does not ask');
	$simulator->delete_faults;
}

# ----- the columns of clusters -----

# As the API's description has them; what is empty, or not there, is NULL.
{
	my $place = sub { qq({"uri":"postgres://doadmin:pw\@$_[0]:25060","database":"$_[1]","host":"$_[0]","port":25060,"user":"doadmin","password":"pw","ssl":true}) };
	my $rich = join ',', qq({"id":"$cluster[0]","name":"rich","version":"14","semantic_version":"14.5"),
	  '"connection":' . $place->('public.example', 'defaultdb'), '"private_connection":' . $place->('private.example', ''),
	  '"standby_connection":' . $place->('standby.example', ''),
	  '"version_end_of_life":"2023-11-09T00:00:00Z","version_end_of_availability":"2023-05-09T00:00:00Z"',
	  '"maintenance_window":{"day":"saturday","hour":"08:45:12","pending":true,"description":["x"]}}';
	my $poor = qq({"id":"$cluster[1]","name":"poor","connection":{"host":"h","database":"","ssl":false},"standby_connection":null,"maintenance_window":null});
	$simulator->fault('custom', method => 'LIST', body => qq({"databases":[$rich,$poor]}));
	$node->psql_ok("SET timezone = 'UTC'; SELECT host, private_host, standby_host, port, database, ssl, version, semantic_version,
			version_end_of_life, version_end_of_availability, maintenance_day, maintenance_hour FROM databases.clusters",
		"public.example|private.example|standby.example|25060|defaultdb|t|14|14.5|"
		  . "2023-11-09 00:00:00+00|2023-05-09 00:00:00+00|saturday|08:45:12\nh|||||f||||||", 'where a cluster is, and its dates');
	$node->psql_ok('SELECT count(*) FROM databases.clusters c WHERE c::text ~ $$doadmin|pw$$', '0', '... and no user, no password');
	$simulator->delete_faults;
}

# ----- nothing but a new line -----

for my $body ("\n", "\r\n", " \t\r\n ")
{
	$simulator->fault('custom', method => 'GET', body => $body);
	$node->psql_ok("SELECT database_cluster_uuid = '$cluster[0]', id, status FROM databases.online_migrations
		WHERE database_cluster_uuid = '$cluster[0]'", 't||', 'a body of white space is an empty one');
	$simulator->delete_faults;
}

# ----- the server's encoding -----

# ISO 8859-1 has an accented e, and neither a snowman nor the sun.
{
	$node->safe_psql('postgres', "CREATE DATABASE latin1 TEMPLATE template0 ENCODING LATIN1 LOCALE 'C'");
	my $list = join ', ', map { "$_ '" . { $node->server_options }->{$_} . "'" } qw(endpoint);
	$node->safe_psql('latin1', qq{CREATE EXTENSION online_migrations_fdw;
		CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS ($list, max_retries '0');
		CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean OPTIONS (token 'dop_v1_lists');
		CREATE FOREIGN TABLE m (database_cluster_uuid uuid, id text, error text) SERVER digitalocean OPTIONS (on_error 'report');
		CREATE FOREIGN TABLE f (database_cluster_uuid uuid, id text) SERVER digitalocean;});
	my $latin1 = OnlineMigrations::Session->open($node, database => 'latin1');
	$latin1->run("SET client_encoding = 'UTF8'");
	$simulator->fault('status', method => 'GET', status => 400, id => "cl\x{e9}_\x{65e5}", message => "Cl\x{e9} \x{2603} \x{65e5}\x{672c}, " . "\x{e9}" x 300);
	my $expected = "Cl\xc3\xa9 ? ??, " . "\xc3\xa9" x 200;
	like($latin1->run("SELECT error FROM m WHERE database_cluster_uuid = '$cluster[0]'")->{out}, qr/: \Q$expected/,
		'the column error is converted, and what can not be is a question mark');
	like($latin1->run("SELECT id FROM f WHERE database_cluster_uuid = '$cluster[0]'")->{detail}, qr/: \Q$expected/, 'so is DETAIL');
	is($latin1->run("SELECT last_failure_id FROM online_migrations_fdw_stats WHERE operation = 'get migration'")->{out}, "cl\xc3\xa9_?",
		'so is the word for the last failure');
	$simulator->delete_faults;

	# A name that can't be said fails who asks for it, and nobody else.
	$latin1->run('CREATE FOREIGN TABLE c (id uuid, name text) SERVER digitalocean OPTIONS (resource $$clusters$$)');
	my $uuid = '00000021-0000-4000-8000-000000000009';
	$simulator->cluster($uuid, token => 'dop_v1_lists', engine => 'pg', name => "Cl\x{e9} \x{2603}");
	$simulator->migration($uuid, 'done', 'of-9');
	is($latin1->run("SELECT count(*), count(id) FROM c")->{out}, '5|5', 'a name that the encoding does not have: who does not ask for it');
	is($latin1->run("SELECT count(name) FROM c WHERE id <> '$uuid'")->{out}, '4', '... nor for the cluster');
	my $named = $latin1->run('SELECT name FROM c');
	is($named->{sqlstate}, '22P05', '... and who does');
	like($named->{err}, qr/HINT:.*encoding LATIN1.*UTF8\.\nCONTEXT:  column "name" of foreign table "c", database cluster $uuid/s, '... is told what to do');
	is($latin1->run("SELECT id FROM m WHERE database_cluster_uuid = '$uuid'")->{out}, 'of-9', '... its migration is read');
	my $wait = $latin1->run("CALL databases_wait_online_migration('$uuid')");
	like($wait->{err}, qr/of database cluster "Cl\xc3\xa9 \?" \($uuid\) is done/, '... and messages have a question mark for it');
	$simulator->delete_cluster($uuid);

	# What is done does not seem to fail because of what is said of it.
	$simulator->fault('custom', method => 'PUT', body => qq({"id":"new","status":"d\\u2603ne"}));
	is($latin1->run(qq(SELECT id, status FROM databases_update_online_migration('$cluster[0]',
		'{"host":"h.example","port":1,"dbname":"d","username":"u","password":"p"}', replace => true)))->{out},
		'new|d?ne', 'a start whose status can not be said has been made');
	$simulator->delete_faults;
	$latin1->close;
}

# ----- pages that are made to do harm -----

# 16 MiB at most come in; what they are made of must not multiply them.
my $size = 16 * 1024 * 1024 - 200;
my $begin = qq({"databases":[{"id":"$cluster[0]");
my %harm = (
	'empty objects' => [ '{"databases":[', '{},', '{}]}', '54000' ],
	'empty objects in a cluster' => [ qq($begin,"x":[), '{},', '{}]}]}', '' ],
	'clusters' => [ "$begin}", qq(,{"id":"$cluster[1]"}), ']}', '54000' ],
	'tags' => [ qq($begin,"tags":[), '"",', '""]}]}', 'HV00M' ],
	'members' => [ qq($begin,), '"":0,', '"":0}]}', '' ],
	'escapes' => [ qq($begin,"name":"), '\\u0041', '"}]}', '' ],
	'links' => [ '{"databases":[],"links":{"pages":{"next":"', '?page=2&', '"}}}', '' ]);
for my $name (sort keys %harm)
{
	my ($body, $repeat, $tail, $sqlstate) = @{ $harm{$name} };
	my $session = OnlineMigrations::Session->open($node);
	$session->run('SELECT count(*) FROM databases.clusters');
	my $before = $session->memory;
	$simulator->fault('custom', method => 'LIST', times => 1, body => $body, repeat => $repeat, tail => $tail,
		count => int($size / length $repeat));
	$simulator->fault('custom', method => 'LIST', body => '{"databases":null}');
	my $result = $session->run('SELECT id, length(name), cardinality(tags) FROM databases.clusters');
	is($result->{sqlstate}, $sqlstate, "16 MiB of $name") or diag($result->{err});
	cmp_ok($session->memory(1) - $before, '<', 5 * 16 * 1024, '... take a small multiple of that');
	cmp_ok($result->{seconds}, '<', 10, '... and no time that matters');
	$simulator->delete_faults;
	$session->close;
}

# A list that leaves out what is empty.
for my $table (qw(clusters online_migrations))
{
	$simulator->fault('custom', method => 'LIST', body => '{"meta":{"total":0}}');
	$node->psql_ok("SELECT count(*) FROM databases.$table", '0', "$table: a total of 0 and no member \"databases\"");
	$simulator->delete_faults;
	$simulator->fault('custom', method => 'LIST', body => '{}');
	$node->psql_fails("SELECT count(*) FROM databases.$table", 'HV00M', qr/has no array "databases"/, "$table: nothing at all is no list");
	$simulator->delete_faults;
}

# What takes long to read can be cancelled while it is read: names of members
# that are not to be told by their bytes.
{
	my $repeat = '"\u006eame":0,';
	my $long = 'SELECT count(*) FROM databases.clusters WHERE num_nodes = 1';
	my $session = OnlineMigrations::Session->open($node);
	my ($whole, $cancelled);
	for my $timeout (0, 1, 1)
	{
		$simulator->fault('custom', method => 'LIST', times => 1, body => "$begin,", repeat => $repeat, tail => '"":0}]}',
			count => int($size / length $repeat));
		$session->run('SET statement_timeout = ' . int($timeout * 500 * ($whole // 0)));
		my $result = $session->run($long);
		$simulator->delete_faults;
		$whole //= $result->{seconds};
		$cancelled = $result;
		last if $timeout && $result->{seconds} < 0.8 * $whole;
	}
	is($cancelled->{sqlstate}, '57014', 'a page that takes long to read') or diag($cancelled->{err});
	cmp_ok($cancelled->{seconds}, '<', 0.8 * $whole, "... all of which is $whole s, ends when it is cancelled");
	$session->run('SET statement_timeout = 0');
	is($session->run('SELECT count(*) > 0 FROM databases.clusters')->{out}, 't', '... and the session goes on');
	$session->close;
}

done_testing();
