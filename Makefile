# Segue's build. `make help` lists what there is to make.

VERSION := 0.1.0
BUILD ?= build
CC ?= cc

PACKAGES := libuv hiredis libcjson libjwt libcrypto
# What the same library is called: since its version 6, and before.
PACKAGES += $(shell pkg-config --exists msgpack-c && echo msgpack-c || echo msgpack)
# TLS to Redis is a part of hiredis since its version 1.
ifeq ($(shell pkg-config --exists hiredis_ssl && echo yes),yes)
PACKAGES += hiredis_ssl libssl
CPPFLAGS += -DSEGUE_REDIS_TLS
endif
# Debian 12 ships llhttp as C sources, later releases as a library.
ifeq ($(shell pkg-config --exists libllhttp && echo yes),yes)
PACKAGES += libllhttp
else
LLHTTP_SOURCES := $(wildcard /usr/share/llhttp/*.c)
LLHTTP_CFLAGS := -isystem /usr/share/include/llhttp
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wwrite-strings -Wvla \
	-Wundef -Wformat=2 -Wconversion -Wno-sign-conversion -Werror
OPTIMIZE ?= -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE
SANITIZE ?=
CPPFLAGS += -I. -I$(BUILD) $(LLHTTP_CFLAGS) $(shell pkg-config --cflags $(PACKAGES) | sed 's/-I/-isystem /g')
CFLAGS += -std=c11 -D_GNU_SOURCE -DSEGUE_VERSION='"$(VERSION)"' $(WARNINGS) $(OPTIMIZE) $(SANITIZE)
LDFLAGS += -pie -Wl,-z,relro,-z,now $(SANITIZE)
LDLIBS += $(shell pkg-config --libs $(PACKAGES)) -lwslay -lm

COMMON := $(wildcard common/*.c)
GATEWAY := $(wildcard gateway/*.c gateway/*/*.c)
OBJECTS := $(COMMON:%.c=$(BUILD)/%.o) $(GATEWAY:%.c=$(BUILD)/%.o) $(LLHTTP_SOURCES:/usr/share/llhttp/%.c=$(BUILD)/llhttp/%.o)
# What tests and tools link: everything but main.
LIBRARY := $(filter-out $(BUILD)/gateway/main.o,$(OBJECTS))
GENERATED := $(BUILD)/gen/scripts_table.h $(BUILD)/gen/pages_table.inc

.PHONY: all
all: $(BUILD)/segue $(BUILD)/segue.8 ## the gateway (default), and its manual

$(BUILD)/segue: $(OBJECTS)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# The binary tells what it can do: its table of options is the one place that knows.
$(BUILD)/segue.8: $(BUILD)/segue
	@$(BUILD)/segue --man-page >$@.new && mv $@.new $@

