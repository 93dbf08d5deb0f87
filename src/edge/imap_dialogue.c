/* IMAP before login (RFC 3501, 6.1 and 6.2).
 *
 * CAPABILITY, NOOP, LOGOUT, ID (RFC 2971), STARTTLS, LOGIN and AUTHENTICATE (with SASL-IR, RFC 4959): the commands that
 * need no account. Everything behind the login belongs to the session at the store, so the framer's rest is handed over
 * as it is, and the tagged OK comes from there, with the capabilities of the other state.
 *
 * Capabilities here say what can be done now: AUTH=PLAIN and LOGIN only where they are allowed, else LOGINDISABLED; under
 * "required" nothing but the way to TLS (D45). After STARTTLS what came in plain text is dropped (D46).
 *
 * Limits: a line of 16 KiB (a SASL message is at most 12), literals of 2 KiB (names and passwords), swallowing 64 KiB. */
#include "edge/dialogue_priv.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/mem.h"
#include "wire/imap_framing.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum {
    LINE_MOST = 16 * 1024,
    LITERAL_MOST = 2 * 1024,
    COMMAND_MOST = 24 * 1024,
    SWALLOW_MOST = 64 * 1024,
    MESSAGE_MOST = 16 * 1024,
    ID_PAIRS_MOST = 30,
    TAG_MOST = 256 /* it goes into the open message */
};

struct imap_dialogue {
    struct dialogue base;
    struct imap_framing *framing;
    struct buf tag; /* of the command in hand */
};

static struct imap_dialogue *of(struct dialogue *d)
{
    return (struct imap_dialogue *)d;
}

static void write_capabilities(const struct dialogue *d, struct buf *out)
{
    struct login_offer offer = dialogue_get_offer(d);
    buf_add_c(out, "IMAP4rev1 IMAP4rev2 LITERAL+ SASL-IR ID ENABLE");
    buf_add_c(out, dialogue_offers_tls(d) ? " STARTTLS" : "");
    buf_add_c(out, offer.has_plaintext ? "" : " LOGINDISABLED");
    if (offer.has_plaintext || offer.has_scram) {
        buf_add_char(out, ' ');
        login_write_mechanisms(out, offer, STR("AUTH="));
    }
}

static void reply(struct imap_dialogue *d, struct str condition, struct str text)
{
    imap_write_response(&d->base.out, buf_str(&d->tag), condition, STR_EMPTY, text);
}

static void reply_err(struct imap_dialogue *d, enum err e)
{
    imap_write_err(&d->base.out, buf_str(&d->tag), e);
    if (err_get_info(e)->is_bad) {
        dialogue_count_fault(&d->base);
    }
}

static void reply_bad_grammar(struct imap_dialogue *d, const struct scan *c)
{
    imap_write_scan_err(&d->base.out, buf_str(&d->tag), c);
    dialogue_count_fault(&d->base);
}

/* True when the arguments end here; else the BAD is written. */
static bool has_ended(struct imap_dialogue *d, struct scan *c)
{
    scan_require_end(c);
    if (!scan_is_ok(c)) {
        reply_bad_grammar(d, c);
    }
    return scan_is_ok(c);
}

static void run_capability(struct imap_dialogue *d, struct scan *c)
{
    if (has_ended(d, c)) {
        buf_add_c(&d->base.out, "* CAPABILITY ");
        write_capabilities(&d->base, &d->base.out);
        imap_write_crlf(&d->base.out);
        reply(d, STR("OK"), STR("Capabilities listed"));
    }
}

static void run_noop(struct imap_dialogue *d, struct scan *c)
{
    if (has_ended(d, c)) {
        reply(d, STR("OK"), STR("Nothing done"));
    }
}

static void run_logout(struct imap_dialogue *d, struct scan *c)
{
    if (has_ended(d, c)) {
        imap_write_response(&d->base.out, STR_EMPTY, STR("BYE"), STR_EMPTY, STR("Good-bye"));
        reply(d, STR("OK"), STR("Logged out"));
        d->base.state = AT_END;
    }
}

/* id_params_list = "(" *(string SP nstring) ")" / nil (RFC 2971, 4) */
static void scan_id_params(struct scan *c, struct arena *a)
{
    struct str value = STR_EMPTY;
    if (scan_accept_word(c, STR("NIL"))) {
        return;
    }
    scan_require(c, '(', "a list or NIL");
    for (int i = 0; !scan_accept(c, ')') && scan_is_ok(c); i++) {
        if (i > 0) {
            scan_sp(c);
        }
        (void)scan_string(c, a);
        scan_sp(c);
        (void)scan_nstring(c, a, &value);
        if (i == ID_PAIRS_MOST) {
            scan_fail(c, ERR_SYNTAX, "at most 30 fields");
        }
    }
}

