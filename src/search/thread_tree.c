/* The threading algorithms of RFC 5256.
 *
 * While messages are added there are only parents: for REFERENCES the links of step (1), with a dummy for each id that is named and not
 * there. "A must not be below B" is asked by walking up from A, but only when B has children at all. The walk is bounded: a
 * parent deeper than WALK_MOST is not taken, and none when the walks for one message are longer than WALKED_MOST. So is memory: anybody
 * may send mail that names a thousand ids, so beyond a generous sum only the last reference of a message counts.
 *
 * Then phases run over all nodes, one node a call, so that they can stop anywhere; none recurses, however deep threads are:
 *
 *   dates      messages in order of sent date, ties as in the mailbox. The one sort for all: what is linked in this order is
 *              in order, roots and siblings alike. So steps (4) and (6) are linking, and a dummy stands where its first child does.
 *   anchors    (3): a dummy that is not at the top gives its children to what is above it
 *   singles    (3): a dummy at the top with one child gives that its place
 *   roots      (2), (4)
 *   table      (5.B)     merge  (5.C): dummies that are joined point to each other (top)
 *   link       (6)
 *
 * ORDEREDSUBJECT: dates, then the first message of each subject is the parent of the others; link.
 * REFS, which no RFC defines: as REFERENCES but step (5), and threads in order of the latest internal date in them (the proposal of
 * the IETF's working group on message organisation, 2010). */
#include "search/thread_tree.h"

#include "mime/message_id.h"

#include <stdlib.h>

enum {
    NODES_MOST = 8 * 1000 * 1000,
    REFERENCES_MOST = 1000, /* of a message; of more, only the last one counts besides */
    WALK_MOST = 20000,
    WALKED_MOST = 100 * 1000, /* for one message */
    ID_MOST = 1000,           /* octets; of a longer id the first ones count */
    WORK_A_STEP = 16,         /* of a walk */
    NODE_SIZE = 128,          /* of a node and its place in the map, without the id */
    FREE_OCTETS = 64 * 1024 * 1024,
    MESSAGE_OCTETS = 1024
};

static struct thread_node *get(struct thread_tree *t, uint32_t i)
{
    return &t->nodes.at[i];
}

void thread_tree_init(struct thread_tree *t, enum thread_algorithm algorithm)
{
    *t = (struct thread_tree){.algorithm = algorithm, .ids = map_new(), .subjects = map_new()};
    buf_init(&t->id, ID_MOST);
    vec_push(&t->nodes, (struct thread_node){0});
}

void thread_tree_release(struct thread_tree *t)
{
    vec_release(&t->nodes);
    vec_release(&t->dated);
    vec_release(&t->roots);
    order_release(&t->order);
    map_free(&t->ids);
    map_free(&t->subjects);
    buf_release(&t->id);
    free(t->table);
}

/* ---- adding, step (1) ---- */

/* Numbers as values of a map, which keeps pointers that are not NULL. */
static uint32_t find_number(const struct map *m, struct str key)
{
    return (uint32_t)(uintptr_t)map_find(m, key);
}

static void put_number(struct map *m, struct str key, uint32_t number)
{
    (void)map_put(m, key, (void *)(uintptr_t)number); /* NOLINT(performance-no-int-to-ptr) */
}

static uint32_t new_node(struct thread_tree *t)
{
    t->octets += NODE_SIZE + t->id.len;
    vec_push(&t->nodes, (struct thread_node){.latest = INT64_MIN});
    return (uint32_t)(t->nodes.count - 1);
}

/* The node of the id in t->id; a dummy when there was none. */
static uint32_t get_node(struct thread_tree *t)
{
    uint32_t n = find_number(t->ids, buf_str(&t->id));
    if (n == 0) {
        n = new_node(t);
        put_number(t->ids, buf_str(&t->id), n);
    }
    return n;
}

/* Is a the same as b, or below it? */
static bool is_below(struct thread_tree *t, uint32_t a, uint32_t b)
{
    if (a == b || get(t, b)->child_count == 0) {
        return a == b;
    }
    unsigned steps = 0;
    unsigned most = t->walked < WALKED_MOST ? WALK_MOST : 0;
    while (a != 0 && a != b && steps < most) {
        a = get(t, a)->parent;
        steps++;
    }
    t->walked += steps;
    t->work += steps / WORK_A_STEP;
    return a != 0;
}

