/* SPDX-License-Identifier: MIT */
/* A picture on its way from the bytes of a file to an e2str_image: what every decoder reads and fills. */
#ifndef E2_PICTURE_H
#define E2_PICTURE_H

#include "error.h"

/* status and *error say why it stopped. */
typedef struct e2_picture {
    const uint8_t *data;
    size_t size;
    const e2str_image_limits *limits;
    const char *kind; /* "PNG", "JPEG", ..., for messages */
    e2str_error *error;
    e2str_status status;
    e2str_error note; /* a fault that did no harm; message "" if there is none */
    uint32_t width, height;
    uint8_t *pixels;      /* malloc'ed, [height][width][channels] */
    e2str_format format;  /* E2STR_GREY, E2STR_RGB or, before e2_picture_flatten, E2STR_RGBA */
    uint32_t orientation; /* 1 to 8, as EXIF numbers them; 0: not said */
} e2_picture;

/* Checks what the header says against the limits, before anything is allocated for pixels, and takes it over. */
bool e2_picture_size(e2_picture *picture, size_t width, size_t height);

/* Pixels of 1, 3 or 4 channels. */
bool e2_picture_allocate(e2_picture *picture, size_t channels);

/* RGBA over its background (alpha.h) to RGB, in place. Other formats are left as they are. */
void e2_picture_flatten(e2_picture *picture);

/* Turns and mirrors the pixels upright. False: out of memory, the picture is as it was. */
bool e2_picture_upright(e2_picture *picture);

/* The decoders that need no library. Each begins with nothing but the bytes and says what kind of file it is. */
bool e2_is_bmp(const uint8_t *data, size_t size);
void e2_decode_bmp(e2_picture *picture);
bool e2_is_netpbm(const uint8_t *data, size_t size);
void e2_decode_netpbm(e2_picture *picture);

#endif
