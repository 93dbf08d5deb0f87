/* Mailbox names and the list of mailboxes.
 *
 * Names are UTF-8 with '/' between levels, in Normalization Form C, whoever names them (RFC 9051, 5.1): two names that look alike
 * are one. INBOX is one name in any case (RFC 3501, 5.1), also as the first level of a longer
 * name. A level is never empty; control characters are refused, because no client can show or type them.
 *
 * The list that LIST and LSUB walk is built from the committed names when somebody asks, and forgotten when one changes: rows
 * for mailboxes, for parents that are none themselves, and for names that are only subscribed. */
#include "base/utf8.h"
#include "mime/nfc.h"
#include "store/store_priv.h"

#include <assert.h>

/* C0, DEL, C1, line and paragraph separator */
static bool is_control(uint32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029;
}

static bool is_level_sound(struct str level)
{
    while (level.n > 0) {
        size_t n = utf8_check(level);
        if (n == 0 || n > level.n || is_control(utf8_get(level, n))) {
            return false;
        }
        level = str_skip(level, n);
    }
    return true;
}

enum err name_normalise(struct str name, char **out)
{
    if (name.n == 0 || name.n > MAILBOX_NAME_MOST || name.p[name.n - 1] == '/') {
        return ERR_MAILBOX_NAME;
    }
    struct str rest = name;
    struct str first = STR_EMPTY;
    for (unsigned depth = 0; rest.n > 0; depth++) {
        struct str level = str_split(&rest, '/');
        if (level.n == 0 || depth == MAILBOX_DEPTH_MOST || !is_level_sound(level)) {
            return ERR_MAILBOX_NAME;
        }
        first = depth == 0 ? level : first;
    }
    CLEANUP(buf_release) struct buf normal = BUF_INIT(NFC_MOST);
    if (nfc_write(name, &normal) != ERR_OK || normal.len > MAILBOX_NAME_MOST) {
        return ERR_MAILBOX_NAME;
    }
    *out = store_copy(buf_str(&normal));
    if (str_eq_nocase(first, STR("INBOX"))) {
        memcpy(*out, "INBOX", first.n);
    }
    return ERR_OK;
}

enum err mailbox_name_normalise(struct str name, struct buf *out)
{
    char *normal = NULL;
    TRY(name_normalise(name, &normal));
    buf_add_c(out, normal);
    free(normal);
    return ERR_OK;
}

/* ---- the list ---- */

void account_forget_infos(struct account *a)
{
    for (size_t i = 0; i < a->infos.count; i++) {
        free((char *)(uintptr_t)a->infos.at[i].name.p);
    }
    vec_clear(&a->infos);
    a->has_infos = false;
}

/* INBOX first, then octet order in which '/' comes before everything, so that children follow their parent. */
static int compare_names(struct str x, struct str y)
{
    size_t n = x.n < y.n ? x.n : y.n;
    for (size_t i = 0; i < n; i++) {
        if (x.p[i] != y.p[i]) {
            int a = x.p[i] == '/' ? 0 : (unsigned char)x.p[i];
            int b = y.p[i] == '/' ? 0 : (unsigned char)y.p[i];
            return a - b;
        }
    }
    return (x.n > y.n) - (x.n < y.n);
}

static bool is_inbox_tree(struct str name)
{
    return str_eq(name, STR("INBOX")) || str_starts(name, STR("INBOX/"));
}

static int compare_in_list(struct str x, struct str y)
{
    int by_inbox = is_inbox_tree(y) - is_inbox_tree(x);
    return by_inbox != 0 ? by_inbox : compare_names(x, y);
}

static int compare_infos(const void *a, const void *b)
{
    const struct mailbox_info *x = a;
    const struct mailbox_info *y = b;
    return compare_in_list(x->name, y->name);
}

static void add_info(struct account *a, struct map *seen, struct str name)
{
    if (map_find(seen, name) != NULL) {
        return;
    }
    struct mailbox_info info = {.name = str_make(store_copy(name), name.n)};
    const struct mailbox *m = map_find(a->names, name);
    if (m != NULL) {
        info.id = m->id;
        info.special_use = m->special_use;
        info.is_mailbox = true;
    }
    info.is_subscribed = map_find(a->subscriptions, name) != NULL;
    vec_push(&a->infos, info);
    (void)map_put(seen, name, a);
}

static void add_parents(struct account *a, struct map *seen, struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '/') {
            add_info(a, seen, str_sub(name, 0, i));
        }
    }
}

/* In the sorted list a name's children are right behind it; only children that are mailboxes count. */
static void mark_children(struct account *a)
{
    for (size_t i = 0; i < a->infos.count; i++) {
        struct mailbox_info *x = &a->infos.at[i];
        for (size_t k = i + 1; k < a->infos.count && !x->has_children; k++) {
            const struct mailbox_info *y = &a->infos.at[k];
            if (!str_starts(y->name, x->name) || y->name.p[x->name.n] != '/') {
                break;
            }
            x->has_children = y->is_mailbox;
        }
    }
}

static void build_infos(struct account *a)
{
    struct map *seen = map_new();
    size_t at = 0;
    struct str name;
    void *value;
    while (map_next(a->names, &at, &name, &value)) {
        add_info(a, seen, name);
        add_parents(a, seen, name);
    }
    at = 0;
    while (map_next(a->subscriptions, &at, &name, &value)) {
        add_info(a, seen, name);
        add_parents(a, seen, name);
    }
    map_free(&seen);
    if (a->infos.count > 0) {
        qsort(a->infos.at, a->infos.count, sizeof(*a->infos.at), compare_infos);
    }
    mark_children(a);
    a->has_infos = true;
}

bool account_next_mailbox(struct account *a, size_t *at, struct mailbox_info *out)
{
    if (!a->has_infos) {
        build_infos(a);
    }
    if (*at >= a->infos.count) {
        return false;
    }
    *out = a->infos.at[(*at)++];
    return true;
}

size_t account_seek_mailbox(struct account *a, struct str name)
{
    if (!a->has_infos) {
        build_infos(a);
    }
    size_t low = 0;
    size_t high = a->infos.count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_in_list(a->infos.at[mid].name, name) <= 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}
