/* Straight-line conversations.
 *
 * A checker asks one thing after the other and must tell exactly how each answer failed to come, so its dialogues read best as
 * code that waits. Only the io below waits; all that is here are rules of framing that hold against a hostile peer: a whole
 * answer has one deadline, however it drips in; a line, a literal, an answer and the number of its lines have bounds; what is
 * beyond them is TALK_FOREIGN, after which nothing more is said or heard.
 *
 * Answers are read more loosely than a client would (a bare LF ends a line, and is remembered): damage is what we are here to see. */
#include "tools/check_talk.h"

#include "base/scan.h"

enum { LINES_MOST = 10000, HEARD_MOST = 64 * 1024 * 1024 };

void talk_init(struct talk *t, const struct talk_io *io, void *owner, uint64_t timeout_ms)
{
    *t = (struct talk){.io = io, .owner = owner, .timeout_ms = timeout_ms};
    buf_init(&t->in, TALK_ANSWER_MOST + TALK_LINE_MOST);
    talk_expect(t);
}

void talk_release(struct talk *t)
{
    buf_wipe(&t->in);
}

void talk_expect(struct talk *t)
{
    t->deadline_ms = t->io->now_ms(t->owner) + t->timeout_ms;
}

void talk_go_on(struct talk *t)
{
    t->result = t->result == TALK_SILENT ? TALK_OK : t->result;
    talk_expect(t);
}

static enum talk_result end(struct talk *t, enum talk_result why)
{
    if (t->result == TALK_OK) {
        t->result = why;
    }
    return t->result;
}

/* More octets behind those in hand. */
static enum talk_result hear(struct talk *t)
{
    uint64_t now = t->io->now_ms(t->owner);
    if (t->result != TALK_OK) {
        return t->result;
    }
    if (now >= t->deadline_ms) {
        return end(t, TALK_SILENT);
    }
    if (t->at > 0) {
        buf_consume(&t->in, t->at);
        t->at = 0;
    }
    size_t before = t->in.len;
    enum talk_result r = t->io->read(t->owner, t->deadline_ms - now, &t->in);
    t->heard += t->in.len - before;
    if (t->record != NULL) {
        buf_add(t->record, str_skip(buf_str(&t->in), before));
    }
    if (t->in.is_full || t->heard > HEARD_MOST) {
        return end(t, TALK_FOREIGN);
    }
    return r == TALK_OK ? TALK_OK : end(t, r);
}

static struct str unread(const struct talk *t)
{
    return str_skip(buf_str(&t->in), t->at);
}

void talk_record(struct talk *t, struct buf *record)
{
    t->record = record;
    if (record != NULL) {
        buf_add(record, unread(t));
    }
}

enum talk_result talk_line(struct talk *t, struct str *line)
{
    for (;;) {
        struct str have = unread(t);
        size_t n = str_find_char(have, '\n');
        if (n > TALK_LINE_MOST) {
            return end(t, TALK_FOREIGN);
        }
        if (n < have.n) {
            bool has_cr = n > 0 && have.p[n - 1] == '\r';
            t->has_bare_lf = t->has_bare_lf || !has_cr;
            t->at += n + 1;
            *line = str_sub(have, 0, has_cr ? n - 1 : n);
            return TALK_OK;
        }
        enum talk_result r = hear(t);
        if (r != TALK_OK) {
            return r;
        }
    }
}

enum talk_result talk_octets(struct talk *t, size_t n, struct buf *out)
{
    if (n > TALK_ANSWER_MOST) {
        return end(t, TALK_FOREIGN);
    }
    while (unread(t).n < n) {
        enum talk_result r = hear(t);
        if (r != TALK_OK) {
            return r;
        }
    }
    buf_add(out, str_sub(unread(t), 0, n));
    t->at += n;
    return out->is_full ? end(t, TALK_FOREIGN) : TALK_OK;
}

enum talk_result talk_say(struct talk *t, struct str octets)
{
    talk_expect(t);
    if (t->result != TALK_OK) {
        return t->result;
    }
    enum talk_result r = t->io->write(t->owner, octets);
    return r == TALK_OK ? TALK_OK : end(t, r);
}

enum talk_result talk_start_tls(struct talk *t)
{
    talk_expect(t);
    if (t->result != TALK_OK) {
        return t->result;
    }
    t->has_octets_before = unread(t).n > 0;
    buf_clear(&t->in);
    t->at = 0;
    enum talk_result r = t->io->start_tls(t->owner, t->timeout_ms);
    t->is_tls = r == TALK_OK;
    return r == TALK_OK ? TALK_OK : end(t, r);
}

/* ---- IMAP ---- */

void imap_answer_release(struct imap_answer *a)
{
    buf_release(&a->text);
    buf_release(&a->lines);
    buf_release(&a->literal);
}

static void answer_clear(struct imap_answer *a)
{
    buf_clear(&a->text);
    buf_clear(&a->lines);
    buf_clear(&a->literal);
    a->status = IMAP_STATUS_NONE;
    a->has_bye = false;
    a->has_continue = false;
}

/* "... {n}" at the end of a line. */
static bool find_literal(struct str line, uint64_t *n)
{
    size_t brace = str_find_last_char(line, '{');
    return brace < line.n && str_ends(line, STR("}"))
           && str_to_u64(str_sub(line, brace + 1, line.n - brace - 2), INT64_MAX, n);
}

