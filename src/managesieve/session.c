/* The life of an authenticated ManageSieve session (RFC 5804), without I/O.
 *
 *    READ -> run -> [COMMIT] -> answer -> READ
 *             |
 *             '---> LIST, OUTPUT (what is long leaves in pieces)
 *
 * One command at a time, in the order they came, however many the client sends at once: a command that changed something waits for
 * the commit of its turn, and only then is it answered and the next one read. So OK means that the change is on disk, and a command
 * sees what those before it did.
 *
 * A script is stored only when it compiles: what is run at delivery has been read by the same compiler, with the same limits. One that does
 * not is refused with the line of its first error, and whatever was there under that name stays.
 *
 * Between commands a session can go on in another process (docs/dormancy.md): it is nothing but its user. A step ends with each answer,
 * which is saved before the next command begins, so at most one command is in doubt when a process dies. What can be done twice is done
 * again; DELETESCRIPT and RENAMESCRIPT are answered NO (TRYLATER). Of a long answer that was half said only the rest is.
 *
 * A command is gathered whole, with its script; what is larger than a script may be goes by unread. A session that waits holds no
 * buffers. */
#include "managesieve/session.h"

#include "base/arena.h"
#include "base/mem.h"
#include "sieve/script.h"
#include "store/script.h"
#include "wire/imap_framing.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum {
    STATE_VERSION = 1,
    LINE_MOST = 16 * 1024,
    ARENA_MOST = 64 * 1024,
    TEXT_MOST = 1024,
    WARNINGS_MOST = 8 * 1024
};

enum phase {
    PHASE_GREETING,
    PHASE_READ,
    PHASE_COMMIT,
    PHASE_LIST,
    PHASE_OUTPUT,
    PHASE_MARK,
    PHASE_BYE
};

struct managesieve_session {
    struct session base;
    struct managesieve_session_args args; /* strings that are copied live behind the struct */
    struct imap_framing *framing;
    struct sieve_limits limits;
    struct account *account;
    enum phase phase;
    struct commit_wait commit;
    enum err err;        /* how the commit went */
    bool is_committed;   /* it is over: answer */
    struct buf warnings; /* of the script that is stored; said with it */
    const char *done;    /* what is said when it went well; static */
    struct buf listed;   /* PHASE_LIST: the last name that was told */
    struct buf output;   /* PHASE_OUTPUT: what still has to leave */
    size_t output_at;
    bool is_saved;    /* nothing changed since save() */
    bool is_unsure;   /* the next command may have been carried out by another process */
    uint64_t to_drop; /* octets of output that the client has already */
    struct buf tail;  /* the last of them */
};

static struct managesieve_session *of(struct session *s)
{
    return (struct managesieve_session *)s;
}

/* ---- answers ---- */

/* True when the arguments end here; else the NO is written. */
static bool has_ended(struct scan *c, struct buf *out)
{
    scan_require_end(c);
    if (!scan_is_ok(c)) {
        managesieve_write_scan_err(out, c);
    }
    return scan_is_ok(c);
}

/* A change was made, or refused: OK comes when it is durable. */
static void answer_change(struct managesieve_session *s, enum err e, const char *done,
                          struct buf *out)
{
    if (e != ERR_OK) {
        managesieve_write_err(out, e);
        buf_release(&s->warnings);
        return;
    }
    s->done = done;
    s->is_committed = false;
    s->phase = PHASE_COMMIT;
    account_wait_commit(s->account, &s->commit);
}

static void on_commit(struct commit_wait *w, enum err e)
{
    struct managesieve_session *s = list_entry(w, struct managesieve_session, commit);
    s->err = e;
    s->is_committed = true;
    s->args.session_host.wake(s->args.session_host.owner);
}

/* ---- commands ---- */

struct call {
    struct scan *c;
    struct arena *arena;
    struct buf *out;
};

static void write_capabilities(struct managesieve_session *s, struct buf *out)
{
    struct managesieve_capabilities c = s->args.capabilities;
    c.owner = s->args.user;
    c.is_tls_offered = false;
    managesieve_write_capabilities(out, &c, "Capabilities listed");
}

static void run_capability(struct managesieve_session *s, struct call *x)
{
    if (has_ended(x->c, x->out)) {
        write_capabilities(s, x->out);
    }
}

