# The API simulator from Perl: starting it, and its control calls.
#
#   my $simulator = OnlineMigrations::Simulator->start(latency => 50);
#   $simulator->http; $simulator->https; $simulator->ca_file;
#   $simulator->url('https_expired');      # any address that it prints
#   $simulator->fault('hang', uuid => $cluster, times => 1);
#   $simulator->stop;                      # or let it go out of scope
#
# attach($url) is for a simulator that runs already.  A control call that is
# refused dies.  Core modules only.

package OnlineMigrations::Simulator;

use strict;
use warnings;

use File::Basename qw(dirname);
use HTTP::Tiny;
use IO::Handle;
use JSON::PP;

# start(program =>, http =>, https =>, directory =>, latency =>)
sub start
{
	my ($class, %options) = @_;
	my $program = delete $options{program} // $ENV{OMF_SIMULATOR_PROGRAM} //
	  dirname(__FILE__) . '/../../simulator';
	my @command = ($program, '--until-stdin-closes');
	my $self = bless { urls => {}, owner => $$ }, $class;

	push @command, "--$_", $options{$_} for sort keys %options;
	pipe(my $in_read, my $in_write) or die "pipe: $!";
	pipe(my $out_read, my $out_write) or die "pipe: $!";
	$self->{pid} = fork // die "fork: $!";
	if ($self->{pid} == 0)
	{
		open STDIN, '<&', $in_read or die;
		open STDOUT, '>&', $out_write or die;
		close $_ for $in_read, $in_write, $out_read, $out_write;
		exec @command or do { warn "$program: $!\n"; require POSIX; POSIX::_exit(127) };
	}
	close $in_read;
	close $out_write;
	$self->{input} = $in_write;
	while (my $line = <$out_read>)
	{
		chomp $line;
		return $self if $line eq 'ready';
		my ($name, $value) = split ' ', $line, 2;
		$self->{urls}{$name} = $value;
	}
	die "$program did not start\n";
}

# One that runs already, by its plain URL.
sub attach
{
	my ($class, $url) = @_;

	return bless { urls => { http => $url } }, $class;
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} // return;

	return if $self->{owner} != $$;
	close delete $self->{input};
	local $?;
	waitpid $pid, 0;
	return;
}

sub DESTROY { $_[0]->stop }

sub url { return $_[0]{urls}{ $_[1] } // die "no address named $_[1]\n" }
sub urls { return $_[0]{urls} }
sub http { return $_[0]->url('http') }
sub https { return $_[0]->url('https') }
sub ca_file { return $_[0]->url('ca_file') }
sub pid { return $_[0]{pid} }

# A control call; returns what it answers, decoded unless $raw.
sub call
{
	my ($self, $method, $path, $body, $raw) = @_;
	my $answer = HTTP::Tiny->new(keep_alive => 0, proxy => undef, http_proxy => undef, timeout => 30)->request(
		$method, $self->http . "/_simulator/$path",
		{ defined $body ? (content => JSON::PP->new->utf8->canonical->encode($body)) : () });

	die "simulator: $method $path: $answer->{status} $answer->{content}\n" if !$answer->{success};
	return $raw ? $answer->{content} : JSON::PP->new->utf8->decode($answer->{content});
}

# Numbers and booleans as such: what comes from a command line is text.
sub _typed
{
	my (%given) = @_;

	for (values %given)
	{
		next if !defined || ref;
		$_ = $_ eq 'true' ? JSON::PP::true : $_ eq 'false' ? JSON::PP::false : /^-?\d{1,15}\z/ ? 0 + $_ : $_;
	}
	return \%given;
}

sub reset { return $_[0]->call('POST', 'reset') }
sub counters { return $_[0]->call('GET', 'counters') }
sub reset_counters { return $_[0]->call('POST', 'counters/reset') }
sub clear_log { return $_[0]->call('DELETE', 'log') }
sub delete_faults { return $_[0]->call('DELETE', 'faults') }
sub faults { return $_[0]->call('GET', 'faults') }
sub delete_cluster { return $_[0]->call('DELETE', "clusters/$_[1]") }

# The requests since entry number $since, as a list of hashes.
sub log
{
	my ($self, $since) = @_;

	return @{ $self->call('GET', 'log?since=' . ($since // 0)) };
}

# The same as lines "METHOD PATH STATUS".
sub log_text { return $_[0]->call('GET', 'log?format=text', undef, 1) }

sub config { my ($self, %options) = @_; return $self->call('POST', 'config', _typed(%options)) }
sub populate { my ($self, %options) = @_; return $self->call('POST', 'populate', _typed(%options)) }
sub close_idle { my ($self, %options) = @_; return $self->call('POST', 'close_idle', _typed(%options)) }

# cluster($uuid, engine => 'pg', tags => ['a'], ...)
sub cluster
{
	my ($self, $uuid, %fields) = @_;

	return $self->call('POST', 'clusters', { %{ _typed(%fields) }, uuid => $uuid });
}

# clusters(): those of the first account; clusters($token): those of another one
sub clusters
{
	my ($self, $token) = @_;

	return @{ $self->call('GET', 'clusters' . (defined $token ? "?token=$token" : '')) };
}

# A migration that stays as it is; without a status, none.
sub migration
{
	my ($self, $uuid, $status, $id, $created_at) = @_;

	return $self->call('POST', 'clusters',
		{ uuid => $uuid, migration => { status => $status, id => $id, created_at => $created_at } });
}

# token($name, account => ..., can_write => ..., limit => ..., enforce => ...)
sub token
{
	my ($self, $name, %fields) = @_;

	return $self->call('POST', 'tokens', { %{ _typed(%fields) }, token => $name });
}

# Many clusters, or faults, in one call: a list of hashes with what cluster()
# and fault() take, the uuid or the name of the fault among them.
sub clusters_all { my ($self, @clusters) = @_; return $self->call('POST', 'clusters', [ map { _typed(%$_) } @clusters ]) }
sub faults_all { my ($self, @faults) = @_; return $self->call('POST', 'faults', [ map { _typed(%$_) } @faults ]) }

# fault($name, uuid => ..., method => ..., page => ..., tag => ..., times => ..., skip => ..., ...)
sub fault
{
	my ($self, $name, %parameters) = @_;

	return $self->call('POST', 'faults', { %{ _typed(%parameters) }, fault => $name });
}

1;
