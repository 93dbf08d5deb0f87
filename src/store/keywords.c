/* Keywords: each mailbox numbers the words that its messages are flagged with (RFC 3501, 2.3.2), bits 8 to 63.
 *
 * A word keeps its bit for the life of the mailbox, also when no message has it any more: bits in views that
 * sessions hold must go on meaning the same.
 *
 * So a mailbox can run out of bits. A few are kept for the keywords that mail must never be without: those of forwarding and
 * of submission (RFC 5550, 5.9 and 5.10) and of notifications (RFC 3503). */
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

static const char *const RESERVED[] = {"$Forwarded", "$MDNSent", "$SubmitPending", "$Submitted"};

enum { RESERVED_COUNT = sizeof(RESERVED) / sizeof(RESERVED[0]) };

struct str keyword_get_reserved(unsigned i)
{
    return i < RESERVED_COUNT ? str_from_c(RESERVED[i]) : STR_EMPTY;
}

static bool is_reserved(struct str keyword)
{
    for (unsigned i = 0; i < RESERVED_COUNT; i++) {
        if (str_eq_nocase(str_from_c(RESERVED[i]), keyword)) {
            return true;
        }
    }
    return false;
}

bool mailbox_has_room_for_keyword(const struct mailbox *m, struct str keyword)
{
    unsigned free_count = 0;
    unsigned kept = 0;
    uint64_t bit;
    for (unsigned i = 0; i < KEYWORD_COUNT; i++) {
        free_count += m->keywords[i] == NULL;
    }
    for (unsigned i = 0; i < RESERVED_COUNT && !is_reserved(keyword); i++) {
        kept += !find_bit(m, str_from_c(RESERVED[i]), &bit);
    }
    return free_count > kept;
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
    if (!mailbox_has_room_for_keyword(m, keyword) || keyword.n > KEYWORD_MOST) {
        return ERR_LIMIT;
    }
    unsigned i = 0;
    while (m->keywords[i] != NULL) {
        i++;
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

unsigned mailbox_count_keywords(const struct mailbox *m)
{
    unsigned count = 0;
    for (unsigned i = 0; i < KEYWORD_COUNT; i++) {
        count += m->keywords[i] != NULL;
    }
    return count;
}
