# examples/compare.sql between two real servers with logical replication running
# between them: what differs is told, and nothing else, and the exit status
# follows.
use strict;
use warnings;

use OnlineMigrations::Simulator;
use OnlineMigrations::Source;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $shared = `$ENV{PG_CONFIG} --sharedir`;
chomp $shared;
plan skip_all => 'this PostgreSQL has not all of contrib'
  if grep { !-e "$shared/extension/$_.control" } qw(dblink citext postgres_fdw);

my $file = "$ENV{OMF_TREE}/examples/compare.sql";
my $source = OnlineMigrations::Source->start('source', tls => 0);
my $target = OnlineMigrations::Source->start('target', tls => 0);
my $node = OnlineMigrations::TestNode->start('compare', log_level => 'notice', setup => 'none');

# As the night's user would: servers with passwords in the mappings.
for ([ old_db => $source ], [ new_db => $target ])
{
	my ($name, $where) = @$_;
	$where->safe_psql('postgres', q{ALTER ROLE mover SUPERUSER});
	$node->safe_psql('digitalocean', qq{
		CREATE EXTENSION IF NOT EXISTS postgres_fdw;
		CREATE EXTENSION IF NOT EXISTS dblink;
		CREATE SERVER $name FOREIGN DATA WRAPPER postgres_fdw
			OPTIONS (host '127.0.0.1', port '${\$where->port}', dbname 'shop', fetch_size '100');
		CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS (user 'mover', password '$OnlineMigrations::Source::PASSWORD');});
}

sub compare
{
	my (%variables) = @_;
	%variables = (source => 'old_db', target => 'new_db', %variables);
	my @set = map { ('-v', "$_=$variables{$_}") } grep { defined $variables{$_} } sort keys %variables;
	my ($out, $err) = ('', '');
	my $started = time;
	IPC::Run::run([ 'psql', '-XAtq', '-d', $node->connstr('digitalocean'), '-f', $file, @set ], '>', \$out, '2>', \$err);
	my $status = $? >> 8;
	unlike($out . $err, qr/s3cr3t/, 'no password is shown');
	return { status => $status, out => $out, err => $err, seconds => time - $started };
}

sub alike_ok
{
	my ($name, @variables) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = compare(@variables);
	is($result->{status}, 0, $name) or diag("$result->{out}$result->{err}");
	like($result->{out}, qr/are alike\.$/, "$name: and says so");
	return $result;
}

