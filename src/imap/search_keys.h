#ifndef LIMETTA_IMAP_SEARCH_KEYS_H
#define LIMETTA_IMAP_SEARCH_KEYS_H

#include "base/arena.h"
#include "base/numset.h"
#include "base/scan.h"
#include "search/program.h"

#include <stdbool.h>
#include <stdint.h>

/* Where search keys are read from, and what they mean there. */
struct search_keys {
    struct arena *arena; /* the program lives here */
    struct str charset;  /* of the strings; empty: none was named */
    bool is_uid_only;    /* no key may be a message number: ERR_UID_REQUIRED (RFC 9586, 3.5) */
    const struct numset *saved; /* what "$" means: UIDs (RFC 5182); NULL: it cannot be used here */
    bool is_saved_lost;         /* nobody knows any more: ERR_UNAVAILABLE */
    bool has_modseq;            /* out: a MODSEQ key was read (RFC 7162, 3.1.5) */
    unsigned count;             /* keys so far */
    unsigned fuzzy_depth;       /* within how many FUZZY the parser is */
    bool has_fuzzy;             /* out: a FUZZY was read (RFC 6203) */
    /* The criteria that FILTER name stands for (RFC 5466), in a or borrowed for the parse; false: there is none. NULL: there
     * never is. */
    bool (*find_filter)(void *owner, struct arena *a, struct str name, struct str *out);
    void *filter_owner;
    unsigned filter_depth;       /* filters within filters, now */
    struct str undefined_filter; /* out: a filter that is not there; empty: none */
};

/* How deep filters may name each other (RFC 5466, 3.1); deeper ones do not exist. */
enum { FILTER_DEPTH_MOST = 3 };

/* search-key *(SP search-key), up to the end of the command (RFC 3501, 9). NULL when the scan failed; the failure is
 * ERR_BAD_CHARSET when a string does not fit the charset, ERR_FILTER_CHARSET beside a filter, ERR_BAD_FILTER,
 * ERR_TOO_DEEP or ERR_LIMIT beyond SEARCH_DEPTH_MOST and SEARCH_KEYS_MOST. */
struct search_key *search_keys_parse(struct search_keys *k, struct scan *c);

#endif
