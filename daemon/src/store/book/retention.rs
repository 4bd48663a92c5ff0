//! What is erased when: holds that are over after a day, settled errands after a month, messages three months after they were
//! read; of appointments the patient two years after the visit, the rest stays. Days are counted as those of calls are.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Result, params};

/// Rows that are erased in one transaction: keeps the write-ahead log small.
const ERASE_AT_ONCE: usize = 200;

/// One thing that is kept for a time.
struct Rule {
    table: &'static str,
    /// Which rows begin to be counted; `?1` is the time.
    over: &'static str,
    kept: SignedDuration,
    /// What is done then with the rows whose condition follows.
    erase: &'static str,
}

const fn days(days: i64) -> SignedDuration {
    SignedDuration::from_hours(24 * days)
}

/// Once anonymous, an appointment has no name, and is not looked at again.
const ANONYMOUS: &str =
    "UPDATE appointments SET name = NULL, name_key = NULL, phone = NULL, email = NULL, sms = 0, born = NULL,
                                arranged_by = NULL, note = '', cancel_reason = NULL";

const RULES: [Rule; 4] = [
    Rule { table: "outbox", over: "state IN ('done', 'dropped')", kept: days(30), erase: "DELETE FROM outbox" },
    Rule { table: "messages", over: "read_at IS NOT NULL", kept: days(90), erase: "DELETE FROM messages" },
    Rule { table: "appointments", over: "state = 'lapsed'", kept: days(1), erase: "DELETE FROM appointments" },
    Rule {
        table: "appointments",
        over: "state IN ('booked', 'cancelled') AND name IS NOT NULL AND ends <= ?1",
        kept: days(730),
        erase: ANONYMOUS,
    },
];

/// Every count is set with the clock: the days that have passed stay passed, and no others.
pub(in crate::store) fn set_by(db: &Connection, millis: i64) -> Result<()> {
    for table in ["outbox", "messages", "appointments"] {
        db.execute(&format!("UPDATE {table} SET kept_since = kept_since + ?1"), [millis])?;
    }
    Ok(())
}

/// Begins to count what is over, and erases what was kept long enough. Returns how many rows were erased.
pub(in crate::store) fn look(db: &Connection, now: Timestamp) -> Result<usize> {
    let mut erased = 0;
    for Rule { table, over, kept, erase } in RULES {
        // A count that lies ahead began by a clock that was wrong.
        let begin =
            format!("UPDATE {table} SET kept_since = ?1 WHERE (kept_since IS NULL OR kept_since > ?1) AND {over}");
        db.execute(&begin, [now.as_millisecond()])?;
        let Ok(oldest) = now.checked_sub(kept) else { continue };
        let sql =
            format!("{erase} WHERE rowid IN (SELECT rowid FROM {table} WHERE kept_since < ?2 AND {over} LIMIT ?3)");
        loop {
            let with = params![now.as_millisecond(), oldest.as_millisecond(), ERASE_AT_ONCE as i64];
            let batch = db.execute(&sql, with)?;
            erased += batch;
            if batch < ERASE_AT_ONCE {
                break;
            }
        }
    }
    Ok(erased)
}
