variables (RFC 5229). MD-6

=== message a
From: a@example.com
To: coyote@ACME.Example.COM
Subject: [acme-users] [fwd] version 1.0 is out
List-ID: Dummy List <dummy@lists.example.com>

body
=== script set, and its modifiers (4.1)
require ["variables", "fileinto"];
set "a" "juMBlEd lETteRS"; fileinto "${a}";
set :length "b" "${a}"; fileinto "${b}";
set :lower "b" "${a}"; fileinto "${b}";
set :upperfirst "b" "${a}"; fileinto "${b}";
set :upperfirst :lower "b" "${a}"; fileinto "${B}";
set :lowerfirst :upper "b" "${a}"; fileinto "${b}";
set :quotewildcard "b" "Rock*?\\"; fileinto "${b}";
set :quotewildcard :length "b" "Rock*"; fileinto "${b}";
set :length "b" "été"; fileinto "len${b}";
=== actions a
fileinto "juMBlEd lETteRS"
fileinto "15"
fileinto "jumbled letters"
fileinto "JuMBlEd lETteRS"
fileinto "Jumbled letters"
fileinto "jUMBLED LETTERS"
fileinto "Rock\*\?\\"
fileinto "6"
fileinto "len3"
=== script modifiers of the same precedence
require "variables";
set :lower :upper "a" "b";
=== wrong
2: ":lower" and ":upper" exclude each other
=== script unknown modifier
require "variables";
set :lowest "a" "b";
=== wrong
2: "set" has no tag ":lowest"; did you mean ":lower"?
=== script what is no variable stays as it is (3)
require ["variables", "fileinto"];
set "company" "ACME";
fileinto "${company}"; fileinto "x${unknown}x"; fileinto "${}"; fileinto "${a b}"; fileinto "${company";
fileinto "$${company}$"; fileinto "\${company}."; fileinto "&%${}!"; fileinto "${doh!}";
=== actions a
fileinto "ACME"
fileinto "xx"
fileinto "${}"
fileinto "${a b}"
fileinto "${company"
fileinto "$ACME$"
fileinto "ACME."
fileinto "&%${}!"
fileinto "${doh!}"
=== script values are not read again
require ["variables", "fileinto"];
set "dollar" "$"; set "x" "y";
fileinto "${dollar}{x}";
=== actions a
fileinto "${x}"
=== script names are in any case, and may be long
require ["variables", "fileinto"];
set "ThisIsANameOfMoreThan32CharactersIndeed" "1";
fileinto "${THISISANAMEOFMORETHAN32CHARACTERSINDEED}";
=== actions a
fileinto "1"
=== script what cannot be set
require "variables";
set "1" "x";
=== wrong
2: "1" is no name of a variable that can be set
=== script what cannot be set, either
require "variables";
set "${x}" "x";
=== wrong
2: The name of a variable cannot hold variables
=== script namespaces
require ["variables", "fileinto"];
fileinto "${foo.bar}";
=== wrong
2: There is no namespace "foo" of variables
=== script the global namespace needs include
require ["variables", "fileinto"];
fileinto "${global.bar}";
=== wrong
2: Global variables need "require "include";" at the top
=== script match variables (3.2)
require ["variables", "fileinto"];
if header :matches "List-ID" "*<*@*" { fileinto "lists.${2}"; }
if header :matches "Subject" "[*] *" { fileinto "${1}:${2}:${0}"; }
if address :matches ["To", "Cc"] ["coyote@**.com", "will@**.com"] { fileinto "b.${1}.${2}.${003}."; }
if header :matches "subject" "nothing*" { keep; }
fileinto "still ${2}";
=== actions a
fileinto "lists.dummy"
fileinto "acme-users:[fwd] version 1.0 is out:[acme-users] [fwd] version 1.0 is out"
fileinto "b..ACME.Example.."
fileinto "still ACME.Example"
=== script question marks are match variables, too
require ["variables", "fileinto"];
if string :matches "abcdef" "a?c*f" { fileinto "${1}${2}"; }
=== actions a
fileinto "bde"
=== script match variables keep the case of the value
require ["variables", "fileinto", "comparator-i;unicode-casemap"];
if string :matches :comparator "i;unicode-casemap" "ÄRGER Über" "ärger *" { fileinto "${1}"; }
=== actions a
fileinto "Über"
=== script tests that are not needed are not made
require ["variables", "fileinto"];
if anyof (true, address :domain :matches "To" "*.com") { fileinto "x${1}"; }
=== actions a
fileinto "x"
=== script match variables beyond the last
require ["variables", "fileinto"];
fileinto "${100}";
=== wrong
2: Match variables go up to ${99}
=== script the test string, and its count (5)
require ["variables", "fileinto", "relational"];
set "state" "pending";
if string :matches " ${state} " "* pending *" { fileinto "1"; }
if string "${state}" ["x", "PENDING"] { fileinto "2"; }
if string " pending" "pending" { fileinto "wrong"; }
if string :count "eq" ["a", "", "b"] "2" { fileinto "3"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
=== script encoded characters come first
require ["encoded-character", "variables", "fileinto"];
set "name" "Ethelbert";
fileinto "dear${hex:20 24 7b 4e}ame}";
=== actions a
fileinto "dear Ethelbert"
=== world
limit variables 3
limit variable_octets 5
=== script more variables than there may be
require "variables";
set "a" "1"; set "b" "1"; set "c" "1"; set "a" "2";
set "d" "1";
=== actions a
error 3: A script has at most 3 variables
implicit keep
=== script longer values are cut, at whole characters (6)
require ["variables", "fileinto"];
set "a" "1234"; set "a" "${a}é56"; fileinto "${a}";
=== actions a
fileinto "1234"
=== script a constant that is too long is found at once
require "variables";
set "a" "123456";
=== wrong
2: A variable holds at most 5 octets
=== script without the extension nothing is a variable
require "fileinto";
fileinto "${a}";
=== actions a
fileinto "${a}"
