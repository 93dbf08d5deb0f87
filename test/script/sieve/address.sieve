Tests of addresses, of the envelope, of the header and of the size (RFC 5228, 5; RFC 5233; RFC 5260, 6: index). X-SIEVE-SUBADDRESS X-SIEVE-INDEX

=== message plain
From: x@example.com
Subject: s

body
=== message a
From: "Tim, the Enchanter" <tim+list@Example.COM>
To: Friends: a@example.org, "b c"@example.net;, user+sieve@example.org
Cc: not an address, c@example.org
X-Target: x@example.com
Sender: postmaster
Subject: first
Received: one
Received: two
Received: three
X-Enc: =?iso-8859-1?q?caf=E9?= =?utf-8?q?_cr=C3=A8me?=
X-Fold: one
 two	three

body
=== script parts of addresses
require "fileinto";
if address "from" "tim+list@example.com" { fileinto "all"; }
if address :localpart "from" "tim+list" { fileinto "localpart"; }
if address :domain "from" "example.com" { fileinto "domain"; }
if address :all :contains "from" "Enchanter" { fileinto "wrong"; }
if address :comparator "i;octet" :domain "from" "example.com" { fileinto "wrong"; }
=== actions a
fileinto "all"
fileinto "localpart"
fileinto "domain"
=== script addresses in groups, not their names
require "fileinto";
if address "to" "a@example.org" { fileinto "1"; }
if address :localpart "to" "b c" { fileinto "2"; }
if address :contains "to" "Friends" { fileinto "wrong"; }
if address "to" "user+sieve@example.org" { fileinto "3"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
=== script an address without a domain matches as a whole only (2.7.4)
require "fileinto";
if address :all "sender" "postmaster" { fileinto "1"; }
if address :localpart "sender" "postmaster" { fileinto "wrong"; }
=== actions a
fileinto "1"
=== script fields of our own may hold addresses
if address "x-target" "x@example.com" { discard; }
=== actions a
discard
=== script other fields hold none
if address "subject" "x" { keep; }
=== wrong
1: "subject" is no header field of addresses
=== script :user and :detail (RFC 5233)
require ["subaddress", "fileinto", "envelope"];
if address :user "from" "tim" { fileinto "1"; }
if address :detail "from" "list" { fileinto "2"; }
if address :detail "cc" "" { fileinto "wrong"; }
if address :user "cc" "c" { fileinto "3"; }
if envelope :detail "to" "" { fileinto "wrong"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
=== script subaddress must be required
if address :user "from" "x" { keep; }
=== wrong
1: "user" needs "require "subaddress";" at the top
=== world
from owner-list@example.net
to user+@example.org
=== script the envelope
require ["envelope", "fileinto", "subaddress"];
if envelope "from" "owner-list@example.net" { fileinto "1"; }
if envelope :localpart "FROM" "owner-list" { fileinto "2"; }
if envelope :domain ["to", "from"] "example.org" { fileinto "3"; }
if envelope :detail "to" "" { fileinto "4"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== script no such part of the envelope
require "envelope";
if envelope "size" "1" { keep; }
=== wrong
2: The envelope has no part "size"
=== world
from <>
=== script the null return path is the empty string in every part, and counts as nothing
require ["envelope", "fileinto", "relational"];
if envelope "from" "" { fileinto "1"; }
if envelope :domain "from" "" { fileinto "2"; }
if envelope :count "eq" "from" "0" { fileinto "3"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
=== world
=== script encoded words are decoded, folds are spaces, case of names does not count
require "fileinto";
if header "X-ENC" "café crème" { fileinto "1"; }
if header "x-fold" "one two	three" { fileinto "2"; }
=== actions a
fileinto "1"
fileinto "2"
=== script exists: all of them
require "fileinto";
if exists ["from", "to"] { fileinto "1"; }
if exists ["from", "x-none"] { fileinto "wrong"; }
if exists "from:" { fileinto "wrong"; }
=== actions a
fileinto "1"
=== script :index and :last
require ["index", "fileinto"];
if header :index 1 "received" "one" { fileinto "1"; }
if header :index 2 "received" "one" { fileinto "wrong"; }
if header :index 1 :last "received" "three" { fileinto "2"; }
if header :last :index 3 "received" "one" { fileinto "3"; }
if header :index 4 "received" "three" { fileinto "wrong"; }
if header :index 4 :last "received" "one" { fileinto "wrong"; }
if address :index 1 :domain "to" "example.net" { fileinto "4"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== script fields of several names are counted in the order of the names
require ["index", "fileinto"];
if header :index 4 ["received", "subject"] "first" { fileinto "1"; }
if header :index 1 :last ["subject", "received"] "three" { fileinto "2"; }
=== actions a
fileinto "1"
fileinto "2"
=== script :last alone
require "index";
if header :last "a" "b" { keep; }
=== wrong
2: ":last" goes with ":index"
=== script :index from 1
require "index";
if header :index 0 "a" "b" { keep; }
=== wrong
2: ":index" counts from 1
=== script size is neither over nor under itself (5.9)
require "fileinto";
if size :over 355 { fileinto "wrong"; }
if size :under 355 { fileinto "wrong"; }
if size :over 1 { fileinto "1"; }
=== actions a
fileinto "1"
=== script size needs one of them
if size 100 { keep; }
=== wrong
1: "size" takes 0 arguments besides tags, not 1
=== script size needs one of them, too
if size { keep; }
=== wrong
1: "size" needs ":over" or ":under"