static void unlink_parent(struct thread_tree *t, uint32_t child)
{
    uint32_t parent = get(t, child)->parent;
    if (parent != 0) {
        get(t, parent)->child_count--;
        get(t, child)->parent = 0;
    }
}

static void link_parent(struct thread_tree *t, uint32_t parent, uint32_t child)
{
    if (get(t, child)->parent == 0 && !is_below(t, parent, child)) {
        get(t, child)->parent = parent;
        get(t, parent)->child_count++;
    }
}

static bool next_id(struct thread_tree *t, struct str *field)
{
    buf_clear(&t->id);
    return message_id_next(field, &t->id);
}

/* How many references of a message count, before its last one: all, unless what mail names that is not there takes more memory than
 * mail may ask for. */
static unsigned get_references_most(const struct thread_tree *t)
{
    return t->octets > FREE_OCTETS + t->dated.count * MESSAGE_OCTETS ? 0 : REFERENCES_MOST;
}

/* (1.A): links the references among each other; returns the last one, 0: there is none. */
static uint32_t link_references(struct thread_tree *t, const struct thread_message *m)
{
    struct str field = m->references;
    uint32_t last = 0;
    unsigned most = get_references_most(t);
    for (unsigned i = 0; next_id(t, &field); i++) {
        if (i >= most && field.n > 0) {
            continue;
        }
        uint32_t node = get_node(t);
        if (last != 0 && i < most) {
            link_parent(t, last, node);
        }
        last = node;
    }
    field = m->in_reply_to;
    return last == 0 && next_id(t, &field) ? get_node(t) : last;
}

/* The node of the message: that of its id, unless that is taken (1.A). */
static uint32_t take_node(struct thread_tree *t, const struct thread_message *m)
{
    struct str field = m->message_id;
    if (t->algorithm == THREAD_ORDEREDSUBJECT || !next_id(t, &field)) {
        return new_node(t);
    }
    uint32_t node = get_node(t);
    return get(t, node)->seq == 0 ? node : new_node(t);
}

static uint32_t number_subject(struct thread_tree *t, struct str subject)
{
    if (t->algorithm == THREAD_REFS || subject.n == 0) {
        return 0;
    }
    uint32_t number = find_number(t->subjects, subject);
    if (number == 0) {
        number = (uint32_t)map_get_count(t->subjects) + 1;
        put_number(t->subjects, subject, number);
    }
    return number;
}

enum err thread_tree_add(struct thread_tree *t, const struct thread_message *m)
{
    if (t->nodes.count > NODES_MOST) {
        return ERR_LIMIT;
    }
    t->walked = 0;
    uint32_t node = take_node(t, m);
    get(t, node)->seq = m->seq;
    get(t, node)->is_reply = m->is_reply;
    get(t, node)->latest = m->arrival_s;
    uint64_t date = (uint64_t)m->date_s ^ (UINT64_C(1) << 63);
    vec_push(&t->dated, (struct order_item){.key = date, .id = node});
    get(t, node)->subject = number_subject(t, m->subject);
    if (t->algorithm != THREAD_ORDEREDSUBJECT) {
        uint32_t parent = link_references(t, m);
        unlink_parent(t, node); /* (1.B) */
        if (parent != 0) {
            link_parent(t, parent, node);
        }
    }
    return ERR_OK;
}

/* ---- steps (2) to (6) ---- */

static bool is_dummy(struct thread_tree *t, uint32_t n)
{
    return n != 0 && get(t, n)->seq == 0;
}

/* Makes the parent of n what is above it when all dummies but those at the top are gone; dummies on the way learn it, too. */
static void find_anchor(struct thread_tree *t, size_t n)
{
    uint32_t anchor = get(t, (uint32_t)n)->parent;
    while (is_dummy(t, anchor) && get(t, anchor)->parent != 0) {
        anchor = get(t, anchor)->parent;
        t->work++;
    }
    uint32_t up = (uint32_t)n;
    while (up != anchor) {
        uint32_t above = get(t, up)->parent;
        get(t, up)->parent = anchor;
        if (!is_dummy(t, above)) {
            break;
        }
        up = above;
    }
}

static void each_anchor(struct thread_tree *t, size_t i)
{
    if (get(t, (uint32_t)i)->seq != 0) {
        find_anchor(t, i);
    }
    get(t, (uint32_t)i)->child_count = 0;
}

