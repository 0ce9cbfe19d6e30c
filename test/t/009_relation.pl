# The table as a relation under concurrency: a row that another session changes
# meanwhile is looked at again (EvalPlanQual); what is undone in mid-scan leaves
# nothing behind; a listing that fails is never a shorter list.
use strict;
use warnings;

use List::Util qw(max min);
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
	ANALYZE jobs;
	CREATE VIEW every AS SELECT * FROM databases.online_migrations
	UNION ALL SELECT * FROM databases.online_migrations WHERE id IS NULL;});

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

	# what is looked up in a join, and below an Append
	concurrent_ok("$set UPDATE jobs SET note = jobs.note || '-' || m.status FROM jobs j LEFT JOIN (databases.online_migrations m
		JOIN databases.clusters c ON c.id = m.database_cluster_uuid) ON m.database_cluster_uuid = j.k WHERE j.i = jobs.i",
		'new-done,held-done,new-done,new-done,new-done', "UPDATE FROM a join, batched $batched");
	concurrent_ok("$set UPDATE jobs SET note = note || '-' || e.status FROM every e WHERE e.database_cluster_uuid = k",
		'new-done,held-done,new-done,new-done,new-done', "UPDATE FROM a UNION ALL, batched $batched");
	concurrent_ok("$set BEGIN; SELECT i FROM jobs JOIN every e ON e.database_cluster_uuid = k WHERE note = 'new' FOR UPDATE OF jobs; COMMIT",
		'new,held,new,new,new', "SELECT FOR UPDATE over a UNION ALL, batched $batched");

	# sub-selects that stay ones
	$set = "SET online_migrations_fdw.enable_batched_subselect = $batched;";
	my $status = '(SELECT m.status FROM databases.online_migrations m WHERE m.database_cluster_uuid = k)';
	concurrent_ok("$set UPDATE jobs SET note = note || '-' || $status",
		'new-done,held-done,new-done,new-done,new-done', "UPDATE with a sub-select, batched $batched");
	concurrent_ok("$set UPDATE jobs SET note = 'seen' WHERE note || $status = 'newdone'",
		'seen,held,seen,seen,seen', "UPDATE whose sub-select passes the row over, batched $batched");
	concurrent_ok("$set BEGIN; SELECT i, $status FROM jobs WHERE $status = 'done' FOR UPDATE; COMMIT",
		'new,held,new,new,new', "SELECT FOR UPDATE with a sub-select, batched $batched");
	concurrent_ok("$set DELETE FROM jobs WHERE i = 2 AND note || $status = 'newdone'",
		'new,held,new,new,new', "DELETE with a sub-select, batched $batched");
}

