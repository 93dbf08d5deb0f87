/* Fuzzes mailto URIs, and the header of a message made from one.
 *
 * Invariants: recipients are addresses without line ends; every line of the header is a field that we chose or its continuation. */
#include "fuzz.h"

#include "filter/letter.h"
#include "filter/mailto.h"

#include <assert.h>
#include <stdlib.h>

enum { ARENA_MOST = 4 * 1024 * 1024, OUT_MOST = 16 * 1024 * 1024 };

static bool is_known(struct str line, const struct mailto *m)
{
    static const char *const NAMES[] = {
        "Subject: ", "Cc: ", "To: ", "From: ", "Date: ", "Message-ID: "};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (str_starts(line, str_from_c(NAMES[i]))) {
            return true;
        }
    }
    for (uint32_t i = 0; i < m->field_count; i++) {
        if (str_starts(line, m->fields[i].name)) {
            return true;
        }
    }
    return line.n > 0 && line.p[0] == ' ';
}

static void check_header(struct str header, const struct mailto *m)
{
    while (header.n > 0) {
        struct str line = str_split(&header, '\n');
        assert(str_ends(line, STR("\r")) && str_find_char(line, '\r') == line.n - 1);
        assert(str_find_char(line, '\0') == line.n);
        assert(is_known(line, m));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(ARENA_MOST);
    struct mailto *m = arena_one(a, struct mailto);
    if (mailto_parse(a, str_make((const char *)data, size), m) == ERR_OK) {
        struct buf out = BUF_INIT(OUT_MOST);
        struct letter l = {.from = STR("me@x"), .to = m->to, .subject = m->subject};
        letter_write_head(&out, &l);
        letter_write_field(&out, STR("Cc"), m->cc);
        for (uint32_t i = 0; i < m->field_count; i++) {
            letter_write_field(&out, m->fields[i].name, m->fields[i].value);
        }
        check_header(buf_str(&out), m);
        for (uint32_t i = 0; i < m->recipient_count; i++) {
            struct str to = m->recipients[i];
            assert(str_find_char(to, '@') < to.n && str_find_char(to, '\n') == to.n
                   && str_find_char(to, '\r') == to.n);
        }
        buf_release(&out);
    }
    arena_free(&a);
    return 0;
}
