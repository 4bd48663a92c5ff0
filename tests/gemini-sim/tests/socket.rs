//! The simulator over real sockets: who gets in, who may come back, and faults of the transport.
#![expect(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use frontdesk_gemini_sim::{
    ClosedBy, Ending, Fault, GeminiSim, Lasts, PlannedFault, Scenario, Settings, Target, Timing,
};
use frontdesk_voice::{measure, speak};
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error as WsError, Message},
};

const PATH: &str = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent";
/// Nothing here takes long; a machine may.
const PATIENCE: Duration = Duration::from_secs(20);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A simulator that loses no time.
async fn sim(faults: Vec<PlannedFault>) -> GeminiSim {
    let timing = Timing {
        setup_delay: Duration::ZERO,
        reply_delay: Duration::from_millis(20),
        speed: 100.0,
        ..Timing::default()
    };
    let scenario = Scenario { greeting: "Hello.".to_owned(), ..Scenario::default() };
    let settings = Settings {
        timing,
        faults,
        scenario,
        api_key: Some("good".to_owned()),
        keep_audio: true,
        ..Settings::default()
    };
    GeminiSim::start(settings).await.unwrap()
}

fn planned(fault: Fault) -> Vec<PlannedFault> {
    vec![PlannedFault { injection: fault.into(), after: Duration::ZERO }]
}

/// A client that knows no more of the protocol than a test needs.
struct Client {
    socket: Socket,
}

/// How a connection ended for the client.
#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Close(u16, String),
    Lost,
}

impl Client {
    async fn open(sim: &GeminiSim, key: &str) -> Result<Self, WsError> {
        let (socket, _) = connect_async(format!("{}{PATH}?key={key}", sim.ws_base())).await?;
        Ok(Self { socket })
    }

    /// Connects and completes the setup, with a handle or without.
    async fn connect(sim: &GeminiSim, handle: Option<&str>) -> Result<Self, Ended> {
        let mut client = Self::open(sim, "good").await.unwrap();
        client.setup(handle).await;
        match client.next().await {
            Ok(message) if message == json!({"setupComplete": {}}) => Ok(client),
            Ok(other) => panic!("{other} instead of setupComplete"),
            Err(ended) => Err(ended),
        }
    }

    async fn setup(&mut self, handle: Option<&str>) {
        let resumption = handle.map_or_else(|| json!({}), |handle| json!({"handle": handle}));
        self.send(json!({"setup": {"model": "models/gemini-3.8-live", "sessionResumption": resumption,
            "realtimeInputConfig": {"automaticActivityDetection": {"silenceDurationMs": 300}},
            "inputAudioTranscription": {}, "outputAudioTranscription": {}}}))
            .await;
    }

    async fn send(&mut self, message: Value) {
        self.socket.send(Message::text(message.to_string())).await.unwrap();
    }

    async fn greet(&mut self) {
        self.send(json!({"clientContent": {"turnComplete": true}})).await;
    }

