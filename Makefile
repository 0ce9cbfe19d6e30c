# online_migrations_fdw: DigitalOcean's online migrations in PostgreSQL
#
#   make                      build against the PostgreSQL of pg_config on PATH
#   make install              install into it (or below DESTDIR)
#   make test                 build, then run every test (test/run)
#   make unit | unit-valgrind | unit-asan | tap | dev | bench | lint | format
#
# Other PostgreSQL: make PG_CONFIG=/usr/lib/postgresql/17/bin/pg_config

EXTENSION = online_migrations_fdw
EXTVERSION = $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" $(EXTENSION).control)
MODULE_big = $(EXTENSION)
DATA = $(wildcard $(EXTENSION)--*.sql)
PGFILEDESC = "online_migrations_fdw - DigitalOcean online migrations in SQL"

SOURCES = $(wildcard src/*.c src/*/*.c)
OBJS = $(SOURCES:.c=.o)

PG_CONFIG ?= pg_config
PKG_CONFIG ?= pkg-config

# The server's headers are not ours to keep free of warnings.
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wold-style-definition \
	-Wundef -Wcast-qual -Wwrite-strings -Wformat=2 -Wmissing-prototypes \
	-Wno-missing-field-initializers -Wno-declaration-after-statement
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) -D_GNU_SOURCE \
	-DOMF_VERSION='"$(EXTVERSION)"' \
	$(shell $(PKG_CONFIG) --cflags libcurl json-c)

# Debian's PGXS tracks no header dependencies, so the compiler does.
PG_CFLAGS = $(WARNINGS) -MMD -MP $(OMF_CFLAGS)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs libcurl json-c) $(OMF_LDFLAGS)

EXTRA_CLEAN = src/*.d src/*/*.d

PGXS := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

-include $(SOURCES:.c=.d)

include test/unit/unit.mk
include test/bench/bench.mk

# PGXS owns "check" and "installcheck"; these are ours.
.PHONY: test tap dev lint format

test:
	test/run

tap:
	test/run 't/*'

dev:
	test/quickstart

format:
	clang-format -i $(SOURCES) $(wildcard src/*.h src/*/*.h) test/unit/*.c

lint:
	clang-format --dry-run -Werror $(SOURCES) $(wildcard src/*.h src/*/*.h)
	test/lint/layers
	test/lint/documents
