/* From a message and a recipient to actions: whose scripts, in which order, with what around them.
 *
 *     before (the operator's) --keeps by default--> the user's active one --keeps by default--> after (the operator's)
 *
 * Each says what is to be done; the next is asked only while the implicit keep stands, and only the last one's counts. Without any
 * script the message is kept. A script that cannot be compiled or fails while it runs is as if it said "keep" and nothing else
 * (RFC 5228, 2.10.6), and leaves a note.
 *
 * A run is bounded by the interpreter's own limits, and everything it makes lives in one arena that goes with it. */
#include "filter/filter_priv.h"

#include "base/mem.h"
#include "store/script.h"
#include "wire/smtp_scan.h"

enum {
    RUN_ARENA_MOST = 128 * 1024 * 1024,
    SCRIPTS_A_RUN = 3,
    ADDRESS_MOST = 1024,
    DOMAINS_MOST = 20
};

struct filter *filter_new(const struct filter_config *config)
{
    struct filter *f = mem_new(sizeof(*f));
    f->config = *config;
    f->compiled = map_new();
    list_init(&f->recent);
    sieve_limits_init(&f->limits);
    f->limits.script_octets = SCRIPT_TEXT_MOST;
    f->sieve = (struct sieve_config){.limits = &f->limits, .has_imap_events = true};
    return f;
}

void filter_free(struct filter **f)
{
    if (*f != NULL) {
        scripts_free(*f);
        free(*f);
        *f = NULL;
    }
}

/* ---- whose message it is ---- */

static void add_address(struct run *r, struct str address)
{
    if (address.n > 0 && str_find_char(address, '@') < address.n && !is_own_address(r, address)) {
        vec_push(&r->addresses, address);
    }
}

/* Cuts the detail off the local part (RFC 5233); *detail: what was cut off. */
static struct str cut_detail(struct run *r, struct str address, struct str *detail)
{
    struct str delimiters = r->f->config.delimiters;
    size_t sign = str_find_last_char(address, '@');
    *detail = STR_EMPTY;
    for (size_t i = 1; i < sign; i++) {
        if (str_find_char(delimiters, address.p[i]) < delimiters.n) {
            *detail = str_sub(address, i + 1, sign - i - 1);
            return arena_printf(r->a, "%.*s%.*s", STR_ARG(str_sub(address, 0, i)),
                                STR_ARG(str_skip(address, sign)));
        }
    }
    return address;
}

void find_addresses(struct run *r, struct str *detail)
{
    struct str user = account_get_user(r->account);
    struct str domains = r->f->config.domains;
    r->address = cut_detail(r, r->d->address, detail);
    add_address(r, r->address);
    add_address(r, r->d->address);
    add_address(r, user);
    for (int i = 0; domains.n > 0 && i < DOMAINS_MOST; i++) {
        struct str domain = str_split(&domains, ' ');
        if (str_find_char(user, '@') == user.n && domain.n > 0) {
            add_address(r, arena_printf(r->a, "%.*s@%.*s", STR_ARG(user), STR_ARG(domain)));
        }
    }
    if (r->addresses.count == 0) {
        add_address(r,
                    arena_printf(r->a, "%.*s@%.*s", STR_ARG(user), STR_ARG(r->f->config.hostname)));
    }
}

/* The mailbox for what is kept: the one called like the detail, when that is wanted and it is there. */
static struct str find_inbox(struct run *r, struct str detail)
{
    bool exists = false;
    if (r->f->config.is_detail_filed && detail.n > 0
        && FILTER_HOST.mailbox_exists(r, detail, &exists) != ERR_OK) {
        exists = false;
    }
    return exists ? detail : STR("INBOX");
}

static enum err read_message(struct run *r)
{
    struct str serialised;
    TRY(body_writer_map(r->d->writer, &r->octets, &serialised));
    return shape_parse(r->a, serialised, &r->shape);
}

struct sieve_item *make_items(struct run *r)
{
    struct str domains = r->f->config.domains;
    struct sieve_item *items = arena_array(r->a, struct sieve_item, FILTER_ITEMS);
    if (items != NULL) {
        items[0] = (struct sieve_item){STR("domain"), str_split(&domains, ' ')};
        items[1] = (struct sieve_item){STR("host"), r->f->config.hostname};
    }
    return items;
}

int32_t find_zone_s(const struct run *r)
{
    return r->f->config.find_zone_s != NULL ? r->f->config.find_zone_s(r->now_s) : 0;
}

static enum err set_up(struct run *r)
{
    struct str detail;
    TRY(read_message(r));
    find_addresses(r, &detail);
    struct sieve_item *items = make_items(r);
    TRY(items == NULL ? ERR_LIMIT : ERR_OK);
    r->env = (struct sieve_env){
        .message = r->octets,
        .shape = &r->shape,
        .has_envelope = true,
        .from = r->d->return_path,
        .to = r->d->address,
        .delimiters = r->f->config.delimiters,
        .now_s = r->now_s,
        .zone_s = find_zone_s(r),
        .user = account_get_user(r->account),
        .addresses = {r->addresses.at, (uint32_t)r->addresses.count},
        .inbox = find_inbox(r, detail),
        .items = items,
        .item_count = FILTER_ITEMS,
        .cause = SIEVE_DELIVERY,
        .host = &FILTER_HOST,
        .owner = r,
        .limits = &r->f->limits,
        .config = &r->f->sieve,
    };
    return ERR_OK;
}

/* ---- running ---- */

struct script {
    struct str text;
    struct str what; /* it is, for notes */
};

