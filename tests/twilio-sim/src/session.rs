//! An open stream: sends the caller's frames, plays what arrives, echoes marks, obeys faults.

use std::{collections::VecDeque, time::Duration};

use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::{
    Message, Utf8Bytes,
    protocol::{CloseFrame, frame::coding::CloseCode},
};

use crate::{
    call_shared::Command,
    caller::{Act, FRAME, FRAME_TIME, Script},
    faults::{Fault, StartMode},
    line::{Incoming, Line},
    playback::{CAPACITY, Echo, Playback, SILENCE},
    report::What,
    stream::{Leave, Socket, StreamPlan, text},
    stream_report::{Clear, Said, StreamEnd, samples, span},
    wire::{FromServer, Introduction, Reader, Writer},
};

/// How long the server may take to answer our close frame.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// One open stream.
pub(crate) struct Session<'a> {
    plan: &'a StreamPlan<'a>,
    script: &'a mut Script,
    line: Line,
    writer: Writer,
    reader: Reader,
    playback: Playback,
    opened: Instant,
    /// Time zero of both timelines.
    start: Instant,
    /// The next frame; it covers samples `frame * 160 ..` and leaves when they are over.
    frame: u64,
    /// Heard samples that no frame has consumed yet.
    heard: Vec<u8>,
    /// The frame heard before this one: nobody reacts to what is still being said.
    heard_before: [u8; FRAME],
    acts: Vec<Act>,
    trouble: Trouble,
    /// Warnings that have been raised: Twilio raises each once per stream.
    warned: Vec<u32>,
    leave: Option<(Leave, StreamEnd)>,
}

/// Faults in force.
#[derive(Default)]
struct Trouble {
    /// Nothing of the caller is sent before this frame.
    frozen_until: u64,
    /// So many frames will be lost.
    lose: u32,
    /// So many frames will be held back before all are sent at once.
    hold: u32,
    /// One frame leaves every n-th tick.
    slow: Option<u32>,
    /// Frames waiting because of the two above: their position and audio.
    held: VecDeque<(u64, [u8; FRAME])>,
    deaf_until: Option<Instant>,
    half_open: bool,
    no_start: bool,
}

