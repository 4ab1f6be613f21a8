"""Code of Node, Ruby, Perl and others that stands in a command: what it runs, deletes, reads and sends."""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING

from servers.workspace.guard import marks
from servers.workspace.guard.execute import execute
from servers.workspace.guard.rules import paths
from servers.workspace.guard.verdict import Blocked, Unclear
from servers.workspace.guard.words import unescape

if TYPE_CHECKING:
    from servers.workspace.guard.shell import Shell

LONGEST = 64 * 1024
MOST_CALLS = 100
LITERAL = re.compile(r'"((?:[^"\\\n]|\\.)*)"' + r"|'((?:[^'\\\n]|\\.)*)'" + r"|`((?:[^`\\]|\\.)*)`")
RUNS = re.compile(
    r"(?<![\w$])(?:system|exec|execSync|spawn|spawnSync|execFile|execFileSync|fork|popen|popen[23e]|shell_exec|passthru"
    r"|proc_open|pcntl_exec|os\.execute|Command|capture[23e]?|shell script|execa|execaSync|\$)"
    r"\s*[( ]?\s*(?=[\"'`\[\(])"
)
CONCATENATED = re.compile(r"[\"'`]\s*(\+|\.)\s*[\"'`]")
BACKTICKS = re.compile(r"`([^`]*)`")
QUOTED_RUNS = re.compile(r"(?:%x|qx)\s*([\{\(\[/|!])(.*?)[\}\)\]/|!]", re.DOTALL)
DELETES = re.compile(
    r"(?<!\w)(?:unlink|unlinkSync|rmSync|rmdirSync|rmdir|rm|rm_rf|rm_r|rm_f|rmtree|remove_tree|remove_dir|removeSync"
    r"|remove|emptyDirSync|emptyDir|delete|remove_entry_secure|rimraf|rimrafSync|deltree)"
    r"\s*[( ]\s*(?=[\"'`\[])"
)
# Files that are looked up first, and then deleted.
DELETES_SOME = re.compile(r"(?<!\w)(?:unlink|unlinkSync|rmSync|rm_rf|rm_r|rmtree|remove_tree|FileUtils\.rm)\b")
GLOBS = re.compile(r"(?<!\w)(?:glob|bsd_glob|globSync|Dir\[|glob\.sync|Dir\.glob)\s*[( ]?\s*(?=[\"'`])")
ANGLED = re.compile(r"<([~/][^<>\n]*)>")
WRITES = re.compile(
    r"(?<!\w)(?:writeFileSync|writeFile|appendFileSync|appendFile|createWriteStream|file_put_contents|File\.write"
    r"|IO\.write|renameSync|copyFileSync|symlinkSync|chmodSync)\s*\(\s*(?=[\"'`])"
)
READS = re.compile(r"readFile|File\.(read|open)|IO\.read|file_get_contents|open\b|createReadStream|Bun\.file|slurp")
DUMPS = re.compile(
    r"process\.env(?!\s*[.\[]|\w)|Deno\.env\.toObject|\bENV\.(to_h|inspect|each|to_a|map)|\b(p|puts|print|pp)\s+ENV\b"
    r"|%ENV\b|getenv\(\s*\)|print_r\(\s*\$_(ENV|SERVER)|var_dump\(\s*\$_(ENV|SERVER)|\bSys\.getenv\(\)"
)
ONE = re.compile(
    r"process\.env\.(\w+)|process\.env\[[\"'](\w+)|ENV\[[\"'](\w+)|\$ENV\{[\"']?(\w+)|getenv\([\"'](\w+)"
)
PRINTS = re.compile(r"console\.|\bputs\b|\bprint|\becho\b|\bp\b|stdout|\bsay\b|pp\b")
SENDS = re.compile(
    r"fetch\(|[\"']https?[\"']\)\.(?:get|request)|https?\.(request|get|post)|axios|Net::HTTP|LWP|HTTP::Tiny|curl_exec|file_get_contents\([\"']http|open-uri"
    r"|TCPSocket|net\.connect|createConnection|IO::Socket|fsockopen|new WebSocket|got\(|undici|dns\.(lookup|resolve)"
)
HOST = re.compile(r"(?:https?|wss?|tcp)://([^/\"'`:?#\s]+)")
HIDDEN = re.compile(
    r"\b(eval|Function|exec|instance_eval|assert|new Function|load)\b.{0,80}?"
    r"\b(atob|Buffer\.from|base64|unpack|decode|fetch|pack)",
    re.S,
)
SHELLS = re.compile(r"(/bin/|[\"'`\s])(ba|z|da)?sh\b(?!\.)")