# These are the differences, each "database|kind|name|what".
sub differ_ok
{
	my ($expected, $name, @variables) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = compare(@variables);
	is($result->{status}, 3, $name);
	my ($list) = $result->{out} =~ /^Differences\n(.*?)(?=^Set the|\z)/ms;
	is_deeply([ split /\n/, $list // '' ], $expected, "$name: these") or diag("$result->{out}$result->{err}");
	return $result;
}

my $schema = q{
	CREATE TABLE item (id int PRIMARY KEY, name text);
	CREATE TABLE "Odd name" ("a b" int PRIMARY KEY);
	CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE parted_one PARTITION OF parted FOR VALUES FROM (0) TO (1000000);
	CREATE SEQUENCE counter;
	CREATE SEQUENCE unused;};
$_->safe_psql('shop', $schema) for $source, $target;
$source->safe_psql('shop', q{INSERT INTO item SELECT g, 'x' FROM generate_series(1, 5000) g;
	INSERT INTO "Odd name" VALUES (1);
	INSERT INTO parted SELECT generate_series(1, 700);
	CREATE PUBLICATION everything FOR ALL TABLES});
$target->safe_psql('shop', 'CREATE SUBSCRIPTION copy CONNECTION ' . $node->literal($source->connstr('shop')) . ' PUBLICATION everything');

sub caught_up
{
	$target->poll_query_until('shop', q{SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate <> 'r'});
	$source->wait_for_catchup('copy');
	return;
}
caught_up();
alike_ok('copied by logical replication, counted', exact => 'on');
$_->safe_psql('shop', 'ANALYZE') for $source, $target;
alike_ok('by estimates');
like(compare(all => 'on', exact => 'on')->{out}, qr/^shop\|public\.item\|5000\|5000$/m, 'all counts are shown if asked for');
like(alike_ok('with one connection', exact => 'on', jobs => 1)->{out}, qr/^shop\|3\|5701\|5701\|2\|1$/m, 'the summary counts');

# What goes on is replicated.
$source->safe_psql('shop', q{INSERT INTO item SELECT g, 'y' FROM generate_series(5001, 6000) g; DELETE FROM item WHERE id <= 10});
caught_up();
alike_ok('after changes', exact => 'on');

# Sequences are not; the statements that are printed mend it.
$source->safe_psql('shop', q{SELECT nextval('counter') FROM generate_series(1, 41)});
$target->safe_psql('shop', q{SELECT nextval('unused')});
my $result = differ_ok([ 'shop|sequence|public.counter|source 41, target not used (begins with 1)', 'shop|sequence|public.unused|source not used (begins with 1), target 1' ],
	'sequences differ');
my @statements = $result->{out} =~ /^shop\|((?:SELECT|ALTER) .*;)$/mg;
is(scalar @statements, 2, 'there is a statement for each');
$target->safe_psql('shop', join "\n", @statements);
alike_ok('they mend it');
is($target->safe_psql('shop', q{SELECT nextval('counter'), nextval('unused')}), '42|1', 'the next value is the one that the source would give');
$target->safe_psql('shop', q{SELECT setval('counter', 41); ALTER SEQUENCE unused RESTART});

# One that was not used may begin anywhere.
$source->safe_psql('shop', q{ALTER SEQUENCE unused RESTART 500});
$result = differ_ok([ 'shop|sequence|public.unused|source not used (begins with 500), target not used (begins with 1)' ], 'a sequence that begins elsewhere');
$target->safe_psql('shop', $_) for $result->{out} =~ /^shop\|((?:SELECT|ALTER) .*;)$/mg;
alike_ok('its statement mends it');
is($target->safe_psql('shop', q{SELECT nextval('unused')}), 500, 'it begins as the source does');
$_->safe_psql('shop', q{ALTER SEQUENCE unused RESTART 1}) for $source, $target;

# Rows, exactly and by estimate.
$target->safe_psql('shop', 'DELETE FROM item WHERE id > 5999');
differ_ok([ 'shop|rows of table|public.item|source 5990, target 5989' ], 'one row', exact => 'on');
$_->safe_psql('shop', 'ANALYZE') for $source, $target;
alike_ok('which no estimate shows');
$target->safe_psql('shop', 'DELETE FROM item WHERE id > 4000; VACUUM ANALYZE item');
like(differ_ok([ 'shop|rows of table|public.item|source 5990, target 3990' ], 'a third of them')->{err}, qr/source and target differ/, 'the last word');
$target->safe_psql('shop', q{INSERT INTO item SELECT g, 'y' FROM generate_series(4001, 6000) g; ANALYZE item});

# What one side lacks.
$source->safe_psql('shop', 'CREATE TABLE new_one (a int PRIMARY KEY); CREATE SEQUENCE new_seq; CREATE EXTENSION citext');
$source->safe_psql('postgres', 'CREATE ROLE clerk; CREATE DATABASE ledger');
$target->safe_psql('shop', 'CREATE TABLE left_over (a int PRIMARY KEY)');
$target->safe_psql('shop', 'CREATE TABLE twice (a int); INSERT INTO twice VALUES (1), (1)');
$source->safe_psql('shop', 'CREATE TABLE twice (a int); INSERT INTO twice VALUES (1), (1)');
$target->psql('shop', 'CREATE UNIQUE INDEX CONCURRENTLY broken ON twice (a)');
my @missing = ('-|database|ledger|missing at the target', '-|role|clerk|missing at the target',
	'shop|extension|citext|missing at the target', 'shop|invalid index|public.broken|at the target',
	'shop|sequence|public.new_seq|missing at the target', 'shop|table|public.left_over|missing at the source',
	'shop|table|public.new_one|missing at the target');
differ_ok(\@missing, 'what is missing');
differ_ok([ @missing[ 2 .. 6 ] ], 'what need not be there', ignore_dbs => '{ledger}', ignore_roles => '{clerk}');
differ_ok(\@missing, 'what is missing, with counts', exact => 'on');
is($_->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE application_name = 'compare.sql'}), 0, 'no connection is left')
  for $source, $target;

