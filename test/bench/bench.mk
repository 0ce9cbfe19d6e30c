# The benchmark: the foreign table against a minimal C program.  The top
# Makefile includes this after PGXS.
#
#   make bench            set up, measure, print a table: test/bench/run
#   make bench-programs   only build: test/bench/bin/*
#
# It stands alone, too: test/bench/run has no need of the rest.

BENCH_DIR = test/bench
BENCH_BIN = $(BENCH_DIR)/bin
BENCH_CFLAGS = -std=gnu99 -D_GNU_SOURCE -O2 -g -Wall -Wextra $(WARNINGS) -I$(BENCH_DIR)

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config

.PHONY: bench bench-programs bench-clean

bench:
	test/bench/run

bench-programs: $(BENCH_BIN)/bench $(BENCH_BIN)/client

$(BENCH_BIN)/client: $(BENCH_DIR)/client.c
	@mkdir -p $(BENCH_BIN)
	$(CC) $(BENCH_CFLAGS) $(shell $(PKG_CONFIG) --cflags libcurl json-c) \
		-o $@ $< $(shell $(PKG_CONFIG) --libs libcurl json-c)

$(BENCH_BIN)/bench: $(filter-out %/client.c,$(wildcard $(BENCH_DIR)/*.c)) \
		$(wildcard $(BENCH_DIR)/*.h)
	@mkdir -p $(BENCH_BIN)
	$(CC) $(BENCH_CFLAGS) -I$(shell $(PG_CONFIG) --includedir) \
		-o $@ $(filter %.c,$^) -L$(shell $(PG_CONFIG) --libdir) -lpq

bench-clean:
	rm -rf $(BENCH_BIN)

clean: bench-clean
