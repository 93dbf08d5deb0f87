/* MD-1: what a run costs. A step stands for about the same time, whatever it is spent on: else a script and a message that fit each
 * other could hold the worker for much longer than the limit of steps means. Times are compared with each other, as no machine is like
 * another. */
#include "unit.h"

#include "sieve/run.h"

#include <time.h>

#define REQUIRE                                                                                    \
    "require [\"body\", \"comparator-i;unicode-casemap\", \"date\", \"fileinto\", "                \
    "\"imap4flags\", \"index\", \"variables\"];\n"

enum { RUNS = 3, TIMES_MOST = 8, MESSAGE_MOST = 8 * 1024 * 1024 };

struct cost {
    uint64_t ns; /* of the fastest run */
    uint64_t steps;
    bool is_failed;
};

static void add_times(struct buf *out, const char *text, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        buf_add_c(out, text);
    }
}

static uint64_t get_cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static struct cost measure(const struct buf *script, const struct buf *message)
{
    struct sieve_script *s = NULL;
    struct sieve_error error;
    struct cost best = {.ns = UINT64_MAX};
    assert_int_equal(sieve_compile(buf_str(script), NULL, &s, &error), ERR_OK);
    struct sieve_env env = {.message = buf_str(message)};
    for (int i = 0; i < RUNS; i++) {
        struct sieve_result result;
        struct arena *a = arena_new(256 * 1024 * 1024);
        uint64_t start = get_cpu_ns();
        assert_int_equal(sieve_run(s, &env, a, &result), ERR_OK);
        uint64_t ns = get_cpu_ns() - start;
        best.ns = ns < best.ns ? ns : best.ns;
        best.steps = result.steps;
        best.is_failed = result.is_failed;
        arena_free(&a);
    }
    sieve_script_free(&s);
    return best;
}

/* A script of `head`, then `rule` so often, over a message of Subject with `word` so often. */
struct hostile {
    const char *what;
    const char *head;
    const char *rule;
    unsigned rules;
    const char *word;
    unsigned words;
};

static struct cost measure_case(const struct hostile *h)
{
    struct buf script = BUF_INIT(MESSAGE_MOST);
    struct buf message = BUF_INIT(MESSAGE_MOST);
    buf_add_c(&script, REQUIRE);
    buf_add_c(&script, h->head);
    add_times(&script, h->rule, h->rules);
    buf_add_c(&message, "Subject:");
    add_times(&message, h->word, h->words);
    buf_add_c(&message, "\r\n\r\nbody\r\n");
    struct cost c = measure(&script, &message);
    buf_release(&script);
    buf_release(&message);
    return c;
}

static void test_hostile(void **state)
{
    static const struct hostile REFERENCE = {
        "a glob", "",  "if header :matches \"subject\" \"*a?a?a?a?a?az\" { stop; }\n",
        5000,     "a", 20000};
    static const struct hostile CASES[] = {
        {"a search without case", "",
         "if header :comparator \"i;unicode-casemap\" :contains \"subject\" \"q\" { stop; }\n", 500,
         "\xc3\x9f\xe1\xba\x9e\xef\xac\x83", 7500},
        {"encoded words", "", "if header \"subject\" \"q\" { stop; }\n", 500,
         "\r\n =?utf-8?B?w6TDpMOkw6TDpMOkw6TDpA==?=", 20000},
        {"other charsets", "", "if header \"subject\" \"q\" { stop; }\n", 500,
         "\r\n =?iso-2022-jp?B?GyRCJCIbKEI=?=", 20000},
        {"addresses", "", "if address \"x-list\" \"q\" { stop; }\n", 500,
         " x\r\nX-List: \"N\" <a@b.example>, <c@d.example>, e@f.example", 9000},
        {"dates", "", "if date :index 1 :last \"received\" \"year\" \"1\" { stop; }\n", 2000,
         "x\r\nReceived: a; Tue, 1 Nov 2022 10:00:00 +0100", 10000},
    };
    struct cost reference = measure_case(&REFERENCE);
    assert_true(reference.is_failed);
    uint64_t most_ns = reference.ns;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct cost c = measure_case(&CASES[i]);
        most_ns = c.ns > most_ns ? c.ns : most_ns;
        if (c.ns / c.steps > TIMES_MOST * (reference.ns / reference.steps + 1)) {
            fail_msg("%s: a step takes %llu ns, of a glob %llu", CASES[i].what,
                     (unsigned long long)(c.ns / c.steps),
                     (unsigned long long)(reference.ns / reference.steps));
        }
    }
    print_message("the longest hostile run: %.1f ms\n", (double)most_ns / 1e6);
}

