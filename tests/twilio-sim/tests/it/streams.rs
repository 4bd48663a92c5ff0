//! Streams against a small bridge: what the caller hears, and every way in which a stream ends.

use std::time::Duration;

use crate::common::{Bridge, LONG, STREAM, quick_sim};
use frontdesk_twilio_sim::{CallState, Caller, Fault, RestFault, StartMode, Step, StreamEnd, Utterance};
use frontdesk_voice::mulaw;
use serde_json::json;

const THEN_DIAL: &str = r#"<Response><Connect><Stream url="wss://desk.example.com/media/1"/></Connect><Say>One moment.</Say><Dial timeout="15"><Number>+15550100900</Number></Dial></Response>"#;

/// A tone of so many samples, in mu-law.
fn tone(samples: usize) -> Vec<u8> {
    let sample = |n| (8_000.0 * (n as f32 * 0.35).sin()) as i16;
    (0..samples).map(|n| mulaw::encode(sample(n))).collect()
}

fn document(text: &'static str) -> impl Fn(&crate::common::Got) -> String + Send + Sync {
    move |got| match got.path.as_str() {
        "/voice" => text.into(),
        _ => String::new(),
    }
}

#[tokio::test]
async fn the_caller_hears_what_was_sent_and_the_marks_come_back_in_order() {
    let bridge = Bridge::start(document(STREAM), |mut peer| async move {
        let start = peer.until("start").await.unwrap();
        assert_eq!(start["start"]["customParameters"]["token"], "t1");
        for n in 0..50 {
            peer.media(&tone(8_000)[n * 160..(n + 1) * 160]).await;
        }
        peer.mark("middle").await;
        peer.media(&tone(800)).await;
        peer.mark("end").await;
        assert_eq!(peer.until("mark").await.unwrap()["mark"]["name"], "middle");
        assert_eq!(peer.until("mark").await.unwrap()["mark"]["name"], "end");
        peer.close().await;
    })
    .await;
    let sim = quick_sim().await;
    let call = sim.call(bridge.plan());
    let report = call.wait_ended(LONG).await.unwrap();
    assert_eq!(report.state, CallState::Completed);
    assert!(report.problems().is_empty(), "{:?}", report.alerts);
    let stream = report.stream().unwrap();
    assert_eq!(stream.unplayed, 0);
    assert!(stream.first_audio.is_some());
    let heard = stream.heard();
    assert_eq!(heard.runs.len(), 1, "{:?}", heard.runs);
    let from = heard.runs[0].from as usize;
    let sent = mulaw::decode_all(&tone(8_000));
    assert_eq!(heard.pcm[from..from + 8_000], sent[..]);
    assert_eq!(stream.marks[0].at as usize, from + 8_000);
    let events: Vec<String> =
        bridge.got().iter().filter(|got| got.path == "/stream").map(|got| got.params["StreamEvent"].clone()).collect();
    assert_eq!(events, ["stream-started", "stream-stopped"]);
    let status = bridge.got().into_iter().find(|got| got.path == "/status");
    assert_eq!(status.unwrap().params["CallStatus"], "completed");
}

#[tokio::test]
async fn an_interruption_is_heard_by_the_server_and_clear_silences_the_agent() {
    let bridge = Bridge::start(document(STREAM), |mut peer| async move {
        peer.until("start").await;
        peer.media(&tone(80_000)).await;
        peer.mark("never reached").await;
        while let Some(message) = peer.until("media").await {
            let payload = message["media"]["payload"].as_str().unwrap();
            if !payload.starts_with("////////") {
                break;
            }
        }
        peer.clear().await;
        assert_eq!(peer.until("mark").await.unwrap()["mark"]["name"], "never reached");
        peer.until("stop").await;
    })
    .await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.caller = Caller::new([
        Step::Interrupt {
            after: Duration::from_millis(400),
            timeout: LONG,
            say: Utterance::new("stop", &[8_000; 4_000]),
        },
        Step::HangUp,
    ]);
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert!(report.problems().is_empty(), "{:?}", report.alerts);
    let stream = report.stream().unwrap();
    assert_eq!(stream.end, Some(StreamEnd::CallerHungUp));
    assert!(stream.marks[0].cleared);
    let delay = stream.barge_in_delays()[0].unwrap();
    assert!(delay < Duration::from_millis(500), "{delay:?}");
    let left = stream.heard().audible_after_clear(0, Duration::from_secs(1));
    assert_eq!(left, Some(Duration::ZERO));
    // Both timelines lie on one clock: the caller began after 400 ms of the agent.
    let onset = stream.utterances[0].span.start;
    let agent = stream.runs[0].from;
    assert!((3_040..=3_680).contains(&(onset - agent)), "{onset} {agent}");
}

