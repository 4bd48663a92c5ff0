//! What was said, as it was heard.
//!
//! The caller's words are the service's transcription. The agent's words are kept with the position in its speech at
//! which they arrived; a reply that was cut ends with the last word that was heard whole.

use crate::audio::pace::Position;
use std::time::Instant;

/// No voice speaks faster than that: text that runs ahead of its audio is not taken for heard. Samples a character,
/// at 22 characters a second.
const SAMPLES_PER_CHARACTER: u64 = 8_000 / 22;
/// Turns kept for telling a fresh session what happened.
const REMEMBERED: usize = 40;
/// Characters of that telling.
const SUMMARY: usize = 4_000;

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The patient.
    Caller,
    /// The receptionist.
    Agent,
}

/// One party's say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who spoke.
    pub who: Who,
    /// What was heard of it.
    pub text: String,
    /// First sound.
    pub started: Instant,
    /// Last sound.
    pub ended: Instant,
    /// It was cut by the other party.
    pub interrupted: bool,
}

struct CallerTurn {
    text: String,
    started: Instant,
    ended: Instant,
}

struct AgentTurn {
    started: Instant,
    from: Position,
    fragments: Vec<(Position, String)>,
}

/// The transcript in the making.
#[derive(Default)]
pub struct Transcript {
    caller: Option<CallerTurn>,
    voice: Option<(Instant, Instant)>,
    agent: Option<AgentTurn>,
    remembered: Vec<(Who, String)>,
}

impl Transcript {
    /// The caller's voice was heard.
    pub fn caller_voice(&mut self, now: Instant) {
        match (&mut self.caller, &mut self.voice) {
            (Some(turn), _) => turn.ended = now,
            (None, Some((_, ended))) => *ended = now,
            (None, voice @ None) => *voice = Some((now, now)),
        }
    }

    /// The service has understood a piece of what the caller says.
    pub fn caller_said(&mut self, now: Instant, text: &str) {
        let (started, ended) = self.voice.take().unwrap_or((now, now));
        let turn = self.caller.get_or_insert(CallerTurn { text: String::new(), started, ended });
        turn.text.push_str(text);
    }

    /// The caller's turn is over. Returns it, if anything was understood.
    pub fn close_caller(&mut self) -> Option<Said> {
        self.voice = None;
        let turn = self.caller.take()?;
        self.keep(Who::Caller, &turn.text, turn.started, turn.ended, false)
    }

    /// A reply begins at `from`.
    pub fn agent_started(&mut self, now: Instant, from: Position) {
        match &mut self.agent {
            // Words may come before their audio.
            Some(turn) if turn.fragments.iter().all(|(at, _)| *at >= from) => turn.started = now,
            Some(_) => {}
            None => self.agent = Some(AgentTurn { started: now, from, fragments: Vec::new() }),
        }
    }

    /// The service has written down a piece of what the agent says; its audio begins at `at` or later.
    pub fn agent_said(&mut self, now: Instant, at: Position, text: &str) {
        let turn = self.agent.get_or_insert(AgentTurn { started: now, from: at, fragments: Vec::new() });
        turn.fragments.push((at, text.to_owned()));
    }

    /// The reply is over: heard to its end, or cut at `cut`.
    pub fn close_agent(&mut self, now: Instant, end: Position, cut: Option<Position>) -> Option<Said> {
        let turn = self.agent.take()?;
        let text = match cut {
            None => turn.text(),
            Some(cut) => turn.heard(end, cut),
        };
        self.keep(Who::Agent, &text, turn.started, now, cut.is_some())
    }

    /// What happened so far, what is being said included, for a session that knows nothing.
    pub fn summary(&self) -> String {
        let mut lines = Vec::new();
        let mut room = SUMMARY;
        let open = self.caller.iter().map(|turn| (Who::Caller, turn.text.trim().to_owned()));
        let open = open.chain(self.agent.iter().map(|turn| (Who::Agent, turn.text().trim().to_owned())));
        let open: Vec<_> = open.filter(|(_, text)| !text.is_empty()).collect();
        for (who, text) in open.iter().rev().chain(self.remembered.iter().rev()) {
            let who = if *who == Who::Caller { "Caller" } else { "You" };
            let line = format!("{who}: {text}");
            if line.len() > room {
                break;
            }
            room -= line.len();
            lines.push(line);
        }
        lines.reverse();
        lines.join("\n")
    }

    /// Whether anything was said yet.
    pub fn is_empty(&self) -> bool {
        let replied = self.agent.as_ref().is_some_and(|turn| !turn.fragments.is_empty());
        self.remembered.is_empty() && self.caller.is_none() && !replied
    }

