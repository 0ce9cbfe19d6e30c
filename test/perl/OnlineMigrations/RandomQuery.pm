# Random queries over the tables of test/differential, reproducible by a seed:
#
#   my $query = OnlineMigrations::RandomQuery->new($seed);
#   $query->{settings}   statements to run first
#   $query->{sql}        the query itself, without a semicolon
#   $query->{ordered}    does it say the order of its rows?
#   $query->{keys}       SQL for the keys that it has to ask for, where these
#                        are known whatever the plan, unless it lists; or undef
#   $query->{own_keys}   it asks for no other keys even if it lists
#
# concurrent($seed) makes a statement that another session's {write} gets in the
# way of.
#
# Tables are named without a schema: the search_path says whether they are
# foreign tables or their local copies.
package OnlineMigrations::RandomQuery;

use strict;
use warnings;

# Columns by table: name, and what it can be compared with.
our $CLUSTERS = 48;    # of each account
our $ROWS = 45;        # the greatest n of wanted, which begins with 0

our %COLUMNS = (
	online_migrations => [ [ database_cluster_uuid => 'uuid' ], [ id => 'text' ], [ created_at => 'time' ], [ status => 'status' ] ],
	text_migrations => [ [ database_cluster_uuid => 'key' ], [ id => 'text' ], [ status => 'status' ] ],
	clusters => [ [ id => 'uuid' ], [ name => 'text' ], [ engine => 'text' ] ],
	parted => [ [ server => 'text' ], [ database_cluster_uuid => 'uuid' ], [ id => 'text' ], [ status => 'status' ] ],
	wanted => [ [ n => 'int' ], [ k => 'uuid' ], [ t => 'key' ], [ s => 'status' ] ],
	more => [ [ n => 'int' ], [ k => 'uuid' ] ],
);
my @FOREIGN = qw(online_migrations text_migrations clusters parted);
my @STATUSES = qw(running syncing canceled error done);

# Each of these is off in one query of five.
my @SWITCHES = qw(enable_nestloop enable_hashjoin enable_mergejoin enable_material
  enable_memoize enable_hashagg enable_sort enable_async_append
  enable_partition_pruning online_migrations_fdw.enable_batched_join
  online_migrations_fdw.enable_batched_subselect);

sub new
{
	my ($class, $seed) = @_;
	my $self = bless { aliases => 0, ordered => 0, parameters => [] }, $class;
	srand($seed);
	$self->{settings} = [ _settings() ];
	if (_chance(0.2)) { $self->_by_key }
	else { $self->{sql} = $self->_statement }
	$self->_prepare if @{ $self->{parameters} };
	return $self;
}

# A statement on rows of the table jobs, or of the partitioned one, that a
# writer has changed and not committed.
sub concurrent
{
	my ($class, $seed) = @_;
	my $self = bless { aliases => 0, ordered => 0, parameters => [], no_parameters => 1 }, $class;
	srand($seed);
	$self->{settings} = [ grep { !/plan_cache_mode/ } _settings() ];
	my $jobs = _pick('jobs', 'jobs', 'jobs_parted');
	$self->{write} = _write($jobs);
	$self->{sql} = $self->_locking($jobs);
	return $self;
}

# ----- chance -----

sub _pick { return $_[ int rand @_ ] }
sub _chance { return rand() < $_[0] }

sub _settings
{
	my @settings;
	for my $switch (@SWITCHES)
	{
		push @settings, "SET $switch = off" if _chance(0.2);
	}
	push @settings, 'SET enable_partitionwise_join = on' if _chance(0.3);
	push @settings, 'SET enable_partitionwise_aggregate = on' if _chance(0.3);
	push @settings, 'SET join_collapse_limit = 1' if _chance(0.2);
	push @settings, 'SET from_collapse_limit = 1' if _chance(0.1);
	push @settings, 'SET geqo_threshold = 2' if _chance(0.1);
	push @settings, 'SET plan_cache_mode = ' . _pick(qw(auto force_generic_plan force_custom_plan));
	return @settings;
}

# ----- literals -----

