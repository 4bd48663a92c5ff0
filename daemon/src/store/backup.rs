//! A copy of the store every night, in the folder `backups` beside it: what cannot be read of a damaged store is taken from
//! the newest.
//!
//! A copy is made by a connection of its own, which reads the store as it is at one instant while others go on writing;
//! it is whole before it is given its name. What is erased from the store stays in the copies until the last of them is
//! gone.

use std::cmp::Reverse;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tokio_util::sync::CancellationToken;

use super::Store;
use super::damage::{Damage, Limit, quick_check};
use super::identity::Identity;
use super::lock::{APPLICATION_ID, private};
use super::salvage::gone;
use crate::config::StoreConfig;
use crate::logging::{Event, chain};

/// After the start: calls come first.
const FIRST_AFTER: Duration = Duration::from_mins(10);
/// How often is looked whether it is time for one.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// The hours of the clinic's day in which a copy is made: the disk is busy for as long as it takes.
const NIGHT: Range<i8> = 2..5;
/// Whoever switches the box off at night has a copy made when the newest is older than this.
const OLD: SignedDuration = SignedDuration::from_hours(36);
/// All copies together take no more, but for the newest two.
const MOST_BYTES: u64 = 1 << 30;
/// A copy is made only where so many times the store's size is free: the store itself needs room.
const ROOM: u64 = 3;

