/* Fuzzes net/fields: what was read can be written, and is read the same again. */
#include "fuzz.h"

#include "net/fields.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fields first;
    if (fields_parse(str_make((const char *)data, size), &first) != ERR_OK) {
        return 0;
    }
    CLEANUP(buf_release) struct buf out = BUF_INIT(1 << 20);
    for (size_t i = 0; i < first.count; i++) {
        fields_add(&out, first.keys[i], first.values[i]);
    }
    struct fields second;
    enum err e = fields_parse(buf_str(&out), &second);
    assert(e == ERR_OK || buf_str(&out).n > FIELDS_OCTETS_MOST);
    if (e == ERR_OK) {
        assert(second.count == first.count);
        for (size_t i = 0; i < first.count; i++) {
            assert(str_eq(fields_get(&second, first.keys[i]), first.values[i]));
        }
        fields_release(&second);
    }
    fields_release(&first);
    return 0;
}
