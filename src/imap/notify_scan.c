/* Reading NOTIFY (RFC 5465, 8).
 *
 *     NOTIFY NONE
 *     NOTIFY SET [STATUS] group *(SP group)
 *     group  = "(" filter SP events ")"
 *     filter = SELECTED | SELECTED-DELAYED | INBOXES | PERSONAL | SUBSCRIBED | SUBTREE names | MAILBOXES names
 *     events = NONE | "(" event *(SP event) ")"        event = MessageNew ["(" fetch-att ... ")"] | MessageExpunge | ...
 *
 * The RFC's own examples leave out the parentheses around events; so may clients. An event that is not offered is no
 * syntax error: the whole is read, and the command answers BADEVENT.
 */
#include "imap/notify_scan.h"

#include "store/store.h"

static const struct {
    struct str name;
    unsigned event;
} event_names[] = {
    {STR("MessageNew"), NOTIFY_MESSAGE_NEW},
    {STR("MessageExpunge"), NOTIFY_MESSAGE_EXPUNGE},
    {STR("FlagChange"), NOTIFY_FLAG_CHANGE},
    {STR("MailboxName"), NOTIFY_MAILBOX_NAME},
    {STR("SubscriptionChange"), NOTIFY_SUBSCRIPTION_CHANGE},
    {STR("MailboxMetadataChange"), NOTIFY_MAILBOX_METADATA_CHANGE},
    {STR("ServerMetadataChange"), NOTIFY_SERVER_METADATA_CHANGE},
};

static const struct {
    struct str name;
    enum notify_filter filter;
} filter_names[] = {
    {STR("SELECTED"), NOTIFY_SELECTED},     {STR("SELECTED-DELAYED"), NOTIFY_SELECTED_DELAYED},
    {STR("INBOXES"), NOTIFY_INBOXES},       {STR("PERSONAL"), NOTIFY_PERSONAL},
    {STR("SUBSCRIBED"), NOTIFY_SUBSCRIBED}, {STR("SUBTREE"), NOTIFY_SUBTREE},
    {STR("MAILBOXES"), NOTIFY_MAILBOXES},   {STR("SUBTREE-ONE"), NOTIFY_SUBTREE_ONE},
};

/* How much was read, for the bounds. */
struct counts {
    size_t names;
    size_t groups;
};

static bool is_selected(enum notify_filter f)
{
    return f == NOTIFY_SELECTED || f == NOTIFY_SELECTED_DELAYED;
}

/* unknown: which filter has no meaning here. */
static void scan_filter(struct scan *c, enum notify_filter unknown, struct notify_group *g)
{
    struct str word = scan_atom(c);
    for (size_t i = 0; i < sizeof(filter_names) / sizeof(filter_names[0]); i++) {
        bool is_known = filter_names[i].filter != unknown;
        if (is_known && str_eq_nocase(word, filter_names[i].name)) {
            g->filter = filter_names[i].filter;
            return;
        }
    }
    scan_fail(c, ERR_SYNTAX, "which mailboxes, as in SELECTED or PERSONAL");
}

/* As the mailbox is called, which is compared by octets here. What cannot be a name names nothing. */
static struct str spell(struct arena *a, struct str name)
{
    CLEANUP(buf_release) struct buf normal = BUF_INIT(MAILBOX_NAME_MOST);
    struct str spelt = STR_EMPTY;
    if (mailbox_name_normalise(name, &normal) == ERR_OK) {
        spelt = arena_str(a, buf_str(&normal));
    }
    return spelt.p != NULL ? spelt : name;
}

static void scan_name(struct scan *c, struct arena *a, struct notify_group *g,
                      struct counts *counts)
{
    struct notify_name *n = arena_one(a, struct notify_name);
    if (n == NULL || counts->names >= NOTIFY_NAMES_MOST) {
        scan_fail(c, ERR_LIMIT, "fewer mailbox names");
        return;
    }
    counts->names++;
    *n = (struct notify_name){.next = g->names, .name = spell(a, scan_mailbox(c, a))};
    g->names = n;
}

static void scan_names(struct scan *c, struct arena *a, struct notify_group *g,
                       struct counts *counts)
{
    scan_sp(c);
    if (!scan_accept(c, '(')) {
        scan_name(c, a, g, counts);
        return;
    }
    do {
        scan_name(c, a, g, counts);
    } while (scan_accept(c, ' '));
    scan_require(c, ')', "\")\" after the mailbox names");
}