/* Every variable is looked for among all of them. */
static void test_variables(void **state)
{
    struct buf script = BUF_INIT(MESSAGE_MOST);
    struct buf message = BUF_INIT(MESSAGE_MOST);
    buf_add_c(&script, REQUIRE);
    for (unsigned i = 0; i < 250; i++) {
        buf_addf(&script, "set \"v%u\" \"x\";\n", i);
    }
    buf_add_c(&message, "Subject: x\r\n\r\n");
    struct cost before = measure(&script, &message);
    buf_add_c(&script, "if string \"q\" \"");
    add_times(&script, "${v0}", 1000);
    buf_add_c(&script, "\" { stop; }\n");
    struct cost c = measure(&script, &message);
    assert_true(c.steps - before.steps > 1000 * 250 / 8);
    buf_release(&script);
    buf_release(&message);
}

/* Real scripts are far from the limits: 500 rules over several fields run to the end. */
static void test_many_rules(void **state)
{
    struct buf script = BUF_INIT(MESSAGE_MOST);
    struct buf message = BUF_INIT(MESSAGE_MOST);
    buf_add_c(&script, REQUIRE);
    for (unsigned i = 0; i < 500; i++) {
        buf_addf(&script,
                 "if anyof (header :contains [\"subject\", \"from\"] [\"a%u\", \"b%u\", \"c%u\"], "
                 "address [\"to\", \"cc\"] \"list%u@x.example\", "
                 "header :matches \"list-id\" \"*<l%u.*>*\") { fileinto \"F\"; stop; }\n",
                 i, i, i, i, i);
    }
    buf_add_c(&message, "From: Ann <ann@example.org>\r\nTo: ben@example.org, cat@example.org\r\n"
                        "Subject: About the plan for the next month\r\nList-Id: <l.example>\r\n");
    add_times(&message, "Received: from a by b; Tue, 1 Nov 2022 10:00:00 +0100\r\n", 25);
    buf_add_c(&message, "\r\nHello.\r\n");
    struct cost c = measure(&script, &message);
    assert_false(c.is_failed);
    struct sieve_limits limits;
    sieve_limits_init(&limits);
    assert_true(c.steps < limits.steps / 4);
    print_message("500 rules: %llu steps, %.1f ms\n", (unsigned long long)c.steps,
                  (double)c.ns / 1e6);
    buf_release(&script);
    buf_release(&message);
}

/* A part is decoded once, however many tests look at it. */
static void test_body(void **state)
{
    struct buf one = BUF_INIT(MESSAGE_MOST);
    struct buf many = BUF_INIT(MESSAGE_MOST);
    struct buf message = BUF_INIT(MESSAGE_MOST);
    buf_add_c(&one, REQUIRE "if body :text :contains \"q\" { stop; }\n");
    buf_add(&many, buf_str(&one));
    add_times(&many, "if body :text :contains \"q\" { stop; }\n", 19);
    buf_add_c(&message, "Content-Type: text/html; charset=utf-8\r\n\r\n");
    add_times(&message, "<p><a href=\"x\">&auml;</a>\r\n", 8000);
    struct cost first = measure(&one, &message);
    struct cost all = measure(&many, &message);
    assert_false(all.is_failed);
    assert_true(all.steps < 4 * first.steps);
    buf_release(&one);
    buf_release(&many);
    buf_release(&message);
}

static uint64_t measure_compile(const char *head, const char *word)
{
    struct buf script = BUF_INIT(MESSAGE_MOST);
    uint64_t best = UINT64_MAX;
    buf_add_c(&script, head);
    while (script.len < 256 * 1024) {
        buf_add_c(&script, word);
    }
    buf_add_c(&script, "keep;");
    for (int i = 0; i < RUNS; i++) {
        struct sieve_script *s = NULL;
        struct sieve_error error;
        uint64_t start = get_cpu_ns();
        err_ignore(sieve_compile(buf_str(&script), NULL, &s, &error));
        uint64_t ns = get_cpu_ns() - start;
        best = ns < best ? ns : best;
        sieve_script_free(&s);
    }
    buf_release(&script);
    return best;
}

/* Scripts of one size take about one time to compile: nothing is read twice, and guesses have an end. */
static void test_compile(void **state)
{
    static const char *const WORDS[][2] = {
        {"require \"variables\"; redirect \"", "${"},
        {"require \"variables\"; redirect \"", "${a"},
        {"require \"encoded-character\"; redirect \"", "${hex:"},
        {"require \"encoded-character\"; redirect \"", "${unicode: 40 "},
        {"require \"ihave\";", "addheeder;"},
    };
    uint64_t reference = measure_compile("", "keep;");
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        uint64_t ns = measure_compile(WORDS[i][0], WORDS[i][1]);
        if (ns > 6 * reference) {
            fail_msg("%s takes %llu ns, commands %llu", WORDS[i][1], (unsigned long long)ns,
                     (unsigned long long)reference);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hostile),    cmocka_unit_test(test_variables),
        cmocka_unit_test(test_many_rules), cmocka_unit_test(test_body),
        cmocka_unit_test(test_compile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
