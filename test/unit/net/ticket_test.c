/* Unit tests of net/ticket: every way to misuse one is refused (D43). */
#include "net/ticket.h"

#include "unit.h"

enum { NOW = 1000000 };

struct keys {
    struct buf private_pem;
    struct buf public_pem;
    struct ticket_signer *signer;
    struct ticket_checker *checker;
    struct buf octets; /* a good ticket */
    uint8_t nonce[TICKET_NONCE_SIZE];
};

static struct ticket sample(const struct keys *k)
{
    struct ticket t = {
        .user = STR("ann"),
        .auth_user = STR("ann"),
        .service = SERVICE_IMAP,
        .edge_id = STR("edge-1"),
        .expires_ms = NOW + 30000,
    };
    memcpy(t.nonce, k->nonce, sizeof(t.nonce));
    return t;
}

static int setup(void **state)
{
    static struct keys k;
    struct ticket t;
    k = (struct keys){
        .private_pem = BUF_INIT(4096), .public_pem = BUF_INIT(4096), .octets = BUF_INIT(4096)};
    memset(k.nonce, 0x5a, sizeof(k.nonce));
    assert_int_equal(ticket_make_keys(&k.private_pem, &k.public_pem), ERR_OK);
    assert_int_equal(ticket_signer_new(buf_str(&k.private_pem), &k.signer), ERR_OK);
    assert_int_equal(ticket_checker_new(buf_str(&k.public_pem), &k.checker), ERR_OK);
    t = sample(&k);
    assert_int_equal(ticket_issue(k.signer, &t, &k.octets), ERR_OK);
    *state = &k;
    return 0;
}

static int teardown(void **state)
{
    struct keys *k = *state;
    ticket_signer_free(&k->signer);
    ticket_checker_free(&k->checker);
    buf_release(&k->private_pem);
    buf_release(&k->public_pem);
    buf_release(&k->octets);
    return 0;
}

static enum err check(struct keys *k, struct str octets, uint64_t now_ms)
{
    struct ticket t;
    return ticket_check(k->checker, octets,
                        &(struct ticket_use){SERVICE_IMAP, STR("edge-1"), k->nonce, now_ms}, &t);
}

static void test_good(void **state)
{
    struct keys *k = *state;
    struct ticket t;
    assert_int_equal(ticket_check(k->checker, buf_str(&k->octets),
                                  &(struct ticket_use){SERVICE_IMAP, STR("edge-1"), k->nonce, NOW},
                                  &t),
                     ERR_OK);
    assert_str(t.user, STR("ann"));
    assert_str(t.auth_user, STR("ann"));
    assert_true(t.expires_ms == NOW + 30000);
}

static void test_acting_for_another(void **state)
{
    struct keys *k = *state;
    struct ticket t = sample(k);
    struct buf b = BUF_INIT(4096);
    t.auth_user = STR("root");
    assert_int_equal(ticket_issue(k->signer, &t, &b), ERR_OK);
    assert_int_equal(ticket_read(buf_str(&b), &t), ERR_OK);
    assert_str(t.user, STR("ann"));
    assert_str(t.auth_user, STR("root"));
    buf_release(&b);
}

static void test_forged(void **state)
{
    struct keys *k = *state;
    struct keys other = {.private_pem = BUF_INIT(4096), .public_pem = BUF_INIT(4096)};
    struct ticket t = sample(k);
    struct buf b = BUF_INIT(4096);
    assert_int_equal(ticket_make_keys(&other.private_pem, &other.public_pem), ERR_OK);
    assert_int_equal(ticket_signer_new(buf_str(&other.private_pem), &other.signer), ERR_OK);
    assert_int_equal(ticket_issue(other.signer, &t, &b), ERR_OK);
    assert_int_equal(check(k, buf_str(&b), NOW), ERR_TICKET);
    ticket_signer_free(&other.signer);
    buf_release(&other.private_pem);
    buf_release(&other.public_pem);
    buf_release(&b);
}

/* Every single octet counts, and so does the length. */
static void test_altered(void **state)
{
    struct keys *k = *state;
    for (size_t i = 0; i < k->octets.len; i++) {
        k->octets.p[i] ^= 1;
        assert_int_equal(check(k, buf_str(&k->octets), NOW), ERR_TICKET);
        k->octets.p[i] ^= 1;
        assert_int_equal(check(k, str_sub(buf_str(&k->octets), 0, i), NOW), ERR_TICKET);
    }
    buf_add_char(&k->octets, 'x');
    assert_int_equal(check(k, buf_str(&k->octets), NOW), ERR_TICKET);
    buf_truncate(&k->octets, k->octets.len - 1);
    assert_int_equal(check(k, buf_str(&k->octets), NOW), ERR_OK);
}

static void test_expired(void **state)
{
    struct keys *k = *state;
    assert_int_equal(check(k, buf_str(&k->octets), NOW + 30000), ERR_TICKET);
    assert_int_equal(check(k, buf_str(&k->octets), NOW + 29999), ERR_OK);
}