# ----- odd names, and what may not be read -----

$source->safe_psql('postgres', 'DROP DATABASE ledger; DROP ROLE clerk');
for ($source, $target)
{
	$_->safe_psql('postgres', qq{CREATE DATABASE "Odd 'db'"});
	$_->safe_psql(q{Odd 'db'}, q{
		CREATE SCHEMA "s.d";
		CREATE TABLE "s.d"."it's ""here"" \\ %s" (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY);
		CREATE TABLE "s.d"."größe" (id bigserial);
		CREATE TABLE closed (a int); INSERT INTO closed VALUES (1);
		CREATE TABLE open (id serial);
		CREATE SEQUENCE shut;
		CREATE TABLE never_analysed (a int);
		INSERT INTO "s.d"."größe" DEFAULT VALUES});
	$_->safe_psql('postgres', qq{CREATE ROLE reader LOGIN PASSWORD '$OnlineMigrations::Source::PASSWORD'});
	$_->safe_psql(q{Odd 'db'}, q{GRANT USAGE ON SCHEMA "s.d" TO reader; GRANT SELECT ON ALL TABLES IN SCHEMA "s.d", public TO reader;
		GRANT SELECT ON ALL SEQUENCES IN SCHEMA "s.d", public TO reader});
}
my @odd = (ignore_dbs => '{shop}', ignore_roles => '{reader}');
alike_ok('odd names', exact => 'on', @odd);
$source->safe_psql(q{Odd 'db'}, q{INSERT INTO "s.d"."it's ""here"" \\ %s" DEFAULT VALUES; SELECT nextval('"s.d"."größe_id_seq"')});
$result = differ_ok([
		q{Odd 'db'|rows of table|"s.d"."it's ""here"" \\ %s"|source 1, target 0},
		q{Odd 'db'|sequence|"s.d"."größe_id_seq"|source 2, target 1},
		q{Odd 'db'|sequence|"s.d"."it's ""here"" \\ %s_id_seq"|source 1, target not used (begins with 1)} ], 'of odd names', exact => 'on', @odd);
my @set = $result->{out} =~ /^Odd 'db'\|((?:SELECT|ALTER) .*;)$/mg;
$target->safe_psql(q{Odd 'db'}, join "\n", @set, q{INSERT INTO "s.d"."it's ""here"" \\ %s" OVERRIDING SYSTEM VALUE VALUES (1)});
alike_ok('what is printed mends it', exact => 'on', @odd);
$source->safe_psql(q{Odd 'db'}, q{REVOKE ALL ON shut, closed FROM reader; SELECT nextval('shut')});
$target->safe_psql(q{Odd 'db'}, 'REVOKE ALL ON closed FROM reader');
$node->safe_psql('digitalocean', "ALTER USER MAPPING FOR CURRENT_USER SERVER $_ OPTIONS (SET user 'reader')") for qw(old_db new_db);
differ_ok([ q{Odd 'db'|unreadable sequence|public.shut|at the source} ], 'a sequence that may not be read', @odd);
$result = differ_ok([ q{Odd 'db'|unreadable sequence|public.shut|at the source}, q{Odd 'db'|unreadable table|public.closed|at both} ],
	'a table that may not be counted', exact => 'on', @odd);
