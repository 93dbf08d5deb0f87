/* Fuzzes wire/smtp_framing: what comes out must not depend on the pieces in which octets come; content that smtp_dots wrote
 * comes out with its line ends made CRLF and ends where it should; and replies are gathered from the same lines. The
 * first octet is the size of the pieces. */
#include "fuzz.h"

#include "wire/smtp_framing.h"

#include <assert.h>

enum { LOG_CAP = 1 << 22 };

struct reader {
    struct smtp_framing *f;
    struct smtp_reply reply;
    struct buf *log;
};

static void add_line(struct reader *r, struct str line)
{
    buf_add_c(r->log, "\nL");
    buf_add(r->log, line);
    (void)smtp_reply_add_line(&r->reply, line);
    assert(r->reply.text.len <= r->reply.text.cap);
    (void)smtp_reply_get_enhanced(&r->reply);
    (void)smtp_reply_find_keyword(&r->reply, STR("AUTH"), NULL);
    if (str_starts(line, STR("DATA"))) {
        smtp_framing_start_data(r->f);
    } else if (str_starts(line, STR("BDAT"))) {
        smtp_framing_start_chunk(r->f, line.n - 4);
    }
}

static bool take(struct reader *r)
{
    enum smtp_frame event = smtp_framing_next(r->f);
    struct str octets = smtp_framing_get_octets(r->f);
    if (event == SMTP_FRAME_MORE || event == SMTP_FRAME_FATAL) {
        return false;
    }
    if (event == SMTP_FRAME_LINE) {
        add_line(r, octets);
    } else if (event == SMTP_FRAME_OCTETS) {
        assert(octets.n > 0);
        buf_add(r->log, octets);
    } else {
        buf_add_c(r->log, event == SMTP_FRAME_END ? "\nE" : "\nB");
    }
    return true;
}

static void run(struct str input, size_t piece, struct buf *log)
{
    struct reader r = {smtp_framing_new(), SMTP_REPLY_INIT, log};
    buf_clear(log);
    while (input.n > 0) {
        struct str part = str_sub(input, 0, piece);
        input = str_skip(input, part.n);
        smtp_framing_feed(r.f, part);
        while (take(&r)) {
        }
    }
    smtp_framing_free(&r.f);
    smtp_reply_release(&r.reply);
}

/* DATA content written from input, with a command behind it. */
static void check_dots(struct str input, size_t piece, struct buf *log)
{
    struct buf wire = BUF_INIT(LOG_CAP);
    struct smtp_dots d = {false, false};
    buf_add_c(&wire, "DATA\r\n");
    smtp_dots_write(&d, str_sub(input, 0, piece), &wire);
    smtp_dots_write(&d, str_skip(input, piece), &wire);
    smtp_dots_finish(&d, &wire);
    buf_add_c(&wire, "QUIT\r\n");
    run(buf_str(&wire), piece, log);
    assert(str_ends(buf_str(log), STR("\nE\nLQUIT")));
    /* No reader of any kind finds an end of the content before the real one. */
    struct str content = str_sub(buf_str(&wire), 6, wire.len - 6 - 6 - 3);
    assert(str_find_str(content, STR("\n.\n")) == content.n);
    assert(str_find_str(content, STR("\n.\r")) == content.n);
    assert(str_find_str(content, STR("\r.\r")) == content.n);
    buf_release(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 100000) {
        return 0;
    }
    size_t piece = (size_t)data[0] + 1;
    struct str input = str_make((const char *)data + 1, size - 1);
    struct buf whole = BUF_INIT(LOG_CAP);
    struct buf pieces = BUF_INIT(LOG_CAP);
    run(input, SIZE_MAX, &whole);
    run(input, piece, &pieces);
    assert(str_eq(buf_str(&whole), buf_str(&pieces)));
    check_dots(input, piece, &whole);
    buf_release(&whole);
    buf_release(&pieces);
    return 0;
}
