//! From tapes to figures.
//!
//! Every utterance of a caller begins and ends with a marker louder than speech ever is. The first loud sample tells
//! where the utterance's first frame lies among the samples that the model got, so that from there on each frame's
//! delay is known by position, however messages were cut; the last one shows that nothing is missing at the end.

use std::ops::Range;
use std::time::{Duration, Instant};

use frontdesk_gemini_sim::SessionReport;
use frontdesk_twilio_sim::{CallReport, FRAME, StreamReport};
use frontdesk_voice::mulaw;

use crate::protocol::Quantiles;
use crate::tape::{Arrival, LineTape, LiveTape};

/// Samples at the model for each of the caller's.
const UP: usize = 2;
/// Loud samples this close belong to one marker: half of the shortest utterance is longer.
const ONE_MARKER: usize = 3_200;
/// A marker's edge is found that exactly, in samples at 16 kHz.
const EDGE: usize = 4;
/// What was said so shortly before the end may still be on its way.
const UNDER_WAY: Duration = Duration::from_millis(500);
/// The end of a reply is compared over this many samples, 0.4 s.
const TAIL: usize = 3_200;
/// Likeness of a reply's end to the original from which it counts as the same.
const ALIKE: f64 = 0.9;
/// A longer silence of the agent is a pause between its replies.
const LONGEST_HOLE: Duration = Duration::from_millis(600);
/// A clear that comes later answers something else.
const CLEAR_WITHIN: Duration = Duration::from_millis(500);

/// One call, after its end.
pub(crate) struct Judged<'a> {
    /// Number of the call.
    pub(crate) call: usize,
    /// Twilio's side.
    pub(crate) line: &'a LineTape,
    /// The model's side.
    pub(crate) live: &'a LiveTape,
    /// What Twilio reports.
    pub(crate) report: &'a CallReport,
    /// What the model reports.
    pub(crate) session: &'a SessionReport,
    /// The measurement.
    pub(crate) window: Range<Instant>,
    /// A reply as the model says it, at 8 kHz.
    pub(crate) reply: &'a [i16],
    /// Length of an utterance at 8 kHz.
    pub(crate) utterance: usize,
}

/// Everything about all calls of a run.
#[derive(Debug, Default)]
pub(crate) struct Sum {
    /// Delays upwards, in microseconds.
    pub(crate) up: Vec<f64>,
    /// Delays downwards.
    pub(crate) down: Vec<f64>,
    /// Delays of clears.
    pub(crate) clear: Vec<f64>,
    /// What the upward resampler held back, in samples at 16 kHz.
    pub(crate) up_filter: Vec<f64>,
    /// Samples sent between onsets, at 16 kHz, and those of them that did not arrive.
    pub(crate) samples: [u64; 2],
    /// Utterances and replies that were looked at, and how many lack something.
    pub(crate) judged: [usize; 3],
    /// Holes inside replies.
    pub(crate) underruns: usize,
    /// Seconds in which callers and agents spoke.
    pub(crate) talk: [f64; 2],
    /// What should not have happened.
    pub(crate) faults: Vec<String>,
}

impl Sum {
    /// Adds a call.
    pub(crate) fn add(&mut self, call: &Judged<'_>) {
        let Some(stream) = call.report.stream() else {
            return self.fault(call, "no media stream");
        };
        self.upwards(call, stream);
        self.downwards(call);
        self.clears(call);
        let heard = frontdesk_twilio_sim::Heard { pcm: Vec::new(), runs: stream.runs.clone(), clears: Vec::new() };
        self.underruns += heard.underruns(LONGEST_HOLE).len();
        for alert in call.report.problems() {
            self.fault(call, &alert.to_string());
        }
        for complaint in &call.session.protocol_errors {
            self.fault(call, complaint);
        }
        if stream.frames_dropped > 0 {
            self.fault(call, &format!("{} frames could not be sent: the bridge does not read", stream.frames_dropped));
        }
    }

    fn fault(&mut self, call: &Judged<'_>, what: &str) {
        self.faults.push(format!("call {}: {what}", call.call));
    }

