//! Twilio's REST API as the hang-up meets it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use frontdeskd::metrics::Metrics;
use frontdeskd::phone::rest::{HangUp, Rest};

use super::fakes::{Reply, Scripted};
use super::log;
use super::twilio::CALL;
use super::world::{ACCOUNT, SECONDARY, TOKEN, client, phone};

async fn hang_up(replies: Vec<Reply>) -> (HangUp, Vec<String>, Metrics) {
    let twilio = Scripted::start(replies).await;
    let metrics = Metrics::new();
    let rest = Rest::new(client(), &phone(&twilio), metrics.clone());
    let outcome = rest.hang_up(CALL.parse().unwrap()).await;
    (outcome, twilio.requests(), metrics)
}

fn granted() -> Reply {
    Reply::Say(200, format!(r#"{{"sid":"{CALL}","status":"completed"}}"#))
}

#[tokio::test]
async fn a_call_is_completed_with_the_accounts_credentials() {
    let (outcome, requests, _) = hang_up(vec![granted()]).await;
    assert_eq!(outcome, HangUp::Done);
    let request = &requests[0];
    assert!(
        request.starts_with(&format!("POST /2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json HTTP/1.1")),
        "{request}"
    );
    assert!(request.ends_with("\r\n\r\nStatus=completed"));
    assert!(request.contains(&basic(TOKEN)), "{request}");
}

fn basic(token: &str) -> String {
    let credentials = STANDARD.encode(format!("{ACCOUNT}:{token}"));
    format!("Basic {credentials}")
}

/// In the middle of a rotation: Twilio has removed the first token, the box still holds both.
#[tokio::test]
async fn a_token_that_is_refused_is_replaced_by_the_other_at_once_and_for_good() {
    log::keep();
    let twilio = Scripted::start(vec![
        Reply::twilio(401, 20_003),
        granted(),
        granted(),
        Reply::twilio(401, 20_003),
        granted(),
        granted(),
    ])
    .await;
    let rest = Rest::new(client(), &phone(&twilio), Metrics::new());
    for _ in 0..4 {
        assert_eq!(rest.hang_up(CALL.parse().unwrap()).await, HangUp::Done);
    }
    let used = [TOKEN, SECONDARY, SECONDARY, SECONDARY, TOKEN, TOKEN];
    for (n, request) in twilio.requests().iter().enumerate() {
        assert!(request.contains(&basic(used[n])), "{n}: {request}");
    }
    assert!(!log::lines_with("hung up with twilio-auth-token-secondary").is_empty());
    assert_eq!(log::lines_with(SECONDARY), [""; 0]);
}

#[tokio::test]
async fn a_call_that_is_over_needs_no_hanging_up() {
    for gone in [Reply::twilio(404, 20_404), Reply::twilio(400, 21_220)] {
        let (outcome, requests, _) = hang_up(vec![gone]).await;
        assert_eq!((outcome, requests.len()), (HangUp::Gone, 1));
    }
}

/// Whatever comes instead, the caller is still on the line.
#[tokio::test]
async fn everything_else_is_tried_again_until_it_holds() {
    log::keep();
    let portal = "<html>Welcome to the hotel</html>";
    let (outcome, requests, metrics) = hang_up(vec![
        Reply::twilio(401, 20_003),
        Reply::twilio(401, 20_003),
        Reply::Say(404, portal.into()),
        Reply::Say(302, portal.into()),
        Reply::Drop,
        granted(),
    ])
    .await;
    assert_eq!((outcome, requests.len()), (HangUp::Done, 6));
    assert!(metrics.encode().lines().any(|line| line == r#"frontdesk_hangup_attempts_total{outcome="failed"} 4"#));
    assert!(!log::lines_with("check twilio-account-sid and twilio-auth-token, and that [phone] twilio_api").is_empty());
    assert_eq!(log::lines_with(TOKEN), [""; 0]);
    let (outcome, requests, _) = hang_up(vec![Reply::twilio(429, 20_429), Reply::twilio(500, 0), granted()]).await;
    assert_eq!((outcome, requests.len()), (HangUp::Done, 3));
}

async fn go_on(replies: Vec<Reply>) -> (Result<(), String>, usize) {
    let twilio = Scripted::start(replies).await;
    let rest = Rest::new(client(), &phone(&twilio), Metrics::new());
    let outcome = rest.go_on_with(CALL.parse().unwrap(), "<Response/>").await;
    (outcome, twilio.requests().len())
}

#[tokio::test]
async fn whoever_is_put_through_waits_for_a_second_try_only_where_it_may_help() {
    for passing in [Reply::twilio(503, 20_503), Reply::Drop] {
        assert_eq!(go_on(vec![passing, granted()]).await, (Ok(()), 2));
    }
    for refused in [Reply::twilio(400, 21_218), Reply::twilio(429, 20_429), Reply::Say(404, "a portal".into())] {
        let (outcome, requests) = go_on(vec![refused, granted()]).await;
        assert!(outcome.is_err(), "the way out behind the stream is taken at once");
        assert_eq!(requests, 1);
    }
    assert_eq!(go_on(vec![Reply::twilio(404, 20_404)]).await, (Ok(()), 1), "they have hung up");
}

#[tokio::test]
async fn whoever_is_put_through_waits_four_seconds_at_most() {
    let twilio = Scripted::start(vec![Reply::Silence]).await;
    let rest = Rest::new(client(), &phone(&twilio), Metrics::new());
    let going_on = rest.go_on_with(CALL.parse().unwrap(), "<Response/>");
    tokio::pin!(going_on);
    for tries in 1..=2 {
        tokio::select! {
            _ = &mut going_on => panic!("nobody has answered"),
            _ = twilio.wait_for(tries) => {}
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_millis(2_001)).await;
        tokio::time::resume();
    }
    assert!(going_on.await.is_err());
    assert_eq!(twilio.requests().len(), 2);
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_not_waited_for() {
    let twilio = Scripted::start(vec![Reply::Silence, granted()]).await;
    let rest = Rest::new(client(), &phone(&twilio), Metrics::new());
    let call = CALL.parse().unwrap();
    let hanging_up = rest.hang_up(call);
    tokio::pin!(hanging_up);
    tokio::select! {
        _ = &mut hanging_up => panic!("nobody has answered"),
        _ = twilio.wait_for(1) => {}
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(5_001)).await;
    tokio::time::resume();
    assert_eq!(hanging_up.await, HangUp::Done);
}
