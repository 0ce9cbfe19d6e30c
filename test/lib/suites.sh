# shellcheck shell=bash
# The suites of test/run, and how their results are counted.
#
# A suite that cannot even run is a failure; the others still do.

PASSED=0
FAILED=0

# Each line of the file is "PASSED FAILED" of one suite.
count_up()
{
	local passed failed
	PASSED=0
	FAILED=0
	[ -s "$WORK/counts" ] || return 0
	while read -r passed failed; do
		PASSED=$((PASSED + passed))
		FAILED=$((FAILED + failed))
	done <"$WORK/counts"
}

record()
{
	echo "$1 $2" >>"$WORK/counts"
}

# A filter is part of a name, or a pattern or path like "t/*", "sql/scan.sql".
wanted()
{
	local filter
	[ ${#FILTERS[@]} -gt 0 ] || return 0
	for filter in "${FILTERS[@]}"; do
		filter=${filter#./}
		filter=${filter#test/}
		filter=${filter%.*}
		# shellcheck disable=SC2053 # a pattern is meant
		case $filter in
			*/*) [[ $1 == $filter* ]] && return 0 ;;
			*) [[ $1 == *$filter* ]] && return 0 ;;
		esac
	done
	return 1
}

# Runs a command in its own process group, its output on ours, for as long as
# SUITE_SECONDS says, where it does.
run_and_wait()
{
	local status=0 pid
	run_in_background "${USER_COMMAND[@]}" timeout "${SUITE_SECONDS:-0}" "$@" </dev/null
	pid=$STEP_PID
	wait "$pid" || status=$?
	forget_background "$pid"
	return "$status"
}

# A suite that was cut off has not written its counts.
tap_suite()
{
	local status=0
	run_and_wait "$LIB_COPY/tap" "$WORK/counts" "$@" || status=$?
	if [ "$status" -gt 1 ]; then
		say "    $1: cut off, with status $status"
		record 0 1
	fi
	return "$status"
}

any_unit_test_wanted()
{
	local source
	for source in "$WORK"/tree/test/unit/*.c; do
		if [ -e "$source" ] && wanted "unit/$(basename "$source" .c)"; then
			return 0
		fi
	done
	return 1
}

run_unit_tests()
{
	local program
	any_unit_test_wanted || return 0
	heading "unit tests"
	if ! step "building the unit tests" make -C "$WORK/tree" -j2 \
		"PG_CONFIG=$PG_CONFIG" with_llvm=no unit-programs; then
		record 0 1
		return 0
	fi
	for program in "$WORK"/tree/test/unit/bin/*; do
		if [ -x "$program" ] && wanted "unit/$(basename "$program")"; then
			tap_suite "unit/$(basename "$program")" "$program" || true
		fi
	done
}

# What holds for the sources as text.
run_lint()
{
	local check
	for check in "$WORK"/tree/test/lint/*; do
		if wanted "lint/$(basename "$check")"; then
			heading "lint"
			tap_suite "lint/$(basename "$check")" "$check" || true
		fi
	done
}

# The simulator's own smoke test: TAP when it prints any, else one test.
run_simulator_check()
{
	local log=$WORK/logs/simulator-check.out status=0
	wanted simulator/ || return 0
	heading "the simulator's own test"
	run_and_wait make -s -C "$WORK/tree/test/simulator" check \
		>"$log" 2>&1 || status=$?
	if grep -Eq '^1\.\.[0-9]' "$log"; then
		if ! tap_suite simulator cat "$log"; then
			status=0
		fi
	elif [ "$status" -eq 0 ]; then
		say "    simulator: passed"
		record 1 0
	fi
	if [ "$status" -ne 0 ]; then
		tail -n 30 "$log" | sed 's/^/    | /'
		record 0 1
	fi
}

# "setup" comes first, whatever was asked for, then the others by name.
regress_files()
{
	local file name
	[ -e "$WORK/tree/sql/setup.sql" ] && echo setup
	for file in "$WORK"/tree/sql/*.sql; do
		name=$(basename "$file" .sql)
		[ -e "$file" ] && [ "$name" != setup ] && wanted "sql/$name" && echo "$name"
	done
	return 0
}

# PostgreSQL before 16 has a format of its own, later ones print TAP.
regress_passed()
{
	grep -Eq "^(test )? *$1 +\.\.\. ok |^ok [0-9]+ +[-+] +$1 " "$2"
}

run_regress()
{
	local tests name log=$WORK/logs/regress.out failed=
	mapfile -t tests < <(regress_files)
	heading "pg_regress"
	if [ ${#tests[@]} -eq 0 ] || [ "${tests[*]}" = setup ]; then
		say "    nothing to run"
		return 0
	fi
	# Without a file to compare with, pg_regress would stop.
	for name in "${tests[@]}"; do
		as_user touch "$WORK/tree/expected/$name.out"
	done
	if ! start_server "$WORK/tree/test/lib/regress.conf"; then
		record 0 "${#tests[@]}"
		return 0
	fi
	run_and_wait "$PG_REGRESS" --bindir="$PG_BIN" --dbname=digitalocean \
		--inputdir="$WORK/tree" --outputdir="$WORK/tree" --host="$PGHOST" \
		--port="$PGPORT" --user=postgres --no-locale --encoding=UTF8 \
		"${tests[@]}" >"$log" 2>&1 || true
	for name in "${tests[@]}"; do
		if regress_passed "$name" "$log"; then
			say "    $name: passed"
			record 1 0
		else
			say "    $name: failed"
			record 0 1
			failed=1
			accept_result "$name"
		fi
	done
	[ -z "$failed" ] || show_regress_failure "$log"
	stop_server
}

accept_result()
{
	local result=$WORK/tree/results/$1.out
	if [ -n "$ACCEPT" ] && [ -s "$result" ]; then
		cp --no-preserve=all "$result" "$TREE/expected/$1.out"
		say "    $1: its output is in expected/$1.out now"
	fi
}

show_regress_failure()
{
	local diffs=$WORK/tree/regression.diffs
	if [ -s "$diffs" ]; then
		head -n 400 "$diffs" | sed 's/^/    | /'
	else
		tail -n 40 "$1" | sed 's/^/    | /'
	fi
}

stop_server()
{
	as_user "$PG_BIN/pg_ctl" -D "$WORK/data" -m fast -w -s stop || true
}

# For the jobs in examples/.  Without it the suites skip what needs it.
prepare_cron()
{
	if wanted t/012_cron || wanted t/019_documents; then
		add_cron "the test of pg_cron" || true
	fi
}

# For sources of MySQL.  Without it the suite that asks them is skipped.
prepare_mysql()
{
	if wanted t/034_check_mysql; then
		add_mysql "the check of a MySQL source" || true
	fi
}

# They wait more than they compute, so that as many run at a time as there are
# processors, up to four: each has its own folder, servers and simulator.
run_tap_suites()
{
	local file name running=0 jobs
	jobs=${OMF_JOBS:-$(getconf _NPROCESSORS_ONLN)}
	[ "$jobs" -le 4 ] || jobs=4
	heading "TAP suites, $jobs at a time"
	for file in "$WORK"/tree/test/t/*.pl; do
		name=$(basename "$file" .pl)
		if [ ! -e "$file" ] || ! wanted "t/$name"; then
			continue
		fi
		if [ "$running" -ge "$jobs" ]; then
			wait_for_tap_suite
			running=$((running - 1))
		fi
		# The janitor must see the end of this shell, not of those.
		(run_tap_suite "$name" "$file") 8>&- 9>&- &
		TAP_SUITES[$!]=$name
		running=$((running + 1))
	done
	while [ "$running" -gt 0 ]; do
		wait_for_tap_suite
		running=$((running - 1))
	done
}

declare -A TAP_SUITES=()

# Waits until one of them has ended.  What it found is counted by then; any
# other end of its shell is a failure.
wait_for_tap_suite()
{
	local pid status=0
	wait -n -p pid "${!TAP_SUITES[@]}" || status=$?
	if [ "$status" -ne 0 ]; then
		say "    ${TAP_SUITES[$pid]}: ended with status $status"
		record 0 1
	fi
	unset "TAP_SUITES[$pid]"
}

# All of what is said of a failure in one piece: another suite may be talking.
run_tap_suite()
{
	local folder=$WORK/tap/$1 log
	as_user mkdir -p "$folder/tmp_check/log" "$WORK/ports"
	TESTDIR=$folder TESTDATADIR=$folder/tmp_check \
		TESTLOGDIR=$folder/tmp_check/log PG_TEST_PORT_DIR=$WORK/ports \
		PG_TEST_TIMEOUT_DEFAULT=60 OMF_ACCEPT=$ACCEPT \
		tap_suite "$1" perl "$2" && return 0
	accept_documents "$1"
	log=$folder/tmp_check/log/regress_log_$1
	if [ -s "$log" ]; then
		say "$(
			echo "    | the end of $1's log:"
			tail -n 60 "$log" | sed 's/^/    | /'
		)"
	fi
}

# Random queries over foreign tables and over copies of them.
run_differential()
{
	wanted differential || return 0
	heading "random queries"
	run_tap_suite differential "$WORK/tree/test/differential/differential.pl"
}

# The suite has written into its copy of the pages.
accept_documents()
{
	if [ -n "$ACCEPT" ] && [ "$1" = 019_documents ]; then
		cp --no-preserve=all "$WORK/tree/README.md" "$TREE/"
		cp --no-preserve=all "$WORK"/tree/doc/*.md "$TREE/doc/"
		say "    $1: README.md and doc/ have what psql printed now"
	fi
}

check_logs()
{
	local logs
	mapfile -t logs < <(find "$WORK/logs/server.log" \
		"$WORK/tap" -name '*.log' 2>/dev/null)
	[ ${#logs[@]} -gt 0 ] || return 0
	heading "the logs of all servers"
	tap_suite "secrets in ${#logs[@]} logs" "$LIB_COPY/check-secrets" \
		"$LIB_COPY/secrets" "${logs[@]}" || true
}

keep_work_folder()
{
	local kept
	kept=$(dirname "$WORK")/omf-kept.$(basename "$WORK")
	cp -a "$WORK" "$kept" && say "logs and results are kept in $kept"
}

prepare_suites()
{
	LIB_COPY=$WORK/tree/test/lib
	# The tests say themselves when a request goes through a proxy.
	unset http_proxy https_proxy all_proxy no_proxy
	unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
	as_user touch "$WORK/counts"
}

run_suites()
{
	prepare_suites
	prepare_cron
	prepare_mysql
	run_lint
	run_unit_tests
	run_simulator_check
	run_regress
	run_tap_suites
	run_differential
	run_contract
	check_logs
}
