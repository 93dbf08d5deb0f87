/* DNS responses, good and evil, and the way to a resolver (a datagram socket of this test). */
#include "net/dns.h"

#include "unit.h"

#include "base/buf.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

enum { FLAGS_OK = 0x8180, FLAGS_AUTHENTIC = 0x81a0, FLAGS_TRUNCATED = 0x8380 };

static struct arena *arena;
static struct buf message;
static struct dns_answer answer;

/* ---- writing responses ---- */

static void add_u16(unsigned v)
{
    buf_add_char(&message, (char)(v >> 8));
    buf_add_char(&message, (char)v);
}

/* "a.b": labels, "" the root; "@12" is a pointer. */
static void add_name(struct str name)
{
    uint64_t at = 0;
    while (name.n > 0) {
        struct str label = str_split(&name, '.');
        if (label.p[0] == '@' && str_to_u64(str_skip(label, 1), 16383, &at)) {
            add_u16(0xc000 | (unsigned)at);
            return;
        }
        buf_add_char(&message, (char)label.n);
        buf_add(&message, label);
    }
    buf_add_char(&message, '\0');
}

static void begin(unsigned flags, unsigned answers, const char *name, unsigned type)
{
    buf_clear(&message);
    add_u16(1);
    add_u16(flags);
    add_u16(1);
    add_u16(answers);
    add_u16(0);
    add_u16(0);
    add_name(str_from_c(name));
    add_u16(type);
    add_u16(1);
}

static void add_record(const char *owner, unsigned type, unsigned ttl, struct str data)
{
    add_name(str_from_c(owner));
    add_u16(type);
    add_u16(1);
    add_u16(0);
    add_u16(ttl);
    add_u16((unsigned)data.n);
    buf_add(&message, data);
}

static enum err parse(const char *name, enum dns_type type)
{
    answer = (struct dns_answer){.count = 99};
    return dns_parse(arena, buf_str(&message), str_from_c(name), type, &answer);
}

static int set_up(void **state)
{
    arena = arena_new(1 << 20);
    message = BUF_INIT(65536);
    return 0;
}

static int tear_down(void **state)
{
    arena_free(&arena);
    buf_release(&message);
    return 0;
}

static void test_mx(void **state)
{
    begin(FLAGS_AUTHENTIC, 3, "X.test", DNS_MX);
    add_record("@12", DNS_MX, 300, STR("\0\12\2MX\300\14"));
    add_record("x.test", DNS_MX, 60, STR("\0\24\3mx2\5other\4test\0"));
    add_record("@12", DNS_A, 10, STR("\1\2\3\4")); /* not asked for */
    assert_int_equal(parse("x.test", DNS_MX), ERR_OK);
    assert_int_equal(answer.count, 2);
    assert_true(answer.is_authentic);
    assert_int_equal(answer.ttl_s, 60);
    assert_int_equal(answer.records[0].preference, 10);
    assert_str(answer.records[0].host, STR("mx.x.test"));
    assert_str(answer.records[1].host, STR("mx2.other.test"));
    assert_int_equal(parse("X.TEST.", DNS_MX), ERR_OK);
}

/* RFC 7505: the root as the only host. */
static void test_null_mx(void **state)
{
    begin(FLAGS_OK, 1, "x.test", DNS_MX);
    add_record("@12", DNS_MX, 60, STR("\0\0\0"));
    assert_int_equal(parse("x.test", DNS_MX), ERR_OK);
    assert_int_equal(answer.count, 1);
    assert_int_equal(answer.records[0].host.n, 0);
    assert_false(answer.is_authentic);
}

