/* Fuzzes the words of ManageSieve: the octets are a command, as the framer gathers it, then its arguments by turns as strings and
 * numbers. What was read is within the command, or in the arena; a failure names a place; and every string that was read is the same
 * after it was written for a client's eyes and read again. */
#include "fuzz.h"

#include "wire/imap_write.h"
#include "wire/managesieve.h"

#include <assert.h>

enum { ARENA_CAP = 16 * 1024, OUT_MOST = 1024 * 1024 };

/* A server's literal has no "+". */
static void check_written(struct str s)
{
    struct buf out = BUF_INIT(OUT_MOST);
    struct arena *a = arena_new(ARENA_CAP);
    imap_write_text(&out, s, true);
    struct scan c = scan_make(buf_str(&out));
    if (out.p[0] == '"') {
        assert(str_eq(managesieve_scan_bare_string(&c, a), s));
        assert(scan_is_ok(&c) && scan_is_end(&c));
    } else {
        assert(out.p[0] == '{' && str_ends(buf_str(&out), s));
    }
    arena_free(&a);
    buf_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct managesieve_command c;
    struct str text = str_make((const char *)data, size);
    struct arena *a = arena_new(ARENA_CAP);
    struct buf out = BUF_INIT(OUT_MOST);
    if (managesieve_command_parse(text, &c) == ERR_OK) {
        assert(c.name.n > 0 && c.name.n <= MANAGESIEVE_WORD_MOST);
        assert(str_eq(managesieve_find_name(text), c.name));
        while (!scan_is_end(&c.args)) {
            if (c.args.at + 1 < size && ascii_is_digit(text.p[c.args.at + 1])) {
                (void)managesieve_scan_number(&c.args);
                continue;
            }
            struct str s = managesieve_scan_string(&c.args, a);
            if (scan_is_ok(&c.args)) {
                check_written(s);
            }
        }
    }
    assert(c.args.at <= size && c.args.err_at <= size);
    if (!scan_is_ok(&c.args)) {
        managesieve_write_scan_err(&out, &c.args);
        assert(str_starts(buf_str(&out), STR("NO ")) && str_ends(buf_str(&out), STR("\r\n")));
    }
    buf_release(&out);
    arena_free(&a);
    return 0;
}
