//! The bounded queue between whoever logs and the thread that writes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use log::{Level, Log, Record};

use super::entry::Entry;
use super::event::Event;

/// Records that may wait: some seconds of five hundred calls that all fail at once.
const QUEUE: usize = 2048;
/// How long a flush waits for a sink that blocks.
const FLUSH: Duration = Duration::from_secs(2);

enum Command {
    /// Boxed, so that an empty queue is small.
    Write(Box<Entry>),
    /// Tell when everything before is written.
    Flush(SyncSender<()>),
}

/// The sending end. Sending never blocks.
pub(super) struct Queue {
    to_thread: SyncSender<Command>,
    dropped: Arc<AtomicU64>,
}

impl Queue {
    /// Starts the thread, which writes to `sink` for as long as the queue lives.
    pub(super) fn start(sink: Box<dyn Log>) -> std::io::Result<Self> {
        let (to_thread, commands) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&dropped);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || run(&commands, sink.as_ref(), &counted))?;
        Ok(Self { to_thread, dropped })
    }

    /// Hands a record over; drops and counts it if the queue is full.
    pub(super) fn send(&self, record: &Record<'_>) {
        if self.to_thread.try_send(Command::Write(Box::new(Entry::copy(record)))).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Waits until everything that was sent before is written, but not for ever.
    pub(super) fn flush(&self) {
        let deadline = Instant::now() + FLUSH;
        let (written, wait) = sync_channel(1);
        let mut flush = Command::Flush(written);
        while let Err(TrySendError::Full(back)) = self.to_thread.try_send(flush) {
            if Instant::now() >= deadline {
                return;
            }
            flush = back;
            std::thread::sleep(Duration::from_millis(5));
        }
        // Late, or never because the thread has ended: either way there is nothing more to do.
        let _ = wait.recv_timeout(deadline.saturating_duration_since(Instant::now()));
    }
}

fn run(commands: &Receiver<Command>, sink: &dyn Log, dropped: &AtomicU64) {
    while let Ok(command) = commands.recv() {
        match command {
            Command::Write(entry) => entry.write_to(sink),
            Command::Flush(written) => {
                sink.flush();
                // Who waited may have given up.
                let _ = written.try_send(());
            }
        }
        // Records are dropped while others wait here, so this is reached after every loss.
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let message = format!("{lost} log records were dropped: the log's reader did not keep up");
            Entry::own(Level::Warn, Event::LogLost, message).write_to(sink);
        }
    }
}
