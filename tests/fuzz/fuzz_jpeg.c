/* SPDX-License-Identifier: MIT */
/* Fuzz target: any bytes as a JPEG file: what does not begin like one gets its beginning. */
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    uint8_t *file = malloc(size);
    require(file != NULL);
    memcpy(file, data, size);
    memcpy(file, "\xFF\xD8", 2);
    decode(file, size);
    free(file);
    return 0;
}
