/* Fuzzes smtp/trace_scan: pieces of any size read the same as the whole. */
#include "fuzz.h"

#include "smtp/trace_scan.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str all = str_make((const char *)data, size);
    struct trace_scan whole;
    struct trace_scan cut;
    trace_scan_init(&whole);
    trace_scan_init(&cut);
    trace_scan_add(&whole, all);
    trace_scan_finish(&whole);
    for (size_t n = 1; all.n > 0; n = n % 7 + 1) {
        trace_scan_add(&cut, str_sub(all, 0, n));
        all = str_skip(all, n);
    }
    trace_scan_finish(&cut);
    assert(trace_scan_get_hops(&whole) == trace_scan_get_hops(&cut));
    assert(str_eq(buf_str(&whole.passed), buf_str(&cut.passed)));
    assert(str_eq(trace_scan_get_message_id(&whole), trace_scan_get_message_id(&cut)));
    trace_scan_release(&whole);
    trace_scan_release(&cut);
    return 0;
}