impl<'a> Session<'a> {
    /// Sends `connected` and `start`; the stream's clock begins here.
    pub(crate) fn begin(
        plan: &'a StreamPlan<'a>,
        socket: Socket,
        script: &'a mut Script,
        introduction: &Introduction<'_>,
    ) -> Self {
        let opened = Instant::now();
        let mut line = Line::new(socket);
        let mut writer = Writer::new(plan.stream_sid, plan.first_timestamp, plan.faults.numeric_counters);
        line.send(text(Writer::connected()));
        let no_start = *introduction.mode == StartMode::Missing;
        if !no_start {
            line.send(text(writer.start(introduction)));
        }
        Self {
            plan,
            script,
            line,
            writer,
            reader: Reader::new(plan.stream_sid),
            playback: Playback::new(),
            opened,
            start: Instant::now(),
            frame: 0,
            heard: Vec::with_capacity(4 * FRAME),
            heard_before: [SILENCE; FRAME],
            acts: Vec::new(),
            trouble: Trouble { no_start, ..Trouble::default() },
            warned: Vec::new(),
            leave: None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.leave.is_some()
    }

    pub(crate) fn is_half_open(&self) -> bool {
        self.trouble.half_open
    }

    /// When to call [`on_time`](Self::on_time): the next frame is due or a mark has been reached.
    pub(crate) fn deadline(&self) -> Instant {
        let frame = self.start + FRAME_TIME * (self.frame as u32 + 1);
        match self.playback.next_mark() {
            Some(mark) => frame.min(self.start + span(mark)),
            None => frame,
        }
    }

    pub(crate) async fn next_message(&mut self) -> Incoming {
        let deaf = self.trouble.deaf_until.is_some();
        self.line.next(deaf).await
    }

    fn now(&self) -> u64 {
        samples(self.start.elapsed())
    }

    // --- time ---

    pub(crate) fn on_time(&mut self) {
        if self.trouble.deaf_until.is_some_and(|until| until <= Instant::now()) {
            self.trouble.deaf_until = None;
        }
        let now = self.now();
        while (self.frame + 1) * FRAME as u64 <= now && !self.is_over() {
            self.one_frame();
        }
        self.playback.advance(now);
        self.send_echoes();
    }

    fn one_frame(&mut self) {
        self.playback.advance((self.frame + 1) * FRAME as u64);
        self.heard.extend(self.playback.take_heard());
        let mut said = [0; FRAME];
        self.script.frame(&self.heard_before, &mut said, &mut self.acts);
        self.heard_before.copy_from_slice(&self.heard[..FRAME]);
        self.report_frame(&said);
        self.send_echoes();
        self.send_caller(&said);
        let acts = std::mem::take(&mut self.acts);
        for act in acts {
            self.act(act);
        }
        self.frame += 1;
    }

    fn report_frame(&mut self, said: &[u8; FRAME]) {
        let heard = self.heard.drain(..FRAME);
        let runs = self.playback.runs();
        let lead = self.playback.largest_backlog();
        let played = (self.frame + 1) * FRAME as u64;
        let dropped = self.line.dropped();
        self.plan.call.update(|report| {
            let stream = report.last_stream();
            stream.played = played;
            stream.largest_lead = lead;
            stream.frames_dropped = dropped;
            // Only the newest run can have grown since the last frame.
            let settled = stream.runs.len().saturating_sub(1);
            stream.runs.truncate(settled);
            stream.runs.extend_from_slice(&runs[settled..]);
            if let Some(saying) = stream.utterances.last_mut().filter(|said| !said.finished) {
                saying.span.end = played;
            }
            if self.plan.record_audio {
                stream.heard.extend(heard);
                stream.said.extend_from_slice(said);
            }
        });
        if dropped > 0 {
            self.warn_once(31_930, "the server reads too slowly: audio to it is dropped");
        }
    }

    fn send_caller(&mut self, said: &[u8; FRAME]) {
        let frame = self.frame;
        if self.trouble.no_start || frame < self.trouble.frozen_until {
            return;
        }
        if self.trouble.lose > 0 {
            self.trouble.lose -= 1;
            self.writer.skip_chunks(1);
            return;
        }
        if self.trouble.hold == 0 && self.trouble.slow.is_none() && self.trouble.held.is_empty() {
            self.send_frame(frame, said);
            return;
        }
        self.trouble.held.push_back((frame, *said));
        if self.trouble.hold > 0 {
            self.trouble.hold -= 1;
        } else if let Some(every) = self.trouble.slow {
            if frame.is_multiple_of(u64::from(every.max(1)))
                && let Some((at, audio)) = self.trouble.held.pop_front()
            {
                self.send_frame(at, &audio);
            }
        } else {
            for (at, audio) in std::mem::take(&mut self.trouble.held) {
                self.send_frame(at, &audio);
            }
        }
    }

    fn send_frame(&mut self, position: u64, audio: &[u8; FRAME]) {
        let message = Message::Text(Utf8Bytes::from(self.writer.media(position, audio)));
        if self.line.send_media(message) {
            self.plan.hooks.sent(self.plan.index, position);
            self.plan.call.update(|report| report.last_stream().frames_sent += 1);
        }
    }

    fn send_echoes(&mut self) {
        let echoes: Vec<Echo> = self.playback.take_echoes().collect();
        for echo in echoes {
            let message = self.writer.mark(&echo.name);
            self.line.send(text(message));
            self.plan.call.note(What::Mark { name: echo.name.clone(), cleared: echo.cleared });
            self.plan.call.update(|report| report.last_stream().marks.push(echo));
        }
    }

    // --- the caller ---

    fn act(&mut self, act: Act) {
        let at = self.frame * FRAME as u64;
        let call = self.plan.call;
        match act {
            Act::Began(label) => {
                call.note(What::CallerSays(label.clone()));
                call.update(|report| {
                    report.last_stream().utterances.push(Said { label, span: at..at + FRAME as u64, finished: false });
                });
            }
            Act::Finished(label) => {
                call.update(|report| {
                    if let Some(said) = report.last_stream().utterances.last_mut() {
                        said.span.end = at + FRAME as u64;
                        said.finished = true;
                    }
                });
                call.note(What::CallerSaid(label));
            }
            Act::GaveUp(what) => {
                call.update(|report| report.gave_up.push(what.clone()));
                call.note(What::CallerGaveUp(what));
            }
            Act::Digit(digit) => {
                let message = self.writer.dtmf(digit);
                self.line.send(text(message));
                call.note(What::Key(digit));
            }
            Act::Fault(fault) => self.fault(fault),
            Act::HangUp => self.end(Leave::HungUp, StreamEnd::CallerHungUp),
        }
    }

    pub(crate) fn on_command(&mut self, command: Command) {
        match command {
            Command::Perform { steps, done } => self.script.append(steps, done),
            Command::Fault(fault) => self.fault(fault),
            Command::HangUp => self.end(Leave::HungUp, StreamEnd::CallerHungUp),
            Command::Complete => self.end(Leave::Completed, StreamEnd::Completed),
            Command::Replace(source) => self.end(Leave::Replace(source), StreamEnd::Replaced),
        }
    }

    fn end(&mut self, leave: Leave, end: StreamEnd) {
        self.leave.get_or_insert((leave, end));
    }

    fn fault(&mut self, fault: Fault) {
        self.plan.call.note(What::Fault(match &fault {
            Fault::Text(_) => "Text".to_owned(),
            other => format!("{other:?}"),
        }));
        let silence = [SILENCE; FRAME];
        match fault {
            Fault::Garbage => self.line.send(text("}this is not JSON{")),
            Fault::WrongStreamSid => {
                let message = self.writer.foreign_media(self.frame, &silence);
                self.line.send(text(message));
            }
            Fault::Binary => self.line.send(Message::binary(silence.to_vec())),
            Fault::HugeText(size) => self.line.send(text("x".repeat(size))),
            Fault::UnknownEvent => {
                let message = self.writer.unknown();
                self.line.send(text(message));
            }
            Fault::Text(content) => self.line.send(text(content)),
            Fault::Freeze(lasts) => self.trouble.frozen_until = self.frame + frames(lasts),
            Fault::LostGap(count) => self.trouble.lose = count,
            Fault::Burst(count) => self.trouble.hold = count,
            Fault::SlowSender(every) => self.trouble.slow = Some(every),
            Fault::SlowReader(lasts) => self.trouble.deaf_until = Some(Instant::now() + lasts),
            Fault::HalfOpen => self.trouble.half_open = true,
            Fault::DropTcp => {
                self.line.reset_on_drop();
                self.end(Leave::NextVerb, StreamEnd::Cut);
            }
            Fault::Close(code) => {
                self.line.send(close_frame(code));
                self.end(Leave::NextVerb, StreamEnd::Cut);
            }
        }
    }

    // --- the server ---

    pub(crate) fn on_message(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Message(Message::Text(content)) => self.on_text(&content),
            Incoming::Message(Message::Binary(_)) => self.warn_once(31_950, "binary message"),
            Incoming::Message(Message::Close(frame)) => {
                let code = frame.map(|frame| u16::from(frame.code));
                let shown = code.map_or_else(|| "no code".to_owned(), |code| code.to_string());
                self.plan.call.alert(31_921, format!("the server closed the stream ({shown})"));
                self.end(Leave::NextVerb, StreamEnd::ServerClosed(code));
            }
            // The library answers pings by itself.
            Incoming::Message(Message::Ping(_) | Message::Pong(_) | Message::Frame(_)) => {}
            Incoming::Violation(text) => {
                self.plan.call.alert(31_924, text);
                self.end(Leave::NextVerb, StreamEnd::ServerLost);
            }
            Incoming::Lost(text) => {
                self.plan.call.alert(31_903, text);
                self.end(Leave::NextVerb, StreamEnd::ServerLost);
            }
        }
    }

