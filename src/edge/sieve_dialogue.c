/* ManageSieve before login (RFC 5804).
 *
 * CAPABILITY, NOOP, LOGOUT, STARTTLS and AUTHENTICATE: the commands that need no account; all others are NO. What scripts can be made
 * of is told here already, so the edge is given the words of the language; it knows nothing of scripts. The OK of a login comes from
 * the session at the store, which also hears what the client said behind it.
 *
 * The server speaks first: capabilities are the greeting, and come again, unasked, when TLS is there (RFC 5804, 2.2). What came in
 * plain text behind STARTTLS is dropped.
 *
 * Literals of clients are "{n+}". One that asks for our consent, "{n}", is of another protocol: its sender may wait for us or may
 * not, so what follows cannot be told from commands, and the connection ends.
 *
 * Limits as before IMAP's login: a line of 16 KiB, a SASL message of 12 KiB. */
#include "edge/dialogue_priv.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/mem.h"
#include "wire/imap_framing.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"
#include "wire/managesieve.h"

#include <stdlib.h>

enum {
    LINE_MOST = 16 * 1024,
    LITERAL_MOST = 16 * 1024,
    COMMAND_MOST = 24 * 1024,
    SWALLOW_MOST = 64 * 1024,
    MESSAGE_MOST = 16 * 1024,
    MECHANISM_MOST = 64
};

struct sieve_dialogue {
    struct dialogue base;
    struct imap_framing *framing;
    struct buf mechanisms; /* what can be used now */
};

static struct sieve_dialogue *of(struct dialogue *d)
{
    return (struct sieve_dialogue *)d;
}

static void reply_err(struct sieve_dialogue *d, enum err e)
{
    managesieve_write_err(&d->base.out, e);
    if (err_get_info(e)->is_bad) {
        dialogue_count_fault(&d->base);
    }
}

static void reply_bad_grammar(struct sieve_dialogue *d, const struct scan *c)
{
    managesieve_write_scan_err(&d->base.out, c);
    dialogue_count_fault(&d->base);
}

/* True when the arguments end here; else the NO is written. */
static bool has_ended(struct sieve_dialogue *d, struct scan *c)
{
    scan_require_end(c);
    if (!scan_is_ok(c)) {
        reply_bad_grammar(d, c);
    }
    return scan_is_ok(c);
}

static void note_mechanisms(struct sieve_dialogue *d)
{
    buf_clear(&d->mechanisms);
    login_write_mechanisms(&d->mechanisms, dialogue_get_offer(&d->base), STR_EMPTY);
}

static void write_capabilities(struct sieve_dialogue *d, const char *text)
{
    const struct dialogue_args *args = &d->base.args;
    note_mechanisms(d);
    struct managesieve_capabilities c = {
        .extensions = args->sieve.extensions,
        .methods = args->sieve.methods,
        .redirects = args->sieve.redirects,
        .mechanisms = buf_str(&d->mechanisms),
        .is_tls_offered = dialogue_offers_tls(&d->base) && args->has_certificate,
        .has_unauthenticate = args->sieve.has_unauthenticate,
    };
    managesieve_write_capabilities(&d->base.out, &c, text);
}

static void run_capability(struct sieve_dialogue *d, struct scan *c)
{
    if (has_ended(d, c)) {
        write_capabilities(d, "Capabilities listed");
    }
}

/* command-noop = "NOOP" [SP string] */
static void run_noop(struct sieve_dialogue *d, struct scan *c)
{
    struct arena *a = arena_new(COMMAND_MOST);
    bool has_tag = !scan_is_end(c);
    struct str tag = has_tag ? managesieve_scan_string(c, a) : STR_EMPTY;
    if (has_ended(d, c)) {
        managesieve_write_noop(&d->base.out, has_tag, tag);
    }
    arena_free(&a);
}

static void run_logout(struct sieve_dialogue *d, struct scan *c)
{
    if (has_ended(d, c)) {
        managesieve_write_ok(&d->base.out, "Good-bye");
        d->base.state = AT_END;
    }
}

static void run_starttls(struct sieve_dialogue *d, struct scan *c)
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
    managesieve_write_ok(&d->base.out, "Begin TLS now");
    imap_framing_drop_rest(d->framing);
    d->base.state = AT_TLS;
}

/* A SASL message, as a string in base64; false: the NO is written. */
static bool decode(struct sieve_dialogue *d, struct str message, struct buf *octets)
{
    if (base64_parse(message, octets) == ERR_OK) {
        return true;
    }
    managesieve_write_response(&d->base.out, STR("NO"), STR_EMPTY, STR("That is no base64"));
    dialogue_count_fault(&d->base);
    return false;
}

/* command-authenticate = "AUTHENTICATE" SP auth-type [SP string] *(CRLF string) */
static void run_authenticate(struct sieve_dialogue *d, struct scan *c)
{
    struct arena *a = arena_new(COMMAND_MOST);
    struct buf initial = BUF_INIT(MESSAGE_MOST);
    struct str mechanism = managesieve_scan_string(c, a);
    bool has_initial = !scan_is_end(c);
    struct str message = has_initial ? managesieve_scan_string(c, a) : STR_EMPTY;
    note_mechanisms(d);
    if (has_ended(d, c) && decode(d, message, &initial)) {
        dialogue_follow(&d->base, login_begin(&d->base.login, dialogue_get_offer(&d->base),
                                              str_sub(mechanism, 0, MECHANISM_MOST), has_initial,
                                              buf_str(&initial)));
    }
    buf_wipe(&initial);
    arena_free(&a);
}

