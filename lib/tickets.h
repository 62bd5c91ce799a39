/* SPDX-License-Identifier: MIT */
/* Reads of a stream that may still be judged: what is kept of each until then. */
#ifndef E2_TICKETS_H
#define E2_TICKETS_H

#include "error.h"

/* One block of memory: its own pixels and the text stand behind it. */
typedef struct e2_ticket {
    uint64_t bytes; /* of the block */
    e2str_image image;
    const char *text; /* NUL-terminated */
    size_t text_size;
} e2_ticket;

/* The last ones, numbered from 1 on: a ring. Those that are judged leave it, and the oldest when there is no room. */
typedef struct e2_tickets {
    e2_ticket **slots; /* [capacity]: number n in n % capacity, or NULL */
    uint32_t capacity;
    uint32_t open;
    uint64_t max_bytes, bytes;
    uint64_t oldest, next; /* numbers: of the first that may be there, and of the next one */
} e2_tickets;

/* false: out of memory. */
bool e2_tickets_init(e2_tickets *tickets, uint32_t capacity, uint64_t max_bytes);
void e2_tickets_free(e2_tickets *tickets);

/* Copies what a read of a checked image found; free(). NULL with *status MEMORY, or OK: it is larger than all
 * tickets may be. */
e2_ticket *e2_ticket_new(const e2_tickets *tickets, const e2str_image *image, const e2str_result *result,
                         e2str_status *status);

/* Takes a ticket over and numbers it. */
uint64_t e2_tickets_put(e2_tickets *tickets, e2_ticket *ticket);
const e2_ticket *e2_tickets_find(const e2_tickets *tickets, uint64_t number); /* NULL: it is not open */
void e2_tickets_close(e2_tickets *tickets, uint64_t number);

#endif
