#ifndef LIMETTA_MIME_HTML_H
#define LIMETTA_MIME_HTML_H

#include "base/buf.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The text of an HTML document, as a stream: octets in pieces of any size, text out. Any octets give something; octets
 * that are UTF-8 give UTF-8 (decode with mime/charset.h first). Nothing is allocated: the state is this struct, and what it
 * gathers is bounded.
 *
 * White space is one space; block elements and <br> end the line (CRLF), paragraphs leave one empty line; <pre> stays as it
 * stands. Comments, <script>, <style>, <title> and other elements without text for the reader are passed over, so of <head>
 * nothing is left. Character references are decoded; &nbsp; is white space. There is no line end at the end. */
enum html_mode {
    HTML_WORDS, /* only what stands in the document: for searching, for previews */
    HTML_READABLE /* "* " before list items, "<address>" behind links, "[text]" for pictures: for reading */
};

enum { HTML_NAME_MOST = 32, HTML_VALUE_MOST = 2048 };

struct html {
    enum html_mode mode;
    unsigned state;
    char quote;              /* that ends the attribute's value; NUL: white space does */
    bool is_end_tag;         /* "</" */
    bool is_value_wanted;    /* the attribute that is being read is kept */
    bool is_begun;           /* something was written */
    bool is_space_due;       /* white space stands before the next word */
    bool is_item_due;        /* a list item begins with the next word */
    bool is_link_text_other; /* what was written of the link is not its address */
    unsigned lines_due;      /* line ends before the next word, 2 at most */
    unsigned pre_depth;      /* open <pre> */
    unsigned dashes;         /* in a comment: how many stand before */
    const void *element; /* of the tag that is being read; NULL: a name that means nothing here */
    const void *raw;     /* element whose content is passed over; NULL: none */
    char name[HTML_NAME_MOST]; /* of a tag, an attribute or a reference; cut */
    size_t name_n;
    char value[HTML_VALUE_MOST]; /* of a wanted attribute */
    size_t value_n;
    char link[HTML_VALUE_MOST]; /* address of the open link */
    size_t link_n;              /* 0: no link is open, or none that is shown */
    size_t link_at;             /* octets of it that the link's text has repeated */
};

void html_init(struct html *h, enum html_mode mode);
/* Appends the text of a piece, as far as it is certain. is_last: none comes. At out's cap text is lost (out->is_full). */
void html_to_text(struct html *h, struct str piece, bool is_last, struct buf *out);

#endif
