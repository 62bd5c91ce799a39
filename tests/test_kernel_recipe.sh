#!/bin/bash
# SPDX-License-Identifier: MIT
# docs/kernels.md is true: its patches, an operation and an instruction set, touch the files that it lists and no
# others; with them, in a copy, the kernels compile and are tested, and the tests fail when the new ones are wrong.
set -u
. tests/cases.sh

copy=$BUILD/kernel_recipe
rm -rf "$copy"
mkdir -p "$copy"
cp -r --parents Makefile bench include/e2str.h kernels lib/*.h lib/packaging tests/kernel_test.h \
    tests/test_{kernels,gemm,dispatch}.c tests/run.sh tests/deps.sh "$copy"

# section TITLE: the part of the page below this heading; listed and patched: the files that it names in its numbered
# list, and those that its patch changes
section() { awk -v title="## $1" '/^## / { inside = $0 == title } inside' docs/kernels.md; }
patch_of() { section "$1" | sed -n '/^```diff$/,/^```$/{/^```/d;p}'; }
listed() { section "$1" | sed -nE 's/^[0-9]+\. `([^`]*)`:.*/\1/p' | sort; }
patched() { patch_of "$1" | sed -n 's|^+++ b/||p' | sort; }
existing() { listed "$1" | while read -r file; do [ ! -e "$file" ] || echo "$file"; done; }

# recipe TITLE FILES: follows it; FILES that exist are touched
recipe() {
    check "$1: $2 files are touched" test "$(existing "$1" | wc -l)" -eq "$2"
    check "$1: its patch is to the files that it lists" diff <(listed "$1") <(patched "$1")
    patch_of "$1" > "$work/patch"
    check "$1: the patch in docs/kernels.md applies" patch -s -F0 -p1 -d "$copy" -i "$work/patch"
}

# built WHAT...: make in the copy, by itself; optimised no more than it takes
built() {
    env -u MAKEFLAGS -u MAKELEVEL \
        make -s -C "$copy" -j2 BUILD=build BLAS=none WERROR=1 CFLAGS=-O1 KERNEL_CFLAGS=-O1 "$@"
}
# passes, fails: the tests in the copy do, once built; result WHAT TEST: what the last run said of one
passes() { built kernel-tests > "$work/log" 2>&1 || { cat "$work/log"; return 1; }; }
fails() { ! passes > /dev/null && tail -1 "$work/log" | grep -q 'kernel-tests'; }
result() { cat "$copy"/build/tests/*.log | grep -qE "^$1 [0-9]+ - $2( |\$)"; }

recipe 'A new operation' 4
case $($CC -dumpmachine) in
x86_64-*)
    level=sse41
    recipe 'A new instruction set' 3
    # A product for it, too: the plain one by another name.
    sed -i '/^E2_KERNEL(similarity, sse41,/a E2_GEMM(f32, sse41, e2_gemm_f32_sse41, 1e-5)' "$copy/kernels/kernels.def"
    cat > "$copy/kernels/sse41/gemm_f32.c" << 'END'
#include "kernels.h"

void e2_gemm_f32_sse41(const void *a, size_t m, size_t a_stride, const e2_matrix *w, size_t first_panel,
                       size_t n_panels, const e2_epilogue *epilogue, float *c, size_t c_stride) {
    e2_gemm_f32_ref(a, m, a_stride, w, first_panel, n_panels, epilogue, c, c_stride);
}
END
    ;;
*) level= ;;
esac

check 'with both, the tests of the kernels pass' passes
check 'the bench compiles with them' built build/bench/kernels.o build/bench/gemm.o
new=(test_e2_rms_norm_ref)
if [ -z "$level" ]; then
    skip 'the new instruction set is tested' 'it is one of x86-64'
elif result '(not )?ok' 'test_e2_similarity_sse41 # SKIP'; then
    skip 'the new instruction set is tested' 'this CPU lacks it'
else
    new+=(test_e2_similarity_sse41 f32_at_sse41 each_bit_counts)
fi
for test in "${new[@]}"; do check "there is $test" result ok "$test"; done

# A mistake in each of them.
sed -i 's/x\[i\] \* scale \* weight/x[i] * scale + weight/' "$copy/kernels/ref/norm.c"
if [ -n "$level" ]; then
    sed -i 's/i < width; i++/i + 1 < width; i++/' "$copy/kernels/sse41/similarity.c"
    sed -i 's/n_panels, epilogue,/n_panels - (n_panels > 0), epilogue,/' "$copy/kernels/sse41/gemm_f32.c"
    sed -i 's/sse41, E2_LEAF1_ECX, BIT(19)/sse41, E2_LEAF1_ECX, BIT(20)/' "$copy/tests/test_dispatch.c"
fi
check 'with mistakes in them the tests fail' fails
for test in "${new[@]}"; do check "and so does $test" result 'not ok' "$test"; done
finish
