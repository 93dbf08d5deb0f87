What the host knows: duplicate (RFC 7352: X-SIEVE-DUPLICATE), environment (RFC 5183: X-SIEVE-ENVIRONMENT), mailbox, mboxmetadata and
servermetadata (RFC 5490: X-SIEVE-MAILBOX, X-SIEVE-MBOXMETADATA X-SIEVE-SERVERMETADATA), special-use (RFC 8579: X-SIEVE-SPECIAL-USE), mailboxid (RFC 9042:
X-SIEVE-MAILBOXID), imapsieve (RFC 6785: X-SIEVE-IMAPSIEVE)

=== message a
Message-ID: <1@example.com>
X-Id:  two

body
=== message none
Subject: x

body
=== world
seen "" <1@example.com>
seen h two
mailbox INBOX
mailbox Archive
mailboxid F1
special-use Archive \Archive
special-use Sent \Sent
metadata INBOX /private/vendor/x on
metadata "" /shared/comment hello
item domain example.org
item remote-ip 192.0.2.1
item vnd.example.x ""
=== script duplicate by Message-ID, a field, an id, a handle
require ["duplicate", "fileinto"];
if duplicate { fileinto "1"; }
if duplicate :header "message-id" { fileinto "2"; }
if duplicate :uniqueid "<1@example.com>" { fileinto "3"; }
if duplicate :handle "h" :header "X-ID" :seconds 60 :last { fileinto "4"; }
if duplicate :handle "h" { fileinto "wrong"; }
if duplicate :header "x-id" { fileinto "wrong"; }
if duplicate :seconds 0 { fileinto "wrong"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== script without the field nothing is a duplicate (3.1)
require ["duplicate"];
if anyof (duplicate, duplicate :header "bad name:") { discard; }
=== actions none
implicit keep
=== script an id or a field
require "duplicate";
if duplicate :header "a" :uniqueid "b" { keep; }
=== wrong
2: ":header" and ":uniqueid" exclude each other
=== script environment (RFC 5183)
require ["environment", "fileinto", "relational"];
if environment "domain" "example.org" { fileinto "1"; }
if environment :matches "REMOTE-IP" "192.*" { fileinto "2"; }
if environment "name" "Limetta" { fileinto "3"; }
if environment :matches "version" "?*" { fileinto "4"; }
if environment "location" "MDA" { fileinto "5"; }
if environment "phase" "during" { fileinto "6"; }
if environment :contains "quux" "" { fileinto "wrong"; }
if environment :contains "vnd.example.x" "" { fileinto "7"; }
if environment :count "eq" "vnd.example.x" "0" { fileinto "8"; }
if environment "imap.cause" "" { fileinto "9"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
fileinto "5"
fileinto "6"
fileinto "7"
fileinto "8"
fileinto "9"
=== script mailboxes and ids: all of them
require ["mailbox", "mailboxid", "fileinto"];
if mailboxexists ["INBOX", "Archive"] { fileinto :create "1"; }
if mailboxexists ["INBOX", "None"] { fileinto "wrong"; }
if mailboxidexists "F1" { fileinto :mailboxid "F1" "2"; }
if mailboxidexists ["F1", "F2"] { fileinto "wrong"; }
=== actions a
fileinto "1" create
fileinto "2" mailboxid "F1"
=== script special uses
require ["special-use", "fileinto"];
if specialuse_exists "\\Archive" { fileinto :specialuse "\\Archive" "1"; }
if specialuse_exists ["\\Archive", "\\SENT"] { fileinto "2"; }
if specialuse_exists "Sent" ["\\Archive"] { fileinto "wrong"; }
if specialuse_exists "Sent" "\\Sent" { fileinto "3"; }
if specialuse_exists "\\Junk" { fileinto "wrong"; }
=== actions a
fileinto "1" special-use "\Archive"
fileinto "2"
fileinto "3"
=== script no special use
require ["special-use", "fileinto"];
fileinto :specialuse "Archive" "x";
=== wrong
2: "Archive" is no special use, as \Archive is one
=== script an id or a use (RFC 9042, 5.2)
require ["special-use", "fileinto", "mailboxid"];
fileinto :specialuse "\\Archive" :mailboxid "F1" "x";
=== wrong
2: ":mailboxid" and ":specialuse" exclude each other
=== script metadata
require ["mboxmetadata", "servermetadata", "fileinto"];
if metadata "INBOX" "/private/vendor/x" "ON" { fileinto "1"; }
if metadata :contains "Archive" "/private/vendor/x" "" { fileinto "wrong"; }
if metadataexists "INBOX" ["/private/vendor/x"] { fileinto "2"; }
if metadataexists "INBOX" ["/private/vendor/x", "/private/y"] { fileinto "wrong"; }
if servermetadata :matches "/shared/comment" "h*" { fileinto "3"; }
if servermetadataexists "/shared/comment" { fileinto "4"; }
if servermetadataexists "/shared/admin" { fileinto "wrong"; }
if metadata "" "/shared/comment" "hello" { fileinto "wrong"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== world
broken
=== script a host that cannot answer ends the run
require "mailbox";
if not mailboxexists "x" { discard; }
=== actions a
host IO
=== world
cause flag
in Work
flag \Flagged
flag $A
changed \Flagged
changed $A
imap-user anna
imap-email anna@example.com
=== script events of IMAP (RFC 6785, 4)
require ["imapsieve", "environment", "imap4flags", "fileinto"];
if environment "location" "MS" { fileinto "1"; }
if environment "phase" "post" { fileinto "2"; }
if environment "imap.cause" "FLAG" { fileinto "3"; }
if environment "imap.user" "anna" { fileinto "4"; }
if environment "imap.email" "anna@example.com" { fileinto "5"; }
if environment "imap.mailbox" "Work" { fileinto "6"; }
if environment "imap.changedflags" "\\Flagged $A" { fileinto "7"; }
if hasflag "\\flagged" { fileinto :flags "" "8"; }
keep;
=== actions a
fileinto "1" flags(\Flagged $A)
fileinto "2" flags(\Flagged $A)
fileinto "3" flags(\Flagged $A)
fileinto "4" flags(\Flagged $A)
fileinto "5" flags(\Flagged $A)
fileinto "6" flags(\Flagged $A)
fileinto "7" flags(\Flagged $A)
fileinto "8"
keep flags(\Flagged $A)
=== script messages in mailboxes do not change; what is sent may (3.7)
require ["imapsieve", "editheader", "copy"];
deleteheader "x-id"; redirect :copy "a@example.com"; keep;
=== actions a
redirect "a@example.com"
| Message-ID: <1@example.com>
|
keep flags(\Flagged $A)
=== script what is for deliveries only: rejections
require ["imapsieve", "reject"];
keep;
=== actions a
error 0: "reject" is for mail that is being delivered
implicit keep
=== script answers
require ["vacation"];
=== actions a
error 0: "vacation" is for mail that is being delivered
implicit keep
=== script answers that ihave brings
require ["ihave"];
if ihave "vacation" { vacation "x"; }
=== actions a
error 2: Only mail that is being delivered can be answered
implicit keep
=== script envelopes
require ["envelope"];
if envelope "from" "x" { keep; }
=== actions a
error 2: There is no envelope when mail is not being delivered
implicit keep
=== script duplicates
require ["duplicate"];
if duplicate { keep; }
=== actions a
error 2: "duplicate" is for mail that is being delivered
implicit keep
