# The rows of databases_check_online_migration(), as a list of hashes.
package OnlineMigrations::CheckRows;
use strict;
use warnings;

use Exporter qw(import);
use JSON::PP;
use Test::More;

our @EXPORT = qw(check_rows flaws row row_like);

# What the call returns; further arguments go to run_sql(), what is to be run
# before it in "before".
sub check_rows
{
	my ($node, $call, %how) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $before = delete $how{before} // '';
	my $result = $node->run_sql("${before}SELECT coalesce(json_agg(c), '[]') FROM $call AS c", %how);
	is($result->{sqlstate}, '', 'the check runs') or diag($result->{err});
	unlike($result->{out}, qr/s3cr3t/, 'and shows no password');
	return @{ decode_json($result->{out} || '[]') };
}

# The results that are not "ok", by check.
sub flaws { return { map { $_->{check} => $_->{result} } grep { $_->{result} ne 'ok' } @_ }; }

# The first row of that check; an empty one if there is none.
sub row { my ($name, @rows) = @_; return (grep { $_->{check} eq $name } @rows)[0] // { map { $_ => '' } qw(check result detail hint) }; }

sub row_like
{
	my ($name, $result, $pattern, $title, @rows) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $row = row($name, @rows);
	ok($row->{result} eq $result && $row->{detail} =~ $pattern, $title)
	  or diag(JSON::PP->new->pretty->encode(\@rows));
	return $row;
}

1;