# a row that is looked at again wants no more of an EXISTS than before
{
	my $exists = 'EXISTS (SELECT FROM databases.online_migrations m WHERE m.status <> note)';
	$simulator->clear_log;
	concurrent_ok("UPDATE jobs SET note = 'seen' WHERE i = 0 OR $exists",
		'seen,seen,seen,seen,seen', 'UPDATE with an EXISTS');
	sleep 1;
	my @statuses = grep { $_->{path} =~ /online-migration$/ } $simulator->log;
	cmp_ok(scalar(@statuses), '<=', 2, 'and one cluster is asked about');
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

# A page with these clusters.
sub page_of
{
	my ($clusters) = @_;
	return { fault => 'custom', body => '{"databases":[' . sprintf($clusters, '00000006-0000-4000-8000-00000000ffff') . ']}' };
}

for my $failure (
	[ 'page 2 fails', { fault => 'status', status => 500 }, 'HV00L' ],
	[ 'page 2 is no JSON', { fault => 'not_json' }, 'HV00M' ],
	# its connection goes, and page 3 may be on it
	[ 'page 2 is cut short', { fault => 'close_in_body' }, 'HV00L', qr/page=[23]&per_page=200/ ],
	[ 'page 2 has no clusters', { fault => 'missing_fields' }, 'HV00M' ],
	[ 'page 2 is too large', { fault => 'oversized_body', size => 17 * 1024 * 1024 }, '54000' ],
	[ 'page 2 is forbidden', { fault => 'status', status => 403 }, '42501' ],
	[ 'page 2 is not for this token', { fault => 'status', status => 401 }, '28000' ],
	[ 'page 2 is not found', { fault => 'status', status => 404 }, '42704' ],
	[ 'page 2 is one too many', { fault => 'status', status => 429, retry_after => 3600 }, '53400' ],
	[ 'page 2 is elsewhere', { fault => 'redirect' }, 'HV000' ],
	[ 'page 2 is reset', { fault => 'rst_stream' }, 'HV00L' ],
	[ 'page 2 has no body', { fault => 'no_content_204' }, 'HV000' ],
	[ 'page 2 is empty', { fault => 'empty_200' }, 'HV00M' ],
	[ 'page 2 is cut short JSON', { fault => 'truncated_json' }, 'HV00M' ],
	[ 'page 2 is an array', { fault => 'json_array' }, 'HV00M' ],
	[ 'page 2 is too deep', { fault => 'deep_json' }, '54000' ],
	[ 'page 2 has a cluster twice', page_of('{"id":"%1$s"},{"id":"%1$s"}'), 'HV00M' ],
	[ 'page 2 has a cluster without a name of its own', page_of('{"id":"%1$s"},{"name":"nobody"}'), 'HV00M' ],
	[ 'page 2 has a cluster that is none', page_of('{"id":"%1$s"},7'), 'HV00M' ])
{
	my ($name, $fault, $sqlstate, $detail) = @$failure;
	my %parameters = (%$fault, method => 'LIST', page => 2);
	$simulator->fault(delete $parameters{fault}, %parameters);
	$node->psql_fails('SELECT count(*) FROM databases.online_migrations', $sqlstate,
		$detail // qr/page=2&per_page=200/, $name);
	$simulator->delete_faults;
	$node->fresh_token('digitalocean', 'dop_v1_relation') if $sqlstate eq '53400';
	$node->psql_ok('SELECT count(*) FROM databases.clusters', '450', "$name: then it is whole again");
}

# Links that do not lead on are no shorter list either.
for my $failure (
	[ 'page 1 leads to itself', { list_loop => 1 }, qr/page=1&.* does not lead on/ ],
	[ 'page 2 leads to itself', { list_loop => 2 }, qr/page=2&.* does not lead on/ ],
	[ 'there are too many clusters', { list_total_off => 200_000 }, qr/page=1&.* too many pages/ ])
{
	my ($name, $config, $detail) = @$failure;
	$simulator->config(%$config);
	for my $table (qw(online_migrations clusters))
	{
		$node->psql_fails("SELECT count(*) FROM databases.$table", 'HV00M', $detail, "$name, $table");
	}
	$simulator->config(list_loop => 0, list_total_off => 0);
}

# A gateway's links lead to the host behind it: their numbers count, and
# nothing is sent there.
$simulator->config(list_other_host => 'true');
$node->psql_ok('SELECT count(*) FROM databases.clusters', '450', 'links to another host');
$simulator->config(list_other_host => 'false');
is(scalar(grep { $_->{path} !~ m{^/v2/databases[?/]} } $simulator->log), 0, 'nothing was sent elsewhere');

# ----- a listing that says little, or what is not so -----

# The rows are all that there are, however little is said; and where what is
# said is not so after another try, that is an error with both numbers.
my $session = OnlineMigrations::Session->open($node);
for my $links (qw(true false))
{
	for my $total (undef, 0, -450, -449, -350, -250, -150, -51, -50, -1, 1, 50, 151, 1000)
	{
		for my $size (200, 150, 7)
		{
			my $name = join ', ', $links eq 'true' ? 'links' : 'no links',
			  !defined $total ? 'no total' : $total ? "total off by $total" : 'total', "$size on a page";
			$simulator->config(list_links => $links, list_total => defined $total ? 'true' : 'false',
				list_total_off => $total // 0, list_max_page => $size);
			$simulator->reset_counters;
			my $result = $session->run('SELECT count(*), count(DISTINCT id) FROM databases.clusters');
			my $said = 450 + ($total // 0);
			my $least = int((450 + $size - 1) / $size);
			my $more = $links eq 'true' ? $least
			  : !defined $total || $total <= 0 ? $least + 1 : 1 + int(($said + $size - 1) / $size);

			# however many are said, none is asked for once one was empty
			$more = min($more, $least + max(8, $least));
			if ($total)
			{
				like($result->{err}, qr/says that there are $said clusters, but 450 are on its pages/, $name);
				$more *= 2;
			}
			else
			{
				is($result->{out}, '450|450', $name);
			}
			cmp_ok($simulator->counters->{list}, '<=', $more, "... and no more pages than that takes");
		}
	}
}
$simulator->config(list_links => 'false', list_total => 'true', list_total_off => -300, list_max_page => 200);
$node->psql_fails('SELECT count(*) FROM databases.online_migrations', 'HV00M', qr/150 clusters, but 450/,
	'migrations neither, where the total is not so');

# A total that is much too large costs a few pages more, not a thousand.
$simulator->config(list_total_off => 199_000);
$simulator->reset_counters;
$node->psql_fails('SELECT count(*) FROM databases.clusters', 'HV00M', qr/199450 clusters, but 450/, 'a total that is much too large');
cmp_ok($simulator->counters->{list}, '<=', 2 * (3 + 8), '... is found out after a few pages');
$simulator->config(list_links => 'true', list_total_off => 0);

# One that has changed while it was read is read once more, and no cluster
# comes twice.
for my $case (
	[ 'a total', '"meta":{"total":2}' ],
	[ 'pages', '"links":{"pages":{"last":"https://api.digitalocean.com/v2/databases?page=9"}}' ])
{
	my ($name, $says) = @$case;
	my $first = '{"id":"00000006-0000-4000-8000-000000000001","name":"of the first try"}';
	$simulator->fault('custom', method => 'LIST', page => 1, times => 1, body => "{\"databases\":[$first],$says}");
	$simulator->config(list_total => $name eq 'a total' ? 'true' : 'false');
	is($session->run("SELECT count(*), count(DISTINCT id), count(*) FILTER (WHERE name = 'of the first try')
			FROM databases.clusters")->{out}, '450|450|1', "$name that is not met at first");
	$simulator->delete_faults;
}
$simulator->config(list_total => 'true');

# A total of 250 and 200 clusters without a further page.
{
	my $page = join ',', map { sprintf '{"id":"00000006-0000-4000-8000-%012x"}', $_ } 1 .. 200;
	$simulator->fault('custom', method => 'LIST', body => "{\"databases\":[$page],\"links\":{},\"meta\":{\"total\":250}}");
	$simulator->fault('custom', method => 'LIST', page => 2, body => '{"databases":null}');
	$simulator->reset_counters;
	$node->psql_fails('SELECT count(*) FROM databases.clusters', 'HV00M', qr/250 clusters, but 200/, 'a total that is not met');
	cmp_ok($simulator->counters->{list}, '<=', 4, 'two tries, and no more');
	$simulator->delete_faults;
}

# An account without clusters, and the page after the last one.
for my $nothing ('{"databases":null}', '{"databases":[]}', '{"databases":null,"links":null,"meta":null}',
	'{"databases":[],"links":{},"meta":{"total":0}}', '{"databases":null,"links":[],"meta":{"total":"0"}}')
{
	$simulator->fault('custom', method => 'LIST', body => $nothing);
	$node->psql_ok("SELECT count(*) FROM databases.$_", '0', "$nothing: no row of $_") for qw(clusters online_migrations);
	$simulator->delete_faults;
}
$simulator->config(list_links => 'false', list_total => 'false', list_max_page => 150);
$simulator->fault('custom', method => 'LIST', page => 4, body => '{"databases":null}');
$node->psql_ok('SELECT count(*) FROM databases.clusters', '450', 'null after the last page');
$simulator->delete_faults;
$simulator->config(list_links => 'true', list_total => 'true', list_max_page => 200);

# Pages are used in their order, whichever is first to arrive.
$simulator->fault('slow_first_byte', method => 'LIST', page => 2, ms => 300);
is($session->run("SELECT array_agg(id) = array_agg(id ORDER BY id) FROM databases.clusters")->{out}, 't',
	'the list has its order where page 3 is faster than page 2');
$simulator->delete_faults;

# ----- a listing with fields that are not of their type -----

# What is asked for is judged, and nothing else; numbers have many forms.
{
	my $page = '{"databases":[
		{"id":"00000006-0000-4000-8000-000000000001","name":"a","engine":"pg","tags":["x"],
		 "num_nodes":1.0,"connection":{"port":"25060","host":7},"created_at":"yesterday","version":16},
		{"id":"00000006-0000-4000-8000-000000000002","name":"b","engine":"mongodb","tags":["x"],
		 "num_nodes":"2.0","connection":[],"created_at":"2020-10-28T15:21:35"}]}';
	my $sql = sub { my ($columns, $where) = @_; return "SELECT $columns FROM databases.clusters " . ($where // '') . ' ORDER BY id' };
	$simulator->fault('custom', method => 'LIST', body => $page);
	$node->psql_ok($sql->('name, engine, num_nodes'), "a|pg|1\nb|mongodb|2", 'what is asked for is as it should be');
	$node->psql_ok($sql->('name', "WHERE tags \@> ARRAY['x']"), "a\nb", 'keys and tags are read all the same');
	for my $field (qw(host port created_at version))
	{
		$node->psql_fails($sql->($field), 'HV00M', qr/page=1&per_page=200: HTTP status 200: Member "(connection\.)?$field" is /, "$field is asked for");
	}
	$simulator->reset_counters;
	$node->psql_ok('SELECT count(*) FROM databases.online_migrations', '1', 'migrations ask for none of it');
	is($simulator->counters->{get_status}, 1, '... and only of engines that can migrate');

	# A row with what is known, and what is not.
	$node->safe_psql('digitalocean', q{CREATE FOREIGN TABLE some_clusters (id uuid, name text, tags text[], created_at timestamptz,
		error text) SERVER digitalocean OPTIONS (resource 'clusters', on_error 'report')});
	$node->psql_ok("SELECT name, created_at AT TIME ZONE 'UTC', error FROM some_clusters WHERE tags \@> ARRAY['x'] ORDER BY id",
		qr/\Aa\|\|HTTP status 200: Member "created_at" is a string, but [^|]*\nb\|2020-10-28 15:21:35\|\z/,
		"a bad field is the row's error, the others are there");
	$node->safe_psql('digitalocean', 'DROP FOREIGN TABLE some_clusters');
	$simulator->delete_faults;
}
$session->close;

# ----- what a listing holds besides -----

# The simulator's clusters hold this password; so do these malformed answers,
# right where what is wrong with them begins.
{
	my $canary = 'canary-PaSsWoRd-5e1f';
	my $id = '00000006-0000-4000-8000-000000000005';
	my $session = OnlineMigrations::Session->open($node);
	my $seen = '';
	my @queries = (
		'SELECT * FROM databases.clusters LIMIT 1',
		'SELECT c, m FROM databases.clusters c JOIN databases.online_migrations m ON m.database_cluster_uuid = c.id LIMIT 1',
		"SELECT c FROM databases.clusters c WHERE id = '$id'",
		"SELECT c FROM databases.clusters c WHERE id IN (SELECT k FROM jobs)",
		"SELECT * FROM databases.online_migrations m WHERE database_cluster_uuid = '$id'");
	my @malformed = map { sprintf $_, $id, $canary } (
		'{"id":"%1$s","connection":{"password":"%2$s",}}',
		'{"id":"%1$s","connection":{"password":"%2$s',
		'{"id":"%1$s","connection":"%2$s"}',
		'{"id":"%2$s"}',
		'{"id":"%1$s","name":{"password":"%2$s"}}',
		'{"id":"%1$s","name":["%2$s"],"num_nodes":"%2$s"}',
		'{"id":"%1$s","tags":"%2$s"}',
		'{"id":"%1$s","tags":[{"password":"%2$s"}]}',
		'{"id":"%1$s","engine":7,"password":"%2$s"}',
		'"%2$s"',
		'{"id":"%1$s","connection":{"password":"%2$s"}} "%2$s"',
		'{"id":"%1$s","connection":{"password":"' . "\x01" . '%2$s"}}');
	my $failed = 0;

	$session->run('SET client_min_messages = debug5; SET debug_print_plan = on');
	for my $query (map { ($_, "EXPLAIN (ANALYZE, VERBOSE) $_") } @queries)
	{
		my $result = $session->run($query);
		is($result->{sqlstate}, '', "it runs: $query");
		$seen .= $result->{out} . $result->{err};
	}
	for my $cluster (@malformed)
	{
		$simulator->fault('custom', method => 'LIST', body => qq({"databases":[$cluster]}));
		$simulator->fault('custom', uuid => $id, body => qq({"database":$cluster}));
		for my $query (@queries)
		{
			my $result = $session->run($query);
			$failed++ if $result->{sqlstate} eq 'HV00M';
			$seen .= $result->{out} . $result->{err};
		}
		$simulator->delete_faults;
	}
	for my $body (qq({"databases":[],"links":{"pages":{"next":"$canary"}}}), qq({"databases":"$canary"}),
		qq({"databases":[],"meta":{"total":"$canary"}}), $canary, qq("$canary"), qq(["$canary"]))
	{
		for my $status (200, 502)
		{
			$simulator->fault('custom', body => $body, status => $status);
			$seen .= join '', map { $_->{out} . $_->{err} } map { $session->run($_) } @queries;
			$simulator->delete_faults;
		}
	}
	cmp_ok($failed, '>', @malformed, 'malformed answers are errors');
	unlike($seen, qr/canary|PaSsWoRd/i, "no password of a cluster in rows, plans or messages");
	unlike($node->log_text(0), qr/canary|PaSsWoRd/i, "nor in the server's log");
	$session->close;
}

$node->stop;
$simulator->stop;
done_testing();
