//! `gemini-key` and `webhooks`: what Gemini and Twilio say to the keys of this box.

use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;

use super::finding::Finding;
use crate::config::{GeminiAccess, GeminiConfig, PhoneConfig};
use crate::phone::paths;

const WITHIN: Duration = Duration::from_secs(4);

/// What Gemini says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Models {
    /// The key is taken; whether the model is among those that it may use.
    Listed {
        has_model: bool,
    },
    Refused(u16),
    Unreachable,
    /// There is no key.
    Vertex,
}

#[derive(Deserialize)]
struct ModelList {
    models: Vec<ModelEntry>,
}

#[derive(Deserialize)]
struct ModelEntry {
    name: String,
}

/// Asks which models the key may use.
pub(super) async fn ask_gemini(http: &reqwest::Client, gemini: &GeminiConfig) -> Models {
    let GeminiAccess::ApiKey(key) = &gemini.access else { return Models::Vertex };
    // ws is http, and wss is https.
    let base = gemini.endpoint.strip_prefix("ws").map_or_else(|| gemini.endpoint.clone(), |rest| format!("http{rest}"));
    let request = http.get(format!("{base}/{}/models?pageSize=1000", gemini.api_version)).timeout(WITHIN);
    let Ok(answer) = request.header("x-goog-api-key", key.expose()).send().await else { return Models::Unreachable };
    let status = answer.status();
    if !status.is_success() {
        return Models::Refused(status.as_u16());
    }
    let wanted = format!("models/{}", gemini.model);
    let list = answer.json::<ModelList>().await;
    Models::Listed { has_model: list.is_ok_and(|list| list.models.iter().any(|model| model.name == wanted)) }
}

/// The check `gemini-key`.
pub(super) fn judge_gemini(model: &str, models: &Models) -> Vec<Finding> {
    vec![match models {
        Models::Listed { has_model: true } => Finding::ok(format!("Gemini takes the key, and has {model}")),
        Models::Listed { has_model: false } => Finding::wrong(
            format!("Gemini takes the key, but does not list the model {model} for it"),
            "sudo nano /etc/frontdesk/config.toml  ([gemini] model), then: sudo systemctl restart frontdeskd",
        ),
        Models::Refused(429) => Finding::wrong(
            "Gemini takes the key, but its quota is used up",
            "raise the quota in Google AI Studio, or wait",
        ),
        Models::Refused(status @ (400 | 401 | 403)) => Finding::wrong(
            format!("Gemini refuses the key ({status})"),
            "sudo frontdeskctl secrets set gemini-api-key && sudo systemctl restart frontdeskd",
        ),
        Models::Refused(status) => Finding::advice(
            format!("Gemini answers with {status}: it may be out of order"),
            "frontdeskctl doctor --deep --only gemini-key  (again in some minutes)",
        ),
        Models::Unreachable => Finding::skipped("Gemini cannot be reached: the check gemini-tls says why"),
        Models::Vertex => Finding::skipped("with Vertex AI there is no key"),
    }]
}

/// A phone number at Twilio.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub(super) struct Number {
    pub(super) sid: String,
    pub(super) voice_url: Option<String>,
    pub(super) voice_method: Option<String>,
    pub(super) status_callback: Option<String>,
    pub(super) status_callback_method: Option<String>,
    pub(super) voice_application_sid: Option<String>,
    pub(super) trunk_sid: Option<String>,
}

/// What Twilio says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Account {
    /// It knows us; the clinic's number, if it is in the account.
    Known(Option<Number>),
    Refused(u16),
    Unreachable,
}

#[derive(Deserialize)]
struct NumberList {
    incoming_phone_numbers: Vec<Number>,
}

/// Asks for the clinic's number.
pub(super) async fn ask_twilio(http: &reqwest::Client, phone: &PhoneConfig) -> Account {
    let path = format!("{}/2010-04-01/Accounts/{}/IncomingPhoneNumbers.json", phone.twilio_api, phone.account_sid);
    let number =
        form_urlencoded::Serializer::new(String::new()).append_pair("PhoneNumber", phone.number.as_e164()).finish();
    let request = http.get(format!("{path}?{number}")).timeout(WITHIN);
    let sid = phone.account_sid.to_string();
    let Ok(answer) = request.basic_auth(sid, Some(phone.auth_token.expose())).send().await else {
        return Account::Unreachable;
    };
    match answer.status() {
        StatusCode::OK => match answer.json::<NumberList>().await {
            Ok(mut list) => Account::Known(list.incoming_phone_numbers.pop()),
            Err(_) => Account::Refused(200),
        },
        status => Account::Refused(status.as_u16()),
    }
}

