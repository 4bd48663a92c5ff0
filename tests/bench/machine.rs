//! What the kernel tells about the machine.

use std::{fs, io};

/// Busy and total time of all cores, in ticks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    busy: u64,
    total: u64,
}

impl Machine {
    /// Reads it.
    pub(crate) fn now() -> io::Result<Self> {
        let text = fs::read_to_string("/proc/stat")?;
        let ticks: Vec<u64> = text
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|word| word.parse().ok())
            .collect();
        let total = ticks.iter().sum();
        let idle: u64 = ticks.iter().skip(3).take(2).sum();
        Ok(Self { busy: total - idle, total })
    }

    /// Share of all cores that was in use since `earlier`.
    pub(crate) fn busy_since(self, earlier: Self) -> f64 {
        (self.busy - earlier.busy) as f64 / (self.total - earlier.total).max(1) as f64
    }
}
