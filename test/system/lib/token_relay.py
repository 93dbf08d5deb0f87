"""What Dovecot 2.3.19 (Debian 12) needs for URLAUTH to work at all.

Its imap-urlauth-login asks auth, at the socket token-login/tokenlogin, for the mechanism DOVECOT-TOKEN, and panics unless auth
announces it as "private". Auth announces its own mechanisms so, but on this one socket it leaves the word out. The program takes
another socket as an argument; so this one stands in between and adds the word."""
import os
import socket
import threading

# What goes into dovecot.conf with it: -l is where the next process listens, which is not found from outside token-login.
SETTINGS = '''
imap_urlauth_host = localhost
imap_urlauth_submit_user = submit
service imap-urlauth-login {
  executable = imap-urlauth-login -l {dir}/run/token-login/imap-urlauth {dir}/run/token-relay
  chroot =
}
'''


class TokenRelay:
    def __init__(self, dovecot_dir):
        self.to = os.path.join(dovecot_dir, 'run', 'token-login', 'tokenlogin')
        path = os.path.join(dovecot_dir, 'run', 'token-relay')
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        os.chmod(path, 0o666)
        self.listener.listen(16)
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()

    def _accept(self):
        while True:
            try:
                login = self.listener.accept()[0]
                auth = socket.socket(socket.AF_UNIX)
                auth.connect(self.to)
            except OSError:
                return
            threading.Thread(target=self._hand_on, args=(login, auth, b'', b''), daemon=True).start()
            threading.Thread(target=self._hand_on, args=(auth, login, b'DOVECOT-TOKEN\n', b'DOVECOT-TOKEN\tprivate\n'), daemon=True).start()

    @staticmethod
    def _hand_on(source, to, old, new):
        try:
            while data := source.recv(65536):
                to.sendall(data.replace(old, new) if old else data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass
