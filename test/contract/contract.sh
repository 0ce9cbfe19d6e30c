# shellcheck shell=bash
# test/run --contract: the extension against what the API's own OpenAPI
# document says.  Prism serves the document's examples and refuses requests
# that break it; in front of the simulator, as a proxy, it says where the
# simulator's answers do.

CONTRACT_CACHE=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/online_migrations_fdw

# One installation for each version of the lock file.
install_prism()
{
	local source=$TREE/test/contract version folder
	version=$(cksum <"$source/package-lock.json" | tr ' ' '-')
	folder=$CONTRACT_CACHE/prism-$version
	PRISM=$folder/node_modules/.bin/prism
	[ ! -x "$PRISM" ] || return 0
	mkdir -p "$folder"
	cp "$source/package.json" "$source/package-lock.json" "$folder/"
	# The cache and the document are those of whoever called.
	caller_step "installing Prism with npm" npm ci --prefix "$folder" \
		--ignore-scripts --no-audit --no-fund
}

# start_prism NAME COMMAND...: PRISM_URL is where it listens.
start_prism()
{
	local log=$WORK/logs/prism-$1.log
	heading "starting Prism ($1)"
	run_in_background "$PRISM" "$@" -h 127.0.0.1 -p 0 \
		</dev/null >"$log" 2>&1
	if ! wait_for_line 'Prism is listening' "$log" "$STEP_PID" 600; then
		tail -n 20 "$log" | sed 's/^/    | /'
		return 1
	fi
	PRISM_URL=$(sed -n 's/.*Prism is listening on \(http[^ ]*\).*/\1/p' "$log" |
		head -n 1)
}

start_both_prisms()
{
	start_prism mock --errors "$CONTRACT" || return
	export OMF_PRISM=$PRISM_URL OMF_PRISM_LOG=$WORK/logs/prism-mock.log
	start_prism proxy "$CONTRACT" "$OMF_HTTP" || return
	export OMF_PRISM_PROXY=$PRISM_URL
	export OMF_PRISM_PROXY_LOG=$WORK/logs/prism-proxy.log
}

# Done while the caller's proxies are still known.
prepare_contract()
{
	PRISM=
	[ -n "$CONTRACT" ] || return 0
	if have npm && have node; then
		install_prism || PRISM=
	else
		complain "npm and node are not here: the contract cannot be tried"
	fi
}

run_contract()
{
	local suite
	[ -n "$CONTRACT" ] || return 0
	heading "the contract: $(basename "$CONTRACT")"
	if [ -z "$PRISM" ] || ! start_both_prisms; then
		say "    not run"
		record 0 1
		return 0
	fi
	for suite in "$WORK"/tree/test/contract/*.pl; do
		run_tap_suite "$(basename "$suite" .pl)" "$suite"
	done
}
