//! One desk, put together: the device's keeper with the real-time thread, the worker, the buttons and lamps.
//!
//! Everything that is shared lasts as long as the process, so that no audio thread ever frees it: one desk a process, as
//! there is one speakerphone on the counter.

use crate::bell::Bell;
use crate::dsp::probe::Prober;
use crate::dsp::{self, Worker};
use crate::figures::Figures;
use crate::hid::handset::HidEvent;
use crate::keeper::news::{self, News};
use crate::keeper::{Keeper, Settings};
use crate::knobs::Knobs;
use crate::panel::{ButtonNews, Lamps, Panel};
use crate::rings::{self, NetEnds};
use std::io;
use std::sync::mpsc::Receiver;

/// A running desk. To be stopped: dropped, it waits for the worker, and leaves the device's keeper to end by itself.
pub struct Desk {
    keeper: Keeper,
    worker: dsp::Handle,
}

/// The network side of a desk.
pub struct Side {
    /// Sound and voices.
    pub ends: NetEnds,
    /// What happens to the device.
    pub device: Receiver<News>,
    /// What is pressed.
    pub buttons: ButtonNews,
    /// Rung when there is something in any of them.
    pub bell: Bell,
    /// What is asked of the audio threads.
    pub knobs: &'static Knobs,
    /// What they tell of themselves.
    pub figures: &'static Figures,
    /// Sets the device's lamps.
    pub lamps: Lamps,
    /// To be rung when speech was put behind silence: the worker then need not wait for the device's next period.
    pub worker: Bell,
    /// Begins self-tests.
    pub prober: Prober,
}

/// What happened at the desk, whoever tells it.
#[derive(Debug)]
pub enum Happened {
    /// To the device.
    Device(News),
    /// To its buttons.
    Button(HidEvent),
    /// There have been no buttons for some seconds: why.
    NoButtons(String),
    /// That is over: there are some.
    Buttons,
    /// A voice, while what is heard is not passed on.
    Voice(frontdesk_core::audio::vad::VoiceEvent),
}

impl Side {
    /// The next thing that happened. Never waits.
    pub fn next(ends: &mut NetEnds, device: &Receiver<News>, buttons: &ButtonNews) -> Option<Happened> {
        if let Ok(news) = device.try_recv() {
            return Some(Happened::Device(news));
        }
        if let Ok(event) = buttons.pressed.try_recv() {
            return Some(Happened::Button(event));
        }
        match buttons.usable.try_recv() {
            Ok(Ok(())) => return Some(Happened::Buttons),
            Ok(Err(why)) => return Some(Happened::NoButtons(why)),
            Err(_) => {}
        }
        ends.noticed.dequeue().map(|noticed| Happened::Voice(noticed.voice))
    }
}

impl Desk {
    /// Starts keeping a desk. `knobs` and `figures` are shared with whoever shows them.
    pub fn start(settings: Settings, knobs: &'static Knobs, figures: &'static Figures) -> io::Result<(Self, Side)> {
        let (bell, worker_bell) = (Bell::new()?, Bell::new()?);
        let (rt, dsp, ends) = rings::make();
        let worker = Worker::new(dsp, knobs, figures, bell.clone());
        let prober = worker.prober();
        let worker = dsp::start(worker, worker_bell.clone())?;
        let (outlet, device) = news::channel(bell.clone());
        let (panel, lamps, buttons) = Panel::new(knobs, bell.clone());
        let keeper = Keeper::start(settings, rt, knobs, figures, worker_bell.clone(), outlet, Box::new(panel))?;
        let side = Side { ends, device, buttons, bell, knobs, figures, lamps, worker: worker_bell, prober };
        Ok((Self { keeper, worker }, side))
    }

    /// Closes the device and ends all threads; within seconds, also when the device hangs. Blocks.
    pub fn stop(self) {
        self.keeper.stop();
        drop(self.worker);
    }
}
