-- The appointment book, messages for staff, what is to be done outside, and who changed what.
-- All times are milliseconds since 1970 in UTC. A published version is never edited: a change is a further step in open.rs.

-- A conversation is named as in calls.call_sid. It is no foreign key: calls are erased earlier, and written later.
CREATE TABLE appointments (
    id           TEXT PRIMARY KEY,  -- UUID version 7 in 32 hexadecimal digits; never used again
    reference    TEXT NOT NULL,     -- its name among people, K7Q-4MR
    state        TEXT NOT NULL CHECK (state IN ('held', 'booked', 'cancelled', 'lapsed')), -- lapsed: a hold that was given up,
                                    -- used up or ran out, kept for a day so that a late yes is told so
    kind         TEXT NOT NULL,     -- the clinic's id of what would be done
    practitioner TEXT NOT NULL,     -- the clinic's id of who does it
    location     TEXT NOT NULL,     -- the clinic's id of where
    starts       INTEGER NOT NULL,  -- the patient's time
    ends         INTEGER NOT NULL,  -- the first instant after it
    busy_from    INTEGER NOT NULL,  -- the practitioner's time: the patient's with the buffers
    busy_to      INTEGER NOT NULL,
    language     TEXT NOT NULL,     -- BCP-47 tag of the language in which the patient is written to
    revision     INTEGER NOT NULL DEFAULT 0, -- one more for each change; SEQUENCE of the calendar entry
    held_by      TEXT NOT NULL,     -- the conversation that held it
    hold_ends    INTEGER NOT NULL,  -- when the hold runs out, or ran out; means nothing once it is booked
    instead_of   TEXT,              -- a hold for moving this appointment, with which alone it may overlap
    name         TEXT,              -- the patient's; null while it is held, and once it is anonymous
    name_key     TEXT,              -- the name as names are compared
    phone        TEXT,              -- E.164; null when they gave none and withheld their own
    email        TEXT,              -- null unless they want mail
    sms          INTEGER NOT NULL DEFAULT 0 CHECK (sms IN (0, 1)), -- 1 when they want text messages
    born         TEXT,              -- YYYY-MM-DD, where it was asked for
    arranged_by  TEXT,              -- who booked, if it was somebody else
    note         TEXT NOT NULL DEFAULT '', -- needs of access or language; never a complaint
    booked_by    TEXT,              -- the conversation that booked it
    booked_at    INTEGER,
    moved_by     TEXT,              -- the conversation that moved it last
    moved_with   TEXT,              -- the hold that was used up by that: the same request again changes nothing
    cancelled_by TEXT,              -- the conversation that took it back; null when the calendar or staff did
    cancelled_at INTEGER,
    cancel_reason TEXT,             -- patient, conflict, or as the caller put it; null once it is anonymous
    kept_since   INTEGER,           -- when the days for which it is kept began; null until then
    CHECK (busy_from <= starts AND starts < ends AND ends <= busy_to),
    CHECK (busy_to - busy_from <= 86400000) -- a day: what overlaps with a time is looked for no further back
) STRICT;

-- Nobody else is asked for by these six symbols.
CREATE UNIQUE INDEX appointments_reference ON appointments (reference) WHERE state IN ('held', 'booked');
-- For the guard below, and with all that is asked for of what keeps somebody busy: thousands of rows are read for one caller's
-- question, and none of them is looked up.
CREATE INDEX appointments_busy ON appointments (practitioner, busy_from, busy_to, state, hold_ends, id)
    WHERE state IN ('held', 'booked');
CREATE INDEX appointments_held ON appointments (hold_ends) WHERE state = 'held';
CREATE INDEX appointments_starts ON appointments (starts);
CREATE INDEX appointments_phone ON appointments (phone) WHERE state = 'booked';
CREATE INDEX appointments_name ON appointments (name_key) WHERE state = 'booked';
-- For erasing what is too old.
CREATE INDEX appointments_kept ON appointments (kept_since);

-- No two that are held or booked overlap for one practitioner, whoever writes: intervals are half open. There is no clock in
-- here; whoever holds a time first marks as lapsed what has run out.
CREATE TRIGGER appointments_insert BEFORE INSERT ON appointments WHEN NEW.state IN ('held', 'booked')
BEGIN
    SELECT RAISE(ABORT, 'slot_taken') WHERE EXISTS (
        SELECT 1 FROM appointments a
        WHERE a.practitioner = NEW.practitioner AND a.state IN ('held', 'booked') AND a.id <> NEW.id
          AND a.busy_from < NEW.busy_to AND a.busy_from > NEW.busy_from - 86400000 AND NEW.busy_from < a.busy_to
          AND NOT (NEW.state = 'held' AND NEW.instead_of IS a.id) AND NOT (a.state = 'held' AND a.instead_of IS NEW.id));
