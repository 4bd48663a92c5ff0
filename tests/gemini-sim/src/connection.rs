//! One WebSocket: from its first message to its end. All waiting is here, and no rule about the conversation.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use frontdesk_voice::{Recognised, resample};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    task::JoinSet,
    time::{sleep_until, timeout},
};
use tokio_tungstenite::tungstenite::{Error as WsError, Message, protocol::CloseFrame};

use crate::{
    conversation::{Conversation, Output},
    door::LiveRoute,
    fault::Fault,
    hall::{Entry, Order},
    link::{CLOSE_PATIENCE, Link, STOP_PATIENCE},
    report::{Closed, ClosedBy},
    server::Shared,
    wire::{
        Refusal,
        client::{ClientMessage, Reader},
        server,
        setup::Setup,
    },
};

/// A client that says nothing at all is not waited for longer.
const SETUP_PATIENCE: Duration = Duration::from_secs(15);

/// How a conversation ended, as far as the socket is concerned.
enum End {
    /// The client sent a close frame.
    ByClient(Option<CloseFrame>),
    /// Close with this.
    Refused(Refusal),
    /// Cut the transport.
    Cut,
    Lost(String),
    /// The simulator stops.
    Stopped,
}

/// Serves an upgraded connection until it ends.
pub(crate) async fn serve<S>(transport: S, route: LiveRoute, verdict: Result<(), Refusal>, shared: Arc<Shared>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut link = Link::new(transport, shared.text_frames).await;
    let mut reader = Reader::default();
    let setup = tokio::select! {
        setup = timeout(SETUP_PATIENCE, first_message(&mut link, &mut reader, &route, verdict, &shared)) => setup,
        () = shared.stop.cancelled() => return,
    };
    let (setup, raw) = match setup {
        Ok(Ok(setup)) => setup,
        Ok(Err(Some(refusal))) => {
            return turn_away(&mut link, refusal, &shared).await;
        }
        Ok(Err(None)) => return,
        Err(_) => {
            let aborted = Refusal::new(1008, "The operation was aborted.");
            return turn_away(&mut link, aborted, &shared).await;
        }
    };
    let entry = match &setup.handle {
        None => Ok(shared.hall.enter(&setup.model, &shared.world.ledger)),
        Some(handle) => shared.hall.come_back(handle, &setup.model, &shared.world.ledger).await,
    };
    match entry {
        Ok(entry) => {
            Session::new(link, reader, entry, setup, &route, shared).run(raw).await;
        }
        Err(refusal) => turn_away(&mut link, refusal, &shared).await,
    }
}

/// The setup, or the refusal to close with; `None` when the client is gone.
async fn first_message<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut Link<S>,
    reader: &mut Reader,
    route: &LiveRoute,
    verdict: Result<(), Refusal>,
    shared: &Shared,
) -> Result<(Setup, serde_json::Value), Option<Refusal>> {
    let payload = loop {
        match link.next(true, true).await {
            Some(Ok(message)) if message.is_text() || message.is_binary() => {
                break message.into_data();
            }
            Some(Ok(message)) if message.is_close() => return Err(None),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Err(None),
        }
    };
    verdict?;
    if let Some(refusal) = shared.hall.refusal_at_setup() {
        return Err(Some(refusal));
    }
    let mut parsed = reader.read(&payload)?;
    match parsed.messages.pop() {
        Some(ClientMessage::Setup(raw)) if parsed.messages.is_empty() => {
            Ok((Setup::read(&raw, &route.version, route.vertex)?, raw))
        }
        _ => Err(Some(Refusal::new(1007, "The first message must be a setup."))),
    }
}

/// Refuses a setup.
async fn turn_away<S: AsyncRead + AsyncWrite + Unpin>(link: &mut Link<S>, refusal: Refusal, shared: &Shared) {
    log::info!("setup refused: {} {}", refusal.code, refusal.reason);
    let (code, reason) = (Some(refusal.code), refusal.reason.clone());
    shared.world.ledger.refused(Closed { by: ClosedBy::Simulator, code, reason });
    link.close(&refusal, CLOSE_PATIENCE).await;
}

