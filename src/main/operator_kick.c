/* limetta kick at the running server: the supervisor's part, between the operator's desk and auth (main/kick_round.h).
 *
 *     op=kick user=<name> service=<imap, submission, sieve, or nothing>
 *     type=end result=ok imap= submission= sieve= missed=<edges that did not answer, with spaces between>
 *
 * Auth reports which edges it reached; which there should be is known here: the processes of this host, and one on each other host that
 * has the role. What is missing is told, for sessions there go on. An edge of ours that does not run has none.
 *
 * Wishes are numbered by their places in a table of as many as there may be visits; one whose visit is gone keeps its place until auth
 * has answered, or died. */
#include "main/supervisor_priv.h"

#include "net/fields.h"
#include "net/ticket.h"

enum { ANSWER_MOST = 8 * 1024 };

static struct process *find_auth(const struct supervisor *s)
{
    for (size_t i = 0; i < s->processes.count; i++) {
        if (s->processes.at[i]->role == ROLE_AUTH) {
            return s->processes.at[i];
        }
    }
    return NULL;
}

static void answer_no(struct desk_visit *v, struct str why)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(ANSWER_MOST);
    fields_add(&out, STR("type"), STR("end"));
    fields_add(&out, STR("result"), STR("no"));
    fields_add(&out, STR("why"), why);
    buf_add_char(&out, '\n');
    desk_answer(v, buf_str(&out));
}

/* Auth runs on another host, which alone knows all edges. */
static void answer_elsewhere(const struct supervisor *s, struct desk_visit *v)
{
    CLEANUP(buf_release) struct buf why = BUF_INIT(ANSWER_MOST);
    const struct hosts *h = s->options->hosts;
    struct str name = STR_EMPTY;
    for (size_t i = 1; i < h->count; i++) {
        name = hosts_has(&h->at[i], ROLE_AUTH) ? h->at[i].name : name;
    }
    buf_addf(&why, "auth runs on the host %.*s: say it there", STR_ARG(name));
    answer_no(v, buf_str(&why));
}

static struct kick *find_free(struct supervisor *s)
{
    for (size_t i = 0; i < DESK_VISITS_MOST; i++) {
        if (!s->kicks[i].is_busy) {
            return &s->kicks[i];
        }
    }
    return NULL;
}

void operator_kick(struct supervisor *s, struct desk_visit *v, const struct fields *f)
{
    struct process *auth = find_auth(s);
    struct kick *k = find_free(s);
    struct str user = fields_get(f, STR("user"));
    struct str service = fields_get(f, STR("service"));
    if (auth == NULL) {
        answer_elsewhere(s, v);
        return;
    }
    if (user.n == 0 || user.n > TICKET_USER_MOST || service.n > CONTROL_KEY_MOST || k == NULL) {
        answer_no(v, k == NULL ? STR("too many of these at once") : STR("whose sessions?"));
        return;
    }
    struct control_message m = {
        .type = CONTROL_KICK,
        .index = (unsigned)(k - s->kicks),
        .key = service.n > 0 ? service : STR("all"),
        .value = user,
        .fd = -1,
    };
    if (!auth->is_ready || auth->is_leaving || control_send(auth->control, &m) != ERR_OK) {
        answer_no(v, STR("auth does not run now; try again"));
        return;
    }
    *k = (struct kick){.visit = v, .is_busy = true};
}

/* words: "host.number"; number -1: any. */
static bool is_reached(struct str words, struct str host, int number)
{
    while (words.n > 0) {
        uint64_t there = 0;
        struct str word = str_split(&words, ' ');
        size_t dot = str_find_last_char(word, '.');
        bool is_number = str_to_u64(str_skip(word, dot + 1), CONTROL_INDEX_MOST, &there);
        if (is_number && str_eq(str_sub(word, 0, dot), host)
            && (number < 0 || (uint64_t)number == there)) {
            return true;
        }
    }
    return false;
}

static void write_missed(const struct supervisor *s, struct str reached, struct buf *out)
{
    const struct hosts *h = s->options->hosts;
    struct str own = str_from_c(s->options->state->name);
    for (size_t i = 0; i < s->processes.count; i++) {
        const struct process *p = s->processes.at[i];
        if (p->role == ROLE_EDGE && p->pid > 0 && !is_reached(reached, own, (int)p->index)) {
            buf_addf(out, "%sedge.%u", out->len > 0 ? " " : "", p->index);
        }
    }
    for (size_t i = 1; i < h->count; i++) {
        if (hosts_has(&h->at[i], ROLE_EDGE) && !is_reached(reached, h->at[i].name, -1)) {
            buf_addf(out, "%s%.*s", out->len > 0 ? " " : "", STR_ARG(h->at[i].name));
        }
    }
}

static void answer_kicked(const struct supervisor *s, struct desk_visit *v, const struct fields *f)
{
    static const char *const SERVICES[] = {"imap", "submission", "sieve"};
    CLEANUP(buf_release) struct buf out = BUF_INIT(ANSWER_MOST);
    CLEANUP(buf_release) struct buf missed = BUF_INIT(ANSWER_MOST);
    write_missed(s, fields_get(f, STR("reached")), &missed);
    fields_add(&out, STR("type"), STR("end"));
    fields_add(&out, STR("result"), STR("ok"));
    for (size_t i = 0; i < sizeof(SERVICES) / sizeof(SERVICES[0]); i++) {
        struct str service = str_from_c(SERVICES[i]);
        fields_add_u64(&out, service, fields_get_u64(f, service, 0));
    }
    fields_add(&out, STR("missed"), buf_str(&missed));
    buf_add_char(&out, '\n');
    desk_answer(v, buf_str(&out));
}

bool operator_take_kicked(struct process *p, const struct control_message *m)
{
    struct supervisor *s = p->supervisor;
    struct fields f;
    if (p->role != ROLE_AUTH || m->index >= DESK_VISITS_MOST || !s->kicks[m->index].is_busy
        || fields_parse(m->value, &f) != ERR_OK) {
        return false;
    }
    struct desk_visit *v = s->kicks[m->index].visit;
    s->kicks[m->index] = (struct kick){.is_busy = false};
    if (v != NULL) {
        answer_kicked(s, v, &f);
    }
    fields_release(&f);
    return true;
}

void operator_drop_kicks(struct process *p)
{
    struct supervisor *s = p->supervisor;
    for (size_t i = 0; p->role == ROLE_AUTH && i < DESK_VISITS_MOST; i++) {
        struct desk_visit *v = s->kicks[i].visit;
        s->kicks[i] = (struct kick){.is_busy = false};
        if (v != NULL) {
            answer_no(v, STR("auth ended in the middle of it; try again"));
        }
    }
}

void operator_forget_visit(struct supervisor *s, const struct desk_visit *v)
{
    for (size_t i = 0; i < DESK_VISITS_MOST; i++) {
        s->kicks[i].visit = s->kicks[i].visit == v ? NULL : s->kicks[i].visit;
    }
}
