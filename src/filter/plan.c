/* From actions to a plan: which copies go where, what is sent, what is remembered. Nothing is changed here, so whatever is refused
 * (quota, a full outbox) is refused before anything has happened.
 *
 * Where an action would do harm it becomes a keep, for a message must not be lost: a redirect that goes round in circles (the message
 * was here before, RFC 5228, 10), that goes to the user himself, or that is one too many for a day. */
#include "filter/filter_priv.h"

#include "mime/field.h"
#include "store/seen.h"

enum { HOPS_MOST = 60, DAY_S = 24 * 3600, EDITED_MOST = 8 };

void add_note(struct run *r, struct str script, uint32_t line, struct str text)
{
    vec_push(&r->notes, (struct note){arena_str(r->a, script), line, arena_str(r->a, text)});
}

enum err make_writer(struct run *r, struct str head, struct str body, struct body_writer **out)
{
    struct body_writer *w = NULL;
    TRY(body_writer_new(r->account, &w));
    vec_push(&r->writers, w);
    TRY(body_writer_add(w, head));
    TRY(body_writer_add(w, body));
    TRY(body_writer_finish(w));
    *out = w;
    return ERR_OK;
}

static struct str get_body(const struct run *r)
{
    return str_skip(r->octets, (size_t)r->shape.root.header_size);
}

/* The message as the action sees it (RFC 5293). Each is a copy of all of it on disk: a script that changes the header again for every
 * mailbox gets so many, and then the message as it came. */
static enum err find_writer(struct run *r, const struct sieve_action *x, struct body_writer **out)
{
    if (!x->is_edited) {
        *out = r->d->writer;
        return ERR_OK;
    }
    if (r->edited_writer == NULL || !str_eq(r->edited, x->header)) {
        if (r->edited_count == EDITED_MOST) {
            add_note(r, STR("your script"), x->line,
                     STR("It changes the header too often; the message is filed as it came"));
            *out = r->d->writer;
            return ERR_OK;
        }
        TRY(make_writer(r, x->header, get_body(r), &r->edited_writer));
        r->edited = x->header;
        r->edited_count++;
    }
    *out = r->edited_writer;
    return ERR_OK;
}

static enum err plan_copy(struct run *r, const struct sieve_action *x)
{
    struct copy copy = {
        .target = &x->target, .is_message = true, .is_keep = x->kind != SIEVE_FILEINTO};
    if (x->kind != SIEVE_FILEINTO) {
        struct sieve_target *inbox = arena_one(r->a, struct sieve_target);
        TRY(inbox == NULL ? ERR_LIMIT : ERR_OK);
        *inbox = (struct sieve_target){.mailbox = r->env.inbox};
        if (x->kind == SIEVE_KEEP) {
            inbox->flags = x->target.flags;
            inbox->has_flags = x->target.has_flags;
        }
        copy.target = inbox;
    }
    TRY(find_writer(r, x, &copy.writer));
    vec_push(&r->copies, copy);
    return ERR_OK;
}

/* ---- redirect ---- */

/* Our own Delivered-To line is the first; another one says that the message was here before. */
static bool is_loop(struct run *r)
{
    static const char NAME[] = "Delivered-To";
    size_t at = 0;
    unsigned count = 0;
    struct field f;
    struct str header = str_sub(r->octets, 0, (size_t)r->shape.root.header_size);
    while (field_next(header, &at, &f)) {
        count += str_eq_nocase(f.name, str_from_c(NAME))
                 && str_eq_nocase(str_trim(f.value), r->d->address);
    }
    return count > 1 || count_fields(r, STR("Received")) > HOPS_MOST;
}

static enum err check_day(struct run *r, enum seen_kind kind, uint64_t planned, uint64_t most,
                          bool *is_too_many)
{
    uint64_t count = 0;
    TRY(account_count_seen(r->account, kind, r->now_s, &count));
    *is_too_many = count + planned >= most;
    return ERR_OK;
}

static enum err remember_one(struct run *r, enum seen_kind kind)
{
    CLEANUP(buf_release) struct buf key = BUF_INIT(256);
    r->f->config.write_unique(r->f->config.owner, &key);
    vec_push(&r->memories, (struct memory){kind, arena_str(r->a, buf_str(&key)), DAY_S});
    return ERR_OK;
}

