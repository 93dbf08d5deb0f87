/* The IMAP leg: greeting, CAPABILITY, STARTTLS, CAPABILITY.
 *
 * What a middlebox can do to SMTP it can do here, too; there are no masks of its own, for fewer boxes look into IMAP. The large
 * packets are NOOPs with long tags, which the server must give back. */
#include "tools/check_dialogue.h"

#include "tools/check_steps.h"
#include "tools/check_words.h"

enum { BULK_COMMANDS = 24, BULK_WIDTH = 120, BULK_MOST = 64 * 1024 };

static bool hear_greeting(struct check_dialogue *d, struct imap_answer *a)
{
    enum talk_result result = talk_imap_greeting(d->talk, a);
    struct str text = buf_str(&a->lines);
    struct str line = str_split(&text, '\n');
    if (!check_hear_greeting(d, result, line)) {
        return false;
    }
    if (!str_starts_nocase(line, STR("OK"))) {
        bool is_refusal = str_starts_nocase(line, STR("BYE"));
        check_find(d->leg, is_refusal ? FINDING_GREETING_REFUSED : FINDING_GREETING_FOREIGN,
                   "it says: * %.*s", STR_ARG(line));
        return false;
    }
    check_greeting_imap(d->leg, line);
    return true;
}

static bool hear_offers(struct check_dialogue *d, struct imap_answer *a)
{
    struct buf *words = d->talk->is_tls ? &d->leg->tls : &d->leg->plain;
    struct str said = STR_EMPTY;
    if (!check_went_well(d, talk_imap(d->talk, STR("CAPABILITY"), a), "CAPABILITY")) {
        return false;
    }
    if (a->status != IMAP_STATUS_OK || !imap_answer_find_capability(a, &said)) {
        check_find(d->leg, FINDING_COMMAND_REFUSED, "CAPABILITY is answered %.*s",
                   STR_ARG(str_sub(buf_str(&a->text), 0, CHECK_SHOWN_MOST)));
        return false;
    }
    check_words_take_capability(said, words);
    check_note_offers(d, words);
    return true;
}

static bool start_tls(struct check_dialogue *d, struct imap_answer *a)
{
    return check_went_well(d, talk_imap(d->talk, STR("STARTTLS"), a), "STARTTLS")
           && check_start_tls(d, a->status == IMAP_STATUS_OK,
                              str_sub(buf_str(&a->text), 0, CHECK_SHOWN_MOST));
}

/* More than a packet holds, both ways, after small things passed. */
static bool try_bulk(struct check_dialogue *d, struct imap_answer *a)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(BULK_MOST);
    unsigned first = d->talk->tag + 1;
    for (unsigned i = 0; i < BULK_COMMANDS; i++) {
        buf_addf(&out, "c%0*u NOOP\r\n", BULK_WIDTH, first + i);
    }
    d->talk->tag_width = BULK_WIDTH;
    enum talk_result result = talk_say(d->talk, buf_str(&out));
    for (unsigned i = 0; i < BULK_COMMANDS && result == TALK_OK; i++) {
        d->talk->tag = first + i;
        result = talk_imap_hear(d->talk, a);
    }
    d->talk->tag_width = 0;
    return check_end_bulk(d, result, out.len);
}

/* Whoever offers a word knows its command; BAD is the answer of one that does not. False: the conversation is over. */
bool check_imap_try(struct check_dialogue *d, const struct buf *words, const char *word,
                    const char *command)
{
    struct imap_answer a = IMAP_ANSWER_INIT;
    bool is_open = true;
    if (check_words_has(words, str_from_c(word))) {
        is_open = check_went_well(d, talk_imap(d->talk, str_from_c(command), &a), command);
        if (is_open && a.has_continue) { /* IDLE */
            is_open = check_went_well(d, talk_imap_go_on(d->talk, STR("DONE\r\n"), &a), command);
        }
        if (is_open && a.status == IMAP_STATUS_BAD) {
            check_find(d->leg, FINDING_COMMAND_REFUSED, "%s is offered, and %s is answered %.*s",
                       word, command, STR_ARG(str_sub(buf_str(&a.text), 0, CHECK_SHOWN_MOST)));
        }
    }
    imap_answer_release(&a);
    return is_open;
}

static bool judge_tls(struct check_dialogue *d, struct imap_answer *a)
{
    if (!hear_offers(d, a)) {
        return false;
    }
    check_words_compare(d->leg);
    check_words_expect(d->leg, d->expect);
    return check_imap_try(d, &d->leg->tls, "ID", "ID NIL") && try_bulk(d, a);
}

bool check_imap_start(struct check_dialogue *d)
{
    struct imap_answer a = IMAP_ANSWER_INIT;
    bool is_good = hear_greeting(d, &a) && hear_offers(d, &a)
                   && check_imap_try(d, &d->leg->plain, "ID", "ID NIL") && start_tls(d, &a)
                   && judge_tls(d, &a);
    check_note_line_ends(d);
    imap_answer_release(&a);
    return is_good;
}

enum talk_result check_imap_noop(struct check_dialogue *d, bool *is_leave)
{
    struct imap_answer a = IMAP_ANSWER_INIT;
    enum talk_result r = talk_imap(d->talk, STR("NOOP"), &a);
    *is_leave = a.has_bye;
    imap_answer_release(&a);
    return r;
}

void check_imap_end(struct check_dialogue *d)
{
    struct imap_answer a = IMAP_ANSWER_INIT;
    if (d->talk->result == TALK_OK) {
        (void)talk_imap(d->talk, STR("LOGOUT"), &a);
    }
    imap_answer_release(&a);
}

/* ---- services whose greeting is enough ---- */

/* One line that begins as it should. */
static void hear_first_line(struct check_dialogue *d, struct str begin)
{
    struct str line = STR_EMPTY;
    talk_expect(d->talk);
    enum talk_result r = talk_line(d->talk, &line);
    if (check_hear_greeting(d, r, str_sub(line, 0, CHECK_SHOWN_MOST))
        && !str_starts_nocase(line, begin)) {
        check_find(d->leg, FINDING_GREETING_FOREIGN, "it says: %.*s",
                   STR_ARG(buf_str(&d->leg->greeting)));
    }
}

void check_acap_start(struct check_dialogue *d)
{
    hear_first_line(d, STR("* ACAP"));
}

void check_sieve_start(struct check_dialogue *d)
{
    hear_first_line(d, STR("\""));
}
