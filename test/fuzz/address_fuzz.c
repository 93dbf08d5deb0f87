/* Fuzzes mime/address: any octets are an address list, groups nest properly, nothing is longer than the input. */
#include "fuzz.h"

#include "mime/address.h"

#include <assert.h>

enum { ARENA_CAP = 256 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_CAP);
    struct address_list l;
    enum err e = address_list_parse(a, str_make((const char *)data, size), &l);
    assert(e == ERR_OK);
    bool is_in_group = false;
    size_t octets = 0;
    for (uint32_t i = 0; i < l.count; i++) {
        const struct address *m = &l.at[i];
        assert(!(m->is_group_start && is_in_group) && !(m->is_group_end && !is_in_group));
        is_in_group = m->is_group_start || (is_in_group && !m->is_group_end);
        octets += m->name.n + m->route.n + m->mailbox.n + m->host.n;
    }
    assert(!is_in_group);
    assert(octets <= size);
    arena_free(&a);
    return 0;
}
