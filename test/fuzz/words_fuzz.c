/* Fuzzes mime/words: header text and parameters of any octets decode to valid UTF-8. */
#include "fuzz.h"

#include "base/utf8.h"
#include "mime/words.h"

#include <assert.h>

enum { ARENA_CAP = 16 * 1024 * 1024, TEXT_CAP = 16 * 1024 * 1024 };

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
        }
    }
    buf_release(&text);
    arena_free(&a);
    return 0;
}
