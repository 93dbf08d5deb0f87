/* A client that only counts. VANISHED counts as that many EXPUNGEs; VANISHED (EARLIER) changes no numbers (RFC 7162, 3.2.10.1).
 * After CLOSED, CLOSE and UNSELECT it believes nothing until the next EXISTS. */
#include "client_model.h"

/* The number that s begins with, and the rest behind one space. */
static bool take_number(struct str *s, uint64_t *n)
{
    struct str rest = *s;
    if (!str_to_u64(str_split(&rest, ' '), UINT32_MAX, n)) {
        return false;
    }
    *s = rest;
    return true;
}

/* How many UIDs a set names; a set that is none: false. */
static bool count_uids(struct str set, uint64_t *count)
{
    *count = 0;
    while (set.n > 0) {
        struct str range = str_split(&set, ',');
        struct str first = str_split(&range, ':');
        uint64_t low = 0;
        uint64_t high = 0;
        if (!str_to_u64(first, UINT32_MAX, &low)) {
            return false;
        }
        high = low;
        if (range.n > 0 && (!str_to_u64(range, UINT32_MAX, &high) || high <= low)) {
            return false;
        }
        *count += high - low + 1;
    }
    return *count > 0;
}

static bool remove_messages(struct client_model *m, uint64_t n)
{
    if (!m->is_known || n > m->count) {
        return false;
    }
    m->count -= n;
    return true;
}

static bool hear_vanished(struct client_model *m, struct str set)
{
    uint64_t n = 0;
    if (str_starts(set, STR("(EARLIER) "))) {
        return count_uids(str_skip(set, 10), &n);
    }
    return count_uids(set, &n) && remove_messages(m, n);
}

/* Something about message n, or about the message whose UID n is. */
static bool hear_message(const struct client_model *m, uint64_t n, struct str word)
{
    if (m->is_uid_only) {
        return m->is_known && m->count > 0 && !str_starts(word, STR("FETCH"));
    }
    return m->is_known && n >= 1 && n <= m->count && !str_starts(word, STR("UIDFETCH"));
}

static bool hear_number(struct client_model *m, uint64_t n, struct str word)
{
    if (str_eq(word, STR("EXISTS"))) {
        bool is_good = !m->is_known || n >= m->count;
        m->is_known = true;
        m->count = n;
        return is_good;
    }
    if (str_eq(word, STR("EXPUNGE"))) {
        return !m->is_uid_only && n >= 1 && n <= m->count && remove_messages(m, 1);
    }
    if (str_starts(word, STR("FETCH (")) || str_starts(word, STR("UIDFETCH ("))
        || str_starts(word, STR("CONVERTED ("))) {
        return hear_message(m, n, word);
    }
    return str_eq(word, STR("RECENT")) && n <= m->count;
}

bool client_model_hear(struct client_model *m, struct str line)
{
    uint64_t n = 0;
    if (!str_starts(line, STR("* "))) {
        struct str tag = str_split(&line, ' ');
        bool is_closed =
            str_starts(line, STR("OK CLOSE ")) || str_starts(line, STR("OK UNSELECT "));
        m->is_known = m->is_known && !is_closed;
        return tag.n > 0;
    }
    line = str_skip(line, 2);
    if (str_starts(line, STR("OK [CLOSED]"))) {
        m->is_known = false;
        return true;
    }
    if (str_starts(line, STR("ENABLED "))) {
        m->is_uid_only = m->is_uid_only || str_find_str(line, STR(" UIDONLY")) < line.n;
        return true;
    }
    if (str_starts(line, STR("VANISHED "))) {
        return hear_vanished(m, str_skip(line, 9));
    }
    return take_number(&line, &n) ? hear_number(m, n, line) : line.n > 0;
}

/* Size of the literal that the line announces at its end. */
static bool find_literal(struct str line, uint64_t *size)
{
    size_t open = str_find_last_char(line, '{');
    return str_ends(line, STR("}"))
           && str_to_u64(str_sub(line, open + 1, line.n - open - 2), UINT32_MAX, size);
}

bool client_model_split(struct str *said, struct str *line)
{
    size_t at = 0;
    for (;;) {
        struct str rest = str_skip(*said, at);
        size_t end = at + str_find_str(rest, STR("\r\n"));
        uint64_t literal = 0;
        if (end >= said->n) {
            return false;
        }
        if (!find_literal(str_sub(*said, at, end - at), &literal)) {
            *line = str_sub(*said, 0, end);
            *said = str_skip(*said, end + 2);
            return true;
        }
        at = end + 2 + (size_t)literal;
    }
}
