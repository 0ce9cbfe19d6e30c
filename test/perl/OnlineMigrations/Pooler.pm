# PgBouncer in front of a node, reached over a Unix socket of its own only:
#
#   my $pooler = OnlineMigrations::Pooler->start($node, pool_mode => 'transaction');
#   my $session = OnlineMigrations::Session->open($pooler);
#
# It ends with $pooler.  Settings are those of pgbouncer.ini; all clients share
# one connection to the server unless they say otherwise.
package OnlineMigrations::Pooler;

use strict;
use warnings;

use IPC::Run;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils;

# Debian's is in /usr/sbin, which is not in everybody's PATH.
sub program
{
	my ($path) = grep { -x } map { "$_/pgbouncer" } split(/:/, $ENV{PATH}), '/usr/sbin';
	return $path;
}

# As a number that can be compared: 1.18.0 is 118.
sub version
{
	my $program = program() or return 0;
	my ($major, $minor) = `$program --version` =~ /PgBouncer (\d+)\.(\d+)/;
	return 100 * $major + $minor;
}

sub start
{
	my ($class, $node, %settings) = @_;
	my $self = bless { folder => PostgreSQL::Test::Utils::tempdir_short() }, $class;
	my $file = $self->_write_settings($node, %settings);
	$self->{process} = IPC::Run::start([ program(), '-q', $file ], '<', \undef,
		'>', "$self->{folder}/out", '2>&1');
	my $ready = OnlineMigrations::Waiting::until_true(
		sub { system('psql', '-XAtqc', '', $self->connstr) == 0 });
	die "no pooler: $self->{folder}/out\n" unless $ready;
	return $self;
}

# It logs in as the superuser of the node, whoever its client is.
sub _write_settings
{
	my ($self, $node, %settings) = @_;
	my $file = "$self->{folder}/pgbouncer.ini";
	my $user = $node->safe_psql('postgres', 'SELECT current_user');
	%settings = (auth_type => 'any', default_pool_size => 1,
		unix_socket_dir => $self->{folder}, %settings);
	open my $out, '>', $file or die "cannot write $file: $!\n";
	print $out "[databases]\n* = host=", $node->host, ' port=', $node->port, " user=$user\n",
	  "[pgbouncer]\n", map { "$_ = $settings{$_}\n" } sort keys %settings;
	close $out or die "cannot write $file: $!\n";
	return $file;
}

sub connstr
{
	my ($self, $database) = @_;
	$database //= $OnlineMigrations::TestNode::DATABASE;
	return "host=$self->{folder} port=6432 dbname=$database";
}

# At once: newer versions wait for their clients when asked politely.
sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->{process}->kill_kill(grace => 0) if $self->{process};
	return;
}

1;
