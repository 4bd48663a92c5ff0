//! What happened on one media stream: both audio timelines on one clock, and the figures that tests assert.

use std::{ops::Range, time::Duration};

use frontdesk_voice::mulaw;

use crate::{
    ear::is_audible,
    playback::{Echo, Run},
};

/// How a stream ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StreamEnd {
    /// There was no handshake: the status of the answer, or none with Twilio's code for the failed connection.
    Refused {
        /// Status of the answer, if there was one.
        status: Option<u16>,
        /// 31920 and the like.
        code: u32,
    },
    /// The caller hung up.
    CallerHungUp,
    /// The REST interface completed the call.
    Completed,
    /// The REST interface gave the call another document.
    Replaced,
    /// The server closed the socket with this code (none: a close frame without one).
    ServerClosed(Option<u16>),
    /// The connection was lost from the other side.
    ServerLost,
    /// We cut it, as a fault.
    Cut,
}

/// One `clear` of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clear {
    /// When, in samples of the stream's clock.
    pub at: u64,
    /// Samples that were queued and will not be heard.
    pub dropped: usize,
}

/// One utterance of the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Its name.
    pub label: String,
    /// Where it lies on the stream's clock, in samples; the end is that of the last whole frame so far.
    pub span: Range<u64>,
    /// Whether it was said to the end.
    pub finished: bool,
}

/// One media stream. Positions are samples at 8 kHz since `start` was sent, the instant at which both timelines begin.
#[derive(Debug, Clone, Default)]
pub struct StreamReport {
    /// `MZ…`.
    pub sid: String,
    /// The public URL, as signed.
    pub url: String,
    /// The signature of the handshake, if any.
    pub signature: Option<String>,
    /// What the caller heard (mu-law); empty when the call does not record.
    pub heard: Vec<u8>,
    /// What the caller said (mu-law); empty when the call does not record.
    pub said: Vec<u8>,
    /// Position up to which the stream has been played.
    pub played: u64,
    /// From the end of the handshake to the first audio of the server.
    pub first_audio: Option<Duration>,
    /// Frames of the caller's audio sent.
    pub frames_sent: u64,
    /// Frames of the caller's audio dropped because the server did not read (31930).
    pub frames_dropped: u64,
    /// Media messages received, and their audio bytes.
    pub media_received: u64,
    /// Audio bytes received.
    pub bytes_received: u64,
    /// Marks in the order of their echoes.
    pub marks: Vec<Echo>,
    /// The clears received.
    pub clears: Vec<Clear>,
    /// What the caller said, and when.
    pub utterances: Vec<Said>,
    /// Stretches during which the playback queue was never empty.
    pub runs: Vec<Run>,
    /// The most samples sent ahead of what had been heard.
    pub largest_lead: usize,
    /// Samples still queued when the stream ended: never heard, unless the caller had hung up anyway.
    pub unplayed: usize,
    /// How it ended; none while it runs.
    pub end: Option<StreamEnd>,
}

impl StreamReport {
    /// What the caller heard, as audio and as figures.
    pub fn heard(&self) -> Heard {
        Heard { pcm: mulaw::decode_all(&self.heard), runs: self.runs.clone(), clears: self.clears.clone() }
    }

    /// What the caller said, on the same clock as [`heard`](Self::heard).
    pub fn spoken(&self) -> Vec<i16> {
        mulaw::decode_all(&self.said)
    }

    /// For every utterance that began while the agent played: how long after its onset the server sent `clear`.
    pub fn barge_in_delays(&self) -> Vec<Option<Duration>> {
        let over_agent = |said: &&Said| {
            let onset = said.span.start;
            self.runs.iter().any(|run| (run.from..run.to).contains(&onset))
        };
        let delay = |said: &Said| {
            let onset = said.span.start;
            let clear = self.clears.iter().find(|clear| clear.at >= onset)?;
            Some(span(clear.at - onset))
        };
        self.utterances.iter().filter(over_agent).map(delay).collect()
    }
}

/// What the caller heard: 8 kHz from the start of the stream, silence where the queue was empty.
#[derive(Debug, Clone)]
pub struct Heard {
    /// One sample per 125 µs.
    pub pcm: Vec<i16>,
    /// Stretches during which the queue was never empty.
    pub runs: Vec<Run>,
    /// Where the server cleared the queue.
    pub clears: Vec<Clear>,
}

impl Heard {
    /// The holes inside replies: the queue ran dry for at most `longest`; longer ones are pauses between turns.
    pub fn underruns(&self, longest: Duration) -> Vec<Range<u64>> {
        self.runs
            .windows(2)
            .filter(|pair| !pair[0].cleared)
            .map(|pair| pair[0].to..pair[1].from)
            .filter(|gap| span(gap.end - gap.start) <= longest)
            .collect()
    }

    /// How much audible audio was played within `window` after the n-th clear: what a barge-in failed to silence.
    pub fn audible_after_clear(&self, n: usize, window: Duration) -> Option<Duration> {
        let from = self.clears.get(n)?.at as usize;
        let to = (from + samples(window) as usize).min(self.pcm.len());
        let audible = self.pcm.get(from..to)?.chunks(80).filter(|chunk| {
            let codes: Vec<u8> = chunk.iter().copied().map(mulaw::encode).collect();
            is_audible(&codes)
        });
        Some(span(audible.map(|chunk| chunk.len() as u64).sum()))
    }
}

/// How long so many samples last.
pub fn span(samples: u64) -> Duration {
    Duration::from_micros(samples * 125)
}

/// How many whole samples fit into a span.
pub fn samples(span: Duration) -> u64 {
    (span.as_micros() / 125) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> StreamReport {
        StreamReport {
            heard: [vec![0x80; 800], vec![0xFF; 160], vec![0x80; 640]].concat(),
            runs: vec![Run { from: 0, to: 800, cleared: false }, Run { from: 960, to: 1_600, cleared: true }],
            clears: vec![Clear { at: 1_440, dropped: 99 }],
            utterances: vec![
                Said { label: "over".into(), span: 1_200..1_600, finished: true },
                Said { label: "after".into(), span: 2_000..2_400, finished: true },
            ],
            ..StreamReport::default()
        }
    }

    #[test]
    fn a_short_hole_is_an_underrun_and_a_long_one_a_pause() {
        let heard = report().heard();
        let holes = heard.underruns(Duration::from_millis(100));
        assert_eq!((holes.len(), holes[0].start, holes[0].end), (1, 800, 960));
        assert!(heard.underruns(Duration::from_millis(10)).is_empty());
    }

    #[test]
    fn only_speech_over_the_agent_is_a_barge_in() {
        assert_eq!(report().barge_in_delays(), [Some(Duration::from_millis(30))]);
    }

    #[test]
    fn what_a_clear_did_not_silence_is_measured() {
        let heard = report().heard();
        let left = heard.audible_after_clear(0, Duration::from_secs(1));
        assert_eq!(left, Some(Duration::from_millis(20)));
        assert_eq!(heard.audible_after_clear(1, Duration::from_secs(1)), None);
    }
}
