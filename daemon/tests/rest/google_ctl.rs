//! `frontdeskctl google`, run as a program, with a browser that a test plays.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use frontdeskd::google::Known;
use frontdeskd::google::scope::Feature;
use frontdeskd::http::reply::HealthStatus;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use url::Url;

use crate::ctl::by_socket;
use crate::google_world::{
    ACCOUNT, CALENDAR, FREE_BUSY, Fake, Office, ROBOT, SEND, consented, document, refused, robot, with,
};
use crate::world::{World, ask_control, client};

const FREE_TIMES: &str = "POST /calendar/v3/freeBusy";
const LIST: &str = "GET /calendar/v3/calendars/primary/events";
const OTHERS_LIST: &str = "GET /calendar/v3/calendars/dr@x/events";
const EVENTS: &str = "POST /calendar/v3/calendars/primary/events";
const EVENT: &str = "DELETE /calendar/v3/calendars/primary/events/ev1";

/// A page of a calendar's entries.
fn page(items: &Value) -> (u16, Value) {
    (200, json!({ "kind": "calendar#events", "timeZone": "Europe/Berlin", "items": items, "nextSyncToken": "s1" }))
}

/// A calendar that is not shared.
fn not_found() -> (u16, Value) {
    (404, json!({ "error": { "message": "Not Found", "errors": [{ "reason": "notFound" }] } }))
}

/// A daemon's control socket, behind which there is that Google.
fn daemon(office: &Office) -> (World, std::path::PathBuf) {
    let mut world = World::new(HealthStatus::Ok);
    world.state.google = Arc::clone(&office.google);
    let socket = world.control();
    (world, socket)
}

/// A login that waits for its browser.
struct Login {
    child: Child,
    out: BufReader<ChildStdout>,
    said: String,
    address: Url,
}

impl Login {
    async fn start(socket: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdeskctl"));
        command.arg("--socket").arg(socket).args(["google", "login", "--port", "0"]).args(arguments).env("TZ", "UTC");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        while !said.contains("press Enter") {
            assert!(out.read_line(&mut said).await.unwrap() > 0, "{said}");
        }
        let address = said.lines().find_map(|line| line.trim().parse().ok()).unwrap_or_else(|| panic!("{said}"));
        Self { child, out, said, address }
    }

    fn field(&self, name: &str) -> String {
        self.address.query_pairs().find(|(known, _)| known == name).unwrap().1.into_owned()
    }

    /// The address that a browser comes back with; `answer` is what Google puts into it.
    fn back(&self, answer: &str) -> Url {
        let mut back: Url = self.field("redirect_uri").parse().unwrap();
        back.set_query(Some(&format!("state={}&{answer}", self.field("state"))));
        back
    }

    /// Status and page of what the browser is shown.
    async fn visit(&self, address: Url) -> (u16, String) {
        let answer = client().get(address).send().await.unwrap();
        assert!(answer.headers()["content-security-policy"].to_str().unwrap().starts_with("default-src 'none'"));
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// Exit status, output and complaint.
    async fn end(mut self) -> (i32, String, String) {
        let mut err = String::new();
        self.out.read_to_string(&mut self.said).await.unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut err).await.unwrap();
        (self.child.wait().await.unwrap().code().unwrap(), self.said, err)
    }
}