static void run_id(struct imap_dialogue *d, struct scan *c)
{
    struct arena *a = arena_new(COMMAND_MOST);
    scan_sp(c);
    scan_id_params(c, a);
    if (has_ended(d, c)) {
        buf_add_c(&d->base.out, "* ID (\"name\" \"Limetta\")\r\n");
        reply(d, STR("OK"), STR("Pleased to meet you"));
    }
    arena_free(&a);
}

static void run_starttls(struct imap_dialogue *d, struct scan *c)
{
    if (!has_ended(d, c)) {
        return;
    }
    if (!dialogue_offers_tls(&d->base)) {
        reply_err(d, d->base.is_tls ? ERR_WRONG_STATE : ERR_UNKNOWN_COMMAND);
        return;
    }
    if (!d->base.args.has_certificate) {
        reply_err(d, ERR_TLS_FAILED);
        return;
    }
    reply(d, STR("OK"), STR("Begin TLS now"));
    imap_framing_drop_rest(d->framing);
    d->base.state = AT_TLS;
}

static void run_login(struct imap_dialogue *d, struct scan *c)
{
    struct arena *a = arena_new(COMMAND_MOST);
    scan_sp(c);
    struct str name = scan_astring(c, a);
    scan_sp(c);
    struct str password = scan_astring(c, a);
    if (has_ended(d, c)) {
        struct login_offer offer = dialogue_get_offer(&d->base);
        dialogue_follow(&d->base, login_begin_password(&d->base.login, offer, name, password));
    }
    arena_free(&a);
}

/* authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp] */
static void run_authenticate(struct imap_dialogue *d, struct scan *c)
{
    struct buf initial = BUF_INIT(MESSAGE_MOST);
    scan_sp(c);
    struct str mechanism = scan_atom(c);
    bool has_initial = scan_is_ok(c) && scan_peek(c) == ' ';
    if (has_initial) {
        scan_sp(c);
        scan_initial_response(c, &initial);
    }
    if (has_ended(d, c)) {
        dialogue_follow(&d->base, login_begin(&d->base.login, dialogue_get_offer(&d->base),
                                              mechanism, has_initial, buf_str(&initial)));
    }
    buf_wipe(&initial);
}

static const struct command {
    const char *name;
    void (*run)(struct imap_dialogue *d, struct scan *c);
} COMMANDS[] = {
    {"AUTHENTICATE", run_authenticate},
    {"CAPABILITY", run_capability},
    {"ID", run_id},
    {"LOGIN", run_login},
    {"LOGOUT", run_logout},
    {"NOOP", run_noop},
    {"STARTTLS", run_starttls},
};

static const struct command *find_command(const struct imap_command *c)
{
    for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]) && !c->is_uid; i++) {
        if (str_eq_nocase(c->name, str_from_c(COMMANDS[i].name))) {
            return &COMMANDS[i];
        }
    }
    return NULL;
}

static void keep_tag(struct imap_dialogue *d, struct str tag)
{
    buf_clear(&d->tag);
    buf_add(&d->tag, tag);
}

static void run_command(struct imap_dialogue *d)
{
    struct imap_command command;
    struct str text = imap_framing_get_text(d->framing);
    enum err e = imap_command_parse(text, &command);
    keep_tag(d, command.tag);
    d->base.commands++;
    if (e == ERR_OK && command.tag.n > TAG_MOST) {
        scan_fail(&command.args, ERR_SYNTAX, "a shorter tag");
        e = ERR_SYNTAX;
    }
    if (e != ERR_OK) {
        reply_bad_grammar(d, &command.args);
        return;
    }
    const struct command *known = find_command(&command);
    if (known != NULL) {
        known->run(d, &command.args);
        return;
    }
    imap_write_response(&d->base.out, command.tag, STR("BAD"), STR_EMPTY,
                        STR("Unknown command, or one that needs a login first"));
    dialogue_count_fault(&d->base);
}

/* A name or a password may come as a literal; anything that is larger than those is refused unread. */
static void on_literal(struct imap_dialogue *d)
{
    const struct imap_literal *literal = imap_framing_get_literal(d->framing);
    bool is_sync = literal->is_sync;
    enum imap_literal_answer wanted =
        literal->is_binary ? IMAP_LITERAL_REFUSE : IMAP_LITERAL_BUFFER;
    enum imap_literal_answer answer = imap_framing_answer(d->framing, wanted, ERR_SYNTAX);
    if (answer != IMAP_LITERAL_REFUSE && is_sync) {
        imap_write_continue(&d->base.out, STR("Ready"));
    }
}

