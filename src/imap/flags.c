/* Flag names.
 *
 * The store numbers flags: five system flags, then keywords, each mailbox its own. Names appear only here. A listing of
 * a large mailbox meets few combinations, so the text of the last one is kept; that makes `FETCH 1:* (FLAGS)` a copy
 * of octets. The keywords that the profile asks for ($Forwarded, $SubmitPending, $Submitted, $MDNSent) are ordinary
 * ones: PERMANENTFLAGS says \*, any client may make them, and the store keeps the first spelling (RFC 5550, 5.9, 5.10).
 */
#include "imap/flags.h"

enum { FLAGS_TEXT_MOST = 64 * 1024 };

static const struct {
    uint64_t bit;
    struct str name;
} system_flags[] = {
    {FLAG_ANSWERED, {"\\Answered", 9}}, {FLAG_FLAGGED, {"\\Flagged", 8}},
    {FLAG_DELETED, {"\\Deleted", 8}},   {FLAG_SEEN, {"\\Seen", 5}},
    {FLAG_DRAFT, {"\\Draft", 6}},
};

enum { SYSTEM_FLAG_COUNT = sizeof(system_flags) / sizeof(system_flags[0]) };

static void add_name(struct buf *out, bool *is_first, struct str name)
{
    if (!*is_first) {
        buf_add_char(out, ' ');
    }
    *is_first = false;
    buf_add(out, name);
}

void flags_write(struct buf *out, const struct mailbox *m, uint64_t flags, bool is_recent)
{
    bool is_first = true;
    if (is_recent) {
        add_name(out, &is_first, STR("\\Recent"));
    }
    for (size_t i = 0; i < SYSTEM_FLAG_COUNT; i++) {
        if (flags & system_flags[i].bit) {
            add_name(out, &is_first, system_flags[i].name);
        }
    }
    uint64_t keywords = flags >> KEYWORD_FIRST << KEYWORD_FIRST;
    while (keywords != 0) {
        unsigned bit = (unsigned)__builtin_ctzll(keywords);
        keywords &= keywords - 1;
        struct str name = mailbox_get_keyword_name(m, bit);
        if (name.n > 0) {
            add_name(out, &is_first, name);
        }
    }
}

void flags_write_all(struct buf *out, const struct mailbox *m)
{
    flags_write(out, m, UINT64_MAX, false);
}

enum err flags_find_bits(struct mailbox *m, const struct flag_list *list, bool may_add,
                         uint64_t *bits)
{
    *bits = list->system;
    for (uint32_t i = 0; i < list->keyword_count; i++) {
        uint64_t bit = 0;
        enum err e = mailbox_get_keyword(m, list->keywords[i], may_add, &bit);
        if (e != ERR_OK && e != ERR_NOT_FOUND) {
            return e;
        }
        *bits |= bit;
    }
    return ERR_OK;
}

struct str flags_text_get(struct flags_text *t, const struct mailbox *m, uint64_t flags,
                          bool is_recent)
{
    if (!t->is_made || t->flags != flags || t->is_recent != is_recent) {
        if (!t->is_made) {
            buf_init(&t->text, FLAGS_TEXT_MOST);
        }
        buf_clear(&t->text);
        flags_write(&t->text, m, flags, is_recent);
        t->flags = flags;
        t->is_recent = is_recent;
        t->is_made = true;
    }
    return buf_str(&t->text);
}

void flags_text_release(struct flags_text *t)
{
    if (t->is_made) {
        buf_release(&t->text);
        t->is_made = false;
    }
}
