#!/bin/bash
# SPDX-License-Identifier: MIT
# How words are compared, by the command's code and by bench/metric.py: the pairs of tests/metric.tsv (three digits:
# equal exactly, but for case, alphanumeric; then the words), and every code point.
set -u
. tests/cases.sh
cat > "$work/main.c" << 'END'
#include "metric.c"
#include <string.h>

int main(int count, char **arguments) {
    char line[1024];
    (void)arguments;
    while (count == 1 && fgets(line, sizeof line, stdin)) {
        char *a = line + 4, *b = a + strcspn(a, "\t");
        *b++ = 0;
        b[strcspn(b, "\n")] = 0;
        for (int all = 0; all < 2; all++)
            if (same_word(a, b, all) != same_word(b, a, all)) return 1;
        printf("%d%d%d\t%s\t%s\n", !strcmp(a, b), same_word(a, b, false), same_word(a, b, true), a, b);
    }
    for (uint32_t code = 0; count > 1 && code < 0x110000; code++) {
        const metric_row *row = find(code);
        printf("%X %X\n", (unsigned)code, (unsigned)(!row ? code : row->distance ? code + (uint32_t)row->distance : 0));
    }
    return 0;
}
END
cat > "$work/main.py" << 'END'
import sys
sys.path.insert(0, "bench")
from metric import alphanumeric, any_case, compared
sys.stdin.reconfigure(encoding="utf-8", newline="\n")
sys.stdout.reconfigure(encoding="utf-8")
for line in sys.stdin if len(sys.argv) == 1 else ():
    a, b = line.rstrip("\n").split("\t")[1:]
    print(*(int(same(a) == same(b)) for same in (str, any_case, alphanumeric)), sep="", end=f"\t{a}\t{b}\n")
for code in range(0x110000) if len(sys.argv) > 1 else ():
    print(f"{code:X} {ord(compared(chr(code)) or chr(0)):X}")
END
check 'compiles' "$CC" -std=c11 -D_POSIX_C_SOURCE=200809L -Iinclude -Iexamples/e2str "$work/main.c" \
    examples/e2str/output.c examples/e2str/progress.c -o "$work/metric"
"$work/metric" < tests/metric.tsv > "$work/c"
check 'the command compares words as it should' diff tests/metric.tsv "$work/c"
if command -v "$PYTHON" > /dev/null; then
    "$PYTHON" "$work/main.py" < tests/metric.tsv > "$work/python"
    check 'and bench/metric.py' diff tests/metric.tsv "$work/python"
    unicode=$("$PYTHON" -c 'import unicodedata; print(unicodedata.unidata_version)')
    if grep -qF "Unicode $unicode:" examples/e2str/metric_table.h; then
        "$work/metric" all > "$work/c"
        "$PYTHON" "$work/main.py" all > "$work/python"
        check 'they agree on every code point' cmp "$work/c" "$work/python"
        check 'the table is what bench/metric.py writes' cmp <("$PYTHON" bench/metric.py) examples/e2str/metric_table.h
    else
        skip 'they agree on every code point' "python3 has Unicode $unicode"
    fi
else
    skip 'bench/metric.py' 'no python3'
fi
finish
