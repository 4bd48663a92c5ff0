//! What a mail server's answers mean for the letter, by how far the exchange had come.
//!
//! ```text
//! Connect ─► Hello ─► StartTls ─► Login ─► Sender ─► Recipient ─► Data ─► Content
//! └──────────────── nothing was sent: try again ─────────────────────┘  └ nobody knows
//! ```

use super::Sent;

/// How far an exchange has come: what was asked last. In the order of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// A connection, TLS included where it comes first, and the server's greeting.
    Connect,
    /// TLS on the connection.
    StartTls,
    /// To be let in.
    Login,
    /// `MAIL FROM`.
    Sender,
    /// `RCPT TO`.
    Recipient,
    /// `DATA`: whether the letter may come.
    Data,
    /// The letter itself. From here on it may have been taken, whatever is seen here.
    Content,
}

/// What came instead of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The name is not known, or nobody answers there.
    Unreachable,
    /// The certificate is not one to trust.
    Certificate,
    /// The server does not offer what the settings ask for: TLS, or a way to log in.
    Unsupported,
    /// The connection was cut, or what came was no SMTP.
    Cut,
    /// Nothing came in time.
    Silence,
}

impl Step {
    const fn asked(self) -> &'static str {
        match self {
            Self::Connect => "at the connection",
            Self::StartTls => "at STARTTLS",
            Self::Login => "at the login",
            Self::Sender => "to the sender",
            Self::Recipient => "to the recipient",
            Self::Data => "to DATA",
            Self::Content => "to the letter",
        }
    }
}

/// What a refusal means: the reply's code (400 to 599) and its text, of which only the enhanced code is repeated: servers
/// write addresses into the rest.
pub fn refused(step: Step, code: u16, text: &str) -> Sent {
    let enhanced = enhanced(text);
    let space = if enhanced.is_some() { " " } else { "" };
    let said = format!("the mail server answered {code}{space}{} {}", enhanced.unwrap_or_default(), step.asked());
    if code < 500 {
        return Sent::Retry { why: said, after: None };
    }
    let because = |why: &str| format!("{said}: {why}");
    match (code, step) {
        (530 | 534 | 535 | 538, _) | (_, Step::Login) => {
            Sent::Misconfigured(because("check [mail] smtp_user and the smtp-password"))
        }
        (_, Step::Connect | Step::StartTls) => {
            Sent::Misconfigured(because("it does not want us: check [mail] smtp_host and smtp_port"))
        }
        (_, Step::Sender) => Sent::Misconfigured(because("check [mail] from: the account may not send as that")),
        (_, Step::Recipient | Step::Data | Step::Content) => match meaning(enhanced.unwrap_or_default()) {
            Some(why) => Sent::Rejected(because(why)),
            None => Sent::Rejected(said),
        },
    }
}

/// What it means that no answer came.
pub fn failed(step: Step, fault: Fault) -> Sent {
    let asked = step.asked();
    match fault {
        Fault::Certificate => Sent::Misconfigured(
            "the mail server's certificate is not trusted: check [mail] smtp_host, smtp_ca_file and the clock"
                .to_owned(),
        ),
        Fault::Unsupported => Sent::Misconfigured(format!(
            "the mail server does not offer what was asked for {asked}: check [mail] smtp_security and smtp_port"
        )),
        Fault::Unreachable => Sent::Retry { why: "the mail server cannot be reached".to_owned(), after: None },
        Fault::Cut | Fault::Silence => {
            let what = if fault == Fault::Cut { "broke off" } else { "was silent" };
            let why = format!("the mail server {what} {asked}");
            if step == Step::Content { Sent::Unknown(why) } else { Sent::Retry { why, after: None } }
        }
    }
}

/// The enhanced status code (RFC 3463) at the beginning of a reply's text.
fn enhanced(text: &str) -> Option<&str> {
    let word = text.split_ascii_whitespace().next()?;
    let mut parts = word.split('.');
    let fits = matches!(parts.next(), Some("4" | "5"))
        && (0..2).all(|_| {
            parts.next().is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
        })
        && parts.next().is_none();
    fits.then_some(word)
}

fn meaning(enhanced: &str) -> Option<&'static str> {
    match enhanced {
        "5.1.1" => Some("there is no such mailbox"),
        "5.1.2" | "5.1.10" => Some("there is no such domain, or it takes no mail"),
        "5.2.2" => Some("the mailbox is full"),
        "5.7.1" => Some("its policy forbids it"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: [Step; 7] =
        [Step::Connect, Step::StartTls, Step::Login, Step::Sender, Step::Recipient, Step::Data, Step::Content];

    #[test]
    fn a_temporary_refusal_is_tried_again_wherever_it_comes() {
        for step in STEPS {
            for code in [421, 450, 451, 454] {
                assert!(matches!(refused(step, code, "4.2.0 later"), Sent::Retry { .. }), "{step:?} {code}");
            }
        }
    }

    #[test]
    fn a_refused_letter_is_the_recipients_and_a_refused_login_ours() {
        let said = "the mail server answered 550 5.1.1 to the recipient: there is no such mailbox";
        assert_eq!(refused(Step::Recipient, 550, "5.1.1 <ana@example.org> unknown"), Sent::Rejected(said.to_owned()));
        let said = "the mail server answered 554 to the letter";
        assert_eq!(refused(Step::Content, 554, "ana@example.org is spam"), Sent::Rejected(said.to_owned()));
        for (step, code) in [(Step::Login, 535), (Step::Sender, 530), (Step::Recipient, 530), (Step::Sender, 553)] {
            assert!(matches!(refused(step, code, ""), Sent::Misconfigured(_)), "{step:?} {code}");
        }
    }

    #[test]
    fn only_a_letter_that_has_left_may_have_arrived() {
        for step in STEPS {
            for fault in [Fault::Cut, Fault::Silence] {
                let unknown = matches!(failed(step, fault), Sent::Unknown(_));
                assert_eq!(unknown, step == Step::Content, "{step:?} {fault:?}");
            }
        }
        assert!(matches!(failed(Step::Connect, Fault::Unreachable), Sent::Retry { .. }));
        assert!(matches!(failed(Step::Connect, Fault::Certificate), Sent::Misconfigured(_)));
        assert!(matches!(failed(Step::StartTls, Fault::Unsupported), Sent::Misconfigured(_)));
    }

    #[test]
    fn nothing_of_a_reply_is_repeated_but_its_codes() {
        for text in ["ana@example.org", "5.1.1<ana@example.org>", "5.1.ana", "6.1.1 x", "5.1.1.1 x", ""] {
            let Sent::Rejected(said) = refused(Step::Recipient, 550, text) else { panic!("{text}") };
            assert_eq!(said, "the mail server answered 550 to the recipient", "{text:?}");
        }
    }
}