#[tokio::test]
async fn somebody_logs_in_in_a_browser_and_the_daemon_uses_it_at_once() {
    let office = Office::start([(200, consented())]).await;
    let (_world, socket) = daemon(&office);
    let login = Login::start(&socket, &["--account", ACCOUNT]).await;
    assert!(login.address.as_str().starts_with(&format!("{}/o/oauth2/v2/auth?client_id=client&", office.fake.address)));
    assert_eq!(login.field("login_hint"), ACCOUNT);
    assert_eq!(login.field("scope"), format!("openid email {CALENDAR} {FREE_BUSY} {SEND}"));
    let port = login.field("redirect_uri").trim_end_matches('/').rsplit(':').next().unwrap().to_owned();
    assert!(login.said.contains(&format!("ssh -L {port}:127.0.0.1:{port} ")), "{}", login.said);

    // Browsers open connections that they do not use, and look for an icon.
    let _idle = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
    let icon = login.back("").join("/favicon.ico").unwrap();
    assert_eq!(login.visit(icon).await.0, 404);
    let (status, page) = login.visit(login.back("code=4%2F0A&scope=openid")).await;
    assert!(status == 200 && page.contains("may use the account now"), "{page}");
    let (redirect, state) = (login.field("redirect_uri"), login.field("state"));
    let (code, out, err) = login.end().await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(
        out.contains(&format!("may use calendar and mail of {ACCOUNT} from now on.\nTry it: frontdeskctl")),
        "{out}"
    );
    assert_eq!(office.google.calendar.bearer(None).await.as_deref(), Ok("a1"));

    let asked = &office.fake.asked("POST /token")[0];
    assert_eq!(asked.field("code").as_deref(), Some("4/0A"));
    assert_eq!(asked.field("redirect_uri"), Some(redirect));
    assert_eq!(asked.field("code_verifier").unwrap().len(), 43);
    assert!(!asked.body.contains(&state), "the state is nobody's business but ours");
}

#[tokio::test]
async fn an_address_that_is_pasted_does_as_well() {
    let office = Office::start([(200, consented())]).await;
    let (_world, socket) = daemon(&office);
    let mut login = Login::start(&socket, &["--only", "calendar"]).await;
    assert_eq!(login.field("scope"), format!("openid email {CALENDAR} {FREE_BUSY}"));
    let pasted = format!("hello\n{}\n", login.back("code=c1"));
    login.child.stdin.take().unwrap().write_all(pasted.as_bytes()).await.unwrap();
    let (code, out, err) = login.end().await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.contains("that is not the whole address"), "{out}");
    assert!(office.file().exists());
}

#[tokio::test]
async fn no_more_is_asked_for_than_is_used() {
    let mut office = Office::start([(200, consented())]).await;
    Arc::get_mut(&mut office.google).unwrap().uses = vec![Feature::Calendar];
    let (_world, socket) = daemon(&office);
    let login = Login::start(&socket, &[]).await;
    assert_eq!(login.field("scope"), format!("openid email {CALENDAR} {FREE_BUSY}"), "mail would end it sooner");
    let login = Login::start(&socket, &["--only", "mail"]).await;
    assert_eq!(login.field("scope"), format!("openid email {SEND}"), "unless somebody wants it");
}

/// A consent replaces the one before it.
#[tokio::test]
async fn drafts_that_are_granted_are_asked_for_again() {
    const COMPOSE: &str = "https://www.googleapis.com/auth/gmail.compose";
    let granted = format!("openid email {CALENDAR} {FREE_BUSY} {COMPOSE}");
    let office = Office::start([(200, with(consented(), &json!({ "scope": granted })))]).await;
    office.log_in(&[CALENDAR, FREE_BUSY, COMPOSE]).await.unwrap();
    let (_world, socket) = daemon(&office);
    assert_eq!(Login::start(&socket, &[]).await.field("scope"), granted);
    let only = Login::start(&socket, &["--only", "mail"]).await;
    assert_eq!(only.field("scope"), format!("openid email {COMPOSE}"));
}

#[tokio::test]
async fn an_answer_to_another_question_is_not_taken() {
    let office = Office::start([(200, consented())]).await;
    let (_world, socket) = daemon(&office);
    let login = Login::start(&socket, &[]).await;
    let mut foreign = login.back("");
    foreign.set_query(Some("state=somebody-elses&code=evil"));
    let (status, page) = login.visit(foreign).await;
    assert!(status == 400 && page.contains("another question"), "{page}");
    assert_eq!(office.tokens(), 0);
    assert_eq!(login.visit(login.back("code=good")).await.0, 200, "and ours still is");
    assert_eq!(login.end().await.0, 0);
    assert_eq!(office.fake.asked("POST /token")[0].field("code").as_deref(), Some("good"));
}

