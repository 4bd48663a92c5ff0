//! Gmail v1: sending, drafts, and finding again what was sent.

mod mailbox;
mod mime;
mod search;

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use mailbox::Letter;
pub(crate) use mailbox::Mailbox;
pub use mailbox::SentMail;
use mime::Part;
use search::Search;
use serde_json::{Value, json};

use crate::{
    discovery::Call,
    error::ApiError,
    exchange::Request,
    oauth::Token,
    sim::{Reply, Sim, State},
};

/// Entries of a page that nobody asked to be shorter, and of the longest.
const PAGE: (usize, usize) = (100, 500);

/// One call by one person, whose mailbox is open.
struct Visit<'a> {
    sim: &'a Sim,
    request: &'a Request,
    call: &'a Call<'a>,
    token: &'a Token,
}

/// Answers a method of the interface.
pub(crate) fn handle(
    sim: &Sim,
    state: &mut State,
    call: &Call<'_>,
    request: &Request,
    token: &Token,
    body: &Value,
) -> Result<Reply, ApiError> {
    let email = &token.person.email;
    if token.person.robot {
        return Err(ApiError::new(400, "failedPrecondition", "Precondition check failed.").modern());
    }
    let user = call.in_path("userId");
    if user != "me" && user != email {
        return Err(ApiError::new(403, "forbidden", format!("Delegation denied for {email}")).modern());
    }
    let visit = Visit { sim, request, call, token };
    match call.id() {
        "gmail.users.messages.send" => visit.send(state, body),
        "gmail.users.drafts.send" => visit.send_draft(state, body),
        "gmail.users.drafts.create" => visit.create_draft(state, body),
        id => visit.read(state.mailboxes.entry(email.clone()).or_default(), id),
    }
}

