# Real PostgreSQL servers that migrations could copy from: they listen on
# loopback, ask for passwords there, and take TLS unless told otherwise.
#
#   my $source = OnlineMigrations::Source->start('right');
#   $source->document;                 # as the argument "source" wants it
#   $source->guests;                   # connections of the extension
package OnlineMigrations::Source;

use strict;
use warnings;

use parent -norequire, 'PostgreSQL::Test::Cluster';
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils ();

# Known to test/lib/secrets.
our $PASSWORD = 's3cr3t-source';

# start(NAME, tls => 1, conf => lines of postgresql.conf): a database "shop",
# and a role "mover" that may replicate.
sub start
{
	my ($class, @arguments) = @_;
	return $class->SUPER::start(@arguments) if ref $class;
	my ($name, %options) = @_ > 1 ? @arguments : die "a source needs a name\n";
	my $self = $class->new($name);
	$self->init(allows_streaming => 'logical', extra => [ '--encoding', 'UTF8', '--locale', 'C.UTF-8' ]);
	my $tls = ($options{tls} // 1) && $self->_make_certificate;
	$self->append_conf('postgresql.conf', join "\n", "listen_addresses = '127.0.0.1'",
		$tls ? 'ssl = on' : 'ssl = off', $options{conf} // '');
	my $hba = PostgreSQL::Test::Utils::slurp_file($self->data_dir . '/pg_hba.conf');
	open my $file, '>', $self->data_dir . '/pg_hba.conf' or die "pg_hba.conf: $!\n";
	print $file "host all trusted 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\n$hba";
	close $file;
	$self->SUPER::start();
	$self->safe_psql('postgres', qq{
		CREATE ROLE mover LOGIN REPLICATION PASSWORD '$PASSWORD';
		CREATE ROLE trusted LOGIN REPLICATION;});
	$self->safe_psql('postgres', 'CREATE DATABASE shop OWNER mover');
	return $self;
}

sub has_openssl { return system('openssl version >/dev/null 2>&1') == 0; }

sub _make_certificate
{
	my ($self) = @_;
	my $folder = $self->data_dir;
	return 0 if system(qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=source),
		'-keyout', "$folder/server.key", '-out', "$folder/server.crt") != 0;
	chmod 0600, "$folder/server.key";
	return 1;
}

# The argument "source", with these members instead, or without where undef.
sub document
{
	my ($self, %members) = @_;
	my %source = (host => '127.0.0.1', port => $self->port + 0, dbname => 'shop',
		username => 'mover', password => $PASSWORD, %members);
	delete @source{ grep { !defined $source{$_} } keys %source };
	return JSON::PP->new->canonical->encode(\%source);
}

sub guests
{
	my ($self) = @_;
	return $self->safe_psql('postgres',
		"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'online_migrations_fdw'");
}

1;
