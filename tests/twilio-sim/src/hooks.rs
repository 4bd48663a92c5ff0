//! Callbacks for benches: called on the calls' own tasks, so they must return at once.

use std::{fmt, sync::Arc, time::Instant};

type OnSent = dyn Fn(usize, u64, Instant) + Send + Sync;
type OnMedia = dyn Fn(usize, &[u8], Instant) + Send + Sync;
type OnClear = dyn Fn(usize, Instant) + Send + Sync;

/// Who is told about every frame. The first argument is always the call's index.
#[derive(Clone, Default)]
pub struct Hooks {
    /// A frame of the caller was handed to the socket: its number in the stream, from 0.
    pub on_sent: Option<Arc<OnSent>>,
    /// A media message arrived: its mu-law bytes.
    pub on_media: Option<Arc<OnMedia>>,
    /// A `clear` arrived.
    pub on_clear: Option<Arc<OnClear>>,
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}

impl Hooks {
    pub(crate) fn sent(&self, call: usize, frame: u64) {
        if let Some(hook) = &self.on_sent {
            hook(call, frame, Instant::now());
        }
    }

    pub(crate) fn media(&self, call: usize, audio: &[u8]) {
        if let Some(hook) = &self.on_media {
            hook(call, audio, Instant::now());
        }
    }

    pub(crate) fn clear(&self, call: usize) {
        if let Some(hook) = &self.on_clear {
            hook(call, Instant::now());
        }
    }
}
