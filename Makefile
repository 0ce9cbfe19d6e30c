# online_migrations_fdw: DigitalOcean's online migrations in PostgreSQL
#
#   make                      build against the PostgreSQL of pg_config on PATH
#   make install              install into it (or below DESTDIR)
#   make installcheck         pg_regress on a running server that has it
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

.DEFAULT_GOAL = all

ifeq ($(wildcard src/requirements),)
$(error $(EXTENSION) is built where its sources are: make -C that folder)
endif

# Some targets look for themselves after what they need, or need nothing; the
# others say what is missing, and stop.
SELF_HELP = test tap dev bench format lint clean distclean maintainer-clean \
	unit-clean bench-clean
UNIT_GOALS = unit unit-build unit-programs unit-valgrind unit-asan
BUILD_GOALS = $(filter-out $(SELF_HELP),$(or $(MAKECMDGOALS),all))
ifneq ($(BUILD_GOALS),)
ONLY = $(if $(filter-out $(UNIT_GOALS),$(BUILD_GOALS)),,libraries)
ifneq ($(shell src/requirements '$(PG_CONFIG)' '$(PKG_CONFIG)' \
	'$(firstword $(CC))' $(ONLY) && echo met),met)
$(error see above)
endif
endif

# The server's headers are not ours to keep free of warnings.
WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wold-style-definition \
	-Wundef -Wcast-qual -Wwrite-strings -Wformat=2 -Wmissing-prototypes \
	-Wno-missing-field-initializers -Wno-declaration-after-statement
PG_CPPFLAGS = -Isrc -isystem $(shell $(PG_CONFIG) --includedir-server) \
	-isystem $(shell $(PG_CONFIG) --includedir) -D_GNU_SOURCE \
	-DOMF_VERSION='"$(EXTVERSION)"' \
	$(shell $(PKG_CONFIG) --cflags libcurl)

# Debian's PGXS tracks no header dependencies, so the compiler does.
PG_CFLAGS = $(WARNINGS) -MMD -MP $(OMF_CFLAGS)
SHLIB_LINK_INTERNAL = $(libpq)
SHLIB_LINK = $(shell $(PKG_CONFIG) --libs libcurl) -pthread $(OMF_LDFLAGS)

EXTRA_CLEAN = src/*.d src/*/*.d

PGXS := $(shell command -v '$(PG_CONFIG)' >/dev/null && '$(PG_CONFIG)' --pgxs)
-include $(PGXS)

# Without PostgreSQL, what was built with it can still be removed.
ifeq ($(PGXS),)
clean distclean maintainer-clean: clean-without-pgxs
.PHONY: clean distclean maintainer-clean clean-without-pgxs
clean-without-pgxs:
	rm -f $(MODULE_big).so $(OBJS) $(OBJS:.o=.bc) $(EXTRA_CLEAN)
endif

-include $(SOURCES:.c=.d)

include test/unit/unit.mk
include test/bench/bench.mk

# PGXS owns "check" and "installcheck", which would do nothing.
installcheck: installcheck-with-simulator

.PHONY: test tap dev lint format installcheck-with-simulator

installcheck-with-simulator:
	PG_CONFIG='$(PG_CONFIG)' test/installcheck $(INSTALLCHECK)

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
