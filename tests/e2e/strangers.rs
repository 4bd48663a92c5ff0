//! Requests and streams that are not Twilio's, or not as they should be: the offender is turned away, others notice nothing.

use std::time::Duration;

use frontdesk_tests::daemon::FALLBACK;
use frontdesk_tests::script::{clinic, line};
use frontdesk_tests::world::{Making, World, agent_recogniser, caller_says, listen};
use frontdesk_twilio_sim::{CallPlan, Fault, SignatureMode, StartMode, Step, StreamFaults, WebhookFault};

const CALL: Duration = Duration::from_secs(90);

#[tokio::test(flavor = "multi_thread")]
async fn unsigned_and_forged_webhooks_are_refused_and_leave_nothing_in_the_log() {
    let world = World::start().await.unwrap();
    let secret = "+15550177777";
    for fault in [
        WebhookFault::MissingSignature,
        WebhookFault::WrongToken,
        WebhookFault::AlteredBody,
        WebhookFault::HostCase,
        WebhookFault::OtherAccount,
    ] {
        let plan = CallPlan { webhook_fault: fault, from: secret.into(), ..world.plan_call([]) };
        let report = world.twilio.call(plan).wait_ended(CALL).await.unwrap();
        assert_eq!(report.webhooks[0].outcome.as_ref().ok(), Some(&403), "{fault:?}: {:?}", report.webhooks[0].outcome);
        assert_eq!(report.webhooks[0].body, "");
        assert!(report.streams.is_empty());
    }
    assert!(world.gemini.sessions().is_empty(), "no model was bothered");
    let (_, metrics) = world.daemon.get("/metrics").await.unwrap();
    let refused =
        metrics.lines().find(|line| line.contains("webhook") && line.contains("refused") && line.contains("_count"));
    assert!(refused.is_some_and(|line| line.ends_with(" 4")), "{metrics}");
    let log = world.daemon.log().join("\n");
    assert!(!log.contains(secret) && !log.contains("7777"), "the log quotes an unsigned request:\n{log}");
    let calls = world.daemon.json("/v1/calls").await.unwrap();
    assert_eq!(calls["calls"].as_array().unwrap().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replayed_webhook_and_a_used_token_start_nothing() {
    let world = World::start().await.unwrap();
    let call = world.call([listen(), Step::HangUp]);
    call.wait_for(|report| report.stream().is_some_and(|stream| stream.bytes_received > 0), CALL).await.unwrap();
    assert_eq!(call.reuse_stream_url().await.unwrap(), 404, "the token is used up");
    let report = call.wait_ended(CALL).await.unwrap();
    assert_eq!(call.replay_webhook(0).await.unwrap(), 200);
    let path = format!("/v1/calls/{}", report.sid);
    world.daemon.wait_for_json(&path, Duration::from_secs(5), |call| call["ended_at"].is_string()).await.unwrap();
    assert_eq!(call.replay_webhook(0).await.unwrap(), 200);
    assert_eq!(world.gemini.sessions().len(), 1, "a replay is no call");
    let health = world.daemon.json("/health").await.unwrap();
    assert_eq!(health["active_calls"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_introduce_themselves_wrongly_are_closed_and_the_caller_reaches_a_human() {
    let world = World::start().await.unwrap();
    let wrong = [
        StreamFaults { signature: SignatureMode::Wrong, ..StreamFaults::default() },
        StreamFaults { signature: SignatureMode::None, ..StreamFaults::default() },
        StreamFaults { start: StartMode::ForeignCall, ..StreamFaults::default() },
        StreamFaults { start: StartMode::ForeignAccount, ..StreamFaults::default() },
        StreamFaults { start: StartMode::NoParameters, ..StreamFaults::default() },
        StreamFaults { start: StartMode::OtherFormat, ..StreamFaults::default() },
        StreamFaults { start: StartMode::Missing, ..StreamFaults::default() },
    ];
    let calls: Vec<_> = wrong
        .iter()
        .map(|stream| world.twilio.call(CallPlan { stream: stream.clone(), ..world.plan_call([]) }))
        .collect();
    for (call, stream) in calls.iter().zip(&wrong) {
        let report = call.wait_ended(CALL).await.unwrap();
        assert_eq!(report.dialled.len(), 1, "{stream:?}: {:?}", report.events);
        assert_eq!(report.dialled[0].targets, [FALLBACK], "{stream:?}");
    }
    // Forms of the handshake that Twilio's documents hint at, and counters as numbers, are let in.
    for stream in [
        StreamFaults { signature: SignatureMode::WssSlash, ..StreamFaults::default() },
        StreamFaults { signature: SignatureMode::Https, ..StreamFaults::default() },
        StreamFaults { numeric_counters: true, ..StreamFaults::default() },
    ] {
        let call = world.twilio.call(CallPlan { stream, ..world.plan_call([listen(), Step::HangUp]) });
        let report = call.wait_ended(CALL).await.unwrap();
        assert!(report.dialled.is_empty() && report.gave_up.is_empty(), "{:?}", report.events);
    }
}

/// One call's stream does every wrong thing there is, one after the other in calls of its own; a good call goes on beside them.
#[tokio::test(flavor = "multi_thread")]
async fn a_broken_stream_is_closed_and_the_call_beside_it_notices_nothing() {
    let scenario = clinic();
    let world = World::start().await.unwrap();
    let hours = &scenario.exchanges[line::HOURS];
    let good = world.call([
        listen(),
        Step::Say(caller_says(&scenario, &hours.caller).unwrap()),
        listen(),
        Step::Say(caller_says(&scenario, &scenario.exchanges[line::PARKING].caller).unwrap()),
        listen(),
        Step::HangUp,
    ]);
    let faults = [
        Fault::Garbage,
        Fault::WrongStreamSid,
        Fault::Binary,
        Fault::HugeText(10 << 20),
        Fault::Text(r#"{"event":"media"}"#.into()),
        Fault::Text(r#"{"event":"start","start":{}}"#.into()),
    ];
    for fault in &faults {
        let call = world.call([Step::Pause(Duration::from_millis(500)), Step::Fault(fault.clone())]);
        let report = call.wait_ended(CALL).await.unwrap();
        assert_eq!(report.dialled.len(), 1, "{fault:?}: {:?}", report.events);
        assert_eq!(report.dialled[0].targets, [FALLBACK], "{fault:?}");
    }
    // What is merely unknown or late is no fault.
    let odd = world.call([
        Step::Fault(Fault::UnknownEvent),
        Step::Fault(Fault::Burst(20)),
        Step::Fault(Fault::LostGap(10)),
        Step::Digits("12#".into()),
        listen(),
        Step::HangUp,
    ]);
    let report = odd.wait_ended(CALL).await.unwrap();
    assert!(report.dialled.is_empty() && report.gave_up.is_empty(), "{:?}", report.events);

    let report = good.wait_ended(CALL).await.unwrap();
    assert!(report.problems().is_empty(), "{:?}", report.problems());
    let heard = report.stream().unwrap().heard();
    assert!(heard.underruns(Duration::from_millis(150)).len() <= 2, "the neighbour's trouble was heard");
    let recogniser = agent_recogniser(&scenario, &[&scenario.greeting, &hours.reply]).unwrap();
    for n in 0..2 {
        assert!(recogniser.words_heard(n, &heard.pcm).fraction > 0.95);
    }
}

/// A far end that vanishes without a word is noticed, and its place is free again.
#[tokio::test(flavor = "multi_thread")]
async fn dead_paths_are_noticed() {
    let lines = vec![("phone", "max_calls = 1".into())];
    let world = World::make(Making { lines, ..Making::default() }).await.unwrap();
    let frozen = world.call([Step::Pause(Duration::from_secs(1)), Step::Fault(Fault::Freeze(Duration::from_secs(30)))]);
    let report = frozen.wait_ended(CALL).await.unwrap();
    assert_eq!(report.dialled[0].targets, [FALLBACK], "no media for four seconds");
    let vanished = world.call([Step::Pause(Duration::from_secs(1)), Step::Fault(Fault::DropTcp)]);
    vanished.wait_for(|report| report.stream().is_some_and(|stream| stream.end.is_some()), CALL).await.unwrap();
    world.daemon.wait_for_json("/health", Duration::from_secs(10), |health| health["active_calls"] == 0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_listener_serves_twilio_and_nothing_else() {
    let world = World::start().await.unwrap();
    let client = client();
    let base = format!("http://{}", world.daemon.public);
    for path in
        ["/", "/metrics", "/v1/calls", "/health", "/twilio", "/twilio/voice/x", "/twilio/media", "/../etc/passwd"]
    {
        let answer = client.get(format!("{base}{path}")).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (404, ""), "{path}");
    }
    let answer = client.get(format!("{base}/healthz")).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    let answer = client.get(format!("{base}/twilio/media/{}", "0".repeat(32))).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 400, "not even a WebSocket");
}

fn client() -> reqwest::Client {
    let tls = frontdesk_tests::daemon::no_tls().expect("ring offers safe defaults");
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()
        .expect("nothing of it depends on the machine")
}
