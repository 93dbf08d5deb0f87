/* XHELD: what a sender has submitted for later (RFC 4865) can be looked at and taken back until its time has come. The RFC has no
 * commands for that; these are ours, announced by the keyword XHELD after authentication (docs/submission.md).
 *
 *     C: XHELD LIST                         C: XHELD CANCEL 17
 *     S: 250-2.0.0 17 RELEASE=2026-12-24T18:00:00Z SIZE=812 ENVID=QQ1 RCPTS=2 TO=utf-8;a@x.example TO=...
 *     S: 250 2.0.0 END                      S: 250 2.0.0 Cancelled
 *
 * A page has HELD_PAGE messages at most; when it is full, its last line is "MORE=<id>", the id to go on behind. A line names
 * as many recipients as fit; RCPTS is their number. Values are written as ORCPT and ENVID write them, so nothing that a client
 * submitted can become a reply of ours.
 *
 * Only the sender's own messages are listed, and only those are found by CANCEL; to everybody else they do not exist. Not inside
 * a transaction: a CANCEL waits for the disk, and must not mix with a message under way. */
#include "smtp/submission_priv.h"

#include "wire/smtp_write.h"

enum { HELD_PAGE = 100, HELD_LINE_MOST = 480, MS = 1000 };

/* A page while it is written. */
struct page {
    struct buf text; /* the reply's text, lines between LF */
    struct buf line;
    unsigned count;
    uint64_t last_id;
};

static void add_recipients(struct page *p, const struct submission_held *held)
{
    CLEANUP(buf_release) struct buf to = BUF_INIT(8192);
    for (size_t i = 0; i < held->recipient_count; i++) {
        const struct mail_recipient *r = &held->recipients[i];
        CLEANUP(buf_release) struct buf typed = BUF_INIT(4096);
        buf_add(&typed, STR("utf-8;"));
        buf_add(&typed, r->address);
        buf_clear(&to);
        buf_add(&to, STR(" TO="));
        smtp_orcpt_write(&to, buf_str(&typed), false);
        if (p->line.len + to.len > HELD_LINE_MOST) {
            return;
        }
        buf_add(&p->line, buf_str(&to));
    }
}

static void on_held(void *asker, const struct submission_held *held)
{
    struct page *p = asker;
    buf_clear(&p->line);
    buf_addf(&p->line, "%llu RELEASE=", (unsigned long long)held->id);
    smtp_write_time(&p->line, (int64_t)(held->release_ms / MS));
    buf_addf(&p->line, " SIZE=%llu", (unsigned long long)held->size);
    if (held->envid.n > 0) {
        buf_add(&p->line, STR(" ENVID="));
        xtext_write(&p->line, held->envid);
    }
    buf_addf(&p->line, " RCPTS=%zu", held->recipient_count);
    add_recipients(p, held);
    buf_add(&p->text, buf_str(&p->line));
    buf_add_char(&p->text, '\n');
    p->count++;
    p->last_id = held->id;
}

static void list_held(struct submission *s, uint64_t after)
{
    struct page p = {BUF_INIT(HELD_PAGE * HELD_LINE_MOST * 2), BUF_INIT(4096), 0, 0};
    enum err e = s->host->list_held(s->host->base.owner, after, HELD_PAGE, on_held, &p);
    if (p.count == HELD_PAGE) {
        buf_addf(&p.text, "MORE=%llu", (unsigned long long)p.last_id);
    } else {
        buf_add(&p.text, STR("END"));
    }
    e = e == ERR_OK ? buf_err(&p.text) : e;
    if (e == ERR_OK) {
        submission_reply(s, 250, STR("2.0.0"), buf_str(&p.text));
    } else {
        submission_reply_err(s, e);
    }
    buf_release(&p.text);
    buf_release(&p.line);
}

void submission_run_xheld(struct submission *s, struct str args)
{
    struct smtp_xheld x = {0};
    enum err e = s->args.hold_most_s == 0 ? ERR_UNKNOWN_COMMAND : smtp_xheld_parse(args, &x);
    e = e == ERR_OK && s->has_mail ? ERR_WRONG_STATE : e;
    if (e != ERR_OK) {
        submission_reply_err(s, e);
    } else if (x.is_cancel) {
        s->state = SUBMISSION_CANCEL;
        s->host->cancel_held(s->host->base.owner, x.id);
    } else {
        list_held(s, x.id);
    }
}

void submission_on_cancelled(struct session *session, enum err e)
{
    struct submission *s = (struct submission *)session;
    if (s->state != SUBMISSION_CANCEL) {
        return;
    }
    s->state = SUBMISSION_COMMAND;
    if (e == ERR_OK) {
        submission_reply(s, 250, STR("2.0.0"), STR("Cancelled"));
    } else if (e == ERR_NOT_FOUND) {
        submission_reply(s, 550, STR("5.5.4"), STR("You have no held message of that number"));
    } else {
        submission_reply_err(s, e);
    }
    s->host->base.wake(s->host->base.owner);
}
