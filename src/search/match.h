#ifndef LIMETTA_SEARCH_MATCH_H
#define LIMETTA_SEARCH_MATCH_H

#include "base/buf.h"
#include "base/str.h"
#include "search/content.h"
#include "search/fuzzy.h"
#include "search/program.h"

#include <stdbool.h>
#include <stddef.h>

/* One text looked for. */
struct needle {
    struct str key;        /* its casemap key; borrowed */
    enum search_kind kind; /* SEARCH_HEADER, SEARCH_BODY or SEARCH_TEXT: where */
    struct str field;      /* SEARCH_HEADER: the field; borrowed */
    struct fuzzy *fuzzy;   /* its words, if words like them count, too; borrowed; else NULL */
    bool is_active;        /* the stream at hand counts for it */
    bool is_found;
};

/* Looks for many texts at once in a stream of UTF-8, in memory bounded by the longest of them. */
struct match {
    struct needle *at; /* borrowed */
    size_t count;
    size_t longest;    /* octets of the longest key */
    struct buf window; /* keys of the last octets seen, and of the new ones */
};

void match_init(struct match *m, struct needle *needles, size_t count);
void match_release(struct match *m);
/* A new stream begins: no text runs from the last one into it. */
void match_begin(struct match *m);
/* The same; needles are active that look into such a text. False: none of them is still to be found. */
bool match_begin_text(struct match *m, const struct content_text *t);
/* More of the stream, whole characters. Marks active needles as found; true: there was a new one. */
bool match_feed(struct match *m, struct str utf8);

#endif
