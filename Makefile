# Skeleton while the parts are written; targets: all check clean
CC ?= cc
CFLAGS ?= -O2 -g
BASE = -std=c11 -D_POSIX_C_SOURCE=200809L -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla -fPIC -fvisibility=hidden -Iinclude -Ilib -Ikernels -MMD -MP
LIB_SRC = $(wildcard lib/*.c kernels/*.c kernels/ref/*.c)
LIB_OBJ = $(LIB_SRC:%.c=build/%.o)
LIBS = -lopenblas -lpng -ljpeg -lm -lpthread
TESTS = $(patsubst tests/%.c,build/tests/%,$(wildcard tests/test_*.c))
all: build/libe2str.a $(patsubst examples/%.c,build/%,$(wildcard examples/*.c))
build/kernels/%.o: CFLAGS += -O3
build/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(BASE) $(CFLAGS) -c $< -o $@
build/libe2str.a: $(LIB_OBJ)
	ar rcs $@ $^
build/tests/%: build/tests/%.o $(LIB_OBJ)
	$(CC) $(CFLAGS) $< $(LIB_OBJ) -o $@ -lcmocka $(LIBS)
build/%: build/examples/%.o build/libe2str.a
	$(CC) $(CFLAGS) $^ -o $@ $(LIBS)
check: $(TESTS)
	@for t in $(TESTS); do echo $$t; $$t || exit 1; done
clean:
	rm -rf build
-include $(shell find build -name '*.d' 2>/dev/null)
.PHONY: all check clean
