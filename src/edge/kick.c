/* Ending the sessions of one user: limetta kick, asked for by auth.
 *
 *     auth --request--> op=kick user=<name> service=imap|submission|sieve or nothing
 *          <--reply---- result=ok imap=<number> submission=<number> sieve=<number>: so many were ended
 *
 * A session is here whatever it does: live, parked, waiting for its worker; so this is the one place that knows them all, and its end
 * here is its end: the role that has it hears it, one that only would wake it forgets it. Clients hear BYE, or 421, as when the
 * server stops.
 *
 * A login under way is no session yet, but may become one in a moment. What auth has not answered is auth's to refuse (auth_drop_user());
 * what it has answered came before its request on the same link, so the ticket is here: such a connection ends, too. So none that began
 * before the request is left when it is answered, and those that begin later were judged anew.
 *
 * Whose a connection is, is kept as 64 bits that only this process can make: a name would cost memory for each phone that sleeps. */
#include "edge/connection_priv.h"

#include "base/log.h"
#include "net/fields.h"

enum { ANSWER_MOST = 256 };

static const struct {
    const char *name;
    enum service service;
} SERVICES[] = {{"imap", SERVICE_IMAP}, {"submission", SERVICE_SUBMIT}, {"sieve", SERVICE_SIEVE}};

enum { SERVICE_COUNT = sizeof(SERVICES) / sizeof(SERVICES[0]) };

uint64_t edge_make_user_key(const struct edge *e, struct str user)
{
    uint64_t key = e->home_secret;
    for (size_t i = 0; i < user.n; i++) {
        key = (key ^ (unsigned char)user.p[i]) * UINT64_C(0x100000001b3);
    }
    return key == 0 ? 1 : key;
}

/* It has a ticket for user, and has not used it. */
static bool is_about_to_be(const struct connection *c, struct str user)
{
    struct ticket t;
    return c->stranger != NULL && c->stranger->ticket.len > 0
           && ticket_read(buf_str(&c->stranger->ticket), &t) == ERR_OK && str_eq(t.user, user);
}

/* Ends them; counts: of each of SERVICES. wanted: NULL, all services. */
static void kick(struct edge *e, struct str user, const enum service *wanted,
                 size_t counts[SERVICE_COUNT])
{
    uint64_t key = edge_make_user_key(e, user);
    list_each_safe(node, &e->connections)
    {
        struct connection *c = connection_from_node(node);
        bool is_his = c->is_in ? c->user_key == key : is_about_to_be(c, user);
        if (!is_his || (wanted != NULL && c->service != *wanted)) {
            continue;
        }
        for (size_t i = 0; i < SERVICE_COUNT; i++) {
            counts[i] += SERVICES[i].service == c->service ? 1 : 0;
        }
        connection_say_bye(c, ERR_KICKED);
    }
}

/* False: there is no such service. *out: NULL, all of them. */
static bool find_service(struct str name, const enum service **out)
{
    *out = NULL;
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        if (str_eq(name, str_from_c(SERVICES[i].name))) {
            *out = &SERVICES[i].service;
        }
    }
    return *out != NULL || name.n == 0;
}

void kick_on_request(struct edge *e, struct link *l, uint32_t id, struct str body)
{
    CLEANUP(buf_release) struct buf answer = BUF_INIT(ANSWER_MOST);
    size_t counts[SERVICE_COUNT] = {0};
    const enum service *wanted = NULL;
    struct fields f;
    if (link_get_peer(l) != ROLE_AUTH || fields_parse(body, &f) != ERR_OK) {
        log_error("role %d.%u asks what it may not", (int)link_get_peer(l), link_get_index(l));
        link_reply(l, id, STR("result=no\n"));
        return;
    }
    struct str user = fields_get(&f, STR("user"));
    bool is_known = str_eq(fields_get(&f, STR("op")), STR("kick")) && user.n > 0
                    && find_service(fields_get(&f, STR("service")), &wanted);
    if (is_known) {
        kick(e, user, wanted, counts);
        log_info("the operator ends the sessions of %.*s: %zu IMAP, %zu submission, %zu "
                 "ManageSieve",
                 STR_ARG(user), counts[0], counts[1], counts[2]);
    }
    fields_release(&f);
    fields_add(&answer, STR("result"), is_known ? STR("ok") : STR("no"));
    for (size_t i = 0; i < SERVICE_COUNT; i++) {
        fields_add_u64(&answer, str_from_c(SERVICES[i].name), counts[i]);
    }
    link_reply(l, id, buf_str(&answer));
}
