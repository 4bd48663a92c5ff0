//! A place before all programs, for what plays the hardware: a speakerphone does not wait for a processor.
//!
//! Asked for with `chrt`, which root may do; refused, the room is only as punctual as the machine is idle.

use std::fs;
use std::process::{Command, Stdio};

/// Above the audio threads of the programs that the speakerphone serves.
const PRIORITY: &str = "25";

/// For the calling thread.
pub(crate) fn of_this_thread() {
    if let Some(thread) = fs::read_link("/proc/thread-self").ok().as_deref().and_then(|link| link.file_name()) {
        ask(&["--fifo", "--pid", PRIORITY, &thread.to_string_lossy()]);
    }
}

/// For all threads that a process has by now.
pub(crate) fn of_process(pid: u32) {
    ask(&["--all-tasks", "--fifo", "--pid", PRIORITY, &pid.to_string()]);
}

fn ask(arguments: &[&str]) {
    // Not allowed, or not installed: see above.
    let _ = Command::new("chrt").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
}