/* command-noop = "NOOP" [SP string] */
static void run_noop(struct managesieve_session *s, struct call *x)
{
    (void)s;
    bool has_tag = !scan_is_end(x->c);
    struct str tag = has_tag ? managesieve_scan_string(x->c, x->arena) : STR_EMPTY;
    if (has_ended(x->c, x->out)) {
        managesieve_write_noop(x->out, has_tag, tag);
    }
}

static void run_logout(struct managesieve_session *s, struct call *x)
{
    if (has_ended(x->c, x->out)) {
        managesieve_write_ok(x->out, "Good-bye");
        s->phase = PHASE_BYE;
    }
}

static void run_unauthenticate(struct managesieve_session *s, struct call *x)
{
    if (!has_ended(x->c, x->out)) {
        return;
    }
    if (!s->args.capabilities.has_unauthenticate) {
        managesieve_write_err(x->out, ERR_UNKNOWN_COMMAND);
        return;
    }
    managesieve_write_ok(x->out, "Nobody is logged in now");
    s->phase = PHASE_MARK;
}

static void run_havespace(struct managesieve_session *s, struct call *x)
{
    struct str name = managesieve_scan_string(x->c, x->arena);
    uint32_t size = managesieve_scan_number(x->c);
    if (!has_ended(x->c, x->out)) {
        return;
    }
    enum err e = account_script_check(s->account, name, size);
    if (e == ERR_OK) {
        managesieve_write_ok(x->out, "There is room");
    } else {
        managesieve_write_err(x->out, e);
    }
}

static void on_warning(void *owner, uint32_t line, struct str text)
{
    struct buf *out = owner;
    buf_addf(out, "%sline %u: %.*s", out->len > 0 ? "\r\n" : "", line, STR_ARG(text));
}

/* The script is right, and s->warnings has what there is to say all the same; else the NO that says where it is not is written. */
static bool compiles(struct managesieve_session *s, struct str text, struct buf *out)
{
    struct sieve_script *script = NULL;
    struct sieve_error error = {.line = 0};
    buf_init(&s->warnings, WARNINGS_MOST);
    enum err e =
        sieve_compile(text, &(struct sieve_config){.limits = &s->limits, .has_imap_events = true},
                      &script, &error);
    if (e == ERR_OK) {
        sieve_script_warn(script, &s->limits, on_warning, &s->warnings);
        sieve_script_free(&script);
        return true;
    }
    struct buf why = BUF_INIT(TEXT_MOST);
    if (error.line > 0) {
        buf_addf(&why, "line %u: ", error.line);
    }
    buf_add_c(&why, error.text);
    managesieve_write_response(out, STR("NO"), STR_EMPTY, buf_str(&why));
    buf_release(&why);
    return false;
}

/* OK, with the warnings if there are any (RFC 5804, 2.6). */
static void write_done(struct managesieve_session *s, const char *done, struct buf *out)
{
    if (s->warnings.len > 0) {
        managesieve_write_response(out, STR("OK"), STR("WARNINGS"), buf_str(&s->warnings));
    } else {
        managesieve_write_ok(out, done);
    }
    buf_release(&s->warnings);
}

static void run_putscript(struct managesieve_session *s, struct call *x)
{
    struct str name = managesieve_scan_string(x->c, x->arena);
    struct str text = managesieve_scan_string(x->c, x->arena);
    if (!has_ended(x->c, x->out)) {
        return;
    }
    enum err e = account_script_check(s->account, name, text.n);
    if (e != ERR_OK) {
        managesieve_write_err(x->out, e);
    } else if (compiles(s, text, x->out)) {
        answer_change(s, account_script_put(s->account, name, text), "Stored", x->out);
    }
}

static void run_checkscript(struct managesieve_session *s, struct call *x)
{
    struct str text = managesieve_scan_string(x->c, x->arena);
    if (has_ended(x->c, x->out) && compiles(s, text, x->out)) {
        write_done(s, "The script is fine", x->out);
    }
}

static void run_listscripts(struct managesieve_session *s, struct call *x)
{
    if (has_ended(x->c, x->out)) {
        buf_init(&s->listed, SCRIPT_NAME_OCTETS);
        s->phase = PHASE_LIST;
    }
}

static void run_setactive(struct managesieve_session *s, struct call *x)
{
    struct str name = managesieve_scan_string(x->c, x->arena);
    if (has_ended(x->c, x->out)) {
        answer_change(s, account_script_set_active(s->account, name),
                      name.n == 0 ? "No script is active" : "Active", x->out);
    }
}

