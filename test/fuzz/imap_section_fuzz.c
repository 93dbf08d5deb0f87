/* Fuzzes section_parse() and section_write(): what is written reads back as the same section. */
#include "fuzz.h"

#include "wire/imap_scan.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(1 << 20);
    struct section section;
    struct section again;
    struct buf first = BUF_INIT(1 << 20);
    struct buf second = BUF_INIT(1 << 20);
    if (section_parse(a, str_make((const char *)data, size), &section) == ERR_OK) {
        section_write(&first, &section);
        enum err e = section_parse(a, buf_str(&first), &again);
        assert(e == ERR_OK);
        section_write(&second, &again);
        assert(str_eq(buf_str(&first), buf_str(&second)));
        assert(again.depth == section.depth && again.text == section.text);
        assert(again.field_count == section.field_count);
    }
    buf_release(&first);
    buf_release(&second);
    arena_free(&a);
    return 0;
}
