//! How the services fail on demand: what, how often, and at which method.

use std::{str::FromStr, time::Duration};

use crate::{
    error::{ApiError, OauthError},
    exchange::Answer,
};

/// One way to fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// 401 `authError`: the token is refused although it is good.
    Unauthorized,
    /// 403 `rateLimitExceeded`.
    RateLimit,
    /// 403 `userRateLimitExceeded`.
    UserRateLimit,
    /// 403 `quotaExceeded`.
    Quota,
    /// 403 `dailyLimitExceeded`.
    DailyLimit,
    /// 403 `accessNotConfigured`: the interface is not switched on in the project.
    NotConfigured,
    /// 403 `domainPolicy`: an administrator has switched the service off.
    DomainPolicy,
    /// 404 `notFound`.
    NotFound,
    /// 409 `duplicate`, or `conflict`.
    Conflict {
        /// `duplicate` or `conflict`.
        reason: &'static str,
    },
    /// 410 `fullSyncRequired`, `deleted` or `updatedMinTooLongAgo`.
    Gone {
        /// The reason.
        reason: &'static str,
    },
    /// 412 `conditionNotMet`.
    Precondition,
    /// 429 `rateLimitExceeded`.
    TooMany {
        /// Seconds in `Retry-After`, and in the words as Gmail has them; none: neither.
        retry_after: Option<u64>,
    },
    /// 500 `backendError`.
    Internal,
    /// 502 with a proxy's page instead of JSON.
    BadGateway,
    /// 503 `backendError`.
    Unavailable {
        /// Seconds in `Retry-After`.
        retry_after: Option<u64>,
    },
    /// 504 `backendError`.
    GatewayTimeout,
    /// The token server's `invalid_grant`.
    InvalidGrant {
        /// `error_subtype`, for example `invalid_rapt`.
        subtype: Option<String>,
    },
    /// The token server's error of that name with status 401 for `invalid_client` and `unauthorized_client`, else 400.
    Oauth {
        /// For example `deleted_client`.
        error: String,
    },
    /// Processed; the answer comes late.
    Slow {
        /// How late.
        by: Duration,
    },
    /// Not processed; the connection is cut without an answer.
    CutBefore,
    /// Processed; the connection is cut without an answer: outcome unknown.
    CutAfter,
    /// Processed; the connection is cut in the middle of the body.
    HalfAnswer,
    /// Processed; the answer is 200 and no JSON.
    Malformed,
}

/// What happens to the finished answer on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accident {
    Late(Duration),
    Cut,
    Half,
    Malformed,
}

/// A failure, how many requests meet it, and which.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What they meet.
    pub failure: Failure,
    /// How many requests.
    pub times: u32,
    /// The beginning of a method's name, as in the discovery documents (`calendar.events.insert`, `gmail`) or one of
    /// `oauth.auth`, `oauth.token`, `oauth.tokeninfo`, `oauth.revoke`; empty: any.
    pub at: String,
}

/// A fault's text is not one.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{text:?} is no fault: {why}; expected NAME[:ARGUMENT][*TIMES][@METHOD], see --help")]
pub struct FaultError {
    text: String,
    why: &'static str,
}

impl Fault {
    /// One request, whichever comes next.
    pub fn next(failure: Failure) -> Self {
        Self { failure, times: 1, at: String::new() }
    }

    /// That many requests.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Only at methods whose name begins like this.
    #[must_use]
    pub fn at(mut self, method: &str) -> Self {
        method.clone_into(&mut self.at);
        self
    }
}

impl Failure {
    /// What is done to the answer of a request that is processed all the same.
    pub(crate) fn accident(&self) -> Option<Accident> {
        match self {
            Self::Slow { by } => Some(Accident::Late(*by)),
            Self::CutAfter | Self::CutBefore => Some(Accident::Cut),
            Self::HalfAnswer => Some(Accident::Half),
            Self::Malformed => Some(Accident::Malformed),
            _ => None,
        }
    }

