/* boot and its control socket: what a role hears, and what it refuses to hear. */
#include "main/boot.h"
#include "main/control.h"

#include "unit.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

static void make_pair(int pair[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
}

static void send_type(int fd, enum control_type type)
{
    struct control_message m = {.type = type, .fd = -1};
    assert_int_equal(control_send(fd, &m), ERR_OK);
}

static void test_bad_packets(void **state)
{
    static const struct {
        const char *octets;
        size_t n;
        bool has_fd;
    } CASES[] = {
        {"", 0, false},                     /* empty */
        {"\3\0\0\0\0\0\0", 7, false},       /* short */
        {"\0\0\0\0\0\0\0\0", 8, false},     /* no type */
        {"\14\0\0\0\0\0\0\0", 8, false},    /* unknown type */
        {"\12\0\0\0\0\0\1\0u", 9, false},   /* a wish without services */
        {"\12\0\0\1\0\4\1\0su", 10, false}, /* number 1024 */
        {"\12\0\1\1\0\0\1\0su", 10, false}, /* a wish with a role */
        {"\13\0\0\1\0\0\0\0k", 9, false},   /* an answer with a name */
        {"\3\0\0\0\1\0\0\0", 8, false},     /* start with a number */
        {"\7\0\0\1\0\0\1\0kv", 10, false},  /* metrics with a name */
        {"\11\0\0\0\0\0\0\0", 8, false},    /* a log without a descriptor */
        {"\3\1\0\0\0\0\0\0", 8, false},     /* start with more to come */
        {"\3\0\0\0\0\0\0\0x", 9, false},    /* something left over */
        {"\3\0\0\0\0\0\0\0", 8, true},      /* a descriptor where none belongs */
        {"\4\0\1\0\0\0\0\0", 8, false},     /* a peer without one */
        {"\4\0\5\0\0\0\0\0", 8, true},      /* the supervisor is no peer */
        {"\4\0\2\0\0\4\0\0", 8, true},      /* index 1024 */
        {"\1\0\0\0\0\0\0\0", 8, false},     /* a setting without name */
        {"\1\0\1\1\0\0\0\0k", 9, false},    /* a setting with a role */
        {"\1\0\0\2\0\0\0\0k", 9, false},    /* key cut short */
        {"\1\0\0\1\0\0\1\0k", 9, false},    /* value cut short */
        {"\2\0\0\1\0\0\1\0kv", 10, true},   /* a listener with a value */
        {"\1\2\0\1\0\0\0\0k", 9, false},    /* flag 2 */
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct control_message m;
        assert_int_equal(control_parse(str_make(CASES[i].octets, CASES[i].n), CASES[i].has_fd, &m),
                         ERR_SYNTAX);
    }
}

static void test_settings(void **state)
{
    int pair[2];
    make_pair(pair);
    size_t size = CONTROL_PART_MOST * 3 + 17;
    char *big = malloc(size);
    assert_non_null(big);
    memset(big, 'x', size);
    big[size - 1] = 'y';
    assert_int_equal(control_send_setting(pair[0], STR("big"), str_make(big, size)), ERR_OK);
    assert_int_equal(control_send_setting(pair[0], STR("empty"), STR_EMPTY), ERR_OK);
    assert_int_equal(control_send_setting(pair[0], STR("index"), STR("7")), ERR_OK);
    assert_int_equal(control_send_setting(pair[0], STR("bad"), STR("7 ")), ERR_OK);
    struct control_message listener = {.type = CONTROL_LISTENER, .key = STR("imap"), .fd = 0};
    assert_int_equal(control_send(pair[0], &listener), ERR_OK);
    send_type(pair[0], CONTROL_START);
    struct boot *b;
    assert_int_equal(boot_receive(pair[1], &b), ERR_OK);
    assert_str(boot_get(b, STR("big")), str_make(big, size));
    assert_str(boot_get(b, STR("empty")), STR_EMPTY);
    assert_str(boot_get(b, STR("missing")), STR_EMPTY);
    assert_int_equal(boot_get_index(b), 7);
    assert_int_equal(boot_get_u64(b, STR("bad"), 3), 3);
    size_t at = 0;
    struct str name;
    int fd;
    assert_true(boot_next_listener(b, &at, &name, &fd));
    assert_str(name, STR("imap"));
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    (void)close(fd);
    assert_false(boot_next_listener(b, &at, &name, &fd));
    boot_free(&b);
    (void)close(pair[0]);
    free(big);
}

static void refuse(void (*say)(int fd), enum err expected)
{
    int pair[2];
    struct boot *b = NULL;
    make_pair(pair);
    say(pair[0]);
    (void)close(pair[0]);
    assert_int_equal(boot_receive(pair[1], &b), expected);
    assert_null(b);
    (void)close(pair[1]);
}

static void say_nothing(int fd)
{
    (void)fd;
}

static void say_garbage(int fd)
{
    assert_int_equal(send(fd, "garbage", 7, 0), 7);
}

static void say_twice(int fd)
{
    assert_int_equal(control_send_setting(fd, STR("k"), STR("1")), ERR_OK);
    assert_int_equal(control_send_setting(fd, STR("k"), STR("2")), ERR_OK);
}

static void say_half(int fd)
{
    struct control_message m = {
        .type = CONTROL_SETTING, .has_more = true, .key = STR("k"), .value = STR("1"), .fd = -1};
    assert_int_equal(control_send(fd, &m), ERR_OK);
    send_type(fd, CONTROL_START);
}

static void say_stop(int fd)
{
    send_type(fd, CONTROL_STOP);
}

static void say_peer_early(int fd)
{
    struct control_message m = {.type = CONTROL_PEER, .role = ROLE_AUTH, .key = STR("x"), .fd = 0};
    assert_int_equal(control_send(fd, &m), ERR_OK);
}

static void say_endless(int fd)
{
    char part[CONTROL_PART_MOST] = {0};
    struct control_message m = {.type = CONTROL_SETTING,
                                .has_more = true,
                                .key = STR("k"),
                                .value = str_make(part, sizeof(part)),
                                .fd = -1};
    int size = 1 << 20;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size));
    for (size_t sent = 0; sent <= CONTROL_VALUE_MOST; sent += sizeof(part)) {
        if (control_send(fd, &m) != ERR_OK) {
            break; /* the buffer of the socket is smaller than the bound: then the end comes as ERR_IO */
        }
    }
}

