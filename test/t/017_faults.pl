# Every fault of a table, in every kind of statement, over HTTP/1.1 and HTTP/2,
# on new and on kept connections: what the user gets, how often the API was
# asked, that a start was not sent twice, and that the backend works on, with
# no descriptor left open.  OnlineMigrations::Faults has the table.
#
# A cell is one fault in one statement.  Each has a cluster of its own, by which
# the simulator knows it.  All faults are set at first; the cells of a kind go
# into one script, in one session, and the scripts run side by side.
use strict;
use warnings;

use IPC::Run;
use OnlineMigrations::Faults;
use OnlineMigrations::Session;
use OnlineMigrations::Simulator;
use OnlineMigrations::TestNode;
use OnlineMigrations::Waiting;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

# What goes wrong for good is tried twice, and once more on a kept connection.
my $MAX_RETRIES = 1;

my $folder = PostgreSQL::Test::Utils::tempdir();
my $simulator = OnlineMigrations::Simulator->start;
my $narrow = OnlineMigrations::Simulator->start;
for ($simulator, $narrow)
{
	$_->token($OnlineMigrations::TestNode::TOKEN, limit => 10_000_000);
	$_->config(max_streams => 1) if $_ == $narrow;
}

# libcurl before 7.87 waits for the end of a name look-up, whatever happens.
my ($major, $minor) = `pkg-config --modversion libcurl` =~ /^(\d+)\.(\d+)/;
my $quick_exit = $major > 7 || $minor >= 87;

my $deaf = OnlineMigrations::Waiting::deaf_listener();
my $resolver = build_resolver();
my $node = start_node();

# With few descriptors, so that none may be counted as open once it is not.
sub start_node
{
	local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, $resolver;
	return OnlineMigrations::TestNode->start('faults', simulator => $simulator,
		log_level => 'warning', conf => "max_files_per_process = 150\n");
}

# Name look-ups of our own making, or undef where they can't be had.
sub build_resolver
{
	my $library = "$folder/resolver.so";
	my $probe = 'my ($error) = Socket::getaddrinfo(q(late.simulator.test)); exit($error ? 1 : 0)';
	system("cc -shared -fPIC -o $library $ENV{OMF_TREE}/test/t/resolver.c -ldl 2>$folder/cc.log") == 0 or return;
	local $ENV{LD_PRELOAD} = join ' ', grep { defined } $ENV{LD_PRELOAD}, $library;
	return system($^X, '-MSocket', '-e', $probe) == 0 ? $library : undef;
}

# ----- servers -----

sub with_scheme { my ($scheme, $url) = @_; return $url =~ s/^\w+:/$scheme:/r; }

# Sound ones, whose statements meet a fault of the simulator's.
my @ca = (ca_file => $simulator->ca_file);
my %overs = (
	http => [ endpoint => $simulator->http ],
	h2 => [ endpoint => $simulator->https, @ca ],
	tls1 => [ endpoint => $simulator->url('https_h1'), @ca ],
	narrow => [ endpoint => $narrow->https, ca_file => $narrow->ca_file ]);
$overs{endpoint} = $overs{h2};
my %variants = (
	sound => [],
	hasty => [ request_timeout => '700ms' ],
	patient => [ max_retry_wait => '10s' ]);

# And those that are wrong themselves.
my ($port) = $simulator->https =~ /:(\d+)$/;
my $deaf_first = eval { OnlineMigrations::Waiting::deaf_listener('127.0.0.3', $port) };
my %endpoints = (
	expired => [ endpoint => $simulator->url('https_expired'), @ca ],
	selfsigned => [ endpoint => $simulator->url('https_selfsigned'), @ca ],
	wronghost => [ endpoint => $simulator->url('https_wronghost'), @ca ],
	tls11 => [ endpoint => $simulator->url('https_tls11'), @ca ],
	unknown_ca => [ endpoint => $simulator->https ],
	no_ca_file => [ endpoint => $simulator->https, ca_file => '/nowhere/ca.pem' ],
	https_to_http => [ endpoint => with_scheme('https', $simulator->http), @ca ],
	http_to_https => [ endpoint => with_scheme('http', $simulator->https) ],
	refused => [ endpoint => $simulator->url('refused') ],
	deaf => [ endpoint => $deaf->{url}, connect_timeout => '500ms' ],
	hangup => [ endpoint => $simulator->url('hangup'), @ca ],
	blackhole => [ endpoint => $simulator->url('blackhole'), connect_timeout => '500ms', @ca ],
	(map { $_ => [ endpoint => "https://$_.simulator.test:$port", @ca ] } qw(nowhere unsure dead deadfirst late)),
	slow => [ endpoint => "https://slow.simulator.test:$port", connect_timeout => '500ms', @ca ],
	deaffirst => [ endpoint => "https://deaffirst.simulator.test:$port", connect_timeout => '2s', @ca ]);

