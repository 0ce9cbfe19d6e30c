# Memory that runs out, one allocation after the other, in every kind of
# statement: no process crashes, no start is sent twice, and the session works
# on.  scarce.c makes allocations of one backend fail.
#
# Two libraries have crashes of their own.  OpenSSL 3.0 frees twice what a
# session holds, where memory runs out while it copies one: there are no session
# tickets of TLS here.  And libnghttp2 1.52 is spared by scarce.c.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils;
use Test::More;

# How many allocations of each statement fail, one in each run: OMF_TEST_MEMORY,
# for all of them a large number, which takes a quarter of an hour.
my $RUNS = $ENV{OMF_TEST_MEMORY} // 30;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $library = "$folder/scarce.so";
my $control = "$folder/control";
plan skip_all => 'no compiler'
  if system("cc -shared -fPIC -O1 -o $library $ENV{OMF_TREE}/test/t/scarce.c 2>$folder/cc.log") != 0;

my $simulator = OnlineMigrations::Simulator->start;
$simulator->token($OnlineMigrations::TestNode::TOKEN, limit => 10_000_000);
deny(0, 0, 0);
my $node = start_node();
my @clusters = map { sprintf 'fa051000-0000-4000-8000-%012d', $_ } 1 .. 4;
for my $cluster (@clusters)
{
	$simulator->cluster($cluster, engine => 'pg');
	$simulator->migration($cluster, 'syncing', "id-$cluster");
}
$node->safe_psql('digitalocean', 'CREATE TABLE keys AS SELECT key::uuid FROM unnest(ARRAY['
	. join(',', map { "'$_'" } @clusters) . ']) AS key; ANALYZE keys');

sub start_node
{
	local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, $library;
	local $ENV{OMF_SCARCE} = $control;
	return OnlineMigrations::TestNode->start('memory', simulator => $simulator, over => 'https',
		log_level => 'warning',
		server_options => { endpoint => $simulator->url('https_no_tickets'), max_retries => 1, request_timeout => '1s', max_retry_wait => '10ms' });
}

# Let allocations number $first to $first + $length - 1 of that process fail.
sub deny
{
	my ($pid, $first, $length) = @_;
	open my $file, -e $control ? '+<' : '>', $control or die "$control: $!";
	binmode $file;
	syswrite $file, pack('q4', $pid, $first, $length, 0);
	close $file;
	return;
}

# How many allocations there have been since.
sub allocations
{
	open my $file, '<', $control or die "$control: $!";
	binmode $file;
	sysread $file, my $bytes, 32;
	close $file;
	return (unpack 'q4', $bytes)[3];
}

my $source = q{'{"host":"h","port":1,"dbname":"d","username":"u","password":"p"}'};
my $table = 'databases.online_migrations';
my @statements = (
	[ scan => "SELECT count(status) FROM $table WHERE database_cluster_uuid = '$clusters[0]'" ],
	[ keys => "SELECT count(status) FROM $table WHERE database_cluster_uuid IN ("
		. join(',', map { "'$_'" } @clusters) . ')' ],
	[ join => "SELECT count(status) FROM public.keys JOIN $table ON key = database_cluster_uuid" ],
	[ listing => 'SELECT count(*) > 0 FROM databases.clusters' ],
	[ 'all' => "SELECT count(*) > 0 FROM $table" ],
	[ start => "SELECT status FROM databases.databases_update_online_migration('$clusters[1]', $source, replace => true)" ],
	[ stop => "SELECT databases.databases_delete_online_migration('$clusters[2]', 'id-$clusters[2]', missing_ok => true) IS NOT NULL" ],
	[ wait => "CALL databases.databases_wait_online_migration('$clusters[3]', until => '{syncing}')" ]);

# Cold: with the making of connections.  Warm: over one that is there.
my $close = 'SELECT online_migrations_fdw_disconnect_all()';
my $check = "SELECT status FROM $table WHERE database_cluster_uuid = '$clusters[3]'";

# libcurl before 8.6 has the same code for both.
my $LONG_HEADER = qr/A line of the header is longer than libcurl takes/;

