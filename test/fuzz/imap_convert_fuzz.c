/* Fuzzes wire/imap_convert: what is read as a data item is read the same when it is written again. */
#include "fuzz.h"

#include "wire/imap_convert.h"

#include <assert.h>

enum { ARENA_CAP = 1024 * 1024, TEXT_CAP = 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_CAP);
    struct scan c = scan_make(str_make((const char *)data, size));
    struct imap_convert_params params;
    struct convert_atts atts;
    scan_convert_params(&c, a, &params);
    assert(params.count <= CONVERT_WIRE_PARAMS_MOST);
    if (!scan_is_ok(&c)) {
        c = scan_make(str_make((const char *)data, size));
    } else {
        (void)scan_accept(&c, ' ');
    }
    scan_convert_atts(&c, a, &atts);
    for (uint32_t i = 0; scan_is_ok(&c) && i < atts.count; i++) {
        struct buf once = BUF_INIT(TEXT_CAP);
        struct buf twice = BUF_INIT(TEXT_CAP);
        struct convert_atts again;
        struct convert_att whole = atts.at[i];
        whole.has_partial = false;
        convert_att_write(&once, &whole);
        struct scan s = scan_make(buf_str(&once));
        scan_convert_atts(&s, a, &again);
        assert(scan_is_ok(&s) && scan_is_end(&s) && again.count == 1);
        convert_att_write(&twice, &again.at[0]);
        assert(str_eq(buf_str(&once), buf_str(&twice)));
        buf_release(&once);
        buf_release(&twice);
    }
    arena_free(&a);
    return 0;
}
