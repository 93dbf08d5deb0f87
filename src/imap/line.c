/* One FETCH line of hot columns, written by hand: room is made once, then octets are put. */
#include "imap/line.h"

#include "imap/out.h"

unsigned session_get_line_uid(const struct imap_session *s)
{
    return s->has_uidonly ? 0 : LINE_UID;
}

void line_write(struct buf *out, const struct imap_session *s, struct flags_text *t, struct seq seq,
                const struct message *m, unsigned items)
{
    struct str flags = STR_EMPTY;
    if (items & LINE_FLAGS) {
        bool is_recent = s->selected.recent.count > 0 && numset_has(&s->selected.recent, m->uid.v);
        flags = flags_text_get(t, s->selected.mailbox, m->flags, is_recent);
    }
    char *start = buf_reserve(out, LINE_MOST + flags.n);
    if (start == NULL) {
        return;
    }
    char *p = put_lit(start, "* ");
    p = put_u64(p, s->has_uidonly ? m->uid.v : seq.v);
    p = s->has_uidonly ? put_lit(p, " UIDFETCH (") : put_lit(p, " FETCH (");
    if (items & LINE_UID) {
        p = put_lit(p, "UID ");
        p = put_u64(p, m->uid.v);
        *p++ = ' ';
    }
    if (items & LINE_FLAGS) {
        p = put_lit(p, "FLAGS (");
        if (flags.n > 0) {
            p = put_str(p, flags);
        }
        p = put_lit(p, ") ");
    }
    if (items & LINE_MODSEQ) {
        p = put_lit(p, "MODSEQ (");
        p = put_u64(p, m->modseq);
        p = put_lit(p, ") ");
    }
    p = put_lit(p - 1, ")\r\n"); /* in place of the last space */
    buf_commit(out, (size_t)(p - start));
}
