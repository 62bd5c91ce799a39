/* SPDX-License-Identifier: MIT */
#include "tickets.h"

#include <stdlib.h>
#include <string.h>

#include "image.h"

bool e2_tickets_init(e2_tickets *tickets, uint32_t capacity, uint64_t max_bytes) {
    *tickets = (e2_tickets){.capacity = capacity, .max_bytes = max_bytes, .oldest = 1, .next = 1};
    tickets->slots = calloc(capacity, sizeof *tickets->slots);
    return tickets->slots;
}

void e2_tickets_free(e2_tickets *tickets) {
    for (uint32_t i = 0; tickets->slots && i < tickets->capacity; i++) free(tickets->slots[i]);
    free(tickets->slots);
    *tickets = (e2_tickets){0};
}

static void copy_pixels(const e2str_image *image, size_t row, uint8_t *to) {
    for (uint32_t y = 0; y < image->height; y++)
        memcpy(to + y * row, image->pixels + (ptrdiff_t)y * image->stride, row);
}

e2_ticket *e2_ticket_new(const e2_tickets *tickets, const e2str_image *image, const e2str_result *result,
                         e2str_status *status) {
    size_t row = image->width * (size_t)e2_pixel_bytes(image->format), pixels, bytes;
    size_t text_size = e2str_result_text_size(result);
    *status = E2STR_ERROR_MEMORY;
    if (!e2_mul(row, image->height, &pixels) || !e2_add(pixels, sizeof(e2_ticket) + text_size + 1, &bytes)) return NULL;
    if (bytes > tickets->max_bytes) {
        *status = E2STR_OK;
        return NULL;
    }
    e2_ticket *ticket = malloc(bytes);
    if (!ticket) return NULL;
    uint8_t *own = (uint8_t *)(ticket + 1);
    char *text = (char *)own + pixels;
    copy_pixels(image, row, own);
    memcpy(text, e2str_result_text(result), text_size + 1);
    *ticket = (e2_ticket){bytes, *image, text, text_size};
    ticket->image.pixels = own;
    ticket->image.stride = (ptrdiff_t)row;
    ticket->image.owned = NULL;
    *status = E2STR_OK;
    return ticket;
}

uint64_t e2_tickets_put(e2_tickets *tickets, e2_ticket *ticket) {
    while (tickets->oldest < tickets->next && (tickets->next - tickets->oldest >= tickets->capacity ||
                                               tickets->bytes > tickets->max_bytes - ticket->bytes))
        e2_tickets_close(tickets, tickets->oldest++);
    tickets->slots[tickets->next % tickets->capacity] = ticket;
    tickets->bytes += ticket->bytes;
    tickets->open++;
    return tickets->next++;
}

const e2_ticket *e2_tickets_find(const e2_tickets *tickets, uint64_t number) {
    if (number < tickets->oldest || number >= tickets->next) return NULL;
    return tickets->slots[number % tickets->capacity];
}

void e2_tickets_close(e2_tickets *tickets, uint64_t number) {
    e2_ticket **slot = &tickets->slots[number % tickets->capacity];
    if (!*slot) return;
    tickets->bytes -= (*slot)->bytes;
    tickets->open--;
    free(*slot);
    *slot = NULL;
}
