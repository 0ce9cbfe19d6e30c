# A PostgreSQL node for TAP suites, set up as a user would: the database
# "digitalocean" with the staged extension in the schema "databases", a server
# that points at an API simulator of the suite's own, a user mapping and the
# imported foreign tables.
#
#   my $node = OnlineMigrations::TestNode->start('main');
#   $node->psql_ok("SELECT status FROM ...", 'running', 'it runs');
#   $node->psql_fails("SELECT ...", '28000', qr/token/, 'no token');
#   $node->requests_ok({ GET => 1 }, sub { $node->run_sql('...') }, 'one GET');
#
# The node is a PostgreSQL::Test::Cluster, with all of its methods.
package OnlineMigrations::TestNode;

use strict;
use warnings;

use parent -norequire, 'PostgreSQL::Test::Cluster';
use OnlineMigrations::Simulator;
use PostgreSQL::Test::Cluster;
# Not command_ok and the like: the node's methods have the same names.
use PostgreSQL::Test::Utils qw(slurp_file);
use Test::More;
use Time::HiRes qw(sleep time);

our $DATABASE = 'digitalocean';

# A token that every simulator accepts; see test/lib/secrets.
our $TOKEN = 'dop_v1_simulator';

# start(NAME, option => value...):
#
#   simulator      an OnlineMigrations::Simulator to share; else a new one
#   over           'http' (as if not given) or 'https', which sets ca_file
#   server_options further options of CREATE SERVER, as a hash
#   token          that of the user mapping
#   conf           further lines of postgresql.conf
#   init           what PostgreSQL::Test::Cluster's init takes, as a hash
#   log_level      log_min_messages, debug5 unless given
#   setup          'full' (as if not given), 'extension' (no server, mapping
#                  and tables), or 'none' (an empty database)
sub start
{
	my ($class, @arguments) = @_;

	# The same name as the method that starts a node that exists.
	return $class->SUPER::start(@arguments) if ref $class;
	return $class->_make(@arguments);
}

