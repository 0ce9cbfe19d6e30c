# README.md and doc/: every block of SQL is run as it is printed, in the order
# of the pages, in one psql, against the account that test/quickstart shows; and
# what psql answers is what is printed below the block, times and ids aside.
#
# The blocks of a page:
#
#   sql       is run.  A block without a language right after it is its output;
#             without one, it must not fail.
#   sh        is run if it runs psql with a file of examples/
#   python, java, js   each of its lines is one of a program in test/clients/,
#             or it is a program that its language would take
#   text      is not run; messages in it must be ones that src/ has
#   anything  else is not looked at
#
# What can't be as printed is changed by the rules below, and nothing else is.
# With OMF_ACCEPT set, the pages get what psql has answered.
use strict;
use warnings;

use IPC::Run;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use PostgreSQL::Test::Utils qw(slurp_file run_log);
use Test::More;
use Time::HiRes qw(sleep time);

my @pages = qw(README.md doc/tasks.md doc/secrets.md doc/operations.md doc/clients.md doc/reference.md
	doc/internals.md);
my $PATIENCE = 60;
my $files = PostgreSQL::Test::Utils::tempdir();

# ----- rules -----

# Text of a block, and what stands for it here.
my @instead = (
	[ qr{/etc/postgresql/(?=[a-z]+\.(?:token|json))}, "$files/" ],
	[ qr{`cat (?=source\.json`)}, "`cat $files/" ],
	# A test has no time for ten seconds, and none at all for ever.
	[ qr{\\watch \d+}, '\g' ],
	[ qr{CALL databases\.databases_wait_online_migration\([^;]*\K\);}, ", poll_interval => '1 s');" ],
);

# A block that contains this, and what happens before it.
my @before = (
	[ qr{\\gset}, sub { $_[0]->config(running_ms => 1500, syncing_ms => 3000) } ],
	[ qr{databases_update_online_migration(?!.*\\gset)}s, sub { $_[0]->config(running_ms => 600_000) } ],
);

# A block is left out where this is so.
my $psql_version = `psql --version` =~ /(\d+)/ ? $1 : 0;
my $shared = `$ENV{PG_CONFIG} --sharedir`;
chomp $shared;
my $has_cron = -e "$shared/extension/pg_cron.control";
my @without = (
	[ qr{examples/compare\.sql}, 'it has a test of its own, with two servers', 1 ],
	[ qr{\\bind\b}, 'a psql before 16', $psql_version < 16 ],
	[ qr{\bcron\.|pg_cron|migration_jobs|examples/}, 'no pg_cron', !$has_cron ],
	[ qr{^LISTEN }m, 'no pg_cron', !$has_cron ],
);

# ----- pages -----