static const struct command {
    const char *name;
    void (*run)(struct sieve_dialogue *d, struct scan *c);
} COMMANDS[] = {
    {"AUTHENTICATE", run_authenticate},
    {"CAPABILITY", run_capability},
    {"LOGOUT", run_logout},
    {"NOOP", run_noop},
    {"STARTTLS", run_starttls},
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

static void run_command(struct sieve_dialogue *d)
{
    struct managesieve_command command;
    d->base.commands++;
    if (managesieve_command_parse(imap_framing_get_text(d->framing), &command) != ERR_OK) {
        reply_bad_grammar(d, &command.args);
        return;
    }
    const struct command *known = find_command(command.name);
    if (known != NULL) {
        known->run(d, &command.args);
        return;
    }
    managesieve_write_response(&d->base.out, STR("NO"), STR_EMPTY,
                               STR("Unknown command, or one that needs a login first"));
    dialogue_count_fault(&d->base);
}

/* string CRLF: the answer to a challenge, or "*". */
static void on_sasl_string(struct sieve_dialogue *d)
{
    struct arena *a = arena_new(COMMAND_MOST);
    struct buf octets = BUF_INIT(MESSAGE_MOST);
    struct scan c = scan_make(imap_framing_get_text(d->framing));
    struct str message = managesieve_scan_bare_string(&c, a);
    d->base.commands++;
    bool is_whole = has_ended(d, &c);
    bool is_cancelled = is_whole && str_eq(message, STR("*"));
    if (is_cancelled) {
        reply_err(d, ERR_AUTH_CANCELLED);
    }
    if (is_whole && !is_cancelled && decode(d, message, &octets)) {
        dialogue_follow(&d->base, login_answer(&d->base.login, buf_str(&octets)));
    } else {
        login_release(&d->base.login);
        d->base.state = d->base.state == AT_END ? AT_END : AT_CANCEL;
    }
    buf_wipe(&octets);
    arena_free(&a);
}

static void on_literal(struct sieve_dialogue *d)
{
    const struct imap_literal *literal = imap_framing_get_literal(d->framing);
    if (literal->is_sync) {
        managesieve_write_sync_bye(&d->base.out);
        d->base.state = AT_END;
    }
    (void)imap_framing_answer(d->framing,
                              literal->is_binary || literal->is_sync ? IMAP_LITERAL_REFUSE
                                                                     : IMAP_LITERAL_BUFFER,
                              ERR_SYNTAX);
}

static void on_dropped(struct sieve_dialogue *d)
{
    reply_err(d, imap_framing_get_err(d->framing));
    if (d->base.state == AT_SASL) {
        login_release(&d->base.login);
        d->base.state = AT_CANCEL;
    }
}

static void greet(struct sieve_dialogue *d)
{
    struct buf text = BUF_INIT(1024);
    buf_addf(&text, "%.*s Limetta is ready", STR_ARG(d->base.args.hostname));
    write_capabilities(d, d->base.is_tls ? "TLS is active" : text.p);
    buf_release(&text);
    d->base.state = AT_COMMAND;
}

static bool sieve_run_one(struct dialogue *base)
{
    struct sieve_dialogue *d = of(base);
    if (base->state == AT_GREETING) {
        greet(d);
        return true;
    }
    switch (imap_framing_next(d->framing)) {
    case IMAP_FRAME_COMMAND:
        if (base->state == AT_SASL) {
            on_sasl_string(d);
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

static void sieve_feed(struct dialogue *d, struct str octets)
{
    imap_framing_feed(of(d)->framing, octets);
}

static size_t sieve_get_backlog(const struct dialogue *d)
{
    return imap_framing_get_backlog(((const struct sieve_dialogue *)d)->framing);
}

static struct str sieve_get_rest(const struct dialogue *d)
{
    return imap_framing_get_rest(((const struct sieve_dialogue *)d)->framing);
}

/* The session tells its mechanisms again (RFC 5804, 1.7). */
static struct str sieve_get_name(const struct dialogue *d)
{
    return buf_str(&((const struct sieve_dialogue *)d)->mechanisms);
}

static void sieve_say_challenge(struct dialogue *d, struct str challenge)
{
    struct buf text = BUF_INIT(2 * MESSAGE_MOST);
    base64_write(&text, challenge);
    imap_write_text(&d->out, buf_str(&text), true);
    imap_write_crlf(&d->out);
    buf_release(&text);
}

static void sieve_say_failure(struct dialogue *d, enum err why)
{
    reply_err(of(d), why);
}

static void sieve_free(struct dialogue *d)
{
    imap_framing_free(&of(d)->framing);
    buf_release(&of(d)->mechanisms);
    free(of(d));
}

static const struct dialogue_ops SIEVE_OPS = {
    .service = SERVICE_SIEVE,
    .is_greeting_in_tls = true,
    .free = sieve_free,
    .feed = sieve_feed,
    .get_backlog = sieve_get_backlog,
    .run = sieve_run_one,
    .get_rest = sieve_get_rest,
    .get_name = sieve_get_name,
    .say_challenge = sieve_say_challenge,
    .say_failure = sieve_say_failure,
};

struct dialogue *dialogue_new_sieve(const struct dialogue_args *args)
{
    struct sieve_dialogue *d = mem_new(sizeof(*d));
    dialogue_init(&d->base, &SIEVE_OPS, args);
    buf_init(&d->mechanisms, MESSAGE_MOST);
    d->framing = imap_framing_new((struct imap_framing_limits){
        .line_most = LINE_MOST,
        .literal_most = LITERAL_MOST,
        .command_most = COMMAND_MOST,
        .swallow_most = SWALLOW_MOST,
    });
    return &d->base;
}
