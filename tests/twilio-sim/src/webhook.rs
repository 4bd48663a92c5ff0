//! Requests to the server under test: signed, limited in time, repeated and redirected as Twilio does it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::time::{Instant, timeout};

use crate::{
    faults::WebhookFault,
    overrides::{Overrides, RetryOn},
    report::{Alert, WebhookRecord},
    sign,
    transport::{ConnectTo, Transport, host_and_target},
    twiml::{MAX_DOCUMENT, Method},
};

/// What a request needs beside itself.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) tls: Arc<ClientConfig>,
    pub(crate) connect_to: ConnectTo,
    pub(crate) auth_token: String,
    pub(crate) fault: WebhookFault,
}

/// One request before it is signed.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) purpose: &'static str,
    pub(crate) url: String,
    pub(crate) method: Method,
    pub(crate) params: Vec<(String, String)>,
    pub(crate) token: String,
}

/// What came back, as far as TwiML needs it.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) body: String,
    /// Where the document was in the end, after redirects.
    pub(crate) url: String,
}

const MAX_REDIRECTS: u32 = 10;

/// An answer that never came, and whether it may be asked for again.
struct Failure {
    code: u32,
    text: String,
    retry_as: RetryOn,
}

impl Client {
    /// Sends it, repeats it as the URL's overrides say, follows redirects. The record tells all of it.
    pub(crate) async fn send(&self, outgoing: Outgoing) -> (WebhookRecord, Option<Answer>) {
        let began = Instant::now();
        let (url, fragment) = outgoing.url.split_once('#').unwrap_or((&outgoing.url, ""));
        let limits = Overrides::parse(fragment);
        let mut signed = Signed::new(self, url, &outgoing);
        let (first_url, method) = (signed.url.clone(), signed.method());
        let signature = signed.signature.clone();
        let mut attempts = 0;
        let outcome = loop {
            attempts += 1;
            let left = limits.total.saturating_sub(began.elapsed());
            let result = match timeout(left, self.follow(&mut signed, &limits)).await {
                Ok(result) => result,
                Err(_) => Err(Failure {
                    code: 11_203,
                    text: format!("no complete answer within {:?}", limits.total),
                    retry_as: RetryOn::ReadTimeout,
                }),
            };
            let retry_as = match &result {
                Ok(answer) => RetryOn::of_status(answer.status),
                Err(failure) => Some(failure.retry_as),
            };
            let again = retry_as.is_some_and(|kind| limits.retries_on(kind));
            if !again || attempts > limits.retries || began.elapsed() >= limits.total {
                break result;
            }
        };
        let record = WebhookRecord {
            purpose: outgoing.purpose,
            url: first_url,
            method,
            params: outgoing.params,
            signature,
            token: outgoing.token,
            attempts,
            took: began.elapsed(),
            outcome: match &outcome {
                Ok(answer) => Ok(answer.status),
                Err(failure) => Err(Alert { code: failure.code, text: failure.text.clone() }),
            },
            body: outcome.as_ref().map(|a| a.body.clone()).unwrap_or_default(),
        };
        (record, outcome.ok())
    }

    /// Sends the very request of `record` again: same parameters, same signature, same token.
    pub(crate) async fn replay(&self, record: &WebhookRecord) -> Result<u16, Alert> {
        let signed = Signed {
            url: record.url.clone(),
            is_get: record.method == "GET",
            body: form(&record.params),
            signature: record.signature.clone(),
            token: record.token.clone(),
            signs_with: self.auth_token.clone(),
        };
        match self.once(&signed, &Overrides::default()).await {
            Ok((answer, _)) => Ok(answer.status),
            Err(failure) => Err(Alert { code: failure.code, text: failure.text }),
        }
    }

    async fn follow(&self, signed: &mut Signed, limits: &Overrides) -> Result<Answer, Failure> {
        for _ in 0..=MAX_REDIRECTS {
            let (answer, location) = self.once(signed, limits).await?;
            let Some(location) = location else {
                return Ok(answer);
            };
            // A redirected request becomes a GET: the form is lost.
            signed.redirect(resolve(&signed.url, &location));
        }
        Err(Failure { code: 11_215, text: format!("more than {MAX_REDIRECTS} redirects"), retry_as: RetryOn::Never })
    }