    fn warn_once(&mut self, code: u32, text: &str) {
        if !self.warned.contains(&code) {
            self.warned.push(code);
            self.plan.call.alert(code, text);
        }
    }

    fn on_text(&mut self, content: &str) {
        let now = self.now();
        match self.reader.read(content) {
            Ok(FromServer::Media) => self.on_media(now),
            Ok(FromServer::Mark(name)) => {
                self.playback.mark(now, name);
                self.send_echoes();
            }
            Ok(FromServer::Clear) => {
                self.plan.hooks.clear(self.plan.index);
                let dropped = self.playback.clear(now);
                self.plan.call.update(|report| {
                    let at = now;
                    report.last_stream().clears.push(Clear { at, dropped });
                });
                self.plan.call.note(What::Cleared(dropped));
                self.send_echoes();
            }
            Err(complaint) => self.warn_once(31_951, &complaint),
        }
    }

    fn on_media(&mut self, now: u64) {
        let audio = self.reader.audio();
        self.plan.hooks.media(self.plan.index, audio);
        let taken = self.playback.push(now, audio);
        let size = audio.len();
        let since_open = self.opened.elapsed();
        let is_first = self.plan.call.update(|report| {
            let stream = report.last_stream();
            stream.media_received += 1;
            stream.bytes_received += size as u64;
            stream.first_audio.replace(stream.first_audio.unwrap_or(since_open)).is_none()
        });
        if is_first {
            self.plan.call.note(What::FirstAudio);
        }
        if taken < size {
            let text = format!("more than {CAPACITY} bytes queued: the rest is dropped");
            self.warn_once(31_931, &text);
        }
        // Playing up to now may have passed a mark.
        self.send_echoes();
    }

