//! Sending, drafts, and finding again.

use base64::{
    Engine as _,
    engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD},
};
use frontdesk_google_sim::Settings;
use reqwest::Method;
use serde_json::{Value, json};

use crate::common::{World, query, said};

const SEND: &str = "/gmail/v1/users/me/messages/send";
const LETTER: &str = "From: High Street Clinic <frontdesk@clinic.example>\r\nTo: Ana <ana@patient.example>\r\n\
    Bcc: archive@clinic.example\r\nMessage-ID: <bk1@clinic.example>\r\n\
    Subject: =?utf-8?Q?Appointment_K7Q-4MR_confirmed=3A_gr=C3=BC=C3=9Fe?=\r\n\
    Content-Type: text/plain; charset=utf-8\r\n\r\nSee you on Tuesday.\r\n";

fn raw() -> Value {
    json!({ "raw": URL_SAFE_NO_PAD.encode(LETTER) })
}

#[tokio::test]
async fn a_message_is_sent_and_kept_for_the_test_to_read() {
    let world = World::with(Settings::default(), &["gmail.send"]).await;
    let answer = world.post(SEND, &raw()).await.ok();
    assert_eq!(answer["labelIds"], json!(["SENT"]));
    let sent = world.sim.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].id, answer["id"]);
    assert_eq!(sent[0].recipients, ["ana@patient.example", "archive@clinic.example"]);
    assert_eq!(sent[0].subject, "Appointment K7Q-4MR confirmed: grüße");
    assert_eq!(sent[0].text.trim(), "See you on Tuesday.");
    assert_eq!(sent[0].given, LETTER.as_bytes());
    let delivered = String::from_utf8(sent[0].raw.clone()).unwrap();
    assert!(delivered.contains("@mail.gmail.com>\r\n") && !delivered.contains("\r\nMessage-ID: <bk1@"), "{delivered}");
    assert!(!delivered.contains("Bcc"), "{delivered}");
}