/* Counts the messages right below each dummy at the top. */
static void each_count(struct thread_tree *t, size_t i)
{
    const struct thread_node *n = get(t, (uint32_t)i);
    if (n->seq != 0 && n->parent != 0) {
        get(t, n->parent)->child_count++;
    }
}

static void each_single(struct thread_tree *t, size_t i)
{
    struct thread_node *n = get(t, (uint32_t)i);
    if (n->seq != 0 && is_dummy(t, n->parent) && get(t, n->parent)->child_count == 1) {
        n->parent = 0;
    }
}

/* Message i by date: what stands at the top, itself or the dummy whose first child it is. */
static void each_root(struct thread_tree *t, size_t i)
{
    uint32_t n = t->order.items[i].id;
    uint32_t parent = get(t, n)->parent;
    if (parent == 0) {
        vec_push(&t->roots, n);
    } else if (is_dummy(t, parent) && get(t, parent)->child == 0) {
        get(t, parent)->child = n;
        vec_push(&t->roots, parent);
    }
}

/* The message whose subject is the thread's (5.B.i). */
static struct thread_node *get_head(struct thread_tree *t, uint32_t root)
{
    return is_dummy(t, root) ? get(t, get(t, root)->child) : get(t, root);
}

/* (5.B) */
static void each_table(struct thread_tree *t, size_t i)
{
    uint32_t root = t->roots.at[i];
    uint32_t subject = get_head(t, root)->subject;
    if (subject == 0) {
        return;
    }
    uint32_t *place = &t->table[subject];
    bool is_better =
        *place == 0
        || (!is_dummy(t, *place)
            && (is_dummy(t, root) || (get(t, *place)->is_reply && !get(t, root)->is_reply)));
    if (is_better) {
        *place = root;
    }
}

/* (5.C) */
static void each_merge(struct thread_tree *t, size_t i)
{
    uint32_t root = t->roots.at[i];
    uint32_t subject = get_head(t, root)->subject;
    uint32_t with = subject == 0 ? root : t->table[subject];
    if (with == root) {
        return;
    }
    if (is_dummy(t, with) && is_dummy(t, root)) {
        get(t, root)->top = with;
    } else if (is_dummy(t, with) || (get(t, root)->is_reply && !get(t, with)->is_reply)) {
        get(t, root)->parent = with;
    } else {
        uint32_t both = new_node(t);
        get(t, root)->parent = both;
        get(t, with)->parent = both;
        t->table[subject] = both;
        get(t, both)->child = with; /* so that it has a head; linked anew below */
    }
}

/* ORDEREDSUBJECT: message i by date belongs to the first of its subject. */
static void each_subject(struct thread_tree *t, size_t i)
{
    struct thread_node *n = get(t, t->order.items[i].id);
    uint32_t *first = &t->table[n->subject];
    if (*first == 0) {
        *first = t->order.items[i].id;
    } else {
        n->parent = *first;
    }
}

/* Forgets the first children that the phases before needed. */
static void each_clear(struct thread_tree *t, size_t i)
{
    get(t, (uint32_t)i)->child = 0;
}

static void append_child(struct thread_tree *t, uint32_t parent, uint32_t child)
{
    struct thread_node *p = get(t, parent);
    if (p->child == 0) {
        p->child = child;
    } else {
        get(t, p->last)->next = child;
    }
    p->last = child;
    get(t, child)->parent = parent;
}

/* Message i by date goes to the end of its siblings. */
static void each_link(struct thread_tree *t, size_t i)
{
    uint32_t n = t->order.items[i].id;
    uint32_t parent = get(t, n)->parent;
    if (is_dummy(t, parent)) {
        parent = get(t, parent)->top != 0 ? get(t, parent)->top : parent;
        if (!get(t, parent)->is_placed) {
            get(t, parent)->is_placed = true;
            append_child(t, 0, parent);
        }
    }
    append_child(t, parent, n);
}

/* ---- REFS: threads by their latest message ---- */

static void each_top(struct thread_tree *t, size_t i)
{
    get(t, (uint32_t)i)->top = get(t, (uint32_t)i)->parent;
}

/* The top of the thread of n; the way there gets shorter with each look. */
static uint32_t find_top(struct thread_tree *t, uint32_t n)
{
    while (get(t, n)->top != 0) {
        uint32_t above = get(t, n)->top;
        if (get(t, above)->top == 0) {
            return above;
        }
        get(t, n)->top = get(t, above)->top;
        n = get(t, n)->top;
        t->work++;
    }
    return n;
}

