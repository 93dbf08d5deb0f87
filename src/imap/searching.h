#ifndef LIMETTA_IMAP_SEARCHING_H
#define LIMETTA_IMAP_SEARCHING_H

#include "base/buf.h"
#include "base/scan.h"
#include "imap/command.h"
#include "imap/results.h"
#include "imap/search_return.h"
#include "search/program.h"
#include "search/run.h"
#include "search/sort_key.h"

#include <stdbool.h>

/* What SEARCH, SORT and THREAD have in common: search criteria and what is wanted of the result. Lives in a command's args. */
struct searching {
    struct search_return wants;
    bool has_fuzzy;              /* the criteria name FUZZY (RFC 6203) */
    bool is_uid;                 /* the results of a live context are told as UIDs */
    bool has_modseq;             /* the criteria name MODSEQ (RFC 7162, 3.1.5) */
    struct str undefined_filter; /* the criteria name a filter that is not there; empty: no */
    struct search_key *program;
    struct search *search;  /* NULL before searching_begin() */
    struct results results; /* to be told; for "* SEARCH 1 2 3" and its like */
    struct results_place place;
    struct esearch esearch;
    bool is_elsewhere; /* not the selected mailbox alone is searched: "$" means nothing */
    bool is_refused;   /* a live context was wanted, and cannot be */
};

/* Reads RETURN options, if there are any (search_return.h); what is allowed here is what all of the trunk can do. */
void searching_parse_return(struct imap_session *s, struct cmd *cmd, struct scan *c,
                            struct searching *q);

/* Reads SP, charset, SP, search keys (RFC 5256: search-criteria). */
void searching_parse_criteria(struct imap_session *s, struct cmd *cmd, struct scan *c,
                              struct searching *q);
/* Reads SP, maybe "CHARSET" SP charset SP, search keys (RFC 3501). */
void searching_parse_keys(struct imap_session *s, struct cmd *cmd, struct scan *c,
                          struct searching *q);
/* Begins the search in what the client knows of the selected mailbox. Errors: those of search_new(),
 * ERR_UNDEFINED_FILTER. */
MUST_USE enum err searching_begin(struct imap_session *s, struct searching *q, struct buf *out);
/* What comes before a search, in whichever mailbox. Errors: ERR_UNDEFINED_FILTER. */
MUST_USE enum err searching_prepare(struct imap_session *s, struct searching *q, struct buf *out);
/* Begins it in any mailbox, of which v is a view (ESEARCH). */
MUST_USE enum err searching_begin_in(struct imap_session *s, struct searching *q, struct mailbox *m,
                                     struct view *v);
/* One portion; tells progress. STEP_BAD: the command's err is set. */
enum step searching_step(struct imap_session *s, struct searching *q, struct buf *out);
/* Makes what was found a live context, if that is wanted (RFC 5267, 4.3). order and sorted: of SORT, else NULL. */
void searching_begin_context(struct imap_session *s, struct searching *q,
                             const struct sort_program *order, const uint32_t *sorted);
/* The results are these; they are saved, if that is wanted, and told from now on. name: of the response without RETURN, "SEARCH". */
void searching_begin_tell(struct imap_session *s, struct searching *q, struct results results,
                          const char *name, struct buf *out);
/* The command failed later on, with the err that it has: what was to be saved is not (RFC 5182, 2.1). */
void searching_fail(struct imap_session *s, struct searching *q);
enum step searching_tell(struct searching *q, struct buf *out);
/* The results alone, without a word on a context that is refused. */
enum step searching_tell_results(struct searching *q, struct buf *out);
/* The untagged NO for a live context that cannot be (RFC 5267, 4.3.1). */
void searching_write_noupdate(struct str tag, struct buf *out);
void searching_release(struct searching *q);

#endif