static void test_refused_starts(void **state)
{
    refuse(say_nothing, ERR_IO);
    refuse(say_garbage, ERR_SYNTAX);
    refuse(say_twice, ERR_SYNTAX);
    refuse(say_half, ERR_SYNTAX);
    refuse(say_stop, ERR_SYNTAX);
    refuse(say_peer_early, ERR_SYNTAX);
    int pair[2];
    struct boot *b = NULL;
    make_pair(pair);
    say_endless(pair[0]);
    (void)close(pair[0]);
    assert_int_not_equal(boot_receive(pair[1], &b), ERR_OK);
    (void)close(pair[1]);
}

struct heard {
    struct loop *loop;
    unsigned peers;
    unsigned stops;
    enum link_role role;
    unsigned index;
    bool is_named;
};

static void on_peer(void *owner, const struct boot_peer *peer)
{
    struct heard *h = owner;
    h->peers++;
    h->role = peer->role;
    h->index = peer->index;
    h->is_named = str_eq(peer->name, STR("dmz1"));
    (void)close(peer->fd);
}

static void on_stop(void *owner)
{
    struct heard *h = owner;
    h->stops++;
    loop_stop(h->loop);
}

/* last: what ends it; 0 for the supervisor's death. */
static void run_attached(enum control_type last)
{
    static const struct boot_handler HANDLER = {.on_peer = on_peer, .on_stop = on_stop};
    int pair[2];
    make_pair(pair);
    send_type(pair[0], CONTROL_START);
    struct boot *b;
    assert_int_equal(boot_receive(pair[1], &b), ERR_OK);
    struct control_message peer = {
        .type = CONTROL_PEER, .role = ROLE_STORE, .index = 300, .key = STR("dmz1"), .fd = 0};
    assert_int_equal(control_send(pair[0], &peer), ERR_OK);
    struct heard h = {.loop = loop_new()};
    boot_attach(b, h.loop, &HANDLER, &h);
    char packet[CONTROL_PACKET_MOST];
    struct control_message ready;
    assert_int_equal(control_receive(pair[0], true, packet, &ready), ERR_OK);
    assert_int_equal(ready.type, CONTROL_READY);
    if (last != 0) {
        send_type(pair[0], last);
        send_type(pair[0], CONTROL_STOP);
    } else {
        (void)close(pair[0]);
    }
    loop_run(h.loop);
    assert_int_equal(h.peers, 1);
    assert_int_equal(h.role, ROLE_STORE);
    assert_int_equal(h.index, 300);
    assert_true(h.is_named);
    assert_int_equal(h.stops, 1);
    boot_free(&b);
    loop_free(&h.loop);
    if (last != 0) {
        (void)close(pair[0]);
    }
}

static void test_attached(void **state)
{
    run_attached(CONTROL_STOP);
    run_attached(CONTROL_START); /* out of place: the role stops rather than guess */
    run_attached((enum control_type)0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_packets),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_refused_starts),
        cmocka_unit_test(test_attached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