static void test_addresses(void **state)
{
    begin(FLAGS_OK, 2, "x.test", DNS_A);
    add_record("@12", DNS_A, 60, STR("\177\0\0\1"));
    add_record("other.test", DNS_A, 60, STR("\177\0\0\2")); /* nobody asked for that name */
    assert_int_equal(parse("x.test", DNS_A), ERR_OK);
    assert_int_equal(answer.count, 1);
    assert_int_equal(((const struct sockaddr_in *)&answer.records[0].at)->sin_addr.s_addr,
                     htonl(INADDR_LOOPBACK));
    begin(FLAGS_OK, 1, "x.test", DNS_AAAA);
    add_record("@12", DNS_AAAA, 60, STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1"));
    assert_int_equal(parse("x.test", DNS_AAAA), ERR_OK);
    assert_int_equal(answer.records[0].at.ss_family, AF_INET6);
}

static void test_text_and_tlsa(void **state)
{
    begin(FLAGS_OK, 1, "_mta-sts.x.test", DNS_TXT);
    add_record("@12", DNS_TXT, 60, STR("\7v=STSv1\6; id=1"));
    assert_int_equal(parse("_mta-sts.x.test", DNS_TXT), ERR_OK);
    assert_str(answer.records[0].text, STR("v=STSv1; id=1"));
    begin(FLAGS_OK, 1, "_25._tcp.x.test", DNS_TLSA);
    add_record("@12", DNS_TLSA, 60, STR("\3\1\1digest"));
    assert_int_equal(parse("_25._tcp.x.test", DNS_TLSA), ERR_OK);
    assert_int_equal(answer.records[0].usage, 3);
    assert_int_equal(answer.records[0].selector, 1);
    assert_int_equal(answer.records[0].matching, 1);
    assert_str(answer.records[0].data, STR("digest"));
}

static void test_cname(void **state)
{
    begin(FLAGS_OK, 3, "x.test", DNS_A);
    add_record("last.test", DNS_A, 60, STR("\1\2\3\4"));
    add_record("x.test", DNS_CNAME, 60, STR("\4next\4test\0"));
    add_record("next.test", DNS_CNAME, 60, STR("\4last\4test\0"));
    assert_int_equal(parse("x.test", DNS_A), ERR_OK);
    assert_str(answer.name, STR("last.test"));
    assert_int_equal(answer.count, 1);
    begin(FLAGS_OK, 2, "a.test", DNS_A);
    add_record("a.test", DNS_CNAME, 60, STR("\1b\4test\0"));
    add_record("b.test", DNS_CNAME, 60, STR("\1a\4test\0"));
    assert_int_equal(parse("a.test", DNS_A), ERR_UNAVAILABLE);
}

static void test_codes(void **state)
{
    begin(FLAGS_AUTHENTIC | 3, 0, "x.test", DNS_MX);
    assert_int_equal(parse("x.test", DNS_MX), ERR_NOT_FOUND);
    assert_true(answer.is_authentic);
    begin(FLAGS_OK, 0, "x.test", DNS_MX);
    assert_int_equal(parse("x.test", DNS_MX), ERR_OK);
    assert_int_equal(answer.count, 0);
    begin(FLAGS_OK | 2, 0, "x.test", DNS_MX);
    assert_int_equal(parse("x.test", DNS_MX), ERR_UNAVAILABLE);
    begin(FLAGS_TRUNCATED, 0, "x.test", DNS_MX);
    assert_int_equal(parse("x.test", DNS_MX), ERR_UNAVAILABLE);
}

static void test_nonsense(void **state)
{
    begin(0x0100, 0, "x.test", DNS_MX); /* a question */
    assert_int_equal(parse("x.test", DNS_MX), ERR_SYNTAX);
    begin(FLAGS_OK, 0, "y.test", DNS_MX); /* somebody else's */
    assert_int_equal(parse("x.test", DNS_MX), ERR_SYNTAX);
    begin(FLAGS_OK, 0, "x.test", DNS_A);
    assert_int_equal(parse("x.test", DNS_MX), ERR_SYNTAX);
    begin(FLAGS_OK, 1, "x.test", DNS_A); /* the wrong length */
    add_record("@12", DNS_A, 60, STR("\1\2\3"));
    assert_int_equal(parse("x.test", DNS_A), ERR_SYNTAX);
    begin(FLAGS_OK, 1, "x.test", DNS_MX); /* a pointer to itself, and forward */
    add_record("@12", DNS_MX, 60, STR("\0\12\300\50"));
    assert_int_equal(parse("x.test", DNS_MX), ERR_SYNTAX);
    begin(FLAGS_OK, 1, "x.test", DNS_MX); /* a name that leaves its record */
    add_record("@12", DNS_MX, 60, STR("\0\12\11mx"));
    assert_int_equal(parse("x.test", DNS_MX), ERR_SYNTAX);
    buf_clear(&message);
    assert_int_equal(parse("x.test", DNS_MX), ERR_SYNTAX);
}

/* Each prefix of a response is no response. */
static void test_cut(void **state)
{
    begin(FLAGS_OK, 1, "x.test", DNS_MX);
    add_record("@12", DNS_MX, 300, STR("\0\12\2mx\300\14"));
    struct str whole = buf_str(&message);
    for (size_t n = 0; n < whole.n; n++) {
        assert_int_equal(dns_parse(arena, str_sub(whole, 0, n), STR("x.test"), DNS_MX, &answer),
                         ERR_SYNTAX);
    }
}

/* What no host is called by cannot be mistaken for one. */
static void test_odd_names(void **state)
{
    begin(FLAGS_OK, 1, "x.test", DNS_MX);
    add_record("@12", DNS_MX, 300, STR("\0\12\4a.b\12\4test\0"));
    assert_int_equal(parse("x.test", DNS_MX), ERR_OK);
    assert_str(answer.records[0].host, STR("a?b?.test"));
}

/* ---- over the wire ---- */

static struct loop *loop;
static int server_fd;
static struct buf questions;
static bool is_lame;
static enum err got_err;
static size_t got_count;
static unsigned ends;

static void on_question(void *owner)
{
    char octets[1500];
    struct sockaddr_storage from;
    socklen_t from_n = sizeof(from);
    ssize_t n = recvfrom(server_fd, octets, sizeof(octets), MSG_DONTWAIT, (struct sockaddr *)&from,
                         &from_n);
    if (n < 12) {
        return;
    }
    buf_clear(&questions);
    buf_add(&questions, str_make(octets, (size_t)n));
    begin(is_lame ? FLAGS_OK | 2 : FLAGS_AUTHENTIC, is_lame ? 0 : 1, "x.test", DNS_MX);
    if (!is_lame) {
        add_record("@12", DNS_MX, 300, STR("\0\12\2mx\300\14"));
    }
    memcpy(message.p, octets, 2); /* its id */
    (void)!sendto(server_fd, message.p, message.len, 0, (struct sockaddr *)&from, from_n);
}

static void on_done(void *owner, enum err e, const struct dns_answer *a)
{
    ends++;
    got_err = e;
    got_count = a->count;
    loop_stop(loop);
}

static void test_asking(void **state)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t here_n = sizeof(here);
    CLEANUP(buf_release) struct buf servers = BUF_INIT(100);
    server_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server_fd, (struct sockaddr *)&here, here_n), 0);
    assert_int_equal(getsockname(server_fd, (struct sockaddr *)&here, &here_n), 0);
    loop = loop_new();
    questions = BUF_INIT(1500);
    buf_addf(&servers, "127.0.0.1:%u", ntohs(here.sin_port));
    struct fd_watch *w = fd_watch_new(loop, server_fd, on_question, NULL);
    struct dns *dns = NULL;
    struct dns_args args = {.loop = loop, .servers = buf_str(&servers)};
    assert_int_equal(dns_new(&args, &dns), ERR_OK);
    (void)dns_ask(dns, STR("x.test"), DNS_MX, on_done, NULL);
    loop_run(loop);
    assert_int_equal(got_err, ERR_OK);
    assert_int_equal(got_count, 1);
    assert_true((questions.p[3] & 0x20) != 0); /* AD was asked for */
    (void)dns_ask(dns, STR("no such name"), DNS_MX, on_done, NULL);
    loop_run(loop);
    assert_int_equal(got_err, ERR_SYNTAX);
    is_lame = true;
    (void)dns_ask(dns, STR("x.test"), DNS_MX, on_done, NULL);
    loop_run(loop);
    assert_int_equal(got_err, ERR_UNAVAILABLE);
    ends = 0;
    struct dns_query *dropped = dns_ask(dns, STR("x.test"), DNS_MX, on_done, NULL);
    dns_cancel(&dropped);
    (void)dns_ask(dns, STR("x.test"), DNS_MX, on_done, NULL);
    loop_run(loop);
    assert_int_equal(ends, 1);
    (void)dns_ask(dns, STR("x.test"), DNS_MX, on_done, NULL);
    dns_free(&dns);
    assert_int_equal(ends, 1);
    fd_watch_free(&w);
    loop_free(&loop);
    buf_release(&questions);
    (void)close(server_fd);
}

static void test_bad_servers(void **state)
{
    struct dns *dns = NULL;
    struct loop *l = loop_new();
    struct dns_args args = {.loop = l, .servers = STR("not an address")};
    assert_int_equal(dns_new(&args, &dns), ERR_SYNTAX);
    assert_null(dns);
    loop_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mx),          cmocka_unit_test(test_null_mx),
        cmocka_unit_test(test_addresses),   cmocka_unit_test(test_text_and_tlsa),
        cmocka_unit_test(test_cname),       cmocka_unit_test(test_codes),
        cmocka_unit_test(test_nonsense),    cmocka_unit_test(test_cut),
        cmocka_unit_test(test_odd_names),   cmocka_unit_test(test_asking),
        cmocka_unit_test(test_bad_servers),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