#[tokio::test]
async fn each_way_in_which_it_fails_is_told_in_the_browser_and_at_the_terminal() {
    let unticked = with(consented(), &json!({ "scope": format!("openid email {CALENDAR} {FREE_BUSY}") }));
    for (answer, token, part) in [
        ("error=access_denied", (200, consented()), "access was denied in the browser"),
        ("error=org_internal", (200, consented()), "did not ask for consent (org_internal)"),
        ("code=c", (200, unticked), "not given: gmail.send"),
        ("code=c", refused("invalid_grant"), "does not take the code"),
    ] {
        let office = Office::start([token]).await;
        let (_world, socket) = daemon(&office);
        let login = Login::start(&socket, &[]).await;
        let (status, page) = login.visit(login.back(answer)).await;
        assert!(status == 400 && page.contains(part), "{page}");
        let (code, _, err) = login.end().await;
        assert!(code == 1 && err.starts_with("frontdeskctl: ") && err.contains(part), "{code} {err}");
        assert!(!office.file().exists());
    }
}

#[tokio::test]
async fn nobody_is_waited_for_longer_than_said() {
    let office = Office::start([(200, consented())]).await;
    let (_world, socket) = daemon(&office);
    let (code, _, err) = Login::start(&socket, &["--wait", "1"]).await.end().await;
    assert!(code == 1 && err.contains("nobody came back from Google within 1s"), "{err}");
}

#[tokio::test]
async fn what_has_begun_at_google_is_waited_for_although_the_time_is_up() {
    let office = Office::start([(200, consented())]).await;
    office.fake.takes(Duration::from_millis(3_500));
    let (_world, socket) = daemon(&office);
    let login = Login::start(&socket, &["--wait", "3"]).await;
    let (status, page) = login.visit(login.back("code=c1")).await;
    assert!(status == 200 && page.contains("may use the account now"), "{page}");
    let (code, out, err) = login.end().await;
    assert!(code == 0 && out.contains("from now on") && err.is_empty(), "{out} {err}");
    assert!(office.file().exists());
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_what_would_do() {
    let office = Office::start([(200, consented())]).await;
    let (_world, socket) = daemon(&office);
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    let (code, _, err) = by_socket(&socket, &format!("google login --port {port}")).await;
    assert!(code == 1 && err.contains("choose another with --port"), "{err}");
}

#[tokio::test]
async fn where_nobody_logs_in_every_command_says_so() {
    let mut world = World::new(HealthStatus::Ok);
    let socket = world.control();
    let (code, out, _) = by_socket(&socket, "google").await;
    assert_eq!(
        (code, out.as_str()),
        (0, "Google      unused\nlogin       none: see [google] login in the configuration\n")
    );
    for command in ["google login", "google logout"] {
        let (code, out, err) = by_socket(&socket, command).await;
        assert!(code == 1 && out.is_empty() && err.contains("set [google] login = \"user\""), "{command}: {err}");
    }
    let (code, out, _) = by_socket(&socket, "google test").await;
    assert!(code == 1 && out.starts_with("FAILED  access: access to Google is not set up"), "{out}");
}

#[tokio::test]
async fn status_tells_who_until_when_and_what_is_missing() {
    let week = with(
        consented(),
        &json!({ "refresh_token_expires_in": 604_799, "scope": format!("openid email {CALENDAR} {FREE_BUSY}") }),
    );
    let office = Office::start([(200, week), refused("invalid_grant")]).await;
    office.log_in(&[CALENDAR, FREE_BUSY]).await.unwrap();
    let (_world, socket) = daemon(&office);
    let (code, out, err) = by_socket(&socket, "google status").await;
    assert_eq!((code, err.as_str()), (0, ""));
    for part in [
        "Google      ok\n",
        &format!("login       {ACCOUNT}, on 20"),
        ", in 6 d 23 h: publish the consent screen",
        "calendar    granted, and not used\n",
        "mail        not granted, and not used\n",
        "simulator   http://127.0.0.1:",
    ] {
        assert!(out.contains(part), "{part} is not in\n{out}");
    }
    assert!(!out.contains("a1") && !out.contains("r1"), "{out}");

    assert!(office.google.calendar.bearer(Some("a1")).await.is_err());
    let (code, out, _) = by_socket(&socket, "google").await;
    assert!(code == 1 && out.starts_with("Google      needs consent: "), "{out}");
    let (_, out, _) = by_socket(&socket, "google --json").await;
    let json: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&json["health"]["state"], &json["who"]["login"]), (&json!("needs_consent"), &json!("user")));
}

