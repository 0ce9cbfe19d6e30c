# The unit tests: modules of src/ that know nothing of PostgreSQL, tried alone.
# The top Makefile includes this after PGXS.
#
#   make unit            build and run them
#   make unit-build      only build: test/unit/bin/test_*, which print TAP
#   make unit-valgrind   run them under valgrind
#   make unit-asan       build them with gcc's sanitizers, below bin/.asan, and run them

UNIT_DIR = test/unit
UNIT_BIN = $(UNIT_DIR)/bin

# Every test, and the modules of src/ and test/unit/ that go into it.
UNIT_TESTS = test_json test_reply test_retry test_api_time test_endpoint test_proxy test_api \
	test_pollset test_signals test_budget test_engine test_exchange test_wait_state
UNIT_PROGRAMS = $(addprefix $(UNIT_BIN)/,$(UNIT_TESTS))

modules_test_json = json
modules_test_reply = reply
modules_test_retry = retry reply
modules_test_api_time = api_time reply
modules_test_budget = budget api_time reply
modules_test_endpoint = endpoint
modules_test_proxy = proxy
modules_test_api = api disguise mask resource json reply retry
modules_test_pollset = pollset
modules_test_signals = signals
modules_test_engine = engine budget api_time disguise json http failure name proxy drive_limit signals sockets pollset reply retry
helpers_test_engine = fixture server
modules_test_exchange = $(modules_test_engine)
helpers_test_exchange = $(helpers_test_engine)
modules_test_wait_state = wait_state resource

UNIT_CFLAGS = -std=gnu99 -D_GNU_SOURCE -DOMF_VERSION='"test"' -O1 -g \
	$(WARNINGS) -Isrc -I$(UNIT_DIR) \
	$(shell $(PKG_CONFIG) --cflags libcurl) $(OMF_CFLAGS) $(UNIT_SANITIZE)
UNIT_LIBS = $(shell $(PKG_CONFIG) --libs libcurl) $(OMF_LDFLAGS)

.PHONY: unit unit-build unit-programs unit-clean unit-valgrind unit-asan

unit: unit-build
	@failed=0; \
	for program in $(UNIT_PROGRAMS); do \
		if $(UNIT_RUN) $$program >$$program.tap 2>&1; then \
			echo "$$program: $$(grep -c '^ok' $$program.tap) passed"; \
		else \
			failed=1; \
			echo "$$program FAILED"; \
			grep -v '^ok' $$program.tap; \
		fi; \
	done; \
	exit $$failed

# The second name is the one that test/run asks for.
unit-build unit-programs: $(UNIT_PROGRAMS)

unit-valgrind: unit-build
	@$(MAKE) --no-print-directory unit UNIT_RUN='valgrind --quiet \
		--leak-check=full --show-leak-kinds=definite,indirect,possible \
		--errors-for-leak-kinds=definite,indirect,possible \
		--track-fds=no --error-exitcode=99'

unit-asan:
	@ASAN_OPTIONS=detect_leaks=1 $(MAKE) --no-print-directory unit \
		UNIT_BIN=$(UNIT_BIN)/.asan \
		UNIT_SANITIZE='-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer'

unit-clean:
	rm -rf $(UNIT_DIR)/bin

clean: unit-clean

# Objects of their own: those of the extension are built against PostgreSQL.
$(UNIT_BIN)/src_%.o: src/client/%.c
	@mkdir -p $(UNIT_BIN)
	$(CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT_BIN)/src_%.o: src/functions/%.c
	@mkdir -p $(UNIT_BIN)
	$(CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

$(UNIT_BIN)/%.o: $(UNIT_DIR)/%.c
	@mkdir -p $(UNIT_BIN)
	$(CC) $(UNIT_CFLAGS) -MMD -MP -c -o $@ $<

define unit_program
$(UNIT_BIN)/$(1): $(patsubst %,$(UNIT_BIN)/%.o,$(1) tap $(helpers_$(1))) \
		$(patsubst %,$(UNIT_BIN)/src_%.o,$(modules_$(1)))
	$$(CC) $$(UNIT_CFLAGS) -o $$@ $$^ $$(UNIT_LIBS)
endef
$(foreach test,$(UNIT_TESTS),$(eval $(call unit_program,$(test))))

-include $(wildcard $(UNIT_BIN)/*.d)
