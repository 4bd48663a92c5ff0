//! `dns`, `gemini-tls`, `twilio-tls` and `public-url`: whether the services can be reached, and the box by Twilio.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::ServerName;
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::Url;

use super::finding::Finding;

/// A server that takes longer is too slow for a call.
const WITHIN: Duration = Duration::from_secs(4);

/// How a connection with TLS was made, or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reached {
    /// Without TLS: a simulator on this machine.
    Plain(Duration),
    /// The certificate is trusted.
    Trusted(Duration),
    /// No connection.
    Unreachable(String),
    /// Nothing came back.
    Silent,
    /// The certificate is not trusted.
    Distrusted(Distrust),
    /// What answered speaks no TLS.
    NoTls(String),
}

/// Why a certificate is not trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Distrust {
    NotYetValid,
    Expired,
    UnknownIssuer,
    OtherName,
    Other(String),
}

/// A server that the configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) secure: bool,
}

impl Endpoint {
    /// Of `wss://host[:port]/…` and the like; `None` if it is no such address.
    pub(super) fn of(address: &str) -> Option<Self> {
        let url = Url::parse(address).ok()?;
        let secure = matches!(url.scheme(), "wss" | "https");
        let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
        Some(Self { host, port: url.port().unwrap_or(if secure { 443 } else { 80 }), secure })
    }

    fn is_address(&self) -> bool {
        self.host.parse::<std::net::IpAddr>().is_ok()
    }
}

/// What a name is, or why it is nothing.
pub(super) type Resolved = (String, Result<usize, String>);

/// Looks up the names of `endpoints`, each once; addresses need no looking up.
pub(super) async fn resolve(endpoints: &[Endpoint]) -> Vec<Resolved> {
    let mut names: Vec<&str> = endpoints.iter().filter(|it| !it.is_address()).map(|it| it.host.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let one = |name: &str| {
        let name = name.to_owned();
        async move {
            let found = match tokio::time::timeout(WITHIN, tokio::net::lookup_host((name.as_str(), 443))).await {
                Err(_) => Err(format!("no answer within {WITHIN:?}")),
                Ok(Err(error)) => Err(error.to_string()),
                Ok(Ok(addresses)) => match addresses.count() {
                    0 => Err("it has no address".to_owned()),
                    some => Ok(some),
                },
            };
            (name, found)
        }
    };
    futures_util::future::join_all(names.into_iter().map(one)).await
}

/// The check `dns`.
pub(super) fn judge_dns(resolved: &[Resolved]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, found) in resolved {
        if let Err(why) = found {
            let what = format!("{name} cannot be looked up ({why}): is the network there, and a name server?");
            findings.push(Finding::wrong(what, format!("getent hosts {name}; cat /etc/resolv.conf")));
        }
    }
    if findings.is_empty() {
        findings.push(match resolved {
            [] => Finding::ok("no name needs looking up"),
            names => {
                let names: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
                Finding::ok(format!("found {}", names.join(", ")))
            }
        });
    }
    findings
}

/// Connects as the daemon would, and hangs up.
pub(super) async fn reach(endpoint: &Endpoint, tls: &Arc<ClientConfig>) -> Reached {
    let began = Instant::now();
    let connecting = async {
        let stream = match TcpStream::connect((endpoint.host.as_str(), endpoint.port)).await {
            Ok(stream) => stream,
            Err(error) => return Reached::Unreachable(error.to_string()),
        };
        if !endpoint.secure {
            return Reached::Plain(began.elapsed());
        }
        let Ok(name) = ServerName::try_from(endpoint.host.clone()) else {
            return Reached::Unreachable("it is no host name".to_owned());
        };
        match TlsConnector::from(Arc::clone(tls)).connect(name, stream).await {
            Ok(_) => Reached::Trusted(began.elapsed()),
            Err(error) => refused(&error),
        }
    };
    tokio::time::timeout(WITHIN, connecting).await.unwrap_or(Reached::Silent)
}

fn refused(error: &io::Error) -> Reached {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => Reached::Distrusted(distrust(why)),
        _ => Reached::NoTls(error.to_string()),
    }
}

fn distrust(why: &CertificateError) -> Distrust {
    match why {
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Distrust::NotYetValid,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Distrust::Expired,
        CertificateError::UnknownIssuer => Distrust::UnknownIssuer,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => Distrust::OtherName,
        other => Distrust::Other(other.to_string()),
    }
}

/// The checks `gemini-tls` and `twilio-tls`; `who` is the service.
pub(super) fn judge_tls(who: &str, endpoint: &Endpoint, reached: &Reached) -> Vec<Finding> {
    let Endpoint { host, port, .. } = endpoint;
    let place = format!("{who} ({host} port {port})");
    vec![match reached {
        Reached::Plain(took) => {
            Finding::ok(format!("{place} takes connections, after {} ms, without TLS", took.as_millis()))
        }
        Reached::Trusted(took) => {
            Finding::ok(format!("{place} shows a certificate that is trusted, after {} ms", took.as_millis()))
        }
        Reached::Unreachable(why) => {
            let what = format!("{place} cannot be reached ({why}): a firewall may be in the way");
            Finding::wrong(what, format!("nc -vz {host} {port}"))
        }
        Reached::Silent => {
            let what = format!("{place} does not answer within {WITHIN:?}: a firewall may be in the way");
            Finding::wrong(what, format!("nc -vz {host} {port}"))
        }
        Reached::NoTls(why) => {
            let what =
                format!("{place} breaks the connection off ({why}): something in between may not let it through");
            Finding::wrong(what, format!("openssl s_client -connect {host}:{port} -servername {host}"))
        }
        Reached::Distrusted(why) => distrusted(&place, host, *port, why),
    }]
}