sub try_statement
{
	my ($name, $sql, $cold, $schema) = @_;
	my $label = $name . ($cold ? ', new connection' : ', kept connection');
	$schema //= 'databases';
	my $session = OnlineMigrations::Session->open($node);
	my (@problems, %seen);
	my $check = "SELECT status FROM $schema.online_migrations WHERE database_cluster_uuid = '$clusters[3]'";
	my $prepare = sub { $session->run('SET search_path = databases'); $session->run($cold ? $close : $check) };

	$prepare->() for 1 .. 2;
	$session->run($sql);
	$prepare->();
	deny($session->pid, 0, 0);
	$session->run($sql);
	my $count = allocations();
	deny(0, 0, 0);
	my $most = $schema eq 'plain' && $cold ? $count : $RUNS;
	my $step = $count > $most ? $count / $most : 1;
	my $runs = 0;
	for (my $n = 1; $n <= $count; $n += $step)
	{
		$prepare->();
		$simulator->clear_log;
		deny($session->pid, int $n, 1);
		my $result = $session->run($sql);
		deny(0, 0, 0);
		$runs++;
		my $state = $result->{sqlstate} // '';
		$seen{ $state || 'done' }++;
		my $puts = grep { $_->{method} eq 'PUT' } $simulator->log;
		push @problems, "$n: $puts starts" if $puts > 1;
		push @problems, "$n: $result->{err}" if $state =~ /^(?:XX|08|57P)/;
		push @problems, "$n: $result->{err}"
		  if $schema eq 'plain' && $state !~ /^(?:|53200)$/ && $result->{err} !~ $LONG_HEADER;
		my $after = $session->run($check);
		push @problems, "$n: then $after->{err}$after->{out}" if $after->{out} ne 'syncing';
		last if $after->{out} eq '' && $after->{err} !~ /ERROR/;
	}
	ok(!@problems, "$label: $count allocations, $runs of them fail: "
		. join(', ', map { "$_ $seen{$_}" } sort keys %seen))
	  or diag(join "\n", @problems[ 0 .. ($#problems > 9 ? 9 : $#problems) ]);
	$session->close;
	return;
}

for my $cold (1, 0)
{
	try_statement(@$_, $cold) for @statements;
}

# Where there is no TLS library with words of its own, what fails for want of
# memory says so.
$node->add_server('plain', endpoint => $simulator->http, max_retries => 0);
for my $cold (1, 0)
{
	try_statement('scan over http', "SELECT count(status) FROM plain.online_migrations WHERE database_cluster_uuid = '$clusters[0]'", $cold, 'plain');
	try_statement('listing over http', 'SELECT count(*) > 0 FROM plain.clusters', $cold, 'plain');
	try_statement('start over http', "SELECT status FROM databases.databases_update_online_migration('$clusters[1]', $source, replace => true, server => 'plain')", $cold, 'plain');
}

# ----- address space that is limited -----

# From the first moment of a backend, so that whatever libraries keep for the
# life of a process is made in what there is.  Once there is enough again, the
# session works on; but OpenSSL 3.0 does not make up for what it could not make:
# then it is said that it takes another session.
sub limit
{
	my ($pid, $bytes) = @_;
	return system('prlimit', '--pid', $pid, "--as=$bytes:unlimited") == 0;
}

sub try_address_space
{
	my ($size, @kilobytes) = @_;
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)/;
	my (@problems, %seen);
	for my $room (@kilobytes)
	{
		for my $statement (@statements)
		{
			my ($name, $sql) = @$statement;
			limit($postmaster, ($size + $room) * 1024);
			my $session = eval { OnlineMigrations::Session->open($node) };
			limit($postmaster, 'unlimited');
			next if !$session;
			$simulator->clear_log;
			my $result = $session->run($sql);
			$seen{ $result->{sqlstate} || 'done' }++;
			my $puts = grep { $_->{method} eq 'PUT' } $simulator->log;
			push @problems, "$name, $room kB: $puts starts" if $puts > 1;
			push @problems, "$name, $room kB: $result->{err}" if $result->{err} =~ /XX000|closed the connection/;
			limit($session->pid, 'unlimited');
			my $after = $session->run($check);
			my $told = $after->{sqlstate} eq 'HV00N' && $after->{hint} =~ /^The TLS library fails in itself/;
			$seen{'TLS library in disorder'}++ if $told;
			push @problems, "$name, $room kB: then $after->{err}$after->{out}" if $after->{out} ne 'syncing' && !$told;
			$session->close;
		}
	}
	ok(!@problems, 'address space that is limited: ' . join(', ', map { "$_ $seen{$_}" } sort keys %seen))
	  or diag(join "\n", @problems[ 0 .. ($#problems > 9 ? 9 : $#problems) ]);
	return;
}

SKIP:
{
	skip 'no prlimit', 1 if !limit($$, 'unlimited');
	my $session = OnlineMigrations::Session->open($node);
	my ($size) = slurp_file('/proc/' . $session->pid . '/status') =~ /^VmSize:\s+(\d+)/m;
	$session->close;
	try_address_space($size, 500, 2900, 3100, 3300, 4500, 9000, 20_000);
}

unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:/, 'no process has crashed');

done_testing();
