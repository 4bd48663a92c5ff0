//! Webhooks against a small bridge: signatures, retries, the fallback, the verbs outside of streams.

use std::time::Duration;

use crate::common::{Bridge, Got, LONG, quick_sim};
use frontdesk_twilio_sim::{CallState, DialOutcome, Target, WebhookFault, sign};

fn signature_holds(got: &Got, token: &str) -> bool {
    let params: Vec<(String, String)> = got.params.clone().into_iter().collect();
    let url = format!("https://desk.example.com{}", got.path);
    got.headers.get("x-twilio-signature") == Some(&sign::signature(token, &url, &params))
}

#[tokio::test]
async fn the_first_webhook_is_complete_and_signed_for_the_public_url() {
    let bridge = Bridge::start(|_| "<Response><Hangup/></Response>".into(), |_| async {}).await;
    let sim = quick_sim().await;
    let call = sim.call(bridge.plan());
    let report = call.wait_ended(LONG).await.unwrap();
    assert!(report.problems().is_empty(), "{:?}", report.alerts);
    let got = &bridge.got()[0];
    assert_eq!(got.headers["host"], "desk.example.com");
    assert_eq!(got.params["CallSid"], report.sid);
    assert_eq!(got.params["CallStatus"], "ringing");
    assert_eq!(got.params["Direction"], "inbound");
    assert!(got.headers.contains_key("i-twilio-idempotency-token"));
    assert!(signature_holds(got, &sim.settings().auth_token));
    assert_eq!(call.replay_webhook(0).await, Ok(200));
    let got = bridge.got();
    let (first, again) = (&got[0], got.last().unwrap());
    assert_eq!(first.headers, again.headers, "a replay is the same request to the letter");
    assert_eq!(first.params, again.params);
}

#[tokio::test]
async fn every_signature_fault_breaks_the_signature() {
    let sim = quick_sim().await;
    for fault in
        [WebhookFault::WrongToken, WebhookFault::MissingSignature, WebhookFault::AlteredBody, WebhookFault::HostCase]
    {
        let bridge = Bridge::start(|_| "<Response/>".into(), |_| async {}).await;
        let mut plan = bridge.plan();
        plan.webhook_fault = fault;
        sim.call(plan).wait_ended(LONG).await.unwrap();
        let got = &bridge.got()[0];
        assert!(!signature_holds(got, &sim.settings().auth_token), "{fault:?}");
    }
}

#[tokio::test]
async fn a_failing_document_leads_to_the_fallback_with_the_reason() {
    let documents = |got: &Got| match got.path.as_str() {
        "/voice" => "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n".to_owned(),
        _ => "<Response><Dial>+15550100900</Dial></Response>".to_owned(),
    };
    let bridge = Bridge::start(documents, |_| async {}).await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.voice_url += "#rc=2&rp=5xx";
    plan.fallback_url = Some("https://desk.example.com/fallback".into());
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert_eq!(report.webhooks[0].attempts, 3);
    let got = bridge.got();
    let tokens: Vec<_> = got[..3].iter().map(|g| &g.headers["i-twilio-idempotency-token"]).collect();
    assert!(tokens.iter().all(|token| *token == tokens[0]), "retries carry one token");
    let fallback = got.iter().find(|got| got.path == "/fallback").unwrap();
    assert_eq!(fallback.params["ErrorCode"], "11200");
    assert_eq!(report.dialled.len(), 1);
    assert_eq!(report.state, CallState::Completed);
}

#[tokio::test]
async fn a_dead_box_without_fallback_fails_the_call() {
    let bridge = Bridge::start(|_| String::new(), |_| async {}).await;
    let plan = bridge.plan();
    drop(bridge);
    let sim = quick_sim().await;
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert_eq!(report.state, CallState::Failed);
    assert!(!report.problems().is_empty());
}

#[tokio::test]
async fn an_html_page_is_not_twiml() {
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>";
    let bridge = Bridge::start(|_| page.into(), |_| async {}).await;
    let sim = quick_sim().await;
    let report = sim.call(bridge.plan()).wait_ended(LONG).await.unwrap();
    assert_eq!(report.alerts[0].code, 12_300);
    assert_eq!(report.state, CallState::Failed);
}