impl Visit<'_> {
    /// The letter of a request: the upload itself, or `raw` in the message.
    fn letter(&self, message: &Value) -> Result<Vec<u8>, ApiError> {
        let bad = |text: String| ApiError::new(400, "invalidArgument", text).modern();
        if self.call.upload {
            if self.request.query("uploadType").is_some_and(|kind| kind != "media") {
                return Err(ApiError::not_simulated("uploads other than uploadType=media"));
            }
            if self.request.content_type() != "message/rfc822" {
                let text = format!(
                    "Media type '{}' is not supported. Valid media types: [message/*]",
                    self.request.content_type()
                );
                return Err(bad(text));
            }
            return Ok(self.request.body.to_vec());
        }
        let missing = "'raw' RFC822 payload message string or uploading message via /upload/* URL required";
        let raw = message["raw"].as_str().filter(|raw| !raw.is_empty()).ok_or_else(|| bad(missing.to_owned()))?;
        mime::base64url(raw)
            .ok_or_else(|| bad("Invalid value at 'message.raw' (TYPE_BYTES), Base64 decoding failed".to_owned()))
    }

    fn send(&self, state: &mut State, body: &Value) -> Result<Reply, ApiError> {
        let letter = mailbox::check(self.letter(body)?)?;
        let mail = self.deliver(state, letter, body["threadId"].as_str());
        let reply = json!({ "id": mail.id, "threadId": mail.thread_id, "labelIds": ["SENT"] });
        state.sent.push(mail);
        Ok(Reply::body(reply))
    }

    fn deliver(&self, state: &mut State, letter: mailbox::Checked, thread: Option<&str>) -> SentMail {
        let email = &self.token.person.email;
        let mailbox = state.mailboxes.entry(email.clone()).or_default();
        mailbox.send(letter, email, self.sim.clock.now(), self.sim.settings.rewrite_message_id, thread)
    }

    fn create_draft(&self, state: &mut State, body: &Value) -> Result<Reply, ApiError> {
        let raw = self.letter(&body["message"])?;
        let mailbox = state.mailboxes.entry(self.token.person.email.clone()).or_default();
        Ok(Reply::body(draft(mailbox.draft(raw, self.sim.clock.now()), &json!({}))))
    }

    fn send_draft(&self, state: &mut State, body: &Value) -> Result<Reply, ApiError> {
        if self.call.upload {
            return Err(ApiError::not_simulated("drafts.send with an upload"));
        }
        let id = body["id"].as_str().unwrap_or_default();
        let mailbox = state.mailboxes.entry(self.token.person.email.clone()).or_default();
        let kept = mailbox.find_draft(id)?;
        // A message beside the id takes the place of the draft's.
        let raw = if body["message"]["raw"].is_string() { self.letter(&body["message"])? } else { kept.raw.clone() };
        let letter = mailbox::check(raw)?;
        mailbox.remove_draft(id);
        let mail = SentMail { was_draft: true, ..self.deliver(state, letter, None) };
        let reply = json!({ "id": mail.id, "threadId": mail.thread_id, "labelIds": ["SENT"] });
        state.sent.push(mail);
        Ok(Reply::body(reply))
    }

    fn read(&self, mailbox: &mut Mailbox, id: &str) -> Result<Reply, ApiError> {
        match id {
            "gmail.users.getProfile" => Ok(Reply::body(json!({
                "emailAddress": self.token.person.email,
                "messagesTotal": mailbox.letters.len(),
                "threadsTotal": mailbox.letters.len(),
                "historyId": (mailbox.history + 1).to_string(),
            }))),
            "gmail.users.messages.list" => self.list(mailbox, "messages", |_| true, Letter::entry),
            "gmail.users.drafts.list" => {
                self.list(mailbox, "drafts", |letter| letter.draft.is_some(), |letter| draft(letter, &json!({})))
            }
            "gmail.users.messages.get" => {
                let letter = mailbox.find(self.call.in_path("id"))?;
                Ok(Reply::body(self.shown(letter)?))
            }
            "gmail.users.drafts.get" => {
                let letter = mailbox.find_draft(self.call.in_path("id"))?;
                Ok(Reply::body(draft(letter, &self.shown(letter)?)))
            }
            "gmail.users.drafts.delete" => {
                let id = self.call.in_path("id");
                mailbox.find_draft(id)?;
                mailbox.remove_draft(id);
                Ok(Reply::Empty)
            }
            other => Err(ApiError::not_simulated(other)),
        }
    }

    /// Only what stands in the headers may be seen.
    fn sees_metadata_alone(&self) -> bool {
        let opens = |scope: &&str| self.token.scopes.contains(*scope);
        let scopes: Vec<&str> = self.call.scopes().into_iter().filter(opens).collect();
        // Google keeps the limits of this scope even beside a wider one.
        scopes.iter().any(|scope| scope.ends_with("/gmail.metadata"))
    }

    fn list(
        &self,
        mailbox: &Mailbox,
        name: &str,
        wanted: impl Fn(&Letter) -> bool,
        entry: impl Fn(&Letter) -> Value,
    ) -> Result<Reply, ApiError> {
        let query = self.request.query("q").unwrap_or_default();
        if !query.is_empty() && self.sees_metadata_alone() {
            let text = "Metadata scope does not support 'q' parameter";
            return Err(ApiError::new(403, "forbidden", text).modern());
        }
        let search = Search::read(query)?;
        let labels: Vec<&String> =
            self.request.query.iter().filter(|(key, _)| key == "labelIds").map(|(_, value)| value).collect();
        let now = self.sim.clock.now();
        let labelled = |letter: &Letter| labels.iter().all(|label| *label == letter.label());
        let found: Vec<&Letter> = mailbox
            .letters
            .iter()
            .rev()
            .filter(|letter| wanted(letter) && labelled(letter) && search.finds(letter, now))
            .collect();
        let told: usize = match self.request.query("pageToken") {
            None => 0,
            Some(token) => token.parse().map_err(|_| ApiError::invalid("Invalid pageToken").modern())?,
        };
        let asked = self.request.query("maxResults").and_then(|text| text.parse().ok()).unwrap_or(PAGE.0);
        let size = asked.clamp(1, PAGE.1).min(self.sim.settings.largest_page);
        let items: Vec<Value> = found.iter().skip(told).take(size).map(|letter| entry(letter)).collect();
        let mut answer = json!({ "resultSizeEstimate": found.len() });
        if told + items.len() < found.len() {
            answer["nextPageToken"] = json!((told + items.len()).to_string());
        }
        // An empty list is left out.
        if !items.is_empty() {
            answer[name] = json!(items);
        }
        Ok(Reply::body(answer))
    }

    fn shown(&self, letter: &Letter) -> Result<Value, ApiError> {
        let format = self.request.query("format").unwrap_or("full");
        if self.sees_metadata_alone() && !matches!(format, "metadata" | "minimal") {
            let text = format!("Metadata scope doesn't allow format {}", format.to_uppercase());
            return Err(ApiError::new(403, "forbidden", text).modern());
        }
        let part = Part::read(&letter.raw);
        let mut message = letter.named();
        message["sizeEstimate"] = json!(letter.raw.len());
        message["internalDate"] = json!(letter.at.as_millisecond().to_string());
        message["historyId"] = json!("1");
        message["snippet"] =
            json!(part.text().split_whitespace().collect::<Vec<_>>().join(" ").chars().take(100).collect::<String>());
        match format {
            "raw" => message["raw"] = json!(URL_SAFE.encode(&letter.raw)),
            "metadata" => {
                let names: Vec<&String> = self
                    .request
                    .query
                    .iter()
                    .filter(|(key, _)| key == "metadataHeaders")
                    .map(|(_, value)| value)
                    .collect();
                let chosen =
                    |name: &str| names.is_empty() || names.iter().any(|known| known.eq_ignore_ascii_case(name));
                message["payload"] = json!({ "mimeType": part.kind(), "headers": headers(&part, chosen) });
            }
            "full" => message["payload"] = payload(&part, ""),
            _ => {}
        }
        Ok(message)
    }
}

impl Letter {
    fn label(&self) -> &'static str {
        if self.draft.is_some() { "DRAFT" } else { "SENT" }
    }

    fn entry(&self) -> Value {
        json!({ "id": self.id, "threadId": self.thread_id })
    }
}

fn draft(letter: &Letter, message: &Value) -> Value {
    let mut shown = letter.named();
    for (name, value) in message.as_object().into_iter().flatten() {
        shown[name] = value.clone();
    }
    json!({ "id": letter.draft, "message": shown })
}

fn headers(part: &Part, chosen: impl Fn(&str) -> bool) -> Vec<Value> {
    let all = part.headers.iter().filter(|header| chosen(&header.name));
    all.map(|header| json!({ "name": header.name, "value": header.value })).collect()
}

fn payload(part: &Part, id: &str) -> Value {
    let inside: Vec<Value> = part
        .parts
        .iter()
        .enumerate()
        .map(|(index, part)| payload(part, &if id.is_empty() { index.to_string() } else { format!("{id}.{index}") }))
        .collect();
    let content = if inside.is_empty() { part.content() } else { Vec::new() };
    let mut shown = json!({
        "partId": id,
        "mimeType": part.kind(),
        "filename": part.parameter("content-disposition", "filename").unwrap_or_default(),
        "headers": headers(part, |_| true),
        "body": { "size": content.len() },
    });
    if !content.is_empty() {
        shown["body"]["data"] = json!(URL_SAFE.encode(content));
    }
    if !inside.is_empty() {
        shown["parts"] = json!(inside);
    }
    shown
}
