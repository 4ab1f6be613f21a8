"""What leaves the machine: files, environments and the workspace's text do not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from servers.workspace.guard import marks
from servers.workspace.guard.invocation import Invocation
from servers.workspace.guard.place import Place
from servers.workspace.guard.rules import paths
from servers.workspace.guard.verdict import Blocked

OUT = "It sends {what} to {host}. Nothing of the workspace or the environment is sent out."
DATA = ("-d", "--data", "--data-binary", "--data-raw", "--data-ascii", "--data-urlencode", "--json", "--url-query")
FORMS = ("-F", "--form", "--form-string")
CURL_VALUES = (
    *DATA, *FORMS, "-H", "--header", "-X", "--request", "-o", "--output", "-u", "--user", "-A", "--user-agent", "-e",
    "-b", "--cookie", "-c", "--cookie-jar", "-T", "--upload-file", "-m", "--max-time", "-x", "--proxy", "-w",
    "--write-out", "--retry", "--connect-timeout", "-K", "--config", "--cacert", "--cert", "--key", "-E", "--resolve",
    "--retry-delay", "--unix-socket", "--output-dir", "-r", "--range", "-D", "--dump-header", "--limit-rate",
    "--retry-max-time", "--interface", "--ciphers", "-C", "--url", "--netrc-file", "--referer", "--max-redirs",
)  # fmt: skip
WGET_VALUES = (
    "-O",
    "-o",
    "-P",
    "-t",
    "-T",
    "-U",
    "--header",
    "--user-agent",
    "-e",
    "-i",
    "--tries",
    "--timeout",
    "-a",
)
METADATA = re.compile(r"169\.254\.169\.254|metadata\.google|fd00:ec2::254|100\.100\.100\.200|169\.254\.170\.2")
URL = re.compile(r"(?:[a-z][a-z0-9+.-]*://)?(?:[^/@\s]*@)?(\[[0-9a-f:]+\]|[^/:?#\s]*)(:\d+)?(.*)", re.DOTALL | re.I)
GATED = re.compile(
    r"/merge\b|/reviews\b|/merges\b|/git/refs|/actions/secrets|/protection\b|/collaborators|/hooks\b|/keys\b"
)
CARRIED = re.compile(f"[{marks.BULK}{marks.SECRET}]")


def host_of(url: str) -> str:
    """The host and port of a URL."""
    found = URL.match(url)
    return (found[1] + (found[2] or "")) if found else url


def _curl(invocation: Invocation) -> str | None:
    shell = invocation.shell
    urls = [*invocation.positionals(CURL_VALUES), *invocation.option("--url")]
    for path in [*invocation.option("-o"), *invocation.option("--output")]:
        paths.check_write(shell, path)
        shell.files[shell.absolute(path) or path] = marks.NETWORK
    if invocation.flag("-O", "--remote-name") or any(re.match(r"-[a-zA-Z]*O", word) for word in invocation.args):
        for url in urls:
            name = url.rstrip("/").rpartition("/")[2]
            shell.files[shell.absolute(name) or name] = marks.NETWORK
    if any("docker.sock" in path for path in invocation.option("--unix-socket")):
        raise Blocked("It commands the machine's containers past the docker client.")
    if list(invocation.option("-K")) or list(invocation.option("--config")):
        raise Blocked("curl's options stand on the command line, where they can be read.")
    _check_urls(invocation, urls)
    outside = _outside(shell.place, urls)
    if outside:
        _check_bodies(invocation, outside, [*DATA, *FORMS])
        _check_uploads(invocation, outside)
        _check_credentials(invocation, outside)
    return _printed(invocation)


def _printed(invocation: Invocation) -> str:
    quiet = any(invocation.option("-o")) or any(invocation.option("--output"))
    return marks.OUTPUT if quiet else marks.NETWORK


def _check_urls(invocation: Invocation, urls: list[str]) -> None:
    place = invocation.shell.place
    method = " ".join([*invocation.option("-X"), *invocation.option("--request")]).upper()
    for url in urls:
        if METADATA.search(url):
            raise Blocked("It asks the cloud's metadata service for credentials.")
        host, rest = host_of(url), URL.match(url)
        behind = rest[3] if rest else ""
        if place.is_local_host(host) or not host:
            continue
        if (
            marks.SECRET in url
            or (marks.BULK in behind and ("?" in behind or _encoded(behind)))
            or marks.BULK in host
        ):
            raise Blocked(OUT.format(what="what files or variables hold", host=marks.shown(host)))
        if "api.github.com" in host and method in ("PUT", "POST", "DELETE", "PATCH") and GATED.search(url):
            raise Blocked("Merging and approving belong to the gate and to people.")


def _encoded(text: str) -> bool:
    return marks.DECODED in text or re.search(r"[=&]", text) is not None


def _outside(place: Place, urls: list[str]) -> str:
    """The first host that is not this machine."""
    for url in urls:
        host = host_of(url)
        if host and not place.is_local_host(host):
            return marks.shown(host)
    return ""


def _check_bodies(invocation: Invocation, host: str, options: list[str]) -> None:
    for option in options:
        for value in invocation.option(option):
            _check_body(invocation, option, value, host)


def _check_body(invocation: Invocation, option: str, value: str, host: str) -> None:
    raw = option in ("--data-raw", "--form-string")
    form = r"(?:^|=)[@<](.+)" if option in FORMS else r"[^=]*@(.+)" if option == "--data-urlencode" else None
    file = re.search(form, value) if form else None
    file = file or re.match(r"@(.+)", value)
    if file and not raw:
        what = "what it reads" if file[1] == "-" else f"the file {marks.shown(file[1])}"
        if file[1] != "-" or not _is_text(invocation.stdin):
            raise Blocked(OUT.format(what=what, host=host))
    if CARRIED.search(value):
        raise Blocked(OUT.format(what="what files or variables hold", host=host))


def _is_text(stdin: str) -> bool:
    return bool(stdin) and not marks.unknown(stdin)


def _check_uploads(invocation: Invocation, host: str) -> None:
    for option in ("-T", "--upload-file"):
        for path in invocation.option(option):
            raise Blocked(OUT.format(what=f"the file {marks.shown(path)}", host=host))
    for word in invocation.args:
        if re.match(r"-[a-zA-Z]*[TF]$", word) and len(word) > 2:
            raise Blocked(OUT.format(what="a file", host=host))
        if re.match(r"-[a-zA-Z]+d$", word):
            rest = invocation.args[invocation.args.index(word) + 1 :][:1]
            _check_body(invocation, "-d", "".join(rest), host)


def _check_credentials(invocation: Invocation, host: str) -> None:
    headers = [word for option in ("-H", "--header", "-u", "-b", "-A", "-e") for word in invocation.option(option)]
    if any(marks.SECRET in word for word in invocation.args) or any(marks.BULK in word for word in headers):
        raise Blocked(OUT.format(what="a credential or what a file holds", host=host))
    if invocation.flag("-n", "--netrc", "--netrc-optional"):
        raise Blocked("It takes credentials out of .netrc.")


def _wget(invocation: Invocation) -> str | None:
    shell = invocation.shell
    urls = invocation.positionals(WGET_VALUES)
    names = [*invocation.option("-O"), *invocation.option("--output-document"), *_clustered(invocation.args, "O")]
    for path in names:
        if path not in ("-", ""):
            paths.check_write(shell, path)
            shell.files[shell.absolute(path) or path] = marks.NETWORK
    for folder in [*invocation.option("-P"), *invocation.option("--directory-prefix")]:
        paths.check_fill(shell, folder)
    for url in urls if not names else []:
        name = url.rstrip("/").rpartition("/")[2]
        shell.files[shell.absolute(name) or name] = marks.NETWORK
    _check_urls(invocation, urls)
    outside = _outside(shell.place, urls)
    if outside:
        for option in ("--post-file", "--body-file"):
            for path in invocation.option(option):
                raise Blocked(OUT.format(what=f"the file {marks.shown(path)}", host=outside))
        for option in ("--post-data", "--body-data", "--header"):
            for value in invocation.option(option):
                if CARRIED.search(value):
                    raise Blocked(OUT.format(what="what files or variables hold", host=outside))
    return marks.NETWORK if "-" in names or any(word.endswith("O-") for word in invocation.args) else marks.OUTPUT


def _clustered(args: list[str], letter: str) -> Iterator[str]:
    for index, word in enumerate(args):
        if re.match(rf"-[a-zA-Z]+{letter}$", word):
            yield from args[index + 1 : index + 2]


def _httpie(invocation: Invocation) -> str | None:
    words = [
        w for w in invocation.positionals(("-a", "--auth", "-o", "--output", "-s")) if not re.match(r"[A-Z]+$", w)
    ]
    _check_urls(invocation, words[:1])
    outside = _outside(invocation.shell.place, words[:1])
    for word in words[1:] if outside else []:
        if re.search(r"[:=]?[@]", word) or CARRIED.search(word):
            raise Blocked(OUT.format(what="a file", host=outside))
    if outside and CARRIED.search(invocation.stdin):
        raise Blocked(OUT.format(what="what it reads", host=outside))
    return marks.NETWORK


def _netcat(invocation: Invocation) -> str | None:
    words = invocation.positionals(("-w", "-p", "-i", "-s", "-X", "-x", "-q", "-G", "-T"))
    if any(re.match(r"-\w*[ec]$|--exec|--sh-exec|--lua-exec", word) for word in invocation.args):
        raise Blocked("It opens a shell to the network.")
    hosts = [word for word in words if not word.isdigit()]
    listens = any(re.match(r"-\w*l", word) for word in invocation.args)
    to = ":".join([*hosts[:1], *[word for word in words if word.isdigit()][:1]])
    place = invocation.shell.place
    if listens or not hosts or not place.reaches(to):
        raise Blocked("It opens a connection past HTTP. Only this machine is reached so.")
    if CARRIED.search(invocation.stdin) and not place.is_local_host(to):
        raise Blocked(OUT.format(what="what it reads", host=marks.shown(to)))
    return marks.NETWORK


def _socat(invocation: Invocation) -> str | None:
    raise Blocked("It opens connections and shells to the network.")


def _ssh(invocation: Invocation) -> str | None:
    if invocation.args == ["-V"] or (
        invocation.flag("-T") and any(word.startswith("git@") for word in invocation.args)
    ):
        return marks.OUTPUT
    raise Blocked("It works on another machine. Work in the workspace.")


def _resolver(invocation: Invocation) -> str | None:
    if any(CARRIED.search(word) for word in invocation.args):
        raise Blocked(OUT.format(what="what files or variables hold", host="name servers"))
    return marks.OUTPUT


def _openssl(invocation: Invocation) -> str | None:
    if invocation.args[:1] == ["s_client"]:
        targets = [host_of(word) for word in invocation.option("-connect")]
        outside = [host for host in targets if not invocation.shell.place.is_local_host(host)]
        if CARRIED.search(invocation.stdin) and outside:
            raise Blocked(OUT.format(what="what it reads", host=marks.shown(outside[0])))
        return marks.NETWORK
    decodes = invocation.args[:1] in (["enc"], ["base64"], ["aes-256-cbc"]) and invocation.flag("-d")
    return marks.DECODED if decodes else None


RULES: dict[str, Callable[[Invocation], str | None]] = {
    "curl": _curl,
    "wget": _wget,
    **dict.fromkeys(("http", "https", "xh", "xhs"), _httpie),
    **dict.fromkeys(("nc", "ncat", "netcat", "nc.openbsd", "nc.traditional", "telnet"), _netcat),
    "socat": _socat,
    "ssh": _ssh,
    **dict.fromkeys(("dig", "nslookup", "host", "ping", "drill", "getent"), _resolver),
    "openssl": _openssl,
}