    fn keep(&mut self, who: Who, text: &str, started: Instant, ended: Instant, interrupted: bool) -> Option<Said> {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        if text.is_empty() {
            return None;
        }
        if self.remembered.len() == REMEMBERED {
            self.remembered.remove(0);
        }
        self.remembered.push((who, text.clone()));
        Some(Said { who, text, started, ended: ended.max(started), interrupted })
    }
}

impl AgentTurn {
    /// Everything that was written down of it, heard or not.
    fn text(&self) -> String {
        self.fragments.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The words whose audio had been heard whole at `cut`, when the reply's audio reached to `end`.
    fn heard(&self, end: Position, cut: Position) -> String {
        let mut heard = String::new();
        let mut characters = 0;
        for (n, (at, text)) in self.fragments.iter().enumerate() {
            let until = self.fragments.get(n + 1).map_or(end, |(next, _)| *next).max(*at);
            let whole = text.chars().count().max(1) as u64;
            let mut done = 0;
            for word in text.split_inclusive(' ') {
                let sounding = done + word.trim_end().chars().count() as u64;
                done += word.chars().count() as u64;
                let by_arrival = at.0 + (until.0 - at.0) * sounding / whole;
                let by_rate = self.from.0 + (characters + sounding) * SAMPLES_PER_CHARACTER;
                if by_arrival.max(by_rate.min(end.0)) > cut.0 {
                    return heard;
                }
                heard.push_str(word);
            }
            characters += whole;
        }
        heard
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests need some instant to count from")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Four fragments of one second of audio each.
    fn reply() -> (Transcript, Instant) {
        let (mut transcript, now) = (Transcript::default(), Instant::now());
        transcript.agent_started(now, Position(0));
        for (second, text) in ["We are open ", "from nine to ", "five on every ", "weekday."].into_iter().enumerate() {
            transcript.agent_said(now, Position(second as u64 * 8_000), text);
        }
        (transcript, now)
    }

    #[test]
    fn a_reply_heard_to_its_end_is_kept_whole() {
        let (mut transcript, now) = reply();
        let said = transcript.close_agent(now, Position(32_000), None).unwrap();
        assert_eq!(said.text, "We are open from nine to five on every weekday.");
        assert!(!said.interrupted);
    }

    #[test]
    fn a_cut_reply_ends_with_the_last_word_heard_whole() {
        for (cut, text) in [
            (0, None),
            (2_000, Some("We")),
            (8_000, Some("We are open")),
            (11_000, Some("We are open from")),
            (31_000, Some("We are open from nine to five on every")),
            (32_000, Some("We are open from nine to five on every weekday.")),
        ] {
            let (mut transcript, now) = reply();
            let said = transcript.close_agent(now, Position(32_000), Some(Position(cut)));
            assert_eq!(said.map(|said| said.text).as_deref(), text, "cut at {cut}");
        }
    }

    #[test]
    fn text_that_runs_ahead_of_its_audio_is_not_taken_for_heard() {
        let (mut transcript, now) = (Transcript::default(), Instant::now());
        transcript.agent_started(now, Position(0));
        let text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";
        transcript.agent_said(now, Position(0), text);
        // Only a second of audio has arrived when the reply is cut at its end.
        let said = transcript.close_agent(now, Position(80_000), Some(Position(8_000))).unwrap();
        assert!(said.text.len() <= 22, "{}", said.text);
    }

    #[test]
    fn the_callers_turn_carries_the_times_of_the_voice() {
        let (mut transcript, start) = (Transcript::default(), Instant::now());
        let later = |ms| start + std::time::Duration::from_millis(ms);
        transcript.caller_voice(start);
        transcript.caller_voice(later(900));
        transcript.caller_said(later(1_000), " Hello,");
        transcript.caller_said(later(1_100), " I need  help.");
        let said = transcript.close_caller().unwrap();
        assert_eq!((said.text.as_str(), said.started, said.ended), ("Hello, I need help.", start, later(900)));
        assert_eq!(transcript.close_caller(), None);
        assert_eq!(transcript.summary(), "Caller: Hello, I need help.");
    }

    #[test]
    fn a_reply_under_way_is_part_of_what_happened() {
        let (transcript, _) = reply();
        assert!(!transcript.is_empty(), "a greeting under way is not given twice");
        assert_eq!(transcript.summary(), "You: We are open from nine to five on every weekday.");
    }

    proptest! {
        #[test]
        fn more_heard_never_means_fewer_words(cuts in proptest::collection::vec(0u64..40_000, 2)) {
            let (low, high) = (cuts[0].min(cuts[1]), cuts[0].max(cuts[1]));
            let text = |cut| {
                let (mut transcript, now) = reply();
                transcript.close_agent(now, Position(32_000), Some(Position(cut))).map(|said| said.text).unwrap_or_default()
            };
            prop_assert!(text(high).starts_with(&text(low)));
        }
    }
}
