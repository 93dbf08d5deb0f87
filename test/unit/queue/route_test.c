/* Where mail goes: routes, relays, mail hosts by a scripted DNS (X-NEXT-HOP, X-DANE). */
#include "queue/route.h"

#include "unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/* What the DNS says. host: of an MX, or an address. */
struct row {
    const char *name;
    enum dns_type type;
    const char *
        value; /* "10 mx.x.test", "192.0.2.1", "3 1 1 <32 octets>"; NULL: SERVFAIL; "": the name is there, with nothing */
    bool is_authentic;
};

static struct loop *loop;
static struct dns *dns;
static struct routes *routes;
static const struct row *rows;
static struct routes_args args;
static enum err got_err;
static struct buf got; /* "name:port address,address flags; " */
static unsigned answers;

static struct dns_record records[8];

static void set_record(struct dns_record *r, enum dns_type type, const char *value)
{
    struct str text = str_from_c(value);
    struct sockaddr_in *v4 = (struct sockaddr_in *)&r->at;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&r->at;
    uint64_t number = 0;
    *r = (struct dns_record){.preference = 0};
    if (type == DNS_A) {
        v4->sin_family = AF_INET;
        assert_int_equal(inet_pton(AF_INET, value, &v4->sin_addr), 1);
    } else if (type == DNS_AAAA) {
        v6->sin6_family = AF_INET6;
        assert_int_equal(inet_pton(AF_INET6, value, &v6->sin6_addr), 1);
    } else if (type == DNS_MX) {
        assert_true(str_to_u64(str_split(&text, ' '), 65535, &number));
        r->preference = (uint16_t)number;
        r->host = text;
    } else {
        r->usage = (uint8_t)(value[0] - '0');
        r->selector = (uint8_t)(value[2] - '0');
        r->matching = (uint8_t)(value[4] - '0');
        r->data = str_skip(text, 6);
    }
}

static enum err answer_dns(void *owner, struct str name, enum dns_type type, struct dns_answer *a)
{
    bool is_there = false;
    *a = (struct dns_answer){.name = name, .records = records};
    for (const struct row *r = rows; r->name != NULL; r++) {
        if (!str_eq(str_from_c(r->name), name)) {
            continue;
        }
        is_there = true;
        if (r->type == type && r->value == NULL) {
            return ERR_UNAVAILABLE;
        }
        if (r->type == type) {
            a->is_authentic = r->is_authentic;
        }
        if (r->type == type && r->value[0] != '\0') {
            set_record(&records[a->count++], type, r->value);
        }
    }
    static struct dns_record kept[64];
    static size_t used;
    used = used + a->count > 64 ? 0 : used; /* answers stay while others are asked */
    memcpy(&kept[used], records, a->count * sizeof(records[0]));
    a->records = &kept[used];
    used += a->count;
    return is_there ? ERR_OK : ERR_NOT_FOUND;
}

static void on_answer(void *owner, enum err e, const struct route_host *hosts, size_t count)
{
    got_err = e;
    answers++;
    buf_clear(&got);
    for (size_t i = 0; i < count; i++) {
        const struct route_host *h = &hosts[i];
        buf_addf(&got, "%.*s:%u", STR_ARG(h->name), h->port);
        for (size_t k = 0; k < h->at_count; k++) {
            char text[INET6_ADDRSTRLEN] = "";
            const struct sockaddr_in *v4 = (const struct sockaddr_in *)&h->at[k];
            const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&h->at[k];
            bool is_v4 = v4->sin_family == AF_INET;
            if (h->at[k].ss_family != AF_UNIX) {
                (void)inet_ntop(v4->sin_family,
                                is_v4 ? (const void *)&v4->sin_addr : (const void *)&v6->sin6_addr,
                                text, sizeof(text));
            }
            buf_addf(&got, "%c%s", k == 0 ? ' ' : ',', text);
        }
        buf_add_c(&got, h->is_lmtp ? " lmtp" : "");
        buf_add_c(&got, h->tls == SMTP_TLS_OFF ? " off" : "");
        buf_add_c(&got, h->tls == SMTP_TLS_REQUIRED ? " required" : "");
        buf_add_c(&got, h->is_tls_implicit ? " implicit" : "");
        buf_add_c(&got, h->is_checked ? " checked" : "");
        if (h->anchor_count > 0) {
            buf_addf(&got, " dane%zu", h->anchor_count);
        }
        buf_add_c(&got, h->is_authentic ? " authentic" : "");
        buf_add_c(&got, "; ");
    }
}

