/* MESSAGELIMIT (RFC 9738): FETCH, STORE, SEARCH, MOVE and UID EXPUNGE work on so many messages at most, the highest UIDs of those named,
 * and say which was the lowest; COPY and APPEND do all or nothing.
 *
 *     named:    12 13 17 18 20 21 22          limit 3
 *     done:                 20 21 22          OK [MESSAGELIMIT 3 20]: go on below 20
 *
 * Commands are generators, so no limit is needed to protect us from large mailboxes. What it bounds is the size of sets that
 * are gathered before a command begins; it is high, and no client that does not know of it meets it.
 *
 * A search is said to look at all messages that its outermost sets of UIDs or numbers name, whatever the flags. */
#include "imap/limit.h"

#include "imap/session_priv.h"
#include "imap/walk.h"
#include "wire/imap_scan.h"

/* The highest of the numbers, all of which are messages; numbers become those. */
static void keep_highest(const struct imap_session *s, struct numset *numbers)
{
    struct numset kept = NUMSET_INIT;
    const struct partial_range highest = {-1, -(int64_t)s->args.message_limit};
    partial_range_apply(highest, numbers, &kept);
    numset_release(numbers);
    *numbers = kept;
}

static bool is_within(struct imap_session *s, const struct numset *set, bool is_uid)
{
    uint64_t limit = s->args.message_limit;
    if (limit == 0 || view_get_count(s->selected.known) <= limit) {
        return true;
    }
    uint64_t count = is_uid ? walk_count(s->selected.known, set, true) : numset_get_count(set);
    return count <= limit;
}

void limit_apply(struct imap_session *s, struct numset *set, bool is_uid)
{
    struct view *v = s->selected.known;
    if (is_within(s, set, is_uid)) {
        return;
    }
    if (is_uid) {
        struct numset uids = NUMSET_INIT;
        walk_collect_uids(v, set, true, &uids);
        numset_release(set);
        *set = uids;
    }
    keep_highest(s, set);
    struct message lowest = {.uid = {set->at[0].first}};
    if (!is_uid) {
        view_get_hot(v, (struct seq){set->at[0].first}, &lowest);
    }
    s->cmd.limited_uid = lowest.uid.v;
}

enum err limit_check(struct imap_session *s, const struct numset *uids)
{
    if (is_within(s, uids, true)) {
        return ERR_OK;
    }
    struct numset kept = NUMSET_INIT;
    numset_copy(&kept, uids);
    limit_apply(s, &kept, true);
    numset_release(&kept);
    buf_addf(&s->cmd.code, "MESSAGELIMIT %u %u", s->args.message_limit, s->cmd.limited_uid);
    s->cmd.limited_uid = 0;
    return ERR_MESSAGE_LIMIT;
}

enum err limit_check_count(struct imap_session *s, uint64_t count)
{
    if (s->args.message_limit == 0 || count <= s->args.message_limit) {
        return ERR_OK;
    }
    buf_addf(&s->cmd.code, "MESSAGELIMIT %u", s->args.message_limit);
    return ERR_MESSAGE_LIMIT;
}

/* ---- SEARCH ---- */

/* The messages that a set of the program names, as UIDs; 0 in it is "*". */
static void add_set(struct view *v, const struct search_key *k, uint32_t last, struct numset *uids)
{
    struct numset numbers = NUMSET_INIT;
    for (size_t i = 0; i < k->set.count; i++) {
        struct numrange r = k->set.at[i];
        numset_add(&numbers, r.first == 0 ? last : r.first, r.last == 0 ? last : r.last);
    }
    walk_collect_uids(v, &numbers, k->kind == SEARCH_UID, uids);
    numset_release(&numbers);
}

/* All messages that the search has to look at, as UIDs. */
static void find_searched(struct view *v, const struct search_key *program, struct numset *out)
{
    struct numset all = NUMSET_INIT;
    struct message last = {0};
    uint32_t count = view_get_count(v);
    view_get_hot(v, (struct seq){count}, &last);
    numset_add(&all, 1, UINT32_MAX);
    walk_collect_uids(v, &all, true, out);
    numset_release(&all);
    for (const struct search_key *k = program->child; k != NULL; k = k->next) {
        if (k->kind == SEARCH_SEQ || k->kind == SEARCH_UID) {
            struct numset uids = NUMSET_INIT;
            add_set(v, k, k->kind == SEARCH_UID ? last.uid.v : count, &uids);
            numset_intersect(out, &uids);
            numset_release(&uids);
        }
    }
}

enum err limit_search(struct imap_session *s, struct arena *a, struct search_key *program)
{
    struct view *v = s->selected.known;
    if (s->args.message_limit == 0 || view_get_count(v) <= s->args.message_limit) {
        return ERR_OK;
    }
    struct numset uids = NUMSET_INIT;
    find_searched(v, program, &uids);
    limit_apply(s, &uids, true);
    numset_release(&uids);
    if (s->cmd.limited_uid == 0) {
        return ERR_OK;
    }
    struct search_key *above = search_key_new(a, SEARCH_UID);
    struct numrange *range = arena_one(a, struct numrange);
    if (above == NULL || range == NULL) {
        return ERR_LIMIT;
    }
    *range = (struct numrange){s->cmd.limited_uid, UINT32_MAX};
    above->set = (struct search_set){range, 1};
    search_key_add(program, above);
    return ERR_OK;
}
