//! What the kernel tells about memory.

use std::{fs, io};

/// Resident memory in KiB.
pub(crate) fn rss_kib(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()).and_then(|word| word.parse().ok());
    kib.ok_or_else(|| io::Error::other(format!("process {pid} tells no resident memory")))
}
