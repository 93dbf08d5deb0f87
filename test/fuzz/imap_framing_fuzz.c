/* Fuzzes wire/imap_framing: the events must not depend on the pieces in which octets come, and what comes out as a whole
 * command must be readable by the scanners. The first octet chooses the size of the pieces, the second the answers. */
#include "fuzz.h"

#include "wire/imap_framing.h"
#include "wire/imap_scan.h"

#include <assert.h>

enum { LOG_CAP = 1 << 22 };

static void add_text(struct buf *log, char kind, struct str text)
{
    buf_add_char(log, kind);
    buf_add_u64(log, text.n);
    buf_add_char(log, ':');
    buf_add(log, text);
}

static enum imap_literal_answer choose(uint8_t policy, const struct imap_literal *literal)
{
    return (enum imap_literal_answer)((policy + literal->size) % 3);
}

/* Commands hold what the scanners expect of literals: the octets announced, or a placeholder. */
static void check_literals(struct str text)
{
    struct scan c = scan_make(text);
    while (!scan_is_end(&c)) {
        struct str rest = scan_rest(&c);
        size_t line_end = str_find_char(rest, '\n');
        if (line_end == rest.n) {
            return;
        }
        size_t brace = str_find_last_char(str_sub(rest, 0, line_end), '{');
        assert(brace < line_end);
        c.at += brace;
        (void)scan_literal(&c);
        assert(scan_is_ok(&c));
    }
}

/* false: no more events for now. */
static bool take(struct imap_framing *f, uint8_t policy, struct buf *log)
{
    enum imap_frame event = imap_framing_next(f);
    struct str text = imap_framing_get_text(f);
    if (event == IMAP_FRAME_MORE || event == IMAP_FRAME_FATAL) {
        return false;
    }
    if (event == IMAP_FRAME_OCTETS) {
        assert(imap_framing_get_octets(f).n > 0);
        buf_add(log, imap_framing_get_octets(f));
    } else if (event == IMAP_FRAME_LITERAL) {
        add_text(log, 'l', text);
        buf_add_u64(log, imap_framing_get_literal(f)->size);
        (void)imap_framing_answer(f, choose(policy, imap_framing_get_literal(f)), ERR_LIMIT);
    } else if (event == IMAP_FRAME_DROPPED) {
        add_text(log, 'd', imap_find_tag(text));
        assert(imap_framing_get_err(f) != ERR_OK);
        buf_add_u64(log, (uint64_t)imap_framing_get_err(f));
    } else {
        add_text(log, event == IMAP_FRAME_COMMAND ? 'c' : 's', text);
        check_literals(text);
    }
    return true;
}

static void run(struct str input, size_t piece, uint8_t policy, struct buf *log)
{
    struct imap_framing_limits limits = {200, 100, 300, 400};
    struct imap_framing *f = imap_framing_new(limits);
    while (input.n > 0) {
        struct str part = str_sub(input, 0, piece);
        input = str_skip(input, part.n);
        imap_framing_feed(f, part);
        while (take(f, policy, log)) {
        }
    }
    imap_framing_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* Above that a single feed is more than the backlog may be. */
    if (size < 2 || size > 100000) {
        return 0;
    }
    struct str input = str_make((const char *)data + 2, size - 2);
    struct buf whole = BUF_INIT(LOG_CAP);
    struct buf pieces = BUF_INIT(LOG_CAP);
    run(input, SIZE_MAX, data[1], &whole);
    run(input, (size_t)data[0] + 1, data[1], &pieces);
    assert(whole.is_full || str_eq(buf_str(&whole), buf_str(&pieces)));
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
