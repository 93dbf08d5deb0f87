/* Resynchronisation: which messages vanished since the client was last here.
 *
 * The store remembers each removal exactly, by the mod-sequence of its commit, merged to ranges; nothing is guessed.
 * Sequence match data lets a client say "my message 5000 has UID 15000". The highest pair that still holds proves that the
 * client knows of all removals up to there (a removal it missed would have moved the number), so those are left out
 * (RFC 7162, 3.2.5.2).
 */
#include "imap/resync.h"

enum { RANGES_A_LINE = 400 };

/* A walk through the numbers of a sequence set in the order as sent. */
struct number_walk {
    const struct seq_set *set;
    uint32_t range;
    uint32_t next; /* 0: at the beginning of the range */
};

static bool next_number(struct number_walk *w, uint32_t *out)
{
    if (w->range >= w->set->count) {
        return false;
    }
    struct seq_range r = w->set->at[w->range];
    uint32_t low = r.first < r.last ? r.first : r.last;
    uint32_t high = r.first < r.last ? r.last : r.first;
    *out = w->next == 0 ? low : w->next;
    if (*out >= high) {
        w->range++;
        w->next = 0;
    } else {
        w->next = *out + 1;
    }
    return true;
}

/* The highest UID of a pair that holds in v; 0: none. The numbers must rise (RFC 7162, 3.2.5.2), so the walk is no longer than
 * the mailbox, however often a set names all of it; what follows a number that does not rise is passed over. */
static uint32_t find_match(const struct view *v, const struct seq_match *match)
{
    struct number_walk seqs = {.set = &match->seqs};
    struct number_walk uids = {.set = &match->uids};
    uint32_t best = 0;
    uint32_t seq = 0;
    uint32_t uid = 0;
    uint32_t before = 0;
    while (next_number(&seqs, &seq) && next_number(&uids, &uid) && seq <= view_get_count(v)
           && seq > before) {
        struct message m;
        before = seq;
        view_get_hot(v, (struct seq){seq}, &m);
        if (m.uid.v == uid && uid > best) {
            best = uid;
        }
    }
    return best;
}

enum err resync_find_vanished(struct mailbox *m, const struct view *v, uint64_t modseq,
                              const struct numset *among, const struct seq_match *match,
                              struct numset *gone)
{
    TRY(mailbox_get_expunged(m, modseq, gone));
    numset_intersect(gone, among);
    uint32_t known = match != NULL ? find_match(v, match) : 0;
    if (known > 0) {
        numset_remove(gone, 1, known);
    }
    return ERR_OK;
}

enum step resync_write_vanished(const struct numset *gone, size_t *at, struct buf *out)
{
    while (*at < gone->count) {
        if (out->len >= SESSION_OUTPUT_MOST) {
            return STEP_MORE;
        }
        size_t left = gone->count - *at;
        struct numset line = {.at = gone->at + *at,
                              .count = left < RANGES_A_LINE ? left : RANGES_A_LINE};
        buf_add(out, STR("* VANISHED (EARLIER) "));
        numset_write(out, &line);
        buf_add(out, STR("\r\n"));
        *at += line.count;
    }
    return STEP_DONE;
}
