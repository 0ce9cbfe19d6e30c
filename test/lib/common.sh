# shellcheck shell=bash
# What every command under test/ needs: messages, steps with progress, a work
# folder, and the promise that whatever was started ends with the command.
#
# A janitor process holds the reading end of a pipe whose writing end only the
# command itself has.  However the command ends, by itself, by Ctrl-C, by kill
# or by kill -9, the janitor sees end of file and clears up: one way out for
# all cases.  So everything that runs in the background is started through
# run_in_background or step, which keep that pipe from it and note its process
# group under $WORK/pids.

# The checked-out tree, and this library within it.
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
LIB=$TREE/test/lib

WORK=
JANITOR=
UNINTERRUPTED=
STEP_LOG=
STEP_PID=

say()
{
	printf '%s\n' "$*"
}

heading()
{
	say "==> $*"
}

complain()
{
	printf '%s\n' "$*" >&2
}

die()
{
	complain "$(basename "$0"): $*"
	exit 1
}

have()
{
	command -v "$1" >/dev/null 2>&1
}

# Files that no git would track have no place in a copy: they were built by
# another compiler, perhaps for another PostgreSQL.
copy_tree()
{
	tar -C "$TREE" --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude='*.bc' --exclude='*.d' --exclude=./test/simulator/simulator \
		--exclude=./test/unit/bin \
		--exclude=tmp_check --exclude=./results -cf - . |
		tar -C "$1" --no-same-owner -xf -
}

# A server refuses to run as root, and a build has no need to: as root, the
# rest happens as the user that PostgreSQL's package brings.  setpriv keeps
# the terminal and the process group, so that signals arrive as they should.
as_user()
{
	if [ "$(id -u)" -eq 0 ]; then
		HOME=$WORK setpriv --reuid=postgres --regid=postgres --init-groups \
			-- "$@"
	else
		"$@"
	fi
}

# as_user is a function, which setsid and env cannot run: this makes the same
# command line for them.
USER_COMMAND=()
set_user_command()
{
	USER_COMMAND=(env)
	if [ "$(id -u)" -eq 0 ]; then
		id postgres >/dev/null 2>&1 ||
			die "a server must not run as root, and there is no user postgres"
		USER_COMMAND=(setpriv --reuid=postgres --regid=postgres --init-groups
			env "HOME=$WORK")
	fi
}

# make_work_folder [PARENT].  The path of a Unix socket is at most 107 bytes,
# and tests make theirs below this folder.
make_work_folder()
{
	local parent=${1:-${TMPDIR:-/tmp}}
	if [ $# -eq 0 ] && [ ${#parent} -gt 50 ]; then
		parent=/tmp
	fi
	umask 022
	WORK=$(mktemp -d "$parent/omf.XXXXXX")
	mkdir "$WORK/pids" "$WORK/logs" "$WORK/tmp" "$WORK/tree"
	start_janitor
	cd "$WORK" || return
	export TMPDIR=$WORK/tmp LC_ALL=C.UTF-8
	# Of the make that may have called us; our own is not part of it.
	unset MAKEFLAGS MAKELEVEL MFLAGS
}

# Called once the user that owns it from now on exists.
give_work_folder_away()
{
	set_user_command
	if [ "$(id -u)" -eq 0 ]; then
		chown -R postgres:postgres "$WORK"
	fi
	as_user test -r "$WORK/tree" ||
		die "the user of the servers cannot reach $WORK: set TMPDIR"
}

start_janitor()
{
	exec 9> >(exec setsid bash "$LIB/janitor" "$WORK" >/dev/null 2>&1)
	JANITOR=$!
}

# Idempotent.  Returns when nothing that was started is left.
clear_up()
{
	[ -n "$JANITOR" ] || return 0
	if [ -n "$UNINTERRUPTED" ]; then
		complain "waiting for the package manager to finish what it began"
		wait "$UNINTERRUPTED" || true
	fi
	exec 9>&-
	cd /
	wait "$JANITOR" || true
	JANITOR=
}

# $1 is what to do at the end, with the exit status as its argument.
end_with()
{
	# shellcheck disable=SC2064 # the name is meant to be fixed now
	trap "$1 \$?" EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# The noted number is that of the process group, as setsid makes one.  Without
# a word, bash would have it read /dev/null.
run_in_background()
{
	setsid "$@" <&0 8>&- 9>&- &
	STEP_PID=$!
	: >"$WORK/pids/$STEP_PID"
}

forget_background()
{
	rm -f "$WORK/pids/$1"
}

last_line_of()
{
	tail -c 400 "$1" 2>/dev/null | tr '\r' '\n' | grep -v '^ *$' | tail -n 1 |
		cut -c 1-70 || true
}

# Says what a background process is at every ten seconds until it ends, and
# returns its status.  A failure shows the end of its log.
watch()
{
	local pid=$1 started=$SECONDS next=10 status=0
	while kill -0 "$pid" 2>/dev/null; do
		sleep 0.1
		if [ $((SECONDS - started)) -ge $next ]; then
			say "    $next s: $(last_line_of "$STEP_LOG")"
			next=$((next + 10))
		fi
	done
	wait "$pid" || status=$?
	if [ "$status" -ne 0 ]; then
		complain "    failed with status $status; the end of its output:"
		tail -n 60 "$STEP_LOG" | sed 's/^/    | /' >&2
	fi
	return "$status"
}

announce_step()
{
	local name=${1:0:40}
	heading "$1"
	STEP_LOG=$WORK/logs/${name//[^a-zA-Z0-9]/-}.log
}

# Runs a command as the user that the work folder belongs to, its output in a
# log.
step()
{
	local pid status=0
	announce_step "$1"
	shift
	run_in_background "${USER_COMMAND[@]}" "$@" </dev/null >"$STEP_LOG" 2>&1
	pid=$STEP_PID
	watch "$pid" || status=$?
	forget_background "$pid"
	return "$status"
}

# The same as whoever called, in whose folders it reads and writes.
caller_step()
{
	local kept=("${USER_COMMAND[@]}") status=0
	USER_COMMAND=(env)
	step "$@" || status=$?
	USER_COMMAND=("${kept[@]}")
	return "$status"
}

# The same for a change of the machine, as root.  Such a command is not cut
# off when the user interrupts: half an installation is worse than a wait.
root_step()
{
	local status=0 sudo=()
	announce_step "$1"
	shift
	[ "$(id -u)" -eq 0 ] || sudo=(sudo -n)
	"${sudo[@]}" "$@" 8>&- 9>&- </dev/null >"$STEP_LOG" 2>&1 &
	UNINTERRUPTED=$!
	watch "$UNINTERRUPTED" || status=$?
	UNINTERRUPTED=
	return "$status"
}
