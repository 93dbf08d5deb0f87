/* Fuzzes wire/utf7 both ways: a name has one spelling, and each side refuses what the other cannot make. */
#include "fuzz.h"

#include "wire/utf7.h"
#include "base/utf8.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = str_make((const char *)data, size);
    struct buf there = BUF_INIT(1 << 20);
    struct buf back = BUF_INIT(1 << 20);
    if (utf7_parse(s, &there) == ERR_OK) {
        assert(utf8_is_valid(buf_str(&there)));
        enum err e = utf7_write(&back, buf_str(&there));
        assert(e == ERR_OK && str_eq(buf_str(&back), s));
    }
    buf_clear(&there);
    buf_clear(&back);
    if (utf7_write(&there, s) == ERR_OK) {
        assert(utf8_is_valid(s));
        enum err e = utf7_parse(buf_str(&there), &back);
        assert(e == ERR_OK && str_eq(buf_str(&back), s));
    }
    buf_release(&there);
    buf_release(&back);
    return 0;
}
