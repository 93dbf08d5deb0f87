#ifndef LIMETTA_CONVERT_PARAMS_H
#define LIMETTA_CONVERT_PARAMS_H

#include "base/buf.h"
#include "base/str.h"
#include "convert/registry.h"
#include "net/fields.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Conversion parameters (RFC 5259, 7): what a client gave, and what it means. */
struct convert_given {
    struct str name;
    struct str value;
};

enum { CONVERT_PARAMS_MOST = 16 };

struct convert_params {
    struct convert_given at[CONVERT_PARAMS_MOST];
    unsigned count;
};

enum convert_resize { RESIZE_ASPECT, RESIZE_CROP, RESIZE_STRETCH };

struct convert_settings {
    unsigned given;     /* bits of enum convert_param */
    struct str charset; /* empty: utf-8 */
    struct str replacement;
    enum convert_resize resize;
    uint64_t pix_x; /* 0: any */
    uint64_t pix_y;
    uint64_t size; /* 0: any */
    uint64_t quality;
    uint64_t depth;
    uint64_t page; /* 0: all, or the first */
};

/* What p means for the conversion. Borrows from p. Returns which parameters cannot be honoured, a bit for each place in p:
 * unknown or irrelevant ones, ones given twice, bad values (RFC 5259, 9: all are to be listed). 0: *out is complete. */
unsigned convert_params_read(const struct convert_params *p, const struct convert_pair *pair,
                             struct convert_settings *out);
/* The same parameters give the same text. Appends. */
void convert_settings_write(struct buf *out, const struct convert_settings *s);
/* For a link: appends what tools need, and reads it again. A number that is no number, or too large, is none. */
void convert_settings_write_fields(struct buf *out, const struct convert_settings *s);
void convert_settings_read_fields(const struct fields *f, struct convert_settings *out);

#endif