static int set_up(void **state)
{
    static const struct row NOTHING[] = {{NULL, DNS_A, NULL, false}};
    loop = loop_new_fake(1700000000000);
    rows = NOTHING;
    got = BUF_INIT(65536);
    answers = 0;
    struct dns_args d = {.loop = loop, .fake = answer_dns};
    assert_int_equal(dns_new(&d, &dns), ERR_OK);
    args = (struct routes_args){
        .loop = loop,
        .delivery = ROUTE_DIRECT,
        .mx = {.loop = loop, .dns = dns, .hostname = STR("us.test"), .port = 25},
    };
    args.mx.host_names = STR("also.us.test");
    return 0;
}

static int tear_down(void **state)
{
    routes_free(&routes);
    dns_free(&dns);
    buf_release(&got);
    loop_free(&loop);
    return 0;
}

static enum err find(const struct row *table, const char *domain)
{
    if (routes == NULL) {
        assert_int_equal(routes_new(&args, &routes), ERR_OK);
    }
    rows = table;
    unsigned before = answers;
    struct route *q = route_find(routes, str_from_c(domain), on_answer, NULL);
    assert_int_equal(answers, before);
    loop_run(loop);
    assert_int_equal(answers, before + 1);
    route_free(&q);
    return got_err;
}

#define EXPECT(text) assert_str(buf_str(&got), STR(text))

/* RFC 5321, 5.1: by preference; both families in turn. */
static void test_mx(void **state)
{
    static const struct row TABLE[] = {{"x.test", DNS_MX, "20 two.test", false},
                                       {"x.test", DNS_MX, "10 one.test", false},
                                       {"one.test", DNS_A, "203.0.113.1", false},
                                       {"one.test", DNS_A, "203.0.113.2", false},
                                       {"one.test", DNS_AAAA, "2001:db8::1", false},
                                       {"two.test", DNS_A, "203.0.113.3", false},
                                       {NULL, DNS_A, NULL, false}};
    assert_int_equal(find(TABLE, "x.test"), ERR_OK);
    EXPECT("one.test:25 2001:db8::1,203.0.113.1,203.0.113.2; two.test:25 203.0.113.3; ");
    for (int i = 0; i < 3; i++) {
        routes_on_connect(routes, AF_INET6, false);
    }
    assert_int_equal(find(TABLE, "X.Test"), ERR_OK);
    EXPECT("one.test:25 203.0.113.1,2001:db8::1,203.0.113.2; two.test:25 203.0.113.3; ");
    routes_on_connect(routes, AF_INET6, true);
    assert_int_equal(find(TABLE, "x.test"), ERR_OK);
    EXPECT("one.test:25 2001:db8::1,203.0.113.1,203.0.113.2; two.test:25 203.0.113.3; ");
}

/* Equals come in any order, but in all of them. */
static void test_equal_preference(void **state)
{
    static const struct row TABLE[] = {{"x.test", DNS_MX, "10 a.test", false},
                                       {"x.test", DNS_MX, "10 b.test", false},
                                       {"a.test", DNS_A, "203.0.113.1", false},
                                       {"b.test", DNS_A, "203.0.113.2", false},
                                       {NULL, DNS_A, NULL, false}};
    unsigned first = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(find(TABLE, "x.test"), ERR_OK);
        first += str_starts(buf_str(&got), STR("a.test")) ? 1 : 0;
    }
    assert_true(first > 10 && first < 90);
}

