/* Fuzzes wire/imap_reply: in whatever pieces an answer comes, its end is found at the same place, and nothing is lost or made up
 * before it. The first octet is the size of a piece, the next three are the tag, two letters or digits, and a space. And
 * rights: what is read is written, and reads the same again. */
#include "fuzz.h"

#include "base/buf.h"
#include "wire/imap_reply.h"
#include "wire/imap_rights.h"

#include <assert.h>

enum { HEARD_MOST = 1 << 20 };

/* Octets up to and with the tagged line, as handed out; *is_found: there was one. */
static void hear(struct str tag, struct str said, size_t piece, struct buf *out, bool *is_found)
{
    struct imap_reply r = {.tag = tag};
    size_t at = 0;
    size_t have = 0;
    *is_found = false;
    while (have < said.n && !*is_found) {
        have = have + piece < said.n ? have + piece : said.n;
        enum imap_reply_event event = IMAP_REPLY_OCTETS;
        while (event != IMAP_REPLY_MORE && !*is_found) {
            size_t used = 0;
            struct str in = str_sub(said, at, have - at);
            event = imap_reply_next(&r, in, &used);
            assert(used <= in.n && (used > 0) == (event != IMAP_REPLY_MORE));
            buf_add(out, str_sub(in, 0, used));
            at += used;
            *is_found = event == IMAP_REPLY_TAGGED;
        }
    }
}

static void check_rights(struct str s)
{
    struct scan c = scan_make(STR_EMPTY);
    struct mod_rights mod;
    struct mod_rights again;
    struct buf out = BUF_INIT(64);
    scan_mod_rights(&c, s, &mod);
    if (scan_is_ok(&c) && mod.rights != 0) {
        imap_write_rights(&out, mod.rights);
        struct scan d = scan_make(STR_EMPTY);
        scan_mod_rights(&d, buf_str(&out), &again);
        /* a member of c or d alone brings the letter with it, and the letter means all members */
        assert(scan_is_ok(&d) && (again.rights & mod.rights) == mod.rights);
    }
    buf_release(&out);
}

static bool is_tag_octet(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str s = str_make((const char *)data, size);
    if (s.n < 4) {
        return 0;
    }
    size_t piece = (unsigned char)s.p[0] + 1U;
    struct str tag = str_sub(s, 1, 2);
    if (!is_tag_octet(tag.p[0]) || !is_tag_octet(tag.p[1])) {
        return 0;
    }
    struct buf whole = BUF_INIT(HEARD_MOST);
    struct buf pieces = BUF_INIT(HEARD_MOST);
    bool is_found = false;
    bool is_found_in_pieces = false;
    hear(tag, str_skip(s, 4), SIZE_MAX / 2, &whole, &is_found);
    hear(tag, str_skip(s, 4), piece, &pieces, &is_found_in_pieces);
    assert(is_found == is_found_in_pieces);
    assert(!is_found || str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_release(&whole);
    buf_release(&pieces);
    check_rights(s);
    return 0;
}
