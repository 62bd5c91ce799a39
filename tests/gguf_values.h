/* Writing the metadata types that models have and pools do not. */
#ifndef E2_GGUF_VALUES_H
#define E2_GGUF_VALUES_H

#include "gguf.h"

static inline void write_f32(e2_gguf_writer *writer, const char *key, float value) {
    e2_gguf_write_value(writer, key, E2_KV_F32, &value);
}

static inline void write_bool(e2_gguf_writer *writer, const char *key, bool value) {
    const uint8_t byte = value;
    e2_gguf_write_value(writer, key, E2_KV_BOOL, &byte);
}

#endif
