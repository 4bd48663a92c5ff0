//! Taking the floor, speaking three times faster than it can be heard, and losing the floor.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Conversation, Output, Prompt};
use crate::{
    fault::Fault,
    report::Reply,
    scenario::CallTime,
    settings::Timing,
    speech::{Sound, Speech, duration},
    wire::server::{self, Usage},
};

/// What the model is at.
pub(super) enum Floor {
    Free,
    /// Finding words for this.
    Thinking {
        prompt: Prompt,
        at: Instant,
    },
    /// Waiting for this line to be rendered.
    Rendering {
        text: String,
        exchange: Option<usize>,
    },
    Speaking(Speaking),
}

pub(super) struct Speaking {
    speech: Arc<Speech>,
    sound: Sound,
    started: Instant,
    next_frame: usize,
    /// Where the next frame begins; `None` once everything is sent.
    next_sample: Option<usize>,
    /// Its place among the session's replies.
    reply: usize,
    /// The exchange that this is the answer of.
    exchange: Option<usize>,
}

impl Floor {
    pub(super) fn is_taken(&self) -> bool {
        !matches!(self, Self::Free)
    }

    pub(super) fn is_speaking(&self) -> bool {
        matches!(self, Self::Speaking(_))
    }

    pub(super) fn wake_at(&self, timing: &Timing) -> Option<Instant> {
        match self {
            Self::Free | Self::Rendering { .. } => None,
            Self::Thinking { at, .. } => Some(*at),
            Self::Speaking(speaking) => Some(speaking.wake_at(timing)),
        }
    }
}

impl Speaking {
    fn wake_at(&self, timing: &Timing) -> Instant {
        match self.next_sample {
            Some(sample) => self.started + scaled(duration(sample), timing),
            // The turn is counted as if it were played in real time.
            None => self.started + self.speech.duration(),
        }
    }
}

/// How soon audio that starts `at` within a reply is sent.
fn scaled(at: Duration, timing: &Timing) -> Duration {
    at.div_f64(timing.speed.max(0.1))
}

impl Conversation {
    /// Everything of the model's speech that is due.
    pub(super) fn speak_on(&mut self, now: Instant) {
        match std::mem::replace(&mut self.floor, Floor::Free) {
            Floor::Thinking { prompt, at } if at <= now => self.perform(now, prompt),
            Floor::Speaking(speaking) => self.continue_speech(now, speaking),
            floor => self.floor = floor,
        }
    }

    /// A line that was waited for is in the library now, or will never be.
    pub(crate) fn rendered(&mut self, now: Instant, text: &str) {
        match std::mem::replace(&mut self.floor, Floor::Free) {
            Floor::Rendering { text: wanted, exchange } if wanted == text => match self.world.library.ready(text) {
                Some(speech) => self.start_speech(now, speech, exchange),
                None => self.complete_turn(),
            },
            floor => self.floor = floor,
        }
    }

    /// The caller goes on before the model found words: the question stays, an apology for not understanding does not.
    pub(super) fn unthink(&mut self) {
        match std::mem::replace(&mut self.floor, Floor::Free) {
            Floor::Thinking { prompt, .. } => {
                if !matches!(prompt, Prompt::Line(_)) {
                    self.agenda.push_front(prompt);
                }
            }
            floor => self.floor = floor,
        }
    }

    /// Stops a reply at once: no more audio, `interrupted`, then `turnComplete`.
    pub(super) fn interrupt(&mut self) {
        self.interrupt_at = None;
        let Floor::Speaking(speaking) = std::mem::replace(&mut self.floor, Floor::Free) else {
            self.unthink();
            return;
        };
        self.note(|report| report.replies[speaking.reply].interrupted = true);
        self.memory.unfinished = None;
        log::info!("session {}: is interrupted", self.session);
        self.send(server::interrupted());
        let tell_status = self.setup.profile.tells_status();
        self.send(server::turn_complete(None, tell_status, self.vertex));
        self.offer_handle();
    }

