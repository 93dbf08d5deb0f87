/* What all dialogues have in common: states, the login's turns, patience.
 *
 *     GREETING -> COMMAND <-> SASL <-> AUTH -> OPEN
 *                   |  ^                |
 *                   v  '--- no ---------'
 *                  TLS -> HANDSHAKE (back to COMMAND, with nothing remembered from before it: D46)
 *
 * A dialogue is a guest of nobody yet, so its patience is short: few faults, few failed logins, small buffers. */
#include "edge/dialogue_priv.h"

#include "base/mem.h"
#include "wire/imap_write.h"
#include "wire/managesieve.h"
#include "wire/smtp_write.h"

#include <stdlib.h>

enum { OUT_CAP = 256 * 1024 };

void dialogue_init(struct dialogue *d, const struct dialogue_ops *ops,
                   const struct dialogue_args *args)
{
    d->ops = ops;
    d->args = *args;
    d->state = args->is_back ? AT_COMMAND : AT_GREETING;
    d->grudges = args->grudges;
    login_init(&d->login);
    buf_init(&d->out, OUT_CAP);
}

void dialogue_free(struct dialogue **d)
{
    if (*d != NULL) {
        login_release(&(*d)->login);
        buf_release(&(*d)->out);
        (*d)->ops->free(*d);
        *d = NULL;
    }
}

bool dialogue_needs_tls(const struct dialogue *d)
{
    return d->args.tls == TLS_REQUIRED && !d->is_tls;
}

bool dialogue_offers_tls(const struct dialogue *d)
{
    return d->args.tls != TLS_OFF && !d->is_tls;
}

struct login_offer dialogue_get_offer(const struct dialogue *d)
{
    bool may_login = !dialogue_needs_tls(d);
    bool has_plaintext = d->is_tls || (may_login && d->args.may_plaintext);
    return (struct login_offer){
        .has_plaintext = has_plaintext,
        .has_tokens = has_plaintext && d->args.has_tokens,
        .has_scram = may_login && !d->args.is_without_scram,
        .has_binding = d->is_tls && d->has_binding && !d->args.is_without_scram,
    };
}

void dialogue_write_bye(struct buf *out, enum service service, struct str hostname, enum err why)
{
    const struct err_info *info = err_get_info(why);
    if (service == SERVICE_SIEVE) {
        managesieve_write_bye(out, why);
        return;
    }
    if (service == SERVICE_IMAP) {
        imap_write_response(out, STR_EMPTY, STR("BYE"), str_from_c(info->code),
                            str_from_c(info->text));
        return;
    }
    struct buf text = BUF_INIT(1024);
    bool is_transient = info->enhanced[0] == '4';
    buf_addf(&text, "%.*s %s", STR_ARG(hostname), info->text);
    smtp_write_reply(out, 421, is_transient ? str_from_c(info->enhanced) : STR("4.7.0"),
                     buf_str(&text));
    buf_release(&text);
}

void dialogue_say_bye(struct dialogue *d, enum err why)
{
    dialogue_write_bye(&d->out, d->ops->service, d->args.hostname, why);
    d->state = AT_END;
}

void dialogue_count_fault(struct dialogue *d)
{
    if (++d->grudges.faults >= FAULTS_MOST && d->state != AT_END) {
        dialogue_say_bye(d, ERR_GAVE_UP);
    }
}

void dialogue_follow(struct dialogue *d, enum login_next next)
{
    switch (next) {
    case LOGIN_SAY:
        d->state = AT_SASL;
        d->ops->say_challenge(d, login_get_challenge(&d->login));
        break;
    case LOGIN_ASK:
        d->state = AT_AUTH;
        break;
    case LOGIN_SUCCEEDED:
        d->state = AT_OPEN;
        break;
    case LOGIN_FAILED:
        d->state = AT_COMMAND;
        d->ops->say_failure(d, d->login.err);
        if (d->login.err == ERR_AUTH_FAILED && ++d->grudges.failures >= FAILURES_MOST) {
            dialogue_say_bye(d, ERR_AUTH_FAILED);
        }
        break;
    }
}

void dialogue_feed(struct dialogue *d, struct str octets)
{
    d->ops->feed(d, octets);
}

size_t dialogue_get_backlog(const struct dialogue *d)
{
    return d->ops->get_backlog(d);
}

uint64_t dialogue_get_commands(const struct dialogue *d)
{
    return d->commands;
}

struct dialogue_grudges dialogue_get_grudges(const struct dialogue *d)
{
    return d->grudges;
}

uint16_t dialogue_get_heartbeat_s(const struct dialogue *d)
{
    return d->heartbeat_s;
}

/* What the owner must do before anything else can be said; INPUT when that is nothing. */
static enum dialogue_want get_want(struct dialogue *d)
{
    switch (d->state) {
    case AT_AUTH:
        return DIALOGUE_WAIT;
    case AT_TLS:
        d->state = AT_HANDSHAKE;
        return DIALOGUE_TLS;
    case AT_HANDSHAKE:
        return DIALOGUE_WAIT;
    case AT_OPEN:
        return DIALOGUE_OPEN;
    case AT_END:
        return DIALOGUE_CLOSE;
    case AT_CANCEL:
        d->state = AT_COMMAND;
        return DIALOGUE_CANCEL;
    case AT_GREETING:
    case AT_COMMAND:
    case AT_SASL:
    default:
        return DIALOGUE_INPUT;
    }
}

enum dialogue_want dialogue_step(struct dialogue *d, struct buf *out)
{
    enum dialogue_want want = get_want(d);
    bool was_waiting = want == DIALOGUE_WAIT;
    while (want == DIALOGUE_INPUT && d->out.len < DIALOGUE_OUTPUT_MOST && d->ops->run(d)) {
        want = get_want(d);
    }
    if (want == DIALOGUE_INPUT && d->out.len >= DIALOGUE_OUTPUT_MOST) {
        want = DIALOGUE_OUTPUT;
    }
    buf_add(out, buf_str(&d->out));
    buf_release(&d->out);
    return want == DIALOGUE_WAIT && !was_waiting ? DIALOGUE_ASK : want;
}

void dialogue_on_tls(struct dialogue *d, bool has_binding)
{
    d->is_tls = true;
    d->has_binding = has_binding;
    if (d->state == AT_HANDSHAKE) {
        d->state = d->ops->is_greeting_in_tls ? AT_GREETING : AT_COMMAND;
    }
}

struct login_question dialogue_get_question(const struct dialogue *d)
{
    return login_get_question(&d->login);
}

void dialogue_on_challenge(struct dialogue *d, struct str data)
{
    dialogue_follow(d, login_on_challenge(&d->login, data));
}

void dialogue_on_yes(struct dialogue *d, struct str data)
{
    dialogue_follow(d, login_on_yes(&d->login, data));
}

void dialogue_on_no(struct dialogue *d, enum err why)
{
    dialogue_follow(d, login_on_no(&d->login, why));
}

struct str dialogue_get_name(const struct dialogue *d)
{
    return d->ops->get_name(d);
}

struct str dialogue_get_rest(const struct dialogue *d)
{
    return d->ops->get_rest(d);
}

void dialogue_on_open_failed(struct dialogue *d)
{
    d->state = AT_COMMAND;
    d->ops->say_failure(d, ERR_UNAVAILABLE);
}