#[tokio::test]
async fn the_letter_itself_may_be_the_body() {
    let world = World::new().await;
    let upload = |kind: &'static str| {
        let path = format!("/upload{SEND}?uploadType=media");
        world.request(Method::POST, &path).header("content-type", kind).body(LETTER)
    };
    said(upload("message/rfc822")).await.ok();
    assert_eq!(world.sim.sent()[0].given, LETTER.as_bytes());
    assert_eq!(said(upload("text/plain")).await.reason(), (400, "invalidArgument"));
    let resumable = world.request(Method::POST, &format!("/upload{SEND}?uploadType=multipart")).body(LETTER);
    assert_eq!(said(resumable).await.reason(), (501, "notSimulated"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_in_gmails_words() {
    let world = World::new().await;
    let letter = |text: &str| json!({ "raw": URL_SAFE.encode(text) });
    for (body, words) in [
        (json!({}), "raw"),
        (json!({ "raw": "" }), "'raw' RFC822 payload message string or uploading message via /upload/* URL required"),
        (json!({ "raw": "*" }), "Base64 decoding failed"),
        (letter("Subject: x\r\n\r\n"), "Recipient address required"),
        (letter("To: somebody\r\n\r\n"), "Invalid To header"),
        (json!({ "raw": "QQ", "to": "x" }), "Unknown name \"to\""),
    ] {
        let refusal = world.post(SEND, &body).await;
        assert_eq!(refusal.status, 400);
        let text = refusal.body["error"]["message"].as_str().unwrap();
        assert!(text.contains(words), "{text}");
    }
    assert!(world.sim.sent().is_empty());
}

#[tokio::test]
async fn who_may_only_send_can_do_nothing_else() {
    let world = World::with(Settings::default(), &["gmail.send"]).await;
    assert_eq!(world.get("/gmail/v1/users/me/profile").await.reason(), (403, "insufficientPermissions"));
    assert_eq!(world.get("/gmail/v1/users/me/messages").await.status, 403);
    assert_eq!(world.post("/gmail/v1/users/me/drafts", &json!({ "message": raw() })).await.status, 403);
    let settings = Settings::default();
    let robot = settings.service_account.clone();
    let world = World::of(settings, &robot, &["gmail.send"]).await;
    assert_eq!(world.post(SEND, &raw()).await.reason(), (400, "failedPrecondition"), "a robot has no mailbox");
}

#[tokio::test]
async fn a_draft_is_there_until_it_is_sent() {
    let world = World::with(Settings::default(), &["gmail.compose"]).await;
    let draft = world.post("/gmail/v1/users/me/drafts", &json!({ "message": raw() })).await.ok();
    let path = format!("/gmail/v1/users/me/drafts/{}", draft["id"].as_str().unwrap());
    assert_eq!(world.get(&path).await.ok()["message"]["labelIds"], json!(["DRAFT"]));
    assert_eq!(world.get("/gmail/v1/users/me/drafts").await.ok()["drafts"][0]["id"], draft["id"]);
    assert!(world.sim.sent().is_empty());
    let send = json!({ "id": draft["id"] });
    let sent = world.post("/gmail/v1/users/me/drafts/send", &send).await.ok();
    assert_ne!(sent["id"], draft["message"]["id"]);
    assert!(world.sim.sent()[0].was_draft);
    assert_eq!(
        world.get(&path).await.reason(),
        (404, "notFound"),
        "that is how a lost answer is told from a lost request"
    );
    assert_eq!(world.post("/gmail/v1/users/me/drafts/send", &send).await.reason(), (404, "notFound"));
    assert_eq!(world.sim.sent().len(), 1);
    assert_eq!(world.get("/gmail/v1/users/me/drafts").await.ok().get("drafts"), None);
    let stray = world.post("/gmail/v1/users/me/drafts", &json!({ "message": raw() })).await.ok();
    assert_eq!(world.delete(&format!("/gmail/v1/users/me/drafts/{}", stray["id"].as_str().unwrap())).await.status, 204);
}

#[tokio::test]
async fn what_was_sent_is_found_again() {
    let world = World::with(Settings::default(), &["gmail.modify"]).await;
    let sent = world.post(SEND, &raw()).await.ok();
    let find = |words: &'static str| {
        let path = query("/gmail/v1/users/me/messages", [("q", words)]);
        let world = &world;
        async move { world.get(&path).await }
    };
    let found = find("in:sent \"K7Q-4MR\" newer_than:1d").await.ok();
    assert_eq!(found["messages"], json!([{ "id": sent["id"], "threadId": sent["threadId"] }]));
    assert_eq!(find("rfc822msgid:bk1@clinic.example").await.ok().get("messages"), None, "it was rewritten");
    assert_eq!(find("has:attachment").await.reason(), (501, "notSimulated"));
    let path = format!("/gmail/v1/users/me/messages/{}", sent["id"].as_str().unwrap());
    let full = world.get(&path).await.ok();
    assert_eq!(full["payload"]["mimeType"], "text/plain");
    assert_eq!(full["payload"]["body"]["data"], URL_SAFE.encode("See you on Tuesday.\r\n"));
    let raw = world.get(&format!("{path}?format=raw")).await.ok();
    let raw = URL_SAFE.decode(raw["raw"].as_str().unwrap()).unwrap();
    assert_eq!(raw, world.sim.sent()[0].raw);
    let headers = world.get(&format!("{path}?format=metadata&metadataHeaders=To")).await.ok();
    assert_eq!(headers["payload"]["headers"], json!([{ "name": "To", "value": "Ana <ana@patient.example>" }]));
    let profile = world.get("/gmail/v1/users/me/profile").await.ok();
    assert_eq!((&profile["emailAddress"], &profile["messagesTotal"]), (&json!("frontdesk@clinic.example"), &json!(1)));
    assert_eq!(world.get("/gmail/v1/users/boss@clinic.example/profile").await.status, 403);
}
