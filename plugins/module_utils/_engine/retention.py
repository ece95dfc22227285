# SPDX-License-Identifier: GPL-3.0-or-later
"""Which backups to keep, and why. Pure: it decides from what it is told and touches nothing.

A backup is kept if any rule keeps it:

- the job's rules (``keep_last``, ``keep_hourly`` ... ``keep_yearly``, ``keep_within``), over the backups of all tags that have
  no rules of their own; without any rule all of them are kept;
- a tag's own rules (``tags``), over that tag's backups alone; ``pre-restore`` is kept unless it has rules;
- the brakes: the newest backup, the newest without warnings, the newest full one, the newest ``min_keep``; those made in the
  future (the clock was wrong, so nothing can be said of their age);
- what somebody pinned; what is suspicious, and all that is older, until somebody accepts it: a suspicious backup is kept, but
  stands in for no other and takes no place of the rules;
- whatever a kept backup needs, and whatever one needs that cannot be read.

Hours, days, ISO weeks, months and years are those of the job's time zone; each is represented by the newest backup in it.
More rules or larger numbers never keep less, as long as there is a rule at all.
"""

from __future__ import annotations

import datetime
import typing as t
from dataclasses import dataclass, field

from .names import SAFETY_TAG, parse_backup_id
from .result import SUCCESS


@dataclass(frozen=True)
class Candidate:
    """A complete backup whose manifest could be read. ``references``: ids of the older backups that it uses.

    ``suspicious``: it may be of what was lost, and nobody has accepted it.
    """

    id: str
    finished: datetime.datetime
    kind: str
    tag: str
    outcome: str
    references: t.FrozenSet[str] = frozenset()
    suspicious: bool = False
    pinned: bool = False


@dataclass
class Decision:
    """``reasons``: every rule that keeps the backup, or for each rule why it does not."""

    id: str
    keep: bool
    reasons: t.List[str] = field(default_factory=list)


class _Period(t.NamedTuple):
    """A rule that keeps the newest backup of each hour, day, ...: how it is told, and what makes two moments the same one."""

    name: str
    of: t.Callable[[datetime.datetime], str]


# The offset tells the two hours apart that bear the same name when summer time ends.
_PERIODS = {
    "keep_hourly": _Period("hourly", lambda m: m.strftime("%Y-%m-%d %H:00 %z")),
    "keep_daily": _Period("daily", lambda m: m.strftime("%Y-%m-%d")),
    "keep_weekly": _Period("weekly", lambda m: "%04d-W%02d" % m.isocalendar()[:2]),
    "keep_monthly": _Period("monthly", lambda m: m.strftime("%Y-%m")),
    "keep_yearly": _Period("yearly", lambda m: m.strftime("%Y")),
}


def lets_go(policy: t.Mapping[str, t.Any]) -> bool:
    """Whether a policy has any rule; without one all backups are kept, whatever they are."""
    return any(_limits(rule) for rule in (policy, *(policy.get("tags") or ())))


def decide(
    backups: t.Sequence[Candidate],
    policy: t.Mapping[str, t.Any],
    now: datetime.datetime,
    timezone: t.Optional[datetime.tzinfo] = None,
    unreadable: t.Collection[str] = (),
) -> t.List[Decision]:
    """Decide on every backup of a job on one store; newest first.

    ``policy``: the checked options job.RETENTION. ``timezone``: the job's, or None for the host's. ``unreadable``: ids of
    backups that are there, but whose manifests cannot be read or whose data is damaged; they are kept.
    """
    newest_first = sorted(backups, key=lambda b: (b.finished, b.id), reverse=True)
    past = [b for b in newest_first if b.finished <= now and not b.suspicious]
    rules = _Rules(newest_first, timezone, now)
    tags = {rule["name"]: rule for rule in policy.get("tags") or []}
    own = {tag: [b for b in past if b.tag == tag] for tag in tags}
    common = [b for b in past if b.tag not in tags and b.tag != SAFETY_TAG]

    rules.apply(policy, common)
    for tag, rule in tags.items():
        rules.apply(rule, own[tag], "tag %s: " % tag)
    if SAFETY_TAG not in tags:
        rules.keep((b for b in past if b.tag == SAFETY_TAG), "what a restore overwrote (tag %s)" % SAFETY_TAG)
    rules.keep((b for b in newest_first if b.finished > now), "made in the future: is the clock right?")
    # What a restore overwrote may be just what was broken; it does not stand in for a backup.
    regular = [b for b in past if b.tag != SAFETY_TAG]
    rules.keep(past[:1], "newest complete backup")
    rules.keep(regular[:1], "newest complete backup")
    rules.keep([b for b in regular if b.outcome == SUCCESS][:1], "newest backup without warnings")
    rules.keep([b for b in regular if b.kind == "full"][:1], "newest full backup")
    least = policy.get("min_keep") or 1
    if least > 1:
        rules.keep(regular[:least], "min_keep %d" % least)
    rules.keep((b for b in newest_first if b.pinned), "pinned")
    doubtful = [b for b in newest_first if b.suspicious]
    rules.keep(doubtful, "suspicious, and not accepted")
    for newest in sorted(doubtful, key=lambda b: b.id)[-1:]:
        rules.keep((b for b in newest_first if b.id < newest.id), "older than %s, which is suspicious" % newest.id)
    rules.keep_what_is_needed(unreadable)
    return rules.decisions(unreadable)


