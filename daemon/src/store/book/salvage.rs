//! What the book needs once it was carried over from a damaged file: rows that can be read, and nothing done twice.

use frontdesk_core::booking::appointment::{Span, State};
use frontdesk_core::booking::book::BookError;
use frontdesk_core::clerk::remind;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, Result};

use super::super::query::time;
use super::audit::{self, Action, Actor};
use super::{OpenBook, errands, rows};

/// As far ahead as anything can be booked.
const AHEAD: SignedDuration = SignedDuration::from_hours(24 * 366);
/// So far may a clock be astray whose times are believed.
const ASTRAY: SignedDuration = SignedDuration::from_hours(24);
/// More than a clinic has.
const MOST: usize = 100_000;

/// Reads the appointment in the row of that number as the daemon does.
pub(in crate::store) fn reads_appointment(db: &Connection, row: i64) -> Result<()> {
    rows::in_row(db, row)
}

/// Reads the errand of that number as the daemon does.
pub(in crate::store) fn reads_errand(db: &Connection, id: i64) -> Result<()> {
    errands::reads(db, id)
}

/// Has nothing carried out that may have been done: what the file says of it may be older than what was done. A reminder
/// whose time has not come cannot have been sent. Looking into an outside calendar harms nobody, and staff rather find a
/// message twice than never. `latest` is the [`latest`] time.
pub(in crate::store) fn give_up_what_may_be_done(db: &Connection, latest: Timestamp) -> Result<()> {
    let now = latest.as_millisecond();
    let given_up = "
        UPDATE outbox SET state = 'dead', settled_at = ?1, note = 'the store was damaged, and this may have been done: \
        look whether it was, then retry or drop it'
        WHERE state IN ('waiting', 'begun') AND (kind IN ('mail', 'sms')
              OR (kind = 'reminder' AND (state = 'begun' OR attempts > 0 OR COALESCE(not_before, 0) <= ?1)))";
    db.execute(given_up, [now])?;
    let unsure = "UPDATE outbox SET state = 'waiting', unsure = 1
                  WHERE state IN ('waiting', 'begun') AND kind IN ('calendar', 'message')";
    db.execute(unsure, []).map(drop)
}

/// The latest time that the file speaks of, if that is later than `now`: a box without a battery for its clock starts in
/// the past, where everything would be still to come. If the clock goes on from what was written last, it is right, and
/// a time far ahead of it was written by one that was wrong: no more than a day is believed of it.
pub(in crate::store) fn latest(db: &Connection, now: Timestamp) -> Result<Timestamp> {
    let told =
        "SELECT MAX(COALESCE((SELECT MAX(at) FROM audit), 0), COALESCE((SELECT MAX(settled_at) FROM outbox), 0))";
    let last = "SELECT MAX(COALESCE((SELECT at FROM audit ORDER BY id DESC LIMIT 1), 0),
                           COALESCE((SELECT started_at FROM calls ORDER BY id DESC LIMIT 1), 0))";
    let read = |sql: &str| db.query_row(sql, [], |row| time(row, 0));
    let (told, tomorrow) = (read(told)?, now.saturating_add(ASTRAY).unwrap_or(Timestamp::MAX));
    if told > tomorrow && read(last)? <= now {
        log::warn!(
            "the store speaks of {told}, which lies ahead: its clock was wrong then, and it is taken for {tomorrow}"
        );
        return Ok(tomorrow);
    }
    Ok(told.max(now))
}

/// Notes in the audit that the file is a new one. Where rows of it are missing shows by its hashes.
pub(in crate::store) fn note_salvage(db: &Connection, now: Timestamp) -> Result<()> {
    audit::add(db, now, Actor::System, Action::Change, "store", "salvaged")
}

/// Reminders that were lost are wanted again, if their time has not come by `from`, the [`latest`] time; those that are
/// there are left as they are.
pub(in crate::store) fn remind_again(
    db: &mut Connection,
    now: Timestamp,
    from: Timestamp,
) -> std::result::Result<(), BookError> {
    let span = Span { from, to: from.saturating_add(AHEAD).unwrap_or(Timestamp::MAX) };
    let appointments = rows::within(db, span, from, MOST).map_err(super::failed)?;
    let mut book = OpenBook::open(db, now)?;
    for appointment in appointments.iter().filter(|appointment| appointment.state == State::Booked) {
        remind(appointment, from, &mut book)?;
    }
    book.close().map(drop)
}
