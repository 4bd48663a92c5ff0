//! The outbox's rows: what is to be done outside, claimed before it is begun and settled when it has ended.
//!
//! ```text
//! waiting ──claim──► begun ──settle──► done │ dead │ waiting again
//!    ▲                 └──power loss: waiting again, and unsure
//!    └──retry── dead        waiting, dead ──drop──► dropped
//! ```

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use frontdesk_core::booking::appointment::AppointmentId;
use frontdesk_core::booking::book::{Errand, ErrandKind};
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use serde::{Deserialize, Serialize};

use super::super::query::{MAX_LISTED, count, time};
use super::audit::{self, Action, Actor};
use super::rows;
use crate::store::{Store, StoreError};

type Answer<T> = std::result::Result<T, StoreError>;

/// An errand waits no longer than a day for its next attempt: one that is due later than that was put off by a clock that
/// was wrong, and is due now.
const FURTHEST: SignedDuration = SignedDuration::from_hours(25);

/// How many errands of each kind may be begun, in the order of [`ErrandKind::ALL`].
pub type Room = [usize; ErrandKind::ALL.len()];

/// An errand that was begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// Its number.
    pub id: i64,
    /// What makes it happen once: given to whoever can tell a repetition by it.
    pub key: String,
    /// What is to be done.
    pub errand: Errand,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// An earlier attempt was cut off: it may have been done. Whoever carries it out looks first, where that is possible.
    pub unsure: bool,
}

/// What was claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    /// Begun, in order; each must be settled.
    pub due: Vec<Due>,
    /// When the next is due that is not due now.
    pub next: Option<Timestamp>,
}

/// How an attempt ended. Texts are for people and name nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// It is done; a receipt, if there is one.
    Done(String),
    /// It is tried again.
    Again {
        /// When.
        at: Timestamp,
        /// What went wrong.
        why: String,
        /// The attempt may have succeeded all the same.
        unsure: bool,
    },
    /// It is not tried again unless staff ask for it.
    Dead(String),
}

/// An errand that is not done, as people see it: nobody's data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedErrand {
    /// Its number.
    pub id: i64,
    /// What it is.
    pub kind: ErrandKind,
    /// The appointment that it is about.
    pub appointment: Option<String>,
    /// The message that it is about.
    pub message: Option<i64>,
    /// `waiting`, `begun` or `dead`; `done` or `dropped` where an errand is asked for by its number.
    pub state: String,
    /// How often it was begun.
    pub attempts: u32,
    /// When it was wanted.
    pub created_at: Timestamp,
    /// When it is tried next, or was last to be.
    pub due_at: Timestamp,
    /// What came of it last.
    pub note: Option<String>,
}

/// What is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Errands {
    /// Those that should have been done by now, and are tried.
    pub waiting: u64,
    /// Those that were given up.
    pub dead: u64,
    /// How long the oldest of the waiting ones has been wanted, in seconds; 0 if none waits.
    pub oldest_age_s: u64,
    /// The oldest first, at most [`MAX_LISTED`]; those whose time has not come included.
    pub errands: Vec<ListedErrand>,
}

/// What staff can do about an errand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Staff {
    /// Have it tried now.
    Retry,
    /// Give it up for good.
    Drop,
}

/// What is shown of the outbox without asking the database; clones of the store share it.
#[derive(Debug, Default)]
pub(in crate::store) struct Figures {
    waiting: AtomicU64,
    dead: AtomicU64,
    /// Since when the oldest has been wanted, in milliseconds since 1970; 0 if none waits.
    oldest: AtomicI64,
}

/// Open errands, and since when each has been wanted: a reminder not before its time.
const OPEN: &str = "SELECT COUNT(*) FILTER (WHERE state <> 'dead' AND COALESCE(not_before, 0) <= ?1),
                           COUNT(*) FILTER (WHERE state = 'dead'),
                           MIN(MAX(created_at, COALESCE(not_before, 0))) FILTER (WHERE state <> 'dead')
                    FROM outbox WHERE state IN ('waiting', 'begun', 'dead')";

impl Figures {
    /// Counts again. What cannot be counted stays as it was.
    pub(in crate::store) fn read(&self, db: &Connection) {
        if let Ok((waiting, dead, oldest)) = open(db, Timestamp::now()) {
            self.waiting.store(waiting, Ordering::Relaxed);
            self.dead.store(dead, Ordering::Relaxed);
            self.oldest.store(oldest.unwrap_or_default(), Ordering::Relaxed);
        }
    }
}