/* The attributes behind MessageNew. */
static void scan_atts(struct scan *c, struct arena *a, struct notify_group *g)
{
    struct scan ahead = *c;
    if (!scan_accept(&ahead, ' ') || scan_peek(&ahead) != '(') {
        return;
    }
    scan_sp(c);
    if (!is_selected(g->filter)) {
        scan_fail(c, ERR_SYNTAX, "attributes of new messages for SELECTED only");
    }
    scan_fetch_atts(c, a, &g->atts);
    g->has_atts = true;
}

static void scan_event(struct scan *c, struct arena *a, struct notify_group *g,
                       struct notify_plan *out)
{
    struct str word = scan_atom(c);
    for (size_t i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++) {
        if (str_eq_nocase(word, event_names[i].name)) {
            g->events |= event_names[i].event;
            if (event_names[i].event == NOTIFY_MESSAGE_NEW) {
                scan_atts(c, a, g);
            }
            return;
        }
    }
    out->is_unknown = true;
}

static void scan_events(struct scan *c, struct arena *a, struct notify_group *g,
                        struct notify_plan *out)
{
    if (scan_accept_word(c, STR("NONE"))) {
        return;
    }
    bool is_list = scan_accept(c, '(');
    do {
        scan_event(c, a, g, out);
    } while (scan_accept(c, ' '));
    if (is_list) {
        scan_require(c, ')', "\")\" after the events");
    }
}

/* RFC 5465, 5 and 6.1: what must stand together, and what may not. */
static void check_events(struct scan *c, const struct notify_group *g)
{
    unsigned both = NOTIFY_MESSAGE_NEW | NOTIFY_MESSAGE_EXPUNGE;
    if ((g->events & NOTIFY_MESSAGES) != 0 && (g->events & both) != both) {
        scan_fail(c, ERR_SYNTAX, "MessageNew and MessageExpunge together");
    }
    if (is_selected(g->filter) && (g->events & ~(unsigned)NOTIFY_MESSAGES) != 0) {
        scan_fail(c, ERR_SYNTAX, "only events of messages with SELECTED");
    }
}

static struct notify_group *scan_group(struct scan *c, struct arena *a, struct notify_plan *out,
                                       struct counts *counts)
{
    struct notify_group *g = arena_one(a, struct notify_group);
    if (g == NULL || ++counts->groups > NOTIFY_GROUPS_MOST) {
        scan_fail(c, ERR_LIMIT, "fewer groups of events");
        return NULL;
    }
    scan_require(c, '(', "\"(\" and which mailboxes");
    scan_filter(c, NOTIFY_SUBTREE_ONE, g);
    if (g->filter == NOTIFY_SUBTREE || g->filter == NOTIFY_MAILBOXES) {
        scan_names(c, a, g, counts);
    }
    scan_sp(c);
    scan_events(c, a, g, out);
    scan_require(c, ')', "\")\"");
    if (!out->is_unknown) {
        check_events(c, g);
    }
    return g;
}

static void check_groups(struct scan *c, const struct notify_plan *plan)
{
    unsigned selected = 0;
    for (const struct notify_group *g = plan->groups; g != NULL; g = g->next) {
        selected += is_selected(g->filter);
    }
    if (selected > 1) {
        scan_fail(c, ERR_SYNTAX, "SELECTED or SELECTED-DELAYED only once");
    }
}

void notify_scan(struct scan *c, struct arena *a, struct notify_plan *out)
{
    *out = (struct notify_plan){0};
    scan_sp(c);
    if (scan_accept_word(c, STR("NONE"))) {
        return;
    }
    if (!scan_accept_word(c, STR("SET"))) {
        scan_fail(c, ERR_SYNTAX, "SET or NONE");
        return;
    }
    out->is_set = true;
    scan_sp(c);
    if (scan_accept_word(c, STR("STATUS"))) {
        out->has_status = true;
        scan_sp(c);
    }
    struct counts counts = {0};
    struct notify_group **tail = &out->groups;
    do {
        struct notify_group *g = scan_group(c, a, out, &counts);
        if (!scan_is_ok(c)) {
            return;
        }
        *tail = g;
        tail = &g->next;
    } while (scan_accept(c, ' '));
    check_groups(c, out);
}

void notify_scan_mailboxes(struct scan *c, struct arena *a, size_t *count, struct notify_group *out)
{
    struct counts counts = {.names = *count};
    scan_filter(c, NOTIFY_SELECTED_DELAYED, out);
    if (out->filter >= NOTIFY_SUBTREE) {
        scan_names(c, a, out, &counts);
    }
    *count = counts.names;
}

void notify_write_events(struct buf *out)
{
    for (size_t i = 0; i < sizeof(event_names) / sizeof(event_names[0]); i++) {
        if (i > 0) {
            buf_add_char(out, ' ');
        }
        buf_add(out, event_names[i].name);
    }
}
