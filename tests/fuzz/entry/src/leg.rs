//! One call's media stream: anything from Twilio, any order of play, duck and flush, in virtual time.

use crate::far_twilio::{self as far, Queue};
use crate::is_short;
use crate::script::{self, Sound, acts, letter};
use arbitrary::{Arbitrary, Unstructured};
use frontdesk_core::source::{Source, SourceEvent};
use frontdesk_core::twilio::leg::{CallLeg, LegFault};
use std::time::{Duration, Instant};

/// What Twilio does, and what the conversation does. The letter of each act is in front of it.
#[derive(Debug)]
pub(crate) enum Act<'a> {
    /// `S`
    Start,
    /// `M` sound, frames.
    Media(Sound, u8),
    /// `T` length, text: any message.
    Text(&'a [u8]),
    /// `E` which: a mark that we sent comes back, sooner or later.
    Echo(u8),
    /// `F` generation, position: a mark that we may not have sent.
    Forged(u8, u16),
    /// `D` key.
    Digit(u8),
    /// `Q`
    Stop,
    /// `L` the socket is gone.
    Lost,
    /// `P` sound, tens of milliseconds: the model speaks.
    Play(Sound, u8),
    /// `C` the reply is complete.
    Complete,
    /// `K`
    Duck,
    /// `U`
    Unduck,
    /// `X`
    Flush,
    /// `R` the far end stops reading, or reads on.
    Read,
    /// `W` tens of milliseconds.
    Wait(Duration),
}

impl<'a> Arbitrary<'a> for Act<'a> {
    fn arbitrary(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match letter(bytes)? {
            b'S' => Self::Start,
            b'M' => Self::Media(bytes.arbitrary()?, bytes.arbitrary()?),
            b'T' => Self::Text(script::piece(bytes)?),
            b'E' => Self::Echo(bytes.arbitrary()?),
            b'F' => Self::Forged(bytes.arbitrary()?, bytes.arbitrary()?),
            b'D' => Self::Digit(bytes.arbitrary()?),
            b'Q' => Self::Stop,
            b'L' => Self::Lost,
            b'P' => Self::Play(bytes.arbitrary()?, bytes.arbitrary()?),
            b'C' => Self::Complete,
            b'K' => Self::Duck,
            b'U' => Self::Unduck,
            b'X' => Self::Flush,
            b'R' => Self::Read,
            _ => Self::Wait(script::span(bytes, 10)?),
        })
    }
}

/// The lead in tens of milliseconds (one byte), then acts.
pub fn call_leg(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let Ok(lead) = script::span(&mut bytes, 10) else { return };
    let mut line = Line::new(lead);
    for act in acts(&mut bytes) {
        if let Err(fault) = line.act(&act) {
            is_short(&fault);
            assert!([1001, 1003, 1007, 1008].contains(&fault.close_code()));
            return;
        }
        line.holds();
    }
}

#[expect(clippy::struct_excessive_bools, reason = "what was seen so far, each by itself")]
struct Line {
    now: Instant,
    leg: CallLeg,
    queue: Queue,
    lead: Duration,
    reads: bool,
    /// The far end has read all the time: what it holds is our doing.
    always_read: bool,
    started: bool,
    ended: bool,
}

impl Line {
    fn new(lead: Duration) -> Self {
        let now = Instant::now();
        let leg = CallLeg::new(now, far::expected(), lead);
        let queue = Queue::new(now);
        Self { now, leg, queue, lead, reads: true, always_read: true, started: false, ended: false }
    }

    fn act(&mut self, act: &Act<'_>) -> Result<(), LegFault> {
        let now = self.now;
        match act {
            Act::Start => self.hear(&far::start())?,
            Act::Media(sound, frames) => self.hear(&far::media(*sound, *frames))?,
            Act::Text(text) => self.hear(&String::from_utf8_lossy(text))?,
            Act::Echo(which) => {
                if let Some(mark) = self.queue.echo(*which) {
                    self.hear(&mark)?;
                }
            }
            Act::Forged(generation, position) => self.hear(&far::mark(&format!("g{generation}:{position}")))?,
            Act::Digit(key) => self.hear(&far::digit(char::from(*key)))?,
            Act::Stop => self.hear(&far::stop())?,
            Act::Lost => self.leg.lost(),
            Act::Play(sound, tens) => self.leg.play(&sound.pcm(usize::from(*tens) * 240)),
            Act::Complete => self.leg.complete_reply(),
            Act::Duck => self.leg.duck(now),
            Act::Unduck => self.leg.unduck(),
            Act::Flush => self.flush(),
            Act::Read => self.reads = !self.reads,
            Act::Wait(span) => return self.wait(*span),
        }
        self.always_read &= self.reads;
        self.settle()
    }

    fn hear(&mut self, text: &str) -> Result<(), LegFault> {
        self.leg.handle(self.now, text)
    }

    fn flush(&mut self) {
        let before = self.leg.end();
        let heard = self.leg.flush(self.now);
        assert!(heard <= before, "more was heard than was said");
        assert_eq!(self.leg.end(), heard, "what follows stands behind what was heard");
        assert!(self.leg.waiting() <= 1, "only the clear may still leave");
        assert_eq!(self.leg.playout().backlog(), 0);
    }

    /// Does what is due and takes what came of it, as the shell does.
    fn settle(&mut self) -> Result<(), LegFault> {
        self.leg.poll(self.now)?;
        while let Some(event) = self.leg.next_event() {
            match event {
                SourceEvent::Started => assert!(!std::mem::replace(&mut self.started, true), "started twice"),
                SourceEvent::Ended => assert!(!std::mem::replace(&mut self.ended, true), "ended twice"),
                SourceEvent::Voice(_) | SourceEvent::Digit(_) => {
                    assert!(!self.ended, "a voice from a stream that ended");
                }
            }
        }
        self.leg.audio_taken();
        while self.reads
            && let Some(message) = self.leg.next_message()
        {
            self.queue.take(self.now, &message);
        }
        Ok(())
    }

    fn wait(&mut self, span: Duration) -> Result<(), LegFault> {
        let until = self.now + span;
        let mut polls = 0;
        while let Some(due) = self.leg.deadline(self.now).filter(|due| *due <= until) {
            self.now = due.max(self.now);
            self.settle()?;
            polls += 1;
            assert!(polls <= 20 + span.as_millis() / 5, "{polls} polls within {span:?}: a deadline that spins");
        }
        self.now = until;
        self.settle()
    }

    /// What holds at any time.
    fn holds(&self) {
        let (end, heard) = (self.leg.end(), self.leg.heard(self.now));
        assert!(heard <= end, "{heard:?} of {end:?} was heard");
        if self.always_read {
            let most = self.lead.max(Duration::from_millis(60));
            let ahead = self.queue.ahead(self.now);
            assert!(ahead <= most, "{ahead:?} lie at the far end, beyond the lead of {most:?}");
        }
        let sounds_until = self.leg.audible_until().map(|until| until.saturating_duration_since(self.now));
        assert!(sounds_until.is_none_or(|span| span <= self.lead.max(Duration::from_millis(60))), "{sounds_until:?}");
        assert!(!self.ended || self.leg.deadline(self.now).is_none(), "a stream that ended wants to be polled");
    }
}
