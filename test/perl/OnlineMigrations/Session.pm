# One psql session that stays open, to which statements can be sent without
# waiting for their end:
#
#   my $session = OnlineMigrations::Session->open($node);
#   my $result = $session->run('SELECT 1');
#   $session->post('SELECT pg_sleep(60)');
#   ... cancel it ...
#   my $result = $session->result;
#
# says(PATTERN) waits for a notice of a statement that goes on.
#
# A result is a hash: out and err of psql, seconds that it took, done (the time
# of its end), and of the first error sqlstate, message, detail, hint, context.
package OnlineMigrations::Session;

use strict;
use warnings;

use IPC::Run;
use OnlineMigrations::TestNode;
use Test::More ();
use Time::HiRes qw(sleep time);

# Longer than anything that a test does.
my $PATIENCE = 60;

# open(NODE, role => name, database => name): whatever has a connstr will do.
sub open
{
	my ($class, $node, %options) = @_;
	my $database = $options{database} // $OnlineMigrations::TestNode::DATABASE;
	my $self = bless { number => 0, in => '', out => '', err => '' }, $class;
	$self->{psql} = IPC::Run::start(
		[
			'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-v',
			'SHOW_CONTEXT=always', '-d', $node->connstr($database), '-f', '-'
		],
		'<', \$self->{in}, '>', \$self->{out}, '2>', \$self->{err});
	$self->run("SET ROLE $options{role}") if defined $options{role};
	$self->{pid} = $self->run('SELECT pg_backend_pid()')->{out};
	die "no session: $self->{err}\n" unless $self->{pid} =~ /^\d+$/;
	return $self;
}

sub pid { return $_[0]->{pid}; }

# Sends SQL, and does not wait.
sub post
{
	my ($self, $sql) = @_;
	my $mark = 'end-of-statement-' . ++$self->{number};
	$sql .= ';' unless $sql =~ /;\s*\z/ || $sql =~ /^\\/m;
	$self->{in} .= "$sql\n\\echo $mark\n\\warn $mark\n";
	$self->{started} = time;
	$self->{psql}->pump_nb;
	return;
}

sub _has_ended
{
	my ($self) = @_;
	my $mark = "end-of-statement-$self->{number}\n";
	return $self->{out} =~ /$mark/ && $self->{err} =~ /$mark/;
}

# Waits for the end of what was posted, or of psql itself.
sub result
{
	my ($self) = @_;
	die "nothing was posted\n" unless defined $self->{started};
	until ($self->_has_ended)
	{
		die "statement did not end: $self->{err}\n"
		  if time - $self->{started} > $PATIENCE;
		if (!$self->{psql}->pumpable)
		{
			$self->{psql}->finish;
			last;
		}
		$self->{psql}->pump_nb;
		sleep(0.001);
	}
	my %result = (out => $self->{out}, err => $self->{err}, done => time);
	$result{seconds} = $result{done} - $self->{started};
	s/end-of-statement-\d+\n// for @result{qw(out err)};
	$result{out} =~ s/\n\z//;
	$self->{out} = $self->{err} = '';
	delete $self->{started};
	return { OnlineMigrations::TestNode::parse_error($result{err}), %result };
}

# Waits until psql has said something, an error or a notice, that matches;
# false when it never does.
sub says
{
	my ($self, $pattern) = @_;
	my $end = time + $PATIENCE;
	while (time < $end && $self->{psql}->pumpable)
	{
		$self->{psql}->pump_nb;
		return 1 if $self->{err} =~ $pattern;
		return 0 if $self->_has_ended;
		sleep(0.005);
	}
	return 0;
}

sub run
{
	my ($self, $sql) = @_;
	$self->post($sql);
	return $self->result;
}

# What Ctrl-C does: psql has the statement cancelled, and ends.
sub interrupt
{
	my ($self) = @_;
	$self->{psql}->signal('INT');
	return;
}

# psql is gone, without a word to the server.
sub kill
{
	my ($self) = @_;
	$self->{psql}->signal('KILL');
	$self->{psql}->finish;
	delete $self->{psql};
	return;
}

# One assertion: what the statement prints, errors included.
sub rows_ok
{
	my ($self, $sql, $expected, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $self->run($sql);
	Test::More::is($result->{out} . $result->{err}, $expected, $name);
	return $result;
}

# The backend's open file descriptors.
sub descriptors
{
	my ($self) = @_;
	my @links = glob "/proc/$self->{pid}/fd/*";
	return scalar @links;
}

# Its resident memory in kilobytes, or the most that it has been.
sub memory
{
	my ($self, $most) = @_;
	my $name = $most ? 'VmHWM' : 'VmRSS';
	CORE::open my $file, '<', "/proc/$self->{pid}/status" or return 0;
	my ($kilobytes) = join('', <$file>) =~ /^$name:\s+(\d+)/m;
	return $kilobytes;
}

sub close
{
	my ($self) = @_;
	return unless $self->{psql};
	$self->{in} .= "\\q\n";
	$self->{psql}->finish;
	delete $self->{psql};
	return;
}

1;
