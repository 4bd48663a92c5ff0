"""Checks with other people's libraries that letters are what mail programs and calendars expect.

Usage: check.py FOLDER. Prints one line for each fact and 'N passed, M failed'; exits non-zero unless all passed.
"""

import email
import email.policy
import pathlib
import sys

import icalendar
import vobject

passed = failed = 0


def fact(text, holds, detail=""):
    global passed, failed
    if holds:
        passed += 1
        print(f"ok    {text}")
    else:
        failed += 1
        print(f"FAIL  {text} {detail}")


def parts(letter):
    return [part for part in letter.walk() if not part.is_multipart()]


def check_calendar(name, part):
    data = part.get_payload(decode=True)
    lines = data.split(b"\r\n")
    fact(f"{name}: no line of the calendar file has more than 75 octets", max(map(len, lines)) <= 75)
    calendar = icalendar.Calendar.from_ical(data)
    events = calendar.walk("VEVENT")
    errors = [component.errors for component in calendar.walk()]
    fact(f"{name}: icalendar reads it without an error", not any(errors), errors)
    fact(f"{name}: it has one event", len(events) == 1, events)
    method = part.get_param("method", calendar["METHOD"])
    fact(f"{name}: its method is the part's", method == calendar["METHOD"], method)
    event = events[0]
    fact(f"{name}: it ends after it begins", event.end > event.start)
    fact(f"{name}: the attendee is the recipient", str(event["ATTENDEE"]).startswith("mailto:"), event["ATTENDEE"])
    try:
        vobject.readOne(data.decode()).validate(raiseException=True)
        fact(f"{name}: vobject reads it too", True)
    except vobject.base.VObjectError as error:
        fact(f"{name}: vobject reads it too", False, error)


def check_letter(path):
    letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    name = path.name
    fact(f"{name}: Python's parser finds no defect", not letter.defects, letter.defects)
    for part in letter.walk():
        fact(f"{name}: nor in {part.get_content_type()}", not part.defects, part.defects)
    headers = [header.lower() for header in letter.keys()]
    fact(f"{name}: no header is there twice", len(headers) == len(set(headers)), headers)
    expected = {"from", "to", "date", "subject", "message-id", "mime-version", "auto-submitted"}
    fact(f"{name}: the headers are all there", expected <= set(headers), headers)
    fact(f"{name}: nobody else is written to", "bcc" not in headers and "cc" not in headers)
    kinds = [part.get_content_type() for part in parts(letter)]
    if kinds == ["text/plain"]:
        return
    wanted = ["text/plain", "text/html", "text/calendar", "application/ics"]
    fact(f"{name}: text, page, card, attachment", kinds == wanted, kinds)
    for part in parts(letter):
        if part.get_content_type() in ("text/calendar", "application/ics"):
            check_calendar(f"{name} {part.get_content_type()}", part)


def main():
    letters = sorted(pathlib.Path(sys.argv[1]).iterdir())
    fact("letters have arrived", len(letters) >= 8, len(letters))
    for path in letters:
        check_letter(path)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
