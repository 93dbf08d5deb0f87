/* Fuzzes every scanner of wire/imap_scan: the first octet chooses one, the rest is its input. A failed scan names a place
 * within the input and what was expected there; a good one has not moved beyond the end. The arena is small, so that its cap
 * is met, too. */
#include "fuzz.h"

#include "wire/imap_scan.h"

#include <assert.h>

typedef void scan_fn(struct scan *c, struct arena *a);

static void run_tag(struct scan *c, struct arena *a)
{
    (void)a;
    (void)scan_tag(c);
}

static void run_string(struct scan *c, struct arena *a)
{
    (void)scan_string(c, a);
}

static void run_nstring(struct scan *c, struct arena *a)
{
    struct str s;
    (void)scan_nstring(c, a, &s);
}

static void run_astring(struct scan *c, struct arena *a)
{
    (void)scan_astring(c, a);
}

static void run_mailbox(struct scan *c, struct arena *a)
{
    (void)scan_mailbox(c, a);
}

static void run_list_mailbox(struct scan *c, struct arena *a)
{
    (void)scan_list_mailbox(c, a);
}

static void run_literal(struct scan *c, struct arena *a)
{
    (void)a;
    struct scan_literal_out l = scan_literal(c);
    assert(!scan_is_ok(c) || l.is_streamed || l.octets.n == l.size);
}

static void run_flags(struct scan *c, struct arena *a)
{
    struct flag_list flags;
    scan_flag_list(c, a, &flags);
}

static void run_store(struct scan *c, struct arena *a)
{
    struct store_att_flags flags;
    scan_store_att_flags(c, a, &flags);
}

static void run_dates(struct scan *c, struct arena *a)
{
    (void)a;
    (void)scan_date(c);
    scan_sp(c);
    (void)scan_date_time(c);
}

static void run_fetch(struct scan *c, struct arena *a)
{
    struct fetch_atts atts;
    struct fetch_modifiers modifiers;
    scan_fetch_atts(c, a, &atts);
    assert(!scan_is_ok(c) || atts.count > 0);
    scan_sp(c);
    scan_fetch_modifiers(c, &modifiers);
}

static void run_store_modifiers(struct scan *c, struct arena *a)
{
    (void)a;
    (void)scan_store_modifiers(c);
}

static void run_select(struct scan *c, struct arena *a)
{
    struct select_params params;
    scan_select_params(c, a, &params);
}

static void run_status(struct scan *c, struct arena *a)
{
    (void)a;
    assert(scan_status_atts(c) != 0 || !scan_is_ok(c));
}

static void run_partial(struct scan *c, struct arena *a)
{
    (void)a;
    struct partial_range r = scan_partial_range(c);
    assert(!scan_is_ok(c) || (r.first != 0 && r.last != 0 && (r.first > 0) == (r.last > 0)));
}

static void run_sasl(struct scan *c, struct arena *a)
{
    (void)a;
    struct buf out = BUF_INIT(1000);
    (void)scan_sasl_line(c, &out);
    buf_release(&out);
}

static void run_initial(struct scan *c, struct arena *a)
{
    (void)a;
    struct buf out = BUF_INIT(1000);
    scan_initial_response(c, &out);
    buf_release(&out);
}

static void run_command(struct scan *c, struct arena *a)
{
    (void)a;
    struct imap_command command;
    if (imap_command_parse(c->s, &command) == ERR_OK) {
        assert(command.tag.n > 0 && command.name.n > 0);
    }
    *c = command.args;
}

static scan_fn *const FNS[] = {
    run_tag,   run_string, run_nstring,         run_astring, run_mailbox, run_list_mailbox,
    run_flags, run_store,  run_dates,           run_fetch,   run_literal, run_select,
    run_sasl,  run_status, run_store_modifiers, run_partial, run_initial, run_command,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    struct arena *a = arena_new(16 * 1024);
    struct scan c = scan_make(str_make((const char *)data + 1, size - 1));
    FNS[data[0] % (sizeof(FNS) / sizeof(FNS[0]))](&c, a);
    assert(c.at <= c.s.n);
    if (!scan_is_ok(&c)) {
        assert(c.expected != NULL && c.err_at <= c.s.n);
    }
    arena_free(&a);
    return 0;
}