static void test_implicit_and_null(void **state)
{
    static const struct row TABLE[] = {
        {"bare.test", DNS_A, "203.0.113.1", false}, {"null.test", DNS_MX, "0 ", false},
        {"empty.test", DNS_TXT, "", false},         {"dead.test", DNS_MX, "10 gone.test", false},
        {"slow.test", DNS_MX, NULL, false},         {"half.test", DNS_MX, "10 slow.test", false},
        {"slow.test", DNS_A, NULL, false},          {NULL, DNS_A, NULL, false}};
    assert_int_equal(find(TABLE, "bare.test"), ERR_OK);
    EXPECT("bare.test:25 203.0.113.1; ");
    assert_int_equal(find(TABLE, "null.test"), ERR_NULL_MX);
    assert_int_equal(find(TABLE, "empty.test"), ERR_NO_HOST);
    assert_int_equal(find(TABLE, "dead.test"), ERR_NO_HOST);
    assert_int_equal(find(TABLE, "nowhere.test"), ERR_NO_DOMAIN);
    assert_int_equal(find(TABLE, "slow.test"), ERR_DNS_LATER);
    assert_int_equal(find(TABLE, "half.test"), ERR_DNS_LATER);
    assert_int_equal(find(TABLE, ""), ERR_BAD_ADDRESS);
}

/* RFC 5321, 5.1: if we are a host of the domain, only better ones count. */
static void test_ourselves(void **state)
{
    static const struct row TABLE[] = {{"x.test", DNS_MX, "10 better.test", false},
                                       {"x.test", DNS_MX, "20 US.test", false},
                                       {"x.test", DNS_MX, "30 worse.test", false},
                                       {"better.test", DNS_A, "203.0.113.1", false},
                                       {"us.test", DNS_A, "203.0.113.9", false},
                                       {"US.test", DNS_A, "203.0.113.9", false},
                                       {"worse.test", DNS_A, "203.0.113.3", false},
                                       {"loop.test", DNS_MX, "5 also.us.test", false},
                                       {"loop.test", DNS_MX, "9 worse.test", false},
                                       {NULL, DNS_A, NULL, false}};
    assert_int_equal(find(TABLE, "x.test"), ERR_OK);
    EXPECT("better.test:25 203.0.113.1; ");
    assert_int_equal(find(TABLE, "loop.test"), ERR_MX_LOOP);
}

/* An IPv6 address is judged by the IPv4 address that it leads to. */
static void test_reach_inside(void **state)
{
    static const struct {
        const char *address;
        bool is_foreign; /* MX_REACH_FOREIGN */
        bool is_public;  /* MX_REACH_PUBLIC */
    } ROWS[] = {
        {"2001:db8::1", true, true},           {"::ffff:192.0.2.1", true, true},
        {"::ffff:127.0.0.1", false, false},    {"::ffff:10.0.0.1", true, false},
        {"::ffff:0:127.0.0.1", false, false},  {"64:ff9b::192.0.2.1", true, true},
        {"64:ff9b::127.0.0.1", false, false},  {"64:ff9b::169.254.169.254", false, false},
        {"64:ff9b::192.168.0.1", true, false}, {"64:ff9b:1::192.0.2.1", false, false},
        {"2002:7f00:1::1", false, false},      {"2002:a00:1::1", true, false},
        {"2002:c000:201::1", true, true},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        struct sockaddr_storage at = {.ss_family = AF_INET6};
        struct in6_addr *a = &((struct sockaddr_in6 *)&at)->sin6_addr;
        assert_int_equal(inet_pton(AF_INET6, ROWS[i].address, a), 1);
        assert_true(mx_may_reach(MX_REACH_FOREIGN, &at) == ROWS[i].is_foreign);
        assert_true(mx_may_reach(MX_REACH_PUBLIC, &at) == ROWS[i].is_public);
    }
}

/* Strangers' records do not send us into our own house. */
static void test_reach(void **state)
{
    static const struct row TABLE[] = {{"evil.test", DNS_A, "127.0.0.1", false},
                                       {"evil.test", DNS_AAAA, "::1", false},
                                       {"evil.test", DNS_AAAA, "::ffff:127.0.0.1", false},
                                       {"link.test", DNS_A, "169.254.169.254", false},
                                       {"lan.test", DNS_A, "10.1.2.3", false},
                                       {NULL, DNS_A, NULL, false}};
    assert_int_equal(find(TABLE, "evil.test"), ERR_NO_HOST);
    assert_int_equal(find(TABLE, "link.test"), ERR_NO_HOST);
    assert_int_equal(find(TABLE, "lan.test"), ERR_OK);
    routes_free(&routes);
    args.mx.reach = MX_REACH_PUBLIC;
    assert_int_equal(find(TABLE, "lan.test"), ERR_NO_HOST);
    routes_free(&routes);
    args.mx.reach = MX_REACH_ANY;
    assert_int_equal(find(TABLE, "evil.test"), ERR_OK);
}

