//! What goes on while something takes longer than a second: one line on the terminal, which is gone afterwards.

use std::io::{IsTerminal as _, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// What takes no longer is not worth a line.
const AFTER: Duration = Duration::from_millis(700);
const FRAME: Duration = Duration::from_millis(120);
const WHEEL: [char; 4] = ['|', '/', '-', '\\'];
const CLEAR: &str = "\r\x1b[K";
/// A terminal has 80 columns; a longer line would not be taken back whole.
const WIDTH: usize = 78;

/// Shows on standard error what goes on, if that is a terminal, until it is dropped.
pub(super) struct Progress {
    shown: Option<(Sender<String>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to show `what`.
    pub(super) fn start(what: &str) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { shown: None };
        }
        let (send, receive) = mpsc::channel();
        let what = what.to_owned();
        let draw = move || {
            let (began, mut text, mut drawn, mut n) = (Instant::now(), what, false, 0_usize);
            loop {
                match receive.recv_timeout(FRAME) {
                    Ok(next) => text = next,
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                if began.elapsed() >= AFTER {
                    drawn = true;
                    n += 1;
                    put(&format!("{CLEAR}{}", line(&text, n, began.elapsed())));
                }
            }
            if drawn {
                put(CLEAR);
            }
        };
        // Without a thread nothing is shown, and everything else goes on.
        let thread = std::thread::Builder::new().name("progress".to_owned()).spawn(draw).ok();
        Self { shown: thread.map(|thread| (send, thread)) }
    }

    /// Says what goes on now.
    pub(super) fn step(&self, what: &str) {
        if let Some((send, _)) = &self.shown {
            // The thread ends only after this.
            let _ = send.send(what.to_owned());
        }
    }

    /// Says how far it is, with a bar.
    pub(super) fn at(&self, done: usize, of: usize, what: &str) {
        if self.shown.is_some() {
            self.step(&format!("{} {done}/{of} {what}", bar(done, of)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((send, thread)) = self.shown.take() {
            drop(send);
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn put(text: &str) {
    let mut screen = std::io::stderr();
    // A terminal that has gone shows nothing.
    let _ = screen.write_all(text.as_bytes()).and_then(|()| screen.flush());
}

fn line(text: &str, n: usize, elapsed: Duration) -> String {
    let line = format!("{} {text} ({} s)", WHEEL[n % WHEEL.len()], elapsed.as_secs());
    line.chars().take(WIDTH).collect()
}

fn bar(done: usize, of: usize) -> String {
    const CELLS: usize = 20;
    let full = (done * CELLS).checked_div(of).unwrap_or(CELLS).min(CELLS);
    format!("[{}{}]", "#".repeat(full), ".".repeat(CELLS - full))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_full_at_the_end() {
        assert_eq!(bar(0, 4), "[....................]");
        assert_eq!(bar(1, 4), "[#####...............]");
        assert_eq!(bar(4, 4), "[####################]");
        assert_eq!(bar(0, 0), "[####################]");
    }

    #[test]
    fn a_line_fits_into_a_terminal() {
        assert_eq!(line("dns", 1, Duration::from_secs(2)), "/ dns (2 s)");
        assert_eq!(line(&"x".repeat(200), 0, Duration::ZERO).len(), WIDTH);
    }
}