# Each script has servers of its own, that it alters to get new connections.
my @created;

sub add_server
{
	my ($name, %options) = @_;
	push @created, $node->server_sql($name, max_retries => $MAX_RETRIES, max_retry_wait => '20ms', %options);
	return;
}

# ----- cells -----

# What each kind of statement is: the column of the table that says what is
# expected, the request that meets the fault, and the row when all is well.
my $good = 'some-id|2020-10-29 15:57:38|syncing';
my %kinds = (
	one => { column => 'read', method => 'GET', ok => $good },
	many => { column => 'read', method => 'GET', ok => "10:$good" },
	list => { column => 'list', method => 'LIST', ok => 'only' },
	start => { column => 'start', method => 'PUT', ok => qr/^[\w-]+\|running$/ },
	stop => { column => 'stop', method => 'DELETE', ok => 't' },
	stopped => { column => 'stopped', method => 'DELETE', ok => 't' });

my @others = map { sprintf 'fa017000-0000-4000-9000-%012d', $_ } 1 .. 9;
my (@cells, %scripts);

sub sql_of
{
	my ($cell) = @_;
	my ($uuid, $schema) = @$cell{qw(uuid schema)};
	my $fields = "id, created_at AT TIME ZONE 'UTC', status";
	my $keys = join ', ', map { "'$_'" } @others[ 0 .. 3 ], $uuid, @others[ 4 .. 8 ];
	return {
		one => "SELECT $fields FROM $schema.online_migrations WHERE database_cluster_uuid = '$uuid'",
		many => "SELECT count(*) || ':' || coalesce(string_agg(concat(id, '|', created_at AT TIME ZONE 'UTC', '|', status), '')
			FILTER (WHERE database_cluster_uuid = '$uuid'), '')
			FROM $schema.online_migrations WHERE database_cluster_uuid IN ($keys)",
		list => "SELECT name FROM $schema.clusters WHERE tags @> ARRAY['$cell->{tag}']",
		start => "SELECT id, status FROM databases.databases_update_online_migration('$uuid',
			'{\"host\": \"src.example.com\", \"port\": 25060}', replace => true, server => '$schema')",
		stop => "SELECT databases.databases_delete_online_migration('$uuid', 'some-id', server => '$schema')",
	}->{ $cell->{kind} =~ s/^stopped$/stop/r };
}

sub add_cell
{
	my ($row, $kind, $over, %more) = @_;
	my $expected = $row->{ $kinds{$kind}{column} };
	return if !defined $expected;
	return if ($row->{resolver} && !$resolver) || ($row->{lingers} && !$quick_exit);
	my $cell = { row => $row, kind => $kind, over => $over, number => scalar @cells, %more };
	my $schema = join '_', $over, $kind, $row->{at} // $row->{server} // 'sound';
	@$cell{qw(expected again unknown)} = $expected =~ /^(.*?)(\+?)(\??)$/s;
	@$cell{qw(uuid tag schema)} = (sprintf('fa017000-0000-4000-8000-%012d', $cell->{number}), "cell$cell->{number}", $schema);
	push @cells, $cell;
	push @{ $scripts{"${over}_$kind"} }, $cell;
	return;
}

