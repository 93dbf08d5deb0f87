imap4flags (RFC 5232). MD-3

=== message a
Subject: x

body
=== script the internal variable goes with keep, fileinto and the implicit keep
require ["imap4flags", "fileinto"];
setflag "\\Seen"; fileinto "a";
addflag ["$Work", "\\flagged"]; fileinto "b";
removeflag "\\seen"; keep;
=== actions a
fileinto "a" flags(\Seen)
fileinto "b" flags(\Seen $Work \flagged)
keep flags($Work \flagged)
=== script the implicit keep has them, too (3)
require "imap4flags";
setflag "\\Draft";
=== actions a
implicit keep flags(\Draft)
=== script :flags replaces it for one action (5)
require ["imap4flags", "fileinto"];
setflag "\\Seen"; fileinto :flags "$A $B" "a"; keep :flags [];
=== wrong
2: Expected a string, not "]"
=== script :flags with no flags
require ["imap4flags", "fileinto"];
setflag "\\Seen"; fileinto :flags "$A $B" "a"; keep :flags "";
=== actions a
fileinto "a" flags($A $B)
keep
=== script spaces part flags; empty strings, \Recent and what is no flag are left out (2)
require ["imap4flags"];
setflag ["  \\Seen   $A ", "", "\\Recent", "\\Foo", "b(d", "$a", "\\SEEN", "a*b", "é"]; keep;
=== actions a
keep flags(\Seen $A)
=== script the last flags win when a mailbox is named twice (3)
require ["imap4flags", "fileinto"];
fileinto :flags "$A" "a"; fileinto :flags "$B" "a";
=== actions a
fileinto "a" flags($B)
=== script named variables
require ["imap4flags", "variables", "fileinto"];
addflag "f" "\\Deleted"; addflag "F" "\\Answered \\Deleted"; removeflag "f" ["\\deleted", "$X"];
fileinto :flags "${f}" "a";
set "g" "$A $B  $A"; addflag "g" "$C"; fileinto "${g}"; fileinto :flags "${g}" "b";
=== actions a
fileinto "a" flags(\Answered)
fileinto "$A $B $C"
fileinto "b" flags($A $B $C)
=== script named variables need variables
require ["imap4flags"];
addflag "f" "\\Deleted";
=== wrong
2: Flags in variables need "require "variables";"
=== script hasflag (4)
require ["imap4flags", "variables", "fileinto", "relational"];
setflag "A B";
if hasflag :is "b A" { fileinto "1"; }
if hasflag ["b", "A"] { fileinto "2"; }
if hasflag "C" { fileinto "wrong"; }
set "MyVar" "NonJunk Junk gnus-forward $Forwarded NotJunk JunkRecorded $Junk $NotJunk";
if hasflag :contains "MyVar" "Junk" { fileinto "3"; }
if hasflag :contains "MyVar" ["label", "forward"] { fileinto "4"; }
if hasflag :contains "MyVar" "label" { fileinto "wrong"; }
if hasflag :contains "MyVar" "forward junk" { fileinto "5"; }
set "MyFlags" "A B A";
if hasflag :count "eq" "MyFlags" "2" { fileinto "6"; }
if hasflag :count "eq" ["MyFlags", "MyVar"] "10" { fileinto "7"; }
if hasflag :matches "MyVar" "gnus-*" { fileinto "8"; }
if hasflag :count "eq" "none" "0" { fileinto "9"; }
=== actions a
fileinto "1" flags(A B)
fileinto "2" flags(A B)
fileinto "3" flags(A B)
fileinto "4" flags(A B)
fileinto "5" flags(A B)
fileinto "6" flags(A B)
fileinto "7" flags(A B)
fileinto "8" flags(A B)
fileinto "9" flags(A B)
=== script flags must be required
keep :flags "x";
=== wrong
1: "flags" needs "require "imap4flags";" at the top
