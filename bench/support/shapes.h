/* bench/shapes.txt: lines of "operation model m n k warm|cold". */
#ifndef BENCH_SHAPES_H
#define BENCH_SHAPES_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bench_shape {
    char operation[24], model[16];
    size_t m, n, k;
    bool cold;
} bench_shape;

/* All lines of the file, in their order; free() them. */
bench_shape *bench_shapes(const char *path, size_t *count);

#endif
