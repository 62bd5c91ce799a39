/* SPDX-License-Identifier: MIT */
/* e2str info: what a model or pool file holds. */
#include "command.h"

static int model_info(const invocation *run, const char *path) {
    e2str_model_info info;
    e2str_model_info_init(&info);
    e2str_error error = {{0}};
    if (e2str_model_get_info(run->model, &info, &error)) {
        complain("%s: %s", path, error.message);
        return FAILED;
    }
    write_text(stdout, "model           ", path);
    write_text(stdout, "\nname            ", info.name);
    printf("\nchecksum        %016llx\n", (unsigned long long)e2str_model_checksum(run->model));
    printf("file            %llu bytes\n", (unsigned long long)info.file_bytes);
    printf("parameters      %llu\n", (unsigned long long)info.parameters);
    bool free_widths = info.min_width < info.max_width;
    if (free_widths)
        printf("image           %u to %u x %u pixels\n", info.min_width, info.max_width, info.image_height);
    else
        printf("image           %u x %u pixels\n", info.image_width, info.image_height);
    printf("visual tokens   %s%u of width %u\n", free_widths && !info.resampler_layers ? "up to " : "",
           info.visual_tokens, info.visual_width);
    printf("vision          %u layers\n", info.vision_layers);
    printf("resampler       %u layers\n", info.resampler_layers);
    printf("decoder         %u layers of width %u\n", info.decoder_layers, info.decoder_width);
    printf("vocabulary      %u tokens, %s\n", info.vocabulary, info.tokenizer);
    printf("positions       %u\n", info.positions);
    if (info.segment_stride) {
        uint32_t most = most_examples(&info);
        printf("segment stride  %u\n", info.segment_stride);
        printf("prompt          %u example%s at most\n", most, plural(most));
    }
    printf("memory          %s\n", info.memory ? "pools learn" : "none: pools do not learn");
    if (info.trim) puts("borders         trimmed");
    printf("confidence      %s\n", info.calibrated ? "calibrated" : "not calibrated: the score");
    printf("places          %s\n", info.places ? "of each character" : "none: no patch head");
    if (info.min_similarity > -1) printf("min similarity  %g\n", (double)info.min_similarity);
    printf("library         %s, kernels: %s, products: %s\n", e2str_version(), e2str_cpu_name(),
           precision_names[info.precision]);
    return OK;
}

static void write_note(void *user, const char *message) {
    (void)user;
    write_text(stdout, "note            ", message);
    putchar('\n');
}

/* The file decides: what does not open as a model is tried as a pool of the model in use. */
int run_info(invocation *run) {
    const char *path = run->operands[0];
    e2str_error as_model = {{0}}, as_pool = {{0}};
    e2str_model_options options = run->model_options;
    options.log = write_note;
    e2str_status status = e2str_model_open(path, &options, &run->model, &as_model);
    if (!status) return model_info(run, path);
    if (status == E2STR_ERROR_IO) {
        complain("%s", as_model.message);
        return FAILED;
    }
    if (!open_model(run, false)) return FAILED;
    status = e2str_pool_load(run->model, path, NULL, &run->pool, &as_pool);
    if (!status) return print_pool(run, path);
    if (status == E2STR_ERROR_MISMATCH)
        complain("%s is not the pool's model: %s", run->model_found, as_pool.message);
    else
        complain("neither a model (%s) nor a pool (%s)", as_model.message, as_pool.message);
    return FAILED;
}
