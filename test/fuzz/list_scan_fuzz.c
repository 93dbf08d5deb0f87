/* Fuzzes the arguments of LIST: whatever comes, what is taken keeps to its rules. */
#include "fuzz.h"

#include "imap/list_scan.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 65536) {
        return 0;
    }
    struct arena *a = arena_new(1 << 20);
    struct list_scan list;
    struct scan c = scan_make(str_make((const char *)data, size));
    list_scan(&c, a, &list);
    scan_require_end(&c);
    if (scan_is_ok(&c)) {
        bool is_recursive = (list.selects & LIST_SELECT_RECURSIVEMATCH) != 0;
        assert(list.count <= LIST_PATTERNS_MOST);
        assert(list.is_extended || (list.selects | list.returns) == 0);
        assert(!is_recursive || (list.selects & LIST_SELECT_CRITERIA) != 0);
        assert((list.status != 0) == ((list.returns & LIST_RETURN_STATUS) != 0));
        assert(list.is_extended || (list.count == 0) == list.is_delimiter);
        assert((list.entries.count > 0) == ((list.returns & LIST_RETURN_METADATA) != 0));
        for (size_t i = 0; i < list.count; i++) {
            assert(list.patterns[i].n > 0);
        }
    }
    arena_free(&a);
    return 0;
}
