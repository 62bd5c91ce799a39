# SPDX-License-Identifier: MIT
# Included by the Makefile: the programs of `make bench`, and which peers are installed to be raced against.

BENCH = $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c))
BENCH_SUPPORT = $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/support/*.c))
BENCH_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/*.c)) $(BENCH_SUPPORT)

# $(call peer,header,NAME,library): -DBENCH_NAME, or -llibrary for the linker, where the header is found. Asked for at
# each use, so only when the bench is built.
has = $(shell $(CC) -E -x c -include $(1) /dev/null >/dev/null 2>&1 && echo yes)
PEER_CFLAGS = $(if $(call has,cblas.h),-DBENCH_OPENBLAS=1 $(call library_cflags,openblas)) \
    $(if $(call has,dnnl.h),-DBENCH_ONEDNN=1) $(if $(call has,tesseract/capi.h),-DBENCH_TESSERACT=1)
PEER_LIBS = $(if $(call has,cblas.h),$(call library,openblas,-lopenblas)) \
    $(if $(call has,dnnl.h),-ldnnl) $(if $(call has,tesseract/capi.h),-ltesseract)

# -O3: the loops that measure the peaks have to be unrolled.
$(BENCH_OBJ): OPTIMISE = -O3
$(BENCH_OBJ): BASE += -Ibench -Itests $(PEER_CFLAGS)
$(BENCH): $(BUILD)/bench/%: $(BUILD)/bench/%.o $(BENCH_SUPPORT) $(LIB_OBJ)
	$(say) LINK $@
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $^ -o $@ $(PEER_LIBS) $(LIBS)

bench-programs: $(BENCH) shared
	@:

# QUICK=1: a minute, fewer shapes. UPDATE=1: also writes docs/performance.csv, docs/roofline.svg and the table of
# docs/performance.md. CROPS=folder: other words for Tesseract.
# Debian's own Python sees Debian's torch and matplotlib.
BENCH_PYTHON ?= $(or $(wildcard /usr/bin/python3),$(PYTHON))
bench: deps
	+@$(MAKE) --no-print-directory bench-programs
	@command -v $(BENCH_PYTHON) >/dev/null || { echo 'make bench is driven by bench/run.py: no $(BENCH_PYTHON)'; exit 1; }
	@BUILD=$(BUILD) QUICK=$(QUICK) UPDATE=$(UPDATE) CROPS=$(CROPS) $(BENCH_PYTHON) bench/run.py

# Accuracy on every set in DATA: the tables of docs/accuracy.md, accuracy.csv and accuracy.svg. MODEL=file instead of
# the shipped one, JOBS=runs side by side, LIMIT=images of each set at most (then nothing in docs/ is written).
# GALLERY=folder of one set of your own: draws reads of it into PICTURE=file.
accuracy: deps
	+@$(MAKE) --no-print-directory $(BUILD)/e2str
	@command -v $(BENCH_PYTHON) >/dev/null || { echo 'make accuracy is bench/accuracy.py: no $(BENCH_PYTHON)'; exit 1; }
	@BUILD=$(BUILD) $(BENCH_PYTHON) bench/accuracy.py $(DATA) $(if $(MODEL),--model $(MODEL)) \
	    $(if $(JOBS),--jobs $(JOBS)) $(if $(LIMIT),--limit $(LIMIT)) $(if $(GALLERY),--gallery $(GALLERY)) \
	    $(if $(PICTURE),--picture $(PICTURE))

-include $(wildcard $(BENCH_OBJ:.o=.d))
INTERNAL += bench-programs
.PHONY: accuracy bench
