/* Fuzzes the arguments of GETMETADATA (first octet even) and SETMETADATA: names that are taken keep to RFC 5464, 3.2. */
#include "fuzz.h"

#include "imap/metadata_scan.h"

#include <assert.h>

static void check_name(struct str name)
{
    assert(name.n > 0 && name.n <= ANNOTATION_NAME_MOST);
    assert(str_starts_nocase(name, STR("/private")) || str_starts_nocase(name, STR("/shared")));
    assert(name.p[name.n - 1] != '/');
    for (size_t i = 0; i < name.n; i++) {
        unsigned char octet = (unsigned char)name.p[i];
        assert(octet >= ' ' && octet < 0x7f && octet != '*' && octet != '%');
        assert(octet != '/' || name.p[i + 1] != '/');
    }
}

static void check_get(struct scan *c, struct arena *a)
{
    struct metadata_get get;
    metadata_scan_get(c, a, &get);
    scan_require_end(c);
    assert(!scan_is_ok(c) || get.entries.count > 0);
    assert(!scan_is_ok(c) || get.depth <= 1 || get.depth == METADATA_DEPTH_INFINITY);
    for (size_t i = 0; scan_is_ok(c) && i < get.entries.count; i++) {
        check_name(get.entries.at[i]);
    }
}

static void check_set(struct scan *c, struct arena *a)
{
    struct metadata_set set;
    metadata_scan_set(c, a, &set);
    scan_require_end(c);
    assert(!scan_is_ok(c) || set.count > 0);
    for (size_t i = 0; scan_is_ok(c) && i < set.count; i++) {
        check_name(set.at[i].name);
        assert(set.at[i].has_value || set.at[i].value.n == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 65536) {
        return 0;
    }
    struct arena *a = arena_new(1 << 20);
    struct scan c = scan_make(str_make((const char *)data + 1, size - 1));
    if (data[0] % 2 == 0) {
        check_get(&c, a);
    } else {
        check_set(&c, a);
    }
    arena_free(&a);
    return 0;
}
