//! What the keeper tells the network side, through a bounded channel and a bell.
//!
//! Full channel: what happened in the real-time thread is dropped (it is counted in the figures); the state is kept here
//! and sent as soon as there is room, the newest only. So whoever reads late reads the truth, if not the whole history.

use crate::bell::Bell;
use crate::device::Usb;
use crate::knobs::EchoMode;
use crate::pcm::negotiate::Setting;
use crate::rt::ladder::End;
use crate::rt::priority::Priority;
use crate::rt::trace::RtEvent;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// News that may wait to be read.
const WAITING: usize = 64;

/// One piece of news.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// A device is open and sound flows.
    Attached(Box<Attached>),
    /// It is no more.
    Detached {
        /// Why.
        why: End,
    },
    /// Something is wrong that a person can do something about. Told when it begins and when it changes, not with each
    /// try.
    Trouble(Trouble),
    /// Something happened in the real-time thread.
    Event(RtEvent),
}

/// An open device.
#[derive(Debug, Clone, PartialEq)]
pub struct Attached {
    /// What people call it.
    pub name: String,
    /// How the microphone was opened.
    pub capture: Setting,
    /// How the loudspeaker was opened.
    pub playout: Setting,
    /// Who keeps the echo away.
    pub echo: EchoMode,
    /// Whether the real-time thread got its place; `None` when it has not said so in time.
    pub priority: Option<Priority>,
    /// What it is on USB: where its buttons and lamps are found.
    pub usb: Option<Usb>,
}

impl std::fmt::Display for Attached {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}: {}; {}; echo {}; ", self.name, self.capture, self.playout, self.echo.word())?;
        match self.priority {
            Some(priority) => priority.fmt(out),
            None => out.write_str("real-time priority unknown"),
        }
    }
}

/// What is wrong and what would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// What.
    pub what: String,
    /// What would help.
    pub would_do: String,
}

/// The keeper's end of the news.
pub struct Outlet {
    sender: SyncSender<News>,
    bell: Bell,
    /// What found no room: the newest presence, then the newest trouble since.
    presence: Option<News>,
    trouble: Option<News>,
    /// The last trouble that was told, so that each try of a night does not tell it again.
    told: Option<Trouble>,
}

/// Makes the channel. `bell` is rung whenever there is something to read.
pub fn channel(bell: Bell) -> (Outlet, Receiver<News>) {
    let (sender, receiver) = sync_channel(WAITING);
    (Outlet { sender, bell, presence: None, trouble: None, told: None }, receiver)
}

impl Outlet {
    /// A device is open.
    pub fn attached(&mut self, attached: Attached) {
        self.told = None;
        self.trouble = None;
        self.presence = Some(News::Attached(Box::new(attached)));
        self.flush();
    }

    /// It is no more.
    pub fn detached(&mut self, why: End) {
        self.trouble = None;
        self.presence = Some(News::Detached { why });
        self.flush();
    }

    /// Something is wrong.
    pub fn trouble(&mut self, trouble: Trouble) {
        if self.told.as_ref() == Some(&trouble) {
            return;
        }
        self.told = Some(trouble.clone());
        self.trouble = Some(News::Trouble(trouble));
        self.flush();
    }

    /// Something happened.
    pub fn event(&mut self, event: RtEvent) {
        // Behind a state that waits for room there is none for an event either.
        if self.flush() && self.sender.try_send(News::Event(event)).is_ok() {
            self.bell.ring();
        }
    }

    /// Sends what found no room; whether nothing waits any more.
    pub fn flush(&mut self) -> bool {
        for slot in [&mut self.presence, &mut self.trouble] {
            let Some(news) = slot.take() else { continue };
            match self.sender.try_send(news) {
                Ok(()) => self.bell.ring(),
                Err(TrySendError::Full(news)) => {
                    *slot = Some(news);
                    return false;
                }
                // Nobody is left to read it.
                Err(TrySendError::Disconnected(_)) => {}
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{Nanos, Run};
    use crate::rt::trace::RtNews;

    fn trouble(what: &str) -> Trouble {
        Trouble { what: what.to_owned(), would_do: "something".to_owned() }
    }

    #[test]
    fn a_full_channel_loses_history_but_not_the_state() {
        let bell = Bell::new().unwrap();
        let (mut outlet, news) = channel(bell.clone());
        let event = RtEvent { at: Nanos(1), run: Run(1), what: RtNews::Started };
        for _ in 0..WAITING + 10 {
            outlet.event(event);
        }
        assert!(bell.answer());
        outlet.trouble(trouble("early"));
        outlet.detached(End::Unplugged);
        outlet.trouble(trouble("busy"));
        outlet.trouble(trouble("gone"));
        assert!(!outlet.flush());
        assert_eq!(news.try_iter().count(), WAITING);
        assert!(!bell.answer());
        assert!(outlet.flush() && bell.answer());
        let rest: Vec<_> = news.try_iter().collect();
        assert_eq!(rest, [News::Detached { why: End::Unplugged }, News::Trouble(trouble("gone"))]);
    }

    #[test]
    fn the_same_trouble_is_told_once() {
        let (mut outlet, news) = channel(Bell::new().unwrap());
        for what in ["busy", "busy", "gone", "gone", "busy"] {
            outlet.trouble(trouble(what));
        }
        assert_eq!(news.try_iter().count(), 3);
        drop(news);
        outlet.detached(End::Stopped);
        assert!(outlet.flush(), "nobody reads: nothing piles up");
    }
}
