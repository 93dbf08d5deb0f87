/* What a store worker has others do: submit takes what its accounts send, and posts to web hooks; convert makes other types of parts.
 *
 *     delivery, command --> filter --> outbox rows, one commit --> outbox_run --> submit
 *     CONVERT           --> convert service ----------------------------------> convert
 *
 * It can do without either for a while: what is to be sent stays in the accounts, what is to be converted is not there just now. */
#include "main/role_store_priv.h"

#include "base/base64.h"
#include "base/log.h"
#include "mime/date.h"
#include "net/fields.h"
#include "net/stream.h"
#include "store/outbox.h"

#include <stdlib.h>
#include <sys/random.h>

enum { SIEVE_PORT = 4190 };

/* ---- what accounts send ---- */

/* A user may have something in his outbox; of another worker, perhaps, when it is since before we started. */
void store_role_on_outgoing(void *owner, struct str user)
{
    struct store_role *r = owner;
    if (admission_is_ours(&r->admission, user)) {
        outbox_run_add(r->outbox, user);
    }
}

static struct stream *open_submit(void *owner, struct str head)
{
    struct link *l = peers_find_any(&((struct store_role *)owner)->peers, ROLE_SUBMIT);
    return l == NULL ? NULL : link_open(l, head);
}

/* What a request hears when the submission server is not there. */
static void ask_submit(void *owner, struct str body,
                       void (*on_reply)(void *asker, enum err e, struct str body), void *asker)
{
    struct link *l = peers_find_any(&((struct store_role *)owner)->peers, ROLE_SUBMIT);
    if (l == NULL) {
        on_reply(asker, ERR_UNAVAILABLE, STR_EMPTY);
        return;
    }
    link_request(l, body, on_reply, asker);
}

static void cancel_submit(void *owner, void *asker)
{
    struct link *l = peers_find_any(&((struct store_role *)owner)->peers, ROLE_SUBMIT);
    if (l != NULL) {
        link_cancel(l, asker);
    }
}

static void write_unique(void *owner, struct buf *out)
{
    unsigned char octets[12];
    if (getrandom(octets, sizeof(octets), 0) != (ssize_t)sizeof(octets)) {
        abort();
    }
    hex_write(out, str_make((const char *)octets, sizeof(octets)));
}

static void wake_events(void *owner)
{
    timer_start(((struct store_role *)owner)->event, 1);
}

static void on_event_timer(void *owner)
{
    struct store_role *r = owner;
    if (filter_events_step(r->events)) {
        wake_events(r);
    }
}

static void on_event(void *owner, const struct imap_event *e)
{
    filter_events_add(((struct store_role *)owner)->events, e);
}

static void start_filter(struct store_role *r)
{
    const struct boot *b = r->boot;
    struct filter_config config = {
        .hostname = boot_get(b, STR("hostname")),
        .domains = boot_get(b, STR("domains")),
        .delimiters = boot_get(b, STR("recipient_delimiter")),
        .before = boot_get(b, STR("sieve_before")),
        .after = boot_get(b, STR("sieve_after")),
        .notify_urls = boot_get(b, STR("notify_webhooks")),
        .redirects_a_day = boot_get_u64(b, STR("sieve_redirects_most"), 0),
        .notifies_a_day = boot_get_u64(b, STR("sieve_notifies_most"), 0),
        .is_detail_filed = str_eq(boot_get(b, STR("detail_mailbox")), STR("yes")),
        .wall_ms = store_role_wall_ms,
        .find_zone_s = date_find_zone,
        .write_unique = write_unique,
        .owner = r,
    };
    r->filter = filter_new(&config);
    struct filter_events_host host = {wake_events, store_role_on_outgoing, r};
    r->events = filter_events_new(r->filter, &host);
    r->event = timer_new(r->loop, on_event_timer, r);
    buf_addf(&r->sieve_url, "sieve://%.*s", STR_ARG(config.hostname));
    uint64_t port = boot_get_u64(b, STR("sieve_port"), SIEVE_PORT);
    if (port != SIEVE_PORT) {
        buf_addf(&r->sieve_url, ":%llu", (unsigned long long)port);
    }
    r->imap_host.on_event = on_event;
    r->imap_host.sieve_url = buf_str(&r->sieve_url);
}

static void start_outbox(struct store_role *r)
{
    struct outbox_host host = {open_submit, ask_submit, cancel_submit, r};
    r->outbox = outbox_run_new(r->loop, r->store, &host);
    if (store_list_outgoing(r->store, store_role_on_outgoing, r) != ERR_OK) {
        log_error("cannot see which accounts have something to send");
    }
}

/* ---- conversions ---- */

static struct stream *open_convert(void *owner, struct str head)
{
    struct link *l = peers_find(&((struct store_role *)owner)->peers, ROLE_CONVERT, 0);
    return l == NULL ? NULL : link_open(l, head);
}

/* The convert role tells what it has. */
static void on_tools(void *owner, enum err e, struct str body)
{
    struct store_role *r = owner;
    struct fields f;
    unsigned tools = 0;
    if (e != ERR_OK || fields_parse(body, &f) != ERR_OK) {
        return;
    }
    for (struct str names = fields_get(&f, STR("tools")); names.n > 0;) {
        enum convert_tool tool;
        if (convert_tool_find(str_split(&names, ' '), &tool)) {
            tools |= 1U << tool;
        }
    }
    convert_service_set_tools(r->convert, tools);
    fields_release(&f);
}

static void start_convert(struct store_role *r)
{
    const struct boot *b = r->boot;
    struct convert_service_config config = {
        .cache_most = boot_get_u64(b, STR("convert_cache"), 0),
        .input_most = boot_get_u64(b, STR("convert_input_most"), 1U << 26),
        .output_most = boot_get_u64(b, STR("convert_output_most"), 1U << 25),
        .default_image = boot_get(b, STR("convert_default_image")),
        .default_audio = boot_get(b, STR("convert_default_audio")),
        .open = open_convert,
        .owner = r,
    };
    r->convert = convert_service_new(&config);
    r->imap_host.convert = r->convert;
}

void store_role_ask_tools(struct store_role *r, struct link *l)
{
    link_request(l, STR("op=tools\n"), on_tools, r);
}

/* ---- both ---- */

void store_role_start_errands(struct store_role *r)
{
    start_convert(r);
    start_outbox(r);
    start_filter(r);
}

void store_role_release_errands(struct store_role *r)
{
    outbox_run_free(&r->outbox);
    filter_events_free(&r->events);
    timer_free(&r->event);
    filter_free(&r->filter);
    buf_release(&r->sieve_url);
    convert_service_free(&r->convert);
}
