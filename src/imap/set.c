/* Sequence sets of commands. They are resolved once, against the view that the client knows, into ranges; "*" in a UID
 * set is the highest UID there, even when that lies below the other end (RFC 3501, 6.4.8). */
#include "imap/set.h"

#include "imap/context_results.h"
#include "imap/session_priv.h"
#include "wire/imap_scan.h"

/* The number that "*" stands for; 0 in an empty mailbox. */
static uint32_t get_last(const struct imap_session *s, bool is_uid)
{
    const struct view *v = s->selected.known;
    uint32_t count = view_get_count(v);
    if (!is_uid || count == 0) {
        return count;
    }
    struct message last;
    view_get_hot(v, (struct seq){count}, &last);
    return last.uid.v;
}

void set_require_saved(const struct imap_session *s, struct scan *c)
{
    if (s->selected.is_saved_lost) {
        scan_fail(c, ERR_UNAVAILABLE, "what was saved");
    }
}

/* "$": the saved messages that are still there (RFC 5182, 2.1). */
static void add_saved(struct imap_session *s, bool is_uid, struct numset *out)
{
    if (is_uid) {
        numset_add_set(out, &s->selected.saved);
    } else {
        context_find_seqs(s->selected.known, &s->selected.saved, out);
    }
}

void set_parse(struct imap_session *s, struct cmd *cmd, struct scan *c, struct numset *out)
{
    struct seq_set set;
    scan_sp(c);
    size_t at = c->at;
    if (scan_accept(c, '$')) {
        set_require_saved(s, c);
        add_saved(s, cmd->is_uid, out);
        return;
    }
    scan_seq_set(c, cmd->arena, &set);
    if (!scan_is_ok(c)) {
        return;
    }
    if (!cmd->is_uid && !seq_set_is_within(&set, view_get_count(s->selected.known))) {
        c->at = at;
        scan_fail(c, ERR_SYNTAX, "numbers of messages that are there");
        return;
    }
    seq_set_resolve(&set, get_last(s, cmd->is_uid), out);
}

void set_parse_ever(struct imap_session *s, struct cmd *cmd, struct scan c, struct numset *out)
{
    struct seq_set set;
    scan_sp(&c);
    if (scan_accept(&c, '$')) {
        add_saved(s, true, out);
        return;
    }
    scan_seq_set(&c, cmd->arena, &set);
    if (scan_is_ok(&c)) {
        seq_set_resolve(&set, view_get_uidnext(s->selected.known).v - 1, out);
    }
}