static void on_sasl_line(struct imap_dialogue *d)
{
    struct buf octets = BUF_INIT(MESSAGE_MOST);
    struct scan c = scan_make(imap_framing_get_text(d->framing));
    bool is_cancelled = !scan_sasl_line(&c, &octets);
    d->base.commands++;
    if (!scan_is_ok(&c) || is_cancelled) {
        login_release(&d->base.login);
        if (is_cancelled && scan_is_ok(&c)) {
            reply_err(d, ERR_AUTH_CANCELLED);
        } else {
            reply_bad_grammar(d, &c);
        }
        if (d->base.state != AT_END) {
            d->base.state = AT_CANCEL;
        }
    } else {
        dialogue_follow(&d->base, login_answer(&d->base.login, buf_str(&octets)));
    }
    buf_wipe(&octets);
}

static void on_dropped(struct imap_dialogue *d)
{
    keep_tag(d, imap_find_tag(imap_framing_get_text(d->framing)));
    reply_err(d, imap_framing_get_err(d->framing));
    if (d->base.state == AT_SASL) {
        login_release(&d->base.login);
        d->base.state = AT_CANCEL;
    }
}

static void greet(struct imap_dialogue *d)
{
    struct buf capabilities = BUF_INIT(1024);
    buf_add_c(&capabilities, "CAPABILITY ");
    write_capabilities(&d->base, &capabilities);
    buf_addf(&d->base.out, "* OK [%.*s] %.*s Limetta is ready\r\n", STR_ARG(buf_str(&capabilities)),
             STR_ARG(d->base.args.hostname));
    buf_release(&capabilities);
    d->base.state = AT_COMMAND;
}

static bool imap_run(struct dialogue *base)
{
    struct imap_dialogue *d = of(base);
    if (base->state == AT_GREETING) {
        greet(d);
        return true;
    }
    bool is_sasl = base->state == AT_SASL;
    enum imap_frame frame =
        is_sasl ? imap_framing_next_line(d->framing) : imap_framing_next(d->framing);
    switch (frame) {
    case IMAP_FRAME_COMMAND:
        if (is_sasl) {
            on_sasl_line(d);
        } else {
            run_command(d);
        }
        return true;
    case IMAP_FRAME_LITERAL:
        on_literal(d);
        return true;
    case IMAP_FRAME_DROPPED:
        on_dropped(d);
        return true;
    case IMAP_FRAME_FATAL:
        dialogue_say_bye(base, ERR_TOO_BIG);
        return true;
    case IMAP_FRAME_MORE:
    case IMAP_FRAME_OCTETS:
    case IMAP_FRAME_STREAMED:
        break;
    }
    return false;
}

static void imap_feed(struct dialogue *d, struct str octets)
{
    imap_framing_feed(of(d)->framing, octets);
}

static size_t imap_get_backlog(const struct dialogue *d)
{
    return imap_framing_get_backlog(((const struct imap_dialogue *)d)->framing);
}

static struct str imap_get_rest(const struct dialogue *d)
{
    return imap_framing_get_rest(((const struct imap_dialogue *)d)->framing);
}

static struct str imap_get_name(const struct dialogue *d)
{
    return buf_str(&((const struct imap_dialogue *)d)->tag);
}

static void imap_say_challenge(struct dialogue *d, struct str challenge)
{
    buf_add_c(&d->out, "+ ");
    base64_write(&d->out, challenge);
    imap_write_crlf(&d->out);
}

static void imap_say_failure(struct dialogue *d, enum err why)
{
    reply_err(of(d), why);
}

static void imap_free(struct dialogue *d)
{
    imap_framing_free(&of(d)->framing);
    buf_release(&of(d)->tag);
    free(of(d));
}

static const struct dialogue_ops IMAP_OPS = {
    .service = SERVICE_IMAP,
    .free = imap_free,
    .feed = imap_feed,
    .get_backlog = imap_get_backlog,
    .run = imap_run,
    .get_rest = imap_get_rest,
    .get_name = imap_get_name,
    .say_challenge = imap_say_challenge,
    .say_failure = imap_say_failure,
};

struct dialogue *dialogue_new_imap(const struct dialogue_args *args)
{
    struct imap_dialogue *d = mem_new(sizeof(*d));
    dialogue_init(&d->base, &IMAP_OPS, args);
    buf_init(&d->tag, LINE_MOST);
    d->framing = imap_framing_new((struct imap_framing_limits){
        .line_most = LINE_MOST,
        .literal_most = LITERAL_MOST,
        .command_most = COMMAND_MOST,
        .swallow_most = SWALLOW_MOST,
    });
    return &d->base;
}
