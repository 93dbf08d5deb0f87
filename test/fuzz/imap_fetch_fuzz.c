/* Fuzzes the IMAP client core that resolves BURL: octets of a hostile server in.
 *
 * The first octet chooses how the rest is cut and whether TLS is required. Invariants: the client settles; what it says is
 * bounded; it logs in only over TLS when that is required; no more octets come out than were asked for, and success means
 * that the server answered. */
#include "fuzz.h"

#include "base/buf.h"
#include "smtp/imap_fetch.h"

#include <assert.h>
#include <stdlib.h>
#include <stdbool.h>

enum { STEPS_MOST = 100000, SAID_MOST = 1 << 20, MOST = 1000 };

struct run {
    struct imap_fetch *f;
    struct buf said;
    uint64_t got; /* of the URL in work */
    bool is_tls;
    bool is_over;
};

static void act(struct run *r, enum imap_fetch_want want)
{
    if (want == IMAP_FETCH_TLS) {
        imap_fetch_on_tls(r->f);
        r->is_tls = true;
    } else if (want == IMAP_FETCH_OCTETS) {
        assert(imap_fetch_get_octets(r->f).n > 0);
        r->got += imap_fetch_get_octets(r->f).n;
        assert(r->got <= MOST);
    } else if (want == IMAP_FETCH_READY) {
        imap_fetch_ask(r->f, STR("imap://a@b/c/;UID=1;URLAUTH=anonymous:internal:00"), true);
        imap_fetch_ask(r->f, STR("u"), true);
    } else if (want == IMAP_FETCH_WAIT) {
        r->got = 0;
        imap_fetch_open(r->f, MOST);
    } else if (want == IMAP_FETCH_FAILED) {
        assert(imap_fetch_get_err(r->f) != ERR_OK);
        r->is_over = true;
    }
}

static void drain(struct run *r)
{
    for (unsigned i = 0; i < STEPS_MOST; i++) {
        enum imap_fetch_want want = imap_fetch_step(r->f, &r->said);
        act(r, want);
        if (want == IMAP_FETCH_INPUT || r->is_over) {
            return;
        }
    }
    abort(); /* the client goes round */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    bool is_tls_required = (data[0] & 1) != 0;
    struct imap_fetch_args args = {STR("submit"), STR("secret"), STR("h"), is_tls_required, false};
    struct run r = {.f = imap_fetch_new(&args), .said = BUF_INIT(SAID_MOST)};
    struct str in = str_make((const char *)data + 1, size - 1);
    size_t piece = 1 + (size_t)(data[0] >> 1) * 7;
    while (in.n > 0 && !r.is_over) {
        imap_fetch_feed(r.f, str_sub(in, 0, piece));
        in = str_skip(in, piece);
        drain(&r);
        struct str said = buf_str(&r.said);
        bool has_login = str_find_str(said, STR(" LOGIN ")) < said.n
                         || str_find_str(said, STR(" AUTHENTICATE ")) < said.n;
        assert(!has_login || r.is_tls || !is_tls_required);
        buf_clear(&r.said);
    }
    imap_fetch_free(&r.f);
    buf_release(&r.said);
    return 0;
}
