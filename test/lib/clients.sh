# shellcheck shell=bash
# The poolers and clients that t/014_pgbouncer and t/015_clients try.  None of
# them is needed: what can't be had is left out, and the tests say so.
#
# Exports OMF_CLIENTS, the clients to try.

CLIENT_CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/online_migrations_fdw

prepare_clients()
{
	if wanted t/014_pgbouncer; then
		add_packages "PgBouncer" pgbouncer || true
	fi
	if wanted t/015_clients; then
		prepare_small_clients
		[ -z "${OMF_TEST_ALL:-}" ] || prepare_large_clients
		export OMF_CLIENTS
	fi
}

# psql is there with the server; it cancels only at a terminal.
prepare_small_clients()
{
	OMF_CLIENTS=psql
	add_packages "psql at a terminal" libio-pty-perl || true
	if add_packages "psycopg" python3-psycopg; then
		OMF_CLIENTS+=" psycopg"
	fi
}

prepare_large_clients()
{
	local jdk="default-jdk-headless|openjdk-17-jdk-headless"
	jdk+="|openjdk-21-jdk-headless|openjdk-25-jdk-headless"
	if add_packages "JDBC" "$jdk" libpostgresql-jdbc-java; then
		OMF_CLIENTS+=" jdbc"
	fi
	if install_node_postgres; then
		OMF_CLIENTS+=" node"
	fi
}

# One installation for each version of the lock file.  The tests get a copy,
# as their user may not be able to read the cache.
install_node_postgres()
{
	local source=$TREE/test/clients version folder
	if ! have npm || ! have node; then
		complain "no npm and node here: node-postgres is left out"
		return 1
	fi
	version=$(cksum <"$source/package-lock.json" | tr ' ' '-')
	folder=$CLIENT_CACHE/node-postgres-$version
	if [ ! -d "$folder/node_modules/pg" ]; then
		mkdir -p "$folder"
		cp "$source/package.json" "$source/package-lock.json" "$folder/"
		if ! caller_step "installing node-postgres with npm" npm ci \
			--prefix "$folder" --ignore-scripts --no-audit --no-fund; then
			complain "npm could not install it: node-postgres is left out"
			return 1
		fi
	fi
	cp -r --no-preserve=all "$folder/node_modules" "$WORK/tree/test/clients/"
}