    async fn once(&self, signed: &Signed, limits: &Overrides) -> Result<(Answer, Option<String>), Failure> {
        let transport = Transport::connect(&signed.url, &self.connect_to, &self.tls, limits.connect)
            .await
            .map_err(|e| Failure { code: e.webhook_code(), text: e.to_string(), retry_as: RetryOn::Connect })?;
        let request = signed.request()?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(transport))
            .await
            .map_err(|e| broken(&e))?;
        let exchange = async {
            let response = timeout(limits.read, sender.send_request(request))
                .await
                .map_err(|_| slow(limits.read))?
                .map_err(|e| broken(&e))?;
            let (head, body) = response.into_parts();
            Ok((head, read_body(body, limits.read).await?))
        };
        // The connection makes progress only while it is polled, and its own end tells nothing new.
        tokio::pin!(exchange, connection);
        let (head, body) = tokio::select! {
            biased;
            done = &mut exchange => done?,
            ended = &mut connection => {
                ended.map_err(|e| broken(&e))?;
                exchange.await?
            }
        };
        let location = head.status.is_redirection().then(|| text_header(&head.headers, header::LOCATION)).flatten();
        let answer = Answer {
            status: head.status.as_u16(),
            content_type: text_header(&head.headers, header::CONTENT_TYPE).unwrap_or_default(),
            body,
            url: signed.url.clone(),
        };
        Ok((answer, location))
    }
}

