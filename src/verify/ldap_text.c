/* Names put into LDAP's texts.
 *
 * A name comes from whoever knocks, so it must not be able to say anything but a name: "*" finds everybody, ")(" begins another
 * condition, "," ends an attribute. Both texts know an escape by the octet's number; it is used for everything that is not a letter, a
 * digit or one of "-_.@", be it needed or not, and for octets of UTF-8 too. One rule, nothing to forget. */
#include "verify/ldap_text.h"

#include <stdbool.h>
#include <string.h>

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9')
           || (c != '\0' && strchr("-_.@", c) != NULL);
}

static void write_name(struct buf *out, struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (is_plain(name.p[i])) {
            buf_add_char(out, name.p[i]);
        } else {
            buf_addf(out, "\\%02x", (unsigned)(unsigned char)name.p[i]);
        }
    }
}

void ldap_write_text(struct buf *out, struct str pattern, struct str name)
{
    while (pattern.n > 0) {
        if (str_starts(pattern, STR("%n"))) {
            write_name(out, name);
            pattern = str_skip(pattern, 2);
        } else {
            bool is_percent = str_starts(pattern, STR("%%"));
            buf_add_char(out, pattern.p[0]);
            pattern = str_skip(pattern, is_percent ? 2 : 1);
        }
    }
}
