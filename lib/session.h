/* A session: one caller's scratch memory and the threads that help it. */
#ifndef E2_SESSION_H
#define E2_SESSION_H

#include "compute.h"

struct e2str_session {
    e2_compute compute;      /* what its calls compute with: the members below */
    e2_arena arena;          /* empty between calls */
    e2_compute *workers;     /* [threads] with more than one thread: one part of a job each, or one group of a batch */
    e2_arena *worker_arenas; /* [threads] */
};

#endif
