# banter: terminal chat with its own inference engine.  GNU make; `make help` lists the goals.
# Knobs: V=1 (show commands)  INSTALL=no  SANITIZE=address,undefined  BUILD=dir  WERROR= (empty: warnings pass)

NAME    := banter
VERSION := 0.1.0
PREFIX  ?= /usr/local
BINDIR  ?= $(PREFIX)/bin
MANDIR  ?= $(PREFIX)/share/man
DATADIR ?= $(PREFIX)/share/$(NAME)
CFLAGS  ?= -O2 -g
WERROR  ?= -Werror
PYTHON  := /usr/bin/python3

# ---- trees: one for each kind of build, so that variants never need a clean ---------------------
comma := ,
ifdef SANITIZE
BUILD ?= build/$(subst $(comma),-,$(SANITIZE))
sanitize := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
else
harden := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
endif
BUILD ?= build/release

std  := -std=c11 -D_GNU_SOURCE
warn := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
        -Wpointer-arith -Wwrite-strings -Wvla -Wundef -Wformat=2 -Wconversion -Wno-sign-conversion \
        -Wdouble-promotion $(WERROR)
# -ffp-contract=off: a fused multiply-add appears only where the source says fma; see ARCHITECTURE.md.
base := $(std) $(warn) -fno-common -ffp-contract=off -fPIE -pthread $(harden) $(sanitize) -MMD -MP -I. \
        -DBANTER_VERSION='"$(VERSION)"' -DBANTER_DATADIR='"$(DATADIR)"'
link := -pie -Wl,-z,relro,-z,now -pthread $(sanitize) $(LDFLAGS)

