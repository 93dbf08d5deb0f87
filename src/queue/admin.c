/* The operator's requests. A queue of a million messages must not stop while somebody lists it, so a request looks at a
 * bounded number of messages and says where to go on; who asks, asks again. That also makes a change of very many messages a
 * row of small transactions, with mail in between.
 *
 * What an attempt has in its hands is not removed, because it may be delivered in this moment: it is counted as busy. */
#include "queue/admin.h"

#include "net/fields.h"
#include "queue/dsn.h"
#include "queue/report.h"

#include <stdlib.h>

enum {
    MEMORY_MOST = 64 * 1024 * 1024,
    SHOWN_MOST = 20,    /* recipients of a message in a list */
    LOOKED_MOST = 1000, /* recipients that a filter of a list looks at, and that show shows */
    WAITING_MOST = 20,
    PAGE_OCTETS = 512 * 1024
};

struct work {
    const struct admin *admin;
    struct fields f;
    struct arena *arena;
    struct buf *out;
    struct str sender;
    struct str recipient;
    struct str domain;
    bool is_held;
    uint64_t messages;
    uint64_t recipients;
    uint64_t busy;
};

/* ---- filters ---- */

static struct str get_domain(struct str address)
{
    return str_skip(address, str_find_last_char(address, '@') + 1);
}

/* Is it one of the recipients that are meant? */
static bool is_meant(const struct work *w, const struct queue_recipient *r)
{
    return (w->recipient.n == 0 || str_eq_nocase(w->recipient, r->to.address))
           && (w->domain.n == 0 || str_eq_nocase(w->domain, get_domain(r->to.address)))
           && (!w->is_held || r->destination == QUEUE_HELD);
}

static bool is_sender(const struct work *w, const struct queue_message *m)
{
    if (w->sender.n == 0 || str_eq_nocase(w->sender, m->return_path)) {
        return true;
    }
    return str_eq(w->sender, m->sender) || (str_eq(w->sender, STR("<>")) && m->return_path.n == 0);
}

static bool matches(const struct work *w, const struct queue_message *m)
{
    for (size_t i = 0; is_sender(w, m) && i < m->recipient_count; i++) {
        if (is_meant(w, &m->recipients[i])) {
            return true;
        }
    }
    return false;
}

/* ---- showing ---- */

static void end_block(struct work *w)
{
    buf_add_char(w->out, '\n');
}

static void add_word(struct work *w, const char *key, struct str value)
{
    if (value.n > 0) {
        fields_add(w->out, str_from_c(key), value);
    }
}

static void add_number(struct work *w, const char *key, uint64_t value)
{
    fields_add_u64(w->out, str_from_c(key), value);
}

static void show_message(struct work *w, const struct queue_message *m, size_t more)
{
    fields_add(w->out, STR("type"), STR("message"));
    add_number(w, "id", m->id);
    add_number(w, "arrived", m->arrived_ms);
    add_number(w, "expires", m->expires_ms);
    add_number(w, "size", m->size);
    fields_add(w->out, STR("from"), m->return_path);
    add_word(w, "sender", m->sender);
    add_word(w, "envid", m->envid);
    add_number(w, "priority", (uint64_t)(m->terms.priority + 9)); /* above -9 */
    add_number(w, "release", m->terms.release_ms);
    if (m->terms.by != SMTP_BY_NONE) {
        add_number(w, "by", m->terms.deliver_by_ms);
        fields_add(w->out, STR("by_mode"), m->terms.by == SMTP_BY_RETURN ? STR("R") : STR("N"));
    }
    add_number(w, "utf8", m->terms.is_utf8);
    add_number(w, "tls_required", m->terms.is_tls_required);
    add_number(w, "more", more);
    end_block(w);
}

static enum err show_recipient(struct work *w, const struct queue_recipient *r)
{
    const struct admin *a = w->admin;
    struct queue_destination d = {.id = 0};
    TRY(queue_load_destination(a->queue, w->arena, r->destination, &d));
    bool is_busy = a->is_busy != NULL && a->is_busy(a->owner, r->id);
    fields_add(w->out, STR("type"), STR("recipient"));
    add_number(w, "id", r->id);
    fields_add(w->out, STR("address"), r->to.address);
    add_word(w, "user", r->to.user);
    add_word(w, "orcpt", r->to.orcpt);
    add_word(w, "via", r->via);
    add_number(w, "attempts", r->attempts);
    add_number(w, "next", r->next_ms);
    add_word(w, "reply", r->last_reply);
    fields_add(w->out, STR("state"),
               is_busy                        ? STR("active")
               : r->destination == QUEUE_HELD ? STR("held")
               : r->attempts > 0              ? STR("deferred")
                                              : STR("waiting"));
    add_word(w, "destination", d.key);
    if (d.failures > 0) {
        add_number(w, "wait", d.wait_ms);
        add_word(w, "why", d.reply);
    }
    end_block(w);
    return ERR_OK;
}

