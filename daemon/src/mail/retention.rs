//! When letters that are kept as files are erased: by a clock that can be believed.
//!
//! A box without a battery for its clock starts in the past and is set right once the network is there; it may also be set
//! wrong for a while. So the first look comes an hour after the start, a look erases only if the civil clock has run evenly
//! with the monotonic one since the look before it, and when the clock is set, letters that were written by it are dated
//! anew.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use jiff::SignedDuration;
use log::{info, warn};
use tokio_util::sync::CancellationToken;

use super::folder::Folder;
use crate::clock::Clock;

/// How often is looked, and for how long a clock must have run evenly before anything is judged by it.
const LOOK_EVERY: Duration = Duration::from_hours(1);
/// Days are kept, so less than this does not matter.
const EVEN: SignedDuration = SignedDuration::from_hours(1);

/// Counts the days for which letters are kept in a folder.
#[derive(Debug)]
pub struct Retention {
    folder: Folder,
    keep: Duration,
    started: Clock,
    last: Clock,
}

impl Retention {
    /// Letters in the folder at `path` are kept for `keep_days`; nothing if that is for ever. `now` is the daemon's start.
    pub fn of(path: &Path, keep_days: u32, now: Clock) -> Option<Self> {
        let keep = Duration::from_hours(24 * u64::from(keep_days));
        (keep_days > 0).then(|| Self { folder: Folder::at(path), keep, started: now, last: now })
    }

    /// Erases what was kept long enough; nothing if the clock was set since the last look. Returns how many letters that
    /// were. Blocks on the file system.
    pub fn look(&mut self, now: Clock) -> std::io::Result<usize> {
        let set_by = self.last.set_by(&now);
        // By the clock as it was before it was set.
        let (started, until) = (self.started.civil(self.started.instant()), self.last.civil(now.instant()));
        self.last = now;
        if set_by.abs() >= EVEN {
            info!("the clock was set by {set_by:#}; old letters are looked for when it has run evenly for an hour");
            self.started = now;
            self.folder.date_anew(started.into(), until.into(), set_by)?;
            return Ok(0);
        }
        let now: SystemTime = now.civil(now.instant()).into();
        now.checked_sub(self.keep).map_or(Ok(0), |oldest| self.folder.erase_before(oldest))
    }
}

