/* Fuzzes mime/words: header text and parameters of any octets decode to valid UTF-8, and segments are joined. */
#include "fuzz.h"

#include "base/utf8.h"
#include "mime/words.h"

#include <assert.h>

enum { ARENA_CAP = 16 * 1024 * 1024, TEXT_CAP = 16 * 1024 * 1024 };

/* Where there is a first segment, they are joined. */
static void join(const struct param_list *l, struct str name)
{
    struct str base;
    int number = 0;
    bool is_extended = false;
    struct buf joined = BUF_INIT(TEXT_CAP);
    bool is_segment = words_parse_segment(name, &base, &number);
    assert(!is_segment || (base.n < name.n && number >= -1));
    if (is_segment && number == 0) {
        assert(words_join_param(l, base, &joined, &is_extended) == ERR_OK);
    }
    buf_release(&joined);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str octets = str_make((const char *)data, size);
    struct arena *a = arena_new(ARENA_CAP);
    struct buf text = BUF_INIT(TEXT_CAP);
    struct param_field f;
    words_decode(octets, &text);
    assert(utf8_is_valid(buf_str(&text)));
    if (param_field_parse(a, octets, &f) == ERR_OK) {
        for (uint32_t i = 0; i < f.params.count && i < 100; i++) {
            struct str name = f.params.at[i].name;
            name.n = str_find_char(name, '*');
            buf_clear(&text);
            if (words_decode_param(&f.params, name, &text) == ERR_OK) {
                assert(utf8_is_valid(buf_str(&text)));
            }
            join(&f.params, f.params.at[i].name);
        }
    }
    buf_release(&text);
    arena_free(&a);
    return 0;
}