#[tokio::test]
async fn digits_arrive_one_by_one() {
    let bridge = Bridge::start(document(STREAM), |mut peer| async move {
        assert_eq!(peer.until("dtmf").await.unwrap()["dtmf"]["digit"], "4");
        assert_eq!(peer.until("dtmf").await.unwrap()["dtmf"]["digit"], "#");
        peer.close().await;
    })
    .await;
    let sim = quick_sim().await;
    let call = sim.call(bridge.plan());
    call.press("4#").await;
    let report = call.wait_ended(LONG).await.unwrap();
    assert_eq!(report.stream().unwrap().end, Some(StreamEnd::ServerClosed(None)));
}

#[tokio::test]
async fn a_server_that_dies_leaves_the_call_to_the_next_verb() {
    let bridge = Bridge::start(document(THEN_DIAL), |mut peer| async move {
        peer.until("media").await;
        peer.socket.get_ref().set_zero_linger().unwrap();
    })
    .await;
    let sim = quick_sim().await;
    let report = sim.call(bridge.plan()).wait_ended(LONG).await.unwrap();
    assert_eq!(report.streams[0].end, Some(StreamEnd::ServerLost));
    assert_eq!(report.alerts[0].code, 31_903);
    assert_eq!(report.dialled[0].targets, ["+15550100900"]);
    assert_eq!(report.state, CallState::Completed);
}

#[tokio::test]
async fn a_refused_handshake_goes_on_with_the_next_verb() {
    let refuse = r#"<Response><Connect><Stream url="wss://desk.example.com/refuse"/></Connect><Hangup/></Response>"#;
    let bridge = Bridge::start(document(refuse), |_| async {}).await;
    let sim = quick_sim().await;
    let report = sim.call(bridge.plan()).wait_ended(LONG).await.unwrap();
    let end = report.streams[0].end.clone().unwrap();
    assert_eq!(end, StreamEnd::Refused { status: Some(403), code: 31_920 });
    assert_eq!(report.verbs[1], "Hangup");
}