    fn upwards(&mut self, call: &Judged<'_>, stream: &StreamReport) {
        let markers = markers(&call.live.arrivals);
        let sent = &call.line.sent;
        let ended = |said: &&frontdesk_twilio_sim::Said| {
            let last = sent.get((said.span.end as usize / FRAME).saturating_sub(1)).copied().flatten();
            said.finished && last.is_some_and(|at| at + UNDER_WAY < call.window.end)
        };
        let firsts: Vec<usize> =
            stream.utterances.iter().filter(ended).map(|said| said.span.start as usize / FRAME).collect();
        if markers.len() < 2 * firsts.len() {
            self.judged[2] += 1;
            let what = format!("{} markers of {} utterances arrived", markers.len(), firsts.len());
            return self.fault(call, &what);
        }
        let starts = starts(&call.live.arrivals);
        let onsets: Vec<(usize, usize)> =
            firsts.iter().enumerate().map(|(n, &frame)| (frame, markers[2 * n].start)).collect();
        for (n, &(frame, onset)) in onsets.iter().enumerate() {
            self.judged[0] += 1;
            let length = markers[2 * n + 1].end - onset;
            if length.abs_diff(UP * call.utterance) > EDGE {
                self.judged[2] += 1;
                self.fault(call, &format!("an utterance of {} samples came as {length}", UP * call.utterance));
            }
            let until = onsets.get(n + 1).map_or(frame + call.utterance.div_ceil(FRAME), |next| next.0);
            if let Some(&(next, position)) = onsets.get(n + 1) {
                let due = (next - frame) * UP * FRAME;
                self.samples[0] += due as u64;
                self.samples[1] += due.saturating_sub(position - onset + EDGE / 2) as u64;
            }
            self.up_filter.extend(held_back(&starts, onset));
            self.frames(call, &starts, onset, frame..until);
        }
        let asked = firsts.iter().filter_map(|&frame| sent[frame]).filter(|at| call.window.contains(at)).count();
        self.talk[0] += asked as f64 * call.utterance as f64 / 8_000.0;
    }

    /// The delays of these frames, of which the first begins at `onset`.
    fn frames(&mut self, call: &Judged<'_>, starts: &[usize], onset: usize, frames: Range<usize>) {
        for frame in frames.clone() {
            let Some(sent) = call.line.sent.get(frame).copied().flatten() else { continue };
            // In the middle of a frame, the resampler's few milliseconds do not move it to another message.
            let middle = onset + (frame - frames.start) * UP * FRAME + UP * FRAME / 2;
            let Some(arrival) = message_of(starts, middle).and_then(|n| call.live.arrivals.get(n)) else { continue };
            if call.window.contains(&sent) {
                self.up.push(micros(arrival.at.saturating_duration_since(sent)));
            }
        }
    }

    fn downwards(&mut self, call: &Judged<'_>) {
        let mut offset = 0;
        let mut byte = 0;
        let mut media = call.line.media.iter().peekable();
        let replies = &call.session.replies;
        for (n, reply) in replies.iter().enumerate() {
            let begins = |offset: u64| call.live.pieces.iter().find(|(_, at)| *at == offset).map(|(at, _)| *at);
            let Some(sent) = begins(offset) else { continue };
            offset += reply.sent_samples as u64;
            let next = replies.get(n + 1).and_then(|_| begins(offset));
            let first = media.peek().map(|(at, _)| *at);
            let mut bytes = 0;
            while let Some((_, size)) = media.next_if(|(at, _)| next.is_none_or(|next| *at < next)) {
                bytes += size;
            }
            let heard = call.line.heard.get(byte..byte + bytes).unwrap_or_default();
            byte += bytes;
            if !call.window.contains(&sent) {
                continue;
            }
            self.talk[1] += reply.samples as f64 / 24_000.0;
            self.down.extend(first.map(|at| micros(at.saturating_duration_since(sent))));
            let over = next.is_some() && reply.complete && !reply.interrupted;
            if over && reply.samples / 3 == call.reply.len() {
                self.judged[1] += 1;
                if let Err(what) = whole(heard, call.reply) {
                    self.judged[2] += 1;
                    self.fault(call, &what);
                }
            }
        }
    }

    fn clears(&mut self, call: &Judged<'_>) {
        for asked in &call.live.interrupted {
            match call.line.clears.iter().find(|at| *at >= asked).map(|at| *at - *asked) {
                Some(took) if took < CLEAR_WITHIN => self.clear.push(micros(took)),
                _ => self.fault(call, "an interruption was not followed by a clear"),
            }
        }
    }
}

