/* Which sessions of clients a role has.
 *
 *     open     ticket ---------> of this service, for this edge and nonce, not used before (net/ticket.h) --.
 *     resume   sealed state ---> of this service, for this edge and nonce, not too old (kept.h) ------------+-- of an account here?
 *
 * Both speak for a user, and for the one edge that stands at the other end of the link, whatever its message says; so an edge in other
 * hands gets the sessions of those who logged in through it, and no others. */
#include "main/admission.h"

#include "base/log.h"

enum { SECOND_MS = 1000 };

static uint64_t wall_ms(void *owner)
{
    return loop_wall_ms(((struct admission *)owner)->s.loop);
}

static void on_park(void *owner, struct link *l, struct str user, const struct session_save *save,
                    uint32_t id)
{
    struct admission *a = owner;
    if (a->s.on_park != NULL) {
        a->s.on_park(a->s.owner, l, user, save, id);
    }
}

enum err admission_init(struct admission *a, const struct admission_settings *s)
{
    struct kept_settings kept = {
        .seal_key = boot_get(s->boot, STR("seal_key")),
        .life_ms = SECOND_MS * boot_get_u64(s->boot, STR("parked_life_s"), 0),
        .on_park = on_park,
        .wall_ms = wall_ms,
        .owner = a,
    };
    a->s = *s;
    TRY(ticket_checker_new(boot_get(s->boot, STR("ticket_public")), &a->checker));
    ticket_checker_begin(a->checker, loop_wall_ms(s->loop));
    return kept_desk_new(&kept, &a->kept);
}

void admission_release(struct admission *a)
{
    kept_desk_free(&a->kept);
    ticket_checker_free(&a->checker);
}

bool admission_is_ours(const struct admission *a, struct str user)
{
    unsigned workers = (unsigned)boot_get_u64(a->s.boot, STR("workers"), 1);
    return !a->s.is_worker || ticket_get_worker(user, workers) == boot_get_index(a->s.boot);
}

enum err admission_check_ticket(struct admission *a, const struct link *l,
                                const struct fields *head, enum service service, struct ticket *out)
{
    struct str nonce = fields_get(head, STR("nonce"));
    if (nonce.n != TICKET_NONCE_SIZE) {
        peers_log_presumption(a->s.peers, l, "wants a session without a nonce");
        return ERR_TICKET;
    }
    struct ticket_use use = {
        .service = service,
        .edge_id = link_get_name(l),
        .nonce = (const uint8_t *)nonce.p,
        .now_ms = loop_wall_ms(a->s.loop),
    };
    TRY(ticket_check(a->checker, fields_get(head, STR("ticket")), &use, out));
    if (!admission_is_ours(a, out->user)) {
        peers_log_presumption(a->s.peers, l, "shows a ticket for an account of another worker");
        return ERR_TICKET;
    }
    return ERR_OK;
}

enum err admission_open_state(struct admission *a, const struct link *l, const struct fields *head,
                              struct str state, struct kept_state *out)
{
    if (link_get_peer(l) != ROLE_EDGE
        || !str_has_word(a->s.services, fields_get(head, STR("service")))) {
        peers_log_presumption(a->s.peers, l, "shows a state that it may not have");
        return ERR_TICKET;
    }
    TRY(kept_open(a->kept, l, head, state, out));
    if (!admission_is_ours(a, out->user)) {
        peers_log_presumption(a->s.peers, l, "shows a state for an account of another worker");
        kept_state_release(out);
        return ERR_TICKET;
    }
    return ERR_OK;
}

static void go_on(struct admission *a, struct session_runner *r, struct link *l,
                  const struct fields *head, const struct kept_state *k)
{
    enum err e = a->s.resume(a->s.owner, l, head, r, k);
    if (e != ERR_OK) {
        log_info("a session cannot go on: %s", err_get_info(e)->meaning);
        session_runner_abort(r);
    }
}

void admission_resume(struct admission *a, struct session_group *group, struct link *l,
                      struct str head, struct str state, struct stream *s)
{
    struct fields f;
    struct kept_state k;
    if (fields_parse(head, &f) != ERR_OK) {
        peers_log_presumption(a->s.peers, l, "sent a broken resume message");
        stream_free(&s);
        return;
    }
    CLEANUP(log_restore)
    uint32_t before = log_about((uint32_t)fields_get_u64(&f, STR("log"), 0));
    if (admission_open_state(a, l, &f, state, &k) == ERR_OK) {
        go_on(a, session_runner_new(group, s), l, &f, &k);
        kept_state_release(&k);
    } else {
        stream_free(&s);
    }
    fields_release(&f);
}
