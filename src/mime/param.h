#ifndef LIMETTA_MIME_PARAM_H
#define LIMETTA_MIME_PARAM_H

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdint.h>

struct param {
    struct str name;
    struct str value; /* unquoted; RFC 2231 forms and encoded words as they stand (see words.h) */
};

struct param_list {
    const struct param *at;
    uint32_t count;
};

/* A value with parameters: Content-Type "text/plain; charset=utf-8", Content-Disposition "attachment; filename=a". */
struct param_field {
    struct str type;    /* empty: nothing readable was there */
    struct str subtype; /* behind "/"; empty: none */
    struct param_list params;
};

/* Reads unfolded field values, tolerantly (RFC 2045, 5.1; RFC 2183, 2). Everything lives in a.
 * Errors: ERR_LIMIT at a's cap only. */
MUST_USE enum err param_field_parse(struct arena *a, struct str value, struct param_field *out);
/* "en, fr (comment)": names only (RFC 3282). */
MUST_USE enum err param_names_parse(struct arena *a, struct str value, struct param_list *out);
/* A single token, comments dropped: Content-Transfer-Encoding. */
MUST_USE enum err param_token_parse(struct arena *a, struct str value, struct str *out);
/* The value of the first parameter called name (without case); {NULL, 0} when there is none. */
struct str param_find(const struct param_list *l, struct str name);

#endif
