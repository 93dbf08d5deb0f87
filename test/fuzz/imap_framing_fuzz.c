/* Fuzzes wire/imap_framing: however the octets are cut into pieces, the events must be the same.
 *
 * The stream is fed whole, then in pieces of which the first octet of the input says the size. Events are written down in
 * a form where the pieces of a streamed literal run together. */
#include "fuzz.h"

#include "base/buf.h"
#include "wire/imap_framing.h"

#include <assert.h>
#include <stdbool.h>

enum { STREAMED_FROM = 200, REFUSED_FROM = 5000 };

static void answer(struct imap_framing *f)
{
    uint64_t size = imap_framing_get_literal(f)->size;
    enum imap_literal_answer a = IMAP_LITERAL_BUFFER;
    if (size >= REFUSED_FROM) {
        a = IMAP_LITERAL_REFUSE;
    } else if (size >= STREAMED_FROM) {
        a = IMAP_LITERAL_STREAM;
    }
    (void)imap_framing_answer(f, a, ERR_TOO_BIG);
}

/* Takes every event that is there. false: the framing gave up. */
static bool drain(struct imap_framing *f, struct buf *log)
{
    for (;;) {
        enum imap_frame event = imap_framing_next(f);
        switch (event) {
        case IMAP_FRAME_MORE:
            return true;
        case IMAP_FRAME_LITERAL:
            buf_addf(log, "<literal %llu>", (unsigned long long)imap_framing_get_literal(f)->size);
            answer(f);
            break;
        case IMAP_FRAME_OCTETS:
            assert(imap_framing_get_octets(f).n > 0);
            buf_add(log, imap_framing_get_octets(f));
            break;
        case IMAP_FRAME_STREAMED:
            buf_add(log, STR("<streamed>"));
            break;
        case IMAP_FRAME_COMMAND:
            buf_add(log, STR("<command>"));
            buf_add(log, imap_framing_get_text(f));
            break;
        case IMAP_FRAME_DROPPED:
        case IMAP_FRAME_FATAL:
            buf_addf(log, "<dropped %d>", (int)imap_framing_get_err(f));
            assert(imap_framing_get_err(f) != ERR_OK);
            if (event == IMAP_FRAME_FATAL) {
                return false;
            }
            break;
        }
    }
}

static void feed_in_pieces(struct str octets, size_t piece, struct buf *log)
{
    struct imap_framing *f = imap_framing_new((struct imap_framing_limits){
        .line_most = 500, .literal_most = 300, .command_most = 2000, .swallow_most = 8000});
    bool is_alive = true;
    for (size_t at = 0; at < octets.n && is_alive; at += piece) {
        imap_framing_feed(f, str_sub(octets, at, piece));
        is_alive = drain(f, log);
    }
    imap_framing_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 64 * 1024) {
        return 0;
    }
    struct str octets = str_make((const char *)data + 1, size - 1);
    CLEANUP(buf_release) struct buf whole = BUF_INIT(1 << 20);
    CLEANUP(buf_release) struct buf pieces = BUF_INIT(1 << 20);
    feed_in_pieces(octets, octets.n + 1, &whole);
    feed_in_pieces(octets, (size_t)data[0] % 37 + 1, &pieces);
    assert(str_eq(buf_str(&whole), buf_str(&pieces)));
    return 0;
}
