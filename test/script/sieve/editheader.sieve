editheader (RFC 5293). X-SIEVE-EDITHEADER

=== message a
Received: one
From: a@example.com
X-Hello: 1
X-Hello: 2
	folded
X-Hello: 3
Subject: s
Content-Type: text/plain

body
=== script addheader in front and at the end; actions see it as it was then
require ["editheader", "fileinto"];
fileinto "0";
addheader "X-New" "first";
fileinto "1";
addheader :last "X-End" "last";
keep;
=== actions a
fileinto "0"
fileinto "1"
| X-New: first
| Received: one
| From: a@example.com
| X-Hello: 1
| X-Hello: 2
| folded
| X-Hello: 3
| Subject: s
| Content-Type: text/plain
|
keep
| X-New: first
| Received: one
| From: a@example.com
| X-Hello: 1
| X-Hello: 2
| folded
| X-Hello: 3
| Subject: s
| Content-Type: text/plain
| X-End: last
|
=== script deleteheader: all of them; tests see it; the implicit keep, too
require ["editheader", "fileinto"];
deleteheader "x-hello";
deleteheader "Subject";
if exists "x-hello" { fileinto "wrong"; }
=== actions a
implicit keep
| Received: one
| From: a@example.com
| Content-Type: text/plain
|
=== script :index counts what is there (7)
require ["editheader"];
deleteheader :index 1 "X-Hello";
deleteheader :index 2 "X-Hello";
deleteheader "From"; deleteheader "Subject";
=== actions a
implicit keep
| Received: one
| X-Hello: 2
| folded
| Content-Type: text/plain
|
=== script :last, and patterns: the counting comes first
require ["editheader"];
deleteheader :index 1 :last "X-Hello" "1";
deleteheader :index 1 :last "X-Hello" "3";
deleteheader :contains "X-Hello" ["x", "FOLD"];
deleteheader "From"; deleteheader "Subject";
=== actions a
implicit keep
| Received: one
| X-Hello: 1
| Content-Type: text/plain
|
=== script added and deleted again
require ["editheader"];
addheader "X-Hello" "World";
deleteheader :index 1 "X-Hello";
deleteheader :matches "X-Hello" "*"; deleteheader "From"; deleteheader "Subject";
=== actions a
implicit keep
| Received: one
| Content-Type: text/plain
|
=== script what is protected stays, without an error (6)
require ["editheader"];
deleteheader "Received"; deleteheader "Auto-Submitted"; deleteheader "Content-Type";
addheader "Content-Transfer-Encoding" "base64";
=== actions a
implicit keep
=== script a copy is a copy, however its header was edited (7)
require ["editheader"];
keep;
addheader "X-Flavor" "vanilla";
keep;
=== actions a
keep
=== script text beyond ASCII, controls and long lines
require ["editheader", "encoded-character", "fileinto"];
deleteheader "x-hello"; deleteheader "from"; deleteheader "subject";
addheader "X-Text" "Grüße aus Köln, und noch viel mehr davon, damit es umbricht";
addheader "X-Ctl" "a${hex: 0d 0a}Injected: b";
addheader "X-Long" "aaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbb cccccccccccccccccccccc ddddddddd";
if header "x-text" "Grüße aus Köln, und noch viel mehr davon, damit es umbricht" { fileinto "x"; }
=== actions a
fileinto "x"
| X-Long: aaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbbbbbbbbbbbbb
| cccccccccccccccccccccc ddddddddd
| X-Ctl: a  Injected: b
| X-Text: =?UTF-8?B?R3LDvMOfZSBhdXMgS8O2bG4sIHVuZCBub2NoIHZpZWwgbWVociBkYXZv?=
| =?UTF-8?B?biwgZGFtaXQgZXMgdW1icmljaHQ=?=
| Received: one
| Content-Type: text/plain
|
=== script no name of a field
require "editheader";
addheader "X Hello" "a";
=== wrong
2: "X Hello" is no name of a header field
=== script no name of a field, from a variable
require ["editheader", "variables"];
deleteheader "${x}:";
=== actions a
error 2: ":" is no name of a header field
implicit keep
=== script :last alone
require "editheader";
deleteheader :last "X-Hello";
=== wrong
2: ":last" goes with ":index"
=== script an error leaves the header alone (7)
require ["editheader", "ihave"];
addheader "X" "y"; keep;
error "stop";
=== actions a
error 3: stop
implicit keep
=== world
limit header_octets 30
=== script how much may be added
require ["editheader"];
addheader "X-A" "0123456789";
addheader "X-B" "0123456789";
=== actions a
error 3: A script adds at most 30 octets to a header
implicit keep