static void run_getscript(struct managesieve_session *s, struct call *x)
{
    struct str name = managesieve_scan_string(x->c, x->arena);
    if (!has_ended(x->c, x->out)) {
        return;
    }
    struct buf text = BUF_INIT(SIZE_MAX / 2);
    enum err e = account_script_get(s->account, name, &text);
    if (e != ERR_OK) {
        managesieve_write_err(x->out, e);
    } else {
        buf_init(&s->output, SIZE_MAX / 2);
        s->output_at = 0;
        imap_write_literal_head(&s->output, text.len, false);
        buf_add(&s->output, buf_str(&text));
        imap_write_crlf(&s->output);
        managesieve_write_ok(&s->output, "That is the script");
        s->phase = PHASE_OUTPUT;
    }
    buf_release(&text);
}

static void run_deletescript(struct managesieve_session *s, struct call *x)
{
    struct str name = managesieve_scan_string(x->c, x->arena);
    if (has_ended(x->c, x->out)) {
        answer_change(s, account_script_remove(s->account, name), "Deleted", x->out);
    }
}

static void run_renamescript(struct managesieve_session *s, struct call *x)
{
    struct str from = managesieve_scan_string(x->c, x->arena);
    struct str to = managesieve_scan_string(x->c, x->arena);
    if (has_ended(x->c, x->out)) {
        answer_change(s, account_script_rename(s->account, from, to), "Renamed", x->out);
    }
}

/* Only before login. */
static void refuse(struct managesieve_session *s, struct call *x)
{
    (void)s;
    managesieve_write_err(x->out, ERR_WRONG_STATE);
}

static const struct command {
    const char *name;
    void (*run)(struct managesieve_session *s, struct call *x);
} COMMANDS[] = {
    {"AUTHENTICATE", refuse},
    {"CAPABILITY", run_capability},
    {"CHECKSCRIPT", run_checkscript},
    {"DELETESCRIPT", run_deletescript},
    {"GETSCRIPT", run_getscript},
    {"HAVESPACE", run_havespace},
    {"LISTSCRIPTS", run_listscripts},
    {"LOGOUT", run_logout},
    {"NOOP", run_noop},
    {"PUTSCRIPT", run_putscript},
    {"RENAMESCRIPT", run_renamescript},
    {"SETACTIVE", run_setactive},
    {"STARTTLS", refuse},
    {"UNAUTHENTICATE", run_unauthenticate},
};

static const struct command *find_command(struct str name)
{
    for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++) {
        if (str_eq_nocase(name, str_from_c(COMMANDS[i].name))) {
            return &COMMANDS[i];
        }
    }
    return NULL;
}

static void run_command(struct managesieve_session *s, struct buf *out)
{
    struct managesieve_command parsed;
    if (managesieve_command_parse(imap_framing_get_text(s->framing), &parsed) != ERR_OK) {
        managesieve_write_scan_err(out, &parsed.args);
        return;
    }
    const struct command *what = find_command(parsed.name);
    if (what == NULL) {
        managesieve_write_err(out, ERR_UNKNOWN_COMMAND);
        return;
    }
    bool is_unsure = s->is_unsure;
    s->is_unsure = false;
    if (is_unsure && (what->run == run_deletescript || what->run == run_renamescript)) {
        managesieve_write_err(out, ERR_UNAVAILABLE);
        return;
    }
    struct call x = {.c = &parsed.args, .arena = arena_new(ARENA_MOST), .out = out};
    what->run(s, &x);
    arena_free(&x.arena);
}

/* ---- steps ---- */

static void on_literal(struct managesieve_session *s, struct buf *out)
{
    const struct imap_literal *literal = imap_framing_get_literal(s->framing);
    bool is_refused = literal->is_sync || literal->is_binary;
    if (literal->is_sync) {
        managesieve_write_sync_bye(out);
        s->phase = PHASE_BYE;
    }
    (void)imap_framing_answer(s->framing, is_refused ? IMAP_LITERAL_REFUSE : IMAP_LITERAL_BUFFER,
                              ERR_SYNTAX);
}

/* Too large for a command. What is a quota's matter is said so for PUTSCRIPT alone: CHECKSCRIPT knows none (RFC 5804, 2.12). */
static void on_dropped(struct managesieve_session *s, struct buf *out)
{
    enum err e = imap_framing_get_err(s->framing);
    struct str name = managesieve_find_name(imap_framing_get_text(s->framing));
    if (e == ERR_TOO_BIG && !str_eq_nocase(name, STR("PUTSCRIPT"))) {
        managesieve_write_response(out, STR("NO"), STR_EMPTY, str_from_c(err_get_info(e)->text));
        return;
    }
    managesieve_write_err(out, e);
}

