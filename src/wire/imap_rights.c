/* Rights, read and written. The obsolete c and d (RFC 4314, 2.1.1) are told where older servers told them: behind the members of d. */
#include "wire/imap_rights.h"

enum {
    CREATE = 1 << 6,
    DELETE_MAILBOX = 1 << 7,
    DELETE_MESSAGES = 1 << 8,
    EXPUNGE = 1 << 9,
    ADMINISTER = 1 << 10
};

/* In the order in which they are written; a letter's rights, of which it shows any. */
static const struct {
    char letter;
    unsigned rights;
} letters[] = {
    {'l', 1 << 0},
    {'r', 1 << 1},
    {'s', 1 << 2},
    {'w', 1 << 3},
    {'i', 1 << 4},
    {'p', 1 << 5},
    {'k', CREATE},
    {'x', DELETE_MAILBOX},
    {'t', DELETE_MESSAGES},
    {'e', EXPUNGE},
    {'c', CREATE | DELETE_MAILBOX},
    {'d', DELETE_MESSAGES | EXPUNGE},
    {'a', ADMINISTER},
};

enum { LETTER_COUNT = sizeof(letters) / sizeof(letters[0]) };

static unsigned find_rights(char letter)
{
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        if (letters[i].letter == letter) {
            return letters[i].rights;
        }
    }
    return 0;
}

void scan_mod_rights(struct scan *c, struct str s, struct mod_rights *out)
{
    *out = (struct mod_rights){IMAP_RIGHTS_SET, 0};
    if (str_starts(s, STR("+")) || str_starts(s, STR("-"))) {
        out->op = s.p[0] == '+' ? IMAP_RIGHTS_ADD : IMAP_RIGHTS_REMOVE;
        s = str_skip(s, 1);
    }
    for (size_t i = 0; i < s.n; i++) {
        unsigned rights = find_rights(s.p[i]);
        if (rights == 0) {
            scan_fail(c, ERR_SYNTAX, "rights, of lrswipkxtecda");
        }
        out->rights |= rights;
    }
}

void imap_write_rights(struct buf *out, unsigned rights)
{
    if ((rights & IMAP_RIGHTS_ALL) == 0) {
        buf_add(out, STR("\"\""));
    }
    for (size_t i = 0; i < LETTER_COUNT; i++) {
        if (rights & letters[i].rights) {
            buf_add_char(out, letters[i].letter);
        }
    }
}
