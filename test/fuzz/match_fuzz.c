/* Fuzzes search/match: texts found in a stream fed in pieces are those found in the stream fed at once.
 * The input: size of the pieces, sizes of three needles, the needles, the stream. */
#include "fuzz.h"

#include "mime/casemap.h"
#include "search/match.h"

#include <assert.h>

enum { NEEDLES = 3, KEY_CAP = 1024 * 1024 };

static unsigned find_all(struct needle *needles, struct str stream, size_t piece)
{
    struct match m;
    unsigned found = 0;
    match_init(&m, needles, NEEDLES);
    for (size_t i = 0; i < NEEDLES; i++) {
        needles[i].is_active = true;
        needles[i].is_found = false;
    }
    match_begin(&m);
    for (; stream.n > piece; stream = str_skip(stream, piece)) {
        (void)match_feed(&m, str_sub(stream, 0, piece));
    }
    (void)match_feed(&m, stream);
    for (size_t i = 0; i < NEEDLES; i++) {
        found |= needles[i].is_found ? 1U << i : 0U;
    }
    match_release(&m);
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct needle needles[NEEDLES] = {0};
    struct buf keys[NEEDLES];
    if (size < 1 + NEEDLES) {
        return 0;
    }
    struct str rest = str_make((const char *)data + 1 + NEEDLES, size - 1 - NEEDLES);
    for (size_t i = 0; i < NEEDLES; i++) {
        size_t n = data[1 + i] % 16;
        keys[i] = BUF_INIT(KEY_CAP);
        casemap_write(str_sub(rest, 0, n), &keys[i]);
        needles[i].key = buf_str(&keys[i]);
        rest = str_skip(rest, n);
    }
    /* Pieces hold whole characters: so only ASCII streams may be cut anywhere. */
    for (size_t i = 0; i < rest.n; i++) {
        rest.n = (unsigned char)rest.p[i] < 0x80 ? rest.n : i;
    }
    unsigned whole = find_all(needles, rest, SIZE_MAX);
    unsigned pieces = find_all(needles, rest, 1 + data[0] % 8);
    assert(whole == pieces);
    for (size_t i = 0; i < NEEDLES; i++) {
        buf_release(&keys[i]);
    }
    return 0;
}
