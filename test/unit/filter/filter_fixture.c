#include "filter_fixture.h"

#include "net/fields.h"
#include "store/script.h"

#include <stdio.h>

enum { OCTETS_MOST = 8 * 1024 * 1024 };

static uint64_t wall_ms(void *owner)
{
    return ((struct world *)owner)->f.now_ms;
}

static void write_unique(void *owner, struct buf *out)
{
    buf_addf(out, "unique%u", ++((struct world *)owner)->unique);
}

void world_set_up(struct world *w)
{
    filter_free(&w->filter);
    w->config.wall_ms = wall_ms;
    w->config.write_unique = write_unique;
    w->config.owner = w;
    w->filter = filter_new(&w->config);
}

static void equip(struct world *w)
{
    w->config = (struct filter_config){
        .hostname = STR("mail.example.org"),
        .domains = STR("example.org localhost"),
        .delimiters = STR("+"),
        .notify_urls = STR("https://hook.example/in"),
        .redirects_a_day = 100,
        .notifies_a_day = 100,
    };
    buf_init(&w->octets, OCTETS_MOST);
    buf_init(&w->outcome.refusal, FILTER_REFUSAL_MOST);
    world_set_up(w);
}

void world_open(struct world *w)
{
    *w = (struct world){.return_path = "sam@there.example", .address = "ann@example.org"};
    fixture_open(&w->f);
    equip(w);
}

void world_adopt(struct world *w, const char *dir)
{
    *w = (struct world){.return_path = "sam@there.example", .address = "ann@example.org"};
    fixture_adopt(&w->f, dir);
    equip(w);
}

void world_close(struct world *w)
{
    fixture_verify(w->f.account);
    filter_free(&w->filter);
    buf_release(&w->octets);
    buf_release(&w->outcome.refusal);
    fixture_close(&w->f);
}

void world_include(struct world *w, const char *name, const char *text)
{
    assert_int_equal(account_script_put(w->f.account, str_from_c(name), str_from_c(text)), ERR_OK);
    assert_int_equal(fixture_commit(&w->f), ERR_OK);
}

void world_script(struct world *w, const char *text)
{
    world_include(w, "main", text);
    assert_int_equal(account_script_set_active(w->f.account, STR("main")), ERR_OK);
    assert_int_equal(fixture_commit(&w->f), ERR_OK);
}

static void add_crlf(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n') {
            buf_add_char(out, '\r');
        }
        buf_add_char(out, *text);
    }
}

enum err world_deliver(struct world *w, const char *rest)
{
    struct buf message = BUF_INIT(OCTETS_MOST);
    struct body_writer *writer = NULL;
    buf_addf(&message, "Return-Path: <%s>\r\n", w->return_path);
    size_t trace = message.len;
    buf_addf(&message, "Delivered-To: %s\r\n", w->address);
    add_crlf(&message, rest);
    enum err e = body_writer_new(w->f.account, &writer);
    e = e == ERR_OK ? body_writer_add(writer, buf_str(&message)) : e;
    e = e == ERR_OK ? body_writer_finish(writer) : e;
    struct filter_delivery d = {
        .account = w->f.account,
        .writer = writer,
        .return_path = str_from_c(w->return_path),
        .address = str_from_c(w->address),
        .trace_size = trace,
    };
    buf_clear(&w->outcome.refusal);
    e = e == ERR_OK ? filter_deliver(w->filter, &d, &w->outcome) : e;
    if (e == ERR_OK) {
        e = fixture_commit(&w->f);
    } else {
        (void)fixture_commit(&w->f);
    }
    body_writer_free(&writer);
    buf_release(&message);
    for (int i = 0; i < 4; i++) {
        (void)store_tick(w->f.store);
    }
    return e;
}

int world_count(struct world *w, const char *mailbox)
{
    struct mailbox *m = NULL;
    if (account_find_mailbox(w->f.account, str_from_c(mailbox), &m) != ERR_OK) {
        return -1;
    }
    int count = (int)view_get_count(fixture_view(m));
    mailbox_unref(&m);
    return count;
}

static struct message get_message(struct world *w, const char *mailbox, uint32_t seq)
{
    struct mailbox *m = fixture_find(w->f.account, mailbox);
    struct message msg;
    assert_int_equal(view_get(fixture_view(m), (struct seq){seq}, &msg), ERR_OK);
    mailbox_unref(&m);
    return msg;
}

static void read_body(struct world *w, uint64_t body_id, uint64_t from)
{
    struct body_reader *r = NULL;
    struct str piece;
    assert_int_equal(body_reader_new(w->f.account, body_id, &r), ERR_OK);
    do {
        assert_int_equal(body_reader_get(r, from, 4096, &piece), ERR_OK);
        buf_add(&w->octets, piece);
        from += piece.n;
    } while (piece.n > 0);
    body_reader_free(&r);
}

const char *world_read(struct world *w, const char *mailbox, uint32_t seq)
{
    buf_clear(&w->octets);
    read_body(w, get_message(w, mailbox, seq).body_id, 0);
    return w->octets.p;
}

uint64_t world_flags(struct world *w, const char *mailbox, uint32_t seq)
{
    return get_message(w, mailbox, seq).flags;
}

int world_count_items(struct world *w)
{
    uint64_t n = 0;
    assert_int_equal(account_count_outgoing(w->f.account, &n), ERR_OK);
    return (int)n;
}

bool world_take(struct world *w)
{
    bool has_item = false;
    static char kept[64 * 1024]; /* head and text, while octets are gathered */
    struct buf octets = BUF_INIT(OCTETS_MOST);
    assert_int_equal(account_next_outgoing(w->f.account, &w->item, &octets, &has_item), ERR_OK);
    if (!has_item) {
        buf_release(&octets);
        return false;
    }
    assert_true(w->item.head.n < sizeof(kept));
    memcpy(kept, w->item.head.p, w->item.head.n);
    w->item.head.p = kept;
    buf_clear(&w->octets);
    buf_add(&w->octets, w->item.text);
    if (w->item.body_id != 0) {
        read_body(w, w->item.body_id, w->item.skip);
    }
    buf_release(&octets);
    assert_int_equal(account_remove_outgoing(w->f.account, w->item.id), ERR_OK);
    assert_int_equal(fixture_commit(&w->f), ERR_OK);
    return true;
}

bool world_head_is(struct world *w, const char *key, const char *value)
{
    struct fields f;
    assert_int_equal(fields_parse(w->item.head, &f), ERR_OK);
    bool is_equal = str_eq(fields_get(&f, str_from_c(key)), str_from_c(value));
    fields_release(&f);
    return is_equal;
}
