//! From the microphone towards the model.

use super::convert::{Converter, rate_of};
use super::echo::{Canceller, Convergence, power};
use super::reference::Reference;
use crate::block::{Captured, Heard, LISTENING, Nanos, Noticed, Run};
use crate::figures::Figures;
use crate::knobs::{Ear, EchoMode};
use crate::selftest::Compared;
use frontdesk_core::audio::vad::{Vad, VoiceEvent};
use frontdesk_core::units::{Dbfs, SampleRate};
use std::collections::VecDeque;

/// Blocks that are kept while a voice is waited for: one second, which holds half a second before the first word and
/// the decision that it was one.
pub(super) const KEPT: usize = 100;
/// Blocks for which the canceller goes on learning after the loudspeaker fell silent, while nobody listens.
const LINGER: u32 = 100;
/// Blocks after a mute for which the canceller is not trusted: what was played just before it rings on in a room that it
/// has not heard since. Half a second.
const REFRESHING: u32 = 50;

/// Where the listener's answers go.
pub(super) trait Sink {
    /// A block that leaves the box's worker. Called with an open ear only.
    fn heard(&mut self, heard: &Heard);
    /// A voice was noticed while watching.
    fn noticed(&mut self, noticed: Noticed);
    /// Whether everything is to be processed and [compared](Self::compared), though nobody listens.
    fn wants_all(&self) -> bool;
    /// All signals of one block.
    fn compared(&mut self, block: &Compared);
}

/// The capture side. Allocates when the ear or the device changes, sonora apart.
pub(super) struct Listener {
    path: Option<Path>,
    ear: Ear,
    vad: Vad,
    kept: VecDeque<Heard>,
    /// The canceller fails, and the microphone closes whenever the agent is heard.
    taking_turns: bool,
}

/// What belongs to one run of one device.
struct Path {
    run: Run,
    lengths: (u16, u16),
    near: Converter,
    far: Converter,
    canceller: Option<Canceller>,
    convergence: Convergence,
    /// Blocks since the loudspeaker was audible.
    quiet: u32,
    /// Blocks since the microphone was muted.
    unmuted: u32,
    asleep: bool,
}

/// One block on its way.
struct Judged {
    pcm: [i16; LISTENING],
    at: Nanos,
    agent_heard: bool,
    /// What was played and captured, for whoever compares.
    far: [i16; LISTENING],
    near: [i16; LISTENING],
}

impl Listener {
    pub(super) fn new() -> Self {
        let (vad, kept) = (Vad::behind_canceller(), VecDeque::with_capacity(KEPT));
        Self { path: None, ear: Ear::Closed, vad, kept, taking_turns: false }
    }

    /// Obeys the ear: what was kept leaves first when it opens, with the next block of the same run; it is forgotten
    /// when the ear closes.
    pub(super) fn set_ear(&mut self, ear: Ear, figures: &Figures) {
        if ear == self.ear {
            return;
        }
        if ear == Ear::Closed {
            // Nothing is heard, and the last word's level is not what is.
            figures.heard_level.set(Dbfs::SILENCE.0);
        }
        if self.ear == Ear::Closed {
            self.vad = Vad::behind_canceller();
        }
        if ear != Ear::Open {
            self.kept.clear();
        }
        self.ear = ear;
    }

    /// What was kept belongs to the room as it was before the device went away: minutes may lie between two runs, and
    /// nobody who opens the ear now asked for what was said then.
    fn forget_other_runs(&mut self, run: Run) {
        if self.path.as_ref().is_none_or(|it| it.run == run) {
            return;
        }
        // In a conversation the detector goes on: a voice that was under way has to end.
        let talking = self.ear == Ear::Open && self.kept.is_empty();
        if !talking {
            self.kept.clear();
            self.vad = Vad::behind_canceller();
        }
    }

    /// Takes one captured block through.
    pub(super) fn take(
        &mut self,
        captured: &Captured,
        reference: &mut Reference,
        echo: EchoMode,
        figures: &Figures,
        sink: &mut impl Sink,
    ) {
        let len = usize::from(captured.len);
        let Some(rate) = rate_of(len) else { return };
        figures.capture_level.set(Dbfs::of_mean_square(power(&captured.pcm[..len])).0);
        self.forget_other_runs(captured.run);
        if self.ear == Ear::Open {
            for heard in self.kept.drain(..) {
                sink.heard(&heard);
            }
        }
        let played = reference.find(captured);
        let far_len = played.as_ref().map_or(0, |it| it.len);
        let path = Path::renew(&mut self.path, captured, rate, far_len);
        let far = played.as_ref().map(|it| &it.pcm[..usize::from(it.len)]);
        let audible = reference.is_audible(captured.at);
        if path.sleeps(self.ear, audible || sink.wants_all()) {
            return;
        }
        let judged = path.process(captured, far, echo, reference.lead_ms(), audible, figures);
        let closes = echo == EchoMode::HalfDuplex || path.closes();
        let failed = path.convergence.has_failed();
        if std::mem::replace(&mut self.taking_turns, failed) != failed {
            figures.taking_turns.set(if failed { 1.0 } else { 0.0 });
            figures.turns_taken.raise();
        }
        let Some(mut judged) = judged else { return };
        if sink.wants_all() {
            let lead = played.as_ref().map(|it| it.at.0 as i64 - captured.at.0 as i64);
            let Judged { pcm: clean, far: played, near: raw, .. } = judged;
            sink.compared(&Compared { run: captured.run, lead, played, raw, clean });
        }
        if audible && closes {
            // Silence, not nothing: the conversation's clock goes on, and a voice that was under way ends.
            judged.pcm.fill(0);
        }
        if self.ear != Ear::Closed {
            self.judge(&judged, reference, figures, sink);
        }
    }

