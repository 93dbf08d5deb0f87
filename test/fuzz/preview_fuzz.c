/* Fuzzes previews: no message gives more than PREVIEW_CHARS characters, or anything but UTF-8 without controls, and pieces give
 * what the whole gives. The first octet chooses the size of the pieces. */
#include "fuzz.h"

#include "base/utf8.h"
#include "mime/preview.h"

#include <assert.h>

static struct preview *feed(const struct part *part, struct str body, size_t piece)
{
    struct preview *p = NULL;
    enum err e = preview_new(part, &p);
    assert(e == ERR_OK);
    while (body.n > piece && !preview_feed(p, str_sub(body, 0, piece), false)) {
        body = str_skip(body, piece);
    }
    (void)preview_feed(p, body, true);
    return p;
}

static void check_text(struct str s)
{
    unsigned chars = 0;
    uint32_t c = 0;
    while (utf8_next(&s, &c)) {
        assert(c >= ' ' && (c < 0x7f || c >= 0xa0));
        chars++;
    }
    assert(s.n == 0 && chars <= PREVIEW_CHARS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct str message = str_make((const char *)data + 1, size - 1);
    struct arena *a = arena_new(SHAPE_ARENA_MOST);
    struct buf serialised = BUF_INIT(SHAPE_MOST);
    struct shape shape;
    bool is_fine = shape_build(message, &serialised) == ERR_OK
                   && shape_parse(a, buf_str(&serialised), &shape) == ERR_OK;
    assert(is_fine);
    const struct part *part = NULL;
    for (unsigned n = 0; (part = preview_find_part(&shape, n)) != NULL; n++) {
        struct str body = str_sub(message, (size_t)part->body_offset, (size_t)part->body_size);
        struct preview *whole = feed(part, body, SIZE_MAX);
        struct preview *pieces = feed(part, body, 1 + data[0] % 50);
        check_text(preview_get(whole));
        assert(str_eq(preview_get(whole), preview_get(pieces)));
        preview_free(&whole);
        preview_free(&pieces);
    }
    arena_free(&a);
    buf_release(&serialised);
    return 0;
}