static void each_latest(struct thread_tree *t, size_t i)
{
    const struct thread_node *n = get(t, (uint32_t)i);
    struct thread_node *top = get(t, find_top(t, (uint32_t)i));
    if (n->seq != 0 && n->latest > top->latest) {
        top->latest = n->latest;
    }
}

static void each_latest_root(struct thread_tree *t, size_t i)
{
    (void)i;
    uint32_t n =
        t->roots.count == 0 ? get(t, 0)->child : get(t, t->roots.at[t->roots.count - 1])->next;
    if (n != 0) {
        uint64_t latest = (uint64_t)get(t, n)->latest ^ (UINT64_C(1) << 63);
        vec_push(&t->roots, n);
        vec_push(&t->dated, (struct order_item){.key = latest, .id = n});
    }
}

static void each_relink(struct thread_tree *t, size_t i)
{
    uint32_t n = t->order.items[i].id;
    if (i == 0) {
        get(t, 0)->child = 0;
    }
    get(t, n)->next = 0;
    append_child(t, 0, n);
}

/* ---- the phases ---- */

enum over { OVER_NODES, OVER_DATED, OVER_ROOTS, SORT_DATED };

struct phase {
    enum over over;
    void (*each)(struct thread_tree *t, size_t i);
};

enum { PHASES_MOST = 12 };

static const struct phase PHASES[3][PHASES_MOST] = {
    [THREAD_ORDEREDSUBJECT] = {{SORT_DATED, NULL},
                               {OVER_DATED, each_subject},
                               {OVER_DATED, each_link}},
    [THREAD_REFERENCES] = {{SORT_DATED, NULL},
                           {OVER_NODES, each_anchor},
                           {OVER_NODES, each_count},
                           {OVER_NODES, each_single},
                           {OVER_DATED, each_root},
                           {OVER_ROOTS, each_table},
                           {OVER_ROOTS, each_merge},
                           {OVER_NODES, each_clear},
                           {OVER_DATED, each_link}},
    [THREAD_REFS] = {{SORT_DATED, NULL},
                     {OVER_NODES, each_anchor},
                     {OVER_NODES, each_count},
                     {OVER_NODES, each_single},
                     {OVER_DATED, each_link},
                     {OVER_NODES, each_top},
                     {OVER_NODES, each_latest},
                     {OVER_DATED, each_latest_root},
                     {SORT_DATED, NULL},
                     {OVER_DATED, each_relink}},
};

static size_t get_count(const struct thread_tree *t, enum over over)
{
    if (over == OVER_NODES) {
        return t->nodes.count;
    }
    return over == OVER_ROOTS ? t->roots.count : t->order.count;
}

static void begin_phase(struct thread_tree *t, const struct phase *p)
{
    if (p->over == SORT_DATED) {
        order_release(&t->order);
        order_init(&t->order, t->dated.at, t->dated.count);
        t->dated.at = NULL;
        t->dated.count = 0;
        t->dated.size = 0;
    }
    if (t->table == NULL) {
        t->table = calloc(map_get_count(t->subjects) + 1, sizeof(*t->table));
        if (t->table == NULL) {
            abort();
        }
    }
}

/* false: the budget is used. */
static bool step_phase(struct thread_tree *t, const struct phase *p, uint64_t *budget)
{
    if (t->at == 0) {
        begin_phase(t, p);
        t->at = 1;
    }
    if (p->over == SORT_DATED) {
        return order_step(&t->order, budget);
    }
    for (; t->at <= get_count(t, p->over); t->at++) {
        if (*budget == 0) {
            return false;
        }
        t->work = 1;
        p->each(t, t->at - 1);
        *budget -= *budget < t->work ? *budget : t->work;
    }
    return true;
}

bool thread_tree_step(struct thread_tree *t, uint64_t *budget)
{
    for (; t->phase < PHASES_MOST; t->phase++) {
        const struct phase *p = &PHASES[t->algorithm][t->phase];
        bool is_last = p->over != SORT_DATED && p->each == NULL;
        if (is_last) {
            return true;
        }
        if (!step_phase(t, p, budget)) {
            return false;
        }
        t->at = 0;
    }
    return true;
}