/// What work on other threads brought.
enum Done {
    Recognised { utterance: usize, heard: Option<Recognised> },
    Rendered(String),
}

/// A connection with a session.
struct Session<S> {
    link: Link<S>,
    reader: Reader,
    conversation: Conversation,
    entry: Entry,
    vertex: bool,
    shared: Arc<Shared>,
    work: JoinSet<Done>,
    /// Nothing is sent before then.
    mute_until: Option<Instant>,
    /// Nothing is read before then.
    deaf_until: Option<Instant>,
    /// Pongs to be sent late.
    pongs: VecDeque<(Instant, Bytes)>,
    /// Scratch for the samples of one message.
    pcm: Vec<i16>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    fn new(
        link: Link<S>,
        reader: Reader,
        mut entry: Entry,
        setup: Setup,
        route: &LiveRoute,
        shared: Arc<Shared>,
    ) -> Self {
        let vertex = route.vertex;
        shared.world.ledger.note(entry.session, |report| {
            report.connections += 1;
            report.open = true;
            report.resumed_with.extend(setup.handle.clone());
        });
        let memory = std::mem::take(&mut entry.memory);
        let switches = std::mem::take(&mut entry.switches);
        let conversation = Conversation::new(Arc::clone(&shared.world), entry.session, setup, vertex);
        Self {
            link,
            reader,
            conversation: conversation.resuming(memory, switches),
            entry,
            vertex,
            shared,
            work: JoinSet::new(),
            mute_until: None,
            deaf_until: None,
            pongs: VecDeque::new(),
            pcm: Vec::new(),
        }
    }

    async fn run(mut self, setup: serde_json::Value) {
        let session = self.entry.session;
        log::info!("session {session}: connection {}", self.entry.connection);
        self.shared.world.ledger.note(session, |report| report.setups.push(setup));
        let stop = self.shared.stop.clone();
        let end = tokio::select! {
            end = self.converse() => end,
            () = stop.cancelled() => End::Stopped,
        };
        let closed = closed(&end);
        log::info!("session {session}: closed by {:?}, {:?} {}", closed.by, closed.code, closed.reason);
        // Before the farewell: by the time the client hears it, it may come back.
        let (memory, switches) = self.conversation.leave();
        let own = self.shared.hall.leave(session, self.entry.connection, memory, switches);
        self.shared.world.ledger.note(session, |report| {
            report.open &= !own;
            report.closes.push(closed);
        });
        match end {
            End::ByClient(_) => self.link.finish(CLOSE_PATIENCE).await,
            End::Refused(refusal) => self.link.close(&refusal, CLOSE_PATIENCE).await,
            End::Stopped => {
                let goodbye = Refusal::new(1001, "The simulator stops.");
                self.link.close(&goodbye, STOP_PATIENCE).await;
            }
            End::Cut | End::Lost(_) => {}
        }
    }

    async fn converse(&mut self) -> End {
        let early = match self.complete_setup().await {
            Ok(early) => early,
            Err(end) => return end,
        };
        for payload in early {
            if let Some(end) = self.payload(&payload) {
                return end;
            }
        }
        let mut wake = Box::pin(sleep_until(tokio::time::Instant::now()));
        loop {
            let now = Instant::now();
            self.end_pauses(now);
            if let Some(end) = self.drain(now) {
                return end;
            }
            let wake_at = self.wake_at();
            if let Some(at) = wake_at
                && wake.deadline().into_std() != at
            {
                wake.as_mut().reset(at.into());
            }
            let (read, write) = (self.deaf_until.is_none(), self.mute_until.is_none());
            let ended = tokio::select! {
                message = self.link.next(read, write) => self.received(message),
                () = &mut wake, if wake_at.is_some() => None,
                Some(order) = self.entry.orders.recv() => {
                    match order {
                        Order::Inject(injection) => self.conversation.inject(Instant::now(), injection),
                        Order::ClearFaults => self.conversation.switches().clear(),
                    }
                    None
                }
                Some(done) = self.work.join_next() => {
                    match done {
                        Ok(Done::Recognised { utterance, heard }) => self.conversation.recognised(utterance, heard),
                        Ok(Done::Rendered(text)) => self.conversation.rendered(Instant::now(), &text),
                        Err(error) => log::error!("a worker failed: {error}"),
                    }
                    None
                }
            };
            if let Some(end) = ended {
                return end;
            }
        }
    }

