#ifndef LIMETTA_MAIN_CONVERT_DESK_H
#define LIMETTA_MAIN_CONVERT_DESK_H

#include "base/str.h"
#include "net/fields.h"
#include "net/loop.h"
#include "net/stream.h"

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

/* Where conversions wait for their turn, and who runs them. A session is one conversion: its octets come, one answer goes
 * (convert/service.c says which). */
struct convert_desk;

struct convert_desk_config {
    struct loop *loop;
    const char *dir; /* of our own programs; borrowed */
    unsigned tools;  /* that are there */
    unsigned slots;  /* conversions at once */
    uint64_t time_s;
    uint64_t memory;
    uint64_t pixels;
    uint64_t input_most;
    uint64_t output_most;
};

struct convert_desk *convert_desk_new(const struct convert_desk_config *c);
/* Ends all programs that run. */
void convert_desk_free(struct convert_desk **d);
/* Takes s; head is its open message. */
void convert_desk_open(struct convert_desk *d, const struct fields *head, struct stream *s);
/* Some child ended. */
void convert_desk_on_child(struct convert_desk *d);

#endif
