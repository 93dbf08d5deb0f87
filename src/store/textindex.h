#ifndef LIMETTA_STORE_TEXTINDEX_H
#define LIMETTA_STORE_TEXTINDEX_H

#include "store/store.h"

/* The text index of an account: which bodies may hold a text.
 *
 * It knows of every body up to a *mark* (body ids rise with time) the sequences of three characters in its text. A body that is not
 * named for a text does not hold it; one that is named may. Whoever asks looks at the candidates, and at the bodies behind
 * the mark, themselves. What counts as the text of a body is decided by who writes it (search/indexer.c); texts and
 * queries are casemap keys (mime/casemap.h).
 *
 * Nothing here is an error for the caller: an index that cannot be read or written is dropped, its mark is 0 then, and it is
 * made again later. */

enum {
    TEXT_RULES =
        2, /* raise it when the text of a body is made in another way: indexes made before are dropped */
    TEXT_MOST = 1024 * 1024, /* octets of one body's text that are indexed */
    TEXT_SHORTEST = 3 /* characters a text must have to be looked up; but see text_is_findable() */
};

/* ---- writing ---- */

/* The account that has bodies to index now, the one with the fewest first. NULL: none; *wait_ms says when to ask
 * again, 0: not before the next commit. Borrowed until store_tick(). */
struct account *store_find_text_work(struct store *s, uint64_t *wait_ms);
/* The first body behind the mark; 0: there is none that may be indexed now. */
uint64_t account_get_next_text(struct account *a);
/* Adds the text of the body that account_get_next_text() named and moves the mark there. text: at most TEXT_MOST octets are
 * taken; is_whole: there is no more of it, else the body is a candidate for every query. */
void account_add_text(struct account *a, uint64_t body_id, struct str text, bool is_whole);
/* Commits what was added. It also happens by itself, now and then. */
void account_flush_text(struct account *a);

/* ---- reading ---- */

/* The text is long enough, and made of characters. One or two of them are enough where that is a word: Chinese and Japanese.
 * For them the text of a body must end in two characters that are in no key. */
bool text_is_findable(struct str key);
/* Bodies from first to last that may hold all the keys; each is findable, there is at least one. */
struct text_query {
    const struct str *keys; /* borrowed */
    size_t count;
    uint64_t first;
    uint64_t last;
    void (*on_body)(void *owner, uint64_t body_id);
    void *owner;
};
/* on_body hears each candidate. Returns the mark: what was not named up to it holds not all the keys. 0: the index is of
 * no help, whatever was named. */
uint64_t account_find_text(struct account *a, const struct text_query *q);

#endif
