#!/usr/bin/env python3
"""Writes recurrences.txt: rules drawn by chance, and what python-dateutil 2.9 makes of them.

One line each: rule, first beginning, window from and to, the beginnings within it ("-" if there are none).
"""
import random
from datetime import datetime, timedelta

from dateutil.rrule import rrulestr

random.seed(20261201)
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]
FORM = "%Y%m%dT%H%M%S"


def some(values, most):
    return ",".join(str(v) for v in random.sample(values, random.randint(1, most)))


def signed(most):
    return [n for n in range(-most, most + 1) if n]


def rule():
    frequency = random.choice(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
    parts = [f"FREQ={frequency}"]
    maybe = lambda chance: random.random() < chance
    if maybe(0.5):
        parts.append(f"INTERVAL={random.choice([1, 2, 2, 3, 4, 13])}")
    if maybe(0.3):
        parts.append(f"WKST={random.choice(['MO', 'SU', 'SA', 'TH'])}")
    if maybe(0.25):
        parts.append(f"BYMONTH={some(list(range(1, 13)), 4)}")
    if frequency in ("MONTHLY", "YEARLY", "DAILY") and maybe(0.3):
        parts.append(f"BYMONTHDAY={some(signed(31), 4)}")
    if maybe(0.5):
        numbered = frequency in ("MONTHLY", "YEARLY") and maybe(0.6)
        days = random.sample(DAYS, random.randint(1, 4))
        parts.append("BYDAY=" + ",".join((str(random.choice([1, 2, 3, 5, -1, -2])) if numbered else "") + d for d in days))
    if frequency == "YEARLY" and maybe(0.15):
        parts.append(f"BYYEARDAY={some(signed(366), 4)}")
    elif frequency == "YEARLY" and "BYDAY" not in parts[-1] and maybe(0.3):
        parts.append(f"BYWEEKNO={some(list(range(1, 54)) + [-1], 4)}")
    if maybe(0.2):
        parts.append(f"BYHOUR={some(list(range(24)), 3)}")
    if maybe(0.15):
        parts.append(f"BYMINUTE={some(list(range(60)), 3)}")
    # In the first week dateutil counts positions from the first beginning, not from the week's start: left out.
    if frequency in ("MONTHLY", "YEARLY") and len(parts) > 2 and maybe(0.3):
        parts.append(f"BYSETPOS={some([1, 2, 3, -1, -2], 2)}")
    if maybe(0.25):
        parts.append(f"COUNT={random.choice([1, 2, 5, 40, 300])}")
    return ";".join(parts)


made = 0
lines = ["# Made by make_recurrences.py"]
while made < 400:
    text = rule()
    start = datetime(2016, 1, 1) + timedelta(days=random.randint(0, 4000), minutes=15 * random.randint(0, 95))
    first = datetime(2026, 1, 1) + timedelta(days=random.randint(0, 700))
    last = first + timedelta(days=random.choice([1, 7, 31, 120, 400]))
    if random.random() < 0.2 and "COUNT" not in text:
        text += f";UNTIL={(first + (last - first) / 2).strftime(FORM)}"
    found = rrulestr(text, dtstart=start).between(first, last, inc=True)
    if len(found) > 60 or (not found and random.random() < 0.8):
        continue
    lines.append(" ".join([text, start.strftime(FORM), first.strftime(FORM), last.strftime(FORM),
                           ",".join(at.strftime(FORM) for at in found) or "-"]))
    made += 1
with open("recurrences.txt", "w") as out:
    out.write("\n".join(lines) + "\n")
