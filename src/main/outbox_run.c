/* From the outboxes to the queue. An account with something in its outbox is here once, as an *outgoing*, in one of three states:
 *
 *     WAITING --timer--> READY --a place is free--> ACTIVE --answer, noted and committed--> READY
 *        ^                                            |  '--nothing left--> gone, the account is let go of
 *        '-------- later, or the server is away ------'
 *
 * An active one has one item on its way: a session that takes the item's octets and answers one line, or a request. At most
 * ACTIVE_MOST accounts are active, so opening accounts after a restart, or a flood of redirected mail, stays bounded. A worker that dies
 * anywhere in between sends the item again, and the receiving end knows its token.
 *
 * An item that is refused, or could not be handed over for days, is given up: logged, and a message that a redirect kept from its mailbox
 * comes to INBOX after all, for a script must not lose mail. */
#include "main/outbox_run.h"

#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "net/fields.h"
#include "net/link.h"
#include "store/outbox.h"

#include <stdlib.h>

enum {
    ACTIVE_MOST = 8,
    PIECE = 32 * 1024,
    ANSWER_MOST = 256,
    ITEM_MOST = OUTBOX_TEXT_MOST + OUTBOX_HEAD_MOST + OUTBOX_TOKEN_SIZE,
    AWAY_MS = 5000, /* the server is not there, or the disk is full */
    FIRST_MS = 5000,
    LONGEST_MS = 30 * 60 * 1000,
    PATIENCE_MS = 10 * 60 * 1000
};

enum outgoing_state { WAITING, READY, ACTIVE };

struct outgoing {
    struct list node; /* in ready */
    struct outbox_run *run;
    struct buf user;
    enum outgoing_state state;
    bool is_added_again; /* while it was active */
    struct timer *timer; /* WAITING: when to go on; ACTIVE: when to lose patience */
    /* ACTIVE: */
    struct account *account;
    struct outbox_item item;
    struct buf octets; /* of item */
    struct stream *stream;
    struct body_reader *reader;
    uint64_t sent;
    uint64_t size;
    struct buf answer;
    bool is_asked; /* a request is under way */
    struct commit_wait wait;
};

struct outbox_run {
    struct loop *loop;
    struct store *store;
    struct outbox_host host;
    struct map *users; /* to outgoing */
    struct list ready;
    unsigned active;
};

static void start_some(void *owner);

static void wake(struct outbox_run *r)
{
    loop_cancel_deferred(r->loop, r);
    loop_defer(r->loop, start_some, r);
}

/* ---- states ---- */

static void put_down(struct outgoing *o)
{
    if (o->is_asked) {
        o->run->host.cancel(o->run->host.owner, o);
        o->is_asked = false;
    }
    commit_wait_cancel(&o->wait);
    if (o->stream != NULL) {
        stream_free(&o->stream);
    }
    body_reader_free(&o->reader);
    buf_release(&o->octets);
    buf_clear(&o->answer);
    o->sent = 0;
}

static void leave_active(struct outgoing *o)
{
    put_down(o);
    if (o->state == ACTIVE) {
        o->run->active--;
    }
    account_unref(&o->account);
    timer_stop(o->timer);
}

static void make_ready(struct outgoing *o)
{
    leave_active(o);
    o->state = READY;
    list_remove(&o->node);
    list_append(&o->run->ready, &o->node);
    wake(o->run);
}

static void make_wait(struct outgoing *o, uint64_t ms)
{
    if (o->is_added_again) {
        o->is_added_again = false;
        ms = ms < FIRST_MS ? ms : FIRST_MS;
    }
    leave_active(o);
    o->state = WAITING;
    timer_start(o->timer, ms);
    wake(o->run);
}

static void outgoing_free(struct outgoing *o)
{
    leave_active(o);
    list_remove(&o->node);
    (void)map_remove(o->run->users, buf_str(&o->user));
    timer_free(&o->timer);
    buf_release(&o->user);
    buf_release(&o->answer);
    free(o);
}

/* ---- what became of an item ---- */

static void on_noted(struct commit_wait *w, enum err e)
{
    struct outgoing *o = list_entry(w, struct outgoing, wait);
    if (e == ERR_OK) {
        make_ready(o);
    } else {
        make_wait(o, AWAY_MS);
    }
}

/* The change that notes it was made, or not. */
static void wait_noted(struct outgoing *o, enum err e)
{
    put_down(o);
    if (e != ERR_OK) {
        make_wait(o, AWAY_MS);
        return;
    }
    account_wait_commit(o->account, &o->wait);
}

