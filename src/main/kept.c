/* Sessions whose state an edge keeps.
 *
 * The edge stands in the DMZ and is not trusted with mail, so a state is worth nothing to it but for handing it back: it is sealed
 * (seal.c) with a label of three parts, and opens for these only:
 *
 *     service    imap, sieve, submit
 *     edge       its name, as the link says and not as it pretends
 *     session    the nonce that its client's ticket was made for, unique to one connection
 *
 * So one edge's states are of no use to another one, nor one session's state to another session, nor a submission's to the message
 * store. Inside stands, before what the core saved:
 *
 *     octets   field
 *     1        1: the format
 *     1        what wakes it (enum session_watch)
 *     8        the mailbox that does, little-endian
 *     8        when it was sealed, Unix time in ms
 *     1 + n    user: length, octets
 *
 * A session is asked for its state after each command, and most commands leave it as it was. So the last one is remembered, and what
 * says the same is not sealed again, unless that one begins to be old.
 *
 * An edge can hand back an older state of a session, or hand it back twice: it gets a session of the same user, which learns anew what
 * the client knows already. It can do so until the state is too old, also when the client is gone; what is taken over keeps the sessions
 * that it has, for a while, and wins no others. A session is there once: when it comes back while it is here already, the one that is here
 * ends. So many copies of one state cost no more than one, and of refusals one line a second is logged. */
#include "main/kept.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/scan.h"
#include "main/seal.h"
#include "net/keep.h"

#include <stdlib.h>

enum { FORMAT = 1, KEY_MOST = 512, LIFE_PART = 32 };

static const uint64_t FUTURE_MS = 5 * 60 * 1000; /* a clock that was set back a little */

struct kept_desk {
    struct seal *seal;
    struct kept_settings settings;
    struct map *here; /* of struct kept: the sessions that are in this process, by make_key() */
    struct log_pace pace;
    struct buf plain; /* room to work in */
};

/* Of one session. */
struct kept {
    struct kept_desk *desk;
    struct session_runner *runner;
    struct link *link; /* may be gone before us; then nothing is parked any more */
    struct buf last;   /* the state that was sealed last, with */
    enum session_watch watch;
    uint64_t mailbox_id;
    uint64_t sealed_ms; /* Unix time */
    struct str service; /* these borrow from octets */
    struct str edge;
    struct str nonce;
    struct str user;
    char octets[];
};

enum err kept_desk_new(const struct kept_settings *s, struct kept_desk **out)
{
    struct seal *seal = NULL;
    TRY(seal_new(s->seal_key, &seal));
    *out = mem_new(sizeof(**out));
    (*out)->seal = seal;
    (*out)->settings = *s;
    (*out)->here = map_new();
    (*out)->plain = BUF_INIT(LINK_STATE_MOST - SEAL_OVERHEAD);
    return ERR_OK;
}

void kept_desk_free(struct kept_desk **d)
{
    if (*d != NULL) {
        seal_free(&(*d)->seal);
        map_free(&(*d)->here);
        buf_release(&(*d)->plain);
        free(*d);
        *d = NULL;
    }
}

/* Who is woken from elsewhere, too, is doubtful after a restart. */
static enum session_watch get_watch(const struct session_save *save)
{
    return save->far != NULL ? SESSION_WATCH_ACCOUNT : save->watch;
}

/* What was sealed last says the same, and will do for a while. */
static bool is_known(const struct kept *k, const struct session_save *save, uint64_t now_ms)
{
    uint64_t fresh_ms = k->desk->settings.life_ms / LIFE_PART;
    bool is_fresh = now_ms >= k->sealed_ms && now_ms - k->sealed_ms < fresh_ms;
    return is_fresh && k->watch == get_watch(save) && k->mailbox_id == save->mailbox_id
           && str_eq(buf_str(&k->last), buf_str(save->state));
}

static void remember(struct kept *k, const struct session_save *save, struct str state,
                     uint64_t sealed_ms)
{
    buf_clear(&k->last);
    buf_add(&k->last, state);
    k->watch = get_watch(save);
    k->mailbox_id = save->mailbox_id;
    k->sealed_ms = sealed_ms;
}

static bool seal_state(void *owner, const struct session_save *save, struct buf *out)
{
    struct kept *k = owner;
    struct kept_desk *d = k->desk;
    struct buf *plain = &d->plain;
    uint64_t now_ms = d->settings.wall_ms(d->settings.owner);
    if (is_known(k, save, now_ms)) {
        return true;
    }
    buf_clear(plain);
    buf_add_char(plain, FORMAT);
    buf_add_char(plain, (char)get_watch(save));
    buf_add_le64(plain, save->mailbox_id);
    buf_add_le64(plain, now_ms);
    buf_add_char(plain, (char)(unsigned char)k->user.n);
    buf_add(plain, k->user);
    buf_add(plain, buf_str(save->state));
    struct seal_label label = {k->service, k->edge, k->nonce};
    bool is_sealed = !plain->is_full && seal_close(d->seal, &label, buf_str(plain), out) == ERR_OK;
    if (is_sealed) {
        remember(k, save, buf_str(save->state), now_ms);
    }
    return is_sealed;
}

