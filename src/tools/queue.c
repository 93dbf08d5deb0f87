/* limetta queue: the operator looks at outgoing mail and takes it in hand.
 *
 *     limetta queue [list] [ID ...] [filters] [--json] [--live]
 *     limetta queue show ID ... [--json]
 *     limetta queue hold|release|remove|flush ID ... | filters | --all [--bounce]
 *
 * Filters: --sender, --recipient, --domain, --held; all that are given must hold. Without a word it is a view that a terminal
 * sees redrawn each second; elsewhere it is printed once. Exit code 1: there is no such message. */
#include "tools/tool.h"

#include "queue/admin.h"
#include "tools/desk_link.h"
#include "tools/queue_link.h"
#include "tools/queue_print.h"
#include "tools/screen.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char USAGE[] =
    "limetta queue [list|show|hold|release|remove|flush] [ID ...] [--sender ADDRESS] "
    "[--recipient ADDRESS] [--domain DOMAIN] [--held] [--all] [--json] [--live] [--bounce] "
    "[--state DIR] [--config FILE]";

enum { PRINT_MOST = 64 * 1024 * 1024, FRAME_MOST = 1 << 20 };

struct question {
    const char *op;
    const char *sender;
    const char *recipient;
    const char *domain;
    bool is_held;
    bool is_all;
    bool is_json;
    bool is_live;
    bool is_bounced;
    struct tool_words words; /* at[0]: the op */
};

struct totals {
    uint64_t messages;
    uint64_t recipients;
    uint64_t busy;
};

static uint64_t get_now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void add_word(struct buf *out, const char *key, const char *value)
{
    if (value != NULL) {
        fields_add(out, str_from_c(key), str_from_c(value));
    }
}

static bool has_ids(const struct question *q)
{
    return q->words.count > 1;
}

static void write_request(const struct question *q, uint64_t after, struct buf *out)
{
    CLEANUP(buf_release) struct buf ids = BUF_INIT(ADMIN_REQUEST_MOST);
    add_word(out, "op", q->op);
    add_word(out, "sender", q->sender);
    add_word(out, "recipient", q->recipient);
    add_word(out, "domain", q->domain);
    add_word(out, "held", q->is_held ? "1" : NULL);
    add_word(out, "bounce", q->is_bounced ? "1" : NULL);
    fields_add_u64(out, STR("after"), after);
    for (int i = 1; i < q->words.count; i++) {
        buf_addf(&ids, "%s%s", i > 1 ? " " : "", q->words.at[i]);
    }
    if (has_ids(q)) {
        fields_add(out, STR("ids"), buf_str(&ids));
    }
}

/* Prints an answer's blocks; *next: where to go on, 0: nowhere. */
static void take_answer(struct queue_print *p, struct str answer, struct totals *t, uint64_t *next)
{
    struct fields f;
    while (desk_link_next(&answer, &f)) {
        queue_print_block(p, &f);
        if (str_eq(fields_get(&f, STR("type")), STR("end"))) {
            *next = fields_get_u64(&f, STR("next"), 0);
            t->messages += fields_get_u64(&f, STR("messages"), 0);
            t->recipients += fields_get_u64(&f, STR("recipients"), 0);
            t->busy += fields_get_u64(&f, STR("busy"), 0);
        }
        fields_release(&f);
    }
}

/* Asks page after page; what is shown goes to standard output. */
static int ask_all(struct queue_link *l, const struct question *q, struct totals *t)
{
    CLEANUP(buf_release) struct buf request = BUF_INIT(ADMIN_REQUEST_MOST);
    CLEANUP(buf_release) struct buf answer = BUF_INIT(ADMIN_ANSWER_MOST);
    CLEANUP(buf_release) struct buf text = BUF_INIT(PRINT_MOST);
    uint64_t next = 0;
    do {
        buf_clear(&request);
        buf_clear(&text);
        write_request(q, next, &request);
        int code = queue_link_ask(l, buf_str(&request), &answer);
        if (code != EXIT_FINE) {
            return code;
        }
        struct queue_print p = {.out = &text, .now_ms = get_now_ms(), .is_json = q->is_json};
        take_answer(&p, buf_str(&answer), t, &next);
        if (fwrite(text.p != NULL ? text.p : "", 1, text.len, stdout) != text.len) {
            return tool_fail(EXIT_ENVIRONMENT, "cannot write the list");
        }
    } while (next > 0);
    return EXIT_FINE;
}

static int report_change(const struct question *q, const struct totals *t)
{
    static const char *const DONE[][2] = {
        {"hold", "held"}, {"release", "released"}, {"remove", "removed"}, {"flush", "made due"}};
    for (size_t i = 0; i < sizeof(DONE) / sizeof(DONE[0]); i++) {
        if (strcmp(q->op, DONE[i][0]) == 0) {
            (void)printf("%llu message%s, %llu recipient%s %s\n", (unsigned long long)t->messages,
                         t->messages == 1 ? "" : "s", (unsigned long long)t->recipients,
                         t->recipients == 1 ? "" : "s", DONE[i][1]);
        }
    }
    if (t->busy > 0) {
        return tool_fail(EXIT_NOT_SO,
                         "%llu recipients are being delivered at this moment and were not touched",
                         (unsigned long long)t->busy);
    }
    return EXIT_FINE;
}

/* ---- the view ---- */

