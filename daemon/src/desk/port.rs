//! The network side of the sound card: rings, news and knobs, whoever stands behind them.

use std::path::PathBuf;

use frontdesk_core::audio::vad::VoiceEvent;
use frontdesk_core::desk::reception::Hook;
use frontdesk_hw::bell::Bell;
use frontdesk_hw::dsp::probe::Prober;
use frontdesk_hw::figures::Figures;
use frontdesk_hw::knobs::Knobs;
use frontdesk_hw::rings::NetEnds;

/// What happens at the device, beside sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// A device runs.
    Attached(Device),
    /// It has gone.
    Detached {
        /// Why.
        why: String,
    },
    /// Something about the device that does not work as it should.
    Remark(String),
    /// The device has no buttons and lamps that can be used; why. Comes right before [`Attached`](Self::Attached) or
    /// behind it.
    NoButtons(String),
    /// That is over: it has some.
    Buttons,
    /// Something is wrong that a person can do something about: what, and what would do.
    Trouble(String),
    /// The hook button was pressed, or the receiver moved.
    Hook(Hook),
    /// The microphone was switched off or on at the device.
    Muted(bool),
    /// A voice, while the ear is watching.
    Voice(VoiceEvent),
}

/// A device, as people are told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its product name.
    pub name: String,
    /// How it was opened: rates, channels, periods.
    pub opened: String,
    /// What does not work as it should, and what would help.
    pub remarks: Vec<String>,
    /// The same for the self-test.
    pub opening: Opening,
}

/// How a device was opened, as far as the self-test judges it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The microphone's rate as announced.
    pub capture_hz: u32,
    /// The loudspeaker's rate as announced.
    pub playout_hz: u32,
    /// Why the audio thread has no real-time priority, if it has none.
    pub priority_refused: Option<String>,
    /// The `usb_device` in `/sys`, for a device on USB.
    pub sysfs: Option<PathBuf>,
}

/// The lamps of a speakerphone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shown {
    /// The microphone is live.
    pub off_hook: bool,
    /// A call rings.
    pub ring: bool,
}

/// Takes the next piece of news, from the rings or from beside them.
pub type NextNews = Box<dyn FnMut(&mut NetEnds) -> Option<News> + Send>;

/// The network side of one desk.
pub struct Port {
    /// The rings of sound.
    pub ends: NetEnds,
    /// The next thing that happened; `None` when there is nothing for now. Never blocks.
    pub news: NextNews,
    /// Rung when there is sound or news.
    pub bell: Bell,
    /// To be rung when speech was put behind silence.
    pub worker: Bell,
    /// Begins self-tests in the worker.
    pub prober: Prober,
    /// What is asked of the audio threads.
    pub knobs: &'static Knobs,
    /// What they tell of themselves.
    pub figures: &'static Figures,
    /// Sets the device's lamps. Never blocks.
    pub show: Box<dyn Fn(Shown) + Send>,
    /// Switches the microphone on, and its lamp off. Never blocks.
    pub unmute: Box<dyn Fn() + Send>,
}
