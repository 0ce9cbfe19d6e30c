# The build as others use it: what is missing stops make by name, and "make
# installcheck" runs the tests of sql/ on a server that has the extension, and
# removes what they have made, but nothing of the user's own.
use strict;
use warnings;

use IPC::Run;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils;
use Test::More;

chdir $ENV{OMF_TREE} or die "no tree: $!\n";
delete @ENV{qw(MAKEFLAGS MAKELEVEL)};

# Returns whether it succeeds, and what it prints.
sub run_make
{
	my (@arguments) = @_;
	my $good = IPC::Run::run([ 'make', @arguments ], '>&', \my $output);
	return ($good, $output);
}

sub lacks_ok
{
	my ($name, $pattern, @arguments) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($good, $output) = run_make('-n', "PG_CONFIG=$ENV{PG_CONFIG}", @arguments);
	ok(!$good && $output =~ $pattern, "$name stops the build by name") or diag($output);
	return;
}

# A pkg-config that says so of one library.
sub pkg_config_with
{
	my ($library, $version) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . '/pkg-config';
	PostgreSQL::Test::Utils::append_to_file($script, <<"END");
#!/bin/sh
case "\$*" in
	'--atleast-version='*' $library') exit 1 ;;
	'--modversion $library') echo $version ;;
	*) exec pkg-config "\$@" ;;
esac
END
	chmod 0755, $script or die "$script: $!\n";
	return "PKG_CONFIG=$script";
}

# A pg_config that answers one question otherwise.
sub pg_config_with
{
	my ($question, $answer) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir() . '/pg_config';
	PostgreSQL::Test::Utils::append_to_file($script, <<"END");
#!/bin/sh
[ "\$1" = '$question' ] && echo '$answer' && exit
exec '$ENV{PG_CONFIG}' "\$@"
END
	chmod 0755, $script or die "$script: $!\n";
	return $script;
}

# ----- what is missing -----

lacks_ok('no pg_config', qr{no /nowhere/pg_config: .*postgresql-server-dev}, 'PG_CONFIG=/nowhere/pg_config');
lacks_ok('no pg_config on PATH', qr{no pg_config.of.nobody on PATH: }, 'PG_CONFIG=pg_config.of.nobody');
lacks_ok('what is no pg_config', qr{^  false does not tell a version.*\n(?!  )}m, 'PG_CONFIG=false');
lacks_ok('a folder', qr{^  /tmp does not tell a version.*\n(?!  )}m, 'PG_CONFIG=/tmp');
lacks_ok('a PostgreSQL that is too old', qr{is of PostgreSQL 14\.9: PostgreSQL 15 or later},
	'PG_CONFIG=' . pg_config_with('--version', 'PostgreSQL 14.9'));
lacks_ok('a PostgreSQL without headers', qr{without its server headers},
	'PG_CONFIG=' . pg_config_with('--includedir-server', '/nowhere'));
lacks_ok('another folder', qr{built where its sources are}, '-C', '/', '-f', "$ENV{OMF_TREE}/Makefile");
lacks_ok('no pkg-config', qr{no /nowhere/pkg-config}, 'PKG_CONFIG=/nowhere/pkg-config');
lacks_ok('no library', qr{no libcurl}, 'PKG_CONFIG=false');
lacks_ok('no compiler', qr{no C compiler named /nowhere/cc}, 'CC=/nowhere/cc');
lacks_ok('an old libcurl', qr{libcurl is 7\.68\.0: 7\.81\.0 or later}, pkg_config_with('libcurl', '7.68.0'));

my ($good, $output) = run_make('-n', 'test', 'PG_CONFIG=/nowhere/pg_config');
like($output, qr{^test/run$}m, 'make test goes to test/run, which finds what it needs') or diag($output);
($good, $output) = run_make('-n', 'unit-build', 'PG_CONFIG=/nowhere/pg_config');
ok($good, 'the unit tests need no PostgreSQL') or diag($output);

# ----- make clean -----

# In a copy, for others use the tree.
my $copy = PostgreSQL::Test::Utils::tempdir() . '/a tree';
system('cp', '-r', $ENV{OMF_TREE}, $copy) == 0 or die "no copy of the tree\n";

sub built
{
	return grep { -e } map { glob "'$copy'/$_" } '*.so', 'src/*.[od]', 'src/*/*.[od]', 'src/*/*.bc';
}

ok(built() > 100, 'the extension is built');
($good, $output) = run_make('-C', $copy, 'clean', 'PG_CONFIG=/nowhere/pg_config');
ok($good && !built(), 'make clean needs no PostgreSQL to remove it') or diag($output, join ' ', built());
($good, $output) = run_make('-C', $copy, '-s', '-j4', 'with_llvm=no', "PG_CONFIG=$ENV{PG_CONFIG}");
ok($good && built() > 100, 'and it is built again, by several jobs, in a folder with a space') or diag($output);

# ----- make installcheck -----

my $node = OnlineMigrations::TestNode->start('installcheck', setup => 'none', log_level => 'warning');
# The expected outputs name the superuser.
$node->safe_psql('postgres', q{SELECT 'CREATE ROLE postgres SUPERUSER LOGIN' WHERE current_user <> 'postgres' \gexec});
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
my @installcheck = ('-s', 'installcheck', "PG_CONFIG=$ENV{PG_CONFIG}", 'INSTALLCHECK=import');

($good, $output) = run_make(@installcheck);
ok(!$good && $output =~ /has a database digitalocean/, "a user's database is left alone") or diag($output);
$node->safe_psql('postgres', 'DROP DATABASE digitalocean; CREATE ROLE omf_of_a_user');
($good, $output) = run_make(@installcheck);
ok(!$good && $output =~ /has roles named omf_/, "a user's role is left alone") or diag($output);
$node->safe_psql('postgres', 'DROP ROLE omf_of_a_user');

for my $time ('', ' a second time')
{
	($good, $output) = run_make(@installcheck);
	ok($good && $output =~ /\bimport\b/ && $output =~ /\b2 tests passed|All 2 tests passed/, "make installcheck passes$time")
	  or diag($output);
}
if ($ENV{OMF_TEST_ALL})
{
	($good, $output) = run_make(@installcheck, 'INSTALLCHECK=');
	ok($good, 'make installcheck passes with all tests') or diag($output);
}
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_database WHERE datname = 'digitalocean'}),
	0, 'it leaves nothing');

# A wrong expectation fails it.
PostgreSQL::Test::Utils::append_to_file('expected/import.out', "nothing prints this\n");
($good, $output) = run_make(@installcheck);
ok(!$good, 'make installcheck fails where a test does') or diag($output);

$node->stop;
done_testing();
