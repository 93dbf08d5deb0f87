/* The IMAP leg behind the login: octets stored and fetched again, mail that the submission leg sent, COMPRESS, the clock.
 *
 * With BINARY (RFC 3516) content goes up as literal8 and comes back as BINARY.PEEK, so nothing on either end has a reason to
 * change an octet; without it, only what text may carry is tried, for a server may store lines as it likes. */
#include "tools/check_dialogue.h"

#include "tools/check_octets.h"
#include "tools/check_words.h"
#include "wire/imap_scan.h"

enum {
    CONTENT_MOST = 128 * 1024,
    LINE_MOST = 8 * 1024,
    SHOWN_MOST = 200,
    SKEW_MOST_S = 120 /* beyond what any honest round trip takes */
};

/* Says what the server answered, if it is not OK. */
static bool step(struct check_dialogue *d, const char *command, struct imap_answer *a,
                 enum finding_code code)
{
    if (!check_went_well(d, talk_imap(d->talk, str_from_c(command), a), command)) {
        return false;
    }
    if (a->status != IMAP_STATUS_OK) {
        check_find(d->leg, code, "%s: %.*s", command,
                   STR_ARG(str_sub(buf_str(&a->text), 0, SHOWN_MOST)));
    }
    return a->status == IMAP_STATUS_OK;
}

/* ---- login ---- */

static enum talk_result log_in_plain(struct check_dialogue *d, struct imap_answer *a)
{
    struct buf line = BUF_INIT(LINE_MOST * 2);
    (void)buf_reserve(&line, (d->user.n + d->password.n) * 2 + 64);
    check_plain_write(d, &line);
    buf_add_c(&line, "\r\n");
    enum talk_result r = talk_imap(d->talk, STR("AUTHENTICATE PLAIN"), a);
    if (r == TALK_OK && a->has_continue) {
        r = talk_imap_go_on(d->talk, buf_str(&line), a);
    }
    buf_wipe(&line);
    return r;
}

static enum talk_result log_in_simple(struct check_dialogue *d, struct imap_answer *a)
{
    struct buf line = BUF_INIT(LINE_MOST);
    (void)buf_reserve(&line, (d->user.n + d->password.n) * 2 + 64);
    buf_add_c(&line, "LOGIN ");
    buf_add_quoted(&line, d->user);
    buf_add_char(&line, ' ');
    buf_add_quoted(&line, d->password);
    enum talk_result r = talk_imap(d->talk, buf_str(&line), a);
    buf_wipe(&line);
    return r;
}

bool check_imap_login(struct check_dialogue *d)
{
    struct imap_answer a = IMAP_ANSWER_INIT;
    if (!d->leg->cert.is_good) {
        check_find(d->leg, FINDING_LOGIN_WITHHELD, "the certificate does not prove who this is");
        return false;
    }
    bool has_plain = check_words_has(&d->leg->tls, STR("AUTH=PLAIN"));
    enum talk_result r = has_plain ? log_in_plain(d, &a) : log_in_simple(d, &a);
    bool is_in = check_went_well(d, r, "the login");
    if (is_in && a.status != IMAP_STATUS_OK) {
        check_find(d->leg, FINDING_LOGIN_REFUSED, "%.*s",
                   STR_ARG(str_sub(buf_str(&a.text), 0, SHOWN_MOST)));
        is_in = false;
    }
    struct str words;
    if (is_in
        && (imap_answer_find_capability(&a, &words)
            || (step(d, "CAPABILITY", &a, FINDING_COMMAND_REFUSED)
                && imap_answer_find_capability(&a, &words)))) {
        check_words_take_capability(words, &d->offers);
    }
    imap_answer_release(&a);
    return is_in;
}

/* ---- there and back ---- */

/* The content of APPEND; a server that waits for octets that were lost on the way gets others. */
static enum talk_result send_content(struct check_dialogue *d, struct str content,
                                     struct imap_answer *a)
{
    CLEANUP(buf_release) struct buf out = BUF_INIT(CONTENT_MOST);
    buf_add(&out, content);
    buf_add_c(&out, "\r\n");
    enum talk_result r = talk_imap_go_on(d->talk, buf_str(&out), a);
    if (r == TALK_SILENT) {
        buf_clear(&out);
        check_octets_pad(&out, CHECK_PADDING);
        talk_go_on(d->talk);
        r = talk_imap_go_on(d->talk, buf_str(&out), a);
    }
    if (r == TALK_SILENT) {
        check_find(d->leg, FINDING_LARGE_STALL,
                   "small commands pass, APPEND with %zu octets stalls", content.n);
    }
    return r;
}

