/* Fuzzes wire/imap_url: what is parsed and written parses to the same, and is written the same a second time. */
#include "fuzz.h"

#include "base/arena.h"
#include "base/buf.h"
#include "wire/imap_url.h"

#include <assert.h>

static void check_same(const struct imap_url *a, const struct imap_url *b)
{
    assert(a->form == b->form && a->has_user == b->has_user && str_eq(a->user, b->user));
    assert(str_eq_nocase(a->host, b->host) && a->port == b->port);
    assert(a->has_mailbox == b->has_mailbox && str_eq(a->mailbox, b->mailbox));
    assert(a->uidvalidity == b->uidvalidity && a->uid == b->uid);
    assert(a->has_section == b->has_section && a->has_partial == b->has_partial);
    assert(a->partial_offset == b->partial_offset && a->partial_length == b->partial_length);
    assert(a->has_expire == b->has_expire && a->expire_s == b->expire_s);
    assert(a->access == b->access && str_eq(a->access_user, b->access_user));
    assert(str_eq_nocase(a->mechanism, b->mechanism) && str_eq(a->token, b->token));
}

static void check(struct arena *a, struct str octets)
{
    struct imap_url first;
    struct imap_url second;
    if (imap_url_parse(a, octets, &first) != ERR_OK) {
        return;
    }
    CLEANUP(buf_release) struct buf once = BUF_INIT(1 << 17);
    CLEANUP(buf_release) struct buf twice = BUF_INIT(1 << 17);
    imap_url_write(&once, &first);
    enum err e = imap_url_parse(a, buf_str(&once), &second);
    if (e != ERR_OK) {
        assert(buf_str(&once).n > IMAP_URL_MOST); /* escapes made it too long */
        return;
    }
    check_same(&first, &second);
    imap_url_write(&twice, &second);
    assert(str_eq(buf_str(&once), buf_str(&twice)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(1 << 18);
    check(a, str_make((const char *)data, size));
    arena_free(&a);
    return 0;
}
