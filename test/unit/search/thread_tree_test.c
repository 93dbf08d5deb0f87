/* Unit tests of search/thread_tree (X-THREAD): small mailboxes and their threads by each algorithm of RFC 5256; depth; yielding. */
#include "search/thread_tree.h"

#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { MESSAGES_MOST = 12 };

struct given {
    int64_t date;
    const char *subject; /* base; "Re:" in front says that it is a reply */
    const char *id;
    const char *references;
    const char *in_reply_to;
};

struct test_case {
    struct given messages[MESSAGES_MOST];
    const char *ordered;
    const char *references;
    const char *refs;
};

static const struct test_case CASES[] = {
    {{{0}}, "", "", ""},
    {{{1, "a", "<1@x>", "", ""}}, "(1)", "(1)", "(1)"},
    /* a chain, and a message that has nothing to do with it */
    {{{1, "a", "<1@x>", "", ""},
      {2, "Re:a", "<2@x>", "<1@x>", ""},
      {3, "Re:a", "<3@x>", "<1@x> <2@x>", ""},
      {4, "b", "<4@x>", "", ""}},
     "(1 (2)(3))(4)",
     "(1 2 3)(4)",
     "(1 2 3)(4)"},
    /* siblings by sent date; In-Reply-To counts when there are no References, and only its first id */
    {{{1, "a", "<1@x>", "", ""},
      {5, "a", "<2@x>", "", "<1@x>"},
      {3, "a", "<3@x>", "nonsense", "your mail of <today> <1@x> <2@x>"}},
     "(1 (3)(2))",
     "(1 (3)(2))",
     "(1 (3)(2))"},
    /* a parent that is not there: two children stand below a dummy, one takes its place */
    {{{1, "a", "<1@x>", "<gone@x>", ""},
      {2, "b", "<2@x>", "<gone@x>", ""},
      {3, "c", "<3@x>", "<away@x>", ""}},
     "(1)(2)(3)",
     "((1)(2))(3)",
     "((1)(2))(3)"},
    /* dummies below dummies give way */
    {{{1, "a", "<1@x>", "<g1@x> <g2@x>", ""},
      {2, "b", "<2@x>", "<g1@x> <g3@x> <g4@x>", ""},
      {3, "c", "<3@x>", "<2@x> <g5@x>", ""}},
     "(1)(2)(3)",
     "((1)(2 3))",
     "((1)(2 3))"},
    /* the parent comes later, and dates order the threads */
    {{{9, "b", "<2@x>", "<1@x>", ""}, {2, "b", "<1@x>", "", ""}, {1, "c", "<3@x>", "", ""}},
     "(3)(2 1)",
     "(3)(2 1)",
     "(2 1)(3)"},
    /* the same id twice: the first one has it */
    {{{1, "a", "<1@x>", "", ""}, {2, "b", "<1@x>", "", ""}, {3, "c", "<3@x>", "<1@x>", ""}},
     "(1)(2)(3)",
     "(1 3)(2)",
     "(2)(1 3)"},
    /* loops are not made */
    {{{1, "a", "<1@x>", "<2@x>", ""},
      {2, "b", "<2@x>", "<1@x>", ""},
      {3, "c", "<3@x>", "<3@x>", ""}},
     "(1)(2)(3)",
     "(2 1)(3)",
     "(2 1)(3)"},
    /* what a message says of itself counts more than what others say of it (1.B) */
    {{{1, "a", "<1@x>", "<0@x> <2@x>", ""}, {2, "b", "<2@x>", "", ""}, {3, "c", "<0@x>", "", ""}},
     "(1)(2)(3)",
     "(2 1)(3)",
     "(2 1)(3)"},
    /* quoting in ids does not matter, case does */
    {{{1, "a", "<\"1 1\"@x>", "", ""},
      {2, "b", "<2@x>", "<1\\ 1@x>", ""},
      {3, "c", "<3@x>", "<1@X>", ""}},
     "(1)(2)(3)",
     "(1 2)(3)",
     "(1 2)(3)"},
    /* step 5: a reply goes below the one that is none, whichever comes first */
    {{{1, "Re:s", "<1@x>", "", ""}, {2, "s", "<2@x>", "", ""}, {3, "Re:s", "<3@x>", "", ""}},
     "(1 (2)(3))",
     "(2 (1)(3))",
     "(1)(2)(3)"},
    /* two that are none of them replies stand below a dummy, a third joins them */
    {{{1, "s", "<1@x>", "", ""}, {2, "s", "<2@x>", "", ""}, {3, "s", "<3@x>", "", ""}},
     "(1 (2)(3))",
     "((1)(2)(3))",
     "(1)(2)(3)"},
    /* dummies are joined, and take in others */
    {{{1, "s", "<1@x>", "<d1@x>", ""},
      {2, "t", "<2@x>", "<d1@x>", ""},
      {3, "s", "<3@x>", "<d2@x>", ""},
      {4, "u", "<4@x>", "<d2@x>", ""},
      {5, "s", "<5@x>", "", ""}},
     "(1 (3)(5))(2)(4)",
     "((1)(2)(3)(4)(5))",
     "((1)(2))((3)(4))(5)"},
    /* empty subjects join nothing by REFERENCES */
    {{{1, "", "", "", ""}, {2, "", "", "", ""}, {3, "Re:", "", "", ""}},
     "(1 (2)(3))",
     "(1)(2)(3)",
     "(1)(2)(3)"},
};

