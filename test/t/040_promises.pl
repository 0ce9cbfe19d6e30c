# Promises of the documents that no other suite would miss: what is promised
# stands before each.
use strict;
use warnings;

use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils qw(append_to_file);
use Test::More;

my $cluster = '00000000-0000-4000-8000-000000000001';
my $simulator = OnlineMigrations::Simulator->start;
$simulator->cluster($cluster, engine => 'pg');
$simulator->migration($cluster, 'running', 'some-id');

# An OpenSSL that would take what is older than TLS 1.2, as some systems' do:
# Debian's own refuses it, so that nobody would notice who asks for it.
my $folder = PostgreSQL::Test::Utils::tempdir();
append_to_file("$folder/openssl.cnf", <<'TEXT');
openssl_conf = init
[init]
ssl_conf = ssl
[ssl]
system_default = lax
[lax]
MinProtocol = TLSv1
CipherString = DEFAULT@SECLEVEL=0
TEXT
my $node = do {
	local $ENV{OPENSSL_CONF} = "$folder/openssl.cnf";
	OnlineMigrations::TestNode->start('promises', simulator => $simulator,
		conf => "log_statement = none\nlog_error_verbosity = verbose\nlog_min_error_statement = error\nlog_parameter_max_length_on_error = -1",
		server_options => { max_retries => 0 });
};

sub status_at
{
	my ($schema) = @_;
	return "SELECT status FROM $schema.online_migrations WHERE database_cluster_uuid = '$cluster'";
}

my $status = status_at('databases');

# ----- on the network -----

# HTTPS with TLS 1.2 or later.
$node->add_server('old_tls', endpoint => $simulator->url('https_tls11'),
	ca_file => $simulator->ca_file, max_retries => 0);
$node->add_server('new_tls', endpoint => $simulator->https,
	ca_file => $simulator->ca_file, max_retries => 0);
$node->psql_ok(status_at('new_tls'), 'running', 'TLS 1.2 or later will do');
$node->requests_ok({}, sub {
		$node->psql_fails(status_at('old_tls'), 'HV00N', undef, 'TLS 1.1 will not') },
	'TLS 1.1: nothing is sent');

done_testing();
