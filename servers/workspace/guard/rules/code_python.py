"""Python that stands in a command: what it runs, deletes, reads and sends."""

from __future__ import annotations

import ast
import re
import warnings
from typing import TYPE_CHECKING

from servers.workspace.guard import marks
from servers.workspace.guard.execute import execute, refuse_hidden
from servers.workspace.guard.place import Place
from servers.workspace.guard.rules import code_text, paths
from servers.workspace.guard.rules.network import METADATA, host_of
from servers.workspace.guard.rules.python_values import Values
from servers.workspace.guard.verdict import Blocked, Unclear

if TYPE_CHECKING:
    from servers.workspace.guard.shell import Shell

LONGEST = 64 * 1024
RUNS = re.compile(
    r"(os\.(system|popen|popen[234])|subprocess\.(run|call|check_call|check_output|Popen|getoutput|getstatusoutput)"
    r"|commands\.getoutput|asyncio\.(subprocess\.)?create_subprocess_(shell|exec)|pty\.spawn|os\.(exec|spawn|posix_spawn)\w*"
    r"|sh\.\w+|pexpect\.(run|spawn)|invoke\.run|plumbum\..*)"
)
DELETES = re.compile(r"(shutil\.rmtree|os\.(remove|unlink|rmdir|removedirs)|.*\.(unlink|rmdir|rmtree))")
WRITES = re.compile(
    r"(shutil\.(copy|copy2|copyfile|copytree|move)|os\.(rename|replace|symlink|link|truncate|chmod|chown))"
)
SENDS = re.compile(
    r"(requests|httpx2?|aiohttp|urllib3|session|client|http|s|httplib)\.(.*\.)?(post|put|patch|request|get|send|delete|stream|head)"
    r"|urllib\.request\.(urlopen|Request|urlretrieve)|urlopen|urlretrieve|.*\.(sendall|sendto|send)"
    r"|(socket\.socket|s|sock|sk|c|conn|client)\.connect(_ex)?|.*\.create_connection"
    r"|socket\.(create_connection|gethostbyname|getaddrinfo)|http\.client\.HTTPS?Connection"
)
STARRED = {
    "os": ("system", "popen", "remove", "unlink", "rmdir", "environ", "getenv", "kill", "execvp", "execv"),
    "subprocess": ("run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput"),
    "shutil": ("rmtree", "move", "copy"),
    "pathlib": ("Path",),
}
FORBIDDEN = {
    "os.setuid": "It takes the rights of another user.",
    "os.setgid": "It takes the rights of another user.",
    "os.seteuid": "It takes the rights of another user.",
    "os.setreuid": "It takes the rights of another user.",
    "os.killpg": "It ends processes that this command did not start.",
    "smtplib.SMTP": "It sends mail.",
    "smtplib.SMTP_SSL": "It sends mail.",
    "ftplib.FTP": "It sends files to another machine.",
    "ftplib.FTP_TLS": "It sends files to another machine.",
    "paramiko.SSHClient": "It works on another machine.",
    "telnetlib.Telnet": "It works on another machine.",
    "os.dup2": "It hands its streams to another program.",
    "os.reboot": "It restarts the machine.",
}