fn open(db: &Connection, now: Timestamp) -> Result<(u64, u64, Option<i64>)> {
    let read = |row: &Row<'_>| Ok((count(row, 0)?, count(row, 1)?, row.get(2)?));
    db.prepare_cached(OPEN)?.query_row([now.as_millisecond()], read)
}

fn age(oldest: i64, now: Timestamp) -> u64 {
    if oldest == 0 { 0 } else { now.as_millisecond().saturating_sub(oldest).max(0).unsigned_abs() / 1_000 }
}

/// Whom an errand is about, as two columns.
fn about(errand: &Errand) -> (Option<String>, Option<i64>) {
    match errand {
        Errand::Calendar(id) | Errand::Mail(id) | Errand::Sms(id) | Errand::Reminder(id, _) => {
            (Some(id.to_string()), None)
        }
        Errand::Message(id) => (None, Some(*id)),
    }
}

/// Adds an errand, unless its key was used before. Returns whether it was added.
pub(super) fn add(db: &Connection, errand: &Errand, key: &str, now: Timestamp) -> Result<bool> {
    let (appointment, message) = about(errand);
    let not_before = if let Errand::Reminder(_, at) = errand { Some(at.as_millisecond()) } else { None };
    let now = now.as_millisecond();
    let sql = "INSERT INTO outbox (key, kind, appointment, message, state, created_at, not_before, due_at)
               VALUES (?1, ?2, ?3, ?4, 'waiting', ?5, ?6, ?7) ON CONFLICT (key) DO NOTHING";
    let due = not_before.unwrap_or(now).max(now);
    let with = params![key, errand.kind().as_str(), appointment, message, now, not_before, due];
    if db.prepare_cached(sql)?.execute(with)? == 0 {
        return Ok(false);
    }
    db.prepare_cached(&format!("{OVERTAKE} AND appointment = ?1"))?.execute([about(errand).0])?;
    Ok(true)
}

/// Leaves out what waits or is dead and is about the same as a later errand: that one tells the state of now. Which ones
/// are looked at follows.
const OVERTAKE: &str = "
    UPDATE outbox SET state = 'done', note = 'overtaken', settled_at = due_at
    WHERE state IN ('waiting', 'begun', 'dead') AND state <> 'begun' AND EXISTS (
        SELECT 1 FROM outbox later
        WHERE later.appointment = outbox.appointment AND later.kind = outbox.kind AND later.id > outbox.id)";

/// Nobody is reminded of an appointment that was taken back.
pub(super) fn forget_reminder(db: &Connection, of: AppointmentId, now: Timestamp) -> Result<()> {
    let sql = "UPDATE outbox SET state = 'done', note = 'cancelled', settled_at = ?2
               WHERE state IN ('waiting', 'begun', 'dead') AND state <> 'begun' AND kind = 'reminder' AND appointment = ?1";
    db.prepare_cached(sql)?.execute(params![of.to_string(), now.as_millisecond()]).map(drop)
}

/// What was begun when the power went is begun again.
pub(in crate::store) fn recover(db: &Connection) -> Result<()> {
    db.execute("UPDATE outbox SET state = 'waiting', unsure = 1 WHERE state = 'begun'", [])?;
    db.execute(OVERTAKE, [])?;
    // Every conversation of before the start is over, and with it what it held.
    db.execute("UPDATE appointments SET state = 'lapsed' WHERE state = 'held'", []).map(drop)
}

/// The index of open errands is used only where its whole condition is repeated.
const CLAIMABLE: &str = "
    SELECT id, key, kind, appointment, message, not_before, attempts, unsure FROM outbox
    WHERE state IN ('waiting', 'begun', 'dead') AND state = 'waiting' AND kind = ?1
      AND COALESCE(not_before, 0) <= ?2 AND (due_at <= ?2 OR due_at > ?3)
      AND NOT EXISTS (SELECT 1 FROM outbox other WHERE other.state = 'begun' AND other.kind = outbox.kind
                      AND other.appointment = outbox.appointment)
    ORDER BY id LIMIT ?4";

