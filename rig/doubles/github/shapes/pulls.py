"""Pull requests, reviews and review comments as JSON."""

from __future__ import annotations

from rig.doubles.github.model import Json, PullRequest, Repository, Review, ReviewComment, Thread, stamp
from rig.doubles.github.shapes import issues, people, repos
from rig.doubles.github.state import World


def pull_url(world: World, repo: Repository, pull: PullRequest) -> str:
    return f"{repos.api_url(world, repo)}/pulls/{pull.number}"


def links(world: World, repo: Repository, pull: PullRequest) -> Json:
    base = repos.api_url(world, repo)
    url, issue_url = pull_url(world, repo, pull), f"{base}/issues/{pull.number}"
    addresses = {
        "self": url,
        "html": issues.html_url(world, repo, pull.issue),
        "issue": issue_url,
        "comments": f"{issue_url}/comments",
        "review_comments": f"{url}/comments",
        "review_comment": f"{base}/pulls/comments{{/number}}",
        "commits": f"{url}/commits",
        "statuses": f"{base}/statuses/{pull.head_sha}",
    }
    return {name: {"href": address} for name, address in addresses.items()}


def simple(world: World, repo: Repository, pull: PullRequest) -> Json:
    base, page = repos.api_url(world, repo), issues.html_url(world, repo, pull.issue)
    shared = issues.issue(world, repo, pull.issue)
    for name in ("repository_url", "labels_url", "events_url", "timeline_url", "reactions", "pull_request"):
        del shared[name]
    for name in ("comments", "state_reason", "performed_via_github_app"):
        del shared[name]
    return shared | {
        "url": pull_url(world, repo, pull),
        "id": pull.id,
        "node_id": f"PR_{pull.id}",
        "diff_url": f"{page}.diff",
        "patch_url": f"{page}.patch",
        "issue_url": f"{base}/issues/{pull.number}",
        "commits_url": f"{pull_url(world, repo, pull)}/commits",
        "review_comments_url": f"{pull_url(world, repo, pull)}/comments",
        "review_comment_url": f"{base}/pulls/comments{{/number}}",
        "comments_url": f"{base}/issues/{pull.number}/comments",
        "statuses_url": f"{base}/statuses/{pull.head_sha}",
        "head": _end(world, repo, pull.head_ref, pull.head_sha),
        "base": _end(world, repo, pull.base_ref, pull.base_sha),
        "_links": links(world, repo, pull),
        "draft": pull.draft,
        "merged_at": stamp(pull.merged_at),
        "merge_commit_sha": pull.merge_sha,
        "requested_reviewers": [],
        "requested_teams": [],
        "auto_merge": None,
    }


def pull(world: World, repo: Repository, one: PullRequest, mergeable_state: str = "unknown") -> Json:
    return simple(world, repo, one) | {
        "merged": one.merged_at is not None,
        "mergeable": one.mergeable if one.is_open else None,
        "rebaseable": one.mergeable if one.is_open else None,
        "mergeable_state": mergeable_state,
        "merged_by": people.maybe_user(world, one.merged_by),
        "comments": len(one.issue.comments),
        "review_comments": sum(len(thread.comments) for thread in one.threads),
        "maintainer_can_modify": False,
        "commits": one.stats.commits,
        "additions": one.stats.additions,
        "deletions": one.stats.deletions,
        "changed_files": one.stats.changed_files,
    }


def _end(world: World, repo: Repository, ref: str, sha: str) -> Json:
    return {
        "label": f"{repo.owner.login}:{ref}",
        "ref": ref,
        "sha": sha,
        "user": people.user(world, repo.owner),
        "repo": repos.repository(world, repo),
    }


def review(world: World, repo: Repository, pull: PullRequest, given: Review) -> Json:
    page = f"{issues.html_url(world, repo, pull.issue)}#pullrequestreview-{given.id}"
    shape: Json = {
        "id": given.id,
        "node_id": f"PRR_{given.id}",
        "user": people.user(world, given.user),
        "body": given.body,
        "state": given.state,
        "html_url": page,
        "pull_request_url": pull_url(world, repo, pull),
        "author_association": people.association(repo, given.user),
        "_links": {"html": {"href": page}, "pull_request": {"href": pull_url(world, repo, pull)}},
        "commit_id": given.commit_id,
    }
    if given.submitted_at:
        shape["submitted_at"] = stamp(given.submitted_at)
    return shape


def review_comment(world: World, repo: Repository, pull: PullRequest, said: ReviewComment) -> Json:
    url = f"{repos.api_url(world, repo)}/pulls/comments/{said.id}"
    page = f"{issues.html_url(world, repo, pull.issue)}#discussion_r{said.id}"
    shape: Json = {
        "url": url,
        "pull_request_review_id": said.review.id,
        "id": said.id,
        "node_id": f"PRRC_{said.id}",
        "diff_hunk": said.diff_hunk,
        "path": said.path,
        "position": said.line,
        "original_position": said.original_line,
        "commit_id": said.commit_id,
        "original_commit_id": said.original_commit_id,
        "user": people.user(world, said.user),
        "body": said.body,
        "created_at": stamp(said.created_at),
        "updated_at": stamp(said.updated_at),
        "html_url": page,
        "pull_request_url": pull_url(world, repo, pull),
        "author_association": people.association(repo, said.user),
        "_links": {
            "self": {"href": url},
            "html": {"href": page},
            "pull_request": {"href": pull_url(world, repo, pull)},
        },
        "reactions": issues.reactions(url),
        "start_line": None,
        "original_start_line": None,
        "start_side": None,
        "line": said.line,
        "original_line": said.original_line,
        "side": said.side,
        "subject_type": "line" if said.original_line else "file",
    }
    if said.reply_to:
        shape["in_reply_to_id"] = said.reply_to
    return shape


def thread(world: World, repo: Repository, pull: PullRequest, one: Thread) -> Json:
    return {
        "node_id": f"PRRT_{one.id}",
        "comments": [review_comment(world, repo, pull, said) for said in one.comments],
    }
