//! What the service sends, message by message.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use super::super::close::Verdict;
use super::super::wire::{self, ServerContent, ServerMessage};
use super::LiveSession;
use super::connection::State;
use super::event::{Action, LiveEvent, SpeechRange, Usage};
use crate::audio::resample::Resampler;
use crate::units::SampleRate;

/// Behind `interrupted`, leftovers of the turn are dropped for at most that long.
const LEFTOVERS: Duration = Duration::from_secs(1);
/// What the service says of a failure is repeated up to that many characters: it goes to the log.
pub(super) const MOST_REPEATED: usize = 200;

/// The model's turn, as far as it concerns a resumption.
#[derive(Default)]
pub(super) struct ModelTurn {
    pub(super) first_speech: Option<Instant>,
    /// Something of it was written down, before its sound or behind it.
    pub(super) worded: bool,
    pub(super) leftovers_until: Option<Instant>,
}

impl LiveSession {
    /// A message, text or binary. What still comes behind the end of a conversation says nothing any more.
    pub fn frame(&mut self, now: Instant, frame: &[u8]) {
        if self.state == State::Over {
            return;
        }
        self.last_frame = Some(now);
        if self.events.is_empty() {
            self.speech.clear();
        }
        match ServerMessage::parse(frame) {
            Ok(message) => self.on_message(now, message),
            Err(_) => self.events.push_back(LiveEvent::Garbage),
        }
    }

    pub(super) fn on_message(&mut self, now: Instant, message: ServerMessage<'_>) {
        let in_progress = message.interaction_status() == Some("IN_PROGRESS");
        if message.setup_complete.0.is_some() {
            self.on_setup_complete(now);
        }
        if let Some(content) = message.server_content.0 {
            self.on_content(now, content, in_progress);
        }
        for call in message.tool_call.0.into_iter().flat_map(|calls| calls.function_calls.0) {
            let Some(call) = call.0 else { continue };
            let name = call.name.0.as_deref().unwrap_or_default();
            self.on_tool_call(now, call.id.0.as_deref(), name, &call.args.0);
        }
        for id in message.tool_call_cancellation.0.into_iter().flat_map(|cancelled| cancelled.ids.0) {
            let key = id.0.and_then(|id| self.ledger.cancel(self.connection, &id));
            self.events.extend(key.map(LiveEvent::ToolCancelled));
            self.release_after_tools();
        }
        if let Some(update) = message.session_resumption_update.0 {
            self.on_handle(now, update.new_handle.0.as_deref(), update.resumable.0);
        }
        if let Some(go_away) = message.go_away.0 {
            self.on_go_away(now, go_away.remaining().unwrap_or(Duration::from_secs(10)));
        }
        if let Some(usage) = message.usage_metadata.0 {
            self.events.push_back(LiveEvent::Usage(Usage {
                prompt: usage.prompt_token_count.0,
                response: usage.response_token_count.0,
                total: usage.total_token_count.0,
            }));
        }
        // A connection that is being replaced anyway is not replaced twice.
        if let Some(error) = message.error.0.filter(|_| !matches!(self.state, State::Closing { .. })) {
            let text = error.message.0.unwrap_or_default();
            self.actions.push_back(Action::Drop);
            self.failed(now, Verdict::Unknown, format!("error {}: {text:.MOST_REPEATED$}", error.code.0));
        }
    }