    /// The next message that is JSON.
    async fn next(&mut self) -> Result<Value, Ended> {
        loop {
            let message = timeout(PATIENCE, self.socket.next()).await.expect("something comes or the end does");
            match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if let Ok(value) = serde_json::from_slice(&bytes) {
                        return Ok(value);
                    }
                }
                Some(Ok(Message::Close(frame))) => {
                    let frame = frame.expect("the service says why");
                    return Err(Ended::Close(frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(Message::Text(text))) => panic!("a text frame: {text}"),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Ended::Lost),
            }
        }
    }

    /// Reads until a message has `key` and tells all audio that came before.
    async fn until(&mut self, found: impl Fn(&Value) -> bool) -> (Value, Vec<i16>) {
        let mut audio = Vec::new();
        loop {
            let message = self.next().await.unwrap();
            if let Some(data) = message["serverContent"]["modelTurn"]["parts"][0]["inlineData"]["data"].as_str() {
                let bytes = STANDARD.decode(data).unwrap();
                audio.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])));
            }
            if found(&message) {
                return (message, audio);
            }
        }
    }

    async fn turn(&mut self) -> Vec<i16> {
        self.until(|message| message["serverContent"]["turnComplete"] == true).await.1
    }

    async fn handle(&mut self) -> String {
        let (message, _) = self.until(|message| message["sessionResumptionUpdate"]["resumable"] == true).await;
        message["sessionResumptionUpdate"]["newHandle"].as_str().unwrap().to_owned()
    }

    async fn say(&mut self, pcm: &[i16]) {
        for frame in pcm.chunks(640) {
            let bytes: Vec<u8> = frame.iter().flat_map(|sample| sample.to_le_bytes()).collect();
            let audio = json!({"mimeType": "audio/pcm;rate=16000", "data": STANDARD.encode(bytes)});
            self.send(json!({"realtimeInput": {"audio": audio}})).await;
        }
    }

    async fn end(&mut self) -> Ended {
        loop {
            if let Err(ended) = self.next().await {
                return ended;
            }
        }
    }

    async fn leave(mut self) {
        self.socket.close(None).await.unwrap();
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

#[tokio::test]
async fn a_whole_conversation() {
    let sim = sim(Vec::new()).await;
    let mut client = Client::connect(&sim, None).await.unwrap();
    client.greet().await;
    let greeting = client.turn().await;
    let wanted = speak("Hello.", &Scenario::default().voice(), 24_000).unwrap();
    assert_eq!(greeting, wanted, "not one sample is missing");

    let line = &Scenario::default().exchanges[0];
    let mut spoken = speak(&line.caller, &Scenario::default().caller_voice(), 16_000).unwrap();
    spoken.resize(spoken.len() + 16_000, 0);
    client.say(&spoken).await;
    let answer = client.turn().await;
    assert!(measure::rms_dbfs(&answer) > -30.0);
    client.handle().await;
    client.leave().await;

    sim.wait_for(|sessions| !sessions[0].open, PATIENCE).await.unwrap();
    let report = sim.sessions().remove(0);
    assert_eq!(report.utterances[0].recognised.as_deref(), Some(line.caller.as_str()));
    assert_eq!(report.replies[1].text, line.reply);
    assert_eq!(report.audio, spoken);
    assert_eq!(report.closes[0].by, ClosedBy::Client);
    assert!(report.protocol_errors.is_empty(), "{:?}", report.protocol_errors);
    sim.stop().await;
}

#[tokio::test]
async fn wrong_keys_paths_and_first_messages_are_refused() {
    let sim = sim(Vec::new()).await;
    let mut wrong_key = Client::open(&sim, "bad").await.unwrap();
    wrong_key.setup(None).await;
    assert!(matches!(wrong_key.end().await, Ended::Close(1007, reason) if reason.starts_with("API key not valid")));

    let mut wrong_start = Client::open(&sim, "good").await.unwrap();
    wrong_start.greet().await;
    assert!(matches!(wrong_start.end().await, Ended::Close(1007, _)));

    let mut twice = Client::connect(&sim, None).await.unwrap();
    twice.setup(None).await;
    assert!(matches!(twice.end().await, Ended::Close(1007, _)));

    let mut unknown = Client::open(&sim, "good").await.unwrap();
    unknown.send(json!({"setup": {"model": "models/gemini-3.8-live", "speed": 2}})).await;
    assert!(matches!(unknown.end().await, Ended::Close(1007, reason) if reason.contains("\"speed\" at 'setup'")));

    let wrong_path = connect_async(format!("{}/ws/elsewhere", sim.ws_base())).await.unwrap_err();
    assert!(matches!(wrong_path, WsError::Http(response) if response.status() == 404));
    assert_eq!(sim.refusals().len(), 3);
    sim.stop().await;
}

#[tokio::test]
async fn a_session_is_resumed_once_its_old_socket_is_closed() {
    let sim = sim(Vec::new()).await;
    let mut old = Client::connect(&sim, None).await.unwrap();
    old.greet().await;
    let handle = old.handle().await;
    let too_early = Client::connect(&sim, Some(&handle)).await.err();
    assert!(matches!(too_early, Some(Ended::Close(1011, _))));
    old.leave().await;
    let mut new = Client::connect(&sim, Some(&handle)).await.unwrap();
    new.greet().await;
    new.turn().await;
    let report = sim.sessions().remove(0);
    assert_eq!((report.connections, report.greeted, sim.sessions().len()), (2, 1, 1));
    assert_eq!(report.resumed_with, std::slice::from_ref(&handle));
    assert_eq!(report.replies[1].text, Scenario::default().on_text);

    let stranger = Client::connect(&sim, Some("Cih-nobody")).await.err();
    assert!(matches!(stranger, Some(Ended::Close(1008, reason)) if reason.contains("not found")));
    sim.inject(Target::Newest, Fault::RefuseHandle.lasting(Lasts::Once));
    new.leave().await;
    let refused = Client::connect(&sim, Some(&handle)).await.err();
    assert_eq!(refused, Some(Ended::Close(1007, "Invalid session handle".to_owned())));
    Client::connect(&sim, Some(&handle)).await.unwrap();
    sim.stop().await;
}

#[tokio::test]
async fn connections_are_cut_and_closed_on_demand() {
    let sim = sim(Vec::new()).await;
    let mut client = Client::connect(&sim, None).await.unwrap();
    assert_eq!(sim.inject(Target::Newest, Fault::Drop), 1);
    assert_eq!(client.end().await, Ended::Lost);

    let mut client = Client::connect(&sim, None).await.unwrap();
    let (code, reason) = (1011, "Internal error encountered.".to_owned());
    sim.inject(Target::Session(1), Fault::Close { code, reason: reason.clone() });
    assert_eq!(client.end().await, Ended::Close(code, reason));

    let mut client = Client::connect(&sim, None).await.unwrap();
    let then = Ending::Close { code: 1008, reason: "The operation was aborted.".to_owned() };
    sim.inject(Target::Each, Fault::GoAway { time_left: Some(Duration::from_millis(50)), then });
    assert_eq!(client.next().await, Ok(json!({"goAway": {"timeLeft": "0.05s"}})));
    assert!(matches!(client.end().await, Ended::Close(1008, _)));
    assert_eq!(sim.inject(Target::Newest, Fault::Drop), 0, "nobody is there");
    sim.stop().await;
}

#[tokio::test]
async fn the_door_can_be_shut() {
    let faults = [
        Fault::RefuseConnect(503).lasting(Lasts::Once),
        Fault::CloseAtSetup { code: 1007, reason: "API key expired.".to_owned() }.lasting(Lasts::Once),
    ];
    let faults = faults.map(|injection| PlannedFault { injection, after: Duration::ZERO });
    let sim = sim(faults.to_vec()).await;
    let refused = Client::open(&sim, "good").await.err();
    assert!(matches!(refused, Some(WsError::Http(response)) if response.status() == 503));
    let closed = Client::connect(&sim, None).await.err();
    assert_eq!(closed, Some(Ended::Close(1007, "API key expired.".to_owned())));
    Client::connect(&sim, None).await.unwrap();
    sim.stop().await;
}

#[tokio::test]
async fn garbage_leaves_the_conversation_intact() {
    let sim = sim(planned(Fault::Garbage)).await;
    let mut client = Client::connect(&sim, None).await.unwrap();
    client.greet().await;
    assert!(!client.turn().await.is_empty());
    sim.stop().await;
}

#[tokio::test]
async fn a_stalled_service_sends_nothing_and_then_everything() {
    let sim = sim(Vec::new()).await;
    let mut client = Client::connect(&sim, None).await.unwrap();
    let stall = Duration::from_millis(400);
    sim.inject(Target::Newest, Fault::Stall(stall));
    let asked = tokio::time::Instant::now();
    client.greet().await;
    client.next().await.unwrap();
    assert!(asked.elapsed() > stall / 2, "{:?}", asked.elapsed());
    assert!(!client.turn().await.is_empty());
    sim.stop().await;
}

#[tokio::test]
async fn a_half_open_connection_is_silent_and_its_session_can_come_back() {
    let sim = sim(Vec::new()).await;
    let mut client = Client::connect(&sim, None).await.unwrap();
    client.greet().await;
    let handle = client.handle().await;
    sim.inject(Target::Newest, Fault::HalfOpen);
    client.send(json!({"realtimeInput": {"text": "Hello?"}})).await;
    assert!(timeout(Duration::from_millis(300), client.socket.next()).await.is_err());
    let mut again = Client::connect(&sim, Some(&handle)).await.unwrap();
    again.greet().await;
    again.turn().await;
    assert!(sim.sessions()[0].texts.iter().all(|text| text.text.is_empty()), "it was not read");
    sim.stop().await;
}

#[tokio::test]
async fn a_slow_reader_backs_up_and_then_reads_all() {
    let sim = sim(Vec::new()).await;
    let mut client = Client::connect(&sim, None).await.unwrap();
    sim.inject(Target::Newest, Fault::SlowReader(Duration::from_millis(300)));
    let second = vec![0_i16; 16_000];
    for _ in 0..20 {
        client.say(&second).await;
    }
    sim.wait_for(|sessions| sessions[0].samples_received == 320_000, PATIENCE).await.unwrap();
    sim.stop().await;
}

#[tokio::test]
async fn pongs_come_late_when_told_to() {
    let sim = sim(Vec::new()).await;
    let mut client = Client::connect(&sim, None).await.unwrap();
    let delay = Duration::from_millis(300);
    let mut round_trip = async || {
        let sent = tokio::time::Instant::now();
        client.socket.send(Message::Ping(b"are you there".as_slice().into())).await.unwrap();
        loop {
            match timeout(PATIENCE, client.socket.next()).await.unwrap() {
                Some(Ok(Message::Pong(payload))) => {
                    assert_eq!(payload, b"are you there".as_slice());
                    return sent.elapsed();
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    };
    round_trip().await;
    sim.inject(Target::Newest, Fault::LatePong(delay).lasting(Lasts::Once));
    // The order reaches the session by another way than the ping: the next pong but one is late at the latest.
    let (first, second) = (round_trip().await, round_trip().await);
    assert!(first >= delay || second >= delay, "{first:?}, {second:?}");
    assert_eq!(sim.sessions()[0].pings, 3);
    sim.stop().await;
}

#[tokio::test]
async fn observers_see_every_sample() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let (heard, sent) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (heard_too, sent_too) = (Arc::clone(&heard), Arc::clone(&sent));
    let settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls_listen: None,
        recognise: false,
        timing: Timing { speed: 100.0, reply_delay: Duration::ZERO, ..Timing::default() },
        on_audio: Some(Arc::new(move |_, pcm, _| {
            heard_too.fetch_add(pcm.len(), Ordering::Relaxed);
        })),
        on_sent_audio: Some(Arc::new(move |_, offset, samples, _| {
            assert_eq!(sent_too.fetch_add(samples, Ordering::Relaxed) as u64, offset);
        })),
        ..Settings::default()
    };
    let sim = GeminiSim::start(settings).await.unwrap();
    let mut client = Client::connect(&sim, None).await.unwrap();
    let speech: Vec<i16> = (0..32_000).map(|n| if n < 16_000 && n % 40 < 20 { 4_000 } else { 0 }).collect();
    client.say(&speech).await;
    let answer = client.turn().await;
    assert_eq!(sim.sessions()[0].replies[0].text, Scenario::default().exchanges[0].reply, "the first canned answer");
    assert_eq!((heard.load(Ordering::Relaxed), sent.load(Ordering::Relaxed)), (32_000, answer.len()));
    sim.stop().await;
}

#[tokio::test]
async fn stopping_says_goodbye() {
    let sim = sim(Vec::new()).await;
    let mut client = Client::connect(&sim, None).await.unwrap();
    let (ended, ()) = tokio::join!(client.end(), sim.stop());
    assert!(matches!(ended, Ended::Close(1001, _)));
}
