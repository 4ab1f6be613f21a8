"""A runtime of one's own: learns of work from Valkey, and claims it from the conductor before it does anything."""

import json
import os
import sys
import time
from contextlib import suppress
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import redis

ME, STREAM, GROUP = os.environ["HOSTNAME"], f"assignments:{os.environ['RIG_CHARACTER']}", "runtime"
IDLE_MS = int(os.environ.get("IDLE_MS", "60000"))  # a consumer that is silent for so long is dead
valkey = redis.Redis.from_url(os.environ["RIG_VALKEY_URL"], decode_responses=True)


def announced():
    """Announcements that a dead consumer left behind, else the next one, else none after two seconds."""
    try:
        left = valkey.xautoclaim(STREAM, GROUP, ME, IDLE_MS, count=1)[1]
        fresh = [] if left else valkey.xreadgroup(GROUP, ME, {STREAM: ">"}, count=1, block=2000)
        return left or [entry for _, entries in fresh for entry in entries]
    except redis.ResponseError:  # the group is gone after FLUSHALL, or never was
        with suppress(redis.ResponseError):  # or another consumer has just made it
            valkey.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
        return []


def claim(issue, instance):
    """The work, or None if somebody else has it; an instance holds one claim at a time."""
    url = f"{os.environ['RIG_URL']}/api/assignments/next?{urlencode({'issue': issue})}"
    headers = {"Authorization": f"Bearer {os.environ['RIG_TOKEN']}", "X-Rig-Instance": instance}
    with urlopen(Request(url, headers=headers), timeout=30) as answer:  # noqa: S310 - the rig's own address
        return json.load(answer) if answer.status == 200 else None


while True:
    with suppress(OSError, redis.ConnectionError, redis.TimeoutError):  # not acknowledged, so it comes again
        for entry, assignment in announced():
            work = claim(assignment["issue"], f"{ME}-{entry}")  # an answer that was lost is given again
            valkey.xack(STREAM, GROUP, entry)
            if work:
                sys.stdout.write(json.dumps(work) + "\n")  # here it starts whatever does the work
                sys.stdout.flush()
        continue
    time.sleep(0.5)
