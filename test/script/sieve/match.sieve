Match types and comparators (RFC 5228, 2.7; RFC 4790; RFC 5051: MD-7; RFC 5231: MD-4) X-SIEVE-OCTET X-SIEVE-ASCII-CASEMAP X-SIEVE-ASCII-NUMERIC

=== message a
From: "Anna" <anna@example.com>
To: fred@example.org, user@example.org
Cc: x@example.net
Subject:  frobnitzm
X-Upper: ÄÖÜ Straße
X-Koi: =?koi8-r?B?8NLJ18XU?=
X-Number: 0042
X-Word: abc
X-Big: 123456789012345678901234567890
X-Star: a*b?c\d
X-Empty:
Received: one
Received: two

body
=== script :is takes the whole, :contains a part, the empty key is contained in all
require "fileinto";
if header "subject" "frobnitzm" { fileinto "is"; }
if header :is "subject" "frob" { fileinto "wrong"; }
if header :contains "subject" "nit" { fileinto "contains"; }
if header :contains "subject" "fbm" { fileinto "wrong"; }
if header :contains "subject" "" { fileinto "empty"; }
if header :is "subject" "" { fileinto "wrong"; }
if header :is "x-empty" "" { fileinto "is empty"; }
if header :contains "x-none" "" { fileinto "wrong"; }
=== actions a
fileinto "is"
fileinto "contains"
fileinto "empty"
fileinto "is empty"
=== script :matches
require "fileinto";
if header :matches "subject" "frob*zm" { fileinto "1"; }
if header :matches "subject" "f?obnit?m" { fileinto "2"; }
if header :matches "subject" "*" { fileinto "3"; }
if header :matches "subject" "*nit*" { fileinto "4"; }
if header :matches "subject" "frob" { fileinto "wrong"; }
if header :matches "subject" "frobnitzm?" { fileinto "wrong"; }
if header :matches "subject" "frobnitzm*" { fileinto "5"; }
if header :matches "x-star" "a\\*b\\?c\\\\d" { fileinto "6"; }
if header :matches "x-star" "a\\**" { fileinto "7"; }
if header :matches "subject" "frob\\*" { fileinto "wrong"; }
if header :matches "x-empty" "*" { fileinto "8"; }
if header :matches "x-empty" "?" { fileinto "wrong"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
fileinto "5"
fileinto "6"
fileinto "7"
fileinto "8"
=== script any of the names, any of the keys
if header :contains ["x-none", "subject"] ["nothing", "NITZ"] { discard; }
=== actions a
discard
=== script octets tell cases apart
require "fileinto";
if header :comparator "i;octet" "subject" "FROBNITZM" { fileinto "wrong"; }
if header :comparator "i;octet" :contains "subject" "nitz" { fileinto "1"; }
if header :comparator "i;ascii-casemap" "subject" "FROBNITZM" { fileinto "2"; }
if header :matches "subject" "FROB*" { fileinto "3"; }
if header :matches :comparator "i;octet" "subject" "FROB*" { fileinto "wrong"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
=== script i;ascii-casemap knows ASCII letters only
if header :contains "x-upper" "äöü" { discard; }
=== actions a
implicit keep
=== script i;unicode-casemap knows all letters
require ["comparator-i;unicode-casemap", "fileinto"];
if header :comparator "i;unicode-casemap" :contains "x-upper" "äöü" { fileinto "1"; }
if header :comparator "i;unicode-casemap" :matches "x-upper" "ä?ü str*e" { fileinto "2"; }
if header :comparator "i;unicode-casemap" "x-koi" "ПРИВЕТ" { fileinto "3"; }
if header :comparator "i;unicode-casemap" :matches "x-koi" "пр????" { fileinto "4"; }
if header :comparator "i;unicode-casemap" :matches "x-koi" "пр???" { fileinto "wrong"; }
if header :comparator "i;unicode-casemap" "x-koi" "пока" { fileinto "wrong"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== script comparators must be required
if header :comparator "i;unicode-casemap" "a" "b" { keep; }
=== wrong
1: This comparator needs "require "comparator-i;unicode-casemap";"
=== script unknown comparator
if header :comparator "i;elbonia" "a" "b" { keep; }
=== wrong
1: There is no comparator "i;elbonia"
=== script the two that all have may be required, too
require ["comparator-i;octet", "comparator-i;ascii-casemap"];
if header :comparator "i;octet" "subject" "frobnitzm" { discard; }
=== actions a
discard
=== script i;ascii-numeric: numbers of any length; what is no number is infinity
require ["comparator-i;ascii-numeric", "relational", "fileinto"];
if header :comparator "i;ascii-numeric" "x-number" "42" { fileinto "1"; }
if header :comparator "i;ascii-numeric" "x-number" "42abc" { fileinto "2"; }
if header :comparator "i;ascii-numeric" "x-number" "43" { fileinto "wrong"; }
if header :value "gt" :comparator "i;ascii-numeric" "x-number" "9" { fileinto "3"; }
if header :value "lt" :comparator "i;ascii-numeric" "x-big" "123456789012345678901234567891" { fileinto "4"; }
if header :value "ge" :comparator "i;ascii-numeric" "x-big" "99999999999999999999" { fileinto "5"; }
if header :value "gt" :comparator "i;ascii-numeric" "x-word" "99999999999999999999" { fileinto "6"; }
if header :value "eq" :comparator "i;ascii-numeric" "x-word" "xyz" { fileinto "7"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
fileinto "5"
fileinto "6"
fileinto "7"
=== script i;ascii-numeric has no substrings
require "comparator-i;ascii-numeric";
if header :comparator "i;ascii-numeric" :contains "a" "b" { keep; }
=== wrong
2: i;ascii-numeric compares numbers: it goes with :is, :count and :value
=== script :value orders
require ["relational", "fileinto"];
if header :value "gt" "subject" "FROB" { fileinto "1"; }
if header :value "lt" "subject" "frobz" { fileinto "2"; }
if header :value "ge" "subject" "frobnitzm" { fileinto "3"; }
if header :value "le" "subject" "frobnitzm" { fileinto "4"; }
if header :value "eq" "subject" "FROBNITZM" { fileinto "5"; }
if header :value "ne" "subject" "frobnitzm" { fileinto "wrong"; }
if header :value "ne" "subject" ["frobnitzm", "x"] { fileinto "6"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
fileinto "5"
fileinto "6"
=== script :count counts fields, and addresses (RFC 5231, 4.2)
require ["relational", "comparator-i;ascii-numeric", "fileinto"];
if header :count "eq" :comparator "i;ascii-numeric" "received" "2" { fileinto "1"; }
if header :count "ge" :comparator "i;ascii-numeric" ["received", "subject"] "3" { fileinto "2"; }
if header :count "ge" :comparator "i;ascii-numeric" ["to", "cc"] "3" { fileinto "wrong"; }
if address :count "ge" :comparator "i;ascii-numeric" ["to", "cc"] "3" { fileinto "3"; }
if header :count "eq" :comparator "i;ascii-numeric" "x-none" "0" { fileinto "4"; }
if header :count "lt" ["received"] "10" { fileinto "5"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
fileinto "5"
=== script relations are six
require "relational";
if header :count "xx" "a" "b" { keep; }
=== wrong
2: A relation is one of "gt", "ge", "lt", "le", "eq", "ne"
=== script relations must be required
if header :count "gt" "a" "1" { keep; }
=== wrong
1: "count" needs "require "relational";" at the top
=== script stars take as little as they can, and no pattern takes long
if header :matches "subject" "*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*?*x" { discard; }
=== actions a
implicit keep
