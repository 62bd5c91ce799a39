/* SPDX-License-Identifier: MIT */
/* Fuzz target: any bytes as a model file. What opens must be readable from end to end: a sanitizer sees what is not. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "gguf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_strings(const e2_kv *kv) {
    const uint8_t *cursor = kv->data;
    for (size_t i = 0; i < kv->count; i++) {
        e2_string string = e2_gguf_next_string(&cursor);
        e2_shown shown = e2_show(string);
        if (strlen(shown.text) >= sizeof shown.text) abort();
    }
    if (cursor != kv->data + kv->bytes) abort();
}

static void read_all(const e2_gguf *gguf) {
    const uint8_t *end = gguf->data + gguf->size;
    for (size_t i = 0; i < gguf->n_kvs; i++) {
        const e2_kv *kv = &gguf->kvs[i];
        if (kv->data < gguf->data || kv->bytes > (size_t)(end - kv->data)) abort();
        if (kv->type == E2_KV_STRING || (kv->type == E2_KV_ARRAY && kv->element == E2_KV_STRING)) read_strings(kv);
    }
    for (size_t i = 0; i < gguf->n_tensors; i++) {
        const e2_tensor *tensor = &gguf->tensors[i];
        const uint8_t *at = tensor->data;
        if (at < gguf->data || tensor->bytes > (size_t)(end - at)) abort();
        bool floats =
            tensor->type == E2_F32 || tensor->type == E2_F16 || tensor->type == E2_BF16 || tensor->type == E2_Q8_0;
        float last[32];
        size_t count = tensor->type == E2_Q8_0 ? 32 : 1;
        if (floats) e2_dequantize(tensor, tensor->elements - count, count, last);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1); /* exactly sized, and aligned as e2str_model_open_memory wants it */
    if (!exact) return 0;
    if (size) memcpy(exact, data, size);
    e2_gguf gguf;
    e2str_error error = {""};
    e2str_status status = e2_gguf_open_memory(exact, size, &gguf, &error);
    if (status ? !error.message[0] : error.message[0] != 0) abort();
    if (!status) read_all(&gguf);
    e2_gguf_close(&gguf);

    e2str_model *model;
    if (e2str_model_open_memory(exact, size, NULL, &model, &error) == E2STR_OK)
        e2str_model_checksum(model);
    else if (model || !error.message[0])
        abort();
    e2str_model_close(model);
    free(exact);
    return 0;
}