# Once or forever, on a new or a kept connection: all four where tries count,
# and do not wait for a timeout.
sub ways_of
{
	my ($row, $kind) = @_;
	my $expected = $row->{ $kinds{$kind}{column} } // return;
	my @ways = ([ 'once', 0 ], [ 'forever', 1 ]);
	push @ways, [ 'once', 1 ], [ 'forever', 0 ] if $expected =~ /\+/ && ($row->{server} // '') ne 'hasty';
	return grep { $_->[0] eq ($row->{times} // $_->[0]) } @ways;
}

sub add_cells
{
	my ($over, @wanted) = @_;
	my $protocol = { http => 'http', tls1 => 'http' }->{$over} // 'h2';
	for my $row (grep { !$_->{at} && ($_->{over} // $protocol) eq $protocol } OnlineMigrations::Faults::rows())
	{
		for my $kind (@wanted)
		{
			add_cell($row, $kind, $over, times => $_->[0], warm => $_->[1]) for ways_of($row, $kind);
		}
	}
	return;
}

my @all = qw(one many list start stop stopped);
add_cells('http', @all);
add_cells('h2', @all);
add_cells('tls1', qw(one start));
add_cells('narrow', 'many');
for my $row (grep { $_->{at} } OnlineMigrations::Faults::rows())
{
	next if $row->{at} eq 'deaffirst' && !$deaf_first;
	add_cell($row, $_, 'endpoint', times => 'forever', warm => 0) for grep { $_ ne 'stopped' } @all;
}

sub simulator_of { my ($cell) = @_; return $cell->{over} eq 'narrow' ? $narrow : $simulator; }

for my $script (keys %scripts)
{
	my ($over) = split /_/, $script;
	my %used = ("${script}_sound" => 1, map { $_->{schema} => 1 } @{ $scripts{$script} });
	for my $schema (sort keys %used)
	{
		my ($which) = $schema =~ /^${script}_(.*)/;
		add_server($schema, $endpoints{$which} ? @{ $endpoints{$which} } : (@{ $overs{$over} }, @{ $variants{$which} }));
	}
}
$node->safe_psql('digitalocean', join '', @created);

# A cluster and a fault for each.
for my $one ($simulator, $narrow)
{
	my @mine = grep { simulator_of($_) == $one } @cells;
	my %migration = (status => 'syncing', id => 'some-id', created_at => '2020-10-29T15:57:38Z');
	$one->clusters_all((map { { uuid => $_->{uuid}, name => 'only', tags => [ $_->{tag} ], migration => \%migration } } @mine),
		map { { uuid => $_, migration => \%migration } } @others);
	$one->faults_all(map { fault_of($_) } grep { $_->{row}{fault} } @mine);
}

sub fault_of
{
	my ($cell) = @_;
	my $method = $kinds{ $cell->{kind} }{method};
	my ($fault, @parameters) = @{ $cell->{row}{fault} };
	return { fault => $fault, method => $method, @parameters,
		($method eq 'LIST' ? (tag => $cell->{tag}) : (uuid => $cell->{uuid})),
		($cell->{times} eq 'once' ? (times => 1) : ()),
		($cell->{kind} eq 'stopped' ? (apply => 'true') : ()) };
}

# ----- scripts -----

# What a statement must see when nothing is wrong.
sub check_of
{
	my ($schema) = @_;
	return "SELECT pg_backend_pid(), status FROM $schema.online_migrations
		WHERE database_cluster_uuid = '$others[0]'";
}

# An altered server's connections are new ones.
sub cold { my ($schema) = @_; return "ALTER SERVER $schema OPTIONS (SET max_retries '$MAX_RETRIES');\n"; }

# A rate limit concerns all that has the same token.
sub limited_token { my ($cell) = @_; return "dop_v1_cell$cell->{number}"; }

sub token_of
{
	my ($schema, $token) = @_;
	return "ALTER USER MAPPING FOR CURRENT_USER SERVER $schema OPTIONS (SET token '$token');\n";
}

for my $cell (grep { $_->{row}{limits} } @cells)
{
	simulator_of($cell)->token(limited_token($cell),
		account => $OnlineMigrations::TestNode::TOKEN, limit => 10_000_000);
}

# What psql prints of it stands behind the mark.
sub marked { my ($mark, $sql) = @_; return "\\echo \@$mark\n\\warn \@$mark\n$sql;\n"; }

# The descriptors that are no files, and kilobytes of memory, with new
# connections to each server.
sub resources_of
{
	my ($mark, @schemas) = @_;
	return join '', (map { cold($_) } @schemas), (map { marked("$mark.$_", check_of($_)) } @schemas),
	  "COPY resources FROM PROGRAM 'readlink /proc/\$PPID/fd/* | sed -n -e ''s/^socket:.*/socket/p'' -e ''s/^anon_inode:.*/poll/p'' | sort';\n",
	  marked($mark, "SELECT string_agg(what, ' ') FROM resources"), "TRUNCATE resources;\n",
	  "COPY resources FROM PROGRAM 'awk ''/^RssAnon/ { print \$2 }'' /proc/\$PPID/status';\n",
	  marked("$mark.memory", 'SELECT what FROM resources'), "TRUNCATE resources;\n";
}

sub script_of
{
	my ($name) = @_;
	my @mine = @{ $scripts{$name} };
	my %schemas = ("${name}_sound" => 1, map { $_->{row}{at} ? () : ($_->{schema} => 1) } @mine);
	my $script = "SET statement_timeout = '30s';\nCREATE TEMP TABLE resources (what text);\n" . resources_of('first', sort keys %schemas);
	my $last = resources_of('last', sort keys %schemas);
	for my $cell (@mine)
	{
		$script .= $last if $cell->{row}{lingers};
		$last = '' if $cell->{row}{lingers};
		$script .= token_of($cell->{schema}, limited_token($cell)) if $cell->{row}{limits};
		$script .= $cell->{warm} ? marked("$cell->{number}.before", check_of($cell->{schema})) : cold($cell->{schema});
		$script .= "\\timing on\n" . marked($cell->{number}, sql_of($cell)) . "\\timing off\n";
		$script .= cold($cell->{schema}) if $cell->{row}{at};
		$script .= token_of($cell->{schema}, $OnlineMigrations::TestNode::TOKEN) if $cell->{row}{limits};
		$script .= marked("$cell->{number}.next", check_of("${name}_sound"));
	}
	return $script . $last;
}

sub run_script
{
	my ($name) = @_;
	append_to_file("$folder/$name.sql", script_of($name));
	return IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('digitalocean'), '-f', "$folder/$name.sql" ],
		'<', \undef, '>', "$folder/$name.out", '2>', "$folder/$name.err",
		IPC::Run::timeout(240));
}

# By mark: what psql printed behind it.
sub parse_output
{
	my ($file) = @_;
	my (undef, %printed) = split /^@(\S+)\n/m, slurp_file($file), -1;
	s/\n\z// for values %printed;
	return \%printed;
}

my @running = map { run_script($_) } sort keys %scripts;
$_->finish for @running;
my %asked;
for my $one ($simulator, $narrow)
{
	for my $line (split /\n/, $one->log_text)
	{
		$asked{"$1 $2"}++ if $line =~ /^(\w+) .*(fa017000-0000-4000-8000-\w{12}|cell\d+)/;
	}
}

# ----- what came of it -----

sub row_of
{
	my ($cell) = @_;
	my ($row, $kind) = ($cell->{expected}, $cell->{kind});
	return $kinds{$kind}{ok} if $row eq 'ok' || ($cell->{again} && $cell->{times} eq 'once');
	return $kind eq 'many' ? '9:' : '' if $row eq 'none';
	return $row =~ s/^row /$kind eq 'many' ? '10:' : ''/er if $row =~ /^row /;
	return;
}

# How often the API may have been asked: at least, and at most.  What was put on
# a kept connection that ended then may not have reached it.
sub tries_of
{
	my ($cell) = @_;
	my $row = $cell->{row};
	return (0, 0) if defined $row->{sent};
	return (1, 1) if !$cell->{again};
	my $tries = 1 + $MAX_RETRIES;
	my $only_new = $cell->{over} =~ /^(?:http|tls1)$/ && $cell->{kind} ne 'many' && !$cell->{warm};
	return ($tries, $tries) if $cell->{times} eq 'once' || !$row->{breaks} || $only_new;
	return ($tries, $tries + 1);
}

# All that is wrong, as text.
sub problems_of
{
	my ($cell, $out, $err, $pid) = @_;
	my ($row, $number) = @$cell{qw(row number)};
	my @problems;
	my $printed = $out->{$number} // return 'not run';
	my $said = $err->{$number} // '';
	my $ms = $printed =~ s/(?:\A|\n)Time: ([\d.]+) ms.*//s ? $1 : 0;
	my %error = OnlineMigrations::TestNode::parse_error($said);
	my $wanted = row_of($cell);
	if (defined $wanted)
	{
		my $right = ref $wanted ? $printed =~ $wanted : $printed eq $wanted;
		push @problems, "wanted $wanted, got $printed" if !$right || $said;
	}
	else
	{
		push @problems, "wanted $cell->{expected}, got $error{sqlstate} $printed" if $error{sqlstate} ne $cell->{expected};
		push @problems, "does not say $row->{says}" if $row->{says} && $said !~ $row->{says};
		push @problems, 'does not say how often it was tried' if $cell->{again} && $said !~ /Tried \d+ times/;
		push @problems, 'no detail or no hint' if (!$error{detail} || !$error{hint}) && $cell->{expected} ne '22007';
		my $unknown = $said =~ /^DETAIL: .*Sent at \d{4}-\d\d-\d\d .*^HINT: .*Look at the cluster's status .* before trying again/ms;
		push @problems, $unknown ? 'should not be unknown' : 'does not say that it is unknown'
		  if !!$unknown ne !!$cell->{unknown};
	}
	my $method = $kinds{ $cell->{kind} }{method};
	my $asked = $asked{ $method eq 'LIST' ? "GET $cell->{tag}" : "$method $cell->{uuid}" } // 0;
	my ($least, $most) = tries_of($cell);
	push @problems, "asked $asked times, not $least to $most" if $asked < $least || $asked > $most;
	push @problems, "took $ms ms" if $ms > 20_000 || $ms < 1000 * ($row->{least} // 0);
	push @problems, "next: $out->{qq($number.next)} $err->{qq($number.next)}"
	  if $out->{"$number.next"} ne "$pid|syncing" || $err->{"$number.next"};
	return (@problems, @problems ? $said : ());
}

# One assertion for the cells that differ in times and connection only.
sub row_ok
{
	my ($name, $cells, @printed) = @_;
	my @wrong;
	for my $cell (@$cells)
	{
		my @problems = problems_of($cell, @printed);
		push @wrong, join("\n", "$cell->{times}, " . ($cell->{warm} ? 'kept:' : 'new:'), @problems) if @problems;
	}
	ok(!@wrong, $name) or diag(join "\n", @wrong);
	return;
}

for my $name (sort keys %scripts)
{
	my ($out, $err) = map { parse_output("$folder/$name.$_") } qw(out err);
	my ($pid) = ($out->{"first.${name}_sound"} // '') =~ /^(\d+)/;
	my (@names, %rows);
	for my $cell (@{ $scripts{$name} })
	{
		push @names, $cell->{row}{name} if !$rows{ $cell->{row}{name} };
		push @{ $rows{ $cell->{row}{name} } }, $cell;
	}
	row_ok("$name: $_", $rows{$_}, $out, $err, $pid // 'nobody') for @names;
	is($out->{last}, $out->{first}, "$name: no descriptor is left open");
	cmp_ok($out->{'last.memory'} - $out->{'first.memory'}, '<', 32 * 1024, "$name: kilobytes more memory");
}
# ----- a slow name look-up -----

# The thread that looks up can't be stopped, but nobody waits for it.
sub try_slow_lookup
{
	my ($what, $sql) = @_;
	my $session = OnlineMigrations::Session->open($node);
	$session->post($sql);
	OnlineMigrations::Waiting::is_waiting($node, $session->pid);
	my $cancelled = time;
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(' . $session->pid . ')');
	my $result = $session->result;
	is($result->{sqlstate}, '57014', "cancel during a slow name look-up, $what") or diag($result->{err});
	unlike($result->{err}, qr/had been sent/, "nothing was sent, $what");
	cmp_ok($result->{done} - $cancelled, '<', 10, "at once, $what");
	is($session->run(check_of('h2_one_sound'))->{out}, $session->pid . '|syncing', "the next query is right, $what");
	$session->close;
	my $gone = 'SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = ' . $session->pid;
	ok($node->poll_query_until('postgres', $gone), "the process ends, $what");
	cmp_ok(time - $cancelled, '<', 15, "at once, too, $what");
	return;
}

SKIP:
{
	skip 'no resolver of our own', 1 if !$resolver;
	skip 'libcurl before 7.87 waits for its look-up', 1 if !$quick_exit;
	@created = ();
	add_server('slowly', endpoint => "https://slow.simulator.test:$port", connect_timeout => '60s');
	$node->safe_psql('digitalocean', $created[0]);
	my %cell = (uuid => $others[0], tag => 'none', schema => 'slowly');
	try_slow_lookup($_, sql_of({ %cell, kind => $_ })) for qw(one start);
}

is($_->counters->{destroy_cluster}, 0, 'no cluster was destroyed') for $simulator, $narrow;
unlike($node->log_text, qr/terminated by signal|PANIC|TRAP:/, 'no process has crashed');

done_testing();