    pub(super) fn on_content(&mut self, now: Instant, content: ServerContent<'_>, in_progress: bool) {
        self.last_content = Some(now);
        if content.interrupted.0 {
            if self.turn.first_speech.is_some() {
                self.turn.leftovers_until = Some(now + LEFTOVERS);
            }
            self.unknown.answered = true;
            self.silent_after_tool = None;
            self.events.push_back(LiveEvent::Interrupted);
        }
        if let Some(text) = content.input_transcription.0.and_then(|transcription| transcription.text.0) {
            let text = without_control_tokens(text);
            self.unknown.caller.push_str(&text);
            if !text.trim().is_empty() {
                // Whoever speaks up waits for an answer to that.
                self.silent_after_tool = None;
            }
            self.events.push_back(LiveEvent::CallerSaid(text));
        }
        let leftover = self.is_leftover(now);
        if let Some(text) =
            content.output_transcription.0.and_then(|transcription| transcription.text.0).filter(|_| !leftover)
        {
            let text = without_control_tokens(text);
            self.unknown.agent.push_str(&text);
            self.turn.worded |= !text.trim().is_empty();
            self.unknown.answered = false;
            self.events.push_back(LiveEvent::AgentSaid(text));
        }
        self.forget_what_is_being_answered();
        for part in content.model_turn.0.into_iter().flat_map(|turn| turn.parts.0) {
            if let Some(blob) = part.0.and_then(|part| part.inline_data.0) {
                self.on_blob(now, &blob);
            }
        }
        if content.generation_complete.0 {
            self.unknown.answered = true;
            self.events.push_back(LiveEvent::GenerationComplete);
        }
        if content.waiting_for_input.0 {
            self.silent_after_tool = None;
            self.events.push_back(LiveEvent::WaitingForInput);
        }
        if content.turn_complete.0 && !in_progress {
            if let Some(first) = self.turn.first_speech {
                self.answered_until = Some(first);
                self.replay.forget_before(first);
            }
            self.turn = ModelTurn::default();
            self.carry = None;
            let reason = content.turn_complete_reason.0.map(|reason| reason.chars().take(MOST_REPEATED).collect());
            self.events.push_back(LiveEvent::TurnComplete { reason });
        }
    }

    /// A question whose answer has begun and can be told in words is never said again; see [`hold`](Self::hold).
    fn forget_what_is_being_answered(&mut self) {
        if let Some(first) = self.turn.first_speech.filter(|_| self.turn.worded) {
            self.replay.forget_before(first);
        }
    }

    /// Whether what the model says now belongs to a turn that was interrupted: its words are dropped like its sound.
    fn is_leftover(&self, now: Instant) -> bool {
        self.turn.leftovers_until.is_some_and(|until| now < until)
    }

    pub(super) fn on_blob(&mut self, now: Instant, blob: &wire::Blob<'_>) {
        let (Some(rate), Some(data)) = (blob.pcm_rate(), blob.data.0.as_deref()) else { return };
        if self.is_leftover(now) {
            return;
        }
        if self.turn.first_speech.is_none() {
            self.turn = ModelTurn { first_speech: Some(now), worded: self.turn.worded, ..ModelTurn::default() };
        }
        self.silent_after_tool = None;
        let start = self.speech.len();
        if !wire::decode_pcm(data, &mut self.scratch, &mut self.carry, &mut self.speech) {
            self.events.push_back(LiveEvent::Garbage);
            return;
        }
        if rate != SampleRate::SPEAKING.hz() {
            self.change_rate(rate, start);
        }
        self.events.push_back(LiveEvent::Speech(SpeechRange(start..self.speech.len())));
    }

    /// The service has always sent 24 kHz; another rate is honoured all the same.
    pub(super) fn change_rate(&mut self, rate: u32, start: usize) {
        let Some(from) = SampleRate::from_hz(rate) else { return };
        if self.foreign_rate.as_ref().is_none_or(|(known, _)| *known != rate) {
            self.foreign_rate = Some((rate, Resampler::new(from, SampleRate::SPEAKING)));
        }
        let foreign = self.speech.split_off(start);
        if let Some((_, resampler)) = &mut self.foreign_rate {
            resampler.push(&foreign, &mut self.speech);
        }
    }
}

/// Some models leak tokens such as `<ctrl46>` into their transcripts (2.5 native audio, seen 2025).
fn without_control_tokens(text: Cow<'_, str>) -> String {
    let mut text = text.into_owned();
    while let Some(start) = text.find("<ctrl") {
        let Some(end) = text[start..].find('>') else { break };
        text.replace_range(start..=start + end, "");
    }
    text
}