static enum err keep_message(struct run *r)
{
    struct sieve_action *keep = arena_one(r->a, struct sieve_action);
    TRY(keep == NULL ? ERR_LIMIT : ERR_OK);
    keep->kind = SIEVE_KEEP;
    keep->is_implicit = true;
    vec_push(&r->actions, keep);
    return ERR_OK;
}

/* *goes_on: the next script is to be asked. */
static enum err run_script(struct run *r, const struct script *s, bool is_last, bool *goes_on)
{
    const struct compiled *c = scripts_get(r->f, s->text);
    *goes_on = false;
    if (c->script == NULL) {
        add_note(r, s->what, c->error.line, str_from_c(c->error.text));
        return keep_message(r);
    }
    struct sieve_result result;
    TRY(sieve_run(c->script, &r->env, r->a, &result));
    if (result.is_failed) {
        add_note(r, s->what, result.error.line, str_from_c(result.error.text));
    }
    *goes_on = result.is_implicit_keep && !result.is_failed && !is_last;
    for (uint32_t i = 0; i < result.count; i++) {
        if (!result.actions[i].is_implicit || !*goes_on) {
            vec_push(&r->actions, &result.actions[i]);
        }
    }
    return ERR_OK;
}

static enum err run_scripts(struct run *r)
{
    CLEANUP(buf_release) struct buf text = BUF_INIT(SCRIPT_TEXT_MOST);
    CLEANUP(buf_release) struct buf name = BUF_INIT(SCRIPT_NAME_OCTETS);
    struct script scripts[SCRIPTS_A_RUN];
    size_t count = 0;
    bool has_active = false;
    bool goes_on = true;
    TRY(account_script_find_active(r->account, &name, &text, &has_active));
    if (r->f->config.before.n > 0) {
        scripts[count++] = (struct script){r->f->config.before, STR("the server's first script")};
    }
    if (has_active) {
        struct str what = arena_printf(r->a, "your script \"%.*s\"", STR_ARG(buf_str(&name)));
        scripts[count++] = (struct script){buf_str(&text), what};
    }
    if (r->f->config.after.n > 0) {
        scripts[count++] = (struct script){r->f->config.after, STR("the server's last script")};
    }
    for (size_t i = 0; i < count && goes_on; i++) {
        TRY(run_script(r, &scripts[i], i + 1 == count, &goes_on));
    }
    return count == 0 ? keep_message(r) : ERR_OK;
}

void run_release(struct run *r)
{
    for (size_t i = 0; i < r->writers.count; i++) {
        body_writer_free(&r->writers.at[i]);
    }
    vec_release(&r->addresses);
    vec_release(&r->asked);
    vec_release(&r->actions);
    vec_release(&r->notes);
    vec_release(&r->copies);
    vec_release(&r->letters);
    vec_release(&r->memories);
    vec_release(&r->writers);
    arena_free(&r->a);
}

static enum err deliver(struct run *r, struct filter_outcome *out)
{
    TRY(set_up(r));
    TRY(run_scripts(r));
    TRY(plan_actions(r));
    TRY(apply_plan(r, &out->has_outgoing));
    buf_add(&out->refusal, r->refusal);
    return ERR_OK;
}

static void count_run(const struct run *r, uint64_t counts[FILTER_COUNTS])
{
    uint64_t kept = 0;
    uint64_t filed = 0;
    uint64_t letters = r->letters.count;
    for (size_t i = 0; i < r->copies.count; i++) {
        const struct copy *c = &r->copies.at[i];
        kept += c->is_message && c->is_keep;
        filed += c->is_message && !c->is_keep;
    }
    uint64_t others = r->redirects + r->notifies;
    counts[FILTER_KEPT] += kept;
    counts[FILTER_FILED] += filed;
    counts[FILTER_DISCARDED] += kept + filed + r->redirects == 0 && r->refusal.n == 0;
    counts[FILTER_REFUSED] += r->refusal.n > 0;
    counts[FILTER_REDIRECTED] += r->redirects;
    counts[FILTER_NOTIFIED] += r->notifies;
    counts[FILTER_ANSWERED] += letters > others ? letters - others : 0;
    counts[FILTER_TROUBLED] += r->notes.count > 0;
}

void filter_write_metrics(const struct filter *f, unsigned worker, struct buf *out)
{
    static const char *const NAMES[FILTER_COUNTS] = {
        [FILTER_KEPT] = "kept",
        [FILTER_FILED] = "filed",
        [FILTER_DISCARDED] = "discarded",
        [FILTER_REFUSED] = "refused",
        [FILTER_REDIRECTED] = "redirected",
        [FILTER_NOTIFIED] = "notified",
        [FILTER_ANSWERED] = "answered",
        [FILTER_TROUBLED] = "troubled",
        [FILTER_FAILED] = "failed",
    };
    buf_add_c(out, "# TYPE limetta_filter_outcomes counter\n"
                   "# HELP limetta_filter_outcomes What became of messages that came here.\n");
    for (size_t i = 0; i < FILTER_COUNTS; i++) {
        buf_addf(out, "limetta_filter_outcomes_total{worker=\"%u\",outcome=\"%s\"} %llu\n", worker,
                 NAMES[i], (unsigned long long)f->counts[i]);
    }
}

enum err filter_deliver(struct filter *f, const struct filter_delivery *d,
                        struct filter_outcome *out)
{
    struct run r = {
        .f = f,
        .d = d,
        .a = arena_new(RUN_ARENA_MOST),
        .account = d->account,
        .now_s = (int64_t)(f->config.wall_ms(f->config.owner) / 1000),
    };
    scripts_trim(f);
    enum err e = deliver(&r, out);
    if (e == ERR_OK) {
        count_run(&r, f->counts);
    } else {
        f->counts[FILTER_FAILED]++;
    }
    run_release(&r);
    return e;
}