def check(shell: Shell, code: str, language: str) -> str:
    """Judge code by the calls and literals in it; the literals that it prints.

    Raises:
        Blocked: It runs, deletes, reads or sends what is forbidden.
        Unclear: It is too long to be read.
    """
    if len(code) > LONGEST:
        raise Unclear("The code is too long to be judged. Write it into a file.")
    if HIDDEN.search(code):
        raise Blocked("It runs code that was decoded or fetched. Write it out.")
    _check_runs(shell, code, language)
    for found in _calls(DELETES, code):
        for path in _literals(_arguments(code, found.end())):
            paths.check_delete(shell, path)
    for found in _calls(WRITES, code):
        for path in _literals(_arguments(code, found.end()))[:1]:
            paths.check_write(shell, path)
    if DELETES_SOME.search(code):
        for path in [*_globbed(code), *ANGLED.findall(code)]:
            paths.check_delete(shell, path)
    shows = READS.search(code) is not None
    for text in _literals(code):
        if not re.search(r"\s", text):
            paths.check_read(shell, text, shows)
    _check_environment(shell, code)
    return "\n".join(text for found in _calls(PRINTS, code) for text in _literals(_arguments(code, found.end()))[:4])


def _globbed(code: str) -> list[str]:
    return [path for found in _calls(GLOBS, code) for path in _literals(_arguments(code, found.end()))[:1]]


def _calls(pattern: re.Pattern[str], code: str) -> list[re.Match[str]]:
    found = list(islice(pattern.finditer(code), MOST_CALLS + 1))
    if len(found) > MOST_CALLS:
        raise Unclear("The code calls too much to be judged. Write it into a file.")
    return found


def _check_runs(shell: Shell, code: str, language: str) -> None:
    for found in _calls(RUNS, code):
        if code[: found.start()].endswith("/."):  # a regular expression's exec
            continue
        inner = _arguments(code, found.end())
        words = _literals(inner)
        if len(words) > 1 and not CONCATENATED.search(inner) and not re.search(r"\s", words[0]):
            shell.calls.call(shell, words, "", {})
        elif words:
            execute(shell, "".join(words) if CONCATENATED.search(inner) else words[0], "")
    if language in ("ruby", "perl", "php"):
        for found in _calls(BACKTICKS, code):
            execute(shell, found[1], "")
        for found in _calls(QUOTED_RUNS, code):
            execute(shell, found[2], "")
    if SENDS.search(code) and SHELLS.search(code):
        raise Blocked("It opens a shell to the network.")


def _check_environment(shell: Shell, code: str) -> None:
    place = shell.place
    hosts = [host for host in HOST.findall(code) if not place.is_local_host(host)]
    sends = SENDS.search(code) is not None and (bool(hosts) or not HOST.search(code))
    secret = any(place.is_secret_variable(name) for found in ONE.findall(code) for name in found if name)
    if sends and hosts and re.search(r"\beval\(|\bnew Function|\binstance_eval", code):
        raise Blocked(f"It runs what it fetches from {hosts[0]}. Write it out.")
    if (DUMPS.search(code) or secret) and (PRINTS.search(code) or sends):
        raise Blocked("It shows or sends credentials or the whole environment.")
    if sends and hosts and READS.search(code):
        raise Blocked(f"It sends files to {hosts[0]}. Nothing of the workspace is sent out.")


def _arguments(code: str, start: int) -> str:
    """The source from `start` to the end of the call or statement."""
    depth = 0
    index = start
    while index < len(code) and index - start < 4000:
        literal = LITERAL.match(code, index)
        if literal:
            index = literal.end()
            continue
        if code[index] in "([{":
            depth += 1
        elif code[index] in ")]}":
            depth -= 1
            if depth < 0:
                break
        elif code[index] in ";\n" and depth <= 0:
            break
        index += 1
    return code[start:index]


def _literals(code: str) -> list[str]:
    return [unescape(next((part for part in found if part), "")) for found in LITERAL.findall(code)]


def check_awk(shell: Shell, code: str) -> str:
    """Judge what an awk program runs and writes; the literals that it prints.

    Raises:
        Blocked: It is forbidden.
    """
    if len(code) > LONGEST:
        raise Unclear("The awk program is too long to be judged. Write it into a file.")
    for pattern in (
        r"system\s*\(([^)]{0,2000})\)",
        r"\|&?\s*(\"(?:[^\"\\]|\\.)*\")",
        r"(\"(?:[^\"\\]|\\.)*\")\s*\|&?\s*getline",
    ):
        for found in re.findall(pattern, code):
            execute(shell, "".join(_literals(found)), marks.BULK)
    for found in re.findall(r">\s*\"([^\"]*)\"", code):
        paths.check_write(shell, found)
    for text in _literals(code):
        if re.match(r"[/~]", text) and not re.search(r"\s", text):
            paths.check_read(shell, text, shows=True)
    if re.search(r"\bENVIRON\b(?!\s*\[)", code):
        raise Blocked("It shows the whole environment.")
    return "\n".join(_literals(code))
