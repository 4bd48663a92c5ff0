//! The caller's side: sound, who says when speech begins and ends, and what was understood.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use frontdesk_voice::Recognised;

use super::{Conversation, Output, Prompt, World};
use crate::{
    ear::{Ear, EarSettings, Sound, Spoken},
    fault::Fault,
    report::Utterance,
    wire::{Refusal, server, setup::Setup},
};

/// What the service says to `activityStart` and `activityEnd` while it detects activity itself.
const AUTOMATIC_ACTIVITY: &str =
    "Explicit activity control is not supported when automatic activity detection is enabled.";

impl Conversation {
    /// Samples of the caller, at the rate of this connection.
    pub(crate) fn audio(&mut self, now: Instant, rate_hz: u32, pcm: &[i16]) {
        if self.ear.as_ref().is_some_and(|ear| ear.rate_hz() != rate_hz) {
            self.complain("the rate of the audio changed within a connection");
            self.ear = None;
        }
        let ear = self.ear.get_or_insert_with(|| new_ear(&self.world, &self.setup, rate_hz));
        let mut noticed = std::mem::take(&mut self.noticed);
        ear.hear(pcm, &mut noticed);
        let keep_audio = self.world.keep_audio;
        self.note(|report| {
            report.input_rate_hz = rate_hz;
            report.samples_received += pcm.len() as u64;
            if keep_audio {
                report.audio.extend_from_slice(pcm);
            }
        });
        for sound in noticed.drain(..) {
            match sound {
                Sound::Began { onset } => self.speech_began(now, onset),
                Sound::Ended(spoken) => self.speech_ended(spoken),
            }
        }
        self.noticed = noticed;
    }

    /// The result of [`Output::Recognise`].
    pub(crate) fn recognised(&mut self, utterance: usize, heard: Option<Recognised>) {
        self.note(|report| {
            if let (Some(utterance), Some(heard)) = (report.utterances.get_mut(utterance), &heard) {
                utterance.recognised = Some(heard.text.clone());
                utterance.correlation = heard.correlation;
            }
        });
        let text = heard.as_ref().map_or("(unintelligible)", |heard| heard.text.as_str());
        self.transcribe_input(text);
        let prompt = heard
            .map_or_else(|| Prompt::Line(self.world.scenario.fallback.clone()), |heard| Prompt::Exchange(heard.index));
        self.agenda.push_back(prompt);
    }

    fn speech_began(&mut self, now: Instant, onset: u64) {
        let age = self.ear.as_ref().map_or(0, |ear| ear.milliseconds_since(onset));
        self.tell_activity("ACTIVITY_START", onset);
        if self.floor.is_speaking() {
            if self.setup.no_interruption {
                return;
            }
            if self.switches.hit(&Fault::MissBargeIn) {
                self.is_missing = true;
                return;
            }
            let latency = self.world.timing.barge_in_latency.saturating_sub(Duration::from_millis(age));
            self.interrupt_at = Some(now + latency);
        }
        self.unthink();
        self.abandon_calls(now);
    }

    fn speech_ended(&mut self, spoken: Spoken) {
        self.tell_activity("ACTIVITY_END", spoken.place.end);
        let missed = std::mem::take(&mut self.is_missing);
        let kept = (self.world.keep_audio && !spoken.pcm.is_empty()).then(|| spoken.pcm.clone());
        let utterance = self.note(|report| {
            report.utterances.push(Utterance {
                start_sample: spoken.place.start,
                end_sample: spoken.place.end,
                pcm: kept,
                missed,
                ..Utterance::default()
            });
            report.utterances.len() - 1
        });
        if missed {
            return;
        }
        if self.world.recognise {
            let rate_hz = self.ear.as_ref().map_or(16_000, Ear::rate_hz);
            self.out.push_back(Output::Recognise { utterance, pcm: spoken.pcm, rate_hz });
        } else if !self.world.scenario.exchanges.is_empty() {
            let exchange = self.memory.position % self.world.scenario.exchanges.len();
            let world = Arc::clone(&self.world);
            self.transcribe_input(&world.scenario.exchanges[exchange].caller);
            self.memory.position = exchange + 1;
            self.agenda.push_back(Prompt::Exchange(exchange));
        }
    }

    pub(super) fn activity_start(&mut self, now: Instant) {
        if !self.setup.manual_activity {
            return self.refuse(Refusal::new(1007, AUTOMATIC_ACTIVITY));
        }
        let ear = self.ear.get_or_insert_with(|| new_ear(&self.world, &self.setup, 16_000));
        let onset = ear.clock();
        if ear.begin() {
            self.speech_began(now, onset);
        } else {
            self.complain("activityStart twice");
        }
    }

    pub(super) fn activity_end(&mut self) {
        match self.ear.as_mut().and_then(Ear::end) {
            _ if !self.setup.manual_activity => self.refuse(Refusal::new(1007, AUTOMATIC_ACTIVITY)),
            Some(spoken) if !spoken.place.is_empty() => self.speech_ended(spoken),
            _ => self.refuse(Refusal::new(1007, "Precondition check failed.")),
        }
    }

    pub(super) fn audio_stream_end(&mut self) {
        if self.setup.manual_activity {
            self.complain("audioStreamEnd with manual activity detection");
        } else if let Some(spoken) = self.ear.as_mut().and_then(Ear::end) {
            self.speech_ended(spoken);
        }
    }

    /// The caller's words in two to four pieces, as the recogniser's guesses come.
    fn transcribe_input(&mut self, text: &str) {
        if !self.setup.transcribe_input {
            return;
        }
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        let pieces = (words.len() / 3).clamp(2, 4).min(words.len().max(1));
        for piece in words.chunks(words.len().div_ceil(pieces).max(1)) {
            self.send(server::input_transcription(&piece.concat()));
        }
    }

    fn tell_activity(&mut self, kind: &str, sample: u64) {
        if let (true, Some(ear)) = (self.setup.report_activity, &self.ear) {
            let offset_ms = sample * 1_000 / u64::from(ear.rate_hz());
            self.send(server::voice_activity(kind, offset_ms));
        }
    }
}

/// Whether and when somebody speaks is the setup's to say; whether to keep the sound is the simulator's.
fn new_ear(world: &World, setup: &Setup, rate_hz: u32) -> Ear {
    let keep = world.recognise || world.keep_audio;
    Ear::new(EarSettings::new(setup, rate_hz, world.speech_threshold_dbfs, keep))
}
