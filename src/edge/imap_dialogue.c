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
#include "edge/framed.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/mem.h"
#include "wire/heartbeats.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"

#include <stdlib.h>

enum {
    LITERAL_MOST = 2 * 1024,
    MESSAGE_MOST = 16 * 1024,
    TAG_MOST = 256 /* it goes into the open message */
};

struct imap_dialogue {
    struct framed_dialogue framed;
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
    imap_write_response(&d->framed.base.out, buf_str(&d->tag), condition, STR_EMPTY, text);
}

static void reply_err(struct imap_dialogue *d, enum err e)
{
    imap_write_err(&d->framed.base.out, buf_str(&d->tag), e);
    if (err_get_info(e)->is_bad) {
        dialogue_count_fault(&d->framed.base);
    }
}

static void reply_bad_grammar(struct imap_dialogue *d, const struct scan *c)
{
    imap_write_scan_err(&d->framed.base.out, buf_str(&d->tag), c);
    dialogue_count_fault(&d->framed.base);
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
        buf_add_c(&d->framed.base.out, "* CAPABILITY ");
        write_capabilities(&d->framed.base, &d->framed.base.out);
        imap_write_crlf(&d->framed.base.out);
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
        imap_write_response(&d->framed.base.out, STR_EMPTY, STR("BYE"), STR_EMPTY, STR("Good-bye"));
        reply(d, STR("OK"), STR("Logged out"));
        d->framed.base.state = AT_END;
    }
}

static void run_id(struct imap_dialogue *d, struct scan *c)
{
    struct arena *a = arena_new(FRAMED_COMMAND_MOST);
    struct imap_id id;
    scan_sp(c);
    scan_id_params(c, a, &id);
    if (has_ended(d, c)) {
        d->framed.base.heartbeat_s =
            heartbeats_find_client(d->framed.base.args.heartbeat_clients, &id);
        buf_add_c(&d->framed.base.out, "* ID (\"name\" \"Limetta\")\r\n");
        reply(d, STR("OK"), STR("Pleased to meet you"));
    }
    arena_free(&a);
}

static void run_starttls(struct imap_dialogue *d, struct scan *c)
{
    if (!has_ended(d, c)) {
        return;
    }
    if (!dialogue_offers_tls(&d->framed.base)) {
        reply_err(d, d->framed.base.is_tls ? ERR_WRONG_STATE : ERR_UNKNOWN_COMMAND);
        return;
    }
    if (!d->framed.base.args.has_certificate) {
        reply_err(d, ERR_TLS_FAILED);
        return;
    }
    reply(d, STR("OK"), STR("Begin TLS now"));
    imap_framing_drop_rest(d->framed.framing);
    d->framed.base.heartbeat_s = 0; /* it may have been somebody in between who said it */
    d->framed.base.state = AT_TLS;
}

static void run_login(struct imap_dialogue *d, struct scan *c)
{
    struct arena *a = arena_new(FRAMED_COMMAND_MOST);
    scan_sp(c);
    struct str name = scan_astring(c, a);
    scan_sp(c);
    struct str password = scan_astring(c, a);
    if (has_ended(d, c)) {
        struct login_offer offer = dialogue_get_offer(&d->framed.base);
        dialogue_follow(&d->framed.base,
                        login_begin_password(&d->framed.base.login, offer, name, password));
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
        dialogue_follow(&d->framed.base,
                        login_begin(&d->framed.base.login, dialogue_get_offer(&d->framed.base),
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

static void run_command(struct dialogue *base)
{
    struct imap_dialogue *d = of(base);
    struct imap_command command;
    struct str text = imap_framing_get_text(d->framed.framing);
    enum err e = imap_command_parse(text, &command);
    keep_tag(d, command.tag);
    d->framed.base.commands++;
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
    imap_write_response(&d->framed.base.out, command.tag, STR("BAD"), STR_EMPTY,
                        STR("Unknown command, or one that needs a login first"));
    dialogue_count_fault(&d->framed.base);
}

/* A name or a password may come as a literal; anything that is larger than those is refused unread. */
static void on_literal(struct dialogue *base)
{
    struct imap_dialogue *d = of(base);
    const struct imap_literal *literal = imap_framing_get_literal(d->framed.framing);
    bool is_sync = literal->is_sync;
    enum imap_literal_answer wanted =
        literal->is_binary ? IMAP_LITERAL_REFUSE : IMAP_LITERAL_BUFFER;
    enum imap_literal_answer answer = imap_framing_answer(d->framed.framing, wanted, ERR_SYNTAX);
    if (answer != IMAP_LITERAL_REFUSE && is_sync) {
        imap_write_continue(&d->framed.base.out, STR("Ready"));
    }
}

static void on_sasl_line(struct dialogue *base)
{
    struct imap_dialogue *d = of(base);
    struct buf octets = BUF_INIT(MESSAGE_MOST);
    struct scan c = scan_make(imap_framing_get_text(d->framed.framing));
    bool is_cancelled = !scan_sasl_line(&c, &octets);
    d->framed.base.commands++;
    if (!scan_is_ok(&c) || is_cancelled) {
        login_release(&d->framed.base.login);
        if (is_cancelled && scan_is_ok(&c)) {
            reply_err(d, ERR_AUTH_CANCELLED);
        } else {
            reply_bad_grammar(d, &c);
        }
        if (d->framed.base.state != AT_END) {
            d->framed.base.state = AT_CANCEL;
        }
    } else {
        dialogue_follow(&d->framed.base, login_answer(&d->framed.base.login, buf_str(&octets)));
    }
    buf_wipe(&octets);
}

static void on_dropped(struct dialogue *base)
{
    struct imap_dialogue *d = of(base);
    keep_tag(d, imap_find_tag(imap_framing_get_text(d->framed.framing)));
    reply_err(d, imap_framing_get_err(d->framed.framing));
}

static void greet(struct dialogue *base)
{
    struct imap_dialogue *d = of(base);
    struct buf capabilities = BUF_INIT(1024);
    buf_add_c(&capabilities, "CAPABILITY ");
    write_capabilities(&d->framed.base, &capabilities);
    buf_addf(&d->framed.base.out, "* OK [%.*s] %.*s Limetta is ready\r\n",
             STR_ARG(buf_str(&capabilities)), STR_ARG(d->framed.base.args.hostname));
    buf_release(&capabilities);
    d->framed.base.state = AT_COMMAND;
}

static bool imap_run_one(struct dialogue *d)
{
    static const struct framed_ops FRAMES = {
        .greet = greet,
        .on_command = run_command,
        .on_sasl = on_sasl_line,
        .is_sasl_line = true,
        .on_literal = on_literal,
        .on_dropped = on_dropped,
    };
    return framed_run(d, &FRAMES);
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
    framed_release(&of(d)->framed);
    buf_release(&of(d)->tag);
    free(of(d));
}

static const struct dialogue_ops IMAP_OPS = {
    .service = SERVICE_IMAP,
    .free = imap_free,
    .feed = framed_feed,
    .get_backlog = framed_get_backlog,
    .run = imap_run_one,
    .get_rest = framed_get_rest,
    .get_name = imap_get_name,
    .say_challenge = imap_say_challenge,
    .say_failure = imap_say_failure,
};

struct dialogue *dialogue_new_imap(const struct dialogue_args *args)
{
    struct imap_dialogue *d = mem_new(sizeof(*d));
    framed_init(&d->framed, &IMAP_OPS, args, LITERAL_MOST);
    buf_init(&d->tag, FRAMED_LINE_MOST);
    return &d->framed.base;
}