/// Whether a reply came whole: its length, and its end's sound.
fn whole(heard: &[u8], reply: &[i16]) -> Result<(), String> {
    if heard.len() < reply.len() {
        return Err(format!("a reply of {} samples came as {}", reply.len(), heard.len()));
    }
    let pcm = mulaw::decode_all(&heard[..reply.len()]);
    let end = reply.iter().rposition(|sample| sample.unsigned_abs() > 200).map_or(reply.len(), |last| last + 1);
    let from = end.saturating_sub(TAIL);
    // The two may lie some samples apart: the original was resampled by somebody else.
    let shifted = |shift: usize| likeness(&pcm[from + shift..end], &reply[from..end - shift]);
    let shifted_back = |shift: usize| likeness(&pcm[from..end - shift], &reply[from + shift..end]);
    let best = (0..16).flat_map(|shift| [shifted(shift), shifted_back(shift)]).fold(0.0, f64::max);
    if best < ALIKE { Err(format!("the end of a reply is like the original by {best:.2} only")) } else { Ok(()) }
}

/// Normalised correlation.
fn likeness(a: &[i16], b: &[i16]) -> f64 {
    let product = |a: &[i16], b: &[i16]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    product(a, b) / (product(a, a) * product(b, b)).sqrt().max(1.0)
}

/// Where each message's samples begin, and where the last one's end.
fn starts(arrivals: &[Arrival]) -> Vec<usize> {
    let mut at = 0;
    let mut starts: Vec<usize> = Vec::with_capacity(arrivals.len() + 1);
    starts.push(0);
    for arrival in arrivals {
        at += arrival.samples;
        starts.push(at);
    }
    starts
}

/// The message that holds the sample at `position`.
fn message_of(starts: &[usize], position: usize) -> Option<usize> {
    let n = starts.partition_point(|&start| start <= position);
    (n > 0 && n < starts.len()).then(|| n - 1)
}

/// Samples between the end of the onset's message and the end of the caller's frame: what the resampler holds.
fn held_back(starts: &[usize], onset: usize) -> Option<f64> {
    let end = starts[message_of(starts, onset)? + 1];
    Some((onset + UP * FRAME) as f64 - end as f64)
}

/// The markers, each from its first to past its last loud sample.
fn markers(arrivals: &[Arrival]) -> Vec<Range<usize>> {
    let mut markers: Vec<Range<usize>> = Vec::new();
    for (start, arrival) in starts(arrivals).into_iter().zip(arrivals) {
        let Some((first, last)) = arrival.loud else { continue };
        let (first, end) = (start + first, start + last + 1);
        match markers.last_mut() {
            Some(marker) if first - marker.end < ONE_MARKER => marker.end = end,
            _ => markers.push(first..end),
        }
    }
    markers
}

fn micros(took: Duration) -> f64 {
    took.as_secs_f64() * 1e6
}

/// The distribution of `delays`, in microseconds; none of nothing.
pub(crate) fn quantiles(mut delays: Vec<f64>) -> Option<Quantiles> {
    delays.sort_by(f64::total_cmp);
    let count = delays.len();
    let at = |share: f64| delays[((count - 1) as f64 * share).round() as usize];
    (count > 0).then(|| Quantiles { count, p50: at(0.5), p95: at(0.95), p99: at(0.99) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(samples: usize, loud: Option<(usize, usize)>) -> Arrival {
        Arrival { at: Instant::now(), samples, loud }
    }

    #[test]
    fn markers_are_found_across_messages() {
        let tape =
            [arrival(288, None), arrival(320, Some((310, 319))), arrival(320, Some((0, 70))), arrival(320, None)];
        assert_eq!(markers(&tape), std::slice::from_ref(&(598..679)));
        let starts = starts(&tape);
        assert_eq!(message_of(&starts, 598), Some(1));
        assert_eq!(message_of(&starts, 608), Some(2));
        assert_eq!(message_of(&starts, 1_248), None);
    }

    #[test]
    fn a_frame_cut_by_the_resampler_shows_what_it_holds() {
        let tape = [arrival(288, None), arrival(320, Some((32, 100))), arrival(320, None)];
        assert_eq!(held_back(&starts(&tape), 320), Some(32.0));
    }

    #[test]
    fn a_reply_without_its_end_is_noticed() {
        let reply: Vec<i16> = (0..8_000).map(|n| ((n * n / 7) % 9_000 - 4_500) as i16).collect();
        let heard = mulaw::encode_all(&reply);
        assert!(whole(&heard, &reply).is_ok());
        assert!(whole(&heard[..7_999], &reply).is_err());
        let mut muted = heard;
        muted[6_000..].fill(0xFF);
        assert!(whole(&muted, &reply).is_err());
    }

    #[test]
    fn quantiles_of_a_hundred() {
        let spread = quantiles((0..=100).map(f64::from).collect()).unwrap();
        assert_eq!((spread.p50, spread.p95, spread.p99), (50.0, 95.0, 99.0));
        assert!(quantiles(Vec::new()).is_none());
    }
}
