/* Approximate matching, word by word.
 *
 * The text looked for is cut into words, runs of letters and digits; each must be like some word of the text, in any order. What "like"
 * means is told by a score, and the best one counts:
 *
 *   100  the same word                              case and accents never count
 *    90  its beginning                              "meet" in "meeting"
 *    75  a part of it                               "work" in "homework"
 *    60  one letter is wrong, missing, too many, or two are swapped; from 4 letters on
 *    40  two of that; from 8 letters on
 *
 * A part of a word counts, so all that an exact search finds is found here, too. (Two texts side by side in a phrase need not
 * be so in the text.) Distances are counted in letters (Damerau-Levenshtein, without overlaps), within the bounds only: a table of three
 * rows, given up as soon as a row is beyond them.
 *
 * Keys come in decomposed (casemap.h): accents are characters of their own, U+0300 to U+036F, and are dropped. Memory is one word;
 * of a longer one only the beginning counts. */
#include "search/fuzzy.h"

#include "base/utf8.h"

#include <unicode/uchar.h>

enum {
    SCORE_SAME = 100,
    SCORE_BEGINNING = 90,
    SCORE_PART = 75,
    SCORE_ONE = 60,
    SCORE_TWO = 40,
    LETTERS_FOR_ONE = 4,
    LETTERS_FOR_TWO = 8,
    MARK_FIRST = 0x300,
    MARK_LAST = 0x36f
};

/* ---- words ---- */

static bool is_mark(uint32_t c)
{
    return c >= MARK_FIRST && c <= MARK_LAST;
}

static bool is_letter(uint32_t c)
{
    if (c < 0x80) {
        return ascii_is_alpha((char)c) || ascii_is_digit((char)c);
    }
    return u_isalnum((UChar32)c) != 0;
}

static unsigned get_letters(struct str word, uint32_t letters[FUZZY_LETTERS_MOST])
{
    unsigned n = 0;
    while (n < FUZZY_LETTERS_MOST && utf8_next(&word, &letters[n])) {
        n++;
    }
    return n;
}

/* Takes the next character off *s; octets that are no character are taken one by one, as c 0. */
static size_t take(struct str *s, uint32_t *c)
{
    size_t before = s->n;
    if (!utf8_next(s, c)) {
        *c = 0;
        *s = str_skip(*s, 1);
    }
    return before - s->n;
}

static void add_word(struct fuzzy *f, struct arena *a, struct str word)
{
    struct fuzzy_word *w = &f->at[f->count];
    *w = (struct fuzzy_word){.key = arena_str(a, word)};
    w->letter_count = get_letters(word, w->letters);
    f->count += w->key.n > 0 ? 1 : 0;
}

struct fuzzy *fuzzy_new(struct arena *a, struct str key)
{
    struct fuzzy *f = arena_one(a, struct fuzzy);
    struct buf word = BUF_INIT(FUZZY_WORD_MOST);
    if (f == NULL || (f->at = arena_array(a, struct fuzzy_word, FUZZY_WORDS_MOST)) == NULL) {
        return NULL;
    }
    while (key.n > 0 && f->count < FUZZY_WORDS_MOST) {
        struct str at = key;
        uint32_t c;
        size_t n = take(&key, &c);
        if (is_letter(c)) {
            buf_add(&word, str_sub(at, 0, n));
        } else if (!is_mark(c)) {
            add_word(f, a, buf_str(&word));
            buf_clear(&word);
        }
    }
    if (f->count < FUZZY_WORDS_MOST) {
        add_word(f, a, buf_str(&word));
    }
    buf_release(&word);
    return f->count == 0 ? NULL : f;
}

/* ---- distance ---- */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

struct rows {
    unsigned at[3][FUZZY_LETTERS_MOST + 1];
};

