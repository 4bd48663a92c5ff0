//! Letters as Gmail meets them, and what becomes of them when Gmail refuses, is slow, or is cut off.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use frontdesk_core::letter::address::MailAddress;
use frontdesk_core::letter::{Moot, Sent};
use frontdeskd::config::{MailBackend, MailConfig};
use frontdeskd::google::{Access, Hosts};
use frontdeskd::mail::{Attempt, Gmail, Mailer, Patience};
use serde_json::{Value, json};

use super::booked::{appointment, at, clinic};
use super::fakes::{Reply, Scripted};
use super::mail::Parsed;
use super::world::client;

const FROM: &str = "frontdesk@clinic.example";
const NAME: &str = "0190f5a67a4e7c3b9a550f1e2d3c4b5a.confirmation.0@clinic.example";
const TOKEN: &str = "ya29.made-up";
const DRAFT: &str = "r-81";
const ID: &str = "19a3f0c2d1e4b5a6";

/// The clinic's mailbox, as it was set up.
fn profile() -> Reply {
    Reply::Say(200, json!({ "emailAddress": "Frontdesk@clinic.example", "historyId": "7" }).to_string())
}

fn draft() -> Reply {
    Reply::Say(200, json!({ "id": DRAFT, "message": { "id": "m1", "labelIds": ["DRAFT"] } }).to_string())
}

fn sent() -> Reply {
    Reply::Say(200, json!({ "id": ID, "threadId": ID, "labelIds": ["SENT"] }).to_string())
}

fn refusal(status: u16, reason: &str) -> Reply {
    let message = "No, ana@example.org";
    let error = json!({ "code": status, "message": message, "errors": [{ "reason": reason, "message": message }] });
    Reply::Say(status, json!({ "error": error }).to_string())
}

/// What is answered to everything that our rights do not contain.
fn no_right() -> Reply {
    refusal(403, "insufficientPermissions")
}

