# The extension against the API's OpenAPI document, as Prism serves it: each
# request keeps to the document, and each row is the document's example.
use strict;
use warnings;

use HTTP::Tiny;
use JSON::PP qw(decode_json);
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $url = $ENV{OMF_PRISM};
my $token = $OnlineMigrations::TestNode::TOKEN;
my $cluster = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
my $migration = '77b28fc8-19ff-11eb-8c9c-c68e24557488';
my $example = example("/v2/databases/$cluster/online-migration");
my $row = join '|', @$example{qw(id created_at status)};

my $node = OnlineMigrations::TestNode->start('prism',
	server_options => { endpoint => $url });
$node->safe_psql($OnlineMigrations::TestNode::DATABASE,
	"ALTER DATABASE $OnlineMigrations::TestNode::DATABASE SET timezone = 'UTC'");

# timestamptz as the API writes it.
my $created = q{to_char(created_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"')};

my $from = offset();
$node->psql_ok(
	"SELECT id, $created, status FROM databases.online_migrations
	 WHERE database_cluster_uuid = '$cluster'",
	$row, 'a status is the example');
is(received('get', $from), 1, 'by one GET');

$from = offset();
$node->psql_ok(
	"SELECT id, $created, status
	 FROM databases.databases_update_online_migration('$cluster',
		'{\"host\":\"src.example.com\",\"port\":25060,\"dbname\":\"defaultdb\",
		  \"username\":\"doadmin\",\"password\":\"s3cr3t\"}',
		disable_ssl => true, ignore_dbs => '{db0,db1}', replace => true)",
	$row, 'a start with everything is the example');
$node->psql_ok(
	"SELECT id, $created, status
	 FROM databases.databases_update_online_migration('$cluster',
		'{\"host\":\"src.example.com\",\"port\":25060}', replace => true)",
	$row, 'so is one with the least');
is(received('put', $from), 2, 'by two PUTs');

# The example is a running migration.
$node->psql_fails(
	"SELECT * FROM databases.databases_update_online_migration('$cluster',
		'{\"host\":\"src.example.com\",\"port\":25060}')",
	'55000', undef, 'a start beside a running one is refused');
is(received('put', $from), 2, 'without a PUT');

$from = offset();
$node->psql_ok(
	"SELECT databases.databases_delete_online_migration('$cluster',
		'$migration')",
	't', 'a stop says so');
is(received('delete', $from), 1, 'by one DELETE');

listing();

unlike(slurp_file($ENV{OMF_PRISM_LOG}), qr/Violation|did not pass/,
	'Prism reports no violation');

done_testing();

# The table without a key lists the account's clusters, in versions of the
# extension that know how.
sub listing
{
	my $known = example('/v2/databases')->{databases};
	my $all = $node->run_sql(
		'SELECT database_cluster_uuid FROM databases.online_migrations');
  SKIP:
	{
		skip 'this version does not list clusters', 2
		  if $all->{status} && $all->{hint} =~ /WHERE/;
		is($all->{status}, 0, 'the clusters are listed')
		  or diag($all->{err});
		is(
			join("\n", sort split /\n/, $all->{out}),
			join("\n", sort map { $_->{id} } @$known),
			'they are those of the example');
	}
}

# What Prism answers to a plain client.
sub example
{
	my ($path) = @_;
	my $reply = HTTP::Tiny->new(timeout => 10)->get("$url$path",
		{ headers => { authorization => "Bearer $token" } });
	BAIL_OUT("Prism: $reply->{status} $reply->{content}")
	  unless $reply->{success};
	return decode_json($reply->{content});
}

sub offset { return -s $ENV{OMF_PRISM_LOG}; }

# Prism colours its log when it feels like it; a request's line names the
# method in small letters.
sub received
{
	my ($method, $since) = @_;
	my $log = slurp_file($ENV{OMF_PRISM_LOG}, $since);
	return scalar(() = $log =~ /\b$method \/v2\S*.*Request received/g);
}
