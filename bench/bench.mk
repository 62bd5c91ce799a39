# SPDX-License-Identifier: MIT
# Included by the Makefile: the programs of `make bench`, and which peers are installed to be raced against.

BENCH = $(patsubst %.c,$(BUILD)/%,$(wildcard bench/*.c))
BENCH_SUPPORT = $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/support/*.c))
BENCH_OBJ = $(patsubst %.c,$(BUILD)/%.o,$(wildcard bench/*.c)) $(BENCH_SUPPORT)

# $(call peer,header,NAME,library): -DBENCH_NAME, or -llibrary for the linker, where the header is found. Asked for at
# each use, so only when the bench is built.
has = $(shell $(CC) -E -x c -include $(wildcard $(BENCH_OBJ:.o=.d))
INTERNAL += bench-programs
.PHONY: accuracy bench
