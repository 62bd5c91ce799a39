/* SPDX-License-Identifier: MIT */
#include "whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIPE_BYTES ((size_t)64 << 10) /* read at first of a file whose size is not known */

/* Doubles *data, of `room` bytes; one byte more than may be is enough to see that there are more. */
static bool make_room(uint8_t **data, size_t *room, size_t most) {
    const size_t more = *room < most / 2 ? 2 * *room : most + 1;
    uint8_t *grown = realloc(*data, more);
    if (!grown) return false;
    *data = grown;
    *room = more;
    return true;
}

static e2str_status read_open_file(int file, const char *path, size_t most, uint8_t **data, size_t *size,
                                   e2str_error *error) {
    struct stat about;
    if (fstat(file, &about)) return e2_fail(error, e2_system_status(errno), "%s: %s", path, strerror(errno));
    if (S_ISDIR(about.st_mode)) return e2_fail(error, E2STR_ERROR_IO, "%s: is a directory", path);
    const bool regular = S_ISREG(about.st_mode);
    if (!regular && !S_ISFIFO(about.st_mode) && !S_ISSOCK(about.st_mode))
        return e2_fail(error, E2STR_ERROR_IO, "%s: neither a regular file nor a pipe", path);
    size_t room = regular && (uintmax_t)about.st_size <= most ? (size_t)about.st_size + 1 : PIPE_BYTES;
    bool too_large = regular && (uintmax_t)about.st_size > most;
    *data = too_large ? NULL : e2_alloc(room, 1);
    for (*size = 0; *data && !too_large;) {
        const ssize_t got = read(file, *data + *size, room - *size);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return e2_fail(error, e2_system_status(errno), "%s: %s", path, strerror(errno));
        if (got == 0) return E2STR_OK;
        *size += (size_t)got;
        too_large = *size > most;
        if (*size == room && !too_large && !make_room(data, &room, most)) break;
    }
    return too_large ? e2_fail(error, E2STR_ERROR_LIMIT, "%s: larger than %zu MiB", path, most >> 20)
                     : e2_fail(error, E2STR_ERROR_MEMORY, "%s: out of memory for reading it", path);
}

e2str_status e2_read_whole_file(const char *path, size_t most, uint8_t **data, size_t *size, e2str_error *error) {
    int file;
    *data = NULL;
    do file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY); /* of a FIFO: waits until somebody writes */
    while (file < 0 && errno == EINTR);
    if (file < 0) return e2_fail(error, e2_system_status(errno), "%s: %s", path, strerror(errno));
    const e2str_status status = read_open_file(file, path, most, data, size, error);
    close(file);
    return status;
}