END;
CREATE TRIGGER appointments_update BEFORE UPDATE OF practitioner, busy_from, busy_to, state, instead_of ON appointments
WHEN NEW.state IN ('held', 'booked')
BEGIN
    SELECT RAISE(ABORT, 'slot_taken') WHERE EXISTS (
        SELECT 1 FROM appointments a
        WHERE a.practitioner = NEW.practitioner AND a.state IN ('held', 'booked') AND a.id <> OLD.id
          AND a.busy_from < NEW.busy_to AND a.busy_from > NEW.busy_from - 86400000 AND NEW.busy_from < a.busy_to
          AND NOT (NEW.state = 'held' AND NEW.instead_of IS a.id) AND NOT (a.state = 'held' AND a.instead_of IS NEW.id));
END;

-- Where an appointment is in an outside calendar.
CREATE TABLE calendar_links (
    appointment TEXT NOT NULL REFERENCES appointments (id) ON DELETE CASCADE,
    calendar    TEXT NOT NULL,     -- which calendar: the backend and its address there
    external_id TEXT NOT NULL,     -- Google's event id, CalDAV's href
    etag        TEXT,              -- the version that we wrote or read last
    revision    INTEGER NOT NULL,  -- appointments.revision as it was written there
    PRIMARY KEY (appointment, calendar)
) STRICT, WITHOUT ROWID;

-- How far the changes in an outside calendar are known.
CREATE TABLE calendar_syncs (
    calendar TEXT PRIMARY KEY,  -- as in calendar_links
    token    TEXT NOT NULL      -- where to go on: the service's own word
) STRICT, WITHOUT ROWID;

-- What callers leave for staff.
CREATE TABLE messages (
    id           INTEGER PRIMARY KEY,  -- grows with every message; the cursor of listings
    conversation TEXT NOT NULL,        -- in which it was left
    name         TEXT NOT NULL,        -- who left it, as they said it
    phone        TEXT,                 -- E.164; where they are called back
    topic        TEXT NOT NULL,        -- one of the tool's topics
    text         TEXT NOT NULL,
    today        INTEGER NOT NULL CHECK (today IN (0, 1)), -- 1 when it cannot wait for tomorrow
    taken_at     INTEGER NOT NULL,
    read_at      INTEGER,              -- null until somebody says that it is dealt with
    kept_since   INTEGER               -- when the days for which it is kept began; null until then
) STRICT;
CREATE INDEX messages_conversation ON messages (conversation);
CREATE INDEX messages_kept ON messages (kept_since);

-- What is to be done outside, once and in order, written with the change that it follows from.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT, -- the order
    key         TEXT NOT NULL UNIQUE,  -- makes it happen once
    kind        TEXT NOT NULL CHECK (kind IN ('calendar', 'mail', 'sms', 'reminder', 'message')),
    appointment TEXT REFERENCES appointments (id) ON DELETE CASCADE,
    message     INTEGER REFERENCES messages (id) ON DELETE CASCADE,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'begun', 'done', 'dead', 'dropped')),
    attempts    INTEGER NOT NULL DEFAULT 0, -- begun, the one that runs included
    unsure      INTEGER NOT NULL DEFAULT 0 CHECK (unsure IN (0, 1)), -- 1 when an attempt was cut off: it may have been done
    created_at  INTEGER NOT NULL,
    not_before  INTEGER,               -- a reminder's time
    due_at      INTEGER NOT NULL,      -- when it is tried next
    settled_at  INTEGER,               -- when it became done, dead or dropped
    note        TEXT,                  -- what came of it last: a receipt, or what went wrong; nobody's data
    kept_since  INTEGER,               -- when the days for which it is kept began; null until then
    CHECK ((appointment IS NULL) <> (message IS NULL))
) STRICT;
-- Few are open, many are done.
CREATE INDEX outbox_open ON outbox (state, due_at) WHERE state IN ('waiting', 'begun', 'dead');
CREATE INDEX outbox_appointment ON outbox (appointment);
CREATE INDEX outbox_message ON outbox (message);
CREATE INDEX outbox_kept ON outbox (kept_since);

-- Who changed what. Only ever added to: each row's hash includes the one before, so that a gap shows.
CREATE TABLE audit (
    id     INTEGER PRIMARY KEY,  -- 1, 2, 3, …
    at     INTEGER NOT NULL,     -- by the box's own clock
    actor  TEXT NOT NULL,        -- call:CA…, desk:DK…, staff, system
    action TEXT NOT NULL CHECK (action IN ('view', 'create', 'change', 'cancel', 'send')),
    object TEXT NOT NULL,        -- appointment:…, message:…, errand:…
    fields TEXT NOT NULL,        -- what was changed, or what came of it: words of ours, never values
    hash   TEXT NOT NULL         -- SHA-256, in hexadecimal digits, of the last row's hash and this one's columns
) STRICT;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
CREATE TRIGGER audit_goes_on BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit is only added to'); END;