    fn perform(&mut self, now: Instant, prompt: Prompt) {
        let world = Arc::clone(&self.world);
        if self.switches.hit(&Fault::NoReply) {
            return;
        }
        self.memory.unfinished = Some(prompt.clone());
        match prompt {
            Prompt::Greet if self.switches.hit(&Fault::NoGreeting) => {}
            Prompt::Greet => {
                self.memory.greeted = true;
                self.note(|report| report.greeted += 1);
                self.say(now, &world.scenario.greeting, None);
            }
            Prompt::Exchange(index) => {
                let exchange = &world.scenario.exchanges[index];
                self.memory.position = index + 1;
                if exchange.calls().any(|call| call.when == CallTime::Before) {
                    self.call_tools(now, index, CallTime::Before);
                    if let Some(filler) = exchange.calls().find_map(|call| call.filler.as_deref()) {
                        self.say(now, filler, None);
                    }
                } else {
                    self.say(now, &exchange.answer(&[], &self.memory.answers), Some(index));
                }
            }
            Prompt::Results { exchange, responses } => {
                let answer = world.scenario.exchanges[exchange].answer(&responses, &self.memory.answers);
                self.say(now, &answer, Some(exchange));
            }
            Prompt::Line(text) => self.say(now, &text, None),
        }
    }

    fn say(&mut self, now: Instant, text: &str, exchange: Option<usize>) {
        if text.is_empty() {
            return self.complete_turn();
        }
        if let Some(speech) = self.world.library.ready(text) {
            self.start_speech(now, speech, exchange);
        } else {
            self.floor = Floor::Rendering { text: text.to_owned(), exchange };
            self.out.push_back(Output::Render(text.to_owned()));
        }
    }

    fn start_speech(&mut self, now: Instant, speech: Arc<Speech>, exchange: Option<usize>) {
        let sound = self.switches.take(|fault| match fault {
            Fault::SilentAudio => Some(Sound::Silent),
            Fault::NearZeroAudio => Some(Sound::NearZero),
            _ => None,
        });
        let reply = self.note(|report| {
            report.replies.push(Reply {
                text: speech.text.clone(),
                first_audio_at: now,
                samples: speech.samples(),
                sent_samples: 0,
                interrupted: false,
                complete: false,
            });
            report.replies.len() - 1
        });
        let sound = sound.unwrap_or_default();
        log::info!("session {}: says {:?}", self.session, speech.text);
        let next_sample = Some(0);
        self.continue_speech(
            now,
            Speaking { speech, sound, started: now, next_frame: 0, next_sample, reply, exchange },
        );
    }

    fn continue_speech(&mut self, now: Instant, mut speaking: Speaking) {
        while speaking.next_sample.is_some() && speaking.wake_at(&self.world.timing) <= now {
            let frame = speaking.speech.frame(speaking.next_frame, speaking.sound, self.setup.transcribe_output);
            let Some((samples, message)) = frame else {
                speaking.next_sample = None;
                self.generation_complete(now, &speaking);
                break;
            };
            let offset = self.memory.samples_sent;
            self.memory.samples_sent += samples.len() as u64;
            self.note(|report| report.replies[speaking.reply].sent_samples += samples.len());
            self.out.push_back(Output::Speech { message, offset, samples: samples.len() });
            speaking.next_frame += 1;
            speaking.next_sample = Some(samples.end);
        }
        if speaking.next_sample.is_none() && speaking.wake_at(&self.world.timing) <= now {
            self.note(|report| report.replies[speaking.reply].complete = true);
            self.complete_turn();
        } else {
            self.floor = Floor::Speaking(speaking);
        }
    }

    fn generation_complete(&mut self, now: Instant, speaking: &Speaking) {
        self.send(server::generation_complete());
        if let Some(exchange) = speaking.exchange {
            self.call_tools(now, exchange, CallTime::After);
        }
    }

    fn complete_turn(&mut self) {
        // Speech that began just now has nothing left to interrupt.
        self.interrupt_at = None;
        if self.pending.is_none() {
            self.memory.unfinished = None;
        }
        self.memory.turns += 1;
        let heard = self.note(|report| (report.samples_received, u64::from(report.input_rate_hz.max(1))));
        let usage =
            Usage { text: 210, audio_in: heard.0 * 25 / heard.1, audio_out: self.memory.samples_sent * 25 / 24_000 };
        let tell_status = self.setup.profile.tells_status();
        self.send(server::turn_complete(Some(usage), tell_status, self.vertex));
        if self.pending.is_none() {
            self.offer_handle();
        }
    }
}
