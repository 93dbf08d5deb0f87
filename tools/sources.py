"""What the checks share: which files there are, and a rough but sufficient reading of C.

Reading is textual: comments and literals are blanked (positions stay), then braces tell functions apart. clang-format has
fixed the layout before (a function's opening brace stands alone in column 1), which makes that reliable.
"""
import os
import re
import subprocess

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def tracked(*suffixes):
    """Files of the tree (tracked or new, not ignored), as paths from its top."""
    out = subprocess.run(['git', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'], cwd=TOP,
                         check=True, capture_output=True).stdout.decode()
    names = sorted(n for n in out.split('\0') if n and os.path.isfile(os.path.join(TOP, n)))
    return [n for n in names if not suffixes or n.endswith(suffixes)]


def read(name):
    with open(os.path.join(TOP, name), encoding='utf-8', errors='surrogateescape') as f:
        return f.read()


def blank(text):
    """C without comments, strings and characters; every line and column keeps its place."""
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)

    def spaces(m):
        s = m.group(0)
        if s[0] in '"\'':
            return s[0] + re.sub(r'[^\n]', ' ', s[1:-1]) + s[0]
        return re.sub(r'[^\n]', ' ', s)
    return pattern.sub(spaces, text)


class Function:
    def __init__(self, name, line, lines, params, nesting):
        self.name, self.line, self.lines, self.params, self.nesting = name, line, lines, params, nesting


def count_params(text):
    depth, count = 0, 1
    inner = text.strip()
    if inner in ('', 'void'):
        return 0
    for c in inner:
        depth += (c == '(') - (c == ')')
        count += c == ',' and depth == 0
    return count


def deepest(body):
    """Depth of control blocks: 1 for an if in the function; braces of initialisers and case blocks do not count."""
    stack, most = [], 0
    for m in re.finditer(r'[{}]', body):
        if m.group(0) == '}':
            if stack:
                stack.pop()
            continue
        before = body[:m.start()].rstrip()
        is_control = before.endswith((')', 'else', 'do')) and not re.search(r'\)\s*\($', before)
        # "(struct x){...}" is a literal, not a block: its parenthesis holds a type.
        if is_control and before.endswith(')'):
            depth, i = 0, len(before) - 1
            while i >= 0:
                depth += (before[i] == ')') - (before[i] == '(')
                if depth == 0:
                    break
                i -= 1
            word = re.search(r'(\w+)\s*$', before[:i])
            is_control = bool(word) and word.group(1) not in ('return', 'sizeof')
        stack.append(is_control)
        most = max(most, sum(stack))
    return most


def functions(text):
    """Functions of a formatted C file."""
    code = blank(text)
    found = []
    for m in re.finditer(r'^\{\n(.*?)^\}$', code, re.S | re.M):
        head_start = max(code.rfind(';\n', 0, m.start()), code.rfind('}\n', 0, m.start()), code.rfind('\n\n', 0, m.start()))
        head = code[head_start + 1:m.start()].strip(';}\n ')
        name = re.search(r'(\w+)\s*\(', head)
        if not name:
            continue
        rest, depth = head[name.end():], 1
        for i, c in enumerate(rest):
            depth += (c == '(') - (c == ')')
            if depth == 0:
                break
        line = code.count('\n', 0, m.start()) + 1
        found.append(Function(name.group(1), line, m.group(0).count('\n') - 1, count_params(rest[:i]), deepest(m.group(1))))
    return found


def report(findings):
    for f in findings:
        print(f)
    return 1 if findings else 0