static void test_literals(void **state)
{
    static const struct row TABLE[] = {{NULL, DNS_A, NULL, false}};
    assert_int_equal(find(TABLE, "[203.0.113.7]"), ERR_OK);
    EXPECT("[203.0.113.7]:25 203.0.113.7; ");
    assert_int_equal(find(TABLE, "[IPv6:2001:db8::7]"), ERR_OK);
    EXPECT("[ipv6:2001:db8::7]:25 2001:db8::7; ");
    assert_int_equal(find(TABLE, "[169.254.1.1]"), ERR_NO_HOST);
    assert_int_equal(find(TABLE, "[127.0.0.1]"), ERR_MX_LOOP);
    assert_int_equal(find(TABLE, "[nonsense]"), ERR_NO_DOMAIN);
}

static void test_idn(void **state)
{
    static const struct row TABLE[] = {{"xn--grn-ioa.test", DNS_A, "203.0.113.1", false},
                                       {NULL, DNS_A, NULL, false}};
    CLEANUP(buf_release) struct buf key = BUF_INIT(ROUTE_KEY_MOST);
    assert_int_equal(find(TABLE, "gr\xc3\xbcn.test"), ERR_OK);
    EXPECT("xn--grn-ioa.test:25 203.0.113.1; ");
    assert_int_equal(routes_write_key(routes, STR("GR\xc3\x9cN.test"), &key), ERR_OK);
    assert_str(buf_str(&key), STR("mx:xn--grn-ioa.test"));
}

#define DIGEST "0123456789abcdef0123456789abcdef"

/* RFC 7672, 2.2: TLSA counts only where all was authentic; then TLS is a must. */
static void test_dane(void **state)
{
    static const struct row TABLE[] = {
        {"x.test", DNS_MX, "10 mx.test", true},
        {"mx.test", DNS_A, "203.0.113.1", true},
        {"mx.test", DNS_AAAA, "", true},
        {"_25._tcp.mx.test", DNS_TLSA, "3 1 1 " DIGEST, true},
        {"_25._tcp.mx.test", DNS_TLSA, "1 1 1 " DIGEST, true},
        {"plain.test", DNS_MX, "10 mx.test", false},
        {"odd.test", DNS_MX, "10 odd-mx.test", true},
        {"odd-mx.test", DNS_A, "203.0.113.2", true},
        {"odd-mx.test", DNS_AAAA, "", true},
        {"_25._tcp.odd-mx.test", DNS_TLSA, "0 0 1 " DIGEST, true},
        {"later.test", DNS_MX, "10 later-mx.test", true},
        {"later-mx.test", DNS_A, "203.0.113.3", true},
        {"later-mx.test", DNS_AAAA, "", true},
        {"_25._tcp.later-mx.test", DNS_TLSA, NULL, true},
        {"forged.test", DNS_MX, "10 forged-mx.test", true},
        {"forged-mx.test", DNS_A, "203.0.113.4", true},
        {"forged-mx.test", DNS_AAAA, "", true},
        {"_25._tcp.forged-mx.test", DNS_TLSA, "3 1 1 " DIGEST, false},
        {NULL, DNS_A, NULL, false}};
    args.mx.has_dane = true;
    assert_int_equal(find(TABLE, "x.test"), ERR_OK);
    EXPECT("mx.test:25 203.0.113.1 required dane1 authentic; ");
    assert_int_equal(find(TABLE, "plain.test"), ERR_OK);
    EXPECT("mx.test:25 203.0.113.1; ");
    assert_int_equal(find(TABLE, "odd.test"), ERR_OK); /* nothing usable: encrypted all the same */
    EXPECT("odd-mx.test:25 203.0.113.2 required; ");
    assert_int_equal(find(TABLE, "later.test"), ERR_DNS_LATER);
    assert_int_equal(find(TABLE, "forged.test"), ERR_OK);
    EXPECT("forged-mx.test:25 203.0.113.4; ");
    routes_free(&routes);
    args.mx.has_dane = false;
    assert_int_equal(find(TABLE, "x.test"), ERR_OK);
    EXPECT("mx.test:25 203.0.113.1; ");
}

