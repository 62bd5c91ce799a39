/* SPDX-License-Identifier: MIT */
#include "upright.h"

/* Scores of docs/crops.md. Upside down, a word may look like another one. */
#define SURE 0.995f /* the first way up of a wide picture is taken for right */
#define GOOD 0.98f  /* the line does not run the other way */
#define TALL 1.5    /* heights of a width: a line that runs up or down. Single characters are lower */

bool e2_upright_next(const e2str_image *image, unsigned turn, float best, uint32_t *rotate) {
    static const uint32_t wide[E2_TURNS] = {0, 180, 90, 270}, tall[E2_TURNS] = {90, 270, 0, 180};
    if (image->rotate != E2STR_ROTATE_AUTO) {
        *rotate = image->rotate;
        return turn == 0;
    }
    const bool is_tall = image->height > TALL * image->width;
    *rotate = is_tall ? tall[turn] : wide[turn];
    return turn == 0 || turn == 3 || (turn == 1 ? is_tall || best < SURE : best < GOOD);
}
