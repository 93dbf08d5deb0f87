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
#include "edge/framed.h"

#include "base/arena.h"
#include "base/base64.h"
#include "base/mem.h"
#include "wire/imap_scan.h"
#include "wire/imap_write.h"
#include "wire/managesieve.h"

#include <stdlib.h>

enum { LITERAL_MOST = 16 * 1024, MESSAGE_MOST = 16 * 1024, MECHANISM_MOST = 64 };

struct sieve_dialogue {
    struct framed_dialogue framed;
    struct buf mechanisms; /* what can be used now */
};

static struct sieve_dialogue *of(struct dialogue *d)
{
    return (struct sieve_dialogue *)d;
}

static void reply_err(struct sieve_dialogue *d, enum err e)
{
    managesieve_write_err(&d->framed.base.out, e);
    if (err_get_info(e)->is_bad) {
        dialogue_count_fault(&d->framed.base);
    }
}

static void reply_bad_grammar(struct sieve_dialogue *d, const struct scan *c)
{
    managesieve_write_scan_err(&d->framed.base.out, c);
    dialogue_count_fault(&d->framed.base);
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
    login_write_mechanisms(&d->mechanisms, dialogue_get_offer(&d->framed.base), STR_EMPTY);
}

static void write_capabilities(struct sieve_dialogue *d, const char *text)
{
    const struct dialogue_args *args = &d->framed.base.args;
    note_mechanisms(d);
    struct managesieve_capabilities c = {
        .extensions = args->sieve.extensions,
        .methods = args->sieve.methods,
        .redirects = args->sieve.redirects,
        .mechanisms = buf_str(&d->mechanisms),
        .is_tls_offered = dialogue_offers_tls(&d->framed.base) && args->has_certificate,
        .has_unauthenticate = args->sieve.has_unauthenticate,
    };
    managesieve_write_capabilities(&d->framed.base.out, &c, text);
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
    struct arena *a = arena_new(FRAMED_COMMAND_MOST);
    bool has_tag = !scan_is_end(c);
    struct str tag = has_tag ? managesieve_scan_string(c, a) : STR_EMPTY;
    if (has_ended(d, c)) {
        managesieve_write_noop(&d->framed.base.out, has_tag, tag);
    }
    arena_free(&a);
}

static void run_logout(struct sieve_dialogue *d, struct scan *c)
{
    if (has_ended(d, c)) {
        managesieve_write_ok(&d->framed.base.out, "Good-bye");
        d->framed.base.state = AT_END;
    }
}

static void run_starttls(struct sieve_dialogue *d, struct scan *c)
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
    managesieve_write_ok(&d->framed.base.out, "Begin TLS now");
    imap_framing_drop_rest(d->framed.framing);
    d->framed.base.state = AT_TLS;
}

/* A SASL message, as a string in base64; false: the NO is written. */
static bool decode(struct sieve_dialogue *d, struct str message, struct buf *octets)
{
    if (base64_parse(message, octets) == ERR_OK) {
        return true;
    }
    managesieve_write_response(&d->framed.base.out, STR("NO"), STR_EMPTY, STR("That is no base64"));
    dialogue_count_fault(&d->framed.base);
    return false;
}

