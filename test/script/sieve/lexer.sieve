Tokens and strings (RFC 5228, 2 and 8.1). MD-1

=== message a
Subject: a "quoted" back\slash
X-Multi: line one

body
=== script comments of both kinds
# hash
/* bracket
   * ** over lines / */ keep /* here */ ; # end
=== actions a
keep
=== script a bracket comment that is open
keep; /* no end
=== wrong
1: A comment that begins here or behind has no end
=== script quoted strings: quoting, other escapes mean themselves
if header "subject" "a \"quoted\" back\\sl\ash" { discard; }
=== actions a
discard
=== script multi-line strings, dot-stuffing
require "reject";
reject text: # comment
one
..two
.three

end
.
;
=== actions a
reject "one\n.two\n.three\n\nend\n"
=== script something behind text: in an argument
redirect text: x
.
;
=== wrong
1: Nothing but a comment may follow "text:" in its line
=== script text without an end
redirect text:
never
=== wrong
1: This text has no line with a single dot at its end
=== script a string without an end
redirect "never
=== wrong
1: This string has no closing quote
=== script lines are counted in strings and comments
/*

*/ require "reject"; reject text:
a
b
.
; redirect "1
2"; foo;
=== wrong
7: "1
2" is no address to redirect to
=== script numbers with quantifiers
if size :over 1K { discard; } elsif size :over 0k { keep; }
if not allof (size :under 1M, size :under 8G) { discard; }
=== actions a
keep
=== script numbers that are too large
if size :over 99999999999G { keep; }
=== wrong
1: This number is too large
=== script numbers that are far too large
if size :over 99999999999999999999999999 { keep; }
=== wrong
1: This number is too large
=== script no such quantifier
if size :over 12X { keep; }
=== wrong
1: A number may end with K, M or G, and nothing else
=== script a tag is a word
if header : "a" "b" { keep; }
=== wrong
1: A colon stands before the name of a tag only, as in :is
=== script characters that mean nothing
keep; @
=== wrong
1: This character has no meaning outside strings and comments
=== script missing semicolon
keep
discard;
=== wrong
2: Expected ";", not "discard"
=== script open block
if true {
  keep;
=== wrong
1: The block that begins here has no "}"
=== script a brace too much
keep; }
=== wrong
1: Expected a command, not "}"
=== script an open list
require ["fileinto";
=== wrong
1: Expected "," or "]", not ";"
=== script an open list of tests
if allof (true, false { keep; }
=== wrong
1: Expected "," or ")", not "{"
=== script a list is needed
if allof true { keep; }
=== wrong
1: Expected "(" and a list of tests, not "true"
=== script a test is needed
if { keep; }
=== wrong
1: Expected a test, not "{"
=== script no list of tests where one test stands
if not (true) { keep; }
=== wrong
1: Expected a test, not "("
=== script too many arguments
keep "a";
=== wrong
1: "keep" takes 0 arguments besides tags, not 1
=== script too few arguments
if header "a" { keep; }
=== wrong
1: "header" takes 2 arguments besides tags, not 1
=== script wrong kind of argument
redirect 12;
=== wrong
1: Argument 1 of "redirect" is a string
=== script a list where one string is meant
redirect ["a@b.example"];
=== wrong
1: Argument 1 of "redirect" is a string
=== script tags behind arguments
if header "a" :is "b" { keep; }
=== wrong
1: "header" takes 2 arguments besides tags, not 3
=== script unknown tag, with a hint
if header :contain "a" "b" { keep; }
=== wrong
1: "header" has no tag ":contain"; did you mean ":contains"?
=== script a tag twice
if header :is :is "a" "b" { keep; }
=== wrong
1: ":is" stands twice
=== script tags that exclude each other
if header :is :matches "a" "b" { keep; }
=== wrong
1: ":is" and ":matches" exclude each other
=== script a tag without its value
if header :comparator :is "a" "b" { keep; }
=== wrong
1: ":comparator" is followed by a string
=== script encoded characters (2.4.2.4)
require ["encoded-character", "fileinto"];
fileinto "$${hex:40}"; fileinto "${hex: 40 41}"; fileinto "${HEX: 40 42}"; fileinto "${hex:40";
fileinto "${hex:400}"; fileinto "${hex:4${hex:30}}"; fileinto "${unicode:40 43}"; fileinto "${ unicode:40}";
fileinto "${UnICoDE:0000040 44}"; fileinto "${Unicode:Cool}"; fileinto "${unicode:e9}";
=== actions a
fileinto "$@"
fileinto "@A"
fileinto "@B"
fileinto "${hex:40"
fileinto "${hex:400}"
fileinto "${hex:40}"
fileinto "@C"
fileinto "${ unicode:40}"
fileinto "@D"
fileinto "${Unicode:Cool}"
fileinto "é"
=== script encoded characters that do not exist
require "encoded-character";
redirect "${unicode:200000}";
=== wrong
2: There is no Unicode character "200000"
=== script surrogates do not exist, either
require "encoded-character";
redirect "${Unicode:DF01}";
=== wrong
2: There is no Unicode character "DF01"
=== script without the extension nothing is decoded
require "fileinto";
fileinto "${hex:40}";
=== actions a
fileinto "${hex:40}"
