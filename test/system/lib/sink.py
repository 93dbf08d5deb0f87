"""A small SMTP server that keeps what it is given: the relay host of the tests."""
import socketserver
import ssl
import threading


class Sink:
    """extensions: lines of EHLO, or of LHLO. refuse_times: answers 451 to that many MAIL commands first. port 0: any. identity: certificate and key
    for STARTTLS. path: LMTP on that Unix socket instead of a port.
    is_brief: hangs up behind each message. host: an address of a lab's host, when made inside it."""

    def __init__(self, extensions=('8BITMIME', 'SIZE 100000000', 'PIPELINING', 'ENHANCEDSTATUSCODES'), refuse_times=0, port=0,
                 identity=None, path=None, is_brief=False, host='127.0.0.1'):
        self.extensions, self.refuse_times = extensions, refuse_times
        self.sessions, self.is_brief = 0, is_brief
        self.encrypted = []  # of each message: came it under TLS?
        self.tls = None
        if identity is not None:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*identity)
        self.verbs = []  # of all sessions
        self.messages = []  # (reverse path, [forward paths], octets)
        self.arrived = threading.Condition()
        sink = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                try:
                    sink.talk(self.request, self.rfile, self.wfile)
                except (ConnectionError, ssl.SSLError):
                    pass  # the client died, or does not trust us

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            request_queue_size = 128  # else a burst of connections hangs before its greeting
        class UnixServer(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True
        self.server = Server((host, port), Handler) if path is None else UnixServer(path, Handler)
        self.port = self.server.server_address[1] if path is None else 0
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def talk(self, connection, rfile, wfile):
        is_tls = is_lmtp = False
        self.sessions += 1

        def say(line):
            wfile.write(line.encode() + b'\r\n')
            wfile.flush()
        say('220 sink.example ESMTP')
        sender, recipients = None, []
        while True:
            line = rfile.readline()
            verb = line.strip().split(b' ')[0].upper()
            self.verbs.append(verb)
            if not line or verb == b'QUIT':
                if line:
                    say('221 2.0.0 bye')
                return
            if verb in (b'EHLO', b'LHLO'):
                is_lmtp = verb == b'LHLO'
                say('250-sink.example')
                for e in self.extensions:
                    say('250-' + e)
                if self.tls and not is_tls:
                    say('250-STARTTLS')
                say('250 HELP')
            elif verb == b'STARTTLS' and self.tls and not is_tls:
                say('220 2.0.0 go on')
                connection = self.tls.wrap_socket(connection, server_side=True)
                rfile, wfile, is_tls = connection.makefile('rb'), connection.makefile('wb'), True
            elif verb == b'AUTH':
                say('235 2.7.0 whoever you are')
            elif verb == b'HELO':
                say('250 sink.example')
            elif verb == b'MAIL' and self.refuse_times > 0:
                self.refuse_times -= 1
                say('451 4.3.0 come back later')
            elif verb == b'MAIL':
                sender, recipients = line.strip().decode(errors='replace')[10:], []
                say('250 2.1.0 ok')
            elif verb == b'RCPT':
                recipients.append(line.strip().decode(errors='replace')[8:])
                say('250 2.1.5 ok')
            elif verb == b'DATA':
                say('354 go on')
                lines = []
                while (l := rfile.readline()) != b'.\r\n':
                    if not l:
                        return  # it broke off: that was no message
                    lines.append(l[1:] if l.startswith(b'.') else l)
                with self.arrived:
                    self.messages.append((sender, recipients, b''.join(lines)))
                    self.encrypted.append(is_tls)
                    self.arrived.notify_all()
                for _ in recipients if is_lmtp else [None]:
                    say('250 2.0.0 kept')
                if self.is_brief:
                    return
            else:
                say('250 2.0.0 ok' if verb in (b'RSET', b'NOOP') else '500 5.5.1 what?')

    def wait(self, count, timeout_s=60):
        """The first count messages."""
        with self.arrived:
            if not self.arrived.wait_for(lambda: len(self.messages) >= count, timeout_s):
                raise AssertionError(f'the relay got {len(self.messages)} messages, {count} expected')
            return self.messages[:count]