    /// How long a client is told to wait.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            Self::TooMany { retry_after } | Self::Unavailable { retry_after } => {
                Duration::from_secs(retry_after.unwrap_or_default())
            }
            _ => Duration::ZERO,
        }
    }

    /// What is answered instead of processing; `until` is when to come again, in the words of Gmail.
    pub(crate) fn answer(&self, method: &str, until: &str) -> Option<Answer> {
        if method.starts_with("oauth.") {
            return self.as_oauth();
        }
        let again = |text: &str, after: &Option<u64>| match after {
            Some(_) => format!("{text}  Retry after {until}"),
            None => text.to_owned(),
        };
        let error = match self {
            Self::RateLimit => ApiError::usage(403, "rateLimitExceeded", "Rate Limit Exceeded"),
            Self::UserRateLimit => ApiError::usage(403, "userRateLimitExceeded", "User Rate Limit Exceeded"),
            Self::Quota => ApiError::usage(403, "quotaExceeded", "Calendar usage limits exceeded."),
            Self::DailyLimit => ApiError::usage(403, "dailyLimitExceeded", "Daily Limit Exceeded"),
            Self::NotConfigured => ApiError::usage(
                403,
                "accessNotConfigured",
                "The API has not been used in project 0 before or it is disabled.",
            ),
            Self::DomainPolicy => {
                ApiError::new(403, "domainPolicy", "The domain administrators have disabled this service.")
            }
            Self::NotFound => ApiError::not_found(),
            Self::Conflict { reason: "duplicate" } => {
                ApiError::new(409, "duplicate", "The requested identifier already exists.")
            }
            Self::Conflict { reason } => ApiError::new(409, reason, "Conflict"),
            Self::Gone { reason: "deleted" } => ApiError::new(410, "deleted", "Resource has been deleted"),
            Self::Gone { reason } => {
                let text = "Sync token is no longer valid, a full sync is required.";
                ApiError::new(410, reason, text).parameter("syncToken")
            }
            Self::Precondition => precondition(),
            Self::TooMany { retry_after } => {
                let text = again("User-rate limit exceeded.", retry_after);
                ApiError::usage(429, "rateLimitExceeded", text).modern().retry_after(*retry_after)
            }
            Self::Internal => ApiError::new(500, "backendError", "Internal Error").modern(),
            Self::Unavailable { retry_after } => {
                let error = ApiError::new(503, "backendError", "The service is currently unavailable.");
                error.modern().retry_after(*retry_after)
            }
            Self::GatewayTimeout => ApiError::new(504, "backendError", "Deadline exceeded").modern(),
            Self::BadGateway => return Some(bad_gateway()),
            // What only the token server says means here that its token is not good.
            Self::Unauthorized | Self::InvalidGrant { .. } | Self::Oauth { .. } => ApiError::credentials(),
            Self::Slow { .. } | Self::CutBefore | Self::CutAfter | Self::HalfAnswer | Self::Malformed => return None,
        };
        Some(error.answer())
    }

    fn as_oauth(&self) -> Option<Answer> {
        let refuse = |status, error: &str, text: &str| Some(OauthError::new(status, error, text).answer());
        match self {
            Self::Slow { .. } | Self::CutBefore | Self::CutAfter | Self::HalfAnswer | Self::Malformed => None,
            Self::BadGateway => Some(bad_gateway()),
            Self::InvalidGrant { subtype } => {
                let error = OauthError::grant("Token has been expired or revoked.");
                Some(OauthError { subtype: subtype.clone(), ..error }.answer())
            }
            Self::Oauth { error } => {
                let status = if matches!(error.as_str(), "invalid_client" | "unauthorized_client") { 401 } else { 400 };
                refuse(status, error, "Refused by a fault of the simulator.")
            }
            Self::Unauthorized => refuse(401, "invalid_client", "Unauthorized"),
            Self::TooMany { retry_after } => {
                let answer = OauthError::new(429, "rate_limit_exceeded", "Too many requests.").answer();
                Some(match retry_after {
                    Some(seconds) => answer.with("retry-after", seconds.to_string()),
                    None => answer,
                })
            }
            Self::Unavailable { .. } => refuse(503, "temporarily_unavailable", "Try again."),
            Self::GatewayTimeout => refuse(504, "server_error", "Deadline exceeded"),
            Self::Internal => refuse(500, "internal_failure", "Backend Error"),
            Self::NotFound => refuse(404, "not_found", "Not Found"),
            Self::RateLimit | Self::UserRateLimit | Self::Quota | Self::DailyLimit => {
                refuse(403, "rate_limit_exceeded", "Rate Limit Exceeded")
            }
            Self::NotConfigured | Self::DomainPolicy => refuse(400, "admin_policy_enforced", "Refused by policy."),
            Self::Conflict { .. } | Self::Gone { .. } | Self::Precondition => {
                refuse(400, "invalid_request", "Bad Request")
            }
        }
    }
}

