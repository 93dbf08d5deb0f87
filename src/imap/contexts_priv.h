#ifndef LIMETTA_IMAP_CONTEXTS_PRIV_H
#define LIMETTA_IMAP_CONTEXTS_PRIV_H

#include "base/arena.h"
#include "base/vec.h"
#include "imap/context_results.h"
#include "imap/contexts.h"
#include "imap/fetch.h"
#include "search/run.h"
#include "search/sort.h"

#include <stdbool.h>
#include <stdint.h>

/* The inside of live contexts: for contexts.c and contexts_saved.c only. */

enum { CONTEXT_PROGRAM_MOST = 256 * 1024 };

/* How far the news of one context are. */
enum context_phase {
    CONTEXT_IDLE,
    CONTEXT_SEARCH,
    CONTEXT_SORT,
    CONTEXT_PLACE,
    CONTEXT_TELL_REMOVED,
    CONTEXT_TELL_ADDED
};

struct context {
    struct arena *arena; /* program and tag */
    struct str tag;
    bool is_uid;
    bool has_star;
    bool has_time;
    size_t key_count;
    struct search_key *program;
    struct sort_program order;
    struct context_results results;
    bool has_atts;
    struct fetch_atts atts; /* of new messages */
    struct str atts_text;   /* that were read from this */
    /* while news are told */
    enum context_phase phase;
    struct search *search;
    struct sort *sort;
    struct numset removed; /* UIDs */
    struct numset added;
    struct numset added_seqs;
    struct numset fresh;   /* UIDs of new messages, of which atts are to be told */
    struct fetch_job *job; /* tells them */
};

struct contexts {
    VEC(struct context *) all;
    size_t at;             /* the context whose news are being told */
    bool is_begun;         /* changed is filled */
    int64_t judged_s;      /* when messages were last judged by their age */
    int64_t aging_s;       /* they are being judged as of this time; 0: they are not */
    size_t age_at;         /* by this context, */
    uint32_t age_seq;      /* up to this message */
    struct numset changed; /* sequence numbers in target of what may have changed */
};

void context_free(struct context *c);
/* What to tell of new messages. Errors: those of scan_fetch_atts(). */
MUST_USE enum err context_read_atts(struct context *c, struct str text);
/* Says that the context of this tag is no more (RFC 5267, 4.3). */
void context_write_end(struct str tag, struct buf *out);

#endif
