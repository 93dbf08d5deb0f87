#ifndef LIMETTA_SEARCH_FUZZY_H
#define LIMETTA_SEARCH_FUZZY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Looking for words as people misspell them (RFC 6203), in a stream of text. */

enum { FUZZY_WORDS_MOST = 32, FUZZY_WORD_MOST = 256, FUZZY_LETTERS_MOST = 64 };

struct fuzzy_word {
    struct str key; /* folded; in the arena */
    uint32_t letters[FUZZY_LETTERS_MOST];
    unsigned letter_count;
    unsigned score; /* of the best match so far: 1 to 100; 0: none */
};

struct fuzzy {
    struct fuzzy_word *at;
    size_t count;
    char word[FUZZY_WORD_MOST]; /* the word that the stream is in; its rest is cut off */
    size_t word_n;
};

/* key: the text looked for, as a casemap key (mime/casemap.h). NULL: it has no words, or a is full. Words beyond
 * FUZZY_WORDS_MOST do not count. */
struct fuzzy *fuzzy_new(struct arena *a, struct str key);
/* A message begins: nothing was found. */
void fuzzy_clear(struct fuzzy *f);
/* A text ends: no word goes on. */
void fuzzy_end_text(struct fuzzy *f);
/* More of a text, as casemap keys of whole characters. */
void fuzzy_feed(struct fuzzy *f, struct str key);
/* How well all of the words were found, 1 to 100; 0: one of them was not. Call behind fuzzy_end_text(). */
unsigned fuzzy_get_score(const struct fuzzy *f);

#endif
