body (RFC 5173). X-SIEVE-BODY

=== message nested
From: Whomever
To: Someone
Date: Whenever
Subject: whatever
Content-Type: multipart/mixed; boundary=outer

& This is a multi-part message in MIME format.
&
--outer
Content-Type: multipart/alternative; boundary=inner

& This is a nested multi-part message in MIME format.
&
--inner
Content-Type: text/plain; charset="us-ascii"

$ Hello
$
--inner
Content-Type: text/html; charset="us-ascii"

% <html><body>Hello <b>wo</b>rld &amp; all</body></html>
%
--inner--
&
& This is the end of the inner MIME multipart.
&
--outer
Content-Type: message/rfc822

From: Someone Else
Subject: hello request

$ Please say Hello
$
--outer--
&
& This is the end of the outer MIME multipart.
=== message coded
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe aus K=
=F6ln
--b
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

0J/RgNC40LLQtdGC
--b
Content-Type: audio/mp3
Content-Transfer-Encoding: base64

TVAzIGRhdGE=
--b
Content-Type: text/plain
Content-Transfer-Encoding: x-unknown

plain all the same
--b--
=== message plain
Subject: x

line one
line two
=== message headeronly
Subject: x
=== script :content "multipart" sees what stands before and behind the parts
require ["body", "fileinto"];
if body :content "multipart" :contains "MIME" { fileinto "1"; }
if body :content "multipart" :contains "nested" { fileinto "2"; }
if body :content "multipart" :contains "end of the inner" { fileinto "3"; }
if body :content "multipart" :contains "end of the outer" { fileinto "4"; }
if body :content "multipart" :contains "Hello" { fileinto "wrong"; }
if body :content "multipart" :contains "--" { fileinto "wrong"; }
if body :content "multipart/alternative" :contains "end of the outer" { fileinto "wrong"; }
=== actions nested
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== script :content by type and subtype, each part for itself
require ["body", "fileinto"];
if body :content "text/plain" :contains "Please say Hello" { fileinto "1"; }
if body :content "text/plain" :contains "html" { fileinto "wrong"; }
if body :content "TEXT/html" :contains "<b>wo</b>" { fileinto "2"; }
if body :content "text" :matches "*$ Hello*" { fileinto "3"; }
if body :content "text" :matches "*$ Hello*</html>*" { fileinto "wrong"; }
if body :content ["audio", "message/rfc822"] :contains "hello request" { fileinto "4"; }
if body :content "message/rfc822" :contains "Please" { fileinto "wrong"; }
if body :content ["text/", "/plain", "text/plain/x", "/"] :contains "" { fileinto "wrong"; }
if body :content "" :contains "html" { fileinto "5"; }
if body :content "image" :contains "" { fileinto "wrong"; }
=== actions nested
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
fileinto "5"
=== script :raw sees everything behind the header, as it stands
require ["body", "fileinto"];
if body :raw :contains "--inner" { fileinto "1"; }
if body :raw :contains "Whomever" { fileinto "wrong"; }
if body :raw :contains "Content-Type: text/html" { fileinto "2"; }
=== actions nested
fileinto "1"
fileinto "2"
=== script :raw decodes nothing
require ["body", "fileinto"];
if body :raw :contains "Gr=FC" { fileinto "1"; }
if body :raw :contains "Grüße" { fileinto "wrong"; }
=== actions coded
fileinto "1"
=== script transfer encodings and charsets are undone
require ["body", "fileinto"];
if body :content "text" :contains "Grüße aus Köln" { fileinto "1"; }
if body :text :contains "Привет" { fileinto "2"; }
if body :content "audio/mp3" :is "MP3 data" { fileinto "3"; }
if body :contains "plain all the same" { fileinto "4"; }
if body :contains "MP3" { fileinto "wrong"; }
=== actions coded
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== script :text is what a reader sees: HTML without its markup
require ["body", "fileinto"];
if body :text :contains "Hello world & all" { fileinto "1"; }
if body :text :contains "<b>" { fileinto "wrong"; }
=== actions nested
fileinto "1"
=== script line ends are in it
require ["body", "fileinto", "encoded-character"];
if body :raw :is "line one${hex: 0d 0a}line two${hex: 0d 0a}" { fileinto "1"; }
if body :raw :is text:
line one
line two
.
{ fileinto "2"; }
=== actions plain
fileinto "1"
fileinto "2"
=== script without an empty line there is no body (4)
require "body";
if body :raw :contains "" { discard; }
=== actions headeronly
implicit keep
=== script match variables stay as they were (6)
require ["body", "variables", "fileinto"];
if header :matches "subject" "*" { }
if body :raw :matches "*line*" { fileinto "${1}"; }
=== actions plain
fileinto "x"
=== world
limit body_octets 5
=== script only so much of a part is looked at
require ["body", "fileinto"];
if body :text :is "line " { fileinto "1"; }
if body :raw :is "line " { fileinto "2"; }
=== actions plain
fileinto "1"
fileinto "2"
=== script body must be required
if body :contains "x" { keep; }
=== wrong
1: "body" needs "require "body";" at the top
=== script one transform only
require "body";
if body :raw :text "x" { keep; }
=== wrong
2: ":raw" and ":text" exclude each other
