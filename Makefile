# Segue's build. `make help` lists what there is to make.

VERSION := 0.1.0
BUILD ?= build
CC ?= cc

PACKAGES := libuv hiredis libcjson libjwt libcrypto
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
LDLIBS += $(shell pkg-config --libs $(PACKAGES)) -lwslay

COMMON := $(wildcard common/*.c)
GATEWAY := $(wildcard gateway/*.c gateway/*/*.c)
OBJECTS := $(COMMON:%.c=$(BUILD)/%.o) $(GATEWAY:%.c=$(BUILD)/%.o) $(LLHTTP_SOURCES:/usr/share/llhttp/%.c=$(BUILD)/llhttp/%.o)
# What tests and tools link: everything but main.
LIBRARY := $(filter-out $(BUILD)/gateway/main.o,$(OBJECTS))
GENERATED := $(BUILD)/gen/scripts_table.h $(BUILD)/gen/pages_table.inc

.PHONY: all
all: $(BUILD)/segue $(BUILD)/segue-token ## the gateway and the token tool (default)

$(BUILD)/segue: $(OBJECTS)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/segue-token: $(BUILD)/common/tools/token.o $(LIBRARY)
	@echo "  LINK  $@"
	@$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(BUILD)/gen/scripts_table.h: scripts/lua-table $(wildcard scripts/lua/*.lua scripts/lua/lib/*.lua)
	scripts/lua-table $(BUILD)/gen

$(BUILD)/gen/pages_table.inc: scripts/embed-pages $(wildcard gateway/web/*)
	scripts/embed-pages $(BUILD)/gen

$(BUILD)/%.o: %.c | $(GENERATED)
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gateway/store/scripts.o: $(BUILD)/gen/scripts_table.h
$(BUILD)/gateway/net/pages.o: $(BUILD)/gen/pages_table.inc

# Sources of the distribution: our warnings are not theirs.
$(BUILD)/llhttp/%.o: /usr/share/llhttp/%.c
	@mkdir -p $(@D)
	@echo "  CC    $<"
	@$(CC) $(LLHTTP_CFLAGS) -I/usr/share/include/llhttp $(OPTIMIZE) $(SANITIZE) -c -o $@ $<

-include $(OBJECTS:.o=.d)

.PHONY: clean
clean: ## remove everything that was built
	rm -rf $(BUILD)