/// Why there is no copy of today.
#[derive(Debug, thiserror::Error)]
enum BackupError {
    #[error("the folder {folder} cannot be used: it must belong to the daemon's user", folder = .folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the disk has {free} MB left, and a copy is made only with {needed}: make room, or lower [store] backups")]
    NoRoom { free: u64, needed: u64 },
    #[error("the store cannot be copied")]
    Sqlite(#[from] rusqlite::Error),
    #[error("copying it broke off")]
    Broken,
}

/// Makes a copy of the store every night of `zone` and keeps the newest `keep`, until `stop`, which cuts a copy short. With 0
/// it makes none. What goes wrong is logged, and tried again an hour later in the same night, or once the newest is older
/// than 36 hours; that the file is damaged is told to `store`.
pub async fn run(store: Store, config: StoreConfig, keep: usize, zone: TimeZone, stop: CancellationToken) {
    if keep == 0 {
        return stop.cancelled().await;
    }
    let mut wait = FIRST_AFTER;
    while stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_some() {
        wait = LOOK_EVERY;
        look(&store.shared.damage, &config.path, keep, &Timestamp::now().to_zoned(zone.clone()), &stop).await;
    }
}

/// Makes a copy if it is time for one.
async fn look(damage: &Damage, path: &Path, keep: usize, now: &Zoned, stop: &CancellationToken) {
    if !is_time(now, age_of_newest(path, now.timestamp())) {
        return;
    }
    match day(path, keep, now.date(), stop).await {
        Ok(Some(copy)) => log::info!("the store was copied to {}", copy.display()),
        Ok(None) => {}
        Err(_) if stop.is_cancelled() => {}
        Err(error) => {
            if let BackupError::Sqlite(found) = &error {
                damage.look(found);
            }
            log::error!(event:% = Event::BackupFailed; "there is no copy of the store of today: {}", chain(&error));
        }
    }
}

/// Whether a copy may be made now: while nobody calls, or at any hour if that was missed.
fn is_time(now: &Zoned, age_of_newest: Option<SignedDuration>) -> bool {
    NIGHT.contains(&now.hour()) || age_of_newest.is_none_or(|age| age > OLD)
}

/// How far from `now` the nearest copy was made. One that was made ahead of it was so by a clock that was wrong.
fn age_of_newest(path: &Path, now: Timestamp) -> Option<SignedDuration> {
    let made = |copy: PathBuf| Timestamp::try_from(fs::metadata(copy).ok()?.modified().ok()?).ok();
    copies(path).ok()?.into_iter().filter_map(made).map(|made| now.duration_since(made).abs()).min()
}

/// Makes the copy of that day; nothing if there is one.
async fn day(path: &Path, keep: usize, today: Date, stop: &CancellationToken) -> Result<Option<PathBuf>, BackupError> {
    let copy = folder(path).join(format!("{}{today}.db", prefix(path)));
    if copy.exists() {
        return Ok(None);
    }
    let (path, to) = (path.to_owned(), copy.clone());
    let from = Connection::open_with_flags(&path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let interrupt = from.get_interrupt_handle();
    let mut copying = tokio::task::spawn_blocking(move || {
        make(&from, &path, &to)?;
        prune(&path, keep).map_err(|source| BackupError::Folder { folder: folder(&path), source })
    });
    let done = tokio::select! {
        done = &mut copying => done,
        () = stop.cancelled() => {
            interrupt.interrupt();
            copying.await
        }
    };
    done.map_err(|_| BackupError::Broken)??;
    Ok(Some(copy))
}

fn make(from: &Connection, path: &Path, to: &Path) -> Result<(), BackupError> {
    let folder = folder(path);
    let failed = |source| BackupError::Folder { folder: folder.clone(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(failed)?;
    remove_parts(path).map_err(failed)?;
    has_room(path, &folder)?;
    let part = to.with_added_extension("part");
    private(&part).map_err(failed)?;
    let copied = from.execute("VACUUM INTO ?1", [part.to_string_lossy()]).map_err(BackupError::from);
    let named = || {
        File::open(&part)?.sync_all()?;
        fs::rename(&part, to)?;
        File::open(&folder)?.sync_all()
    };
    let made = copied.and_then(|_| named().map_err(failed));
    if made.is_err() {
        // What is left of it is removed before the next otherwise.
        let _ = fs::remove_file(&part);
    }
    made
}

/// Removes what is left of copies that were cut short.
fn remove_parts(path: &Path) -> io::Result<()> {
    let prefix = prefix(path);
    for entry in fs::read_dir(folder(path))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let day = name.strip_prefix(&prefix).and_then(|rest| rest.split_once(".db.part"));
        if day.is_some_and(|(day, _)| day.parse::<Date>().is_ok()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn has_room(path: &Path, folder: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::Folder { folder: folder.to_owned(), source };
    let disk = rustix::fs::statvfs(folder).map_err(|error| failed(error.into()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let needed = fs::metadata(path).map_err(failed)?.len().saturating_mul(ROOM);
    let megabytes = |bytes: u64| bytes / 1_000_000;
    if free < needed {
        return Err(BackupError::NoRoom { free: megabytes(free), needed: megabytes(needed) });
    }
    Ok(())
}

/// Removes the oldest beyond `keep`, and those for which there is no room. Names are in the order of their days. Where the
/// store was begun anew because its file was gone, all stay until somebody has looked.
fn prune(path: &Path, keep: usize) -> io::Result<()> {
    if gone::path_of_note(path).exists() {
        return Ok(());
    }
    let mut bytes = 0;
    for (newer, copy) in copies(path)?.into_iter().enumerate() {
        bytes += fs::metadata(&copy)?.len();
        if newer >= keep || newer >= 2 && bytes > MOST_BYTES {
            fs::remove_file(copy)?;
        }
    }
    Ok(())
}

/// The copies of a store, the newest name first.
pub(super) fn copies(path: &Path) -> io::Result<Vec<PathBuf>> {
    let prefix = prefix(path);
    let mut copies = Vec::new();
    for entry in fs::read_dir(folder(path))? {
        let entry = entry?.path();
        let name = entry.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let day = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".db"));
        if day.is_some_and(|day| day.parse::<Date>().is_ok()) {
            copies.push(entry);
        }
    }
    copies.sort_unstable_by(|one, other| other.cmp(one));
    Ok(copies)
}

/// The copy that knows most and is whole, if any can be read: of a schema no later than `known`, and of
/// the store of that name, or of any if it is not known. Not the one of the latest day: the clock may have been wrong. Whether one is whole is looked at for a third of the time until `until`; then it is
/// taken as it is, for each row is looked at when it is read.
pub(super) fn newest(path: &Path, known: i64, name: Option<&Identity>, until: Instant) -> Option<PathBuf> {
    let looking_until = Instant::now() + until.saturating_duration_since(Instant::now()) / 3;
    let mut read: Vec<(i64, PathBuf)> = copies(path)
        .ok()?
        .into_iter()
        .filter_map(|copy| Some((changes(&copy, known, name, until).ok()??, copy)))
        .collect();
    read.sort_by_key(|(changes, _)| Reverse(*changes));
    read.into_iter().map(|(_, copy)| copy).find(|copy| is_whole(copy, looking_until))
}

/// How many changes the book of a copy has seen; nothing if it is not of this store.
fn changes(copy: &Path, known: i64, name: Option<&Identity>, until: Instant) -> rusqlite::Result<Option<i64>> {
    let (_limit, db) = open_copy(copy, until)?;
    let number = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0));
    if number("PRAGMA application_id")? != APPLICATION_ID || number("PRAGMA user_version")? > known {
        return Ok(None);
    }
    if name.is_some() && Identity::of(&db).as_ref() != name {
        return Ok(None);
    }
    number("SELECT COALESCE(MAX(id), 0) FROM audit").map(Some)
}

/// Whether nothing is found amiss until then.
fn is_whole(copy: &Path, until: Instant) -> bool {
    match open_copy(copy, until).and_then(|(_limit, db)| quick_check(&db, "1")) {
        Ok(()) => true,
        Err(error) => error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted),
    }
}

fn open_copy(copy: &Path, until: Instant) -> rusqlite::Result<(Limit, Connection)> {
    let db = Connection::open_with_flags(copy, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    Ok((Limit::new(&db, until), db))
}

pub(super) fn folder(path: &Path) -> PathBuf {
    path.with_file_name("backups")
}

fn prefix(path: &Path) -> String {
    format!("{}-", path.file_stem().unwrap_or_default().to_string_lossy())
}

#[cfg(test)]
pub(super) async fn make_one(path: &Path, keep: usize, day_of: Date) -> Option<PathBuf> {
    day(path, keep, day_of, &CancellationToken::new()).await.expect("a copy is made")
}

/// Makes one if it is time. Returns whether damage was found.
#[cfg(test)]
pub(super) async fn look_at(store: &Store, path: &Path, now: &Zoned) -> bool {
    look(&store.shared.damage, path, 7, now, &CancellationToken::new()).await;
    store.is_damaged()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_made_at_night_or_when_the_newest_is_old() {
        let hours = SignedDuration::from_hours;
        let now = |time: &str| format!("2026-11-27T{time}[Pacific/Auckland]").parse::<Zoned>().unwrap();
        assert!(is_time(&now("14:00"), None), "a new store has one soon");
        assert!(!is_time(&now("14:00"), Some(hours(30))), "callers come first; midnight in London is their morning");
        assert!(is_time(&now("14:00"), Some(hours(37))), "the box is off at night");
        let night = ["01:59", "02:00", "04:59", "05:00"].map(|time| is_time(&now(time), Some(hours(24))));
        assert_eq!(night, [false, true, true, false]);
    }
}
