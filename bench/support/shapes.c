#include "shapes.h"

#include <stdlib.h>
#include <string.h>

#include "bench.h"

bench_shape *bench_shapes(const char *path, size_t *count) {
    FILE *file = fopen(path, "r");
    if (!file) bench_die("%s cannot be opened", path);
    char line[256], memory[8];
    bench_shape *shapes = NULL;
    for (*count = 0; fgets(line, sizeof line, file);) {
        bench_shape s;
        if (line[0] == '#' || line[0] == '\n') continue;
        if (sscanf(line, "%23s %15s %zu %zu %zu %7s", s.operation, s.model, &s.m, &s.n, &s.k, memory) != 6 ||
            (strcmp(memory, "warm") && strcmp(memory, "cold")))
            bench_die("%s: not a shape: %s", path, line);
        s.cold = !strcmp(memory, "cold");
        shapes = realloc(shapes, (*count + 1) * sizeof *shapes);
        if (!shapes) bench_die("out of memory");
        shapes[(*count)++] = s;
    }
    fclose(file);
    return shapes;
}