static void test_routes(void **state)
{
    static const struct row TABLE[] = {{"d.direct.test", DNS_A, "203.0.113.1", false},
                                       {NULL, DNS_A, NULL, false}};
    CLEANUP(buf_release) struct buf key = BUF_INIT(ROUTE_KEY_MOST);
    args.delivery = ROUTE_RELAY;
    args.relay_hosts = STR("r1.test r2.test:2525 [2001:db8::5]:25");
    args.relay_port = 587;
    args.relay_tls = SMTP_TLS_REQUIRED;
    args.is_relay_implicit = true;
    args.routes = STR("a.test=smtp://in.a.test:26?tls=required .a.test=lmtp://store.test "
                      ".direct.test=mx b.test=lmtp+unix:/run/lmtp c.test=smtps://c.test");
    assert_int_equal(find(TABLE, "else.test"), ERR_OK);
    EXPECT("r1.test:587 required implicit checked authentic; "
           "r2.test:2525 required implicit checked authentic; "
           "[2001:db8::5]:25 required implicit checked authentic; ");
    assert_int_equal(find(TABLE, "A.test"), ERR_OK);
    EXPECT("in.a.test:26 required checked authentic; ");
    assert_int_equal(find(TABLE, "sub.a.test"), ERR_OK);
    EXPECT("store.test:24 lmtp; ");
    assert_int_equal(find(TABLE, "d.direct.test"), ERR_OK);
    EXPECT("d.direct.test:25 203.0.113.1; ");
    assert_int_equal(find(TABLE, "b.test"), ERR_OK);
    EXPECT("/run/lmtp:0  lmtp off; ");
    assert_int_equal(find(TABLE, "c.test"), ERR_OK);
    EXPECT("c.test:465 required implicit checked authentic; ");
    assert_int_equal(routes_write_key(routes, STR("else.test"), &key), ERR_OK);
    assert_str(buf_str(&key), STR("relay"));
    buf_clear(&key);
    assert_int_equal(routes_write_key(routes, STR("a.test"), &key), ERR_OK);
    assert_str(buf_str(&key), STR("smtp://in.a.test:26?tls=required"));
}

static void test_nowhere(void **state)
{
    static const struct row TABLE[] = {{NULL, DNS_A, NULL, false}};
    CLEANUP(buf_release) struct buf key = BUF_INIT(ROUTE_KEY_MOST);
    args.delivery = ROUTE_NONE;
    assert_int_equal(find(TABLE, "x.test"), ERR_NO_RELAY);
    assert_int_equal(routes_write_key(routes, STR("x.test"), &key), ERR_NO_RELAY);
    assert_int_equal(routes_write_key(routes, STR(""), &key), ERR_BAD_ADDRESS);
    struct routes *bad = NULL;
    args.routes = STR("x.test=gopher://y");
    assert_int_equal(routes_new(&args, &bad), ERR_SYNTAX);
    args.routes = STR_EMPTY;
    args.relay_hosts = STR("host:port");
    assert_int_equal(routes_new(&args, &bad), ERR_SYNTAX);
}

/* A question that nobody waits for any more. */
static void test_dropped(void **state)
{
    static const struct row TABLE[] = {{"x.test", DNS_MX, "10 one.test", false},
                                       {"one.test", DNS_A, "203.0.113.1", false},
                                       {NULL, DNS_A, NULL, false}};
    assert_int_equal(routes_new(&args, &routes), ERR_OK);
    rows = TABLE;
    struct route *q = route_find(routes, STR("x.test"), on_answer, NULL);
    route_free(&q);
    loop_run(loop);
    assert_int_equal(answers, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_mx),
        TEST(test_equal_preference),
        TEST(test_implicit_and_null),
        TEST(test_ourselves),
        TEST(test_reach),
        TEST(test_reach_inside),
        TEST(test_literals),
        TEST(test_idn),
        TEST(test_dane),
        TEST(test_routes),
        TEST(test_nowhere),
        TEST(test_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