#[tokio::test]
async fn a_test_reads_and_writes_the_calendar_and_sends_a_letter() {
    let office = Office::with_login([]).await;
    let at = |hours| json!({ "dateTime": Timestamp::now() + SignedDuration::from_hours(hours) });
    office.fake.answers(LIST, [page(&json!([{ "id": "staffs", "start": at(24), "end": at(25) }]))]);
    office.fake.answers(EVENTS, [(200, json!({ "id": "ev1" }))]);
    office.fake.answers(EVENT, [(204, json!(null))]);
    office.fake.answers("POST /tokeninfo", [(200, json!({ "email": ACCOUNT }))]);
    office.fake.answers("POST /gmail/v1/users/me/messages/send", [(200, json!({ "id": "m1" }))]);
    let (_world, socket) = daemon(&office);
    let (code, out, err) = by_socket(&socket, "google test --send-to staff@clinic.example").await;
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert_eq!(
        out,
        format!(
            "ok      access to calendars: Google gives a token\n\
             ok      read primary: 1 busy time in the next seven days\n\
             ok      write primary: an event was written and deleted (Frontdesk test (may be deleted))\n\
             ok      access to mail: Google gives a token\n\
             ok      mailbox: letters come from {ACCOUNT}\n\
             ok      send a letter: Google has taken it: look whether it arrives, and not among the spam\n"
        )
    );
    let event: Value = serde_json::from_str(&office.fake.asked(EVENTS)[0].body).unwrap();
    assert_eq!(
        (&event["summary"], &event["transparency"]),
        (&json!("Frontdesk test (may be deleted)"), &json!("transparent"))
    );
    assert_eq!(office.fake.asked(EVENT).len(), 1);
    assert_eq!(office.fake.asked(LIST)[0].bearer.as_deref(), Some("Bearer a1"));
    let sent: Value =
        serde_json::from_str(&office.fake.asked("POST /gmail/v1/users/me/messages/send")[0].body).unwrap();
    let letter =
        base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, sent["raw"].as_str().unwrap());
    let letter = String::from_utf8(letter.unwrap()).unwrap();
    assert!(
        letter.contains("From: desk@clinic.example\r\n") && letter.contains("To: staff@clinic.example\r\n"),
        "{letter}"
    );
}

#[tokio::test]
async fn a_test_that_may_only_read_writes_nothing() {
    let office = Office::with_login([]).await;
    office.fake.answers(OTHERS_LIST, [page(&json!([]))]);
    office.fake.answers("POST /tokeninfo", [(200, json!({ "email": ACCOUNT }))]);
    let (_world, socket) = daemon(&office);
    let (code, out, _) = by_socket(&socket, "google test --read-only --calendar dr@x").await;
    assert!(code == 0 && out.contains("ok      read dr@x: 0 busy times"), "{out}");
    assert!(!out.contains("write"), "{out}");
}

#[tokio::test]
async fn what_a_test_finds_wrong_comes_with_what_would_do() {
    let disabled = json!({ "error": { "message": "m", "details": [{ "reason": "SERVICE_DISABLED" }] } });
    let unscoped = json!({ "error": { "message": "m", "errors": [{ "reason": "insufficientPermissions" }] } });
    let odd = json!([{ "id": "odd", "start": { "dateTime": "soon" }, "end": { "dateTime": "later" } }]);
    let list = || page(&json!([]));
    let event = || (200, json!({ "id": "ev1" }));
    for (listed, insert, delete, part, would_do) in [
        (not_found(), event(), (204, json!(null)), "notFound", "share it with"),
        (page(&odd), event(), (204, json!(null)), "an entry cannot be read", "change that entry"),
        ((403, disabled), event(), (204, json!(null)), "SERVICE_DISABLED", "switch the API on"),
        ((503, json!("<html>")), event(), (204, json!(null)), "HTTP 503", "try again later"),
        (list(), (403, unscoped), (204, json!(null)), "insufficientPermissions", "leave every box ticked"),
        (list(), event(), (500, json!(null)), "cannot be deleted", "tomorrow, by hand"),
    ] {
        let office = Office::with_login([]).await;
        office.fake.answers(LIST, [listed]);
        office.fake.answers(EVENTS, [insert]);
        office.fake.answers(EVENT, [delete]);
        office.fake.answers("POST /tokeninfo", [(200, json!({ "email": ACCOUNT }))]);
        let (_world, socket) = daemon(&office);
        let (code, out, _) = by_socket(&socket, "google test").await;
        let failed = out.lines().position(|line| line.starts_with("FAILED")).unwrap_or_else(|| panic!("{out}"));
        let lines: Vec<&str> = out.lines().collect();
        assert!(code == 1 && lines[failed].contains(part) && lines[failed + 1].contains(would_do), "{out}");
    }
}