fn claim(db: &Connection, now: Timestamp, room: Room) -> Result<Claimed> {
    let (now, wrong) = (now.as_millisecond(), now.as_millisecond().saturating_add(FURTHEST.as_millis() as i64));
    let mut due: Vec<Due> = Vec::new();
    let mut select = db.prepare_cached(CLAIMABLE)?;
    let begin = "UPDATE outbox SET state = 'begun', attempts = attempts + 1 WHERE id = ?1";
    let mut begin = db.prepare_cached(begin)?;
    for (kind, room) in ErrandKind::ALL.into_iter().zip(room) {
        for found in select.query_map(params![kind.as_str(), now, wrong, room as i64], claimable)? {
            due.push(found?);
        }
    }
    due.sort_by_key(|due| due.id);
    for due in &due {
        begin.execute([due.id])?;
    }
    let next = "SELECT MIN(MAX(due_at, COALESCE(not_before, 0))) FROM outbox
                WHERE state IN ('waiting', 'begun', 'dead') AND state = 'waiting'
                  AND MAX(due_at, COALESCE(not_before, 0)) > ?1";
    let next: Option<i64> = db.prepare_cached(next)?.query_row([now], |row| row.get(0))?;
    Ok(Claimed { due, next: next.and_then(|next| Timestamp::from_millisecond(next).ok()) })
}

fn claimable(row: &Row<'_>) -> Result<Due> {
    let appointment = || -> Result<AppointmentId> {
        rows::id(row.get_ref(3)?.as_str()?).ok_or_else(|| rusqlite::Error::InvalidColumnName("appointment".to_owned()))
    };
    let errand = match kind(row, 2)? {
        ErrandKind::Calendar => Errand::Calendar(appointment()?),
        ErrandKind::Mail => Errand::Mail(appointment()?),
        ErrandKind::Sms => Errand::Sms(appointment()?),
        ErrandKind::Reminder => Errand::Reminder(appointment()?, time(row, 5)?),
        ErrandKind::Message => Errand::Message(row.get(4)?),
    };
    let attempt = row.get::<_, u32>(6)?.saturating_add(1);
    Ok(Due { id: row.get(0)?, key: row.get(1)?, errand, attempt, unsure: row.get(7)? })
}

fn kind(row: &Row<'_>, column: usize) -> Result<ErrandKind> {
    let known = ErrandKind::parse(row.get_ref(column)?.as_str()?);
    known.ok_or_else(|| rusqlite::Error::InvalidColumnName("kind".to_owned()))
}

fn settle(db: &Connection, id: i64, settlement: &Settlement, now: Timestamp) -> Result<()> {
    let (state, due, note, unsure) = match settlement {
        Settlement::Done(note) => ("done", None, note, false),
        Settlement::Again { at, why, unsure } => ("waiting", Some(at.as_millisecond()), why, *unsure),
        Settlement::Dead(why) => ("dead", None, why, false),
    };
    let sql = "UPDATE outbox SET state = ?2, due_at = COALESCE(?3, due_at), note = ?4, unsure = MAX(unsure, ?6),
                      settled_at = CASE WHEN ?2 = 'waiting' THEN NULL ELSE ?5 END
               WHERE id = ?1 AND state = 'begun'";
    let settled = db.prepare_cached(sql)?.execute(params![id, state, due, note, now.as_millisecond(), unsure])?;
    if settled > 0 && state != "waiting" {
        audit::add(db, now, Actor::System, Action::Send, &format!("errand:{id}"), state)?;
    }
    db.prepare_cached(&format!("{OVERTAKE} AND id = ?1"))?.execute([id]).map(drop)
}

/// Reads an errand in every way in which it is read.
pub(super) fn reads(db: &Connection, id: i64) -> Result<()> {
    let due = "SELECT id, key, kind, appointment, message, not_before, attempts, unsure FROM outbox WHERE id = ?1";
    db.prepare_cached(due)?.query_row([id], claimable)?;
    db.prepare_cached(&format!("{LISTED} WHERE id = ?1"))?.query_row([id], listed).map(drop)
}

const LISTED: &str = "SELECT id, kind, appointment, message, state, attempts, created_at, due_at, note FROM outbox";