#[tokio::test]
async fn dial_gather_and_record_report_to_their_actions() {
    let documents = |got: &Got| {
        match got.path.as_str() {
            "/voice" => r#"<Response><Gather numDigits="1" action="/digits"><Say>Press one.</Say></Gather></Response>"#,
            "/digits" => r#"<Response><Dial timeout="5" action="/dialled">+15550100900</Dial></Response>"#,
            "/dialled" => r#"<Response><Record action="/recorded" recordingStatusCallback="https://desk.example.com/ready"/></Response>"#,
            "/recorded" => "<Response><Hangup/></Response>",
            _ => "",
        }
        .to_owned()
    };
    let bridge = Bridge::start(documents, |_| async {}).await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.gather_digits = vec!["1".into()];
    plan.dial_outcomes = vec![DialOutcome::Busy];
    plan.voicemail = Some(vec![1_000; 8_000]);
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert!(report.problems().is_empty(), "{:?}", report.alerts);
    let got = bridge.got();
    let params = |path: &str| got.iter().find(|g| g.path == path).unwrap().params.clone();
    assert_eq!(params("/digits")["Digits"], "1");
    assert_eq!(params("/dialled")["DialCallStatus"], "busy");
    assert_eq!(params("/recorded")["RecordingDuration"], "1");
    assert_eq!(params("/ready")["RecordingStatus"], "completed");
    assert_eq!(report.recordings[0].pcm.len(), 8_000);
    assert_eq!(report.state, CallState::Completed);
}

/// What follows a dial is either asked for or written behind it, and an action that cannot be reached is no end either.
#[tokio::test]
async fn behind_a_dial_comes_its_action_or_the_next_verb_or_the_fallback_url() {
    let documents = |got: &Got| {
        match (got.path.as_str(), got.params.get("To").map(String::as_str)) {
            ("/voice", Some("+15550100101")) => {
                r#"<Response><Dial action="/after">+15550100900</Dial><Say>Never said.</Say></Response>"#
            }
            ("/voice", Some("+15550100102")) => {
                r#"<Response><Dial action="https://gone.example.com/after">+15550100900</Dial></Response>"#
            }
            ("/voice", _) => "<Response><Dial>+15550100900</Dial><Say>And then?</Say></Response>",
            ("/after", _) => "<Response><Hangup/></Response>",
            _ => "<Response><Say>We are sorry.</Say></Response>",
        }
        .to_owned()
    };
    let bridge = Bridge::start(documents, |_| async {}).await;
    let sim = quick_sim().await;
    for (to, last) in
        [("+15550100100", "Say \"And then?\""), ("+15550100101", "Hangup"), ("+15550100102", "Say \"We are sorry.\"")]
    {
        let mut plan = bridge.plan();
        plan.to = Some(to.into());
        plan.fallback_url = Some("https://desk.example.com/fallback".into());
        // Nobody listens there.
        let nobody = Target { addr: ([127, 0, 0, 1], 1).into(), tls: false };
        plan.connect_to.insert("gone.example.com".into(), nobody);
        let report = sim.call(plan).wait_ended(LONG).await.unwrap();
        assert_eq!(report.verbs.last().map(String::as_str), Some(last), "{:?}", report.events);
        assert_eq!(report.dialled.len(), 1);
        assert_eq!(report.state, CallState::Completed);
    }
    let after = bridge.got().into_iter().find(|got| got.path == "/after").unwrap();
    assert_eq!(after.params["DialCallStatus"], "completed");
    assert_eq!(after.params["DialBridged"], "true");
    assert!(signature_holds(&after, &sim.settings().auth_token));
}

#[tokio::test]
async fn a_rejected_call_is_never_answered() {
    let bridge = Bridge::start(|_| r#"<Response><Reject reason="busy"/></Response>"#.into(), |_| async {}).await;
    let sim = quick_sim().await;
    let report = sim.call(bridge.plan()).wait_ended(LONG).await.unwrap();
    assert_eq!(report.state, CallState::Busy);
    let status = bridge.got().into_iter().find(|got| got.path == "/status").unwrap();
    assert_eq!(status.params["SipResponseCode"], "486");
}

#[tokio::test]
async fn a_slow_box_is_given_up_within_its_limit() {
    let bridge = Bridge::start(
        |got| match got.path.as_str() {
            // A promise of a body that never comes.
            "/voice" => "HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 99\r\n\r\n".into(),
            _ => "<Response/>".into(),
        },
        |_| async {},
    )
    .await;
    let sim = quick_sim().await;
    let mut plan = bridge.plan();
    plan.voice_url += "#rt=200&rc=0";
    let report = sim.call(plan).wait_ended(LONG).await.unwrap();
    assert_eq!(report.state, CallState::Failed);
    assert!(report.webhooks[0].took < Duration::from_secs(5));
}