async fn rest(sim: &frontdesk_twilio_sim::TwilioSim, sid: &str, form: &str, token: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let account = &sim.settings().account_sid;
    let address = sim.api_base().replace("http://", "");
    let credentials = STANDARD.encode(format!("{account}:{token}"));
    let mut tcp = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "POST /2010-04-01/Accounts/{account}/Calls/{sid}.json HTTP/1.1\r\nHost: {address}\r\n\
         Authorization: Basic {credentials}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{form}",
        form.len()
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let _ = tcp.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn rest_completes_a_streaming_call_and_refuses_an_ended_one() {
    let bridge = Bridge::start(document(THEN_DIAL), |mut peer| async move {
        assert_eq!(peer.until("stop").await.unwrap()["event"], "stop");
    })
    .await;
    let sim = quick_sim().await;
    let call = sim.call(bridge.plan());
    call.wait_for(|report| !report.streams.is_empty(), LONG).await.unwrap();
    let token = sim.settings().auth_token.clone();
    assert!(rest(&sim, &call.sid(), "Status=completed", "wrong").await.contains("20003"));
    let done = rest(&sim, &call.sid(), "Status=completed", &token).await;
    assert!(done.starts_with("HTTP/1.1 200") && done.contains(r#""status":"completed""#), "{done}");
    let report = call.wait_ended(LONG).await.unwrap();
    assert_eq!(report.stream().unwrap().end, Some(StreamEnd::Completed));
    assert!(report.dialled.is_empty(), "completing is not handing over");
    assert!(rest(&sim, &call.sid(), "Status=completed", &token).await.contains("21220"));
    assert!(rest(&sim, "CAnone", "Status=completed", &token).await.contains("20404"));
}

#[tokio::test]
async fn a_new_document_over_rest_ends_the_stream_and_the_call_goes_on() {
    let bridge = Bridge::start(document(STREAM), |mut peer| async move {
        peer.until("stop").await.unwrap();
    })
    .await;
    let sim = quick_sim().await;
    let call = sim.call(bridge.plan());
    call.wait_for(|report| !report.streams.is_empty(), LONG).await.unwrap();
    sim.fail_rest(RestFault::TooManyRequests { times: 1, retry_after: Some(1) });
    sim.fail_rest(RestFault::ResetAfterProcessing { times: 1 });
    let twiml = "Twiml=%3CResponse%3E%3CDial%3E%2B15550100901%3C%2FDial%3E%3C%2FResponse%3E";
    let token = sim.settings().auth_token.clone();
    let busy = rest(&sim, &call.sid(), twiml, &token).await;
    assert!(busy.contains("429") && busy.to_lowercase().contains("retry-after: 1"), "{busy}");
    assert_eq!(rest(&sim, &call.sid(), twiml, &token).await, "", "processed, but not answered");
    let report = call.wait_ended(LONG).await.unwrap();
    assert_eq!(report.stream().unwrap().end, Some(StreamEnd::Replaced));
    assert_eq!(report.dialled[0].targets, ["+15550100901"]);
    let statuses: Vec<_> = sim.rest_requests().iter().map(|r| r.status).collect();
    assert_eq!(statuses, [Some(429), None]);
}

#[tokio::test]
async fn protocol_faults_of_the_server_are_reported_once_each() {
    let bridge = Bridge::start(document(STREAM), |mut peer| async move {
        use futures_util::SinkExt;
        use tokio_tungstenite::tungstenite::Message;
        peer.until("start").await;
        for _ in 0..2 {
            peer.socket.send(Message::binary(vec![1])).await.unwrap();
            peer.send(json!({"event":"media","streamSid":"MZother","media":{"payload":"AAAA"}})).await;
        }
        peer.close().await;
    })
    .await;
    let sim = quick_sim().await;
    let report = sim.call(bridge.plan()).wait_ended(LONG).await.unwrap();
    let codes: Vec<u32> = report.problems().iter().map(|alert| alert.code).collect();
    assert_eq!(codes, [31_950, 31_951]);
    assert_eq!(report.stream().unwrap().media_received, 0);
}

#[tokio::test]
async fn faults_reach_the_server_as_what_they_are() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let bridge = Bridge::start(document(STREAM), move |mut peer| {
        let tell = tell.clone();
        async move {
            let mut last = 0;
            while let Some(message) = peer.next().await {
                let number = |value: &serde_json::Value| value.as_str().map(|n| n.parse::<u64>().unwrap());
                let Some(chunk) = number(&message["media"]["chunk"]) else {
                    tell.send(message["event"].to_string()).unwrap();
                    continue;
                };
                if chunk != last + 1 && last != 0 {
                    tell.send(format!("{} chunks lost", chunk - last - 1)).unwrap();
                }
                last = chunk;
                if message["streamSid"] != peer.sid.as_str() {
                    tell.send("foreign".into()).unwrap();
                }
            }
            tell.send("gone".into()).unwrap();
        }
    })
    .await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.caller = Caller::new([
        Step::Pause(Duration::from_millis(60)),
        Step::Fault(Fault::UnknownEvent),
        Step::Fault(Fault::LostGap(3)),
        Step::Pause(Duration::from_millis(100)),
        Step::Fault(Fault::WrongStreamSid),
        Step::Fault(Fault::DropTcp),
    ]);
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert_eq!(report.stream().unwrap().end, Some(StreamEnd::Cut));
    let mut all = Vec::new();
    while let Some(word) = told.recv().await {
        let gone = word == "gone";
        all.push(word);
        if gone {
            break;
        }
    }
    let wanted = [r#""connected""#, r#""start""#, r#""weather""#, "3 chunks lost"];
    assert_eq!(all[..4], wanted.map(String::from));
    assert!(all.contains(&"gone".to_owned()));
}

#[tokio::test]
async fn a_stream_without_start_says_connected_and_nothing_else() {
    let bridge = Bridge::start(document(STREAM), |mut peer| async move {
        assert_eq!(peer.next().await.unwrap()["event"], "connected");
        // The bridge's patience, not the test's: whatever comes within it would be wrong.
        let more = tokio::time::timeout(Duration::from_millis(200), peer.next()).await;
        assert!(more.is_err(), "{more:?}");
        peer.close().await;
    })
    .await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.stream.start = StartMode::Missing;
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert_eq!(report.stream().unwrap().frames_sent, 0);
}

#[tokio::test]
async fn a_second_connect_is_a_new_stream_of_the_same_call() {
    let twice = r#"<Response><Connect><Stream url="wss://desk.example.com/a"/></Connect><Connect><Stream url="wss://desk.example.com/b"/></Connect></Response>"#;
    let bridge = Bridge::start(document(twice), |mut peer| async move {
        peer.until("media").await;
        peer.close().await;
    })
    .await;
    let sim = quick_sim().await;
    let call = sim.call(bridge.plan());
    let report = call.wait_ended(LONG).await.unwrap();
    assert_eq!(report.streams.len(), 2);
    assert_ne!(report.streams[0].sid, report.streams[1].sid);
    assert_eq!(call.reuse_stream_url().await, Ok(101), "this bridge lets anybody in twice");
}