fn listed(row: &Row<'_>) -> Result<ListedErrand> {
    Ok(ListedErrand {
        id: row.get(0)?,
        kind: kind(row, 1)?,
        appointment: row.get(2)?,
        message: row.get(3)?,
        state: row.get(4)?,
        attempts: row.get(5)?,
        created_at: time(row, 6)?,
        due_at: time(row, 7)?,
        note: row.get(8)?,
    })
}

fn list(db: &Connection, only_dead: bool, now: Timestamp) -> Result<Errands> {
    let (waiting, dead, oldest) = open(db, now)?;
    let which = if only_dead { "AND state = 'dead'" } else { "" };
    let sql = format!("{LISTED} WHERE state IN ('waiting', 'begun', 'dead') {which} ORDER BY id LIMIT ?1");
    let errands = db.prepare_cached(&sql)?.query_map([MAX_LISTED as i64], listed)?.collect::<Result<_>>()?;
    Ok(Errands { waiting, dead, oldest_age_s: age(oldest.unwrap_or_default(), now), errands })
}

fn by_staff(db: &Connection, id: i64, what: Staff, now: Timestamp) -> Result<Option<(ListedErrand, bool)>> {
    let (sql, word) = match what {
        // The attempts begin anew, and with them the patience.
        Staff::Retry => (
            "UPDATE outbox SET state = 'waiting', attempts = 0, due_at = MAX(?2, COALESCE(not_before, 0)),
                               settled_at = NULL
             WHERE id = ?1 AND state IN ('waiting', 'dead')",
            "retry",
        ),
        Staff::Drop => (
            "UPDATE outbox SET state = 'dropped', settled_at = ?2 WHERE id = ?1 AND state IN ('waiting', 'dead')",
            "drop",
        ),
    };
    let changed = db.prepare_cached(sql)?.execute(params![id, now.as_millisecond()])? > 0;
    if changed {
        audit::add(db, now, Actor::Staff, Action::Change, &format!("errand:{id}"), word)?;
    }
    let sql = format!("{LISTED} WHERE id = ?1");
    let found = db.prepare_cached(&sql)?.query_row([id], listed).optional()?;
    Ok(found.map(|errand| (errand, changed)))
}

impl Store {
    /// Begins what is due at `now`, in order, no more of each kind than there is `room` for, and never two of one kind about
    /// one appointment. That they are begun is on the disk when this returns.
    pub async fn claim_errands(&self, now: Timestamp, room: Room) -> Answer<Claimed> {
        self.change("beginning errands", move |db| claim(db, now, room)).await
    }

    /// Keeps how an errand that was begun has ended. It is on the disk when this returns; one that was not begun stays as
    /// it is.
    pub async fn settle_errand(&self, id: i64, settlement: Settlement, now: Timestamp) -> Answer<()> {
        self.change("keeping what came of an errand", move |db| settle(db, id, &settlement, now)).await
    }

    /// What is not done.
    pub async fn errands(&self, now: Timestamp) -> Answer<Errands> {
        self.ask("listing errands", move |db| list(db, false, now)).await
    }

    /// What is not done, of which only those errands are listed that were given up.
    pub async fn dead_errands(&self, now: Timestamp) -> Answer<Errands> {
        self.ask("listing errands that were given up", move |db| list(db, true, now)).await
    }

    /// Does with an errand what staff want; the errand as it is then, and whether that was possible: only while it waits or
    /// is dead. `None` if there is none of that number.
    pub async fn errand_by_staff(&self, id: i64, what: Staff, now: Timestamp) -> Answer<Option<(ListedErrand, bool)>> {
        let done = self.change("doing what staff want with an errand", move |db| by_staff(db, id, what, now)).await?;
        if what == Staff::Retry && done.as_ref().is_some_and(|(_, changed)| *changed) {
            self.shared.errands.notify_one();
        }
        Ok(done)
    }

    /// Errands that should be done by now, as of the last change to the outbox.
    pub fn errands_waiting(&self) -> u64 {
        self.shared.outbox.waiting.load(Ordering::Relaxed)
    }

    /// Errands that were given up.
    pub fn errands_dead(&self) -> u64 {
        self.shared.outbox.dead.load(Ordering::Relaxed)
    }

    /// For how many seconds the oldest waiting errand has been wanted at `now`; 0 if none waits.
    pub fn oldest_errand_age(&self, now: Timestamp) -> u64 {
        age(self.shared.outbox.oldest.load(Ordering::Relaxed), now)
    }
}
