#ifndef LIMETTA_MIME_CASEMAP_H
#define LIMETTA_MIME_CASEMAP_H

#include "base/buf.h"
#include "base/str.h"

/* Appends the comparison key of i;unicode-casemap (RFC 5051): each character titlecased by its simple mapping, then fully
 * decomposed. Two texts are equal, or one contains the other, when that is so of their keys. utf8: whole characters; octets
 * that are not UTF-8 are kept as they are. The key of a text is the keys of its characters in a row. */
void casemap_write(struct str utf8, struct buf *out);

/* Which tables the keys are made with, such as "15.0": keys that are kept are worth nothing under others. */
enum { CASEMAP_VERSION_SIZE = 20 };
void casemap_get_version(char out[static CASEMAP_VERSION_SIZE]);

#endif