static void write_below(struct buf *out, const struct thread_node *nodes, uint32_t n)
{
    bool is_split = nodes[n].child != 0 && nodes[nodes[n].child].next != 0;
    if (nodes[n].seq != 0) {
        buf_add_u64(out, nodes[n].seq);
    }
    for (uint32_t c = nodes[n].child; c != 0; c = nodes[c].next) {
        bool is_list = n == 0 || nodes[n].seq == 0 || is_split;
        bool has_space = n != 0 && nodes[n].seq != 0 && c == nodes[n].child;
        buf_add_c(out, has_space ? " " : "");
        buf_add_c(out, is_list ? "(" : "");
        write_below(out, nodes, c);
        buf_add_c(out, is_list ? ")" : "");
    }
}

static void run(const struct test_case *c, enum thread_algorithm algorithm, uint64_t budget,
                struct buf *out)
{
    struct thread_tree t;
    thread_tree_init(&t, algorithm);
    for (uint32_t i = 0; i < MESSAGES_MOST && c->messages[i].subject != NULL; i++) {
        const struct given *g = &c->messages[i];
        struct str subject = str_from_c(g->subject);
        bool is_reply = str_starts(subject, STR("Re:"));
        const struct thread_message m = {.seq = i + 1,
                                         .date_s = g->date,
                                         .arrival_s = i,
                                         .subject = is_reply ? str_skip(subject, 3) : subject,
                                         .is_reply = is_reply,
                                         .message_id = str_from_c(g->id),
                                         .references = str_from_c(g->references),
                                         .in_reply_to = str_from_c(g->in_reply_to)};
        assert_int_equal(thread_tree_add(&t, &m), ERR_OK);
    }
    uint64_t left = budget;
    for (unsigned i = 0; !thread_tree_step(&t, &left); i++) {
        assert_true(i < 100000);
        left = budget;
    }
    write_below(out, t.nodes.at, 0);
    thread_tree_release(&t);
}

static void test_x_thread_cases(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < 2 * sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct test_case *c = &CASES[i / 2];
        const char *const want[] = {c->ordered, c->references, c->refs};
        for (enum thread_algorithm a = THREAD_ORDEREDSUBJECT; a <= THREAD_REFS; a++) {
            struct buf got = BUF_INIT(1000);
            run(c, a, i % 2 == 0 ? UINT64_MAX : 1, &got);
            if (!str_eq(buf_str(&got), str_from_c(want[a]))) {
                print_message("case %zu, algorithm %u: want %s, got %.*s\n", i / 2, (unsigned)a,
                              want[a], STR_ARG(buf_str(&got)));
                wrong++;
            }
            buf_release(&got);
        }
    }
    assert_int_equal(wrong, 0);
}