#[tokio::test]
async fn a_further_calendar_that_is_not_shared_is_found() {
    let mut office = Office::with_login([]).await;
    Arc::get_mut(&mut office.google).unwrap().also_busy = vec!["private@x".to_owned()];
    let unread = json!({ "errors": [{ "reason": "notFound" }], "busy": [] });
    office.fake.answers(FREE_TIMES, [(200, json!({ "calendars": { "private@x": unread } }))]);
    office.fake.answers(LIST, [page(&json!([]))]);
    office.fake.answers("POST /tokeninfo", [(200, json!({ "email": ACCOUNT }))]);
    let (_world, socket) = daemon(&office);
    let (code, out, _) = by_socket(&socket, "google test --read-only").await;
    assert!(code == 1 && out.contains("FAILED  see when private@x is busy: HTTP 404 notFound"), "{out}");
    office.fake.answers(FREE_TIMES, [(200, json!({ "calendars": { "private@x": { "busy": [] } } }))]);
    let (code, out, _) = by_socket(&socket, "google test --read-only").await;
    assert!(code == 0 && out.contains("ok      see when private@x is busy: 0 busy times"), "{out}");
}

#[tokio::test]
async fn what_a_service_account_is_not_used_for_is_neither_tried_nor_missed() {
    let fake = Fake::start().await;
    fake.answers("POST /token", [refused("unauthorized_client")]);
    let mut google = robot(&fake, Some(ACCOUNT));
    Arc::get_mut(&mut google).unwrap().uses = vec![Feature::Mail];
    assert!(google.calendar.bearer(None).await.is_err(), "a technician has tried it out");
    assert_eq!(google.known(), Known::Nothing);
    let mut world = World::new(HealthStatus::Ok);
    world.state.google = Arc::clone(&google);
    let socket = world.control();
    let (code, out, _) = by_socket(&socket, "google test").await;
    assert!(code == 1 && out.starts_with("FAILED  access to mail") && !out.contains("calendars"), "{out}");
    assert!(matches!(google.known(), Known::Trouble(_)), "mail is used");
}

#[tokio::test]
async fn a_service_account_is_told_with_whom_to_share_a_calendar() {
    let fake = Fake::start().await;
    fake.answers("POST /token", [(200, json!({ "access_token": "s1", "expires_in": 3599 }))]);
    fake.answers(OTHERS_LIST, [not_found()]);
    let mut world = World::new(HealthStatus::Ok);
    world.state.google = robot(&fake, None);
    let socket = world.control();
    let (code, out, _) = by_socket(&socket, "google").await;
    assert!(code == 0 && out.contains(&format!("login       the service account {ROBOT}\n")), "{out}");
    let (code, out, _) = by_socket(&socket, "google test").await;
    assert!(code == 1 && out.contains(&format!("-> share a calendar with {ROBOT}, and name it")), "{out}");
    let (code, out, _) = by_socket(&socket, "google test --calendar dr@x --send-to a@clinic.example").await;
    assert!(code == 1 && out.contains(&format!("share it with {ROBOT} (\"Make changes to events\")")), "{out}");
    assert!(out.contains("FAILED  mailbox: a service account has no mailbox of its own\n"), "{out}");
    let (code, _, err) = by_socket(&socket, "google login").await;
    assert!(code == 1 && err.contains("nobody logs in"), "{err}");
}