/// An answer that ends in the middle.
fn half() -> Reply {
    Reply::Raw(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{\"id\": \"19".to_owned(),
    )
}

/// A clinic that sends its letters by Gmail.
struct Desk {
    gmail: Scripted,
    mailer: Mailer,
}

impl Desk {
    async fn meeting(replies: impl IntoIterator<Item = Reply>) -> Self {
        let gmail = Scripted::start(replies.into_iter().collect()).await;
        let mailer = mailer(&format!("http://{}", gmail.address), None);
        Self { gmail, mailer }
    }

    async fn send(&self) -> Sent {
        self.attempt(false).await
    }

    async fn send_again(&self) -> Sent {
        self.attempt(true).await
    }

    async fn attempt(&self, unsure: bool) -> Sent {
        let attempt = Attempt { key: "mail:1:0", unsure };
        let sent = self.mailer.notify(&appointment(), attempt, at("2026-11-20T09:00:00Z")).await;
        if let Sent::Retry { why, .. }
        | Sent::Misconfigured(why)
        | Sent::Rejected(why)
        | Sent::Unknown(why)
        | Sent::Open { why, .. } = &sent
        {
            assert!(!why.contains("ana@") && !why.contains(TOKEN) && !why.contains("clinic.example"), "{why}");
        }
        sent
    }

    /// Methods and paths of what was asked.
    fn asked(&self) -> Vec<String> {
        let of = |request: String| {
            let line = request.lines().next().unwrap().replace("/gmail/v1/users/me/", "").replace(" HTTP/1.1", "");
            line.split('?').next().unwrap().to_owned()
        };
        self.gmail.requests().into_iter().map(of).collect()
    }

    /// The document of a request, counted from 0.
    fn document(&self, request: usize) -> Value {
        serde_json::from_str(self.gmail.requests()[request].split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

fn mailer(endpoint: &str, templates: Option<&std::path::Path>) -> Mailer {
    let config = MailConfig {
        backend: MailBackend::Gmail,
        from: MailAddress::parse(FROM).unwrap(),
        reply_to: MailAddress::parse("office@clinic.example").ok(),
        staff: None,
        templates: templates.map(Into::into),
    };
    let hosts = Hosts::at(Some(&endpoint.parse().unwrap()));
    let gmail = Gmail::new(client(), Access::fixed(TOKEN), hosts.gmail, config.from.clone(), Patience::default());
    Mailer::new(gmail, &config, Arc::new(clinic())).unwrap()
}

fn done(receipt: &str) -> Sent {
    Sent::Done { receipt: receipt.to_owned() }
}

fn class(sent: &Sent) -> &'static str {
    match sent {
        Sent::Done { .. } | Sent::Moot(_) => "fine",
        Sent::Retry { .. } => "retry",
        Sent::Misconfigured(_) => "misconfigured",
        Sent::Rejected(_) => "rejected",
        Sent::Unknown(_) => "unknown",
        Sent::Open { .. } => "open",
    }
}

/// A letter is a letter again: headers, parts, calendar entry.
fn read_back(raw: &Value) {
    let letter = Parsed(String::from_utf8(URL_SAFE.decode(raw.as_str().unwrap()).unwrap()).unwrap());
    for header in [
        "From: \"Riverside Clinic\" <frontdesk@clinic.example>",
        "Reply-To: \"Riverside Clinic\" <office@clinic.example>",
        "Subject: Appointment K7Q-4MR confirmed: Tue 1 Dec, 14:00",
        "X-Frontdesk-Letter: 0190f5a67a4e7c3b9a550f1e2d3c4b5a.confirmation.0@clinic.example",
    ] {
        assert!(letter.has_header(header), "{header} is not in\n{}", letter.headers());
    }
    assert!(letter.headers().contains("<ana@example.org>"), "{}", letter.headers());
    let parts = letter.parts();
    assert!(parts[2].1.contains("Tuesday 1 December 2026, 14:00 (Europe/Berlin)"), "{}", parts[2].1);
    assert!(parts[4].1.contains("METHOD:REQUEST\r\n"), "{}", parts[4].1);
}

#[tokio::test]
async fn a_letter_is_kept_as_a_draft_and_the_draft_is_sent() {
    let desk = Desk::meeting([profile(), draft(), sent()]).await;
    assert_eq!(desk.send().await, done(ID));
    assert_eq!(desk.asked(), ["GET profile", "POST drafts", "POST drafts/send"]);
    read_back(&desk.document(1)["message"]["raw"]);
    assert_eq!(desk.document(2), json!({ "id": DRAFT }));
    for request in desk.gmail.requests() {
        assert!(request.contains(&format!("authorization: Bearer {TOKEN}\r\n")), "{request}");
    }
}

#[tokio::test]
async fn without_the_right_to_drafts_a_letter_is_sent_as_it_is() {
    let desk = Desk::meeting([no_right(), no_right(), sent()]).await;
    assert_eq!(desk.send().await, done(ID));
    assert_eq!(desk.asked(), ["GET profile", "POST drafts", "POST messages/send"]);
    read_back(&desk.document(2)["raw"]);
}

#[tokio::test]
async fn a_large_letter_goes_to_the_address_for_uploads_as_it_is() {
    let templates = tempfile::tempdir().unwrap();
    let long = format!("</h1>\n{}", "<p>A long story about the house.</p>\n".repeat(4_000));
    let page = include_str!("../../../images/mail/letter.html").replace("</h1>", &long);
    std::fs::write(templates.path().join("letter.html"), page).unwrap();
    let gmail = Scripted::start(vec![no_right(), no_right(), sent()]).await;
    let mailer = mailer(&format!("http://{}", gmail.address), Some(templates.path()));
    let sent = mailer.notify(&appointment(), Attempt::first("key"), at("2026-11-20T09:00:00Z")).await;
    assert_eq!(sent, done(ID));
    let requests = gmail.requests();
    let (head, body) = requests[2].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /upload/gmail/v1/users/me/messages/send?uploadType=media HTTP/1.1"), "{head}");
    assert!(head.contains("content-type: message/rfc822\r\n"), "{head}");
    let letter = Parsed(body.to_owned());
    assert!(letter.has_header(&format!("X-Frontdesk-Letter: {NAME}")) && letter.0.len() > 100_000);
}

#[tokio::test]
async fn a_refused_letter_says_whose_fault_it_is_and_whether_it_is_tried_again() {
    for (reply, plain, drafted) in [
        (refusal(400, "invalidArgument"), "rejected", "rejected"),
        (refusal(400, "failedPrecondition"), "misconfigured", "misconfigured"),
        (refusal(403, "domainPolicy"), "misconfigured", "misconfigured"),
        (refusal(403, "accessNotConfigured"), "misconfigured", "misconfigured"),
        (no_right(), "misconfigured", "misconfigured"),
        (refusal(403, "userRateLimitExceeded"), "retry", "retry"),
        (refusal(403, "dailyLimitExceeded"), "retry", "retry"),
        (refusal(429, "rateLimitExceeded"), "retry", "retry"),
        (refusal(500, "backendError"), "unknown", "open"),
        (refusal(503, "backendError"), "unknown", "open"),
        (Reply::Say(502, "<html>Bad gateway</html>".to_owned()), "unknown", "open"),
        // A captive portal, or a proxy that has passed the letter on: nobody knows.
        (Reply::Say(200, "<html>Welcome</html>".to_owned()), "unknown", "open"),
        (Reply::Say(302, String::new()), "misconfigured", "misconfigured"),
        (Reply::Raw("SSH-2.0-OpenSSH\r\n".to_owned()), "unknown", "open"),
        (Reply::Drop, "unknown", "open"),
        (half(), "unknown", "open"),
    ] {
        let sent = Desk::meeting([no_right(), no_right(), reply.clone()]).await.send().await;
        assert_eq!(class(&sent), plain, "{reply:?}: {sent:?}");
        let sent = Desk::meeting([profile(), draft(), reply.clone()]).await.send().await;
        assert_eq!(class(&sent), drafted, "{reply:?}: {sent:?}");
    }
}

#[tokio::test]
async fn trouble_before_a_letter_leaves_is_met_by_trying_again() {
    for reply in [refusal(503, "backendError"), Reply::Drop, half(), refusal(429, "rateLimitExceeded")] {
        for before in [vec![], vec![profile()], vec![no_right()]] {
            let desk = Desk::meeting(before.into_iter().chain([reply.clone()])).await;
            let sent = desk.send().await;
            assert_eq!(class(&sent), "retry", "{reply:?}: {sent:?}");
            assert!(desk.asked().iter().all(|line| !line.contains("send")), "{:?}", desk.asked());
        }
    }
}

#[tokio::test]
async fn gmail_is_left_alone_as_long_as_it_asks_for() {
    let limit = "HTTP/1.1 429 X\r\nRetry-After: 90\r\nContent-Length: 2\r\n\r\n{}".to_owned();
    let sent = Desk::meeting([profile(), draft(), Reply::Raw(limit)]).await.send().await;
    assert!(matches!(sent, Sent::Retry { after: Some(after), .. } if after == Duration::from_secs(90)), "{sent:?}");
    let later = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(20);
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&later).unwrap();
    for (status, open) in [(429, false), (503, true)] {
        let limit = format!("HTTP/1.1 {status} X\r\nRetry-After: {date}\r\nContent-Length: 2\r\n\r\n{{}}");
        let sent = Desk::meeting([profile(), draft(), Reply::Raw(limit)]).await.send().await;
        assert_eq!(class(&sent) == "open", open, "{sent:?}");
        let (Sent::Retry { after: Some(after), .. } | Sent::Open { after: Some(after), .. }) = sent else {
            panic!("{sent:?}")
        };
        assert!((1_000..=1_200).contains(&after.as_secs()), "{after:?}");
    }
    let message = format!("User-rate limit exceeded.  Retry after {later:.3}");
    let limit = json!({ "error": { "code": 429, "message": message } }).to_string();
    let sent = Desk::meeting([profile(), draft(), Reply::Say(429, limit)]).await.send().await;
    let Sent::Retry { after: Some(after), .. } = sent else { panic!("{sent:?}") };
    assert!((1_000..=1_200).contains(&after.as_secs()), "{after:?}");
}

#[tokio::test]
async fn a_draft_that_is_gone_was_sent_and_one_that_is_there_is_sent_now() {
    let desk = Desk::meeting([profile(), draft(), Reply::Drop, refusal(404, "notFound"), profile()]).await;
    assert_eq!(class(&desk.send().await), "open");
    assert_eq!(desk.send_again().await, done("its draft was sent"));
    assert_eq!(desk.asked()[2..], ["POST drafts/send", "GET drafts/r-81"], "and nothing else was asked");

    let desk = Desk::meeting([profile(), draft(), refusal(503, "backendError"), draft(), sent()]).await;
    assert_eq!(class(&desk.send().await), "open");
    assert_eq!(desk.send_again().await, done(ID));
    assert_eq!(desk.asked()[2..], ["POST drafts/send", "GET drafts/r-81", "POST drafts/send"], "no second draft");
}

#[tokio::test]
async fn a_draft_that_was_sent_while_nobody_waited_is_not_sent_again() {
    let late = [profile(), draft(), half(), draft(), refusal(404, "notFound")];
    let desk = Desk::meeting(late).await;
    assert_eq!(class(&desk.send().await), "open");
    assert_eq!(desk.send_again().await, done("its draft was sent"));
}

/// Somebody has cleared the drafts while the letter waited for Gmail.
#[tokio::test]
async fn a_draft_that_somebody_deleted_is_made_anew() {
    let busy = || refusal(429, "rateLimitExceeded");
    let gone = || refusal(404, "notFound");
    let desk = Desk::meeting([profile(), draft(), busy(), gone(), draft(), sent()]).await;
    assert_eq!(class(&desk.send().await), "retry");
    assert_eq!(desk.send().await, done(ID), "nobody had asked for it to be sent with an end that was not clear");
    assert_eq!(desk.asked()[3..], ["GET drafts/r-81", "POST drafts", "POST drafts/send"]);

    let desk = Desk::meeting([profile(), draft(), gone(), draft(), sent()]).await;
    let deleted = desk.send().await;
    assert!(matches!(&deleted, Sent::Retry { why, .. } if why.contains("deleted")), "{deleted:?}");
    assert_eq!(desk.send().await, done(ID));
    assert_eq!(desk.asked()[3..], ["POST drafts", "POST drafts/send"]);
}

/// The whole attempt stays below the minute that an errand may take.
#[tokio::test]
async fn taking_a_draft_back_takes_no_longer_than_the_errand_has() {
    let desk = Desk::meeting([profile(), draft(), refusal(400, "invalidArgument"), Reply::Silence]).await;
    let sending = desk.send();
    tokio::pin!(sending);
    tokio::select! {
        sent = &mut sending => panic!("nobody has answered: {sent:?}"),
        _ = desk.gmail.wait_for(4) => {}
    }
    tokio::time::pause();
    let since = tokio::time::Instant::now();
    assert_eq!(class(&sending.await), "rejected");
    assert!(since.elapsed() <= Duration::from_secs(5), "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_draft_that_gmail_will_not_send_is_taken_out_of_the_mailbox() {
    let desk =
        Desk::meeting([profile(), draft(), refusal(400, "invalidArgument"), Reply::Say(204, String::new())]).await;
    assert_eq!(class(&desk.send().await), "rejected");
    assert_eq!(desk.asked()[3..], ["DELETE drafts/r-81"]);
}

/// After a power loss nobody knows of a draft any more.
#[tokio::test]
async fn a_letter_that_may_have_been_sent_is_looked_for_among_the_drafts_and_told_by_its_own_header() {
    let listed = || Reply::Say(200, json!({ "drafts": [{ "id": "a" }, { "id": "b" }] }).to_string());
    let headed = |value: &str| {
        let headers = json!([{ "name": "x-frontdesk-letter", "value": value }]);
        Reply::Say(200, json!({ "id": "b", "message": { "payload": { "headers": headers } } }).to_string())
    };
    let desk = Desk::meeting([profile(), listed(), headed("another"), headed(NAME), sent()]).await;
    assert_eq!(desk.send_again().await, done(ID), "it is there, so it was not sent");
    assert_eq!(desk.asked(), ["GET profile", "GET drafts", "GET drafts/a", "GET drafts/b", "POST drafts/send"]);
    assert_eq!(desk.document(4), json!({ "id": "b" }), "no second draft");
    let query = desk.gmail.requests()[1].clone();
    assert!(query.contains("q=%22K7Q-4MR%22+newer_than%3A7d&maxResults=20"), "{query}");

    let gone = || refusal(404, "notFound");
    let desk = Desk::meeting([profile(), listed(), gone(), headed(NAME), gone()]).await;
    assert_eq!(desk.send_again().await, done("its draft was sent"), "by the request of before the power loss");
    let desk = Desk::meeting([profile(), listed(), headed("another"), headed(NAME), Reply::Drop, gone()]).await;
    assert_eq!(class(&desk.send_again().await), "open");
    assert_eq!(desk.send_again().await, done("its draft was sent"), "from here on it is known");
}

#[tokio::test]
async fn a_letter_of_which_there_is_no_draft_after_a_power_loss_is_sent_once_more() {
    let nothing = || Reply::Say(200, json!({ "resultSizeEstimate": 0 }).to_string());
    let desk = Desk::meeting([profile(), nothing(), draft(), sent()]).await;
    assert_eq!(desk.send_again().await, done(ID));
    assert_eq!(desk.asked(), ["GET profile", "GET drafts", "POST drafts", "POST drafts/send"]);
    let desk = Desk::meeting([profile(), refusal(503, "backendError")]).await;
    assert_eq!(class(&desk.send_again().await), "retry", "what cannot be looked for now is looked for later");
}

#[tokio::test]
async fn where_nothing_may_be_looked_at_a_letter_is_sent_once_more() {
    let desk = Desk::meeting([no_right(), no_right(), sent()]).await;
    assert_eq!(desk.send_again().await, done(ID));
    assert_eq!(desk.asked(), ["GET profile", "GET drafts", "POST messages/send"]);
    let desk = Desk::meeting([no_right(), no_right(), Reply::Drop]).await;
    assert_eq!(class(&desk.send_again().await), "unknown");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let expired = || refusal(401, "authError");
    let desk = Desk::meeting([profile(), expired(), draft(), expired(), sent()]).await;
    assert_eq!(desk.send().await, done(ID));
    assert_eq!(desk.asked(), ["GET profile", "POST drafts", "POST drafts", "POST drafts/send", "POST drafts/send"]);
    let desk = Desk::meeting([expired()]).await;
    let sent = desk.send().await;
    assert!(matches!(&sent, Sent::Misconfigured(why) if why.contains("frontdeskctl google login")), "{sent:?}");
    assert_eq!(desk.asked(), ["GET profile", "GET profile"]);
}

#[tokio::test]
async fn a_sender_over_whom_gmail_would_write_another_is_told_before_anything_is_sent() {
    let other = || Reply::Say(200, json!({ "emailAddress": "somebody@gmail.example" }).to_string());
    let aliases = |status: &str| {
        let alias = json!({ "sendAsEmail": FROM, "verificationStatus": status });
        let primary = json!({ "sendAsEmail": "somebody@gmail.example", "isPrimary": true });
        Reply::Say(200, json!({ "sendAs": [primary, alias] }).to_string())
    };
    let desk = Desk::meeting([other(), aliases("accepted"), draft(), sent(), draft(), sent()]).await;
    assert_eq!(desk.send().await, done(ID));
    assert_eq!(desk.send().await, done(ID));
    let asked =
        ["GET profile", "GET settings/sendAs", "POST drafts", "POST drafts/send", "POST drafts", "POST drafts/send"];
    assert_eq!(desk.asked(), asked, "the sender is looked at once");
    for wrong in [aliases("pending"), Reply::Say(200, "{}".to_owned())] {
        let desk = Desk::meeting([other(), wrong]).await;
        let sent = desk.send().await;
        assert!(matches!(&sent, Sent::Misconfigured(why) if why.starts_with("[mail] from")), "{sent:?}");
        assert_eq!(desk.asked().len(), 2);
    }
    let desk = Desk::meeting([other(), no_right(), draft(), sent()]).await;
    assert_eq!(desk.send().await, done(ID), "what cannot be looked at is believed");
}

/// In virtual time from where the answer is waited for.
#[tokio::test]
async fn an_answer_that_does_not_come_leaves_open_only_what_may_have_been_sent() {
    for (before, class_of_silence) in
        [(vec![], "retry"), (vec![no_right(), no_right()], "unknown"), (vec![profile(), draft()], "open")]
    {
        let asked = before.len() + 1;
        let desk = Desk::meeting(before.into_iter().chain([Reply::Silence])).await;
        let sending = desk.send();
        tokio::pin!(sending);
        tokio::select! {
            sent = &mut sending => panic!("nobody has answered: {sent:?}"),
            _ = desk.gmail.wait_for(asked) => {}
        }
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(41)).await;
        tokio::time::resume();
        assert_eq!(class(&sending.await), class_of_silence);
    }
}

#[tokio::test]
async fn nobody_there_means_that_nothing_was_sent() {
    // A port that was free a moment ago: nobody listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mailer = mailer(&format!("http://{closed}"), None);
    let sent = mailer.notify(&appointment(), Attempt::first("key"), at("2026-11-20T09:00:00Z")).await;
    assert!(matches!(&sent, Sent::Retry { why, .. } if why == "Gmail cannot be reached"), "{sent:?}");
}

#[tokio::test]
async fn whoever_need_not_be_written_to_is_no_reason_to_ask_gmail() {
    let desk = Desk::meeting([profile()]).await;
    let over = desk.mailer.notify(&appointment(), Attempt::first("key"), at("2026-12-02T00:00:00Z")).await;
    assert_eq!(over, Sent::Moot(Moot::Over));
    assert_eq!(desk.asked(), [""; 0]);
}