static enum err show(struct work *w, uint64_t id, size_t most)
{
    struct queue_message m;
    enum err e = queue_load_some(w->admin->queue, w->arena, id, LOOKED_MOST, &m);
    if (e != ERR_OK || !matches(w, &m)) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    size_t shown = m.recipient_count < most ? m.recipient_count : most;
    w->messages++;
    show_message(w, &m, m.recipient_count - shown);
    for (size_t i = 0; i < shown; i++) {
        TRY(show_recipient(w, &m.recipients[i]));
    }
    return ERR_OK;
}

static enum err list_message(struct work *w, uint64_t id)
{
    return show(w, id, SHOWN_MOST);
}

static enum err show_all(struct work *w, uint64_t id)
{
    return show(w, id, LOOKED_MOST);
}

/* ---- changing ---- */

static enum err change_hold(struct work *w, uint64_t id, bool is_held)
{
    struct queue *q = w->admin->queue;
    struct queue_message m;
    enum err e = queue_load_some(q, w->arena, id, LOOKED_MOST, &m);
    if (e != ERR_OK || !matches(w, &m)) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    uint64_t changed = 0;
    TRY(is_held ? queue_hold(q, id, &changed) : queue_release(q, id, w->admin->now_ms, &changed));
    w->messages += changed > 0;
    w->recipients += changed;
    return ERR_OK;
}

static enum err hold_message(struct work *w, uint64_t id)
{
    return change_hold(w, id, true);
}

static enum err release_message(struct work *w, uint64_t id)
{
    return change_hold(w, id, false);
}

/* Mail that its sender wants to leave later keeps its time (RFC 4865). */
static enum err flush_message(struct work *w, uint64_t id)
{
    struct queue_message m;
    enum err e = queue_load_some(w->admin->queue, w->arena, id, LOOKED_MOST, &m);
    if (e != ERR_OK || !matches(w, &m) || m.terms.release_ms > w->admin->now_ms) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    uint64_t changed = 0;
    TRY(queue_flush(w->admin->queue, id, w->admin->now_ms, &changed));
    w->messages++;
    w->recipients += changed;
    return ERR_OK;
}

static enum err report_removed(struct work *w, const struct queue_message *m,
                               struct queue_recipient *const *gone, size_t count)
{
    bool is_asked = fields_get_u64(&w->f, STR("bounce"), 0) == 1 && m->return_path.n > 0;
    struct dsn_recipient *entries = arena_array(w->arena, struct dsn_recipient, count + 1);
    size_t told = 0;
    if (entries == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < count; i++) {
        if (dsn_is_wanted(gone[i]->to.notify, DSN_FAILED)) {
            entries[told++] = (struct dsn_recipient){
                .to = &gone[i]->to,
                .action = DSN_FAILED,
                .status = STR("5.7.1"),
                .reply = STR("550 5.7.1 Removed from the queue by the postmaster"),
            };
        }
    }
    struct report_args args = {w->admin->queue, w->admin->hostname, w->admin->now_ms};
    return is_asked && told > 0 ? report_add(&args, m, entries, told) : ERR_OK;
}

static enum err remove_message(struct work *w, uint64_t id)
{
    const struct admin *a = w->admin;
    struct queue_message m;
    enum err e = queue_load(a->queue, w->arena, id, &m);
    if (e != ERR_OK || !is_sender(w, &m)) {
        return e == ERR_NOT_FOUND ? ERR_OK : e;
    }
    struct queue_recipient **gone =
        arena_array(w->arena, struct queue_recipient *, m.recipient_count + 1);
    size_t count = 0;
    if (gone == NULL) {
        return ERR_LIMIT;
    }
    for (size_t i = 0; i < m.recipient_count; i++) {
        struct queue_recipient *r = &m.recipients[i];
        bool is_busy = a->is_busy != NULL && a->is_busy(a->owner, r->id);
        w->busy += is_meant(w, r) && is_busy;
        if (is_meant(w, r) && !is_busy) {
            gone[count++] = r;
        }
    }
    TRY(report_removed(w, &m, gone, count));
    for (size_t i = 0; i < count; i++) {
        TRY(queue_remove(a->queue, id, gone[i]->id));
    }
    w->messages += count > 0;
    w->recipients += count;
    return ERR_OK;
}

/* ---- walking ---- */