/* The state of things and the first page of the list. */
static int write_frame(struct queue_link *l, const struct question *q, struct buf *out)
{
    CLEANUP(buf_release) struct buf request = BUF_INIT(ADMIN_REQUEST_MOST);
    CLEANUP(buf_release) struct buf answer = BUF_INIT(ADMIN_ANSWER_MOST);
    struct queue_print p = {.out = out, .now_ms = get_now_ms()};
    struct totals t = {0, 0, 0};
    uint64_t next = 0;
    int code = queue_link_ask(l, STR("op=status\n"), &answer);
    if (code == EXIT_FINE) {
        take_answer(&p, buf_str(&answer), &t, &next);
        buf_add_char(out, '\n');
        write_request(q, 0, &request);
        code = queue_link_ask(l, buf_str(&request), &answer);
    }
    if (code == EXIT_FINE) {
        take_answer(&p, buf_str(&answer), &t, &next);
    }
    return code;
}

static int show_live(struct queue_link *l, const struct question *q)
{
    bool is_terminal = screen_begin();
    bool goes_on = true;
    int code = EXIT_FINE;
    while (code == EXIT_FINE && goes_on) {
        CLEANUP(buf_release) struct buf frame = BUF_INIT(FRAME_MOST);
        code = write_frame(l, q, &frame);
        if (code == EXIT_FINE && is_terminal) {
            screen_draw(buf_str(&frame));
        } else if (code == EXIT_FINE) {
            (void)fwrite(frame.p != NULL ? frame.p : "", 1, frame.len, stdout);
        }
        goes_on = is_terminal && code == EXIT_FINE && screen_wait();
    }
    if (is_terminal) {
        screen_end();
    }
    return code;
}

/* ---- the tool ---- */

struct op {
    const char *name;
    bool needs_ids;
    bool needs_words; /* ids, a filter or --all */
};

static const struct op OPS[] = {
    {"list", false, false},   {"show", true, true},    {"hold", false, true},
    {"release", false, true}, {"remove", false, true}, {"flush", false, false},
};

/* The first word behind the op that is no id; NULL: all are. */
static const char *find_bad_id(const struct question *q)
{
    uint64_t id = 0;
    for (int i = 1; i < q->words.count; i++) {
        if (!str_to_u64(str_from_c(q->words.at[i]), INT64_MAX, &id)) {
            return q->words.at[i];
        }
    }
    return NULL;
}

static bool is_meant(const struct question *q)
{
    bool has_filter = q->sender != NULL || q->recipient != NULL || q->domain != NULL;
    return has_ids(q) || has_filter || q->is_held || q->is_all;
}

static int check(struct question *q)
{
    const struct op *op = NULL;
    q->op = q->words.count > 0 ? q->words.at[0] : "list";
    for (size_t i = 0; i < sizeof(OPS) / sizeof(OPS[0]); i++) {
        op = strcmp(q->op, OPS[i].name) == 0 ? &OPS[i] : op;
    }
    if (op == NULL) {
        return tool_fail(EXIT_USAGE, "%s: not known; usage: %s", q->op, USAGE);
    }
    if (find_bad_id(q) != NULL) {
        return tool_fail(EXIT_USAGE, "%s: a message's id is a number", find_bad_id(q));
    }
    if (op->needs_ids && !has_ids(q)) {
        return tool_fail(EXIT_USAGE, "%s needs an id; usage: %s", q->op, USAGE);
    }
    if (op->needs_words && !is_meant(q)) {
        return tool_fail(EXIT_USAGE, "%s needs ids, a filter or --all; usage: %s", q->op, USAGE);
    }
    if (q->is_bounced && strcmp(q->op, "remove") != 0) {
        return tool_fail(EXIT_USAGE, "--bounce goes with remove; usage: %s", USAGE);
    }
    return EXIT_FINE;
}

static int run(struct queue_link *l, struct question *q)
{
    struct totals t = {0, 0, 0};
    bool is_view = q->is_live || (q->words.count == 0 && !q->is_json && !has_ids(q));
    if (strcmp(q->op, "list") == 0 && is_view) {
        return show_live(l, q);
    }
    int code = ask_all(l, q, &t);
    if (code == EXIT_FINE && has_ids(q) && t.messages == 0 && t.busy == 0) {
        bool is_hold = strcmp(q->op, "hold") == 0;
        bool is_release = strcmp(q->op, "release") == 0;
        return tool_fail(EXIT_NOT_SO, "there is no such message%s",
                         is_hold      ? ", or it is held already"
                         : is_release ? ", or it is not held"
                                      : "");
    }
    return code == EXIT_FINE ? report_change(q, &t) : code;
}

int tool_queue(int argc, char **argv, const struct tool_queue_config *config)
{
    const char *state = "state";
    const char *ignored = NULL;
    struct question q = {.words = {.most = TOOL_WORDS_MOST}};
    struct queue_link link;
    const struct tool_option options[] = {
        {"--sender", &q.sender, NULL},
        {"--recipient", &q.recipient, NULL},
        {"--domain", &q.domain, NULL},
        {"--held", NULL, &q.is_held},
        {"--all", NULL, &q.is_all},
        {"--json", NULL, &q.is_json},
        {"--live", NULL, &q.is_live},
        {"--bounce", NULL, &q.is_bounced},
        {"--state", &state, NULL},
        {"--config", &ignored, NULL},
        {NULL, NULL, NULL},
    };
    int code = tool_parse(argc, argv, options, USAGE, &q.words);
    code = code == EXIT_FINE ? check(&q) : code;
    if (code != EXIT_FINE) {
        return code;
    }
    code = queue_link_open(state, config->hostname, config->lifetime_ms, &link);
    if (code == EXIT_FINE) {
        code = run(&link, &q);
        queue_link_close(&link);
    }
    return code;
}
