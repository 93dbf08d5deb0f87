/* Fuzzes mime/header_ascii: what comes out is ASCII, has the fields that went in, in their order, and stays as it is when it is
 * converted again. */
#include "fuzz.h"

#include "mime/field.h"
#include "mime/header_ascii.h"

#include <assert.h>

static void check_fields(struct str before, struct str after)
{
    struct field a;
    struct field b;
    size_t at_a = 0;
    size_t at_b = 0;
    while (field_next(before, &at_a, &a)) {
        bool is_there = field_next(after, &at_b, &b);
        assert(is_there && str_eq(a.name, b.name));
    }
    bool is_more = field_next(after, &at_b, &b);
    assert(!is_more);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str header = str_make((const char *)data, size);
    struct buf once = BUF_INIT(1 << 24);
    struct buf twice = BUF_INIT(1 << 24);
    if (header_to_ascii(header, &once) == ERR_OK) {
        assert(!header_has_8bit(buf_str(&once)));
        check_fields(header, buf_str(&once));
        enum err e = header_to_ascii(buf_str(&once), &twice);
        assert(e == ERR_OK && str_eq(buf_str(&once), buf_str(&twice)));
    }
    buf_release(&once);
    buf_release(&twice);
    return 0;
}