# A list of hashes: page, line, language, code, and of SQL output, if there is
# any, with where that is in the page's text.
sub blocks_of
{
	my ($page, $text) = @_;
	my @blocks;
	while ($text =~ /^ *```(\w*)\n(.*?)^ *```\n/msg)
	{
		my ($language, $code, $start) = ($1, $2, $-[0]);
		my %place = (at => $-[2], length => length $code);
		if ($language eq '' && @blocks && substr($text, $blocks[-1]{end}, $start - $blocks[-1]{end}) =~ /^\s*\z/)
		{
			@{ $blocks[-1] }{qw(output at length end)} = ($code, @place{qw(at length)}, pos $text);
			next;
		}
		push @blocks, { page => $page, language => $language, code => $code, end => pos $text,
			line => 1 + (substr($text, 0, $start) =~ tr/\n//) };
	}
	return @blocks;
}

# Times, durations and ids aside, and how wide and long columns and rules are.
# From PostgreSQL 18 on EXPLAIN shows more.
sub comparable
{
	my ($text) = @_;
	my %known = map { $_ => 1 } known_ids();
	$text =~ s/\b([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\b/$known{$1} ? $1 : 'ID'/ge;
	$text =~ s/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?\+00/TIME/g unless $text =~ /2026-11-(?:18|19|20)/;
	$text =~ s/\d\d:\d\d:\d\d(?:\.\d+)?(?!\S)/TIME/g;
	$text =~ s/\b\d+ s\b/N s/g;
	$text =~ s/(5000 \| +)\d+/$1 N/g;
	$text =~ s/Tried \d+ times/Tried N times/g;
	$text =~ s/rows=(\d+)\.00\b/rows=$1/g;
	$text =~ s/^\s*(?:Buffers|Index Searches|Planning):.*\n(?:   +Buffers:.*\n)?//mg;
	$text =~ s/^\(\d+ rows?\)\n//m if $text =~ /QUERY PLAN/;
	$text =~ s/-{3,}/---/g;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/ +$//mg;
	$text =~ s/^ +//mg;
	$text =~ s/\n+\z/\n/;
	return $text;
}

# Those of the account; any other id was made while the test ran.
my @account;

sub known_ids
{
	@account = slurp_file("$ENV{OMF_TREE}/test/quickstart-sql/account") =~ /'([0-9a-f]{8}-[0-9a-f-]{27})'/g
	  unless @account;
	return @account;
}

# ----- psql -----

my ($psql, $in, $out, $number);

sub open_psql
{
	my ($node) = @_;
	local $ENV{OLD_DB_PASSWORD} = 's3cr3t-of-documents';
	($in, $out, $number) = ('', '', 0);
	$psql = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('digitalocean'), '-f', '-' ],
		'<', \$in, '>&', \$out);
	return;
}

# Returns what it prints, errors and all.
sub run_in_psql
{
	my ($sql) = @_;
	my $mark = 'end-of-block-' . ++$number;
	my $started = time;
	$out = '';
	$in .= "$sql\n\\echo $mark\n";
	until ($out =~ /^$mark\n/m)
	{
		die "this did not end:\n$sql\n$out\n" if time - $started > $PATIENCE;
		die "psql ended:\n$sql\n$out\n" unless $psql->pumpable;
		$psql->pump_nb;
		sleep(0.002);
	}
	$out =~ s/^$mark\n.*//ms;
	# As at a terminal, where no file is read.
	return $out =~ s/^psql:<stdin>:\d+: //mgr;
}

# ----- the node -----

my $simulator = OnlineMigrations::Simulator->start;
$ENV{OMF_SIMULATOR} = $simulator->http;
system($^X, "$ENV{OMF_TREE}/test/quickstart-sql/account") == 0 or die "no account\n";

my $node = OnlineMigrations::TestNode->start('documents', simulator => $simulator, setup => 'none',
	log_level => 'notice', conf => "timezone = 'UTC'\nlog_statement = none\nlog_min_error_statement = panic"
	  . ($has_cron ? "\nshared_preload_libraries = 'online_migrations_fdw, pg_cron'
		cron.database_name = 'digitalocean'\ncron.use_background_workers = on"
		: "\nshared_preload_libraries = 'online_migrations_fdw'"));
{
	local $ENV{OMF_HTTPS} = $simulator->https;
	local $ENV{OMF_CA_FILE} = $simulator->ca_file;
	my $file = "$ENV{OMF_TREE}/test/quickstart-sql/simulator-only.sql";
	system('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('digitalocean'), '-f', $file) == 0
	  or die "no servers that keep to the simulator\n";
}
PostgreSQL::Test::Utils::append_to_file("$files/digitalocean.token", "dop_v1_...\n");
PostgreSQL::Test::Utils::append_to_file("$files/source.json",
	'{"host": "src.example.com", "port": 25060, "username": "doadmin", "password": "s3cr3t-of-file"}');
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
chdir $ENV{OMF_TREE} or die "no tree: $!\n";

# ----- the blocks -----

# Blocks whose output could be another one.
my @deaf;

sub reason_to_leave_out
{
	my ($code) = @_;
	for my $rule (@without)
	{
		return $rule->[1] if $rule->[2] && $code =~ $rule->[0];
	}
	return;
}

sub as_run
{
	my ($code) = @_;
	for my $rule (@instead)
	{
		my ($pattern, $text) = @$rule;
		$code =~ s/$pattern/$text/g;
	}
	return $code;
}

sub try_sql
{
	my ($block, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	$_->[1]->($simulator) for grep { $block->{code} =~ $_->[0] } @before;
	my $got = run_in_psql(as_run($block->{code}));
	$block->{got} = $got;
	if (!defined $block->{output})
	{
		unlike($got, qr/^(?:ERROR|FATAL|PANIC|invalid command|\\\w+:)/m, "$name runs");
		return;
	}
	is(comparable($got), comparable($block->{output}), "$name prints what is below it");
	push @deaf, $name if comparable(changed($block->{output})) eq comparable($block->{output});
	return;
}

# One value or word of it is another one: would the comparison notice?
sub changed
{
	my ($output) = @_;
	return $output =~ s/\b(?:running|syncing|done|billing|wiki|shop|ok|started|failed|t|f|GET|CALL|ERROR|5000)\b/else/r;
}

sub try_shell
{
	my ($block, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $result = IPC::Run::run([ 'sh', '-c', $block->{code} ], '>&', \my $output);
	ok($result, "$name runs") or diag($output);
	return;
}

# Without its language here, only what is in test/clients/ can be judged.
sub try_program
{
	my ($block, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my $programs = join "\n", map { slurp_file($_) } glob('test/clients/*.{py,java,mjs}');
	my %lines = map { s/^\s+//r => 1 } split /\n/, $programs;
	my @others = grep { $_ ne '' && !$lines{$_} } map { s/^\s+//r } split /\n/, $block->{code};
	my @check = ('/usr/bin/python3', '-c', 'import sys; compile(sys.stdin.read(), "block", "exec")');
	my $taken = @others && $block->{language} eq 'python' && -x $check[0]
	  && IPC::Run::run(\@check, '<', \$block->{code}, '>&', \my $output);
	return skip("$name: no python3", 1) if @others && $block->{language} eq 'python' && !-x $check[0];
	ok(!@others || $taken, "$name is of a program in test/clients/, or could be one") or diag(@others);
	return;
}

# What can't be had with a simulator and a moment's time: at least the words
# must be ours.
sub try_text
{
	my ($block, $name) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	for my $message ($block->{code} =~ /^(?:LOG|ERROR|NOTICE|WARNING|HINT):  (.*)$/mg)
	{
		ok(scalar(grep { $message =~ $_ } our_words()), "$name: src/ says: $message");
	}
	return;
}

# The longer strings in src/, as patterns.
my @words;

sub our_words
{
	return @words if @words;
	for my $source (map { slurp_file($_) } glob('src/*/*.c'))
	{
		for my $string ($source =~ /((?:"(?:[^"\\\n]|\\.)*"\s*)+)/g)
		{
			my $text = join '', $string =~ /"((?:[^"\\]|\\.)*)"/g;
			$text =~ s/\\"/"/g;
			next if ($text =~ s/%[-.\d]*(?:ll?|z)?[a-zA-Z%]//gr) !~ /\w.{14}/;
			my $pattern = join '.*', map { quotemeta } split /%[-.\d]*(?:ll?|z)?[a-zA-Z]|" [A-Z0-9_]+ "/, $text, -1;
			push @words, qr/^$pattern/;
		}
	}
	return @words;
}

sub try_block
{
	my ($block) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($language, $code) = @$block{qw(language code)};
	my $name = "$block->{page}:$block->{line}";
	if ($language eq '') { fail("$name: output of nothing"); return; }
	return try_text($block, $name) if $language eq 'text';
	return try_program($block, $name) if $language =~ /^(?:python|java|js)$/;
	return unless $language eq 'sql' || $language eq 'sh' && $code =~ m{psql .*examples/}s;
	if (my $reason = reason_to_leave_out($code))
	{
	  SKIP: { skip "$name: $reason", 1; }
		return;
	}
	$language eq 'sql' ? try_sql($block, $name) : try_shell($block, $name);
	return;
}

# From the end, so that the places before stay where they are.
sub accept_output
{
	my ($page, $text, @blocks) = @_;
	for my $block (reverse grep { defined $_->{got} && defined $_->{output} } @blocks)
	{
		next if comparable($block->{got}) eq comparable($block->{output});
		(my $got = $block->{got}) =~ s/\n+\z/\n/;
		$got =~ s/ +$//mg;
		substr($text, $block->{at}, $block->{length}) = $got;
	}
	open my $file, '>', $page or die "cannot write $page: $!\n";
	print $file $text;
	close $file or die "cannot write $page: $!\n";
	return;
}

open_psql($node);
for my $page (@pages)
{
	my $text = slurp_file($page);
	my @blocks = blocks_of($page, $text);
	try_block($_) for @blocks;
	accept_output($page, $text, @blocks) if $ENV{OMF_ACCEPT};
}
is("@deaf", '', 'an output with another word in it is noticed');

# ----- what there is, and is not told -----

sub named_in
{
	my ($pattern, @sources) = @_;
	return map { slurp_file($_) =~ /$pattern/g } @sources;
}

my $manual = join '', map { slurp_file($_) } glob('doc/*.md');
my %told = (
	option => [ named_in(qr/^\t\{"([a-z_]+)", \w+RelationId/m, 'src/session/options.c') ],
	'function or view' => [ grep { !/_(?:handler|validator)$/ }
		  named_in(qr/^CREATE (?:FUNCTION|PROCEDURE|VIEW) ([a-z_]+)/m, glob('online_migrations_fdw--*.sql')) ],
	setting => [ named_in(qr/Define\w+Variable\("([^"]+)"/, glob('src/*/*.c')) ],
	'wait event' => [ named_in(qr/"(OnlineMigrations(?!Prefetch)[A-Za-z]+)"/, glob('src/*/*.c')) ],
	field => [ named_in(qr/^\t\{"([a-z_]+)", "[a-z\[\]]+", \{/m, 'src/client/resource.c') ],
	example => [ map { m{([^/]+)$} } glob('examples/*') ],
);
for my $kind (sort keys %told)
{
	my @names = @{ $told{$kind} };
	my @missing = grep { $manual !~ /\b\Q$_\E\b/ } @names;
	ok(@names > 2 && !@missing, "each $kind is in doc/") or diag(join ', ', scalar @names, @missing);
}

# ----- no server leads out of here -----

run_in_psql("ALTER SERVER digitalocean OPTIONS (DROP endpoint); ALTER SERVER staging OPTIONS (SET endpoint 'https://api.digitalocean.com');");
is(run_in_psql("\\pset tuples_only on\n\\pset format unaligned\nSELECT count(*) > 2, bool_and(option_value IS NOT DISTINCT FROM '" . $simulator->https . "')
	FROM pg_foreign_server AS s JOIN pg_foreign_data_wrapper AS w ON w.oid = s.srvfdw
	LEFT JOIN LATERAL pg_options_to_table(srvoptions) ON option_name = 'endpoint'
	WHERE fdwname = 'online_migrations_fdw';") =~ s/.*\.\n//sr, "t|t\n", 'all servers go to the simulator, whatever is made or changed');
$in .= "\\q\n";
$psql->finish;
$node->stop;

done_testing();
