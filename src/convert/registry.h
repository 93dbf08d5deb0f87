#ifndef LIMETTA_CONVERT_REGISTRY_H
#define LIMETTA_CONVERT_REGISTRY_H

#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which media type can be converted to which, with which parameters, by what (RFC 5259, 5 and 7). One table; what of it this
 * machine really has is a set of tools, which the convert role finds at its start. */

/* What converts. TOOL_HERE: the worker itself, in memory; all others are programs that the convert role runs. */
enum convert_tool {
    TOOL_HERE,
    TOOL_IMAGE,     /* limetta-convert-image: jpeg, png, gif, webp */
    TOOL_HEIF,      /* the same program, when its library reads heif */
    TOOL_PDF_TEXT,  /* pdftotext */
    TOOL_PDF_IMAGE, /* limetta-convert-image, when its library reads pdf */
    TOOL_OFFICE,    /* limetta-convert-office: what is a zip with xml in it */
    TOOL_DOC,
    TOOL_XLS,
    TOOL_PPT,
    TOOL_MP3,
    TOOL_AAC,
    TOOL_AMR,
    TOOL_OPUS,
    TOOL_COUNT
};

/* "image", "pdf-text": as links call it. Static. */
const char *convert_tool_name(enum convert_tool t);
/* False: no such tool. */
bool convert_tool_find(struct str name, enum convert_tool *out);

/* What a worker does to octets by itself, before or after a tool. */
enum convert_text { TEXT_NONE, TEXT_CHARSET, TEXT_HTML, TEXT_RESULT };

enum convert_param {
    PARAM_CHARSET = 1 << 0,     /* RFC 2987 */
    PARAM_REPLACEMENT = 1 << 1, /* RFC 5259, 12.1 */
    PARAM_PIX_X = 1 << 2,       /* RFC 2534, 3.2 */
    PARAM_PIX_Y = 1 << 3,
    PARAM_RESIZE = 1 << 4,  /* "aspect", "crop", "stretch" */
    PARAM_SIZE = 1 << 5,    /* octets of the result, at most */
    PARAM_QUALITY = 1 << 6, /* 1 to 100 */
    PARAM_DEPTH = 1 << 7,   /* bits per pixel */
    PARAM_PAGE = 1 << 8,    /* of a document, from 1 */
    PARAM_END = 1 << 9
};

enum { CONVERT_PIXELS_MOST = 4096 }; /* a side of a picture that is made */

struct convert_pair {
    struct str from; /* in lower case */
    struct str to;
    enum convert_tool tool;
    enum convert_text text;
    unsigned params; /* bits of enum convert_param that it understands */
};

/* Walks all pairs, whatever the machine has: start with *at = 0; false at the end. */
bool convert_next_pair(size_t *at, struct convert_pair *out);
/* tools: bits (1 << enum convert_tool); TOOL_HERE is always there. */
bool convert_has(unsigned tools, const struct convert_pair *pair);
/* The conversion of one type to another; types without case. False: there is none here. */
bool convert_find(unsigned tools, struct str from, struct str to, struct convert_pair *out);

/* "type/subtype", "type/" "*", or "*" (mime-type-req): is it one at all? Not is_pattern: without "*". */
bool convert_is_type(struct str s, bool is_pattern);
bool convert_matches(struct str pattern, struct str type);

/* The name of one parameter, as we write it: "pix-x". Static. */
struct str convert_param_name(enum convert_param p);

#endif
