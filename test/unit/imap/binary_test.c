/* M-3: decoded parts read from any place on are what decoding from the beginning gives (RFC 3516, 4.2), for parts in all
 * encodings, with regular lines and without, remembered or not. */
#include "unit.h"

#include "../store/store_fixture.h"

#include "base/arena.h"
#include "base/base64.h"
#include "imap/binary.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 150, READS = 30, RAW_MOST = 80000, PART_CAP = 1 << 20 };

struct part_case {
    struct body_reader *reader;
    struct binary_part part;
    struct buf expected;
};

static void add_random(struct buf *out, size_t n, bool is_text, unsigned *seed)
{
    static const char TEXT[] = "abcdefgh =ij\r\nklm\nno\r\r\npq ";
    for (size_t i = 0; i < n; i++) {
        unsigned r = (unsigned)rand_r(seed);
        buf_add_char(out, is_text ? TEXT[r % (sizeof(TEXT) - 1)] : (char)(unsigned char)(r >> 8));
    }
}

/* Base64 with lines of line digits (0: one line), now and then broken otherwise. */
static void add_base64(struct buf *out, struct str raw, size_t line, unsigned broken)
{
    struct buf digits = BUF_INIT(PART_CAP);
    base64_write(&digits, raw);
    struct str s = buf_str(&digits);
    for (size_t i = 0; s.n > 0; i++) {
        size_t n = line == 0 ? s.n : line;
        buf_add(out, str_sub(s, 0, i == 2 && broken == 1 ? 3 : n));
        s = str_skip(s, i == 2 && broken == 1 ? 3 : n);
        buf_add(out, broken == 2 && i == 3 ? STR("\n") : STR("\r\n"));
        buf_add(out, broken == 3 && i == 4 ? STR(" ") : STR_EMPTY);
    }
    buf_release(&digits);
}

static void add_crlf(struct str s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '\n' && (i == 0 || s.p[i - 1] != '\r')) {
            buf_add_char(out, '\r');
        }
        buf_add_char(out, s.p[i]);
    }
}

/* Stores a message of one part and finds what must come of it. */
static void make_case(struct fixture *f, unsigned *seed, struct part_case *out)
{
    static const char *const ENCODINGS[] = {"8bit", "base64", "quoted-printable", "binary"};
    static const size_t LINES[] = {76, 72, 4, 75, 0, 76};
    unsigned kind = (unsigned)rand_r(seed) % 4;
    bool is_text = rand_r(seed) % 2 == 0;
    struct buf message = BUF_INIT(PART_CAP);
    struct buf raw = BUF_INIT(PART_CAP);
    struct buf decoded = BUF_INIT(PART_CAP);
    add_random(&raw, (size_t)rand_r(seed) % RAW_MOST, is_text, seed);
    buf_addf(&message, "Content-Type: %s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
             is_text ? "text/plain" : "image/png", ENCODINGS[kind]);
    size_t header = message.len;
    if (kind == 1) {
        add_base64(&message, buf_str(&raw), LINES[rand_r(seed) % 6], (unsigned)rand_r(seed) % 6);
    } else {
        buf_add(&message, buf_str(&raw));
    }
    struct transfer t;
    transfer_init(&t, kind == 1   ? TRANSFER_BASE64
                      : kind == 2 ? TRANSFER_QUOTED_PRINTABLE
                                  : TRANSFER_IDENTITY);
    transfer_decode(&t, str_skip(buf_str(&message), header), true, &decoded);
    buf_init(&out->expected, 2 * PART_CAP);
    bool is_lines = is_text && str_find_char(buf_str(&decoded), '\0') == decoded.len;
    if (is_lines) {
        add_crlf(buf_str(&decoded), &out->expected);
    } else {
        buf_add(&out->expected, buf_str(&decoded));
    }
    struct message m;
    struct str serialised;
    struct shape shape;
    struct arena *a = arena_new(SHAPE_ARENA_MOST);
    struct uid uid = fixture_append(f->inbox, buf_str(&message), 0);
    assert_int_equal(fixture_commit(f), ERR_OK);
    struct view *v = fixture_view(f->inbox);
    assert_int_equal(view_get(v, view_find_uid(v, uid), &m), ERR_OK);
    assert_int_equal(account_get_shape(f->account, m.body_id, &serialised), ERR_OK);
    assert_int_equal(shape_parse(a, arena_str(a, serialised), &shape), ERR_OK);
    assert_int_equal(binary_describe(m.body_id, &shape, &shape.root, &out->part), ERR_OK);
    assert_int_equal(body_reader_new(f->account, m.body_id, &out->reader), ERR_OK);
    arena_free(&a);
    buf_release(&message);
    buf_release(&raw);
    buf_release(&decoded);
}

static void check_read(struct part_case *c, uint64_t offset, uint64_t length, struct buf *got)
{
    struct binary_octets o;
    struct str want = str_sub(buf_str(&c->expected), (size_t)offset, (size_t)length);
    buf_clear(got);
    binary_open(&o, &c->part, c->reader, offset, length);
    assert_int_equal(o.size, want.n);
    while (o.size > 0) {
        struct str octets = STR_EMPTY;
        enum step step = binary_read(&o, 5000, &octets);
        assert_true(step != STEP_BAD && (step == STEP_MORE || octets.n > 0));
        buf_add(got, octets);
    }
    binary_close(&o);
    assert_str(buf_str(got), want);
}

static void test_ranges(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 3516;
    struct buf got = BUF_INIT(2 * PART_CAP);
    for (unsigned round = 0; round < unit_rounds(ROUNDS); round++) {
        struct part_case c;
        enum step step;
        make_case(f, &seed, &c);
        do {
            step = binary_measure(&c.part, c.reader);
        } while (step == STEP_MORE);
        assert_int_equal(step, STEP_DONE);
        assert_int_equal(c.part.decoded_size, c.expected.len);
        bool has_nul = str_find_char(buf_str(&c.expected), '\0') < c.expected.len;
        assert_int_equal(c.part.has_nul, has_nul);
        uint64_t at = 0;
        for (unsigned i = 0; i < READS; i++) {
            uint64_t length = 1 + (uint64_t)rand_r(&seed) % 9000;
            check_read(&c, at, length, &got);
            at = i % 3 == 0 ? (uint64_t)rand_r(&seed) % (c.expected.len + 2) : at + length;
        }
        check_read(&c, 0, UINT64_MAX, &got);
        body_reader_free(&c.reader);
        buf_release(&c.expected);
    }
    buf_release(&got);
}

/* The entries of a session: found again while they are young. */
static void test_cache(void **state)
{
    (void)state;
    struct binary_cache cache = {0};
    struct binary_part described = {.body_id = 1, .size = 10};
    struct binary_part *first = binary_cache_get(&cache, &described);
    first->decoded_size = 7;
    for (uint64_t id = 2; id <= BINARY_CACHE_PARTS; id++) {
        described.body_id = id;
        (void)binary_cache_get(&cache, &described);
    }
    described.body_id = 1;
    assert_ptr_equal(binary_cache_get(&cache, &described), first);
    assert_int_equal(first->decoded_size, 7);
    described.body_id = 100;
    assert_ptr_equal(binary_cache_get(&cache, &described), first);
    assert_int_equal(first->decoded_size, 0);
}

static int setup(void **state)
{
    static struct fixture the_fixture;
    fixture_open(&the_fixture);
    *state = &the_fixture;
    return 0;
}

static int teardown(void **state)
{
    fixture_close(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ranges, setup, teardown),
        cmocka_unit_test(test_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
