/* SPDX-License-Identifier: MIT */
/* What is measured end to end: models, sessions and images through the public interface; every failure ends the bench.
 */
#ifndef BENCH_SUBJECT_H
#define BENCH_SUBJECT_H

#include "bench.h"
#include "e2str.h"

e2str_model *bench_model(const char *path, e2str_precision precision);
e2str_model *bench_model_packed(const char *path, e2str_precision precision, unsigned threads); /* by so many */
e2str_session *bench_session(const e2str_model *model, unsigned threads, unsigned spin);        /* microseconds */
e2str_result *bench_result(void);

/* The PNG and JPEG files of a folder, by name, at most `most`; never freed. Ends the bench when there is none. */
e2str_image *bench_images(const char *folder, size_t most, size_t *count);

void bench_read(e2str_session *session, const e2str_image *image, const e2str_pool *pool,
                const e2str_read_options *options, e2str_result *result);

#endif
