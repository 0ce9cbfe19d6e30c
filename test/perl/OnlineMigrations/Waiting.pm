# What the suites wait for, and on whom statements can wait for ever.
package OnlineMigrations::Waiting;

use strict;
use warnings;

use IO::Socket::INET;
use OnlineMigrations::TestNode;
use Socket;
use Time::HiRes qw(sleep time);

# Longer than anything takes.
my $PATIENCE = 30;

# Waits until the code returns a true value, and returns that; false when it
# never did.
sub until_true
{
	my ($code) = @_;
	my $end = time + $PATIENCE;
	while (time < $end)
	{
		my $value = $code->();
		return $value if $value;
		sleep(0.005);
	}
	return;
}

# That many requests are in flight, as the API sees it.
sub in_flight
{
	my ($simulator, $wanted) = @_;
	return until_true(sub { $simulator->counters->{in_flight} == $wanted });
}

# The backend waits for the API; in an Append, PostgreSQL waits for it.
sub is_waiting
{
	my ($node, $pid) = @_;
	my $sql = "SELECT wait_event_type = 'Extension' OR wait_event = 'AppendReady'
		FROM pg_stat_activity WHERE pid = $pid";
	return until_true(sub { $node->safe_psql('postgres', $sql) eq 't' });
}

# Kills the backend, and waits until the server has noticed, ended all others
# and begun anew; false when it never has.
sub crash
{
	my ($node, $pid) = @_;
	my $ready = sub { return scalar(() = $node->log_text =~ /database system is ready to accept connections/g) };
	my $before = $ready->();
	kill 'KILL', $pid;
	return until_true(sub { $ready->() > $before });
}

# A listener whose queue is full: who connects to it never gets an answer,
# not even that of TCP.  Returns a hash with its url; it works until that goes.
# It is on the loopback address and port that are given, or on any port.
sub deaf_listener
{
	my ($host, $port) = @_;
	$host //= '127.0.0.1';
	my $listener = IO::Socket::INET->new(LocalAddr => $host, LocalPort => $port,
		Listen => 1, Proto => 'tcp') or die "cannot listen: $!\n";
	listen($listener, 0) or die "cannot listen: $!\n";
	my $address = pack_sockaddr_in($listener->sockport, inet_aton($host));
	my @clients;
	for (1 .. 4)
	{
		socket(my $client, PF_INET, SOCK_STREAM, 0) or die "no socket: $!\n";
		IO::Handle::blocking($client, 0);
		connect($client, $address);
		push @clients, $client;
	}
	return { url => "http://$host:" . $listener->sockport,
		held => [ $listener, @clients ] };
}

1;
