#ifndef LIMETTA_BASE_STR_H
#define LIMETTA_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A borrowed, read-only run of octets. May hold NUL, is not terminated. Passed by value.
 * The empty slice may have p == NULL. */
struct str {
    const char *p;
    size_t n;
};

/* The same slice, proven to be UTF-8. Only decoders make one. */
struct text {
    struct str s;
};

#define STR(lit) ((struct str){"" lit, sizeof(lit) - 1})
#define STR_EMPTY ((struct str){NULL, 0})
/* For printf: "%.*s", STR_ARG(s) */
#define STR_ARG(s) (int)(s).n, (s).p ? (s).p : ""

static inline struct str str_make(const char *p, size_t n)
{
    return (struct str){p, n};
}

/* Borrows a NUL-terminated string from libc or a library. */
static inline struct str str_from_c(const char *c)
{
    return (struct str){c, c ? strlen(c) : 0};
}

/* The part from octet `from` on, at most n octets; clipped to what s has. */
struct str str_sub(struct str s, size_t from, size_t n);
/* s without its first n octets (empty when there are fewer). */
struct str str_skip(struct str s, size_t n);

/* Octet by octet. */
bool str_eq(struct str a, struct str b);
/* ASCII letters compare without case; never locale. */
bool str_eq_nocase(struct str a, struct str b);
bool str_starts(struct str s, struct str prefix);
bool str_starts_nocase(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);
bool str_ends_nocase(struct str s, struct str suffix);
/* memcmp order, the shorter first when one is a prefix of the other: <0, 0, >0. */
int str_cmp(struct str a, struct str b);

/* Position of the first c, of the first needle; s.n when there is none. */
size_t str_find_char(struct str s, char c);
size_t str_find_str(struct str s, struct str needle);
/* Position of the last c; s.n when there is none. */
size_t str_find_last_char(struct str s, char c);
/* How often c is in s. */
size_t str_count_char(struct str s, char c);

/* Without leading and trailing SP, HT, CR, LF. */
struct str str_trim(struct str s);

/* Cuts s at the first sep: the part before is returned, *s becomes the part behind sep.
 * Without sep returns all of *s and leaves it empty. */
struct str str_split(struct str *s, char sep);
/* Copies s to *at, which has room for it and moves behind it; the copy. */
struct str str_put(char **at, struct str s);
/* Is word one of words, which have spaces between? An empty word is not. */
bool str_has_word(struct str words, struct str word);
/* The same, with ASCII letters of either case. */
bool str_has_word_nocase(struct str words, struct str word);

/* The whole of s as a decimal number, no sign, no spaces; false when it is not one or exceeds max. */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);

/* FNV-1a, for hash maps of keys that peers cannot choose freely, and for spreading accounts. */
uint64_t str_hash(struct str s);

/* Compares in time that depends on lengths only (for tokens). */
bool str_eq_secret(struct str a, struct str b);

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static inline char ascii_upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - ('a' - 'A')) : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Value of a hex digit, or -1. */
int ascii_hex_value(char c);

#endif