#[tokio::test]
async fn a_service_account_sends_for_whom_it_acts() {
    let fake = Fake::start().await;
    fake.answers("POST /token", [(200, json!({ "access_token": "s1", "expires_in": 3599 }))]);
    fake.answers(OTHERS_LIST, [page(&json!([]))]);
    fake.answers("POST /gmail/v1/users/me/messages/send", [(200, json!({ "id": "m1" }))]);
    let mut world = World::new(HealthStatus::Ok);
    world.state.google = robot(&fake, Some(ACCOUNT));
    let socket = world.control();
    let arguments = "google test --read-only --calendar dr@x --send-to a@clinic.example";
    let (code, out, _) = by_socket(&socket, arguments).await;
    assert!(code == 0 && out.contains(&format!("letters come from {ACCOUNT}\nok      send a letter: ")), "{out}");
    assert!(by_socket(&socket, "google").await.1.contains(&format!("acts for    {ACCOUNT}\n")));
}

#[tokio::test]
async fn a_token_that_was_withdrawn_meanwhile_is_replaced_in_a_test() {
    let office = Office::with_login([(200, json!({ "access_token": "a2", "expires_in": 3599 }))]).await;
    let unread = json!({ "error": { "message": "Invalid Credentials", "errors": [{ "reason": "authError" }] } });
    office.fake.answers(LIST, [(401, unread), page(&json!([]))]);
    office.fake.answers("POST /tokeninfo", [(200, json!({ "email": ACCOUNT }))]);
    let (_world, socket) = daemon(&office);
    let (code, out, _) = by_socket(&socket, "google test --read-only").await;
    assert_eq!(code, 0, "{out}");
    let bearers: Vec<_> = office.fake.asked(LIST).into_iter().filter_map(|asked| asked.bearer).collect();
    assert_eq!(bearers, ["Bearer a1", "Bearer a2"]);
}

#[tokio::test]
async fn a_logout_forgets_the_login() {
    let office = Office::with_login([]).await;
    office.fake.answers("POST /revoke", [(200, json!({}))]);
    assert_eq!(document(&office.file())["refresh_token"], "r1");
    let (_world, socket) = daemon(&office);
    let (code, out, _) = by_socket(&socket, "google logout").await;
    assert_eq!((code, out.as_str()), (0, "the login is forgotten, here and at Google\n"));
    assert!(!office.file().exists());
    assert_eq!(by_socket(&socket, "google logout").await.1, "nobody was logged in; nothing is kept\n");
}

#[tokio::test]
async fn a_logout_from_a_login_that_others_may_have_read_says_where_to_withdraw_it() {
    let office = Office::with_login([]).await;
    std::fs::set_permissions(office.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let office = office.restart("client", None).await;
    assert!(office.google.calendar.bearer(None).await.is_err());
    let (_world, socket) = daemon(&office);
    let (code, out, _) = by_socket(&socket, "google logout").await;
    assert!(code == 1 && out.contains("Google was not told"), "{out}");
    assert!(out.contains("withdraw it at https://myaccount.google.com/permissions"), "{out}");
    assert!(!office.file().exists());
}

#[tokio::test]
async fn only_the_control_socket_changes_who_we_are() {
    let office = Office::start([(200, consented())]).await;
    let (mut world, socket) = daemon(&office);
    let admin = world.admin(None).await;
    for request in ["POST /v1/google/login", "DELETE /v1/google/login", "POST /v1/google/test"] {
        assert_eq!(admin.ask(request, &[]).await.failure(), (404, "no_such_path".to_owned()), "{request}");
    }
    assert_eq!(admin.ask("GET /v1/google", &[]).await.json()["who"]["login"], "user");
    let url = format!("http://{}", admin.0);
    for command in ["google login", "google logout", "google test"] {
        let (code, _, err) = by_socket(&socket, &format!("--url {url} {command}")).await;
        assert!(code == 2 && err.contains("over the control socket alone"), "{command}: {err}");
    }
    let answer = ask_control(&socket, "POST /v1/google/login").await;
    assert_eq!(answer.failure(), (400, "bad_body".to_owned()));
    assert_eq!(ask_control(&socket, "GET /v1/google/login").await.failure(), (405, "wrong_method".to_owned()));
}
