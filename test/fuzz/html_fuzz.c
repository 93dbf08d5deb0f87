/* Fuzzes HTML to text: pieces give what the whole gives, UTF-8 stays UTF-8, and the text is not much longer than the document.
 * The first octet chooses the mode and the size of the pieces. */
#include "fuzz.h"

#include "base/utf8.h"
#include "mime/html.h"

#include <assert.h>

static void convert(enum html_mode mode, struct str s, size_t piece, struct buf *out)
{
    struct html h;
    html_init(&h, mode);
    for (; s.n > piece; s = str_skip(s, piece)) {
        html_to_text(&h, str_sub(s, 0, piece), false, out);
    }
    html_to_text(&h, s, true, out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct str s = str_make((const char *)data + 1, size - 1);
    enum html_mode mode = (data[0] & 1) != 0 ? HTML_WORDS : HTML_READABLE;
    struct buf whole = BUF_INIT(4 * size + 16);
    struct buf pieces = BUF_INIT(4 * size + 16);
    convert(mode, s, SIZE_MAX, &whole);
    convert(mode, s, 1 + (data[0] >> 3), &pieces);
    assert(!whole.is_full && str_eq(buf_str(&whole), buf_str(&pieces)));
    assert(!utf8_is_valid(s) || utf8_is_valid(buf_str(&whole)));
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