static enum err copy_to_inbox(struct outgoing *o, struct body_writer *w)
{
    TRY(body_writer_add(w, o->item.text));
    uint64_t at = o->item.skip;
    struct str piece = STR_EMPTY;
    do {
        if (o->reader != NULL) {
            TRY(body_reader_get(o->reader, at, PIECE, &piece));
        }
        TRY(body_writer_add(w, piece));
        at += piece.n;
    } while (piece.n > 0);
    TRY(body_writer_finish(w));
    struct mailbox *inbox = NULL;
    struct append_args args = {.internaldate_s = (int64_t)(loop_wall_ms(o->run->loop) / 1000)};
    struct uid uid;
    TRY(account_find_mailbox(o->account, STR("INBOX"), &inbox));
    enum err e = mailbox_append(inbox, w, &args, &uid);
    mailbox_unref(&inbox);
    return e;
}

/* Nobody will take it. */
static enum err give_up(struct outgoing *o, struct str why)
{
    struct fields f;
    bool is_to_keep = fields_parse(o->item.head, &f) == ERR_OK;
    if (is_to_keep) {
        is_to_keep = fields_get_u64(&f, STR("keep"), 0) == 1;
        fields_release(&f);
    }
    log_error("outbox: %.*s: an item is given up: %.*s", STR_ARG(buf_str(&o->user)), STR_ARG(why));
    if (is_to_keep) {
        struct body_writer *w = NULL;
        TRY(body_writer_new(o->account, &w));
        enum err e = copy_to_inbox(o, w);
        body_writer_free(&w);
        TRY(e);
    }
    return account_remove_outgoing(o->account, o->item.id);
}

static enum err delay(struct outgoing *o, uint64_t ms)
{
    return account_delay_outgoing(o->account, o->item.id, loop_wall_ms(o->run->loop) + ms);
}

static uint64_t get_wait_ms(uint32_t attempts)
{
    uint64_t ms = FIRST_MS;
    for (uint32_t i = 0; i < attempts && ms < LONGEST_MS; i++) {
        ms *= 2;
    }
    return ms < LONGEST_MS ? ms : LONGEST_MS;
}

static void end_item(struct outgoing *o, struct str answer)
{
    struct str rest = answer;
    struct str word = str_split(&rest, ' ');
    bool is_over = loop_wall_ms(o->run->loop) >= o->item.expires_ms;
    enum err e = ERR_OK;
    if (str_eq(word, STR("ok"))) {
        e = account_remove_outgoing(o->account, o->item.id);
    } else if (str_eq(word, STR("no")) || is_over) {
        e = give_up(o, answer);
        e = e == ERR_OVER_QUOTA ? delay(o, LONGEST_MS) : e;
    } else {
        e = delay(o, get_wait_ms(o->item.attempts));
    }
    wait_noted(o, e);
}

/* ---- a message, by a session ---- */

static void fail(struct outgoing *o)
{
    /* Not the item's fault: no attempt is counted. */
    if (loop_wall_ms(o->run->loop) >= o->item.expires_ms) {
        end_item(o, STR("later, for too long"));
        return;
    }
    make_wait(o, AWAY_MS);
}

static enum err get_piece(struct outgoing *o, struct str *out)
{
    struct str text = o->item.text;
    if (o->sent < text.n) {
        *out = str_sub(text, (size_t)o->sent, PIECE);
        return ERR_OK;
    }
    return body_reader_get(o->reader, o->item.skip + (o->sent - text.n), PIECE, out);
}

static void send_some(struct outgoing *o)
{
    while (o->sent < o->size && stream_get_queued(o->stream) <= STREAM_HIGH_WATER) {
        struct str piece = STR_EMPTY;
        if (get_piece(o, &piece) != ERR_OK || piece.n == 0) {
            fail(o);
            return;
        }
        stream_write(o->stream, piece);
        o->sent += piece.n;
    }
    timer_start(o->timer, PATIENCE_MS);
}

static void on_octets(void *owner, struct str octets)
{
    struct outgoing *o = owner;
    buf_add(&o->answer, octets);
    struct str answer = buf_str(&o->answer);
    size_t line = str_find_char(answer, '\n');
    if (line < answer.n || o->answer.is_full) {
        char copy[ANSWER_MOST];
        memcpy(copy, answer.p, line);
        end_item(o, str_make(copy, line));
    }
}

static void on_drained(void *owner)
{
    send_some(owner);
}

static void on_end(void *owner, enum err why)
{
    fail(owner);
}

static const struct stream_handler HANDLER = {on_octets, on_drained, on_end};

static enum err open_body(struct outgoing *o)
{
    uint64_t body = 0;
    if (o->item.body_id != 0) {
        TRY(body_reader_new(o->account, o->item.body_id, &o->reader));
        body = body_reader_get_size(o->reader);
        TRY(o->item.skip <= body ? ERR_OK : ERR_CORRUPT);
    }
    o->size = o->item.text.n + body - o->item.skip;
    return ERR_OK;
}

