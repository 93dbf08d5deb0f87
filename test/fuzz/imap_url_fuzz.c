/* Fuzzes IMAP URLs: what is written reads back as the same URL, and the rump of an authorized one is where it was. */
#include "fuzz.h"

#include "wire/imap_scan.h"
#include "wire/imap_url.h"

#include <assert.h>

static void check(struct arena *a, struct str text, const struct imap_url *url)
{
    struct buf first = BUF_INIT(1 << 20);
    struct buf second = BUF_INIT(1 << 20);
    struct imap_url again;
    struct section section;
    imap_url_write(&first, url);
    if (first.len <= IMAP_URL_MOST) {
        enum err e = imap_url_parse(a, buf_str(&first), &again);
        assert(e == ERR_OK);
        assert(str_eq(again.mailbox, url->mailbox) && again.uid == url->uid);
        imap_url_write(&second, &again);
        assert(str_eq(buf_str(&first), buf_str(&second)));
    }
    if (url->access != IMAP_ACCESS_NONE) {
        assert(str_starts(text, url->rump) && url->has_user && url->uid != 0);
        size_t verifier = url->token.n == 0 ? 0 : 2 + url->mechanism.n + url->token.n;
        assert(url->rump.n + verifier == text.n);
    }
    if (url->has_section) {
        (void)!section_parse(a, url->section, &section);
    }
    buf_release(&first);
    buf_release(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(1 << 20);
    struct str text = str_make((const char *)data, size);
    struct imap_url url;
    if (imap_url_parse(a, text, &url) == ERR_OK) {
        check(a, text, &url);
    }
    arena_free(&a);
    return 0;
}
