/* What MAIL asks for beside the sender, made into terms that the queue keeps: relative times become points of time at once,
 * as RFC 2852, 4 and RFC 4865, 4.2 have it, so nothing is added up twice later.
 *
 * A parameter is taken where its extension is offered (EHLO) and is unknown elsewhere: REQUIRETLS outside TLS (RFC 8689, 2),
 * the two holds where the server has none.
 *
 *     HOLDFOR, HOLDUNTIL    within what EHLO said, else 501 (RFC 4865, 4.2). A moment that has passed is taken as now when it is five
 *                           minutes old at most, for clocks differ; what is older was not meant, and mail cannot be called
 *                           back: 501
 *     BY                    not before the release, else 501 (RFC 4865, 5.2.2)
 *     MT-PRIORITY           the user's bound, if it asks for more, and the reply says so (RFC 6710, 4.1)
 */
#include "smtp/submission_priv.h"

enum { MS = 1000, CLOCK_SKEW_S = 300 };

static enum err check_offered(const struct submission *s, const struct smtp_mail *mail)
{
    unsigned unknown = 0;
    if (s->args.hold_most_s == 0) {
        unknown |= SMTP_PARAM_HOLDFOR | SMTP_PARAM_HOLDUNTIL;
    }
    if (!s->args.is_tls) {
        unknown |= SMTP_PARAM_REQUIRETLS;
    }
    return (mail->given & unknown) != 0 ? ERR_UNKNOWN_PARAM : ERR_OK;
}

static enum err take_release(struct submission *s, const struct smtp_mail *mail, int64_t now_s)
{
    bool is_for = (mail->given & SMTP_PARAM_HOLDFOR) != 0;
    if (!is_for && (mail->given & SMTP_PARAM_HOLDUNTIL) == 0) {
        return ERR_OK;
    }
    int64_t release_s = is_for ? now_s + mail->hold_for_s : mail->hold_until_s;
    if (release_s < now_s - CLOCK_SKEW_S || release_s > now_s + (int64_t)s->args.hold_most_s) {
        return ERR_BAD_PARAM;
    }
    if (release_s <= now_s) {
        return ERR_OK;
    }
    /* The clock shows whole seconds: one more, for it must not be released before its time. */
    s->terms.release_ms = (uint64_t)(release_s + is_for) * MS;
    s->terms.release_request =
        arena_printf(s->transaction, "%s;%.*s", is_for ? "for" : "until", STR_ARG(mail->hold));
    return s->terms.release_request.n == 0 ? ERR_LIMIT : ERR_OK;
}

static enum err take_deadline(struct submission *s, const struct smtp_mail *mail, int64_t now_s)
{
    if (mail->by == SMTP_BY_NONE) {
        return ERR_OK;
    }
    int64_t deadline_s = now_s + mail->by_s;
    s->terms.by = mail->by;
    s->terms.is_by_traced = mail->is_by_traced;
    s->terms.deliver_by_ms = deadline_s > 0 ? (uint64_t)deadline_s * MS : 1;
    return s->terms.release_ms > s->terms.deliver_by_ms + MS ? ERR_BAD_PARAM : ERR_OK;
}

enum err submission_check_load(struct submission *s, size_t recipients, uint64_t octets)
{
    struct submission_load load = {recipients, octets, s->terms.release_ms > 0};
    return s->host->check_load(s->host->base.owner, &load);
}

enum err submission_take_terms(struct submission *s, const struct smtp_mail *mail)
{
    int64_t now_s = s->host->get_time_s(s->host->base.owner);
    TRY(check_offered(s, mail));
    if (mail->has_size && mail->size > s->args.size_most) {
        return ERR_TOO_BIG;
    }
    s->terms = (struct mail_terms){
        .is_utf8 = (mail->given & SMTP_PARAM_SMTPUTF8) != 0,
        .priority = mail->priority < s->args.priority_most ? mail->priority : s->args.priority_most,
        .is_tls_required = (mail->given & SMTP_PARAM_REQUIRETLS) != 0,
    };
    s->has_priority = (mail->given & SMTP_PARAM_MT_PRIORITY) != 0;
    TRY(take_release(s, mail, now_s));
    TRY(take_deadline(s, mail, now_s));
    s->body = mail->has_body ? mail->body : SMTP_BODY_7BIT;
    s->ret = mail->ret;
    s->envid = arena_str(s->transaction, mail->envid);
    s->declared_size = mail->size;
    return submission_check_load(s, 0, mail->size);
}