fn distrusted(place: &str, host: &str, port: u16, why: &Distrust) -> Finding {
    let look = format!("openssl s_client -connect {host}:{port} -servername {host} </dev/null");
    match why {
        Distrust::NotYetValid => Finding::wrong(
            format!("the certificate of {place} is not valid yet: this box's clock is behind"),
            "sudo timedatectl set-ntp true && sudo systemctl restart systemd-timesyncd",
        ),
        Distrust::Expired => Finding::wrong(
            format!("the certificate of {place} has expired, or this box's clock is ahead"),
            format!("date; {look} | openssl x509 -noout -dates"),
        ),
        Distrust::UnknownIssuer => Finding::wrong(
            format!(
                "the certificate of {place} is signed by nobody that this box trusts: its list of authorities is missing or \
                 old, or a proxy reads what passes (then name its certificate as [gemini] ca_file)"
            ),
            "sudo apt-get install --reinstall ca-certificates",
        ),
        Distrust::OtherName => Finding::wrong(
            format!("what answers as {place} has the certificate of somebody else: a portal or a proxy is in between"),
            format!("{look} | openssl x509 -noout -subject"),
        ),
        Distrust::Other(why) => Finding::wrong(format!("the certificate of {place} is not trusted: {why}"), look),
    }
}

/// What came back from the box's own public address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Answered { status: u16, ours: bool, took: Duration },
    Distrusted(Distrust),
    Failed(String),
}

/// Asks the box's public address, from here; whether it is really reached from the internet only the internet knows.
pub(super) async fn look_at_public(http: &reqwest::Client, public_url: &str) -> Seen {
    let began = Instant::now();
    let asked = http.get(format!("{public_url}/healthz")).timeout(WITHIN).send().await;
    match asked {
        Ok(answer) => {
            let (status, took) = (answer.status().as_u16(), began.elapsed());
            let ours = answer.text().await.is_ok_and(|text| text == "ok");
            Seen::Answered { status, ours, took }
        }
        Err(error) => in_chain(&error).map_or_else(|| Seen::Failed(innermost(&error)), Seen::Distrusted),
    }
}

fn in_chain(error: &reqwest::Error) -> Option<Distrust> {
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        let of_io = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let tls = of_io.and_then(|inner| inner.downcast_ref()).or_else(|| cause.downcast_ref::<rustls::Error>());
        if let Some(rustls::Error::InvalidCertificate(why)) = tls {
            return Some(distrust(why));
        }
        next = cause.source();
    }
    None
}

fn innermost(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return format!("no answer within {WITHIN:?}");
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

/// The check `public-url`; `listen` is where the daemon itself waits for Twilio.
pub(super) fn judge_public(public_url: &str, listen: &str, seen: &Seen) -> Vec<Finding> {
    let asked = format!("{public_url}/healthz");
    let curl = format!("curl -v {asked}");
    vec![match seen {
        Seen::Answered { status: 200, ours: true, took } => {
            Finding::ok(format!("{asked} leads to this daemon, after {} ms, as seen from here", took.as_millis()))
        }
        Seen::Answered { status: 200, .. } => Finding::wrong(
            format!("something else than this daemon answers at {asked}: the tunnel or proxy leads elsewhere"),
            curl,
        ),
        Seen::Answered { status: 300..=399, .. } => Finding::wrong(
            format!("{asked} leads somewhere else (a redirect), which Twilio's signatures do not survive"),
            format!("write the address that it leads to as [phone] public_url, and at Twilio; {curl}"),
        ),
        Seen::Answered { status: 502..=504 | 520..=530, .. } => Finding::wrong(
            format!("the tunnel or proxy of {public_url} is there, but does not reach the daemon at {listen}"),
            "systemctl status frontdeskd; journalctl -u frontdesk-tunnel -n 20",
        ),
        Seen::Answered { status, .. } => {
            Finding::wrong(format!("{asked} answers with {status}: the tunnel or proxy leads elsewhere"), curl)
        }
        Seen::Distrusted(why) => {
            let endpoint = Endpoint::of(public_url);
            let (host, port) = endpoint.map_or_else(|| (public_url.to_owned(), 443), |it| (it.host, it.port));
            let mut finding = distrusted(public_url, &host, port, why);
            finding.what.push_str("; Twilio will not trust it either");
            if *why == Distrust::UnknownIssuer {
                finding.fix = Some(format!("openssl s_client -connect {host}:{port} -servername {host} </dev/null"));
            }
            finding
        }
        Seen::Failed(why) => Finding::wrong(
            format!("{asked} cannot be reached ({why}): Twilio will not reach this box, and callers hear the fallback"),
            "systemctl status frontdesk-tunnel frontdeskd",
        ),
    }]
}

#[cfg(test)]
#[path = "network_tests.rs"]
mod tests;