static bool append(struct check_dialogue *d, struct str content, bool is_binary,
                   struct imap_answer *a)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(LINE_MOST);
    buf_addf(&line, "APPEND Limetta-check-%.*s %s{%zu}", STR_ARG(d->unique), is_binary ? "~" : "",
             content.n);
    if (!check_went_well(d, talk_imap(d->talk, buf_str(&line), a), "APPEND")) {
        return false;
    }
    enum talk_result r = a->has_continue ? send_content(d, content, a) : TALK_OK;
    if (r == TALK_SILENT || !check_went_well(d, r, "APPEND")) {
        return false;
    }
    if (a->status != IMAP_STATUS_OK) {
        bool is_blocked = is_binary && a->status == IMAP_STATUS_BAD;
        check_find(d->leg, is_blocked ? FINDING_COMMAND_REFUSED : FINDING_MAIL_REFUSED,
                   "APPEND of %s: %.*s", is_binary ? "literal8" : "a message",
                   STR_ARG(str_sub(buf_str(&a->text), 0, SHOWN_MOST)));
    }
    return a->status == IMAP_STATUS_OK;
}

/* The date that the server gave the message against our own clock. */
static void judge_clock(struct check_dialogue *d, const struct imap_answer *a)
{
    struct str lines = buf_str(&a->lines);
    size_t at = str_find_str(lines, STR("INTERNALDATE "));
    struct scan c = scan_make(str_skip(lines, at + 13));
    int64_t then = scan_date_time(&c);
    int64_t now = (int64_t)(d->wall_ms / 1000);
    if (at == lines.n || c.err != ERR_OK) {
        return;
    }
    int64_t skew = then > now ? then - now : now - then;
    if (skew > SKEW_MOST_S + (int64_t)(d->talk->timeout_ms / 1000)) {
        check_find(d->leg, FINDING_CLOCK_SKEW, "the server's clock is %lld s %s ours",
                   (long long)skew, then > now ? "ahead of" : "behind");
    }
}

/* False: it did not come. What came without fitting the sizes that were said is compared all the same. */
static bool fetch_and_compare(struct check_dialogue *d, const char *command, const char *how,
                              bool is_binary, struct imap_answer *a)
{
    CLEANUP(buf_release) struct buf sent = BUF_INIT(CONTENT_MOST);
    CLEANUP(buf_release) struct buf raw = BUF_INIT(CONTENT_MOST * 2);
    check_octets_write(&sent, is_binary);
    talk_record(d->talk, &raw);
    enum talk_result r = talk_imap(d->talk, str_from_c(command), a);
    talk_record(d->talk, NULL);
    bool is_misfit =
        (r == TALK_SILENT || r == TALK_FOREIGN) && check_octets_have_end(buf_str(&raw));
    if (is_misfit) {
        if (check_octets_compare(d->leg, how, buf_str(&sent), buf_str(&raw))) {
            check_find(d->leg, FINDING_OCTETS_OTHER, "%s: sizes and octets do not fit", how);
        }
        return true;
    }
    if (r == TALK_SILENT) {
        check_find(d->leg, FINDING_LARGE_STALL, "%s: the server's large answer does not come", how);
        return false;
    }
    if (!check_went_well(d, r, "FETCH") || a->status != IMAP_STATUS_OK) {
        return false;
    }
    if (check_octets_compare(d->leg, how, buf_str(&sent), buf_str(&a->literal))) {
        buf_addf(&d->leg->intact, "%s\n", how);
    }
    return true;
}

static void try_octets(struct check_dialogue *d, bool is_binary, struct imap_answer *a)
{
    CLEANUP(buf_release) struct buf content = BUF_INIT(CONTENT_MOST);
    CLEANUP(buf_release) struct buf line = BUF_INIT(LINE_MOST);
    check_message_write(d, is_binary, &content);
    buf_addf(&line, "SELECT Limetta-check-%.*s", STR_ARG(d->unique));
    if (!append(d, buf_str(&content), is_binary, a) || !step(d, line.p, a, FINDING_MAIL_REFUSED)) {
        return;
    }
    const char *fetch =
        is_binary ? "FETCH 1 (INTERNALDATE BINARY.PEEK[1])" : "FETCH 1 (INTERNALDATE BODY.PEEK[1])";
    if (fetch_and_compare(d, fetch, "APPEND and FETCH", is_binary, a)) {
        judge_clock(d, a);
    }
    if (d->talk->result == TALK_OK) {
        (void)step(d, "CLOSE", a, FINDING_MAIL_REFUSED);
    }
}

