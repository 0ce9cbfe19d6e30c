# shellcheck shell=bash
# From a clone to something that can be tried out: builds the extension and
# the simulator in the work folder, stages the extension outside PostgreSQL's
# installation, and starts a simulator and a throw-away server.
#
# Reads PG_CONFIG, PG_BIN and PG_MAJOR of packages.sh.

# The build happens in a copy: the clone may be in a folder that the user the
# servers run as cannot read, and other builds may be going on in it.
copy_for_build()
{
	copy_tree "$WORK/tree"
	give_work_folder_away
}

build()
{
	local make=(make -C "$WORK/tree" -j2 "PG_CONFIG=$PG_CONFIG")
	OMF_STAGE=$WORK/stage
	# No bitcode for JIT: it takes clang as long again as the build itself.
	step "building the extension for PostgreSQL $PG_MAJOR" \
		"${make[@]}" with_llvm=no all &&
		step "staging it" \
			"${make[@]}" with_llvm=no install "DESTDIR=$OMF_STAGE"
}

build_simulator()
{
	step "building the API simulator" make -C "$WORK/tree/test/simulator" -j2
}

# How a server finds the extension in the staged tree: PostgreSQL 18 has a
# setting for it; Debian gave older ones one of its own.  Others look only below
# their own folder: then it is a copy of that which runs.
write_stage_settings()
{
	local known share lib
	share=$OMF_STAGE$("$PG_CONFIG" --sharedir)
	lib=$OMF_STAGE$("$PG_CONFIG" --pkglibdir)
	known=$("$PG_BIN/postgres" --describe-config | cut -f 1)
	if grep -qx extension_control_path <<<"$known"; then
		echo "extension_control_path = '$share:\$system'"
	elif grep -qx extension_destdir <<<"$known"; then
		echo "extension_destdir = '$OMF_STAGE'"
	else
		copy_postgres || return
	fi
	echo "dynamic_library_path = '$lib:\$libdir'"
}

# A PostgreSQL that was built to stand in one folder finds its files from where
# its programs are.
copy_postgres()
{
	local root
	root=$(dirname "$PG_BIN")
	case $("$PG_CONFIG" --sharedir):$("$PG_CONFIG" --pkglibdir) in
		"$root"/*:"$root"/*) ;;
		*)
			complain "this PostgreSQL cannot load an extension from outside" \
				"its installation: version 18 can, and Debian's can"
			return 1
			;;
	esac
	as_user cp -r "$root" "$WORK/postgres" &&
		as_user cp -r "$OMF_STAGE$root/." "$WORK/postgres" || return
	PG_BIN=$WORK/postgres/bin
}

# What the tests find in their environment.
export_environment()
{
	local pgxs tree=$WORK/tree
	pgxs=$(dirname "$("$PG_CONFIG" --pgxs)")/..
	pgxs=$(cd "$pgxs/.." && pwd)
	export OMF_STAGE PG_CONFIG
	export OMF_TREE=$tree
	export OMF_SIMULATOR_PROGRAM=$tree/test/simulator/simulator
	export OMF_SIMCTL=$tree/test/simulator/simctl
	export TEMP_CONFIG=$WORK/staged.conf
	export PG_REGRESS=$pgxs/src/test/regress/pg_regress
	export PERL5LIB=$pgxs/src/test/perl:$tree/test/perl:$tree/test/simulator/lib${PERL5LIB:+:$PERL5LIB}
	write_stage_settings >"$TEMP_CONFIG" || return
	export PATH=$PG_BIN:$tree/test/simulator:$PATH
}

# The simulator prints where it listens, then "ready".  It ends with its
# standard input, whose other end is in this shell only.
start_simulator()
{
	local out=$WORK/logs/simulator.out errors=$WORK/logs/simulator.err pid
	heading "starting the API simulator"
	as_user mkdir "$WORK/simulator"
	exec 8> >(exec setsid "${USER_COMMAND[@]}" "$OMF_SIMULATOR_PROGRAM" \
		--http 0 --https 0 --directory "$WORK/simulator" \
		--until-stdin-closes 9>&- >"$out" 2>"$errors")
	pid=$!
	: >"$WORK/pids/$pid"
	if ! wait_for_line '^ready' "$out" "$pid"; then
		complain "the simulator did not get ready:"
		cat "$out" "$errors" >&2
		return 1
	fi
	OMF_HTTP=$(value_of http "$out")
	OMF_HTTPS=$(value_of https "$out")
	OMF_CA_FILE=$(value_of ca_file "$out")
	OMF_SIMULATOR=$OMF_HTTP
	export OMF_HTTP OMF_HTTPS OMF_CA_FILE OMF_SIMULATOR
	export_other_addresses "$out"
}

value_of()
{
	sed -n "s/^$1 //p" "$2" | head -n 1
}

# Further lines "name URL" become OMF_URL_NAME.
export_other_addresses()
{
	local name url
	while read -r name url; do
		case $name in
			http | https | ca_file | ready | '') ;;
			*)
				name=$(tr 'a-z-' 'A-Z_' <<<"$name")
				export "OMF_URL_$name=$url"
				;;
		esac
	done <"$1"
}

# wait_for_line PATTERN FILE PID [TRIES]: a twentieth of a second each.
wait_for_line()
{
	local tries=0
	until grep -qs "$1" "$2"; do
		kill -0 "$3" 2>/dev/null || return 1
		tries=$((tries + 1))
		[ "$tries" -lt "${4:-200}" ] || return 1
		sleep 0.05
	done
}

# The second time it is a copy.
make_data_folder()
{
	local empty=$WORK/empty
	[ -d "$empty" ] ||
		step "making a throw-away PostgreSQL $PG_MAJOR server" \
			"$PG_BIN/initdb" -D "$empty" -A trust -U postgres -N \
			-E UTF8 --locale=C.UTF-8 || return
	as_user rm -rf "$1" && as_user cp -a "$empty" "$1"
}

# A server of our own, reached over a Unix socket in the work folder only.
# Its superuser is named postgres, whoever runs this.  $1 is a file with
# settings for it.
start_server()
{
	local data=$WORK/data
	export PGHOST=$WORK/socket PGPORT=5432 PGUSER=postgres
	unset PGDATABASE PGSERVICE PGHOSTADDR PGPASSFILE PGOPTIONS
	as_user mkdir -p "$PGHOST"
	make_data_folder "$data" || return
	{
		cat "$TEMP_CONFIG" "$1"
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$PGHOST'"
		echo "fsync = off"
	} | as_user tee -a "$data/postgresql.conf" >/dev/null
	step "starting it" "$PG_BIN/pg_ctl" -D "$data" -w -s \
		-l "$WORK/logs/server.log" start
}

# What both commands begin with.
set_up()
{
	make_work_folder
	ensure_packages
	copy_for_build
	build || die "the build failed"
	export_environment || die "the staged extension cannot be used"
}

set_up_simulator()
{
	build_simulator || die "the simulator's build failed"
	start_simulator || die "no simulator"
}