# ---- sources: a folder's name says what lives there ------------------------------------------------
engine_c := $(wildcard engine/*.c engine/*/*.c)
ui_c     := $(wildcard ui/*.c)
config_c := $(wildcard config/*.c)
app_c    := $(filter-out app/main.c,$(wildcard app/*.c))

# An ISA flag belongs to single kernel files, named by their suffix, and to nothing else.
machine := $(shell uname -m)
ifneq ($(machine),x86_64)
engine_c := $(filter-out %_avx2.c %_avx512.c,$(engine_c))
endif
ifeq ($(filter aarch64 arm64,$(machine)),)
engine_c := $(filter-out %_neon.c,$(engine_c))
endif
$(BUILD)/engine/kernels/%_avx2.o:   isa := -mavx2 -mfma -mf16c
$(BUILD)/engine/kernels/%_avx512.o: isa := -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni
# gcc's early scheduling takes loads so far ahead that sums leave the registers; clang has none, and says so.
$(BUILD)/engine/kernels/%_neon.o:   isa := -march=armv8.2-a+dotprod+fp16 -fno-schedule-insns -Wno-ignored-optimization-argument
$(BUILD)/engine/train/%_avx2.o:     isa := -mavx2 -mfma
$(BUILD)/engine/train/%_avx512.o:   isa := -mavx2 -mfma -mavx512f -mavx512bw -mavx512vl -mavx512dq -mprefer-vector-width=512
# Unrolled vector code: compilers need minutes to put UBSan's checks (or libFuzzer's counters) into
# it.  ASan watches its memory.
ifdef SANITIZE
isa_sanitize := -fno-sanitize=undefined
# The scans in plain C are unrolled too; gcc's notes for the debugger take longest.
$(BUILD)/engine/train/scan_generic.o: optimise := -O2 -fno-var-tracking
endif
$(BUILD)/engine/kernels/%_avx2.o $(BUILD)/engine/kernels/%_avx512.o: isa += $(isa_sanitize)
$(BUILD)/engine/train/%_avx2.o $(BUILD)/engine/train/%_avx512.o: isa += $(isa_sanitize)
$(BUILD)/engine/kernels/%.o:        optimise := -O3
$(BUILD)/engine/train/%.o:          optimise := -O3

obj  = $(patsubst %.c,$(BUILD)/%.o,$(1))
libs := $(BUILD)/libapp.a $(BUILD)/libui.a $(BUILD)/libconfig.a $(BUILD)/libbanter.a
ldlibs := -lncursesw -ltinfo -lreadline -lutf8proc -lyaml -ljansson -lxxhash $(LDLIBS)

ifneq ($(V),1)
Q := @
say = @printf '  %-5s %s\n' $(1) $(2);
endif

# ---- goals -----------------------------------------------------------------------------------------
.PHONY: all chat run guide check check-programs gate bench asan ubsan tsan fuzz lint layers format install \
        uninstall dist clean help packages-chat packages-check
all: $(BUILD)/$(NAME)

$(BUILD)/libbanter.a: $(call obj,$(engine_c))
$(BUILD)/libui.a:     $(call obj,$(ui_c))
$(BUILD)/libconfig.a: $(call obj,$(config_c))
$(BUILD)/libapp.a:    $(call obj,$(app_c))
$(BUILD)/%.a:
	$(call say,AR,$@)$(RM) $@ && $(AR) rcs $@ $^
$(BUILD)/$(NAME): $(BUILD)/app/main.o $(libs)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(link) -o $@ $^ $(ldlibs)
$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(base) $(CFLAGS) $(optimise) $(isa) -c -o $@ $<

# Each tests/unit/NAME.c and tests/bench/NAME.c is a program of its own.
unit_programs  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/unit/*.c))
bench_programs := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/bench/*.c))
fuzz_programs  := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/fuzz/*.c))
$(BUILD)/tests/unit/%: $(BUILD)/tests/unit/%.o $(libs)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(link) -o $@ $^ $(ldlibs) -lcmocka -lm
$(BUILD)/tests/gate/%: $(BUILD)/tests/gate/%.o $(libs)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(link) -o $@ $^ $(ldlibs) -lm
$(BUILD)/tests/bench/%: $(BUILD)/tests/bench/%.o $(libs)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(link) -o $@ $^ $(ldlibs) -lm
.SECONDARY:

# ---- running and testing ---------------------------------------------------------------------------
run: all
	$(BUILD)/$(NAME) $(ARGS)
chat: packages-chat
	$(Q)$(MAKE) --no-print-directory all
	$(Q)exec $(BUILD)/$(NAME) $(if $(MODEL),--model '$(MODEL)') $(ARGS)

# The model in the box, from scratch: hours.  What is there is kept, and a training that was stopped goes on.
guide_tree := build/guide
recipe      = BANTER=$(BUILD)/$(NAME) TREE=$(guide_tree) sh config/models/recipe.sh
guide: all $(guide_tree)/grades.txt
	$(Q)$(recipe) told
$(guide_tree)/data:             | $(BUILD)/$(NAME)
	$(Q)$(recipe) data
$(guide_tree)/vocabulary.gguf:  | $(guide_tree)/data
	$(Q)$(recipe) vocabulary
$(guide_tree)/guide.gguf $(guide_tree)/guide-draft.gguf: $(guide_tree)/%.gguf: | $(guide_tree)/vocabulary.gguf
	$(Q)$(recipe) $*
$(guide_tree)/grades.txt: $(guide_tree)/guide.gguf $(guide_tree)/guide-draft.gguf
	$(Q)$(recipe) grades

# The last line of `make check` is "N passed, N failed, N skipped".  T=PATTERN selects tests.
check: packages-check
	$(Q)$(MAKE) --no-print-directory layers check-programs
	$(Q)BUILD=$(BUILD) $(PYTHON) tests/run.py $(T)
check-programs: all $(unit_programs)
bench: all $(bench_programs)
	$(Q)for program in $(bench_programs); do $$program $(ARGS) || exit 1; done
asan:
	$(Q)$(MAKE) --no-print-directory SANITIZE=address,undefined check
ubsan:
	$(Q)$(MAKE) --no-print-directory SANITIZE=undefined check
# Thread checks are for the engine; the screen has one thread.
tsan:
	$(Q)$(MAKE) --no-print-directory SANITIZE=thread T='$(or $(T),engine event_ring session pool)' check
gate: lint
	$(Q)$(MAKE) --no-print-directory check
	$(Q)$(MAKE) --no-print-directory gate-policies
	$(Q)$(MAKE) --no-print-directory check-neon
	$(Q)$(MAKE) --no-print-directory asan
	$(Q)$(MAKE) --no-print-directory tsan
	$(Q)$(MAKE) --no-print-directory fuzz SECONDS=60

# 1,000 prompts by every policy, the same bytes: some ten minutes.
.PHONY: gate-policies
gate-policies: all $(BUILD)/tests/gate/policies
	$(Q)$(RM) -r $(BUILD)/gate && $(BUILD)/$(NAME) dataset --out $(BUILD)/gate --size 1
	$(Q)$(BUILD)/tests/gate/policies config/models/guide.gguf config/models/guide-draft.gguf \
	    $(BUILD)/gate/held-out.jsonl $(ARGS)

# The NEON level on a machine of another family: the engine is cross-compiled and its tests run under
# qemu, with a small stand-in for cmocka; config, ui and app are compiled only, their libraries being
# those of this machine.  Of the tests that need no other library: those that say something about a
# processor, or soon end under an emulator.  A Cortex-A53 has no sdot: it must be given the plain level.
neon_tests := kernel_level kernels kernels_math tensor_type golden_bytes pool event_ring gguf vocabulary \
              tokenizer detokenizer template chat train_rows
neon_tree := build/neon
neon_cc   := aarch64-linux-gnu-gcc
qemu      := $(firstword $(foreach name,qemu-aarch64 qemu-aarch64-static,$(shell command -v $(name))))
.PHONY: check-neon cross-programs
check-neon:
	$(Q)if [ -z '$(qemu)' ] || ! command -v $(neon_cc) >/dev/null; then \
	    echo 'check-neon: skipped: it needs $(neon_cc) and qemu-aarch64 (Debian: $(packages_neon))'; exit 0; fi; \
	$(MAKE) --no-print-directory machine=aarch64 CC=$(neon_cc) AR=$(subst gcc,ar,$(neon_cc)) BUILD=$(neon_tree) \
	    CFLAGS='-O2 -g -Itests/neon -DXXH_INLINE_ALL' cross-programs || exit 1; \
	failed=; run() { BANTER_TEST_LEVEL=$$1 $(qemu) -cpu $$2 $(neon_tree)/cross/$$3 || failed="$$failed $$3"; }; \
	for name in $(neon_tests); do run neon max $$name; done; \
	for name in kernel_level kernels; do run generic cortex-a53 $$name; done; \
	[ -z "$$failed" ] || { echo "check-neon: failed:$$failed"; exit 1; }; echo 'check-neon: passed'
cross-programs: $(neon_tests:%=$(BUILD)/cross/%) $(call obj,$(config_c) $(ui_c) $(app_c) app/main.c)
$(BUILD)/cross/%: $(BUILD)/tests/unit/%.o $(BUILD)/libbanter.a
	@mkdir -p $(@D)
	$(call say,LINK,$@)$(CC) $(CFLAGS) -static -pthread -o $@ $^ -lm

# libFuzzer where clang is there; SECONDS for each target.
SECONDS ?= 10
fuzz_tree := build/fuzz
fuzz:
	$(Q)$(MAKE) --no-print-directory CC=clang BUILD=$(fuzz_tree) WERROR= \
	    sanitize='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' \
	    isa_sanitize=-fno-sanitize=fuzzer-no-link,address,undefined harden= fuzz-programs
	$(Q)for name in $(basename $(notdir $(wildcard tests/fuzz/*.c))); do \
	    mkdir -p $(fuzz_tree)/corpus/$$name; echo "fuzz $$name"; \
	    $(fuzz_tree)/tests/fuzz/$$name -max_total_time=$(SECONDS) -timeout=5 -rss_limit_mb=2048 \
	        -verbosity=0 -print_final_stats=1 $(fuzz_tree)/corpus/$$name \
        $$([ -e tests/fuzz/$$name.dict ] && echo -dict=tests/fuzz/$$name.dict) \
	        $$(ls -d tests/fuzz/corpus/$$name 2>/dev/null) || exit 1; done
.PHONY: fuzz-programs
fuzz-programs: $(fuzz_programs)
$(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(libs)
	$(call say,LINK,$@)$(CC) $(CFLAGS) $(link) -fsanitize=fuzzer -o $@ $^ $(ldlibs)

# Who may include whom (ARCHITECTURE.md): a build failure, not a remark.  And no exit or printing
# below app, no unsafe string functions anywhere.
layers:
	$(Q)! grep -nE '#include "(ui|app|config)/' $(wildcard engine/*.[ch] engine/*/*.[ch])
	$(Q)! grep -nE '#include "(engine|app|config)/' $(wildcard ui/*.[ch]) /dev/null
	$(Q)! grep -nE '#include "(engine|app|ui)/' $(wildcard config/*.[ch]) /dev/null
	$(Q)! grep -nE '#include "(engine/[a-z_]+/|ui/[^u]|config/[^c])' $(wildcard app/*.[ch]) /dev/null
	$(Q)! grep -nE '\b(exit|abort|printf|puts|perror|putchar)[[:space:]]*\(|\b(stdout|stderr)\b' \
	    $(wildcard engine/*.[ch] engine/*/*.[ch] ui/*.[ch] config/*.[ch])
	$(Q)! grep -nE '\b(strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|rand|strtok)[[:space:]]*\(' \
	    $(wildcard app/*.[ch] engine/*.[ch] engine/*/*.[ch] ui/*.[ch] config/*.[ch])

all_c := $(wildcard app/*.[ch] config/*.[ch] ui/*.[ch] engine/*.[ch] engine/*/*.[ch] tests/*/*.[ch])
lint: packages-check layers
	$(Q)clang-format --dry-run -Werror $(filter-out %_table.h %_tables.c,$(all_c))
	$(Q)cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr -I. \
	    --enable=warning,performance,portability --suppress=missingIncludeSystem \
	    --suppress=normalCheckLevelMaxBranches app config ui engine
	$(Q)shellcheck $(wildcard .ci/run config/models/*.sh tests/*.sh tests/*/*.sh)
	$(Q)set -e; for page in $(wildcard man/*.[1-9]); do mandoc -Tlint -Wwarning $$page; done
	$(Q)echo 'lint: clean'
format:
	$(Q)clang-format -i $(filter-out %_table.h %_tables.c,$(all_c))

# ---- packages: what is missing on a Debian machine -------------------------------------------------
packages_chat  := gcc libc6-dev libncurses-dev libreadline-dev libutf8proc-dev libyaml-dev libjansson-dev \
                  libxxhash-dev
packages_check := $(packages_chat) libcmocka-dev python3 python3-pyte python3-numpy python3-jinja2 \
                  tmux procps clang clang-format cppcheck shellcheck mandoc
packages_neon  := gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
ifeq ($(machine),x86_64)
packages_check += $(packages_neon)
endif
packages-chat:
	$(Q)$(MAKE) --no-print-directory -s install-packages PACKAGES='$(packages_chat)'
packages-check:
	$(Q)$(MAKE) --no-print-directory -s install-packages PACKAGES='$(packages_check)'
.PHONY: install-packages
install-packages:
	@command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || { \
	    [ -e $(BUILD)/.packages ] && exit 0; \
	    echo "banter needs these libraries (Debian's names): $(PACKAGES)"; \
	    echo "Install them, then: mkdir -p $(BUILD) && touch $(BUILD)/.packages"; exit 1; }; \
	missing=; for package in $(PACKAGES); do \
	    dpkg-query -W -f '$${Status}' $$package 2>/dev/null | grep -q 'ok installed' || \
	    missing="$$missing $$package"; done; \
	[ -z "$$missing" ] && exit 0; \
	command="apt-get update && apt-get install -y --no-install-recommends$$missing"; \
	if [ "$(INSTALL)" = no ]; then echo "Missing packages; run as root: $$command"; exit 1; fi; \
	root=; if [ "$$(id -u)" != 0 ]; then \
	    if command -v sudo >/dev/null && [ -t 0 ]; then root=sudo; \
	    else echo "Missing packages; run as root: $$command"; exit 1; fi; fi; \
	if [ -t 0 ]; then printf 'Install the missing packages (%s)? [Y/n] ' "$${missing# }"; \
	    read -r answer; case "$$answer" in [nN]*) echo "Run as root: $$command"; exit 1;; esac; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	$$root apt-get update -q && $$root apt-get install -q -y --no-install-recommends $$missing

# ---- installing ------------------------------------------------------------------------------------
models   := $(wildcard config/models/*.gguf)
policies := $(wildcard config/policies/*.yaml)
install: all
	install -d $(DESTDIR)$(BINDIR) $(DESTDIR)$(DATADIR)/models $(DESTDIR)$(DATADIR)/policies \
	    $(DESTDIR)$(MANDIR)/man1 $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7
	install -m755 $(BUILD)/$(NAME) $(DESTDIR)$(BINDIR)
	install -m644 $(wildcard man/*.1) $(DESTDIR)$(MANDIR)/man1
	install -m644 $(wildcard man/*.5) $(DESTDIR)$(MANDIR)/man5
	install -m644 $(wildcard man/*.7) $(DESTDIR)$(MANDIR)/man7
	$(if $(models),install -m644 $(models) $(DESTDIR)$(DATADIR)/models)
	install -m644 $(policies) $(DESTDIR)$(DATADIR)/policies
uninstall:
	$(RM) $(DESTDIR)$(BINDIR)/$(NAME) $(addprefix $(DESTDIR)$(MANDIR)/man1/,$(notdir $(wildcard man/*.1))) \
	    $(addprefix $(DESTDIR)$(MANDIR)/man5/,$(notdir $(wildcard man/*.5))) \
	    $(addprefix $(DESTDIR)$(MANDIR)/man7/,$(notdir $(wildcard man/*.7))) \
	    $(addprefix $(DESTDIR)$(DATADIR)/models/,$(notdir $(models))) \
	    $(addprefix $(DESTDIR)$(DATADIR)/policies/,$(notdir $(policies)))
	@rmdir $(DESTDIR)$(DATADIR)/models $(DESTDIR)$(DATADIR)/policies $(DESTDIR)$(DATADIR) 2>/dev/null || :
dist:
	git archive --prefix=$(NAME)-$(VERSION)/ -o $(NAME)-$(VERSION).tar.gz HEAD
clean:
	$(RM) -r build
help:
	@echo 'make chat [MODEL=file.gguf]   install what is missing, build, start the chat'
	@echo 'make check [T=pattern]        install what is missing, build, run the tests'
	@echo 'make all | run ARGS=...       build | build and run'
	@echo 'make check-neon               the kernels of Arm processors, cross-compiled, under qemu'
	@echo 'make gate                     everything a release needs: lint, check, sanitizers, fuzzing'
	@echo 'make asan | ubsan | tsan      the tests under a sanitizer, each in a tree of its own'
	@echo 'make guide                    train the model in the box anew, in build/guide (hours; goes on where it was)'
	@echo 'make bench | fuzz SECONDS=n   kernel benches | libFuzzer targets'
	@echo 'make lint | format | layers   style and static checks | clang-format | include rules'
	@echo 'make install | uninstall      PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)'
	@echo 'make dist | clean             source archive | remove build/'
	@echo 'knobs: V=1 INSTALL=no WERROR= SANITIZE=... BUILD=dir CC=... CFLAGS=...'


-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
