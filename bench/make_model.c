/* SPDX-License-Identifier: MIT */
/*
 * A model of the paper's size with random weights, 324 million of them: as fast as a trained one.
 *
 *     make_model f32|bf16|q8 FILE
 */
#define TINY_LATENTS      64
#define TINY_HEADS        8
#define TINY_HEAD_SIZE    64
#define TINY_FEED_FORWARD 3072
#include "tiny_model.h"

#include "support/bench.h"

#define VOCABULARY 50267

/* As many different characters as the paper's vocabulary has tokens beside the special ones; free() it. Letters and
 * digits are among them. */
static char *alphabet(void) {
    char *text = bench_alloc(VOCABULARY * 4), *end = text;
    for (uint32_t code = 0x21, left = VOCABULARY - 4; left; code++) {
        if ((code >= 0x7f && code < 0xa1) || (code >= 0xd800 && code < 0xf900)) continue;
        if (code < 0x80) {
            *end++ = (char)code;
        } else if (code < 0x800) {
            *end++ = (char)(0xc0 | code >> 6);
            *end++ = (char)(0x80 | (code & 0x3f));
        } else {
            *end++ = (char)(0xe0 | code >> 12);
            *end++ = (char)(0x80 | (code >> 6 & 0x3f));
            *end++ = (char)(0x80 | (code & 0x3f));
        }
        left--;
    }
    return text;
}

int main(int argc, char **argv) {
    static const char *const names[] = {"f32", "bf16", "q8"};
    static const e2_type types[] = {E2_F32, E2_BF16, E2_Q8_0};
    size_t type = 0, size;
    while (argc == 3 && type < 3 && strcmp(argv[1], names[type])) type++;
    if (argc != 3 || type == 3) bench_die("usage: make_model f32|bf16|q8 FILE");
    char *characters = alphabet();
    uint8_t *model = tiny_model_build(&(tiny_model_options){.name = "paper size, random weights",
                                                            .alphabet = characters,
                                                            .type = types[type],
                                                            .class_token = true,
                                                            .norm_post = true,
                                                            .patch_width = 4,
                                                            .patch_height = 4,
                                                            .vision_width = 768,
                                                            .vision_layers = 12,
                                                            .vision_heads = 12,
                                                            .vision_feed_forward = 3072,
                                                            .resampler_layers = 6,
                                                            .decoder_width = 768,
                                                            .decoder_layers = 12,
                                                            .decoder_heads = 12,
                                                            .decoder_feed_forward = 3072,
                                                            .positions = 2048},
                                      &size);
    FILE *file = fopen(argv[2], "wb");
    if (!file || fwrite(model, 1, size, file) != size || fclose(file)) bench_die("%s cannot be written", argv[2]);
    free(model);
    free(characters);
    return 0;
}