static void on_park(void *owner, const struct session_save *save, uint32_t id)
{
    struct kept *k = owner;
    const struct kept_settings *s = &k->desk->settings;
    if (s->on_park != NULL) {
        s->on_park(s->owner, k->link, k->user, save, id);
    }
}

/* Service, edge and nonce. The first two have no zero in them, the last a fixed length. */
static struct str make_key(const struct kept *k, struct buf *out)
{
    buf_add(out, k->service);
    buf_add_char(out, '\0');
    buf_add(out, k->edge);
    buf_add_char(out, '\0');
    buf_add(out, k->nonce);
    return buf_str(out);
}

static void free_kept(void *owner)
{
    struct kept *k = owner;
    CLEANUP(buf_release) struct buf room = BUF_INIT(KEY_MOST);
    struct str key = make_key(k, &room);
    if (map_find(k->desk->here, key) == k) {
        (void)map_remove(k->desk->here, key);
    }
    buf_release(&k->last);
    free(k);
}

/* It is here now, and nowhere else. */
static void come_in(struct kept *k)
{
    CLEANUP(buf_release) struct buf room = BUF_INIT(KEY_MOST);
    struct kept *old = map_put(k->desk->here, make_key(k, &room), k);
    if (old != NULL) {
        session_runner_abort(old->runner);
    }
}

void kept_attach(struct kept_desk *d, struct session_runner *r, struct link *l, struct str user,
                 const struct fields *head, const struct kept_state *from)
{
    static const struct session_keeper KEEPER = {seal_state, on_park, free_kept};
    struct str service = fields_get(head, STR("service"));
    struct str nonce = fields_get(head, STR("nonce"));
    if (nonce.n != TICKET_NONCE_SIZE || user.n > TICKET_USER_MOST) {
        return;
    }
    struct str edge = link_get_name(l);
    struct kept *k = mem_new(sizeof(*k) + service.n + edge.n + nonce.n + user.n);
    char *at = k->octets;
    k->desk = d;
    k->runner = r;
    k->link = l;
    k->service = str_put(&at, service);
    k->edge = str_put(&at, edge);
    k->nonce = str_put(&at, nonce);
    k->user = str_put(&at, user);
    k->last = BUF_INIT(SESSION_STATE_MOST);
    if (from != NULL) {
        remember(k, &from->watch, from->resume.state, from->sealed_ms);
    }
    session_runner_keep(r, &KEEPER, k);
    come_in(k);
}

/* ---- what comes back ---- */

static enum err read_state(const struct kept_desk *d, struct kept_state *out)
{
    const struct kept_settings *s = &d->settings;
    struct scan c = scan_make(buf_str(&out->octets));
    struct str bits = scan_take(&c, 2, "format and watch");
    out->watch.mailbox_id = scan_le64(&c);
    out->sealed_ms = scan_le64(&c);
    struct str n = scan_take(&c, 1, "length of the user");
    if (!scan_is_ok(&c) || bits.p[0] != FORMAT || (uint8_t)bits.p[1] > SESSION_WATCH_ACCOUNT) {
        return ERR_UNSUPPORTED; /* authentic: of another version */
    }
    out->watch.watch = (enum session_watch)bits.p[1];
    out->user = scan_take(&c, (uint8_t)n.p[0], "user");
    out->resume.state = scan_rest(&c);
    uint64_t now_ms = s->wall_ms(s->owner);
    bool is_old = out->sealed_ms > now_ms + FUTURE_MS
                  || (now_ms > out->sealed_ms && now_ms - out->sealed_ms > s->life_ms);
    return !scan_is_ok(&c) ? ERR_UNSUPPORTED : is_old ? ERR_TICKET : ERR_OK;
}

enum err kept_open(struct kept_desk *d, const struct link *l, const struct fields *head,
                   struct str sealed, struct kept_state *out)
{
    struct seal_label label = {
        .service = fields_get(head, STR("service")),
        .edge = link_get_name(l),
        .session = fields_get(head, STR("nonce")),
    };
    *out = (struct kept_state){.octets = BUF_INIT(LINK_STATE_MOST)};
    const char *why = "it was not sealed here for this session";
    enum err e = label.session.n != TICKET_NONCE_SIZE
                     ? ERR_TICKET
                     : seal_open(d->seal, &label, sealed, &out->octets);
    if (e == ERR_OK) {
        e = read_state(d, out);
        why = e == ERR_TICKET ? "it is too old" : "it is of another version of this program";
    }
    if (e == ERR_OK) {
        e = keep_read_fields(head, &out->resume);
        why = "what came with it makes no sense";
    }
    if (e != ERR_OK) {
        const char *others = log_pace(&d->pace, d->settings.wall_ms(d->settings.owner));
        if (others != NULL) {
            log_warn("a state from %.*s is refused: %s%s", STR_ARG(label.edge), why, others);
        }
        kept_state_release(out);
        return ERR_TICKET;
    }
    return ERR_OK;
}

void kept_state_release(struct kept_state *s)
{
    buf_release(&s->octets);
    *s = (struct kept_state){.octets = BUF_INIT(0)};
}
