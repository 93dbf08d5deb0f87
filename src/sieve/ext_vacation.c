/* vacation (RFC 5230) and vacation-seconds (RFC 6131): what is to be answered, and how often. Whether an answer is due at all (who wrote,
 * to whom, was it answered before) is known where mail is delivered; nothing of that is decided here. */
#include "sieve/control.h"
#include "sieve/run_priv.h"
#include "sieve/target.h"

enum { DAY_S = 86400, DAYS_DEFAULT = 7, DAYS_MOST = 366 };

static bool has_fcc_options(const struct sieve_node *n)
{
    return (n->tags
            & (SIEVE_TAG_BIT(FLAGS) | SIEVE_TAG_BIT(CREATE) | SIEVE_TAG_BIT(SPECIALUSE)
               | SIEVE_TAG_BIT(MAILBOXID)))
           != 0;
}

/* FCC = ":fcc" string *FCC-OPTS (RFC 8580, 3.2): what says how it is filed goes with it. */
enum err sieve_fcc_check(struct sieve_compiler *c, struct sieve_node *n)
{
    if (has_fcc_options(n) && !sieve_node_has(n, SIEVE_TAG_FCC)) {
        return sieve_compile_fail(c, n->line,
                                  ":flags, :create, :specialuse and :mailboxid go with \":fcc\"");
    }
    return sieve_target_check(c, n);
}

enum err sieve_vacation_check(struct sieve_compiler *c, struct sieve_node *n)
{
    const struct sieve_arg *from = sieve_node_find(n, SIEVE_TAG_FROM);
    struct str address;
    if (from != NULL && from->strings[0].pieces == NULL
        && !sieve_address_read(from->strings[0].text, &address)) {
        return sieve_compile_fail(c, n->line, "\"%.*s\" is no address to write from",
                                  STR_ARG(str_sub(from->strings[0].text, 0, 100)));
    }
    return sieve_fcc_check(c, n);
}

/* "If the parameter given to ":days" is less than the minimum value, then the minimum value is used instead" (4.1), and so with the
 * maximum; of seconds none is too few (RFC 6131, 2). */
static uint64_t get_seconds(const struct sieve_node *n)
{
    const uint64_t most = (uint64_t)DAYS_MOST * DAY_S;
    const struct sieve_arg *seconds = sieve_node_find(n, SIEVE_TAG_SECONDS);
    if (seconds != NULL) {
        return seconds->number < most ? seconds->number : most;
    }
    const struct sieve_arg *arg = sieve_node_find(n, SIEVE_TAG_DAYS);
    uint64_t days = arg != NULL ? arg->number : DAYS_DEFAULT;
    days = days < 1 ? 1 : days > DAYS_MOST ? DAYS_MOST : days;
    return days * DAY_S;
}

/* Line ends and other controls have no place in a header. */
static enum err keep_line(struct sieve_run *r, const struct sieve_arg *arg, struct str *out)
{
    struct str text;
    TRY(sieve_expand_text(r, arg, &text));
    char *p = sieve_run_array(r, char, text.n + 1);
    if (p == NULL) {
        return sieve_run_full(r);
    }
    for (size_t i = 0; i < text.n; i++) {
        bool is_control = (unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f;
        p[i] = is_control ? ' ' : text.p[i];
    }
    *out = str_make(p, text.n);
    return ERR_OK;
}

static void add_key(struct buf *key, const struct sieve_arg *arg)
{
    buf_add_char(key, '\0');
    if (arg != NULL) {
        buf_add(key, arg->strings[0].text);
    }
}

/* ":handle", or "a synthesis of the :subject, :from, :mime, and reason"; these "MUST NOT have undergone variable expansion" (4.2). */
static enum err make_key(struct sieve_run *r, const struct sieve_node *n, struct str *out)
{
    const struct sieve_arg *handle = sieve_node_find(n, SIEVE_TAG_HANDLE);
    struct buf key = BUF_INIT((size_t)r->limits.memory_octets);
    buf_add_c(&key, handle != NULL ? "handle" : "text");
    if (handle != NULL) {
        struct str now;
        enum err e = sieve_expand_one(r, handle, &now);
        if (e != ERR_OK) {
            buf_release(&key);
            return e;
        }
        buf_add_char(&key, '\0');
        buf_add(&key, now);
    } else {
        add_key(&key, sieve_node_find(n, SIEVE_TAG_SUBJECT));
        add_key(&key, sieve_node_find(n, SIEVE_TAG_FROM));
        buf_add_char(&key, sieve_node_has(n, SIEVE_TAG_MIME) ? 'm' : 't');
        add_key(&key, &n->params[0]);
    }
    enum err e = sieve_run_keep(r, buf_str(&key), out);
    buf_release(&key);
    return e;
}

static enum err keep_list(struct sieve_run *r, const struct sieve_arg *arg,
                          struct sieve_strings *out)
{
    struct sieve_strings now;
    TRY(sieve_expand_list(r, arg, &now));
    struct str *list = sieve_run_array(r, struct str, now.count + 1u);
    if (list == NULL) {
        return sieve_run_full(r);
    }
    for (uint32_t i = 0; i < now.count; i++) {
        TRY(sieve_run_keep(r, now.at[i], &list[i]));
    }
    *out = (struct sieve_strings){.at = list, .count = now.count};
    return ERR_OK;
}

static enum err read_from(struct sieve_run *r, const struct sieve_node *n, struct str *out)
{
    const struct sieve_arg *from = sieve_node_find(n, SIEVE_TAG_FROM);
    struct str address;
    TRY(keep_line(r, from, out));
    if (from != NULL && !sieve_address_read(*out, &address)) {
        return sieve_run_fail(r, "\"%.*s\" is no address to write from",
                              STR_ARG(str_sub(*out, 0, 100)));
    }
    return ERR_OK;
}

static enum err read_vacation(struct sieve_run *r, const struct sieve_node *n,
                              struct sieve_vacation *v)
{
    v->is_mime = sieve_node_has(n, SIEVE_TAG_MIME);
    v->seconds = get_seconds(n);
    v->has_subject = sieve_node_find(n, SIEVE_TAG_SUBJECT) != NULL;
    TRY(v->is_mime ? sieve_expand_kept(r, &n->params[0], &v->reason)
                   : sieve_expand_text(r, &n->params[0], &v->reason));
    TRY(keep_line(r, sieve_node_find(n, SIEVE_TAG_SUBJECT), &v->subject));
    TRY(read_from(r, n, &v->from));
    TRY(keep_list(r, sieve_node_find(n, SIEVE_TAG_ADDRESSES), &v->addresses));
    TRY(make_key(r, n, &v->key));
    return sieve_fcc_read(r, n, &v->has_fcc, &v->fcc);
}

enum err sieve_vacation_run(struct sieve_run *r, const struct sieve_node *n)
{
    struct sieve_action *a;
    if (r->env->cause != SIEVE_DELIVERY) {
        return sieve_run_fail(r, "Only mail that is being delivered can be answered");
    }
    /* "A script MUST fail with an appropriate error if it attempts to execute two or more vacation actions" (4.7). */
    if (sieve_action_find(r, SIEVE_VACATION) != NULL) {
        return sieve_run_fail(r, "A script answers a message once only");
    }
    TRY(sieve_action_add(r, SIEVE_VACATION, &a));
    struct sieve_vacation *v = sieve_run_array(r, struct sieve_vacation, 1);
    if (v == NULL) {
        return sieve_run_full(r);
    }
    a->vacation = v;
    sieve_run_trace(r, "vacation");
    return read_vacation(r, n, v);
}