    /// `setupComplete`, after its delay; what the client sends before is too early, and read afterwards.
    async fn complete_setup(&mut self) -> Result<Vec<Bytes>, End> {
        let mut early = Vec::new();
        let delay = tokio::time::sleep(self.shared.world.timing.setup_delay);
        tokio::pin!(delay);
        loop {
            let message = tokio::select! {
                message = self.link.next(true, true) => message,
                () = &mut delay => break,
            };
            match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    if early.is_empty() {
                        self.conversation.complain("a message before setupComplete");
                    }
                    early.push(message.into_data());
                }
                other => {
                    if let Some(end) = self.received(other) {
                        return Err(end);
                    }
                }
            }
        }
        let id = self.vertex.then(|| format!("session-{}-{}", self.shared.world.nonce, self.entry.session));
        self.link.send_json(server::setup_complete(id.as_deref())).map_err(|error| End::Lost(error.to_string()))?;
        let now = Instant::now();
        for planned in std::mem::take(&mut self.entry.planned) {
            self.conversation.plan(now + planned.after, planned.injection);
        }
        Ok(early)
    }

    fn received(&mut self, message: Option<Result<Message, WsError>>) -> Option<End> {
        match message {
            None => Some(End::Lost(String::new())),
            Some(Err(error)) => Some(End::Lost(error.to_string())),
            Some(Ok(Message::Text(text))) => self.payload(text.as_str().as_bytes()),
            Some(Ok(Message::Binary(bytes))) => self.payload(&bytes),
            Some(Ok(Message::Ping(payload))) => {
                self.pinged(payload);
                None
            }
            Some(Ok(Message::Pong(_) | Message::Frame(_))) => None,
            Some(Ok(Message::Close(frame))) => Some(End::ByClient(frame)),
        }
    }

    /// A message's content.
    fn payload(&mut self, payload: &[u8]) -> Option<End> {
        let now = Instant::now();
        self.pcm.clear();
        if let Some(rate_hz) = self.reader.read_audio(payload, &mut self.pcm) {
            self.heard(now, rate_hz);
            return None;
        }
        let parsed = match self.reader.read(payload) {
            Ok(parsed) => parsed,
            Err(refusal) => {
                self.conversation.complain(refusal.reason.clone());
                return Some(End::Refused(refusal));
            }
        };
        for complaint in parsed.complaints {
            self.conversation.complain(complaint);
        }
        for message in parsed.messages {
            if let ClientMessage::Audio { rate_hz, pcm } = message {
                self.pcm = pcm;
                self.heard(now, rate_hz);
            } else {
                log::debug!("session {}: {message:?}", self.entry.session);
                self.conversation.message(now, message);
            }
        }
        None
    }

    fn heard(&mut self, now: Instant, rate_hz: u32) {
        if let Some(on_audio) = &self.shared.on_audio {
            on_audio(self.entry.session, &self.pcm, now);
        }
        self.conversation.audio(now, rate_hz, &self.pcm);
    }

    fn pinged(&mut self, payload: Bytes) {
        self.shared.world.ledger.note(self.entry.session, |report| report.pings += 1);
        let late = self.conversation.switches().take(|fault| match fault {
            Fault::LatePong(delay) => Some(*delay),
            _ => None,
        });
        if let Some(delay) = late {
            self.link.withhold_pong();
            self.pongs.push_back((Instant::now() + delay, payload));
        }
    }

    /// Does all that the conversation wants done by now.
    fn drain(&mut self, now: Instant) -> Option<End> {
        while let Some((_, payload)) = self.pongs.pop_front_if(|(at, _)| *at <= now) {
            if let Err(error) = self.link.send(Message::Pong(payload)) {
                return Some(End::Lost(error.to_string()));
            }
        }
        while self.mute_until.is_none() {
            let end = match self.conversation.poll(now)? {
                Output::Send(json) => self.link.send_json(json).err().map(|error| End::Lost(error.to_string())),
                Output::Speech { message, offset, samples } => self.speech(message, offset, samples),
                Output::Recognise { utterance, pcm, rate_hz } => {
                    self.recognise(utterance, pcm, rate_hz);
                    None
                }
                Output::Render(text) => {
                    self.render(text);
                    None
                }
                Output::Close(refusal) => Some(End::Refused(refusal)),
                Output::Drop => Some(End::Cut),
                Output::Transport(fault) => {
                    self.suffer(now, &fault);
                    None
                }
            };
            if end.is_some() {
                return end;
            }
        }
        None
    }

    fn speech(&mut self, message: Bytes, offset: u64, samples: usize) -> Option<End> {
        let sent = self.link.send_json(message);
        if let Some(on_sent_audio) = &self.shared.on_sent_audio {
            on_sent_audio(self.entry.session, offset, samples, Instant::now());
        }
        sent.err().map(|error| End::Lost(error.to_string()))
    }

    fn recognise(&mut self, utterance: usize, pcm: Vec<i16>, rate_hz: u32) {
        let shared = Arc::clone(&self.shared);
        let session = self.entry.session;
        self.work.spawn_blocking(move || {
            let heard = shared.recogniser.as_ref().and_then(|known| known.recognise(&resample(&pcm, rate_hz, 16_000)));
            let words = heard.as_ref().map_or("(unintelligible)", |heard| heard.text.as_str());
            log::info!("session {session}: hears {words:?}");
            Done::Recognised { utterance, heard }
        });
    }

    fn render(&mut self, text: String) {
        let shared = Arc::clone(&self.shared);
        self.work.spawn_blocking(move || {
            if let Err(error) = shared.world.library.render(&text) {
                log::error!("cannot say {text:?}: {error}");
            }
            Done::Rendered(text)
        });
    }

    /// A fault of the transport begins.
    fn suffer(&mut self, now: Instant, fault: &Fault) {
        let for_ever = now + Duration::from_hours(365 * 24);
        match fault {
            Fault::Stall(duration) => self.mute_until = Some(now + *duration),
            Fault::SlowReader(duration) => self.deaf_until = Some(now + *duration),
            _ => (self.mute_until, self.deaf_until) = (Some(for_ever), Some(for_ever)),
        }
        if self.deaf_until.is_some() {
            // We will not see the client go, so it has to be able to come back regardless.
            let (memory, switches) = self.conversation.leave_open();
            self.shared.hall.go_deaf(self.entry.session, self.entry.connection, memory, switches);
        }
    }

    fn end_pauses(&mut self, now: Instant) {
        self.mute_until.take_if(|until| *until <= now);
        if self.deaf_until.take_if(|until| *until <= now).is_some() {
            self.shared.hall.hear_again(self.entry.session, self.entry.connection);
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let conversation = self.conversation.wake_at().filter(|_| self.mute_until.is_none());
        let pong = self.pongs.front().map(|(at, _)| *at);
        [conversation, pong, self.mute_until, self.deaf_until].into_iter().flatten().min()
    }
}

fn closed(end: &End) -> Closed {
    let (by, code, reason) = match end {
        End::ByClient(Some(frame)) => (ClosedBy::Client, Some(frame.code.into()), frame.reason.to_string()),
        End::ByClient(None) => (ClosedBy::Client, None, String::new()),
        End::Refused(refusal) => (ClosedBy::Simulator, Some(refusal.code), refusal.reason.clone()),
        End::Stopped => (ClosedBy::Simulator, Some(1001), String::new()),
        End::Cut => (ClosedBy::Simulator, None, String::new()),
        End::Lost(why) => (ClosedBy::Lost, None, why.clone()),
    };
    Closed { by, code, reason }
}
