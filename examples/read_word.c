/* SPDX-License-Identifier: MIT */
#include <e2str.h>
#include <stdio.h>

int main(void) {
    e2str_error error = {0};
    char path[4096];
    e2str_model *model = NULL;
    e2str_session *session = NULL;
    e2str_result *result = NULL;
    e2str_image image = {0};
    e2str_status status = e2str_default_model_path(path, sizeof path, &error);
    if (!status) status = e2str_model_open(path, NULL, &model, &error);
    if (!status) status = e2str_session_new(model, NULL, &session, &error);
    if (!status) status = e2str_result_new(&result, &error);
    if (!status) status = e2str_image_load("word.png", NULL, &image, &error);
    if (!status) status = e2str_read(session, &image, NULL, NULL, result, &error);
    if (!status)
        printf("%s\t%.3f\n", e2str_result_text(result), e2str_result_score(result));
    else
        fprintf(stderr, "%s: %s\n", e2str_status_name(status), error.message);
    e2str_image_free(&image);
    e2str_result_free(result);
    e2str_session_free(session);
    e2str_model_close(model);
    return status ? 1 : 0;
}
