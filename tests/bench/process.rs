//! What the kernel tells about CPU time, of processes.

use std::collections::HashMap;
use std::fs;
use std::io;

/// CPU time of every thread of a process, in nanoseconds.
///
/// The scheduler's own count: `stat` tells the same in hundredths of a second, too coarse for a single call.
#[derive(Debug, Clone, Default)]
pub(crate) struct CpuTime(HashMap<String, u64>);

impl CpuTime {
    /// Reads it; `process` is a number or `self`.
    pub(crate) fn of(process: &str) -> io::Result<Self> {
        let mut threads = HashMap::new();
        for thread in fs::read_dir(format!("/proc/{process}/task"))? {
            let thread = thread?;
            // A thread may end between the listing and the look at it; it has hardly run then.
            let Ok(text) = fs::read_to_string(thread.path().join("schedstat")) else { continue };
            let ran = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
            threads.insert(thread.file_name().to_string_lossy().into_owned(), ran);
        }
        Ok(Self(threads))
    }

    /// Seconds since `earlier`. What a thread used that ended in between is not in it.
    pub(crate) fn since(&self, earlier: &Self) -> f64 {
        let spent = |(thread, ran): (&String, &u64)| ran - earlier.0.get(thread).copied().unwrap_or(0).min(*ran);
        self.0.iter().map(spent).sum::<u64>() as f64 / 1e9
    }
}
