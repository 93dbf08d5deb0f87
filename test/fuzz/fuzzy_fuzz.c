/* Fuzzes search/fuzzy: what an exact search finds is found, in one piece or in two; scores are 0 to 100. The input is the text looked
 * for, a line end, and the text. */
#include "fuzz.h"

#include "base/utf8.h"
#include "mime/casemap.h"
#include "search/fuzzy.h"

#include <assert.h>

enum { CAP = 16 * 1024 * 1024, WORD_CERTAIN = 100 };

static unsigned look(struct fuzzy *f, struct str text, size_t cut)
{
    struct buf key = BUF_INIT(CAP);
    fuzzy_clear(f);
    casemap_write(str_sub(text, 0, cut), &key);
    fuzzy_feed(f, buf_str(&key));
    buf_clear(&key);
    casemap_write(str_skip(text, cut), &key);
    fuzzy_feed(f, buf_str(&key));
    fuzzy_end_text(f);
    buf_release(&key);
    unsigned score = fuzzy_get_score(f);
    assert(score <= 100);
    return score;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_make((const char *)data, size);
    struct str wanted = str_split(&text, '\n');
    struct arena *a = arena_new(CAP);
    struct buf key = BUF_INIT(CAP);
    casemap_write(wanted, &key);
    struct fuzzy *f = fuzzy_new(a, buf_str(&key));
    if (f != NULL) {
        unsigned whole = look(f, text, text.n);
        size_t cut = text.n / 2;
        while (cut < text.n && ((unsigned char)text.p[cut] & 0xc0) == 0x80) {
            cut++;
        }
        assert(!utf8_is_valid(text) || look(f, text, cut) == whole);
        bool is_short = wanted.n < WORD_CERTAIN && text.n < WORD_CERTAIN;
        assert(!is_short || whole > 0 || str_find_str(text, wanted) == text.n);
    }
    buf_release(&key);
    arena_free(&a);
    return 0;
}
