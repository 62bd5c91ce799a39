/* A session: one thread's scratch memory and its helpers. */
#ifndef E2_SESSION_H
#define E2_SESSION_H

#include "linear.h"

struct e2str_session {
    const e2str_model *model;
    e2_arena arena; /* everything a call needs; empty between calls */
    e2_threads *threads;
    e2_compute compute; /* the model's kernels, the two above, and the helpers */
    /* With more than one thread: one worker per thread, with its own arena and no threads, for groups of a batch side by
     * side; and the same as what stages compute with. */
    e2str_session *workers; /* [threads], or NULL */
    e2_compute *helpers;    /* [threads], or NULL */
};

/* Images that are worth encoding together: enough rows for the matrix products, few enough for the caches. 1 where a
 * batch would not give the same bits. */
size_t e2_batch_size(const e2str_model *model);

/* Visual tokens [n][media_tokens][width] and keys [n][width] (either may be NULL) into memory of the caller. The images
 * are checked here. An image's numbers do not depend on n. */
e2str_status e2_encode_images(e2str_session *session, const e2str_image *images, size_t n, float *tokens, float *keys,
                              e2str_error *error);

#endif
