# Copyright (c) 2026, The wsfleet maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody else has changed in the files since the last deploy, before a deploy replaces it."""

from __future__ import annotations

import typing as t
from collections import Counter
from pathlib import Path

from ansible_collections.wsfleet.nginx.plugins.module_utils._nginx import nginx_conf, service
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.atomic_files import Change, Content
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.journal import Journal, digest
from ansible_collections.wsfleet.nginx.plugins.module_utils._transaction.plan import Plan

_CERTBOT = b"managed by Certbot"
_FOR_CERTBOT = (
    "Instead of `certbot --nginx`, use `certbot certonly`, and set ssl_certificate, ssl_certificate_key and "
    "redirect_http of the site."
)
_FOR_NGINX_CONF = (
    "If another role or program writes this file, set websockets_manage_nginx_conf: false and have it set these values."
)
_FOR_DROP_IN = "If another role or program writes this file, set websockets_manage_service: false."
_FOR_OTHERS = "What should stay belongs in the variables."
_LONGEST_LINE = 100


def warnings(plan: Plan, kept: Journal, configuration: Path, *, check: bool) -> list[str]:
    """One for each file that is not as the last deploy left it, and that this one replaces. What is not recorded, as by
    releases before 0.8.0, is not known; what a killed deploy left is our own.
    """
    begun = [file for entry in kept.all_unfinished() for file in entry.files]
    killed = {(file.path, left) for file in begun for left in file.after}
    found = []
    for change in plan.pending:
        if (change.path, digest(change.now)) in killed:
            continue
        if change.path == configuration:
            found.append(_of_nginx_conf(change, kept, check=check))
        else:
            found.append(_of_file(change, plan, kept, check=check))
    return [warning for warning in found if warning]


def _of_file(change: Change, plan: Plan, kept: Journal, *, check: bool) -> str:
    path, deployed = change.path, plan.before.deployed
    is_shared = path == service.DROP_IN
    left = kept.shared().drop_in if is_shared else deployed.left.get(str(path))
    known = digest(left) or deployed.secrets.get(str(path)) or kept.shared().digests.get(str(path))
    if known is None or known == digest(change.now):
        return ""
    verb = "remove" if change.after is None else "replace" if change.now else "write"
    was = "changed" if change.now else "removed"
    what = f"was {was} since the last deploy, and this run {_done(verb, check=check)} it"
    if change.now is None or left is None or path in plan.secrets:
        return f"{path} {what}."
    advice = _FOR_CERTBOT if _CERTBOT in change.now.data else _FOR_DROP_IN if is_shared else _FOR_OTHERS
    is_kept = not check and plan.goal.is_present and not plan.goal.is_previous
    back = " The playbook rollback brings the replaced file back." if is_kept and not is_shared else ""
    return f"{path} {what}: {_difference(left, change.now)}. {advice}{back}"


def _done(verb: str, *, check: bool) -> str:
    return f"would {verb}" if check else f"{verb}s"


def _difference(left: Content, now: Content) -> str:
    lines = left.data.splitlines(), now.data.splitlines()
    removed, added = Counter(lines[0]) - Counter(lines[1]), Counter(lines[1]) - Counter(lines[0])
    if not removed and not added:
        return "its lines are in another order"
    counted = ", ".join(
        f"{sum(found.values())} line{'' if sum(found.values()) == 1 else 's'} {what}"
        for found, what in ((added, "added"), (removed, "removed"))
        if found
    )
    # Headers may be secret; then not everybody may read the file.
    shown = _example([*added, *removed]) if left.mode & now.mode & 0o004 else ""
    return counted + (f", such as {shown!r}" if shown else "")


def _example(lines: t.Sequence[bytes]) -> str:
    directives = [line for line in lines if line.strip(b" \t{}") and not line.lstrip().startswith(b"#")]
    by_certbot = [line for line in directives if _CERTBOT in line]
    line = next(iter([*by_certbot, *directives]), b"").decode("utf-8", "replace").strip()
    return line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}..."


def _of_nginx_conf(change: Change, kept: Journal, *, check: bool) -> str:
    """Only values that a deploy has set, and that this one sets again: all else in that file is others'."""
    left, now, after = kept.shared().nginx_conf, values_of(change.now), values_of(change.after)
    ours = {name: (left.get(name), after.get(name)) for name in nginx_conf.DIRECTIVES}
    changed = [name for name, values in ours.items() if now.get(name) not in values]
    if not changed or not left:
        return ""
    sets = ", ".join(f"{name} to {after.get(name, 'its default')} ({now.get(name, 'not set')} now)" for name in changed)
    what = f"was changed since the last deploy, and this run {_done('set', check=check)} {sets}"
    return f"{change.path} {what}. {_FOR_NGINX_CONF}"


def values_of(content: Content | None) -> t.Mapping[str, str]:
    """The values in nginx.conf of the directives that a deploy sets."""
    try:
        return nginx_conf.values(content.data.decode("utf-8", "surrogateescape")) if content else {}
    except nginx_conf.MainContextError:
        return {}