/* Fills row i of the table from the two before it; returns the least of it. */
static unsigned fill_row(struct rows *r, const struct fuzzy_word *a, const uint32_t *b, unsigned n,
                         unsigned i)
{
    unsigned *row = r->at[i % 3];
    const unsigned *last = r->at[(i + 2) % 3];
    const unsigned *before = r->at[(i + 1) % 3];
    unsigned lowest = i;
    row[0] = i;
    for (unsigned k = 1; k <= n; k++) {
        unsigned cost = a->letters[i - 1] == b[k - 1] ? 0 : 1;
        row[k] = least(least(last[k], row[k - 1]) + 1, last[k - 1] + cost);
        bool is_swapped =
            i > 1 && k > 1 && a->letters[i - 1] == b[k - 2] && a->letters[i - 2] == b[k - 1];
        if (is_swapped) {
            row[k] = least(row[k], before[k - 2] + 1);
        }
        lowest = least(lowest, row[k]);
    }
    return lowest;
}

/* The distance of a from the n letters of b; more than most: at least that much more. */
static unsigned get_distance(const struct fuzzy_word *a, const uint32_t *b, unsigned n,
                             unsigned most)
{
    struct rows r;
    unsigned m = a->letter_count;
    if (m > n + most || n > m + most) {
        return most + 1;
    }
    for (unsigned k = 0; k <= n; k++) {
        r.at[0][k] = k;
    }
    unsigned lowest = 0;
    for (unsigned i = 1; i <= m && lowest <= most; i++) {
        lowest = fill_row(&r, a, b, n, i);
    }
    return lowest > most ? most + 1 : r.at[m % 3][n];
}

/* ---- the stream ---- */

static unsigned score_misspelt(const struct fuzzy_word *w, struct str word)
{
    uint32_t letters[FUZZY_LETTERS_MOST];
    if (w->letter_count < LETTERS_FOR_ONE || w->letter_count == FUZZY_LETTERS_MOST) {
        return 0;
    }
    unsigned most = w->letter_count < LETTERS_FOR_TWO ? 1 : 2;
    unsigned distance = get_distance(w, letters, get_letters(word, letters), most);
    if (distance > most) {
        return 0;
    }
    return distance == 1 ? SCORE_ONE : SCORE_TWO;
}

static unsigned score_word(const struct fuzzy_word *w, struct str word)
{
    if (str_eq(w->key, word)) {
        return SCORE_SAME;
    }
    if (str_starts(word, w->key)) {
        return SCORE_BEGINNING;
    }
    if (str_find_str(word, w->key) < word.n) {
        return SCORE_PART;
    }
    return w->score >= SCORE_ONE ? 0 : score_misspelt(w, word);
}

void fuzzy_clear(struct fuzzy *f)
{
    f->word_n = 0;
    for (size_t i = 0; i < f->count; i++) {
        f->at[i].score = 0;
    }
}

void fuzzy_end_text(struct fuzzy *f)
{
    struct str word = str_make(f->word, f->word_n);
    for (size_t i = 0; word.n > 0 && i < f->count; i++) {
        struct fuzzy_word *w = &f->at[i];
        unsigned score = w->score == SCORE_SAME ? 0 : score_word(w, word);
        w->score = score > w->score ? score : w->score;
    }
    f->word_n = 0;
}

void fuzzy_feed(struct fuzzy *f, struct str key)
{
    while (key.n > 0) {
        struct str at = key;
        uint32_t c;
        size_t n = take(&key, &c);
        if (!is_letter(c)) {
            if (!is_mark(c)) {
                fuzzy_end_text(f);
            }
        } else if (f->word_n + n <= sizeof(f->word)) {
            memcpy(f->word + f->word_n, at.p, n);
            f->word_n += n;
        }
    }
}

unsigned fuzzy_get_score(const struct fuzzy *f)
{
    unsigned sum = 0;
    for (size_t i = 0; i < f->count; i++) {
        if (f->at[i].score == 0) {
            return 0;
        }
        sum += f->at[i].score;
    }
    return f->count == 0 ? 0 : sum / (unsigned)f->count;
}
