/* Addresses that a script sends mail to (RFC 5228, 2.4.2.3). What the rest of the house reads tolerantly is read strictly here: "It is
 * an error for a script to execute an action with a value for use as an outbound address that doesn't match". */
#include "sieve/target.h"

#include "base/arena.h"
#include "base/utf8.h"
#include "mime/lex.h"
#include "wire/smtp_scan.h"

enum { ADDRESS_MOST = 320, LOCAL_MOST = 64, PHRASE_MOST = 1000 };

static bool is_addr_spec(struct str s)
{
    if (s.n == 0 || s.n > ADDRESS_MOST) {
        return false;
    }
    struct arena *a = arena_new(16 * 1024);
    struct smtp_path path;
    bool is_one = smtp_address_parse(a, s, &path) == ERR_OK && path.domain.n > 0 && path.local.n > 0
                  && path.local.n <= LOCAL_MOST;
    arena_free(&a);
    return is_one;
}

/* phrase: words and quoted strings; characters beyond ASCII are words, too. Not empty. */
static bool is_phrase(struct str s)
{
    if (s.n > PHRASE_MOST || !utf8_is_valid(s)) {
        return false;
    }
    bool is_quoted = false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < ' ' || c == 0x7f) {
            return false;
        }
        if (c == '\\' && is_quoted) {
            i++;
        } else if (c == '"') {
            is_quoted = !is_quoted;
        } else if (!is_quoted && strchr("()<>[]:;@\\,", c) != NULL) {
            return false;
        }
    }
    return !is_quoted;
}

bool sieve_address_read(struct str s, struct str *out)
{
    s = str_trim(s);
    if (!str_ends(s, STR(">"))) {
        *out = s;
        return is_addr_spec(s);
    }
    size_t open = str_find_last_char(s, '<');
    if (open == s.n || !is_phrase(str_sub(s, 0, open))) {
        return false;
    }
    *out = str_trim(str_sub(s, open + 1, s.n - open - 2));
    return is_addr_spec(*out);
}
