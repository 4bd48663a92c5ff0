//! Google's two shapes of an error: the interfaces' and OAuth's.
//!
//! Source: Google's error guides for Calendar and Gmail, November 2026. Calendar keeps the classic shape (`errors`, `code`,
//! `message`); Gmail, and what the front door says for both, add `status`.

use serde_json::{Value, json};

use crate::exchange::Answer;

/// Why an interface refuses.
#[derive(Debug, Clone)]
pub(crate) struct ApiError(Box<Refusal>);

#[derive(Debug, Clone)]
struct Refusal {
    status: u16,
    reason: String,
    domain: &'static str,
    message: String,
    /// The message inside `errors`, where it is another.
    inner: Option<&'static str>,
    location: Option<(&'static str, String)>,
    details: Vec<Value>,
    modern: bool,
    retry_after: Option<u64>,
}

impl ApiError {
    pub(crate) fn new(status: u16, reason: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Refusal {
            status,
            reason: reason.to_owned(),
            domain: "global",
            message: message.into(),
            inner: None,
            location: None,
            details: Vec::new(),
            modern: false,
            retry_after: None,
        }))
    }

    fn with(mut self, change: impl FnOnce(&mut Refusal)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid", message)
    }

    pub(crate) fn required(name: &str) -> Self {
        Self::new(400, "required", format!("Missing {name}.")).parameter(name)
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "notFound", "Not Found")
    }

    /// What exists at Google and not here must not look like an answer of Google's.
    pub(crate) fn not_simulated(what: &str) -> Self {
        Self::new(501, "notSimulated", format!("google-sim does not simulate {what}"))
    }

    pub(crate) fn usage(status: u16, reason: &str, message: impl Into<String>) -> Self {
        Self::new(status, reason, message).with(|refusal| refusal.domain = "usageLimits")
    }

    pub(crate) fn credentials() -> Self {
        let message = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other \
                       valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        let error = Self::new(401, "authError", message).with(|refusal| refusal.inner = Some("Invalid Credentials"));
        error.modern().at("header", "Authorization")
    }

    pub(crate) fn login_required() -> Self {
        let message = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or \
                       other valid authentication credential. See \
                       https://developers.google.com/identity/sign-in/web/devconsole-project.";
        let error = Self::new(401, "required", message).with(|refusal| refusal.inner = Some("Login Required."));
        error.modern().at("header", "Authorization")
    }

    pub(crate) fn scope(service: &str, method: &str) -> Self {
        let message = "Request had insufficient authentication scopes.";
        let detail = json!({
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "domain": "googleapis.com",
            "metadata": { "service": service, "method": method },
        });
        let error = Self::new(403, "insufficientPermissions", message).modern();
        error.with(|refusal| {
            refusal.inner = Some("Insufficient Permission");
            refusal.details.push(detail);
        })
    }

    /// A body or a parameter that the discovery document does not know.
    pub(crate) fn unknown_to_schema(field: &str, message: String) -> Self {
        let detail = json!({
            "@type": "type.googleapis.com/google.rpc.BadRequest",
            "fieldViolations": [{ "field": field, "description": message }],
        });
        Self::new(400, "badRequest", message).modern().with(|refusal| refusal.details.push(detail))
    }

    pub(crate) fn at(self, kind: &'static str, location: &str) -> Self {
        self.with(|refusal| refusal.location = Some((kind, location.to_owned())))
    }

    pub(crate) fn parameter(self, name: &str) -> Self {
        self.at("parameter", name)
    }

    /// With the field `status`, as Gmail has it.
    pub(crate) fn modern(self) -> Self {
        self.with(|refusal| refusal.modern = true)
    }

    pub(crate) fn retry_after(self, seconds: Option<u64>) -> Self {
        self.with(|refusal| refusal.retry_after = seconds)
    }

    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    pub(crate) fn answer(&self) -> Answer {
        let refusal = &*self.0;
        let inner = refusal.inner.unwrap_or(&refusal.message);
        let mut entry = json!({ "message": inner, "domain": refusal.domain, "reason": refusal.reason });
        if let Some((kind, location)) = &refusal.location {
            entry["locationType"] = json!(kind);
            entry["location"] = json!(location);
        }
        let mut error = json!({ "code": refusal.status, "message": refusal.message, "errors": [entry] });
        if refusal.modern {
            error["status"] = json!(canonical(refusal.status, &refusal.reason));
        }
        if !refusal.details.is_empty() {
            error["details"] = json!(refusal.details);
        }
        let mut answer = Answer::json(refusal.status, &json!({ "error": error }));
        if refusal.status == 401 {
            answer = answer
                .with("www-authenticate", "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"");
        }
        match refusal.retry_after {
            Some(seconds) => answer.with("retry-after", seconds.to_string()),
            None => answer,
        }
    }
}

/// The name of google.rpc.Code that goes with a status.
fn canonical(status: u16, reason: &str) -> &'static str {
    match status {
        400 if reason == "failedPrecondition" => "FAILED_PRECONDITION",
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        409 => "ALREADY_EXISTS",
        412 => "FAILED_PRECONDITION",
        429 => "RESOURCE_EXHAUSTED",
        501 => "UNIMPLEMENTED",
        503 => "UNAVAILABLE",
        _ => "INTERNAL",
    }
}

/// Why the token server refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OauthError {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) description: String,
    pub(crate) subtype: Option<String>,
}

impl OauthError {
    pub(crate) fn new(status: u16, error: &str, description: impl Into<String>) -> Self {
        Self { status, error: error.to_owned(), description: description.into(), subtype: None }
    }

    pub(crate) fn grant(description: impl Into<String>) -> Self {
        Self::new(400, "invalid_grant", description)
    }

    pub(crate) fn answer(&self) -> Answer {
        let mut body = json!({ "error": self.error, "error_description": self.description });
        if let Some(subtype) = &self.subtype {
            body["error_subtype"] = json!(subtype);
        }
        Answer::json(self.status, &body)
    }
}