static enum session_want step_read(struct managesieve_session *s, struct buf *out)
{
    switch (imap_framing_next(s->framing)) {
    case IMAP_FRAME_COMMAND:
        run_command(s, out);
        return SESSION_OUTPUT;
    case IMAP_FRAME_LITERAL:
        on_literal(s, out);
        return SESSION_OUTPUT;
    case IMAP_FRAME_DROPPED:
        on_dropped(s, out);
        return SESSION_OUTPUT;
    case IMAP_FRAME_FATAL:
        managesieve_write_bye(out, ERR_TOO_BIG);
        s->phase = PHASE_BYE;
        return SESSION_OUTPUT;
    case IMAP_FRAME_MORE:
    case IMAP_FRAME_OCTETS:
    case IMAP_FRAME_STREAMED:
        break;
    }
    imap_framing_shrink(s->framing);
    return SESSION_INPUT;
}

/* RFC 5804, 2.7: sieve-name [SP "ACTIVE"] CRLF for each. */
static void step_list(struct managesieve_session *s, struct buf *out)
{
    struct script_info info = {.name = BUF_INIT(SCRIPT_NAME_OCTETS)};
    bool has_next = true;
    enum err e = ERR_OK;
    while (e == ERR_OK && has_next && out->len < SESSION_OUTPUT_MOST) {
        e = account_script_next(s->account, buf_str(&s->listed), &info, &has_next);
        if (e == ERR_OK && has_next) {
            imap_write_text(out, buf_str(&info.name), true);
            buf_add_c(out, info.is_active ? " ACTIVE\r\n" : "\r\n");
            buf_clear(&s->listed);
            buf_add(&s->listed, buf_str(&info.name));
        }
    }
    buf_release(&info.name);
    if (e == ERR_OK && has_next) {
        return;
    }
    if (e == ERR_OK) {
        managesieve_write_ok(out, "Scripts listed");
    } else {
        managesieve_write_err(out, e);
    }
    buf_release(&s->listed);
    s->phase = PHASE_READ;
}

static void step_output(struct managesieve_session *s, struct buf *out)
{
    struct str part = str_sub(buf_str(&s->output), s->output_at, SESSION_OUTPUT_MOST);
    buf_add(out, part);
    s->output_at += part.n;
    if (s->output_at == s->output.len) {
        buf_release(&s->output);
        s->phase = PHASE_READ;
    }
}

static void step_committed(struct managesieve_session *s, struct buf *out)
{
    if (s->err == ERR_OK) {
        write_done(s, s->done, out);
    } else {
        managesieve_write_err(out, s->err);
        buf_release(&s->warnings);
    }
    s->phase = PHASE_READ;
}

static enum session_want step_phase(struct managesieve_session *s, struct buf *out)
{
    switch (s->phase) {
    case PHASE_GREETING:
        managesieve_write_ok(out, "Logged in");
        s->phase = PHASE_READ;
        return SESSION_OUTPUT;
    case PHASE_READ:
        return step_read(s, out);
    case PHASE_COMMIT:
        if (!s->is_committed) {
            return SESSION_EVENT;
        }
        step_committed(s, out);
        return SESSION_OUTPUT;
    case PHASE_LIST:
        step_list(s, out);
        return SESSION_OUTPUT;
    case PHASE_OUTPUT:
        step_output(s, out);
        return SESSION_OUTPUT;
    case PHASE_MARK:
        return SESSION_MARK;
    case PHASE_BYE:
        break;
    }
    return SESSION_CLOSE;
}

/* Takes off what another process has said. False: that was something else. */
static bool drop_said(struct managesieve_session *s, struct buf *out)
{
    size_t n = out->len < s->to_drop ? out->len : (size_t)s->to_drop;
    if (n == s->to_drop) {
        struct str said = str_sub(buf_str(out), 0, n);
        struct str tail = buf_str(&s->tail);
        size_t both = tail.n < said.n ? tail.n : said.n;
        if (!str_eq(str_skip(said, said.n - both), str_skip(tail, tail.n - both))) {
            return false;
        }
        buf_release(&s->tail);
    }
    s->to_drop -= n;
    buf_consume(out, n);
    return true;
}