typedef enum err (*each_fn)(struct work *w, uint64_t id);

static enum err walk_ids(struct work *w, each_fn each)
{
    struct str ids = fields_get(&w->f, STR("ids"));
    for (unsigned i = 0; ids.n > 0 && i < ADMIN_IDS_MOST; i++) {
        uint64_t id = 0;
        if (!str_to_u64(str_split(&ids, ' '), INT64_MAX, &id)) {
            return ERR_SYNTAX;
        }
        TRY(each(w, id));
        arena_clear(w->arena);
    }
    return ids.n > 0 ? ERR_LIMIT : ERR_OK;
}

static enum err walk(struct work *w, each_fn each, uint64_t *next)
{
    if (fields_has(&w->f, STR("ids"))) {
        return walk_ids(w, each);
    }
    uint64_t ids[ADMIN_LOOK_MOST];
    unsigned count = 0;
    uint64_t after = fields_get_u64(&w->f, STR("after"), 0);
    TRY(queue_find_messages(w->admin->queue, after, ADMIN_LOOK_MOST, ids, &count));
    unsigned i = 0;
    for (; i < count && w->out->len < PAGE_OCTETS; i++) {
        TRY(each(w, ids[i]));
        arena_clear(w->arena);
    }
    bool is_over = i == count && count < ADMIN_LOOK_MOST;
    *next = is_over || i == 0 ? 0 : ids[i - 1];
    return ERR_OK;
}

/* ---- status ---- */

static void show_waiting(void *owner, const struct queue_destination *d)
{
    struct work *w = owner;
    fields_add(w->out, STR("type"), STR("destination"));
    fields_add(w->out, STR("key"), d->key);
    add_number(w, "failures", d->failures);
    add_number(w, "wait", d->wait_ms);
    add_word(w, "why", d->reply);
    end_block(w);
}

static enum err write_status(struct work *w)
{
    const struct admin *a = w->admin;
    struct queue_counts c = queue_get_counts(a->queue);
    uint64_t oldest = UINT64_MAX;
    TRY(queue_get_oldest_ms(a->queue, &oldest));
    fields_add(w->out, STR("type"), STR("status"));
    add_number(w, "messages", c.messages);
    add_number(w, "octets", c.octets);
    add_number(w, "recipients", c.recipients);
    add_number(w, "held", c.held);
    add_number(w, "deferred", c.deferred);
    if (oldest != UINT64_MAX) {
        add_number(w, "oldest", oldest);
    }
    if (a->write_status != NULL) {
        a->write_status(a->owner, w->out);
    }
    end_block(w);
    return queue_find_waiting(a->queue, WAITING_MOST, show_waiting, w);
}

/* ---- requests ---- */

static enum err run(struct work *w, uint64_t *next)
{
    static const struct {
        const char *op;
        each_fn each;
    } OPS[] = {
        {"list", list_message},       {"show", show_all},         {"hold", hold_message},
        {"release", release_message}, {"remove", remove_message}, {"flush", flush_message},
    };
    struct str op = fields_get(&w->f, STR("op"));
    w->sender = fields_get(&w->f, STR("sender"));
    w->recipient = fields_get(&w->f, STR("recipient"));
    w->domain = fields_get(&w->f, STR("domain"));
    w->is_held = fields_get_u64(&w->f, STR("held"), 0) == 1;
    for (size_t i = 0; i < sizeof(OPS) / sizeof(OPS[0]); i++) {
        if (str_eq(op, str_from_c(OPS[i].op))) {
            return walk(w, OPS[i].each, next);
        }
    }
    return str_eq(op, STR("status")) ? write_status(w) : ERR_SYNTAX;
}

static void write_end(struct work *w, enum err e, uint64_t next)
{
    fields_add(w->out, STR("type"), STR("end"));
    fields_add(w->out, STR("result"), e == ERR_OK ? STR("ok") : STR("no"));
    if (e != ERR_OK) {
        fields_add(w->out, STR("code"), str_from_c(err_get_info(e)->name));
    }
    if (next > 0) {
        add_number(w, "next", next);
    }
    add_number(w, "messages", w->messages);
    add_number(w, "recipients", w->recipients);
    add_number(w, "busy", w->busy);
    end_block(w);
}

void admin_answer(const struct admin *a, struct str request, struct buf *out)
{
    struct work w = {.admin = a, .out = out};
    uint64_t next = 0;
    enum err e = fields_parse(request, &w.f);
    if (e == ERR_OK) {
        w.arena = arena_new(MEMORY_MOST);
        e = run(&w, &next);
        arena_free(&w.arena);
        fields_release(&w.f);
    }
    write_end(&w, e, next);
}