/* A hundred thousand messages, each the answer to the one before, in either order of arrival: one thread, in bounded work. */
static void test_deep(void **state)
{
    enum { DEPTH = 100000 };
    (void)state;
    for (unsigned is_reverse = 0; is_reverse < 2; is_reverse++) {
        struct thread_tree t;
        thread_tree_init(&t, THREAD_REFERENCES);
        uint64_t work = 0;
        for (uint32_t i = 1; i <= DEPTH; i++) {
            char id[32];
            char parent[32];
            uint32_t n = is_reverse != 0 ? DEPTH + 1 - i : i;
            (void)snprintf(id, sizeof(id), "<%u@x>", n);
            (void)snprintf(parent, sizeof(parent), "<%u@x>", n - 1);
            const struct thread_message m = {.seq = i,
                                             .date_s = n,
                                             .message_id = str_from_c(id),
                                             .references = str_from_c(n > 1 ? parent : "")};
            assert_int_equal(thread_tree_add(&t, &m), ERR_OK);
            work += t.work;
        }
        uint64_t budget = UINT64_MAX;
        assert_true(thread_tree_step(&t, &budget));
        assert_true(work < (uint64_t)10 * DEPTH);
        uint32_t depth = 0;
        for (uint32_t n = t.nodes.at[0].child; n != 0; n = t.nodes.at[n].child) {
            assert_int_equal(t.nodes.at[n].next, 0);
            depth++;
        }
        assert_int_equal(depth, DEPTH);
        thread_tree_release(&t);
    }
}

/* Mail that names a thousand ids each, all of them made up: memory ends at a bound, and what is there is still threaded. */
static void test_flood_of_references(void **state)
{
    enum { MESSAGES = 2000, IDS = 1000, NODES_MOST = 700 * 1000 };
    (void)state;
    unit_skip_if_slow();
    struct thread_tree t;
    CLEANUP(buf_release) struct buf references = BUF_INIT(64 * 1024);
    thread_tree_init(&t, THREAD_REFERENCES);
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        char id[32];
        (void)snprintf(id, sizeof(id), "<m%u@x>", i);
        buf_clear(&references);
        for (unsigned k = 0; k < IDS; k++) {
            buf_addf(&references, "<%u.%u@x> ", i, k);
        }
        buf_addf(&references, "<m%u@x>", i - 1);
        const struct thread_message m = {.seq = i,
                                         .date_s = i,
                                         .message_id = str_from_c(id),
                                         .references = buf_str(&references)};
        assert_int_equal(thread_tree_add(&t, &m), ERR_OK);
    }
    assert_true(t.nodes.count < NODES_MOST);
    uint64_t budget = UINT64_MAX;
    assert_true(thread_tree_step(&t, &budget));
    uint32_t depth = 0;
    for (uint32_t n = t.nodes.at[0].child; n != 0; n = t.nodes.at[n].child) {
        assert_int_equal(t.nodes.at[n].next, 0);
        depth++;
    }
    assert_true(depth >= MESSAGES);
    thread_tree_release(&t);
}

/* References that name the end of a deep thread before each of many others: the walks for one message are bounded. */
static void test_bounded_walks(void **state)
{
    enum { DEPTH = 20000, OTHERS = 500, WORK_MOST = 50 * 1000 };
    (void)state;
    struct thread_tree t;
    CLEANUP(buf_release) struct buf references = BUF_INIT(64 * 1024);
    char id[32];
    char parent[32];
    thread_tree_init(&t, THREAD_REFERENCES);
    for (uint32_t i = 1; i <= DEPTH; i++) {
        (void)snprintf(id, sizeof(id), "<%u@x>", i);
        (void)snprintf(parent, sizeof(parent), "<%u@x>", i - 1);
        const struct thread_message m = {
            .seq = i, .message_id = str_from_c(id), .references = str_from_c(i > 1 ? parent : "")};
        assert_int_equal(thread_tree_add(&t, &m), ERR_OK);
    }
    for (uint32_t i = 1; i <= OTHERS; i++) { /* tops with something below */
        (void)snprintf(id, sizeof(id), "<b%u@x>", i);
        (void)snprintf(parent, sizeof(parent), "<a%u@x>", i);
        const struct thread_message m = {
            .seq = DEPTH + i, .message_id = str_from_c(id), .references = str_from_c(parent)};
        assert_int_equal(thread_tree_add(&t, &m), ERR_OK);
        buf_addf(&references, "<%u@x> <a%u@x> ", (unsigned)DEPTH, i);
    }
    const struct thread_message m = {.seq = DEPTH + OTHERS + 1, .references = buf_str(&references)};
    t.work = 0;
    assert_int_equal(thread_tree_add(&t, &m), ERR_OK);
    assert_true(t.walked > 0 && t.work < WORK_MOST);
    thread_tree_release(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x_thread_cases),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_flood_of_references),
        cmocka_unit_test(test_bounded_walks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
