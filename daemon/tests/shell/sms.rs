//! Text messages as Twilio meets them.

use std::sync::Arc;
use std::time::Duration;

use frontdesk_core::letter::{Moot, Sent};
use frontdeskd::config::PhoneConfig;
use frontdeskd::metrics::Metrics;
use frontdeskd::phone::rest::Rest;
use frontdeskd::phone::sms::Texter;

use super::booked::{appointment, at, clinic};
use super::fakes::{Reply, Scripted};
use super::world::{ACCOUNT, client, phone};

const SID: &str = "SM00000000000000000000000000000001";

fn queued() -> Reply {
    Reply::Say(201, format!(r#"{{"sid":"{SID}","status":"queued"}}"#))
}

async fn texter(replies: Vec<Reply>) -> (Texter, Scripted) {
    let twilio = Scripted::start(replies).await;
    let phone = phone(&twilio);
    let rest = Arc::new(Rest::new(client(), &phone, Metrics::new()));
    (Texter::new(rest, phone.number, Arc::new(clinic())), twilio)
}

async fn notify(reply: Reply) -> Sent {
    let (texter, _twilio) = texter(vec![reply]).await;
    texter.notify(&appointment(), at("2026-11-20T09:00:00Z")).await
}

#[tokio::test]
async fn a_text_message_says_when_and_nothing_else() {
    let (texter, twilio) = texter(vec![queued()]).await;
    let sent = texter.notify(&appointment(), at("2026-11-20T09:00:00Z")).await;
    assert_eq!(sent, Sent::Done { receipt: SID.to_owned() });
    let request = &twilio.requests()[0];
    assert!(request.starts_with(&format!("POST /2010-04-01/Accounts/{ACCOUNT}/Messages.json HTTP/1.1")), "{request}");
    let (_, body) = request.split_once("\r\n\r\n").unwrap();
    let form: Vec<(String, String)> = form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let form: Vec<(&str, &str)> = form.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    let text = "Riverside Clinic: your appointment is on Tue 1 Dec, 14:00. Reference K7Q-4MR. Call us to change it.";
    let expected = [("To", "+15550100200"), ("From", "+15550100100"), ("Body", text), ("SmartEncoded", "true")];
    assert_eq!(form, expected);
}

#[tokio::test]
async fn whoever_wants_no_text_messages_gets_none() {
    let (texter, twilio) = texter(vec![queued()]).await;
    let mut quiet = appointment();
    quiet.patient.as_mut().unwrap().sms = false;
    let now = at("2026-11-20T09:00:00Z");
    assert_eq!(texter.notify(&quiet, now).await, Sent::Moot(Moot::NoSms));
    let mut withheld = appointment();
    withheld.patient.as_mut().unwrap().phone = None;
    assert_eq!(texter.notify(&withheld, now).await, Sent::Moot(Moot::NoSms));
    assert_eq!(texter.remind(&appointment(), now).await, Sent::Moot(Moot::Moved));
    assert_eq!(twilio.requests(), [""; 0]);
}

#[tokio::test]
async fn what_twilio_answers_tells_whether_to_try_again() {
    assert!(matches!(notify(Reply::twilio(400, 21_610)).await, Sent::Rejected(_)));
    assert!(matches!(notify(Reply::twilio(401, 20_003)).await, Sent::Misconfigured(_)));
    assert!(matches!(notify(Reply::twilio(429, 20_429)).await, Sent::Retry { .. }));
    assert!(matches!(notify(Reply::twilio(500, 20_500)).await, Sent::Unknown(_)));
    assert!(matches!(notify(Reply::Say(200, "<html>Welcome</html>".into())).await, Sent::Misconfigured(_)));
    let lost = notify(Reply::Drop).await;
    assert!(matches!(&lost, Sent::Unknown(why) if !why.contains("5550100200")), "{lost:?}");
}

#[tokio::test]
async fn an_answer_that_does_not_come_leaves_it_open_whether_it_was_sent() {
    let (texter, twilio) = texter(vec![Reply::Silence]).await;
    let appointment = appointment();
    let sending = texter.notify(&appointment, at("2026-11-20T09:00:00Z"));
    tokio::pin!(sending);
    tokio::select! {
        _ = &mut sending => panic!("nobody has answered"),
        _ = twilio.wait_for(1) => {}
    }
    tokio::time::pause();
    tokio::time::advance(Duration::from_millis(5_001)).await;
    tokio::time::resume();
    assert!(matches!(sending.await, Sent::Unknown(_)));
}

#[tokio::test]
async fn nobody_there_means_that_nothing_was_sent() {
    let twilio = Scripted::start(vec![queued()]).await;
    // A port that was free a moment ago: nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let phone = PhoneConfig { twilio_api: format!("http://{closed}"), ..phone(&twilio) };
    let rest = Arc::new(Rest::new(client(), &phone, Metrics::new()));
    let texter = Texter::new(rest, phone.number, Arc::new(clinic()));
    let sent = texter.notify(&appointment(), at("2026-11-20T09:00:00Z")).await;
    assert!(matches!(sent, Sent::Retry { .. }), "{sent:?}");
}
