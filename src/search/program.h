#ifndef LIMETTA_SEARCH_PROGRAM_H
#define LIMETTA_SEARCH_PROGRAM_H

#include "base/arena.h"
#include "base/numset.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A search program: a tree of keys that says of a message yes or no. A protocol's parser builds it in an arena, search/run.h
 * evaluates it. Keys of RFC 3501, 6.4.4 that are not in the list are written with others:
 *
 *   ANSWERED, DELETED, DRAFT, FLAGGED, SEEN   FLAGS            UNANSWERED ... UNSEEN, UNKEYWORD   NOT of that
 *   NEW   AND (RECENT, NOT FLAGS \Seen)                        OLD   NOT RECENT
 *   a list of keys, parenthesised or not   AND */
enum search_kind {
    SEARCH_ALL,     /* every message */
    SEARCH_AND,     /* all children; none: every message */
    SEARCH_OR,      /* any child; none: no message */
    SEARCH_NOT,     /* not its one child */
    SEARCH_SEQ,     /* sequence number is in set */
    SEARCH_UID,     /* UID is in set */
    SEARCH_FLAGS,   /* all FLAG_ bits of number are set */
    SEARCH_KEYWORD, /* text: the keyword is set */
    SEARCH_RECENT,
    SEARCH_MODSEQ,  /* modseq is >= number (RFC 7162, 3.1.5) */
    SEARCH_LARGER,  /* size is > number */
    SEARCH_SMALLER, /* size is < number */
    SEARCH_OLDER,   /* the internal date is number seconds ago, or longer (RFC 5032) */
    SEARCH_YOUNGER, /* or not as long */
    /* The day of the internal date, as shown (+0000), against number: days since 1970 (date_to_days()). */
    SEARCH_BEFORE,
    SEARCH_ON,
    SEARCH_SINCE, /* that day or later */
    /* The same for the day when it came into the mailbox (RFC 8514). */
    SEARCH_SAVEDBEFORE,
    SEARCH_SAVEDON,
    SEARCH_SAVEDSINCE,
    SEARCH_EMAILID,  /* text is the message's (RFC 8474) */
    SEARCH_THREADID, /* the same; needs the envelope */
    /* The same for the Date: field in its own zone; without a readable Date: no. */
    SEARCH_SENTBEFORE,
    SEARCH_SENTON,
    SEARCH_SENTSINCE,
    /* text is somewhere in the envelope's field. */
    SEARCH_FROM,
    SEARCH_TO,
    SEARCH_CC,
    SEARCH_BCC,
    SEARCH_SUBJECT,
    SEARCH_HEADER, /* text is in a field called `field` of the message's header; empty text: there is such a field */
    SEARCH_BODY, /* text is in a text part, decoded, or in a message/ part that is no message */
    SEARCH_TEXT  /* the same, or in the header, or in the header of any part */
};

/* Numbers in any order; 0 stands for "*": the largest number in use, in an empty mailbox: none
 * (RFC 3501, 9 "seq-range"). */
struct search_set {
    const struct numrange *at; /* borrowed; first and last may come in either order */
    size_t count;
};

struct search_key {
    enum search_kind kind;
    struct search_set set;
    int64_t number;
    struct str text;  /* UTF-8 (the parser converts, mime/charset.h) */
    bool is_fuzzy;    /* SEARCH_FROM and later: words like those of text count (search/fuzzy.h) */
    struct str field; /* header field name, without the colon */
    struct search_key *child; /* first child */
    struct search_key *next;  /* next sibling */
    struct search_key *last;  /* last child, for appending */
    size_t id;                /* search/run.c's: place of its result */
};

enum {
    SEARCH_DEPTH_MOST = 50,
    SEARCH_KEYS_MOST = 1000,
    SEARCH_TEXT_MOST = 8192,
    SEARCH_FUZZY_WORDS_MOST =
        64 /* of all fuzzy keys: each is compared with each word of a message */
};

/* A key of that kind, empty otherwise; NULL at the arena's cap. */
struct search_key *search_key_new(struct arena *a, enum search_kind kind);
/* Appends child to AND, OR or NOT. Both may be NULL (an arena was full): then nothing happens. */
void search_key_add(struct search_key *parent, struct search_key *child);
/* NOT child; NULL when child is NULL or at the cap. */
struct search_key *search_key_not(struct arena *a, struct search_key *child);

/* A copy of the whole tree, texts and all, in a; NULL at the cap. At most SEARCH_DEPTH_MOST deep. */
struct search_key *search_key_copy(struct arena *a, const struct search_key *k);
/* A copy of the ranges. Errors: ERR_LIMIT at a's cap. */
MUST_USE enum err search_set_copy(struct arena *a, const struct numrange *at, size_t count,
                                  struct search_set *out);

#endif
