//! All of the worker's work, without a wait.

use super::listen::{Listener, Sink};
use super::probe::{Aborted, Probe, Prober};
use super::reference::Reference;
use super::speak::Speaker;
use crate::bell::Bell;
use crate::block::{Heard, Noticed};
use crate::figures::Figures;
use crate::knobs::Knobs;
use crate::rings::DspEnds;
use crate::selftest::Compared;
use frontdesk_core::audio::level;
use frontdesk_core::units::Dbfs;
use heapless::spsc::Producer;
use std::time::Instant;

/// Blocks that are kept prepared for the real-time thread: with the period in which one is taken, speech waits 30 ms at
/// most.
const PREPARED: usize = 2;

/// The worker. Owns its ends of the rings; [`turn`](Self::turn) is called whenever the real-time thread has rung.
pub struct Worker {
    ends: DspEnds,
    knobs: &'static Knobs,
    figures: &'static Figures,
    news: Bell,
    reference: Reference,
    listener: Listener,
    speaker: Speaker,
    probe: Probe,
    prober: Prober,
}

/// The way to the network.
struct Outlet<'a> {
    heard: &'a mut Producer<'static, Heard>,
    noticed: &'a mut Producer<'static, Noticed>,
    probe: &'a mut Probe,
    figures: &'a Figures,
    news: bool,
}

impl Sink for Outlet<'_> {
    fn heard(&mut self, heard: &Heard) {
        self.news = true;
        if self.heard.enqueue(*heard).is_err() {
            self.figures.heard_dropped.raise();
        }
    }

    fn noticed(&mut self, noticed: Noticed) {
        self.news = true;
        // Full: dozens of voices that nobody asked about. What counts is that there are some, and the ring says so.
        let _ = self.noticed.enqueue(noticed);
    }

    fn wants_all(&self) -> bool {
        self.probe.is_on()
    }

    fn compared(&mut self, block: &Compared) {
        self.probe.record(block);
    }
}

impl Worker {
    /// A worker that has heard nothing. `news` is rung when the network side has something to read.
    pub fn new(ends: DspEnds, knobs: &'static Knobs, figures: &'static Figures, news: Bell) -> Self {
        let (reference, listener, speaker) = (Reference::new(), Listener::new(), Speaker::new());
        let (probe, prober) = Probe::new(knobs, news.clone());
        Self { ends, knobs, figures, news, reference, listener, speaker, probe, prober }
    }

    /// What begins self-tests.
    pub fn prober(&self) -> Prober {
        self.prober.clone()
    }

    /// Does everything that can be done now, and waits for nothing. After a stall every block is made up for: the rings
    /// hold 310 ms, which take a few milliseconds, so no delay piles up.
    pub fn turn(&mut self) {
        self.figures.dsp_turns.raise();
        self.take_played();
        self.probe.look(self.knobs, !self.ends.speech.is_empty());
        self.prepare();
        self.obey();
        // What belongs to a captured block may be rung for later: no more than is there now, or a turn would not end.
        for _ in 0..self.ends.captured.len() {
            if !self.listen() {
                break;
            }
            self.take_played();
            self.prepare();
        }
    }

    /// Forgets everything but the rings: after a panic nothing else can be trusted.
    pub(super) fn renew(&mut self) {
        self.reference = Reference::new();
        self.listener = Listener::new();
        self.speaker = Speaker::new();
        self.probe.end(Aborted::Failed);
    }

    fn take_played(&mut self) {
        while let Some(played) = self.ends.played.dequeue() {
            let pcm = &played.pcm[..usize::from(played.len).min(played.pcm.len())];
            self.figures.playout_level.set(Dbfs::of_mean_square(level::mean_square(pcm)).0);
            self.reference.push(&played);
            self.speaker.follow(played.len, self.reference.newest_end());
        }
    }

    fn prepare(&mut self) {
        while self.ends.playout.len() < PREPARED {
            let urgent = self.ends.playout.is_empty();
            let Some(mut block) = self.speaker.compose(&mut self.ends.speech, self.knobs, urgent) else { return };
            self.probe.play(&mut block, self.knobs);
            if self.ends.playout.enqueue(block).is_err() {
                return;
            }
        }
    }

    fn obey(&mut self) {
        self.listener.set_ear(self.knobs.ear(), self.figures);
    }

    /// Takes one captured block through; returns whether there was one whose time has come.
    fn listen(&mut self) -> bool {
        let Some(captured) = self.ends.captured.peek() else { return false };
        if self.ends.captured.len() == 1 && self.reference.is_behind(captured) {
            return false;
        }
        let Some(captured) = self.ends.captured.dequeue() else { return false };
        let began = Instant::now();
        let (echo, figures) = (self.knobs.echo(), self.figures);
        self.with_outlet(|listener, reference, outlet| listener.take(&captured, reference, echo, figures, outlet));
        self.figures.dsp_work.count(began.elapsed());
        self.figures.dsp_blocks.raise();
        true
    }

    fn with_outlet(&mut self, act: impl FnOnce(&mut Listener, &mut Reference, &mut Outlet<'_>)) {
        let DspEnds { heard, noticed, .. } = &mut self.ends;
        let mut outlet = Outlet { heard, noticed, probe: &mut self.probe, figures: self.figures, news: false };
        act(&mut self.listener, &mut self.reference, &mut outlet);
        if outlet.news {
            self.news.ring();
        }
    }
}

#[cfg(test)]
#[path = "worker_tests.rs"]
mod tests;
