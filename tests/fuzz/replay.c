/* SPDX-License-Identifier: MIT */
/*
 * main() for a fuzz target where no fuzzer is installed: gives LLVMFuzzerTestOneInput each file, then seeded mutations
 * of it, each in a heap buffer of exactly its size, so that a sanitizer sees any read beyond the end.
 *
 *     fuzz_gguf [-n MUTATIONS] [-s SEED] FILE|FOLDER...      200 mutations of each file, seed 1
 *
 * The same arguments give the same inputs. To see the input that a crash was about, run it again with -o FILE: every
 * input is written there before it is tried, so the last one stays.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FILE ((size_t)16 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct options {
    unsigned long mutations, seed;
    const char *last_input;
} options;

typedef struct bytes {
    uint8_t *data;
    size_t size;
} bytes;

static void *checked(void *memory) {
    if (memory) return memory;
    fprintf(stderr, "out of memory\n");
    exit(2);
}

static bytes read_file(const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(2);
    }
    bytes b = {checked(malloc(MAX_FILE)), 0};
    b.size = fread(b.data, 1, MAX_FILE, file);
    fclose(file);
    return b;
}

static void try_input(const options *o, const uint8_t *data, size_t size) {
    if (o->last_input) {
        FILE *file = fopen(o->last_input, "wb");
        if (!file || fwrite(data, 1, size, file) != size || fclose(file)) {
            fprintf(stderr, "%s: cannot be written\n", o->last_input);
            exit(2);
        }
    }
    uint8_t *exact = checked(malloc(size ? size : 1));
    if (size) memcpy(exact, data, size);
    LLVMFuzzerTestOneInput(size ? exact : exact + 1, size);
    free(exact);
}

/* ---------------------------------------------------------------------------------------------------- mutations -- */

static uint64_t next_random(uint64_t *state) { /* splitmix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static size_t below(uint64_t *random, size_t n) { return n ? (size_t)(next_random(random) % n) : 0; }

/* Near the beginning half of the time: that is where headers are. */
static size_t place(uint64_t *random, size_t size) {
    return below(random, next_random(random) & 1 && size > 512 ? 512 : size);
}

/* Writes 1, 2, 4 or 8 bytes of a number that length checks like to get wrong. */
static void plant_number(bytes *b, uint64_t *random) {
    static const uint64_t numbers[] = {0,          1,          0x7f,       0xff,      0x7fff,     0xffff,    0x7fffffff,
                                       0x80000000, 0xffffffff, 1ull << 61, INT64_MAX, 1ull << 63, UINT64_MAX};
    size_t width = (size_t)1 << below(random, 4), at = place(random, b->size), pick = below(random, 16);
    uint64_t number = pick < 13 ? numbers[pick] : b->size + pick - 14;
    if (width > b->size - at) width = b->size - at;
    for (size_t i = 0; i < width; i++) b->data[at + i] = (uint8_t)(number >> 8 * i);
}

static void mutate(bytes *b, uint64_t *random) {
    if (!b->size) return;
    size_t at = place(random, b->size), length = 1 + below(random, b->size - at < 64 ? b->size - at : 64);
    size_t from = below(random, b->size - length + 1);
    if (length > b->size - at) length = b->size - at;
    switch (next_random(random) % 8) {
    case 0:
    case 1:
        b->data[at] ^= (uint8_t)(1 << below(random, 8));
        break;
    case 2:
        b->data[at] = (uint8_t)next_random(random);
        break;
    case 3:
    case 4:
        plant_number(b, random);
        break;
    case 5:
        b->size = below(random, 4) ? b->size - length : at;
        break; /* cut */
    case 6:
        memmove(b->data + at, b->data + from, length);
        break; /* copy over */
    case 7:    /* remove from the middle */
        memmove(b->data + at, b->data + at + length, b->size - at - length);
        b->size -= length;
        break;
    }
}

/* --------------------------------------------------------------------------------------------------------- runs -- */

static void run_file(const options *o, const char *path, unsigned long *inputs) {
    bytes file = read_file(path), changed = {checked(malloc(file.size ? file.size : 1)), 0};
    uint64_t random = o->seed;
    for (const char *c = path; *c; c++) random = random * 31 + (unsigned char)*c;
    try_input(o, file.data, file.size);
    for (unsigned long i = 0; i < o->mutations; i++) {
        changed.size = file.size;
        if (file.size) memcpy(changed.data, file.data, file.size);
        for (size_t times = 1 + below(&random, 4); times; times--) mutate(&changed, &random);
        try_input(o, changed.data, changed.size);
    }
    *inputs += 1 + o->mutations;
    free(changed.data);
    free(file.data);
}

static void run(const options *o, const char *path, unsigned long *inputs) {
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0) {
        run_file(o, path, inputs);
        return;
    }
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            size_t size = strlen(path) + strlen(entries[i]->d_name) + 2;
            char *inside = checked(malloc(size));
            snprintf(inside, size, "%s/%s", path, entries[i]->d_name);
            run(o, inside, inputs);
            free(inside);
        }
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv) {
    options o = {.mutations = 200, .seed = 1};
    unsigned long inputs = 0;
    int i = 1;
    for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
        if (strcmp(argv[i], "-n") == 0)
            o.mutations = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0)
            o.seed = strtoul(argv[i + 1], NULL, 10);
        else if (strcmp(argv[i], "-o") == 0)
            o.last_input = argv[i + 1];
        else
            break;
    }
    if (i >= argc || argv[i][0] == '-') {
        fprintf(stderr, "usage: %s [-n MUTATIONS] [-s SEED] [-o LAST_INPUT] FILE|FOLDER...\n", argv[0]);
        return 2;
    }
    for (; i < argc; i++) run(&o, argv[i], &inputs);
    printf("%s: %lu inputs\n", argv[0], inputs);
    return 0;
}
