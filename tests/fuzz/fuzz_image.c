/* SPDX-License-Identifier: MIT */
/* Fuzz target: any bytes as a picture, above all BMP, PBM, PGM and PPM; PNG and JPEG have their own. */
#include "decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    decode(data, size);
    return 0;
}
