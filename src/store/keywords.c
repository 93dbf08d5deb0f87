/* Keywords: each mailbox numbers the words that its messages are flagged with (RFC 3501, 2.3.2), bits 8 to 63.
 *
 * A word keeps its bit for the life of the mailbox, also when no message has it any more: bits in views that
 * sessions hold must go on meaning the same. */
#include "store/store_priv.h"

static bool find_bit(const struct mailbox *m, struct str keyword, uint64_t *bit)
{
    for (unsigned i = 0; i < KEYWORD_COUNT; i++) {
        if (m->keywords[i] != NULL && str_eq_nocase(str_from_c(m->keywords[i]), keyword)) {
            *bit = UINT64_C(1) << (KEYWORD_FIRST + i);
            return true;
        }
    }
    return false;
}

enum err mailbox_get_keyword(struct mailbox *m, struct str keyword, bool may_add, uint64_t *bit)
{
    if (find_bit(m, keyword, bit)) {
        return ERR_OK;
    }
    if (!may_add || keyword.n == 0) {
        return ERR_NOT_FOUND;
    }
    struct db *db;
    TRY(account_begin_change(m->account, &db));
    if (m->is_deleted || m->is_deleting) {
        return ERR_NO_MAILBOX;
    }
    unsigned i = 0;
    while (i < KEYWORD_COUNT && m->keywords[i] != NULL) {
        i++;
    }
    if (i == KEYWORD_COUNT || keyword.n > KEYWORD_MOST) {
        return ERR_LIMIT;
    }
    m->keywords[i] = store_copy(keyword);
    *bit = UINT64_C(1) << (KEYWORD_FIRST + i);
    m->new_keywords |= *bit;
    mailbox_mark_changed(m);
    return ERR_OK;
}

struct str mailbox_get_keyword_name(const struct mailbox *m, unsigned bit_number)
{
    if (bit_number < KEYWORD_FIRST || bit_number >= 64) {
        return STR_EMPTY;
    }
    return str_from_c(m->keywords[bit_number - KEYWORD_FIRST]);
}