/// Looks once an hour until `stop`. What cannot be erased is logged and tried again.
pub async fn run(mut retention: Retention, stop: CancellationToken) {
    let first = tokio::time::Instant::from_std(Instant::now() + LOOK_EVERY);
    let mut ticks = tokio::time::interval_at(first, LOOK_EVERY);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let looked = tokio::task::spawn_blocking(move || {
            let erased = retention.look(Clock::read());
            (retention, erased)
        });
        let Ok((kept, erased)) = looked.await else { return };
        retention = kept;
        match erased {
            Ok(0) => {}
            Ok(letters) => info!(letters; "old letters were erased from [mail] outbox_dir"),
            Err(error) => warn!("old letters cannot be erased from [mail] outbox_dir: {error}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::PathBuf;

    use jiff::Timestamp;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);
    const HOUR: Duration = Duration::from_hours(1);

    struct Desk {
        home: tempfile::TempDir,
        /// The daemon's start, by a clock that is right.
        began: Clock,
    }

    impl Desk {
        fn new() -> Self {
            let began = Clock::at(Instant::now(), "2026-11-20T09:00:00Z".parse().unwrap());
            Self { home: tempfile::tempdir().unwrap(), began }
        }

        fn retention(&self, keep_days: u32) -> Retention {
            Retention::of(self.home.path(), keep_days, self.began).unwrap()
        }

        /// What the clocks show `hours` after the start, the civil one set ahead by `set`.
        fn after(&self, hours: u32, set: Duration) -> Clock {
            let instant = self.began.instant() + HOUR * hours;
            Clock::at(instant, self.began.civil(instant) + set)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.home.path().join("new").join(name)
        }

        /// A letter that was kept at `written`.
        async fn keep(&self, key: &str, written: Timestamp) -> PathBuf {
            let letter = b"From: x\r\nX-Frontdesk-Letter: 7.confirmation.0@clinic.example\r\n\r\nHello".to_vec();
            Folder::at(self.home.path()).keep(key, letter).await;
            let path = self.path(&format!("{key}.eml"));
            date(&path, written);
            path
        }
    }

    fn date(path: &Path, written: Timestamp) {
        File::options().write(true).open(path).unwrap().set_modified(written.into()).unwrap();
    }

    #[tokio::test]
    async fn a_letter_is_kept_for_its_days_and_no_longer() {
        let desk = Desk::new();
        let now = desk.after(1, Duration::ZERO);
        let civil = now.civil(now.instant());
        let old = desk.keep("old", civil - 30 * DAY - HOUR).await;
        let young = desk.keep("young", civil - 30 * DAY + HOUR).await;
        let ahead = desk.keep("ahead", civil + DAY).await;
        assert_eq!(desk.retention(30).look(now).unwrap(), 1);
        assert_eq!([old.exists(), young.exists(), ahead.exists()], [false, true, true]);
        assert_eq!(desk.retention(1).look(now).unwrap(), 1);
        assert!(Retention::of(desk.home.path(), 0, desk.began).is_none(), "for ever");
    }

    #[tokio::test]
    async fn what_is_not_ours_is_not_touched() {
        let desk = Desk::new();
        let now = desk.after(1, Duration::ZERO);
        let long_ago = now.civil(now.instant()) - 300 * DAY;
        let ours = desk.keep("mail", long_ago).await;
        let letter = std::fs::read(&ours).unwrap();
        let quoted = b"From: x\r\n\r\n> X-Frontdesk-Letter: 7\r\nX-Frontdesk-Letter: 7";
        let foreign: [(&str, &[u8]); 5] = [
            ("somebodys.eml", b"From: x\r\nTo: y\r\n\r\nHello"),
            ("about.eml", quoted),
            ("a copy.eml", &letter),
            ("mail.txt", &letter),
            ("empty.eml", b""),
        ];
        for (name, content) in foreign {
            std::fs::write(desk.path(name), content).unwrap();
            date(&desk.path(name), long_ago);
        }
        std::fs::create_dir(desk.path("folder.eml")).unwrap();
        let elsewhere = desk.home.path().join("elsewhere.eml");
        std::fs::write(&elsewhere, &letter).unwrap();
        date(&elsewhere, long_ago);
        std::os::unix::fs::symlink(&elsewhere, desk.path("link.eml")).unwrap();
        assert_eq!(desk.retention(30).look(now).unwrap(), 1);
        assert!(!ours.exists() && elsewhere.exists());
        assert_eq!(std::fs::read_dir(desk.home.path().join("new")).unwrap().count(), 7);
    }

    #[tokio::test]
    async fn a_clock_that_is_set_right_makes_no_letter_old() {
        let desk = Desk::new();
        let mut retention = desk.retention(30);
        // The clock lags by a year, which nobody knows yet.
        let (lag, written) = (365 * DAY, desk.after(1, Duration::ZERO));
        let by_that_clock = desk.keep("today", written.civil(written.instant())).await;
        let before = desk.keep("before", desk.began.civil(desk.began.instant()) - DAY).await;
        assert_eq!(retention.look(desk.after(2, lag)).unwrap(), 0, "nothing is judged by a clock that was just set");
        assert_eq!(retention.look(desk.after(3, lag)).unwrap(), 1);
        assert_eq!([by_that_clock.exists(), before.exists()], [true, false], "one was written today");
        assert_eq!(retention.look(desk.after(24 * 29, lag)).unwrap(), 0);
        assert_eq!(retention.look(desk.after(24 * 31, lag)).unwrap(), 1, "after its days it goes too");
    }

    #[test]
    fn without_a_folder_there_is_nothing_to_erase() {
        let desk = Desk::new();
        assert_eq!(desk.retention(30).look(desk.after(1, Duration::ZERO)).unwrap(), 0);
    }
}
