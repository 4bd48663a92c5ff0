//! CPU time of a process by the names of its threads.

use std::collections::BTreeMap;
use std::{fs, io};

/// Of all threads of one name: nanoseconds on a core, and how often they have slept.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) nanos: u64,
    pub(super) sleeps: u64,
}

/// A process's threads at one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Threads(BTreeMap<String, Spent>);

impl Threads {
    pub(super) fn of(pid: u32) -> io::Result<Self> {
        let mut threads = Self::default();
        for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = thread?.path();
            let read = |file| fs::read_to_string(path.join(file));
            // A thread may end between the listing and the look at it.
            let (Ok(name), Ok(ran), Ok(status)) = (read("comm"), read("schedstat"), read("status")) else { continue };
            let sleeps = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
            let spent = threads.0.entry(name.trim().to_owned()).or_default();
            spent.nanos += ran.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
            spent.sleeps += sleeps.and_then(|word| word.trim().parse().ok()).unwrap_or(0);
        }
        Ok(threads)
    }

    /// What threads of this name have spent since `earlier`; `None` of a name that there is not.
    pub(super) fn since(&self, earlier: &Self, name: &str) -> Option<Spent> {
        let (now, then) = (self.0.get(name)?, earlier.0.get(name).copied().unwrap_or_default());
        Some(Spent { nanos: now.nanos.saturating_sub(then.nanos), sleeps: now.sleeps.saturating_sub(then.sleeps) })
    }

    /// The same of all threads.
    pub(super) fn all_since(&self, earlier: &Self) -> Spent {
        self.0.keys().filter_map(|name| self.since(earlier, name)).fold(Spent::default(), |sum, spent| Spent {
            nanos: sum.nanos + spent.nanos,
            sleeps: sum.sleeps + spent.sleeps,
        })
    }

    /// All that there are, with their share of a core since `earlier`, in per cent.
    pub(super) fn shares(&self, earlier: &Self, seconds: f64) -> String {
        let share = |name: &String| {
            let nanos = self.since(earlier, name).map_or(0, |spent| spent.nanos);
            format!("{name} {:.2}", nanos as f64 / seconds / 1e7)
        };
        self.0.keys().map(share).collect::<Vec<_>>().join(", ")
    }
}
