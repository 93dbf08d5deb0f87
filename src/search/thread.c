/* Threading a mailbox: reads what matters of each message from its shape, in portions, and hands it to the tree (thread_tree.h). A
 * message whose shape is gone from the disk counts as one without fields. */
#include "search/thread.h"

#include "mime/collate.h"
#include "mime/shape.h"
#include "search/sort_key.h"

#include <stdlib.h>

enum {
    MESSAGE_COST = 512,
    OCTETS_A_UNIT = 4, /* of a shape */
    MAP_COST = 4,      /* of an octet of a collation key */
    SUBJECT_CAP = 64 * SHAPE_FIELD_MOST,
    SUBJECT_MOST = 1000 /* octets of its key that count */
};

struct thread {
    struct mailbox *mailbox;
    struct view *view;
    const struct numset *seqs;
    struct thread_tree tree;
    struct arena *arena;
    struct collate collate;
    struct buf subject;
    size_t range;  /* of seqs */
    uint32_t next; /* within the range, from 0 */
    enum err err;
};

struct thread *thread_new(const struct thread_args *args)
{
    struct thread *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        abort();
    }
    mailbox_ref(args->mailbox);
    t->mailbox = args->mailbox;
    t->view = view_ref(args->view);
    t->seqs = args->seqs;
    t->arena = arena_new(SHAPE_ARENA_MOST);
    collate_init(&t->collate);
    buf_init(&t->subject, SUBJECT_CAP);
    thread_tree_init(&t->tree, args->algorithm);
    return t;
}

void thread_free(struct thread **thread)
{
    struct thread *t = *thread;
    if (t == NULL) {
        return;
    }
    thread_tree_release(&t->tree);
    buf_release(&t->subject);
    collate_release(&t->collate);
    arena_free(&t->arena);
    view_unref(&t->view);
    mailbox_unref(&t->mailbox);
    free(t);
    *thread = NULL;
}

static enum err add(struct thread *t, uint32_t seq)
{
    struct message m;
    struct envelope e;
    size_t octets = 0;
    TRY(sort_read_message(t->view, (struct seq){seq}, &m));
    arena_clear(t->arena);
    TRY(sort_read_envelope(t->arena, mailbox_get_account(t->mailbox), m.body_id, &e, &octets));
    buf_clear(&t->subject);
    bool is_reply = collate_write_subject(&t->collate, e.subject.s, &t->subject);
    t->tree.work += octets / OCTETS_A_UNIT + t->subject.len * MAP_COST;
    const struct thread_message message = {.seq = seq,
                                           .date_s = sort_get_date(&m, &e),
                                           .arrival_s = m.internaldate_s,
                                           .subject =
                                               str_sub(buf_str(&t->subject), 0, SUBJECT_MOST),
                                           .is_reply = is_reply,
                                           .message_id = e.message_id.s,
                                           .references = e.references.s,
                                           .in_reply_to = e.in_reply_to.s};
    return thread_tree_add(&t->tree, &message);
}

static enum err collect(struct thread *t, uint64_t *budget)
{
    while (t->range<t->seqs->count && * budget> 0) {
        struct numrange r = t->seqs->at[t->range];
        t->tree.work = MESSAGE_COST;
        TRY(add(t, r.first + t->next));
        if (r.first + t->next == r.last) {
            t->range++;
            t->next = 0;
        } else {
            t->next++;
        }
        *budget -= *budget < t->tree.work ? *budget : t->tree.work;
    }
    return ERR_OK;
}

enum step thread_step(struct thread *t, uint64_t budget)
{
    t->err = t->err == ERR_OK ? collect(t, &budget) : t->err;
    if (t->err != ERR_OK) {
        return STEP_BAD;
    }
    if (t->range < t->seqs->count || budget == 0) {
        return STEP_MORE;
    }
    return thread_tree_step(&t->tree, &budget) ? STEP_DONE : STEP_MORE;
}

enum err thread_get_err(const struct thread *t)
{
    return t->err;
}

const struct thread_node *thread_get_nodes(const struct thread *t)
{
    return t->tree.nodes.at;
}