unlike($result->{out}, qr/^Set the/m, 'nothing is guessed of it');
$node->safe_psql('digitalocean', "ALTER USER MAPPING FOR CURRENT_USER SERVER $_ OPTIONS (SET user 'mover')") for qw(old_db new_db);
for ($source, $target)
{
	$_->safe_psql('postgres', qq{DROP DATABASE "Odd 'db'"});
	$_->safe_psql('postgres', 'DROP ROLE reader');
}

# ----- wrong calls -----

# Not compared is not different: another exit status, and words that say so.
sub not_compared_ok
{
	my ($name, $words, %variables) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = compare(%variables);
	is($result->{status}, 2, "$name: exit status 2") or diag("$result->{out}$result->{err}");
	like($result->{err}, $words, "$name: why");
	like($result->{err}, qr/source and target could not be compared/, "$name: and that it is so");
	unlike($result->{out}, qr/alike|Differences/, "$name: nothing is claimed");
	return;
}
not_compared_ok('no source', qr/wants -v source=NAME/, source => undef);
not_compared_ok('no target', qr/wants -v source=NAME/, target => undef);
not_compared_ok('no such server', qr/no foreign server "nowhere"/, source => 'nowhere');
not_compared_ok('exact is on or off', qr/boolean: "perhaps"/, exact => 'perhaps');
not_compared_ok('all is on or off', qr/boolean: "perhaps"/, all => 'perhaps');
not_compared_ok('jobs is a number', qr/integer: "many"/, jobs => 'many');
not_compared_ok('ignore_dbs is an array', qr/malformed array/, ignore_dbs => 'shop');
not_compared_ok('ignore_roles is an array', qr/malformed array/, ignore_roles => 'clerk');
$node->safe_psql('digitalocean', q{
	CREATE SERVER gone FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '1', dbname 'shop');
	CREATE USER MAPPING FOR CURRENT_USER SERVER gone OPTIONS (user 'mover', password 's3cr3t');});
not_compared_ok('a source that is away', qr/could not establish connection/, source => 'gone');
$target->safe_psql('shop', q{
	CREATE FUNCTION fail() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'no rows to be had'; END $$;
	ALTER TABLE "Odd name" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
	CREATE POLICY nobody ON "Odd name" USING (fail())});
$target->safe_psql('postgres', 'ALTER ROLE mover NOSUPERUSER; GRANT pg_read_all_data TO mover');
not_compared_ok('a count that fails', qr/no rows to be had/, exact => 'on');
$target->safe_psql('postgres', 'ALTER ROLE mover SUPERUSER');
$node->safe_psql('digitalocean', 'DROP EXTENSION dblink');
not_compared_ok('no dblink', qr/wants dblink: CREATE EXTENSION dblink/);
$node->safe_psql('digitalocean', 'CREATE EXTENSION dblink');

# ----- many tables -----

# In a minute on a quiet machine; other tests may run beside this one.  Few by
# default, as making them takes longer than comparing them.
my $many = $ENV{OMF_TEST_ALL} ? 10_000 : 400;
for ($source, $target)
{
	$_->safe_psql('postgres', 'CREATE DATABASE large');
	for (my $first = 1; $first <= $many; $first += 1000)
	{
		my $last = $first + 999 < $many ? $first + 999 : $many;
		$_->safe_psql('large', "DO \$\$ BEGIN FOR i IN $first .. $last LOOP
			EXECUTE format('CREATE TABLE t%s (a int)', i); EXECUTE format('INSERT INTO t%s SELECT generate_series(1, 10)', i); END LOOP; END \$\$");
	}
}
my $large = alike_ok("$many tables", exact => 'on', ignore_dbs => '{shop}');
like($large->{out}, qr/^large\|$many\|@{[ 10 * $many ]}\|/m, 'all are counted');
cmp_ok($large->{seconds}, '<', 240, 'in a time that one waits') or diag($large->{seconds});
cmp_ok(alike_ok('by estimates', ignore_dbs => '{shop}')->{seconds}, '<', 60, 'estimates, too');
done_testing();
