# What programs and dashboards connect with: psql and drivers, each by a small
# program of its own below test/clients/, which prints for every check lines of
# its name, a tab, and a value.  All are held to the same table.
#
# test/run says in OMF_CLIENTS which of them are there.
use strict;
use warnings;

use IPC::Run;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils qw(run_command);
use Test::More;

my %cluster = (
	running => 'e0000000-0000-4000-8000-000000000001',
	done => 'e0000000-0000-4000-8000-000000000002',
	missing => 'e0000000-0000-4000-8000-000000000003',
	hanging => '0badc0de-0001-4000-8000-000000000007',
	start => 'e0000000-0000-4000-8000-000000000004',
);
my @arguments = @cluster{qw(running done missing hanging start)};
my $source = '{"host": "src.example.com", "port": 25060, "password": "s3cr3t-of-client"}';

my $simulator = OnlineMigrations::Simulator->start;
my $node = OnlineMigrations::TestNode->start('clients', simulator => $simulator,
	conf => "listen_addresses = '127.0.0.1'\nlog_statement = none");
$node->safe_psql('digitalocean', q{CREATE FOREIGN TABLE by_text (
	cluster varchar OPTIONS (column_name 'database_cluster_uuid'), status text)
	SERVER digitalocean});

$ENV{OMF_SOURCE} = $source;
$ENV{PGHOST} = '127.0.0.1';
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'digitalocean';
# That of the database depends on the machine's locale.
$ENV{PGCLIENTENCODING} = 'UTF8';
$ENV{PGUSER} = $node->safe_psql('postgres', 'SELECT current_user');

# ----- the checks -----

# By name, the values in the order in which they come.
my %expected = (
	uuid => 'running',
	text => 'running',
	array => 'done, running',
	'text array' => 'done, running',
	in => 'done, running',
	missing => '',
	prepared => join(', ', ('running', 'done') x 6),
	generic => 't',
	cursor => 'done, running',
	table => 'FOREIGN',
	columns => 'database_cluster_uuid uuid, id text, created_at timestamptz, status text',
	timeout => '57014',
	wait => '00000',
	'wait in transaction' => '2D000',
	start => 'running',
	'start again' => '55000',
	stop => 't',
);
my %of_drivers = (simple => 'running', cancel => '57014', 'goes on' => 'running');

# How each client is called, and what it does more, or in other words.
my %clients = (
	psql => {
		command => [ 'psql', '-XAtq', (map { ('-v', "$_=$cluster{$_}") } sort keys %cluster),
			'-v', "source=$source", '-f', program('psql.sql') ],
		more => bound_by_psql(),
	},
	psycopg => {
		command => [ '/usr/bin/python3', program('psycopg_client.py'), @arguments ],
		more => {
			%of_drivers,
			types => 'UUID, str, datetime, str',
			generic => 'True',
			stop => 'True',
			strings => 'done, running',
		},
	},
	jdbc => {
		command => [ 'java', '-cp', '/usr/share/java/postgresql.jar', program('Jdbc.java'), @arguments ],
		more => {
			%of_drivers,
			types => 'java.util.UUID, java.lang.String, java.sql.Timestamp, java.lang.String',
			time => 'true',
			table => 'FOREIGN TABLE',
			cast => 'running',
			string => '42883',
			call => '00000',
			'call as select' => '42809',
			unspecified => 'running',
		},
	},
	node => {
		command => [ 'node', program('node.mjs'), @arguments ],
		more => { %of_drivers, types => 'String, String, Date, String', generic => 'true', stop => 'true' },
	},
);

sub program { return "$ENV{OMF_TREE}/test/clients/$_[0]"; }

# From version 16 on, psql has \bind.
sub bound_by_psql
{
	my ($major) = `psql --version` =~ /(\d+)/;
	return $major >= 16 ? { bound => 'running, running, done, running' } : {};
}

# The values of all lines of one name.
sub values_by_name
{
	my ($text) = @_;
	my %values;
	for my $line (split /\n/, $text)
	{
		my ($name, @fields) = split /\t/, $line;
		push @{ $values{$name} }, join ' ', @fields;
	}
	return map { $_ => join ', ', @{ $values{$_} } } keys %values;
}

sub try_client
{
	my ($name) = @_;
	my $client = $clients{$name};
	$simulator->reset;
	$simulator->config(running_ms => 600_000);
	$simulator->migration($cluster{running}, 'running', 'some-id');
	$simulator->migration($cluster{done}, 'done', 'other-id');

	my ($out, $err) = run_command($client->{command});
	my %values = values_by_name($out);
	my %wanted = (%expected, %{ $client->{more} });
	for my $check (sort keys %wanted)
	{
		is(delete $values{$check} // '', $wanted{$check}, "$name: $check");
	}
	is(join(', ', %values), '', "$name: nothing more") or diag($err);
	is($simulator->counters->{put}, 1, "$name: one start was sent");
	return;
}

# Ctrl-C, typed at psql.
sub try_psql_at_terminal
{
	my ($in, $out) = ('', '');
	my $psql = IPC::Run::start([ 'psql', '-Xn', '-P', 'pager=off', '-v', 'VERBOSITY=verbose' ],
		'<pty<', \$in, '>pty>', \$out);
	my $see = sub {
		my ($pattern) = @_;
		return OnlineMigrations::Waiting::until_true(sub { $psql->pump_nb; $out =~ $pattern });
	};
	my $status_of = sub {
		return "SELECT status FROM databases.online_migrations
			WHERE database_cluster_uuid = '$cluster{$_[0]}';\n";
	};
	$in .= $status_of->('hanging');
	ok(OnlineMigrations::Waiting::until_true(sub { $psql->pump_nb; $simulator->counters->{in_flight} == 1 }),
		'psql: a statement that waits');
	$in .= "\cC";
	ok($see->(qr/ERROR:  57014: canceling statement due to user request/), 'psql: Ctrl-C');
	$in .= $status_of->('running');
	ok($see->(qr/^ running\b/m), 'psql: its connection goes on');
	$in .= "\\q\n";
	$psql->finish;
	return;
}

my @wanted = split ' ', $ENV{OMF_CLIENTS} // 'psql';
for my $name (qw(psql psycopg jdbc node))
{
	SKIP:
	{
		skip "$name is not here, or not asked for", 1 unless grep { $_ eq $name } @wanted;
		try_client($name);
	}
}
SKIP:
{
	skip 'no IO::Pty here', 1 unless eval { require IO::Pty };
	try_psql_at_terminal();
}

unlike($node->log_text, qr/s3cr3t/, 'no password is in the log');
done_testing();