sub _make
{
	my ($class, $name, %options) = @_;
	my $self = $class->new($name);
	$self->init(%{ $options{init} // {} });
	$self->append_conf('postgresql.conf',
		'log_min_messages = ' . ($options{log_level} // 'debug5'));
	$self->append_conf('postgresql.conf', $options{conf} // '');
	$self->SUPER::start();
	$self->safe_psql('postgres', "CREATE DATABASE $DATABASE");

	$self->{omf_simulator} =
	  $options{simulator} // OnlineMigrations::Simulator->start;
	my $setup = $options{setup} // 'full';
	$self->create_extension if $setup ne 'none';
	$self->create_server(%options) if $setup eq 'full';
	return $self;
}

# A hot standby of this node, which needs init => { allows_streaming => 1 },
# with all that the node has by now.
sub start_standby
{
	my ($self, $name) = @_;
	$self->backup($name);
	my $standby = (ref $self)->new($name);
	$standby->init_from_backup($self, $name, has_streaming => 1);
	$standby->SUPER::start();
	$standby->{omf_simulator} = $self->simulator;
	$self->wait_for_catchup($standby, 'replay');
	return $standby;
}

sub simulator { return $_[0]->{omf_simulator}; }

# The SQL that makes another server with these options, a mapping, and a schema
# of the same name with its tables.
sub server_sql
{
	my ($self, $name, %options) = @_;
	my $list = join ', ', map { "$_ " . $self->literal($options{$_}) } sort keys %options;
	return qq{
		CREATE SCHEMA $name;
		CREATE SERVER $name FOREIGN DATA WRAPPER online_migrations_fdw OPTIONS ($list);
		CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS (token '$TOKEN');
		IMPORT FOREIGN SCHEMA databases FROM SERVER $name INTO $name;};
}

sub add_server
{
	my ($self, @arguments) = @_;
	$self->safe_psql($DATABASE, $self->server_sql(@arguments));
	return;
}

# Another token of that account for that server: a rate limit that was met is
# the old one's.
my $tokens = 0;

sub fresh_token
{
	my ($self, $server, $account) = @_;
	my $token = sprintf '%sx%04d', $account // $TOKEN, ++$tokens;
	$self->simulator->token($token, account => $account // $TOKEN);
	$self->safe_psql($DATABASE, "ALTER USER MAPPING FOR CURRENT_USER SERVER $server
		OPTIONS (SET token " . $self->literal($token) . ')');
	return;
}

# Quotes an SQL literal.
sub literal
{
	my ($self, $text) = @_;
	$text =~ s/'/''/g;
	return "'$text'";
}

sub create_extension
{
	my ($self) = @_;
	$self->safe_psql($DATABASE, q{
		CREATE SCHEMA databases;
		CREATE EXTENSION online_migrations_fdw SCHEMA databases;});
	return;
}

# The server "digitalocean", a user mapping for the superuser, the tables.
sub create_server
{
	my ($self, %options) = @_;
	my %server = $self->server_options($options{over});
	%server = (%server, %{ $options{server_options} // {} });
	my $list = join ', ',
	  map { "$_ " . $self->literal($server{$_}) } sort keys %server;
	my $token = $self->literal($options{token} // $TOKEN);
	$self->safe_psql($DATABASE, qq{
		CREATE SERVER digitalocean FOREIGN DATA WRAPPER online_migrations_fdw
			OPTIONS ($list);
		CREATE USER MAPPING FOR CURRENT_USER SERVER digitalocean
			OPTIONS (token $token);
		IMPORT FOREIGN SCHEMA databases FROM SERVER digitalocean
			INTO databases;});
	return;
}

# Where the simulator is, as options of CREATE SERVER.
sub server_options
{
	my ($self, $over) = @_;
	my $simulator = $self->simulator;
	return (endpoint => $simulator->http) if ($over // 'http') eq 'http';
	return (endpoint => $simulator->https, ca_file => $simulator->ca_file);
}

# Runs SQL in the database, stopping at the first error.  Returns a hash:
# status, out and err of psql, seconds, and of the first error sqlstate,
# message, detail, hint and context.  Options: role, to SET ROLE first;
# before, SQL to run first; timeout in seconds (60).
sub run_sql
{
	my ($self, $sql, %options) = @_;
	my $before = $options{before} // '';
	$before = "SET ROLE $options{role}; $before" if defined $options{role};
	my ($out, $err, $late) = ('', '', 0);
	my $started = time;
	my $status = $self->psql($DATABASE, "$before\n$sql",
		stdout => \$out, stderr => \$err,
		timeout => $options{timeout} // 60, timed_out => \$late,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my $result = { status => $late ? -1 : $status, out => $out, err => $err,
		seconds => time - $started };
	return { %$result, parse_error($err) };
}

# What psql prints of an error in verbose form.
sub parse_error
{
	my ($text) = @_;
	my %error = (sqlstate => '', message => '');
	return %error if $text !~ /(?:ERROR|FATAL|PANIC):  (\w{5}): (.*?)(?:\n|\z)/;
	@error{qw(sqlstate message)} = ($1, $2);
	my $rest = $';
	for my $field (qw(DETAIL HINT CONTEXT QUERY))
	{
		$error{ lc $field } = $1
		  if $rest =~ /^$field:  (.*?)(?=^[A-Z]+:  |^LINE \d|^LOCATION:|\z)/ms;
	}
	s/\n\z// for grep { defined } values %error;
	return %error;
}

# The SQL succeeds, and prints what is expected: a string, a pattern, or undef
# for anything.  Returns the hash of run_sql.
sub psql_ok
{
	my ($self, $sql, $expected, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $self->run_sql($sql, %options);
	if ($result->{status} != 0)
	{
		fail($name);
		diag("psql's status $result->{status}: $result->{err}");
	}
	elsif (ref $expected) { like($result->{out}, $expected, $name); }
	elsif (defined $expected) { is($result->{out}, $expected, $name); }
	else { pass($name); }
	return $result;
}

# The SQL fails with that SQLSTATE, and what psql says matches the pattern,
# if there is one.  Returns the hash of run_sql.
sub psql_fails
{
	my ($self, $sql, $sqlstate, $pattern, $name, %options) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = $self->run_sql($sql, %options);
	my $good = $result->{status} != 0 && $result->{sqlstate} eq $sqlstate
	  && (!defined $pattern || $result->{err} =~ $pattern);
	ok($good, $name);
	diag("wanted $sqlstate", defined $pattern ? " and $pattern" : '',
		", got status $result->{status}: $result->{err} $result->{out}")
	  unless $good;
	return $result;
}

# The code makes the API see exactly these requests: a hash of counts by
# method, as { GET => 2, PUT => 1 }.  Returns what the code returns.
sub requests_ok
{
	my ($self, $expected, $code, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = $self->request_counts;
	my $result = $code->();
	my $after = $self->request_counts;
	my %seen;
	for my $method (keys %$after)
	{
		my $more = $after->{$method} - ($before->{$method} // 0);
		$seen{$method} = $more if $more;
	}
	is_deeply(\%seen, $expected, $name);
	return $result;
}

# How many requests the API has seen, by method.
sub request_counts
{
	my ($self) = @_;
	my %counts;
	$counts{ $_->{method} }++ for $self->simulator->log;
	return \%counts;
}

# A psql session in the background, on the database; its errors do not end
# it.  See PostgreSQL::Test::BackgroundPsql.
sub session
{
	my ($self, %options) = @_;
	return $self->background_psql($DATABASE, on_error_stop => 0, %options);
}

# A role that may use everything, with a token of its own unless that is
# undef.
sub create_role
{
	my ($self, $role, $token) = @_;
	my $mapping = '';
	$mapping = "CREATE USER MAPPING FOR $role SERVER digitalocean
		OPTIONS (token " . $self->literal($token) . ');'
	  if defined $token;
	$self->safe_psql($DATABASE, qq{
		CREATE ROLE $role;
		GRANT USAGE ON SCHEMA databases TO $role;
		GRANT USAGE ON FOREIGN SERVER digitalocean TO $role;
		GRANT SELECT ON ALL TABLES IN SCHEMA databases TO $role;
		GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA databases TO $role;
		$mapping});
	return;
}

# What the server has logged since it started, or since the given offset.
sub log_text
{
	my ($self, $offset) = @_;
	return slurp_file($self->logfile, $offset // 0);
}

1;
