/* Quotas: how much an account holds, and how much it may.
 *
 * Messages and their octets are counted where drafts gain and lose messages (quota_count()), as a difference that is pending until
 * the commit; that writes the sums beside the pages they are sums of. So they are exact however a life ends. An account
 * from before there were counters has none stored: then they are summed up from its pages once. Mailboxes need no counter.
 *
 * A limit is stored as 0 (or no row): the default; 1: none; n + 2: n. */
#include "store/quota.h"

#include "store/store_priv.h"

enum { STORED_NONE = 1, STORED_FIRST = 2, UNIT = 1024 };

static const struct str KEYS[QUOTA_RESOURCE_COUNT] = {
    STR("quota_storage"),
    STR("quota_message"),
    STR("quota_mailbox"),
};

void quota_count(struct account *a, int64_t messages, int64_t octets)
{
    a->new_usage.messages += messages;
    a->new_usage.octets += octets;
}

/* ---- load and store ---- */

/* Sums up the pages. */
static enum err sum_pages(struct db *db, struct usage *out)
{
    struct rows rows;
    bool has_row;
    TRY(DB_QUERY(db, HOT_OF_MAILBOX, &rows, value_id(0), value_id(INT64_MAX)));
    TRY(db_next(&rows, &has_row));
    while (has_row) {
        struct scan c = scan_make(row_str(&rows, 1));
        out->octets += (int64_t)scan_le64(&c);
        out->messages += (int64_t)(scan_rest(&c).n / PAGE_HOT_ROW);
        TRY(db_next(&rows, &has_row));
    }
    return ERR_OK;
}

static uint64_t read_limit(uint64_t stored)
{
    if (stored < STORED_FIRST) {
        return stored == STORED_NONE ? QUOTA_UNLIMITED : QUOTA_DEFAULT;
    }
    return stored - STORED_FIRST;
}

enum err quota_load(struct account *a, struct db *db)
{
    uint64_t has_usage;
    uint64_t messages;
    uint64_t octets;
    TRY(account_get_meta(db, STR("has_usage"), &has_usage));
    TRY(account_get_meta(db, STR("used_messages"), &messages));
    TRY(account_get_meta(db, STR("used_octets"), &octets));
    a->usage = (struct usage){(int64_t)messages, (int64_t)octets};
    a->is_usage_stored = has_usage != 0;
    if (!a->is_usage_stored) {
        a->usage = (struct usage){0, 0};
        TRY(sum_pages(db, &a->usage));
    }
    for (unsigned i = 0; i < QUOTA_RESOURCE_COUNT; i++) {
        uint64_t stored;
        TRY(account_get_meta(db, KEYS[i], &stored));
        a->limits[i] = read_limit(stored);
    }
    return ERR_OK;
}

static enum err write_limits(const struct account *a, struct db *db)
{
    for (unsigned i = 0; i < QUOTA_RESOURCE_COUNT; i++) {
        uint64_t limit = a->new_limits[i];
        uint64_t stored = limit == QUOTA_DEFAULT     ? 0
                          : limit == QUOTA_UNLIMITED ? STORED_NONE
                                                     : limit + STORED_FIRST;
        TRY(DB_RUN(db, META_SET, value_text(KEYS[i]), value_id(stored)));
    }
    return ERR_OK;
}

enum err quota_write(const struct account *a, struct db *db)
{
    if (a->has_new_limits) {
        TRY(write_limits(a, db));
    }
    if (a->is_usage_stored && a->new_usage.messages == 0 && a->new_usage.octets == 0) {
        return ERR_OK;
    }
    int64_t messages = a->usage.messages + a->new_usage.messages;
    int64_t octets = a->usage.octets + a->new_usage.octets;
    TRY(DB_RUN(db, META_SET, value_text(STR("used_messages")), value_int(messages)));
    TRY(DB_RUN(db, META_SET, value_text(STR("used_octets")), value_int(octets)));
    return a->is_usage_stored ? ERR_OK
                              : DB_RUN(db, META_SET, value_text(STR("has_usage")), value_int(1));
}

void quota_drop(struct account *a)
{
    a->new_usage = (struct usage){0, 0};
    a->has_new_limits = false;
}

void quota_install(struct account *a)
{
    a->usage.messages += a->new_usage.messages;
    a->usage.octets += a->new_usage.octets;
    a->is_usage_stored = true;
    if (a->has_new_limits) {
        memcpy(a->limits, a->new_limits, sizeof(a->limits));
    }
    quota_drop(a);
}

/* ---- for others ---- */

static uint64_t get_limit(const struct account *a, enum quota_resource r)
{
    uint64_t limit = a->limits[r] == QUOTA_DEFAULT ? a->store->quota[r] : a->limits[r];
    bool is_above = r == QUOTA_MAILBOX && limit > MAILBOX_COUNT_MOST;
    return is_above ? MAILBOX_COUNT_MOST : limit;
}

void account_get_quota(const struct account *a, struct quota *out)
{
    out->usage[QUOTA_STORAGE] = (uint64_t)a->usage.octets;
    out->usage[QUOTA_MESSAGE] = (uint64_t)a->usage.messages;
    out->usage[QUOTA_MAILBOX] = map_get_count(a->names);
    for (enum quota_resource r = 0; r < QUOTA_RESOURCE_COUNT; r++) {
        out->limit[r] = get_limit(a, r);
        out->own[r] = a->limits[r];
    }
}

enum err account_set_quota(struct account *a, const uint64_t limits[QUOTA_RESOURCE_COUNT])
{
    struct db *db;
    TRY(account_begin_change(a, &db));
    memcpy(a->new_limits, limits, sizeof(a->new_limits));
    a->has_new_limits = true;
    a->must_sync = true;
    account_mark_dirty(a);
    return ERR_OK;
}

enum err account_check_quota(const struct account *a, uint64_t messages, uint64_t octets)
{
    uint64_t storage = get_limit(a, QUOTA_STORAGE);
    uint64_t has_octets = (uint64_t)(a->usage.octets + a->new_usage.octets);
    uint64_t has_messages = (uint64_t)(a->usage.messages + a->new_usage.messages);
    bool is_full =
        octets > 0 && storage <= QUOTA_LIMIT_MOST / UNIT && has_octets + octets > storage * UNIT;
    bool is_many = messages > 0 && has_messages + messages > get_limit(a, QUOTA_MESSAGE);
    return is_full || is_many ? ERR_OVER_QUOTA : ERR_OK;
}

enum err quota_check_mailboxes(const struct account *a, size_t now, size_t more)
{
    /* An account that is being made gets what every account has. */
    bool is_new = map_find(a->names, STR("INBOX")) == NULL;
    return !is_new && more > 0 && now + more > get_limit(a, QUOTA_MAILBOX) ? ERR_OVER_QUOTA
                                                                           : ERR_OK;
}

bool quota_has_storage_limit(const struct account *a)
{
    return get_limit(a, QUOTA_STORAGE) != QUOTA_UNLIMITED;
}