/* The changed header without the Return-Path line, which is of this delivery only. */
static struct str skip_trace(const struct run *r, struct str header)
{
    struct str trace = str_sub(r->octets, 0, r->d->trace_size);
    size_t at = str_find_str(header, trace);
    bool is_line = at == 0 || (at < header.n && header.p[at - 1] == '\n');
    if (!is_line || at == header.n) {
        return header;
    }
    return arena_printf(r->a, "%.*s%.*s", STR_ARG(str_sub(header, 0, at)),
                        STR_ARG(str_skip(header, at + trace.n)));
}

static enum err plan_redirect(struct run *r, const struct sieve_action *x)
{
    bool is_too_many = false;
    if (x->is_edited && x->header.n > OUTBOX_TEXT_MOST) {
        add_note(r, STR("your script"), x->line,
                 STR("A changed header of that size cannot be redirected; the message was kept"));
        return plan_copy(r, x);
    }
    TRY(check_day(r, SEEN_REDIRECT, r->redirects, r->f->config.redirects_a_day, &is_too_many));
    if (is_too_many) {
        add_note(r, STR("your script"), x->line,
                 STR("No more messages are redirected today; this one was kept"));
    }
    if (is_too_many || is_loop(r) || is_own_address(r, x->address)) {
        return plan_copy(r, x);
    }
    r->redirects++;
    TRY(remember_one(r, SEEN_REDIRECT));
    struct letter_out letter = {
        .kind = OUTBOX_MAIL,
        .from = r->d->return_path,
        .to = x->address,
        .is_redirect = true,
        .is_needed = true,
        .has_body = true,
        .skip = r->d->trace_size,
    };
    if (x->is_edited) {
        letter.text = skip_trace(r, x->header);
        letter.skip = r->shape.root.header_size;
    }
    vec_push(&r->letters, letter);
    return ERR_OK;
}

static enum err plan_notification(struct run *r, const struct sieve_action *x)
{
    bool is_too_many = false;
    TRY(check_day(r, SEEN_NOTIFY, r->notifies, r->f->config.notifies_a_day, &is_too_many));
    if (is_too_many) {
        return ERR_OK;
    }
    r->notifies++;
    TRY(remember_one(r, SEEN_NOTIFY));
    return plan_notify(r, x);
}

/* Who answers every message (":seconds 0", RFC 6131) could be made to answer a stranger without end; such answers count as
 * notifications do. */
static enum err plan_answer(struct run *r, const struct sieve_action *x)
{
    bool is_too_many = false;
    size_t letters = r->letters.count;
    if (x->vacation->seconds > 0) {
        return plan_vacation(r, x);
    }
    TRY(check_day(r, SEEN_NOTIFY, r->notifies, r->f->config.notifies_a_day, &is_too_many));
    TRY(is_too_many ? ERR_OK : plan_vacation(r, x));
    return r->letters.count > letters ? remember_one(r, SEEN_NOTIFY) : ERR_OK;
}

static enum err plan_action(struct run *r, const struct sieve_action *x)
{
    switch (x->kind) {
    case SIEVE_KEEP:
    case SIEVE_FILEINTO:
        return plan_copy(r, x);
    case SIEVE_REDIRECT:
        return plan_redirect(r, x);
    case SIEVE_REJECT:
    case SIEVE_EREJECT:
        return plan_reject(r, x);
    case SIEVE_VACATION:
        return plan_answer(r, x);
    case SIEVE_NOTIFY:
        return plan_notification(r, x);
    case SIEVE_DISCARD:
        break;
    }
    return ERR_OK;
}

enum err plan_actions(struct run *r)
{
    bool is_failed = r->notes.count > 0;
    for (size_t i = 0; i < r->actions.count; i++) {
        const struct sieve_action *x = r->actions.at[i];
        bool is_sent = x->kind == SIEVE_VACATION || x->kind == SIEVE_NOTIFY;
        r->seen_header = is_sent && x->is_edited ? x->header : STR_EMPTY;
        TRY(plan_action(r, x));
    }
    /* "The ID is only marked as seen when the script finished without error" (RFC 7352, 3). */
    for (size_t i = 0; i < r->asked.count && !is_failed; i++) {
        const struct asked_id *asked = &r->asked.at[i];
        if (!asked->is_seen || asked->is_last) {
            vec_push(&r->memories, (struct memory){SEEN_DUPLICATE, asked->key, asked->seconds});
        }
    }
    return ERR_OK;
}
