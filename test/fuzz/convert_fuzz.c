/* Fuzzes smtp/convert: whatever the message, what comes out has no CR or LF alone, so that no server can be made to see two
 * messages in it; and what came out fit for a host stays as it is when it is converted again. */
#include "fuzz.h"

#include "base/buf.h"
#include "mime/header_ascii.h"
#include "smtp/convert.h"

#include <assert.h>

static enum err add(void *owner, struct str octets)
{
    buf_add(owner, octets);
    return ERR_OK;
}

static struct content_scan scan_of(const struct buf *b)
{
    struct content_scan scan = {0};
    content_scan_add(&scan, buf_str(b));
    return scan;
}

static void check(struct str message, struct content_able able)
{
    CLEANUP(buf_release) struct buf once = BUF_INIT(1 << 24);
    CLEANUP(buf_release) struct buf twice = BUF_INIT(1 << 24);
    if (convert_message(message, able, add, &once) != ERR_OK) {
        return;
    }
    struct content_scan scan = scan_of(&once);
    assert(!scan.has_bare && !scan.is_after_cr);
    struct buf ascii = BUF_INIT(1 << 24);
    size_t end = str_find_str(buf_str(&once), STR("\r\n\r\n"));
    struct str header = str_sub(buf_str(&once), 0, end);
    if (!able.is_utf8 && header_to_ascii(header, &ascii) == ERR_OK) {
        assert(!header_has_8bit(buf_str(&ascii)));
    }
    buf_release(&ascii);
    if (content_get_kind(&scan) <= able.kind
        && convert_message(buf_str(&once), able, add, &twice) == ERR_OK) {
        scan = scan_of(&twice);
        assert(content_get_kind(&scan) <= able.kind);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str message = str_make((const char *)data, size);
    check(message, (struct content_able){CONTENT_7BIT, false});
    check(message, (struct content_able){CONTENT_8BIT, false});
    check(message, (struct content_able){CONTENT_8BIT, true});
    return 0;
}