async fn read_body(mut body: hyper::body::Incoming, gap: Duration) -> Result<String, Failure> {
    let mut all = Vec::new();
    while let Some(frame) = timeout(gap, body.frame()).await.map_err(|_| slow(gap))? {
        if let Ok(data) = frame.map_err(|e| broken(&e))?.into_data() {
            all.extend_from_slice(&data);
        }
        if all.len() > MAX_DOCUMENT {
            return Err(Failure {
                code: 11_750,
                text: format!("the answer exceeds {MAX_DOCUMENT} bytes"),
                retry_as: RetryOn::Never,
            });
        }
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

fn broken(e: &hyper::Error) -> Failure {
    Failure { code: 11_206, text: format!("HTTP failed: {e}"), retry_as: RetryOn::Never }
}

fn slow(limit: Duration) -> Failure {
    Failure { code: 11_200, text: format!("nothing arrived for {limit:?}"), retry_as: RetryOn::ReadTimeout }
}

fn text_header(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

/// A request as it goes over the wire.
struct Signed {
    url: String,
    is_get: bool,
    body: String,
    signature: Option<String>,
    token: String,
    signs_with: String,
}

impl Signed {
    fn new(client: &Client, url: &str, outgoing: &Outgoing) -> Self {
        let fault = client.fault;
        let mut params = outgoing.params.clone();
        if fault == WebhookFault::OtherAccount {
            for (name, value) in &mut params {
                if name == "AccountSid" {
                    *value = format!("AC{}", "f".repeat(32));
                }
            }
        }
        let is_get = outgoing.method == Method::Get;
        let url = match (is_get, url.contains('?')) {
            (false, _) => url.to_owned(),
            (true, true) => format!("{url}&{}", form(&params)),
            (true, false) => format!("{url}?{}", form(&params)),
        };
        let under_signature = if fault == WebhookFault::HostCase { with_capital_host(&url) } else { url.clone() };
        let key = match fault {
            WebhookFault::WrongToken => "ffffffffffffffffffffffffffffffff",
            _ => &client.auth_token,
        };
        let form_params = if is_get { &[][..] } else { &params };
        let signature = sign::signature(key, &under_signature, form_params);
        if fault == WebhookFault::AlteredBody {
            params.push(("Altered".into(), "after signing".into()));
        }
        Self {
            url,
            is_get,
            body: form(&params),
            signature: (fault != WebhookFault::MissingSignature).then_some(signature),
            token: outgoing.token.clone(),
            signs_with: key.to_owned(),
        }
    }

    fn method(&self) -> &'static str {
        if self.is_get { "GET" } else { "POST" }
    }

    fn redirect(&mut self, url: String) {
        self.is_get = true;
        if self.signature.is_some() {
            self.signature = Some(sign::signature(&self.signs_with, &url, &[]));
        }
        self.url = url;
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, Failure> {
        let invalid = |text: String| Failure { code: 11_100, text, retry_as: RetryOn::Never };
        let (host, target) = host_and_target(&self.url).ok_or_else(|| invalid(format!("not a URL: {:?}", self.url)))?;
        let mut builder = Request::builder()
            .uri(target)
            .header(header::HOST, host)
            .header(header::USER_AGENT, "TwilioProxy/1.1")
            .header(header::ACCEPT, "*/*")
            .header("I-Twilio-Idempotency-Token", &self.token)
            .header("X-Home-Region", "us1");
        if let Some(signature) = &self.signature {
            builder = builder.header("X-Twilio-Signature", signature);
        }
        let body = if self.is_get {
            Bytes::new()
        } else {
            builder =
                builder.method("POST").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8");
            Bytes::from(self.body.clone())
        };
        builder.body(Full::new(body)).map_err(|e| invalid(e.to_string()))
    }
}

/// The parameters as a form.
pub(crate) fn form(params: &[(String, String)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish()
}

/// `reference` as seen from the document at `base`.
pub(crate) fn resolve(base: &str, reference: &str) -> String {
    if reference.contains("://") {
        return reference.to_owned();
    }
    let base = base.split(['?', '#']).next().unwrap_or(base);
    let origin_end =
        base.find("://").map_or(0, |at| base[at + 3..].find('/').map_or(base.len(), |slash| at + 3 + slash));
    if reference.is_empty() {
        return base.to_owned();
    }
    if reference.starts_with('/') {
        return format!("{}{reference}", &base[..origin_end]);
    }
    let folder_end = base[origin_end..].rfind('/').map_or(origin_end, |at| origin_end + at);
    format!("{}/{reference}", &base[..folder_end])
}

fn with_capital_host(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    format!("{scheme}://{}{path}", host.to_uppercase())
}

/// Whether an answer can be TwiML at all; otherwise Twilio's complaint.
pub(crate) fn check_twiml_answer(answer: &Answer) -> Result<(), Alert> {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !status.is_success() {
        return Err(Alert { code: 11_200, text: format!("{} answered {status}", answer.url) });
    }
    let kind = answer.content_type.split(';').next().unwrap_or_default().trim();
    if !matches!(kind, "text/xml" | "application/xml") {
        return Err(Alert { code: 12_300, text: format!("content type {:?}: text/xml wanted", answer.content_type) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_resolve_like_urls() {
        let base = "https://desk.example.com/twilio/voice?x=1";
        assert_eq!(resolve(base, "https://a/b"), "https://a/b");
        assert_eq!(resolve(base, "/after"), "https://desk.example.com/after");
        assert_eq!(resolve(base, "after"), "https://desk.example.com/twilio/after");
        assert_eq!(resolve("https://desk.example.com", "after"), "https://desk.example.com/after");
        assert_eq!(resolve(base, ""), "https://desk.example.com/twilio/voice");
    }

    #[test]
    fn only_xml_with_success_is_twiml() {
        let answer = |status, content_type: &str| Answer {
            status,
            content_type: content_type.into(),
            body: String::new(),
            url: "https://a/".into(),
        };
        assert!(check_twiml_answer(&answer(200, "text/xml; charset=utf-8")).is_ok());
        assert_eq!(check_twiml_answer(&answer(200, "text/html")).unwrap_err().code, 12_300);
        assert_eq!(check_twiml_answer(&answer(403, "text/xml")).unwrap_err().code, 11_200);
    }

    #[test]
    fn the_host_alone_changes_its_case() {
        assert_eq!(with_capital_host("https://desk.example.com/a"), "https://DESK.EXAMPLE.COM/a");
    }
}