static void start_mail(struct outgoing *o)
{
    enum err e = open_body(o);
    if (e != ERR_OK) {
        log_error("outbox: %.*s: %s", STR_ARG(buf_str(&o->user)), err_get_info(e)->meaning);
        fail(o);
        return;
    }
    CLEANUP(buf_release) struct buf head = BUF_INIT(LINK_OPEN_MOST);
    fields_add(&head, STR("service"), STR("inject"));
    fields_add(&head, STR("token"), o->item.token);
    fields_add_u64(&head, STR("size"), o->size);
    buf_add(&head, o->item.head);
    o->stream = o->run->host.open(o->run->host.owner, buf_str(&head));
    if (o->stream == NULL) {
        fail(o);
        return;
    }
    stream_set_handler(o->stream, &HANDLER, o);
    send_some(o);
}

/* ---- an HTTP request ---- */

static void on_reply(void *owner, enum err e, struct str body)
{
    struct outgoing *o = owner;
    struct fields f;
    o->is_asked = false;
    if (e != ERR_OK || fields_parse(body, &f) != ERR_OK) {
        fail(o);
        return;
    }
    struct str result = fields_get(&f, STR("result"));
    end_item(o, str_eq(result, STR("failed")) ? STR("no") : result);
    fields_release(&f);
}

static void start_post(struct outgoing *o)
{
    CLEANUP(buf_release) struct buf body = BUF_INIT(FIELDS_OCTETS_MOST);
    fields_add(&body, STR("op"), STR("post"));
    buf_add(&body, o->item.head);
    fields_add(&body, STR("body"), o->item.text);
    if (buf_err(&body) != ERR_OK) {
        end_item(o, STR("no too large"));
        return;
    }
    o->is_asked = true;
    timer_start(o->timer, PATIENCE_MS);
    o->run->host.request(o->run->host.owner, buf_str(&body), on_reply, o);
}

/* ---- taking turns ---- */

/* Its account has nothing that is due now. */
static void end_account(struct outgoing *o, bool has_item, uint64_t now_ms)
{
    if (!has_item && !o->is_added_again) {
        outgoing_free(o);
        return;
    }
    make_wait(o, has_item && o->item.due_ms > now_ms ? o->item.due_ms - now_ms : 1);
}

static void start(struct outgoing *o)
{
    uint64_t now_ms = loop_wall_ms(o->run->loop);
    bool has_item = false;
    o->state = ACTIVE;
    o->run->active++;
    o->is_added_again = false;
    buf_init(&o->octets, ITEM_MOST);
    enum err e = store_open_account(o->run->store, buf_str(&o->user), false, &o->account);
    if (e == ERR_NOT_FOUND) {
        outgoing_free(o);
        return;
    }
    e = e == ERR_OK ? account_next_outgoing(o->account, &o->item, &o->octets, &has_item) : e;
    if (e != ERR_OK) {
        make_wait(o, AWAY_MS);
    } else if (!has_item || o->item.due_ms > now_ms) {
        end_account(o, has_item, now_ms);
    } else if (o->item.kind == OUTBOX_POST) {
        start_post(o);
    } else {
        start_mail(o);
    }
}

static void start_some(void *owner)
{
    struct outbox_run *r = owner;
    while (r->active < ACTIVE_MOST && !list_is_empty(&r->ready)) {
        struct outgoing *o = list_entry(r->ready.next, struct outgoing, node);
        list_remove(&o->node);
        start(o);
    }
}

static void on_timer(void *owner)
{
    struct outgoing *o = owner;
    if (o->state == ACTIVE) {
        fail(o);
        return;
    }
    make_ready(o);
}

void outbox_run_add(struct outbox_run *r, struct str user)
{
    struct outgoing *o = map_find(r->users, user);
    if (o != NULL) {
        o->is_added_again = o->state == ACTIVE;
        if (o->state == WAITING) {
            make_ready(o);
        }
        return;
    }
    o = mem_new(sizeof(*o));
    o->run = r;
    o->timer = timer_new(r->loop, on_timer, o);
    o->wait.on_commit = on_noted;
    list_init(&o->wait.node);
    list_init(&o->node);
    buf_init(&o->user, user.n);
    buf_add(&o->user, user);
    buf_init(&o->answer, ANSWER_MOST);
    (void)map_put(r->users, user, o);
    make_ready(o);
}

void outbox_run_hurry(struct outbox_run *r)
{
    size_t at = 0;
    struct str user;
    void *value;
    while (map_next(r->users, &at, &user, &value)) {
        struct outgoing *o = value;
        if (o->state == WAITING) {
            make_ready(o);
        }
    }
}

struct outbox_run *outbox_run_new(struct loop *loop, struct store *store,
                                  const struct outbox_host *host)
{
    struct outbox_run *r = mem_new(sizeof(*r));
    r->loop = loop;
    r->store = store;
    r->host = *host;
    r->users = map_new();
    list_init(&r->ready);
    return r;
}

void outbox_run_free(struct outbox_run **r)
{
    if (*r == NULL) {
        return;
    }
    size_t at = 0;
    struct str user;
    void *o;
    while (map_next((*r)->users, &at, &user, &o)) {
        outgoing_free(o);
    }
    loop_cancel_deferred((*r)->loop, *r);
    map_free(&(*r)->users);
    free(*r);
    *r = NULL;
}
