"""SQL, Redis and MongoDB: data outside the workspace is read and changed row by row, not dropped."""

from __future__ import annotations

import re
from collections.abc import Callable

from servers.workspace.guard import marks
from servers.workspace.guard.execute import execute
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.verdict import Blocked

NOISE = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.{0,2000}?\*/|\$\$.{0,4000}?\$\$", re.DOTALL)
DROPS = re.compile(
    r"\b(drop\s+(table|database|schema|view|role|user|owned|index|extension|function|tablespace|sequence|type|keyspace"
    r"|collection|materialized)|truncate\b|alter\s+table\s+\S+\s+drop|alter\s+(role|user|system)|reassign\s+owned"
    r"|grant\s+all|shutdown\b|reset\s+master|purge\s+binary|drop\s+trigger)", re.I,
)  # fmt: skip
WHOLE = re.compile(r"\b(delete\s+from|update)\b(?P<rest>[^;]*)", re.IGNORECASE)
ALWAYS = re.compile(r"\bwhere\s+(1\s*=\s*1|true|'?(\w+)'?\s*=\s*'?\2'?|1)\s*(;|$|\))", re.IGNORECASE)
PROGRAM = re.compile(r"\b(from|to)\s+program\b|xp_cmdshell|into\s+(out|dump)file|load_file\s*\(|pg_read_file", re.I)
TESTS = re.compile(r"(^|[_-])(test|tests|testing|dev|tmp|scratch)(?:db)?($|[_\d-])", re.IGNORECASE)
MONGO = re.compile(
    r"dropDatabase|\.drop\(|\.drop[A-Z]\w*\(|deleteMany\(\s*\{\s*\}|\.remove\(\s*(\{\s*\})?\s*\)|shutdownServer", re.I
)
REDIS_KILLS = re.compile(
    r"(?im)^\s*(flushall|flushdb|shutdown|swapdb|debug|config\s+(set|rewrite)|slaveof|replicaof)\b"
)
PSQL_VALUES = ("-h", "--host", "-p", "--port", "-U", "--username", "-d", "--dbname", "-c", "--command", "-f",
               "--file",                "-v", "--set", "-o", "-F", "-R", "-P", "-L")  # fmt: skip
MYSQL_VALUES = ("-h", "--host", "-P", "--port", "-u", "--user", "-e", "--execute", "-D", "--database", "-S")
DROPPED = "It drops or empties tables that are not the workspace's. Ask a person."


def destroys(sql: str) -> bool:
    """Whether SQL drops, truncates, or deletes every row."""
    quoted_pairs = NOISE.sub(lambda found: "''" if found[0][:1] == "'" else " ", sql)
    if DROPS.search(quoted_pairs):
        return True
    for found in WHOLE.finditer(quoted_pairs):
        is_update = found[1].lower() == "update"
        if is_update and not re.search(r"\bset\b", found["rest"], re.IGNORECASE):
            continue
        if not re.search(r"\bwhere\b", found["rest"], re.IGNORECASE) or ALWAYS.search(found["rest"]):
            return True
    return False


def _check(invocation: Invocation, text: str, own: bool) -> None:
    if PROGRAM.search(text):
        raise Blocked("It runs programs or reads files through the database.")
    for line in re.findall(r"(?m)^\s*(?:\\!|\\o\s*\||system |\.shell |\.system )\s*(.*)$", text):
        execute(invocation.shell, line, "")
    if not own and destroys(text):
        raise Blocked(DROPPED)


def _psql(invocation: Invocation) -> str | None:
    words = invocation.positionals(PSQL_VALUES)
    names = [*invocation.option("-d"), *invocation.option("--dbname"), *words[:1]]
    own = _is_own(invocation, names)
    for text in [*invocation.option("-c"), *invocation.option("--command"), *_stuck(invocation.args, "c")]:
        _check(invocation, text, own)
    _check(invocation, _read(invocation), own)
    return marks.OUTPUT


def _stuck(args: list[str], letter: str) -> list[str]:
    """The value behind short options such as `-tAc`."""
    return [args[index + 1] for index, word in enumerate(args[:-1]) if re.match(rf"-[a-zA-Z]+{letter}$", word)]


def _read(invocation: Invocation) -> str:
    """What stands on standard input, or in a file that this command wrote."""
    shell = invocation.shell
    files = [*invocation.option("-f"), *invocation.option("--file")]
    return "\n".join([invocation.stdin, *(shell.files.get(shell.absolute(path) or path, "") for path in files)])


def _is_own(invocation: Invocation, names: list[str]) -> bool:
    """Whether it is a database for tests on this machine."""
    hosts = [*invocation.option("-h"), *invocation.option("--host")]
    hosts += [re.sub(r"^\w+://(?:[^@/]*@)?", "", name).split("/")[0] for name in names if "://" in name]
    local = all(invocation.shell.place.is_local_host(host) for host in hosts)
    return local and any(TESTS.search(re.sub(r"\?.*|.*/", "", name)) for name in names)


def _mysql(invocation: Invocation) -> str | None:
    names = [*invocation.option("-D"), *invocation.option("--database"), *invocation.positionals(MYSQL_VALUES)[:1]]
    own = _is_own(invocation, names)
    for text in [*invocation.option("-e"), *invocation.option("--execute"), invocation.stdin]:
        _check(invocation, text, own)
    return marks.OUTPUT


def _sqlite(invocation: Invocation) -> str | None:
    words = invocation.positionals(("-cmd", "-init", "-separator"))
    place, shell = invocation.shell.place, invocation.shell
    absolute = shell.absolute(words[0]) if words and words[0] != ":memory:" else None
    own = absolute is None or place.inside(absolute) or place.is_scratch(absolute)
    for text in [*words[1:], *invocation.option("-cmd"), invocation.stdin]:
        _check(invocation, text, own)
    return marks.OUTPUT


def _mongo(invocation: Invocation) -> str | None:
    for text in [*invocation.option("--eval"), invocation.stdin]:
        if MONGO.search(text):
            raise Blocked(DROPPED)
    return marks.OUTPUT


def _redis(invocation: Invocation) -> str | None:
    words = invocation.positionals(("-h", "-p", "-a", "-n", "-u", "--user", "--pass", "-s"))
    many = words[:1] and words[0].lower() in ("del", "unlink") and any(marks.unknown(word) for word in words[1:])
    script = (
        words[:1]
        and words[0].lower() == "eval"
        and REDIS_KILLS.search(re.sub(r".*call\(\s*['\"]", "", words[1:2][0]))
    )
    if many or script or REDIS_KILLS.search(invocation.stdin):
        raise Blocked("It empties or reconfigures a Redis that is not the workspace's. Ask a person.")
    return marks.OUTPUT


def _dropdb(invocation: Invocation) -> str | None:
    if not _is_own(invocation, invocation.positionals(("-h", "-p", "-U"))):
        raise Blocked(DROPPED)
    return marks.OUTPUT


RULES: dict[str, Callable[[Invocation], str | None]] = {
    **dict.fromkeys(("psql", "pgcli", "cockroach", "usql", "clickhouse-client", "duckdb-remote"), _psql),
    **dict.fromkeys(("mysql", "mariadb", "mycli", "sqlcmd", "cqlsh", "snowsql"), _mysql),
    **dict.fromkeys(("sqlite3", "sqlite", "litecli", "duckdb"), _sqlite),
    **dict.fromkeys(("mongo", "mongosh"), _mongo),
    **dict.fromkeys(("redis-cli", "valkey-cli", "keydb-cli"), _redis),
    "dropdb": _dropdb,
}
