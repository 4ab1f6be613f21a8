"""Tells a memory that informs from a text that tries to steer whoever reads it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_ORDERS: dict[str, str] = {
    "it sets other instructions aside": r"""
        \b(?:ignore|disregard|forget|override|bypass|do\ not\ follow|don't\ follow)\b
        (?:\W+\w+){0,4}?\W+
        (?:previous|prior|earlier|above|preceding|all|any|other|your|system|the)\b
        (?:\W+\w+){0,3}?\W+(?:instruction|prompt|rule|guideline|direction|directive|constraint)s?\b""",
    "it gives its reader another part": r"""
        \b(?:you\ are\ now|from\ now\ on,?\ you|pretend\ (?:to\ be|you)
        |act\ as\ (?:if\ you|an?\ unrestricted|root|admin)
        |new\ (?:system\ )?(?:instructions|persona|role)\s*:|developer\ mode|jailbreak)""",
    "it speaks as somebody else": r"""
        ^\s*(?:\#{1,4}\s*|\*\*|<\|?|\[)?(?:system|assistant|human|user|developer|im_start|inst)\b(?:\|?>|\*\*|\])?\s*:
        |<\|(?:im_start|im_end|system|endoftext)|\[/?INST\]|<</?SYS>>""",
    "it imitates a fence": r"""
        </?\s*(?:untrusted|memory|system|tool_result|function_results?|instructions?)\b[^>\n]{0,80}>""",
    "it wants to be hidden": r"""
        \b(?:do\ not|don't|never)\s+(?:tell|inform|mention|reveal|show|report|alert|notify)\b
        (?:\W+\w+){0,4}?\W+(?:user|human|person|people|anyone|anybody|operator|reviewer|maintainer|owner)s?\b""",
    "it asks for secrets": r"""
        \b(?:reveal|print|send|post|upload|leak|exfiltrate|email|include|paste|output|echo|share)\b(?:\W+\w+){0,6}?\W+
        (?:(?:your|the|all|any)\W+(?:\w+\W+){0,2})?
        (?:system\ prompt|secrets?|credentials?|passwords?|(?:api|private|signing|ssh)[\s_-]?keys?
        |(?:access|bearer|github|api)[\s_-]?tokens?|environment\ variables|\.env|env\ vars)\b
        (?=(?:\W+\w+){0,8}?\W+(?:to|at|in|into|with|via|on)\b|\W*$)""",
    "it gives verdicts away": r"""
        \b(?:always|automatically|immediately|just|must|should)\s+(?:approve|merge|accept|lgtm)\b
        |\bapprove\s+(?:every|all|any|this|the)\s+(?:\w+\s+){0,2}?(?:pull\ requests?|prs?|changes?|reviews?)\b
        |\b(?:skip|disable|turn\ off|bypass|switch\ off)\s+(?:the\s+|all\s+|any\s+)?(?:\w+\s+){0,1}?
        (?:review|guard|gate|approval|sandbox|security|policy|safety)\w*\b""",
    "it has its reader run what is loaded": r"""
        \b(?:curl|wget)\b[^\n|]{0,300}\|\s*(?:sudo\s+)?(?:ba|z|da)?sh\b
        |\b(?:curl|wget)\b[^\n]{0,200}(?:\$\(|\$\{?[A-Z_]*(?:TOKEN|KEY|SECRET|PASSWORD))
        |\beval\s*\(\s*(?:atob|base64)|base64\s+(?:-d|--decode)[^\n]{0,80}\|\s*(?:ba)?sh\b""",
    "it calls the rig's tools": r"""
        \b(?:call|invoke|use|run|execute)\b(?:\W+\w+){0,3}?\W+`?(?:mcp__\w+|forget_memory|supersede_memory|mark_used
        |submit_review|merge_pull_request|approve_issue|decide_gate|complete_assignment|give_up|git_credential)\b""",
}
_PATTERNS = {why: re.compile(order, re.IGNORECASE | re.VERBOSE | re.MULTILINE) for why, order in _ORDERS.items()}
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\U000e0000-\U000e007f]")
_JOINERS = re.compile("[\u200c\u200d\ufe0f]")  # what emoji, Persian and Hindi are written with


def suspicions(text: str) -> list[str]:
    """Why `text` seems to instruct its reader, in words; empty for one that only informs.

    A heuristic: what it finds is stored all the same, but shown with a warning and low trust.
    """
    plain = unicodedata.normalize("NFKC", _HIDDEN.sub("", text)).replace("’", "'")
    return [*(why for why, order in _PATTERNS.items() if order.search(plain)), *_hidden(text)]


def _hidden(text: str) -> Iterator[str]:
    if _HIDDEN.search(_JOINERS.sub("", text)):
        yield "it holds characters that cannot be seen"
