#ifndef LIMETTA_IMAP_SEARCH_RETURN_H
#define LIMETTA_IMAP_SEARCH_RETURN_H

#include "base/arena.h"
#include "base/scan.h"
#include "wire/imap_scan.h"

#include <stdbool.h>

/* What a searching command wants to be told: the options behind RETURN (RFC 4466, 4731, 5182, 5267). */
enum return_option {
    RETURN_MIN = 1,
    RETURN_MAX = 2,
    RETURN_ALL = 4,
    RETURN_COUNT = 8,
    RETURN_PARTIAL = 16,
    RETURN_UPDATE = 32,
    RETURN_CONTEXT = 64,   /* a hint that the same will be asked again; nothing follows from it */
    RETURN_SAVE = 128,     /* "$" becomes the result (RFC 5182) */
    RETURN_RELEVANCY = 256 /* RFC 6203, 4 */
};

struct search_return {
    bool is_given;    /* there was a RETURN: the answer is an ESEARCH response */
    unsigned options; /* bits of enum return_option */
    struct partial_range partial;
    struct str
        update_atts; /* behind UPDATE: "(" attributes of new results ")" (RFC 5465, 7); empty: none. Borrows from the text */
};

/* Reads what may stand behind a command's name: SP "RETURN" SP "(" options ")". When it does not, the scan stays where it
 * was. "()" means ALL (RFC 4731, 3.1). a: for what is read and thrown away. */
void search_return_parse(struct search_return *r, struct scan *c, struct arena *a);

/* Does it want anything of the result to be told? If not, and it is to be saved, there is no ESEARCH response (RFC 5182, 1). */
bool search_return_has_data(const struct search_return *r);

#endif