pub(crate) fn precondition() -> ApiError {
    ApiError::new(412, "conditionNotMet", "Precondition Failed").at("header", "If-Match")
}

fn bad_gateway() -> Answer {
    Answer::html(502, "<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title><p>That’s an error.</html>")
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let bad = |why| FaultError { text: text.to_owned(), why };
        let (rest, at) = text.split_once('@').unwrap_or((text, ""));
        let (rest, times) = match rest.split_once('*') {
            Some((rest, times)) => (rest, times.parse().ok().filter(|times| *times > 0)),
            None => (rest, Some(1)),
        };
        let times = times.ok_or_else(|| bad("the number of times is not a number above 0"))?;
        let (name, argument) = match rest.split_once(':') {
            Some((name, argument)) => (name, Some(argument)),
            None => (rest, None),
        };
        let failure = failure(name, argument).map_err(bad)?;
        Ok(Self { failure, times, at: at.to_owned() })
    }
}

fn failure(name: &str, argument: Option<&str>) -> Result<Failure, &'static str> {
    let seconds = || argument.map(str::parse).transpose().map_err(|_| "the argument is not a number of seconds");
    let plain = |failure| if argument.is_none() { Ok(failure) } else { Err("it takes no argument") };
    match name {
        "401" => plain(Failure::Unauthorized),
        "403-rate" => plain(Failure::RateLimit),
        "403-user-rate" => plain(Failure::UserRateLimit),
        "403-quota" => plain(Failure::Quota),
        "403-daily" => plain(Failure::DailyLimit),
        "403-not-configured" => plain(Failure::NotConfigured),
        "403-policy" => plain(Failure::DomainPolicy),
        "404" => plain(Failure::NotFound),
        "409" => plain(Failure::Conflict { reason: "duplicate" }),
        "409-conflict" => plain(Failure::Conflict { reason: "conflict" }),
        "410" => plain(Failure::Gone { reason: "fullSyncRequired" }),
        "410-updated" => plain(Failure::Gone { reason: "updatedMinTooLongAgo" }),
        "410-deleted" => plain(Failure::Gone { reason: "deleted" }),
        "412" => plain(Failure::Precondition),
        "429" => Ok(Failure::TooMany { retry_after: seconds()? }),
        "500" => plain(Failure::Internal),
        "502" => plain(Failure::BadGateway),
        "503" => Ok(Failure::Unavailable { retry_after: seconds()? }),
        "504" => plain(Failure::GatewayTimeout),
        "invalid-grant" => Ok(Failure::InvalidGrant { subtype: argument.map(str::to_owned) }),
        "oauth" => argument.map(|error| Failure::Oauth { error: error.to_owned() }).ok_or("it needs an error's name"),
        "slow" => {
            let milliseconds =
                argument.and_then(|text| text.parse().ok()).ok_or("it needs a number of milliseconds")?;
            Ok(Failure::Slow { by: Duration::from_millis(milliseconds) })
        }
        "cut-before" => plain(Failure::CutBefore),
        "cut-after" => plain(Failure::CutAfter),
        "half" => plain(Failure::HalfAnswer),
        "malformed" => plain(Failure::Malformed),
        _ => Err("there is none of that name"),
    }
}

/// The faults that wait for their requests, in the order in which they were added.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    waiting: Vec<Fault>,
    pub(crate) outage: bool,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.waiting.push(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// What the request meets that calls `method`; used up by this.
    pub(crate) fn take(&mut self, method: &str) -> Option<Failure> {
        if self.outage {
            return Some(Failure::CutBefore);
        }
        let place = self.waiting.iter().position(|fault| method.starts_with(&fault.at))?;
        let fault = &mut self.waiting[place];
        fault.times -= 1;
        let failure = fault.failure.clone();
        if fault.times == 0 {
            self.waiting.remove(place);
        }
        Some(failure)
    }
}
