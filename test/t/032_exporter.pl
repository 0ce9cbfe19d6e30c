# examples/postgres_exporter.yaml is what postgres_exporter takes: its queries
# run for a role that monitors, have the columns that it says, and their values
# are those of the views.
use strict;
use warnings;

use CPAN::Meta::YAML;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils;
use Test::More;

my $simulator = OnlineMigrations::Simulator->start;
my $cluster = '00000000-0000-4000-8000-000000000001';
$simulator->cluster($cluster, engine => 'pg');
$simulator->migration($cluster, 'running', 'some-id');
my $node = OnlineMigrations::TestNode->start('exporter', simulator => $simulator, log_level => 'warning',
	conf => "shared_preload_libraries = 'online_migrations_fdw'", server_options => { max_retries => 0 });
$node->safe_psql('digitalocean', qq{
	CREATE ROLE exporter LOGIN;
	GRANT pg_monitor TO exporter;
	GRANT USAGE ON SCHEMA databases TO exporter;
	GRANT USAGE ON FOREIGN SERVER digitalocean TO exporter;
	CREATE USER MAPPING FOR exporter SERVER digitalocean OPTIONS (token '$OnlineMigrations::TestNode::TOKEN');});

my $status = "SELECT status FROM databases.online_migrations WHERE database_cluster_uuid = '$cluster'";
$node->run_sql($status) for 1 .. 3;
$simulator->fault('status', method => 'GET', status => 500, times => 1);
$node->run_sql($status);

my $queries = CPAN::Meta::YAML->read_string(slurp_file("$ENV{OMF_TREE}/examples/postgres_exporter.yaml"))->[0];
is_deeply([ sort keys %$queries ], [ map { "online_migrations_$_" } qw(api api_answers api_latency rate_limit) ], 'the groups of metrics');

# The rows of a query, as hashes.
sub rows_of
{
	my ($query) = @_;
	my $result = $node->run_sql("\\pset format unaligned\n\\pset tuples_only off\n\\pset footer off\n$query", role => 'exporter');
	die "$result->{err}\n" if $result->{status} != 0;
	my ($head, @lines) = grep { !/ is |^Tuples|^Default|^Output/ } split /\n/, $result->{out};
	my @columns = split /\|/, $head;
	return map { my %row; @row{@columns} = split /\|/, $_, -1; \%row } @lines;
}

my %rows;
$simulator->clear_log;
for my $group (sort keys %$queries)
{
	my ($query, $metrics) = @{ $queries->{$group} }{qw(query metrics)};
	my (@columns, @usages);
	for my $metric (@$metrics)
	{
		my ($column) = keys %$metric;
		my $usage = $metric->{$column}{usage};
		push @usages, $usage if $usage !~ /^(LABEL|COUNTER|GAUGE|HISTOGRAM)$/ || $metric->{$column}{description} !~ /\w/;
		push @columns, $column, $usage eq 'HISTOGRAM' ? map { "${column}_$_" } qw(bucket sum count) : ();
	}
	is_deeply(\@usages, [], "$group: each metric has a usage and a description");
	$rows{$group} = [ rows_of($query) ];
	is_deeply([ sort keys %{ $rows{$group}[0] } ], [ sort @columns ], "$group: the query has these columns");
}
is(scalar($simulator->log), 0, 'the API is asked nothing');

sub row_of
{
	my ($group, %labels) = @_;
	my @found = grep { my $row = $_; !grep { $row->{$_} ne $labels{$_} } keys %labels } @{ $rows{"online_migrations_$group"} };
	is(scalar(@found), 1, join ' ', $group, %labels, 'is one row');
	return $found[0] // {};
}

my %get = (server => 'digitalocean', operation => 'get migration');
my $api = row_of('api', %get);
is($api->{requests_total}, 4, 'requests');
cmp_ok($api->{last_failure_timestamp_seconds}, '>', 1_600_000_000, 'the last failure');
is(row_of('api_answers', %get, class => '2xx')->{total}, 3, 'answers');
is(row_of('api_answers', %get, class => '5xx')->{total}, 1, 'failures');
my $latency = row_of('api_latency', %get);
my @bounds = $latency->{seconds} =~ /[\d.]+/g;
my @buckets = $latency->{seconds_bucket} =~ /\d+/g;
is(scalar(@buckets), scalar(@bounds), 'a bucket for each bound');
is_deeply([ sort { $a <=> $b } @buckets ], \@buckets, 'they are cumulated');
is($latency->{seconds_count}, 4, 'the last one has all');
is($latency->{seconds_count}, $buckets[-1], '... that took no longer than 30 s');
cmp_ok($latency->{seconds_sum}, '>', 0, 'the time that they took');

# The bounds are those that the library counts by.
my ($bounds) = slurp_file("$ENV{OMF_TREE}/src/session/stats.h") =~ /define OMF_STATS_BOUNDS.*?\{.*?([\d, ]+\d)/s;
is_deeply([ map { $_ * 1000 } @bounds ], [ split /,\s*/, $bounds ], 'the bounds are those of the histogram');

my $limit = row_of('rate_limit', server => 'digitalocean');
cmp_ok($limit->{requests}, '>=', $limit->{remaining_requests}, 'the rate limit, and what is left of it');
is($limit->{held_seconds} + 0, 0, 'nothing is held back');

done_testing();