void check_imap_octets(struct check_dialogue *d)
{
    struct imap_answer a = IMAP_ANSWER_INIT;
    CLEANUP(buf_release) struct buf line = BUF_INIT(LINE_MOST);
    bool is_binary = check_words_has(&d->offers, STR("BINARY"));
    if (!is_binary) {
        check_find(d->leg, FINDING_NOT_BINARY,
                   "BINARY is not offered: NUL, bare CR and LF untried");
    }
    buf_addf(&line, "CREATE Limetta-check-%.*s", STR_ARG(d->unique));
    if (step(d, line.p, &a, FINDING_MAIL_REFUSED)) {
        try_octets(d, is_binary, &a);
        buf_clear(&line);
        buf_addf(&line, "DELETE Limetta-check-%.*s", STR_ARG(d->unique));
        if (d->talk->result == TALK_OK) {
            (void)step(d, line.p, &a, FINDING_MAIL_REFUSED);
        }
    }
    imap_answer_release(&a);
}

/* ---- mail that was sent ---- */

/* The first number of a SEARCH response; 0: none. */
static uint64_t find_number(const struct imap_answer *a)
{
    struct str lines = buf_str(&a->lines);
    uint64_t uid = 0;
    while (lines.n > 0) {
        struct str line = str_split(&lines, '\n');
        if (str_starts_nocase(line, STR("SEARCH "))) {
            line = str_skip(line, 7);
            return str_to_u64(str_split(&line, ' '), UINT32_MAX, &uid) ? uid : 0;
        }
    }
    return 0;
}

static void remove_mail(struct check_dialogue *d, uint64_t uid, struct imap_answer *a)
{
    CLEANUP(buf_release) struct buf line = BUF_INIT(LINE_MOST);
    buf_addf(&line, "UID STORE %llu +FLAGS.SILENT (\\Deleted)", (unsigned long long)uid);
    if (d->talk->result == TALK_OK && step(d, line.p, a, FINDING_MAIL_REFUSED)
        && check_words_has(&d->offers, STR("UIDPLUS"))) {
        buf_clear(&line);
        buf_addf(&line, "UID EXPUNGE %llu", (unsigned long long)uid);
        (void)step(d, line.p, a, FINDING_MAIL_REFUSED);
    }
}

bool check_imap_arrived(struct check_dialogue *d, bool is_binary)
{
    struct imap_answer a = IMAP_ANSWER_INIT;
    CLEANUP(buf_release) struct buf line = BUF_INIT(LINE_MOST);
    buf_addf(&line, "UID SEARCH HEADER Message-ID limetta-check-%.*s", STR_ARG(d->unique));
    bool has_come = true; /* or will not be seen to come */
    if (step(d, "SELECT INBOX", &a, FINDING_MAIL_REFUSED)
        && step(d, line.p, &a, FINDING_MAIL_REFUSED)) {
        uint64_t uid = find_number(&a);
        bool can_binary = check_words_has(&d->offers, STR("BINARY"));
        has_come = uid > 0;
        buf_clear(&line);
        buf_addf(&line, "UID FETCH %llu %s", (unsigned long long)uid,
                 is_binary && can_binary ? "BINARY.PEEK[1]" : "BODY.PEEK[1]");
        if (has_come && is_binary && !can_binary) {
            check_find(d->leg, FINDING_NOT_BINARY,
                       "BINARY is not offered: the mail is not compared");
        } else if (has_come) {
            (void)fetch_and_compare(d, line.p, "BDAT and FETCH", is_binary, &a);
        }
        if (has_come) {
            remove_mail(d, uid, &a);
        }
    }
    imap_answer_release(&a);
    return has_come;
}

void check_imap_commands(struct check_dialogue *d)
{
    static const struct {
        const char *word;
        const char *command;
    } ROWS
        [] =
            {
                {"NAMESPACE", "NAMESPACE"},
                {"ENABLE", "ENABLE X-LIMETTA-CHECK"},
                {"IDLE", "IDLE"},
                {"NOTIFY", "NOTIFY NONE"},
                {"COMPRESS=DEFLATE", "COMPRESS DEFLATE"}, /* last: nothing follows in plain octets */
            };
    bool is_open = d->talk->result == TALK_OK;
    for (size_t i = 0; is_open && i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        is_open = check_imap_try(d, &d->offers, ROWS[i].word, ROWS[i].command);
    }
}
