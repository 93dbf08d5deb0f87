/* Fuzzes transfer decodings and charsets: decoding in pieces gives what decoding at once gives, and text is valid UTF-8.
 * The first octet chooses kind, charset and the size of the pieces. */
#include "fuzz.h"

#include "mime/charset.h"
#include "mime/transfer.h"
#include "base/utf8.h"

#include <assert.h>

enum { TEXT_CAP = 16 * 1024 * 1024 };

static void decode(enum transfer_kind kind, struct str s, size_t piece, struct buf *out)
{
    struct transfer t;
    transfer_init(&t, kind);
    for (; s.n > piece; s = str_skip(s, piece)) {
        transfer_decode(&t, str_sub(s, 0, piece), false, out);
    }
    transfer_decode(&t, s, true, out);
}

static void convert(struct str name, struct str s, size_t piece, struct buf *out)
{
    struct charset *c = NULL;
    if (charset_new(name, &c) != ERR_OK) {
        return;
    }
    for (; s.n > piece; s = str_skip(s, piece)) {
        charset_convert(c, str_sub(s, 0, piece), false, out);
    }
    charset_convert(c, s, true, out);
    charset_free(&c);
}

static void check_equal(struct buf *a, struct buf *b)
{
    assert(str_eq(buf_str(a), buf_str(b)));
    buf_release(a);
    buf_release(b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const NAMES[] = {"",       "utf-8", "iso-8859-1", "iso-2022-jp",
                                        "gb2312", "big5",  "utf-16",     "koi8-r"};
    if (size < 1) {
        return 0;
    }
    struct str s = str_make((const char *)data + 1, size - 1);
    size_t piece = 1 + (data[0] >> 5);
    enum transfer_kind kind = (data[0] & 1) != 0 ? TRANSFER_BASE64 : TRANSFER_QUOTED_PRINTABLE;
    struct str name = str_from_c(NAMES[(data[0] >> 1) & 7]);
    struct buf whole = BUF_INIT(TEXT_CAP);
    struct buf pieces = BUF_INIT(TEXT_CAP);
    decode(kind, s, SIZE_MAX, &whole);
    decode(kind, s, piece, &pieces);
    check_equal(&whole, &pieces);
    convert(name, s, SIZE_MAX, &whole);
    convert(name, s, piece, &pieces);
    assert(utf8_is_valid(buf_str(&whole)));
    check_equal(&whole, &pieces);
    return 0;
}
