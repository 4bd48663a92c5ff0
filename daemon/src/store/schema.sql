-- The record of calls, version 1. All times are milliseconds since 1970 in UTC.
-- A published version is never edited: a change is a further step in open.rs.

CREATE TABLE calls (
    id            INTEGER PRIMARY KEY,   -- grows with every call; the cursor of listings
    call_sid      TEXT NOT NULL UNIQUE,  -- Twilio's CA…: retried webhooks find the same row
    account_sid   TEXT NOT NULL,         -- Twilio's AC…
    direction     TEXT NOT NULL,         -- inbound, outbound-api or outbound-dial
    caller        TEXT,                  -- E.164; null when withheld
    callee        TEXT,                  -- E.164; null when reached by SIP or a browser
    live_id       TEXT,                  -- the Gemini conversation, for its logs; null until there is one
    started_at    INTEGER NOT NULL,      -- the webhook that announced the call
    answered_at   INTEGER,               -- the media stream's start; null if it never came
    ended_at      INTEGER,               -- null while the call is running
    end_reason    TEXT,                  -- why it ended, in our words; power-loss when we were not there to see it
    twilio_status TEXT,                  -- the last status that Twilio reported
    twilio_seq    INTEGER,               -- its number: reports overtake one another
    duration_s    INTEGER                -- connected time as Twilio counts it
) STRICT;

-- Running calls are few and asked for often; finished ones are many.
CREATE INDEX calls_running ON calls (id) WHERE ended_at IS NULL;
-- For erasing what is too old.
CREATE INDEX calls_started ON calls (started_at);

-- What was heard, turn by turn. Words that were generated and never played are not here.
CREATE TABLE turns (
    call        INTEGER NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    seq         INTEGER NOT NULL,  -- order within the call
    who         TEXT NOT NULL CHECK (who IN ('caller', 'agent', 'tool')),
    text        TEXT NOT NULL,     -- what was said as far as it was heard; for a tool its name
    started_at  INTEGER NOT NULL,
    ended_at    INTEGER NOT NULL,
    interrupted INTEGER NOT NULL CHECK (interrupted IN (0, 1)),  -- 1 when the other party cut it short
    PRIMARY KEY (call, seq)
) STRICT, WITHOUT ROWID;

-- What happened to a call besides speech.
CREATE TABLE events (
    id     INTEGER PRIMARY KEY,  -- order of arrival
    call   INTEGER NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    at     INTEGER NOT NULL,
    kind   TEXT NOT NULL,        -- a word such as resumed, barge-in or stream-error
    detail TEXT NOT NULL         -- a JSON value; never speech, keys or names
) STRICT;
CREATE INDEX events_call ON events (call);

-- Tokens, as Gemini reports them; the sum of a call's rows is its cost.
CREATE TABLE usage (
    id        INTEGER PRIMARY KEY,  -- order of arrival
    call      INTEGER NOT NULL REFERENCES calls (id) ON DELETE CASCADE,
    at        INTEGER NOT NULL,
    prompt    INTEGER NOT NULL,  -- tokens read
    response  INTEGER NOT NULL,  -- tokens generated
    total     INTEGER NOT NULL,  -- as billed; can exceed the two
    audio_in  INTEGER NOT NULL,  -- of prompt: audio
    audio_out INTEGER NOT NULL   -- of response: audio
) STRICT;
CREATE INDEX usage_call ON usage (call);
