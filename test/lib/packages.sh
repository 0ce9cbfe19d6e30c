# shellcheck shell=bash
# Which Debian packages the commands under test/ need, and how the missing
# ones come.  Where nothing is missing, apt is not called.
#
# Sets PG_MAJOR and PG_BIN.  EXTRA_PACKAGES is for what one command needs more,
# and add_packages for what it can do without.

# The oldest PostgreSQL that the extension supports.
OLDEST_POSTGRES=15

# One requirement a word; a|b is met by either, and a is what gets installed.
base_packages()
{
	echo "make gcc libc6-dev pkgconf|pkg-config ca-certificates perl libipc-run-perl" \
		"libcurl4-openssl-dev|libcurl4-gnutls-dev" \
		"$(simulator_packages) ${EXTRA_PACKAGES:-}"
}

simulator_packages()
{
	echo "libssl-dev libnghttp2-dev libevent-dev libjson-c-dev"
}

# With PG_CONFIG set the user brings a PostgreSQL of their own.
postgres_packages()
{
	if [ -z "${PG_CONFIG:-}" ]; then
		echo "postgresql-$1 postgresql-server-dev-$1 libpq-dev"
	fi
}

package_installed()
{
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

requirement_met()
{
	local package
	for package in ${1//|/ }; do
		package_installed "$package" && return 0
	done
	return 1
}

missing_of()
{
	local requirement
	for requirement in "$@"; do
		requirement_met "$requirement" || printf '%s ' "${requirement%%|*}"
	done
}

# The newest server on the machine, so that nothing is installed beside it.
installed_postgres()
{
	local folder major newest=
	for folder in /usr/lib/postgresql/*/bin; do
		[ -x "$folder/postgres" ] || continue
		major=$(basename "$(dirname "$folder")")
		[ "$major" -ge "$OLDEST_POSTGRES" ] || continue
		if [ "$major" -gt "${newest:-0}" ]; then
			newest=$major
		fi
	done
	echo "$newest"
}

# What the metapackage "postgresql" of the release depends on.
archive_postgres()
{
	apt-cache show --no-all-versions postgresql 2>/dev/null |
		sed -n 's/^Depends:.*postgresql-\([0-9][0-9]*\).*/\1/p' | head -n 1
}

# The mirror of the machine's own Debian; empty where there is none.
debian_mirror()
{
	if [ -n "${OMF_MIRROR:-}" ]; then
		echo "$OMF_MIRROR"
		return 0
	fi
	# shellcheck disable=SC2016 # apt's own placeholders
	apt-get indextargets --format '$(REPO_URI) $(COMPONENT)' \
		'Created-By: Packages' 2>/dev/null |
		sed -n 's,/* main$,,p' | grep '/debian$' | head -n 1
}

# A user's password, if sudo wants one, is asked for before anything runs in
# the background; without a terminal nobody could type it.
get_root()
{
	[ "$(id -u)" -ne 0 ] || return 0
	have sudo ||
		die "packages are missing ($*): run this as root, or install sudo"
	sudo -n true 2>/dev/null && return 0
	[ -t 0 ] || die "packages are missing ($*), and sudo asks for a password"
	say "Packages are missing ($*): sudo may ask for your password."
	sudo -v
}

# Tried once: where it fails it would again, after a long wait.
PACKAGE_LISTS=
read_package_lists()
{
	if [ -z "$PACKAGE_LISTS" ]; then
		PACKAGE_LISTS=read
		root_step "reading apt's lists of packages" \
			apt-get -q -o DPkg::Lock::Timeout=300 update ||
			PACKAGE_LISTS=unreadable
	fi
	[ "$PACKAGE_LISTS" = read ]
}

ensure_packages()
{
	local requirements missing
	if ! have apt-get || ! have dpkg-query; then
		complain "no apt here: taking it that all that is needed is there"
		choose_postgres
		return 0
	fi
	PG_MAJOR=$(installed_postgres)
	# shellcheck disable=SC2046 # words are wanted
	missing=$(missing_of $(base_packages))
	if [ -z "${PG_CONFIG:-}" ]; then
		# shellcheck disable=SC2046
		missing+=$(missing_of $(postgres_packages "${PG_MAJOR:-of-the-release}"))
	fi
	if [ -z "$missing" ]; then
		heading "packages: all there"
		choose_postgres
		return 0
	fi
	get_root "$missing"
	read_package_lists || die "apt cannot read its lists of packages"
	if [ -z "$PG_MAJOR" ]; then
		PG_MAJOR=$(archive_postgres)
		[ -n "$PG_MAJOR" ] || die "this release's archive has no PostgreSQL"
		[ "$PG_MAJOR" -ge "$OLDEST_POSTGRES" ] || [ -n "${PG_CONFIG:-}" ] ||
			die "PostgreSQL $PG_MAJOR is older than $OLDEST_POSTGRES"
	fi
	requirements="$(base_packages) $(postgres_packages "$PG_MAJOR")"
	# shellcheck disable=SC2086
	missing=$(missing_of $requirements)
	# shellcheck disable=SC2086
	root_step "installing $missing" bash "$LIB/install-packages" $missing ||
		die "apt could not install what is missing"
	choose_postgres
}

# add_packages PURPOSE REQUIREMENT...: true when they are there in the end.
# Nobody is asked for a password on their account.
add_packages()
{
	local purpose=$1 missing
	shift
	if ! have apt-get || ! have dpkg-query; then
		return 0
	fi
	missing=$(missing_of "$@")
	[ -n "$missing" ] || return 0
	if [ "$(id -u)" -ne 0 ] && ! sudo -n true 2>/dev/null; then
		complain "no root to install ${missing% }: $purpose is left out"
		return 1
	fi
	# shellcheck disable=SC2086
	if ! read_package_lists ||
		! root_step "installing $missing" bash "$LIB/install-packages" $missing; then
		complain "no ${missing% }: $purpose is left out"
		return 1
	fi
}

# add_cron PURPOSE: pg_cron, where apt has it for this PostgreSQL.  True when
# it is there in the end.
add_cron()
{
	local package=postgresql-$PG_MAJOR-cron control
	control=$("$PG_CONFIG" --sharedir)/extension/pg_cron.control
	[ ! -e "$control" ] || return 0
	if [ "$PG_BIN" != "/usr/lib/postgresql/$PG_MAJOR/bin" ] || ! have apt-cache ||
		[ -z "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ]; then
		complain "no $package: $1 is left out"
		return 1
	fi
	add_packages "$1" "$package" && [ -e "$control" ]
}

# add_mysql PURPOSE: mysql_fdw, where apt has it for this PostgreSQL, and a
# server that it can ask.  True when they are there in the end.
add_mysql()
{
	local package=postgresql-$PG_MAJOR-mysql-fdw control
	control=$("$PG_CONFIG" --sharedir)/extension/mysql_fdw.control
	if [ ! -e "$control" ] && { [ "$PG_BIN" != "/usr/lib/postgresql/$PG_MAJOR/bin" ] ||
		! have apt-cache ||
		[ -z "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ]; }; then
		complain "no $package: $1 is left out"
		return 1
	fi
	[ -e "$control" ] || add_packages "$1" "$package" || return 1
	add_packages "$1" mariadb-server-core mariadb-client-core &&
		[ -e "$control" ]
}

choose_postgres()
{
	if [ -z "${PG_CONFIG:-}" ]; then
		if [ -n "${PG_MAJOR:-}" ] &&
			[ -x "/usr/lib/postgresql/$PG_MAJOR/bin/pg_config" ]; then
			PG_CONFIG=/usr/lib/postgresql/$PG_MAJOR/bin/pg_config
		else
			PG_CONFIG=$(command -v pg_config) || die "no pg_config found"
		fi
	fi
	PG_BIN=$("$PG_CONFIG" --bindir)
	PG_MAJOR=$("$PG_CONFIG" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
	[ -x "$PG_BIN/postgres" ] || die "no server in $PG_BIN"
}
