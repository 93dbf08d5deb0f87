/* Fuzzes wire/smtp_framing: however the octets are cut into pieces, the events must be the same; and DATA content that
 * smtp_dots wrote is read back as it was.
 *
 * A line "DATA" switches to content, a line that begins with "B" to a chunk of as many octets as the line has. */
#include "fuzz.h"

#include "base/buf.h"
#include "wire/smtp_framing.h"

#include <assert.h>
#include <stdbool.h>

static void on_line(struct smtp_framing *f, struct buf *log)
{
    struct str line = smtp_framing_get_octets(f);
    buf_add(log, STR("<line>"));
    buf_add(log, line);
    if (str_eq(line, STR("DATA"))) {
        smtp_framing_start_data(f);
    } else if (str_starts(line, STR("B"))) {
        smtp_framing_start_chunk(f, line.n - 1);
    }
}

static bool drain(struct smtp_framing *f, struct buf *log)
{
    for (;;) {
        switch (smtp_framing_next(f)) {
        case SMTP_FRAME_MORE:
            return true;
        case SMTP_FRAME_LINE:
            on_line(f, log);
            break;
        case SMTP_FRAME_BAD:
            buf_addf(log, "<bad %d>", (int)smtp_framing_get_err(f));
            break;
        case SMTP_FRAME_OCTETS:
            assert(smtp_framing_get_octets(f).n > 0);
            buf_add(log, smtp_framing_get_octets(f));
            break;
        case SMTP_FRAME_END:
            buf_addf(log, "<end %d>", (int)smtp_framing_has_bare_newline(f));
            break;
        case SMTP_FRAME_FATAL:
            buf_add(log, STR("<fatal>"));
            return false;
        }
    }
}

static void feed_in_pieces(struct str octets, size_t piece, struct buf *log)
{
    struct smtp_framing *f = smtp_framing_new();
    bool is_alive = true;
    for (size_t at = 0; at < octets.n && is_alive; at += piece) {
        smtp_framing_feed(f, str_sub(octets, at, piece));
        is_alive = drain(f, log);
    }
    smtp_framing_free(&f);
}

/* Content goes out as DATA and comes in again. Bare CR and LF become CRLF on the way, so only the second trip is exact. */
static void check_dots(struct str content)
{
    CLEANUP(buf_release) struct buf wire = BUF_INIT(1 << 20);
    CLEANUP(buf_release) struct buf log = BUF_INIT(1 << 20);
    struct smtp_dots dots = {0};
    buf_add(&wire, STR("DATA\r\n"));
    smtp_dots_write(&dots, content, &wire);
    smtp_dots_finish(&dots, &wire);
    feed_in_pieces(buf_str(&wire), 7, &log);
    assert(str_starts(buf_str(&log), STR("<line>DATA")));
    assert(str_ends(buf_str(&log), STR("<end 0>")));
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
    check_dots(octets);
    return 0;
}