# A UUID of the first account, of the second, or of none.
sub _uuid
{
	my $number = 1 + int rand $CLUSTERS;
	return sprintf '%s-0000-4000-8000-%012d',
	  _pick('0000d1fa', '0000d1fa', '0000d1fb', '0000d1fc'), $number;
}

# Few as a rule, and at times more than a dozen.
sub _how_many { return _chance(0.25) ? 12 + int rand 50 : int rand 8 }
sub _row_number { return int rand(_chance(0.5) ? 16 : $ROWS) }

# As somebody may write it where it is a text.
sub _spelling
{
	my $text = _uuid();
	return $text if _chance(0.6);
	return _pick(uc $text, ucfirst $text, "{$text}", $text =~ s/-//gr, " $text", "$text ", substr($text, 0, 20), '');
}

# A literal of that type, at times as a parameter.
sub _literal
{
	my ($self, $type, $text) = @_;
	if (_chance(0.15) && !$self->{no_parameters})
	{
		push @{ $self->{parameters} }, [ $type, $text ];
		return '$' . @{ $self->{parameters} };
	}
	return defined $text ? "'$text'::$type" : "NULL::$type";
}

sub _key_literal
{
	my ($self, $type) = @_;
	return $self->_literal($type eq 'uuid' ? ('uuid', _chance(0.05) ? undef : _chance(0.3) ? uc _uuid() : _uuid())
		: ('text', _spelling()));
}

sub _key_array
{
	my ($self, $type) = @_;
	my @keys = map { $type eq 'uuid' ? _uuid() : _spelling() } 1 .. _how_many();
	push @keys, $keys[0] if @keys && _chance(0.3);
	my $text = '{' . join(',', (map { "\"$_\"" } @keys), _chance(0.2) ? 'NULL' : ()) . '}';
	return $self->_literal($type eq 'uuid' ? 'uuid[]' : 'text[]', $text);
}

# ----- FROM -----

sub _alias { return 'a' . ++$_[0]{aliases} }

sub _table
{
	my ($self, @among) = @_;
	my $table = _pick(@among ? @among : (@FOREIGN, @FOREIGN, 'wanted', 'wanted', 'more'));
	my $alias = $self->_alias;
	return ("$table $alias", map { [ "$alias.$_->[0]", $_->[1] ] } @{ $COLUMNS{$table} });
}

# Each item of FROM comes with its columns.
sub _from
{
	my ($self, $depth) = @_;
	return $self->_table if $depth == 0 || _chance(0.25);
	return $self->_sub_select($depth - 1) if _chance(0.2);
	return $self->_lateral($depth - 1) if _chance(0.15);
	my ($left, @left) = $self->_from($depth - 1);
	my ($right, @right) = $self->_from(_chance(0.5) ? 0 : $depth - 1);
	my $kind = _pick('JOIN', 'JOIN', 'LEFT JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN');
	my $on = _equality(\@left, \@right);
	$on .= ' AND ' . $self->_simple([ @left, @right ]) if $kind ne 'FULL JOIN' && _chance(0.3);
	return ("($left $kind $right ON $on)", @left, @right);
}

sub _keys_among { return grep { $_->[1] eq 'uuid' || $_->[1] eq 'key' } @_ }

# That a key of the one side equals one of the other.
sub _equality
{
	my ($left, $right) = @_;
	my $one = _pick(_keys_among(@$left));
	my $other = _pick(_keys_among(@$right));
	my ($a, $b) = ($one->[0], $other->[0]);
	($a, $b) = ($b, $a) if _chance(0.5);
	return "$a = $b" if $one->[1] eq $other->[1] && _chance(0.8);
	return "lower($a\::text) = $b\::text" if _chance(0.1);
	return "$a\::text = $b\::text";
}

sub _sub_select
{
	my ($self, $depth) = @_;
	my ($from, @columns) = $self->_from($depth);
	my $alias = $self->_alias;
	my @chosen = _some_columns(@columns);
	my $number = 0;
	my $list = join ', ', map { "$_->[0] AS c" . ++$number } @chosen;
	$number = 0;
	my @result = map { [ "$alias.c" . ++$number, $_->[1] ] } @chosen;
	my $where = $self->_where(\@columns);
	my $distinct = _chance(0.2) ? 'DISTINCT ' : '';
	my $rest = _chance(0.2) ? ' OFFSET 0' : _chance(0.2) ? _order_by(scalar @chosen) . ' LIMIT ' . int rand 8 : '';
	return ("(SELECT $distinct$list FROM $from$where$rest) $alias", @result);
}

# Some columns, one of them a key.
sub _some_columns
{
	my (@columns) = @_;
	my $key = _pick(_keys_among(@columns));
	return ($key, grep { $_ != $key && _chance(0.3) } @columns);
}

sub _order_by
{
	my ($ncolumns) = @_;
	return ' ORDER BY ' . join(', ', map { _chance(0.2) ? "$_ DESC" : $_ } 1 .. $ncolumns);
}

sub _lateral
{
	my ($self, $depth) = @_;
	my ($left, @left) = $self->_from($depth);
	my ($right, @right) = $self->_table(@FOREIGN);
	my $alias = $self->_alias;
	my $on = _equality(\@left, \@right);
	my @chosen = @right[ 0 .. 1 ];
	my $rest = _chance(0.5) ? _order_by(2) . ' LIMIT ' . (1 + int rand 3) : _chance(0.3) ? ' OFFSET 0' : '';
	my $arm = "$chosen[0][0] AS c1, $chosen[1][0] AS c2 FROM $right WHERE";
	my $select = "SELECT $arm $on";
	$select = "SELECT DISTINCT $arm $on" if _chance(0.2);
	$select .= ' ' . _pick('UNION', 'UNION ALL', 'EXCEPT', 'INTERSECT', 'EXCEPT ALL') . " SELECT $arm " . _equality(\@left, \@right)
		if _chance(0.2);
	my $inner = "LATERAL ($select$rest) $alias";
	my @result = (@left, [ "$alias.c1", $chosen[0][1] ], [ "$alias.c2", $chosen[1][1] ]);
	return _chance(0.5) ? ("$left CROSS JOIN $inner", @result) : ("$left LEFT JOIN $inner ON true", @result);
}

# ----- WHERE -----

sub _where
{
	my ($self, $columns) = @_;
	my @predicates = map { $self->_predicate($columns, 2) } 1 .. int rand 3;
	return @predicates ? ' WHERE ' . join(' AND ', @predicates) : '';
}

sub _predicate
{
	my ($self, $columns, $depth) = @_;
	if ($depth > 0 && _chance(0.25))
	{
		my ($one, $other) = map { $self->_predicate($columns, $depth - 1) } 1 .. 2;
		return _pick("($one OR $other)", "($one OR $other)", "($one AND $other)", "NOT ($one)", "coalesce($one, false)");
	}
	return _chance(0.6) ? $self->_on_key($columns) : $self->_simple($columns);
}

# A predicate on any column, without a sub-select.
sub _simple
{
	my ($self, $columns) = @_;
	my ($name, $type) = @{ _pick(@$columns) };
	return $name . _pick(' <', ' >=', ' =', ' <>') . ' ' . _row_number() if $type eq 'int';
	return "$name > '2020-01-0" . (1 + int rand 9) . "'" if $type eq 'time';
	return $name . _pick(' IS NULL', ' IS NOT NULL') if _chance(0.2);
	return "$name = '" . _pick(@STATUSES) . "'" if $type eq 'status' && _chance(0.5);
	return "$name IN ('" . _pick(@STATUSES) . "', '" . _pick(@STATUSES) . "')" if $type eq 'status';
	return "$name\::text LIKE '%" . _pick(0 .. 9) . "'" if _chance(0.5);
	return "$name " . _pick('=', '<>', '<', '>') . ' ' . $self->_key_literal($type) if $type eq 'uuid' || $type eq 'key';
	return "length($name) > " . int rand 12;
}

sub _on_key
{
	my ($self, $columns) = @_;
	my ($name, $type) = @{ _pick(_keys_among(@$columns)) };
	my $source = $type eq 'uuid' ? 'k' : 't';
	my $n = _row_number();
	my @forms = (
		sub { "$name = " . $self->_key_literal($type) },
		sub { $self->_key_literal($type) . " = $name" },
		sub { "$name IN (" . join(', ', map { $self->_key_literal($type) } 0 .. _how_many()) . ')' },
		sub { "$name = ANY (" . $self->_key_array($type) . ')' },
		sub { "$name = ALL (" . $self->_key_array($type) . ')' },
		sub { "$name <> ALL (" . $self->_key_array($type) . ')' },
		sub { "$name = ANY (ARRAY(SELECT $source FROM wanted WHERE n < $n))" },
		sub { "$name = (SELECT $source FROM wanted WHERE n = $n)" },
		sub { "$name IN (SELECT $source FROM wanted WHERE n < $n)" },
		sub { "$name NOT IN (SELECT $source FROM wanted WHERE n < $n AND $source IS NOT NULL)" },
		sub { "$name\::text = " . $self->_literal('text', _spelling()) },
		sub { "$name\::text IN ('" . _spelling() . "', '" . _spelling() . "')" },
		sub { "$name\::text = ANY (ARRAY(SELECT t FROM wanted WHERE n > $n))" },
		sub { "$name\::varchar(" . _pick(7, 36, 40) . ") = '" . _spelling() . "'" },
		sub { "$name IS NOT DISTINCT FROM " . $self->_key_literal($type) },
		sub { "$name BETWEEN " . $self->_key_literal($type) . ' AND ' . $self->_key_literal($type) },
		sub { $self->_exists($name, $type) },
		sub { 'NOT ' . $self->_exists($name, $type) },
		sub { $self->_in_foreign($name, $type) },
		sub { $self->_scalar([ $name, $type ]) . ' IS NOT NULL' },
	);
	return _pick(@forms)->();
}

sub _exists
{
	my ($self, $name, $type) = @_;
	my ($from, @columns) = $self->_table;
	my $on = _equality([ [ $name, $type ] ], \@columns);
	my $more = _chance(0.4) ? ' AND ' . $self->_simple(\@columns) : '';
	return "EXISTS (SELECT FROM $from WHERE $on$more)";
}

sub _in_foreign
{
	my ($self, $name, $type) = @_;
	my ($from, @columns) = $self->_table;
	my $column = _pick(_keys_among(@columns));
	my $more = _chance(0.4) ? ' WHERE ' . $self->_simple(\@columns) : '';
	return "$name\::text IN (SELECT $column->[0]\::text FROM $from$more)" if $column->[1] ne $type;
	return "$name IN (SELECT $column->[0] FROM $from$more)";
}

# ----- the statement -----

sub _statement
{
	my ($self) = @_;
	my $kind = rand;
	return $self->_set_operation if $kind < 0.12;
	return $self->_with if $kind < 0.2;
	return $self->_aggregate if $kind < 0.35;
	return $self->_sub_selects if $kind < 0.6;
	return $self->_changes if $kind < 0.65;
	return $self->_rows;
}

sub _rows
{
	my ($self) = @_;
	my ($from, @columns) = $self->_from(1 + int rand 3);
	my @list = map { $_->[0] } _some_columns(@columns);
	my $key = _pick(_keys_among(@columns));
	push @list, $self->_scalar($key) if _chance(0.3);
	push @list, 'count(*) OVER (PARTITION BY ' . _pick(@columns)->[0] . ')' if _chance(0.1);
	push @list, 'rank() OVER (ORDER BY ' . _pick(@columns)->[0] . ')' if _chance(0.1);
	my $where = $self->_where(\@columns);
	my $distinct = _chance(0.1) ? 'DISTINCT ' : '';
	return "SELECT $distinct" . join(', ', @list) . " FROM $from$where" . $self->_tail(scalar @list);
}

# A sub-select in the list, for a key of the row.
sub _scalar
{
	my ($self, $key) = @_;
	my ($from, @columns) = $self->_table(@FOREIGN);
	my $on = _equality([$key], \@columns);
	return "(SELECT $columns[1][0] FROM $from WHERE $on)" if _chance(0.5);
	return "(SELECT count(*) FROM $from WHERE $on)" if _chance(0.5);
	return "ARRAY(SELECT $columns[1][0] FROM $from WHERE $on ORDER BY 1)";
}

sub _tail
{
	my ($self, $ncolumns) = @_;
	return '' unless _chance(0.4);
	$self->{ordered} = 1;
	my $tail = _order_by($ncolumns);
	$tail .= ' LIMIT ' . int rand(_chance(0.3) ? 40 : 12) if _chance(0.5);
	$tail .= ' OFFSET ' . int rand 4 if _chance(0.3);
	return $tail;
}

sub _aggregate
{
	my ($self) = @_;
	my ($from, @columns) = $self->_from(1 + int rand 3);
	my $where = $self->_where(\@columns);
	my @list = ('count(*)', map { "count($_->[0])" } grep { _chance(0.2) } @columns);
	push @list, 'count(DISTINCT ' . _pick(@columns)->[0] . ')' if _chance(0.4);
	push @list, 'max(' . _pick(@columns)->[0] . '::text)' if _chance(0.3);
	return 'SELECT ' . join(', ', @list) . " FROM $from$where" if _chance(0.4);
	my $by = _pick(@columns)->[0];
	my $having = _chance(0.2) ? ' HAVING count(*) > 1' : '';
	return 'SELECT ' . join(', ', $by, @list) . " FROM $from$where GROUP BY $by$having" . $self->_tail(1 + @list);
}

# Two columns as text, for set operations.
sub _arm
{
	my ($self) = @_;
	my ($from, @columns) = $self->_from(int rand 2);
	my @two = (_pick(_keys_among(@columns)), _pick(@columns));
	my $where = $self->_where(\@columns);
	return 'SELECT ' . join(', ', map { "$_->[0]\::text" } @two) . " FROM $from$where";
}

sub _set_operation
{
	my ($self) = @_;
	my $sql = $self->_arm;
	for (1 .. 1 + int rand 2)
	{
		my $operation = _pick('UNION ALL', 'UNION ALL', 'UNION', 'INTERSECT', 'EXCEPT');
		$sql = "($sql) $operation (" . $self->_arm . ')';
	}
	return $sql . $self->_tail(2);
}

sub _with
{
	my ($self) = @_;
	my ($from, @columns) = $self->_from(1);
	my ($key) = _keys_among(@columns);
	my $where = $self->_where(\@columns);
	my $kind = _pick('', 'MATERIALIZED ', 'NOT MATERIALIZED ');
	my ($other, @others) = $self->_table(@FOREIGN);
	my $on = _equality([ [ 'x.c1', $key->[1] ] ], \@others);
	return "WITH x AS $kind(SELECT $key->[0] AS c1 FROM $from$where) SELECT x.c1, $others[1][0] FROM x LEFT JOIN $other ON $on"
	  . $self->_tail(2);
}

# A query that asks for certain keys, whatever the plan, unless it lists.
sub _by_key
{
	my ($self) = @_;
	$self->{no_parameters} = 1;
	my $n = 1 + _row_number();
	my $table = _pick(qw(online_migrations text_migrations));
	my $source = $table eq 'online_migrations' ? 'k' : 't';
	my $keys = "SELECT $source\::text FROM wanted WHERE n < $n";
	if (_chance(0.3))
	{
		# never of rows that are not evaluated
		my $value = "(SELECT status FROM $table WHERE database_cluster_uuid = $source)";
		$self->{sql} = _pick("SELECT n, $value FROM wanted WHERE n < $n",
			"SELECT n, CASE WHEN n < $n THEN $value END FROM wanted",
			"SELECT n, $value FROM wanted ORDER BY n LIMIT $n",
			"SELECT n, $value FROM (SELECT * FROM wanted ORDER BY n LIMIT $n) w");
	}
	elsif (_chance(0.5))
	{
		my $kind = _pick('JOIN', 'LEFT JOIN');
		$self->{sql} = "SELECT n, status FROM wanted $kind $table ON database_cluster_uuid = $source WHERE n < $n";
	}
	elsif (_chance(0.5))
	{
		$self->{sql} = "SELECT id FROM $table WHERE database_cluster_uuid = ANY (ARRAY(SELECT $source FROM wanted WHERE n < $n))";
		$self->{own_keys} = 1;
	}
	else
	{
		my $array = $self->_key_array($source eq 'k' ? 'uuid' : 'key');
		$keys = "SELECT unnest($array)::text";
		$self->{sql} = "SELECT id, status FROM $table WHERE database_cluster_uuid = ANY ($array)";
		$self->{own_keys} = 1;
	}
	$self->{keys} = "SELECT DISTINCT key FROM ($keys) x(key) WHERE key ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\$'";
	return;
}

# ----- sub-selects that ask by the row's key -----

# A value, as a text, of the row of wanted, more or scratch with that alias.
sub _value
{
	my ($self, $row) = @_;
	my $key = [ "$row.k", 'uuid' ];
	my ($from, @columns) = $self->_table(@FOREIGN);
	my $on = _equality([$key], \@columns);
	my $value = "$columns[1][0]\::text";
	my @forms = (
		sub { $self->_scalar($key) },
		sub { $self->_exists(@$key) },
		sub { 'NOT ' . $self->_exists(@$key) },
		sub { "$row.k = ANY (SELECT $columns[0][0]\::text::uuid FROM $from WHERE $on)" },
		sub { "'" . _pick(@STATUSES) . "' " . _pick('= ANY', '<> ALL') . " (SELECT $value FROM $from WHERE $on)" },
		sub { "($row.n, 'done') IN (SELECT $row.n, $value FROM $from WHERE $on)" },
		sub { "(SELECT max($value) FROM $from WHERE $on AND " . $self->_simple(\@columns) . ')' },
		sub { "(SELECT $value FROM $from WHERE $on ORDER BY 1 LIMIT 1)" },
		sub { "(SELECT " . $self->_scalar($key) . "::text || $row.n)" },
		sub { "(SELECT (SELECT " . $self->_scalar($key) . "::text) || " . $self->_exists(@$key) . ')' },
		sub { "(SELECT CASE WHEN $row.n > 5 THEN " . $self->_scalar($key) . '::text END)' },
		sub { "(SELECT " . $self->_scalar($key) . "::text WHERE $row.n < 9)" },
		sub { "(SELECT count(*) FROM $from WHERE $columns[0][0]\::text IN ($row.k::text, '" . _uuid() . "'))" },
	);
	return '(' . _pick(@forms)->() . ')::text';
}

# The same, and it fails for one row of wanted, whose text is no key.
sub _failing_value
{
	my ($row) = @_;
	my ($table, $key) = @{ _pick([ 'online_migrations', 'database_cluster_uuid' ], [ 'clusters', 'id' ]) };
	return "(SELECT max(status) FROM online_migrations WHERE database_cluster_uuid = $row.t::uuid)" if _chance(0.5);
	return "(SELECT count(*) FROM $table WHERE $key = ANY (ARRAY[$row.k, $row.t::uuid]))";
}

sub _condition
{
	my ($self, $row) = @_;
	return $self->_value($row) . _pick(' IS NULL', ' IS NOT NULL', " <> 'done'", " IN ('true', '1', 'running')");
}

# Where in a statement a sub-select can be.
sub _sub_selects
{
	my ($self) = @_;
	my ($n, $few) = (_row_number(), 1 + int rand(_chance(0.3) ? $ROWS : 8));
	my $where = 'WHERE w.n ' . _pick('<', '>=', '<>') . " $n";
	my $failing = _failing_value('w');
	my $value = $self->_value('w');
	my $condition = $self->_condition('w');
	my @forms = (
		sub { "SELECT n, $value, ${\$self->_value('w')} FROM wanted w $where" . $self->_tail(3) },
		sub { "SELECT n, $failing FROM wanted w $where" },
		sub { "SELECT n, $failing FROM wanted w WHERE n > 0 AND $condition" },
		sub { "SELECT n, $failing FROM (SELECT * FROM wanted ORDER BY n DESC LIMIT $few) w" },
		sub { "SELECT n, $failing FROM wanted w ORDER BY n DESC LIMIT $few" },
		sub { "SELECT n, CASE WHEN n > 0 THEN $failing END FROM wanted w" },
		sub { "SELECT n FROM wanted w WHERE n > 0 AND $failing IS NOT NULL" },
		sub { "SELECT n, CASE WHEN n < $n THEN $value END FROM wanted w" },
		sub { "SELECT n, coalesce(CASE WHEN n < $n THEN 'x' END, $value) FROM wanted w" },
		sub { "SELECT k, count(*), ${\$self->_value('w')} FROM (SELECT k, 1 AS n FROM wanted) w GROUP BY k, n" . $self->_tail(3) },
		sub { "SELECT k, count(*) FROM (SELECT k, 1 AS n FROM wanted) w GROUP BY k, n HAVING $condition" },
		sub { "SELECT k, n, count(*), grouping(n), $value FROM wanted w $where GROUP BY " . _pick('ROLLUP (k, n)', 'GROUPING SETS ((k, n), (n))', 'k, n') },
		sub { "SELECT n, count(*), (SELECT count(*) FROM online_migrations WHERE database_cluster_uuid::text = max(w.k::text)) FROM wanted w GROUP BY n" },
		sub { "SELECT n, row_number() OVER (ORDER BY n), sum(n) OVER (PARTITION BY s), $value FROM wanted w $where" . $self->_tail(4) },
		sub { "SELECT * FROM (SELECT n, rank() OVER (ORDER BY n) AS r, $value AS v FROM wanted w) x WHERE r <= $few" },
		sub { "SELECT n, generate_series(1, " . int(rand 3) . "), $value FROM wanted w $where" },
		sub { "SELECT w.n, o.n FROM wanted w " . _pick('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN') . " more o ON o.k::text = $value" },
		sub { "WITH RECURSIVE r AS (SELECT n, k, 'x' AS v FROM wanted WHERE n < 4 UNION SELECT w.n + 3, w.k, $value FROM r w WHERE n < 9) SELECT * FROM r" },
		sub { "SELECT s, max($value), count(*) FILTER (WHERE $condition) FROM wanted w $where GROUP BY s" },
		sub { "SELECT n, count($value) OVER (ORDER BY n), max(n) OVER (PARTITION BY $value) FROM wanted w $where" },
		sub { "SELECT DISTINCT $value FROM wanted w $where" },
		sub { "SELECT n, $value FROM wanted w $where UNION ALL SELECT n, $value FROM more w" . $self->_tail(2) },
		sub { "SELECT $value FROM wanted w $where UNION SELECT ${\$self->_value('w')} FROM more w" },
		sub { "SELECT n, (SELECT ${\$self->_value('o')} FROM more o WHERE o.n = w.n) FROM wanted w $where" },
		sub { "SELECT w.n, x.v FROM wanted w, LATERAL (SELECT $value AS v OFFSET 0) x $where" },
		sub { "SELECT w.n, o.k FROM wanted w LEFT JOIN more o ON o.n = w.n AND $condition" },
		sub { "SELECT w.n, o.n FROM wanted w JOIN more o ON o.n > w.n AND o.k::text <> $value $where" },
		sub { "SELECT n, ARRAY(SELECT n FROM more ORDER BY n LIMIT length($value)) FROM wanted w $where" },
		sub { "SELECT w.n, i FROM wanted w, generate_series(1, length($value)) i $where" },
		sub { "WITH x AS MATERIALIZED (SELECT n, $value AS v FROM wanted w $where) SELECT v, count(*) FROM x GROUP BY v" },
		sub { $self->{ordered} = 1; "SELECT n, $value FROM wanted w $where ORDER BY 2, 1 LIMIT $few" },
		sub { $self->{ordered} = 1; "SELECT n FROM wanted w $where ORDER BY $value, n OFFSET 1" },
	);
	return _pick(@forms)->();
}

# Statements that change rows, and return what sub-selects say of them.
sub _changes
{
	my ($self) = @_;
	$self->{no_parameters} = 1;
	push @{ $self->{settings} }, 'TRUNCATE shared.scratch', 'INSERT INTO shared.scratch SELECT * FROM shared.wanted';
	my $value = $self->_value('scratch');
	my $returning = "RETURNING scratch.n, scratch.s, ${\$self->_value('scratch')}";
	my $where = _chance(0.5) ? "WHERE ${\$self->_condition('scratch')}" : 'WHERE n < ' . _row_number();
	my @statements = (
		"UPDATE scratch SET s = $value $where $returning",
		"DELETE FROM scratch $where $returning",
		"INSERT INTO scratch SELECT n + 100, k, NULL, ${\$self->_value('o')} FROM more o $returning",
		"INSERT INTO scratch SELECT n, k FROM more ON CONFLICT (n) DO UPDATE SET s = ${\$self->_value('excluded')} ${\($where =~ s/WHERE n /WHERE scratch.n /r)} $returning",
		"WITH gone AS (DELETE FROM scratch $where $returning) SELECT * FROM gone",
	);
	return _pick(@statements);
}

# ----- with a concurrent writer -----

sub _write
{
	my ($jobs) = @_;
	my $rows = 'id ' . _pick('< 5', '% 2 = 0', 'IN (1, 4, 9)', '> 0');
	return "DELETE FROM shared.$jobs WHERE $rows" if _chance(0.15);
	my @changes = ("note = 'changed'", "note = 'done'", "k = '" . _uuid() . "'", "t = '" . _spelling() . "'", 'k = NULL', 't = k::text');
	return "UPDATE shared.$jobs SET " . _pick(@changes) . " WHERE $rows";
}

# A statement that locks rows of jobs, by way of a foreign table.
sub _locking
{
	my ($self, $jobs) = @_;
	my ($foreign, @columns) = $self->_table(@FOREIGN);
	my $on = _equality([ [ 'j.k', 'uuid' ], [ 'j.t', 'key' ] ], \@columns);
	my @all = ([ 'j.id', 'int' ], [ 'j.k', 'uuid' ], [ 'j.note', 'status' ], @columns);
	my $where = $self->_simple(\@all);
	my $value = "$columns[1][0]\::text";
	my @statements = (
		"SELECT j.*, $value FROM $jobs j JOIN $foreign ON $on WHERE $where FOR UPDATE OF j",
		"SELECT j.*, $value FROM $jobs j LEFT JOIN $foreign ON $on WHERE $where FOR UPDATE OF j",
		"SELECT j.* FROM $jobs j WHERE EXISTS (SELECT FROM $foreign WHERE $on) AND j.id < 12 FOR UPDATE",
		"SELECT j.* FROM $jobs j WHERE NOT EXISTS (SELECT FROM $foreign WHERE $on) FOR NO KEY UPDATE",
		"SELECT j.*, (SELECT max($value) FROM $foreign WHERE $on) FROM $jobs j WHERE j.id > 1 FOR UPDATE",
		"UPDATE $jobs j SET note = $value FROM $foreign WHERE $on AND $where RETURNING j.*",
		"UPDATE $jobs j SET note = (SELECT max($value) FROM $foreign WHERE $on) WHERE j.id < 10 RETURNING j.*",
		"UPDATE $jobs j SET note = j.note || '+' FROM wanted w LEFT JOIN $foreign ON w.k::text = $columns[0][0]\::text WHERE w.n = j.id RETURNING j.*, $value",
		"DELETE FROM $jobs j USING $foreign WHERE $on AND $where RETURNING j.*, $value",
		"DELETE FROM $jobs j WHERE NOT EXISTS (SELECT FROM $foreign WHERE $on) RETURNING j.*",
		"MERGE INTO $jobs j USING (SELECT DISTINCT ON ($columns[0][0]) $columns[0][0]\::text AS c1, $value AS c2 FROM $foreign ORDER BY $columns[0][0], 2) x"
		  . " ON j.k::text = x.c1 WHEN MATCHED THEN UPDATE SET note = x.c2 WHEN NOT MATCHED THEN DO NOTHING",
		"MERGE INTO $jobs j USING (SELECT w.n, max($value) AS c2 FROM wanted w LEFT JOIN $foreign ON w.k::text = $columns[0][0]\::text GROUP BY w.n) x"
		  . " ON j.id = x.n WHEN MATCHED AND x.c2 IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET note = x.c2",
	);
	return _pick(@statements);
}

sub _prepare
{
	my ($self) = @_;
	my @parameters = @{ $self->{parameters} };
	my $types = join ', ', map { $_->[0] } @parameters;
	my $values = join ', ', map { defined $_->[1] ? "'$_->[1]'" : 'NULL' } @parameters;
	push @{ $self->{settings} }, "PREPARE q($types) AS $self->{sql}";
	$self->{prepared} = 1;
	$self->{text} = $self->{sql};
	$self->{sql} = "EXECUTE q($values)";
	return;
}

1;
