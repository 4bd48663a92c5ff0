//! When calls are erased: by a clock that can be believed.
//!
//! A box without a battery for its clock starts in the past, takes its first calls there, and is set right once the
//! network is there; it may also be set wrong for a while. So a call's own times do not say how long it was kept. Its
//! days are counted from the first look after its end, a look counts only if the civil clock has run evenly with the
//! monotonic one since the look before it, and when the clock is set, every count is set with it: the days that have passed
//! stay passed, and no others.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use super::book;
use super::open::Keeping;
use crate::clock::Clock;

/// How often is looked, and for how long a clock must have run evenly before anything is judged by it. The first look
/// of a daemon comes that long after its start.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// Days are kept, so less than this does not matter.
const EVEN: SignedDuration = SignedDuration::from_hours(1);
/// Calls that are kept in memory where there is no file: a few dozen kilobytes each, of talkative callers.
const IN_MEMORY: i64 = 1_000;
/// Calls that are erased in one transaction: keeps the write-ahead log small.
const ERASE_AT_ONCE: usize = 200;

/// Counts the days for which calls are kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Retention {
    keep_days: u32,
    keeping: Keeping,
    last: Clock,
}

impl Retention {
    /// Calls are kept for `keep_days`, in memory also no more than [`IN_MEMORY`]; `now` is the daemon's start.
    pub(super) fn new(keep_days: u32, keeping: Keeping, now: Clock) -> Self {
        Self { keep_days, keeping, last: now }
    }

    /// When to look next.
    pub(super) fn due(&self) -> Instant {
        self.last.instant() + LOOK_EVERY
    }

    /// Begins to count the days of calls that have ended, and erases those that were kept long enough. Nothing happens
    /// if the clock was set since the last look. Returns how many were erased.
    pub(super) fn look(&mut self, db: &Connection, now: Clock) -> rusqlite::Result<usize> {
        let set_by = self.last.set_by(&now);
        self.last = now;
        if self.keeping == Keeping::Memory {
            erase_beyond(db, IN_MEMORY)?;
        }
        if set_by.abs() >= EVEN {
            log::info!("the clock was set by {set_by:#}; old calls are looked for when it has run evenly for an hour");
            let set_by = i64::try_from(set_by.as_millis()).unwrap_or_default();
            db.execute("UPDATE calls SET kept_since = kept_since + ?1", [set_by])?;
            book::retention::set_by(db, set_by)?;
            return Ok(0);
        }
        let now = now.civil(now.instant());
        count_from(db, now)?;
        let calls = erase(db, now, self.keep_days)?;
        let others = book::retention::look(db, now)?;
        if others > 0 {
            log::info!(others; "old holds, errands, messages and names were erased");
        }
        Ok(calls)
    }
}

/// A count that lies ahead began by a clock that was wrong.
fn count_from(db: &Connection, now: Timestamp) -> rusqlite::Result<()> {
    let begin = "UPDATE calls SET kept_since = ?1 WHERE kept_since IS NULL AND ended_at IS NOT NULL";
    let begin_again = "UPDATE calls SET kept_since = ?1 WHERE kept_since > ?1";
    let now = now.as_millisecond();
    db.execute(begin, [now])?;
    db.execute(begin_again, [now]).map(drop)
}

/// Erases all calls that have ended but the newest `most`.
fn erase_beyond(db: &Connection, most: i64) -> rusqlite::Result<usize> {
    let sql = "DELETE FROM calls WHERE ended_at IS NOT NULL AND id <= (SELECT MAX(id) FROM calls) - ?1";
    db.execute(sql, [most])
}

/// Erases what was kept for more than `keep_days`, with all that belongs to it.
fn erase(db: &Connection, now: Timestamp, keep_days: u32) -> rusqlite::Result<usize> {
    let Ok(oldest) = now.checked_sub(SignedDuration::from_hours(24 * i64::from(keep_days))) else { return Ok(0) };
    let sql = "DELETE FROM calls WHERE id IN (SELECT id FROM calls WHERE kept_since < ?1 LIMIT ?2)";
    let mut erased = 0;
    loop {
        let batch = db.execute(sql, params![oldest.as_millisecond(), ERASE_AT_ONCE as i64])?;
        erased += batch;
        if batch < ERASE_AT_ONCE {
            return Ok(erased);
        }
    }
}