static enum session_want step(struct session *base, struct buf *out)
{
    struct managesieve_session *s = of(base);
    enum session_want want = SESSION_OUTPUT;
    bool is_answered = false;
    struct buf said = BUF_INIT(16 * (size_t)SESSION_OUTPUT_MOST);
    while (want == SESSION_OUTPUT && !is_answered && said.len < SESSION_OUTPUT_MOST) {
        want = step_phase(s, &said);
        is_answered = s->phase == PHASE_READ && said.len > 0;
    }
    s->is_saved = s->is_saved && said.len == 0;
    if (s->to_drop > 0 && said.len > 0 && !drop_said(s, &said)) {
        buf_clear(&said);
        want = SESSION_CLOSE;
    }
    buf_add(out, buf_str(&said));
    buf_release(&said);
    return want;
}

static bool save(struct session *base, struct session_save *out)
{
    struct managesieve_session *s = of(base);
    struct imap_lost lost;
    bool is_between = s->phase == PHASE_READ && !imap_framing_is_lost(s->framing, &lost)
                      && imap_framing_get_partial(s->framing).n == 0 && s->to_drop == 0;
    if (!is_between || s->is_saved) {
        return false;
    }
    s->is_saved = true;
    buf_add_char(out->state, STATE_VERSION);
    buf_add(out->state, s->args.capabilities.mechanisms);
    out->may_park = imap_framing_get_backlog(s->framing) == 0;
    out->watch = SESSION_WATCH_NONE;
    return true;
}

static void feed(struct session *base, struct str octets)
{
    of(base)->is_saved = false;
    imap_framing_feed(of(base)->framing, octets);
}

static size_t get_input_backlog(const struct session *base)
{
    return imap_framing_get_backlog(((const struct managesieve_session *)base)->framing);
}

static enum session_mark take_mark(struct session *base, struct buf *rest)
{
    struct managesieve_session *s = of(base);
    buf_add(rest, imap_framing_get_rest(s->framing));
    imap_framing_drop_rest(s->framing);
    s->phase = PHASE_BYE;
    return SESSION_MARK_UNAUTHENTICATE;
}

static void free_session(struct session **base)
{
    struct managesieve_session *s = of(*base);
    *base = NULL;
    if (s == NULL) {
        return;
    }
    commit_wait_cancel(&s->commit);
    imap_framing_free(&s->framing);
    buf_release(&s->listed);
    buf_release(&s->output);
    buf_release(&s->warnings);
    buf_release(&s->tail);
    account_unref(&s->account);
    free(s);
}

static const struct session_ops OPS = {
    .feed = feed,
    .get_input_backlog = get_input_backlog,
    .step = step,
    .take_mark = take_mark,
    .save = save,
    .is_saved_by_step = true,
    .free = free_session,
};

enum err managesieve_session_new(const struct managesieve_session_args *args, struct session **out)
{
    struct account *account = NULL;
    TRY(store_open_account(args->store, args->user, true, &account));
    struct managesieve_session *s =
        mem_new(sizeof(*s) + args->user.n + args->capabilities.mechanisms.n);
    char *at = (char *)(s + 1);
    s->base.ops = &OPS;
    s->args = *args;
    s->args.user = str_put(&at, args->user);
    s->args.capabilities.mechanisms = str_put(&at, args->capabilities.mechanisms);
    s->account = account;
    size_t script_most = args->script_most == 0 ? SCRIPT_MOST_DEFAULT : (size_t)args->script_most;
    sieve_limits_init(&s->limits);
    s->limits.script_octets = (uint32_t)script_most;
    s->framing = imap_framing_new((struct imap_framing_limits){
        .line_most = LINE_MOST,
        .literal_most = script_most,
        .command_most = script_most + LINE_MOST,
        .swallow_most = 4 * script_most + LINE_MOST,
    });
    list_init(&s->commit.node);
    s->commit.on_commit = on_commit;
    *out = &s->base;
    return ERR_OK;
}

enum err managesieve_session_resume(const struct managesieve_session_args *args,
                                    const struct session_resume *r, struct session **out)
{
    struct managesieve_session_args kept = *args;
    if (r->state.n == 0 || r->state.p[0] != STATE_VERSION || r->literal_gone > 0) {
        return ERR_UNSUPPORTED;
    }
    kept.capabilities.mechanisms = str_skip(r->state, 1);
    TRY(managesieve_session_new(&kept, out));
    struct managesieve_session *s = of(*out);
    s->phase = PHASE_READ;
    s->is_unsure = r->heard > 0;
    s->to_drop = r->said;
    s->tail = BUF_INIT(SESSION_SAID_TAIL_MOST);
    buf_add(&s->tail, r->said_tail);
    return ERR_OK;
}