class _Rules:
    """Collects what each rule says of each backup."""

    def __init__(self, backups: t.Sequence[Candidate], timezone: t.Optional[datetime.tzinfo], now: datetime.datetime) -> None:
        self._backups = backups
        self._timezone = timezone
        self._now = now
        self._for: t.Dict[str, t.List[str]] = {b.id: [] for b in backups}
        self._against: t.Dict[str, t.List[str]] = {b.id: [] for b in backups}

    def keep(self, backups: t.Iterable[Candidate], reason: str) -> None:
        for backup in backups:
            if reason not in self._for[backup.id]:
                self._for[backup.id].append(reason)

    def apply(self, rule: t.Mapping[str, t.Any], backups: t.Sequence[Candidate], prefix: str = "") -> None:
        """One set of keep_ options over the backups that it governs, newest first."""
        last, within = rule.get("keep_last"), rule.get("keep_within")
        periods = [(period, rule[option]) for option, period in _PERIODS.items() if rule.get(option)]
        if not _limits(rule):
            self.keep(backups, prefix + "no rule says that it may go")
            return
        if last:
            self._last(backups, last, prefix)
        if within:
            self._within(backups, within, prefix)
        for period, count in periods:
            self._period(backups, period, count, prefix)

    def _last(self, backups: t.Sequence[Candidate], count: int, prefix: str) -> None:
        for n, backup in enumerate(backups, 1):
            if n <= count:
                self.keep([backup], "%slast %d/%d" % (prefix, n, count))
            else:
                self._against[backup.id].append("%s%s newest, keep_last is %d" % (prefix, _ordinal(n), count))

    def _within(self, backups: t.Sequence[Candidate], duration: int, prefix: str) -> None:
        text = _duration(duration)
        for backup in backups:
            if self._now - backup.finished <= datetime.timedelta(seconds=duration):
                self.keep([backup], "%swithin %s" % (prefix, text))
            else:
                self._against[backup.id].append("%solder than %s" % (prefix, text))

    def _period(self, backups: t.Sequence[Candidate], period: _Period, count: int, prefix: str) -> None:
        taken: t.Dict[str, str] = {}
        for backup in backups:
            slot = period.of(backup.finished.astimezone(self._timezone))
            if slot in taken:
                self._against[backup.id].append("%s%s %s is kept by %s" % (prefix, period.name, slot, taken[slot]))
            elif len(taken) < count:
                taken[slot] = backup.id
                self.keep([backup], "%s%s %d/%d: %s" % (prefix, period.name, len(taken), count, slot))
            else:
                self._against[backup.id].append("%s%s %s is older than the newest %d" % (prefix, period.name, slot, count))

    def keep_what_is_needed(self, unreadable: t.Collection[str]) -> None:
        """Keep what a kept backup uses, directly or through others, and what an unreadable one might."""
        by_id = {b.id: b for b in self._backups}
        for lost in sorted(unreadable):
            parts = parse_backup_id(lost)
            # A full backup uses no other; what any other kind uses is written in the manifest that cannot be read.
            if parts is None or parts.kind != "full":
                self.keep((b for b in self._backups if b.id < lost), "may be needed by %s, which cannot be read" % lost)
        waiting = [b for b in self._backups if self._for[b.id]]
        while waiting:
            user = waiting.pop()
            for needed in sorted(user.references & set(by_id)):
                if not self._for[needed]:
                    waiting.append(by_id[needed])
                self.keep([by_id[needed]], "needed by %s" % user.id)

    def decisions(self, unreadable: t.Collection[str]) -> t.List[Decision]:
        decisions = [Decision(b.id, bool(self._for[b.id]), self._for[b.id] or self._against[b.id]) for b in self._backups]
        decisions += [Decision(i, True, ["it cannot be read, so nothing is known of it"]) for i in unreadable]
        return sorted(decisions, key=lambda d: d.id, reverse=True)


def _limits(rule: t.Mapping[str, t.Any]) -> bool:
    return any(rule.get(option) for option in ("keep_last", "keep_within", *_PERIODS))


def _ordinal(n: int) -> str:
    ending = "th" if n % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return "%d%s" % (n, ending)


def _duration(seconds: int) -> str:
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds % length == 0:
            return "%d%s" % (seconds // length, unit)
    return "%ds" % seconds