/* One untagged response: a line, and what its literals bring. */
static enum talk_result take_untagged(struct talk *t, struct str line, struct imap_answer *a)
{
    line = str_skip(line, 2);
    a->has_bye = a->has_bye || str_starts_nocase(line, STR("BYE"));
    for (unsigned i = 0; i < LINES_MOST; i++) {
        uint64_t n = 0;
        buf_add(&a->lines, line);
        if (!find_literal(line, &n)) {
            buf_add_char(&a->lines, '\n');
            return a->lines.is_full ? end(t, TALK_FOREIGN) : TALK_OK;
        }
        buf_clear(&a->literal);
        enum talk_result r =
            n > TALK_ANSWER_MOST ? end(t, TALK_FOREIGN) : talk_octets(t, (size_t)n, &a->literal);
        if (r == TALK_OK) {
            r = talk_line(t, &line);
        }
        if (r != TALK_OK) {
            return r;
        }
    }
    return end(t, TALK_FOREIGN);
}

static enum imap_status read_status(struct str word)
{
    static const struct {
        struct str word;
        enum imap_status status;
    } ROWS[] = {
        {STR("OK"), IMAP_STATUS_OK}, {STR("NO"), IMAP_STATUS_NO}, {STR("BAD"), IMAP_STATUS_BAD}};
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        if (str_eq_nocase(word, ROWS[i].word)) {
            return ROWS[i].status;
        }
    }
    return IMAP_STATUS_NONE;
}

enum talk_result talk_imap_greeting(struct talk *t, struct imap_answer *a)
{
    struct str line;
    answer_clear(a);
    talk_expect(t);
    enum talk_result r = talk_line(t, &line);
    if (r != TALK_OK) {
        return r;
    }
    if (!str_starts(line, STR("* "))) {
        buf_add(&a->lines, line);
        return end(t, TALK_FOREIGN);
    }
    return take_untagged(t, line, a);
}

static enum talk_result take_tagged(struct talk *t, struct str line, struct imap_answer *a)
{
    (void)str_split(&line, ' ');
    a->status = read_status(str_split(&line, ' '));
    buf_add(&a->text, line);
    return a->status == IMAP_STATUS_NONE ? end(t, TALK_FOREIGN) : TALK_OK;
}

enum talk_result talk_imap_hear(struct talk *t, struct imap_answer *a)
{
    CLEANUP(buf_release) struct buf tag = BUF_INIT(TALK_LINE_MOST);
    answer_clear(a);
    buf_addf(&tag, "c%0*u ", (int)t->tag_width, t->tag);
    for (unsigned i = 0; i < LINES_MOST; i++) {
        struct str line;
        enum talk_result r = talk_line(t, &line);
        if (r != TALK_OK) {
            return r;
        }
        if (str_starts(line, buf_str(&tag))) {
            return take_tagged(t, line, a);
        }
        if (str_starts(line, STR("+"))) {
            a->has_continue = true;
            return TALK_OK;
        }
        r = str_starts(line, STR("* ")) ? take_untagged(t, line, a) : end(t, TALK_FOREIGN);
        if (r != TALK_OK) {
            return r;
        }
    }
    return end(t, TALK_FOREIGN);
}

enum talk_result talk_imap_go_on(struct talk *t, struct str octets, struct imap_answer *a)
{
    enum talk_result r = talk_say(t, octets);
    return r == TALK_OK ? talk_imap_hear(t, a) : r;
}

enum talk_result talk_imap(struct talk *t, struct str command, struct imap_answer *a)
{
    struct buf line = BUF_INIT(TALK_LINE_MOST);
    t->tag++;
    (void)buf_reserve(&line, command.n + 32); /* at once: it may hold a password */
    buf_addf(&line, "c%u ", t->tag);
    buf_add(&line, command);
    buf_add_c(&line, "\r\n");
    enum talk_result r = talk_say(t, buf_str(&line));
    buf_wipe(&line);
    answer_clear(a);
    return r == TALK_OK ? talk_imap_hear(t, a) : r;
}

/* Behind "CAPABILITY " at the start of a response or of a code. */
static bool find_words(struct str s, struct str *words)
{
    size_t at = str_find_str(s, STR("[CAPABILITY "));
    if (at < s.n) {
        s = str_skip(s, at + 12);
        *words = str_sub(s, 0, str_find_char(s, ']'));
        return true;
    }
    if (str_starts_nocase(s, STR("CAPABILITY "))) {
        *words = str_skip(s, 11);
        return true;
    }
    return false;
}

bool imap_answer_find_capability(const struct imap_answer *a, struct str *words)
{
    struct str lines = buf_str(&a->lines);
    while (lines.n > 0) {
        if (find_words(str_split(&lines, '\n'), words)) {
            return true;
        }
    }
    return find_words(buf_str(&a->text), words);
}

/* ---- SMTP ---- */

enum talk_result talk_smtp_hear(struct talk *t, struct smtp_reply *r)
{
    smtp_reply_clear(r);
    for (;;) {
        struct str line;
        enum talk_result result = talk_line(t, &line);
        if (result != TALK_OK) {
            return result;
        }
        enum step step = smtp_reply_add_line(r, line);
        if (step == STEP_BAD && r->lines == 0) {
            buf_add(&r->text, line); /* for the report */
        }
        if (step != STEP_MORE) {
            return step == STEP_DONE ? TALK_OK : end(t, TALK_FOREIGN);
        }
    }
}

enum talk_result talk_smtp(struct talk *t, struct str command, struct smtp_reply *r)
{
    struct buf line = BUF_INIT(TALK_LINE_MOST);
    (void)buf_reserve(&line, command.n + 2); /* at once: it may hold a password */
    buf_add(&line, command);
    buf_add_c(&line, "\r\n");
    enum talk_result result = talk_say(t, buf_str(&line));
    buf_wipe(&line);
    smtp_reply_clear(r);
    return result == TALK_OK ? talk_smtp_hear(t, r) : result;
}