$(BUILD)/gen/scripts_table.h: scripts/lua-table $(wildcard scripts/lua/*.lua scripts/lua/lib/*.lua)
	scripts/lua-table $(BUILD)/gen

$(BUILD)/gen/pages_table.inc: scripts/embed-pages scripts/bundle-client $(wildcard gateway/web/*.* gateway/web/client/*.*)
	scripts/embed-pages $(BUILD)/gen

$(BUILD)/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gateway/store/scripts.o: $(BUILD)/gen/scripts_table.h
$(BUILD)/gateway/net/pages.o: $(BUILD)/gen/pages_table.inc
$(BUILD)/gateway/feeds/wisdom.o: gateway/feeds/wisdom.txt
$(BUILD)/gateway/config_manual.o: gateway/manual.txt

# Sources of the distribution: our warnings are not theirs.
$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(LLHTTP_CFLAGS) -I/usr/share/include/llhttp $(OPTIMIZE) $(SANITIZE) -c -o $@ $<

-include $(wildcard $(BUILD)/*/*.d $(BUILD)/*/*/*.d $(BUILD)/*/*/*/*.d)

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD)

# ---- install ----

PREFIX ?= /usr/local
UNITS_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system
DOC_DIR := $(DESTDIR)$(PREFIX)/share/doc/segue

.PHONY: install uninstall
install: all ## into DESTDIR and PREFIX (/usr/local): binary, manual, systemd units, examples of what stands around it
	install -D -m 755 $(BUILD)/segue $(DESTDIR)$(PREFIX)/bin/segue
	install -D -m 644 $(BUILD)/segue.8 $(DESTDIR)$(PREFIX)/share/man/man8/segue.8
	install -d $(UNITS_DIR) $(UNITS_DIR)/segue.service.d $(UNITS_DIR)/segue@.service.d $(DOC_DIR)
	for unit in segue.service segue@.service; do \
		sed 's|/usr/local/bin/|$(PREFIX)/bin/|' docker/systemd/$$unit >$(UNITS_DIR)/$$unit && chmod 644 $(UNITS_DIR)/$$unit && \
		install -m 644 docker/systemd/hardening.conf $(UNITS_DIR)/$$unit.d/ || exit 1; \
	done
	install -m 644 README.md docker/90-segue.conf docker/haproxy.cfg docker/nginx.conf docker/systemd/segue.env $(DOC_DIR)

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/segue $(DESTDIR)$(PREFIX)/share/man/man8/segue.8
	rm -rf $(UNITS_DIR)/segue.service $(UNITS_DIR)/segue@.service $(UNITS_DIR)/segue.service.d $(UNITS_DIR)/segue@.service.d $(DOC_DIR)

# ---- tests ----

UNITS := $(patsubst test/unit/%.c,$(BUILD)/unit/%,$(wildcard test/unit/test_*.c))
FUZZERS := $(patsubst test/fuzz/%.c,%,$(wildcard test/fuzz/fuzz_*.c))
REPLAYS := $(FUZZERS:%=$(BUILD)/fuzz/%)
NODE_TESTS := test/node_modules/.package-lock.json
# The binary that black-box tests run.
export SEGUE_BIN ?= $(abspath $(BUILD)/segue)

$(BUILD)/unit/%: $(BUILD)/test/unit/%.o $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

# A fuzz target with a plain main: replays the corpus under any compiler.
$(BUILD)/fuzz/%: $(BUILD)/test/fuzz/%.o $(BUILD)/test/fuzz/replay.o $(LIBRARY)
	@mkdir -p $(@D)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(NODE_TESTS): test/package-lock.json
	cd test && npm ci --no-fund --no-audit
	@touch $@

.PHONY: test unit units replay lua e2e e2e-front e2e-cluster e2e-sentinel client browser chaos
test: unit lua e2e ## unit, lua and e2e

units: $(UNITS) $(REPLAYS)

unit: units ## unit tests, and what the fuzzers once found
	@status=0; for test in $(UNITS); do $(RUN) $$test || status=1; done; exit $$status
	@$(MAKE) --no-print-directory replay

replay: $(REPLAYS)
	@for name in $(FUZZERS); do $(BUILD)/fuzz/$$name test/fuzz/corpus/$${name#fuzz_} || exit 1; done

lua: all $(NODE_TESTS) ## the scripts on a real redis-server
	node test/suite.mjs --side-by-side 2 test/lua/*.test.mjs

e2e: all bench-tools conformance releases $(NODE_TESTS) ## the gateway from outside, two processes and more
	node test/suite.mjs --side-by-side 4 test/e2e/*.test.mjs test/conformance/*.test.mjs

# Tests that do not care which process somebody is on, and read nothing from its counters.
FRONT_TESTS := chat_model chat_rest eio_handshake eio_upgrade feed_lines feed_socketio http_pages identity \
	player_bad_input player_messages player_reference rest_batch rest_once rest_server sio_auth sio_packets sio_playback \
	sio_playback_player sio_recovery websocket

e2e-front: all $(NODE_TESTS) ## the same from behind haproxy, as docker/haproxy.cfg has it
	SEGUE_TEST_FRONT=haproxy node test/suite.mjs --side-by-side 4 $(FRONT_TESTS:%=test/e2e/%.test.mjs)

# Tests of what is kept in Redis; redis_cluster and redis_sentinel, which choose for themselves, are part of e2e.
REDIS_TESTS := adapter bounds chat_lives chat_model chat_rest chat_rooms chat_space cluster_limits eio_handshake eio_polling \
	eio_upgrade eio_websocket endings feed_heartbeat feed_lines feed_lives feed_messages feed_socketio identity limits metrics \
	model player_bad_input player_ghost player_messages player_reference redis_away releases rest_batch rest_carplay rest_once \
	rest_server sio_auth sio_bounds sio_clients sio_no_stickiness sio_packets sio_playback sio_playback_player \
	sio_recovery sio_redis_away

e2e-cluster: all releases $(NODE_TESTS) ## the same on a cluster of Redis
	SEGUE_TEST_REDIS=cluster node test/suite.mjs --side-by-side 4 $(REDIS_TESTS:%=test/e2e/%.test.mjs)

e2e-sentinel: all releases $(NODE_TESTS) ## the same on a master that sentinels watch
	SEGUE_TEST_REDIS=sentinel node test/suite.mjs --side-by-side 4 $(REDIS_TESTS:%=test/e2e/%.test.mjs)

client: all $(NODE_TESTS) ## the client library: with a clock in hand, on real processes, in Chromium, its types
	node test/suite.mjs --side-by-side 2 test/client/*.test.mjs

browser: all $(NODE_TESTS) ## the pages in headless Chromium
	node test/suite.mjs --side-by-side 1 test/browser/*.test.mjs

chaos: all $(NODE_TESTS) ## kill -9, Redis loss, mass resets
	node test/suite.mjs --side-by-side 1 test/chaos/*.test.mjs

SOAK_SECONDS ?= 600
.PHONY: soak
soak: all $(NODE_TESTS) ## everything in use for SOAK_SECONDS (600): is the memory flat?
	node test/soak/soak.mjs $(SOAK_SECONDS)

.PHONY: roll
roll: all $(NODE_TESTS) ## a rolling deploy under 10,000 clients: is everybody back, and nothing lost?
	node test/chaos/roll.mjs

.PHONY: asan asan-build valgrind fuzz cover clang
ASAN := BUILD=build/asan OPTIMIZE="-O1 -g -fno-omit-frame-pointer" SANITIZE="-fsanitize=address,undefined -fno-sanitize-recover=undefined"

asan-build: ## the gateway and its unit tests with AddressSanitizer and UBSan, in build/asan
	@$(MAKE) --no-print-directory $(ASAN) all units

asan: asan-build ## unit, lua and e2e under AddressSanitizer and UBSan
	@$(MAKE) --no-print-directory $(ASAN) SEGUE_TEST_SLOW=3 SEGUE_BIN=$(abspath build/asan/segue) test

clang: ## everything once more with clang, in build/clang
	@$(MAKE) --no-print-directory CC=clang BUILD=build/clang all units

valgrind: units ## unit tests under valgrind
	@$(MAKE) --no-print-directory unit RUN="valgrind -q --leak-check=full --error-exitcode=1"

FUZZ_SECONDS ?= 60
fuzz: ## fuzz every parser for FUZZ_SECONDS (60) each; new finds go to build/fuzz-corpus
	@$(MAKE) --no-print-directory CC=clang BUILD=build/fuzzing \
		OPTIMIZE="-O1 -g" SANITIZE="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined" fuzz-run

.PHONY: fuzz-run
fuzz-run: $(LIBRARY) $(FUZZERS:%=$(BUILD)/test/fuzz/%.o)
	@for name in $(FUZZERS); do \
		echo "  FUZZ  $$name"; \
		mkdir -p build/fuzz-corpus/$$name; \
		clang $(LDFLAGS) -fsanitize=fuzzer -o $(BUILD)/$$name $(BUILD)/test/fuzz/$$name.o $(LIBRARY) $(LDLIBS) && \
		$(BUILD)/$$name -max_total_time=$(FUZZ_SECONDS) -rss_limit_mb=1024 -print_final_stats=0 -verbosity=0 \
			build/fuzz-corpus/$$name test/fuzz/corpus/$${name#fuzz_} || exit 1; \
	done

cover: ## line coverage of the unit tests, in build/cover
	@$(MAKE) --no-print-directory BUILD=build/cover OPTIMIZE="-O0 -g" SANITIZE="--coverage" unit
	gcovr -r . build/cover --exclude test --txt

# ---- benchmark ----

# The generator calls the transitions as the gateway does, by the same table and the same schema.
BENCH := $(patsubst %.c,$(BUILD)/%.o,$(filter-out test/bench/floor.c,$(wildcard test/bench/*.c)) \
	$(COMMON) gateway/store/keys.c gateway/store/resp.c gateway/store/scripts.c)

.PHONY: bench-tools
bench-tools: $(BUILD)/segue-bench $(BUILD)/segue-floor ## the load generator, and the server that only frames and forwards

$(BUILD)/segue-bench: $(BENCH)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/segue-floor: $(BUILD)/test/bench/floor.o $(COMMON:%.c=$(BUILD)/%.o)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/unit/test_bench: $(BUILD)/test/bench/frame.o $(BUILD)/test/bench/hist.o $(BUILD)/test/bench/update.o \
	$(BUILD)/test/bench/fetch.o

# ---- conformance ----

# The same objects, but for the table of protocols.
CONFORMANCE := $(patsubst %.c,$(BUILD)/%.o,$(wildcard test/conformance/*.c)) \
	$(filter-out $(BUILD)/gateway/proto/table.o,$(OBJECTS))

.PHONY: conformance
conformance: $(BUILD)/segue-conformance ## the gateway with echoes, for suites of Engine.IO, Socket.IO and WebSocket

$(BUILD)/segue-conformance: $(CONFORMANCE)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

# ---- other releases ----

# What a later release might be, for tests of processes of two releases on one Redis: other parts of the scripts, and the version
# of the envelopes that they publish.
RELEASED := gateway/main gateway/newer gateway/hub/msg gateway/store/scripts

.PHONY: releases
releases: $(BUILD)/segue-next $(BUILD)/segue-ahead $(BUILD)/segue-beyond ## gateways of later releases; see test/releases

define release
$(BUILD)/$(1)/gen/scripts_table.h: scripts/lua-table $(wildcard scripts/lua/*.lua scripts/lua/lib/*.lua) test/releases/$(1)/lib/time.lua
	scripts/lua-table $(BUILD)/$(1)/gen test/releases/$(1)

$(BUILD)/$(1)/%.o: %.c $(BUILD)/$(1)/gen/scripts_table.h | $(GENERATED)
	@mkdir -p $$(@D)
	@echo "  CC    $$< ($(1))"
	@$(CC) -I$(BUILD)/$(1) $(CPPFLAGS) $(CFLAGS) -DMSG_VERSION=$(2) -MMD -MP -c -o $$@ $$<

$(BUILD)/segue-$(1): $(RELEASED:%=$(BUILD)/$(1)/%.o) $(filter-out $(RELEASED:%=$(BUILD)/%.o),$(OBJECTS))
	@echo "  LINK  $$@"
	@$(CC) $(LDFLAGS) -o $$@ $$^ $(LDLIBS)
endef
$(eval $(call release,next,1))
$(eval $(call release,ahead,2))
$(eval $(call release,beyond,2))

# ---- checks ----

SOURCES := $(wildcard common/*.[ch] gateway/*.[ch] gateway/*/*.[ch] test/unit/*.[ch] test/fuzz/*.[ch] test/bench/*.[ch] test/conformance/*.[ch])

.PHONY: format format-check lint deploy-check check compdb bench
format: ## clang-format over all C
	clang-format -i $(SOURCES)

format-check: ## ... or complain
	@clang-format --dry-run --Werror $(SOURCES)

lint: $(GENERATED) ## clang-tidy, cppcheck, shellcheck, luacheck, include direction, sizes
	@scripts/lint $(BUILD) '$(CPPFLAGS) -std=c11 -D_GNU_SOURCE -DSEGUE_VERSION="$(VERSION)"'

deploy-check: all ## what is in docker/, each file by its own tool: haproxy, nginx, docker-compose, promtool, systemd-analyze
	@scripts/deploy-check $(BUILD)

check: format-check lint clang deploy-check ## what CI checks besides the tests

compdb: ## compile_commands.json
	bear -- $(MAKE) -B all units

bench: ## measure; see scripts/bench --help
	scripts/bench

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' Makefile | awk -F '\t' '{printf "  make %-14s %s\n", $$1, $$2}'

# Objects of tests are kept: a change of one test builds one test.
.SECONDARY:
