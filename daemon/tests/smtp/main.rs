//! Letters to a real mail server, which fails in every way that one can. Run by `tests/proofs/mail/run.sh`, which says
//! where the server is.

#![allow(clippy::unwrap_used, reason = "a helper of tests fails like a test")]

#[path = "../shell/booked.rs"]
mod booked;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use frontdesk_core::booking::appointment::{Appointment, State};
use frontdesk_core::booking::book::Message;
use frontdesk_core::letter::Sent;
use frontdesk_core::letter::address::MailAddress;
use frontdeskd::config::{MailBackend, MailConfig, Secret, SmtpConfig, SmtpSecurity};
use frontdeskd::mail::{Attempt, Mailer, Patience, Smtp};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use booked::{appointment, at, clinic};

const USER: &str = "frontdesk@clinic.example";
/// Longer than the server's slow answer, shorter than its silence.
const PATIENCE: Patience = Patience { before: Duration::from_secs(10), letter: Duration::from_secs(10) };

/// The mail servers, and where they put what they get.
struct Servers {
    ports: BTreeMap<String, u16>,
    letters: PathBuf,
    ca: PathBuf,
    _home: tempfile::TempDir,
    /// It ends when our end of its standard input is closed, with this process.
    _child: Child,
}

static SERVERS: LazyLock<Servers> = LazyLock::new(|| {
    let server = std::env::var("MAIL_SERVER").expect("run tests/proofs/mail/run.sh");
    let letters = PathBuf::from(std::env::var("MAIL_LETTERS").unwrap());
    let home = tempfile::tempdir().unwrap();
    let [ca, cert, key] = certificates(home.path());
    let words: Vec<&str> = server.split(' ').collect();
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .args([&cert, &key, &letters])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(child.stdout.take().unwrap()).lines().take(4);
    let port = |line: String| {
        let (name, port) = line.split_once(' ').unwrap();
        (name.to_owned(), port.parse().unwrap())
    };
    let ports: BTreeMap<String, u16> = said.map(|line| port(line.unwrap())).collect();
    assert_eq!(ports.len(), 4, "the server did not start");
    Servers { ports, letters, ca, _home: home, _child: child }
});

/// An authority, a certificate for `localhost`, and its key.
fn certificates(home: &Path) -> [PathBuf; 3] {
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.distinguished_name.push(DnType::CommonName, "an authority of a test");
    let ca = CertifiedIssuer::self_signed(ca, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &ca).unwrap();
    let write = |name: &str, text: String| {
        let path = home.join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    [write("ca.pem", ca.pem()), write("cert.pem", leaf.pem()), write("key.pem", key.serialize_pem())]
}

/// The settings for the server of that name.
fn server(name: &str, security: SmtpSecurity) -> SmtpConfig {
    SmtpConfig {
        host: "localhost".to_owned(),
        port: SERVERS.ports[name],
        security,
        login: (name != "plain").then(|| (USER.to_owned(), Secret::new("the password"))),
        ca_file: Some(SERVERS.ca.clone()),
    }
}

fn starttls() -> SmtpConfig {
    server("starttls", SmtpSecurity::StartTls)
}

fn mailer(server: &SmtpConfig, from: &str) -> Mailer {
    let config = MailConfig {
        backend: MailBackend::Smtp(server.clone()),
        from: MailAddress::parse(from).unwrap(),
        reply_to: None,
        staff: MailAddress::parse("staff@clinic.example").ok(),
        templates: None,
    };
    let server = Smtp::new(server, PATIENCE).unwrap();
    Mailer::new(server, &config, Arc::new(clinic())).unwrap()
}

/// An appointment of the patient whose address begins like that.
fn of(who: &str) -> Appointment {
    let mut appointment = appointment();
    appointment.patient.as_mut().unwrap().email = Some(format!("{who}@example.org"));
    appointment
}

async fn send(server: &SmtpConfig, who: &str) -> Sent {
    mailer(server, USER).notify(&of(who), Attempt::first("key"), at("2026-11-20T09:00:00Z")).await
}

/// The letters that the server has for somebody.
fn letters_for(who: &str) -> Vec<String> {
    let entries = std::fs::read_dir(&SERVERS.letters).unwrap().map(|entry| entry.unwrap().path());
    let theirs = entries.filter(|path| path.to_str().unwrap().ends_with(&format!("-{who}.eml")));
    theirs.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[tokio::test]
async fn a_letter_arrives_whole_over_starttls_and_over_tls() {
    for (server, who) in [
        (starttls(), "by-starttls"),
        (server("tls", SmtpSecurity::Tls), "by-tls"),
        (server("plain", SmtpSecurity::Plain), "by-plain"),
    ] {
        let sent = send(&server, who).await;
        // The server names the address in its answer: it is left out.
        assert!(
            matches!(&sent, Sent::Done { receipt } if receipt.starts_with("250 2.0.0 Ok: queued as ") && !receipt.contains('@')),
            "{sent:?}"
        );
        let letters = letters_for(who);
        assert_eq!(letters.len(), 1);
        let id = "Message-ID: <0190f5a67a4e7c3b9a550f1e2d3c4b5a.confirmation.0@clinic.example>\r\n";
        assert!(letters[0].contains(id) && letters[0].contains("method=REQUEST"), "{}", letters[0]);
    }
}

#[tokio::test]
async fn every_kind_of_letter_arrives() {
    let mailer = mailer(&starttls(), USER);
    let now = at("2026-11-30T13:00:00Z");
    let mut german = of("german");
    german.language = "de".to_owned();
    german.patient.as_mut().unwrap().name = "Zoë \"Zo\" Müller, ^n \u{202e}".to_owned();
    for (revision, state) in [(0, State::Booked), (1, State::Booked), (2, State::Cancelled)] {
        (german.revision, german.state) = (revision, state);
        let sent = mailer.notify(&german, Attempt::first("key"), now).await;
        assert!(matches!(sent, Sent::Done { .. }), "{sent:?}");
    }
    let sent = mailer.remind(&of("reminded"), Attempt::first("key"), now).await;
    assert!(matches!(sent, Sent::Done { .. }), "{sent:?}");
    let message = Message {
        name: "Ana Pérez".to_owned(),
        phone: None,
        topic: "prescription".to_owned(),
        text: ".\r\n.\r\nQUIT\r\n".to_owned(),
        today: false,
    };
    let sent = mailer.tell_staff(1, &message, now, Attempt::first("key"), now).await;
    assert!(matches!(sent, Sent::Done { .. }), "{sent:?}");
    assert_eq!((letters_for("german").len(), letters_for("reminded").len(), letters_for("staff").len()), (3, 1, 1));
}

#[tokio::test]
async fn what_the_server_refuses_for_now_is_tried_again() {
    for (who, said) in [("later", "450 4.2.1 to the recipient"), ("busy", "451 4.3.0 to the letter")] {
        let sent = send(&starttls(), who).await;
        assert!(matches!(&sent, Sent::Retry { why, .. } if why.contains(said)), "{sent:?}");
    }
}

#[tokio::test]
async fn what_the_server_refuses_for_good_is_not_and_the_reason_names_nobody() {
    for (who, said) in [
        ("nobody", "550 5.1.1 to the recipient: there is no such mailbox"),
        ("full", "552 5.2.2 to the recipient: the mailbox is full"),
        ("spam", "554 5.7.1 to the letter: its policy forbids it"),
    ] {
        let sent = send(&starttls(), who).await;
        assert!(matches!(&sent, Sent::Rejected(why) if why.ends_with(said) && !why.contains('@')), "{sent:?}");
    }
}

#[tokio::test]
async fn settings_that_are_wrong_are_blamed_and_not_the_recipient() {
    let wrong_password = SmtpConfig { login: Some((USER.to_owned(), Secret::new("wrong"))), ..starttls() };
    let nobody_logged_in = SmtpConfig { login: None, ..starttls() };
    let untrusted = SmtpConfig { ca_file: None, ..starttls() };
    let untrusted_at_once = SmtpConfig { ca_file: None, ..server("tls", SmtpSecurity::Tls) };
    let no_starttls = server("plain", SmtpSecurity::StartTls);
    let no_login =
        SmtpConfig { login: Some((USER.to_owned(), Secret::new("x"))), ..server("plain", SmtpSecurity::Plain) };
    let tls_at_a_plain_port = server("starttls", SmtpSecurity::Tls);
    for (settings, said) in [
        (wrong_password, "535 5.7.8 at the login: check [mail] smtp_user and the smtp-password"),
        (nobody_logged_in, "530 5.7.0 to the sender: check [mail] smtp_user and the smtp-password"),
        (untrusted, "certificate is not trusted"),
        (untrusted_at_once, "certificate is not trusted"),
        (no_starttls, "does not offer what was asked for at STARTTLS"),
        (no_login, "does not offer what was asked for at the login"),
        (tls_at_a_plain_port, "does not offer what was asked for at the connection"),
    ] {
        let sent = send(&settings, "ana").await;
        assert!(matches!(&sent, Sent::Misconfigured(why) if why.contains(said)), "{said}: {sent:?}");
    }
    let mailer = mailer(&starttls(), "stranger@clinic.example");
    let sent = mailer.notify(&of("ana"), Attempt::first("key"), at("2026-11-20T09:00:00Z")).await;
    assert!(matches!(&sent, Sent::Misconfigured(why) if why.contains("check [mail] from")), "{sent:?}");
    assert_eq!(letters_for("ana").len(), 0);
}

#[tokio::test]
async fn a_lost_answer_leaves_it_open_and_the_repeat_is_the_same_letter() {
    let sent = send(&starttls(), "cut").await;
    assert!(matches!(&sent, Sent::Unknown(why) if why == "the mail server broke off to the letter"), "{sent:?}");
    assert!(matches!(send(&starttls(), "cut").await, Sent::Done { .. }));
    let letters = letters_for("cut");
    let id = |letter: &str| letter.lines().find(|line| line.starts_with("Message-ID: ")).unwrap().to_owned();
    assert_eq!((letters.len(), id(&letters[0])), (2, id(&letters[1])));
}

#[tokio::test]
async fn a_server_that_falls_silent_is_not_waited_for_for_ever() {
    let mute = |security| SmtpConfig { login: None, ..server("mute", security) };
    let mute = [SmtpSecurity::Plain, SmtpSecurity::StartTls, SmtpSecurity::Tls].map(mute);
    let server = starttls();
    let (silent, slow, plain, starttls, tls) = tokio::join!(
        send(&server, "silent"),
        send(&server, "slow"),
        send(&mute[0], "ana"),
        send(&mute[1], "ana"),
        send(&mute[2], "ana"),
    );
    assert_eq!(silent, Sent::Unknown("the mail server was silent to the letter".to_owned()));
    assert!(matches!(slow, Sent::Done { .. }), "slow is not silent: {slow:?}");
    for sent in [plain, starttls, tls] {
        assert!(matches!(&sent, Sent::Retry { why, .. } if why.contains("silent at the connection")), "{sent:?}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_tried_again() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sent = send(&SmtpConfig { port: closed, ..starttls() }, "ana").await;
    assert!(matches!(&sent, Sent::Retry { why, .. } if why == "the mail server cannot be reached"), "{sent:?}");
    // Without a network the name server's silence is what is noticed first.
    let unnamed = send(&SmtpConfig { host: "mail.invalid".to_owned(), ..starttls() }, "ana").await;
    assert!(matches!(unnamed, Sent::Retry { .. }), "{unnamed:?}");
}
