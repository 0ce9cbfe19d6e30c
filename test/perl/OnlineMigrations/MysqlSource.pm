# A real MariaDB server that migrations could copy from, and that can say of
# itself what a MySQL server would: it listens on loopback, and takes TLS.
#
#   my $source = OnlineMigrations::MysqlSource->start;
#   $source->dress(gtid_mode => 'ON');   # as MySQL 8 tells its variables
#   $source->sql('CREATE DATABASE shop');
package OnlineMigrations::MysqlSource;

use strict;
use warnings;

use File::Copy qw(copy);
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils ();
use Time::HiRes qw(sleep time);

# Known to test/lib/secrets.
our $PASSWORD = 's3cr3t-source';

my $SECONDS = 60;

# undef, or what is missing.
sub missing
{
	my ($sharedir) = @_;
	return 'mysql_fdw (Debian: postgresql-NN-mysql-fdw)' unless -e "$sharedir/extension/mysql_fdw.control";
	for my $program (qw(mariadbd mariadb-install-db mariadb))
	{
		return "$program (Debian: mariadb-server-core)" unless _path($program);
	}
	return;
}

sub _path
{
	my ($program) = @_;
	return (grep { -x } map { "$_/$program" } split(/:/, $ENV{PATH}), '/usr/sbin')[0];
}

sub start
{
	my ($class, %options) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir_short();
	my $self = bless {
		data => "$folder/data", socket => "$folder/sock", log => "$folder/log",
		port => PostgreSQL::Test::Cluster::get_free_port() }, $class;
	_run(_path('mariadb-install-db'), '--no-defaults', "--datadir=$self->{data}",
		'--auth-root-authentication-method=normal', '--skip-test-db', '--innodb-log-file-size=8M');
	$self->_make_certificate;
	$self->restart(%options);
	$self->sql("CREATE USER mover\@'127.0.0.1' IDENTIFIED BY '$PASSWORD'",
		"GRANT SELECT, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO mover\@'127.0.0.1'");
	return $self;
}

sub port { my ($self) = @_; return $self->{port}; }

sub _run
{
	my (@command) = @_;
	my $result = IPC::Run::run(\@command, '<', \'', '>', \my $out, '2>', \my $err);
	die "@command: $out$err" unless $result;
	return $out;
}

sub _make_certificate
{
	my ($self) = @_;
	_run(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=source),
		'-keyout', "$self->{data}/server.key", '-out', "$self->{data}/server.crt");
	return;
}

# Stops it, if it runs, and starts it with these settings besides; ssl => 0 is
# without TLS.
sub restart
{
	my ($self, %settings) = @_;
	my $tls = delete $settings{ssl} // 1;
	my %all = (
		datadir => $self->{data}, socket => $self->{socket}, port => $self->{port}, bind_address => '127.0.0.1',
		skip_name_resolve => 1, performance_schema => 0, innodb_buffer_pool_size => '8M', innodb_log_file_size => '8M',
		log_bin => 'binlog', binlog_format => 'ROW', log_error => $self->{log},
		$tls ? (ssl_cert => "$self->{data}/server.crt", ssl_key => "$self->{data}/server.key") : (ssl => 0),
		%settings);
	my @options = map { (my $name = $_) =~ tr/_/-/; "--$name=$all{$_}" } sort keys %all;
	$self->stop;
	$self->{pid} = fork // die "cannot fork: $!\n";
	if (!$self->{pid})
	{
		open STDOUT, '>>', $self->{log} or POSIX::_exit(1);
		open STDERR, '>&', \*STDOUT or POSIX::_exit(1);
		exec _path('mariadbd'), '--no-defaults', @options or POSIX::_exit(1);
	}
	my $deadline = time + $SECONDS;
	until (eval { $self->sql('SELECT 1') })
	{
		die 'MariaDB does not start: ' . PostgreSQL::Test::Utils::slurp_file($self->{log}) if time > $deadline;
		sleep 0.1;
	}
	return;
}

sub stop
{
	my ($self) = @_;
	my $pid = delete $self->{pid} or return;
	kill 'TERM', $pid;
	waitpid $pid, 0;
	return;
}

sub DESTROY
{
	my ($self) = @_;
	local $?;
	$self->stop;
	return;
}

# As its root: what it prints, without a header.
sub sql
{
	my ($self, @statements) = @_;
	return _run(_path('mariadb'), '--no-defaults', '--skip-ssl', '-N', '-B', '-u', 'root', '-S', $self->{socket},
		'-e', join ';', @statements);
}

# Connections of the user that is migrated with.
sub guests
{
	my ($self) = @_;
	return 0 + $self->sql(q{SELECT count(*) FROM information_schema.processlist WHERE user = 'mover'});
}

# MariaDB has no performance_schema.global_variables, and lets nobody make one:
# so the files of another table are put there.  Without variables it is as
# MariaDB is.
sub dress
{
	my ($self, %variables) = @_;
	my $folder = "$self->{data}/performance_schema";
	unlink glob "$folder/global_variables.*";
	if (%variables)
	{
		$self->sql('CREATE DATABASE wardrobe',
			'CREATE TABLE wardrobe.global_variables (VARIABLE_NAME varchar(64), VARIABLE_VALUE varchar(1024)) ENGINE = MyISAM',
			(map { "INSERT INTO wardrobe.global_variables VALUES ('$_', '$variables{$_}')" } sort keys %variables),
			'FLUSH TABLES');
		copy($_, $folder) or die "cannot copy $_: $!\n" for glob "$self->{data}/wardrobe/global_variables.*";
		$self->sql('DROP DATABASE wardrobe');
	}
	$self->sql('FLUSH TABLES');
	return;
}

1;