    // --- the end ---

    /// Says goodbye as far as that is possible and reports how the stream ended.
    pub(crate) async fn finish(mut self) -> Leave {
        let (leave, end) = self.leave.take().unwrap_or((Leave::NextVerb, StreamEnd::Cut));
        let by_us = matches!(end, StreamEnd::CallerHungUp | StreamEnd::Completed | StreamEnd::Replaced);
        let unplayed = self.playback.backlog();
        self.plan.call.update(|report| {
            let stream = report.last_stream();
            stream.unplayed = unplayed;
            stream.end = Some(end.clone());
        });
        self.plan.call.note(What::StreamEnded(describe(&end, unplayed)));
        if self.trouble.half_open {
            self.plan.limbo.keep(self.line.into_socket());
            return leave;
        }
        if by_us {
            if !self.trouble.no_start {
                let message = self.writer.stop(self.plan.account_sid, self.plan.call_sid);
                self.line.send(text(message));
            }
            self.line.send(close_frame(1_000));
        }
        if !matches!(end, StreamEnd::ServerLost) && !self.line.resets() {
            // A server that does not answer the goodbye is left alone after a while.
            let _ = timeout(CLOSE_LIMIT, self.line.drain()).await;
        }
        leave
    }
}

fn frames(lasts: Duration) -> u64 {
    (lasts.as_millis() / FRAME_TIME.as_millis()) as u64
}

fn close_frame(code: u16) -> Message {
    Message::Close(Some(CloseFrame { code: CloseCode::from(code), reason: Utf8Bytes::default() }))
}

fn describe(end: &StreamEnd, unplayed: usize) -> String {
    let how = match end {
        StreamEnd::Refused { .. } => "refused".to_owned(),
        StreamEnd::CallerHungUp => "ended: the caller hung up".to_owned(),
        StreamEnd::Completed => "ended: completed over REST".to_owned(),
        StreamEnd::Replaced => "ended: new document over REST".to_owned(),
        StreamEnd::ServerClosed(Some(code)) => format!("ended: the server closed with {code}"),
        StreamEnd::ServerClosed(None) => "ended: the server closed".to_owned(),
        StreamEnd::ServerLost => "ended: connection lost".to_owned(),
        StreamEnd::Cut => "ended: cut by a fault".to_owned(),
    };
    match unplayed {
        0 => how,
        n => format!("{how}; {} ms were never heard", n / 8),
    }
}
