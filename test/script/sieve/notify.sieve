enotify (RFC 5435) with mailto (RFC 5436). MD-2

=== message a
From: boss@example.org
Subject: FYI: x

body
=== world
method https://example.com/hook
method-capability https://example.com/hook online yes
=== script the least; the implicit keep stays
require "enotify";
notify "mailto:alm@example.com";
=== actions a
notify "mailto:alm@example.com" importance 2
implicit keep
=== script everything
require ["enotify", "variables", "fcc"];
if header :matches "Subject" "*" { set "s" "${1}"; }
notify :from "User <user@example.org>" :importance "1" :options ["a=b", "c.d-e="] :message "[S] ${s}" :fcc "Sent" "mailto:a@example.com,b%40@example.com?subject=x%20y&cc=c@example.com";
discard;
=== wrong
3: "mailto:a@example.com,b%40@example.com?subject=x%20y&cc=c@example.com" is no address to notify by mail
=== script everything that is right
require ["enotify", "variables", "fcc"];
if header :matches "Subject" "*" { set "s" "${1}"; }
notify :from "User <user@example.org>" :importance "1" :options ["a=b", "c.d-e="] :message "[S] ${s}" :fcc "Sent" "mailto:a@example.com,b@example.com?subject=x%20y&cc=c@example.com";
discard;
=== actions a
notify "mailto:a@example.com,b@example.com?subject=x%20y&cc=c@example.com" importance 1 from "User <user@example.org>" message "[S] FYI: x" options(a=b c.d-e=) fcc "Sent"
discard
=== script other methods are the host's
require "enotify";
notify "https://example.com/hook";
=== actions a
notify "https://example.com/hook" importance 2
implicit keep
=== script a method that is not offered fails when it is run (3.2)
require "enotify";
if false { notify "tel:+14085551212"; }
notify "xmpp:tim@example.com";
=== actions a
error 3: "xmpp:tim@example.com" is no way of notifying that is offered here
implicit keep
=== script addresses that are none
require "enotify";
notify "mailto:nobody";
=== wrong
2: "mailto:nobody" is no address to notify by mail
=== script nobody at all
require "enotify";
notify "mailto:?subject=x";
=== wrong
2: "mailto:?subject=x" is no address to notify by mail
=== script no way into a header
require ["enotify", "variables"];
set "x" "mailto:a@example.com?subject=a%0";
notify "${x}";
=== actions a
error 3: "mailto:a@example.com?subject=a%0" is no way of notifying that is offered here
implicit keep
=== script importance is 1, 2 or 3
require "enotify";
notify :importance "4" "mailto:a@example.com";
=== wrong
2: ":importance" is "1", "2" or "3"
=== script options have names and values
require "enotify";
notify :options "=x" "mailto:a@example.com";
=== wrong
2: An option of "notify" is "name=value"
=== script from is an address
require "enotify";
notify :from "x" "mailto:a@example.com";
=== actions a
error 2: "x" is no address to write from
implicit keep
=== script the same twice is once
require "enotify";
notify :message "a" "mailto:a@example.com"; notify :message "a" "mailto:a@example.com"; notify :message "b" "mailto:a@example.com";
=== actions a
notify "mailto:a@example.com" importance 2 message "a"
notify "mailto:a@example.com" importance 2 message "b"
implicit keep
=== script valid_notify_method (4)
require ["enotify", "fileinto"];
if valid_notify_method "mailto:a@example.com" { fileinto "1"; }
if valid_notify_method ["mailto:a@example.com", "http://gw.example.net/notify?test"] { fileinto "wrong"; }
if valid_notify_method ["https://example.com/hook", "mailto:?to=a@example.com"] { fileinto "2"; }
if valid_notify_method "mailto:" { fileinto "wrong"; }
if valid_notify_method "mailto:a b@example.com" { fileinto "wrong"; }
if valid_notify_method "mailto:a@example.com?x" { fileinto "wrong"; }
=== actions a
fileinto "1"
fileinto "2"
=== script notify_method_capability (5)
require ["enotify", "fileinto", "relational"];
if notify_method_capability "mailto:a@example.com" "Online" "maybe" { fileinto "1"; }
if notify_method_capability "mailto:a@example.com" "online" "yes" { fileinto "wrong"; }
if notify_method_capability "mailto:a@example.com" "fcc" "yes" { fileinto "2"; }
if notify_method_capability :contains "mailto:a@example.com" "quux" "" { fileinto "wrong"; }
if notify_method_capability :contains "xmpp:a@example.com" "online" "" { fileinto "wrong"; }
if notify_method_capability "https://example.com/hook" "online" "yes" { fileinto "3"; }
if notify_method_capability :count "eq" "mailto:a@example.com" "online" "1" { fileinto "4"; }
=== actions a
fileinto "1"
fileinto "2"
fileinto "3"
fileinto "4"
=== script :encodeurl (6)
require ["enotify", "variables", "fileinto"];
set :encodeurl "b" "Safe body&evil=evilbody/é-._~"; fileinto "${b}";
set :encodeurl :length "b" "a&"; fileinto "${b}";
=== actions a
fileinto "Safe%20body%26evil%3Devilbody%2F%C3%A9-._~"
fileinto "4"
=== script :encodeurl comes with enotify
require ["variables"];
set :encodeurl "b" "a";
=== wrong
2: "encodeurl" needs "require "enotify";" at the top
=== world
broken
=== script a host that cannot say ends the run
require "enotify";
notify "https://example.com/hook";
=== actions a
host IO
