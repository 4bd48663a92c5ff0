//! The daemon as a process: started with a configuration of its own, watched through its log, asked over HTTP.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// A debug build on a busy machine starts in well under that.
const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// How a daemon is started.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Lines of the configuration beside those that every rehearsal needs, by section: `("phone", "max_calls = 1")`.
    pub lines: Vec<(&'static str, String)>,
    /// Environment variables beside the secrets.
    pub environment: Vec<(&'static str, String)>,
    /// Where Gemini is.
    pub gemini: String,
    /// PEM file of its authority.
    pub gemini_ca: Option<PathBuf>,
    /// The key that is shown there.
    pub gemini_key: String,
    /// Base address of Twilio's REST API.
    pub twilio_api: String,
    /// The account.
    pub account_sid: String,
    /// Its token.
    pub auth_token: String,
    /// Where the store is kept; a directory that outlives the daemon, for stories with more than one.
    pub home: PathBuf,
}

/// A running daemon. Killed when dropped.
pub struct Daemon {
    child: Child,
    log: Arc<Log>,
    /// Where Twilio reaches it.
    pub public: SocketAddr,
    /// Where people reach it.
    pub admin: SocketAddr,
    http: reqwest::Client,
}

#[derive(Default)]
struct Log {
    lines: Mutex<Vec<String>>,
    changed: Notify,
}

impl Log {
    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The daemon's log, in its home.
pub const LOG: &str = "frontdeskd.log";
/// The name under which Twilio knows every rehearsed daemon.
pub const PUBLIC_URL: &str = "https://desk.example.com";
/// The clinic's number.
pub const NUMBER: &str = "+15550100100";
/// Whom callers reach when the agent cannot.
pub const FALLBACK: &str = "+15550100900";

impl Plan {
    /// Writes the configuration and returns its path.
    pub fn write(&self) -> anyhow::Result<PathBuf> {
        let mut sections: Vec<(&str, Vec<String>)> = vec![
            ("clinic", vec![r#"name = "Riverside Clinic""#.into(), r#"time_zone = "Europe/Berlin""#.into()]),
            ("gemini", vec![format!("endpoint = {:?}", self.gemini)]),
            (
                "phone",
                vec![
                    r#"listen = "127.0.0.1:0""#.into(),
                    format!("public_url = {PUBLIC_URL:?}"),
                    format!("number = {NUMBER:?}"),
                    format!("fallback_number = {FALLBACK:?}"),
                    format!("twilio_api = {:?}", self.twilio_api),
                ],
            ),
            // A speakerphone of this machine has no business in a story.
            ("desk", vec![r#"device = "none""#.into()]),
            ("calendar", Vec::new()),
            ("google", Vec::new()),
            ("admin", vec![r#"listen = "127.0.0.1:0""#.into()]),
            ("control", vec![format!("socket = '{}'", self.home.join("control.sock").display())]),
            ("store", vec![format!("path = '{}'", self.home.join("frontdesk.db").display())]),
            ("log", vec![r#"level = "debug""#.into()]),
            ("mail", Vec::new()),
        ];
        if let Some(ca) = &self.gemini_ca {
            sections[1].1.push(format!("ca_file = '{}'", ca.display()));
        }
        for (section, line) in &self.lines {
            let key = line.split('=').next().unwrap_or_default().trim();
            let at = sections.iter().position(|(name, _)| name == section).unwrap_or_else(|| {
                sections.push((section, Vec::new()));
                sections.len() - 1
            });
            let lines = &mut sections[at].1;
            lines.retain(|known| known.split('=').next().unwrap_or_default().trim() != key);
            if !line.trim_end().ends_with('=') {
                lines.push(line.clone());
            }
        }
        let mut text = String::new();
        for (name, lines) in sections.iter().filter(|(_, lines)| !lines.is_empty()) {
            writeln!(text, "[{name}]\n{}\n", lines.join("\n"))?;
        }
        let path = self.home.join("config.toml");
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }
}

/// A program of this workspace, built beside the one that runs.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let here = std::env::current_exe()?;
    let found = here.ancestors().skip(1).take(2).map(|folder| folder.join(name)).find(|path| path.is_file());
    found.with_context(|| format!("{name} is not built; `cargo build --workspace` builds it"))
}

impl Daemon {
    /// Starts a daemon and waits until it listens.
    pub async fn start(plan: &Plan) -> anyhow::Result<Self> {
        let config = plan.write()?;
        let mut child = Command::new(program("frontdeskd")?)
            .arg("--config")
            .arg(&config)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("GEMINI_API_KEY", &plan.gemini_key)
            .env("TWILIO_ACCOUNT_SID", &plan.account_sid)
            .env("TWILIO_AUTH_TOKEN", &plan.auth_token)
            .envs(plan.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot start frontdeskd")?;
        let log = Arc::new(Log::default());
        let stderr = child.stderr.take().context("frontdeskd has no log")?;
        let keep = Arc::clone(&log);
        let mut file = std::fs::File::create(plan.home.join(LOG)).context("cannot write the log")?;
        std::thread::Builder::new().name("daemon-log".into()).spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                // A full disk costs the file, not the rehearsal.
                let _ = writeln!(file, "{line}");
                keep.lines().push(line);
                keep.changed.notify_waiters();
            }
        })?;
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let http = reqwest::Client::builder().tls_backend_preconfigured(no_tls()?).no_proxy().build()?;
        let mut daemon = Self { child, log, public: unknown, admin: unknown, http };
        daemon.public = daemon.address("listening for Twilio on ").await?;
        daemon.admin = daemon.address("listening for people on ").await?;
        Ok(daemon)
    }

    async fn address(&self, line: &str) -> anyhow::Result<SocketAddr> {
        let text = self.wait_for_log(line, STARTS_WITHIN).await?;
        let address = text.split(line).nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap_or_default();
        address.parse().with_context(|| format!("no address in {text:?}"))
    }

    /// Waits for a log line that holds `part` and returns it.
    pub async fn wait_for_log(&self, part: &str, limit: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + limit;
        loop {
            let changed = self.log.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(line) = self.log.lines().iter().find(|line| line.contains(part)) {
                return Ok(line.clone());
            }
            if timeout_at(deadline, changed).await.is_err() {
                bail!("the daemon did not log {part:?} within {limit:?}; it logged:\n{}", self.log().join("\n"));
            }
        }
    }

    /// All log lines so far.
    pub fn log(&self) -> Vec<String> {
        self.log.lines().clone()
    }

    /// `GET` on the admin listener.
    pub async fn get(&self, path: &str) -> anyhow::Result<(u16, String)> {
        let answer = self.http.get(format!("http://{}{path}", self.admin)).send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    /// `GET` on the admin listener, read as JSON.
    pub async fn json(&self, path: &str) -> anyhow::Result<Value> {
        let (status, text) = self.get(path).await?;
        serde_json::from_str(&text).with_context(|| format!("{path} answered {status}: {text}"))
    }

    /// `POST` on the admin listener, without a body, read as JSON.
    pub async fn post(&self, path: &str) -> anyhow::Result<(u16, Value)> {
        let answer = self.http.post(format!("http://{}{path}", self.admin)).send().await?;
        let (status, text) = (answer.status().as_u16(), answer.text().await?);
        Ok((status, serde_json::from_str(&text).with_context(|| format!("{path} answered {status}: {text}"))?))
    }

    /// `DELETE` on the admin listener.
    pub async fn delete(&self, path: &str) -> anyhow::Result<u16> {
        let answer = self.http.delete(format!("http://{}{path}", self.admin)).send().await?;
        Ok(answer.status().as_u16())
    }

    /// Asks `path` until `predicate` holds of its JSON: records are written behind the call's back.
    pub async fn wait_for_json(
        &self,
        path: &str,
        limit: Duration,
        mut predicate: impl FnMut(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + limit;
        loop {
            let value = self.json(path).await?;
            if predicate(&value) {
                return Ok(value);
            }
            if Instant::now() >= deadline {
                bail!("{path} did not become as expected within {limit:?}: {value:#}");
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The process, for tools that look at it.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name, as a technician would.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status()?;
        if status.success() { Ok(()) } else { bail!("kill -{name} failed") }
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Waits for its end.
    pub async fn wait(&mut self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("the daemon did not end within {limit:?}; it logged:\n{}", self.log().join("\n"));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The listeners of a rehearsal are plain; an HTTP client wants a TLS configuration all the same.
pub fn no_tls() -> anyhow::Result<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth())
}

/// A folder for a daemon's files.
pub fn home() -> anyhow::Result<tempfile::TempDir> {
    Ok(tempfile::Builder::new().prefix("frontdesk-").tempdir()?)
}
