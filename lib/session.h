/* A session: one thread's scratch memory. */
#ifndef E2_SESSION_H
#define E2_SESSION_H

#include "arena.h"
#include "model.h"

struct e2str_session {
    const e2str_model *model;
    e2_arena arena; /* everything a call needs; empty between calls */
};

/* Visual tokens and key of one image (either may be NULL), into memory of the caller. image is checked here. */
e2str_status e2_encode_image(e2str_session *session, const e2str_image *image, float *tokens, float *key,
                             e2str_error *error);

#endif