def check(shell: Shell, code: str) -> str:
    """Judge Python code, what is no Python by its literals; what it prints, as far as that is written out.

    Raises:
        Blocked: It runs, deletes, reads or sends what is forbidden.
        Unclear: It is too long to be read.
    """
    if len(code) > LONGEST:
        raise Unclear("The code is too long to be judged. Write it into a file.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(marks.plain(code))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return code_text.check(shell, code, "python")
    walk = Code(shell)
    try:
        walk.visit(tree)
    except RecursionError as error:
        raise Unclear("The code is nested too deeply. Write it into a file.") from error
    return "\n".join(walk.said)


class Code(ast.NodeVisitor):
    """Walks through code in the order in which it is written."""

    def __init__(self, shell: Shell) -> None:
        self._shell = shell
        self._values = Values(shell)
        self.said: list[str] = []

    def visit_Import(self, node: ast.Import) -> None:
        """Names of modules."""
        for alias in node.names:
            self._values.names[alias.asname or alias.name.split(".")[0]] = (
                alias.name if alias.asname else alias.name.split(".")[0]
            )

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        """Names out of modules."""
        for alias in node.names:
            for name in STARRED.get(node.module or "", ()) if alias.name == "*" else [alias.name]:
                self._values.names[alias.asname or name] = f"{node.module}.{name}"

    def visit_Assign(self, node: ast.Assign) -> None:
        """What a name stands for."""
        self.generic_visit(node)
        for target in node.targets:
            if isinstance(target, ast.Name):
                self._values.assign(target.id, node.value)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        """`(name := value)`."""
        self.generic_visit(node)
        self._values.assign(node.target.id, node.value)

    def visit_For(self, node: ast.For) -> None:
        """A loop over things that are written out."""
        self.visit(node.iter)
        items = node.iter.elts if isinstance(node.iter, ast.List | ast.Tuple | ast.Set) else []
        for item in items[:6] or [node.iter]:
            self._values.assign_all(node.target, item)
            for statement in node.body:
                self.visit(statement)

    def visit_comprehension_of(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        """What the names of a comprehension stand for, before its element is looked at."""
        for generator in node.generators:
            self._values.assign_all(generator.target, generator.iter)
        self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = visit_comprehension_of

    def visit_Call(self, node: ast.Call) -> None:
        """Everything happens in calls."""
        self.generic_visit(node)
        name = self._values.name(node.func)
        given = [self._values.words(argument) for argument in node.args]
        if name in FORBIDDEN:
            raise Blocked(FORBIDDEN[name])
        if RUNS.fullmatch(name):
            self._run(name, node, given)
        elif DELETES.fullmatch(name):
            self._delete(node, given)
        elif name in ("exec", "eval", "compile", "runpy.run_path", "builtins.exec", "builtins.eval"):
            self._evaluate(given)
        elif name in ("open", "io.open", "os.open", "codecs.open") or name.endswith(
            (".read_text", ".read_bytes", ".open")
        ):
            self._open(name, node, given)
        else:
            self._rest(name, node, given)

    def _run(self, name: str, node: ast.Call, given: list[list[str]]) -> None:
        shell = self._shell
        if not given and not node.keywords:
            return
        words = (
            given[0] if given else [w for k in node.keywords if k.arg == "args" for w in self._values.words(k.value)]
        )
        if re.match(r"os\.(exec|spawn|posix_spawn)", name):
            words = [word for group in given for word in group if word]
            words = words[1:] if len(words) > 1 and paths.basename(words[1]) == paths.basename(words[0]) else words
            words = words[1:] if name.startswith("os.spawn") else words
            shell.calls.call(shell, words, "", {})
        elif name.startswith("sh."):
            shell.calls.call(shell, [name[3:], *(word for group in given for word in group)], "", {})
        elif (node.args and isinstance(node.args[0], ast.List | ast.Tuple)) or len(words) > 1:
            for word in words[:1]:
                refuse_hidden(word)
            shell.calls.call(shell, words, self._input(node), {})
        elif name.endswith("create_subprocess_exec"):
            shell.calls.call(shell, [word for group in given for word in group], "", {})
        elif words:
            execute(shell, words[0], self._input(node))

    def _input(self, node: ast.Call) -> str:
        return "".join(w for k in node.keywords if k.arg == "input" for w in self._values.words(k.value))

    def _delete(self, node: ast.Call, given: list[list[str]]) -> None:
        receiver = self._values.words(node.func.value) if isinstance(node.func, ast.Attribute) else []
        for path in [*(given[0] if given else []), *receiver]:
            if "/" in path or path.startswith(("~", ".")):
                paths.check_delete(self._shell, path)

    def _evaluate(self, given: list[list[str]]) -> None:
        for code in given[0] if given else []:
            refuse_hidden(code)
            if marks.plain(code).strip():
                check(self._shell, code)

    def _open(self, name: str, node: ast.Call, given: list[list[str]]) -> None:
        receiver = name.endswith((".read_text", ".read_bytes", ".open")) and isinstance(node.func, ast.Attribute)
        found = self._values.words(node.func.value) if receiver and isinstance(node.func, ast.Attribute) else []
        opened = name in ("open", "io.open", "os.open", "codecs.open")
        path = given[0] if opened and given else found
        modes = given[1] if opened and len(given) > 1 else given[0] if not opened and given else []
        modes += [w for k in node.keywords if k.arg == "mode" for w in self._values.words(k.value)]
        for one in path:
            if any(set(mode) & set("wax+") for mode in modes if len(mode) < 5):
                paths.check_write(self._shell, one)
            else:
                paths.check_read(self._shell, one, shows=True)

    def _rest(self, name: str, node: ast.Call, given: list[list[str]]) -> None:
        everything = [word for group in given for word in group]
        everything += [word for keyword in node.keywords for word in self._values.words(keyword.value)]
        if name in ("print", "pprint.pprint", "sys.stdout.write", "pprint.pp", "logging.info"):
            self.said.append(" ".join(everything))
            if any(marks.SECRET in word for word in everything):
                raise Blocked("It shows credentials or the whole environment.")
        elif name.endswith((".write_text", ".write_bytes")) and isinstance(node.func, ast.Attribute):
            for path in self._values.words(node.func.value):
                paths.check_write(self._shell, path)
        elif WRITES.fullmatch(name):
            for path in (
                given[1 if len(given) > 1 and "chmod" not in name and "chown" not in name else 0][:1] if given else []
            ):
                paths.check_write(self._shell, path)
            if (
                "chmod" in name
                and len(given) > 1
                and any(word in ("2541", "3565", "2285", "1517") for word in given[1])
            ):
                raise Blocked("It gives a program the rights of another user.")
        elif name == "os.kill":
            if given and given[0] and re.fullmatch(r"-?\d+", given[0][0]) and given[0][0] != "0":
                raise Blocked("It ends processes that this command did not start.")
        elif SENDS.fullmatch(name):
            _check_sent(self._shell.place, everything)


def _check_sent(place: Place, words: list[str]) -> None:
    hosts = [host_of(word) for word in words if re.match(r"https?://|[\w-]+(\.[\w-]+)+$", word)]
    if any(METADATA.search(word) for word in words):
        raise Blocked("It asks the cloud's metadata service for credentials.")
    outside = [host for host in hosts if not place.is_local_host(host)]
    carried = any(mark in word for word in words for mark in (marks.BULK, marks.SECRET))
    if carried and (outside or not hosts):
        raise Blocked(f"It sends what files or the environment hold to {marks.shown((outside or ['a host'])[0])}.")
    raw = [host for host in outside if not any(word.startswith("http") for word in words) and not place.reaches(host)]
    if raw:
        raise Blocked(f"It opens a connection to {marks.shown(raw[0])}. Only this machine is reached so.")
