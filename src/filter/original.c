/* What the actions want to know of the message that came in: some fields, whose it is, and whether a person wrote it (RFC 3834, 2;
 * RFC 5230, 4.5 and 4.6). */
#include "filter/filter_priv.h"

#include "filter/letter.h"
#include "mime/address.h"
#include "mime/field.h"
#include "wire/smtp_scan.h"

enum { VALUE_MOST = 64 * 1024, ADDRESSES_MOST = 100 };

/* As the action sees it: "Tests and actions [...] that examine header fields MUST examine the current state of a header" (RFC 5293, 7). */
static struct str get_header(const struct run *r)
{
    return r->seen_header.n > 0 ? r->seen_header
                                : str_sub(r->octets, 0, (size_t)r->shape.root.header_size);
}

/* The next field of that name from *at on, unfolded, in out, which is cleared. */
static bool next_value(const struct run *r, struct str name, size_t *at, struct buf *out)
{
    struct field f;
    while (field_next(get_header(r), at, &f)) {
        if (str_eq_nocase(f.name, name)) {
            buf_clear(out);
            field_unfold(str_sub(f.value, 0, VALUE_MOST / 2), out);
            return true;
        }
    }
    return false;
}

bool find_field(struct run *r, struct str name, struct str *out)
{
    CLEANUP(buf_release) struct buf value = BUF_INIT(VALUE_MOST);
    size_t at = 0;
    bool is_found = next_value(r, name, &at, &value);
    *out = is_found ? arena_str(r->a, buf_str(&value)) : STR_EMPTY;
    return is_found;
}

unsigned count_fields(struct run *r, struct str name)
{
    size_t at = 0;
    unsigned count = 0;
    struct field f;
    while (field_next(get_header(r), &at, &f)) {
        count += str_eq_nocase(f.name, name);
    }
    return count;
}

/* Domains without case, and local parts, too: nobody has two that differ in it. */
bool is_own_address(const struct run *r, struct str address)
{
    for (size_t i = 0; i < r->addresses.count; i++) {
        if (str_eq_nocase(address, r->addresses.at[i])) {
            return true;
        }
    }
    return false;
}

struct sieve_strings read_addresses(struct run *r, const struct sieve_strings *texts)
{
    uint32_t most = texts->count < ADDRESSES_MOST ? texts->count : ADDRESSES_MOST;
    struct str *list = arena_array(r->a, struct str, most + 1u);
    uint32_t count = 0;
    for (uint32_t i = 0; list != NULL && i < most; i++) {
        CLEANUP(buf_release) struct buf spec = BUF_INIT(VALUE_MOST);
        if (letter_find_address(texts->at[i], &spec)) {
            list[count++] = arena_str(r->a, buf_str(&spec));
        }
    }
    return (struct sieve_strings){.at = list, .count = count};
}

bool is_among(struct str address, const struct sieve_strings *list)
{
    for (uint32_t i = 0; i < list->count; i++) {
        if (str_eq_nocase(address, list->at[i])) {
            return true;
        }
    }
    return false;
}

static bool has_own(struct run *r, struct str value, const struct sieve_strings *more)
{
    struct address_list list = {0};
    if (address_list_parse(r->a, value, &list) != ERR_OK) {
        return false;
    }
    for (uint32_t i = 0; i < list.count; i++) {
        CLEANUP(buf_release) struct buf spec = BUF_INIT(VALUE_MOST);
        smtp_address_write(&spec, list.at[i].mailbox, list.at[i].host);
        if (is_own_address(r, buf_str(&spec)) || is_among(buf_str(&spec), more)) {
            return true;
        }
    }
    return false;
}

bool has_own_address(struct run *r, struct str name, const struct sieve_strings *more)
{
    CLEANUP(buf_release) struct buf value = BUF_INIT(VALUE_MOST);
    size_t at = 0;
    size_t looked = 0;
    while (looked < VALUE_MOST / 2 && next_value(r, name, &at, &value)) {
        if (has_own(r, buf_str(&value), more)) {
            return true;
        }
        looked += value.len;
    }
    return false;
}

bool is_submitted_automatically(struct run *r)
{
    CLEANUP(buf_release) struct buf value = BUF_INIT(VALUE_MOST);
    size_t at = 0;
    bool is_automatic = false;
    while (!is_automatic && next_value(r, STR("Auto-Submitted"), &at, &value)) {
        struct str rest = buf_str(&value);
        is_automatic = !str_eq_nocase(str_trim(str_split(&rest, ';')), STR("no"));
    }
    return is_automatic;
}

static bool has_bulk_precedence(struct run *r)
{
    static const char *const WORDS[] = {"bulk", "junk", "list"};
    struct str value;
    if (!find_field(r, STR("Precedence"), &value)) {
        return false;
    }
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (str_eq_nocase(value, str_from_c(WORDS[i]))) {
            return true;
        }
    }
    return false;
}

bool is_automatic(struct run *r)
{
    static const char *const FIELDS[] = {"List-Id",      "List-Help",        "List-Subscribe",
                                         "List-Post",    "List-Unsubscribe", "List-Owner",
                                         "List-Archive", "X-Mailing-List",   "X-Loop",
                                         "Mailing-List", "Feedback-ID"};
    for (size_t i = 0; i < sizeof(FIELDS) / sizeof(FIELDS[0]); i++) {
        if (count_fields(r, str_from_c(FIELDS[i])) > 0) {
            return true;
        }
    }
    return is_submitted_automatically(r) || has_bulk_precedence(r)
           || (str_eq_nocase(r->shape.root.type, STR("multipart"))
               && str_eq_nocase(r->shape.root.subtype, STR("report")));
}