static void test_lives_too_long(void **state)
{
    struct keys *k = *state;
    assert_int_equal(check(k, buf_str(&k->octets), NOW + 29999 - TICKET_LIFE_MOST_MS), ERR_TICKET);
}

static void test_replayed(void **state)
{
    struct keys *k = *state;
    struct ticket t = sample(k);
    struct buf b = BUF_INIT(4096);
    assert_int_equal(check(k, buf_str(&k->octets), NOW), ERR_OK);
    assert_int_equal(check(k, buf_str(&k->octets), NOW), ERR_TICKET);
    assert_int_equal(check(k, buf_str(&k->octets), NOW + 29999), ERR_TICKET);
    assert_int_equal(check(k, buf_str(&k->octets), NOW + 30000), ERR_TICKET);
    assert_int_equal(ticket_issue(k->signer, &t, &b),
                     ERR_OK); /* a second one for the same session */
    assert_int_equal(check(k, buf_str(&b), NOW), ERR_OK);
    buf_release(&b);
}

/* A process that starts again has forgotten what it accepted, so it refuses what it may have accepted. */
static void test_older_than_checker(void **state)
{
    struct keys *k = *state;
    ticket_checker_begin(k->checker, NOW + 1);
    assert_int_equal(check(k, buf_str(&k->octets), NOW + 1), ERR_TICKET_OLD);
    ticket_checker_begin(k->checker, NOW);
    assert_int_equal(check(k, buf_str(&k->octets), NOW + 1), ERR_OK);
}

static void test_other_edge(void **state)
{
    struct keys *k = *state;
    struct ticket t;
    assert_int_equal(ticket_check(k->checker, buf_str(&k->octets),
                                  &(struct ticket_use){SERVICE_IMAP, STR("edge-2"), k->nonce, NOW},
                                  &t),
                     ERR_TICKET);
    assert_int_equal(check(k, buf_str(&k->octets), NOW),
                     ERR_OK); /* and it was not used up by that */
}

static void test_other_session(void **state)
{
    struct keys *k = *state;
    k->nonce[15] ^= 1;
    assert_int_equal(check(k, buf_str(&k->octets), NOW), ERR_TICKET);
}

static void test_other_service(void **state)
{
    struct keys *k = *state;
    struct ticket t;
    assert_int_equal(
        ticket_check(k->checker, buf_str(&k->octets),
                     &(struct ticket_use){SERVICE_SUBMIT, STR("edge-1"), k->nonce, NOW}, &t),
        ERR_TICKET);
}

static void test_names_out_of_bounds(void **state)
{
    struct keys *k = *state;
    static char name[TICKET_USER_MOST + 1];
    struct buf b = BUF_INIT(4096);
    struct ticket t = sample(k);
    memset(name, 'n', sizeof(name));
    t.user = STR_EMPTY;
    assert_int_equal(ticket_issue(k->signer, &t, &b), ERR_TOO_LONG);
    t.user = str_make(name, sizeof(name));
    assert_int_equal(ticket_issue(k->signer, &t, &b), ERR_TOO_LONG);
    t.user = str_make(name, TICKET_USER_MOST);
    assert_int_equal(ticket_issue(k->signer, &t, &b), ERR_OK);
    assert_int_equal(check(k, buf_str(&b), NOW), ERR_OK);
    buf_release(&b);
}

static void test_bad_keys(void **state)
{
    struct ticket_signer *s = NULL;
    struct ticket_checker *c = NULL;
    struct keys *k = *state;
    assert_int_equal(ticket_signer_new(STR("no key"), &s), ERR_SYNTAX);
    assert_int_equal(ticket_signer_new(buf_str(&k->public_pem), &s), ERR_SYNTAX);
    assert_int_equal(ticket_checker_new(STR(""), &c), ERR_SYNTAX);
    assert_null(s);
    assert_null(c);
}

static void test_worker(void **state)
{
    unsigned seen[7] = {0};
    (void)state;
    for (int i = 0; i < 7000; i++) {
        char name[16];
        int n = snprintf(name, sizeof(name), "user%d", i);
        unsigned w = ticket_get_worker(str_make(name, (size_t)n), 7);
        assert_in_range(w, 0, 6);
        seen[w]++;
    }
    for (int i = 0; i < 7; i++) {
        assert_in_range(seen[i], 700, 1400);
    }
    assert_int_equal(ticket_get_worker(STR("ann"), 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_good, setup, teardown),
        cmocka_unit_test_setup_teardown(test_acting_for_another, setup, teardown),
        cmocka_unit_test_setup_teardown(test_forged, setup, teardown),
        cmocka_unit_test_setup_teardown(test_altered, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expired, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lives_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replayed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_older_than_checker, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_edge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_session, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_service, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_out_of_bounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_keys, setup, teardown),
        cmocka_unit_test(test_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
