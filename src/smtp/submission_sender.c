/* Who may write as whom (RFC 6409, 4.1 and 6.1).
 *
 * MAIL names the return path: the host is asked whether it is the user's, and a "no" ends the transaction before it began
 * (550 5.7.1 with the address). The null path is nobody's, so anybody may have it: reports of reading need it.
 *
 *     MAIL --(host)--> 250 | 550          From, one address after the other --(host)--> queue | 550
 *
 * From is what people see. As configured it is left alone; or Sender says who really sends (RFC 6409, 8.1; header_fix.c does it,
 * which knows the header); or each of its addresses must be the user's, which is asked when the message is whole, for
 * only then the envelope's answer can be a refusal. The return path was asked about before. */
#include "smtp/submission_priv.h"

#include "mime/address.h"

enum { FROM_ADDRESSES_MOST = 32 };

static bool is_asking(const struct submission *s)
{
    return s->host->check_sender != NULL && s->args.sender_check != SENDER_CHECK_NOTHING;
}

/* Its words name the address. */
static void refuse(struct submission *s, enum err e, struct str address)
{
    if (e != ERR_SENDER) {
        submission_reply_err(s, e);
        return;
    }
    const struct err_info *info = err_get_info(e);
    CLEANUP(buf_release) struct buf text = BUF_INIT(1024);
    buf_addf(&text, "%.*s is not an address of yours", STR_ARG(str_sub(address, 0, 400)));
    submission_reply(s, info->smtp, str_from_c(info->enhanced), buf_str(&text));
}

static void ask(struct submission *s, struct str address)
{
    s->state = SUBMISSION_SENDER;
    s->sender = address;
    s->host->check_sender(s->host->base.owner, address);
}

void submission_check_return_path(struct submission *s)
{
    if (is_asking(s) && s->return_path.n > 0) {
        ask(s, s->return_path);
    } else {
        submission_accept_mail(s);
    }
}

/* ---- From ---- */

static struct str write_address(struct submission *s, const struct address *a)
{
    CLEANUP(buf_release) struct buf one = BUF_INIT(2048);
    smtp_address_write(&one, a->mailbox, a->host);
    return arena_str(s->transaction, buf_str(&one));
}

/* Goes on with the next address of From that nobody has said yes to; after the last one the message is queued. */
static void check_next(struct submission *s)
{
    while (s->from_at < s->from.count) {
        const struct address *a = &s->from.at[s->from_at++];
        if (a->is_group_start || a->is_group_end) {
            continue;
        }
        struct str address = write_address(s, a);
        if (!str_eq_nocase(address, s->return_path)) {
            ask(s, address);
            return;
        }
    }
    submission_queue(s);
}

void submission_check_from(struct submission *s)
{
    if (!is_asking(s) || s->args.sender_check != SENDER_CHECK_FROM) {
        submission_queue(s);
        return;
    }
    struct str from = arena_str(s->transaction, header_fix_get_from(s->fix));
    enum err e = header_fix_is_from_lost(s->fix)
                     ? ERR_SENDER
                     : address_list_parse(s->transaction, from, &s->from);
    if (e != ERR_OK || s->from.count > FROM_ADDRESSES_MOST) {
        refuse(s, ERR_SENDER, STR("A From of that size"));
        submission_reset(s);
        s->state = SUBMISSION_COMMAND;
        return;
    }
    s->from_at = 0;
    check_next(s);
}

void submission_on_sender(struct session *session, enum err e)
{
    struct submission *s = (struct submission *)session;
    if (s->state != SUBMISSION_SENDER) {
        return;
    }
    s->state = SUBMISSION_COMMAND;
    if (e != ERR_OK) {
        refuse(s, e, s->sender);
        submission_reset(s);
    } else if (s->has_content) {
        check_next(s);
    } else {
        submission_accept_mail(s);
    }
    s->host->base.wake(s->host->base.owner);
}

struct str submission_get_sender(struct submission *s)
{
    CLEANUP(buf_release) struct buf own = BUF_INIT(2048);
    if (s->args.sender_check != SENDER_CHECK_ADD) {
        return STR_EMPTY;
    }
    if (s->return_path.n > 0) {
        return s->return_path;
    }
    buf_add(&own, s->args.user);
    if (str_find_char(s->args.user, '@') == s->args.user.n) {
        buf_add_char(&own, '@');
        buf_add(&own, s->args.domain);
    }
    return arena_str(s->transaction, buf_str(&own));
}