/* command-authenticate = "AUTHENTICATE" SP auth-type [SP string] *(CRLF string) */
static void run_authenticate(struct sieve_dialogue *d, struct scan *c)
{
    struct arena *a = arena_new(FRAMED_COMMAND_MOST);
    struct buf initial = BUF_INIT(MESSAGE_MOST);
    struct str mechanism = managesieve_scan_string(c, a);
    bool has_initial = !scan_is_end(c);
    struct str message = has_initial ? managesieve_scan_string(c, a) : STR_EMPTY;
    note_mechanisms(d);
    if (has_ended(d, c) && decode(d, message, &initial)) {
        dialogue_follow(&d->framed.base,
                        login_begin(&d->framed.base.login, dialogue_get_offer(&d->framed.base),
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

static void run_command(struct dialogue *base)
{
    struct sieve_dialogue *d = of(base);
    struct managesieve_command command;
    d->framed.base.commands++;
    if (managesieve_command_parse(imap_framing_get_text(d->framed.framing), &command) != ERR_OK) {
        reply_bad_grammar(d, &command.args);
        return;
    }
    const struct command *known = find_command(command.name);
    if (known != NULL) {
        known->run(d, &command.args);
        return;
    }
    managesieve_write_response(&d->framed.base.out, STR("NO"), STR_EMPTY,
                               STR("Unknown command, or one that needs a login first"));
    dialogue_count_fault(&d->framed.base);
}

/* string CRLF: the answer to a challenge, or "*". */
static void on_sasl_string(struct dialogue *base)
{
    struct sieve_dialogue *d = of(base);
    struct arena *a = arena_new(FRAMED_COMMAND_MOST);
    struct buf octets = BUF_INIT(MESSAGE_MOST);
    struct scan c = scan_make(imap_framing_get_text(d->framed.framing));
    struct str message = managesieve_scan_bare_string(&c, a);
    d->framed.base.commands++;
    bool is_whole = has_ended(d, &c);
    bool is_cancelled = is_whole && str_eq(message, STR("*"));
    if (is_cancelled) {
        reply_err(d, ERR_AUTH_CANCELLED);
    }
    if (is_whole && !is_cancelled && decode(d, message, &octets)) {
        dialogue_follow(&d->framed.base, login_answer(&d->framed.base.login, buf_str(&octets)));
    } else {
        login_release(&d->framed.base.login);
        d->framed.base.state = d->framed.base.state == AT_END ? AT_END : AT_CANCEL;
    }
    buf_wipe(&octets);
    arena_free(&a);
}

static void on_literal(struct dialogue *base)
{
    struct sieve_dialogue *d = of(base);
    const struct imap_literal *literal = imap_framing_get_literal(d->framed.framing);
    if (literal->is_sync) {
        managesieve_write_sync_bye(&d->framed.base.out);
        d->framed.base.state = AT_END;
    }
    (void)imap_framing_answer(d->framed.framing,
                              literal->is_binary || literal->is_sync ? IMAP_LITERAL_REFUSE
                                                                     : IMAP_LITERAL_BUFFER,
                              ERR_SYNTAX);
}

static void on_dropped(struct dialogue *base)
{
    struct sieve_dialogue *d = of(base);
    reply_err(d, imap_framing_get_err(d->framed.framing));
}

static void greet(struct dialogue *base)
{
    struct sieve_dialogue *d = of(base);
    struct buf text = BUF_INIT(1024);
    buf_addf(&text, "%.*s Limetta is ready", STR_ARG(d->framed.base.args.hostname));
    write_capabilities(d, d->framed.base.is_tls ? "TLS is active" : text.p);
    buf_release(&text);
    d->framed.base.state = AT_COMMAND;
}

static bool sieve_run_one(struct dialogue *d)
{
    static const struct framed_ops FRAMES = {
        .greet = greet,
        .on_command = run_command,
        .on_sasl = on_sasl_string,
        .is_sasl_line = false,
        .on_literal = on_literal,
        .on_dropped = on_dropped,
    };
    return framed_run(d, &FRAMES);
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
    framed_release(&of(d)->framed);
    buf_release(&of(d)->mechanisms);
    free(of(d));
}

static const struct dialogue_ops SIEVE_OPS = {
    .service = SERVICE_SIEVE,
    .is_greeting_in_tls = true,
    .free = sieve_free,
    .feed = framed_feed,
    .get_backlog = framed_get_backlog,
    .run = sieve_run_one,
    .get_rest = framed_get_rest,
    .get_name = sieve_get_name,
    .say_challenge = sieve_say_challenge,
    .say_failure = sieve_say_failure,
};

struct dialogue *dialogue_new_sieve(const struct dialogue_args *args)
{
    struct sieve_dialogue *d = mem_new(sizeof(*d));
    framed_init(&d->framed, &SIEVE_OPS, args, LITERAL_MOST);
    buf_init(&d->mechanisms, MESSAGE_MOST);
    return &d->framed.base;
}
