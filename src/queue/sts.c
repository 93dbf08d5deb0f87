/* The two texts of MTA-STS (RFC 8461, 3.1 and 3.2), and which hosts a policy covers.
 *
 * The record is "v=STSv1; id=20160831085700Z;", the policy lines of "key: value". Both are a stranger's: keys we do not know are passed
 * over, of keys given twice the first holds, only mx may come again. A policy that lacks what its mode needs is no policy, so that a
 * damaged one never weakens the one we have. */
#include "queue/sts.h"

#include "base/buf.h"

enum { MX_TEXT_MOST = 16 * 1024 };

static bool is_id(struct str id)
{
    bool is_good = id.n > 0 && id.n <= STS_ID_MOST;
    for (size_t i = 0; i < id.n && is_good; i++) {
        is_good = ascii_is_alpha(id.p[i]) || ascii_is_digit(id.p[i]);
    }
    return is_good;
}

bool sts_parse_record(struct str text, struct str *id)
{
    struct str found = STR_EMPTY;
    struct str version = str_trim(str_split(&text, ';'));
    if (!str_eq(version, STR("v=STSv1"))) {
        return false;
    }
    while (text.n > 0 && found.n == 0) {
        struct str field = str_trim(str_split(&text, ';'));
        struct str key = str_trim(str_split(&field, '='));
        found = str_eq(key, STR("id")) ? str_trim(field) : found;
    }
    if (!is_id(found)) {
        return false;
    }
    *id = found;
    return true;
}

/* A host name, perhaps with "*." before it. */
static bool is_pattern(struct str mx)
{
    mx = str_starts(mx, STR("*.")) ? str_skip(mx, 2) : mx;
    bool is_good = mx.n > 0 && mx.n < 254 && mx.p[0] != '.';
    for (size_t i = 0; i < mx.n && is_good; i++) {
        char c = mx.p[i];
        is_good = ascii_is_alpha(c) || ascii_is_digit(c) || c == '-' || c == '.' || c == '_';
    }
    return is_good;
}

/* What was read so far. */
struct reading {
    bool has_version;
    bool has_mode;
    bool has_age;
    bool is_bad;
    size_t mx_count;
    struct buf mx;
    struct sts_policy policy;
};

static void read_mode(struct reading *r, struct str value)
{
    if (r->has_mode) {
        return;
    }
    r->has_mode = true;
    if (str_eq(value, STR("enforce"))) {
        r->policy.mode = STS_ENFORCE;
    } else if (str_eq(value, STR("testing"))) {
        r->policy.mode = STS_TESTING;
    } else {
        r->is_bad = r->is_bad || !str_eq(value, STR("none"));
    }
}

static void read_mx(struct reading *r, struct str value)
{
    value = str_ends(value, STR(".")) ? str_sub(value, 0, value.n - 1) : value;
    if (!is_pattern(value) || r->mx_count == STS_MX_MOST) {
        r->is_bad = true;
        return;
    }
    r->mx_count++;
    buf_add(&r->mx, r->mx.len > 0 ? STR(" ") : STR_EMPTY);
    for (size_t i = 0; i < value.n; i++) {
        buf_add_char(&r->mx, ascii_lower(value.p[i]));
    }
}

static void read_line(struct reading *r, struct str line)
{
    struct str key = str_trim(str_split(&line, ':'));
    struct str value = str_trim(line);
    if (str_eq(key, STR("version"))) {
        r->has_version = true;
        r->is_bad = r->is_bad || !str_eq(value, STR("STSv1"));
    } else if (str_eq(key, STR("mode"))) {
        read_mode(r, value);
    } else if (str_eq(key, STR("max_age")) && !r->has_age) {
        r->has_age = true;
        r->is_bad = r->is_bad || !str_to_u64(value, 9999999999, &r->policy.max_age_s);
    } else if (str_eq(key, STR("mx"))) {
        read_mx(r, value);
    }
}

enum err sts_parse_policy(struct arena *a, struct str text, struct sts_policy *out)
{
    struct reading r = {.mx = BUF_INIT(MX_TEXT_MOST)};
    if (text.n > STS_POLICY_MOST) {
        return ERR_LIMIT;
    }
    while (text.n > 0) {
        read_line(&r, str_split(&text, '\n'));
    }
    bool is_whole = r.has_version && r.has_mode && r.has_age && !r.is_bad && !r.mx.is_full
                    && (r.mx_count > 0 || r.policy.mode == STS_NONE);
    if (is_whole) {
        r.policy.max_age_s =
            r.policy.max_age_s < STS_AGE_MOST_S ? r.policy.max_age_s : STS_AGE_MOST_S;
        r.policy.mx = arena_str(a, buf_str(&r.mx));
        *out = r.policy;
    }
    buf_release(&r.mx);
    return is_whole ? ERR_OK : ERR_SYNTAX;
}

bool sts_covers(const struct sts_policy *p, struct str host)
{
    struct str left = p->mx;
    while (left.n > 0) {
        struct str one = str_split(&left, ' ');
        bool is_wild = str_starts(one, STR("*."));
        size_t dot = str_find_char(host, '.');
        struct str part = is_wild ? str_skip(host, dot + 1) : host; /* one label, no more */
        one = is_wild ? str_skip(one, 2) : one;
        if (one.n > 0 && str_eq_nocase(one, part) && (!is_wild || dot < host.n)) {
            return true;
        }
    }
    return false;
}