/// The check `webhooks`.
pub(super) fn judge_webhooks(public_url: &str, account: &Account) -> Vec<Finding> {
    let number = match account {
        Account::Known(Some(number)) => number,
        Account::Known(None) => {
            return vec![Finding::wrong(
                "the clinic's number is not in this Twilio account",
                "sudo nano /etc/frontdesk/config.toml  ([phone] number), or: sudo frontdeskctl secrets set twilio-account-sid",
            )];
        }
        Account::Refused(status @ (401 | 403 | 404)) => {
            return vec![Finding::wrong(
                format!("Twilio refuses the account SID or its token ({status})"),
                "sudo frontdeskctl secrets set twilio-auth-token && sudo systemctl restart frontdeskd",
            )];
        }
        Account::Refused(status) => {
            let what = format!("Twilio answers with {status}: it may be out of order");
            return vec![Finding::advice(what, "frontdeskctl doctor --only webhooks  (again in some minutes)")];
        }
        Account::Unreachable => {
            return vec![Finding::skipped("Twilio cannot be reached: the check twilio-tls says why")];
        }
    };
    let set = |value: &Option<String>| value.as_deref().is_some_and(|value| !value.is_empty());
    let sid = &number.sid;
    for (value, what, flag) in [
        (&number.voice_application_sid, "a TwiML app", "--voice-application-sid"),
        (&number.trunk_sid, "a SIP trunk", "--trunk-sid"),
    ] {
        if set(value) {
            let text = format!("the number is bound to {what} at Twilio, which takes its calls before this box");
            let fix = format!("twilio api:core:incoming-phone-numbers:update --sid {sid} {flag} \"\"");
            return vec![Finding::wrong(text, fix)];
        }
    }
    let (voice, status) = (format!("{public_url}{}", paths::VOICE), format!("{public_url}{}", paths::STATUS));
    let posts = |method: &Option<String>| method.as_deref().is_none_or(|method| method.eq_ignore_ascii_case("POST"));
    let mut findings = Vec::new();
    let mut judge = |name: &str,
                     flag: &str,
                     found: &Option<String>,
                     method: &Option<String>,
                     wanted: &str,
                     effect: &str| {
        let fix =
            format!("twilio api:core:incoming-phone-numbers:update --sid {sid} --{flag} {wanted} --{flag}-method POST")
                .replace("voice-url-method", "voice-method");
        match found.as_deref().filter(|found| !found.is_empty()) {
            Some(found) if found == wanted && posts(method) => {}
            Some(found) if found == wanted => {
                findings
                    .push(Finding::wrong(format!("{name} is asked for by another method than POST: {effect}"), fix));
            }
            Some(found) => {
                findings.push(Finding::wrong(
                    format!("{name} of the number is {found} at Twilio, and not {wanted}: {effect}"),
                    fix,
                ));
            }
            None => findings.push(Finding::wrong(format!("{name} of the number is not set at Twilio: {effect}"), fix)),
        }
    };
    judge(
        "\"A call comes in\"",
        "voice-url",
        &number.voice_url,
        &number.voice_method,
        &voice,
        "calls do not reach this box",
    );
    let (callback, method) = (&number.status_callback, &number.status_callback_method);
    judge(
        "\"Call status changes\"",
        "status-callback",
        callback,
        method,
        &status,
        "the ends of calls are noticed late",
    );
    if findings.is_empty() {
        findings.push(Finding::ok("Twilio sends the number's calls to this box"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ctl::doctor::finding::Outcome;

    const URL: &str = "https://desk.example.com";

    fn number() -> Number {
        Number {
            sid: "PN1".to_owned(),
            voice_url: Some(format!("{URL}/twilio/voice")),
            voice_method: Some("POST".to_owned()),
            status_callback: Some(format!("{URL}/twilio/status")),
            status_callback_method: Some("POST".to_owned()),
            voice_application_sid: Some(String::new()),
            trunk_sid: None,
        }
    }

    #[test]
    fn a_number_leads_here_or_it_is_told_what_does_not() {
        let known = |number| Account::Known(Some(number));
        let old = "https://old.example.com/voice".to_owned();
        for (account, said, fix) in [
            (
                known(Number { voice_url: Some(old), ..number() }),
                "is https://old.example.com/voice at Twilio",
                "--sid PN1 --voice-url https://desk.example.com/twilio/voice --voice-method POST",
            ),
            (known(Number { voice_method: Some("GET".into()), ..number() }), "another method", "--voice-method POST"),
            (
                known(Number { status_callback: None, ..number() }),
                "\"Call status changes\" of the number is not set",
                "--status-callback https://desk.example.com/twilio/status --status-callback-method POST",
            ),
            (
                known(Number { voice_application_sid: Some("AP1".into()), ..number() }),
                "a TwiML app",
                "--voice-application-sid \"\"",
            ),
            (known(Number { trunk_sid: Some("TK1".into()), ..number() }), "a SIP trunk", "--trunk-sid"),
            (Account::Known(None), "is not in this Twilio account", "[phone] number"),
            (Account::Refused(401), "refuses the account SID or its token", "secrets set twilio-auth-token"),
        ] {
            let [finding] = &judge_webhooks(URL, &account)[..] else { panic!("one: {account:?}") };
            assert!(finding.outcome == Outcome::Wrong && finding.what.contains(said), "{finding:?}");
            assert!(finding.fix.as_ref().unwrap().contains(fix), "{finding:?}");
        }
        assert_eq!(judge_webhooks(URL, &known(number()))[0].outcome, Outcome::Ok);
        assert_eq!(judge_webhooks(URL, &known(Number::default())).len(), 2, "neither is set");
        assert_eq!(judge_webhooks(URL, &Account::Unreachable)[0].outcome, Outcome::Skipped);
    }

    #[test]
    fn a_key_is_taken_or_refused() {
        for (models, outcome, said) in [
            (Models::Listed { has_model: true }, Outcome::Ok, "takes the key"),
            (Models::Listed { has_model: false }, Outcome::Wrong, "does not list the model m"),
            (Models::Refused(403), Outcome::Wrong, "refuses the key (403)"),
            (Models::Refused(429), Outcome::Wrong, "quota"),
            (Models::Refused(503), Outcome::Advice, "503"),
        ] {
            let finding = &judge_gemini("m", &models)[0];
            assert!(finding.outcome == outcome && finding.what.contains(said), "{finding:?}");
        }
    }
}
