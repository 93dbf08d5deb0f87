/* X-METADATA: annotations in the store: limits, durability, order, what changed. */
#include "store_fixture.h"
#include "unit.h"

#include "store/annotation.h"

#include <stdio.h>

static enum err set(struct account *a, struct mailbox *m, const char *user, const char *name,
                    const char *value)
{
    uint64_t modseq;
    struct annotation x = {
        .name = str_from_c(name),
        .value = value == NULL ? STR_EMPTY : str_from_c(value),
        .has_value = value != NULL,
    };
    return account_set_annotations(a, m, str_from_c(user), &x, 1, &modseq);
}

static void expect(struct account *a, struct mailbox *m, const char *user, const char *name,
                   const char *value)
{
    struct buf out = BUF_INIT(ANNOTATION_VALUE_MOST);
    bool has_value;
    assert_int_equal(
        account_get_annotation(a, m, str_from_c(user), str_from_c(name), &out, &has_value), ERR_OK);
    assert_int_equal(has_value, value != NULL);
    if (value != NULL) {
        assert_str(buf_str(&out), str_from_c(value));
    }
    buf_release(&out);
}

static void test_values(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct account *a = f.account;
    struct mailbox *m = fixture_find(a, "Junk");
    assert_int_equal(set(a, m, "u", "/private/x", "1"), ERR_OK);
    assert_int_equal(set(a, m, "v", "/private/x", "2"), ERR_OK);
    assert_int_equal(set(a, m, "v", "/shared/x", "3"), ERR_OK);
    assert_int_equal(set(a, NULL, "u", "/private/x", "4"), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    mailbox_unref(&m);
    fixture_reopen(&f);
    a = f.account;
    m = fixture_find(a, "Junk");
    expect(a, m, "u", "/Private/X", "1");
    expect(a, m, "v", "/private/x", "2");
    expect(a, m, "u", "/shared/x", "3");
    expect(a, NULL, "u", "/private/x", "4");
    expect(a, NULL, "v", "/private/x", NULL);
    fixture_verify(a);

    /* they go with the mailbox, and not with its name */
    assert_int_equal(account_delete_mailbox(a, STR("Junk")), ERR_OK);
    assert_int_equal(set(a, m, "u", "/private/x", "5"), ERR_NO_MAILBOX);
    assert_int_equal(account_create_mailbox(a, STR("Junk"), USE_NONE), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    mailbox_unref(&m);
    m = fixture_find(a, "Junk");
    expect(a, m, "u", "/private/x", NULL);
    mailbox_unref(&m);
    fixture_verify(a);
    fixture_close(&f);
}

/* All or none, and no more than there is room for. */
static void test_limits(void **state)
{
    (void)state;
    struct fixture f = {0};
    fixture_open(&f);
    struct account *a = f.account;
    char name[64];
    uint64_t modseq;
    for (unsigned i = 0; i < ANNOTATION_COUNT_MOST; i++) {
        (void)snprintf(name, sizeof(name), "/shared/%u", i);
        assert_int_equal(set(a, NULL, "u", name, "v"), ERR_OK);
    }
    assert_int_equal(set(a, NULL, "u", "/shared/more", "v"), ERR_ANNOTATION_COUNT);
    assert_int_equal(set(a, NULL, "u", "/shared/7", "changed"), ERR_OK);
    assert_int_equal(set(a, NULL, "u", "/shared/8", NULL), ERR_OK);
    struct annotation two[] = {{STR("/shared/8"), STR("back"), true},
                               {STR("/shared/more"), STR("v"), true}};
    assert_int_equal(account_set_annotations(a, NULL, STR("u"), two, 2, &modseq),
                     ERR_ANNOTATION_COUNT);
    expect(a, NULL, "u", "/shared/8", NULL);
    struct mailbox *m = fixture_find(a, "INBOX");
    assert_int_equal(set(a, m, "u", "/shared/more", "of another"), ERR_OK);
    mailbox_unref(&m);
    static char large[ANNOTATION_VALUE_MOST + 1];
    struct annotation one = {STR("/shared/7"), str_make(large, sizeof(large)), true};
    assert_int_equal(account_set_annotations(a, NULL, STR("u"), &one, 1, &modseq),
                     ERR_ANNOTATION_SIZE);
    /* the account as a whole */
    one.value.n = ANNOTATION_VALUE_MOST;
    enum err e = ERR_OK;
    unsigned count = 0;
    for (; e == ERR_OK && count < 2 * ANNOTATION_OCTETS_MOST / ANNOTATION_VALUE_MOST; count++) {
        (void)snprintf(name, sizeof(name), "/shared/%u", count);
        one.name = str_from_c(name);
        e = account_set_annotations(a, NULL, STR("u"), &one, 1, &modseq);
    }
    assert_int_equal(e, ERR_ANNOTATION_COUNT);
    assert_int_equal(count, ANNOTATION_OCTETS_MOST / ANNOTATION_VALUE_MOST);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    fixture_verify(a);
    fixture_close(&f);
}

/* "mailbox name" of each change since *place. */
static void write_changes(struct account *a, struct annotation_place *place, struct buf *out)
{
    struct annotation_change c;
    struct buf name = BUF_INIT(ANNOTATION_NAME_MOST);
    bool has_next;
    buf_clear(out);
    for (;;) {
        assert_int_equal(account_next_annotation_change(a, STR("ann"), place, &c, &name, &has_next),
                         ERR_OK);
        if (!has_next) {
            break;
        }
        struct mailbox *m = account_find_mailbox_id(a, c.mailbox_id);
        struct str mailbox = m == NULL ? STR("-") : mailbox_get_name(m);
        buf_addf(out, "%.*s%.*s ", STR_ARG(mailbox), STR_ARG(buf_str(&name)));
        *place = c.place;
    }
    buf_release(&name);
}

static void test_changes(void **state)
{
    (void)state;
    struct fixture f = {0};
    struct buf list = BUF_INIT(4096);
    fixture_open(&f);
    struct account *a = f.account;
    struct mailbox *m = fixture_find(a, "Sent");
    struct annotation_place place = account_get_annotation_place(a);
    uint64_t modseq;
    assert_int_equal(set(a, m, "ann", "/private/x", "1"), ERR_OK);
    assert_int_equal(set(a, NULL, "ann", "/shared/y", "1"), ERR_OK);
    assert_int_equal(set(a, m, "v", "/private/of-v", "1"), ERR_OK);
    write_changes(a, &place, &list);
    assert_str(buf_str(&list), STR("")); /* not committed */
    assert_int_equal(fixture_commit(&f), ERR_OK);
    struct annotation_place first = place;
    write_changes(a, &place, &list);
    assert_str(buf_str(&list), STR("Sent/private/x -/shared/y "));
    write_changes(a, &place, &list);
    assert_str(buf_str(&list), STR(""));

    assert_int_equal(set(a, m, "ann", "/private/x", NULL), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    write_changes(a, &place, &list);
    assert_str(buf_str(&list), STR("Sent/private/x "));
    write_changes(a, &first, &list);
    assert_str(buf_str(&list), STR("-/shared/y Sent/private/x "));

    assert_int_equal(account_set_special_use(a, STR("Sent"), USE_JUNK, &modseq), ERR_OK);
    assert_int_equal(fixture_commit(&f), ERR_OK);
    mailbox_unref(&m);
    fixture_reopen(&f);
    a = f.account;
    write_changes(a, &place, &list);
    assert_str(buf_str(&list), STR("Junk/private/specialuse Sent/private/specialuse "));
    place = account_get_annotation_place(a);
    write_changes(a, &place, &list);
    assert_str(buf_str(&list), STR(""));
    fixture_verify(a);
    buf_release(&list);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_changes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