    fn judge(&mut self, judged: &Judged, reference: &Reference, figures: &Figures, sink: &mut impl Sink) {
        let mut voice: Option<VoiceEvent> = None;
        // A block is shorter than what is judged at once: one event at most.
        self.vad.push(&judged.pcm, judged.agent_heard, |event| voice = Some(event));
        figures.heard_level.set(Dbfs::of_mean_square(power(&judged.pcm)).0);
        let heard = Heard { at: judged.at, voice, played: reference.spoken(judged.at), pcm: judged.pcm };
        if self.ear == Ear::Open {
            sink.heard(&heard);
            return;
        }
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(heard);
        if let Some(voice) = voice {
            sink.noticed(Noticed { at: judged.at, voice });
        }
    }
}

impl Path {
    /// The path of this block's run and rates, a new one when they are others.
    fn renew<'a>(path: &'a mut Option<Self>, captured: &Captured, rate: SampleRate, far_len: u16) -> &'a mut Self {
        let fits = |it: &Self| {
            it.run == captured.run && it.lengths.0 == captured.len && (far_len == 0 || far_len == it.lengths.1)
        };
        if let Some(kept) = path.take_if(|it| fits(it)) {
            return path.insert(kept);
        }
        let far_len = if far_len == 0 { captured.len } else { far_len };
        let far_rate = rate_of(usize::from(far_len)).unwrap_or(rate);
        path.insert(Self {
            run: captured.run,
            lengths: (captured.len, far_len),
            near: Converter::new(rate, SampleRate::LISTENING),
            far: Converter::new(far_rate, SampleRate::LISTENING),
            canceller: None,
            convergence: Convergence::default(),
            quiet: 0,
            unmuted: REFRESHING,
            asleep: true,
        })
    }

    /// Whether nothing needs to be done: nobody listens, and the canceller has nothing to learn.
    fn sleeps(&mut self, ear: Ear, audible: bool) -> bool {
        self.quiet = if audible { 0 } else { self.quiet.saturating_add(1) };
        let sleeps = ear == Ear::Closed && self.quiet > LINGER;
        if self.asleep && !sleeps {
            self.near.reset();
            self.far.reset();
        }
        self.asleep = sleeps;
        sleeps
    }

    /// Whether the microphone is closed while the agent is heard, because the canceller would let the echo through.
    fn closes(&self) -> bool {
        self.canceller.is_some() && (self.convergence.is_failing() || self.unmuted < REFRESHING)
    }

    fn process(
        &mut self,
        captured: &Captured,
        far: Option<&[i16]>,
        echo: EchoMode,
        lead_ms: i32,
        audible: bool,
        figures: &Figures,
    ) -> Option<Judged> {
        let mut pcm = [0; LISTENING];
        let mut reference = [0; LISTENING];
        self.near.push(&captured.pcm[..usize::from(captured.len)]);
        match far {
            Some(far) => self.far.push(far),
            None => self.far.push(&[0; crate::block::MOST][..usize::from(self.lengths.1)]),
        }
        if self.near.take(&mut pcm) < LISTENING || self.far.take(&mut reference) < LISTENING {
            return None;
        }
        let near = pcm;
        self.unmuted = if captured.muted { 0 } else { self.unmuted.saturating_add(1) };
        if echo == EchoMode::Software && captured.muted {
            // It stands still: from silence it would learn that there is no echo.
            self.canceller.get_or_insert_with(Canceller::new);
        } else if echo == EchoMode::Software {
            self.cancel(&reference, &mut pcm, lead_ms, figures);
        } else if self.canceller.take().is_some() {
            self.convergence = Convergence::default();
        }
        let late = SampleRate::LISTENING.duration_of(self.near.lag()).as_nanos() as u64;
        Some(Judged { pcm, at: Nanos(captured.at.0.saturating_sub(late)), agent_heard: audible, far: reference, near })
    }

    fn cancel(&mut self, far: &[i16; LISTENING], near: &mut [i16; LISTENING], lead_ms: i32, figures: &Figures) {
        let canceller = self.canceller.get_or_insert_with(Canceller::new);
        let before = power(near);
        if !canceller.process(far, near, lead_ms) {
            return;
        }
        if let Some(erle) = self.convergence.push(power(far), before, power(near), canceller.has_found_the_echo()) {
            figures.erle.set(erle);
            figures.echo_delay.set(canceller.delay_ms().unwrap_or(0) as f32);
        }
    }
}

#[cfg(test)]
#[path = "listen_tests.rs"]
mod tests;
