date (RFC 5260). X-SIEVE-DATE

=== message a
Date: Tue, 31 Dec 2024 23:30:15 -0500
Received: from a by b with ESMTP id 1; Wed, 1 Jan 2025 05:00:00 +0100
Received: from c by d; Wed, 1 Jan 2025 00:00:00 +0000
X-Bad: Fri, 30 Feb 2024 10:00:00 +0000
X-None: soon

body
=== world
now 1735704000 7200
=== script all parts, in the original zone
require ["date", "fileinto", "variables"];
if date :originalzone :matches "date" "year" "*" { fileinto "${1}"; }
if date :originalzone :matches "date" "month" "*" { fileinto "m${1}"; }
if date :originalzone :matches "date" "day" "*" { fileinto "d${1}"; }
if date :originalzone :matches "date" "DATE" "*" { fileinto "${1}"; }
if date :originalzone :matches "date" "julian" "*" { fileinto "j${1}"; }
if date :originalzone :matches "date" "hour" "*" { fileinto "h${1}"; }
if date :originalzone :matches "date" "minute" "*" { fileinto "min${1}"; }
if date :originalzone :matches "date" "second" "*" { fileinto "s${1}"; }
if date :originalzone :matches "date" "time" "*" { fileinto "${1}"; }
if date :originalzone :matches "date" "iso8601" "*" { fileinto "${1}"; }
if date :originalzone :matches "date" "std11" "*" { fileinto "${1}"; }
if date :originalzone :matches "date" "zone" "*" { fileinto "${1}"; }
if date :originalzone :matches "date" "weekday" "*" { fileinto "w${1}"; }
=== actions a
fileinto "2024"
fileinto "m12"
fileinto "d31"
fileinto "2024-12-31"
fileinto "j60675"
fileinto "h23"
fileinto "min30"
fileinto "s15"
fileinto "23:30:15"
fileinto "2024-12-31T23:30:15-05:00"
fileinto "Tue, 31 Dec 2024 23:30:15 -0500"
fileinto "-0500"
fileinto "w2"
=== script zones: the local one, and one that is asked for
require ["date", "fileinto", "variables"];
if date :matches "date" "iso8601" "*" { fileinto "${1}"; }
if date :zone "+0000" :matches "date" "iso8601" "*" { fileinto "${1}"; }
if date :zone "+0000" :matches "date" "zone" "*" { fileinto "${1}"; }
if date :zone "-1130" :matches "date" "std11" "*" { fileinto "${1}"; }
=== actions a
fileinto "2025-01-01T06:30:15+02:00"
fileinto "2025-01-01T04:30:15Z"
fileinto "+0000"
fileinto "Tue, 31 Dec 2024 17:00:15 -1130"
=== script the first field of several; others by :index
require ["date", "index", "fileinto"];
if date :zone "+0000" "received" "hour" "04" { fileinto "1"; }
if date :index 2 :zone "+0000" "received" "hour" "00" { fileinto "2"; }
if date :index 1 :last :zone "+0000" "received" "hour" "00" { fileinto "3"; }
if date :index 3 "received" "hour" "00" { fileinto "wrong"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
=== script days that are none, fields that are none
require ["date", "fileinto", "relational"];
if date :matches "x-bad" "year" "*" { fileinto "wrong"; }
if date :matches "x-none" "year" "*" { fileinto "wrong"; }
if date :matches "x-missing" "year" "*" { fileinto "wrong"; }
if date :count "eq" "x-missing" "year" "0" { fileinto "1"; }
=== actions a
fileinto "1"
=== script currentdate
require ["date", "relational", "fileinto"];
if currentdate "iso8601" "2025-01-01T06:00:00+02:00" { fileinto "1"; }
if currentdate :zone "-0800" "date" "2024-12-31" { fileinto "2"; }
if currentdate :value "ge" "hour" "06" { fileinto "3"; }
if currentdate :count "eq" "hour" "1" { fileinto "4"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== script no such part
require "date";
if date "date" "century" "20" { keep; }
=== wrong
2: A date has no part "century"
=== script no such zone
require "date";
if currentdate :zone "CET" "year" "20" { keep; }
=== wrong
2: "CET" is no time zone, as "+0200" is one
=== script both zones
require "date";
if date :zone "+0100" :originalzone "date" "year" "20" { keep; }
=== wrong
2: ":zone" and ":originalzone" exclude each other
=== script parts and zones that variables hold
require ["date", "variables"];
set "z" "CET";
if date :zone "${z}" "date" "year" "20" { keep; }
=== actions a
error 3: "CET" is no time zone, as "+0200" is one
implicit keep
